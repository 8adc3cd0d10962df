//! Tokens of a `when`, and which may follow which (govaluate's rules, so its refusals are ours).
//! It does not know precedence.

use crate::expr::error::ExprError;
use crate::expr::limits;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Prefix(&'static str),
    Number(f64),
    Bool(bool),
    Str(String),
    /// A bare word, or `[any text]`.
    Variable(String),
    /// `a.b`: access to a field, which `when` has no use for.
    Accessor(String),
    Modifier(&'static str),
    Comparator(&'static str),
    Logical(&'static str),
    Ternary(&'static str),
    Separator,
    Open,
    Close,
}

#[derive(Clone, Debug)]
pub(super) struct Spanned {
    pub token: Token,
    pub at: usize,
}

const PREFIXES: &[&str] = &["-", "!", "~"];
const MODIFIERS: &[&str] = &["+", "-", "*", "/", "%", "**", "&", "|", "^", ">>", "<<"];
const COMPARATORS: &[&str] = &["==", "!=", ">", ">=", "<", "<=", "=~", "!~"];
const LOGICALS: &[&str] = &["&&", "||"];
const TERNARIES: &[&str] = &["?", ":", "??"];

pub(super) fn lex(text: &str) -> Result<Vec<Spanned>, ExprError> {
    if text.len() > limits::MAX_EXPRESSION_BYTES * 4 {
        return Err(ExprError::fuel("the condition is too long"));
    }
    let mut tokens: Vec<Spanned> = Vec::new();
    let mut reader = Reader { text, at: 0 };
    loop {
        reader.skip_space();
        let at = reader.at;
        let Some(c) = reader.peek() else { return Ok(tokens) };
        let prefix_fits = tokens.last().is_none_or(|last| may_follow(Some(&last.token), &Token::Prefix("-")));
        let token = reader.token(c, prefix_fits)?;
        tokens.push(Spanned { token, at });
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at..)?.chars().next()
    }

    fn skip_space(&mut self) {
        while let Some(c) = self.peek().filter(|c| c.is_whitespace()) {
            self.at += c.len_utf8();
        }
    }

    fn token(&mut self, c: char, prefix_fits: bool) -> Result<Token, ExprError> {
        if c.is_numeric() || c == '.' {
            return self.number();
        }
        if c.is_alphabetic() {
            return Ok(self.word());
        }
        match c {
            '\'' | '"' => {
                let at = self.at;
                self.at += 1;
                // govaluate ends a string at either quote; here "it's" is one string.
                let (text, closed) = self.read(true, |other| other != c);
                self.at += 1;
                if closed {
                    Ok(Token::Str(text))
                } else {
                    Err(ExprError::syntax(at, "Unclosed string literal"))
                }
            }
            '[' => {
                let at = self.at;
                self.at += 1;
                let (text, closed) = self.read(true, |c| c != ']');
                self.at += 1;
                if closed {
                    Ok(Token::Variable(text))
                } else {
                    Err(ExprError::syntax(at, "Unclosed parameter bracket"))
                }
            }
            ',' => Ok(self.one(Token::Separator)),
            '(' => Ok(self.one(Token::Open)),
            ')' => Ok(self.one(Token::Close)),
            _ => self.symbol(prefix_fits),
        }
    }

    fn one(&mut self, token: Token) -> Token {
        self.at += 1;
        token
    }

    /// Reads while the condition holds; a backslash takes the next character as it is.
    fn read(&mut self, spaces: bool, condition: impl Fn(char) -> bool) -> (String, bool) {
        let mut out = String::new();
        while let Some(c) = self.peek() {
            if c == '\\' {
                self.at += 1;
                if let Some(next) = self.peek() {
                    out.push(next);
                    self.at += next.len_utf8();
                }
                continue;
            }
            if (c.is_whitespace() && !spaces) || !condition(c) {
                return (out, true);
            }
            out.push(c);
            self.at += c.len_utf8();
        }
        (out, false)
    }

    fn number(&mut self) -> Result<Token, ExprError> {
        let at = self.at;
        let rest = self.text.get(at..).unwrap_or_default();
        if let Some(hex) = rest.strip_prefix("0x").or(rest.strip_prefix("0X")) {
            let len = hex.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(hex.len());
            self.at += 2 + len;
            let digits = hex.get(..len).unwrap_or_default();
            #[expect(clippy::cast_precision_loss, reason = "govaluate's numbers are floats")]
            return u64::from_str_radix(digits, 16).map(|n| Token::Number(n as f64)).map_err(|_| {
                ExprError::syntax(at, format!("Unable to parse hex value '{digits}' to float64"))
            });
        }
        let (text, _) = self.read(false, |c| c.is_numeric() || c == '.');
        text.parse()
            .map(Token::Number)
            .map_err(|_| ExprError::syntax(at, format!("Unable to parse numeric value '{text}' to float64")))
    }

    fn word(&mut self) -> Token {
        let (text, _) = self.read(false, |c| c.is_alphanumeric() || c == '_' || c == '.');
        match text.as_str() {
            "true" => Token::Bool(true),
            "false" => Token::Bool(false),
            "in" | "IN" => Token::Comparator("in"),
            _ if text.contains('.') => Token::Accessor(text),
            _ => Token::Variable(text),
        }
    }

    /// A run of symbols is one token: `==-1` is none, as in govaluate.
    fn symbol(&mut self, prefix_fits: bool) -> Result<Token, ExprError> {
        let at = self.at;
        let (text, _) =
            self.read(false, |c| !(c.is_alphanumeric() || matches!(c, '(' | ')' | '[' | ']' | '\'' | '"')));
        let find = |list: &'static [&'static str]| list.iter().copied().find(|s| *s == text);
        if let Some(s) = find(PREFIXES).filter(|_| prefix_fits) {
            return Ok(Token::Prefix(s));
        }
        if let Some(s) = find(MODIFIERS) {
            return Ok(Token::Modifier(s));
        }
        if let Some(s) = find(LOGICALS) {
            return Ok(Token::Logical(s));
        }
        if let Some(s) = find(COMPARATORS) {
            return Ok(Token::Comparator(s));
        }
        if let Some(s) = find(TERNARIES) {
            return Ok(Token::Ternary(s));
        }
        if text.is_empty() {
            // A lone `]` or a stray character that begins no token.
            let c = self.peek().map(String::from).unwrap_or_default();
            return Err(ExprError::syntax(at, format!("Invalid token: '{c}'")));
        }
        Err(ExprError::syntax(at, format!("Invalid token: '{text}'")))
    }
}

/// Whether a token may stand after another (`None`: at the beginning).
fn may_follow(before: Option<&Token>, token: &Token) -> bool {
    let operand = matches!(
        token,
        Token::Number(_)
            | Token::Bool(_)
            | Token::Str(_)
            | Token::Variable(_)
            | Token::Accessor(_)
            | Token::Open
    );
    let prefix = matches!(token, Token::Prefix(_));
    match before {
        None | Some(Token::Modifier(_) | Token::Comparator(_) | Token::Logical(_) | Token::Separator) => {
            operand || prefix
        }
        Some(Token::Open) => operand || prefix || *token == Token::Close,
        Some(Token::Ternary(_)) => operand || prefix || *token == Token::Separator,
        Some(Token::Prefix(_)) => operand && !matches!(token, Token::Str(_)),
        Some(
            Token::Number(_)
            | Token::Bool(_)
            | Token::Str(_)
            | Token::Variable(_)
            | Token::Accessor(_)
            | Token::Close,
        ) => !operand && !prefix,
    }
}

/// Checks neighbours, the end and the parentheses.
pub(super) fn check(tokens: &[Spanned], end: usize) -> Result<(), ExprError> {
    let mut before: Option<&Token> = None;
    let mut open = 0usize;
    for spanned in tokens {
        let token = &spanned.token;
        if !may_follow(before, token) {
            if let (Some(Token::Variable(name)), Token::Open) = (before, token) {
                return Err(ExprError::syntax(spanned.at, format!("Undefined function {name}")));
            }
            let message = format!(
                "Cannot transition token types from {} to {}",
                describe(before),
                describe(Some(token))
            );
            return Err(ExprError::syntax(spanned.at, message));
        }
        match token {
            Token::Open => open += 1,
            Token::Close => match open.checked_sub(1) {
                Some(rest) => open = rest,
                None => return Err(ExprError::syntax(spanned.at, "Unbalanced parenthesis")),
            },
            Token::Accessor(name) => {
                return Err(ExprError::syntax(spanned.at, format!("'{name}' has a '.' and is not quoted")));
            }
            _ => {}
        }
        before = Some(token);
    }
    if open > 0 {
        return Err(ExprError::syntax(end, "Unbalanced parenthesis"));
    }
    let complete = matches!(
        before,
        None | Some(Token::Number(_) | Token::Bool(_) | Token::Str(_) | Token::Variable(_) | Token::Close)
    );
    if complete { Ok(()) } else { Err(ExprError::syntax(end, "Unexpected end of expression")) }
}

fn describe(token: Option<&Token>) -> String {
    match token {
        None => "UNKNOWN [<nil>]".to_owned(),
        Some(Token::Prefix(s)) => format!("PREFIX [{s}]"),
        Some(Token::Number(n)) => format!("NUMERIC [{n}]"),
        Some(Token::Bool(b)) => format!("BOOLEAN [{b}]"),
        Some(Token::Str(s)) => format!("STRING [{}]", super::shown(s)),
        Some(Token::Variable(s)) => format!("VARIABLE [{}]", super::shown(s)),
        Some(Token::Accessor(s)) => format!("ACCESSOR [{}]", super::shown(s)),
        Some(Token::Modifier(s)) => format!("MODIFIER [{s}]"),
        Some(Token::Comparator(s)) => format!("COMPARATOR [{s}]"),
        Some(Token::Logical(s)) => format!("LOGICALOP [{s}]"),
        Some(Token::Ternary(s)) => format!("TERNARY [{s}]"),
        Some(Token::Separator) => "SEPARATOR [,]".to_owned(),
        Some(Token::Open) => "CLAUSE [(]".to_owned(),
        Some(Token::Close) => "CLAUSE_CLOSE [)]".to_owned(),
    }
}

/// The names of variables, once each.
pub(super) fn names(tokens: &[Spanned]) -> Vec<String> {
    let mut names = Vec::new();
    for spanned in tokens {
        if let Token::Variable(name) = &spanned.token
            && !names.contains(name)
        {
            names.push(name.clone());
        }
    }
    names
}

/// Argo's rule: a bare word stands for itself.
pub(super) fn words_to_strings(tokens: Vec<Spanned>) -> Vec<Spanned> {
    tokens
        .into_iter()
        .map(|s| match s.token {
            Token::Variable(name) => Spanned { token: Token::Str(name), at: s.at },
            other => Spanned { token: other, at: s.at },
        })
        .collect()
}
