//! A FAKE artifact driver: speaks the protocol of Argo's drivers on a Unix socket, and keeps artifacts in a directory.
//! It checks no rights and reads nothing of its configuration but the trouble it is to make.
#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "only tests depend on it")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use h2::server::SendResponse;
use http::{HeaderMap, Request, Response};
use prost::Message;
use tokio::net::{UnixListener, UnixStream};

/// An artifact as a driver is told of it.
#[derive(Clone, PartialEq, Message)]
struct Artifact {
    #[prost(message, optional, tag = "5")]
    plugin: Option<Plugin>,
}

#[derive(Clone, PartialEq, Message)]
struct Plugin {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    configuration: String,
    #[prost(string, tag = "4")]
    key: String,
}

/// `Load` has the artifact first, `Save` the path.
#[derive(Clone, PartialEq, Message)]
struct Load {
    #[prost(message, optional, tag = "1")]
    artifact: Option<Artifact>,
    #[prost(string, tag = "2")]
    path: String,
}

#[derive(Clone, PartialEq, Message)]
struct Save {
    #[prost(string, tag = "1")]
    path: String,
    #[prost(message, optional, tag = "2")]
    artifact: Option<Artifact>,
}

#[derive(Clone, PartialEq, Message)]
struct Done {
    #[prost(bool, tag = "1")]
    success: bool,
    #[prost(string, tag = "2")]
    error: String,
}

#[derive(Clone, PartialEq, Message)]
struct Listed {
    #[prost(string, repeated, tag = "1")]
    objects: Vec<String>,
    #[prost(string, tag = "2")]
    error: String,
}

#[derive(Debug)]
struct State {
    folder: PathBuf,
    calls: Mutex<Vec<String>>,
}

/// The driver; it ends when this is dropped.
#[derive(Debug)]
pub struct FakeDriver {
    /// Where it listens.
    pub socket: PathBuf,
    state: Arc<State>,
    // Dropped without waiting: a driver that is gone is gone at once.
    runtime: Option<tokio::runtime::Runtime>,
}

impl FakeDriver {
    /// Starts one that listens at `dir/socket` and keeps artifacts under their keys in `dir/kept`.
    ///
    /// A `configuration` of `refuse WORDS` makes every call fail with these words, `status CODE WORDS` with a status
    /// of gRPC, `hang` never answers, `link` loads a symbolic link to `/etc/passwd`.
    pub fn start(dir: &Path) -> Self {
        let (socket, folder) = (dir.join("socket"), dir.join("kept"));
        fs::create_dir_all(&folder).unwrap();
        let _ = fs::remove_file(&socket);
        let state = Arc::new(State { folder, calls: Mutex::default() });
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).enable_all().build().unwrap();
        let (listener, shared) = (socket.clone(), Arc::clone(&state));
        let listener = runtime.block_on(async { UnixListener::bind(listener) }).unwrap();
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Self { socket, state, runtime: Some(runtime) }
    }

    /// The calls so far, each with its key.
    pub fn calls(&self) -> Vec<String> {
        self.state.calls.lock().unwrap().clone()
    }

    /// The file or directory of a key.
    pub fn kept(&self, key: &str) -> PathBuf {
        self.state.folder.join(key)
    }
}

impl Drop for FakeDriver {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        let _ = fs::remove_file(&self.socket);
    }
}

async fn serve(stream: UnixStream, state: Arc<State>) {
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    while let Some(Ok((request, respond))) = connection.accept().await {
        tokio::spawn(answer(request, respond, Arc::clone(&state)));
    }
}

