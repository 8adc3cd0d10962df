//! Feeds of the event side: filters, transforms, paths and templates over payloads that strangers send.
//! Who is believed is in `feed_signatures`.

use runner_sensors::event::{Event, Events, context};
use runner_sensors::{dest, devctl, filter, jq, lua, parameter, source_filter, template};
use serde_json::{Value, json};

/// Largest result that a small input may grow to, in bytes.
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// The lines before a line `---` (one each), and the payload after it.
fn parts(input: &str) -> (Vec<&str>, &str) {
    let (head, payload) = input.split_once("\n---\n").unwrap_or((input, "{}"));
    (head.lines().collect(), payload)
}

fn event(data: &Value) -> Option<Event> {
    let at = "2026-01-01T08:00:00Z".parse().ok()?;
    Some(Event::json(context("1", "webhook", "s", "e", at), data))
}

/// Lines: path, type, comparator, value, template, expression, operator. The same event is judged the same twice, and
/// nothing passes with an error.
pub fn filters(input: &str) {
    let (lines, payload) = parts(input);
    let line = |number: usize| lines.get(number).copied().unwrap_or_default();
    let spec = json!({
        "data": [{"path": line(0), "type": line(1), "comparator": line(2), "value": [line(3)], "template": line(4)}],
        "exprs": [{"expr": line(5), "fields": [{"name": "a", "path": line(0)}]}],
        "time": {"start": line(3), "stop": "10:00:00"},
    });
    let Ok(filter) = serde_json::from_value(spec) else { return };
    let data = serde_json::from_str(payload).unwrap_or_else(|_| json!({"a": payload}));
    let Some(mut event) = event(&data) else { return };
    let _ = source_filter::keeps(line(5), &data);
    for text in [None, Some(payload.to_owned())] {
        event.data = text.or(event.data.take());
        let verdict = filter::evaluate(&filter, line(6), &event);
        assert!(!(verdict.passed && verdict.error.is_some()), "it passes with an error: {verdict:?}");
        assert_eq!(filter::evaluate(&filter, line(6), &event), verdict, "two judgements differ");
    }
}

/// A program in jq and in Lua, and a Go template, over a payload. What they give is bounded.
pub fn transforms(input: &str) {
    let (program, payload) = input.split_once("\n---\n").unwrap_or((input, "{}"));
    let data: Value = serde_json::from_str(payload).unwrap_or_else(|_| json!({"a": payload}));
    let runs = jq::outputs(program, &data, 16);
    if let Ok(outputs) = &runs {
        assert!(jq::check(program).is_ok(), "a filter runs that check refuses");
        assert!(outputs.iter().all(|output| output.to_string().len() < MOST_BYTES), "an output is too large");
    }
    let _ = lua::run(program, &data);
    if let Ok(text) = template::render(program, &data) {
        assert!(text.len() < MOST_BYTES, "a text is too large");
    }
}

/// Lines: a path to read, a path to write, an operation. Writing is bounded, and the same twice.
pub fn paths(input: &str) {
    let (lines, payload) = parts(input);
    let line = |number: usize| lines.get(number).copied().unwrap_or_default();
    let data = serde_json::from_str(payload).unwrap_or_else(|_| json!({"a": payload}));
    let Some(event) = event(&data) else { return };
    let events: Events = [("d".to_owned(), event)].into();
    let source = json!({"dependencyName": "d", "dataKey": line(0)});
    let Ok(parameters) =
        serde_json::from_value::<Vec<_>>(json!([{"src": source, "dest": line(1), "operation": line(2)}]))
    else {
        return;
    };
    let (mut first, mut second) = (data.clone(), data.clone());
    assert_eq!(
        parameter::apply(&mut first, &parameters, &events),
        parameter::apply(&mut second, &parameters, &events),
        "two writings differ"
    );
    assert_eq!(first, second, "two writings differ");
    assert!(first.to_string().len() < MOST_BYTES, "a small path wrote too much");
    let _ = parameter::payload(&parameters, &events);
    let _ = dest::set(&mut first, line(1), json!(1));
}

/// A file of triggers in the style of devctl, then a payload, as each of its sources sees it.
pub fn triggers(input: &str) {
    let (file, payload) = input.split_once("\n---\n").unwrap_or((input, "{}"));
    let (document, problems) = devctl::read("fuzz.yaml", file);
    for problem in &problems {
        assert!(!problem.render().is_empty());
    }
    let Some(document) = document else { return };
    for problem in &devctl::check(&document) {
        assert!(!problem.render().is_empty());
    }
    let data: Value = serde_json::from_str(payload).unwrap_or_else(|_| json!({"a": payload}));
    let Ok(at) = "2026-01-01T08:00:00Z".parse() else { return };
    for source in ["github", "grafana", "cloudwatch", "pagerduty"] {
        let Ok(seen) = devctl::normalize(source, "alert", data.clone(), at) else { continue };
        for routed in devctl::route(&document.object, &seen) {
            let _ = devctl::render(routed.trigger, &seen);
        }
    }
}
