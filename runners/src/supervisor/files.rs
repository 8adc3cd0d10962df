//! Puts the files of a step in place: scripts, input artifacts, the private directories, the applets.
//! Collecting outputs is `outputs`.

use std::io::Write;
use std::os::fd::AsFd;
use std::path::Path;

use runner_workflows::spec::Artifact;

use super::places::Places;
use crate::artifacts::{self, Located, Outside, Stores, Unpacking};
use crate::error::Doing;
use crate::job::{BIN_PATH, HOME_PATH, Job, WORK_PATH};
use crate::{Error, applets};

/// The stores of a job. Called before the private root is entered: what lies on this machine is not reached
/// by its path from there.
pub(super) fn stores(job: &Job) -> Result<Stores<'_>, Error> {
    let used = job.archive_logs
        || job.listing.is_some()
        || !job.outputs.artifacts.is_empty()
        || job.inputs.iter().any(|input| input.raw.is_none());
    let outside = Outside { drivers: &job.drivers, exchange: Some(&job.exchange) };
    Stores::open(&job.repository, &job.credentials, used, outside)
}

/// Puts everything in place before main starts.
pub(super) fn place(job: &Job, places: &Places, stores: &Stores<'_>) -> Result<(), Error> {
    for dir in [HOME_PATH, WORK_PATH] {
        places.root().create_dirs(Path::new(dir), 0o755).doing(|| format!("create {dir}"))?;
    }
    for file in &job.files {
        let content = if file.verbatim { file.content.clone() } else { places.rewrite(&file.content) };
        write_text(places, &file.path, content.as_bytes(), file.mode)?;
    }
    for input in &job.inputs {
        place_artifact(input, places, stores)?;
    }
    match &job.listing {
        Some(source) => place_paths(source, places, stores),
        None => Ok(()),
    }
}

/// The paths of a data template, listed here because the step has no keys to the store.
fn place_paths(source: &Artifact, places: &Places, stores: &Stores<'_>) -> Result<(), Error> {
    let problem = |why: String| {
        let process = "unable to process data template: unable to process data source";
        Error::Artifact(format!("{process}: unable to source artifact paths: {why}"))
    };
    let located = match stores.locate(source).map_err(|error| problem(error.to_string()))? {
        Some(located) => located,
        None => stores.in_repository(String::new()).map_err(|error| problem(error.to_string()))?,
    };
    let Located { driver, location } = located;
    let keys = driver.list(location.key()).map_err(|error| problem(error.to_string()))?;
    let text = serde_json::to_vec(&keys).map_err(|error| problem(error.to_string()))?;
    write_text(places, crate::typed::PATHS_PATH, &text, 0o600)
}

fn write_text(places: &Places, path: &str, content: &[u8], mode: u32) -> Result<(), Error> {
    let placing = || format!("place {path}");
    let (boundary, inner) = places.locate(path);
    boundary.create_file(inner, mode).doing(placing)?.write_all(content).doing(placing)
}

fn place_artifact(input: &Artifact, places: &Places, stores: &Stores<'_>) -> Result<(), Error> {
    let named = |why: String| Error::Artifact(format!("artifact {:?} failed to load: {why}", input.name));
    if input.path.is_empty() {
        return Ok(());
    }
    let (boundary, inner) = places.locate(&input.path);
    let outcome = if let Some(raw) = &input.raw {
        write_text(places, &input.path, raw.data.as_bytes(), 0o644)
    } else {
        load(input, boundary, inner, stores)
    };
    match outcome {
        Err(Error::Missing(_)) if input.optional => return Ok(()),
        other => other.map_err(|error| named(error.to_string()))?,
    }
    match input.mode.and_then(|mode| u32::try_from(mode).ok()) {
        Some(mode) => artifacts::place_file_modes(boundary, inner, mode, input.recurse_mode)
            .map_err(|error| named(error.to_string())),
        None => Ok(()),
    }
}

fn load(
    input: &Artifact,
    boundary: &crate::beneath::Beneath,
    inner: &Path,
    stores: &Stores<'_>,
) -> Result<(), Error> {
    let Some(Located { driver: repository, location }) = stores.locate(input)? else {
        return Err(Error::Missing("it has no location".into()));
    };
    let key = location.key();
    let unpacking = Unpacking::of(input.archive.as_ref())?;
    if input.sub_path.is_empty() {
        return repository.get(key, unpacking, boundary, inner);
    }
    // A directory stored as it is has its parts under keys of their own; otherwise the part is cut out.
    if location.has_parts() {
        let part = format!("{}/{}", key.trim_end_matches('/'), input.sub_path.trim_matches('/'));
        artifacts::check_key(&part)?;
        match repository.get(&part, unpacking, boundary, inner) {
            Err(Error::Missing(_)) => {}
            other => return other,
        }
    }
    let whole = Path::new("/argo/staging/whole");
    repository.get(key, unpacking, boundary, whole)?;
    let moving = || format!("take {} out of the artifact", input.sub_path);
    let source = whole.join(input.sub_path.trim_matches('/'));
    let (Some(from), Some(name)) = (source.parent(), source.file_name()) else {
        return Err(Error::Invalid(format!("bad subPath {:?}", input.sub_path)));
    };
    let from = boundary.subdirectory(from, crate::beneath::Links::Refused).doing(moving)?;
    let (Some(to), Some(target)) = (inner.parent(), inner.file_name()) else {
        return Err(Error::Invalid(format!("bad path {:?}", input.path)));
    };
    let to = boundary.create_dirs(to, 0o755).doing(moving)?;
    rustix::fs::renameat(from.as_fd(), name, &to, target).map_err(|error| match error {
        rustix::io::Errno::NOENT => Error::Missing(format!("it has no {:?}", input.sub_path)),
        other => Error::Io { doing: moving(), source: other.into() },
    })
}

/// Puts links to the applets into the private root; `target` is this binary as seen from there.
pub(super) fn link_applets(root: &crate::beneath::Beneath, target: &Path) -> std::io::Result<()> {
    let bin = root.create_dirs(Path::new(BIN_PATH), 0o755)?;
    for name in applets::NAMES {
        link(bin.as_fd(), target, name)?;
        // Scripts call them as the images have them: at the root.
        link(root.as_fd(), &Path::new(BIN_PATH).join(name), name)?;
    }
    Ok(())
}

fn link(dir: std::os::fd::BorrowedFd<'_>, target: &Path, name: &str) -> std::io::Result<()> {
    match rustix::fs::symlinkat(target, dir, name) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
