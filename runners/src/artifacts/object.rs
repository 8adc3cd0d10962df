//! Artifacts in object stores: S3 and what speaks it, Google cloud storage, Azure blobs.
//! Knows keys and bytes; which artifact goes where was decided before. Requests are tried again by the client only.

use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use object_store::path::Path as Key;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload};
use rustix::fs::FileType;
use sha2::{Digest, Sha256};
use tokio::runtime::Runtime;

use super::buckets::{self, Bucket};
use super::location::Location;
use super::stores::Credentials;
use super::{Driver, Packing, Stored, Unpacking, check_key, pack, unpack_file, zip};
use crate::Error;
use crate::beneath::{Beneath, Links};
use crate::error::Doing;

/// Size of a part of a large object: S3 takes 10,000 of them, which makes 160 GB.
const PART_BYTES: usize = 16 << 20;

/// One bucket.
pub(super) struct ObjectStoreDriver {
    runtime: Runtime,
    bucket: Bucket,
}

impl ObjectStoreDriver {
    /// Prepares a client; the first request is made later.
    pub(super) fn open(location: &Location, credentials: Credentials<'_>) -> Result<Self, Error> {
        // Somebody else may have chosen the provider already: it is the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.doing(|| "make a runtime for artifacts".into())?;
        let bucket = runtime.block_on(async { buckets::open(location, credentials) })?;
        Ok(Self { runtime, bucket })
    }

    fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.bucket.store
    }

    fn upload(&self, key: &str, fill: impl Fn(&mut dyn Write) -> Result<(), Error>) -> Result<Stored, Error> {
        self.bucket.make_sure(&self.runtime)?;
        let mut out = Upload::new(self, parse(key)?);
        let filled = fill(&mut out).and_then(|()| out.finish());
        if filled.is_err() {
            out.abandon();
        }
        filled
    }

    fn download(&self, key: &Key, out: &mut dyn Write) -> Result<u64, Error> {
        let work = async {
            let mut stream = self.store().get(key).await?.into_stream();
            let mut size = 0;
            while let Some(chunk) = stream.next().await {
                let chunk = chunk?;
                size += chunk.len() as u64;
                out.write_all(&chunk).map_err(generic)?;
            }
            Ok(size)
        };
        self.runtime.block_on(work).map_err(|error| failed(error, key.as_ref()))
    }

    fn keys_below(&self, prefix: Option<&Key>) -> Result<Vec<Key>, Error> {
        let listed = async { self.store().list(prefix).map_ok(|meta| meta.location).try_collect().await };
        let mut keys: Vec<Key> =
            self.runtime.block_on(listed).map_err(|error| failed(error, prefix.map_or("", Key::as_ref)))?;
        keys.sort();
        Ok(keys)
    }
}

impl Driver for ObjectStoreDriver {
    fn put(&self, root: &Beneath, path: &Path, key: &str, packing: Packing) -> Result<Stored, Error> {
        let kind = super::kind_of(root, path)?;
        match packing {
            Packing::TarGzip { level } => self.upload(key, |out| pack::tar_gzip(root, path, level, out)),
            Packing::Zip => self.upload(key, |out| zip::pack(root, path, out)),
            Packing::None if kind == FileType::Directory => {
                let reading = || format!("read {}", path.display());
                let dir = root.subdirectory(path, Links::Refused).doing(reading)?;
                let mut size_bytes = 0;
                for file in pack::files(&dir)? {
                    let name = file.to_str().ok_or_else(|| {
                        Error::Artifact(format!("{} is no UTF-8, as keys are", file.display()))
                    })?;
                    let key = format!("{}/{name}", key.trim_end_matches('/'));
                    size_bytes += self.upload(&key, |out| copy(&dir, &file, out))?.size_bytes;
                }
                Ok(Stored { size_bytes, digest: None })
            }
            Packing::None => self.upload(key, |out| copy(root, path, out)),
        }
    }

    fn put_bytes(&self, content: &mut dyn Read, key: &str) -> Result<Stored, Error> {
        let content = std::cell::RefCell::new(content);
        self.upload(key, |out| {
            io::copy(&mut **content.borrow_mut(), out).doing(|| format!("store artifact {key:?}"))?;
            Ok(())
        })
    }

