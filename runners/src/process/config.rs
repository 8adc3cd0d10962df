//! Settings of the process runner.
//! Reads no configuration file: the command line does that.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::artifacts::ArtifactDriver;
use crate::images::Image;
use crate::job::IsolationChoice;
use crate::typed::TypedConfig;
use crate::{Error, NoObjects, Objects, limits};

/// Settings of the process runner.
#[derive(Clone)]
pub struct ProcessConfig {
    /// Directory of attempts and volumes, mode 0700.
    pub state_dir: PathBuf,
    /// The binary that calls `supervisor::main` for `__supervise`; usually this one.
    pub program: PathBuf,
    /// How steps are kept apart.
    pub isolation: IsolationChoice,
    /// Time between TERM and KILL after a deadline.
    pub grace: Duration,
    /// Niceness of steps: lower priority than the engine, or none to change nothing.
    pub nice: Option<i32>,
    /// Image table, searched before the built-in one (`runners.process.images`).
    pub images: Vec<Image>,
    /// Keep the private root of ended attempts, to look at it.
    pub keep_root: bool,
    /// More directories that steps must not see, such as the database's.
    pub hidden: Vec<PathBuf>,
    /// Variables every step gets, the allow-list of the engine's own environment (V32).
    pub base_env: Vec<(String, String)>,
    /// Bytes of a log kept from its beginning.
    pub log_head_bytes: u64,
    /// Bytes of each of the two segments that keep its end.
    pub log_segment_bytes: u64,
    /// Longest wait for a pipe that a leftover process holds open.
    pub drain: Duration,
    /// Threads that start steps.
    pub launchers: usize,
    /// ConfigMaps and Secrets.
    pub objects: Arc<dyn Objects>,
    /// Typed steps: http, data, resource, plugin.
    pub typed: TypedConfig,
    /// Artifact drivers that are not part of this program.
    pub drivers: Vec<ArtifactDriver>,
    /// Pretends another boot of the machine, for tests.
    pub boot_id: Option<String>,
}

impl ProcessConfig {
    /// Defaults over a state directory; the program is this binary.
    pub fn new(state_dir: impl Into<PathBuf>) -> Result<Self, Error> {
        let state_dir = std::path::absolute(state_dir.into())
            .map_err(|source| Error::Io { doing: "find the state directory".into(), source })?;
        Ok(Self {
            state_dir,
            // Not its path: an upgrade may have put another version there, which reads other jobs.
            program: PathBuf::from("/proc/self/exe"),
            isolation: IsolationChoice::Auto,
            grace: limits::GRACE,
            nice: Some(19),
            images: Vec::new(),
            keep_root: false,
            hidden: Vec::new(),
            base_env: inherited(),
            log_head_bytes: limits::LOG_HEAD_BYTES,
            log_segment_bytes: limits::LOG_TAIL_SEGMENT_BYTES,
            drain: limits::DRAIN,
            launchers: 2,
            objects: Arc::new(NoObjects),
            typed: TypedConfig::default(),
            drivers: Vec::new(),
            boot_id: None,
        })
    }
}

/// What a step inherits from the engine: where programs are, language and time zone. Nothing else.
fn inherited() -> Vec<(String, String)> {
    const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let mut env =
        vec![("PATH".to_owned(), std::env::var("PATH").unwrap_or_else(|_| DEFAULT_PATH.to_owned()))];
    for name in ["LANG", "TZ"] {
        if let Ok(value) = std::env::var(name) {
            env.push((name.to_owned(), value));
        }
    }
    env.push(("TERM".to_owned(), "dumb".to_owned()));
    env
}
