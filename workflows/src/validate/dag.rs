//! DAG templates: tasks, their dependencies, what each task may refer to.
//! Does not work out the graph (`graph` does) and does not check called templates (`Checker::holder` does).

use std::rc::Rc;

use super::arguments;
use super::checker::{Args, Checker};
use super::graph::{Graph, Need};
use super::names::{self, NameRule};
use super::node_outputs::{Node, add_items};
use super::policies::is_late;
use super::report::Place;
use super::scope::{Scope, View};
use super::template::Subject;
use crate::spec::{Arguments, DagTask, DagTemplate, Template};

impl<'a> Checker<'a> {
    /// Checks the tasks of a template.
    pub(super) fn dag(&mut self, template: &Template, scope: &mut Scope, subject: &Subject<'a, '_>) {
        self.not_a_leaf(template, subject.place);
        let Some(dag) = &template.dag else { return };
        if dag.tasks.is_empty() {
            self.reporter.error(&subject.place.field("dag"), "dag-empty", "must have at least one task");
            return;
        }
        let list = subject.place.field("dag/tasks").named(".tasks");
        names::check_list(
            &mut self.reporter,
            &list,
            NameRule::Field,
            dag.tasks.iter().map(|t| t.name.as_str()),
        );
        let graph = Graph::new(&dag.tasks);
        let sound = self.dependencies(dag, &graph, subject.place);
        let called = self.call_tasks(dag, &graph, scope, subject);
        self.targets(dag, scope, subject.place);
        if !sound {
            return;
        }
        for index in graph.order() {
            let (Some(task), Some(called)) = (dag.tasks.get(index), called.get(index)) else { continue };
            let place = task_place(subject.place, index, task);
            self.task(task, called.as_deref(), &graph, scope, subject, &place);
        }
    }

    /// Checks the rules of depends and dependencies; false when the graph has holes or cycles.
    fn dependencies(&mut self, dag: &DagTemplate, graph: &Graph<'_>, place: &Place) -> bool {
        let depends = dag.tasks.iter().any(|task| !task.depends.is_empty());
        let mut sound = true;
        for (index, task) in dag.tasks.iter().enumerate() {
            let at = task_place(place, index, task);
            self.dependency_style(task, depends, &at);
            for (name, need) in graph.needs(index) {
                let field = at.field(if task.depends.is_empty() { "dependencies" } else { "depends" });
                let Some(other) = graph.task(name) else {
                    sound = false;
                    let text = format!("dependency '{name}' not defined");
                    let known = dag.tasks.iter().map(|t| t.name.as_str());
                    let hint =
                        super::checker::near(name, known).unwrap_or_else(|| "no task has this name".into());
                    self.reporter.error_hint(&field, "dependency-undefined", text, hint);
                    continue;
                };
                let loops = other.with_items.as_ref().is_some_and(|items| !items.is_empty())
                    || !other.with_param.is_empty()
                    || other.with_sequence.is_some();
                if *need == Need::Items && !loops {
                    let text = format!(
                        "dependency '{name}' uses an items-based condition (.AnySucceeded, .AllFailed) but does not contain any items"
                    );
                    self.reporter.error(&field, "dependency-items", text);
                }
            }
            for (name, result) in graph.unknown_results(task) {
                let text = format!("task result '{result}' for task '{name}' is invalid");
                let hint = "results are: Succeeded, Failed, Errored, Skipped, Omitted, Daemoned, AnySucceeded, AllFailed";
                self.reporter.error_hint(&at.field("depends"), "depends-result", text, hint);
            }
        }
        for cycle in graph.cycles() {
            sound = false;
            let at = cycle.first().map_or_else(
                || place.clone(),
                |first| place.field(&format!("dag/tasks/{}", graph.index(first).unwrap_or(0))),
            );
            let text = format!(".tasks dependency cycle detected: {}", cycle.join("->"));
            self.reporter.error(&at, "dag-cycle", text);
        }
        sound
    }

    fn dependency_style(&mut self, task: &DagTask, depends: bool, at: &Place) {
        let linked = depends || !task.dependencies.is_empty();
        if linked && task.name.starts_with(|c: char| c.is_ascii_digit()) {
            let text = "name cannot begin with a digit when using either 'depends' or 'dependencies'";
            self.reporter.error(&at.field("name"), "task-name-digit", text);
        }
        if depends && !task.dependencies.is_empty() {
            let text = "cannot use both 'depends' and 'dependencies' in the same DAG template";
            self.reporter.error(&at.field("dependencies"), "depends-mixed", text);
        }
        if depends && task.continue_on.is_some() {
            self.reporter.error_hint(
                &at.field("continueOn"),
                "depends-continue-on",
                "cannot use 'continueOn' when using 'depends'",
                "say it in `depends`: `task.Succeeded || task.Failed || task.Errored`",
            );
        }
    }

