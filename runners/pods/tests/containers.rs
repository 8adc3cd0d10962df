//! What only containers can do: pods of several, images, limits, engines of ours and theirs that die.
//! Runs on a real podman; the cases of every runner are in `conformance.rs`.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::Containers;
use runner_pods::container::ContainerRunner;
use runner_runners::conformance::{
    attempt, channel, finished, from_path, log_text, next, run, script, shell, succeed, value,
};
use runner_runners::{
    AttemptSpec, Error, ExitPhase, LogQuery, Objects, Observation, Reason, Runner, SecretData, SecretValue,
};
use runner_workflows::spec::{Template, UserContainer, k8s};

fn volume(name: &str) -> k8s::Volume {
    k8s::Volume {
        name: name.into(),
        empty_dir: Some(k8s::EmptyDirVolumeSource::default()),
        ..Default::default()
    }
}

fn mount(name: &str, path: &str) -> k8s::VolumeMount {
    k8s::VolumeMount { name: name.into(), mount_path: path.into(), ..Default::default() }
}

fn beside(name: &str, text: &str) -> UserContainer {
    let command = ["sh", "-c", text].map(str::to_owned).to_vec();
    UserContainer { name: name.into(), image: "alpine".into(), command, ..UserContainer::default() }
}

fn limited(text: &str, memory: &str) -> Template {
    let mut template = shell(text);
    let limits = BTreeMap::from([(
        "memory".to_owned(),
        k8s_openapi::apimachinery::pkg::api::resource::Quantity(memory.into()),
    )]);
    let resources = k8s::ResourceRequirements { limits: Some(limits), ..Default::default() };
    template.container.as_mut().unwrap().resources = Some(resources);
    template
}

