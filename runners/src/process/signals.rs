//! Which attempts have something to say while they run: progress, daemons that become ready, steps that are paused.
//! Says nothing itself: the supervisor does.

use runner_workflows::spec::Template;
use runner_workflows::spec::k8s::EnvVar;

use crate::job::{Daemon, PROGRESS_VARIABLE, Pause};
use crate::typed;

/// Whether the engine has to listen to an attempt.
pub(super) fn expected(template: &Template) -> bool {
    template.daemon == Some(true) || progress(template) || pauses(template)
}

/// Whether a step may report progress: those that name the variable, and plugins. Looking costs the others nothing.
pub(super) fn progress(template: &Template) -> bool {
    let container = template.container.iter().flat_map(|c| c.command.iter().chain(&c.args));
    let script = template.script.iter().map(|script| &script.source);
    let set = template.container_set.iter().flat_map(|set| &set.containers);
    let set = set.flat_map(|c| c.command.iter().chain(&c.args));
    container.chain(script).chain(set).any(|text| text.contains(PROGRESS_VARIABLE))
        || typed::kind(template) == Some("plugin")
}

/// Whether a step may be held for somebody who looks at it.
pub(super) fn pauses(template: &Template) -> bool {
    let container = template.container.iter().flat_map(|c| &c.env);
    let script = template.script.iter().flat_map(|script| &script.env);
    let set = template.container_set.iter().flat_map(|set| &set.containers).flat_map(|c| &c.env);
    let asks = |env: &EnvVar, at: Pause| env.name == at.variable() && env.value.as_deref() == Some("true");
    container.chain(script).chain(set).any(|env| asks(env, Pause::Before) || asks(env, Pause::After))
}

/// The daemon part of a job.
pub(crate) fn daemon(template: &runner_workflows::spec::Template) -> Option<Daemon> {
    if template.daemon != Some(true) {
        return None;
    }
    let probe = template.container.as_ref().and_then(|container| container.readiness_probe.as_ref());
    let probe = probe.or_else(|| template.script.as_ref()?.readiness_probe.as_ref());
    Some(Daemon { probe: probe.and_then(|probe| serde_json::to_value(probe).ok()) })
}
