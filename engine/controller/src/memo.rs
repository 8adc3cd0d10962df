//! Memoization caches: asked before a node runs, filled after it succeeded.
//! Deliberately no judge of age: the machine compares `maxAge` with the entry's time.

use jiff::Timestamp;
use runner_machine::{Fact, MemoEntry, NodeIx, WorkflowStatus};
use runner_store::{Memo, Store};
use runner_workflows::spec::Outputs;
use serde::{Deserialize, Serialize};

/// What is kept, in the shape of Argo's entries.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Kept {
    #[serde(rename = "nodeID")]
    node_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    outputs: Option<Outputs>,
}

/// The name under which the store keeps a cache: those of different namespaces do not meet.
pub fn cache_name(namespace: &str, cache: &str) -> String {
    format!("{namespace}/{cache}")
}

/// The entry, if there is one. A cache that cannot be asked has none: the step then runs, which is never wrong.
pub(crate) async fn recall(store: &dyn Store, cache: &str, key: &str) -> Option<MemoEntry> {
    match Memo::get_memo(store, cache, key).await {
        Ok(entry) => {
            let entry = entry?;
            let kept: Kept = serde_json::from_slice(&entry.body).unwrap_or_default();
            Some(MemoEntry { outputs: kept.outputs, created_at: Some(entry.created_at) })
        }
        Err(error) => {
            tracing::warn!(cache, key, %error, "memoization cache could not be asked");
            None
        }
    }
}

/// Brings the caches up to date with facts that are durable. An entry that is lost in between costs a miss.
pub(crate) async fn keep(store: &dyn Store, status: &WorkflowStatus, facts: &[Fact], now: Timestamp) {
    for fact in facts {
        let done = if let Fact::MemoSaved { ix } = fact {
            save(store, status, *ix, now).await
        } else if let Fact::MemoHit { ix, .. } = fact {
            touch(store, status, *ix, now).await
        } else {
            continue;
        };
        if let Err(error) = done {
            tracing::warn!(%error, "memoization cache could not be written");
        }
    }
}

async fn save(
    store: &dyn Store,
    status: &WorkflowStatus,
    ix: NodeIx,
    now: Timestamp,
) -> runner_store::Result<()> {
    let Some((node, memo)) = status.node(ix).and_then(|node| Some((node, node.memo.as_ref()?))) else {
        return Ok(());
    };
    let kept = Kept { node_id: node.id.clone(), outputs: Some(node.outputs.clone().unwrap_or_default()) };
    let body = serde_json::to_vec(&kept).map_err(|e| runner_store::Error::Invalid(e.to_string()))?;
    let cache = cache_name(&status.namespace, &memo.cache_name);
    Memo::put_memo(store, &cache, &memo.key, body, now).await
}

async fn touch(
    store: &dyn Store,
    status: &WorkflowStatus,
    ix: NodeIx,
    now: Timestamp,
) -> runner_store::Result<()> {
    let Some(memo) = status.node(ix).and_then(|node| node.memo.as_ref()) else { return Ok(()) };
    let cache = cache_name(&status.namespace, &memo.cache_name);
    Memo::touch_memo(store, &cache, &memo.key, now).await.map(|_| ())
}
