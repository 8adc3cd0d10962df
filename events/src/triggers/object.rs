//! Triggers `k8s` on any object of a Kubernetes API: create, update, patch, delete. What a firing did is written on the
//! object (annotation `runner/firings`), so that doing it twice does it once.
//! Makes no workflows: those, and what they are made of, live in the store.

use std::collections::BTreeMap;

use hyper::http::Method;
use runner_kube::objects::{self, JSON};
use runner_sensors::event::Events;
use runner_sensors::machine::child_name;
use runner_sensors::parameter::Tainted;
use runner_sensors::spec::{StandardK8sTrigger, TriggerTemplate};
use runner_sensors::trigger;
use serde_json::{Value, json};

use super::cluster::Cluster;
use super::workflow::{SENSOR, TIMESTAMP, TRIGGER};
use super::{Done, Failed, Hands, Order, policy, taint};
use crate::kubeconfig::place;

/// Annotation with the last firings that made or changed an object, separated by commas.
const FIRINGS: &str = "runner/firings";
/// How many of them are kept: more than can be under way at once for one object.
const KEPT: usize = 20;
/// How often a change is made again because somebody else changed the object between reading and writing it.
const ROUNDS: u32 = 5;
/// How much the clock of the cluster may differ from the daemon's, seconds.
const SKEW_S: i64 = 60;

/// What a firing does to an object.
struct Work<'a> {
    cluster: Cluster,
    /// Path of the objects of the kind.
    list: String,
    order: &'a Order,
    /// Short name of the firing.
    mark: String,
    /// `Kind namespace/name`, for people.
    label: String,
}

/// The patches that can be sent.
fn strategy(k8s: &StandardK8sTrigger) -> Result<&'static str, Failed> {
    match k8s.patch_strategy.as_str() {
        "" | "application/merge-patch+json" => Ok("application/merge-patch+json"),
        "application/strategic-merge-patch+json" => Ok("application/strategic-merge-patch+json"),
        "application/apply-patch+yaml" => Ok("application/apply-patch+yaml"),
        other => Err(Failed::never(format!(
            "k8s: patchStrategy {other} does not go with a resource, which is an object; use \
             application/merge-patch+json, application/strategic-merge-patch+json or application/apply-patch+yaml"
        ))),
    }
}

impl Hands {
    /// Does a `k8s` trigger in a cluster. `resource` is the trigger's resource with its parameters in it.
    pub(super) async fn object(
        &self,
        order: &Order,
        template: &TriggerTemplate,
        k8s: &StandardK8sTrigger,
        events: &Events,
        (resource, tainted): (Value, Vec<Tainted>),
    ) -> Result<Done, Failed> {
        let patch = strategy(k8s)?;
        let settings = order.firing.spec.template.as_ref();
        let place = place(settings, &order.namespace, &self.objects).map_err(Failed::now)?;
        let config = place.config(&self.cluster).await.map_err(Failed::now)?;
        let cluster = Cluster::new(config)?;
        let mut resource = resource;
        let own = resource["metadata"]["namespace"].as_str().unwrap_or_default();
        let namespace = if own.is_empty() { order.namespace.clone() } else { own.to_owned() };
        let kind = cluster.kind(&resource).await?;
        taint::object(&resource, &tainted).map_err(Failed::never)?;
        let creates = matches!(k8s.operation.as_str(), "" | "create");
        if resource["metadata"]["name"].as_str().unwrap_or_default().is_empty() {
            if !creates {
                return Err(Failed::never(format!("k8s: {} needs metadata.name", k8s.operation)));
            }
            let prefix = resource["metadata"]["generateName"].as_str().unwrap_or_default();
            let prefix =
                if prefix.is_empty() { format!("{}-", order.firing.trigger) } else { prefix.to_owned() };
            objects::set(&mut resource, "name", json!(child_name(&prefix, &order.key)));
        }
        let name = resource["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let label = format!("{} {namespace}/{name}", resource["kind"].as_str().unwrap_or_default());
        let (list, path) = (kind.list(&namespace)?, kind.one(&namespace, &name)?);
        let mark = child_name("", &order.key);
        let work = Work { cluster, list, order, mark, label };
        let live = k8s.live_object.then_some((template, events));
        let message = match k8s.operation.as_str() {
            "" | "create" => work.create(&path, resource).await?,
            "update" => self.update(&work, &path, &resource, live).await?,
            "patch" => work.patch(&path, &resource, patch).await?,
            "delete" => work.delete(&path).await?,
            other => return Err(Failed::never(format!("k8s: unknown operation {other}"))),
        };
        if k8s.operation != "delete" {
            self.object_labelled(&work, &path).await?;
        }
        Ok(Done { message, workflow: None })
    }

    /// Puts the resource over the object; with `liveObject` the parameters edit the object instead.
    async fn update(
        &self,
        work: &Work<'_>,
        path: &str,
        resource: &Value,
        live: Option<(&TriggerTemplate, &Events)>,
    ) -> Result<String, Failed> {
        for _round in 0..ROUNDS {
            let Some(found) = work.cluster.get(path).await? else {
                return work.create(path, resource.clone()).await;
            };
            if work.did(&found) {
                return Ok(format!("{} was updated before", work.label));
            }
            let mut object = found;
            if let Some((template, events)) = live {
                let parameters = trigger::source(template).map_or(&[] as &[_], |(_, parameters)| parameters);
                let (edited, tainted) =
                    trigger::render(&object, parameters, events).map_err(Failed::never)?;
                taint::object(&edited, &tainted).map_err(Failed::never)?;
                object = edited;
            } else {
                merge(&mut object, resource);
            }
            work.note(&mut object);
            match work.cluster.write(Method::PUT, path, JSON, &object).await {
                Err(refused) if refused.conflict() => {}
                done => return Ok(done.map(|()| format!("{} updated", work.label))?),
            }
        }
        Err(Failed::now(format!("k8s: {} is changed by others all the time", work.label)))
    }

    /// Waits for the labels of `policy.k8s`.
    async fn object_labelled(&self, work: &Work<'_>, path: &str) -> Result<(), Failed> {
        let policy = work.order.firing.definition().and_then(|definition| definition.policy.as_ref());
        let Some(policy) = policy.and_then(|policy| policy.k8s.as_ref()) else { return Ok(()) };
        policy::wait_for(policy, &work.label, &work.order.key, || work.labels(path)).await
    }
}

impl Work<'_> {
    async fn create(&self, path: &str, mut object: Value) -> Result<String, Failed> {
        let firing = &self.order.firing;
        let at = firing.at.as_millisecond().to_string();
        for (name, value) in [(SENSOR, &self.order.sensor), (TRIGGER, &firing.trigger), (TIMESTAMP, &at)] {
            objects::note(&mut object, "labels", name, value);
        }
        self.note(&mut object);
        match self.cluster.write(Method::POST, &self.list, JSON, &object).await {
            Ok(()) => Ok(format!("{} created", self.label)),
            Err(refused) if refused.exists() => match self.cluster.get(path).await? {
                Some(found) if self.did(&found) => Ok(format!("{} was created before", self.label)),
                Some(_) => {
                    Err(Failed::never(format!("k8s: {} exists, and is not of this firing", self.label)))
                }
                None => Err(refused.into()),
            },
            Err(refused) => Err(refused.into()),
        }
    }

