//! Volumes as directories of the host that appear in the private root.
//! An emptyDir lives as long as the attempt; a claim lives in the state directory and is shared by name.

use std::collections::BTreeMap;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use runner_workflows::spec::k8s;
use sha2::{Digest, Sha256};

use super::Shared;
use crate::attempt::ROOT;
use crate::error::Doing;
use crate::job::Bind;
use crate::{AttemptSpec, Error};

/// Collects the mounts of an attempt.
pub(super) struct Volumes<'a> {
    shared: &'a Shared,
    spec: &'a AttemptSpec,
    path: &'a Path,
    made: BTreeMap<String, PathBuf>,
    /// The mounts, in the order they have to be made.
    pub(super) binds: Vec<Bind>,
}

impl<'a> Volumes<'a> {
    /// Volumes of the attempt in the directory `path`.
    pub(super) fn new(shared: &'a Shared, spec: &'a AttemptSpec, path: &'a Path) -> Self {
        Self { shared, spec, path, made: BTreeMap::new(), binds: Vec::new() }
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
            let name = hash(&[&self.spec.namespace, &claim.claim_name]);
            let path = self.shared.config.state_dir.join("volumes").join(name);
            make_dir(&path)?;
            return Ok(path);
        }
        let own = self.path.join(ROOT).join("volumes").join(hash(&[&volume.name]));
        make_dir(&own)?;
        let namespace = &self.spec.namespace;
        let objects = &self.shared.config.objects;
        if let Some(map) = &volume.config_map {
            let data = objects.config_map(namespace, &map.name);
            fill(&own, data, map.items.as_deref(), map.optional, &format!("ConfigMap {:?}", map.name))?;
        } else if let Some(secret) = &volume.secret {
            let name = secret.secret_name.as_deref().unwrap_or_default();
            let data = objects.secret(namespace, name);
            fill(&own, data, secret.items.as_deref(), secret.optional, &format!("Secret {name:?}"))?;
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

/// Writes the keys of an object as files.
fn fill(
    dir: &Path,
    data: Option<BTreeMap<String, String>>,
    items: Option<&[k8s::KeyToPath]>,
    optional: Option<bool>,
    what: &str,
) -> Result<(), Error> {
    let Some(data) = data else {
        return if optional == Some(true) {
            Ok(())
        } else {
            Err(Error::Missing(format!("{what} does not exist")))
        };
    };
    let wanted: Vec<(String, &String)> = match items {
        None | Some([]) => data.iter().map(|(key, value)| (key.clone(), value)).collect(),
        Some(items) => {
            items.iter().filter_map(|item| Some((item.path.clone(), data.get(&item.key)?))).collect()
        }
    };
    for (path, value) in wanted {
        crate::artifacts::check_key(&path)?;
        let file = dir.join(&path);
        if let Some(parent) = file.parent() {
            make_dir(parent)?;
        }
        let writing = || format!("write a key of {what}");
        let mut options = std::fs::OpenOptions::new();
        let mut file =
            options.write(true).create(true).truncate(true).mode(0o644).open(&file).doing(writing)?;
        std::io::Write::write_all(&mut file, value.as_bytes()).doing(writing)?;
    }
    Ok(())
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
