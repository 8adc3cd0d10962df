//! `runner plan`: what a workflow would do, without running it.
//! Does not work it out: `runner_machine::preview` does. Looks up what is there and what is missing.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::SignedDuration;
use runner_controller::{Executor, cache_name, estimate};
use runner_machine::{Plan, preview};
use runner_store::Store;
use runner_workflows::needs::{Need, NeedKind};
use runner_workflows::resolve::{ResolvedWorkflow, Submission};
use serde_json::Value;

use super::apply::Validate;
use crate::exit::{Code, Failure, Result};
use crate::output::Format;
use crate::output::plan::{Cached, Estimated, Needed, Shown};
use crate::prepare::{self, Checks};
use crate::secrets::Sources;
use crate::wire::Wire;

/// Flags of `plan`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Workflow files, or - for stdin
    #[arg(value_name = "FILE", required_unless_present = "from", conflicts_with = "from")]
    files: Vec<PathBuf>,
    /// A stored template instead: wftmpl/NAME, cwft/NAME or cronwf/NAME
    #[arg(long, value_name = "KIND/NAME")]
    from: Option<String>,
    /// Set a parameter
    #[arg(short, long = "parameter", value_name = "NAME=VALUE", value_parser = super::pair)]
    parameters: Vec<(String, String)>,
    /// Set parameters from a YAML or JSON file
    #[arg(short = 'f', long, value_name = "FILE")]
    parameter_file: Option<PathBuf>,
    /// Start with this template
    #[arg(long, value_name = "TEMPLATE")]
    entrypoint: Option<String>,
}

pub(crate) const LONG: &str = "Examples:
  $ runner plan hello.yaml -p message=hi
  $ runner plan hello.yaml -o json

Shows what a workflow would do: its steps in waves, those of a wave side by side, with the values that are known. \
What a step will hand on is shown by its name, as ⟨tasks.build.outputs.result⟩, and the plan goes on behind it. Below: \
images, Secrets and ConfigMaps and whether they are there (never their values), volumes, locks, what is changed \
outside, entries of caches that are there already, and how long the last such run took.

Steps are taken as succeeding; what happens only after a failure, or depends on a value of the run, says so. Nothing \
is stored or run. Exit code 3 when a step could not run.";

/// Plans.
pub async fn run(args: &Args, wire: &Wire) -> Result {
    let mut parameters = match &args.parameter_file {
        Some(path) => super::parameter_file(path)?,
        None => Vec::new(),
    };
    parameters.extend(args.parameters.iter().cloned());
    let submission = Submission { parameters, entrypoint: args.entrypoint.clone(), ..Submission::default() };
    let prepared = match &args.from {
        Some(from) => prepare::from_stored(wire, from, &submission, Validate::ON).await?,
        None => {
            let how = Checks { strict: false, validate: Validate::ON, executor: wire.executor()? };
            prepare::from_files(wire, &args.files, &submission, how).await?
        }
    };
    let wire = &wire.within(&prepared.namespace);
    let brought: BTreeSet<String> = prepared
        .manifests
        .iter()
        .filter(|manifest| manifest.kind == "ConfigMap")
        .map(|manifest| manifest.name.clone())
        .collect();
    let store = wire.existing().await?;
    let mut all = Vec::new();
    for resolved in prepared.workflows {
        all.push(one(wire, store.as_ref(), resolved, &brought).await?);
    }
    print(wire, &all)?;
    let broken = all.iter().any(|shown| !shown.preview.problems().is_empty());
    Ok(if broken { Code::Invalid } else { Code::Ok })
}

