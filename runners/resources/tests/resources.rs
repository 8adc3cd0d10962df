//! Resource templates against a cluster: a real one when RUNNER_TEST_KUBECONFIG names it, and always a FAKE one.
//! Only objects without controllers are made, so that both answer alike; what takes a kubelet is tested elsewhere.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use runner_fake_cluster::{Fake, Trouble};
use runner_resources::{Problem, perform};
use runner_runners::Cluster;
use runner_runners::typed::Order;
use serde_json::{Value, json};

/// A cluster, and names that no other test uses.
struct World {
    cluster: Cluster,
    fake: Option<Fake>,
    tag: String,
    _dir: tempfile::TempDir,
}

impl World {
    fn fake() -> Self {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let fake = Fake::start();
        let cluster = fake.cluster(dir.path());
        Self { cluster, fake: Some(fake), tag: tag(), _dir: dir }
    }

    /// The real cluster; none when no one is named, which is said.
    fn real() -> Option<Self> {
        let Some(file) = std::env::var_os("RUNNER_TEST_KUBECONFIG") else {
            eprintln!("SKIPPED against a real cluster: RUNNER_TEST_KUBECONFIG names none");
            return None;
        };
        let cluster = Cluster { kubeconfig: Some(file.into()), context: None };
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        Some(Self { cluster, fake: None, tag: tag(), _dir: dir })
    }

    fn order(&self, step: &str, resource: Value) -> Order {
        let template = json!({"name": "t", "resource": resource});
        Order {
            template: serde_json::from_value(template).unwrap(),
            step_key: format!("{}/{step}", self.tag),
            workflow: "wf".into(),
            namespace: "default".into(),
            cluster: self.cluster.clone(),
            ..Order::default()
        }
    }

    fn name(&self, name: &str) -> String {
        format!("{}-{name}", self.tag)
    }

    fn map(&self, name: &str, data: Value) -> String {
        let labels = json!({"case": self.tag});
        let metadata = json!({"name": self.name(name), "labels": labels});
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}).to_string()
    }

    /// What is in the cluster under a name.
    fn data(&self, name: &str) -> Option<Value> {
        let mut order = self.order("look", json!({"action": "get", "flags": ["cm", self.name(name)]}));
        outputs(&mut order, &[("data", json!({"jqFilter": ".data"}))]);
        let found = go(&order).ok()?;
        serde_json::from_str(&found.first()?.1).ok()
    }

    fn clean(&self) {
        let flags = json!(["cm", "-l", format!("case={}", self.tag)]);
        go(&self.order("clean", json!({"action": "delete", "flags": flags}))).unwrap();
    }
}

fn tag() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_micros();
    format!("t{now:x}-{}-{number}", std::process::id())
}

fn outputs(order: &mut Order, wanted: &[(&str, Value)]) {
    let one = |(name, from): &(&str, Value)| {
        serde_json::from_value(json!({"name": name, "valueFrom": from})).unwrap()
    };
    order.template.outputs.parameters = wanted.iter().map(one).collect();
}

fn go(order: &Order) -> Result<Vec<(String, String)>, Problem> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let done = async { tokio::time::timeout(Duration::from_secs(60), perform(order, None)).await.unwrap() };
    runtime.block_on(done)
}

