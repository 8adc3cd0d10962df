//! The Kubernetes runner passes the suite of all runners on a real cluster: API server, scheduler, kubelet.
//! Without `RUNNER_TEST_KUBECONFIG` it says that it was skipped. `docs/kubernetes-runner.md` tells what it needs.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kube::core::params::{DeleteParams, PostParams};
use runner_kubernetes::{KubernetesConfig, KubernetesRunner};
use runner_runners::conformance::{self, Subject};
use runner_runners::{
    ArtifactRepository, AttemptId, AttemptSpec, BoxFuture, Error, LogQuery, LogStream, ProcessConfig,
    ProcessRunner, Release, Runner, Sink,
};
use serde_json::json;

/// A namespace of a real cluster.
struct Cluster {
    config: KubernetesConfig,
    image: String,
    dir: tempfile::TempDir,
}

/// The runner, with an image that the cluster has instead of those of the suite.
struct Renamed {
    inner: KubernetesRunner,
    image: String,
}

impl Cluster {
    fn find() -> Option<Self> {
        let Some(kubeconfig) = std::env::var_os("RUNNER_TEST_KUBECONFIG") else {
            eprintln!("skipped: set RUNNER_TEST_KUBECONFIG to run the suite on a real cluster");
            return None;
        };
        let get = |name: &str, otherwise: &str| std::env::var(name).unwrap_or_else(|_| otherwise.to_owned());
        let config = KubernetesConfig {
            cluster: runner_runners::Cluster { kubeconfig: Some(PathBuf::from(kubeconfig)), context: None },
            namespace: Some(format!("runner-test-{}", std::process::id())),
            executor_image: get("RUNNER_TEST_EXECUTOR_IMAGE", "localhost/runner:test"),
            executor_pull_policy: Some("IfNotPresent".into()),
            ..KubernetesConfig::default()
        };
        let image = get("RUNNER_TEST_IMAGE", "localhost/busybox:test");
        let cluster = Self { config, image, dir: tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap() };
        cluster.ask(|namespace| {
            let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
            let all = kube::core::Request::new("/api/v1/namespaces");
            all.create(&PostParams::default(), serde_json::to_vec(&body).unwrap()).unwrap()
        });
        cluster.wait_for_account();
        Some(cluster)
    }

    /// Asks the API something, beside the runner under test.
    fn ask(&self, request: impl FnOnce(&str) -> http::Request<Vec<u8>> + Send) -> bool {
        let kubeconfig = self.config.cluster.kubeconfig.clone().unwrap();
        let namespace = self.config.namespace.clone().unwrap();
        let request = request(&namespace);
        let asking = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let read = kube::config::Kubeconfig::read_from(kubeconfig).unwrap();
                let config = kube::Config::from_custom_kubeconfig(read, &Default::default()).await.unwrap();
                let client = kube::Client::try_from(config).unwrap();
                client.request_text(request).await.inspect_err(|error| eprintln!("{error}")).is_ok()
            })
        });
        asking.join().unwrap()
    }

    /// A namespace can have pods once it has its account.
    fn wait_for_account(&self) {
        for _ in 0..600 {
            let there = self.ask(|namespace| {
                let accounts = format!("/api/v1/namespaces/{namespace}/serviceaccounts");
                kube::core::Request::new(accounts).get("default", &Default::default()).unwrap()
            });
            if there {
                return;
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.ask(|namespace| {
            let all = kube::core::Request::new("/api/v1/namespaces");
            all.delete(namespace, &DeleteParams::default()).unwrap()
        });
    }
}

impl Subject for Cluster {
    fn runner(&self) -> Box<dyn Runner> {
        let mut config = ProcessConfig::new(self.dir.path().join("state")).unwrap();
        config.grace = Duration::from_secs(2);
        let process = Arc::new(ProcessRunner::new(config).unwrap());
        let inner = KubernetesRunner::new(self.config.clone(), process);
        Box::new(Renamed { inner, image: self.image.clone() })
    }

    fn repository(&self) -> ArtifactRepository {
        ArtifactRepository::Local { root: self.dir.path().join("artifacts") }
    }

    fn lose(&self, id: &AttemptId) -> bool {
        let name = format!("{}-pod", id.workflow_uid.trim_start_matches("uid-"));
        self.ask(|namespace| {
            let pods = kube::core::Request::new(format!("/api/v1/namespaces/{namespace}/pods"));
            let now = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() };
            pods.delete(&name, &now).unwrap()
        })
    }

    fn slack(&self) -> Duration {
        // A pod needs seconds to start and to end, more on a busy machine.
        Duration::from_secs(30)
    }
}

impl Runner for Renamed {
    fn ensure(&self, mut spec: AttemptSpec, sink: Sink) -> BoxFuture<'_, Result<(), Error>> {
        if let Some(container) = &mut spec.template.container {
            container.image.clone_from(&self.image);
        }
        if let Some(script) = &mut spec.template.script {
            script.image.clone_from(&self.image);
        }
        self.inner.ensure(spec, sink)
    }

    fn cancel(&self, id: &AttemptId, grace: Duration) -> BoxFuture<'_, Result<(), Error>> {
        self.inner.cancel(id, grace)
    }

    fn logs(&self, id: &AttemptId, query: LogQuery) -> BoxFuture<'_, Result<LogStream, Error>> {
        self.inner.logs(id, query)
    }

    fn remove(&self, id: &AttemptId) -> BoxFuture<'_, Result<(), Error>> {
        self.inner.remove(id)
    }

    fn release(&self, release: Release) -> BoxFuture<'_, Result<(), Error>> {
        self.inner.release(release)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_kubernetes_runner_passes() {
    let Some(cluster) = Cluster::find() else { return };
    conformance::all(&cluster).await;
}
