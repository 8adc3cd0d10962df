//! Promises of manifests, projections, blobs and memo entries.
//! Deliberately leaves the filters of lists to `lists`.

use super::*;
use crate::{Digest, Error, LockChange, NewCommand, NewManifest, Projection};

pub(super) fn manifest(name: &str, body: &str, seconds: i64) -> NewManifest {
    NewManifest {
        kind: "WorkflowTemplate".to_owned(),
        namespace: "default".to_owned(),
        name: name.to_owned(),
        body: body.as_bytes().to_vec(),
        source: format!("# source\n{body}"),
        at: at(seconds),
    }
}

/// The generation grows with the content and not otherwise.
pub async fn manifests_have_generations(pair: Pair) {
    assert_eq!(pair.a.put_manifest(manifest("b", "1", 1)).await, Ok(1));
    assert_eq!(pair.b.put_manifest(manifest("b", "1", 2)).await, Ok(1));
    assert_eq!(pair.b.put_manifest(manifest("b", "2", 3)).await, Ok(2));
    let commented = NewManifest { source: "other".to_owned(), ..manifest("b", "2", 4) };
    assert_eq!(pair.b.put_manifest(commented).await, Ok(3));
    let found = pair.a.get_manifest("WorkflowTemplate", "default", "b").await.unwrap().unwrap();
    assert_eq!((found.generation, &found.body[..], found.source.as_str()), (3, &b"2"[..], "other"));
    assert_eq!((found.created_at, found.updated_at), (at(1), at(4)));
    pair.a.put_manifest(manifest("a", "1", 1)).await.unwrap();
    let cluster = NewManifest { namespace: String::new(), ..manifest("a", "1", 1) };
    pair.a.put_manifest(cluster).await.unwrap();
    let names = |list: Vec<crate::Manifest>| -> Vec<String> {
        list.into_iter().map(|m| format!("{}/{}", m.namespace, m.name)).collect()
    };
    let all = pair.b.list_manifests("WorkflowTemplate", None).await.unwrap();
    assert_eq!(names(all), ["/a", "default/a", "default/b"]);
    let some = pair.b.list_manifests("WorkflowTemplate", Some("default")).await.unwrap();
    assert_eq!(names(some), ["default/a", "default/b"]);
    assert!(pair.b.list_manifests("CronWorkflow", None).await.unwrap().is_empty());
    assert_eq!(pair.b.delete_manifest("WorkflowTemplate", "default", "a").await, Ok(true));
    assert_eq!(pair.a.delete_manifest("WorkflowTemplate", "default", "a").await, Ok(false));
    assert_eq!(pair.a.get_manifest("WorkflowTemplate", "default", "a").await, Ok(None));
    let bad = NewManifest { name: String::new(), ..manifest("x", "1", 1) };
    assert!(matches!(pair.a.put_manifest(bad).await, Err(Error::Invalid(_))));
}

/// Rows change in the transaction of the facts; what identifies a workflow does not change with them.
pub async fn projections_follow_the_journal(pair: Pair) {
    let mut first = create("w1", "a");
    first.nodes = vec![node(0, "Running"), node(2, "Pending"), node(1, "Running")];
    done(&pair.a, first).await;
    let mut second = more("w1", Epoch::FIRST, Seq(1));
    let changed = WorkflowRow {
        phase: "Succeeded".to_owned(),
        finished_at: Some(at(9)),
        created_at: at(500),
        labels: BTreeMap::from([("x".to_owned(), "ü\"'".to_owned())]),
        message: "done".to_owned(),
        ..row("w1")
    };
    second.workflow = Some(changed.clone());
    second.nodes = vec![node(1, "Succeeded")];
    done(&pair.a, second).await;
    let found = pair.b.get_workflow("default", "w1").await.unwrap().unwrap();
    assert_eq!(found, WorkflowRow { created_at: at(0), as_of: Seq(2), ..changed });
    let nodes = pair.b.nodes(&stream("w1"), 0, 0).await.unwrap();
    let shown: Vec<_> = nodes.iter().map(|n| (n.ordinal, n.phase.as_str(), n.as_of.0)).collect();
    assert_eq!(shown, [(0, "Running", 1), (1, "Succeeded", 2), (2, "Pending", 1)]);
    assert_eq!(nodes[0], crate::NodeRow { as_of: Seq(1), ..node(0, "Running") });
    let page = pair.b.nodes(&stream("w1"), 1, 1).await.unwrap();
    assert_eq!(page.iter().map(|n| n.ordinal).collect::<Vec<_>>(), [1]);
    assert_eq!(pair.b.get_workflow("default", "w2").await, Ok(None));
    assert_eq!(pair.b.get_workflow("other", "w1").await, Ok(None));
    let mut third = more("w1", Epoch::FIRST, Seq(2));
    third.records.clear();
    third.workflow = Some(WorkflowRow { progress: "1/1".to_owned(), ..found });
    assert_eq!(done(&pair.a, third).await, Seq(2));
    assert_eq!(pair.b.get_workflow("default", "w1").await.unwrap().unwrap().progress, "1/1");
}

