//! The memory limit of main: a control group where one can be made, else a limit on the data of each process.
//! Does not say what the limit is, and is no reason not to start: what cannot be limited is not.
//!
//! Files of the group are opened before the private root is entered, from inside of which there is no way to them.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::process::{Resource, Rlimit};

/// Where control groups are mounted.
const GROUPS: &str = "/sys/fs/cgroup";
/// The file that takes processes.
const PROCESSES: &str = "cgroup.procs";

/// A limit at work.
pub(super) struct Memory {
    bytes: u64,
    group: Option<Group>,
}

/// A control group of the attempt's own.
struct Group {
    parent: OwnedFd,
    name: String,
    members: File,
    /// `cgroup.procs` of the group that the supervisor is in.
    home: File,
    /// `memory.events` of version 2, `memory.oom_control` of version 1.
    events: File,
}

impl Memory {
    /// The limit of an attempt, if it has one.
    pub(super) fn new(bytes: Option<u64>) -> Option<Self> {
        let bytes = bytes.filter(|bytes| *bytes > 0)?;
        let own = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let group = places(&own).into_iter().find_map(|place| Group::make(&place, bytes));
        Some(Self { bytes, group })
    }

    /// Starts something under the limit: the supervisor itself goes there for the moment, because what is started
    /// may have children of its own before anybody could put it there. What it starts inherits the limit.
    pub(super) fn hold<T>(&mut self, start: impl FnOnce() -> T) -> T {
        if let Some(group) = &mut self.group
            && group.members.write_all(b"0").is_ok()
        {
            let started = start();
            // Left inside it would count as part of the step, no more.
            let _ = group.home.write_all(b"0");
            return started;
        }
        // Address space would be the wrong measure: runtimes reserve far more of it than they use.
        let before = rustix::process::getrlimit(Resource::Data);
        let limit = Rlimit { current: Some(self.bytes), maximum: before.maximum };
        // Above the highest that is allowed it is refused, and held already.
        let _ = rustix::process::setrlimit(Resource::Data, limit);
        let started = start();
        let _ = rustix::process::setrlimit(Resource::Data, before);
        started
    }

    /// Whether the kernel has ended a process of the group for its memory. Without a group nobody knows.
    pub(super) fn has_killed(&mut self) -> bool {
        self.group.as_mut().is_some_and(|group| {
            let mut text = String::new();
            let read =
                group.events.seek(SeekFrom::Start(0)).and_then(|_| group.events.read_to_string(&mut text));
            read.is_ok() && kills(&text) > 0
        })
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // With a process in it that could not be killed it stays.
        let _ = rustix::fs::unlinkat(&self.parent, self.name.as_str(), AtFlags::REMOVEDIR);
    }
}

/// Where a group may be made.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    parent: PathBuf,
    /// Our own group.
    home: PathBuf,
    unified: bool,
}

/// Places to try, from `/proc/self/cgroup`: beside our own group in version 2, whose groups hold processes or
/// groups and not both; below our own in version 1.
fn places(own: &str) -> Vec<Place> {
    let mut places = Vec::new();
    for line in own.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else {
            continue;
        };
        let path = path.trim_start_matches('/');
        if controllers.split(',').any(|name| name == "memory") {
            let root = Path::new(GROUPS).join("memory");
            let home = root.join(path);
            places.push(Place { parent: home.clone(), home: home.clone(), unified: false });
            places.push(Place { parent: root, home, unified: false });
        } else if controllers.is_empty() {
            let beside = Path::new(path).parent().unwrap_or(Path::new(""));
            let root = Path::new(GROUPS);
            places.push(Place { parent: root.join(beside), home: root.join(path), unified: true });
        }
    }
    places
}

impl Group {
    fn make(place: &Place, bytes: u64) -> Option<Self> {
        let (limit, swap, events) = if place.unified {
            ("memory.max", ("memory.swap.max", 0), "memory.events")
        } else {
            ("memory.limit_in_bytes", ("memory.memsw.limit_in_bytes", bytes), "memory.oom_control")
        };
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let parent = rustix::fs::open(&place.parent, flags, Mode::empty()).ok()?;
        let name = format!("runner-step-{}", std::process::id());
        let dir = place.parent.join(&name);
        if let Err(error) = std::fs::create_dir(&dir)
            && error.kind() != std::io::ErrorKind::AlreadyExists
        {
            return None;
        }
        let write = |file: PathBuf| std::fs::OpenOptions::new().write(true).open(file);
        let set = |file: &str, value: u64| {
            write(dir.join(file)).and_then(|mut file| file.write_all(value.to_string().as_bytes()))
        };
        let open = || {
            set(limit, bytes)?;
            let (members, home) = (write(dir.join(PROCESSES))?, write(place.home.join(PROCESSES))?);
            Ok::<_, std::io::Error>((members, home, File::open(dir.join(events))?))
        };
        match open() {
            Ok((members, home, events)) => {
                // Not every kernel counts swap.
                let _ = set(swap.0, swap.1);
                Some(Self { parent, name, members, home, events })
            }
            Err(_) => {
                let _ = std::fs::remove_dir(&dir);
                None
            }
        }
    }
}

/// The number in the line `oom_kill N`.
fn kills(events: &str) -> u64 {
    let line = events.lines().find_map(|line| line.strip_prefix("oom_kill "));
    line.and_then(|number| number.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_made_where_the_kernel_lets_them_be() {
        let place =
            |parent: &str, home: &str, unified| Place { parent: parent.into(), home: home.into(), unified };
        assert_eq!(
            places("0::/system.slice/runner.service\n"),
            [place("/sys/fs/cgroup/system.slice", "/sys/fs/cgroup/system.slice/runner.service", true)],
        );
        assert_eq!(
            places("4:cpu,memory:/a\n1:cpu:/b\n"),
            [
                place("/sys/fs/cgroup/memory/a", "/sys/fs/cgroup/memory/a", false),
                place("/sys/fs/cgroup/memory", "/sys/fs/cgroup/memory/a", false),
            ],
        );
        assert!(places("").is_empty());
    }

    #[test]
    fn kills_are_read_from_both_versions() {
        assert_eq!(kills("low 0\nhigh 0\nmax 7\noom 2\noom_kill 1\noom_group_kill 0\n"), 1);
        assert_eq!(kills("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"), 3);
        assert_eq!(kills("oom_kill_disable 0\nunder_oom 0\n"), 0);
    }
}
