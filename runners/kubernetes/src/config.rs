//! Settings of the Kubernetes runner, and the client made of them.
//! Asks the API nothing.

use std::time::Duration;

use runner_kube::kube;
use runner_runners::Cluster;
use runner_runners::images::Image;

/// Settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubernetesConfig {
    /// Which cluster.
    pub cluster: Cluster,
    /// Namespace of all pods; absent: that of each workflow.
    pub namespace: Option<String>,
    /// Image whose entrypoint is a statically linked `runner`, for the init container that brings the supervisor.
    pub executor_image: String,
    /// Its pull policy.
    pub executor_pull_policy: Option<String>,
    /// Entrypoints of images, for templates without `command`.
    pub images: Vec<Image>,
    /// How long a pod may wait for a node or for its images; none: for ever.
    pub pending_timeout: Option<Duration>,
    /// Longest silence of a watch. A server with bookmarks says something about once a minute.
    pub stall: Duration,
}

impl Default for KubernetesConfig {
    fn default() -> Self {
        Self {
            cluster: Cluster::default(),
            namespace: None,
            executor_image: String::new(),
            executor_pull_policy: None,
            images: Vec::new(),
            pending_timeout: Some(Duration::from_secs(600)),
            stall: Duration::from_secs(120),
        }
    }
}

impl KubernetesConfig {
    /// A client.
    ///
    /// # Errors
    /// What is wrong with the configuration, and what to do.
    pub(crate) async fn client(&self) -> Result<kube::Client, String> {
        let mut config = runner_kube::config(&self.cluster).await.map_err(|error| error.to_string())?;
        // Whether and when to ask again is decided by whoever asks, with what the server said about it.
        config.default_retry = false;
        runner_kube::from(config).map_err(|error| error.to_string())
    }
}
