//! DOES what a sensor's firing says: makes workflows, sends requests, writes the log. Each firing has a key, and whatever
//! can be done under a name is done under that key: done twice, it is done once.
//! Decides nothing about firing, trying again or giving up: the sensor machine does.

mod cluster;
mod email;
mod http;
mod kafka;
mod nats;
mod object;
mod policy;
mod render;
mod slack;
mod taint;
mod tls;
mod workflow;

use std::collections::BTreeMap;
use std::sync::Arc;

use runner_controller::Controller;
use runner_runners::typed::HttpPolicy;
use runner_runners::web::{self, Wanted};
use runner_runners::{Cluster, Objects};
use runner_sensors::event::{Event, Events, context};
use runner_sensors::filter;
use runner_sensors::machine::Firing;
use runner_sensors::spec::{EventDependency, TriggerTemplate};

use crate::bus::{self, Bus};

pub use render::{Rendered, render};
pub(crate) use workflow::{EVENTS, TRIGGER};

/// What triggers work with.
#[derive(Clone)]
pub struct Hands {
    /// Runs workflows.
    pub controller: Controller,
    /// Has the events.
    pub bus: Bus,
    /// ConfigMaps and Secrets.
    pub objects: Arc<dyn Objects>,
    /// Workflows are only recorded, for an engine in another process.
    pub detached: bool,
    /// Where the kubeconfig of this process is, for `k8s` triggers of sensors that name none.
    pub cluster: Cluster,
    /// What `http` triggers may reach.
    pub http: HttpPolicy,
    /// Where Slack's API is.
    pub slack_api: String,
    client: reqwest::Client,
}

impl std::fmt::Debug for Hands {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hands").finish_non_exhaustive()
    }
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// In a sentence.
    pub message: String,
    /// `<namespace>/<name>` of the workflow that was made.
    pub workflow: Option<String>,
}

/// Why it was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// In a sentence.
    pub message: String,
    /// Whether trying again can help.
    pub retriable: bool,
}

impl Failed {
    /// It will never work like this.
    pub(crate) fn never(message: impl Into<String>) -> Self {
        Self { message: message.into(), retriable: false }
    }

    /// It may work later.
    pub(crate) fn now(message: impl Into<String>) -> Self {
        Self { message: message.into(), retriable: true }
    }
}

/// A firing that is performed.
#[derive(Clone, Debug)]
pub struct Order {
    /// Namespace of the sensor.
    pub namespace: String,
    /// Its name.
    pub sensor: String,
    /// Key under which things are made: sensor, trigger and events, the same for a replay.
    pub key: String,
    /// The firing.
    pub firing: Firing,
}

impl Hands {
    /// Everything triggers need.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(
        controller: Controller,
        bus: Bus,
        objects: Arc<dyn Objects>,
        detached: bool,
        http: HttpPolicy,
    ) -> Result<Self, String> {
        let client = web::client(Wanted { policy: http, ..Wanted::default() })?;
        Ok(Self {
            controller,
            bus,
            objects,
            detached,
            cluster: Cluster::default(),
            http,
            slack_api: slack::API.to_owned(),
            client,
        })
    }

    /// Performs a firing.
    ///
    /// # Errors
    /// Why it was not done, and whether trying again can help.
    pub async fn perform(&self, order: &Order) -> Result<Done, Failed> {
        let definition = order.firing.definition().ok_or_else(|| Failed::never("the trigger is gone"))?;
        let events = self.events(&order.firing).await?;
        let template = runner_sensors::trigger::template(definition, &events).map_err(Failed::never)?;
        let policy = definition.policy.clone().unwrap_or_default();
        let allowed = policy.status.map(|status| status.allow).unwrap_or_default();
        let done = self.act(order, &template, &events, &allowed).await?;
        if let (Some(policy), Some(workflow)) = (&policy.k8s, &done.workflow) {
            self.labelled(policy, workflow, &order.key).await?;
        }
        Ok(done)
    }

    async fn act(
        &self,
        order: &Order,
        template: &TriggerTemplate,
        events: &Events,
        allowed: &[i64],
    ) -> Result<Done, Failed> {
        if template.argo_workflow.is_some() || template.k8s.is_some() {
            return self.workflow(order, template, events).await;
        }
        if let Some(http) = &template.http {
            return self.http(order, http, events, allowed).await;
        }
        if let Some(slack) = &template.slack {
            return self.slack(order, slack).await;
        }
        if let Some(email) = &template.email {
            return self.email(order, email).await;
        }
        if let Some(nats) = &template.nats {
            return self.nats(order, nats, events).await;
        }
        if let Some(kafka) = &template.kafka {
            return self.kafka(order, kafka, events).await;
        }
        if template.log.is_some() {
            for (dependency, event) in events {
                let (id, data) = (&event.context.id, event.data.as_deref().unwrap_or(""));
                let (sensor, trigger) = (&order.sensor, &order.firing.trigger);
                tracing::info!(sensor, trigger, dependency, event = id, data, "log trigger");
            }
            return Ok(Done { message: "logged".to_owned(), workflow: None });
        }
        let kinds = template.kinds().join(", ");
        Err(Failed::never(format!("triggers of type {kinds} are not built in")))
    }

    /// The events of a firing, transformed as their dependencies say.
    async fn events(&self, firing: &Firing) -> Result<Events, Failed> {
        let mut out = BTreeMap::new();
        for (dependency, id) in &firing.events {
            let event = self.bus.event(id).await.map_err(|error| {
                let retriable = error.is_retriable();
                Failed { message: format!("event {id}: {error}"), retriable }
            })?;
            let event = event_of(&event);
            let definition = firing.spec.dependencies.iter().find(|d| d.name == *dependency);
            out.insert(dependency.clone(), transformed(definition, &event));
        }
        Ok(out)
    }
}

fn transformed(dependency: Option<&EventDependency>, event: &Event) -> Event {
    dependency.map_or_else(|| event.clone(), |dependency| filter::admit(dependency, event).0)
}

/// An event of the bus as sensors see it.
#[must_use]
pub fn event_of(event: &bus::Event) -> Event {
    Event::json(context(&event.id, &event.kind, &event.source, &event.name, event.time), &event.data)
}
