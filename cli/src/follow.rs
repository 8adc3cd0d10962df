//! Follows workflows until they end: live tree, plain lines, JSON lines, or silence.
//! Does not run them and does not decide how the process ends.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::SignedDuration;

use crate::catalog::Loaded;
use crate::exit::{Code, Result};
use crate::logs::{Pump, Tagged};
use crate::output::color::Ink;
use crate::output::view::View;
use crate::output::{Console, events, live, text, tree};
use crate::signals::Signals;
use crate::watcher::Watcher;
use crate::wire::Wire;

/// What is shown while following.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Nothing.
    Silent,
    /// A tree on stderr, redrawn in place.
    Tree,
    /// One line per event on stderr.
    Lines,
    /// One JSON object per event on stdout.
    Jsonl,
    /// What steps write, on stdout.
    Logs,
}

/// When to stop following.
#[derive(Clone, Copy, Debug, Default)]
pub struct Until {
    /// Give up after this time.
    pub timeout: Option<SignedDuration>,
    /// Stop when only a person can move it.
    pub no_suspend: bool,
    /// Go on when nobody reads stdout any more: the run counts, not the reader.
    pub keep_on: bool,
}

/// Why following ended.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The workflow ended.
    Ended(Box<Loaded>),
    /// It waits for a person.
    Waiting(Box<Loaded>),
    /// A signal came, or the time is up: leave with this code.
    Left(Code),
}

/// Time between two looks, at least.
const FRAME: Duration = Duration::from_millis(80);
/// Time after which durations are drawn anew.
const BEAT: Duration = Duration::from_secs(1);
/// Lines of log shown below a running node.
const TAIL: usize = 3;

/// Follows one workflow.
pub async fn follow(
    wire: &Wire,
    mut watcher: Watcher,
    mut pump: Option<Pump>,
    style: Style,
    until: Until,
    signals: &mut Signals,
) -> Result<Outcome> {
    let mut show = Show::new(wire, style, until.keep_on);
    // whoever asked to leave then says so
    show.said_waiting = until.no_suspend;
    let deadline = deadline(until.timeout);
    loop {
        let began = Instant::now();
        let loaded = watcher.look();
        let view = &loaded.view;
        let lines = pump.as_mut().map(|pump| {
            pump.follow(&loaded);
            pump.drain()
        });
        show.look(view, lines.unwrap_or_default())?;
        let waiting = until.no_suspend && view.stuck_on_people();
        if view.completed() || waiting {
            if let Some(pump) = pump.take() {
                show.look(view, pump.finish().await)?;
            }
            show.done(view);
            let loaded = Box::new(loaded);
            return Ok(if waiting { Outcome::Waiting(loaded) } else { Outcome::Ended(loaded) });
        }
        // a big workflow takes long to look at: look less often, so that the engine has the processor
        let rest = FRAME.max(began.elapsed().saturating_mul(5));
        let beat = if style == Style::Tree || pump.is_some() { Duration::from_millis(250) } else { BEAT };
        let left = tokio::select! {
            biased;
            code = signals.first() => code,
            () = sleep_until(deadline) => Code::Timeout,
            answer = async { tokio::time::sleep(rest).await; watcher.changed().await } => { answer?; continue }
            () = tokio::time::sleep(rest.max(beat)) => continue,
        };
        show.done(&loaded.view);
        return Ok(Outcome::Left(left));
    }
}

fn deadline(timeout: Option<SignedDuration>) -> Option<tokio::time::Instant> {
    timeout.map(|timeout| tokio::time::Instant::now() + Duration::try_from(timeout).unwrap_or_default())
}

async fn sleep_until(deadline: Option<tokio::time::Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// What has been shown so far.
struct Show<'a> {
    wire: &'a Wire,
    console: &'a Console,
    style: Style,
    keep_on: bool,
    before: View,
    screen: live::Screen,
    tails: BTreeMap<String, Vec<String>>,
    said_waiting: bool,
}

impl<'a> Show<'a> {
    fn new(wire: &'a Wire, style: Style, keep_on: bool) -> Self {
        let (before, screen, tails) = (View::default(), live::Screen::default(), BTreeMap::new());
        let console = &wire.console;
        Self { wire, console, style, keep_on, before, screen, tails, said_waiting: false }
    }

    /// Shows the workflow as it is now, and new lines of logs.
    fn look(&mut self, view: &View, lines: Vec<Tagged>) -> Result<()> {
        let shown = self.absorb(lines).and_then(|()| self.update(view, crate::wire::now()));
        match shown {
            // nobody reads any more: the run goes on all the same
            Err(failure) if self.keep_on && failure.code == Code::Ok => {
                self.style = Style::Silent;
                Ok(())
            }
            other => other,
        }
    }

