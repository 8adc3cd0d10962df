//! The grammar of a DAG task's `depends`: task results joined by `&&`, `||`, `!` and parentheses.
//! It does not know nodes; the caller answers whether a task has a result.

use super::error::ExprError;
use super::limits;

/// A result that `depends` can ask for, as in `A.Succeeded`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TaskResult {
    /// Phase Succeeded.
    Succeeded,
    /// Phase Failed.
    Failed,
    /// Phase Error.
    Errored,
    /// Phase Skipped (its `when` was false).
    Skipped,
    /// Phase Omitted (its `depends` was false).
    Omitted,
    /// A daemon that is up.
    Daemoned,
    /// At least one child of a loop succeeded.
    AnySucceeded,
    /// All children of a loop failed (phase Failed only).
    AllFailed,
}

impl TaskResult {
    /// All results.
    pub const ALL: [Self; 8] = [
        Self::Succeeded,
        Self::Failed,
        Self::Errored,
        Self::Skipped,
        Self::Omitted,
        Self::Daemoned,
        Self::AnySucceeded,
        Self::AllFailed,
    ];

    /// What a bare task name asks for, one of these: `A` is `(A.Succeeded || A.Skipped || A.Daemoned)`.
    pub const BARE: [Self; 3] = [Self::Succeeded, Self::Skipped, Self::Daemoned];

    /// The name as written in `depends`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Errored => "Errored",
            Self::Skipped => "Skipped",
            Self::Omitted => "Omitted",
            Self::Daemoned => "Daemoned",
            Self::AnySucceeded => "AnySucceeded",
            Self::AllFailed => "AllFailed",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|r| r.name() == text)
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Node {
    Task { task: String, result: Option<TaskResult> },
    Not(Box<Node>),
    All(Vec<Node>),
    Any(Vec<Node>),
}

/// A parsed `depends`.
#[derive(Clone, Debug, PartialEq)]
pub struct Depends {
    root: Node,
}

/// Parses a `depends`.
///
/// # Errors
/// Syntax, with the byte offset; also for a result that does not exist.
pub fn parse(text: &str) -> Result<Depends, ExprError> {
    if text.len() > limits::MAX_EXPRESSION_BYTES {
        return Err(ExprError::fuel("depends is too long"));
    }
    let mut parser = Parser { text, at: 0, depth: 0 };
    let root = parser.any()?;
    parser.space();
    if parser.at < text.len() {
        return Err(parser.unexpected("an operator (&&, ||) or the end"));
    }
    Ok(Depends { root })
}

impl Depends {
    /// The conjunction that `dependencies: [A, B]` stands for; `None` when the list is empty.
    pub fn from_dependencies<S: AsRef<str>>(names: &[S]) -> Option<Self> {
        let mut nodes: Vec<Node> =
            names.iter().map(|n| Node::Task { task: n.as_ref().to_owned(), result: None }).collect();
        let root = if nodes.len() > 1 { Node::All(nodes) } else { nodes.pop()? };
        Some(Self { root })
    }

    /// Every task named, with the result asked for (`None`: the bare name), in the order written.
    pub fn tasks(&self) -> Vec<(String, Option<TaskResult>)> {
        let mut found = Vec::new();
        collect(&self.root, &mut found);
        found
    }

    /// Whether the condition holds, with a bare name as one of [`TaskResult::BARE`].
    pub fn evaluate(&self, has: &dyn Fn(&str, TaskResult) -> bool) -> bool {
        self.evaluate_with(has, &|task| TaskResult::BARE.into_iter().any(|r| has(task, r)))
    }

    /// Whether the condition holds, with the caller's reading of a bare name: a task with
    /// `continueOn` accepts Failed or Errored as well.
    pub fn evaluate_with(&self, has: &dyn Fn(&str, TaskResult) -> bool, bare: &dyn Fn(&str) -> bool) -> bool {
        fn holds(node: &Node, has: &dyn Fn(&str, TaskResult) -> bool, bare: &dyn Fn(&str) -> bool) -> bool {
            match node {
                Node::Task { task, result: Some(result) } => has(task, *result),
                Node::Task { task, result: None } => bare(task),
                Node::Not(inner) => !holds(inner, has, bare),
                Node::All(nodes) => nodes.iter().all(|n| holds(n, has, bare)),
                Node::Any(nodes) => nodes.iter().any(|n| holds(n, has, bare)),
            }
        }
        holds(&self.root, has, bare)
    }
}

