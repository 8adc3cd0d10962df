//! What people want of triggers (`runner triggers disable`), kept as manifests so that it holds without a daemon.
//! Takes no turn: the driver tells the machine.

use std::collections::BTreeMap;

use jiff::Timestamp;
use runner_sensors::machine::Mode;
use runner_store::{Catalog, NewManifest, Store};
use serde::{Deserialize, Serialize};

use super::error::{Error, Result};

/// Kind of the manifests.
pub const MODE_KIND: &str = "TriggerMode";

/// What somebody wants of a trigger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SetMode {
    /// `<namespace>/<name>` of the sensor.
    pub sensor: String,
    /// Name of the trigger.
    pub trigger: String,
    /// What it does with events from now on.
    pub mode: Mode,
    /// Who wants it.
    pub by: String,
}

/// Name of the manifest of a trigger.
#[must_use]
pub fn mode_name(sensor: &str, trigger: &str) -> String {
    format!("{sensor}.{trigger}")
}

impl SetMode {
    /// The manifest.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn manifest(&self, at: Timestamp) -> Result<NewManifest> {
        let (namespace, name) = self.sensor.split_once('/').unwrap_or(("", &self.sensor));
        let bad =
            |error: serde_json::Error| Error::Manifest { name: self.sensor.clone(), why: error.to_string() };
        Ok(NewManifest {
            kind: MODE_KIND.to_owned(),
            namespace: namespace.to_owned(),
            name: mode_name(name, &self.trigger),
            body: serde_json::to_vec(self).map_err(bad)?,
            source: String::new(),
            at,
        })
    }
}

/// Everything that is wanted, by sensor and trigger.
pub(super) async fn all(store: &dyn Store) -> Result<BTreeMap<String, SetMode>> {
    let mut out = BTreeMap::new();
    for manifest in Catalog::list_manifests(store, MODE_KIND, None).await? {
        let bad = |error: serde_json::Error| Error::Manifest {
            name: manifest.name.clone(),
            why: error.to_string(),
        };
        let mode: SetMode = serde_json::from_slice(&manifest.body).map_err(bad)?;
        out.insert(mode_name(&mode.sensor, &mode.trigger), mode);
    }
    Ok(out)
}
