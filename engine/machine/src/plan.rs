//! The plan: the frozen spec with every template compiled once, on first use.
//! Holds nothing that changes while a run goes on; dropping the cache loses nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use runner_workflows::expr::depends::{self, Depends};
use runner_workflows::expr::{Fuel, Text, Tree, Vars};
use runner_workflows::resolve::{ResolvedWorkflow, TemplateScope};
use runner_workflows::spec::{
    ContinueOn, DagTask, LifecycleHook, Parameter, Template, TemplateKind, TemplateRef, WorkflowSpec,
    WorkflowStep, k8s,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::Error;
use crate::node::{NodeIx, Owner};
use crate::status::WorkflowStatus;

/// A run's frozen spec, compiled.
#[derive(Debug)]
pub struct Plan {
    /// The spec.
    pub workflow: Arc<ResolvedWorkflow>,
    cache: Mutex<BTreeMap<String, Result<Arc<Compiled>, String>>>,
    /// Something emits metrics; some of them are gauges of passing time.
    metrics: (bool, bool),
    /// [`Storage`], to be rendered.
    storage: Result<Tree, String>,
}

/// What the workflow as a whole says about volumes; tags in it are replaced for each attempt.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Storage {
    /// Volumes of every template.
    pub(crate) volumes: Vec<k8s::Volume>,
    /// Claims that are made for the run.
    pub(crate) claims: Vec<k8s::PersistentVolumeClaim>,
}

impl Storage {
    fn of(spec: &WorkflowSpec) -> Self {
        Self { volumes: spec.volumes.clone(), claims: spec.volume_claim_templates.clone() }
    }
}

/// One compiled template.
#[derive(Debug)]
pub(crate) struct Compiled {
    /// Where plain template names inside it are looked up.
    pub(crate) scope: TemplateScope,
    pub(crate) template: Arc<Template>,
    pub(crate) kind: Option<TemplateKind>,
    /// Everything but inputs, steps and dag.
    pub(crate) body: Tree,
    /// Input artifacts.
    pub(crate) artifacts: Tree,
    /// Defaults of input parameters, by position.
    pub(crate) defaults: Vec<Option<Text>>,
    /// Groups of steps.
    pub(crate) steps: Vec<Vec<Call>>,
    pub(crate) dag: Option<Dag>,
    /// Steps and tasks whose `outputs.result` something in this template refers to.
    pub(crate) results: BTreeSet<String>,
    /// Requests and limits hold no tags.
    pub(crate) literal_resources: bool,
    /// The template as JSON text, to see which variables an inline template needs.
    pub(crate) text: String,
}

/// A compiled DAG.
#[derive(Debug)]
pub(crate) struct Dag {
    pub(crate) tasks: Vec<Task>,
    pub(crate) by_name: BTreeMap<String, usize>,
    pub(crate) leaves: Vec<usize>,
}

/// One task of a DAG.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) call: Call,
    pub(crate) depends: Option<Depends>,
    pub(crate) deps: Vec<usize>,
    pub(crate) dependents: Vec<usize>,
}

/// A step or task: a template called with arguments, perhaps in a loop.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) name: String,
    /// Template name as written; may hold tags.
    pub(crate) template: String,
    /// Template reference as written; may hold tags.
    pub(crate) template_ref: Option<TemplateRef>,
    /// `steps` or `tasks`.
    pub(crate) family: &'static str,
    pub(crate) when: Option<Text>,
    /// Template name, reference and arguments.
    pub(crate) body: Tree,
    pub(crate) inline: Option<Arc<Compiled>>,
    pub(crate) with: With,
    pub(crate) hooks: BTreeMap<String, LifecycleHook>,
    pub(crate) exit_hook: Option<LifecycleHook>,
    pub(crate) continue_on: ContinueOn,
    /// Names of steps or tasks whose results it mentions; none means: could be any.
    pub(crate) mentions: Option<BTreeSet<String>>,
    /// Its template lets values of events into code.
    pub(crate) unsafe_splice: bool,
}

/// The loop of a call.
#[derive(Debug)]
pub(crate) enum With {
    None,
    Items(Tree),
    Param(Text),
    Sequence(Tree),
}

impl Plan {
    /// Prepares a plan. Templates are compiled when they are first used.
    ///
    /// # Errors
    /// When the spec was written by a newer version.
    pub fn new(workflow: Arc<ResolvedWorkflow>) -> Result<Self, Error> {
        if workflow.version > runner_workflows::resolve::RESOLVED_VERSION {
            return Err(Error::Spec(format!("it was written by a newer version ({})", workflow.version)));
        }
        let metrics = look_for_metrics(&workflow);
        let storage = tree(&Storage::of(&workflow.spec));
        Ok(Self { workflow, cache: Mutex::new(BTreeMap::new()), metrics, storage })
    }

