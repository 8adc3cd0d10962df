//! Hostile archives change nothing outside the place they are unpacked to (V7, V8), and honest ones arrive.
//! Each archive is made here, byte by byte where no library would make it.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use runner_runners::Error;
use runner_runners::artifacts::{LocalRepository, Packing, Unpacking};
use tar::{Builder, EntryType, Header};

/// An entry whose name and link are written as they are, unchecked.
fn entry(builder: &mut Builder<Vec<u8>>, kind: EntryType, name: &[u8], link: &[u8], data: &[u8]) {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(0o6755);
    header.set_size(data.len() as u64);
    let old = header.as_old_mut();
    old.name[..name.len()].copy_from_slice(name);
    old.linkname[..link.len()].copy_from_slice(link);
    header.set_cksum();
    builder.append(&header, data).unwrap_or_else(|e| panic!("{e}"));
}

fn archive(fill: impl FnOnce(&mut Builder<Vec<u8>>)) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    fill(&mut builder);
    builder.into_inner().unwrap_or_else(|e| panic!("{e}"))
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::fast());
    out.write_all(bytes).unwrap_or_else(|e| panic!("{e}"));
    out.finish().unwrap_or_else(|e| panic!("{e}"))
}

struct Place {
    dir: tempfile::TempDir,
    repository: LocalRepository,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap_or_else(|e| panic!("{e}"));
        let repository =
            LocalRepository::open(&dir.path().join("repository")).unwrap_or_else(|e| panic!("{e}"));
        fs::create_dir(dir.path().join("inside")).unwrap_or_default();
        fs::create_dir(dir.path().join("outside")).unwrap_or_default();
        fs::write(dir.path().join("outside/victim"), "untouched").unwrap_or_default();
        Self { dir, repository }
    }

    fn unpack(&self, bytes: &[u8]) -> Result<(), Error> {
        let file = self.dir.path().join("archive");
        fs::write(&file, bytes).unwrap_or_default();
        self.repository.import(&file, "key", Packing::None)?;
        self.repository.export("key", Unpacking::Detect, &self.dir.path().join("inside/target"))
    }

    /// Everything outside of the target is as it was.
    fn is_untouched(&self) -> bool {
        let outside: Vec<_> =
            fs::read_dir(self.dir.path().join("outside")).into_iter().flatten().flatten().collect();
        let inside: Vec<_> =
            fs::read_dir(self.dir.path().join("inside")).into_iter().flatten().flatten().collect();
        outside.len() == 1
            && inside.iter().all(|entry| entry.file_name() == "target")
            && fs::read_to_string(self.dir.path().join("outside/victim"))
                .is_ok_and(|text| text == "untouched")
    }
}

#[test]
fn v08_archives_that_reach_outside_are_refused_and_leave_no_trace() {
    let mut corpus: Vec<(String, Vec<u8>)> = Vec::new();
    for name in ["../outside/new", "a/../../outside/new", "/outside/new", "..", "a/..", "a/../../../x", "//x"]
    {
        for kind in [EntryType::Regular, EntryType::Directory, EntryType::Symlink, EntryType::Link] {
            let bytes = archive(|tar| entry(tar, kind, name.as_bytes(), b"t", b""));
            corpus.push((format!("{kind:?} {name}"), bytes));
        }
    }
    for target in ["../outside", "../../outside", "/etc", "a/../../../outside", "..", "../x", "/"] {
        let bytes = archive(|tar| {
            entry(tar, EntryType::Directory, b"top", b"", b"");
            entry(tar, EntryType::Symlink, b"top/link", target.as_bytes(), b"");
        });
        // One level up is still inside for an entry of the second level only.
        corpus.push((format!("link to {target}"), bytes));
        let bytes = archive(|tar| {
            entry(tar, EntryType::Directory, b"top", b"", b"");
            entry(tar, EntryType::Symlink, b"top/link", target.as_bytes(), b"");
            entry(tar, EntryType::Regular, b"top/link/victim", b"", b"overwritten");
        });
        corpus.push((format!("write through a link to {target}"), bytes));
        let bytes = archive(|tar| entry(tar, EntryType::Link, b"hard", target.as_bytes(), b""));
        corpus.push((format!("hard link to {target}"), bytes));
    }
    for kind in [EntryType::Char, EntryType::Block, EntryType::Fifo, EntryType::new(b'Z')] {
        corpus.push((format!("{kind:?}"), archive(|tar| entry(tar, kind, b"special", b"", b""))));
    }
    let twice = archive(|tar| {
        entry(tar, EntryType::Symlink, b"top/a", b"../../outside", b"");
        entry(tar, EntryType::Regular, b"top/a", b"", b"x");
    });
    corpus.push(("a link, then a file of its name".into(), twice));
    assert!(corpus.len() >= 50, "{}", corpus.len());
    for (name, bytes) in corpus {
        for packed in [bytes.clone(), gzip(&bytes)] {
            let place = Place::new();
            let outcome = place.unpack(&packed);
            assert!(place.is_untouched(), "{name} left a trace");
            assert!(outcome.is_err(), "{name} was accepted");
        }
    }
}

