//! Property tests of the budgets: whatever aliases do, what comes out is no larger than what was allowed.
//! Counting is done here anew, on the finished tree.

use proptest::prelude::*;

use super::tree::Node;
use super::{Limits, parse_file};

const LIMITS: Limits =
    Limits { bytes: 4_000, depth: 12, nodes: 300, alias_nodes: 120, alias_bytes: 400, documents: 3 };

fn size(node: &Node) -> (usize, usize) {
    let elements = node.elements().unwrap_or_default().iter();
    let values = node.entries().unwrap_or_default().iter().map(|entry| &entry.value);
    elements.chain(values).map(size).fold((1, 0), |(count, depth), (c, d)| (count + c, depth.max(d + 1)))
}

/// Lists of scalars and of aliases of earlier lists: the shape of a YAML bomb, sometimes harmless.
fn bombs() -> impl Strategy<Value = String> {
    let element = (any::<u8>(), 0usize..40);
    let list = prop::collection::vec(element, 0..7);
    prop::collection::vec(list, 1..9).prop_map(|lists| {
        let mut text = String::from("apiVersion: v1\nkind: Thing\nmetadata: {name: a}\n");
        for (number, list) in lists.iter().enumerate() {
            let elements: Vec<String> = list
                .iter()
                .map(|(of, length)| match usize::from(*of).checked_rem(number) {
                    Some(earlier) if of % 3 != 0 => format!("*a{earlier}"),
                    _ => "x".repeat(length + 1),
                })
                .collect();
            text += &format!("k{number}: &a{number} [{}]\n", elements.join(", "));
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn f56_a_tree_is_never_larger_than_its_budget(text in bombs()) {
        let (manifests, problems) = parse_file("bomb.yaml", &text, LIMITS);
        for manifest in &manifests {
            let (count, depth) = size(manifest.origin().root());
            prop_assert!(count <= LIMITS.nodes, "{count} nodes");
            prop_assert!(depth <= LIMITS.depth, "depth {depth}");
        }
        prop_assert!(!manifests.is_empty() || !problems.is_empty(), "refused without a word");
        let within = parse_file("bomb.yaml", &text, Limits::default());
        if problems.is_empty() {
            prop_assert_eq!(within.0.len(), manifests.len(), "a larger budget reads the same");
        }
    }
}
