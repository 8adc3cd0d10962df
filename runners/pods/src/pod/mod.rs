//! From an attempt to the Pod that is it: a pure function, shared by all back ends.
//! Starts nothing, and looks nothing up: what an image's entrypoint is, is known to whoever has the image.
//!
//! The layout is Argo's (`workflowpod.go`): volumes `argo-staging` and `input-artifacts`, containers of the template,
//! then side cars, defaults of the workflow below the template's own, and podSpecPatch last.

mod containers;
mod merge;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{EmptyDirVolumeSource, Pod, PodSpec, Volume, VolumeMount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use runner_runners::AttemptSpec;
use serde_json::Value;

pub use merge::strategic_merge;

/// Volume of the script.
pub const STAGING_VOLUME: &str = "argo-staging";
/// Where it is mounted; the script is the file `script` in it.
pub const STAGING_PATH: &str = "/argo/staging";
/// Volume of input artifacts, one entry per artifact.
pub const INPUTS_VOLUME: &str = "input-artifacts";
/// Volume of the supervisor.
pub const SUPERVISOR_VOLUME: &str = "var-run-argo";
/// Where it is mounted.
pub const SUPERVISOR_PATH: &str = "/var/run/argo";
/// Name of the supervisor's file in its volume.
pub const SUPERVISOR_FILE: &str = "runner-step";
/// Name of the init container that brings the supervisor.
pub const SUPERVISOR_INIT: &str = "init";
/// Label: name of the workflow, as Argo's.
pub const LABEL_WORKFLOW: &str = "workflows.argoproj.io/workflow";
/// Label: whether the pod was dealt with, as Argo's.
pub const LABEL_COMPLETED: &str = "workflows.argoproj.io/completed";
/// Annotation: id of the node, as Argo's.
pub const ANNOTATION_NODE_ID: &str = "workflows.argoproj.io/node-id";
/// Annotation: name of the node, as Argo's.
pub const ANNOTATION_NODE_NAME: &str = "workflows.argoproj.io/node-name";
/// Label: unique id of the workflow.
pub const LABEL_UID: &str = "runner/workflow-uid";
/// Label: the attempt, as the hash that names it everywhere.
pub const LABEL_ATTEMPT: &str = "runner/attempt";
/// Label: number of the attempt.
pub const LABEL_NUMBER: &str = "runner/attempt-number";
/// Annotation: container that kubectl shows, as kubectl's.
const ANNOTATION_DEFAULT: &str = "kubectl.kubernetes.io/default-container";

/// How the main containers of a pod are supervised. Without it they run as the template has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Supervision {
    /// Image that holds the supervisor; its entrypoint is `runner`, which is started with `__pod copy` and
    /// the target.
    pub image: String,
    /// Its pull policy.
    pub pull_policy: Option<String>,
    /// Arguments between the supervisor and `--`, after which the command of the container follows.
    pub arguments: Vec<String>,
    /// Variables of the init container and of the main containers.
    pub env: Vec<(String, String)>,
}

/// What a back end wants of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodOptions {
    /// Supervision of the main containers.
    pub supervision: Option<Supervision>,
    /// Entrypoint and command of images, for containers without `command` that are supervised.
    pub images: Vec<runner_runners::images::Image>,
}

/// Why there is no pod.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PodError {
    /// The template cannot be a pod.
    #[error("{0}")]
    Invalid(String),
    /// The patch cannot be read or does not fit.
    #[error("podSpecPatch: {0}")]
    Patch(String),
    /// A container without command in an image whose entrypoint is not known here.
    #[error("{0}")]
    Entrypoint(String),
}

/// Builds the Pod of an attempt. The same attempt gives the same Pod, byte for byte.
///
/// # Errors
/// [`PodError`]; asking again does not help.
pub fn build(spec: &AttemptSpec, options: &PodOptions) -> Result<Pod, PodError> {
    let containers = containers::build(spec, options)?;
    let metadata = metadata(spec, &containers);
    let mut pod_spec = PodSpec {
        restart_policy: Some("Never".to_owned()),
        active_deadline_seconds: spec
            .timeout
            .map(|t| i64::try_from(t.as_millis().div_ceil(1000)).unwrap_or(i64::MAX)),
        volumes: Some(volumes(spec, options, &containers)?),
        containers: containers.main,
        init_containers: some(containers.init),
        ..PodSpec::default()
    };
    place(spec, &mut pod_spec);
    pod_spec = patch(spec, pod_spec)?;
    Ok(Pod { metadata, spec: Some(pod_spec), status: None })
}

/// Name of the pod: Argo's, and for repeated attempts under the same node with their number.
pub fn name(spec: &AttemptSpec) -> String {
    match spec.id.attempt {
        0 => spec.pod_name.clone(),
        number => format!("{}-{number}", spec.pod_name),
    }
}

