//! A JSON value whose string leaves and map keys are template texts: an Argo object with its tags.
//! It knows no fields; what must not be filled in early is cut out by the caller.

use super::error::ExprError;
use super::fuel::Fuel;
use super::taint::Splice;
use super::text::{TagRef, Text};
use super::vars::Vars;
use super::{Value, limits};

/// A compiled JSON value.
#[derive(Clone, Debug)]
pub struct Tree {
    root: Node,
}

#[derive(Clone, Debug)]
enum Node {
    /// A part without tags.
    Constant(Value),
    Text(Box<Text>),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

#[derive(Clone, Debug)]
enum Key {
    Constant(String),
    Text(Box<Text>),
}

/// A rendered JSON value and what could not be filled in (see [`super::Rendered`]).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RenderedTree {
    /// The value; a leaf with tags is always a string, as in Argo.
    pub value: Value,
    /// Names that no scope has.
    pub unresolved: Vec<String>,
    /// Names of absent outputs.
    pub absent: Vec<String>,
}

impl Tree {
    /// Compiles a JSON value.
    ///
    /// # Errors
    /// The JSON pointer of the leaf, and its error.
    pub fn compile(value: &Value) -> Result<Self, (String, ExprError)> {
        let mut pointer = String::new();
        let root = compile(value, &mut pointer, 0).map_err(|e| (pointer, e))?;
        Ok(Self { root })
    }

    /// Whether it has no tags.
    pub fn is_literal(&self) -> bool {
        matches!(self.root, Node::Constant(_))
    }

    /// All tags, in the order of the value.
    pub fn tags(&self) -> Vec<TagRef> {
        self.located_tags().into_iter().map(|(_, tag)| tag).collect()
    }

    /// All tags with the JSON pointer of their string.
    pub fn located_tags(&self) -> Vec<(String, TagRef)> {
        let mut found = Vec::new();
        let mut pointer = String::new();
        tags(&self.root, &mut pointer, &mut found);
        found
    }

    /// The values of strangers that rendering puts in, each with the JSON pointer of its string as it is written here.
    ///
    /// # Errors
    /// The first error of a leaf.
    pub fn splices(&self, vars: &Vars) -> Result<Vec<(String, Splice)>, ExprError> {
        let mut found = Vec::new();
        if vars.has_taint() {
            splices(&self.root, &mut String::new(), vars, &mut found)?;
        }
        Ok(found)
    }

    /// Fills the tags in.
    ///
    /// # Errors
    /// The first error of a leaf.
    pub fn render(&self, vars: &Vars, fuel: &mut Fuel) -> Result<RenderedTree, ExprError> {
        let mut out = RenderedTree::default();
        out.value = render(&self.root, vars, fuel, &mut out)?;
        Ok(out)
    }
}

fn extend(pointer: &mut String, key: &str) -> usize {
    let length = pointer.len();
    pointer.push('/');
    pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
    length
}

/// On error the pointer is left at the leaf.
fn compile(value: &Value, pointer: &mut String, depth: usize) -> Result<Node, ExprError> {
    if depth > limits::MAX_VALUE_DEPTH {
        return Err(ExprError::fuel("a value nests too deep"));
    }
    match value {
        Value::String(text) if text.contains("{{") => Ok(Node::Text(Box::new(Text::compile(text)?))),
        Value::Array(items) => {
            let mut nodes = Vec::with_capacity(items.len());
            for (i, item) in items.iter().enumerate() {
                let length = extend(pointer, &i.to_string());
                nodes.push(compile(item, pointer, depth + 1)?);
                pointer.truncate(length);
            }
            let constant = nodes.iter().all(|n| matches!(n, Node::Constant(_)));
            Ok(if constant { Node::Constant(value.clone()) } else { Node::List(nodes) })
        }
        Value::Object(map) => {
            let mut nodes = Vec::with_capacity(map.len());
            for (key, item) in map {
                let length = extend(pointer, key);
                let name = if key.contains("{{") {
                    Key::Text(Box::new(Text::compile(key)?))
                } else {
                    Key::Constant(key.clone())
                };
                nodes.push((name, compile(item, pointer, depth + 1)?));
                pointer.truncate(length);
            }
            let constant = nodes.iter().all(|(k, n)| matches!((k, n), (Key::Constant(_), Node::Constant(_))));
            Ok(if constant { Node::Constant(value.clone()) } else { Node::Map(nodes) })
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            Ok(Node::Constant(value.clone()))
        }
    }
}

