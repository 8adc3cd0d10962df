//! The types of what a user writes: EventSource, EventBus, Sensor.
//! Holds data only: reading with positions is in `load`, meaning is in `validate` and in the machine.
//!
//! Field names are those of the `argoproj.io/v1alpha1` API of Argo Events.

mod amount;
mod cloud_sources;
mod common;
mod event_bus;
mod event_source;
mod message_sources;
mod other_sources;
mod sensor;
mod trigger;
mod trigger_kinds;
mod web_sources;

pub use amount::Amount;
pub use cloud_sources::*;
pub use common::*;
pub use event_bus::*;
pub use event_source::*;
pub use message_sources::*;
pub use other_sources::*;
pub use sensor::*;
pub use trigger::*;
pub use trigger_kinds::*;
pub use web_sources::*;

/// Serde helper: leaves default values out of the serialized form.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
