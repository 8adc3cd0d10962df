//! The runners of this process and the choice between them.
//! Deliberately a `match` and no registry: a new runner is a new line here.

use std::str::FromStr;
use std::sync::Arc;

use runner_runners::Runner;
use runner_workflows::spec::{Template, TemplateKind};

/// Annotation of a workflow or a template that names its executor.
pub const EXECUTOR: &str = "runner/executor";

/// What the containers of a template run as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Executor {
    /// Processes of this machine.
    #[default]
    Process,
    /// Containers of an engine on this machine.
    Container,
    /// Pods of a cluster.
    Kubernetes,
}

impl Executor {
    /// Its name, as in `--executor`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Container => "container",
            Self::Kubernetes => "kubernetes",
        }
    }
}

impl FromStr for Executor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = [Self::Process, Self::Container, Self::Kubernetes];
        let found = known.into_iter().find(|one| one.name() == text);
        found.ok_or_else(|| {
            format!("there is no executor {text:?}; there are process, container and kubernetes")
        })
    }
}

/// Gives the container that does a typed step where containers run; nothing when the step is a process everywhere.
pub type Contain = Arc<dyn Fn(&Template) -> Result<Option<Template>, String> + Send + Sync>;

/// The runners there are.
#[derive(Clone, Default)]
pub struct Runners {
    contain: Option<Contain>,
    process: Option<Arc<dyn Runner>>,
    container: Option<Arc<dyn Runner>>,
    kubernetes: Option<Arc<dyn Runner>>,
    usual: Executor,
}

impl Runners {
    /// None at all: every step is an Error.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The runner of steps as local processes.
    #[must_use]
    pub fn with_process(mut self, runner: Arc<dyn Runner>) -> Self {
        self.process = Some(runner);
        self
    }

    /// The runner of steps as containers of this machine.
    #[must_use]
    pub fn with_container(mut self, runner: Arc<dyn Runner>) -> Self {
        self.container = Some(runner);
        self
    }

    /// The runner of steps as pods of a cluster.
    #[must_use]
    pub fn with_kubernetes(mut self, runner: Arc<dyn Runner>) -> Self {
        self.kubernetes = Some(runner);
        self
    }

    /// What typed steps are as containers.
    #[must_use]
    pub fn with_contain(mut self, contain: Contain) -> Self {
        self.contain = Some(contain);
        self
    }

    /// The executor of workflows that name none.
    #[must_use]
    pub fn with_usual(mut self, executor: Executor) -> Self {
        self.usual = executor;
        self
    }

    /// The runner of a template, and the template as that runner has it; `workflow` is what the workflow says about its
    /// executor. The template's own annotation comes first, then the workflow's, then the usual one.
    ///
    /// # Errors
    /// The text for the node when there is none.
    pub fn of(
        &self,
        template: &Template,
        workflow: Option<&str>,
    ) -> Result<(Arc<dyn Runner>, Option<Template>), String> {
        match template.kind() {
            Some(TemplateKind::Container | TemplateKind::Script | TemplateKind::ContainerSet) => {
                let executor = self.executor(template, workflow)?;
                Ok((self.named(executor)?, None))
            }
            Some(TemplateKind::Plugin) => {
                let executor = self.executor(template, workflow)?;
                let contain = self.contain.as_ref().filter(|_| executor != Executor::Process);
                match contain.map_or(Ok(None), |contain| contain(template))? {
                    Some(contained) => Ok((self.named(executor)?, Some(contained))),
                    None => Ok((self.named(Executor::Process)?, None)),
                }
            }
            // Processes of the runner's own binary, wherever the other steps run (`runner_runners::typed`).
            Some(TemplateKind::Resource | TemplateKind::Data | TemplateKind::Http) => {
                Ok((self.named(Executor::Process)?, None))
            }
            Some(TemplateKind::Steps | TemplateKind::Dag | TemplateKind::Suspend) => {
                Err("a template of this kind runs no step of its own".to_owned())
            }
            None => Err("the template has no kind, or more than one".to_owned()),
        }
    }

    fn executor(&self, template: &Template, workflow: Option<&str>) -> Result<Executor, String> {
        let own = template.metadata.annotations.get(EXECUTOR).map(String::as_str);
        let named = own.or(workflow).filter(|name| !name.is_empty());
        named.map_or(Ok(self.usual), Executor::from_str)
    }

    fn named(&self, executor: Executor) -> Result<Arc<dyn Runner>, String> {
        let runner = match executor {
            Executor::Process => &self.process,
            Executor::Container => &self.container,
            Executor::Kubernetes => &self.kubernetes,
        };
        runner.clone().ok_or_else(|| format!("no runner for executor {:?} is configured", executor.name()))
    }

    /// All of them, for what concerns every runner. Those that are made of processes come last: they forget what
    /// the others still need to find theirs.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<dyn Runner>> {
        self.kubernetes.iter().chain(&self.container).chain(&self.process)
    }
}

impl std::fmt::Debug for Runners {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runners")
            .field("process", &self.process.is_some())
            .field("container", &self.container.is_some())
            .field("kubernetes", &self.kubernetes.is_some())
            .field("usual", &self.usual)
            .field("contain", &self.contain.is_some())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_executor_is_named_or_refused_with_the_names_there_are() {
        assert_eq!("container".parse(), Ok(Executor::Container));
        let refused = "docker".parse::<Executor>().err().unwrap_or_default();
        assert!(refused.contains("docker") && refused.contains("kubernetes"), "{refused}");
    }
}
