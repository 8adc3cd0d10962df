//! A daemon on loopback over a store in memory, and what tests ask of it.
//! Runs no step: its controller has no runner.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use runner_controller::{Controller, Options, Runners, SystemClock, SystemIds};
use runner_events::bus::{Bus, History, Query, State};
use runner_events::daemon::{Daemon, Parts, Settings};
use runner_events::ingress::sns::Fetch;
use runner_runners::{Objects, SecretData, SecretValue};
use runner_sensors::machine::Gate;
use runner_store::{BoxFuture, Catalog, MemoryStore, NewManifest, Store, WorkflowQuery, WorkflowRow};
use serde_json::{Value, json};

/// Secrets by name and key.
#[derive(Default)]
pub(crate) struct Shelf(Mutex<BTreeMap<(String, String), String>>);

impl Objects for Shelf {
    fn config_map(
        &self,
        _namespace: &str,
        _name: &str,
    ) -> Result<Option<BTreeMap<String, String>>, runner_runners::Error> {
        Ok(None)
    }

    fn secret(&self, _namespace: &str, name: &str) -> Result<Option<SecretData>, runner_runners::Error> {
        let all = self.0.lock().unwrap();
        let mine = all.iter().filter(|((of, _), _)| of == name);
        let data: SecretData =
            mine.map(|((_, key), value)| (key.clone(), SecretValue::new(value.as_bytes()))).collect();
        Ok((!data.is_empty()).then_some(data))
    }
}

impl Shelf {
    pub(crate) fn put(&self, name: &str, key: &str, value: &str) {
        self.0.lock().unwrap().insert((name.to_owned(), key.to_owned()), value.to_owned());
    }
}

/// Nothing can be fetched.
#[derive(Debug)]
pub(crate) struct Nothing;

impl Fetch for Nothing {
    fn get<'a>(&'a self, url: &'a str, _max: usize) -> BoxFuture<'a, Result<Vec<u8>, String>> {
        Box::pin(async move { Err(format!("{url} must not be fetched")) })
    }
}

pub(crate) struct Lab {
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) living: Living,
}

pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) problems: Vec<String>,
    pub(crate) task: tokio::task::JoinHandle<()>,
    pub(crate) controller: Controller,
    stop: tokio::sync::oneshot::Sender<()>,
    owner: String,
    living: Living,
}

/// Names in leases of the daemons that live.
type Living = Arc<Mutex<BTreeSet<String>>>;

impl Running {
    /// Ends as after Ctrl-C.
    pub(crate) async fn stop(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap();
        self.living.lock().unwrap().remove(&self.owner);
        drop(self.controller);
    }

    pub(crate) async fn kill(self) {
        self.task.abort();
        drop(self.task.await);
        self.living.lock().unwrap().remove(&self.owner);
        drop(self.controller);
    }
}

impl Lab {
    pub(crate) fn new(secrets: &[(&str, &str, &str)]) -> Self {
        let shelf = secrets.iter().map(|(n, k, v)| (((*n).to_owned(), (*k).to_owned()), (*v).to_owned()));
        let shelf = Arc::new(Shelf(Mutex::new(shelf.collect())));
        Self { store: Arc::new(MemoryStore::new()), shelf, living: Living::default() }
    }

    pub(crate) async fn apply(&self, kind: &str, name: &str, spec: Value, annotations: Value) {
        let body = json!({"metadata": {"name": name, "namespace": "argo-events", "annotations": annotations},
            "spec": spec});
        let manifest = NewManifest {
            kind: kind.to_owned(),
            namespace: "argo-events".to_owned(),
            name: name.to_owned(),
            body: body.to_string().into_bytes(),
            source: String::new(),
            at: jiff::Timestamp::now(),
        };
        Catalog::put_manifest(self.store.as_ref(), manifest).await.unwrap();
    }

    pub(crate) async fn delete(&self, kind: &str, name: &str) {
        Catalog::delete_manifest(self.store.as_ref(), kind, "argo-events", name).await.unwrap();
    }

    pub(crate) async fn start(&self, gate: Gate) -> Running {
        self.start_with(gate, |_| {}).await
    }

