//! CronWorkflows: schedules, their time zone and the policies.
//! Knows no grammar of schedules: `schedule` has the only one, which the engine uses too.

use super::checker::Checker;
use super::report::Place;
use crate::schedule::Schedule;
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
        if spec.stop_strategy.as_ref().is_some_and(|stop| stop.condition.is_some()) {
            let text = "stopStrategy.condition was removed in Argo v4 and is read as `expression`";
            self.reporter.note(&place.field("stopStrategy/condition"), "legacy-spelling", text);
        }
        for (at, schedule) in legacy.into_iter().chain(many) {
            if let Err(why) = Schedule::parse(schedule, "") {
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

#[cfg(test)]
mod tests {
    use crate::resolve::Catalog;
    use crate::spec::{CronWorkflow, StopStrategy};
    use crate::validate::{Options, validate_cron_workflow};

    /// Codes of the errors about the schedule.
    fn refused(schedule: &str) -> Vec<String> {
        let mut cron = CronWorkflow::default();
        cron.spec.schedules = vec![schedule.to_owned()];
        let judged = validate_cron_workflow(&cron, None, Options::default(), &Catalog::default());
        let codes =
            judged.iter().filter(|problem| problem.is_error()).map(|problem| problem.code.to_string());
        codes.filter(|code| code.starts_with("cron-")).collect()
    }

    #[test]
    fn spellings_of_argo_v3_are_noted() {
        let mut cron = CronWorkflow::default();
        cron.spec.schedule = "@daily".to_owned();
        cron.spec.stop_strategy =
            Some(StopStrategy { condition: Some("failed >= 1".into()), ..StopStrategy::default() });
        let judged = validate_cron_workflow(&cron, None, Options::default(), &Catalog::default());
        let notes =
            judged.iter().filter(|note| note.code == "legacy-spelling").map(|note| note.message.to_string());
        let notes: Vec<String> = notes.collect();
        assert_eq!(notes.len(), 2, "{notes:?}");
        assert!(
            notes[1].contains("stopStrategy.condition") && notes[1].contains("`expression`"),
            "{notes:?}"
        );
    }

    #[test]
    fn schedules_are_judged_by_their_syntax() {
        let good = [
            "* * * * *",
            "*/5 0-6 1,15 JAN-MAR mon",
            "0 0 ? * SUN",
            "@daily",
            "@every 1h30m",
            "CRON_TZ=UTC 0 1 * * *",
            "TZ=Asia/Kathmandu @hourly",
        ];
        for schedule in good {
            assert_eq!(refused(schedule), Vec::<String>::new(), "{schedule}");
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
            "CRON_TZ=Mars/Olympus 0 1 * * *",
            "TZ=UTC",
            "@every 5",
            "@every -1h",
        ] {
            assert_eq!(refused(schedule), ["cron-schedule"], "{schedule}");
        }
    }
}
