//! Retries: whether a failed attempt is followed by another, and when.
//! Does not run attempts.

use jiff::SignedDuration;
use runner_workflows::expr::Vars;
use runner_workflows::spec::{Backoff, RetryStrategy};

use super::calls::condition;
use super::scope::{leaf_vars, render_template, seconds_between};
use super::start::node_type;
use super::{Todo, Turn};
use crate::duration::{format_duration, parse_duration};
use crate::fact::{Fact, NewNode};
use crate::node::{Node, NodeFlag, NodeIx, NodePhase, NodeType, Owner, Work};
use crate::status::WorkflowStatus;
use crate::{Timestamp, globals};

/// What to do after an attempt.
enum Verdict {
    /// Another attempt now.
    Again,
    /// Another attempt later.
    Wait(Timestamp, String),
    /// Give up: phase and message of the Retry node.
    GiveUp(NodePhase, String),
    /// The strategy itself is wrong.
    Wrong(String),
}

impl Turn<'_> {
    pub(super) fn advance_retry(&mut self, ix: NodeIx) {
        let Some(node) = self.node(ix) else { return };
        if node.phase.fulfilled() {
            return;
        }
        let attempts = attempts(self.status, node);
        let Some(last) = attempts.last().copied() else {
            self.start_attempt(ix, 0);
            return;
        };
        let Some(last_node) = self.node(last).cloned() else { return };
        if !last_node.phase.fulfilled() {
            if last_node.daemoned && !node.daemoned {
                self.daemonize(ix, &last_node);
            }
            return;
        }
        if !last_node.phase.failed_or_error() {
            self.finish(ix, NodePhase::Succeeded, "", last_node.outputs);
            self.save_memo(ix);
            return;
        }
        let exit_handler = last_node.exit_handler;
        let cut_short = self.status.shutdown.is_some_and(|shutdown| !shutdown.allows(exit_handler))
            || (self.status.deadline_passed && !exit_handler);
        if let Work::Backoff { until } = node.work
            && self.now < until
            && !cut_short
        {
            return;
        }
        match self.verdict_after(ix, &last_node, attempts.len()) {
            Verdict::Again => {
                let changed =
                    Some(String::new()).filter(|_| !self.node(ix).is_some_and(|n| n.message.is_empty()));
                if changed.is_some() || self.node(ix).is_some_and(|n| n.work != Work::None) {
                    self.emit(Fact::NodeChanged {
                        ix,
                        phase: Some(NodePhase::Running),
                        message: Some(String::new()),
                        display_name: None,
                    });
                }
                self.start_attempt(ix, attempts.len());
            }
            Verdict::Wait(due, message) => self.emit(Fact::RetryScheduled { ix, due, message }),
            Verdict::GiveUp(phase, message) => self.finish(ix, phase, message, last_node.outputs),
            Verdict::Wrong(message) => self.fail(ix, message),
        }
    }

    /// A daemon under a Retry node makes the Retry node a daemon too.
    fn daemonize(&mut self, ix: NodeIx, last: &Node) {
        self.emit(Fact::AttemptObserved {
            ix,
            at: self.now,
            host: String::new(),
            daemon_ip: Some(last.pod_ip.clone()),
            progress: None,
        });
        self.queue.push_back(Todo::Changed(ix));
    }

    fn strategy(&mut self, ix: NodeIx) -> Result<RetryStrategy, String> {
        let compiled = self.plan.template_of(self.status, ix)?;
        let _ = globals::globals(self.plan, self.status);
        let vars = leaf_vars(self.plan, self.status, &compiled, ix)?;
        let inputs = self.node(ix).map(|node| node.inputs.clone()).unwrap_or_default();
        let template = render_template(&compiled, &vars, &inputs)?;
        template.retry_strategy.ok_or_else(|| "the template has no retryStrategy".to_owned())
    }

    /// Argo's order: shutdown and deadline, back-off and its limits, policy, limit, expression.
    fn verdict_after(&mut self, ix: NodeIx, last: &Node, count: usize) -> Verdict {
        let exit_handler = last.exit_handler;
        if let Some(shutdown) = self.status.shutdown.filter(|shutdown| !shutdown.allows(exit_handler)) {
            return Verdict::GiveUp(last.phase, format!("Stopped with strategy '{}'", shutdown.as_str()));
        }
        if self.status.deadline_passed && !exit_handler {
            let at = self.status.deadline().map(globals::rfc3339).unwrap_or_default();
            return Verdict::GiveUp(last.phase, format!("retry exceeded workflow deadline {at}"));
        }
        let strategy = match self.strategy(ix) {
            Ok(strategy) => strategy,
            Err(message) => return Verdict::Wrong(message),
        };
        let limit = match &strategy.limit {
            None => None,
            Some(limit) => match limit.as_int() {
                Some(limit) => Some(limit),
                None => {
                    return Verdict::Wrong(format!(
                        "retryStrategy.limit `{}` is not a number",
                        limit.to_text()
                    ));
                }
            },
        };
        if let Some(backoff) = &strategy.backoff {
            match self.wait(ix, last, count, backoff, limit) {
                Ok(None) => {}
                Ok(Some(verdict)) => return verdict,
                Err(message) => return Verdict::Wrong(message),
            }
        }
        let (on_failure, on_error) = match policy(&strategy, &last.message) {
            Ok(policy) => policy,
            Err(message) => return Verdict::Wrong(message),
        };
        if (last.phase == NodePhase::Failed && !on_failure) || (last.phase == NodePhase::Error && !on_error) {
            return Verdict::GiveUp(last.phase, last.message.clone());
        }
        if limit.is_some_and(|limit| count as i64 > limit) {
            return Verdict::GiveUp(last.phase, "No more retries left".to_owned());
        }
        if !strategy.expression.is_empty() {
            let mut vars = Vars::new();
            vars.set("retries", (count - 1).to_string());
            last_vars(&mut vars, Some(last), "-1");
            match condition(&strategy.expression, &vars) {
                Ok(true) => {}
                Ok(false) => {
                    return Verdict::GiveUp(
                        last.phase,
                        "retryStrategy.expression evaluated to false".to_owned(),
                    );
                }
                Err(message) => return Verdict::Wrong(message),
            }
        }
        Verdict::Again
    }

    fn wait(
        &self,
        ix: NodeIx,
        last: &Node,
        count: usize,
        backoff: &Backoff,
        limit: Option<i64>,
    ) -> Result<Option<Verdict>, String> {
        let mut give_up_at = None;
        if !backoff.max_duration.is_empty() {
            let max = parse_duration(&backoff.max_duration)?;
            let first = self.node(ix).map(|node| attempts(self.status, node)).unwrap_or_default();
            let began = first.first().and_then(|ix| self.node(*ix)).and_then(|node| node.started_at);
            give_up_at = began.and_then(|at| at.checked_add(max).ok());
            if give_up_at.is_some_and(|at| self.now > at) {
                return Ok(Some(Verdict::GiveUp(last.phase, "Max duration limit exceeded".to_owned())));
            }
        }
        let wait = backoff_after(backoff, count)?;
        let due = last.finished_at.unwrap_or(self.now).checked_add(wait).unwrap_or(Timestamp::MAX);
        if give_up_at.is_some_and(|at| due > at) {
            let message = "Backoff would exceed max duration limit".to_owned();
            return Ok(Some(Verdict::GiveUp(last.phase, message)));
        }
        let waits = limit.is_some_and(|limit| count as i64 <= limit);
        if self.now < due && waits {
            return Ok(Some(Verdict::Wait(due, format!("Backoff for {}", format_duration(wait)))));
        }
        Ok(None)
    }

    fn start_attempt(&mut self, ix: NodeIx, number: usize) {
        if let Some(limit) = self.plan.workflow.spec.parallelism
            && self.status.index.active_pods as i64 >= limit
        {
            self.status.index.blocked.insert(ix);
            return;
        }
        let Some(retry) = self.node(ix).cloned() else { return };
        if self.status.shutdown.is_some_and(|shutdown| !shutdown.allows(retry.exit_handler)) && number == 0 {
            let strategy = self.status.shutdown.map_or("", crate::Shutdown::as_str);
            self.finish(ix, NodePhase::Failed, format!("Stopped with strategy '{strategy}'"), None);
            return;
        }
        let Ok(compiled) = self.template_or_fail(ix) else { return };
        let kind = node_type(compiled.kind, false);
        let composite = matches!(kind, NodeType::Steps | NodeType::DAG | NodeType::Suspend);
        let hooked = retry.flag.unwrap_or_default().hooked;
        let attempt = self.create(NewNode {
            name: format!("{}({number})", retry.name),
            node_type: kind,
            template_name: retry.template_name.clone(),
            template_ref: retry.template_ref.clone(),
            template_scope: retry.template_scope.clone(),
            owner: Owner::Retry(ix),
            boundary: retry.boundary,
            parents: vec![ix],
            depth: retry.depth,
            phase: if composite { NodePhase::Running } else { NodePhase::Pending },
            inputs: retry.inputs.clone(),
            flag: Some(NodeFlag { hooked, retried: true }),
            exit_handler: retry.exit_handler,
            captured: retry.captured.clone(),
            tainted: retry.tainted.clone(),
            ..NewNode::default()
        });
        let rendered = leaf_vars(self.plan, self.status, &compiled, attempt)
            .and_then(|vars| render_template(&compiled, &vars, &retry.inputs));
        match rendered {
            Ok(template) => self.work(attempt, &compiled, &template),
            Err(message) => self.fail(attempt, message),
        }
    }
}

