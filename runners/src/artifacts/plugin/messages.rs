//! What is said to an artifact driver: the messages of Argo's `ArtifactService`, by their field numbers.
//! Only those of the calls that are made here, and of an artifact only what a driver goes by.

use prost::Message;

/// Where an artifact is, as its template says it.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Plugin {
    /// Name of the driver.
    #[prost(string, tag = "1")]
    pub(super) name: String,
    /// What the driver is configured with, in its own words.
    #[prost(string, tag = "2")]
    pub(super) configuration: String,
    /// The artifact's own limit.
    #[prost(int32, tag = "3")]
    pub(super) connection_timeout_seconds: i32,
    /// The key.
    #[prost(string, tag = "4")]
    pub(super) key: String,
}

/// An artifact: name, path and mode are the engine's business.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Artifact {
    /// Where it is.
    #[prost(message, optional, tag = "5")]
    pub(super) plugin: Option<Plugin>,
}

/// Of `Load`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct LoadRequest {
    /// What to load.
    #[prost(message, optional, tag = "1")]
    pub(super) input_artifact: Option<Artifact>,
    /// The file or directory that it becomes.
    #[prost(string, tag = "2")]
    pub(super) path: String,
}

/// Of `Save`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct SaveRequest {
    /// The file or directory that is saved.
    #[prost(string, tag = "1")]
    pub(super) path: String,
    /// Where it goes.
    #[prost(message, optional, tag = "2")]
    pub(super) output_artifact: Option<Artifact>,
}

/// Of `Delete` and `ListObjects`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ArtifactRequest {
    /// What is meant.
    #[prost(message, optional, tag = "1")]
    pub(super) artifact: Option<Artifact>,
}

/// What comes back of `Load`, `Save` and `Delete`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Done {
    /// Whether it was done.
    #[prost(bool, tag = "1")]
    pub(super) success: bool,
    /// Why not.
    #[prost(string, tag = "2")]
    pub(super) error: String,
}

/// What comes back of `ListObjects`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Listed {
    /// The keys.
    #[prost(string, repeated, tag = "1")]
    pub(super) objects: Vec<String>,
    /// Why there are none.
    #[prost(string, tag = "2")]
    pub(super) error: String,
}
