//! Whether a task of a preview runs: conditions, and what `depends` can come to.
//! Takes what runs as succeeding; what happens only after a failure is a `Perhaps`.

use runner_workflows::expr::depends::{Depends, TaskResult};
use runner_workflows::expr::{Fuel, Text, when};

use super::Fate;
use super::scope::{Scope, foreseen};
use crate::plan::{Dag, Task};

/// How a task before came out, as far as `depends` asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Prospect {
    /// It may be skipped.
    pub(super) skipped: bool,
    /// It may run.
    pub(super) runs: bool,
    /// It is left out.
    pub(super) omitted: bool,
    /// It has several children.
    pub(super) is_loop: bool,
    /// It goes on in the background.
    pub(super) daemon: bool,
}

/// One way in which a task may come out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Succeeded,
    Failed,
    Errored,
    Skipped,
    Omitted,
}

/// Most combinations of ways that are tried; beyond, the answer is `Perhaps`.
const MAX_WAYS: usize = 4_096;

impl Prospect {
    pub(super) fn of(fate: &Fate, is_loop: bool, daemon: bool) -> Self {
        let (runs, skipped, omitted) = match fate {
            Fate::Runs => (true, false, false),
            Fate::Perhaps { .. } => (true, true, false),
            Fate::Skipped { .. } => (false, true, false),
            Fate::Omitted { .. } => (false, false, true),
        };
        Self { skipped, runs, omitted, is_loop, daemon }
    }

    fn ways(self, failures: bool) -> Vec<Way> {
        let mut ways = Vec::new();
        if self.runs {
            ways.push(Way::Succeeded);
        }
        if self.runs && failures {
            ways.extend([Way::Failed, Way::Errored]);
        }
        if self.skipped {
            ways.push(Way::Skipped);
        }
        if self.omitted {
            ways.push(Way::Omitted);
        }
        ways
    }

    fn has(self, way: Way, result: TaskResult) -> bool {
        match (way, result) {
            (Way::Succeeded, TaskResult::Succeeded)
            | (Way::Failed, TaskResult::Failed)
            | (Way::Errored, TaskResult::Errored)
            | (Way::Skipped, TaskResult::Skipped)
            | (Way::Omitted, TaskResult::Omitted) => true,
            (Way::Succeeded, TaskResult::AnySucceeded) | (Way::Failed, TaskResult::AllFailed) => self.is_loop,
            (Way::Succeeded, TaskResult::Daemoned) => self.daemon,
            (Way::Succeeded | Way::Failed | Way::Errored | Way::Skipped | Way::Omitted, _) => false,
        }
    }
}

/// What the `depends` of a task comes to, given the prospects of the tasks before it.
pub(super) fn of_task(dag: &Dag, task: &Task, written: &str, before: &[Prospect]) -> Fate {
    let Some(depends) = &task.depends else { return Fate::Runs };
    let of = |failures: bool| outcomes(dag, task, depends, before, failures);
    let perhaps = || Fate::Perhaps { when: format!("depends: {written}") };
    match of(false) {
        Some((true, false)) => Fate::Runs,
        Some((true, true)) | None => perhaps(),
        Some((false, _)) => match of(true) {
            Some((false, _)) => Fate::Omitted { reason: format!("depends: {written}") },
            Some((true, _)) | None => perhaps(),
        },
    }
}

/// Whether it can be met, and whether it can fail to be; none when there are too many combinations.
fn outcomes(
    dag: &Dag,
    task: &Task,
    depends: &Depends,
    before: &[Prospect],
    failures: bool,
) -> Option<(bool, bool)> {
    let prospect = |dep: usize| before.get(dep).copied().unwrap_or_default();
    let ways: Vec<Vec<Way>> = task.deps.iter().map(|dep| prospect(*dep).ways(failures)).collect();
    let total = ways.iter().try_fold(1_usize, |total, ways| total.checked_mul(ways.len().max(1)))?;
    if total > MAX_WAYS {
        return None;
    }
    let (mut met, mut unmet) = (false, false);
    for number in 0..total {
        let mut rest = number;
        let chosen: Vec<Option<Way>> = ways
            .iter()
            .map(|ways| {
                let way = ways.get(rest % ways.len().max(1)).copied();
                rest /= ways.len().max(1);
                way
            })
            .collect();
        let has = |name: &str, result: TaskResult| {
            let dep = dag.by_name.get(name);
            let at = dep.and_then(|dep| task.deps.iter().position(|other| other == dep));
            let way = at.and_then(|at| chosen.get(at).copied().flatten());
            way.zip(dep).is_some_and(|(way, dep)| prospect(*dep).has(way, result))
        };
        if depends.evaluate(&has) {
            met = true;
        } else {
            unmet = true;
        }
    }
    Some((met, unmet))
}

/// What the condition of a call comes to; none when only its items can tell.
///
/// # Errors
/// It is no condition.
pub(super) fn of_when(text: Option<&Text>, scope: &Scope, items_come: bool) -> Result<Option<Fate>, String> {
    let Some(text) = text else { return Ok(Some(Fate::Runs)) };
    let found = foreseen(text, &scope.vars, &scope.runtime);
    if items_come && found.runtime.iter().any(|name| name == "item" || name.starts_with("item.")) {
        return Ok(None);
    }
    if !found.is_known() {
        return Ok(Some(Fate::Perhaps { when: format!("when {}", found.text) }));
    }
    match when::evaluate(&found.text, &mut Fuel::default()) {
        Ok(true) => Ok(Some(Fate::Runs)),
        Ok(false) => Ok(Some(Fate::Skipped { reason: format!("when {} is false", found.text) })),
        Err(_) if items_come => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}
