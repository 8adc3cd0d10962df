//! Go templates with sprig's functions: `dataTemplate`, `contextTemplate` and the `template` of data filters.
//! No clock, environment or randomness; time and memory are bounded.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::sync::{Arc, LazyLock};

use gotmpl::parse::{CommandNode, Expr, ListNode, Node};
use gotmpl::{FuncMap, Template, TemplateError, Value as GoValue};
use runner_workflows::expr::{Fuel, Program, Value, Vars, function_names};

/// Name of the template itself, as errors show it.
const NAME: &str = "param";
/// Name of its body after [`print_as_go`]; no template can define it.
const MAIN: &str = "(main)";
/// Name of the function that prints; no template can call it by this name.
const PRINT: &str = "(print)";
/// Most bytes of a template.
const SOURCE_LIMIT: usize = 64 << 10;
/// Most bytes of a result.
const OUTPUT_LIMIT: usize = 1 << 20;
/// Most rounds of all loops together.
const ROUNDS_LIMIT: u64 = 100_000;
/// Most arguments of a function.
const ARGUMENTS_LIMIT: usize = 64;
/// Steps of one call of a function.
const CALL_STEPS: u64 = 200_000;

/// Fills a template; the value is `.Input`, its numbers are floats as Go reads JSON.
///
/// # Errors
/// What is wrong with the template or its use, and that the result is empty or `<no value>`, as Argo has it.
pub fn render(source: &str, input: &Value) -> Result<String, String> {
    let template = parse(source)?;
    let mut data = BTreeMap::new();
    data.insert(Arc::from("Input"), to_go(input));
    let mut out = Bounded(String::new());
    if template.lookup(MAIN).is_some() {
        let data = GoValue::Map(Arc::new(data));
        template.execute_template_fmt(&mut out, MAIN, &data).map_err(|error| error.to_string())?;
    }
    if out.0.is_empty() || out.0 == "<no value>" {
        return Err(format!("template '{source}' evaluated to empty string or no value"));
    }
    Ok(out.0)
}

/// Whether a template can be parsed.
///
/// # Errors
/// A sentence for people.
pub fn check(source: &str) -> Result<(), String> {
    parse(source).map(|_| ())
}

fn parse(source: &str) -> Result<Template, String> {
    if source.len() > SOURCE_LIMIT {
        return Err(format!("the template has {} bytes, more than {SOURCE_LIMIT}", source.len()));
    }
    let template = Template::new(NAME).max_range_iters(ROUNDS_LIMIT).funcs(FUNCTIONS.clone());
    let mut template = template.parse(source).map_err(|error| error.to_string())?;
    let names: Vec<String> = template.templates().into_iter().map(str::to_owned).collect();
    for name in names {
        if let Some(tree) = template.lookup(&name) {
            let mut tree = tree.clone();
            print_as_go(&mut tree);
            let name = if name == NAME { MAIN } else { &name };
            template = template.add_parse_tree(name, tree);
        }
    }
    Ok(template)
}

/// Ends every pipeline that prints with [`PRINT`].
fn print_as_go(list: &mut ListNode) {
    for node in &mut list.nodes {
        match node {
            Node::List(list) => print_as_go(list),
            Node::Action(action) if action.pipe.decl.is_empty() => {
                let args = vec![Expr::Identifier(action.pos, PRINT.into())];
                action.pipe.commands.push(CommandNode { pos: action.pos, args });
            }
            Node::If(branch) | Node::Range(branch) | Node::With(branch) => {
                print_as_go(&mut branch.body);
                branch.else_body.iter_mut().for_each(print_as_go);
            }
            Node::Define(define) => print_as_go(&mut define.body),
            Node::Action(_) | Node::Text(_) | Node::Template(_) | Node::Break(_) | Node::Continue(_) => {}
        }
    }
}

/// A value as Go's `%v` prints it: floats with an exponent from 1e+06 on, and so inside lists and maps.
fn printed(value: &GoValue) -> GoValue {
    let mut out = String::new();
    match value {
        GoValue::Nil => out.push_str("<no value>"),
        GoValue::Float(_) | GoValue::List(_) | GoValue::Map(_) => print(value, &mut out),
        other => return other.clone(),
    }
    GoValue::String(Arc::from(out))
}

fn print(value: &GoValue, out: &mut String) {
    match value {
        GoValue::Float(number) => out.push_str(&float_text(*number)),
        GoValue::List(list) => {
            out.push('[');
            for (i, value) in list.iter().enumerate() {
                if i > 0 {
                    out.push(' ');
                }
                print(value, out);
            }
            out.push(']');
        }
        GoValue::Map(map) => {
            out.push_str("map[");
            for (i, (key, value)) in map.iter().enumerate() {
                let _ = write!(out, "{}{key}:", if i == 0 { "" } else { " " });
                print(value, out);
            }
            out.push(']');
        }
        other => {
            let _ = write!(out, "{other}");
        }
    }
}