    /// Volumes and claims of the workflow with everything replaced.
    pub(crate) fn storage(&self, vars: &Vars) -> Result<Storage, String> {
        let tree = self.storage.as_ref().map_err(Clone::clone)?;
        if tree.is_literal() {
            return Ok(Storage::of(&self.workflow.spec));
        }
        let rendered = tree.render(vars, &mut Fuel::default()).map_err(|error| error.to_string())?;
        serde_json::from_value(rendered.value).map_err(|error| error.to_string())
    }

    /// Whether anything in the workflow emits metrics.
    pub fn has_metrics(&self) -> bool {
        self.metrics.0
    }

    /// Whether a template has a gauge of passing time.
    pub fn has_realtime(&self) -> bool {
        self.metrics.1
    }

    /// The template that a name or reference means in a scope.
    pub(crate) fn lookup(
        &self,
        scope: &TemplateScope,
        name: &str,
        reference: Option<&TemplateRef>,
    ) -> Result<Arc<Compiled>, String> {
        let key = match reference {
            Some(r) => format!("{}#{}", TemplateScope::of_ref(r), r.template),
            None => format!("{scope}#{name}"),
        };
        let mut cache = match self.cache.lock() {
            Ok(cache) => cache,
            Err(poisoned) => poisoned.into_inner(),
        };
        if let Some(known) = cache.get(&key) {
            return known.clone();
        }
        let found = match reference {
            Some(r) => self.workflow.lookup(scope, r),
            None => self.workflow.lookup(scope, name),
        };
        let compiled = match found {
            Some((inner, template)) => compile(&self.workflow, inner, template, true).map(Arc::new),
            None => Err(not_found(name, reference)),
        };
        cache.insert(key, compiled.clone());
        compiled
    }

    /// The template of a node, found again from what the node records.
    pub(crate) fn template_of(&self, status: &WorkflowStatus, ix: NodeIx) -> Result<Arc<Compiled>, String> {
        let node = status.node(ix).ok_or("the node is gone")?;
        if node.template_ref.is_none() && node.template_name.is_empty() {
            let boundary = call_site(status, ix).ok_or("the node has no template")?;
            let (compiled, group, call) = self.site(status, boundary)?;
            let call = compiled.call(group, call).ok_or("the node's step is gone")?;
            return call.inline.clone().ok_or_else(|| "the node has no template".to_owned());
        }
        let scope = TemplateScope::parse(&node.template_scope).unwrap_or_else(|| self.workflow.root_scope());
        self.lookup(&scope, &node.template_name, node.template_ref.as_ref())
    }

    /// The compiled boundary template, group and number of the step or task that a node was created for.
    pub(crate) fn site(
        &self,
        status: &WorkflowStatus,
        site: CallSite,
    ) -> Result<(Arc<Compiled>, Option<usize>, usize), String> {
        Ok((self.template_of(status, site.boundary)?, site.group, site.call))
    }
}

/// Where a node's step or task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CallSite {
    pub(crate) boundary: NodeIx,
    pub(crate) group: Option<usize>,
    pub(crate) call: usize,
    pub(crate) item: Option<usize>,
}

/// The step or task that a node was created for; none for roots, hooks and groups.
pub(crate) fn call_site(status: &WorkflowStatus, ix: NodeIx) -> Option<CallSite> {
    match &status.node(ix)?.owner {
        Owner::Group(group, call, item) => match status.node(*group)?.owner {
            Owner::Steps(boundary, number) => Some(CallSite {
                boundary,
                group: Some(number as usize),
                call: *call as usize,
                item: item.map(|i| i as usize),
            }),
            _ => None,
        },
        Owner::Dag(boundary, call) => {
            Some(CallSite { boundary: *boundary, group: None, call: *call as usize, item: None })
        }
        Owner::TaskGroup(group, item) => {
            call_site(status, *group).map(|site| CallSite { item: Some(*item as usize), ..site })
        }
        Owner::Retry(of) => call_site(status, *of),
        Owner::Workflow
        | Owner::WorkflowExit
        | Owner::WorkflowHook(_)
        | Owner::Steps(..)
        | Owner::Hook(..)
        | Owner::ContainerSet(_) => None,
    }
}

impl Compiled {
    /// The step of a group, or the task, of that number.
    pub(crate) fn call(&self, group: Option<usize>, call: usize) -> Option<&Call> {
        match group {
            Some(group) => self.steps.get(group)?.get(call),
            None => self.dag.as_ref()?.tasks.get(call).map(|task| &task.call),
        }
    }
}

