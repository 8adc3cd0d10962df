//! From a started engine to an exit code: following runs, commands for runs, what is printed at the end.
//! Does not start engines: `wire` does.

use std::sync::Arc;

use jiff::SignedDuration;
use runner_controller::Leave;
use runner_machine::Command;
use runner_store::Store;

use crate::catalog::Loaded;
use crate::exit::{Code, Failure, Result};
use crate::follow::{Outcome, Style, Until, closing, follow};
use crate::output::{Console, Format, live, time, tree};
use crate::signals::Signals;
use crate::wire::{Engine, Wire};

/// A run of this process.
#[derive(Clone, Debug)]
pub struct Running {
    /// Name.
    pub name: String,
    /// Unique id.
    pub uid: String,
    /// It was there before (same idempotency key).
    pub existing: bool,
}

/// How runs are followed.
#[derive(Clone, Debug)]
pub struct Follow {
    /// What is shown.
    pub style: Style,
    /// When to give up.
    pub until: Until,
    /// The step whose exit code counts.
    pub exit_code_from: Option<String>,
    /// Print `<name> <Phase> at <time>` for each run.
    pub closing: bool,
}

/// Flags about following that several commands have.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct FollowArgs {
    /// Show no progress; print a line when it has ended
    #[arg(short, long)]
    wait: bool,
    /// Show what steps write instead of the tree
    #[arg(long, conflicts_with = "wait")]
    log: bool,
    /// Leave with exit code 124 after this time; the run can be resumed
    #[arg(long, value_name = "DURATION", value_parser = crate::commands::duration)]
    timeout: Option<SignedDuration>,
    /// Leave with exit code 5 when it waits for a person
    #[arg(long)]
    no_suspend: bool,
}

impl FollowArgs {
    /// What the flags mean here.
    ///
    /// # Errors
    /// Exit code 2 when they contradict `-o`.
    pub fn follow(&self, console: &Console) -> Result<Follow> {
        logs_alone(console, self.log)?;
        let style = match (self.log, self.wait) {
            (true, _) => Style::Logs,
            (false, true) => Style::Silent,
            (false, false) => style(console, false),
        };
        let until = Until { timeout: self.timeout, no_suspend: self.no_suspend, keep_on: true };
        Ok(Follow { style, until, exit_code_from: None, closing: self.wait })
    }
}

/// Logs and other data cannot share stdout.
///
/// # Errors
/// Exit code 2 when they would.
pub fn logs_alone(console: &Console, log: bool) -> Result<()> {
    match console.format {
        Some(Format::Name | Format::Json | Format::Jsonl | Format::Yaml) if log => {
            Err(Failure::usage("--log writes logs to stdout and does not go with -o")
                .hint("run it without --log, then: runner logs NAME -o jsonl"))
        }
        Some(_) | None => Ok(()),
    }
}

/// What fits the streams: a tree where it can be redrawn, lines elsewhere.
pub fn style(console: &Console, tree: bool) -> Style {
    match console.format {
        Some(Format::Jsonl) => Style::Jsonl,
        Some(Format::Table | Format::Wide | Format::Name | Format::Json | Format::Yaml) | None => {
            if console.quiet {
                Style::Silent
            } else if tree || console.redraw {
                Style::Tree
            } else {
                Style::Lines
            }
        }
    }
}

/// Follows the runs of an engine to their end, one after the other, and stops the engine.
pub async fn to_the_end(
    wire: &Wire,
    engine: Engine,
    runs: &[Running],
    how: &Follow,
    signals: &mut Signals,
) -> Result {
    let began = wire.now();
    let mut code = Code::Ok;
    let mut ended = Vec::new();
    let mut left: Option<(Code, &Running)> = None;
    for running in runs {
        let watcher = engine.watcher(running).await?;
        let pump = wire.pump(how.style);
        let rest =
            how.until.timeout.map(|all| (all - wire.now().duration_since(began)).max(SignedDuration::ZERO));
        let until = Until { timeout: rest, ..how.until };
        match follow(wire, watcher, pump, how.style, until, signals).await {
            Ok(Outcome::Ended(loaded)) => {
                code = code.or(exit_code(how, &loaded));
                ended.push(loaded);
            }
            Ok(Outcome::Waiting(loaded)) => {
                say_waiting(wire, &loaded);
                code = code.or(Code::Waiting);
                ended.push(loaded);
            }
            Ok(Outcome::Left(why)) => {
                left = Some((why, running));
                break;
            }
            Err(failure) => {
                engine.shutdown(Leave::Park).await;
                return Err(failure);
            }
        }
    }
    // after Ctrl-C or a time-out nobody goes on until somebody says so; SIGTERM hands over to another engine
    let park = matches!(left, Some((Code::Interrupted | Code::Timeout, _)));
    engine.shutdown(if park { Leave::Park } else { Leave::HandOver }).await;
    if let Some((why, running)) = left {
        return leave(wire, why, running);
    }
    match at_the_end(wire, how, &ended) {
        // nobody reads any more: how the run ended counts
        Err(failure) if failure.code == Code::Ok => Ok(code),
        Err(failure) => Err(failure),
        Ok(()) => Ok(code),
    }
}

/// What is said when the process leaves before the run has ended. The last line says how to go on.
fn leave(wire: &Wire, code: Code, running: &Running) -> Result {
    let what = match code {
        Code::Timeout => "the time is up",
        Code::Terminated => "asked to end",
        _ => "interrupted",
    };
    let console = &wire.console;
    console.complain(&format!("{what}: nothing new is started; steps that run go on and will be adopted"));
    console.complain(&format!("resume with: runner resume {}", wire.again(&running.name)));
    Ok(code)
}

