//! The machine of a CronWorkflow: policies, conditions, missed ticks, clocks that jump.
//! No store, no controller.
#![expect(clippy::unwrap_used, reason = "tests")]

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use runner_workflows::spec::CronWorkflowSpec;
use serde_json::json;

use super::*;

/// A CronWorkflow with everything that happened to it.
struct Cron {
    status: Status,
    facts: Vec<Fact>,
    generation: u64,
}

fn at(text: &str) -> Timestamp {
    format!("2026-01-01T{text}Z").parse().unwrap()
}

impl Cron {
    fn new(spec: serde_json::Value, now: &str) -> Self {
        let mut cron = Self { status: Status::default(), facts: Vec::new(), generation: 0 };
        cron.apply(spec, at(now));
        cron
    }

    fn apply(&mut self, spec: serde_json::Value, now: Timestamp) {
        let spec: CronWorkflowSpec = serde_json::from_value(spec).unwrap();
        self.generation += 1;
        let input = Input::Apply {
            namespace: "ns".to_owned(),
            name: "c".to_owned(),
            generation: self.generation,
            labels: [("team".to_owned(), "a".to_owned())].into(),
            annotations: std::collections::BTreeMap::new(),
            spec: Box::new(spec),
        };
        self.tell(input, now);
    }

    fn tell(&mut self, input: Input, now: Timestamp) -> Vec<Fact> {
        let facts = decide(&self.status, input, now).unwrap();
        for fact in &facts {
            // as the journal keeps it
            let text = serde_json::to_string(fact).unwrap();
            let read: Fact = serde_json::from_str(&text).unwrap();
            assert_eq!(read, *fact);
            assert!(text.starts_with(&format!("{{\"{}\":", fact.kind())), "{text}");
            fold(&mut self.status, &read).unwrap();
        }
        self.facts.extend(facts.clone());
        facts
    }

    /// What a look at the clock leads to, in words.
    fn tick(&mut self, now: Timestamp) -> Vec<String> {
        let facts = self.tell(Input::Tick, now);
        let time = |at: &Timestamp| at.strftime("%H:%M:%S").to_string();
        facts
            .iter()
            .map(|fact| match fact {
                Fact::TickFired { slot, replaces, .. } if replaces.is_empty() => {
                    format!("fired {}", time(slot))
                }
                Fact::TickFired { slot, replaces, .. } => {
                    format!("fired {} for {}", time(slot), replaces.len())
                }
                Fact::TickSkipped { slot, reason, .. } => format!("skipped {} {reason:?}", time(slot)),
                Fact::TicksMissed { first, last, count } => {
                    format!("missed {count} {}-{}", time(first), time(last))
                }
                other => other.kind().to_owned(),
            })
            .collect()
    }

    /// The workflows that are owed get made.
    fn submit(&mut self, now: Timestamp) {
        for action in outstanding(&self.status) {
            if let Action::Submit { slot, name } = action {
                self.tell(Input::Submitted { slot, uid: format!("uid-{name}") }, now);
            }
        }
    }

    fn end(&mut self, slot: &str, phase: &str) -> Vec<Fact> {
        let name = child_name("c", at(slot));
        self.tell(Input::Ended { name, phase: phase.to_owned() }, at("12:00:00"))
    }
}

fn every_minute(more: serde_json::Value) -> serde_json::Value {
    let mut spec = json!({"schedules": ["* * * * *"], "workflowSpec": {"entrypoint": "main"}});
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    spec
}

#[test]
fn a_tick_fires_once() {
    let mut cron = Cron::new(every_minute(json!({})), "10:00:30");
    assert_eq!(next_tick(&cron.status), Some(at("10:01:00")));
    assert_eq!(cron.tick(at("10:00:59")), [""; 0]);
    assert_eq!(cron.tick(at("10:01:00")), ["fired 10:01:00"]);
    assert_eq!(cron.tick(at("10:01:00")), [""; 0]);
    assert_eq!(cron.tick(at("10:01:59")), [""; 0]);
    let name = child_name("c", at("10:01:00"));
    assert_eq!(name, "c-1767261660");
    assert_eq!(outstanding(&cron.status), [Action::Submit { slot: at("10:01:00"), name }]);
    cron.submit(at("10:01:01"));
    assert!(outstanding(&cron.status).is_empty());
    assert_eq!(cron.status.last_scheduled, Some(at("10:01:00")));
    // neither by hand: it did fire
    assert!(cron.tell(Input::Fire { slot: at("10:01:00"), how: How::Trigger }, at("10:01:02")).is_empty());
    // a journal that says so twice is damaged
    let twice = Fact::TickFired { slot: at("10:01:00"), how: How::Schedule, replaces: Vec::new() };
    assert!(fold(&mut cron.status, &twice).is_err());
}

