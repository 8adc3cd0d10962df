//! From a seed to a case: workflows of every shape, valid by construction.
//! Does not know what they come to.

mod calls;
mod leaves;

use super::model::{Case, Engine, Flow, FlowHook, Kind, Lock, Order, Piece, Planned, Template};
use super::rng::Rng;
use calls::Scope;

/// What a value looks like, so that it can be used where it makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Looks {
    /// A small number.
    Number,
    /// A word of letters and digits.
    Word,
    /// A JSON list of numbers.
    Numbers,
    /// A JSON list of anything.
    List,
    /// Anything.
    Any,
}

/// Builds one workflow.
struct Builder<'r> {
    rng: &'r mut Rng,
    /// The end may depend on the order of things.
    timed: bool,
    /// The run as a whole limits its pods.
    limited: bool,
    templates: Vec<Template>,
    /// What each template's `out` looks like.
    outs: Vec<Looks>,
    /// Nodes that may still be made, roughly.
    budget: i64,
    /// The template for hooks.
    hook: usize,
    names: usize,
}

/// The case of a seed.
pub fn case(seed: u64) -> Case {
    let mut rng = Rng::new(seed, "case");
    let timed = rng.chance(350);
    let count = if rng.chance(250) { 2 } else { 1 };
    let flows: Vec<Flow> = (0..count).map(|number| flow(&mut rng, number, timed)).collect();
    let script = if timed { script(&mut rng, &flows) } else { Vec::new() };
    let engine = if timed {
        // Nothing but the workflow itself may shift its times.
        Engine { max_running: 64, linger_ms: 0, unload_after_s: 1_000_000 }
    } else {
        Engine {
            max_running: *rng.pick(&[1, 2, 64, 64]),
            linger_ms: *rng.pick(&[0, 50, 50]),
            unload_after_s: *rng.pick(&[5, 60, 60, 1_000_000]),
        }
    };
    let capacity = u32::try_from(rng.between(1, 2)).unwrap_or(1);
    Case { seed, timed, flows, script, capacity, engine }
}

/// Commands at random moments. A suspended run is always resumed.
fn script(rng: &mut Rng, flows: &[Flow]) -> Vec<Planned> {
    let mut script = Vec::new();
    for (flow, submitted) in flows.iter().map(|flow| flow.at_ns).enumerate() {
        // Counted from the submission: a command at the same moment would race with the first starts.
        let mut plan = |rng: &mut Rng, order, from: u64, to: u64| {
            let after = from + rng.below(to.saturating_sub(from).max(1));
            script.push(Planned { at_ns: submitted + after, flow, order });
            after
        };
        const SECOND: u64 = 1_000_000_000;
        if rng.chance(350) {
            let at = plan(rng, Order::Suspend, SECOND, 20 * SECOND);
            plan(rng, Order::Resume, at + SECOND, at + 60 * SECOND);
        }
        if rng.chance(350) {
            let order = if rng.chance(600) { Order::Stop } else { Order::Terminate };
            plan(rng, order, SECOND / 2, 30 * SECOND);
        }
        if rng.chance(100) {
            plan(rng, Order::Terminate, 10 * SECOND, 40 * SECOND);
        }
        if rng.chance(300) {
            plan(rng, Order::Retry, 10 * SECOND, 120 * SECOND);
        }
    }
    script
}

