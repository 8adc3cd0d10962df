//! What the Kubernetes runner asks of an API server, and what it makes of the answers (F65, F66).
//! Against a FAKE (`fake/`): no pod runs here. The runner suite on a real cluster is `cluster.rs`.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod fake;
#[path = "protocol/release.rs"]
mod release;

use std::sync::Arc;
use std::time::{Duration, Instant};

use fake::{Fake, Trouble, container};
use runner_kubernetes::{KubernetesConfig, KubernetesRunner};
use runner_runners::conformance::{
    Subject, attempt, channel, finished, from_path, log_text, next, script, shell, value,
};
use runner_runners::frames::{self, Record, Sent};
use runner_runners::{
    ArtifactRepository, AttemptId, AttemptSpec, Cluster, ExitPhase, Observation, ProcessConfig,
    ProcessRunner, Reason, Runner, Stream,
};
use serde_json::{Value, json};

/// A runner over a fake.
struct Lab {
    fake: Fake,
    dir: tempfile::TempDir,
    config: KubernetesConfig,
}

impl Lab {
    async fn start() -> Self {
        let fake = Fake::start().await;
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let kubeconfig = dir.path().join("kubeconfig");
        std::fs::write(&kubeconfig, fake.kubeconfig()).unwrap();
        let config = KubernetesConfig {
            cluster: Cluster { kubeconfig: Some(kubeconfig), context: None },
            executor_image: "registry.example/runner:1".into(),
            ..KubernetesConfig::default()
        };
        Self { fake, dir, config }
    }

    fn spec(&self, case: &str, template: runner_workflows::spec::Template) -> AttemptSpec {
        attempt(self, case, template)
    }
}

impl Subject for Lab {
    fn runner(&self) -> Box<dyn Runner> {
        let process = ProcessRunner::new(ProcessConfig::new(self.dir.path().join("state")).unwrap()).unwrap();
        Box::new(KubernetesRunner::new(self.config.clone(), Arc::new(process)))
    }

    fn repository(&self) -> ArtifactRepository {
        ArtifactRepository::Local { root: self.dir.path().join("artifacts") }
    }

    fn lose(&self, _id: &AttemptId) -> bool {
        false
    }
}

/// The last line of a supervisor.
fn last(code: i32, sent: Vec<Sent>) -> Vec<u8> {
    let now = Some(jiff::Timestamp::now());
    let record = Record { code: Some(code), started_at: now, finished_at: now, sent, ..Record::default() };
    let mut line = Vec::new();
    frames::record(&record, &mut line).unwrap();
    line
}

