//! Which crates may depend on which, from `cargo metadata`.
//! Does not look at source.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};

/// Allowed edges between our crates; `*` is all. A crate that is not listed is a mistake.
const ALLOWED: [(&str, &[&str]); 19] = [
    ("runner-workflows", &[]),
    ("runner-machine", &["runner-workflows"]),
    ("runner-store", &[]),
    ("runner-runners", &["runner-workflows", "runner-fake-driver"]),
    ("runner-fake-driver", &[]),
    ("runner-pods", &["runner-workflows", "runner-runners", "runner-container-parts"]),
    ("runner-container-parts", &[]),
    ("runner-kubernetes", &["runner-workflows", "runner-runners", "runner-pods", "runner-kube"]),
    (
        "runner-plugins",
        &[
            "runner-workflows",
            "runner-runners",
            "runner-resources",
            "runner-fake-cluster",
            "runner-container-parts",
        ],
    ),
    ("runner-kube", &["runner-runners"]),
    ("runner-fake-cluster", &["runner-runners"]),
    (
        "runner-resources",
        &["runner-workflows", "runner-sensors", "runner-runners", "runner-kube", "runner-fake-cluster"],
    ),
    ("runner-sensors", &["runner-workflows"]),
    ("runner-brokers", &["runner-workflows", "runner-sensors", "runner-runners"]),
    ("runner-controller", &["runner-workflows", "runner-machine", "runner-store", "runner-runners"]),
    (
        "runner-events",
        &[
            "runner-workflows",
            "runner-sensors",
            "runner-brokers",
            "runner-kube",
            "runner-fake-cluster",
            "runner-machine",
            "runner-store",
            "runner-runners",
            "runner-controller",
        ],
    ),
    ("runner-cli", &["*"]),
    ("runner-tests", &["*"]),
    ("xtask", &[]),
];
/// Pure crates and what they must not reach, however far away.
const PURE: [&str; 3] = ["runner-workflows", "runner-machine", "runner-sensors"];
const UNREACHABLE: [&str; 9] =
    ["tokio", "sqlx", "sqlx-core", "libsqlite3-sys", "reqwest", "hyper", "rand", "fastrand", "tempfile"];

/// Reads the metadata of the workspace.
///
/// # Errors
/// Cargo's own.
pub fn metadata(root: &Path) -> Result<Metadata, String> {
    let mut command = MetadataCommand::new();
    // Crates of other platforms are not there after a build on a fresh machine.
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let options = ["--locked".to_owned(), "--offline".to_owned(), "--filter-platform".to_owned(), platform];
    command.manifest_path(root.join("Cargo.toml")).other_options(options);
    command.exec().map_err(|error| error.to_string())
}

/// Edges between our crates that are not allowed; test dependencies count as well.
pub fn forbidden(metadata: &Metadata) -> Vec<String> {
    let ours: BTreeSet<&str> =
        metadata.workspace_packages().iter().map(|package| package.name.as_str()).collect();
    let mut wrong = Vec::new();
    for package in metadata.workspace_packages() {
        let name = package.name.as_str();
        let Some((_, allowed)) = ALLOWED.iter().find(|(listed, _)| *listed == name) else {
            wrong.push(format!("{name} is not in the table of allowed edges"));
            continue;
        };
        for dependency in package.dependencies.iter().map(|dependency| dependency.name.as_str()) {
            let fine = allowed.contains(&"*") || allowed.contains(&dependency) || dependency == name;
            if ours.contains(dependency) && !fine {
                wrong.push(format!("{name} must not depend on {dependency}"));
            }
        }
    }
    wrong
}

/// Crates that a pure crate reaches and must not.
pub fn impure(metadata: &Metadata) -> Vec<String> {
    let Some(resolve) = &metadata.resolve else { return vec!["cargo metadata gave no graph".to_owned()] };
    let names: BTreeMap<&PackageId, &str> =
        metadata.packages.iter().map(|package| (&package.id, package.name.as_str())).collect();
    let nodes: BTreeMap<&PackageId, _> = resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let mut wrong = Vec::new();
    for package in
        metadata.workspace_packages().iter().filter(|package| PURE.contains(&package.name.as_str()))
    {
        let mut seen = BTreeSet::from([&package.id]);
        let mut queue = VecDeque::from([&package.id]);
        while let Some(id) = queue.pop_front() {
            let Some(node) = nodes.get(id) else { continue };
            for dependency in &node.deps {
                let linked = dependency.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal);
                if linked && seen.insert(&dependency.pkg) {
                    queue.push_back(&dependency.pkg);
                }
            }
        }
        for name in seen.iter().filter_map(|id| names.get(*id)).filter(|name| UNREACHABLE.contains(name)) {
            wrong.push(format!("{} reaches {name}", package.name));
        }
    }
    wrong
}
