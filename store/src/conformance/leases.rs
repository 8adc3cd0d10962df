//! Promises of claiming, renewing, releasing, closing and reopening.
//! Deliberately passes the time in: no test here waits.

use super::*;
use crate::{Error, NewCommand};

fn claim_any(owner: &str, now: Timestamp) -> ClaimRequest {
    ClaimRequest { due_only: false, ..ClaimRequest::due(owner, TTL, now, 0) }
}

fn uids(leases: &[Lease]) -> Vec<&str> {
    leases.iter().map(|lease| lease.stream.key()).collect()
}

/// Unleased streams are given out once; leased, closed and own ones are not.
pub async fn claims_take_free_open_streams(pair: Pair) {
    done(&pair.a, create_free("free", Wakeup::Keep)).await;
    done(&pair.a, create("leased", "a")).await;
    done(&pair.a, create("closed", "a")).await;
    pair.a.close(&stream("closed"), Epoch::FIRST).await.unwrap();
    let leases = pair.b.claim(claim_any("b", at(1))).await.unwrap();
    assert_eq!(uids(&leases), ["free"]);
    assert_eq!((leases[0].epoch, leases[0].until), (Epoch::FIRST, at(16)));
    assert!(pair.b.claim(claim_any("b", at(1))).await.unwrap().is_empty());
    assert!(pair.a.claim(claim_any("a", at(1))).await.unwrap().is_empty());
    assert_eq!(done(&pair.b, more("free", Epoch::FIRST, Seq(1))).await, Seq(2));
    let info = pair.a.stream(&stream("free")).await.unwrap().unwrap();
    assert_eq!((info.owner.as_deref(), info.until), (Some("b"), Some(at(16))));
    for number in 0..5 {
        done(&pair.a, create_free(&format!("n{number}"), Wakeup::Keep)).await;
    }
    let some = pair.b.claim(ClaimRequest { limit: 3, ..claim_any("b", at(1)) }).await.unwrap();
    assert_eq!(some.len(), 3);
}

/// Sleeping streams stay asleep; due ones, ones with a command and abandoned ones are taken.
pub async fn due_claims_take_what_has_something_to_do(pair: Pair) {
    done(&pair.a, create_free("idle", Wakeup::Keep)).await;
    done(&pair.a, create_free("later", Wakeup::At(at(50)))).await;
    done(&pair.a, create_free("now", Wakeup::At(at(10)))).await;
    done(&pair.a, create_free("asked", Wakeup::At(at(60)))).await;
    done(&pair.a, create("held", "a")).await;
    let command =
        |uid: &str| NewCommand { stream: stream(uid), body: b"{}".to_vec(), client_key: None, at: at(2) };
    pair.a.post(command("asked")).await.unwrap();
    pair.a.post(command("held")).await.unwrap();
    let due = |now| ClaimRequest::due("b", TTL, now, 0);
    let only = |uid: &str| ClaimRequest { only: Some(stream(uid)), ..due(at(10)) };
    assert!(pair.b.claim(only("later")).await.unwrap().is_empty());
    assert!(pair.b.claim(only("idle")).await.unwrap().is_empty());
    assert_eq!(uids(&pair.b.claim(due(at(10))).await.unwrap()), ["now", "asked"]);
    assert_eq!(uids(&pair.b.claim(ClaimRequest::due("c", TTL, at(20), 0)).await.unwrap()), ["held"]);
    assert_eq!(
        uids(&pair.b.claim(ClaimRequest { only: Some(stream("later")), ..due(at(50)) }).await.unwrap()),
        ["later"]
    );
}

/// Who asks for one kind of streams gets no other.
pub async fn claims_can_ask_for_one_kind(pair: Pair) {
    done(&pair.a, create_free("run", Wakeup::At(at(1)))).await;
    let mut append = create_free("e1", Wakeup::At(at(2)));
    (append.stream, append.workflow) = (StreamId::parse("event/e1").unwrap(), None);
    append.nodes.clear();
    done(&pair.a, append).await;
    let of = |kind: &str, due_only| ClaimRequest {
        kind: Some(kind.to_owned()),
        due_only,
        ..ClaimRequest::due("b", TTL, at(5), 0)
    };
    assert!(pair.b.claim(of("cron", true)).await.unwrap().is_empty());
    assert!(pair.b.claim(of("cron", false)).await.unwrap().is_empty());
    assert_eq!(uids(&pair.b.claim(of("event", true)).await.unwrap()), ["e1"]);
    assert_eq!(uids(&pair.b.claim(of("workflow", false)).await.unwrap()), ["run"]);
}

/// An ended lease is free; the next epoch is larger.
pub async fn f30_expired_leases_are_taken_over(pair: Pair) {
    done(&pair.a, create("w1", "a")).await;
    assert_eq!(claim_one(&pair.b, "b", "w1", at(14)).await, None);
    let taken = claim_one(&pair.b, "b", "w1", at(15)).await.unwrap();
    assert_eq!((taken.epoch, taken.until), (Epoch(2), at(30)));
    assert_eq!(claim_one(&pair.a, "a", "w1", at(29)).await, None);
    assert_eq!(claim_one(&pair.a, "a", "w1", at(30)).await.unwrap().epoch, Epoch(3));
}

