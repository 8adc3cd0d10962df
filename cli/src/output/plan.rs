//! What `runner plan` prints: waves, what is left out, what is needed.
//! Does not look anything up.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use runner_machine::preview::{CacheUse, Fate, Foreseen, Preview, PreviewNode};
use serde::Serialize;
use serde_json::{Value, json};

use super::color::{Ink, Palette};
use super::table::Table;
use super::{text, time};

/// A Secret or ConfigMap.
#[derive(Clone, Debug, Serialize)]
pub struct Needed {
    /// Kind.
    pub kind: &'static str,
    /// Name.
    pub name: String,
    /// Keys that are read; empty when all of it is.
    pub keys: BTreeSet<String>,
    /// Something needs it.
    pub required: bool,
    /// It is there; none when its name comes at run time.
    pub present: Option<bool>,
    /// Keys that are not there, though it is.
    pub missing: BTreeSet<String>,
}

impl Needed {
    fn line(&self) -> String {
        let keys: Vec<&str> = self.keys.iter().map(String::as_str).collect();
        let keys = if keys.is_empty() { String::new() } else { format!(" ({})", keys.join(", ")) };
        let missing: Vec<&str> = self.missing.iter().map(String::as_str).collect();
        let stand = match self.present {
            None => "its name comes at run time".to_owned(),
            Some(true) if missing.is_empty() => "there".to_owned(),
            Some(true) => format!("has no {}", missing.join(", ")),
            Some(false) if self.required => "missing".to_owned(),
            Some(false) => "missing, and optional".to_owned(),
        };
        format!("{} {}{keys}: {stand}", self.kind, self.name)
    }
}

/// A cache, and whether it has the entry; none when that cannot be known.
#[derive(Clone, Debug, Serialize)]
pub struct Cached {
    /// There is an entry of that key; whether it is too old is seen when the step begins.
    pub hit: Option<bool>,
    /// Node, cache and key.
    #[serde(flatten)]
    pub entry: CacheUse,
}

/// How long the last run of the same template took.
#[derive(Clone, Debug)]
pub struct Estimated {
    /// Time.
    pub duration: SignedDuration,
    /// Which run.
    pub workflow: String,
}

/// A plan with what was looked up for it.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Namespace.
    pub namespace: String,
    /// Steps run as processes and pull no images.
    pub images_are_hints: bool,
    /// The plan.
    pub preview: Preview,
    /// Secrets and ConfigMaps.
    pub needed: Vec<Needed>,
    /// Caches.
    pub cached: Vec<Cached>,
    /// Estimate.
    pub estimated: Option<Estimated>,
}

impl Shown {
    /// All of it as JSON.
    pub fn json(&self) -> Value {
        let mut out = serde_json::to_value(&self.preview).unwrap_or_default();
        out["namespace"] = json!(self.namespace);
        out["objects"] = json!(self.needed);
        out["caches"] = json!(self.cached);
        out["estimatedSeconds"] = json!(self.estimated.as_ref().map(|found| found.duration.as_secs()));
        out
    }

    /// All of it for people.
    pub fn lines(&self, palette: Palette) -> Vec<String> {
        let preview = &self.preview;
        let (steps, waves) = (preview.waves.iter().map(Vec::len).sum::<usize>(), preview.waves.len());
        let plural = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
        let name = text::plain(&preview.name.text);
        let mut out = vec![format!(
            "{}   {} in {}, beginning with {}",
            palette.paint(Ink::Bold, &name),
            plural(steps, "step"),
            plural(waves, "wave"),
            text::plain(&preview.entrypoint)
        )];
        let values: Vec<String> = preview.parameters.iter().map(|p| pair(&p.name, &p.value)).collect();
        section(&mut out, "parameters", &values);
        for (number, wave) in preview.waves.iter().enumerate() {
            out.push(palette.paint(Ink::Bold, &format!("wave {}", number + 1)));
            let mut table = Table::new(&[]);
            for index in wave {
                if let Some(node) = preview.nodes.get(*index) {
                    table.row([format!("  {}", name_of(node)), template_of(node), self.about(*index, node)]);
                }
            }
            out.extend(table.lines(false));
        }
        let left: Vec<String> = preview.nodes.iter().filter_map(left_out).collect();
        section(&mut out, "not run", &left);
        self.needs(&mut out);
        if preview.cut {
            out.push("there are more steps than are shown here".to_owned());
        }
        let problems = preview.problems();
        let problems: Vec<String> = problems
            .iter()
            .map(|(path, why)| format!("✖ {}: {}", path.trim_start_matches('.'), why))
            .map(|line| palette.paint(Ink::Red, &text::plain(&line)))
            .collect();
        section(&mut out, "cannot run", &problems);
        out
    }

