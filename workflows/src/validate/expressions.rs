//! Syntax of expressions: `{{=…}}` tags, `expression` fields, `when`, `depends`.
//! Does not evaluate them, and does not refuse names: an expression may handle what is absent.

use serde_json::Value;

use super::checker::Checker;
use super::report::Place;
use super::scope::Scope;
use super::tags::{self, Tag};
use crate::expr::{self, ExprError, ExprErrorKind, Fuel};
use crate::resolve::has_tag;
use crate::spec::Template;

/// Fields whose whole text is an expression.
const EXPRESSIONS: [&str; 2] = ["expression", "fromExpression"];

impl Checker<'_> {
    /// Checks the syntax of every expression in a template as written, and the names in its tags.
    pub(super) fn expressions(&mut self, template: &Template, scope: &Scope, place: &Place) {
        let Ok(value) = serde_json::to_value(template) else { return };
        self.expressions_in(&value, &mut String::new(), "", place);
        self.check_expressions(&value, scope, place);
    }

    /// Checks the syntax of every expression in a JSON value; `field` is the name of the value.
    pub(super) fn expressions_in(&mut self, value: &Value, pointer: &mut String, field: &str, place: &Place) {
        match value {
            Value::String(text) => {
                self.expression_text(text, field, &place.field(pointer.trim_start_matches('/')))
            }
            Value::Array(list) => {
                for (index, element) in list.iter().enumerate() {
                    let length = pointer.len();
                    pointer.push_str(&format!("/{index}"));
                    self.expressions_in(element, pointer, field, place);
                    pointer.truncate(length);
                }
            }
            Value::Object(map) => {
                for (key, element) in map {
                    let length = pointer.len();
                    pointer.push_str(&format!("/{}", key.replace('~', "~0").replace('/', "~1")));
                    self.expressions_in(element, pointer, key, place);
                    pointer.truncate(length);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn expression_text(&mut self, text: &str, field: &str, place: &Place) {
        for tag in tags::tags(text) {
            match tag {
                Tag::Expression(source) if !has_tag(source) => {
                    if let Err(error) = expr::compile(source) {
                        self.bad_expression(source, &error, place);
                    }
                }
                Tag::Simple(_) | Tag::Expression(_) => {}
                Tag::Unclosed(_) => {
                    self.reporter.warning(place, "tag-unclosed", "a tag starts with {{ and has no end");
                }
            }
        }
        if has_tag(text) || text.is_empty() {
            return;
        }
        let found = match field {
            "depends" => expr::depends::parse(text).err(),
            // Without a tag the condition is the same in every run.
            "when" => expr::when::evaluate(text, &mut Fuel::default()).err(),
            _ if EXPRESSIONS.contains(&field) => expr::compile(text).err(),
            _ => None,
        };
        if let Some(error) = found {
            self.bad_expression(text, &error, place);
        }
    }

    fn bad_expression(&mut self, source: &str, error: &ExprError, place: &Place) {
        let at = error.offset.map_or_else(String::new, |offset| format!(" at character {}", offset + 1));
        let text = format!("expression `{}`: {}{at}", source.trim(), error.message);
        if error.kind == ExprErrorKind::Syntax {
            self.reporter.error(place, "expression-syntax", text);
        } else {
            self.reporter.warning(place, "expression", text);
        }
    }
}
