//! The command of a container in a pod: started, signalled, waited for; orphans collected.
//! Decides nothing about outputs or phases.

use std::io::{IsTerminal, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use jiff::Timestamp;
use rustix::process::{Pid, Signal, WaitOptions, kill_process_group};
use tokio::signal::unix::{SignalKind, signal};

use super::output::Log;
use crate::Stream;
use crate::frames::{self, ORDER_VARIABLE, Order, Record};
use crate::job::PROGRESS_VARIABLE;
use crate::limits::DRAIN;

/// How often a container of a set looks whether those before it have ended.
const LOOK: Duration = Duration::from_millis(100);
/// How often progress is read.
const PROGRESS: Duration = Duration::from_secs(1);
/// Signals that are passed on.
const PASSED: [(fn() -> SignalKind, Signal); 6] = [
    (SignalKind::terminate, Signal::TERM),
    (SignalKind::interrupt, Signal::INT),
    (SignalKind::hangup, Signal::HUP),
    (SignalKind::quit, Signal::QUIT),
    (SignalKind::user_defined1, Signal::USR1),
    (SignalKind::user_defined2, Signal::USR2),
];

/// Waits for the containers before this one; false when one of them failed.
pub(super) fn after(order: &Order, ended: &str) -> bool {
    order.after.iter().all(|name| {
        loop {
            if let Ok(code) = std::fs::read_to_string(Path::new(ended).join(name)) {
                return code.trim() == "0";
            }
            std::thread::sleep(LOOK);
        }
    })
}

/// Tells the containers after this one.
pub(super) fn leave(ended: &str, name: &str, code: i32) {
    let dir = Path::new(ended);
    let unfinished = dir.join(format!(".{name}"));
    if std::fs::write(&unfinished, code.to_string()).is_ok() {
        // Where nobody waits there may be no directory.
        let _ = std::fs::rename(&unfinished, dir.join(name));
    }
}

/// Runs the command to its end, again if it may be.
pub(super) fn run(command: &[&str], order: &Order, log: &Arc<Log>) -> Record {
    let started_at = Timestamp::now();
    let mut tries = 0;
    loop {
        let (code, not_started, stopped) = match once(command, log) {
            Ok((code, stopped)) => (code, None, stopped),
            Err((code, why)) => (code, Some(why), true),
        };
        if code == 0 || stopped || tries >= order.retries {
            let (started_at, finished_at) = (Some(started_at), Some(Timestamp::now()));
            return Record { code: Some(code), not_started, started_at, finished_at, ..Record::default() };
        }
        tries += 1;
        std::thread::sleep(Duration::from_millis(order.retry_wait_ms));
    }
}

/// Runs it once; gives its exit code, and whether somebody wanted it to end.
fn once(command: &[&str], log: &Arc<Log>) -> Result<(i32, bool), (i32, String)> {
    let broken = |error: std::io::Error| (128, format!("the supervisor cannot wait: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(broken)?;
    runtime.block_on(async {
        // Before the command is started: none of them may be missed.
        let mut ended = signal(SignalKind::child()).map_err(broken)?;
        let (passed, mut heard) = tokio::sync::mpsc::unbounded_channel();
        for (kind, number) in PASSED {
            let mut signals = signal(kind()).map_err(broken)?;
            let passed = passed.clone();
            tokio::spawn(
                async move { while signals.recv().await.is_some() && passed.send(number).is_ok() {} },
            );
        }
        let mut child = start(command)?;
        let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) else {
            return Err((128, "the command has no process id".to_owned()));
        };
        let done = pump(&mut child, log);
        let mut progress = std::pin::pin!(progress(log));
        let mut stopped = false;
        let code = loop {
            if let Some(code) = reap(pid) {
                break code;
            }
            tokio::select! {
                _ = ended.recv() => {}
                Some(number) = heard.recv() => {
                    stopped |= matches!(number, Signal::TERM | Signal::INT | Signal::QUIT | Signal::HUP);
                    // Its leader has not been waited for: the number cannot mean another group.
                    let _ = kill_process_group(pid, number);
                }
                () = &mut progress => {}
            }
        };
        // What it left behind in its group would be killed with the container a moment later.
        let _ = kill_process_group(pid, Signal::KILL);
        for _ in 0..2 {
            // A pipe that somebody still holds open is left to him.
            let _ = done.recv_timeout(DRAIN);
        }
        Ok((code, stopped))
    })
}

/// Starts the command in a group of its own. Errors carry the exit code of a shell.
fn start(command: &[&str]) -> Result<Child, (i32, String)> {
    let Some((program, args)) = command.split_first() else {
        return Err((128, "there is no command".to_owned()));
    };
    let started = Command::new(program)
        .args(args)
        .env_remove(ORDER_VARIABLE)
        .process_group(0)
        .stdin(input())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    started.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            (127, format!("exec {program:?}: executable file not found in the image"))
        }
        std::io::ErrorKind::PermissionDenied => (126, format!("exec {program:?}: permission denied")),
        _other => (126, format!("exec {program:?}: {error}")),
    })
}

/// Standard input of the command: the terminal of a container with `tty`, else nothing. Nobody would ever close another
/// one (`stdin` without `tty`), and the command could wait for that.
fn input() -> Stdio {
    if std::io::stdin().is_terminal() { Stdio::inherit() } else { Stdio::null() }
}

/// Reads both outputs in threads of their own; each says when it is done.
fn pump(child: &mut Child, log: &Arc<Log>) -> mpsc::Receiver<()> {
    let (done, wait) = mpsc::channel();
    let out = child.stdout.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>);
    let err = child.stderr.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>);
    for (pipe, stream) in [(out, Stream::Stdout), (err, Stream::Stderr)] {
        let (Some(mut pipe), log, done) = (pipe, Arc::clone(log), done.clone()) else { continue };
        std::thread::spawn(move || {
            let mut buffer = vec![0; 64 << 10];
            while let Ok(read @ 1..) = pipe.read(&mut buffer) {
                log.push(stream, &buffer[..read]);
            }
            log.end(stream);
            // Nobody waits any more: then nobody is told.
            let _ = done.send(());
        });
    }
    wait
}

/// Collects everything that ended; gives the exit code of the command if it is among that.
fn reap(command: Pid) -> Option<i32> {
    let mut code = None;
    while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
        if pid == command {
            let signalled = status.terminating_signal().map(|number| 128 + number);
            code = Some(status.exit_status().or(signalled).unwrap_or(128));
        }
    }
    code
}

/// Passes progress on, where the command was told how to report it. Never returns.
async fn progress(log: &Log) {
    let Some(path) = std::env::var_os(PROGRESS_VARIABLE) else { return std::future::pending().await };
    let mut before = None;
    loop {
        tokio::time::sleep(PROGRESS).await;
        let said = std::fs::read_to_string(&path)
            .ok()
            .and_then(|text| text.lines().rev().find_map(|line| frames::progress_of(line.as_bytes())));
        if let Some((done, total)) = said.filter(|_| said != before) {
            before = said;
            let mut line = Vec::new();
            frames::progress(done, total, &mut line);
            log.write(&line);
        }
    }
}
