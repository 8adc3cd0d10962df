//! Where what arrived of a container's output ends in what the engine kept of it, so that the rest can be appended.
//! Reads nothing itself.
//!
//! An engine may close what we are attached to early, and it keeps only so much of an output: its beginning may be
//! gone. Nothing that arrived is thrown away, therefore, and nothing is taken twice: a piece that was kept is new when
//! it is younger than the last that arrived, or stands behind the last place where the last words that arrived do.

use std::collections::VecDeque;

use jiff::Timestamp;
use runner_runners::Stream;

/// Bytes of one output that are held back at most until it is known whether they are new.
const HELD_BYTES: usize = 8 << 20;

/// Stands where nobody knows what is missing.
const GAP: &str = "[... an unknown number of bytes of output were dropped here ...]\n";

/// A piece of output.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Piece {
    pub(super) stream: Stream,
    pub(super) at: Timestamp,
    pub(super) bytes: Vec<u8>,
}

/// Tells which kept pieces are new.
pub(super) struct Rejoin {
    out: Search,
    err: Search,
    /// When the last piece arrived: what is younger is new.
    until: Timestamp,
    /// Counts the pieces, for their order.
    pieces: u64,
    released: bool,
    /// The piece before the next, where the last of all may be torn.
    torn: Option<Option<Piece>>,
}

/// The search in one output.
#[derive(Default)]
struct Search {
    /// The last that arrived.
    words: Vec<u8>,
    /// The end of what was read.
    seen: Vec<u8>,
    found: bool,
    held: VecDeque<(u64, Piece)>,
    held_bytes: usize,
    dropped: bool,
}

impl Search {
    /// Holds what may be new of a piece, and nothing before.
    fn take(&mut self, number: u64, mut piece: Piece) {
        let before = self.seen.len();
        self.seen.extend_from_slice(&piece.bytes);
        let ends = (before + 1..=self.seen.len()).rev();
        if !self.words.is_empty()
            && let Some(end) = ends.into_iter().find(|end| self.seen[..*end].ends_with(&self.words))
        {
            self.found = true;
            self.dropped = false;
            self.held.clear();
            self.held_bytes = 0;
            piece.bytes.drain(..end - before);
        }
        self.seen.drain(..self.seen.len().saturating_sub(self.words.len()));
        if !piece.bytes.is_empty() {
            self.held_bytes += piece.bytes.len();
            self.held.push_back((number, piece));
        }
        while self.held_bytes > HELD_BYTES {
            self.held_bytes -= self.held.pop_front().map_or(0, |(_, piece)| piece.bytes.len());
            self.dropped = true;
        }
    }
}

impl Rejoin {
    /// `out` and `err` are the last words that arrived of the outputs, `until` when the last of them did.
    pub(super) fn new(out: &[u8], err: &[u8], until: Timestamp) -> Self {
        let search = |words: &[u8]| Search { words: words.to_vec(), ..Search::default() };
        Self { out: search(out), err: search(err), until, pieces: 0, released: false, torn: None }
    }

    /// The same of a log that is being written: its last piece may be half of one and is never new.
    pub(super) fn growing(self) -> Self {
        Self { torn: Some(None), ..self }
    }

    /// Takes the next piece that was kept; gives what is certainly new, in order.
    pub(super) fn take(&mut self, piece: Piece) -> Vec<Piece> {
        let piece = match &mut self.torn {
            None => piece,
            Some(last) => match last.replace(piece) {
                None => return Vec::new(),
                Some(piece) => piece,
            },
        };
        if self.released {
            return vec![piece];
        }
        if piece.at > self.until {
            let mut new = self.release();
            new.push(piece);
            return new;
        }
        self.pieces += 1;
        let search = if piece.stream == Stream::Stderr { &mut self.err } else { &mut self.out };
        search.take(self.pieces, piece);
        Vec::new()
    }