#[test]
fn several_schedules_are_one_list_of_ticks() {
    let spec = json!({"schedules": ["0 10 * * *", "*/30 * * * *"], "workflowSpec": {}});
    let mut cron = Cron::new(spec, "09:20:00");
    assert_eq!(cron.tick(at("09:30:01")), ["fired 09:30:00"]);
    assert_eq!(cron.tick(at("10:00:00")), ["fired 10:00:00"]);
    let legacy = Cron::new(json!({"schedule": "@hourly", "workflowSpec": {}}), "09:20:00");
    assert_eq!(next_tick(&legacy.status), Some(at("10:00:00")));
    let broken = Cron::new(json!({"schedules": ["* * * * 8"], "workflowSpec": {}}), "09:20:00");
    assert!(next_tick(&broken.status).is_none() && broken.status.problem.unwrap().contains("day of week"));
}

#[test]
fn forbid_waits_and_replace_ends_what_goes_on() {
    let mut forbid = Cron::new(every_minute(json!({"concurrencyPolicy": "Forbid"})), "10:00:30");
    assert_eq!(forbid.tick(at("10:01:00")), ["fired 10:01:00"]);
    // owed already counts
    assert_eq!(forbid.tick(at("10:02:00")), ["skipped 10:02:00 Forbid"]);
    forbid.submit(at("10:02:01"));
    assert_eq!(forbid.tick(at("10:03:00")), ["skipped 10:03:00 Forbid"]);
    forbid.end("10:01:00", "Succeeded");
    assert_eq!(forbid.tick(at("10:04:00")), ["fired 10:04:00"]);

    let mut replace = Cron::new(every_minute(json!({"concurrencyPolicy": "Replace"})), "10:00:30");
    assert_eq!(replace.tick(at("10:01:00")), ["fired 10:01:00"]);
    replace.submit(at("10:01:01"));
    assert_eq!(replace.tick(at("10:02:00")), ["fired 10:02:00 for 1"]);
    let owed = outstanding(&replace.status);
    assert_eq!(owed[0], Action::Terminate { name: child_name("c", at("10:01:00")) });
    assert!(matches!(owed[1], Action::Submit { .. }) && owed.len() == 2);

    let mut allow = Cron::new(every_minute(json!({})), "10:00:30");
    allow.tick(at("10:01:00"));
    assert_eq!(allow.tick(at("10:02:00")), ["fired 10:02:00"]);
}

#[test]
fn suspended_ticks_do_not_fire_and_applying_again_does_not_resume() {
    let mut cron = Cron::new(every_minute(json!({})), "10:00:30");
    cron.tell(Input::Suspend { by: "me".to_owned() }, at("10:00:40"));
    assert_eq!(next_tick(&cron.status), None);
    assert_eq!(cron.tick(at("10:05:00")), [""; 0]);
    cron.apply(every_minute(json!({"when": "true"})), at("10:05:10"));
    assert!(cron.status.suspended);
    cron.tell(Input::Resume { by: "me".to_owned() }, at("10:05:02"));
    // nothing of the time in between, not even what would be on time
    assert_eq!(cron.tick(at("10:05:03")), [""; 0]);
    assert_eq!(cron.tick(at("10:06:00")), ["fired 10:06:00"]);
    // the manifest says so
    cron.apply(every_minute(json!({"suspend": true})), at("10:06:10"));
    assert!(cron.status.suspended);
    cron.apply(every_minute(json!({})), at("10:06:20"));
    assert!(!cron.status.suspended);
    // with a deadline the last tick of the time in between starts late
    let mut late =
        Cron::new(every_minute(json!({"startingDeadlineSeconds": 120, "suspend": true})), "10:00:30");
    late.tell(Input::Resume { by: "me".to_owned() }, at("10:05:30"));
    assert_eq!(late.tick(at("10:05:30")), ["missed 4 10:01:00-10:04:00", "fired 10:05:00"]);
}

