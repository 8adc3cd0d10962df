//! One attempt from its claim to its record: its pod is begun, watched, perhaps stopped, and put on record.
//! What a status means is in `status`, what a log says in `follow`.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, Pod};
use runner_pods::pod::SUPERVISOR_INIT;
use runner_runners::guest::{Container as Ended, Guest, Left, Part};
use runner_runners::guests::{Running, blocking, refuse};
use runner_runners::{AttemptSpec, ExitPhase, Observation, Reason};
use tokio::sync::watch;

use crate::api::{Api, Failure, patiently};
use crate::begin::{Halt, begin, prepare};
use crate::follow::{Followed, Heard, receive};
use crate::note::Note;
use crate::runner::Shared;
use crate::status::{self, View};
use crate::watch::{Known, Pods};
use crate::{finish, shape};

/// Longest wait for the cluster's view of a pod whose step was killed: it tells why.
const SETTLE: Duration = Duration::from_secs(10);
/// Longest grace of side cars once main has ended.
const SIDECAR_GRACE: Duration = Duration::from_secs(5);

/// An attempt at work.
pub(crate) struct Work<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) spec: &'a AttemptSpec,
    pub(crate) running: &'a Running,
    pub(crate) guest: &'a Arc<Guest>,
    pub(crate) api: &'a Api,
    pub(crate) pods: &'a Pods,
    pub(crate) note: &'a Note,
    /// Init containers of the template, main containers, side cars.
    pub(crate) containers: Vec<Container>,
    pub(crate) inits: usize,
    /// Why it is being ended from outside, once it is.
    pub(crate) stopped: watch::Sender<Option<Reason>>,
}

