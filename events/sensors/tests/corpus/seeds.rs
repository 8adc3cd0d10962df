//! Manifests of the kinds that users print in documents: what is accepted with a word about it, and what is refused.
//! Runs none of them.

use runner_sensors::event::{Event, Events, context};
use runner_sensors::load::{Object, read_file};
use runner_sensors::spec::Sensor;
use runner_sensors::validate::{Known, references, validate};
use runner_sensors::{filter, trigger};
use runner_workflows::diagnostic::Diagnostic;
use runner_workflows::parse::Limits;
use serde_json::{Value, json};

fn read(text: &str) -> (Vec<Object>, Vec<Diagnostic>) {
    let (objects, _, mut problems) = read_file("file.yaml", text, Limits::default());
    objects.iter().for_each(|object| problems.extend(validate(object, None)));
    (objects, problems)
}

fn rendered(problems: &[Diagnostic]) -> String {
    problems.iter().map(Diagnostic::render).collect()
}

const GITHUB: &str = r#"apiVersion: argoproj.io/v1alpha1
kind: EventSource
spec:
  # GitHub Webhook
  github:
    my-repo-webhook:
      owner: "my-org"
      repository: "my-app"
      events: ["push", "pull_request"]
      secretToken:
        name: github-secret
        key: token
"#;

#[test]
fn s3_6_secret_token_is_an_alias_and_a_missing_listener_is_filled_in() {
    let (objects, problems) = read(GITHUB);
    let Some(Object::EventSource(source)) = objects.first() else { panic!("{problems:?}") };
    let github = &source.object.spec.github["my-repo-webhook"];
    assert_eq!(github.webhook_secret.as_ref().unwrap().key, "token");
    assert_eq!(github.webhook.as_ref().unwrap().port, "12000");
    let text = rendered(&problems);
    assert!(text.contains("file.yaml:10:7: warning[alias]"), "{text}");
    assert!(text.contains("warning[webhook-missing]"), "{text}");
    let errors: Vec<&Diagnostic> = problems.iter().filter(|problem| problem.is_error()).collect();
    assert!(matches!(errors.as_slice(), [only] if only.message.contains("metadata.name")), "{errors:?}");
    let named = GITHUB.replace("spec:", "metadata: {name: gh}\nspec:");
    assert!(!read(&named).1.iter().any(Diagnostic::is_error));
}

#[test]
fn s0_17_to_s0_19_any_version_of_a_bus_is_accepted_and_what_only_a_cluster_needs_is_said() {
    let bus = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "EventBus", "metadata": {"name": "default"}, "spec": {
        "jetstream": {"version": "2.10.10", "replicas": 3,
            "persistence": {"accessMode": "ReadWriteOnce", "volumeSize": "1Gi"},
            "affinity": {"podAntiAffinity": {}}, "containerTemplate": {"resources": {"limits": {"cpu": "100m"}}}}}});
    let (objects, problems) = read(&serde_json::to_string_pretty(&bus).unwrap());
    assert_eq!(objects.len(), 1);
    let text = rendered(&problems);
    for field in ["persistence", "affinity", "containerTemplate"] {
        assert!(
            text.contains(&format!("note[no-effect]: EventBus default: `{field}` has no effect here")),
            "{text}"
        );
    }
    assert!(!text.contains("error"), "{text}");
}

/// The sensor of S0.11 to S0.13: two dependencies on one event, told apart by filters, and a trigger for each.
fn remediation() -> Value {
    let dependency = |name: &str, slo: &str| {
        json!({"name": name, "eventSourceName": "alertmanager", "eventName": "slo-alerts",
            "filters": {"data": [{"path": "body.commonLabels.slo", "type": "string", "value": [slo]}]}})
    };
    let trigger = |name: &str, dependency: &str, template: &str, parameter: &str, key: &str| {
        json!({"template": {"name": name, "conditions": dependency, "argoWorkflow": {"operation": "submit", "source": {"resource": {
            "apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow",
            "metadata": {"generateName": format!("{name}-"), "namespace": "cicd"},
            "spec": {"workflowTemplateRef": {"name": template}, "arguments": {"parameters": [{"name": parameter}, {"name": "namespace"}]}}}},
            "parameters": [
                {"src": {"dependencyName": dependency, "dataKey": "body.alerts.0.labels.name"}, "dest": "spec.arguments.parameters.0.value"},
                {"src": {"dependencyName": dependency, "dataKey": format!("body.alerts.0.labels.{key}")}, "dest": "spec.arguments.parameters.1.value"}]}}})
    };
    json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Sensor", "metadata": {"name": "slo-remediation", "namespace": "argo-events"}, "spec": {
        "dependencies": [dependency("argocd-unhealthy", "argocd-application-health"), dependency("secret-failed", "externalsecrets-sync-success")],
        "triggers": [
            trigger("argocd", "argocd-unhealthy", "remediate-argocd-unhealthy", "app-name", "dest_namespace"),
            trigger("secret", "secret-failed", "remediate-externalsecret-failure", "externalsecret-name", "namespace")]}})
}

fn sensor(value: &Value) -> (Object, Sensor) {
    let (objects, problems) = read(&serde_json::to_string_pretty(value).unwrap());
    assert!(problems.is_empty(), "{}", rendered(&problems));
    let object = objects.into_iter().next().unwrap();
    let Object::Sensor(doc) = &object else { panic!("no sensor") };
    let sensor = doc.object.clone();
    (object, sensor)
}

