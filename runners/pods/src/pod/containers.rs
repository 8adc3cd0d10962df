//! The containers of a pod: main, init containers and side cars, with their environment and mounts.
//! Asks no image for its entrypoint.

use k8s_openapi::api::core::v1::{Container, EnvVar, VolumeMount};
use runner_runners::{ATTEMPT_VARIABLE, AttemptSpec};
use runner_workflows::spec::{Artifact, Template, UserContainer};
use serde::Serialize;
use serde_json::Value;

use super::{
    INPUTS_VOLUME, PodError, PodOptions, STAGING_PATH, STAGING_VOLUME, SUPERVISOR_FILE, SUPERVISOR_INIT,
    SUPERVISOR_PATH, SUPERVISOR_VOLUME, Supervision,
};

/// All containers of a pod.
pub(super) struct Built {
    pub(super) init: Vec<Container>,
    /// Main containers, then side cars.
    pub(super) main: Vec<Container>,
    /// The container that tools show when none is named.
    pub(super) default: String,
}

/// Builds them.
pub(super) fn build(spec: &AttemptSpec, options: &PodOptions) -> Result<Built, PodError> {
    let template = &spec.template;
    let mut mains = mains(template)?;
    let names: Vec<String> = mains.iter().map(|c| c.name.clone()).collect();
    let default = names.iter().find(|name| *name == "main").or(names.last()).cloned().unwrap_or_default();
    for main in &mut mains {
        identity(spec, main);
        if main.name == "main" {
            inputs(template, main);
        }
    }
    // Side cars mirror the mounts of main as they are now, without the supervisor's.
    let model: Vec<VolumeMount> =
        mains.iter().find(|c| c.name == "main").and_then(|c| c.volume_mounts.clone()).unwrap_or_default();
    let others = |list: &[UserContainer], kind: &str| -> Result<Vec<Container>, PodError> {
        list.iter().enumerate().map(|(number, user)| other(user, &model, kind, number)).collect()
    };
    let (mut init, sidecars) =
        (others(&template.init_containers, "init")?, others(&template.sidecars, "sidecar")?);
    if let Some(supervision) = &options.supervision {
        for main in &mut mains {
            supervise(main, supervision, options)?;
        }
        init.insert(0, bring(supervision, &mains));
    }
    mains.extend(sidecars);
    unique(init.iter().chain(&mains))?;
    Ok(Built { init, main: mains, default })
}

/// The containers that are the step: one, or those of a container set.
fn mains(template: &Template) -> Result<Vec<Container>, PodError> {
    if let Some(container) = &template.container {
        let mut main = plain(container)?;
        main.name = "main".to_owned();
        return Ok(vec![main]);
    }
    if let Some(script) = &template.script {
        let mut main = plain(script)?;
        main.name = "main".to_owned();
        // As in Argo, a script without source is a container.
        if !script.source.is_empty() {
            main.args.get_or_insert_default().push(format!("{STAGING_PATH}/script"));
            let mount = VolumeMount {
                name: STAGING_VOLUME.to_owned(),
                mount_path: STAGING_PATH.to_owned(),
                ..VolumeMount::default()
            };
            main.volume_mounts.get_or_insert_default().push(mount);
        }
        return Ok(vec![main]);
    }
    if let Some(set) = &template.container_set {
        let mut mains = Vec::new();
        for node in &set.containers {
            let mut container = plain(node)?;
            if container.name.is_empty() {
                container.name = "main".to_owned();
            }
            let mounts = container.volume_mounts.get_or_insert_default();
            mounts.extend(set.volume_mounts.iter().cloned());
            mains.push(container);
        }
        return Ok(mains);
    }
    let kind = template.kind().map_or_else(|| "this kind of".to_owned(), |kind| kind.to_string());
    Err(PodError::Invalid(format!("{kind} template {:?} is no pod of containers", template.name)))
}

/// The Kubernetes part of a container; what Argo adds to it is left out.
fn plain(container: &impl Serialize) -> Result<Container, PodError> {
    let bad = |error: serde_json::Error| PodError::Invalid(format!("a container cannot be read: {error}"));
    let mut value = serde_json::to_value(container).map_err(bad)?;
    if let Value::Object(fields) = &mut value {
        for argo in ["source", "mirrorVolumeMounts", "dependencies"] {
            fields.remove(argo);
        }
    }
    serde_json::from_value(value).map_err(bad)
}

fn other(
    user: &UserContainer,
    model: &[VolumeMount],
    kind: &str,
    number: usize,
) -> Result<Container, PodError> {
    let mut container = plain(user)?;
    if container.name.is_empty() {
        container.name = format!("{kind}-{number}");
    }
    if user.mirror_volume_mounts == Some(true) {
        let mounts = container.volume_mounts.get_or_insert_default();
        let new = model.iter().filter(|mount| !mounts.iter().any(|own| own.mount_path == mount.mount_path));
        let new: Vec<VolumeMount> = new.cloned().collect();
        mounts.extend(new);
    }
    Ok(container)
}

