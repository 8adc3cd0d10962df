//! `commit`: one commit per step key, however often the step is executed and whoever pushes at the same time (F68, F69).
//! Never pushes by force: when somebody was faster, the edits are applied anew to what is there now.

use std::time::Duration;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::repository::Push;
use super::{Author, Edit, Repository, TRAILER, edits, names, signature};
use crate::forge::{self, Forge, MergeRequest};
use crate::work::{Failure, Outputs, Result, Step, say};

/// How often a lost race is run again. Every round somebody wins, so this many pushers can meet at one branch.
const ROUNDS: u32 = 100;
/// How far back a commit of this step is looked for in the branch itself.
const LOOK_BACK: &str = "--max-count=2000";

/// The fields of `commit`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Commit {
    /// The branch that the edits are for.
    pub onto: String,
    /// The branch that is pushed, made from `onto`; absent: `onto` itself.
    pub branch: Option<String>,
    /// What is to change, in order.
    pub edits: Vec<Edit>,
    /// The message of the commit.
    pub message: String,
    /// Who signs.
    pub author: Option<Author>,
    /// Opens or updates a merge request from `branch` to `onto`. Needs a forge.
    pub merge_request: Option<Text>,
}

/// What a merge request says.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Text {
    /// Its title.
    pub title: String,
    /// Its description.
    #[serde(default)]
    pub description: String,
    /// Its labels.
    #[serde(default)]
    pub labels: crate::work::fields::Texts,
    /// The source branch goes when it is merged.
    #[serde(default)]
    pub remove_source_branch: crate::work::fields::Flag,
}

/// Where a branch stands and what it shall become.
struct Plan {
    /// The commit to push; none if everything is there already.
    push: Option<String>,
    /// The commit that carries the edits.
    commit: String,
    /// Something differs from `onto`.
    changed: bool,
}

/// Carries out and gives `commit`, `branch`, `changed`, `mergeRequestUrl` and `mergeRequestId`.
pub(super) fn run(
    repository: &Repository,
    fields: &Commit,
    forge: Option<&Forge>,
    step: &Step,
) -> Result<Outputs> {
    let onto = names::reference("commit.onto", &fields.onto)?;
    let branch =
        fields.branch.as_deref().map_or(Ok(onto.clone()), |name| names::reference("commit.branch", name))?;
    if fields.merge_request.is_some() && (forge.is_none() || branch == onto) {
        return Err(Failure::Input(
            "commit.mergeRequest needs forge, and a branch other than onto".to_owned(),
        ));
    }
    if step.key.is_empty() || step.key.chars().any(char::is_control) {
        return Err(Failure::Input("the step has no key: it could not recognise its own commit".to_owned()));
    }
    let plan = push(repository, fields, &onto, &branch, step)?;
    let mut outputs = Outputs::from([
        ("commit".to_owned(), plan.commit),
        ("branch".to_owned(), branch.clone()),
        ("changed".to_owned(), plan.changed.to_string()),
        ("mergeRequestUrl".to_owned(), String::new()),
        ("mergeRequestId".to_owned(), String::new()),
    ]);
    if let (Some(text), Some(forge), true) = (&fields.merge_request, forge, plan.changed) {
        let request = MergeRequest {
            source: branch,
            target: onto,
            title: text.title.clone(),
            description: text.description.clone(),
            labels: text.labels.clone(),
            remove_source_branch: text.remove_source_branch,
        };
        outputs.extend(forge::merge_request(forge, &request, step)?);
    }
    Ok(outputs)
}

/// Brings the commit to the remote, however many rounds it takes.
fn push(repository: &Repository, fields: &Commit, onto: &str, branch: &str, step: &Step) -> Result<Plan> {
    for round in 0..ROUNDS {
        repository.fetch()?;
        let plan = plan(repository, fields, onto, branch, step)?;
        let Some(commit) = &plan.push else { return Ok(plan) };
        match repository.push(commit, &format!("refs/heads/{branch}"))? {
            Push::Done => {
                say(&format!("pushed {commit} to {branch}"));
                return Ok(plan);
            }
            Push::Raced => {
                say(&format!("somebody else pushed to {branch} first (round {round}): building anew"));
                std::thread::sleep(pause(&step.key, round));
            }
        }
    }
    Err(Failure::Trouble(format!("{branch}: lost the race against other pushers {ROUNDS} times")))
}

