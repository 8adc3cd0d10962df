//! Every limit of the machine, in one place.
//! Limits of parsing and of expressions are in the language crate.

/// Deepest nesting of templates (Argo's `maxRecursionDepth`): beyond it a node is an Error (F58).
pub const MAX_DEPTH: u32 = 100;
/// Most nodes of one workflow; beyond it the workflow is an Error (F58).
pub const MAX_NODES: usize = 1_000_000;
/// Most items of one loop.
pub const MAX_ITEMS: usize = 200_000;
/// Longest pod name (a DNS subdomain less the suffix that a controller may add), as Argo's pod naming v2.
pub const MAX_POD_NAME_PREFIX: usize = 253 - 11;
