//! A FAKE of Argo CD's applications, with a state that moves on with every look at it.
//! Knows as much of the API as the tests need: it proves our sequences, not that Argo CD takes our requests.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::http::{Answer, Request, Server};

/// What the fake holds, and how it behaves.
#[derive(Default)]
pub(crate) struct State {
    /// The operation that runs, as in `status.operationState`.
    pub(crate) running: Option<Value>,
    /// The last one that ended.
    pub(crate) last: Option<Value>,
    /// How many looks an operation takes.
    pub(crate) looks: u32,
    /// Looks until the running one ends.
    pub(crate) left: u32,
    /// Looks after a sync during which the status is still the one before it.
    pub(crate) stale: u32,
    /// Syncs that were begun, by the key in their info.
    pub(crate) syncs: Vec<String>,
    /// The next answers to a sync are lost after it began.
    pub(crate) lose_answers: u32,
    /// Health once synced.
    pub(crate) health: String,
    /// How operations end.
    pub(crate) ending: String,
}

/// Starts the fake.
pub(crate) fn start() -> (Server, Arc<Mutex<State>>) {
    let state = State { looks: 2, health: "Healthy".into(), ending: "Succeeded".into(), ..State::default() };
    let state = Arc::new(Mutex::new(state));
    let own = state.clone();
    (Server::start(move |request| answer(&mut own.lock().unwrap(), request)), state)
}

fn answer(state: &mut State, request: &Request) -> Answer {
    if request.headers.get("authorization").map(String::as_str) != Some("Bearer hush") {
        return Some((
            401,
            json!({"error": "no session information", "code": 16, "message": "no session information"}),
        ));
    }
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/api/v1/applications/shop") => Some((200, look(state))),
        ("POST", "/api/v1/applications/shop/sync") => {
            if state.running.is_some() {
                let text = "another operation is already in progress";
                return Some((400, json!({"error": text, "code": 9, "message": text})));
            }
            let key = request.body["infos"][0]["value"].as_str().unwrap_or_default().to_owned();
            begin(state, &key, request.body["revision"].as_str().unwrap_or_default());
            if state.lose_answers > 0 {
                state.lose_answers -= 1;
                return None;
            }
            Some((200, json!({})))
        }
        ("DELETE", "/api/v1/applications/shop/operation") => match state.running.take() {
            Some(_) => Some((200, json!({}))),
            None => {
                let text = "Unable to terminate operation. No operation is in progress";
                Some((400, json!({"error": text, "code": 3, "message": text})))
            }
        },
        ("POST", "/api/v1/applications") => Some((200, request.body.clone())),
        _other => Some((404, json!({"error": "not found", "message": "not found"}))),
    }
}

/// Begins an operation, ours or somebody else's.
pub(crate) fn begin(state: &mut State, key: &str, revision: &str) {
    state.syncs.push(key.to_owned());
    state.left = state.looks;
    let info = json!([{"name": "runner-step-key", "value": key}]);
    state.running = Some(json!({
        "phase": "Running", "message": "syncing",
        "operation": {"info": info, "sync": {"revision": revision}},
    }));
}

fn look(state: &mut State) -> Value {
    if state.running.is_some() {
        if state.left == 0 {
            let mut ended = state.running.take().unwrap();
            ended["phase"] = json!(state.ending);
            ended["message"] = json!("done");
            ended["finishedAt"] = json!("2026-01-01T00:00:10Z");
            ended["syncResult"] = json!({"revision": "rev-2"});
            state.last = Some(ended);
        } else {
            state.left -= 1;
        }
    }
    let synced = state.last.is_some() && state.running.is_none();
    let fresh = synced && state.stale == 0;
    if synced && state.stale > 0 {
        state.stale -= 1;
    }
    let mut app = json!({"metadata": {"name": "shop"}, "status": {
        "sync": {"status": if fresh || synced { "Synced" } else { "OutOfSync" }, "revision": if fresh { "rev-2" } else { "rev-1" }},
        "health": {"status": if fresh { state.health.clone() } else { "Healthy".to_owned() }},
        "reconciledAt": if fresh { "2026-01-01T00:00:11Z" } else { "2026-01-01T00:00:01Z" },
        "resources": [{"kind": "Deployment", "name": "shop", "health": {"status": state.health, "message": "crash loop"}}],
    }});
    if let Some(operation) = state.running.as_ref().or(state.last.as_ref()) {
        app["status"]["operationState"] = operation.clone();
    }
    app
}