    /// Checks the templates of all tasks with unknown arguments and brings their outputs into scope.
    fn call_tasks(
        &mut self,
        dag: &DagTemplate,
        graph: &Graph<'_>,
        scope: &mut Scope,
        subject: &Subject<'a, '_>,
    ) -> Vec<Option<Rc<Template>>> {
        let mut called = vec![None; dag.tasks.len()];
        for index in graph.order() {
            let Some(task) = dag.tasks.get(index) else { continue };
            let place = task_place(subject.place, index, task);
            let found = self.holder(task, subject.base, Args::Fake, &place, Some(scope));
            let items = task.with_items.as_deref().unwrap_or_default();
            let aggregate = !items.is_empty() || !task.with_param.is_empty();
            let node = Node { prefix: "tasks", name: &task.name };
            self.add_outputs(found.as_deref(), &node, aggregate, scope);
            if let Some(slot) = called.get_mut(index) {
                *slot = found;
            }
        }
        called
    }

    fn task(
        &mut self,
        task: &DagTask,
        called: Option<&Template>,
        graph: &Graph<'_>,
        scope: &mut Scope,
        subject: &Subject<'a, '_>,
        place: &Place,
    ) {
        if !task.hooks.is_empty() {
            scope.add(Node { prefix: "tasks", name: &task.name }.path("status"));
        }
        let mut extra = Scope::default();
        for parameter in task.inline.iter().flat_map(|inline| &inline.inputs.parameters) {
            extra.add(format!("inputs.parameters.{}", parameter.name));
        }
        let items = task.with_items.as_deref().unwrap_or_default();
        if let Err(why) = add_items(items, &task.with_param, task.with_sequence.as_ref(), &mut extra) {
            self.reporter.error(place, "loop", why);
        }
        self.task_variables(task, graph, (scope, &extra), place);
        self.hooks(&task.hooks, &task.on_exit, subject.base, place);
        arguments::check(
            &mut self.reporter,
            &task.arguments,
            false,
            &place.field("arguments").named(".arguments"),
        );
        self.argument_dependencies(&task.arguments, &task.name, graph, place);
        if called.is_some() {
            self.holder(task, subject.base, Args::Given(&task.arguments), place, None);
        }
    }

    fn task_variables(&mut self, task: &DagTask, graph: &Graph<'_>, scopes: (&Scope, &Scope), place: &Place) {
        let Ok(value) = serde_json::to_value(task) else { return };
        let ancestor_status = |name: &str| {
            let other = name.strip_prefix("tasks.").and_then(|rest| rest.strip_suffix(".status"));
            other.is_some_and(|other| graph.is_ancestor(other, &task.name))
        };
        let globals = std::mem::take(&mut self.globals);
        let view = View {
            scope: scopes.0,
            extra: scopes.1,
            globals: &globals,
            on_demand: &ancestor_status,
            template_only: self.template_only,
        };
        self.check_variables(&value, &view, place);
        self.globals = globals;
    }

    /// Outputs passed as a whole argument must come from a task that this one waits for.
    fn argument_dependencies(&mut self, arguments: &Arguments, task: &str, graph: &Graph<'_>, place: &Place) {
        let producer = |text: &str| {
            let rest = text.strip_prefix("{{tasks.")?;
            let name = rest.split('.').next()?.to_owned();
            (!graph.is_ancestor(&name, task)).then_some(name)
        };
        for (index, parameter) in arguments.parameters.iter().enumerate() {
            if let Some(name) = parameter.value.as_ref().and_then(|value| producer(value.as_str())) {
                let text = format!("missing dependency '{name}' for parameter '{}'", parameter.name);
                let at = place.field(&format!("arguments/parameters/{index}/value"));
                self.reporter.error_hint(
                    &at,
                    "dependency-missing",
                    text,
                    format!("add `{name}` to the dependencies"),
                );
            }
        }
        for (index, artifact) in arguments.artifacts.iter().enumerate() {
            if let Some(name) = producer(&artifact.from) {
                let text = format!("missing dependency '{name}' for artifact '{}'", artifact.name);
                let at = place.field(&format!("arguments/artifacts/{index}/from"));
                self.reporter.error_hint(
                    &at,
                    "dependency-missing",
                    text,
                    format!("add `{name}` to the dependencies"),
                );
            }
        }
    }

    fn targets(&mut self, dag: &DagTemplate, scope: &Scope, place: &Place) {
        let at = place.field("dag/target").named(".targets");
        let value = serde_json::Value::String(dag.target.clone());
        let globals = std::mem::take(&mut self.globals);
        let template_only = self.template_only;
        let extra = Scope::default();
        let view = View { scope, extra: &extra, globals: &globals, on_demand: &|_| false, template_only };
        self.check_variables(&value, &view, &at);
        self.globals = globals;
        for target in dag.target.split(' ').filter(|t| !t.is_empty() && !is_late(t)) {
            if !dag.tasks.iter().any(|task| task.name == target) {
                self.reporter.error(&at, "target-undefined", format!(": target '{target}' is not defined"));
            }
        }
    }
}

fn task_place(place: &Place, index: usize, task: &DagTask) -> Place {
    place.field(&format!("dag/tasks/{index}")).named(&format!(".tasks.{}", task.name))
}
