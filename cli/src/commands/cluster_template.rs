//! `runner cluster-template`: ClusterWorkflowTemplates in the store, as Argo's command line calls them.
//! Does no more than `runner template --cluster`.

use std::path::PathBuf;

use super::apply::Templates;
use super::lint::Strict;
use super::template;
use crate::exit::Result;
use crate::wire::Wire;

/// Flags of `cluster-template`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Store templates from files
    #[command(visible_aliases = ["create", "update"], long_about = APPLY)]
    Apply(Templates),
    /// Check templates without storing them
    #[command(long_about = LINT)]
    Lint {
        /// Files, directories, or - for stdin
        #[arg(required = true, value_name = "FILE|DIR")]
        files: Vec<PathBuf>,
        #[command(flatten)]
        strict: Strict,
    },
    /// List stored templates
    #[command(visible_alias = "ls", long_about = LIST)]
    List,
    /// Show a stored template
    #[command(long_about = GET)]
    Get {
        /// Name
        name: String,
    },
    /// Delete stored templates
    #[command(long_about = DELETE)]
    Delete {
        /// Names
        #[arg(required = true)]
        names: Vec<String>,
    },
}

const APPLY: &str = "Examples:
  $ runner cluster-template apply shared.yaml
  $ runner cluster-template apply shared.yaml --strict

Stores the ClusterWorkflowTemplates of files. Applying the same file again changes nothing.";

const LINT: &str = "Examples:
  $ runner cluster-template lint shared.yaml
  $ runner cluster-template lint shared.yaml --strict

Checks the ClusterWorkflowTemplates of files, and nothing else in them.";

const LIST: &str = "Examples:
  $ runner cluster-template list
  $ runner cluster-template list -o json

Lists the ClusterWorkflowTemplates of the store.";

const GET: &str = "Examples:
  $ runner cluster-template get everywhere
  $ runner cluster-template get everywhere -o json

Shows a stored template: by default the text that was applied.";

const DELETE: &str = "Examples:
  $ runner cluster-template delete everywhere
  $ runner cluster-template delete elsewhere -o json

Deletes stored templates. Workflows that were submitted from them are not touched.";

/// Carries out.
pub async fn run(args: &Args, wire: &Wire) -> Result {
    match &args.action {
        Action::Apply(templates) => templates.store(wire, KIND).await,
        Action::Lint { files, strict } => {
            super::lint::run(&super::lint::Args::of(files, *strict, KIND), &wire.console)
        }
        Action::List => template::list(wire, true, false).await,
        Action::Get { name } => template::get(wire, name, true).await,
        Action::Delete { names } => template::delete(wire, names, true).await,
    }
}

const KIND: &str = "ClusterWorkflowTemplate";