    fn needs(&self, out: &mut Vec<String>) {
        let needed = &self.preview.requirements;
        let images: Vec<String> = needed.images.iter().map(|image| image.text.clone()).collect();
        let heading =
            if self.images_are_hints { "images (not pulled: steps run as processes)" } else { "images" };
        section(out, heading, &images);
        section(out, "needs", &self.needed.iter().map(Needed::line).collect::<Vec<_>>());
        section(out, "volumes", &needed.volumes.iter().cloned().collect::<Vec<_>>());
        section(out, "locks", &needed.locks.iter().map(|lock| lock.text.clone()).collect::<Vec<_>>());
        let writes = needed.external_writes.iter();
        let writes: Vec<String> = writes
            .map(|write| format!("{}: {}", write.node.trim_start_matches('.'), write.what.text))
            .collect();
        section(out, "changes outside", &writes);
        let cached = self.cached.iter().map(|cached| {
            let stand = match cached.hit {
                Some(true) => "there is an entry",
                Some(false) => "no entry yet",
                None => "not known yet",
            };
            let CacheUse { node, cache, key } = &cached.entry;
            format!("{}: {cache}/{}: {stand}", node.trim_start_matches('.'), key.text)
        });
        section(out, "caches", &cached.collect::<Vec<_>>());
        if let Some(found) = &self.estimated {
            let line = format!("{}, as {} took", time::words(found.duration), found.workflow);
            section(out, "estimated time", &[line]);
        }
    }

    /// Inputs, conditions and remarks of a step.
    fn about(&self, index: usize, node: &PreviewNode) -> String {
        let mut parts: Vec<String> =
            node.inputs.iter().map(|input| pair(&input.name, &input.value)).collect();
        parts.extend(node.repeats.iter().map(|list| format!("for each of {}", short(&list.text))));
        parts.extend(self.preview.conditions(index).iter().map(|when| format!("if {}", short(when))));
        parts.extend(node.notes.iter().cloned());
        parts.join(" · ")
    }
}

fn section(out: &mut Vec<String>, heading: &str, lines: &[String]) {
    if !lines.is_empty() {
        out.push(heading.to_owned());
        out.extend(lines.iter().map(|line| format!("  {}", text::plain(line))));
    }
}

fn name_of(node: &PreviewNode) -> String {
    let path = node.path.trim_start_matches('.');
    if path.is_empty() { node.display_name.clone() } else { path.to_owned() }
}

fn template_of(node: &PreviewNode) -> String {
    match (node.template.as_str(), node.kind.as_str()) {
        ("", kind) => kind.to_owned(),
        (template, kind) => format!("{template} ({kind})"),
    }
}

fn left_out(node: &PreviewNode) -> Option<String> {
    let reason = match &node.fate {
        Fate::Skipped { reason } | Fate::Omitted { reason } => reason,
        Fate::Runs | Fate::Perhaps { .. } => return None,
    };
    Some(format!("{}: {}", name_of(node), short(reason)))
}

fn pair(name: &str, value: &Foreseen) -> String {
    format!("{name} = {}", short(&value.text))
}

/// Longest value that is shown in full, in columns.
const LONGEST: usize = 72;

fn short(value: &str) -> String {
    text::cut(&value.replace('\n', "⏎"), LONGEST)
}
