//! What workflows look like: trees, headers, event lines, frames. Pure: JSON in, lines out.
//! Does not start the binary; `cli.rs` does.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use jiff::Timestamp;
use runner_cli::output::color::Palette;
use runner_cli::output::tree::{self, Look, Options};
use runner_cli::output::view::View;
use runner_cli::output::{events, header, live};
use serde_json::{Value, json};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).unwrap()
}

/// A node of a workflow; `times` are start and end in seconds.
fn node(
    id: &str,
    name: &str,
    kind: &str,
    phase: &str,
    times: (i64, Option<i64>),
    more: Value,
) -> (String, Value) {
    let display = name.rsplit('.').next().unwrap().to_owned();
    let mut node = json!({"id": id, "name": name, "displayName": display, "type": kind, "phase": phase,
        "startedAt": at(times.0).to_string()});
    if let Some(end) = times.1 {
        node["finishedAt"] = json!(at(end).to_string());
    }
    node.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    (id.to_owned(), node)
}

fn workflow(name: &str, phase: &str, nodes: Vec<(String, Value)>) -> View {
    let nodes: serde_json::Map<String, Value> = nodes.into_iter().collect();
    View::read(&json!({
        "metadata": {"name": name, "namespace": "default", "creationTimestamp": at(0).to_string()},
        "spec": {"arguments": {"parameters": [{"name": "day", "value": "Thu"}]}},
        "status": {"phase": phase, "startedAt": at(0).to_string(), "finishedAt": at(65).to_string(),
            "progress": "3/3", "nodes": nodes},
    }))
}

fn steps() -> View {
    let pod = |template: &str, boundary: &str| json!({"templateName": template, "boundaryID": boundary});
    workflow(
        "steps",
        "Succeeded",
        vec![
            node(
                "steps",
                "steps",
                "Steps",
                "Succeeded",
                (0, Some(65)),
                json!({"templateName": "hello-hello", "children": ["g0"]}),
            ),
            node(
                "g0",
                "steps[0]",
                "StepGroup",
                "Succeeded",
                (0, Some(4)),
                json!({"boundaryID": "steps", "children": ["a"]}),
            ),
            // as in Argo, what runs next is a child of what ran before
            node("a", "steps[0].hello1", "Pod", "Succeeded", (0, Some(4)), {
                let mut pod = pod("say", "steps");
                pod["children"] = json!(["g1"]);
                pod
            }),
            node(
                "g1",
                "steps[1]",
                "StepGroup",
                "Succeeded",
                (4, Some(65)),
                json!({"boundaryID": "steps", "children": ["b", "c"]}),
            ),
            node("b", "steps[1].hello2a", "Pod", "Succeeded", (4, Some(7)), pod("say", "steps")),
            node("c", "steps[1].hello2b", "DAG", "Succeeded", (5, Some(65)), pod("inner", "steps")),
            node("d", "steps[1].hello2b.x", "Pod", "Succeeded", (5, Some(64)), pod("say", "c")),
            node("e", "steps[1].hello2b.y", "Skipped", "Skipped", (64, Some(64)), {
                let mut skipped = pod("say", "c");
                skipped["message"] = json!("when 'a == b' evaluated false");
                skipped
            }),
            node("f", "steps[1].hello2b.z", "Skipped", "Omitted", (64, Some(64)), pod("say", "c")),
            node(
                "x",
                "steps.onExit",
                "Pod",
                "Succeeded",
                (65, Some(65)),
                json!({"templateName": "say", "nodeFlag": {"hooked": true}}),
            ),
        ],
    )
}

#[test]
fn steps_are_drawn_as_argo_draws_them() {
    let lines = tree::lines(&steps(), &Options::plain(at(65)));
    let want = [
        "STEP               TEMPLATE     PODNAME  DURATION  MESSAGE",
        " ✔ steps           hello-hello",
        " ├───✔ hello1      say                   4s",
        " └─┬─✔ hello2a     say                   3s",
        "   └─✔ hello2b     inner",
        "     ├─✔ x         say                   59s",
        "     └─○ y         say                             when 'a == b' evaluated false",
        "",
        " ✔ onExit          say                   0.0s",
    ];
    // the exit handler's display name is Argo's `steps.onExit`; the fixture shortens it
    assert_eq!(lines.iter().map(|l| normal(l)).collect::<Vec<_>>(), want.map(normal));
}

