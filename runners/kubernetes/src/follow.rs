//! The log of one container of a pod, from its start to its end: output into our log, frames to whoever asked.
//! Judges nothing; whether the container has ended is told by the status of its pod.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use runner_runners::frames::{self, Frame, Record, Sent};
use runner_runners::guest::{Guest, GuestLog};
use runner_runners::guests::Running;
use runner_runners::{Error, Observation, Stream};
use tokio::sync::watch;

use crate::api::{Api, Failure, Line};
use crate::status;
use crate::watch::Known;

/// Wait before a log that was cut off or is not there yet is asked for again.
const AGAIN: Duration = Duration::from_millis(300);
/// Longest silence of the log of a container that has ended.
const SILENCE: Duration = Duration::from_secs(20);
/// How often the log of a container that has ended is asked for: a kubelet may need a moment to show all of it.
const TRIES: u32 = 3;

/// A container whose log is followed.
pub(crate) struct Followed<'a> {
    pub(crate) api: &'a Api,
    pub(crate) guest: &'a Arc<Guest>,
    pub(crate) running: &'a Running,
    pub(crate) id: &'a runner_runners::AttemptId,
    /// Name of the pod.
    pub(crate) pod: &'a str,
    /// Name of the container.
    pub(crate) name: String,
    /// Its position among those that have a log of ours.
    pub(crate) position: usize,
    /// A supervisor speaks in it.
    pub(crate) supervised: bool,
    /// Its standard output is wanted.
    pub(crate) result: bool,
}

/// What came out of a log.
#[derive(Default)]
pub(crate) struct Heard {
    /// The supervisor's last word.
    pub(crate) record: Option<Record>,
    /// Standard output, when wanted.
    pub(crate) result: Option<String>,
    /// Bytes of output that arrived.
    output_bytes: u64,
    /// Archives of wanted paths, whole or not.
    pub(crate) files: BTreeMap<usize, Vec<u8>>,
}

impl Heard {
    /// Notes in the log what did not arrive: a node that begins new log files faster than they are read takes the
    /// older ones along.
    fn miss(&mut self, total: u64, at: Timestamp, log: &mut GuestLog) {
        if let Some(dropped @ 1..) = total.checked_sub(self.output_bytes) {
            let text = format!("[... {dropped} bytes of output were dropped here ...]\n");
            log.write(Stream::Supervisor, at, text.as_bytes());
            self.output_bytes = total;
        }
    }
}

/// How far a log was read.
#[derive(Default)]
struct Place {
    at: Option<Timestamp>,
    /// Lines with that time.
    count: usize,
    /// Lines with that time that are read once more after a new request.
    skip: usize,
}

impl Place {
    /// Whether a line is new.
    fn is_new(&mut self, at: Timestamp) -> bool {
        if self.at.is_some_and(|last| at < last) && self.skip > 0 {
            return false;
        }
        if self.at == Some(at) && self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        self.skip = 0;
        self.count = if self.at == Some(at) { self.count + 1 } else { 1 };
        self.at = Some(at);
        true
    }
}

