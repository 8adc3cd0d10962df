//! `runner submit`: checks, records and runs workflows.
//! Does not decide what runs: the engine does.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::SignedDuration;
use runner_controller::{EXECUTOR, Executor, Ids, Leave, SubmitRequest, SystemIds};
use runner_events::cron::SCHEDULED_TIME;
use runner_store::Store;
use runner_workflows::resolve::{ResolvedWorkflow, Submission};

use super::apply::Validate;
use crate::exit::{Code, Failure, Result};
use crate::follow::{Style, Until};
use crate::output::{Console, Format};
use crate::prepare::{self, Checks, Prepared};
use crate::run::{self, Running};
use crate::signals::Signals;
use crate::wire::{Engine, Wire};

/// Flags of `submit`.
#[derive(Debug, Default, clap::Args)]
pub struct Args {
    /// Workflow files, or - for stdin
    #[arg(value_name = "FILE", required_unless_present = "from", conflicts_with = "from")]
    pub files: Vec<PathBuf>,
    /// Start from a stored template: wftmpl/NAME, cwft/NAME or cronwf/NAME
    #[arg(long, value_name = "KIND/NAME")]
    pub from: Option<String>,
    /// Set a parameter
    #[arg(short, long = "parameter", value_name = "NAME=VALUE", value_parser = super::pair)]
    pub parameters: Vec<(String, String)>,
    /// Set parameters from a YAML or JSON file
    #[arg(short = 'f', long, value_name = "FILE")]
    pub parameter_file: Option<PathBuf>,
    /// Start with this template
    #[arg(long, value_name = "TEMPLATE")]
    pub entrypoint: Option<String>,
    /// Name of the run
    #[arg(long, value_name = "NAME", conflicts_with = "generate_name")]
    pub name: Option<String>,
    /// Beginning of the name of the run
    #[arg(long, value_name = "PREFIX")]
    pub generate_name: Option<String>,
    /// Set labels
    #[arg(short = 'l', long = "labels", value_name = "KEY=VALUE")]
    pub labels: Vec<String>,
    /// Set the priority
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub priority: Option<i32>,
    /// Set the service account
    #[arg(long = "serviceaccount", value_name = "NAME")]
    pub service_account: Option<String>,
    /// Show no progress; print a line when it has ended
    #[arg(short, long)]
    pub wait: bool,
    /// Show the tree even where lines would be shown
    #[arg(long, conflicts_with_all = ["wait", "log"])]
    pub watch: bool,
    /// Show what steps write instead of the tree
    #[arg(long, conflicts_with = "wait")]
    pub log: bool,
    /// Record it and leave; a background process runs it
    #[arg(short, long, conflicts_with_all = ["wait", "watch", "log", "timeout", "exit_code_from", "no_suspend"])]
    pub detach: bool,
    /// Leave with exit code 124 after this time; the run can be resumed
    #[arg(long, value_name = "DURATION", value_parser = super::duration)]
    pub timeout: Option<SignedDuration>,
    /// Leave with exit code 5 when it waits for a person
    #[arg(long)]
    pub no_suspend: bool,
    /// End with the exit code of this step
    #[arg(long, value_name = "NODE")]
    pub exit_code_from: Option<String>,
    /// Check and print what would run; store and run nothing
    #[arg(long)]
    pub dry_run: bool,
    /// The same key never makes a second run
    #[arg(long, value_name = "KEY")]
    pub idempotency_key: Option<String>,
    /// The same, with the name and id that a run would get
    #[arg(long, conflicts_with = "dry_run")]
    pub server_dry_run: bool,
    /// The time that the run stands for, as if a schedule had started it (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = time_text)]
    pub scheduled_time: Option<String>,
    /// What steps run as: process, container or kubernetes [default: process, or the configured one]
    #[arg(long, value_name = "EXECUTOR", value_parser = super::executor)]
    pub executor: Option<Executor>,
    /// Steps start in the current directory and may write to it
    #[arg(long)]
    pub share_cwd: bool,
    /// Unknown fields are errors
    #[arg(long)]
    pub strict: bool,
    /// Whether what is not valid is refused
    #[command(flatten)]
    pub validate: Validate,
}

pub(crate) const LONG: &str = "Examples:
  $ runner submit hello.yaml
  $ runner submit hello.yaml -p message=hi -o name

