//! Node field selectors: `displayName=approve,phase!=Failed`.
//! Does not walk the nodes.

use crate::node::Node;

/// Terms that must all hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector(Vec<Term>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    field: String,
    equal: bool,
    value: String,
}

impl Selector {
    /// Parses terms separated by commas; operators `=`, `==` and `!=`. Fields: `displayName`, `id`, `name`,
    /// `templateName`, `phase`, `templateRef.name`, `templateRef.template`, `inputs.parameters.<n>.value`.
    ///
    /// # Errors
    /// A text for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut terms = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (field, equal, value) = if let Some((field, value)) = part.split_once("!=") {
                (field, false, value)
            } else if let Some((field, value)) = part.split_once("==") {
                (field, true, value)
            } else if let Some((field, value)) = part.split_once('=') {
                (field, true, value)
            } else {
                return Err(format!("`{part}` is no selector term: write field=value or field!=value"));
            };
            let field = field.trim();
            if !known(field) {
                return Err(format!(
                    "`{field}` cannot be selected by: use displayName, id, name, templateName, phase, \
                     templateRef.name, templateRef.template or inputs.parameters.<name>.value"
                ));
            }
            terms.push(Term { field: field.to_owned(), equal, value: value.trim().to_owned() });
        }
        Ok(Self(terms))
    }

    /// True when nothing is selected by: everything matches.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// True when all terms hold for the node. A field that the node lacks equals nothing.
    pub fn matches(&self, node: &Node) -> bool {
        self.0.iter().all(|term| (value(&term.field, node).as_deref() == Some(&term.value)) == term.equal)
    }
}

fn known(field: &str) -> bool {
    matches!(
        field,
        "displayName"
            | "id"
            | "name"
            | "templateName"
            | "phase"
            | "templateRef.name"
            | "templateRef.template"
    ) || (field.starts_with("inputs.parameters.") && field.ends_with(".value"))
}

fn value(field: &str, node: &Node) -> Option<String> {
    match field {
        "displayName" => Some(node.display_name.clone()),
        "id" => Some(node.id.clone()),
        "name" => Some(node.name.clone()),
        "templateName" => Some(node.template_name.clone()),
        "phase" => Some(node.phase.as_str().to_owned()),
        "templateRef.name" => node.template_ref.as_ref().map(|r| r.name.clone()),
        "templateRef.template" => node.template_ref.as_ref().map(|r| r.template.clone()),
        _ => {
            let name = field.strip_prefix("inputs.parameters.")?.strip_suffix(".value")?;
            let parameter = node.inputs.parameters.iter().find(|p| p.name == name)?;
            parameter.value.as_ref().map(|v| v.0.clone())
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn terms_and_their_errors() {
        assert_eq!(Selector::parse("displayName=a,phase!=Failed").unwrap().0.len(), 2);
        assert!(Selector::parse("").unwrap().is_empty());
        assert!(Selector::parse("colour=red").is_err());
        assert!(Selector::parse("phase").is_err());
    }
}
