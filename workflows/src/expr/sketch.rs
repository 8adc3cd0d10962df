//! A text before the run: what is known is filled in, the rest stands in it as ⟨name⟩.
//! Does not decide what is known: the caller says which names have their values at run time.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::fuel::Fuel;
use super::gofmt;
use super::lang::TagText;
use super::text::{NamePart, Part, Text};
use super::vars::{Var, Vars};

/// Names that get their values while the run goes on, or everything below them; what is shown in their place, where
/// that is more than the name itself.
#[derive(Clone, Debug, Default)]
pub struct Runtime {
    names: BTreeMap<String, Option<String>>,
}

/// A text as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sketch {
    /// The text; `⟨name⟩` for what comes at run time.
    pub text: String,
    /// What comes at run time, in the order of the text; empty when all of it is known.
    pub runtime: Vec<String>,
}

impl Runtime {
    /// A name, and all below it, is known only at run time.
    pub fn add(&mut self, name: impl Into<String>) {
        self.names.insert(name.into(), None);
    }

    /// The same for a name whose value is known in part.
    pub fn add_shown(&mut self, name: impl Into<String>, shown: impl Into<String>) {
        self.names.insert(name.into(), Some(shown.into()));
    }

    /// The name has a value after all.
    pub fn forget(&mut self, name: &str) {
        self.names.remove(name);
    }

    /// Whether a name, something above it or something below it comes at run time.
    pub fn touches(&self, name: &str) -> bool {
        let above = name.match_indices('.').any(|(at, _)| self.names.contains_key(&name[..at]));
        let prefix = format!("{name}.");
        let below = (Bound::Included(prefix.as_str()), Bound::Unbounded);
        above
            || self.names.contains_key(name)
            || self.names.range::<str, _>(below).next().is_some_and(|(other, _)| other.starts_with(&prefix))
    }

    /// Whether a reference can be looked up now.
    pub fn knows(&self, vars: &Vars, name: &str) -> bool {
        !self.touches(name) && (vars.get(name).is_some() || vars.has_under(&format!("{name}.")))
    }

    fn shown(&self, name: &str) -> String {
        match self.names.get(name) {
            Some(Some(shown)) => shown.clone(),
            Some(None) | None => format!("⟨{name}⟩"),
        }
    }
}

impl Text {
    /// Fills in what is known. An expression is evaluated when all that it names is known, else shown as it is.
    pub fn sketch(&self, vars: &Vars, runtime: &Runtime, fuel: &mut Fuel) -> Sketch {
        let mut out = Sketch::default();
        for part in &self.parts {
            match part {
                Part::Literal { start, end } => out.text.push_str(self.slice(*start, *end)),
                Part::Tag { name, .. } => {
                    let text = tag(name, vars, runtime, &mut out);
                    out.text.push_str(&text);
                }
                Part::Expr { start, end, program } => {
                    let names = program.references();
                    let unknown: Vec<String> =
                        names.into_iter().filter(|name| !runtime.knows(vars, name)).collect();
                    let text = if unknown.is_empty() { program.tag_text(vars, fuel).ok() } else { None };
                    if let Some(TagText::Text(text)) = text {
                        out.text.push_str(&text);
                        continue;
                    }
                    let inner = self.inner(*start, *end, 3);
                    out.text.push_str(&format!("⟨={inner}⟩"));
                    if unknown.is_empty() {
                        note(&mut out, format!("={inner}"));
                    }
                    unknown.into_iter().for_each(|name| note(&mut out, name));
                }
            }
        }
        out
    }
}

/// A simple tag, inner tags first.
fn tag(name: &[NamePart], vars: &Vars, runtime: &Runtime, out: &mut Sketch) -> String {
    let before = out.runtime.len();
    let mut full = String::new();
    for part in name {
        match part {
            NamePart::Literal(text) => full.push_str(text),
            NamePart::Tag(inner) => full.push_str(&tag(inner, vars, runtime, out)),
        }
    }
    let key = full.trim();
    if out.runtime.len() > before {
        return format!("⟨{key}⟩");
    }
    match vars.get(key) {
        Some(Var::Value(value)) if !runtime.touches(key) => gofmt::bare_text(value),
        Some(Var::Value(_) | Var::Absent) | None => {
            note(out, key.to_owned());
            runtime.shown(key)
        }
    }
}

fn note(out: &mut Sketch, name: String) {
    if !out.runtime.contains(&name) {
        out.runtime.push(name);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn sketch(text: &str) -> (String, Vec<String>) {
        let mut vars = Vars::new();
        vars.set("workflow.parameters.env", "prod");
        vars.set("inputs.parameters.n", "2");
        vars.set("prod", "inner");
        let mut runtime = Runtime::default();
        runtime.add("tasks.build");
        runtime.add_shown("inputs.parameters.tag", "v⟨tasks.build.outputs.result⟩");
        let found = Text::compile(text).unwrap().sketch(&vars, &runtime, &mut Fuel::default());
        (found.text, found.runtime)
    }

    #[test]
    fn what_is_known_is_filled_in_and_the_rest_keeps_its_name() {
        let cases: [(&str, &str, &[&str]); 8] = [
            ("plain", "plain", &[]),
            ("a-{{workflow.parameters.env}}", "a-prod", &[]),
            (
                "{{tasks.build.outputs.result}}!",
                "⟨tasks.build.outputs.result⟩!",
                &["tasks.build.outputs.result"],
            ),
            ("x:{{inputs.parameters.tag}}", "x:v⟨tasks.build.outputs.result⟩", &["inputs.parameters.tag"]),
            ("{{=asInt(inputs.parameters.n) * 2}}", "4", &[]),
            // what is not there yet must not read as nil
            (
                "{{=tasks.build?.outputs.result ?? 'none'}}",
                "⟨=tasks.build?.outputs.result ?? 'none'⟩",
                &["tasks.build.outputs.result"],
            ),
            ("{{=toJson(inputs.parameters)}}", "⟨=toJson(inputs.parameters)⟩", &["inputs.parameters"]),
            ("{{ {{workflow.parameters.env}} }}", "inner", &[]),
        ];
        for (text, shown, runtime) in cases {
            let runtime: Vec<String> = runtime.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(sketch(text), (shown.to_owned(), runtime), "{text}");
        }
    }
}
