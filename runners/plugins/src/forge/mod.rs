//! Merge requests (GitLab), pull requests (GitHub) and their comments: looked up before they are made (F69).
//! Knows the REST calls of both forges; knows no git.

mod github;
mod gitlab;
mod text;

use serde::Deserialize;

use crate::work::api::{Access, Api};
use crate::work::fields::{Flag, Texts};
use crate::work::secret::Secret;
use crate::work::{Failure, Outputs, Result, Step, say};

use text::{comment_marker, marked, step_marker};

/// Which forge, where, and with which token.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Forge {
    /// The kind of forge.
    pub kind: Kind,
    /// Its address: `https://gitlab.example.com`, or the address of GitHub's API (default `https://api.github.com`).
    #[serde(default)]
    pub url: String,
    /// `group/project` or its number (GitLab), `owner/repository` (GitHub).
    #[serde(default)]
    pub project: String,
    /// The token; it goes to `url` and nowhere else.
    pub token: Option<Secret>,
    /// Certificates are not checked.
    #[serde(default)]
    pub insecure: Flag,
    /// Further certificates to trust, as PEM.
    pub ca: Option<Secret>,
}

/// The forges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// GitLab, REST v4.
    Gitlab,
    /// GitHub, REST v3.
    Github,
    /// A repository without a forge: branches are pushed, requests and comments are left out and logged.
    None,
}

/// A merge request (GitLab) or pull request (GitHub).
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MergeRequest {
    /// The branch to merge.
    pub source: String,
    /// The branch to merge into.
    pub target: String,
    /// Title.
    pub title: String,
    /// Description.
    #[serde(default)]
    pub description: String,
    /// Labels.
    #[serde(default)]
    pub labels: Texts,
    /// The source branch goes when it is merged (GitLab; a setting of the repository at GitHub).
    #[serde(default)]
    pub remove_source_branch: Flag,
}

/// A comment under a merge request.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Comment {
    /// Number of the merge request.
    pub merge_request: String,
    /// Names the comment: a comment of this name is updated, not repeated.
    pub marker: String,
    /// What it says, in Markdown.
    pub body: String,
}

/// A request as the forge lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Found {
    id: String,
    url: String,
    title: String,
    description: String,
    open: bool,
}

/// What a forge can do. All calls are single requests, apart from the listings.
trait Calls {
    /// Requests from a branch into another, newest first, in whatever state.
    fn requests(&self, wanted: &MergeRequest) -> Result<Vec<Found>>;
    /// Makes one; nothing if there is one already (409, or GitHub's 422).
    fn create(&self, wanted: &MergeRequest, description: &str) -> Result<Option<Found>>;
    /// Changes title and description.
    fn update(&self, found: &Found, wanted: &MergeRequest, description: &str) -> Result<Found>;
    /// The comment that holds a text: its id and body.
    fn find_comment(&self, request: &str, needle: &str) -> Result<Option<(String, String)>>;
    /// Writes a comment, or over one.
    fn write_comment(&self, request: &str, id: Option<&str>, body: &str) -> Result<String>;
}

fn open(forge: &Forge) -> Result<Box<dyn Calls>> {
    let token = forge.token.as_ref().map(Secret::read).transpose()?;
    let ca = forge.ca.as_ref().map(Secret::read_text).transpose()?;
    let access = |header: Option<(&'static str, String)>| Access { header, insecure: forge.insecure.0, ca };
    let bad = |text: &str| Err(Failure::Input(format!("forge.{text}")));
    if forge.project.is_empty() {
        return bad("project is missing");
    }
    match forge.kind {
        Kind::Gitlab => {
            if forge.url.is_empty() {
                return bad("url is missing");
            }
            let api = Api::new("GitLab", &forge.url, &access(token.map(|token| ("private-token", token))))?;
            Ok(Box::new(gitlab::GitLab { api, project: forge.project.clone() }))
        }
        Kind::Github => {
            let Some((owner, name)) = forge.project.split_once('/') else {
                return bad("project is owner/repository for GitHub");
            };
            let url = if forge.url.is_empty() { "https://api.github.com" } else { &forge.url };
            let header = token.map(|token| ("authorization", format!("Bearer {token}")));
            let api = Api::new("GitHub", url, &access(header))?;
            Ok(Box::new(github::GitHub { api, owner: owner.to_owned(), repository: name.to_owned() }))
        }
        Kind::None => bad("kind none has no calls"),
    }
}

/// Opens a merge request, or finds the one that is there, whoever made it; gives `mergeRequestUrl` and `mergeRequestId`.
///
/// A request that this step made before is recognised by a mark in its description in every state: one that was
/// merged or closed meanwhile is not made again. An open one of the same branches is brought up to date.
///
/// # Errors
/// The forge refuses or cannot be reached.
pub fn merge_request(forge: &Forge, wanted: &MergeRequest, step: &Step) -> Result<Outputs> {
    if forge.kind == Kind::None {
        say(&format!("no forge: {} waits to be merged into {} by hand", wanted.source, wanted.target));
        return Ok(Outputs::new());
    }
    let calls = open(forge)?;
    let mark = step_marker(&step.key);
    let description = marked(&wanted.description, &mark);
    // Two rounds: "there is one already" sends us back to the list, once.
    for _round in 0..2 {
        let known = calls.requests(wanted)?;
        if let Some(own) = known.iter().find(|found| found.description.contains(&mark)) {
            say(&format!("merge request {} is of this step: adopted", own.id));
            return Ok(request_outputs(own));
        }
        if let Some(other) = known.iter().find(|found| found.open) {
            say(&format!("merge request {} is open for these branches: brought up to date", other.id));
            return calls.update(other, wanted, &description).map(|found| request_outputs(&found));
        }
        if let Some(made) = calls.create(wanted, &description)? {
            say(&format!("opened merge request {}", made.url));
            return Ok(request_outputs(&made));
        }
    }
    Err(Failure::Trouble(format!(
        "the forge says that there is a merge request from {} to {}, but does not list it",
        wanted.source, wanted.target
    )))
}

fn request_outputs(found: &Found) -> Outputs {
    Outputs::from([
        ("mergeRequestUrl".to_owned(), found.url.clone()),
        ("mergeRequestId".to_owned(), found.id.clone()),
    ])
}

/// Writes a comment, or over the one with the same marker; gives `commentId`.
///
/// # Errors
/// The forge refuses or cannot be reached.
pub fn comment(forge: &Forge, comment: &Comment) -> Result<Outputs> {
    if forge.kind == Kind::None {
        say("no forge: the comment is left out");
        return Ok(Outputs::new());
    }
    let mark = comment_marker(&comment.marker)?;
    if comment.merge_request.is_empty() || !comment.merge_request.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Failure::Input(format!(
            "comment.mergeRequest {:?} is not a number",
            comment.merge_request
        )));
    }
    let body = marked(&comment.body, &mark);
    let calls = open(forge)?;
    let id = match calls.find_comment(&comment.merge_request, &mark)? {
        Some((id, same)) if same == body => id,
        Some((id, _)) => calls.write_comment(&comment.merge_request, Some(&id), &body)?,
        None => calls.write_comment(&comment.merge_request, None, &body)?,
    };
    Ok(Outputs::from([("commentId".to_owned(), id)]))
}
