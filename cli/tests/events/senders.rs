//! Real senders: a Prometheus Alertmanager of the distribution fires into the event source of S0.
//! Without the program the test says so and ends.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::common::Place;
use crate::lab::{Daemon, FUSE, ended, name, parameters, ports, s0};

/// A process that ends with the test.
struct Held(Child);

impl Drop for Held {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

fn is_there(command: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|dir| dir.join(command).is_file());
    if !found {
        eprintln!("skipped: there is no {command} here; .ci/run installs it");
    }
    found
}

fn alertmanager(folder: &Path, port: u16, url: &str) -> Held {
    let config = json!({
        "route": {"receiver": "runner", "group_by": ["slo"], "group_wait": "0s", "group_interval": "1s", "repeat_interval": "1s"},
        "receivers": [{"name": "runner", "webhook_configs": [{"url": url, "send_resolved": true}]}],
    });
    std::fs::write(folder.join("alertmanager.yml"), config.to_string()).unwrap();
    let child = Command::new("prometheus-alertmanager")
        .current_dir(folder)
        .args(["--config.file=alertmanager.yml", "--storage.path=alerts", "--cluster.listen-address="])
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    Held(child)
}

/// Gives alerts to Alertmanager, when it is ready.
fn fire(port: u16, alerts: &Value) {
    let began = Instant::now();
    loop {
        let said = crate::lab::post(port, "/api/v2/alerts", &[], &alerts.to_string());
        match said {
            Some((200, _)) => return,
            other => assert!(began.elapsed() < Duration::from_secs(60), "Alertmanager: {other:?}"),
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn s0_12_a_real_alertmanager_starts_the_remediation_once_however_often_it_repeats_itself() {
    if !is_there("prometheus-alertmanager") {
        return;
    }
    let place = Place::new();
    place.write("config.toml", FUSE);
    let ports = ports();
    place.write("s0.yaml", &s0(ports));
    place.run(&["apply", "-f", "s0.yaml"]).code(0);
    let _daemon = Daemon::start(&place);
    let mine = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let _alertmanager = alertmanager(place.path(), mine, &format!("http://127.0.0.1:{}/webhook", ports[1]));
    let alert = |slo: &str, name: &str| json!({"labels": {"alertname": "SloBroken", "slo": slo, "name": name, "namespace": "ns1", "dest_namespace": "shop-prod"}});
    fire(
        mine,
        &json!([
            alert("argocd-application-health", "shop"),
            alert("externalsecrets-sync-success", "db-password")
        ]),
    );
    let all = ended(&place, "cicd", 2);
    let of = |prefix: &str| {
        let found: Vec<String> = all.iter().map(name).filter(|name| name.starts_with(prefix)).collect();
        assert_eq!(found.len(), 1, "{prefix}: {all:?}");
        parameters(&place, &found[0])
    };
    let pair = |a: &str, b: &str, c: &str| vec![(a.to_owned(), json!(b)), ("namespace".to_owned(), json!(c))];
    assert_eq!(of("remediate-argocd-"), pair("app-name", "shop", "shop-prod"));
    assert_eq!(of("remediate-secret-"), pair("externalsecret-name", "db-password", "ns1"));
    // it says the same again every second: still one workflow each
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(crate::lab::workflows(&place, "cicd").len(), 2);
    let history = place.run(&["events", "history", "-o", "json"]).code(0).json();
    assert_eq!(history.as_array().unwrap().len(), 2, "{history:#}");
}
