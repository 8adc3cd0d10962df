//! Typed templates (http, data, resource, plugin) as processes of this binary: `runner __step KIND ORDER REPORT`.
//! Does none of their work: it writes the order that such a process reads, and names the report it leaves.
//!
//! A typed step is a process step like every other: same supervisor, same record, same logs, cancel and
//! timeout. Values of Secrets are not in the order: they are variables of the process, and the order says
//! which variable holds which key.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use runner_workflows::spec::{Outputs, Template, TemplateKind};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{AttemptSpec, Cluster, Error, ExitPhase, Objects};

/// The word after which kind, order and report of a typed step follow.
pub const COMMAND: &str = "__step";
/// Where the order is placed.
pub(crate) const ORDER_PATH: &str = "/argo/staging/order.json";
/// Where the report is expected.
pub(crate) const REPORT_PATH: &str = "/argo/staging/report.json";
/// Where the paths of a data template are placed: a JSON list of keys.
pub(crate) const PATHS_PATH: &str = "/argo/staging/paths.json";
/// Variable with the token of a plugin server.
pub(crate) const TOKEN_VARIABLE: &str = "RUNNER_PLUGIN_TOKEN";

/// What a typed step is to do. JSON in a private file of the step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Order {
    /// The template, fully substituted; references to Secrets are still references.
    pub template: Template,
    /// Identity of the node over all its executions (`RUNNER_STEP_KEY`, P4).
    pub step_key: String,
    /// Number of this execution under the step key, from 0.
    pub attempt: u32,
    /// Name of the workflow.
    pub workflow: String,
    /// Unique id of the workflow.
    pub workflow_uid: String,
    /// Namespace of the workflow.
    pub namespace: String,
    /// Id of the node.
    pub node_id: String,
    /// Name of the pod as Argo would call it.
    pub pod_name: String,
    /// Which variable holds which key of a Secret or ConfigMap.
    pub values: Vec<ValueVariable>,
    /// The server of an executor plugin, when one is configured for the template's plugin.
    pub server: Option<ServerOrder>,
    /// What http steps may reach.
    pub http: HttpPolicy,
    /// The cluster that steps about Kubernetes speak to.
    pub cluster: Cluster,
}

/// A variable of the step that holds a value of a Secret or ConfigMap.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ValueVariable {
    /// Name of the object.
    pub name: String,
    /// Key in it.
    pub key: String,
    /// It is a Secret, not a ConfigMap.
    pub secret: bool,
    /// The variable; absent when the reference is optional and there is no such key.
    pub variable: Option<String>,
}

/// Where the server of an executor plugin is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServerOrder {
    /// Its address.
    pub url: String,
    /// Variable that holds its bearer token.
    pub token_variable: Option<String>,
}

/// Settings of an executor plugin's server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PluginServer {
    /// Its address; `/api/v1/template.execute` is appended.
    pub url: String,
    /// File with its bearer token, as Argo mounts it at `/var/run/argo/token`.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
}

/// What http steps may reach (V27).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpPolicy {
    /// Refuse loopback, private, shared and otherwise local addresses. Off by default: local services are
    /// what a workflow on a laptop talks to.
    pub deny_private: bool,
    /// Allow link-local addresses, where clouds serve credentials. Refused by default.
    pub allow_link_local: bool,
}

/// Settings of typed steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypedConfig {
    /// The binary that knows `__step`. Like the supervisor, it is the running one unless said otherwise.
    pub program: PathBuf,
    /// Servers of executor plugins, by the name under the template's `plugin`.
    pub plugins: BTreeMap<String, PluginServer>,
    /// What http steps may reach.
    pub http: HttpPolicy,
    /// The cluster that steps about Kubernetes speak to.
    pub cluster: Cluster,
}

impl Default for TypedConfig {
    fn default() -> Self {
        let program = PathBuf::from("/proc/self/exe");
        Self { program, plugins: BTreeMap::new(), http: HttpPolicy::default(), cluster: Cluster::default() }
    }
}

/// What a typed step leaves behind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The phase of the node.
    pub phase: ExitPhase,
    /// Its message.
    #[serde(default)]
    pub message: String,
    /// Result, parameters and artifacts with locations.
    #[serde(default)]
    pub outputs: Outputs,
}

