//! What a step says while it runs: its progress (`ARGO_PROGRESS_FILE`), that a daemon is ready to serve, that it is paused.
//! Tells nobody: it leaves `signal.json` in the attempt's directory, which the engine watches.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;

use super::places::Places;
use crate::attempt::{AttemptDir, SIGNAL, Signal};
use crate::job::{Job, PROGRESS_PATH, Process};

/// How often the progress file is looked at. Argo does so every three seconds.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Most bytes of a progress file that are read.
const PROGRESS_BYTES: u64 = 64;
/// Most bytes of an answer to a probe that are read.
const ANSWER_BYTES: u64 = 64;

/// The address of a daemon: every step of this machine shares its network.
const ADDRESS: &str = "127.0.0.1";

/// What was said so far.
pub(super) struct Signals<'a> {
    attempt: &'a AttemptDir,
    said: Signal,
    ready: Option<std::sync::mpsc::Receiver<()>>,
}

impl<'a> Signals<'a> {
    pub(super) fn new(attempt: &'a AttemptDir) -> Self {
        Self { attempt, said: Signal::default(), ready: None }
    }

    /// Main has started: from now on it is asked whether it is ready.
    pub(super) fn main_started(&mut self, job: &Job, process: &Process, places: &Places) {
        let Some(daemon) = &job.daemon else { return };
        if self.ready.is_some() || self.said.ready.is_some() {
            return;
        }
        let Some(probe) = daemon.probe.as_ref() else { return self.now_ready() };
        let (tell, ready) = std::sync::mpsc::channel();
        let asked = Asked::new(probe, process, places);
        // Its end is that of the supervisor; nobody waits for it.
        let started = std::thread::Builder::new().name("probe".into()).spawn(move || {
            asked.until_ready();
            // The supervisor may be gone by then.
            let _ = tell.send(());
        });
        match started {
            Ok(_) => self.ready = Some(ready),
            Err(_) => self.now_ready(),
        }
    }

    /// Looks whether there is something new to say.
    pub(super) fn look(&mut self, places: &Places) {
        if self.ready.as_ref().is_some_and(|ready| ready.try_recv().is_ok()) {
            self.ready = None;
            self.now_ready();
        }
        let progress = progress(places);
        if progress.is_some() && progress != self.said.progress {
            self.said.progress = progress;
            self.say();
        }
    }

    /// Says where the step is paused, when that is new.
    pub(super) fn paused(&mut self, paused: Option<String>) {
        if self.said.paused != paused {
            self.said.paused = paused;
            self.say();
        }
    }

    fn now_ready(&mut self) {
        self.said.ready = Some((Timestamp::now(), ADDRESS.to_owned()));
        self.say();
    }

    fn say(&self) {
        if let Ok(bytes) = serde_json::to_vec(&self.said)
            && let Err(error) = self.attempt.replace(SIGNAL, &bytes)
        {
            tracing::warn!(%error, "progress could not be told");
        }
    }
}

/// The last line of the progress file, as Argo's `N/M`; anything else is no progress.
fn progress(places: &Places) -> Option<(i64, i64)> {
    let (boundary, inner) = places.locate(PROGRESS_PATH);
    let (file, _) = boundary.open_regular(inner).ok()?;
    let mut text = String::new();
    file.take(PROGRESS_BYTES).read_to_string(&mut text).ok()?;
    parse_progress(text.trim().lines().last()?)
}

fn parse_progress(text: &str) -> Option<(i64, i64)> {
    let (done, total) = text.split_once('/')?;
    let (done, total) = (done.parse().ok()?, total.parse().ok()?);
    (done >= 0 && total > 0 && done <= total).then_some((done, total))
}

/// A readiness probe, with Kubernetes' defaults.
struct Asked {
    how: How,
    delay: Duration,
    period: Duration,
    timeout: Duration,
    successes: u32,
}

enum How {
    Tcp {
        host: String,
        port: u16,
    },
    Http {
        host: String,
        port: u16,
        path: String,
    },
    Exec {
        words: Vec<String>,
        env: Vec<(String, String)>,
        cwd: PathBuf,
    },
    /// A probe of a kind that cannot be asked here counts as ready.
    Unknown,
}

impl Asked {
    fn new(probe: &Value, process: &Process, places: &Places) -> Self {
        let number = |field: &str, usual: u64| probe.get(field).and_then(Value::as_u64).unwrap_or(usual);
        Self {
            how: how(probe, process, places),
            delay: Duration::from_secs(number("initialDelaySeconds", 0)),
            // The first answer of a local process is not worth ten seconds of waiting.
            period: Duration::from_secs(number("periodSeconds", 1).max(1)),
            timeout: Duration::from_secs(number("timeoutSeconds", 1).max(1)),
            successes: u32::try_from(number("successThreshold", 1).max(1)).unwrap_or(1),
        }
    }