#[test]
fn s0_22_a_template_that_does_not_exist_is_found_before_it_fires() {
    let (object, _) = sensor(&remediation());
    let mut known = Known::default();
    known.event_source("argo-events", "alertmanager", ["slo-alerts".to_owned()]);
    known.workflow_template("cicd", "remediate-argocd-unhealthy");
    let problems = references(&object, &known);
    let text = rendered(&problems);
    assert_eq!(problems.len(), 1, "{text}");
    assert!(
        text.contains("no WorkflowTemplate `remediate-externalsecret-failure` is known in namespace `cicd`"),
        "{text}"
    );
    assert!(text.starts_with("file.yaml:") && text.contains('^'), "{text}");
    known.workflow_template("argo-events", "remediate-externalsecret-failure");
    assert_eq!(references(&object, &known).len(), 1, "another namespace");
    let other = references(&object, &Known::default());
    assert_eq!(other.iter().filter(|problem| !problem.is_error()).count(), 2, "sources may come later");
}

#[test]
fn s0_12_the_alert_decides_which_trigger_fires_and_its_labels_become_parameters() {
    let (_, sensor) = sensor(&remediation());
    let now = "2026-01-01T00:00:00Z".parse().unwrap();
    let labels = json!({"name": "shop", "dest_namespace": "prod", "namespace": "x"});
    let data = json!({"body": {"commonLabels": {"slo": "argocd-application-health"}, "alerts": [{"labels": labels}]}});
    let event = Event::json(context("e1", "webhook", "alertmanager", "slo-alerts", now), &data);
    let verdicts: Vec<bool> = sensor
        .spec
        .dependencies
        .iter()
        .map(|dependency| filter::admit(dependency, &event).1.passed)
        .collect();
    assert_eq!(verdicts, [true, false]);
    let events: Events = [("argocd-unhealthy".to_owned(), event)].into();
    let template = trigger::template(&sensor.spec.triggers[0], &events).unwrap();
    let (source, parameters) = trigger::source(&template).unwrap();
    let resource = trigger::resource(source).unwrap().unwrap();
    let (workflow, tainted) = trigger::render(&resource, parameters, &events).unwrap();
    let expected = json!([{"name": "app-name", "value": "shop"}, {"name": "namespace", "value": "prod"}]);
    assert_eq!(workflow["spec"]["arguments"]["parameters"], expected);
    assert_eq!(tainted.len(), 2);
    assert_eq!(
        (tainted[0].dest.as_str(), tainted[0].text.as_str()),
        ("spec.arguments.parameters.0.value", "shop")
    );
}

#[test]
fn s0_10_numbers_of_the_body_arrive_as_text_in_workflow_parameters() {
    let now = "2026-01-01T00:00:00Z".parse().unwrap();
    let data = json!({"body": {"containerPort": 8080, "replicas": 2}});
    let event = Event::json(context("e1", "webhook", "backstage", "provision", now), &data);
    let parameters = serde_json::from_value::<Vec<_>>(json!([
        {"src": {"dependencyName": "d", "dataKey": "body.containerPort"}, "dest": "spec.arguments.parameters.0.value"},
        {"src": {"dependencyName": "d", "dataKey": "body.replicas", "useRawData": true}, "dest": "spec.arguments.parameters.1.value"},
    ]))
    .unwrap();
    let events: Events = [("d".to_owned(), event)].into();
    let (out, _) =
        trigger::render(&json!({"spec": {"arguments": {"parameters": [{}, {}]}}}), &parameters, &events)
            .unwrap();
    assert_eq!(out["spec"]["arguments"]["parameters"], json!([{"value": "8080"}, {"value": 2}]));
}

#[test]
fn mistakes_are_found_with_their_place() {
    let text = "apiVersion: argoproj.io/v1alpha1\nkind: Sensor\nmetadata: {name: s}\nspec:\n  dependencies:\n  - {name: a, eventSourceName: w, eventName: e, filters: {script: 'return ('}}\n  triggers:\n  - template:\n      name: t\n      conditions: a && b\n      atLeastOnce: true\n      log: {}\n  - template: {name: t, argoWorkflow: {operation: start, source: {}}}\n";
    let said = rendered(&read(text).1);
    for part in [
        "file.yaml:6:67: error[script]",
        "file.yaml:10:19: error[unknown-dependency]: Sensor s: `b` is not a dependency of this sensor: it has a",
        "file.yaml:11:7: warning[unknown-field]",
        "it belongs beside `template`, not in it",
        "error[operation]: Sensor s: unknown operation type `start`: it is one of submit",
        "error[duplicate-trigger]",
    ] {
        assert!(said.contains(part), "`{part}` is not in\n{said}");
    }
}

#[test]
fn f56_yaml_bomb_is_refused() {
    let mut text = String::from("kind: Sensor\na0: &a0 [x,x,x,x,x,x,x,x,x]\n");
    for i in 1..10 {
        let list = format!("*a{},", i - 1).repeat(9);
        text.push_str(&format!("a{i}: &a{i} [{list}]\n"));
    }
    let (objects, problems) = read(&text);
    assert!(objects.is_empty() && problems.iter().any(|problem| problem.code == "budget"), "{problems:?}");
}
