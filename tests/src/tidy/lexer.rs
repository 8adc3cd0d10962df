//! Blanks comments, strings and characters out of Rust source, keeping every line where it is.
//! Is not a parser: what is left is good enough to count braces and to look for words.

/// What is left of the source when comments (and, with `strings`, literals) are blanked.
pub fn code(source: &str) -> String {
    let bytes: Vec<char> = source.chars().collect();
    let mut out = String::with_capacity(source.len());
    let mut at = 0;
    while at < bytes.len() {
        let end = skip(&bytes, at);
        if end == at {
            out.push(bytes[at]);
            at += 1;
            continue;
        }
        for &char in &bytes[at..end] {
            out.push(if char == '\n' { '\n' } else { ' ' });
        }
        at = end;
    }
    out
}

/// End of the comment or literal that starts here; `at` itself if none does.
fn skip(text: &[char], at: usize) -> usize {
    let next = text.get(at + 1).copied();
    match text[at] {
        '/' if next == Some('/') => line_end(text, at),
        '/' if next == Some('*') => block_end(text, at),
        '"' => string_end(text, at + 1),
        'r' | 'b' | 'c' if !word_before(text, at) => prefixed_end(text, at),
        '\'' => char_end(text, at),
        _ => at,
    }
}

fn word_before(text: &[char], at: usize) -> bool {
    at > 0 && (text[at - 1].is_alphanumeric() || text[at - 1] == '_')
}

fn line_end(text: &[char], at: usize) -> usize {
    (at..text.len()).find(|&i| text[i] == '\n').unwrap_or(text.len())
}

fn block_end(text: &[char], at: usize) -> usize {
    let mut depth = 0_usize;
    let mut i = at;
    while i + 1 < text.len() {
        match (text[i], text[i + 1]) {
            ('/', '*') => {
                depth += 1;
                i += 2;
            }
            ('*', '/') => {
                depth -= 1;
                i += 2;
                if depth == 0 {
                    return i;
                }
            }
            _ => i += 1,
        }
    }
    text.len()
}

fn string_end(text: &[char], mut i: usize) -> usize {
    while i < text.len() {
        match text[i] {
            '\\' => i += 2,
            '"' => return i + 1,
            _ => i += 1,
        }
    }
    text.len()
}

/// `r"…"`, `r#"…"#`, `b"…"`, `b'…'`, `br"…"`, `c"…"`.
fn prefixed_end(text: &[char], at: usize) -> usize {
    let mut i = at;
    let mut raw = false;
    while i < text.len() && matches!(text[i], 'r' | 'b' | 'c') && i < at + 2 {
        raw |= text[i] == 'r';
        i += 1;
    }
    if !raw {
        return match text.get(i) {
            Some('"') => string_end(text, i + 1),
            Some('\'') if text[at] == 'b' => char_end(text, i),
            _ => at,
        };
    }
    let hashes = text[i..].iter().take_while(|&&char| char == '#').count();
    if text.get(i + hashes) != Some(&'"') {
        return at;
    }
    let mut end = i + hashes + 1;
    while end < text.len() {
        let closes =
            text[end] == '"' && text[end + 1..].iter().take_while(|&&char| char == '#').count() >= hashes;
        if closes {
            return end + 1 + hashes;
        }
        end += 1;
    }
    text.len()
}

/// A character literal, or nothing for a lifetime.
fn char_end(text: &[char], at: usize) -> usize {
    match text.get(at + 1) {
        Some('\\') => {
            let close = (at + 3..text.len().min(at + 14)).find(|&i| text[i] == '\'');
            close.map_or(at, |i| i + 1)
        }
        Some(_) if text.get(at + 2) == Some(&'\'') => at + 3,
        _ => at,
    }
}

#[cfg(test)]
mod tests {
    use super::code;

    #[test]
    fn literals_and_comments_are_blank_and_lines_stay() {
        let source = "a { // {\n \"}\\\"{\" r#\"{\"}\"# '{' b'}' '\\'' <'a> /* { /* } */ } */ b\n}";
        let left = code(source);
        assert_eq!(left.lines().count(), source.lines().count());
        let words: Vec<&str> = left.split_whitespace().collect();
        assert_eq!(words, ["a", "{", "<'a>", "b", "}"]);
    }
}
