//! The supervisor inside a pod, as a real process whose log is read as the engine reads it.
//! No pod here: what becomes of it in one is the Kubernetes runner's tests' business.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};

use runner_runners::Stream;
use runner_runners::frames::{self, Frame, ORDER_VARIABLE, Order, Record, Sent, Wanted};

fn command(order: &Order, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_runner-step"));
    command.args(["__pod", "run", "main", "--"]).args(words);
    command.env(ORDER_VARIABLE, serde_json::to_string(order).unwrap());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn frames_of(text: &[u8]) -> Vec<Frame> {
    let text = text.strip_suffix(b"\n").unwrap();
    text.split(|byte| *byte == b'\n').map(|line| frames::read(line, true)).collect()
}

fn run(order: &Order, words: &[&str]) -> (Option<i32>, Vec<Frame>, Record) {
    let output = command(order, words).env("TOKEN", "s3cr3t-value").output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let mut frames = frames_of(&output.stdout);
    let Some(Frame::Record(record)) = frames.pop() else { panic!("no record: {frames:?}") };
    (output.status.code(), frames, record)
}

fn out(text: &str) -> Frame {
    Frame::Output(Stream::Stdout, text.into())
}

#[test]
fn output_exit_code_and_streams_are_told() {
    let script = "echo one; printf two; sleep 0.1; echo bad >&2; exit 3";
    let (code, frames, record) = run(&Order::default(), &["sh", "-c", script]);
    assert_eq!((code, record.code), (Some(3), Some(3)));
    assert_eq!(frames.len(), 3);
    assert!(frames.contains(&out("one\n")) && frames.contains(&out("two")), "{frames:?}");
    assert!(frames.contains(&Frame::Output(Stream::Stderr, b"bad\n".to_vec())), "{frames:?}");
    let (code, _, record) = run(&Order::default(), &["sh", "-c", "kill -KILL $$"]);
    assert_eq!((code, record.code), (Some(137), Some(137)));
}

#[test]
fn a_terminal_is_the_commands_and_leaves_lines_alone() {
    let script = "test -t 0 && echo terminal || echo none; printf bad >&2";
    let (_, frames, _) = run(&Order::default(), &["sh", "-c", script]);
    assert!(frames.contains(&out("none\n")), "{frames:?}");
    // `script` gives its command a terminal, as a container with `tty` has one.
    let line = format!("'{}' __pod run main -- sh -c '{script}'", env!("CARGO_BIN_EXE_runner-step"));
    let output =
        Command::new("script").args(["-qec", &line, "/dev/null"]).stdin(Stdio::null()).output().unwrap();
    let mut frames = frames_of(&output.stdout);
    let Some(Frame::Record(record)) = frames.pop() else { panic!("no record: {frames:?}") };
    assert_eq!((record.code, frames.len()), (Some(0), 2));
    assert!(frames.contains(&out("terminal\n")), "{frames:?}");
    assert!(frames.contains(&Frame::Output(Stream::Stderr, b"bad".to_vec())), "{frames:?}");
}

#[test]
fn outputs_are_sent_and_secrets_are_masked_v33() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    std::fs::create_dir(at("secrets")).unwrap();
    std::fs::write(at("secrets/key"), "mounted-secret\n").unwrap();
    let wanted = [("value", true), ("artifact", false), ("absent", true)];
    let order = Order {
        wanted: wanted.map(|(name, mask)| Wanted { path: at(name), mask }).to_vec(),
        mask_env: vec!["TOKEN".into()],
        mask_files: vec![at("secrets")],
        ..Order::default()
    };
    let script = format!(
        "echo it is $TOKEN; cat {k} >&2; echo \"v $TOKEN\" > {v}; echo $TOKEN > {a}; echo order ${ORDER_VARIABLE}.",
        k = at("secrets/key"),
        v = at("value"),
        a = at("artifact")
    );
    let (_, frames, record) = run(&order, &["sh", "-c", &script]);
    assert!(frames.contains(&out("it is ***\n")) && frames.contains(&out("order .\n")), "{frames:?}");
    assert!(frames.contains(&Frame::Output(Stream::Stderr, b"***".to_vec())), "{frames:?}");
    let unpack = |index: usize| {
        let pieces = frames.iter().filter_map(|frame| match frame {
            Frame::File(of, piece) if *of == index => Some(piece.clone()),
            _other => None,
        });
        let packed: Vec<u8> = pieces.flatten().collect();
        assert_eq!(record.sent[index], Sent::Bytes(packed.len() as u64));
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(packed.as_slice()));
        let mut text = String::new();
        archive.entries().unwrap().next().unwrap().unwrap().read_to_string(&mut text).unwrap();
        text
    };
    assert_eq!(unpack(0), "v ***\n", "what becomes a value is masked");
    assert_eq!(unpack(1), "s3cr3t-value\n", "artifacts are the step's own, as everywhere");
    assert_eq!(record.sent[2], Sent::Missing);
}

#[test]
fn outputs_that_are_too_big_are_refused_by_name() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let big = dir.path().join("big").to_str().unwrap().to_owned();
    let order = Order { wanted: vec![Wanted { path: big.clone(), mask: false }], ..Order::default() };
    let (code, _, record) = run(&order, &["sh", "-c", &format!("head -c 8000000 /dev/urandom > {big}")]);
    assert_eq!(code, Some(0));
    let [Sent::Failed(why)] = record.sent.as_slice() else { panic!("{record:?}") };
    assert!(why.contains("6 MiB"), "{why}");
}

#[test]
fn what_cannot_be_started_has_the_exit_code_of_a_shell() {
    let (code, _, record) = run(&Order::default(), &["no-such-command"]);
    assert_eq!((code, record.code), (Some(127), Some(127)));
    assert!(record.not_started.unwrap().contains("no-such-command"));
}

#[test]
fn signals_reach_the_command_and_leftovers_do_not_keep_it() {
    let order = Order { retries: 3, ..Order::default() };
    let script = "trap 'echo told; exit 9' TERM; echo up; sleep 60 & wait";
    let mut child = command(&order, &["sh", "-c", script]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    assert_eq!(line, "up\n");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let mut rest = Vec::new();
    lines.read_to_end(&mut rest).unwrap();
    let rest = frames_of(&rest);
    assert_eq!(rest[0], out("told\n"));
    let Some(Frame::Record(record)) = rest.last() else { panic!("{rest:?}") };
    assert_eq!(record.code, Some(9), "and it is not started again although it may be");
    assert_eq!(child.wait().unwrap().code(), Some(9));
}

#[test]
fn a_failing_command_is_started_again_in_place() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let count = dir.path().join("count").to_str().unwrap().to_owned();
    let order = Order { retries: 5, retry_wait_ms: 1, ..Order::default() };
    let script = format!("echo x >> {count}; test $(wc -l < {count}) = 3");
    let (code, _, _) = run(&order, &["sh", "-c", &script]);
    assert_eq!(code, Some(0));
    assert_eq!(std::fs::read_to_string(Path::new(&count)).unwrap().lines().count(), 3);
}
