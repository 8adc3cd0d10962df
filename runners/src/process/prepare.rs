//! From an attempt as the machine describes it to the job of a supervisor.
//! Starts nothing; everything that can be refused is refused here, before a process exists.

use std::path::Path;

use runner_workflows::spec::{
    Container, ContainerNode, IntOrString, ScriptTemplate, Template, UserContainer, k8s,
};

use super::environment::{Names, environment, expand, largest_parameter};
use super::secrets::Secrets;
use super::signals;
use super::volumes::Volumes;
use super::{Shared, repository_dir};
use crate::artifacts::check_key;
use crate::images::command_line;
use crate::job::{EXCHANGE, Job, PlacedFile, Process, SCRIPT_PATH};
use crate::limits::{STRING_BYTES, STRINGS_BYTES};
use crate::sweep::Mark;
use crate::{ATTEMPT_VARIABLE, AttemptSpec, Error, applets, typed};

/// The parts of Kubernetes' container that matter here, whatever kind of container it was.
#[derive(Default)]
pub(super) struct Shape<'a> {
    pub(super) name: &'a str,
    pub(super) image: &'a str,
    pub(super) command: &'a [String],
    pub(super) args: &'a [String],
    pub(super) cwd: &'a str,
    pub(super) env: &'a [k8s::EnvVar],
    pub(super) env_from: &'a [k8s::EnvFromSource],
    pub(super) mounts: &'a [k8s::VolumeMount],
    pub(super) resources: Option<&'a k8s::ResourceRequirements>,
}

macro_rules! shape {
    ($container:expr, $name:expr) => {
        Shape {
            name: if $container.name.is_empty() { $name } else { &$container.name },
            image: &$container.image,
            command: &$container.command,
            args: &$container.args,
            cwd: &$container.working_dir,
            env: &$container.env,
            env_from: &$container.env_from,
            mounts: &$container.volume_mounts,
            resources: $container.resources.as_ref(),
        }
    };
}

impl<'a> Shape<'a> {
    fn container(container: &'a Container) -> Self {
        Self { name: "main", ..shape!(container, "main") }
    }

    fn script(script: &'a ScriptTemplate) -> Self {
        Self { name: "main", ..shape!(script, "main") }
    }

    fn user(container: &'a UserContainer) -> Self {
        shape!(container, "sidecar")
    }

    fn node(container: &'a ContainerNode) -> Self {
        shape!(container, "main")
    }
}

/// Makes the job, or says why the template cannot be run here.
pub(super) fn prepare(shared: &Shared, spec: &AttemptSpec, path: &Path) -> Result<Job, Error> {
    let template = &spec.template;
    let secrets = Secrets::new(shared.config.objects.as_ref());
    let mut maker = Maker {
        shared,
        spec,
        secrets: &secrets,
        files: Vec::new(),
        volumes: Volumes::new(shared, &secrets, spec, path),
        spilled: 0,
    };
    let (main, memory_bytes) = maker.main(template)?;
    let init =
        template.init_containers.iter().map(|c| maker.process(&Shape::user(c))).collect::<Result<_, _>>()?;
    let sidecars =
        template.sidecars.iter().map(|c| maker.process(&Shape::user(c))).collect::<Result<_, _>>()?;
    let artifacts = super::repository::resolve(spec, &secrets, &shared.config.drivers)?;
    check_key(&artifacts.key_prefix)?;
    let mut hidden = vec![shared.config.state_dir.clone()];
    hidden.extend(repository_dir(spec));
    hidden.extend(shared.config.hidden.iter().cloned());
    // What is shared with the step on purpose must not vanish under what is hidden from it.
    hidden.retain(|dir| spec.share_cwd.as_ref().is_none_or(|shared| !shared.starts_with(dir)));
    let (files, binds) = (maker.files, maker.volumes.binds);
    let secrets = secrets.seen();
    let pauses = signals::pauses(template);
    let mut job = Job {
        id: spec.id.clone(),
        boot_id: shared.boot_id.clone(),
        host: shared.host.clone(),
        isolation: shared.config.isolation,
        init,
        main,
        sidecars,
        files,
        inputs: template.inputs.artifacts.clone(),
        outputs: template.outputs.clone(),
        capture_result: spec.capture_result,
        // As in Argo: whoever looks at a step has no hurry.
        timeout_ms: spec
            .timeout
            .filter(|_| !pauses)
            .map(|timeout| u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX)),
        grace_ms: u64::try_from(shared.config.grace.as_millis()).unwrap_or(u64::MAX),
        drain_ms: u64::try_from(shared.config.drain.as_millis()).unwrap_or(u64::MAX),
        nice: shared.config.nice,
        log_head_bytes: shared.config.log_head_bytes,
        log_segment_bytes: shared.config.log_segment_bytes,
        repository: artifacts.repository,
        credentials: artifacts.credentials,
        drivers: artifacts.drivers,
        exchange: path.join(EXCHANGE),
        listing: template.data.as_ref().and_then(|data| data.source.artifact_paths.clone()),
        key_prefix: artifacts.key_prefix,
        archive_logs: artifacts.archive_logs,
        share_cwd: spec.share_cwd.clone(),
        mount_point: shared.config.state_dir.join("mnt"),
        binds,
        hidden,
        applets: false,
        memory_bytes,
        pauses,
        progress: signals::progress(template),
        daemon: signals::daemon(template),
        report: typed::kind(template).map(|_| typed::REPORT_PATH.to_owned()),
        secrets,
    };
    job.applets = mentions_applets(&job);
    Ok(job)
}