/// An archive of one file, packed.
fn packed(text: &str) -> Vec<u8> {
    let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut builder = tar::Builder::new(gzip);
    let mut header = tar::Header::new_gnu();
    header.set_size(text.len() as u64);
    header.set_mode(0o644);
    builder.append_data(&mut header, "a", text.as_bytes()).unwrap();
    builder.into_inner().unwrap().finish().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_goes_there_and_everything_comes_back() {
    let lab = Lab::start().await;
    let (runner, (sink, mut events)) = (lab.runner(), channel());
    let mut template = script("echo hi");
    template.outputs.parameters = vec![from_path("a", "/tmp/a"), from_path("b", "/tmp/b")];
    if let Some(from) = &mut template.outputs.parameters[1].value_from {
        from.default = Some("fallback".into());
    }
    let spec = lab.spec("whole", template);
    runner.ensure(spec.clone(), sink).await.unwrap();
    let pod = lab.fake.pod("whole-pod").await;
    assert_eq!(pod["spec"]["initContainers"][0]["image"], "registry.example/runner:1");
    assert_eq!(pod["spec"]["containers"][0]["command"], json!(["/var/run/argo/runner-step"]));
    let args = json!(["__pod", "run", "main", "--", "sh", "/argo/staging/script"]);
    assert_eq!(pod["spec"]["containers"][0]["args"], args);
    // The script goes in a ConfigMap that goes with the pod.
    let map = lab.fake.config_map().await;
    assert_eq!(map["metadata"]["ownerReferences"][0]["uid"], pod["metadata"]["uid"]);
    assert_eq!(
        pod["spec"]["volumes"].as_array().unwrap().last().unwrap()["configMap"]["name"],
        map["metadata"]["name"]
    );
    lab.fake.runs("whole-pod");
    let file = packed("value\n");
    let mut lines = b"hi\n".to_vec();
    frames::output(Stream::Stderr, b"careful", true, &mut lines);
    // 11 bytes arrive, and the supervisor had sent more.
    frames::count(111, &mut lines);
    frames::file(0, &file, &mut lines);
    lines.extend(last(0, vec![Sent::Bytes(file.len() as u64), Sent::Missing]));
    lab.fake.says("whole-pod", &lines, true);
    let exit = finished(&mut events).await;
    assert_eq!((exit.phase, exit.message.as_str()), (ExitPhase::Succeeded, ""));
    assert_eq!(exit.outputs.result.as_deref(), Some("hi"));
    assert_eq!(
        (value(&exit, "a").as_deref(), value(&exit, "b").as_deref()),
        (Some("value"), Some("fallback"))
    );
    assert_eq!(
        log_text(&*runner, &spec.id).await,
        ["hi", "careful", "[... 100 bytes of output were dropped here ...]"]
    );
    // Nothing but the step's removal takes the pod away.
    assert_eq!(lab.fake.count("delete pods"), 0);
    runner.remove(&spec.id).await.unwrap();
    assert_eq!(lab.fake.pods().len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_lost_creates_no_second_pod_f65() {
    let lab = Lab::start().await;
    let (runner, (sink, mut events)) = (lab.runner(), channel());
    lab.fake.trouble(Trouble { on: "create pods", code: 503, retry_after: None, done: true });
    runner.ensure(lab.spec("unsure", shell("true")), sink).await.unwrap();
    lab.fake.wait_for("create pods", 2).await;
    lab.fake.runs("unsure-pod");
    lab.fake.says("unsure-pod", &last(0, vec![]), true);
    assert_eq!(finished(&mut events).await.phase, ExitPhase::Succeeded);
    assert_eq!((lab.fake.count("create pods"), lab.fake.pods().len()), (2, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_died_is_followed_by_one_that_adopts() {
    let lab = Lab::start().await;
    let spec = lab.spec("adopt", shell("x"));
    let (sink, mut events) = channel();
    let runner = lab.runner();
    runner.ensure(spec.clone(), sink).await.unwrap();
    lab.fake.pod("adopt-pod").await;
    lab.fake.runs("adopt-pod");
    next(&mut events, |o| matches!(o, Observation::Started { .. })).await;
    lab.fake.says("adopt-pod", b"one\n", false);
    drop(runner);
    let (sink, mut events) = channel();
    let runner = lab.runner();
    runner.ensure(spec.clone(), sink).await.unwrap();
    next(&mut events, |o| matches!(o, Observation::Started { .. })).await;
    let mut rest = b"two\n".to_vec();
    rest.extend(last(4, vec![]));
    lab.fake.says("adopt-pod", &rest, true);
    let exit = finished(&mut events).await;
    assert_eq!((exit.phase, exit.message.as_str()), (ExitPhase::Failed, "main: Error (exit code 4)"));
    assert_eq!(log_text(&*runner, &spec.id).await, ["one", "two"]);
    assert_eq!(lab.fake.count("create pods"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_pod_is_left_alone() {
    let lab = Lab::start().await;
    let (runner, (sink, mut events)) = (lab.runner(), channel());
    lab.fake.put("foreign-pod", json!({"runner/attempt": "another"}));
    runner.ensure(lab.spec("foreign", shell("true")), sink).await.unwrap();
    let exit = finished(&mut events).await;
    assert_eq!((exit.phase, exit.reason), (ExitPhase::Error, Some(Reason::NotStarted)));
    assert!(
        exit.message.contains("\"foreign-pod\"") && exit.message.contains("delete it"),
        "{}",
        exit.message
    );
    assert_eq!(lab.fake.count("delete pods"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_server_is_given_the_time_it_asks_for_f65() {
    let lab = Lab::start().await;
    let (runner, (sink, mut events)) = (lab.runner(), channel());
    lab.fake.trouble(Trouble { on: "create pods", code: 429, retry_after: Some(2), done: false });
    let start = Instant::now();
    runner.ensure(lab.spec("busy", shell("true")), sink).await.unwrap();
    lab.fake.pod("busy-pod").await;
    assert!(start.elapsed() >= Duration::from_secs(2), "{:?}", start.elapsed());
    lab.fake.runs("busy-pod");
    lab.fake.says("busy-pod", &last(0, vec![]), true);
    assert_eq!(finished(&mut events).await.phase, ExitPhase::Succeeded);
    assert_eq!(lab.fake.count("create pods"), 2);
}

/// An attempt whose pod runs, and the events of its runner.
async fn running(lab: &Lab, case: &str) -> (Box<dyn Runner>, fake::Events) {
    let (runner, (sink, mut events)) = (lab.runner(), channel());
    let mut spec = lab.spec(case, shell("x"));
    spec.capture_result = false;
    runner.ensure(spec, sink).await.unwrap();
    lab.fake.pod(&format!("{case}-pod")).await;
    lab.fake.wait_for("watch pods", 1).await;
    lab.fake.runs(&format!("{case}-pod"));
    next(&mut events, |o| matches!(o, Observation::Started { .. })).await;
    lab.fake.wait_for("get pods/log", 1).await;
    (runner, events)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_that_was_forgotten_begins_with_a_list_f65() {
    let lab = Lab::start().await;
    let (_runner, mut events) = running(&lab, "expired").await;
    lab.fake.trouble(Trouble { on: "watch pods", code: 410, retry_after: None, done: false });
    lab.fake.expire();
    // Nobody is told of this.
    lab.fake.ends("expired-pod", 5);
    lab.fake.says("expired-pod", b"", true);
    let exit = finished(&mut events).await;
    assert_eq!((exit.phase, exit.exit_code), (ExitPhase::Failed, Some(5)));
    assert!(lab.fake.count("list pods") >= 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_that_says_nothing_is_not_believed_f65() {
    let mut lab = Lab::start().await;
    lab.config.stall = Duration::from_millis(700);
    let (_runner, mut events) = running(&lab, "stall").await;
    lab.fake.silence();
    lab.fake.ends("stall-pod", 6);
    lab.fake.says("stall-pod", b"", true);
    let exit = finished(&mut events).await;
    assert_eq!((exit.phase, exit.exit_code), (ExitPhase::Failed, Some(6)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_that_nobody_saw_is_found_f65_f66() {
    let mut lab = Lab::start().await;
    lab.config.stall = Duration::from_millis(700);
    let (_runner, mut events) = running(&lab, "vanished").await;
    lab.fake.silence();
    lab.fake.delete("vanished-pod");
    let lost = next(&mut events, |o| matches!(o, Observation::Lost { .. } | Observation::Finished(_))).await;
    assert_eq!(lost, Observation::Lost { reason: "pod deleted".into() });
    assert_eq!(lab.fake.count("create pods"), 1, "it is not run a second time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn evicted_and_lost_are_not_the_same_f66() {
    let lab = Lab::start().await;
    let (_runner, mut events) = running(&lab, "evicted").await;
    lab.fake.says("evicted-pod", b"", true);
    let message = "The node was low on resource: memory.";
    lab.fake.status("evicted-pod", json!({"phase": "Failed", "reason": "Evicted", "message": message}));
    let exit = finished(&mut events).await;
    assert_eq!((exit.phase, exit.reason), (ExitPhase::Failed, Some(Reason::Evicted)));
    assert_eq!(exit.message, "Evicted: The node was low on resource: memory.");
    let lab = Lab::start().await;
    let (_runner, mut events) = running(&lab, "nodelost").await;
    lab.fake.status("nodelost-pod", json!({"phase": "Unknown", "reason": "NodeLost", "message": "gone"}));
    let lost = next(&mut events, |o| matches!(o, Observation::Lost { .. } | Observation::Finished(_))).await;
    assert_eq!(lost, Observation::Lost { reason: "NodeLost: gone".into() });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pods_that_get_nowhere_are_given_up_with_their_reason_f66() {
    let mut lab = Lab::start().await;
    lab.config.pending_timeout = Some(Duration::from_millis(1500));
    let image = json!({"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}});
    let image = json!({"phase": "Pending", "containerStatuses": [container(image)]});
    let condition = json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                           "message": "0/1 nodes are available"});
    let nowhere = json!({"phase": "Pending", "conditions": [condition]});
    let cases = [
        ("image", image, Reason::Image, "ImagePullBackOff: Back-off pulling image (given up"),
        ("nowhere", nowhere, Reason::Unschedulable, "Unschedulable: 0/1 nodes are available (given up"),
    ];
    let runner = lab.runner();
    for (case, status, reason, message) in cases {
        let (sink, mut events) = channel();
        runner.ensure(lab.spec(case, shell("true")), sink).await.unwrap();
        let name = format!("{case}-pod");
        lab.fake.pod(&name).await;
        lab.fake.status(&name, status);
        let exit = finished(&mut events).await;
        assert_eq!((exit.phase, exit.reason), (ExitPhase::Error, Some(reason)), "{}", exit.message);
        assert!(exit.message.starts_with(message), "{}", exit.message);
        assert!(!lab.fake.pods().contains(&name), "it must not start after all");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pod_that_does_not_start_yet_says_why_and_each_reason_once_f66() {
    let lab = Lab::start().await;
    let (runner, (sink, mut events)) = (lab.runner(), channel());
    runner.ensure(lab.spec("slow", shell("true")), sink).await.unwrap();
    lab.fake.pod("slow-pod").await;
    let condition =
        json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"});
    let waits = |reason: &str, message: &str| {
        let state = json!({"waiting": {"reason": reason, "message": message}});
        json!({"phase": "Pending", "containerStatuses": [container(state)]})
    };
    let mut initializing = waits("PodInitializing", "");
    let mut init = container(json!({"running": {}}));
    init["name"] = "init".into();
    initializing["initContainerStatuses"] = json!([init]);
    let back_off = waits("ImagePullBackOff", "Back-off pulling image");
    let statuses = [
        (json!({"phase": "Pending", "conditions": [condition]}), Some("Unschedulable: 0/1 nodes")),
        (waits("ContainerCreating", ""), Some("ContainerCreating")),
        (initializing, Some("PodInitializing")),
        (back_off.clone(), Some("ImagePullBackOff: Back-off pulling image")),
        (back_off, None),
    ];
    for (status, message) in statuses {
        lab.fake.status("slow-pod", status);
        if let Some(message) = message {
            let seen = next(&mut events, |_| true).await;
            assert_eq!(seen, Observation::Waiting { message: message.to_owned() });
        }
    }
    lab.fake.runs("slow-pod");
    let seen = next(&mut events, |_| true).await;
    assert!(matches!(seen, Observation::Started { .. }), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelling_gives_the_grace_to_the_pod() {
    let lab = Lab::start().await;
    let (runner, mut events) = running(&lab, "cancel").await;
    let id = lab.spec("cancel", shell("x")).id;
    runner.cancel(&id, Duration::from_millis(2500)).await.unwrap();
    let exit = finished(&mut events).await;
    assert_eq!((exit.phase, exit.reason), (ExitPhase::Failed, Some(Reason::Cancelled)));
    assert_eq!(lab.fake.graces(), [Some(3)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outputs_that_are_cut_off_are_an_error_and_never_half() {
    let lab = Lab::start().await;
    let (runner, (sink, mut events)) = (lab.runner(), channel());
    let mut template = shell("x");
    template.outputs.parameters = vec![from_path("a", "/tmp/a")];
    runner.ensure(lab.spec("cut", template), sink).await.unwrap();
    lab.fake.pod("cut-pod").await;
    lab.fake.runs("cut-pod");
    let mut lines = Vec::new();
    frames::file(0, &packed("v")[..20], &mut lines);
    lines.extend(last(0, vec![Sent::Bytes(packed("v").len() as u64)]));
    lab.fake.says("cut-pod", &lines, true);
    let exit = finished(&mut events).await;
    assert_eq!((exit.phase, exit.reason), (ExitPhase::Error, Some(Reason::Output)));
    assert!(exit.message.contains("/tmp/a: only 20 of"), "{}", exit.message);
    // The same when the log ends without the supervisor's last word.
    let (sink, mut events) = channel();
    runner.ensure(lab.spec("silent", shell("x")), sink).await.unwrap();
    lab.fake.pod("silent-pod").await;
    lab.fake.ends("silent-pod", 0);
    lab.fake.says("silent-pod", b"half\n", true);
    let exit = finished(&mut events).await;
    assert_eq!((exit.phase, exit.reason), (ExitPhase::Error, Some(Reason::Output)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_is_ready_when_its_pod_is() {
    let lab = Lab::start().await;
    let (runner, (sink, mut events)) = (lab.runner(), channel());
    let mut template = shell("serve");
    template.daemon = Some(true);
    runner.ensure(lab.spec("daemon", template), sink).await.unwrap();
    lab.fake.pod("daemon-pod").await;
    lab.fake.runs("daemon-pod");
    let mut status = json!({"phase": "Running", "podIP": "10.0.0.9", "containerStatuses": [container(json!({"running": {}}))]});
    lab.fake.status("daemon-pod", status.clone());
    status["conditions"] = json!([{"type": "Ready", "status": "True"}]);
    lab.fake.status("daemon-pod", status);
    match next(&mut events, |o| matches!(o, Observation::Ready { .. })).await {
        Observation::Ready { ip, .. } => assert_eq!(ip, "10.0.0.9"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pod_gc_takes_the_pods_it_means() {
    let lab = Lab::start().await;
    let runner = lab.runner();
    let gc = |strategy: &str, label: &str| {
        let gc =
            json!({"strategy": strategy, "labelSelector": {"matchLabels": {"runner/attempt-number": label}}});
        Some(serde_json::from_value(gc).unwrap())
    };
    let cases = [
        ("kept", "OnPodSuccess", "0", 1),
        ("gone", "OnPodCompletion", "0", 1),
        ("won", "OnPodSuccess", "0", 0),
        ("other", "OnPodCompletion", "7", 0),
    ];
    for (case, strategy, label, code) in cases {
        let (sink, mut events) = channel();
        let mut spec = lab.spec(case, shell("x"));
        spec.pod.pod_gc = gc(strategy, label);
        runner.ensure(spec, sink).await.unwrap();
        let name = format!("{case}-pod");
        lab.fake.pod(&name).await;
        lab.fake.runs(&name);
        lab.fake.says(&name, &last(code, vec![]), true);
        finished(&mut events).await;
    }
    lab.fake.wait_for("delete pods", 2).await;
    assert_eq!(lab.fake.pods(), ["kept-pod".to_owned(), "other-pod".to_owned()].into());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_manifest_allows_what_is_asked_and_nothing_else() {
    let lab = Lab::start().await;
    let (runner, (sink, mut events)) = (lab.runner(), channel());
    // Everything that a runner asks: create, conflict, read, bring, watch, log, delete.
    lab.fake.trouble(Trouble { on: "create pods", code: 503, retry_after: None, done: true });
    lab.fake.trouble(Trouble {
        on: "create persistentvolumeclaims",
        code: 503,
        retry_after: None,
        done: true,
    });
    let mut spec = lab.spec("rights", script("x"));
    spec.claims = vec![serde_json::from_value(json!({"metadata": {"name": "work"}})).unwrap()];
    runner.ensure(spec.clone(), sink).await.unwrap();
    lab.fake.config_map().await;
    lab.fake.wait_for("watch pods", 1).await;
    lab.fake.runs("rights-pod");
    lab.fake.says("rights-pod", &last(0, vec![]), true);
    finished(&mut events).await;
    let (workflow_uid, namespace) = (spec.id.workflow_uid.clone(), spec.namespace.clone());
    let claims = vec!["rights-work".to_owned()];
    let release = runner_runners::Release { workflow_uid, namespace, claims, guests: None };
    runner.release(release).await.unwrap();
    runner.remove(&spec.id).await.unwrap();
    let asked: std::collections::BTreeSet<String> = lab.fake.asked().into_iter().collect();

    let manifest = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/kubernetes/rbac.yaml");
    let documents: Vec<Value> =
        serde_saphyr::from_multiple(&std::fs::read_to_string(manifest).unwrap()).unwrap();
    let rules = |name: &str| -> Vec<String> {
        let role =
            documents.iter().find(|one| one["kind"] == "Role" && one["metadata"]["name"] == name).unwrap();
        let mut allowed = Vec::new();
        for rule in role["rules"].as_array().unwrap() {
            assert_eq!(rule["apiGroups"], json!([""]));
            for resource in rule["resources"].as_array().unwrap() {
                for verb in rule["verbs"].as_array().unwrap() {
                    allowed.push(format!("{} {}", verb.as_str().unwrap(), resource.as_str().unwrap()));
                }
            }
        }
        allowed
    };
    let allowed: std::collections::BTreeSet<String> = rules("runner-engine").into_iter().collect();
    assert_eq!(asked, allowed);
    // Steps may do nothing at all, and are not even given a token.
    assert!(
        !documents
            .iter()
            .any(|one| one["kind"] == "RoleBinding" && one["subjects"][0]["name"] == "runner-step")
    );
    let account = documents
        .iter()
        .find(|one| one["kind"] == "ServiceAccount" && one["metadata"]["name"] == "runner-step");
    assert_eq!(account.unwrap()["automountServiceAccountToken"], false);
}
