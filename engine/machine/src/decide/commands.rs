//! Commands of users: suspend, resume, stop, terminate, set, archive.
//! Retry is in `undo`.

use std::collections::BTreeMap;

use runner_workflows::spec::Outputs;

use super::{Todo, Turn};
use crate::command::Command;
use crate::error::Error;
use crate::fact::{Fact, OutputsChange, Settings};
use crate::node::{NodeIx, NodePhase, NodeType, Work};
use crate::selector::Selector;
use crate::status::Shutdown;

impl Turn<'_> {
    pub(super) fn command(&mut self, by: &str, command: Command) -> Result<(), Error> {
        let verb = command.name();
        if self.status.phase.completed() && !matches!(command, Command::Retry { .. } | Command::Archive) {
            return Err(Error::Refused(format!(
                "cannot {verb} {}: it has ended ({})",
                self.status.name,
                self.status.phase.as_str()
            )));
        }
        match command {
            Command::Suspend => {
                self.accept(by, verb, Settings { suspend: Some(true), ..Settings::default() });
                Ok(())
            }
            Command::Resume { selector, parameters, message } => {
                self.resume(by, &selector, &parameters, &message)
            }
            Command::Stop { selector, message } => self.stop(by, &selector, message),
            Command::Terminate => {
                self.shut_down(by, verb, Shutdown::Terminate, String::new());
                Ok(())
            }
            Command::Set { selector, phase, message, parameters } => {
                self.set(by, &selector, phase, &message, parameters)
            }
            Command::Retry { restart_successful, selector, parameters } => {
                self.retry(by, restart_successful, &selector, parameters)
            }
            Command::Archive if self.status.archived => {
                Err(Error::Refused(format!("{} is archived already", self.status.name)))
            }
            Command::Archive if !self.status.phase.completed() => {
                Err(Error::Refused(format!("cannot archive {}: it has not ended", self.status.name)))
            }
            Command::Archive => {
                self.accept(by, verb, Settings { archived: Some(true), ..Settings::default() });
                Ok(())
            }
        }
    }

    pub(super) fn accept(&mut self, by: &str, command: &str, settings: Settings) {
        self.emit(Fact::CommandAccepted {
            command: command.to_owned(),
            by: by.to_owned(),
            at: self.now,
            settings,
        });
    }

    fn suspended(&self, selector: &Selector) -> Vec<NodeIx> {
        let waits = |ix: &NodeIx| {
            self.node(*ix).is_some_and(|node| {
                node.node_type == NodeType::Suspend
                    && matches!(node.work, Work::Suspended { .. })
                    && selector.matches(node)
            })
        };
        self.status.open_nodes().filter(waits).collect()
    }

    fn resume(
        &mut self,
        by: &str,
        selector: &str,
        parameters: &BTreeMap<String, String>,
        message: &str,
    ) -> Result<(), Error> {
        let parsed = Selector::parse(selector).map_err(Error::Refused)?;
        let nodes = self.suspended(&parsed);
        if nodes.is_empty() && !parsed.is_empty() {
            return Err(Error::Refused(format!("no suspended node matches `{selector}`")));
        }
        if nodes.is_empty() && !self.status.suspended {
            return Err(Error::Refused(format!(
                "{} is not suspended: there is nothing to resume",
                self.status.name
            )));
        }
        for ix in &nodes {
            self.check_supplied(*ix, parameters)?;
        }
        let known: Vec<String> = nodes.iter().flat_map(|ix| self.supplied_names(*ix)).collect();
        if let Some(unknown) = parameters.keys().find(|name| !known.contains(name)) {
            let known =
                if known.is_empty() { "none is".to_owned() } else { format!("{} is", known.join(", ")) };
            return Err(Error::Refused(format!(
                "nobody waits for the value of `{unknown}`; {known} waited for"
            )));
        }
        let settings = Settings { suspend: parsed.is_empty().then_some(false), ..Settings::default() };
        self.accept(by, "resume", settings);
        for ix in nodes {
            let message = (!message.is_empty()).then(|| message.to_owned());
            let known = self.supplied_names(ix);
            let parameters: BTreeMap<String, String> = parameters
                .iter()
                .filter(|(name, _)| known.contains(name))
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect();
            if !parameters.is_empty() || message.is_some() {
                self.emit(Fact::OutputsSet { ix, change: OutputsChange { parameters, message } });
            }
            let text = self.node(ix).map(|node| node.message.clone()).unwrap_or_default();
            match self.supplied(ix) {
                Ok(outputs) => self.finish(ix, NodePhase::Succeeded, text, outputs),
                Err(message) => self.fail(ix, message),
            }
        }
        self.resync();
        Ok(())
    }

    fn supplied_names(&self, ix: NodeIx) -> Vec<String> {
        let outputs = self.node(ix).and_then(|node| node.outputs.as_ref());
        outputs.map(|outputs| outputs.parameters.iter().map(|p| p.name.clone()).collect()).unwrap_or_default()
    }

    /// Refuses a resume that would leave a required output without a value.
    fn check_supplied(&self, ix: NodeIx, given: &BTreeMap<String, String>) -> Result<(), Error> {
        let Some(node) = self.node(ix) else { return Ok(()) };
        for parameter in node.outputs.iter().flat_map(|outputs| &outputs.parameters) {
            let default = parameter.value_from.as_ref().and_then(|from| from.default.as_ref());
            if parameter.value.is_none() && default.is_none() && !given.contains_key(&parameter.name) {
                return Err(Error::Refused(format!(
                    "node {} waits for the value of `{}`: give it with -p {}=…",
                    node.display_name, parameter.name, parameter.name
                )));
            }
        }
        Ok(())
    }

    /// Outputs of a suspend node with the defaults of what was not supplied.
    pub(super) fn supplied(&self, ix: NodeIx) -> Result<Option<Outputs>, String> {
        let Some(mut outputs) = self.node(ix).and_then(|node| node.outputs.clone()) else { return Ok(None) };
        for parameter in &mut outputs.parameters {
            if parameter.value.is_none() {
                let default = parameter.value_from.as_ref().and_then(|from| from.default.clone());
                parameter.value = Some(default.ok_or_else(|| {
                    format!(
                        "raw output parameter '{}' has not been set and does not have a default value",
                        parameter.name
                    )
                })?);
            }
            parameter.value_from = None;
        }
        Ok(Some(outputs))
    }

    fn stop(&mut self, by: &str, selector: &str, message: String) -> Result<(), Error> {
        let parsed = Selector::parse(selector).map_err(Error::Refused)?;
        if parsed.is_empty() {
            self.shut_down(by, "stop", Shutdown::Stop, message);
            return Ok(());
        }
        let nodes = self.suspended(&parsed);
        if nodes.is_empty() {
            return Err(Error::Refused(format!("no suspended node matches `{selector}`")));
        }
        self.accept(by, "stop", Settings::default());
        for ix in nodes {
            self.finish(ix, NodePhase::Failed, message.clone(), None);
        }
        Ok(())
    }

    fn shut_down(&mut self, by: &str, verb: &str, shutdown: Shutdown, message: String) {
        let settings =
            Settings { shutdown: Some(shutdown), message, suspend: Some(false), ..Settings::default() };
        let held_back = self.holds_back();
        self.accept(by, verb, settings);
        if held_back {
            // What ended while the run was suspended has not been told to anybody.
            self.resync();
        }
        self.apply_shutdown(shutdown);
    }

    /// Stops what may not go on under a shutdown.
    pub(super) fn apply_shutdown(&mut self, shutdown: Shutdown) {
        let open: Vec<NodeIx> = self.status.open_nodes().collect();
        for ix in open {
            let Some(node) = self.node(ix) else { continue };
            if node.phase.fulfilled() || shutdown.allows(node.exit_handler) {
                continue;
            }
            let message = if matches!(node.work, Work::Attempt { .. }) && node.node_type == NodeType::Pod {
                format!("workflow shutdown with strategy:  {}", shutdown.as_str())
            } else {
                format!("Stopped with strategy '{}'", shutdown.as_str())
            };
            self.interrupt(ix, &message);
        }
        self.queue.push_back(Todo::Workflow);
    }

    fn set(
        &mut self,
        by: &str,
        selector: &str,
        phase: Option<NodePhase>,
        message: &str,
        parameters: BTreeMap<String, String>,
    ) -> Result<(), Error> {
        let parsed = Selector::parse(selector).map_err(Error::Refused)?;
        let nodes = self.suspended(&parsed);
        if nodes.is_empty() {
            return Err(Error::Refused(format!(
                "no suspended node matches `{selector}`: only nodes that wait to be resumed can be set"
            )));
        }
        if phase.is_some_and(|phase| !phase.fulfilled()) {
            return Err(Error::Refused("a node can only be set to a final phase".to_owned()));
        }
        for ix in &nodes {
            let known = self.supplied_names(*ix);
            if let Some(unknown) = parameters.keys().find(|name| !known.contains(name)) {
                return Err(Error::Refused(format!(
                    "`{unknown}` is no output that can be supplied; there is: {}",
                    known.join(", ")
                )));
            }
        }
        self.accept(by, "set", Settings::default());
        for ix in nodes {
            let message = (!message.is_empty()).then(|| message.to_owned());
            self.emit(Fact::OutputsSet {
                ix,
                change: OutputsChange { parameters: parameters.clone(), message },
            });
            if let Some(phase) = phase {
                let text = self.node(ix).map(|node| node.message.clone()).unwrap_or_default();
                let outputs = if phase == NodePhase::Succeeded { self.supplied(ix) } else { Ok(None) };
                match outputs {
                    Ok(outputs) => self.finish(ix, phase, text, outputs),
                    Err(message) => self.fail(ix, message),
                }
            }
        }
        Ok(())
    }
}
