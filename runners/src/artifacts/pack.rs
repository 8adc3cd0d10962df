//! Files into an archive, or copied as they are.
//! Reads only below a boundary; links are packed as links, everything that is neither file, directory nor
//! link is refused.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use tar::{Builder, EntryType, Header};

use crate::Error;
use crate::beneath::{Beneath, Links, create_in};
use crate::error::Doing;
use crate::limits::ARTIFACT_DEPTH;

/// Packs the file or directory at `path` under its own base name, as Argo does.
pub(crate) fn tar_gzip(root: &Beneath, path: &Path, level: u32, out: &mut dyn Write) -> Result<(), Error> {
    let reading = || format!("pack {}", path.display());
    let mut builder = Builder::new(GzEncoder::new(out, Compression::new(level)));
    builder.mode(tar::HeaderMode::Deterministic);
    let base = Path::new(path.file_name().unwrap_or(OsStr::new("root")));
    match root.file_type(path).doing(reading)? {
        FileType::Directory => {
            let dir = root.subdirectory(path, Links::Refused).doing(reading)?;
            add_dir(&mut builder, &dir, base, 0)?;
        }
        _file => {
            let (file, size) = root.open_regular(path).doing(reading)?;
            add_file(&mut builder, file, size, base).doing(reading)?;
        }
    }
    let gzip = builder.into_inner().doing(reading)?;
    gzip.finish().doing(reading)?;
    Ok(())
}

fn add_file<W: Write>(
    builder: &mut Builder<W>,
    file: std::fs::File,
    size: u64,
    name: &Path,
) -> io::Result<()> {
    let mode = rustix::fs::fstat(&file)?.st_mode & 0o777;
    let mut header = header(EntryType::Regular, mode);
    header.set_size(size);
    // The file may still grow or shrink under a leftover writer: exactly `size` bytes go in.
    builder.append_data(&mut header, name, Exactly { file, left: size })
}

fn header(kind: EntryType, mode: u32) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_mtime(0);
    header.set_size(0);
    header
}

fn add_dir<W: Write>(
    builder: &mut Builder<W>,
    dir: &Beneath,
    name: &Path,
    depth: usize,
) -> Result<(), Error> {
    let packing = || format!("pack {}", name.display());
    check_depth(depth, name)?;
    let mode = rustix::fs::fstat(dir.as_fd()).doing(packing)?.st_mode & 0o777;
    builder.append_data(&mut header(EntryType::Directory, mode), name, io::empty()).doing(packing)?;
    for (entry, kind) in entries(dir).doing(packing)? {
        let inner = name.join(&entry);
        match kind {
            FileType::Directory => {
                let sub = dir.subdirectory(&entry, Links::Refused).doing(packing)?;
                add_dir(builder, &sub, &inner, depth + 1)?;
            }
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(dir.as_fd(), &entry, Vec::new()).doing(packing)?;
                let target = PathBuf::from(OsStr::from_bytes(target.as_bytes()));
                let mut header = header(EntryType::Symlink, 0o777);
                builder.append_link(&mut header, &inner, target).doing(packing)?;
            }
            FileType::RegularFile => {
                let (file, size) = dir.open_regular(&entry).doing(packing)?;
                add_file(builder, file, size, &inner).doing(packing)?;
            }
            // Sockets, pipes and devices have no content that could be kept.
            _special => {}
        }
    }
    Ok(())
}

/// Copies a file or directory from one boundary into another; links inside a tree are left out unless
/// they point to something relative.
pub(super) fn copy_tree(from: &Beneath, source: &Path, to: &Beneath, target: &Path) -> Result<(), Error> {
    let copying = || format!("copy {}", source.display());
    let dir = from.subdirectory(source, Links::Refused).doing(copying)?;
    let place = Beneath::from_fd(to.create_dirs(target, 0o755).doing(copying)?, Links::Refused);
    copy_dir(&dir, &place, 0)
}

