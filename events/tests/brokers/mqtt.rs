//! `mqtt`: topics, logins by a password file and by TLS, and the session that the broker keeps.
//! Other brokers are in other files.

use std::process::Command;
use std::time::Duration;

use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use serde_json::{Value, json};

use super::lab::{Lab, secret, until};
use super::servers::{Keys, Server, find, free_port};

const OPEN: &str =
    "listener PORT 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location FOLDER/\n";

/// Publishes and waits for the broker's word.
async fn publish(port: u16, topic: &str, bodies: &[&str]) {
    let mut options = MqttOptions::new("sender", "127.0.0.1", port);
    options.set_clean_session(true);
    options.set_max_packet_size(1 << 20, 1 << 20);
    let (client, mut events) = AsyncClient::new(options, 100);
    for body in bodies {
        client.publish(topic, QoS::AtLeastOnce, false, *body).await.unwrap();
    }
    let mut open = bodies.len();
    while open > 0 {
        if let Event::Incoming(Packet::PubAck(_)) = events.poll().await.unwrap() {
            open -= 1;
        }
    }
}

fn source(server: &Server, more: Value) -> Value {
    let mut spec = json!({"url": format!("tcp://127.0.0.1:{}", server.port), "topic": "shop/+", "jsonBody": true,
        "clientId": "runner-test", "connectionBackoff": {"duration": "50ms"}});
    for (name, value) in more.as_object().unwrap() {
        spec[name] = value.clone();
    }
    json!({"mqtt": {"e": spec}})
}

async fn subscribed(lab: &Lab, port: u16) -> usize {
    until("the source subscribes", || async {
        publish(port, "shop/probe", &["{}"]).await;
        !lab.bus.list(&Default::default()).await.unwrap().is_empty()
    })
    .await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    lab.bus.list(&Default::default()).await.unwrap().len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_become_events_and_those_that_come_meanwhile_are_not_lost() {
    let Some(server) = Server::mosquitto(OPEN) else { return };
    let lab = Lab::new(&[]);
    let spec = source(&server, json!({"metadata": {"team": "x"}}));
    let running = lab.start(spec.clone(), json!({})).unwrap();
    let before = subscribed(&lab, server.port).await;
    let large = format!(r#"{{"n": 1, "text": "{}"}}"#, "x".repeat(200_000));
    publish(server.port, "shop/orders", &[&large, "no json", r#"{"n": 2}"#]).await;
    let all = lab.events(before + 2).await;
    assert_eq!(all[before].event.data["body"]["n"], json!(1));
    let data = &all[before + 1].event.data;
    assert!(data["messageId"].as_u64().is_some_and(|id| id > 0), "{data}");
    assert_eq!((&data["topic"], &data["body"]), (&json!("shop/orders"), &json!({"n": 2})));
    assert_eq!(data["metadata"], json!({"team": "x"}));
    drop(running);
    let many: Vec<String> = (10..200).map(|n| format!(r#"{{"n": {n}}}"#)).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    publish(server.port, "shop/orders", &many[..90]).await;
    let _running = lab.start(spec, json!({})).unwrap();
    let all = lab.events(before + 2 + 90).await;
    let numbers: Vec<u64> =
        all[before + 2..].iter().map(|one| one.event.data["body"]["n"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (10..100).collect::<Vec<_>>(), "the broker kept them, in order");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_and_tls_come_from_secrets_and_a_broker_that_is_not_believed_gets_nothing() {
    let Some(keys) = Keys::new() else { return };
    let Some(passwd) = find("mosquitto_passwd", "mosquitto") else { return };
    let file = keys.path("passwords");
    let made = Command::new(passwd).args(["-b", "-c", &file, "u", "p"]).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    let open = free_port();
    let settings = format!(
        "user root\nper_listener_settings true\nlistener PORT 127.0.0.1\nallow_anonymous false\npassword_file {file}\n\
         certfile {}\nkeyfile {}\nlistener {open} 127.0.0.1\nallow_anonymous true\n",
        keys.path("server.pem"),
        keys.path("server.key"),
    );
    let Some(server) = Server::mosquitto(&settings) else { return };
    let lab = Lab::new(&[
        ("login", "user", "u"),
        ("login", "password", "p"),
        ("login", "wrong", "q"),
        ("tls", "ca", &keys.text("ca.pem")),
    ]);
    let auth = |key: &str| json!({"username": secret("login", "user"), "password": secret("login", key)});
    let with = |auth: Value, tls: Value| {
        let url = format!("ssl://localhost:{}", server.port);
        source(&server, json!({"url": url, "auth": auth, "tls": tls, "clientId": ""}))
    };
    let believed = json!({"caCertSecret": secret("tls", "ca")});
    let _stranger = lab.start(with(auth("password"), json!({})), json!({})).unwrap();
    let _wrong = lab.start(with(auth("wrong"), believed.clone()), json!({})).unwrap();
    for _ in 0..10 {
        publish(open, "shop/probe", &["{}"]).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(lab.bus.list(&Default::default()).await.unwrap().is_empty(), "neither was let in");
    let _running = lab.start(with(auth("password"), believed), json!({})).unwrap();
    assert!(subscribed(&lab, open).await >= 1);
    let why = lab.start(json!({"mqtt": {"e": {"url": "ws://h/", "topic": "t"}}}), json!({})).unwrap_err();
    assert!(why.contains("`ws` is not built in"), "{why}");
}
