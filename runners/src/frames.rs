//! Lines by which the supervisor inside a pod tells the engine everything, through the log of its container.
//! Sends and reads nothing: text in, text out.
//!
//! Standard output is passed on as it is, so that other readers of the log see what they expect. Every other line
//! begins with the control character RS and a letter; a line of the step that begins with RS is marked as one, so a
//! step cannot speak for its supervisor by what it prints.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Stream;

/// What marks a line.
const MARK: u8 = 0x1e;
/// Longest piece of a line in bytes: container runtimes cut lines at 16 KiB, and files go in pieces below it.
pub const PIECE_BYTES: usize = 8 << 10;
/// Bytes of a file in one line.
pub const FILE_BYTES: usize = 6 << 10;
/// Most bytes, packed, of all outputs of an attempt that travel through a log: with base64 and the step's last
/// words they stay below the 10 MiB at which a kubelet starts a new log file by default.
pub const OUTPUT_BYTES: u64 = 6 << 20;

/// Bytes of output after which their count is told: a reader that has fewer knows that it missed some.
pub const COUNT_BYTES: u64 = 64 << 10;

/// What a supervisor inside a pod is to do besides running the command; given in [`ORDER_VARIABLE`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Order {
    /// Paths that are sent once the command has ended.
    pub wanted: Vec<Wanted>,
    /// Variables whose values are masked.
    pub mask_env: Vec<String>,
    /// Directories and files whose contents are masked.
    pub mask_files: Vec<String>,
    /// Containers of the pod that must have succeeded before.
    pub after: Vec<String>,
    /// How often the command is started again when it fails.
    pub retries: u32,
    /// Wait before that, in milliseconds.
    pub retry_wait_ms: u64,
}

/// A path that is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// Where it is in the container.
    pub path: String,
    /// It becomes a value that people see: secrets in it are masked.
    pub mask: bool,
}

/// Directory of the init container that holds the pieces of the bundle: `0/bundle`, `1/bundle`, …
///
/// A bundle is a tar archive; each entry is named after an absolute path without its first slash, and is itself the
/// packed archive of what belongs there.
pub const BUNDLE_PATH: &str = "/argo/bundle";
/// Name of the file of each piece.
pub const BUNDLE_FILE: &str = "bundle";

/// Variable that holds the [`Order`] as JSON; the command does not see it.
pub const ORDER_VARIABLE: &str = "RUNNER_POD_ORDER";

/// The last line of a supervised container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Record {
    /// Exit code of the command, 128 + signal when a signal ended it; absent when it was not to run.
    pub code: Option<i32>,
    /// Why it could not be started.
    pub not_started: Option<String>,
    /// When the command started.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Bytes of output that were sent, of both streams.
    pub output_bytes: u64,
    /// What was sent, for each wanted path.
    pub sent: Vec<Sent>,
}

/// What became of one wanted path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Sent {
    /// This many bytes of a packed archive.
    Bytes(u64),
    /// There is nothing at that path.
    Missing,
    /// It could not be read or sent, and why.
    Failed(String),
}

/// A line, understood.
#[derive(Clone, Debug, PartialEq)]
pub enum Frame {
    /// What the command wrote, with its line end if it had one.
    Output(Stream, Vec<u8>),
    /// The command reported progress.
    Progress(i64, i64),
    /// So many bytes of output were sent so far, of both streams.
    Count(u64),
    /// A piece of the archive of the n-th wanted path.
    File(usize, Vec<u8>),
    /// The end.
    Record(Record),
    /// A marked line that nobody understands.
    Unknown,
}

/// Appends a piece of output as a line. `whole` says whether the piece ended with a line end, which it is without.
pub fn output(stream: Stream, piece: &[u8], whole: bool, out: &mut Vec<u8>) {
    let letter = match (stream, whole) {
        (Stream::Stdout, true) if piece.first() != Some(&MARK) => None,
        (Stream::Stdout, true) => Some(b'o'),
        (Stream::Stdout, false) => Some(b'p'),
        (Stream::Stderr, true) => Some(b'e'),
        (Stream::Stderr, false) => Some(b'q'),
        (Stream::Supervisor, _) => Some(b's'),
    };
    out.extend(letter.iter().flat_map(|letter| [MARK, *letter]));
    out.extend_from_slice(piece);
    out.push(b'\n');
}

/// A line of progress.
pub fn progress(done: i64, total: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(&[MARK, b'g']);
    out.extend_from_slice(format!("{done}/{total}\n").as_bytes());
}

/// A line that tells how much output there was so far.
pub fn count(size_bytes: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(&[MARK, b'c']);
    out.extend_from_slice(format!("{size_bytes}\n").as_bytes());
}

/// Lines of a file.
pub fn file(index: usize, bytes: &[u8], out: &mut Vec<u8>) {
    for piece in bytes.chunks(FILE_BYTES) {
        out.extend_from_slice(&[MARK, b'f']);
        out.extend_from_slice(format!("{index} {}\n", STANDARD.encode(piece)).as_bytes());
    }
}

