//! An attempt whose containers somebody else runs, such as a container engine: its directory, files and record.
//! Starts nothing and waits for nothing; the same directory, logs and record as those of processes.

use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use runner_workflows::spec::k8s;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::environment::{Names, environment, expand};
use super::launch::{open_lock, try_lock};
use super::prepare::Shape;
use super::secrets::Secrets;
use super::volumes::Volumes;
use super::{ProcessRunner, Shared};
use crate::artifacts::check_key;
use crate::attempt::{AttemptDir, CANCEL, CancelWish, ROOT, SPEC};
use crate::error::Doing;
use crate::job::{Bind, EXCHANGE, HOME_PATH, IsolationChoice, Job, PlacedFile, Process, SCRIPT_PATH};
use crate::mask::Masks;
use crate::supervisor::guest;
pub use crate::supervisor::guest::{Container, GuestLog, Left, Part};
use crate::sweep::VARIABLE;
use crate::{AttemptId, AttemptSpec, Error, Exit};

/// Directory of files that are of no volume, as the main container has them.
const OUTSIDE: &str = "outside";
/// Where input artifacts are placed while the volume that holds them is filled.
const INPUTS: &str = "/argo/inputs/artifacts";

/// What is known of an attempt that is to be run.
pub enum Claim {
    /// It has ended, and this is its record.
    Ended(Exit),
    /// Another process of this machine looks after it.
    Busy,
    /// It is ours until the guest is dropped.
    Ours(Box<Guest>),
}

/// An attempt of which this process is in charge.
pub struct Guest {
    shared: Arc<Shared>,
    spec: AttemptSpec,
    path: PathBuf,
    dir: AttemptDir,
    _lock: File,
    job: Job,
    /// What main sees of volumes.
    binds: Vec<Bind>,
    masks: Masks,
}

/// What a container is given.
#[derive(Clone, Debug, Default)]
pub struct Furniture {
    /// Its environment, resolved.
    pub env: Vec<(String, String)>,
    /// Its command, with `$(NAME)` expanded; empty: the image's own.
    pub command: Vec<String>,
    /// Its arguments, with `$(NAME)` expanded.
    pub args: Vec<String>,
    /// Directories and files of this machine that it sees, outer ones first.
    pub mounts: Vec<Mounted>,
}

/// A directory or file of this machine inside a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mounted {
    /// Here.
    pub source: PathBuf,
    /// There.
    pub target: String,
    /// It must not be written.
    pub read_only: bool,
}

impl ProcessRunner {
    /// Takes charge of an attempt that somebody else will run. Blocks on files.
    ///
    /// # Errors
    /// Of files only.
    pub fn claim(&self, spec: &AttemptSpec) -> Result<Claim, Error> {
        let path = self.shared.attempt_path(&spec.id);
        let opening = || format!("open attempt {}", spec.id);
        super::private_dir(&path)?;
        let dir =
            AttemptDir::open(&path).doing(opening)?.ok_or_else(|| Error::NotFound(spec.id.to_string()))?;
        if let Some(exit) = dir.exit().doing(opening)? {
            return Ok(Claim::Ended(exit));
        }
        let lock = open_lock(&dir).doing(opening)?;
        if !try_lock(&lock).doing(opening)? {
            return Ok(Claim::Busy);
        }
        if let Some(exit) = dir.recover_exit().doing(opening)? {
            return Ok(Claim::Ended(exit));
        }
        let job = job(&self.shared, spec);
        let (shared, spec) = (Arc::clone(&self.shared), spec.clone());
        let (binds, masks) = (Vec::new(), Masks::default());
        Ok(Claim::Ours(Box::new(Guest { shared, spec, path, dir, _lock: lock, job, binds, masks })))
    }

    /// Whether a back end left a note of that name with an attempt.
    pub fn noted(&self, id: &AttemptId, name: &str) -> bool {
        self.shared.attempt_path(id).join(name).exists()
    }

