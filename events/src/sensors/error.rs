//! What can go wrong when sensors are driven.
//! A trigger that fails is no error here: the machine knows it.

/// Result of a call to the driver.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of the driver.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store refused or failed.
    #[error(transparent)]
    Store(#[from] runner_store::Error),
    /// The bus failed.
    #[error(transparent)]
    Bus(#[from] crate::bus::Error),
    /// The manifest cannot be used.
    #[error("Sensor {name}: {why}")]
    Manifest {
        /// Name.
        name: String,
        /// Why not.
        why: String,
    },
    /// The journal cannot be replayed.
    #[error("{stream}: the journal cannot be replayed: {why}")]
    Corrupt {
        /// Whose.
        stream: String,
        /// What does not fit.
        why: String,
    },
}
