//! Writes a generated workflow as the YAML that the engine reads.
//! Does not read it back: the language crate does.

use serde_json::{Map, Value, json};

use super::model::{
    Call, Cond, Dag, Dep, Flow, Kind, Leaf, Lock, Make, Needs, Of, Piece, Suspend, Template, Text, With,
};

/// A workflow as YAML text.
pub fn text(flow: &Flow) -> String {
    let mut out = String::new();
    emit(&workflow(flow), 0, &mut out);
    out
}

/// Prints maps and lists in block style, everything else as JSON, which is YAML.
fn emit(value: &Value, indent: usize, out: &mut String) {
    let pad = " ".repeat(indent);
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                out.push_str(&format!("{pad}{key}:"));
                nested(value, indent, out);
            }
        }
        Value::Array(list) if !list.is_empty() => {
            for value in list {
                let mut item = String::new();
                emit(value, indent + 2, &mut item);
                // The dash takes the place of the first line's indentation.
                out.push_str(&format!("{pad}- {}", item.trim_start()));
            }
        }
        other => out.push_str(&format!("{pad}{other}\n")),
    }
}

fn nested(value: &Value, indent: usize, out: &mut String) {
    let block = match value {
        Value::Object(map) => !map.is_empty(),
        Value::Array(list) => !list.is_empty(),
        _ => false,
    };
    if block {
        out.push('\n');
        emit(value, indent + 2, out);
    } else {
        out.push_str(&format!(" {value}\n"));
    }
}

/// A map without the entries that are null.
fn object(entries: Vec<(&str, Value)>) -> Value {
    let present = entries.into_iter().filter(|(_, value)| !value.is_null());
    Value::Object(present.map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>())
}

fn workflow(flow: &Flow) -> Value {
    let name = |template: usize| json!(flow.templates[template].name);
    let parameters: Vec<Value> =
        flow.parameters.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
    let hooks: Map<String, Value> = flow
        .hooks
        .iter()
        .map(|hook| {
            let expression = format!("workflow.status == \"{}\"", hook.phase);
            (hook.name.clone(), json!({ "template": name(hook.template), "expression": expression }))
        })
        .collect();
    let spec = object(vec![
        ("entrypoint", name(flow.entry)),
        ("arguments", some(!parameters.is_empty(), json!({ "parameters": parameters }))),
        ("parallelism", json!(flow.parallelism)),
        ("onExit", flow.on_exit.map_or(Value::Null, name)),
        ("hooks", some(!hooks.is_empty(), Value::Object(hooks))),
        ("activeDeadlineSeconds", json!(flow.deadline_s)),
        ("priority", json!(flow.priority)),
        ("synchronization", flow.lock.as_ref().map_or(Value::Null, lock)),
        ("templates", flow.templates.iter().map(|t| template(flow, t)).collect()),
    ]);
    json!({
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": { "name": flow.name },
        "spec": spec,
    })
}

fn some(yes: bool, value: Value) -> Value {
    if yes { value } else { Value::Null }
}

fn lock(lock: &Lock) -> Value {
    match lock {
        Lock::Mutex(name) => json!({ "mutexes": [{ "name": name }] }),
        Lock::Semaphore => {
            json!({ "semaphores": [{ "configMapKeyRef": { "name": "limits", "key": "s" } }] })
        }
    }
}

fn template(flow: &Flow, template: &Template) -> Value {
    let inputs: Vec<Value> = template
        .inputs
        .iter()
        .map(|input| object(vec![("name", json!(input.name)), ("default", json!(input.default))]))
        .collect();
    let mut out = vec![
        ("name", json!(template.name)),
        ("inputs", some(!inputs.is_empty(), json!({ "parameters": inputs }))),
        ("parallelism", json!(template.parallelism)),
        ("failFast", some(template.fail_fast, json!(true))),
        ("timeout", template.timeout_s.map_or(Value::Null, |s| json!(format!("{s}s")))),
        ("synchronization", template.lock.as_ref().map_or(Value::Null, lock)),
        ("retryStrategy", retry(template)),
    ];
    match &template.kind {
        Kind::Leaf(leaf) => out.extend(leaf_fields(leaf)),
        Kind::Steps(groups) => {
            let group = |calls: &Vec<Call>| calls.iter().map(|c| call(flow, c, "steps")).collect::<Value>();
            out.push(("steps", groups.iter().map(group).collect()));
            out.push(("outputs", outputs(template, "steps")));
        }
        Kind::Dag(graph) => {
            out.push(("dag", dag(flow, graph)));
            out.push(("outputs", outputs(template, "tasks")));
        }
        Kind::Suspend(pause) => out.extend(suspend_fields(pause)),
    }
    object(out)
}

