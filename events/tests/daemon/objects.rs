//! Triggers `k8s` on objects of a cluster: what they make, and that one firing has one effect whatever breaks in between.
//! The cluster is a FAKE API server, which checks no schemas and no rights.

use runner_events::bus::Outcome;
use runner_fake_cluster::{Fake, Trouble};
use serde_json::{Value, json};

use crate::lab::{Lab, webhook};
use crate::triggers::{outcomes, part};

const MAPS: &str = "/api/v1/namespaces/argo-events/configmaps";

/// A sensor whose pod has the kubeconfig of a cluster where EventSources of Argo Events have theirs.
async fn lab(fake: &Fake, triggers: Value) -> Lab {
    let lab = Lab::new(&[("cluster", "kubeconfig", &fake.kubeconfig())]);
    lab.apply("EventSource", "hook", webhook(), json!({})).await;
    let pod = json!({"container": {"env": [{"name": "KUBECONFIG", "value": "/etc/cluster/kubeconfig"}],
        "volumeMounts": [{"name": "c", "mountPath": "/etc/cluster"}]},
        "volumes": [{"name": "c", "secret": {"secretName": "cluster"}}]});
    let spec = json!({"template": pod, "triggers": triggers,
        "dependencies": [{"name": "d", "eventSourceName": "hook", "eventName": "e"}]});
    lab.apply("Sensor", "s", spec, json!({})).await;
    lab
}

/// A trigger on a ConfigMap, tried three times.
fn on_map(operation: &str, metadata: &Value, more: Value) -> Value {
    let mut k8s = json!({"operation": operation,
        "source": {"resource": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "from-"}}},
        "parameters": [dict("append", part("body.app", "data.a"))]});
    for (key, value) in more.as_object().cloned().unwrap_or_default() {
        k8s[key] = value;
    }
    json!([{"template": {"name": "t", "k8s": k8s}, "retryStrategy": {"steps": 3, "duration": "10ms"}}])
}

fn dict(operation: &str, mut parameter: Value) -> Value {
    parameter["operation"] = json!(operation);
    parameter
}

fn said(done: &[Outcome]) -> Vec<(bool, &str)> {
    done.iter().map(|one| (one.ok, one.message.as_str())).collect()
}

