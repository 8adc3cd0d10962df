//! A case that runs: its home, the commands that were started, the workflows that they made.
//! Does not know what a case wants.

use std::time::{Duration, Instant};

use runner_fake_driver::FakeDriver;
use serde_json::{Value, json};

use super::cron::Fired;
use crate::binary::{Home, Running, Said};
use crate::conformance::facts::{Subject, judge, node_list};
use crate::objects::FakeS3;

/// How long a command that does not run a workflow may take.
const COMMAND: Duration = Duration::from_secs(20);
/// How often a workflow is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// One case at work.
#[derive(Debug)]
pub(super) struct Scene {
    /// Where it happens.
    pub(super) home: Home,
    /// Engines: the commands that run workflows.
    pub(super) engines: Vec<Running>,
    /// Names of the workflows, in order of submission.
    pub(super) names: Vec<String>,
    pub(super) objects: Vec<Value>,
    cli: Value,
    /// A state that a step waited for was not seen.
    pub(super) passed_by: bool,
    /// A FAKE object store, for cases that name one.
    pub(super) store: Option<FakeS3>,
    /// A FAKE artifact driver, for cases whose repository is one.
    pub(super) driver: Option<FakeDriver>,
    /// Workflows are started by schedules.
    pub(super) fired: Option<Fired>,
}

