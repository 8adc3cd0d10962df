//! Evaluates a filter: each output is handed on as soon as it is there, and every step is paid for.
//! Functions written in Rust are in `builtins`, those written in jq in `prelude`.

use std::rc::Rc;

use runner_workflows::expr::Value;

use super::ast::{Assign, Ast, Def, Part, Pattern};

use super::formats;
use super::ops;
use super::paths;
use super::prelude;
use super::value::J;
use super::{DEPTH_LIMIT, STEPS_LIMIT};

/// Why an evaluation stopped.
#[derive(Debug)]
pub(super) enum Stop {
    /// An error that `try` can catch.
    Error(J),
    /// `break` out of the label of that number.
    Break(u64),
    /// A limit; nothing catches it.
    Limit(String),
    /// Nobody wants more outputs.
    Enough,
}

impl From<String> for Stop {
    fn from(message: String) -> Self {
        Self::Error(J::str(&message))
    }
}

pub(super) type Flow = Result<(), Stop>;

/// An output, and where in the input it is if that is asked for.
#[derive(Clone)]
pub(super) struct Item {
    pub(super) value: J,
    pub(super) path: Option<Rc<Vec<J>>>,
}

impl Item {
    pub(super) fn plain(value: J) -> Self {
        Self { value, path: None }
    }

    /// A part of this, at a key.
    fn part(&self, key: J, value: J) -> Self {
        let path = self.path.as_ref().map(|path| {
            let mut path = path.as_ref().clone();
            path.push(key);
            Rc::new(path)
        });
        Self { value, path }
    }

    /// A value that is no part of anything; where paths are asked for, only null and what was given is allowed.
    fn fresh(&self, value: J) -> Result<Self, Stop> {
        if self.path.is_some() {
            return Err(Stop::from(format!("invalid path expression with result {}", value.shown())));
        }
        Ok(Self::plain(value))
    }
}

pub(super) type Out<'o> = &'o mut dyn FnMut(&mut Machine, Item) -> Flow;
/// Takes the entries of a map.
type Entries<'o> = &'o mut dyn FnMut(&mut Machine, Vec<(J, J)>) -> Flow;

/// What names mean, innermost first.
#[derive(Clone)]
pub(super) struct Env<'a>(pub(super) Option<Rc<Binding<'a>>>);

pub(super) struct Binding<'a> {
    pub(super) what: Bound<'a>,
    outer: Env<'a>,
}

