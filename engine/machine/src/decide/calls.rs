//! Calls: a step or task with its condition, loop and arguments, made concrete.
//! Does not create nodes: `start` does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use runner_workflows::expr::{Fuel, Program, Rendered, Text, Var, Vars, when};
use runner_workflows::spec::{Arguments, Artifact, Sequence, TemplateRef};
use serde_json::Value;

use super::Turn;
use super::inputs::Passed;
use crate::limits::MAX_ITEMS;
use crate::names::{item_text, loop_name};
use crate::node::NodeIx;
use crate::plan::{Call, Compiled, With, typed};
use crate::taint;

/// What a call's condition and loop come to, before any of its arguments are looked at.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Expansion {
    /// The items of the loop; none when it is no loop.
    pub(super) items: Option<Arc<Vec<Value>>>,
    /// `when` was false for all: the evaluated text.
    pub(super) skip: Option<String>,
    /// The items hold values of events.
    pub(super) tainted: bool,
}

/// A call made concrete.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Concrete {
    /// `when` is false: the reason.
    Skip(String),
    /// Run this.
    Run(Box<Target>),
}

/// What to run.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Target {
    pub(super) template: String,
    pub(super) template_ref: Option<TemplateRef>,
    pub(super) passed: Passed,
    pub(super) captured: BTreeMap<String, Value>,
}

/// The condition and loop of a call.
pub(super) fn expand(call: &Call, vars: &Vars) -> Result<Expansion, String> {
    let is_loop = !matches!(call.with, With::None);
    let mut skip = None;
    if let Some(text) = &call.when {
        check_when(call, text, vars)?;
        let rendered = render_text(text, vars)?;
        match when::evaluate(&rendered.text, &mut Fuel::default()) {
            Ok(true) => {}
            Ok(false) => skip = Some(rendered.text),
            Err(_) if is_loop => {}
            Err(error) => return Err(error.to_string()),
        }
    }
    let items = match items(&call.with, vars) {
        Ok(items) => items,
        Err(_) if skip.is_some() => Some(Vec::new()),
        Err(error) => return Err(error),
    };
    if items.as_ref().is_some_and(|items| items.len() > MAX_ITEMS) {
        return Err(format!("the loop of {} has more than {MAX_ITEMS} items", call.name));
    }
    let tainted = vars.has_taint() && items_tainted(&call.with, vars)?;
    Ok(Expansion { items: items.map(Arc::new), skip, tainted })
}

/// A condition is code: values of events are not spliced into it.
fn check_when(call: &Call, text: &Text, vars: &Vars) -> Result<(), String> {
    if call.unsafe_splice { Ok(()) } else { taint::check_text(text, "when", vars) }
}

fn items_tainted(with: &With, vars: &Vars) -> Result<bool, String> {
    let splices = match with {
        With::None => return Ok(false),
        With::Param(text) => text.splices(vars).map(|found| !found.is_empty()),
        With::Items(tree) | With::Sequence(tree) => tree.splices(vars).map(|found| !found.is_empty()),
    };
    splices.map_err(|error| error.to_string())
}

/// The items of a loop; none without one.
pub(crate) fn items(with: &With, vars: &Vars) -> Result<Option<Vec<Value>>, String> {
    match with {
        With::None => Ok(None),
        With::Items(tree) => {
            let rendered = tree.render(vars, &mut Fuel::default()).map_err(|e| e.to_string())?;
            check(&rendered.unresolved, &rendered.absent)?;
            match rendered.value {
                Value::Array(items) => Ok(Some(items)),
                other => Ok(Some(vec![other])),
            }
        }
        With::Param(text) => {
            let text = render_text(text, vars)?.text;
            match serde_json::from_str(&text) {
                Ok(Value::Array(items)) => Ok(Some(items)),
                Ok(Value::Null) => Ok(Some(Vec::new())),
                Ok(_) => Err(not_a_list(&text, "it is JSON, but not a list")),
                Err(error) => Err(not_a_list(&text, &error.to_string())),
            }
        }
        With::Sequence(tree) => {
            let rendered = tree.render(vars, &mut Fuel::default()).map_err(|e| e.to_string())?;
            check(&rendered.unresolved, &rendered.absent)?;
            sequence(&typed(rendered.value)?).map(Some)
        }
    }
}

