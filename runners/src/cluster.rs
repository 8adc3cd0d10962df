//! Which Kubernetes cluster is meant: a kubeconfig and a context, as settings name them.
//! Reads no kubeconfig and opens no connection: `runner-kube` does.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Which cluster is meant. Empty: what `kubectl` would use, and inside a pod the cluster of the pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Cluster {
    /// The kubeconfig; `KUBECONFIG` and `~/.kube/config` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kubeconfig: Option<PathBuf>,
    /// A context of it; its current one when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
}

impl Cluster {
    /// The same with what is missing taken from another.
    #[must_use]
    pub fn or(self, under: Self) -> Self {
        // A context is a name in one kubeconfig: that of another file says nothing here.
        let context = if self.kubeconfig.is_some() { self.context } else { self.context.or(under.context) };
        Self { kubeconfig: self.kubeconfig.or(under.kubeconfig), context }
    }

    /// Names the file as seen from here: a relative path is made absolute, and what the environment says is written
    /// down, because steps have an environment of their own. `get` reads a variable.
    #[must_use]
    pub fn located(self, get: impl Fn(&str) -> Option<String>) -> Self {
        let named = get("KUBECONFIG").filter(|paths| !paths.is_empty());
        let named = named.and_then(|paths| {
            // Of several files the first that is there counts; they are not merged.
            std::env::split_paths(&paths).find(|path| path.is_file())
        });
        let home = || {
            let home = get("HOME").filter(|home| !home.is_empty())?;
            Some(PathBuf::from(home).join(".kube").join("config")).filter(|path| path.is_file())
        };
        let found = self.kubeconfig.or(named).or_else(home);
        Self { kubeconfig: found.map(|path| std::path::absolute(&path).unwrap_or(path)), ..self }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_flag_wins_over_the_environment_and_that_over_the_home_directory() {
        let dir = tempfile::tempdir().unwrap();
        let (flag, variable) = (dir.path().join("flag"), dir.path().join("variable"));
        let home = dir.path().join(".kube").join("config");
        std::fs::create_dir(dir.path().join(".kube")).unwrap();
        for file in [&flag, &variable, &home] {
            std::fs::write(file, "").unwrap();
        }
        let get = |name: &str| match name {
            "KUBECONFIG" => Some(format!("{}:{}", dir.path().join("absent").display(), variable.display())),
            "HOME" => Some(dir.path().display().to_string()),
            _other => None,
        };
        let located = |file: Option<&PathBuf>| {
            Cluster { kubeconfig: file.cloned(), context: None }.located(get).kubeconfig.unwrap()
        };
        assert_eq!(located(Some(&flag)), flag);
        assert_eq!(located(None), variable);
        let only_home = |name: &str| (name == "HOME").then(|| dir.path().display().to_string());
        assert_eq!(Cluster::default().located(only_home).kubeconfig.unwrap(), home);
        assert_eq!(Cluster::default().located(|_| None), Cluster::default());
    }

    #[test]
    fn a_context_belongs_to_its_file() {
        let cluster = |file: Option<&str>, context: Option<&str>| Cluster {
            kubeconfig: file.map(PathBuf::from),
            context: context.map(str::to_owned),
        };
        let under = cluster(Some("/a"), Some("one"));
        assert_eq!(cluster(Some("/b"), None).or(under.clone()), cluster(Some("/b"), None));
        assert_eq!(cluster(None, Some("two")).or(under.clone()), cluster(Some("/a"), Some("two")));
        assert_eq!(cluster(None, None).or(under.clone()), under);
    }
}
