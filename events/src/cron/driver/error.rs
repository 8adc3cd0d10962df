//! What can go wrong when a CronWorkflow is driven or asked for something.
//! A tick that is skipped and a run that fails are no errors here.

use crate::cron::{IllegalFact, Invalid};

/// Result of a call to the driver.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of the driver.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store refused or failed.
    #[error(transparent)]
    Store(#[from] runner_store::Error),
    /// The controller refused or failed.
    #[error(transparent)]
    Controller(#[from] runner_controller::Error),
    /// There is no such CronWorkflow.
    #[error("no CronWorkflow `{0}` in the store")]
    NotFound(String),
    /// The manifest cannot be used.
    #[error("CronWorkflow `{name}`: {why}")]
    Manifest {
        /// Name.
        name: String,
        /// Why not.
        why: String,
    },
    /// The workflow of a tick can never be made.
    #[error("{0}")]
    Refused(String),
    /// The journal cannot be replayed.
    #[error("{stream}: the journal cannot be replayed: {why}")]
    Corrupt {
        /// Whose.
        stream: String,
        /// What does not fit.
        why: String,
    },
    /// Another process has its turn and does not end it.
    #[error("{0} is held by another process")]
    Busy(String),
}

impl Error {
    /// Whether the same call can succeed later without anybody changing anything.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Store(error) => error.is_retriable(),
            Self::Controller(error) => error.is_retriable(),
            Self::Busy(_) => true,
            Self::NotFound(_) | Self::Manifest { .. } | Self::Refused(_) | Self::Corrupt { .. } => false,
        }
    }
}

impl From<IllegalFact> for Error {
    fn from(error: IllegalFact) -> Self {
        Self::Corrupt { stream: "cron".to_owned(), why: error.to_string() }
    }
}

impl From<Invalid> for Error {
    fn from(error: Invalid) -> Self {
        Self::Refused(error.0)
    }
}
