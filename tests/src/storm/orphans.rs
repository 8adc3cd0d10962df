//! Processes that belong to a home: its steps, by the identity in their environment, and its supervisors.
//! Signals nobody.

use std::path::Path;
use std::time::{Duration, Instant};

/// A process.
#[derive(Clone, Debug)]
pub struct Process {
    /// Its id.
    pub pid: i32,
    /// Its command line, for people.
    pub command: String,
    /// It is a supervisor, not a step.
    pub supervisor: bool,
}

/// Supervisors of attempts below the folder, and steps that have one of the identities.
pub fn find(folder: &Path, keys: &[&str]) -> Vec<Process> {
    let Ok(listing) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids = listing.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid| look(pid, folder, keys)).collect()
}

fn look(pid: i32, folder: &Path, keys: &[&str]) -> Option<Process> {
    let read = |file: &str| std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let words = read("cmdline");
    // A zombie has neither; it runs nothing any more.
    let command = String::from_utf8_lossy(&words).replace('\0', " ");
    let supervisor = command.contains(" __supervise ") && command.contains(folder.to_string_lossy().as_ref());
    let environment = read("environ");
    let step = environment.split(|byte| *byte == 0).any(|variable| {
        let key = std::str::from_utf8(variable).ok().and_then(|text| text.strip_prefix("RUNNER_STEP_KEY="));
        key.is_some_and(|key| keys.contains(&key))
    });
    (supervisor || step).then_some(Process { pid, command, supervisor })
}

/// Waits until nobody is left, at most so long; who is left then.
pub fn left_after(folder: &Path, keys: &[&str], limit: Duration) -> Vec<Process> {
    let end = Instant::now() + limit;
    loop {
        let found = find(folder, keys);
        if found.is_empty() || Instant::now() >= end {
            return found;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
