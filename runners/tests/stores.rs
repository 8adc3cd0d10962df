//! Every kind of artifact store, through steps that store and load: the same cases for each of them.
//! What is started for it says what it is: real servers of the protocol, the vendor's emulator, or a fake.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;
mod stores_servers;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use common::Processes;
use common::conformance::{attempt, run, shell, succeed};
use runner_fake_driver::FakeDriver;
use runner_runners::artifacts::ArtifactDriver;
use runner_runners::{
    ArtifactRepository, AttemptSpec, Error, ExitPhase, IsolationChoice, Objects, SecretData, SecretValue,
};
use runner_workflows::spec::{Artifact, Template};
use serde_json::{Value, json};
use stores_servers as servers;

/// The secrets of all servers of these tests.
struct Keys(String);

impl Objects for Keys {
    fn config_map(&self, _: &str, name: &str) -> Result<Option<BTreeMap<String, String>>, Error> {
        let text = "s3:\n  endpoint: REPLACED\n".replace("REPLACED", &self.0);
        Ok((name == "artifact-repositories").then(|| BTreeMap::from([("main".to_owned(), text)])))
    }

    fn secret(&self, _: &str, name: &str) -> Result<Option<SecretData>, Error> {
        let azure =
            "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
        let gcs = json!({"gcs_base_url": self.0, "disable_oauth": true, "client_email": "", "private_key": "",
            "private_key_id": ""});
        let all = [("access", "test-access"), ("secret", "test-secret"), ("azure", azure)];
        let mut data: SecretData =
            all.into_iter().map(|(key, value)| (key.to_owned(), SecretValue::new(value))).collect();
        data.insert("gcs".to_owned(), SecretValue::new(gcs.to_string()));
        Ok((name == "store").then_some(data))
    }
}

/// A store under test: artifacts are sent to `location(KEY)` and loaded from there.
struct Store<'a> {
    what: &'a str,
    base: String,
    location: &'a dyn Fn(&str) -> Value,
    /// Whether a directory can be stored file by file.
    directories: bool,
    /// Where the driver listens that is not part of the program.
    driver: Option<PathBuf>,
}

fn artifact(name: &str, path: &str, archive: Option<Value>, location: Value) -> Artifact {
    let mut all = location;
    all["name"] = name.into();
    all["path"] = path.into();
    if let Some(archive) = archive {
        all["archive"] = archive;
    }
    serde_json::from_value(all).unwrap()
}

async fn step(
    store: &Store<'_>,
    processes: &Processes,
    case: &str,
    change: impl FnOnce(&mut AttemptSpec),
    template: Template,
) -> runner_runners::Exit {
    let base = store.base.clone();
    let runner = processes.with(|config| {
        config.objects = Arc::new(Keys(base));
        let driver = |socket| ArtifactDriver { name: "fake".into(), socket, ..ArtifactDriver::default() };
        config.drivers = store.driver.clone().map(Some).map(driver).into_iter().collect();
    });
    let mut spec = attempt(processes, &format!("{case}-{}", store.what), template);
    change(&mut spec);
    run(&runner, spec).await
}

