//! `runner lint`: checks manifests, always offline.
//! Does not open a store and does not run anything.

use std::collections::BTreeMap;
use std::path::PathBuf;

use runner_controller::Executor;
use runner_workflows::diagnostic::{Diagnostic, Severity};
use runner_workflows::needs::{Need, NeedKind};
use runner_workflows::parse::Manifest;
use runner_workflows::resolve::Catalog;
use serde_json::{Value, json};

use crate::exit::{Code, Failure, Result};
use crate::manifests::Loaded;
use crate::output::diagnostics::{LintFormat, Report, pretty, summary};
use crate::output::{Console, Format};

/// Flags of `lint`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Files, directories, or - for stdin
    #[arg(required = true, value_name = "FILE|DIR")]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) strict: Strict,
    /// Only check these kinds, e.g. Workflow,CronWorkflow or wf,cronwf
    #[arg(long, value_delimiter = ',', value_name = "KIND")]
    pub(crate) kinds: Vec<String>,
    /// Note fields that have no effect with this executor: process, container or kubernetes
    #[arg(long, value_name = "EXECUTOR", default_value = "process", value_parser = super::executor)]
    executor: Executor,
    /// Form of the report
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: LintFormat,
    /// Accepted for compatibility: lint is always offline
    #[arg(long, hide = true)]
    offline: bool,
}

/// How much is an error. Argo's lint takes no unknown field unless it is told to.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Strict {
    /// Unknown fields are errors; with --strict numbers in place of texts too, with --strict=false neither
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    strict: Option<bool>,
}

impl Strict {
    /// All that Kubernetes would refuse is an error.
    fn all(self) -> bool {
        self.strict == Some(true)
    }

    /// Unknown fields of workflows become errors, if they are to be.
    fn deny(self, problems: &mut [Diagnostic]) {
        let unknown = problems.iter_mut().filter(|problem| problem.code == "unknown-field");
        if self.strict != Some(false) {
            unknown.for_each(|problem| problem.severity = Severity::Error);
        }
    }
}

impl Args {
    /// The flags of a command that checks one kind.
    pub(crate) fn of(files: &[PathBuf], strict: Strict, kind: &str) -> Self {
        Self {
            files: files.to_vec(),
            strict,
            kinds: vec![kind.to_owned()],
            executor: Executor::default(),
            format: LintFormat::default(),
            offline: true,
        }
    }
}

pub(crate) const LONG: &str = "Examples:
  $ runner lint hello.yaml
  $ runner lint workflows --format json

Checks manifests without running anything, without a store, without a network. Templates found in the given files \
are known to all of them. Every problem is reported with file, line and column. Exit code 3 when anything is wrong. A \
field that changes nothing when steps run as processes is noted with the reason.";

/// Checks.
pub fn run(args: &Args, console: &Console) -> Result {
    let mut loaded = Loaded::read(&args.files, args.strict.all())?;
    args.strict.deny(&mut loaded.diagnostics);
    let mut catalog = Catalog::default();
    for manifest in &loaded.manifests {
        catalog.add(manifest);
    }
    let mut report = Report { files: loaded.files, diagnostics: loaded.diagnostics, needs: Vec::new() };
    let mut checked = 0;
    for manifest in loaded.manifests.iter().filter(|m| wanted(args, m)) {
        checked += 1;
        report.diagnostics.extend(crate::check::lint(manifest, &catalog, args.strict.all()));
        report.diagnostics.extend(crate::check::notes(manifest, args.executor));
    }
    if checked == 0 && !report.has_errors() {
        return Err(Failure::new(Code::Invalid, "found nothing to lint in the specified paths"));
    }
    let needed = needs(loaded.manifests.iter().filter(|m| wanted(args, m)));
    report.needs = needed;
    print(args, console, &report)?;
    Ok(if report.has_errors() { Code::Invalid } else { Code::Ok })
}

