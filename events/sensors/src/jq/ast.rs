//! The tree of a jq filter.
//! Does not evaluate it.

/// An operator between two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Add,
    Sub,
    Mul,
    Div,
    Rem,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

/// How an assignment makes the new value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Assign {
    /// `=`
    Set,
    /// `|=`
    Update,
    /// `+=` and the like.
    With(Op),
    /// `//=`
    Alternative,
}

/// A part of a text with interpolations.
#[derive(Clone, Debug)]
pub(super) enum Part {
    Text(String),
    Value(Ast),
}

/// What `as` binds.
#[derive(Clone, Debug)]
pub(super) enum Pattern {
    Var(String),
    List(Vec<Pattern>),
    Map(Vec<(Ast, Option<String>, Option<Pattern>)>),
}

/// A definition.
#[derive(Clone, Debug)]
pub(super) struct Def {
    pub(super) name: String,
    pub(super) params: Vec<String>,
    pub(super) body: Ast,
}

/// A filter.
#[derive(Clone, Debug)]
pub(super) enum Ast {
    Identity,
    Recurse,
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    /// A text, and the format (`@json`) of its interpolations.
    Text(Option<String>, Vec<Part>),
    /// A format by itself.
    Format(String),
    Var(String),
    Index(Box<Ast>, Box<Ast>),
    Slice(Box<Ast>, Option<Box<Ast>>, Option<Box<Ast>>),
    Each(Box<Ast>),
    Try(Box<Ast>, Option<Box<Ast>>),
    List(Option<Box<Ast>>),
    Map(Vec<(Ast, Ast)>),
    Neg(Box<Ast>),
    Pipe(Box<Ast>, Box<Ast>),
    Comma(Box<Ast>, Box<Ast>),
    Binary(Op, Box<Ast>, Box<Ast>),
    And(Box<Ast>, Box<Ast>),
    Or(Box<Ast>, Box<Ast>),
    Alternative(Box<Ast>, Box<Ast>),
    Assign(Assign, Box<Ast>, Box<Ast>),
    If(Box<Ast>, Box<Ast>, Option<Box<Ast>>),
    As(Box<Ast>, Pattern, Box<Ast>),
    Reduce(Box<Ast>, Pattern, Box<Ast>, Box<Ast>),
    Foreach(Box<Ast>, Pattern, Box<Ast>, Box<Ast>, Option<Box<Ast>>),
    Define(Box<Def>, Box<Ast>),
    Label(String, Box<Ast>),
    Break(String),
    Call(String, Vec<Ast>),
}
