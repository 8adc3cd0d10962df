//! Custom metrics, resource durations, progress, estimates and volume claims of scripted runs.
//! Parsing of metrics is tested in the language crate.

use crate::common::{Run, fails, prints, with_leaves};
use runner_machine::metrics::{Kind, Registry, Sample, emissions, realtime};
use runner_machine::{Action, Command, Input, NodePhase as P, Observed, WorkflowPhase as W, outstanding};

/// Runs to the end and sums up everything emitted; the second value lists what could not be.
fn emitted(run: &mut Run) -> (Registry, Vec<String>) {
    let (mut registry, mut wrong) = (Registry::default(), Vec::new());
    let mut seen = 0;
    loop {
        let more = run.step();
        for emission in emissions(&run.plan, &run.status, &run.facts[seen..]) {
            if let Err(why) = emission.and_then(|e| registry.record(&e)) {
                wrong.push(why);
            }
        }
        seen = run.facts.len();
        if !more {
            return (registry, wrong);
        }
    }
}

fn value(registry: &Registry, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let key: Vec<(String, String)> = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    match registry.families().get(name)?.series.get(&key)? {
        Sample::Value(value) => Some(*value),
        Sample::Histogram { count, .. } => Some(f64::from(u32::try_from(*count).unwrap())),
    }
}

const FLAKY: &str = "entrypoint: main
templates:
- name: main
  steps:
  - - {name: a, template: flaky, arguments: {parameters: [{name: who, value: x}]}}
- name: flaky
  inputs: {parameters: [{name: who}]}
  retryStrategy: {limit: 2}
  metrics:
    prometheus:
    - {name: tries, help: Tries, labels: [{key: who, value: '{{inputs.parameters.who}}'}, {key: status, value: '{{status}}'}], counter: {value: '1'}}
    - {name: failures, help: Failed, when: '{{status}} == Failed', counter: {value: '1'}}
    - {name: code, help: Exit code, gauge: {value: '{{exitCode}}'}}
    - {name: balance, help: Sum, gauge: {operation: Sub, value: '5'}}
  container: {image: x, command: [run]}
";

#[test]
fn every_attempt_is_counted_once_and_the_last_one_as_its_retry_node() {
    let mut run = Run::new(FLAKY).on("a(0)", fails()).on("a(1)", fails());
    let (registry, wrong) = emitted(&mut run);
    assert_eq!(run.status.phase, W::Succeeded);
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(value(&registry, "tries", &[("status", "Failed"), ("who", "x")]), Some(2.0));
    assert_eq!(value(&registry, "tries", &[("status", "Succeeded"), ("who", "x")]), Some(1.0));
    assert_eq!(value(&registry, "failures", &[]), Some(2.0));
    assert_eq!(value(&registry, "code", &[]), Some(0.0), "set by the last one");
    assert_eq!(value(&registry, "balance", &[]), Some(-15.0));
}

#[test]
fn the_workflow_emits_when_it_ends_with_its_outcome() {
    let spec = "entrypoint: c
metrics:
  prometheus:
  - {name: ended, help: Runs, labels: [{key: status, value: '{{workflow.status}}'}, {key: name, value: '{{workflow.name}}'}], counter: {value: '1'}}
  - {name: cpu, help: Cpu, gauge: {value: '{{resourcesDuration.cpu}}'}}
  - {name: seconds, help: Time, histogram: {value: '{{workflow.duration}}', buckets: [1, 60]}}
templates:";
    let mut run = Run::new(&with_leaves(spec)).on("wf", fails());
    let (registry, wrong) = emitted(&mut run);
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(value(&registry, "ended", &[("name", "wf"), ("status", "Failed")]), Some(1.0));
    assert_eq!(value(&registry, "cpu", &[]), Some(0.0));
    assert_eq!(registry.families()["seconds"].kind, Kind::Histogram);
    let text = registry.render(&[], run.now);
    assert!(text.contains("# TYPE argo_workflows_seconds histogram\n"), "{text}");
    assert!(text.contains("argo_workflows_seconds_bucket{le=\"60\"} 1\n"), "{text}");
    assert!(text.contains("argo_workflows_ended{name=\"wf\",status=\"Failed\"} 1\n"), "{text}");
}

