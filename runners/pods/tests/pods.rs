//! The Pod of an attempt, field by field: what Argo's own controller puts there, and where ours differs on purpose.
//! Needs no engine and no cluster.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::PathBuf;
use std::time::Duration;

use runner_pods::pod::{PodError, PodOptions, Supervision, build};
use runner_runners::{ArtifactRepository, AttemptId, AttemptSpec, PodDefaults};
use runner_workflows::spec::{Template, WorkflowSpec};
use serde_json::{Value, json};

fn attempt(template: Value, workflow: Value) -> AttemptSpec {
    let template: Template = serde_json::from_value(template).unwrap();
    let workflow: WorkflowSpec = serde_json::from_value(workflow).unwrap();
    AttemptSpec {
        id: AttemptId { workflow_uid: "0f0e".into(), node_id: "wf-123".into(), attempt: 0 },
        workflow: "wf".into(),
        namespace: "team".into(),
        node_name: "wf.step".into(),
        pod_name: "wf-main-123".into(),
        capture_result: false,
        timeout: Some(Duration::from_millis(90_500)),
        step_key: "0f0e/wf-123".into(),
        volumes: workflow.volumes.clone(),
        repository: ArtifactRepository::Local { root: PathBuf::from("/nowhere") },
        default_key_prefix: "wf/wf-main-123".into(),
        share_cwd: None,
        claims: Vec::new(),
        env: vec![("TRACEPARENT".into(), "00-1".into())],
        archive_logs: false,
        pod: PodDefaults::of(&workflow),
        template,
    }
}

fn pod(spec: &AttemptSpec, options: &PodOptions) -> Value {
    serde_json::to_value(build(spec, options).unwrap()).unwrap()
}

fn identity() -> Value {
    json!([{"name": "TRACEPARENT", "value": "00-1"}, {"name": "RUNNER_STEP_KEY", "value": "0f0e/wf-123"},
           {"name": "RUNNER_ATTEMPT", "value": "0"}])
}

#[test]
fn a_plain_container_is_the_whole_pod() {
    let spec = attempt(json!({"name": "main", "container": {"image": "busybox", "args": ["x"]}}), json!({}));
    let expected = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": "wf-main-123", "namespace": "team",
            "labels": {"workflows.argoproj.io/workflow": "wf", "workflows.argoproj.io/completed": "false",
                       "runner/workflow-uid": "0f0e", "runner/attempt": spec.id.storage_name(),
                       "runner/attempt-number": "0"},
            "annotations": {"workflows.argoproj.io/node-id": "wf-123", "workflows.argoproj.io/node-name": "wf.step",
                            "kubectl.kubernetes.io/default-container": "main"}},
        "spec": {
            "restartPolicy": "Never", "activeDeadlineSeconds": 91, "volumes": [],
            "containers": [{"name": "main", "image": "busybox", "args": ["x"], "env": identity(), "volumeMounts": []}]}});
    assert_eq!(pod(&spec, &PodOptions::default()), expected);
    // The same attempt is the same Pod.
    assert_eq!(pod(&spec, &PodOptions::default()), expected);
}

#[test]
fn names_differ_by_attempt_and_labels_of_a_template_cannot_stand_in_for_ours() {
    let template = json!({"name": "main", "container": {"image": "busybox",
        "env": [{"name": "RUNNER_STEP_KEY", "value": "stolen"}, {"name": "MINE", "value": "1"}]},
        "metadata": {"labels": {"app": "x", "runner/attempt": "other"}, "annotations": {"note": "t"}}});
    let workflow =
        json!({"podMetadata": {"labels": {"app": "w", "team": "a"}, "annotations": {"note": "w"}}});
    let mut spec = attempt(template, workflow);
    spec.id.attempt = 2;
    let pod = pod(&spec, &PodOptions::default());
    assert_eq!(pod["metadata"]["name"], "wf-main-123-2");
    assert_eq!(pod["metadata"]["labels"]["app"], "x");
    assert_eq!(pod["metadata"]["labels"]["team"], "a");
    assert_eq!(pod["metadata"]["labels"]["runner/attempt"], spec.id.storage_name());
    assert_eq!(pod["metadata"]["annotations"]["note"], "t");
    let env = pod["spec"]["containers"][0]["env"].as_array().unwrap().clone();
    let keys: Vec<&Value> = env.iter().filter(|one| one["name"] == "RUNNER_STEP_KEY").collect();
    assert_eq!(keys, [&json!({"name": "RUNNER_STEP_KEY", "value": "0f0e/wf-123"})]);
    assert_eq!(env[0], json!({"name": "MINE", "value": "1"}));
}

