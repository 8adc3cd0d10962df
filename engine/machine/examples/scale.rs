//! Prints the cost of a node for chains, fan-outs and DAGs of growing size: it must not grow with the size.
//! Measures the machine alone; `cargo xtask bench` measures the engine.

#![expect(clippy::unwrap_used, reason = "a measurement")]

use std::sync::Arc;
use std::time::Instant;

use runner_machine::{
    Action, Input, NodePhase, Observed, Plan, Submit, WorkflowPhase, WorkflowStatus, decide, outstanding_of,
};
use runner_workflows::parse::{Limits, Manifest, parse_file};
use runner_workflows::resolve::{Catalog, Submission, resolve};

fn main() {
    let leaf = "- name: c\n    container: {image: x, command: [run]}\n";
    for size in [100_usize, 1_000, 10_000] {
        let fan = format!(
            "  - name: main\n    steps: [[{{name: a, template: c, withSequence: {{count: {size}}}}}]]\n  {leaf}"
        );
        let steps: String = (0..size).map(|n| format!("    - - {{name: s{n}, template: c}}\n")).collect();
        let chain = format!("  - name: main\n    steps:\n{steps}  {leaf}");
        let tasks: String = (0..size)
            .map(|n| match n {
                0 => "      - {name: t0, template: c}\n".to_owned(),
                n => format!("      - {{name: t{n}, template: c, dependencies: [t{}]}}\n", n - 1),
            })
            .collect();
        let dag = format!("  - name: main\n    dag:\n      tasks:\n{tasks}  {leaf}");
        for (name, templates) in [("fan-out", fan), ("chain", chain), ("dag chain", dag)] {
            let micros = run(&templates);
            println!("{name:<10} {size:>7} nodes {:>10.1} µs/node", micros / size as f64);
        }
    }
}

fn run(templates: &str) -> f64 {
    let yaml = format!(
        "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nmetadata: {{name: wf}}\nspec:\n  entrypoint: main\n  templates:\n{templates}"
    );
    let limits = Limits::default();
    let (manifests, problems) = parse_file("scale.yaml", &yaml, limits);
    let Some(Manifest::Workflow(document)) = manifests.first() else { panic!("{problems:?}") };
    let resolved = resolve(&document.object, &Submission::default(), &Catalog::default()).unwrap();
    let plan = Plan::new(Arc::new(resolved.clone())).unwrap();
    let now = "2026-01-01T00:00:00Z".parse().unwrap();
    let mut status = WorkflowStatus::default();
    let submit = Submit {
        name: "wf".into(),
        namespace: "ns".into(),
        uid: "u".into(),
        workflow: resolved,
        estimates: None,
        reuse: None,
    };
    decide(&plan, &mut status, Input::Submit(Box::new(submit)), now).unwrap();
    let start = Instant::now();
    decide(&plan, &mut status, Input::Begin, now).unwrap();
    let mut queue = std::collections::VecDeque::new();
    loop {
        let touched = status.take_touched();
        for action in outstanding_of(&plan, &status, &touched) {
            if let Action::Ensure { node, attempt } = action {
                queue.push_back((node, attempt));
            }
        }
        let Some((node, attempt)) = queue.pop_front() else { break };
        let what = Observed::Finished {
            phase: NodePhase::Succeeded,
            message: String::new(),
            outputs: Default::default(),
            started_at: None,
            finished_at: now,
        };
        decide(&plan, &mut status, Input::Observed { node, attempt, what }, now).unwrap();
    }
    assert_eq!(status.phase, WorkflowPhase::Succeeded);
    start.elapsed().as_secs_f64() * 1e6
}
