//! Secrets of steps: variables and files, what is missing, and that no value comes back (V33).
//! Encodings and splits are tested beside the masking itself.

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use common::conformance::{attempt, from_path, log_text, run, script, shell, succeed};
use common::{Processes, can_isolate};
use runner_runners::{Error, ExitPhase, IsolationChoice, Objects, ProcessRunner, SecretData, SecretValue};
use runner_workflows::spec::{Template, k8s};
use serde_json::json;

const TOKEN: &str = "tok-8f3b1c9d7e";

struct Two;

impl Objects for Two {
    fn config_map(&self, _: &str, name: &str) -> Result<Option<BTreeMap<String, String>>, Error> {
        Ok((name == "plain").then(|| BTreeMap::from([("a".to_owned(), "one".to_owned())])))
    }

    fn secret(&self, namespace: &str, name: &str) -> Result<Option<SecretData>, Error> {
        let values = [
            ("token", TOKEN.as_bytes().to_vec()),
            ("user", b"bob\n".to_vec()),
            ("binary", vec![0, 159, 146, 150, 7, 8, 9]),
        ];
        let data = values.map(|(key, value)| (key.to_owned(), SecretValue::new(value)));
        Ok((namespace == "default" && name == "forge").then(|| BTreeMap::from(data)))
    }

    fn secret_hint(&self, _: &str, name: &str, _: Option<&str>) -> String {
        format!("put {name} somewhere")
    }
}

fn runner(processes: &Processes) -> ProcessRunner {
    processes.with(|config| config.objects = Arc::new(Two))
}

fn with_env(mut template: Template, env: serde_json::Value) -> Template {
    let container = template.container.as_mut();
    let env: Vec<k8s::EnvVar> = serde_json::from_value(env).unwrap_or_default();
    match container {
        Some(container) => container.env = env,
        None => {
            if let Some(script) = template.script.as_mut() {
                script.env = env;
            }
        }
    }
    template
}

fn token() -> serde_json::Value {
    json!([{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "forge", "key": "token"}}}])
}

