//! `runner events test` and `validate`: what triggers would do with an event, and whether files make sense.
//! Keeps nothing and does nothing.

use std::path::PathBuf;

use runner_events::bus::{Event, NewEvent};
use runner_events::sensors::explain::{Explained, events, explain, template};
use runner_events::triggers::render;
use runner_sensors::load::{Object, read};
use runner_sensors::machine::Firing;
use runner_sensors::spec::{EventSource, Sensor};
use runner_sensors::validate::{Known, references};
use runner_workflows::parse::Manifest;
use serde_json::{Value, json};

use super::act::{payload, request};
use super::show::verdict_lines;
use crate::exit::{Code, Failure, Result};
use crate::manifests::{Loaded, report};
use crate::output::Format;
use crate::wire::Wire;

/// Flags of `events test`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// SOURCE/EVENT, or SOURCE for whatever its sensors listen to
    #[arg(long, value_name = "SOURCE[/EVENT]")]
    source: String,
    /// The body as JSON: a file, or - for stdin
    #[arg(long, value_name = "FILE", default_value = "-")]
    payload: PathBuf,
    /// A header, name=value
    #[arg(long, value_name = "NAME=VALUE", value_parser = crate::commands::pair)]
    header: Vec<(String, String)>,
    /// The payload is the whole data, not the body of a request
    #[arg(long)]
    data: bool,
    /// Sensors of these files instead of those of the store
    #[arg(short = 'f', long = "filename", value_name = "FILE|DIR")]
    files: Vec<PathBuf>,
    /// Only this trigger
    #[arg(long, value_name = "NAME")]
    trigger: Option<String>,
    /// What counts as success: that a trigger fires, or that none does
    #[arg(long, default_value = "matched", value_parser = ["matched", "not-matched"])]
    assert: String,
}

pub(super) const LONG: &str = "Examples:
  $ runner events test --source webhook --payload event.json -f sensor.yaml
  $ runner events test --source webhook/example --payload event.json -f sensor.yaml -o json

Prints every trigger with every clause of its filters and the value that was found, and for each trigger that would \
fire the parameters and the resource as it would be made. Exit code 0 when a trigger fires (--assert not-matched: when \
none does), else 1.";

pub(super) async fn run(args: &Args, wire: &Wire) -> Result {
    let sensors = sensors(args, wire).await?;
    let (source, wanted) = match args.source.split_once('/') {
        Some((source, event)) => (source, Some(event)),
        None => (args.source.as_str(), None),
    };
    let body = payload(&args.payload)?;
    let mut names: Vec<&str> = sensors
        .iter()
        .flat_map(|(_, sensor)| &sensor.spec.dependencies)
        .filter(|dependency| dependency.event_source_name == source)
        .map(|dependency| dependency.event_name.as_str())
        .filter(|name| wanted.is_none_or(|wanted| wanted == *name))
        .collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() {
        let hint = "runner triggers list -o wide shows what sensors listen to";
        return Err(Failure::not_found(format!("no sensor listens to {}", args.source)).hint(hint));
    }
    let (mut documents, mut fired) = (Vec::new(), false);
    for name in names {
        let data = if args.data { body.clone() } else { shaped(args, body.clone()) };
        for (namespace, sensor) in &sensors {
            let new = NewEvent {
                namespace: namespace.clone(),
                source: source.to_owned(),
                name: name.to_owned(),
                kind: "webhook".to_owned(),
                data: data.clone(),
                ..NewEvent::default()
            };
            let event = Event::new("test".to_owned(), wire.now(), new);
            let listens = |d: &runner_sensors::spec::EventDependency| {
                d.event_source_name == source && d.event_name == name
            };
            if !sensor.spec.dependencies.iter().any(listens) {
                continue;
            }
            let mut explained = explain(sensor, namespace, &event, wire.now())
                .map_err(|why| Failure::new(Code::Failed, why))?;
            if let Some(only) = &args.trigger {
                explained.verdict.triggers.retain(|trigger| trigger.trigger == *only);
                explained.firings.retain(|(_, firing)| firing.trigger == *only);
            }
            fired |= !explained.firings.is_empty();
            documents.push(print(wire, &explained, &event, namespace).await?);
        }
    }
    match wire.console.format() {
        Format::Json | Format::Jsonl | Format::Yaml => wire.console.documents(&documents)?,
        Format::Table | Format::Wide | Format::Name => {}
    }
    Ok(if fired == (args.assert == "matched") { Code::Ok } else { Code::Failed })
}

/// The request as both kinds of sources would have it: `header` for webhooks, `headers` for the providers.
fn shaped(args: &Args, body: Value) -> Value {
    let mut data = request(&args.header, body, "header");
    data["headers"] = data["header"].clone();
    data
}

async fn sensors(args: &Args, wire: &Wire) -> Result<Vec<(String, Sensor)>> {
    let mut out = Vec::new();
    if args.files.is_empty() {
        let store = wire.existing_or_fail().await?;
        for manifest in store.list_manifests("Sensor", None).await? {
            let sensor = serde_json::from_slice(&manifest.body)
                .map_err(|error| Failure::new(Code::Invalid, format!("Sensor {}: {error}", manifest.name)))?;
            out.push((manifest.namespace, sensor));
        }
        return Ok(out);
    }
    let loaded = Loaded::read(&args.files, false)?;
    let mut problems = loaded.diagnostics;
    for manifest in &loaded.manifests {
        let (object, more) = read(manifest);
        problems.extend(more);
        if let Some(Object::Sensor(sensor)) = object {
            let given = &sensor.object.metadata.namespace;
            let namespace = if given.is_empty() { wire.namespace.clone() } else { given.clone() };
            out.push((namespace, sensor.object));
        }
    }
    report(&wire.console, &problems, "nothing was tried")?;
    Ok(out)
}

