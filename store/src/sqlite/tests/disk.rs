//! What is on the disk: modes, the write-ahead log, damage, full disks, backups.
//! Deliberately works on real files; the full disk needs a mount and is skipped without the right to make one.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use super::*;
use crate::conformance::{create, more};
use crate::{Append, Appended, Epoch, Error, Maintenance as _, NewRecord, Seq};

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn log_size(path: &Path) -> u64 {
    std::fs::metadata(place::beside(path, "-wal")).unwrap().len()
}

#[tokio::test]
async fn v35_files_are_0600_and_directories_0700() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("state").join("runner").join("store.db");
    let store = SqliteStore::open(&path, Options::default()).await.unwrap();
    store.append(create("w1", "a")).await.unwrap();
    for suffix in ["", "-wal", "-shm"] {
        assert_eq!(mode(&place::beside(&path, suffix)), 0o600, "{suffix}");
    }
    for directory in [path.parent().unwrap(), &root.path().join("state")] {
        assert_eq!(mode(directory), 0o700);
    }
    let names = std::fs::read_dir(path.parent().unwrap()).unwrap().count();
    assert_eq!(names, 3, "no draft is left");
    store.shutdown().await.unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let store = SqliteStore::open(&path, Options::default()).await.unwrap();
    assert_eq!(mode(&path), 0o600);
    store.backup(&root.path().join("copy.db")).await.unwrap();
    assert_eq!(mode(&root.path().join("copy.db")), 0o600);
}

#[tokio::test]
async fn the_write_ahead_log_is_grown_and_then_recycled() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let store = SqliteStore::open(&path, Options::default()).await.unwrap();
    store.append(create("w1", "a")).await.unwrap();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while log_size(&path) < limits::WAL_PREGROWN_BYTES {
        assert!(tokio::time::Instant::now() < deadline, "the log does not grow");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(log_size(&path), limits::WAL_PREGROWN_BYTES);
    // 160 MB of bodies go through the log, many times its size.
    for number in 1..400 {
        let mut append = more("w1", Epoch::FIRST, Seq(number));
        append.records = vec![NewRecord {
            kind: "Big".to_owned(),
            body: vec![u8::try_from(number % 251).unwrap(); 400_000],
        }];
        store.append(append).await.unwrap();
    }
    let size = log_size(&path);
    assert!((limits::WAL_PREGROWN_BYTES..=limits::WAL_MAX_BYTES).contains(&size), "{size} bytes");
    assert!(store.verify().await.unwrap().is_clean());
}

#[tokio::test]
async fn a_grown_log_is_recovered_after_a_kill() {
    let (directory, path, store) = fresh().await;
    store.append(create("w1", "a")).await.unwrap();
    let mut connection = raw(&path).await;
    while connect::grow_log(&mut connection, &path, 8 << 20).await.unwrap() == connect::Growth::Going {}
    assert_eq!(log_size(&path), 8 << 20);
    store.append(more("w1", Epoch::FIRST, Seq(1))).await.unwrap();
    // What a killed process leaves: database and log as they are, no shared memory.
    let copy = directory.path().join("copy.db");
    std::fs::copy(place::beside(&path, "-wal"), place::beside(&copy, "-wal")).unwrap();
    std::fs::copy(&path, &copy).unwrap();
    let again = SqliteStore::open(&copy, small()).await.unwrap();
    assert_eq!(length(&again, "w1").await, 2);
    assert_eq!(again.append(more("w1", Epoch::FIRST, Seq(2))).await, Ok(Appended::Done(Seq(3))));
    assert!(again.verify().await.unwrap().is_clean());
}

#[tokio::test]
async fn f21_a_log_without_its_database_is_refused() {
    let (directory, path, store) = fresh().await;
    store.append(create("w1", "a")).await.unwrap();
    let elsewhere = directory.path().join("lost.db");
    std::fs::copy(place::beside(&path, "-wal"), place::beside(&elsewhere, "-wal")).unwrap();
    let refused = SqliteStore::open(&elsewhere, small()).await;
    assert!(matches!(refused, Err(Error::UnsafePlace(_))), "{refused:?}");
    assert!(!elsewhere.exists());
}

