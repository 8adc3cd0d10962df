//! Which file systems of the host a private root repeats.
//! Reads the table only: mounting is done in `root`.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::limits::HOST_MOUNTS;

/// A mounted file system of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HostMount {
    pub(super) path: PathBuf,
    pub(super) is_dir: bool,
}

/// Below these nothing is repeated: the kernel's own, private or the innards of other container engines.
const SKIPPED: [&str; 9] = [
    "/proc",
    "/sys",
    "/dev",
    "/tmp",
    "/var/tmp",
    "/var/lib/docker",
    "/var/lib/containers",
    "/var/lib/kubelet",
    "/run/user",
];

/// The mounts below `/` that a step should see, parents first, at most `HOST_MOUNTS`.
pub(super) fn of_host(also_skipped: &[PathBuf]) -> io::Result<Vec<HostMount>> {
    let table = std::fs::read_to_string("/proc/self/mountinfo")?;
    let mut found: Vec<HostMount> = select(&table, also_skipped)
        .into_iter()
        .filter_map(|path| {
            let stat = std::fs::metadata(&path).ok()?;
            (stat.is_dir() || stat.is_file()).then(|| HostMount { is_dir: stat.is_dir(), path })
        })
        .collect();
    found.truncate(HOST_MOUNTS);
    Ok(found)
}

fn select(table: &str, also_skipped: &[PathBuf]) -> Vec<PathBuf> {
    let mut paths: BTreeMap<PathBuf, ()> = BTreeMap::new();
    for line in table.lines() {
        let Some(field) = line.split(' ').nth(4) else { continue };
        let path = PathBuf::from(unescape(field));
        let skipped = path == Path::new("/")
            || SKIPPED.iter().any(|prefix| path.starts_with(prefix))
            || also_skipped.iter().any(|prefix| path.starts_with(prefix));
        if !skipped {
            paths.insert(path, ());
        }
    }
    paths.into_keys().collect()
}

/// The kernel writes blanks, tabs, line ends and backslashes as octal escapes.
fn unescape(field: &str) -> String {
    field.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_file_systems_are_left_out_and_parents_come_first() {
        let table = "1 0 8:1 / / rw - ext4 x rw\n2 1 0:2 / /proc rw - proc p rw\n\
                     3 1 8:2 / /home/a\\040b rw - ext4 y rw\n4 1 8:3 / /home rw - ext4 z rw\n\
                     5 1 0:9 / /var/lib/docker/overlay2/x rw - overlay o rw\n";
        assert_eq!(select(table, &[]), [PathBuf::from("/home"), PathBuf::from("/home/a b")]);
        assert!(select(table, &[PathBuf::from("/home")]).is_empty());
    }
}
