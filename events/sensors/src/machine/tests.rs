//! What sensors do with events, crashes, failures and time.
//! Filters have tests of their own.
#![expect(clippy::unwrap_used, reason = "tests")]

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    Action, Compat, Fact, Gate, Input, Mode, Stage, Status, accepts, advance, child_name, decide, fold,
    next_wakeup, outstanding, restore, snapshot,
};
use crate::event::{Event, context};

fn at(text: &str) -> Timestamp {
    format!("2026-01-01T{text}Z").parse().unwrap()
}

fn trigger(name: &str, more: Value) -> Value {
    let mut trigger = json!({"template": {"name": name, "log": {}}});
    trigger.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    trigger
}

struct Sensor {
    status: Status,
    facts: Vec<Fact>,
    seq: u64,
    compat: Compat,
}

impl Sensor {
    fn new(triggers: Value) -> Self {
        let mut sensor =
            Self { status: Status::default(), facts: Vec::new(), seq: 0, compat: Compat::default() };
        sensor.apply("1", triggers);
        sensor
    }

    fn apply(&mut self, generation: &str, triggers: Value) {
        let dependencies: Vec<Value> = ["a", "b", "c"]
            .iter()
            .map(|n| json!({"name": n, "eventSourceName": "s", "eventName": n}))
            .collect();
        let spec =
            serde_json::from_value(json!({"dependencies": dependencies, "triggers": triggers})).unwrap();
        let input = Input::Apply {
            namespace: "ns".to_owned(),
            name: "sensor".to_owned(),
            generation: generation.to_owned(),
            spec,
            compat: self.compat,
        };
        self.tell(input, "10:00:00");
    }

    fn tell(&mut self, input: Input, now: &str) -> Vec<Fact> {
        let facts = decide(&self.status, input, at(now)).unwrap();
        for fact in &facts {
            // what the journal holds is what is read back
            let text = serde_json::to_string(fact).unwrap();
            assert_eq!(&serde_json::from_str::<Fact>(&text).unwrap(), fact);
            fold(&mut self.status, fact).unwrap();
        }
        // a snapshot says all that the facts said
        let text = snapshot(&self.status).to_string();
        let restored = restore(serde_json::from_str(&text).unwrap()).unwrap();
        assert_eq!(format!("{restored:?}"), format!("{:?}", self.status));
        self.facts.extend(facts.clone());
        facts
    }

    fn event(&mut self, name: &str, id: &str, now: &str) -> Vec<String> {
        self.event_at(name, id, now, Gate::Open)
    }

    fn event_at(&mut self, name: &str, id: &str, now: &str, gate: Gate) -> Vec<String> {
        self.seq += 1;
        let event = event(name, id, now);
        fired(&self.tell(Input::Arrived { seq: self.seq, event, gate }, now))
    }

    fn keys(&self) -> Vec<String> {
        self.status.firings.keys().cloned().collect()
    }

    fn fail(&mut self, key: &str, now: &str) -> Vec<Fact> {
        self.tell(Input::Begin { key: key.to_owned() }, now);
        self.tell(Input::Failed { key: key.to_owned(), message: "no".to_owned(), retriable: true }, now)
    }

    fn replayed(&self) -> Status {
        let mut status = Status::default();
        self.facts.iter().for_each(|fact| fold(&mut status, fact).unwrap());
        status
    }
}

fn event(name: &str, id: &str, now: &str) -> Event {
    Event::json(context(id, "webhook", "s", name, at(now)), &json!({"id": id}))
}

/// `trigger: a#1 b#2` for each firing.
fn fired(facts: &[Fact]) -> Vec<String> {
    let text = |fact: &Fact| match fact {
        Fact::TriggerFired { trigger, events, .. } => {
            let events: Vec<&str> = events.values().map(String::as_str).collect();
            Some(format!("{trigger}: {}", events.join(" ")))
        }
        _ => None,
    };
    facts.iter().filter_map(text).collect()
}

