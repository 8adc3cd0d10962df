//! What we read in an Application: its operation, its sync status and its health.
//! Keeps no document and asks nobody.

use jiff::Timestamp;
use serde_json::Value;

use super::calls::INFO;

/// An application as Argo CD shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct View {
    /// Asked for and not begun yet (`operation`).
    pub(super) requested: bool,
    /// The last operation.
    pub(super) operation: Option<Operation>,
    /// `Synced`, `OutOfSync` or `Unknown`.
    pub(super) sync: String,
    /// The revision that was compared with.
    pub(super) revision: String,
    /// `Healthy`, `Progressing`, `Degraded`, `Suspended`, `Missing` or `Unknown`.
    pub(super) health: String,
    /// Why it is not healthy: the application's own message, or those of its resources.
    pub(super) why: String,
    /// When Argo CD last compared.
    pub(super) reconciled: Option<Timestamp>,
}

/// The operation that runs or ran last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Operation {
    /// `Running`, `Terminating`, `Succeeded`, `Failed` or `Error`.
    pub(super) phase: String,
    /// What Argo CD says about it.
    pub(super) message: String,
    /// The step that asked for it.
    pub(super) key: Option<String>,
    /// The revision that was asked for.
    pub(super) wanted: String,
    /// The revision that was applied.
    pub(super) revision: String,
    /// When it ended.
    pub(super) finished: Option<Timestamp>,
}

impl Operation {
    /// It has not ended.
    pub(super) fn runs(&self) -> bool {
        matches!(self.phase.as_str(), "Running" | "Terminating" | "")
    }
}

impl View {
    pub(super) fn new(app: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let time = |value: &Value| value.as_str().and_then(|text| text.parse().ok());
        let status = &app["status"];
        let state = &status["operationState"];
        let operation = state.is_object().then(|| Operation {
            phase: text(&state["phase"]),
            message: text(&state["message"]),
            key: key(&state["operation"]),
            wanted: text(&state["operation"]["sync"]["revision"]),
            revision: text(&state["syncResult"]["revision"]),
            finished: time(&state["finishedAt"]),
        });
        let mut why = text(&status["health"]["message"]);
        let resources = status["resources"].as_array().map(Vec::as_slice).unwrap_or_default();
        for resource in resources {
            let health = &resource["health"];
            if matches!(health["status"].as_str(), Some("Degraded" | "Missing" | "Unknown"))
                && why.len() < 800
            {
                let (kind, name) = (text(&resource["kind"]), text(&resource["name"]));
                let line = format!("{kind}/{name} {}: {}", text(&health["status"]), text(&health["message"]));
                why = if why.is_empty() { line } else { format!("{why}; {line}") };
            }
        }
        Self {
            requested: app["operation"].is_object(),
            operation,
            sync: text(&status["sync"]["status"]),
            revision: text(&status["sync"]["revision"]),
            health: text(&status["health"]["status"]),
            why,
            reconciled: time(&status["reconciledAt"]),
        }
    }

    /// For people.
    pub(super) fn shown(&self) -> String {
        let why = if self.why.is_empty() { String::new() } else { format!(" ({})", self.why) };
        let word = |text: &str| if text.is_empty() { "Unknown".to_owned() } else { text.to_owned() };
        format!("{} and {}{why}", word(&self.sync), word(&self.health))
    }
}

fn key(operation: &Value) -> Option<String> {
    let infos = operation["info"].as_array()?;
    let own = infos.iter().find(|info| info["name"] == INFO)?;
    own["value"].as_str().map(str::to_owned)
}
