//! Resource templates: action, manifest.
//! Does not check the manifest against the API of its kind.

use super::checker::Checker;
use super::report::Place;
use super::tags;
use crate::parse::{Limits, parse_trees};
use crate::spec::{ResourceTemplate, Template};

const ACTIONS: [&str; 6] = ["get", "create", "apply", "delete", "replace", "patch"];

impl Checker<'_> {
    /// Checks a resource template.
    pub(super) fn resource(&mut self, resource: &ResourceTemplate, template: &Template, place: &Place) {
        let at = place.field("resource");
        if !tags::has_placeholder(&resource.action) && !ACTIONS.contains(&resource.action.as_str()) {
            let text = format!(".resource.action must be one of: {}", ACTIONS.join(", "));
            self.reporter.error(&at.field("action"), "resource-action", text);
        }
        if matches!(resource.action.as_str(), "delete" | "get") {
            return;
        }
        let from = resource.manifest_from.as_ref();
        if resource.manifest.is_empty() && from.is_none() {
            self.reporter.error(
                &at,
                "resource-manifest",
                ".resource: manifest or manifestFrom must be specified",
            );
        }
        if !resource.manifest.is_empty() && from.is_some() {
            let text = ".resource shouldn't have both `manifest` and `manifestFrom` specified";
            self.reporter.error(&at.field("manifestFrom"), "resource-manifest", text);
        }
        if let Some(artifact) = from.and_then(|from| from.artifact.as_ref())
            && !template.inputs.artifacts.iter().any(|input| input.name == artifact.name)
        {
            let text = format!(
                ".resource: artifact {} in `manifestFrom` refers to a non-exist artifact",
                artifact.name
            );
            self.reporter.error(&at.field("manifestFrom"), "resource-manifest", text);
        }
        if !resource.manifest.is_empty() {
            self.manifest(&resource.manifest, &at.field("manifest"));
        }
    }

    /// The manifest must be YAML once its tags have values.
    fn manifest(&mut self, manifest: &str, at: &Place) {
        let filled =
            tags::substitute(&tags::blank_placeholders(manifest), &|_| Some("x".into()), &mut || "x".into());
        let (_, problems) = parse_trees("manifest", &filled, Limits::default());
        if let Some(first) = problems.iter().find(|problem| problem.is_error()) {
            let line = first.span.as_ref().map_or(1, |span| span.line_column().0);
            let why = format!("line {line} of the manifest: {}", first.message);
            self.reporter.error_hint(at, "resource-manifest", ".resource.manifest must be a valid yaml", why);
        }
    }
}
