//! Resource steps whose manifest is an artifact, as the engine runs them: a supervised process, against a FAKE cluster.
//! What a resource step does with its manifest is tested in `runner-resources`.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use runner_fake_cluster::Fake;
use runner_runners::{
    ArtifactRepository, AttemptId, AttemptSpec, Exit, ExitPhase, NoObjects, Observation, PodDefaults,
    ProcessConfig, ProcessRunner, Runner,
};
use serde_json::json;

const MANIFEST: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: from-artifact}\ndata: {a: '1'}\n";

/// Runs a resource step that takes its manifest from the artifact `m`.
async fn apply(fake: &Fake, case: &str, data: &str) -> Exit {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut config = ProcessConfig::new(dir.path().join("state")).unwrap();
    config.program = PathBuf::from(env!("CARGO_BIN_EXE_plugin-step"));
    config.typed.program.clone_from(&config.program);
    config.typed.cluster = fake.cluster(dir.path());
    config.objects = Arc::new(NoObjects);
    let runner = ProcessRunner::new(config).unwrap();
    let template = json!({
        "name": "main",
        "inputs": {"artifacts": [{"name": "m", "path": "/tmp/manifest.yaml", "raw": {"data": data}}]},
        "resource": {"action": "create", "manifestFrom": {"artifact": {"name": "m"}}},
    });
    let spec = AttemptSpec {
        id: AttemptId { workflow_uid: format!("uid-{case}"), node_id: "node".into(), attempt: 0 },
        workflow: case.to_owned(),
        namespace: "default".into(),
        node_name: case.to_owned(),
        pod_name: format!("{case}-pod"),
        template: serde_json::from_value(template).unwrap(),
        capture_result: false,
        timeout: None,
        step_key: format!("uid-{case}/node"),
        volumes: Vec::new(),
        claims: Vec::new(),
        repository: ArtifactRepository::Local { root: dir.path().join("artifacts") },
        default_key_prefix: format!("{case}/{case}-pod"),
        share_cwd: None,
        env: Vec::new(),
        archive_logs: false,
        pod: PodDefaults::default(),
    };
    let (sink, mut events) = tokio::sync::mpsc::unbounded_channel();
    runner.ensure(spec, sink).await.unwrap();
    let waiting = async {
        loop {
            if let Observation::Finished(exit) = events.recv().await.unwrap().1 {
                return exit;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting).await.unwrap()
}

#[tokio::test]
async fn the_manifest_of_a_resource_step_may_be_an_artifact() {
    let fake = Fake::start();
    let exit = apply(&fake, "good", MANIFEST).await;
    assert_eq!((exit.phase, exit.message.as_str()), (ExitPhase::Succeeded, ""));
    let made = fake.object("/api/v1/namespaces/default/configmaps/from-artifact").unwrap();
    assert_eq!(made["data"]["a"], "1");
}

#[tokio::test]
async fn an_artifact_that_is_no_manifest_is_an_error_that_says_so() {
    let fake = Fake::start();
    let exit = apply(&fake, "bad", "just words").await;
    assert_ne!(exit.phase, ExitPhase::Succeeded);
    assert!(exit.message.contains("manifest"), "{}", exit.message);
    assert_eq!(fake.asked().iter().filter(|asked| asked.starts_with("POST")).count(), 0);
}