    /// There are no more pieces up to the last that arrived: what is held is new.
    pub(super) fn release(&mut self) -> Vec<Piece> {
        if std::mem::replace(&mut self.released, true) {
            return Vec::new();
        }
        let searches = [&mut self.out, &mut self.err];
        let nothing_arrived = searches.iter().all(|search| search.words.is_empty());
        // The outputs share one order: one of them found is enough to know the place.
        let known = nothing_arrived || searches.iter().any(|search| search.found);
        let gap = !known || searches.iter().any(|search| search.dropped);
        let mut held: Vec<(u64, Piece)> =
            searches.into_iter().flat_map(|search| search.held.drain(..)).collect();
        held.sort_by_key(|(number, _)| *number);
        let gap = gap.then(|| Piece { stream: Stream::Supervisor, at: self.until, bytes: GAP.into() });
        gap.into_iter().chain(held.into_iter().map(|(_, piece)| piece)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap_or_default()
    }

    fn piece(second: i64, text: &str) -> Piece {
        Piece { stream: Stream::Stdout, at: at(second), bytes: text.into() }
    }

    /// What is new of these pieces, as one text.
    fn new(rejoin: &mut Rejoin, pieces: &[(i64, &str)]) -> String {
        let mut all: Vec<Piece> =
            pieces.iter().flat_map(|(second, text)| rejoin.take(piece(*second, text))).collect();
        all.extend(rejoin.release());
        all.iter().map(|piece| String::from_utf8_lossy(&piece.bytes)).collect()
    }

    #[test]
    fn what_follows_the_last_words_is_new() {
        let kept = [(1, "one\n"), (2, "two\n"), (3, "three\n")];
        assert_eq!(new(&mut Rejoin::new(b"one\ntwo\n", b"", at(3)), &kept), "three\n");
        // In the middle of a piece, and in the middle of a line.
        assert_eq!(new(&mut Rejoin::new(b"one\ntw", b"", at(3)), &kept), "o\nthree\n");
        assert_eq!(new(&mut Rejoin::new(b"three\n", b"", at(3)), &kept), "");
        assert_eq!(new(&mut Rejoin::new(b"", b"", at(0)), &kept), "one\ntwo\nthree\n");
    }

    #[test]
    fn what_repeats_itself_later_is_new_all_the_same() {
        let kept = [(1, "tick\n"), (2, "tick\n"), (3, "tick\n"), (4, "tick\n")];
        assert_eq!(new(&mut Rejoin::new(b"tick\n", b"", at(2)), &kept), "tick\ntick\n");
    }

    #[test]
    fn f48_where_the_engine_kept_only_later_output_there_is_a_gap() {
        let text = new(&mut Rejoin::new(b"one\n", b"", at(1)), &[(5, "five\n"), (6, "six\n")]);
        assert_eq!(text, format!("{GAP}five\nsix\n"));
        let text = new(&mut Rejoin::new(b"one\n", b"", at(5)), &[(5, "five\n")]);
        assert_eq!(text, format!("{GAP}five\n"));
    }

    #[test]
    fn outputs_are_searched_each_on_its_own_and_keep_their_order() {
        let mut rejoin = Rejoin::new(b"out1\n", b"err1\n", at(9));
        let error = |second, text: &str| Piece { stream: Stream::Stderr, ..piece(second, text) };
        let kept = [
            error(1, "err1\n"),
            piece(2, "out1\n"),
            piece(3, "out2\n"),
            error(4, "err2\n"),
            piece(5, "out3\n"),
        ];
        assert!(kept.iter().all(|piece| rejoin.take(piece.clone()).is_empty()));
        assert_eq!(rejoin.release(), kept[2..]);
        assert_eq!(rejoin.take(piece(1, "more\n")), [piece(1, "more\n")]);
        assert!(rejoin.release().is_empty());
    }

    #[test]
    fn the_last_piece_of_a_log_that_grows_waits_for_the_next() {
        let mut rejoin = Rejoin::new(b"one\n", b"", at(1)).growing();
        for kept in [piece(1, "one\n"), piece(2, "two\n")] {
            assert!(rejoin.take(kept).is_empty());
        }
        assert_eq!(rejoin.take(piece(3, "thr")), [piece(2, "two\n")]);
    }

    #[test]
    fn f48_little_is_held() {
        let mut rejoin = Rejoin::new(b"gone\n", b"", at(9));
        let line = "x".repeat(1 << 20);
        for _ in 0..20 {
            assert!(rejoin.take(piece(1, &line)).is_empty());
        }
        assert_eq!(rejoin.release().len(), 1 + 8);
    }
}
