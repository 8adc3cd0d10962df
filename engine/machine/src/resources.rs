//! Resource durations: what the containers of a pod asked for, times how long the pod took.
//! An indication and no bill: it is worked out when it is shown, and nothing is decided by it.

use std::collections::BTreeMap;

use runner_workflows::spec::{Template, k8s};

use crate::decide::{leaf_vars, render_template};
use crate::node::{Node, NodeIx, NodeType};
use crate::plan::Plan;
use crate::status::WorkflowStatus;

/// Seconds by resource, in Argo's units: `cpu` per core, `memory` per 100 MiB, storage per 10 GiB, others per one.
pub type ResourcesDuration = BTreeMap<String, i64>;

/// What one container is taken to need when it does not say (Argo's defaults), in thousandths.
const DEFAULTS: [(&str, i128); 2] = [("cpu", 100), ("memory", 100 * MEBI * 1000)];
const MEBI: i128 = 1 << 20;
const GIBI: i128 = 1 << 30;

/// Adds durations up.
pub(crate) fn add(to: &mut ResourcesDuration, more: &ResourcesDuration) {
    for (name, seconds) in more {
        *to.entry(name.clone()).or_default() += seconds;
    }
}

/// Resource durations of one pod that has ended; none for other nodes.
///
/// Containers that Argo's executor adds to a pod do not exist here and are not counted.
pub(crate) fn of_pod(
    plan: &Plan,
    status: &WorkflowStatus,
    ix: NodeIx,
    node: &Node,
) -> Option<ResourcesDuration> {
    if node.node_type != NodeType::Pod || !node.phase.completed() {
        return None;
    }
    let seconds = node.finished_at?.duration_since(node.started_at?).as_secs().max(0);
    let compiled = plan.template_of(status, ix).ok()?;
    if compiled.literal_resources {
        return Some(of_template(&compiled.template, seconds));
    }
    let vars = leaf_vars(plan, status, &compiled, ix).ok()?;
    let template = render_template(&compiled, &vars, &node.inputs).ok()?;
    Some(of_template(&template, seconds))
}

/// Whether the resources of a template are the same for every node.
pub(crate) fn are_literal(template: &Template) -> bool {
    let mut texts = containers(template).into_iter().flatten();
    texts.all(|resources| serde_json::to_string(resources).is_ok_and(|text| !text.contains("{{")))
}

/// Requests and limits of every container that a pod of this template has.
fn containers(template: &Template) -> Vec<Option<&k8s::ResourceRequirements>> {
    let mut all: Vec<Option<&k8s::ResourceRequirements>> = Vec::new();
    all.extend(template.init_containers.iter().map(|c| c.resources.as_ref()));
    match (&template.container, &template.script, &template.container_set) {
        (Some(container), ..) => all.push(container.resources.as_ref()),
        (_, Some(script), _) => all.push(script.resources.as_ref()),
        (.., Some(set)) => all.extend(set.containers.iter().map(|c| c.resources.as_ref())),
        (None, None, None) => all.push(None),
    }
    all.extend(template.sidecars.iter().map(|c| c.resources.as_ref()));
    all
}

fn of_template(template: &Template, seconds: i64) -> ResourcesDuration {
    let mut sum = ResourcesDuration::new();
    for resources in containers(template) {
        let mut needs: BTreeMap<&str, i128> = DEFAULTS.into_iter().collect();
        // Requests win over limits, as where nothing is requested the limit counts.
        for map in resources.into_iter().flat_map(|r| [&r.limits, &r.requests]).flatten() {
            let known = map.iter().filter_map(|(name, quantity)| Some((name.as_str(), milli(&quantity.0)?)));
            needs.extend(known);
        }
        for (name, milli) in needs {
            let seconds = milli * i128::from(seconds) / denominator(name);
            *sum.entry(name.to_owned()).or_default() += i64::try_from(seconds).unwrap_or(i64::MAX);
        }
    }
    sum
}

