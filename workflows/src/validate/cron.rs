//! Cron schedules: their syntax (five fields, month and day names, `@every` and friends).
//! Does not compute when a schedule is due.

use super::checker::Checker;
use super::report::Place;
use crate::spec::CronWorkflowSpec;

impl Checker<'_> {
    /// Checks the schedules and policies of a CronWorkflow.
    pub(super) fn cron(&mut self, spec: &CronWorkflowSpec) {
        let place = Place::new("/spec", "");
        if spec.schedules.is_empty() && spec.schedule.is_empty() {
            self.reporter.error(&place, "cron-schedule", "cron workflow must have at least one schedule");
        }
        let legacy = (!spec.schedule.is_empty()).then(|| (place.field("schedule"), spec.schedule.as_str()));
        let many = spec.schedules.iter().enumerate();
        let many = many.map(|(index, text)| (place.field(&format!("schedules/{index}")), text.as_str()));
        if let Some((at, _)) = &legacy {
            self.reporter.note(
                at,
                "legacy-spelling",
                "schedule was removed in Argo v4 and is read as `schedules`",
            );
        }
        for (at, schedule) in legacy.into_iter().chain(many) {
            if let Some(why) = broken(schedule) {
                let text = format!("cron schedule {schedule} is malformed: {why}");
                self.reporter.error(&at, "cron-schedule", text);
            }
        }
        if !spec.timezone.is_empty() && jiff::tz::TimeZone::get(&spec.timezone).is_err() {
            let text = format!("invalid timezone \"{}\"", spec.timezone);
            let hint = "use a name of the IANA data base, e.g. Europe/Berlin";
            self.reporter.error_hint(&place.field("timezone"), "cron-timezone", text, hint);
        }
        if !matches!(spec.concurrency_policy.as_str(), "" | "Allow" | "Forbid" | "Replace") {
            let text = format!("'{}' is not a valid concurrencyPolicy", spec.concurrency_policy);
            self.reporter.error_hint(
                &place.field("concurrencyPolicy"),
                "cron-policy",
                text,
                "Allow, Forbid or Replace",
            );
        }
        if spec.starting_deadline_seconds.is_some_and(|seconds| seconds < 0) {
            let at = place.field("startingDeadlineSeconds");
            self.reporter.error(&at, "cron-deadline", "startingDeadlineSeconds must be positive");
        }
    }
}

/// Why a text is no schedule.
fn broken(schedule: &str) -> Option<String> {
    let text = schedule.trim();
    let text = match text.strip_prefix("TZ=").or_else(|| text.strip_prefix("CRON_TZ=")) {
        Some(rest) => rest.split_once(' ').map_or("", |(_, rest)| rest.trim()),
        None => text,
    };
    if let Some(name) = text.strip_prefix('@') {
        return broken_descriptor(name);
    }
    let fields: Vec<&str> = text.split_whitespace().collect();
    if fields.len() != 5 {
        return Some(format!("expected exactly 5 fields, found {}", fields.len()));
    }
    const RULES: [(&str, u32, u32, &[&str]); 5] = [
        ("minute", 0, 59, &[]),
        ("hour", 0, 23, &[]),
        ("day of month", 1, 31, &[]),
        (
            "month",
            1,
            12,
            &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
        ),
        ("day of week", 0, 6, &["sun", "mon", "tue", "wed", "thu", "fri", "sat"]),
    ];
    fields.iter().zip(RULES).find_map(|(field, (name, low, high, names))| {
        let bad = field.split(',').find(|part| !is_part(part, low, high, names))?;
        Some(format!("`{bad}` is not a {name} ({low}-{high})"))
    })
}

fn broken_descriptor(name: &str) -> Option<String> {
    const KNOWN: [&str; 7] = ["yearly", "annually", "monthly", "weekly", "daily", "midnight", "hourly"];
    if let Some(every) = name.strip_prefix("every ") {
        let plain = every.trim().parse::<f64>().is_ok();
        return (plain || !super::policies::is_duration(every.trim()))
            .then(|| format!("`{every}` is not a duration"));
    }
    (!KNOWN.contains(&name)).then(|| format!("unknown descriptor `@{name}`"))
}

/// `*`, `?`, `n`, `a-b`, each with `/step`.
fn is_part(part: &str, low: u32, high: u32, names: &[&str]) -> bool {
    let (range, step) = match part.split_once('/') {
        Some((range, step)) => (range, Some(step)),
        None => (part, None),
    };
    if step.is_some_and(|step| !step.parse::<u32>().is_ok_and(|n| n > 0)) {
        return false;
    }
    if matches!(range, "*" | "?") {
        return true;
    }
    let value = |text: &str| {
        let lower = text.to_ascii_lowercase();
        let named = names.iter().position(|name| *name == lower).and_then(|at| u32::try_from(at).ok());
        let number = text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten();
        named.map(|at| at + low).or(number).filter(|n| (low..=high).contains(n))
    };
    match range.split_once('-') {
        Some((from, to)) => value(from).zip(value(to)).is_some_and(|(from, to)| from <= to),
        None => value(range).is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::broken;

    #[test]
    fn schedules_are_judged_by_their_syntax() {
        let good = [
            "* * * * *",
            "*/5 0-6 1,15 JAN-MAR mon",
            "0 0 ? * SUN",
            "@daily",
            "@every 1h30m",
            "CRON_TZ=UTC 0 1 * * *",
        ];
        for schedule in good {
            assert_eq!(broken(schedule), None, "{schedule}");
        }
        for schedule in [
            "",
            "* * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * * * 7",
            "5-1 * * * *",
            "*/0 * * * *",
            "@nightly",
            "@every soon",
            "a * * * *",
            "* * * * * *",
        ] {
            assert!(broken(schedule).is_some(), "{schedule}");
        }
    }
}