#[test]
fn f29_of_missed_ticks_only_the_last_within_the_deadline_fires() {
    let mut none = Cron::new(every_minute(json!({})), "10:00:30");
    assert_eq!(none.tick(at("11:05:30")), ["missed 65 10:01:00-11:05:00"]);
    assert_eq!(none.tick(at("11:05:31")), [""; 0]);
    assert_eq!(none.status.missed, 65);
    let mut some = Cron::new(every_minute(json!({"startingDeadlineSeconds": 60})), "10:00:30");
    assert_eq!(some.tick(at("11:05:30")), ["missed 64 10:01:00-11:04:00", "fired 11:05:00"]);
    assert_eq!(some.tick(at("11:05:31")), [""; 0]);
    let hourly =
        |deadline| json!({"schedules": ["@hourly"], "startingDeadlineSeconds": deadline, "workflowSpec": {}});
    let mut short = Cron::new(hourly(600), "10:30:00");
    assert_eq!(short.tick(at("12:30:00")), ["missed 2 11:00:00-12:00:00"]);
    let mut long = Cron::new(hourly(1800), "10:30:00");
    assert_eq!(long.tick(at("12:30:00")), ["missed 1 11:00:00-11:00:00", "fired 12:00:00"]);
    // a little late is on time, without any deadline
    let mut late = Cron::new(hourly(0), "10:30:00");
    assert_eq!(late.tick(at("11:00:10")), ["fired 11:00:00"]);
    assert_eq!(late.tick(at("12:00:11")), ["missed 1 12:00:00-12:00:00"]);
    // every one of a fast schedule
    let mut fast = Cron::new(json!({"schedules": ["@every 1s"], "workflowSpec": {}}), "10:00:00");
    assert_eq!(fast.tick(at("10:00:03")).len(), 3);
}

#[test]
fn f25_a_clock_that_is_set_back_fires_nothing_twice() {
    let mut cron = Cron::new(every_minute(json!({"startingDeadlineSeconds": 7200})), "10:00:30");
    cron.tick(at("10:01:00"));
    cron.tick(at("10:02:00"));
    // an hour back: it waits until the time is new again
    assert_eq!(cron.tick(at("09:02:00")), [""; 0]);
    assert_eq!(cron.tick(at("10:02:00")), [""; 0]);
    assert_eq!(cron.tick(at("10:03:00")), ["fired 10:03:00"]);
}

#[test]
fn f26_a_clock_that_is_set_forward_fires_once_and_comes_back() {
    let mut cron = Cron::new(every_minute(json!({"startingDeadlineSeconds": 60})), "10:00:30");
    cron.tick(at("10:01:00"));
    let decade: Timestamp = "2036-01-01T00:00:30Z".parse().unwrap();
    let facts = cron.tick(decade);
    assert_eq!(facts, [format!("missed {MISSED_LIMIT} 10:02:00-23:59:00"), "fired 00:00:00".to_owned()]);
    // back again: ticks are counted from now, and those that fired are remembered
    let facts = cron.tick(at("10:00:45"));
    assert_eq!(facts, ["clockWentBack"]);
    assert_eq!(cron.tick(at("10:01:00")), ["skipped 10:01:00 AlreadyFired"]);
    assert_eq!(cron.tick(at("10:02:00")), ["fired 10:02:00"]);
}

