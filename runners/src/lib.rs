//! RUNS A STEP: the `Runner` port and the runners behind it.
//! Decides nothing about workflows and remembers nothing beyond the attempts it started.

pub mod error;
pub mod runner;

pub use error::Error;
pub use runner::{
    ArtifactRepository, AttemptId, AttemptSpec, BoxFuture, Exit, ExitPhase, Isolation, LogLine, LogQuery,
    LogStream, Observation, Reason, Runner, Sink, Stream,
};