    /// The note that a back end left with an attempt; nothing when there is none or it is damaged. Blocks on files.
    ///
    /// # Errors
    /// Of files only.
    pub fn note_of<T: DeserializeOwned>(&self, id: &AttemptId, name: &str) -> Result<Option<T>, Error> {
        let reading = || format!("read {name} of attempt {id}");
        let Some(dir) = AttemptDir::open(&self.shared.attempt_path(id)).doing(reading)? else {
            return Ok(None);
        };
        Ok(dir.read_json(name).doing(reading)?.and_then(Result::ok))
    }

    /// Notes of a back end that concern no attempt.
    pub fn ledger(&self, kind: &str) -> crate::Ledger {
        crate::Ledger::new(&self.shared.config.state_dir, kind)
    }

    /// The identity of this boot of the machine: what was started before another one does not run.
    pub fn boot(&self) -> &str {
        &self.shared.boot_id
    }

    /// Name of this machine.
    pub fn host(&self) -> &str {
        &self.shared.host
    }

    /// Time between TERM and KILL after a deadline.
    pub fn grace(&self) -> Duration {
        self.shared.config.grace
    }
}

impl Guest {
    /// A note that the back end left with the attempt; nothing when there is none or it is damaged.
    ///
    /// # Errors
    /// Of files only.
    pub fn note<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Error> {
        let read = self.dir.read_json(name).doing(|| format!("read {name} of attempt {}", self.spec.id))?;
        Ok(read.and_then(Result::ok))
    }

    /// Leaves a note: readers see all of it or what was there before.
    ///
    /// # Errors
    /// Of files only.
    pub fn keep<T: Serialize>(&self, name: &str, note: &T) -> Result<(), Error> {
        let bytes = serde_json::to_vec(note).map_err(|e| Error::Invalid(e.to_string()))?;
        self.dir.replace(name, &bytes).doing(|| format!("write {name} of attempt {}", self.spec.id))
    }

    /// The wish to cancel, with its grace.
    pub fn cancelled(&self) -> Option<Duration> {
        let wish = self.dir.read_json::<CancelWish>(CANCEL).ok().flatten()?.ok()?;
        Some(Duration::from_millis(wish.grace_ms))
    }

