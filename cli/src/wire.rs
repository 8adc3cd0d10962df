//! Wires store, runners and controller together.
//! Does not know commands.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use runner_controller::{
    Controller, EXECUTOR, Error, Executor, Leave, Options, Resubmit, Runners, SubmitRequest, SystemClock,
    SystemIds,
};
use runner_kubernetes::KubernetesRunner;
use runner_machine::Command;
use runner_pods::container::{ContainerConfig, ContainerRunner};
use runner_runners::typed::HttpPolicy;
use runner_runners::{ArtifactRepository, Cluster, Objects, ProcessConfig, ProcessRunner, Runner};
use runner_store::{SqliteStore, Store, StreamId};
use tokio::runtime::Handle;
use tokio::sync::OnceCell;

use crate::catalog::{self, Loaded};
use crate::cli::Global;
use crate::commands::who;
use crate::config::{Config, Place};
use crate::exit::{Code, Failure, Result};
use crate::follow::Style;
use crate::logs::Pump;
use crate::names;
use crate::output::Console;
use crate::run::Running;
use crate::secrets::directory::Directory;
use crate::secrets::environment::Environment;
use crate::secrets::file::File;
use crate::secrets::vault::Vault;
use crate::secrets::{Local, Sources};
use crate::watcher::Watcher;

/// The time. The only place of this crate that reads the clock.
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// Settings and what was opened with them.
#[derive(Clone)]
pub struct Wire {
    /// Output.
    pub console: Console,
    /// Where the store is.
    pub place: Place,
    /// Namespace.
    pub namespace: String,
    /// The namespace was named by flag or environment.
    pub namespace_given: bool,
    config: Config,
    secrets: Option<std::path::PathBuf>,
    flags: Cluster,
    brief: bool,
    opened: Arc<OnceCell<Arc<dyn Store>>>,
}

impl Wire {
    /// From flags, environment and configuration files. A `brief` one is for commands that look or say something
    /// and are gone again: its store is not prepared for a run.
    pub fn new(console: Console, global: &Global, brief: bool) -> Result<Self> {
        let config = Config::load(|name| std::env::var(name).ok(), std::path::Path::new("."))?;
        let namespace = global.namespace.clone().or_else(|| config.namespace.clone());
        let namespace = namespace.unwrap_or_else(|| "default".to_owned());
        if namespace.is_empty() || namespace.contains('/') {
            return Err(Failure::usage(format!("`{namespace}` is no name for a namespace")));
        }
        Ok(Self {
            console,
            place: Place::choose(global.store.as_deref(), config.store.as_deref())?,
            namespace,
            namespace_given: global.namespace.is_some(),
            config,
            secrets: global.secrets.clone(),
            flags: Cluster { kubeconfig: global.kubeconfig.clone(), context: global.context.clone() },
            brief,
            opened: Arc::new(OnceCell::new()),
        })
    }

    /// The same in another namespace.
    #[must_use]
    pub fn within(&self, namespace: &str) -> Self {
        Self { namespace: namespace.to_owned(), ..self.clone() }
    }

    /// A name as it has to be typed into the next command: with the namespace and the store, unless those are
    /// what that command would use anyway.
    pub fn again(&self, name: &str) -> String {
        let get = |variable: &str| std::env::var(variable).ok().filter(|value| !value.is_empty());
        let namespace = get("RUNNER_NAMESPACE").or_else(|| self.config.namespace.clone());
        let mut out = name.to_owned();
        if self.namespace != namespace.as_deref().unwrap_or("default") {
            out.push_str(&format!(" -n {}", self.namespace));
        }
        let usual = Place::choose(get("RUNNER_STORE").as_deref(), self.config.store.as_deref());
        if usual.is_ok_and(|usual| usual.file != self.place.file) {
            out.push_str(&format!(" --store {}", self.place.shown));
        }
        out
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        now()
    }

    /// The store, if it exists. Commands that only read do not make one.
    pub async fn existing(&self) -> Result<Option<Arc<dyn Store>>> {
        if !self.place.file.exists() {
            return Ok(None);
        }
        self.store().await.map(Some)
    }

    /// The store.
    ///
    /// # Errors
    /// Exit code 4 when there is none.
    pub async fn existing_or_fail(&self) -> Result<Arc<dyn Store>> {
        self.existing().await?.ok_or_else(|| self.no_store())
    }

    /// That there is no store.
    pub fn no_store(&self) -> Failure {
        Failure::not_found(format!("there is no store at {}: nothing was submitted here", self.place.shown))
            .hint("choose another with --store or RUNNER_STORE")
    }

    /// The store, made if need be.
    pub async fn store(&self) -> Result<Arc<dyn Store>> {
        let open = || async {
            let options =
                if self.brief { runner_store::Options::brief() } else { runner_store::Options::default() };
            let store = SqliteStore::open(&self.place.file, options).await?;
            Ok::<Arc<dyn Store>, Failure>(Arc::new(store))
        };
        self.opened.get_or_try_init(open).await.cloned()
    }

