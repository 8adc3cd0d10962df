//! What people and policies do to CronWorkflows that are driven: concurrency, history, suspension, ticks by hand.
//! The decisions alone are tested beside the machine.

use runner_controller::LABEL_ARCHIVED;
use runner_events::cron::{CRON_LABEL, Error, How};
use runner_store::{Catalog, Maintenance, StreamId, WorkflowRow};
use serde_json::json;

use crate::lab::{Lab, at};

#[tokio::test(start_paused = true)]
async fn runs_have_the_names_and_marks_of_argo() {
    let lab = Lab::new();
    let metadata = json!({"labels": {"team": "a"}, "annotations": {"note": "b"}});
    lab.apply("c", 5, json!({"workflowMetadata": metadata})).await;
    let process = lab.process(false);
    lab.until("10:01:30").await;
    let rows = lab.rows().await;
    assert_eq!(rows[0].name, "c-1767261660");
    assert_eq!((rows[0].labels[CRON_LABEL].as_str(), rows[0].labels["team"].as_str()), ("c", "a"));
    assert_eq!(rows[0].phase, "Succeeded");
    let snapshot = process.controller.load_uid(&rows[0].uid).await.unwrap();
    let annotations = &snapshot.plan.workflow.metadata.annotations;
    assert_eq!(annotations["workflows.argoproj.io/scheduled-time"], "2026-01-01T10:01:00Z");
    assert_eq!(annotations["note"], "b");
}

#[tokio::test(start_paused = true)]
async fn forbid_skips_and_replace_terminates() {
    let lab = Lab::new();
    lab.apply("f", 90, json!({"concurrencyPolicy": "Forbid"})).await;
    let _process = lab.process(false);
    lab.until("10:03:30").await;
    assert_eq!(lab.ticks().await, ["10:01", "10:03"]);

    let lab = Lab::new();
    lab.apply("r", 3600, json!({"concurrencyPolicy": "Replace", "failedJobsHistoryLimit": 9})).await;
    let _process = lab.process(false);
    lab.until("10:03:30").await;
    let phases: Vec<String> = lab.rows().await.into_iter().map(|row| row.phase).collect();
    assert_eq!(phases, ["Failed", "Failed", "Running"]);
}

#[tokio::test(start_paused = true)]
async fn history_keeps_the_latest() {
    let lab = Lab::new();
    lab.apply("c", 5, json!({})).await;
    let _process = lab.process(false);
    lab.until("10:06:30").await;
    assert_eq!(lab.ticks().await, ["10:04", "10:05", "10:06"]);
    lab.apply("c", 5, json!({"successfulJobsHistoryLimit": 1})).await;
    lab.until("10:07:30").await;
    assert_eq!(lab.ticks().await, ["10:07"]);
}

#[tokio::test(start_paused = true)]
async fn the_archive_keeps_what_is_beyond_the_history_and_does_not_count() {
    let lab = Lab::with_archive();
    lab.apply("c", 5, json!({"successfulJobsHistoryLimit": 1})).await;
    let process = lab.process(false);
    lab.until("10:04:30").await;
    assert_eq!(lab.ticks().await, ["10:01", "10:02", "10:03", "10:04"]);
    let listed = |rows: Vec<WorkflowRow>| -> Vec<String> {
        let listed = rows.into_iter().filter(|row| !row.labels.contains_key(LABEL_ARCHIVED));
        listed.map(|row| row.name).collect()
    };
    assert_eq!(listed(lab.rows().await), ["c-1767261840"]);
    let (uid, old) = (&lab.rows().await[0].uid.clone(), "c-1767261660");
    assert_eq!(process.controller.load_uid(uid).await.unwrap().status.name, old);
    // by hand it is deleted from the archive too
    process.controller.delete("ns", old).await.unwrap();
    assert_eq!(lab.ticks().await, ["10:02", "10:03", "10:04"]);
}

#[tokio::test(start_paused = true)]
async fn suspended_from_another_process_and_resumed() {
    let lab = Lab::new();
    lab.apply("c", 5, json!({})).await;
    let _driver = lab.process(false);
    lab.until("10:01:30").await;
    let command = lab.process(true);
    command.crons.suspend("ns", "c", "me").await.unwrap();
    lab.until("10:03:30").await;
    assert_eq!(lab.ticks().await, ["10:01"]);
    assert!(command.crons.status("ns", "c").await.unwrap().suspended);
    command.crons.resume("ns", "c", "me").await.unwrap();
    lab.until("10:04:30").await;
    assert_eq!(lab.ticks().await, ["10:01", "10:04"]);
    assert!(matches!(command.crons.suspend("ns", "x", "me").await, Err(Error::NotFound(_))));
}

#[tokio::test(start_paused = true)]
async fn by_hand_a_time_runs_once() {
    let lab = Lab::new();
    lab.apply("c", 5, json!({"suspend": true})).await;
    let process = lab.process(false);
    let first = process.crons.fire("ns", "c", at("08:00:00"), How::Backfill).await.unwrap();
    let again = process.crons.fire("ns", "c", at("08:00:00"), How::Trigger).await.unwrap();
    assert_eq!((first.existing, again.existing), (false, true));
    assert_eq!((&first.uid, lab.rows().await.len()), (&again.uid, 1));
    // what cannot run is told, and is not tried for ever
    lab.apply("bad", 5, json!({"workflowSpec": {"entrypoint": "nowhere", "templates": []}})).await;
    let refused = process.crons.fire("ns", "bad", at("08:00:00"), How::Trigger).await;
    assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
    lab.until("10:02:30").await;
    assert_eq!(lab.rows().await.len(), 1, "{:?}", lab.ticks().await);
}

#[tokio::test(start_paused = true)]
async fn deleted_means_gone_and_the_same_name_begins_anew() {
    let lab = Lab::new();
    lab.apply("c", 5, json!({})).await;
    let process = lab.process(false);
    lab.until("10:01:30").await;
    lab.process(true).crons.delete("ns", "c").await.unwrap();
    assert!(lab.store.stream(&StreamId::cron("ns", "c").unwrap()).await.unwrap().is_none());
    assert!(lab.store.get_manifest("CronWorkflow", "ns", "c").await.unwrap().is_none());
    lab.until("10:03:30").await;
    assert_eq!(lab.ticks().await, ["10:01"]);
    lab.apply("c", 5, json!({})).await;
    lab.until("10:04:30").await;
    assert_eq!(lab.ticks().await, ["10:01", "10:04"]);
    assert_eq!(process.crons.status("ns", "c").await.unwrap().last_scheduled, Some(at("10:04:00")));
    assert!(matches!(process.crons.delete("ns", "x").await, Err(Error::NotFound(_))));
}
