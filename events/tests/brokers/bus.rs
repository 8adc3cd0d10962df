//! An EventBus of JetStream between sources and sensors, with a real NATS: sent, brought back, killed, wiped.
//! No step is run here: what counts is events and the workflows that they make durable.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::jetstream;
use runner_controller::{Controller, Options, Runners, SystemClock, SystemIds};
use runner_events::bus::{Bus, History, Query, State};
use runner_events::daemon::{Daemon, Parts, Settings};
use runner_events::ingress::sns::Fetch;
use runner_runners::Objects;
use runner_sensors::machine::Gate;
use runner_store::{BoxFuture, Catalog, MemoryStore, NewManifest, Store, WorkflowQuery};
use serde_json::{Value, json};

use super::lab::{Shelf, secret, until};
use super::servers::Server;

/// Nothing can be fetched.
#[derive(Debug)]
struct Nothing;

impl Fetch for Nothing {
    fn get<'a>(&'a self, url: &'a str, _max: usize) -> BoxFuture<'a, Result<Vec<u8>, String>> {
        Box::pin(async move { Err(format!("{url} must not be fetched")) })
    }
}

/// A store with one webhook, one EventBus, and one sensor that makes a workflow of every event.
struct Lab {
    store: Arc<MemoryStore>,
    shelf: Arc<dyn Objects>,
}

struct Running {
    address: SocketAddr,
    problems: Vec<String>,
    task: tokio::task::JoinHandle<()>,
    _controller: Controller,
}

impl Running {
    /// As by SIGKILL: aborted where it stands; the store stays.
    async fn kill(self) {
        self.task.abort();
        drop(self.task.await);
    }

    async fn post(&self, n: usize) -> bool {
        let request = reqwest::Client::new().post(format!("http://{}/events/n/hook/e", self.address));
        let request = request.header("Idempotency-Key", format!("key-{n}")).body(json!({"n": n}).to_string());
        request.send().await.is_ok_and(|answer| answer.status() == 200)
    }
}

