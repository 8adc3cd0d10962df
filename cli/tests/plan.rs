//! `runner plan`, from outside: what it prints, what it looks up, that it stores nothing.
//! How a plan is worked out is tested in the crate of the machine.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use common::Place;

const SHIP: &str = "\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: ship-}
spec:
  entrypoint: main
  arguments: {parameters: [{name: env, value: dev}]}
  templates:
  - name: main
    dag:
      tasks:
      - {name: build, template: build}
      - name: deploy
        template: deploy
        depends: build
        withItems: [eu, us]
        when: '{{workflow.parameters.env}} == prod'
        arguments: {parameters: [{name: tag, value: '{{tasks.build.outputs.result}}-{{item}}'}]}
  - name: build
    container:
      image: busybox
      command: [echo, '1']
      env: [{name: TOKEN, valueFrom: {secretKeyRef: {name: forge, key: token}}}]
  - name: deploy
    inputs: {parameters: [{name: tag}]}
    synchronization: {mutexes: [{name: deploy}]}
    http: {method: POST, url: 'http://127.0.0.1:1/{{inputs.parameters.tag}}'}
";

#[test]
fn a_plan_shows_waves_values_and_needs_and_stores_nothing() {
    let place = Place::new();
    place.write("ship.yaml", SHIP);
    let plan = place.run(&["plan", "ship.yaml", "-p", "env=prod"]).code(0).out;
    for part in [
        "ship-⟨…⟩   3 steps in 2 waves, beginning with main\n",
        "  env = prod\n",
        "wave 2\n  deploy(0:eu)   deploy (HTTP)   tag = ⟨tasks.build.outputs.result⟩-eu\n",
        "  Secret forge (token): missing\n",
        "  mutex deploy\n",
        "  deploy(1:us): POST http://127.0.0.1:1/⟨tasks.build.outputs.result⟩-us\n",
    ] {
        assert!(plan.contains(part), "{part} is not in\n{plan}");
    }
    assert!(!place.has_store());
    // without prod nothing is deployed, and no lock is needed
    let plan = place.run(&["plan", "ship.yaml"]).code(0).out;
    assert!(plan.contains("not run\n  deploy: when dev == prod is false\n"), "{plan}");
    assert!(!plan.contains("mutex") && !plan.contains("POST"), "{plan}");
    place.write(
        "secret.yaml",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: forge}\nstringData: {token: t0k3n}\n",
    );
    place.run(&["apply", "-f", "secret.yaml"]).code(0);
    let json = place.run(&["plan", "ship.yaml", "-p", "env=prod", "-o", "json"]).code(0);
    assert!(!json.out.contains("t0k3n"));
    let json = json.json();
    assert_eq!(
        (&json["objects"][0]["present"], &json["objects"][0]["missing"]),
        (&true.into(), &serde_json::json!([]))
    );
    assert_eq!(json["waves"].as_array().unwrap().len(), 2);
    assert_eq!(json["nodes"][2]["inputs"][0]["runtime"][0], "tasks.build.outputs.result");
    assert_eq!(place.run(&["list", "-o", "name"]).code(0).out, "");
}

#[test]
fn a_plan_of_a_template_knows_how_long_it_took_and_what_is_cached() {
    let place = Place::new();
    let template = "\
apiVersion: argoproj.io/v1alpha1
kind: WorkflowTemplate
metadata: {name: often}
spec:
  entrypoint: main
  templates:
  - name: main
    memoize: {key: one, cache: {configMap: {name: store}}}
    outputs: {parameters: [{name: x, valueFrom: {path: x, default: y}}]}
    container: {image: busybox, command: [echo, x]}
";
    place.write("often.yaml", template);
    place.run(&["apply", "-f", "often.yaml"]).code(0);
    let plan = place.run(&["plan", "--from", "wftmpl/often"]).code(0).out;
    assert!(
        plan.contains("  main: store/one: no entry yet\n") || plan.contains(": store/one: no entry yet\n"),
        "{plan}"
    );
    assert!(!plan.contains("estimated time"), "{plan}");
    place.run(&["submit", "--from", "wftmpl/often", "--name", "first", "--wait"]).code(0);
    let plan = place.run(&["plan", "--from", "wftmpl/often"]).code(0).out;
    assert!(plan.contains(": store/one: there is an entry\n"), "{plan}");
    assert!(plan.contains("estimated time\n") && plan.contains(", as first took\n"), "{plan}");
}

#[test]
fn a_step_that_could_not_run_is_named() {
    let place = Place::new();
    place.write("loop.yaml", &common::HELLO.replace(
        "    - name: main\n      container:\n        image: busybox\n        command: [echo, '{{workflow.parameters.message}}']\n",
        "    - name: main\n      steps: [[{name: a, template: leaf, withParam: '{{workflow.parameters.message}}'}]]\n    - name: leaf\n      container: {image: busybox, command: [echo]}\n",
    ));
    place.run(&["lint", "loop.yaml"]).code(0);
    let plan = place.run(&["plan", "loop.yaml"]).code(3);
    plan.out_has("✖ [0].a: withParam value could not be parsed as a JSON list: hello");
    place.run(&["plan", "loop.yaml", "-p", "message=[1]"]).code(0).out_has("[0].a(0:1)");
    place.run(&["plan", "nowhere.yaml"]).code(4);
}
