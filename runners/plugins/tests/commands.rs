//! The plugins `kubectl` and `http`, and resource templates, as the binary does them: an order in, a report out.
//! The http server is a FAKE that answers what its test says; kubectl is real where it and a cluster are, and otherwise
//! a FAKE script that shows what it was given.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use runner_runners::ExitPhase;
use runner_runners::typed::Report;
use serde_json::{Value, json};

fn place() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

fn step(dir: &Path, kind: &str, order: &Value, path: Option<&Path>) -> Report {
    let (ordered, report) = (dir.join("order.json"), dir.join("report.json"));
    std::fs::write(&ordered, order.to_string()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_plugin-step"));
    command.arg("__step").arg(kind).arg(&ordered).arg(&report);
    if let Some(path) = path {
        command.env("PATH", path);
    }
    let done = command.output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap()
}

fn plugin(dir: &Path, plugin: Value) -> Value {
    json!({
        "template": {"name": "t", "plugin": plugin}, "stepKey": "uid/node", "namespace": "default",
        "cluster": {"kubeconfig": dir.join("kubeconfig")},
    })
}

fn parameter(report: &Report, name: &str) -> String {
    let found = report.outputs.parameters.iter().find(|parameter| parameter.name == name);
    found.and_then(|parameter| parameter.value.clone()).map(|value| value.0).unwrap_or_default()
}

/// A FAKE server: answers one request after the other, the last answer again and again; keeps what it was asked.
fn serve(answers: &[&str]) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&asked);
    let answers: Vec<String> = answers.iter().map(|answer| (*answer).to_owned()).collect();
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().flatten().enumerate() {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut head, mut line, mut length) = (String::new(), String::new(), 0);
            while reader.read_line(&mut line).unwrap() > 2 {
                if let Some(given) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
                    length = given.trim().parse().unwrap();
                }
                head.push_str(&line);
                line.clear();
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            kept.lock().unwrap().push(head);
            let status = answers.get(number).or(answers.last()).unwrap();
            let mut stream = stream;
            // Whoever gave up waiting is not there to be answered.
            let _ = write!(
                stream,
                "HTTP/1.1 {status}\r\nX-One: 1\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
            );
        }
    });
    (address, asked)
}

#[test]
fn http_retries_what_is_safe_and_gives_status_body_and_headers() {
    let dir = place();
    let (url, asked) = serve(&["503 No", "429 No", "200 OK"]);
    let report =
        step(dir.path(), "plugin", &plugin(dir.path(), json!({"http": {"url": url, "retries": "3"}})), None);
    assert_eq!(report.phase, ExitPhase::Succeeded, "{}", report.message);
    assert_eq!(report.outputs.result.as_deref(), Some("ok"));
    assert_eq!(parameter(&report, "status"), "200");
    assert_eq!(parameter(&report, "body"), "ok");
    assert!(parameter(&report, "headers").contains("X-One"));
    assert_eq!(asked.lock().unwrap().len(), 3);
}

#[test]
fn p4_http_that_may_act_twice_is_sent_once_with_its_key() {
    let dir = place();
    let (url, asked) = serve(&["503 No", "200 OK"]);
    let with = |more: Value| {
        let mut fields = json!({"url": url, "method": "POST", "body": "x"});
        fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        step(dir.path(), "plugin", &plugin(dir.path(), json!({"http": fields})), None)
    };
    let report = with(json!({"retries": 2}));
    assert_eq!(report.phase, ExitPhase::Error);
    assert!(report.message.contains("retryStrategy"), "{}", report.message);
    assert!(asked.lock().unwrap().is_empty());
    let report = with(json!({}));
    assert_eq!((report.phase, asked.lock().unwrap().len()), (ExitPhase::Failed, 1));
    let head = asked.lock().unwrap()[0].to_ascii_lowercase();
    assert!(head.contains("idempotency-key: uid/node"), "{head}");
}

