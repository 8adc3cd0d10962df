//! What a typed step is asked and what it answers: reads the order, hands out secrets, writes the report.
//! Does not do the work of any kind of step.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use runner_runners::ExitPhase;
use runner_runners::typed::{Order, Report, plugin_name};
use runner_workflows::spec::{AnyString, Outputs, Parameter};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A typed step that is being done.
pub struct Step {
    kind: String,
    order: Order,
    report: PathBuf,
    inputs: BTreeMap<String, PathBuf>,
    outputs: BTreeMap<String, PathBuf>,
}

/// What a step that succeeded hands back.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Done {
    /// `outputs.result`.
    pub result: Option<String>,
    /// Output parameters by name; the template need not declare them.
    pub parameters: Vec<(String, String)>,
    /// Message of the node; usually none.
    pub message: String,
    /// Everything else, as an executor plugin may answer it; `result` and `parameters` are added to it.
    pub outputs: Outputs,
}

impl Done {
    /// Success with one result.
    #[must_use]
    pub fn result(text: impl Into<String>) -> Self {
        Self { result: Some(text.into()), ..Self::default() }
    }

    /// The same with one more output parameter.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.parameters.push((name.to_owned(), value.into()));
        self
    }

    fn into_outputs(self) -> Outputs {
        let mut outputs = self.outputs;
        outputs.result = self.result.or(outputs.result);
        for (name, value) in self.parameters {
            outputs.parameters.retain(|known| known.name != name);
            outputs.parameters.push(Parameter {
                name,
                value: Some(AnyString(value)),
                ..Parameter::default()
            });
        }
        outputs
    }
}

/// Why a step did not succeed. Its text is the node's message: it must not quote secrets.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// Failed: the work was done and its outcome is bad. Error: it could not be done.
    pub phase: ExitPhase,
    /// The node's message.
    pub message: String,
    /// Outputs that are kept although it failed.
    pub outputs: Box<Outputs>,
}

impl Failure {
    /// The work was done, and its outcome is bad.
    pub fn failed(message: impl Into<String>) -> Self {
        Self { phase: ExitPhase::Failed, message: message.into(), outputs: Box::default() }
    }

    /// The work could not be done: bad input, missing parts.
    pub fn error(message: impl Into<String>) -> Self {
        Self { phase: ExitPhase::Error, message: message.into(), outputs: Box::default() }
    }

    /// The same with outputs that are kept.
    #[must_use]
    pub fn with_outputs(mut self, done: Done) -> Self {
        *self.outputs = done.into_outputs();
        self
    }
}

impl Step {
    /// Reads `KIND ORDER REPORT [in:NAME=PATH | out:NAME=PATH]...`.
    ///
    /// # Errors
    /// Error when the words are not these or the order cannot be read.
    pub fn read(args: &[String]) -> Result<Self, Failure> {
        let [kind, order, report, rest @ ..] = args else {
            return Err(Failure::error("usage: runner __step KIND ORDER REPORT; the engine starts this"));
        };
        let text = std::fs::read(order).map_err(|error| Failure::error(format!("the order: {error}")))?;
        let order = serde_json::from_slice(&text)
            .map_err(|error| Failure::error(format!("the order cannot be read: {error}")))?;
        let paths = |prefix: &str| {
            let words = rest.iter().filter_map(|word| word.strip_prefix(prefix)?.split_once('='));
            words.map(|(name, path)| (name.to_owned(), PathBuf::from(path))).collect()
        };
        let (inputs, outputs) = (paths("in:"), paths("out:"));
        Ok(Self { kind: kind.clone(), order, report: PathBuf::from(report), inputs, outputs })
    }

    /// A step with this order, for tests of what it does; it reports nowhere.
    #[must_use]
    pub fn of(kind: &str, order: Order) -> Self {
        let (inputs, outputs) = (BTreeMap::new(), BTreeMap::new());
        Self { kind: kind.to_owned(), order, report: PathBuf::from("/dev/null"), inputs, outputs }
    }

