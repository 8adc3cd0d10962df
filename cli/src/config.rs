//! Settings: flags over environment over `./runner.yaml` over the user's `config.yaml` over defaults.
//! Does not open what they point to.

use std::path::{Path, PathBuf};

use runner_kubernetes::KubernetesConfig;
use runner_runners::Cluster;
use runner_runners::artifacts::ArtifactDriver;
use runner_runners::images::Image;
use runner_runners::typed::{HttpPolicy, PluginServer};
use runner_workflows::resolve::TemplateReferencing;
use serde::Deserialize;

use crate::exit::{Code, Failure, Result};

/// Every environment variable of ours. GitHub Actions owns `RUNNER_OS`, `RUNNER_ARCH`, `RUNNER_NAME`,
/// `RUNNER_TEMP`, `RUNNER_TOOL_CACHE`, `RUNNER_DEBUG`, `RUNNER_ENVIRONMENT` and `RUNNER_WORKSPACE`: those are
/// never read.
pub const VARIABLES: [&str; 4] = ["RUNNER_STORE", "RUNNER_NAMESPACE", "RUNNER_LOG", "RUNNER_SECRETS"];

/// Where runs are kept when nothing else is said.
pub const DEFAULT_STORE: &str = "./.runner/runner.db";

/// A configuration file. Unknown keys are errors: a setting that is misspelt must not be ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Config {
    /// Path of the store.
    pub store: Option<String>,
    /// Namespace.
    pub namespace: Option<String>,
    /// Where Secrets come from.
    pub secrets: Places,
    /// The key that seals applied Secrets, 32 bytes in base64; one beside them otherwise.
    pub secret_key_file: Option<PathBuf>,
    /// Deletion by `ttlStrategy` keeps the workflow out of the lists and readable, as Argo's `persistence.archive`.
    pub archive: Option<bool>,
    /// How long after its end an archived workflow is kept, e.g. `30d`, as Argo's `archiveTTL`; for ever without it.
    #[serde(rename = "archiveTTL")]
    pub archive_ttl: Option<String>,
    /// Where ConfigMaps come from, besides the store.
    pub config_maps: Places,
    /// Where artifacts go, as Argo's controller has it: `s3: {bucket: …}`; a directory beside the store otherwise.
    pub artifact_repository: Option<serde_json::Value>,
    /// Artifact drivers that are there, as Argo's controller names them, with their sockets.
    pub artifact_drivers: Vec<ArtifactDriver>,
    /// What is demanded of workflows, as Argo's controller has it: `templateReferencing: Strict` or `Secure`.
    pub workflow_restrictions: Restrictions,
    /// Settings of runners.
    pub runners: Runners,
}

/// What is demanded of workflows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Restrictions {
    /// Whether workflows must use `workflowTemplateRef`.
    pub template_referencing: Option<TemplateReferencing>,
}

/// Where objects come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Places {
    /// A directory `<name>/<key>`.
    pub dir: Option<PathBuf>,
    /// A file of Secrets and ConfigMaps.
    pub file: Option<PathBuf>,
}

impl Places {
    fn under(self, over: Self) -> Self {
        Self { dir: over.dir.or(self.dir), file: over.file.or(self.file) }
    }
}

/// Settings of runners.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Runners {
    /// Executor of runs that name none: `process`, `container` or `kubernetes`.
    pub default: Option<String>,
    /// Settings of the process runner.
    pub process: Process,
    /// Settings of the container runner.
    pub container: Container,
    /// Settings of the Kubernetes runner.
    pub kubernetes: Kubernetes,
    /// Servers of executor plugins, by the name that templates have under `plugin`.
    pub plugins: std::collections::BTreeMap<String, PluginServer>,
    /// What http steps may reach.
    pub http: Option<HttpPolicy>,
    /// Image with Kaniko's executor, for `kaniko` steps of runs in containers or pods.
    pub kaniko_image: Option<String>,
}

