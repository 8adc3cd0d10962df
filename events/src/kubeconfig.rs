//! Which Kubernetes API an EventSource watches or a Sensor acts on: the environment `KUBECONFIG` of its pod settings, and
//! the Secret that is mounted where that file is.
//! Sends nothing.

use std::path::PathBuf;
use std::sync::Arc;

use runner_brokers::Access;
use runner_kube::kube::Config;
use runner_kube::kube::config::{KubeConfigOptions, Kubeconfig};
use runner_runners::{Cluster, Objects};
use runner_sensors::spec::PodSettings;
use runner_workflows::spec::k8s::{SecretKeySelector, VolumeMount};

/// Where the kubeconfig is.
#[derive(Clone)]
pub(crate) enum Place {
    /// In a Secret: its text.
    Text(String),
    /// In a file of this machine.
    File(PathBuf),
    /// Where this process has its own.
    Process,
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(_) => f.write_str("Text"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Process => f.write_str("Process"),
        }
    }
}

impl Place {
    /// Settings of a client; `process` is the kubeconfig of this process.
    ///
    /// # Errors
    /// A sentence for people: it cannot be read, or there is none.
    pub(crate) async fn config(&self, process: &Cluster) -> Result<Config, String> {
        let file = |path: &PathBuf| Cluster { kubeconfig: Some(path.clone()), ..Cluster::default() };
        let config = match self {
            Self::Text(text) => return from_text(text).await,
            Self::File(path) => runner_kube::config(&file(path)).await,
            Self::Process => runner_kube::config(process).await,
        };
        config.map_err(|error| error.to_string())
    }
}

async fn from_text(text: &str) -> Result<Config, String> {
    let bad = |error: &dyn std::error::Error| {
        format!("the kubeconfig cannot be used: {}", runner_kube::chain(error))
    };
    let file = Kubeconfig::from_yaml(text).map_err(|error| bad(&error))?;
    let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await;
    config.map_err(|error| bad(&error))
}

/// The place of the kubeconfig that pod settings name.
///
/// # Errors
/// A sentence for people: the Secret, or the volume of the mount, is missing.
pub(crate) fn place(
    settings: Option<&PodSettings>,
    namespace: &str,
    objects: &Arc<dyn Objects>,
) -> Result<Place, String> {
    let Some(settings) = settings else { return Ok(Place::Process) };
    let container = settings.container.as_ref();
    let env = container.into_iter().flat_map(|container| &container.env);
    let path = env.filter(|env| env.name == "KUBECONFIG").find_map(|env| env.value.as_deref());
    let Some(path) = path.filter(|path| !path.is_empty()) else { return Ok(Place::Process) };
    match secret(settings, path)? {
        None => Ok(Place::File(PathBuf::from(path))),
        Some(selector) => {
            Ok(Place::Text(Access::new(Arc::clone(objects), namespace.to_owned()).text(&selector)?))
        }
    }
}

/// The key of the Secret that a cluster would mount at a path.
fn secret(settings: &PodSettings, path: &str) -> Result<Option<SecretKeySelector>, String> {
    let mounts = settings.container.iter().flat_map(|container| &container.volume_mounts);
    let mounts = mounts.filter_map(|mount| Some((inside(mount, path)?, mount)));
    let Some((file, mount)) = mounts.max_by_key(|(_, mount)| mount.mount_path.len()) else { return Ok(None) };
    let volume = settings.volumes.iter().find(|volume| volume.name == mount.name);
    let volume = volume.ok_or_else(|| format!("KUBECONFIG {path}: there is no volume `{}`", mount.name))?;
    let Some(secret) = &volume.secret else {
        return Err(format!("KUBECONFIG {path}: the volume `{}` is of no Secret", mount.name));
    };
    let items = secret.items.iter().flatten();
    let key = items.filter(|item| item.path == file).map(|item| item.key.clone()).next().unwrap_or(file);
    let name = secret.secret_name.clone().unwrap_or_default();
    Ok(Some(SecretKeySelector { name, key, ..SecretKeySelector::default() }))
}

/// The part of a path that lies in a mount.
fn inside(mount: &VolumeMount, path: &str) -> Option<String> {
    let folder = mount.mount_path.trim_end_matches('/');
    if let Some(file) = mount.sub_path.as_ref().filter(|sub| !sub.is_empty()) {
        return (path == folder).then(|| file.clone());
    }
    path.strip_prefix(folder)?.strip_prefix('/').map(str::to_owned)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use serde_json::{Value, json};

    fn settings(mount: Value, volume: Value) -> PodSettings {
        serde_json::from_value(json!({"container": {"volumeMounts": [mount]}, "volumes": [volume]})).unwrap()
    }

    #[test]
    fn s1_8_the_secret_that_is_mounted_where_the_file_is() {
        let mount = json!({"name": "k", "mountPath": "/etc/milo"});
        let volume = json!({"name": "k", "secret": {"secretName": "eventsource-milo-kubeconfig"}});
        let found =
            secret(&settings(mount.clone(), volume.clone()), "/etc/milo/kubeconfig").unwrap().unwrap();
        assert_eq!((found.name.as_str(), found.key.as_str()), ("eventsource-milo-kubeconfig", "kubeconfig"));
        assert_eq!(secret(&settings(mount.clone(), volume), "/etc/milos/kubeconfig"), Ok(None));
        let renamed = json!({"name": "k", "secret": {"secretName": "s", "items": [{"key": "a", "path": "kubeconfig"}]}});
        assert_eq!(
            secret(&settings(mount.clone(), renamed), "/etc/milo/kubeconfig").unwrap().unwrap().key,
            "a"
        );
        assert!(secret(&settings(mount, json!({"name": "other"})), "/etc/milo/kubeconfig").is_err());
        let part = json!({"name": "k", "mountPath": "/etc/config", "subPath": "b"});
        let volume = json!({"name": "k", "secret": {"secretName": "s"}});
        assert_eq!(secret(&settings(part, volume), "/etc/config").unwrap().unwrap().key, "b");
    }
}
