//! Words to trees: operators by precedence, definitions, `as`, `reduce`, `foreach`, `if`, `try`.
//! The terms between operators are in `terms`.

use super::DEPTH_LIMIT;
use super::ast::{Assign, Ast, Def, Op, Pattern};
use super::lexer::{Token, lex};

pub(super) fn parse(source: &str) -> Result<Ast, String> {
    nested(source, 0)
}

/// Parses a filter inside another one, e.g. in a text.
pub(super) fn nested(source: &str, depth: usize) -> Result<Ast, String> {
    let tokens = lex(source)?;
    let mut parser = Parser { tokens: &tokens, at: 0, depth };
    let ast = parser.pipe()?;
    match parser.peek() {
        None => Ok(ast),
        Some(token) => Err(format!("did not expect {}", shown(token))),
    }
}

pub(super) fn shown(token: &Token) -> String {
    match token {
        Token::Word(word) => format!("`{word}`"),
        Token::Field(name) => format!("`.{name}`"),
        Token::Var(name) => format!("`${name}`"),
        Token::Format(name) => format!("`@{name}`"),
        Token::Int(number) => format!("`{number}`"),
        Token::Float(number) => format!("`{number}`"),
        Token::Text(_) => "a text".to_owned(),
        Token::Op(op) => format!("`{op}`"),
    }
}

pub(super) struct Parser<'a> {
    pub(super) tokens: &'a [Token],
    pub(super) at: usize,
    pub(super) depth: usize,
}

