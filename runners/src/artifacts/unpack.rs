//! Archives into files, with every entry checked (V7, V8).
//! Trusts nothing in an archive: names, links, sizes and modes are somebody else's.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::path::{Component, Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use tar::{Archive, EntryType};

use crate::Error;
use crate::beneath::{Beneath, Links, create_in};
use crate::error::Doing;
use crate::limits::{ARCHIVE_BYTES, ARCHIVE_ENTRIES, ARCHIVE_RATIO, ARCHIVE_RATIO_FROM, ARTIFACT_DEPTH};

/// Copies the bytes as they are.
pub(super) fn plain(mut file: File, root: &Beneath, path: &Path) -> Result<(), Error> {
    let placing = || format!("place {}", path.display());
    let mut out = root.create_file(path, 0o644).doing(placing)?;
    io::copy(&mut file, &mut out).doing(placing)?;
    Ok(())
}

/// Unpacks tar, with or without gzip; everything else is copied as it is.
pub(super) fn detect(mut file: File, packed: u64, root: &Beneath, path: &Path) -> Result<(), Error> {
    let reading = || "read an archive".to_owned();
    let mut magic = [0u8; 2];
    let gzip = file.read_exact(&mut magic).is_ok() && magic == [0x1f, 0x8b];
    file.rewind().doing(reading)?;
    let is_tar = if gzip {
        let head = head(MultiGzDecoder::new(BufReader::new(&mut file)));
        file.rewind().doing(reading)?;
        is_tar(&head)
    } else {
        let head = head(&mut file);
        file.rewind().doing(reading)?;
        is_tar(&head)
    };
    match (gzip, is_tar) {
        (true, true) => tar(MultiGzDecoder::new(BufReader::new(file)), packed, root, path),
        (false, true) => tar(BufReader::new(file), packed, root, path),
        (_, false) => plain(file, root, path),
    }
}

fn head(source: impl Read) -> Vec<u8> {
    let mut head = Vec::new();
    // What cannot be decompressed is no archive of ours: it is handed on as it is.
    let _ = source.take(512).read_to_end(&mut head);
    head
}

/// A tar archive says so at byte 257; an empty one is all zeros.
fn is_tar(head: &[u8]) -> bool {
    head.len() == 512 && (&head[257..262] == b"ustar" || head.iter().all(|byte| *byte == 0))
}

/// Unpacks a tar archive; its only entry at the top becomes what is at `path`.
pub(crate) fn tar(source: impl Read, packed: u64, root: &Beneath, path: &Path) -> Result<(), Error> {
    place(root, path, |dir| extract(source, packed, dir))
}

/// Lets entries be written to a directory of their own, and moves them to `path`. The names at the top are given
/// by whoever writes them.
pub(super) fn place(
    root: &Beneath,
    path: &Path,
    extract: impl FnOnce(&Beneath) -> Result<Vec<PathBuf>, Error>,
) -> Result<(), Error> {
    let placing = || format!("unpack to {}", path.display());
    // Beside the target, so that the final move stays within one file system.
    let name = path.file_name().unwrap_or(OsStr::new("root")).to_string_lossy().into_owned();
    let parent = path.parent().unwrap_or(Path::new("/"));
    let staging = parent.join(format!(".{name}.unpacking"));
    root.remove(&staging).doing(placing)?;
    let dir = Beneath::from_fd(root.create_dirs(&staging, 0o755).doing(placing)?, Links::Refused);
    let outcome = extract(&dir).and_then(|tops| {
        let outer = root.create_dirs(parent, 0o755).doing(placing)?;
        // One entry at the top is the artifact itself; several are the content of a directory.
        match tops.as_slice() {
            [only] => rustix::fs::renameat(dir.as_fd(), only, &outer, name.as_str()).doing(placing)?,
            _many => {
                rustix::fs::renameat(&outer, format!(".{name}.unpacking"), &outer, name.as_str())
                    .doing(placing)?;
            }
        }
        Ok(())
    });
    let cleaned = root.remove(&staging).doing(placing);
    outcome.and(cleaned)
}

