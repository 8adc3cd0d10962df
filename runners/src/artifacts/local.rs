//! Artifacts in a directory of this machine: one file or directory per key.
//! Knows nothing of steps; what it stores becomes visible whole or not at all.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, OFlags, RenameFlags, XattrFlags};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use super::{Driver, Packing, Stored, Unpacking, check_key, pack};
use crate::Error;
use crate::beneath::{Beneath, Links};
use crate::error::Doing;

/// Extended attribute that carries the digest of a stored file.
const DIGEST: &str = "user.runner.sha256";
/// Directory for what is being written.
const INCOMING: &str = ".incoming";

/// A directory of artifacts, mode 0700.
pub struct LocalRepository {
    root: Beneath,
}

impl LocalRepository {
    /// Opens the directory, creating it when absent. A directory of somebody else is refused (V35).
    pub fn open(path: &Path) -> Result<Self, Error> {
        std::fs::DirBuilder::new()
            .mode(0o700)
            .recursive(true)
            .create(path)
            .doing(|| format!("create the artifact directory {}", path.display()))?;
        let stat = std::fs::metadata(path).doing(|| format!("read {}", path.display()))?;
        if stat.uid() != rustix::process::geteuid().as_raw() {
            return Err(Error::Unsafe { path: path.into(), problem: "belongs to another user".into() });
        }
        if stat.mode() & 0o077 != 0 {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))
                .doing(|| format!("restrict {}", path.display()))?;
        }
        let root = Beneath::open(path, Links::Refused).doing(|| format!("open {}", path.display()))?;
        Ok(Self { root })
    }

    /// Copies a stored artifact out of the repository, unpacked, to a path of this machine.
    pub fn export(&self, key: &str, unpacking: Unpacking, target: &Path) -> Result<(), Error> {
        let (Some(parent), Some(name)) = (target.parent(), target.file_name()) else {
            return Err(Error::Invalid(format!("{} names no file", target.display())));
        };
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        let place = Beneath::open(parent, Links::Refused).doing(|| format!("open {}", parent.display()))?;
        self.get(key, unpacking, &place, Path::new(name))
    }

    /// Stores a file or directory of this machine.
    pub fn import(&self, source: &Path, key: &str, packing: Packing) -> Result<Stored, Error> {
        let (Some(parent), Some(name)) = (source.parent(), source.file_name()) else {
            return Err(Error::Invalid(format!("{} names no file", source.display())));
        };
        let place = Beneath::open(parent, Links::InRoot).doing(|| format!("open {}", parent.display()))?;
        self.put(&place, Path::new(name), key, packing)
    }

    /// Deletes what is stored under a key; deleting what is not there succeeds.
    pub fn delete(&self, key: &str) -> Result<(), Error> {
        check_key(key)?;
        self.root.remove(Path::new(key)).doing(|| format!("delete artifact {key:?}"))
    }

    fn incoming(&self) -> io::Result<(PathBuf, PathBuf)> {
        drop(self.root.create_dirs(Path::new(INCOMING), 0o700)?);
        let name = format!("{}-{}", std::process::id(), unique());
        Ok((Path::new(INCOMING).join(&name), PathBuf::from(name)))
    }

    /// Moves what was written to its key.
    fn publish(&self, from: &Path, key: &str) -> io::Result<()> {
        let key = Path::new(key);
        let parent = key.parent().unwrap_or(Path::new("."));
        let dir = self.root.create_dirs(parent, 0o700)?;
        let name = key.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let incoming = self.root.create_dirs(from.parent().unwrap_or(Path::new(".")), 0o700)?;
        let old = from.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        match rustix::fs::renameat(&incoming, old, &dir, name) {
            Err(Errno::EXIST | Errno::NOTEMPTY | Errno::ISDIR | Errno::NOTDIR) => {
                rustix::fs::renameat_with(&incoming, old, &dir, name, RenameFlags::EXCHANGE)?;
                self.root.remove(from)?;
            }
            other => other?,
        }
        rustix::fs::fsync(self.root.open_at(parent, OFlags::RDONLY | OFlags::DIRECTORY, 0)?)?;
        Ok(())
    }

    fn write_file(
        &self,
        key: &str,
        fill: impl FnOnce(&mut Hashing<File>) -> Result<(), Error>,
    ) -> Result<Stored, Error> {
        check_key(key)?;
        let storing = || format!("store artifact {key:?}");
        let (path, _) = self.incoming().doing(storing)?;
        let file = self.root.create_file(&path, 0o600).doing(storing)?;
        let mut out = Hashing { inner: file, hash: Sha256::new(), size_bytes: 0 };
        if let Err(error) = fill(&mut out) {
            // What is half written is worth nothing; the first error is the one to report.
            let _ = self.root.remove(&path);
            return Err(error);
        }
        let digest: String = out.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        // Not every file system keeps attributes: then there is nothing to compare when it is read.
        let _ = rustix::fs::fsetxattr(&out.inner, DIGEST, digest.as_bytes(), XattrFlags::empty());
        rustix::fs::fsync(&out.inner).doing(storing)?;
        self.publish(&path, key).doing(storing)?;
        Ok(Stored { size_bytes: out.size_bytes, digest: Some(digest) })
    }
}

