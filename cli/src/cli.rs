//! The command line as clap sees it: global options and the list of commands.
//! Does not run anything; each command's own flags stand in its file.

use std::path::PathBuf;

use clap::builder::PossibleValue;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::commands;
use crate::commands::graph::Form;
use crate::output::Format;

/// Durable runs of Argo Workflows, in one binary.
#[derive(Debug, Parser)]
#[command(name = "runner", bin_name = "runner", version, about, long_about = LONG, after_help = crate::exit::HELP)]
#[command(propagate_version = false, subcommand_required = true, arg_required_else_help = true)]
#[command(infer_subcommands = false, disable_help_subcommand = false, max_term_width = 110)]
pub struct Cli {
    /// Options of all commands.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const LONG: &str = "Examples:
  $ runner demo
  $ runner submit hello.yaml

runner runs Argo Workflows files unchanged, without a cluster: every step is a local process, every step is \
checkpointed to a database, and a run that was killed goes on with `runner resume`.

Names: a workflow is named by its full name, a unique prefix, @latest, @-2 (the one before the last), @failed. \
Data is written to stdout, everything else to stderr. \
Environment: RUNNER_STORE, RUNNER_NAMESPACE, RUNNER_LOG, RUNNER_SECRETS, RUNNER_SECRET_<NAME>_<KEY>, NO_COLOR, FORCE_COLOR. Configuration: ./runner.yaml, \
then $XDG_CONFIG_HOME/runner/config.yaml.";

/// Options of all commands.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Namespace [default: default]
    #[arg(short, long, global = true, env = "RUNNER_NAMESPACE", hide_env_values = true, value_name = "NAME")]
    pub namespace: Option<String>,
    /// Path of the store [default: ./.runner/runner.db]
    #[arg(long, global = true, env = "RUNNER_STORE", hide_env_values = true, value_name = "PATH")]
    pub store: Option<String>,
    /// Secrets: a directory NAME/KEY, or a file of Secrets and ConfigMaps
    #[arg(long, global = true, env = "RUNNER_SECRETS", hide_env_values = true, value_name = "DIR|FILE")]
    pub secrets: Option<PathBuf>,
    /// Kubeconfig of the cluster for steps as pods [default: KUBECONFIG, ~/.kube/config, or the cluster we are in]
    #[arg(long, global = true, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig [default: its current one]
    #[arg(long, global = true, value_name = "NAME")]
    pub context: Option<String>,
    /// Form of the output
    #[arg(short, long, global = true, value_enum, value_name = "FORMAT")]
    pub output: Option<Output>,
    /// What to print of JSON output, as a jq filter; texts come without quotes
    #[arg(long, global = true, value_name = "FILTER")]
    pub jq: Option<String>,
    /// No colours
    #[arg(long, global = true)]
    pub no_color: bool,
    /// No headings in tables
    #[arg(long, global = true)]
    pub no_headers: bool,
    /// Say less on stderr
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Say more on stderr; twice for still more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// The same in the words of Argo's command line: debug is -v, trace -vv
    #[arg(long, global = true, value_name = "LEVEL", hide = true)]
    #[arg(value_parser = ["trace", "debug", "info", "warn", "error"])]
    pub loglevel: Option<String>,
    /// Work as if started in that directory
    #[arg(short = 'C', long = "directory", global = true, value_name = "DIR")]
    pub directory: Option<PathBuf>,
}

/// What `-o` takes: a form of lists and documents, or a form of pictures, which `graph` alone draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Lists and documents.
    List(Format),
    /// Pictures.
    Picture(Form),
}

impl ValueEnum for Output {
    fn value_variants<'a>() -> &'a [Self] {
        const ALL: [Output; 10] = [
            Output::List(Format::Table),
            Output::List(Format::Wide),
            Output::List(Format::Name),
            Output::List(Format::Json),
            Output::List(Format::Jsonl),
            Output::List(Format::Yaml),
            Output::Picture(Form::Tree),
            Output::Picture(Form::Mermaid),
            Output::Picture(Form::Dot),
            Output::Picture(Form::Svg),
        ];
        &ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        match self {
            Self::List(format) => format.to_possible_value(),
            Self::Picture(form) => form.to_possible_value().map(|value| value.hide(true)),
        }
    }
}

