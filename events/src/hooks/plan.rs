//! What is to be done about one webhook, given what the provider lists.
//! Pure: a listing in, a step out.

use serde_json::Value;

use super::wanted::{Place, Settings, Wanted, same_address};
use super::{github, gitlab};

/// What is remembered of a webhook between two looks.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// The id of the one that was made here.
    pub(super) made: Option<u64>,
    /// What it still differed in after it was changed: the provider does not take that.
    pub(super) stubborn: Vec<&'static str>,
    /// The secret that it is to sign with is another one than at the last look.
    pub(super) is_resigned: bool,
}

/// What is to be done.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    /// Nothing: it is there.
    Nothing,
    /// It is not there.
    Create,
    /// It is there, and differs in this.
    Update { id: u64, found: Value, differs: Vec<&'static str> },
    /// Another daemon made one at the same time: the one that was made here goes.
    Withdraw(u64),
    /// The one that was made here has another address now: it is not ours any more, and no second one is made.
    Elsewhere(u64),
}

/// What is to be done. Of several webhooks with our address the oldest counts.
pub(super) fn step(wanted: &Wanted, listed: &[Value], memory: &Memory) -> Step {
    let mine = ours(wanted, listed);
    let Some((id, found)) = mine.first() else {
        let moved = listed.iter().filter_map(id_of).find(|id| Some(*id) == memory.made);
        return moved.map_or(Step::Create, Step::Elsewhere);
    };
    if let Some(made) = memory.made.filter(|made| made != id && mine.iter().any(|(id, _)| id == made)) {
        return Step::Withdraw(made);
    }
    let mut differs = differences(wanted, found);
    if differs == memory.stubborn {
        differs.clear();
    }
    if memory.is_resigned && !differs.contains(&"secret") {
        differs.push("secret");
    }
    if differs.is_empty() {
        return Step::Nothing;
    }
    Step::Update { id: *id, found: (*found).clone(), differs }
}

/// The webhooks that have our address, the oldest first.
pub(super) fn ours<'a>(wanted: &Wanted, listed: &'a [Value]) -> Vec<(u64, &'a Value)> {
    let has_our_address = |found: &Value| match wanted.settings {
        Settings::Github { .. } => same_address(github::address(found), &wanted.url),
        Settings::Gitlab { .. } => same_address(gitlab::address(found), &wanted.url),
    };
    let mut mine: Vec<_> = listed
        .iter()
        .filter(|found| has_our_address(found))
        .filter_map(|found| Some((id_of(found)?, found)))
        .collect();
    mine.sort_by_key(|(id, _)| *id);
    mine
}

/// The id of a webhook.
pub(super) fn id_of(found: &Value) -> Option<u64> {
    found["id"].as_u64()
}

/// In what a webhook differs from what is wanted.
pub(super) fn differences(wanted: &Wanted, found: &Value) -> Vec<&'static str> {
    match &wanted.settings {
        Settings::Github { active, events, content_type, insecure } => {
            let has_secret = wanted.secret.is_some();
            github::differences(found, has_secret, (*active, events), (content_type, *insecure))
        }
        Settings::Gitlab { fields, verify } => gitlab::differences(found, fields, *verify),
    }
}

/// What is sent to make it, or to change the one that was found.
pub(super) fn body(wanted: &Wanted, secret: Option<&str>, found: Option<&Value>) -> Value {
    match &wanted.settings {
        Settings::Github { active, events, content_type, insecure } => {
            let mut body = github::body(&wanted.url, secret, (*active, events), (content_type, *insecure));
            if found.is_none() {
                body["name"] = "web".into();
            }
            body
        }
        Settings::Gitlab { fields, verify } => gitlab::body(&wanted.url, secret, fields, *verify, found),
    }
}

/// The method that changes one.
pub(super) fn change(wanted: &Wanted) -> reqwest::Method {
    match wanted.settings {
        Settings::Github { .. } => reqwest::Method::PATCH,
        Settings::Gitlab { .. } => reqwest::Method::PUT,
    }
}

/// What a refusal means, and what to do.
pub(super) fn hint(place: &Place, status: u16) -> String {
    match place {
        Place::Repository { .. } | Place::Organization(_) => github::hint(place, status),
        Place::Project(_) | Place::Group(_) => gitlab::hint(place, status),
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
