//! Policies of a template: retries, memoization, locks, suspension, sequences.
//! Does not apply them.

use super::checker::Checker;
use super::report::Place;
use super::tags;
use crate::resolve::has_tag;
use crate::spec::{IntOrString, Memoize, RetryStrategy, Sequence, Synchronization, Template, TemplateKind};

const POLICIES: [&str; 5] = ["", "Always", "OnFailure", "OnError", "OnTransientError"];

impl Checker<'_> {
    /// Checks the policies of a template.
    pub(super) fn policies(&mut self, template: &Template, kind: TemplateKind, place: &Place) {
        if let Some(retry) = &template.retry_strategy {
            self.retry(retry, &place.field("retryStrategy").named(".retryStrategy"));
        }
        if let Some(memoize) = &template.memoize {
            self.memoize(memoize, &place.field("memoize").named(".memoize"));
        }
        if let Some(locks) = &template.synchronization {
            self.locks(locks, &place.field("synchronization").named(".synchronization"));
        }
        let duration = template.suspend.as_ref().and_then(|suspend| suspend.duration.as_ref());
        if let Some(duration) = duration.filter(|d| !is_duration(d.as_str())) {
            let text = format!(".suspend.duration '{duration}' is not a duration");
            self.reporter.error_hint(&place.field("suspend/duration"), "duration", text, DURATION_HINT);
        }
        if kind == TemplateKind::Steps || kind == TemplateKind::Dag {
            self.sequences(template, place);
        }
    }

    /// Checks a retry strategy.
    pub(super) fn retry(&mut self, retry: &RetryStrategy, at: &Place) {
        if !POLICIES.contains(&retry.retry_policy.as_str()) && !is_late(&retry.retry_policy) {
            let text = format!(": {} is not a valid RetryPolicy", retry.retry_policy);
            let hint = "choose one of: Always, OnFailure, OnError, OnTransientError";
            self.reporter.error_hint(&at.field("retryPolicy"), "retry-policy", text, hint);
        }
        if let Some(limit) = &retry.limit
            && !is_whole(limit)
        {
            let text = format!(".limit '{}' must be a whole number or a variable", limit.to_text());
            self.reporter.error(&at.field("limit"), "retry-limit", text);
        }
        let Some(backoff) = &retry.backoff else { return };
        for (field, value) in
            [("duration", &backoff.duration), ("maxDuration", &backoff.max_duration), ("cap", &backoff.cap)]
        {
            if !value.is_empty() && !is_duration(value) {
                let text = format!(".backoff.{field} '{value}' is not a duration");
                self.reporter.error_hint(
                    &at.field(&format!("backoff/{field}")),
                    "duration",
                    text,
                    DURATION_HINT,
                );
            }
        }
        if let Some(factor) = &backoff.factor
            && !is_whole(factor)
        {
            let text = format!(".backoff.factor '{}' must be a whole number or a variable", factor.to_text());
            self.reporter.error(&at.field("backoff/factor"), "retry-factor", text);
        }
    }

    fn memoize(&mut self, memoize: &Memoize, at: &Place) {
        let key = &memoize.key;
        let fits = key.starts_with(|c: char| c.is_ascii_alphanumeric())
            && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        if !is_late(key) && !fits {
            let text =
                format!(".key '{key}' must be letters, digits and '-', and start with a letter or digit");
            self.reporter.error(&at.field("key"), "memoize-key", text);
        }
        if !memoize.max_age.is_empty() && !is_duration(&memoize.max_age) {
            let text = format!(".maxAge '{}' is not a duration", memoize.max_age);
            self.reporter.error_hint(&at.field("maxAge"), "duration", text, DURATION_HINT);
        }
    }

    /// Checks locks: each names something to lock.
    pub(super) fn locks(&mut self, locks: &Synchronization, at: &Place) {
        if locks.mutexes.iter().chain(&locks.mutex).any(|mutex| mutex.name.is_empty()) {
            self.reporter.error(at, "lock", ": a mutex needs a name");
        }
        for (old, new, used) in [
            ("mutex", "mutexes", locks.mutex.is_some()),
            ("semaphore", "semaphores", locks.semaphore.is_some()),
        ] {
            if used {
                let text = format!(".{old} was removed in Argo v4 and is read as `{new}`");
                self.reporter.note(&at.field(old), "legacy-spelling", text);
            }
        }
        for semaphore in locks.semaphores.iter().chain(&locks.semaphore) {
            if semaphore.config_map_key_ref.is_none() && semaphore.database.is_none() {
                self.reporter.error(at, "lock", ": a semaphore needs configMapKeyRef or database");
            }
        }
    }

    fn sequences(&mut self, template: &Template, place: &Place) {
        let steps = template.steps.iter().flatten().enumerate().flat_map(|(group, steps)| {
            let at = move |index| format!("steps/{group}/{index}/withSequence");
            steps
                .iter()
                .enumerate()
                .map(move |(index, step)| (at(index), step.name.as_str(), step.with_sequence.as_ref()))
        });
        let tasks = template.dag.iter().flat_map(|dag| &dag.tasks).enumerate();
        let tasks = tasks.map(|(i, task)| {
            (format!("dag/tasks/{i}/withSequence"), task.name.as_str(), task.with_sequence.as_ref())
        });
        let all: Vec<(String, &str, &Sequence)> =
            steps.chain(tasks).filter_map(|(at, name, sequence)| Some((at, name, sequence?))).collect();
        for (at, name, sequence) in all {
            let at = place.field(&at);
            for (field, value) in
                [("count", &sequence.count), ("start", &sequence.start), ("end", &sequence.end)]
            {
                if let Some(value) = value.as_ref().filter(|value| !is_whole(value)) {
                    let text = format!(
                        "{name}: withSequence.{field} '{}' must be a whole number or a variable",
                        value.to_text()
                    );
                    self.reporter.error(&at.field(field), "sequence", text);
                }
            }
            if sequence.count.is_none() && sequence.end.is_none() {
                self.reporter.warning(&at, "sequence", format!("{name}: withSequence needs count or end"));
            }
        }
    }
}