/// Attempts of a Retry node, oldest first.
pub(super) fn attempts(status: &WorkflowStatus, retry: &Node) -> Vec<NodeIx> {
    let is_attempt = |ix: &NodeIx| status.node(*ix).is_some_and(|node| node.flag.unwrap_or_default().retried);
    retry.children.iter().copied().filter(is_attempt).collect()
}

/// Adds `retries` and `lastRetry.*` of an attempt (of the next one, without one).
pub(super) fn attempt_vars(status: &WorkflowStatus, vars: &mut Vars, retry: NodeIx, attempt: Option<NodeIx>) {
    let all = status.node(retry).map(|node| attempts(status, node)).unwrap_or_default();
    let number = attempt.and_then(|ix| all.iter().position(|a| *a == ix)).unwrap_or(all.len());
    vars.set("retries", number.to_string());
    let last = number.checked_sub(1).and_then(|before| all.get(before)).and_then(|ix| status.node(*ix));
    last_vars(vars, last, "0");
}

fn last_vars(vars: &mut Vars, last: Option<&Node>, missing_code: &str) {
    let code = last.and_then(|node| node.outputs.as_ref()).and_then(|outputs| outputs.exit_code.clone());
    vars.set("lastRetry.exitCode", code.unwrap_or_else(|| missing_code.to_owned()));
    vars.set("lastRetry.status", last.map_or("", |node| node.phase.as_str()));
    let seconds = last.map_or(0.0, |node| seconds_between(node.started_at, node.finished_at));
    vars.set("lastRetry.duration", seconds.to_string());
    vars.set("lastRetry.message", last.map_or("", |node| node.message.as_str()));
}

