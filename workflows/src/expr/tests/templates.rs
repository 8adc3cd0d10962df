//! Texts and trees with tags.
//! That values are not parsed again is also a property test.

use std::sync::Arc;

use super::super::{Fuel, Rendered, Text, Tree, Vars};
use serde_json::json;

fn vars() -> Vars {
    let mut global = Vars::new();
    global.set("workflow.name", "wf-1");
    global.set("workflow.parameters.which", "b");
    let mut vars = Vars::child(&Arc::new(global));
    vars.set("inputs.parameters.a", "1");
    vars.set("inputs.parameters.b", "two");
    vars.set("steps.run-b.status", "Succeeded");
    vars.set("evil", "{{inputs.parameters.a}}");
    vars.set_value("item", json!({"z": 1.0, "a": ["<x>", null]}));
    vars.set_value("n", json!(5));
    vars.set_absent("steps.skipped.outputs.parameters.p");
    vars
}

fn render(text: &str) -> Rendered {
    Text::compile(text).unwrap().render(&vars(), &mut Fuel::default()).unwrap()
}

#[test]
fn simple_tags_are_filled_in() {
    let table = [
        ("plain", "plain"),
        ("", ""),
        ("{{inputs.parameters.a}}", "1"),
        ("{{ inputs.parameters.a }}!", "1!"),
        ("{{workflow.name}}/{{n}}", "wf-1/5"),
        ("{{item}}", r#"{"a":["\u003cx\u003e",null],"z":1}"#),
        ("{{inputs.parameters.{{workflow.parameters.which}}}}", "two"),
        ("{{steps.run-{{ workflow.parameters.which }}.status}} != Succeeded", "Succeeded != Succeeded"),
        ("{ {x} } }} {", "{ {x} } }} {"),
        ("{{evil}}", "{{inputs.parameters.a}}"),
    ];
    for (text, expected) in table {
        let rendered = render(text);
        assert_eq!(rendered.text, expected, "{text}");
        assert_eq!((rendered.unresolved, rendered.absent), (vec![], vec![]), "{text}");
    }
}

#[test]
fn unknown_and_absent_tags_stay_and_are_listed() {
    let rendered = render("{{ user.name }} {{n}} {{steps.skipped.outputs.parameters.p}} {{a.{{b}}}} {{}}");
    assert_eq!(rendered.text, "{{ user.name }} 5 {{steps.skipped.outputs.parameters.p}} {{a.{{b}}}} {{}}");
    assert_eq!(rendered.unresolved, ["user.name", "b", ""]);
    assert_eq!(rendered.absent, ["steps.skipped.outputs.parameters.p"]);
}

#[test]
fn expression_tags() {
    let table = [
        ("{{=asInt(inputs.parameters.a) + 1}}", "2"),
        ("{{= inputs.parameters.b }}", "two"),
        ("{{=[1, 'a', {k: '<'}]}}", r#"[1,"a",{"k":"\u003c"}]"#),
        ("{{=1.0}} {{=1.5}} {{=true}}", "1 1.5 true"),
        ("{{='}}' + `{{`}}", "}}{{"),
        ("{{=toJson({'a': {'b': 1}})}}", r#"{"a":{"b":1}}"#),
        ("{{= {'a': {'b': 1}} }}", r#"{"a":{"b":1}}"#),
        ("{{=filter(['main.log'], {# endsWith \"main.log\"})}}", r#"["main.log"]"#),
        ("{{=steps.skipped.outputs.parameters.p ?? 'fallback'}}", "fallback"),
        ("{{=nope.x ?? 'fallback'}}", "fallback"),
        ("{{=inputs?.nope?.x ?? 'fallback'}}", "fallback"),
        ("{{=evil}}", "{{inputs.parameters.a}}"),
        ("{{=item.a[0]}}", "<x>"),
    ];
    for (text, expected) in table {
        let rendered = render(text);
        assert_eq!(rendered.text, expected, "{text}");
        assert_eq!((rendered.unresolved, rendered.absent), (vec![], vec![]), "{text}");
    }
    let table: [(&str, &[&str], &[&str]); 6] = [
        ("{{=nope}}", &["nope"], &[]),
        ("{{=asInt(retries) + 1}}", &["retries"], &[]),
        ("{{=inputs.parameters.nope}}", &["inputs.parameters.nope"], &[]),
        ("{{=steps['later'].outputs.result}}", &["steps.later"], &[]),
        ("{{=steps.skipped.outputs.parameters.p}}", &[], &["steps.skipped.outputs.parameters.p"]),
        ("{{=nil}}", &["=nil"], &[]),
    ];
    for (text, unresolved, absent) in table {
        let rendered = render(text);
        assert_eq!(rendered.text, text);
        assert_eq!(rendered.unresolved, unresolved, "{text}");
        assert_eq!(rendered.absent, absent, "{text}");
    }
}

#[test]
fn template_errors_say_where() {
    let error = Text::compile("ab {{x").unwrap_err();
    assert_eq!(error.offset, Some(3));
    assert!(error.message.contains("Cannot find end tag"), "{error}");
    let error = Text::compile("ab {{= 1 + }} c").unwrap_err();
    assert_eq!(error.offset, Some(11), "{error}");
    let error =
        Text::compile("ab {{= 1 + 'a' }}").unwrap().render(&vars(), &mut Fuel::default()).unwrap_err();
    assert_eq!(error.offset, Some(9), "{error}");
}

#[test]
fn tags_and_single_tags() {
    let text = Text::compile("{{ a }} {{=b.c + 'x'}} {{d.{{e}}}}").unwrap();
    let tags: Vec<_> = text.tags().into_iter().map(|t| (t.name, t.is_expr, t.offset, t.references)).collect();
    let owned = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
    assert_eq!(
        tags,
        [
            ("a".to_owned(), false, 0, owned(&["a"])),
            ("b.c + 'x'".to_owned(), true, 8, owned(&["b.c"])),
            ("d.{{e}}".to_owned(), false, 23, owned(&["e"])),
        ]
    );
    assert_eq!(
        Text::compile("{{ steps.a.outputs.result }}").unwrap().is_single_tag(),
        Some("steps.a.outputs.result")
    );
    for other in ["x{{a}}", "{{a}} ", "{{=a}}", "{{a.{{b}}}}", "a", ""] {
        assert_eq!(Text::compile(other).unwrap().is_single_tag(), None, "{other}");
    }
    assert!(Text::compile("a } b").unwrap().is_literal());
}

#[test]
fn trees_render_leaves_and_keys() {
    let source = json!({
        "{{workflow.name}}": ["{{n}}", 7, {"deep/er": "{{later}} {{steps.skipped.outputs.parameters.p}}"}],
        "constant": {"x": [1, null, true, "text"]},
    });
    let tree = Tree::compile(&source).unwrap();
    assert!(!tree.is_literal());
    let rendered = tree.render(&vars(), &mut Fuel::default()).unwrap();
    assert_eq!(
        rendered.value,
        json!({
            "wf-1": ["5", 7, {"deep/er": "{{later}} {{steps.skipped.outputs.parameters.p}}"}],
            "constant": {"x": [1, null, true, "text"]},
        })
    );
    assert_eq!(rendered.unresolved, ["later"]);
    assert_eq!(rendered.absent, ["steps.skipped.outputs.parameters.p"]);
    let names: Vec<_> = tree.located_tags().into_iter().map(|(p, t)| (p, t.name)).collect();
    assert_eq!(names[0], ("/{{workflow.name}}".to_owned(), "workflow.name".to_owned()));
    assert_eq!(names[2], ("/{{workflow.name}}/2/deep~1er".to_owned(), "later".to_owned()));
    let (pointer, error) = Tree::compile(&json!({"a": ["ok", "{{=1 +}}"]})).unwrap_err();
    assert_eq!((pointer.as_str(), error.offset), ("/a/1", Some(6)));
    assert!(Tree::compile(&json!({"a": [1, "x"]})).unwrap().is_literal());
}

#[test]
fn vars_nest_as_argo_expands_them() {
    let mut parent = Vars::new();
    parent.set("a.b", "1");
    parent.set("a.b.c", "2");
    parent.set("gone", "x");
    let mut child = Vars::child(&Arc::new(parent));
    child.set("a.d-e.f", "3");
    child.set_absent("a.nil");
    child.remove("gone");
    assert_eq!(child.nested(), json!({"a": {"b": {"c": "2"}, "d-e": {"f": "3"}, "nil": null}}));
    assert_eq!(child.names(), ["a.b", "a.b.c", "a.d-e.f", "a.nil"]);
    assert!(child.get("gone").is_none());
}
