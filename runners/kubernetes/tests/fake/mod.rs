//! A FAKE of the pods, logs, ConfigMaps and volume claims of a Kubernetes API server, for tests of the protocol alone.
//! It runs nothing: a test plays the kubelet. That pods really run is proven by `cluster.rs` on a real cluster.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

/// An answer that a test wants instead of the right one.
#[derive(Clone, Debug)]
pub(crate) struct Trouble {
    /// `create pods`, `watch pods`, …
    pub(crate) on: &'static str,
    /// Status code.
    pub(crate) code: u16,
    /// Value of `Retry-After`.
    pub(crate) retry_after: Option<u64>,
    /// What was asked is done all the same.
    pub(crate) done: bool,
}

#[derive(Default)]
struct State {
    version: u64,
    pods: BTreeMap<String, Value>,
    maps: BTreeMap<String, Value>,
    claims: BTreeMap<String, Value>,
    logs: BTreeMap<(String, String), Log>,
    watches: Vec<UnboundedSender<Bytes>>,
    /// What happened, for watches that begin before it.
    history: Vec<(u64, String)>,
    troubles: VecDeque<Trouble>,
    asked: Vec<String>,
    graces: Vec<Option<u64>>,
    silent: bool,
}

#[derive(Default)]
struct Log {
    text: Vec<u8>,
    ended: bool,
    followers: Vec<UnboundedSender<Bytes>>,
}

/// The fake.
#[derive(Clone)]
pub(crate) struct Fake {
    state: Arc<Mutex<State>>,
    pub(crate) port: u16,
}

/// What a runner tells a test.
pub(crate) type Events =
    tokio::sync::mpsc::UnboundedReceiver<(runner_runners::AttemptId, runner_runners::Observation)>;

type Answer = Response<BoxBody<Bytes, Infallible>>;

