//! Explores one seed: the undisturbed run, the oracle, and runs with mishaps at the commits.
//! Does not print: `suite` does.

use std::collections::BTreeSet;
use std::sync::Arc;

use runner_machine::Plan;
use runner_workflows::parse::Manifest;
use runner_workflows::resolve::{Catalog, Submission, resolve};
use runner_workflows::validate::{Options, validate_workflow};

use super::canary::Canary;
use super::generate;
use super::model::Case;
use super::oracle::{Foretold, foretell};
use super::outcome::Outcome;
use super::play::{Played, Stage, play};
use super::rng::Rng;
use super::trouble::{Mishap, Trouble};
use super::yaml;
use crate::conformance::language;

/// How much is tried with one seed.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Most runs with a mishap.
    pub runs: usize,
    /// A planted bug.
    pub canary: Option<Canary>,
}

/// Something that is wrong.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The seed.
    pub seed: u64,
    /// What went wrong in that run.
    pub trouble: String,
    /// What is wrong, one line each.
    pub lines: Vec<String>,
    /// The workflows.
    pub yaml: String,
    /// Commands, as text.
    pub script: String,
    /// What happened in that run.
    pub trace: Vec<String>,
}

/// What became of one seed.
#[derive(Clone, Debug, Default)]
pub struct Explored {
    /// Runs, the undisturbed one included.
    pub runs: usize,
    /// Commits of the undisturbed run.
    pub commits: u64,
    /// Nodes of the undisturbed run.
    pub nodes: usize,
    /// Workflows that the oracle foretold, and that it could not.
    pub foretold: (usize, usize),
    /// What is wrong, if anything.
    pub finding: Option<Box<Finding>>,
}

/// Explores one seed.
pub fn explore(seed: u64, effort: Effort) -> Explored {
    let case = generate::case(seed);
    let mut explored = Explored::default();
    let found = |trouble: &str, lines: Vec<String>, trace: Vec<String>| {
        let yaml = case.flows.iter().map(yaml::text).collect::<Vec<_>>().join("---\n");
        let script = format!("{:?} {:?} semaphore {}", case.script, case.engine, case.capacity);
        Some(Box::new(Finding { seed, trouble: trouble.to_owned(), lines, yaml, script, trace }))
    };
    let plans = match case.flows.iter().map(|flow| admit(&yaml::text(flow))).collect() {
        Ok(plans) => plans,
        Err(why) => {
            explored.finding = found("before the run", vec![why], Vec::new());
            return explored;
        }
    };
    let stage = Stage { case: Arc::new(case.clone()), plans, canary: effort.canary };
    // The same run once more, this time written down.
    let fail = |trouble: &Trouble, mut lines: Vec<String>, seen: &Played| {
        let again = play(&stage, trouble.clone(), true);
        if (&again.wrong, again.commits) != (&seen.wrong, seen.commits) {
            lines.push(format!("and it does not repeat itself: the second time {:?}", again.wrong));
        }
        found(&trouble.to_string(), lines, again.trace)
    };
    let base = play(&stage, Trouble::default(), false);
    explored.runs = 1;
    explored.commits = base.commits;
    explored.nodes = base.outcomes.iter().map(|outcome| outcome.nodes.len()).sum();
    let mut lines = base.wrong.clone();
    if lines.is_empty() && !case.timed {
        lines = compare_with_oracle(&case, &base, &mut explored.foretold);
    }
    if !lines.is_empty() {
        explored.finding = fail(&Trouble::default(), lines, &base);
        return explored;
    }
    for (trouble, same) in troubles(&case, base.commits, effort.runs) {
        let played = play(&stage, trouble.clone(), false);
        explored.runs += 1;
        let mut lines = played.wrong.clone();
        if lines.is_empty() && same {
            lines = differences(&case, &base, &played);
        }
        if !lines.is_empty() {
            explored.finding = fail(&trouble, lines, &played);
            return explored;
        }
    }
    explored
}

/// What happens in the undisturbed run of a seed.
pub fn undisturbed(seed: u64) -> Vec<String> {
    let case = generate::case(seed);
    let plans = case.flows.iter().map(|flow| admit(&yaml::text(flow))).collect::<Result<Vec<_>, _>>();
    match plans {
        Ok(plans) => {
            play(&Stage { case: Arc::new(case), plans, canary: None }, Trouble::default(), true).trace
        }
        Err(why) => vec![why],
    }
}

/// Reads a generated workflow as `submit` does.
fn admit(text: &str) -> Result<Arc<Plan>, String> {
    let (manifests, problems) = language::load("generated.yaml", text, None);
    let catalog = Catalog::default();
    let mut errors = language::errors(&problems);
    let Some(Manifest::Workflow(document)) = manifests.first() else {
        return Err(format!("not a workflow: {}", errors.join("; ")));
    };
    let workflow = &document.object;
    errors.extend(language::errors(&validate_workflow(workflow, None, Options::default(), &catalog)));
    if !errors.is_empty() {
        return Err(format!("a generated workflow is refused: {}", errors.join("; ")));
    }
    let resolved = resolve(workflow, &Submission::default(), &catalog)
        .map_err(|problems| format!("cannot be resolved: {}", language::errors(&problems).join("; ")))?;
    Plan::new(Arc::new(resolved)).map(Arc::new).map_err(|error| error.to_string())
}

