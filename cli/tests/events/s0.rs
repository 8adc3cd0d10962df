//! `runner events` from outside: real requests on loopback, to the workflows that they start.
//! Runs the built binary; the sensors are those of the architecture document that the product was asked to serve (S0).
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use common::{Place, signal};
use serde_json::{Value, json};

const FUSE: &str = "[fuses]\ncicd = true\n";

/// One workflow template that prints its parameters.
fn template(name: &str, parameters: &[&str]) -> String {
    let list: Vec<String> = parameters.iter().map(|name| format!("{{name: {name}}}")).collect();
    let shown: Vec<String> =
        parameters.iter().map(|name| format!("{name}={{{{workflow.parameters.{name}}}}}")).collect();
    format!(
        "apiVersion: argoproj.io/v1alpha1\nkind: WorkflowTemplate\nmetadata: {{name: {name}, namespace: cicd}}\nspec:\n  \
         entrypoint: main\n  serviceAccountName: argo-workflow\n  arguments: {{parameters: [{}]}}\n  templates:\n    - \
         name: main\n      container: {{image: busybox, command: [echo, '{}']}}\n",
        list.join(", "),
        shown.join(" ")
    )
}

fn source(name: &str, event: &str, port: u16, endpoint: &str) -> String {
    format!(
        "apiVersion: argoproj.io/v1alpha1\nkind: EventSource\nmetadata: {{name: {name}, namespace: argo-events}}\nspec:\n  \
         service: {{ports: [{{port: {port}, targetPort: {port}}}]}}\n  webhook:\n    {event}: {{port: \"{port}\", \
         endpoint: {endpoint}, method: POST}}\n"
    )
}

fn trigger(
    name: &str,
    condition: &str,
    prefix: &str,
    template: &str,
    parameters: &[(&str, &str, &str)],
) -> String {
    let names: Vec<String> =
        parameters.iter().map(|(_, _, name)| format!("{{name: {name}, value: ''}}")).collect();
    let mut out = format!(
        "    - template:\n        name: {name}\n        conditions: {condition}\n        argoWorkflow:\n          operation: \
         submit\n          source:\n            resource:\n              apiVersion: argoproj.io/v1alpha1\n              \
         kind: Workflow\n              metadata: {{generateName: {prefix}, namespace: cicd}}\n              spec:\n                \
         workflowTemplateRef: {{name: {template}}}\n                arguments: {{parameters: [{}]}}\n          parameters:\n",
        names.join(", ")
    );
    for (place, (dependency, key, _)) in parameters.iter().enumerate() {
        out.push_str(&format!(
            "            - src: {{dependencyName: {dependency}, dataKey: {key}}}\n              dest: \
             spec.arguments.parameters.{place}.value\n"
        ));
    }
    out
}

fn sensor(name: &str, dependencies: &[(&str, &str, &str, &str, &str)], triggers: &[String]) -> String {
    let mut out = format!(
        "apiVersion: argoproj.io/v1alpha1\nkind: Sensor\nmetadata: {{name: {name}, namespace: argo-events}}\nspec:\n  \
         dependencies:\n"
    );
    for (name, source, event, path, value) in dependencies {
        out.push_str(&format!(
            "    - name: {name}\n      eventSourceName: {source}\n      eventName: {event}\n      filters:\n        data:\n          \
             - {{path: {path}, type: string, value: [{value}]}}\n"
        ));
    }
    out.push_str("  triggers:\n");
    out.push_str(&triggers.concat());
    out
}

const APP: [&str; 10] = [
    "appName",
    "repoUrl",
    "owner",
    "businessUnit",
    "environment",
    "containerPort",
    "replicas",
    "dockerRegistry",
    "dockerImageName",
    "dockerImageTag",
];

