//! From the status of a Pod to what it means for its attempt: a pure function, the same words as Argo's where it has
//! any (`inferFailedReason`, `getPendingReason`).
//! Asks nobody and waits for nothing.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodCondition};
use runner_runners::{ExitPhase, Reason};

/// What a pod is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum View {
    /// No container of it that matters runs yet.
    Waiting(Option<Wait>),
    /// It runs.
    Running,
    /// It has ended, or will not do anything any more.
    Over(Option<Fault>),
    /// Whether it still runs is not known and will not be.
    Lost(String),
}

/// What a pod waits for, when it says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// In Argo's form: `ImagePullBackOff: Back-off pulling image "x"`.
    pub message: String,
    /// What the attempt fails with, should nobody want to wait any longer.
    pub reason: Reason,
    /// Waiting cannot help.
    pub hopeless: bool,
}

/// Why a pod as a whole ended badly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The phase of the node.
    pub phase: ExitPhase,
    /// The text of the node.
    pub message: String,
    /// The reason.
    pub reason: Reason,
}

/// Reasons of waiting containers that concern the image.
const IMAGE: [&str; 5] = [
    "ErrImagePull",
    "ImagePullBackOff",
    "ImageInspectError",
    "RegistryUnavailable",
    "SignatureValidationFailed",
];
/// Those that only a changed pod would end.
const HOPELESS: [&str; 3] = ["InvalidImageName", "ErrImageNeverPull", "CreateContainerError"];
/// Reasons of the condition `DisruptionTarget`.
const DISRUPTED: &str = "DisruptionTarget";

/// Sees what a pod is doing.
pub fn see(pod: &Pod) -> View {
    let Some(status) = &pod.status else { return View::Waiting(None) };
    let reason = status.reason.as_deref().unwrap_or_default();
    let message = status.message.as_deref().unwrap_or_default();
    match status.phase.as_deref().unwrap_or_default() {
        "Succeeded" => View::Over(None),
        "Failed" => {
            let disrupted = condition(pod, DISRUPTED).filter(|condition| condition.status == "True");
            match disrupted.and_then(|condition| condition.reason.as_deref()) {
                // The node is gone, or its kubelet: nobody saw how the step ended.
                Some(why @ ("DeletionByTaintManager" | "DeletionByPodGC")) if !main_ended(pod) => {
                    let text =
                        disrupted.and_then(|condition| condition.message.as_deref()).unwrap_or_default();
                    View::Lost(joined(why, text))
                }
                why => View::Over(fault(why.unwrap_or_default(), reason, message)),
            }
        }
        "Unknown" => View::Lost(joined(if reason.is_empty() { "NodeLost" } else { reason }, message)),
        _pending_or_running if reason == "NodeLost" => View::Lost(joined(reason, message)),
        "Running" => View::Running,
        _pending
            if statuses(pod).any(|one| one.state.as_ref().is_some_and(|state| state.running.is_some())) =>
        {
            View::Running
        }
        _pending => View::Waiting(wait(pod)),
    }
}

/// Why somebody takes a pod away, when it was marked with that: as its fault, or as the text of its loss.
pub fn disruption(pod: &Pod) -> Option<Result<Fault, String>> {
    let condition = condition(pod, DISRUPTED).filter(|condition| condition.status == "True")?;
    let reason = condition.reason.as_deref().unwrap_or(DISRUPTED);
    let message = joined(reason, condition.message.as_deref().unwrap_or_default());
    Some(match reason {
        "DeletionByTaintManager" | "DeletionByPodGC" => Err(message),
        _other => Ok(Fault { phase: ExitPhase::Failed, message, reason: Reason::Evicted }),
    })
}

/// Why a pod that failed did so as a whole; nothing when it is its containers' affair.
fn fault(disruption: &str, reason: &str, message: &str) -> Option<Fault> {
    let failed = |reason: Reason, message: String| Some(Fault { phase: ExitPhase::Failed, message, reason });
    match reason {
        // The text is Argo's too: it shows the kubelet's.
        "DeadlineExceeded" => failed(
            Reason::Deadline,
            "Pod was active on the node longer than the specified deadline".to_owned(),
        ),
        "Evicted" | "Preempting" | "Terminated" | "NodeShutdown" | "Shutdown" => {
            failed(Reason::Evicted, joined(reason, message))
        }
        "" if disruption.is_empty() => None,
        "" => failed(Reason::Evicted, joined(disruption, message)),
        // A kubelet that does not admit a pod says why: `OutOfcpu`, `NodeAffinity`, `UnexpectedAdmissionError`, …
        other => {
            let message = joined(other, message);
            Some(Fault { phase: ExitPhase::Error, message, reason: Reason::NotStarted })
        }
    }
}

/// What a pod that does not run yet says about that, in the words of its node's message (Argo's `getPendingReason`,
/// which knows no init containers); empty when it says nothing.
pub fn pending(pod: &Pod) -> String {
    if let Some(wait) = wait(pod) {
        return wait.message;
    }
    let mut waiting = statuses(pod).filter_map(|one| one.state.as_ref()?.waiting.as_ref());
    let first = waiting.find(|waiting| waiting.reason.is_some());
    first.map_or_else(String::new, |waiting| {
        joined(waiting.reason.as_deref().unwrap_or_default(), waiting.message.as_deref().unwrap_or_default())
    })
}

