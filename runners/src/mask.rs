//! Replaces secret values by `***` in what a step writes, also in their usual encodings (V33).
//! Does not know where the values come from, nor where the text goes.
//!
//! A value is found as it is, without its final line end, line by line, JSON-escaped, percent-encoded, in hex, and
//! in base64 at each of the three places it can have in a longer text, wrapped or not. Text arrives in pieces:
//! what may be the beginning of a value is held back until the next piece tells.

mod forms;

use std::borrow::Cow;

use crate::SecretValue;
use forms::Form;

/// What stands where a value was.
pub(crate) const MASK: &str = "***";
/// Shorter values are not masked: they would be found everywhere, and are no secrets.
pub(crate) const SHORTEST_BYTES: usize = 4;

/// The values of one attempt in every form in which they are looked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Masks {
    forms: Vec<Form>,
    /// Numbers of the forms that begin with a byte.
    by_first: Vec<Vec<usize>>,
}

/// What the text at a place is.
enum Found {
    /// No value begins here.
    Nothing,
    /// Values, up to this place.
    Until(usize),
    /// The text may be the beginning of a value.
    Unknown,
}

impl Masks {
    /// Looks for these values.
    pub(crate) fn new<'a>(values: impl IntoIterator<Item = &'a SecretValue>) -> Self {
        let mut forms: Vec<Form> = values.into_iter().flat_map(|value| forms::of(value.expose())).collect();
        forms.sort();
        forms.dedup();
        let mut by_first = vec![Vec::new(); if forms.is_empty() { 0 } else { 256 }];
        for (number, form) in forms.iter().enumerate() {
            by_first[usize::from(form.first())].push(number);
        }
        Self { forms, by_first }
    }

    /// Whether there is nothing to look for.
    pub(crate) fn is_empty(&self) -> bool {
        self.forms.is_empty()
    }

    /// A whole text without the values.
    pub(crate) fn text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut out = Vec::with_capacity(text.len());
        self.replace(text.as_bytes(), true, &mut out);
        // only whole forms go, and forms of text begin and end between characters; the rest is made so
        Cow::Owned(String::from_utf8_lossy(&out).into_owned())
    }

    /// Copies what is decided; answers how many bytes of `text` that was.
    fn replace(&self, text: &[u8], last: bool, out: &mut Vec<u8>) -> usize {
        let (mut at, mut copied) = (0, 0);
        while let Some(&byte) = text.get(at) {
            if self.by_first[usize::from(byte)].is_empty() {
                at += 1;
                continue;
            }
            match self.look(text, at) {
                Found::Nothing => at += 1,
                Found::Until(end) => {
                    out.extend_from_slice(&text[copied..at]);
                    out.extend_from_slice(MASK.as_bytes());
                    (at, copied) = (end, end);
                }
                Found::Unknown if last => {
                    // cut off inside of a value: the part is masked like the whole
                    let rest = text.len() - at;
                    out.extend_from_slice(&text[copied..at]);
                    if rest >= SHORTEST_BYTES {
                        out.extend_from_slice(MASK.as_bytes());
                        return text.len();
                    }
                    let end = self.known(text, at).unwrap_or(at + 1);
                    out.extend_from_slice(if end > at + 1 { MASK.as_bytes() } else { &text[at..end] });
                    (at, copied) = (end, end);
                }
                Found::Unknown => break,
            }
        }
        out.extend_from_slice(&text[copied..at]);
        at
    }

    /// Values that begin at a place, and those that begin inside of these, as one.
    fn look(&self, text: &[u8], at: usize) -> Found {
        let (mut end, mut place) = (at, at);
        while place == at || place < end {
            for &number in &self.by_first[usize::from(text[place])] {
                match self.forms[number].meets(&text[place..]) {
                    forms::Meets::No => {}
                    forms::Meets::Whole(length) => end = end.max(place + length),
                    forms::Meets::Part => return Found::Unknown,
                }
            }
            place += 1;
        }
        if end == at { Found::Nothing } else { Found::Until(end) }
    }

    /// The end of the longest whole value that begins at a place.
    fn known(&self, text: &[u8], at: usize) -> Option<usize> {
        let forms = self.by_first[usize::from(text[at])].iter().map(|&number| &self.forms[number]);
        let wholes = forms.filter_map(|form| match form.meets(&text[at..]) {
            forms::Meets::Whole(length) => Some(at + length),
            forms::Meets::No | forms::Meets::Part => None,
        });
        wholes.max()
    }
}

/// Masks one stream that arrives in pieces.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    held: Vec<u8>,
}

impl Stream {
    /// What of the text so far can be passed on.
    pub(crate) fn push<'c>(&mut self, masks: &Masks, chunk: &'c [u8]) -> Cow<'c, [u8]> {
        if masks.is_empty() {
            return Cow::Borrowed(chunk);
        }
        self.held.extend_from_slice(chunk);
        let mut out = Vec::with_capacity(self.held.len());
        let decided = masks.replace(&self.held, false, &mut out);
        self.held.drain(..decided);
        Cow::Owned(out)
    }

    /// What was held back, at the end of the stream.
    pub(crate) fn finish(&mut self, masks: &Masks) -> Vec<u8> {
        let held = std::mem::take(&mut self.held);
        let mut out = Vec::new();
        if !held.is_empty() {
            masks.replace(&held, true, &mut out);
        }
        out
    }
}

#[cfg(test)]
mod tests;