/// `duration × factor^(attempts − 1)`, at most `cap`.
fn backoff_after(backoff: &Backoff, count: usize) -> Result<SignedDuration, String> {
    if backoff.duration.is_empty() {
        return Err("no base duration specified for retryStrategy".to_owned());
    }
    let base = parse_duration(&backoff.duration)?;
    let factor = match &backoff.factor {
        None => None,
        Some(factor) => Some(
            factor
                .as_int()
                .ok_or_else(|| format!("backoff.factor `{}` is not a number", factor.to_text()))?,
        ),
    };
    let mut wait = base;
    if let Some(factor) = factor.filter(|factor| *factor > 0) {
        for _ in 1..count {
            wait = wait.checked_mul(i32::try_from(factor).unwrap_or(i32::MAX)).unwrap_or(SignedDuration::MAX);
        }
    }
    if !backoff.cap.is_empty() {
        wait = wait.min(parse_duration(&backoff.cap)?);
    }
    Ok(wait)
}

/// Whether phases Failed and Error are retried.
fn policy(strategy: &RetryStrategy, message: &str) -> Result<(bool, bool), String> {
    let default = if strategy.expression.is_empty() { "OnFailure" } else { "Always" };
    let name = if strategy.retry_policy.is_empty() { default } else { &strategy.retry_policy };
    Ok(match name {
        "Always" => (true, true),
        "OnError" => (false, true),
        "OnFailure" => (true, false),
        "OnTransientError" => {
            let transient = is_transient(message);
            (transient, transient)
        }
        other => return Err(format!("{other} is not a valid RetryPolicy")),
    })
}

/// Messages of trouble that passes: time-outs, broken connections, quotas, a busy API.
fn is_transient(message: &str) -> bool {
    const MARKS: [&str; 12] = [
        "timeout",
        "timed out",
        "connection refused",
        "connection reset",
        "broken pipe",
        "EOF",
        "no such host",
        "TLS handshake",
        "too many requests",
        "exceeded quota",
        "object has been modified",
        "temporarily unavailable",
    ];
    let lower = message.to_lowercase();
    MARKS.iter().any(|mark| lower.contains(&mark.to_lowercase()))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use runner_workflows::spec::IntOrString;

    #[test]
    fn backoff_grows_and_is_capped() {
        let mut backoff =
            Backoff { duration: "2".into(), factor: Some(IntOrString::Int(2)), ..Backoff::default() };
        let secs = |b: &Backoff, n| backoff_after(b, n).unwrap().as_secs();
        assert_eq!([1, 2, 3].map(|n| secs(&backoff, n)), [2, 4, 8]);
        backoff.cap = "5s".into();
        assert_eq!(secs(&backoff, 3), 5);
        assert_eq!(secs(&backoff, 5000), 5);
        assert!(backoff_after(&Backoff::default(), 1).is_err());
    }

    #[test]
    fn policies() {
        let with = |policy: &str, expression: &str| RetryStrategy {
            retry_policy: policy.into(),
            expression: expression.into(),
            ..RetryStrategy::default()
        };
        assert_eq!(policy(&with("", ""), "").unwrap(), (true, false));
        assert_eq!(policy(&with("", "true"), "").unwrap(), (true, true));
        assert_eq!(policy(&with("OnError", ""), "").unwrap(), (false, true));
        assert_eq!(policy(&with("OnTransientError", ""), "i/o timeout").unwrap(), (true, true));
        assert!(policy(&with("Sometimes", ""), "").is_err());
    }
}
