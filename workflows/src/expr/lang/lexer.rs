//! Turns the source of an expression into tokens with byte offsets.
//! It does not know precedence or functions.

use std::sync::Arc;

use crate::expr::error::ExprError;
use crate::expr::limits;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    Int(i64),
    Float(f64),
    Str(Arc<str>),
    Name(Arc<str>),
    /// Punctuation and operators made of symbols.
    Sym(&'static str),
    End,
}

impl Token {
    /// How the token reads in a message.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Int(n) => format!("number {n}"),
            Self::Float(n) => format!("number {n}"),
            Self::Str(_) => "a string".to_owned(),
            Self::Name(name) => format!("'{name}'"),
            Self::Sym(sym) => format!("'{sym}'"),
            Self::End => "the end".to_owned(),
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Spanned {
    pub token: Token,
    pub at: usize,
}

/// Longest first.
const SYMBOLS: &[&str] = &[
    "?.", "??", "..", "**", "==", "!=", "<=", ">=", "&&", "||", "(", ")", "[", "]", "{", "}", ",", ":", ";",
    "?", ".", "#", "+", "-", "*", "/", "%", "^", "<", ">", "!", "|", "=",
];

/// All tokens; the last is [`Token::End`].
pub(crate) fn lex(source: &str) -> Result<Vec<Spanned>, ExprError> {
    if source.len() > limits::MAX_EXPRESSION_BYTES {
        return Err(ExprError::fuel(format!(
            "the expression is longer than {} bytes",
            limits::MAX_EXPRESSION_BYTES
        )));
    }
    let mut lexer = Lexer { source, at: 0 };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_space()?;
        let at = lexer.at;
        let token = lexer.next_token()?;
        let end = token == Token::End;
        tokens.push(Spanned { token, at });
        if end {
            return Ok(tokens);
        }
    }
}

struct Lexer<'a> {
    source: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        self.source.get(self.at..).unwrap_or_default()
    }

    fn skip_space(&mut self) -> Result<(), ExprError> {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start();
            self.at += rest.len() - trimmed.len();
            if let Some(comment) = trimmed.strip_prefix("/*") {
                let Some(end) = comment.find("*/") else {
                    return Err(ExprError::syntax(self.at, "unclosed comment"));
                };
                self.at += end + 4;
            } else if trimmed.starts_with("//") {
                self.at += trimmed.find('\n').unwrap_or(trimmed.len());
            } else {
                return Ok(());
            }
        }
    }

    fn next_token(&mut self) -> Result<Token, ExprError> {
        let rest = self.rest();
        let Some(c) = rest.chars().next() else { return Ok(Token::End) };
        if c.is_ascii_digit() || (c == '.' && rest[1..].starts_with(|d: char| d.is_ascii_digit())) {
            return self.number();
        }
        if c == '\'' || c == '"' || c == '`' {
            return self.string(c);
        }
        if c.is_alphabetic() || c == '_' || c == '$' {
            let len =
                rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).unwrap_or(rest.len());
            self.at += len;
            return Ok(Token::Name(Arc::from(&rest[..len])));
        }
        match SYMBOLS.iter().find(|s| rest.starts_with(**s)) {
            // `a ?.5 : 1` is a ternary, as in expr.
            Some(&"?.") if rest[2..].starts_with(|d: char| d.is_ascii_digit()) => {
                self.at += 1;
                Ok(Token::Sym("?"))
            }
            Some(sym) => {
                self.at += sym.len();
                Ok(Token::Sym(sym))
            }
            None if c == '&' => Err(ExprError::syntax(self.at, "unexpected '&'; write '&&' for and")),
            None => Err(ExprError::syntax(self.at, format!("unexpected character {c:?}"))),
        }
    }

    fn number(&mut self) -> Result<Token, ExprError> {
        let start = self.at;
        let rest = self.rest();
        let bytes = rest.as_bytes();
        let radix = match bytes.get(..2) {
            Some(b"0x" | b"0X") => 16,
            Some(b"0b" | b"0B") => 2,
            Some(b"0o" | b"0O") => 8,
            _ => 10,
        };
        if radix != 10 {
            let len = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
            self.at += len;
            let digits = rest[2..len].replace('_', "");
            return i64::from_str_radix(&digits, radix)
                .map(Token::Int)
                .map_err(|_| ExprError::syntax(start, format!("malformed number '{}'", &rest[..len])));
        }
        let mut len = digits(bytes, 0);
        let mut float = false;
        // `1..3` is a range, not `1.` and `.3`.
        if bytes.get(len) == Some(&b'.') && bytes.get(len + 1) != Some(&b'.') {
            float = true;
            len = digits(bytes, len + 1);
        }
        if matches!(bytes.get(len), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(bytes.get(len + 1), Some(b'+' | b'-')));
            let end = digits(bytes, len + 1 + sign);
            if end > len + 1 + sign {
                float = true;
                len = end;
            }
        }
        if bytes.get(len).is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_') {
            return Err(ExprError::syntax(start, "malformed number; names cannot begin with a digit"));
        }
        self.at += len;
        let text = rest[..len].replace('_', "");
        let token = if float {
            text.parse().ok().filter(|f: &f64| f.is_finite()).map(Token::Float)
        } else {
            text.parse().ok().map(Token::Int)
        };
        token.ok_or_else(|| ExprError::syntax(start, format!("the number '{text}' does not fit")))
    }

    fn string(&mut self, quote: char) -> Result<Token, ExprError> {
        let start = self.at;
        self.at += 1;
        let mut text = String::new();
        loop {
            let Some(c) = self.rest().chars().next() else {
                return Err(ExprError::syntax(start, "unclosed string"));
            };
            let at = self.at;
            self.at += c.len_utf8();
            if c == quote {
                return Ok(Token::Str(Arc::from(text)));
            }
            if c == '\\' && quote != '`' {
                text.push(self.escape(at)?);
            } else if c == '\n' && quote != '`' {
                return Err(ExprError::syntax(start, "unclosed string at the end of the line"));
            } else {
                text.push(c);
            }
        }
    }

    fn escape(&mut self, at: usize) -> Result<char, ExprError> {
        let bad = |message: &str| ExprError::syntax(at, message);
        let Some(c) = self.rest().chars().next() else { return Err(bad("unclosed escape")) };
        self.at += c.len_utf8();
        let (digits, radix) = match c {
            'a' => return Ok('\u{7}'),
            'b' => return Ok('\u{8}'),
            'f' => return Ok('\u{c}'),
            'n' => return Ok('\n'),
            'r' => return Ok('\r'),
            't' => return Ok('\t'),
            'v' => return Ok('\u{b}'),
            '\\' | '\'' | '"' | '`' => return Ok(c),
            'x' => (2, 16),
            'u' => (4, 16),
            'U' => (8, 16),
            '0'..='3' => {
                self.at -= 1;
                (3, 8)
            }
            _ => return Err(bad("unknown escape in a string; write \\\\ for a backslash")),
        };
        let code = self.rest().get(..digits).and_then(|d| u32::from_str_radix(d, radix).ok());
        self.at += digits;
        code.and_then(char::from_u32).ok_or_else(|| bad("malformed escape in a string"))
    }
}

fn digits(bytes: &[u8], mut at: usize) -> usize {
    while bytes.get(at).is_some_and(|b| b.is_ascii_digit() || *b == b'_') {
        at += 1;
    }
    at
}