#[test]
fn v08_set_uid_bits_and_odd_names_arrive_harmless() {
    let place = Place::new();
    let bytes = archive(|tar| entry(tar, EntryType::Regular, b"tool", b"", b"x"));
    place.unpack(&gzip(&bytes)).unwrap_or_else(|e| panic!("{e}"));
    let mode = fs::metadata(place.dir.path().join("inside/target")).map(|stat| stat.permissions().mode());
    assert_eq!(mode.unwrap_or(0) & 0o7777, 0o755);
}

#[test]
fn v07_a_bomb_is_stopped() {
    let place = Place::new();
    let mut bomb = GzEncoder::new(Vec::new(), Compression::fast());
    let mut header = Header::new_gnu();
    header.set_size(2 << 30);
    header.set_path("bomb").unwrap_or_default();
    header.set_mode(0o644);
    header.set_cksum();
    bomb.write_all(header.as_bytes()).unwrap_or_default();
    let zeros = vec![0u8; 1 << 20];
    for _ in 0..700 {
        bomb.write_all(&zeros).unwrap_or_default();
    }
    let bytes = bomb.finish().unwrap_or_else(|e| panic!("{e}"));
    let outcome = place.unpack(&bytes);
    assert!(matches!(outcome, Err(Error::Archive(_))), "{outcome:?}");
    assert!(place.is_untouched());
}

#[test]
fn a_directory_arrives_as_it_was_sent() {
    let place = Place::new();
    let source = place.dir.path().join("source");
    fs::create_dir_all(source.join("sub/empty")).unwrap_or_default();
    fs::write(source.join("sub/run"), "#!/bin/sh\n").unwrap_or_default();
    fs::set_permissions(source.join("sub/run"), fs::Permissions::from_mode(0o750)).unwrap_or_default();
    let long = "n".repeat(200);
    fs::write(source.join(&long), vec![7u8; 300_000]).unwrap_or_default();
    symlink("sub/run", source.join("link")).unwrap_or_default();
    for (key, packing) in [("a/packed.tgz", Packing::TarGzip { level: 6 }), ("a/plain", Packing::None)] {
        place.repository.import(&source, key, packing).unwrap_or_else(|e| panic!("{e}"));
        let target = place.dir.path().join("inside/target");
        place.repository.export(key, Unpacking::Detect, &target).unwrap_or_else(|e| panic!("{e}"));
        let mode = fs::metadata(target.join("sub/run")).map(|s| s.permissions().mode() & 0o777);
        assert_eq!(mode.unwrap_or(0), 0o750, "{key}");
        assert!(target.join("sub/empty").is_dir());
        assert_eq!(fs::read(target.join(&long)).map(|bytes| bytes.len()).unwrap_or(0), 300_000);
        assert_eq!(fs::read_link(target.join("link")).unwrap_or_default(), Path::new("sub/run"));
    }
}

#[test]
fn v09_keys_stay_in_the_repository() {
    let place = Place::new();
    let file = place.dir.path().join("outside/victim");
    for key in ["../x", "/x", "a//b", "a/./b", "", "a\0b", "a/../b", "..", &"k".repeat(300)] {
        assert!(place.repository.import(&file, key, Packing::None).is_err(), "{key:?}");
        let target = place.dir.path().join("inside/target");
        assert!(place.repository.export(key, Unpacking::None, &target).is_err(), "{key:?}");
    }
    assert!(place.is_untouched());
}

#[test]
fn v42_a_changed_artifact_is_noticed() {
    let place = Place::new();
    let stored = place.repository.import(&place.dir.path().join("outside/victim"), "key", Packing::None);
    let digest = stored.unwrap_or_else(|e| panic!("{e}")).digest;
    assert_eq!(digest.map(|text| text.len()), Some(64));
    let kept = place.dir.path().join("repository/key");
    let mut file = fs::OpenOptions::new().append(true).open(kept).unwrap_or_else(|e| panic!("{e}"));
    file.write_all(b"!").unwrap_or_default();
    let target = place.dir.path().join("inside/target");
    match place.repository.export("key", Unpacking::None, &target) {
        Err(error) => assert!(error.to_string().contains("changed"), "{error}"),
        Ok(()) => eprintln!("skipped: this file system keeps no attributes"),
    }
}
