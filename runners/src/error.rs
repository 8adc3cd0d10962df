//! What can go wrong when a runner is asked to do something, split into retriable or not.
//! How a step itself failed is not an error: that is an `Exit`.

use std::io;
use std::path::PathBuf;

/// An error of a runner or of an artifact driver.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused something; the text says what was attempted.
    #[error("{doing}: {source}")]
    Io {
        /// What was attempted, e.g. `create the attempt directory`.
        doing: String,
        /// The cause.
        source: io::Error,
    },
    /// No attempt of that name is known here.
    #[error("no such attempt: {0}")]
    NotFound(String),
    /// A string is larger than the kernel passes to a program (F54).
    #[error("{what} is {size_bytes} bytes long; a program can be given at most {limit_bytes}: {hint}")]
    TooLarge {
        /// The argument, variable or parameter.
        what: String,
        /// Its size.
        size_bytes: usize,
        /// The most the kernel passes.
        limit_bytes: usize,
        /// What to do instead.
        hint: String,
    },
    /// The template has no command and the image is not in the image table.
    #[error(
        "the template has no command and the entrypoint of image {image:?} is not known here: \
         set `command`, or add the image to `runners.process.images` in the configuration"
    )]
    UnknownImage {
        /// The image.
        image: String,
    },
    /// Something Argo has that this build does not act on.
    #[error("{what} is not built in yet")]
    NotBuiltIn {
        /// The feature.
        what: String,
    },
    /// The template asks for something impossible.
    #[error("{0}")]
    Invalid(String),
    /// An artifact could not be stored or loaded.
    #[error("{0}")]
    Artifact(String),
    /// An artifact or a file is missing.
    #[error("{0}")]
    Missing(String),
    /// An archive was refused (V7, V8).
    #[error("archive refused: {0}")]
    Archive(String),
    /// A file or directory has an owner or mode that makes it unsafe (V35).
    #[error("{path}: {problem}")]
    Unsafe {
        /// The path.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The runner is shutting down.
    #[error("the runner has stopped")]
    Stopped,
}

impl Error {
    /// True when asking again later may succeed without anything being changed by a person.
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Io { source, .. } => matches!(
                source.kind(),
                io::ErrorKind::Interrupted
                    | io::ErrorKind::WouldBlock
                    | io::ErrorKind::TimedOut
                    | io::ErrorKind::OutOfMemory
                    | io::ErrorKind::StorageFull
                    | io::ErrorKind::ResourceBusy
            ),
            Self::Stopped => true,
            Self::NotFound(_)
            | Self::TooLarge { .. }
            | Self::UnknownImage { .. }
            | Self::NotBuiltIn { .. }
            | Self::Invalid(_)
            | Self::Artifact(_)
            | Self::Missing(_)
            | Self::Archive(_)
            | Self::Unsafe { .. } => false,
        }
    }
}

/// An error with all its causes: the text of a client's error alone says little.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let more = inner.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        source = inner.source();
    }
    text
}

/// Attaches what was attempted to an I/O error.
pub(crate) trait Doing<T> {
    /// Names the attempt; the closure runs only on failure.
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, Error>;
}

impl<T, E: Into<io::Error>> Doing<T> for Result<T, E> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, Error> {
        self.map_err(|e| Error::Io { doing: what(), source: e.into() })
    }
}
