//! `conditions` of a trigger: a boolean expression over the names of dependencies.
//! Knows no events: who calls says which dependencies have one.

use std::collections::BTreeSet;

/// Deepest nesting of parentheses and negations.
const DEPTH_LIMIT: usize = 64;
/// Most bytes of an expression.
const TEXT_LIMIT: usize = 16 << 10;

/// A parsed expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conditions {
    root: Node,
    names: Vec<String>,
    collects: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    Name(String),
    Not(Box<Node>),
    All(Vec<Node>),
    Any(Vec<Node>),
}

impl Conditions {
    /// Reads `a && (b || c)`; names may hold letters, digits, `-`, `_` and `.`.
    ///
    /// # Errors
    /// A sentence for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > TEXT_LIMIT {
            return Err(format!("the conditions have {} bytes, more than {TEXT_LIMIT}", text.len()));
        }
        let tokens = tokens(text)?;
        let mut parser = Parser { tokens: &tokens, at: 0, depth: 0 };
        let root = parser.any()?;
        if let Some(token) = parser.peek() {
            return Err(format!("conditions: did not expect `{token}`; join names with && or ||"));
        }
        let mut names = Vec::new();
        collect(&root, &mut names);
        Ok(Self { root, names, collects: text.contains('&') })
    }

    /// All of these names.
    #[must_use]
    pub fn all(names: impl IntoIterator<Item = String>) -> Self {
        let mut seen = BTreeSet::new();
        let names: Vec<String> = names.into_iter().filter(|name| seen.insert(name.clone())).collect();
        let root = Node::All(names.iter().cloned().map(Node::Name).collect());
        Self { root, collects: names.len() > 1, names }
    }

    /// The names in the order written, each once.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Whether events are collected until the expression holds. Without `&` in it, each event fires alone (as Argo's
    /// trigger connections decide it).
    #[must_use]
    pub fn collects(&self) -> bool {
        self.collects
    }

    /// Whether it holds when exactly these dependencies have an event.
    pub fn hold(&self, has: &dyn Fn(&str) -> bool) -> bool {
        eval(&self.root, has)
    }
}

fn eval(node: &Node, has: &dyn Fn(&str) -> bool) -> bool {
    match node {
        Node::Name(name) => has(name),
        Node::Not(inner) => !eval(inner, has),
        Node::All(list) => list.iter().all(|node| eval(node, has)),
        Node::Any(list) => list.iter().any(|node| eval(node, has)),
    }
}

fn collect(node: &Node, names: &mut Vec<String>) {
    match node {
        Node::Name(name) => {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        Node::Not(inner) => collect(inner, names),
        Node::All(list) | Node::Any(list) => list.iter().for_each(|node| collect(node, names)),
    }
}

fn tokens(text: &str) -> Result<Vec<String>, String> {
    let mut out = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => {}
            '(' | ')' | '!' => out.push(c.to_string()),
            '&' | '|' => {
                if chars.next() != Some(c) {
                    return Err(format!("conditions: write {c}{c}, not {c}"));
                }
                out.push(format!("{c}{c}"));
            }
            c if is_name(c) => {
                let mut name = String::from(c);
                while let Some(next) = chars.next_if(|next| is_name(*next) || *next == '\\') {
                    if next != '\\' {
                        name.push(next);
                    }
                }
                out.push(name);
            }
            other => {
                return Err(format!(
                    "conditions: did not expect `{other}`: names, &&, ||, ! and ( ) make them up"
                ));
            }
        }
    }
    Ok(out)
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '-' | '_' | '.')
}

struct Parser<'a> {
    tokens: &'a [String],
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&str> {
        self.tokens.get(self.at).map(String::as_str)
    }

    fn take(&mut self, token: &str) -> bool {
        let found = self.peek() == Some(token);
        self.at += usize::from(found);
        found
    }

    fn any(&mut self) -> Result<Node, String> {
        let mut list = vec![self.all()?];
        while self.take("||") {
            list.push(self.all()?);
        }
        Ok(single(list, Node::Any))
    }

    fn all(&mut self) -> Result<Node, String> {
        let mut list = vec![self.one()?];
        while self.take("&&") {
            list.push(self.one()?);
        }
        Ok(single(list, Node::All))
    }

    fn one(&mut self) -> Result<Node, String> {
        self.depth += 1;
        if self.depth > DEPTH_LIMIT {
            return Err(format!("conditions: nested deeper than {DEPTH_LIMIT} levels"));
        }
        let node = if self.take("!") {
            Node::Not(Box::new(self.one()?))
        } else if self.take("(") {
            let inner = self.any()?;
            if !self.take(")") {
                return Err("conditions: a `(` is not closed".to_owned());
            }
            inner
        } else {
            match self.peek() {
                Some(name) if name.starts_with(is_name) => {
                    let node = Node::Name(name.to_owned());
                    self.at += 1;
                    node
                }
                Some(token) => return Err(format!("conditions: did not expect `{token}`, but a dependency")),
                None => return Err("conditions: a dependency is missing at the end".to_owned()),
            }
        };
        self.depth -= 1;
        Ok(node)
    }
}

fn single(mut list: Vec<Node>, wrap: fn(Vec<Node>) -> Node) -> Node {
    match list.pop() {
        Some(only) if list.is_empty() => only,
        Some(last) => {
            list.push(last);
            wrap(list)
        }
        None => wrap(list),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::Conditions;

    fn holds(text: &str, have: &[&str]) -> bool {
        Conditions::parse(text).unwrap().hold(&|name| have.contains(&name))
    }

    #[test]
    fn operators_bind_as_in_go() {
        assert!(holds("a || b && c", &["a"]));
        assert!(!holds("(a || b) && c", &["a"]));
        assert!(holds("dep-1 && !dep-2", &["dep-1"]));
        assert!(holds(r"dep\-1", &["dep-1"]));
    }

    #[test]
    fn without_ands_each_event_fires_alone() {
        assert!(!Conditions::parse("a || b").unwrap().collects());
        assert!(Conditions::parse("a && b").unwrap().collects());
        assert_eq!(Conditions::parse("b && a || b").unwrap().names(), ["b", "a"]);
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        for text in
            ["", "a &", "a & b", "a b", "(a", "a)", "&& a", "a + b", &"(".repeat(1000), &"!".repeat(1000)]
        {
            assert!(Conditions::parse(text).is_err(), "{text}");
        }
    }
}
