//! The vectors of filters, transforms, parameters, conditions and source filters.
//! Those of validation are in `manifests`.

use std::collections::BTreeMap;

use runner_sensors::event::{Event, Events};
use runner_sensors::machine::{Compat, Fact, Gate, Input, Status, advance};
use runner_sensors::path::{Kind, Payload};
use runner_sensors::spec::{
    EventDependencyFilter, EventDependencyTransformer, EventSourceFilter, Selector, TriggerParameter,
    TriggerParameterSource,
};
use runner_sensors::{filter, parameter, selector, source_filter, transform};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{corpus, judge};

fn typed<T: DeserializeOwned>(value: &Value) -> Result<T, String> {
    serde_json::from_value(value.clone()).map_err(|error| error.to_string())
}

/// An event of a vector; a null one has neither attributes nor payload.
fn event(value: &Value) -> Event {
    let context = value.get("context").filter(|context| !context.is_null());
    let text = value.get("dataText").and_then(Value::as_str).map(str::to_owned);
    let data = text.or_else(|| value.get("data").map(Value::to_string));
    Event { context: context.map(|context| typed(context).unwrap()).unwrap_or_default(), data }
}

fn events(value: &Value) -> Events {
    let entries = value.as_object().into_iter().flatten();
    entries.filter(|(_, value)| !value.is_null()).map(|(name, value)| (name.clone(), event(value))).collect()
}

fn filtered(kind: &str, case: &Value) -> Result<(), String> {
    let (spec, operator) = match kind {
        "filter/event" => {
            let operator = case["filter"]["filtersLogicalOperator"].as_str().unwrap_or_default();
            (&case["filter"]["filters"], operator)
        }
        _ => (&case["filter"], ""),
    };
    if case["event"].is_null() {
        return Err("there is no filter without an event here".to_owned());
    }
    let filter: EventDependencyFilter = typed(spec)?;
    let expect = &case["expect"];
    let verdict = filter::evaluate(&filter, operator, &event(&case["event"]));
    let passed = expect["pass"].as_bool().unwrap_or(false);
    if verdict.passed != passed {
        return Err(format!(
            "pass is {} and should be {passed}: {:?}\n{}",
            verdict.passed,
            verdict.error,
            verdict.tree()
        ));
    }
    if let Some(error) = expect.get("error").and_then(Value::as_bool)
        && error != verdict.error.is_some()
    {
        return Err(format!("error is {:?}, expected: {error}\n{}", verdict.error, verdict.tree()));
    }
    Ok(())
}

fn transformed(case: &Value) -> Result<(), String> {
    let transformer: EventDependencyTransformer = typed(&case["transform"])?;
    let result = transform::apply(&transformer, &event(&case["event"]));
    judge::error(&case["expect"], &result)?;
    let Ok(event) = result else { return Ok(()) };
    let data = event.data.as_deref().unwrap_or("null");
    judge::value(&case["expect"], &serde_json::from_str(data).map_err(|error| error.to_string())?)
}

fn kind_name(kind: Kind, text: &str) -> &'static str {
    match kind {
        Kind::Null => "Null",
        Kind::Bool if text == "true" => "True",
        Kind::Bool => "False",
        Kind::Number => "Number",
        Kind::Text => "String",
        Kind::Json => "JSON",
    }
}

fn resolved(case: &Value) -> Result<(), String> {
    let source: TriggerParameterSource = typed(&case["src"])?;
    let expect = &case["expect"];
    let result = parameter::resolve(&source, &events(&case["events"]));
    judge::error(expect, &result)?;
    let Ok(found) = result else { return Ok(()) };
    if let Some(wanted) = expect.get("value") {
        let actual = found.as_ref().map_or(Value::Null, |found| Value::String(found.text.clone()));
        if *wanted != actual {
            return Err(format!("{wanted} was expected, found {actual}"));
        }
    }
    if let Some(found) = found {
        if let Some(wanted) = expect.get("type").and_then(Value::as_str)
            && wanted != kind_name(found.kind, &found.text)
        {
            return Err(format!("the type {wanted} was expected, found {:?}", found.kind));
        }
        if let Some(wanted) = expect.get("json") {
            let value: Value = serde_json::from_str(&found.text).map_err(|error| error.to_string())?;
            judge::value(&json!({"json": wanted}), &value)?;
        }
    }
    Ok(())
}

fn applied(case: &Value) -> Result<(), String> {
    let parameters: Vec<TriggerParameter> = typed(&case["parameters"])?;
    let mut target = match case.get("targetText").and_then(Value::as_str) {
        Some(text) => serde_json::from_str(text).map_err(|error| error.to_string())?,
        None => case["target"].clone(),
    };
    let result = parameter::apply(&mut target, &parameters, &events(&case["events"]));
    judge::error(&case["expect"], &result)?;
    if result.is_ok() { judge::value(&case["expect"], &target) } else { Ok(()) }
}

fn payload(case: &Value) -> Result<(), String> {
    let parameters: Vec<TriggerParameter> = typed(&case["payload"])?;
    let result = parameter::payload(&parameters, &events(&case["events"]));
    judge::error(&case["expect"], &result)?;
    let Ok(Some(text)) = result else { return Ok(()) };
    let value = serde_json::from_str(&text).unwrap_or(Value::String(text));
    judge::value(&case["expect"], &value)
}

