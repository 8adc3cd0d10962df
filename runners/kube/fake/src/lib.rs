//! A FAKE API server: keeps objects by path, and answers as the real one does as far as the tests ask.
//! It has no controllers, no admission and no watch; it never stands in where a real cluster is named.
#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "only tests depend on it")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use runner_runners::Cluster;
use serde_json::{Value, json};

/// Trouble that the next request of a method meets.
#[derive(Clone, Debug)]
pub enum Trouble {
    /// A status and Kubernetes' reason; nothing is done.
    Status(u16, &'static str),
    /// The work is done, and the connection is cut instead of an answer.
    Cut,
}

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Value>,
    troubles: Vec<(String, Trouble)>,
    asked: Vec<String>,
    version: u64,
}

/// The server, on a free port.
pub struct Fake {
    address: String,
    state: Arc<Mutex<State>>,
}

impl Fake {
    /// Starts it.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = Arc::new(Mutex::new(State::default()));
        let kept = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&kept);
                std::thread::spawn(move || serve(stream, &state));
            }
        });
        Self { address, state }
    }

    /// The text of a kubeconfig for it.
    pub fn kubeconfig(&self) -> String {
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "fake",
            "clusters": [{"name": "fake", "cluster": {"server": format!("http://{}", self.address)}}],
            "users": [{"name": "fake", "user": {"token": "t"}}],
            "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "fake"}}],
        })
        .to_string()
    }

    /// A kubeconfig for it, in a file of a folder.
    pub fn cluster(&self, dir: &Path) -> Cluster {
        let file = dir.join("kubeconfig");
        std::fs::write(&file, self.kubeconfig()).unwrap();
        Cluster { kubeconfig: Some(file), context: None }
    }

    /// The next request of a method meets trouble.
    pub fn trouble(&self, method: &str, trouble: Trouble) {
        self.state.lock().unwrap().troubles.push((method.to_owned(), trouble));
    }

    /// The object at a path.
    pub fn object(&self, path: &str) -> Option<Value> {
        self.state.lock().unwrap().objects.get(path).cloned()
    }

    /// Puts an object at a path, as somebody else would.
    pub fn put(&self, path: &str, object: Value) {
        let mut state = self.state.lock().unwrap();
        let uid = json!(format!("uid-{}", state.version));
        state.keep(path, object, uid);
    }

    /// What was asked: `METHOD PATH?QUERY`.
    pub fn asked(&self) -> Vec<String> {
        self.state.lock().unwrap().asked.clone()
    }
}

fn serve(stream: TcpStream, state: &Mutex<State>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = String::new();
    if reader.read_line(&mut head).unwrap_or(0) == 0 {
        return;
    }
    let mut headers = BTreeMap::new();
    let mut line = String::new();
    while reader.read_line(&mut line).unwrap() > 2 {
        let (name, value) = line.trim().split_once(": ").unwrap();
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
        line.clear();
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let mut words = head.split_whitespace();
    let (method, target) = (words.next().unwrap().to_owned(), words.next().unwrap().to_owned());
    let kind = headers.get("content-type").cloned().unwrap_or_default();
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let Some((code, answer)) = state.lock().unwrap().answer(&method, &target, &kind, body) else { return };
    let text = answer.to_string();
    let mut stream = stream;
    // Whoever gave up waiting is not there to be answered.
    let _ = write!(
        stream,
        "HTTP/1.1 {code} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
        text.len()
    );
}

fn status(code: u16, reason: &str, message: &str) -> (u16, Value) {
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message,
    });
    (code, body)
}

impl State {
    fn answer(&mut self, method: &str, target: &str, kind: &str, body: Value) -> Option<(u16, Value)> {
        self.asked.push(format!("{method} {target}"));
        let at = self.troubles.iter().position(|(wanted, _)| wanted == method);
        let trouble = at.map(|at| self.troubles.remove(at).1);
        if let Some(Trouble::Status(code, reason)) = trouble {
            return Some(status(code, reason, "trouble"));
        }
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let answer = self.perform(method, path, query, kind, body);
        trouble.is_none().then_some(answer)
    }