impl Parser<'_> {
    pub(super) fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    pub(super) fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    pub(super) fn is(&self, op: &str) -> bool {
        match self.peek() {
            Some(Token::Op(found)) => *found == op,
            Some(Token::Word(found)) => found == op,
            _ => false,
        }
    }

    pub(super) fn take(&mut self, op: &str) -> bool {
        let found = self.is(op);
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect(&mut self, op: &str) -> Result<(), String> {
        if self.take(op) {
            return Ok(());
        }
        let found = self.peek().map_or_else(|| "the end".to_owned(), shown);
        Err(format!("expected `{op}`, found {found}"))
    }

    pub(super) fn deeper(&mut self) -> Result<(), String> {
        self.depth += 1;
        if self.depth > DEPTH_LIMIT {
            Err(format!("nested deeper than {DEPTH_LIMIT} levels"))
        } else {
            Ok(())
        }
    }

    /// The lowest precedence: `|`, and what goes on to the end.
    pub(super) fn pipe(&mut self) -> Result<Ast, String> {
        self.deeper()?;
        let ast = if self.take("def") {
            let def = self.definition()?;
            Ast::Define(Box::new(def), Box::new(self.pipe()?))
        } else {
            let left = self.comma()?;
            if self.take("as") {
                let pattern = self.pattern()?;
                self.expect("|")?;
                Ast::As(Box::new(left), pattern, Box::new(self.pipe()?))
            } else if self.take("|") {
                Ast::Pipe(Box::new(left), Box::new(self.pipe()?))
            } else {
                left
            }
        };
        self.depth -= 1;
        Ok(ast)
    }

    fn definition(&mut self) -> Result<Def, String> {
        let Some(Token::Word(name)) = self.next() else { return Err("`def` needs a name".to_owned()) };
        let mut params = Vec::new();
        if self.take("(") {
            loop {
                match self.next() {
                    Some(Token::Word(param)) => params.push(param),
                    Some(Token::Var(param)) => params.push(format!("${param}")),
                    _ => return Err(format!("a parameter of `{name}` is missing")),
                }
                if !self.take(";") {
                    break;
                }
            }
            self.expect(")")?;
        }
        self.expect(":")?;
        let body = self.pipe()?;
        self.expect(";")?;
        Ok(Def { name, params, body })
    }

    fn comma(&mut self) -> Result<Ast, String> {
        let mut left = self.assignment()?;
        while self.take(",") {
            left = Ast::Comma(Box::new(left), Box::new(self.assignment()?));
        }
        Ok(left)
    }

    /// `//` binds tighter than assignments here, as in jq's grammar: `a // b = c` assigns to `a // b`.
    fn assignment(&mut self) -> Result<Ast, String> {
        let left = self.alternative()?;
        let kind = match self.peek() {
            Some(Token::Op("=")) => Assign::Set,
            Some(Token::Op("|=")) => Assign::Update,
            Some(Token::Op("+=")) => Assign::With(Op::Add),
            Some(Token::Op("-=")) => Assign::With(Op::Sub),
            Some(Token::Op("*=")) => Assign::With(Op::Mul),
            Some(Token::Op("/=")) => Assign::With(Op::Div),
            Some(Token::Op("%=")) => Assign::With(Op::Rem),
            Some(Token::Op("//=")) => Assign::Alternative,
            _ => return Ok(left),
        };
        self.at += 1;
        let right = self.alternative()?;
        Ok(Ast::Assign(kind, Box::new(left), Box::new(right)))
    }

    pub(super) fn alternative(&mut self) -> Result<Ast, String> {
        self.deeper()?;
        let left = self.or()?;
        let ast = if self.take("//") {
            Ast::Alternative(Box::new(left), Box::new(self.alternative()?))
        } else {
            left
        };
        self.depth -= 1;
        Ok(ast)
    }

    fn or(&mut self) -> Result<Ast, String> {
        let mut left = self.and()?;
        while self.take("or") {
            left = Ast::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Ast, String> {
        let mut left = self.comparison()?;
        while self.take("and") {
            left = Ast::And(Box::new(left), Box::new(self.comparison()?));
        }
        Ok(left)
    }

    fn comparison(&mut self) -> Result<Ast, String> {
        let left = self.sum()?;
        let op = match self.peek() {
            Some(Token::Op("==")) => Op::Eq,
            Some(Token::Op("!=")) => Op::Ne,
            Some(Token::Op("<")) => Op::Lt,
            Some(Token::Op("<=")) => Op::Le,
            Some(Token::Op(">")) => Op::Gt,
            Some(Token::Op(">=")) => Op::Ge,
            _ => return Ok(left),
        };
        self.at += 1;
        Ok(Ast::Binary(op, Box::new(left), Box::new(self.sum()?)))
    }

    fn sum(&mut self) -> Result<Ast, String> {
        let mut left = self.product()?;
        loop {
            let op = match self.peek() {
                Some(Token::Op("+")) => Op::Add,
                Some(Token::Op("-")) => Op::Sub,
                _ => return Ok(left),
            };
            self.at += 1;
            left = Ast::Binary(op, Box::new(left), Box::new(self.product()?));
        }
    }

    fn product(&mut self) -> Result<Ast, String> {
        let mut left = self.postfix()?;
        loop {
            let op = match self.peek() {
                Some(Token::Op("*")) => Op::Mul,
                Some(Token::Op("/")) => Op::Div,
                Some(Token::Op("%")) => Op::Rem,
                _ => return Ok(left),
            };
            self.at += 1;
            left = Ast::Binary(op, Box::new(left), Box::new(self.postfix()?));
        }
    }

    pub(super) fn pattern(&mut self) -> Result<Pattern, String> {
        self.deeper()?;
        let pattern = if let Some(Token::Var(name)) = self.peek() {
            let name = name.clone();
            self.at += 1;
            Pattern::Var(name)
        } else if self.take("[") {
            let mut list = vec![self.pattern()?];
            while self.take(",") {
                list.push(self.pattern()?);
            }
            self.expect("]")?;
            Pattern::List(list)
        } else if self.take("{") {
            let mut map = vec![self.pattern_entry()?];
            while self.take(",") {
                map.push(self.pattern_entry()?);
            }
            self.expect("}")?;
            Pattern::Map(map)
        } else {
            return Err("`as` needs a variable, or a pattern of variables".to_owned());
        };
        self.depth -= 1;
        Ok(pattern)
    }

    fn pattern_entry(&mut self) -> Result<(Ast, Option<String>, Option<Pattern>), String> {
        let (key, var) = match self.next() {
            Some(Token::Var(name)) => (super::terms::literal(&name), Some(name)),
            Some(Token::Word(name)) => (super::terms::literal(&name), None),
            Some(Token::Text(pieces)) => (super::terms::text(None, &pieces, self.depth)?, None),
            Some(Token::Op("(")) => {
                let key = self.pipe()?;
                self.expect(")")?;
                (key, None)
            }
            _ => return Err("a key of a pattern is missing".to_owned()),
        };
        let inner = if self.take(":") { Some(self.pattern()?) } else { None };
        if var.is_none() && inner.is_none() {
            return Err("a key of a pattern needs `: $name`".to_owned());
        }
        Ok((key, var, inner))
    }
}