fn tags(node: &Node, pointer: &mut String, found: &mut Vec<(String, TagRef)>) {
    match node {
        Node::Constant(_) => {}
        Node::Text(text) => found.extend(text.tags().into_iter().map(|t| (pointer.clone(), t))),
        Node::List(nodes) => {
            for (i, item) in nodes.iter().enumerate() {
                let length = extend(pointer, &i.to_string());
                tags(item, pointer, found);
                pointer.truncate(length);
            }
        }
        Node::Map(nodes) => {
            for (key, item) in nodes {
                let name = match key {
                    Key::Constant(name) => name.as_str(),
                    Key::Text(text) => text.source(),
                };
                let length = extend(pointer, name);
                if let Key::Text(text) = key {
                    found.extend(text.tags().into_iter().map(|t| (pointer.clone(), t)));
                }
                tags(item, pointer, found);
                pointer.truncate(length);
            }
        }
    }
}

fn splices(
    node: &Node,
    pointer: &mut String,
    vars: &Vars,
    found: &mut Vec<(String, Splice)>,
) -> Result<(), ExprError> {
    match node {
        Node::Constant(_) => {}
        Node::Text(text) => found.extend(text.splices(vars)?.into_iter().map(|one| (pointer.clone(), one))),
        Node::List(nodes) => {
            for (i, item) in nodes.iter().enumerate() {
                let length = extend(pointer, &i.to_string());
                splices(item, pointer, vars, found)?;
                pointer.truncate(length);
            }
        }
        Node::Map(nodes) => {
            for (key, item) in nodes {
                let name = match key {
                    Key::Constant(name) => name.as_str(),
                    Key::Text(text) => text.source(),
                };
                let length = extend(pointer, name);
                if let Key::Text(text) = key {
                    found.extend(text.splices(vars)?.into_iter().map(|one| (pointer.clone(), one)));
                }
                splices(item, pointer, vars, found)?;
                pointer.truncate(length);
            }
        }
    }
    Ok(())
}

fn text(text: &Text, vars: &Vars, fuel: &mut Fuel, out: &mut RenderedTree) -> Result<String, ExprError> {
    let rendered = text.render(vars, fuel)?;
    merge(&mut out.unresolved, rendered.unresolved);
    merge(&mut out.absent, rendered.absent);
    Ok(rendered.text)
}

fn merge(into: &mut Vec<String>, names: Vec<String>) {
    for name in names {
        if !into.contains(&name) {
            into.push(name);
        }
    }
}

fn render(node: &Node, vars: &Vars, fuel: &mut Fuel, out: &mut RenderedTree) -> Result<Value, ExprError> {
    Ok(match node {
        Node::Constant(value) => value.clone(),
        Node::Text(leaf) => Value::String(text(leaf, vars, fuel, out)?),
        Node::List(nodes) => {
            let mut items = Vec::with_capacity(nodes.len());
            for item in nodes {
                items.push(render(item, vars, fuel, out)?);
            }
            Value::Array(items)
        }
        Node::Map(nodes) => {
            let mut map = serde_json::Map::new();
            for (key, item) in nodes {
                let name = match key {
                    Key::Constant(name) => name.clone(),
                    Key::Text(leaf) => text(leaf, vars, fuel, out)?,
                };
                map.insert(name, render(item, vars, fuel, out)?);
            }
            Value::Object(map)
        }
    })
}