fn not_a_list(text: &str, why: &str) -> String {
    let shown: String = text.trim().chars().take(200).collect();
    format!("withParam value could not be parsed as a JSON list: {shown}: {why}")
}

/// Items of `withSequence`: texts, from `start` to `end` in either direction.
pub(super) fn sequence(sequence: &Sequence) -> Result<Vec<Value>, String> {
    let number = |value: &Option<runner_workflows::spec::IntOrString>, what: &str| match value {
        None => Ok(None),
        Some(value) => {
            let text = value.to_text();
            value.as_int().map(Some).ok_or_else(|| format!("withSequence.{what} `{text}` is not an integer"))
        }
    };
    let start = number(&sequence.start, "start")?.unwrap_or(0);
    let end = match (number(&sequence.end, "end")?, number(&sequence.count, "count")?) {
        (Some(end), _) => end,
        (None, Some(count)) if count <= 0 => return Ok(Vec::new()),
        (None, Some(count)) => start.saturating_add(count - 1),
        (None, None) => return Err("neither end nor count was specified in withSequence".to_owned()),
    };
    if end.abs_diff(start) >= MAX_ITEMS as u64 {
        return Err(format!("withSequence has more than {MAX_ITEMS} items"));
    }
    let format = if sequence.format.is_empty() { "%d" } else { &sequence.format };
    let text = |n: i64| printf(format, n).map(Value::String);
    if start <= end { (start..=end).map(text).collect() } else { (end..=start).rev().map(text).collect() }
}

/// Go's `fmt.Sprintf` with one integer: `%d`, `%x`, `%X`, `%o`, `%b`, `%v`, with flags and width.
fn printf(format: &str, n: i64) -> Result<String, String> {
    let mut out = String::new();
    let mut chars = format.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut spec = String::new();
        while let Some(flag) = chars.next_if(|c| "+-# 0123456789".contains(*c)) {
            spec.push(flag);
        }
        let verb =
            chars.next().ok_or_else(|| format!("withSequence.format `{format}` ends inside a verb"))?;
        let digits = match verb {
            '%' => {
                out.push('%');
                continue;
            }
            'd' | 'v' | 's' => n.unsigned_abs().to_string(),
            'x' => format!("{:x}", n.unsigned_abs()),
            'X' => format!("{:X}", n.unsigned_abs()),
            'o' => format!("{:o}", n.unsigned_abs()),
            'b' => format!("{:b}", n.unsigned_abs()),
            other => return Err(format!("withSequence.format `{format}`: %{other} cannot print an integer")),
        };
        let flags: String = spec.chars().take_while(|c| !c.is_ascii_digit() || *c == '0').collect();
        let width: usize = spec[flags.len()..].parse().unwrap_or(0).min(1000);
        let sign = if n < 0 {
            "-"
        } else if flags.contains('+') {
            "+"
        } else {
            ""
        };
        let fill = width.saturating_sub(sign.len() + digits.len());
        if flags.contains('-') {
            out.push_str(&format!("{sign}{digits}{}", " ".repeat(fill)));
        } else if flags.contains('0') {
            out.push_str(&format!("{sign}{}{digits}", "0".repeat(fill)));
        } else {
            out.push_str(&format!("{}{sign}{digits}", " ".repeat(fill)));
        }
    }
    Ok(out)
}