/// Stores a file and a directory with every packing, and loads each of them again.
async fn everything_comes_back(store: Store<'_>) {
    let processes = Processes::new(IsolationChoice::Auto);
    let packings = [("tgz", json!({"tar": {}})), ("zip", json!({"zip": {}})), ("raw", json!({"none": {}}))];
    for (packing, archive) in packings {
        let file = format!("{packing}/file");
        let tree = format!("{packing}/tree");
        let with_tree = packing != "raw" || store.directories;
        let mut template = shell(
            "printf 'hello store' > /tmp/file; mkdir -p /tmp/tree/sub; echo one > /tmp/tree/a; \
             echo two > /tmp/tree/sub/b; chmod 700 /tmp/tree/sub/b",
        );
        template.outputs.artifacts.push(artifact(
            "f",
            "/tmp/file",
            Some(archive.clone()),
            (store.location)(&file),
        ));
        if with_tree {
            let tree = artifact("t", "/tmp/tree", Some(archive.clone()), (store.location)(&tree));
            template.outputs.artifacts.push(tree);
        }
        let exit = step(&store, &processes, &format!("put-{packing}"), |_| (), template).await;
        assert_eq!(
            (exit.phase, exit.message.as_str()),
            (ExitPhase::Succeeded, ""),
            "{} {packing}",
            store.what
        );

        let mut template = shell(if with_tree {
            "cat /tmp/in/file; echo; cat /tmp/in/tree/a /tmp/in/tree/sub/b"
        } else {
            "cat /tmp/in/file"
        });
        let unpack = (packing != "tgz").then_some(archive);
        template.inputs.artifacts.push(artifact(
            "f",
            "/tmp/in/file",
            unpack.clone(),
            (store.location)(&file),
        ));
        if with_tree {
            template.inputs.artifacts.push(artifact("t", "/tmp/in/tree", unpack, (store.location)(&tree)));
        }
        let exit = step(&store, &processes, &format!("get-{packing}"), |_| (), template).await;
        assert_eq!(
            (exit.phase, exit.message.as_str()),
            (ExitPhase::Succeeded, ""),
            "{} {packing}",
            store.what
        );
        let wanted = if with_tree { "hello store\none\ntwo\n" } else { "hello store" };
        assert_eq!(
            exit.outputs.result.as_deref().map(str::trim_end),
            Some(wanted.trim_end()),
            "{}",
            store.what
        );
    }
    what_is_missing_is_said(&store, &processes).await;
}

async fn what_is_missing_is_said(store: &Store<'_>, processes: &Processes) {
    let mut template = shell("true");
    template.inputs.artifacts.push(artifact("gone", "/tmp/in", None, (store.location)("no/such/key")));
    let exit = step(store, processes, "missing", |_| (), template.clone()).await;
    assert_eq!(exit.phase, ExitPhase::Error, "{}", store.what);
    assert!(exit.message.contains("artifact \"gone\" failed to load"), "{}: {}", store.what, exit.message);
    template.inputs.artifacts[0].optional = true;
    let exit = step(store, processes, "optional", |_| (), template).await;
    assert_eq!((exit.phase, exit.message.as_str()), (ExitPhase::Succeeded, ""), "{}", store.what);
}

