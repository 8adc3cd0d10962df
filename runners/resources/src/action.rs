//! The six actions: get, create, apply, replace, patch, and delete, which is in `remove`.
//! Does not wait for conditions.

use http::Method;
use runner_kube::objects::{self, JSON, Kind};
use runner_runners::typed::Order;
use runner_workflows::spec::ResourceTemplate;
use serde_json::{Value, json};

use crate::api::{Api, Call};
use crate::condition::Conditions;
use crate::flags::Flags;
use crate::kinds;
use crate::manifest::{field, label};
use crate::{Problem, Result, name, say};

/// The manager of fields that a step writes.
const MANAGER: &str = "runner";

/// What a step works on.
pub(crate) struct Found {
    /// Its path.
    pub(crate) path: String,
    /// For people.
    pub(crate) label: String,
}

/// One execution of a resource template.
pub(crate) struct Work<'a> {
    pub(crate) api: &'a Api,
    pub(crate) order: &'a Order,
    pub(crate) resource: &'a ResourceTemplate,
    pub(crate) flags: &'a Flags,
    pub(crate) conditions: &'a Conditions,
}

/// Kind, namespace and name of one object.
pub(crate) struct Target {
    pub(crate) kind: Kind,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl Target {
    pub(crate) fn path(&self) -> Result<String> {
        Ok(self.kind.one(&self.namespace, &self.name)?)
    }
}

impl Work<'_> {
    /// Does it, and gives the object that is there now; nothing after a delete, or when there is nothing to get.
    pub(crate) async fn act(&self, objects: Vec<Value>) -> Result<Option<Found>> {
        if objects.is_empty() && self.resource.flags.is_empty() {
            return Err(Problem::Input("Must provide at least one of flags or manifest.".to_owned()));
        }
        let action = self.resource.action.as_str();
        if action == "delete" {
            return self.delete(objects).await.map(|()| None);
        }
        if action == "patch" {
            return self.patch(objects).await.map(Some);
        }
        let mut objects = objects;
        let object = match (objects.pop(), objects.is_empty()) {
            (object, true) => object,
            (_, false) => {
                return Err(Problem::Input(format!(
                    "resource: action {action} takes a manifest with one object; write one step for each"
                )));
            }
        };
        match (action, object) {
            ("get", object) => self.get(object).await,
            ("create", Some(object)) => self.create(object).await.map(Some),
            ("apply", Some(object)) => self.apply(object).await.map(Some),
            ("replace", Some(object)) => self.replace(object).await.map(Some),
            ("create" | "apply" | "replace", None) => Err(Problem::Input(format!(
                "resource: action {action} needs a manifest; plugin kubectl has the forms without one"
            ))),
            (other, _) => Err(Problem::Input(format!("resource: there is no action {other:?}"))),
        }
    }

    async fn get(&self, object: Option<Value>) -> Result<Option<Found>> {
        let target = self.target(object.as_ref()).await?;
        let path = target.path()?;
        let asked = match &self.flags.subresource {
            Some(sub) => format!("{path}/{sub}"),
            None => path.clone(),
        };
        match self.api.get(&asked).await {
            Ok(object) => Ok(Some(found(path, &object))),
            Err(bad) if bad.not_found() && self.flags.ignore_not_found => Ok(None),
            Err(bad) => Err(bad.into()),
        }
    }

    /// Creates, or finds what an earlier execution of this step created and that has not failed since (P4).
    async fn create(&self, mut object: Value) -> Result<Found> {
        let kind = kinds::of_object(self.api, &object).await?;
        let namespace = self.namespace(Some(&object))?;
        name::mark(&mut object, self.order, self.resource.set_owner_reference);
        if field(&object, &["metadata", "name"]).is_none() {
            let Some(prefix) = field(&object, &["metadata", "generateName"]).map(str::to_owned) else {
                return Err(Problem::Input(
                    "resource name may not be empty: the manifest needs a name".to_owned(),
                ));
            };
            for attempt in (0..self.order.attempt).rev() {
                let earlier = name::generated(&prefix, self.order, attempt);
                if let Some(found) = self.adopt(&kind.one(&namespace, &earlier)?).await? {
                    return Ok(found);
                }
            }
            objects::set(
                &mut object,
                "name",
                json!(name::generated(&prefix, self.order, self.order.attempt)),
            );
        }
        let list = self.with_query(&kind.list(&namespace)?, &[]);
        let body = Some((JSON, &object));
        let call = Call { method: Method::POST, path: &list, body, repeatable: true };
        match self.api.call(call).await {
            Ok(made) => {
                say(&format!("{} created", label(&made)));
                let name = field(&made, &["metadata", "name"]).unwrap_or_default();
                Ok(found(kind.one(&namespace, name)?, &made))
            }
            Err(bad) if bad.exists() => {
                let name = field(&object, &["metadata", "name"]).unwrap_or_default();
                let ours = self.adopt(&kind.one(&namespace, name)?).await?;
                ours.ok_or_else(|| bad.into())
            }
            Err(bad) => Err(bad.into()),
        }
    }

    /// The object at a path, if this step created it and it does not meet the failure condition: that one ended, and a
    /// retry means a new one.
    async fn adopt(&self, path: &str) -> Result<Option<Found>> {
        match self.api.get(path).await {
            Ok(object) if name::is_ours(&object, self.order) && !self.conditions.failed(&object) => {
                say(&format!("{} was created by this step before", label(&object)));
                Ok(Some(found(path.to_owned(), &object)))
            }
            Ok(_) => Ok(None),
            Err(bad) if bad.not_found() => Ok(None),
            Err(bad) => Err(bad.into()),
        }
    }