/// Whether the workflow has metrics, and whether templates have realtime ones. Inline templates count.
fn look_for_metrics(workflow: &ResolvedWorkflow) -> (bool, bool) {
    fn look(template: &Template, found: &mut (bool, bool)) {
        for metric in template.metrics.iter().flat_map(|metrics| &metrics.prometheus) {
            found.0 = true;
            found.1 |= crate::metrics::is_realtime(metric);
        }
        let steps = template.steps.iter().flatten().flatten().filter_map(|step| step.inline.as_deref());
        let tasks = template.dag.iter().flat_map(|dag| &dag.tasks).filter_map(|task| task.inline.as_deref());
        steps.chain(tasks).for_each(|inline| look(inline, found));
    }
    let mut found = (workflow.spec.metrics.is_some(), false);
    let stored = workflow.stored_templates.values();
    for template in
        workflow.spec.templates.iter().chain(stored).chain(workflow.spec.template_defaults.as_deref())
    {
        look(template, &mut found);
    }
    found
}

fn not_found(name: &str, reference: Option<&TemplateRef>) -> String {
    match reference {
        Some(r) => format!("template {}.{} not found", r.name, r.template),
        None => format!("template {name} not found"),
    }
}

fn compile(
    workflow: &ResolvedWorkflow,
    scope: TemplateScope,
    template: Arc<Template>,
    inline_allowed: bool,
) -> Result<Compiled, String> {
    let mut bare = Template::clone(&template);
    let kind = bare.kind();
    let artifacts = tree(&bare.inputs.artifacts)?;
    bare.inputs = Default::default();
    let steps = bare.steps.take();
    let dag = bare.dag.take();
    if steps.is_some() {
        bare.steps = Some(Vec::new());
    }
    if dag.is_some() {
        bare.dag = Some(Default::default());
    }
    let body = tree(&bare)?;
    let defaults = template.inputs.parameters.iter().map(default_text).collect::<Result<Vec<_>, _>>()?;
    let unsafe_splice = crate::taint::allows(&template);
    let compile_call = |call: CallSpec<'_>| {
        compile_call(workflow, &scope, call, inline_allowed).map(|call| Call { unsafe_splice, ..call })
    };
    let steps = steps
        .unwrap_or_default()
        .iter()
        .map(|group| group.iter().map(|step| compile_call(CallSpec::Step(step))).collect())
        .collect::<Result<Vec<Vec<Call>>, String>>()?;
    let dag = match dag {
        Some(dag) => {
            let calls = dag.tasks.iter().map(|task| compile_call(CallSpec::Task(task)));
            Some(compile_dag(&dag.tasks, calls.collect::<Result<_, String>>()?)?)
        }
        None => None,
    };
    let text = serde_json::to_string(&*template).map_err(|e| e.to_string())?;
    let results = result_mentions(&text, if template.dag.is_some() { "tasks" } else { "steps" });
    let literal_resources = crate::resources::are_literal(&template);
    Ok(Compiled {
        results,
        scope,
        template,
        kind,
        body,
        artifacts,
        defaults,
        steps,
        dag,
        literal_resources,
        text,
    })
}

fn default_text(parameter: &Parameter) -> Result<Option<Text>, String> {
    let own = parameter.value.as_ref().or(parameter.default.as_ref());
    own.map(|text| Text::compile(text.as_str()).map_err(|e| e.to_string())).transpose()
}

fn tree(value: &impl Serialize) -> Result<Tree, String> {
    let value = serde_json::to_value(value).map_err(|e| e.to_string())?;
    Tree::compile(&value).map_err(|(at, error)| format!("{at}: {error}"))
}

