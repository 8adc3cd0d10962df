//! What a template of a preview can refer to: values that are known, names that come at run time.
//! Does not place nodes: `build` does.

use std::collections::BTreeMap;
use std::sync::Arc;

use runner_workflows::expr::{Fuel, Program, Runtime, TagRef, Text, Vars};
use runner_workflows::spec::{Arguments, Parameter, ValueFrom};

use super::{Foreseen, ForeseenParameter};
use crate::decide as machine;
use crate::globals::build;
use crate::plan::{Compiled, Plan};
use crate::status::WorkflowStatus;

/// Values and names.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    pub(super) vars: Arc<Vars>,
    pub(super) runtime: Runtime,
}

/// What is passed to a template: values by name, and why there is none.
pub(super) type Given = BTreeMap<String, Result<Foreseen, String>>;

impl Scope {
    /// The variables of the whole run, and the values of the workflow's parameters.
    pub(super) fn globals(plan: &Plan, namespace: &str) -> (Self, Vec<ForeseenParameter>) {
        let metadata = &plan.workflow.metadata;
        let status = WorkflowStatus {
            name: metadata.name.clone(),
            namespace: namespace.to_owned(),
            ..WorkflowStatus::default()
        };
        let mut vars = build(plan, &status);
        let mut runtime = Runtime::default();
        let at_run_time = ["uid", "creationTimestamp", "status", "failures", "duration", "outputs"];
        at_run_time.iter().for_each(|name| runtime.add(format!("workflow.{name}")));
        vars.remove("workflow.uid");
        if metadata.name.is_empty() {
            vars.remove("workflow.name");
            runtime.add_shown("workflow.name", format!("{}⟨…⟩", metadata.generate_name));
        }
        let mut shown = Vec::new();
        for parameter in &plan.workflow.spec.arguments.parameters {
            let key = format!("workflow.parameters.{}", parameter.name);
            let written = parameter.value.as_ref().or(parameter.default.as_ref()).map(|text| text.as_str());
            // one from a ConfigMap has its value in the variables already; the written ones may have tags
            let value = match (written.and_then(|text| Text::compile(text).ok()), vars.get(&key)) {
                (Some(text), _) => foreseen(&text, &vars, &runtime),
                (None, Some(found)) => Foreseen::known(crate::globals::text_of(found).unwrap_or_default()),
                (None, None) => Foreseen::runtime(&key),
            };
            bind(&mut vars, &mut runtime, &key, &value);
            shown.push(ForeseenParameter { name: parameter.name.clone(), value });
        }
        (Self { vars: Arc::new(vars), runtime }, shown)
    }

    /// A scope inside, with these inputs.
    pub(super) fn inside(&self, inputs: &[ForeseenParameter]) -> Self {
        let mut vars = Vars::child(&self.vars);
        let mut runtime = self.runtime.clone();
        let mut texts = Vec::new();
        for input in inputs {
            bind(&mut vars, &mut runtime, &format!("inputs.parameters.{}", input.name), &input.value);
            texts.push(Parameter {
                name: input.name.clone(),
                value: Some(input.value.text.clone().into()),
                ..Parameter::default()
            });
        }
        if inputs.iter().all(|input| input.value.is_known()) {
            vars.set("inputs.parameters", serde_json::to_string(&texts).unwrap_or_default());
        } else {
            runtime.add("inputs.parameters");
        }
        Self { vars: Arc::new(vars), runtime }
    }

    /// The same with a text more.
    pub(super) fn with(&self, name: &str, value: &Foreseen) -> Self {
        let mut vars = Vars::child(&self.vars);
        let mut runtime = self.runtime.clone();
        bind(&mut vars, &mut runtime, name, value);
        Self { vars: Arc::new(vars), runtime }
    }

    /// The same inside one item of a loop.
    pub(super) fn with_item(&self, item: &serde_json::Value) -> Self {
        let mut vars = Vars::child(&self.vars);
        machine::item_vars(&mut vars, item, false);
        Self { vars: Arc::new(vars), runtime: self.runtime.clone() }
    }

    /// What a text with tags comes to.
    pub(super) fn text(&self, source: &str) -> Foreseen {
        match Text::compile(source) {
            Ok(text) => foreseen(&text, &self.vars, &self.runtime),
            Err(_) => Foreseen::known(source),
        }
    }

