//! Every CronWorkflow of the conformance corpus has schedules that can be read and that are due some day.
//! Runs none of them.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use runner_events::cron::schedules;
use runner_workflows::parse::{Limits, Manifest, parse_file};

fn files(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, out);
        } else if path.extension().is_some_and(|ext| ext == "yaml") {
            out.push(path);
        }
    }
}

#[test]
fn every_schedule_of_the_corpus_is_due_some_day() {
    let root = std::env::var_os("CONFORMANCE_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance"),
        PathBuf::from,
    );
    let dir = root.join("workflows/examples/files");
    if !dir.is_dir() {
        println!("skipped: {} is not there", dir.display());
        return;
    }
    let mut all = Vec::new();
    files(&dir, &mut all);
    let (mut count, now) = (0, "2026-01-01T00:00:00Z".parse::<Timestamp>().unwrap());
    for file in all {
        let text = std::fs::read_to_string(&file).unwrap();
        for manifest in parse_file("file", &text, Limits::default()).0 {
            let Manifest::CronWorkflow(document) = manifest else { continue };
            let schedules = schedules(&document.object.spec);
            let schedules = schedules.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            assert!(schedules.iter().all(|one| one.next_after(now, now).is_some()), "{}", file.display());
            count += 1;
        }
    }
    assert!(count >= 15, "{count}");
}
