//! Tables of the expression language: literals, operators, access, functions.
//! sprig and templates have their own.

use std::sync::Arc;

use super::super::{ExprErrorKind, Fuel, Program, Vars};
use super::{check, eval, eval_with};
use serde_json::json;

#[test]
fn literals_read_as_in_expr() {
    check(&[
        ("1", "1"),
        ("1_000", "1000"),
        ("0xff", "255"),
        ("0b101", "5"),
        ("0o17", "15"),
        ("1.5", "1.5"),
        (".5", "0.5"),
        ("1e3", "1000"),
        ("2.0", "2"),
        (r#"'a\'b'"#, r#""a'b""#),
        (r#""a\"b\n""#, r#""a\"b\n""#),
        (r"'\x41\u00e9'", r#""Aé""#),
        (r"`a\nb`", r#""a\\nb""#),
        ("true", "true"),
        ("nil", "null"),
        ("[1, 'a', nil,]", r#"[1,"a",null]"#),
        ("{a: 1, 'b c': 2, (\"x\" + \"y\"): 3, 4: 5}", r#"{"4":5,"a":1,"b c":2,"xy":3}"#),
        ("1 /* one */ + 2 // three", "3"),
    ]);
}

#[test]
fn operators_bind_as_in_expr() {
    check(&[
        ("1 + 2 * 3", "7"),
        ("(1 + 2) * 3", "9"),
        ("10 - 2 - 3", "5"),
        ("7 / 2", "3.5"),
        ("6 / 2", "3"),
        ("7 % 3", "1"),
        ("-7 % 3", "-1"),
        ("2 ** 3", "8"),
        ("2 ^ 3 ^ 2", "512"),
        ("-2 ** 2", "-4"),
        ("2 ** -1", "0.5"),
        ("1 + 2.5", "3.5"),
        ("'a' + 'b'", "\"ab\""),
        ("1 < 2 && 2 < 3 || false", "true"),
        ("1 < 2 < 3", "true"),
        ("1 < 3 < 2", "false"),
        ("3 > 2 >= 2 == true", "true"),
        ("1 == 1.0", "true"),
        ("1 == '1'", "false"),
        ("[1,2] == [1,2.0]", "true"),
        ("{a:1} == {'a':1}", "true"),
        ("nil == nil", "true"),
        ("not true", "false"),
        ("!true == false", "true"),
        ("not (1 == 1)", "false"),
        ("true and not false", "true"),
        ("false or true", "true"),
        ("2 in [1,2]", "true"),
        ("3 not in [1,2]", "true"),
        ("'a' in {a: 1}", "true"),
        ("'x' in nil", "false"),
        ("not ('a' in ['a'])", "false"),
        ("'abc' contains 'b'", "true"),
        ("'abc' not contains 'b'", "false"),
        ("'abc' startsWith 'ab'", "true"),
        ("'abc' endsWith 'bc'", "true"),
        ("'abc' matches '^a.c$'", "true"),
        ("'abc' not matches 'z'", "true"),
        ("nil contains 'x'", "false"),
        ("1..3", "[1,2,3]"),
        ("3..1", "[]"),
        ("1..2 + 2", "[1,2,3,4]"),
        ("nil ?? 1", "1"),
        ("nil ?? nil ?? 2", "2"),
        ("false ?? true", "false"),
        ("1 + nil ?? 2", "3"),
        ("nil ?? -1", "-1"),
        ("true ? 1 : 2", "1"),
        ("false ? 1 : true ? 2 : 3", "2"),
        ("true ?: false", "true"),
        ("false ?: 5", "5"),
        ("if 1 > 2 { 'a' } else if 2 > 1 { 'b' } else { 'c' }", "\"b\""),
        ("let x = 2; let y = x * 3; x + y", "8"),
        ("(let x = 1; x) + 1", "2"),
        ("1; 2; 3", "3"),
        ("false && missing.x", "false"),
        ("true || now() == nil", "true"),
    ]);
}

#[test]
fn access_slices_and_pipes() {
    check(&[
        ("[1,2,3][0]", "1"),
        ("[1,2,3][-1]", "3"),
        ("[1,2,3][1:]", "[2,3]"),
        ("[1,2,3][:1]", "[1]"),
        ("[1,2,3][-2:-1]", "[2]"),
        ("[1,2,3][5:9]", "[]"),
        ("'hello'[1:3]", "\"el\""),
        ("{a: {b: 1}}.a.b", "1"),
        ("{a: {b: 1}}['a'].b", "1"),
        ("{a: 1}.b", "null"),
        ("{a: nil}.a?.b.c", "null"),
        ("nil?.[0]", "null"),
        ("{a: nil}.a?.b ?? 'd'", "\"d\""),
        ("'  a ' | trim() | upper()", "\"A\""),
        ("[3,1,2] | sort() | map(# * 2)", "[2,4,6]"),
        ("[1,2,3] | filter(# > 1) | len()", "2"),
        ("'1,2' | split(',') | map(int(#)) | sum()", "3"),
        ("3 | sprig.repeat('x')", "\"xxx\""),
    ]);
    assert!(eval("[1][5]").unwrap_err().contains("out of range"));
    assert!(eval("nil.a").unwrap_err().contains("nil"));
}

#[test]
fn predicates_and_closures() {
    check(&[
        ("all([1,2], # > 0)", "true"),
        ("all([], false)", "true"),
        ("any([1,2], {# > 1})", "true"),
        ("none([1,2], # > 2)", "true"),
        ("one([1,2], # == 2)", "true"),
        ("map(1..3, # * # )", "[1,4,9]"),
        ("map(['a','b'], #index)", "[0,1]"),
        ("map([{n: 1}, {n: 2}], .n)", "[1,2]"),
        ("map([{n: {m: 1}}], {.n.m + 1})", "[2]"),
        ("filter(['x-main.log','y.txt'], {# endsWith \"main.log\"})", "[\"x-main.log\"]"),
        ("find([1,2,3], # > 1)", "2"),
        ("find([1], # > 1)", "null"),
        ("findIndex([1,2,3], # > 1)", "1"),
        ("findLast([1,2,3], # < 3)", "2"),
        ("findLastIndex([1,2,3], # < 3)", "1"),
        ("count([1,2,3], # > 1)", "2"),
        ("count([true,false])", "1"),
        ("sum([1,2,3])", "6"),
        ("sum([1,2.5])", "3.5"),
        ("sum([{n:1},{n:2}], .n)", "3"),
        ("groupBy(['a','bb','c'], len(#))", "{\"1\":[\"a\",\"c\"],\"2\":[\"bb\"]}"),
        ("sortBy([{n:2},{n:1}], .n)", "[{\"n\":1},{\"n\":2}]"),
        ("sortBy([1,3,2], #, 'desc')", "[3,2,1]"),
        ("reduce(1..4, #acc + #)", "10"),
        ("reduce([1,2], #acc + #, 10)", "13"),
        ("groupBy(1..9, # % 2)[0]", "[2,4,6,8]"),
        ("groupBy(1..3, # > 1)[true]", "[2,3]"),
        ("::all([1], # > 0) && ::len([1]) == 1", "true"),
        ("map([[1,2],[3]], sum(map(#, # * 10)))", "[30,30]"),
        ("filter(1..5, let h = # / 2; h > 2)", "[5]"),
    ]);
    assert!(eval("# + 1").unwrap_err().contains("predicate"));
}

#[test]
fn builtin_functions() {
    check(&[
        ("len('héé')", "3"),
        ("len([1,2])", "2"),
        ("len({a:1})", "1"),
        ("int('42')", "42"),
        ("int(3.9)", "3"),
        ("asInt('7')", "7"),
        ("float('1.5')", "1.5"),
        ("asFloat('2')", "2"),
        ("string(1.50)", "\"1.5\""),
        ("string(true)", "\"true\""),
        ("string([1,'a'])", "\"[1 a]\""),
        ("string({a: 1})", "\"map[a:1]\""),
        ("string(1000000.0)", "\"1e+06\""),
        ("type(1)", "\"int\""),
        ("type(1.0)", "\"float\""),
        ("type(nil)", "\"nil\""),
        ("type([])", "\"array\""),
        ("abs(-3)", "3"),
        ("ceil(1.2)", "2"),
        ("floor(-1.2)", "-2"),
        ("round(2.5)", "3"),
        ("max(1, 3, 2)", "3"),
        ("min([4, 2.5])", "2.5"),
        ("mean([1,2,3,4])", "2.5"),
        ("median([3,1,2])", "2"),
        ("bitand(6, 3)", "2"),
        ("bitor(6, 1)", "7"),
        ("bitxor(6, 3)", "5"),
        ("bitnand(6, 3)", "4"),
        ("bitnot(0)", "-1"),
        ("bitshl(1, 4)", "16"),
        ("bitshr(-8, 1)", "-4"),
        ("bitushr(8, 1)", "4"),
    ]);
}

#[test]
fn functions_on_strings_lists_and_times() {
    check(&[
        ("trim('__a__', '_')", "\"a\""),
        ("trimPrefix('abc', 'ab')", "\"c\""),
        ("trimSuffix('abc', 'bc')", "\"a\""),
        ("upper('a') + lower('B')", "\"Ab\""),
        ("split('a,b,c', ',')", "[\"a\",\"b\",\"c\"]"),
        ("split('a,b,c', ',', 2)", "[\"a\",\"b,c\"]"),
        ("splitAfter('a,b', ',')", "[\"a,\",\"b\"]"),
        ("split('ab', '')", "[\"a\",\"b\"]"),
        ("join(['a','b'], '-')", "\"a-b\""),
        ("replace('aaa', 'a', 'b')", "\"bbb\""),
        ("replace('aaa', 'a', 'b', 2)", "\"bba\""),
        ("repeat('ab', 2)", "\"abab\""),
        ("indexOf('abcb', 'b')", "1"),
        ("lastIndexOf('abcb', 'b')", "3"),
        ("indexOf('a', 'z')", "-1"),
        ("hasPrefix('ab', 'a') && hasSuffix('ab', 'b')", "true"),
        ("first([1,2])", "1"),
        ("last([])", "null"),
        ("take([1,2,3], 2)", "[1,2]"),
        ("reverse([1,2])", "[2,1]"),
        ("flatten([1,[2,[3]]])", "[1,2,3]"),
        ("uniq([1,2,1.0])", "[1,2]"),
        ("concat([1],[2,3])", "[1,2,3]"),
        ("sort(['b','a'], 'desc')", "[\"b\",\"a\"]"),
        ("get({a:1}, 'b')", "null"),
        ("get([1,2], 1)", "2"),
        ("keys({b:1,a:2})", "[\"a\",\"b\"]"),
        ("values({b:1,a:2})", "[2,1]"),
        ("toPairs({a:1})", "[[\"a\",1]]"),
        ("fromPairs([['a',1]])", "{\"a\":1}"),
        ("toJSON({a:[1]})", "\"{\\n  \\\"a\\\": [\\n    1\\n  ]\\n}\""),
        ("toJson({b:1,a:'<'})", "\"{\\\"a\\\":\\\"\\\\u003c\\\",\\\"b\\\":1}\""),
        ("fromJSON('{\"a\":[1,2.5]}').a[1]", "2.5"),
        ("type(fromJSON('1'))", "\"float\""),
        ("fromJSON('[1,2]')", "[1,2]"),
        ("toBase64('hi')", "\"aGk=\""),
        ("fromBase64('aGk=')", "\"hi\""),
        ("duration('1h30m').Minutes()", "90"),
        ("max([1, 2, 4, 10], 20, [29, 23, -19])", "29"),
        ("mean(10, [1, 2, 3], 1..9)", "4.6923076923076925"),
        ("median(1..5, 4.9)", "3.5"),
        ("timezone('Europe/Moscow').String()", "\"Europe/Moscow\""),
        ("date('2006.01.02', '2006.01.02').Month()", "1"),
        (
            "date('2023-04-23T00:30:00.000+0100', '2006-01-02T15:04:05-0700', 'America/Chicago').Format('2006-01-02')",
            "\"2023-04-23\"",
        ),
        ("date('2023-04-23', '2006-01-02', 'America/Chicago').In(timezone('UTC')).Hour()", "5"),
        ("string(duration('90s'))", "\"1m30s\""),
        ("date('2023-08-14').Year()", "2023"),
        ("(date('2023-08-14T00:10:00Z') - date('2023-08-14T00:00:00Z')).Seconds()", "600"),
        ("date('2023-08-14', '2006-01-02').Format('Jan 2, 2006')", "\"Aug 14, 2023\""),
        ("date('2023-08-14') < date('2023-08-15')", "true"),
        ("string(date('2023-08-14T10:00:00+02:00') + duration('1h'))", "\"2023-08-14 11:00:00 +0200 +02\""),
    ]);
}

#[test]
fn jsonpath_gives_a_value_or_a_list() {
    let mut vars = Vars::new();
    let config = r#"{"id": 7, "a": {"b": [10, 20]}, "employees": [
        {"name": "Baris", "age": 43}, {"name": "Mo", "age": 42}, {"name": "Jai", "age": 44}]}"#;
    vars.set("workflow.parameters.config", config);
    let table = [
        ("$.id", "7"),
        ("$.a.b[-1]", "20"),
        ("$['a']['b'][0]", "10"),
        ("$.employees[*].name", r#"["Baris","Mo","Jai"]"#),
        ("$.employees[?(@.name==\"Baris\")].age", "[43]"),
        ("$.employees[?(@.age>42 && @.age<44)].age", "[43]"),
        ("$.employees[?(@.age>=43 || @.name=='Mo')].name", r#"["Baris","Mo","Jai"]"#),
        ("$.employees[?(!@.missing)].name", r#"["Baris","Mo","Jai"]"#),
        ("$.employees[0:1]", r#"[{"age":43,"name":"Baris"}]"#),
        ("$.employees[::2].name", r#"["Baris","Jai"]"#),
        ("$.employees[0,2].age", "[43,44]"),
        ("$..age", "[43,42,44]"),
        ("$.a.*", "[[10,20]]"),
        (
            "$",
            r#"{"id":7,"a":{"b":[10,20]},"employees":[{"name":"Baris","age":43},{"name":"Mo","age":42},{"name":"Jai","age":44}]}"#,
        ),
    ];
    for (path, expected) in table {
        let source = format!("jsonpath(workflow.parameters.config, `{path}`)");
        let expected: serde_json::Value = serde_json::from_str(expected).unwrap();
        assert_eq!(eval_with(&source, &vars), Ok(expected), "{path}");
    }
    assert!(eval_with("jsonpath(workflow.parameters.config, '$.nope')", &vars).is_err());
    assert!(eval_with("jsonpath('not json', '$.nope')", &vars).unwrap_err().contains("not JSON"));
    assert_eq!(
        eval_with("jsonpath('[{\"value\":\"true\"}]', '$[0].value') == 'true'", &vars),
        Ok(json!(true))
    );
}

#[test]
fn variables_nest_and_missing_names_are_told() {
    let mut global = Vars::new();
    global.set("workflow.name", "wf");
    global.set("workflow.status", "Failed");
    let mut vars = Vars::child(&Arc::new(global));
    vars.set("inputs.parameters.a", "1");
    vars.set("inputs.parameters.with-dash", "2");
    vars.set("inputs.parameters", "[{\"name\":\"a\"}]");
    vars.set("steps.step-1.status", "Running");
    vars.set_absent("tasks.producer.outputs.parameters.msg");
    vars.set_value("item", json!({"k": [1, 2]}));
    let ok = |source: &str, expected: serde_json::Value| {
        assert_eq!(eval_with(source, &vars), Ok(expected), "{source}");
    };
    ok("workflow.name + '/' + workflow.status", json!("wf/Failed"));
    ok("asInt(inputs.parameters.a) + 1", json!(2));
    ok("inputs.parameters['with-dash']", json!("2"));
    ok("inputs.parameters", json!({"a": "1", "with-dash": "2"}));
    ok("keys(inputs.parameters)", json!(["a", "with-dash"]));
    ok("'a' in inputs.parameters", json!(true));
    ok("steps[\"step-1\"].status == \"Running\"", json!(true));
    ok("$env.workflow.name", json!("wf"));
    ok("tasks.producer.outputs.parameters.msg ?? 'd'", json!("d"));
    ok("tasks.producer.outputs.parameters.msg", json!(null));
    ok("tasks.nobody.outputs.parameters.msg ?? 'd'", json!("d"));
    ok("nobody.at.all ?? 'd'", json!("d"));
    ok("inputs.parameters.missing", json!(null));
    ok("inputs.parameters.missing == nil", json!(true));
    ok("inputs?.missing?.deeper", json!(null));
    ok("item.k[1]", json!(2));
    ok("let p = inputs.parameters; p.a", json!("1"));
    for (source, name) in
        [("workflo.name", "workflo"), ("steps['step-2'].status", "steps.step-2"), ("nothing", "nothing")]
    {
        let error = Program::compile(source).unwrap().eval(&vars, &mut Fuel::default()).unwrap_err();
        assert_eq!((error.kind, error.name.as_deref()), (ExprErrorKind::UnknownName, Some(name)), "{source}");
    }
    let error = eval_with("workflo.name", &vars).unwrap_err();
    assert!(error.contains("did you mean 'workflow'"), "{error}");
}

#[test]
fn errors_have_kind_and_offset() {
    let table: &[(&str, ExprErrorKind, usize)] = &[
        ("", ExprErrorKind::Syntax, 0),
        ("1 +", ExprErrorKind::Syntax, 3),
        ("(1", ExprErrorKind::Syntax, 2),
        ("a b", ExprErrorKind::Syntax, 2),
        ("'abc", ExprErrorKind::Syntax, 0),
        ("1 & 2", ExprErrorKind::Syntax, 2),
        ("5A", ExprErrorKind::Syntax, 0),
        ("1 + splitt('a')", ExprErrorKind::UnknownName, 4),
        ("trim()", ExprErrorKind::Syntax, 0),
        ("1 + 'a'", ExprErrorKind::Type, 2),
        ("true && 1", ExprErrorKind::Type, 8),
        ("1 in 2", ExprErrorKind::Type, 2),
        ("1 + int('x')", ExprErrorKind::Value, 4),
        ("1 % 0", ExprErrorKind::Value, 2),
        ("1 + now()", ExprErrorKind::Unavailable, 4),
        ("sprig.env('HOME')", ExprErrorKind::Unavailable, 0),
        ("'a' matches '('", ExprErrorKind::Value, 4),
    ];
    for (source, kind, offset) in table {
        let error = match Program::compile(source) {
            Err(error) => error,
            Ok(program) => program.eval(&Vars::new(), &mut Fuel::default()).unwrap_err(),
        };
        assert_eq!((error.kind, error.offset), (*kind, Some(*offset)), "{source}: {error}");
    }
    assert!(eval("splitt('a', 'b')").unwrap_err().contains("did you mean 'split'"));
    assert!(eval("b64enc('a')").unwrap_err().contains("sprig.b64enc"));
    assert!(eval("asInt('1') + '1'").unwrap_err().contains("asInt"));
}

#[test]
fn references_are_static_paths() {
    let table: &[(&str, &[&str])] = &[
        ("steps.a.outputs.result", &["steps.a.outputs.result"]),
        ("steps['a-b'].outputs[\"result\"] == 'x'", &["steps.a-b.outputs.result"]),
        ("steps[x].y", &["steps", "x"]),
        ("let s = steps.a; s.b + c", &["c", "steps.a"]),
        ("map(list, .x + # + y)", &["list", "y"]),
        ("asInt(retries) | string()", &["retries"]),
        ("sprig.int(a.b)", &["a.b"]),
        ("a?.b ?? c.d", &["a.b", "c.d"]),
        ("(now() - cronworkflow.lastScheduledTime).Seconds()", &["cronworkflow.lastScheduledTime"]),
        ("$env.a.b", &["a.b"]),
    ];
    for (source, expected) in table {
        assert_eq!(Program::compile(source).unwrap().references(), *expected, "{source}");
    }
}

#[test]
fn now_is_given_by_the_caller_or_refused() {
    let source =
        "cronworkflow.lastScheduledTime == nil || (now() - cronworkflow.lastScheduledTime).Seconds() > 360";
    let mut vars = Vars::new();
    vars.set_value("cronworkflow.lastScheduledTime", json!(null));
    assert_eq!(eval_with(source, &vars), Ok(json!(true)));
    vars.set("cronworkflow.lastScheduledTime", "2024-01-01T00:00:00Z");
    assert!(eval_with(source, &vars).unwrap_err().contains("now() is not available"));
    vars.set(super::super::NOW, "2024-01-01T00:06:01Z");
    assert_eq!(eval_with(source, &vars), Ok(json!(true)));
    vars.set(super::super::NOW, "2024-01-01T00:05:00Z");
    assert_eq!(eval_with(source, &vars), Ok(json!(false)));
}
