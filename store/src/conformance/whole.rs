//! Promises about the store as a whole.
//! Deliberately leaves damage and crashes to the drivers that can suffer them.

use super::*;
use crate::{Error, NewCommand};

/// A store with a bit of everything has nothing to complain about.
pub async fn verify_is_content(pair: Pair) {
    for number in 0..5 {
        let mut append = create(&format!("w{number}"), "a");
        append.records.push(NewRecord { kind: "Big".to_owned(), body: vec![number; 40_000] });
        append.nodes = vec![node(0, "Running")];
        done(&pair.a, append).await;
    }
    pair.a.close(&stream("w0"), Epoch::FIRST).await.unwrap();
    let report = pair.b.verify().await.unwrap();
    assert!(report.is_clean(), "{report:?}");
    assert_eq!((report.streams, report.records), (5, 10));
}

/// All streams in the order of their ids, page by page.
pub async fn streams_can_be_walked(pair: Pair) {
    for number in 0..11 {
        done(&pair.a, create_free(&format!("w{number:02}"), Wakeup::Keep)).await;
    }
    let mut walked = Vec::new();
    loop {
        let page = pair.b.streams(walked.last(), 4).await.unwrap();
        if page.is_empty() {
            break;
        }
        assert!(page.iter().all(|info| info.last_seq == Seq(1) && !info.closed && info.owner.is_none()));
        walked.extend(page.into_iter().map(|info| info.stream));
    }
    assert_eq!(walked, (0..11).map(|n| stream(&format!("w{n:02}"))).collect::<Vec<_>>());
}

/// After a shutdown everything is refused; what was accepted is there for the next one.
pub async fn a_closed_store_refuses(pair: Pair) {
    done(&pair.a, create("w1", "a")).await;
    pair.a.shutdown().await.unwrap();
    pair.a.shutdown().await.unwrap();
    assert_eq!(pair.a.append(more("w1", Epoch::FIRST, Seq(1))).await, Err(Error::Closed));
    assert_eq!(pair.a.read(&stream("w1"), Seq::ZERO, 0).await, Err(Error::Closed));
    let command = NewCommand { stream: stream("w1"), body: vec![], client_key: None, at: at(1) };
    assert_eq!(pair.a.post(command).await, Err(Error::Closed));
    assert_eq!(pair.a.changes().await, Err(Error::Closed));
    assert_eq!(pair.a.verify().await, Err(Error::Closed));
}
