//! Steps, tasks, loops, conditions and dependencies of generated workflows.
//! Refers only to what is sure to have been looked at before.

use serde_json::{Value, json};

use super::super::model::{Call, Cond, Dag, Dep, Input, Kind, Needs, Of, Piece, Task, Text, With};
use super::leaves::WORDS;
use super::{Builder, Looks};

/// What can be referred to while a template is being made.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    /// Where a step is made: inputs, and steps before it.
    pub(super) known: Vec<(Piece, Looks)>,
    /// At the end of the template: everything that its steps leave.
    pub(super) ended: Vec<(Piece, Looks)>,
}

impl Scope {
    pub(super) fn new(inputs: &[(Input, Looks)]) -> Self {
        let mut known: Vec<(Piece, Looks)> =
            inputs.iter().map(|(input, looks)| (Piece::Input(input.name.clone()), *looks)).collect();
        known.push((Piece::Global("g".to_owned()), Looks::Word));
        Self { known, ended: Vec::new() }
    }
}

impl Builder<'_> {
    pub(super) fn steps(&mut self, depth: usize, scope: &mut Scope) -> Vec<Vec<Call>> {
        let groups = self.rng.between(1, 3);
        let mut made = Vec::new();
        let mut number = 0;
        for _ in 0..groups {
            if self.budget <= 0 && !made.is_empty() {
                break;
            }
            let width = self.rng.between(1, 3);
            let mut group = Vec::new();
            let mut left = Vec::new();
            for _ in 0..width {
                if self.budget <= 0 && !group.is_empty() {
                    break;
                }
                let call = self.call(depth, &format!("s{number}"), scope, true);
                number += 1;
                left.extend(self.leaves(&call, true));
                group.push(call);
            }
            scope.known.extend(left.clone());
            scope.ended.extend(left);
            made.push(group);
        }
        made
    }

    pub(super) fn dag(&mut self, depth: usize, scope: &mut Scope) -> Dag {
        let wide = self.rng.between(1, 6);
        let lists = self.rng.chance(500);
        let mut tasks: Vec<Task> = Vec::new();
        // What each task leaves, and on which tasks it depends in the end.
        let mut left: Vec<Vec<(Piece, Looks)>> = Vec::new();
        let mut above: Vec<Vec<usize>> = Vec::new();
        for number in 0..usize::try_from(wide).unwrap_or(1) {
            if self.budget <= 0 && number > 0 {
                break;
            }
            let mut needs: Vec<usize> = (0..number).filter(|_| self.rng.chance(350)).collect();
            needs.truncate(3);
            let mut inner = Scope { known: scope.known.clone(), ended: Vec::new() };
            let mut over = needs.clone();
            for need in &needs {
                over.extend(above[*need].clone());
            }
            over.sort_unstable();
            over.dedup();
            over.iter().for_each(|task| inner.known.extend(left[*task].clone()));
            let mut call = self.call(depth, &format!("t{number}"), &inner, lists);
            if !lists {
                (call.on_failed, call.on_error) = (false, false);
            }
            left.push(self.leaves(&call, false));
            above.push(over);
            let needs = if lists || needs.is_empty() {
                Needs::List(needs)
            } else {
                Needs::Depends(self.depends(&needs, &tasks))
            };
            tasks.push(Task { call, needs });
        }
        let count = tasks.len();
        let mut targets = Vec::new();
        if self.rng.chance(120) && count > 1 {
            targets.push(self.rng.index(count));
            let other = self.rng.index(count);
            if !targets.contains(&other) {
                targets.push(other);
            }
        }
        let mut fail_fast = self.rng.chance(300).then(|| self.rng.chance(500));
        if self.limited && !self.timed {
            // Whether a task is made before the verdict would depend on who finds room.
            fail_fast = Some(false);
        }
        // Outputs may only name tasks that are wanted.
        if targets.is_empty() {
            scope.ended.extend(left.into_iter().flatten());
        } else {
            targets.iter().for_each(|task| scope.ended.extend(left[*task].clone()));
        }
        Dag { tasks, targets, fail_fast }
    }

    /// A condition over all of these tasks.
    fn depends(&mut self, needs: &[usize], tasks: &[Task]) -> Dep {
        let mut parts = Vec::new();
        for need in needs {
            let is_loop = !matches!(tasks[*need].call.with, With::None | With::Param(_));
            let mut results = vec!["Succeeded", "Failed", "Errored", "Skipped", "Omitted"];
            if is_loop {
                results.extend(["AnySucceeded", "AllFailed"]);
            }
            let result = if self.rng.chance(500) { None } else { Some(*self.rng.pick(&results)) };
            let part = Dep::Task(*need, result);
            parts.push(if self.rng.chance(120) { Dep::Not(Box::new(part)) } else { part });
        }
        // The same task may be asked twice.
        if self.rng.chance(250) {
            let need = *self.rng.pick(needs);
            let result = *self.rng.pick(&["Succeeded", "Failed", "Errored", "Skipped"]);
            parts.push(Dep::Task(need, Some(result)));
        }
        let mut all = parts.remove(0);
        for part in parts {
            all = if self.rng.chance(450) {
                Dep::And(Box::new(all), Box::new(part))
            } else {
                Dep::Or(Box::new(all), Box::new(part))
            };
        }
        all
    }

    /// What a call leaves for later ones.
    fn leaves(&self, call: &Call, steps: bool) -> Vec<(Piece, Looks)> {
        let template = &self.templates[call.template];
        let piece = |of| Piece::Step(call.name.clone(), of);
        let mut left = Vec::new();
        let looks = self.outs[call.template];
        let result = match &template.kind {
            Kind::Leaf(leaf) if leaf.script => Some(&leaf.result),
            _ => None,
        };
        use super::super::model::Make;
        match &call.with {
            With::None => {
                if template.has_out() {
                    left.push((piece(Of::Out), looks));
                }
                match result {
                    Some(Make::Number) => left.push((piece(Of::Result), Looks::Number)),
                    Some(Make::List) => left.push((piece(Of::Result), Looks::Numbers)),
                    Some(Make::Text(_)) => left.push((piece(Of::Result), Looks::Any)),
                    None => {}
                }
                left.push((piece(Of::Status), Looks::Word));
            }
            _ => {
                if template.has_out() {
                    left.push((piece(Of::Out), Looks::List));
                }
                if matches!(result, Some(Make::Number | Make::List)) {
                    left.push((piece(Of::Result), Looks::List));
                }
                if !steps {
                    left.push((piece(Of::Status), Looks::Word));
                }
            }
        }
        left
    }

    fn call(&mut self, depth: usize, name: &str, scope: &Scope, continues: bool) -> Call {
        self.budget -= 1;
        let template = if depth < 2 && self.budget > 2 && self.rng.chance(280) {
            self.composite(depth + 1)
        } else {
            let reuse: Vec<usize> = (0..self.templates.len())
                .filter(|t| self.templates[*t].is_leaf() && self.templates[*t].name.starts_with("leaf"))
                .collect();
            self.leaf(&reuse)
        };
        let (with, item) = if self.rng.chance(250) { self.with(scope) } else { (With::None, None) };
        let mut inner = scope.clone();
        inner.known.extend(item);
        let args = self.args(template, &inner);
        let when = self.rng.chance(230).then(|| self.condition(&inner)).flatten();
        let exit = self.rng.chance(110).then(|| {
            let status = Piece::Step(name.to_owned(), Of::Status);
            let args = if self.rng.chance(500) { vec![("w".to_owned(), vec![status])] } else { Vec::new() };
            (self.hook, args)
        });
        let hook = self.rng.chance(80).then(|| {
            let phase = *self.rng.pick(&["Succeeded", "Failed", "Error"]);
            (format!("on-{}", phase.to_lowercase()), phase, self.hook)
        });
        let busy = self.timed && self.rng.chance(60);
        let hook = if busy { Some(("busy".to_owned(), "Running", self.hook)) } else { hook };
        Call {
            name: name.to_owned(),
            template,
            args,
            when,
            with,
            on_failed: continues && self.rng.chance(250),
            on_error: continues && self.rng.chance(200),
            exit,
            hook,
        }
    }

    fn args(&mut self, template: usize, scope: &Scope) -> Vec<(String, Text)> {
        let inputs = self.templates[template].inputs.clone();
        let mut args = Vec::new();
        for input in inputs {
            if input.default.is_some() && self.rng.chance(400) {
                continue;
            }
            let looks = match input.name.as_str() {
                "n" => Looks::Number,
                "w" => Looks::Word,
                "l" => Looks::Numbers,
                _ => Looks::Any,
            };
            let found = if self.rng.chance(750) { self.find(scope, looks) } else { None };
            let text = match found {
                Some(piece) if looks == Looks::Any => self.around(piece),
                Some(piece) => vec![piece],
                None => vec![Piece::Lit(self.literal(looks))],
            };
            args.push((input.name, text));
        }
        args
    }

    fn condition(&mut self, scope: &Scope) -> Option<Cond> {
        let number = self.rng.chance(600);
        let left = self.find(scope, if number { Looks::Number } else { Looks::Word })?;
        let (op, right) = if number {
            (*self.rng.pick(&["==", "!=", "<", ">"]), self.rng.below(4).to_string())
        } else if matches!(left, Piece::Step(_, Of::Status)) {
            (*self.rng.pick(&["==", "!="]), (*self.rng.pick(&["Succeeded", "Failed", "Skipped"])).to_owned())
        } else {
            (*self.rng.pick(&["==", "!="]), (*self.rng.pick(&WORDS)).to_owned())
        };
        Some(Cond { left, op, right })
    }

    /// A loop, and what its item looks like.
    fn with(&mut self, scope: &Scope) -> (With, Option<(Piece, Looks)>) {
        let count = i64::try_from(self.rng.below(4)).unwrap_or(1);
        self.budget -= count;
        match self.rng.below(6) {
            0 => {
                let items: Vec<Value> = (0..count.max(1)).map(|_| json!(self.rng.below(4))).collect();
                (With::Items(items), Some((Piece::Item, Looks::Number)))
            }
            1 => {
                let items = (0..count.max(1)).map(|_| json!(*self.rng.pick(&WORDS))).collect();
                (With::Items(items), Some((Piece::Item, Looks::Word)))
            }
            2 => {
                let map = |b: &mut Self| json!({ "k": b.rng.below(4), "w": *b.rng.pick(&WORDS) });
                let items = (0..count.max(1)).map(|_| map(self)).collect();
                let item = if self.rng.chance(500) {
                    (Piece::ItemKey("k".to_owned()), Looks::Number)
                } else {
                    (Piece::ItemKey("w".to_owned()), Looks::Word)
                };
                (With::Items(items), Some(item))
            }
            3 => match self.find(scope, Looks::List) {
                Some(piece) => {
                    let numbers = scope.known.iter().any(|(p, l)| *p == piece && *l == Looks::Numbers);
                    let looks = if numbers { Looks::Number } else { Looks::Any };
                    (With::Param(piece), Some((Piece::Item, looks)))
                }
                None => (With::Count(count, None), Some((Piece::Item, Looks::Number))),
            },
            4 => {
                let start = i64::try_from(self.rng.below(4)).unwrap_or(0);
                let end = i64::try_from(self.rng.below(4)).unwrap_or(0);
                (With::Range(start, end), Some((Piece::Item, Looks::Number)))
            }
            _ => {
                let format = self.rng.chance(300).then_some("i%02d");
                let looks = if format.is_some() { Looks::Word } else { Looks::Number };
                (With::Count(count, format), Some((Piece::Item, looks)))
            }
        }
    }
}
