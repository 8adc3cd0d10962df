//! What a sensor would do with an event, without doing or keeping anything: `runner events test`.
//! Asks the same machine that the driver asks.

use jiff::Timestamp;
use runner_sensors::event::{Event as Seen, Events};
use runner_sensors::filter;
use runner_sensors::machine::{Compat, Firing, Gate, Input, Status, advance};
use runner_sensors::spec::{Sensor, TriggerTemplate};

use super::judge::verdict;
use crate::bus::{Event, Verdict};
use crate::triggers::event_of;

/// What a sensor says.
#[derive(Clone, Debug)]
pub struct Explained {
    /// Its verdict.
    pub verdict: Verdict,
    /// What would fire.
    pub firings: Vec<(String, Firing)>,
}

/// Lets a sensor that has seen nothing judge one event.
///
/// # Errors
/// A sentence for people: the machine refused, which is a mistake of ours.
pub fn explain(sensor: &Sensor, namespace: &str, event: &Event, now: Timestamp) -> Result<Explained, String> {
    let mut status = Status::default();
    let apply = Input::Apply {
        namespace: namespace.to_owned(),
        name: sensor.metadata.name.clone(),
        generation: "test".to_owned(),
        spec: Box::new(sensor.spec.clone()),
        compat: Compat::default(),
    };
    advance(&mut status, apply, now).map_err(|error| error.to_string())?;
    let arrived = Input::Arrived { seq: 1, event: event_of(event), gate: Gate::Open };
    let facts = advance(&mut status, arrived, now).map_err(|error| error.to_string())?;
    let verdict = verdict(&status, &facts, Gate::Open);
    Ok(Explained { verdict, firings: status.firings.into_iter().collect() })
}

/// The events of a firing of one event, transformed as its dependencies say.
#[must_use]
pub fn events(firing: &Firing, event: &Event) -> Events {
    let seen: Seen = event_of(event);
    let transformed = |name: &String| {
        let dependency = firing.spec.dependencies.iter().find(|dependency| dependency.name == *name);
        let event = dependency.map_or_else(|| seen.clone(), |dependency| filter::admit(dependency, &seen).0);
        (name.clone(), event)
    };
    firing.events.keys().map(transformed).collect()
}

/// The template of a firing with the trigger's own parameters in it.
///
/// # Errors
/// A sentence for people: a parameter without a value.
pub fn template(firing: &Firing, events: &Events) -> Result<TriggerTemplate, String> {
    let definition = firing.definition().ok_or("the trigger is gone")?;
    runner_sensors::trigger::template(definition, events)
}
