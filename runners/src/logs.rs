//! Reads the logs that the supervisor writes: frames, raw bytes, lines.
//! The format is described where it is written, in `supervisor::pump`.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

use jiff::Timestamp;
use rustix::fs::OFlags;

use crate::attempt::AttemptDir;
use crate::limits::LINE_BYTES;
use crate::supervisor::{HEADER_BYTES, stream_number};
use crate::{LogLine, Stream};

/// A chunk as it was read from the step.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Frame {
    pub(crate) stream: Stream,
    pub(crate) at: Timestamp,
    pub(crate) bytes: Vec<u8>,
}

/// Frames of one file, from a position on.
struct FrameFile {
    file: File,
    position: u64,
}

impl FrameFile {
    /// The next whole frame; nothing at the end or before the rest of a frame has been written.
    fn next(&mut self) -> io::Result<Option<Frame>> {
        let mut header = [0u8; HEADER_BYTES];
        if !whole(self.file.read_exact_at(&mut header, self.position))? {
            return Ok(None);
        }
        let (len, rest) = header.split_at(4);
        let len = u32::from_le_bytes(len.try_into().unwrap_or_default());
        let time = i64::from_le_bytes(rest[1..].try_into().unwrap_or_default());
        let known = [Stream::Stdout, Stream::Stderr, Stream::Supervisor];
        let stream = known.into_iter().find(|one| stream_number(*one) == rest[0]);
        let (Some(stream), Ok(at)) = (stream, Timestamp::from_microsecond(time)) else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the log is damaged"));
        };
        let mut bytes = vec![0u8; usize::try_from(len).unwrap_or(0).min(1 << 24)];
        if !whole(self.file.read_exact_at(&mut bytes, self.position + HEADER_BYTES as u64))? {
            return Ok(None);
        }
        self.position += HEADER_BYTES as u64 + u64::from(len);
        Ok(Some(Frame { stream, at, bytes }))
    }
}

fn whole(read: io::Result<()>) -> io::Result<bool> {
    match read {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// All frames of a container, in order, with a remark where the middle is missing.
pub(crate) struct Frames {
    name: String,
    head: Option<FrameFile>,
    tail: Option<VecDeque<FrameFile>>,
    last: Option<Timestamp>,
}

impl Frames {
    /// Frames of the log called `name`.
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), head: None, tail: None, last: None }
    }

    /// The next frame that is there now. The end of a log that was cut is read once `ended` is true.
    pub(crate) fn next(&mut self, dir: &AttemptDir, ended: bool) -> io::Result<Option<Frame>> {
        if self.head.is_none() {
            self.head = open(dir, &self.name, 0)?;
        }
        if self.tail.is_none()
            && let Some(head) = &mut self.head
            && let Some(frame) = head.next()?
        {
            self.last = Some(frame.at);
            return Ok(Some(frame));
        }
        if !ended {
            return Ok(None);
        }
        if self.tail.is_none() {
            let (tail, dropped) = (segments(dir, &self.name)?, dropped(dir, &self.name)?);
            self.tail = Some(tail);
            if dropped > 0 {
                let text = format!("[... {dropped} bytes of output were dropped here ...]\n");
                let at = self.last.unwrap_or(Timestamp::UNIX_EPOCH);
                return Ok(Some(Frame { stream: Stream::Supervisor, at, bytes: text.into_bytes() }));
            }
        }
        let Some(tail) = &mut self.tail else { return Ok(None) };
        while let Some(first) = tail.front_mut() {
            match first.next()? {
                Some(frame) => return Ok(Some(frame)),
                None => drop(tail.pop_front()),
            }
        }
        Ok(None)
    }
}

fn open(dir: &AttemptDir, name: &str, position: u64) -> io::Result<Option<FrameFile>> {
    match dir.open_file(name, OFlags::RDONLY) {
        Ok(file) => Ok(Some(FrameFile { file, position })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The segments that keep the end of a log, the older one first.
fn segments(dir: &AttemptDir, name: &str) -> io::Result<VecDeque<FrameFile>> {
    let mut found: Vec<(u64, FrameFile)> = Vec::new();
    for number in 0..2 {
        if let Some(segment) = open(dir, &format!("{name}.{number}"), 8)? {
            let mut counter = [0u8; 8];
            if whole(segment.file.read_exact_at(&mut counter, 0))? {
                found.push((u64::from_le_bytes(counter), segment));
            }
        }
    }
    found.sort_by_key(|(counter, _)| *counter);
    Ok(found.into_iter().map(|(_, segment)| segment).collect())
}

fn dropped(dir: &AttemptDir, name: &str) -> io::Result<u64> {
    let text = dir.read(&format!("{name}.cut"))?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&text).trim().parse().unwrap_or(0))
}

/// The bytes of a finished log, both streams as they came.
pub(crate) struct Raw<'a> {
    dir: &'a AttemptDir,
    frames: Frames,
    left: VecDeque<u8>,
}