fn copy_dir(from: &Beneath, to: &Beneath, depth: usize) -> Result<(), Error> {
    check_depth(depth, Path::new("directory"))?;
    for (entry, kind) in entries(from).doing(|| "list a directory".to_owned())? {
        let copying = || format!("copy {}", entry.display());
        match kind {
            FileType::Directory => {
                let source = from.subdirectory(&entry, Links::Refused).doing(copying)?;
                let place = to.create_dirs(&entry, 0o755).doing(copying)?;
                copy_dir(&source, &Beneath::from_fd(place, Links::Refused), depth + 1)?;
            }
            FileType::RegularFile => {
                let (mut file, _) = from.open_regular(&entry).doing(copying)?;
                let mode = rustix::fs::fstat(&file).doing(copying)?.st_mode & 0o777;
                let dir = to.open_at(Path::new("."), OFlags::PATH | OFlags::DIRECTORY, 0).doing(copying)?;
                let fd = std::os::fd::AsFd::as_fd(&dir);
                let mut out = create_in(fd, entry.as_os_str(), mode).doing(copying)?;
                io::copy(&mut file, &mut out).doing(copying)?;
                rustix::fs::fsync(&out).doing(copying)?;
            }
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(from.as_fd(), &entry, Vec::new()).doing(copying)?;
                if super::unpack::link_stays_inside(depth, Path::new(OsStr::from_bytes(target.as_bytes()))) {
                    rustix::fs::symlinkat(&target, to.as_fd(), &entry).doing(copying)?;
                }
            }
            _special => {}
        }
    }
    Ok(())
}

/// All regular files below a directory, as paths relative to it, sorted.
pub(super) fn files(dir: &Beneath) -> Result<Vec<PathBuf>, Error> {
    fn walk(dir: &Beneath, name: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), Error> {
        check_depth(depth, name)?;
        for (entry, kind) in entries(dir).doing(|| format!("list {}", name.display()))? {
            let inner = name.join(&entry);
            match kind {
                FileType::Directory => {
                    let sub = dir.subdirectory(&entry, Links::Refused);
                    walk(&sub.doing(|| format!("list {}", inner.display()))?, &inner, depth + 1, found)?;
                }
                FileType::RegularFile => found.push(inner),
                _special => {}
            }
        }
        Ok(())
    }
    let mut found = Vec::new();
    walk(dir, Path::new(""), 0, &mut found)?;
    Ok(found)
}

/// Names and types of a directory's entries, sorted: the same tree gives the same archive.
pub(super) fn entries(dir: &Beneath) -> io::Result<Vec<(PathBuf, FileType)>> {
    let listed = dir.open_at(Path::new("."), OFlags::RDONLY | OFlags::DIRECTORY, 0)?;
    let mut found = Vec::new();
    for entry in rustix::fs::Dir::read_from(&listed)? {
        let entry = entry?;
        let bytes = entry.file_name().to_bytes();
        if bytes == b"." || bytes == b".." {
            continue;
        }
        let name = PathBuf::from(OsStr::from_bytes(bytes));
        let kind = match entry.file_type() {
            FileType::Unknown => {
                let stat = rustix::fs::statat(dir.as_fd(), &name, AtFlags::SYMLINK_NOFOLLOW)?;
                FileType::from_raw_mode(stat.st_mode)
            }
            known => known,
        };
        found.push((name, kind));
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(found)
}

pub(super) fn check_depth(depth: usize, name: &Path) -> Result<(), Error> {
    if depth > ARTIFACT_DEPTH {
        return Err(Error::Artifact(format!("{} is nested too deeply", name.display())));
    }
    Ok(())
}

/// Reads a fixed number of bytes, with zeros for what is missing.
struct Exactly {
    file: std::fs::File,
    left: u64,
}

impl io::Read for Exactly {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let want = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let mut got = self.file.read(&mut buffer[..want])?;
        if got == 0 && want > 0 {
            buffer[..want].fill(0);
            got = want;
        }
        self.left -= got as u64;
        Ok(got)
    }
}

/// The permission bits of a mode, without setuid, setgid and sticky.
pub(super) fn plain_mode(mode: u32) -> Mode {
    Mode::from_raw_mode(mode & 0o777)
}