impl Turn<'_> {
    /// Makes one call, or one item of its loop, concrete. `vars` must already know the node's own names.
    pub(super) fn concrete(
        &self,
        boundary: NodeIx,
        compiled: &Compiled,
        call: &Call,
        expansion: &Expansion,
        vars: &Vars,
    ) -> Result<Concrete, String> {
        if let Some(text) = &expansion.skip {
            return Ok(Concrete::Skip(skip_reason(text)));
        }
        if expansion.items.is_some()
            && let Some(text) = &call.when
        {
            check_when(call, text, vars)?;
            let rendered = render_text(text, vars)?;
            if !when::evaluate(&rendered.text, &mut Fuel::default()).map_err(|e| e.to_string())? {
                return Ok(Concrete::Skip(skip_reason(&rendered.text)));
            }
        }
        let rendered = call.body.render(vars, &mut Fuel::default()).map_err(|e| e.to_string())?;
        let mut absent = Vec::new();
        if !rendered.absent.is_empty() {
            absent = absent_arguments(&rendered.value, vars);
            let handled = |name: &String| absent.iter().any(|(_, tag)| tag == name);
            let rest: Vec<String> = rendered.absent.iter().filter(|name| !handled(name)).cloned().collect();
            check(&[], &rest)?;
        }
        check(&rendered.unresolved, &[])?;
        let tainted = taint::arguments(&call.body, &rendered.value, vars)?;
        let mut target = self.target(boundary, compiled, rendered.value, vars)?;
        target.passed.tainted.extend(tainted);
        target.passed.absent = absent.iter().map(|(name, _)| name.clone()).collect();
        target.passed.arguments.parameters.retain(|p| !target.passed.absent.contains(&p.name));
        if let Some(inline) = &call.inline {
            target.captured = capture(inline, vars);
            let stranger = |name: &&String| vars.is_tainted(name);
            target.passed.tainted.extend(target.captured.keys().filter(stranger).cloned());
        }
        Ok(Concrete::Run(Box::new(target)))
    }

    fn target(
        &self,
        boundary: NodeIx,
        compiled: &Compiled,
        value: Value,
        vars: &Vars,
    ) -> Result<Target, String> {
        #[derive(serde::Deserialize, Default)]
        #[serde(rename_all = "camelCase", default)]
        struct Body {
            template: String,
            template_ref: Option<TemplateRef>,
            arguments: Arguments,
        }
        let body: Body = typed(value)?;
        let mut arguments = body.arguments;
        let mut tainted = BTreeSet::new();
        for parameter in &mut arguments.parameters {
            let Some(from) = parameter.value_from.as_ref().filter(|from| !from.expression.is_empty()) else {
                continue;
            };
            if Program::compile(&from.expression).is_ok_and(|program| program.is_tainted(vars)) {
                tainted.insert(format!("inputs.parameters.{}", parameter.name));
            }
            parameter.value = Some(evaluate(&from.expression, vars)?.into());
            parameter.value_from = None;
        }
        let artifacts = std::mem::take(&mut arguments.artifacts);
        for artifact in artifacts {
            if let Some(found) = self.resolve_artifact(boundary, compiled, artifact, vars)? {
                arguments.artifacts.push(found);
            }
        }
        Ok(Target {
            template: body.template,
            template_ref: body.template_ref,
            passed: Passed { arguments, absent: Vec::new(), tainted },
            captured: BTreeMap::new(),
        })
    }

    /// Replaces `from` and `fromExpression` by the artifact they mean; none when it is optional and missing.
    pub(super) fn resolve_artifact(
        &self,
        boundary: NodeIx,
        compiled: &Compiled,
        artifact: Artifact,
        vars: &Vars,
    ) -> Result<Option<Artifact>, String> {
        let found = if !artifact.from_expression.is_empty() {
            let mut vars = Vars::child(&Arc::new(vars.clone()));
            self.artifact_vars(&mut vars, boundary, compiled, &artifact.from_expression);
            let program = Program::compile(&artifact.from_expression).map_err(|e| e.to_string())?;
            match program.eval(&vars, &mut Fuel::default()) {
                Ok(value @ Value::Object(_)) => Some(Some(typed::<Artifact>(value)?)),
                Ok(_) if artifact.optional => None,
                Ok(other) => {
                    return Err(format!(
                        "unable to resolve references: fromExpression `{}` gave {other}, which is not an artifact",
                        artifact.from_expression
                    ));
                }
                Err(_) if artifact.optional => None,
                Err(error) => return Err(format!("unable to resolve references: {error}")),
            }
        } else if artifact.from.is_empty() {
            return Ok(Some(artifact));
        } else {
            self.artifact(boundary, compiled, &artifact_name(&artifact))
        };
        let mut found = match found {
            Some(Some(found)) => found,
            Some(None) => Artifact::default(),
            None if artifact.optional
                || self.is_optional_output(boundary, compiled, &artifact_name(&artifact)) =>
            {
                return Ok(None);
            }
            None => {
                return Err(format!("unable to resolve references: Unable to resolve: {}", artifact.from));
            }
        };
        found.name = artifact.name;
        found.optional |= artifact.optional;
        if !artifact.sub_path.is_empty() {
            let text = Text::compile(&artifact.sub_path).map_err(|e| e.to_string())?;
            let sub = render_text(&text, vars)?.text;
            found.sub_path =
                if found.sub_path.is_empty() { sub } else { format!("{}/{sub}", found.sub_path) };
        }
        if artifact.archive.is_some() {
            found.archive = artifact.archive;
        }
        Ok(Some(found))
    }
}