#[tokio::test]
async fn f20_a_changed_record_is_reported_and_never_read() {
    let (_directory, path, store) = fresh().await;
    for uid in ["w1", "w2"] {
        let mut append = create(uid, "a");
        append.records.push(NewRecord { kind: "Big".to_owned(), body: vec![1; 50_000] });
        store.append(append).await.unwrap();
    }
    let damages: [(&'static str, &'static str); 6] = [
        ("UPDATE journal SET body = x'7b7d' WHERE seq = 1 AND stream = 1", "wrong checksum"),
        ("UPDATE journal SET kind = 'Other' WHERE seq = 1 AND stream = 1", "wrong checksum"),
        ("UPDATE journal SET at = at + 1 WHERE seq = 1 AND stream = 1", "wrong checksum"),
        ("UPDATE journal SET blob = zeroblob(32) WHERE seq = 2 AND stream = 1", "blob is missing"),
        ("UPDATE journal SET seq = 7 WHERE seq = 2 AND stream = 1", "missing"),
        ("UPDATE workflows SET as_of = 9 WHERE stream = 1", "ahead"),
    ];
    store.shutdown().await.unwrap();
    let pristine = std::fs::read(&path).unwrap();
    for (damage, expected) in damages {
        std::fs::write(&path, &pristine).unwrap();
        execute(&path, damage).await;
        let store = SqliteStore::open(&path, small()).await.unwrap();
        let report = store.verify().await.unwrap();
        assert_eq!(report.problems.len(), 1, "{damage}: {report:?}");
        assert!(report.problems[0].problem.contains(expected), "{damage}: {report:?}");
        if expected != "ahead" {
            let read = store.read(&StreamId::workflow("w1").unwrap(), Seq::ZERO, 0).await;
            assert!(matches!(read, Err(Error::Corrupt(_))), "{read:?}");
        }
        assert_eq!(length(&store, "w2").await, 2, "the neighbour is untouched");
        store.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn f20_a_random_byte_on_the_disk_never_becomes_a_wrong_fact() {
    let (_directory, path, store) = fresh().await;
    let mut appended = Vec::new();
    for number in 0..60_u64 {
        let mut append = create(&format!("w{number}"), "a");
        append.records =
            vec![NewRecord { kind: "K".to_owned(), body: format!("body {number} ").repeat(9).into() }];
        appended.push(append.records.clone());
        store.append(append).await.unwrap();
    }
    store.shutdown().await.unwrap();
    let pristine = std::fs::read(&path).unwrap();
    let (mut state, mut detected) = (0x2545_F491_4F6C_DD1D_u64, 0);
    for _ in 0..60 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let mut damaged = pristine.clone();
        let place = usize::try_from(state % damaged.len() as u64).unwrap();
        damaged[place] ^= 1 << (state >> 61);
        std::fs::write(&path, &damaged).unwrap();
        let Ok(store) = SqliteStore::open(&path, small()).await else {
            detected += 1;
            continue;
        };
        for (number, records) in appended.iter().enumerate() {
            let stream = StreamId::workflow(&format!("w{number}")).unwrap();
            match store.read(&stream, Seq::ZERO, 0).await {
                Ok(read) => {
                    assert!(read.iter().zip(records).all(|(r, n)| r.kind == n.kind && r.body == n.body))
                }
                Err(error) => assert!(matches!(error, Error::Corrupt(_) | Error::Io(_)), "{error:?}"),
            }
        }
        detected += usize::from(!store.verify().await.unwrap().is_clean());
        store.shutdown().await.unwrap();
    }
    println!("{detected} of 60 flipped bits were noticed; the others were in unused space or in projections");
    assert!(detected > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_is_consistent_while_others_write() {
    let (directory, _path, store) = fresh().await;
    let store = Arc::new(store);
    store.append(create("w1", "a")).await.unwrap();
    let writer = Arc::clone(&store);
    let writing = tokio::spawn(async move {
        for number in 1..300 {
            writer.append(more("w1", Epoch::FIRST, Seq(number))).await.unwrap();
        }
    });
    tokio::time::sleep(Duration::from_millis(20)).await;
    let target = directory.path().join("copy.db");
    store.backup(&target).await.unwrap();
    writing.await.unwrap();
    assert!(matches!(store.backup(&target).await, Err(Error::Invalid(_))));
    let copy = SqliteStore::open(&target, small()).await.unwrap();
    assert!(copy.verify().await.unwrap().is_clean());
    let there = length(&copy, "w1").await as u64;
    assert!((1..=300).contains(&there), "{there}");
    assert_eq!(copy.append(more("w1", Epoch::FIRST, Seq(there))).await, Ok(Appended::Done(Seq(there + 1))));
}

/// A small file system of its own; unmounted when dropped.
struct Mount(tempfile::TempDir);

impl Mount {
    fn new(size: &str) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let options = format!("size={size},mode=0700");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(directory.path());
        let mounted = mount.output().is_ok_and(|out| out.status.success());
        mounted.then(|| Self(directory))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn f19_a_full_disk_refuses_and_then_goes_on() {
    let Some(mount) = Mount::new("2m") else {
        println!("skipped: mounting a tmpfs is not allowed here");
        return;
    };
    let path = mount.0.path().join("store.db");
    let store = SqliteStore::open(&path, small()).await.unwrap();
    store.append(create("w1", "a")).await.unwrap();
    let ballast = mount.0.path().join("ballast");
    std::fs::write(&ballast, vec![1; 1 << 20]).unwrap();
    let (mut seen, mut refusals) = (1, 0);
    let big = |seen: u64| {
        let body = seen.to_be_bytes().repeat(7_500);
        let records = vec![NewRecord { kind: "Big".to_owned(), body }];
        Append { records, ..more("w1", Epoch::FIRST, Seq(seen)) }
    };
    for _ in 0..40 {
        match store.append(big(seen)).await {
            Ok(Appended::Done(seq)) => seen = seq.0,
            Err(error) => {
                assert!(matches!(error, Error::Full(_)) && error.is_retriable(), "{error:?}");
                refusals += 1;
            }
            Ok(other) => unreachable!("{other:?}"),
        }
    }
    assert!(refusals > 0);
    assert_eq!(length(&store, "w1").await as u64, seen);
    std::fs::remove_file(&ballast).unwrap();
    assert_eq!(store.append(big(seen)).await, Ok(Appended::Done(Seq(seen + 1))));
    assert!(store.verify().await.unwrap().is_clean());
}

#[tokio::test]
async fn f19_no_room_for_growing_the_log_is_no_reason_not_to_open() {
    let Some(mount) = Mount::new("4m") else {
        println!("skipped: mounting a tmpfs is not allowed here");
        return;
    };
    let path = mount.0.path().join("store.db");
    let store = SqliteStore::open(&path, Options::default()).await.unwrap();
    store.append(create("w1", "a")).await.unwrap();
    assert_eq!(length(&store, "w1").await, 1);
}
