//! Typed steps as the engine runs them: http, data and executor plugins in a supervised process.
//! The servers here are FAKES: each answers what its test says and keeps what it was asked.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use runner_runners::typed::PluginServer;
use runner_runners::{
    ArtifactRepository, AttemptId, AttemptSpec, Error, Exit, ExitPhase, Objects, Observation, ProcessConfig,
    ProcessRunner, Runner, SecretData, SecretValue,
};
use runner_workflows::spec::Template;
use serde_json::{Value, json};

/// What a fake server was asked.
#[derive(Clone, Debug, Default)]
struct Asked {
    line: String,
    headers: BTreeMap<String, String>,
    body: String,
}

/// A FAKE HTTP server on a free port: answers one after the other, the last one again and again.
struct Fake {
    address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Fake {
    fn new(answers: &[(&str, &str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&asked);
        let answers: Vec<(String, String)> =
            answers.iter().map(|(head, body)| ((*head).to_owned(), (*body).to_owned())).collect();
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let (head, body) = answers.get(number).or(answers.last()).unwrap();
                serve(stream.unwrap(), head, body, &kept);
            }
        });
        Self { address, asked }
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

fn serve(stream: TcpStream, head: &str, body: &str, kept: &Mutex<Vec<Asked>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut asked = Asked::default();
    reader.read_line(&mut asked.line).unwrap();
    let mut line = String::new();
    while reader.read_line(&mut line).unwrap() > 2 {
        let (name, value) = line.trim().split_once(": ").unwrap();
        asked.headers.insert(name.to_ascii_lowercase(), value.to_owned());
        line.clear();
    }
    let length = asked.headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut bytes = vec![0; length];
    reader.read_exact(&mut bytes).unwrap();
    asked.body = String::from_utf8(bytes).unwrap();
    kept.lock().unwrap().push(asked);
    let mut stream = stream;
    let length = body.len();
    // Whoever gave up waiting is not there to be answered.
    let _ = write!(stream, "HTTP/1.1 {head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
}

struct Hush;

impl Objects for Hush {
    fn config_map(&self, _: &str, _: &str) -> Result<Option<BTreeMap<String, String>>, Error> {
        Ok(None)
    }

    fn secret(&self, _: &str, name: &str) -> Result<Option<SecretData>, Error> {
        let data = BTreeMap::from([("token".to_owned(), SecretValue::new("canary-4711"))]);
        Ok((name == "api").then_some(data))
    }
}

struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { dir: tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap() }
    }

    fn runner(&self, change: impl FnOnce(&mut ProcessConfig)) -> ProcessRunner {
        let mut config = ProcessConfig::new(self.dir.path().join("state")).unwrap();
        config.program = PathBuf::from(env!("CARGO_BIN_EXE_plugin-step"));
        config.objects = Arc::new(Hush);
        change(&mut config);
        ProcessRunner::new(config).unwrap()
    }

    fn spec(&self, case: &str, template: Value) -> AttemptSpec {
        let mut template: Template = serde_json::from_value(template).unwrap();
        template.name = "main".into();
        AttemptSpec {
            id: AttemptId { workflow_uid: format!("uid-{case}"), node_id: "node".into(), attempt: 0 },
            workflow: case.to_owned(),
            namespace: "default".into(),
            node_name: case.to_owned(),
            pod_name: format!("{case}-pod"),
            template,
            capture_result: false,
            timeout: None,
            step_key: format!("uid-{case}/node"),
            volumes: Vec::new(),
            repository: ArtifactRepository::Local { root: self.dir.path().join("artifacts") },
            default_key_prefix: format!("{case}/{case}-pod"),
            share_cwd: None,
            claims: Vec::new(),
            env: Vec::new(),
            archive_logs: false,
            pod: runner_runners::PodDefaults::default(),
        }
    }
}

async fn run(runner: &ProcessRunner, spec: AttemptSpec) -> (Exit, Vec<Observation>) {
    let (sink, mut events) = tokio::sync::mpsc::unbounded_channel();
    runner.ensure(spec, sink).await.unwrap();
    let mut seen = Vec::new();
    let waiting = async {
        loop {
            match events.recv().await.unwrap().1 {
                Observation::Finished(exit) => return exit,
                Observation::Lost { reason } => panic!("lost: {reason}"),
                other => seen.push(other),
            }
        }
    };
    let exit = tokio::time::timeout(Duration::from_secs(120), waiting).await.unwrap();
    (exit, seen)
}

