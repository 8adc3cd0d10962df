//! `runner cron` from outside: manifests, times, runs by hand, and a process that fires.
//! Runs the built binary.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use common::Place;

const EVERY_SECOND: &str = "\
apiVersion: argoproj.io/v1alpha1
kind: CronWorkflow
metadata:
  name: tick
spec:
  schedules: ['@every 1s']
  successfulJobsHistoryLimit: 2
  workflowSpec:
    entrypoint: main
    templates:
      - name: main
        container: {image: busybox, command: [echo, '{{workflow.scheduledTime}}']}
";

fn applied() -> Place {
    let place = Place::new();
    place.run(&["cron", "create", "nightly.yaml"]).code(0).out_has("nightly");
    place
}

#[test]
fn stored_listed_suspended_resumed_deleted() {
    let place = applied();
    place.run(&["cron", "list"]).code(0).out_has("30 2 * * *").out_has("Europe/Berlin").out_has("active");
    assert_eq!(place.run(&["cron", "list", "-o", "name"]).code(0).out, "nightly\nweekly\n");
    place.run(&["cron", "suspend", "nightly"]).code(0).out_has("suspended");
    place.run(&["apply", "-f", "nightly.yaml"]).code(0);
    let shown = place.run(&["cron", "get", "nightly", "-o", "json"]).code(0).json();
    assert_eq!((&shown["spec"]["suspend"], &shown["status"]["phase"]), (&true.into(), &"Active".into()));
    assert!(shown["status"]["nextScheduledTime"].is_null());
    place.run(&["cron", "resume", "nightly"]).code(0);
    let shown = place.run(&["cron", "get", "nightly", "-o", "json"]).code(0).json();
    assert!(shown["status"]["nextScheduledTime"].is_string());
    let next = place.run(&["cron", "next", "nightly", "--count", "3", "-o", "json"]).code(0).json();
    assert_eq!(next.as_array().unwrap().len(), 3);
    place.run(&["cron", "delete", "nightly"]).code(0);
    place.run(&["cron", "get", "nightly"]).code(4).err_has("no CronWorkflow `nightly`");
    place.write("bad.yaml", &EVERY_SECOND.replace("@every 1s", "0 22-2 * * *"));
    place.run(&["cron", "lint", "bad.yaml"]).code(3);
    place.run(&["cron", "create", "bad.yaml"]).code(3);
}

#[test]
fn by_hand_each_time_runs_once() {
    let place = applied();
    let args = ["cron", "backfill", "nightly", "--start", "2026-03-28", "--end", "2026-03-30T12:00"];
    let plan = place.run(&[&args[..], &["--dry-run"]].concat()).code(0);
    // 02:30 does not exist in Berlin on 29 March: 03:00 instead
    plan.out_has("2026-03-28T01:30:00Z").out_has("2026-03-29T01:00:00Z").out_has("2026-03-30T00:30:00Z");
    let done = place.run(&[&args[..], &["--parallel", "2"]].concat()).code(0);
    assert_eq!(done.out.matches("Succeeded").count(), 3, "{}{}", done.out, done.err);
    let again = place.run(&args).code(0);
    assert_eq!(again.out.matches("before").count(), 3, "{}", again.out);
    let name = place.run(&["list", "-o", "name"]).code(0).out.lines().last().unwrap().to_owned();
    assert_eq!(name, "nightly-1774661400");
    place.run(&["logs", &name]).code(0).out_has("for 2026-03-28T01:30:00Z");
    place.run(&["cron", "trigger", "nightly", "--at", "2026-03-28T01:30:00Z"]).code(0).out_has("before");
    place.run(&["cron", "backfill", "nightly", "--start", "tomorrow", "--end", "2026-03-28"]).code(2);
}

/// Fires until something holds of the CronWorkflow `tick`; a busy machine gets more time.
fn fired_until(place: &Place, holds: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
    for _ in 0..20 {
        place.run(&["cron", "run", "--for", "4s"]).code(0);
        let shown = place.run(&["cron", "get", "tick", "-o", "json"]).code(0).json();
        if holds(&shown) {
            return shown;
        }
    }
    panic!("{:#}", place.run(&["cron", "get", "tick", "-o", "json"]).json());
}

#[test]
fn a_stopped_one_is_labelled_as_completed() {
    let place = Place::new();
    let stop = "  stopStrategy: {expression: cronworkflow.succeeded >= 1}\n  workflowSpec:";
    place.write("tick.yaml", &EVERY_SECOND.replace("  workflowSpec:", stop));
    place.run(&["apply", "-f", "tick.yaml"]).code(0);
    let shown = fired_until(&place, |shown| shown["status"]["phase"] == "Stopped");
    assert_eq!(shown["metadata"]["labels"]["cronworkflows.argoproj.io/completed"], "true", "{shown:#}");
}

#[test]
fn a_process_fires_what_is_due_and_keeps_the_latest() {
    let place = Place::new();
    place.write("tick.yaml", EVERY_SECOND);
    place.run(&["apply", "-f", "tick.yaml"]).code(0);
    let shown = fired_until(&place, |shown| shown["status"]["succeeded"].as_u64().unwrap() >= 3);
    assert_eq!(shown["status"]["failed"], 0);
    let kept = place.run(&["list", "--status", "Succeeded", "-o", "name"]).code(0).out;
    assert!((1..=3).contains(&kept.lines().count()), "{kept}");
}