fn writes(fake: &Fake) -> Vec<String> {
    fake.asked().into_iter().filter(|one| !one.starts_with("GET")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_is_made_once_although_the_answer_was_lost() {
    let fake = Fake::start();
    let lab = lab(&fake, on_map("create", &json!({"generateName": "made-"}), json!({}))).await;
    fake.trouble("POST", Trouble::Cut);
    let done = outcomes(&lab, &json!({"app": "shop"}), 2).await;
    assert!(!done[0].ok && done[1].ok && done[1].message.ends_with("was created before"), "{done:?}");
    let writes = writes(&fake);
    assert_eq!(writes.len(), 2, "{writes:?}");
    let name = done[1].message.split([' ', '/']).nth(2).unwrap();
    assert!(name.starts_with("made-"), "{name}");
    let made = fake.object(&format!("{MAPS}/{name}")).unwrap();
    assert_eq!(made["data"]["a"], "from-shop");
    let labels = &made["metadata"]["labels"];
    assert_eq!(
        (&labels["events.argoproj.io/sensor"], &labels["events.argoproj.io/trigger"]),
        (&json!("s"), &json!("t"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_else_made_is_not_taken_for_ours() {
    let fake = Fake::start();
    fake.put(&format!("{MAPS}/taken"), json!({"metadata": {"name": "taken"}, "data": {}}));
    let lab = lab(&fake, on_map("create", &json!({"name": "taken"}), json!({}))).await;
    let done = outcomes(&lab, &json!({"app": "shop"}), 1).await;
    assert!(done[0].dead && done[0].message.contains("not of this firing"), "{done:?}");
    assert_eq!(fake.object(&format!("{MAPS}/taken")).unwrap()["data"], json!({}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_live_object_is_edited_once_although_the_answer_was_lost() {
    let fake = Fake::start();
    let path = format!("{MAPS}/live");
    fake.put(&path, json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "live"}, "data": {"a": "x-", "b": "kept"}}));
    let lab = lab(&fake, on_map("update", &json!({"name": "live"}), json!({"liveObject": true}))).await;
    fake.trouble("PUT", Trouble::Cut);
    let done = outcomes(&lab, &json!({"app": "shop"}), 2).await;
    assert!(!done[0].ok && done[1].ok, "{done:?}");
    assert_eq!(fake.object(&path).unwrap()["data"], json!({"a": "x-shop", "b": "kept"}), "not x-shopshop");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_joins_and_makes_what_is_missing_and_survives_another_writer() {
    let fake = Fake::start();
    let path = format!("{MAPS}/joined");
    fake.put(&path, json!({"metadata": {"name": "joined", "labels": {"l": "1"}}, "data": {"b": "kept"}}));
    fake.trouble("PUT", Trouble::Status(409, "Conflict"));
    let lab_ = lab(&fake, on_map("update", &json!({"name": "joined"}), json!({}))).await;
    let done = outcomes(&lab_, &json!({"app": "shop"}), 1).await;
    assert_eq!(said(&done), [(true, "ConfigMap argo-events/joined updated")]);
    let joined = fake.object(&path).unwrap();
    assert_eq!(joined["data"], json!({"a": "from-shop", "b": "kept"}));
    assert_eq!(joined["metadata"]["labels"]["l"], "1");
    let lab = lab(&fake, on_map("update", &json!({"name": "new"}), json!({}))).await;
    let done = outcomes(&lab, &json!({"app": "shop"}), 1).await;
    assert_eq!(said(&done), [(true, "ConfigMap argo-events/new created")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_patch_is_sent_by_its_strategy_and_once() {
    let fake = Fake::start();
    let path = format!("{MAPS}/patched");
    fake.put(&path, json!({"metadata": {"name": "patched"}, "data": {"b": "kept"}}));
    let strategic = json!({"patchStrategy": "application/strategic-merge-patch+json"});
    let lab_ = lab(&fake, on_map("patch", &json!({"name": "patched"}), strategic)).await;
    fake.trouble("PATCH", Trouble::Cut);
    let done = outcomes(&lab_, &json!({"app": "shop"}), 2).await;
    assert!(done[1].ok && done[1].message.ends_with("was patched before"), "{done:?}");
    assert_eq!(fake.object(&path).unwrap()["data"], json!({"a": "from-shop", "b": "kept"}));
    let odd = json!({"patchStrategy": "application/json-patch+json"});
    let lab = lab(&fake, on_map("patch", &json!({"name": "patched"}), odd)).await;
    let done = outcomes(&lab, &json!({"app": "shop"}), 1).await;
    assert!(done[0].dead && done[0].message.contains("application/merge-patch+json"), "{done:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delete_is_of_what_was_there_when_it_fired() {
    let fake = Fake::start();
    for (name, made) in [("old", "2026-01-01T00:00:00Z"), ("later", "2999-01-01T00:00:00Z")] {
        fake.put(&format!("{MAPS}/{name}"), json!({"metadata": {"name": name, "creationTimestamp": made}}));
    }
    for (name, word) in [("old", "deleted"), ("later", "left alone"), ("never", "is not there")] {
        let lab = lab(&fake, on_map("delete", &json!({"name": name}), json!({}))).await;
        let done = outcomes(&lab, &json!({"app": "shop"}), 1).await;
        assert!(done[0].ok && done[0].message.ends_with(word), "{done:?}");
    }
    assert!(fake.object(&format!("{MAPS}/old")).is_none());
    assert!(fake.object(&format!("{MAPS}/later")).is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn v1_values_of_events_are_no_programs_and_no_paths_in_a_cluster() {
    let fake = Fake::start();
    let deployment = |dest: &str| {
        let containers = json!([{"name": "c", "image": "busybox", "command": ["sh", "-c"], "args": ["echo "],
            "env": [{"name": "APP", "value": ""}]}]);
        json!({"template": {"name": dest, "k8s": {"operation": "create",
            "source": {"resource": {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
                "spec": {"template": {"spec": {"containers": containers}}}}},
            "parameters": [dict("append", part("body.app", dest))]}}})
    };
    let at = "spec.template.spec.containers.0";
    let triggers = json!([
        deployment(&format!("{at}.args.0")),
        deployment(&format!("{at}.env.0.value")),
        deployment("metadata.name")
    ]);
    let lab = lab(&fake, triggers).await;
    let done = outcomes(&lab, &json!({"app": "../x; rm -rf /"}), 3).await;
    let of = |name: &str| done.iter().find(|one| one.trigger.ends_with(name)).unwrap();
    assert!(
        !of("args.0").ok
            && of("args.0").message.contains("`;`")
                | of("args.0").message.contains("runner/allow-unsafe-splice"),
        "{done:?}"
    );
    assert!(of("env.0.value").ok, "data stays data: {done:?}");
    assert!(!of("metadata.name").ok && of("metadata.name").message.contains("is not a name"), "{done:?}");
    assert_eq!(writes(&fake).len(), 1, "{:?}", writes(&fake));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_store_keeps_is_not_sought_in_a_cluster_and_unknown_kinds_are_named() {
    let fake = Fake::start();
    let trigger = |name: &str, kind: &str| {
        json!({"template": {"name": name, "k8s": {"operation": "create", "source": {"resource":
            {"apiVersion": "argoproj.io/v1alpha1", "kind": kind, "metadata": {"name": "x"}}}}}})
    };
    let lab = lab(&fake, json!([trigger("ours", "WorkflowTemplate"), trigger("other", "Application")])).await;
    let done = outcomes(&lab, &json!({}), 2).await;
    let of = |name: &str| done.iter().find(|one| one.trigger == name).unwrap();
    assert!(of("ours").message.contains("live in this store"), "{done:?}");
    assert!(of("other").message.contains("no kind Application in version argoproj.io/v1alpha1"), "{done:?}");
    assert!(writes(&fake).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_policy_of_labels_waits_for_an_object() {
    let fake = Fake::start();
    let mut triggers = on_map("create", &json!({"name": "m"}), json!({}));
    let policy = |label: &str| {
        json!({"k8s": {"labels": {label: "s"}, "errorOnBackoffTimeout": true,
        "backoff": {"steps": 2, "duration": "10ms"}}})
    };
    triggers[0]["policy"] = policy("events.argoproj.io/sensor");
    let lab_ = lab(&fake, triggers.clone()).await;
    assert!(outcomes(&lab_, &json!({"app": "a"}), 1).await[0].ok);
    triggers[0]["policy"] = policy("never");
    triggers[0]["template"]["k8s"]["source"]["resource"]["metadata"]["name"] = json!("n");
    let lab = lab(&fake, triggers).await;
    let done = outcomes(&lab, &json!({"app": "a"}), 1).await;
    assert!(done[0].message.contains("policy.k8s"), "{done:?}");
}
