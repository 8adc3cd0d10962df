//! Taint: values of events in a run, and the refusal to let them become code (reliability V1). A run carries the names of
//! the variables that a trigger filled in as an annotation, a node the names of those of its own.
//! Looks at no output: what a step writes is the step's own word.

use std::collections::BTreeSet;

use runner_workflows::expr::{Splice, Text, Tree, Vars, is_plain, offending};
use runner_workflows::spec::Template;
use serde_json::Value;

/// Annotation of a workflow: the variables that hold values of events, separated by commas. `workflow.parameters.app`
/// is one parameter, `workflow.labels` all labels.
pub const FROM_EVENTS: &str = "runner/from-events";
/// Annotation of a template: `"true"` lets it take values of events into its code.
pub const ALLOW_SPLICE: &str = "runner/allow-unsafe-splice";

/// What understands a text as a program.
const INTERPRETERS: [&str; 25] = [
    "sh",
    "bash",
    "dash",
    "ash",
    "zsh",
    "ksh",
    "fish",
    "python",
    "python2",
    "python3",
    "perl",
    "ruby",
    "node",
    "nodejs",
    "deno",
    "php",
    "lua",
    "tclsh",
    "Rscript",
    "pwsh",
    "powershell",
    "awk",
    "gawk",
    "mawk",
    "jq",
];
/// What hands all of its further arguments to a shell.
const REMOTE: [&str; 4] = ["ssh", "eval", "su", "parallel"];

/// Whether a template wants values of events in its code.
#[must_use]
pub fn allows(template: &Template) -> bool {
    let yes = |map: &std::collections::BTreeMap<String, String>| {
        map.get(ALLOW_SPLICE).is_some_and(|text| text == "true")
    };
    yes(&template.metadata.annotations) || yes(&template.annotations)
}

/// Whether the text at a JSON pointer of a template is understood as code, and how the place is called.
#[must_use]
pub fn is_code(template: &Value, pointer: &str) -> bool {
    let fixed = ["/script/source", "/resource/manifest", "/podSpecPatch", "/retryStrategy/expression"];
    if fixed.contains(&pointer) || pointer.starts_with("/resource/flags/") || pointer.ends_with("/expression")
    {
        return true;
    }
    let Some((holder, place)) = pointer.rsplit_once('/') else { return false };
    let Ok(place) = place.parse::<usize>() else { return false };
    let Some((container, list)) = holder.rsplit_once('/') else { return false };
    let texts = |name: &str| -> Vec<&str> {
        let list = template.pointer(&format!("{container}/{name}")).and_then(Value::as_array);
        list.into_iter().flatten().map(|item| item.as_str().unwrap_or_default()).collect()
    };
    let command = texts("command");
    let at = match list {
        "command" => place,
        "args" => command.len() + place,
        _ => return false,
    };
    let argv: Vec<&str> = command.iter().copied().chain(texts("args")).collect();
    at == 0 && !command.is_empty() || code_of(&argv, command.is_empty()).contains(&at)
}