/// Runs or adopts an attempt; gives its last observation.
pub(crate) async fn drive(
    shared: &Arc<Shared>,
    spec: &AttemptSpec,
    running: &Running,
    mut guest: Box<Guest>,
) -> Observation {
    let started_at = Timestamp::now();
    let (keeper, wish) = (Arc::clone(shared), spec.clone());
    let prepared = tokio::task::spawn_blocking(move || {
        let prepared = prepare(&wish, &keeper, &mut guest);
        (guest, prepared)
    });
    let (guest, prepared) = match prepared.await {
        Ok((guest, prepared)) => (Arc::from(guest), prepared),
        // Only a panic ends it early; it goes on as the panic it is.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    };
    let (mut note, bundle) = match prepared {
        Ok(prepared) => prepared,
        Err(halt) => return halted(&guest, halt, started_at).await,
    };
    let namespace = note.namespace().to_owned();
    let api = match shared.api(&namespace).await {
        Ok(api) => api,
        Err(why) => return halted(&guest, Halt::Refused(why, Reason::NotStarted), started_at).await,
    };
    let pods = shared.pods(&api, &namespace);
    let seen = pods.look(note.name(), note.pod.clone());
    let pod = match begin(shared, &api, spec, &guest, &mut note, &bundle).await {
        Ok(pod) => pod,
        Err(halt) => return halted(&guest, halt, started_at).await,
    };
    drop(bundle);
    pods.created(note.name(), pod);
    let inner = note.pod.spec.clone().unwrap_or_default();
    let mut containers = inner.init_containers.unwrap_or_default();
    containers.retain(|container| container.name != SUPERVISOR_INIT);
    let inits = containers.len();
    containers.extend(inner.containers);
    let (stopped, _) = watch::channel(None);
    let work = Work {
        shared,
        spec,
        running,
        guest: &guest,
        api: &api,
        pods: &pods,
        note: &note,
        containers,
        inits,
        stopped,
    };
    let outcome = tokio::select! {
        outcome = work.run(seen) => outcome,
        never = work.stop() => match never {},
    };
    let (left, heard) = match outcome {
        Ok(done) => done,
        Err(halt) => return halted(&guest, halt, started_at).await,
    };
    let observation = record(spec, &guest, left, heard).await;
    finish::collect_pod(shared, spec, &note, &observation).await;
    observation
}

/// Collects the outputs and writes the record.
async fn record(spec: &AttemptSpec, guest: &Arc<Guest>, mut left: Left, heard: Heard) -> Observation {
    let (keeper, wanted, started_at) = (Arc::clone(guest), shape::wanted(&spec.template), left.started_at);
    let done = blocking(move || {
        let wrong = receive(&keeper, &wanted, &heard)?;
        if !wrong.is_empty() && left.verdict.is_none() {
            let message =
                format!("outputs of the step could not be taken out of the pod: {}", wrong.join("; "));
            left.verdict = Some((ExitPhase::Error, message, Reason::Output));
        }
        keeper.finish(left)
    });
    match done.await {
        Ok(exit) => Observation::Finished(exit),
        Err(error) => halted(guest, Halt::Refused(error.to_string(), Reason::Output), started_at).await,
    }
}

/// An attempt without a pod to follow.
async fn halted(guest: &Arc<Guest>, halt: Halt, started_at: Timestamp) -> Observation {
    match halt {
        Halt::Lost(reason) => Observation::Lost { reason },
        Halt::Refused(message, reason) => refuse(Arc::clone(guest), message, reason, started_at).await,
    }
}

impl Work<'_> {
    /// Positions of the containers that are the step itself.
    pub(crate) fn mains(&self) -> std::ops::Range<usize> {
        let count = self.spec.template.container_set.as_ref().map_or(1, |set| set.containers.len());
        self.inits..(self.inits + count).min(self.containers.len())
    }

    /// Position of the one whose files and standard output are the step's.
    pub(crate) fn main_index(&self) -> usize {
        let name = shape::main_of(&self.containers[self.inits..], &self.spec.template);
        let found = self.mains().find(|index| self.containers[*index].name == name);
        found.unwrap_or(self.inits)
    }

    fn followed(&self, position: usize) -> Followed<'_> {
        let is_main = self.mains().contains(&position);
        Followed {
            api: self.api,
            guest: self.guest,
            running: self.running,
            id: &self.spec.id,
            pod: self.note.name(),
            name: self.containers[position].name.clone(),
            position,
            supervised: is_main,
            result: self.spec.capture_result && position == self.main_index(),
        }
    }

    /// Watches everything to its end.
    async fn run(&self, seen: watch::Receiver<Known>) -> finish::Outcome {
        let mut going: FuturesUnordered<_> = (0..self.containers.len())
            .map(|position| {
                let (followed, seen) = (self.followed(position), seen.clone());
                async move { (position, followed.follow(seen).await) }
            })
            .collect();
        let mut all: Vec<Option<Heard>> = self.containers.iter().map(|_| None).collect();
        let mut judging = std::pin::pin!(self.watch(seen.clone()));
        let mut watching = true;
        while self.mains().any(|main| all[main].is_none()) {
            tokio::select! {
                Some((position, heard)) = going.next() => {
                    all[position] = Some(heard.map_err(|e| Halt::Refused(e.to_string(), Reason::Output))?);
                }
                over = &mut judging, if watching => {
                    watching = false;
                    self.unless_given_up(over).await?;
                }
            }
        }
        tokio::select! {
            () = self.settle(&all, seen.clone()) => {}
            over = &mut judging, if watching => self.unless_given_up(over).await?,
        }
        let dismissed = self.dismiss(&seen).await;
        if dismissed {
            let rest = async {
                while let Some((position, heard)) = going.next().await {
                    all[position] = heard.ok();
                }
            };
            // Their last words are waited for; not longer than they may take.
            let _late = tokio::time::timeout(SIDECAR_GRACE * 2, rest).await;
        }
        let known = seen.borrow().clone();
        finish::judge(self, &known, all, dismissed)
    }

    /// Watches the pod until it is over. Errors end the attempt at once.
    async fn watch(&self, mut seen: watch::Receiver<Known>) -> Result<(), Halt> {
        let mut ready = self.spec.template.daemon != Some(true);
        let limit = self.shared.config.pending_timeout;
        let pending = async {
            match limit {
                Some(limit) => tokio::time::sleep(self.left_of(limit)).await,
                None => std::future::pending().await,
            }
        };
        let mut pending = std::pin::pin!(pending);
        let (mut late, mut stands) = (false, None);
        loop {
            let known = seen.borrow_and_update().clone();
            if let Known::Suspect(_) = known {
                self.ask().await;
                if matches!(*seen.borrow(), Known::Suspect(_)) {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                continue;
            }
            if matches!(known, Known::Gone(_)) {
                return Ok(());
            }
            if let (false, Some(ip)) = (ready, status::ready(known.pod())) {
                ready = true;
                self.running.tell(&self.spec.id, &Observation::Ready { at: Timestamp::now(), ip });
            }
            let view = status::see(known.pod());
            self.tell_how_far(&mut stands, &view, known.pod());
            match view {
                View::Waiting(wait) => {
                    let hopeless = wait.as_ref().is_some_and(|wait| wait.hopeless);
                    if (late || hopeless) && self.stopped.borrow().is_none() {
                        return Err(give_up(wait, limit.filter(|_| late)));
                    }
                }
                View::Running => {}
                View::Over(_) => return Ok(()),
                View::Lost(why) => return Err(Halt::Lost(why)),
            }
            tokio::select! {
                changed = seen.changed() => if changed.is_err() { return Ok(()) },
                () = &mut pending, if !late => late = true,
            }
        }
    }

    /// Tells what the pod waits for, when that changes, and that it runs, once.
    fn tell_how_far(&self, stands: &mut Option<Observation>, view: &View, pod: &Pod) {
        let now = match view {
            View::Waiting(_) | View::Running if !status::begun(pod) => {
                Observation::Waiting { message: status::pending(pod) }
            }
            // A container that ended at once may be all that is ever seen.
            View::Waiting(_) | View::Running | View::Over(_) => {
                let host = status::node(pod).unwrap_or("kubernetes").to_owned();
                Observation::Started { at: self.note.started_at, host, isolation: None }
            }
            View::Lost(_) => return,
        };
        let nothing = matches!(&now, Observation::Waiting { message } if message.is_empty());
        if stands.as_ref() != Some(&now) && !(nothing && stands.is_none()) {
            self.running.tell(&self.spec.id, &now);
            *stands = Some(now);
        }
    }

    /// What is left of the time for which a pod may be pending; it counts from its creation.
    fn left_of(&self, limit: Duration) -> Duration {
        let passed = Timestamp::now().duration_since(self.note.started_at);
        limit.saturating_sub(Duration::try_from(passed).unwrap_or_default())
    }

    /// Asks for a pod that a list did not have.
    async fn ask(&self) {
        let name = self.note.name();
        let last = self.note.uid.clone();
        match self.api.get(name).await {
            Ok(pod) if pod.metadata.uid == last => self.pods.tell(name, Known::There(Arc::new(pod))),
            Ok(_) | Err(Failure::Gone(_)) => {
                self.pods.gone(name);
            }
            Err(failure) => tracing::warn!(pod = name, %failure, "a pod could not be looked at"),
        }
    }

    /// A pod that does not get anywhere is taken away, before anybody hears of it.
    async fn unless_given_up(&self, over: Result<(), Halt>) -> Result<(), Halt> {
        if matches!(over, Err(Halt::Refused(..))) {
            self.delete(Duration::from_secs(1)).await;
        }
        over
    }

    /// Waits for the cluster's own view of a step that was killed, or of which nobody heard the end.
    async fn settle(&self, all: &[Option<Heard>], mut seen: watch::Receiver<Known>) {
        let told = |main: usize| all[main].as_ref()?.record.as_ref()?.code;
        if self.mains().all(|main| told(main).is_some_and(|code| code < 128)) {
            return;
        }
        // A log that ends early may be all that is seen of a deletion.
        if self.mains().any(|main| told(main).is_none()) && !matches!(*seen.borrow(), Known::Gone(_)) {
            self.ask().await;
        }
        let over = seen.wait_for(|known| {
            matches!(known, Known::Gone(_))
                || matches!(status::see(known.pod()), View::Over(_) | View::Lost(_))
        });
        // Side cars keep a pod running: then there is nothing to be seen.
        let _late = tokio::time::timeout(SETTLE, over).await;
    }

    /// Ends side cars that run: their pod is deleted. False when there are none.
    async fn dismiss(&self, seen: &watch::Receiver<Known>) -> bool {
        let runs = |known: &Known| {
            let rest = &self.containers[self.mains().end..];
            !matches!(known, Known::Gone(_))
                && rest.iter().any(|side| status::container(known.pod(), &side.name).1.is_none())
        };
        if self.mains().end == self.containers.len() || !runs(&seen.borrow()) {
            return false;
        }
        self.delete(SIDECAR_GRACE.min(self.shared.process.grace())).await;
        true
    }

    async fn delete(&self, grace: Duration) {
        let (name, uid) = (self.note.name(), self.note.uid.as_deref());
        let deleted = patiently("delete a pod", || self.api.delete(name, uid, Some(grace))).await;
        if let Err(failure) = deleted {
            tracing::error!(pod = name, %failure, "a pod could not be deleted");
        }
    }

    /// Ends the attempt when somebody cancels it. Never returns.
    async fn stop(&self) -> std::convert::Infallible {
        let mut before = None;
        loop {
            if let Some(grace) =
                self.guest.cancelled().filter(|grace| before.is_none_or(|before| *grace < before))
            {
                before = Some(grace);
                self.stopped.send_replace(Some(Reason::Cancelled));
                self.delete(grace).await;
            }
            self.running.cancelled().await;
        }
    }
}

/// Why nobody waits for a pod any more.
fn give_up(wait: Option<status::Wait>, late: Option<Duration>) -> Halt {
    let (message, reason) = match wait {
        Some(wait) => (wait.message, wait.reason),
        None => ("the containers of the pod were not started".to_owned(), Reason::NotStarted),
    };
    match late {
        Some(limit) => Halt::Refused(format!("{message} (given up after {} s)", limit.as_secs()), reason),
        None => Halt::Refused(message, reason),
    }
}

/// An empty end of a container.
pub(crate) fn nothing(name: &str, part: Part) -> Ended {
    Ended {
        name: name.to_owned(),
        part,
        exit_code: None,
        not_started: None,
        dismissed: false,
        out_of_memory: false,
    }
}
