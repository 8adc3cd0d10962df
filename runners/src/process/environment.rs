//! The environment of a container: the allow-list, then what the template says, with `$(VAR)` expanded.
//! Asks for ConfigMaps and Secrets through a hook; keeps no values.

use runner_workflows::spec::k8s;

use super::prepare::Shape;
use super::secrets::Secrets;
use crate::job::{BIN_PATH, HOME_PATH, PROGRESS_PATH, PROGRESS_VARIABLE};
use crate::runner::ATTEMPT_VARIABLE;
use crate::sweep::VARIABLE;
use crate::{AttemptSpec, Error, Objects};

/// What `fieldRef` can refer to.
pub(super) struct Names<'a> {
    pub(super) spec: &'a AttemptSpec,
    pub(super) host: &'a str,
    /// Marks the processes of the attempt for those who have to find them.
    pub(super) mark: String,
}

/// The variables of a container, later ones win; each name appears once.
pub(super) fn environment(
    shape: &Shape<'_>,
    names: &Names<'_>,
    base: &[(String, String)],
    secrets: &Secrets<'_>,
) -> Result<Vec<(String, String)>, Error> {
    let spec = names.spec;
    let mut env = Env::default();
    for (name, value) in base {
        // Applets come last: whoever has the real programs gets those.
        let value = if name == "PATH" { format!("{value}:{BIN_PATH}") } else { value.clone() };
        env.set(name, value);
    }
    env.set("HOME", HOME_PATH.to_owned());
    env.set("HOSTNAME", spec.pod_name.clone());
    env.set(PROGRESS_VARIABLE, PROGRESS_PATH.to_owned());
    for (name, value) in &spec.env {
        env.set(name, value.clone());
    }
    for source in shape.env_from {
        env_from(source, spec, secrets, &mut env)?;
    }
    for variable in shape.env {
        if let Some(value) = value_of(variable, names, secrets, &env)? {
            env.set(&variable.name, value);
        }
    }
    // The step's identity cannot be taken over by a template (P4).
    env.set("RUNNER_STEP_KEY", spec.step_key.clone());
    let counted = spec.env.iter().find(|(name, _)| name == ATTEMPT_VARIABLE).map(|(_, value)| value.clone());
    env.set(ATTEMPT_VARIABLE, counted.unwrap_or_else(|| spec.id.attempt.to_string()));
    env.set(VARIABLE, names.mark.clone());
    Ok(env.0)
}

#[derive(Default)]
struct Env(Vec<(String, String)>);

impl Env {
    fn set(&mut self, name: &str, value: String) {
        // A name that no environment can hold is left out, as Kubernetes does with envFrom.
        if name.is_empty() || name.contains(['=', '\0']) {
            return;
        }
        self.0.retain(|(known, _)| known != name);
        self.0.push((name.to_owned(), value));
    }
}

fn env_from(
    source: &k8s::EnvFromSource,
    spec: &AttemptSpec,
    secrets: &Secrets<'_>,
    env: &mut Env,
) -> Result<(), Error> {
    let prefix = source.prefix.as_deref().unwrap_or("");
    let mut set = |key: &str, value: String| env.set(&format!("{prefix}{key}"), value);
    if let Some(map) = &source.config_map_ref {
        match secrets.config_map(&spec.namespace, &map.name)? {
            Some(data) => data.into_iter().for_each(|(key, value)| set(&key, value)),
            None if map.optional.unwrap_or(false) => {}
            None => return Err(Error::Missing(format!("ConfigMap {:?} does not exist", map.name))),
        }
    }
    if let Some(secret) = &source.secret_ref {
        let data = secrets.all(&spec.namespace, &secret.name, secret.optional.unwrap_or(false))?;
        for (key, value) in data.into_iter().flatten() {
            set(&key, secrets.text(&secret.name, &key, &value)?);
        }
    }
    Ok(())
}

fn value_of(
    variable: &k8s::EnvVar,
    names: &Names<'_>,
    secrets: &Secrets<'_>,
    env: &Env,
) -> Result<Option<String>, Error> {
    let Some(from) = &variable.value_from else {
        return Ok(Some(expand(variable.value.as_deref().unwrap_or(""), &env.0)));
    };
    let namespace = &names.spec.namespace;
    if let Some(map) = &from.config_map_key_ref {
        let found = secrets.config_map(namespace, &map.name)?.and_then(|mut data| data.remove(&map.key));
        return match found {
            None if !map.optional.unwrap_or(false) => Err(Error::Missing(format!(
                "variable {:?}: ConfigMap {:?} has no key {:?}",
                variable.name, map.name, map.key
            ))),
            found => Ok(found),
        };
    }
    if let Some(secret) = &from.secret_key_ref {
        let found = secrets.one(namespace, &secret.name, &secret.key, secret.optional.unwrap_or(false));
        let found = found.map_err(|error| match error {
            Error::Missing(why) => Error::Missing(format!("variable {:?}: {why}", variable.name)),
            other => other,
        })?;
        return found.map(|value| secrets.text(&secret.name, &secret.key, &value)).transpose();
    }
    if let Some(field) = &from.field_ref {
        return field_value(&field.field_path, names).map(Some);
    }
    if let Some(resource) = &from.resource_field_ref {
        return Err(Error::NotBuiltIn { what: format!("resourceFieldRef {:?}", resource.resource) });
    }
    Ok(Some(String::new()))
}

