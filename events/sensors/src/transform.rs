//! Transforms: jq or Lua change the payload of an event before filters and triggers see it.
//! Does not evaluate jq or Lua itself.

use runner_workflows::expr::Value;

use crate::event::{Event, JSON};
use crate::jq;
use crate::lua::{self, Returned};
use crate::path::Payload;
use crate::spec::EventDependencyTransformer;

/// The event with its payload transformed; `jq` wins over `script`. An event without a payload stays as it is.
///
/// # Errors
/// A sentence for people: the payload is no object, the filter or script fails, its result is no object.
pub fn apply(transformer: &EventDependencyTransformer, event: &Event) -> Result<Event, String> {
    let Some(data) = &event.data else { return Ok(event.clone()) };
    if transformer.jq.is_empty() && transformer.script.is_empty() {
        return Ok(event.clone());
    }
    let payload = Payload::new(data)?;
    let value: Value = serde_json::from_str(payload.text()).map_err(|error| error.to_string())?;
    if !value.is_object() {
        return Err("the payload is not a JSON object".to_owned());
    }
    let new = if transformer.jq.is_empty() {
        match lua::run(&transformer.script, &value)? {
            Returned::Table(table) => table,
            Returned::Nothing | Returned::Scalar(_) => {
                return Err("transformation script output type is not of lua table".to_owned());
            }
        }
    } else {
        match jq::first(&transformer.jq, &value)? {
            Some(object @ Value::Object(_)) => object,
            Some(_) => return Err("jq transformation output must be a JSON object".to_owned()),
            None => return Err("no output available from the jq command execution".to_owned()),
        }
    };
    let mut event = event.clone();
    JSON.clone_into(&mut event.context.datacontenttype);
    event.data = Some(new.to_string());
    Ok(event)
}