#[tokio::test]
async fn an_http_step_sends_what_the_template_says_and_gives_the_body() {
    let (place, fake) = (Place::new(), Fake::new(&[("200 OK", "pong /tmp/x")]));
    let template = json!({"http": {"method": "POST", "url": format!("http://{}/ping?a=b", fake.address),
        "body": "say /tmp/x", "headers": [{"name": "X-Token", "valueFrom": {"secretKeyRef":
            {"name": "api", "key": "token"}}}, {"name": "Content-Type", "value": "text/plain"}],
        "successCondition": "response.statusCode == 200 && response.body contains 'pong'"}});
    let spec = place.spec("http", template);
    let attempt = place.dir.path().join("state/attempts").join(spec.id.storage_name());
    let (exit, _) = run(&place.runner(|_| ()), spec).await;
    assert_eq!((exit.phase, exit.message.as_str()), (ExitPhase::Succeeded, ""));
    assert_eq!(exit.outputs.result.as_deref(), Some("pong /tmp/x"));
    assert_eq!(
        (exit.exit_code, exit.outputs.exit_code),
        (None, None),
        "as Argo, such nodes have no exit code"
    );
    let asked = fake.asked();
    assert_eq!(asked.len(), 1);
    assert!(asked[0].line.starts_with("POST /ping?a=b "), "{}", asked[0].line);
    assert_eq!(asked[0].body, "say /tmp/x");
    assert_eq!(asked[0].headers["x-token"], "canary-4711");
    assert_eq!(asked[0].headers["idempotency-key"], "uid-http/node", "P4: the same for every execution");
    // V33: the value is in no file that outlives the step.
    let files = std::fs::read_dir(attempt).unwrap().flatten();
    for entry in files.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file())) {
        let text = std::fs::read(entry.path()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        assert!(!text.contains("canary-4711"), "{}", entry.path().display());
    }
}

#[tokio::test]
async fn http_failures_have_argos_words() {
    let place = Place::new();
    let runner = place.runner(|_| ());
    let fake = Fake::new(&[("503 Service Unavailable", "later")]);
    let url = format!("http://{}/", fake.address);
    let (exit, _) = run(&runner, place.spec("status", json!({"http": {"url": url}}))).await;
    assert_eq!(
        (exit.phase, exit.message.as_str()),
        (ExitPhase::Failed, "received non-2xx response code: 503")
    );
    assert_eq!(exit.outputs.result.as_deref(), Some("later"), "the body is kept");
    let condition = json!({"http": {"url": url, "successCondition": "response.statusCode == 200"}});
    let (exit, _) = run(&runner, place.spec("condition", condition)).await;
    assert_eq!(exit.message, "successCondition 'response.statusCode == 200' evaluated false");
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (exit, _) =
        run(&runner, place.spec("refused", json!({"http": {"url": format!("http://{closed}/")}}))).await;
    assert_eq!(exit.phase, ExitPhase::Failed);
    assert!(exit.message.starts_with("Get \"http://127.0.0.1:"), "{}", exit.message);
    assert!(exit.message.to_lowercase().contains("connection refused"), "{}", exit.message);
}

#[tokio::test]
async fn v27_redirects_to_credentials_of_the_cloud_are_not_followed() {
    let place = Place::new();
    let fake = Fake::new(&[("302 Found\r\nLocation: http://169.254.169.254/latest/meta-data/", "")]);
    let url = format!("http://{}/", fake.address);
    let (exit, _) = run(&place.runner(|_| ()), place.spec("ssrf", json!({"http": {"url": url}}))).await;
    assert_eq!(exit.phase, ExitPhase::Failed);
    assert!(exit.message.contains("link-local"), "{}", exit.message);
    let runner = place.runner(|config| config.typed.http.deny_private = true);
    let (exit, _) = run(&runner, place.spec("private", json!({"http": {"url": url}}))).await;
    assert!(exit.message.contains("not a public address"), "{}", exit.message);
    assert_eq!(fake.asked().len(), 1, "the second request was never sent");
}