/// What an archive of this size may unpack to (V7).
pub(super) fn allowed_bytes(packed: u64) -> u64 {
    packed.saturating_mul(ARCHIVE_RATIO).clamp(ARCHIVE_RATIO_FROM, ARCHIVE_BYTES)
}

/// Writes all entries below `dir`; gives the names at the top.
fn extract(source: impl Read, packed: u64, dir: &Beneath) -> Result<Vec<PathBuf>, Error> {
    let mut archive = Archive::new(Bounded { inner: source, left: allowed_bytes(packed) });
    let mut tops: Vec<PathBuf> = Vec::new();
    let mut links: Vec<(PathBuf, PathBuf)> = Vec::new();
    let mut count = 0u64;
    for entry in archive.entries().map_err(refused)? {
        let mut entry = entry.map_err(refused)?;
        count += 1;
        if count > ARCHIVE_ENTRIES {
            return Err(Error::Archive(format!("more than {ARCHIVE_ENTRIES} entries")));
        }
        let name = clean(&entry.path().map_err(refused)?)?;
        let kind = entry.header().entry_type();
        let Some(top) = name.components().next() else { continue };
        let top = PathBuf::from(top.as_os_str());
        if !tops.contains(&top) && tops.len() < 2 {
            tops.push(top);
        }
        let mode = entry.header().mode().map_err(refused)? & 0o777;
        match kind {
            EntryType::Directory => {
                make_dirs(dir, &name, mode | 0o700)?;
            }
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                let mut out = new_file(dir, &name, mode | 0o600)?;
                io::copy(&mut entry, &mut out).map_err(refused)?;
            }
            EntryType::Symlink => {
                let target = link_target(&entry)?;
                links.push((name, target));
            }
            EntryType::Link => hard_link(dir, &clean(&link_target(&entry)?)?, &name)?,
            EntryType::XGlobalHeader => {}
            other => {
                return Err(Error::Archive(format!("{} is of a refused type ({other:?})", name.display())));
            }
        }
    }
    // Links last: no entry can be written through one. The only entry at the top is the artifact itself,
    // and what it links to must lie within it.
    let outside = if tops.len() == 1 { 2 } else { 1 };
    for (name, target) in links {
        let inside = name.components().count().checked_sub(outside);
        if !inside.is_some_and(|depth| link_stays_inside(depth, &target)) {
            return Err(Error::Archive(format!("{} links outside: {}", name.display(), target.display())));
        }
        let (parent, file) = parent_of(dir, &name)?;
        rustix::fs::symlinkat(&target, parent.as_fd(), &file).doing(|| format!("link {}", name.display()))?;
    }
    Ok(tops)
}

fn link_target<R: Read>(entry: &tar::Entry<'_, R>) -> Result<PathBuf, Error> {
    match entry.link_name().map_err(refused)? {
        Some(target) => Ok(target.into_owned()),
        None => Err(Error::Archive("a link without a target".into())),
    }
}

/// A link at a depth of `depth` directories stays inside when it is relative and never climbs above.
pub(super) fn link_stays_inside(depth: usize, target: &Path) -> bool {
    let mut level = i64::try_from(depth).unwrap_or(0);
    for component in target.components() {
        match component {
            Component::Normal(_) => level += 1,
            Component::CurDir => {}
            Component::ParentDir => level -= 1,
            Component::RootDir | Component::Prefix(_) => return false,
        }
        if level < 0 {
            return false;
        }
    }
    true
}

/// The name of an entry: relative, without `..`, of bounded depth.
pub(super) fn clean(name: &Path) -> Result<PathBuf, Error> {
    let mut clean = PathBuf::new();
    for component in name.components() {
        match component {
            Component::Normal(part) => clean.push(part),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                return Err(Error::Archive(format!("the entry {:?} leaves the archive", name.display())));
            }
        }
    }
    if clean.components().count() > ARTIFACT_DEPTH {
        return Err(Error::Archive("an entry is nested too deeply".into()));
    }
    Ok(clean)
}

