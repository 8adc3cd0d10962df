//! THE LANGUAGE OF EVENTS and the machine that decides on them: Argo Events' kinds, filters, transforms, parameters.
//! Pure: no clock, no network, no files; what acts on a decision is in `runner-events`.
//!
//! - [`load`]: EventSource, EventBus and Sensor out of manifests, of the types in [`spec`]; [`kinds`]: their types by
//!   name; [`validate`]: whether they make sense.
//! - [`event`]: an event; [`filter`]: whether it counts for a dependency and why; [`transform`]: how it changes before.
//! - [`conditions`]: which dependencies a trigger needs; [`parameter`] and [`trigger`]: what a firing will do.
//! - [`devctl`]: triggers in one file, in the style of `devctl events`.
//! - [`forges`]: what a webhook at GitHub or GitLab is made of.
//! - [`path`], [`dest`], [`template`], [`jq`], [`lua`]: the languages in which values are read, written and computed.
//! - [`schedule`]: when clocks are due (the language of CronWorkflows); [`duration`]: Go's durations.

pub use runner_workflows::schedule;

mod base64;
pub mod conditions;
pub mod dest;
pub mod devctl;
pub mod duration;
pub mod event;
pub mod filter;
pub mod forges;
pub mod jq;
pub mod kinds;
pub mod load;
pub mod lua;
pub mod machine;
pub mod parameter;
pub mod path;
pub mod selector;
pub mod source_filter;
pub mod spec;
pub mod template;
pub mod transform;
pub mod trigger;
pub mod validate;
