//! What was seen of a collection, and what lists and watches of it mean: objects that appear, change and go.
//! Asks no server.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use runner_sensors::selector;
use runner_sensors::spec::ResourceEventSource;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::client::Step;

/// What was seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Seen {
    /// Address and path of the collection.
    pub(super) target: String,
    /// When it was watched for the first time.
    pub(super) since: Timestamp,
    /// The version from which a watch goes on; empty when it has to be listed.
    pub(super) version: String,
    /// Objects by uid.
    pub(super) objects: BTreeMap<String, Object>,
}

/// An object that exists.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Object {
    #[serde(rename = "v")]
    version: String,
    #[serde(rename = "ns", default, skip_serializing_if = "String::is_empty")]
    namespace: String,
    #[serde(rename = "n")]
    name: String,
    /// As it was last seen by this process.
    #[serde(skip)]
    body: Value,
}

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Add,
    Update,
    Delete,
}

impl Change {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Add => "ADD",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
        }
    }
}

/// A change of an object.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Event {
    pub(super) change: Change,
    pub(super) body: Value,
    /// Before an update; null when that is not known.
    pub(super) old: Value,
}

impl Event {
    /// Names the change, whoever sees it and however often: an object appears and goes once.
    pub(super) fn key(&self) -> String {
        let about = About::of(&self.body);
        match self.change {
            Change::Add | Change::Delete => format!("{} {}", self.change.as_str(), about.uid),
            Change::Update => format!("UPDATE {} {}", about.uid, about.version),
        }
    }
}

/// The parts of an object's metadata that matter here.
struct About<'a> {
    uid: &'a str,
    version: &'a str,
    namespace: &'a str,
    name: &'a str,
}

impl<'a> About<'a> {
    fn of(body: &'a Value) -> Self {
        let text = |name: &str| body["metadata"][name].as_str().unwrap_or_default();
        let (namespace, name) = (text("namespace"), text("name"));
        Self { uid: text("uid"), version: text("resourceVersion"), namespace, name }
    }
}

impl Seen {
    /// What a complete list means: compared with what was seen before.
    pub(super) fn listed(&mut self, objects: Vec<Value>, version: String) -> Vec<Event> {
        let there: BTreeSet<String> = objects.iter().map(|body| About::of(body).uid.to_owned()).collect();
        let gone: Vec<String> = self.objects.keys().filter(|uid| !there.contains(*uid)).cloned().collect();
        let mut events: Vec<Event> = Vec::new();
        for uid in gone {
            let Some(object) = self.objects.remove(&uid) else { continue };
            // its last state is only known when this process saw it
            let body = match object.body {
                Value::Null => {
                    json!({"metadata": {"uid": uid, "name": object.name, "namespace": object.namespace,
                    "resourceVersion": object.version}})
                }
                body => body,
            };
            events.push(Event { change: Change::Delete, body, old: Value::Null });
        }
        events.extend(objects.into_iter().filter_map(|body| self.is(body)));
        self.version = version;
        events
    }

    /// What a step of a watch means.
    pub(super) fn step(&mut self, step: Step) -> Option<Event> {
        let (event, version) = match step {
            Step::Version(version) => (None, version),
            Step::Is(body) => {
                let version = About::of(&body).version.to_owned();
                (self.is(body), version)
            }
            Step::Gone(body) => {
                let about = About::of(&body);
                let version = about.version.to_owned();
                self.objects.remove(about.uid);
                (Some(Event { change: Change::Delete, body, old: Value::Null }), version)
            }
        };
        if !version.is_empty() {
            self.version = version;
        }
        event
    }

    /// An object exists as it is; nothing when that is known.
    fn is(&mut self, body: Value) -> Option<Event> {
        let about = About::of(&body);
        let before = self.objects.get(about.uid);
        if let Some(before) = before
            && before.version == about.version
        {
            let uid = about.uid.to_owned();
            if let Some(known) = self.objects.get_mut(&uid) {
                known.body = body;
            }
            return None;
        }
        let (change, old) = match before {
            None => (Change::Add, Value::Null),
            Some(before) => (Change::Update, before.body.clone()),
        };
        let object = Object {
            version: about.version.to_owned(),
            namespace: about.namespace.to_owned(),
            name: about.name.to_owned(),
            body: body.clone(),
        };
        self.objects.insert(about.uid.to_owned(), object);
        Some(Event { change, body, old })
    }
}

/// Whether the settings can be evaluated.
///
/// # Errors
/// A sentence for people.
pub(super) fn check(settings: &ResourceEventSource) -> Result<(), String> {
    let nothing = Event { change: Change::Add, body: json!({}), old: Value::Null };
    let all = ResourceEventSource { event_types: Vec::new(), ..settings.clone() };
    passes(&all, &nothing, Timestamp::MIN, Timestamp::MAX).map(drop)
}