fn key(case: &Value) -> Result<(), String> {
    let text = case["data"].to_string();
    let found = Payload::new(&text)?.get(case["key"].as_str().unwrap());
    let found = found.ok_or_else(|| "nothing was found".to_owned());
    judge::error(&case["expect"], &found)?;
    let Ok(found) = found else { return Ok(()) };
    let actual = if found.kind == Kind::Null { &found.raw } else { &found.text };
    let (value, kind) = (case["expect"]["value"].as_str(), case["expect"]["type"].as_str());
    if value != Some(actual.as_str()) || kind != Some(kind_name(found.kind, &found.text)) {
        return Err(format!("{value:?} of {kind:?} was expected, found {actual} of {:?}", found.kind));
    }
    Ok(())
}

/// Plays `dep` or `dep#n` through the machine.
fn conditions(case: &Value) -> Result<(), String> {
    let names: Vec<String> = typed(&case["dependencies"])?;
    let dependencies: Vec<Value> = names
        .iter()
        .map(|name| json!({"name": name, "eventSourceName": "source", "eventName": name}))
        .collect();
    let template =
        json!({"name": "t", "log": {}, "conditions": case["conditions"].as_str().unwrap_or_default()});
    let spec = typed(&json!({"dependencies": dependencies, "triggers": [{"template": template}]}))?;
    let apply = Input::Apply {
        namespace: "ns".to_owned(),
        name: "sensor".to_owned(),
        generation: "1".to_owned(),
        spec,
        compat: Compat::default(),
    };
    let now = "2026-01-01T00:00:00Z".parse().unwrap();
    let mut status = Status::default();
    let wrong = |error: runner_sensors::machine::IllegalFact| error.to_string();
    advance(&mut status, apply, now).map_err(wrong)?;
    let mut fires: Vec<Value> = Vec::new();
    let mut counted: BTreeMap<&str, usize> = BTreeMap::new();
    for (seq, label) in case["events"].as_array().unwrap().iter().filter_map(Value::as_str).enumerate() {
        let name = label.split('#').next().unwrap();
        let count = counted.entry(name).or_default();
        *count += 1;
        let id = format!("{label}@{count}");
        let context = runner_sensors::event::context(&id, "webhook", "source", name, now);
        let event = Event::json(context, &json!({}));
        let input = Input::Arrived { seq: seq as u64, event, gate: Gate::Open };
        for fact in advance(&mut status, input, now).map_err(wrong)? {
            if let Fact::TriggerFired { events, .. } = fact {
                let labels = events.values().map(|id| json!(id.split('@').next().unwrap()));
                fires.push(labels.collect());
            }
        }
    }
    let wanted = &case["expect"]["fires"];
    if *wanted == json!(fires) {
        Ok(())
    } else {
        Err(format!("{wanted} was expected, fired {}", json!(fires)))
    }
}

fn kept(case: &Value) -> Result<(), String> {
    let filter: EventSourceFilter = typed(&case["filter"])?;
    let result = source_filter::keeps(&filter.expression, &case["data"]);
    judge::error(&case["expect"], &result)?;
    match (result, case["expect"]["pass"].as_bool()) {
        (Ok(passed), Some(wanted)) if passed != wanted => Err(format!("pass is {passed}")),
        _ => Ok(()),
    }
}

fn labels(case: &Value) -> Result<(), String> {
    let requirements: Vec<Selector> = typed(&case["selector"])?;
    let labels: Option<BTreeMap<String, String>> = typed(&case["labels"])?;
    let result = selector::labels(&requirements, &labels.unwrap_or_default());
    judge::error(&case["expect"], &result)?;
    match (result, case["expect"]["pass"].as_bool()) {
        (Ok(passed), Some(wanted)) if passed != wanted => Err(format!("pass is {passed}")),
        _ => Ok(()),
    }
}

fn one(case: &Value) -> Result<(), String> {
    let kind = case["kind"].as_str().unwrap();
    match kind {
        "params/value" => resolved(case),
        "params/apply" => applied(case),
        "params/payload" => payload(case),
        "params/key" => key(case),
        "sensor/conditions" => conditions(case),
        "source/expression" => kept(case),
        "source/labels" => labels(case),
        kind if kind.starts_with("filter/") => filtered(kind, case),
        kind if kind.starts_with("transform/") => transformed(case),
        kind if kind.starts_with("validate/") => crate::manifests::judged(kind, case),
        other => Err(format!("the kind {other} is not known")),
    }
}

#[test]
fn every_vector_has_its_outcome() {
    let Some(folder) = corpus::folder() else { return };
    let mut results = BTreeMap::new();
    for group in ["filter", "params", "sensor", "source", "transform", "validate"] {
        for case in corpus::json(&folder.join(format!("vectors/{group}.json"))).as_array().unwrap() {
            results.insert(case["id"].as_str().unwrap().to_owned(), one(case));
        }
    }
    assert!(results.len() >= 200, "only {} vectors", results.len());
    corpus::ratchet("events/vectors", &results);
}
