//! `runner graph`: a workflow of a file or a run as tree, Mermaid, DOT or SVG.
//! Does not lay anything out: `runner_workflows::graph` does.

use std::path::PathBuf;

use clap::ValueEnum;
use runner_workflows::graph::{Graph, MAX_NODES, from_spec, from_status};
use runner_workflows::parse::Manifest;
use runner_workflows::resolve::Catalog;

use crate::exit::{Code, Failure, Result};
use crate::manifests::{Loaded, report};
use crate::wire::Wire;

/// Flags of `graph`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A file, or the name of a workflow
    #[arg(value_name = "FILE|NAME")]
    what: String,
    /// More files, whose templates are followed
    #[arg(long = "with", value_name = "FILE|DIR")]
    with: Vec<PathBuf>,
}

/// Form of the picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// Lines
    #[default]
    Tree,
    /// A Mermaid flowchart
    Mermaid,
    /// A digraph of Graphviz
    Dot,
    /// A picture
    Svg,
}

pub(crate) const LONG: &str = "Examples:
  $ runner graph hello.yaml
  $ runner graph @latest -o svg > run.svg

-o takes tree (the default), mermaid, dot and svg.

Shows what a workflow consists of and what waits for what. Of a file: the templates from the entrypoint on, loops as one \
node, conditions as notes. Of a run: its nodes with their phases.";

/// Draws.
pub async fn run(args: &Args, form: Form, wire: &Wire) -> Result {
    let path = PathBuf::from(&args.what);
    let looks_like_file = args.what == "-" || args.what.contains('/') || args.what.ends_with(".yaml");
    let graphs = if path.is_file() || looks_like_file || args.what.ends_with(".yml") {
        of_file(args, wire, path).await?
    } else {
        let store = wire.existing_or_fail().await?;
        let name = wire.resolve(&store, &args.what).await?;
        vec![from_status(&wire.load(&store, &name).await?.json)]
    };
    if graphs.len() > 1 && form == Form::Svg {
        return Err(Failure::usage(format!(
            "{} holds {} workflows: a picture shows one",
            args.what,
            graphs.len()
        )));
    }
    for graph in &graphs {
        if graph.cut {
            wire.console.say(&format!("more than {MAX_NODES} nodes: the rest is left out"));
        }
        wire.console.raw(&draw(graph, form))?;
    }
    Ok(Code::Ok)
}

fn draw(graph: &Graph, form: Form) -> String {
    match form {
        Form::Tree => graph.tree(),
        Form::Mermaid => graph.mermaid(),
        Form::Dot => graph.dot(),
        Form::Svg => graph.svg(),
    }
}

async fn of_file(args: &Args, wire: &Wire, path: PathBuf) -> Result<Vec<Graph>> {
    let loaded = Loaded::read(&[path], false)?;
    let more = Loaded::read(&args.with, false)?;
    let errors: Vec<_> = loaded.diagnostics.into_iter().filter(|problem| problem.is_error()).collect();
    report(&wire.console, &errors, "nothing was drawn")?;
    let mut catalog = match wire.existing().await? {
        Some(store) => crate::catalog::templates(store.as_ref(), &wire.namespace).await?,
        None => Catalog::default(),
    };
    for manifest in loaded.manifests.iter().chain(&more.manifests) {
        catalog.add(manifest);
    }
    let mut graphs = Vec::new();
    for manifest in &loaded.manifests {
        let spec = match manifest {
            Manifest::Workflow(doc) => &doc.object.spec,
            Manifest::WorkflowTemplate(doc) | Manifest::ClusterWorkflowTemplate(doc) => &doc.object.spec,
            Manifest::CronWorkflow(doc) => &doc.object.spec.workflow_spec,
            Manifest::ConfigMap(_) | Manifest::Secret(_) | Manifest::Other(_) => continue,
        };
        let label = manifest.name();
        if spec.entrypoint.is_empty() && spec.workflow_template_ref.is_none() {
            // a library of templates: each by itself
            for template in &spec.templates {
                let mut alone = spec.clone();
                alone.entrypoint.clone_from(&template.name);
                graphs.push(from_spec(&format!("{label}/{}", template.name), &alone, &catalog));
            }
            continue;
        }
        graphs.push(from_spec(if label.is_empty() { "workflow" } else { label }, spec, &catalog));
    }
    if graphs.is_empty() {
        return Err(Failure::new(Code::Invalid, format!("{} holds no workflow", args.what)));
    }
    Ok(graphs)
}
