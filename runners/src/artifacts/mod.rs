//! Artifacts: where they live, how they are packed, how they come back.
//! Which artifact goes where was decided before: this moves bytes.

mod buckets;
mod git;
mod local;
pub(crate) mod location;
mod object;
mod pack;
mod plugin;
mod stores;
mod unpack;
mod web;
mod zip;

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};

use runner_workflows::spec::{ArchiveStrategy, Artifact, S3Artifact};
use rustix::fs::FileType;

pub use local::LocalRepository;
pub(crate) use pack::tar_gzip as pack_tar;
pub use plugin::ArtifactDriver;
pub(crate) use stores::{Credential, Located, Outside, Stores};
pub(crate) use unpack::{place_file_modes, tar as unpack_tar};

use crate::Error;
use crate::beneath::Beneath;
use crate::error::Doing;
use crate::limits::KEY_BYTES;

/// How bytes are packed on their way into the repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// tar and gzip of this level; Argo's default.
    TarGzip {
        /// 0 to 9.
        level: u32,
    },
    /// zip.
    Zip,
    /// The bytes as they are; a directory becomes a directory.
    None,
}

impl Packing {
    /// The packing an artifact asks for.
    pub fn of(archive: Option<&ArchiveStrategy>) -> Result<Self, Error> {
        let Some(archive) = archive else { return Ok(Self::TarGzip { level: 6 }) };
        if archive.zip.is_some() {
            return Ok(Self::Zip);
        }
        if archive.none.is_some() {
            return Ok(Self::None);
        }
        let level = archive.tar.as_ref().and_then(|tar| tar.compression_level).unwrap_or(6);
        Ok(Self::TarGzip { level: u32::try_from(level).unwrap_or(6).min(9) })
    }

    /// What Argo appends to a default key.
    pub fn extension(self) -> &'static str {
        match self {
            Self::TarGzip { .. } => ".tgz",
            Self::Zip => ".zip",
            Self::None => "",
        }
    }
}

/// How a stored artifact is turned back into files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unpacking {
    /// tar, with or without gzip, is recognized; everything else is taken as it is.
    Detect,
    /// A zip archive; anything else is an error.
    Zip,
    /// The bytes as they are.
    None,
}

impl Unpacking {
    /// The unpacking an input artifact asks for.
    pub fn of(archive: Option<&ArchiveStrategy>) -> Result<Self, Error> {
        match archive {
            Some(archive) if archive.zip.is_some() => Ok(Self::Zip),
            Some(archive) if archive.none.is_some() => Ok(Self::None),
            Some(_) | None => Ok(Self::Detect),
        }
    }
}

/// What the repository keeps after a put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Size in bytes of what is stored.
    pub size_bytes: u64,
    /// SHA-256 of what is stored, as hex; absent for directories.
    pub digest: Option<String>,
}

/// One place where artifacts are kept.
pub(crate) trait Driver {
    /// Stores the file or directory at `path` of `root` under `key`. All of it becomes visible at once.
    fn put(&self, root: &Beneath, path: &Path, key: &str, packing: Packing) -> Result<Stored, Error>;
    /// Stores bytes under `key`.
    fn put_bytes(&self, content: &mut dyn std::io::Read, key: &str) -> Result<Stored, Error>;
    /// Places what is stored under `key` at `path` of `root`, replacing what is there.
    fn get(&self, key: &str, unpacking: Unpacking, root: &Beneath, path: &Path) -> Result<(), Error>;
    /// The keys below a key, sorted; all of them when it is empty.
    fn list(&self, key: &str) -> Result<Vec<String>, Error>;
    /// Deletes what is stored under `key`; deleting what is not there succeeds.
    fn delete(&self, key: &str) -> Result<(), Error>;
}

/// What is at a path that is to be stored.
fn kind_of(root: &Beneath, path: &Path) -> Result<FileType, Error> {
    root.file_type(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::Missing(format!("{} does not exist", path.display())),
        _other => Error::Io { doing: format!("read {}", path.display()), source: error },
    })
}

/// Places a fetched file as an artifact; what is at `path` is replaced.
fn unpack_file(
    unpacking: Unpacking,
    file: File,
    size: u64,
    root: &Beneath,
    path: &Path,
) -> Result<(), Error> {
    root.remove(path).doing(|| format!("replace {}", path.display()))?;
    match unpacking {
        Unpacking::Detect => unpack::detect(file, size, root, path),
        Unpacking::Zip => zip::unpack(file, size, root, path),
        Unpacking::None => unpack::plain(file, root, path),
    }
}

/// Fetches into a file beside `path`; gives it opened, with its size and its path.
fn spooled(
    root: &Beneath,
    path: &Path,
    fetch: impl FnOnce(&mut dyn std::io::Write) -> Result<(), Error>,
) -> Result<(File, u64, PathBuf), Error> {
    let name = path.file_name().unwrap_or(OsStr::new("root")).to_string_lossy();
    let spool = path.parent().unwrap_or(Path::new("/")).join(format!(".{name}.fetching"));
    let fetching = || format!("fetch to {}", spool.display());
    let mut file = root.create_file(&spool, 0o600).doing(fetching)?;
    if let Err(error) = fetch(&mut file) {
        // What is half fetched is worth nothing; the first error is the one to report.
        let _ = root.remove(&spool);
        return Err(error);
    }
    drop(file);
    let (file, size) = root.open_regular(&spool).doing(fetching)?;
    Ok((file, size, spool))
}

/// The key of an artifact that lives in the default repository.
///
/// Argo writes such locations as `s3` with a key and neither endpoint nor bucket ("key-only artifacts").
///
/// # Errors
/// Not built in: the artifact lives elsewhere.
pub fn repository_key(artifact: &Artifact) -> Result<Option<&str>, Error> {
    match location::own(artifact)? {
        None => Ok(location::key_of(artifact)),
        Some(_elsewhere) => {
            let what = format!("reading artifact {:?}, which is not in the local repository,", artifact.name);
            Err(Error::NotBuiltIn { what })
        }
    }
}

/// Sets the location of an artifact to a key of the default repository.
pub fn set_repository_key(artifact: &mut Artifact, key: String) {
    (artifact.gcs, artifact.azure) = (None, None);
    artifact.s3 = Some(S3Artifact { key, ..S3Artifact::default() });
}

/// Checks a key: relative, without `.` and `..`, without control characters, of bounded length (V9).
pub fn check_key(key: &str) -> Result<(), Error> {
    let bad = |why: &str| Err(Error::Artifact(format!("artifact key {key:?} {why}")));
    if key.is_empty() || key.len() > KEY_BYTES {
        return bad("must have between 1 and 1024 bytes");
    }
    if key.chars().any(char::is_control) {
        return bad("contains control characters");
    }
    for part in key.trim_end_matches('/').split('/') {
        if matches!(part, "" | "." | "..") || part.len() > 255 {
            return bad("has a part that is empty, a dot, two dots or too long");
        }
    }
    Ok(())
}
