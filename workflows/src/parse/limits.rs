//! The budgets of a source text: how much of everything is read before it is refused.
//! Holds numbers only; `yaml.rs` counts.

/// Budgets of one file (F56, V6). A file beyond one of them is refused whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the text.
    pub bytes: usize,
    /// Nesting of lists and maps.
    pub depth: usize,
    /// Nodes of all documents, those that aliases repeat included.
    pub nodes: usize,
    /// Nodes that aliases repeat.
    pub alias_nodes: usize,
    /// Bytes of scalars that aliases repeat.
    pub alias_bytes: usize,
    /// Documents in a file.
    pub documents: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 16 << 20,
            depth: 64,
            nodes: 2_000_000,
            alias_nodes: 100_000,
            alias_bytes: 1 << 20,
            documents: 10_000,
        }
    }
}