fn flow(rng: &mut Rng, number: usize, timed: bool) -> Flow {
    let budget = if rng.chance(100) { rng.between(25, 60) } else { rng.between(3, 20) };
    let parallelism = rng.chance(180).then(|| u32::try_from(rng.between(1, 3)).unwrap_or(1));
    let mut builder = Builder {
        rng,
        timed,
        limited: parallelism.is_some(),
        templates: Vec::new(),
        outs: Vec::new(),
        budget: i64::try_from(budget).unwrap_or(10),
        hook: 0,
        names: 0,
    };
    builder.hook = builder.hook_leaf();
    let entry = builder.entry();
    let on_exit = builder.rng.chance(300).then(|| builder.exit_leaf());
    let mut hooks = Vec::new();
    let composite = builder.templates[entry].is_composite() && builder.templates[entry].retry.is_none();
    for (name, phase) in [("good", "Succeeded"), ("bad", "Failed"), ("busy", "Running")] {
        if builder.rng.chance(80) && (phase != "Running" || composite) {
            hooks.push(FlowHook { name: name.to_owned(), phase, template: builder.hook });
        }
    }
    let lock = builder.rng.chance(60).then(|| Lock::Mutex("whole".to_owned()));
    let priority = builder.rng.chance(200).then(|| i32::try_from(builder.rng.below(3)).unwrap_or(0));
    let deadline_s = (timed && builder.rng.chance(150)).then(|| builder.rng.between(3, 60));
    let at_ns = if number == 0 { 0 } else { builder.rng.below(5_000_000_000) };
    Flow {
        name: format!("wf{number}"),
        at_ns,
        templates: builder.templates,
        entry,
        parameters: vec![("g".to_owned(), "ga".to_owned())],
        parallelism,
        on_exit,
        hooks,
        deadline_s,
        lock,
        priority,
    }
}

impl Builder<'_> {
    fn name(&mut self, prefix: &str) -> String {
        self.names += 1;
        format!("{prefix}{}", self.names)
    }

    fn add(&mut self, template: Template, out: Looks) -> usize {
        self.templates.push(template);
        self.outs.push(out);
        self.templates.len() - 1
    }

    /// The first template: mostly composite, and with inputs that the run's parameters or defaults fill.
    fn entry(&mut self) -> usize {
        if self.rng.chance(60) {
            let leaf = self.leaf(&[]);
            for input in &mut self.templates[leaf].inputs {
                let list = if input.name == "l" { "[1]" } else { "1" };
                input.default.get_or_insert_with(|| list.to_owned());
            }
            return leaf;
        }
        self.composite(0)
    }

    fn composite(&mut self, depth: usize) -> usize {
        let inputs = if depth == 0 { Vec::new() } else { self.inputs() };
        let mut scope = Scope::new(&inputs);
        let is_dag = self.rng.chance(500);
        let name = self.name(if is_dag { "dag" } else { "steps" });
        let kind = if is_dag {
            Kind::Dag(self.dag(depth, &mut scope))
        } else {
            let global = depth == 0 && self.rng.chance(200);
            let first = global.then(|| self.emit(&mut scope));
            let mut groups = self.steps(depth, &mut scope);
            groups.splice(0..0, first);
            Kind::Steps(groups)
        };
        let (outputs, looks) = self.composite_outputs(&scope);
        let retry = (depth > 0 || self.rng.chance(300)).then(|| self.retry(120, true)).flatten();
        let parallelism = self.rng.chance(130).then(|| u32::try_from(self.rng.between(1, 3)).unwrap_or(1));
        let fail_fast = self.timed && self.rng.chance(150);
        let template = Template {
            name,
            inputs: inputs.into_iter().map(|(input, _)| input).collect(),
            kind,
            retry,
            parallelism,
            fail_fast,
            timeout_s: None,
            lock: None,
            outputs,
        };
        self.add(template, looks)
    }

    /// A reference to something earlier that looks so.
    fn find(&mut self, scope: &Scope, looks: Looks) -> Option<Piece> {
        let found: Vec<&Piece> =
            scope.known.iter().filter(|(_, known)| fits(*known, looks)).map(|(piece, _)| piece).collect();
        if found.is_empty() { None } else { Some((*self.rng.pick(&found)).clone()) }
    }
}

/// Whether a value that looks like this can stand where one that looks like that is wanted.
fn fits(has: Looks, wanted: Looks) -> bool {
    has == wanted || wanted == Looks::Any || (has == Looks::Numbers && wanted == Looks::List)
}