    fn until_ready(&self) {
        std::thread::sleep(self.delay);
        let mut in_a_row = 0;
        loop {
            in_a_row = if self.ask() { in_a_row + 1 } else { 0 };
            if in_a_row >= self.successes {
                return;
            }
            std::thread::sleep(self.period);
        }
    }

    fn ask(&self) -> bool {
        match &self.how {
            How::Tcp { host, port } => self.connect(host, *port).is_some(),
            How::Http { host, port, path } => {
                self.get(host, *port, path).is_some_and(|code| (200..400).contains(&code))
            }
            How::Exec { words, env, cwd } => self.exec(words, env, cwd),
            How::Unknown => true,
        }
    }

    fn connect(&self, host: &str, port: u16) -> Option<TcpStream> {
        let mut addresses = (host, port).to_socket_addrs().ok()?;
        addresses.find_map(|address| TcpStream::connect_timeout(&address, self.timeout).ok())
    }

    /// The status code of a GET.
    fn get(&self, host: &str, port: u16, path: &str) -> Option<u16> {
        let mut stream = self.connect(host, port)?;
        stream.set_read_timeout(Some(self.timeout)).ok()?;
        stream.set_write_timeout(Some(self.timeout)).ok()?;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUser-Agent: kube-probe/runner\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = Vec::new();
        // What arrived before a timeout is enough if it holds the first line.
        let _ = stream.take(ANSWER_BYTES).read_to_end(&mut answer);
        let text = String::from_utf8_lossy(&answer);
        text.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()
    }

    /// The command's exit code, told by a shell on a pipe: the supervisor collects every child that ends.
    fn exec(&self, words: &[String], env: &[(String, String)], cwd: &PathBuf) -> bool {
        let child = Command::new("sh")
            .args(["-c", "\"$@\" >/dev/null 2>&1; echo $?", "probe"])
            .args(words)
            .env_clear()
            .envs(env.iter().map(|(name, value)| (name, value)))
            .current_dir(cwd)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut child) = child else { return false };
        let Some(mut out) = child.stdout.take() else { return false };
        let started = Instant::now();
        let mut code = String::new();
        let said = out.read_to_string(&mut code).is_ok();
        said && code.trim() == "0" && started.elapsed() <= self.timeout.max(Duration::from_secs(10))
    }
}

fn how(probe: &Value, process: &Process, places: &Places) -> How {
    let text = |part: &Value, field: &str, usual: &str| {
        part.get(field).and_then(Value::as_str).filter(|text| !text.is_empty()).unwrap_or(usual).to_owned()
    };
    let port = |part: &Value| {
        let port = part.get("port")?;
        port.as_u64().or_else(|| port.as_str()?.parse().ok()).and_then(|port| u16::try_from(port).ok())
    };
    if let Some(part) = probe.get("httpGet").filter(|part| text(part, "scheme", "HTTP") == "HTTP")
        && let Some(port) = port(part)
    {
        return How::Http { host: text(part, "host", ADDRESS), port, path: text(part, "path", "/") };
    }
    if let Some(part) = probe.get("tcpSocket").or_else(|| probe.get("httpGet"))
        && let Some(port) = port(part)
    {
        return How::Tcp { host: text(part, "host", ADDRESS), port };
    }
    let words = probe.get("exec").and_then(|exec| exec.get("command")).and_then(Value::as_array);
    if let Some(words) = words {
        let words = words.iter().filter_map(Value::as_str).map(|word| places.rewrite(word)).collect();
        let env = process.env.iter().map(|(name, value)| (name.clone(), places.rewrite(value))).collect();
        let cwd = if process.cwd.is_empty() { crate::job::WORK_PATH } else { &process.cwd };
        return How::Exec { words, env, cwd: PathBuf::from(places.rewrite(cwd)) };
    }
    How::Unknown
}

/// Whether anybody has to look for signals of a job.
pub(super) fn wanted(job: &Job) -> bool {
    job.progress || job.pauses || job.daemon.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_n_of_m_is_progress() {
        assert_eq!(parse_progress("3/10"), Some((3, 10)));
        for bad in ["", "3", "3/", "/3", "-1/3", "4/3", "0/0", "a/b", "1/2/3"] {
            assert_eq!(parse_progress(bad), None, "{bad:?}");
        }
    }
}