/// The three event sources, three sensors and three templates of S0.
fn s0(ports: [u16; 3]) -> String {
    let app: Vec<(&str, String, &str)> =
        APP.iter().map(|name| ("provision", format!("body.{name}"), *name)).collect();
    let app: Vec<(&str, &str, &str)> = app.iter().map(|(d, k, n)| (*d, k.as_str(), *n)).collect();
    let unhealthy = |dependency: &'static str| {
        [(dependency, "body.app", "app-name"), (dependency, "body.namespace", "namespace")]
    };
    let documents = [
        source("backstage", "provision", ports[0], "/backstage/provision"),
        source("alertmanager", "slo-alerts", ports[1], "/webhook"),
        source("argocd-notifications", "notifications", ports[2], "/argocd/notifications"),
        template("provision-app-workflow", &APP),
        template("remediate-argocd-unhealthy", &["app-name", "namespace"]),
        template("remediate-externalsecret-failure", &["externalsecret-name", "namespace"]),
        sensor(
            "app-provisioning",
            &[("provision", "backstage", "provision", "body.eventType", "provision-app")],
            &[trigger("provision-app", "provision", "provision-app-", "provision-app-workflow", &app)],
        ),
        sensor(
            "slo-remediation",
            &[
                (
                    "argocd",
                    "alertmanager",
                    "slo-alerts",
                    "body.alerts.0.labels.slo",
                    "argocd-application-health",
                ),
                (
                    "secrets",
                    "alertmanager",
                    "slo-alerts",
                    "body.commonLabels.slo",
                    "externalsecrets-sync-success",
                ),
            ],
            &[
                trigger(
                    "remediate-argocd",
                    "argocd",
                    "remediate-argocd-",
                    "remediate-argocd-unhealthy",
                    &[
                        ("argocd", "body.alerts.0.labels.name", "app-name"),
                        ("argocd", "body.alerts.0.labels.dest_namespace", "namespace"),
                    ],
                ),
                trigger(
                    "remediate-secret",
                    "secrets",
                    "remediate-secret-",
                    "remediate-externalsecret-failure",
                    &[
                        ("secrets", "body.alerts.0.labels.name", "externalsecret-name"),
                        ("secrets", "body.alerts.0.labels.namespace", "namespace"),
                    ],
                ),
            ],
        ),
        sensor(
            "argocd-notifications",
            &[
                (
                    "failed",
                    "argocd-notifications",
                    "notifications",
                    "body.eventType",
                    "argocd.app.sync.failed",
                ),
                (
                    "degraded",
                    "argocd-notifications",
                    "notifications",
                    "body.eventType",
                    "argocd.app.health.degraded",
                ),
            ],
            &[
                trigger(
                    "on-failed",
                    "failed",
                    "sync-failed-",
                    "remediate-argocd-unhealthy",
                    &unhealthy("failed"),
                ),
                trigger(
                    "on-degraded",
                    "degraded",
                    "degraded-",
                    "remediate-argocd-unhealthy",
                    &unhealthy("degraded"),
                ),
            ],
        ),
    ];
    documents.join("---\n")
}

/// Ports that are free just now.
fn ports() -> [u16; 3] {
    let held: Vec<TcpListener> = (0..3).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    [0, 1, 2].map(|place| held[place].local_addr().unwrap().port())
}

/// A running daemon; killed when dropped.
struct Daemon {
    child: Child,
    port: u16,
}