/// The places of a command line that are code: options of an interpreter, and its program. What follows the program
/// are its arguments, which are data. An image's own entrypoint may be an interpreter: then `-c` says so.
fn code_of(argv: &[&str], unknown: bool) -> BTreeSet<usize> {
    let base = |text: &str| text.rsplit('/').next().unwrap_or_default().trim_end_matches(".exe").to_owned();
    let is = |list: &[&str], text: &str| {
        let name = base(text);
        list.contains(&name.as_str())
            || list.contains(&name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.'))
    };
    if let Some(first) = argv.iter().position(|text| is(&REMOTE, text)) {
        return (first + 1..argv.len()).collect();
    }
    let start = match argv.iter().position(|text| is(&INTERPRETERS, text)) {
        Some(at) => at + 1,
        None if unknown && argv.first().is_some_and(|text| takes_code(text)) => 0,
        None => return BTreeSet::new(),
    };
    let mut code = BTreeSet::new();
    let mut at = start;
    while let Some(text) = argv.get(at) {
        code.insert(at);
        if takes_code(text) {
            code.insert(at + 1);
            break;
        }
        if !text.starts_with('-') {
            break;
        }
        at += 1;
    }
    code
}

/// Options whose argument is a program: `-c`, `-ec`, `-e`, `--eval` and their like.
fn takes_code(option: &str) -> bool {
    let short = option.strip_prefix('-').filter(|rest| !rest.starts_with('-') && !rest.is_empty());
    short.is_some_and(|rest| rest.ends_with(['c', 'e', 'r', 'C', 'E']))
        || matches!(option, "--eval" | "--command" | "-Command" | "--exec" | "-EncodedCommand" | "--print")
}

/// Refuses a template that would take values of events into its code.
///
/// # Errors
/// What stands where, and what to do instead.
pub(crate) fn check_template(
    template: &Template,
    body: &Tree,
    value: &Value,
    vars: &Vars,
) -> Result<(), String> {
    if !vars.has_taint() || allows(template) {
        return Ok(());
    }
    for (pointer, splice) in body.splices(vars).map_err(|error| error.to_string())? {
        if !is_plain(&splice.text) && is_code(value, &pointer) {
            let place = pointer.trim_start_matches('/').replace('/', ".");
            return Err(refusal(&splice, &place));
        }
    }
    Ok(())
}

/// Refuses a condition into which values of events are put as code.
///
/// # Errors
/// As [`check_template`].
pub(crate) fn check_text(text: &Text, place: &str, vars: &Vars) -> Result<(), String> {
    let splices = text.splices(vars).map_err(|error| error.to_string())?;
    match splices.iter().find(|splice| !is_plain(&splice.text)) {
        Some(splice) => Err(refusal(splice, place)),
        None => Ok(()),
    }
}

/// Why a value of an event is not put into code, and what to do.
#[must_use]
pub fn refusal(splice: &Splice, place: &str) -> String {
    let shown = match offending(&splice.text) {
        Some(c) if c.is_ascii_graphic() => format!("`{c}`"),
        Some(' ') => "a space".to_owned(),
        Some(c) => format!("the character U+{:04X}", u32::from(c)),
        None => "an unsafe character".to_owned(),
    };
    let tag = &splice.tag;
    let fix = if place == "when" {
        format!(
            "compare by an expression, which takes it as a value: when: \"{{{{= {} == 'text' }}}}\"",
            tag.trim_start_matches('=')
        )
    } else {
        format!(
            "hand it over as a value, by an environment variable (env: [{{name: VALUE, value: '{{{{{tag}}}}}'}}], then \"$VALUE\")"
        )
    };
    format!(
        "refused before it was started: {{{{{tag}}}}} holds a value of an event with {shown} in it, and {place} would run it as code. \
         Instead {fix}; or annotate the template {ALLOW_SPLICE}: \"true\" if senders of events may write code here"
    )
}

/// Names of parameters in rendered arguments whose values come from events, as variables of the template that gets them.
pub(crate) fn arguments(body: &Tree, value: &Value, vars: &Vars) -> Result<BTreeSet<String>, String> {
    let mut names = BTreeSet::new();
    for (pointer, splice) in body.splices(vars).map_err(|error| error.to_string())? {
        let Some((_, rest)) = pointer.split_once("/parameters/") else { continue };
        if pointer.ends_with("/expression") && !is_plain(&splice.text) {
            return Err(refusal(&splice, "valueFrom.expression"));
        }
        let number = rest.split('/').next().unwrap_or_default();
        let holder = &pointer[..pointer.len() - rest.len()];
        if let Some(name) = value.pointer(&format!("{holder}{number}/name")).and_then(Value::as_str) {
            names.insert(format!("inputs.parameters.{name}"));
        }
    }
    Ok(names)
}

/// Marks the variables of a node of its own.
pub(crate) fn mark(vars: &mut Vars, names: &BTreeSet<String>) {
    for name in names {
        vars.taint(name.clone());
        if name.starts_with("inputs.parameters.") {
            vars.taint("inputs.parameters");
        }
    }
}