    fn perform(&mut self, method: &str, path: &str, query: &str, kind: &str, body: Value) -> (u16, Value) {
        if let Some(found) = discovery(path) {
            return (200, found);
        }
        let missing = || status(404, "NotFound", &format!("{path} not found"));
        match method {
            "GET" => match self.objects.get(path) {
                Some(object) => (200, object.clone()),
                None if is_list(path) => (200, self.list(path, query)),
                None => missing(),
            },
            "POST" => self.create(path, body),
            "DELETE" => {
                let present = self.objects.get(path).map(|object| object["metadata"]["uid"].clone());
                match (present, body["preconditions"]["uid"].as_str()) {
                    (None, _) => missing(),
                    (Some(uid), Some(wanted)) if uid != wanted => status(409, "Conflict", "another uid"),
                    (Some(_), _) => {
                        self.objects.remove(path);
                        (200, json!({"kind": "Status", "status": "Success"}))
                    }
                }
            }
            "PUT" => match self.objects.get(path) {
                None => missing(),
                Some(old) if old["metadata"]["resourceVersion"] != body["metadata"]["resourceVersion"] => {
                    status(409, "Conflict", "the object has been modified")
                }
                Some(old) => {
                    let uid = old["metadata"]["uid"].clone();
                    self.keep(path, body, uid)
                }
            },
            "PATCH" => self.patch(path, kind, &body),
            _other => status(405, "MethodNotAllowed", "no"),
        }
    }

    fn create(&mut self, list: &str, body: Value) -> (u16, Value) {
        let name = body["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let path = format!("{list}/{name}");
        if self.objects.contains_key(&path) {
            return status(409, "AlreadyExists", &format!("{name:?} already exists"));
        }
        let uid = json!(format!("uid-{}", self.version));
        let (_, made) = self.keep(&path, body, uid);
        (201, made)
    }

    fn patch(&mut self, path: &str, kind: &str, body: &Value) -> (u16, Value) {
        let apply = kind == "application/apply-patch+yaml";
        let Some(mut object) = self.objects.get(path).cloned().or_else(|| apply.then(|| json!({}))) else {
            return status(404, "NotFound", "not found");
        };
        let version = &body["metadata"]["resourceVersion"];
        if !version.is_null() && *version != object["metadata"]["resourceVersion"] {
            return status(409, "Conflict", "the object has been modified");
        }
        match kind {
            "application/json-patch+json" => {
                for operation in body.as_array().unwrap() {
                    let (parent, key) = operation["path"].as_str().unwrap().rsplit_once('/').unwrap();
                    object.pointer_mut(parent).unwrap()[key] = operation["value"].clone();
                }
            }
            "application/apply-patch+yaml"
            | "application/merge-patch+json"
            | "application/strategic-merge-patch+json" => merge(&mut object, body),
            _other => return status(415, "UnsupportedMediaType", kind),
        }
        let uid = match &object["metadata"]["uid"] {
            Value::Null => json!(format!("uid-{}", self.version)),
            known => known.clone(),
        };
        self.keep(path, object, uid)
    }

    fn keep(&mut self, path: &str, mut object: Value, uid: Value) -> (u16, Value) {
        self.version += 1;
        object["metadata"]["uid"] = uid;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.objects.insert(path.to_owned(), object.clone());
        (200, object)
    }

    fn list(&self, path: &str, query: &str) -> Value {
        let wanted = query.strip_prefix("labelSelector=").and_then(|selector| selector.split_once("%3D"));
        let prefix = format!("{path}/");
        let inside = self.objects.iter().filter(|(known, _)| known.starts_with(&prefix));
        let items = inside.map(|(_, object)| object.clone());
        let items = items.filter(|object| wanted.is_none_or(|(k, v)| object["metadata"]["labels"][k] == v));
        json!({"kind": "List", "items": items.collect::<Vec<_>>()})
    }
}

fn merge(object: &mut Value, patch: &Value) {
    match (object, patch) {
        (Value::Object(object), Value::Object(patch)) => {
            for (key, value) in patch {
                if value.is_null() {
                    object.remove(key);
                } else {
                    merge(object.entry(key).or_insert(json!({})), value);
                }
            }
        }
        (place, value) => *place = value.clone(),
    }
}

fn is_list(path: &str) -> bool {
    ["/configmaps", "/jobs"].iter().any(|plural| path.ends_with(plural))
}

fn discovery(path: &str) -> Option<Value> {
    let entry = |name: &str, kind: &str, short: Value| json!({"name": name, "singularName": kind.to_lowercase(), "kind": kind, "namespaced": true, "shortNames": short});
    match path {
        "/api/v1" => Some(json!({"resources": [
            entry("configmaps/status", "ConfigMap", json!([])), entry("configmaps", "ConfigMap", json!(["cm"])),
        ]})),
        "/apis" => Some(json!({"groups": [
            {"name": "batch", "preferredVersion": {"groupVersion": "batch/v1"}},
        ]})),
        "/apis/apps/v1" => Some(json!({"resources": [
            entry("deployments/scale", "Scale", json!([])), entry("deployments", "Deployment", json!(["deploy"])),
        ]})),
        "/apis/batch/v1" => Some(json!({"resources": [entry("jobs", "Job", json!([]))]})),
        _other => None,
    }
}
