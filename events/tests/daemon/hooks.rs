//! Webhooks that sources make at their providers, which are a FAKE of GitHub and GitLab (`fake_forges`): made once, kept,
//! deleted; and that nothing of it stands in the way of receiving.

use std::fmt::Write as _;
use std::sync::{Mutex, Once};
use std::time::{Duration, Instant};

use ring::hmac;
use runner_events::hooks::Pace;
use runner_sensors::machine::Gate;
use serde_json::{Value, json};

use crate::fake_forges::{Forge, TOKEN};
use crate::lab::{Lab, Running, post};

const SECRET: &str = "hush-77aa";
const REPOSITORY: &str = "repos/o/r";

/// What was logged about webhooks.
static LOG: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Log;

impl tracing::Subscriber for Log {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().starts_with("runner_events::hooks")
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        let mut line = event.metadata().level().to_string();
        event.record(&mut |field: &tracing::field::Field, value: &dyn std::fmt::Debug| {
            write!(line, " {field}={value:?}").unwrap();
        });
        LOG.lock().unwrap().push(line);
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

/// Lines of the log that hold all of these.
fn logged(parts: &[&str]) -> usize {
    let lines = LOG.lock().unwrap();
    // V33, whatever else a test is about
    for line in lines.iter() {
        assert!(!line.contains(TOKEN) && !line.contains(SECRET) && !line.contains("ghs_"), "{line}");
    }
    lines.iter().filter(|line| parts.iter().all(|part| line.contains(part))).count()
}

fn lab() -> Lab {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| tracing::subscriber::set_global_default(Log).unwrap());
    Lab::new(&[("api", "token", TOKEN), ("hook", "secret", SECRET)])
}

async fn start(lab: &Lab, gate: Gate) -> Running {
    start_with(lab, gate, |_| {}).await
}

