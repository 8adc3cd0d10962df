//! The one place where a client of a Kubernetes API is made, for pods, resource templates and events alike.
//! Knows no kind of object: [`objects`] asks the API which kinds it serves.

pub mod objects;

use std::path::Path;

use kube::config::{KubeConfigOptions, Kubeconfig};
use runner_runners::Cluster;

pub use kube;

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kubeconfig cannot be used as it is.
    #[error("kubeconfig {path}: {why}")]
    Kubeconfig {
        /// The file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// Nobody said where a cluster is.
    #[error(
        "no Kubernetes cluster is configured: name a kubeconfig (--kubeconfig, KUBECONFIG or \
         runners.kubernetes.kubeconfig), or run inside a pod ({0})"
    )]
    Nowhere(String),
    /// The client cannot be built from what the kubeconfig says.
    #[error("Kubernetes client: {0}")]
    Client(String),
}

/// Settings of the client, from a kubeconfig or from the pod that this process runs in.
///
/// # Errors
/// The kubeconfig cannot be read or does not have the context; or there is none, and this is no pod.
pub async fn config(cluster: &Cluster) -> Result<kube::Config, Error> {
    let located = cluster.clone().located(|name| std::env::var(name).ok());
    match &located.kubeconfig {
        Some(path) => from_file(path, located.context.as_deref()).await,
        None => kube::Config::incluster().map_err(|error| Error::Nowhere(error.to_string())),
    }
}

async fn from_file(path: &Path, context: Option<&str>) -> Result<kube::Config, Error> {
    let bad = |error: kube::config::KubeconfigError| Error::Kubeconfig {
        path: path.display().to_string(),
        why: chain(&error),
    };
    let file = Kubeconfig::read_from(path).map_err(bad)?;
    let context = context.map(str::to_owned);
    let options = KubeConfigOptions { context, ..KubeConfigOptions::default() };
    kube::Config::from_custom_kubeconfig(file, &options).await.map_err(bad)
}

/// A client.
///
/// # Errors
/// As [`config`], and when its certificates cannot be used.
pub async fn client(cluster: &Cluster) -> Result<kube::Client, Error> {
    from(config(cluster).await?)
}

/// A client with these settings, for those who change them first, such as timeouts.
///
/// # Errors
/// When certificates or credentials cannot be used.
pub fn from(config: kube::Config) -> Result<kube::Client, Error> {
    // One provider of TLS for the whole program; whoever was first has set the same one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    kube::Client::try_from(config).map_err(|error| Error::Client(chain(&error)))
}

/// An error with its causes, each said once.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut out = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let text = inner.to_string();
        if !out.contains(&text) {
            out.push_str(": ");
            out.push_str(&text);
        }
        source = inner.source();
    }
    out
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const FILE: &str = r#"
apiVersion: v1
kind: Config
current-context: one
clusters:
- {name: a, cluster: {server: "http://127.0.0.1:1"}}
- {name: b, cluster: {server: "http://127.0.0.1:2"}}
users:
- {name: u, user: {token: t}}
contexts:
- {name: one, context: {cluster: a, user: u, namespace: first}}
- {name: two, context: {cluster: b, user: u}}
"#;

    fn cluster(context: Option<&str>) -> (tempfile::TempDir, Cluster) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kubeconfig");
        std::fs::write(&path, FILE).unwrap();
        (dir, Cluster { kubeconfig: Some(path), context: context.map(str::to_owned) })
    }

    #[tokio::test]
    async fn the_context_chooses_the_cluster() {
        let (_dir, current) = cluster(None);
        let config = config(&current).await.unwrap();
        assert_eq!(config.cluster_url.to_string(), "http://127.0.0.1:1/");
        assert_eq!(config.default_namespace, "first");
        let (_dir, other) = cluster(Some("two"));
        assert_eq!(super::config(&other).await.unwrap().cluster_url.to_string(), "http://127.0.0.1:2/");
        assert!(client(&other).await.is_ok());
    }

    #[tokio::test]
    async fn what_is_missing_is_named() {
        let (dir, wrong) = cluster(Some("three"));
        let text = config(&wrong).await.unwrap_err().to_string();
        assert!(text.contains("three") && text.contains("kubeconfig"), "{text}");
        let gone = Cluster { kubeconfig: Some(dir.path().join("gone")), context: None };
        let text = config(&gone).await.unwrap_err().to_string();
        assert!(text.contains("gone"), "{text}");
    }
}