/// Prints for people, and answers the document for programs.
async fn print(wire: &Wire, explained: &Explained, event: &Event, namespace: &str) -> Result<Value> {
    let people = matches!(wire.console.format(), Format::Table | Format::Wide | Format::Name);
    if people {
        wire.console.lines(verdict_lines(&explained.verdict, true))?;
    }
    let mut made = Vec::new();
    for (_, firing) in &explained.firings {
        let rendered = would_make(wire, firing, event, namespace).await?;
        if people {
            let text = match &rendered {
                Ok(resource) => serde_saphyr::to_string(resource).unwrap_or_default(),
                Err(why) => format!("cannot be made: {why}"),
            };
            wire.console.data(&format!("  {} would make:", firing.trigger))?;
            wire.console
                .lines(text.lines().map(|line| format!("    {}", crate::output::text::plain(line))))?;
        }
        made.push(match rendered {
            Ok(resource) => json!({"trigger": firing.trigger, "resource": resource}),
            Err(why) => json!({"trigger": firing.trigger, "error": why}),
        });
    }
    Ok(json!({"verdict": explained.verdict, "would": made}))
}

async fn would_make(
    wire: &Wire,
    firing: &Firing,
    event: &Event,
    namespace: &str,
) -> Result<std::result::Result<Value, String>> {
    let seen = events(firing, event);
    let template = match template(firing, &seen) {
        Ok(template) => template,
        Err(why) => return Ok(Err(why)),
    };
    if template.argo_workflow.is_none() && template.k8s.is_none() {
        return Ok(Ok(serde_json::to_value(&template).unwrap_or_default()));
    }
    let objects = wire.objects(&wire.store().await?);
    let namespace = namespace.to_owned();
    // sources of ConfigMaps and Secrets block
    let rendered =
        tokio::task::spawn_blocking(move || render(&template, &seen, &namespace, objects.as_ref())).await;
    let rendered = rendered.map_err(|error| Failure::new(Code::Failed, error.to_string()))?;
    Ok(rendered.map(|rendered| rendered.resource).map_err(|failed| failed.message))
}

/// Checks files.
pub(super) async fn validate(wire: &Wire, files: &[PathBuf], strict: bool) -> Result {
    let loaded = Loaded::read(files, strict)?;
    let mut problems = loaded.diagnostics;
    let mut catalog = match wire.existing().await? {
        Some(store) => crate::catalog::templates(store.as_ref(), &wire.namespace).await?,
        None => runner_workflows::resolve::Catalog::default(),
    };
    for manifest in &loaded.manifests {
        catalog.add(manifest);
    }
    let known = known(wire, &loaded.manifests).await?;
    let mut count = 0;
    for manifest in &loaded.manifests {
        if matches!(manifest.kind(), "EventSource" | "EventBus" | "Sensor") {
            count += 1;
        }
        problems.extend(crate::check::lint(manifest, &catalog, strict));
        if let (Some(object), _) = read(manifest) {
            problems.extend(references(&object, &known));
        }
    }
    report(&wire.console, &problems, "not valid")?;
    if count == 0 {
        return Err(Failure::new(
            Code::Invalid,
            "found no EventSource, EventBus or Sensor in the given files",
        ));
    }
    wire.console.data(&format!("{count} checked, no errors"))?;
    Ok(Code::Ok)
}

/// What sensors can refer to: everything in the store and in the same files, of all namespaces.
async fn known(wire: &Wire, manifests: &[Manifest]) -> Result<Known> {
    let mut known = Known::default();
    if let Some(store) = wire.existing().await? {
        for one in store.list_manifests("WorkflowTemplate", None).await? {
            known.workflow_template(&one.namespace, &one.name);
        }
        for one in store.list_manifests("ClusterWorkflowTemplate", None).await? {
            known.cluster_workflow_template(&one.name);
        }
        for one in store.list_manifests("EventBus", None).await? {
            known.event_bus(&one.namespace, &one.name);
        }
        for one in store.list_manifests("EventSource", None).await? {
            let source: EventSource = serde_json::from_slice(&one.body).unwrap_or_default();
            let events = source.spec.events().into_iter().map(|event| event.name.to_owned());
            known.event_source(&one.namespace, &one.name, events.collect::<Vec<_>>());
        }
    }
    for manifest in manifests {
        match manifest {
            Manifest::WorkflowTemplate(doc) => {
                known.workflow_template(&doc.object.metadata.namespace, &doc.object.metadata.name);
            }
            Manifest::ClusterWorkflowTemplate(doc) => {
                known.cluster_workflow_template(&doc.object.metadata.name)
            }
            other => match read(other).0 {
                Some(Object::EventSource(doc)) => {
                    let (name, namespace) = (&doc.object.metadata.name, &doc.object.metadata.namespace);
                    let events = doc.object.spec.events().into_iter().map(|event| event.name.to_owned());
                    known.event_source(namespace, name, events.collect::<Vec<_>>());
                }
                Some(object @ Object::EventBus(_)) => known.event_bus(object.namespace(), object.name()),
                Some(Object::Sensor(_)) | None => {}
            },
        }
    }
    Ok(known)
}
