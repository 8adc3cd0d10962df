//! Text from elsewhere made safe for a terminal, and its width.
//! Does not decide what to show.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Makes a line of step output safe for a terminal (V12): control sequences go, except colours when
/// `keep_color`; a carriage return is shown, since what it overwrites must not be hidden; direction marks and
/// other control characters are shown as escapes.
pub fn clean(line: &str, keep_color: bool) -> String {
    let mut out = String::with_capacity(line.len());
    let mut colored = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => match escape(&mut chars) {
                Some(sgr) if keep_color => {
                    colored = true;
                    out.push_str("\u{1b}[");
                    out.push_str(&sgr);
                    out.push('m');
                }
                Some(_) | None => {}
            },
            '\u{9b}' => {
                let _ = csi(&mut chars);
            }
            '\t' => out.push('\t'),
            '\r' if chars.peek().is_none() => {}
            '\r' => out.push('␍'),
            '\n' => out.push(' '),
            c if c.is_control() || is_direction_mark(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    if colored {
        out.push_str("\u{1b}[0m");
    }
    out
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// Reads the rest of an escape sequence; answers the parameters when it sets colours.
fn escape(chars: &mut Chars<'_>) -> Option<String> {
    match chars.peek().copied() {
        Some('[') => {
            chars.next();
            csi(chars)
        }
        // strings: operating system command, device control, application, privacy message
        Some(']' | 'P' | 'X' | '^' | '_') => {
            chars.next();
            while let Some(c) = chars.next() {
                if c == '\u{7}' || c == '\u{9c}' {
                    break;
                }
                if c == '\u{1b}' {
                    if chars.peek() == Some(&'\\') {
                        chars.next();
                    }
                    break;
                }
            }
            None
        }
        Some('\u{20}'..='\u{2f}') => {
            while chars.next_if(|c| ('\u{20}'..='\u{2f}').contains(c)).is_some() {}
            chars.next();
            None
        }
        Some('\u{30}'..='\u{7e}') => {
            chars.next();
            None
        }
        Some(_) | None => None,
    }
}

/// Reads a control sequence; answers the parameters when it is a plain `…m`.
fn csi(chars: &mut Chars<'_>) -> Option<String> {
    let mut parameters = String::new();
    while let Some(c) = chars.next_if(|c| ('\u{20}'..='\u{3f}').contains(c)) {
        parameters.push(c);
    }
    let last = chars.next_if(|c| ('\u{40}'..='\u{7e}').contains(c))?;
    let plain = parameters.chars().all(|c| c.is_ascii_digit() || c == ';' || c == ':');
    (last == 'm' && plain).then_some(parameters)
}

fn is_direction_mark(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}')
}

/// One line of plain text: [`clean`] without colours, tabs as blanks.
pub fn plain(text: &str) -> String {
    clean(text, false).replace('\t', " ")
}

/// Columns the text takes; it must not hold control sequences.
pub fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// The text cut to so many columns, with `…` where something is missing.
pub fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 0;
    for c in text.chars() {
        let wide = c.width().unwrap_or(0);
        if used + wide + 1 > columns {
            break;
        }
        used += wide;
        out.push(c);
    }
    if columns > 0 {
        out.push('…');
    }
    out
}

/// The text with blanks up to so many columns.
pub fn pad(text: &str, columns: usize) -> String {
    let mut out = text.to_owned();
    out.extend(std::iter::repeat_n(' ', columns.saturating_sub(width(text))));
    out
}
