//! Triggers of a configuration file in the style of `devctl events`: deliveries of `POST /webhooks/SOURCE` and ticks of
//! `source: scheduler` start the file's workflows. A workflow is submitted under trigger and event before the event is
//! settled: taken again after a crash, it is the same workflow.
//! Judges nothing: `runner_sensors::devctl` does.

use std::collections::BTreeMap;

use runner_sensors::devctl::{Config, DevctlEvent, Trigger, normalize, render, route};
use runner_sensors::filter::Verdict as Judged;
use runner_sensors::machine::{Gate, Judgement, child_name};
use runner_workflows::spec::{Parameter, Workflow};

use crate::bus::{Event, Note, Outcome, TriggerVerdict, Verdict};
use crate::ingress::endpoint::Sns;
use crate::ingress::identity::sha256;
use crate::ingress::verify::{Scheme, Secret, Secrets, TOLERANCE_S};
use crate::ingress::webhooks::{Hook, KIND};
use crate::triggers::{Failed, Hands};

/// Name of the source of clocks.
pub const SCHEDULER: &str = "scheduler";
/// How the file is called in verdicts.
const FILE: &str = "devctl";

/// A file and the workflows that it names.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The file.
    pub config: Config,
    /// Namespace of its workflows.
    pub namespace: String,
    /// The workflows, by the name of their file.
    pub workflows: BTreeMap<String, Workflow>,
}

/// What came of an event.
#[derive(Debug, Default)]
pub struct Judgements {
    /// To be noted with it.
    pub notes: Vec<Note>,
    /// It has to be taken again: a workflow could not be submitted just now.
    pub again: bool,
}

impl Rules {
    /// The sources that are enabled. `secret` reads an environment variable.
    ///
    /// # Errors
    /// A sentence for people: a secret that is named and not there (V21).
    pub fn hooks(&self, secret: &dyn Fn(&str) -> Option<String>) -> Result<Vec<Hook>, String> {
        let sources = &self.config.sources;
        let dedup = &self.config.deduplication;
        let window_s = if dedup.enabled { i64::from(dedup.window_seconds) } else { 0 };
        let hook = |source: &str, scheme: Scheme, sns: Option<Sns>| Hook {
            source: source.to_owned(),
            namespace: self.namespace.clone(),
            scheme,
            sns,
            window_s,
            closed: None,
        };
        let mut out = Vec::new();
        if sources.cloudwatch.enabled {
            let topic = &sources.cloudwatch.sns_topic_arn;
            let sns = Sns { topic_arn: (!topic.is_empty()).then(|| topic.clone()), signed: true };
            out.push(hook("cloudwatch", Scheme::Open, Some(sns)));
        }
        if sources.grafana.enabled {
            let scheme = match secret("DEVCTL_GRAFANA_WEBHOOK_SECRET").filter(|text| !text.is_empty()) {
                None => Scheme::Open,
                Some(text) => Scheme::Grafana {
                    secrets: secrets(&text, "grafana")?,
                    header: "X-Grafana-Alerting-Signature".to_owned(),
                    timestamp_header: None,
                    tolerance_s: TOLERANCE_S,
                },
            };
            out.push(hook("grafana", scheme, None));
        }
        if sources.github.enabled {
            let found = named(&sources.github.webhook_secret, "DEVCTL_GITHUB_WEBHOOK_SECRET", secret)?;
            let scheme = found.map_or(Ok(Scheme::Open), |text| secrets(&text, "github").map(Scheme::Hub))?;
            out.push(hook("github", scheme, None));
        }
        if sources.pagerduty.enabled {
            let found = named(&sources.pagerduty.webhook_secret, "DEVCTL_PAGERDUTY_WEBHOOK_SECRET", secret)?;
            let scheme =
                found.map_or(Ok(Scheme::Open), |text| secrets(&text, "pagerduty").map(Scheme::PagerDuty))?;
            out.push(hook("pagerduty", scheme, None));
        }
        Ok(out)
    }

    /// Triggers that a clock fires.
    pub fn scheduled(&self) -> impl Iterator<Item = &Trigger> {
        let on = self.config.sources.scheduler.enabled;
        self.config.triggers.iter().filter(move |trigger| on && trigger.source == SCHEDULER)
    }

    /// Judges an event, and submits the workflows of the triggers that match.
    pub(crate) async fn judge(&self, hands: &Hands, event: &Event, gate: Gate) -> Judgements {
        let mut out = Judgements::default();
        let Some((seen, judged)) = self.routed(event, &mut out) else { return out };
        let fires = |verdict: &Judged| TriggerVerdict {
            trigger: String::new(),
            fires: verdict.passed,
            why: match (verdict.passed, gate) {
                (true, Gate::Open) => "its conditions hold".to_owned(),
                (true, Gate::Closed) => {
                    "it would fire, but nothing is executed: [fuses] cicd = false".to_owned()
                }
                (false, _) => reason(verdict),
            },
        };
        let triggers = judged
            .iter()
            .map(|(trigger, verdict)| TriggerVerdict { trigger: trigger.name.clone(), ..fires(verdict) });
        let dependencies = judged.iter().map(|(trigger, verdict)| Judgement {
            dependency: trigger.name.clone(),
            verdict: verdict.clone(),
        });
        out.notes.push(Note::Judged(Verdict {
            sensor: FILE.to_owned(),
            triggers: triggers.collect(),
            dependencies: dependencies.filter_map(|one| serde_json::to_value(one).ok()).collect(),
            problem: None,
        }));
        if gate == Gate::Closed {
            return out;
        }
        for (trigger, _) in judged.iter().filter(|(_, verdict)| verdict.passed) {
            let key = sha256(format!("devctl\n{}\n{}", trigger.name, event.id).as_bytes());
            let done = self.submit(hands, trigger, &seen, event, &key).await;
            let (ok, message, workflow) = match done {
                Ok(done) => (true, done.message, done.workflow),
                Err(failed) => {
                    out.again |= failed.retriable;
                    (false, failed.message, None)
                }
            };
            out.notes.push(Note::Acted(Outcome {
                sensor: FILE.to_owned(),
                trigger: trigger.name.clone(),
                firing: key,
                ok,
                dead: !ok && !out.again,
                message,
                workflow,
            }));
        }
        out
    }