    /// Starts with other settings.
    pub(crate) async fn start_with(&self, gate: Gate, change: impl FnOnce(&mut Settings)) -> Running {
        let store: Arc<dyn Store> = Arc::clone(&self.store) as Arc<dyn Store>;
        let mut options = Options::new(std::env::temp_dir());
        let options_owner = format!("daemon-{}", jiff::Timestamp::now().as_nanosecond());
        options.owner = format!("engine-{options_owner}");
        let controller =
            Controller::start(store, Runners::new(), Arc::new(SystemClock), Arc::new(SystemIds), options);
        let parts = Parts {
            controller: controller.clone(),
            clock: Arc::new(SystemClock),
            ids: Arc::new(SystemIds),
            objects: Arc::clone(&self.shelf) as Arc<dyn Objects>,
            fetch: Arc::new(Nothing),
            is_dead: Arc::new({
                let living = Arc::clone(&self.living);
                move |owner: &str| !living.lock().unwrap().contains(owner)
            }),
        };
        let mut settings = Settings { listen: SocketAddr::from(([127, 0, 0, 1], 0)), ..Settings::default() };
        settings.sensors.gate = gate;
        self.living.lock().unwrap().insert(options_owner.clone());
        (settings.detached, settings.owner) = (true, Some(options_owner.clone()));
        change(&mut settings);
        let (daemon, problems) = Daemon::start(parts, settings).await.unwrap();
        let address = daemon.address();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let task = tokio::spawn(daemon.run(async move {
            if stopped.await.is_err() {
                std::future::pending::<()>().await;
            }
        }));
        let living = Arc::clone(&self.living);
        Running { address, problems, task, controller, stop, owner: options_owner, living }
    }

    pub(crate) fn bus(&self) -> Bus {
        Bus::new(Arc::clone(&self.store) as Arc<dyn Store>, Arc::new(SystemClock), Arc::new(SystemIds))
    }

    pub(crate) async fn workflows(&self) -> Vec<WorkflowRow> {
        Catalog::list_workflows(self.store.as_ref(), WorkflowQuery::default()).await.unwrap().items
    }

    /// Waits until all events are settled and so many workflows exist.
    pub(crate) async fn settled(&self, events: usize, workflows: usize) -> Vec<History> {
        let began = Instant::now();
        loop {
            let all = self.bus().list(&Query::default()).await.unwrap();
            let open = all.iter().filter(|one| one.state() == State::Received).count();
            let made = self.workflows().await.len();
            if all.len() == events && open == 0 && made >= workflows {
                return all;
            }
            assert!(
                began.elapsed() < Duration::from_secs(60),
                "{} of {events} events, {open} open, {made} of {workflows} workflows; {all:?}",
                all.len()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

pub(crate) async fn post(
    address: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> (u16, Value) {
    let mut request = reqwest::Client::new().post(format!("http://{address}{path}")).body(body.to_owned());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default())
}

/// A source of type webhook and its only event `e`.
pub(crate) fn webhook() -> Value {
    json!({"webhook": {"e": {"endpoint": "/e", "method": "POST"}}})
}

/// A trigger that submits a workflow with `body.app` of a dependency.
pub(crate) fn submit(name: &str, conditions: &str, dependency: &str) -> Value {
    json!({"template": {"name": name, "conditions": conditions, "argoWorkflow": {
        "operation": "submit",
        "source": {"resource": {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow",
            "metadata": {"generateName": format!("{name}-"), "namespace": "cicd"},
            "spec": {"entrypoint": "main", "arguments": {"parameters": [{"name": "app", "value": ""}]},
                "templates": [{"name": "main", "container": {"image": "busybox", "command": ["true"]}}]}}},
        "parameters": [{"src": {"dependencyName": dependency, "dataKey": "body.app"},
            "dest": "spec.arguments.parameters.0.value"}]}}})
}

pub(crate) fn dependency(name: &str, source: &str, wanted: &str) -> Value {
    json!({"name": name, "eventSourceName": source, "eventName": "e",
        "filters": {"data": [{"path": "body.kind", "type": "string", "value": [wanted]}]}})
}

pub(crate) const PATH: &str = "/events/argo-events/hook/e";

pub(crate) async fn lab() -> Lab {
    let lab = Lab::new(&[]);
    lab.apply("EventSource", "hook", webhook(), json!({})).await;
    let sensor = json!({"dependencies": [dependency("a", "hook", "a"), dependency("b", "hook", "b")],
        "triggers": [submit("one", "a", "a"), submit("both", "a && b", "b")]});
    lab.apply("Sensor", "s", sensor, json!({})).await;
    lab
}
