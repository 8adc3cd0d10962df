//! Fields that Argo knows and that have no effect when steps run on this machine, with the reason.
//! Does not judge fields that are acted on, nor unknown ones (`parse` reports those).

use std::collections::BTreeSet;

use crate::diagnostic::{Diagnostic, Span};
use crate::parse::Manifest;
use crate::parse::tree::Node;

/// Where the fields of a rule are found.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    /// The workflow's spec.
    Spec,
    /// A template, `templateDefaults` included.
    Template,
    /// A container, script, side car, init container or container of a set.
    Container,
}

const PLACEMENT: &str = "steps run on this machine, nothing places them on nodes";
const POD: &str = "steps run as processes, there is no pod to configure";
const ACCOUNT: &str = "steps run as the user who runs the engine, not as a service account";
const NETWORK: &str = "steps share the network of this machine";
const IMAGE: &str = "images are hints here and are not pulled";
const SECURITY: &str = "steps run with the rights of the engine's user";
const PROBE: &str = "processes are watched directly";
const RESOURCES: &str =
    "only holds the memory of main and counts in resourcesDuration: steps share the cpu of this machine";
const STREAM: &str = "steps have no terminal and no standard input";

/// Fields without effect: where, name, reason. A reason that begins with `only` says what is left of the effect.
const RULES: &[(Level, &str, &str)] = &[
    (Level::Spec, "serviceAccountName", ACCOUNT),
    (Level::Spec, "automountServiceAccountToken", ACCOUNT),
    (Level::Spec, "executor", ACCOUNT),
    (Level::Spec, "nodeSelector", PLACEMENT),
    (Level::Spec, "affinity", PLACEMENT),
    (Level::Spec, "tolerations", PLACEMENT),
    (Level::Spec, "schedulerName", PLACEMENT),
    (Level::Spec, "podPriorityClassName", PLACEMENT),
    (Level::Spec, "podPriority", PLACEMENT),
    (Level::Spec, "imagePullSecrets", IMAGE),
    (Level::Spec, "hostNetwork", NETWORK),
    (Level::Spec, "dnsPolicy", NETWORK),
    (Level::Spec, "dnsConfig", NETWORK),
    (Level::Spec, "hostAliases", NETWORK),
    (Level::Spec, "securityContext", SECURITY),
    (Level::Spec, "podSpecPatch", POD),
    (Level::Spec, "podGC", POD),
    (Level::Spec, "podDisruptionBudget", POD),
    (Level::Spec, "podResources", POD),
    (Level::Spec, "resourceClaims", POD),
    (Level::Spec, "executorPlugins", POD),
    (Level::Template, "serviceAccountName", ACCOUNT),
    (Level::Template, "automountServiceAccountToken", ACCOUNT),
    (Level::Template, "executor", ACCOUNT),
    (Level::Template, "nodeSelector", PLACEMENT),
    (Level::Template, "affinity", PLACEMENT),
    (Level::Template, "tolerations", PLACEMENT),
    (Level::Template, "schedulerName", PLACEMENT),
    (Level::Template, "priorityClassName", PLACEMENT),
    (Level::Template, "priority", PLACEMENT),
    (Level::Template, "hostAliases", NETWORK),
    (Level::Template, "securityContext", SECURITY),
    (Level::Template, "podSpecPatch", POD),
    (Level::Template, "podResources", POD),
    (Level::Template, "resourceClaims", POD),
    (Level::Container, "ports", NETWORK),
    (Level::Container, "resources", RESOURCES),
    (Level::Container, "resizePolicy", POD),
    (Level::Container, "restartPolicy", POD),
    (Level::Container, "restartPolicyRules", POD),
    (Level::Container, "volumeDevices", POD),
    (Level::Container, "livenessProbe", PROBE),
    (Level::Container, "startupProbe", PROBE),
    (Level::Container, "lifecycle", POD),
    (Level::Container, "terminationMessagePath", POD),
    (Level::Container, "terminationMessagePolicy", POD),
    (Level::Container, "imagePullPolicy", IMAGE),
    (Level::Container, "securityContext", SECURITY),
    (Level::Container, "stdin", STREAM),
    (Level::Container, "stdinOnce", STREAM),
    (Level::Container, "tty", STREAM),
    (Level::Container, "mirrorVolumeMounts", POD),
    (Level::Template, "retryStrategy/affinity", PLACEMENT),
    (Level::Spec, "retryStrategy/affinity", PLACEMENT),
    (Level::Spec, "artifactGC/serviceAccountName", ACCOUNT),
    (Level::Spec, "artifactGC/podSpecPatch", POD),
    (Level::Spec, "artifactGC/podMetadata", POD),
    (Level::Spec, "artifactGC/forceFinalizerRemoval", "nothing here has finalizers"),
];