    /// Makes volumes and environments of the containers: init containers, then the others. The first time
    /// (`fresh`) scripts and input artifacts are placed too. Blocks on files and on Secrets.
    ///
    /// # Errors
    /// What is missing or cannot be made; [`Error::Artifact`] for inputs.
    pub fn furnish(&mut self, pod: &k8s::PodSpec, fresh: bool) -> Result<Vec<Furniture>, Error> {
        let spec = self.as_patched(pod);
        let shared = Arc::clone(&self.shared);
        let secrets = Secrets::new(shared.config.objects.as_ref());
        self.decide_artifacts(&secrets)?;
        let path = self.path.clone();
        let mut volumes = Volumes::new(&shared, &secrets, &spec, &path);
        let (init, mains) = (pod.init_containers.as_deref().unwrap_or_default(), pod.containers.as_slice());
        self.name_containers(init, mains)?;
        if fresh {
            self.place(mains, &mut volumes)?;
        }
        let mut furniture = Vec::new();
        for (number, container) in init.iter().chain(mains).enumerate() {
            volumes.binds.clear();
            volumes.add(container.volume_mounts.as_deref().unwrap_or_default())?;
            let mut binds = volumes.binds.clone();
            if let Some(cwd) = &self.spec.share_cwd {
                let target = cwd.to_string_lossy().into_owned();
                binds.push(Bind { source: cwd.clone(), target, read_only: false });
            }
            furniture.push(self.furniture(&spec, container, &binds, &secrets)?);
            if number == init.len() || container.name == "main" {
                self.binds = binds;
            }
        }
        for volume in pod
            .volumes
            .iter()
            .flatten()
            .filter(|v| v.empty_dir.is_some() || v.persistent_volume_claim.is_some())
        {
            if let Some(dir) = volumes.made_for(&volume.name) {
                // As Kubernetes': whoever the container runs as may write there. Above it nobody else gets in.
                std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o777))
                    .doing(|| format!("open volume {:?}", volume.name))?;
            }
        }
        self.masks = Masks::new(&secrets.seen());
        Ok(furniture)
    }

    /// As [`Self::furnish`], for containers that see nothing of this machine: decides about artifacts and logs, and
    /// gives what the containers have to be brought, as a tar archive whose entries are named after absolute paths
    /// and are each a packed archive themselves (`frames`). Empty when there is nothing, or when they have it already
    /// (not `fresh`). Blocks on files and on Secrets.
    ///
    /// # Errors
    /// What is missing or cannot be made; [`Error::Artifact`] for inputs.
    pub fn bundle(
        &mut self,
        init: &[k8s::Container],
        mains: &[k8s::Container],
        fresh: bool,
    ) -> Result<Vec<u8>, Error> {
        let shared = Arc::clone(&self.shared);
        let secrets = Secrets::new(shared.config.objects.as_ref());
        self.decide_artifacts(&secrets)?;
        self.name_containers(init, mains)?;
        if !fresh {
            return Ok(Vec::new());
        }
        let mut job = self.job.clone();
        let main = mains.iter().find(|c| c.name == "main").or(mains.first());
        let mounts = main.and_then(|c| c.volume_mounts.as_deref()).unwrap_or_default();
        for artifact in &mut job.inputs {
            let own = |mount: &&k8s::VolumeMount| {
                is_input(mount) && mount.sub_path.as_ref() == Some(&artifact.name)
            };
            if mounts.iter().any(|mount| own(&mount)) {
                check_key(&artifact.name)?;
                artifact.path = format!("{INPUTS}/{}", artifact.name);
            } else if !artifact.path.is_empty() {
                artifact.path = format!("{MAIN_FILES}{}", artifact.path);
            }
        }
        self.add_script(&mut job);
        let outside = self.outside()?;
        guest::place(&job, &outside, &[])?;
        let paths = job.files.iter().map(|file| &file.path).chain(job.inputs.iter().map(|input| &input.path));
        let bundle = guest::bundle(&outside, paths.filter(|path| !path.is_empty()))?;
        // Outputs come into the same directory.
        super::watch::remove_tree(&outside).doing(|| "remove what was packed".into())?;
        Ok(bundle)
    }

    fn decide_artifacts(&mut self, secrets: &Secrets<'_>) -> Result<(), Error> {
        let artifacts = super::repository::resolve(&self.spec, secrets, &self.shared.config.drivers)?;
        check_key(&artifacts.key_prefix)?;
        self.job.repository = artifacts.repository;
        self.job.credentials = artifacts.credentials;
        self.job.drivers = artifacts.drivers;
        self.job.exchange = self.path.join(EXCHANGE);
        self.job.key_prefix = artifacts.key_prefix;
        self.job.archive_logs = artifacts.archive_logs;
        Ok(())
    }

    fn name_containers(&mut self, init: &[k8s::Container], mains: &[k8s::Container]) -> Result<(), Error> {
        self.job.init = init.iter().map(named).collect();
        self.job.main = mains.iter().take(self.mains()).map(named).collect();
        self.job.sidecars = mains.iter().skip(self.mains()).map(named).collect();
        self.keep(SPEC, &self.job.without_secrets(&Masks::default()))
    }

    fn add_script(&self, job: &mut Job) {
        let script = self.spec.template.script.as_ref();
        if let Some(script) = script.filter(|script| !script.source.is_empty()) {
            let (path, content) = (SCRIPT_PATH.to_owned(), script.source.clone());
            job.files.push(PlacedFile { path, content, verbatim: true, mode: 0o755 });
        }
    }

    /// Number of containers that are main.
    fn mains(&self) -> usize {
        self.spec.template.container_set.as_ref().map_or(1, |set| set.containers.len())
    }

    /// The attempt with the volumes of its pod, which a patch may have changed.
    fn as_patched(&self, pod: &k8s::PodSpec) -> AttemptSpec {
        let mut spec = self.spec.clone();
        spec.volumes = Vec::new();
        spec.template.volumes = pod.volumes.clone().unwrap_or_default();
        for volume in &mut spec.template.volumes {
            if let Some(secret) = &mut volume.secret {
                // Processes read them as their owner; a container may run as anybody.
                secret.default_mode.get_or_insert(0o644);
            }
        }
        spec
    }

    /// Puts the script and the input artifacts into their volumes.
    fn place(&self, mains: &[k8s::Container], volumes: &mut Volumes<'_>) -> Result<(), Error> {
        let mut job = self.job.clone();
        let main = mains.iter().find(|c| c.name == "main").or(mains.first());
        let mounts = main.and_then(|c| c.volume_mounts.as_deref()).unwrap_or_default();
        let (inputs, others): (Vec<_>, Vec<_>) = mounts.iter().cloned().partition(is_input);
        volumes.add(&others)?;
        if let Some(one) = inputs.first() {
            let mount = k8s::VolumeMount {
                name: one.name.clone(),
                mount_path: INPUTS.to_owned(),
                ..Default::default()
            };
            volumes.add(&[mount])?;
        }
        for artifact in &mut job.inputs {
            if inputs.iter().any(|mount| mount.sub_path.as_ref() == Some(&artifact.name)) {
                check_key(&artifact.name)?;
                artifact.path = format!("{INPUTS}/{}", artifact.name);
            }
        }
        self.add_script(&mut job);
        guest::place(&job, &self.outside()?, &volumes.binds)
    }

    fn furniture(
        &self,
        spec: &AttemptSpec,
        container: &k8s::Container,
        binds: &[Bind],
        secrets: &Secrets<'_>,
    ) -> Result<Furniture, Error> {
        let names = Names { spec, host: &self.shared.host, mark: String::new() };
        let shape = Shape {
            name: &container.name,
            env: container.env.as_deref().unwrap_or_default(),
            env_from: container.env_from.as_deref().unwrap_or_default(),
            ..Shape::default()
        };
        let mut env = environment(&shape, &names, &[], secrets)?;
        // What only processes of this machine are given.
        let own = [("HOME", HOME_PATH), ("HOSTNAME", &spec.pod_name), (VARIABLE, "")];
        env.retain(|(name, value)| !own.iter().any(|(known, text)| name == known && value == text));
        let expand_all = |words: &Option<Vec<String>>| -> Vec<String> {
            words.iter().flatten().map(|word| expand(word, &env)).collect()
        };
        let (command, args) = (expand_all(&container.command), expand_all(&container.args));
        let mounts = binds.iter().map(|bind| Mounted {
            source: bind.source.clone(),
            target: bind.target.clone(),
            read_only: bind.read_only,
        });
        Ok(Furniture { env, command, args, mounts: mounts.collect() })
    }

    fn outside(&self) -> Result<PathBuf, Error> {
        let dir = self.path.join(ROOT).join(OUTSIDE);
        std::fs::create_dir_all(&dir).doing(|| format!("create {}", dir.display()))?;
        Ok(dir)
    }

    /// The log of the n-th container, empty; `result` keeps the end of its standard output.
    ///
    /// # Errors
    /// Of files only.
    pub fn log(&self, container: &str, position: usize, result: bool) -> Result<GuestLog, Error> {
        GuestLog::new(&self.dir, &self.job, &self.masks, (container, position), result)
    }

    /// Paths of outputs that lie in no volume: whoever runs main has to [`Self::receive`] them.
    pub fn wanted(&self) -> Vec<String> {
        let outputs = &self.spec.template.outputs;
        let parameters =
            outputs.parameters.iter().filter_map(|p| p.value_from.as_ref()).map(|from| &from.path);
        let paths = parameters.chain(outputs.artifacts.iter().map(|artifact| &artifact.path));
        let paths = paths.filter(|path| path.starts_with('/') && !guest::mounted(&self.binds, path));
        let mut paths: Vec<String> = paths.map(|path| path.trim_end_matches('/').to_owned()).collect();
        paths.sort();
        paths.dedup();
        paths
    }

    /// Takes what main has at a path, as the tar archive an engine makes of it. Blocks on files.
    ///
    /// # Errors
    /// [`Error::Archive`] for an archive that is not trusted.
    pub fn receive(&self, path: &str, archive: File) -> Result<(), Error> {
        guest::receive(&self.outside()?, path, archive)
    }

    /// As [`Self::receive`], for an archive that is compressed as artifacts are.
    ///
    /// # Errors
    /// [`Error::Archive`] for an archive that is not trusted.
    pub fn receive_packed(&self, path: &str, archive: File) -> Result<(), Error> {
        guest::receive_packed(&self.outside()?, path, archive)
    }

    /// Collects the outputs, makes the record and writes it. Blocks on files.
    ///
    /// # Errors
    /// Of files only: then there is no record.
    pub fn finish(&self, left: Left) -> Result<Exit, Error> {
        let exit = guest::collect(&self.job, &self.dir, &self.outside()?, &self.binds, (left, &self.masks))?;
        self.record(&exit)?;
        Ok(exit)
    }

    /// Writes a record made elsewhere and removes the files of the attempt.
    ///
    /// # Errors
    /// Of files only: then there is no record.
    pub fn record(&self, exit: &Exit) -> Result<(), Error> {
        self.dir.write_exit(exit).doing(|| format!("write the record of attempt {}", self.spec.id))?;
        if !self.shared.config.keep_root
            && let Err(error) = super::watch::remove_tree(&self.path.join(ROOT))
        {
            tracing::warn!(attempt = %self.spec.id, %error, "files of an attempt could not be removed");
        }
        Ok(())
    }

    /// Where the attempt keeps what it needs until it ends.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn scratch(&self) -> Result<PathBuf, Error> {
        self.outside().map(|dir| dir.parent().map(Path::to_path_buf).unwrap_or(dir))
    }
}