    /// `http`, `data`, `resource` or `plugin`.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The order.
    pub fn order(&self) -> &Order {
        &self.order
    }

    /// The one key under the template's `plugin`.
    pub fn plugin_name(&self) -> Option<String> {
        plugin_name(&self.order.template)
    }

    /// What stands under the template's `plugin.NAME`, as a type of the plugin's own.
    ///
    /// # Errors
    /// Error that names the field; give the type `deny_unknown_fields`.
    pub fn plugin_input<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        let name = self.plugin_name().unwrap_or_default();
        let plugin = serde_json::to_value(&self.order.template.plugin).unwrap_or_default();
        let input = plugin.get(&name).cloned().unwrap_or(Value::Null);
        serde_json::from_value(input).map_err(|error| {
            let template = &self.order.template.name;
            Failure::error(format!("plugin.{name} of template {template:?}: {error}"))
        })
    }

    /// The value of a key of a Secret that the template refers to as `secretKeyRef: {name, key}` (anywhere in
    /// its `http`, `plugin` or `resource`); nothing when the reference is optional and there is no such key.
    ///
    /// # Errors
    /// Error when the template holds no such reference.
    pub fn secret(&self, name: &str, key: &str) -> Result<Option<String>, Failure> {
        self.value(true, name, key)
    }

    /// The same for `configMapKeyRef`.
    ///
    /// # Errors
    /// As for [`Step::secret`].
    pub fn config_map(&self, name: &str, key: &str) -> Result<Option<String>, Failure> {
        self.value(false, name, key)
    }

    fn value(&self, secret: bool, name: &str, key: &str) -> Result<Option<String>, Failure> {
        let known = self.order.values.iter().find(|v| v.secret == secret && v.name == name && v.key == key);
        match known.map(|known| known.variable.as_deref()) {
            Some(None) => Ok(None),
            Some(Some(variable)) => std::env::var(variable)
                .map(Some)
                .map_err(|_| Failure::error(format!("key {key:?} of {name:?} is not text, or is gone"))),
            None => Err(Failure::error(format!("the template does not refer to key {key:?} of {name:?}"))),
        }
    }

    /// Where an input artifact was placed.
    pub fn input_path(&self, artifact: &str) -> Option<&Path> {
        self.inputs.get(artifact).map(PathBuf::as_path)
    }

    /// Where an output artifact has to be left.
    pub fn output_path(&self, artifact: &str) -> Option<&Path> {
        self.outputs.get(artifact).map(PathBuf::as_path)
    }

    /// Tells how far the work is, as Argo's progress `done/total`. Best effort: it is for people.
    pub fn progress(&self, done: u64, total: u64) {
        if let Ok(file) = std::env::var("ARGO_PROGRESS_FILE") {
            // Whoever looks at it finds the last one that could be written.
            let _ = std::fs::write(file, format!("{done}/{total}"));
        }
    }

    /// Runs asynchronous work to its end, on this thread.
    ///
    /// # Errors
    /// Error when there is no runtime to be had, and those of the work.
    pub fn block_on<T>(&self, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map_err(|error| Failure::error(format!("no runtime: {error}")))?.block_on(work)
    }

    /// Writes the report: all of it or none.
    ///
    /// # Errors
    /// Error when it cannot be written.
    pub fn report(&self, outcome: Result<Done, Failure>) -> Result<(), Failure> {
        let report = match outcome {
            Ok(done) => Report {
                phase: ExitPhase::Succeeded,
                message: done.message.clone(),
                outputs: done.into_outputs(),
            },
            Err(failure) => {
                Report { phase: failure.phase, message: failure.message, outputs: *failure.outputs }
            }
        };
        let broken = |error: std::io::Error| Failure::error(format!("the report cannot be written: {error}"));
        let text = serde_json::to_vec(&report).map_err(|error| broken(error.into()))?;
        let new = self.report.with_extension("new");
        let mut file = std::fs::File::create(&new).map_err(broken)?;
        file.write_all(&text).map_err(broken)?;
        std::fs::rename(&new, &self.report).map_err(broken)
    }
}
