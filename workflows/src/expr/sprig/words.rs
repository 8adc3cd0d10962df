//! sprig's functions on words: case styles, titles, wrapping, abbreviating.
//! Basic string functions are in `strings.rs`.

use crate::expr::builtins::{Call, Entry};
use crate::expr::error::ExprError;
use crate::expr::val::Val;

pub(super) const FUNCTIONS: &[Entry] = &[
    ("title", 1, 1, |c| {
        let s = c.str(0)?;
        c.text(first_letters(&s, |ch| ch.to_uppercase().collect()))
    }),
    ("untitle", 1, 1, |c| {
        let s = c.str(0)?;
        c.text(first_letters(&s, |ch| ch.to_lowercase().collect()))
    }),
    ("swapcase", 1, 1, |c| {
        let s = c.str(0)?;
        let swapped: String = s
            .chars()
            .flat_map(|ch| -> Vec<char> {
                if ch.is_uppercase() { ch.to_lowercase().collect() } else { ch.to_uppercase().collect() }
            })
            .collect();
        c.text(swapped)
    }),
    ("initials", 1, 1, |c| {
        let s = c.str(0)?;
        c.text(s.split_whitespace().filter_map(|w| w.chars().next()).collect::<String>())
    }),
    ("snakecase", 1, 1, |c| {
        let s = c.str(0)?;
        c.text(parts(&s).join("_").to_lowercase())
    }),
    ("kebabcase", 1, 1, |c| {
        let s = c.str(0)?;
        c.text(parts(&s).join("-").to_lowercase())
    }),
    ("camelcase", 1, 1, |c| {
        let s = c.str(0)?;
        let joined: String = s
            .split(['_', '-', ' ', '.'])
            .map(|w| first_letters(w, |ch| ch.to_uppercase().collect()))
            .collect();
        c.text(joined)
    }),
    ("wrap", 2, 2, |c| {
        let (n, s) = (c.int(0)?, c.str(1)?);
        wrap(c, n, "\n", &s)
    }),
    ("wrapWith", 3, 3, |c| {
        let (n, sep, s) = (c.int(0)?, c.str(1)?, c.str(2)?);
        wrap(c, n, &sep, &s)
    }),
    ("abbrev", 2, 2, |c| {
        let (width, s) = (c.int(0)?, c.str(1)?);
        c.text(abbreviate(&s, 0, width))
    }),
    ("abbrevboth", 3, 3, |c| {
        let (left, right, s) = (c.int(0)?, c.int(1)?, c.str(2)?);
        c.text(abbreviate(&s, left, right))
    }),
];

/// Changes the first letter of each word.
fn first_letters(s: &str, change: fn(char) -> String) -> String {
    let mut out = String::with_capacity(s.len());
    let mut start = true;
    for ch in s.chars() {
        if start && ch.is_alphabetic() {
            out.push_str(&change(ch));
        } else {
            out.push(ch);
        }
        start = ch.is_whitespace();
    }
    out
}

/// The words of an identifier in any style: `HTTPServer_name` is HTTP, Server, name.
fn parts(s: &str) -> Vec<String> {
    let chars: Vec<char> = s.chars().collect();
    let mut out = Vec::new();
    let mut word = String::new();
    for (i, ch) in chars.iter().enumerate() {
        if matches!(ch, '_' | '-' | ' ' | '.') {
            if !word.is_empty() {
                out.push(std::mem::take(&mut word));
            }
            continue;
        }
        let before = if i == 0 { None } else { chars.get(i - 1) };
        let after = chars.get(i + 1);
        let humps = ch.is_uppercase()
            && (before.is_some_and(|b| b.is_lowercase() || b.is_ascii_digit())
                || (before.is_some_and(|b| b.is_uppercase()) && after.is_some_and(|a| a.is_lowercase())));
        if humps && !word.is_empty() {
            out.push(std::mem::take(&mut word));
        }
        word.push(*ch);
    }
    if !word.is_empty() {
        out.push(word);
    }
    out
}

/// Breaks lines at spaces; longer words stay whole.
fn wrap(c: &mut Call<'_, '_>, width: i64, sep: &str, s: &str) -> Result<Val, ExprError> {
    let width = usize::try_from(width.max(1)).unwrap_or(1);
    c.fuel().alloc((s.matches(' ').count() as u64).saturating_mul(sep.len() as u64))?;
    let mut out = String::with_capacity(s.len());
    let mut line = 0usize;
    for (i, word) in s.split(' ').enumerate() {
        let length = word.chars().count();
        if i > 0 {
            if line + 1 + length > width && line > 0 {
                out.push_str(sep);
                line = 0;
            } else {
                out.push(' ');
                line += 1;
            }
        }
        out.push_str(word);
        line += length;
    }
    c.text(out)
}

/// Cut to `width` characters with `...`; `offset` cuts at the left as well.
fn abbreviate(s: &str, offset: i64, width: i64) -> String {
    let chars: Vec<char> = s.chars().collect();
    let width = usize::try_from(width.max(0)).unwrap_or(0);
    let mut offset = usize::try_from(offset.max(0)).unwrap_or(0);
    if width < 4 || (offset > 0 && width < 7) || chars.len() <= width {
        return s.to_owned();
    }
    offset = offset.min(chars.len());
    if chars.len() - offset < width - 3 {
        offset = chars.len() - (width - 3);
    }
    let text = |from: usize, to: usize| chars.get(from..to).unwrap_or_default().iter().collect::<String>();
    if offset <= 4 {
        return format!("{}...", text(0, width - 3));
    }
    if offset + width - 3 < chars.len() {
        let inner: String = text(offset, chars.len());
        return format!("...{}", abbreviate(&inner, 0, i64::try_from(width - 3).unwrap_or(0)));
    }
    format!("...{}", text(chars.len() - (width - 3), chars.len()))
}
