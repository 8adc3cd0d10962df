//! Branches as lines: tree signs, icons, aligned columns.
//! Does not decide what is shown.

use super::Options;
use super::build::{Branch, Group};
use crate::output::color::Ink;
use crate::output::text;

/// Signs to draw with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Look {
    /// Box drawing and symbols.
    #[default]
    Unicode,
    /// ASCII only.
    Ascii,
}

impl Look {
    /// The sign of a phase, as Argo's `get` has them.
    pub fn icon(self, phase: &str, suspended: bool) -> &'static str {
        let (unicode, ascii) = match phase {
            _ if suspended => ("ǁ", "="),
            "Running" => ("●", ">"),
            "Succeeded" => ("✔", "+"),
            "Skipped" | "Omitted" => ("○", "o"),
            "Failed" => ("✖", "x"),
            "Error" => ("⚠", "!"),
            _ => ("◷", "."),
        };
        if self == Self::Unicode { unicode } else { ascii }
    }

    fn signs(self, text: &str) -> String {
        match self {
            Self::Unicode => text.to_owned(),
            Self::Ascii => text
                .chars()
                .map(|c| match c {
                    '├' | '│' | '┆' => '|',
                    '└' => '`',
                    '┬' => '+',
                    '─' => '-',
                    '…' => '.',
                    other => other,
                })
                .collect(),
        }
    }
}

/// One line before its columns are aligned.
#[derive(Clone, Debug, Default)]
pub struct Line {
    /// Signs before the icon.
    pub prefix: String,
    /// Icon.
    pub icon: String,
    /// Its colour.
    pub ink: Option<Ink>,
    /// Name.
    pub label: String,
    /// Template, pod, duration, message.
    pub cells: [String; 4],
    /// A line of log or a remark: it has no columns.
    pub free: bool,
}

impl Line {
    fn step(&self) -> String {
        format!("{}{} {}", self.prefix, self.icon, self.label)
    }
}

/// The lines of all branches under one header; a blank line before every branch but the first.
pub fn render(branches: &[Branch], options: &Options) -> Vec<String> {
    let mut lines = Vec::new();
    for (at, branch) in branches.iter().enumerate() {
        if at > 0 {
            lines.push(Line { free: true, ..Line::default() });
        }
        draw(branch, " ", " ", options.look, &mut lines);
    }
    align(&lines, options)
}

fn draw(branch: &Branch, first: &str, rest: &str, look: Look, out: &mut Vec<Line>) {
    let cells =
        [&branch.template, &branch.pod, &branch.duration, &branch.message].map(|cell| text::plain(cell));
    let icon = if branch.remark { "…" } else { look.icon(&branch.phase, branch.suspended) };
    let ink = if branch.suspended { Ink::Yellow } else { Ink::of_phase(&branch.phase) };
    out.push(Line {
        prefix: look.signs(first),
        icon: look.signs(icon),
        ink: Some(if branch.remark { Ink::Dim } else { ink }),
        label: text::plain(&branch.label),
        cells,
        free: branch.remark,
    });
    let more = if branch.groups.is_empty() { "  " } else { "│ " };
    for line in &branch.tail {
        out.push(Line {
            prefix: look.signs(&format!("{rest}{more}┆ ")),
            label: line.clone(),
            free: true,
            ..Line::default()
        });
    }
    let count = branch.groups.len();
    for (at, group) in branch.groups.iter().enumerate() {
        draw_group(group, rest, (at + 1 == count, branch.steps), look, out);
    }
}

/// One group; a group of a Steps node stands one level deeper, so that parallel steps hang on one fork.
fn draw_group(group: &Group, rest: &str, (last, steps): (bool, bool), look: Look, out: &mut Vec<Line>) {
    let (turn, down) = if last { ("└─", "  ") } else { ("├─", "│ ") };
    let count = group.len();
    for (at, branch) in group.iter().enumerate() {
        let (sign, below) = match (steps, count, at) {
            (false, _, _) => (turn.to_owned(), down.to_owned()),
            (true, 1, _) => (format!("{turn}──"), format!("{down}  ")),
            (true, _, 0) => (format!("{turn}┬─"), format!("{down}│ ")),
            (true, _, at) if at + 1 == count => (format!("{down}└─"), format!("{down}  ")),
            (true, _, _) => (format!("{down}├─"), format!("{down}│ ")),
        };
        draw(branch, &format!("{rest}{sign}"), &format!("{rest}{below}"), look, out);
    }
}

/// Pads the columns that hold anything and adds the header.
fn align(lines: &[Line], options: &Options) -> Vec<String> {
    let names = ["TEMPLATE", "PODNAME", "DURATION", "MESSAGE"];
    let wanted = if options.wide { [true; 4] } else { [false, false, true, true] };
    let body = || lines.iter().filter(|line| !line.free);
    let shown: Vec<usize> = (0..4)
        .filter(|at| wanted.get(*at) == Some(&true))
        .filter(|at| {
            options.wide || body().any(|line| line.cells.get(*at).is_some_and(|cell| !cell.is_empty()))
        })
        .collect();
    let header = Line { label: "STEP".to_owned(), cells: names.map(str::to_owned), ..Line::default() };
    let step_width = body().map(|line| text::width(&line.step())).max().unwrap_or(0).max(4);
    let widths: Vec<usize> = shown
        .iter()
        .map(|at| {
            let cells = body().chain(options.wide.then_some(&header)).filter_map(|line| line.cells.get(*at));
            cells.map(|cell| text::width(cell)).max().unwrap_or(0)
        })
        .collect();
    let mut out = Vec::with_capacity(lines.len() + 1);
    if options.wide {
        out.push(finish(&header, "STEP".to_owned(), step_width, (&shown, &widths), options));
    }
    for line in lines {
        if line.free {
            let text = format!(
                "{}{}{}{}",
                line.prefix,
                line.icon,
                if line.icon.is_empty() { "" } else { " " },
                line.label
            );
            let text = options.columns.map_or_else(|| text.clone(), |columns| text::cut(&text, columns));
            out.push(options.palette.paint(Ink::Dim, text.trim_end()));
        } else {
            out.push(finish(line, line.step(), step_width, (&shown, &widths), options));
        }
    }
    out
}

fn finish(
    line: &Line,
    step: String,
    step_width: usize,
    (shown, widths): (&[usize], &[usize]),
    options: &Options,
) -> String {
    let mut text = text::pad(&step, step_width);
    for (at, wide) in shown.iter().zip(widths) {
        let cell = line.cells.get(*at).map(String::as_str).unwrap_or_default();
        text.push_str("  ");
        text.push_str(&text::pad(cell, *wide));
    }
    let mut text = text.trim_end().to_owned();
    if let Some(columns) = options.columns {
        text = text::cut(&text, columns);
    }
    match (line.ink, text.split_at_checked(line.prefix.len())) {
        (Some(ink), Some((before, after))) if !line.icon.is_empty() && after.starts_with(&line.icon) => {
            let (icon, after) = after.split_at(line.icon.len());
            format!("{before}{}{after}", options.palette.paint(ink, icon))
        }
        (_, _) => text,
    }
}
