//! Turns what the processes did and left behind into the exit record.
//! Runs after the step is dead: nothing it reads can change under its hands.

use std::io::Read;
use std::path::Path;

use runner_workflows::spec::{AnyString, Artifact, Outputs, Parameter};

use super::clock::Clock;
use super::member::{Ended, Ran, Role, Stopped};
use super::places::Places;
use super::pump::log_name;
use super::report;
use crate::artifacts::{Located, Packing, Stores, check_key};
use crate::attempt::AttemptDir;
use crate::job::{Job, Process};
use crate::limits::PARAMETER_BYTES;
use crate::mask::Masks;
use crate::{Error, Exit, ExitPhase, Reason};

/// Argo's text for a step that exceeded its own deadline.
pub(crate) const DEADLINE_MESSAGE: &str = "Pod was active on the node longer than the specified deadline";

/// Makes the record. Outputs are collected although main failed, and then cannot make matters worse.
pub(super) fn collect(
    job: &Job,
    attempt: &AttemptDir,
    places: &Places,
    stores: &Stores<'_>,
    clock: &Clock,
    ran: Ran,
) -> Exit {
    let mut verdict = judge(&ran);
    let mut outputs = Outputs { result: ran.result, ..Outputs::default() };
    outputs.exit_code = main_of(&ran.ended).and_then(|main| main.exit_code).map(|code| code.to_string());
    let mut failures = Vec::new();
    let report = job.report.as_deref().map(|path| report::read(path, places));
    let reported = match report {
        Some(report) => report::merge(report, job, ran.stopped.is_some(), &mut verdict, &mut outputs),
        None => Vec::new(),
    };
    for declared in job.outputs.parameters.iter().filter(|declared| !reported.contains(&declared.name)) {
        match parameter(declared, places) {
            Ok(parameter) => outputs.parameters.push(parameter),
            Err(error) => failures.push(error.to_string()),
        }
    }
    for declared in &job.outputs.artifacts {
        match artifact(declared, job, places, stores) {
            Ok(artifact) => outputs.artifacts.extend(artifact),
            Err(error) => failures.push(error.to_string()),
        }
    }
    if job.archive_logs {
        match logs(job, attempt, stores) {
            Ok(artifacts) => outputs.artifacts.extend(artifacts),
            Err(error) => failures.push(format!("logs could not be archived: {error}")),
        }
    }
    let mut exit = Exit {
        phase: verdict.phase,
        message: verdict.message,
        exit_code: main_of(&ran.ended).and_then(|main| main.exit_code).filter(|_| job.report.is_none()),
        started_at: clock.started_at,
        finished_at: clock.now(),
        outputs,
        reason: verdict.reason,
    };
    if exit.phase == ExitPhase::Succeeded && !failures.is_empty() {
        exit.phase = ExitPhase::Error;
        exit.message = failures.join("; ");
        exit.reason = Some(Reason::Output);
    }
    exit
}

/// Says that the kernel has ended a container for its memory, unless there is another reason already. In Argo's
/// words: `main: OOMKilled (exit code 137)`.
pub(super) fn out_of_memory(exit: &mut Exit, name: &str, exit_code: Option<i32>) {
    if exit.reason.is_none() {
        exit.message = format!("{name}: OOMKilled (exit code {})", exit_code.unwrap_or(137));
        exit.reason = Some(Reason::OOMKilled);
    }
}

/// Takes secret values out of everything that goes to the journal (V33).
pub(super) fn mask(exit: &mut Exit, masks: &Masks) {
    if masks.is_empty() {
        return;
    }
    let clean = |text: &mut String| *text = masks.text(text).into_owned();
    clean(&mut exit.message);
    exit.outputs.result.iter_mut().for_each(clean);
    let values = exit.outputs.parameters.iter_mut().filter_map(|parameter| parameter.value.as_mut());
    values.for_each(|value| clean(&mut value.0));
}

/// How an attempt ended, before its outputs were looked at.
pub(super) struct Verdict {
    pub(super) phase: ExitPhase,
    pub(super) message: String,
    pub(super) reason: Option<Reason>,
}

fn main_of(ended: &[Ended]) -> Option<&Ended> {
    let mut mains = ended.iter().filter(|one| one.role == Role::Main);
    let named = mains.clone().find(|one| one.name == "main");
    named
        .or_else(|| mains.clone().find(|one| one.exit_code.is_some_and(|code| code != 0)))
        .or_else(|| mains.next())
}

fn judge(ran: &Ran) -> Verdict {
    let failed = |message: String, reason| Verdict { phase: ExitPhase::Failed, message, reason };
    let bad = ran.ended.iter().find(|one| match one.role {
        Role::Init | Role::Main => one.exit_code != Some(0),
        // A sidecar that main's end ended is no failure, whatever it says.
        Role::Sidecar => !one.dismissed && one.exit_code.is_some_and(|code| !matches!(code, 0 | 137 | 143)),
    });
    match (ran.stopped, bad) {
        (Some(Stopped::Deadline), _) => failed(DEADLINE_MESSAGE.to_owned(), Some(Reason::Deadline)),
        (Some(Stopped::Cancelled), bad) => {
            let message = bad.map_or_else(|| "cancelled".to_owned(), message_of);
            failed(message, Some(Reason::Cancelled))
        }
        (None, Some(bad)) => {
            let bad =
                main_of(&ran.ended).filter(|main| main.exit_code.is_some_and(|c| c != 0)).unwrap_or(bad);
            failed(message_of(bad), bad.not_started.as_ref().map(|_| Reason::NotStarted))
        }
        (None, None) if ran.survivors => {
            failed("main: processes it left behind could not be killed".to_owned(), None)
        }
        (None, None) => Verdict { phase: ExitPhase::Succeeded, message: String::new(), reason: None },
    }
}