#[test]
fn an_event_fires_once_however_often_it_is_delivered() {
    let mut sensor =
        Sensor::new(json!([trigger("t", json!({"template": {"name": "t", "conditions": "a", "log": {}}}))]));
    assert_eq!(sensor.event("a", "a1", "10:00:01"), ["t: a1"]);
    let again = Input::Arrived { seq: sensor.seq, event: event("a", "a1", "10:00:01"), gate: Gate::Open };
    assert!(sensor.tell(again, "10:00:02").is_empty());
    let key = sensor.keys()[0].clone();
    assert!(key.starts_with("ns/sensor/t/"), "{key}");
    let now = at("10:00:03");
    assert_eq!(outstanding(&sensor.status, now), [Action::Perform { key: key.clone(), again: false }]);
    sensor.tell(Input::Begin { key: key.clone() }, "10:00:03");
    sensor.tell(Input::Succeeded { key: key.clone(), result: "wf".to_owned() }, "10:00:03");
    assert!(sensor.tell(Input::Succeeded { key, result: "wf".to_owned() }, "10:00:04").is_empty());
    assert!(outstanding(&sensor.status, now).is_empty());
    assert_eq!(sensor.status.counts.succeeded, 1);
}

#[test]
fn f38_conditions_keep_the_latest_event_of_each_dependency_over_a_crash() {
    let conditions = json!({"template": {"name": "t", "conditions": "a && b", "log": {}}});
    let mut sensor = Sensor::new(json!([conditions]));
    assert!(sensor.event("a", "a1", "10:00:01").is_empty());
    assert!(sensor.event("a", "a2", "10:00:02").is_empty());
    sensor.status = sensor.replayed();
    assert_eq!(sensor.event("b", "b1", "10:00:03"), ["t: a2 b1"]);
    assert!(sensor.event("b", "b2", "10:00:04").is_empty(), "what fired is forgotten");
    assert!(sensor.event("c", "c1", "10:00:05").is_empty(), "not named");
}

#[test]
fn without_conditions_every_dependency_is_needed_and_or_fires_each() {
    let mut sensor = Sensor::new(json!([
        trigger("all", json!({})),
        {"template": {"name": "any", "conditions": "a || b", "log": {}}},
        {"template": {"name": "mixed", "conditions": "(a || b) && c", "log": {}}},
    ]));
    assert_eq!(sensor.event("a", "a1", "10:00:01"), ["any: a1"]);
    assert_eq!(sensor.event("b", "b1", "10:00:02"), ["any: b1"]);
    assert_eq!(sensor.event("c", "c1", "10:00:03"), ["all: a1 b1 c1", "mixed: a1 b1 c1"]);
}

#[test]
fn conditions_are_reset_by_time_even_if_the_tick_was_missed() {
    let reset = json!({"template": {"name": "t", "conditions": "a && b", "log": {},
        "conditionsReset": [{"byTime": {"cron": "0 12 * * *", "timezone": "Europe/Berlin"}}]}});
    let mut sensor = Sensor::new(json!([reset]));
    sensor.event("a", "a1", "10:59:00");
    assert_eq!(next_wakeup(&sensor.status, at("10:59:00")), Some(at("11:00:00")));
    assert!(sensor.tell(Input::Tick, "10:59:59").is_empty());
    // nobody looked at eleven; the next event is judged after the reset
    assert!(sensor.event("b", "b1", "15:00:00").is_empty());
    assert!(sensor.facts.iter().any(|fact| matches!(fact, Fact::ConditionsReset { .. })));
    assert_eq!(sensor.event("a", "a2", "15:00:01"), ["t: a2 b1"]);
}

