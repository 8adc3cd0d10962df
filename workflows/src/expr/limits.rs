//! The limits that keep every expression and every text small and fast (F57, V4, V5).
//! It holds constants only; spending against them is `fuel.rs`.

/// Longest source text that is compiled, in bytes.
pub const MAX_SOURCE_BYTES: usize = 4 * 1024 * 1024;
/// Longest single expression that is compiled, in bytes.
pub const MAX_EXPRESSION_BYTES: usize = 64 * 1024;
/// How deep parentheses, calls, predicates and literals may nest.
pub const MAX_DEPTH: usize = 96;
/// How deep a JSON value handed to [`super::Tree`] or made by `fromJSON` may nest.
pub const MAX_VALUE_DEPTH: usize = 128;
/// Steps of one default [`super::Fuel`]; one step is about one operation or 64 bytes touched.
pub const DEFAULT_STEPS: u64 = 2_000_000;
/// Bytes that all strings, lists and maps built with one default [`super::Fuel`] may take.
pub const DEFAULT_MEMORY_BYTES: u64 = 64 * 1024 * 1024;
/// Most elements of one `a..b` range, `sprig.until`, `sprig.seq` and the like.
pub const MAX_RANGE: u64 = 1_000_000;
/// Longest regular expression, in bytes.
pub const MAX_REGEX_BYTES: usize = 4 * 1024;
/// Size of a compiled regular expression, in bytes.
pub const MAX_REGEX_PROGRAM_BYTES: usize = 1024 * 1024;
/// Nesting of a regular expression.
pub const MAX_REGEX_DEPTH: u32 = 50;
/// Compiled regular expressions kept during one evaluation.
pub const MAX_REGEX_CACHE: usize = 16;
/// How many `}}` are tried as the end of one `{{=` tag.
pub const MAX_TAG_ENDS: usize = 16;