/// Notes about fields of a manifest that have no effect with local steps, each field once, at its first line.
pub fn without_effect(manifest: &Manifest) -> Vec<Diagnostic> {
    let root = manifest.origin().root();
    let spec = match manifest {
        Manifest::Workflow(_) | Manifest::WorkflowTemplate(_) | Manifest::ClusterWorkflowTemplate(_) => {
            root.get("spec")
        }
        Manifest::CronWorkflow(_) => root.get("spec").and_then(|spec| spec.get("workflowSpec")),
        Manifest::ConfigMap(_) | Manifest::Secret(_) | Manifest::Other(_) => None,
    };
    let Some(spec) = spec else { return Vec::new() };
    let mut notes = Notes { manifest, seen: BTreeSet::new(), out: Vec::new() };
    notes.look(spec, Level::Spec);
    let templates = spec.get("templates").and_then(Node::elements).unwrap_or_default();
    for template in templates.iter().chain(spec.get("templateDefaults")) {
        notes.template(template);
    }
    notes.out
}

struct Notes<'a> {
    manifest: &'a Manifest,
    seen: BTreeSet<(&'static str, &'static str)>,
    out: Vec<Diagnostic>,
}

impl Notes<'_> {
    fn template(&mut self, template: &Node) {
        self.look(template, Level::Template);
        let lists = ["sidecars", "initContainers"].into_iter().filter_map(|key| template.get(key));
        let set = template.get("containerSet").and_then(|set| set.get("containers"));
        let many = lists.chain(set).filter_map(Node::elements).flatten();
        let single = ["container", "script"].into_iter().filter_map(|key| template.get(key));
        for container in single.chain(many) {
            self.look(container, Level::Container);
        }
        for inline in inlines(template) {
            self.template(inline);
        }
    }

    fn look(&mut self, node: &Node, level: Level) {
        for (_, field, why) in RULES.iter().filter(|(at, ..)| *at == level) {
            let found = field.split('/').try_fold((node, None), |(node, _), key| {
                let entry = node.entry(key)?;
                Some((&entry.value, Some(entry)))
            });
            let Some((value, Some(entry))) = found else { continue };
            if value.is_null() || !self.seen.insert((field, why)) {
                continue;
            }
            let span = Span::new(self.manifest.origin().source(), entry.key_range.clone());
            let text = match why.strip_prefix("only ") {
                Some(rest) => format!("`{}` only {rest}", entry.key),
                None => format!("`{}` has no effect here because {why}", entry.key),
            };
            let note = Diagnostic::note("no-effect", text);
            self.out.push(note.at(Some(span)).object(self.manifest.label()));
        }
    }
}

