//! Whatever an event holds and whatever a sensor asks: an answer comes, and it is the same twice.
//! The languages in filters have properties of their own beside their code.

use proptest::prelude::*;
use runner_sensors::event::{Event, Events, context};
use runner_sensors::{dest, filter, parameter};
use serde_json::{Value, json};

/// Any JSON, a few levels deep, with keys that paths may name.
fn payload() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::btree_map("[a-c]|\\PC{0,3}", inner, 0..5).prop_map(|map| json!(map)),
        ]
    })
}

/// Paths made of what paths are made of.
fn path() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        "[a-c]",
        "[0-9]{1,3}",
        "-1",
        "#",
        "\\*",
        "\\?",
        "@[a-z]{1,8}",
        "#\\([a-c](==|!=|>|%)\"?[a-z0-9]{0,3}\"?\\)#?",
        "\\PC{0,3}",
        "\\\\\\.",
        "\\[[a-c],[a-c]\\]",
        "\\{[a-c],[a-c]\\}",
        "\\|",
        ":[0-9]",
        "!\"x\"",
    ];
    proptest::collection::vec(part, 1..6).prop_map(|parts| parts.join("."))
}

fn event(data: &Value) -> Event {
    Event::json(context("1", "webhook", "s", "e", "2026-01-01T08:00:00Z".parse().unwrap()), data)
}

proptest! {
    #[test]
    fn filters_always_answer(
        data in payload(), path in path(), kind in "string|number|bool|other", comparator in "|=|!=|>=|<|x",
        value in "\\PC{0,8}|[0-9.]{1,5}|true", template in "|\\{\\{ .Input \\| upper \\}\\}|\\{\\{\\PC{0,9}", operator in "|and|or",
        expr in "[a-c] (==|>|=~|&&|\\+) [a-c0-9\"]{1,4}|\\PC{0,10}", text in any::<bool>(),
    ) {
        let spec = json!({
            "data": [{"path": path, "type": kind, "comparator": comparator, "value": [value], "template": template}],
            "exprs": [{"expr": expr, "fields": [{"name": "a", "path": path}, {"name": "b", "path": "a"}]}],
            "time": {"start": value, "stop": "10:00:00"}, "dataLogicalOperator": operator,
        });
        let filter = serde_json::from_value(spec).unwrap();
        let mut event = event(&data);
        if text {
            event.data = Some(value);
        }
        let verdict = filter::evaluate(&filter, &operator, &event);
        prop_assert!(!(verdict.passed && verdict.error.is_some()));
        prop_assert_eq!(filter::evaluate(&filter, &operator, &event), verdict);
    }

    #[test]
    fn parameters_always_answer(
        data in payload(), target in payload(), key in path(), to in path(), operation in "|append|prepend|overwrite",
        raw in any::<bool>(),
    ) {
        let events: Events = [("d".to_owned(), event(&data))].into();
        let source = json!({"dependencyName": "d", "dataKey": key, "useRawData": raw});
        let parameters = serde_json::from_value::<Vec<_>>(json!([{"src": source, "dest": to, "operation": operation}])).unwrap();
        let mut first = target.clone();
        let result = parameter::apply(&mut first, &parameters, &events);
        let mut second = target.clone();
        prop_assert_eq!(parameter::apply(&mut second, &parameters, &events), result);
        prop_assert_eq!(first, second);
        let _ = parameter::payload(&parameters, &events);
    }

    #[test]
    fn writing_is_bounded(mut target in payload(), to in path(), number in any::<u64>()) {
        let _ = dest::set(&mut target, &to, json!(1));
        let _ = dest::set(&mut target, &format!("a.{number}"), json!(1));
        prop_assert!(target.to_string().len() < 10_000_000);
    }
}