impl Scene {
    /// A new one.
    ///
    /// # Errors
    /// No room.
    pub(super) fn new(namespace: &str) -> Result<Self, String> {
        let home = Home::new(namespace)?;
        let (engines, names, objects) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self {
            home,
            engines,
            names,
            objects,
            cli: Value::Null,
            passed_by: false,
            store: None,
            driver: None,
            fired: None,
        })
    }

    /// Starts `submit` and waits until the workflow has a name. A refusal is given back.
    ///
    /// # Errors
    /// The command does not start, or says nothing.
    pub(super) fn submit(&mut self, args: &[&str]) -> Result<Option<Said>, String> {
        let mut words = vec!["submit", "-o", "name"];
        words.extend(args);
        let mut engine = self.home.start(self.home.folder(), &words)?;
        let start = Instant::now();
        while start.elapsed() < COMMAND {
            let ended = engine.ended();
            if let Some(line) = engine.stdout().lines().next().filter(|line| !line.is_empty()) {
                self.names.push(line.rsplit('/').next().unwrap_or(line).to_owned());
                self.objects.push(Value::Null);
                self.engines.push(engine);
                return Ok(None);
            }
            if ended {
                return Ok(Some(engine.wait(COMMAND)));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Err("submit gives no name".to_owned())
    }

    /// Runs a command in the home and expects it to succeed.
    ///
    /// # Errors
    /// It does not.
    pub(super) fn must(&self, args: &[&str]) -> Result<Said, String> {
        let said = self.home.run(args, COMMAND)?;
        if said.code == Some(0) {
            Ok(said)
        } else {
            Err(format!("{args:?}: {:?}: {}", said.code, said.both()))
        }
    }

    /// Runs a command in the folder of the corpus and keeps what it said for facts.
    ///
    /// # Errors
    /// It does not start.
    pub(super) fn command(&mut self, folder: &std::path::Path, args: &[&str]) -> Result<(), String> {
        let said = self.home.start(folder, args)?.wait(COMMAND);
        self.cli = json!({ "exit": said.code, "output": said.both() });
        Ok(())
    }

    /// Reads all workflows again.
    ///
    /// # Errors
    /// The command line's.
    pub(super) fn look(&mut self) -> Result<(), String> {
        for number in 0..self.names.len() {
            self.objects[number] = self.home.get(&self.names[number])?.unwrap_or(Value::Null);
        }
        Ok(())
    }

    /// The newest workflow.
    pub(super) fn newest(&self) -> &Value {
        self.objects.last().unwrap_or(&Value::Null)
    }

    /// Waits until something holds of the newest workflow and its facts; false when it never does.
    ///
    /// # Errors
    /// The command line's.
    pub(super) fn wait(&mut self, until: &str, facts: &[Value], limit: Duration) -> Result<bool, String> {
        if self.fired.is_some() {
            return self.wait_run(until, facts);
        }
        let start = Instant::now();
        loop {
            self.look()?;
            let there =
                if until == "expect" { judge(self, facts).is_empty() } else { reached(self.newest(), until) };
            // A state that passes by is right when its facts hold in the same look.
            if there && (!passes_by(until) || judge(self, facts).is_empty()) {
                return Ok(true);
            }
            let over = reached(self.newest(), "completed");
            if over && passes_by(until) {
                // It was there between two looks: no pod takes seconds to start here.
                self.passed_by = true;
                return Ok(true);
            }
            if start.elapsed() > limit || over && is_end(until) {
                return Ok(false);
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Ends what still runs.
    pub(super) fn end(&mut self) {
        self.look().ok();
        let open: Vec<String> = self
            .names
            .iter()
            .zip(&self.objects)
            .filter(|(_, object)| !object.is_null() && !reached(object, "completed"))
            .map(|(name, _)| name.clone())
            .collect();
        for name in open {
            // Best effort: the case has been judged already.
            let _ = self.home.run(&["terminate", &name], COMMAND);
        }
        for mut engine in self.engines.drain(..) {
            if self.fired.is_some() {
                // It fires for ever; it has had a moment for what was terminated.
                std::thread::sleep(Duration::from_secs(1));
                engine.kill();
            } else {
                engine.wait(Duration::from_secs(10));
            }
        }
    }

    /// The newest workflow in a few lines.
    pub(super) fn sketch(&self) -> Vec<String> {
        let text =
            |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut out = vec![format!("status {}", phase(self.newest()))];
        out.extend(node_list(self.newest()).into_iter().map(|node| {
            let (name, phase, message) = (text(node, "name"), text(node, "phase"), text(node, "message"));
            format!("  {name:<40} {phase:<10} {message}")
        }));
        out
    }
}

impl Subject for Scene {
    fn workflow(&self, number: usize) -> Option<Value> {
        if let Some(shown) = self.fired.as_ref().and_then(|fired| fired.shown.clone()) {
            return Some(shown);
        }
        // A case with one workflow after the other means the newest.
        let newest = self.objects.last().filter(|_| number == 0);
        newest.or_else(|| self.objects.get(number)).cloned()
    }

    fn pods(&self) -> Vec<Value> {
        let pods = node_list(self.newest()).into_iter();
        pods.filter(|node| node.get("type").and_then(Value::as_str) == Some("Pod")).cloned().collect()
    }

    fn cli(&self) -> Value {
        self.cli.clone()
    }
}

/// Phase of a workflow object; empty when it has none.
pub(super) fn phase(object: &Value) -> &str {
    object.pointer("/status/phase").and_then(Value::as_str).unwrap_or_default()
}

/// Phases in which a workflow stays.
fn is_end(until: &str) -> bool {
    matches!(until, "Succeeded" | "Failed" | "Error")
}

/// States that every such workflow passes on its way, if only for a moment.
fn passes_by(until: &str) -> bool {
    matches!(
        until,
        "Pending" | "Running" | "started" | "running-pod" | "waiting-on-mutex" | "waiting-on-semaphore"
    )
}

/// Whether a workflow is where a `wait` wants it.
pub(super) fn reached(object: &Value, until: &str) -> bool {
    let node = |fits: &dyn Fn(&str, &str) -> bool| {
        node_list(object).into_iter().any(|node| {
            let text = |key: &str| node.get(key).and_then(Value::as_str).unwrap_or_default();
            fits(text("type"), text("phase"))
        })
    };
    match until {
        "completed" | "" => matches!(phase(object), "Succeeded" | "Failed" | "Error"),
        "started" => !phase(object).is_empty(),
        "running-pod" => node(&|kind, phase| kind == "Pod" && phase == "Running"),
        "failed-pod" => node(&|kind, phase| kind == "Pod" && phase == "Failed"),
        "suspended" => node(&|kind, phase| kind == "Suspend" && phase == "Running"),
        // As upstream's conditions, which look for the entry alone: holding counts as well.
        "waiting-on-mutex" => object.pointer("/status/synchronization/mutex").is_some(),
        "waiting-on-semaphore" => object.pointer("/status/synchronization/semaphore").is_some(),
        "deleted" => object.is_null(),
        wanted => phase(object) == wanted,
    }
}