/// Every file below a directory that holds the text.
fn files_with(dir: &std::path::Path, text: &str, found: &mut Vec<String>) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() && !path.is_symlink() {
            files_with(&path, text, found);
        } else if entry.file_type().is_ok_and(|kind| kind.is_file()) {
            let bytes = std::fs::read(&path).unwrap_or_default();
            if bytes.windows(text.len()).any(|window| window == text.as_bytes()) {
                found.push(path.display().to_string());
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn v33_values_are_masked_in_logs_results_parameters_and_messages() {
    let processes = Processes::new(IsolationChoice::Auto);
    let runner = runner(&processes);
    // in pieces, in base64 behind a user, on standard error, and cut off by the end
    let source = "echo \"plain $TOKEN.\"; printf '%s' \"$TOKEN\" | cut -c1-6 | tr -d '\\n'; sleep 0.2; \
        printf '%s' \"$TOKEN\" | cut -c7-; printf 'bob:%s@host' \"$TOKEN\" | base64; \
        echo \"err $TOKEN\" >&2; printf '%s' \"$TOKEN\" > /tmp/out; printf 'tail %s' \"$TOKEN\" | head -c 13";
    let mut template = with_env(shell(source), token());
    template.outputs.parameters = vec![from_path("p", "/tmp/out")];
    let spec = attempt(&processes, "masked", template);
    let exit = succeed(&runner, spec.clone()).await;
    let result = exit.outputs.result.clone().unwrap_or_default();
    assert!(result.starts_with("plain ***.\n***\n") && result.ends_with("tail ***"), "{result}");
    let value = exit.outputs.parameters[0].value.as_ref().map(|value| value.0.as_str());
    assert_eq!(value, Some("***"));
    let log = log_text(&runner, &spec.id).await.join("\n");
    assert!(log.contains("err ***") && log.contains("plain ***."), "{log}");
    let base64 = "dG9rLThmM2Ix";
    for text in [log.as_str(), result.as_str()] {
        assert!(!text.contains("8f3b1c") && !text.contains(base64.get(2..8).unwrap_or_default()), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn v33_nothing_of_the_value_stays_on_disk() {
    let processes = Processes::new(IsolationChoice::Auto);
    let runner = processes.with(|config| {
        config.objects = Arc::new(Two);
        config.keep_root = false;
    });
    let mut template = with_env(shell("echo \"$0 $1 $TOKEN\"; exit 3"), token());
    if let Some(container) = template.container.as_mut() {
        container.args.push("$(TOKEN)".to_owned());
    }
    let spec = attempt(&processes, "disk", template);
    let exit = run(&runner, spec.clone()).await;
    assert_eq!((exit.phase, exit.exit_code), (ExitPhase::Failed, Some(3)));
    let mut found = Vec::new();
    files_with(&processes.state(), TOKEN, &mut found);
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn secrets_arrive_as_variables_and_files() {
    if can_isolate() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        assert!(runtime.is_ok_and(|runtime| {
            runtime.block_on(variables_and_files());
            true
        }));
    }
}

async fn variables_and_files() {
    let processes = Processes::new(IsolationChoice::Auto);
    // lengths and modes, not values: those would be masked
    let source = "printf '%s' \"$TOKEN\" | wc -c; printf '%s' \"$ALL_user\" | wc -c; echo \"[$NONE]\"; \
        wc -c < /creds/binary; stat -c %a /creds/token /one/here; cat /one/here | wc -c; ls /one; cat /map/a";
    let mut template = script(source);
    if let Some(script) = template.script.as_mut() {
        script.env = serde_json::from_value(json!([
            {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "forge", "key": "token"}}},
            {"name": "NONE", "valueFrom": {"secretKeyRef": {"name": "none", "key": "x", "optional": true}}},
        ]))
        .unwrap_or_default();
        script.env_from = serde_json::from_value(json!([
            {"prefix": "ALL_", "secretRef": {"name": "texts"}},
            {"secretRef": {"name": "none", "optional": true}},
        ]))
        .unwrap_or_default();
        script.volume_mounts = serde_json::from_value(json!([
            {"name": "creds", "mountPath": "/creds"},
            {"name": "one", "mountPath": "/one"},
            {"name": "none", "mountPath": "/none"},
            {"name": "map", "mountPath": "/map"},
        ]))
        .unwrap_or_default();
    }
    template.volumes = serde_json::from_value(json!([
        {"name": "creds", "secret": {"secretName": "forge"}},
        {"name": "one", "secret": {"secretName": "forge", "defaultMode": 256,
            "items": [{"key": "token", "path": "here"}]}},
        {"name": "none", "secret": {"secretName": "none", "optional": true}},
        {"name": "map", "configMap": {"name": "plain"}},
    ]))
    .unwrap_or_default();
    struct Texts;
    impl Objects for Texts {
        fn config_map(&self, ns: &str, name: &str) -> Result<Option<BTreeMap<String, String>>, Error> {
            Two.config_map(ns, name)
        }
        fn secret(&self, ns: &str, name: &str) -> Result<Option<SecretData>, Error> {
            if name == "texts" {
                return Ok(Some(BTreeMap::from([("user".to_owned(), SecretValue::new("bob"))])));
            }
            Two.secret(ns, name)
        }
    }
    let runner = processes.with(|config| config.objects = Arc::new(Texts));
    let exit = succeed(&runner, attempt(&processes, "forms", template)).await;
    let lines: Vec<String> =
        exit.outputs.result.unwrap_or_default().lines().map(|line| line.trim().to_owned()).collect();
    assert_eq!(lines, ["14", "3", "[]", "7", "600", "400", "14", "here", "one"]);
}

#[tokio::test]
async fn a_missing_secret_is_named_with_what_to_do() {
    let processes = Processes::new(IsolationChoice::Auto);
    let runner = runner(&processes);
    let missing = |name: &str, key: &str| json!([{"name": "T", "valueFrom": {"secretKeyRef": {"name": name, "key": key}}}]);
    for (case, env, words) in [
        ("name", missing("nope", "k"), ["\"nope\"", "\"k\"", "put nope somewhere"]),
        ("key", missing("forge", "other"), ["\"forge\"", "\"other\"", "put forge somewhere"]),
        ("binary", missing("forge", "binary"), ["\"forge\"", "\"binary\"", "volume"]),
    ] {
        let exit = run(&runner, attempt(&processes, case, with_env(shell("true"), env))).await;
        assert_eq!(exit.phase, ExitPhase::Error);
        assert!(words.iter().all(|word| exit.message.contains(word)), "{}", exit.message);
    }
}