/// What a pending pod waits for.
fn wait(pod: &Pod) -> Option<Wait> {
    let unscheduled = condition(pod, "PodScheduled").filter(|condition| condition.status == "False");
    if let Some(condition) = unscheduled {
        let reason = condition.reason.as_deref().unwrap_or("Unschedulable");
        let message = joined(reason, condition.message.as_deref().unwrap_or_default());
        return Some(Wait { message, reason: Reason::Unschedulable, hopeless: false });
    }
    let mut waiting = statuses(pod).filter_map(|one| one.state.as_ref()?.waiting.as_ref());
    let waiting = waiting.find(|waiting| {
        let reason = waiting.reason.as_deref().unwrap_or_default();
        !matches!(reason, "" | "ContainerCreating" | "PodInitializing")
    })?;
    let reason = waiting.reason.as_deref().unwrap_or_default();
    let image = IMAGE.contains(&reason) || matches!(reason, "InvalidImageName" | "ErrImageNeverPull");
    Some(Wait {
        message: joined(reason, waiting.message.as_deref().unwrap_or_default()),
        reason: if image { Reason::Image } else { Reason::NotStarted },
        hopeless: HOPELESS.contains(&reason),
    })
}

fn joined(reason: &str, message: &str) -> String {
    match (reason, message) {
        (reason, "") => reason.to_owned(),
        ("", message) => message.to_owned(),
        (reason, message) => format!("{reason}: {message}"),
    }
}

fn condition<'p>(pod: &'p Pod, kind: &str) -> Option<&'p PodCondition> {
    pod.status.as_ref()?.conditions.iter().flatten().find(|condition| condition.type_ == kind)
}

/// Statuses of all containers, init containers first.
fn statuses(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    let status = pod.status.as_ref();
    let init = status.and_then(|status| status.init_container_statuses.as_deref()).unwrap_or_default();
    init.iter().chain(status.and_then(|status| status.container_statuses.as_deref()).unwrap_or_default())
}

/// Whether a container that is no init container runs, or has run: before that the image of main may still be missing.
pub fn begun(pod: &Pod) -> bool {
    let Some(status) = &pod.status else { return false };
    let started = |one: &ContainerStatus| {
        one.state.as_ref().is_some_and(|state| state.running.is_some() || state.terminated.is_some())
    };
    status.phase.as_deref() != Some("Pending") || status.container_statuses.iter().flatten().any(started)
}

/// Whether every container that is no init container is known to have ended.
fn main_ended(pod: &Pod) -> bool {
    let ended =
        pod.status.as_ref().and_then(|status| status.container_statuses.as_deref()).unwrap_or_default();
    let known = |one: &ContainerStatus| {
        let terminated = one.state.as_ref().and_then(|state| state.terminated.as_ref());
        terminated.is_some_and(|ended| ended.reason.as_deref() != Some("ContainerStatusUnknown"))
    };
    !ended.is_empty() && ended.iter().all(known)
}

/// When and where a pod runs, for the observation of its start.
pub fn node(pod: &Pod) -> Option<&str> {
    pod.spec.as_ref()?.node_name.as_deref()
}

/// Whether a pod is ready to serve, and its address.
pub fn ready(pod: &Pod) -> Option<String> {
    let ready = condition(pod, "Ready").is_some_and(|condition| condition.status == "True");
    let ip = pod.status.as_ref()?.pod_ip.clone().filter(|ip| !ip.is_empty());
    ip.filter(|_| ready)
}

/// How a container ended, as the kubelet saw it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code.
    pub exit_code: i32,
    /// The kernel ended it for its memory.
    pub out_of_memory: bool,
    /// It could not be started, and why.
    pub not_started: Option<String>,
    /// When.
    pub finished_at: Option<Timestamp>,
}

/// A container by its name, if it has started at all, and how it ended, if it has.
pub fn container(pod: &Pod, name: &str) -> (bool, Option<Ended>) {
    let Some(state) = statuses(pod).find(|one| one.name == name).and_then(|one| one.state.as_ref()) else {
        return (false, None);
    };
    let Some(ended) = &state.terminated else { return (state.running.is_some(), None) };
    let reason = ended.reason.as_deref().unwrap_or_default();
    if reason == "ContainerStatusUnknown" {
        return (true, None);
    }
    let refused = matches!(reason, "StartError" | "ContainerCannotRun" | "RunContainerError");
    let message = ended.message.as_deref().unwrap_or(reason);
    let ended = Ended {
        exit_code: ended.exit_code,
        out_of_memory: reason == "OOMKilled",
        not_started: refused.then(|| message.to_owned()),
        finished_at: ended.finished_at.as_ref().map(|time| time.0),
    };
    (true, Some(ended))
}

#[cfg(test)]
mod tests;