fn say_waiting(wire: &Wire, loaded: &Loaded) {
    let nodes: Vec<&str> = loaded.view.waiting_for_people().map(|node| node.display_name.as_str()).collect();
    let at = if nodes.is_empty() { String::new() } else { format!(" at {}", nodes.join(", ")) };
    wire.console.say(&format!("{} waits for a person{at}", loaded.view.name));
    wire.console.complain(&format!("resume with: runner resume {}", wire.again(&loaded.view.name)));
}

fn at_the_end(wire: &Wire, how: &Follow, ended: &[Box<Loaded>]) -> Result<()> {
    let (console, line_only) = (&wire.console, how.closing && wire.console.format.is_none());
    for loaded in ended.iter().filter(|loaded| loaded.view.completed()) {
        if line_only {
            self::ended(wire, loaded)?;
        } else {
            console.say(&closing(console, &loaded.view, wire.now()));
        }
        if Code::of_phase(&loaded.view.phase) == Code::Failed {
            let name = wire.again(&loaded.view.name);
            console.hint(&format!("next: runner logs {name} --failed · runner retry {name}"));
        }
    }
    if line_only || how.style == Style::Logs {
        return Ok(());
    }
    match (console.format, ended) {
        (Some(Format::Json | Format::Yaml), several) if several.len() != 1 => {
            console.documents(&several.iter().map(|loaded| loaded.json.clone()).collect::<Vec<_>>())
        }
        (_, several) => several.iter().try_for_each(|loaded| document(wire, loaded)),
    }
}

/// `<name> <Phase> at <time>`, as Argo's `wait` prints it.
pub fn ended(wire: &Wire, loaded: &Loaded) -> Result<()> {
    match wire.console.format {
        Some(Format::Json | Format::Jsonl | Format::Yaml) => wire.console.document(&loaded.json),
        Some(Format::Name) => wire.console.data(&loaded.view.name),
        Some(Format::Table | Format::Wide) | None => {
            let at = loaded.view.finished.unwrap_or_else(|| wire.now());
            let at = time::whole(at);
            wire.console.data(&format!("{} {} at {at}", loaded.view.name, loaded.view.phase_word()))
        }
    }
}

/// The workflow on stdout, after following it: nothing on a terminal that has seen the tree already.
pub fn document(wire: &Wire, loaded: &Loaded) -> Result<()> {
    let console = &wire.console;
    match console.format {
        Some(Format::Json | Format::Yaml) => console.document(&loaded.json),
        // the name was printed at submit, the events as they came
        Some(Format::Name | Format::Jsonl) => Ok(()),
        None if console.out_tty && console.redraw => Ok(()),
        Some(Format::Table | Format::Wide) | None => {
            let options = tree::Options {
                palette: console.out,
                columns: console.out_tty.then(|| live::size().0),
                ..tree::Options::plain(wire.now())
            };
            console.lines(crate::commands::get::document(&loaded.view, &options))
        }
    }
}

fn exit_code(how: &Follow, loaded: &Loaded) -> Code {
    let by_phase = Code::of_phase(&loaded.view.phase);
    let Some(node) = how.exit_code_from.as_deref() else { return by_phase };
    let code = loaded.view.find_node(node).and_then(|node| node.exit_code.as_deref());
    code.and_then(|code| code.parse::<i64>().ok()).map_or(by_phase, |code| match u8::try_from(code) {
        Ok(0) => Code::Ok,
        Ok(code) => Code::Step(code),
        Err(_) => Code::Failed,
    })
}

/// What came of a command.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    /// No other process runs the workflow.
    pub interrupted: bool,
}

/// Longest time that an ended workflow is given for its exit handlers, when nobody else runs it.
const EXIT_HANDLERS: SignedDuration = SignedDuration::from_mins(10);

/// Gives a command to a workflow, whoever runs it. When nobody does, this process carries it out: a workflow
/// that is to end is run to its end, since its steps must be stopped and its exit handlers run.
///
/// # Errors
/// Exit code 7 when the state of the workflow does not allow it.
pub async fn send(wire: &Wire, store: &Arc<dyn Store>, name: &str, command: Command) -> Result<Sent> {
    let before = wire.load(store, name).await?;
    let ending = matches!(&command, Command::Terminate)
        || matches!(&command, Command::Stop { selector, .. } if selector.is_empty());
    let engine = wire.engine(store)?;
    let answer = engine.command(name, command).await;
    if let Err(failure) = answer {
        engine.shutdown(Leave::Park).await;
        return Err(failure);
    }
    let mut late = false;
    if ending && before.interrupted {
        let running = Running { name: name.to_owned(), uid: before.uid, existing: true };
        let watcher = engine.watcher(&running).await?;
        let mut signals = Signals::listen()?;
        let until = Until { timeout: Some(EXIT_HANDLERS), no_suspend: true, keep_on: true };
        let outcome = follow(wire, watcher, None, Style::Silent, until, &mut signals).await?;
        late = !matches!(outcome, Outcome::Ended(_));
    }
    engine.shutdown(Leave::Park).await;
    if late {
        return Err(Failure::new(
            Code::Timeout,
            format!("{name} has not ended within {}", time::words(EXIT_HANDLERS)),
        )
        .hint(format!("continue it: runner resume {name}")));
    }
    Ok(Sent { interrupted: before.interrupted })
}
