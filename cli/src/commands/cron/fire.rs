//! `runner cron trigger` and `backfill`: runs by hand, for now or for times of the past.
//! Deliberately runs each time once: one that ran before is only shown.

use std::sync::Arc;

use jiff::civil;
use jiff::{SignedDuration, Timestamp};
use runner_controller::{Leave, SystemClock};
use runner_events::cron::{Crons, How, Started, Status, child_name, tick_after};
use tokio::task::JoinSet;

use crate::exit::{Code, Failure, Result};
use crate::output::results::Results;
use crate::output::time;
use crate::signals::Signals;
use crate::wire::{Engine, Wire};

/// Flags of `trigger`.
#[derive(Debug, clap::Args)]
pub(super) struct TriggerArgs {
    /// Name
    name: String,
    /// As if it were this time: 2026-01-31T02:00:00Z, or without Z in the zone of its schedule
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
}

/// Flags of `backfill`.
#[derive(Debug, clap::Args)]
pub(super) struct BackfillArgs {
    /// Name
    name: String,
    /// First time: 2026-01-31, 2026-01-31T02:00 or 2026-01-31T02:00:00Z
    #[arg(long, value_name = "TIME")]
    start: String,
    /// Last time
    #[arg(long, value_name = "TIME")]
    end: String,
    /// Runs at once
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    parallel: u16,
    /// Show the times and run nothing
    #[arg(long)]
    dry_run: bool,
}

pub(super) const TRIGGER: &str = "Examples:
  $ runner cron trigger nightly
  $ runner cron trigger nightly --at 2026-01-31T02:00:00Z

Runs it now in the background, whatever its schedule, its conditions and its concurrency policy say, also when it is \
suspended. The same time never runs twice.";

pub(super) const BACKFILL: &str = "Examples:
  $ runner cron backfill nightly --start 2026-01-01 --end 2026-01-03
  $ runner cron backfill nightly --start 2026-01-01 --end 2026-02-01 --dry-run

Runs it for every time of its schedule from --start to --end, both included, the oldest first, and waits for the \
runs. Times that ran before are passed over, so that a backfill that was cut off can be given again.";

/// Most runs of one backfill.
const MOST: usize = 1000;

/// A time as people write it; without an offset it is in the zone of the first schedule.
fn parse(text: &str, status: &Status) -> Result<Timestamp> {
    let whole = |at: Timestamp| Timestamp::from_second(at.as_second()).unwrap_or(at);
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(whole(at));
    }
    let bad = || {
        Failure::usage(format!("`{text}` is not a time"))
            .hint("write 2026-01-31T02:00:00Z, or 2026-01-31T02:00 or 2026-01-31 in the zone of the schedule")
    };
    let civil: civil::DateTime = text.parse().map_err(|_| bad())?;
    let zone = status.schedules.first().map_or(jiff::tz::TimeZone::UTC, |schedule| schedule.zone().clone());
    civil.to_zoned(zone).map(|at| whole(at.timestamp())).map_err(|_| bad())
}

pub(super) async fn trigger(args: &TriggerArgs, wire: &Wire) -> Result {
    let crons = super::crons(wire, &args.name).await?;
    let status = crons.status(&wire.namespace, &args.name).await?;
    let slot = match &args.at {
        Some(text) => parse(text, &status)?,
        None => parse(&wire.now().to_string(), &status)?,
    };
    let started = crons.fire(&wire.namespace, &args.name, slot, How::Trigger).await?;
    let mut results = Results::new(&wire.console);
    let (word, sentence) = if started.existing {
        ("unchanged", format!("Workflow '{}' ran for this time before", started.name))
    } else {
        ("created", format!("Workflow '{}' created", started.name))
    };
    results.add("Workflow", &started.name, word, &sentence)?;
    results.finish()?;
    if !started.existing {
        super::super::engine::spawn(wire)?;
        let name = wire.again(&started.name);
        wire.console.hint(&format!("it runs in the background. follow it: runner watch {name}"));
    }
    Ok(Code::Ok)
}

