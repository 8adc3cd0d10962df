//! The log of a container on disk: framed chunks, the beginning and the end kept, the middle counted (F48).
//! Reading it back is `process::logs`; what is in it is not interpreted.
//!
//! A frame is: length of the chunk (u32), stream (u8), time in microseconds (i64), all little endian, then
//! the bytes. Frames go to `<base>` until it is full, then alternately to `<base>.0` and `<base>.1`, whose
//! first eight bytes are a counter that tells which one is newer. `<base>.cut` holds the bytes dropped.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;

use jiff::Timestamp;
use rustix::fs::{Mode, OFlags};

use crate::Stream;

/// Bytes before the chunk in a frame.
pub(crate) const HEADER_BYTES: usize = 13;

/// The number of a stream in a frame.
pub(crate) fn stream_number(stream: Stream) -> u8 {
    match stream {
        Stream::Stdout => 1,
        Stream::Stderr => 2,
        Stream::Supervisor => 3,
    }
}

/// Name of a container's log file; the n-th container that is not main has a number for a name (V9).
pub(crate) fn log_name(container: &str, position: usize) -> String {
    if container == "main" { "main.log".to_owned() } else { format!("c{position}.log") }
}

/// Writes one log. Never fails: what cannot be written is counted as dropped, the step goes on.
pub(super) struct LogWriter {
    dir: OwnedFd,
    name: String,
    head_bytes: u64,
    segment_bytes: u64,
    head: Option<File>,
    head_len: u64,
    tail: Option<Segment>,
    /// Chunk bytes in the segment that is not being written.
    previous_payload: u64,
    dropped: u64,
}

struct Segment {
    file: File,
    number: u64,
    len: u64,
    payload: u64,
}

impl LogWriter {
    /// A log in `dir`. No file is made before there is something to write.
    pub(super) fn new(dir: OwnedFd, name: String, head_bytes: u64, segment_bytes: u64) -> Self {
        Self {
            dir,
            name,
            head_bytes,
            segment_bytes,
            head: None,
            head_len: 0,
            tail: None,
            previous_payload: 0,
            dropped: 0,
        }
    }

    /// Appends a chunk.
    pub(super) fn write(&mut self, stream: Stream, at: Timestamp, chunk: &[u8]) {
        let mut frame = Vec::with_capacity(HEADER_BYTES + chunk.len());
        frame.extend_from_slice(&u32::try_from(chunk.len()).unwrap_or(u32::MAX).to_le_bytes());
        frame.push(stream_number(stream));
        frame.extend_from_slice(&at.as_microsecond().to_le_bytes());
        frame.extend_from_slice(chunk);
        if self.append(&frame, chunk.len() as u64).is_err() {
            self.dropped += chunk.len() as u64;
        }
    }

    fn append(&mut self, frame: &[u8], payload: u64) -> io::Result<()> {
        let len = frame.len() as u64;
        if self.tail.is_none() && self.head_len + len <= self.head_bytes {
            if self.head.is_none() {
                self.head = Some(self.create(&self.name)?);
            }
            if let Some(file) = &mut self.head {
                file.write_all(frame)?;
                self.head_len += len;
            }
            return Ok(());
        }
        if self.tail.as_ref().is_none_or(|segment| segment.len + len > self.segment_bytes) {
            self.next_segment()?;
        }
        if let Some(segment) = &mut self.tail {
            segment.file.write_all(frame)?;
            segment.len += len;
            segment.payload += payload;
        }
        Ok(())
    }

    fn next_segment(&mut self) -> io::Result<()> {
        let number = self.tail.as_ref().map_or(0, |segment| segment.number + 1);
        let mut file = self.create(&format!("{}.{}", self.name, number % 2))?;
        self.dropped += std::mem::take(&mut self.previous_payload);
        self.previous_payload = self.tail.as_ref().map_or(0, |segment| segment.payload);
        file.write_all(&number.to_le_bytes())?;
        self.tail = Some(Segment { file, number, len: 8, payload: 0 });
        Ok(())
    }

    fn create(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(File::from(rustix::fs::openat(&self.dir, name, flags, Mode::RUSR | Mode::WUSR)?))
    }

    /// Leaves the count of what is missing beside the log.
    pub(super) fn finish(&mut self) {
        if self.dropped > 0
            && let Ok(mut file) = self.create(&format!("{}.cut", self.name))
        {
            // Without the file the readers show the gap without its size.
            let _ = write!(file, "{}", self.dropped);
        }
    }
}

/// Keeps the last bytes of a stream.
pub(super) struct LastBytes {
    bytes: Vec<u8>,
    keep: usize,
}

impl LastBytes {
    /// Keeps the last `keep` bytes.
    pub(super) fn new(keep: usize) -> Self {
        Self { bytes: Vec::new(), keep }
    }

    /// Appends a chunk.
    pub(super) fn push(&mut self, chunk: &[u8]) {
        self.bytes.extend_from_slice(chunk);
        if self.bytes.len() > 2 * self.keep {
            self.bytes.drain(..self.bytes.len() - self.keep);
        }
    }

    /// The text, without one final line end, as Argo's `outputs.result`.
    pub(super) fn text(mut self) -> String {
        if self.bytes.len() > self.keep {
            self.bytes.drain(..self.bytes.len() - self.keep);
        }
        if self.bytes.last() == Some(&b'\n') {
            self.bytes.pop();
        }
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}
