//! Times and durations from explicit values; there is no clock.
//! Formats and methods are in `gotime.rs`.

use super::Entry;
use crate::expr::Value;
use crate::expr::error::{ExprError, ExprErrorKind};
use crate::expr::gotime;
use crate::expr::val::Val;
use crate::expr::vars::Var;

/// The variable a caller may set to give `now()` a value: an RFC 3339 text.
pub const NOW: &str = "now()";

pub(super) const FUNCTIONS: &[Entry] = &[
    ("now", 0, 0, |c| match c.eval.vars.get(NOW) {
        Some(Var::Value(Value::String(text))) => gotime::parse_any(text),
        _ => Err(ExprError::new(
            ExprErrorKind::Unavailable,
            "now() is not available: expressions are evaluated again when a workflow is replayed; pass the time as a parameter or use workflow.creationTimestamp",
        )),
    }),
    // A time zone is its checked name.
    ("timezone", 1, 1, |c| {
        let name = c.str(0)?;
        gotime::zone(&name)?;
        c.text(name)
    }),
    ("duration", 1, 1, |c| {
        let text = c.str(0)?;
        gotime::parse_duration(&text).map(Val::Duration)
    }),
    ("date", 1, 3, |c| {
        let text = c.str(0)?;
        if c.len() == 1 {
            return gotime::parse_any(&text);
        }
        let layout = c.str(1)?;
        let zone = c.str_or(2, "UTC")?;
        gotime::parse_layout(&text, &layout, &zone)
    }),
];