pub(super) fn make_dirs(dir: &Beneath, name: &Path, mode: u32) -> Result<(), Error> {
    let made =
        dir.create_dirs(name, 0o755).map_err(|e| Error::Archive(format!("{}: {e}", name.display())))?;
    let dir =
        rustix::fs::openat(&made, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .doing(|| format!("open {}", name.display()))?;
    rustix::fs::fchmod(&dir, super::pack::plain_mode(mode))
        .doing(|| format!("set the mode of {}", name.display()))
}

fn parent_of(dir: &Beneath, name: &Path) -> Result<(Beneath, PathBuf), Error> {
    let parent = name.parent().unwrap_or(Path::new(""));
    let file = name.file_name().ok_or_else(|| Error::Archive("an entry without a name".into()))?;
    let made =
        dir.create_dirs(parent, 0o755).map_err(|e| Error::Archive(format!("{}: {e}", name.display())))?;
    Ok((Beneath::from_fd(made, Links::Refused), PathBuf::from(file)))
}

pub(super) fn new_file(dir: &Beneath, name: &Path, mode: u32) -> Result<File, Error> {
    let (parent, file) = parent_of(dir, name)?;
    create_in(parent.as_fd(), file.as_os_str(), mode)
        .map_err(|e| Error::Archive(format!("{}: {e}", name.display())))
}

/// A second name of a file that was unpacked before.
fn hard_link(dir: &Beneath, target: &Path, name: &Path) -> Result<(), Error> {
    let refused =
        |e: io::Error| Error::Archive(format!("{} links to {}: {e}", name.display(), target.display()));
    let (old_parent, old_name) = parent_of(dir, target)?;
    let stat = rustix::fs::statat(old_parent.as_fd(), &old_name, AtFlags::SYMLINK_NOFOLLOW)
        .map_err(|e| refused(e.into()))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(Error::Archive(format!("{} links to something that is no file", name.display())));
    }
    let (parent, file) = parent_of(dir, name)?;
    rustix::fs::linkat(old_parent.as_fd(), &old_name, parent.as_fd(), &file, AtFlags::empty())
        .map_err(|e| refused(e.into()))
}

fn refused(error: io::Error) -> Error {
    Error::Archive(error.to_string())
}

/// Sets the mode of a placed artifact, and of everything below it when asked (Argo's `recurseMode`).
pub(crate) fn place_file_modes(root: &Beneath, path: &Path, mode: u32, recurse: bool) -> Result<(), Error> {
    let setting = || format!("set the mode of {}", path.display());
    let fd = root.open_at(path, OFlags::RDONLY | OFlags::NONBLOCK, 0).doing(setting)?;
    let stat = rustix::fs::fstat(&fd).doing(setting)?;
    if recurse && FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
        for entry in rustix::fs::Dir::read_from(&fd).doing(setting)? {
            let entry = entry.doing(setting)?;
            let name = entry.file_name().to_bytes();
            let link = entry.file_type() == FileType::Symlink;
            if name != b"." && name != b".." && !link {
                let inner = path.join(<OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(name));
                place_file_modes(root, &inner, mode, true)?;
            }
        }
    }
    rustix::fs::fchmod(&fd, super::pack::plain_mode(mode)).doing(setting)
}

/// Ends with an error after a number of bytes: what unpacks to more is a bomb (V7).
pub(super) struct Bounded<R> {
    pub(super) inner: R,
    pub(super) left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.inner.read(buffer)?;
        match self.left.checked_sub(got as u64) {
            Some(left) => self.left = left,
            None => return Err(io::Error::other("it unpacks to far more than it should")),
        }
        Ok(got)
    }
}