async fn answer(request: Request<h2::RecvStream>, mut respond: SendResponse<Bytes>, state: Arc<State>) {
    let path = request.uri().path().to_owned();
    let mut body = request.into_body();
    let mut received = Vec::new();
    while let Some(Ok(chunk)) = body.data().await {
        let _ = body.flow_control().release_capacity(chunk.len());
        received.extend_from_slice(&chunk);
    }
    let method = path.strip_prefix("/artifact.ArtifactService/").unwrap_or_default();
    let answered = match received.get(5..) {
        Some(message) => act(method, message, &state),
        None => Outcome::Status(3, "no message".to_owned()),
    };
    let head = || Response::builder().header("content-type", "application/grpc");
    let status = |code: u16, words: &str| {
        let mut headers = HeaderMap::new();
        headers.insert("grpc-status", code.to_string().parse().unwrap());
        headers.insert("grpc-message", words.replace(' ', "%20").parse().unwrap());
        headers
    };
    match answered {
        Outcome::Message(message) => {
            let mut framed = vec![0];
            framed.extend_from_slice(&u32::try_from(message.len()).unwrap().to_be_bytes());
            framed.extend_from_slice(&message);
            let mut stream = respond.send_response(head().body(()).unwrap(), false).unwrap();
            stream.send_data(framed.into(), false).unwrap();
            stream.send_trailers(status(0, "")).unwrap();
        }
        Outcome::Status(code, words) => {
            let mut answer = head().body(()).unwrap();
            answer.headers_mut().extend(status(code, &words));
            respond.send_response(answer, true).unwrap();
        }
        Outcome::Never => std::future::pending().await,
    }
}

enum Outcome {
    Message(Vec<u8>),
    Status(u16, String),
    Never,
}

fn act(method: &str, message: &[u8], state: &State) -> Outcome {
    let (artifact, path) = match method {
        "Save" => Save::decode(message).map(|save| (save.artifact, save.path)).unwrap(),
        _load => Load::decode(message).map(|load| (load.artifact, load.path)).unwrap(),
    };
    let Some(plugin) = artifact.and_then(|artifact| artifact.plugin) else {
        return Outcome::Status(3, "no plugin".to_owned());
    };
    state.calls.lock().unwrap().push(format!("{method} {}", plugin.key));
    let kept = state.folder.join(plugin.key.trim_start_matches('/'));
    let done = |error: String| Done { success: error.is_empty(), error };
    let did = |result: std::io::Result<()>| done(result.err().map(|e| e.to_string()).unwrap_or_default());
    let mut words = plugin.configuration.trim().splitn(2, ' ');
    match (words.next().unwrap_or_default(), method) {
        ("hang", _) => return Outcome::Never,
        ("refuse", _) => {
            return Outcome::Message(done(words.next().unwrap_or_default().to_owned()).encode_to_vec());
        }
        ("status", _) => {
            let (code, words) = words.next().and_then(|rest| rest.split_once(' ')).unwrap();
            return Outcome::Status(code.parse().unwrap(), words.to_owned());
        }
        ("link", "Load") => {
            return Outcome::Message(did(std::os::unix::fs::symlink("/etc/passwd", path)).encode_to_vec());
        }
        (_, _) => {}
    }
    match method {
        "Save" => {
            remove(&kept);
            Outcome::Message(did(copy(Path::new(&path), &kept)).encode_to_vec())
        }
        "Load" if !kept.exists() => Outcome::Status(5, format!("nothing is kept as {}", plugin.key)),
        "Load" => Outcome::Message(did(copy(&kept, Path::new(&path))).encode_to_vec()),
        "Delete" => {
            remove(&kept);
            Outcome::Message(done(String::new()).encode_to_vec())
        }
        "ListObjects" => {
            let mut objects = Vec::new();
            list(&kept, &plugin.key, &mut objects);
            Outcome::Message(Listed { objects, error: String::new() }.encode_to_vec())
        }
        other => Outcome::Status(12, format!("unknown method {other}")),
    }
}

fn remove(path: &Path) {
    let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    if !from.is_dir() {
        return fs::copy(from, to).map(|_| ());
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)?.flatten() {
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

fn list(path: &Path, key: &str, found: &mut Vec<String>) {
    if path.is_file() {
        found.push(key.to_owned());
    }
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let key = if key.is_empty() { name } else { format!("{key}/{name}") };
        list(&entry.path(), &key, found);
    }
}
