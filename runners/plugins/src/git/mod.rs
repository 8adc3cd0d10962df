//! The typed step `git`: clone, changed paths, commit, tag, merge request and comment, safe to execute again (F68, F69).
//! Knows no workflow: it gets fields and a step key, and gives output parameters.

mod changes;
mod clone;
mod commit;
mod edits;
pub mod names;
mod remote;
pub mod repository;
mod tag;

use serde::Deserialize;

use crate::forge::{self, Comment, Forge, MergeRequest};
use crate::work::{Failure, Outputs, Result, Step};

pub use changes::Changes;
pub use clone::Checkout;
pub(crate) use clone::export;
pub use commit::Commit;
pub use edits::Edit;
pub use remote::{Credentials, Remote};
pub use repository::Repository;
pub use tag::Tag;

/// Who signs commits and tags when the template does not say.
const AUTHOR: (&str, &str) = ("runner", "runner@localhost");
/// Trailer that tells which step made a commit (F68).
pub const TRAILER: &str = "Runner-Step-Key";

/// The fields under `plugin: {git: ...}`: a repository, perhaps a forge, and exactly one action.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GitStep {
    /// The repository; not needed for `comment`.
    pub repository: Option<Remote>,
    /// Where merge requests and comments go.
    pub forge: Option<Forge>,
    /// Puts the files of a revision into a folder.
    pub clone: Option<Checkout>,
    /// Says what changed between two revisions.
    pub changes: Option<Changes>,
    /// Edits, commits and pushes, and opens or updates a merge request.
    pub commit: Option<Commit>,
    /// Sets a tag.
    pub tag: Option<Tag>,
    /// Opens or updates a merge request for branches that exist.
    pub merge_request: Option<MergeRequest>,
    /// Writes or updates a comment.
    pub comment: Option<Comment>,
}

/// Author of commits and tags.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Author {
    /// Name.
    pub name: String,
    /// Mail address.
    pub email: String,
}

/// Does what the step says.
///
/// # Errors
/// The fields are wrong, the repository or the forge refuses, or cannot be reached.
pub fn run(fields: serde_json::Value, step: &Step) -> Result<Outputs> {
    let git: GitStep = crate::work::read("git", fields)?;
    let actions = [
        git.clone.is_some(),
        git.changes.is_some(),
        git.commit.is_some(),
        git.tag.is_some(),
        git.merge_request.is_some(),
        git.comment.is_some(),
    ];
    if actions.iter().filter(|there| **there).count() != 1 {
        return Err(Failure::Input(
            "plugin git: write exactly one of clone, changes, commit, tag, mergeRequest and comment"
                .to_owned(),
        ));
    }
    if let Some(comment) = &git.comment {
        return forge::comment(need_forge(&git)?, comment);
    }
    if let Some(request) = &git.merge_request {
        return forge::merge_request(need_forge(&git)?, request, step);
    }
    let Some(remote) = &git.repository else {
        return Err(Failure::Input("plugin git: repository is missing".to_owned()));
    };
    let repository = Repository::open(remote)?;
    if let Some(clone) = &git.clone {
        return clone::run(&repository, clone);
    }
    if let Some(changes) = &git.changes {
        return changes::run(&repository, changes);
    }
    if let Some(tag) = &git.tag {
        return tag::run(&repository, tag, step);
    }
    match &git.commit {
        Some(commit) => commit::run(&repository, commit, git.forge.as_ref(), step),
        None => Ok(Outputs::new()),
    }
}

fn need_forge(git: &GitStep) -> Result<&Forge> {
    git.forge.as_ref().ok_or_else(|| Failure::Input("plugin git: forge is missing".to_owned()))
}

/// Variables that make git write the author.
fn signature(author: Option<&Author>) -> Result<Vec<(&'static str, String)>> {
    let (name, email) = author.map_or(AUTHOR, |author| (author.name.as_str(), author.email.as_str()));
    if [name, email].iter().any(|text| text.contains(['<', '>', '\n', '\0']) || text.trim().is_empty()) {
        return Err(Failure::Input(format!("author {name:?} {email:?}: not a name and an address")));
    }
    Ok(vec![
        ("GIT_AUTHOR_NAME", name.to_owned()),
        ("GIT_AUTHOR_EMAIL", email.to_owned()),
        ("GIT_COMMITTER_NAME", name.to_owned()),
        ("GIT_COMMITTER_EMAIL", email.to_owned()),
    ])
}
