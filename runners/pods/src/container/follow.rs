//! From a started container to its end: its output into the log, its state as the engine tells it.
//! Starts and stops nothing.

use std::time::Duration;

use bollard::container::LogOutput;
use futures_util::StreamExt;
use jiff::Timestamp;
use runner_runners::guest::GuestLog;
use runner_runners::{Error, Stream};

use super::engine::{Engine, Failure, Output, Phase, State};

/// Longest silence of an output that an ended container leaves open.
const SILENCE: Duration = Duration::from_secs(5);
/// Wait before an engine that could not be reached is asked again.
const AGAIN: Duration = Duration::from_millis(500);

/// Bytes of each output that are remembered: for what init says when a command could not be started, and to see
/// whether the end of the output arrived.
const LAST_WORDS: usize = 512;

/// The last bytes of each output.
#[derive(Default)]
struct LastWords {
    out: Vec<u8>,
    err: Vec<u8>,
}

impl LastWords {
    fn add(&mut self, stream: Stream, text: &[u8]) {
        let words = if stream == Stream::Stderr { &mut self.err } else { &mut self.out };
        words.extend_from_slice(text);
        words.drain(..words.len().saturating_sub(LAST_WORDS));
    }

    /// Whether this line is among the last of one of them. It need not be the very last: a busy Docker gives its own
    /// log two seconds after the end of a container, and then keeps less than it sent.
    fn have(&self, line: &[u8]) -> bool {
        let line = line.trim_ascii_end();
        let line = line.get(line.len().saturating_sub(LAST_WORDS / 2)..).unwrap_or_default();
        let within = |words: &[u8]| words.windows(line.len().max(1)).any(|part| part == line);
        line.is_empty() || within(&self.out) || within(&self.err)
    }
}

/// Where output comes from.
pub(super) enum Source {
    /// As it is written: the pieces have no time of their own.
    Live(Output),
    /// What the engine kept: each piece begins with its time.
    Kept(Output),
    /// The container wrote nothing anybody could get.
    Nothing,
}

/// How it ended.
pub(super) struct End {
    /// The last state; nothing when the container is not there any more.
    pub(super) state: Option<State>,
    /// Its standard output, when wanted.
    pub(super) result: Option<String>,
    /// What the init process said when it could not start the command.
    pub(super) init_failed: Option<String>,
}

/// Follows a container to its end. `open` begins its log, again if what was read of it so far is not all.
pub(super) async fn follow(
    engine: &Engine,
    name: &str,
    open: impl Fn() -> Result<GuestLog, Error>,
    source: Source,
) -> Result<End, Error> {
    let (mut log, mut source, mut last_words) = (open()?, source, LastWords::default());
    let mut ended = std::pin::pin!(ended(engine, name));
    let mut lost_at = None;
    let state = loop {
        let more = tokio::select! {
            state = &mut ended => break state,
            more = pump(&mut source, &mut log, &mut last_words) => more,
        };
        if more {
            continue;
        }
        lost_at.get_or_insert_with(Timestamp::now);
        // Its output ends when it does. A container that goes on has lost us, as when the engine is restarted.
        if let Ok(state) = tokio::time::timeout(AGAIN, &mut ended).await {
            break state;
        }
        if let Ok(history) = engine.history(name).await {
            (log, source) = (open()?, Source::Kept(history));
        }
    };
    // What it wrote last may still be on its way.
    while let Ok(true) = tokio::time::timeout(SILENCE, pump(&mut source, &mut log, &mut last_words)).await {}
    let ended_at = state.as_ref().and_then(|state| state.finished_at);
    let lost = matches!((lost_at, ended_at), (Some(lost_at), Some(ended_at)) if lost_at < ended_at);
    // An engine may close what we are attached to before it has sent the end of the output.
    let cut = engine.last_line(name).await.is_ok_and(|line| !last_words.have(&line));
    if (lost || cut)
        && let Ok(history) = engine.history(name).await
    {
        // Nobody knows what was missed in between: from the beginning, now that it is all there.
        (log, source) = (open()?, Source::Kept(history));
        while let Ok(true) = tokio::time::timeout(SILENCE, pump(&mut source, &mut log, &mut last_words)).await
        {
        }
    }
    let code = state.as_ref().map(|state| state.exit_code);
    // catatonit ends with 1 then, tini as a shell does.
    let init_failed = if matches!(code, Some(1 | 126 | 127)) { of_init(&last_words.err) } else { None };
    Ok(End { state, result: log.finish(), init_failed })
}

