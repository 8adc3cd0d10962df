//! `amqp`: exchanges and queues of a real RabbitMQ, and what is not acknowledged at a crash.
//! Other brokers are in other files.

use lapin::options::{BasicPublishOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use serde_json::{Value, json};

use super::lab::{Lab, secret, until};
use super::servers::Server;

async fn connect(server: &Server) -> (Connection, Channel) {
    let url = format!("amqp://guest:guest@127.0.0.1:{}/%2f", server.port);
    let connection = Connection::connect(&url, ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    (connection, channel)
}

async fn publish(channel: &Channel, exchange: &str, key: &str, id: Option<&str>, body: &str) {
    let mut about = BasicProperties::default().with_delivery_mode(2).with_content_type("text/x".into());
    if let Some(id) = id {
        about = about.with_message_id(id.into());
    }
    let sent = channel.basic_publish(
        exchange.into(),
        key.into(),
        BasicPublishOptions::default(),
        body.as_bytes(),
        about,
    );
    sent.await.unwrap().await.unwrap();
}

/// Messages that wait in a queue.
async fn waiting(channel: &Channel, queue: &str) -> u32 {
    let options = QueueDeclareOptions { passive: true, ..Default::default() };
    channel.queue_declare(queue.into(), options, FieldTable::default()).await.unwrap().message_count()
}

fn source(server: &Server) -> Value {
    json!({"amqp": {"e": {"url": format!("amqp://127.0.0.1:{}/%2f", server.port),
        "auth": {"username": secret("login", "user"), "password": secret("login", "password")},
        "exchangeName": "shop", "exchangeType": "topic", "routingKey": "orders.*", "jsonBody": true,
        "exchangeDeclare": {"durable": true},
        "queueDeclare": {"name": "orders", "durable": true, "arguments": "x-max-length: 1000\n"},
        "consume": {"consumerTag": "runner"}, "connectionBackoff": {"duration": "100ms"}}}})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f39_messages_become_events_and_are_acknowledged_after_they_were_kept() {
    let Some(server) = Server::rabbitmq() else { return };
    let lab = Lab::new(&[("login", "user", "guest"), ("login", "password", "guest\n")]);
    let running = lab.start(source(&server), json!({})).unwrap();
    let (_connection, channel) = connect(&server).await;
    until("the queue is bound", || async {
        publish(&channel, "", "orders", None, "{}").await;
        !lab.bus.list(&Default::default()).await.unwrap().is_empty()
    })
    .await;
    until("all probes are acknowledged", || async { waiting(&channel, "orders").await == 0 }).await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let before = lab.bus.list(&Default::default()).await.unwrap().len();
    publish(&channel, "shop", "orders.new", Some("m1"), r#"{"n": 1}"#).await;
    publish(&channel, "shop", "orders.new", None, "no json").await;
    // sent again by its sender, and another message under the same id
    publish(&channel, "shop", "orders.new", Some("m1"), r#"{"n": 1}"#).await;
    publish(&channel, "shop", "orders.new", Some("m1"), r#"{"n": 2}"#).await;
    let all = lab.events(before + 2).await;
    let data = &all[before].event.data;
    let wanted = json!({"contentType": "text/x", "contentEncoding": "", "deliveryMode": 2, "priority": 0,
        "correlationId": "", "replyTo": "", "expiration": "", "messageId": "m1",
        "timestamp": "0001-01-01 00:00:00 +0000 UTC", "type": "", "appId": "", "exchange": "shop",
        "routingKey": "orders.new", "body": {"n": 1}});
    assert_eq!(data, &wanted);
    assert_eq!(all[before + 1].event.data["body"], json!({"n": 2}));
    drop(running);
    // what comes meanwhile waits in the queue
    for n in 10..40 {
        publish(&channel, "shop", "orders.new", None, &format!(r#"{{"n": {n}}}"#)).await;
    }
    until("the queue keeps them", || async { waiting(&channel, "orders").await == 30 }).await;
    let _running = lab.start(source(&server), json!({})).unwrap();
    let all = lab.events(before + 32).await;
    let numbers: Vec<u64> =
        all[before + 2..].iter().map(|one| one.event.data["body"]["n"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (10..40).collect::<Vec<_>>());
    until("all are acknowledged", || async { waiting(&channel, "orders").await == 0 }).await;
}

#[test]
fn a_url_that_cannot_be_read_is_not_repeated() {
    let lab = Lab::new(&[("url", "url", "amqp://u:hidden@h:notaport/")]);
    let why = lab.start(json!({"amqp": {"e": {"urlSecret": secret("url", "url")}}}), json!({})).unwrap_err();
    assert!(why.contains("url") && !why.contains("hidden"), "{why}");
}
