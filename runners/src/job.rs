//! What the engine hands to the supervisor of one attempt: everything decided, nothing left to look up.
//! Does not decide it: that is `process::prepare`.

use std::path::PathBuf;

use runner_workflows::spec::{Artifact, Outputs};
use serde::{Deserialize, Serialize};

use crate::artifacts::{ArtifactDriver, Credential};
use crate::mask::Masks;
use crate::{ArtifactRepository, AttemptId, SecretValue};

/// Which isolation the engine wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum IsolationChoice {
    /// A private root where the kernel allows it, otherwise remapped paths.
    #[default]
    Auto,
    /// A private root or an error.
    Overlay,
    /// Remapped paths.
    Remap,
}

/// The input file of the supervisor.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Job {
    pub(crate) id: AttemptId,
    pub(crate) boot_id: String,
    pub(crate) host: String,
    pub(crate) isolation: IsolationChoice,
    /// Run one after the other before main.
    pub(crate) init: Vec<Process>,
    /// Usually one; more in a container set.
    pub(crate) main: Vec<Process>,
    /// Run beside main and end with it.
    pub(crate) sidecars: Vec<Process>,
    /// Files placed before anything starts.
    pub(crate) files: Vec<PlacedFile>,
    pub(crate) inputs: Vec<Artifact>,
    pub(crate) outputs: Outputs,
    pub(crate) capture_result: bool,
    pub(crate) timeout_ms: Option<u64>,
    pub(crate) grace_ms: u64,
    pub(crate) drain_ms: u64,
    pub(crate) nice: Option<i32>,
    pub(crate) log_head_bytes: u64,
    pub(crate) log_segment_bytes: u64,
    pub(crate) repository: ArtifactRepository,
    /// What stores ask for.
    pub(crate) credentials: Vec<Credential>,
    /// Artifact drivers outside of this program that are called.
    #[serde(default)]
    pub(crate) drivers: Vec<ArtifactDriver>,
    /// Where files change hands with them.
    #[serde(default)]
    pub(crate) exchange: PathBuf,
    /// The location whose paths a data template wants to have listed.
    pub(crate) listing: Option<Artifact>,
    pub(crate) key_prefix: String,
    pub(crate) archive_logs: bool,
    pub(crate) share_cwd: Option<PathBuf>,
    pub(crate) binds: Vec<Bind>,
    /// An empty directory over which each attempt may mount in its own namespace.
    pub(crate) mount_point: PathBuf,
    /// Directories of the engine that a step must not see.
    pub(crate) hidden: Vec<PathBuf>,
    /// Whether the built-in applets go on the step's PATH.
    pub(crate) applets: bool,
    /// Where a typed step leaves its report; nothing for programs.
    pub(crate) report: Option<String>,
    /// Main may be held for somebody who looks at it.
    #[serde(default)]
    pub(crate) pauses: bool,
    /// Somebody may write to the progress file.
    pub(crate) progress: bool,
    /// Main is a daemon: it is ready long before it ends.
    pub(crate) daemon: Option<Daemon>,
    /// Memory limit of main in bytes; `supervisor/memory.rs` says how it is held.
    pub(crate) memory_bytes: Option<u64>,
    /// Secret values the step is given; they are masked in what it writes.
    #[serde(default)]
    pub(crate) secrets: Vec<SecretValue>,
}

impl Job {
    /// What remains on disk once the step is being started: the same without any secret value.
    pub(crate) fn without_secrets(&self, masks: &Masks) -> Self {
        let mut job = Self { secrets: Vec::new(), credentials: Vec::new(), ..self.clone() };
        let clean = |text: &mut String| *text = masks.text(text).into_owned();
        for process in job.init.iter_mut().chain(&mut job.main).chain(&mut job.sidecars) {
            process.argv.iter_mut().for_each(clean);
            process.env.iter_mut().for_each(|(_, value)| clean(value));
        }
        job.files.iter_mut().for_each(|file| clean(&mut file.content));
        job
    }
}

/// A step that serves others.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Daemon {
    /// Its `readinessProbe`; without one it is ready when it runs.
    pub(crate) probe: Option<serde_json::Value>,
}

/// One container as a process.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Process {
    pub(crate) name: String,
    pub(crate) argv: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    /// Empty: the private working directory.
    pub(crate) cwd: String,
    /// Containers of a set that must have succeeded first.
    pub(crate) dependencies: Vec<String>,
    /// In-place retries of a container set.
    pub(crate) retries: u32,
    pub(crate) retry_wait_ms: u64,
}

/// Where a step can be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pause {
    /// Before its command.
    Before,
    /// After it.
    After,
}

impl Pause {
    /// The variable that asks for it, with the value `true`, as in Argo.
    pub(crate) fn variable(self) -> &'static str {
        match self {
            Self::Before => "ARGO_DEBUG_PAUSE_BEFORE",
            Self::After => "ARGO_DEBUG_PAUSE_AFTER",
        }
    }
}

impl Process {
    /// It is to be held there.
    pub(crate) fn pauses(&self, at: Pause) -> bool {
        self.env.iter().any(|(name, value)| name == at.variable() && value == "true")
    }
}

/// A file with its content, such as a script.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PlacedFile {
    pub(crate) path: String,
    pub(crate) content: String,
    /// Paths in it stay as they are, also where paths are remapped.
    pub(crate) verbatim: bool,
    pub(crate) mode: u32,
}

/// A directory or file of the host that appears in the private root.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Bind {
    pub(crate) source: PathBuf,
    pub(crate) target: String,
    pub(crate) read_only: bool,
}

/// Directory of an attempt in which files change hands with artifact drivers.
pub(crate) const EXCHANGE: &str = "exchange";
/// Directory of the engine's own files in a private root.
pub(crate) const ARGO_DIR: &str = "/argo";
/// Where a script is placed.
pub(crate) const SCRIPT_PATH: &str = "/argo/staging/script";
/// HOME of a step.
pub(crate) const HOME_PATH: &str = "/argo/home";
/// Where a step writes its progress.
pub(crate) const PROGRESS_PATH: &str = "/argo/home/.argo-progress";
/// Variable that names it, as in Argo.
pub(crate) const PROGRESS_VARIABLE: &str = "ARGO_PROGRESS_FILE";
/// Working directory of a step that names none.
pub(crate) const WORK_PATH: &str = "/argo/work";
/// Directory of the applets.
pub(crate) const BIN_PATH: &str = "/argo/bin";