/// A typed step, ready to be made a process.
pub(crate) struct Typed {
    pub(crate) argv: Vec<String>,
    pub(crate) order: String,
    /// Variables in addition to those of every step.
    pub(crate) env: Vec<(String, String)>,
}

/// The word for a typed template; nothing for the others.
pub fn kind(template: &Template) -> Option<&'static str> {
    match template.kind()? {
        TemplateKind::Http => Some("http"),
        TemplateKind::Data => Some("data"),
        TemplateKind::Resource => Some("resource"),
        TemplateKind::Plugin => Some("plugin"),
        TemplateKind::Container
        | TemplateKind::Script
        | TemplateKind::ContainerSet
        | TemplateKind::Steps
        | TemplateKind::Dag
        | TemplateKind::Suspend => None,
    }
}

/// Writes the order of a typed step.
pub(crate) fn typed(
    kind: &str,
    spec: &AttemptSpec,
    attempt: u32,
    config: &TypedConfig,
    objects: &dyn Objects,
) -> Result<Typed, Error> {
    let template = &spec.template;
    let mut env = Vec::new();
    let order = Order {
        template: template.clone(),
        step_key: spec.step_key.clone(),
        attempt,
        workflow: spec.workflow.clone(),
        workflow_uid: spec.id.workflow_uid.clone(),
        namespace: spec.namespace.clone(),
        node_id: spec.id.node_id.clone(),
        pod_name: spec.pod_name.clone(),
        values: values(template, &spec.namespace, objects, &mut env)?,
        server: server(template, config, &mut env)?,
        http: config.http,
        cluster: config.cluster.clone(),
    };
    let mut argv = vec![
        config.program.to_string_lossy().into_owned(),
        COMMAND.to_owned(),
        kind.to_owned(),
        ORDER_PATH.to_owned(),
        REPORT_PATH.to_owned(),
    ];
    if kind == "data" {
        argv.push(format!("in:data={PATHS_PATH}"));
    }
    // As words of their own they are rewritten where paths are remapped.
    let placed = |which: &'static str, artifacts: &[runner_workflows::spec::Artifact]| {
        let with_path = artifacts.iter().filter(|artifact| !artifact.path.is_empty());
        with_path.map(|artifact| format!("{which}:{}={}", artifact.name, artifact.path)).collect::<Vec<_>>()
    };
    argv.extend(placed("in", &template.inputs.artifacts));
    argv.extend(placed("out", &template.outputs.artifacts));
    let order = serde_json::to_string(&order).map_err(|error| Error::Invalid(error.to_string()))?;
    Ok(Typed { argv, order, env })
}

fn server(
    template: &Template,
    config: &TypedConfig,
    env: &mut Vec<(String, String)>,
) -> Result<Option<ServerOrder>, Error> {
    let Some(name) = plugin_name(template) else { return Ok(None) };
    let Some(server) = config.plugins.get(&name) else { return Ok(None) };
    let mut token_variable = None;
    if let Some(file) = &server.token_file {
        let token = std::fs::read_to_string(file).map_err(|error| {
            Error::Missing(format!("token of plugin {name:?}: {}: {error}", file.display()))
        })?;
        env.push((TOKEN_VARIABLE.to_owned(), token.trim().to_owned()));
        token_variable = Some(TOKEN_VARIABLE.to_owned());
    }
    Ok(Some(ServerOrder { url: server.url.clone(), token_variable }))
}

/// A Go duration such as `1m30s`; nothing when it is none. `0` is zero, as in Go.
pub fn go_duration(text: &str) -> Option<std::time::Duration> {
    let known = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'h' | b'm' | b's'));
    let ms = crate::process::milliseconds(text);
    (known && !text.is_empty() && (ms > 0 || text.trim_matches(['0', 's']).is_empty()))
        .then(|| std::time::Duration::from_millis(ms))
}

/// The one key of a template's `plugin`.
pub fn plugin_name(template: &Template) -> Option<String> {
    let plugin = serde_json::to_value(template.plugin.as_ref()?).ok()?;
    plugin.as_object()?.keys().next().cloned()
}

