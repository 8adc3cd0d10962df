//! `runner fmt`: formats manifests.
//! Does not open a store, and does not judge what the files say.

use std::path::PathBuf;

use crate::exit::{Code, Result};
use crate::output::Console;
use crate::rewrite::{Rewritten, each, refused, write_back};

/// Flags of `fmt`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files, directories, or - for stdin
    #[arg(required = true, value_name = "FILE|DIR")]
    files: Vec<PathBuf>,
    /// Print the result instead of writing it
    #[arg(long)]
    stdout: bool,
    /// Only name files that are not formatted; exit code 1 when there are any
    #[arg(long, conflicts_with = "stdout")]
    check: bool,
}

pub(crate) const LONG: &str = "Examples:
  $ runner fmt workflows
  $ runner fmt workflows --check

Formats manifests: two columns for each level, list dashes under their key, one blank line at most, no spaces at line \
ends. Comments, quotes and the order of keys stay. Each result is read again: a file that would mean something else is \
refused and left as it is. What comes from stdin goes to stdout.";

/// Formats.
pub fn run(args: &Args, console: &Console) -> Result {
    let mut code = Code::Ok;
    for one in each(&args.files)? {
        let new = match runner_workflows::fmt::format(&one.name, &one.text) {
            Ok(new) => new,
            Err(problems) => {
                code = code.or(refused(console, &problems)?);
                continue;
            }
        };
        let same = new == one.text;
        let one = Rewritten { new, ..one };
        if args.stdout || one.path.is_none() {
            console.raw(&one.new)?;
        } else if args.check {
            if !same {
                console.data(&one.name)?;
                code = code.or(Code::Failed);
            }
        } else if !same {
            write_back(&one)?;
            console.data(&one.name)?;
        }
    }
    Ok(code)
}
