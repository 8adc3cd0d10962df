//! The typed step `argocd`: applications of Argo CD made, synced, waited for and stopped over its REST API (F67).
//! Never starts a second sync for one step key; asks again while it waits, and tries nothing twice otherwise.

mod calls;
mod sync;
mod view;

use serde::Deserialize;
use serde_json::Value;

use crate::work::fields::{Flag, Span};
use crate::work::secret::Secret;
use crate::work::{Failure, Outputs, Result, Step, say};

use calls::Server;

/// The fields under `plugin: {argocd: ...}`: a server and exactly one action.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ArgoCdStep {
    /// The API server: `argocd-server.argocd.svc.cluster.local:443` (https), or an address with http or https.
    pub server: String,
    /// The token of an account.
    pub token: Option<Secret>,
    /// Certificates are not checked, as the command line's `--insecure`.
    #[serde(default)]
    pub insecure: Flag,
    /// Further certificates to trust, as PEM.
    pub ca: Option<Secret>,
    /// Nothing is sent: the step logs what it would send and succeeds.
    #[serde(default)]
    pub dry_run: Flag,
    /// Makes an application, or makes it what it is to be.
    pub apply: Option<Apply>,
    /// Syncs an application, and waits for it.
    pub sync: Option<Sync>,
    /// Waits until an application is synced and healthy.
    pub wait: Option<Wait>,
    /// Stops a running operation.
    pub terminate: Option<Terminate>,
}

/// The fields of `apply`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Apply {
    /// The Application: `metadata` and `spec` as in its custom resource.
    pub application: Value,
}

/// The fields of `sync`; names as the flags of `argocd app sync`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sync {
    /// Name of the application.
    pub app: String,
    /// Its namespace, where applications are allowed in several.
    #[serde(default)]
    pub app_namespace: String,
    /// The revision; the one of the application by default.
    #[serde(default)]
    pub revision: String,
    /// Resources that are not in git any more go.
    #[serde(default)]
    pub prune: Flag,
    /// Resources are replaced where they cannot be changed.
    #[serde(default)]
    pub force: Flag,
    /// Only says what would happen in the cluster.
    #[serde(default)]
    pub dry_run: Flag,
    /// Wait until the application is healthy, too.
    #[serde(default)]
    pub health: Flag,
    /// How long it may take; 10 minutes by default.
    pub timeout: Option<Span>,
    /// How often to ask; 2 seconds by default.
    pub poll: Option<Span>,
}

/// The fields of `wait`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Wait {
    /// Name of the application.
    pub app: String,
    /// Its namespace.
    #[serde(default)]
    pub app_namespace: String,
    /// Until it is synced, at this revision if one is given.
    #[serde(default)]
    pub revision: String,
    /// How long it may take; 10 minutes by default.
    pub timeout: Option<Span>,
    /// How often to ask; 2 seconds by default.
    pub poll: Option<Span>,
}

/// The fields of `terminate`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Terminate {
    /// Name of the application.
    pub app: String,
    /// Its namespace.
    #[serde(default)]
    pub app_namespace: String,
}

/// Does what the step says.
///
/// # Errors
/// The fields are wrong, Argo CD refuses, cannot be reached, or the application does not get there in time.
pub fn run(fields: Value, step: &Step) -> Result<Outputs> {
    let fields: ArgoCdStep = crate::work::read("argocd", fields)?;
    let server = Server::new(&fields)?;
    match (&fields.apply, &fields.sync, &fields.wait, &fields.terminate) {
        (Some(apply), None, None, None) => server.apply(&apply.application),
        (None, Some(sync), None, None) => sync::run(&server, sync, step),
        (None, None, Some(wait), None) => sync::wait(&server, wait),
        (None, None, None, Some(stop)) => terminate(&server, stop),
        _several => Err(Failure::Input(
            "plugin argocd: write exactly one of apply, sync, wait and terminate".to_owned(),
        )),
    }
}

fn terminate(server: &Server, stop: &Terminate) -> Result<Outputs> {
    if server.dry() {
        say(&format!("dry run: would stop the operation of {}", stop.app));
        return Ok(Outputs::new());
    }
    let stopped = server.terminate(&stop.app, &stop.app_namespace)?;
    say(if stopped { "the operation is stopped" } else { "there is no operation to stop" });
    Ok(Outputs::from([("stopped".to_owned(), stopped.to_string())]))
}
