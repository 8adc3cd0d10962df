//! The typed step `kaniko`: an image built from a folder or a git revision and pushed, with Kaniko's vocabulary.
//! Builds nothing itself: Kaniko's executor, buildah or docker does; asks no registry apart from the push.

mod builder;
pub mod pod;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use crate::git::{Remote, Repository, names};
use crate::work::fields::{Flag, Texts};
use crate::work::secret::Secret;
use crate::work::{Failure, Outputs, Result, say};

use builder::{Build, Tool};

/// The fields under `plugin: {kaniko: ...}`; names as the flags of Kaniko's executor.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KanikoStep {
    /// The folder with the sources: absolute.
    pub context: Option<PathBuf>,
    /// The repository with the sources, instead of a folder.
    pub repository: Option<Remote>,
    /// Branch, tag or commit of the repository.
    #[serde(default)]
    pub revision: String,
    /// A folder inside the context that is the context.
    #[serde(default)]
    pub context_sub_path: String,
    /// Path of the Dockerfile in the context.
    #[serde(default)]
    pub dockerfile: String,
    /// Names to push to: `registry/name:tag`.
    pub destination: Texts,
    /// Build arguments.
    #[serde(default)]
    pub build_args: BTreeMap<String, String>,
    /// The stage to build.
    #[serde(default)]
    pub target: String,
    /// A docker `config.json` with the credentials of registries.
    pub registry_auth: Option<Secret>,
    /// The registry speaks http, or its certificate is not checked.
    #[serde(default)]
    pub insecure: Flag,
    /// Builds and does not push.
    #[serde(default)]
    pub no_push: Flag,
    /// Builds nothing: logs what would be run, and succeeds.
    #[serde(default)]
    pub dry_run: Flag,
    /// `auto` (the first that is there), `executor`, `buildah` or `docker`.
    #[serde(default)]
    pub builder: String,
    /// Kaniko's image, for a step that becomes a pod.
    #[serde(default)]
    pub image: String,
    /// Where a step that becomes a pod has the volumes of the workflow.
    #[serde(default)]
    pub volume_mounts: Vec<runner_workflows::spec::k8s::VolumeMount>,
}

/// Fields that were looked at: nothing in them can be taken for an option or leave its folder.
struct Checked {
    fields: KanikoStep,
    /// The first destination.
    image: String,
    sub: Option<String>,
    dockerfile: String,
}

fn check(fields: Value) -> Result<Checked> {
    let fields: KanikoStep = crate::work::read("kaniko", fields)?;
    let Some(image) = fields.destination.0.first().cloned() else {
        return Err(Failure::Input("plugin kaniko: destination is empty".to_owned()));
    };
    for name in &fields.destination.0 {
        destination(name)?;
    }
    let sub = match fields.context_sub_path.as_str() {
        "" => None,
        given => Some(names::path("contextSubPath", given)?),
    };
    let dockerfile = match fields.dockerfile.as_str() {
        "" => "Dockerfile".to_owned(),
        given => names::path("dockerfile", given)?,
    };
    for (name, value) in &fields.build_args {
        let odd = |c: char| !c.is_ascii_alphanumeric() && c != '_';
        if name.is_empty() || name.contains(odd) || value.contains('\0') {
            return Err(Failure::Input(format!("buildArgs: {name:?} is not the name of an argument")));
        }
    }
    if !fields.target.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
        || fields.target.starts_with('-')
    {
        return Err(Failure::Input(format!("target {:?} is not the name of a stage", fields.target)));
    }
    Ok(Checked { fields, image, sub, dockerfile })
}

