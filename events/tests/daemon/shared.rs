//! Several daemons on one store, and sensors that are not driven for a while.

use std::time::Duration;

use runner_events::bus::{Query, State};
use runner_sensors::machine::Gate;
use runner_store::{Append, Create, Epoch, FirstLease, Journal, Lease, Seq, StreamId};
use serde_json::json;

use crate::lab::{Lab, PATH, dependency, lab, post, submit};

async fn send(to: std::net::SocketAddr, number: usize) {
    let body = format!(r#"{{"kind": "a", "app": "shop{number}"}}"#);
    assert_eq!(post(to, PATH, &[], &body).await.0, 200);
}

async fn all_matched(lab: &Lab, events: usize) {
    let all = lab.settled(events, events).await;
    assert!(all.iter().all(|one| one.state() == State::Matched), "{all:?}");
    assert_eq!(lab.workflows().await.len(), events, "one for each");
}

/// Each daemon takes what is sent to it, and one of them judges.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p4_two_daemons_on_a_store_lose_no_event_and_the_second_goes_on_when_the_first_leaves() {
    let lab = lab().await;
    let first = lab.start(Gate::Open).await;
    let second = lab.start(Gate::Open).await;
    for number in 0..10 {
        send(if number % 2 == 0 { first.address } else { second.address }, number).await;
    }
    all_matched(&lab, 10).await;
    first.stop().await;
    send(second.address, 10).await;
    all_matched(&lab, 11).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f4_a_daemon_that_is_killed_is_followed_by_the_one_that_stands_by() {
    let lab = lab().await;
    let first = lab.start(Gate::Open).await;
    send(first.address, 0).await;
    all_matched(&lab, 1).await;
    let second = lab.start(Gate::Open).await;
    for number in 1..6 {
        send(if number % 2 == 0 { first.address } else { second.address }, number).await;
    }
    first.kill().await;
    send(second.address, 6).await;
    all_matched(&lab, 7).await;
}

/// A sensor that another process holds on to keeps its events waiting, and nobody judges them twice meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p4_an_event_waits_for_a_sensor_that_is_not_driven() {
    let lab = lab().await;
    let sensor =
        json!({"dependencies": [dependency("a", "hook", "a")], "triggers": [submit("late", "a", "a")]});
    lab.apply("Sensor", "t", sensor, json!({})).await;
    let stream = StreamId::sensor("argo-events", "t").unwrap();
    let until: jiff::Timestamp = "2100-01-01T00:00:00Z".parse().unwrap();
    let mut append = Append::new(stream.clone(), Epoch::FIRST, Seq::ZERO, jiff::Timestamp::now(), Vec::new());
    append.create = Some(Create {
        namespace: "argo-events".to_owned(),
        name: "t".to_owned(),
        idempotency_key: None,
        lease: Some(FirstLease { owner: "holds-on".to_owned(), until }),
    });
    Journal::append(lab.store.as_ref(), append).await.unwrap();
    lab.living.lock().unwrap().insert("holds-on".to_owned());
    let running = lab.start(Gate::Open).await;
    send(running.address, 0).await;
    // Offered several times by now.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let all = lab.bus().list(&Query::default()).await.unwrap();
    assert_eq!(all[0].state(), State::Received);
    assert_eq!(all[0].verdicts().map(|one| one.sensor.as_str()).collect::<Vec<_>>(), ["argo-events/s"]);
    assert_eq!(lab.workflows().await.len(), 1);
    Journal::release(lab.store.as_ref(), &[Lease { stream, epoch: Epoch::FIRST, until }]).await.unwrap();
    let all = lab.settled(1, 2).await;
    let verdicts: Vec<&str> = all[0].verdicts().map(|one| one.sensor.as_str()).collect();
    assert_eq!(verdicts, ["argo-events/s", "argo-events/t"]);
    let mut names: Vec<String> = lab.workflows().await.into_iter().map(|row| row.name).collect();
    names.sort();
    assert!(names.len() == 2 && names[0].starts_with("late-") && names[1].starts_with("one-"), "{names:?}");
}