/// A Go duration such as `1m30s`; nothing when it is none.
pub fn go_duration(text: &str) -> Duration {
    Duration::from_millis(super::environment::milliseconds(text))
}

/// Where the init container of a pod has the volumes of main.
pub const MAIN_FILES: &str = "/mainctrfs";

fn is_input(mount: &k8s::VolumeMount) -> bool {
    mount.name == "input-artifacts"
}

fn named(container: &k8s::Container) -> Process {
    Process { name: container.name.clone(), ..Process::default() }
}

/// The job as far as somebody else's containers have one: for logs and outputs.
fn job(shared: &Shared, spec: &AttemptSpec) -> Job {
    Job {
        id: spec.id.clone(),
        boot_id: shared.boot_id.clone(),
        host: shared.host.clone(),
        isolation: IsolationChoice::Auto,
        init: Vec::new(),
        main: Vec::new(),
        sidecars: Vec::new(),
        files: Vec::new(),
        inputs: spec.template.inputs.artifacts.clone(),
        outputs: spec.template.outputs.clone(),
        capture_result: spec.capture_result,
        timeout_ms: None,
        grace_ms: 0,
        drain_ms: 0,
        nice: None,
        log_head_bytes: shared.config.log_head_bytes,
        log_segment_bytes: shared.config.log_segment_bytes,
        repository: spec.repository.clone(),
        credentials: Vec::new(),
        drivers: Vec::new(),
        exchange: PathBuf::new(),
        listing: None,
        key_prefix: spec.default_key_prefix.clone(),
        archive_logs: spec.archive_logs,
        share_cwd: None,
        binds: Vec::new(),
        mount_point: PathBuf::new(),
        hidden: Vec::new(),
        applets: false,
        report: None,
        memory_bytes: None,
        pauses: false,
        progress: false,
        daemon: None,
        secrets: Vec::new(),
    }
}
