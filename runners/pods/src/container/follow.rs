//! From a started container to its end: its output into the log, its state as the engine tells it.
//! Starts and stops nothing.

use std::time::{Duration, Instant};

use bollard::container::LogOutput;
use futures_util::StreamExt;
use jiff::Timestamp;
use runner_runners::Stream;
use runner_runners::guest::GuestLog;

use super::engine::{Engine, Failure, Output, Phase, State};
use super::rejoin::{Piece, Rejoin};

/// Longest silence of an output that an ended container leaves open.
const SILENCE: Duration = Duration::from_secs(5);
/// How often what the engine kept is read while the end of the output is not among what arrived.
const READINGS: usize = 5;
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

    /// Whether they have the last line that the engine kept; not, when it does not say.
    async fn end(&self, engine: &Engine, name: &str) -> bool {
        engine.last_line(name).await.is_ok_and(|line| self.have(&line))
    }
}

/// Where output comes from.
pub(super) enum Source {
    /// As it is written: the pieces have no time of their own.
    Live(Output),
    /// What the engine keeps.
    Kept,
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

/// Follows a container to its end.
pub(super) async fn follow(engine: &Engine, name: &str, log: GuestLog, source: Source) -> End {
    let mut reading = Reading::new(log);
    let mut live = match source {
        Source::Live(output) => Some(output),
        Source::Kept => None,
    };
    let mut lost_at = live.is_none().then_some(Timestamp::UNIX_EPOCH);
    let mut pause = AGAIN;
    let mut ended = std::pin::pin!(ended(engine, name));
    let state = loop {
        if let Some(output) = &mut live {
            tokio::select! {
                state = &mut ended => break state,
                more = reading.pump(output, Pieces::Live) => if !more {
                    live = None;
                    lost_at = Some(Timestamp::now());
                },
            }
            continue;
        }
        // Its output ends when it does. A container that goes on has lost us, as when the engine is restarted.
        if let Ok(state) = tokio::time::timeout(pause, &mut ended).await {
            break state;
        }
        let begin = Instant::now();
        if let Ok(kept) = engine.history(name).await {
            reading.rejoin(kept, false).await;
        }
        pause = (begin.elapsed() * 4).max(AGAIN);
    };
    if let Some(output) = &mut live {
        // What it wrote last may still be on its way.
        reading.drain(output, Pieces::Live).await;
    }
    let ended_at = state.as_ref().and_then(|state| state.finished_at);
    let lost = matches!((lost_at, ended_at), (Some(lost_at), Some(ended_at)) if lost_at < ended_at);
    // An engine may close what we are attached to before it has sent the end of the output.
    let mut whole = !lost && reading.last_words.end(engine, name).await;
    for _ in 0..READINGS {
        if whole {
            break;
        }
        match engine.history(name).await {
            Ok(kept) => reading.rejoin(kept, true).await,
            Err(Failure::Gone(_)) => break,
            Err(_) => tokio::time::sleep(AGAIN).await,
        }
        whole = reading.last_words.end(engine, name).await;
    }
    if !whole && state.is_some() {
        tracing::warn!(container = name, "the engine did not give the end of a container's output");
    }
    let code = state.as_ref().map(|state| state.exit_code);
    // catatonit ends with 1 then, tini as a shell does.
    let init_failed =
        if matches!(code, Some(1 | 126 | 127)) { of_init(&reading.last_words.err) } else { None };
    End { state, result: reading.log.finish(), init_failed }
}

/// What the pieces of an output are like.
#[derive(Clone, Copy, PartialEq)]
enum Pieces {
    /// As they were written, now.
    Live,
    /// Each begins with its time.
    Kept,
}

/// An output on its way into the log.
struct Reading {
    log: GuestLog,
    last_words: LastWords,
    /// When the last piece arrived.
    last_at: Timestamp,
    /// What is new of what the engine kept, while that is read.
    rejoin: Option<Rejoin>,
    /// The output ended with an error.
    failed: bool,
}

impl Reading {
    fn new(log: GuestLog) -> Self {
        let (last_words, last_at) = (LastWords::default(), Timestamp::UNIX_EPOCH);
        Self { log, last_words, last_at, rejoin: None, failed: false }
    }

    /// Adds what is new of what the engine kept. `complete` when the container writes no more: then what it kept ends
    /// where the output does, and otherwise perhaps within a line.
    async fn rejoin(&mut self, mut kept: Output, complete: bool) {
        let rejoin = Rejoin::new(&self.last_words.out, &self.last_words.err, self.last_at);
        self.rejoin = Some(if complete { rejoin } else { rejoin.growing() });
        self.failed = false;
        let all = self.drain(&mut kept, Pieces::Kept).await && !self.failed;
        if let Some(mut rejoin) = self.rejoin.take()
            && complete
            && all
        {
            rejoin.release().iter().for_each(|piece| self.write(piece));
        }
    }

    /// Takes pieces until there are no more; false when nothing came for a while.
    async fn drain(&mut self, output: &mut Output, pieces: Pieces) -> bool {
        loop {
            match tokio::time::timeout(SILENCE, self.pump(output, pieces)).await {
                Ok(true) => {}
                Ok(false) => return true,
                Err(_) => return false,
            }
        }
    }

    /// Takes one piece of output; false at the end.
    async fn pump(&mut self, output: &mut Output, pieces: Pieces) -> bool {
        let (stream, bytes) = match output.next().await {
            Some(Ok(LogOutput::StdErr { message })) => (Stream::Stderr, message),
            Some(Ok(LogOutput::StdOut { message } | LogOutput::Console { message })) => {
                (Stream::Stdout, message)
            }
            Some(Ok(LogOutput::StdIn { .. })) => return true,
            Some(Err(error)) => {
                tracing::debug!(%error, "the output of a container ended early");
                self.failed = true;
                return false;
            }
            None => return false,
        };
        let (at, text) =
            if pieces == Pieces::Kept { split(&bytes) } else { (Timestamp::now(), bytes.as_ref()) };
        let piece = Piece { stream, at, bytes: text.to_vec() };
        match &mut self.rejoin {
            None => self.write(&piece),
            Some(rejoin) => {
                let new = rejoin.take(piece);
                new.iter().for_each(|piece| self.write(piece));
            }
        }
        true
    }

    fn write(&mut self, piece: &Piece) {
        if piece.stream != Stream::Supervisor {
            self.last_words.add(piece.stream, &piece.bytes);
        }
        self.last_at = self.last_at.max(piece.at);
        self.log.write(piece.stream, piece.at, &piece.bytes);
    }
}

/// The complaint of the engine's init process (catatonit, tini) that the command cannot be started.
fn of_init(last_words: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(last_words);
    let line = text.lines().rev().find(|line| !line.trim().is_empty())?;
    let init = line.contains("failed to exec pid1") || line.contains("[FATAL tini");
    init.then(|| line.rsplit(": ").next().unwrap_or(line).trim().to_lowercase())
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
