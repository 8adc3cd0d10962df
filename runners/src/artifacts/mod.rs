//! Artifacts: where they live, how they are packed, how they come back.
//! Which artifact goes where was decided before: this moves bytes.

mod local;
mod pack;
mod unpack;

use std::path::Path;

use runner_workflows::spec::{ArchiveStrategy, Artifact, S3Artifact};

pub use local::LocalRepository;
pub(crate) use unpack::{place_file_modes, tar as unpack_tar};

use crate::beneath::Beneath;
use crate::limits::KEY_BYTES;
use crate::{ArtifactRepository, Error};

/// How bytes are packed on their way into the repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// tar and gzip of this level; Argo's default.
    TarGzip {
        /// 0 to 9.
        level: u32,
    },
    /// The bytes as they are; a directory becomes a directory.
    None,
}

impl Packing {
    /// The packing an artifact asks for.
    pub fn of(archive: Option<&ArchiveStrategy>) -> Result<Self, Error> {
        let Some(archive) = archive else { return Ok(Self::TarGzip { level: 6 }) };
        if archive.zip.is_some() {
            return Err(Error::NotBuiltIn { what: "zip archives of artifacts".into() });
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
            Self::None => "",
        }
    }
}

/// How a stored artifact is turned back into files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unpacking {
    /// tar, with or without gzip, is recognized; everything else is taken as it is.
    Detect,
    /// The bytes as they are.
    None,
}

impl Unpacking {
    /// The unpacking an input artifact asks for.
    pub fn of(archive: Option<&ArchiveStrategy>) -> Result<Self, Error> {
        match archive {
            Some(archive) if archive.zip.is_some() => {
                Err(Error::NotBuiltIn { what: "zip archives of artifacts".into() })
            }
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
}

/// Opens the driver of a repository.
pub(crate) fn open(repository: &ArtifactRepository) -> Result<Box<dyn Driver>, Error> {
    match repository {
        ArtifactRepository::Local { root } => Ok(Box::new(LocalRepository::open(root)?)),
    }
}

/// The key of an artifact that lives in the default repository.
///
/// Argo writes such locations as `s3` with a key and neither endpoint nor bucket ("key-only artifacts");
/// every other location needs a driver that is not there yet.
pub fn repository_key(artifact: &Artifact) -> Result<Option<&str>, Error> {
    let foreign = [
        ("git artifacts", artifact.git.is_some()),
        ("http artifacts", artifact.http.is_some()),
        ("artifactory artifacts", artifact.artifactory.is_some()),
        ("hdfs artifacts", artifact.hdfs.is_some()),
        ("oss artifacts", artifact.oss.is_some()),
        ("gcs artifacts", artifact.gcs.as_ref().is_some_and(|at| !at.bucket.is_empty())),
        ("azure artifacts", artifact.azure.as_ref().is_some_and(|at| !at.container.is_empty())),
        ("artifact plugins", artifact.plugin.is_some()),
        (
            "s3 artifacts",
            artifact.s3.as_ref().is_some_and(|at| !at.bucket.is_empty() || !at.endpoint.is_empty()),
        ),
    ];
    if let Some((what, _)) = foreign.iter().find(|(_, set)| *set) {
        return Err(Error::NotBuiltIn { what: format!("{what} (artifact {:?})", artifact.name) });
    }
    let key = match (&artifact.s3, &artifact.gcs, &artifact.azure) {
        (Some(s3), _, _) => Some(s3.key.as_str()),
        (None, Some(gcs), _) => Some(gcs.key.as_str()),
        (None, None, Some(azure)) => Some(azure.blob.as_str()),
        (None, None, None) => None,
    };
    Ok(key.filter(|key| !key.is_empty()))
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