fn refused(order: &Order) -> String {
    match go(order) {
        Err(Problem::Refused(why)) => why,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

/// The same suite for both.
fn suite(world: &World) {
    apply_and_read(world);
    create_once(world);
    change(world);
    conditions(world);
    remove(world);
    world.clean();
    assert_eq!(world.data("applied"), None, "cleaned by label");
}

fn apply_and_read(world: &World) {
    let manifest = world.map("applied", json!({"a": "1", "b": "2"}));
    let mut order = world.order("apply", json!({"action": "apply", "manifest": manifest}));
    outputs(
        &mut order,
        &[
            ("path", json!({"jsonPath": "{.metadata.name}:{.data.a}"})),
            ("jq", json!({"jqFilter": ".data | keys[]"})),
            ("literal", json!({"jsonPath": "{.data.gone}"})),
        ],
    );
    let found = go(&order).unwrap();
    let expected =
        [("path", format!("{}:1", world.name("applied"))), ("jq", "a\nb".into()), ("literal", "".into())];
    assert_eq!(found, expected.map(|(name, value)| (name.to_owned(), value)));
    // Again, with another value: a second manager's field is taken over.
    let manifest = world.map("applied", json!({"a": "3", "b": "2"}));
    let flags = json!(["--field-manager=somebody"]);
    go(&world.order("apply", json!({"action": "apply", "manifest": manifest, "flags": flags}))).unwrap();
    go(&order).unwrap();
    assert_eq!(world.data("applied"), Some(json!({"a": "1", "b": "2"})));
}

/// P4: what an earlier execution created is found; what somebody else created is not taken.
fn create_once(world: &World) {
    let manifest = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"generateName": world.name("gen-"), "labels": {"case": world.tag}},
    });
    let mut order = world.order("create", json!({"action": "create", "manifest": manifest.to_string()}));
    outputs(&mut order, &[("name", json!({"jsonPath": "{.metadata.name}"}))]);
    let first = go(&order).unwrap();
    assert_eq!(go(&order).unwrap(), first, "the same execution again");
    order.attempt = 2;
    assert_eq!(go(&order).unwrap(), first, "a later execution adopts");
    let other = world.order("another", json!({"action": "create", "manifest": manifest.to_string()}));
    go(&other).unwrap();

    let fixed = world.map("fixed", json!({"a": "1"}));
    let create = |step: &str| world.order(step, json!({"action": "create", "manifest": fixed}));
    go(&create("one")).unwrap();
    go(&create("one")).unwrap();
    assert!(refused(&create("two")).contains("already exists"));
    // One that failed is not adopted: a retry wants a new one, and the name is taken.
    let failing = json!({"action": "create", "manifest": fixed, "failureCondition": "data.a == 1"});
    assert!(refused(&world.order("one", failing)).contains("already exists"));
}

fn change(world: &World) {
    go(&world
        .order("make", json!({"action": "create", "manifest": world.map("changed", json!({"a": "1"}))})))
    .unwrap();
    let target = format!("configmap/{}", world.name("changed"));
    let patch = |strategy: &str, manifest: &str| {
        let resource = json!({"action": "patch", "mergeStrategy": strategy, "manifest": manifest, "flags": [target.clone()]});
        go(&world.order("patch", resource))
    };
    patch("", "data: {b: '2'}").unwrap();
    patch("merge", "data: {a: null, c: '3'}").unwrap();
    patch("json", r#"[{"op": "add", "path": "/data/d", "value": "4"}]"#).unwrap();
    assert_eq!(world.data("changed"), Some(json!({"b": "2", "c": "3", "d": "4"})));
    assert!(matches!(patch("odd", "data: {}"), Err(Problem::Input(_))));

    let replaced = world.map("changed", json!({"z": "9"}));
    go(&world.order("replace", json!({"action": "replace", "manifest": replaced}))).unwrap();
    assert_eq!(world.data("changed"), Some(json!({"z": "9"})));
    let gone = world.map("never", json!({}));
    assert!(
        refused(&world.order("replace", json!({"action": "replace", "manifest": gone})))
            .contains("not found")
    );
}

fn conditions(world: &World) {
    let manifest = world.map("waited", json!({"phase": "Running"}));
    let resource = json!({
        "action": "create", "manifest": manifest,
        "successCondition": "data.phase == Done", "failureCondition": "data.phase in (Bad, Worse)",
    });
    let mut order = world.order("wait", resource);
    outputs(&mut order, &[("phase", json!({"jsonPath": "{.data.phase}"}))]);
    let becomes = |phase: &'static str| {
        let flags = json!(["cm", world.name("waited")]);
        let manifest = json!({"data": {"phase": phase}}).to_string();
        let patch =
            json!({"action": "patch", "mergeStrategy": "merge", "manifest": manifest, "flags": flags});
        let patch = world.order("becomes", patch);
        std::thread::spawn(move || {
            // Whether the waiting has begun by then decides nothing about the outcome.
            std::thread::sleep(Duration::from_millis(700));
            go(&patch).unwrap();
        })
    };
    go(&world.order("wait", json!({"action": "create", "manifest": manifest}))).unwrap();
    let changer = becomes("Done");
    assert_eq!(go(&order).unwrap(), [("phase".to_owned(), "Done".to_owned())]);
    changer.join().unwrap();
    becomes("Running").join().unwrap();
    let changer = becomes("Bad");
    assert_eq!(refused(&order), "failure condition 'data.phase in (Bad,Worse)' evaluated true");
    changer.join().unwrap();
}

