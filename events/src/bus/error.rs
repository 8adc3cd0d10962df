//! What can go wrong on the bus.
//! Events that match nothing and triggers that fail are no errors here.

/// Result of a call to the bus.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of the bus.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store refused or failed.
    #[error(transparent)]
    Store(#[from] runner_store::Error),
    /// There is no such event, or not any more.
    #[error("no event `{0}`")]
    NotFound(String),
    /// What is stored cannot be read.
    #[error("event {id}: the journal cannot be read: {why}")]
    Corrupt {
        /// Which event.
        id: String,
        /// What does not fit.
        why: String,
    },
    /// Another process takes it just now.
    #[error("event {0} is held by another process")]
    Busy(String),
}

impl Error {
    /// Whether the same call can succeed later without anybody changing anything.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Store(error) => error.is_retriable(),
            Self::Busy(_) => true,
            Self::NotFound(_) | Self::Corrupt { .. } => false,
        }
    }
}
