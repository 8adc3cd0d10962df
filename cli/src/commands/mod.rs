//! One file per command: its flags, and what it does with them.
//! No logic of the engine lives here.

pub mod apply;
pub mod cluster_template;
pub mod completion;
pub mod control;
pub mod convert;
pub mod cron;
pub mod db;
pub mod delete;
pub mod demo;
pub mod engine;
pub mod events;
pub mod fmt;
pub mod get;
pub mod graph;
pub mod lint;
pub mod list;
pub mod logs;
pub mod node;
pub mod plan;
pub mod resubmit;
pub mod resume;
pub mod retry;
pub mod secret;
pub mod submit;
pub mod sync;
pub mod template;
pub mod triggers;
pub mod version;
pub mod wait;
pub mod watch;

use std::path::Path;

use jiff::SignedDuration;
use runner_controller::Executor;

use crate::exit::{Code, Failure, Result};
use crate::output::time;

/// Reads `name=value`.
///
/// # Errors
/// A text for clap.
pub(crate) fn pair(text: &str) -> std::result::Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        Some(_) | None => Err("write name=value".to_owned()),
    }
}

/// Reads a phase of workflows, however it is capitalised.
///
/// # Errors
/// A text for clap.
pub(crate) fn phase(text: &str) -> std::result::Result<String, String> {
    let known = ["Pending", "Running", "Succeeded", "Failed", "Error"];
    let found = known.iter().find(|phase| phase.eq_ignore_ascii_case(text));
    found.map(|&phase| phase.to_owned()).ok_or_else(|| format!("use one of {}", known.join(", ")))
}

/// Reads the name of an executor for clap.
///
/// # Errors
/// A text for clap.
pub(crate) fn executor(text: &str) -> std::result::Result<Executor, String> {
    text.parse()
}

/// Reads a duration for clap.
///
/// # Errors
/// A text for clap.
pub(crate) fn duration(text: &str) -> std::result::Result<SignedDuration, String> {
    time::parse(text)
}

/// Reads a file of parameters: a map of names to values, YAML or JSON.
pub(crate) fn parameter_file(path: &Path) -> Result<Vec<(String, String)>> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Failure::not_found(format!("{shown}: no such file")),
        _ => Failure::usage(format!("{shown}: {error}")),
    })?;
    let bad = |why: String| Failure::new(Code::Invalid, format!("{shown}: {why}"));
    let value: serde_json::Value = serde_saphyr::from_str(&text).map_err(|error| bad(error.to_string()))?;
    let serde_json::Value::Object(map) = value else {
        return Err(bad("a file of parameters is a map of names to values".to_owned()));
    };
    let text_of = |value: serde_json::Value| match value {
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    };
    Ok(map.into_iter().map(|(name, value)| (name, text_of(value))).collect())
}

/// Labels for `-l key=value` of `submit`.
pub(crate) fn labels(given: &[String]) -> Result<std::collections::BTreeMap<String, String>> {
    let parts = given.iter().flat_map(|text| text.split(',')).filter(|part| !part.is_empty());
    parts.map(|part| pair(part).map_err(|why| Failure::usage(format!("-l {part}: {why}")))).collect()
}

/// Who gives a command, for the journal: the user's name, as the system knows it.
pub(crate) fn who() -> String {
    let from_env =
        ["USER", "LOGNAME"].iter().filter_map(|name| std::env::var(name).ok()).find(|name| !name.is_empty());
    from_env.unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
}