#[test]
fn retries_wait_longer_each_time_and_end_in_the_dead_letter_trigger() {
    let strategy = json!({"steps": 3, "duration": "2s", "factor": 3});
    let dead = json!({"template": {"name": "dead", "log": {}}, "atLeastOnce": true});
    let mut sensor = Sensor::new(json!([
        {"template": {"name": "t", "conditions": "a", "log": {}}, "retryStrategy": strategy, "dlqTrigger": dead, "atLeastOnce": true},
    ]));
    sensor.event("a", "a1", "10:00:00");
    let key = sensor.keys()[0].clone();
    sensor.fail(&key, "10:00:00");
    assert!(outstanding(&sensor.status, at("10:00:01")).is_empty());
    assert_eq!(next_wakeup(&sensor.status, at("10:00:01")), Some(at("10:00:02")));
    sensor.fail(&key, "10:00:02");
    assert_eq!(next_wakeup(&sensor.status, at("10:00:02")), Some(at("10:00:08")));
    let facts = sensor.fail(&key, "10:00:08");
    assert!(matches!(facts.as_slice(), [Fact::DeadLettered { .. }]), "{facts:?}");
    let key = sensor.keys()[0].clone();
    let firing = &sensor.status.firings[&key];
    assert_eq!(firing.definition().unwrap().template.as_ref().unwrap().name, "dead");
    assert_eq!(
        (firing.message.as_str(), firing.stage),
        ("no", Stage::Waiting { not_before: at("10:00:08") })
    );
    let facts = sensor.fail(&key, "10:00:09");
    assert!(matches!(facts.as_slice(), [Fact::FiringFailed { .. }]), "one level of dead letters: {facts:?}");
}

#[test]
fn retries_work_without_at_least_once_unless_the_switch_says_as_upstream() {
    let triggers =
        || json!([{"template": {"name": "t", "conditions": "a", "log": {}}, "retryStrategy": {"steps": 2}}]);
    let mut sensor = Sensor::new(triggers());
    sensor.event("a", "a1", "10:00:00");
    let key = sensor.keys()[0].clone();
    assert!(matches!(sensor.fail(&key, "10:00:01").as_slice(), [Fact::AttemptFailed { .. }]));
    let mut upstream = Sensor::new(triggers());
    upstream.compat = Compat { fire_and_forget: true };
    upstream.apply("2", triggers());
    upstream.event("a", "a1", "10:00:00");
    let key = upstream.keys()[0].clone();
    assert!(matches!(upstream.fail(&key, "10:00:01").as_slice(), [Fact::FiringFailed { .. }]));
}

#[test]
fn what_cannot_be_retried_fails_at_once() {
    let mut sensor = Sensor::new(
        json!([{"template": {"name": "t", "conditions": "a", "log": {}}, "retryStrategy": {"steps": 9}}]),
    );
    sensor.event("a", "a1", "10:00:00");
    let key = sensor.keys()[0].clone();
    let facts = sensor.tell(Input::Failed { key, message: "400".to_owned(), retriable: false }, "10:00:01");
    assert!(matches!(facts.as_slice(), [Fact::FiringFailed { .. }]));
}

#[test]
fn rate_limits_space_firings_and_drop_none() {
    let limit = json!({"requestsPerUnit": 2, "unit": "Minute"});
    let mut sensor =
        Sensor::new(json!([{"template": {"name": "t", "conditions": "a", "log": {}}, "rateLimit": limit}]));
    for i in 0..4 {
        sensor.event("a", &format!("a{i}"), "10:00:00");
    }
    let due = |now: &str| outstanding(&sensor.status, at(now)).len();
    assert_eq!([due("10:00:00"), due("10:00:29"), due("10:00:30"), due("10:01:30")], [1, 1, 2, 4]);
}

#[test]
fn f40_after_a_restart_only_what_may_be_done_twice_is_done_again() {
    let http = json!({"name": "http", "conditions": "a", "http": {"url": "http://x"}});
    let submit = json!({"name": "submit", "conditions": "a", "argoWorkflow": {"operation": "submit"}});
    let mut sensor = Sensor::new(json!([
        {"template": http}, {"template": submit},
        {"template": {"name": "sure", "conditions": "a", "http": {"url": "http://x"}}, "atLeastOnce": true},
    ]));
    sensor.event("a", "a1", "10:00:00");
    for key in sensor.keys() {
        sensor.tell(Input::Begin { key }, "10:00:01");
    }
    sensor.status = sensor.replayed();
    let facts = sensor.tell(Input::Restarted, "10:00:02");
    assert!(
        matches!(facts.as_slice(), [Fact::FiringLost { key, .. }] if key.contains("/http/")),
        "{facts:?}"
    );
    let again = outstanding(&sensor.status, at("10:00:02"));
    assert!(
        again.iter().all(|action| matches!(action, Action::Perform { again: true, .. })) && again.len() == 2
    );
}

