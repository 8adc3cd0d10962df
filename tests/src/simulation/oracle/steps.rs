//! Steps as the oracle understands them, and what a single call or loop comes to.
//! Does not know what is around the template.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::super::model::{Call, Template};
use super::eval::{Bad, Scope, about_item, child_name};
use super::graph::Shape;
use super::{Answer, Given, Oracle, Outs, Past, Phase, Site};

/// One node that a call makes.
pub(super) struct Made {
    pub(super) name: String,
    /// Run with these arguments, or skipped.
    pub(super) given: Option<Given>,
}

/// What a call makes.
pub(super) enum Expanded {
    /// One node.
    One(Made),
    /// One node, because the loop is empty.
    Empty(String),
    /// A node per item. An item whose arguments make no sense is an error of its own.
    Loop(Vec<(String, Result<Made, Bad>)>),
}

/// Condition, loop and arguments of a call.
pub(super) fn expand(call: &Call, base: &str, scope: &Scope<'_>) -> Result<Expanded, Bad> {
    let is_loop = !matches!(call.with, super::super::model::With::None);
    let whole = call.when.as_ref().filter(|cond| !is_loop || !about_item(cond));
    let skip = match whole {
        Some(cond) => !scope.holds(cond)?,
        None => false,
    };
    let items = match scope.items(&call.with) {
        Err(Bad) if skip => Some(Vec::new()),
        items => items?,
    };
    let Some(items) = items else {
        let given = if skip { None } else { Some(scope.arguments(call)?) };
        return Ok(Expanded::One(Made { name: base.to_owned(), given }));
    };
    if items.is_empty() {
        return Ok(Expanded::Empty(base.to_owned()));
    }
    let child = |(index, item): (usize, &Json)| {
        let name = child_name(base, index, item);
        let scope = Scope { item: Some(item), ..scope.clone() };
        let made = child(call, &name, skip, &scope);
        (name, made)
    };
    Ok(Expanded::Loop(items.iter().enumerate().map(child).collect()))
}

fn child(call: &Call, name: &str, skip: bool, scope: &Scope<'_>) -> Result<Made, Bad> {
    let skip = skip
        || match call.when.as_ref().filter(|cond| about_item(cond)) {
            Some(cond) => !scope.holds(cond)?,
            None => false,
        };
    let given = if skip { None } else { Some(scope.arguments(call)?) };
    Ok(Made { name: name.to_owned(), given })
}

impl Oracle<'_> {
    pub(super) fn steps(
        &mut self,
        template: &Template,
        groups: &[Vec<Call>],
        name: &str,
        inputs: &BTreeMap<String, String>,
        site: &Site<'_>,
    ) -> Answer<(Phase, Outs)> {
        let mut past: BTreeMap<String, Past> = BTreeMap::new();
        let mut after = site.after.clone();
        for (number, calls) in groups.iter().enumerate() {
            let group = format!("{name}[{number}]");
            let scope = Scope { inputs, past: &past, status: site.status, ..Scope::of(self) };
            let plan: Result<Vec<Expanded>, Bad> =
                calls.iter().map(|call| expand(call, &format!("{group}.{}", call.name), &scope)).collect();
            let plan = plan.ok().filter(|plan| self.startable(calls, plan));
            let Some(plan) = plan else {
                // Nothing of the group can be relied upon: some of its steps may have been started already.
                self.told.unsure.push(format!("{group}."));
                self.record(&group, Phase::Error, &Outs::default(), &BTreeMap::new(), &after);
                self.shapes.insert(name.to_owned(), Shape::Broken);
                return Ok((Phase::Failed, Outs::default()));
            };
            let mut phase = Phase::Succeeded;
            let mut children = Vec::new();
            for (call, expanded) in calls.iter().zip(plan) {
                let ended = self.perform(call, expanded, site.status, &after)?;
                let singles = ended.children.as_deref().unwrap_or(std::slice::from_ref(&ended));
                for single in singles {
                    let covered = match single.phase {
                        Phase::Failed => call.on_failed,
                        Phase::Error => call.on_error,
                        _ => true,
                    };
                    if !covered {
                        phase = Phase::Failed;
                    }
                    children.push(single.name.clone());
                }
                past.insert(call.name.clone(), ended);
            }
            self.record(&group, phase, &Outs::default(), &BTreeMap::new(), &after);
            self.shapes.insert(name.to_owned(), Shape::Steps(group.clone(), children));
            if phase.bad() {
                return Ok((Phase::Failed, Outs::default()));
            }
            after = vec![group];
        }
        let scope = Scope { inputs, past: &past, status: site.status, ..Scope::of(self) };
        Ok(match self.outputs(template, &scope) {
            Some(outs) => (Phase::Succeeded, outs),
            None => (Phase::Error, Outs::default()),
        })
    }

    /// Whether all nodes of a group have the inputs that they need.
    fn startable(&self, calls: &[Call], plan: &[Expanded]) -> bool {
        calls.iter().zip(plan).all(|(call, expanded)| {
            let template = self.template(call.template);
            let fine = |made: &Made| made.given.as_ref().is_none_or(|g| self.inputs(template, g).is_some());
            match expanded {
                Expanded::One(made) => fine(made),
                Expanded::Empty(_) => true,
                Expanded::Loop(children) => children.iter().all(|(_, made)| made.as_ref().is_ok_and(fine)),
            }
        })
    }

    /// Runs what a call makes, with its hooks.
    pub(super) fn perform(
        &mut self,
        call: &Call,
        expanded: Expanded,
        status: Option<&str>,
        after: &[String],
    ) -> Answer<Past> {
        match expanded {
            Expanded::Empty(name) => Ok(self.nothing(&name, call.template, Phase::Skipped, after)),
            Expanded::One(made) => self.perform_one(call, made, status, after),
            Expanded::Loop(made) => {
                let mut children = Vec::new();
                for (name, child) in made {
                    let ended = match child {
                        Ok(child) => self.perform_one(call, child, status, after)?,
                        Err(Bad) => {
                            let past = self.nothing(&name, call.template, Phase::Error, after);
                            self.hooks(call, &past, status)?;
                            past
                        }
                    };
                    children.push(ended);
                }
                let bad = children.iter().map(|child| child.phase).rfind(|phase| phase.bad());
                Ok(Past {
                    name: String::new(),
                    phase: bad.unwrap_or(Phase::Succeeded),
                    outs: Outs::default(),
                    children: Some(children),
                    template: call.template,
                })
            }
        }
    }

    fn perform_one(
        &mut self,
        call: &Call,
        made: Made,
        status: Option<&str>,
        after: &[String],
    ) -> Answer<Past> {
        let past = match made.given {
            None => self.nothing(&made.name, call.template, Phase::Skipped, after),
            Some(given) => {
                let site = Site { name: made.name, given, status, after: after.to_vec() };
                self.run(call.template, site)?
            }
        };
        self.hooks(call, &past, status)?;
        Ok(past)
    }
}