/// The last line.
///
/// # Errors
/// Of JSON, which does not happen with these types.
pub fn record(record: &Record, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    out.extend_from_slice(&[MARK, b'x']);
    serde_json::to_writer(&mut *out, record)?;
    out.push(b'\n');
    Ok(())
}

/// Understands a line; `line` is without its line end, which it had when `whole`.
pub fn read(line: &[u8], whole: bool) -> Frame {
    let (Some(&MARK), Some(letter)) = (line.first(), line.get(1)) else {
        return Frame::Output(Stream::Stdout, ended(line, whole));
    };
    let rest = line.get(2..).unwrap_or_default();
    match letter {
        b'o' => Frame::Output(Stream::Stdout, ended(rest, whole)),
        b'p' => Frame::Output(Stream::Stdout, rest.to_vec()),
        b'e' => Frame::Output(Stream::Stderr, ended(rest, whole)),
        b'q' => Frame::Output(Stream::Stderr, rest.to_vec()),
        b's' => Frame::Output(Stream::Supervisor, ended(rest, true)),
        b'g' => progress_of(rest).map_or(Frame::Unknown, |(done, total)| Frame::Progress(done, total)),
        b'c' => {
            let number = std::str::from_utf8(rest).ok().and_then(|text| text.trim().parse().ok());
            number.map_or(Frame::Unknown, Frame::Count)
        }
        b'f' => file_of(rest).map_or(Frame::Unknown, |(index, piece)| Frame::File(index, piece)),
        b'x' => serde_json::from_slice(rest).map_or(Frame::Unknown, Frame::Record),
        _other => Frame::Unknown,
    }
}

fn ended(text: &[u8], whole: bool) -> Vec<u8> {
    let mut text = text.to_vec();
    text.extend(whole.then_some(b'\n'));
    text
}

/// Argo's `N/M`.
pub fn progress_of(text: &[u8]) -> Option<(i64, i64)> {
    let (done, total) = std::str::from_utf8(text).ok()?.trim().split_once('/')?;
    let (done, total) = (done.parse().ok()?, total.parse().ok()?);
    (0 <= done && done <= total && total > 0).then_some((done, total))
}

fn file_of(text: &[u8]) -> Option<(usize, Vec<u8>)> {
    let (index, piece) = std::str::from_utf8(text).ok()?.split_once(' ')?;
    Some((index.parse().ok()?, STANDARD.decode(piece).ok()?))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn lines(bytes: &[u8]) -> Vec<Frame> {
        let text = bytes.strip_suffix(b"\n").unwrap();
        text.split(|byte| *byte == b'\n').map(|line| read(line, true)).collect()
    }

    #[test]
    fn everything_comes_out_as_it_went_in() {
        let mut out = Vec::new();
        output(Stream::Stdout, b"plain", true, &mut out);
        assert_eq!(out, b"plain\n", "other readers of the log see the step's own text");
        output(Stream::Stderr, b"bad", true, &mut out);
        output(Stream::Stdout, b"no line end", false, &mut out);
        output(Stream::Stderr, b"nor here", false, &mut out);
        progress(1, 3, &mut out);
        count(70, &mut out);
        let big: Vec<u8> = (0..FILE_BYTES + 1).map(|n| u8::try_from(n % 256).unwrap()).collect();
        file(4, &big, &mut out);
        let last = Record { code: Some(3), sent: vec![Sent::Bytes(7), Sent::Missing], ..Record::default() };
        record(&last, &mut out).unwrap();
        assert!(out.split(|byte| *byte == b'\n').all(|line| line.len() < 16 << 10));
        let seen = lines(&out);
        assert_eq!(seen[0], Frame::Output(Stream::Stdout, b"plain\n".to_vec()));
        assert_eq!(seen[1], Frame::Output(Stream::Stderr, b"bad\n".to_vec()));
        assert_eq!(seen[2], Frame::Output(Stream::Stdout, b"no line end".to_vec()));
        assert_eq!(seen[3], Frame::Output(Stream::Stderr, b"nor here".to_vec()));
        assert_eq!(seen[4], Frame::Progress(1, 3));
        let (Frame::File(4, mut one), Frame::File(4, two)) = (seen[6].clone(), seen[7].clone()) else {
            unreachable!()
        };
        one.extend(two);
        assert_eq!(one, big);
        assert_eq!((&seen[5], &seen[8]), (&Frame::Count(70), &Frame::Record(last)));
    }

    #[test]
    fn a_step_cannot_speak_for_its_supervisor() {
        let mut out = Vec::new();
        output(Stream::Stdout, b"\x1ex{\"code\":0}", true, &mut out);
        assert_eq!(lines(&out), [Frame::Output(Stream::Stdout, b"\x1ex{\"code\":0}\n".to_vec())]);
    }

    #[test]
    fn nonsense_is_unknown_and_progress_has_bounds() {
        assert_eq!(read(b"\x1ex{", true), Frame::Unknown);
        assert_eq!(read(b"\x1ef9", true), Frame::Unknown);
        assert_eq!(read(b"\x1eg4/3", true), Frame::Unknown);
        assert_eq!(progress_of(b" 2/2\n"), Some((2, 2)));
    }
}
