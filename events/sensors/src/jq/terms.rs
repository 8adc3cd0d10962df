//! The terms of a jq filter: literals, paths, lists, maps, calls, and the keywords that stand as terms.
//! Operators are in `parser`.

use super::ast::{Ast, Part};
use super::lexer::{Piece, Token};
use super::parser::{Parser, nested, shown};

/// A text without interpolations.
pub(super) fn literal(text: &str) -> Ast {
    Ast::Text(None, vec![Part::Text(text.to_owned())])
}

pub(super) fn text(format: Option<String>, pieces: &[Piece], depth: usize) -> Result<Ast, String> {
    let mut parts = Vec::new();
    for piece in pieces {
        parts.push(match piece {
            Piece::Text(text) => Part::Text(text.clone()),
            Piece::Source(source) => Part::Value(nested(source, depth + 1)?),
        });
    }
    Ok(Ast::Text(format, parts))
}

impl Parser<'_> {
    /// A term with its `.name`, `[…]` and `?` behind it.
    pub(super) fn postfix(&mut self) -> Result<Ast, String> {
        self.deeper()?;
        let mut ast = self.term()?;
        loop {
            ast = match self.peek() {
                Some(Token::Field(name)) => {
                    let key = literal(name);
                    self.at += 1;
                    Ast::Index(Box::new(ast), Box::new(key))
                }
                Some(Token::Op(".")) => match self.tokens.get(self.at + 1) {
                    Some(Token::Text(pieces)) => {
                        let key = text(None, pieces, self.depth)?;
                        self.at += 2;
                        Ast::Index(Box::new(ast), Box::new(key))
                    }
                    Some(Token::Op("[")) => {
                        self.at += 1;
                        ast
                    }
                    _ => return Err("did not expect `.`".to_owned()),
                },
                Some(Token::Op("[")) => self.bracket(ast)?,
                Some(Token::Op("?")) => {
                    self.at += 1;
                    Ast::Try(Box::new(ast), None)
                }
                _ => break,
            };
        }
        self.depth -= 1;
        Ok(ast)
    }

    /// `[]`, `[i]`, `[from:to]`.
    fn bracket(&mut self, target: Ast) -> Result<Ast, String> {
        self.expect("[")?;
        if self.take("]") {
            return Ok(Ast::Each(Box::new(target)));
        }
        if self.take(":") {
            let to = self.pipe()?;
            self.expect("]")?;
            return Ok(Ast::Slice(Box::new(target), None, Some(Box::new(to))));
        }
        let from = Box::new(self.pipe()?);
        let ast = if self.take(":") {
            let to = if self.is("]") { None } else { Some(Box::new(self.pipe()?)) };
            Ast::Slice(Box::new(target), Some(from), to)
        } else {
            Ast::Index(Box::new(target), from)
        };
        self.expect("]")?;
        Ok(ast)
    }

    fn term(&mut self) -> Result<Ast, String> {
        let Some(token) = self.next() else { return Err("a filter is missing at the end".to_owned()) };
        Ok(match token {
            Token::Int(number) => Ast::Int(number),
            Token::Float(number) => Ast::Float(number),
            Token::Text(pieces) => text(None, &pieces, self.depth)?,
            Token::Format(name) => match self.peek() {
                Some(Token::Text(pieces)) => {
                    let pieces = pieces.clone();
                    self.at += 1;
                    text(Some(name), &pieces, self.depth)?
                }
                _ => Ast::Format(name),
            },
            Token::Var(name) => Ast::Var(name),
            Token::Field(name) => Ast::Index(Box::new(Ast::Identity), Box::new(literal(&name))),
            Token::Word(word) => self.word(word)?,
            Token::Op(op) => self.symbol(op)?,
        })
    }

    fn symbol(&mut self, op: &'static str) -> Result<Ast, String> {
        match op {
            "." => match self.peek() {
                Some(Token::Text(pieces)) => {
                    let key = text(None, pieces, self.depth)?;
                    self.at += 1;
                    Ok(Ast::Index(Box::new(Ast::Identity), Box::new(key)))
                }
                _ => Ok(Ast::Identity),
            },
            ".." => Ok(Ast::Recurse),
            "(" => {
                let inner = self.pipe()?;
                self.expect(")")?;
                Ok(inner)
            }
            "[" => {
                if self.take("]") {
                    return Ok(Ast::List(None));
                }
                let inner = self.pipe()?;
                self.expect("]")?;
                Ok(Ast::List(Some(Box::new(inner))))
            }
            "{" => self.map(),
            "-" => Ok(Ast::Neg(Box::new(self.postfix()?))),
            other => Err(format!("did not expect `{other}`")),
        }
    }

    fn map(&mut self) -> Result<Ast, String> {
        let mut entries = Vec::new();
        while !self.take("}") {
            entries.push(self.entry()?);
            if !self.take(",") {
                self.expect("}")?;
                break;
            }
        }
        Ok(Ast::Map(entries))
    }

    fn entry(&mut self) -> Result<(Ast, Ast), String> {
        let field = |key: Ast| Ast::Index(Box::new(Ast::Identity), Box::new(key));
        let (key, short) = match self.next() {
            Some(Token::Var(name)) => (literal(&name), Some(Ast::Var(name))),
            Some(Token::Word(name)) => (literal(&name), Some(field(literal(&name)))),
            Some(Token::Int(number)) => (literal(&number.to_string()), None),
            Some(Token::Text(pieces)) => {
                let key = text(None, &pieces, self.depth)?;
                (key.clone(), Some(field(key)))
            }
            Some(Token::Format(name)) => match self.next() {
                Some(Token::Text(pieces)) => {
                    let key = text(Some(name), &pieces, self.depth)?;
                    (key.clone(), Some(field(key)))
                }
                _ => return Err(format!("`@{name}` as a key needs a text")),
            },
            Some(Token::Op("(")) => {
                let key = self.pipe()?;
                self.expect(")")?;
                (key, None)
            }
            Some(other) => return Err(format!("{} is not a key", shown(&other))),
            None => return Err("a `{` is not closed".to_owned()),
        };
        if self.take(":") {
            let mut value = self.alternative_or_term()?;
            while self.take("|") {
                value = Ast::Pipe(Box::new(value), Box::new(self.alternative_or_term()?));
            }
            return Ok((key, value));
        }
        match short {
            Some(value) => Ok((key, value)),
            None => Err("a key of a map needs `: value`".to_owned()),
        }
    }

    fn alternative_or_term(&mut self) -> Result<Ast, String> {
        self.alternative()
    }

    fn word(&mut self, word: String) -> Result<Ast, String> {
        match word.as_str() {
            "null" => Ok(Ast::Null),
            "true" => Ok(Ast::Bool(true)),
            "false" => Ok(Ast::Bool(false)),
            "if" => self.condition(),
            "try" => {
                let body = Box::new(self.postfix()?);
                let catch = if self.take("catch") { Some(Box::new(self.postfix()?)) } else { None };
                Ok(Ast::Try(body, Some(catch.unwrap_or(Box::new(Ast::Call("empty".to_owned(), Vec::new()))))))
            }
            "reduce" | "foreach" => self.fold(word == "reduce"),
            "label" => {
                let Some(Token::Var(name)) = self.next() else {
                    return Err("`label` needs `$name`".to_owned());
                };
                self.expect("|")?;
                Ok(Ast::Label(name, Box::new(self.pipe()?)))
            }
            "break" => match self.next() {
                Some(Token::Var(name)) => Ok(Ast::Break(name)),
                _ => Err("`break` needs `$name`".to_owned()),
            },
            "def" => {
                // a definition inside parentheses goes on to their end
                self.at -= 1;
                self.pipe()
            }
            "then" | "elif" | "else" | "end" | "as" | "and" | "or" | "catch" | "import" | "include" => {
                Err(format!("did not expect `{word}`"))
            }
            _ => self.call(word),
        }
    }

    fn call(&mut self, name: String) -> Result<Ast, String> {
        let mut arguments = Vec::new();
        if self.take("(") {
            loop {
                arguments.push(self.pipe()?);
                if !self.take(";") {
                    break;
                }
            }
            self.expect(")")?;
        }
        Ok(Ast::Call(name, arguments))
    }

    fn condition(&mut self) -> Result<Ast, String> {
        self.deeper()?;
        let condition = Box::new(self.pipe()?);
        self.expect("then")?;
        let then = Box::new(self.pipe()?);
        let otherwise = if self.take("elif") {
            Some(Box::new(self.condition()?))
        } else {
            let otherwise = if self.take("else") { Some(Box::new(self.pipe()?)) } else { None };
            self.expect("end")?;
            otherwise
        };
        self.depth -= 1;
        Ok(Ast::If(condition, then, otherwise))
    }

    fn fold(&mut self, reduce: bool) -> Result<Ast, String> {
        let source = Box::new(self.postfix()?);
        self.expect("as")?;
        let pattern = self.pattern()?;
        self.expect("(")?;
        let first = Box::new(self.pipe()?);
        self.expect(";")?;
        let update = Box::new(self.pipe()?);
        let extract = if !reduce && self.take(";") { Some(Box::new(self.pipe()?)) } else { None };
        self.expect(")")?;
        Ok(if reduce {
            Ast::Reduce(source, pattern, first, update)
        } else {
            Ast::Foreach(source, pattern, first, update, extract)
        })
    }
}
