//! One attempt from its claim to its record: what is prepared, who may stop it, how it is put on record.
//! The containers themselves are started and followed in `work`.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use runner_runners::guest::{Furniture, Guest};
use runner_runners::guests::{Running, blocking, refuse};
use runner_runners::{AttemptSpec, Error, Observation, Reason};
use tokio::sync::{Mutex, watch};

use super::engine::Failure;
use super::note::{NOTE, Note, spec_of};
use super::work::{Halt, Work};
use super::{Shared, fetch};
use crate::pod;

/// Wait before an engine that could not be reached is asked again.
const AGAIN: Duration = Duration::from_secs(1);
/// Between two KILLs of what does not end.
const KILL_EVERY: Duration = Duration::from_millis(500);

/// Runs or adopts an attempt; gives its last observation.
pub(super) async fn drive(
    shared: &Arc<Shared>,
    spec: &AttemptSpec,
    running: &Arc<Running>,
    guest: Box<Guest>,
) -> Observation {
    let started_at = Timestamp::now();
    let (guest, note, furniture) = match prepare(spec, guest).await {
        (guest, Ok((note, furniture))) => (Arc::from(guest), note, furniture),
        (guest, Err((why, reason))) => return refuse(Arc::from(guest), why, reason, started_at).await,
    };
    let host = shared.process.host().to_owned();
    running.tell(&spec.id, &Observation::Started { at: note.started_at, host, isolation: None });
    let (stopped, _) = watch::channel(None);
    let work = Work {
        shared,
        spec,
        running,
        guest: &guest,
        pod: note.pod.clone(),
        note: Mutex::new(note),
        furniture,
        stopped,
    };
    let outcome = tokio::select! {
        outcome = work.run() => outcome,
        never = stop(&work) => match never {},
    };
    let last = match outcome {
        Ok(left) => {
            let main = work.main_name();
            while let Err(failure) = fetch::outputs(&shared.engine, &main, &guest).await {
                tracing::warn!(attempt = %spec.id, %failure, "outputs could not be taken out of a container yet");
                tokio::time::sleep(AGAIN).await;
            }
            let keeper = Arc::clone(&guest);
            match blocking(move || keeper.finish(left)).await {
                Ok(exit) => Observation::Finished(exit),
                Err(error) => refuse(guest, error.to_string(), Reason::Output, started_at).await,
            }
        }
        Err(Halt::Lost(reason)) => Observation::Lost { reason },
        Err(Halt::Refused(why)) => refuse(guest, why, Reason::NotStarted, started_at).await,
    };
    shared.engine.clear(&spec.id.storage_name()).await;
    last
}

type Prepared = Result<(Note, Vec<Furniture>), (String, Reason)>;

/// Builds the Pod, or takes the one that was built, and makes what its containers need.
async fn prepare(spec: &AttemptSpec, mut guest: Box<Guest>) -> (Box<Guest>, Prepared) {
    let spec = spec.clone();
    let work = tokio::task::spawn_blocking(move || {
        let prepared = prepare_blocking(&spec, &mut guest);
        (guest, prepared)
    });
    match work.await {
        Ok(done) => done,
        // Only a panic ends it early; it goes on as the panic it is.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

fn prepare_blocking(spec: &AttemptSpec, guest: &mut Guest) -> Prepared {
    let not_started = |error: Error| (error.to_string(), Reason::NotStarted);
    let mut note = match guest.note::<Note>(NOTE).map_err(not_started)? {
        Some(note) => note,
        None => {
            let built = pod::build(spec, &pod::PodOptions::default());
            let pod = built.map_err(|error| (error.to_string(), Reason::NotStarted))?;
            let note =
                Note { pod, started_at: Timestamp::now(), furnished: false, containers: Default::default() };
            guest.keep(NOTE, &note).map_err(not_started)?;
            note
        }
    };
    let pod_spec = spec_of(&note.pod).map_err(not_started)?.clone();
    let furniture = guest.furnish(&pod_spec, !note.furnished).map_err(|error| {
        let reason = if matches!(error, Error::Artifact(_)) { Reason::Input } else { Reason::NotStarted };
        (error.to_string(), reason)
    })?;
    if !note.furnished {
        note.furnished = true;
        guest.keep(NOTE, &note).map_err(not_started)?;
    }
    Ok((note, furniture))
}

/// Ends the attempt when its deadline passes or somebody cancels it. Never returns.
async fn stop(work: &Work<'_>) -> std::convert::Infallible {
    let (why, grace) = tokio::select! {
        () = deadline(work) => (Reason::Deadline, work.shared.process.grace()),
        grace = cancelled(work) => (Reason::Cancelled, grace),
    };
    work.stopped.send_replace(Some(why));
    signal(work, "SIGTERM").await;
    // A second wish may be less patient.
    tokio::select! {
        () = tokio::time::sleep(grace) => {}
        () = less_patient(work, grace) => {}
    }
    loop {
        signal(work, "SIGKILL").await;
        tokio::time::sleep(KILL_EVERY).await;
    }
}

/// Returns once the deadline has passed. It counts from when the attempt was taken on, with the fetching of images in
/// it, as the kubelet counts from a pod's `startTime`.
async fn deadline(work: &Work<'_>) {
    let Some(timeout) = work.spec.timeout else { return std::future::pending().await };
    let started = work.note.lock().await.started_at;
    let passed = Timestamp::now().duration_since(started);
    let left = timeout.saturating_sub(Duration::try_from(passed).unwrap_or_default());
    tokio::time::sleep(left).await;
}

/// Returns once somebody wishes the end, with the grace that is given.
async fn cancelled(work: &Work<'_>) -> Duration {
    loop {
        if let Some(grace) = work.guest.cancelled() {
            return grace;
        }
        work.running.cancelled().await;
    }
}

async fn less_patient(work: &Work<'_>, grace: Duration) {
    let mut asked = tokio::time::Instant::now();
    loop {
        work.running.cancelled().await;
        if let Some(wish) = work.guest.cancelled().filter(|wish| *wish < grace) {
            asked += wish;
            return tokio::time::sleep_until(asked).await;
        }
    }
}

async fn signal(work: &Work<'_>, signal: &str) {
    let names: Vec<String> = work.note.lock().await.containers.keys().cloned().collect();
    for name in names {
        match work.shared.engine.signal(&name, signal).await {
            Ok(()) => {}
            Err(
                failure @ (Failure::Away(_) | Failure::Gone(_) | Failure::Exists(_) | Failure::Refused(_)),
            ) => {
                tracing::warn!(container = name, signal, %failure, "a container could not be signalled");
            }
        }
    }
}