    /// The full name of a workflow.
    pub async fn resolve(&self, store: &Arc<dyn Store>, given: &str) -> Result<String> {
        names::resolve(given, &catalog::known(store.as_ref(), &self.namespace, given).await?)
    }

    /// A workflow with its nodes, by full name.
    pub async fn load(&self, store: &Arc<dyn Store>, name: &str) -> Result<Loaded> {
        let missing = || Failure::not_found(format!("no workflow `{name}`"));
        let row = store.get_workflow(&self.namespace, name).await?.ok_or_else(missing)?;
        let interrupted = interrupted(store, &row.uid).await?;
        let snapshot = self.reader(store)?.load_uid(&row.uid).await?;
        Ok(Loaded::new(&snapshot, interrupted))
    }

    /// Looks at a workflow that any process runs.
    pub async fn watcher(&self, store: &Arc<dyn Store>, name: &str) -> Result<Watcher> {
        let missing = || Failure::not_found(format!("no workflow `{name}`"));
        let row = store.get_workflow(&self.namespace, name).await?.ok_or_else(missing)?;
        if !matches!(row.phase.as_str(), "Succeeded" | "Failed" | "Error")
            && interrupted(store, &row.uid).await?
        {
            self.console.complain(&format!("nobody is running {name}. continue it: runner resume {name}"));
        }
        Watcher::open(self.reader(store)?, &row.uid).await
    }

    /// What is demanded of workflows.
    pub fn template_referencing(&self) -> Option<runner_workflows::resolve::TemplateReferencing> {
        self.config.workflow_restrictions.template_referencing
    }

    /// A controller that runs nothing: it replays and follows.
    pub fn reader(&self, store: &Arc<dyn Store>) -> Result<Controller> {
        let mut options = Options::new(self.state_dir()?);
        (options.poll, options.gc_every) = (None, None);
        Ok(Controller::start(
            Arc::clone(store),
            Runners::new(),
            Arc::new(SystemClock),
            Arc::new(SystemIds),
            options,
        ))
    }

    fn state_dir(&self) -> Result<std::path::PathBuf> {
        std::path::absolute(self.place.state_dir())
            .map_err(|error| Failure::new(Code::Failed, format!("{}: {error}", self.place.shown)))
    }

    /// Numbers of the latest attempts of all steps.
    pub async fn attempts(&self, store: &Arc<dyn Store>, uid: &str) -> Result<BTreeMap<String, u32>> {
        let found = self.reader(store)?.attempts(uid).await?;
        // in order: a later number replaces an earlier one
        Ok(found.into_iter().map(|id| (id.node_id, id.attempt)).collect())
    }