const DURATION_HINT: &str = "write seconds (90) or a duration with units (1m30s)";

/// True for text whose value is known at run time only.
pub(super) fn is_late(text: &str) -> bool {
    has_tag(text) || tags::has_placeholder(text)
}

fn is_whole(value: &IntOrString) -> bool {
    match value {
        IntOrString::Int(_) => true,
        IntOrString::Text(text) => is_late(text) || text.trim().parse::<i64>().is_ok(),
    }
}

/// Seconds, or Go's duration syntax (days allowed as Argo does), or something known at run time only.
pub(super) fn is_duration(text: &str) -> bool {
    if is_late(text) || text.parse::<f64>().is_ok_and(f64::is_finite) {
        return true;
    }
    let mut rest = text.trim().trim_start_matches(['-', '+']);
    while !rest.is_empty() {
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (digits, after) = rest.split_at(number);
        let unit = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit);
        let known = matches!(unit, "ns" | "us" | "µs" | "μs" | "ms" | "s" | "m" | "h" | "d");
        if !known || digits.parse::<f64>().is_err() {
            return false;
        }
        rest = after;
    }
    !text.trim().is_empty()
}

#[cfg(test)]
mod tests {
    use super::is_duration;

    #[test]
    fn durations_are_seconds_or_go_durations() {
        for good in ["10", "1m30s", "1h", "300ms", "2d", "0.5s", "1.5h", "{{workflow.parameters.t}}"] {
            assert!(is_duration(good), "{good}");
        }
        for bad in ["", "abc", "10x", "s", "1m30", "1 m"] {
            assert!(!is_duration(bad), "{bad}");
        }
    }
}
