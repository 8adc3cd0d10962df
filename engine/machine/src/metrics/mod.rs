//! Custom metrics: what the `metrics` blocks of a workflow and its templates emit when nodes end.
//! Keeps no sums (`registry` does) and serves nobody.

mod registry;
mod scope;

use std::collections::BTreeSet;

use runner_workflows::expr::{Fuel, Text, Vars, when};
use runner_workflows::spec::{Metrics, Prometheus};

use crate::Timestamp;
use crate::fact::Fact;
use crate::node::{NodeIx, Owner};
use crate::plan::Plan;
use crate::status::WorkflowStatus;

pub use registry::{Family, Kind, Registry, Sample};

/// One value for the registry.
#[derive(Clone, Debug, PartialEq)]
pub struct Emission {
    /// Name, without any prefix.
    pub name: String,
    /// Help text.
    pub help: String,
    /// Labels in the order of the manifest.
    pub labels: Vec<(String, String)>,
    /// What to do with which value.
    pub change: Change,
}

/// How an emission changes its series.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A counter grows.
    Count(f64),
    /// A gauge gets a value.
    Set(f64),
    /// A gauge grows.
    Add(f64),
    /// A gauge shrinks.
    Sub(f64),
    /// A histogram sees a value.
    Observe {
        /// The value.
        value: f64,
        /// Upper bounds; none means Prometheus' own.
        buckets: Vec<f64>,
    },
}

/// A gauge whose value is time that passes: it is worked out when somebody looks.
#[derive(Clone, Debug, PartialEq)]
pub struct Realtime {
    /// Name, without any prefix.
    pub name: String,
    /// Help text.
    pub help: String,
    /// Labels in the order of the manifest.
    pub labels: Vec<(String, String)>,
    /// Counts from here.
    pub since: Timestamp,
    /// Stands still from here.
    pub until: Option<Timestamp>,
}

impl Realtime {
    /// Seconds at that moment.
    pub fn value(&self, now: Timestamp) -> f64 {
        self.until.unwrap_or(now).duration_since(self.since).as_secs_f64().max(0.0)
    }
}

/// What facts emit, as Argo does it: templates when their node ends (an attempt of a Retry node when another one
/// follows, else the Retry node), the workflow's own metrics when it ends. `status` already holds the facts.
///
/// An emission that cannot be made is a text for people; it never changes the run.
pub fn emissions(plan: &Plan, status: &WorkflowStatus, facts: &[Fact]) -> Vec<Result<Emission, String>> {
    let mut out = Vec::new();
    if !plan.has_metrics() {
        return out;
    }
    let mut seen = BTreeSet::new();
    for fact in facts {
        let ended = match fact {
            Fact::WorkflowFinished { .. } => {
                let own = plan.workflow.spec.metrics.iter().flat_map(|metrics| &metrics.prometheus);
                let vars = scope::of_workflow(plan, status);
                out.extend(own.filter_map(|metric| emission(metric, &vars)));
                None
            }
            Fact::AttemptFinished { ix, .. }
            | Fact::AttemptLost { ix, .. }
            | Fact::NodeFinished { ix, .. }
            | Fact::MemoHit { ix, .. } => Some(*ix),
            _ => None,
        };
        if let Some(ix) = ended.filter(|ix| seen.insert(*ix) && speaks(status, *ix)) {
            of_node(plan, status, ix, &mut out);
        }
    }
    out
}

/// Whether the node that ended emits: an attempt whose Retry node ended with it leaves that to the Retry node.
fn speaks(status: &WorkflowStatus, ix: NodeIx) -> bool {
    status.node(ix).is_some_and(|node| match node.owner {
        Owner::Retry(of) => status.node(of).is_some_and(|retry| !retry.phase.fulfilled()),
        _ => true,
    })
}

fn of_node(plan: &Plan, status: &WorkflowStatus, ix: NodeIx, out: &mut Vec<Result<Emission, String>>) {
    let Some(metrics) = template_metrics(plan, status, ix) else { return };
    match scope::of_node(plan, status, ix, mentions_resources(&metrics)) {
        Ok(vars) => out.extend(metrics.prometheus.iter().filter_map(|metric| emission(metric, &vars))),
        Err(why) => out.push(Err(why)),
    }
}

fn template_metrics(plan: &Plan, status: &WorkflowStatus, ix: NodeIx) -> Option<Metrics> {
    use crate::node::NodeType;
    let node = status.node(ix)?;
    if matches!(
        node.node_type,
        NodeType::Skipped | NodeType::StepGroup | NodeType::TaskGroup | NodeType::Container
    ) {
        return None;
    }
    let compiled = plan.template_of(status, ix).ok()?;
    compiled.template.metrics.clone()
}

fn mentions_resources(metrics: &Metrics) -> bool {
    serde_json::to_string(metrics).is_ok_and(|text| text.contains("resourcesDuration"))
}