/// With proof of death nobody waits for the lease to end.
pub async fn f4_leases_of_dead_owners_are_taken_over(pair: Pair) {
    done(&pair.a, create("w1", "boot1/100")).await;
    done(&pair.a, create("w2", "boot1/200")).await;
    assert_eq!(pair.b.owners().await.unwrap(), ["boot1/100", "boot1/200"]);
    let dead_owners = vec!["boot1/100".to_owned(), "nobody".to_owned()];
    let request = ClaimRequest { dead_owners, ..ClaimRequest::due("b", TTL, at(1), 0) };
    let leases = pair.b.claim(request).await.unwrap();
    assert_eq!((uids(&leases), leases[0].epoch), (vec!["w1"], Epoch(2)));
    assert_eq!(pair.a.owners().await.unwrap(), ["b", "boot1/200"]);
    let late = pair.a.append(more("w1", Epoch::FIRST, Seq(1))).await;
    assert!(matches!(late, Err(Error::StaleEpoch { .. })), "{late:?}");
}

/// Sixteen claimers over both handles: every stream goes to exactly one of them.
pub async fn p2_a_stream_is_claimed_once(pair: Pair) {
    for number in 0..40 {
        done(&pair.a, create_free(&format!("w{number}"), Wakeup::At(at(0)))).await;
    }
    let mut tasks = Vec::new();
    for number in 0..16 {
        let store = Arc::clone(if number % 2 == 0 { &pair.a } else { &pair.b });
        let request = ClaimRequest::due(&format!("o{number}"), TTL, at(1), 5);
        tasks.push(tokio::spawn(async move { store.claim(request).await.unwrap() }));
    }
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await.unwrap().into_iter().map(|lease| lease.stream));
    }
    assert_eq!(all.len(), 40);
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 40);
}

/// Renewing extends what is still ours and names what is not.
pub async fn renewing_tells_what_is_lost(pair: Pair) {
    let mut leases = Vec::new();
    for uid in ["kept", "taken", "given"] {
        done(&pair.a, create(uid, "a")).await;
        leases.push(Lease { stream: stream(uid), epoch: Epoch::FIRST, until: at(15) });
    }
    leases.push(Lease { stream: stream("unknown"), epoch: Epoch::FIRST, until: at(15) });
    claim_one(&pair.b, "b", "taken", at(20)).await.unwrap();
    pair.a.release(&leases[2..3]).await.unwrap();
    let lost = pair.a.renew("a", &leases, TTL, at(21)).await.unwrap();
    assert_eq!(uids(&lost), ["taken", "given", "unknown"]);
    assert_eq!(pair.b.stream(&stream("kept")).await.unwrap().unwrap().until, Some(at(36)));
    assert_eq!(pair.b.stream(&stream("taken")).await.unwrap().unwrap().until, Some(at(35)));
    assert_eq!(uids(&pair.b.renew("b", &leases[..1], TTL, at(21)).await.unwrap()), ["kept"]);
    assert!(pair.a.renew("a", &[], TTL, at(21)).await.unwrap().is_empty());
}

/// A closed stream has no lease and no wakeup, is not claimed, refuses appends; reopening brings it back.
pub async fn closed_streams_rest_until_reopened(pair: Pair) {
    let first = Append { wakeup: Wakeup::At(at(5)), ..create("w1", "a") };
    done(&pair.a, first).await;
    assert!(matches!(pair.a.close(&stream("w1"), Epoch(2)).await, Err(Error::StaleEpoch { .. })));
    pair.a.close(&stream("w1"), Epoch::FIRST).await.unwrap();
    let info = pair.b.stream(&stream("w1")).await.unwrap().unwrap();
    assert_eq!((info.closed, info.owner, info.due_at), (true, None, None));
    assert!(matches!(pair.a.append(more("w1", Epoch::FIRST, Seq(1))).await, Err(Error::StaleEpoch { .. })));
    assert_eq!(claim_one(&pair.b, "b", "w1", at(99)).await, None);
    assert!(pair.b.claim(ClaimRequest::due("b", TTL, at(99), 0)).await.unwrap().is_empty());
    assert!(pair.b.due(at(99), 0).await.unwrap().is_empty());
    pair.b.reopen(&stream("w1")).await.unwrap();
    pair.b.reopen(&stream("w1")).await.unwrap();
    let lease = claim_one(&pair.b, "b", "w1", at(99)).await.unwrap();
    assert_eq!(lease.epoch, Epoch(2));
    assert_eq!(done(&pair.b, more("w1", Epoch(2), Seq(1))).await, Seq(2));
}