#[test]
fn a_script_and_its_inputs_come_in_volumes() {
    let template = json!({"name": "main",
        "script": {"image": "python", "command": ["python"], "source": "print(1)",
                   "volumeMounts": [{"name": "data", "mountPath": "/data"}]},
        "inputs": {"artifacts": [
            {"name": "code", "path": "/src/", "s3": {"key": "k"}},
            {"name": "inside", "path": "/data/in", "s3": {"key": "k"}},
            {"name": "nobody", "path": "/opt", "optional": true}]},
        "sidecars": [{"name": "helper", "image": "busybox", "mirrorVolumeMounts": true,
                      "volumeMounts": [{"name": "data", "mountPath": "/src"}]}]});
    let workflow = json!({"volumes": [{"name": "data", "emptyDir": {}}, {"name": "unused", "emptyDir": {}}]});
    let pod = pod(&attempt(template, workflow), &PodOptions::default());
    let spec = &pod["spec"];
    assert_eq!(spec["containers"][0]["args"], json!(["/argo/staging/script"]));
    assert_eq!(
        spec["containers"][0]["volumeMounts"],
        json!([{"name": "data", "mountPath": "/data"}, {"name": "argo-staging", "mountPath": "/argo/staging"},
               {"name": "input-artifacts", "mountPath": "/src", "subPath": "code"}])
    );
    assert_eq!(
        spec["volumes"],
        json!([{"name": "data", "emptyDir": {}}, {"name": "argo-staging", "emptyDir": {}},
               {"name": "input-artifacts", "emptyDir": {}}])
    );
    // It mirrors main's mounts, but keeps its own where they meet.
    assert_eq!(
        spec["containers"][1]["volumeMounts"],
        json!([{"name": "data", "mountPath": "/src"}, {"name": "data", "mountPath": "/data"},
               {"name": "argo-staging", "mountPath": "/argo/staging"}])
    );
    assert!(spec["containers"][1].get("mirrorVolumeMounts").is_none());
}

