//! The resource that a firing is about, wherever it comes from, with the parameters in it.
//! Makes nothing of it.

use runner_runners::Objects;
use runner_sensors::event::Events;
use runner_sensors::parameter::Tainted;
use runner_sensors::spec::TriggerTemplate;
use runner_sensors::trigger;
use serde_json::Value;

use super::Failed;

/// A resource with the values of events in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Rendered {
    /// The resource.
    pub resource: Value,
    /// Places of it that got values of events, with these.
    pub tainted: Vec<Tainted>,
}

/// The resource of an `argoWorkflow` or `k8s` trigger.
///
/// # Errors
/// Why there is none.
pub fn render(
    template: &TriggerTemplate,
    events: &Events,
    namespace: &str,
    objects: &dyn Objects,
) -> Result<Rendered, Failed> {
    let (source, parameters) =
        trigger::source(template).ok_or_else(|| Failed::never("the trigger has no source"))?;
    let resource = match trigger::resource(source).map_err(Failed::never)? {
        Some(resource) => resource,
        None if source.configmap.is_some() || source.file.is_some() => {
            trigger::parse("resource", &text(source, namespace, objects)?).map_err(Failed::never)?
        }
        None => {
            let what = if source.git.is_some() {
                "git"
            } else if source.s3.is_some() {
                "s3"
            } else if source.url.is_some() {
                "url"
            } else {
                return Err(Failed::never("the source of the trigger is empty"));
            };
            return Err(Failed::never(format!(
                "resources from {what} are not built in; write it as `resource`"
            )));
        }
    };
    let (resource, tainted) = trigger::render(&resource, parameters, events).map_err(Failed::never)?;
    Ok(Rendered { resource, tainted })
}

fn text(
    source: &runner_sensors::spec::ArtifactLocation,
    namespace: &str,
    objects: &dyn Objects,
) -> Result<String, Failed> {
    if let Some(file) = &source.file {
        return std::fs::read_to_string(&file.path)
            .map_err(|error| Failed::now(format!("file {}: {error}", file.path)));
    }
    let Some(map) = &source.configmap else {
        return Err(Failed::never("the source of the trigger is empty"));
    };
    let found = objects.config_map(namespace, &map.name).map_err(|error| Failed::now(error.to_string()))?;
    let value = found.and_then(|mut data| data.remove(&map.key));
    value.ok_or_else(|| Failed::now(format!("ConfigMap `{}` has no key `{}`", map.name, map.key)))
}