    /// Whether anything is there for an engine to do: something runs, or has a time at which it goes on.
    pub async fn has_work(&self, store: &Arc<dyn Store>) -> Result<bool> {
        let phases = ["", "Pending", "Running"].map(str::to_owned).to_vec();
        let query = runner_store::WorkflowQuery { phases, ..runner_store::WorkflowQuery::default() };
        let reader = self.reader(store)?;
        for row in catalog::rows(store.as_ref(), query).await? {
            let stream = StreamId::workflow(&row.uid)?;
            let Some(info) = store.stream(&stream).await? else { continue };
            if info.closed || (info.owner.is_none() && info.due_at.is_none()) {
                continue;
            }
            let snapshot = reader.load_uid(&row.uid).await?;
            if !Loaded::new(&snapshot, false).view.stuck_on_people() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Follows logs where the style shows them.
    pub fn pump(&self, style: Style) -> Option<Pump> {
        match style {
            Style::Tree | Style::Logs => {
                let runner = self.runner().ok()?;
                Some(Pump::new(runner, runner_runners::LogQuery::default(), style == Style::Tree))
            }
            Style::Silent | Style::Lines | Style::Jsonl => None,
        }
    }

    /// The process runner, for logs.
    pub fn runner(&self) -> Result<Arc<dyn Runner>> {
        Ok(Arc::new(ProcessRunner::new(self.process_config()?)?))
    }

    fn process_config(&self) -> Result<ProcessConfig> {
        let mut config = ProcessConfig::new(self.place.state_dir())?;
        config.images.clone_from(&self.config.runners.process.images);
        config.hidden.push(self.state_dir()?);
        config.typed.plugins.clone_from(&self.config.runners.plugins);
        config.drivers.clone_from(&self.config.artifact_drivers);
        config.typed.http = self.http();
        config.typed.cluster = self.cluster();
        Ok(config)
    }

    /// The cluster of pods and of steps about Kubernetes, with the kubeconfig located from here.
    pub fn cluster(&self) -> Cluster {
        self.flags
            .clone()
            .or(self.config.runners.kubernetes.cluster())
            .located(|name| std::env::var(name).ok())
    }

    /// What typed steps and triggers may reach by HTTP.
    pub fn http(&self) -> HttpPolicy {
        self.config.runners.http.unwrap_or_default()
    }

    /// Where steps, event sources and triggers get ConfigMaps and Secrets from. Needs a runtime around it.
    pub fn objects(&self, store: &Arc<dyn Store>) -> Arc<dyn Objects> {
        Arc::new(Local::new(self.sources(), store, Handle::current()))
    }

    /// The sources of Secrets; `--secrets` replaces the configured directory or file.
    pub fn sources(&self) -> Sources {
        let given = self.secrets.as_ref();
        let (dir, file) = match given {
            Some(path) if path.is_file() => (None, Some(path)),
            Some(path) => (Some(path), None),
            None => (self.config.secrets.dir.as_ref(), self.config.secrets.file.as_ref()),
        };
        Sources {
            directory: dir.map(Directory::new),
            environment: Environment::new(
                std::env::vars_os()
                    .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))),
            ),
            file: file.or(self.config.config_maps.file.as_ref()).map(File::new),
            vault: self.vault().ok(),
            config_maps: self.config.config_maps.dir.as_ref().map(Directory::new),
        }
    }

    /// The Secrets that were applied.
    pub fn vault(&self) -> Result<Vault> {
        Ok(Vault::new(&self.state_dir()?, self.config.secret_key_file.clone()))
    }

    /// The executor of runs that name none.
    pub fn executor(&self) -> Result<Executor> {
        let named = self.config.runners.default.as_deref();
        named.map_or(Ok(Executor::default()), |name| {
            name.parse().map_err(|why: String| Failure::usage(format!("runners.default: {why}")))
        })
    }

    /// Refuses an executor that cannot start any step the way it is configured.
    ///
    /// # Errors
    /// Exit code 2, before anything is stored.
    pub fn can_run_on(&self, executor: Executor) -> Result<()> {
        let image = self.config.runners.kubernetes.executor_image.as_deref().unwrap_or_default();
        if executor == Executor::Kubernetes && image.is_empty() {
            let problem = "executor kubernetes: there is no image that brings the supervisor into pods";
            return Err(Failure::usage(problem).hint(
                "set `runners.kubernetes.executorImage` to an image whose entrypoint is a statically linked `runner` \
                 (docs/kubernetes-runner.md)",
            ));
        }
        Ok(())
    }

    /// Typed steps that can be containers are, where containers run.
    fn contain(&self) -> runner_controller::Contain {
        let image = self.config.runners.kaniko_image.clone().unwrap_or_default();
        Arc::new(move |template| runner_plugins::kaniko::pod::container(template, &image))
    }

    fn container_config(&self) -> ContainerConfig {
        let set = &self.config.runners.container;
        let usual = ContainerConfig::default();
        let sockets = match &set.socket {
            Some(socket) => vec![socket.clone()],
            None => sockets().chain(usual.sockets).collect(),
        };
        ContainerConfig {
            sockets,
            network: set.network.clone().unwrap_or(usual.network),
            images: set.images.iter().map(|(from, to)| (from.clone(), to.clone())).collect(),
            default_image: set.default_image.clone().unwrap_or(usual.default_image),
            pull: set.pull.unwrap_or(usual.pull),
            init: set.init.unwrap_or(usual.init),
        }
    }

    /// An engine that runs what it is given, and nothing else.
    pub fn engine(&self, store: &Arc<dyn Store>) -> Result<Engine> {
        self.start(store, false)
    }

    /// An engine that runs everything that is open.
    pub fn background(&self, store: &Arc<dyn Store>) -> Result<Engine> {
        self.start(store, true)
    }

    fn start(&self, store: &Arc<dyn Store>, adopt: bool) -> Result<Engine> {
        let mut config = self.process_config()?;
        config.objects = self.objects(store);
        let process = Arc::new(ProcessRunner::new(config)?);
        let container = ContainerRunner::new(self.container_config(), Arc::clone(&process))?;
        let settings = &self.config.runners.kubernetes;
        let settings = settings.settings(self.cluster())?;
        let kubernetes = KubernetesRunner::new(settings, Arc::clone(&process));
        let usual = self.executor()?;
        let mut options = Options::new(self.state_dir()?);
        options.adopt = adopt;
        options.on_fatal = Some(Arc::new(crate::exit::store_failed));
        let objects = self.objects(store);
        let drivers = self.config.artifact_drivers.clone();
        options.delete_artifact = Some(Arc::new(move |artifact, repository, namespace| {
            let objects = objects.as_ref();
            let deleted = runner_runners::delete_artifact(artifact, repository, namespace, objects, &drivers);
            deleted.map_err(|error| error.to_string())
        }));
        if let Some(repository) = self.config.artifact_repository.clone() {
            options.repository = ArtifactRepository::from_value(repository)?;
        }
        if self.config.archive == Some(true) {
            let bad = |why: String| Failure::usage(format!("archiveTTL: {why}"));
            let keep = self.config.archive_ttl.as_deref().map(crate::commands::duration).transpose();
            let keep = keep.map_err(bad)?.map(|keep| keep.unsigned_abs());
            options.archive = Some(runner_controller::Archive { keep });
        }
        if let Some(parallelism) = self.config.runners.process.parallelism {
            options.max_running = parallelism;
        }
        let runners = Runners::new()
            .with_process(process)
            .with_container(Arc::new(container))
            .with_kubernetes(Arc::new(kubernetes))
            .with_contain(self.contain())
            .with_usual(usual);
        let (clock, ids) = (Arc::new(SystemClock), Arc::new(SystemIds));
        let controller = Controller::start(Arc::clone(store), runners, clock, ids, options);
        Ok(Engine { controller, namespace: self.namespace.clone(), usual })
    }
}