async fn one(
    wire: &Wire,
    store: Option<&Arc<dyn Store>>,
    resolved: ResolvedWorkflow,
    brought: &BTreeSet<String>,
) -> Result<Shown> {
    let bad = |error: runner_machine::Error| Failure::new(Code::Invalid, error.to_string());
    let labels = resolved.metadata.labels.clone();
    let plan = Plan::new(Arc::new(resolved)).map_err(bad)?;
    let preview = preview::preview(&plan, &wire.namespace).map_err(bad)?;
    let sources = wire.sources();
    let mut needed = Vec::new();
    for ((kind, name), need) in &preview.requirements.objects {
        needed.push(look(wire, store, &sources, brought, *kind, name, need).await?);
    }
    let mut cached = Vec::new();
    for cache in preview.requirements.caches.iter() {
        let hit = match store.filter(|_| cache.key.is_known()) {
            Some(store) => {
                let name = cache_name(&wire.namespace, &cache.cache);
                Some(store.get_memo(&name, &cache.key.text).await?.is_some())
            }
            None => None,
        };
        cached.push(Cached { hit, entry: cache.clone() });
    }
    let estimated = match store {
        Some(store) => estimate(store.as_ref(), &wire.namespace, &labels).await,
        None => None,
    };
    Ok(Shown {
        namespace: wire.namespace.clone(),
        images_are_hints: wire.executor()? == Executor::Process,
        preview,
        needed,
        cached,
        estimated: estimated.map(|found| Estimated {
            duration: SignedDuration::from_secs(found.seconds),
            workflow: found.workflow,
        }),
    })
}

/// Whether an object and all its keys are there.
async fn look(
    wire: &Wire,
    store: Option<&Arc<dyn Store>>,
    sources: &Sources,
    brought: &BTreeSet<String>,
    kind: NeedKind,
    name: &str,
    need: &Need,
) -> Result<Needed> {
    let failed = |error: runner_runners::Error| Failure::new(Code::Failed, error.to_string());
    let namespace = &wire.namespace;
    let known: Option<BTreeSet<String>> = match kind {
        NeedKind::Secret => {
            let mut found = BTreeSet::new();
            for key in &need.keys {
                if sources.value(namespace, name, key).map_err(failed)?.is_some() {
                    found.insert(key.clone());
                }
            }
            let all = sources.all(namespace, name).map_err(failed)?;
            (all.is_some() || !found.is_empty()).then_some(found)
        }
        NeedKind::ConfigMap if brought.contains(name) => Some(need.keys.clone()),
        NeedKind::ConfigMap => {
            let given = sources.config_map(namespace, name).map_err(failed)?;
            match (given, store) {
                (Some(data), _) => Some(data.into_keys().collect()),
                (None, Some(store)) => {
                    store.get_manifest("ConfigMap", namespace, name).await?.map(|stored| {
                        let body: Value = serde_json::from_slice(&stored.body).unwrap_or_default();
                        body["data"]
                            .as_object()
                            .map(|data| data.keys().cloned().collect())
                            .unwrap_or_default()
                    })
                }
                (None, None) => None,
            }
        }
    };
    let missing = match &known {
        Some(known) => need.keys.difference(known).cloned().collect(),
        None => BTreeSet::new(),
    };
    Ok(Needed {
        kind: kind.as_str(),
        name: name.to_owned(),
        keys: need.keys.clone(),
        required: need.required,
        // a name that comes at run time cannot be looked for
        present: (!name.contains('⟨')).then_some(known.is_some()),
        missing,
    })
}

fn print(wire: &Wire, all: &[Shown]) -> Result<()> {
    let console = &wire.console;
    match console.format() {
        Format::Json | Format::Jsonl | Format::Yaml => {
            let documents: Vec<Value> = all.iter().map(Shown::json).collect();
            match documents.as_slice() {
                [one] => console.document(one),
                several => console.documents(several),
            }
        }
        Format::Name => {
            let steps =
                all.iter().flat_map(|shown| shown.preview.waves.iter().flatten().map(move |at| (shown, *at)));
            let names = steps.filter_map(|(shown, at)| Some(shown.preview.nodes.get(at)?.path.clone()));
            console.lines(names.collect::<Vec<_>>())
        }
        Format::Table | Format::Wide => {
            for (number, shown) in all.iter().enumerate() {
                if number > 0 {
                    console.data("")?;
                }
                console.lines(shown.lines(console.out))?;
            }
            console.hint("nothing was stored or run");
            Ok(())
        }
    }
}