fn metadata(spec: &AttemptSpec, containers: &containers::Built) -> ObjectMeta {
    let own = |pairs: &[(&str, String)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()
    };
    let mut labels = spec.pod.metadata.labels.clone();
    labels.extend(spec.template.metadata.labels.clone());
    // Ours last: a template must not be able to make its pod look like another one's.
    labels.extend(own(&[
        (LABEL_WORKFLOW, label_value(&spec.workflow)),
        (LABEL_COMPLETED, "false".to_owned()),
        (LABEL_UID, label_value(&spec.id.workflow_uid)),
        (LABEL_ATTEMPT, spec.id.storage_name()),
        (LABEL_NUMBER, spec.id.attempt.to_string()),
    ]));
    let mut annotations = spec.pod.metadata.annotations.clone();
    annotations.extend(spec.template.metadata.annotations.clone());
    annotations.extend(own(&[
        (ANNOTATION_NODE_ID, spec.id.node_id.clone()),
        (ANNOTATION_NODE_NAME, spec.node_name.clone()),
        (ANNOTATION_DEFAULT, containers.default.clone()),
    ]));
    ObjectMeta {
        name: Some(name(spec)),
        namespace: Some(spec.namespace.clone()),
        labels: Some(labels),
        annotations: Some(annotations),
        ..ObjectMeta::default()
    }
}

/// A text as the value of a label: cut to 63 characters that labels may have.
fn label_value(text: &str) -> String {
    let good = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' };
    let text: String = text.chars().map(good).take(63).collect();
    text.trim_matches(|c: char| !c.is_ascii_alphanumeric()).to_owned()
}

/// Volumes that some container mounts, the template's before the workflow's, then our own.
fn volumes(
    spec: &AttemptSpec,
    options: &PodOptions,
    built: &containers::Built,
) -> Result<Vec<Volume>, PodError> {
    let own = |name: &str| Volume {
        name: name.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource::default()),
        ..Volume::default()
    };
    let mut volumes: Vec<Volume> = Vec::new();
    if options.supervision.is_some() {
        volumes.push(own(SUPERVISOR_VOLUME));
    }
    let mounts = built.init.iter().chain(&built.main).flat_map(|c| c.volume_mounts.iter().flatten());
    for VolumeMount { name, .. } in mounts {
        if volumes.iter().any(|known| known.name == *name) {
            continue;
        }
        let mut declared = spec.template.volumes.iter().chain(&spec.volumes);
        match declared.find(|volume| volume.name == *name) {
            Some(volume) => volumes.push(volume.clone()),
            None if name == STAGING_VOLUME || name == INPUTS_VOLUME => volumes.push(own(name)),
            None => return Err(PodError::Invalid(format!("volume {name:?} is mounted and not declared"))),
        }
    }
    Ok(volumes)
}

/// Where and as whom the pod runs: the template's word before the workflow's, as Argo has it.
fn place(spec: &AttemptSpec, pod: &mut PodSpec) {
    let (template, defaults) = (&spec.template, &spec.pod);
    let text = |own: &String, other: &String| {
        Some(own).filter(|t| !t.is_empty()).or(Some(other)).cloned().filter(|t| !t.is_empty())
    };
    pod.service_account_name = text(&template.service_account_name, &defaults.service_account_name);
    pod.automount_service_account_token =
        template.automount_service_account_token.or(defaults.automount_service_account_token);
    pod.scheduler_name = text(&template.scheduler_name, &defaults.scheduler_name);
    pod.priority_class_name = text(&template.priority_class_name, &defaults.priority_class_name);
    let selector = [&template.node_selector, &defaults.node_selector];
    pod.node_selector = selector.into_iter().find(|map| !map.is_empty()).cloned();
    pod.affinity = template.affinity.clone().or_else(|| defaults.affinity.clone());
    let tolerations = [&template.tolerations, &defaults.tolerations];
    pod.tolerations = tolerations.into_iter().find(|list| !list.is_empty()).cloned();
    pod.host_aliases = some(defaults.host_aliases.iter().chain(&template.host_aliases).cloned().collect());
    pod.security_context = template.security_context.clone().or_else(|| defaults.security_context.clone());
    pod.image_pull_secrets = some(defaults.image_pull_secrets.clone());
    pod.host_network = defaults.host_network;
    pod.dns_policy = defaults.dns_policy.clone();
    pod.dns_config = defaults.dns_config.clone();
    pod.resources = template.pod_resources.clone().or_else(|| defaults.resources.clone());
    let claims = [&template.resource_claims, &defaults.resource_claims];
    pod.resource_claims = claims.into_iter().find(|list| !list.is_empty()).cloned();
}

/// podSpecPatch of the workflow, then of the template. YAML or JSON, merged as Kubernetes merges patches.
fn patch(spec: &AttemptSpec, pod: PodSpec) -> Result<PodSpec, PodError> {
    let patches = [&spec.pod.pod_spec_patch, &spec.template.pod_spec_patch];
    let mut patches = patches.into_iter().filter(|text| !text.trim().is_empty()).peekable();
    if patches.peek().is_none() {
        return Ok(pod);
    }
    let bad = |error: String| PodError::Patch(error);
    let mut value = serde_json::to_value(pod).map_err(|e| bad(e.to_string()))?;
    for text in patches {
        let patch: Value = serde_saphyr::from_str(text).map_err(|e| bad(e.to_string()))?;
        strategic_merge(&mut value, &patch).map_err(bad)?;
    }
    serde_json::from_value(value).map_err(|e| bad(format!("the result is no pod spec: {e}")))
}

/// Nothing instead of an empty list.
fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}
