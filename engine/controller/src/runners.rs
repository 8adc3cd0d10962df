//! The runners of this process and the choice between them.
//! Deliberately a `match` and no registry: a new runner is a new line here.

use std::sync::Arc;

use runner_runners::Runner;
use runner_workflows::spec::{Template, TemplateKind};

/// The runners there are.
#[derive(Clone, Default)]
pub struct Runners {
    process: Option<Arc<dyn Runner>>,
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

    /// The runner of a template.
    ///
    /// # Errors
    /// The text for the node when there is none.
    pub fn of(&self, template: &Template) -> Result<Arc<dyn Runner>, String> {
        match template.kind() {
            Some(TemplateKind::Container | TemplateKind::Script | TemplateKind::ContainerSet) => self.process(),
            // Processes of the runner's own binary, wherever the other steps run (`runner_runners::typed`).
            Some(
                TemplateKind::Resource | TemplateKind::Data | TemplateKind::Http | TemplateKind::Plugin,
            ) => self.process(),
            Some(TemplateKind::Steps | TemplateKind::Dag | TemplateKind::Suspend) => {
                Err("a template of this kind runs no step of its own".to_owned())
            }
            None => Err("the template has no kind, or more than one".to_owned()),
        }
    }

    fn process(&self) -> Result<Arc<dyn Runner>, String> {
        self.process.clone().ok_or_else(|| "no runner for processes is configured".to_owned())
    }

    /// All of them, for what concerns every runner.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<dyn Runner>> {
        self.process.iter()
    }
}

impl std::fmt::Debug for Runners {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runners").field("process", &self.process.is_some()).finish()
    }
}