impl Daemon {
    fn start(place: &Place) -> Self {
        let mut child = place
            .command(&["events", "daemon", "--port", "0"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = String::new();
        let port = loop {
            let line = lines.next().unwrap_or_else(|| panic!("no address; it said:\n{said}")).unwrap();
            if let Some(address) = line.split("listening on http://").nth(1) {
                break address.rsplit(':').next().unwrap().trim().parse().unwrap();
            }
            said.push_str(&line);
        };
        std::thread::spawn(move || {
            lines.for_each(|line| line.map_or((), |line| eprintln!("daemon: {line}")))
        });
        Self { child, port }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Status and body of the reply; none when there was no reply.
fn post(port: u16, path: &str, headers: &[(&str, &str)], body: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
    let mut request = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
    request.push_str(&format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()));
    headers.iter().for_each(|(name, value)| request.push_str(&format!("{name}: {value}\r\n")));
    stream.write_all(format!("{request}\r\n{body}").as_bytes()).ok()?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply).ok()?;
    let status = reply.split(' ').nth(1)?.parse().ok()?;
    Some((status, reply.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()))
}

fn workflows(place: &Place, namespace: &str) -> Vec<Value> {
    let ran = place.run(&["list", "-n", namespace, "--limit", "0", "-o", "json"]).code(0);
    ran.json().as_array().cloned().unwrap_or_default()
}

/// Waits until so many workflows of the namespace have ended, and answers all.
#[track_caller]
fn ended(place: &Place, namespace: &str, count: usize) -> Vec<Value> {
    let began = Instant::now();
    loop {
        let all = workflows(place, namespace);
        let done = all.iter().filter(|one| phase(one) == "Succeeded").count();
        if done >= count {
            return all;
        }
        if began.elapsed() > Duration::from_secs(60) {
            let history = place.run(&["events", "history", "-o", "json"]);
            panic!("{done} of {count} ended: {all:?}\n{}{}", history.out, history.err);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn phase(workflow: &Value) -> String {
    let found = workflow.get("phase").or_else(|| workflow["status"].get("phase"));
    found.and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn name(workflow: &Value) -> String {
    let found = workflow.get("name").or_else(|| workflow["metadata"].get("name"));
    found.and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn parameters(place: &Place, name: &str) -> Vec<(String, Value)> {
    let json = place.run(&["get", name, "-n", "cicd", "-o", "json"]).code(0).json();
    let list = json["spec"]["arguments"]["parameters"].as_array().cloned().unwrap_or_default();
    list.into_iter().map(|p| (p["name"].as_str().unwrap().to_owned(), p["value"].clone())).collect()
}

#[test]
fn s0_requests_on_the_sources_own_ports_become_finished_workflows() {
    let place = Place::new();
    place.write("config.toml", FUSE);
    let ports = ports();
    place.write("s0.yaml", &s0(ports));
    place.run(&["events", "validate", "s0.yaml"]).code(0).out_has("6 checked");
    place.run(&["apply", "-f", "s0.yaml"]).code(0);
    let _daemon = Daemon::start(&place);

    let provision = json!({"eventType": "provision-app", "appName": "shop", "repoUrl": "https://github.com/acme/shop",
        "owner": "team-shop", "businessUnit": "retail", "environment": "dev", "containerPort": 8080, "replicas": 2,
        "dockerRegistry": "registry.example.com", "dockerImageName": "shop", "dockerImageTag": "1.2.3"});
    let (status, reply) = post(ports[0], "/backstage/provision", &[], &provision.to_string()).unwrap();
    assert_eq!(status, 200, "{reply}");
    let id = serde_json::from_str::<Value>(&reply).unwrap()["id"].as_str().unwrap().to_owned();
    let alert = |slo: &str, name: &str| {
        json!({"version": "4", "groupKey": slo, "status": "firing", "receiver": "argo", "commonLabels": {"slo": slo},
            "alerts": [{"status": "firing", "fingerprint": name, "startsAt": "2026-01-01T00:00:00Z",
                "labels": {"slo": slo, "name": name, "namespace": "ns1", "dest_namespace": "shop-prod"}}]})
        .to_string()
    };
    for (slo, name) in
        [("argocd-application-health", "shop"), ("externalsecrets-sync-success", "db-password")]
    {
        // Alertmanager sends a group again every repeat_interval: that is the same event
        for _ in 0..3 {
            assert_eq!(post(ports[1], "/webhook", &[], &alert(slo, name)).unwrap().0, 200);
        }
    }
    for kind in ["argocd.app.sync.failed", "argocd.app.health.degraded", "argocd.app.deployed"] {
        let body = json!({"eventType": kind, "app": "shop", "namespace": "argocd"}).to_string();
        assert_eq!(post(ports[2], "/argocd/notifications", &[], &body).unwrap().0, 200);
    }

    let all = ended(&place, "cicd", 5);
    assert_eq!(all.len(), 5, "{all:?}");
    let of = |prefix: &str| {
        let found: Vec<String> = all.iter().map(name).filter(|name| name.starts_with(prefix)).collect();
        assert_eq!(found.len(), 1, "{prefix}: {found:?}");
        parameters(&place, &found[0])
    };
    let wanted: Vec<(String, Value)> = APP
        .iter()
        .map(|name| {
            let value = &provision[*name];
            (name.to_string(), json!(value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
        })
        .collect();
    assert_eq!(of("provision-app-"), wanted);
    let pair = |a: &str, b: &str| vec![("app-name".to_owned(), json!(a)), ("namespace".to_owned(), json!(b))];
    assert_eq!(of("remediate-argocd-"), pair("shop", "shop-prod"));
    assert_eq!(of("remediate-secret-")[0], ("externalsecret-name".to_owned(), json!("db-password")));
    assert_eq!(of("sync-failed-"), pair("shop", "argocd"));
    assert_eq!(of("degraded-"), pair("shop", "argocd"));

    let shown = place.run(&["events", "show", &id, "--why"]).code(0);
    shown
        .out_has("matched")
        .out_has("its conditions hold")
        .out_has("body.eventType")
        .out_has("provision-app-");
    let latest = place.run(&["events", "show", "@latest"]).code(0);
    latest.out_has("no-match").out_has("argocd.app.deployed");
    place.run(&["triggers", "list"]).code(0).out_has("remediate-secret").out_has("alertmanager/slo-alerts");
}

#[test]
fn s0_2_without_the_fuse_events_are_recorded_and_nothing_runs() {
    let place = Place::new();
    place.write("s0.yaml", &s0(ports()));
    place.run(&["apply", "-f", "s0.yaml"]).code(0);
    let daemon = Daemon::start(&place);
    let body =
        json!({"eventType": "argocd.app.sync.failed", "app": "shop", "namespace": "argocd"}).to_string();
    let path = "/events/argo-events/argocd-notifications/notifications";
    assert_eq!(post(daemon.port, path, &[], &body).unwrap().0, 200);
    let began = Instant::now();
    while !place.run(&["events", "history"]).code(0).out.contains("gated") {
        assert!(began.elapsed() < Duration::from_secs(30), "never settled");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(workflows(&place, "cicd").is_empty());
    place.run(&["events", "history"]).code(0).err_has("cicd is false");
    place.run(&["events", "show", "@latest"]).code(0).out_has("nothing is executed");
}

#[test]
fn s0_22_a_template_that_does_not_exist_is_found_by_validate() {
    let place = Place::new();
    let without =
        s0(ports()).replace("name: remediate-externalsecret-failure, namespace", "name: other, namespace");
    place.write("s0.yaml", &without);
    place.run(&["events", "validate", "s0.yaml"]).code(3).err_has("remediate-externalsecret-failure");
}

#[test]
fn events_test_explains_and_its_exit_code_is_for_ci() {
    let place = Place::new();
    place.write("s0.yaml", &s0(ports()));
    place.write(
        "yes.json",
        r#"{"eventType": "argocd.app.sync.failed", "app": "shop", "namespace": "argocd"}"#,
    );
    place.write("no.json", r#"{"eventType": "argocd.app.deployed"}"#);
    let test = ["events", "test", "--source", "argocd-notifications", "-f", "s0.yaml", "--payload"];
    let yes = place.run(&[&test[..], &["yes.json"]].concat()).code(0);
    yes.out_has("✓ argo-events/argocd-notifications on-failed")
        .out_has("✗ argo-events/argocd-notifications on-degraded")
        .out_has("(is \"argocd.app.sync.failed\")")
        .out_has("generateName: sync-failed-")
        .out_has("value: shop");
    place.run(&[&test[..], &["no.json"]].concat()).code(1).out_has("argocd.app.deployed");
    place.run(&[&test[..], &["no.json", "--assert", "not-matched"]].concat()).code(0);
    assert!(!place.has_store() || workflows(&place, "cicd").is_empty());
}

#[test]
fn f40_f41_kills_lose_no_acknowledged_event_and_make_no_workflow_twice() {
    let place = Place::new();
    place.write("config.toml", FUSE);
    place.write("s0.yaml", &s0(ports()));
    place.run(&["apply", "-f", "s0.yaml"]).code(0);
    let (mut acknowledged, mut next) = (Vec::new(), 0);
    for round in 0..4 {
        let daemon = Daemon::start(&place);
        let until = Instant::now() + Duration::from_millis(700 + 400 * round);
        while Instant::now() < until {
            let body = json!({"eventType": "argocd.app.sync.failed", "app": format!("app-{next}"), "namespace": "n"});
            let key = format!("delivery-{next}");
            let path = "/events/argo-events/argocd-notifications/notifications";
            // a sender that tries again until it is acknowledged
            if let Some((200, _)) = post(daemon.port, path, &[("Idempotency-Key", &key)], &body.to_string()) {
                acknowledged.push(next);
                next += 1;
            }
        }
        signal(&daemon.child, "KILL");
    }
    assert!(acknowledged.len() > 20, "only {} were acknowledged", acknowledged.len());
    let _daemon = Daemon::start(&place);
    let all = ended(&place, "cicd", acknowledged.len());
    assert_eq!(all.len(), acknowledged.len(), "one workflow per event");
    let events = place.run(&["events", "history", "--limit", "0", "-o", "json"]).code(0).json();
    assert_eq!(events.as_array().unwrap().len(), acknowledged.len());
    println!("{} events acknowledged over 4 kills, {} workflows", acknowledged.len(), all.len());
}