impl Followed<'_> {
    /// Follows it to its end, or until its pod is gone.
    pub(crate) async fn follow(&self, mut seen: watch::Receiver<Known>) -> Result<Heard, Error> {
        let mut log = self.guest.log(&self.name, self.position, self.result)?;
        let (mut heard, mut place, mut tries) = (Heard::default(), Place::default(), 0);
        while self.is_there(&mut seen).await {
            let ended = self.has_ended(&seen.borrow());
            place.skip = place.count;
            let opened = self.api.log(self.pod, &self.name, !ended, place.at).await;
            let mut lines = match opened {
                Ok(lines) => lines,
                Err(Failure::Gone(_)) => break,
                Err(failure @ Failure::Refused(_)) => {
                    tracing::warn!(pod = self.pod, container = self.name, %failure, "a log cannot be read");
                    break;
                }
                Err(failure) => {
                    tries += u32::from(ended && matches!(failure, Failure::NotYet(_)));
                    if tries >= TRIES {
                        break;
                    }
                    tokio::time::sleep(failure.again().unwrap_or(AGAIN)).await;
                    continue;
                }
            };
            loop {
                let line = match self.line(&mut lines, &mut seen).await {
                    Ok(Some(line)) => line,
                    Ok(None) => break,
                    Err(failure) => {
                        tracing::debug!(pod = self.pod, container = self.name, %failure, "a log was cut off");
                        break;
                    }
                };
                self.take(&line, &mut place, &mut log, &mut heard);
                if heard.record.is_some() {
                    heard.result = log.finish();
                    return Ok(heard);
                }
            }
            if ended || matches!(*seen.borrow(), Known::Gone(_)) {
                tries += 1;
                if tries >= TRIES || !self.supervised {
                    break;
                }
            }
            tokio::time::sleep(AGAIN).await;
        }
        heard.result = log.finish();
        Ok(heard)
    }

    /// Waits until the container has started; false when it never will.
    async fn is_there(&self, seen: &mut watch::Receiver<Known>) -> bool {
        let decided = seen.wait_for(|known| {
            let (started, ended) = status::container(known.pod(), &self.name);
            started || ended.is_some() || matches!(known, Known::Gone(_)) || is_over(known)
        });
        let Ok(known) = decided.await else { return false };
        let (started, ended) = status::container(known.pod(), &self.name);
        (started || ended.is_some()) && !matches!(*known, Known::Gone(_))
    }

    fn has_ended(&self, known: &Known) -> bool {
        status::container(known.pod(), &self.name).1.is_some()
            || is_over(known)
            || matches!(known, Known::Gone(_))
    }

    /// The next line. The log of a container that has ended ends by itself, or is given up after a while.
    async fn line(
        &self,
        lines: &mut crate::api::Lines,
        seen: &mut watch::Receiver<Known>,
    ) -> Result<Option<Line>, Failure> {
        tokio::select! {
            biased;
            line = lines.next() => line,
            () = async {
                drop(seen.wait_for(|known| self.has_ended(known)).await);
                tokio::time::sleep(SILENCE).await;
            } => Ok(None),
        }
    }

    fn take(&self, line: &Line, place: &mut Place, log: &mut GuestLog, heard: &mut Heard) {
        let (at, text) = split(&line.text);
        if !place.is_new(at.or(place.at).unwrap_or_else(Timestamp::now)) {
            return;
        }
        let at = at.unwrap_or_else(Timestamp::now);
        if !self.supervised {
            let mut text = text.to_vec();
            text.extend(line.whole.then_some(b'\n'));
            log.write(Stream::Stdout, at, &text);
            return;
        }
        match frames::read(text, line.whole) {
            Frame::Output(stream, text) => {
                if stream != Stream::Supervisor {
                    heard.output_bytes += text.len() as u64;
                }
                log.write(stream, at, &text);
            }
            Frame::Progress(done, total) => {
                self.running.tell(self.id, &Observation::Progress { done, total });
            }
            Frame::File(index, piece) => heard.files.entry(index).or_default().extend(piece),
            Frame::Count(total) => heard.miss(total, at, log),
            Frame::Record(record) => {
                heard.miss(record.output_bytes, at, log);
                heard.record = Some(record);
            }
            Frame::Unknown => {
                tracing::warn!(
                    pod = self.pod,
                    container = self.name,
                    "a line of the supervisor is not understood"
                );
            }
        }
    }
}

fn is_over(known: &Known) -> bool {
    matches!(status::see(known.pod()), status::View::Over(_) | status::View::Lost(_))
}

/// The time at the beginning of a line.
fn split(line: &[u8]) -> (Option<Timestamp>, &[u8]) {
    let space = line.iter().take(64).position(|byte| *byte == b' ').unwrap_or(line.len().min(64));
    let time = line.get(..space).and_then(|time| std::str::from_utf8(time).ok()?.parse().ok());
    match time {
        Some(time) => (Some(time), line.get(space + 1..).unwrap_or_default()),
        None => (None, line),
    }
}

/// Hands the archives to the attempt. Answers what is wrong with the outputs. Blocks on files.
pub(crate) fn receive(guest: &Guest, wanted: &[frames::Wanted], heard: &Heard) -> Result<Vec<String>, Error> {
    let mut wrong = Vec::new();
    let Some(record) = &heard.record else { return Ok(wrong) };
    for (index, (wanted, sent)) in wanted.iter().zip(&record.sent).enumerate() {
        let path = &wanted.path;
        match sent {
            Sent::Missing => {}
            Sent::Failed(why) => wrong.push(format!("{path}: {why}")),
            Sent::Bytes(size) => {
                let bytes = heard.files.get(&index).map(Vec::as_slice).unwrap_or_default();
                if bytes.len() as u64 != *size {
                    let got = bytes.len();
                    wrong.push(format!("{path}: only {got} of {size} bytes are left in the log of the pod"));
                    continue;
                }
                let file = scratch(guest, bytes)?;
                guest.receive_packed(path, file)?;
            }
        }
    }
    Ok(wrong)
}

fn scratch(guest: &Guest, bytes: &[u8]) -> Result<File, Error> {
    let doing = |source: std::io::Error| Error::Io { doing: "keep an output of the step".into(), source };
    let mut file = tempfile::tempfile_in(guest.scratch()?).map_err(doing)?;
    file.write_all(bytes).map_err(doing)?;
    std::io::Seek::rewind(&mut file).map_err(doing)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn lines_begin_with_their_time() {
        let (time, text) = split(b"1970-01-01T00:00:05.000000001Z out put");
        assert_eq!((time.unwrap().as_nanosecond(), text), (5_000_000_001, &b"out put"[..]));
        assert_eq!(split(b"1970-01-01T00:00:05Z "), (Some(at(5)), &b""[..]));
        assert_eq!(split(b"no time"), (None, &b"no time"[..]));
    }

    #[test]
    fn after_a_cut_no_line_comes_twice_and_none_is_missed_f65() {
        let mut place = Place::default();
        for second in [1, 2, 2, 3, 3] {
            assert!(place.is_new(at(second)));
        }
        // Asked again since 3, the server begins with the whole second.
        place.skip = place.count;
        let fresh: Vec<bool> = [2, 3, 3, 3, 4].into_iter().map(|second| place.is_new(at(second))).collect();
        assert_eq!(fresh, [false, false, false, true, true]);
    }
}