/// Settings of the container runner.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Container {
    /// Socket of the engine; the usual places are searched when it is absent.
    pub socket: Option<PathBuf>,
    /// Network of steps: `bridge`, `none`, `host` or the name of a network.
    pub network: Option<String>,
    /// Images that stand for others, by name or by prefix with `*`.
    pub images: std::collections::BTreeMap<String, String>,
    /// Image of templates that name none.
    pub default_image: Option<String>,
    /// Fetch images that are not there.
    pub pull: Option<bool>,
    /// Start an init process in every container.
    pub init: Option<bool>,
}

impl Container {
    fn under(self, over: Self) -> Self {
        Self {
            socket: over.socket.or(self.socket),
            network: over.network.or(self.network),
            images: self.images.into_iter().chain(over.images).collect(),
            default_image: over.default_image.or(self.default_image),
            pull: over.pull.or(self.pull),
            init: over.init.or(self.init),
        }
    }
}

/// Settings of the Kubernetes runner.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Kubernetes {
    /// Kubeconfig file; the usual places are searched when it is absent.
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig.
    pub context: Option<String>,
    /// Namespace of all pods, instead of that of each workflow.
    pub namespace: Option<String>,
    /// Image whose entrypoint is a statically linked `runner`.
    pub executor_image: Option<String>,
    /// Its pull policy.
    pub executor_pull_policy: Option<String>,
    /// How long a pod may be pending, as a Go duration; `0` is for ever.
    pub pending_timeout: Option<String>,
    /// Programs of images, for templates without `command`.
    pub images: Vec<Image>,
}

impl Kubernetes {
    fn under(self, over: Self) -> Self {
        let cluster = over.cluster().or(self.cluster());
        Self {
            kubeconfig: cluster.kubeconfig,
            context: cluster.context,
            namespace: over.namespace.or(self.namespace),
            executor_image: over.executor_image.or(self.executor_image),
            executor_pull_policy: over.executor_pull_policy.or(self.executor_pull_policy),
            pending_timeout: over.pending_timeout.or(self.pending_timeout),
            images: over.images.into_iter().chain(self.images).collect(),
        }
    }

    /// The cluster of pods and of steps about Kubernetes.
    pub fn cluster(&self) -> Cluster {
        Cluster { kubeconfig: self.kubeconfig.clone(), context: self.context.clone() }
    }

    /// The settings as the runner has them.
    ///
    /// # Errors
    /// A duration that is none.
    pub fn settings(&self, cluster: Cluster) -> Result<KubernetesConfig> {
        let usual = KubernetesConfig::default();
        let pending_timeout = match self.pending_timeout.as_deref() {
            None => usual.pending_timeout,
            Some("0" | "0s") => None,
            Some(text) => {
                let duration = runner_runners::guest::go_duration(text);
                if duration.is_zero() {
                    let problem = format!("runners.kubernetes.pendingTimeout: {text:?} is no duration");
                    return Err(
                        Failure::usage(problem).hint("write it as in `10m` or `1h30m`; `0` waits for ever")
                    );
                }
                Some(duration)
            }
        };
        Ok(KubernetesConfig {
            cluster,
            namespace: self.namespace.clone(),
            executor_image: self.executor_image.clone().unwrap_or_default(),
            executor_pull_policy: self.executor_pull_policy.clone(),
            images: self.images.clone(),
            pending_timeout,
            stall: usual.stall,
        })
    }
}

/// Settings of the process runner.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Process {
    /// Programs of images, for container templates without `command`; searched before the built-in table.
    pub images: Vec<Image>,
    /// Steps at the same time.
    pub parallelism: Option<usize>,
}

impl Config {
    /// Reads the user's and the project's file; both may be missing.
    pub fn load(get: impl Fn(&str) -> Option<String>, project: &Path) -> Result<Self> {
        let home = get("XDG_CONFIG_HOME").filter(|dir| Path::new(dir).is_absolute()).map(PathBuf::from);
        let home = home.or_else(|| {
            get("HOME").filter(|home| !home.is_empty()).map(|home| Path::new(&home).join(".config"))
        });
        let user = home.map(|dir| dir.join("runner").join("config.yaml"));
        let base = user.map(|path| Self::read(&path)).transpose()?.flatten().unwrap_or_default();
        let over = Self::read(&project.join("runner.yaml"))?.unwrap_or_default();
        Ok(base.under(over))
    }