Checks the files, records the workflows and runs them in this process until they end, with the tree of their nodes \
on a terminal and one line per event elsewhere. Templates and ConfigMaps in the same files are stored first. A \
workflow that is not valid is refused; with --validate=false it is recorded, and fails at once with the reason.

Ctrl-C stops scheduling and leaves with exit code 130; steps that run go on, and `runner resume NAME` continues. \
A second Ctrl-C leaves at once. With -d a background process of this program runs everything in the store that is \
open, and ends when nothing is left to do.

On stdout: with -o name the name, as soon as it is known; with -o json or yaml the workflow at its end; with -o \
jsonl every event; otherwise, unless stdout is a terminal, what `runner get` prints.";

/// Submits.
pub async fn run(args: &Args, wire: &Wire) -> Result {
    if args.idempotency_key.as_ref().is_some_and(String::is_empty) {
        return Err(Failure::usage("--idempotency-key is empty"));
    }
    run::logs_alone(&wire.console, args.log)?;
    let submission = submission(args)?;
    let prepared = match &args.from {
        Some(from) => prepare::from_stored(wire, from, &submission, args.validate).await?,
        None => {
            let how =
                Checks { strict: args.strict, validate: args.validate, executor: executor(args, wire)? };
            prepare::from_files(wire, &args.files, &submission, how).await?
        }
    };
    let wire = &wire.within(&prepared.namespace);
    if args.name.is_some() && prepared.workflows.len() > 1 {
        return Err(Failure::usage(format!(
            "--name fits one workflow; {} are given",
            prepared.workflows.len()
        )));
    }
    if args.dry_run || args.server_dry_run {
        return dry_run(wire, prepared, args.server_dry_run);
    }
    wire.can_run_on(executor(args, wire)?)?;
    let mut signals = Signals::listen()?;
    let share_cwd = if args.share_cwd { Some(working_directory()?) } else { None };
    let store = wire.store().await?;
    prepare::store_manifests(wire, &store, &prepared).await?;
    let engine = wire.engine(&store)?;
    let runs = match submit_all(args, &engine, prepared.workflows, share_cwd).await {
        Ok(runs) => runs,
        Err(failure) => {
            engine.shutdown(Leave::Park).await;
            return Err(failure);
        }
    };
    // a reader of stdout that is gone is no reason to end what was just started
    let _gone = runs.iter().try_for_each(|running| announce(wire, running, args.executor));
    if args.detach {
        engine.shutdown(Leave::HandOver).await;
        return super::engine::in_background(wire, &runs);
    }
    let follow = run::Follow {
        style: style(args, &wire.console),
        until: Until { timeout: args.timeout, no_suspend: args.no_suspend, keep_on: true },
        exit_code_from: args.exit_code_from.clone(),
        closing: args.wait,
    };
    continue_existing(wire, &store, &engine, &runs).await?;
    run::to_the_end(wire, engine, &runs, &follow, &mut signals).await
}

/// What steps will run as.
fn executor(args: &Args, wire: &Wire) -> Result<Executor> {
    args.executor.map_or_else(|| wire.executor(), Ok)
}

async fn submit_all(
    args: &Args,
    engine: &Engine,
    workflows: Vec<ResolvedWorkflow>,
    share_cwd: Option<PathBuf>,
) -> Result<Vec<Running>> {
    let several = workflows.len() > 1;
    let mut runs = Vec::new();
    for (at, mut resolved) in workflows.into_iter().enumerate() {
        if let Some(executor) = args.executor {
            // Recorded with the run: whoever continues it finds its steps where they are.
            resolved.metadata.annotations.insert(EXECUTOR.to_owned(), executor.name().to_owned());
        }
        let key = args.idempotency_key.as_ref();
        let request = SubmitRequest {
            name: args.name.clone(),
            generate_name: args.generate_name.clone(),
            resolved,
            idempotency_key: key.map(|key| if several { format!("{key}/{at}") } else { key.clone() }),
            share_cwd: share_cwd.clone(),
            detached: args.detach,
            ..SubmitRequest::default()
        };
        let submitted = engine.submit(request).await.map_err(|failure| also(failure, &runs))?;
        runs.push(submitted);
    }
    Ok(runs)
}

/// Names what was recorded before something went wrong.
fn also(failure: Failure, runs: &[Running]) -> Failure {
    if runs.is_empty() {
        return failure;
    }
    let names: Vec<&str> = runs.iter().map(|running| running.name.as_str()).collect();
    failure.hint(format!("submitted before that, and to be continued: runner resume {}", names.join(" ")))
}

