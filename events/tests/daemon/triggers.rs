//! What triggers do in the world: requests, mails and messages reach real servers of the distribution, and their failures
//! are tried again, given up and handed to the dead letter trigger.
//! Workflows are in `events`; a test whose server is missing says so and ends.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use runner_events::bus::Outcome;
use runner_events::daemon::Settings;
use runner_sensors::machine::Gate;
use serde_json::{Value, json};

use crate::lab::{Lab, PATH, post, submit, webhook};

/// A process that ends with the test.
pub(crate) struct Held(pub(crate) Child);

impl Drop for Held {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

fn program(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let there = std::env::split_paths(&path).any(|dir| dir.join(name).is_file());
    if !there {
        eprintln!("skipped: there is no {name} here; .ci/run installs it");
    }
    there
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub(crate) fn wait_for(port: u16) {
    let began = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(began.elapsed() < Duration::from_secs(30), "port {port} was never opened");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// A web server of the test itself: it keeps what it got and answers with the statuses in turn, the last one for ever.
pub(crate) fn web(statuses: &[u16]) -> (u16, Arc<Mutex<Vec<String>>>) {
    web_saying(statuses, "")
}

/// The same with a body in each answer.
fn web_saying(statuses: &[u16], said: &'static str) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (seen, statuses) = (Arc::new(Mutex::new(Vec::new())), statuses.to_vec());
    let kept: Arc<Mutex<Vec<String>>> = Arc::clone(&seen);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut text, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).unwrap() == 0 || line == "\r\n" {
                    break;
                }
                if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                text.push_str(&line);
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            text.push_str(&String::from_utf8(body).unwrap());
            let mut seen = kept.lock().unwrap();
            let status = statuses.get(seen.len()).or(statuses.last()).unwrap();
            seen.push(text);
            let length = said.len();
            let head =
                format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
            let _sent = write!(stream, "{head}{said}");
        }
    });
    (port, seen)
}

/// A sensor with these triggers, all on the only dependency `d`.
pub(crate) async fn lab_of(secrets: &[(&str, &str, &str)], triggers: Value) -> Lab {
    let lab = Lab::new(secrets);
    lab.apply("EventSource", "hook", webhook(), json!({})).await;
    let dependency = json!({"name": "d", "eventSourceName": "hook", "eventName": "e"});
    lab.apply("Sensor", "s", json!({"dependencies": [dependency], "triggers": triggers}), json!({})).await;
    lab
}

/// Sends one event and waits until so many attempts are noted with it.
pub(crate) async fn outcomes(lab: &Lab, body: &Value, count: usize) -> Vec<Outcome> {
    outcomes_with(lab, body, count, |_| {}).await
}

