//! Event sources, sensors and templates of S0, a daemon that runs them, and requests to it.
//! Asserts nothing but that the daemon could be started.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::common::Place;
use serde_json::Value;

pub(crate) const FUSE: &str = "[fuses]\ncicd = true\n";

/// One workflow template that prints its parameters.
pub(crate) fn template(name: &str, parameters: &[&str]) -> String {
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

pub(crate) fn source(name: &str, event: &str, port: u16, endpoint: &str) -> String {
    format!(
        "apiVersion: argoproj.io/v1alpha1\nkind: EventSource\nmetadata: {{name: {name}, namespace: argo-events}}\nspec:\n  \
         service: {{ports: [{{port: {port}, targetPort: {port}}}]}}\n  webhook:\n    {event}: {{port: \"{port}\", \
         endpoint: {endpoint}, method: POST}}\n"
    )
}

pub(crate) fn trigger(
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

pub(crate) fn sensor(
    name: &str,
    dependencies: &[(&str, &str, &str, &str, &str)],
    triggers: &[String],
) -> String {
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

pub(crate) const APP: [&str; 10] = [
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
pub(crate) fn s0(ports: [u16; 3]) -> String {
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
pub(crate) fn ports() -> [u16; 3] {
    let held: Vec<TcpListener> = (0..3).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    [0, 1, 2].map(|place| held[place].local_addr().unwrap().port())
}

/// A running daemon; killed when dropped.
pub(crate) struct Daemon {
    pub(crate) child: Child,
    pub(crate) port: u16,
}

impl Daemon {
    pub(crate) fn start(place: &Place) -> Self {
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
pub(crate) fn post(port: u16, path: &str, headers: &[(&str, &str)], body: &str) -> Option<(u16, String)> {
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

pub(crate) fn workflows(place: &Place, namespace: &str) -> Vec<Value> {
    let ran = place.run(&["list", "-n", namespace, "--limit", "0", "-o", "json"]).code(0);
    ran.json().as_array().cloned().unwrap_or_default()
}

/// Waits until so many workflows of the namespace have ended, and answers all.
#[track_caller]
pub(crate) fn ended(place: &Place, namespace: &str, count: usize) -> Vec<Value> {
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

pub(crate) fn phase(workflow: &Value) -> String {
    let found = workflow.get("phase").or_else(|| workflow["status"].get("phase"));
    found.and_then(Value::as_str).unwrap_or_default().to_owned()
}

pub(crate) fn name(workflow: &Value) -> String {
    let found = workflow.get("name").or_else(|| workflow["metadata"].get("name"));
    found.and_then(Value::as_str).unwrap_or_default().to_owned()
}

pub(crate) fn parameters(place: &Place, name: &str) -> Vec<(String, Value)> {
    let json = place.run(&["get", name, "-n", "cicd", "-o", "json"]).code(0).json();
    let list = json["spec"]["arguments"]["parameters"].as_array().cloned().unwrap_or_default();
    list.into_iter().map(|p| (p["name"].as_str().unwrap().to_owned(), p["value"].clone())).collect()
}
