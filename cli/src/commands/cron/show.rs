//! `runner cron list`, `get`, `next`: what is known of CronWorkflows.
//! Changes nothing.

use std::sync::Arc;

use jiff::Timestamp;
use runner_controller::SystemClock;
use runner_events::cron::{Crons, KIND, Phase, Status, next_tick, tick_after};
use runner_store::Manifest;
use serde_json::{Value, json};

use crate::exit::{Code, Failure, Result};
use crate::output::table::Table;
use crate::output::{Format, time};
use crate::wire::Wire;

pub(super) const LIST: &str = "Examples:
  $ runner cron list
  $ runner cron list -A -o json

Lists CronWorkflows: schedule, time zone, the last time that fired and the next one.";

pub(super) const GET: &str = "Examples:
  $ runner cron get nightly
  $ runner cron get nightly -o json

Shows a CronWorkflow, what its runs came to, and when it is due next.";

pub(super) const NEXT: &str = "Examples:
  $ runner cron next nightly
  $ runner cron next nightly --count 10 -o json

Shows the next times of all its schedules together, in UTC and in the time zone of the first schedule, whether or \
not it is suspended.";

/// Most of a schedule's text in a column.
const MANY: usize = 40;

fn schedules(status: &Status) -> String {
    let all = status.spec.schedules.join("; ");
    if all.chars().count() <= MANY {
        return all;
    }
    let cut: String = all.chars().take(MANY - 3).collect();
    format!("{cut}...")
}

fn zones(status: &Status) -> String {
    let mut names: Vec<&str> = status.schedules.iter().map(|schedule| schedule.zone_name()).collect();
    names.dedup();
    names.join(",")
}

/// The next time after now; the ones that passed are the driver's business.
fn upcoming(status: &Status, now: Timestamp) -> Option<Timestamp> {
    next_tick(status).and_then(|next| if next > now { Some(next) } else { tick_after(status, now) })
}

fn state(status: &Status) -> &'static str {
    match (&status.problem, status.phase, status.suspended) {
        (_, Phase::Stopped, _) => "stopped",
        (_, Phase::Active, true) => "suspended",
        (Some(_), Phase::Active, false) => "problem",
        (None, Phase::Active, false) => "active",
    }
}

/// Label of a CronWorkflow whose stopStrategy has stopped it, as Argo sets it.
const COMPLETED: &str = "cronworkflows.argoproj.io/completed";

/// The manifest with the status in Argo's shape.
fn document(manifest: &Manifest, status: &Status, now: Timestamp) -> Value {
    let mut body: Value = serde_json::from_slice(&manifest.body).unwrap_or_else(|_| json!({}));
    body["metadata"]["namespace"] = json!(manifest.namespace);
    body["metadata"]["creationTimestamp"] = json!(time::whole(manifest.created_at));
    body["spec"]["suspend"] = json!(status.suspended);
    if status.phase == Phase::Stopped {
        body["metadata"]["labels"][COMPLETED] = json!("true");
    }
    let active: Vec<Value> = status
        .active
        .iter()
        .map(|(name, child)| json!({"kind": "Workflow", "name": name, "namespace": manifest.namespace, "uid": child.uid}))
        .collect();
    body["status"] = json!({
        "active": active,
        "conditions": status.problem.iter().map(|text| json!({"type": "Problem", "status": "True", "message": text}))
            .collect::<Vec<_>>(),
        "failed": status.failed,
        "lastScheduledTime": status.last_scheduled.map(time::whole),
        "missed": status.missed,
        "nextScheduledTime": upcoming(status, now).map(time::whole),
        "phase": status.phase.as_str(),
        "succeeded": status.succeeded,
        "timezone": zones(status),
    });
    body
}

pub(super) async fn list(wire: &Wire, all: bool) -> Result {
    let namespace = (!all).then_some(wire.namespace.as_str());
    let (console, now) = (&wire.console, wire.now());
    let mut found = Vec::new();
    if let Some(store) = wire.existing().await? {
        let crons = Crons::new(wire.reader(&store)?, Arc::new(SystemClock));
        for manifest in store.list_manifests(KIND, namespace).await? {
            let status = crons.status(&manifest.namespace, &manifest.name).await?;
            found.push((manifest, status));
        }
    }
    match console.format() {
        Format::Json | Format::Jsonl | Format::Yaml => {
            console.documents(&found.iter().map(|(m, s)| document(m, s, now)).collect::<Vec<_>>())?
        }
        Format::Name => console.lines(found.iter().map(|(manifest, _)| &manifest.name))?,
        Format::Table | Format::Wide if found.is_empty() => console.hint("no CronWorkflows"),
        Format::Table | Format::Wide => {
            let columns =
                ["NAMESPACE", "NAME", "SCHEDULE", "ZONE", "STATE", "LAST", "NEXT", "MISSED", "ACTIVE"];
            let skip = usize::from(!all);
            let mut table = Table::new(columns.get(skip..).unwrap_or_default());
            for (manifest, status) in &found {
                let when = |at: Option<Timestamp>| at.map_or_else(|| "-".to_owned(), time::whole);
                let row = [
                    manifest.namespace.clone(),
                    manifest.name.clone(),
                    schedules(status),
                    zones(status),
                    state(status).to_owned(),
                    when(status.last_scheduled),
                    when(upcoming(status, now)),
                    status.missed.to_string(),
                    status.active.len().to_string(),
                ];
                table.row(row.into_iter().skip(skip));
            }
            console.lines(table.lines(console.headers))?;
        }
    }
    Ok(Code::Ok)
}

