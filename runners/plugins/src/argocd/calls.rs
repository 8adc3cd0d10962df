//! The calls of Argo CD's REST API that we need (its swagger.json, 3.6).
//! Decides nothing about operations: `sync` does.

use reqwest::Method;
use serde_json::{Value, json};

use super::view::View;
use super::{ArgoCdStep, Sync};
use crate::work::api::{Access, Api};
use crate::work::secret::Secret;
use crate::work::{Failure, Outputs, Result, Step, say};

/// Under this name the step key travels in the `info` of an operation.
pub(super) const INFO: &str = "runner-step-key";

/// One API server.
pub(super) struct Server {
    /// None in a dry run.
    api: Option<Api>,
}

/// How a request for a sync was taken.
pub(super) enum Asked {
    /// It runs.
    Started,
    /// Another operation is in progress.
    Busy,
}

impl Server {
    pub(super) fn new(fields: &ArgoCdStep) -> Result<Self> {
        if fields.dry_run.0 {
            return Ok(Self { api: None });
        }
        let url = if fields.server.contains("://") {
            fields.server.clone()
        } else {
            format!("https://{}", fields.server)
        };
        let token = fields.token.as_ref().map(Secret::read).transpose()?;
        let access = Access {
            header: token.map(|token| ("authorization", format!("Bearer {token}"))),
            insecure: fields.insecure.0,
            ca: fields.ca.as_ref().map(Secret::read_text).transpose()?,
        };
        Ok(Self { api: Some(Api::new("Argo CD", &url, &access)?) })
    }

    /// Nothing is sent.
    pub(super) fn dry(&self) -> bool {
        self.api.is_none()
    }

    fn api(&self) -> Result<&Api> {
        self.api.as_ref().ok_or_else(|| Failure::Input("nothing is sent in a dry run".to_owned()))
    }

    /// Makes or changes an application; the same again changes nothing (`upsert`).
    pub(super) fn apply(&self, application: &Value) -> Result<Outputs> {
        let mut application = application.clone();
        let name = application["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        if name.is_empty() || !application["spec"].is_object() {
            return Err(Failure::Input("apply.application needs metadata.name and spec".to_owned()));
        }
        application["apiVersion"] = json!("argoproj.io/v1alpha1");
        application["kind"] = json!("Application");
        if self.dry() {
            say(&format!("dry run: would apply this application:\n{application:#}"));
            return Ok(Outputs::from([("app".to_owned(), name)]));
        }
        let path = ["api", "v1", "applications"];
        self.api()?.expect(Method::POST, &path, &[("upsert", "true")], Some(&application))?;
        say(&format!("application {name} is applied"));
        Ok(Outputs::from([("app".to_owned(), name)]))
    }

    /// What Argo CD says about an application; `refresh` lets it compare with git first.
    pub(super) fn get(&self, app: &str, namespace: &str, refresh: bool) -> Result<View> {
        let mut query = Vec::new();
        if !namespace.is_empty() {
            query.push(("appNamespace", namespace));
        }
        if refresh {
            query.push(("refresh", "normal"));
        }
        let path = ["api", "v1", "applications", app];
        self.api()?.expect(Method::GET, &path, &query, None).map(|body| View::new(&body))
    }

    /// The body of the request for a sync.
    pub(super) fn sync_body(sync: &Sync, step: &Step) -> Value {
        let mut body = json!({
            "name": sync.app,
            "prune": sync.prune.0,
            "dryRun": sync.dry_run.0,
            "strategy": {"hook": {"force": sync.force.0}},
            "infos": [{"name": INFO, "value": step.key}],
        });
        if !sync.revision.is_empty() {
            body["revision"] = json!(sync.revision);
        }
        if !sync.app_namespace.is_empty() {
            body["appNamespace"] = json!(sync.app_namespace);
        }
        body
    }

    /// Asks for a sync.
    pub(super) fn sync(&self, sync: &Sync, step: &Step) -> Result<Asked> {
        let body = Self::sync_body(sync, step);
        let path = ["api", "v1", "applications", sync.app.as_str(), "sync"];
        let api = self.api()?;
        let reply = api.send(Method::POST, &path, &[], Some(&body))?;
        if reply.ok() {
            return Ok(Asked::Started);
        }
        if reply.complaint().contains("another operation is already in progress") {
            return Ok(Asked::Busy);
        }
        Err(api.refusal(&Method::POST, &path, &reply))
    }

    /// Stops the running operation; false if there was none.
    pub(super) fn terminate(&self, app: &str, namespace: &str) -> Result<bool> {
        let query: Vec<_> = if namespace.is_empty() { vec![] } else { vec![("appNamespace", namespace)] };
        let path = ["api", "v1", "applications", app, "operation"];
        let api = self.api()?;
        let reply = api.send(Method::DELETE, &path, &query, None)?;
        if reply.ok() {
            return Ok(true);
        }
        if reply.complaint().contains("No operation is in progress") {
            return Ok(false);
        }
        Err(api.refusal(&Method::DELETE, &path, &reply))
    }
}
