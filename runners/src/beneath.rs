//! Opening, creating and removing files below one directory without ever leaving it (V8, V10).
//! Knows neither steps nor artifacts; symbolic links are followed inside the directory or not at all.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{self, AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// What a symbolic link means while a path is walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Links {
    /// It is followed, with this directory as `/`.
    InRoot,
    /// It is an error.
    Refused,
}

/// A directory that bounds everything reached through it.
pub(crate) struct Beneath {
    dir: OwnedFd,
    links: Links,
}

impl Beneath {
    /// Opens the directory at a trusted path.
    pub(crate) fn open(path: &Path, links: Links) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self { dir: fs::openat(CWD, path, flags, Mode::empty())?, links })
    }

    /// Takes a directory that is open already.
    pub(crate) fn from_fd(dir: OwnedFd, links: Links) -> Self {
        Self { dir, links }
    }

    /// The descriptor of the directory itself.
    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    fn resolve(&self) -> ResolveFlags {
        match self.links {
            Links::InRoot => ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS,
            Links::Refused => ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS,
        }
    }

    /// Opens what is at `path`, close-on-exec.
    pub(crate) fn open_at(&self, path: &Path, flags: OFlags, mode: u32) -> io::Result<OwnedFd> {
        let inside = inside(path)?;
        let flags = flags | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(mode);
        for _ in 0..64 {
            match fs::openat2(&self.dir, &inside, flags, mode, self.resolve()) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                other => return other.map_err(io::Error::from),
            }
        }
        Err(Errno::AGAIN.into())
    }

    /// Opens a directory below this one as a boundary of its own.
    pub(crate) fn subdirectory(&self, path: &Path, links: Links) -> io::Result<Self> {
        Ok(Self { dir: self.open_at(path, OFlags::PATH | OFlags::DIRECTORY, 0)?, links })
    }

    /// Creates the directory and its parents with `mode`, and opens it.
    pub(crate) fn create_dirs(&self, path: &Path, mode: u32) -> io::Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        match self.open_at(path, flags, 0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => return other,
        }
        let (parent, name) = split(path)?;
        let parent_dir = self.create_dirs(parent, mode)?;
        match fs::mkdirat(&parent_dir, name, Mode::from_raw_mode(mode)) {
            Ok(()) if mode & 0o7022 != 0 => {
                fs::chmodat(&parent_dir, name, Mode::from_raw_mode(mode), AtFlags::empty())?;
            }
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        self.open_at(path, flags, 0)
    }

    /// Creates (or truncates) a regular file and its parents; a link at its place is replaced.
    pub(crate) fn create_file(&self, path: &Path, mode: u32) -> io::Result<File> {
        let (parent, name) = split(path)?;
        let dir = self.create_dirs(parent, 0o755)?;
        create_in(dir.as_fd(), name, mode)
    }

    /// Opens a regular file for reading, whatever it was replaced with; never blocks on a FIFO and never
    /// reads kernel files (V10).
    pub(crate) fn open_regular(&self, path: &Path) -> io::Result<(File, u64)> {
        let fd = self.open_at(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY, 0)?;
        regular(fd)
    }

    /// Removes a file or a whole directory; links are removed, not followed. A mount point stays, emptied.
    pub(crate) fn remove(&self, path: &Path) -> io::Result<()> {
        let Some(name) = path.file_name() else { return Ok(()) };
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let parent = match self.open_at(path.parent().unwrap_or(Path::new(".")), flags, 0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other?,
        };
        remove_in(parent.as_fd(), name)
    }

    /// The type of what is at `path`; a link at the end counts as what it points to.
    pub(crate) fn file_type(&self, path: &Path) -> io::Result<FileType> {
        let fd = self.open_at(path, OFlags::PATH, 0)?;
        Ok(FileType::from_raw_mode(fs::fstat(&fd)?.st_mode))
    }
}

/// Creates a regular file in a directory that is open; what was there is unlinked, not followed.
pub(crate) fn create_in(dir: BorrowedFd<'_>, name: &OsStr, mode: u32) -> io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode_bits = Mode::from_raw_mode(mode & 0o777);
    let fd = match fs::openat(dir, name, flags, mode_bits) {
        Err(Errno::EXIST) => {
            fs::unlinkat(dir, name, AtFlags::empty())?;
            fs::openat(dir, name, flags, mode_bits)?
        }
        other => other?,
    };
    fs::fchmod(&fd, mode_bits)?;
    Ok(File::from(fd))
}

fn remove_in(parent: BorrowedFd<'_>, name: &OsStr) -> io::Result<()> {
    match fs::unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(error) => return Err(error.into()),
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let dir = match fs::openat(parent, name, flags, Mode::empty()) {
        // Overlays leave a directory without any permission behind.
        Err(Errno::ACCESS) => {
            fs::chmodat(parent, name, Mode::RWXU, AtFlags::empty())?;
            fs::openat(parent, name, flags, Mode::empty())?
        }
        // Somebody else removes the same thing.
        Err(Errno::NOENT) => return Ok(()),
        other => other?,
    };
    for entry in fs::Dir::read_from(&dir)? {
        let entry = entry?;
        let bytes = entry.file_name().to_bytes();
        if bytes != b"." && bytes != b".." {
            match remove_in(dir.as_fd(), OsStr::from_bytes(bytes)) {
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    fs::fchmod(&dir, Mode::RWXU)?;
                    remove_in(dir.as_fd(), OsStr::from_bytes(bytes))?;
                }
                other => other?,
            }
        }
    }
    match fs::unlinkat(parent, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::BUSY | Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Accepts the descriptor of a regular file on a real file system; gives its size in bytes.
pub(crate) fn regular(fd: OwnedFd) -> io::Result<(File, u64)> {
    const PROC: i64 = 0x9fa0;
    const SYSFS: i64 = 0x6265_6572;
    let stat = fs::fstat(&fd)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let kind = fs::fstatfs(&fd)?.f_type as i64;
    if kind == PROC || kind == SYSFS {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a file of the kernel"));
    }
    Ok((File::from(fd), u64::try_from(stat.st_size).unwrap_or(0)))
}

/// The path relative to the boundary; `..` is refused because nobody needs it here.
fn inside(path: &Path) -> io::Result<PathBuf> {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => clean.push(name),
            Component::RootDir | Component::CurDir => {}
            Component::ParentDir | Component::Prefix(_) => {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path contains `..`"));
            }
        }
    }
    if clean.as_os_str().is_empty() {
        clean.push(".");
    }
    Ok(clean)
}

fn split(path: &Path) -> io::Result<(&Path, &OsStr)> {
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => Ok((parent, name)),
        (None, _) | (_, None) => Err(io::Error::new(io::ErrorKind::InvalidInput, "the path names no file")),
    }
}
