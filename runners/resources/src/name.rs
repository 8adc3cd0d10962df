//! Names that an execution gives to what it creates, so that another execution recognises it.
//! Makes no request.

use runner_kube::objects::note;
use runner_runners::typed::Order;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::manifest::field;

/// Annotation with the step key of whoever created an object.
pub(crate) const STEP_KEY: &str = "runner/step-key";
/// Label with the name of the workflow, as Argo's.
const WORKFLOW: &str = "workflows.argoproj.io/workflow";
/// Letters and digits of Kubernetes' own suffixes.
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
const SUFFIX: usize = 10;
/// Most bytes of a generated name.
const LONGEST: usize = 63;

/// The name for `generateName` in the n-th execution of a step: always the same one.
pub(crate) fn generated(prefix: &str, order: &Order, attempt: u32) -> String {
    let digest = Sha256::digest(format!("{}\n{attempt}\n{prefix}", order.step_key));
    let suffix =
        digest.iter().take(SUFFIX).map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()]));
    let kept =
        prefix.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end + SUFFIX <= LONGEST);
    let kept = &prefix[..kept.last().unwrap_or(0)];
    kept.chars().chain(suffix).collect()
}

/// Writes down who creates the object.
pub(crate) fn mark(object: &mut Value, order: &Order, owned: bool) {
    note(object, "annotations", STEP_KEY, &order.step_key);
    if owned && order.workflow.len() <= LONGEST {
        note(object, "labels", WORKFLOW, &order.workflow);
    }
}

/// An execution of this step created the object, and nobody is deleting it.
pub(crate) fn is_ours(object: &Value, order: &Order) -> bool {
    let key = field(object, &["metadata", "annotations", STEP_KEY]);
    key == Some(order.step_key.as_str()) && object["metadata"]["deletionTimestamp"].is_null()
}

#[cfg(test)]
mod tests {
    use super::*;
    use runner_kube::objects::set;
    use serde_json::json;

    #[test]
    fn p4_a_generated_name_is_the_same_for_the_same_execution_and_no_other() {
        let order = Order { step_key: "uid/node".into(), ..Order::default() };
        let name = generated("pi-job-", &order, 0);
        assert_eq!(name, generated("pi-job-", &order, 0));
        assert_ne!(name, generated("pi-job-", &order, 1));
        assert_ne!(
            name,
            generated("pi-job-", &Order { step_key: "uid/other".into(), ..Order::default() }, 0)
        );
        assert!(name.starts_with("pi-job-") && name.len() == "pi-job-".len() + SUFFIX, "{name}");
        assert_eq!(generated(&"x".repeat(200), &order, 0).len(), LONGEST);
    }

    #[test]
    fn p4_an_object_says_which_step_created_it() {
        let order = Order { step_key: "uid/node".into(), workflow: "wf".into(), ..Order::default() };
        let mut object = json!({"kind": "Job", "metadata": {"annotations": null}});
        assert!(!is_ours(&object, &order));
        mark(&mut object, &order, true);
        assert!(is_ours(&object, &order));
        assert_eq!(object["metadata"]["labels"][WORKFLOW], "wf");
        set(&mut object, "deletionTimestamp", json!("2024-01-01T00:00:00Z"));
        assert!(!is_ours(&object, &order), "it is going away");
    }
}
