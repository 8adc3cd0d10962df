//! How fast lint is, beside a bare parse of the same bytes and Python's parser in C: `cargo xtask bench lint`.
//! Needs no engine; says nothing about what lint finds. The other benchmarks are those of `runner-tests`.
#![expect(clippy::unwrap_used, reason = "a benchmark ends when something is wrong")]
#![expect(
    clippy::disallowed_methods,
    reason = "a benchmark waits for what it measures; the crate itself stays pure"
)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use runner_workflows::effect::without_effect;
use runner_workflows::parse::{Limits, parse_file};
use runner_workflows::resolve::Catalog;
use runner_workflows::validate::{Options, validate};

/// Rounds; every side once in each, so that a machine that drifts drifts for all of them.
const ROUNDS: usize = 9;
/// Size of the large workflow.
const LARGE_BYTES: usize = 5_000_000;
/// The peer.
const PYTHON: &str = "import sys,pathlib,yaml\n\
    for p in sorted(pathlib.Path(sys.argv[1]).rglob('*.yaml')):\n\
    \x20 try: list(yaml.load_all(p.read_text(), Loader=yaml.CSafeLoader))\n\
    \x20 except yaml.YAMLError: pass";

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["--lint", folder] => println!("{}", lint(Path::new(folder))),
        ["--parse", folder] => println!("{}", parse(Path::new(folder))),
        ["--write-large", folder] => write_large(Path::new(folder)),
        _run => bench(),
    }
}

/// What `runner lint` does with a folder: read, parse, judge each file with all templates known, and put every finding
/// into words.
fn lint(folder: &Path) -> usize {
    let mut catalog = Catalog::default();
    let (mut manifests, mut bytes) = (Vec::new(), 0);
    for (path, text) in texts(folder) {
        let (found, problems) = parse_file(&path.to_string_lossy(), &text, Limits::default());
        bytes += problems.iter().map(|problem| problem.render().len()).sum::<usize>();
        manifests.extend(found);
    }
    manifests.iter().for_each(|manifest| {
        catalog.add(manifest);
    });
    let options = Options { lint: true, ..Options::default() };
    for manifest in &manifests {
        let problems = validate(manifest, options, &catalog);
        let notes = without_effect(manifest);
        bytes += problems.iter().chain(&notes).map(|problem| problem.render().len()).sum::<usize>();
    }
    bytes
}

/// The limit: read, and parse into plain values.
fn parse(folder: &Path) -> usize {
    let parsed = texts(folder).into_iter().map(|(_, text)| {
        let found: Result<Vec<serde_json::Value>, _> = serde_saphyr::from_multiple(&text);
        std::hint::black_box(found).map_or(0, |documents| documents.len())
    });
    parsed.sum()
}

fn texts(folder: &Path) -> Vec<(PathBuf, String)> {
    let (mut paths, mut open) = (Vec::new(), vec![folder.to_path_buf()]);
    while let Some(at) = open.pop() {
        for entry in std::fs::read_dir(&at).unwrap() {
            let path = entry.unwrap().path();
            match path.extension().and_then(|ext| ext.to_str()) {
                _ if path.is_dir() => open.push(path),
                Some("yaml" | "yml" | "json") => paths.push(path),
                Some(_) | None => {}
            }
        }
    }
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).collect()
}

/// What one process used.
struct Used {
    processor_ms: f64,
    wall_ms: f64,
}

