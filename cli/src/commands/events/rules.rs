//! A configuration file in the style of devctl, with the workflows that it names, which lie beside it.
//! Starts nothing.

use std::collections::BTreeMap;
use std::path::Path;

use runner_events::devctl::Rules;
use runner_sensors::devctl::{check, read};
use runner_workflows::parse::Manifest;

use crate::exit::{Code, Failure, Result};
use crate::manifests::{Loaded, report};
use crate::wire::Wire;

/// Reads the file and its workflows.
///
/// # Errors
/// Exit code 3 when anything is wrong with them, 4 when a file does not exist.
pub(super) fn load(wire: &Wire, path: &Path) -> Result<Rules> {
    let text = std::fs::read_to_string(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Failure::not_found(format!("{}: no such file", path.display())),
        _ => Failure::usage(format!("{}: {error}", path.display())),
    })?;
    let (document, mut problems) = read(&path.display().to_string(), &text);
    problems.extend(document.iter().flat_map(check));
    let mut workflows = BTreeMap::new();
    let beside = path.parent().unwrap_or(Path::new("."));
    for trigger in document.iter().flat_map(|document| &document.object.triggers) {
        if workflows.contains_key(&trigger.workflow) {
            continue;
        }
        let loaded = Loaded::read(&[beside.join(&trigger.workflow)], false)?;
        problems.extend(loaded.diagnostics);
        let found = loaded.manifests.into_iter().find_map(|manifest| match manifest {
            Manifest::Workflow(document) => Some(document.object),
            _ => None,
        });
        let missing =
            || Failure::new(Code::Invalid, format!("{}: there is no Workflow in it", trigger.workflow));
        workflows.insert(trigger.workflow.clone(), found.ok_or_else(missing)?);
    }
    report(&wire.console, &problems, "nothing was started")?;
    let config = document.map(|document| document.object).unwrap_or_default();
    Ok(Rules { config, namespace: wire.namespace.clone(), workflows })
}
