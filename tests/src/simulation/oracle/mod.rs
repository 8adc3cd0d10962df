//! A naive oracle: what a workflow must come to, worked out by walking over the generated case once.
//! Shares no code with the machine, knows no time and no journal, and says so where it cannot know.

mod dag;
mod eval;
mod graph;
mod steps;

use std::collections::{BTreeMap, BTreeSet};

use super::fate::{Chances, End, fate, supplied};
use super::model::{Call, Case, Flow, Kind, Leaf, Make, Piece, Retry, Suspend, Template, Text};
use eval::{Scope, Value};
use graph::Shape;

/// Phase of a node that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Well.
    Succeeded,
    /// Badly.
    Failed,
    /// Something around it went wrong.
    Error,
    /// `when` was false, or the loop was empty.
    Skipped,
    /// `depends` was false.
    Omitted,
}

impl Phase {
    /// Argo's text.
    pub fn text(self) -> &'static str {
        match self {
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Error => "Error",
            Self::Skipped => "Skipped",
            Self::Omitted => "Omitted",
        }
    }

    fn completed(self) -> bool {
        !matches!(self, Self::Skipped | Self::Omitted)
    }

    fn bad(self) -> bool {
        matches!(self, Self::Failed | Self::Error)
    }
}

/// What a node leaves behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outs {
    /// Output parameters.
    pub parameters: BTreeMap<String, String>,
    /// Standard output.
    pub result: Option<String>,
    /// Exit code.
    pub code: Option<String>,
}

/// What is foretold of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Phase.
    pub phase: Phase,
    /// Outputs.
    pub outs: Outs,
    /// Inputs.
    pub inputs: BTreeMap<String, String>,
    /// Nodes that must have ended before this one is made.
    pub after: Vec<String>,
}

/// What is foretold of a workflow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Foretold {
    /// Nodes by name.
    pub nodes: BTreeMap<String, Told>,
    /// Nodes whose names begin so may or may not exist.
    pub unsure: Vec<String>,
    /// Phase of the workflow.
    pub phase: &'static str,
    /// Global outputs.
    pub outputs: BTreeMap<String, String>,
}

/// Why nothing is foretold: the end depends on the order of things.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ambiguous(pub String);

/// A step, task or attempt that has ended.
#[derive(Clone, Debug)]
struct Past {
    name: String,
    phase: Phase,
    outs: Outs,
    /// Children of a loop, in order of the items; none when it is no loop.
    children: Option<Vec<Past>>,
    /// Its template.
    template: usize,
}

/// Values of arguments, and the names of those whose producer was skipped.
#[derive(Clone, Debug, Default)]
struct Given {
    values: BTreeMap<String, String>,
}

/// What a template is run for.
struct Site<'s> {
    name: String,
    given: Given,
    status: Option<&'s str>,
    after: Vec<String>,
}

struct Oracle<'c> {
    seed: u64,
    flow: &'c Flow,
    told: Foretold,
    shapes: BTreeMap<String, Shape>,
    depth: usize,
}

type Answer<T> = Result<T, Ambiguous>;

/// Foretells the end of one workflow of a case.
///
/// # Errors
/// The end depends on the order of things.
pub fn foretell(case: &Case, flow: &Flow) -> Result<Foretold, Ambiguous> {
    let mut oracle =
        Oracle { seed: case.seed, flow, told: Foretold::default(), shapes: BTreeMap::new(), depth: 0 };
    oracle.workflow()?;
    Ok(oracle.told)
}

impl<'c> Oracle<'c> {
    fn workflow(&mut self) -> Answer<()> {
        let flow = self.flow;
        let given = Given { values: flow.parameters.iter().cloned().collect() };
        let site = Site { name: flow.name.clone(), given: given.clone(), status: None, after: Vec::new() };
        let root = self.run(flow.entry, site)?;
        let status = if root.phase.completed() { root.phase } else { Phase::Succeeded };
        for hook in &flow.hooks {
            // While the root runs, `workflow.status` is Running.
            if hook.phase == "Running" || hook.phase == status.text() {
                let after = if hook.phase == "Running" { Vec::new() } else { vec![flow.name.clone()] };
                let text = if hook.phase == "Running" { "Running" } else { status.text() };
                let name = format!("{}.hooks.{}", flow.name, hook.name);
                self.run(hook.template, Site { name, given: Given::default(), status: Some(text), after })?;
            }
        }
        let mut end = status;
        if let Some(template) = flow.on_exit {
            let name = format!("{}.onExit", flow.name);
            let after = vec![flow.name.clone()];
            let exit = self.run(template, Site { name, given, status: Some(status.text()), after })?;
            if end == Phase::Succeeded && exit.phase.bad() {
                end = exit.phase;
            }
        }
        self.told.phase = end.text();
        Ok(())
    }