/// Builds and pushes; gives `image` (the first destination), `digest` and `reference` (`name@digest`).
///
/// # Errors
/// The fields are wrong, no builder is installed, the build fails, or the registry refuses.
pub fn run(fields: Value) -> Result<Outputs> {
    let Checked { fields, image, sub, dockerfile } = check(fields)?;
    let scratch = tempfile::Builder::new()
        .prefix("image-step-")
        .tempdir()
        .map_err(|error| Failure::Trouble(format!("temporary folder: {error}")))?;
    let mut context = source(&fields, &scratch.path().join("context"))?;
    if let Some(sub) = sub {
        context = context.join(sub);
    }
    let auth = match &fields.registry_auth {
        Some(secret) if !fields.dry_run.0 => Some(auth_folder(&secret.read_text()?, scratch.path())?),
        _other => None,
    };
    let build = Build { fields: &fields, context, dockerfile, scratch: scratch.path(), auth };
    let tool = Tool::choose(&fields.builder, fields.dry_run.0)?;
    if fields.dry_run.0 {
        say(&format!("dry run: would build {image}:\n  {}", build.shown(tool)));
        let outputs = [("image", image.as_str()), ("digest", ""), ("reference", image.as_str())];
        return Ok(outputs.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    }
    let file = build.context.join(&build.dockerfile);
    if !file.is_file() {
        return Err(Failure::Input(format!("there is no {} in the context", build.dockerfile)));
    }
    let digest = build.run(tool)?;
    say(&format!("{image} is {digest}"));
    let reference = format!("{}@{digest}", repository_of(&image));
    let outputs = [("image", image), ("digest", digest), ("reference", reference)];
    Ok(outputs.map(|(name, value)| (name.to_owned(), value)).into())
}

/// The folder with the sources.
fn source(fields: &KanikoStep, folder: &Path) -> Result<PathBuf> {
    match (&fields.context, &fields.repository) {
        (Some(context), None) if context.is_absolute() => Ok(context.clone()),
        (Some(context), None) => Err(Failure::Input(format!("context {context:?} is not an absolute path"))),
        (None, Some(_)) if fields.dry_run.0 => Ok(folder.to_owned()),
        (None, Some(remote)) => {
            let revision = names::revision("revision", &fields.revision)?;
            let repository = Repository::open(remote)?;
            repository.fetch()?;
            let commit = repository.must("revision", &revision)?;
            say(&format!("building {revision}, which is {commit}"));
            crate::git::export(&repository, &commit, folder)?;
            Ok(folder.to_owned())
        }
        _other => Err(Failure::Input("plugin kaniko: write one of context and repository".to_owned())),
    }
}

/// Writes the credentials of registries where builders look for them: `config.json` in a folder of its own.
fn auth_folder(config: &str, scratch: &Path) -> Result<PathBuf> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    if serde_json::from_str::<Value>(config).ok().is_none_or(|value| !value["auths"].is_object()) {
        return Err(Failure::Input("registryAuth is not a docker config.json with auths".to_owned()));
    }
    let folder = scratch.join("auth");
    let failed = |error: std::io::Error| Failure::Trouble(format!("registry credentials: {error}"));
    std::fs::create_dir(&folder).map_err(failed)?;
    let mut options = std::fs::OpenOptions::new();
    let mut file =
        options.write(true).create_new(true).mode(0o600).open(folder.join("config.json")).map_err(failed)?;
    file.write_all(config.as_bytes()).map_err(failed)?;
    Ok(folder)
}

/// `registry/name:tag`: nothing that a builder could take for an option or another transport.
fn destination(name: &str) -> Result<()> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-/:".contains(c);
    let bad = !name.contains('/')
        || name.starts_with(['-', '/', '.'])
        || name.contains("//")
        || !name.chars().all(fits);
    if bad || name.ends_with(['/', ':']) {
        return Err(Failure::Input(format!("destination {name:?} is not registry/name:tag")));
    }
    Ok(())
}

/// A destination without its tag.
fn repository_of(image: &str) -> &str {
    let start = image.rfind('/').map_or(0, |slash| slash + 1);
    image[start..].find(':').map_or(image, |colon| &image[..start + colon])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_are_names_and_not_options() {
        for bad in ["app", "-x/y", "docker://r/x", "r/x y", "r/x:", "/r/x", ""] {
            assert!(destination(bad).is_err(), "{bad:?}");
        }
        assert!(destination("127.0.0.1:5000/team/app:1").is_ok());
        assert_eq!(repository_of("127.0.0.1:5000/team/app:1"), "127.0.0.1:5000/team/app");
        assert_eq!(repository_of("r.example/app"), "r.example/app");
    }
}