pub(super) enum Bound<'a> {
    Var(&'a str, J),
    Def(&'a Def),
    /// A parameter: a filter with the names of its caller.
    Closure(&'a str, &'a Ast, Env<'a>),
    Label(&'a str, u64),
}

impl<'a> Env<'a> {
    pub(super) fn with(&self, what: Bound<'a>) -> Self {
        Self(Some(Rc::new(Binding { what, outer: self.clone() })))
    }
}

/// Steps that writing a value out is worth.
const WRITING: u64 = 8;
/// Names that are passed in a step when one is looked up.
const NAMES: u64 = 8;

/// The budget of a run.
pub(super) struct Machine {
    steps: u64,
    /// Most values in a value, copies counted each time: they cost nothing until they are written out, and `.a = .`
    /// makes two of one.
    heaviest: u64,
    depth: usize,
    labels: u64,
}

/// Runs a filter on an input.
pub(super) fn run(program: &Ast, input: &Value, most: usize) -> Result<Vec<Value>, String> {
    let mut env = Env(None);
    for def in prelude::definitions()? {
        env = env.with(Bound::Def(def));
    }
    let mut found = Vec::new();
    let input = Item::plain(J::from_json(input)?);
    let given = input.value.weight();
    let heaviest = given.saturating_add(STEPS_LIMIT / WRITING);
    let mut machine = Machine { steps: STEPS_LIMIT, heaviest, depth: 0, labels: 0 };
    let flow = machine.eval(program, &env, input, &mut |machine, item| {
        // a value is made of shared parts, and written out each of them is there
        machine.pay(item.value.weight().saturating_sub(given).saturating_mul(WRITING))?;
        found.push(item.value);
        if found.len() >= most { Err(Stop::Enough) } else { Ok(()) }
    });
    match flow {
        Ok(()) | Err(Stop::Enough) => Ok(found.iter().map(J::to_json).collect()),
        Err(Stop::Error(J::Str(message))) => Err(format!("jq: {message}")),
        Err(Stop::Error(value)) => Err(format!("jq: {} (not a string)", value.to_json())),
        Err(Stop::Break(_)) => Err("jq: break".to_owned()),
        Err(Stop::Limit(message)) => Err(format!("jq: {message}")),
    }
}

impl Machine {
    /// Pays for a number of steps.
    pub(super) fn pay(&mut self, steps: u64) -> Flow {
        match self.steps.checked_sub(steps) {
            Some(left) => {
                self.steps = left;
                Ok(())
            }
            None => Err(Stop::Limit(format!("the filter takes more than {STEPS_LIMIT} steps"))),
        }
    }

    /// What a name means, the innermost first; paid for by how many names are passed.
    pub(super) fn find<'a, T>(
        &mut self,
        env: &Env<'a>,
        mut pick: impl FnMut(&Rc<Binding<'a>>) -> Option<T>,
    ) -> Result<Option<T>, Stop> {
        let (mut env, mut found, mut passed) = (env, None, 0);
        while let Some(binding) = env.0.as_ref().filter(|_| found.is_none()) {
            found = pick(binding);
            passed += 1;
            env = &binding.outer;
        }
        self.pay(passed / NAMES)?;
        Ok(found)
    }

    /// Hands out a new value, and pays for it.
    pub(super) fn give(&mut self, from: &Item, value: J, out: Out<'_>) -> Flow {
        self.pay(value.cost())?;
        if value.weight() > self.heaviest {
            return Err(Stop::Limit("a value holds too many others".to_owned()));
        }
        let item = from.fresh(value)?;
        out(self, item)
    }

    pub(super) fn eval<'a>(&mut self, ast: &'a Ast, env: &Env<'a>, input: Item, out: Out<'_>) -> Flow {
        self.pay(1)?;
        self.depth += 1;
        if self.depth > DEPTH_LIMIT * 4 {
            return Err(Stop::Limit("the filter calls itself too deeply".to_owned()));
        }
        let flow = match ast {
            Ast::Identity => out(self, input),
            Ast::Recurse => self.recurse(&input, out),
            Ast::Pipe(a, b) => self.eval(a, env, input, &mut |machine, item| machine.eval(b, env, item, out)),
            Ast::Comma(a, b) => {
                self.eval(a, env, input.clone(), out).and_then(|()| self.eval(b, env, input, out))
            }
            Ast::Index(target, key) => self.index(target, key, env, &input, out),
            Ast::Slice(target, from, to) => {
                self.slice(target, (from.as_deref(), to.as_deref()), env, &input, out)
            }
            Ast::Each(target) => self.eval(target, env, input, &mut |machine, item| machine.each(&item, out)),
            Ast::Call(name, arguments) => self.call(name, arguments, env, input, out),
            Ast::If(..) | Ast::Try(..) | Ast::Alternative(..) | Ast::Label(..) | Ast::Break(_) => {
                self.control(ast, env, input, out)
            }
            Ast::As(source, pattern, body) => {
                let plain = Item::plain(input.value.clone());
                self.eval(source, env, plain, &mut |machine, item| {
                    let env = machine.bind(pattern, &item.value, env)?;
                    machine.eval(body, &env, input.clone(), out)
                })
            }
            Ast::Define(def, rest) => self.eval(rest, &env.with(Bound::Def(def)), input, out),
            Ast::Reduce(..) | Ast::Foreach(..) => self.fold(ast, env, &input, out),
            Ast::Assign(kind, left, right) => self.assign(*kind, left, right, env, &input, out),
            other => self.value(other, env, &input, out),
        };
        self.depth -= 1;
        flow
    }

    /// Filters that make new values.
    fn value<'a>(&mut self, ast: &'a Ast, env: &Env<'a>, input: &Item, out: Out<'_>) -> Flow {
        let plain = Item::plain(input.value.clone());
        match ast {
            // `null` is a path too: `path(null)`, `first(empty) // null`
            Ast::Null => out(self, Item { value: J::Null, path: input.path.as_ref().map(|_| Rc::default()) }),
            Ast::Bool(value) => self.give(input, J::Bool(*value), out),
            Ast::Int(number) => self.give(input, J::Int(*number), out),
            Ast::Float(number) => self.give(input, J::number(*number), out),
            Ast::Text(format, parts) => {
                self.text(format.as_deref(), parts, String::new(), env, &plain, &mut |machine, text| {
                    machine.give(input, J::str(&text), out)
                })
            }
            Ast::Format(name) => {
                let text = formats::apply(name, &input.value)?;
                self.give(input, J::str(&text), out)
            }
            Ast::Var(name) => {
                let found = self.find(env, |binding| match &binding.what {
                    Bound::Var(var, value) if var == name => Some(value.clone()),
                    _ => None,
                })?;
                match found {
                    Some(value) => self.give(input, value, out),
                    None => Err(Stop::Limit(format!("${name} is not defined"))),
                }
            }
            Ast::List(inner) => {
                let mut items = Vec::new();
                if let Some(inner) = inner {
                    self.eval(inner, env, plain, &mut |_, item| {
                        items.push(item.value);
                        Ok(())
                    })?;
                }
                self.give(input, J::list(items)?, out)
            }
            Ast::Map(entries) => self.map(entries, Vec::new(), env, &plain, &mut |machine, entries| {
                machine.give(input, ops::map_of(entries)?, out)
            }),
            Ast::Neg(inner) => self.eval(inner, env, plain, &mut |machine, item| {
                let number =
                    item.value.as_f64().ok_or_else(|| format!("{} cannot be negated", item.value.shown()))?;
                machine.give(input, J::number(-number), out)
            }),
            Ast::Binary(op, a, b) => self.eval(b, env, plain.clone(), &mut |machine, right| {
                machine.eval(a, env, plain.clone(), &mut |machine, left| {
                    let value = ops::binary(*op, &left.value, &right.value)?;
                    machine.give(input, value, out)
                })
            }),
            Ast::And(a, b) | Ast::Or(a, b) => {
                let and = matches!(ast, Ast::And(..));
                self.eval(a, env, plain.clone(), &mut |machine, left| {
                    if left.value.truth() != and {
                        return machine.give(input, J::Bool(!and), out);
                    }
                    machine.eval(b, env, plain.clone(), &mut |machine, right| {
                        machine.give(input, J::Bool(right.value.truth()), out)
                    })
                })
            }
            _ => Err(Stop::Limit("the filter is not understood".to_owned())),
        }
    }

    fn index<'a>(
        &mut self,
        target: &'a Ast,
        key: &'a Ast,
        env: &Env<'a>,
        input: &Item,
        out: Out<'_>,
    ) -> Flow {
        let plain = Item::plain(input.value.clone());
        self.eval(target, env, input.clone(), &mut |machine, item| {
            machine.eval(key, env, plain.clone(), &mut |machine, key| {
                let value = ops::index(&item.value, &key.value)?;
                out(machine, item.part(key.value, value))
            })
        })
    }

    fn slice<'a>(
        &mut self,
        target: &'a Ast,
        (from, to): (Option<&'a Ast>, Option<&'a Ast>),
        env: &Env<'a>,
        input: &Item,
        out: Out<'_>,
    ) -> Flow {
        let plain = Item::plain(input.value.clone());
        self.eval(target, env, input.clone(), &mut |machine, item| {
            machine.optional(to, env, &plain, &mut |machine, to| {
                machine.optional(from, env, &plain, &mut |machine, from| {
                    let value = ops::slice(&item.value, &from.value, &to.value)?;
                    machine.pay(value.cost())?;
                    let ends = vec![(J::str("start"), from.value), (J::str("end"), to.value.clone())];
                    out(machine, item.part(ops::map_of(ends)?, value))
                })
            })
        })
    }

    fn optional<'a>(&mut self, ast: Option<&'a Ast>, env: &Env<'a>, input: &Item, out: Out<'_>) -> Flow {
        match ast {
            Some(ast) => self.eval(ast, env, input.clone(), out),
            None => out(self, Item::plain(J::Null)),
        }
    }

    pub(super) fn each(&mut self, item: &Item, out: Out<'_>) -> Flow {
        let values = ops::values(&item.value)?;
        self.pay(values.len() as u64)?;
        let keys = if item.path.is_some() { ops::keys(&item.value)? } else { Vec::new() };
        for (i, value) in values.into_iter().enumerate() {
            let part = match keys.get(i) {
                Some(key) => item.part(key.clone(), value),
                None => Item::plain(value),
            };
            out(self, part)?;
        }
        Ok(())
    }

    fn recurse(&mut self, item: &Item, out: Out<'_>) -> Flow {
        self.pay(1)?;
        out(self, item.clone())?;
        match &item.value {
            J::Arr(_) | J::Obj(_) => self.each(item, &mut |machine, part| machine.recurse(&part, out)),
            _ => Ok(()),
        }
    }

    fn control<'a>(&mut self, ast: &'a Ast, env: &Env<'a>, input: Item, out: Out<'_>) -> Flow {
        let plain = Item::plain(input.value.clone());
        match ast {
            Ast::If(condition, then, otherwise) => {
                self.eval(condition, env, plain, &mut |machine, found| match (found.value.truth(), otherwise)
                {
                    (true, _) => machine.eval(then, env, input.clone(), out),
                    (false, Some(otherwise)) => machine.eval(otherwise, env, input.clone(), out),
                    (false, None) => out(machine, input.clone()),
                })
            }
            Ast::Try(body, catch) => self.attempt(body, catch.as_deref(), env, &input, out),
            Ast::Alternative(a, b) => {
                let mut any = false;
                let flow = self.eval(a, env, input.clone(), &mut |machine, item| {
                    if !item.value.truth() {
                        return Ok(());
                    }
                    any = true;
                    out(machine, item)
                });
                match flow {
                    Err(Stop::Error(_)) | Ok(()) if !any => self.eval(b, env, input, out),
                    Err(Stop::Error(_)) => Ok(()),
                    other => other,
                }
            }
            Ast::Label(name, body) => {
                self.labels += 1;
                let number = self.labels;
                match self.eval(body, &env.with(Bound::Label(name, number)), input, out) {
                    Err(Stop::Break(to)) if to == number => Ok(()),
                    other => other,
                }
            }
            Ast::Break(name) => {
                let found = self.find(env, |binding| match &binding.what {
                    Bound::Label(label, number) if label == name => Some(*number),
                    _ => None,
                })?;
                Err(found.map_or_else(|| Stop::Limit(format!("${name} is no label")), Stop::Break))
            }
            _ => Ok(()),
        }
    }

    /// `try body catch …`. Errors of what comes behind the body are not its own: they pass.
    fn attempt<'a>(
        &mut self,
        body: &'a Ast,
        catch: Option<&'a Ast>,
        env: &Env<'a>,
        input: &Item,
        out: Out<'_>,
    ) -> Flow {
        let depth = self.depth;
        let mut behind = None;
        let flow = self.eval(body, env, input.clone(), &mut |machine, item| {
            out(machine, item).map_err(|stop| match stop {
                Stop::Error(value) => {
                    behind = Some(value);
                    Stop::Enough
                }
                other => other,
            })
        });
        self.depth = depth;
        match (flow, behind) {
            (Err(Stop::Enough), Some(value)) => Err(Stop::Error(value)),
            (Err(Stop::Error(value)), _) => match catch {
                Some(catch) => self.eval(catch, env, Item::plain(value), out),
                None => Ok(()),
            },
            (other, _) => other,
        }
    }

    fn bind<'a>(&mut self, pattern: &'a Pattern, value: &J, env: &Env<'a>) -> Result<Env<'a>, Stop> {
        self.pay(1)?;
        Ok(match pattern {
            Pattern::Var(name) => env.with(Bound::Var(name, value.clone())),
            Pattern::List(list) => {
                let mut env = env.clone();
                for (i, pattern) in list.iter().enumerate() {
                    let part = ops::index(value, &J::Int(i64::try_from(i).unwrap_or(i64::MAX)))?;
                    env = self.bind(pattern, &part, &env)?;
                }
                env
            }
            Pattern::Map(entries) => {
                let mut env = env.clone();
                for (key, var, inner) in entries {
                    let mut found = J::Null;
                    self.eval(key, &env.clone(), Item::plain(value.clone()), &mut |_, item| {
                        found = item.value;
                        Ok(())
                    })?;
                    let part = ops::index(value, &found)?;
                    if let Some(name) = var {
                        env = env.with(Bound::Var(name, part.clone()));
                    }
                    if let Some(pattern) = inner {
                        env = self.bind(pattern, &part, &env)?;
                    }
                }
                env
            }
        })
    }

    fn fold<'a>(&mut self, ast: &'a Ast, env: &Env<'a>, input: &Item, out: Out<'_>) -> Flow {
        let (source, pattern, first, update, extract, each) = match ast {
            Ast::Reduce(source, pattern, first, update) => (source, pattern, first, update, None, false),
            Ast::Foreach(source, pattern, first, update, extract) => {
                (source, pattern, first, update, extract.as_deref(), true)
            }
            _ => return Ok(()),
        };
        let plain = Item::plain(input.value.clone());
        self.eval(first, env, input.clone(), &mut |machine, first| {
            let mut state = Some(first);
            machine.eval(source, env, plain.clone(), &mut |machine, item| {
                let env = machine.bind(pattern, &item.value, env)?;
                let Some(before) = state.take() else { return Ok(()) };
                machine.eval(update, &env, before, &mut |machine, new| {
                    state = Some(new.clone());
                    match (each, extract) {
                        (false, _) => Ok(()),
                        (true, None) => out(machine, new),
                        (true, Some(extract)) => machine.eval(extract, &env, new, out),
                    }
                })
            })?;
            if each {
                return Ok(());
            }
            let last = state.take().unwrap_or(Item::plain(J::Null));
            out(machine, last)
        })
    }

    /// All paths of a filter into a value.
    pub(super) fn paths<'a>(&mut self, ast: &'a Ast, env: &Env<'a>, value: &J) -> Result<Vec<Vec<J>>, Stop> {
        let mut found = Vec::new();
        let input = Item { value: value.clone(), path: Some(Rc::default()) };
        self.eval(ast, env, input, &mut |machine, item| {
            machine.pay(1)?;
            found.extend(item.path.map(|path| path.as_ref().clone()));
            Ok(())
        })?;
        Ok(found)
    }

    fn assign<'a>(
        &mut self,
        kind: Assign,
        left: &'a Ast,
        right: &'a Ast,
        env: &Env<'a>,
        input: &Item,
        out: Out<'_>,
    ) -> Flow {
        let targets = self.paths(left, env, &input.value)?;
        if kind == Assign::Update {
            let mut value = input.value.clone();
            let mut gone = Vec::new();
            for path in targets {
                let old = paths::get(&value, &path)?;
                let mut new = None;
                let flow = self.eval(right, env, Item::plain(old), &mut |_, item| {
                    new = Some(item.value);
                    Err(Stop::Enough)
                });
                if !matches!(flow, Ok(()) | Err(Stop::Enough)) {
                    return flow;
                }
                match new {
                    Some(new) => value = self.put(&value, &path, new)?,
                    None => gone.push(path),
                }
            }
            let value = paths::delete(&value, gone)?;
            return self.give(input, value, out);
        }
        self.eval(right, env, Item::plain(input.value.clone()), &mut |machine, item| {
            let mut value = input.value.clone();
            for path in &targets {
                let new = match kind {
                    Assign::Set | Assign::Update => item.value.clone(),
                    Assign::With(op) => ops::binary(op, &paths::get(&value, path)?, &item.value)?,
                    Assign::Alternative => {
                        let old = paths::get(&value, path)?;
                        if old.truth() { old } else { item.value.clone() }
                    }
                };
                value = machine.put(&value, path, new)?;
            }
            machine.give(input, value, out)
        })
    }

    /// A value with another one put at a path; each level on the way is copied and paid for.
    pub(super) fn put(&mut self, value: &J, path: &[J], new: J) -> Result<J, Stop> {
        self.pay(1 + path.len() as u64 + value.cost() / 4)?;
        Ok(paths::update(value, path, &mut |_| Ok(new.clone()))?)
    }

    fn text<'a>(
        &mut self,
        format: Option<&str>,
        parts: &'a [Part],
        so_far: String,
        env: &Env<'a>,
        input: &Item,
        out: &mut dyn FnMut(&mut Machine, String) -> Flow,
    ) -> Flow {
        let Some((first, rest)) = parts.split_first() else { return out(self, so_far) };
        self.pay(1 + so_far.len() as u64 / 16)?;
        match first {
            Part::Text(text) => self.text(format, rest, so_far + text, env, input, out),
            Part::Value(ast) => self.eval(ast, env, input.clone(), &mut |machine, item| {
                let text = match format {
                    Some(name) => formats::apply(name, &item.value)?,
                    None => formats::plain(&item.value),
                };
                machine.pay(text.len() as u64 / 16)?;
                machine.text(format, rest, format!("{so_far}{text}"), env, input, out)
            }),
        }
    }

    fn map<'a>(
        &mut self,
        entries: &'a [(Ast, Ast)],
        so_far: Vec<(J, J)>,
        env: &Env<'a>,
        input: &Item,
        out: Entries<'_>,
    ) -> Flow {
        let Some(((key, value), rest)) = entries.split_first() else { return out(self, so_far) };
        self.pay(1 + so_far.len() as u64)?;
        self.eval(key, env, input.clone(), &mut |machine, key| {
            machine.eval(value, env, input.clone(), &mut |machine, value| {
                let mut entries = so_far.clone();
                entries.push((key.value.clone(), value.value));
                machine.map(rest, entries, env, input, out)
            })
        })
    }
}
