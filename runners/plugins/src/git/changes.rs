//! `changes`: which paths differ between two revisions, asked of git and not of an event's list of commits (S2.22).
//! Decides nothing about what the changes mean.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use super::{Repository, names};
use crate::work::{Failure, Outputs, Result, say};

/// The fields of `changes`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Changes {
    /// The older revision; zeros (a branch was made) or a commit that is gone mean: compare with `base`.
    pub before: String,
    /// The newer revision; zeros (a branch was deleted) mean: nothing changed.
    pub after: String,
    /// What to compare with when there is no older revision: a branch, or nothing for "everything is new".
    #[serde(default)]
    pub base: String,
    /// Only paths in this folder; `names` are the entries directly below it.
    #[serde(default)]
    pub under: String,
}

/// Gives `paths`, `names` and `items` as JSON lists, their `count` and the two commits.
pub(super) fn run(repository: &Repository, fields: &Changes) -> Result<Outputs> {
    let under = match fields.under.as_str() {
        "" => String::new(),
        given => names::path("changes.under", given)?,
    };
    for (what, text) in [("changes.before", &fields.before), ("changes.after", &fields.after)] {
        names::revision(what, text)?;
    }
    if names::is_zero(&fields.after) {
        say("there is no newer revision: nothing changed");
        return Ok(outputs("", "", &[], &under));
    }
    repository.fetch()?;
    let after = repository.must("changes.after", &names::revision("changes.after", &fields.after)?)?;
    let before = older(repository, fields)?;
    let spec = if under.is_empty() { vec![] } else { vec![under.as_str()] };
    let mut args =
        vec!["diff-tree", "-r", "-z", "--name-only", "--no-renames", "--no-ext-diff", "--no-textconv"];
    args.extend(["--end-of-options", before.as_str(), after.as_str(), "--"]);
    args.extend(spec);
    let said = repository.git(&args)?;
    let paths: Vec<&str> = said.split('\0').filter(|path| !path.is_empty()).collect();
    say(&format!("{} paths differ between {before} and {after}", paths.len()));
    Ok(outputs(&before, &after, &paths, &under))
}

/// The commit or tree to compare with.
fn older(repository: &Repository, fields: &Changes) -> Result<String> {
    let before = names::revision("changes.before", &fields.before)?;
    let missing = names::is_zero(&before);
    if !missing && let Some(found) = repository.resolve(&before)? {
        return Ok(found);
    }
    if fields.base.is_empty() {
        if missing {
            // A new branch and nothing to compare with: everything in it is new.
            return repository
                .feed(&["hash-object", "-t", "tree", "-w", "--stdin"], &[], b"")
                .map(|hash| hash.trim().to_owned());
        }
        return Err(Failure::Refused(format!(
            "changes.before: {before:?} is not in the repository (a forced push?) and there is no base to compare with"
        )));
    }
    say(&format!("there is no {before}: comparing with {}", fields.base));
    repository.must("changes.base", &names::revision("changes.base", &fields.base)?)
}

fn outputs(before: &str, after: &str, paths: &[&str], under: &str) -> Outputs {
    let mut entries: BTreeMap<&str, String> = BTreeMap::new();
    for path in paths {
        let below = if under.is_empty() {
            Some(*path)
        } else {
            path.strip_prefix(under).and_then(|rest| rest.strip_prefix('/'))
        };
        let Some(below) = below else { continue };
        let first = below.split('/').next().unwrap_or(below);
        let whole = if under.is_empty() { first.to_owned() } else { format!("{under}/{first}") };
        // A file directly below stands for what it is called without its ending.
        let name = if below == first { first.split('.').next().unwrap_or(first) } else { first };
        // A folder and a file of one name are told apart by the ending.
        let taken = entries.get(name).is_some_and(|other| *other != whole);
        entries.insert(if name.is_empty() || taken { first } else { name }, whole);
    }
    let names: Vec<&&str> = entries.keys().collect();
    let items: Vec<_> = entries.iter().map(|(name, path)| json!({"name": name, "path": path})).collect();
    Outputs::from([
        ("before".to_owned(), before.to_owned()),
        ("after".to_owned(), after.to_owned()),
        ("paths".to_owned(), json!(paths).to_string()),
        ("names".to_owned(), json!(names).to_string()),
        ("items".to_owned(), json!(items).to_string()),
        ("count".to_owned(), names.len().to_string()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_entries_below_the_folder() {
        let found = outputs(
            "a",
            "b",
            &["manifests/shop/deploy.yaml", "manifests/shop/svc.yaml", "manifests/pay.yaml"],
            "manifests",
        );
        assert_eq!(found["names"], r#"["pay","shop"]"#);
        assert_eq!(
            found["items"],
            r#"[{"name":"pay","path":"manifests/pay.yaml"},{"name":"shop","path":"manifests/shop"}]"#
        );
        assert_eq!(found["count"], "2");
    }
}
