//! The examples of the repository and how each of them must end.
//! Does not run them: `tests/tests/examples.rs` does, with the built binary.

/// One example.
#[derive(Clone, Copy, Debug)]
pub struct Example {
    /// File in `examples/`.
    pub file: &'static str,
    /// Files to apply first.
    pub needs: &'static [&'static str],
    /// Final phase; none for files that are only applied.
    pub phase: Option<&'static str>,
    /// Display names of nodes that must exist, with their phases.
    pub nodes: &'static [(&'static str, &'static str)],
}

const fn succeeds(file: &'static str, nodes: &'static [(&'static str, &'static str)]) -> Example {
    Example { file, needs: &[], phase: Some("Succeeded"), nodes }
}

/// All examples; a test compares this table with the folder.
pub const EXAMPLES: [Example; 16] = [
    succeeds("hello.yaml", &[]),
    succeeds(
        "hello-durable.yaml",
        &[
            ("build(0:engine)", "Succeeded"),
            ("upload(0)", "Failed"),
            ("upload(1)", "Succeeded"),
            ("approval", "Succeeded"),
            ("publish", "Succeeded"),
            ("shelve", "Skipped"),
        ],
    ),
    succeeds("steps.yaml", &[("[1]", "Succeeded"), ("coffee", "Succeeded")]),
    succeeds("dag.yaml", &[("fetch-b", "Failed"), ("fallback-b", "Succeeded"), ("merge", "Succeeded")]),
    succeeds("loops.yaml", &[("numbers(2:disk-03)", "Succeeded"), ("sum", "Succeeded")]),
    succeeds("retries.yaml", &[("flaky(2)", "Succeeded"), ("busy(1)", "Succeeded"), ("slow(0)", "Failed")]),
    succeeds("conditionals.yaml", &[("heads", "Succeeded"), ("tails", "Skipped"), ("either", "Succeeded")]),
    succeeds("parameters.yaml", &[("report", "Succeeded")]),
    succeeds("artifacts.yaml", &[("count", "Succeeded")]),
    succeeds("suspend.yaml", &[("question", "Succeeded"), ("act", "Succeeded")]),
    Example {
        file: "exit-handler.yaml",
        needs: &[],
        phase: Some("Failed"),
        nodes: &[("celebrate", "Skipped"), ("complain", "Succeeded")],
    },
    succeeds("hooks.yaml", &[("work.onExit", "Succeeded"), ("work.hooks.success", "Succeeded")]),
    succeeds("scripts.yaml", &[("may-fail", "Failed"), ("python", "Succeeded")]),
    Example { file: "template-library.yaml", needs: &[], phase: None, nodes: &[] },
    Example {
        file: "templates.yaml",
        needs: &["template-library.yaml"],
        phase: Some("Succeeded"),
        nodes: &[("all", "Succeeded"), ("bye", "Succeeded")],
    },
    Example {
        file: "from-template.yaml",
        needs: &["template-library.yaml"],
        phase: Some("Succeeded"),
        nodes: &[("hello", "Succeeded")],
    },
];