#[test]
fn what_cannot_be_emitted_is_said_and_changes_nothing() {
    let spec = "entrypoint: main
templates:
- name: main
  metrics:
    prometheus:
    - {name: helpless, counter: {value: '1'}}
    - {name: words, help: h, gauge: {value: '{{outputs.result}}'}}
    - {name: falling, help: h, counter: {value: '-1'}}
    - {name: nowhere, help: h, gauge: {value: '{{no.such.thing}}'}}
    - {name: fine, help: h, counter: {value: '2'}}
  container: {image: x, command: [run]}
";
    let mut run = Run::new(spec).on("wf", prints("no number"));
    let (registry, wrong) = emitted(&mut run);
    assert_eq!(run.status.phase, W::Succeeded);
    assert_eq!(wrong.len(), 4, "{wrong:?}");
    assert!(wrong[0].contains("'helpless'") && wrong[3].contains("no.such.thing"), "{wrong:?}");
    assert_eq!(registry.families().keys().collect::<Vec<_>>(), ["fine"]);
}

#[test]
fn gauges_of_passing_time_grow_until_their_node_ends() {
    let spec = "entrypoint: main
templates:
- name: main
  steps: [[{name: a, template: t}, {name: b, template: c}]]
- name: c
  container: {image: x, command: [run]}
- name: t
  metrics: {prometheus: [{name: age, help: h, labels: [{key: node, value: '{{node.name}}'}], gauge: {realtime: true, value: '{{duration}}'}}]}
  container: {image: x, command: [run]}
";
    let mut run = Run::new(spec).hold("a").hold("b");
    run.step();
    let later = run.now + jiff::SignedDuration::from_secs(7);
    let gauges = realtime(&run.plan, &run.status);
    let [Ok(gauge)] = gauges.as_slice() else { panic!("{gauges:?}") };
    assert_eq!(gauge.labels, [("node".to_owned(), "wf[0].a".to_owned())]);
    assert_eq!(gauge.value(later), 7.0);
    let text = Registry::default().render(std::slice::from_ref(gauge), later);
    assert!(text.contains("argo_workflows_age{node=\"wf[0].a\"} 7\n"), "{text}");
    run.held_nothing();
    run.go();
    assert!(realtime(&run.plan, &run.status).is_empty(), "the run ended");
}

#[test]
fn resources_are_requests_times_seconds_and_sums_above() {
    let spec = "entrypoint: main
templates:
- name: main
  inputs: {parameters: [{name: cpu, value: '2'}]}
  steps: [[{name: a, template: t, arguments: {parameters: [{name: cpu, value: '{{inputs.parameters.cpu}}'}]}}, {name: b, template: c}]]
- name: c
  container: {image: x, command: [run]}
- name: t
  inputs: {parameters: [{name: cpu}]}
  container: {image: x, command: [run], resources: {requests: {cpu: '{{inputs.parameters.cpu}}', memory: 200Mi}}}
";
    let mut run = Run::new(spec).hold("a").hold("b");
    run.step();
    run.now += jiff::SignedDuration::from_secs(10);
    for action in outstanding(&run.plan, &run.status) {
        let Action::Ensure { node, attempt } = action else { continue };
        let what = Observed::Finished {
            phase: runner_machine::NodePhase::Succeeded,
            message: String::new(),
            outputs: Default::default(),
            started_at: None,
            finished_at: run.now,
        };
        run.feed(Input::Observed { node, attempt, what });
    }
    assert_eq!(run.status.phase, W::Succeeded);
    let argo = run.status.to_argo(&run.plan);
    let of = |name: &str| argo["nodes"][&run.node(name).id]["resourcesDuration"].clone();
    assert_eq!(of("a"), serde_json::json!({"cpu": 20, "memory": 20}));
    assert_eq!(of("b"), serde_json::json!({"cpu": 1, "memory": 10}));
    assert_eq!(of("wf"), serde_json::json!({"cpu": 21, "memory": 30}));
    assert_eq!(argo["resourcesDuration"], serde_json::json!({"cpu": 21, "memory": 30}));
}

#[test]
fn reported_progress_is_summed_up_to_the_workflow() {
    let body = "entrypoint: main
templates:
- name: main
  steps: [[{name: a, template: c}, {name: b, template: c}]]";
    let mut run = Run::new(&with_leaves(body)).hold("a").hold("b");
    run.step();
    assert_eq!(run.status.progress(), (0, 2));
    let of_a = outstanding(&run.plan, &run.status).into_iter().find_map(|action| match action {
        Action::Ensure { node, attempt } => Some((node, attempt)),
        _ => None,
    });
    let (node, attempt) = of_a.unwrap();
    run.feed(Input::Observed { node, attempt, what: Observed::Progress(40, 100) });
    assert_eq!(run.status.progress(), (40, 101));
    let argo = run.status.to_argo(&run.plan);
    assert_eq!(argo["progress"], "40/101");
    assert_eq!(argo["nodes"]["wf"]["progress"], "40/101");
    assert_eq!(argo["nodes"][&run.node("a").id]["progress"], "40/100");
    run.held_nothing();
    run.ends(W::Succeeded);
    assert_eq!(run.status.progress(), (101, 101));
}

