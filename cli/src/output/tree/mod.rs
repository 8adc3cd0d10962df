//! The tree of a workflow's nodes, as `get`, `watch` and the live view show it.
//! Does not write: it makes lines.

mod build;
mod draw;
mod fold;

use std::collections::BTreeMap;

use jiff::Timestamp;

pub use build::{Branch, Group, build};
pub use draw::{Line, Look, render};
pub use fold::fold;

use super::color::Palette;
use super::view::View;

/// How a tree is shown.
#[derive(Clone, Debug)]
pub struct Options {
    /// The time, for durations of what still runs.
    pub now: Timestamp,
    /// Unicode or ASCII.
    pub look: Look,
    /// Colours.
    pub palette: Palette,
    /// Columns of the terminal; longer lines are cut. None: never.
    pub columns: Option<usize>,
    /// Lines at most; finished branches are folded first. None: all.
    pub rows: Option<usize>,
    /// Show the template and pod columns as `get` does.
    pub wide: bool,
    /// Only nodes whose phase is one of these, with their ancestors; empty: all.
    pub phases: Vec<String>,
    /// Last lines of what running nodes wrote, by node id.
    pub tails: BTreeMap<String, Vec<String>>,
}

impl Options {
    /// Plain and complete.
    pub fn plain(now: Timestamp) -> Self {
        Self {
            now,
            look: Look::Unicode,
            palette: Palette::default(),
            columns: None,
            rows: None,
            wide: true,
            phases: Vec::new(),
            tails: BTreeMap::new(),
        }
    }
}

/// The whole tree as lines, folded to the number of rows asked for.
pub fn lines(view: &View, options: &Options) -> Vec<String> {
    let mut branches = build(view, options);
    if let Some(rows) = options.rows {
        fold(&mut branches, rows.saturating_sub(1).max(1));
    }
    render(&branches, options)
}
