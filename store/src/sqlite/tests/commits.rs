//! Group commits: together or alone, lost answers, failed syncs.
//! Deliberately plants faults between the writer and SQLite; kills of real processes are in `tests/`.

use std::sync::atomic::Ordering;

use super::*;
use crate::conformance::{at, create, more};
use crate::{
    Append, Appended, Epoch, Error, Inbox as _, LockChange, Maintenance as _, Memo as _, NewCommand, Seq,
    Wakeup,
};

/// Holds the write lock from outside, so that requests pile up behind it and share the next commit.
async fn pile_up<T: Send + 'static>(
    path: &Path,
    requests: Vec<impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    let mut blocker = raw(path).await;
    sqlx::query("BEGIN IMMEDIATE").execute(&mut blocker).await.unwrap();
    let tasks: Vec<_> = requests.into_iter().map(tokio::spawn).collect();
    tokio::time::sleep(Duration::from_millis(150)).await;
    sqlx::query("ROLLBACK").execute(&mut blocker).await.unwrap();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f7_waiting_appends_share_a_commit_and_one_refusal_takes_none_down() {
    let (_directory, path, store) = fresh().await;
    let store = Arc::new(store);
    for number in 0..30 {
        store.append(create(&format!("w{number}"), "a")).await.unwrap();
    }
    let mut requests = Vec::new();
    for number in 0..30_u64 {
        let store = Arc::clone(&store);
        // Every third has not seen the newest record.
        let seen = if number % 3 == 0 { 5 } else { 1 };
        let append = more(&format!("w{number}"), Epoch::FIRST, Seq(seen));
        requests.push(async move { store.append(append).await });
    }
    let (inner, started) = (path.clone(), Arc::clone(&store));
    let answers = pile_up(&inner, requests).await;
    for (number, answer) in answers.iter().enumerate() {
        let stream = StreamId::workflow(&format!("w{number}")).unwrap();
        if number % 3 == 0 {
            assert_eq!(*answer, Err(Error::SeqConflict { stream, actual: Seq(1) }));
        } else {
            assert_eq!(*answer, Ok(Appended::Done(Seq(2))));
        }
        assert_eq!(length(&started, &format!("w{number}")).await, if number % 3 == 0 { 1 } else { 2 });
    }
    assert!(store.verify().await.unwrap().is_clean());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f7_a_group_is_one_transaction() {
    let (_directory, path, store) = fresh().await;
    let store = Arc::new(store);
    let mut requests = Vec::new();
    for number in 0..20 {
        let store = Arc::clone(&store);
        requests.push(async move { store.append(create(&format!("w{number}"), "a")).await });
    }
    let answers = pile_up(&path, requests).await;
    assert!(answers.iter().all(|answer| *answer == Ok(Appended::Done(Seq(1)))));
    // What came first may have been taken alone; the others waited for it together.
    let commits = store.faults.commits.load(Ordering::Acquire);
    assert!(commits <= 3, "{commits} commits for 20 appends");
    assert_eq!(store.streams(None, 0).await.unwrap().len(), 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f7_an_unexpected_failure_is_tried_one_by_one() {
    let (_directory, path, store) = fresh().await;
    let store = Arc::new(store);
    store.append(create("w0", "a")).await.unwrap();
    store.faults.fail_before_commit.store(true, Ordering::Release);
    let mut requests: Vec<std::pin::Pin<Box<dyn Future<Output = bool> + Send>>> = Vec::new();
    for number in 1..10 {
        let store = Arc::clone(&store);
        requests
            .push(Box::pin(async move { store.append(create(&format!("w{number}"), "a")).await.is_ok() }));
    }
    let answers = pile_up(&path, requests).await;
    // At most the one request that was alone in its commit can have met the planted failure.
    assert!(answers.iter().filter(|ok| !**ok).count() <= 1, "{answers:?}");
    let stored = store.streams(None, 0).await.unwrap().len();
    assert_eq!(stored, 1 + answers.iter().filter(|ok| **ok).count());
    assert!(store.verify().await.unwrap().is_clean());
}

#[tokio::test]
async fn p2_appends_of_one_group_see_each_other() {
    let (_directory, path, store) = fresh().await;
    let store = Arc::new(store);
    let mut first = create("w1", "a");
    first.wakeup = Wakeup::At(at(9));
    let second = Append { wakeup: Wakeup::Clear, ..more("w1", Epoch::FIRST, Seq(1)) };
    let lock = |holder: &str| {
        let (holder, locks) = (holder.to_owned(), vec!["m".to_owned()]);
        let grant = LockChange::Grant { holder: holder.clone(), locks: vec![("m".to_owned(), 1)] };
        vec![LockChange::Request { holder, locks, priority: 0, at: at(1) }, grant]
    };
    let third = Append { locks: lock("h1"), ..more("w1", Epoch::FIRST, Seq(2)) };
    let fourth = Append { locks: lock("h2"), ..more("w1", Epoch::FIRST, Seq(3)) };
    let fifth = more("w1", Epoch::FIRST, Seq(3));
    let mut requests = Vec::new();
    for append in [first, second, third, fourth, fifth] {
        let store = Arc::clone(&store);
        requests.push(async move { store.append(append).await });
    }
    // One thread: the spawned requests reach the writer in this order.
    let answers = pile_up(&path, requests).await;
    let busy = Err(Error::LockBusy { lock: "m".to_owned(), holder: "h2".to_owned() });
    let done = |seq| Ok(Appended::Done(Seq(seq)));
    assert_eq!(answers, [done(1), done(2), done(3), busy, done(4)]);
    let info = store.stream(&StreamId::workflow("w1").unwrap()).await.unwrap().unwrap();
    assert_eq!((info.last_seq, info.due_at), (Seq(4), None));
}

#[tokio::test]
async fn f32_a_lost_answer_is_resolved_by_looking() {
    let (_directory, _path, store) = fresh().await;
    store.append(create("w1", "a")).await.unwrap();
    store.faults.lose_commit_answer.store(true, Ordering::Release);
    let answer = store.append(more("w1", Epoch::FIRST, Seq(1))).await;
    assert_eq!(answer, Ok(Appended::Done(Seq(2))));
    assert_eq!(length(&store, "w1").await, 2);
    store.faults.lose_commit_answer.store(true, Ordering::Release);
    let refused = store.append(more("w1", Epoch::FIRST, Seq(1))).await;
    assert!(matches!(refused, Err(Error::SeqConflict { .. })), "{refused:?}");
    store.faults.lose_commit_answer.store(true, Ordering::Release);
    let unknown = store.put_memo("c", "k", vec![], at(1)).await;
    assert!(matches!(unknown, Err(Error::Io(_))), "{unknown:?}");
    assert_eq!(store.append(more("w1", Epoch::FIRST, Seq(2))).await, Ok(Appended::Done(Seq(3))));
    assert!(store.verify().await.unwrap().is_clean());
}

#[tokio::test]
async fn f18_after_a_failed_sync_nothing_is_accepted() {
    let (_directory, path, store) = fresh().await;
    store.append(create("w1", "a")).await.unwrap();
    store.faults.fail_commit_on_disk.store(true, Ordering::Release);
    for _ in 0..3 {
        let refused = store.append(more("w1", Epoch::FIRST, Seq(1))).await;
        assert!(matches!(&refused, Err(error @ Error::Io(_)) if !error.is_retriable()), "{refused:?}");
    }
    let stream = StreamId::workflow("w1").unwrap();
    let command = NewCommand { stream, body: vec![], client_key: None, at: at(1) };
    assert!(matches!(store.post(command).await, Err(Error::Io(_))));
    assert_eq!(
        length(&store, "w1").await,
        2,
        "reading goes on; the outcome of the failed commit was unknown"
    );
    store.shutdown().await.unwrap();
    let again = SqliteStore::open(&path, small()).await.unwrap();
    assert_eq!(again.append(more("w1", Epoch::FIRST, Seq(2))).await, Ok(Appended::Done(Seq(3))));
}

#[tokio::test]
async fn f35_a_database_that_stays_locked_is_busy_and_nothing_is_written() {
    let (_directory, path, store) = fresh().await;
    store.append(create("w1", "a")).await.unwrap();
    store.shutdown().await.unwrap();
    let hasty = Options { busy_timeout: Duration::from_millis(50), ..small() };
    let store = SqliteStore::open(&path, hasty).await.unwrap();
    let mut blocker = raw(&path).await;
    sqlx::query("BEGIN IMMEDIATE").execute(&mut blocker).await.unwrap();
    let busy = store.append(more("w1", Epoch::FIRST, Seq(1))).await;
    assert!(matches!(&busy, Err(error @ Error::Busy(_)) if error.is_retriable()), "{busy:?}");
    sqlx::query("ROLLBACK").execute(&mut blocker).await.unwrap();
    assert_eq!(store.append(more("w1", Epoch::FIRST, Seq(1))).await, Ok(Appended::Done(Seq(2))));
}

#[tokio::test]
async fn p1_a_shutdown_answers_what_was_accepted() {
    let (_directory, path, store) = fresh().await;
    let store = Arc::new(store);
    let mut tasks = Vec::new();
    for number in 0..50 {
        let store = Arc::clone(&store);
        tasks.push(tokio::spawn(async move { store.append(create(&format!("w{number}"), "a")).await }));
    }
    tokio::task::yield_now().await;
    store.shutdown().await.unwrap();
    let mut accepted = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => accepted += 1,
            Err(error) => assert_eq!(error, Error::Closed),
        }
    }
    let again = SqliteStore::open(&path, small()).await.unwrap();
    assert_eq!(again.streams(None, 0).await.unwrap().len(), accepted);
}

#[tokio::test]
async fn what_can_wait_is_written_with_others_and_also_alone() {
    let (_directory, path, store) = fresh().await;
    let store = Arc::new(store);
    for uid in ["w1", "w2"] {
        store.append(create(uid, "a")).await.unwrap();
    }
    let patient = |seq| Append { patient: true, ..more("w1", Epoch::FIRST, Seq(seq)) };
    assert_eq!(store.append(patient(1)).await, Ok(Appended::Done(Seq(2))), "nobody else comes");
    let before = store.faults.commits.load(Ordering::Acquire);
    let requests = [patient(2), patient(3), more("w2", Epoch::FIRST, Seq(1)), patient(4)].map(|append| {
        let store = Arc::clone(&store);
        async move { store.append(append).await.unwrap() }
    });
    // What came first waits behind the lock; all others share the commit after it.
    let answers = pile_up(&path, requests.into()).await;
    assert_eq!(answers, [3, 4, 2, 5].map(|seq| Appended::Done(Seq(seq))));
    assert!(store.faults.commits.load(Ordering::Acquire) - before <= 2);
    // And nothing is left behind when the store is closed.
    let last = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.append(patient(5)).await }
    });
    tokio::task::yield_now().await;
    store.shutdown().await.unwrap();
    let told = last.await.unwrap();
    let there = length(&SqliteStore::open(&path, small()).await.unwrap(), "w1").await;
    assert_eq!(there, if told.is_ok() { 6 } else { 5 }, "{told:?}");
}
