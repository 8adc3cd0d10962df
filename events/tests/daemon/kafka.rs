//! `kafka` triggers against a FAKE of a broker (kfake): keys, partitions, headers, acknowledgements, refusals.
//! No real Kafka is started.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use krafka::Kafka;
use krafka::consumer::{AutoOffsetReset, ConsumerRecord};
use runner_events::bus::Outcome;
use serde_json::{Value, json};

use crate::fake_kafka;
use crate::triggers::{Held, free_port, lab_of, outcomes, part, wait_for};

/// A broker with the topic `orders` of four partitions.
fn broker(more: &[&str]) -> Option<(Held, u16)> {
    let (program, port) = (fake_kafka::program()?, free_port());
    let mut command = Command::new(program);
    command.args(["-port", &port.to_string(), "-topics", "orders:4"]).args(more);
    let held = Held(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    wait_for(port);
    Some((held, port))
}

fn trigger(name: &str, url: &str, more: Value) -> Value {
    let mut kafka = json!({"url": url, "topic": "orders", "payload": [part("body.app", "app")]});
    kafka.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"template": {"name": name, "kafka": kafka}})
}

fn of<'a>(done: &'a [Outcome], name: &str) -> &'a Outcome {
    done.iter().find(|one| one.trigger == name).unwrap()
}

/// The messages, once all that are wanted are among them.
async fn messages(url: &str, wanted: &[fn(&ConsumerRecord) -> bool]) -> Vec<ConsumerRecord> {
    let kafka = Kafka::builder(url).connect().await.unwrap();
    let builder = kafka.consumer_without_group().auto_offset_reset(AutoOffsetReset::Earliest);
    let consumer = builder.build().await.unwrap();
    consumer.assign("orders", (0..4).collect()).await.unwrap();
    let mut all: Vec<ConsumerRecord> = Vec::new();
    let patience = Instant::now() + Duration::from_secs(60);
    while !wanted.iter().all(|wanted| all.iter().any(wanted)) {
        assert!(Instant::now() < patience, "only {} messages came", all.len());
        let some = tokio::time::timeout(Duration::from_secs(20), consumer.poll(Duration::from_secs(1)));
        all.extend(some.await.unwrap().unwrap());
    }
    consumer.close().await.unwrap();
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kafka_trigger_sends_its_payload_with_key_partition_and_headers() {
    let Some((_broker, port)) = broker(&[]) else { return };
    let url = format!("127.0.0.1:{port}");
    let header = json!({"name": "X-Token", "valueFrom": {"secretKeyRef": {"name": "login", "key": "token"}}});
    let there = json!({"partition": 3, "headers": {"X-Kind": "new"}, "secureHeaders": [header]});
    let keyed = json!({"partitioningKey": "k", "requiredAcks": -1, "compress": true,
        "parameters": [part("body.app", "partitioningKey")]});
    let triggers = json!([
        trigger("there", &url, there),
        trigger("keyed", &url, keyed),
        trigger("fast", &url, json!({"requiredAcks": 0, "partition": 1, "flushFrequency": 100})),
        trigger("nowhere", &url, json!({"partition": 9})),
        trigger("registry", &url, json!({"schemaRegistry": {"url": "http://127.0.0.1:1", "schemaId": 1}})),
    ]);
    let lab = lab_of(&[("login", "token", "t0p\n")], triggers).await;
    let done = outcomes(&lab, &json!({"app": "shop"}), 5).await;
    assert_eq!(of(&done, "there").message, "message sent to orders, partition 3, offset 0", "{done:?}");
    assert!(of(&done, "keyed").ok && of(&done, "fast").ok, "{done:?}");
    assert!(!of(&done, "nowhere").ok, "{done:?}");
    assert!(of(&done, "registry").message.contains("schemaRegistry is not built in"), "{done:?}");
    // without acknowledgement (`fast`) a message may be lost on its way, so that it is not waited for
    let plain = |one: &ConsumerRecord| one.partition == 3 && one.key.is_none();
    let keyed = |one: &ConsumerRecord| one.key_str() == Some("shop");
    let all = messages(&url, &[plain, keyed]).await;
    for message in &all {
        let body: Value = serde_json::from_slice(message.value.as_deref().unwrap()).unwrap();
        assert_eq!(body, json!({"app": "shop"}));
    }
    let there = all.iter().find(|one| one.partition == 3 && one.key.is_none()).unwrap();
    assert_eq!(there.header_str("X-Kind"), Some("new"));
    assert_eq!(there.header_str("X-Token"), Some("t0p"));
    assert_eq!(there.header_str("Idempotency-Key"), Some(of(&done, "there").firing.as_str()));
    assert_eq!(
        all.iter().filter(|one| one.key_str() == Some("shop")).count(),
        1,
        "parameters edit the trigger"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kafka_trigger_that_is_not_let_in_fails_and_says_so() {
    let Some((_broker, port)) = broker(&["-sasl", "PLAIN:u:p"]) else { return };
    let url = format!("127.0.0.1:{port}");
    let secret = |key: &str| json!({"name": "login", "key": key});
    let sasl = |password: &str| json!({"sasl": {"mechanism": "PLAIN", "userSecret": secret("user"), "passwordSecret": secret(password)}});
    let triggers = json!([
        trigger("good", &url, sasl("password")),
        trigger("stranger", &url, sasl("wrong")),
        trigger("nobody", &format!("127.0.0.1:{}", free_port()), json!({})),
    ]);
    let secrets = [("login", "user", "u"), ("login", "password", "p"), ("login", "wrong", "hidden")];
    let lab = lab_of(&secrets, triggers).await;
    let done = outcomes(&lab, &json!({"app": "shop"}), 3).await;
    assert!(of(&done, "good").ok, "{done:?}");
    for name in ["stranger", "nobody"] {
        let one = of(&done, name);
        assert!(
            !one.ok && one.message.starts_with("kafka 127.0.0.1:") && !one.message.contains("hidden"),
            "{one:?}"
        );
    }
}