impl<'a> Raw<'a> {
    /// The log called `name`; empty when nothing was written.
    pub(crate) fn open(dir: &'a AttemptDir, name: &str) -> Self {
        Self { dir, frames: Frames::new(name), left: VecDeque::new() }
    }
}

impl Read for Raw<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.left.is_empty() {
            match self.frames.next(self.dir, true)? {
                Some(frame) => self.left = frame.bytes.into(),
                None => return Ok(0),
            }
        }
        self.left.read(buffer)
    }
}

/// Cuts frames into lines, each stream on its own.
#[derive(Default)]
pub(crate) struct Lines {
    partial: [Option<(Timestamp, Vec<u8>)>; 3],
}

impl Lines {
    /// The lines that a frame completes.
    pub(crate) fn push(&mut self, frame: &Frame) -> Vec<LogLine> {
        let slot = &mut self.partial[usize::from(stream_number(frame.stream) - 1)];
        let mut lines = Vec::new();
        for piece in frame.bytes.split_inclusive(|byte| *byte == b'\n') {
            let (at, mut bytes) = slot.take().unwrap_or((frame.at, Vec::new()));
            bytes.extend_from_slice(piece);
            while bytes.len() > LINE_BYTES + usize::from(bytes.last() == Some(&b'\n')) {
                let rest = bytes.split_off(LINE_BYTES);
                lines.push(line(frame.stream, at, &bytes));
                bytes = rest;
            }
            if bytes.last() == Some(&b'\n') {
                bytes.pop();
                lines.push(line(frame.stream, at, &bytes));
            } else {
                *slot = Some((at, bytes));
            }
        }
        lines
    }

    /// What was left without a line end.
    pub(crate) fn finish(&mut self) -> Vec<LogLine> {
        let streams = [Stream::Stdout, Stream::Stderr, Stream::Supervisor];
        let mut last: Vec<LogLine> = streams
            .into_iter()
            .filter_map(|stream| {
                let (at, bytes) = self.partial[usize::from(stream_number(stream) - 1)].take()?;
                Some(line(stream, at, &bytes))
            })
            .collect();
        last.sort_by_key(|line| line.at);
        last
    }
}

fn line(stream: Stream, at: Timestamp, bytes: &[u8]) -> LogLine {
    LogLine { at, stream, text: String::from_utf8_lossy(bytes).into_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_joined_across_frames_and_streams_do_not_mix() {
        let frame = |stream, text: &str| Frame { stream, at: Timestamp::UNIX_EPOCH, bytes: text.into() };
        let mut lines = Lines::default();
        assert!(lines.push(&frame(Stream::Stdout, "he")).is_empty());
        assert_eq!(lines.push(&frame(Stream::Stderr, "oops\n"))[0].text, "oops");
        let joined = lines.push(&frame(Stream::Stdout, "llo\nwor"));
        assert_eq!((joined.len(), joined[0].text.as_str()), (1, "hello"));
        assert_eq!(lines.finish()[0].text, "wor");
    }

    #[test]
    fn f48_long_lines_come_in_pieces_wherever_the_chunks_end() {
        for (chunks, pieces) in
            [(vec![60_000, 60_000], 2), (vec![65_536], 1), (vec![65_537], 2), (vec![200_000], 4)]
        {
            let mut lines = Lines::default();
            let mut found = Vec::new();
            for (number, len) in chunks.iter().enumerate() {
                let mut bytes = vec![b'x'; *len];
                if number + 1 == chunks.len() {
                    bytes.push(b'\n');
                }
                found.extend(lines.push(&Frame { stream: Stream::Stdout, at: Timestamp::UNIX_EPOCH, bytes }));
            }
            assert_eq!(found.len(), pieces, "{chunks:?}");
            assert!(found.iter().all(|line| line.text.len() <= LINE_BYTES));
            assert!(lines.finish().is_empty());
        }
    }
}