async fn one(wire: &Wire, name: &str) -> Result<(Manifest, Status)> {
    let crons = super::crons(wire, name).await?;
    let status = crons.status(&wire.namespace, name).await?;
    let missing = || Failure::not_found(format!("no CronWorkflow `{name}` in the store"));
    let store = wire.existing_or_fail().await?;
    let manifest = store.get_manifest(KIND, &wire.namespace, name).await?.ok_or_else(missing)?;
    Ok((manifest, status))
}

pub(super) async fn get(wire: &Wire, name: &str) -> Result {
    let (manifest, status) = one(wire, name).await?;
    let (console, now) = (&wire.console, wire.now());
    match console.format() {
        Format::Json | Format::Jsonl | Format::Yaml => {
            console.document(&document(&manifest, &status, now))?
        }
        Format::Name => console.data(&manifest.name)?,
        Format::Table | Format::Wide => {
            let ago = |at: Option<Timestamp>| at.map_or_else(|| "-".to_owned(), |at| time::ago(at, now));
            let active: Vec<&str> = status.active.keys().map(String::as_str).collect();
            let mut rows = vec![
                ("Name:", manifest.name.clone()),
                ("Namespace:", manifest.namespace.clone()),
                ("Created:", time::ago(manifest.created_at, now)),
                ("Schedules:", status.spec.schedules.join("; ")),
                ("Zone:", zones(&status)),
                ("State:", state(&status).to_owned()),
                ("Concurrency:", format!("{:?}", status.policy())),
                ("Last:", ago(status.last_scheduled)),
                ("Next:", ago(upcoming(&status, now))),
                ("Runs:", format!("{} succeeded, {} failed", status.succeeded, status.failed)),
                ("Missed:", status.missed.to_string()),
                ("Active:", if active.is_empty() { "-".to_owned() } else { active.join(", ") }),
            ];
            rows.extend(status.problem.clone().map(|problem| ("Problem:", problem)));
            let mut table = Table::new(&[]);
            rows.into_iter().for_each(|(key, value)| table.row([key, &value]));
            console.lines(table.lines(false))?;
        }
    }
    Ok(Code::Ok)
}

pub(super) async fn next(wire: &Wire, name: &str, count: usize) -> Result {
    let (_, status) = one(wire, name).await?;
    let console = &wire.console;
    if let (Some(problem), true) = (&status.problem, status.schedules.is_empty()) {
        return Err(Failure::new(Code::Invalid, format!("CronWorkflow `{name}`: {problem}")));
    }
    let first = tick_after(&status, wire.now());
    let times: Vec<Timestamp> =
        std::iter::successors(first, |at| tick_after(&status, *at)).take(count).collect();
    let zone = status.schedules.first().map(|schedule| schedule.zone().clone());
    let local = |at: Timestamp| {
        zone.as_ref().map_or_else(String::new, |zone| {
            at.to_zoned(zone.clone()).strftime("%a %Y-%m-%d %H:%M:%S %:z").to_string()
        })
    };
    if status.suspended || status.phase == Phase::Stopped {
        console.hint(&format!("{name} is {}: none of these will fire", state(&status)));
    }
    match console.format() {
        Format::Json | Format::Jsonl | Format::Yaml => {
            let all = times.iter().map(|at| json!({"time": time::whole(*at), "local": local(*at)}));
            console.documents(&all.collect::<Vec<_>>())?;
        }
        Format::Name => console.lines(times.iter().map(|at| time::whole(*at)))?,
        Format::Table | Format::Wide if times.is_empty() => console.hint("it is never due"),
        Format::Table | Format::Wide => {
            let mut table = Table::new(&["UTC", "LOCAL"]);
            times.iter().for_each(|at| table.row([time::whole(*at), local(*at)]));
            console.lines(table.lines(console.headers))?;
        }
    }
    Ok(Code::Ok)
}
