//! `runner logs`: what steps wrote, while they run and afterwards.
//! Does not interpret it.

use jiff::SignedDuration;
use regex::Regex;
use runner_runners::{LogQuery, Stream};
use serde_json::json;

use crate::catalog::Loaded;
use crate::exit::{Code, Failure, Result};
use crate::logs::{Pump, Source, Tagged};
use crate::output::view::NodeView;
use crate::output::{Console, Format, text};
use crate::signals::Signals;
use crate::wire::Wire;

/// Flags of `logs`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Workflow: name, unique prefix, @latest, @-2, @failed
    name: String,
    /// Only this node: name, display name, template, pod or id; of a DAG or steps node, everything below it
    node: Option<String>,
    /// Wait for more until the workflow ends
    #[arg(short, long)]
    follow: bool,
    /// Only the last lines of each step
    #[arg(long, value_name = "N")]
    tail: Option<usize>,
    /// Only lines of the last time, e.g. 5m
    #[arg(long, value_name = "DURATION", value_parser = super::duration)]
    since: Option<SignedDuration>,
    /// Only lines that match a regular expression
    #[arg(long, value_name = "REGEX")]
    grep: Option<String>,
    /// Put the time before each line
    #[arg(long)]
    timestamps: bool,
    /// Only steps that failed
    #[arg(long)]
    failed: bool,
    /// Container of the step
    #[arg(short, long, value_name = "NAME")]
    container: Option<String>,
    /// An earlier attempt, from 0
    #[arg(long, value_name = "N")]
    attempt: Option<u32>,
    /// Do not put the pod's name before each line
    #[arg(long)]
    no_prefix: bool,
    /// Bytes as they are, control sequences included
    #[arg(long)]
    raw: bool,
}

pub(crate) const LONG: &str = "Examples:
  $ runner logs hello
  $ runner logs @latest --tail 20 --timestamps

Prints what the steps of a workflow wrote, in the order in which they started, each line after its pod's name. \
Control sequences that could take over a terminal are removed; colours stay when stdout is a terminal. With -o \
jsonl each line is a JSON object.";

/// Prints.
pub async fn run(args: &Args, wire: &Wire) -> Result {
    let grep = args.grep.as_deref().map(Regex::new).transpose();
    let grep = grep.map_err(|error| Failure::usage(format!("--grep: {error}")))?;
    let store = wire.existing_or_fail().await?;
    let name = wire.resolve(&store, &args.name).await?;
    let loaded = wire.load(&store, &name).await?;
    let since = args.since.map(|ago| wire.now().checked_sub(ago)).transpose();
    let query = LogQuery {
        container: args.container.clone(),
        follow: false,
        tail: args.tail,
        since: since.map_err(|_| Failure::usage("--since is too long ago"))?,
    };
    let printer = Printer { args, console: &wire.console, grep };
    if let Some(node) = &args.node
        && !loaded.view.nodes.values().any(|one| is_meant(node, one, &loaded))
        && (!args.follow || loaded.view.completed())
    {
        let known: Vec<&str> = loaded
            .view
            .nodes
            .values()
            .filter(|n| n.is_step())
            .map(|n| n.display_name.as_str())
            .take(20)
            .collect();
        return Err(Failure::not_found(format!("{name} has no node `{node}`"))
            .hint(format!("its steps: {}", known.join(", "))));
    }
    if args.follow && !loaded.view.completed() {
        return follow(args, wire, &store, &name, query, &printer).await;
    }
    let runner = wire.runner()?;
    let loaded = Loaded { attempts: wire.attempts(&store, &loaded.uid).await?, ..loaded };
    let mut nodes: Vec<&NodeView> =
        loaded.view.nodes.values().filter(|node| wanted(args, node, &loaded)).collect();
    nodes.sort_by_key(|node| (node.started, node.name.clone()));
    for node in nodes {
        let source = Source::new(&loaded, node, args.attempt);
        let Some(mut stream) = source.open(runner.as_ref(), &query).await else { continue };
        while let Some(line) = stream.next().await {
            let line = line.map_err(|error| Failure::new(Code::Failed, error.to_string()))?;
            printer.print(&Tagged::new(&source, line))?;
        }
    }
    Ok(Code::Ok)
}

fn wanted(args: &Args, node: &NodeView, loaded: &Loaded) -> bool {
    node.is_step()
        && (!args.failed || node.bad())
        && args.node.as_ref().is_none_or(|meant| is_meant(meant, node, loaded))
}

/// The node itself, or a node below the one that is meant.
fn is_meant(meant: &str, node: &NodeView, loaded: &Loaded) -> bool {
    let fits = |one: &NodeView| {
        [&one.id, &one.name, &one.display_name, &one.template, &one.pod].into_iter().any(|text| text == meant)
    };
    let below = |one: &NodeView| {
        fits(one) && node.name.strip_prefix(&one.name).is_some_and(|rest| rest.starts_with(['.', '[', '(']))
    };
    fits(node) || loaded.view.nodes.values().any(below)
}

async fn follow(
    args: &Args,
    wire: &Wire,
    store: &std::sync::Arc<dyn runner_store::Store>,
    name: &str,
    query: LogQuery,
    printer: &Printer<'_>,
) -> Result {
    let mut signals = Signals::listen()?;
    let mut watcher = wire.watcher(store, name).await?;
    let mut pump = Pump::new(wire.runner()?, query, false);
    loop {
        let loaded = watcher.look();
        pump.follow_some(&loaded, &|node| wanted(args, node, &loaded));
        for line in pump.drain() {
            printer.print(&line)?;
        }
        if loaded.view.completed() {
            for line in pump.finish().await {
                printer.print(&line)?;
            }
            return Ok(Code::Ok);
        }
        tokio::select! {
            biased;
            code = signals.first() => return Ok(code),
            answer = watcher.changed() => answer?,
            () = tokio::time::sleep(std::time::Duration::from_millis(100)) => {}
        }
    }
}

struct Printer<'a> {
    args: &'a Args,
    console: &'a Console,
    grep: Option<Regex>,
}

impl Printer<'_> {
    fn print(&self, line: &Tagged) -> Result<()> {
        if self.grep.as_ref().is_some_and(|grep| !grep.is_match(&line.text)) {
            return Ok(());
        }
        if matches!(self.console.format, Some(Format::Json | Format::Jsonl | Format::Yaml)) {
            let stream = match line.stream {
                Stream::Stdout => "stdout",
                Stream::Stderr => "stderr",
                Stream::Supervisor => "supervisor",
            };
            let value = json!({"at": line.at.to_string(), "pod": line.label, "nodeId": line.node_id,
                "stream": stream, "text": line.text});
            return self.console.line(&value);
        }
        let text =
            if self.args.raw { line.text.clone() } else { text::clean(&line.text, self.console.out.on) };
        let at = if self.args.timestamps { format!("{:.3} ", line.at) } else { String::new() };
        let prefix = if self.args.no_prefix { String::new() } else { format!("{}: ", line.label) };
        self.console.data(&format!("{prefix}{at}{text}"))
    }
}
