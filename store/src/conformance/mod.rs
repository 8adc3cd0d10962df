//! The conformance suite: what every driver must do, one function per promise.
//! Deliberately knows no driver: a driver joins with `conformance_tests!` and a function that opens a pair.
#![expect(clippy::unwrap_used, reason = "these are tests, also where they are compiled as a library")]

mod catalog;
mod inbox;
mod journal;
mod leases;
mod lists;
mod locks;
mod whole;

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

pub use self::catalog::*;
pub use self::inbox::*;
pub use self::journal::*;
pub use self::leases::*;
pub use self::lists::*;
pub use self::locks::*;
pub use self::whole::*;
use crate::{
    Append, Appended, ClaimRequest, Create, Epoch, FirstLease, Lease, NewRecord, NodeRow, Seq, Store,
    StreamId, Wakeup, WorkflowRow,
};

/// Two handles on one fresh, empty database, as two processes would have them.
pub struct Pair {
    /// One handle.
    pub a: Arc<dyn Store>,
    /// Another one. A driver without processes may give the same twice.
    pub b: Arc<dyn Store>,
    /// Whatever has to live as long as the handles.
    pub guard: Box<dyn Any + Send + Sync>,
}

impl std::fmt::Debug for Pair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pair")
    }
}

/// Makes one test per promise. The argument is an async function without arguments that answers a [`Pair`].
#[macro_export]
macro_rules! conformance_tests {
    ($open:path) => {
        $crate::conformance_tests!(@each $open:
            // journal
            p1_what_was_appended_is_read_back, p2_a_sequence_conflict_writes_nothing,
            p2_concurrent_appends_stay_gap_free, f31_a_stale_epoch_writes_nothing,
            f30_a_released_lease_cannot_append, f59_names_are_unique, f60_one_key_makes_one_stream,
            f60_a_key_belongs_to_its_namespace, large_bodies_are_moved_and_restored, reading_goes_in_pages,
            wakeups_are_kept_cleared_and_set, appends_to_unknown_streams_are_refused, p11_limits_are_enforced,
            // leases
            claims_take_free_open_streams, due_claims_take_what_has_something_to_do,
            claims_can_ask_for_one_kind,
            f30_expired_leases_are_taken_over, f4_leases_of_dead_owners_are_taken_over,
            p2_a_stream_is_claimed_once, renewing_tells_what_is_lost, closed_streams_rest_until_reopened,
            an_append_can_be_the_last,
            a_finished_stream_takes_an_afterword,
            due_streams_come_in_order,
            // inbox
            commands_wait_until_they_are_answered, f40_a_repeated_command_is_one_command,
            commands_cross_processes_within_200_ms, the_change_counters_move,
            // catalog
            manifests_have_generations, projections_follow_the_journal, projections_can_be_rebuilt,
            deleting_needs_a_closed_stream, blobs_are_kept_once, memo_entries_remember_their_use,
            // lists
            lists_agree_with_the_definition, labels_are_found_as_they_are_now, lists_go_in_pages, v36_filters_are_not_sql,
            // locks
            a_mutex_is_served_in_order, a_semaphore_counts, a_grant_takes_all_or_none,
            a_busy_lock_undoes_the_append, locks_belong_to_their_stream, p2_capacity_holds_under_concurrency,
            // whole
            verify_is_content, streams_can_be_walked, a_closed_store_refuses
        );
    };
    (@each $open:path: $($name:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                $crate::conformance::$name($open().await).await;
            }
        )*
    };
}

/// A time, in seconds after an arbitrary start and with nanoseconds that must survive.
#[must_use]
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::new(1_790_000_000 + seconds, 123_456_789).unwrap()
}

const TTL: Duration = Duration::from_secs(15);

fn stream(uid: &str) -> StreamId {
    StreamId::workflow(uid).unwrap()
}

fn record(kind: &str, body: &str) -> NewRecord {
    NewRecord { kind: kind.to_owned(), body: body.as_bytes().to_vec() }
}

fn lease(owner: &str) -> Option<FirstLease> {
    Some(FirstLease { owner: owner.to_owned(), until: at(15) })
}

/// A create of `default/<uid>` leased by `owner` until 15 s, with one record and a row.
#[must_use]
pub fn create(uid: &str, owner: &str) -> Append {
    let records = vec![record("Submitted", r#"{"a":1}"#)];
    let mut append = Append::new(stream(uid), Epoch::FIRST, Seq::ZERO, at(0), records);
    append.create = Some(Create {
        namespace: "default".to_owned(),
        name: uid.to_owned(),
        idempotency_key: None,
        lease: lease(owner),
    });
    append.workflow = Some(row(uid));
    append
}

/// A create that nobody leases.
fn create_free(uid: &str, wakeup: Wakeup) -> Append {
    let mut append = create(uid, "nobody");
    append.epoch = Epoch::ZERO;
    append.wakeup = wakeup;
    if let Some(create) = &mut append.create {
        create.lease = None;
    }
    append
}

/// One more record for a stream created by [`create`].
#[must_use]
pub fn more(uid: &str, epoch: Epoch, expected: Seq) -> Append {
    Append::new(stream(uid), epoch, expected, at(1), vec![record("Started", "{}")])
}

fn row(uid: &str) -> WorkflowRow {
    WorkflowRow {
        uid: uid.to_owned(),
        namespace: "default".to_owned(),
        name: uid.to_owned(),
        phase: "Running".to_owned(),
        labels: BTreeMap::from([("app".to_owned(), "demo".to_owned())]),
        created_at: at(0),
        started_at: Some(at(1)),
        finished_at: None,
        progress: "0/1".to_owned(),
        message: String::new(),
        body: b"{}".to_vec(),
        as_of: Seq::ZERO,
    }
}

fn node(ordinal: u32, phase: &str) -> NodeRow {
    NodeRow {
        ordinal,
        id: format!("wf-{ordinal}"),
        name: format!("wf.step-{ordinal}"),
        display_name: format!("step-{ordinal}"),
        node_type: "Pod".to_owned(),
        template_name: "main".to_owned(),
        boundary_id: "wf".to_owned(),
        phase: phase.to_owned(),
        started_at: Some(at(2)),
        finished_at: None,
        message: String::new(),
        body: b"{}".to_vec(),
        as_of: Seq::ZERO,
    }
}

async fn done(store: &Arc<dyn Store>, append: Append) -> Seq {
    match store.append(append).await.unwrap() {
        Appended::Done(seq) => seq,
        Appended::Exists { stream } => unreachable!("{stream} exists"),
    }
}

async fn claim_one(store: &Arc<dyn Store>, owner: &str, uid: &str, now: Timestamp) -> Option<Lease> {
    store.claim(ClaimRequest::only(owner, TTL, now, stream(uid))).await.unwrap().pop()
}

async fn kinds(store: &Arc<dyn Store>, uid: &str) -> Vec<String> {
    let records = store.read(&stream(uid), Seq::ZERO, 0).await.unwrap();
    records.into_iter().map(|record| record.kind).collect()
}
