//! V1 from the request to the step: what a sender wrote does not become code.
//! The rules themselves are in `engine/machine/tests/machine/taint.rs`.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::common::Place;
use crate::lab::{Daemon, FUSE, name, phase, ports, post, source, workflows};

/// A script that prints the title of the event by itself, and what that template asks for.
fn template(name: &str, annotations: &str) -> String {
    format!(
        "apiVersion: argoproj.io/v1alpha1\nkind: WorkflowTemplate\nmetadata: {{name: {name}, namespace: cicd}}\nspec:\n  \
         entrypoint: main\n  arguments: {{parameters: [{{name: title}}]}}\n  templates:\n    - name: main\n      metadata: \
         {{annotations: {{{annotations}}}}}\n      script: {{image: busybox, command: [sh], source: 'echo got \
         {{{{workflow.parameters.title}}}}'}}\n"
    )
}

fn trigger(name: &str) -> String {
    format!(
        "    - template:\n        name: {name}\n        argoWorkflow:\n          operation: submit\n          source:\n            \
         resource:\n              apiVersion: argoproj.io/v1alpha1\n              kind: Workflow\n              metadata: \
         {{generateName: {name}-, namespace: cicd}}\n              spec:\n                workflowTemplateRef: {{name: {name}}}\n                \
         arguments: {{parameters: [{{name: title, value: ''}}]}}\n          parameters:\n            - src: {{dependencyName: issue, \
         dataKey: body.title}}\n              dest: spec.arguments.parameters.0.value\n"
    )
}

/// Both workflows of one event when they have ended: phase and message of `strict`, phase of `loose`.
fn both(place: &Place, daemon: &Daemon, title: &str, seen: usize) -> (Value, Value) {
    let body = json!({"title": title}).to_string();
    assert_eq!(post(daemon.port, "/events/argo-events/issues/opened", &[], &body).unwrap().0, 200);
    let began = Instant::now();
    loop {
        let all = workflows(place, "cicd");
        let over = |one: &&Value| matches!(phase(one).as_str(), "Succeeded" | "Failed" | "Error");
        if all.iter().filter(over).count() >= seen + 2 {
            let latest = |prefix: &str| {
                let found = all.iter().filter(|one| name(one).starts_with(prefix));
                let full = found
                    .map(|one| place.run(&["get", &name(one), "-n", "cicd", "-o", "json"]).code(0).json());
                full.into_iter()
                    .find(|one| one["spec"]["arguments"]["parameters"][0]["value"] == title)
                    .unwrap()
            };
            return (latest("strict-"), latest("loose-"));
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{all:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn v1_a_title_with_a_command_in_it_is_refused_unless_the_template_asks_for_it() {
    let place = Place::new();
    place.write("config.toml", FUSE);
    let documents = [
        source("issues", "opened", ports()[0], "/issues"),
        template("strict", ""),
        template("loose", "runner/allow-unsafe-splice: 'true'"),
        format!(
            "apiVersion: argoproj.io/v1alpha1\nkind: Sensor\nmetadata: {{name: issues, namespace: argo-events}}\nspec:\n  \
             dependencies: [{{name: issue, eventSourceName: issues, eventName: opened}}]\n  triggers:\n{}{}",
            trigger("strict"),
            trigger("loose")
        ),
    ];
    place.write("issues.yaml", &documents.join("---\n"));
    place.run(&["apply", "-f", "issues.yaml"]).code(0);
    let daemon = Daemon::start(&place);

    let (strict, loose) = both(&place, &daemon, "bug-17", 0);
    assert_eq!(
        (strict["status"]["phase"].as_str(), loose["status"]["phase"].as_str()),
        (Some("Succeeded"), Some("Succeeded"))
    );

    let (strict, loose) = both(&place, &daemon, "bug; echo owned", 2);
    assert_eq!(strict["status"]["phase"], "Error", "{strict:#}");
    let message = strict["status"]["message"].as_str().unwrap();
    assert!(
        message.contains("refused before it was started") && message.contains("runner/allow-unsafe-splice"),
        "{message}"
    );
    assert_eq!(strict["metadata"]["annotations"]["runner/from-events"], "workflow.parameters.title");
    let refused = place.run(&["logs", strict["metadata"]["name"].as_str().unwrap(), "-n", "cicd"]);
    assert!(!refused.out.contains("owned"), "{}", refused.out);
    assert_eq!(loose["status"]["phase"], "Succeeded", "{loose:#}");
    let printed = place.run(&["logs", loose["metadata"]["name"].as_str().unwrap(), "-n", "cicd"]).code(0);
    printed.out_has("got bug").out_has("owned");
}
