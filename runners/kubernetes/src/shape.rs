//! What the Kubernetes runner adds to the Pod of an attempt: orders for supervisors, mounts of the bundle.
//! Pure: the same attempt gives the same Pod.

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{
    ConfigMap, ConfigMapVolumeSource, Container, EnvVar, Pod, PodSpec, SecretVolumeSource, Volume,
    VolumeMount,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use runner_pods::pod::{
    self, LABEL_ATTEMPT, PodError, PodOptions, SUPERVISOR_INIT, SUPERVISOR_PATH, Supervision,
};
use runner_runners::frames::{BUNDLE_FILE, BUNDLE_PATH, ORDER_VARIABLE, Order, Wanted};
use runner_runners::guest::{MAIN_FILES, go_duration};
use runner_runners::{AttemptSpec, Error};
use runner_workflows::spec::Template;

use crate::KubernetesConfig;

/// Bytes of the bundle in one ConfigMap, which may have 1 MiB in all and is sent as base64.
const PIECE_BYTES: usize = 640 << 10;
/// Most pieces.
const PIECES: usize = 16;
/// Volumes of the pieces.
const BUNDLE_VOLUME: &str = "runner-bundle";
/// Where Secrets that a container has as variables are mounted for its supervisor, which has to know their values.
const SECRETS_PATH: &str = "/var/run/argo-secrets";
/// Variable of the progress file, and its place.
const PROGRESS: (&str, &str) = ("ARGO_PROGRESS_FILE", "/var/run/argo/progress");

/// Builds the Pod of an attempt, with room for so many pieces of a bundle.
pub(crate) fn build(spec: &AttemptSpec, config: &KubernetesConfig, pieces: usize) -> Result<Pod, PodError> {
    if config.executor_image.is_empty() {
        return Err(PodError::Invalid(
            "there is no image that brings the supervisor into pods: set `runners.kubernetes.executorImage` in the \
             configuration to an image whose entrypoint is a statically linked `runner` (docs/kubernetes-runner.md)"
                .to_owned(),
        ));
    }
    let options = PodOptions {
        supervision: Some(Supervision {
            image: config.executor_image.clone(),
            pull_policy: config.executor_pull_policy.clone(),
            arguments: vec!["__pod".to_owned(), "run".to_owned()],
            env: Vec::new(),
        }),
        images: config.images.clone(),
    };
    let mut pod = pod::build(spec, &options)?;
    if let Some(namespace) = &config.namespace {
        pod.metadata.namespace = Some(namespace.clone());
    }
    if let Some(inner) = &mut pod.spec {
        let main = main_of(&inner.containers, &spec.template).to_owned();
        orders(inner, spec, &main)?;
        mount_main(inner, spec, &main);
        mount_pieces(inner, &spec.id.storage_name(), pieces);
    }
    Ok(pod)
}

/// The container whose files and standard output are the step's.
pub(crate) fn main_of<'c>(containers: &'c [Container], template: &Template) -> &'c str {
    let mains = template.container_set.as_ref().map_or(1, |set| set.containers.len());
    let mut mains = containers.iter().take(mains);
    let first = mains.clone().next();
    mains
        .find(|container| container.name == "main")
        .or(first)
        .map_or("main", |container| container.name.as_str())
}