    /// The names among those of some tags that come at run time.
    pub(super) fn unknown(&self, tags: &[TagRef]) -> Vec<String> {
        let names = tags.iter().flat_map(|tag| &tag.references);
        names.filter(|name| !self.runtime.knows(&self.vars, name)).cloned().collect()
    }

    /// The value of an expression.
    pub(super) fn expression(&self, source: &str) -> Result<Foreseen, String> {
        let program = Program::compile(source).map_err(|error| error.to_string())?;
        let names = program.references();
        let unknown: Vec<String> =
            names.into_iter().filter(|name| !self.runtime.knows(&self.vars, name)).collect();
        if !unknown.is_empty() {
            return Ok(Foreseen { text: format!("⟨={source}⟩"), runtime: unknown });
        }
        machine::evaluate(source, &self.vars).map(Foreseen::known)
    }

    /// The values of arguments.
    pub(super) fn given(&self, plan: &Plan, arguments: &Arguments) -> Given {
        let mut given = Given::new();
        for parameter in &arguments.parameters {
            let found = match (&parameter.value, &parameter.value_from) {
                (Some(value), _) => Some(Ok(self.text(value.as_str()))),
                (None, Some(from)) if !from.expression.is_empty() => Some(self.expression(&from.expression)),
                (None, Some(from)) => self.config_map(plan, from),
                (None, None) => None,
            };
            given.extend(found.map(|found| (parameter.name.clone(), found)));
        }
        given
    }

    /// A value that stands in a ConfigMap, or the default beside it.
    fn config_map(&self, plan: &Plan, from: &ValueFrom) -> Option<Result<Foreseen, String>> {
        let default = || from.default.as_ref().map(|text| Ok(self.text(text.as_str())));
        let Some(key) = &from.config_map_key_ref else { return default() };
        let (name, entry) = (self.text(&key.name), self.text(&key.key));
        if !name.is_known() || !entry.is_known() {
            return Some(Ok(Foreseen::runtime(&format!("{}/{}", name.text, entry.text))));
        }
        let found = plan.workflow.config_maps.get(&name.text).and_then(|map| map.get(&entry.text));
        match found {
            Some(text) => Some(Ok(Foreseen::known(text))),
            None => default().or_else(|| {
                Some(Err(format!("there is no key {} in the ConfigMap {}", entry.text, name.text)))
            }),
        }
    }

    /// The inputs of a template, and what is missing.
    pub(super) fn inputs(
        &self,
        plan: &Plan,
        compiled: &Compiled,
        given: &Given,
    ) -> (Vec<ForeseenParameter>, Option<String>) {
        let mut scope = self.clone();
        let (mut inputs, mut problem) = (Vec::new(), None);
        for (declared, default) in compiled.template.inputs.parameters.iter().zip(&compiled.defaults) {
            let name = &declared.name;
            let own = || {
                let text = default.as_ref().map(|text| Ok(foreseen(text, &scope.vars, &scope.runtime)));
                text.or_else(|| scope.config_map(plan, declared.value_from.as_ref()?))
            };
            let value = match given.get(name).cloned().or_else(own) {
                Some(Ok(value)) => value,
                Some(Err(why)) => {
                    problem.get_or_insert(format!("inputs.parameters.{name}: {why}"));
                    continue;
                }
                None => {
                    problem.get_or_insert(format!("inputs.parameters.{name} was not supplied"));
                    continue;
                }
            };
            scope = scope.with(&format!("inputs.parameters.{name}"), &value);
            inputs.push(ForeseenParameter { name: name.clone(), value });
        }
        (inputs, problem)
    }
}

/// What a compiled text comes to.
pub(super) fn foreseen(text: &Text, vars: &Vars, runtime: &Runtime) -> Foreseen {
    let found = text.sketch(vars, runtime, &mut Fuel::default());
    Foreseen { text: found.text, runtime: found.runtime }
}

fn bind(vars: &mut Vars, runtime: &mut Runtime, name: &str, value: &Foreseen) {
    if value.is_known() {
        runtime.forget(name);
        vars.set(name, &value.text);
    } else {
        vars.remove(name);
        runtime.add_shown(name, &value.text);
    }
}
