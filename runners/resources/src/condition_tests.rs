//! Tests of conditions, with those of Argo's examples.
//! The expected spellings are Kubernetes' own.
#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::json;

use super::*;

fn conditions(success: &str, failure: &str) -> Conditions {
    let resource = ResourceTemplate {
        success_condition: success.to_owned(),
        failure_condition: failure.to_owned(),
        ..ResourceTemplate::default()
    };
    Conditions::read(&resource).unwrap()
}

#[test]
fn every_operator_is_decided_over_fields() {
    let object =
        json!({"status": {"phase": "Running", "succeeded": 3, "on": true, "list": [{"a": "x"}]}}).to_string();
    let rows = [
        ("status.phase", true),
        ("!status.phase", false),
        ("!status.gone", true),
        ("status.phase == Running", true),
        ("status.phase=Running", true),
        ("status.phase != Running", false),
        ("status.gone != Running", true),
        ("status.gone == Running", false),
        ("status.phase in (Pending, Running)", true),
        ("status.phase notin (Pending,Running)", false),
        ("status.gone notin (Running)", true),
        ("status.succeeded > 2", true),
        ("status.succeeded > 3", false),
        ("status.succeeded < 4", true),
        ("status.phase > 1", false),
        ("status.gone < 4", false),
        ("status.on == true", true),
        ("status.list.0.a == x", true),
        ("status.list.#(a==\"x\").a", false),
    ];
    for (text, expected) in rows {
        let Ok(read) = Condition::parse(text) else {
            // gjson's queries contain characters of selectors: Kubernetes refuses them as well.
            assert!(text.contains('#'), "{text}");
            continue;
        };
        assert_eq!(read.iter().all(|one| one.matches(&object)), expected, "{text}");
    }
}

#[test]
fn conditions_are_spelt_as_kubernetes_spells_them() {
    for (text, spelt) in [
        ("status.failed > 0", "status.failed>0"),
        ("a in (y, x)", "a in (x,y)"),
        ("a==b", "a==b"),
        ("! a", "!a"),
        ("a = ", "a="),
    ] {
        assert_eq!(Condition::parse(text).unwrap()[0].to_string(), spelt);
    }
}

#[test]
fn all_of_success_and_any_of_failure() {
    let both = conditions("status.a > 0, status.b > 0", "status.c > 0, status.d > 0");
    assert_eq!(both.judge(&json!({"status": {"a": 1}})), Verdict::Open);
    assert_eq!(both.judge(&json!({"status": {"a": 1, "b": 1}})), Verdict::Met);
    let failed = Verdict::Failed("failure condition 'status.d>0' evaluated true".to_owned());
    assert_eq!(both.judge(&json!({"status": {"a": 1, "b": 1, "d": 1}})), failed);
    let only_failure = conditions("", "status.c > 0");
    assert_eq!(only_failure.judge(&json!({})), Verdict::Met);
    assert!(conditions("", "").none());
}

#[test]
fn mistakes_are_named() {
    for (text, why) in [
        ("a > b", "integer"),
        ("a in b", "'('"),
        ("a in (b", "')'"),
        ("a in ()", "at least one"),
        ("a b", "expected"),
        ("a,", "','"),
        ("== a", "field"),
    ] {
        let said = Condition::parse(text).unwrap_err();
        assert!(said.contains(why), "{text}: {said}");
    }
}
