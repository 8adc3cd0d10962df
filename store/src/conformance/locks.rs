//! Promises of mutexes and semaphores.
//! Deliberately goes through appends, the only way locks change.

use super::*;
use crate::{Error, LockChange};

fn request(holder: &str, locks: &[&str], priority: i32, seconds: i64) -> LockChange {
    let locks = locks.iter().map(|lock| (*lock).to_owned()).collect();
    LockChange::Request { holder: holder.to_owned(), locks, priority, at: at(seconds) }
}

fn grant(holder: &str, locks: &[(&str, u32)]) -> LockChange {
    let locks = locks.iter().map(|(lock, limit)| ((*lock).to_owned(), *limit)).collect();
    LockChange::Grant { holder: holder.to_owned(), locks }
}

fn release(holder: &str) -> LockChange {
    LockChange::Release { holder: holder.to_owned() }
}

/// Appends lock changes and no record.
async fn change(store: &Arc<dyn Store>, uid: &str, locks: Vec<LockChange>) -> crate::Result<Appended> {
    let seen = store.stream(&stream(uid)).await.unwrap().unwrap().last_seq;
    let mut append = Append::new(stream(uid), Epoch::FIRST, seen, at(4), Vec::new());
    append.locks = locks;
    store.append(append).await
}

fn busy(lock: &str, holder: &str) -> crate::Result<Appended> {
    Err(Error::LockBusy { lock: lock.to_owned(), holder: holder.to_owned() })
}

async fn holders(store: &Arc<dyn Store>, lock: &str) -> Vec<String> {
    store.lock_state(lock).await.unwrap().holders.into_iter().map(|h| h.holder).collect()
}

async fn queue(store: &Arc<dyn Store>, lock: &str) -> Vec<String> {
    store.lock_state(lock).await.unwrap().waiters.into_iter().map(|w| w.holder).collect()
}

async fn workflows(pair: &Pair, uids: &[&str]) {
    for uid in uids {
        done(&pair.a, create(uid, "a")).await;
    }
}

/// Priority first, then time, then name; only the head may take a free mutex.
pub async fn a_mutex_is_served_in_order(pair: Pair) {
    workflows(&pair, &["w1", "w2"]).await;
    let ok = |answer: crate::Result<Appended>| assert_eq!(answer, Ok(Appended::Done(Seq(1))));
    ok(change(&pair.a, "w1", vec![request("d", &["m"], 0, 9)]).await);
    ok(change(&pair.b, "w2", vec![request("c", &["m"], 0, 5)]).await);
    ok(change(&pair.a, "w1", vec![request("b", &["m"], 0, 5), request("a", &["m"], 7, 20)]).await);
    assert_eq!(queue(&pair.b, "m").await, ["a", "b", "c", "d"]);
    assert_eq!(change(&pair.a, "w1", vec![grant("b", &[("m", 1)])]).await, busy("m", "b"));
    assert_eq!(change(&pair.a, "w1", vec![grant("stranger", &[("m", 1)])]).await, busy("m", "stranger"));
    ok(change(&pair.a, "w1", vec![grant("a", &[("m", 1)])]).await);
    assert_eq!(change(&pair.a, "w1", vec![grant("b", &[("m", 1)])]).await, busy("m", "b"));
    ok(change(&pair.a, "w1", vec![grant("a", &[("m", 1)]), request("a", &["m"], 0, 1)]).await);
    assert_eq!(queue(&pair.b, "m").await, ["b", "c", "d"]);
    ok(change(&pair.a, "w1", vec![release("a"), grant("b", &[("m", 1)])]).await);
    assert_eq!((holders(&pair.b, "m").await, queue(&pair.b, "m").await.len()), (vec!["b".to_owned()], 2));
    ok(change(&pair.a, "w1", vec![request("d", &["m"], 99, 0)]).await);
    assert_eq!(queue(&pair.b, "m").await, ["c", "d"]);
    let state = pair.b.lock_state("m").await.unwrap();
    assert_eq!((&state.holders[0].stream, state.holders[0].since), (&stream("w1"), at(4)));
    assert_eq!((&state.waiters[0].stream, state.waiters[0].at), (&stream("w2"), at(5)));
}

/// As many holders as the limit given with the grant, which may change.
pub async fn a_semaphore_counts(pair: Pair) {
    workflows(&pair, &["w1"]).await;
    for (number, holder) in (0..).zip(["a", "b", "c", "d"]) {
        change(&pair.a, "w1", vec![request(holder, &["s"], 0, number)]).await.unwrap();
    }
    assert_eq!(change(&pair.a, "w1", vec![grant("a", &[("s", 0)])]).await, busy("s", "a"));
    change(&pair.a, "w1", vec![grant("a", &[("s", 2)])]).await.unwrap();
    change(&pair.a, "w1", vec![grant("b", &[("s", 2)])]).await.unwrap();
    assert_eq!(change(&pair.a, "w1", vec![grant("c", &[("s", 2)])]).await, busy("s", "c"));
    change(&pair.a, "w1", vec![grant("c", &[("s", 3)])]).await.unwrap();
    change(&pair.a, "w1", vec![release("a"), release("b")]).await.unwrap();
    assert_eq!(change(&pair.a, "w1", vec![grant("d", &[("s", 1)])]).await, busy("s", "d"));
    change(&pair.a, "w1", vec![release("c"), release("c"), release("unknown")]).await.unwrap();
    change(&pair.a, "w1", vec![grant("d", &[("s", 1)])]).await.unwrap();
    assert_eq!(holders(&pair.b, "s").await, ["d"]);
}

