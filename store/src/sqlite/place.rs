//! Where a database may live: on a local file system, owned by us, readable by nobody else.
//! Deliberately never opens an existing database file: closing it would drop SQLite's locks in this process.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Error, Result};

/// `f_type` of file systems whose locks do not reach other machines or that do not have any (statfs(2)).
const NETWORK_FILE_SYSTEMS: [(u64, &str); 14] = [
    (0x6969, "nfs"),
    (0x517B, "smb"),
    (0xFE53_4D42, "smb2"),
    (0xFF53_4D42, "cifs"),
    (0x0102_1997, "9p"),
    (0x6573_5546, "fuse"),
    (0x00C3_6400, "ceph"),
    (0x5346_414F, "afs"),
    (0x6B41_4653, "kafs"),
    (0x0BD0_0BD0, "lustre"),
    (0x4750_4653, "gpfs"),
    (0x7375_7245, "coda"),
    (0x7461_636F, "ocfs2"),
    (0x0116_1970, "gfs2"),
];

fn io(path: &Path, error: &std::io::Error) -> Error {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            Error::Full(format!("{}: {error}", path.display()))
        }
        _ => Error::Io(format!("{}: {error}", path.display())),
    }
}

/// Makes the directory and an empty private file if they are missing; checks them if they are not.
/// Answers whether the file is new.
pub(super) fn prepare(path: &Path, allow_network: bool) -> Result<bool> {
    let directory = directory_of(path);
    if !directory.exists() {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o700).create(&directory).map_err(|e| io(&directory, &e))?;
    }
    check_directory(&directory)?;
    if !allow_network {
        refuse_network(&directory)?;
    }
    if path.exists() {
        check_file(path)?;
        return Ok(false);
    }
    let log = beside(path, "-wal");
    if log.exists() && !path.exists() {
        let lost =
            format!("{} is there but its database is not; restore it or remove the log", log.display());
        return Err(Error::UnsafePlace(lost));
    }
    create_private(path, &directory)
}

fn directory_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        Some(_) | None => PathBuf::from("."),
    }
}

fn check_directory(directory: &Path) -> Result<()> {
    let metadata = fs::metadata(directory).map_err(|e| io(directory, &e))?;
    let refuse = |why: &str| Err(Error::UnsafePlace(format!("{} {why}", directory.display())));
    let me = rustix::process::geteuid().as_raw();
    if !metadata.is_dir() {
        return refuse("is not a directory");
    }
    if metadata.uid() != me && metadata.uid() != 0 {
        return refuse("belongs to another user");
    }
    let (world_writable, sticky) = (metadata.mode() & 0o002 != 0, metadata.mode() & 0o1000 != 0);
    if world_writable && !sticky {
        return refuse("can be written by everybody");
    }
    Ok(())
}

/// An existing database must be ours; permissions that are too wide are taken back, its helpers' too.
fn check_file(path: &Path) -> Result<()> {
    for file in [path.to_owned(), beside(path, "-wal"), beside(path, "-shm")] {
        let metadata = match fs::symlink_metadata(&file) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(io(&file, &error)),
        };
        if !metadata.is_file() {
            return Err(Error::UnsafePlace(format!("{} is not a regular file", file.display())));
        }
        if metadata.uid() != rustix::process::geteuid().as_raw() {
            return Err(Error::UnsafePlace(format!("{} belongs to another user", file.display())));
        }
        if metadata.mode() & 0o077 != 0 {
            tracing::warn!(file = %file.display(), "was readable by others; permissions set to 0600");
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).map_err(|e| io(&file, &e))?;
        }
    }
    Ok(())
}

/// The path of one of SQLite's helper files.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Puts an empty file with mode 0600 at `path`. It is made under another name and linked, so that it is closed
/// before anybody can have it open through SQLite. Answers false when somebody else was faster.
pub(super) fn create_private(path: &Path, directory: &Path) -> Result<bool> {
    static DRAFTS: AtomicU64 = AtomicU64::new(0);
    let (process, number) = (rustix::process::getpid().as_raw_pid(), DRAFTS.fetch_add(1, Ordering::Relaxed));
    let draft = beside(path, &format!(".new-{process}-{number}"));
    let opened = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft);
    drop(opened.map_err(|e| io(&draft, &e))?);
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft).map_err(|e| io(&draft, &e))?;
    match linked {
        Ok(()) => {
            sync_directory(directory)?;
            Ok(true)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(io(path, &error)),
    }
}

/// Makes names in the directory durable.
pub(super) fn sync_directory(directory: &Path) -> Result<()> {
    fs::File::open(directory).and_then(|d| d.sync_all()).map_err(|e| io(directory, &e))
}

fn refuse_network(directory: &Path) -> Result<()> {
    let found =
        rustix::fs::statfs(directory).map_err(|e| Error::Io(format!("{}: {e}", directory.display())))?;
    match network_name(i128::from(found.f_type)) {
        None => Ok(()),
        Some(name) => Err(Error::UnsafePlace(format!(
            "{} is on a {name} file system; locks do not work there, choose a local disk",
            directory.display()
        ))),
    }
}

/// The name of the network file system with this magic number. The field is 32 or 64 bits wide and signed on
/// some platforms, so only the low 32 bits are compared.
fn network_name(magic: i128) -> Option<&'static str> {
    let low = u64::try_from(magic & 0xFFFF_FFFF).unwrap_or_default();
    NETWORK_FILE_SYSTEMS.iter().find(|(known, _)| *known == low).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn f22_network_file_systems_are_known_by_number() {
        assert_eq!(network_name(0x6969), Some("nfs"));
        assert_eq!(network_name(0xFF53_4D42), Some("cifs"));
        assert_eq!(network_name(i128::from(0xFF53_4D42_u32.cast_signed())), Some("cifs"));
        for local in [0xEF53, 0x0102_1994, 0x9123_683E, 0x5846_5342, 0x794C_7630] {
            assert_eq!(network_name(local), None, "{local:x}");
        }
    }

    #[test]
    fn v35_a_directory_everybody_may_write_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let open = root.path().join("open");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(prepare(&open.join("x.db"), false), Err(Error::UnsafePlace(_))));
        fs::set_permissions(&open, fs::Permissions::from_mode(0o1777)).unwrap();
        assert!(prepare(&open.join("x.db"), false).unwrap());
    }

    #[test]
    fn v35_a_symbolic_link_in_place_of_a_database_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let (real, link) = (root.path().join("real"), root.path().join("link.db"));
        fs::write(&real, "").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        assert!(matches!(prepare(&link, false), Err(Error::UnsafePlace(_))));
    }
}