    fn routed(&self, event: &Event, out: &mut Judgements) -> Option<(DevctlEvent, Vec<(&Trigger, Judged)>)> {
        if event.kind != KIND || event.namespace != self.namespace {
            return None;
        }
        if event.source == SCHEDULER {
            let seen = DevctlEvent {
                source: SCHEDULER.to_owned(),
                event_type: event.name.clone(),
                timestamp: event.time,
                raw_payload: event.data.clone(),
                normalized: serde_json::Map::new(),
            };
            let mine = self.scheduled().filter(|trigger| trigger.name == event.name);
            let passed = Judged { passed: true, ..Judged::default() };
            return Some((seen, mine.map(|trigger| (trigger, passed.clone())).collect()));
        }
        match normalize(&event.source, &event.name, event.data["body"].clone(), event.time) {
            Ok(seen) => {
                let routed = route(&self.config, &seen);
                let judged = routed.into_iter().map(|one| (one.trigger, one.verdict)).collect();
                Some((seen, judged))
            }
            Err(why) => {
                out.notes.push(Note::Judged(Verdict {
                    sensor: FILE.to_owned(),
                    dependencies: Vec::new(),
                    triggers: Vec::new(),
                    problem: Some(why),
                }));
                None
            }
        }
    }

    async fn submit(
        &self,
        hands: &Hands,
        trigger: &Trigger,
        seen: &DevctlEvent,
        event: &Event,
        key: &str,
    ) -> Result<crate::triggers::Done, Failed> {
        let variables = render(trigger, seen).map_err(Failed::never)?;
        let workflow = self.workflows.get(&trigger.workflow);
        let mut workflow = workflow
            .cloned()
            .ok_or_else(|| Failed::never(format!("there is no workflow {}", trigger.workflow)))?;
        // whatever has a tag takes it from the event
        let tagged = trigger.variables.iter().filter(|(_, text)| text.as_str().contains("{{"));
        let strangers: Vec<String> = tagged.map(|(name, _)| format!("workflow.parameters.{name}")).collect();
        if !strangers.is_empty() {
            let annotations = &mut workflow.metadata.annotations;
            annotations.insert(runner_machine::taint::FROM_EVENTS.to_owned(), strangers.join(","));
        }
        for (name, value) in variables {
            let parameters = &mut workflow.spec.arguments.parameters;
            let new = Parameter::literal(&name, &value);
            match parameters.iter_mut().find(|parameter| parameter.name == name) {
                Some(parameter) => (parameter.value, parameter.value_from) = (new.value, None),
                None => parameters.push(new),
            }
        }
        let prefix = match (workflow.metadata.generate_name.as_str(), workflow.metadata.name.as_str()) {
            ("", "") => format!("{}-", trigger.name),
            ("", name) => format!("{name}-"),
            (prefix, _) => prefix.to_owned(),
        };
        workflow.metadata.generate_name.clear();
        workflow.metadata.name = child_name(&prefix, key);
        workflow.metadata.labels.insert(crate::triggers::TRIGGER.to_owned(), trigger.name.clone());
        workflow.metadata.annotations.insert(crate::triggers::EVENTS.to_owned(), event.id.clone());
        hands.create(&self.namespace, workflow, key).await
    }
}

fn reason(verdict: &Judged) -> String {
    if let Some(error) = &verdict.error {
        return error.clone();
    }
    let clause = verdict.clauses.iter().find(|clause| !clause.passed);
    clause.map_or_else(String::new, |clause| {
        let actual = clause.actual.as_ref().map(|actual| format!(" (is {actual})")).unwrap_or_default();
        format!("not {}{actual} {}", clause.wanted, clause.reason).trim_end().to_owned()
    })
}

/// The secret as the file has it: none, `from_env`, or the text.
fn named(
    text: &str,
    variable: &str,
    secret: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<String>, String> {
    match text {
        "" => Ok(None),
        "from_env" => {
            let found = secret(variable).filter(|text| !text.is_empty());
            found.map(Some).ok_or_else(|| format!("{variable} is not set: nobody could be believed"))
        }
        text => Ok(Some(text.to_owned())),
    }
}

fn secrets(text: &str, source: &str) -> Result<Secrets, String> {
    let secret = Secret::new(text.as_bytes()).ok_or_else(|| format!("the secret of {source} is empty"))?;
    Ok(Secrets::new(secret, None))
}