/// A pause between rounds that differs between steps, so that they do not meet again.
fn pause(key: &str, round: u32) -> Duration {
    let hash = Sha256::digest(format!("{key}/{round}"));
    let share = u64::from(u16::from_le_bytes([hash[0], hash[1]]));
    // At most 100 ms in the first round, growing to 3.2 s.
    Duration::from_millis(100 * share * (1 << round.min(5)) / u64::from(u16::MAX))
}

fn plan(repository: &Repository, fields: &Commit, onto: &str, branch: &str, step: &Step) -> Result<Plan> {
    let base = repository.branch(onto)?.ok_or_else(|| {
        Failure::Refused(format!("commit.onto: there is no branch {onto:?} in the repository"))
    })?;
    let tip = if branch == onto { None } else { repository.branch(branch)? };
    // What an execution before this one pushed is found by its trailer.
    let range = match &tip {
        Some(tip) => vec![format!("{tip}"), format!("^{base}")],
        None => vec![base.clone()],
    };
    if let Some(commit) = own(repository, &range, &step.key)? {
        say(&format!("{commit} is of this step: adopted"));
        // Found in `onto` although another branch was pushed: merged, and that branch is gone.
        return Ok(Plan { push: None, commit, changed: branch == onto || tip.is_some() });
    }
    if tip.is_some()
        && let Some(commit) = own(repository, std::slice::from_ref(&base), &step.key)?
    {
        say(&format!("{commit} is of this step and merged already"));
        return Ok(Plan { push: None, commit, changed: false });
    }
    // A branch that contains `onto` keeps what people added to it; one that was left behind starts anew from `onto`,
    // and its old end becomes a second parent so that the push needs no force.
    let contains = match &tip {
        Some(tip) => repository.asks(&["merge-base", "--is-ancestor", "--end-of-options", &base, tip])?,
        None => false,
    };
    let start = match &tip {
        Some(tip) if contains => tip.clone(),
        _new => base.clone(),
    };
    let tree = edits::apply(repository, &start, &fields.edits)?;
    let changed = tree != tree_of(repository, &base)?;
    if tree == tree_of(repository, &start)? && (contains || !changed) {
        say(if changed { "the branch is as it should be" } else { "nothing to change" });
        return Ok(Plan { push: None, commit: start, changed });
    }
    let mut parents = vec![start.clone()];
    if let Some(tip) = tip
        && !contains
        && !repository.asks(&["merge-base", "--is-ancestor", "--end-of-options", &tip, &base])?
    {
        parents.insert(0, tip);
    }
    let commit = write(repository, fields, &tree, &parents, step)?;
    Ok(Plan { push: Some(commit.clone()), commit, changed })
}

fn tree_of(repository: &Repository, commit: &str) -> Result<String> {
    let spec = format!("{commit}^{{tree}}");
    repository.git(&["rev-parse", "--verify", "--end-of-options", &spec]).map(|tree| {
        // rev-parse repeats the separator
        tree.lines().last().unwrap_or_default().trim().to_owned()
    })
}

/// The newest commit of a range that carries the key of this step.
fn own(repository: &Repository, range: &[String], key: &str) -> Result<Option<String>> {
    let format = format!("--format=%H %(trailers:key={TRAILER},valueonly,separator=%x20)");
    let mut args = vec!["log", LOOK_BACK, "--no-show-signature", &format, "--end-of-options"];
    args.extend(range.iter().map(String::as_str));
    args.push("--");
    let said = repository.git(&args)?;
    let found = said.lines().filter_map(|line| line.split_once(' ')).find(|(_, keys)| keys.trim() == key);
    Ok(found.map(|(hash, _)| hash.to_owned()))
}

fn write(
    repository: &Repository,
    fields: &Commit,
    tree: &str,
    parents: &[String],
    step: &Step,
) -> Result<String> {
    let message = fields.message.trim();
    if message.is_empty() || message.contains('\0') {
        return Err(Failure::Input("commit.message is empty".to_owned()));
    }
    // A blank line before the trailer makes it a paragraph of its own, whatever the message ends with.
    let message = format!("{message}\n\n{TRAILER}: {}\n", step.key);
    let signature = signature(fields.author.as_ref())?;
    let env: Vec<(&str, &str)> = signature.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut args = vec!["commit-tree", "--no-gpg-sign"];
    for parent in parents {
        args.extend(["-p", parent]);
    }
    args.push(tree);
    repository.feed(&args, &env, message.as_bytes()).map(|hash| hash.trim().to_owned())
}
