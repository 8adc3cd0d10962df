//! `kafka` against a FAKE of a broker (kfake, in memory; `fake_kafka/main.go`): groups, partitions, kills, logins, TLS.
//! No real Kafka is started: none can be had from a package registry.

use std::collections::BTreeSet;
use std::time::Duration;

use krafka::auth::{AuthConfig, TlsConfig};
use krafka::{Kafka, Record};
use serde_json::{Value, json};

use super::lab::{Lab, secret, until};
use super::servers::{Keys, Server};

const GROUP: &str = "runner-test";

async fn connect(server: &Server) -> Kafka {
    let mut tries = 0;
    loop {
        // on a busy machine a broker that was just started takes its time to answer
        match Kafka::builder(format!("127.0.0.1:{}", server.port)).connect().await {
            Ok(kafka) => return kafka,
            Err(error) if tries == 50 => panic!("{error}"),
            Err(_) => tries += 1,
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn source(server: &Server, more: &Value) -> Value {
    let mut spec = json!({"url": format!("127.0.0.1:{}", server.port), "topic": "orders", "jsonBody": true,
        "consumerGroup": {"groupName": GROUP, "oldest": true},
        "connectionBackoff": {"duration": "50ms", "factor": 1, "jitter": 0.5, "steps": 3}});
    for (name, value) in more.as_object().unwrap() {
        spec[name] = value.clone();
    }
    json!({"kafka": {"e": spec}})
}

async fn send(kafka: &Kafka, partition: i32, numbers: std::ops::Range<u32>) {
    let producer = kafka.producer().build().await.unwrap();
    for n in numbers {
        let record = Record::new("orders", format!(r#"{{"n": {n}}}"#)).partition(partition);
        drop(producer.send(record).await.unwrap());
    }
    producer.close().await.unwrap();
}

fn numbers(all: &[runner_events::bus::History]) -> Vec<u64> {
    all.iter().filter_map(|one| one.event.data["body"]["n"].as_u64()).collect()
}

/// Offsets that the group has committed, by partition.
async fn committed(kafka: &Kafka, partitions: i32) -> Vec<i64> {
    let consumer = kafka.consumer(GROUP).build().await.unwrap();
    let wanted: Vec<_> = (0..partitions).map(|partition| ("orders", partition)).collect();
    let found = consumer.committed(&wanted).await.unwrap_or_default();
    consumer.close().await.unwrap();
    let of = |partition| found.get(&("orders".to_owned(), partition)).map_or(-1, |offset| offset.offset);
    (0..partitions).map(of).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_become_events_with_topic_key_partition_body_timestamp_and_headers() {
    let Some(server) = Server::fake_kafka("orders:3", &[]) else { return };
    let kafka = connect(&server).await;
    let producer = kafka.producer().build().await.unwrap();
    let record = Record::new("orders", r#"{"n": 1}"#).key("k").header("X-Kind", "new").partition(2);
    drop(producer.send(record.timestamp(1_763_622_000_120)).await.unwrap());
    drop(producer.send(Record::new("orders", "no json").partition(2)).await.unwrap());
    drop(producer.send(Record::new("orders", r#"{"n": 2}"#).partition(2)).await.unwrap());
    drop(producer.send(Record::new("orders", r#"{"n": 3}"#).partition(2)).await.unwrap());
    let lab = Lab::new(&[]);
    let more = json!({"metadata": {"team": "a"}, "filter": {"expression": "body.n != 2"}});
    let _running = lab.start(source(&server, &more), json!({})).unwrap();
    // the second is no JSON, the third is filtered out
    let all = lab.events(2).await;
    let wanted = json!({"topic": "orders", "key": "k", "partition": 2, "body": {"n": 1},
        "timestamp": "2025-11-20 07:00:00.12 +0000 UTC", "headers": {"X-Kind": "new"}, "metadata": {"team": "a"}});
    assert_eq!(all[0].event.data, wanted);
    assert_eq!(numbers(&all), [1, 3]);
    assert_eq!((all[0].event.kind.as_str(), all[0].event.from().as_str()), ("kafka", "es/e"));
    until("what cannot become an event is committed as well", || async {
        committed(&kafka, 3).await[2] == 4
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f39_a_group_goes_on_where_it_was_and_a_redelivery_is_no_second_event() {
    let Some(server) = Server::fake_kafka("orders:2", &[]) else { return };
    let kafka = connect(&server).await;
    let lab = Lab::new(&[]);
    send(&kafka, 0, 0..5).await;
    send(&kafka, 1, 5..10).await;
    let running = lab.start(source(&server, &json!({})), json!({})).unwrap();
    lab.events(10).await;
    until("all is committed", || async { committed(&kafka, 2).await == [5, 5] }).await;
    // killed: what comes meanwhile is waiting
    drop(running);
    send(&kafka, 1, 10..20).await;
    let running = lab.start(source(&server, &json!({})), json!({})).unwrap();
    let all = lab.events(20).await;
    assert_eq!(numbers(&all[10..]), (10..20).collect::<Vec<_>>(), "in the order of the partition");
    until("all is committed", || async { committed(&kafka, 2).await == [5, 15] }).await;
    drop(running);
    // as if no offset had been committed: another group of the same source is given everything again
    let again = json!({"consumerGroup": {"groupName": "again", "oldest": true}});
    let _running = lab.start(source(&server, &again), json!({})).unwrap();
    send(&kafka, 0, 20..21).await;
    send(&kafka, 1, 21..22).await;
    let all = lab.events(22).await;
    let once: BTreeSet<u64> = numbers(&all).into_iter().collect();
    assert_eq!(once, (0..22).collect());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_is_divided_anew_when_a_member_comes_and_goes() {
    let Some(server) = Server::fake_kafka("orders:4", &[]) else { return };
    let kafka = connect(&server).await;
    let lab = Lab::new(&[]);
    for strategy in ["range", "roundrobin", "sticky"] {
        let before = lab
            .bus
            .list(&runner_events::bus::Query { limit: 10_000, ..Default::default() })
            .await
            .unwrap()
            .len();
        let group =
            json!({"groupName": format!("g-{strategy}"), "oldest": false, "rebalanceStrategy": strategy});
        let first = lab.start(source(&server, &json!({"consumerGroup": group})), json!({})).unwrap();
        members(&kafka, strategy, 1).await;
        let second = lab.start(source(&server, &json!({"consumerGroup": group})), json!({})).unwrap();
        members(&kafka, strategy, 2).await;
        for partition in 0..4 {
            send(&kafka, partition, 0..5).await;
        }
        lab.events(before + 20).await;
        drop(first);
        members(&kafka, strategy, 1).await;
        for partition in 0..4 {
            send(&kafka, partition, 5..10).await;
        }
        lab.events(before + 40).await;
        drop(second);
    }
}

/// Waits until a group has so many members, and each of them partitions.
async fn members(kafka: &Kafka, strategy: &str, count: usize) {
    let group = format!("g-{strategy}");
    until("the group is divided", || async {
        let consumer = kafka.consumer(&group).build().await.unwrap();
        let stored: Vec<_> = (0..4).map(|partition| ("orders", partition)).collect();
        let found = consumer.committed(&stored).await.unwrap_or_default();
        consumer.close().await.unwrap();
        let admin = kafka.admin();
        let described = admin.describe_consumer_groups([&group], Default::default()).await.unwrap();
        let there = described.values().next().and_then(|one| one.as_ref().ok());
        let ready = there.is_some_and(|one| {
            one.members.len() == count
                && one.members.iter().all(|member| member.assignment.iter().flatten().next().is_some())
        });
        ready && found.len() == 4
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_connects_again_after_its_broker_was_away() {
    let Some(server) = Server::fake_kafka("orders:2", &[]) else { return };
    let lab = Lab::new(&[]);
    server.signal("USR1");
    // it does not have to be there first
    let _running = lab.start(source(&server, &json!({})), json!({})).unwrap();
    let part = json!({"partition": "1", "consumerGroup": null});
    let one = Lab::new(&[]);
    let _one = one.start(source(&server, &part), json!({})).unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    server.signal("USR2");
    let kafka = connect(&server).await;
    send(&kafka, 0, 0..3).await;
    lab.events(3).await;
    until("the source of one partition listens", || async {
        send(&kafka, 1, 100..101).await;
        !one.bus.list(&Default::default()).await.unwrap().is_empty()
    })
    .await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let kept = async |lab: &Lab| lab.bus.list(&Default::default()).await.unwrap().len();
    let (before, probes) = (kept(&lab).await, kept(&one).await);
    server.signal("USR1");
    tokio::time::sleep(Duration::from_secs(2)).await;
    server.signal("USR2");
    let kafka = connect(&server).await;
    send(&kafka, 1, 3..6).await;
    lab.events(before + 3).await;
    let all = one.events(probes + 3).await;
    assert_eq!(numbers(&all[probes..]), [3, 4, 5], "one partition, without a group");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_messages_come_through_and_the_pace_is_kept() {
    let Some(server) = Server::fake_kafka("orders:1", &[]) else { return };
    let kafka = connect(&server).await;
    let lab = Lab::new(&[]);
    let more = json!({"jsonBody": false, "limitEventsPerSecond": 5});
    let _running = lab.start(source(&server, &more), json!({})).unwrap();
    let producer = kafka.producer().build().await.unwrap();
    let large = vec![b'x'; 900_000];
    drop(producer.send(Record::new("orders", large.clone())).await.unwrap());
    let all = lab.events(1).await;
    assert_eq!(all[0].event.data["body"].as_str().unwrap().len(), 900_000 / 3 * 4);
    let began = std::time::Instant::now();
    for _ in 0..10 {
        drop(producer.send(Record::new("orders", "x")).await.unwrap());
    }
    lab.events(11).await;
    until("all is committed", || async { committed(&kafka, 1).await == [11] }).await;
    assert!(began.elapsed() > Duration::from_millis(1500), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logins_and_tls_let_in_and_keep_out() {
    let Some(keys) = Keys::new() else { return };
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        let login = format!("{mechanism}:u:p");
        let (cert, key) = (keys.path("server.pem"), keys.path("server.key"));
        let more = ["-sasl", &login, "-cert", &cert, "-key", &key];
        let Some(server) = Server::fake_kafka("orders:1", &more) else { return };
        let auth = match mechanism {
            "PLAIN" => AuthConfig::sasl_plain("u", "p"),
            "SCRAM-SHA-256" => AuthConfig::sasl_scram_sha256("u", "p"),
            _ => AuthConfig::sasl_scram_sha512("u", "p"),
        };
        let auth = auth.with_tls(TlsConfig::new().with_ca_cert(keys.path("ca.pem")));
        let kafka = Kafka::builder(format!("127.0.0.1:{}", server.port)).security(auth);
        let kafka = kafka.connect().await.unwrap();
        send(&kafka, 0, 0..1).await;
        let lab = Lab::new(&[
            ("login", "user", "u"),
            ("login", "password", "p\n"),
            ("login", "wrong", "q"),
            ("tls", "ca", &keys.text("ca.pem")),
        ]);
        let sasl = |password: &str| {
            json!({"mechanism": mechanism, "userSecret": secret("login", "user"),
                "passwordSecret": secret("login", password)})
        };
        let ca = json!({"caCertSecret": secret("tls", "ca")});
        let strangers = [
            json!({"sasl": sasl("wrong"), "tls": ca}),
            json!({"sasl": sasl("password"), "tls": {}}),
            json!({"sasl": sasl("password")}),
            json!({"tls": ca}),
        ];
        let out: Vec<_> =
            strangers.iter().map(|more| lab.start(source(&server, more), json!({})).unwrap()).collect();
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(lab.bus.list(&Default::default()).await.unwrap().is_empty(), "{mechanism}");
        drop(out);
        let more = json!({"sasl": sasl("password"), "tls": ca});
        let running = lab.start(source(&server, &more), json!({})).unwrap();
        lab.events(1).await;
        drop(running);
    }
}

#[test]
fn what_of_kafka_is_not_built_in_is_said_at_once() {
    let lab = Lab::new(&[("a", "b", "c")]);
    let spec = |more: Value| {
        let mut spec = json!({"url": "127.0.0.1:1", "topic": "t", "partition": "0"});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"kafka": {"e": spec}})
    };
    let cases = [
        (
            json!({"schemaRegistry": {"url": "http://127.0.0.1:1", "schemaId": 1}}),
            "schemaRegistry is not built in",
        ),
        (json!({"awsMskIamAuth": {"region": "us-east-1"}}), "awsMskIamAuth is not built in"),
        (
            json!({"sasl": {"mechanism": "GSSAPI", "userSecret": secret("a", "b"), "passwordSecret": secret("a", "b")}}),
            "GSSAPI is not built in",
        ),
        (json!({"sasl": {"userSecret": secret("a", "none"), "passwordSecret": secret("a", "b")}}), "none"),
        (json!({"partition": "all"}), "`all` is no partition"),
        (json!({"consumerGroup": {}}), "groupName"),
        (json!({"url": ""}), "url"),
    ];
    for (more, wanted) in cases {
        let why = lab.start(spec(more), json!({})).map(drop).unwrap_err();
        assert!(why.contains(wanted), "{wanted}: {why}");
    }
}