/// Several locks are taken together or not at all.
pub async fn a_grant_takes_all_or_none(pair: Pair) {
    workflows(&pair, &["w1"]).await;
    change(&pair.a, "w1", vec![request("x", &["two"], 0, 0), grant("x", &[("two", 1)])]).await.unwrap();
    change(&pair.a, "w1", vec![request("y", &["one", "two"], 0, 1)]).await.unwrap();
    let both = [("one", 1), ("two", 1)];
    assert_eq!(change(&pair.a, "w1", vec![grant("y", &both)]).await, busy("two", "y"));
    assert!(holders(&pair.b, "one").await.is_empty());
    assert_eq!(queue(&pair.b, "one").await, ["y"]);
    change(&pair.a, "w1", vec![release("x"), grant("y", &both)]).await.unwrap();
    assert_eq!(
        (holders(&pair.b, "one").await, holders(&pair.b, "two").await),
        (vec!["y".into()], vec!["y".into()])
    );
    let waiting = pair.b.waiting().await.unwrap();
    assert!(waiting.is_empty(), "{waiting:?}");
}

/// When a lock is refused, nothing of that append is written, and the appends beside it are.
pub async fn a_busy_lock_undoes_the_append(pair: Pair) {
    workflows(&pair, &["w1", "w2", "w3"]).await;
    change(&pair.a, "w1", vec![request("x", &["m"], 0, 0), grant("x", &[("m", 1)])]).await.unwrap();
    let mut refused = more("w2", Epoch::FIRST, Seq(1));
    refused.locks = vec![request("z", &["other"], 0, 0), request("y", &["m"], 0, 1), grant("y", &[("m", 1)])];
    refused.nodes = vec![node(0, "Running")];
    refused.wakeup = Wakeup::At(at(3));
    let beside = more("w3", Epoch::FIRST, Seq(1));
    let (refused, beside) = tokio::join!(pair.a.append(refused), pair.a.append(beside));
    assert_eq!((refused, beside), (busy("m", "y"), Ok(Appended::Done(Seq(2)))));
    assert_eq!(kinds(&pair.b, "w2").await, ["Submitted"]);
    assert!(pair.b.nodes(&stream("w2"), 0, 0).await.unwrap().is_empty());
    assert!(pair.b.waiting().await.unwrap().is_empty());
    assert_eq!(pair.b.stream(&stream("w2")).await.unwrap().unwrap().due_at, None);
    let mut new = create("w4", "a");
    new.locks = vec![request("n", &["m"], 0, 0), grant("n", &[("m", 1)])];
    assert_eq!(pair.a.append(new).await, busy("m", "n"));
    assert_eq!(pair.b.stream(&stream("w4")).await.unwrap(), None);
}

/// One stream cannot take or give back what another one asked for.
pub async fn locks_belong_to_their_stream(pair: Pair) {
    workflows(&pair, &["w1", "w2"]).await;
    change(&pair.a, "w1", vec![request("x", &["m"], 0, 0)]).await.unwrap();
    assert_eq!(change(&pair.a, "w2", vec![grant("x", &[("m", 1)])]).await, busy("m", "x"));
    change(&pair.a, "w2", vec![release("x")]).await.unwrap();
    change(&pair.a, "w1", vec![grant("x", &[("m", 1)])]).await.unwrap();
    change(&pair.a, "w2", vec![release("x")]).await.unwrap();
    assert_eq!(holders(&pair.b, "m").await, ["x"]);
}

/// Twenty workflows over both handles fight for three places: never more than three inside.
pub async fn p2_capacity_holds_under_concurrency(pair: Pair) {
    let mut tasks = Vec::new();
    for number in 0..20 {
        let (uid, holder) = (format!("w{number}"), format!("h{number}"));
        done(&pair.a, create(&uid, "a")).await;
        let store = Arc::clone(if number % 2 == 0 { &pair.a } else { &pair.b });
        tasks.push(tokio::spawn(async move {
            change(&store, &uid, vec![request(&holder, &["s"], 0, number)]).await.unwrap();
            let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
            while change(&store, &uid, vec![grant(&holder, &[("s", 3)])]).await.is_err() {
                assert!(tokio::time::Instant::now() < deadline, "{holder} starves");
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let inside = holders(&store, "s").await.len();
            change(&store, &uid, vec![release(&holder)]).await.unwrap();
            inside
        }));
    }
    for task in tasks {
        let inside = task.await.unwrap();
        assert!((1..=3).contains(&inside), "{inside} inside");
    }
    assert_eq!(pair.b.lock_state("s").await.unwrap(), crate::LockState::default());
}
