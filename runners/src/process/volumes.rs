//! Volumes as directories of the host that appear in the private root.
//! An emptyDir lives as long as the attempt; a claim lives in the state directory and is shared by name.

use std::collections::BTreeMap;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use runner_workflows::spec::k8s;
use sha2::{Digest, Sha256};

use super::Shared;
use super::secrets::Secrets;
use crate::attempt::ROOT;
use crate::error::Doing;
use crate::job::Bind;
use crate::{AttemptSpec, Error, Objects};

/// Collects the mounts of an attempt.
pub(super) struct Volumes<'a> {
    shared: &'a Shared,
    secrets: &'a Secrets<'a>,
    spec: &'a AttemptSpec,
    path: &'a Path,
    made: BTreeMap<String, PathBuf>,
    /// The mounts, in the order they have to be made.
    pub(super) binds: Vec<Bind>,
}

impl<'a> Volumes<'a> {
    /// Volumes of the attempt in the directory `path`.
    pub(super) fn new(
        shared: &'a Shared,
        secrets: &'a Secrets<'a>,
        spec: &'a AttemptSpec,
        path: &'a Path,
    ) -> Self {
        Self { shared, secrets, spec, path, made: BTreeMap::new(), binds: Vec::new() }
    }

    /// Adds the mounts of a container. All containers of an attempt share one root, so the same mount
    /// of two containers is made once.
    pub(super) fn add(&mut self, mounts: &[k8s::VolumeMount]) -> Result<(), Error> {
        for mount in mounts {
            if self.binds.iter().any(|bind| bind.target == mount.mount_path) {
                continue;
            }
            let volume = self.directory(&mount.name)?;
            let mut source = volume;
            if let Some(part) = mount.sub_path.as_deref().filter(|part| !part.is_empty()) {
                crate::artifacts::check_key(part)?;
                source.push(part);
                if !source.exists() {
                    make_dir(&source)?;
                }
            }
            let target = mount.mount_path.trim_end_matches('/').to_owned();
            if !target.starts_with('/') || target.split('/').any(|part| part == "..") {
                return Err(Error::Invalid(format!("volume {:?}: bad mountPath {target:?}", mount.name)));
            }
            self.binds.push(Bind { source, target, read_only: mount.read_only.unwrap_or(false) });
        }
        // Outer mounts first, or they would cover the inner ones.
        self.binds.sort_by(|a, b| a.target.cmp(&b.target));
        Ok(())
    }

    /// The directory of a volume that some mount needed.
    pub(super) fn made_for(&self, name: &str) -> Option<&Path> {
        self.made.get(name).map(PathBuf::as_path)
    }

    fn directory(&mut self, name: &str) -> Result<PathBuf, Error> {
        if let Some(made) = self.made.get(name) {
            return Ok(made.clone());
        }
        let mut declared = self.spec.template.volumes.iter().chain(&self.spec.volumes);
        let volume = declared.find(|volume| volume.name == name);
        let volume = volume.ok_or_else(|| Error::Invalid(format!("volume {name:?} is not declared")))?;
        let made = self.make(volume)?;
        self.made.insert(name.to_owned(), made.clone());
        Ok(made)
    }

    fn make(&self, volume: &k8s::Volume) -> Result<PathBuf, Error> {
        if let Some(host) = &volume.host_path {
            let path = PathBuf::from(&host.path);
            if host.type_.as_deref() == Some("DirectoryOrCreate") {
                std::fs::create_dir_all(&path).doing(|| format!("create {}", path.display()))?;
            }
            return if path.exists() {
                Ok(path)
            } else {
                Err(Error::Missing(format!("hostPath {} does not exist", path.display())))
            };
        }
        if let Some(claim) = &volume.persistent_volume_claim {
            let path =
                claim_directory(&self.shared.config.state_dir, &self.spec.namespace, &claim.claim_name);
            make_dir(&path)?;
            return Ok(path);
        }
        let own = self.path.join(ROOT).join("volumes").join(hash(&[&volume.name]));
        make_dir(&own)?;
        let namespace = &self.spec.namespace;
        if let Some(map) = &volume.config_map {
            let what = format!("ConfigMap {:?}", map.name);
            let data = self.secrets.config_map(namespace, &map.name)?;
            if data.is_none() && map.optional != Some(true) {
                return Err(Error::Missing(format!("volume {:?}: {what} does not exist", volume.name)));
            }
            let data = data.unwrap_or_default();
            let files =
                Files { what, items: map.items.as_deref(), mode: map.default_mode, optional: map.optional };
            fill(
                &own,
                &files,
                0o644,
                |key| Ok(data.get(key).map(|text| text.clone().into_bytes())),
                data.keys(),
            )?;
        } else if let Some(secret) = &volume.secret {
            self.secret(&own, secret)?;
        } else if volume.empty_dir.is_none() && volume.ephemeral.is_none() {
            let what = format!(
                "the kind of volume {:?} (use emptyDir, a claim, configMap, secret or hostPath)",
                volume.name
            );
            return Err(Error::NotBuiltIn { what });
        }
        Ok(own)
    }
}

