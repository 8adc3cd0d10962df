//! Promises of the inbox: durable, ordered, seen by whoever leases the stream.
//! Deliberately measures one real time: how long a command takes to the other process.

use std::time::Instant;

use super::*;
use crate::{CommandId, Error, NewCommand};

fn command(uid: &str, body: &str, key: Option<&str>) -> NewCommand {
    NewCommand {
        stream: stream(uid),
        body: body.as_bytes().to_vec(),
        client_key: key.map(str::to_owned),
        at: at(3),
    }
}

/// Commands come in order to the owner alone and stay until an append answers them.
pub async fn commands_wait_until_they_are_answered(pair: Pair) {
    done(&pair.a, create("w1", "a")).await;
    done(&pair.a, create("w2", "other")).await;
    let unknown = pair.b.post(command("nobody", "{}", None)).await;
    assert!(matches!(unknown, Err(Error::NotFound(_))), "{unknown:?}");
    let mut ids = Vec::new();
    for body in ["1", "2", "3"] {
        ids.push(pair.b.post(command("w1", body, None)).await.unwrap());
    }
    let elsewhere = pair.b.post(command("w2", "4", None)).await.unwrap();
    assert!(ids.windows(2).all(|two| two[0] < two[1]));
    for _ in 0..2 {
        let taken = pair.a.take("a", 0).await.unwrap();
        let bodies: Vec<&[u8]> = taken.iter().map(|c| &c.body[..]).collect();
        assert_eq!(bodies, [b"1", b"2", b"3"]);
        assert_eq!((taken[0].id, &taken[0].stream, taken[0].at), (ids[0], &stream("w1"), at(3)));
    }
    assert_eq!(pair.a.take("a", 2).await.unwrap().len(), 2);
    assert!(pair.a.take("nobody", 0).await.unwrap().is_empty());
    let consumed = vec![ids[0], ids[2], elsewhere, CommandId(999)];
    done(&pair.a, Append { consumed, ..more("w1", Epoch::FIRST, Seq(1)) }).await;
    let left = pair.b.pending(&stream("w1")).await.unwrap();
    assert_eq!(left.iter().map(|c| c.id).collect::<Vec<_>>(), [ids[1]]);
    assert_eq!(pair.b.pending(&stream("w2")).await.unwrap().len(), 1);
}

/// The same key for the same stream is the same command, before and after its answer.
pub async fn f40_a_repeated_command_is_one_command(pair: Pair) {
    done(&pair.a, create("w1", "a")).await;
    done(&pair.a, create("w2", "a")).await;
    let mut tasks = Vec::new();
    for number in 0..20 {
        let store = Arc::clone(if number % 2 == 0 { &pair.a } else { &pair.b });
        tasks.push(tokio::spawn(async move { store.post(command("w1", "{}", Some("k"))).await.unwrap() }));
    }
    let mut ids = Vec::new();
    for task in tasks {
        ids.push(task.await.unwrap());
    }
    ids.dedup();
    assert_eq!(ids.len(), 1);
    assert_ne!(pair.a.post(command("w2", "{}", Some("k"))).await.unwrap(), ids[0]);
    done(&pair.a, Append { consumed: ids.clone(), ..more("w1", Epoch::FIRST, Seq(1)) }).await;
    assert_eq!(pair.b.post(command("w1", "{}", Some("k"))).await.unwrap(), ids[0]);
    assert!(pair.b.pending(&stream("w1")).await.unwrap().is_empty());
}

/// A process that looks at the counters every 50 ms has the command within 200 ms. A machine that is busy with
/// something else may be late once in a while.
pub async fn commands_cross_processes_within_200_ms(pair: Pair) {
    const ROUNDS: usize = 5;
    done(&pair.a, create("w1", "a")).await;
    let owner = Arc::clone(&pair.a);
    let (arrivals, mut arrived) = tokio::sync::mpsc::channel(1);
    let mut seen = owner.changes().await.unwrap();
    let looking = tokio::spawn(async move {
        for round in 0..ROUNDS {
            while owner.changes().await.unwrap().commands == seen.commands {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            seen = owner.changes().await.unwrap();
            assert_eq!(owner.take("a", 0).await.unwrap().len(), round + 1);
            arrivals.send(Instant::now()).await.unwrap();
        }
    });
    let mut late = Vec::new();
    for round in 0..ROUNDS {
        tokio::time::sleep(Duration::from_millis(10 * round as u64)).await;
        pair.b.post(command("w1", "stop", None)).await.unwrap();
        let posted = Instant::now();
        let took = arrived.recv().await.unwrap().saturating_duration_since(posted);
        late.extend((took >= Duration::from_millis(200)).then_some(took));
    }
    looking.await.unwrap();
    assert!(late.len() <= 1, "late: {late:?}");
}

/// Any commit moves one counter, commands and manifests each another; without commits all rest.
pub async fn the_change_counters_move(pair: Pair) {
    done(&pair.a, create("w1", "a")).await;
    let start = pair.b.changes().await.unwrap();
    assert_eq!(pair.b.changes().await.unwrap(), start);
    done(&pair.a, more("w1", Epoch::FIRST, Seq(1))).await;
    let after_append = pair.b.changes().await.unwrap();
    assert_ne!(after_append.any, start.any);
    assert_eq!((after_append.commands, after_append.manifests), (start.commands, start.manifests));
    pair.a.post(command("w1", "{}", None)).await.unwrap();
    let after_post = pair.b.changes().await.unwrap();
    assert_ne!(after_post.any, after_append.any);
    assert_ne!(after_post.commands, start.commands);
    pair.a.put_manifest(catalog::manifest("one", "{}", 1)).await.unwrap();
    let after_put = pair.b.changes().await.unwrap();
    assert_ne!(after_put.manifests, after_post.manifests);
    assert_eq!(after_put.commands, after_post.commands);
    assert!(pair.a.delete_manifest("WorkflowTemplate", "default", "one").await.unwrap());
    assert_ne!(pair.b.changes().await.unwrap().manifests, after_put.manifests);
}