fn retry(template: &Template) -> Value {
    let Some(retry) = &template.retry else { return Value::Null };
    let backoff = retry.backoff.map_or(Value::Null, |(seconds, factor, cap)| {
        object(vec![
            ("duration", json!(format!("{seconds}s"))),
            ("factor", json!(factor)),
            ("cap", cap.map_or(Value::Null, |cap| json!(format!("{cap}s")))),
            ("maxDuration", retry.max_s.map_or(Value::Null, |max| json!(format!("{max}s")))),
        ])
    });
    let expression =
        retry.unless_code.map_or(Value::Null, |code| json!(format!("asInt(lastRetry.exitCode) != {code}")));
    object(vec![
        ("limit", json!(retry.limit)),
        ("retryPolicy", json!(retry.policy)),
        ("expression", expression),
        ("backoff", backoff),
    ])
}

/// What the process is to do stands in its arguments, after the engine has put the values in.
fn leaf_fields(leaf: &Leaf) -> Vec<(&'static str, Value)> {
    let mut words = vec![
        format!("fail={}", leaf.fail),
        format!("error={}", leaf.error),
        format!("lost={}", leaf.lost),
        format!("longest={}", leaf.longest_ms),
        format!("result={}", make(&leaf.result)),
    ];
    if let Some(out) = &leaf.out {
        words.push(format!("out={}", make(out)));
    }
    let body = if leaf.script {
        ("script", json!({ "image": "sim", "command": ["sim"], "source": words.join("\n") }))
    } else {
        ("container", json!({ "image": "sim", "command": ["sim"], "args": words }))
    };
    let out = leaf.out.as_ref().map_or(Value::Null, |_| {
        let from = object(vec![("path", json!("/tmp/out")), ("default", json!(leaf.out_default))]);
        let parameter =
            object(vec![("name", json!("out")), ("valueFrom", from), ("globalName", json!(leaf.global))]);
        json!({ "parameters": [parameter] })
    });
    vec![body, ("outputs", out), ("activeDeadlineSeconds", json!(leaf.deadline_s))]
}

fn make(make: &Make) -> String {
    match make {
        Make::Number => "number".to_owned(),
        Make::List => "list".to_owned(),
        // Leaves refer to no steps, so the family does not matter.
        Make::Text(text) => format!("text:{}", render(text, "steps")),
    }
}

fn suspend_fields(pause: &Suspend) -> Vec<(&'static str, Value)> {
    let duration = pause.seconds.map_or(json!({}), |seconds| json!({ "duration": seconds.to_string() }));
    let outputs = pause.supplied.as_ref().map_or(Value::Null, |default| {
        let from = object(vec![("supplied", json!({})), ("default", json!(default))]);
        json!({ "parameters": [{ "name": "out", "valueFrom": from }] })
    });
    vec![("suspend", duration), ("outputs", outputs)]
}

fn outputs(template: &Template, family: &str) -> Value {
    if template.outputs.is_empty() {
        return Value::Null;
    }
    let parameter = |output: &super::model::Output| {
        let from = object(vec![
            ("parameter", json!(piece(&output.from, family))),
            ("default", json!(output.default)),
        ]);
        json!({ "name": output.name, "valueFrom": from })
    };
    json!({ "parameters": template.outputs.iter().map(parameter).collect::<Vec<_>>() })
}

fn dag(flow: &Flow, dag: &Dag) -> Value {
    let names: Vec<&str> = dag.tasks.iter().map(|task| task.call.name.as_str()).collect();
    let tasks: Vec<Value> = dag
        .tasks
        .iter()
        .map(|task| {
            let mut value = call(flow, &task.call, "tasks");
            let needs = match &task.needs {
                Needs::List(list) if list.is_empty() => None,
                Needs::List(list) => {
                    Some(("dependencies", list.iter().map(|ix| json!(names[*ix])).collect::<Value>()))
                }
                Needs::Depends(dep) => Some(("depends", json!(depends(dep, &names)))),
            };
            if let (Some((key, needs)), Some(map)) = (needs, value.as_object_mut()) {
                map.insert(key.to_owned(), needs);
            }
            value
        })
        .collect();
    let target: Vec<&str> = dag.targets.iter().map(|ix| names[*ix]).collect();
    object(vec![
        ("tasks", Value::Array(tasks)),
        ("target", some(!target.is_empty(), json!(target.join(" ")))),
        ("failFast", json!(dag.fail_fast)),
    ])
}

