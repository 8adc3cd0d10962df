//! Whether every function and variable that a filter names exists.
//! Does not evaluate.

use super::ast::{Ast, Def, Part, Pattern};
use super::{builtins, prelude};

/// Names in sight: functions with their numbers of arguments, and variables.
#[derive(Default)]
struct Scope<'a> {
    functions: Vec<(&'a str, usize)>,
    variables: Vec<&'a str>,
}

impl<'a> Scope<'a> {
    /// Looks at something, and forgets the names that came into sight for it.
    fn inside(&mut self, look: impl FnOnce(&mut Self) -> Result<(), String>) -> Result<(), String> {
        let (functions, variables) = (self.functions.len(), self.variables.len());
        let looked = look(self);
        self.functions.truncate(functions);
        self.variables.truncate(variables);
        looked
    }
}

/// Whether a filter names only what exists.
pub(super) fn check(program: &Ast) -> Result<(), String> {
    let mut scope = Scope::default();
    scope.functions.extend(prelude::definitions()?.iter().map(|def| (def.name.as_str(), def.params.len())));
    walk(program, &mut scope)
}

fn walk<'a>(ast: &'a Ast, scope: &mut Scope<'a>) -> Result<(), String> {
    match ast {
        Ast::Identity
        | Ast::Recurse
        | Ast::Null
        | Ast::Bool(_)
        | Ast::Int(_)
        | Ast::Float(_)
        | Ast::Break(_) => Ok(()),
        Ast::Format(name) => format(name),
        Ast::Text(name, parts) => {
            name.iter().try_for_each(|name| format(name))?;
            parts.iter().try_for_each(|part| match part {
                Part::Text(_) => Ok(()),
                Part::Value(ast) => walk(ast, scope),
            })
        }
        Ast::Var(name) if scope.variables.contains(&name.as_str()) => Ok(()),
        Ast::Var(name) => Err(format!("jq: ${name} is not defined")),
        Ast::Each(a) | Ast::Neg(a) | Ast::Label(_, a) => walk(a, scope),
        Ast::List(a) => a.iter().try_for_each(|a| walk(a, scope)),
        Ast::Try(a, b) => walk(a, scope).and_then(|()| b.iter().try_for_each(|b| walk(b, scope))),
        Ast::Slice(a, b, c) => {
            walk(a, scope).and_then(|()| b.iter().chain(c).try_for_each(|x| walk(x, scope)))
        }
        Ast::Index(a, b)
        | Ast::Pipe(a, b)
        | Ast::Comma(a, b)
        | Ast::Binary(_, a, b)
        | Ast::And(a, b)
        | Ast::Or(a, b)
        | Ast::Alternative(a, b)
        | Ast::Assign(_, a, b) => walk(a, scope).and_then(|()| walk(b, scope)),
        Ast::If(a, b, c) => [a, b].into_iter().chain(c).try_for_each(|x| walk(x, scope)),
        Ast::Map(entries) => {
            entries.iter().try_for_each(|(key, value)| walk(key, scope).and_then(|()| walk(value, scope)))
        }
        Ast::As(source, pattern, body) => {
            walk(source, scope)?;
            bound(pattern, scope, |scope| walk(body, scope))
        }
        Ast::Reduce(source, pattern, first, update) => {
            walk(source, scope)?;
            walk(first, scope)?;
            bound(pattern, scope, |scope| walk(update, scope))
        }
        Ast::Foreach(source, pattern, first, update, extract) => {
            walk(source, scope)?;
            walk(first, scope)?;
            bound(pattern, scope, |scope| {
                [update].into_iter().chain(extract).try_for_each(|x| walk(x, scope))
            })
        }
        Ast::Define(def, rest) => define(def, rest, scope),
        Ast::Call(name, arguments) => {
            let known = (name.as_str(), arguments.len());
            if !scope.functions.contains(&known) && !builtins::exists(name, arguments.len()) {
                return Err(format!("jq: {name}/{} is not defined", arguments.len()));
            }
            arguments.iter().try_for_each(|argument| walk(argument, scope))
        }
    }
}

fn format(name: &str) -> Result<(), String> {
    let known = ["text", "json", "html", "uri", "sh", "csv", "tsv", "base64", "base64d"];
    if known.contains(&name) { Ok(()) } else { Err(format!("jq: @{name} is not a format")) }
}

fn define<'a>(def: &'a Def, rest: &'a Ast, scope: &mut Scope<'a>) -> Result<(), String> {
    scope.inside(|scope| {
        scope.functions.push((def.name.as_str(), def.params.len()));
        scope.inside(|scope| {
            for param in &def.params {
                let name = param.trim_start_matches('$');
                scope.functions.push((name, 0));
                if param.starts_with('$') {
                    scope.variables.push(name);
                }
            }
            walk(&def.body, scope)
        })?;
        walk(rest, scope)
    })
}

/// Looks at what stands behind a pattern, with its variables in sight.
fn bound<'a>(
    pattern: &'a Pattern,
    scope: &mut Scope<'a>,
    look: impl FnOnce(&mut Scope<'a>) -> Result<(), String>,
) -> Result<(), String> {
    scope.inside(|scope| {
        bind(pattern, scope)?;
        look(scope)
    })
}

fn bind<'a>(pattern: &'a Pattern, scope: &mut Scope<'a>) -> Result<(), String> {
    match pattern {
        Pattern::Var(name) => scope.variables.push(name),
        Pattern::List(list) => list.iter().try_for_each(|pattern| bind(pattern, scope))?,
        Pattern::Map(entries) => {
            for (key, var, inner) in entries {
                walk(key, scope)?;
                scope.variables.extend(var.as_deref());
                inner.iter().try_for_each(|pattern| bind(pattern, scope))?;
            }
        }
    }
    Ok(())
}
