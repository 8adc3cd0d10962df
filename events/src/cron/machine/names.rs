//! Names that follow from a tick, so that doing it twice finds the first.
//! Deliberately draws nothing: no suffixes.

use jiff::Timestamp;

/// Longest name of a CronWorkflow: its children append eleven characters, as in Argo.
pub const NAME_LIMIT: usize = 52;

/// Name of the workflow of a tick: `<cron>-<seconds since 1970>`, as Argo's.
#[must_use]
pub fn child_name(cron: &str, slot: Timestamp) -> String {
    format!("{cron}-{}", slot.as_second())
}

/// Key under which the workflow of a tick is submitted: a second submit answers the first one's workflow.
#[must_use]
pub fn idempotency_key(namespace: &str, cron: &str, slot: Timestamp) -> String {
    format!("cron/{namespace}/{cron}/{}", slot.as_second())
}
