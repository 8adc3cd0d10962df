//! Previews of small workflows: what is known, what is not, and that the known part is what a run does.
//! Does not test the printing: that is the command line's.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use runner_workflows::needs::NeedKind;
use runner_workflows::parse::{Limits, Manifest, parse_file};
use runner_workflows::resolve::{Catalog, Submission, resolve};

use super::*;
use crate::Plan;

fn of(spec: &str, parameters: &[(&str, &str)]) -> Preview {
    let text =
        format!("apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nmetadata: {{name: wf}}\nspec:\n{spec}\n");
    let (manifests, problems) = parse_file("w.yaml", &text, Limits::default());
    assert!(problems.iter().all(|problem| !problem.is_error()), "{problems:?}");
    let Some(Manifest::Workflow(document)) = manifests.first() else { panic!("no workflow") };
    let parameters = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let submission = Submission { parameters: parameters.collect(), ..Submission::default() };
    let resolved = resolve(&document.object, &submission, &Catalog::default()).unwrap();
    preview(&Plan::new(Arc::new(resolved)).unwrap(), "default").unwrap()
}

fn waves(preview: &Preview) -> Vec<Vec<&str>> {
    let path = |index: &usize| preview.nodes[*index].path.as_str();
    preview.waves.iter().map(|wave| wave.iter().map(path).collect()).collect()
}

fn node<'p>(preview: &'p Preview, path: &str) -> &'p PreviewNode {
    preview.nodes.iter().find(|node| node.path == path).unwrap_or_else(|| panic!("no {path}"))
}

const LEAF: &str = "  - {name: leaf, inputs: {parameters: [{name: x, default: none}]}, \
                    container: {image: 'repo/{{inputs.parameters.x}}:1', command: [a]}}\n";

#[test]
fn a_dag_comes_in_waves_and_outputs_stay_names() {
    let preview = of(
        &format!(
            "  entrypoint: main\n  arguments: {{parameters: [{{name: env, value: dev}}]}}\n  templates:\n{LEAF}  - name: main\n    dag:\n      tasks:\n      \
             - {{name: build, template: leaf, arguments: {{parameters: [{{name: x, value: '{{{{workflow.parameters.env}}}}'}}]}}}}\n      \
             - {{name: test, template: leaf, depends: build, arguments: {{parameters: [{{name: x, value: 'v{{{{tasks.build.outputs.result}}}}'}}]}}}}\n      \
             - {{name: lint, template: leaf}}\n      \
             - {{name: ship, template: leaf, depends: test && lint, when: '{{{{tasks.test.outputs.result}}}} == ok'}}\n      \
             - {{name: never, template: leaf, depends: lint, when: '{{{{workflow.parameters.env}}}} == qa'}}\n      \
             - {{name: after, template: leaf, depends: never.Succeeded}}\n      \
             - {{name: alarm, template: leaf, depends: build.Failed}}"
        ),
        &[("env", "prod")],
    );
    assert_eq!(waves(&preview), [vec![".build", ".lint"], vec![".test", ".alarm"], vec![".ship"]]);
    assert_eq!(node(&preview, ".build").inputs[0].value, Foreseen::known("prod"));
    let test = &node(&preview, ".test").inputs[0].value;
    assert_eq!((test.text.as_str(), test.runtime.len()), ("v⟨tasks.build.outputs.result⟩", 1));
    assert_eq!(node(&preview, ".test").images[0].text, "repo/v⟨tasks.build.outputs.result⟩:1");
    assert!(
        matches!(&node(&preview, ".ship").fate, Fate::Perhaps { when } if when == "when ⟨tasks.test.outputs.result⟩ == ok")
    );
    assert!(
        matches!(&node(&preview, ".never").fate, Fate::Skipped { reason } if reason == "when prod == qa is false")
    );
    assert!(matches!(&node(&preview, ".after").fate, Fate::Omitted { .. }));
    assert!(
        matches!(&node(&preview, ".alarm").fate, Fate::Perhaps { when } if when == "depends: build.Failed")
    );
    let images: Vec<&str> = preview.requirements.images.iter().map(|image| image.text.as_str()).collect();
    assert_eq!(images, ["repo/none:1", "repo/prod:1", "repo/v⟨tasks.build.outputs.result⟩:1"]);
    assert!(preview.problems().is_empty());
}

