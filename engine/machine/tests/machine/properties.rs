//! Property tests of the machine: what holds for every order in which the world answers.
//! The expectation is worked out from the plan of the case alone.

use proptest::prelude::*;
use runner_machine::{Action, Input, NodePhase, Observed, WorkflowPhase as W, outstanding};
use runner_workflows::spec::Outputs;

use crate::common::{Run, with_leaves};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn aggregation_is_in_the_order_of_the_items_whatever_the_order_of_their_ends(
        fates in prop::collection::vec(any::<bool>(), 1..9),
        order in prop::collection::vec(any::<u16>(), 40),
        dag in any::<bool>(),
    ) {
        let items: Vec<String> = (0..fates.len()).map(|n| n.to_string()).collect();
        let call = format!("name: l, template: s, continueOn: {{failed: true}}, withItems: [{}]", items.join(", "));
        let spec = if dag {
            format!("  dag: {{tasks: [{{{call}}}, {{name: b, template: p, dependencies: [l], arguments: {{parameters: [{{name: v, value: '{{{{tasks.l.outputs.result}}}}'}}]}}}}]}}")
        } else {
            format!("  steps: [[{{{call}}}], [{{name: b, template: p, arguments: {{parameters: [{{name: v, value: '{{{{steps.l.outputs.result}}}}'}}]}}}}]]")
        };
        let mut run = Run::new(&with_leaves(&format!("entrypoint: main\ntemplates:\n- name: main\n{spec}")));
        run.feed(Input::Begin);
        for pick in order {
            let due: Vec<_> = outstanding(&run.plan, &run.status)
                .into_iter()
                .filter_map(|action| match action {
                    Action::Ensure { node, attempt } => Some((node, attempt)),
                    _ => None,
                })
                .collect();
            let Some((node, attempt)) = due.get(usize::from(pick) % due.len().max(1)).copied() else { break };
            let name = run.status.node(node).unwrap().display_name.clone();
            let item = name.strip_prefix("l(").and_then(|rest| rest.split(':').next()).and_then(|n| n.parse::<usize>().ok());
            let good = item.is_none_or(|item| fates[item]);
            let phase = if good { NodePhase::Succeeded } else { NodePhase::Failed };
            let result = item.map(|item| format!("\"r{item}\""));
            let outputs = Outputs { result, exit_code: Some("0".into()), ..Outputs::default() };
            let (message, started_at, finished_at) = (String::new(), None, run.now);
            run.now += jiff::SignedDuration::from_millis(7);
            run.feed(Input::Observed { node, attempt, what: Observed::Finished { phase, message, outputs, started_at, finished_at } });
        }
        prop_assert_eq!(run.status.phase, W::Succeeded, "{:?}", run.sketch());
        let expected: Vec<String> =
            fates.iter().enumerate().filter(|(_, good)| **good).map(|(n, _)| format!("\"r{n}\"")).collect();
        let got = run.node("b").inputs.parameters[0].value.clone().unwrap();
        prop_assert_eq!(got.as_str(), format!("[{}]", expected.join(",")));
        run.replays();
    }
}