/// Runs of blanks as one, so that a test reads as the picture it is and not as a count of columns.
fn normal(line: &str) -> String {
    let indent = line.len() - line.trim_start().len();
    let words: Vec<&str> = line.split_whitespace().collect();
    format!("{}{}", " ".repeat(indent), words.join(" "))
}

#[test]
fn columns_are_aligned() {
    let lines = tree::lines(&steps(), &Options::plain(at(65)));
    let column = |line: &str, word: &str| {
        let at = line.find(word).unwrap();
        runner_cli::output::text::width(&line[..at])
    };
    let header = column(&lines[0], "TEMPLATE");
    assert_eq!(header, column(&lines[1], "hello-hello"));
    assert_eq!(header, column(&lines[2], "say"));
    assert_eq!(column(&lines[0], "DURATION"), column(&lines[2], "4s"));
}

#[test]
fn ascii_signs_hold_no_other_characters() {
    let options = Options { look: Look::Ascii, ..Options::plain(at(65)) };
    let lines = tree::lines(&steps(), &options);
    assert!(lines.iter().all(|line| line.is_ascii()), "{lines:#?}");
    assert_eq!(normal(&lines[3]), " `-+-+ hello2a say 3s");
}

fn dag() -> View {
    let child = |template: &str| json!({"templateName": template, "boundaryID": "dag"});
    let with = |mut base: Value, more: Value| {
        base.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        base
    };
    workflow(
        "dag",
        "Running",
        vec![
            node(
                "dag",
                "dag",
                "DAG",
                "Running",
                (0, None),
                json!({"templateName": "main", "children": ["loop"]}),
            ),
            node(
                "loop",
                "dag.loop",
                "TaskGroup",
                "Succeeded",
                (0, Some(3)),
                with(child("say"), json!({"children": ["l0", "l1", "l2"]})),
            ),
            // a dependent is a child of the last items
            node(
                "l0",
                "dag.loop(0:a)",
                "Pod",
                "Succeeded",
                (0, Some(2)),
                with(child("say"), json!({"children": ["again"]})),
            ),
            node(
                "l1",
                "dag.loop(1:b)",
                "Pod",
                "Succeeded",
                (0, Some(2)),
                with(child("say"), json!({"children": ["again"]})),
            ),
            node(
                "l2",
                "dag.loop(2:c)",
                "Pod",
                "Succeeded",
                (0, Some(3)),
                with(child("say"), json!({"children": ["again"]})),
            ),
            node(
                "again",
                "dag.again",
                "Retry",
                "Running",
                (3, None),
                with(child("flaky"), json!({"children": ["r0", "r1"]})),
            ),
            node(
                "r0",
                "dag.again(0)",
                "Pod",
                "Failed",
                (3, Some(4)),
                with(
                    child("flaky"),
                    json!({"nodeFlag": {"retried": true}, "message": "main: Error (exit code 1)"}),
                ),
            ),
            node(
                "r1",
                "dag.again(1)",
                "Pod",
                "Running",
                (4, None),
                with(child("flaky"), json!({"nodeFlag": {"retried": true}})),
            ),
            node(
                "once",
                "dag.once",
                "Retry",
                "Succeeded",
                (3, Some(5)),
                with(child("flaky"), json!({"children": ["o0"]})),
            ),
            node(
                "o0",
                "dag.once(0)",
                "Pod",
                "Succeeded",
                (3, Some(5)),
                with(child("flaky"), json!({"nodeFlag": {"retried": true}})),
            ),
            node("ok", "dag.approve", "Suspend", "Running", (6, None), child("approve")),
        ],
    )
}

