//! A process dies before or after any commit: no tick is lost, none fires twice.
//! Policies are tested elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use runner_events::cron::{Fact, Input, Status, decide, fold};
use runner_store::Fault;
use serde_json::json;

use crate::lab::{Lab, at};

/// Runs three ticks; the process dies at commit `n` and another one takes over. Answers whether it came to that.
async fn dies_at(n: u64, fault: Fault) -> bool {
    let lab = Lab::new();
    lab.apply("c", 5, json!({"startingDeadlineSeconds": 600})).await;
    let dead = Arc::new(AtomicBool::new(false));
    let (seen, last) = (Arc::clone(&dead), lab.store.commits() + n);
    lab.store.set_faults(Some(Box::new(move |commit| {
        if seen.load(Ordering::Relaxed) {
            return Fault::FailBefore;
        }
        if commit == last {
            seen.store(true, Ordering::Relaxed);
            return fault;
        }
        Fault::None
    })));
    let mut process = Some(lab.process(true));
    while lab.clock_is_before("10:03:30") {
        tokio::time::sleep(Duration::from_millis(50)).await;
        if dead.load(Ordering::Relaxed)
            && let Some(old) = process.take()
        {
            old.kill().await;
            lab.store.set_faults(None);
            dead.store(false, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_secs(2)).await;
            let _new = std::mem::ManuallyDrop::new(lab.process(true));
            lab.until("10:03:30").await;
            assert_once(&lab, n).await;
            return true;
        }
    }
    assert_once(&lab, n).await;
    false
}

impl Lab {
    fn clock_is_before(&self, time: &str) -> bool {
        runner_controller::Clock::now(&self.clock) < at(time)
    }
}

async fn assert_once(lab: &Lab, n: u64) {
    assert_eq!(lab.ticks().await, ["10:01", "10:02", "10:03"], "commit {n}");
    let facts = lab.journal("c").await;
    let count = |kind: &str| facts.iter().filter(|fact| fact.kind() == kind).count();
    assert_eq!((count("tickFired"), count("childSubmitted"), count("ticksMissed")), (3, 3, 0), "commit {n}");
    let mut status = Status::default();
    facts.iter().for_each(|fact| fold(&mut status, fact).unwrap());
    assert!(status.pending.is_empty() && status.active.len() == 3, "commit {n}");
    assert_eq!(decide(&status, Input::Tick, at("10:03:59")).unwrap(), Vec::<Fact>::new());
}

#[tokio::test(start_paused = true)]
async fn a_tick_fires_once_whichever_commit_fails() {
    for fault in [Fault::FailBefore, Fault::FailAfter] {
        let mut n = 1;
        while dies_at(n, fault).await {
            n += 1;
        }
        assert!(n > 20, "only {n} commits were tried");
    }
}

#[tokio::test(start_paused = true)]
async fn two_processes_share_the_ticks() {
    let lab = Lab::new();
    lab.apply("c", 5, json!({})).await;
    let _two = [lab.process(true), lab.process(true), lab.process(false)];
    lab.until("10:03:30").await;
    assert_once_each(&lab).await;
}

async fn assert_once_each(lab: &Lab) {
    assert_eq!(lab.ticks().await, ["10:01", "10:02", "10:03"]);
    let facts = lab.journal("c").await;
    assert_eq!(facts.iter().filter(|fact| fact.kind() == "tickFired").count(), 3, "{facts:?}");
}
