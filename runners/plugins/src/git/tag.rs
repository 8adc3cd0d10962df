//! `tag`: a tag at a revision; setting it twice is setting it once.
//! Never moves a tag that points elsewhere.

use serde::Deserialize;

use super::repository::Push;
use super::{Author, Repository, TRAILER, names, signature};
use crate::work::{Failure, Outputs, Result, Step, say};

/// The fields of `tag`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tag {
    /// Its name.
    pub name: String,
    /// What it names: branch, tag or commit.
    pub revision: String,
    /// Makes it an annotated tag.
    pub message: Option<String>,
    /// Who signs an annotated tag.
    pub author: Option<Author>,
}

/// Sets the tag and gives its `commit`.
pub(super) fn run(repository: &Repository, fields: &Tag, step: &Step) -> Result<Outputs> {
    let name = names::reference("tag.name", &fields.name)?;
    let revision = names::revision("tag.revision", &fields.revision)?;
    // Two rounds: who loses a race looks again at what is there.
    for _round in 0..2 {
        repository.fetch()?;
        let commit = repository.must("tag.revision", &revision)?;
        let there = repository.resolve_tag(&name)?;
        match there {
            Some(there) if there == commit => {
                say(&format!("tag {name} is there"));
                return Ok(Outputs::from([("commit".to_owned(), commit), ("tag".to_owned(), name)]));
            }
            Some(there) => {
                return Err(Failure::Refused(format!("tag {name} names {there} already, not {commit}")));
            }
            None => {}
        }
        let object = match &fields.message {
            None => commit.clone(),
            Some(message) => annotated(repository, fields, &commit, &name, message, step)?,
        };
        if repository.push(&object, &format!("refs/tags/{name}"))? == Push::Done {
            return Ok(Outputs::from([("commit".to_owned(), commit), ("tag".to_owned(), name)]));
        }
    }
    Err(Failure::Trouble(format!("tag {name}: somebody else is setting it")))
}

fn annotated(
    repository: &Repository,
    fields: &Tag,
    commit: &str,
    name: &str,
    message: &str,
    step: &Step,
) -> Result<String> {
    let signature = signature(fields.author.as_ref())?;
    let env: Vec<(&str, &str)> = signature.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let tagger = repository.feed(&["var", "GIT_COMMITTER_IDENT"], &env, b"")?;
    let text = format!(
        "object {commit}\ntype commit\ntag {name}\ntagger {}\n\n{}\n\n{TRAILER}: {}\n",
        tagger.trim(),
        message.trim(),
        step.key
    );
    repository.feed(&["mktag"], &[], text.as_bytes()).map(|hash| hash.trim().to_owned())
}
