//! Hostile expressions end fast with a typed error (F57, V4, V5).
//! Timing bounds are wide: they catch hangs, not slowness.

use std::time::{Duration, Instant};

use super::super::{ExprErrorKind, Fuel, Program, Text, Tree, Vars, when};

fn kind_of(source: &str) -> Option<ExprErrorKind> {
    match Program::compile(source) {
        Err(error) => Some(error.kind),
        Ok(program) => program.eval(&Vars::new(), &mut Fuel::default()).err().map(|e| e.kind),
    }
}

#[test]
fn f57_hostile_expressions_run_out_of_fuel_fast() {
    let nested_map = "map(1..1000, map(1..1000, map(1..1000, # + #)))";
    let doubling =
        format!("let a = 'xxxxxxxxxxxxxxxx'; {}a", "let a = a + a + a + a + a + a + a + a; ".repeat(20));
    let lists = format!("let a = [1]; {}a", "let a = concat(a, a, a, a, a, a, a, a); ".repeat(20));
    let table = [
        "1..1000000000",
        "len(-9223372036854775807..9223372036854775807)",
        "repeat('x', 1000000000000)",
        "repeat(repeat('x', 1000000), 1000000)",
        nested_map,
        &doubling,
        &lists,
        "reduce(1..100000, #acc + #acc, 'xxxxxxxx')",
        "reduce(1..100000, [#acc, #acc])",
        "sprig.until(1000000000)",
        "sprig.seq(1, 1, 9223372036854775807)",
        "sprig.untilStep(-9223372036854775807, 9223372036854775807, 1)",
        "sprig.indent(1000000000, 'a')",
        "replace(repeat('a', 1000000), 'a', repeat('b', 1000000))",
        "sprig.replace('a', repeat('b', 1000000), repeat('a', 1000000))",
        "sprig.regexReplaceAll('a', repeat('a', 100000), repeat('$0', 100000))",
        "join(1..900000, repeat('x', 100000))",
        "'a' matches repeat('(', 5000)",
        "'a' matches '(((((a{1,100}){1,100}){1,100}){1,100}){1,100})'",
        "'a' matches repeat('(', 60) + 'a' + repeat(')', 60)",
        "uniq(1..100000)",
        "any(1..100000, any(1..100000, # < 0))",
        "sortBy(1..100000, toJson(map(1..1000, #)))",
    ];
    for source in table {
        let start = Instant::now();
        let kind = kind_of(source);
        let took = start.elapsed();
        let shown: String = source.chars().take(80).collect();
        assert_eq!(kind, Some(ExprErrorKind::Fuel), "{shown}");
        assert!(took < Duration::from_secs(30), "{shown} took {took:?}");
    }
}

#[test]
fn f57_depth_is_bounded_without_overflow() {
    let n = 100_000;
    let table = [
        "(".repeat(n / 2),
        format!("{}1{}", "(".repeat(20_000), ")".repeat(20_000)),
        "[".repeat(n / 2),
        "{a:".repeat(20_000),
        "!".repeat(n / 2),
        "-".repeat(n / 2),
        format!("1{}", " ** 1".repeat(10_000)),
        format!("true{}", " ? true : true".repeat(4_000)),
        "abs(".repeat(10_000),
        "map([1], ".repeat(6_000),
        "let a = 1; ".repeat(5_000),
        format!("{}1", "if true {".repeat(5_000)),
    ];
    for source in table {
        let kind = kind_of(&source);
        assert!(kind == Some(ExprErrorKind::Fuel) || kind == Some(ExprErrorKind::Syntax), "{kind:?}");
    }
    // The deepest that is allowed is evaluated on a small stack.
    let deepest = |open: &str, inner: &str, close: &str, n: usize| {
        format!("{}{inner}{}", open.repeat(n), close.repeat(n))
    };
    for source in [
        deepest("(", "1", ")", 94),
        deepest("abs(0 + 1 * -2 ** ", "1", ")", 30),
        deepest("string(true || false && 1 == 1 + len(", "'a'", "))", 45),
        deepest("len(map([1], {", "1", "}))", 30),
        deepest("[", "1", "]", 94),
        deepest("let x = {a: [", "1", "]}; x.a", 30),
        deepest("if true {", "1", "} else { 2 }", 94),
    ] {
        let program = Program::compile(&source).map(|_| ());
        assert_eq!(program, Ok(()), "{source}");
        let worker = std::thread::Builder::new().stack_size(2 * 1024 * 1024).spawn(move || {
            Program::compile(&source).map(|p| p.eval(&Vars::new(), &mut Fuel::default()).is_ok())
        });
        assert!(worker.unwrap().join().is_ok());
    }
    // Long is not deep.
    let long = format!("0{}", " + 1".repeat(10_000));
    assert_eq!(super::eval(&long), Ok(serde_json::json!(10_000)));
    let long = format!("false{}", " || false".repeat(5_000));
    assert_eq!(super::eval(&long), Ok(serde_json::json!(false)));
    let long = format!("[1]{}", " | map(#)".repeat(1_000));
    assert_eq!(super::eval(&long), Ok(serde_json::json!([1])));
}