/// What a step is told about itself; a template cannot change it (P4).
fn identity(spec: &AttemptSpec, container: &mut Container) {
    let counted = spec.env.iter().find(|(name, _)| name == ATTEMPT_VARIABLE).map(|(_, value)| value.clone());
    let mut own: Vec<(String, String)> =
        spec.env.iter().filter(|(name, _)| name != ATTEMPT_VARIABLE).cloned().collect();
    own.push(("RUNNER_STEP_KEY".to_owned(), spec.step_key.clone()));
    own.push((ATTEMPT_VARIABLE.to_owned(), counted.unwrap_or_else(|| spec.id.attempt.to_string())));
    let env = container.env.get_or_insert_default();
    env.retain(|known| !own.iter().any(|(name, _)| *name == known.name));
    env.extend(own.into_iter().map(|(name, value)| EnvVar { name, value: Some(value), value_from: None }));
}

/// Mounts of input artifacts, one each; one that lies in a volume of the template is loaded into that.
fn inputs(template: &Template, main: &mut Container) {
    let mounts = main.volume_mounts.get_or_insert_default();
    for artifact in &template.inputs.artifacts {
        if absent(artifact) || artifact.path.is_empty() || overlaps(mounts, &artifact.path) {
            continue;
        }
        mounts.push(VolumeMount {
            name: INPUTS_VOLUME.to_owned(),
            mount_path: artifact.path.trim_end_matches('/').to_owned(),
            sub_path: Some(artifact.name.clone()),
            ..VolumeMount::default()
        });
    }
}

/// An optional artifact that nobody gave.
fn absent(artifact: &Artifact) -> bool {
    let located = runner_runners::artifacts::repository_key(artifact).is_ok_and(|key| key.is_none());
    artifact.optional && artifact.raw.is_none() && located
}

/// Whether a path lies in a volume that is mounted there, other than that of the input artifacts.
fn overlaps(mounts: &[VolumeMount], path: &str) -> bool {
    mounts.iter().filter(|mount| mount.name != INPUTS_VOLUME).any(|mount| {
        let at = mount.mount_path.trim_end_matches('/');
        path.strip_prefix(at).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

fn supervisor_mount() -> VolumeMount {
    VolumeMount {
        name: SUPERVISOR_VOLUME.to_owned(),
        mount_path: SUPERVISOR_PATH.to_owned(),
        ..VolumeMount::default()
    }
}

fn variables(supervision: &Supervision) -> Vec<EnvVar> {
    let pairs = supervision.env.iter().cloned();
    pairs.map(|(name, value)| EnvVar { name, value: Some(value), value_from: None }).collect()
}

/// Puts the supervisor before the command of a container.
fn supervise(main: &mut Container, supervision: &Supervision, options: &PodOptions) -> Result<(), PodError> {
    let command = main.command.take().unwrap_or_default();
    let args = main.args.take().unwrap_or_default();
    let image = main.image.clone().unwrap_or_default();
    let words = runner_runners::images::command_line(&image, &command, &args, &options.images)
        .map_err(|error| PodError::Entrypoint(format!("container {:?}: {error}", main.name)))?;
    main.command = Some(vec![format!("{SUPERVISOR_PATH}/{SUPERVISOR_FILE}")]);
    let own = supervision.arguments.iter().cloned().chain([main.name.clone(), "--".to_owned()]);
    main.args = Some(own.chain(words).collect());
    main.volume_mounts.get_or_insert_default().push(supervisor_mount());
    main.env.get_or_insert_default().extend(variables(supervision));
    Ok(())
}

/// The init container that brings the supervisor; it mounts what main mounts of ours, to put files there.
fn bring(supervision: &Supervision, mains: &[Container]) -> Container {
    let mut mounts = vec![supervisor_mount()];
    let all = mains.iter().flat_map(|main| main.volume_mounts.iter().flatten());
    for (name, path) in [(STAGING_VOLUME, STAGING_PATH), (INPUTS_VOLUME, "/argo/inputs/artifacts")] {
        if all.clone().any(|mount| mount.name == name) {
            let (name, mount_path) = (name.to_owned(), path.to_owned());
            mounts.push(VolumeMount { name, mount_path, ..VolumeMount::default() });
        }
    }
    Container {
        name: SUPERVISOR_INIT.to_owned(),
        image: Some(supervision.image.clone()),
        image_pull_policy: supervision.pull_policy.clone(),
        args: Some(vec![
            "__pod".to_owned(),
            "copy".to_owned(),
            format!("{SUPERVISOR_PATH}/{SUPERVISOR_FILE}"),
        ]),
        env: Some(variables(supervision)).filter(|env| !env.is_empty()),
        volume_mounts: Some(mounts),
        ..Container::default()
    }
}

fn unique<'a>(containers: impl Iterator<Item = &'a Container>) -> Result<(), PodError> {
    let mut names: Vec<&str> = Vec::new();
    for container in containers {
        if names.contains(&container.name.as_str()) {
            return Err(PodError::Invalid(format!(
                "two containers of the pod are called {:?}",
                container.name
            )));
        }
        names.push(&container.name);
    }
    Ok(())
}
