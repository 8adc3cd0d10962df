//! Servers that the store tests talk to: started on a free port of 127.0.0.1, gone at the end of the test.
//! A part that is not installed and cannot be installed is a skip that is printed.
#![expect(clippy::unwrap_used, reason = "tests")]

mod gcs;

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub(crate) use gcs::gcs;

/// A server that runs until this is dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: String,
    _dir: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It is this test's own child; one that ended already needs nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether a program is there; says so when not.
pub(crate) fn has(program: &str) -> bool {
    let found = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if found.is_err() {
        eprintln!("skipped: {program} is not installed");
    }
    found.is_ok()
}

/// Where parts that come from package registries are kept between runs.
fn parts() -> PathBuf {
    std::env::var("RUNNER_TEST_PARTS")
        .map_or_else(|_| Path::new(env!("CARGO_TARGET_TMPDIR")).join("parts"), PathBuf::from)
}

fn quiet(program: &Path, args: &[&str], dir: &Path) -> bool {
    let done = Command::new(program)
        .args(args)
        .current_dir(dir)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    done.is_ok_and(|status| status.success())
}

/// A program of a PyPI package, installed into an environment of its own when absent.
fn python(package: &str, program: &str) -> Option<PathBuf> {
    let parts = parts();
    std::fs::create_dir_all(&parts).unwrap();
    let path = parts.join("venv/bin").join(program);
    if !path.exists() {
        let made = parts.join("venv/bin/pip").exists()
            || quiet(Path::new("python3"), &["-m", "venv", "venv"], &parts);
        if !made || !quiet(&parts.join("venv/bin/pip"), &["-q", "install", package], &parts) {
            eprintln!("skipped: {package} cannot be installed");
            return None;
        }
    }
    Some(path)
}

fn start(dir: tempfile::TempDir, make: impl Fn(u16) -> Command) -> Server {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let child = make(port).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let server = Server { child, address: format!("127.0.0.1:{port}"), _dir: dir };
    let end = Instant::now() + Duration::from_secs(120);
    while TcpStream::connect(&server.address).is_err() {
        assert!(Instant::now() < end, "the server did not start");
        std::thread::sleep(Duration::from_millis(50));
    }
    server
}

fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// moto: a FAKE of S3.
pub(crate) fn moto() -> Option<Server> {
    let program = python("moto[server]", "moto_server")?;
    Some(start(scratch(), |port| {
        let mut command = Command::new(&program);
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        command
    }))
}

/// Azurite: the vendor's own emulator, with the container `box`.
pub(crate) fn azurite() -> Option<Server> {
    let parts = parts();
    std::fs::create_dir_all(&parts).unwrap();
    let program = parts.join("node_modules/.bin/azurite-blob");
    if !program.exists()
        && !quiet(
            Path::new("npm"),
            &["install", "--no-audit", "--no-fund", "--prefix", ".", "azurite"],
            &parts,
        )
    {
        eprintln!("skipped: azurite cannot be installed");
        return None;
    }
    let dir = scratch();
    let location = dir.path().to_owned();
    let server = start(dir, |port| {
        let mut command = Command::new(&program);
        command.args([
            "--silent",
            "--skipApiVersionCheck",
            "--blobHost",
            "127.0.0.1",
            "--blobPort",
            &port.to_string(),
        ]);
        command.arg("--location").arg(&location);
        command
    });
    make_container(&server.address);
    Some(server)
}

/// Makes the container `box` with a shared key signature, as the vendor documents it.
fn make_container(address: &str) {
    let script = r#"
import base64, hashlib, hmac, sys, urllib.request, email.utils
address = sys.argv[1]
key = base64.b64decode("Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==")
date = email.utils.formatdate(usegmt=True)
text = "PUT\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:%s\nx-ms-version:2021-08-06\n/devstoreaccount1/devstoreaccount1/box\nrestype:container" % date
sign = base64.b64encode(hmac.new(key, text.encode(), hashlib.sha256).digest()).decode()
request = urllib.request.Request("http://%s/devstoreaccount1/box?restype=container" % address, method="PUT", headers={
    "x-ms-date": date, "x-ms-version": "2021-08-06", "Authorization": "SharedKey devstoreaccount1:" + sign})
urllib.request.urlopen(request)
"#;
    let status = Command::new("python3").args(["-c", script, address]).status().unwrap();
    assert!(status.success(), "the container could not be made");
}