/// A float in Go's shortest form: with an exponent below 1e-04 and from 1e+06 on, as strconv's `%g`.
fn float_text(number: f64) -> String {
    if number == 0.0 || !number.is_finite() {
        return number.to_string();
    }
    let scientific = format!("{number:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        return number.to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

/// The text so far; it stops at the limit.
struct Bounded(String);

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.len() + text.len() > OUTPUT_LIMIT {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

/// sprig's functions, which the expression language has.
static FUNCTIONS: LazyLock<FuncMap> = LazyLock::new(functions);

fn functions() -> FuncMap {
    let names =
        function_names().into_iter().filter_map(|name| name.strip_prefix("sprig.").map(str::to_owned));
    let mut map = FuncMap::new();
    map.insert(
        PRINT.to_owned(),
        Arc::new(|values: &[GoValue]| Ok(values.last().map_or(GoValue::Nil, printed))),
    );
    for name in names {
        let called = name.clone();
        map.insert(name, Arc::new(move |arguments: &[GoValue]| call(&called, arguments)));
    }
    map
}

fn call(name: &str, arguments: &[GoValue]) -> Result<GoValue, TemplateError> {
    let wrong = |message: String| TemplateError::Exec(format!("{name}: {message}"));
    if arguments.len() > ARGUMENTS_LIMIT {
        return Err(wrong(format!("more than {ARGUMENTS_LIMIT} arguments")));
    }
    let mut vars = Vars::new();
    let mut source = format!("sprig.{name}(");
    for (i, argument) in arguments.iter().enumerate() {
        let _ = write!(source, "{}a{i}", if i == 0 { "" } else { ", " });
        vars.set_value(format!("a{i}"), from_go(argument));
    }
    source.push(')');
    let program = Program::compile(&source).map_err(|error| wrong(error.message))?;
    let result = program.eval(&vars, &mut Fuel::new(CALL_STEPS)).map_err(|error| wrong(error.message))?;
    Ok(to_go_exact(&result))
}

/// A JSON value as Go's decoder gives it: every number is a float.
fn to_go(value: &Value) -> GoValue {
    convert(value, true)
}

/// A result of a function: whole numbers are integers.
fn to_go_exact(value: &Value) -> GoValue {
    convert(value, false)
}

fn convert(value: &Value, floats: bool) -> GoValue {
    match value {
        Value::Null => GoValue::Nil,
        Value::Bool(value) => GoValue::Bool(*value),
        Value::Number(number) => match number.as_i64() {
            Some(whole) if !floats => GoValue::Int(whole),
            _ => GoValue::Float(number.as_f64().unwrap_or(0.0)),
        },
        Value::String(text) => GoValue::String(Arc::from(text.as_str())),
        Value::Array(list) => GoValue::List(list.iter().map(|value| convert(value, floats)).collect()),
        Value::Object(map) => {
            let entries = map.iter().map(|(key, value)| (Arc::from(key.as_str()), convert(value, floats)));
            GoValue::Map(Arc::new(entries.collect()))
        }
    }
}

fn from_go(value: &GoValue) -> Value {
    match value {
        GoValue::Nil | GoValue::Function(_) => Value::Null,
        GoValue::Bool(value) => Value::Bool(*value),
        GoValue::Int(value) => Value::from(*value),
        GoValue::Uint(value) => Value::from(*value),
        GoValue::Float(value) => Value::from(*value),
        GoValue::String(text) => Value::String(text.to_string()),
        GoValue::List(list) => Value::Array(list.iter().map(from_go).collect()),
        GoValue::Map(map) => {
            Value::Object(map.iter().map(|(key, value)| (key.to_string(), from_go(value))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::render;

    fn filled(source: &str, input: &Value) -> Result<String, String> {
        render(source, input)
    }

    #[test]
    fn numbers_print_as_go_floats() {
        let input = json!({"n": 3, "big": 1_234_567, "l": [1, "b"], "f": 1.5});
        assert_eq!(filled("{{ .Input.n }}-{{ .Input.f }}", &input).as_deref(), Ok("3-1.5"));
        assert_eq!(filled("{{ .Input.big }}", &input).as_deref(), Ok("1.234567e+06"));
        assert_eq!(filled("{{ .Input.l }}", &input).as_deref(), Ok("[1 b]"));
    }

    #[test]
    fn sprig_is_there_and_the_outside_is_not() {
        let input = json!({"s": "Feature/ABC", "n": 41});
        assert_eq!(
            filled("{{ .Input.s | lower | replace \"/\" \"-\" }}", &input).as_deref(),
            Ok("feature-abc")
        );
        assert_eq!(filled("{{ trunc 3 .Input.s }}", &input).as_deref(), Ok("Fea"));
        assert_eq!(filled("{{ add (int .Input.n) 1 }}", &input).as_deref(), Ok("42"));
        assert_eq!(filled("{{ .Input.x | default \"d\" }}", &input).as_deref(), Ok("d"));
        for outside in ["{{ env \"HOME\" }}", "{{ now }}", "{{ randAlpha 5 }}"] {
            assert!(filled(outside, &input).is_err(), "{outside}");
        }
    }

    #[test]
    fn nothing_is_an_error() {
        assert!(filled("{{ .Input.x }}", &json!({})).is_err());
        assert!(filled("{{ if .Input.x }}a{{ end }}", &json!({})).is_err());
        assert!(filled("{{ .Input.", &json!({})).is_err());
    }

    #[test]
    fn f57_templates_end() {
        let bomb = "{{range .Input}}{{range $.Input}}{{range $.Input}}x{{end}}{{end}}{{end}}";
        assert!(filled(bomb, &json!(vec![1; 1000])).is_err());
        assert!(filled("{{define \"a\"}}{{template \"a\"}}{{end}}{{template \"a\"}}", &json!(1)).is_err());
        assert!(filled("{{ repeat 1000000000 .Input }}", &json!("xxxxxxxxxx")).is_err());
    }
}
