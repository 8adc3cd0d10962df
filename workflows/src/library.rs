//! The WorkflowTemplates that come with the product: found by name where the catalog has none of that name.
//! Runs and stores nothing; whoever applies a template of the same name has replaced the shipped one.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::parse::{Limits, Manifest, parse_file};
use crate::spec::WorkflowTemplate;

/// Name and text of each shipped template.
pub const SHIPPED: [(&str, &str); 4] = [
    ("promote-environment", include_str!("../library/promote-environment.yaml")),
    ("provision-app-workflow", include_str!("../library/provision-app-workflow.yaml")),
    ("remediate-argocd-unhealthy", include_str!("../library/remediate-argocd-unhealthy.yaml")),
    ("remediate-externalsecret-failure", include_str!("../library/remediate-externalsecret-failure.yaml")),
];

static PARSED: LazyLock<BTreeMap<String, WorkflowTemplate>> = LazyLock::new(|| {
    let parsed = SHIPPED.iter().flat_map(|(name, text)| parse_file(name, text, Limits::default()).0);
    parsed
        .filter_map(|manifest| match manifest {
            Manifest::WorkflowTemplate(doc) => Some((doc.object.metadata.name.clone(), doc.object)),
            _other => None,
        })
        .collect()
});

/// The shipped template of that name.
pub fn workflow_template(name: &str) -> Option<&'static WorkflowTemplate> {
    PARSED.get(name)
}

/// The text of the shipped template of that name.
pub fn source(name: &str) -> Option<&'static str> {
    SHIPPED.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn every_shipped_template_is_read_without_a_complaint() {
        for (name, text) in SHIPPED {
            let (manifests, complaints) = parse_file(name, text, Limits::default());
            assert!(complaints.is_empty(), "{name}: {complaints:?}");
            assert_eq!(manifests.len(), 1, "{name}");
            assert_eq!(workflow_template(name).unwrap().metadata.name, name);
        }
    }

    #[test]
    fn s0_names_and_parameters_are_those_of_the_platform() {
        let parameters = |name: &str| -> Vec<String> {
            let template = workflow_template(name).unwrap();
            template.spec.arguments.parameters.iter().map(|p| p.name.clone()).collect()
        };
        let provision = parameters("provision-app-workflow");
        for name in [
            "appName",
            "repoUrl",
            "owner",
            "businessUnit",
            "environment",
            "containerPort",
            "replicas",
            "dockerRegistry",
            "dockerImageName",
            "dockerImageTag",
        ] {
            assert!(provision.iter().any(|known| known == name), "{name}");
        }
        assert_eq!(parameters("remediate-argocd-unhealthy")[..2], ["app-name", "namespace"]);
        assert_eq!(parameters("remediate-externalsecret-failure")[..2], ["externalsecret-name", "namespace"]);
        for name in ["provision-app-workflow", "remediate-argocd-unhealthy"] {
            assert_eq!(workflow_template(name).unwrap().spec.service_account_name, "argo-workflow");
        }
    }
}
