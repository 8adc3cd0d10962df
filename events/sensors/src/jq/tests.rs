//! What jq filters give, and that they end. The expected values are those of jq 1.7 and gojq.
//! Transforms have tests of their own.
#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{check, first, outputs};

fn all(source: &str, input: &Value) -> String {
    match outputs(source, input, 100) {
        Ok(list) => list.iter().map(Value::to_string).collect::<Vec<_>>().join(" "),
        Err(message) => format!("! {message}"),
    }
}

#[test]
fn filters_give_what_jq_gives() {
    let input = json!({"a": 1, "b": "2", "l": [3, 1, 2], "o": {"x": {"y": null}}, "s": "refs/heads/main", "e": [{"k": "p", "n": 1}, {"k": "q", "n": 2}, {"k": "p", "n": 3}]});
    let cases = [
        (".a += 1 | .b *= 2 | [.a, .b]", r#"[2,"22"]"#),
        (".l | sort, add, length, max, min", "[1,2,3] 6 3 3 1"),
        (".l[1:], .l[-1], .l[:1], .l[10]", "[1,2] 2 [3] null"),
        ("[.l[] | select(. > 1) | . * 10]", "[30,20]"),
        (".o.x.y.z, .o[\"x\"], .nothing?", "null {\"y\":null} null"),
        (
            ".s | ltrimstr(\"refs/heads/\"), split(\"/\"), .[5:]",
            r#""main" ["refs","heads","main"] "heads/main""#,
        ),
        (
            ".s | test(\"^refs/heads/\"), sub(\"refs/(?<x>[a-z]+)/\"; \"\\(.x)-\"), [scan(\"[a-z]+\")]",
            r#"true "heads-main" ["refs","heads","main"]"#,
        ),
        (".s | capture(\"(?<kind>heads|tags)/(?<name>.*)\")", r#"{"kind":"heads","name":"main"}"#),
        (".s | gsub(\"/\"; \"-\"), [match(\"e\"; \"g\").offset]", r#""refs-heads-main" [1,6]"#),
        ("{a, c: .b, (.s): 1, \"x\\(.a)\": 2}", r#"{"a":1,"c":"2","refs/heads/main":1,"x1":2}"#),
        (".e | group_by(.k) | map({key: .[0].k, value: map(.n)}) | from_entries", r#"{"p":[1,3],"q":[2]}"#),
        (".e | map(.n) | add as $s | $s / 2", "3"),
        ("reduce .l[] as $x (0; . + $x), [foreach .l[] as $x (0; . + $x)]", "6 [3,4,6]"),
        ("if .a == 1 then \"one\" elif .a == 2 then \"two\" else \"many\" end", r#""one""#),
        ("[.[] | numbers, strings]", r#"[1,"2","refs/heads/main"]"#),
        (".x // \"d\", (.a // 5), (empty // 7)", r#""d" 1 7"#),
        ("try error(\"x\") catch ., [.l[] | try (if . == 1 then error(\"no\") else . end)]", r#""x" [3,2]"#),
        ("def f(g; $n): [g + $n]; f(.l[]; 1)", "[4,2,3]"),
        ("def fac: if . <= 1 then 1 else . * (. - 1 | fac) end; 5 | fac", "120"),
        (".a as $x | .l as [$p, $q] | .o as {x: $y} | [$x, $p, $q, $y]", r#"[1,3,1,{"y":null}]"#),
        ("to_entries[0], (with_entries(select(.key == \"a\")))", r#"{"key":"a","value":1} {"a":1}"#),
        ("del(.o, .l[0], .e) | keys", r#"["a","b","l","s"]"#),
        (".l |= map(. + 1) | .l", "[4,2,3]"),
        ("(.l[] | select(. > 1)) |= empty | .l", "[1]"),
        ("[paths(type == \"number\")] | length", "7"),
        ("[limit(3; 1 | repeat(.))], first(range(10; 0; -3)), [range(3)]", "[1,1,1] 10 [0,1,2]"),
        ("label $out | .l[] | if . == 1 then break $out else . end", "3"),
        ("[1, [2, [3]]] | flatten, flatten(1)", "[1,2,3] [1,2,[3]]"),
        (".o * {x: {z: 1}}", r#"{"x":{"y":null,"z":1}}"#),
        ("@json \"x\\(.l)\", (\"\\(.l)\" | length)", r#""x[3,1,2]" 7"#),
        (
            "@base64 \"x\\(.a)\", (\"aGk=\" | @base64d), ([1, \"a b\"] | @csv, @sh)",
            r#""xMQ==" "hi" "1,\"a b\"" "1 'a b'""#,
        ),
        ("[.l[] | tostring] | join(\"-\")", r#""3-1-2""#),
        ("[.l, .l] | transpose | .[0]", "[3,3]"),
        ("\"a,b, c\" | [splits(\", *\")]", r#"["a","b","c"]"#),
        ("[.. | numbers] | length", "7"),
        (
            "(.l | index(1)), (\"abcb\" | indices(\"b\")), (.l | contains([1])), ({a: 1} | has(\"a\"))",
            "1 [1,3] true true",
        ),
        ("7 % 3, -7 % 3, 7 / 2, 1e3, .5", "1 -1 3.5 1000 0.5"),
        ("walk(if type == \"number\" then . + 1 else . end) | .l", "[4,2,3]"),
        ("not, (null | not), ([true, false] | any, all)", "false true true false"),
        ("\"x\" as $x | \"\\($x + \"\\(1 + 2)\")\"", r#""x3""#),
        (". as {$a, b: $c} | [$a, $c]", r#"[1,"2"]"#),
        (".a -= 1 | .a, (.z //= 4 | .z)", "0 4"),
        ("[.l[] as $x | $x] | unique, reverse", "[1,2,3] [2,1,3]"),
        ("input_line_number", "! jq: input_line_number/0 is not defined"),
        (". + 1", "! jq: object and number (1) cannot be added"),
    ];
    let wrong: Vec<String> = cases
        .into_iter()
        .filter(|(source, expected)| all(source, &input) != *expected)
        .map(|(source, expected)| format!("{source}: {} and not {expected}", all(source, &input)))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn half_a_pair_of_surrogates_is_the_replacement_character() {
    // found by the fuzzer: the second half out of its range made the sum overflow
    for (text, holds) in [
        (r#""\ud83d\ude00""#, "\u{1f600}"),
        (r#""\ud83d\ud800""#, "\u{fffd}\u{fffd}"),
        (r#""\ud83d\u0041""#, "\u{fffd}A"),
        (r#""\ude00\ud83d""#, "\u{fffd}\u{fffd}"),
        (r#""\ud83d.""#, "\u{fffd}."),
    ] {
        assert_eq!(first(text, &json!(null)), Ok(Some(json!(holds))), "{text}");
    }
    for text in [r#""\u+041""#, r#""\u12""#, r#""\ud83d\uzzzz""#] {
        assert!(check(text).is_err(), "{text}");
    }
}

#[test]
fn what_is_no_filter_is_refused() {
    for source in [
        "",
        ".a |",
        "{",
        "if . then",
        ".[",
        "\"x",
        "def f: 1",
        ". as x | 1",
        "reduce .",
        "@nothing",
        "$x",
        "foo",
        "env",
        "input",
        "now",
        "$ENV",
        "1 2",
        ".",
    ] {
        assert_eq!(check(source).is_err(), source != ".", "{source}");
        assert_eq!(outputs(source, &json!(1), 1).is_err(), source != ".", "{source} runs");
    }
    // found by the fuzzer: a call that is never reached is refused as well, as jq does
    for source in ["1 // nothing", "[range(rga)]", "if true then 1 else nothing end"] {
        assert!(outputs(source, &json!(1), 1).is_err() && check(source).is_err(), "{source}");
    }
    assert!(
        check(&"(".repeat(10_000)).is_err()
            && check(&"[".repeat(10_000)).is_err()
            && check(&"-".repeat(10_000)).is_err()
    );
    assert!(check(&"\"\\(".repeat(1000)).is_err());
}

#[test]
fn f57_filters_end() {
    let input = json!({"n": 1_000_000_000_000_i64, "s": "x"});
    for source in [
        "def f: f; f",
        "def f: 1 + f; f",
        "[range(.n)]",
        ".s * .n",
        "last(repeat(1))",
        "[recurse(. + 1)]",
        "reduce range(100) as $i (\"ab\"; . + .)",
        "reduce range(100) as $i ([1]; . + .)",
        "reduce range(100000) as $i (null; [.])",
        "last(range(1; 1e9))",
        "try last(repeat(1)) catch 1",
        "until(false; .)",
        "[limit(1000000000; repeat(1))]",
        ".[1e9] = 1",
        "[.s] | .[1e9] = 1",
        "\"\\([range(1e7)])\"",
        "[combinations]",
        "def f(x): f(x | x); f(.)",
    ] {
        assert!(first(source, &input).is_err(), "{source}");
    }
}

#[test]
fn f57_a_value_made_of_copies_of_itself_is_not_written_out() {
    // found by the fuzzer: each `.a = .` costs a few steps and doubles what is written out
    for times in [21, 30] {
        let doubled = vec![".a = . | .b = .a"; times].join(" | ");
        for filter in [doubled.clone(), format!("[{doubled}]"), format!("{doubled} | tojson")] {
            let error = first(&filter, &json!({})).unwrap_err();
            assert!(error.contains("holds too many others"), "{times}: {error}");
        }
    }
    assert!(first(&[".a = . | .b = .a"; 8].join(" | "), &json!({})).is_ok());
}

#[test]
fn v27_a_value_of_the_payload_cannot_decide_how_long_a_filter_runs() {
    let deep: Value = (0..100).fold(json!(1), |inner, _| json!([inner]));
    assert!(first("[..] | length", &deep).unwrap().is_some());
    let long = json!({"s": "a".repeat(1_000_000)});
    assert!(first(".s | test(\"(a*)*b\")", &long).is_ok());
}

proptest! {
    /// No filter panics, whatever it is made of.
    #[test]
    fn no_filter_panics(words in proptest::collection::vec(proptest::sample::select(WORDS), 1..14)) {
        let source = words.concat();
        let _ = first(&source, &json!({"a": [1, "x", null, {"b": -2.5}], "b": "text", "c": true}));
    }
}

const WORDS: &[&str] = &[
    ".",
    "..",
    ".a",
    ".b",
    "[",
    "]",
    "(",
    ")",
    "{",
    "}",
    "|",
    ",",
    ":",
    ";",
    "=",
    "|=",
    "+=",
    "//",
    "==",
    "<",
    " and ",
    " or ",
    "not",
    "+",
    "-",
    "*",
    "/",
    "%",
    "?",
    "1",
    "-1",
    "0",
    "2.5",
    "1e300",
    "\"x\"",
    "\"\\(",
    "\"",
    "$x",
    " as ",
    "reduce ",
    "foreach ",
    "if ",
    " then ",
    " else ",
    " end",
    "try ",
    " catch ",
    "def f: ",
    "f",
    "label $x",
    "break $x",
    "length",
    "keys",
    "map(",
    "select(",
    "sort",
    "sort_by(",
    "group_by(",
    "split(",
    "join(",
    "test(",
    "sub(",
    "range(",
    "limit(",
    "first(",
    "path(",
    "paths",
    "del(",
    "to_entries",
    "from_entries",
    "with_entries(",
    "flatten",
    "add",
    "tojson",
    "fromjson",
    "tonumber",
    "tostring",
    "@base64",
    "@csv",
    "@sh",
    "implode",
    "explode",
    "transpose",
    "getpath(",
    "setpath(",
    "recurse",
    "walk(",
    "indices(",
    "contains(",
    "[]",
    "[1:]",
    "[:-1]",
    "null",
    "empty",
    "error",
];