impl Fake {
    /// Starts it.
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let fake = Self { state: Arc::default(), port: listener.local_addr().unwrap().port() };
        let serving = fake.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let fake = serving.clone();
                let service = hyper::service::service_fn(move |request| {
                    let fake = fake.clone();
                    async move { Ok::<_, Infallible>(fake.answer(request).await) }
                });
                let connection = hyper::server::conn::http1::Builder::new();
                tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
            }
        });
        fake
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A kubeconfig for it.
    pub(crate) fn kubeconfig(&self) -> String {
        let cluster =
            json!({"name": "fake", "cluster": {"server": format!("http://127.0.0.1:{}", self.port)}});
        let context =
            json!({"name": "fake", "context": {"cluster": "fake", "user": "fake", "namespace": "default"}});
        json!({"apiVersion": "v1", "kind": "Config", "clusters": [cluster], "contexts": [context],
               "users": [{"name": "fake", "user": {}}], "current-context": "fake"})
        .to_string()
    }

    /// What was asked so far, as `verb resource`.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.state().asked.clone()
    }

    /// How often that was asked.
    pub(crate) fn count(&self, what: &str) -> usize {
        self.state().asked.iter().filter(|asked| *asked == what).count()
    }

    /// Grace periods of deletions, in seconds.
    pub(crate) fn graces(&self) -> Vec<Option<u64>> {
        self.state().graces.clone()
    }

    /// The next request of that kind is answered differently.
    pub(crate) fn trouble(&self, trouble: Trouble) {
        self.state().troubles.push_back(trouble);
    }

    /// No more troubles.
    pub(crate) fn forgive(&self) {
        self.state().troubles.clear();
    }

    /// Puts a pod there that nobody asked for.
    pub(crate) fn put(&self, name: &str, labels: Value) {
        let pod =
            json!({"metadata": {"name": name, "namespace": "default", "uid": "foreign", "labels": labels}});
        self.state().pods.insert(name.to_owned(), pod);
    }

    /// Waits for a pod.
    pub(crate) async fn pod(&self, name: &str) -> Value {
        self.until(|state| state.pods.get(name).cloned()).await
    }

    /// Names of the pods that are there.
    pub(crate) fn pods(&self) -> BTreeSet<String> {
        self.state().pods.keys().cloned().collect()
    }

    /// Waits for a ConfigMap.
    pub(crate) async fn config_map(&self) -> Value {
        self.until(|state| state.maps.values().next().cloned()).await
    }

    /// Waits until something was asked that often.
    pub(crate) async fn wait_for(&self, what: &str, often: usize) {
        self.until(|state| {
            (state.asked.iter().filter(|asked| *asked == what).count() >= often).then_some(())
        })
        .await;
    }

    async fn until<T>(&self, mut look: impl FnMut(&State) -> Option<T>) -> T {
        let looking = async {
            loop {
                if let Some(found) = look(&self.state()) {
                    return found;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), looking).await.unwrap()
    }

    /// As a kubelet: writes the status of a pod.
    pub(crate) fn status(&self, name: &str, status: Value) {
        let mut state = self.state();
        state.version += 1;
        let version = state.version.to_string();
        let Some(pod) = state.pods.get_mut(name) else { return };
        pod["status"] = status;
        pod["metadata"]["resourceVersion"] = version.into();
        let pod = pod.clone();
        state.event("MODIFIED", pod);
    }

    /// The usual status of a pod of one container that runs.
    pub(crate) fn runs(&self, name: &str) {
        self.status(
            name,
            json!({"phase": "Running", "containerStatuses": [container(json!({"running": {}}))]}),
        );
    }

    /// A pod of one container that has ended.
    pub(crate) fn ends(&self, name: &str, code: i32) {
        let phase = if code == 0 { "Succeeded" } else { "Failed" };
        let state = json!({"terminated": {"exitCode": code, "reason": if code == 0 { "Completed" } else { "Error" }}});
        self.status(name, json!({"phase": phase, "containerStatuses": [container(state)]}));
    }

    /// Somebody else deletes a pod.
    pub(crate) fn delete(&self, name: &str) {
        let mut state = self.state();
        state.version += 1;
        let version = state.version.to_string();
        if let Some(mut pod) = state.pods.remove(name) {
            pod["metadata"]["resourceVersion"] = version.into();
            for ((_, _), log) in state.logs.iter_mut().filter(|((pod, _), _)| pod == name) {
                log.followers.clear();
            }
            state.event("DELETED", pod);
        }
    }

    /// As a kubelet: what main writes, lines with their ends; each gets a time.
    pub(crate) fn says(&self, pod: &str, lines: &[u8], ended: bool) {
        let mut timed = Vec::new();
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            timed.extend_from_slice(jiff::Timestamp::now().to_string().as_bytes());
            timed.push(b' ');
            timed.extend_from_slice(line);
        }
        let mut state = self.state();
        let log = state.logs.entry((pod.to_owned(), "main".to_owned())).or_default();
        log.text.extend_from_slice(&timed);
        log.followers.retain(|follower| follower.send(timed.clone().into()).is_ok());
        if ended {
            log.ended = true;
            log.followers.clear();
        }
    }

    /// All watches end with 410, as when the server has forgotten where they were.
    pub(crate) fn expire(&self) {
        let mut state = self.state();
        let status = json!({"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"});
        state.event("ERROR", status);
        state.watches.clear();
    }

    /// Watches stay open and say nothing more; new ones do.
    pub(crate) fn silence(&self) {
        self.state().silent = true;
    }

    async fn answer(&self, request: Request<Incoming>) -> Answer {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let query: BTreeMap<String, String> =
            url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes())
                .into_owned()
                .collect();
        let path: Vec<&str> = parts.uri.path().split('/').skip(5).collect();
        let watch = query.get("watch").is_some_and(|watch| watch == "true");
        let verb = match (parts.method.as_str(), path.len()) {
            ("GET", 1) if watch => "watch",
            ("GET", 1) => "list",
            ("GET", _) => "get",
            ("POST", _) => "create",
            ("DELETE", _) => "delete",
            ("PATCH", _) => "patch",
            _other => "update",
        };
        let resource = match path.as_slice() {
            [resource] | [resource, _] => (*resource).to_owned(),
            [resource, _, sub] => format!("{resource}/{sub}"),
            _other => "unknown".to_owned(),
        };
        let what = format!("{verb} {resource}");
        let trouble = self.ask(&what);
        if let Some(trouble) = trouble.as_ref().filter(|trouble| !trouble.done) {
            return refuse(trouble);
        }
        let name = path.get(1).copied().unwrap_or_default();
        let right = match what.as_str() {
            "list pods" => self.list(),
            "watch pods" => {
                self.watch(query.get("resourceVersion").and_then(|v| v.parse().ok()).unwrap_or(0))
            }
            "get pods" => self.get(name),
            "create pods" | "create configmaps" => self.create(body, path[0]),
            "create persistentvolumeclaims" => self.create(protected(body), path[0]),
            "get persistentvolumeclaims" => self.get_claim(name),
            "patch persistentvolumeclaims" => self.patch_claim(name, &body),
            "delete persistentvolumeclaims" => self.delete_claim(name, &body),
            "delete pods" => self.delete_for(name, &body),
            "get pods/log" => self.log(name, &query),
            _other => status(405, "MethodNotAllowed", &what),
        };
        trouble.map_or(right, |trouble| refuse(&trouble))
    }

    fn ask(&self, what: &str) -> Option<Trouble> {
        let mut state = self.state();
        state.asked.push(what.to_owned());
        let at = state.troubles.iter().position(|trouble| trouble.on == what)?;
        state.troubles.remove(at)
    }

    fn list(&self) -> Answer {
        let state = self.state();
        let items: Vec<&Value> = state.pods.values().collect();
        object(
            200,
            &json!({"kind": "PodList", "apiVersion": "v1", "items": items,
                            "metadata": {"resourceVersion": state.version.to_string()}}),
        )
    }

    fn watch(&self, since: u64) -> Answer {
        let (sender, receiver) = unbounded_channel();
        let mut state = self.state();
        for (_, line) in state.history.iter().filter(|(version, _)| *version > since) {
            let _ = sender.send(line.clone().into());
        }
        state.silent = false;
        state.watches.push(sender);
        streaming(receiver)
    }

    fn get(&self, name: &str) -> Answer {
        match self.state().pods.get(name) {
            Some(pod) => object(200, pod),
            None => status(404, "NotFound", &format!("pods {name:?} not found")),
        }
    }

    fn create(&self, mut wanted: Value, kind: &str) -> Answer {
        let is_pod = kind == "pods";
        let mut state = self.state();
        let name = wanted["metadata"]["name"].as_str().unwrap().to_owned();
        state.version += 1;
        let (version, uid) = (state.version.to_string(), format!("uid-{}", state.version));
        let all = match kind {
            "pods" => &mut state.pods,
            "configmaps" => &mut state.maps,
            _claims => &mut state.claims,
        };
        if all.contains_key(&name) {
            return status(409, "AlreadyExists", &format!("{name:?} already exists"));
        }
        wanted["metadata"]["uid"] = uid.into();
        wanted["metadata"]["resourceVersion"] = version.into();
        if is_pod {
            wanted["status"] = json!({"phase": "Pending"});
        }
        all.insert(name, wanted.clone());
        if is_pod {
            state.event("ADDED", wanted.clone());
        }
        object(201, &wanted)
    }

    /// Puts a claim there that nobody asked for.
    pub(crate) fn put_claim(&self, name: &str, labels: Value) {
        let claim =
            json!({"metadata": {"name": name, "namespace": "default", "uid": "foreign", "labels": labels}});
        self.state().claims.insert(name.to_owned(), claim);
    }

    /// The claims that are there.
    pub(crate) fn claims(&self) -> BTreeMap<String, Value> {
        self.state().claims.clone()
    }

    fn get_claim(&self, name: &str) -> Answer {
        match self.state().claims.get(name) {
            Some(claim) => object(200, claim),
            None => status(404, "NotFound", &format!("persistentvolumeclaims {name:?} not found")),
        }
    }

    /// As the real one: what has a finalizer is only marked.
    fn delete_claim(&self, name: &str, options: &Value) -> Answer {
        let mut state = self.state();
        let Some(claim) = state.claims.get_mut(name) else { return status(404, "NotFound", "not found") };
        if claim["metadata"]["uid"] != options["preconditions"]["uid"] {
            return status(409, "Conflict", "the UID in precondition is another");
        }
        claim["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        state.sweep_claims();
        status(200, "", "")
    }

    fn patch_claim(&self, name: &str, patch: &Value) -> Answer {
        let mut state = self.state();
        let Some(claim) = state.claims.get_mut(name) else { return status(404, "NotFound", "not found") };
        claim["metadata"]["finalizers"] = patch["metadata"]["finalizers"].clone();
        let claim = claim.clone();
        state.sweep_claims();
        object(200, &claim)
    }

    fn delete_for(&self, name: &str, options: &Value) -> Answer {
        self.state().graces.push(options["gracePeriodSeconds"].as_u64());
        if !self.state().pods.contains_key(name) {
            return status(404, "NotFound", "not found");
        }
        self.delete(name);
        status(200, "", "")
    }

    fn log(&self, name: &str, query: &BTreeMap<String, String>) -> Answer {
        let mut state = self.state();
        if !state.pods.contains_key(name) {
            return status(404, "NotFound", "not found");
        }
        let key = (name.to_owned(), query.get("container").cloned().unwrap_or_default());
        let log = state.logs.entry(key).or_default();
        let (sender, receiver) = unbounded_channel();
        let _ = sender.send(Bytes::from(log.text.clone()));
        if query.contains_key("follow") && !log.ended {
            log.followers.push(sender);
        }
        streaming(receiver)
    }
}