/// Gauges of passing time: of the workflow, and of the nodes of templates that ask for one. Empty once it ended.
pub fn realtime(plan: &Plan, status: &WorkflowStatus) -> Vec<Result<Realtime, String>> {
    let mut out = Vec::new();
    if !plan.has_metrics() || status.phase.completed() {
        return out;
    }
    let own = plan.workflow.spec.metrics.iter().flat_map(|metrics| &metrics.prometheus);
    let own: Vec<&Prometheus> = own.filter(|metric| is_realtime(metric)).collect();
    if let (Some(since), false) = (status.started_at, own.is_empty()) {
        let vars = scope::of_workflow(plan, status);
        let span = (since, None);
        out.extend(own.iter().filter_map(|metric| gauge(metric, &vars, span, "workflow.duration")));
    }
    if !plan.has_realtime() {
        return out;
    }
    for (ix, node) in status.nodes() {
        let Some(metrics) = template_metrics(plan, status, ix) else { continue };
        let (Some(since), true) = (node.started_at, metrics.prometheus.iter().any(is_realtime)) else {
            continue;
        };
        match scope::of_node(plan, status, ix, false) {
            Ok(vars) => {
                let span = (since, node.finished_at);
                let wanted = metrics.prometheus.iter().filter(|metric| is_realtime(metric));
                out.extend(wanted.filter_map(|metric| gauge(metric, &vars, span, "duration")));
            }
            Err(why) => out.push(Err(why)),
        }
    }
    out
}

pub(crate) fn is_realtime(metric: &Prometheus) -> bool {
    metric.gauge.as_ref().is_some_and(|gauge| gauge.realtime == Some(true))
}

/// Name, help and labels, with their values.
type Head = (String, String, Vec<(String, String)>);

/// The head of a metric; none when `when` is false.
fn head(metric: &Prometheus, vars: &Vars) -> Result<Option<Head>, String> {
    if metric.help.is_empty() {
        return Err(format!("metric '{}' must contain a help string under 'help: ' field", metric.name));
    }
    let text = |source: &str| render(source, vars).map_err(|e| wrong(metric, &e));
    if !metric.when.is_empty() {
        let condition = text(&metric.when)?;
        let holds = when::evaluate(&condition, &mut Fuel::default());
        if !holds.map_err(|e| wrong(metric, &format!("'when' cannot be evaluated: {e}")))? {
            return Ok(None);
        }
    }
    let labels: Result<Vec<_>, String> =
        metric.labels.iter().map(|label| Ok((text(&label.key)?, text(&label.value)?))).collect();
    Ok(Some((text(&metric.name)?, text(&metric.help)?, labels?)))
}

fn render(source: &str, vars: &Vars) -> Result<String, String> {
    let text = Text::compile(source).map_err(|e| e.to_string())?;
    let rendered = text.render(vars, &mut Fuel::default()).map_err(|e| e.to_string())?;
    match rendered.unresolved.first() {
        Some(name) => Err(format!("failed to resolve {{{{{name}}}}}")),
        None => Ok(rendered.text),
    }
}

fn wrong(metric: &Prometheus, why: &str) -> String {
    format!("metric '{}': {why}", metric.name)
}

fn gauge(
    metric: &Prometheus,
    vars: &Vars,
    (since, until): (Timestamp, Option<Timestamp>),
    variable: &str,
) -> Option<Result<Realtime, String>> {
    let value = metric.gauge.as_ref().map(|gauge| gauge.value.as_str()).unwrap_or_default();
    let Some(name) = value.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}")).map(str::trim) else {
        return Some(Err(wrong(metric, "real time metrics can only be used with metric variables")));
    };
    if name != variable && !(name == "workflow.duration" && variable == "duration") {
        return Some(Err(wrong(metric, &format!("'{name}' is not available as a real time metric"))));
    }
    match head(metric, vars) {
        Ok(None) => None,
        Ok(Some((name, help, labels))) => Some(Ok(Realtime { name, help, labels, since, until })),
        Err(why) => Some(Err(why)),
    }
}

fn emission(metric: &Prometheus, vars: &Vars) -> Option<Result<Emission, String>> {
    if is_realtime(metric) {
        return None;
    }
    let made = head(metric, vars).and_then(|head| {
        let Some((name, help, labels)) = head else { return Ok(None) };
        let change = change(metric, vars)?;
        Ok(Some(Emission { name, help, labels, change }))
    });
    made.transpose()
}

fn change(metric: &Prometheus, vars: &Vars) -> Result<Change, String> {
    let number = |source: &str| {
        let text = render(source, vars).map_err(|e| wrong(metric, &e))?;
        let value = text.trim().parse::<f64>().ok().filter(|value| !value.is_nan());
        value.ok_or_else(|| wrong(metric, &format!("`{text}` is not a number")))
    };
    if let Some(counter) = &metric.counter {
        let by = number(&counter.value)?;
        return if by < 0.0 {
            Err(wrong(metric, &format!("a counter cannot grow by {by}")))
        } else {
            Ok(Change::Count(by))
        };
    }
    if let Some(gauge) = &metric.gauge {
        let value = number(&gauge.value)?;
        return Ok(match gauge.operation.as_str() {
            "Add" => Change::Add(value),
            "Sub" => Change::Sub(value),
            _ => Change::Set(value),
        });
    }
    if let Some(histogram) = &metric.histogram {
        let bound = |text: &runner_workflows::spec::AnyString| {
            let bound = text.as_str().parse::<f64>().ok();
            bound.ok_or_else(|| wrong(metric, &format!("bucket `{}` is not a number", text.as_str())))
        };
        let buckets = histogram.buckets.iter().map(bound).collect::<Result<_, _>>()?;
        return Ok(Change::Observe { value: number(&histogram.value)?, buckets });
    }
    Err(wrong(metric, "it has neither a counter, a gauge nor a histogram"))
}