/// What is said of a finished stream needs no lease, and is said of no other.
pub async fn a_finished_stream_takes_an_afterword(pair: Pair) {
    let record = |text: &str| NewRecord { kind: "x".to_owned(), body: text.into() };
    let after = |seq: u64| Append::afterword(stream("w1"), Seq(seq), at(3), vec![record("after")]);
    assert!(matches!(pair.a.append(after(0)).await, Err(Error::NotFound(_))));
    done(&pair.a, create("w1", "a")).await;
    assert!(matches!(pair.a.append(after(1)).await, Err(Error::StaleEpoch { .. })), "it is leased");
    done(&pair.a, Append { closes: true, ..more("w1", Epoch::FIRST, Seq(1)) }).await;
    assert!(matches!(pair.a.append(after(1)).await, Err(Error::SeqConflict { actual: Seq(2), .. })));
    assert_eq!(done(&pair.b, after(2)).await, Seq(3));
    let (two, same) = tokio::join!(pair.a.append(after(3)), pair.a.append(after(3)));
    assert!(two.is_ok() != same.is_ok(), "one of two at the same place: {two:?}, {same:?}");
    let info = pair.b.stream(&stream("w1")).await.unwrap().unwrap();
    assert_eq!((info.closed, info.owner), (true, None));
    assert_eq!(pair.b.read(&stream("w1"), Seq(2), 0).await.unwrap().len(), 2);
    pair.a.reopen(&stream("w1")).await.unwrap();
    assert!(matches!(pair.a.append(after(4)).await, Err(Error::StaleEpoch { .. })), "it is open");
    let both = Append { closes: true, ..after(4) };
    assert!(matches!(pair.a.append(both).await, Err(Error::Invalid(_))));
}

/// An append that closes does both or nothing, and closes of many streams do not mix.
pub async fn an_append_can_be_the_last(pair: Pair) {
    let first = Append { wakeup: Wakeup::At(at(5)), ..create("w1", "a") };
    done(&pair.a, first).await;
    let last = |epoch, seq| Append { closes: true, ..more("w1", epoch, seq) };
    assert!(matches!(pair.a.append(last(Epoch(2), Seq(1))).await, Err(Error::StaleEpoch { .. })));
    assert!(matches!(pair.a.append(last(Epoch::FIRST, Seq(7))).await, Err(Error::SeqConflict { .. })));
    assert!(!pair.b.stream(&stream("w1")).await.unwrap().unwrap().closed);
    // A wakeup of the same append does not outlive it.
    let last = Append { wakeup: Wakeup::At(at(9)), ..last(Epoch::FIRST, Seq(1)) };
    assert_eq!(done(&pair.a, last).await, Seq(2));
    let info = pair.b.stream(&stream("w1")).await.unwrap().unwrap();
    assert_eq!((info.closed, info.owner, info.due_at), (true, None, None));
    assert!(matches!(pair.a.append(more("w1", Epoch::FIRST, Seq(2))).await, Err(Error::StaleEpoch { .. })));
    assert!(pair.b.claim(ClaimRequest::due("b", TTL, at(99), 0)).await.unwrap().is_empty());
    for uid in ["w2", "w3", "w4"] {
        done(&pair.a, Append { wakeup: Wakeup::At(at(5)), ..create(uid, "a") }).await;
    }
    let (w2, w3, none) = (stream("w2"), stream("w3"), stream("none"));
    let (once, absent, stale, twice) = tokio::join!(
        pair.a.close(&w2, Epoch::FIRST),
        pair.a.close(&none, Epoch::FIRST),
        pair.a.close(&w3, Epoch(9)),
        pair.a.close(&w2, Epoch::FIRST),
    );
    assert!(once.is_ok() != twice.is_ok(), "one of two closes of a stream: {once:?}, {twice:?}");
    assert!(matches!(absent, Err(Error::NotFound(_))) && matches!(stale, Err(Error::StaleEpoch { .. })));
    let open = async |uid: &str| !pair.b.stream(&stream(uid)).await.unwrap().unwrap().closed;
    assert_eq!((open("w2").await, open("w3").await, open("w4").await), (false, true, true));
}

/// Earliest first, only what is due and free.
pub async fn due_streams_come_in_order(pair: Pair) {
    done(&pair.a, create_free("c", Wakeup::At(at(30)))).await;
    done(&pair.a, create_free("a", Wakeup::At(at(20)))).await;
    done(&pair.a, create_free("b", Wakeup::At(at(10)))).await;
    done(&pair.a, create_free("never", Wakeup::Keep)).await;
    done(&pair.a, Append { wakeup: Wakeup::At(at(1)), ..create("held", "a") }).await;
    assert!(pair.b.due(at(9), 0).await.unwrap().is_empty());
    let due = pair.b.due(at(14), 0).await.unwrap();
    assert_eq!(due, [(stream("b"), at(10))]);
    let due = pair.b.due(at(40), 0).await.unwrap();
    let order: Vec<&str> = due.iter().map(|(stream, _)| stream.key()).collect();
    assert_eq!(order, ["held", "b", "a", "c"]);
    assert_eq!(pair.b.due(at(40), 2).await.unwrap().len(), 2);
}
