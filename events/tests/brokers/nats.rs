//! `nats`: core, JetStream, logins, TLS, a server that is killed.
//! The bus over JetStream is tested elsewhere.

use std::time::Duration;

use async_nats::jetstream::{self, consumer::PullConsumer, stream};
use serde_json::{Value, json};

use super::lab::{Lab, secret, until};
use super::servers::{Keys, Server};

async fn client(server: &Server) -> async_nats::Client {
    async_nats::connect(format!("127.0.0.1:{}", server.port)).await.unwrap()
}

fn source(server: &Server, more: Value) -> Value {
    let mut spec = json!({"url": format!("nats://127.0.0.1:{}", server.port), "subject": "orders.>", "jsonBody": true,
        "connectionBackoff": {"duration": "50ms", "factor": 1, "jitter": 0.5, "steps": 3}});
    for (name, value) in more.as_object().unwrap() {
        spec[name] = value.clone();
    }
    json!({"nats": {"e": spec}})
}

/// Publishes probes until the source, which subscribes in its own time, has kept one.
async fn subscribed(lab: &Lab, client: &async_nats::Client, subject: &str) -> usize {
    until("the source subscribes", || async {
        client.publish(subject.to_owned(), r#"{"probe": true}"#.into()).await.unwrap();
        client.flush().await.unwrap();
        !lab.bus.list(&Default::default()).await.unwrap().is_empty()
    })
    .await;
    // the last probes may still be on their way
    tokio::time::sleep(Duration::from_millis(300)).await;
    lab.bus.list(&Default::default()).await.unwrap().len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn core_messages_become_events_with_subject_body_header_and_metadata() {
    let Some(server) = Server::nats(&["--user", "u", "--pass", "p"]) else { return };
    let lab = Lab::new(&[("login", "user", "u"), ("login", "password", "p\n")]);
    let auth =
        json!({"basic": {"username": secret("login", "user"), "password": secret("login", "password")}});
    let more = json!({"auth": auth, "metadata": {"team": "a"}, "filter": {"expression": "body.n != 2"}});
    let _running = lab.start(source(&server, more), json!({})).unwrap();
    let options = async_nats::ConnectOptions::with_user_and_password("u".into(), "p".into());
    let client = options.connect(format!("127.0.0.1:{}", server.port)).await.unwrap();
    let before = subscribed(&lab, &client, "orders.probe").await;
    let mut headers = async_nats::HeaderMap::new();
    headers.append("X-Kind", "one");
    headers.append("X-Kind", "two");
    client.publish_with_headers("orders.new", headers, r#"{"n": 1}"#.into()).await.unwrap();
    for body in [r#"{"n": 2}"#, "no json", r#"{"n": 3}"#] {
        client.publish("orders.new", body.into()).await.unwrap();
    }
    client.flush().await.unwrap();
    // the second is filtered out, the third is no JSON
    let all = lab.events(before + 2).await;
    let data: Vec<&Value> = all[before..].iter().map(|one| &one.event.data).collect();
    let wanted = json!({"subject": "orders.new", "body": {"n": 1}, "header": {"X-Kind": ["one", "two"]},
        "metadata": {"team": "a"}});
    assert_eq!(data[0], &wanted);
    assert_eq!(data[1], &json!({"subject": "orders.new", "body": {"n": 3}, "metadata": {"team": "a"}}));
    assert_eq!((all[before].event.kind.as_str(), all[before].event.from().as_str()), ("nats", "es/e"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_connects_again_after_its_server_was_killed() {
    let Some(mut server) = Server::nats(&["--auth", "t0ken"]) else { return };
    let lab = Lab::new(&[("login", "token", "t0ken")]);
    let more = json!({"auth": {"token": secret("login", "token")}, "jsonBody": false});
    server.kill();
    // it does not have to be there first
    let _running = lab.start(source(&server, more), json!({})).unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    server.again();
    let connect = || {
        async_nats::ConnectOptions::with_token("t0ken".into()).connect(format!("127.0.0.1:{}", server.port))
    };
    let first = connect().await.unwrap();
    let before = subscribed(&lab, &first, "orders.a").await;
    assert!(before >= 1);
    let body = lab.events(before).await[0].event.data["body"].clone();
    assert_eq!(body, json!("eyJwcm9iZSI6IHRydWV9"), "without jsonBody the body is base64");
    drop(first);
    server.kill();
    server.again();
    let connect = || {
        async_nats::ConnectOptions::with_token("t0ken".into()).connect(format!("127.0.0.1:{}", server.port))
    };
    let second = connect().await.unwrap();
    until("an event after the second start", || async {
        second.publish("orders.b", "x".into()).await.unwrap();
        second.flush().await.unwrap();
        lab.bus.list(&Default::default()).await.unwrap().len() > before
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f39_jetstream_goes_on_where_it_was_and_a_redelivery_is_no_second_event() {
    let Some(server) = Server::nats(&[]) else { return };
    let context = jetstream::new(client(&server).await);
    let config =
        stream::Config { name: "ORDERS".into(), subjects: vec!["orders.>".into()], ..Default::default() };
    context.create_stream(config).await.unwrap();
    let lab = Lab::new(&[]);
    let annotations = json!({"runner/jetstream": "ORDERS"});
    let running = lab.start(source(&server, json!({})), annotations.clone()).unwrap();
    let stream = context.get_stream("ORDERS").await.unwrap();
    let name = "runner-n-es-e";
    until("the durable consumer", || async {
        stream.get_consumer::<jetstream::consumer::pull::Config>(name).await.is_ok()
    })
    .await;
    let publish = async |from: u32, to: u32| {
        for n in from..to {
            context.publish("orders.new", format!(r#"{{"n": {n}}}"#).into()).await.unwrap().await.unwrap();
        }
    };
    publish(0, 10).await;
    lab.events(10).await;
    let pending = async || {
        let mut consumer: PullConsumer = stream.get_consumer(name).await.unwrap();
        let info = consumer.info().await.unwrap();
        (info.num_ack_pending, info.num_pending)
    };
    until("all are acknowledged", || async { pending().await == (0, 0) }).await;
    // killed: what comes meanwhile is waiting
    drop(running);
    // until the server knows, it may hand a message to who is gone, and bring it again behind the others
    until("the server knows", || async {
        let mut consumer: PullConsumer = stream.get_consumer(name).await.unwrap();
        consumer.info().await.unwrap().num_waiting == 0
    })
    .await;
    publish(10, 20).await;
    let running = lab.start(source(&server, json!({})), annotations.clone()).unwrap();
    let all = lab.events(20).await;
    let order: Vec<_> = all.iter().map(|one| one.event.data["body"]["n"].as_u64().unwrap()).collect();
    assert_eq!(order, (0..20).collect::<Vec<_>>(), "in order");
    drop(running);
    // as if no acknowledgement had arrived: a new consumer is given everything again
    stream.delete_consumer(name).await.unwrap();
    let config =
        jetstream::consumer::pull::Config { durable_name: Some("again".into()), ..Default::default() };
    stream.create_consumer(config).await.unwrap();
    let _running =
        lab.start(source(&server, json!({})), json!({"runner/jetstream.e": "ORDERS/again"})).unwrap();
    until("all are acknowledged again", || async {
        let mut consumer: PullConsumer = stream.get_consumer("again").await.unwrap();
        let info = consumer.info().await.unwrap();
        (info.num_ack_pending, info.num_pending, info.delivered.stream_sequence) == (0, 0, 20)
    })
    .await;
    lab.events(20).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_with_tls_is_believed_by_its_authority_alone() {
    let Some(keys) = Keys::new() else { return };
    let (certificate, key) = (keys.path("server.pem"), keys.path("server.key"));
    let Some(server) = Server::nats(&["--tls", "--tlscert", &certificate, "--tlskey", &key]) else { return };
    let lab = Lab::new(&[("tls", "ca", &keys.text("ca.pem"))]);
    let url = format!("nats://localhost:{}", server.port);
    let options =
        async_nats::ConnectOptions::new().require_tls(true).add_root_certificates(keys.path("ca.pem").into());
    let client = options.connect(&url).await.unwrap();
    let stranger = lab.start(source(&server, json!({"url": url, "tls": {}})), json!({})).unwrap();
    for _ in 0..10 {
        client.publish("orders.x", "{}".into()).await.unwrap();
        client.flush().await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(
        lab.bus.list(&Default::default()).await.unwrap().is_empty(),
        "who is not believed gets no connection"
    );
    drop(stranger);
    for tls in [json!({"caCertSecret": secret("tls", "ca")}), json!({"insecureSkipVerify": true})] {
        let before = lab.bus.list(&Default::default()).await.unwrap().len();
        let _running = lab.start(source(&server, json!({"url": url, "tls": tls})), json!({})).unwrap();
        until("an event over TLS", || async {
            client.publish("orders.x", "{}".into()).await.unwrap();
            client.flush().await.unwrap();
            lab.bus.list(&Default::default()).await.unwrap().len() > before
        })
        .await;
    }
}

#[test]
fn what_cannot_be_used_is_said_at_once() {
    let lab = Lab::new(&[]);
    let wrong = json!({"nats": {"e": {"url": "nats://127.0.0.1:1", "subject": "s",
        "auth": {"token": secret("nothing", "token")}}}});
    let why = lab.start(wrong, json!({})).unwrap_err();
    assert!(why.contains("nothing") && why.contains("token"), "{why}");
    let why = lab.start(json!({"nats": {"e": {"url": "nats://127.0.0.1:1"}}}), json!({})).unwrap_err();
    assert!(why.contains("subject"), "{why}");
    let why = lab.start(json!({"nsq": {"e": {"hostAddress": "127.0.0.1:1"}}}), json!({})).unwrap_err();
    assert!(why.contains("nsq are not built in"), "{why}");
}