#[test]
fn a_closed_gate_records_and_performs_nothing() {
    let mut sensor = Sensor::new(json!([{"template": {"name": "t", "conditions": "a", "log": {}}}]));
    assert_eq!(sensor.event_at("a", "a1", "10:00:00", Gate::Closed), ["t: a1"]);
    assert!(matches!(sensor.facts.last(), Some(Fact::FiringWithheld { why, .. }) if why.contains("fuse")));
    assert!(outstanding(&sensor.status, at("10:00:01")).is_empty());
    assert_eq!(sensor.status.counts.withheld, 1);
}

#[test]
fn paused_triggers_queue_and_disabled_ones_see_nothing() {
    let mut sensor = Sensor::new(json!([{"template": {"name": "t", "conditions": "a", "log": {}}}]));
    let mode = |mode| Input::SetMode { trigger: "t".to_owned(), mode, by: "me".to_owned() };
    sensor.tell(mode(Mode::Paused), "10:00:00");
    sensor.event("a", "a1", "10:00:00");
    assert!(outstanding(&sensor.status, at("10:00:01")).is_empty());
    sensor.tell(mode(Mode::Enabled), "10:00:02");
    assert_eq!(outstanding(&sensor.status, at("10:00:02")).len(), 1);
    sensor.tell(mode(Mode::Disabled), "10:00:03");
    assert!(sensor.event("a", "a2", "10:00:04").is_empty());
    // a new manifest does not enable it
    sensor.apply("2", json!([{"template": {"name": "t", "conditions": "a", "log": {}}}]));
    assert!(sensor.event("a", "a3", "10:00:05").is_empty());
}

#[test]
fn replays_fire_once_for_each_token() {
    let mut sensor = Sensor::new(json!([{"template": {"name": "t", "conditions": "a", "log": {}}}]));
    sensor.event("a", "a1", "10:00:00");
    let replay = |token: &str| Input::Replay {
        token: token.to_owned(),
        event: event("a", "a1", "10:00:00"),
        gate: Gate::Open,
    };
    assert_eq!(fired(&sensor.tell(replay("r1"), "10:00:01")).len(), 1);
    assert!(sensor.tell(replay("r1"), "10:00:02").is_empty());
    assert_eq!(fired(&sensor.tell(replay("r2"), "10:00:03")).len(), 1);
    assert_eq!(sensor.status.firings.len(), 3);
}

#[test]
fn a_change_of_the_sensor_leaves_open_firings_and_collected_events() {
    let both = |url: &str| json!([{"template": {"name": "t", "conditions": "a && b", "http": {"url": url}}}, {"template": {"name": "one", "conditions": "a", "http": {"url": url}}}]);
    let mut sensor = Sensor::new(both("http://old"));
    sensor.event("a", "a1", "10:00:00");
    sensor.apply("2", both("http://new"));
    sensor.apply("2", both("http://never"));
    let open = sensor.status.firings.values().next().unwrap();
    let url = |firing: &super::Firing| {
        firing.definition().unwrap().template.as_ref().unwrap().http.as_ref().unwrap().url.clone()
    };
    assert_eq!(url(open), "http://old");
    assert_eq!(sensor.event("b", "b1", "10:00:01"), ["t: a1 b1"]);
    sensor.apply("3", json!([{"template": {"name": "other", "log": {}}}]));
    assert_eq!(sensor.status.firings.len(), 2, "what fired is still performed");
}

#[test]
fn too_many_open_firings_hold_events_back() {
    let mut sensor = Sensor::new(json!([{"template": {"name": "t", "conditions": "a", "log": {}}}]));
    for i in 0..super::OPEN_LIMIT {
        assert!(accepts(&sensor.status));
        let event = event("a", &format!("a{i}"), "10:00:00");
        advance(
            &mut sensor.status,
            Input::Arrived { seq: i as u64, event, gate: Gate::Open },
            at("10:00:00"),
        )
        .unwrap();
    }
    assert!(!accepts(&sensor.status));
}

