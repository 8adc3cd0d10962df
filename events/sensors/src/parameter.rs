//! Parameters of triggers: values of events put into templates, resources and payloads; as Argo's triggers/params.
//! Does not fetch resources and does not fire: `trigger` renders, others act.

use runner_workflows::expr::Value;
use serde_json::json;

use crate::base64;
use crate::dest;
use crate::event::{Event, Events, JSON};
use crate::path::{Kind, Payload};
use crate::spec::{TriggerParameter, TriggerParameterSource};
use crate::template;

/// A value that a parameter resolved to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// Its text: of text the text itself, of everything else its JSON.
    pub text: String,
    /// What it was in the event; text when it came from a template or a default.
    pub kind: Kind,
    /// It came out of an event, and so from outside.
    pub tainted: bool,
}

impl Resolved {
    fn default_of(text: &str) -> Self {
        Self { text: text.to_owned(), kind: Kind::Text, tainted: false }
    }

    /// The value to put somewhere: as it is in the event with `useRawData`, else text.
    fn value(&self, raw: bool) -> Value {
        if raw && self.kind != Kind::Text {
            serde_json::from_str(&self.text).unwrap_or_else(|_| Value::String(self.text.clone()))
        } else {
            Value::String(self.text.clone())
        }
    }
}

/// A place that got a value of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tainted {
    /// The path that was written.
    pub dest: String,
    /// The text.
    pub text: String,
}

/// Resolves the source of a parameter; none when its dependency has no event and there is no default: then the
/// parameter is skipped (conditions with `||`).
///
/// Any `data*` field makes `context*` fields count for nothing. A template comes before a key, a key before `value`.
///
/// # Errors
/// A sentence for people: nothing was found and there is no default.
pub fn resolve(source: &TriggerParameterSource, events: &Events) -> Result<Option<Resolved>, String> {
    let default = source.value.as_deref().map(Resolved::default_of);
    let Some(event) = events.get(&source.dependency_name) else { return Ok(default) };
    let data = !source.data_key.is_empty() || !source.data_template.is_empty();
    let context = !source.context_key.is_empty() || !source.context_template.is_empty();
    if !data && !context {
        return Ok(Some(default.unwrap_or_else(|| whole(event))));
    }
    let (key, template) = if data {
        (&source.data_key, &source.data_template)
    } else {
        (&source.context_key, &source.context_template)
    };
    let text = if data { payload_text(event) } else { Ok(json!(event.context).to_string()) };
    let found = text.and_then(|text| look_up(&text, key, template));
    match (found, default) {
        (Ok(found), _) => Ok(Some(found)),
        (Err(_), Some(default)) => Ok(Some(default)),
        (Err(why), None) => {
            Err(format!("unable to resolve '{}' parameter value: {why}", source.dependency_name))
        }
    }
}

/// The event as Go marshals it: the payload is base64 there.
fn whole(event: &Event) -> Resolved {
    use std::fmt::Write as _;
    let mut text = format!("{{\"context\":{}", json!(event.context));
    if let Some(data) = &event.data {
        let _ = write!(text, ",\"data\":\"{}\"", base64::encode(data.as_bytes()));
    }
    text.push('}');
    Resolved { text, kind: Kind::Text, tainted: true }
}

/// The payload as JSON text: JSON as it is; YAML is no JSON and is refused, as nothing here makes such events.
fn payload_text(event: &Event) -> Result<String, String> {
    if event.context.datacontenttype != JSON {
        return Err(format!("unsupported event content type: {}", event.context.datacontenttype));
    }
    match &event.data {
        Some(data) => Ok(data.clone()),
        None => Err("event data is not valid JSON".to_owned()),
    }
}

fn look_up(text: &str, key: &str, template: &str) -> Result<Resolved, String> {
    let payload = Payload::new(text).map_err(|_| "event data is not valid JSON".to_owned())?;
    let mut why = String::new();
    if !template.is_empty() {
        let input: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        match template::render(template, &input) {
            Ok(text) => return Ok(Resolved { text, kind: Kind::Text, tainted: true }),
            Err(error) => why = error,
        }
    }
    if !key.is_empty() {
        match payload.get(key) {
            Some(found) => {
                let text = if found.kind == Kind::Null { found.raw } else { found.text };
                return Ok(Resolved { text, kind: found.kind, tainted: true });
            }
            None => why = format!("key {key} does not exist in the event payload"),
        }
    }
    Err(why)
}

/// Puts parameters into a JSON value, in order; the places that got values of events.
///
/// # Errors
/// The first parameter that has no value, or whose place does not exist, with its index.
pub fn apply(
    target: &mut Value,
    parameters: &[TriggerParameter],
    events: &Events,
) -> Result<Vec<Tainted>, String> {
    let mut tainted = Vec::new();
    for (i, parameter) in parameters.iter().enumerate() {
        let at = |why: String| format!("parameter {i} ({}): {why}", parameter.dest);
        let Some(source) = &parameter.src else { return Err(at("it has no `src`".to_owned())) };
        let Some(mut value) = resolve(source, events).map_err(at)? else { continue };
        match parameter.operation.as_str() {
            "" | "overwrite" => {}
            operation @ ("append" | "prepend") => {
                let text = target.to_string();
                if let Some(current) = Payload::new(&text).map_err(at)?.get(&parameter.dest) {
                    value.kind = Kind::Text;
                    value.text = if operation == "append" {
                        current.text + &value.text
                    } else {
                        value.text + &current.text
                    };
                }
            }
            other => return Err(at(format!("unsupported trigger parameter operation: {other}"))),
        }
        dest::set(target, &parameter.dest, value.value(source.use_raw_data)).map_err(at)?;
        if value.tainted {
            tainted.push(Tainted { dest: parameter.dest.clone(), text: value.text });
        }
    }
    Ok(tainted)
}

/// Makes up a payload (bodies of http, kafka, nats and others); none when nothing was set. A parameter without `dest`
/// is the whole payload, and those behind it do not count.
///
/// # Errors
/// As [`apply`].
pub fn payload(parameters: &[TriggerParameter], events: &Events) -> Result<Option<String>, String> {
    let mut target = Value::Null;
    let mut set = false;
    for (i, parameter) in parameters.iter().enumerate() {
        let at = |why: String| format!("payload {i} ({}): {why}", parameter.dest);
        let Some(source) = &parameter.src else { return Err(at("it has no `src`".to_owned())) };
        let value = resolve(source, events).map_err(at)?;
        match value {
            Some(value) if parameter.dest.is_empty() => return Ok(Some(value.text)),
            Some(value) => {
                dest::set(&mut target, &parameter.dest, value.value(source.use_raw_data)).map_err(at)?;
                set = true;
            }
            None => {}
        }
    }
    Ok(set.then(|| target.to_string()))
}
