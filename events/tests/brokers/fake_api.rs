//! A FAKE of a Kubernetes API: one collection, lists and watches of it, and versions that are too old. Stands in where no
//! real API server can be started; a real one is used when `RUNNER_TEST_KUBECONFIG` names it.
//! Checks no rights and knows no kinds.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

#[derive(Default)]
struct State {
    version: u64,
    objects: Vec<Value>,
    /// Version, and the line of the watch.
    log: Vec<(u64, Value)>,
    /// Versions before this one are too old.
    horizon: u64,
    asked: Vec<String>,
}

/// The fake.
#[derive(Clone)]
pub(crate) struct Api {
    state: Arc<Mutex<State>>,
    pub(crate) port: u16,
}

impl Api {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let api = Self { state: Arc::default(), port };
        let serving = api.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let api = serving.clone();
                tokio::spawn(async move { drop(api.answer(stream).await) });
            }
        });
        api
    }

    pub(crate) fn kubeconfig(&self) -> String {
        json!({"apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": format!("http://127.0.0.1:{}", self.port)}}],
            "users": [{"name": "u", "user": {"token": "t"}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}]})
        .to_string()
    }

    /// Makes, changes or removes (`DELETED`) an object.
    pub(crate) fn put(&self, kind: &str, name: &str, spec: &Value) {
        let mut state = self.state.lock().unwrap();
        state.version += 1;
        let object = json!({"apiVersion": "milo.test/v1", "kind": "Organization", "spec": spec,
            "metadata": {"name": name, "uid": format!("uid-{name}"), "resourceVersion": state.version.to_string(),
            "creationTimestamp": "2026-11-20T07:00:00Z"}});
        state.objects.retain(|one| one["metadata"]["name"] != name);
        if kind != "DELETED" {
            state.objects.push(object.clone());
        }
        let line = (state.version, json!({"type": kind, "object": object}));
        state.log.push(line);
    }

    /// Forgets what happened: only a list tells.
    pub(crate) fn compact(&self) {
        let mut state = self.state.lock().unwrap();
        state.horizon = state.version;
        state.log.clear();
    }

    /// Paths and queries that were asked for.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.state.lock().unwrap().asked.clone()
    }

    async fn answer(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut stream = BufReader::new(stream);
        let mut first = String::new();
        stream.read_line(&mut first).await?;
        loop {
            let mut header = String::new();
            if stream.read_line(&mut header).await? <= 2 {
                break;
            }
        }
        let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
        self.state.lock().unwrap().asked.push(path.clone());
        if path.contains("watch=true") {
            let from = path.split("resourceVersion=").nth(1).unwrap_or_default();
            let from: u64 = from.split('&').next().unwrap_or_default().parse().unwrap_or(0);
            return self.watch(stream, from).await;
        }
        let list = self.list();
        let body = list.to_string();
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(body.as_bytes()).await
    }

    fn list(&self) -> Value {
        let state = self.state.lock().unwrap();
        json!({"apiVersion": "milo.test/v1", "kind": "OrganizationList", "items": state.objects,
            "metadata": {"resourceVersion": state.version.to_string()}})
    }

    async fn watch(&self, mut stream: BufReader<TcpStream>, mut from: u64) -> std::io::Result<()> {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
        stream.write_all(head.as_bytes()).await?;
        let gone = self.state.lock().unwrap().horizon > from;
        if gone {
            let status = json!({"type": "ERROR", "object": {"kind": "Status", "apiVersion": "v1", "metadata": {},
                "status": "Failure", "message": "too old resource version", "reason": "Expired", "code": 410}});
            return chunk(&mut stream, &format!("{status}\n")).await;
        }
        loop {
            let lines: Vec<(u64, Value)> = self
                .state
                .lock()
                .unwrap()
                .log
                .iter()
                .filter(|(version, _)| *version > from)
                .cloned()
                .collect();
            for (version, line) in lines {
                chunk(&mut stream, &format!("{line}\n")).await?;
                from = version;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn chunk(stream: &mut BufReader<TcpStream>, text: &str) -> std::io::Result<()> {
    stream.write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes()).await?;
    stream.flush().await
}
