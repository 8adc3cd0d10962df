//! The grammar of `depends` and its truth table.
//! The oracle evaluates the written text by rewriting it, not the tree.

use proptest::prelude::*;

use super::super::depends::{Depends, TaskResult, parse};

type Row = (&'static str, &'static [(&'static str, Option<TaskResult>)]);

#[test]
fn tasks_are_listed_as_written() {
    let table: &[Row] = &[
        ("A", &[("A", None)]),
        ("A.Succeeded", &[("A", Some(TaskResult::Succeeded))]),
        (
            "should-execute-2.Succeeded || should-not-execute",
            &[("should-execute-2", Some(TaskResult::Succeeded)), ("should-not-execute", None)],
        ),
        (
            "stage-a && (stage_b || !stage-b.Skipped)",
            &[("stage-a", None), ("stage_b", None), ("stage-b", Some(TaskResult::Skipped))],
        ),
        ("5A && C.AllFailed", &[("5A", None), ("C", Some(TaskResult::AllFailed))]),
        ("A and not B.Failed or C", &[("A", None), ("B", Some(TaskResult::Failed)), ("C", None)]),
        ("not || and && or", &[("not", None), ("and", None), ("or", None)]),
        ("A&&B||!(C)", &[("A", None), ("B", None), ("C", None)]),
    ];
    for (text, expected) in table {
        let tasks = parse(text).unwrap().tasks();
        let found: Vec<_> = tasks.iter().map(|(t, r)| (t.as_str(), *r)).collect();
        assert_eq!(found, *expected, "{text}");
    }
}

#[test]
fn malformed_depends_is_refused_with_its_place() {
    for (text, offset) in [
        ("", 0),
        ("A &&", 4),
        ("A B", 2),
        ("(A", 2),
        ("A)", 1),
        ("A & B", 2),
        ("!", 1),
        ("A.Done", 2),
        (".Succeeded", 0),
        ("A || && B", 5),
        ("'5A' && C", 0),
    ] {
        assert_eq!(parse(text).unwrap_err().offset, Some(offset), "{text}");
    }
    assert!(parse("A.Sucseeded").unwrap_err().message.contains("did you mean 'Succeeded'"));
    assert!(parse(&"!".repeat(100_000)).is_err());
    assert!(parse(&vec!["A"; 10_000].join(" && ")).is_ok());
}

#[test]
fn bare_names_accept_succeeded_skipped_daemoned() {
    for result in TaskResult::ALL {
        let holds = parse("A").unwrap().evaluate(&|_, asked| asked == result);
        assert_eq!(holds, TaskResult::BARE.contains(&result), "{result:?}");
    }
    let both = Depends::from_dependencies(&["A", "B"]).unwrap();
    assert!(both.evaluate(&|_, r| r == TaskResult::Skipped));
    assert!(!both.evaluate(&|t, _| t == "A"));
    assert!(!both.evaluate(&|_, r| r == TaskResult::Omitted));
    assert!(Depends::from_dependencies::<&str>(&[]).is_none());
}

/// A formula as text with its value under an assignment, made side by side.
fn formula(depth: u32) -> BoxedStrategy<(String, fn_value::Formula)> {
    use fn_value::Formula as F;
    let leaf = (0usize..4, prop::option::of(0usize..8)).prop_map(|(task, result)| {
        let name = ["A", "b-1", "c_2", "D9"][task];
        let text = match result {
            None => name.to_owned(),
            Some(r) => format!("{name}.{}", TaskResult::ALL[r].name()),
        };
        (text, F::Leaf(task, result))
    });
    leaf.prop_recursive(depth, 64, 3, |inner| {
        prop_oneof![
            (inner.clone(), any::<bool>()).prop_map(|((t, f), word)| (
                format!("{}({t})", if word { "not " } else { "!" }),
                F::Not(Box::new(f))
            )),
            (inner.clone(), inner.clone(), any::<bool>()).prop_map(|((a, f), (b, g), word)| {
                (format!("({a}) {} ({b})", if word { "and" } else { "&&" }), F::And(Box::new(f), Box::new(g)))
            }),
            (inner.clone(), inner, any::<bool>()).prop_map(|((a, f), (b, g), word)| {
                (format!("({a}){}({b})", if word { " or " } else { "||" }), F::Or(Box::new(f), Box::new(g)))
            }),
        ]
    })
    .boxed()
}

mod fn_value {
    #[derive(Clone, Debug)]
    pub(super) enum Formula {
        Leaf(usize, Option<usize>),
        Not(Box<Formula>),
        And(Box<Formula>, Box<Formula>),
        Or(Box<Formula>, Box<Formula>),
    }

    /// Both sides are always evaluated; bits are the results of the four tasks.
    pub(super) fn value(f: &Formula, bits: u32) -> bool {
        let has = |task: usize, result: usize| bits >> (task * 8 + result) & 1 == 1;
        match f {
            Formula::Leaf(task, Some(result)) => has(*task, *result),
            // Succeeded, Skipped, Daemoned by their place in the list.
            Formula::Leaf(task, None) => has(*task, 0) | has(*task, 3) | has(*task, 5),
            Formula::Not(a) => !value(a, bits),
            Formula::And(a, b) => value(a, bits) & value(b, bits),
            Formula::Or(a, b) => value(a, bits) | value(b, bits),
        }
    }
}

proptest! {
    #[test]
    fn depends_equals_the_brute_force_truth_table((text, oracle) in formula(4), seeds in prop::collection::vec(any::<u32>(), 16)) {
        let depends = parse(&text).unwrap();
        for bits in seeds {
            let has = |task: &str, result: TaskResult| {
                let t = ["A", "b-1", "c_2", "D9"].iter().position(|n| *n == task).unwrap();
                let r = TaskResult::ALL.iter().position(|x| *x == result).unwrap();
                bits >> (t * 8 + r) & 1 == 1
            };
            prop_assert_eq!(depends.evaluate(&has), fn_value::value(&oracle, bits), "{}", text);
        }
    }

    #[test]
    fn precedence_is_not_over_and_over_or(bits in 0u32..8) {
        let (a, b, c) = (bits & 1 == 1, bits & 2 == 2, bits & 4 == 4);
        let has = |task: &str, _: TaskResult| match task { "a" => a, "b" => b, _ => c };
        let cases = [
            ("a || b && c", a || (b && c)),
            ("a && b || c", (a && b) || c),
            ("!a && b || c", ((!a) && b) || c),
            ("not a or b and c", (!a) || (b && c)),
        ];
        for (text, expected) in cases {
            prop_assert_eq!(parse(text).unwrap().evaluate(&has), expected, "{}", text);
        }
    }
}
