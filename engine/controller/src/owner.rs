//! The name of this process in leases, and the proof that the process behind another name is dead.
//! Deliberately answers "not dead" whenever there is a doubt: a lease then simply runs out.

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};

static COUNT: AtomicU64 = AtomicU64::new(0);

/// A name for one controller of this process: `host/boot id/pid namespace/pid/start time/number`.
#[must_use]
pub fn this_process() -> String {
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let pid = std::process::id();
    let start = start_time(pid).unwrap_or_default();
    format!("{}/{}/{}/{pid}/{start}/{number}", host(), boot_id(), pid_namespace())
}

/// Whether the process of that name provably runs no more: this host booted since, or the process id is free
/// or belongs to a process that started at another time (F15, F16).
#[must_use]
pub fn is_dead(owner: &str) -> bool {
    let parts: Vec<&str> = owner.split('/').collect();
    let [owner_host, owner_boot, owner_namespace, pid, start, _number] = parts.as_slice() else {
        return false;
    };
    let (host, boot, namespace) = (host(), boot_id(), pid_namespace());
    if host.is_empty() || boot.is_empty() || owner_boot.is_empty() || *owner_host != host {
        return false;
    }
    if *owner_boot != boot {
        return true;
    }
    // A process id means nothing in another namespace.
    if namespace.is_empty() || *owner_namespace != namespace {
        return false;
    }
    let Ok(pid) = pid.parse::<u32>() else { return false };
    match start_time(pid) {
        Some(now) => !start.is_empty() && now != *start,
        None => fs::metadata("/proc/self/stat").is_ok() && fs::metadata(format!("/proc/{pid}")).is_err(),
    }
}

fn host() -> String {
    word("/proc/sys/kernel/hostname")
}

fn boot_id() -> String {
    word("/proc/sys/kernel/random/boot_id")
}

fn word(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().replace('/', "_")
}

fn pid_namespace() -> String {
    let link = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    link.to_string_lossy().chars().filter(char::is_ascii_digit).collect()
}

/// Field 22 of `/proc/<pid>/stat`; the command name before it may hold spaces and parentheses.
fn start_time(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(19).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_not_dead_and_names_differ() {
        let (one, two) = (this_process(), this_process());
        assert_ne!(one, two);
        assert!(!is_dead(&one));
        assert!(!is_dead("somebody"));
    }

    #[test]
    fn f15_f16_another_boot_or_start_time_is_proof() {
        let parts: Vec<String> = this_process().split('/').map(str::to_owned).collect();
        let with = |place: usize, text: &str| {
            let mut parts = parts.clone();
            if let Some(part) = parts.get_mut(place) {
                *part = text.to_owned();
            }
            parts.join("/")
        };
        assert!(is_dead(&with(1, "another-boot")), "rebooted");
        assert!(is_dead(&with(4, "1")), "the process id was used again");
        assert!(is_dead(&with(3, "4194305")), "no such process");
        assert!(!is_dead(&with(0, "another-host")), "nothing is known of other hosts");
        assert!(!is_dead(&with(2, "1")), "nothing is known of other namespaces");
    }
}
