//! The words of a jq filter.
//! Does not build trees: texts with interpolations keep the source of these.

/// A word.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A name or keyword.
    Word(String),
    /// `.name`
    Field(String),
    /// `$name`
    Var(String),
    /// `@name`
    Format(String),
    Int(i64),
    Float(f64),
    /// A text: literal parts, and the sources of interpolations.
    Text(Vec<Piece>),
    Op(&'static str),
}

/// A part of a text.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Piece {
    Text(String),
    Source(String),
}

/// Operators, longest first.
const OPS: [&str; 35] = [
    "?//=", "//=", "|=", "+=", "-=", "*=", "/=", "%=", "==", "!=", "<=", ">=", "//", "..", "?//", ".", "[",
    "]", "(", ")", "{", "}", "|", ",", ":", ";", "=", "<", ">", "+", "-", "*", "/", "%", "?",
];

pub(super) fn lex(source: &str) -> Result<Vec<Token>, String> {
    let mut out = Vec::new();
    let mut rest = source;
    loop {
        rest = rest.trim_start();
        let Some(first) = rest.chars().next() else { return Ok(out) };
        if first == '#' {
            rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
            continue;
        }
        let (token, behind) = one(rest, first)?;
        out.push(token);
        rest = behind;
    }
}

fn one(rest: &str, first: char) -> Result<(Token, &str), String> {
    if first == '"' {
        return text(rest);
    }
    if first.is_ascii_digit() || first == '.' && second(rest).is_some_and(|c| c.is_ascii_digit()) {
        return number(rest);
    }
    if is_start(first) {
        let (word, behind) = word(rest);
        return Ok((Token::Word(word), behind));
    }
    if matches!(first, '.' | '$' | '@') && second(rest).is_some_and(is_start) {
        let (name, behind) = word(rest.get(1..).unwrap_or_default());
        let token = match first {
            '.' => Token::Field(name),
            '$' => Token::Var(name),
            _ => Token::Format(name),
        };
        return Ok((token, behind));
    }
    match OPS.iter().find(|op| rest.starts_with(**op)) {
        Some(op) => Ok((Token::Op(op), rest.get(op.len()..).unwrap_or_default())),
        None => Err(format!("did not expect `{first}`")),
    }
}

fn second(text: &str) -> Option<char> {
    text.chars().nth(1)
}

fn is_start(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_'
}

fn word(text: &str) -> (String, &str) {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len());
    let (word, behind) = text.split_at(end);
    (word.to_owned(), behind)
}

fn number(text: &str) -> Result<(Token, &str), String> {
    let mut end = 0;
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        let exponent = matches!(c, 'e' | 'E') && !matches!(before, 'e' | 'E');
        let sign = matches!(c, '+' | '-') && matches!(before, 'e' | 'E');
        if !(c.is_ascii_digit() || c == '.' || exponent || sign) {
            break;
        }
        end = at + 1;
        before = c;
    }
    let (digits, behind) = text.split_at(end);
    if let Ok(whole) = digits.parse() {
        return Ok((Token::Int(whole), behind));
    }
    match digits.parse() {
        Ok(number) => Ok((Token::Float(number), behind)),
        Err(_) => Err(format!("`{digits}` is not a number")),
    }
}

fn text(source: &str) -> Result<(Token, &str), String> {
    let open = || "a text is not closed".to_owned();
    let mut pieces = Vec::new();
    let mut out = String::new();
    let mut chars = source.char_indices();
    chars.next();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => {
                pieces.push(Piece::Text(out));
                return Ok((Token::Text(pieces), source.get(at + 1..).unwrap_or_default()));
            }
            '\\' => match chars.next().ok_or_else(open)?.1 {
                'n' => out.push('\n'),
                't' => out.push('\t'),
                'r' => out.push('\r'),
                'b' => out.push('\u{8}'),
                'f' => out.push('\u{c}'),
                'u' => out.push(unicode(&mut chars)?),
                '(' => {
                    pieces.push(Piece::Text(std::mem::take(&mut out)));
                    let from = chars.clone().next().map_or(source.len(), |(at, _)| at);
                    let end = closing(source.get(from..).unwrap_or_default()).ok_or_else(open)?;
                    let inside = source.get(from..from + end).unwrap_or_default();
                    pieces.push(Piece::Source(inside.to_owned()));
                    while chars.clone().next().is_some_and(|(at, _)| at <= from + end) {
                        chars.next();
                    }
                }
                other @ ('"' | '\\' | '/') => out.push(other),
                other => return Err(format!("`\\{other}` is not an escape")),
            },
            other => out.push(other),
        }
    }
    Err(open())
}

/// The character of `\uXXXX`, a pair of surrogates included; half a pair is U+FFFD.
fn unicode(chars: &mut std::str::CharIndices<'_>) -> Result<char, String> {
    let first = unit(chars)?;
    let mut ahead = chars.clone();
    if (0xd800..0xdc00).contains(&first)
        && ahead.next().is_some_and(|(_, c)| c == '\\')
        && ahead.next().is_some_and(|(_, c)| c == 'u')
        && let Ok(low) = unit(&mut ahead)
        && let Some(Ok(pair)) = char::decode_utf16([first, low]).next()
    {
        *chars = ahead;
        return Ok(pair);
    }
    Ok(char::from_u32(u32::from(first)).unwrap_or('\u{fffd}'))
}

/// Four hexadecimal digits.
fn unit(chars: &mut std::str::CharIndices<'_>) -> Result<u16, String> {
    (0..4).try_fold(0_u16, |unit, _| {
        let digit =
            chars.next().and_then(|(_, c)| c.to_digit(16)).and_then(|digit| u16::try_from(digit).ok());
        digit.map(|digit| unit << 4 | digit).ok_or_else(|| "`\\u` needs four hexadecimal digits".to_owned())
    })
}

/// Where the parenthesis of an interpolation closes; texts inside may hold more of them.
fn closing(source: &str) -> Option<usize> {
    let (mut depth, mut quotes) = (vec![0_usize], 0_usize);
    let mut chars = source.char_indices();
    while let Some((at, c)) = chars.next() {
        let in_text = depth.len() == quotes + 1 && quotes > 0 && depth.last() == Some(&usize::MAX);
        match (c, in_text) {
            ('\\', true) => {
                let escaped = chars.next();
                if escaped.is_some_and(|(_, c)| c == '(') {
                    depth.push(0);
                    quotes += 1;
                }
            }
            ('"', true) => {
                depth.pop();
                quotes -= 1;
            }
            ('"', false) => {
                depth.push(usize::MAX);
                quotes += 1;
            }
            ('(', false) => *depth.last_mut()? += 1,
            (')', false) => match depth.last().copied()? {
                0 if depth.len() == 1 => return Some(at),
                0 => {
                    depth.pop();
                    quotes -= 1;
                }
                open => *depth.last_mut()? = open - 1,
            },
            _ => {}
        }
    }
    None
}
