//! `runner triggers`: the triggers of all sensors, with what they did, and switching them off and on.
//! Fires nothing.

use runner_events::sensors::{MODE_KIND, SetMode, load, mode_name};
use runner_sensors::conditions::Conditions;
use runner_sensors::machine::{Mode, Status, TriggerCounts};
use runner_sensors::spec::Sensor;
use runner_store::Store;
use serde_json::{Value, json};

use super::events::settings::{GATED, Settings};
use crate::exit::{Code, Failure, Result};
use crate::output::Format;
use crate::output::results::Results;
use crate::output::table::Table;
use crate::output::time;
use crate::wire::Wire;

/// Flags of `triggers`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List the triggers of all sensors
    #[command(visible_alias = "ls", long_about = LIST)]
    List,
    /// Show a trigger
    #[command(long_about = GET)]
    Get {
        /// SENSOR/TRIGGER, or TRIGGER when only one has that name
        name: String,
    },
    /// Fire again
    #[command(long_about = ENABLE)]
    Enable {
        /// SENSOR/TRIGGER, or TRIGGER when only one has that name
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// See no events until enabled
    #[command(long_about = DISABLE)]
    Disable {
        /// SENSOR/TRIGGER, or TRIGGER when only one has that name
        #[arg(required = true)]
        names: Vec<String>,
    },
}

const LIST: &str = "Examples:
  $ runner triggers list
  $ runner triggers list -o json

Lists the triggers of all Sensors in the store: what they listen to, and how often their sensor fired and failed.";

const GET: &str = "Examples:
  $ runner triggers get start
  $ runner triggers get sample/start -o yaml

Shows a trigger as it stands in its Sensor.";

const ENABLE: &str = "Examples:
  $ runner triggers enable start
  $ runner triggers enable sample/start

Lets triggers see events again. Events that came meanwhile can be replayed.";

const DISABLE: &str = "Examples:
  $ runner triggers disable start
  $ runner triggers disable sample/start

Triggers see no events until they are enabled; events are still recorded. It holds for every daemon of this store.";

struct Found {
    namespace: String,
    sensor: Sensor,
    trigger: String,
    status: Status,
    mode: Mode,
}

/// Lists the triggers of all sensors.
pub(crate) async fn list_all(wire: &Wire) -> Result {
    run(&Args { action: Action::List }, wire).await
}

/// Carries out.
pub async fn run(args: &Args, wire: &Wire) -> Result {
    let all = match wire.existing().await? {
        Some(store) => all(store.as_ref()).await?,
        None => Vec::new(),
    };
    match &args.action {
        Action::List => list(wire, &all),
        Action::Get { name } => {
            let found = one(&all, name)?;
            let triggers = &found.sensor.spec.triggers;
            let trigger =
                triggers.iter().find(|t| t.template.as_ref().is_some_and(|t| t.name == found.trigger));
            let mut document = document(found);
            document["spec"] = serde_json::to_value(trigger).unwrap_or_default();
            match wire.console.format() {
                Format::Table | Format::Wide | Format::Yaml | Format::Name => {
                    wire.console.data(serde_saphyr::to_string(&document).unwrap_or_default().trim_end())?;
                }
                Format::Json | Format::Jsonl => wire.console.document(&document)?,
            }
            Ok(Code::Ok)
        }
        Action::Enable { names } => set(wire, &all, names, Mode::Enabled, "enabled").await,
        Action::Disable { names } => set(wire, &all, names, Mode::Disabled, "disabled").await,
    }
}

async fn all(store: &dyn Store) -> Result<Vec<Found>> {
    let mut out = Vec::new();
    for manifest in store.list_manifests("Sensor", None).await? {
        let bad = |why: String| Failure::new(Code::Invalid, format!("Sensor {}: {why}", manifest.name));
        let sensor: Sensor =
            serde_json::from_slice(&manifest.body).map_err(|error| bad(error.to_string()))?;
        let status =
            load(store, &manifest.namespace, &manifest.name).await.map_err(|error| bad(error.to_string()))?;
        for template in sensor.spec.triggers.iter().filter_map(|trigger| trigger.template.as_ref()) {
            let name = mode_name(&manifest.name, &template.name);
            let wanted = store.get_manifest(MODE_KIND, &manifest.namespace, &name).await?;
            let wanted = wanted.and_then(|found| serde_json::from_slice::<SetMode>(&found.body).ok());
            out.push(Found {
                namespace: manifest.namespace.clone(),
                sensor: sensor.clone(),
                trigger: template.name.clone(),
                status: status.clone(),
                mode: wanted.map_or(Mode::Enabled, |wanted| wanted.mode),
            });
        }
    }
    Ok(out)
}