/// Whether a change is wanted. `since` is when the source was started for the first time.
///
/// # Errors
/// A sentence for people: a filter that cannot be evaluated.
pub(super) fn passes(
    settings: &ResourceEventSource,
    event: &Event,
    since: Timestamp,
    now: Timestamp,
) -> Result<bool, String> {
    let types = &settings.event_types;
    if !types.is_empty() && !types.iter().any(|wanted| wanted == event.change.as_str()) {
        return Ok(false);
    }
    let Some(filter) = &settings.filter else { return Ok(true) };
    let metadata = &event.body["metadata"];
    let time = |text: &Value| text.as_str().and_then(|text| text.parse::<Timestamp>().ok());
    let created = time(&metadata["creationTimestamp"]);
    let labels: BTreeMap<String, String> =
        serde_json::from_value(metadata["labels"].clone()).unwrap_or_default();
    let mut passed = metadata["name"].as_str().unwrap_or_default().starts_with(&filter.prefix);
    passed &= selector::labels(&filter.labels, &labels).map_err(|why| format!("filter.labels: {why}"))?;
    passed &= selector::fields(&filter.fields, &event.body.to_string())
        .map_err(|why| format!("filter.fields: {why}"))?;
    if !filter.created_by.is_empty() {
        let limit: Timestamp = filter
            .created_by
            .parse()
            .map_err(|_| format!("filter.createdBy: `{}` is not a time of RFC 3339", filter.created_by))?;
        passed &= created.is_some_and(|created| created <= limit);
    }
    if filter.after_start {
        let changed = metadata["managedFields"].as_array().into_iter().flatten();
        let at = match event.change {
            Change::Add => created,
            Change::Update => changed.filter_map(|one| time(&one["time"])).max().or(Some(now)),
            Change::Delete => time(&metadata["deletionTimestamp"]).or(Some(now)),
        };
        // the server's times have whole seconds
        passed &= at.is_some_and(|at| at.as_second() >= since.as_second());
    }
    Ok(passed)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn object(uid: &str, version: &str) -> Value {
        json!({"metadata": {"uid": uid, "name": format!("name-{uid}"), "namespace": "d", "resourceVersion": version,
            "labels": {"app": uid}, "creationTimestamp": "2026-11-20T07:00:00Z"}, "spec": {"replicas": 3}})
    }

    fn seen() -> Seen {
        let since = "2026-11-20T07:00:00Z".parse().unwrap();
        Seen { target: String::new(), since, version: String::new(), objects: BTreeMap::new() }
    }

    fn told(events: &[Event]) -> Vec<String> {
        events.iter().map(Event::key).collect()
    }

    #[test]
    fn a_list_after_downtime_tells_what_happened_meanwhile() {
        let mut seen = seen();
        let first = seen.listed(vec![object("a", "1"), object("b", "2")], "5".to_owned());
        assert_eq!(told(&first), ["ADD a", "ADD b"]);
        let text = serde_json::to_string(&seen).unwrap();
        let mut seen: Seen = serde_json::from_str(&text).unwrap();
        let later = seen.listed(vec![object("b", "7"), object("c", "8")], "9".to_owned());
        assert_eq!(told(&later), ["DELETE a", "UPDATE b 7", "ADD c"]);
        assert_eq!(later[0].body["metadata"]["name"], json!("name-a"));
        assert_eq!(later[1].old, Value::Null, "the process before saw it");
        assert!(seen.listed(vec![object("b", "7"), object("c", "8")], "10".to_owned()).is_empty());
    }

    #[test]
    fn a_watch_tells_each_change_once_with_what_was_before() {
        let mut seen = seen();
        seen.listed(vec![object("a", "1")], "1".to_owned());
        assert_eq!(seen.step(Step::Is(object("a", "1"))), None, "nothing changed");
        let update = seen.step(Step::Is(object("a", "3"))).unwrap();
        assert_eq!(
            (update.change, &update.old["metadata"]["resourceVersion"]),
            (Change::Update, &json!("1"))
        );
        assert_eq!(seen.version, "3");
        assert_eq!(seen.step(Step::Version("9".to_owned())), None);
        assert_eq!(seen.version, "9");
        assert_eq!(seen.step(Step::Gone(object("a", "10"))).unwrap().key(), "DELETE a");
        assert!(seen.objects.is_empty());
    }

    #[test]
    fn filters_are_those_of_the_spec() {
        let event = Event { change: Change::Add, body: object("a", "1"), old: Value::Null };
        let since: Timestamp = "2026-11-20T07:00:00.9Z".parse().unwrap();
        let pass = |text: &str| {
            let settings = serde_json::from_str(text).unwrap();
            passes(&settings, &event, since, since)
        };
        assert_eq!(pass(r#"{"eventTypes": ["UPDATE"]}"#), Ok(false));
        assert_eq!(
            pass(r#"{"eventTypes": ["ADD"], "filter": {"prefix": "name-", "afterStart": true}}"#),
            Ok(true)
        );
        assert_eq!(pass(r#"{"filter": {"prefix": "other"}}"#), Ok(false));
        assert_eq!(
            pass(r#"{"filter": {"labels": [{"key": "app", "operation": "in", "value": "x,a"}]}}"#),
            Ok(true)
        );
        assert_eq!(pass(r#"{"filter": {"fields": [{"key": "spec.replicas", "value": "^3$"}]}}"#), Ok(true));
        assert_eq!(pass(r#"{"filter": {"createdBy": "2026-11-20T06:59:59Z"}}"#), Ok(false));
        assert!(pass(r#"{"filter": {"createdBy": "yesterday"}}"#).is_err());
        assert!(pass(r#"{"filter": {"labels": [{"key": "a", "operation": "~"}]}}"#).is_err());
    }
}