/// Fetches what the template refers to by `secretKeyRef` and `configMapKeyRef`, wherever in it.
fn values(
    template: &Template,
    namespace: &str,
    objects: &dyn Objects,
    env: &mut Vec<(String, String)>,
) -> Result<Vec<ValueVariable>, Error> {
    let work = [
        serde_json::to_value(&template.http),
        serde_json::to_value(&template.plugin),
        serde_json::to_value(&template.resource),
    ];
    let mut found = BTreeSet::new();
    for part in work.into_iter().flatten() {
        references(&part, &mut found);
    }
    let mut variables = Vec::new();
    for (number, reference) in found.into_iter().enumerate() {
        let Reference { secret, name, key, optional } = reference;
        let what = if secret { "Secret" } else { "ConfigMap" };
        let value = match secret {
            true if optional => objects.secret_value(namespace, &name, &key)?,
            true => Some(objects.need_secret(namespace, &name, &key)?),
            false => None,
        };
        let value = match value {
            Some(value) => value.expose_text().map(str::to_owned),
            None if secret => None,
            None => objects.config_map(namespace, &name)?.and_then(|mut data| data.remove(&key)),
        };
        let variable = match value {
            Some(value) => {
                let variable = format!("RUNNER_VALUE_{number}");
                env.push((variable.clone(), value));
                Some(variable)
            }
            None if optional => None,
            None => return Err(Error::Missing(format!("{what} {name:?} with key {key:?} does not exist"))),
        };
        variables.push(ValueVariable { name, key, secret, variable });
    }
    Ok(variables)
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Reference {
    secret: bool,
    name: String,
    key: String,
    optional: bool,
}

fn references(value: &Value, found: &mut BTreeSet<Reference>) {
    match value {
        Value::Object(map) => {
            for (word, secret) in [("secretKeyRef", true), ("configMapKeyRef", false)] {
                if let Some(reference) = map.get(word).and_then(|inner| reference(inner, secret)) {
                    found.insert(reference);
                }
            }
            map.values().for_each(|inner| references(inner, found));
        }
        Value::Array(list) => list.iter().for_each(|inner| references(inner, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn reference(value: &Value, secret: bool) -> Option<Reference> {
    let text = |field: &str| value.get(field).and_then(Value::as_str).map(str::to_owned);
    let optional = value.get("optional").and_then(Value::as_bool).unwrap_or(false);
    Some(Reference { secret, name: text("name")?, key: text("key")?, optional })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    struct OneSecret;

    impl Objects for OneSecret {
        fn config_map(&self, _: &str, _: &str) -> Result<Option<BTreeMap<String, String>>, Error> {
            Ok(None)
        }
        fn secret(&self, namespace: &str, name: &str) -> Result<Option<crate::SecretData>, Error> {
            let data = BTreeMap::from([("token".to_owned(), crate::SecretValue::new("hush"))]);
            Ok((namespace == "ns" && name == "forge").then_some(data))
        }
    }

    fn template(plugin: Value) -> Template {
        serde_json::from_value(serde_json::json!({"name": "t", "plugin": plugin})).unwrap()
    }

    #[test]
    fn v33_values_of_secrets_are_variables_and_not_in_the_order() {
        let plugin =
            serde_json::json!({"git": {"auth": [{"secretKeyRef": {"name": "forge", "key": "token"}}]}});
        let mut env = Vec::new();
        let found = values(&template(plugin), "ns", &OneSecret, &mut env).unwrap();
        assert_eq!(env, vec![("RUNNER_VALUE_0".to_owned(), "hush".to_owned())]);
        assert_eq!(found[0].variable.as_deref(), Some("RUNNER_VALUE_0"));
        assert!(!serde_json::to_string(&found).unwrap().contains("hush"));
    }

    #[test]
    fn a_missing_key_is_an_error_unless_it_is_optional() {
        let plugin = |optional: bool| {
            template(serde_json::json!({"git": {"t": {"secretKeyRef":
                {"name": "other", "key": "token", "optional": optional}}}}))
        };
        let mut env = Vec::new();
        assert!(values(&plugin(false), "ns", &OneSecret, &mut env).is_err());
        assert_eq!(values(&plugin(true), "ns", &OneSecret, &mut env).unwrap()[0].variable, None);
        assert!(env.is_empty());
    }
}
