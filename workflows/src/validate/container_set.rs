//! Container sets: names, dependencies, the main container, mounts.
//! Does not check the containers' own fields.

use std::collections::{BTreeMap, BTreeSet};

use super::checker::Checker;
use super::graph::Graph;
use super::leaf::is_reserved;
use super::names::{self, NameRule};
use super::report::Place;
use crate::spec::{ContainerSetTemplate, DagTask, Template};

impl Checker<'_> {
    /// Checks the container set of a template.
    pub(super) fn container_set(&mut self, template: &Template, place: &Place) {
        let Some(set) = &template.container_set else { return };
        let at = place.field("containerSet").named(".containerSet");
        let list = at.field("containers").named(".containers");
        if set.containers.is_empty() {
            self.reporter.error(&at, "container-set-empty", ".containers must have at least one container");
            return;
        }
        names::check_list(
            &mut self.reporter,
            &list,
            NameRule::Field,
            set.containers.iter().map(|c| c.name.as_str()),
        );
        self.set_mounts(set, &at);
        self.set_dependencies(set, &list);
        let outputs = &template.outputs;
        let passes = !template.inputs.artifacts.is_empty()
            || !outputs.parameters.is_empty()
            || !outputs.artifacts.is_empty();
        if passes && !set.containers.iter().any(|c| c.name == "main") {
            let text = " must have a container named \"main\" for input or output";
            self.reporter.error(&list, "container-set-main", text);
        }
        for (index, container) in set.containers.iter().enumerate().filter(|(_, c)| is_reserved(&c.name)) {
            let text = format!(": \"{}\" is a reserved Argo container name", container.name);
            self.reporter.error(&list.field(&format!("{index}/name")), "container-name-reserved", text);
        }
    }

    fn set_mounts(&mut self, set: &ContainerSetTemplate, at: &Place) {
        let mut taken: BTreeMap<&str, &str> = BTreeMap::new();
        for (index, mount) in set.volume_mounts.iter().enumerate() {
            if let Some(before) = taken.insert(&mount.mount_path, &mount.name) {
                let text = format!(
                    ".volumeMounts[{index}].mountPath '{}' already mounted in volumeMounts.{before}",
                    mount.mount_path
                );
                self.reporter.error(&at.field(&format!("volumeMounts/{index}")), "mount-collision", text);
            }
        }
    }

    fn set_dependencies(&mut self, set: &ContainerSetTemplate, list: &Place) {
        let known: BTreeSet<&str> = set.containers.iter().map(|c| c.name.as_str()).collect();
        for (index, container) in set.containers.iter().enumerate() {
            for name in container.dependencies.iter().filter(|name| !known.contains(name.as_str())) {
                let at = list.field(&format!("{index}/dependencies")).named(&format!(".{}", container.name));
                self.reporter.error(&at, "dependency-undefined", format!("dependency '{name}' not defined"));
            }
        }
        let as_tasks: Vec<DagTask> = set
            .containers
            .iter()
            .map(|c| DagTask {
                name: c.name.clone(),
                dependencies: c.dependencies.clone(),
                ..DagTask::default()
            })
            .collect();
        for cycle in Graph::new(&as_tasks).cycles() {
            self.reporter.error(
                list,
                "container-set-cycle",
                format!("dependency cycle detected: {}", cycle.join("->")),
            );
        }
    }
}
