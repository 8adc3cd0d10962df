//! What is known of the pods of a namespace: one list and one watch for all attempts that look at them.
//! Judges nothing, and creates and deletes nothing.
//!
//! A watch that ends goes on where it was; one whose version is too old (410) or that is silent for too long begins
//! with a list. A pod that a list does not have is only suspected to be gone: the list may be older than the pod.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use runner_pods::pod::LABEL_ATTEMPT;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::watch;

use crate::api::{Api, Failure, Lines, patiently};

/// Longest life of one watch request.
const WATCH: Duration = Duration::from_secs(290);
/// Wait between two requests that failed at once.
const PAUSE: Duration = Duration::from_millis(500);

/// A pod, as far as it is known.
#[derive(Clone, Debug)]
pub(crate) enum Known {
    /// It was like this last.
    There(Arc<Pod>),
    /// A list did not have it: asking for it tells. It was like this last.
    Suspect(Arc<Pod>),
    /// It was deleted, and was like this last.
    Gone(Arc<Pod>),
}

impl Known {
    /// Its last known state.
    pub(crate) fn pod(&self) -> &Arc<Pod> {
        match self {
            Self::There(pod) | Self::Suspect(pod) | Self::Gone(pod) => pod,
        }
    }
}

type Table = Arc<Mutex<HashMap<String, watch::Sender<Known>>>>;

/// The pods of a namespace that somebody looks at.
pub(crate) struct Pods {
    table: Table,
    task: tokio::task::AbortHandle,
}

impl Drop for Pods {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Pods {
    /// Starts to watch.
    pub(crate) fn start(api: Api, stall: Duration) -> Self {
        let table = Table::default();
        let task = tokio::spawn(run(api, stall, Arc::clone(&table))).abort_handle();
        Self { table, task }
    }

    /// Looks at a pod from before it is asked for: what happens to it at once must not be missed.
    pub(crate) fn look(&self, name: &str, draft: Pod) -> watch::Receiver<Known> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.retain(|_, known| known.receiver_count() > 0);
        if let Some(known) = table.get(name) {
            return known.subscribe();
        }
        let (sender, receiver) = watch::channel(Known::There(Arc::new(draft)));
        table.insert(name.to_owned(), sender);
        receiver
    }

    /// The pod is there, and was like this in the answer; it may have gone on since.
    pub(crate) fn created(&self, name: &str, pod: Pod) {
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = table.get(name) {
            known.send_if_modified(|known| {
                let first = known.pod().metadata.uid.is_none();
                if first {
                    *known = Known::There(Arc::new(pod));
                }
                first
            });
        }
    }

    /// Tells what somebody found out by asking.
    pub(crate) fn tell(&self, name: &str, found: Known) {
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = table.get(name) {
            known.send_replace(found);
        }
    }

    /// Tells that somebody asked for a pod and it is not there.
    pub(crate) fn gone(&self, name: &str) {
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = table.get(name) {
            known.send_modify(|known| *known = Known::Gone(Arc::clone(known.pod())));
        }
    }
}

/// Lists and watches for ever.
async fn run(api: Api, stall: Duration, table: Table) {
    loop {
        let listed = patiently("list pods", || api.list(LABEL_ATTEMPT)).await;
        let mut version = match listed {
            Ok((pods, version)) => {
                relist(&table, pods);
                version
            }
            // A page's token was too old: from the beginning.
            Err(Failure::Expired(_)) => continue,
            Err(failure) => {
                tracing::error!(%failure, "the pods of the cluster cannot be listed");
                tokio::time::sleep(PAUSE * 20).await;
                continue;
            }
        };
        while let Next::On = go_on(&api, stall, &table, &mut version).await {}
    }
}

/// What follows a watch.
enum Next {
    /// Another one, from the version it came to.
    On,
    /// A list: nobody knows what was missed.
    List,
}

async fn go_on(api: &Api, stall: Duration, table: &Table, version: &mut String) -> Next {
    let watching = patiently("watch pods", || api.watch(LABEL_ATTEMPT, version, WATCH)).await;
    let mut lines = match watching {
        Ok(lines) => lines,
        Err(Failure::Expired(_)) => return Next::List,
        Err(failure) => {
            tracing::error!(%failure, "the pods of the cluster cannot be watched");
            tokio::time::sleep(PAUSE * 20).await;
            return Next::List;
        }
    };
    let began = tokio::time::Instant::now();
    let next = hear(&mut lines, stall, table, version).await;
    if began.elapsed() < PAUSE {
        tokio::time::sleep(PAUSE).await;
    }
    next
}

/// A line of a watch.
#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    object: Value,
}

async fn hear(lines: &mut Lines, stall: Duration, table: &Table, version: &mut String) -> Next {
    loop {
        let line = match tokio::time::timeout(stall, lines.next()).await {
            Ok(Ok(Some(line))) => line,
            Ok(Ok(None) | Err(_)) => return Next::On,
            Err(_silence) => {
                tracing::warn!(
                    seconds = stall.as_secs(),
                    "a watch of the cluster was silent; pods are listed anew"
                );
                return Next::List;
            }
        };
        let Ok(event) = serde_json::from_slice::<Event>(&line.text) else {
            // Cut off, or nothing of ours.
            return Next::List;
        };
        match event.kind.as_str() {
            "ADDED" | "MODIFIED" | "DELETED" => {
                let Ok(pod) = serde_json::from_value::<Pod>(event.object) else { return Next::List };
                if let Some(now) = &pod.metadata.resource_version {
                    version.clone_from(now);
                }
                note(table, pod, event.kind == "DELETED");
            }
            "BOOKMARK" => {
                if let Some(now) = event.object.pointer("/metadata/resourceVersion").and_then(Value::as_str) {
                    now.clone_into(version);
                }
            }
            // ERROR, with 410 in most cases: whatever it is, a list is the answer.
            _other => return Next::List,
        }
    }
}

fn note(table: &Table, pod: Pod, gone: bool) {
    let name = pod.metadata.name.clone().unwrap_or_default();
    let table = table.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(known) = table.get(&name) else { return };
    known.send_if_modified(|known| {
        // Another pod of the same name is another one's business, and what is gone stays gone.
        let same = match &known.pod().metadata.uid {
            Some(uid) => pod.metadata.uid.as_ref() == Some(uid),
            None => attempt(known.pod()).is_some() && attempt(known.pod()) == attempt(&pod),
        };
        if !same || matches!(known, Known::Gone(_)) {
            return false;
        }
        let pod = Arc::new(pod);
        *known = if gone { Known::Gone(pod) } else { Known::There(pod) };
        true
    });
}

fn attempt(pod: &Pod) -> Option<&String> {
    pod.metadata.labels.as_ref()?.get(LABEL_ATTEMPT)
}

fn relist(table: &Table, pods: Vec<Pod>) {
    let mut missing: Vec<String> = {
        let table = table.lock().unwrap_or_else(PoisonError::into_inner);
        table.keys().cloned().collect()
    };
    for pod in pods {
        missing.retain(|name| pod.metadata.name.as_ref() != Some(name));
        note(table, pod, false);
    }
    let table = table.lock().unwrap_or_else(PoisonError::into_inner);
    for known in missing.iter().filter_map(|name| table.get(name)) {
        known.send_if_modified(|known| {
            let Known::There(pod) = known else { return false };
            if pod.metadata.uid.is_none() {
                // It was not asked for yet, as far as is known here.
                return false;
            }
            *known = Known::Suspect(Arc::clone(pod));
            true
        });
    }
}