/// The downward API, as far as a process has such fields.
fn field_value(path: &str, names: &Names<'_>) -> Result<String, Error> {
    let spec = names.spec;
    let map_entry = |rest: &str, map: Option<&std::collections::BTreeMap<String, String>>| {
        let key = rest.trim_start_matches("['").trim_end_matches("']");
        map.and_then(|map| map.get(key)).cloned().unwrap_or_default()
    };
    Ok(match path {
        "metadata.name" => spec.pod_name.clone(),
        "metadata.namespace" => spec.namespace.clone(),
        "metadata.uid" => spec.id.to_string(),
        "spec.nodeName" => names.host.to_owned(),
        "spec.serviceAccountName" => spec.template.service_account_name.clone(),
        "status.podIP" | "status.hostIP" | "status.podIPs" | "status.hostIPs" => "127.0.0.1".to_owned(),
        other => match (other.strip_prefix("metadata.labels"), other.strip_prefix("metadata.annotations")) {
            (Some(rest), _) => map_entry(rest, Some(&spec.template.metadata.labels)),
            (None, Some(rest)) => map_entry(rest, Some(&spec.template.metadata.annotations)),
            (None, None) => return Err(Error::NotBuiltIn { what: format!("fieldRef {other:?}") }),
        },
    })
}

/// Kubernetes' `$(NAME)`: replaced when the variable exists, left alone otherwise. As there, `$$` always
/// becomes `$`, also where a shell would have read it as its process id; script sources are not touched.
pub(super) fn expand(text: &str, env: &[(String, String)]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        if let Some(escaped) = after.strip_prefix('$') {
            out.push('$');
            rest = escaped;
            continue;
        }
        let reference = after.strip_prefix('(').and_then(|inner| inner.split_once(')'));
        let value = reference.and_then(|(name, _)| env.iter().find(|(known, _)| known == name));
        match (reference, value) {
            (Some((_, behind)), Some((_, value))) => {
                out.push_str(value);
                rest = behind;
            }
            (_, _) => {
                out.push('$');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

/// The input parameter that makes a text large, if there is one.
pub(super) fn largest_parameter<'a>(spec: &'a AttemptSpec, text: &str) -> Option<&'a str> {
    let inputs = spec.template.inputs.parameters.iter();
    let large = inputs.filter_map(|p| Some((p.name.as_str(), p.value.as_ref()?.as_str())));
    large
        .filter(|(_, value)| value.len() > 4096 && text.contains(value))
        .max_by_key(|(_, value)| value.len())
        .map(|(name, _)| name)
}

/// A Go duration such as `1m30s` in milliseconds; 0 when it is none.
pub(crate) fn milliseconds(text: &str) -> u64 {
    let mut total = 0.0;
    let mut rest = text.trim();
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let Ok(number) = rest[..digits].parse::<f64>() else { return 0 };
        let unit = &rest[digits..];
        let end = unit.find(|c: char| c.is_ascii_digit()).unwrap_or(unit.len());
        let factor = match &unit[..end] {
            "ms" => 1.0,
            "s" | "" => 1000.0,
            "m" => 60_000.0,
            "h" => 3_600_000.0,
            _other => return 0,
        };
        total += number * factor;
        rest = &unit[end..];
    }
    std::time::Duration::try_from_secs_f64(total / 1000.0)
        .map_or(0, |duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

/// A Kubernetes quantity of bytes such as `64Mi`.
pub(super) fn quantity(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..digits].parse().ok()?;
    let factor: f64 = match &text[digits..] {
        "" => 1.0,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "Ki" => 1024.0,
        "Mi" => 1_048_576.0,
        "Gi" => 1_073_741_824.0,
        "Ti" => 1_099_511_627_776.0,
        _other => return None,
    };
    format!("{:.0}", number * factor).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_expanded_as_kubernetes_does() {
        let env = [("A".to_owned(), "1".to_owned())];
        assert_eq!(expand("$(A) $(B) $A $$(A) $$ $(date +%s)", &env), "1 $(B) $A $(A) $ $(date +%s)");
    }

    #[test]
    fn quantities_and_durations() {
        assert_eq!(quantity("64Mi"), Some(64 << 20));
        assert_eq!(quantity("1.5k"), Some(1500));
        assert_eq!(milliseconds("1m30s"), 90_000);
        assert_eq!(milliseconds("300ms"), 300);
    }
}
