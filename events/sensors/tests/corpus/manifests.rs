//! The vectors of validation: whole manifests, and parts that are put into one.
//! Does not judge examples: `examples` does.

use runner_sensors::load::{Object, read_file};
use runner_sensors::spec::EventBus;
use runner_sensors::validate::validate;
use runner_workflows::diagnostic::Diagnostic;
use runner_workflows::parse::Limits;
use serde_json::{Value, json};

/// A sensor in which everything but the part is right.
fn sensor(dependency: &Value, triggers: &Value) -> Value {
    let mut whole = json!({"name": "fake-dependency", "eventSourceName": "source", "eventName": "event"});
    whole.as_object_mut().unwrap().extend(dependency.as_object().unwrap().clone());
    json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Sensor", "metadata": {"name": "sensor"},
        "spec": {"dependencies": [whole], "triggers": triggers},
    })
}

fn manifest(kind: &str, case: &Value) -> Value {
    let spec = &case["spec"];
    let good = json!([{"template": {"name": "t", "log": {}}}]);
    let filter = |name: &str, value: Value| sensor(&json!({"filters": {name: value}}), &good);
    match kind {
        "validate/triggers" => sensor(&json!({}), spec),
        "validate/filter" => sensor(&json!({"filters": spec}), &good),
        "validate/data-filter" => filter("data", json!([spec])),
        "validate/expr-filter" => filter("exprs", json!([spec])),
        "validate/context-filter" => filter("context", spec.clone()),
        "validate/time-filter" => filter("time", spec.clone()),
        "validate/logical-operator" => sensor(&json!({"filtersLogicalOperator": spec}), &good),
        "validate/comparator" => {
            let number = json!({"path": "a", "type": "number", "value": ["1"], "comparator": spec});
            filter("data", json!([number]))
        }
        _ => case["manifest"].clone(),
    }
}

/// Everything that loading and validating say of a text.
pub(crate) fn problems(name: &str, text: &str, bus: Option<&EventBus>) -> (Vec<Object>, Vec<Diagnostic>) {
    let (objects, _, mut problems) = read_file(name, text, Limits::default());
    for object in &objects {
        problems.extend(validate(object, bus));
    }
    (objects, problems)
}

pub(crate) fn judged(kind: &str, case: &Value) -> Result<(), String> {
    let bus: Option<EventBus> = match case.get("eventBus") {
        Some(bus) => serde_json::from_value(bus.clone()).map_err(|error| error.to_string())?,
        None => None,
    };
    let text = serde_json::to_string_pretty(&manifest(kind, case)).unwrap();
    let (objects, problems) = problems("case.json", &text, bus.as_ref());
    let errors: Vec<String> = problems.iter().filter(|p| p.is_error()).map(|p| p.message.clone()).collect();
    let expect = &case["expect"];
    let wanted = expect["error"].as_bool().unwrap_or(false);
    if wanted == errors.is_empty() || !wanted && objects.is_empty() {
        return Err(format!("error should be {wanted}: {errors:?}"));
    }
    if let Some(part) = expect["messageContains"].as_str()
        && !errors.iter().any(|error| error.contains(part))
    {
        return Err(format!("no message has `{part}`: {errors:?}"));
    }
    Ok(())
}