pub(super) async fn backfill(args: &BackfillArgs, wire: &Wire) -> Result {
    let status = super::crons(wire, &args.name).await?.status(&wire.namespace, &args.name).await?;
    let slots = slots(args, wire, &status)?;
    let mut results = Results::new(&wire.console);
    if args.dry_run {
        for slot in &slots {
            let (name, ran) = (child_name(&args.name, *slot), status.has_fired(*slot));
            let what = if ran { "ran before" } else { "would run" };
            results.add(
                "Workflow",
                &name,
                "unchanged",
                &format!("{name} {what} for {}", time::whole(*slot)),
            )?;
        }
        results.finish()?;
        return Ok(Code::Ok);
    }
    let mut signals = Signals::listen()?;
    let store = wire.existing_or_fail().await?;
    let engine = wire.engine(&store)?;
    let filled = tokio::select! {
        biased;
        code = signals.first() => Ok(code),
        code = fill(args, wire, &engine, &slots, &mut results) => code,
    };
    engine.shutdown(Leave::Park).await;
    let code = filled?;
    results.finish()?;
    if matches!(code, Code::Interrupted | Code::Terminated) {
        wire.console.hint("give the same command again to go on; runner resume continues what was started");
    }
    Ok(code)
}

fn slots(args: &BackfillArgs, wire: &Wire, status: &Status) -> Result<Vec<Timestamp>> {
    let (start, end) = (parse(&args.start, status)?, parse(&args.end, status)?);
    if end < start {
        return Err(Failure::usage("--end lies before --start"));
    }
    if end > wire.now() {
        return Err(Failure::usage("--end lies in the future").hint("runner cron run fires what is to come"));
    }
    if let (Some(problem), true) = (&status.problem, status.schedules.is_empty()) {
        return Err(Failure::new(Code::Invalid, format!("CronWorkflow `{}`: {problem}", args.name)));
    }
    let before = start.checked_sub(SignedDuration::from_secs(1)).unwrap_or(start);
    // one that only counts from its beginning counts from the start here
    let status = Status { anchor: before, ..status.clone() };
    let all = std::iter::successors(tick_after(&status, before), |at| tick_after(&status, *at));
    let slots: Vec<Timestamp> = all.take_while(|at| *at <= end).take(MOST + 1).collect();
    match slots.len() {
        0 => Err(Failure::usage("no time of its schedule lies between --start and --end")),
        count if count > MOST => {
            Err(Failure::usage(format!("more than {MOST} times lie between --start and --end")))
        }
        _ => Ok(slots),
    }
}

/// Runs all, some at once, and waits for them.
async fn fill(
    args: &BackfillArgs,
    wire: &Wire,
    engine: &Engine,
    slots: &[Timestamp],
    results: &mut Results<'_>,
) -> Result {
    let crons = Crons::new(engine.controller().clone(), Arc::new(SystemClock));
    let mut going = JoinSet::new();
    let mut code = Code::Ok;
    for slot in slots {
        while going.len() >= usize::from(args.parallel) {
            code = code.or(ended(going.join_next().await, results)?);
        }
        let started = crons.fire(&wire.namespace, &args.name, *slot, How::Backfill).await?;
        if started.existing {
            let sentence = format!("Workflow '{}' ran for {} before", started.name, time::whole(*slot));
            results.add("Workflow", &started.name, "unchanged", &sentence)?;
            continue;
        }
        let controller = engine.controller().clone();
        going.spawn(async move { (controller.wait_terminal(&started.uid).await, started) });
    }
    while !going.is_empty() {
        code = code.or(ended(going.join_next().await, results)?);
    }
    Ok(code)
}

type Joined = Option<
    std::result::Result<
        (runner_controller::Result<runner_controller::Ending>, Started),
        tokio::task::JoinError,
    >,
>;

fn ended(joined: Joined, results: &mut Results<'_>) -> Result {
    let Some(joined) = joined else { return Ok(Code::Ok) };
    let (ending, started) = joined
        .map_err(|error| Failure::new(Code::Failed, format!("a run could not be followed: {error}")))?;
    let phase = ending?.phase.as_str();
    results.add("Workflow", &started.name, phase, &format!("Workflow '{}' {phase}", started.name))?;
    Ok(Code::of_phase(phase))
}