#[test]
fn loops_are_unrolled_where_their_items_are_known() {
    let preview = of(
        &format!(
            "  entrypoint: main\n  templates:\n{LEAF}  - name: main\n    steps:\n    \
             - - {{name: a, template: leaf, withItems: [p, q], when: '{{{{item}}}} != q', arguments: {{parameters: [{{name: x, value: '{{{{item}}}}'}}]}}}}\n      \
             - {{name: s, template: leaf, withSequence: {{count: '2', format: 'n%02d'}}, arguments: {{parameters: [{{name: x, value: '{{{{item}}}}'}}]}}}}\n    \
             - - {{name: b, template: leaf, withParam: '{{{{steps.a.outputs.result}}}}', arguments: {{parameters: [{{name: x, value: '{{{{item.k}}}}'}}]}}}}\n    \
             - - {{name: c, template: leaf}}"
        ),
        &[],
    );
    assert_eq!(
        waves(&preview),
        [vec!["[0].a(0:p)", "[0].s(0:n00)", "[0].s(1:n01)"], vec!["[1].b(⟨item⟩)"], vec!["[2].c"]]
    );
    assert!(matches!(node(&preview, "[0].a(1:q)").fate, Fate::Skipped { .. }));
    assert_eq!(node(&preview, "[0].s(1:n01)").inputs[0].value, Foreseen::known("n01"));
    let open = node(&preview, "[1].b(⟨item⟩)");
    assert_eq!(open.repeats.as_ref().unwrap().text, "⟨steps.a.outputs.result⟩");
    assert_eq!(open.inputs[0].value.text, "⟨item.k⟩");
}

#[test]
fn f57_a_template_that_calls_itself_is_not_followed_for_ever() {
    let preview = of(
        "  entrypoint: flip\n  templates:\n  - name: coin\n    script: {image: i, command: [sh], source: 'echo tails'}\n  - name: flip\n    steps:\n    \
         - - {name: coin, template: coin}\n    - - {name: again, template: flip, when: '{{steps.coin.outputs.result}} == tails'}",
        &[],
    );
    assert_eq!(waves(&preview), [["[0].coin"], ["[1].again"]]);
    assert_eq!(preview.conditions(2), ["when ⟨steps.coin.outputs.result⟩ == tails"]);
    let endless = of(
        "  entrypoint: a\n  templates:\n  - {name: a, steps: [[{name: x, template: a}, {name: y, template: a}]]}",
        &[],
    );
    assert!(endless.cut && endless.nodes.len() <= MAX_PREVIEW_NODES);
}

#[test]
fn what_is_needed_and_touched_is_listed() {
    let preview = of(
        "  entrypoint: main\n  onExit: bye\n  synchronization: {mutexes: [{name: 'm-{{workflow.name}}'}]}\n  volumes: [{name: v, emptyDir: {}}]\n  templates:\n  \
         - name: main\n    dag:\n      tasks: [{name: c, template: c}, {name: r, template: r, depends: c}, {name: h, template: h}, {name: s, template: s}]\n  \
         - name: unused\n    container: {image: unused}\n  \
         - name: c\n    memoize: {key: k, cache: {configMap: {name: cache}}}\n    container: {image: i, volumeMounts: [{name: v, mountPath: /v}], env: [{name: A, valueFrom: {secretKeyRef: {name: sec, key: token}}}]}\n    \
         outputs: {artifacts: [{name: o, path: /o, s3: {bucket: b, key: 'x/{{workflow.uid}}'}}]}\n  \
         - name: r\n    resource: {action: create, manifest: \"apiVersion: v1\\nkind: ConfigMap\\nmetadata:\\n  name: made\\n\"}\n  \
         - name: h\n    http: {method: POST, url: 'http://example.com'}\n  \
         - name: s\n    suspend: {}\n  - name: bye\n    container: {image: j}",
        &[],
    );
    let needed = &preview.requirements;
    let key = (NeedKind::Secret, "sec".to_owned());
    assert!(needed.objects[&key].keys.contains("token"), "{:?}", needed.objects);
    assert_eq!(needed.volumes.iter().collect::<Vec<_>>(), ["v: emptyDir"]);
    assert_eq!(needed.locks.iter().map(|lock| lock.text.as_str()).collect::<Vec<_>>(), ["mutex m-wf"]);
    let writes: Vec<String> =
        needed.external_writes.iter().map(|write| format!("{} {}", write.node, write.what.text)).collect();
    assert_eq!(
        writes,
        [".c artifact o to s3 b/x/⟨workflow.uid⟩", ".h POST http://example.com", ".r create ConfigMap made"]
    );
    assert_eq!(needed.caches.iter().map(|cache| cache.key.text.as_str()).collect::<Vec<_>>(), ["k"]);
    assert_eq!(needed.images.iter().map(|image| image.text.as_str()).collect::<Vec<_>>(), ["i", "j"]);
    assert_eq!(node(&preview, ".s").notes, ["waits for a person"]);
    assert_eq!(waves(&preview).last().unwrap(), &[".onExit"]);
}

#[test]
fn what_cannot_run_says_why() {
    let preview = of(
        "  entrypoint: main\n  templates:\n  - {name: leaf, inputs: {parameters: [{name: x}]}, container: {image: i}}\n  - name: main\n    steps:\n    \
         - - {name: a, template: leaf}\n      - {name: b, template: missing}\n      - {name: c, template: leaf, withParam: 'no list'}",
        &[],
    );
    let problems = preview.problems();
    assert_eq!(problems.len(), 3, "{problems:?}");
    assert_eq!(problems[0], ("[0].a", "inputs.parameters.x was not supplied"));
    assert!(problems[1].1.contains("missing not found"), "{problems:?}");
    assert!(problems[2].1.contains("could not be parsed as a JSON list"), "{problems:?}");
}