    fn update(&mut self, view: &View, now: jiff::Timestamp) -> Result<()> {
        match self.style {
            Style::Silent => {}
            Style::Tree => self.draw(view, now, true),
            Style::Lines => {
                for event in events::between(&self.before, view, now) {
                    self.console.say(&event.line(&view.name));
                }
            }
            Style::Jsonl => {
                for event in events::between(&self.before, view, now) {
                    self.console.line(&event.json(&view.name))?;
                }
            }
            Style::Logs => {
                for event in
                    events::between(&self.before, view, now).iter().filter(|e| e.phase == "Suspended")
                {
                    self.console.say(&event.line(&view.name));
                }
            }
        }
        if self.style != Style::Tree && self.style != Style::Jsonl {
            self.say_waiting(view);
        }
        self.before = view.clone();
        Ok(())
    }

    /// Once per pause: what would move it.
    fn say_waiting(&mut self, view: &View) {
        let waiting = view.stuck_on_people();
        if waiting && !self.said_waiting {
            self.console.hint(&waiting_line(self.wire, view));
        }
        self.said_waiting = waiting;
    }

    fn absorb(&mut self, lines: Vec<Tagged>) -> Result<()> {
        match self.style {
            Style::Logs => {
                let color = self.console.out.on;
                self.console.lines(
                    lines.iter().map(|line| format!("{}: {}", line.label, text::clean(&line.text, color))),
                )
            }
            Style::Tree => {
                for line in lines {
                    let tail = self.tails.entry(line.node_id).or_default();
                    tail.push(line.text);
                    let extra = tail.len().saturating_sub(TAIL);
                    tail.drain(..extra);
                }
                Ok(())
            }
            Style::Silent | Style::Lines | Style::Jsonl => Ok(()),
        }
    }

    /// Draws the tree; the last frame is not folded to what the terminal can redraw, and shows no logs.
    fn draw(&mut self, view: &View, now: jiff::Timestamp, moving: bool) {
        let (columns, rows) = live::size();
        let running = |id: &String| view.nodes.get(id).is_some_and(|node| !node.fulfilled());
        let tails = self.tails.iter().filter(|(id, _)| moving && running(id));
        let options = tree::Options {
            palette: self.console.err,
            columns: Some(columns.saturating_sub(1)),
            rows: moving.then_some(rows.saturating_sub(2)),
            wide: false,
            tails: tails.map(|(id, lines)| (id.clone(), live::tail(lines, TAIL))).collect(),
            ..tree::Options::plain(now)
        };
        let mut lines = tree::lines(view, &options);
        if moving && view.stuck_on_people() {
            let line = text::cut(&waiting_line(self.wire, view), columns.saturating_sub(1));
            lines.push(self.console.err.paint(Ink::Dim, &line));
        }
        // a terminal that is gone shows nothing; that is no reason to end the run
        let _gone = self.screen.draw(&mut std::io::stderr().lock(), &lines);
    }

    fn done(&mut self, view: &View) {
        if self.style == Style::Tree {
            self.draw(view, crate::wire::now(), false);
            self.screen.keep();
        }
    }
}

/// `waits for a person at approve: runner resume hello`.
fn waiting_line(wire: &Wire, view: &View) -> String {
    let nodes: Vec<&str> = view.waiting_for_people().map(|node| node.display_name.as_str()).collect();
    let at = if nodes.is_empty() {
        "suspended".to_owned()
    } else {
        format!("waits for a person at {}", nodes.join(", "))
    };
    text::plain(&format!("{at}: runner resume {}", wire.again(&view.name)))
}

/// The last line for people: `✔ hello-x7k Succeeded in 3.9s · 5 nodes`.
pub fn closing(console: &Console, view: &View, now: jiff::Timestamp) -> String {
    let icon = tree::Look::Unicode.icon(&view.phase, false);
    let ink = Ink::of_phase(&view.phase);
    let duration = view.duration(now).map(crate::output::time::short).unwrap_or_default();
    let nodes = match view.nodes.len() {
        1 => "1 node".to_owned(),
        n => format!("{n} nodes"),
    };
    let message =
        if view.message.is_empty() { String::new() } else { format!(" · {}", text::plain(&view.message)) };
    format!(
        "{} {} {} in {duration} · {nodes}{message}",
        console.err.paint(ink, icon),
        view.name,
        view.phase_word()
    )
}