/// rclone's WebDAV server: a real HTTP server that takes PUT, GET and DELETE, with a password.
pub(crate) fn webdav() -> Option<Server> {
    if !has("rclone") {
        return None;
    }
    let dir = scratch();
    let root = dir.path().to_owned();
    Some(start(dir, |port| {
        let mut command = Command::new("rclone");
        command.args(["serve", "webdav", "--user", "test-access", "--pass", "test-secret"]);
        command.arg("--addr").arg(format!("127.0.0.1:{port}")).arg(&root);
        command
    }))
}

/// A real repository with a tag `v1`, a branch `other` and a hook that nobody must run.
pub(crate) fn repository(dir: &Path) -> PathBuf {
    let work = dir.join("work");
    std::fs::create_dir(&work).unwrap();
    let git = |args: &[&str]| {
        let mut command = Command::new("git");
        command.args([
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@example.com",
            "-c",
            "init.defaultBranch=main",
        ]);
        let status =
            command.args(args).current_dir(&work).env("GIT_CONFIG_GLOBAL", "/dev/null").status().unwrap();
        assert!(status.success(), "git {args:?}");
    };
    let commit = |text: &str| {
        std::fs::write(work.join("file"), format!("{text}\n")).unwrap();
        git(&["add", "file"]);
        git(&["commit", "-q", "-m", text]);
    };
    git(&["init", "-q"]);
    commit("first");
    git(&["tag", "v1"]);
    git(&["checkout", "-q", "-b", "other"]);
    commit("other");
    git(&["checkout", "-q", "main"]);
    commit("second");
    let hook = work.join(".git/hooks/post-checkout");
    std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
    std::fs::write(&hook, "#!/bin/sh\necho hooked > file\n").unwrap();
    work
}

/// A zip archive with one stored entry, written byte by byte: no library would write these names.
pub(crate) fn zip_of(name: &str, mode: u32, content: &[u8]) -> Vec<u8> {
    let mut crc = flate2::Crc::new();
    crc.update(content);
    let (size, sum) = (u32::try_from(content.len()).unwrap(), crc.sum());
    let length = u16::try_from(name.len()).unwrap();
    let mut out = Vec::new();
    let common = |out: &mut Vec<u8>| {
        out.write_all(&20u16.to_le_bytes()).unwrap();
        out.write_all(&[0; 4]).unwrap();
        out.write_all(&[0, 0, 0x21, 0]).unwrap();
        for part in [sum, size, size] {
            out.write_all(&part.to_le_bytes()).unwrap();
        }
        out.write_all(&length.to_le_bytes()).unwrap();
    };
    out.write_all(b"PK\x03\x04").unwrap();
    common(&mut out);
    out.write_all(&[0, 0]).unwrap();
    out.write_all(name.as_bytes()).unwrap();
    out.write_all(content).unwrap();
    let directory = u32::try_from(out.len()).unwrap();
    out.write_all(b"PK\x01\x02\x14\x03").unwrap();
    common(&mut out);
    out.write_all(&[0; 8]).unwrap();
    out.write_all(&(mode << 16).to_le_bytes()).unwrap();
    out.write_all(&0u32.to_le_bytes()).unwrap();
    out.write_all(name.as_bytes()).unwrap();
    let end = u32::try_from(out.len()).unwrap() - directory;
    out.write_all(b"PK\x05\x06\0\0\0\0\x01\0\x01\0").unwrap();
    out.write_all(&end.to_le_bytes()).unwrap();
    out.write_all(&directory.to_le_bytes()).unwrap();
    out.write_all(&[0, 0]).unwrap();
    out
}