#[test]
fn the_template_goes_before_the_workflow_and_patches_go_last() {
    let template = json!({"name": "main", "container": {"image": "busybox"},
        "nodeSelector": {"disk": "ssd"}, "serviceAccountName": "own", "hostAliases": [{"ip": "2.2.2.2", "hostnames": ["t"]}],
        "podSpecPatch": "containers:\n- {name: main, resources: {limits: {memory: 64Mi}}}\n"});
    let workflow = json!({"nodeSelector": {"disk": "hdd"}, "serviceAccountName": "all", "hostNetwork": true,
        "tolerations": [{"key": "w", "operator": "Exists"}], "imagePullSecrets": [{"name": "pull"}],
        "hostAliases": [{"ip": "1.1.1.1", "hostnames": ["w"]}], "securityContext": {"runAsUser": 5},
        "podPriorityClassName": "low", "dnsPolicy": "None",
        "podSpecPatch": r#"{"containers":[{"name":"main","resources":{"limits":{"memory":"1Gi","cpu":"1"}}}],"terminationGracePeriodSeconds":9}"#});
    let pod = pod(&attempt(template, workflow), &PodOptions::default());
    let spec = &pod["spec"];
    assert_eq!(spec["nodeSelector"], json!({"disk": "ssd"}));
    assert_eq!((&spec["serviceAccountName"], &spec["hostNetwork"]), (&json!("own"), &json!(true)));
    assert_eq!(spec["tolerations"], json!([{"key": "w", "operator": "Exists"}]));
    assert_eq!(spec["imagePullSecrets"], json!([{"name": "pull"}]));
    assert_eq!(spec["hostAliases"][0]["ip"], "1.1.1.1");
    assert_eq!(spec["hostAliases"][1]["ip"], "2.2.2.2");
    assert_eq!(
        (&spec["securityContext"], &spec["priorityClassName"]),
        (&json!({"runAsUser": 5}), &json!("low"))
    );
    assert_eq!(spec["dnsPolicy"], "None");
    assert_eq!(spec["containers"][0]["resources"], json!({"limits": {"memory": "64Mi", "cpu": "1"}}));
    assert_eq!(spec["terminationGracePeriodSeconds"], 9);
}

#[test]
fn a_supervised_pod_brings_its_supervisor() {
    let template = json!({"name": "main", "containerSet": {
        "volumeMounts": [{"name": "work", "mountPath": "/work"}],
        "containers": [{"name": "a", "image": "busybox", "command": ["true"]},
                       {"name": "main", "image": "argoproj/argosay:v2", "args": ["echo"], "dependencies": ["a"]}]},
        "volumes": [{"name": "work", "emptyDir": {}}],
        "initContainers": [{"name": "first", "image": "busybox"}]});
    let supervision = Supervision {
        image: "runner:1".into(),
        pull_policy: Some("IfNotPresent".into()),
        arguments: vec!["__pod".into()],
        env: vec![("RUNNER_POD".into(), "{}".into())],
    };
    let options = PodOptions { supervision: Some(supervision), images: Vec::new() };
    let spec = attempt(template, json!({}));
    let pod = pod(&spec, &options);
    let inits = &pod["spec"]["initContainers"];
    assert_eq!(
        (&inits[0]["name"], &inits[0]["image"], &inits[1]["name"]),
        (&json!("init"), &json!("runner:1"), &json!("first"))
    );
    assert_eq!(inits[0]["args"], json!(["__pod", "copy", "/var/run/argo/runner-step"]));
    let mains = &pod["spec"]["containers"];
    assert_eq!(mains[0]["command"], json!(["/var/run/argo/runner-step"]));
    assert_eq!(mains[0]["args"], json!(["__pod", "a", "--", "true"]));
    // The entrypoint of a known image stands in for a command that is not given.
    assert_eq!(mains[1]["args"], json!(["__pod", "main", "--", "argosay", "echo"]));
    assert_eq!(pod["spec"]["volumes"][0]["name"], "var-run-argo");
    assert!(mains[1].get("dependencies").is_none());

    let unknown = json!({"name": "main", "container": {"image": "who/knows"}});
    let error = build(&attempt(unknown, json!({})), &options).unwrap_err();
    assert!(matches!(&error, PodError::Entrypoint(why) if why.contains("who/knows")), "{error}");
}

#[test]
fn what_cannot_be_a_pod_is_refused_with_its_name() {
    let refused = |template: Value, workflow: Value| {
        build(&attempt(template, workflow), &PodOptions::default()).unwrap_err().to_string()
    };
    let mounted = json!({"name": "main", "container": {"image": "x", "volumeMounts": [{"name": "gone", "mountPath": "/x"}]}});
    assert!(refused(mounted, json!({})).contains("\"gone\""));
    let twice =
        json!({"name": "main", "container": {"image": "x"}, "sidecars": [{"name": "main", "image": "x"}]});
    assert!(refused(twice, json!({})).contains("\"main\""));
    let bad = json!({"name": "main", "container": {"image": "x"}, "podSpecPatch": "containers: ["});
    assert!(refused(bad, json!({})).starts_with("podSpecPatch: "));
    let wrong =
        json!({"name": "main", "container": {"image": "x"}, "podSpecPatch": "{\"containers\": \"none\"}"});
    assert!(refused(wrong, json!({})).contains("no pod spec"));
}