impl State {
    fn sweep_claims(&mut self) {
        self.claims.retain(|_, claim| {
            let held = claim["metadata"]["finalizers"].as_array().is_some_and(|all| !all.is_empty());
            held || claim["metadata"]["deletionTimestamp"].is_null()
        });
    }

    fn event(&mut self, kind: &str, object: Value) {
        let mut line = json!({"type": kind, "object": object}).to_string();
        line.push('\n');
        if kind != "ERROR" {
            self.history.push((self.version, line.clone()));
        }
        if self.silent {
            return;
        }
        self.watches.retain(|watch| watch.send(line.clone().into()).is_ok());
    }
}

/// A claim as the API server stores it: nobody takes it away while a pod mounts it.
fn protected(mut claim: Value) -> Value {
    claim["metadata"]["finalizers"] = json!(["kubernetes.io/pvc-protection"]);
    claim
}

/// The status of a container called main.
pub(crate) fn container(state: Value) -> Value {
    json!({"name": "main", "image": "x", "imageID": "", "ready": false, "restartCount": 0, "state": state})
}

fn refuse(trouble: &Trouble) -> Answer {
    let mut answer = status(trouble.code, "Trouble", "the test wants it so");
    if let Some(seconds) = trouble.retry_after {
        answer.headers_mut().insert("retry-after", seconds.into());
    }
    answer
}

fn status(code: u16, reason: &str, message: &str) -> Answer {
    object(
        code,
        &json!({"kind": "Status", "apiVersion": "v1", "code": code, "reason": reason, "message": message}),
    )
}

fn object(code: u16, value: &Value) -> Answer {
    Response::builder().status(code).body(Full::new(Bytes::from(value.to_string())).boxed()).unwrap()
}

fn streaming(receiver: tokio::sync::mpsc::UnboundedReceiver<Bytes>) -> Answer {
    let frames = stream::unfold(receiver, |mut receiver| async {
        receiver.recv().await.map(|bytes| (Ok::<_, Infallible>(Frame::data(bytes)), receiver))
    });
    Response::new(BodyExt::boxed(StreamBody::new(frames)))
}
