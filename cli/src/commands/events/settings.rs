//! `config.toml`: the fuses, and how the daemon listens. `[fuses] cicd` is false unless a file says otherwise: then events
//! are recorded and explained, and nothing is executed.
//! Opens nothing.

use std::path::{Path, PathBuf};

use runner_sensors::machine::Gate;
use serde::Deserialize;

use crate::exit::{Code, Failure, Result};

/// What is said where nothing is executed.
pub(crate) const GATED: &str =
    "[fuses] cicd is false: events are recorded and explained, nothing is executed (set it in config.toml)";

/// The file. Other sections belong to others.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Settings {
    /// What may be executed.
    pub(crate) fuses: Fuses,
    /// The daemon.
    pub(crate) events: Events,
}

/// What may be executed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Fuses {
    /// Whether triggers are performed.
    pub(crate) cicd: bool,
}

/// The daemon.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Events {
    /// Address to listen on.
    pub(crate) listen: Option<String>,
    /// Days for which events are kept.
    pub(crate) retention_days: Option<i64>,
    /// Requests of one address in a second; 0 is any number.
    pub(crate) requests_per_second: Option<u32>,
    /// Sources of `/webhooks/SOURCE` that need no secret although other machines reach the daemon.
    pub(crate) open_webhooks: Vec<String>,
    /// `atLeastOnce: false` means as little as it does to Argo Events: one try, no dlqTrigger.
    pub(crate) fire_and_forget: bool,
}

impl Settings {
    /// Reads `./config.toml`, else the user's.
    pub(crate) fn load() -> Result<Self> {
        let home = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|dir| dir.is_absolute());
        let home = home.or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".config")));
        let places = [Some(PathBuf::from("config.toml")), home.map(|dir| dir.join("runner/config.toml"))];
        for path in places.into_iter().flatten() {
            let text = match std::fs::read_to_string(&path) {
                Ok(text) => text,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(Failure::usage(format!("{}: {error}", path.display()))),
            };
            return toml::from_str(&text)
                .map_err(|error| Failure::new(Code::Usage, format!("{}: {error}", path.display())));
        }
        Ok(Self::default())
    }

    /// Whether triggers are performed.
    pub(crate) fn gate(&self) -> Gate {
        if self.fuses.cicd { Gate::Open } else { Gate::Closed }
    }
}