#[test]
fn f57_texts_and_conditions_are_bounded() {
    assert!(Text::compile(&"{{".repeat(200_000)).is_err());
    assert!(Text::compile(&format!("{}x{}", "{{a".repeat(500), "}}".repeat(500))).is_err());
    let start = Instant::now();
    assert!(Text::compile(&format!("{{{{={}", "}} ".repeat(100_000))).is_err());
    assert!(when::evaluate(&"(".repeat(100_000), &mut Fuel::default()).is_err());
    assert!(when::evaluate(&"!".repeat(100_000), &mut Fuel::default()).is_err());
    assert!(when::evaluate(&format!("1{}", " + 1".repeat(20_000)), &mut Fuel::default()).is_err());
    assert!(when::evaluate(&"a ? ".repeat(20_000), &mut Fuel::default()).is_err());
    assert!(start.elapsed() < Duration::from_secs(3));
    let error = when::evaluate("a =~ 'a{1000}{1000}{1000}'", &mut Fuel::default()).unwrap_err();
    assert_eq!(error.kind, ExprErrorKind::Fuel);
    let mut deep = serde_json::json!("{{x}}");
    for _ in 0..200 {
        deep = serde_json::json!([deep]);
    }
    assert_eq!(Tree::compile(&deep).unwrap_err().1.kind, ExprErrorKind::Fuel);
    let mut vars = Vars::new();
    vars.set("big", "x".repeat(1_000_000));
    let text = Text::compile(&"{{big}}".repeat(1_000)).unwrap();
    assert_eq!(text.render(&vars, &mut Fuel::default()).unwrap_err().kind, ExprErrorKind::Fuel);
}

#[test]
fn f57_jsonpath_is_bounded() {
    let mut document = serde_json::json!(1);
    for _ in 0..100 {
        document = serde_json::json!([document, 1]);
    }
    let mut vars = Vars::new();
    vars.set("doc", document.to_string());
    for path in [
        "$..*..*..*..*",
        "$..[?(@..*)]..[?(@..*)]..*",
        "$..[*,*,*,*,*,*,*,*]..[*,*,*,*,*,*,*,*]..[*,*,*,*,*,*,*]..*",
    ] {
        let start = Instant::now();
        let program = Program::compile(&format!("jsonpath(doc, '{path}')")).unwrap();
        let error = program.eval(&vars, &mut Fuel::default()).unwrap_err();
        assert_eq!(error.kind, ExprErrorKind::Fuel, "{path}");
        assert!(start.elapsed() < Duration::from_secs(3), "{path}");
    }
    assert!(super::eval(&format!("jsonpath('[]', '$[?{}')", "(".repeat(30_000))).is_err());
    assert!(super::eval(&format!("jsonpath('[]', '$[?(@{}')", "[?(@".repeat(10_000))).is_err());
}

#[test]
fn v4_there_is_no_way_outside() {
    for source in ["sprig.env('PATH')", "sprig.expandenv('$PATH')", "env('PATH')", "sprig.getHostByName('x')"]
    {
        assert!(Program::compile(source).is_err(), "{source}");
    }
}

#[test]
fn v5_regexes_are_linear() {
    let start = Instant::now();
    assert_eq!(super::eval("repeat('a', 30000) + '!' matches '^(a+)+$'"), Ok(serde_json::json!(false)));
    assert_eq!(
        when::evaluate(&format!("'{}!' =~ '^(a|aa)+$'", "a".repeat(30_000)), &mut Fuel::default()),
        Ok(false)
    );
    assert!(start.elapsed() < Duration::from_secs(3));
}