fn depends(dep: &Dep, names: &[&str]) -> String {
    match dep {
        Dep::Task(task, None) => names[*task].to_owned(),
        Dep::Task(task, Some(result)) => format!("{}.{result}", names[*task]),
        Dep::Not(inner) => format!("!({})", depends(inner, names)),
        Dep::And(a, b) => format!("({} && {})", depends(a, names), depends(b, names)),
        Dep::Or(a, b) => format!("({} || {})", depends(a, names), depends(b, names)),
    }
}

fn call(flow: &Flow, call: &Call, family: &str) -> Value {
    let name = |template: usize| flow.templates[template].name.clone();
    let arguments = |args: &[(String, Text)]| {
        let parameter =
            |(name, text): &(String, Text)| json!({ "name": name, "value": render(text, family) });
        let list: Vec<Value> = args.iter().map(parameter).collect();
        some(!list.is_empty(), json!({ "parameters": list }))
    };
    let mut hooks = Map::new();
    if let Some((template, args)) = &call.exit {
        let hook = object(vec![("template", json!(name(*template))), ("arguments", arguments(args))]);
        hooks.insert("exit".to_owned(), hook);
    }
    if let Some((hook, phase, template)) = &call.hook {
        let expression = format!("{family}[\"{}\"].status == \"{phase}\"", call.name);
        hooks.insert(hook.clone(), json!({ "template": name(*template), "expression": expression }));
    }
    let continue_on = match (call.on_failed, call.on_error) {
        (false, false) => Value::Null,
        (failed, error) => json!({ "failed": failed, "error": error }),
    };
    let mut out = vec![
        ("name", json!(call.name)),
        ("template", json!(name(call.template))),
        ("arguments", arguments(&call.args)),
        ("when", call.when.as_ref().map_or(Value::Null, |cond| json!(condition(cond, family)))),
        ("continueOn", continue_on),
        ("hooks", some(!hooks.is_empty(), Value::Object(hooks))),
    ];
    match &call.with {
        With::None => {}
        With::Items(items) => out.push(("withItems", json!(items))),
        With::Param(from) => out.push(("withParam", json!(piece(from, family)))),
        With::Range(start, end) => out.push(("withSequence", json!({ "start": start, "end": end }))),
        With::Count(count, format) => {
            let sequence = object(vec![("count", json!(count)), ("format", json!(format))]);
            out.push(("withSequence", sequence));
        }
    }
    object(out)
}

fn condition(cond: &Cond, family: &str) -> String {
    format!("{} {} {}", piece(&cond.left, family), cond.op, cond.right)
}

/// A text with its tags.
pub fn render(text: &[Piece], family: &str) -> String {
    text.iter().map(|p| piece(p, family)).collect()
}

fn piece(piece: &Piece, family: &str) -> String {
    match piece {
        Piece::Lit(text) => text.clone(),
        Piece::Input(name) => format!("{{{{inputs.parameters.{name}}}}}"),
        Piece::Item => "{{item}}".to_owned(),
        Piece::ItemKey(key) => format!("{{{{item.{key}}}}}"),
        Piece::Step(name, Of::Result) => format!("{{{{{family}.{name}.outputs.result}}}}"),
        Piece::Step(name, Of::Out) => format!("{{{{{family}.{name}.outputs.parameters.out}}}}"),
        Piece::Step(name, Of::Status) => format!("{{{{{family}.{name}.status}}}}"),
        Piece::Step(name, Of::ExitCode) => format!("{{{{{family}.{name}.exitCode}}}}"),
        Piece::Global(name) => format!("{{{{workflow.parameters.{name}}}}}"),
        Piece::GlobalOutput(name) => format!("{{{{workflow.outputs.parameters.{name}}}}}"),
        Piece::WorkflowStatus => "{{workflow.status}}".to_owned(),
        Piece::Retries => "{{retries}}".to_owned(),
    }
}
