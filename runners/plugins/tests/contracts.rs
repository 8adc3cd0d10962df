//! Our requests to Argo CD, validated by an independent MOCK made from its own API description (prism); GitHub by a FAKE.
//! Needs `prism` on PATH (npm @stoplight/prism-cli) or its path in RUNNER_TEST_PRISM; prints that it skipped without.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "fakes/http.rs"]
mod http;

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use runner_plugins::work::api::{Access, Api};
use runner_plugins::work::{Failure, Step};
use runner_plugins::{argocd, git};
use serde_json::{Value, json};

fn token() -> &'static Path {
    static TOKEN: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
    TOKEN.get_or_init(|| {
        let path = std::env::temp_dir().join(format!("runner-contracts-token-{}", std::process::id()));
        std::fs::write(&path, "hush").unwrap();
        path
    })
}

fn prism() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("RUNNER_TEST_PRISM") {
        return Some(path.into());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join("prism")).find(|program| program.is_file())
}

/// The descriptions lie beside the conformance corpora.
fn description(name: &str) -> PathBuf {
    let corpora = std::env::var_os("CONFORMANCE_DIR").map(PathBuf::from);
    let corpora =
        corpora.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance"));
    corpora.join("../data").join(name)
}

struct Mock {
    child: Child,
    url: String,
}

impl Mock {
    fn start(prism: &Path, description: &Path) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new(prism)
            .args(["mock", "-h", "127.0.0.1", "-p", &port.to_string()])
            .arg(description)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let end = Instant::now() + Duration::from_secs(120);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < end, "prism does not listen");
            std::thread::sleep(Duration::from_millis(100));
        }
        Self { child, url: format!("http://127.0.0.1:{port}") }
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn argo_cds_own_description_takes_our_requests() {
    let (Some(prism), file) = (prism(), description("argocd-swagger.json")) else {
        eprintln!("SKIPPED: prism is not installed (npm @stoplight/prism-cli)");
        return;
    };
    if !file.is_file() {
        eprintln!("SKIPPED: {} is not there", file.display());
        return;
    }
    let mock = Mock::start(&prism, &file);
    let run = |action: Value| {
        let mut fields = action;
        fields["server"] = json!(mock.url);
        fields["token"] = json!({"file": token()});
        argocd::run(fields, &Step { key: "k1".into(), attempt: 0 })
    };
    let application = json!({"metadata": {"name": "shop", "namespace": "argocd"}, "spec": {
        "project": "default",
        "destination": {"server": "https://kubernetes.default.svc", "namespace": "shop-dev"},
        "source": {"repoURL": "https://git.example.com/shop.git", "targetRevision": "main", "path": "deploy",
            "kustomize": {"images": ["shop=registry/shop:1"],
                "patches": [{"target": {"kind": "Deployment", "name": "shop"}, "patch": "[]"}]}},
        "syncPolicy": {"automated": {"prune": true, "selfHeal": true}},
    }});
    run(json!({"apply": {"application": application}})).unwrap();
    run(json!({"terminate": {"app": "shop"}})).unwrap();
    // The mock knows no state, so the request for a sync is caught by a FAKE and played to it.
    let fake = http::Server::start(|_| Some((200, json!({}))));
    let sync = json!({"app": "shop", "prune": true, "force": true, "revision": "main", "timeout": "1s", "poll": "100ms"});
    let fields = json!({"server": fake.url, "sync": sync});
    let endless = argocd::run(fields, &Step { key: "k1".into(), attempt: 0 });
    assert!(matches!(endless, Err(Failure::Trouble(_))), "{endless:?}");
    let sent = fake.requests.lock().unwrap().iter().find(|r| r.method == "POST").unwrap().clone();
    let path: Vec<&str> = sent.path.trim_start_matches('/').split('/').collect();
    let access = Access { header: Some(("authorization", "Bearer hush".to_owned())), ..Access::default() };
    let api = Api::new("Argo CD", &mock.url, &access).unwrap();
    let taken = api.send(reqwest::Method::POST, &path, &[], Some(&sent.body)).unwrap();
    assert_eq!(taken.status, 200, "{taken:?}");
    let mut wrong = sent.body;
    wrong["prune"] = json!("yes");
    let refused = api.send(reqwest::Method::POST, &path, &[], Some(&wrong)).unwrap();
    assert_eq!(refused.status, 422, "{refused:?}");
    // It does look at requests: one that does not fit is refused.
    let refused = run(json!({"apply": {"application": {"metadata": {"name": "x"}, "spec": {"project": 7}}}}));
    assert!(matches!(&refused, Err(Failure::Refused(_))), "{refused:?}");
}

#[test]
fn f69_githubs_already_exists_is_adopted() {
    // A FAKE of GitHub: the first listing is blind, and a pull request is there already.
    let pulls = Arc::new(Mutex::new(vec![
        json!({"number": 7, "html_url": "https://github.example/7", "state": "open",
        "title": "old", "body": "", "head": "team:promote/stage/shop", "base": "stage"}),
    ]));
    let blind = Arc::new(Mutex::new(true));
    let (state, first) = (pulls.clone(), blind.clone());
    let server = http::Server::start(move |request| {
        if request.headers.get("authorization").map(String::as_str) != Some("Bearer hush") {
            return Some((401, json!({"message": "Bad credentials"})));
        }
        let mut pulls = state.lock().unwrap();
        match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/repos/team/deploy/pulls") => {
                if std::mem::replace(&mut *first.lock().unwrap(), false) {
                    return Some((200, json!([])));
                }
                assert_eq!(request.query["head"], "team:promote/stage/shop");
                Some((200, json!(*pulls)))
            }
            ("POST", "/repos/team/deploy/pulls") => Some((
                422,
                json!({"message": "Validation Failed",
                "errors": [{"message": "A pull request already exists for team:promote/stage/shop."}]}),
            )),
            ("PATCH", "/repos/team/deploy/pulls/7") => {
                pulls[0]["title"] = request.body["title"].clone();
                pulls[0]["body"] = request.body["body"].clone();
                Some((200, pulls[0].clone()))
            }
            ("POST", "/repos/team/deploy/issues/7/labels") => Some((200, request.body["labels"].clone())),
            _other => Some((404, json!({"message": "Not Found"}))),
        }
    });
    let step = || {
        let forge = json!({"kind": "github", "url": server.url, "project": "team/deploy", "token": {"file": token()}});
        let request = json!({"source": "promote/stage/shop", "target": "stage", "title": "new", "description": "d", "labels": "promotion"});
        git::run(json!({"forge": forge, "mergeRequest": request}), &Step { key: "k1".into(), attempt: 0 })
            .unwrap()
    };
    assert_eq!(step()["mergeRequestId"], "7");
    assert_eq!(pulls.lock().unwrap()[0]["title"], "new");
    // Executed again, it is recognised by the mark of the step.
    assert_eq!(step()["mergeRequestUrl"], "https://github.example/7");
    let changes = server.requests.lock().unwrap().iter().filter(|r| r.method == "PATCH").count();
    assert_eq!(changes, 1);
}