    fn template(&self, number: usize) -> &'c Template {
        &self.flow.templates[number]
    }

    fn record(
        &mut self,
        name: &str,
        phase: Phase,
        outs: &Outs,
        inputs: &BTreeMap<String, String>,
        after: &[String],
    ) {
        let told = Told { phase, outs: outs.clone(), inputs: inputs.clone(), after: after.to_vec() };
        self.told.nodes.insert(name.to_owned(), told);
    }

    /// Records a node that ran nothing.
    fn nothing(&mut self, name: &str, template: usize, phase: Phase, after: &[String]) -> Past {
        self.record(name, phase, &Outs::default(), &BTreeMap::new(), after);
        self.shapes.insert(name.to_owned(), Shape::Leaf);
        Past { name: name.to_owned(), phase, outs: Outs::default(), children: None, template }
    }

    /// Inputs from arguments and defaults; none when one is missing.
    fn inputs(&self, template: &Template, given: &Given) -> Option<BTreeMap<String, String>> {
        template
            .inputs
            .iter()
            .map(|input| {
                let value = given.values.get(&input.name).or(input.default.as_ref())?;
                Some((input.name.clone(), value.clone()))
            })
            .collect()
    }

    /// Runs a template.
    fn run(&mut self, number: usize, site: Site<'_>) -> Answer<Past> {
        let template = self.template(number);
        let Some(inputs) = self.inputs(template, &site.given) else {
            return Ok(self.nothing(&site.name, number, Phase::Error, &site.after));
        };
        self.depth += 1;
        let past = match &template.retry {
            None => self.work(number, &site.name, &inputs, &site, None),
            Some(retry) => self.retried(number, retry, &inputs, &site),
        };
        self.depth -= 1;
        past
    }

    fn retried(
        &mut self,
        number: usize,
        retry: &Retry,
        inputs: &BTreeMap<String, String>,
        site: &Site<'_>,
    ) -> Answer<Past> {
        let mut after = site.after.clone();
        for attempt in 0.. {
            let name = format!("{}({attempt})", site.name);
            let inner = Site { name: name.clone(), given: Given::default(), status: site.status, after };
            let last = self.work(number, &name, inputs, &inner, Some(attempt))?;
            let again = last.phase.bad() && self.again(retry, &last, attempt);
            after = vec![name];
            if again {
                continue;
            }
            self.record(&site.name, last.phase, &last.outs, inputs, &site.after);
            self.shapes.insert(site.name.clone(), Shape::Retry(last.name.clone()));
            return Ok(Past { name: site.name.clone(), ..last });
        }
        Err(Ambiguous("retries without end".to_owned()))
    }

    fn again(&self, retry: &Retry, last: &Past, attempt: u32) -> bool {
        let policy = retry.policy.unwrap_or(if retry.unless_code.is_some() { "Always" } else { "OnFailure" });
        let wanted = match policy {
            "Always" => true,
            "OnError" => last.phase == Phase::Error,
            _ => last.phase == Phase::Failed,
        };
        let code = last.outs.code.clone().unwrap_or_else(|| "-1".to_owned());
        let differs = retry.unless_code.is_none_or(|unless| code != unless.to_string());
        wanted && attempt < retry.limit && differs
    }

    /// Runs a template under exactly this name.
    fn work(
        &mut self,
        number: usize,
        name: &str,
        inputs: &BTreeMap<String, String>,
        site: &Site<'_>,
        attempt: Option<u32>,
    ) -> Answer<Past> {
        let template = self.template(number);
        let (phase, outs) = match &template.kind {
            Kind::Leaf(leaf) => {
                let scope = Scope { inputs, status: site.status, attempt, ..Scope::of(self) };
                let ended = self.leaf(leaf, name, &scope);
                self.shapes.insert(name.to_owned(), Shape::Leaf);
                ended
            }
            Kind::Suspend(pause) => {
                self.shapes.insert(name.to_owned(), Shape::Leaf);
                self.pause(pause, name)
            }
            Kind::Steps(groups) => self.steps(template, groups, name, inputs, site)?,
            Kind::Dag(dag) => self.dag(template, dag, name, inputs, site)?,
        };
        self.record(name, phase, &outs, inputs, &site.after);
        Ok(Past { name: name.to_owned(), phase, outs, children: None, template: number })
    }

    fn leaf(&mut self, leaf: &Leaf, name: &str, scope: &Scope<'_>) -> (Phase, Outs) {
        let chances =
            Chances { fail: leaf.fail, error: leaf.error, lost: leaf.lost, longest_ms: leaf.longest_ms };
        let fate = fate(self.seed, &self.flow.name, name, chances);
        if leaf.deadline_s.is_some_and(|s| s * 1_000_000_000 < fate.duration_ns) {
            return (Phase::Failed, Outs::default());
        }
        let code = match fate.end {
            End::Error | End::Lost => return (Phase::Error, Outs::default()),
            End::Exit(code) => code,
        };
        let make = |make: &Make| match make {
            Make::Number => fate.number.to_string(),
            Make::List => fate.list_text(),
            Make::Text(text) => text.iter().map(|piece| literal(piece, scope)).collect(),
        };
        let mut outs = Outs { code: Some(code.to_string()), ..Outs::default() };
        if leaf.script {
            outs.result = Some(make(&leaf.result));
        }
        if let Some(out) = &leaf.out {
            let value = make(out);
            if let Some(global) = &leaf.global {
                self.told.outputs.insert(global.clone(), value.clone());
            }
            outs.parameters.insert("out".to_owned(), value);
        }
        (if code == 0 { Phase::Succeeded } else { Phase::Failed }, outs)
    }

    /// A pause ends by itself with its defaults, or is resumed with what somebody supplies.
    fn pause(&self, pause: &Suspend, name: &str) -> (Phase, Outs) {
        let mut outs = Outs::default();
        let Some(default) = &pause.supplied else { return (Phase::Succeeded, outs) };
        let value = match (pause.seconds, default) {
            (None, _) => supplied(self.seed, &self.flow.name, name),
            (Some(_), Some(default)) => default.clone(),
            (Some(_), None) => return (Phase::Error, outs),
        };
        outs.parameters.insert("out".to_owned(), value);
        (Phase::Succeeded, outs)
    }

    /// Hooks of a step or task, which see its end. Their own ends change nothing.
    fn hooks(&mut self, call: &Call, past: &Past, status: Option<&str>) -> Answer<()> {
        let after = vec![past.name.clone()];
        if let Some((phase_name, wanted, template)) = &call.hook
            && past.phase.text() == *wanted
        {
            let name = format!("{}.hooks.{phase_name}", past.name);
            self.run(*template, Site { name, given: Given::default(), status, after: after.clone() })?;
        }
        if let Some((template, args)) = call.exit.as_ref().filter(|_| past.phase.completed()) {
            let given = hook_arguments(args, past);
            let name = format!("{}.onExit", past.name);
            self.run(*template, Site { name, given, status, after })?;
        }
        Ok(())
    }

    /// Outputs of a Steps or DAG template that has succeeded.
    fn outputs(&self, template: &Template, scope: &Scope<'_>) -> Option<Outs> {
        let mut outs = Outs::default();
        for output in &template.outputs {
            let value = match scope.piece(&output.from) {
                Value::Text(text) => text,
                Value::Absent | Value::Unresolved(_) => output.default.clone()?,
                Value::Wrong => return None,
            };
            outs.parameters.insert(output.name.clone(), value);
        }
        Some(outs)
    }
}

/// Hooks are given plain words and the phase of their step.
fn hook_arguments(args: &[(String, Text)], past: &Past) -> Given {
    let text = |piece: &Piece| match piece {
        Piece::Lit(text) => text.clone(),
        _ => past.phase.text().to_owned(),
    };
    let values = args.iter().map(|(name, value)| (name.clone(), value.iter().map(text).collect()));
    Given { values: values.collect() }
}

/// In the text of a leaf everything resolves, or stays as it is.
fn literal(piece: &Piece, scope: &Scope<'_>) -> String {
    match scope.piece(piece) {
        Value::Text(text) => text,
        Value::Absent | Value::Unresolved(_) | Value::Wrong => {
            super::yaml::render(std::slice::from_ref(piece), "steps")
        }
    }
}

/// Phases that a branch of a graph can bring along.
type Phases = BTreeSet<Phase>;
