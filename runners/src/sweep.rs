//! Finding and killing every process of a step, whatever it did to get away (F49-F51).
//! Decides nothing: the caller knows that the step is over.

use std::collections::{HashMap, HashSet};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal};
use sha2::{Digest, Sha256};

use crate::job::HOME_PATH;

/// What the processes of one attempt have in common.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mark {
    /// Their root has this directory as its HOME. (The number of a mount namespace would not do: the kernel
    /// gives it to somebody else as soon as the last process has left.)
    pub(crate) home: Option<Home>,
    /// They inherited this variable, `NAME=value`.
    pub(crate) variable: Option<String>,
    /// They descend from this process, which is not one of them.
    pub(crate) ancestor: Option<i32>,
}

/// Name of the variable that marks the processes of one attempt on one machine.
pub(crate) const VARIABLE: &str = "RUNNER_MARK";

/// Device and inode of the directory that an attempt sees as its HOME. It means this attempt and no other
/// for as long as the directory is there, and an unprivileged step cannot unmount it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Home {
    device: u64,
    inode: u64,
}

impl Home {
    /// The directory at a path, if there is one.
    pub(crate) fn at(path: &Path) -> Option<Self> {
        let stat = std::fs::symlink_metadata(path).ok().filter(std::fs::Metadata::is_dir)?;
        Some(Self { device: stat.dev(), inode: stat.ino() })
    }
}

impl Mark {
    /// The value of the variable. Made of the attempt's directory: the step's key alone would also mean
    /// the same step of another engine on this machine.
    pub(crate) fn value(attempt_dir: &Path) -> String {
        let digest = Sha256::digest(attempt_dir.as_os_str().as_encoded_bytes());
        digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect()
    }

    /// The variable of an attempt.
    pub(crate) fn variable_of(attempt_dir: &Path) -> Option<String> {
        Some(format!("{VARIABLE}={}", Self::value(attempt_dir)))
    }
}

/// Kills until a scan finds nobody, or the time is over. True when nobody is left.
pub(crate) fn kill_all(mark: &Mark, limit: Duration, mut reap: impl FnMut()) -> bool {
    let end = Instant::now() + limit;
    let mut pause = Duration::from_micros(200);
    loop {
        let found = find(mark);
        if found.is_empty() {
            return true;
        }
        for pid in found {
            kill(pid);
        }
        reap();
        if Instant::now() >= end {
            return false;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
        reap();
    }
}

/// Kills by pidfd, after looking once more: the number may mean somebody else by now.
fn kill(found: Found) {
    let Some(pid) = Pid::from_raw(found.pid) else { return };
    let Ok(pidfd) = rustix::process::pidfd_open(pid, PidfdFlags::empty()) else { return };
    if crate::attempt::start_ticks(found.pid) == Some(found.start_ticks) {
        // Gone meanwhile, or not ours to kill: the next scan will tell.
        let _ = rustix::process::pidfd_send_signal(&pidfd, Signal::KILL);
    }
}

struct Found {
    pid: i32,
    start_ticks: u64,
}

/// All processes with the mark, apart from the ancestor and this process.
fn find(mark: &Mark) -> Vec<Found> {
    let this = i32::try_from(std::process::id()).unwrap_or(0);
    let Ok(listing) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids: Vec<i32> =
        listing.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    let family = mark.ancestor.map(|ancestor| descendants(&pids, ancestor)).unwrap_or_default();
    pids.into_iter()
        .filter(|pid| *pid != this && Some(*pid) != mark.ancestor && *pid != 1)
        .filter(|pid| family.contains(pid) || in_root(*pid, mark) || in_environment(*pid, mark))
        // A zombie has no start time here: it is dead already.
        .filter_map(|pid| Some(Found { pid, start_ticks: crate::attempt::start_ticks(pid)? }))
        .collect()
}

fn descendants(pids: &[i32], ancestor: i32) -> HashSet<i32> {
    let parents: HashMap<i32, i32> = pids.iter().filter_map(|pid| Some((*pid, parent(*pid)?))).collect();
    let mut family = HashSet::new();
    for pid in pids {
        let mut line = vec![*pid];
        while let Some(up) = line.last().and_then(|last| parents.get(last)) {
            if *up == ancestor || family.contains(up) {
                family.extend(line);
                break;
            }
            if line.len() > pids.len() {
                break;
            }
            line.push(*up);
        }
    }
    family
}

fn parent(pid: i32) -> Option<i32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat[stat.rfind(')')? + 1..].split_ascii_whitespace().nth(1)?.parse().ok()
}

/// The process lives in the private root of the attempt, or in a namespace made inside of it.
fn in_root(pid: i32, mark: &Mark) -> bool {
    mark.home.is_some_and(|home| Home::at(Path::new(&format!("/proc/{pid}/root{HOME_PATH}"))) == Some(home))
}

fn in_environment(pid: i32, mark: &Mark) -> bool {
    let Some(wanted) = &mark.variable else { return false };
    let Ok(environment) = std::fs::read(format!("/proc/{pid}/environ")) else { return false };
    environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn f16_the_mark_of_one_attempt_finds_nobody_else() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path());
        assert!(home.is_some());
        let mark = Mark { home, variable: Mark::variable_of(dir.path()), ancestor: None };
        assert!(find(&mark).is_empty());
        assert_eq!(Home::at(&dir.path().join("absent")), None);
        let mut marked = std::process::Command::new("sleep");
        marked.arg("60").env(VARIABLE, Mark::value(dir.path()));
        let mut child = marked.spawn().unwrap();
        while find(&mark).is_empty() {
            std::thread::sleep(Duration::from_millis(1));
        }
        let found: Vec<u32> = find(&mark).into_iter().map(|one| one.pid.unsigned_abs()).collect();
        assert_eq!(found, [child.id()]);
        assert!(kill_all(&mark, Duration::from_secs(5), || {}));
        child.wait().unwrap();
    }
}