/// The inline templates of the steps and tasks of a template.
fn inlines(template: &Node) -> Vec<&Node> {
    let groups = template.get("steps").and_then(Node::elements).unwrap_or_default();
    let steps = groups.iter().filter_map(Node::elements).flatten();
    let tasks =
        template.get("dag").and_then(|dag| dag.get("tasks")).and_then(Node::elements).unwrap_or_default();
    steps.chain(tasks).filter_map(|holder| holder.get("inline")).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::{Level, RULES, without_effect};
    use crate::parse::{Limits, parse_file};

    #[test]
    fn each_field_without_effect_is_noted_once_with_its_line() {
        let text = "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nmetadata: {generateName: a-}\nspec:\n  entrypoint: a\n  nodeSelector: {disk: ssd}\n  templates:\n  - name: a\n    container: {image: x, tty: true, command: [a]}\n  - name: b\n    container: {image: x, tty: true, command: [a]}\n";
        let (manifests, problems) = parse_file("w.yaml", text, Limits::default());
        assert!(problems.is_empty(), "{problems:?}");
        let notes: Vec<String> =
            without_effect(manifests.first().unwrap()).iter().map(|n| n.render()).collect();
        assert_eq!(notes.len(), 2, "{notes:?}");
        assert!(notes[0].starts_with(
            "w.yaml:6:3: note[no-effect]: Workflow a-: `nodeSelector` has no effect here because"
        ));
        assert!(notes[1].starts_with("w.yaml:9:27: note[no-effect]"), "{}", notes[1]);
    }

    /// Fields of the schema that are acted on when steps run on this machine.
    const ACTED_ON: &[(&str, &[&str])] = &[
        (
            "WorkflowSpec",
            &[
                "activeDeadlineSeconds",
                "archiveLogs",
                "arguments",
                "artifactGC",
                "artifactRepositoryRef",
                "entrypoint",
                "hooks",
                "metrics",
                "onExit",
                "parallelism",
                "podMetadata",
                "priority",
                "retryStrategy",
                "shutdown",
                "suspend",
                "synchronization",
                "templateDefaults",
                "templates",
                "ttlStrategy",
                "volumeClaimGC",
                "volumeClaimTemplates",
                "volumes",
                "workflowMetadata",
                "workflowTemplateRef",
            ],
        ),
        (
            "Template",
            &[
                "activeDeadlineSeconds",
                "annotations",
                "archiveLocation",
                "container",
                "containerSet",
                "daemon",
                "dag",
                "data",
                "failFast",
                "http",
                "initContainers",
                "inputs",
                "memoize",
                "metadata",
                "metrics",
                "name",
                "outputs",
                "parallelism",
                "pendingTimeout",
                "plugin",
                "resource",
                "retryStrategy",
                "script",
                "sidecars",
                "steps",
                "suspend",
                "synchronization",
                "timeout",
                "volumes",
            ],
        ),
        (
            "UserContainer",
            &[
                "args",
                "command",
                "env",
                "envFrom",
                "image",
                "name",
                "readinessProbe",
                "volumeMounts",
                "workingDir",
            ],
        ),
    ];

    #[test]
    fn every_field_of_the_schema_is_acted_on_or_said_to_have_no_effect() {
        let folder = std::env::var("ARGO_SCHEMA_DIR").unwrap_or_else(|_| "../../shared/data".to_owned());
        let path = std::path::Path::new(&folder).join("argo-workflows-schema.json");
        let Ok(text) = std::fs::read_to_string(&path) else {
            println!("skipped: there is no {}", path.display());
            return;
        };
        let schema: serde_json::Value = serde_json::from_str(&text).unwrap();
        let levels = [Level::Spec, Level::Template, Level::Container];
        for ((kind, acted), level) in ACTED_ON.iter().zip(levels) {
            let pointer = format!("/definitions/io.argoproj.workflow.v1alpha1.{kind}/properties");
            let fields = schema.pointer(&pointer).unwrap().as_object().unwrap();
            for field in fields.keys() {
                let noted = RULES.iter().any(|(at, name, _)| *at == level && name == field);
                let acted = acted.contains(&field.as_str());
                assert!(noted != acted, "{kind}.{field}: noted {noted}, acted on {acted}");
            }
        }
    }
}
