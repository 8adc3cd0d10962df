//! A generated case as data of its own: workflows, what happens to them from outside, and when.
//! Is not the language crate's spec on purpose: the oracle reads this, the engine reads the YAML made of it.

use serde_json::Value;

/// What one seed stands for.
#[derive(Clone, Debug)]
pub struct Case {
    /// The seed.
    pub seed: u64,
    /// What happens depends on when: only runs with the same timing can be compared, and no oracle knows the end.
    pub timed: bool,
    /// Workflows.
    pub flows: Vec<Flow>,
    /// Commands.
    pub script: Vec<Planned>,
    /// Capacity of the semaphore `limits/s`.
    pub capacity: u32,
    /// Settings of the engine.
    pub engine: Engine,
}

/// Settings of the engine in one case.
#[derive(Clone, Copy, Debug)]
pub struct Engine {
    /// Room for steps.
    pub max_running: usize,
    /// How long sightings are held back, in milliseconds.
    pub linger_ms: u64,
    /// A sleeping workflow is put away after so many seconds.
    pub unload_after_s: u64,
}

/// A command of a user at a moment.
#[derive(Clone, Debug)]
pub struct Planned {
    /// Nanoseconds after the beginning.
    pub at_ns: u64,
    /// For which workflow.
    pub flow: usize,
    /// What.
    pub order: Order,
}

/// A command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Suspend the run.
    Suspend,
    /// Resume it.
    Resume,
    /// Stop it.
    Stop,
    /// Terminate it.
    Terminate,
    /// Undo what failed, and go on.
    Retry,
}

/// One workflow.
#[derive(Clone, Debug)]
pub struct Flow {
    /// Name.
    pub name: String,
    /// Nanoseconds after the beginning at which it is submitted.
    pub at_ns: u64,
    /// Templates.
    pub templates: Vec<Template>,
    /// The first template.
    pub entry: usize,
    /// Global parameters.
    pub parameters: Vec<(String, String)>,
    /// Pods at once.
    pub parallelism: Option<u32>,
    /// Exit handler.
    pub on_exit: Option<usize>,
    /// Hooks: name, phase of the run, template.
    pub hooks: Vec<FlowHook>,
    /// `activeDeadlineSeconds`.
    pub deadline_s: Option<u64>,
    /// Lock of the whole run.
    pub lock: Option<Lock>,
    /// Priority in queues for locks.
    pub priority: Option<i32>,
}

/// A hook of the run.
#[derive(Clone, Debug)]
pub struct FlowHook {
    /// Name.
    pub name: String,
    /// Runs when the root has this phase.
    pub phase: &'static str,
    /// What runs.
    pub template: usize,
}

/// A lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lock {
    /// A mutex of that name.
    Mutex(String),
    /// The semaphore `limits/s`.
    Semaphore,
}

/// A template.
#[derive(Clone, Debug)]
pub struct Template {
    /// Name.
    pub name: String,
    /// Inputs.
    pub inputs: Vec<Input>,
    /// What it is.
    pub kind: Kind,
    /// Retries.
    pub retry: Option<Retry>,
    /// Children at once.
    pub parallelism: Option<u32>,
    /// `failFast` of the template.
    pub fail_fast: bool,
    /// `timeout` in seconds.
    pub timeout_s: Option<u64>,
    /// Locks.
    pub lock: Option<Lock>,
    /// Outputs of Steps and DAG: name, source, default.
    pub outputs: Vec<Output>,
}

/// An input parameter.
#[derive(Clone, Debug)]
pub struct Input {
    /// Name.
    pub name: String,
    /// Default.
    pub default: Option<String>,
}

/// An output of a Steps or DAG template.
#[derive(Clone, Debug)]
pub struct Output {
    /// Name.
    pub name: String,
    /// Where it comes from.
    pub from: Piece,
    /// What stands in when that is absent.
    pub default: Option<String>,
}

/// Kind of a template.
#[derive(Clone, Debug)]
pub enum Kind {
    /// A simulated process.
    Leaf(Leaf),
    /// Groups of steps.
    Steps(Vec<Vec<Call>>),
    /// A graph of tasks.
    Dag(Dag),
    /// A pause.
    Suspend(Suspend),
}

/// A simulated process.
#[derive(Clone, Debug)]
pub struct Leaf {
    /// Script rather than container: its standard output can be a result.
    pub script: bool,
    /// How often in a thousand it exits with a code other than 0, is an Error, is lost.
    pub fail: u64,
    /// See `fail`.
    pub error: u64,
    /// See `fail`.
    pub lost: u64,
    /// Longest run in milliseconds.
    pub longest_ms: u64,
    /// `activeDeadlineSeconds`.
    pub deadline_s: Option<u64>,
    /// What it writes to its standard output.
    pub result: Make,
    /// What its output parameter `out` gets.
    pub out: Option<Make>,
    /// Default of `out` where the step is skipped.
    pub out_default: Option<String>,
    /// Global name of `out`.
    pub global: Option<String>,
}

/// A value that a process makes.
#[derive(Clone, Debug)]
pub enum Make {
    /// A small number.
    Number,
    /// A JSON list of small numbers.
    List,
    /// A text.
    Text(Text),
}