#[test]
fn dags_loops_retries_and_pauses() {
    let options = Options { wide: false, ..Options::plain(at(10)) };
    let lines: Vec<String> = tree::lines(&dag(), &options).iter().map(|l| normal(l)).collect();
    let want = [
        " ● dag 10s",
        " ├─✔ loop 3s 3 of 3 items",
        " │ ├─✔ loop(0:a) 2s",
        " │ ├─✔ loop(1:b) 2s",
        " │ └─✔ loop(2:c) 3s",
        " ├─● again 7s",
        " │ ├─✖ again(0) 1s main: Error (exit code 1)",
        " │ └─● again(1) 6s",
        " ├─✔ once(0) 2s",
        " └─ǁ approve 4s waits to be resumed",
    ];
    assert_eq!(lines, want);
}

#[test]
fn a_tree_that_is_too_tall_folds_what_is_settled_and_keeps_what_runs() {
    let mut view = dag();
    let options = Options { wide: false, rows: Some(8), ..Options::plain(at(10)) };
    let lines = tree::lines(&view, &options);
    assert!(lines.len() < 8, "{lines:#?}");
    assert!(lines.iter().any(|l| l.contains("again(1)")), "{lines:#?}");
    assert!(lines.iter().any(|l| l.contains("loop") && l.contains("3 of 3")), "{lines:#?}");
    assert!(!lines.iter().any(|l| l.contains("loop(1:b)")), "{lines:#?}");

    // a thousand finished siblings become one remark
    for at in 0..1000 {
        let mut extra = view.nodes["l0"].clone();
        extra.id = format!("n{at}");
        extra.name = format!("dag.n{at}");
        extra.display_name = format!("n{at}");
        view.nodes.insert(extra.id.clone(), extra);
    }
    let lines = tree::lines(&view, &Options { rows: Some(20), ..options });
    assert!(lines.len() <= 20, "{} lines", lines.len());
    assert!(lines.iter().any(|l| l.contains("finished")), "{lines:#?}");
    assert!(lines.iter().any(|l| l.contains("again(1)")), "{lines:#?}");
}

#[test]
fn even_a_thousand_running_nodes_fit_the_terminal() {
    let mut view = dag();
    for at in 0..1000 {
        let mut extra = view.nodes["r1"].clone();
        extra.id = format!("n{at}");
        extra.name = format!("dag.n{at}");
        extra.display_name = format!("n{at}");
        view.nodes.insert(extra.id.clone(), extra);
    }
    let lines = tree::lines(&view, &Options { wide: false, rows: Some(15), ..Options::plain(at(10)) });
    assert!(lines.len() <= 15, "{lines:#?}");
    assert!(lines.iter().any(|l| l.contains("more")), "{lines:#?}");
}

#[test]
fn log_tails_stand_below_running_nodes_and_lines_are_cut() {
    let tails = BTreeMap::from([("r1".to_owned(), vec!["compiling".to_owned(), "x".repeat(200)])]);
    let options = Options { wide: false, columns: Some(40), tails, ..Options::plain(at(10)) };
    let lines = tree::lines(&dag(), &options);
    let at = lines.iter().position(|l| l.contains("again(1)")).unwrap();
    assert_eq!(lines[at + 1], " │     ┆ compiling");
    assert!(lines.iter().all(|l| runner_cli::output::text::width(l) <= 40), "{lines:#?}");
}

#[test]
fn only_failures_with_their_ancestors() {
    let options = Options { wide: false, phases: vec!["Failed".to_owned()], ..Options::plain(at(10)) };
    let lines: Vec<String> = tree::lines(&dag(), &options).iter().map(|l| normal(l)).collect();
    assert_eq!(lines, [" ● dag 10s", " └─● again 7s", "   └─✖ again(0) 1s main: Error (exit code 1)"]);
}

