//! placeholder
use crate::expr::builtins::Entry;
pub(super) const FUNCTIONS: &[Entry] = &[];