fn secret(key: &str) -> Value {
    json!({"name": "store", "key": key})
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

#[test]
fn s3_against_a_fake() {
    // moto is a FAKE of S3: it keeps objects and checks no signature.
    let Some(server) = servers::moto() else { return };
    let endpoint = server.address.clone();
    let location = |key: &str| {
        json!({"s3": {"endpoint": endpoint, "bucket": "made-on-demand", "insecure": true, "key": key,
            "accessKeySecret": secret("access"), "secretKeySecret": secret("secret"),
            "createBucketIfNotPresent": {}}})
    };
    let base = format!(
        "{endpoint}\n  bucket: made-on-demand\n  insecure: true\n  keyFormat: 'runs/{{{{workflow.name}}}}'\n  \
         accessKeySecret: {{name: store, key: access}}\n  secretKeySecret: {{name: store, key: secret}}"
    );
    block_on(async {
        let store =
            || Store { what: "s3", base: base.clone(), location: &location, directories: true, driver: None };
        everything_comes_back(store()).await;
        the_repository_of_a_config_map_takes_keys_and_listings(store()).await;
    });
}

/// `artifactRepositoryRef`: outputs without a location go to the bucket that the ConfigMap names; a data template
/// lists them.
async fn the_repository_of_a_config_map_takes_keys_and_listings(store: Store<'_>) {
    let processes = Processes::new(IsolationChoice::Auto);
    let by_ref = |spec: &mut AttemptSpec| {
        let otherwise = Box::new(spec.repository.clone());
        spec.repository =
            ArtifactRepository::Ref { config_map: String::new(), key: String::new(), otherwise };
        spec.workflow = "named".into();
    };
    let mut template = shell("echo kept > /tmp/out");
    template.outputs.artifacts.push(artifact("out", "/tmp/out", None, json!({})));
    let exit = step(&store, &processes, "ref-put", by_ref, template).await;
    assert_eq!((exit.phase, exit.message.as_str()), (ExitPhase::Succeeded, ""));
    let stored = serde_json::to_value(&exit.outputs.artifacts[0]).unwrap();
    assert_eq!(stored["s3"], json!({"key": "runs/named/out.tgz"}), "the status shows the key alone");
    let mut template = shell("cat /tmp/in");
    template.inputs.artifacts.push(artifact(
        "in",
        "/tmp/in",
        None,
        json!({"s3": {"key": "runs/named/out.tgz"}}),
    ));
    let exit = step(&store, &processes, "ref-get", by_ref, template).await;
    assert_eq!(exit.outputs.result.as_deref().map(str::trim_end), Some("kept"));
}

#[test]
fn azure_against_the_vendors_emulator() {
    let Some(server) = servers::azurite() else { return };
    let endpoint = format!("http://{}/devstoreaccount1", server.address);
    let location = |key: &str| json!({"azure": {"endpoint": endpoint, "container": "box", "blob": key, "accountKeySecret": secret("azure")}});
    block_on(everything_comes_back(Store {
        what: "azure",
        base: String::new(),
        location: &location,
        directories: true,
        driver: None,
    }));
}

#[test]
fn gcs_against_a_fake() {
    // A FAKE of Google's service, in this test's own process.
    let address = servers::gcs();
    let location =
        |key: &str| json!({"gcs": {"bucket": "box", "key": key, "serviceAccountKeySecret": secret("gcs")}});
    let base = format!("http://{address}");
    block_on(everything_comes_back(Store {
        what: "gcs",
        base,
        location: &location,
        directories: true,
        driver: None,
    }));
}

#[test]
fn http_against_a_real_server() {
    let Some(server) = servers::webdav() else { return };
    let location = |key: &str| {
        let flat = key.replace('/', "-");
        json!({"http": {"url": format!("http://{}/{flat}", server.address), "auth": {"basicAuth":
            {"usernameSecret": secret("access"), "passwordSecret": secret("secret")}}}})
    };
    block_on(everything_comes_back(Store {
        what: "http",
        base: String::new(),
        location: &location,
        directories: false,
        driver: None,
    }));
}

#[test]
fn local_directory() {
    let location = |key: &str| json!({"s3": {"key": key}});
    block_on(everything_comes_back(Store {
        what: "local",
        base: String::new(),
        location: &location,
        directories: true,
        driver: None,
    }));
}

/// The location of a key behind the FAKE driver, with what makes it behave.
fn behind(configuration: &str, key: &str) -> Value {
    json!({"plugin": {"name": "fake", "configuration": configuration, "key": key}})
}

fn drivers_dir() -> tempfile::TempDir {
    // Not below the target directory: names of sockets are short.
    tempfile::Builder::new().prefix("runner-driver-").tempdir().unwrap()
}

#[test]
fn plugins_against_a_fake() {
    // A FAKE of an artifact driver: the protocol over a real socket, files in a directory.
    let dir = drivers_dir();
    let fake = FakeDriver::start(dir.path());
    let store = Store {
        what: "plugin",
        base: String::new(),
        location: &|key| behind("", key),
        directories: true,
        driver: Some(fake.socket.clone()),
    };
    block_on(everything_comes_back(store));
    assert!(
        fake.kept("raw/tree/sub/b").is_file(),
        "a directory without an archive is one for the driver too"
    );
}

#[test]
fn plugins_as_the_repository_take_outputs_logs_and_deletion() {
    let dir = drivers_dir();
    let fake = FakeDriver::start(dir.path());
    let processes = Processes::new(IsolationChoice::Auto);
    let store = Store {
        what: "plugin-repository",
        base: String::new(),
        location: &|key| behind("", key),
        directories: true,
        driver: Some(fake.socket.clone()),
    };
    let repository = json!({"archiveLogs": true, "plugin": {"name": "fake", "configuration": "of the repository",
        "keyFormat": "runs/{{workflow.name}}"}});
    let repository = ArtifactRepository::from_value(repository).unwrap();
    let drivers = [ArtifactDriver {
        name: "fake".into(),
        socket: Some(fake.socket.clone()),
        ..ArtifactDriver::default()
    }];
    let out = block_on(async {
        let mut template: Template =
            serde_json::from_value(json!({"name": "t", "containerSet": {"containers": [
                {"name": "a", "image": "i", "command": ["echo", "of a"]},
                {"name": "b", "image": "i", "command": ["sh", "-c", "echo of b; echo kept > /tmp/out"]},
            ]}}))
            .unwrap();
        template.outputs.artifacts.push(artifact("out", "/tmp/out", None, json!({})));
        let own = |spec: &mut AttemptSpec| {
            spec.repository = repository.clone();
            spec.workflow = "named".into();
        };
        let exit = step(&store, &processes, "put", own, template).await;
        assert_eq!((exit.phase, exit.message.as_str()), (ExitPhase::Succeeded, ""));
        let stored = serde_json::to_value(&exit.outputs.artifacts).unwrap();
        let key = |number: usize| {
            (stored[number]["name"].as_str().unwrap(), stored[number]["plugin"]["key"].as_str().unwrap())
        };
        assert_eq!(key(0), ("out", "runs/named/out.tgz"));
        assert_eq!(key(1), ("a-logs", "runs/named/a.log"));
        assert_eq!(key(2), ("b-logs", "runs/named/b.log"));
        assert_eq!(stored[0]["plugin"], json!({"key": "runs/named/out.tgz"}), "the key alone");
        assert_eq!(std::fs::read_to_string(fake.kept("runs/named/b.log")).unwrap(), "of b\n");

        let out = exit.outputs.artifacts[0].clone();
        let mut template = shell("cat /tmp/out");
        template.inputs.artifacts.push(out.clone());
        let exit = step(&store, &processes, "get", own, template).await;
        assert_eq!(exit.outputs.result.as_deref().map(str::trim_end), Some("kept"), "{}", exit.message);

        out
    });
    for _twice in 0..2 {
        let objects = Keys(String::new());
        runner_runners::delete_artifact(&out, &repository, "ns", &objects, &drivers).unwrap();
    }
    assert!(!fake.kept("runs/named/out.tgz").exists());
    assert!(fake.calls().iter().any(|call| call == "Delete runs/named/out.tgz"));
}

#[test]
fn v8_troubles_of_a_driver_are_told_and_its_links_are_not_followed() {
    let dir = drivers_dir();
    let fake = FakeDriver::start(dir.path());
    let processes = Processes::new(IsolationChoice::Auto);
    let (there, nowhere) = (fake.socket.clone(), dir.path().join("nowhere/socket"));
    // What accepts and never speaks.
    let mute = dir.path().join("mute");
    let _listener = std::os::unix::net::UnixListener::bind(&mute).unwrap();
    let with_timeout = |seconds: i32| {
        let mut at = behind("", "k");
        at["plugin"]["connectionTimeoutSeconds"] = seconds.into();
        at
    };
    let mut named_otherwise = behind("", "k");
    named_otherwise["plugin"]["name"] = "other".into();
    let cases = [
        ("refused", &there, behind("refuse the bucket is on fire", "k"), "Load: the bucket is on fire"),
        ("status", &there, behind("status 7 no rights", "k"), "gRPC status 7: no rights"),
        ("missing", &there, behind("", "k"), "nothing is kept as k"),
        ("link", &there, behind("link", "k"), "take what artifact driver"),
        ("key", &there, behind("", "../../k"), "artifact key"),
        ("absent", &nowhere, behind("", "k"), "is it running?"),
        ("mute", &mute, with_timeout(1), "no connection within 1 s"),
        (
            "undeclared",
            &there,
            named_otherwise,
            "there is no artifact driver \"other\": declare it in runner.yaml",
        ),
    ];
    block_on(async {
        for (case, socket, at, wanted) in cases {
            let store = Store {
                what: "trouble",
                base: String::new(),
                location: &|key| behind("", key),
                directories: true,
                driver: Some(socket.clone()),
            };
            let mut template = shell("true");
            template.inputs.artifacts.push(artifact("in", "/tmp/in", None, at));
            let exit = step(&store, &processes, case, |_| (), template).await;
            assert_eq!(exit.phase, ExitPhase::Error, "{case}");
            assert!(exit.message.contains(wanted), "{case}: {}", exit.message);
            assert!(!exit.message.contains("root:"), "{case}: {}", exit.message);
        }
    });
}

#[test]
fn v20_a_step_in_a_private_root_does_not_reach_the_driver_itself() {
    if !common::can_isolate() || !servers::has("python3") {
        return;
    }
    // Not below /tmp, which is another one in a private root anyway: here the step sees the file of the socket.
    let dir = tempfile::Builder::new().prefix("d-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let fake = FakeDriver::start(dir.path());
    let processes = Processes::new(IsolationChoice::Overlay);
    let store = Store {
        what: "reach",
        base: String::new(),
        location: &|key| behind("", key),
        directories: true,
        driver: Some(fake.socket.clone()),
    };
    let connect = format!(
        "test -S {0} && echo there; echo tried > /tmp/out; \
         python3 -c 'import socket; socket.socket(socket.AF_UNIX).connect(\"{0}\")' 2> /dev/null && echo reached; true",
        fake.socket.display()
    );
    let mut template = shell(&connect);
    template.outputs.artifacts.push(artifact("out", "/tmp/out", None, behind("", "k")));
    let exit = block_on(step(&store, &processes, "connect", |_| (), template));
    assert_eq!((exit.phase, exit.message.as_str()), (ExitPhase::Succeeded, ""));
    assert_eq!(exit.outputs.result.as_deref().map(str::trim_end), Some("there"));
    assert_eq!(fake.calls(), ["Save k"], "its supervisor did");
}

#[test]
fn v30_git_artifacts_are_fetched_and_their_hooks_are_not_run() {
    if !servers::has("git") {
        return;
    }
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let made = servers::repository(dir.path());
    let processes = Processes::new(IsolationChoice::Auto);
    let at = |more: Value| {
        let mut git = json!({"repo": format!("file://{}", made.display())});
        git.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"git": git})
    };
    block_on(async {
        let runner = processes.with(|_| ());
        for (case, more, wanted) in [
            ("head", json!({}), "second"),
            ("tag", json!({"revision": "v1"}), "first"),
            ("branch", json!({"singleBranch": true, "branch": "other"}), "other"),
            ("shallow", json!({"depth": 1}), "second"),
        ] {
            let mut template = shell("cat /tmp/src/file; ls -A /tmp/src | tr '\\n' ' ' >&2");
            template.inputs.artifacts.push(artifact("src", "/tmp/src", None, at(more)));
            let exit = succeed(&runner, attempt(&processes, &format!("git-{case}"), template)).await;
            assert_eq!(exit.outputs.result.as_deref().map(str::trim_end), Some(wanted), "{case}");
        }
        for (case, bad) in [
            ("option", json!({"git": {"repo": "--upload-pack=touch /tmp/x"}})),
            ("ext", json!({"git": {"repo": "ext::sh -c true"}})),
            ("revision", at(json!({"revision": "--output=/tmp/x"}))),
        ] {
            let mut template = shell("true");
            template.inputs.artifacts.push(artifact("src", "/tmp/src", None, bad));
            let exit = run(&runner, attempt(&processes, &format!("git-bad-{case}"), template)).await;
            assert_eq!(exit.phase, ExitPhase::Error, "{case}");
            assert!(exit.message.contains("refused"), "{case}: {}", exit.message);
        }
    });
}

#[test]
fn v8_hostile_zip_archives_write_nothing_outside() {
    let bad: [(&str, &str, u32); 4] = [
        ("parent", "../escaped", 0o100_644),
        ("absolute", "/tmp/escaped", 0o100_644),
        ("link", "link", 0o120_777),
        ("backslash", "..\\escaped", 0o100_644),
    ];
    for (case, name, mode) in bad {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let repository = runner_runners::artifacts::LocalRepository::open(&dir.path().join("r")).unwrap();
        let file = dir.path().join("a.zip");
        std::fs::write(&file, servers::zip_of(name, mode, b"/etc/passwd")).unwrap();
        repository.import(&file, "key", runner_runners::artifacts::Packing::None).unwrap();
        std::fs::create_dir(dir.path().join("inside")).unwrap();
        let target = dir.path().join("inside/target");
        let error = repository.export("key", runner_runners::artifacts::Unpacking::Zip, &target);
        assert!(matches!(error, Err(Error::Archive(_))), "{case}: {error:?}");
        let left: Vec<_> = std::fs::read_dir(dir.path().join("inside")).unwrap().collect();
        assert!(left.is_empty() && !dir.path().join("escaped").exists(), "{case}");
    }
}
