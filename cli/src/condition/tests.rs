//! Conditions, what they tell the store, and that this never loses a row.
//! Lists of a store are tested in `tests/lists.rs`.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use runner_store::Seq;

use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + seconds).unwrap()
}

fn row(phase: &str, took: Option<i64>, env: &str) -> WorkflowRow {
    WorkflowRow {
        uid: "u".to_owned(),
        namespace: "default".to_owned(),
        name: "build-1".to_owned(),
        phase: phase.to_owned(),
        labels: BTreeMap::from([("team".to_owned(), "red".to_owned()), ("a.b/c".to_owned(), "x".to_owned())]),
        created_at: at(0),
        started_at: took.map(|_| at(0)),
        finished_at: took.map(at),
        progress: "1/1".to_owned(),
        message: String::new(),
        body: json!({"priority": 3, "parameters": [{"name": "env", "value": env}]}).to_string().into_bytes(),
        as_of: Seq(1),
    }
}

fn holds(text: &str, row: &WorkflowRow) -> bool {
    Condition::new(text, at(10_000)).unwrap().matches(row).unwrap()
}

#[test]
fn conditions_speak_of_everything_a_list_shows() {
    let row = row("Failed", Some(700), "prod");
    for text in [
        "duration > 10m",
        "duration > 10m && params.env == \"prod\"",
        "duration == 11m40s",
        "age > 2h && age < 1d",
        "phase in [\"Failed\", \"Error\"]",
        "status == 'Failed' and not (name startsWith \"x\")",
        "labels.team == \"red\" && labels[\"a.b/c\"] == \"x\"",
        "params.none == nil || priority == 3",
        "created < \"2027\" && finished >= created",
        "message == \"\" && name matches \"^build-[0-9]+$\"",
        "params.env + \"10m\" == \"prod10m\"",
    ] {
        assert!(holds(text, &row), "{text}");
    }
    assert!(!holds("duration > 10m", &self::row("Running", None, "")));
    assert!(!holds("params.env == \"test\"", &row));
}

#[test]
fn mistakes_are_errors_with_the_condition_in_them() {
    for text in ["duration >", "nobody == 1", "phase = 1", ""] {
        let failure = Condition::new(text, at(0)).err().unwrap();
        assert_eq!(failure.code.number(), 2, "{text}");
        assert!(failure.hint.is_some_and(|hint| hint.contains("params.X")));
    }
    let condition = Condition::new("name > 3", at(0)).unwrap();
    assert!(condition.matches(&row("", None, "")).unwrap_err().message.contains("build-1"));
}

#[test]
fn what_the_store_is_told_follows_from_the_condition() {
    let rows: Vec<WorkflowRow> = ["Failed", "Running", "", "Succeeded"]
        .into_iter()
        .flat_map(|phase| [None, Some(0), Some(599), Some(600), Some(601)].map(|took| (phase, took)))
        .flat_map(|(phase, took)| ["prod", "pr\"od", "test"].map(|env| row(phase, took, env)))
        .collect();
    for text in [
        "duration > 10m",
        "duration >= 10m && duration < 1h",
        "duration < 10m",
        "duration == 600",
        "duration > 0",
        "duration >= 0 && age > 1h",
        "age < 1h",
        "age >= 10000",
        "phase == \"Pending\"",
        "phase == \"Failed\" && params.env == \"prod\"",
        "phase == \"Failed\" || params.env == \"prod\"",
        "phase == \"Failed\" or params.env == \"prod\" && duration > 10m",
        "labels.team == \"red\" && params[\"env\"] == \"test\"",
        "not (phase == \"Failed\" && duration > 5s)",
        "phase == \"Failed\" ? true : duration > 10m",
        "let x = 1; phase == \"Failed\" && x == 1",
        "name == \"build-1\" && phase == \"a || b\"",
        "(phase == \"Failed\" || true) && duration < 600",
        "params.env == \"pr\\\"od\"",
    ] {
        let condition = Condition::new(text, at(10_000)).unwrap();
        let mut query = WorkflowQuery::default();
        condition.narrow(&mut query);
        for row in &rows {
            if condition.matches(row).unwrap() {
                assert!(query.matches(row), "{text} loses {row:?} by {query:?}");
            }
        }
    }
    let told = |text: &str| {
        let mut query = WorkflowQuery::default();
        Condition::new(text, at(0)).unwrap().narrow(&mut query);
        query
    };
    let query =
        told("duration > 10m && params.env == \"prod\" && labels.team == \"red\" && phase == \"Failed\"");
    assert!(query.duration.is_some() && query.body_contains == ["\"prod\""] && query.phases == ["Failed"]);
    assert_eq!(query.labels.len(), 1);
    assert_eq!(told("phase == \"Failed\" || duration > 10m"), WorkflowQuery::default());
}