/// Tells each supervisor what to do.
fn orders(pod: &mut PodSpec, spec: &AttemptSpec, main: &str) -> Result<(), PodError> {
    let secret_volumes: Vec<String> = pod
        .volumes
        .iter()
        .flatten()
        .filter(|volume| is_secret(volume))
        .map(|volume| volume.name.clone())
        .collect();
    let mut added: Vec<Volume> = Vec::new();
    let supervised = pod.containers.iter_mut().filter(|container| is_supervised(container));
    for container in supervised {
        let mut order = Order::default();
        if container.name == main {
            order.wanted = wanted(&spec.template);
        }
        let env = container.env.as_deref().unwrap_or_default();
        let from_secret =
            |var: &&EnvVar| var.value_from.as_ref().is_some_and(|from| from.secret_key_ref.is_some());
        order.mask_env = env.iter().filter(from_secret).map(|var| var.name.clone()).collect();
        for mount in container.volume_mounts.iter().flatten() {
            if secret_volumes.contains(&mount.name) {
                order.mask_files.push(mount.mount_path.clone());
            }
        }
        let whole: Vec<_> =
            container.env_from.iter().flatten().filter_map(|from| from.secret_ref.clone()).collect();
        for secret in whole {
            // The names of its keys are not known here, and its values are not asked for.
            let volume = format!("runner-secret-{}", added.len());
            let path = format!("{SECRETS_PATH}/{}", added.len());
            added.push(Volume {
                name: volume.clone(),
                secret: Some(SecretVolumeSource {
                    secret_name: Some(secret.name),
                    optional: secret.optional,
                    ..SecretVolumeSource::default()
                }),
                ..Volume::default()
            });
            container.volume_mounts.get_or_insert_default().push(mount(&volume, &path));
            order.mask_files.push(path);
        }
        set_members(&mut order, spec, &container.name);
        let text = serde_json::to_string(&order).map_err(|error| PodError::Invalid(error.to_string()))?;
        let words = container.args.iter().flatten();
        let script = spec.template.script.as_ref().map_or("", |script| script.source.as_str());
        let progress = words.map(String::as_str).chain([script]).any(|text| text.contains(PROGRESS.0));
        let env = container.env.get_or_insert_default();
        if progress && !env.iter().any(|var| var.name == PROGRESS.0) {
            env.push(variable(PROGRESS.0, PROGRESS.1));
        }
        env.push(variable(ORDER_VARIABLE, &text));
    }
    pod.volumes.get_or_insert_default().extend(added);
    Ok(())
}

/// What a container of a set waits for, and how often it is tried.
fn set_members(order: &mut Order, spec: &AttemptSpec, name: &str) {
    let Some(set) = &spec.template.container_set else { return };
    if let Some(node) = set.containers.iter().find(|node| node.name == name) {
        order.after = node.dependencies.clone();
    }
    if let Some(retry) = &set.retry_strategy {
        let retries = retry.retries.as_ref().and_then(|count| count.as_int()).unwrap_or(0);
        order.retries = u32::try_from(retries).unwrap_or(0);
        order.retry_wait_ms = u64::try_from(go_duration(&retry.duration).as_millis()).unwrap_or(u64::MAX);
    }
}

/// The paths that are outputs. What becomes a value is masked.
pub(crate) fn wanted(template: &Template) -> Vec<Wanted> {
    let outputs = &template.outputs;
    let values =
        outputs.parameters.iter().filter_map(|p| p.value_from.as_ref()).map(|from| (&from.path, true));
    let files = outputs.artifacts.iter().map(|artifact| (&artifact.path, false));
    let mut wanted: Vec<Wanted> = Vec::new();
    for (path, mask) in values.chain(files) {
        let path = path.trim_end_matches('/');
        if path.starts_with('/') && !wanted.iter().any(|known| known.path == path) {
            wanted.push(Wanted { path: path.to_owned(), mask });
        }
    }
    wanted
}

/// Input artifacts that lie in volumes of main are placed by the init container, which sees them below another
/// directory, as Argo's does.
fn mount_main(pod: &mut PodSpec, spec: &AttemptSpec, main: &str) {
    let own = [pod::STAGING_VOLUME, pod::INPUTS_VOLUME, pod::SUPERVISOR_VOLUME];
    let Some(container) = pod.containers.iter().find(|container| container.name == main) else { return };
    let mounts: Vec<VolumeMount> = container
        .volume_mounts
        .iter()
        .flatten()
        .filter(|mount| !own.contains(&mount.name.as_str()) && mount.read_only != Some(true))
        .filter(|mount| {
            let at = mount.mount_path.trim_end_matches('/');
            spec.template.inputs.artifacts.iter().any(|artifact| artifact.path.starts_with(&format!("{at}/")))
        })
        .map(|mount| VolumeMount { mount_path: format!("{MAIN_FILES}{}", mount.mount_path), ..mount.clone() })
        .collect();
    if let Some(init) = init_of(pod) {
        init.volume_mounts.get_or_insert_default().extend(mounts);
    }
}