/// A projection can be replaced by a refold of exactly the journal that is there.
pub async fn projections_can_be_rebuilt(pair: Pair) {
    let mut first = create("w1", "a");
    first.nodes = (0..40).map(|n| node(n, "Running")).collect();
    done(&pair.a, first).await;
    let stored = pair.b.projection(&stream("w1")).await.unwrap().unwrap();
    assert_eq!((stored.as_of, stored.nodes.len()), (Seq(1), 40));
    let fresh = Projection {
        as_of: Seq(1),
        workflow: WorkflowRow { phase: "Failed".to_owned(), ..row("w1") },
        nodes: vec![node(0, "Failed")],
    };
    let stale = Projection { as_of: Seq(2), ..fresh.clone() };
    let conflict = Error::SeqConflict { stream: stream("w1"), actual: Seq(1) };
    assert_eq!(pair.a.rebuild(&stream("w1"), stale).await, Err(conflict));
    assert_eq!(pair.b.projection(&stream("w1")).await.unwrap().unwrap(), stored);
    pair.b.rebuild(&stream("w1"), fresh).await.unwrap();
    let stored = pair.a.projection(&stream("w1")).await.unwrap().unwrap();
    assert_eq!((stored.workflow.phase.as_str(), stored.nodes.len()), ("Failed", 1));
    assert_eq!(pair.a.projection(&stream("w2")).await, Ok(None));
}

/// Deleting removes all traces and frees name and key; open streams are not deleted.
pub async fn deleting_needs_a_closed_stream(pair: Pair) {
    let keyed = |uid: &str| {
        let mut append = create(uid, "a");
        append.create = Some(Create {
            namespace: "default".to_owned(),
            name: "name".to_owned(),
            idempotency_key: Some("k".to_owned()),
            lease: lease("a"),
        });
        append.workflow = None;
        append
    };
    let mut first = keyed("w1");
    first.nodes = vec![node(0, "Running")];
    first.records = vec![NewRecord { kind: "Big".to_owned(), body: vec![7; 100_000] }];
    first.locks = vec![LockChange::Request {
        holder: "h".to_owned(),
        locks: vec!["l".to_owned()],
        priority: 0,
        at: at(0),
    }];
    done(&pair.a, first).await;
    let command = NewCommand { stream: stream("w1"), body: vec![], client_key: None, at: at(1) };
    pair.a.post(command).await.unwrap();
    assert_eq!(pair.b.delete_workflow(&stream("w1")).await, Err(Error::StillOpen(stream("w1"))));
    pair.a.close(&stream("w1"), Epoch::FIRST).await.unwrap();
    pair.b.delete_workflow(&stream("w1")).await.unwrap();
    assert!(matches!(pair.b.delete_workflow(&stream("w1")).await, Err(Error::NotFound(_))));
    assert!(pair.a.read(&stream("w1"), Seq::ZERO, 0).await.unwrap().is_empty());
    assert!(pair.a.nodes(&stream("w1"), 0, 0).await.unwrap().is_empty());
    assert!(pair.a.pending(&stream("w1")).await.unwrap().is_empty());
    assert!(pair.a.waiting().await.unwrap().is_empty());
    assert_eq!(pair.a.verify().await.unwrap().blobs, 0);
    done(&pair.a, keyed("w2")).await;
    assert!(pair.a.verify().await.unwrap().is_clean());
}

/// Bytes are found by their digest; putting them again changes nothing; a deletion does not take them along.
pub async fn blobs_are_kept_once(pair: Pair) {
    let bytes = vec![42; 50_000];
    let digest = pair.a.put_blob(bytes.clone()).await.unwrap();
    assert_eq!(pair.b.put_blob(bytes.clone()).await.unwrap(), digest);
    assert_eq!(digest, Digest::of(&bytes));
    let mut first = create("w1", "a");
    first.records = vec![NewRecord { kind: "Big".to_owned(), body: bytes.clone() }];
    done(&pair.a, first).await;
    pair.a.close(&stream("w1"), Epoch::FIRST).await.unwrap();
    pair.a.delete_workflow(&stream("w1")).await.unwrap();
    assert!(pair.b.get_blob(&digest).await.unwrap().unwrap() == bytes);
    assert_eq!(pair.b.get_blob(&Digest::of(b"other")).await, Ok(None));
    assert_eq!(pair.b.put_blob(Vec::new()).await.unwrap(), Digest::of(b""));
    assert_eq!(pair.b.get_blob(&Digest::of(b"")).await, Ok(Some(Vec::new())));
}

/// An entry is replaced by putting and remembers when it was last used.
pub async fn memo_entries_remember_their_use(pair: Pair) {
    assert_eq!(pair.a.get_memo("cache", "key").await, Ok(None));
    assert_eq!(pair.a.touch_memo("cache", "key", at(1)).await, Ok(false));
    pair.a.put_memo("cache", "key", b"1".to_vec(), at(1)).await.unwrap();
    assert_eq!(pair.b.touch_memo("cache", "key", at(5)).await, Ok(true));
    let entry = pair.b.get_memo("cache", "key").await.unwrap().unwrap();
    assert_eq!((&entry.body[..], entry.created_at, entry.last_hit_at), (&b"1"[..], at(1), at(5)));
    pair.b.put_memo("cache", "key", b"2".to_vec(), at(9)).await.unwrap();
    let entry = pair.a.get_memo("cache", "key").await.unwrap().unwrap();
    assert_eq!((&entry.body[..], entry.created_at, entry.last_hit_at), (&b"2"[..], at(9), at(9)));
    assert_eq!(pair.a.get_memo("other", "key").await, Ok(None));
    assert!(matches!(pair.a.put_memo("", "key", vec![], at(1)).await, Err(Error::Invalid(_))));
}
