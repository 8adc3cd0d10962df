//! One function for each fuzz target: what is done with an input, and what must hold whatever the input is.
//! Errors are what most inputs earn; a panic is a finding. Shared with the tests, which replay the kept inputs.

use std::sync::Arc;

use jiff::Timestamp;
use runner_machine::Plan;
use runner_workflows::effect::without_effect;
use runner_workflows::expr::depends::{self, TaskResult};
use runner_workflows::expr::when::{self, Condition};
use runner_workflows::expr::{Fuel, Program, Text, Tree, Value, Vars};
use runner_workflows::parse::{Limits, Manifest, parse_file};
use runner_workflows::resolve::{Catalog, Submission, resolve};
use runner_workflows::schedule::Schedule;
use runner_workflows::spec::CronWorkflow;
use runner_workflows::validate::{Options, validate, validate_cron_workflow};

#[path = "feed_events.rs"]
mod events;
#[path = "feed_signatures.rs"]
mod signed;

pub use events::{filters, paths, transforms, triggers};
pub use signed::signatures;

/// What is done with an input.
pub type Feed = fn(&str);

/// Every feed with its name.
pub const ALL: [(&str, Feed); 9] = [
    ("workflow", workflow),
    ("tags", tags),
    ("conditions", conditions),
    ("cron", cron),
    ("filters", filters),
    ("transforms", transforms),
    ("paths", paths),
    ("triggers", triggers),
    ("signatures", signatures),
];

/// A whole file: parse, validate, resolve, plan. What lint accepts must become a plan.
pub fn workflow(input: &str) {
    let (manifests, problems) = parse_file("fuzz.yaml", input, Limits::default());
    for problem in &problems {
        assert!(!problem.render().is_empty());
    }
    let mut catalog = Catalog::default();
    for manifest in &manifests {
        catalog.add(manifest);
    }
    for manifest in &manifests {
        let judged = validate(manifest, Options { submit: true, ..Options::default() }, &catalog);
        for problem in judged.iter().chain(&without_effect(manifest)) {
            assert!(!problem.render().is_empty());
        }
        if let Manifest::Workflow(document) = manifest
            && let Ok(resolved) = resolve(&document.object, &Submission::default(), &catalog)
        {
            let plan = Plan::new(Arc::new(resolved));
            if judged.iter().all(|problem| !problem.is_error()) {
                assert!(plan.is_ok(), "lint accepts what has no plan: {:?}", plan.err());
            }
        }
    }
}

/// A text with tags, the same text inside a JSON value, and an expression. Inserted values are never read again.
pub fn tags(input: &str) {
    let mut vars = Vars::new();
    vars.set("workflow.name", "wf");
    vars.set("inputs.parameters.message", "{{workflow.name}}");
    vars.set("inputs.parameters.list", "[1, {\"a\": \"b\"}]");
    vars.set_value("item", serde_json::json!({"a": [1, 2.5, null], "b": "{{=1+1}}"}));
    vars.set_absent("tasks.a.outputs.result");
    if let Ok(text) = Text::compile(input) {
        let _ = text.tags();
        let once = text.render(&vars, &mut Fuel::default());
        let twice = text.render(&vars, &mut Fuel::default());
        assert_eq!(once.is_ok(), twice.is_ok(), "two renderings differ");
        if let (Ok(once), Ok(twice)) = (once, twice) {
            assert_eq!(once.text, twice.text, "two renderings differ");
        }
    }
    let beside =
        Text::compile(&format!("{{{{inputs.parameters.message}}}}{}", input.replace(['{', '}'], "")));
    if let Ok(Ok(rendered)) = beside.map(|text| text.render(&vars, &mut Fuel::default())) {
        assert!(rendered.text.starts_with("{{workflow.name}}"), "an inserted value was read again");
    }
    if let Ok(tree) = Tree::compile(&serde_json::json!({"a": [input], "b": {"c": "{{item}}"}})) {
        let _ = tree.render(&vars, &mut Fuel::default());
    }
    if let Ok(program) = Program::compile(input) {
        let _ = program.eval(&vars, &mut Fuel::default());
    }
}

/// A condition in its three grammars. `depends` agrees with itself when everything in it is negated.
pub fn conditions(input: &str) {
    let _ = when::evaluate(input, &mut Fuel::default());
    let _ = when::check(input);
    if let Ok(condition) = Condition::compile(input) {
        let lookup = |name: &str| name.len().is_multiple_of(2).then(|| Value::from(name.len()));
        let _ = condition.eval(&lookup, &mut Fuel::default());
    }
    let Ok(parsed) = depends::parse(input) else { return };
    let tasks = parsed.tasks();
    assert!(!tasks.is_empty(), "a condition without a task");
    for turn in 0..4_usize {
        let has = |task: &str, result: TaskResult| (task.len() + turn + result as usize).is_multiple_of(2);
        let negated = depends::parse(&format!("!({input})"));
        if let Ok(negated) = negated {
            assert_ne!(parsed.evaluate(&has), negated.evaluate(&has), "a condition and its negation agree");
        }
    }
}

/// A schedule: a first line `zone`, then the schedule, then seconds of the epoch to count from; zone and seconds may
/// be left out. Lint and the engine agree on what is a schedule; ticks come later than what they follow, in order,
/// and none is left out between a time and the tick that is said to be the next.
pub fn cron(input: &str) {
    let lines: Vec<&str> = input.lines().collect();
    let (zone, text) = match lines.as_slice() {
        [] => ("", ""),
        [text] => ("", *text),
        [zone, text, ..] => (*zone, *text),
    };
    let seconds = lines.get(2).and_then(|line| line.trim().parse::<i64>().ok()).unwrap_or(1_700_000_000);
    let from = Timestamp::from_second(seconds.rem_euclid(4_000_000_000)).unwrap_or(Timestamp::UNIX_EPOCH);
    let parsed = Schedule::parse(text, zone);
    // The engine looks at the field only if the schedule has no zone of its own; lint always does.
    let known_zone = zone.is_empty() || Schedule::parse("@daily", zone).is_ok();
    agrees(text, zone, parsed.is_ok() && known_zone);
    let Ok(schedule) = parsed else { return };
    assert!(!schedule.zone_name().is_empty() && schedule.zone().iana_name().is_some());
    let mut after = from;
    for _ in 0..4 {
        let Some(next) = schedule.next_after(after, from) else { return };
        assert!(next > after, "{next} is not after {after}");
        let middle = Timestamp::from_second(after.as_second() + (next.as_second() - after.as_second()) / 2);
        if let Ok(middle) = middle
            && middle > after
            && middle < next
        {
            assert_eq!(
                schedule.next_after(middle, from),
                Some(next),
                "asked from {middle}, between two ticks"
            );
        }
        after = next;
    }
}

/// Lint and the engine have the same opinion about a schedule and its zone.
fn agrees(text: &str, zone: &str, accepted: bool) {
    let mut cron = CronWorkflow::default();
    cron.metadata.name = "fuzz".to_owned();
    cron.spec.timezone = zone.to_owned();
    cron.spec.schedules = vec![text.to_owned()];
    let judged = validate_cron_workflow(&cron, None, Options::default(), &Catalog::default());
    let refused =
        judged.iter().any(|p| p.is_error() && matches!(p.code.as_ref(), "cron-schedule" | "cron-timezone"));
    assert_eq!(accepted, !refused, "lint and the engine differ about `{text}` in zone `{zone}`: {judged:?}");
}