    fn get(&self, key: &str, unpacking: Unpacking, root: &Beneath, path: &Path) -> Result<(), Error> {
        let parsed = parse(key)?;
        let fetched = super::spooled(root, path, |out| self.download(&parsed, out).map(|_| ()));
        match fetched {
            Ok((file, size, spool)) => {
                let placed = unpack_file(unpacking, file, size, root, path);
                root.remove(&spool).doing(|| format!("clean up after artifact {key:?}"))?;
                placed
            }
            // A directory that was stored without an archive: one object for each of its files.
            Err(Error::Missing(why)) => {
                let keys = self.keys_below(Some(&parsed))?;
                if keys.is_empty() {
                    return Err(Error::Missing(why));
                }
                root.remove(path).doing(|| format!("replace {}", path.display()))?;
                for key in keys {
                    let Some(parts) = key.prefix_match(&parsed) else { continue };
                    let inner: std::path::PathBuf = parts.map(|part| part.as_ref().to_owned()).collect();
                    check_key(&inner.to_string_lossy())?;
                    let place = path.join(inner);
                    let mut out =
                        root.create_file(&place, 0o644).doing(|| format!("place {}", place.display()))?;
                    self.download(&key, &mut out)?;
                }
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn list(&self, key: &str) -> Result<Vec<String>, Error> {
        let prefix = if key.is_empty() { None } else { Some(parse(key)?) };
        Ok(self.keys_below(prefix.as_ref())?.into_iter().map(String::from).collect())
    }

    fn delete(&self, key: &str) -> Result<(), Error> {
        let key = parse(key)?;
        let mut keys = self.keys_below(Some(&key))?;
        keys.push(key);
        for key in keys {
            match self.runtime.block_on(async { self.store().delete(&key).await }) {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(failed(error, key.as_ref())),
            }
        }
        Ok(())
    }
}

fn copy(root: &Beneath, path: &Path, out: &mut dyn Write) -> Result<(), Error> {
    let (mut file, _) = root.open_regular(path).doing(|| format!("read {}", path.display()))?;
    io::copy(&mut file, out).doing(|| format!("copy {}", path.display()))?;
    Ok(())
}

fn parse(key: &str) -> Result<Key, Error> {
    check_key(key)?;
    Key::parse(key).map_err(|error| Error::Artifact(format!("artifact key {key:?}: {error}")))
}

fn generic(error: io::Error) -> object_store::Error {
    object_store::Error::Generic { store: "artifact", source: Box::new(error) }
}

/// A missing object is missing; everything else is an error with all its causes.
fn failed(error: object_store::Error, key: &str) -> Error {
    match error {
        object_store::Error::NotFound { .. } => {
            Error::Missing(format!("there is no artifact under the key {key:?}"))
        }
        other => Error::Artifact(format!("key {key:?}: {}", crate::error::chain(&other))),
    }
}

/// Writes an object: small ones with one request, large ones in parts. Nothing is seen of it before `finish`.
struct Upload<'a> {
    driver: &'a ObjectStoreDriver,
    key: Key,
    buffer: Vec<u8>,
    parts: Option<Box<dyn MultipartUpload>>,
    hash: Sha256,
    size_bytes: u64,
}

impl<'a> Upload<'a> {
    fn new(driver: &'a ObjectStoreDriver, key: Key) -> Self {
        Self { driver, key, buffer: Vec::new(), parts: None, hash: Sha256::new(), size_bytes: 0 }
    }

    fn send_part(&mut self) -> io::Result<()> {
        let part = PutPayload::from(Bytes::from(std::mem::take(&mut self.buffer)));
        let driver = self.driver;
        let mut parts = match self.parts.take() {
            Some(parts) => parts,
            None => driver
                .runtime
                .block_on(async { driver.store().put_multipart(&self.key).await })
                .map_err(io::Error::other)?,
        };
        let sent = driver.runtime.block_on(async { parts.put_part(part).await });
        self.parts = Some(parts);
        sent.map_err(io::Error::other)
    }

    fn finish(&mut self) -> Result<Stored, Error> {
        let runtime = &self.driver.runtime;
        if self.parts.is_some() {
            if !self.buffer.is_empty() {
                self.send_part().doing(|| format!("store artifact {:?}", self.key.as_ref()))?;
            }
            if let Some(parts) = &mut self.parts {
                runtime
                    .block_on(async { parts.complete().await })
                    .map_err(|error| failed(error, self.key.as_ref()))?;
            }
            self.parts = None;
        } else {
            let all = PutPayload::from(Bytes::from(std::mem::take(&mut self.buffer)));
            let put = async { self.driver.store().put(&self.key, all).await };
            runtime.block_on(put).map_err(|error| match failed(error, self.key.as_ref()) {
                // Storing cannot miss an artifact: what is not there is the bucket.
                Error::Missing(_) => Error::Artifact(format!("{} does not exist", self.driver.bucket.shown)),
                other => other,
            })?;
        }
        let digest = self.hash.clone().finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Stored { size_bytes: self.size_bytes, digest: Some(digest) })
    }

    fn abandon(&mut self) {
        if let Some(mut parts) = self.parts.take()
            && let Err(error) = self
                .driver
                .runtime
                .block_on(async { tokio::time::timeout(Duration::from_secs(10), parts.abort()).await })
        {
            tracing::warn!(key = %self.key, %error, "parts of an unfinished artifact are left behind");
        }
    }
}

impl Write for Upload<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() >= PART_BYTES {
            self.send_part()?;
        }
        let room = PART_BYTES - self.buffer.len();
        let taken = &bytes[..bytes.len().min(room)];
        self.buffer.extend_from_slice(taken);
        self.hash.update(taken);
        self.size_bytes += taken.len() as u64;
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