fn wanted(args: &Args, manifest: &Manifest) -> bool {
    let mine = !matches!(manifest, Manifest::ConfigMap(_) | Manifest::Secret(_) | Manifest::Other(_));
    let kind = |kind: &String| {
        let kind = long_kind(kind);
        kind.eq_ignore_ascii_case(manifest.kind())
            || kind.eq_ignore_ascii_case(&format!("{}s", manifest.kind()))
    };
    if args.kinds.is_empty() { mine } else { args.kinds.iter().any(kind) }
}

/// Argo's short names of kinds.
fn long_kind(kind: &str) -> &str {
    match kind {
        "wf" => "Workflow",
        "wftmpl" => "WorkflowTemplate",
        "cwft" | "clusterwf" => "ClusterWorkflowTemplate",
        "cronwf" | "cwf" => "CronWorkflow",
        other => other,
    }
}

/// The Secrets and ConfigMaps that the manifests refer to, as `kind`, `name` and `keys`.
fn needs<'m>(manifests: impl Iterator<Item = &'m Manifest>) -> Vec<Value> {
    let mut all: BTreeMap<(NeedKind, String), Need> = BTreeMap::new();
    for manifest in manifests {
        let json = match manifest {
            Manifest::Workflow(doc) => serde_json::to_value(&doc.object),
            Manifest::WorkflowTemplate(doc) | Manifest::ClusterWorkflowTemplate(doc) => {
                serde_json::to_value(&doc.object)
            }
            Manifest::CronWorkflow(doc) => serde_json::to_value(&doc.object),
            Manifest::ConfigMap(_) | Manifest::Secret(_) | Manifest::Other(_) => continue,
        };
        for (key, need) in runner_workflows::needs::of(&json.unwrap_or_default()) {
            let known = all.entry(key).or_default();
            known.keys.extend(need.keys);
            known.required |= need.required;
        }
    }
    all.into_iter()
        .map(|((kind, name), need)| {
            json!({"kind": kind.as_str(), "name": name, "keys": need.keys, "required": need.required})
        })
        .collect()
}

/// The same as one line.
fn needs_line(needs: &[Value]) -> Option<String> {
    let one = |need: &Value| {
        let keys: Vec<&str> =
            need["keys"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let text = |key: &str| need[key].as_str().unwrap_or_default().to_owned();
        let keys = if keys.is_empty() { String::new() } else { format!(" ({})", keys.join(", ")) };
        let optional = if need["required"] == false { ", optional" } else { "" };
        format!("{} {}{keys}{optional}", text("kind"), text("name"))
    };
    let shown: Vec<String> = needs.iter().map(one).collect();
    (!shown.is_empty()).then(|| format!("needs: {}", shown.join("; ")))
}

fn print(args: &Args, console: &Console, report: &Report) -> Result<()> {
    let format = match (args.format, console.format) {
        (LintFormat::Pretty, Some(Format::Json | Format::Jsonl | Format::Yaml)) => LintFormat::Json,
        (format, _) => format,
    };
    match format {
        LintFormat::Json => console.document(&report.json()),
        LintFormat::Github => console.lines(report.github()),
        LintFormat::Junit => console.lines(report.junit()),
        LintFormat::Pretty => {
            for diagnostic in report.diagnostics.iter().filter(|d| !console.quiet || d.is_error()) {
                console.lines(pretty(diagnostic, console.out))?;
            }
            if let Some(line) = needs_line(&report.needs) {
                console.hint(&line);
            }
            let files = match report.files.len() {
                1 => "1 file".to_owned(),
                n => format!("{n} files"),
            };
            let found = summary(&report.diagnostics);
            match (report.has_errors(), found.as_str()) {
                (true, found) => {
                    let errors = report.diagnostics.iter().filter(|problem| problem.is_error()).count();
                    console.data(&format!("✖ {errors} linting errors found! ({found} in {files})"))
                }
                (false, "") => console.data(&format!("✔ no linting errors found! ({files})")),
                (false, found) => console.data(&format!("✔ no linting errors found! ({found} in {files})")),
            }
        }
    }
}