/// Argo's `main: Error (exit code 1)`.
fn message_of(ended: &Ended) -> String {
    let name = &ended.name;
    match (ended.exit_code, &ended.not_started) {
        (Some(code), Some(why)) => format!("{name}: Error (exit code {code}): {why}"),
        (Some(code), None) => format!("{name}: Error (exit code {code})"),
        (None, _) => format!("{name}: did not run"),
    }
}

fn parameter(declared: &Parameter, places: &Places) -> Result<Parameter, Error> {
    let mut parameter = declared.clone();
    let Some(from) = declared.value_from.as_ref().filter(|from| !from.path.is_empty()) else {
        if parameter.value.is_none() {
            let default = declared.value_from.as_ref().and_then(|from| from.default.clone());
            parameter.value = default.or_else(|| declared.default.clone());
        }
        return Ok(parameter);
    };
    let value = match read_parameter(&declared.name, &from.path, places) {
        Err(Error::Missing(why)) => match &from.default {
            Some(default) => default.0.clone(),
            None => return Err(Error::Missing(why)),
        },
        other => other?,
    };
    parameter.value = Some(AnyString(value));
    Ok(parameter)
}

/// The content of the file without one final line end. At most 1 MiB, and text (F53).
fn read_parameter(name: &str, path: &str, places: &Places) -> Result<String, Error> {
    let (boundary, inner) = places.locate(path);
    let (file, _) = boundary.open_regular(inner).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            Error::Missing(format!("output parameter {name:?}: open {path}: no such file or directory"))
        }
        _other => Error::Invalid(format!("output parameter {name:?}: open {path}: {error}")),
    })?;
    let mut bytes = Vec::new();
    file.take(PARAMETER_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Error::Invalid(format!("output parameter {name:?}: read {path}: {error}")))?;
    if bytes.len() as u64 > PARAMETER_BYTES {
        return Err(Error::TooLarge {
            what: format!("output parameter {name:?} ({path})"),
            size_bytes: bytes.len(),
            limit_bytes: usize::try_from(PARAMETER_BYTES).unwrap_or(usize::MAX),
            hint: "make it an artifact".into(),
        });
    }
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    String::from_utf8(bytes).map_err(|_| {
        Error::Invalid(format!("output parameter {name:?}: {path} is not UTF-8 text; make it an artifact"))
    })
}

fn artifact(
    declared: &Artifact,
    job: &Job,
    places: &Places,
    stores: &Stores<'_>,
) -> Result<Option<Artifact>, Error> {
    let mut artifact = declared.clone();
    if declared.path.is_empty() {
        return Ok(None);
    }
    let named =
        |error: Error| Error::Artifact(format!("artifact {:?} failed to save: {error}", declared.name));
    let packing = Packing::of(declared.archive.as_ref()).map_err(named)?;
    let located = match stores.locate(declared).map_err(named)? {
        // A bucket without a key keeps what it is given under the usual key.
        Some(Located { driver, location }) if location.key().is_empty() => {
            let key = format!("{}/{}{}", job.key_prefix, declared.name, packing.extension());
            Located { driver, location: location.with_key(key) }
        }
        Some(located) => located,
        None => {
            let key = format!("{}/{}{}", job.key_prefix, declared.name, packing.extension());
            stores.in_repository(key).map_err(named)?
        }
    };
    let (boundary, inner) = places.locate(&declared.path);
    let inner = Path::new(inner.to_str().unwrap_or_default().trim_end_matches('/'));
    match located.driver.put(boundary, inner, located.location.key(), packing) {
        Err(Error::Missing(_)) if declared.optional => return Ok(None),
        other => other.map_err(named)?,
    };
    located.location.write_to(&mut artifact, stores.is_repository(&located.location));
    Ok(Some(artifact))
}

/// The log of each main container as artifact `NAME-logs`, as Argo names it.
fn logs(job: &Job, attempt: &AttemptDir, stores: &Stores<'_>) -> Result<Vec<Artifact>, Error> {
    let keep = |(index, process): (usize, &Process)| {
        let name = &process.name;
        check_key(name)?;
        let located = stores.in_repository(format!("{}/{name}.log", job.key_prefix))?;
        let mut content = crate::logs::Raw::open(attempt, &log_name(name, job.init.len() + index));
        located.driver.put_bytes(&mut content, located.location.key())?;
        let mut artifact = Artifact { name: format!("{name}-logs"), ..Artifact::default() };
        located.location.write_to(&mut artifact, stores.is_repository(&located.location));
        Ok(artifact)
    };
    job.main.iter().enumerate().map(keep).collect()
}
