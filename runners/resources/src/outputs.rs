//! Output parameters of resource templates: `jsonPath` and `jqFilter` over the object as it is at the end.
//! Does not change the object.

use runner_sensors::jq;
use runner_workflows::spec::{Outputs, Parameter};
use serde_json::Value;

use crate::action::Found;
use crate::api::Api;
use crate::{Problem, Result, jsonpath};

/// Most outputs of one jq filter: they become one value of the workflow.
const MOST: usize = 10_000;

/// Filters and templates that cannot be read are known before anything is done.
pub(crate) fn check(outputs: &Outputs) -> Result<()> {
    for parameter in &outputs.parameters {
        let Some(from) = &parameter.value_from else { continue };
        let wrong =
            |why: String| Err(Problem::Input(format!("output parameter {:?}: {why}", parameter.name)));
        if let Err(why) = jsonpath::check(&from.json_path) {
            return wrong(why);
        }
        if !from.jq_filter.is_empty()
            && let Err(why) = jq::check(&from.jq_filter)
        {
            return wrong(why);
        }
    }
    Ok(())
}

/// What the parameters are when there is no object: their defaults, or nothing.
pub(crate) fn defaults(outputs: &Outputs) -> Vec<(String, String)> {
    let value = |parameter: &Parameter| {
        let from = parameter.value_from.as_ref()?;
        let text = from.default.as_ref().map(|default| default.0.clone()).unwrap_or_default();
        Some((parameter.name.clone(), text))
    };
    outputs.parameters.iter().filter_map(value).collect()
}

/// Reads the object again and takes the parameters from it.
pub(crate) async fn read(api: &Api, found: &Found, outputs: &Outputs) -> Result<Vec<(String, String)>> {
    if outputs.parameters.iter().all(|parameter| parameter.value_from.is_none()) {
        return Ok(Vec::new());
    }
    let object = api.get(&found.path).await?;
    let mut values = Vec::new();
    for parameter in &outputs.parameters {
        values.extend(value(parameter, &object)?.map(|value| (parameter.name.clone(), value)));
    }
    Ok(values)
}

fn value(parameter: &Parameter, object: &Value) -> Result<Option<String>> {
    let Some(from) = &parameter.value_from else { return Ok(None) };
    let wrong = |why: String| Problem::Refused(format!("output parameter {:?}: {why}", parameter.name));
    if !from.json_path.is_empty() {
        return jsonpath::render(&from.json_path, object).map(Some).map_err(wrong);
    }
    if from.jq_filter.is_empty() {
        return Ok(None);
    }
    let found = jq::outputs(&from.jq_filter, object, MOST).map_err(wrong)?;
    let lines = found.iter().map(|value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    });
    Ok(Some(lines.collect::<Vec<_>>().join("\n").trim().to_owned()))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use serde_json::json;

    use super::*;

    fn parameter(from: Value) -> Parameter {
        serde_json::from_value(json!({"name": "p", "valueFrom": from})).unwrap()
    }

    #[test]
    fn filters_give_text_as_it_is_and_the_rest_as_json() {
        let object = json!({"a": "x", "list": [1, "two", {"k": true}]});
        let jq = |filter: &str| value(&parameter(json!({"jqFilter": filter})), &object).unwrap().unwrap();
        assert_eq!(jq(".a"), "x");
        assert_eq!(jq(".list[]"), "1\ntwo\n{\"k\":true}");
        assert_eq!(jq("[.list[] | numbers]"), "[1]");
        let path = parameter(json!({"jsonPath": "{.a}"}));
        assert_eq!(value(&path, &object).unwrap().unwrap(), "x");
    }

    #[test]
    fn without_an_object_there_are_defaults() {
        let parameters = vec![
            parameter(json!({"jsonPath": "{.a}", "default": "none"})),
            parameter(json!({"jsonPath": "{.a}"})),
        ];
        let mut outputs = Outputs { parameters, ..Outputs::default() };
        let texts: Vec<String> = defaults(&outputs).into_iter().map(|(_, text)| text).collect();
        assert_eq!(texts, ["none", ""]);
        outputs.parameters = vec![parameter(json!({"jqFilter": ".a["}))];
        assert!(check(&outputs).is_err());
    }
}
