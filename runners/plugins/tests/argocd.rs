//! The argocd step against a FAKE with state: one sync per step key, whoever else syncs and wherever it dies (F67).
//! That Argo CD takes our requests is proven elsewhere, against its own API description.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "fakes/argocd.rs"]
mod argocd;
#[path = "fakes/http.rs"]
mod http;

use std::path::{Path, PathBuf};

use runner_plugins::work::{Failure, Outputs, Step};
use serde_json::{Value, json};

fn token() -> &'static Path {
    static TOKEN: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
    TOKEN.get_or_init(|| {
        let path = std::env::temp_dir().join(format!("runner-argocd-token-{}", std::process::id()));
        std::fs::write(&path, "hush\n").unwrap();
        path
    })
}

fn run(url: &str, key: &str, action: Value) -> Result<Outputs, Failure> {
    let mut fields = action;
    fields["server"] = json!(url);
    fields["token"] = json!({"file": token()});
    runner_plugins::argocd::run(fields, &Step { key: key.to_owned(), attempt: 0 })
}

fn sync(timeout: &str) -> Value {
    let sync = json!({"app": "shop", "force": "true", "prune": true, "health": true, "timeout": timeout, "poll": "10ms"});
    json!({"sync": sync})
}

#[test]
fn s0_21_a_sync_is_by_force_and_with_pruning_and_is_waited_for() {
    let (server, state) = argocd::start();
    state.lock().unwrap().stale = 3;
    let outputs = run(&server.url, "k1", sync("20s")).unwrap();
    assert_eq!((outputs["revision"].as_str(), outputs["health"].as_str()), ("rev-2", "Healthy"));
    let requests = server.requests.lock().unwrap();
    let sent = requests.iter().find(|request| request.method == "POST").unwrap();
    assert_eq!(sent.body["prune"], true);
    assert_eq!(sent.body["strategy"]["hook"]["force"], true);
    assert_eq!(sent.body["infos"], json!([{"name": "runner-step-key", "value": "k1"}]));
    assert_eq!(state.lock().unwrap().syncs, ["k1"]);
}

#[test]
fn f67_executed_again_it_joins_its_own_sync() {
    let (server, state) = argocd::start();
    state.lock().unwrap().lose_answers = 1;
    run(&server.url, "k1", sync("20s")).unwrap();
    run(&server.url, "k1", sync("20s")).unwrap();
    assert_eq!(state.lock().unwrap().syncs, ["k1"]);
    // One that runs already under our key is joined, too.
    let (server, state) = argocd::start();
    argocd::begin(&mut state.lock().unwrap(), "k1", "");
    run(&server.url, "k1", sync("20s")).unwrap();
    assert_eq!(state.lock().unwrap().syncs, ["k1"]);
}

#[test]
fn f67_an_operation_of_somebody_else_is_waited_for() {
    let (server, state) = argocd::start();
    argocd::begin(&mut state.lock().unwrap(), "other", "");
    run(&server.url, "k1", sync("20s")).unwrap();
    assert_eq!(state.lock().unwrap().syncs, ["other", "k1"]);
}

#[test]
fn f67_a_degraded_application_fails_with_the_reason() {
    let (server, state) = argocd::start();
    state.lock().unwrap().health = "Degraded".to_owned();
    let failed = run(&server.url, "k1", sync("500ms"));
    let Err(Failure::Trouble(text)) = failed else { panic!("{failed:?}") };
    assert!(text.contains("Deployment/shop Degraded: crash loop"), "{text}");
    state.lock().unwrap().ending = "Failed".to_owned();
    let failed = run(&server.url, "k2", sync("20s"));
    assert!(matches!(&failed, Err(Failure::Refused(text)) if text.contains("Failed")), "{failed:?}");
}

#[test]
fn an_operation_is_stopped_and_stopping_nothing_is_fine() {
    let (server, state) = argocd::start();
    argocd::begin(&mut state.lock().unwrap(), "other", "");
    let stop = json!({"terminate": {"app": "shop"}});
    assert_eq!(run(&server.url, "k", stop.clone()).unwrap()["stopped"], "true");
    assert_eq!(run(&server.url, "k", stop).unwrap()["stopped"], "false");
}

#[test]
fn an_application_is_made_with_upsert_and_a_dry_run_sends_nothing() {
    let (server, _state) = argocd::start();
    let application = json!({"metadata": {"name": "shop"}, "spec": {"project": "default"}});
    let apply = json!({"apply": {"application": application}});
    assert_eq!(run(&server.url, "k", apply.clone()).unwrap()["app"], "shop");
    assert_eq!(server.requests.lock().unwrap()[0].query["upsert"], "true");
    let mut dry = apply;
    dry["dryRun"] = json!("true");
    run("nowhere.invalid:443", "k", dry).unwrap();
    assert_eq!(server.requests.lock().unwrap().len(), 1);
    // A token that is not taken is a refusal that says so.
    let fields = json!({"server": server.url, "wait": {"app": "shop"}});
    let refused = runner_plugins::argocd::run(fields, &Step::default());
    assert!(matches!(&refused, Err(Failure::Refused(text)) if text.contains("401")), "{refused:?}");
}
