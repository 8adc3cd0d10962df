//! Errors of the machine.
//! A workflow that goes wrong is not an error here: it is facts.

/// A fact that does not fit the status: a corrupt journal or a defect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("illegal fact `{fact}`: {reason}")]
pub struct IllegalFact {
    /// Name of the fact.
    pub fact: &'static str,
    /// Why it does not fit.
    pub reason: String,
}

/// Why an input was refused. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A command does not apply to the run in its present state; the text says why.
    #[error("{0}")]
    Refused(String),
    /// The journal holds a fact that does not fit.
    #[error(transparent)]
    Illegal(#[from] IllegalFact),
    /// The stored spec cannot be compiled.
    #[error("the stored workflow cannot be used: {0}")]
    Spec(String),
}
