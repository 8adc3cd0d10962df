//! Triggers in the style of `devctl events`: one file with sources, conditions and templates instead of three kinds.
//! Does not listen, store or start anything: it reads the file, and says which triggers an event is for and why.
//!
//! - [`config`]: the file; [`check`]: whether it makes sense.
//! - [`event`]: what a provider sent, and the fields that conditions look at.
//! - [`route`]: which triggers match, clause by clause; [`render`]: their variables.
//! - [`dedup`]: what makes two deliveries the same.

pub mod config;
pub mod dedup;
pub mod event;
mod normalize;
mod router;
mod rules;
mod templates;

pub use config::{Config, Trigger, read};
pub use event::DevctlEvent;
pub use normalize::{SOURCES, normalize};
pub use router::{Routed, route};
pub use rules::check;
pub use templates::render;

#[cfg(test)]
mod tests;
