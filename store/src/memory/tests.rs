//! The memory driver against the conformance suite, and its faults.
//! Deliberately runs the same suite as the other drivers.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use super::*;
use crate::conformance::{Pair, create, more};
use crate::{Append, Appended, Epoch, Journal as _, Seq, Store, StreamId};

async fn open() -> Pair {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    Pair { a: Arc::clone(&store), b: store, guard: Box::new(()) }
}

mod suite {
    crate::conformance_tests!(super::open);
}

async fn count(store: &MemoryStore) -> usize {
    store.read(&StreamId::workflow("w1").unwrap(), Seq::ZERO, 0).await.unwrap().len()
}

#[tokio::test]
async fn f1_a_fault_before_the_commit_records_nothing() {
    let hook: FaultHook = Box::new(|number| if number == 2 { Fault::FailBefore } else { Fault::None });
    let store = MemoryStore::with_faults(hook);
    store.append(create("w1", "a")).await.unwrap();
    let lost = store.append(more("w1", Epoch::FIRST, Seq(1))).await;
    assert!(matches!(lost, Err(Error::Io(_))), "{lost:?}");
    assert_eq!(count(&store).await, 1);
    assert_eq!(store.append(more("w1", Epoch::FIRST, Seq(1))).await, Ok(Appended::Done(Seq(2))));
}

#[tokio::test]
async fn f2_a_fault_after_the_commit_records_it_unknown_to_the_caller() {
    let hook: FaultHook = Box::new(|number| if number == 2 { Fault::FailAfter } else { Fault::None });
    let store = MemoryStore::with_faults(hook);
    store.append(create("w1", "a")).await.unwrap();
    let lost = store.append(more("w1", Epoch::FIRST, Seq(1))).await;
    assert!(matches!(lost, Err(Error::Io(_))), "{lost:?}");
    assert_eq!(count(&store).await, 2);
    let again = store.append(more("w1", Epoch::FIRST, Seq(1))).await;
    assert!(matches!(again, Err(Error::SeqConflict { actual: Seq(2), .. })), "{again:?}");
    assert_eq!(store.commits(), 3);
}

#[tokio::test]
async fn f17_a_snapshot_brings_back_that_moment() {
    let store = MemoryStore::new();
    store.append(create("w1", "a")).await.unwrap();
    let snapshot = store.snapshot();
    let second: Append = more("w1", Epoch::FIRST, Seq(1));
    store.append(second.clone()).await.unwrap();
    assert_eq!(count(&store).await, 2);
    store.restore(&snapshot);
    assert_eq!(count(&store).await, 1);
    assert_eq!(store.append(second).await, Ok(Appended::Done(Seq(2))));
}