    async fn patch(&self, path: &str, resource: &Value, kind: &str) -> Result<String, Failed> {
        for _round in 0..ROUNDS {
            let Some(found) = self.cluster.get(path).await? else {
                return self.create(path, resource.clone()).await;
            };
            if self.did(&found) {
                return Ok(format!("{} was patched before", self.label));
            }
            let mut body = resource.clone();
            objects::note(&mut body, "annotations", FIRINGS, &self.marks(&found));
            // the patch is of this version: what another firing noted in between is not lost
            objects::set(&mut body, "resourceVersion", found["metadata"]["resourceVersion"].clone());
            match self.cluster.write(Method::PATCH, path, kind, &body).await {
                Err(refused) if refused.conflict() => {}
                done => return Ok(done.map(|()| format!("{} patched", self.label))?),
            }
        }
        Err(Failed::now(format!("k8s: {} is changed by others all the time", self.label)))
    }

    async fn delete(&self, path: &str) -> Result<String, Failed> {
        let Some(found) = self.cluster.get(path).await? else {
            return Ok(format!("{} is not there", self.label));
        };
        let made = found["metadata"]["creationTimestamp"].as_str().unwrap_or_default();
        let made = made.parse::<jiff::Timestamp>().unwrap_or(jiff::Timestamp::MIN);
        if made.as_second() > self.order.firing.at.as_second() + SKEW_S {
            return Ok(format!("{} was made after this firing, and is left alone", self.label));
        }
        let body = json!({"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background",
            "preconditions": {"uid": found["metadata"]["uid"]}});
        match self.cluster.delete(path, &body).await {
            Err(refused) if !refused.not_found() => Err(refused.into()),
            _ => Ok(format!("{} deleted", self.label)),
        }
    }

    async fn labels(&self, path: &str) -> Result<BTreeMap<String, String>, Failed> {
        let object = self.cluster.get(path).await?.unwrap_or_default();
        Ok(serde_json::from_value(object["metadata"]["labels"].clone()).unwrap_or_default())
    }

    /// Whether this firing made the object what it is.
    fn did(&self, object: &Value) -> bool {
        let marks = object["metadata"]["annotations"][FIRINGS].as_str().unwrap_or_default();
        marks.split(',').any(|mark| mark == self.mark)
    }

    /// The firings of an object, with this one.
    fn marks(&self, object: &Value) -> String {
        let marks = object["metadata"]["annotations"][FIRINGS].as_str().unwrap_or_default();
        let all = marks.split(',').filter(|mark| !mark.is_empty()).chain([self.mark.as_str()]);
        let all: Vec<&str> = all.collect();
        all[all.len().saturating_sub(KEPT)..].join(",")
    }

    fn note(&self, object: &mut Value) {
        let marks = self.marks(object);
        objects::note(object, "annotations", FIRINGS, &marks);
    }
}

/// Puts one tree over another (RFC 7386): maps are joined, everything else is replaced, null removes.
fn merge(object: &mut Value, over: &Value) {
    match (object, over) {
        (Value::Object(object), Value::Object(over)) => {
            for (key, value) in over {
                if value.is_null() {
                    object.remove(key);
                } else {
                    merge(object.entry(key).or_insert(Value::Null), value);
                }
            }
        }
        (place, value) => *place = value.clone(),
    }
}
