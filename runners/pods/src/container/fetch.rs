//! Files out of an ended container, for outputs that lie in no volume.
//! Does not judge them: what is missing is noticed when outputs are collected.

use std::fs::File;
use std::io::{Seek, Write};
use std::sync::Arc;

use futures_util::StreamExt;
use runner_runners::Error;
use runner_runners::guest::Guest;
use runner_runners::guests::blocking;

use super::engine::{Engine, Failure};

/// Most links that are followed to a file.
const LINKS: usize = 16;

/// Takes everything that is wanted out of a container.
///
/// # Errors
/// [`Failure::Away`] when the engine cannot be reached: it can be tried again.
pub(super) async fn outputs(engine: &Engine, container: &str, guest: &Arc<Guest>) -> Result<(), Failure> {
    for path in guest.wanted() {
        match one(engine, container, &path, guest).await {
            Ok(()) | Err(Failure::Gone(_)) => {}
            Err(Failure::Away(why)) => return Err(Failure::Away(why)),
            // The output will be missing, and that is said with its name; here is why.
            Err(failure) => tracing::warn!(container, path, %failure, "an output could not be taken out"),
        }
    }
    Ok(())
}

async fn one(engine: &Engine, container: &str, path: &str, guest: &Arc<Guest>) -> Result<(), Failure> {
    let mut real = path.to_owned();
    for _ in 0..LINKS {
        match engine.link(container, &real).await? {
            None => break,
            Some(target) if target.starts_with('/') => real = target,
            Some(target) => real = format!("{}/{target}", real.rsplit_once('/').map_or("", |(dir, _)| dir)),
        }
    }
    let refused = |error: std::io::Error| Failure::Refused(format!("keep what is at {path}: {error}"));
    let scratch = guest.scratch().map_err(|error| Failure::Refused(error.to_string()))?;
    let mut file = tempfile(&scratch).map_err(refused)?;
    let mut pieces = std::pin::pin!(engine.archive(container, &real).await?);
    while let Some(piece) = pieces.next().await {
        file.write_all(&piece?).map_err(refused)?;
    }
    file.rewind().map_err(refused)?;
    let (guest, path) = (Arc::clone(guest), path.to_owned());
    let received = blocking(move || guest.receive(&path, file)).await;
    received.map_err(|error: Error| Failure::Refused(error.to_string()))
}

/// A file without a name in a directory.
fn tempfile(dir: &std::path::Path) -> std::io::Result<File> {
    use rustix::fs::{CWD, Mode, OFlags};
    let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::openat(CWD, dir, flags, Mode::RUSR | Mode::WUSR)?))
}
