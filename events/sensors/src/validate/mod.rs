//! Whether EventSources, EventBuses and Sensors make sense: Argo Events' own rules and those that would only show later.
//! Does not read files, and does not look up what is referenced: [`Known`] says what exists.

mod bus;
mod data;
mod effect;
mod forge;
mod known;
mod parameters;
mod report;
mod sensor;
mod source;
mod source_parts;
mod trigger;
mod trigger_kinds;

use runner_workflows::diagnostic::Diagnostic;

pub use known::Known;
pub use report::At;

use crate::load::Object;
use crate::spec::EventBus;
use report::Report;

/// Everything that is wrong or worth knowing about an object by itself. `bus` is the EventBus of a sensor, if it is
/// known: NATS Streaming allows an event only once in a sensor.
#[must_use]
pub fn validate(object: &Object, bus: Option<&EventBus>) -> Vec<Diagnostic> {
    match object {
        Object::EventSource(doc) => {
            let mut report = Report::new(object, &doc.origin);
            source::check(&mut report, &doc.object);
            effect::event_source(&mut report, &doc.object);
            report.out
        }
        Object::EventBus(doc) => {
            let mut report = Report::new(object, &doc.origin);
            bus::check(&mut report, &doc.object);
            effect::event_bus(&mut report, &doc.object);
            report.out
        }
        Object::Sensor(doc) => {
            let mut report = Report::new(object, &doc.origin);
            sensor::check(&mut report, &doc.object, bus);
            effect::sensor(&mut report, &doc.object);
            report.out
        }
    }
}

/// What an object refers to and does not exist: event sources and events (warnings: they may be applied later),
/// WorkflowTemplates (errors: the trigger could only fail).
#[must_use]
pub fn references(object: &Object, known: &Known) -> Vec<Diagnostic> {
    match object {
        Object::Sensor(doc) => {
            let mut report = Report::new(object, &doc.origin);
            known::sensor(&mut report, &doc.object, known);
            report.out
        }
        Object::EventSource(doc) => {
            let mut report = Report::new(object, &doc.origin);
            known::bus_of(
                &mut report,
                &doc.object.metadata.namespace,
                &doc.object.spec.event_bus_name,
                known,
            );
            report.out
        }
        Object::EventBus(_) => Vec::new(),
    }
}