impl Lab {
    async fn new(bus: Value, annotations: Value) -> Self {
        let lab = Self {
            store: Arc::new(MemoryStore::new()),
            shelf: Arc::new(Shelf::of(&[("bus", "auth", "token: t0ken\n")])),
        };
        lab.apply("EventBus", "default", bus, annotations).await;
        let hook = json!({"webhook": {"e": {"endpoint": "/e", "method": "POST"}}});
        lab.apply("EventSource", "hook", hook, json!({})).await;
        let workflow = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow",
            "metadata": {"generateName": "w-", "namespace": "n"}, "spec": {"entrypoint": "main",
            "templates": [{"name": "main", "container": {"image": "busybox", "command": ["true"]}}]}});
        let sensor = json!({"dependencies": [{"name": "d", "eventSourceName": "hook", "eventName": "e"}],
            "triggers": [{"template": {"name": "t", "argoWorkflow": {"operation": "submit", "source": {"resource": workflow}}}}]});
        lab.apply("Sensor", "s", sensor, json!({})).await;
        lab
    }

    async fn apply(&self, kind: &str, name: &str, spec: Value, annotations: Value) {
        let body =
            json!({"metadata": {"name": name, "namespace": "n", "annotations": annotations}, "spec": spec});
        let manifest = NewManifest {
            kind: kind.to_owned(),
            namespace: "n".to_owned(),
            name: name.to_owned(),
            body: body.to_string().into_bytes(),
            source: String::new(),
            at: jiff::Timestamp::now(),
        };
        Catalog::put_manifest(self.store.as_ref(), manifest).await.unwrap();
    }

    async fn start(&self) -> Running {
        let store: Arc<dyn Store> = Arc::clone(&self.store) as Arc<dyn Store>;
        let owner = format!("daemon-{}", jiff::Timestamp::now().as_nanosecond());
        let mut options = Options::new(std::env::temp_dir());
        options.owner = format!("engine-{owner}");
        let (clock, ids) = (Arc::new(SystemClock), Arc::new(SystemIds));
        let controller = Controller::start(store, Runners::new(), clock.clone(), ids.clone(), options);
        let me = owner.clone();
        let parts = Parts {
            controller: controller.clone(),
            clock,
            ids,
            objects: Arc::clone(&self.shelf),
            fetch: Arc::new(Nothing),
            // only one daemon of a test lives at a time
            is_dead: Arc::new(move |owner: &str| owner != me),
        };
        let mut settings = Settings { listen: SocketAddr::from(([127, 0, 0, 1], 0)), ..Settings::default() };
        settings.sensors.gate = Gate::Open;
        (settings.detached, settings.owner) = (true, Some(owner));
        let (daemon, problems) = Daemon::start(parts, settings).await.unwrap();
        let address = daemon.address();
        let task = tokio::spawn(daemon.run(std::future::pending()));
        Running { address, problems, task, _controller: controller }
    }

    fn bus(&self) -> Bus {
        Bus::new(Arc::clone(&self.store) as Arc<dyn Store>, Arc::new(SystemClock), Arc::new(SystemIds))
    }

    /// All of them, page by page.
    async fn workflows(&self) -> usize {
        let (mut query, mut count) = (WorkflowQuery::default(), 0);
        loop {
            let page = Catalog::list_workflows(self.store.as_ref(), query.clone()).await.unwrap();
            count += page.items.len();
            query.cursor = page.next;
            if query.cursor.is_none() {
                return count;
            }
        }
    }

    /// Waits until all events have matched and as many workflows exist.
    async fn settled(&self, events: usize) -> Vec<History> {
        let began = Instant::now();
        loop {
            let all = self.bus().list(&Query::default()).await.unwrap();
            let matched = all.iter().filter(|one| one.state() == State::Matched).count();
            let made = self.workflows().await;
            if (all.len(), matched, made) == (events, events, events) {
                return all;
            }
            let late = began.elapsed() > Duration::from_secs(180);
            assert!(!late, "{} events, {matched} matched, {made} workflows of {events}", all.len());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn exotic(server: &Server) -> Value {
    json!({"jetstreamExotic": {"url": format!("nats://127.0.0.1:{}", server.port), "accessSecret": secret("bus", "auth"),
        "streamConfig": "maxMsgs: 50000\nmaxAge: 168h\nreplicas: 1\nduplicates: 300s\n"}})
}

async fn context(server: &Server) -> jetstream::Context {
    let options = async_nats::ConnectOptions::with_token("t0ken".into());
    jetstream::new(options.connect(format!("127.0.0.1:{}", server.port)).await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f37_events_travel_by_jetstream_and_wait_in_the_store_while_it_is_down() {
    let Some(mut server) = Server::nats(&["--auth", "t0ken"]) else { return };
    let lab = Lab::new(exotic(&server), json!({})).await;
    let running = lab.start().await;
    assert!(running.problems.is_empty(), "{:?}", running.problems);
    assert!(running.post(0).await);
    let all = lab.settled(1).await;
    assert_eq!(all[0].event.carrier.as_deref(), Some("n/default"));
    let nats = context(&server).await;
    let mut stream = nats.get_stream("default").await.unwrap();
    let info = stream.info().await.unwrap();
    assert_eq!((info.state.messages, info.config.max_messages), (1, 50_000), "it was there");
    let message = stream.get_raw_message(1).await.unwrap();
    assert_eq!(message.subject.as_str(), "default.hook.e");
    let message: Value = serde_json::from_slice(&message.payload).unwrap();
    assert_eq!((&message["id"], &message["source"]), (&json!(all[0].event.id), &json!("hook")));
    server.kill();
    for n in 1..20 {
        assert!(running.post(n).await, "acknowledged without the bus");
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(lab.workflows().await, 1, "nothing is judged before the bus brought it");
    server.again();
    lab.settled(20).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f39_what_others_publish_on_the_bus_is_one_event_however_often_it_is_brought() {
    let Some(server) = Server::nats(&["--auth", "t0ken"]) else { return };
    let url = format!("nats://127.0.0.1:{}", server.port);
    let annotations = json!({"runner/url": url, "runner/secret": "bus/auth", "runner/stream": "mine"});
    let bus = json!({"jetstream": {"version": "2.10.10", "replicas": 1, "streamConfig": "replicas: 1\n"}});
    let lab = Lab::new(bus, annotations).await;
    let running = lab.start().await;
    let nats = context(&server).await;
    until("the stream is there", || async { nats.get_stream("mine").await.is_ok() }).await;
    assert!(running.post(0).await);
    lab.settled(1).await;
    let event = json!({"id": "abc", "source": "hook", "subject": "e", "type": "webhook", "specversion": "1.0",
        "datacontenttype": "application/json", "data": {"body": {"n": 1}}});
    for message in [event.to_string(), "no event".to_owned(), event.to_string()] {
        nats.publish("mine.hook.e", message.into()).await.unwrap().await.unwrap();
    }
    lab.settled(2).await;
    let mut stream = nats.get_stream("mine").await.unwrap();
    let name = stream.info().await.unwrap().state.consumer_count;
    assert_eq!(name, 1);
    // the same again, to a consumer that is no longer remembered
    running.kill().await;
    let running = lab.start().await;
    nats.publish("mine.hook.e", event.to_string().into()).await.unwrap().await.unwrap();
    assert!(running.post(2).await);
    lab.settled(3).await;
    assert_eq!(stream.info().await.unwrap().state.consumer_count, 1, "the same consumer goes on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f38_f41_kills_of_daemon_and_bus_and_a_bus_that_forgot_everything_lose_and_double_nothing() {
    let Some(mut server) = Server::nats(&["--auth", "t0ken"]) else { return };
    let lab = Lab::new(exotic(&server), json!({})).await;
    let (mut tried, mut acknowledged) = (0, 0);
    for round in 0..5_u64 {
        let running = lab.start().await;
        let until = Instant::now() + Duration::from_millis(700 + 100 * round);
        let mut whole = true;
        while Instant::now() < until {
            if whole && Instant::now() + Duration::from_millis(350) > until {
                whole = false;
                server.kill();
                if round == 2 {
                    std::fs::remove_dir_all(server.folder.path().join("js")).unwrap();
                }
                if round % 2 == 0 {
                    server.again();
                }
            }
            acknowledged += usize::from(running.post(tried).await);
            tried += 1;
        }
        running.kill().await;
        if round % 2 == 1 {
            server.again();
        }
    }
    assert!(acknowledged > 50, "{acknowledged}");
    assert_eq!(tried, acknowledged, "every request was answered");
    let _running = lab.start().await;
    let all = lab.settled(acknowledged).await;
    let carried = all.iter().filter(|one| one.event.carrier.is_some()).count();
    assert_eq!(carried, acknowledged, "all went by the bus");
    println!("{acknowledged} acknowledged, {} kept, {} workflows", all.len(), lab.workflows().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bus_without_a_server_is_the_store_and_one_that_refuses_keeps_events_in_it() {
    let Some(server) = Server::nats(&["--auth", "other"]) else { return };
    let lab = Lab::new(json!({"jetstream": {"version": "latest", "replicas": 3}}), json!({})).await;
    let running = lab.start().await;
    assert!(running.problems.is_empty(), "{:?}", running.problems);
    assert!(running.post(0).await);
    assert_eq!(lab.settled(1).await[0].event.carrier, None);
    lab.apply("EventBus", "default", exotic(&server), json!({})).await;
    until("the bus is in effect", || async {
        let known = lab.bus().list(&Query::default()).await.unwrap();
        running.post(known.len()).await;
        lab.bus().list(&Query::default()).await.unwrap().iter().any(|one| one.event.carrier.is_some())
    })
    .await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let count = lab.bus().list(&Query::default()).await.unwrap().len();
    assert_eq!(lab.workflows().await, count - 1, "the one that waits for the bus is not judged");
    // without the bus it is judged
    lab.apply("EventBus", "default", json!({"jetstream": {"version": "latest"}}), json!({})).await;
    lab.settled(count).await;
    let why =
        json!({"jetstreamExotic": {"url": "nats://127.0.0.1:1", "accessSecret": secret("nothing", "auth")}});
    lab.apply("EventBus", "default", why, json!({})).await;
    running.kill().await;
    let running = lab.start().await;
    assert!(
        running.problems.iter().any(|one| one.contains("EventBus n/default") && one.contains("nothing")),
        "{:?}",
        running.problems
    );
}
