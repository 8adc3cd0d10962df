//! `resource`: against a FAKE of the API (`fake_api`), and against a real one when `RUNNER_TEST_KUBECONFIG` names it.
//! The meaning of lists and watches is tested beside the code.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::fake_api::Api;
use super::lab::{Lab, until};
use super::servers::find;

/// The seed's way to name an API: a Secret, mounted, and the environment.
fn source(resource: &Value) -> Value {
    json!({"template": {"container": {"env": [{"name": "KUBECONFIG", "value": "/etc/milo/kubeconfig"}],
            "volumeMounts": [{"name": "milo", "mountPath": "/etc/milo"}]},
            "volumes": [{"name": "milo", "secret": {"secretName": "milo-kubeconfig"}}]},
        "resource": {"e": resource}})
}

fn told(all: &[runner_events::bus::History]) -> Vec<String> {
    let told = all.iter().map(|one| {
        let data = &one.event.data;
        format!("{} {}", data["type"].as_str().unwrap(), data["body"]["metadata"]["name"].as_str().unwrap())
    });
    told.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s1_1_changes_become_events_and_those_of_a_downtime_are_caught_up_with() {
    let api = Api::start().await;
    let lab = Lab::new(&[("milo-kubeconfig", "kubeconfig", &api.kubeconfig())]);
    let resource = json!({"group": "milo.test", "version": "v1", "resource": "organizations",
        "eventTypes": ["ADD", "UPDATE", "DELETE"], "filter": {"prefix": "org-"}, "metadata": {"team": "x"}});
    api.put("ADDED", "org-a", &json!({"plan": "free"}));
    api.put("ADDED", "other", &json!({}));
    let running = lab.start(source(&resource), json!({})).unwrap();
    let all = lab.events(1).await;
    let data = &all[0].event.data;
    assert_eq!(
        (&data["group"], &data["resource"], &data["oldBody"]),
        (&json!("milo.test"), &json!("organizations"), &Value::Null)
    );
    assert_eq!((&data["body"]["spec"]["plan"], &data["metadata"]), (&json!("free"), &json!({"team": "x"})));
    api.put("MODIFIED", "org-a", &json!({"plan": "paid"}));
    api.put("ADDED", "org-b", &json!({}));
    api.put("DELETED", "org-b", &json!({}));
    let all = lab.events(4).await;
    assert_eq!(told(&all), ["ADD org-a", "UPDATE org-a", "ADD org-b", "DELETE org-b"]);
    assert_eq!(all[1].event.data["oldBody"]["spec"], json!({"plan": "free"}));
    assert!(
        api.asked().iter().all(|path| path.starts_with("/apis/milo.test/v1/organizations?")),
        "{:?}",
        api.asked()
    );
    // what it saw is written down once a second
    tokio::time::sleep(Duration::from_millis(2500)).await;
    drop(running);
    api.put("ADDED", "org-c", &json!({}));
    api.put("DELETED", "org-a", &json!({"plan": "paid"}));
    let running = lab.start(source(&resource), json!({})).unwrap();
    let all = lab.events(6).await;
    assert_eq!(told(&all)[4..], ["ADD org-c", "DELETE org-a"]);
    assert_eq!(all[5].event.data["body"]["spec"], json!({"plan": "paid"}), "the server still knows it");
    tokio::time::sleep(Duration::from_millis(2500)).await;
    drop(running);
    // too long ago for the server
    api.put("DELETED", "org-c", &json!({}));
    api.put("ADDED", "org-d", &json!({}));
    api.compact();
    let _running = lab.start(source(&resource), json!({})).unwrap();
    assert_eq!(told(&lab.events(8).await)[6..], ["DELETE org-c", "ADD org-d"]);
    api.put("MODIFIED", "org-d", &json!({"plan": "free"}));
    lab.events(9).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_api_server_is_watched_by_its_kubeconfig() {
    let Some(path) = std::env::var_os("RUNNER_TEST_KUBECONFIG") else {
        println!("SKIPPED: RUNNER_TEST_KUBECONFIG names no cluster");
        return;
    };
    let Some(program) = find("kubectl", "kubectl") else { return };
    let kubectl = |arguments: &str| {
        let done = Command::new(&program)
            .arg("--kubeconfig")
            .arg(&path)
            .args(arguments.split(' '))
            .output()
            .unwrap();
        assert!(done.status.success(), "{arguments}: {}", String::from_utf8_lossy(&done.stderr));
    };
    let lab = Lab::new(&[("milo-kubeconfig", "kubeconfig", &std::fs::read_to_string(&path).unwrap())]);
    let name = format!("runner-test-{}", std::process::id());
    let resource = json!({"version": "v1", "resource": "configmaps", "namespace": "default",
        "eventTypes": ["ADD", "UPDATE", "DELETE"],
        "filter": {"prefix": name, "afterStart": true, "labels": [{"key": "team", "value": "x"}]}});
    let running = lab.start(source(&resource), json!({})).unwrap();
    let make = |name: &str| {
        kubectl(&format!("-n default create configmap {name} --from-literal=a=1"));
        kubectl(&format!("-n default label configmap {name} team=x"));
    };
    make(&name);
    // it is without the label at first: what counts is the change that brings it
    let all = lab.events(1).await;
    assert_eq!(told(&all), [format!("UPDATE {name}")]);
    tokio::time::sleep(Duration::from_millis(2500)).await;
    drop(running);
    kubectl(&format!("-n default delete configmap {name}"));
    let _running = lab.start(source(&resource), json!({})).unwrap();
    let all = lab.events(2).await;
    assert_eq!(told(&all), [format!("UPDATE {name}"), format!("DELETE {name}")]);
    assert_eq!(all[1].event.data["body"]["data"], json!({"a": "1"}));
    until("nothing comes twice", || async { lab.events(2).await.len() == 2 }).await;
}
