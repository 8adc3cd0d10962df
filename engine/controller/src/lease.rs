//! Leases: claiming workflows, keeping them, and letting go in time. One keeper per controller.
//! Deliberately trusts no clock alone: the store refuses what a late owner writes, this only spares the effort.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use runner_store::{Changes, ClaimRequest, Inbox, Journal, Lease, Maintenance, StreamId};
use tokio::sync::{mpsc, watch};

use crate::clock::{after, sleep};
use crate::core::{Core, Head};
use crate::inbox::Letter;
use crate::options::{CLAIM_BATCH, CLAIM_EVERY, LAST_LOOK, STRIKES};
use crate::worker::{self, Channels, End, Origin};

/// Kind of the streams that are workflows.
pub(crate) const WORKFLOW: &str = "workflow";

/// Starts the task of a leased workflow. When this returns, letters reach it.
pub(crate) fn take_on(core: &Arc<Core>, lease: Lease, origin: Origin) {
    let channels = open(core, &lease);
    let core = Arc::clone(core);
    tokio::spawn(async move { look_after(&core, lease, origin, channels).await });
}

fn open(core: &Arc<Core>, lease: &Lease) -> Channels {
    let (sender, mail) = mpsc::unbounded_channel();
    let (head, reader) = watch::channel(Head::default());
    core.enter(lease.clone(), sender, reader);
    Channels { mail, head }
}

/// Sees a workflow's task to its end. One that panics is loaded again a few times, then put aside (F13).
async fn look_after(core: &Arc<Core>, lease: Lease, mut origin: Origin, mut channels: Channels) {
    for strike in 1..=STRIKES {
        let task = tokio::spawn(worker::work(Arc::clone(core), lease.clone(), origin, channels));
        core.attach(&lease.stream, lease.epoch, task.abort_handle());
        match task.await {
            Ok(end) => return ended(core, &lease, end),
            Err(error) if error.is_panic() => {
                tracing::error!(stream = %lease.stream, strike, "the engine panicked over a workflow");
            }
            Err(_aborted) => return core.leave(&lease.stream, lease.epoch),
        }
        origin = Origin::Claimed;
        channels = open(core, &lease);
    }
    core.quarantine(&lease.stream, "the engine panicked over it repeatedly".to_owned());
}

fn ended(core: &Arc<Core>, lease: &Lease, end: End) {
    match end {
        End::Finished { delete_at } => {
            core.disown(&lease.stream);
            if let Some(at) = delete_at {
                // Whoever follows it looks once more before it is gone.
                core.doom(at.max(after(core.clock.now(), LAST_LOOK)), lease.stream.clone());
            }
        }
        End::Released | End::StoreClosed => {}
        End::Fenced => tracing::warn!(stream = %lease.stream, "workflow was taken over by another process"),
        End::Unusable(reason) => return core.quarantine(&lease.stream, reason),
    }
    core.leave(&lease.stream, lease.epoch);
}

/// Renews all leases at a third of their life, and drops at two thirds what could not be renewed (F36).
pub(crate) async fn renew(core: Arc<Core>) {
    let third = core.options.ttl / 3;
    let mut pause = third;
    loop {
        sleep(&core.clock, pause).await;
        let (now, leases) = (core.clock.now(), core.leases());
        if leases.is_empty() {
            continue;
        }
        let renewal =
            Journal::renew(core.store.as_ref(), &core.options.owner, &leases, core.options.ttl, now);
        let done = tokio::select! {
            biased;
            done = renewal => done,
            () = core.clock.sleep_until(first_fence(&leases, third)) => {
                Err(runner_store::Error::Busy("the store did not answer in time".to_owned()))
            }
        };
        match done {
            Ok(lost) => {
                for lease in &lost {
                    core.fence(&lease.stream, lease.epoch);
                }
                core.extended(&leases, after(now, core.options.ttl));
                core.well();
                pause = third;
            }
            Err(error) => {
                tracing::warn!(%error, "leases could not be renewed");
                core.trouble(&error);
                pause = third / 4;
            }
        }
        fence_overdue(&core, third);
    }
}

fn first_fence(leases: &[Lease], third: Duration) -> Timestamp {
    leases.iter().map(|lease| fence_at(lease, third)).min().unwrap_or(Timestamp::MAX)
}

/// Two thirds of the life of a lease.
fn fence_at(lease: &Lease, third: Duration) -> Timestamp {
    lease.until.saturating_sub(third).unwrap_or(Timestamp::MIN)
}

