//! Tests of resolving: merges, references, arguments, look-ups.
//! Does not test the machine.
#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::json;

use super::{Catalog, Submission, TemplateScope, normalize_cron, resolve};
use crate::parse::{Limits, Manifest, parse_file};
use crate::spec::{CronWorkflowSpec, Workflow};

/// The workflow of a text whose other documents go into the catalog.
fn load(text: &str) -> (Workflow, Catalog) {
    let (manifests, problems) = parse_file("f.yaml", text, Limits::default());
    assert!(problems.iter().all(|d| !d.is_error()), "{problems:?}");
    let mut catalog = Catalog::default();
    let mut workflow = None;
    for manifest in manifests {
        catalog.add(&manifest);
        if let Manifest::Workflow(doc) = manifest {
            workflow = Some(doc.object);
        }
    }
    (workflow.unwrap(), catalog)
}

const TEMPLATES: &str = "
---
apiVersion: argoproj.io/v1alpha1
kind: WorkflowTemplate
metadata: {name: lib}
spec:
  entrypoint: start
  onExit: bye
  podMetadata: {labels: {from: lib}}
  arguments: {parameters: [{name: a, value: lib-a}, {name: b, value: lib-b}]}
  templates:
  - name: start
    steps: [[{name: one, template: leaf}, {name: two, templateRef: {name: other, template: x, clusterScope: true}}]]
  - {name: leaf, container: {image: i}}
  - {name: bye, container: {image: i}}
---
apiVersion: argoproj.io/v1alpha1
kind: ClusterWorkflowTemplate
metadata: {name: other}
spec:
  templates:
  - name: x
    dag: {tasks: [{name: t, template: w, hooks: {exit: {template: z}}}]}
  - {name: w, container: {image: i}}
  - {name: z, container: {image: i}}
  - {name: unused, container: {image: i}}
";

#[test]
fn references_are_stored_transitively_under_argos_keys() {
    let (workflow, catalog) = load(&format!(
        "apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {{name: w}}
spec:
  entrypoint: main
  templates:
  - name: main
    steps: [[{{name: s, templateRef: {{name: lib, template: start}}}}]]
{TEMPLATES}"
    ));
    let resolved = resolve(&workflow, &Submission::default(), &catalog).unwrap();
    let keys: Vec<&str> = resolved.stored_templates.keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "cluster/other/w",
            "cluster/other/x",
            "cluster/other/z",
            "namespaced/lib/leaf",
            "namespaced/lib/start"
        ]
    );

    let main = resolved.template(&resolved.root_scope(), "main").unwrap();
    let step = &main.steps.as_ref().unwrap()[0][0];
    let (scope, start) = resolved.lookup(&resolved.root_scope(), step).unwrap();
    assert_eq!(scope.to_string(), "namespaced/lib");
    let (inner, leaf) = resolved.lookup(&scope, &start.steps.as_ref().unwrap()[0][0]).unwrap();
    assert_eq!((inner.to_string().as_str(), leaf.name.as_str()), ("namespaced/lib", "leaf"));
    assert_eq!(leaf.metadata.labels.get("from").map(String::as_str), Some("lib"));
    assert!(resolved.lookup(&resolved.root_scope(), "leaf").is_none(), "not in the workflow's own scope");
    assert_eq!(TemplateScope::parse("cluster/other"), Some(TemplateScope::Cluster("other".into())));

    let json = serde_json::to_string(&resolved).unwrap();
    let again: super::ResolvedWorkflow = serde_json::from_str(&json).unwrap();
    assert_eq!(again, resolved);
}

#[test]
fn a_reference_with_a_tag_pulls_in_all_templates_of_the_resource() {
    let (workflow, catalog) = load(&format!(
        "apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {{name: w}}
spec:
  entrypoint: main
  templates:
  - name: main
    inputs: {{parameters: [{{name: n, value: x}}]}}
    steps: [[{{name: s, templateRef: {{name: other, template: '{{{{inputs.parameters.n}}}}', clusterScope: true}}}}]]
{TEMPLATES}"
    ));
    let resolved = resolve(&workflow, &Submission::default(), &catalog).unwrap();
    assert!(resolved.stored_templates.contains_key("cluster/other/unused"));
}

#[test]
fn workflow_wins_over_template_and_template_over_defaults() {
    let (workflow, mut catalog) = load(&format!(
        "apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {{name: w, labels: {{own: '1'}}}}
spec:
  workflowTemplateRef: {{name: lib}}
  arguments: {{parameters: [{{name: b, value: own-b}}]}}
{TEMPLATES}"
    ));
    catalog.workflow_defaults = Some(json!({
        "metadata": {"labels": {"own": "default", "extra": "yes"}},
        "spec": {"entrypoint": "nowhere", "parallelism": 7, "activeDeadlineSeconds": 300},
    }));
    let submission = Submission {
        parameters: vec![("a".into(), "cli".into()), ("new".into(), "1".into())],
        ..Submission::default()
    };
    let resolved = resolve(&workflow, &submission, &catalog).unwrap();
    assert_eq!(resolved.spec.entrypoint, "start");
    assert_eq!(resolved.spec.on_exit, "bye");
    assert_eq!(resolved.spec.parallelism, Some(7));
    let value = |name: &str| resolved.spec.arguments.parameter(name).and_then(|p| p.value.clone()).unwrap().0;
    assert_eq!((value("a"), value("b"), value("new")), ("cli".into(), "own-b".into(), "1".into()));
    assert_eq!(resolved.metadata.labels.get("own").unwrap(), "1");
    assert_eq!(resolved.metadata.labels.get("extra").unwrap(), "yes");
    assert!(resolved.stored_spec.is_some());
    assert!(resolved.lookup(&resolved.root_scope(), "leaf").is_some());
}