fn mount_pieces(pod: &mut PodSpec, attempt: &str, pieces: usize) {
    for number in 0..pieces {
        let volume = format!("{BUNDLE_VOLUME}-{number}");
        if let Some(init) = init_of(pod) {
            let mount = mount(&volume, &format!("{BUNDLE_PATH}/{number}"));
            init.volume_mounts.get_or_insert_default().push(mount);
        }
        pod.volumes.get_or_insert_default().push(Volume {
            name: volume,
            config_map: Some(ConfigMapVolumeSource {
                name: piece_name(attempt, number),
                ..ConfigMapVolumeSource::default()
            }),
            ..Volume::default()
        });
    }
}

/// The ConfigMaps of a bundle.
///
/// # Errors
/// The bundle is too big.
pub(crate) fn pieces(bundle: &[u8]) -> Result<Vec<&[u8]>, Error> {
    let pieces: Vec<&[u8]> = bundle.chunks(PIECE_BYTES).collect();
    if pieces.len() <= PIECES {
        return Ok(pieces);
    }
    Err(Error::TooLarge {
        what: "script and input artifacts of the pod, packed,".to_owned(),
        size_bytes: bundle.len(),
        limit_bytes: PIECES * PIECE_BYTES,
        hint: "let the step fetch the bigger ones from their store, or put them on a volume".to_owned(),
    })
}

/// The ConfigMap of a piece, which goes when its pod does.
pub(crate) fn config_map(spec: &AttemptSpec, owner: &Pod, number: usize, piece: &[u8]) -> ConfigMap {
    let labels = owner.metadata.labels.clone().unwrap_or_default();
    let labels = labels.into_iter().filter(|(key, _)| key == LABEL_ATTEMPT || key == pod::LABEL_WORKFLOW);
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(piece_name(&spec.id.storage_name(), number)),
            namespace: owner.metadata.namespace.clone(),
            labels: Some(labels.collect()),
            owner_references: Some(vec![OwnerReference {
                api_version: "v1".to_owned(),
                kind: "Pod".to_owned(),
                name: owner.metadata.name.clone().unwrap_or_default(),
                uid: owner.metadata.uid.clone().unwrap_or_default(),
                ..OwnerReference::default()
            }]),
            ..ObjectMeta::default()
        },
        immutable: Some(true),
        binary_data: Some([(BUNDLE_FILE.to_owned(), ByteString(piece.to_vec()))].into()),
        ..ConfigMap::default()
    }
}

fn piece_name(attempt: &str, number: usize) -> String {
    format!("runner-{attempt}-{number}")
}

fn init_of(pod: &mut PodSpec) -> Option<&mut Container> {
    pod.init_containers.as_mut()?.iter_mut().find(|container| container.name == SUPERVISOR_INIT)
}

fn is_supervised(container: &Container) -> bool {
    let program = container.command.as_ref().and_then(|command| command.first());
    program.is_some_and(|program| program.starts_with(SUPERVISOR_PATH))
}

fn is_secret(volume: &Volume) -> bool {
    let projected = volume.projected.as_ref().and_then(|projected| projected.sources.as_ref());
    volume.secret.is_some() || projected.is_some_and(|all| all.iter().any(|source| source.secret.is_some()))
}

fn mount(volume: &str, path: &str) -> VolumeMount {
    VolumeMount {
        name: volume.to_owned(),
        mount_path: path.to_owned(),
        read_only: Some(true),
        ..VolumeMount::default()
    }
}

fn variable(name: &str, value: &str) -> EnvVar {
    EnvVar { name: name.to_owned(), value: Some(value.to_owned()), value_from: None }
}
