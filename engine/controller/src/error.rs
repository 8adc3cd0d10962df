//! What can go wrong when the controller is asked for something.
//! A workflow that fails is not an error here: that is its status.

use runner_store::StreamId;

/// Result of a call to the controller.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of the controller.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store refused or failed.
    #[error(transparent)]
    Store(#[from] runner_store::Error),
    /// A runner refused or failed.
    #[error(transparent)]
    Runner(#[from] runner_runners::Error),
    /// A workflow of that name exists in the namespace.
    #[error("workflow {namespace}/{name} already exists")]
    NameTaken {
        /// Namespace.
        namespace: String,
        /// Name.
        name: String,
    },
    /// There is no such workflow.
    #[error("workflow {0} not found")]
    NotFound(String),
    /// A command does not apply; the text is the machine's.
    #[error("{0}")]
    Refused(String),
    /// The workflow belongs to another process that is alive.
    #[error("workflow {name} is run by another process ({owner})")]
    OwnedElsewhere {
        /// Name.
        name: String,
        /// The owner, as it stands in the lease.
        owner: String,
    },
    /// The command was recorded, but nobody answered it in time; it stays in the inbox.
    #[error("the command was recorded, but no engine answered it within {seconds} s")]
    NoAnswer {
        /// How long was waited.
        seconds: u64,
    },
    /// The resolved workflow cannot be run at all.
    #[error("the workflow cannot be run: {0}")]
    Spec(String),
    /// The journal of a workflow cannot be replayed.
    #[error("{stream}: the journal cannot be replayed: {reason}")]
    Corrupt {
        /// Whose journal.
        stream: StreamId,
        /// What does not fit.
        reason: String,
    },
    /// The request is incomplete or contradicts itself.
    #[error("{0}")]
    Invalid(String),
    /// Something that this build does not do yet.
    #[error("{0} is not built in yet")]
    NotBuiltIn(String),
    /// The controller is shutting down and takes nothing new.
    #[error("the engine is shutting down")]
    Closing,
}

impl Error {
    /// Whether the same call can succeed later without anybody changing anything.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Store(error) => error.is_retriable(),
            Self::Runner(error) => error.is_retriable(),
            Self::NoAnswer { .. } | Self::OwnedElsewhere { .. } => true,
            Self::NameTaken { .. }
            | Self::NotFound(_)
            | Self::Refused(_)
            | Self::Spec(_)
            | Self::Corrupt { .. }
            | Self::Invalid(_)
            | Self::NotBuiltIn(_)
            | Self::Closing => false,
        }
    }
}
