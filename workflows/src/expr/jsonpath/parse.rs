//! Reads a JSONPath: `$.a['b'][0:2]..c[?(@.n > 1 && @.m)]`; Kubernetes' `{.a.b}` too.
//! It evaluates nothing.

use crate::expr::Value;
use crate::expr::error::ExprError;
use crate::expr::limits;

pub(super) struct Path {
    pub source: String,
    pub steps: Vec<Step>,
}

pub(super) struct Step {
    /// `..`: at every depth.
    pub descend: bool,
    pub selects: Vec<Select>,
}

pub(super) enum Select {
    Name(String),
    Index(i64),
    All,
    Slice(Option<i64>, Option<i64>, i64),
    Where(Filter),
}

pub(super) enum Filter {
    Not(Box<Filter>),
    All(Vec<Filter>),
    Any(Vec<Filter>),
    Test(Operand),
    Compare(Operand, &'static str, Operand),
}

pub(super) enum Operand {
    Literal(Value),
    Path { root: bool, steps: Vec<Step> },
}

pub(super) fn parse(source: &str) -> Result<Path, ExprError> {
    if source.len() > limits::MAX_EXPRESSION_BYTES {
        return Err(ExprError::fuel("the JSONPath is too long"));
    }
    let mut text = source.trim();
    if let Some(inner) = text.strip_prefix('{').and_then(|t| t.strip_suffix('}')) {
        text = inner.trim();
    }
    let mut reader = Reader { text, at: 0, depth: 0 };
    if !reader.take("$") && !matches!(reader.peek(), Some('.' | '[')) {
        // `a.b` means `$.a.b`.
        let name = reader.bare_name();
        if name.is_empty() {
            return Err(reader.error("a JSONPath begins with '$'"));
        }
        let mut steps = vec![Step { descend: false, selects: vec![Select::Name(name)] }];
        steps.extend(reader.steps()?);
        return reader.finish(source, steps);
    }
    let steps = reader.steps()?;
    reader.finish(source, steps)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn take(&mut self, symbol: &str) -> bool {
        let found = self.rest().starts_with(symbol);
        if found {
            self.at += symbol.len();
        }
        found
    }

    fn error(&self, message: &str) -> ExprError {
        let mut error = ExprError::new(
            crate::expr::ExprErrorKind::Syntax,
            format!("jsonpath: {message} (at {} of {})", self.at, crate::expr::builtins::quoted(self.text)),
        );
        error.offset = None;
        error
    }

    fn expect(&mut self, symbol: &str) -> Result<(), ExprError> {
        self.space();
        if self.take(symbol) { Ok(()) } else { Err(self.error(&format!("expected '{symbol}'"))) }
    }

    fn finish(self, source: &str, steps: Vec<Step>) -> Result<Path, ExprError> {
        if self.at < self.text.len() {
            return Err(self.error("unexpected text"));
        }
        Ok(Path { source: source.to_owned(), steps })
    }

    fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T, ExprError>) -> Result<T, ExprError> {
        self.depth += 1;
        if self.depth > limits::MAX_DEPTH {
            return Err(ExprError::fuel("the JSONPath nests too deep"));
        }
        let result = parse(self);
        self.depth -= 1;
        result
    }

    fn steps(&mut self) -> Result<Vec<Step>, ExprError> {
        let mut steps = Vec::new();
        loop {
            let descend = self.take("..");
            if descend || self.take(".") {
                let select = if self.take("*") {
                    Select::All
                } else if descend && self.peek() == Some('[') {
                    steps.push(Step { descend, selects: self.brackets()? });
                    continue;
                } else {
                    let name = self.bare_name();
                    if name.is_empty() {
                        return Err(self.error("expected a name"));
                    }
                    Select::Name(name)
                };
                steps.push(Step { descend, selects: vec![select] });
            } else if self.peek() == Some('[') {
                let selects = self.brackets()?;
                steps.push(Step { descend: false, selects });
            } else {
                return Ok(steps);
            }
        }
    }

    fn bare_name(&mut self) -> String {
        let mut name = String::new();
        while let Some(c) = self.peek() {
            if c == '\\' {
                // Kubernetes' way to write a dot in a name.
                self.at += 1;
                match self.peek() {
                    Some(next) => {
                        name.push(next);
                        self.at += next.len_utf8();
                    }
                    None => break,
                }
                continue;
            }
            if !(c.is_alphanumeric() || matches!(c, '_' | '-' | '/' | '$' | ':')) {
                break;
            }
            name.push(c);
            self.at += c.len_utf8();
        }
        name
    }