/// A pause.
#[derive(Clone, Debug)]
pub struct Suspend {
    /// Ends by itself; otherwise somebody resumes it.
    pub seconds: Option<u64>,
    /// It has an output `out` that is supplied, perhaps with a default.
    pub supplied: Option<Option<String>>,
}

/// Retries of a template.
#[derive(Clone, Debug)]
pub struct Retry {
    /// Retries after the first run.
    pub limit: u32,
    /// `retryPolicy`.
    pub policy: Option<&'static str>,
    /// Retried only when the exit code is not this one.
    pub unless_code: Option<i32>,
    /// Back-off in seconds, factor, cap in seconds.
    pub backoff: Option<(u64, u64, Option<u64>)>,
    /// `maxDuration` of the back-off in seconds.
    pub max_s: Option<u64>,
}

/// A graph of tasks; a task depends on earlier ones only.
#[derive(Clone, Debug)]
pub struct Dag {
    /// Tasks.
    pub tasks: Vec<Task>,
    /// Targets, if they are given.
    pub targets: Vec<usize>,
    /// `failFast`, if it is given.
    pub fail_fast: Option<bool>,
}

/// A task.
#[derive(Clone, Debug)]
pub struct Task {
    /// What it calls.
    pub call: Call,
    /// What it waits for.
    pub needs: Needs,
}

/// What a task waits for.
#[derive(Clone, Debug)]
pub enum Needs {
    /// `dependencies`; may be empty.
    List(Vec<usize>),
    /// `depends`.
    Depends(Dep),
}

/// A `depends` expression.
#[derive(Clone, Debug)]
pub enum Dep {
    /// A task, perhaps with the result asked for.
    Task(usize, Option<&'static str>),
    /// Not.
    Not(Box<Dep>),
    /// Both.
    And(Box<Dep>, Box<Dep>),
    /// Either.
    Or(Box<Dep>, Box<Dep>),
}

/// A step or task.
#[derive(Clone, Debug)]
pub struct Call {
    /// Name.
    pub name: String,
    /// Template.
    pub template: usize,
    /// Arguments.
    pub args: Vec<(String, Text)>,
    /// Condition.
    pub when: Option<Cond>,
    /// Loop.
    pub with: With,
    /// `continueOn.failed`.
    pub on_failed: bool,
    /// `continueOn.error`.
    pub on_error: bool,
    /// Exit hook: template and arguments.
    pub exit: Option<(usize, Vec<(String, Text)>)>,
    /// Hook that runs when the step has this phase: name, phase, template.
    pub hook: Option<(String, &'static str, usize)>,
}

/// A condition.
#[derive(Clone, Debug)]
pub struct Cond {
    /// What is looked at.
    pub left: Piece,
    /// `==`, `!=`, `<` or `>`; the latter two for numbers.
    pub op: &'static str,
    /// What it is compared with.
    pub right: String,
}

/// A loop.
#[derive(Clone, Debug)]
pub enum With {
    /// None.
    None,
    /// `withItems`.
    Items(Vec<Value>),
    /// `withParam`.
    Param(Piece),
    /// `withSequence`: `start` to `end`.
    Range(i64, i64),
    /// `withSequence`: `count`, with a format.
    Count(i64, Option<&'static str>),
}

/// A text with references.
pub type Text = Vec<Piece>;

/// A piece of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// As it stands.
    Lit(String),
    /// An input parameter.
    Input(String),
    /// The loop's item.
    Item,
    /// A key of the loop's item.
    ItemKey(String),
    /// Something of an earlier step or task.
    Step(String, Of),
    /// A global parameter.
    Global(String),
    /// A global output.
    GlobalOutput(String),
    /// `workflow.status`.
    WorkflowStatus,
    /// `retries`.
    Retries,
}

/// What of a step or task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// `outputs.result`.
    Result,
    /// `outputs.parameters.out`.
    Out,
    /// `status`.
    Status,
    /// `exitCode`.
    ExitCode,
}

impl Template {
    /// True for templates that run a process.
    pub fn is_leaf(&self) -> bool {
        matches!(self.kind, Kind::Leaf(_))
    }

    /// True for Steps and DAG.
    pub fn is_composite(&self) -> bool {
        matches!(self.kind, Kind::Steps(_) | Kind::Dag(_))
    }

    /// Whether it has an output `out`.
    pub fn has_out(&self) -> bool {
        match &self.kind {
            Kind::Leaf(leaf) => leaf.out.is_some(),
            Kind::Suspend(suspend) => suspend.supplied.is_some(),
            Kind::Steps(_) | Kind::Dag(_) => !self.outputs.is_empty(),
        }
    }
}

impl Needs {
    /// The tasks that must have ended first, in order of mention.
    pub fn tasks(&self) -> Vec<usize> {
        fn collect(dep: &Dep, into: &mut Vec<usize>) {
            match dep {
                Dep::Task(task, _) => {
                    if !into.contains(task) {
                        into.push(*task);
                    }
                }
                Dep::Not(inner) => collect(inner, into),
                Dep::And(a, b) | Dep::Or(a, b) => {
                    collect(a, into);
                    collect(b, into);
                }
            }
        }
        match self {
            Self::List(list) => list.clone(),
            Self::Depends(dep) => {
                let mut into = Vec::new();
                collect(dep, &mut into);
                into
            }
        }
    }
}