/// Runs a program to its end. What a process with one thread has used can be read until it is waited for.
fn used(program: &Path, words: &[String]) -> Used {
    let began = Instant::now();
    let mut command = Command::new(program);
    let mut child =
        command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let proc = PathBuf::from(format!("/proc/{}", child.id()));
    loop {
        let stat = std::fs::read_to_string(proc.join("stat")).unwrap();
        if stat.rfind(')').is_some_and(|end| stat[end + 1..].trim_start().starts_with('Z')) {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let wall_ms = began.elapsed().as_secs_f64() * 1e3;
    let spent = std::fs::read_to_string(proc.join("schedstat")).unwrap();
    let nanoseconds: f64 = spent.split_ascii_whitespace().next().unwrap().parse().unwrap();
    assert!(child.wait().unwrap().success(), "{} {words:?}", program.display());
    Used { processor_ms: nanoseconds / 1e6, wall_ms }
}

fn bench() {
    if cfg!(debug_assertions) {
        eprintln!("lint: this is a debug build; its numbers mean nothing");
    }
    let corpus = std::env::var("CONFORMANCE_DIR").map_or_else(
        |_| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance"),
        PathBuf::from,
    );
    println!(
        "| what | files | bytes | side | processor ms | spread | wall ms | MB/s | lint over it | target |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    let examples = corpus.join("workflows/examples/files/examples");
    if examples.is_dir() {
        measure("all examples", &examples, 500.0);
    } else {
        println!("skipped: there is no {}", examples.display());
    }
    let folder = std::env::temp_dir().join(format!("runner-lint-{}", std::process::id()));
    write_large(&folder);
    measure("one workflow of 5 MB", &folder, 1_000.0);
    std::fs::remove_dir_all(&folder).unwrap();
}

fn measure(what: &str, folder: &Path, most_ms: f64) {
    let own = std::env::current_exe().unwrap();
    let shown = folder.to_string_lossy().into_owned();
    let mut sides = vec![
        ("lint", own.clone(), vec!["--lint".to_owned(), shown.clone()]),
        ("limit: bare parse by the same YAML crate", own, vec!["--parse".to_owned(), shown.clone()]),
    ];
    let peer = Command::new("python3").args(["-c", "import yaml; yaml.CSafeLoader"]).output();
    if peer.is_ok_and(|said| said.status.success()) {
        let words = vec!["-c".to_owned(), PYTHON.to_owned(), shown];
        sides.push(("peer: Python with libyaml (C)", PathBuf::from("python3"), words));
    }
    let rounds: Vec<Vec<Used>> =
        (0..ROUNDS).map(|_| sides.iter().map(|(_, program, words)| used(program, words)).collect()).collect();
    let all = texts(folder);
    let bytes: usize = all.iter().map(|(_, text)| text.len()).sum();
    for (at, (side, ..)) in sides.iter().enumerate() {
        let of = |number: fn(&Used) -> f64| rounds.iter().map(|round| number(&round[at])).collect::<Vec<_>>();
        let (processor, wall) = (of(|used| used.processor_ms), of(|used| used.wall_ms));
        let ratios: Vec<f64> =
            rounds.iter().map(|round| round[0].processor_ms / round[at].processor_ms).collect();
        let middle = median(&processor);
        let target = if at == 0 {
            let word = if middle <= most_ms { "met" } else { "missed" };
            format!("≤ {most_ms} ms: {word}")
        } else {
            String::new()
        };
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let rate = bytes as f64 / 1e3 / middle;
        let (low, high) = processor.iter().fold((f64::MAX, 0.0_f64), |(l, h), v| (l.min(*v), h.max(*v)));
        println!(
            "| {what} | {} | {bytes} | {side} | {middle:.1} | {low:.1} to {high:.1} | {:.1} | {rate:.1} | {:.2} | {target} |",
            all.len(),
            median(&wall),
            median(&ratios),
        );
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn write_large(folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("large.yaml"), workflow(LARGE_BYTES)).unwrap();
}

/// A workflow of about so many bytes: half of it templates, half of it tasks that pass values on.
fn workflow(bytes: usize) -> String {
    let mut templates = String::new();
    let mut tasks = String::new();
    let mut number = 0_usize;
    while templates.len() + tasks.len() < bytes {
        let _infallible = write!(
            templates,
            "  - name: step-{number}\n    inputs:\n      parameters:\n      - name: message\n      - name: level\n        \
             value: \"{{{{workflow.parameters.level}}}}\"\n    outputs:\n      parameters:\n      - name: out\n        \
             valueFrom: {{path: /tmp/out.txt}}\n    container:\n      image: alpine:3.20\n      command: [sh, -c]\n      \
             args: [\"echo {{{{inputs.parameters.message}}}} at {{{{inputs.parameters.level}}}} > /tmp/out.txt\"]\n"
        );
        let _infallible = write!(tasks, "      - name: task-{number}\n        template: step-{number}\n");
        let message = match number.checked_sub(1) {
            Some(before) => {
                let _infallible =
                    writeln!(tasks, "        depends: task-{before}.Succeeded || task-{before}.Skipped");
                format!("{{{{tasks.task-{before}.outputs.parameters.out}}}}")
            }
            None => "first".to_owned(),
        };
        let _infallible = write!(
            tasks,
            "        when: \"{{{{workflow.parameters.level}}}} != off\"\n        arguments:\n          parameters:\n          \
             - name: message\n            value: \"{message}\"\n"
        );
        number += 1;
    }
    format!(
        "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nmetadata:\n  generateName: large-\nspec:\n  entrypoint: main\n  \
         arguments:\n    parameters:\n    - name: level\n      value: info\n  templates:\n{templates}  - name: main\n    \
         dag:\n      tasks:\n{tasks}"
    )
}