fn fence_overdue(core: &Core, third: Duration) {
    let now = core.clock.now();
    for lease in core.leases().iter().filter(|lease| fence_at(lease, third) <= now) {
        tracing::warn!(stream = %lease.stream, "lease not renewed in time, workflow dropped");
        core.fence(&lease.stream, lease.epoch);
    }
}

/// Looks, again and again, for what other processes did: commands, locks, workflows without an engine.
pub(crate) async fn watch_others(core: Arc<Core>) {
    let mut last = Changes::default();
    let mut claimed = Timestamp::MIN;
    loop {
        let now = core.clock.now();
        let changes = match Inbox::changes(core.store.as_ref()).await {
            Ok(changes) => changes,
            Err(runner_store::Error::Closed) => return,
            Err(error) => {
                tracing::warn!(%error, "the store could not be asked for changes");
                last
            }
        };
        if changes.commands != last.commands {
            deliver(&core).await;
        }
        if changes.any != last.any {
            core.locks_moved(None).await;
        }
        if changes.commands != last.commands || after(claimed, CLAIM_EVERY) <= now {
            claimed = now;
            if let Err(error) = claim(&core).await {
                tracing::warn!(%error, "workflows could not be claimed");
            }
        }
        last = changes;
        match core.options.poll {
            Some(poll) => tokio::select! {
                biased;
                () = core.kick.notified() => claimed = Timestamp::MIN,
                () = sleep(&core.clock, poll) => {}
            },
            None => {
                core.kick.notified().await;
                claimed = Timestamp::MIN;
            }
        }
    }
}

/// Tells the tasks whose workflows have commands waiting.
async fn deliver(core: &Core) {
    match Inbox::take(core.store.as_ref(), &core.options.owner, 0).await {
        Ok(commands) => {
            for command in commands {
                core.post(&command.stream, Letter::Commands);
            }
        }
        Err(error) => tracing::warn!(%error, "commands could not be read"),
    }
}

/// Claims what is due (with `adopt`) and what is our own but was lost.
async fn claim(core: &Arc<Core>) -> runner_store::Result<()> {
    let lost = core.lost();
    if lost.is_empty() && !core.options.adopt {
        return Ok(());
    }
    let dead = dead_owners(core).await?;
    let mut wanted: Vec<Option<StreamId>> = lost.into_iter().map(Some).collect();
    if core.options.adopt {
        wanted.push(None);
    }
    for only in wanted {
        loop {
            let mut request =
                ClaimRequest::due(&core.options.owner, core.options.ttl, core.clock.now(), CLAIM_BATCH);
            request.due_only = only.is_none();
            request.kind = Some(WORKFLOW.to_owned());
            request.only.clone_from(&only);
            request.dead_owners.clone_from(&dead);
            if claim_once(core, request).await? < CLAIM_BATCH {
                break;
            }
        }
    }
    Ok(())
}

async fn claim_once(core: &Arc<Core>, request: ClaimRequest) -> runner_store::Result<usize> {
    if core.is_closing() {
        return Ok(0);
    }
    let leases = Journal::claim(core.store.as_ref(), request).await?;
    let count = leases.len();
    for lease in leases {
        if lease.stream.kind() == WORKFLOW && !core.is_closing() {
            tracing::info!(stream = %lease.stream, "workflow claimed");
            take_on(core, lease, Origin::Claimed);
        } else {
            Journal::release(core.store.as_ref(), std::slice::from_ref(&lease)).await?;
        }
    }
    Ok(count)
}

/// Claims one workflow, whether it is due or not. True when it is here now.
pub(crate) async fn claim_only(core: &Arc<Core>, stream: &StreamId) -> runner_store::Result<bool> {
    if core.is_held(stream) {
        return Ok(true);
    }
    let (owner, ttl, now) = (&core.options.owner, core.options.ttl, core.clock.now());
    let mut request = ClaimRequest::only(owner, ttl, now, stream.clone());
    request.dead_owners = dead_owners(core).await?;
    Ok(claim_once(core, request).await? > 0 || core.is_held(stream))
}

/// Owners of which there is proof that they are dead.
pub(crate) async fn dead_owners(core: &Core) -> runner_store::Result<Vec<String>> {
    let Some(is_dead) = &core.options.is_dead else { return Ok(Vec::new()) };
    let mut owners = Maintenance::owners(core.store.as_ref()).await?;
    owners.retain(|owner| *owner != core.options.owner && is_dead(owner));
    Ok(owners)
}