/// Thousandths of the amount that counts as one.
fn denominator(resource: &str) -> i128 {
    match resource {
        "memory" => 100 * MEBI * 1000,
        "storage" | "ephemeral-storage" => 10 * GIBI * 1000,
        _ => 1000,
    }
}

/// A Kubernetes quantity (`100m`, `1.5`, `2Gi`, `1e3`) in thousandths, rounded up; none when it is not one.
fn milli(text: &str) -> Option<i128> {
    let text = text.trim();
    let end = text.find(|c: char| !matches!(c, '0'..='9' | '.' | '+' | '-')).unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (sign, number) = match number.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, number.strip_prefix('+').unwrap_or(number)),
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let (mut numerator, mut divisor) = factor(suffix)?;
    let digits = format!("{whole}{part}");
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) || part.len() > 18 {
        return None;
    }
    divisor = divisor.checked_mul(10_i128.checked_pow(u32::try_from(part.len()).ok()?)?)?;
    numerator = numerator.checked_mul(1000)?.checked_mul(digits.parse().ok()?)?;
    Some(sign * numerator.div_euclid(divisor) + i128::from(numerator % divisor != 0))
}

/// What a suffix multiplies by, as numerator and divisor.
fn factor(suffix: &str) -> Option<(i128, i128)> {
    Some(match suffix {
        "" => (1, 1),
        "n" => (1, 1_000_000_000),
        "u" => (1, 1_000_000),
        "m" => (1, 1_000),
        "k" => (1_000, 1),
        "M" => (1_000_000, 1),
        "G" => (1_000_000_000, 1),
        "T" => (1_000_000_000_000, 1),
        "P" => (1_000_000_000_000_000, 1),
        "E" => (1_000_000_000_000_000_000, 1),
        "Ki" => (1 << 10, 1),
        "Mi" => (MEBI, 1),
        "Gi" => (GIBI, 1),
        "Ti" => (1 << 40, 1),
        "Pi" => (1 << 50, 1),
        "Ei" => (1 << 60, 1),
        _ => {
            let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            let power = 10_i128.checked_pow(exponent.unsigned_abs().min(18))?;
            if exponent < 0 { (1, power) } else { (power, 1) }
        }
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn durations(resources: &str, seconds: i64) -> ResourcesDuration {
        let text = format!(r#"{{"name":"a","container":{{"image":"x","resources":{resources}}}}}"#);
        of_template(&serde_json::from_str(&text).unwrap(), seconds)
    }

    fn map(pairs: &[(&str, i64)]) -> ResourcesDuration {
        pairs.iter().map(|(name, seconds)| ((*name).to_owned(), *seconds)).collect()
    }

    #[test]
    fn requests_times_seconds_in_argos_units() {
        assert_eq!(durations("{}", 60), map(&[("cpu", 6), ("memory", 60)]));
        assert_eq!(durations(r#"{"requests":{"cpu":"2000m"}}"#, 60), map(&[("cpu", 120), ("memory", 60)]));
        assert_eq!(
            durations(r#"{"requests":{"cpu":"2"},"limits":{"nvidia.com/gpu":"1","cpu":"9"}}"#, 180),
            map(&[("cpu", 360), ("memory", 180), ("nvidia.com/gpu", 180)])
        );
        assert_eq!(durations(r#"{"limits":{"memory":"1Gi"}}"#, 10), map(&[("cpu", 1), ("memory", 102)]));
    }

    #[test]
    fn quantities_are_read_as_kubernetes_does() {
        let known =
            [("1", 1000), ("100m", 100), ("1.5", 1500), ("2Ki", 2_048_000), ("1e3", 1_000_000), (".5", 500)];
        for (text, milli_value) in known {
            assert_eq!(milli(text), Some(milli_value), "{text}");
        }
        for text in ["", "x", "1.2.3", "1Xi", "--1"] {
            assert_eq!(milli(text), None, "{text}");
        }
    }
}
