//! Statuses as kubelets and controllers write them, and what they have to mean (F66).
//! No pod and no cluster: the mapping alone.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use serde_json::{Value, json};

use super::*;

fn pod(status: Value) -> Pod {
    serde_json::from_value(json!({"metadata": {"name": "p"}, "status": status})).unwrap()
}

fn waiting(reason: &str, message: &str) -> Pod {
    let state = json!({"waiting": {"reason": reason, "message": message}});
    let one = json!({"name": "main", "image": "x", "imageID": "", "ready": false, "restartCount": 0, "state": state});
    pod(json!({"phase": "Pending", "containerStatuses": [one]}))
}

fn wait_of(pod: &Pod) -> Wait {
    match see(pod) {
        View::Waiting(Some(wait)) => wait,
        other => panic!("{other:?}"),
    }
}

fn fault_of(status: Value) -> Fault {
    match see(&pod(status)) {
        View::Over(Some(fault)) => fault,
        other => panic!("{other:?}"),
    }
}

#[test]
fn images_that_cannot_be_had_say_so_f66() {
    let wait = wait_of(&waiting("ImagePullBackOff", "Back-off pulling image \"x\""));
    assert_eq!(wait.message, "ImagePullBackOff: Back-off pulling image \"x\"");
    assert_eq!((wait.reason, wait.hopeless), (Reason::Image, false));
    assert_eq!(wait_of(&waiting("ErrImagePull", "")).reason, Reason::Image);
    let never = wait_of(&waiting("ErrImageNeverPull", "not present with pull policy of Never"));
    assert_eq!((never.reason, never.hopeless), (Reason::Image, true));
    let config = wait_of(&waiting("CreateContainerConfigError", "secret \"s\" not found"));
    assert_eq!((config.reason, config.hopeless), (Reason::NotStarted, false), "the Secret may come");
}

#[test]
fn a_pod_that_is_being_made_waits_for_nothing_special() {
    assert_eq!(see(&waiting("ContainerCreating", "")), View::Waiting(None));
    assert_eq!(see(&waiting("PodInitializing", "")), View::Waiting(None));
    assert_eq!(see(&pod(json!({"phase": "Pending"}))), View::Waiting(None));
    assert_eq!(see(&Pod::default()), View::Waiting(None));
}

#[test]
fn a_pod_without_a_node_says_why_f66() {
    let scheduled = json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                           "message": "0/1 nodes are available: 1 Insufficient cpu."});
    let wait = wait_of(&pod(json!({"phase": "Pending", "conditions": [scheduled]})));
    assert_eq!(wait.message, "Unschedulable: 0/1 nodes are available: 1 Insufficient cpu.");
    assert_eq!((wait.reason, wait.hopeless), (Reason::Unschedulable, false));
}

#[test]
fn eviction_preemption_and_admission_differ_f66() {
    let evicted = fault_of(json!({"phase": "Failed", "reason": "Evicted",
                                  "message": "The node was low on resource: memory."}));
    assert_eq!(evicted.message, "Evicted: The node was low on resource: memory.");
    assert_eq!((evicted.phase, evicted.reason), (ExitPhase::Failed, Reason::Evicted));
    let preempted = fault_of(json!({"phase": "Failed", "conditions": [
        {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler", "message": "m"}]}));
    assert_eq!((preempted.message.as_str(), preempted.reason), ("PreemptionByScheduler", Reason::Evicted));
    let refused =
        fault_of(json!({"phase": "Failed", "reason": "OutOfcpu", "message": "Node didn't have enough"}));
    assert_eq!((refused.phase, refused.reason), (ExitPhase::Error, Reason::NotStarted));
    let late =
        fault_of(json!({"phase": "Failed", "reason": "DeadlineExceeded", "message": "Pod was active…"}));
    assert_eq!(late.reason, Reason::Deadline);
}

#[test]
fn a_lost_node_is_no_failure_of_the_step_f66() {
    let lost = |status: Value| match see(&pod(status)) {
        View::Lost(why) => why,
        other => panic!("{other:?}"),
    };
    assert_eq!(lost(json!({"phase": "Unknown"})), "NodeLost");
    assert_eq!(
        lost(
            json!({"phase": "Running", "reason": "NodeLost", "message": "Node n which was running pod p is unresponsive"})
        ),
        "NodeLost: Node n which was running pod p is unresponsive"
    );
    let condition = json!({"type": "DisruptionTarget", "status": "True", "reason": "DeletionByPodGC",
                           "message": "PodGC: node no longer exists"});
    let status = json!({"phase": "Failed", "conditions": [condition]});
    assert_eq!(lost(status.clone()), "DeletionByPodGC: PodGC: node no longer exists");
    // Its kubelet had seen the end before.
    let mut known = status;
    known["containerStatuses"] = json!([{"name": "main", "image": "x", "imageID": "", "ready": false,
        "restartCount": 0, "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}]);
    assert!(matches!(see(&pod(known)), View::Over(Some(_))));
}

#[test]
fn containers_end_in_their_own_words() {
    let state = |state: Value| {
        let one = json!({"name": "main", "image": "x", "imageID": "", "ready": false, "restartCount": 0, "state": state});
        container(&pod(json!({"phase": "Running", "containerStatuses": [one]})), "main")
    };
    assert_eq!(state(json!({"running": {}})), (true, None));
    assert_eq!(state(json!({"waiting": {}})), (false, None));
    let (_, killed) = state(json!({"terminated": {"exitCode": 137, "reason": "OOMKilled"}}));
    assert!(killed.unwrap().out_of_memory);
    let (_, refused) =
        state(json!({"terminated": {"exitCode": 128, "reason": "StartError", "message": "exec: no"}}));
    assert_eq!(refused.unwrap().not_started.as_deref(), Some("exec: no"));
    let unknown = json!({"terminated": {"exitCode": 137, "reason": "ContainerStatusUnknown"}});
    assert_eq!(state(unknown), (true, None), "nobody saw that exit code");
    assert_eq!(container(&Pod::default(), "main"), (false, None));
}

#[test]
fn ready_means_the_condition_and_an_address() {
    let with = |ready: &str, ip: &str| {
        ready_of(json!({"phase": "Running", "podIP": ip, "conditions": [{"type": "Ready", "status": ready}]}))
    };
    assert_eq!(with("True", "10.0.0.7").as_deref(), Some("10.0.0.7"));
    assert_eq!(with("False", "10.0.0.7"), None);
    assert_eq!(with("True", ""), None);
}

fn ready_of(status: Value) -> Option<String> {
    ready(&pod(status))
}

#[test]
fn a_pod_that_is_taken_away_says_by_whom_f66() {
    let with = |reason: &str, status: &str| {
        let condition =
            json!({"type": "DisruptionTarget", "status": status, "reason": reason, "message": "m"});
        disruption(&pod(json!({"phase": "Running", "conditions": [condition]})))
    };
    assert_eq!(with("EvictionByEvictionAPI", "True").unwrap().unwrap().reason, Reason::Evicted);
    assert_eq!(with("DeletionByTaintManager", "True").unwrap().unwrap_err(), "DeletionByTaintManager: m");
    assert_eq!(with("EvictionByEvictionAPI", "False"), None);
}