fn differences(case: &Case, base: &Played, played: &Played) -> Vec<String> {
    let mut lines = Vec::new();
    for ((flow, one), other) in case.flows.iter().zip(&base.outcomes).zip(&played.outcomes) {
        lines.extend(one.differences(other).into_iter().map(|line| format!("{} {line}", flow.name)));
    }
    for (flow, node, attempt) in base.ledger.symmetric_difference(&played.ledger) {
        let where_ =
            if played.ledger.contains(&(flow.clone(), node.clone(), *attempt)) { "only" } else { "not" };
        lines.push(format!("{flow} {node} attempt {attempt} was started {where_} in the disturbed run"));
    }
    lines
}

fn compare_with_oracle(case: &Case, base: &Played, foretold: &mut (usize, usize)) -> Vec<String> {
    let mut lines = Vec::new();
    for (flow, outcome) in case.flows.iter().zip(&base.outcomes) {
        match foretell(case, flow) {
            Err(_) => foretold.1 += 1,
            Ok(told) => {
                foretold.0 += 1;
                let name = |line: String| format!("oracle: {} {line}", flow.name);
                lines.extend(judge(&told, outcome).into_iter().map(name));
                if let Some((created, ended)) = base.order.get(&flow.name) {
                    lines.extend(order(&told, created, ended).into_iter().map(name));
                }
            }
        }
    }
    lines.truncate(20);
    lines
}

/// What differs between an end and what was foretold.
fn judge(told: &Foretold, outcome: &Outcome) -> Vec<String> {
    let mut lines = Vec::new();
    if told.phase != outcome.phase {
        lines.push(format!("ends {} `{}`, foretold {}", outcome.phase, outcome.message, told.phase));
    }
    if told.unsure.is_empty() && told.outputs != outcome.outputs {
        lines.push(format!("global outputs {:?}, foretold {:?}", outcome.outputs, told.outputs));
    }
    for (name, node) in &told.nodes {
        let Some(ended) = outcome.nodes.get(name) else {
            lines.push(format!("node {name} does not exist, foretold {}", node.phase.text()));
            continue;
        };
        if ended.phase != node.phase.text() {
            lines.push(format!(
                "node {name} is {} `{}`, foretold {}",
                ended.phase,
                ended.message,
                node.phase.text()
            ));
            continue;
        }
        if ended.inputs != node.inputs {
            lines.push(format!("node {name} has inputs {:?}, foretold {:?}", ended.inputs, node.inputs));
        }
        if ended.phase != "Error" && ended.outputs != node.outs.parameters {
            lines.push(format!("node {name} has {:?}, foretold {:?}", ended.outputs, node.outs.parameters));
        }
        if ended.result.is_some() && ended.result != node.outs.result {
            lines.push(format!("node {name} gave {:?}, foretold {:?}", ended.result, node.outs.result));
        }
    }
    for (name, ended) in &outcome.nodes {
        if !told.nodes.contains_key(name) && !told.unsure.iter().any(|prefix| name.starts_with(prefix)) {
            lines.push(format!("node {name} ({}) was not foretold", ended.phase));
        }
    }
    lines
}

/// Nodes that were made before what they wait for had ended.
fn order(
    told: &Foretold,
    created: &std::collections::BTreeMap<String, usize>,
    ended: &std::collections::BTreeMap<String, usize>,
) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, node) in &told.nodes {
        for before in &node.after {
            let (Some(made), done) = (created.get(name), ended.get(before)) else { continue };
            if done.is_none_or(|done| done > made) {
                lines.push(format!("node {name} was made before {before} had ended"));
            }
        }
    }
    lines
}

/// The mishaps to try, and whether the end must be that of the undisturbed run.
fn troubles(case: &Case, commits: u64, most: usize) -> Vec<(Trouble, bool)> {
    let mut rng = Rng::new(case.seed, "troubles");
    let crashes = |commit| [(commit, Mishap::CrashBefore), (commit, Mishap::CrashAfter)];
    let mut points: Vec<(u64, Mishap)> = (1..=commits).flat_map(crashes).collect();
    let others = most / 3;
    let sampled = points.len() + others > most;
    if sampled {
        let mut chosen = BTreeSet::new();
        while chosen.len() < most.saturating_sub(others) && chosen.len() < points.len() {
            chosen.insert(rng.index(points.len()));
        }
        points = chosen.into_iter().map(|index| points[index]).collect();
    }
    let mut troubles = Vec::new();
    for (commit, mishap) in points {
        let down = if case.timed || rng.chance(400) { 0 } else { rng.below(20_000_000_000) };
        troubles.push((Trouble::one(commit, mishap).after(down), true));
    }
    for number in 0..others {
        let commit = rng.between(1, commits.max(1));
        let down = if case.timed { 0 } else { rng.below(5_000_000_000) };
        let trouble = match (rng.below(6) + number as u64) % 6 {
            0 => Trouble::one(commit, Mishap::ErrorBefore),
            1 => Trouble::one(commit, Mishap::ErrorAfter),
            2 => Trouble::one(commit, Mishap::Freeze),
            3 => Trouble::one(commit, Mishap::Reboot),
            _ => Trouble { chaos: Some((150, case.seed ^ number as u64)), ..Trouble::default() }.after(down),
        };
        // An engine that tries again after an error, or stands still, shifts times, and a reboot changes ends: then
        // only the laws can be asked.
        let reboots = trouble.at.values().any(|mishap| *mishap == Mishap::Reboot);
        let same = !reboots && (!case.timed || trouble.at.is_empty());
        troubles.push((trouble, same));
    }
    troubles
}