#[tokio::test]
async fn an_executor_plugin_is_asked_until_it_is_done() {
    let place = Place::new();
    let fake = Fake::new(&[
        ("200 OK", r#"{"node": {"phase": "Running", "progress": "1/2"}, "requeue": "1s"}"#),
        (
            "200 OK",
            r#"{"node": {"phase": "Succeeded", "message": "said it", "outputs":
            {"parameters": [{"name": "word", "value": "hello"}]}}}"#,
        ),
    ]);
    let token = place.dir.path().join("token");
    std::fs::write(&token, "plugin-token\n").unwrap();
    let server = PluginServer { url: format!("http://{}/", fake.address), token_file: Some(token) };
    let runner = place.runner(|config| drop(config.typed.plugins.insert("hello".into(), server)));
    let template = json!({"plugin": {"hello": {"to": "you"}},
        "outputs": {"parameters": [{"name": "word", "globalName": "everywhere", "valueFrom": {"default": "none"}}]}});
    let (exit, seen) = run(&runner, place.spec("plugin", template)).await;
    assert_eq!((exit.phase, exit.message.as_str()), (ExitPhase::Succeeded, "said it"));
    let word = exit.outputs.parameter("word").unwrap();
    assert_eq!(word.value.as_ref().map(|value| value.0.as_str()), Some("hello"));
    assert_eq!(word.global_name, "everywhere", "what the template says about it stays");
    let asked = fake.asked();
    assert_eq!(asked.len(), 2);
    assert!(asked[0].line.starts_with("POST /api/v1/template.execute "), "{}", asked[0].line);
    assert_eq!(asked[0].headers["authorization"], "Bearer plugin-token");
    let body: Value = serde_json::from_str(&asked[0].body).unwrap();
    assert_eq!(body["workflow"]["metadata"]["name"], "plugin");
    assert_eq!(body["template"]["plugin"]["hello"]["to"], "you");
    assert!(seen.contains(&Observation::Progress { done: 1, total: 2 }), "{seen:?}");
}

#[tokio::test]
async fn a_plugin_that_nobody_serves_says_what_to_configure() {
    let place = Place::new();
    let (exit, _) =
        run(&place.runner(|_| ()), place.spec("nobody", json!({"plugin": {"unheard": {}}}))).await;
    assert_eq!(exit.phase, ExitPhase::Error);
    assert!(exit.message.contains("runners.plugins.unheard.url"), "{}", exit.message);
}

#[tokio::test]
async fn a_data_step_lists_and_transforms_what_the_repository_has() {
    let place = Place::new();
    let runner = place.runner(|_| ());
    let store = json!({"container": {"image": "x", "command": ["sh", "-c", "echo 1 > /tmp/a.csv; echo 2 > /tmp/b.txt"]},
        "outputs": {"artifacts": [
            {"name": "a", "path": "/tmp/a.csv", "archive": {"none": {}}, "s3": {"key": "data/a.csv"}},
            {"name": "b", "path": "/tmp/b.txt", "archive": {"none": {}}, "s3": {"key": "data/b.txt"}}]}});
    let (exit, _) = run(&runner, place.spec("store", store)).await;
    assert_eq!((exit.phase, exit.message.as_str()), (ExitPhase::Succeeded, ""));
    let data = json!({"data": {"source": {"artifactPaths": {"name": "all", "s3": {"key": "data"}}},
        "transformation": [{"expression": "filter(data, {# endsWith \".csv\"})"}]}});
    let (exit, _) = run(&runner, place.spec("data", data)).await;
    assert_eq!((exit.phase, exit.message.as_str()), (ExitPhase::Succeeded, ""));
    assert_eq!(exit.outputs.result.as_deref(), Some("[\"data/a.csv\"]"));
}

#[tokio::test]
async fn a_typed_step_goes_on_while_no_engine_is_there_and_is_sent_once() {
    let place = Place::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/slow", listener.local_addr().unwrap());
    let spec = place.spec("adopted", json!({"http": {"url": url, "method": "POST"}}));
    let (sink, _events) = tokio::sync::mpsc::unbounded_channel();
    let first = place.runner(|_| ());
    first.ensure(spec.clone(), sink).await.unwrap();
    // Asked, and not answered yet: now the engine goes away.
    let (stream, _) = tokio::task::spawn_blocking(move || listener.accept().map(|one| (one.0, listener)))
        .await
        .unwrap()
        .unwrap();
    drop(first);
    let second = place.runner(|_| ());
    let answer = tokio::task::spawn_blocking(move || serve(stream, "200 OK", "late", &Mutex::default()));
    let (exit, _) = run(&second, spec).await;
    answer.await.unwrap();
    assert_eq!((exit.phase, exit.outputs.result.as_deref()), (ExitPhase::Succeeded, Some("late")));
}
