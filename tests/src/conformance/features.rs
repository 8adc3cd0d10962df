//! The table of features: every field of Argo's API, what it does here, and the cases that use it.
//! Runs nothing: outcomes come from a report, answers about fields from `probe`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use runner_workflows::parse::{Limits, parse_trees};
use serde_json::Value;

use super::fields::{Field, Schema};
use super::index::{CORPORA, Case, Index};
use super::outcome::Outcome;
use super::probe::{Answer, ask};
use super::report::Report;

/// A part of the page: title, type, kind of manifest, where in it the type is found.
struct Part {
    title: &'static str,
    name: &'static str,
    kind: &'static str,
    path: &'static [&'static str],
}

const fn part(title: &'static str, name: &'static str, path: &'static [&'static str]) -> Part {
    Part { title, name, kind: "Workflow", path }
}

const TEMPLATE: [&str; 3] = ["spec", "templates", "*"];

/// The path below a template.
macro_rules! template {
    ($($key:literal),*) => { &["spec", "templates", "*", $($key),*] };
}

const PARTS: [Part; 37] = [
    part("Workflow", "WorkflowSpec", &["spec"]),
    part("Templates", "Template", &TEMPLATE),
    part("Steps", "WorkflowStep", template!("steps", "*", "*")),
    part("DAG", "DAGTemplate", template!("dag")),
    part("DAG tasks", "DAGTask", template!("dag", "tasks", "*")),
    part("Loops: withSequence", "Sequence", template!("dag", "tasks", "*", "withSequence")),
    part("Continue on", "ContinueOn", template!("dag", "tasks", "*", "continueOn")),
    part("Container", "Container", template!("container")),
    part("Script", "ScriptTemplate", template!("script")),
    part("Container sets", "ContainerSetTemplate", template!("containerSet")),
    part("Container sets: containers", "ContainerNode", template!("containerSet", "containers", "*")),
    part("Side cars, init containers", "UserContainer", template!("sidecars", "*")),
    part("Resource", "ResourceTemplate", template!("resource")),
    part("HTTP", "HTTP", template!("http")),
    part("Data", "Data", template!("data")),
    part("Suspend", "SuspendTemplate", template!("suspend")),
    part("Arguments", "Arguments", &["spec", "arguments"]),
    part("Inputs", "Inputs", template!("inputs")),
    part("Outputs", "Outputs", template!("outputs")),
    part("Parameters", "Parameter", template!("inputs", "parameters", "*")),
    part("Parameters: valueFrom", "ValueFrom", template!("inputs", "parameters", "*", "valueFrom")),
    part("Artifacts", "Artifact", template!("outputs", "artifacts", "*")),
    part("Artifacts: garbage collection", "ArtifactGC", template!("outputs", "artifacts", "*", "artifactGC")),
    part("Artifacts: archives", "ArchiveStrategy", template!("outputs", "artifacts", "*", "archive")),
    part("Artifacts: repository", "ArtifactRepositoryRef", &["spec", "artifactRepositoryRef"]),
    part("Retries", "RetryStrategy", template!("retryStrategy")),
    part("Retries: backoff", "Backoff", template!("retryStrategy", "backoff")),
    part("Locks", "Synchronization", template!("synchronization")),
    part("Locks: semaphores", "SemaphoreRef", template!("synchronization", "semaphores", "*")),
    part("Locks: mutexes", "Mutex", template!("synchronization", "mutexes", "*")),
    part("Memoization", "Memoize", template!("memoize")),
    part("Hooks", "LifecycleHook", &["spec", "hooks", "?"]),
    part("Metrics", "Prometheus", template!("metrics", "prometheus", "*")),
    part("Time to live", "TTLStrategy", &["spec", "ttlStrategy"]),
    part("Metadata of runs", "WorkflowMetadata", &["spec", "workflowMetadata"]),
    Part { title: "CronWorkflows", name: "CronWorkflowSpec", kind: "CronWorkflow", path: &["spec"] },
    Part {
        title: "CronWorkflows: stopStrategy",
        name: "StopStrategy",
        kind: "CronWorkflow",
        path: &["spec", "stopStrategy"],
    },
];