/// Lines of a container that is not main.
async fn lines_of(runner: &dyn Runner, spec: &AttemptSpec, container: &str) -> Vec<String> {
    let query = LogQuery { container: Some(container.into()), ..LogQuery::default() };
    let lines = runner.logs(&spec.id, query).await.unwrap().collect().await.unwrap();
    lines.into_iter().map(|line| line.text).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pod_has_init_containers_volumes_and_side_cars() {
    let Some(containers) = Containers::start() else { return };
    let runner = containers.with(|_| {});
    let mut template =
        shell("cat /work/made; until nc 127.0.0.1 7070 </dev/null 2>/dev/null; do sleep 0.1; done");
    template.container.as_mut().unwrap().volume_mounts = vec![mount("work", "/work")];
    let mut init = beside("prepare", "echo made by init > /work/made; echo prepared");
    init.mirror_volume_mounts = Some(true);
    template.init_containers = vec![init];
    template.sidecars =
        vec![beside("server", "echo serving; while true; do echo hello | nc -l -p 7070; done")];
    template.volumes = vec![volume("work")];
    template.outputs.parameters = vec![from_path("made", "/work/made")];
    let spec = attempt(&containers, "pod", template);
    let exit = succeed(&runner, spec.clone()).await;
    assert_eq!(exit.outputs.result.as_deref(), Some("made by init\nhello"));
    assert_eq!(value(&exit, "made").as_deref(), Some("made by init"));
    assert_eq!(lines_of(&runner, &spec, "prepare").await, ["prepared"]);
    assert_eq!(lines_of(&runner, &spec, "server").await, ["serving"]);
    assert_eq!(containers.containers(&spec.id), Vec::<String>::new());

    // A failed init container keeps main from starting, and says so in Argo's words.
    let mut template = shell("echo never");
    template.init_containers = vec![beside("prepare", "exit 3")];
    let exit = run(&runner, attempt(&containers, "bad-init", template)).await;
    assert_eq!((exit.phase, exit.message.as_str()), (ExitPhase::Failed, "prepare: Error (exit code 3)"));
    assert_eq!(exit.outputs.result.as_deref(), Some(""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_set_runs_in_order_and_retries_in_place() {
    let Some(containers) = Containers::start() else { return };
    let runner = containers.with(|_| {});
    let set = serde_json::json!({
        "volumeMounts": [{"name": "work", "mountPath": "/work"}],
        "retryStrategy": {"retries": "2", "duration": "10ms"},
        "containers": [
            {"name": "a", "image": "alpine", "command": ["sh", "-c", "echo a >> /work/order"]},
            {"name": "b", "image": "alpine", "dependencies": ["a"],
             "command": ["sh", "-c", "echo b >> /work/order; test $(grep -c b /work/order) = 2"]},
            {"name": "main", "image": "alpine", "dependencies": ["b"], "command": ["sh", "-c", "cat /work/order"]}]});
    let template = Template {
        container_set: Some(serde_json::from_value(set).unwrap()),
        volumes: vec![volume("work")],
        ..Template::default()
    };
    let exit = succeed(&runner, attempt(&containers, "set", template)).await;
    assert_eq!(exit.outputs.result.as_deref(), Some("a\nb\nb"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn images_give_what_a_template_leaves_out_and_are_never_fetched_twice() {
    let Some(containers) = Containers::start() else { return };
    let runner = containers.with(|_| {});
    let mut template = shell("");
    let container = template.container.as_mut().unwrap();
    (container.command, container.args) = (Vec::new(), Vec::new());
    let exit = succeed(&runner, attempt(&containers, "entrypoint", template.clone())).await;
    assert_eq!(exit.outputs.result.as_deref(), Some("from the image"));
    // `args` alone replace the command of the image.
    template.container.as_mut().unwrap().args = vec!["echo".into(), "by args".into()];
    let exit = succeed(&runner, attempt(&containers, "args", template.clone())).await;
    assert_eq!(exit.outputs.result.as_deref(), Some("by args"));
    // An image that is not there, where nothing may be fetched: an error that says what to do.
    template.container.as_mut().unwrap().image = "registry.invalid/team/absent:1".into();
    let exit = run(&runner, attempt(&containers, "absent", template)).await;
    assert_eq!((exit.phase, exit.reason), (ExitPhase::Error, Some(Reason::NotStarted)));
    assert!(
        exit.message.contains("registry.invalid/team/absent:1") && exit.message.contains("podman load"),
        "{}",
        exit.message
    );
    // A script, in an image nobody named.
    let exit = succeed(&runner, attempt(&containers, "script", script("echo from a script; exit 0"))).await;
    assert_eq!(exit.outputs.result.as_deref(), Some("from a script"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f49_a_container_over_its_memory_limit_says_oomkilled() {
    let Some(containers) = Containers::start() else { return };
    let runner = containers.with(|_| {});
    // `tail` holds what it reads until a line ends.
    let spec = attempt(&containers, "oom", limited("exec tail /dev/zero", "32Mi"));
    let exit = run(&runner, spec).await;
    assert_eq!((exit.phase, exit.exit_code), (ExitPhase::Failed, Some(137)));
    assert_eq!(
        (exit.reason, exit.message.as_str()),
        (Some(Reason::OOMKilled), "main: OOMKilled (exit code 137)")
    );
}

struct OneSecret;

impl Objects for OneSecret {
    fn config_map(&self, _: &str, name: &str) -> Result<Option<BTreeMap<String, String>>, Error> {
        Ok((name == "settings").then(|| BTreeMap::from([("color".to_owned(), "green".to_owned())])))
    }

    fn secret(&self, _: &str, name: &str) -> Result<Option<SecretData>, Error> {
        Ok((name == "login")
            .then(|| BTreeMap::from([("token".to_owned(), SecretValue::new("s3cr3t-t0k3n"))])))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn v33_secrets_reach_the_container_and_are_masked_in_logs_and_outputs() {
    let Some(containers) = Containers::start() else { return };
    let process = containers.process(|config| config.objects = Arc::new(OneSecret));
    let runner = ContainerRunner::new(containers.config(), process).unwrap();
    let text = "test ${#TOKEN} = 12 && test $(cat /login/token) = $TOKEN && echo $TOKEN $COLOR $(cat /settings/color); \
                printf ${TOKEN%????????}; sleep 0.3; echo ${TOKEN#????}; cat /login/token > /tmp/out";
    let mut template = shell(text);
    let container = template.container.as_mut().unwrap();
    container.env = serde_json::from_value(serde_json::json!([
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "login", "key": "token"}}},
        {"name": "COLOR", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "color"}}}]))
    .unwrap();
    container.volume_mounts = vec![mount("login", "/login"), mount("settings", "/settings")];
    template.volumes = serde_json::from_value(serde_json::json!([
        {"name": "login", "secret": {"secretName": "login"}}, {"name": "settings", "configMap": {"name": "settings"}}]))
    .unwrap();
    template.outputs.parameters = vec![from_path("out", "/tmp/out")];
    let spec = attempt(&containers, "secret", template);
    let exit = succeed(&runner, spec.clone()).await;
    assert_eq!(exit.outputs.result.as_deref(), Some("*** green green\n***"));
    assert_eq!(value(&exit, "out").as_deref(), Some("***"));
    assert_eq!(log_text(&runner, &spec.id).await, ["*** green green", "***"]);
    let kept = Command::new("grep").args(["-rl", "s3cr3t"]).arg(containers.state()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&kept.stdout), "", "the value stays on disk");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pod_spec_patch_counts() {
    let Some(containers) = Containers::start() else { return };
    let runner = containers.with(|_| {});
    let mut spec = attempt(&containers, "patch", shell("echo $A $B; cat /more/x 2>/dev/null; id -u"));
    spec.pod.pod_spec_patch = r#"{"containers":[{"name":"main","env":[{"name":"A","value":"workflow"},{"name":"B","value":"b"}]}]}"#.into();
    spec.template.pod_spec_patch = "containers:\n- name: main\n  env:\n  - {name: A, value: template}\n  securityContext: {runAsUser: 1234}\n".into();
    let exit = succeed(&runner, spec).await;
    assert_eq!(exit.outputs.result.as_deref(), Some("template b\n1234"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_is_ready_when_its_probe_says_so_and_ends_when_it_is_told() {
    let Some(containers) = Containers::start() else { return };
    let runner = containers.with(|_| {});
    let mut template = shell("sleep 1; touch /tmp/ready; echo up; sleep 60");
    template.daemon = Some(true);
    let probe = serde_json::json!({"exec": {"command": ["test", "-e", "/tmp/ready"]}, "periodSeconds": 1});
    template.container.as_mut().unwrap().readiness_probe = Some(serde_json::from_value(probe).unwrap());
    let spec = attempt(&containers, "daemon", template);
    let (sink, mut events) = channel();
    let begin = Instant::now();
    runner.ensure(spec.clone(), sink).await.unwrap();
    let ready =
        next(&mut events, |o| matches!(o, Observation::Ready { .. } | Observation::Finished(_))).await;
    assert!(matches!(ready, Observation::Ready { .. }), "{ready:?}");
    assert!(begin.elapsed() >= Duration::from_secs(1), "{:?}", begin.elapsed());
    runner.cancel(&spec.id, Duration::from_secs(1)).await.unwrap();
    assert_eq!(finished(&mut events).await.reason, Some(Reason::Cancelled));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f66_an_engine_that_is_not_there_is_named_with_what_to_do() {
    let Some(containers) = Containers::start() else { return };
    let runner = containers.with(|config| config.sockets = vec!["/nowhere/engine.sock".into()]);
    let exit = run(&runner, attempt(&containers, "no-engine", shell("true"))).await;
    assert_eq!((exit.phase, exit.reason), (ExitPhase::Error, Some(Reason::NotStarted)));
    assert!(
        exit.message.contains("/nowhere/engine.sock") && exit.message.contains("podman system service"),
        "{}",
        exit.message
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f65_the_api_of_the_engine_may_go_away_and_come_back() {
    let Some(containers) = Containers::start() else { return };
    let runner = containers.with(|_| {});
    let mut spec =
        attempt(&containers, "api", shell("echo x >> ledger; echo one; sleep 4; echo two; exit 6"));
    spec.share_cwd = Some(containers.shared());
    let (sink, mut events) = channel();
    runner.ensure(spec.clone(), sink).await.unwrap();
    appears(&containers.shared().join("ledger")).await;
    // Not in the middle of the start: what podman itself makes of that is another matter.
    let up = || containers.podman.run(&["ps", "--format", "{{.Status}}"]).starts_with("Up");
    while !up() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    containers.podman.serve();
    let exit = finished(&mut events).await;
    assert_eq!((exit.phase, exit.message.as_str()), (ExitPhase::Failed, "main: Error (exit code 6)"));
    assert_eq!(exit.outputs.result.as_deref(), Some("one\ntwo"));
    assert_eq!(std::fs::read_to_string(containers.shared().join("ledger")).unwrap(), "x\n");
}

async fn appears(path: &std::path::Path) {
    for _ in 0..6000 {
        if path.exists() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(path.exists(), "{} did not appear", path.display());
}

/// Not a test: the engine of ours that `f04` kills. Runs only when it is told where.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn engine_to_be_killed() {
    let (Ok(state), Ok(socket), Ok(spec)) = (
        std::env::var("RUNNER_TEST_ENGINE"),
        std::env::var("RUNNER_TEST_SOCKET"),
        std::env::var("RUNNER_TEST_SPEC"),
    ) else {
        return;
    };
    let process =
        runner_runners::ProcessRunner::new(runner_runners::ProcessConfig::new(state).unwrap()).unwrap();
    let runner = ContainerRunner::new(common::config(socket.as_ref()), Arc::new(process)).unwrap();
    let (sink, _events) = channel();
    runner.ensure(serde_json::from_str(&spec).unwrap(), sink).await.unwrap();
    tokio::time::sleep(Duration::from_secs(120)).await;
}

async fn kill_an_engine(containers: &Containers, case: &str, wait_for_the_end: bool) -> runner_runners::Exit {
    let text = "echo x >> ledger; echo one; sleep 2; echo two; echo from a file > /tmp/out; exit 4";
    let mut spec = attempt(containers, case, shell(text));
    spec.template.outputs.parameters = vec![from_path("out", "/tmp/out")];
    spec.share_cwd = Some(containers.shared());
    let mut engine = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "engine_to_be_killed"])
        .env("RUNNER_TEST_ENGINE", containers.state())
        .env("RUNNER_TEST_SOCKET", containers.podman.socket())
        .env("RUNNER_TEST_SPEC", serde_json::to_string(&spec).unwrap())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    appears(&containers.shared().join("ledger")).await;
    engine.kill().unwrap();
    engine.wait().unwrap();
    if wait_for_the_end {
        let name = containers.containers(&spec.id);
        containers.podman.run(&["wait", &name[0]]);
        tokio::time::sleep(Duration::from_millis(1500)).await;
    }
    let exit = run(&containers.with(|_| {}), spec.clone()).await;
    assert_eq!(std::fs::read_to_string(containers.shared().join("ledger")).unwrap(), "x\n", "it ran twice");
    assert_eq!((exit.phase, exit.exit_code), (ExitPhase::Failed, Some(4)));
    assert_eq!(exit.outputs.result.as_deref(), Some("one\ntwo"));
    assert_eq!(value(&exit, "out").as_deref(), Some("from a file"));
    assert_eq!(containers.containers(&spec.id), Vec::<String>::new());
    exit
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f04_a_running_container_is_adopted_after_kill_9_of_the_engine() {
    let Some(containers) = Containers::start() else { return };
    kill_an_engine(&containers, "f04", false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f05_f06_a_container_that_ended_without_an_engine_is_read() {
    let Some(containers) = Containers::start() else { return };
    let exit = kill_an_engine(&containers, "f05", true).await;
    // When it really ended, not when somebody looked.
    let age = jiff::Timestamp::now().as_millisecond() - exit.finished_at.as_millisecond();
    assert!(age >= 1000, "{age}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f15_after_a_reboot_a_container_is_lost_and_not_started_again() {
    let Some(containers) = Containers::start() else { return };
    let runner = containers.with(|_| {});
    let mut spec = attempt(&containers, "f15", shell("echo x >> ledger; sleep 60"));
    spec.share_cwd = Some(containers.shared());
    let (sink, _events) = channel();
    runner.ensure(spec.clone(), sink).await.unwrap();
    appears(&containers.shared().join("ledger")).await;
    drop(runner);
    let process = containers.process(|config| config.boot_id = Some("another boot".into()));
    let rebooted = ContainerRunner::new(containers.config(), process).unwrap();
    let (sink, mut events) = channel();
    rebooted.ensure(spec.clone(), sink).await.unwrap();
    match next(&mut events, |o| matches!(o, Observation::Lost { .. } | Observation::Finished(_))).await {
        Observation::Lost { reason } => assert!(reason.contains("restarted"), "{reason}"),
        other => assert!(matches!(other, Observation::Lost { .. }), "{other:?}"),
    }
    assert_eq!(std::fs::read_to_string(containers.shared().join("ledger")).unwrap(), "x\n");
    assert_eq!(containers.containers(&spec.id), Vec::<String>::new());
}