enum CallSpec<'a> {
    Step(&'a WorkflowStep),
    Task(&'a DagTask),
}

fn compile_call(
    workflow: &ResolvedWorkflow,
    scope: &TemplateScope,
    call: CallSpec<'_>,
    inline_allowed: bool,
) -> Result<Call, String> {
    macro_rules! common {
        ($spec:expr, $family:expr) => {{
            let spec = $spec;
            let inline = match &spec.inline {
                Some(_) if !inline_allowed => return Err("an inline template cannot hold another".to_owned()),
                Some(_) => match workflow.lookup(scope, spec) {
                    Some((inner, template)) => Some(Arc::new(compile(workflow, inner, template, false)?)),
                    None => None,
                },
                None => None,
            };
            let with = if let Some(items) = &spec.with_items
                && !items.is_empty()
            {
                With::Items(tree(items)?)
            } else if !spec.with_param.is_empty() {
                With::Param(Text::compile(&spec.with_param).map_err(|e| e.to_string())?)
            } else if let Some(sequence) = &spec.with_sequence {
                With::Sequence(tree(sequence)?)
            } else {
                With::None
            };
            let when = match spec.when.as_str() {
                "" => None,
                text => Some(Text::compile(text).map_err(|e| e.to_string())?),
            };
            let body = tree(&json!({
                "template": spec.template,
                "templateRef": spec.template_ref,
                "arguments": spec.arguments,
            }))?;
            let exit_hook = if spec.on_exit.is_empty() {
                spec.hooks.get("exit").cloned()
            } else {
                Some(LifecycleHook {
                    template: spec.on_exit.clone(),
                    arguments: workflow.spec.arguments.clone(),
                    ..LifecycleHook::default()
                })
            };
            let hooks = spec.hooks.iter().filter(|(name, _)| *name != "exit");
            let source = serde_json::to_string(spec).unwrap_or_default();
            Call {
                name: spec.name.clone(),
                template: spec.template.clone(),
                template_ref: spec.template_ref.clone(),
                family: $family,
                when,
                body,
                inline,
                with,
                hooks: hooks.map(|(name, hook)| (name.clone(), hook.clone())).collect(),
                exit_hook,
                continue_on: spec.continue_on.unwrap_or_default(),
                mentions: mentions(&source, $family),
                unsafe_splice: false,
            }
        }};
    }
    Ok(match call {
        CallSpec::Step(step) => common!(step, "steps"),
        CallSpec::Task(task) => common!(task, "tasks"),
    })
}

/// Names in `steps.NAME.` and `steps['NAME']` of a text; none when a mention is dynamic.
pub(crate) fn mentions(text: &str, family: &str) -> Option<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    let mut rest = text;
    while let Some(at) = rest.find(family) {
        rest = &rest[at + family.len()..];
        let bracket = rest.trim_start_matches('?').strip_prefix('[').map(str::trim_start);
        if let Some(inner) = bracket {
            let inner = inner.strip_prefix('\\').unwrap_or(inner);
            let quote = inner.chars().next().filter(|c| matches!(c, '\'' | '"' | '`'))?;
            let inner = &inner[1..];
            names.insert(inner[..inner.find([quote, '\\'])?].to_owned());
        } else if let Some(inner) = rest.strip_prefix("?.").or_else(|| rest.strip_prefix('.')) {
            let end =
                inner.find(|c: char| !c.is_alphanumeric() && c != '-' && c != '_').unwrap_or(inner.len());
            if end == 0 {
                return None;
            }
            names.insert(inner[..end].to_owned());
        }
    }
    Some(names)
}

/// Names in `steps.NAME.outputs.result` and `steps['NAME'].outputs.result` of a text (Argo looks for the same).
fn result_mentions(text: &str, family: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut rest = text;
    while let Some(at) = rest.find(family) {
        rest = &rest[at + family.len()..];
        let start = rest.trim_start_matches(['?', '.', '[', '\\', '\'', '"', '`', ' ']);
        let end = start.find(|c: char| !c.is_alphanumeric() && c != '-' && c != '_').unwrap_or(start.len());
        let after = start[end..].trim_start_matches(['\\', '\'', '"', '`', ']', '?', ' ']);
        if start.len() < rest.len() && after.starts_with(".outputs") {
            let member = after.trim_start_matches(".outputs").trim_start_matches('?');
            if member.starts_with(".result") || !member.starts_with('.') {
                names.insert(start[..end].to_owned());
            }
        }
    }
    names
}

fn compile_dag(specs: &[DagTask], calls: Vec<Call>) -> Result<Dag, String> {
    let by_name: BTreeMap<String, usize> =
        specs.iter().enumerate().map(|(ix, task)| (task.name.clone(), ix)).collect();
    let mut tasks = Vec::with_capacity(calls.len());
    for (spec, call) in specs.iter().zip(calls) {
        let depends = if spec.depends.is_empty() {
            Depends::from_dependencies(&spec.dependencies)
        } else {
            Some(depends::parse(&spec.depends).map_err(|e| format!("depends of task {}: {e}", spec.name))?)
        };
        let mut deps = Vec::new();
        for (name, _) in depends.iter().flat_map(Depends::tasks) {
            let ix = by_name
                .get(&name)
                .ok_or_else(|| format!("task {} depends on the unknown task {name}", spec.name))?;
            if !deps.contains(ix) {
                deps.push(*ix);
            }
        }
        tasks.push(Task { call, depends, deps, dependents: Vec::new() });
    }
    for ix in 0..tasks.len() {
        for dep in tasks[ix].deps.clone() {
            tasks[dep].dependents.push(ix);
        }
    }
    let mut leaves: Vec<usize> = (0..tasks.len()).filter(|ix| tasks[*ix].dependents.is_empty()).collect();
    leaves.sort_by(|a, b| tasks[*a].call.name.cmp(&tasks[*b].call.name));
    Ok(Dag { tasks, by_name, leaves })
}

/// Reads a rendered JSON value back into a spec type.
pub(crate) fn typed<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, String> {
    serde_json::from_value(value).map_err(|e| e.to_string())
}
