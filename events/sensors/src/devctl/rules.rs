//! Whether a configuration makes sense: sources, conditions, templates, schedules.
//! Does not look for the files of workflows.

use std::collections::BTreeSet;

use regex::Regex;
use runner_workflows::diagnostic::Diagnostic;
use runner_workflows::expr::Value;
use runner_workflows::parse::tree::Segment;
use runner_workflows::parse::{Document, suggest};

use super::config::{Config, Trigger};
use super::normalize::SOURCES;
use super::templates;
use crate::schedule::Schedule;

struct Report<'a> {
    document: &'a Document<Config>,
    out: Vec<Diagnostic>,
}

impl Report<'_> {
    fn push(&mut self, path: &[&str], diagnostic: Diagnostic) {
        let segment = |part: &&str| match part.parse() {
            Ok(index) => Segment::Index(index),
            Err(_) => Segment::Key((*part).to_owned()),
        };
        let path: Vec<Segment> = path.iter().map(segment).collect();
        self.out.push(diagnostic.at(Some(self.document.origin.span(&path))));
    }

    fn error(&mut self, path: &[&str], code: &'static str, message: impl Into<String>) {
        self.push(path, Diagnostic::error(code, message));
    }
}

/// Everything that is wrong or worth knowing.
#[must_use]
pub fn check(document: &Document<Config>) -> Vec<Diagnostic> {
    let mut report = Report { document, out: Vec::new() };
    let config = &document.object;
    if !matches!(config.store.r#type.as_str(), "sqlite" | "postgresql") {
        let text = format!("`{}` is not a store: it is sqlite or postgresql", config.store.r#type);
        report.error(&["store", "type"], "store", text);
    }
    let cloudwatch = &config.sources.cloudwatch;
    if cloudwatch.enabled && cloudwatch.sns_topic_arn.is_empty() {
        let text = "cloudwatch needs `sns_topic_arn`: without it anybody's topic would be believed";
        report.error(&["sources", "cloudwatch"], "unverified", text);
    }
    let github = &config.sources.github;
    if github.enabled && github.webhook_secret.is_empty() {
        let text = "github needs `webhook_secret`, e.g. from_env: an empty secret verifies nothing (V22)";
        report.error(&["sources", "github"], "unverified", text);
    }
    let mut names = BTreeSet::new();
    for (i, trigger) in config.triggers.iter().enumerate() {
        let at = i.to_string();
        one(&mut report, &at, trigger);
        if !trigger.name.is_empty() && !names.insert(trigger.name.as_str()) {
            let text = format!("there are two triggers `{}`", trigger.name);
            report.error(&["triggers", &at, "name"], "duplicate-trigger", text);
        }
        if !enabled(config, &trigger.source) {
            let text =
                format!("the source `{}` is not enabled: `{}` never matches", trigger.source, trigger.name);
            report.push(&["triggers", &at, "source"], Diagnostic::warning("source-disabled", text));
        }
    }
    report.out
}

fn enabled(config: &Config, source: &str) -> bool {
    match source {
        "cloudwatch" => config.sources.cloudwatch.enabled,
        "grafana" => config.sources.grafana.enabled,
        "github" => config.sources.github.enabled,
        "pagerduty" => config.sources.pagerduty.enabled,
        "scheduler" => config.sources.scheduler.enabled,
        // reported as unknown
        _ => true,
    }
}

fn one(report: &mut Report<'_>, at: &str, trigger: &Trigger) {
    for (field, value) in
        [("name", &trigger.name), ("source", &trigger.source), ("workflow", &trigger.workflow)]
    {
        if value.is_empty() {
            report.error(&["triggers", at], "field-missing", format!("`{field}` is required"));
        }
    }
    let known = SOURCES.into_iter().chain(["scheduler"]);
    if !trigger.source.is_empty() && !known.clone().any(|source| source == trigger.source) {
        let mut problem =
            Diagnostic::error("unknown-source", format!("there is no source `{}`", trigger.source));
        problem = match suggest::nearest(&trigger.source, known.clone()) {
            Some(near) => problem.hint(format!("did you mean `{near}`?")),
            None => problem.hint(format!("it is one of {}", known.collect::<Vec<_>>().join(", "))),
        };
        report.push(&["triggers", at, "source"], problem);
    }
    match (trigger.source == "scheduler", trigger.schedule.is_empty()) {
        (true, true) => {
            report.error(&["triggers", at], "field-missing", "a trigger of the scheduler needs `schedule`")
        }
        (false, false) => {
            let text = "`schedule` has no effect: it belongs to the source scheduler";
            report.push(&["triggers", at, "schedule"], Diagnostic::warning("no-effect", text));
        }
        (true, false) => {
            if let Err(error) = Schedule::parse(&trigger.schedule, "") {
                report.error(&["triggers", at, "schedule"], "schedule", error.to_string());
            }
        }
        (false, true) => {}
    }
    for (name, template) in &trigger.variables {
        if let Err(why) = templates::check(template.as_str()) {
            report.error(&["triggers", at, "variables", name], "template", why);
        }
    }
    for (key, value) in &trigger.conditions {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let result = if key == "expression" {
            templates::check(&text)
        } else if key.ends_with("_pattern") {
            match value {
                Value::String(_) => Regex::new(&text).map(|_| ()).map_err(|error| error.to_string()),
                _ => Err("a pattern is a text".to_owned()),
            }
        } else {
            Ok(())
        };
        if let Err(why) = result {
            report.error(&["triggers", at, "conditions", key], "condition", why);
        }
    }
}