#[test]
fn each_trigger_counts_for_itself() {
    let more =
        |conditions: &str| json!({"template": {"name": conditions, "conditions": conditions, "log": {}}});
    let mut sensor = Sensor::new(json!([more("a"), more("b")]));
    sensor.event("a", "1", "10:00:00");
    sensor.event("a", "2", "10:00:01");
    sensor.event("b", "3", "10:00:02");
    let key = sensor.keys().into_iter().find(|key| sensor.status.firings[key].trigger == "b").unwrap();
    sensor.tell(Input::Begin { key: key.clone() }, "10:00:03");
    sensor.tell(Input::Failed { key, message: String::new(), retriable: false }, "10:00:04");
    let counts = |name: &str| sensor.status.triggers[name].counts;
    assert_eq!((counts("a").matched, counts("a").fired, counts("a").failed), (2, 2, 0));
    assert_eq!((counts("b").matched, counts("b").fired, counts("b").failed), (1, 1, 1));
    assert_eq!(counts("a").last_fired, Some(at("10:00:01")));
}

#[test]
fn names_follow_from_keys() {
    let name = child_name("build-", "ns/s/t/1");
    assert_eq!(name, child_name("build-", "ns/s/t/1"));
    assert_ne!(name, child_name("build-", "ns/s/t/2"));
    assert!(name.starts_with("build-") && name.len() == 16, "{name}");
    assert!(child_name(&"x".repeat(200), "k").len() <= 63);
}

#[test]
fn verdicts_are_in_the_facts() {
    let mut sensor = Sensor::new(json!([{"template": {"name": "t", "conditions": "a", "log": {}}}]));
    let mut spec = (*sensor.status.spec).clone();
    spec.dependencies[0].filters =
        serde_json::from_value(json!({"data": [{"path": "id", "type": "string", "value": ["^x"]}]})).unwrap();
    let input = Input::Apply {
        namespace: "ns".into(),
        name: "sensor".into(),
        generation: "2".into(),
        spec: Box::new(spec),
        compat: Compat::default(),
    };
    sensor.tell(input, "10:00:00");
    assert!(sensor.event("a", "a1", "10:00:01").is_empty());
    let Some(Fact::EventTaken { judged, .. }) = sensor.facts.last() else { panic!("{:?}", sensor.facts) };
    assert_eq!(judged[0].verdict.tree(), "✗ id = ^x  (is \"a1\")\n");
}

proptest! {
    /// Whatever comes in whatever order, with crashes in between: no firing twice, and replaying gives the same.
    #[test]
    fn no_event_fires_twice_and_replaying_gives_the_same(
        steps in proptest::collection::vec((0_u8..8, 0_usize..6, 0_u64..40), 1..80),
    ) {
        let mut sensor = Sensor::new(json!([
            {"template": {"name": "or", "conditions": "a || b", "http": {"url": "x"}}, "retryStrategy": {"steps": 2}},
            {"template": {"name": "and", "conditions": "a && b", "log": {}}, "rateLimit": {"requestsPerUnit": 1}},
        ]));
        let mut now = at("10:00:00");
        for (what, which, number) in steps {
            now = now.checked_add(SignedDuration::from_secs(1)).unwrap();
            let clock = now.strftime("%H:%M:%S").to_string();
            let key = sensor.keys().get(which).cloned().unwrap_or_default();
            let input = match what {
                0..=3 => {
                    let event = event(["a", "b", "c"][which % 3], &format!("e{number}"), &clock);
                    Input::Arrived { seq: number, event, gate: Gate::Open }
                }
                4 => Input::Begin { key },
                5 => Input::Succeeded { key, result: String::new() },
                6 => Input::Failed { key, message: String::new(), retriable: true },
                _ => Input::Restarted,
            };
            sensor.tell(input, &clock);
            let replayed = sensor.replayed();
            prop_assert_eq!(&replayed.firings, &sensor.status.firings);
            prop_assert_eq!(&replayed.triggers, &sensor.status.triggers);
        }
        let mut keys: Vec<&String> = sensor.facts.iter().filter_map(|fact| match fact {
            Fact::TriggerFired { key, .. } => Some(key),
            _ => None,
        }).collect();
        let count = keys.len();
        keys.sort();
        keys.dedup();
        prop_assert_eq!(keys.len(), count);
    }
}