/// Applets are offered to steps that speak of them: mounting them costs time.
fn mentions_applets(job: &Job) -> bool {
    let processes = job.init.iter().chain(&job.main).chain(&job.sidecars);
    let words = processes.flat_map(|process| &process.argv).chain(job.files.iter().map(|file| &file.content));
    words.into_iter().any(|word| applets::NAMES.iter().any(|name| word.contains(name)))
}

struct Maker<'a> {
    shared: &'a Shared,
    spec: &'a AttemptSpec,
    secrets: &'a Secrets<'a>,
    files: Vec<PlacedFile>,
    volumes: Volumes<'a>,
    spilled: usize,
}

impl Maker<'_> {
    /// The processes that are main, and their memory limit.
    fn main(&mut self, template: &Template) -> Result<(Vec<Process>, Option<u64>), Error> {
        if let Some(container) = &template.container {
            let shape = Shape::container(container);
            return Ok((vec![self.process(&shape)?], memory_limit(&shape)));
        }
        if let Some(script) = &template.script {
            let shape = Shape::script(script);
            let mut process = self.process(&shape)?;
            if script.source.is_empty() {
                // As in Argo, a script without source is a container.
                return Ok((vec![process], memory_limit(&shape)));
            }
            process.argv.push(SCRIPT_PATH.to_owned());
            let content = script.source.clone();
            self.files.push(PlacedFile {
                path: SCRIPT_PATH.to_owned(),
                content,
                mode: 0o755,
                verbatim: false,
            });
            return Ok((vec![process], memory_limit(&shape)));
        }
        if let Some(set) = &template.container_set {
            let retries = set.retry_strategy.as_ref();
            let count = retries.and_then(|r| r.retries.as_ref()).and_then(IntOrString::as_int).unwrap_or(0);
            let wait = retries.map(|r| super::environment::milliseconds(&r.duration)).unwrap_or(0);
            let mut main = Vec::new();
            for node in &set.containers {
                let mut process = self.process(&Shape::node(node))?;
                self.volumes.add(&set.volume_mounts)?;
                process.dependencies = node.dependencies.clone();
                process.retries = u32::try_from(count).unwrap_or(0);
                process.retry_wait_ms = wait;
                main.push(process);
            }
            return Ok((main, None));
        }
        if let Some(kind) = typed::kind(template) {
            return Ok((vec![self.typed(kind)?], None));
        }
        let kind = template.kind().map_or("this kind of".to_owned(), |kind| format!("{kind:?}"));
        Err(Error::NotBuiltIn { what: format!("{kind} templates in the process runner") })
    }

    /// A step of a type of its own: this binary, with an order.
    fn typed(&mut self, kind: &str) -> Result<Process, Error> {
        let config = &self.shared.config;
        let program = [config.typed.program.to_string_lossy().into_owned()];
        let mut process = self.process(&Shape { name: "main", command: &program, ..Shape::default() })?;
        let attempt = process.env.iter().find(|(name, _)| name == ATTEMPT_VARIABLE);
        let attempt = attempt.and_then(|(_, value)| value.parse().ok()).unwrap_or(self.spec.id.attempt);
        let typed = typed::typed(kind, self.spec, attempt, &config.typed, self.secrets)?;
        self.secrets.add(typed.env.iter().filter(|(name, _)| name == typed::TOKEN_VARIABLE));
        process.argv = typed.argv;
        process.env.extend(typed.env);
        if self.spec.share_cwd.is_none() {
            process.cwd = crate::job::WORK_PATH.to_owned();
        }
        let path = typed::ORDER_PATH.to_owned();
        self.files.push(PlacedFile { path, content: typed.order, mode: 0o600, verbatim: true });
        Ok(process)
    }

    fn process(&mut self, shape: &Shape<'_>) -> Result<Process, Error> {
        let mark = Mark::value(&self.shared.attempt_path(&self.spec.id));
        let names = Names { spec: self.spec, host: &self.shared.host, mark };
        let env = environment(shape, &names, &self.shared.config.base_env, self.secrets)?;
        let expand_all = |words: &[String]| words.iter().map(|word| expand(word, &env)).collect::<Vec<_>>();
        let (command, args) = (expand_all(shape.command), expand_all(shape.args));
        let mut argv = command_line(shape.image, &command, &args, &self.shared.config.images)?;
        self.spill(&mut argv);
        self.check_sizes(shape.name, &argv, &env)?;
        self.volumes.add(shape.mounts)?;
        let cwd = shape.cwd.to_owned();
        Ok(Process { name: shape.name.to_owned(), argv, env, cwd, ..Process::default() })
    }

    /// `sh -c TEXT` with a text too large for the kernel becomes `sh FILE` (F54).
    fn spill(&mut self, argv: &mut Vec<String>) {
        let [_shell, flag, text] = argv.as_slice() else { return };
        if flag != "-c" || text.len() < STRING_BYTES {
            return;
        }
        let path = format!("/argo/staging/command-{}", self.spilled);
        self.spilled += 1;
        self.files.push(PlacedFile {
            path: path.clone(),
            content: text.clone(),
            mode: 0o755,
            verbatim: false,
        });
        argv.truncate(1);
        argv.push(path);
    }

    /// What the kernel would refuse with "argument list too long" is refused with a name and a hint (F54).
    fn check_sizes(&self, container: &str, argv: &[String], env: &[(String, String)]) -> Result<(), Error> {
        let parameter = |text: &str| {
            largest_parameter(self.spec, text)
                .map(|name| format!("parameter {name:?} in "))
                .unwrap_or_default()
        };
        let words = argv.iter().enumerate().map(|(n, word)| {
            (
                word.len() + 1,
                word,
                format!("argument {n} of container {container:?}"),
                "pass it as an artifact or use a script template",
            )
        });
        let variables = env.iter().map(|(name, value)| {
            let size = name.len() + value.len() + 2;
            (size, value, format!("variable {name:?} of container {container:?}"), "pass it as an artifact")
        });
        let mut total = 0;
        for (size, text, what, hint) in words.chain(variables) {
            total += size + 8;
            if size > STRING_BYTES {
                let what = format!("{}{what}", parameter(text));
                return Err(Error::TooLarge {
                    what,
                    size_bytes: size,
                    limit_bytes: STRING_BYTES,
                    hint: hint.into(),
                });
            }
        }
        if total > STRINGS_BYTES {
            let what = format!("everything container {container:?} is given");
            let hint = "pass large values as artifacts".to_owned();
            return Err(Error::TooLarge { what, size_bytes: total, limit_bytes: STRINGS_BYTES, hint });
        }
        // named, not shown: it may hold a secret (V33)
        let word = argv.iter().position(|word| word.contains('\0')).map(|n| format!("argument {n}"));
        let variable = env.iter().find(|(k, v)| k.contains('\0') || v.contains('\0'));
        if let Some(bad) = word.or_else(|| variable.map(|(name, _)| format!("variable {name:?}"))) {
            return Err(Error::Invalid(format!("{bad} of container {container:?} contains a zero byte")));
        }
        Ok(())
    }
}

/// `resources.limits.memory` in bytes.
fn memory_limit(shape: &Shape<'_>) -> Option<u64> {
    let limit = shape.resources?.limits.as_ref()?.get("memory")?;
    super::environment::quantity(&limit.0)
}
