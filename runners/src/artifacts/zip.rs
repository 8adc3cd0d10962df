//! Zip archives of artifacts: packing, and unpacking with every entry checked (V7, V8).
//! Only files and directories come out of an archive; links and everything else in it are refused.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use rustix::fs::FileType;
use zip::write::{SimpleFileOptions, StreamWriter};
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::pack::{check_depth, entries};
use super::unpack::{Bounded, allowed_bytes, clean, make_dirs, new_file, place};
use crate::Error;
use crate::beneath::{Beneath, Links};
use crate::error::Doing;
use crate::limits::ARCHIVE_ENTRIES;

type Writer<'a> = ZipWriter<StreamWriter<&'a mut dyn Write>>;

/// Packs the file or directory at `path` under its own base name, as Argo does.
pub(super) fn pack(root: &Beneath, path: &Path, out: &mut dyn Write) -> Result<(), Error> {
    let reading = || format!("pack {}", path.display());
    let mut writer = ZipWriter::new_stream(out);
    let base = Path::new(path.file_name().unwrap_or(OsStr::new("root")));
    match root.file_type(path).doing(reading)? {
        FileType::Directory => {
            let dir = root.subdirectory(path, Links::Refused).doing(reading)?;
            add_dir(&mut writer, &dir, base, 0)?;
        }
        _file => {
            let (file, size) = root.open_regular(path).doing(reading)?;
            add_file(&mut writer, file, size, base)?;
        }
    }
    let inner = writer.finish().map_err(refused)?.into_inner();
    inner.flush().doing(reading)
}

fn add_file(writer: &mut Writer<'_>, file: File, size: u64, name: &Path) -> Result<(), Error> {
    let packing = || format!("pack {}", name.display());
    let mode = rustix::fs::fstat(&file).doing(packing)?.st_mode & 0o777;
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .large_file(size >= u64::from(u32::MAX))
        .unix_permissions(mode);
    writer.start_file(text(name)?, options).map_err(refused)?;
    // The file may still grow under a leftover writer: no more than `size` bytes go in.
    io::copy(&mut file.take(size), writer).doing(packing)?;
    Ok(())
}

fn add_dir(writer: &mut Writer<'_>, dir: &Beneath, name: &Path, depth: usize) -> Result<(), Error> {
    let packing = || format!("pack {}", name.display());
    check_depth(depth, name)?;
    let mode = rustix::fs::fstat(dir.as_fd()).doing(packing)?.st_mode & 0o777;
    let options = SimpleFileOptions::default().unix_permissions(mode);
    writer.add_directory(text(name)?, options).map_err(refused)?;
    for (entry, kind) in entries(dir).doing(packing)? {
        let inner = name.join(&entry);
        match kind {
            FileType::Directory => {
                let sub = dir.subdirectory(&entry, Links::Refused).doing(packing)?;
                add_dir(writer, &sub, &inner, depth + 1)?;
            }
            FileType::RegularFile => {
                let (file, size) = dir.open_regular(&entry).doing(packing)?;
                add_file(writer, file, size, &inner)?;
            }
            FileType::Symlink => {
                return Err(Error::Artifact(format!(
                    "{} is a symbolic link, which a zip archive cannot hold: use tar",
                    inner.display()
                )));
            }
            // Sockets, pipes and devices have no content that could be kept.
            _special => {}
        }
    }
    Ok(())
}

fn text(name: &Path) -> Result<&str, Error> {
    name.to_str().ok_or_else(|| Error::Artifact(format!("{} is no UTF-8, as a zip needs", name.display())))
}

/// Unpacks a zip archive; its only entry at the top becomes what is at `path`.
pub(super) fn unpack(file: File, packed: u64, root: &Beneath, path: &Path) -> Result<(), Error> {
    place(root, path, |dir| extract(file, packed, dir))
}

fn extract(file: File, packed: u64, dir: &Beneath) -> Result<Vec<PathBuf>, Error> {
    let mut archive = ZipArchive::new(file).map_err(refused)?;
    let mut left = allowed_bytes(packed);
    if archive.len() as u64 > ARCHIVE_ENTRIES {
        return Err(Error::Archive(format!("more than {ARCHIVE_ENTRIES} entries")));
    }
    let mut tops: Vec<PathBuf> = Vec::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(refused)?;
        let raw = entry.name().map_err(refused)?.into_owned();
        // Backslashes are separators to whoever packed on Windows; nobody else needs them.
        if raw.contains(['\\', '\0']) {
            return Err(Error::Archive(format!("the entry {raw:?} has a name of another system")));
        }
        let name = clean(Path::new(&raw))?;
        let Some(top) = name.components().next() else { continue };
        let top = PathBuf::from(top.as_os_str());
        if !tops.contains(&top) && tops.len() < 2 {
            tops.push(top);
        }
        let mode = entry.unix_mode().unwrap_or(if entry.is_dir() { 0o755 } else { 0o644 });
        if !matches!(mode & 0o170_000, 0 | 0o040_000 | 0o100_000) || entry.encrypted() {
            return Err(Error::Archive(format!("{} is of a refused type", name.display())));
        }
        if entry.is_dir() {
            make_dirs(dir, &name, (mode & 0o777) | 0o700)?;
            continue;
        }
        let mut out = new_file(dir, &name, (mode & 0o777) | 0o600)?;
        let mut bounded = Bounded { inner: &mut entry, left };
        io::copy(&mut bounded, &mut out).map_err(|error| Error::Archive(error.to_string()))?;
        left = bounded.left;
    }
    Ok(tops)
}

fn refused(error: zip::result::ZipError) -> Error {
    Error::Archive(error.to_string())
}
