//! How the planted bugs of the store's side misbehave.
//! Does nothing at all without a canary.

use runner_store::{Append, Appended, LockChange, LockState, NewCommand, Record, Result, Seq, Wakeup};
use serde_json::Value;

use super::canary::Canary;
use super::disk::Disk;

/// Answers an append before it is durable; it is written when the next one comes.
pub(super) fn answer_first(disk: &Disk, append: &Append) -> Option<Result<Appended>> {
    let engine = disk.engine;
    if append.create.is_some() || !disk.world.call(engine) {
        return None;
    }
    let waiting = disk.world.state().unwritten.remove(&engine).unwrap_or_default();
    for earlier in waiting {
        drop(disk.append_now(earlier));
    }
    disk.world.state().unwritten.insert(engine, vec![append.clone()]);
    Some(Ok(Appended::Done(Seq(append.expected.0 + append.records.len() as u64))))
}

/// Changes an append on its way.
pub(super) fn on_append(disk: &Disk, mut append: Append) -> Append {
    match disk.world.canary {
        Some(Canary::AppendWithoutEpoch) if append.create.is_none() => {
            let mut info = runner_store::Maintenance::stream(&disk.world.store, &append.stream);
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            let current = match info.as_mut().poll(&mut context) {
                std::task::Poll::Ready(Ok(Some(info))) => Some((info.epoch, info.last_seq)),
                _ => None,
            };
            drop(info);
            if let Some((epoch, seq)) = current {
                (append.epoch, append.expected) = (epoch, seq);
            }
        }
        Some(Canary::DedupInMemory) => {
            if let Some(create) = &mut append.create {
                create.idempotency_key = None;
            }
        }
        Some(Canary::LocksWithoutCapacity) => {
            for change in &mut append.locks {
                if let LockChange::Grant { locks, .. } = change {
                    locks.iter_mut().for_each(|(_, limit)| *limit = u32::MAX);
                }
            }
        }
        Some(Canary::RowsForgotten) => append.nodes.clear(),
        Some(Canary::WakeupForgotten) => append.wakeup = Wakeup::Keep,
        _ => {}
    }
    append
}

/// Changes what replaying reads.
pub(super) fn on_read(disk: &Disk, mut records: Vec<Record>) -> Vec<Record> {
    for record in &mut records {
        match (disk.world.canary, record.kind.as_str()) {
            (Some(Canary::FoldForgetsRetry), "retryScheduled") => {
                let ix = field(&record.body, "ix");
                record.kind = "nodeChanged".to_owned();
                record.body = serde_json::json!({ "ix": ix }).to_string().into_bytes();
            }
            (Some(Canary::RecoveryForgetsTimers), "nodeSuspended") => {
                let ix = field(&record.body, "ix");
                record.body = serde_json::json!({ "ix": ix }).to_string().into_bytes();
            }
            _ => {}
        }
    }
    records
}

fn field(body: &[u8], name: &str) -> Value {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    value.get(name).cloned().unwrap_or_default()
}

/// Changes a command on its way into the inbox.
pub(super) fn on_post(disk: &Disk, mut command: NewCommand) -> NewCommand {
    if disk.planted(Canary::DedupInMemory) {
        command.client_key = None;
    }
    command
}

/// Changes what is said of a lock.
pub(super) fn on_lock_state(disk: &Disk, mut state: LockState) -> LockState {
    if disk.planted(Canary::LocksWithoutCapacity) {
        state.holders.clear();
    }
    state
}