impl Driver for LocalRepository {
    fn put(&self, root: &Beneath, path: &Path, key: &str, packing: Packing) -> Result<Stored, Error> {
        let kind = super::kind_of(root, path)?;
        match packing {
            Packing::TarGzip { level } => self.write_file(key, |out| pack::tar_gzip(root, path, level, out)),
            Packing::Zip => self.write_file(key, |out| super::zip::pack(root, path, out)),
            Packing::None if kind == FileType::Directory => {
                check_key(key)?;
                let (incoming, _) = self.incoming().doing(|| format!("store artifact {key:?}"))?;
                pack::copy_tree(root, path, &self.root, &incoming)?;
                self.publish(&incoming, key).doing(|| format!("store artifact {key:?}"))?;
                Ok(Stored { size_bytes: 0, digest: None })
            }
            Packing::None => self.write_file(key, |out| {
                let (mut file, _) = root.open_regular(path).doing(|| format!("read {}", path.display()))?;
                io::copy(&mut file, out).doing(|| format!("copy {}", path.display()))?;
                Ok(())
            }),
        }
    }

    fn put_bytes(&self, content: &mut dyn Read, key: &str) -> Result<Stored, Error> {
        self.write_file(key, |out| {
            io::copy(content, out).doing(|| format!("store artifact {key:?}"))?;
            Ok(())
        })
    }

    fn get(&self, key: &str, unpacking: Unpacking, root: &Beneath, path: &Path) -> Result<(), Error> {
        check_key(key)?;
        let key_path = Path::new(key.trim_end_matches('/'));
        let kind = self.root.file_type(key_path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::Missing(format!("there is no artifact under the key {key:?}")),
            _other => Error::Io { doing: format!("read artifact {key:?}"), source: error },
        })?;
        if kind == FileType::Directory {
            root.remove(path).doing(|| format!("replace {}", path.display()))?;
            return pack::copy_tree(&self.root, key_path, root, path);
        }
        let (file, size) = self.root.open_regular(key_path).doing(|| format!("read artifact {key:?}"))?;
        verify(&file, key)?;
        super::unpack_file(unpacking, file, size, root, path)
    }

    fn list(&self, key: &str) -> Result<Vec<String>, Error> {
        let listing = || format!("list artifacts below {key:?}");
        let prefix = key.trim_end_matches('/');
        let dir = if prefix.is_empty() {
            let all = self.root.open_at(Path::new("."), OFlags::RDONLY | OFlags::DIRECTORY, 0);
            Beneath::from_fd(all.doing(listing)?, Links::Refused)
        } else {
            check_key(prefix)?;
            match self.root.file_type(Path::new(prefix)) {
                Ok(FileType::Directory) => {
                    self.root.subdirectory(Path::new(prefix), Links::Refused).doing(listing)?
                }
                Ok(_file) => return Ok(Vec::new()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
                Err(error) => return Err(error).doing(listing),
            }
        };
        let files = pack::files(&dir)?;
        let shown = files.iter().filter(|file| !file.starts_with(INCOMING)).filter_map(|file| file.to_str());
        let keys =
            shown.map(|file| if prefix.is_empty() { file.to_owned() } else { format!("{prefix}/{file}") });
        Ok(keys.collect())
    }

    fn delete(&self, key: &str) -> Result<(), Error> {
        Self::delete(self, key)
    }
}

/// Compares a stored file with the digest kept beside it, where there is one (V42).
fn verify(mut file: &File, key: &str) -> Result<(), Error> {
    use std::io::Seek;
    let mut kept = [0u8; 64];
    match rustix::fs::fgetxattr(file, DIGEST, &mut kept[..]) {
        Ok(64) => {}
        Ok(_) | Err(_) => return Ok(()),
    }
    let mut sink = Hashing { inner: io::sink(), hash: Sha256::new(), size_bytes: 0 };
    io::copy(&mut file, &mut sink).doing(|| format!("read artifact {key:?}"))?;
    file.rewind().doing(|| format!("read artifact {key:?}"))?;
    let found: String = sink.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    if found.as_bytes() == kept {
        Ok(())
    } else {
        Err(Error::Artifact(format!("artifact {key:?} was changed since it was stored")))
    }
}

/// A number that is different for every call of this process and, with the pid, on this machine.
fn unique() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let ticks = crate::attempt::start_ticks(i32::try_from(std::process::id()).unwrap_or(0)).unwrap_or(0);
    (ticks << 20) | NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Writes through and keeps the digest.
pub(super) struct Hashing<W> {
    inner: W,
    hash: Sha256,
    size_bytes: u64,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.size_bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
