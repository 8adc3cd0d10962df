//! Cases with CronWorkflows: a process that fires them as time goes by, and the runs that it makes.
//! Does not judge the runs: `steps` and `local` do.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use runner_workflows::parse::Manifest;
use serde_json::Value;

use super::subject::{Scene, phase, reached};
use crate::conformance::facts::{Subject, judge};
use crate::conformance::index::Case;
use crate::conformance::language::load;

/// A tick comes within a minute; the rest is for a busy machine.
pub(super) const LIMIT: Duration = Duration::from_secs(420);
/// Rarely: nothing happens for most of a minute, and many cases wait side by side.
const LOOK: Duration = Duration::from_secs(1);
/// A schedule that fires within a minute; others are not waited for but triggered.
const EVERY_MINUTE: &str = "* * * * *";

/// The runs of a scene whose workflows are started by schedules.
#[derive(Debug, Default)]
pub(super) struct Fired {
    /// The next `wait` is about a run after these.
    met: usize,
    /// The run that met the last `wait`, as it was in the state that was waited for.
    pub(super) shown: Option<Value>,
}

impl Scene {
    /// Starts the process that fires; once for a scene.
    ///
    /// # Errors
    /// It does not start.
    pub(super) fn fire(&mut self) -> Result<(), String> {
        if self.fired.is_none() {
            self.fired = Some(Fired::default());
            let engine = self.home.start(self.home.folder(), &["cron", "run"])?;
            self.engines.push(engine);
        }
        Ok(())
    }

    /// Adds the runs that are new, the oldest first: they are named after their times.
    pub(super) fn discover(&mut self) -> Result<(), String> {
        let said = self.must(&["list", "-o", "json", "--limit", "0"])?;
        let listed: Vec<Value> =
            serde_json::from_str(&said.stdout).map_err(|error| format!("list: {error}"))?;
        let name =
            |object: &Value| object.pointer("/metadata/name").and_then(Value::as_str).map(str::to_owned);
        let mut found: Vec<String> = listed.iter().filter_map(name).collect();
        found.sort();
        for name in found {
            if !self.names.contains(&name) {
                self.names.push(name);
                self.objects.push(Value::Null);
            }
        }
        Ok(())
    }

    /// Waits for a run that is where `until` wants it, a later one than that of the wait before.
    ///
    /// # Errors
    /// The command line's.
    pub(super) fn wait_run(&mut self, until: &str, facts: &[Value]) -> Result<bool, String> {
        let start = Instant::now();
        let met = self.fired.as_ref().map_or(0, |fired| fired.met);
        loop {
            self.discover()?;
            self.look()?;
            for (number, object) in self.objects.iter().enumerate().skip(met) {
                let object = as_it_was(until, object);
                let there = until == "expect" || reached(&object, until);
                if there && judge(&Run(&object), facts).is_empty() {
                    self.fired = Some(Fired { met: number + 1, shown: Some(object) });
                    return Ok(true);
                }
            }
            if start.elapsed() > LIMIT {
                return Ok(false);
            }
            std::thread::sleep(LOOK);
        }
    }
}

/// A run that is over has been Running if it says when it began: steps take milliseconds here, and nobody looked.
fn as_it_was(until: &str, object: &Value) -> Value {
    let mut object = object.clone();
    let began = object.pointer("/status/startedAt").is_some_and(|at| !at.is_null());
    if until == "Running"
        && began
        && reached(&object, "completed")
        && let Some(phase) = object.pointer_mut("/status/phase")
    {
        *phase = Value::from("Running");
    }
    object
}

/// One run, for facts.
struct Run<'v>(&'v Value);

impl Subject for Run<'_> {
    fn workflow(&self, _: usize) -> Option<Value> {
        Some(self.0.clone())
    }

    fn pods(&self) -> Vec<Value> {
        Vec::new()
    }

    fn cli(&self) -> Value {
        Value::Null
    }
}

/// A file with a CronWorkflow: its first run must end as the case says of runs. The answer is what is wrong.
///
/// # Errors
/// The command line's.
pub(super) fn child(case: &Case, file: &str, text: &str, scene: &mut Scene) -> Result<Vec<String>, String> {
    let wanted = case.body.pointer("/expect/child_phase").and_then(Value::as_str).unwrap_or("Succeeded");
    let said = scene.must(&["cron", "create", file, "-o", "name"])?;
    let made = said.stdout.lines().next().unwrap_or_default();
    let name = made.rsplit('/').next().unwrap_or_default().to_owned();
    scene.fire()?;
    let (manifests, _) = load(file, text, Some("CronWorkflow"));
    let soon = manifests.iter().any(|manifest| match manifest {
        Manifest::CronWorkflow(cron) => cron.object.spec.schedules.iter().any(|text| text == EVERY_MINUTE),
        _ => false,
    });
    if !soon {
        scene.must(&["cron", "trigger", &name])?;
    }
    if !scene.wait_run("completed", &[])? {
        return Ok(vec![format!("no run has ended after {} s: {:?}", LIMIT.as_secs(), scene.names)]);
    }
    let run = scene.fired.as_ref().and_then(|fired| fired.shown.clone()).unwrap_or_default();
    let mut wrong = Vec::new();
    if phase(&run) != wanted {
        let message = run.pointer("/status/message").and_then(Value::as_str).unwrap_or_default();
        wrong.push(format!("its run is {} instead of {wanted}: {message}", phase(&run)));
    }
    wrong.extend(marked(&run, &name));
    Ok(wrong)
}

/// A run of a CronWorkflow says whose it is and for which time, and is named after both.
fn marked(run: &Value, cron: &str) -> Vec<String> {
    let labels: BTreeMap<String, String> = run
        .pointer("/metadata/labels")
        .cloned()
        .and_then(|labels| serde_json::from_value(labels).ok())
        .unwrap_or_default();
    let mut wrong = Vec::new();
    if labels.get("workflows.argoproj.io/cron-workflow").map(String::as_str) != Some(cron) {
        wrong.push(format!("its run is not labelled with `{cron}`: {labels:?}"));
    }
    let at = run.pointer("/metadata/annotations/workflows.argoproj.io~1scheduled-time");
    let at = at.and_then(Value::as_str).and_then(|at| at.parse::<jiff::Timestamp>().ok());
    let name = run.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    match at {
        Some(at) if name == format!("{cron}-{}", at.as_second()) => {}
        at => wrong.push(format!("the run `{name}` is not named after its time {at:?}")),
    }
    wrong
}