/// Cases that use a field and pass, and cases that use it and fail, by where they are.
#[derive(Clone, Copy, Debug, Default)]
struct Uses {
    lint: u32,
    engine: u32,
    run: u32,
    linted: u32,
    failed: u32,
}

/// Writes the table.
///
/// # Errors
/// A corpus that cannot be read.
pub fn table(report: &Report, schema: &Schema, dir: &Path) -> Result<String, String> {
    let uses = count(report, schema, dir)?;
    let mut out = String::new();
    for part in &PARTS {
        line(&mut out, &format!("\n### {}\n", part.title));
        line(&mut out, "| field | here | lint | engine | run | linted | failed |");
        line(&mut out, "|---|---|---:|---:|---:|---:|---:|");
        let mut fields = schema.fields(part.name);
        fields.sort_by_key(|(name, _)| *name);
        for (field, property) in fields {
            let used = uses.get(&(part.name.to_owned(), field.to_owned())).copied().unwrap_or_default();
            let here = match ask(part.kind, part.path, field, property) {
                Answer::Read if used.engine + used.run > 0 => "supported".to_owned(),
                Answer::Read => "read".to_owned(),
                Answer::NoEffect(why) => format!("no effect: {why}"),
                Answer::Unknown => "**not known**".to_owned(),
            };
            let cell = |count: u32| if count == 0 { String::new() } else { count.to_string() };
            let Uses { lint, engine, run, linted, failed } = used;
            let cells = [lint, engine, run, linted, failed].map(cell).join(" | ");
            line(&mut out, &format!("| `{field}` | {here} | {cells} |"));
        }
    }
    Ok(out)
}

/// Counts cases by the fields that their manifests use.
fn count(report: &Report, schema: &Schema, dir: &Path) -> Result<BTreeMap<Field, Uses>, String> {
    let mut uses: BTreeMap<Field, Uses> = BTreeMap::new();
    for corpus in CORPORA {
        let Some(index) = Index::load(dir, corpus)? else { continue };
        for result in report.results.iter().filter(|result| result.corpus == corpus) {
            let Some(case) = index.cases.iter().find(|case| case.id == result.id) else { continue };
            for field in used(&index, case, schema) {
                let entry = uses.entry(field).or_default();
                match &result.outcome {
                    Outcome::Failed(_) => entry.failed += 1,
                    Outcome::Skipped(_) => {}
                    Outcome::Passed => match (corpus, result.class.as_str()) {
                        ("workflows/lint", _) => entry.lint += 1,
                        ("workflows/controller", _) => entry.engine += 1,
                        (_, "local" | "cli") => entry.run += 1,
                        _ => entry.linted += 1,
                    },
                }
            }
        }
    }
    Ok(uses)
}

/// The fields that the manifests of a case use.
fn used(index: &Index, case: &Case, schema: &Schema) -> BTreeSet<Field> {
    let mut files = BTreeSet::new();
    named(&case.body, &mut files);
    let mut out = BTreeSet::new();
    for file in files {
        let Ok(text) = index.read(&file) else { continue };
        let (roots, _) = parse_trees(&file, &text, Limits::default());
        for origin in &roots {
            let said = origin.root().get("kind").and_then(|kind| kind.text()).unwrap_or_default();
            let assumed = if origin.root().get("spec").is_some_and(|spec| spec.get("workflowSpec").is_some())
            {
                "CronWorkflow"
            } else {
                "Workflow"
            };
            schema.used(if said.is_empty() { assumed } else { said }, origin.root(), &mut out);
        }
    }
    out
}

/// Texts of a case that name manifests.
fn named(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::String(text)
            if text.contains('/') && [".yaml", ".yml", ".json"].iter().any(|end| text.ends_with(end)) =>
        {
            into.insert(text.clone());
        }
        Value::Array(list) => list.iter().for_each(|value| named(value, into)),
        Value::Object(map) => map.values().for_each(|value| named(value, into)),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn line(out: &mut String, text: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{text}");
}
