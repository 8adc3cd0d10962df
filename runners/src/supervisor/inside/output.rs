//! What a supervisor in a pod writes into its container's log: masked output of the command, then its outputs.
//! Starts nothing.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::Stream;
use crate::artifacts::pack_tar;
use crate::beneath::{Beneath, Links};
use crate::frames::{self, COUNT_BYTES, OUTPUT_BYTES, PIECE_BYTES, Record, Sent, Wanted};
use crate::limits::PARAMETER_BYTES;
use crate::mask::{self, Masks};

/// The log of the container.
pub(super) struct Log {
    masks: Masks,
    inner: Mutex<Inner>,
}

struct Inner {
    out: Option<File>,
    halves: [Half; 2],
    /// Bytes of output that were sent, and of how many that was told.
    size_bytes: u64,
    told_bytes: u64,
}

/// One stream of the command.
#[derive(Default)]
struct Half {
    held: mask::Stream,
    line: Vec<u8>,
}

impl Log {
    /// The log of this process.
    pub(super) fn new(masks: Masks) -> Self {
        // Not the standard library's: it would keep a line back until it is whole.
        let out = io::stdout().as_fd().try_clone_to_owned().ok().map(File::from);
        Self {
            masks,
            inner: Mutex::new(Inner { out, halves: Default::default(), size_bytes: 0, told_bytes: 0 }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes on what the command wrote.
    pub(super) fn push(&self, stream: Stream, chunk: &[u8]) {
        let mut inner = self.lock();
        let half = &mut inner.halves[usize::from(stream == Stream::Stderr)];
        let chunk = half.held.push(&self.masks, chunk).into_owned();
        let mut lines = Vec::new();
        inner.size_bytes += half.add(stream, &chunk, &mut lines);
        inner.count(&mut lines);
        inner.write(&lines);
    }

    /// The stream has ended.
    pub(super) fn end(&self, stream: Stream) {
        let mut inner = self.lock();
        let half = &mut inner.halves[usize::from(stream == Stream::Stderr)];
        let rest = half.held.finish(&self.masks);
        let mut lines = Vec::new();
        let mut sent = half.add(stream, &rest, &mut lines);
        if !half.line.is_empty() {
            sent += half.line.len() as u64;
            frames::output(stream, &std::mem::take(&mut half.line), false, &mut lines);
        }
        inner.size_bytes += sent;
        inner.write(&lines);
    }

    /// A remark of the supervisor's own.
    pub(super) fn say(&self, text: &str) {
        let mut lines = Vec::new();
        frames::output(Stream::Supervisor, self.masks.text(text).as_bytes(), true, &mut lines);
        self.write(&lines);
    }

    /// Lines as they are.
    pub(super) fn write(&self, lines: &[u8]) {
        self.lock().write(lines);
    }

    /// Sends the outputs, and notes what was sent.
    pub(super) fn send(&self, wanted: &[Wanted], record: &mut Record) {
        record.output_bytes = self.lock().size_bytes;
        let mut left = OUTPUT_BYTES;
        for (index, wanted) in wanted.iter().enumerate() {
            let mut packed = Capped { bytes: Vec::new(), left };
            let outcome = self.pack(wanted, &mut packed);
            record.sent.push(match outcome {
                Ok(true) => {
                    let mut lines = Vec::new();
                    frames::file(index, &packed.bytes, &mut lines);
                    self.write(&lines);
                    left = packed.left;
                    Sent::Bytes(packed.bytes.len() as u64)
                }
                Ok(false) => Sent::Missing,
                Err(why) if packed.left == 0 => {
                    let most = OUTPUT_BYTES >> 20;
                    Sent::Failed(format!(
                        "outputs of a pod may have {most} MiB in all when packed ({why}); write bigger ones to a \
                         store or a volume from within the step"
                    ))
                }
                Err(why) => Sent::Failed(why),
            });
        }
    }

    /// Packs a path; false when nothing is there.
    fn pack(&self, wanted: &Wanted, into: &mut Capped) -> Result<bool, String> {
        let root = Beneath::open(Path::new("/"), Links::InRoot).map_err(|error| error.to_string())?;
        let path = Path::new(&wanted.path);
        match root.file_type(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error.to_string()),
            Ok(_) => {}
        }
        if !wanted.mask || self.masks.is_empty() {
            return pack_tar(&root, path, 6, into).map(|()| true).map_err(|error| error.to_string());
        }
        let packed = root.open_regular(path).and_then(|(file, _)| {
            let mut bytes = Vec::new();
            // One more than may be: whoever judges its size sees that it is too big.
            file.take(PARAMETER_BYTES + 1).read_to_end(&mut bytes)?;
            let mut held = mask::Stream::default();
            let mut clean = held.push(&self.masks, &bytes).into_owned();
            clean.extend(held.finish(&self.masks));
            pack_text(&clean, into)
        });
        packed.map(|()| true).map_err(|error| error.to_string())
    }
}

impl Inner {
    /// Tells how much output there was, once it is much more than before.
    fn count(&mut self, lines: &mut Vec<u8>) {
        if self.size_bytes - self.told_bytes >= COUNT_BYTES {
            self.told_bytes = self.size_bytes;
            frames::count(self.size_bytes, lines);
        }
    }

    fn write(&mut self, lines: &[u8]) {
        if lines.is_empty() {
            return;
        }
        if let Some(out) = &mut self.out
            && out.write_all(lines).is_err()
        {
            // Nobody reads the log any more: the step goes on all the same.
            self.out = None;
        }
    }
}

impl Half {
    /// Makes lines of it; answers how many bytes of output are in them.
    fn add(&mut self, stream: Stream, mut chunk: &[u8], lines: &mut Vec<u8>) -> u64 {
        let mut sent = 0;
        while let Some(end) = chunk.iter().position(|byte| *byte == b'\n') {
            self.line.extend_from_slice(&chunk[..end]);
            chunk = &chunk[end + 1..];
            sent += self.cut(stream, lines) + self.line.len() as u64 + 1;
            frames::output(stream, &std::mem::take(&mut self.line), true, lines);
        }
        self.line.extend_from_slice(chunk);
        sent + self.cut(stream, lines)
    }

    /// Long lines go in pieces.
    fn cut(&mut self, stream: Stream, lines: &mut Vec<u8>) -> u64 {
        let mut sent = 0;
        while self.line.len() > PIECE_BYTES {
            let rest = self.line.split_off(PIECE_BYTES);
            frames::output(stream, &std::mem::replace(&mut self.line, rest), false, lines);
            sent += PIECE_BYTES as u64;
        }
        sent
    }
}

/// An archive of one file that is in memory.
fn pack_text(text: &[u8], into: &mut Capped) -> io::Result<()> {
    let mut builder = tar::Builder::new(GzEncoder::new(into, Compression::new(6)));
    let mut header = tar::Header::new_gnu();
    header.set_size(text.len() as u64);
    header.set_mode(0o644);
    builder.append_data(&mut header, "text", text)?;
    builder.into_inner()?.finish()?;
    Ok(())
}

/// Takes bytes up to a limit.
struct Capped {
    bytes: Vec<u8>,
    left: u64,
}

impl Write for Capped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.left.checked_sub(bytes.len() as u64) {
            Some(left) => self.left = left,
            None => {
                self.left = 0;
                return Err(io::Error::new(io::ErrorKind::StorageFull, "there is too much"));
            }
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