/// The complaint of the engine's init process (catatonit, tini) that the command cannot be started.
fn of_init(last_words: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(last_words);
    let line = text.lines().rev().find(|line| !line.trim().is_empty())?;
    let init = line.contains("failed to exec pid1") || line.contains("[FATAL tini");
    init.then(|| line.rsplit(": ").next().unwrap_or(line).trim().to_lowercase())
}

/// Takes one piece of output; false at the end.
async fn pump(source: &mut Source, log: &mut GuestLog, last_words: &mut LastWords) -> bool {
    let (output, timed) = match source {
        Source::Live(output) => (output, false),
        Source::Kept(output) => (output, true),
        Source::Nothing => return false,
    };
    let (stream, bytes) = match output.next().await {
        Some(Ok(LogOutput::StdErr { message })) => (Stream::Stderr, message),
        Some(Ok(LogOutput::StdOut { message } | LogOutput::Console { message })) => (Stream::Stdout, message),
        Some(Ok(LogOutput::StdIn { .. })) => return true,
        Some(Err(error)) => {
            tracing::debug!(%error, "the output of a container ended early");
            *source = Source::Nothing;
            return false;
        }
        None => {
            *source = Source::Nothing;
            return false;
        }
    };
    let (at, text) = if timed { split(&bytes) } else { (Timestamp::now(), bytes.as_ref()) };
    last_words.add(stream, text);
    log.write(stream, at, text);
    true
}

/// The time at the beginning of a kept piece.
fn split(bytes: &[u8]) -> (Timestamp, &[u8]) {
    let space = bytes.iter().take(64).position(|byte| *byte == b' ');
    let time = space.and_then(|at| std::str::from_utf8(&bytes[..at]).ok()?.parse().ok());
    match (time, space) {
        (Some(time), Some(at)) => (time, &bytes[at + 1..]),
        _other => (Timestamp::now(), bytes),
    }
}

/// The state a container ended in; nothing when it vanished.
async fn ended(engine: &Engine, name: &str) -> Option<State> {
    loop {
        let waited = engine.wait(name).await;
        match engine.inspect(name).await {
            Ok(state) if state.phase == Phase::Ended => return Some(state),
            Ok(state) if state.phase == Phase::Going => return None,
            Err(Failure::Gone(_)) => return None,
            Ok(_) => {}
            Err(failure) => tracing::warn!(container = name, %failure, "a container could not be looked at"),
        }
        if let Err(failure) = waited {
            tracing::debug!(container = name, %failure, "a container could not be waited for");
        }
        tokio::time::sleep(AGAIN).await;
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn kept_pieces_begin_with_their_time() {
        let (at, text) = split(b"2026-11-21T05:54:43.5Z out put\n");
        assert_eq!(at, "2026-11-21T05:54:43.5Z".parse().unwrap());
        assert_eq!(text, b"out put\n");
        assert_eq!(split(b"no time").1, b"no time");
    }

    #[test]
    fn the_end_of_an_output_is_known_by_its_last_line() {
        let mut words = LastWords::default();
        words.add(Stream::Stdout, b"one\ntwo\n");
        words.add(Stream::Stderr, b"bad\n");
        assert!(words.have(b"two\n") && words.have(b"bad") && words.have(b""));
        assert!(!words.have(b"three\n"));
        assert!(words.have(b"one\n"), "the engine kept less than it sent");
    }
}
