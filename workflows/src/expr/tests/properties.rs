//! Property tests: nothing panics, and values are never parsed again (V2).
//! Random text is biased towards the characters the grammars know.

use proptest::prelude::*;

use super::super::{Fuel, Program, Text, Tree, Var, Vars, depends, when};

#[rustfmt::skip]
const FRAGMENTS: &[&str] = &[
    "{{", "}}", "{{=", "(", ")", "[", "]", "{", "}", "#", ".", "?.", "??", "|", "..", "==", "<",
    "&&", "not ", "in", " ", "let x = ", ";", "map(", "filter(", "reduce(", "sprig.", "list",
    "asInt(", "'", "\"", "`", "\\", "1", "0x", "1e9", "-", "**", "%", "a", "a.b", "steps", "nil",
    "true", "if ", "else", "?", ":", ",", "/*", "//", "é", "\u{1F600}", "=~", "matches ", "@", "$",
    "$env", "date(", "duration(", "jsonpath(", "toJSON(", "split(", "[?(@", "repeat(", "sort(",
    "9223372036854775807", "A.Succeeded", "||", "!",
];

fn fragment() -> impl Strategy<Value = String> {
    let known = prop::sample::select(FRAGMENTS);
    prop_oneof![4 => known.prop_map(str::to_owned), 1 => any::<char>().prop_map(String::from)]
}

fn soup() -> impl Strategy<Value = String> {
    prop::collection::vec(fragment(), 0..24).prop_map(|parts| parts.concat())
}

fn vars() -> Vars {
    let mut vars = Vars::new();
    vars.set("a", "{\"k\": [1, 2, {\"x\": null}]}");
    vars.set("a.b", "text é");
    vars.set_value("x", serde_json::json!([3, 1.5, "s", {"k": -1}]));
    vars.set_absent("steps.s.outputs.result");
    vars
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn f57_random_text_never_panics(text in soup()) {
        let vars = vars();
        if let Ok(program) = Program::compile(&text) {
            let _ = program.references();
            let _ = program.eval(&vars, &mut Fuel::new(20_000).with_memory_bytes(1 << 20));
        }
        if let Ok(compiled) = Text::compile(&text) {
            let _ = (compiled.tags(), compiled.is_single_tag());
            let _ = compiled.render(&vars, &mut Fuel::new(20_000).with_memory_bytes(1 << 20));
        }
        let _ = when::evaluate(&text, &mut Fuel::new(20_000));
        let _ = when::Condition::compile(&text).map(|c| c.eval(&|_| Some(serde_json::json!(1)), &mut Fuel::new(1000)));
        if let Ok(depends) = depends::parse(&text) {
            let _ = depends.evaluate(&|_, _| true);
        }
    }

    #[test]
    fn f57_function_calls_with_odd_arguments_never_panic(
        name in prop::sample::select(super::super::function_names()),
        args in prop::collection::vec(prop::sample::select(vec![
            "nil", "true", "0", "-1", "3", "9223372036854775807", "-9223372036854775807 - 1", "1.5", "0.0", "''",
            "'a'", "'é,ü'", "'2024-01-01T00:00:00Z'", "'1h'", "'('", "'$1'", "'{\"a\":[1]}'", "'$..a[?(@)]'", "[]", "[1,'a',nil]",
            "['b','a']", "[[1],[2]]", "{}", "{a: 1}", "{a: {b: []}}", "date('2024-02-29')", "duration('1h')", "1..5",
        ]), 0..5),
    ) {
        let source = format!("{name}({})", args.join(", "));
        if let Ok(program) = Program::compile(&source) {
            let _ = program.eval(&vars(), &mut Fuel::new(50_000).with_memory_bytes(1 << 20));
        }
    }

    #[test]
    fn f57_more_fuel_never_changes_an_answer_and_every_evaluation_ends(text in soup(), fuel in 1u64..4_000) {
        let vars = vars();
        if let Ok(program) = Program::compile(&text) {
            let little = program.eval(&vars, &mut Fuel::new(fuel).with_memory_bytes(1 << 16));
            let plenty = program.eval(&vars, &mut Fuel::new(200_000).with_memory_bytes(1 << 22));
            match little {
                Err(error) if error.kind == super::super::ExprErrorKind::Fuel => {}
                Err(error) => prop_assert_eq!(Some(error.kind), plenty.err().map(|e| e.kind)),
                Ok(value) => prop_assert_eq!(Some(value), plenty.ok()),
            }
        }
    }

    #[test]
    fn v2_values_are_inserted_verbatim(value in soup(), before in "([a-z }=]|\\{[a-z =])*", after in "[a-z ]{0,6}") {
        let mut vars = Vars::new();
        vars.set("v", value.clone());
        vars.set("a", "LEAK");
        let expected = format!("{before}{value}{after}");
        for tag in ["{{v}}", "{{ v }}", "{{=v}}", "{{= 'x' == 'x' ? v : 'no' }}"] {
            let text = Text::compile(&format!("{before}{tag}{after}")).unwrap();
            let rendered = text.render(&vars, &mut Fuel::default()).unwrap();
            prop_assert_eq!(&rendered.text, &expected);
            prop_assert!(rendered.unresolved.is_empty());
        }
        let tree = Tree::compile(&serde_json::json!({"k": ["{{v}}"]})).unwrap();
        let rendered = tree.render(&vars, &mut Fuel::default()).unwrap();
        prop_assert_eq!(rendered.value, serde_json::json!({"k": [value]}));
    }

    #[test]
    fn literal_texts_come_back_as_they_are(text in soup()) {
        if let Ok(compiled) = Text::compile(&text) {
            let rendered = compiled.render(&Vars::new(), &mut Fuel::default());
            let simple = compiled.tags().iter().all(|t| !t.is_expr);
            if let (Ok(rendered), true) = (rendered, simple) {
                prop_assert_eq!(rendered.text, text);
            }
        }
    }

    #[test]
    fn vars_agree_with_a_flat_map(ops in prop::collection::vec((0usize..6, 0usize..4, any::<bool>()), 0..20)) {
        let names = ["a", "a.b", "a-b", "a.b.c", "b", "b.x"];
        let mut model: std::collections::BTreeMap<&str, String> = std::collections::BTreeMap::new();
        let mut vars = Vars::new();
        for (i, (name, op, layer)) in ops.into_iter().enumerate() {
            if layer {
                vars = Vars::child(&std::sync::Arc::new(vars));
            }
            if op == 0 {
                vars.remove(names[name]);
                model.remove(names[name]);
            } else {
                vars.set(names[name], i.to_string());
                model.insert(names[name], i.to_string());
            }
        }
        prop_assert_eq!(vars.names(), model.keys().map(|k| (*k).to_owned()).collect::<Vec<_>>());
        for name in names {
            let expected = model.get(name).map(|v| Var::Value(serde_json::json!(v)));
            prop_assert_eq!(vars.get(name).cloned(), expected);
            let prefix = format!("{name}.");
            prop_assert_eq!(vars.has_under(&prefix), model.keys().any(|k| k.starts_with(&prefix)));
        }
    }
}
