//! Templates that do something by themselves: variables, images, mounts, deadlines.
//! Does not check container sets and resources in detail: their files do.

use std::collections::BTreeMap;

use super::checker::{Base, Checker};
use super::process::Processed;
use super::report::Place;
use super::scope::{Scope, View};
use super::tags;
use super::template::Subject;
use crate::spec::{Container, IntOrString, Template};

impl<'a> Checker<'a> {
    /// Checks a template that is neither steps nor dag.
    pub(super) fn leaf(&mut self, processed: &Processed, scope: &Scope, subject: &Subject<'a, '_>) {
        let template = &processed.template;
        let place = subject.place;
        let globals = std::mem::take(&mut self.globals);
        let template_only = self.template_only;
        let extra = Scope::default();
        let view = View { scope, extra: &extra, globals: &globals, on_demand: &|_| false, template_only };
        let outside = place.clone().named(":");
        self.check_variables(&processed.value, &view, &outside);
        self.globals = globals;
        if let Some(container) = &template.container {
            self.mounts(container, template, place);
            self.image(&container.image, "container", subject.base, place);
        }
        if let Some(script) = &template.script {
            self.image(&script.image, "script", subject.base, place);
        }
        if template.container_set.is_some() {
            self.container_set(template, place);
        }
        self.reserved_names(template, place);
        if let Some(resource) = &template.resource {
            self.resource(resource, template, place);
        }
        self.deadline(template, place);
        if template.parallelism.is_some() {
            let at = place.field("parallelism");
            self.reporter.error(&at, "parallelism", ".parallelism is only valid for steps and dag templates");
        }
        if template.plugin.as_ref().is_some_and(|plugin| plugin.as_object().is_none_or(|map| map.len() != 1))
        {
            self.reporter.error(
                &place.field("plugin"),
                "plugin",
                ".plugin must be a map with exactly one key",
            );
        }
    }

    /// Mounts and input artifacts must not share a path.
    fn mounts(&mut self, container: &Container, template: &Template, place: &Place) {
        let mut taken: BTreeMap<&str, String> = BTreeMap::new();
        for (index, mount) in container.volume_mounts.iter().enumerate() {
            let name = format!("container.volumeMounts.{}", mount.name);
            if let Some(before) = taken.insert(&mount.mount_path, name) {
                let at = place.field(&format!("container/volumeMounts/{index}/mountPath"));
                let text = format!(
                    ".container.volumeMounts[{index}].mountPath '{}' already mounted in {before}",
                    mount.mount_path
                );
                self.reporter.error(&at, "mount-collision", text);
            }
        }
        for (index, artifact) in
            template.inputs.artifacts.iter().enumerate().filter(|(_, a)| !a.path.is_empty())
        {
            if let Some(before) = taken.insert(&artifact.path, format!("inputs.artifacts.{}", artifact.name))
            {
                let at = place.field(&format!("inputs/artifacts/{index}/path"));
                let text = format!(
                    ".inputs.artifacts[{index}].path '{}' already mounted in {before}",
                    artifact.path
                );
                self.reporter.error(&at, "mount-collision", text);
            }
        }
    }

    fn image(&mut self, image: &str, kind: &str, base: &Base<'a>, place: &Place) {
        let defaults = base.spec.template_defaults.as_deref();
        let default = match kind {
            "script" => defaults.and_then(|d| d.script.as_ref()).map(|s| s.image.as_str()),
            _ => defaults.and_then(|d| d.container.as_ref()).map(|c| c.image.as_str()),
        };
        let cluster = matches!(base.scope, crate::resolve::TemplateScope::Cluster(_));
        if image.is_empty() && (cluster || default.unwrap_or_default().is_empty()) {
            self.reporter.error(
                &place.field(kind),
                "image-missing",
                format!(".{kind}.image may not be empty"),
            );
        }
    }

    fn reserved_names(&mut self, template: &Template, place: &Place) {
        for (index, sidecar) in template.sidecars.iter().enumerate() {
            if is_reserved(&sidecar.name) {
                let at = place.field(&format!("sidecars/{index}/name"));
                let text = format!(".sidecars: \"{}\" is a reserved Argo container name", sidecar.name);
                self.reporter.error(&at, "container-name-reserved", text);
            }
        }
        for (index, container) in template.init_containers.iter().enumerate() {
            if container.name.is_empty() {
                let at = place.field(&format!("initContainers/{index}"));
                self.reporter.error(&at, "name-missing", ": initContainers must all have container name");
            }
        }
    }

    fn deadline(&mut self, template: &Template, place: &Place) {
        let Some(deadline) = &template.active_deadline_seconds else { return };
        let fits = match deadline {
            IntOrString::Int(seconds) => *seconds >= 0,
            IntOrString::Text(text) => match text.parse::<i64>() {
                Ok(seconds) => seconds >= 0,
                Err(_) => (text.starts_with("{{") && text.ends_with("}}")) || tags::has_placeholder(text),
            },
        };
        if !fits {
            let at = place.field("activeDeadlineSeconds");
            let text = ".activeDeadlineSeconds must be a positive integer > 0 or an argo variable";
            self.reporter.error(&at, "deadline", text);
        }
    }
}

/// Names of containers that the engine adds itself.
pub(super) fn is_reserved(name: &str) -> bool {
    matches!(name, "wait" | "supervisor") || name.starts_with("artifact-plugin-")
}