fn one<'a>(all: &'a [Found], name: &str) -> Result<&'a Found> {
    let fits = |found: &&Found| match name.rsplit_once('/') {
        Some((sensor, trigger)) => {
            found.trigger == trigger
                && (found.sensor.metadata.name == sensor
                    || format!("{}/{}", found.namespace, found.sensor.metadata.name) == sensor)
        }
        None => found.trigger == name,
    };
    let found: Vec<&Found> = all.iter().filter(fits).collect();
    match found.as_slice() {
        [one] => Ok(one),
        [] => Err(Failure::not_found(format!("no trigger `{name}`")).hint("runner triggers list")),
        _ => Err(Failure::usage(format!("several sensors have a trigger `{name}`: write SENSOR/TRIGGER"))),
    }
}

fn kind(found: &Found) -> String {
    let triggers = found.sensor.spec.triggers.iter().filter_map(|trigger| trigger.template.as_ref());
    let mine = triggers.into_iter().find(|template| template.name == found.trigger);
    mine.map(|template| template.kinds().join(",")).unwrap_or_default()
}

/// How often what happened to it; nothing while no daemon has driven its sensor.
fn counts(found: &Found) -> TriggerCounts {
    found.status.triggers.get(&found.trigger).map(|state| state.counts).unwrap_or_default()
}

/// The sources of its own dependencies.
fn listens(found: &Found) -> String {
    let triggers = found.sensor.spec.triggers.iter().filter_map(|trigger| trigger.template.as_ref());
    let mine = triggers.into_iter().find(|template| template.name == found.trigger);
    let conditions = mine.map(|template| template.conditions.as_str()).unwrap_or_default();
    let conditions = Conditions::parse(conditions).ok();
    let named = |name: &String| conditions.as_ref().is_none_or(|all| all.names().contains(name));
    let dependencies = found.sensor.spec.dependencies.iter().filter(|one| named(&one.name));
    let mut names: Vec<String> =
        dependencies.map(|one| format!("{}/{}", one.event_source_name, one.event_name)).collect();
    names.dedup();
    names.join(" ")
}

fn document(found: &Found) -> Value {
    let (counts, mine) = (found.status.counts, counts(found));
    json!({
        "namespace": found.namespace,
        "sensor": found.sensor.metadata.name,
        "trigger": found.trigger,
        "type": kind(found),
        "listensTo": listens(found),
        "mode": format!("{:?}", found.mode).to_lowercase(),
        "counts": {
            "matched": mine.matched,
            "dropped": mine.dropped,
            "fired": mine.fired,
            "failed": mine.failed,
            "lastFired": mine.last_fired.map(|at| at.to_string()),
        },
        "ofSensor": {
            "events": counts.events,
            "fired": counts.fired,
            "succeeded": counts.succeeded,
            "failed": counts.failed,
            "withheld": counts.withheld,
        },
    })
}

fn list(wire: &Wire, all: &[Found]) -> Result {
    let console = &wire.console;
    let documents: Vec<Value> = all.iter().map(document).collect();
    match console.format() {
        Format::Json | Format::Jsonl | Format::Yaml => console.documents(&documents)?,
        Format::Name => {
            console.lines(all.iter().map(|one| format!("{}/{}", one.sensor.metadata.name, one.trigger)))?
        }
        Format::Table | Format::Wide => {
            let mut table = Table::new(&[
                "NAMESPACE",
                "SENSOR",
                "TRIGGER",
                "TYPE",
                "MODE",
                "MATCHED",
                "DROPPED",
                "FIRED",
                "FAILED",
                "LAST",
                "LISTENS TO",
            ]);
            for one in all {
                let counts = counts(one);
                let last = counts.last_fired.map(|at| time::age(wire.now().duration_since(at)));
                table.row([
                    one.namespace.clone(),
                    one.sensor.metadata.name.clone(),
                    one.trigger.clone(),
                    kind(one),
                    format!("{:?}", one.mode).to_lowercase(),
                    counts.matched.to_string(),
                    counts.dropped.to_string(),
                    counts.fired.to_string(),
                    counts.failed.to_string(),
                    last.unwrap_or_default(),
                    listens(one),
                ]);
            }
            console.lines(table.lines(console.headers))?;
        }
    }
    if !Settings::load()?.fuses.cicd {
        console.hint(GATED);
    }
    Ok(Code::Ok)
}

async fn set(wire: &Wire, all: &[Found], names: &[String], mode: Mode, word: &str) -> Result {
    let mut results = Results::new(&wire.console);
    for name in names {
        let found = one(all, name)?;
        let wanted = SetMode {
            sensor: format!("{}/{}", found.namespace, found.sensor.metadata.name),
            trigger: found.trigger.clone(),
            mode,
            by: super::who(),
        };
        let manifest =
            wanted.manifest(wire.now()).map_err(|error| Failure::new(Code::Failed, error.to_string()))?;
        wire.existing_or_fail().await?.put_manifest(manifest).await?;
        results.add("Trigger", &found.trigger, word, &format!("trigger '{}' {word}", found.trigger))?;
    }
    results.finish()?;
    Ok(Code::Ok)
}
