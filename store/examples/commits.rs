//! Measures durable commits per second: one after the other, many at once, with a fresh and a grown log.
//! Deliberately no test: numbers depend on the machine; run it beside the physical limit of the same disk.
#![expect(clippy::unwrap_used, reason = "a measurement")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use runner_store::conformance::{create, more};
use runner_store::{
    Append, Appended, Blobs as _, Epoch, Inbox as _, Journal as _, NewRecord, NodeRow, Options, Seq,
    SqliteStore,
};

/// One step as the controller writes it: two facts and a node row.
fn step(uid: &str, seen: Seq) -> Append {
    let mut append = more(uid, Epoch::FIRST, seen);
    let body = vec![b'x'; 120];
    append.records =
        (0..2).map(|_| NewRecord { kind: "NodeFinished".to_owned(), body: body.clone() }).collect();
    let ordinal = u32::try_from(seen.0).unwrap_or(0);
    append.nodes = vec![NodeRow {
        ordinal,
        id: format!("{uid}-{ordinal}"),
        name: format!("{uid}.step-{ordinal}"),
        display_name: format!("step-{ordinal}"),
        node_type: "Pod".to_owned(),
        template_name: "main".to_owned(),
        boundary_id: uid.to_owned(),
        phase: "Succeeded".to_owned(),
        started_at: None,
        finished_at: None,
        message: String::new(),
        body: Vec::new(),
        as_of: Seq::ZERO,
    }];
    append
}

async fn chain(store: &SqliteStore, uid: &str, steps: usize) -> Vec<Duration> {
    let mut times = Vec::with_capacity(steps);
    let mut seen = Seq(1);
    for _ in 0..steps {
        let start = Instant::now();
        if let Appended::Done(seq) = store.append(step(uid, seen)).await.unwrap() {
            seen = seq;
        }
        times.push(start.elapsed());
    }
    times
}

fn report(what: &str, started: Instant, mut times: Vec<Duration>) {
    times.sort();
    let rate = times.len() as f64 / started.elapsed().as_secs_f64();
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize];
    println!(
        "{what:<44} {rate:>8.0}/s  p50 {:>9.1?}  p99 {:>9.1?}  max {:>9.1?}",
        at(0.5),
        at(0.99),
        at(1.0)
    );
}

async fn measure(label: &str, options: Options, steps: usize) {
    let directory = tempfile::tempdir_in(std::env::args().nth(1).unwrap_or_else(|| ".".to_owned())).unwrap();
    let opening = Instant::now();
    let store = Arc::new(SqliteStore::open(directory.path().join("store.db"), options).await.unwrap());
    println!("{label}: open {:.1?}", opening.elapsed());
    store.append(create("chain", "a")).await.unwrap();
    let start = Instant::now();
    report(&format!("{label}: one after the other"), start, chain(&store, "chain", steps).await);
    for streams in [8, 64, 512] {
        for number in 0..streams {
            store.append(create(&format!("s{streams}-{number}"), "a")).await.unwrap();
        }
        let start = Instant::now();
        let mut tasks = Vec::new();
        for number in 0..streams {
            let store = Arc::clone(&store);
            let each = (4 * steps / streams).max(4);
            tasks.push(tokio::spawn(
                async move { chain(&store, &format!("s{streams}-{number}"), each).await },
            ));
        }
        let mut times = Vec::new();
        for task in tasks {
            times.extend(task.await.unwrap());
        }
        report(&format!("{label}: {streams} streams at once"), start, times);
    }
    let start = Instant::now();
    let mut big = more("chain", Epoch::FIRST, Seq(1 + 2 * steps as u64));
    let steps_of_big: Vec<Append> = (0..10_000).map(|n| step("chain", Seq(1_000_000 + n))).collect();
    big.records = steps_of_big.iter().flat_map(|s| s.records.clone()).collect();
    big.nodes = steps_of_big.into_iter().flat_map(|s| s.nodes).collect();
    store.append(big).await.unwrap();
    println!("{label}: 10,000 steps in one append {:>8.0} steps/s", 10_000.0 / start.elapsed().as_secs_f64());
    let start = Instant::now();
    let (mut after, mut count) = (Seq::ZERO, 0);
    while let Some(last) = {
        let page = store.read(&runner_store::StreamId::workflow("chain").unwrap(), after, 0).await.unwrap();
        count += page.len();
        page.last().map(|record| record.seq)
    } {
        after = last;
    }
    println!(
        "{label}: read back {count} records, {:.2} us each",
        start.elapsed().as_micros() as f64 / count as f64
    );
    let start = Instant::now();
    for _ in 0..1000 {
        store.changes().await.unwrap();
    }
    println!("{label}: changes() {:.1} us each", start.elapsed().as_micros() as f64 / 1000.0);
    drop(store.put_blob(vec![0; 1 << 20]).await);
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    for _ in 0..2 {
        measure("fresh log", Options { pregrow_wal_bytes: 0, ..Options::default() }, 2000).await;
        measure("grown log", Options::default(), 2000).await;
    }
}
