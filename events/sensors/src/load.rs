//! EventSource, EventBus and Sensor out of parsed manifests, with positions and the spellings that are accepted.
//! Does not parse YAML (`runner_workflows::parse` does) and does not judge: `validate` does.

use runner_workflows::diagnostic::{Diagnostic, Span};
use runner_workflows::parse::tree::{Node, Segment};
use runner_workflows::parse::{Document, Limits, Manifest, from_node, parse_file};

use crate::spec::{EventBus, EventSource, Sensor, WebhookContext};

/// Port of a source that names none.
pub const DEFAULT_PORT: &str = "12000";

/// An object of the language of events, with its origin.
#[derive(Clone, Debug)]
pub enum Object {
    /// An EventSource.
    EventSource(Box<Document<EventSource>>),
    /// An EventBus.
    EventBus(Box<Document<EventBus>>),
    /// A Sensor.
    Sensor(Box<Document<Sensor>>),
}

impl Object {
    /// The kind.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::EventSource(_) => "EventSource",
            Self::EventBus(_) => "EventBus",
            Self::Sensor(_) => "Sensor",
        }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::EventSource(doc) => &doc.object.metadata.name,
            Self::EventBus(doc) => &doc.object.metadata.name,
            Self::Sensor(doc) => &doc.object.metadata.name,
        }
    }

    /// The namespace; empty when the file names none.
    #[must_use]
    pub fn namespace(&self) -> &str {
        match self {
            Self::EventSource(doc) => &doc.object.metadata.namespace,
            Self::EventBus(doc) => &doc.object.metadata.namespace,
            Self::Sensor(doc) => &doc.object.metadata.namespace,
        }
    }
}

/// Reads one manifest. None when it is of another kind, or when a type did not fit: then there are errors.
#[must_use]
pub fn read(manifest: &Manifest) -> (Option<Object>, Vec<Diagnostic>) {
    let Manifest::Other(other) = manifest else { return (None, Vec::new()) };
    let (object, mut problems) = match other.object.kind.as_str() {
        "EventSource" => {
            let (object, mut problems) = typed(manifest, |doc| Object::EventSource(Box::new(doc)));
            (object.map(|object| complete(object, &mut problems)), problems)
        }
        "EventBus" => typed(manifest, |doc| Object::EventBus(Box::new(doc))),
        "Sensor" => typed(manifest, |doc| Object::Sensor(Box::new(doc))),
        _ => return (None, Vec::new()),
    };
    misplaced(manifest, &mut problems);
    for problem in &mut problems {
        problem.object = Some(manifest.label());
    }
    (object, problems)
}

/// Parses a file and reads every object of the language of events in it; the other manifests are handed back.
#[must_use]
pub fn read_file(name: &str, text: &str, limits: Limits) -> (Vec<Object>, Vec<Manifest>, Vec<Diagnostic>) {
    let (manifests, mut problems) = parse_file(name, text, limits);
    let (mut objects, mut others) = (Vec::new(), Vec::new());
    for manifest in manifests {
        let known = matches!(manifest.kind(), "EventSource" | "EventBus" | "Sensor");
        let (object, more) = read(&manifest);
        problems.extend(more);
        objects.extend(object);
        if !known {
            others.push(manifest);
        }
    }
    (objects, others, problems)
}

fn typed<T: serde::de::DeserializeOwned>(
    manifest: &Manifest,
    wrap: impl FnOnce(Document<T>) -> Object,
) -> (Option<Object>, Vec<Diagnostic>) {
    let origin = manifest.origin().clone();
    let (object, problems) = from_node(origin.source(), origin.root());
    (object.map(|object| wrap(Document { object, origin })), problems)
}

/// Fills in what a source leaves out and says so: GitHub's `secretToken` and a missing listener.
fn complete(object: Object, problems: &mut Vec<Diagnostic>) -> Object {
    let Object::EventSource(mut doc) = object else { return object };
    let key = |text: &str| Segment::Key(text.to_owned());
    let namespace = match doc.object.metadata.namespace.as_str() {
        "" => "default".to_owned(),
        named => named.to_owned(),
    };
    let source = doc.object.metadata.name.clone();
    for (name, github) in &mut doc.object.spec.github {
        let path = [key("spec"), key("github"), key(name)];
        let node = doc.origin.root().at(&path);
        if let Some(entry) = node.and_then(|node| node.entry("secretToken")) {
            let text = "`secretToken` of github is read as `webhookSecret`";
            let span = Span::new(doc.origin.source(), entry.key_range.clone());
            let hint = "Argo Events calls it `webhookSecret`; `secretToken` is GitLab's";
            problems.push(Diagnostic::warning("alias", text).at(Some(span)).hint(hint));
        }
        if github.webhook.is_none() {
            let endpoint = format!("/events/{namespace}/{source}/{name}");
            let text = format!(
                "github event `{name}` has no `webhook`: it listens on port {DEFAULT_PORT} at {endpoint}"
            );
            let hint = "Argo Events requires `webhook: {endpoint: …, port: \"…\"}`";
            problems.push(
                Diagnostic::warning("webhook-missing", text).at(Some(doc.origin.span(&path))).hint(hint),
            );
            github.webhook = Some(WebhookContext {
                endpoint,
                port: DEFAULT_PORT.to_owned(),
                method: "POST".to_owned(),
                ..WebhookContext::default()
            });
        }
    }
    Object::EventSource(doc)
}

/// Fields of a trigger that users write one level too deep.
const OF_TRIGGER: [&str; 6] =
    ["atLeastOnce", "dlqTrigger", "parameters", "policy", "rateLimit", "retryStrategy"];

/// Adds where it belongs to the warning about a field that stands in `template` but is the trigger's.
fn misplaced(manifest: &Manifest, problems: &mut [Diagnostic]) {
    let triggers = manifest.origin().root().get("spec").and_then(|spec| spec.get("triggers"));
    for trigger in triggers.and_then(Node::elements).unwrap_or_default() {
        let entries = trigger.get("template").and_then(Node::entries).unwrap_or_default();
        for entry in entries.iter().filter(|entry| OF_TRIGGER.contains(&entry.key.as_str())) {
            let found = problems.iter_mut().find(|problem| {
                problem.code == "unknown-field"
                    && problem.span.as_ref().is_some_and(|span| span.range() == entry.key_range)
            });
            if let Some(problem) = found {
                problem.hint = Some(format!(
                    "`{}` is ignored here as it is by Argo Events: it belongs beside `template`, not in it",
                    entry.key
                ));
            }
        }
    }
}
