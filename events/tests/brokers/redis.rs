//! `redis` and `redisStream`: channels, streams, what was pending at a crash, logins.
//! Other brokers are in other files.

use std::time::Duration;

use redis::AsyncCommands;
use serde_json::json;

use super::lab::{Lab, secret, until};
use super::servers::Server;

async fn connect(server: &Server, password: &str) -> redis::aio::MultiplexedConnection {
    let url = format!("redis://:{password}@127.0.0.1:{}/3", server.port);
    redis::Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_of_channels_become_events() {
    let Some(mut server) = Server::redis(&["--requirepass", "pw"]) else { return };
    let lab = Lab::new(&[("login", "password", "pw\n")]);
    let address = format!("127.0.0.1:{}", server.port);
    let spec = json!({"redis": {"e": {"hostAddress": address, "db": 3, "password": secret("login", "password"),
        "channels": ["a", "b"], "jsonBody": true, "metadata": {"team": "x"}},
        "text": {"hostAddress": address, "password": secret("login", "password"), "channels": ["t"]}}});
    let _running = lab.start(spec, json!({})).unwrap();
    let mut redis = connect(&server, "pw").await;
    let mut subscribers = async |channel: &str| {
        let answer: (String, usize) =
            redis::cmd("PUBSUB").arg("NUMSUB").arg(channel).query_async(&mut redis).await.unwrap();
        answer.1
    };
    while subscribers("a").await == 0 || subscribers("b").await == 0 || subscribers("t").await == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let _: i64 = redis.publish("b", r#"{"n": 1}"#).await.unwrap();
    let all = lab.events(1).await;
    let wanted = json!({"channel": "b", "pattern": "", "body": {"n": 1}, "metadata": {"team": "x"}});
    assert_eq!(all[0].event.data, wanted);
    let _: i64 = redis.publish("t", "plain").await.unwrap();
    assert_eq!(lab.events(2).await[1].event.data, json!({"channel": "t", "pattern": "", "body": "plain"}));
    server.kill();
    server.again();
    let mut redis = connect(&server, "pw").await;
    let mut heard = 0;
    while heard == 0 {
        heard = redis.publish::<_, _, i64>("a", "{}").await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    lab.events(3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f39_a_stream_goes_on_with_what_was_pending_and_loses_and_doubles_nothing() {
    let Some(server) = Server::redis(&[]) else { return };
    let lab = Lab::new(&[]);
    let address = format!("127.0.0.1:{}", server.port);
    let spec = json!({"redisStream": {"e": {"hostAddress": address, "db": 3, "streams": ["orders", "returns"],
        "maxMsgCountPerRead": 3}}});
    let running = lab.start(spec.clone(), json!({})).unwrap();
    let mut redis = connect(&server, "").await;
    let groups = async |redis: &mut redis::aio::MultiplexedConnection| {
        let found: Result<redis::streams::StreamInfoGroupsReply, _> = redis.xinfo_groups("returns").await;
        found.map(|reply| reply.groups.into_iter().next())
    };
    while !matches!(groups(&mut redis).await, Ok(Some(_))) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut ids = Vec::new();
    for n in 0..10 {
        let id: String =
            redis.xadd("orders", "*", &[("n", n.to_string()), ("kind", "new".into())]).await.unwrap();
        ids.push(id);
    }
    let all = lab.events(10).await;
    let wanted = json!({"stream": "orders", "message_id": ids[0], "values": {"n": "0", "kind": "new"}});
    assert_eq!(all[0].event.data, wanted);
    assert_eq!(all[0].event.kind, "redisStream");
    let group = async |redis: &mut redis::aio::MultiplexedConnection| {
        let reply: redis::streams::StreamInfoGroupsReply = redis.xinfo_groups("orders").await.unwrap();
        reply.groups.into_iter().next().unwrap()
    };
    let began = std::time::Instant::now();
    while group(&mut redis).await.pending > 0 {
        assert!(began.elapsed() < Duration::from_secs(30), "they are acknowledged");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    drop(running);
    tokio::time::sleep(Duration::from_millis(100)).await;
    // a process that died after it was given six entries: two were events already, one was deleted meanwhile
    for n in 10..16 {
        let id: String = redis.xadd("orders", "*", &[("n", n.to_string())]).await.unwrap();
        ids.push(id);
    }
    let read = redis::streams::StreamReadOptions::default().group("argo-events-cg", "argo-events-worker");
    let _: redis::streams::StreamReadReply = redis.xread_options(&["orders"], &[">"], &read).await.unwrap();
    let _: i64 = redis.xdel("orders", &[&ids[15]]).await.unwrap();
    assert_eq!(group(&mut redis).await.pending, 6);
    let _: String = redis.xadd("returns", "*", &[("n", "16")]).await.unwrap();
    let _running = lab.start(spec, json!({})).unwrap();
    let all = lab.events(16).await;
    let mut seen: Vec<String> =
        all.iter().map(|one| one.event.data["values"]["n"].as_str().unwrap().to_owned()).collect();
    seen.sort_by_key(|text| text.parse::<u32>().unwrap());
    let wanted: Vec<String> = (0..17).filter(|n| *n != 15).map(|n: u32| n.to_string()).collect();
    assert_eq!(seen, wanted);
    let began = std::time::Instant::now();
    while group(&mut redis).await.pending > 0 {
        assert!(began.elapsed() < Duration::from_secs(30), "they are acknowledged");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    until("no event comes twice", || async { lab.events(16).await.len() == 16 }).await;
}