    fn brackets(&mut self) -> Result<Vec<Select>, ExprError> {
        self.expect("[")?;
        let mut selects = Vec::new();
        loop {
            self.space();
            let select = match self.peek() {
                Some('*') => {
                    self.at += 1;
                    Select::All
                }
                Some('?') => {
                    self.at += 1;
                    Select::Where(self.deeper(Self::any)?)
                }
                Some('\'' | '"') => Select::Name(self.string()?),
                Some(c) if c.is_ascii_digit() || c == '-' || c == ':' => self.index_or_slice()?,
                _ => {
                    let name = self.bare_name();
                    if name.is_empty() {
                        return Err(self.error("expected a name, an index, a slice, '*' or '?'"));
                    }
                    Select::Name(name)
                }
            };
            selects.push(select);
            self.space();
            if !self.take(",") {
                self.expect("]")?;
                return Ok(selects);
            }
        }
    }

    fn integer(&mut self) -> Result<Option<i64>, ExprError> {
        self.space();
        let rest = self.rest();
        let sign = usize::from(rest.starts_with('-'));
        let digits = rest.bytes().skip(sign).take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return if sign == 0 { Ok(None) } else { Err(self.error("expected a number")) };
        }
        let number = rest.get(..sign + digits).and_then(|t| t.parse().ok());
        self.at += sign + digits;
        match number {
            Some(n) => Ok(Some(n)),
            None => Err(self.error("the number is too large")),
        }
    }

    fn index_or_slice(&mut self) -> Result<Select, ExprError> {
        let first = self.integer()?;
        self.space();
        if !self.take(":") {
            return first.map(Select::Index).ok_or_else(|| self.error("expected a number"));
        }
        let to = self.integer()?;
        self.space();
        let step = if self.take(":") { self.integer()? } else { None };
        Ok(Select::Slice(first, to, step.unwrap_or(1)))
    }

    fn string(&mut self) -> Result<String, ExprError> {
        let Some(quote) = self.peek() else { return Err(self.error("expected a string")) };
        self.at += 1;
        let mut out = String::new();
        loop {
            let Some(c) = self.peek() else { return Err(self.error("unclosed string")) };
            self.at += c.len_utf8();
            if c == quote {
                return Ok(out);
            }
            if c == '\\' {
                let Some(next) = self.peek() else { return Err(self.error("unclosed string")) };
                self.at += next.len_utf8();
                out.push(match next {
                    'n' => '\n',
                    't' => '\t',
                    'r' => '\r',
                    other => other,
                });
            } else {
                out.push(c);
            }
        }
    }

    fn any(&mut self) -> Result<Filter, ExprError> {
        let mut all = vec![self.all()?];
        self.space();
        while self.take("||") {
            all.push(self.all()?);
            self.space();
        }
        Ok(if all.len() == 1 { all.swap_remove(0) } else { Filter::Any(all) })
    }

    fn all(&mut self) -> Result<Filter, ExprError> {
        let mut all = vec![self.deeper(Self::test)?];
        self.space();
        while self.take("&&") {
            all.push(self.deeper(Self::test)?);
            self.space();
        }
        Ok(if all.len() == 1 { all.swap_remove(0) } else { Filter::All(all) })
    }

    fn test(&mut self) -> Result<Filter, ExprError> {
        self.space();
        if self.take("!") {
            return Ok(Filter::Not(Box::new(self.deeper(Self::test)?)));
        }
        if self.take("(") {
            let inner = self.deeper(Self::any)?;
            self.expect(")")?;
            return Ok(inner);
        }
        let left = self.operand()?;
        self.space();
        for op in ["==", "!=", "<=", ">=", "=~", "<", ">"] {
            if self.take(op) {
                self.space();
                let right = self.operand()?;
                return Ok(Filter::Compare(left, op, right));
            }
        }
        Ok(Filter::Test(left))
    }

    fn operand(&mut self) -> Result<Operand, ExprError> {
        match self.peek() {
            Some(c @ ('@' | '$')) => {
                self.at += 1;
                let steps = self.deeper(Self::steps)?;
                Ok(Operand::Path { root: c == '$', steps })
            }
            Some('\'' | '"') => Ok(Operand::Literal(Value::String(self.string()?))),
            _ => {
                let rest = self.rest();
                let len = rest
                    .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.')))
                    .unwrap_or(rest.len());
                let word = rest.get(..len).unwrap_or_default();
                match serde_json::from_str::<Value>(word) {
                    Ok(value) => {
                        self.at += len;
                        Ok(Operand::Literal(value))
                    }
                    Err(_) => Err(self.error("expected @, $, a number, a string, true, false or null")),
                }
            }
        }
    }
}