    /// Server-side apply; fields of other managers are taken over, as kubectl's client-side apply does.
    async fn apply(&self, mut object: Value) -> Result<Found> {
        let target = self.target(Some(&object)).await?;
        if self.resource.set_owner_reference {
            name::mark(&mut object, self.order, true);
        }
        objects::set(&mut object, "name", json!(target.name));
        let path = target.path()?;
        let address = self.with_query(&path, &["force=true".to_owned()]);
        let body = Some(("application/apply-patch+yaml", &object));
        let call = Call { method: Method::PATCH, path: &address, body, repeatable: true };
        let applied = self.api.call(call).await?;
        say(&format!("{} applied", label(&applied)));
        Ok(found(path, &applied))
    }

    async fn replace(&self, mut object: Value) -> Result<Found> {
        let target = self.target(Some(&object)).await?;
        let path = target.path()?;
        if field(&object, &["metadata", "resourceVersion"]).is_none() {
            let present = self.api.get(&path).await?;
            if let Some(version) = field(&present, &["metadata", "resourceVersion"]) {
                objects::set(&mut object, "resourceVersion", json!(version));
            }
        }
        let address = self.with_query(&self.sub(&path), &[]);
        let body = Some((JSON, &object));
        let call = Call { method: Method::PUT, path: &address, body, repeatable: false };
        let replaced = self.api.call(call).await?;
        say(&format!("{} replaced", label(&replaced)));
        Ok(found(path, &replaced))
    }

    async fn patch(&self, mut objects: Vec<Value>) -> Result<Found> {
        let (Some(patch), true) = (objects.pop(), objects.is_empty()) else {
            return Err(Problem::Input("resource: action patch takes a manifest with one patch".to_owned()));
        };
        let kind = match self.resource.merge_strategy.as_str() {
            "" | "strategic" => "application/strategic-merge-patch+json",
            "merge" => "application/merge-patch+json",
            "json" => "application/json-patch+json",
            other => return Err(Problem::Input(format!("resource: there is no mergeStrategy {other:?}"))),
        };
        // As upstream: flags name the object when the patch does not.
        let named = kind.ends_with("json-patch+json") || patch.get("kind").is_none();
        let target = self.target((!named).then_some(&patch)).await?;
        let path = target.path()?;
        let address = self.with_query(&self.sub(&path), &[]);
        // Adding to a list twice adds twice.
        let repeatable = kind == "application/merge-patch+json";
        let call = Call { method: Method::PATCH, path: &address, body: Some((kind, &patch)), repeatable };
        let patched = self.api.call(call).await?;
        say(&format!("{} patched", label(&patched)));
        Ok(found(path, &patched))
    }

    /// What manifest or flags name: one object.
    pub(crate) async fn target(&self, object: Option<&Value>) -> Result<Target> {
        if let Some(object) = object {
            if !self.flags.words.is_empty() {
                return Err(Problem::Input(
                    "resource: name the object by manifest or by flags, not both".to_owned(),
                ));
            }
            let kind = kinds::of_object(self.api, object).await?;
            let name = field(object, &["metadata", "name"]).map(str::to_owned);
            let name = name.ok_or_else(|| Problem::Input("resource name may not be empty".to_owned()))?;
            return Ok(Target { kind, namespace: self.namespace(Some(object))?, name });
        }
        let mut targets = self.named().await?;
        match (targets.pop(), targets.is_empty()) {
            (Some(target), true) => Ok(target),
            _other => Err(Problem::Input(
                "resource: without a manifest the flags have to name one object: KIND NAME or KIND/NAME"
                    .to_owned(),
            )),
        }
    }

    /// The objects that the words name: `KIND NAME…` or `KIND/NAME…`.
    pub(crate) async fn named(&self) -> Result<Vec<Target>> {
        let words = &self.flags.words;
        let namespace = self.namespace(None)?;
        let pairs: Vec<(&str, &str)> = match words.as_slice() {
            all if all.iter().all(|word| word.contains('/')) => {
                all.iter().filter_map(|word| word.split_once('/')).collect()
            }
            [kind, names @ ..] => names.iter().map(|name| (kind.as_str(), name.as_str())).collect(),
            [] => Vec::new(),
        };
        let mut targets = Vec::new();
        for (kind, name) in pairs {
            let kind = kinds::of_word(self.api, kind).await?;
            targets.push(Target { kind, namespace: namespace.clone(), name: name.to_owned() });
        }
        Ok(targets)
    }

    /// The namespace of an object: the flag's, its own, the workflow's.
    pub(crate) fn namespace(&self, object: Option<&Value>) -> Result<String> {
        let own = object.and_then(|object| field(object, &["metadata", "namespace"]));
        match (&self.flags.namespace, own) {
            (Some(flag), Some(own)) if flag != own => Err(Problem::Input(format!(
                "the namespace from the provided object {own:?} does not match the namespace {flag:?}"
            ))),
            (Some(flag), _) => Ok(flag.clone()),
            (None, Some(own)) => Ok(own.to_owned()),
            (None, None) => Ok(self.api.namespace.clone()),
        }
    }

    fn sub(&self, path: &str) -> String {
        self.flags.subresource.as_ref().map_or_else(|| path.to_owned(), |sub| format!("{path}/{sub}"))
    }

    fn with_query(&self, path: &str, more: &[String]) -> String {
        let manager = self.flags.field_manager.as_deref().unwrap_or(MANAGER);
        let safe = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        let manager: String = manager.chars().filter(|c| safe(*c)).collect();
        let mut query = vec![format!("fieldManager={manager}")];
        query.extend(self.flags.dry_run.then(|| "dryRun=All".to_owned()));
        query.extend(more.iter().cloned());
        format!("{path}?{}", query.join("&"))
    }
}

fn found(path: String, object: &Value) -> Found {
    Found { path, label: label(object) }
}