/// What an artifact's `from` refers to, without its braces.
fn artifact_name(artifact: &Artifact) -> String {
    let name = artifact.from.trim().trim_start_matches("{{").trim_end_matches("}}").trim();
    name.strip_prefix('=').map_or(name, str::trim).to_owned()
}

/// Adds `item` and `item.<key>` of one loop item, and whether it is of an event.
pub(crate) fn item_vars(vars: &mut Vars, item: &Value, tainted: bool) {
    if tainted {
        let keys = item.as_object().into_iter().flatten().map(|(key, _)| format!("item.{key}"));
        keys.chain(["item".to_owned()]).for_each(|name| vars.taint(name));
    }
    match item {
        Value::Object(map) => {
            vars.set("item", item.to_string());
            for (key, value) in map {
                let text = match value {
                    Value::Object(_) | Value::Array(_) => value.to_string(),
                    _ => item_text(value),
                };
                vars.set(format!("item.{key}"), text);
            }
        }
        Value::Array(_) => vars.set("item", item.to_string()),
        Value::Null | Value::String(_) | Value::Bool(_) | Value::Number(_) => {
            vars.set("item", item_text(item))
        }
    }
}

/// Name of a call, or of one item of its loop.
pub(crate) fn call_name(call: &Call, item: Option<(usize, &Value)>) -> String {
    match item {
        Some((index, item)) => loop_name(&call.name, index, item),
        None => call.name.clone(),
    }
}

/// Text of an expression's value, as `valueFrom.expression` gives it.
pub(crate) fn evaluate(expression: &str, vars: &Vars) -> Result<String, String> {
    let program = Program::compile(expression).map_err(|e| format!("failed to evaluate expression: {e}"))?;
    match program.eval(vars, &mut Fuel::default()) {
        Ok(Value::Null) => Err(format!("failed to evaluate expression {expression:?}: it is nil")),
        Ok(Value::String(text)) => Ok(text),
        Ok(other) => Ok(other.to_string()),
        Err(error) => Err(format!("failed to evaluate expression {expression:?}: {error}")),
    }
}

/// Evaluates a condition of a hook or retry.
pub(super) fn condition(expression: &str, vars: &Vars) -> Result<bool, String> {
    let program = Program::compile(expression).map_err(|e| e.to_string())?;
    match program.eval(vars, &mut Fuel::default()).map_err(|e| e.to_string())? {
        Value::Bool(yes) => Ok(yes),
        Value::String(text) if text == "true" || text == "false" => Ok(text == "true"),
        other => Err(format!("expression {expression:?} gave {other} instead of true or false")),
    }
}

/// Renders a text in which earlier results must resolve.
pub(super) fn render_text(text: &Text, vars: &Vars) -> Result<Rendered, String> {
    let rendered = text.render(vars, &mut Fuel::default()).map_err(|e| e.to_string())?;
    check(&rendered.unresolved, &rendered.absent)?;
    Ok(rendered)
}

