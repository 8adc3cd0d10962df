//! What is written down beside the journal of a sensor says the same as the journal.
//! The machine's own part is tested with the machine.
#![expect(clippy::unwrap_used, reason = "tests")]

use jiff::Timestamp;
use runner_sensors::event::{Event, context};
use runner_sensors::machine::{Compat, Gate};
use runner_store::{Catalog, MemoryStore, NewManifest};

use super::*;

async fn manifest(store: &MemoryStore, name: &str) -> Manifest {
    let new = NewManifest {
        kind: "Sensor".to_owned(),
        namespace: "ns".to_owned(),
        name: name.to_owned(),
        body: b"{}".to_vec(),
        source: String::new(),
        at: Timestamp::UNIX_EPOCH,
    };
    Catalog::put_manifest(store, new).await.unwrap();
    Catalog::get_manifest(store, "Sensor", "ns", name).await.unwrap().unwrap()
}

async fn open(store: &MemoryStore, manifest: &Manifest) -> Known {
    for (owner, dead) in [("first", "second"), ("second", "first")] {
        let opened = Known::open(store, manifest, owner, Timestamp::UNIX_EPOCH, vec![dead.to_owned()]).await;
        if let Some(known) = opened.unwrap() {
            return known;
        }
    }
    panic!("nobody may drive it");
}

fn apply() -> Input {
    let spec = json!({"dependencies": [{"name": "d", "eventSourceName": "s", "eventName": "e"}],
        "triggers": [{"template": {"name": "t", "log": {}}}]});
    Input::Apply {
        namespace: "ns".to_owned(),
        name: "s".to_owned(),
        generation: "1".to_owned(),
        spec: serde_json::from_value(spec).unwrap(),
        compat: Compat::default(),
    }
}

async fn events(store: &MemoryStore, known: &mut Known, count: u64) {
    let at = Timestamp::UNIX_EPOCH;
    for seq in 1..=count {
        let before = known.status.cursor.unwrap_or(0);
        let event = Event::json(context(&format!("{}", before + 1), "webhook", "s", "e", at), &json!({}));
        let facts =
            known.turn(store, vec![Input::Arrived { seq: before + 1, event, gate: Gate::Open }], at).await;
        let key = facts.unwrap().concat().into_iter().find_map(|fact| match fact {
            Fact::TriggerFired { key, .. } => Some(key),
            _ => None,
        });
        if seq % 10 != 0 {
            let key = key.unwrap();
            known.turn(store, vec![Input::Begin { key: key.clone() }], at).await.unwrap();
            known.turn(store, vec![Input::Succeeded { key, result: String::new() }], at).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_long_journal_is_read_from_where_it_was_written_down() {
    let store = MemoryStore::new();
    let manifest = manifest(&store, "s").await;
    let mut known = open(&store, &manifest).await;
    known.turn(&store, vec![apply()], Timestamp::UNIX_EPOCH).await.unwrap();
    let stream = known.lease.stream.clone();
    assert!(kept(&store, &stream).await.is_none());
    events(&store, &mut known, 700).await;
    let (_, _, seq) = kept(&store, &stream).await.unwrap();
    assert!(seq.0 >= KEEP_EVERY && seq <= known.seq, "{seq:?} of {:?}", known.seq);

    let again = open(&store, &manifest).await;
    let (mut status, mut recent, mut all) = (Status::default(), Recent::default(), Seq::ZERO);
    replay(&store, &stream, &mut status, &mut recent, &mut all).await.unwrap();
    assert_eq!(format!("{:?}", again.status), format!("{status:?}"));
    assert_eq!(format!("{:?}", again.recent), format!("{recent:?}"));
    assert_eq!((again.seq, again.kept), (all, seq));
    assert_eq!(again.status.firings.len(), 70, "those that are open are open");
}

#[tokio::test]
async fn a_snapshot_of_another_journal_is_not_taken() {
    let store = MemoryStore::new();
    let manifest = manifest(&store, "s").await;
    let mut known = open(&store, &manifest).await;
    known.turn(&store, vec![apply()], Timestamp::UNIX_EPOCH).await.unwrap();
    events(&store, &mut known, 700).await;
    let stream = StreamId::sensor("ns", "s").unwrap();
    let entry = Memo::get_memo(&store, SNAPSHOTS, stream.key()).await.unwrap().unwrap();
    let mut whole: Value = serde_json::from_slice(&entry.body).unwrap();
    assert!(kept(&store, &stream).await.is_some());
    for (name, value) in [("seq", json!(3)), ("record", json!("0")), ("status", json!({"form": 2}))] {
        let right = std::mem::replace(&mut whole[name], value);
        let body = whole.to_string().into_bytes();
        Memo::put_memo(&store, SNAPSHOTS, stream.key(), body, Timestamp::UNIX_EPOCH).await.unwrap();
        assert!(kept(&store, &stream).await.is_none(), "{name}");
        whole[name] = right;
    }
    let empty = MemoryStore::new();
    Memo::put_memo(&empty, SNAPSHOTS, stream.key(), whole.to_string().into_bytes(), Timestamp::UNIX_EPOCH)
        .await
        .unwrap();
    assert!(kept(&empty, &stream).await.is_none(), "a sensor that was made again");
}