#[test]
fn defaults_of_templates_and_retries_of_the_workflow_are_merged_into_look_ups() {
    let (workflow, catalog) = load(
        "apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {name: w}
spec:
  entrypoint: a
  retryStrategy: {limit: 3}
  templateDefaults:
    timeout: 30s
    container: {image: fallback, env: [{name: A, value: '1'}, {name: B, value: '2'}]}
  templates:
  - {name: a, container: {command: [x], env: [{name: B, value: '3'}]}}
  - {name: b, script: {image: s, source: x}, retryStrategy: {limit: 1}}
",
    );
    let resolved = resolve(&workflow, &Submission::default(), &catalog).unwrap();
    let a = resolved.template(&resolved.root_scope(), "a").unwrap();
    let container = a.container.as_ref().unwrap();
    assert_eq!((container.image.as_str(), a.timeout.as_str()), ("fallback", "30s"));
    let env: Vec<_> = container.env.iter().map(|e| (e.name.as_str(), e.value.as_deref().unwrap())).collect();
    assert_eq!(env, [("A", "1"), ("B", "3")]);
    assert_eq!(a.retry_strategy.as_ref().unwrap().limit.as_ref().unwrap().as_int(), Some(3));
    let b = resolved.template(&resolved.root_scope(), "b").unwrap();
    assert!(b.container.is_none(), "defaults of another kind are left out");
    assert_eq!(b.retry_strategy.as_ref().unwrap().limit.as_ref().unwrap().as_int(), Some(1));
}

#[test]
fn config_maps_fill_arguments_and_are_kept_for_inputs() {
    let (workflow, catalog) = load(
        "apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {name: w}
spec:
  entrypoint: a
  arguments:
    parameters:
    - {name: map, value: settings}
    - {name: v, valueFrom: {configMapKeyRef: {name: '{{workflow.parameters.map}}', key: k}}}
    - {name: d, valueFrom: {default: none, configMapKeyRef: {name: settings, key: absent}}}
  templates:
  - name: a
    inputs: {parameters: [{name: p, valueFrom: {configMapKeyRef: {name: settings, key: k}}}]}
    container: {image: x}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {k: from-map}
",
    );
    let resolved = resolve(&workflow, &Submission::default(), &catalog).unwrap();
    let value = |name: &str| resolved.spec.arguments.parameter(name).unwrap().value.clone().unwrap().0;
    assert_eq!((value("v").as_str(), value("d").as_str()), ("from-map", "none"));
    assert_eq!(resolved.config_maps.get("settings").unwrap().get("k").unwrap(), "from-map");

    let problems = resolve(&workflow, &Submission::default(), &Catalog::default()).unwrap_err();
    assert!(problems[0].message.contains("ConfigMap `settings` with key `k` not found"), "{problems:?}");
}

#[test]
fn legacy_spellings_become_the_new_ones() {
    let (workflow, catalog) = load(
        "apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {name: w}
spec:
  entrypoint: a
  synchronization: {mutex: {name: m}}
  templates:
  - name: a
    synchronization: {semaphore: {configMapKeyRef: {name: c, key: k}}, mutex: {name: one}, mutexes: [{name: many}]}
    steps: [[{name: s, inline: {synchronization: {mutex: {name: i}}, container: {image: x}}}]]
",
    );
    let resolved = resolve(&workflow, &Submission::default(), &catalog).unwrap();
    let sync = resolved.spec.synchronization.as_ref().unwrap();
    assert_eq!((sync.mutexes.len(), sync.mutex.is_none()), (1, true));
    let template = &resolved.spec.templates[0];
    assert_eq!(template.synchronization.as_ref().unwrap().semaphores.len(), 1);
    let names: Vec<&str> =
        template.synchronization.as_ref().unwrap().mutexes.iter().map(|m| m.name.as_str()).collect();
    assert_eq!(names, ["many", "one"], "in the order in which convert writes them");
    let inline = template.steps.as_ref().unwrap()[0][0].inline.as_ref().unwrap();
    assert_eq!(inline.synchronization.as_ref().unwrap().mutexes.len(), 1);
    let mut cron = CronWorkflowSpec { schedule: "* * * * *".into(), ..CronWorkflowSpec::default() };
    normalize_cron(&mut cron);
    assert_eq!((cron.schedule.as_str(), cron.schedules.len()), ("", 1));
}

#[test]
fn references_that_lead_nowhere_are_all_reported() {
    let (workflow, catalog) = load(&format!(
        "apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {{name: w}}
spec:
  entrypoint: main
  templates:
  - name: main
    steps: [[{{name: s, templateRef: {{name: nowhere, template: a}}}}, {{name: t, templateRef: {{name: lib, template: b}}}}]]
{TEMPLATES}"
    ));
    let problems = resolve(&workflow, &Submission::default(), &catalog).unwrap_err();
    let texts: Vec<&str> = problems.iter().map(|d| d.message.as_str()).collect();
    assert_eq!(texts.len(), 2);
    assert!(texts[0].contains("nowhere.a not found") && texts[1].contains("lib.b not found"));
}
