//! A FAKE object store for tests: moto, which speaks S3, as `runners/tests/stores.rs` starts it.
//! Does not assert anything; a machine on which it cannot be installed gets a reason to skip.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::paths::workspace;

/// The bucket that is there.
pub const BUCKET: &str = "my-bucket";
/// What the fake is given as keys; it takes any.
pub const KEYS: (&str, &str) = ("test-access", "test-secret");
/// Where installed parts are kept, as in `runners/tests`.
const PARTS: &str = "RUNNER_TEST_PARTS";
const PACKAGE: &str = "moto[server]";
/// Longest wait for the server.
const START: Duration = Duration::from_secs(120);

/// A fake that runs until this is dropped.
#[derive(Debug)]
pub struct FakeS3 {
    child: Child,
    /// `127.0.0.1:PORT`.
    pub address: String,
}

impl Drop for FakeS3 {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl FakeS3 {
    /// Starts one with an empty bucket.
    ///
    /// # Errors
    /// The reason to skip: it cannot be installed, or does not start.
    pub fn start() -> Result<Self, String> {
        let program = installed()?;
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = free.map_err(|error| format!("no free port: {error}"))?.port();
        let child = Command::new(program)
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("moto: {error}"))?;
        let server = Self { child, address: format!("127.0.0.1:{port}") };
        let start = Instant::now();
        while TcpStream::connect(&server.address).is_err() {
            if start.elapsed() > START {
                return Err("moto does not start".to_owned());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let made = server.ask("PUT", &format!("/{BUCKET}"))?;
        if made.starts_with("HTTP/1.1 200") {
            Ok(server)
        } else {
            Err(format!("moto makes no bucket: {made}"))
        }
    }

    /// Keys of all objects in the bucket.
    ///
    /// # Errors
    /// The server does not answer.
    pub fn keys(&self) -> Result<Vec<String>, String> {
        let listed = self.ask("GET", &format!("/{BUCKET}?list-type=2"))?;
        let parts = listed.split("<Key>").skip(1);
        Ok(parts.filter_map(|part| part.split_once("</Key>")).map(|(key, _)| key.to_owned()).collect())
    }

    fn ask(&self, verb: &str, path: &str) -> Result<String, String> {
        let failed = |error: std::io::Error| format!("moto: {error}");
        let mut stream = TcpStream::connect(&self.address).map_err(failed)?;
        let host = &self.address;
        let asked = format!(
            "{verb} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(asked.as_bytes()).map_err(failed)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).map_err(failed)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }
}

/// The program, installed from PyPI into an environment of its own when absent.
fn installed() -> Result<PathBuf, String> {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from);
    let parts = std::env::var_os(PARTS).map_or_else(|| target.join("tmp/parts"), PathBuf::from);
    std::fs::create_dir_all(&parts).map_err(|error| format!("{}: {error}", parts.display()))?;
    let (pip, program) = (parts.join("venv/bin/pip"), parts.join("venv/bin/moto_server"));
    let there = program.exists()
        || (pip.exists() || quiet(Path::new("python3"), &["-m", "venv", "venv"], &parts))
            && quiet(&pip, &["-q", "install", PACKAGE], &parts);
    if there { Ok(program) } else { Err(format!("{PACKAGE} cannot be installed")) }
}

fn quiet(program: &Path, args: &[&str], folder: &Path) -> bool {
    let mut command = Command::new(program);
    let command = command.args(args).current_dir(folder).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