/// The same under other settings.
async fn outcomes_with(
    lab: &Lab,
    body: &Value,
    count: usize,
    change: impl FnOnce(&mut Settings),
) -> Vec<Outcome> {
    let running = lab.start_with(Gate::Open, change).await;
    let (status, reply) = post(running.address, PATH, &[], &body.to_string()).await;
    assert_eq!(status, 200, "{reply}");
    let id = reply["id"].as_str().unwrap();
    let began = Instant::now();
    loop {
        let history = lab.bus().history(id).await.unwrap();
        let found: Vec<Outcome> = history.outcomes().cloned().collect();
        if found.len() >= count {
            running.kill().await;
            return found;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{found:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(crate) fn part(key: &str, dest: &str) -> Value {
    json!({"src": {"dependencyName": "d", "dataKey": key}, "dest": dest})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_http_trigger_sends_what_it_says_and_its_key() {
    let (port, seen) = web(&[201]);
    let secret = |key: &str| json!({"name": "login", "key": key});
    let trigger = json!([{"template": {"name": "call", "http": {
        "url": format!("http://127.0.0.1:{port}/hook?a=b"), "method": "PUT", "timeout": 9,
        "payload": [part("body.app", "application.name"), part("body.count", "count")],
        "headers": {"X-Plain": "yes"},
        "dynamicHeaders": [part("body.app", "X-App")],
        "secureHeaders": [{"name": "X-Secret", "valueFrom": {"secretKeyRef": secret("token")}}],
        "basicAuth": {"username": secret("user"), "password": secret("password")}}},
        "policy": {"status": {"allow": [201]}}}]);
    let secrets = [("login", "user", "ada"), ("login", "password", "pw"), ("login", "token", "t0ken")];
    let lab = lab_of(&secrets, trigger).await;
    let done = outcomes(&lab, &json!({"app": "shop", "count": 3}), 1).await;
    assert!(done[0].ok, "{done:?}");
    let seen = seen.lock().unwrap().clone();
    assert_eq!(seen.len(), 1);
    let request = seen[0].to_lowercase();
    assert!(request.starts_with("put /hook?a=b http/1.1"), "{request}");
    for header in [
        "x-plain: yes",
        "x-app: shop",
        "x-secret: t0ken",
        "authorization: basic ywrhonb3",
        "idempotency-key: ",
    ] {
        assert!(request.contains(header), "{header}: {request}");
    }
    let (_, body) = seen[0].rsplit_once("\r\n").unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["application"]["name"], "shop", "{body}");
    assert!(!format!("{done:?}").contains("a=b"), "what stands in a query is not shown");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_is_tried_again_under_one_key_and_then_goes_to_the_dead_letter_trigger() {
    let (port, seen) = web(&[503]);
    let (dead_port, dead) = web(&[200]);
    let call =
        |port: u16| json!({"url": format!("http://127.0.0.1:{port}/"), "payload": [part("body.app", "app")]});
    let trigger = json!([{"template": {"name": "call", "http": call(port)}, "atLeastOnce": true,
        "retryStrategy": {"steps": 3, "duration": "10ms", "factor": 2},
        "dlqTrigger": {"template": {"name": "letter", "http": call(dead_port)}, "atLeastOnce": true}}]);
    let lab = lab_of(&[], trigger).await;
    let done = outcomes(&lab, &json!({"app": "shop"}), 4).await;
    let said: Vec<(bool, bool)> = done.iter().map(|one| (one.ok, one.dead)).collect();
    assert_eq!(said, [(false, false), (false, false), (false, true), (true, false)], "{done:?}");
    let seen = seen.lock().unwrap().clone();
    assert_eq!(seen.len(), 3);
    let key = |text: &String| {
        text.to_lowercase().lines().find(|line| line.starts_with("idempotency-key")).unwrap().to_owned()
    };
    assert!(seen.iter().all(|one| key(one) == key(&seen[0])), "one key for one firing");
    let dead = dead.lock().unwrap().clone();
    assert_eq!(dead.len(), 1);
    assert_ne!(key(&dead[0]), key(&seen[0]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn v27_an_event_does_not_say_to_which_server_of_this_network_a_request_goes() {
    let (port, seen) = web(&[200]);
    let here = format!("http://127.0.0.1:{port}");
    let call = |name: &str, url: &str, part: Value| {
        let mut part = part;
        part["operation"] = json!("append");
        json!({"template": {"name": name, "http": {"url": url, "method": "GET", "parameters": [part]}}})
    };
    let triggers = json!([
        call("server", "", part("body.url", "url")),
        call("login", &here.replace("127.0.0.1", ""), part("body.host", "url")),
        call("path", &format!("{here}/job/"), part("body.app", "url")),
    ]);
    let lab = lab_of(&[], triggers).await;
    let event = json!({"url": format!("{here}/admin"), "app": "shop", "host": "@127.0.0.1"});
    let done = outcomes(&lab, &event, 3).await;
    let of = |name: &str| done.iter().find(|one| one.trigger == name).unwrap();
    assert!(
        of("server").dead && of("server").message.contains("write the server in the trigger"),
        "{done:?}"
    );
    assert!(!of("login").ok, "{done:?}");
    assert!(of("path").ok, "what comes behind the server may come from an event: {done:?}");
    let seen = seen.lock().unwrap().clone();
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert!(seen[0].starts_with("GET /job/shop "), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_http_trigger_waits_no_longer_than_its_timeout() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let lab = lab_of(&[], json!([{"template": {"name": "call", "http": {"url": url, "timeout": 1}}}])).await;
    let began = Instant::now();
    let done = outcomes(&lab, &json!({}), 1).await;
    assert!(!done[0].ok && done[0].message.contains("timed out"), "{done:?}");
    assert!(began.elapsed() < Duration::from_secs(30), "the default is 60 s");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_of_one_slack_thread_answer_the_first_one_also_after_a_restart() {
    let (port, seen) = web_saying(&[200], r#"{"ok": true, "ts": "17.25"}"#);
    let triggers = json!([{"template": {"name": "say", "slack": {"channel": "#ops", "message": "hello",
        "slackToken": {"name": "slack", "key": "token"},
        "thread": {"broadcastMessageToChannel": true},
        "parameters": [part("body.app", "thread.messageAggregationKey")]}}}]);
    let lab = lab_of(&[("slack", "token", "xoxb")], triggers).await;
    for app in ["shop", "shop", "bank"] {
        let there = |settings: &mut Settings| settings.slack_api = Some(format!("http://127.0.0.1:{port}"));
        let done = outcomes_with(&lab, &json!({"app": app}), 1, there).await;
        assert!(done[0].ok, "{done:?}");
    }
    let seen = seen.lock().unwrap().clone();
    let body = |at: usize| serde_json::from_str::<Value>(seen[at].rsplit_once("\r\n").unwrap().1).unwrap();
    assert!(seen[0].to_lowercase().contains("authorization: bearer xoxb"), "{seen:?}");
    assert_eq!(body(0), json!({"channel": "ops", "text": "hello"}));
    assert_eq!(
        body(1),
        json!({"channel": "ops", "text": "hello", "thread_ts": "17.25", "reply_broadcast": true})
    );
    assert_eq!(body(2), body(0), "another key is another thread");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_policy_of_labels_waits_for_the_workflow() {
    let with = |error: bool, label: &str, value: &str| {
        let mut trigger = submit("one", "d", "d");
        trigger["template"]["name"] = json!(format!("t{error}{label}"));
        trigger["policy"] = json!({"k8s": {"labels": {label: value}, "errorOnBackoffTimeout": error,
            "backoff": {"steps": 3, "duration": "10ms"}}});
        trigger
    };
    let phase = "workflows.argoproj.io/phase";
    let triggers = json!([
        with(true, phase, "Succeeded"),
        with(false, phase, "Succeeded"),
        with(true, "events.argoproj.io/sensor", "s")
    ]);
    let lab = lab_of(&[], triggers).await;
    let done = outcomes(&lab, &json!({"app": "shop"}), 3).await;
    let of = |name: &str| done.iter().find(|one| one.trigger == name).unwrap();
    let late = of(&format!("ttrue{phase}"));
    assert!(!late.ok && late.message.contains("policy.k8s"), "nobody runs it: {late:?}");
    assert!(of(&format!("tfalse{phase}")).ok, "running out of time is no failure unless it is said");
    assert!(of("ttrueevents.argoproj.io/sensor").ok);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nats_trigger_reaches_a_real_server_with_its_key_and_says_when_it_is_refused() {
    if !program("nats-server") {
        return;
    }
    let (port, folder) = (free_port(), folder("nats"));
    let config = r#"authorization { users: [ {user: ada, password: pw, permissions: {publish: ["orders.>", "_INBOX.>"], subscribe: ">"}} ] }"#;
    std::fs::write(folder.join("nats.conf"), config).unwrap();
    let server = Command::new("nats-server")
        .args(["-a", "127.0.0.1", "-p", &port.to_string(), "-c"])
        .arg(folder.join("nats.conf"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let _server = Held(server.unwrap());
    wait_for(port);
    let url = format!("nats://127.0.0.1:{port}");
    let options = async_nats::ConnectOptions::new().user_and_password("ada".to_owned(), "pw".to_owned());
    let client = options.connect(&url).await.unwrap();
    let mut orders = client.subscribe("orders.>").await.unwrap();
    client.flush().await.unwrap();
    let trigger = |name: &str, subject: &str, password: &str| {
        let secret = |key: &str| json!({"name": "nats", "key": key});
        json!({"template": {"name": name, "nats": {"url": url, "subject": subject, "payload": [part("body.app", "app")],
            "auth": {"basic": {"username": secret("user"), "password": secret(password)}}}}})
    };
    let triggers = json!([
        trigger("good", "orders.new", "password"),
        trigger("forbidden", "other", "password"),
        trigger("stranger", "orders.x", "wrong")
    ]);
    let secrets = [("nats", "user", "ada"), ("nats", "password", "pw"), ("nats", "wrong", "no")];
    let lab = lab_of(&secrets, triggers).await;
    let done = outcomes(&lab, &json!({"app": "shop"}), 3).await;
    let of = |name: &str| done.iter().find(|one| one.trigger == name).unwrap();
    assert!(of("good").ok, "{done:?}");
    assert!(!of("forbidden").ok && of("forbidden").message.contains("refused"), "{done:?}");
    assert!(!of("stranger").ok, "{done:?}");
    let message = tokio::time::timeout(Duration::from_secs(20), orders.next()).await.unwrap().unwrap();
    assert_eq!(message.subject.as_str(), "orders.new");
    assert_eq!(serde_json::from_slice::<Value>(&message.payload).unwrap(), json!({"app": "shop"}));
    let key = message.headers.unwrap().get("Nats-Msg-Id").unwrap().to_string();
    assert_eq!(key, of("good").firing);
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_email_trigger_hands_one_mail_to_each_recipient_over_smtp() {
    if !program("aiosmtpd") {
        return;
    }
    let (port, folder) = (free_port(), folder("smtp"));
    let printed = folder.join("mails.txt");
    let server = Command::new("aiosmtpd")
        .args(["-n", "-l", &format!("127.0.0.1:{port}"), "-c", "aiosmtpd.handlers.Debugging", "stdout"])
        .env("PYTHONUNBUFFERED", "1")
        .stdout(std::fs::File::create(&printed).unwrap())
        .stderr(Stdio::null())
        .spawn();
    let _server = Held(server.unwrap());
    wait_for(port);
    let trigger = json!([{"template": {"name": "mail", "email": {"host": "127.0.0.1", "port": port, "from": "Runner <runner@example.org>",
        "to": ["ops@example.org", "dev@example.org"], "subject": "x", "body": "Hello from the sensor",
        "parameters": [part("body.app", "subject")]}}},
        {"template": {"name": "nobody", "email": {"host": "127.0.0.1", "port": port, "from": "runner@example.org",
        "to": ["not an address"], "subject": "x", "body": "y"}}}]);
    let lab = lab_of(&[], trigger).await;
    // a value of an event cannot add a header
    let done = outcomes(&lab, &json!({"app": "shop\r\nBcc: spy@example.org"}), 2).await;
    let of = |name: &str| done.iter().find(|one| one.trigger == name).unwrap();
    assert!(of("mail").ok, "{done:?}");
    assert!(!of("nobody").ok && of("nobody").message.contains("no address"), "{done:?}");
    let began = Instant::now();
    let mails = loop {
        let text = std::fs::read_to_string(&printed).unwrap();
        if text.matches("END MESSAGE").count() == 2 {
            break text;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{text}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert!(mails.contains("To: ops@example.org") && mails.contains("To: dev@example.org"), "{mails}");
    assert_eq!(mails.matches("Hello from the sensor").count(), 2, "{mails}");
    assert!(!mails.lines().any(|line| line.starts_with("Bcc:")), "{mails}");
    let ids: Vec<&str> = mails.lines().filter(|line| line.starts_with("Message-ID:")).collect();
    assert_eq!(ids.len(), 2, "{mails}");
    assert_ne!(ids[0], ids[1]);
    std::fs::remove_dir_all(folder).unwrap();
}