    fn read(path: &Path) -> Result<Option<Self>> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Failure::usage(format!("{}: {error}", path.display()))),
        };
        if text.trim().is_empty() {
            return Ok(None);
        }
        let config: Self = serde_saphyr::from_str(&text).map_err(|error| {
            Failure::new(Code::Usage, format!("{}: {error}", path.display()))
                .hint("this is runner's own configuration file")
        })?;
        let names = config.artifact_drivers.iter().map(|driver| driver.name.as_str());
        match names.clone().enumerate().find(|(at, name)| names.clone().take(*at).any(|other| other == *name))
        {
            Some((_, twice)) => {
                Err(Failure::usage(format!("{}: artifactDrivers has {twice:?} twice", path.display()))
                    .hint("a driver has one socket: give the second another name, or take it away"))
            }
            None => Ok(Some(config)),
        }
    }

    fn under(self, over: Self) -> Self {
        let images = over.runners.process.images.into_iter().chain(self.runners.process.images).collect();
        Self {
            store: over.store.or(self.store),
            namespace: over.namespace.or(self.namespace),
            secrets: self.secrets.under(over.secrets),
            secret_key_file: over.secret_key_file.or(self.secret_key_file),
            archive: over.archive.or(self.archive),
            archive_ttl: over.archive_ttl.or(self.archive_ttl),
            config_maps: self.config_maps.under(over.config_maps),
            artifact_repository: over.artifact_repository.or(self.artifact_repository),
            // The first of a name counts.
            artifact_drivers: over.artifact_drivers.into_iter().chain(self.artifact_drivers).collect(),
            workflow_restrictions: Restrictions {
                template_referencing: over
                    .workflow_restrictions
                    .template_referencing
                    .or(self.workflow_restrictions.template_referencing),
            },
            runners: Runners {
                plugins: self.runners.plugins.into_iter().chain(over.runners.plugins).collect(),
                http: over.runners.http.or(self.runners.http),
                kaniko_image: over.runners.kaniko_image.or(self.runners.kaniko_image),
                default: over.runners.default.or(self.runners.default),
                container: self.runners.container.under(over.runners.container),
                kubernetes: self.runners.kubernetes.under(over.runners.kubernetes),
                process: Process {
                    images,
                    parallelism: over.runners.process.parallelism.or(self.runners.process.parallelism),
                },
            },
        }
    }
}

/// Where the store and everything beside it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The database file.
    pub file: PathBuf,
    /// As the user knows it, for messages.
    pub shown: String,
}

impl Place {
    /// From `--store`, `RUNNER_STORE` (clap has looked at both) or the configuration.
    pub fn choose(flag: Option<&str>, config: Option<&str>) -> Result<Self> {
        let text = flag.or(config).unwrap_or(DEFAULT_STORE);
        if text.is_empty() {
            return Err(Failure::usage("--store is empty"));
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Err(Failure::usage(
                "--store: PostgreSQL is not built in yet; give the path of a SQLite file",
            ));
        }
        let path = text.strip_prefix("sqlite://").or_else(|| text.strip_prefix("sqlite:")).unwrap_or(text);
        let mut file = PathBuf::from(path);
        if path.ends_with('/') || file.is_dir() {
            file.push("runner.db");
        }
        Ok(Self { shown: file.display().to_string(), file })
    }

    /// The directory of attempts and artifacts, beside the database.
    pub fn state_dir(&self) -> PathBuf {
        match self.file.parent() {
            Some(dir) if !dir.as_os_str().is_empty() => dir.to_owned(),
            Some(_) | None => PathBuf::from("."),
        }
    }
}