/// What was submitted before under the same key may have been interrupted since: then it goes on here.
async fn continue_existing(
    wire: &Wire,
    store: &Arc<dyn Store>,
    engine: &Engine,
    runs: &[Running],
) -> Result<()> {
    for running in runs.iter().filter(|running| running.existing) {
        let loaded = wire.load(store, &running.name).await?;
        if loaded.interrupted {
            engine.adopt(&loaded).await?;
        }
    }
    Ok(())
}

/// A time as RFC 3339 has it; kept as it is written, as Argo keeps it.
fn time_text(text: &str) -> std::result::Result<String, String> {
    match text.parse::<jiff::Timestamp>() {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("write it like 2006-01-02T15:04:05-07:00".to_owned()),
    }
}

fn working_directory() -> Result<PathBuf> {
    std::env::current_dir()
        .map_err(|error| Failure::usage(format!("--share-cwd: the current directory: {error}")))
}

fn submission(args: &Args) -> Result<Submission> {
    let mut parameters = match &args.parameter_file {
        Some(path) => super::parameter_file(path)?,
        None => Vec::new(),
    };
    parameters.extend(args.parameters.iter().cloned());
    let annotations = args.scheduled_time.iter().map(|at| (SCHEDULED_TIME.to_owned(), at.clone()));
    Ok(Submission {
        parameters,
        annotations: annotations.collect(),
        entrypoint: args.entrypoint.clone(),
        name: args.name.clone(),
        generate_name: args.generate_name.clone(),
        labels: super::labels(&args.labels)?,
        priority: args.priority,
        service_account: args.service_account.clone(),
    })
}

fn style(args: &Args, console: &Console) -> Style {
    if args.log {
        return Style::Logs;
    }
    if args.wait {
        return Style::Silent;
    }
    run::style(console, args.watch)
}

fn announce(wire: &Wire, running: &Running, executor: Option<Executor>) -> Result<()> {
    let console = &wire.console;
    match console.format {
        Some(Format::Name) => console.data(&running.name)?,
        Some(Format::Table | Format::Wide | Format::Json | Format::Jsonl | Format::Yaml) | None => {
            let word = if running.existing { "already submitted" } else { "submitted" };
            let executor = executor.map_or_else(|| wire.executor(), Ok)?.name();
            let (name, store) = (&running.name, &wire.place.shown);
            console.say(&format!("{word} {name}   executor: {executor} · store: {store}"));
        }
    }
    Ok(())
}

/// What the cluster would answer to a dry run: name, id and time are made up like those of a run, and forgotten.
fn as_served(wire: &Wire, workflow: &mut ResolvedWorkflow) {
    let metadata = &mut workflow.metadata;
    if metadata.name.is_empty() {
        metadata.name = format!("{}{}", metadata.generate_name, SystemIds.suffix());
    }
    metadata.uid = SystemIds.uid(wire.now());
    metadata.creation_timestamp = Some(crate::output::time::whole(wire.now()));
    metadata.namespace.clone_from(&wire.namespace);
}

fn dry_run(wire: &Wire, mut prepared: Prepared, served: bool) -> Result {
    let console = &wire.console;
    if served {
        prepared.workflows.iter_mut().for_each(|workflow| as_served(wire, workflow));
    }
    let documents: Vec<serde_json::Value> = prepared.workflows.iter().map(prepare::manifest).collect();
    match console.format() {
        Format::Name => {
            let name = |w: &ResolvedWorkflow| {
                if w.metadata.name.is_empty() {
                    w.metadata.generate_name.clone()
                } else {
                    w.metadata.name.clone()
                }
            };
            console.lines(prepared.workflows.iter().map(name))?;
        }
        Format::Json | Format::Jsonl | Format::Yaml => match documents.as_slice() {
            [one] => console.document(one)?,
            several => console.documents(several)?,
        },
        Format::Table | Format::Wide => {
            let yaml = Console { format: Some(Format::Yaml), ..console.clone() };
            for (at, document) in documents.iter().enumerate() {
                if at > 0 {
                    console.data("---")?;
                }
                yaml.document(document)?;
            }
        }
    }
    console.hint("dry run: nothing was stored or run");
    Ok(Code::Ok)
}
