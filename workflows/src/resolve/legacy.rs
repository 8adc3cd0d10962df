//! Rewrites the v3 spellings that v4 removed into the v4 ones.
//! Does not report them: `validate` notes legacy spellings.

use crate::spec::{CronWorkflowSpec, Synchronization, Template, WorkflowSpec};

/// Rewrites a spec and all its templates, inline ones included.
pub fn normalize_spec(spec: &mut WorkflowSpec) {
    if let Some(sync) = &mut spec.synchronization {
        normalize_synchronization(sync);
    }
    if let Some(defaults) = &mut spec.template_defaults {
        normalize_template(defaults);
    }
    spec.templates.iter_mut().for_each(normalize_template);
}

/// Rewrites a template and the inline templates in it.
pub fn normalize_template(template: &mut Template) {
    if let Some(sync) = &mut template.synchronization {
        normalize_synchronization(sync);
    }
    let steps = template.steps.iter_mut().flatten().flatten().filter_map(|step| step.inline.as_deref_mut());
    steps.for_each(normalize_template);
    let tasks =
        template.dag.iter_mut().flat_map(|dag| &mut dag.tasks).filter_map(|task| task.inline.as_deref_mut());
    tasks.for_each(normalize_template);
}

/// Rewrites a cron spec and the workflow spec in it.
pub fn normalize_cron(spec: &mut CronWorkflowSpec) {
    let schedule = std::mem::take(&mut spec.schedule);
    if !schedule.is_empty() && !spec.schedules.contains(&schedule) {
        spec.schedules.insert(0, schedule);
    }
    if let Some(stop) = &mut spec.stop_strategy
        && let Some(condition) = stop.condition.take()
        && stop.expression.is_empty()
    {
        stop.expression = condition.0;
    }
    normalize_spec(&mut spec.workflow_spec);
}

/// The single lock goes behind the list, as `runner convert` writes it.
fn normalize_synchronization(sync: &mut Synchronization) {
    if let Some(mutex) = sync.mutex.take() {
        sync.mutexes.push(mutex);
    }
    if let Some(semaphore) = sync.semaphore.take() {
        sync.semaphores.push(semaphore);
    }
}