async fn start_with(lab: &Lab, gate: Gate, change: impl FnOnce(&mut Pace)) -> Running {
    let away = serde_json::from_value(json!({"duration": "100ms", "jitter": 0})).unwrap();
    let mut pace = Pace {
        look: Duration::from_millis(150),
        again: Duration::from_millis(100),
        refused: Duration::from_millis(300),
        away: Some(away),
        spread: Duration::ZERO,
        renew: Duration::from_millis(100),
    };
    change(&mut pace);
    let running = lab.start_with(gate, |settings| settings.webhook_pace = pace).await;
    assert_eq!(running.problems, Vec::<String>::new());
    running
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A source of GitHub that listens on this port.
fn github(forge: &Forge, port: u16, change: &Value) -> Value {
    let mut config = json!({"owner": "o", "repository": "r", "events": ["push"], "active": true,
        "contentType": "json", "apiToken": {"name": "api", "key": "token"},
        "webhookSecret": {"name": "hook", "key": "secret"},
        "githubBaseURL": forge.url(), "githubUploadURL": forge.url(),
        "webhook": {"endpoint": "/push", "port": port.to_string(), "url": format!("http://127.0.0.1:{port}")}});
    config.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    json!({"github": {"e": config}})
}

fn gitlab(forge: &Forge, port: u16, change: &Value) -> Value {
    let mut config = json!({"projects": ["g/p"], "groups": ["g"], "events": ["PushEvents", "TagPushEvents"],
        "accessToken": {"name": "api", "key": "token"}, "secretToken": {"name": "hook", "key": "secret"},
        "gitlabBaseURL": forge.url(), "enableSSLVerification": true,
        "webhook": {"endpoint": "/push", "port": port.to_string(), "url": format!("http://127.0.0.1:{port}")}});
    config.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    json!({"gitlab": {"e": config}})
}

async fn until(what: &str, mut is: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is() {
        assert!(began.elapsed() < Duration::from_secs(60), "never: {what}; {:?}", LOG.lock().unwrap());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until the provider was asked so many more times for its list.
async fn looks(forge: &Forge, more: usize) {
    let before = forge.count("GET");
    until("looks", || forge.count("GET") >= before + more).await;
}

fn events(hook: &Value) -> Value {
    hook["events"].clone()
}

/// Sends as GitHub does, to where and signed with what the webhook says.
async fn deliver(hook: &Value, body: &str) -> (u16, Value) {
    let config = &hook["config"];
    let url = url::Url::parse(config["url"].as_str().unwrap()).unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, config["secret"].as_str().unwrap_or("?").as_bytes());
    let tag = hmac::sign(&key, body.as_bytes());
    let tag = tag.as_ref().iter().fold("sha256=".to_owned(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    });
    let address = url.socket_addrs(|| None).unwrap()[0];
    let headers = [
        ("X-GitHub-Event", "push"),
        ("X-GitHub-Delivery", "d-1"),
        ("X-Hub-Signature-256", &tag),
        ("Content-Type", "application/json"),
    ];
    post(address, url.path(), &headers, body).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_is_made_once_kept_and_what_it_delivers_is_accepted() {
    let (lab, forge, port) = (lab(), Forge::start(&[REPOSITORY]).await, free_port());
    // more than a page of others, which nobody may touch
    let others: Vec<Value> = (0..105)
        .map(|i| json!({"events": ["push"], "config": {"url": format!("https://other/{i}"), "secret": "x"}}))
        .collect();
    for one in others {
        forge.put(REPOSITORY, one);
    }
    let before = forge.hooks(REPOSITORY);
    lab.apply("EventSource", "es", github(&forge, port, &json!({})), json!({})).await;
    let running = start(&lab, Gate::Open).await;
    until("made", || forge.count("POST") > 0).await;
    looks(&forge, 6).await;
    let made = forge.hooks(REPOSITORY).last().unwrap().clone();
    let wanted = json!({"name": "web", "active": true, "events": ["push"], "id": made["id"],
        "config": {"url": format!("http://127.0.0.1:{port}/push"), "content_type": "json", "insecure_ssl": "0",
            "secret": SECRET}});
    assert_eq!(made, wanted);

    let (status, answer) = deliver(&made, r#"{"ref": "refs/heads/main"}"#).await;
    assert_eq!((status, &answer["status"]), (200, &json!("accepted")));
    let mut forged = made.clone();
    forged["config"]["secret"] = json!("guessed");
    assert_eq!(deliver(&forged, "{}").await.0, 401);
    lab.settled(1, 0).await;

    running.stop().await;
    let running = start(&lab, Gate::Open).await;
    looks(&forge, 6).await;
    let after = forge.hooks(REPOSITORY);
    assert_eq!(after[..105], before[..], "foreign webhooks were touched");
    assert_eq!(after.len(), 106);
    let counts = ["POST", "PATCH", "DELETE"].map(|method| forge.count(method));
    assert_eq!(counts, [1, 0, 0], "no more than the listing, also after another start");
    assert!(forge.asked().iter().all(|asked| asked.login == format!("authorization: Bearer {TOKEN}")));
    running.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_source_changes_its_webhook_and_a_deleted_one_comes_back() {
    let (lab, forge, port) = (lab(), Forge::start(&[REPOSITORY]).await, free_port());
    lab.apply("EventSource", "es", github(&forge, port, &json!({})), json!({})).await;
    let running = start(&lab, Gate::Open).await;
    until("made", || !forge.hooks(REPOSITORY).is_empty()).await;
    let id = forge.hooks(REPOSITORY)[0]["id"].clone();

    let more = json!({"events": ["push", "release"]});
    lab.apply("EventSource", "es", github(&forge, port, &more), json!({})).await;
    until("changed", || events(&forge.hooks(REPOSITORY)[0]) == json!(["push", "release"])).await;
    assert_eq!(forge.hooks(REPOSITORY)[0]["id"], id);
    // a new secret is sent, although the provider does not show the old one
    lab.shelf.put("hook", "secret", "hush-77aa-new");
    until("signed anew", || forge.hooks(REPOSITORY)[0]["config"]["secret"] == "hush-77aa-new").await;

    // and one from another Secret
    lab.shelf.put("other", "secret", "hush-77aa-other");
    let mut other = more.clone();
    other["webhookSecret"] = json!({"name": "other", "key": "secret"});
    lab.apply("EventSource", "es", github(&forge, port, &other), json!({})).await;
    until("signed anew", || forge.hooks(REPOSITORY)[0]["config"]["secret"] == "hush-77aa-other").await;

    forge.delete_all(REPOSITORY);
    until("back", || !forge.hooks(REPOSITORY).is_empty()).await;
    looks(&forge, 4).await;
    assert_eq!(forge.hooks(REPOSITORY).len(), 1);
    assert_eq!((forge.count("POST"), forge.count("PATCH"), forge.count("DELETE")), (2, 3, 0));
    running.stop().await;
    assert_eq!(forge.hooks(REPOSITORY).len(), 1, "it stays: deleteHookOnFinish is not set");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_is_deleted_when_it_is_not_wanted_any_more_and_no_other_is() {
    let places = [REPOSITORY, "repos/o/s"];
    let (lab, forge, port) = (lab(), Forge::start(&places).await, free_port());
    let foreign = forge.put(REPOSITORY, json!({"events": ["push"], "config": {"url": "https://other/"}}));
    let config = |names: &[&str]| {
        github(
            &forge,
            port,
            &json!({"deleteHookOnFinish": true, "repositories": [{"owner": "o", "names": names}]}),
        )
    };
    let both = || (forge.hooks(REPOSITORY).len(), forge.hooks("repos/o/s").len());
    lab.apply("EventSource", "es", config(&["r", "s"]), json!({})).await;
    let running = start(&lab, Gate::Open).await;
    until("both made", || both() == (2, 1)).await;
    lab.apply("EventSource", "es", config(&["r"]), json!({})).await;
    until("one is left", || both() == (2, 0)).await;
    lab.apply("EventSource", "es", config(&["r", "s"]), json!({})).await;
    until("it is back", || both() == (2, 1)).await;
    // what cannot be understood is no reason to delete anything
    lab.apply("EventSource", "es", github(&forge, port, &json!({"githubUploadURL": ""})), json!({})).await;
    looks(&forge, 6).await;
    assert_eq!((both(), forge.count("DELETE")), ((2, 1), 1));
    lab.delete("EventSource", "es").await;
    until("deleted with its source", || both() == (1, 0)).await;

    lab.apply("EventSource", "es", config(&["r", "s"]), json!({})).await;
    until("made again", || both() == (2, 1)).await;
    running.stop().await;
    assert_eq!(both(), (1, 0), "deleted when the daemon stops");
    assert_eq!(forge.hooks(REPOSITORY)[0]["id"], foreign);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_is_said_and_the_source_receives_all_the_same() {
    let (lab, forge, port) = (lab(), Forge::start(&["repos/o/refused"]).await, free_port());
    lab.shelf.put("api", "token", "expired-31");
    lab.apply("EventSource", "es", github(&forge, port, &json!({"repository": "refused"})), json!({})).await;
    let running = start_with(&lab, Gate::Open, |pace| pace.refused = Duration::from_secs(3600)).await;
    let parts = ["ERROR", "argo-events/es", "repository o/refused", "401 Bad credentials", "renew apiToken"];
    until("said", || logged(&parts) > 0).await;
    assert_eq!(logged(&["expired-31"]), 0, "the provider repeats the token, the log does not (V33)");
    let hook = json!({"config": {"url": format!("http://127.0.0.1:{port}/push"), "secret": SECRET}});
    assert_eq!(deliver(&hook, r#"{"ref": "x"}"#).await.0, 200);
    // a renewed token counts at once
    lab.shelf.put("api", "token", TOKEN);
    until("made", || forge.hooks("repos/o/refused").len() == 1).await;

    // a repository that the token does not see
    lab.apply("EventSource", "es", github(&forge, port, &json!({"repository": "unseen"})), json!({})).await;
    until("said", || logged(&["repository o/unseen", "404 Not Found", "admin:repo_hook"]) > 0).await;
    running.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_is_away_is_tried_again() {
    let (lab, port) = (lab(), free_port());
    let away = Forge::start(&[]).await;
    let there = free_port();
    let mut source = github(&away, port, &json!({"repository": "away"}));
    for field in ["githubBaseURL", "githubUploadURL"] {
        source["github"]["e"][field] = json!(format!("http://127.0.0.1:{there}"));
    }
    lab.apply("EventSource", "es", source, json!({})).await;
    let running = start(&lab, Gate::Open).await;
    until("said", || logged(&["WARN", "repository o/away", "wait"]) >= 3).await;
    let hook = json!({"config": {"url": format!("http://127.0.0.1:{port}/push"), "secret": SECRET}});
    assert_eq!(deliver(&hook, r#"{"ref": "x"}"#).await.0, 200, "the source does not wait for its provider");
    let forge = Forge::start_at(there, &["repos/o/away"]).await;
    until("made", || forge.hooks("repos/o/away").len() == 1).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_credentials_or_with_the_fuse_out_nobody_is_asked() {
    let (lab, forge, port) =
        (lab(), Forge::start(&[REPOSITORY, "projects/g%2Fp", "groups/g"]).await, free_port());
    lab.apply("EventSource", "es", github(&forge, port, &json!({"apiToken": null})), json!({})).await;
    let quiet = json!({"webhook": {"endpoint": "/quiet", "port": port.to_string()}});
    lab.apply("EventSource", "gl", gitlab(&forge, port, &quiet), json!({})).await;
    let running = start(&lab, Gate::Open).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    running.stop().await;
    lab.apply("EventSource", "es", github(&forge, port, &json!({"deleteHookOnFinish": true})), json!({}))
        .await;
    let running = start(&lab, Gate::Closed).await;
    until("said", || logged(&["count=1", "[fuses] cicd = false"]) > 0).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    running.stop().await;
    assert_eq!(forge.asked().len(), 0, "{:?}", forge.asked());
    // the same source with the fuse in: it was not for another reason
    let running = start(&lab, Gate::Open).await;
    until("made", || forge.hooks(REPOSITORY).len() == 1).await;
    running.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn v29_a_redirect_is_not_followed_with_the_token() {
    let (lab, forge, thief, port) =
        (lab(), Forge::start(&[]).await, Forge::start(&["repos/o/moved"]).await, free_port());
    forge.redirect(&thief.url());
    lab.apply("EventSource", "es", github(&forge, port, &json!({"repository": "moved"})), json!({})).await;
    let running = start(&lab, Gate::Open).await;
    until("asked twice", || forge.asked().len() >= 2).await;
    assert_eq!(thief.asked().len(), 0, "{:?}", thief.asked());
    until("said", || logged(&["repository o/moved", "302", "redirects are not followed"]) > 0).await;
    running.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_daemons_that_make_one_at_once_leave_one() {
    let project = "projects/g%2Fp";
    let (lab, github_, gitlab_) = (lab(), Forge::start(&[REPOSITORY]).await, Forge::start(&[project]).await);
    // another daemon is a moment earlier: GitHub refuses the second one, GitLab takes it
    github_.rival();
    gitlab_.rival();
    lab.apply("EventSource", "es", github(&github_, free_port(), &json!({})), json!({})).await;
    lab.apply("EventSource", "gl", gitlab(&gitlab_, free_port(), &json!({"groups": []})), json!({})).await;
    let running = start_with(&lab, Gate::Open, |pace| pace.refused = Duration::from_secs(3600)).await;
    until("taken back", || gitlab_.count("DELETE") == 1).await;
    looks(&gitlab_, 3).await;
    looks(&github_, 3).await;
    for (forge, place) in [(&github_, REPOSITORY), (&gitlab_, project)] {
        let left: Vec<Value> = forge.hooks(place).iter().map(|hook| hook["id"].clone()).collect();
        assert_eq!(left, [101], "the older one stays");
        assert_eq!(forge.count("POST"), 1);
    }
    assert_eq!((github_.count("DELETE"), gitlab_.count("DELETE")), (0, 1));
    running.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gitlab_gets_webhooks_of_projects_and_groups() {
    let places = ["projects/g%2Fp", "groups/g"];
    let (lab, forge, port) = (lab(), Forge::start(&places).await, free_port());
    let config = |events: Value| gitlab(&forge, port, &json!({"deleteHookOnFinish": true, "events": events}));
    lab.apply("EventSource", "es", config(json!(["PushEvents", "TagPushEvents"])), json!({})).await;
    let running = start(&lab, Gate::Open).await;
    until("both made", || places.iter().all(|place| forge.hooks(place).len() == 1)).await;
    looks(&forge, 6).await;
    assert_eq!((forge.count("POST"), forge.count("PUT")), (2, 0), "{:?}", forge.asked());
    for place in places {
        let hook = forge.hooks(place)[0].clone();
        let flags = ["push_events", "tag_push_events", "merge_requests_events", "enable_ssl_verification"];
        assert_eq!(
            flags.map(|flag| hook[flag].clone()),
            [json!(true), json!(true), json!(false), json!(true)]
        );
        let url = url::Url::parse(hook["url"].as_str().unwrap()).unwrap();
        let address = url.socket_addrs(|| None).unwrap()[0];
        let token = hook["token"].as_str().unwrap();
        let sent = |token: &'static str, key: String| async move {
            let headers =
                [("X-Gitlab-Event", "Push Hook"), ("X-Gitlab-Token", token), ("Idempotency-Key", &key)];
            post(address, "/push", &headers, r#"{"object_kind": "push"}"#).await.0
        };
        assert_eq!(token, SECRET);
        assert_eq!(sent(SECRET, format!("k-{place}")).await, 200);
        assert_eq!(sent("guessed", "k-2".to_owned()).await, 401);
    }
    lab.apply("EventSource", "es", config(json!(["PushEvents", "MergeRequestsEvents"])), json!({})).await;
    let changed = |hook: &Value| hook["merge_requests_events"] == true && hook["tag_push_events"] == false;
    until("changed", || places.iter().all(|place| changed(&forge.hooks(place)[0]))).await;
    assert_eq!(forge.count("PUT"), 2);
    running.stop().await;
    assert!(places.iter().all(|place| forge.hooks(place).is_empty()), "they are deleted");
    assert!(forge.asked().iter().all(|asked| asked.login == format!("private-token: {TOKEN}")));
}

/// A key of an app as GitHub gives it (PKCS #1), and its public part; nothing without openssl.
fn app_key() -> Option<(String, Vec<u8>)> {
    use rustls::pki_types::PrivatePkcs1KeyDer;
    use rustls::pki_types::pem::PemObject as _;
    let made = std::process::Command::new("openssl").args(["genrsa", "-traditional", "2048"]).output().ok();
    let Some(made) = made.filter(|made| made.status.success()) else {
        eprintln!("skipped: there is no openssl here; .ci/run installs it");
        return None;
    };
    let pem = String::from_utf8(made.stdout).unwrap();
    let der = PrivatePkcs1KeyDer::from_pem_slice(pem.as_bytes()).unwrap();
    let pair = ring::signature::RsaKeyPair::from_der(der.secret_pkcs1_der()).unwrap();
    Some((pem, pair.public().as_ref().to_vec()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_of_github_gets_tokens_and_renews_them_before_they_end() {
    let Some((pem, public)) = app_key() else { return };
    let places = ["orgs/acme", "orgs/other"];
    let (lab, forge, port) = (lab(), Forge::start(&places).await, free_port());
    lab.shelf.put("app", "key", &pem);
    forge.app(&public, 3600);
    let app = json!({"apiToken": null, "repository": "", "organizations": ["acme", "other"],
        "githubApp": {"privateKey": {"name": "app", "key": "key"}, "appID": 42, "installationID": 7}});
    lab.apply("EventSource", "es", github(&forge, port, &app), json!({})).await;
    let running = start(&lab, Gate::Open).await;
    until("made", || places.iter().all(|place| forge.hooks(place).len() == 1)).await;
    looks(&forge, 6).await;
    let issued = || forge.asked().iter().filter(|asked| asked.path.starts_with("/app/")).count();
    assert_eq!(issued(), 1, "one token for both, as long as it is good");
    // tokens that are about to end are replaced before they do
    forge.app(&public, 200);
    looks(&forge, 6).await;
    assert!(issued() > 2, "{}", issued());
    let refused = forge.asked().iter().filter(|asked| asked.login.is_empty()).count();
    assert_eq!(refused, 0);
    running.stop().await;
    assert_eq!(logged(&["BEGIN RSA"]), 0);
}