fn remove(world: &World) {
    let manifest = world.map("removed", json!({}));
    go(&world.order("make", json!({"action": "create", "manifest": manifest}))).unwrap();
    let delete = json!({"action": "delete", "manifest": manifest});
    go(&world.order("delete", delete.clone())).unwrap();
    go(&world.order("delete", delete)).unwrap();
    let get = |flags: &[&str]| {
        let name = world.name("removed");
        let flags: Vec<&str> = ["cm", &name].iter().chain(flags).copied().collect();
        let mut order = world.order("get", json!({"action": "get", "flags": flags}));
        outputs(&mut order, &[("x", json!({"jsonPath": "{.data}", "default": "none"}))]);
        order
    };
    assert!(refused(&get(&[])).contains("not found"));
    assert_eq!(go(&get(&["--ignore-not-found"])).unwrap(), [("x".to_owned(), "none".to_owned())]);
}

#[test]
fn resource_templates_against_a_fake_cluster() {
    suite(&World::fake());
}

#[test]
fn resource_templates_against_a_real_cluster() {
    if let Some(world) = World::real() {
        suite(&world);
    }
}

#[test]
fn f65_trouble_that_passes_is_waited_out_and_nothing_is_made_twice() {
    let world = World::fake();
    let fake = world.fake.as_ref().unwrap();
    let manifest = world.map("once", json!({"a": "1"}));
    fake.trouble("GET", Trouble::Status(503, "ServiceUnavailable"));
    fake.trouble("POST", Trouble::Status(429, "TooManyRequests"));
    fake.trouble("POST", Trouble::Cut);
    go(&world.order("create", json!({"action": "create", "manifest": manifest}))).unwrap();
    assert_eq!(world.data("once"), Some(json!({"a": "1"})));
    let posts = fake.asked().iter().filter(|line| line.starts_with("POST")).count();
    assert_eq!(posts, 3, "refused, cut, and the one that found it made: {:?}", fake.asked());
}

#[test]
fn f65_what_may_act_twice_is_not_sent_twice() {
    let world = World::fake();
    let fake = world.fake.as_ref().unwrap();
    go(&world.order("make", json!({"action": "create", "manifest": world.map("list", json!({"a": "1"}))})))
        .unwrap();
    fake.trouble("PATCH", Trouble::Cut);
    let patch = r#"[{"op": "add", "path": "/data/d", "value": "4"}]"#;
    let flags = json!(["cm", world.name("list")]);
    let resource = json!({"action": "patch", "mergeStrategy": "json", "manifest": patch, "flags": flags});
    refused(&world.order("patch", resource));
    assert_eq!(fake.asked().iter().filter(|line| line.starts_with("PATCH")).count(), 1);
}

#[test]
fn mistakes_are_found_before_anything_is_done() {
    let world = World::fake();
    let manifest = world.map("never", json!({}));
    for resource in [
        json!({"action": "create", "manifest": manifest, "successCondition": "a in b"}),
        json!({"action": "create", "manifest": manifest, "flags": ["--kubeconfig=/x"]}),
        json!({"action": "create", "manifest": format!("{manifest}\n---\n{manifest}")}),
        json!({"action": "create", "manifest": "a: ["}),
        json!({"action": "delete", "manifest": manifest, "successCondition": "a"}),
        json!({"action": "get"}),
        json!({"action": "dance", "manifest": manifest}),
    ] {
        let outcome = go(&world.order("wrong", resource.clone()));
        assert!(matches!(outcome, Err(Problem::Input(_))), "{resource}: {outcome:?}");
    }
    let asked = world.fake.as_ref().unwrap().asked();
    assert!(asked.is_empty(), "{asked:?}");
}

#[test]
fn without_a_cluster_the_step_says_what_to_do() {
    let world = World::fake();
    let mut order = world.order("get", json!({"action": "get", "flags": ["cm", "x"]}));
    order.cluster.kubeconfig = Some("/absent/kubeconfig".into());
    let outcome = go(&order);
    assert!(
        matches!(&outcome, Err(Problem::Input(why)) if why.contains("/absent/kubeconfig")),
        "{outcome:?}"
    );
}