impl Global {
    /// How much is said on stderr: 0, 1 or more.
    pub fn verbosity(&self) -> u8 {
        let asked = match self.loglevel.as_deref() {
            Some("debug") => 1,
            Some("trace") => 2,
            Some(_) | None => 0,
        };
        self.verbose.max(asked)
    }

    /// The form of lists and documents.
    pub fn format(&self) -> Option<Format> {
        match self.output {
            Some(Output::List(format)) => Some(format),
            Some(Output::Picture(_)) | None => None,
        }
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run workflows
    #[command(long_about = commands::submit::LONG)]
    Submit(Box<commands::submit::Args>),
    /// List workflows
    #[command(visible_alias = "ls")]
    #[command(long_about = commands::list::LONG)]
    List(commands::list::Args),
    /// Show a workflow
    #[command(long_about = commands::get::LONG)]
    Get(commands::get::Args),
    /// Follow a workflow until it ends
    #[command(long_about = commands::watch::LONG)]
    Watch(commands::watch::Args),
    /// Wait until workflows end
    #[command(long_about = commands::wait::LONG)]
    Wait(commands::wait::Args),
    /// Show what steps wrote
    #[command(long_about = commands::logs::LONG)]
    Logs(commands::logs::Args),
    /// Continue what was interrupted, approve what waits
    #[command(long_about = commands::resume::LONG)]
    Resume(commands::resume::Args),
    /// Start no new steps until resumed
    #[command(long_about = commands::control::SUSPEND)]
    Suspend(commands::control::SuspendArgs),
    /// End workflows; exit handlers still run
    #[command(long_about = commands::control::STOP)]
    Stop(commands::control::StopArgs),
    /// End workflows now, without exit handlers
    #[command(long_about = commands::control::TERMINATE)]
    Terminate(commands::control::TerminateArgs),
    /// Run the failed steps of a workflow again
    #[command(long_about = commands::retry::LONG)]
    Retry(commands::retry::Args),
    /// Run a workflow again from the start, as a new one
    #[command(long_about = commands::resubmit::LONG)]
    Resubmit(commands::resubmit::Args),
    /// Change nodes of a workflow
    Node(commands::node::Args),
    /// Delete workflows
    #[command(long_about = commands::delete::LONG)]
    Delete(commands::delete::Args),
    /// Check manifests without running them
    #[command(long_about = commands::lint::LONG)]
    Lint(commands::lint::Args),
    /// Format manifests
    #[command(long_about = commands::fmt::LONG)]
    Fmt(commands::fmt::Args),
    /// Rewrite spellings of Argo Workflows v3 to those of v4
    #[command(long_about = commands::convert::LONG)]
    Convert(commands::convert::Args),
    /// Show what would run, without running it
    #[command(long_about = commands::plan::LONG)]
    Plan(commands::plan::Args),
    /// Draw a workflow
    #[command(long_about = commands::graph::LONG)]
    Graph(commands::graph::Args),
    /// Store templates and other manifests
    #[command(long_about = commands::apply::LONG)]
    Apply(commands::apply::Args),
    /// Work with WorkflowTemplates
    Template(commands::template::Args),
    /// Work with ClusterWorkflowTemplates
    #[command(name = "cluster-template")]
    ClusterTemplate(commands::cluster_template::Args),
    /// Set the limits of semaphores
    Sync(commands::sync::Args),
    /// Show Secrets without their values, delete applied ones
    Secret(commands::secret::Args),
    /// Work with CronWorkflows, and fire them
    Cron(commands::cron::Args),
    /// Receive events, look at them, try out and replay them
    Events(commands::events::Args),
    /// Work with the triggers of Sensors
    Triggers(commands::triggers::Args),
    /// Look after the store
    Db(commands::db::Args),
    /// Print a completion script for a shell
    #[command(long_about = commands::completion::LONG)]
    Completion(commands::completion::Args),
    /// Print the version
    #[command(long_about = commands::version::LONG)]
    Version(commands::version::Args),
    /// Write a small workflow and run it
    #[command(long_about = commands::demo::LONG)]
    Demo(commands::demo::Args),
    /// Run what is open in the store, in the background
    #[command(hide = true)]
    #[command(long_about = commands::engine::LONG)]
    Engine(commands::engine::Args),
}