impl Volumes<'_> {
    /// The keys of a Secret as files; those that are named one by one may come from sources that list nothing.
    fn secret(&self, own: &Path, secret: &k8s::SecretVolumeSource) -> Result<(), Error> {
        let name = secret.secret_name.as_deref().unwrap_or_default();
        let namespace = &self.spec.namespace;
        let optional = secret.optional == Some(true);
        let named = secret.items.as_deref().is_some_and(|items| !items.is_empty());
        let data = if named { None } else { self.secrets.all(namespace, name, optional)? };
        let data = data.unwrap_or_default();
        let what = format!("Secret {name:?}");
        let files = Files {
            what,
            items: secret.items.as_deref(),
            mode: secret.default_mode,
            optional: secret.optional,
        };
        let value = |key: &str| match data.get(key) {
            Some(value) => Ok(Some(value.expose().to_vec())),
            None => {
                Ok(self.secrets.one(namespace, name, key, optional)?.map(|value| value.expose().to_vec()))
            }
        };
        // not readable for everybody, as Kubernetes' 0644 would be: this directory is no memory of a pod's own
        fill(own, &files, 0o600, value, data.keys())
    }
}

/// Which keys of an object become which files.
struct Files<'a> {
    what: String,
    items: Option<&'a [k8s::KeyToPath]>,
    mode: Option<i32>,
    optional: Option<bool>,
}

/// Where the bytes of a claim are kept.
#[must_use]
pub fn claim_directory(state_dir: &Path, namespace: &str, claim: &str) -> PathBuf {
    state_dir.join("volumes").join(hash(&[namespace, claim]))
}

/// Removes the bytes of a claim; one that was never mounted has none. Doing it twice is harmless.
pub(super) fn remove_claim(state_dir: &Path, namespace: &str, claim: &str) -> Result<(), Error> {
    let path = claim_directory(state_dir, namespace, claim);
    match std::fs::remove_dir_all(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).doing(|| format!("remove {}", path.display()))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Writes the keys of an object as files. Named keys must exist, as in Kubernetes, unless it is optional.
fn fill<'k>(
    dir: &Path,
    files: &Files<'_>,
    mode: u32,
    value: impl Fn(&str) -> Result<Option<Vec<u8>>, Error>,
    keys: impl Iterator<Item = &'k String>,
) -> Result<(), Error> {
    let wanted: Vec<(&str, &str, Option<i32>)> = match files.items {
        None | Some([]) => keys.map(|key| (key.as_str(), key.as_str(), files.mode)).collect(),
        Some(items) => {
            let one = |item: &'_ k8s::KeyToPath| item.mode.or(files.mode);
            return items.iter().try_for_each(|item| match value(&item.key)? {
                Some(bytes) => write(dir, &files.what, &item.path, one(item), mode, &bytes),
                None if files.optional == Some(true) => Ok(()),
                None => Err(Error::Missing(format!("{} has no key {:?}", files.what, item.key))),
            });
        }
    };
    wanted.into_iter().try_for_each(|(key, path, own)| match value(key)? {
        Some(bytes) => write(dir, &files.what, path, own, mode, &bytes),
        None => Ok(()),
    })
}

fn write(dir: &Path, what: &str, path: &str, own: Option<i32>, mode: u32, bytes: &[u8]) -> Result<(), Error> {
    crate::artifacts::check_key(path)?;
    let file = dir.join(path);
    if let Some(parent) = file.parent() {
        make_dir(parent)?;
    }
    let writing = || format!("write a key of {what}");
    let mode = own.and_then(|mode| u32::try_from(mode).ok()).unwrap_or(mode) & 0o777;
    let mut options = std::fs::OpenOptions::new();
    // written through the owner's permission, then as wanted: 0400 is a usual wish
    let mut file =
        options.write(true).create(true).truncate(true).mode(mode | 0o200).open(&file).doing(writing)?;
    std::io::Write::write_all(&mut file, bytes).doing(writing)?;
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
    file.set_permissions(permissions).doing(writing)
}

fn make_dir(path: &Path) -> Result<(), Error> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(path)
        .doing(|| format!("create {}", path.display()))
}

/// A directory name made of user text (V9).
fn hash(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().iter().take(20).map(|byte| format!("{byte:02x}")).collect()
}