/// References to earlier results must resolve; artifacts are looked at separately.
fn check(unresolved: &[String], absent: &[String]) -> Result<(), String> {
    if let Some(name) = absent.first() {
        return Err(format!(
            "unable to substitute {{{{{name}}}}}: output is an absent optional (skipped/omitted node with no default)"
        ));
    }
    let strict = |name: &&String| {
        let name = name.trim_start_matches('=').trim();
        (name.starts_with("steps.") || name.starts_with("tasks.")) && !name.contains(".outputs.artifacts.")
    };
    match unresolved.iter().find(strict) {
        Some(name) => Err(format!("failed to resolve {{{{{name}}}}}")),
        None => Ok(()),
    }
}

/// Parameters whose whole value is one reference to an absent output: name and tag.
fn absent_arguments(body: &Value, vars: &Vars) -> Vec<(String, String)> {
    let parameters = body.pointer("/arguments/parameters").and_then(Value::as_array);
    let pure = |parameter: &Value| {
        let value = parameter.get("value")?.as_str()?;
        let tag = value.strip_prefix("{{")?.strip_suffix("}}")?.trim();
        matches!(vars.get(tag), Some(Var::Absent)).then_some(())?;
        Some((parameter.get("name")?.as_str()?.to_owned(), tag.to_owned()))
    };
    parameters.into_iter().flatten().filter_map(pure).collect()
}

/// Values of the variables that an inline template takes from the scope around it.
fn capture(inline: &Compiled, vars: &Vars) -> BTreeMap<String, Value> {
    let mut captured = BTreeMap::new();
    let mut keep = |name: &str| {
        if let Some(Var::Value(value)) = vars.get(name) {
            captured.insert(name.to_owned(), value.clone());
        }
    };
    let local = |name: &str| {
        name == "item" || ["item.", "inputs.", "steps.", "tasks."].iter().any(|p| name.starts_with(p))
    };
    for name in vars.names().iter().filter(|name| local(name)) {
        let last = name.rsplit('.').next().unwrap_or(name);
        if inline.text.contains(last)
            && !matches!(name.as_str(), "inputs.parameters" | "steps.name" | "tasks.name")
        {
            keep(name);
        }
    }
    captured
}

fn skip_reason(text: &str) -> String {
    format!("when '{text}' evaluated false")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use runner_workflows::spec::IntOrString;

    fn numbers(
        start: Option<i64>,
        end: Option<i64>,
        count: Option<i64>,
        format: &str,
    ) -> Result<Vec<String>, String> {
        let int = |n: Option<i64>| n.map(IntOrString::Int);
        let made = sequence(&Sequence {
            start: int(start),
            end: int(end),
            count: int(count),
            format: format.into(),
        })?;
        Ok(made.into_iter().map(|v| v.as_str().unwrap_or_default().to_owned()).collect())
    }

    #[test]
    fn sequences_run_both_ways() {
        assert_eq!(numbers(None, None, Some(3), "").unwrap(), ["0", "1", "2"]);
        assert_eq!(numbers(Some(3), Some(1), None, "").unwrap(), ["3", "2", "1"]);
        assert_eq!(numbers(Some(1), None, Some(2), "testuser%02X").unwrap(), ["testuser01", "testuser02"]);
        assert!(numbers(None, None, Some(0), "").unwrap().is_empty());
        assert!(numbers(None, None, None, "").is_err());
    }

    #[test]
    fn f57_endless_sequences_are_refused() {
        assert!(numbers(Some(0), Some(i64::MAX), None, "").is_err());
        assert!(numbers(Some(i64::MIN), Some(i64::MAX), None, "").is_err());
    }

    #[test]
    fn printf_knows_flags() {
        assert_eq!(printf("%05d|%-3d|%+d|%%", 7).unwrap(), "00007|7  |+7|%");
        assert!(printf("%q", 1).is_err());
        assert!(printf("%", 1).is_err());
    }
}
