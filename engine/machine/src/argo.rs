//! Argo's `status` JSON: written for people and tools, read to take over a run that Argo or a test began.
//! Not the engine's own storage: that is the journal.

mod read;
mod write;