#[test]
fn the_header_is_that_of_argo_get() {
    let lines = header::lines(&steps(), at(70), Look::Unicode, Palette::default());
    let want = [
        "Name:                steps",
        "Namespace:           default",
        "Status:              ✔ Succeeded",
        "Created:             2023-11-14T22:13:20Z (1 minute 10 seconds ago)",
        "Started:             2023-11-14T22:13:20Z (1 minute 10 seconds ago)",
        "Finished:            2023-11-14T22:14:25Z (5 seconds ago)",
        "Duration:            1 minute 5 seconds",
        "Progress:            3/3",
        "Parameters:",
        "  day:               Thu",
    ];
    assert_eq!(lines, want);
}

#[test]
fn events_are_what_changed_in_the_order_it_happened() {
    let now = dag();
    let lines: Vec<String> =
        events::between(&View::default(), &now, at(10)).iter().map(|event| event.line("dag")).collect();
    let want = [
        "22:13:20 dag Running",
        "22:13:22 dag Succeeded  loop(0:a)  2s",
        "22:13:22 dag Succeeded  loop(1:b)  2s",
        "22:13:23 dag Succeeded  loop(2:c)  3s",
        "22:13:24 dag Running    again(1)",
        "22:13:24 dag Failed     again(0)  1s  main: Error (exit code 1)",
        "22:13:25 dag Succeeded  once(0)  2s",
        "22:13:26 dag Suspended  approve",
    ];
    let mut sorted_want = want.map(str::to_owned);
    let mut sorted = lines.clone();
    sorted[4..6].sort();
    sorted_want[4..6].sort();
    assert_eq!(sorted, sorted_want);
    assert!(events::between(&now, &now, at(10)).is_empty());
}

#[test]
fn what_a_step_waits_for_is_an_event_whenever_it_changes() {
    let with = |phase: &str, message: &str| {
        let mut now = dag();
        let step = now.nodes.values_mut().find(|node| node.name.contains("again(1)")).unwrap();
        (step.phase, step.message) = (phase.to_owned(), message.to_owned());
        now
    };
    let lines = |before: &View, now: &View| -> Vec<String> {
        events::between(before, now, at(10)).iter().map(|event| event.line("dag")).collect()
    };
    let paused = with("Running", "paused before its command; to go on: touch /x");
    let said = "22:13:30 dag Running    again(1)  paused before its command; to go on: touch /x";
    assert_eq!(lines(&with("Running", ""), &paused), [said]);
    assert!(lines(&paused, &paused).is_empty() && lines(&paused, &with("Running", "")).is_empty());
    let pulling = with("Pending", "ErrImagePull: no such image");
    let creating = with("Pending", "ContainerCreating");
    assert_eq!(lines(&creating, &pulling), ["22:13:30 dag Pending    again(1)  ErrImagePull: no such image"]);
    assert!(lines(&with("Pending", ""), &creating).is_empty());
}

#[test]
fn a_frame_is_one_write_without_clearing_the_screen() {
    let frame = live::frame(2, &["a".to_owned(), "b".to_owned()]);
    assert_eq!(frame, "\u{1b}[?2026h\r\u{1b}[2Aa\u{1b}[K\r\nb\u{1b}[K\r\n\u{1b}[J\u{1b}[?2026l");
    assert!(!frame.contains("\u{1b}[2J"), "clearing the screen flickers");
}

#[test]
fn colours_are_put_on_the_icon_alone() {
    let options = Options { palette: Palette { on: true }, ..Options::plain(at(65)) };
    let lines = tree::lines(&steps(), &options);
    assert!(lines[2].starts_with(" ├───\u{1b}[32m✔\u{1b}[0m hello1"), "{:?}", lines[2]);
}

#[test]
fn a_workflow_that_only_people_can_move() {
    let mut view = dag();
    assert!(!view.stuck_on_people(), "a step runs beside the pause");
    view.nodes.get_mut("r1").unwrap().phase = "Succeeded".to_owned();
    assert!(view.stuck_on_people());
    view.nodes.get_mut("ok").unwrap().until = Some(at(100));
    assert!(!view.stuck_on_people(), "it goes on by itself");
}
