//! A FAKE of GitLab's merge requests and notes, with state, for sequences that no recorded answer can show.
//! Knows as much of the API as the tests need: it proves our sequences, not that GitLab takes our requests.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::http::{Answer, Request, Server};

/// What the fake holds, and how it misbehaves.
#[derive(Default)]
pub(crate) struct State {
    /// Merge requests as the API shows them.
    pub(crate) requests: Vec<Value>,
    /// Notes as the API shows them.
    pub(crate) notes: Vec<Value>,
    /// So many of the next requests that change something are carried out, and their answer is lost.
    pub(crate) lose_answers: u32,
    /// The next listings pretend that there is nothing yet, as a replica that lags.
    pub(crate) blind_lists: u32,
}

/// Starts the fake.
pub(crate) fn start() -> (Server, Arc<Mutex<State>>) {
    let state = Arc::new(Mutex::new(State::default()));
    let own = state.clone();
    (Server::start(move |request| answer(&mut own.lock().unwrap(), request)), state)
}

fn answer(state: &mut State, request: &Request) -> Answer {
    if request.headers.get("private-token").map(String::as_str) != Some("hush") {
        return Some((401, json!({"message": "401 Unauthorized"})));
    }
    let Some(rest) = request.path.strip_prefix("/api/v4/projects/team%2Fdeploy/merge_requests") else {
        return Some((404, json!({"message": "404 Project Not Found"})));
    };
    let parts: Vec<&str> = rest.split('/').filter(|part| !part.is_empty()).collect();
    let said = match (request.method.as_str(), parts.as_slice()) {
        ("GET", []) => return Some(list(state, request)),
        ("POST", []) => create(state, &request.body),
        ("PUT", [iid]) => update(state, iid, &request.body),
        ("GET", [_, "notes"]) => return Some((200, json!(state.notes))),
        ("POST", [_, "notes"]) => {
            let note = json!({"id": state.notes.len() + 1, "body": request.body["body"]});
            state.notes.push(note.clone());
            (201, note)
        }
        ("PUT", [_, "notes", id]) => {
            let at: usize = id.parse().unwrap();
            state.notes[at - 1]["body"] = request.body["body"].clone();
            (200, state.notes[at - 1].clone())
        }
        _other => (404, json!({"message": "404 Not Found"})),
    };
    if state.lose_answers > 0 {
        state.lose_answers -= 1;
        return None;
    }
    Some(said)
}

fn list(state: &mut State, request: &Request) -> (u16, Value) {
    if state.blind_lists > 0 {
        state.blind_lists -= 1;
        return (200, json!([]));
    }
    let fits = |one: &&Value| {
        ["source_branch", "target_branch"]
            .iter()
            .all(|key| request.query.get(*key).is_none_or(|wanted| one[*key] == wanted.as_str()))
    };
    (200, json!(state.requests.iter().filter(fits).rev().collect::<Vec<_>>()))
}

fn create(state: &mut State, body: &Value) -> (u16, Value) {
    let same = |one: &&Value| {
        one["state"] == "opened"
            && one["source_branch"] == body["source_branch"]
            && one["target_branch"] == body["target_branch"]
    };
    if let Some(there) = state.requests.iter().find(same) {
        let text =
            format!("Another open merge request already exists for this source branch: !{}", there["iid"]);
        return (409, json!({"message": [text]}));
    }
    let mut made = body.clone();
    made["iid"] = json!(state.requests.len() + 1);
    made["state"] = json!("opened");
    made["web_url"] = json!(format!("https://gitlab.example/team/deploy/-/merge_requests/{}", made["iid"]));
    state.requests.push(made.clone());
    (201, made)
}

fn update(state: &mut State, iid: &str, body: &Value) -> (u16, Value) {
    let Some(one) = state.requests.iter_mut().find(|one| one["iid"].as_u64() == iid.parse().ok()) else {
        return (404, json!({"message": "404 Not found"}));
    };
    for (key, value) in body.as_object().unwrap() {
        one[key] = value.clone();
    }
    (200, one.clone())
}
