//! Promises of appending and reading.
//! Deliberately leaves who may append to `leases`.

use super::*;
use crate::{Error, LockChange, NewCommand, limits};

/// Records come back in order, gap-free, byte for byte, with their times; also through the other handle.
pub async fn p1_what_was_appended_is_read_back(pair: Pair) {
    let mut first = create("w1", "a");
    first.records.push(NewRecord { kind: "Zwölf".to_owned(), body: vec![0, 159, 146, 150, 255] });
    assert_eq!(done(&pair.a, first).await, Seq(2));
    let mut second = more("w1", Epoch::FIRST, Seq(2));
    second.at = at(7);
    second.records.push(record("Empty", ""));
    assert_eq!(done(&pair.a, second).await, Seq(4));
    for store in [&pair.a, &pair.b] {
        let records = store.read(&stream("w1"), Seq::ZERO, 0).await.unwrap();
        let seqs: Vec<u64> = records.iter().map(|r| r.seq.0).collect();
        assert_eq!(seqs, [1, 2, 3, 4]);
        assert_eq!(records[0].body, br#"{"a":1}"#);
        assert_eq!((records[1].kind.as_str(), &records[1].body[..]), ("Zwölf", &[0, 159, 146, 150, 255][..]));
        assert_eq!((records[1].at, records[2].at), (at(0), at(7)));
        assert!(records[3].body.is_empty());
        assert!(store.read(&stream("unknown"), Seq::ZERO, 0).await.unwrap().is_empty());
    }
}

/// A caller that has not seen the newest record, or believes in more than there is, is told where the journal is.
pub async fn p2_a_sequence_conflict_writes_nothing(pair: Pair) {
    done(&pair.a, create("w1", "a")).await;
    done(&pair.a, more("w1", Epoch::FIRST, Seq(1))).await;
    for wrong in [0, 1, 3, u64::MAX >> 1] {
        let mut append = more("w1", Epoch::FIRST, Seq(wrong));
        append.nodes = vec![node(0, "Running")];
        append.wakeup = Wakeup::At(at(9));
        let conflict = Error::SeqConflict { stream: stream("w1"), actual: Seq(2) };
        assert_eq!(pair.b.append(append).await, Err(conflict));
    }
    let again = pair.a.append(create("w1", "a")).await;
    assert_eq!(again, Err(Error::SeqConflict { stream: stream("w1"), actual: Seq(2) }));
    assert_eq!(kinds(&pair.a, "w1").await, ["Submitted", "Started"]);
    assert!(pair.a.nodes(&stream("w1"), 0, 0).await.unwrap().is_empty());
    assert_eq!(pair.a.stream(&stream("w1")).await.unwrap().unwrap().due_at, None);
}

/// Many streams written at once through both handles, several appends of one stream racing each other.
pub async fn p2_concurrent_appends_stay_gap_free(pair: Pair) {
    const STREAMS: usize = 12;
    const RECORDS: u64 = 20;
    let mut tasks = Vec::new();
    for number in 0..STREAMS {
        done(&pair.a, create(&format!("w{number}"), "a")).await;
        for store in [&pair.a, &pair.b] {
            let store = Arc::clone(store);
            tasks.push(tokio::spawn(async move {
                let uid = format!("w{number}");
                let (mut seen, mut written) = (Seq(1), 0);
                while written < RECORDS {
                    match store.append(more(&uid, Epoch::FIRST, seen)).await {
                        Ok(Appended::Done(seq)) => (seen, written) = (seq, written + 1),
                        Err(Error::SeqConflict { actual, .. }) => seen = actual,
                        other => unreachable!("{other:?}"),
                    }
                }
            }));
        }
    }
    for task in tasks {
        task.await.unwrap();
    }
    for number in 0..STREAMS {
        let records = pair.b.read(&stream(&format!("w{number}")), Seq::ZERO, 0).await.unwrap();
        let seqs: Vec<u64> = records.iter().map(|r| r.seq.0).collect();
        assert_eq!(seqs, (1..=2 * RECORDS + 1).collect::<Vec<_>>());
    }
    assert!(pair.a.verify().await.unwrap().is_clean());
}

/// After a takeover nothing of the former owner gets in: no record, row, wakeup, lock or answered command.
pub async fn f31_a_stale_epoch_writes_nothing(pair: Pair) {
    done(&pair.a, create("w1", "a")).await;
    let command = NewCommand { stream: stream("w1"), body: b"{}".to_vec(), client_key: None, at: at(1) };
    let command = pair.a.post(command).await.unwrap();
    let taken = claim_one(&pair.b, "b", "w1", at(100)).await.unwrap();
    assert_eq!(taken.epoch, Epoch(2));
    let mut late = more("w1", Epoch::FIRST, Seq(1));
    late.workflow = Some(WorkflowRow { phase: "Failed".to_owned(), ..row("w1") });
    late.nodes = vec![node(0, "Failed")];
    late.wakeup = Wakeup::At(at(5));
    late.consumed = vec![command];
    late.locks = vec![LockChange::Request {
        holder: "h".to_owned(),
        locks: vec!["l".to_owned()],
        priority: 0,
        at: at(1),
    }];
    for epoch in [0, 1, 3] {
        let late = Append { epoch: Epoch(epoch), ..late.clone() };
        let stale = Error::StaleEpoch { stream: stream("w1"), given: epoch, current: 2 };
        assert_eq!(pair.a.append(late).await, Err(stale));
    }
    assert_eq!(kinds(&pair.b, "w1").await, ["Submitted"]);
    assert!(pair.b.nodes(&stream("w1"), 0, 0).await.unwrap().is_empty());
    assert_eq!(pair.b.get_workflow("default", "w1").await.unwrap().unwrap().phase, "Running");
    assert_eq!(pair.b.stream(&stream("w1")).await.unwrap().unwrap().due_at, None);
    assert_eq!(pair.b.pending(&stream("w1")).await.unwrap().len(), 1);
    assert!(pair.b.waiting().await.unwrap().is_empty());
    assert!(pair.a.close(&stream("w1"), Epoch::FIRST).await.is_err());
    assert_eq!(done(&pair.b, more("w1", Epoch(2), Seq(1))).await, Seq(2));
}

/// Giving a lease back ends the right to append at once.
pub async fn f30_a_released_lease_cannot_append(pair: Pair) {
    done(&pair.a, create("w1", "a")).await;
    let mine = Lease { stream: stream("w1"), epoch: Epoch::FIRST, until: at(15) };
    pair.a.release(std::slice::from_ref(&mine)).await.unwrap();
    let late = pair.a.append(more("w1", Epoch::FIRST, Seq(1))).await;
    assert!(matches!(late, Err(Error::StaleEpoch { .. })), "{late:?}");
    pair.a.release(&[mine]).await.unwrap();
    assert_eq!(claim_one(&pair.b, "b", "w1", at(1)).await.unwrap().epoch, Epoch(2));
}

/// One name per kind and namespace; letters that differ only in case or form are different names.
pub async fn f59_names_are_unique(pair: Pair) {
    let named = |uid: &str, namespace: &str, name: &str| {
        let mut append = create(uid, "a");
        append.workflow = None;
        if let Some(create) = &mut append.create {
            (create.namespace, create.name) = (namespace.to_owned(), name.to_owned());
        }
        append
    };
    done(&pair.a, named("w1", "default", "hello")).await;
    let taken = pair.b.append(named("w2", "default", "hello")).await;
    let (namespace, name) = ("default".to_owned(), "hello".to_owned());
    assert_eq!(taken, Err(Error::NameTaken { namespace, name, stream: stream("w1") }));
    assert_eq!(pair.a.stream(&stream("w2")).await.unwrap(), None);
    done(&pair.b, named("w3", "other", "hello")).await;
    done(&pair.b, named("w4", "default", "Hello")).await;
    done(&pair.b, named("w5", "default", "hell\u{f6}")).await;
    done(&pair.b, named("w6", "default", "hello\u{308}")).await;
    let mut cron = named("w7", "default", "hello");
    cron.stream = StreamId::cron("default", "hello").unwrap();
    done(&pair.a, cron).await;

    let mut tasks = Vec::new();
    for number in 0..32 {
        let store = Arc::clone(if number % 2 == 0 { &pair.a } else { &pair.b });
        let append = named(&format!("race-{number}"), "default", "race");
        tasks.push(tokio::spawn(async move { store.append(append).await.is_ok() }));
    }
    let mut won = 0;
    for task in tasks {
        won += usize::from(task.await.unwrap());
    }
    assert_eq!(won, 1);
}

/// Sixty-four submits with one key, over both handles: one stream, and all callers learn which.
pub async fn f60_one_key_makes_one_stream(pair: Pair) {
    let mut tasks = Vec::new();
    for number in 0..64 {
        let store = Arc::clone(if number % 2 == 0 { &pair.a } else { &pair.b });
        let mut append = create(&format!("w{number}"), "a");
        if let Some(create) = &mut append.create {
            create.idempotency_key = Some("delivery-1".to_owned());
        }
        tasks.push(tokio::spawn(async move {
            let mine = append.stream.clone();
            match store.append(append).await.unwrap() {
                Appended::Done(seq) => (true, seq, mine),
                Appended::Exists { stream } => (false, Seq(1), stream),
            }
        }));
    }
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    assert_eq!(answers.iter().filter(|(made, ..)| *made).count(), 1);
    assert!(answers.iter().all(|(_, seq, stream)| *seq == Seq(1) && *stream == answers[0].2));
    assert_eq!(pair.b.streams(None, 0).await.unwrap().len(), 1);
}

/// The same key elsewhere is another key; a name that is taken does not hide the earlier answer.
pub async fn f60_a_key_belongs_to_its_namespace(pair: Pair) {
    let keyed = |uid: &str, namespace: &str, name: &str| {
        let mut append = create(uid, "a");
        append.workflow = None;
        append.create = Some(Create {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            idempotency_key: Some("k".to_owned()),
            lease: lease("a"),
        });
        append
    };
    done(&pair.a, keyed("w1", "default", "one")).await;
    done(&pair.a, keyed("w2", "other", "one")).await;
    for (uid, name) in [("w1", "one"), ("w3", "one"), ("w4", "two")] {
        let exists = pair.b.append(keyed(uid, "default", name)).await;
        assert_eq!(exists, Ok(Appended::Exists { stream: stream("w1") }));
    }
}

/// Bodies on both sides of the inline limit come back unchanged.
pub async fn large_bodies_are_moved_and_restored(pair: Pair) {
    done(&pair.a, create("w1", "a")).await;
    let limit = limits::INLINE_BODY_MAX_BYTES;
    let sizes = [limit - 1, limit, limit + 1, 1 << 20, limit + 1];
    let body = |size: usize| -> Vec<u8> { (0..size).map(|i| u8::try_from(i % 251).unwrap()).collect() };
    let mut append = more("w1", Epoch::FIRST, Seq(1));
    append.records =
        sizes.iter().map(|size| NewRecord { kind: "Big".to_owned(), body: body(*size) }).collect();
    assert_eq!(done(&pair.a, append).await, Seq(6));
    let records = pair.b.read(&stream("w1"), Seq(1), 0).await.unwrap();
    for (record, size) in records.iter().zip(sizes) {
        assert!(record.body == body(size), "body of {size} bytes");
    }
    assert!(pair.b.verify().await.unwrap().is_clean());
}

/// `after` and `limit` cut pages that together are everything.
pub async fn reading_goes_in_pages(pair: Pair) {
    let mut append = create("w1", "a");
    append.records = (0..25).map(|i| record("R", &i.to_string())).collect();
    done(&pair.a, append).await;
    let (mut after, mut bodies) = (Seq::ZERO, Vec::new());
    loop {
        let page = pair.b.read(&stream("w1"), after, 10).await.unwrap();
        assert!(page.len() <= 10);
        let Some(last) = page.last() else { break };
        after = last.seq;
        bodies.extend(page.into_iter().map(|r| String::from_utf8(r.body).unwrap()));
    }
    assert_eq!(bodies, (0..25).map(|i| i.to_string()).collect::<Vec<_>>());
}

/// A wakeup stays until it is cleared or replaced.
pub async fn wakeups_are_kept_cleared_and_set(pair: Pair) {
    done(&pair.a, create("w1", "a")).await;
    let steps = [
        (Wakeup::Keep, None),
        (Wakeup::At(at(30)), Some(at(30))),
        (Wakeup::Keep, Some(at(30))),
        (Wakeup::At(at(20)), Some(at(20))),
        (Wakeup::Clear, None),
        (Wakeup::Clear, None),
    ];
    for (number, (wakeup, expected)) in (1..).zip(steps) {
        let append = Append { wakeup, ..more("w1", Epoch::FIRST, Seq(number)) };
        done(&pair.a, append).await;
        assert_eq!(pair.b.stream(&stream("w1")).await.unwrap().unwrap().due_at, expected, "{number}");
    }
}

/// Only a create makes a stream.
pub async fn appends_to_unknown_streams_are_refused(pair: Pair) {
    let answer = pair.a.append(more("w1", Epoch::FIRST, Seq::ZERO)).await;
    assert!(matches!(answer, Err(Error::NotFound(_))), "{answer:?}");
    assert!(matches!(pair.a.close(&stream("w1"), Epoch::FIRST).await, Err(Error::NotFound(_))));
    assert!(matches!(pair.a.reopen(&stream("w1")).await, Err(Error::NotFound(_))));
    assert_eq!(pair.a.stream(&stream("w1")).await.unwrap(), None);
}

/// What is too long, empty or not representable is refused before anything is written.
pub async fn p11_limits_are_enforced(pair: Pair) {
    let long = "x".repeat(limits::NAME_MAX_BYTES + 1);
    let mut bad = Vec::new();
    for kind in ["", "a\0b", &long] {
        bad.push(Append { records: vec![record(kind, "{}")], ..create("w1", "a") });
    }
    bad.push(Append { expected: Seq(1), ..create("w1", "a") });
    bad.push(Append { epoch: Epoch(2), ..create("w1", "a") });
    bad.push(Append { workflow: Some(row("other")), ..create("w1", "a") });
    bad.push(Append { at: Timestamp::MAX, ..create("w1", "a") });
    bad.push(Append { wakeup: Wakeup::At(Timestamp::MIN), ..create("w1", "a") });
    let mut unnamed = create("w1", "a");
    if let Some(create) = &mut unnamed.create {
        create.name = String::new();
    }
    bad.push(unnamed);
    for append in bad {
        let answer = pair.a.append(append).await;
        assert!(matches!(answer, Err(Error::Invalid(_))), "{answer:?}");
    }
    assert!(pair.a.streams(None, 0).await.unwrap().is_empty());
}