/// Sockets of container engines that the environment speaks of: podman's and Docker's own variables, and where
/// podman has it for a plain user.
fn sockets() -> impl Iterator<Item = std::path::PathBuf> {
    let named = ["CONTAINER_HOST", "DOCKER_HOST"].into_iter().filter_map(|name| std::env::var(name).ok());
    let named = named.filter_map(|address| address.strip_prefix("unix://").map(std::path::PathBuf::from));
    let own =
        std::env::var_os("XDG_RUNTIME_DIR").map(|dir| std::path::Path::new(&dir).join("podman/podman.sock"));
    named.chain(own)
}

/// It is open, and no process that is alive runs it.
async fn interrupted(store: &Arc<dyn Store>, uid: &str) -> Result<bool> {
    let Some(info) = store.stream(&StreamId::workflow(uid)?).await? else { return Ok(false) };
    let live = info.owner.as_deref().is_some_and(|owner| !runner_controller::is_dead(owner))
        && info.until.is_some_and(|until| until > now());
    Ok(!info.closed && !live)
}

/// The controller of this process.
pub struct Engine {
    controller: Controller,
    namespace: String,
    usual: Executor,
}

impl Engine {
    /// The controller itself.
    pub fn controller(&self) -> &Controller {
        &self.controller
    }

    /// Makes a workflow durable and starts it.
    pub async fn submit(&self, request: SubmitRequest) -> Result<Running> {
        let mut request = SubmitRequest { namespace: self.namespace.clone(), ..request };
        if self.usual != Executor::default() {
            // Recorded with the run: settings may change before it ends, and its steps stay where they are.
            let annotations = &mut request.resolved.metadata.annotations;
            annotations.entry(EXECUTOR.to_owned()).or_insert_with(|| self.usual.name().to_owned());
        }
        let done = self.controller.submit(request).await?;
        Ok(Running { name: done.name, uid: done.uid, existing: done.existing })
    }

    /// Gives a command, whichever process runs the workflow; one that nobody runs is claimed.
    pub async fn command(&self, name: &str, command: Command) -> Result<()> {
        Ok(self.controller.command(&self.namespace, name, command, &who()).await?)
    }

    /// Goes on with a workflow that nobody runs. One that ended or was taken meanwhile is only followed.
    pub async fn adopt(&self, loaded: &Loaded) -> Result<Running> {
        let running = Running { name: loaded.view.name.clone(), uid: loaded.uid.clone(), existing: true };
        match self.controller.adopt(&running.uid).await {
            Ok(()) => Ok(running),
            Err(Error::Refused(_) | Error::OwnedElsewhere { .. }) => Ok(running),
            Err(error) => Err(error.into()),
        }
    }

    /// Runs a workflow again as a new one.
    pub async fn resubmit(
        &self,
        name: &str,
        parameters: &[(String, String)],
        memoized: bool,
        detached: bool,
    ) -> Result<Running> {
        let changes = Resubmit { memoized, parameters: parameters.to_vec() };
        let request = self.controller.resubmit(&self.namespace, name, &changes).await?;
        self.submit(SubmitRequest { detached, ..request }).await
    }

    /// Deletes an ended workflow with its logs.
    pub async fn delete(&self, name: &str) -> Result<()> {
        Ok(self.controller.delete(&self.namespace, name).await?)
    }

    /// Looks at a workflow.
    pub async fn watcher(&self, running: &Running) -> Result<Watcher> {
        Watcher::open(self.controller.clone(), &running.uid).await
    }

    /// Lets go of everything; steps that run go on.
    pub async fn shutdown(self, leave: Leave) {
        self.controller.shutdown(leave).await;
    }
}
