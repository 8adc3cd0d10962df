//! `runner get`: header and tree of one workflow.
//! Does not follow it: `watch` does.

use crate::exit::{Code, Result};
use crate::output::{Format, header, live, tree};
use crate::wire::Wire;

/// Flags of `get`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Workflow: name, unique prefix, @latest, @-2, @failed
    name: String,
    /// Only nodes in these phases
    #[arg(long, value_delimiter = ',', value_name = "PHASE")]
    status: Vec<String>,
    /// Only the nodes that failed
    #[arg(long, conflicts_with = "status")]
    failed: bool,
    /// Signs from ASCII only
    #[arg(long)]
    no_utf8: bool,
}

pub(crate) const LONG: &str = "Examples:
  $ runner get @latest
  $ runner get hello -o json

Shows one workflow: its header and the tree of its nodes. -o json and -o yaml print the whole object in the shape \
of Argo's Workflow, status and nodes included.";

/// Shows.
pub async fn run(args: &Args, wire: &Wire) -> Result {
    let store = wire.existing_or_fail().await?;
    let name = wire.resolve(&store, &args.name).await?;
    let loaded = wire.load(&store, &name).await?;
    let console = &wire.console;
    match console.format() {
        Format::Json | Format::Jsonl | Format::Yaml => console.document(&loaded.json)?,
        Format::Name => console.data(&name)?,
        Format::Table | Format::Wide => {
            let look = if args.no_utf8 { tree::Look::Ascii } else { tree::Look::Unicode };
            let phases =
                if args.failed { vec!["Failed".to_owned(), "Error".to_owned()] } else { args.status.clone() };
            let options = tree::Options {
                look,
                palette: console.out,
                phases,
                columns: console.out_tty.then(|| live::size().0),
                ..tree::Options::plain(wire.now())
            };
            console.lines(document(&loaded.view, &options))?;
            hints(wire, &loaded);
        }
    }
    Ok(Code::Ok)
}

/// Header, blank line, tree: what `get` and the end of `submit` print.
pub(crate) fn document(view: &crate::output::view::View, options: &tree::Options) -> Vec<String> {
    let mut lines = header::lines(view, options.now, options.look, options.palette);
    let tree = tree::lines(view, options);
    if tree.len() > 1 {
        lines.push(String::new());
        lines.extend(tree);
    }
    lines
}

/// The next useful command.
fn hints(wire: &Wire, loaded: &crate::catalog::Loaded) {
    let (name, view) = (wire.again(&loaded.view.name), &loaded.view);
    if view.waiting_for_people().next().is_some() || (view.suspended && !view.completed()) {
        wire.console.hint(&format!("next: runner resume {name}"));
    } else if !view.completed() && loaded.interrupted {
        wire.console.hint(&format!("nobody is running it. next: runner resume {name}"));
    } else if Code::of_phase(&view.phase) == Code::Failed {
        wire.console.hint(&format!("next: runner logs {name} --failed · runner retry {name}"));
    }
}