#[test]
fn when_and_stop_strategy_see_the_cron_workflow() {
    let when = "{{= cronworkflow.lastScheduledTime == nil || (now() - cronworkflow.lastScheduledTime).Seconds() > 90 }}";
    let mut cron = Cron::new(every_minute(json!({"when": when})), "10:00:30");
    assert_eq!(cron.tick(at("10:01:00")), ["fired 10:01:00"]);
    assert_eq!(cron.tick(at("10:02:00")), ["skipped 10:02:00 When"]);
    assert_eq!(cron.tick(at("10:03:00")), ["fired 10:03:00"]);
    let mut label = Cron::new(every_minute(json!({"when": "{{cronworkflow.labels.team}} == b"})), "10:00:30");
    assert_eq!(label.tick(at("10:01:00")), ["skipped 10:01:00 When"]);
    let mut broken = Cron::new(every_minute(json!({"when": "{{cronworkflow.nothing}} == b"})), "10:00:30");
    assert_eq!(broken.tick(at("10:01:00")), ["skipped 10:01:00 Condition"]);
    assert!(broken.status.problem.unwrap().contains("cronworkflow.nothing"));

    let stop = json!({"stopStrategy": {"expression": "cronworkflow.failed >= 2"}});
    let mut cron = Cron::new(every_minute(stop), "10:00:30");
    for minute in ["10:01:00", "10:02:00", "10:03:00"] {
        assert_eq!(cron.tick(at(minute)).len(), 1);
        cron.submit(at(minute));
    }
    assert_eq!(cron.end("10:01:00", "Failed").len(), 1);
    assert_eq!(cron.end("10:02:00", "Succeeded").len(), 1);
    let facts = cron.end("10:03:00", "Error");
    assert!(matches!(facts.last(), Some(Fact::Stopped { .. })), "{facts:?}");
    assert_eq!((cron.status.succeeded, cron.status.failed), (1, 2));
    assert_eq!(next_tick(&cron.status), None);
    assert_eq!(cron.tick(at("10:04:00")), [""; 0]);
}

#[test]
fn a_new_schedule_begins_now_and_another_change_leaves_ticks_due() {
    let mut cron = Cron::new(json!({"schedules": ["@hourly"], "workflowSpec": {}}), "10:30:00");
    cron.apply(every_minute(json!({})), at("11:00:01"));
    assert_eq!(next_tick(&cron.status), Some(at("11:01:00")));
    cron.apply(every_minute(json!({"concurrencyPolicy": "Forbid"})), at("11:01:02"));
    assert_eq!(cron.tick(at("11:01:03")), ["fired 11:01:00"]);
}

#[test]
fn by_hand_a_tick_fires_whatever_the_policies_say() {
    let mut cron =
        Cron::new(every_minute(json!({"concurrencyPolicy": "Forbid", "suspend": true})), "10:00:30");
    assert_eq!(cron.tell(Input::Fire { slot: at("08:00:00"), how: How::Backfill }, at("10:00:31")).len(), 1);
    assert_eq!(cron.tell(Input::Fire { slot: at("10:00:31"), how: How::Trigger }, at("10:00:31")).len(), 1);
    assert_eq!(cron.status.last_scheduled, None);
    assert_eq!(outstanding(&cron.status).len(), 2);
    cron.tell(Input::Refused { slot: at("08:00:00"), message: "no template".to_owned() }, at("10:00:32"));
    assert_eq!(outstanding(&cron.status).len(), 1);
    assert!(cron.status.problem.unwrap().contains("no template"));
}

proptest! {
    /// However the clock goes and whenever one looks: no tick fires twice, and replaying gives the same.
    #[test]
    fn no_tick_fires_twice_whatever_the_clock_does(
        jumps in proptest::collection::vec(-4000_i64..4000, 1..60), deadline in 0_i64..600,
    ) {
        let mut cron = Cron::new(every_minute(json!({"startingDeadlineSeconds": deadline})), "10:00:30");
        let mut now = at("10:00:30");
        for jump in jumps {
            now = now.checked_add(SignedDuration::from_secs(jump)).unwrap();
            cron.tell(Input::Tick, now);
            cron.submit(now);
        }
        let mut fired: Vec<Timestamp> = cron.facts.iter().filter_map(|fact| match fact {
            Fact::TickFired { slot, .. } => Some(*slot),
            _ => None,
        }).collect();
        let count = fired.len();
        fired.sort();
        fired.dedup();
        prop_assert_eq!(fired.len(), count);
        let mut replayed = Status::default();
        for fact in &cron.facts {
            fold(&mut replayed, fact).unwrap();
        }
        prop_assert_eq!(replayed.cursor, cron.status.cursor);
        prop_assert_eq!(replayed.active, cron.status.active);
    }
}