fn collect(node: &Node, into: &mut Vec<(String, Option<TaskResult>)>) {
    match node {
        Node::Task { task, result } => into.push((task.clone(), *result)),
        Node::Not(inner) => collect(inner, into),
        Node::All(nodes) | Node::Any(nodes) => nodes.iter().for_each(|n| collect(n, into)),
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn unexpected(&self, wanted: &str) -> ExprError {
        let message = match self.rest().chars().next() {
            Some(c) => format!("depends: expected {wanted}, found '{c}'"),
            None => format!("depends: expected {wanted}, found the end"),
        };
        ExprError::syntax(self.at, message)
    }

    /// Takes a symbol, or its word when it stands as a word of its own.
    fn take(&mut self, symbol: &str, word: &str) -> bool {
        self.space();
        if self.rest().starts_with(symbol) {
            self.at += symbol.len();
            return true;
        }
        if word_len(self.rest()) == word.len() && self.rest().starts_with(word) {
            self.at += word.len();
            return true;
        }
        false
    }

    fn any(&mut self) -> Result<Node, ExprError> {
        let first = self.all()?;
        let mut nodes = vec![first];
        while self.take("||", "or") {
            nodes.push(self.all()?);
        }
        Ok(if nodes.len() == 1 { nodes.swap_remove(0) } else { Node::Any(nodes) })
    }

    fn all(&mut self) -> Result<Node, ExprError> {
        let first = self.unary()?;
        let mut nodes = vec![first];
        while self.take("&&", "and") {
            nodes.push(self.unary()?);
        }
        Ok(if nodes.len() == 1 { nodes.swap_remove(0) } else { Node::All(nodes) })
    }

    fn unary(&mut self) -> Result<Node, ExprError> {
        self.depth += 1;
        if self.depth > limits::MAX_DEPTH {
            return Err(ExprError::fuel("depends nests too deep").at(self.at));
        }
        self.space();
        let node = if self.rest().starts_with('!') || self.not_word() {
            self.at += if self.rest().starts_with('!') { 1 } else { 3 };
            Node::Not(Box::new(self.unary()?))
        } else if self.rest().starts_with('(') {
            self.at += 1;
            let inner = self.any()?;
            self.space();
            if !self.rest().starts_with(')') {
                return Err(self.unexpected("')'"));
            }
            self.at += 1;
            inner
        } else {
            self.task()?
        };
        self.depth -= 1;
        Ok(node)
    }

    /// `not` is an operator only when an operand follows, else it is a task of that name.
    fn not_word(&self) -> bool {
        let rest = self.rest();
        if word_len(rest) != 3 || !rest.starts_with("not") {
            return false;
        }
        let after = rest.get(3..).unwrap_or_default().trim_start();
        let len = word_len(after);
        let word = after.get(..len).unwrap_or_default();
        after.starts_with(['(', '!']) || (len > 0 && word != "and" && word != "or")
    }

    fn task(&mut self) -> Result<Node, ExprError> {
        let len = word_len(self.rest());
        if len == 0 {
            return Err(self.unexpected("a task name"));
        }
        let start = self.at;
        let word = self.rest().get(..len).unwrap_or_default().to_owned();
        self.at += len;
        let Some((task, result)) = word.split_once('.') else {
            return Ok(Node::Task { task: word, result: None });
        };
        if task.is_empty() {
            return Err(ExprError::syntax(start, "depends: expected a task name before '.'"));
        }
        match TaskResult::parse(result) {
            Some(known) => Ok(Node::Task { task: task.to_owned(), result: Some(known) }),
            None => {
                let names: Vec<&str> = TaskResult::ALL.iter().map(|r| r.name()).collect();
                let hint = super::suggest::did_you_mean(result, names.iter().copied());
                let message = format!(
                    "depends: '{result}' is not a task result{hint}; results are {}",
                    names.join(", ")
                );
                Err(ExprError::syntax(start + task.len() + 1, message))
            }
        }
    }
}

fn word_len(text: &str) -> usize {
    text.find(|c: char| !(c.is_alphanumeric() || matches!(c, '-' | '_' | '.'))).unwrap_or(text.len())
}