#[test]
fn what_a_node_waits_for_is_its_message_until_it_goes_on_and_no_fact_comes_twice() {
    let mut run =
        Run::new("entrypoint: main\ntemplates:\n- {name: main, container: {image: x, command: [run]}}")
            .hold("wf");
    run.go();
    let node = run.status.by_name("wf").unwrap();
    let waits = |message: &str| {
        let what = Observed::Waiting { message: message.into() };
        Input::Observed { node, attempt: 0, what }
    };
    for (message, facts) in [("ContainerCreating", 1), ("ImagePullBackOff: x", 1), ("ImagePullBackOff: x", 0)]
    {
        let before = run.facts.len();
        run.feed(waits(message));
        assert_eq!(run.facts.len() - before, facts, "{message}");
        assert_eq!((run.phase("wf"), run.node("wf").message.as_str()), (P::Pending, message));
    }
    let (at, host) = (run.now, "h".into());
    run.feed(Input::Observed { node, attempt: 0, what: Observed::Running { at, host } });
    assert_eq!((run.phase("wf"), run.node("wf").message.as_str()), (P::Running, ""));
    // Paused for somebody who looks at it.
    run.feed(waits("paused before its command"));
    assert_eq!((run.phase("wf"), run.node("wf").message.as_str()), (P::Running, "paused before its command"));
    run.feed(waits(""));
    assert_eq!((run.phase("wf"), run.node("wf").message.as_str()), (P::Running, ""));
    run.feed(waits("paused after its command"));
    let what = Observed::Finished {
        phase: P::Succeeded,
        message: String::new(),
        outputs: Default::default(),
        started_at: None,
        finished_at: run.now,
    };
    run.feed(Input::Observed { node, attempt: 0, what });
    run.ends(W::Succeeded);
    run.feed(waits("late"));
    assert_eq!((run.phase("wf"), run.node("wf").message.as_str()), (P::Succeeded, ""), "it is over");
    run.replays();
}

#[test]
fn tags_in_volumes_and_claims_of_the_workflow_are_replaced() {
    let mut run = Run::new(
        "entrypoint: main\narguments: {parameters: [{name: p, value: five}]}\nvolumes:\n- {name: v, \
         persistentVolumeClaim: {claimName: 'c-{{workflow.parameters.p}}'}}\nvolumeClaimTemplates:\n- {metadata: {name: \
         w}, spec: {storageClassName: 'class-{{workflow.parameters.p}}'}}\ntemplates:\n- {name: main, container: \
         {image: x, command: [run]}}",
    )
    .hold("wf");
    run.go();
    let node = run.status.by_name("wf").unwrap();
    let plan = runner_machine::attempt_plan(&run.plan, &run.status, node, run.now).unwrap();
    let claims: Vec<_> = plan
        .template
        .volumes
        .iter()
        .filter_map(|v| Some(&v.persistent_volume_claim.as_ref()?.claim_name))
        .collect();
    assert_eq!(claims, ["c-five", "wf-w"]);
    let class = plan.claims[0].spec.as_ref().unwrap().storage_class_name.as_deref();
    assert_eq!(class, Some("class-five"));
}

#[test]
fn claims_are_made_at_the_start_and_kept_after_a_failure_for_a_retry() {
    let spec = |gc: &str| {
        format!(
            "entrypoint: c\n{gc}volumeClaimTemplates: [{{metadata: {{name: work}}, spec: {{accessModes: [ReadWriteOnce]}}}}]\ntemplates:"
        )
    };
    let mut run = Run::new(&with_leaves(&spec(""))).on("wf", fails()).hold("wf");
    run.step();
    assert_eq!(run.status.bound_claims(), ["wf-work"]);
    let volumes = run.attempt("wf").template.volumes;
    assert_eq!(volumes[0].persistent_volume_claim.as_ref().unwrap().claim_name, "wf-work");
    assert_eq!(run.status.to_argo(&run.plan)["persistentVolumeClaims"][0]["name"], "work");
    run.held_nothing();
    run.ends(W::Failed);
    assert_eq!(run.status.bound_claims(), ["wf-work"], "kept for a retry");
    run.outcomes.clear();
    run.command(Command::Retry {
        restart_successful: false,
        selector: String::new(),
        parameters: Vec::new(),
    })
    .expect("a retry");
    run.ends(W::Succeeded);
    assert_eq!(
        (run.status.bound_claims(), run.status.released_claims()),
        (vec![], vec!["wf-work".to_owned()])
    );
    let mut run =
        Run::new(&with_leaves(&spec("volumeClaimGC: {strategy: OnWorkflowCompletion}\n"))).on("wf", fails());
    run.ends(W::Failed);
    assert_eq!(run.status.released_claims(), ["wf-work"]);
}