#[test]
fn v27_http_to_an_untrusted_address_reaches_nothing_local() {
    let dir = place();
    let (url, asked) = serve(&["200 OK"]);
    let port = url.rsplit(':').next().unwrap().to_owned();
    for url in [
        url.clone(),
        format!("http://0x7f.1:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        format!("http://localhost:{port}/"),
    ] {
        let fields = json!({"http": {"url": url, "untrusted": true}});
        let report = step(dir.path(), "plugin", &plugin(dir.path(), fields), None);
        assert_eq!(report.phase, ExitPhase::Failed, "{url}");
    }
    let fields = json!({"http": {"url": url, "allowedHosts": "example.com"}});
    let report = step(dir.path(), "plugin", &plugin(dir.path(), fields), None);
    assert_eq!(report.phase, ExitPhase::Error);
    assert!(asked.lock().unwrap().is_empty(), "nothing was asked");
}

#[test]
fn v31_kubectl_is_given_flags_words_and_a_manifest() {
    let dir = place();
    let bin = dir.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    // A FAKE kubectl: shows its words, its input and what of the environment could choose a cluster.
    let script = "#!/bin/sh\nfor word in \"$@\"; do echo \"[$word]\"; done\nIFS= read -r line; echo \"in: $line\"\necho \"env: $KUBECONFIG\"\n\
                  echo trouble >&2\nexit ${CODE:-0}\n";
    let program = bin.join("kubectl");
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let fields = json!({"kubectl": {
        "command": "apply", "manifest": "kind: X\n", "flags": {"server-side": true, "selector": "a=b --token=x"},
    }});
    let report = step(dir.path(), "plugin", &plugin(dir.path(), fields), Some(&bin));
    assert_eq!(report.phase, ExitPhase::Succeeded, "{}", report.message);
    let config = dir.path().join("kubeconfig");
    let expected = format!(
        "[apply]\n[--kubeconfig={}]\n[--namespace=default]\n[--selector=a=b --token=x]\n[--server-side=true]\n[--filename=-]\nin: kind: X\nenv: ",
        config.display()
    );
    assert_eq!(report.outputs.result.unwrap().trim_end(), expected.trim_end());
    std::fs::write(&program, script.replace("${CODE:-0}", "3")).unwrap();
    let fields = json!({"kubectl": {"command": "get", "args": ["pods"]}});
    let report = step(dir.path(), "plugin", &plugin(dir.path(), fields), Some(&bin));
    assert_eq!((report.phase, report.message.as_str()), (ExitPhase::Failed, "trouble"));
    assert_eq!(parameter(&report, "exitCode"), "3");
    // Without one it says so; a file of that name that is no program is none.
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o644)).unwrap();
    let report =
        step(dir.path(), "plugin", &plugin(dir.path(), json!({"kubectl": {"command": "get"}})), Some(&bin));
    assert_eq!(report.phase, ExitPhase::Error);
}

#[test]
fn kubectl_and_resource_templates_against_a_real_cluster() {
    let Some(file) = std::env::var_os("RUNNER_TEST_KUBECONFIG") else {
        eprintln!("SKIPPED against a real cluster: RUNNER_TEST_KUBECONFIG names none");
        return;
    };
    let dir = place();
    let name = format!("k{}", std::process::id());
    let with = |mut order: Value| {
        order["cluster"] = json!({"kubeconfig": file.to_str().unwrap()});
        order
    };
    let manifest =
        format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}}}, data: {{a: '1'}}}}");
    let resource = json!({"action": "apply", "manifest": manifest});
    let from = json!({"jsonPath": "{.data.a}"});
    let template = json!({"name": "t", "resource": resource, "outputs": {"parameters": [{"name": "a", "valueFrom": from}]}});
    let order = with(json!({"template": template, "stepKey": "k", "namespace": "default"}));
    let report = step(dir.path(), "resource", &order, None);
    assert_eq!(
        (report.phase, parameter(&report, "a")),
        (ExitPhase::Succeeded, "1".to_owned()),
        "{}",
        report.message
    );
    let kubectl = |fields: Value| {
        step(dir.path(), "plugin", &with(plugin(dir.path(), json!({"kubectl": fields}))), None)
    };
    let report =
        kubectl(json!({"command": "get", "args": ["cm", name], "flags": {"output": "jsonpath={.data.a}"}}));
    if report.message.contains("no kubectl") {
        eprintln!("SKIPPED: there is no kubectl here");
        return;
    }
    assert_eq!(report.outputs.result.as_deref(), Some("1"), "{}", report.message);
    let report = kubectl(json!({"command": "patch", "args": ["cm", name], "manifest": "data: {a: '2'}"}));
    assert_eq!(report.phase, ExitPhase::Succeeded, "{}", report.message);
    let report = kubectl(
        json!({"command": "delete", "args": [format!("cm/{name}")], "flags": {"ignore-not-found": true}}),
    );
    assert_eq!(report.phase, ExitPhase::Succeeded, "{}", report.message);
    let report = kubectl(json!({"command": "get", "args": ["cm", name]}));
    assert_eq!(report.phase, ExitPhase::Failed);
    assert!(report.message.contains("not found"), "{}", report.message);
}
