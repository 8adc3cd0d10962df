//! TLS of event sources (`serverCertSecret`, `serverKeySecret`) with a real client: curl, which checks the certificate.
//! Makes its certificates with openssl; without these programs the test says so and ends.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use runner_sensors::machine::Gate;
use serde_json::json;

use crate::lab::Lab;

fn tool(name: &str) -> bool {
    let there = Command::new(name).arg("version").output().is_ok();
    if !there {
        eprintln!("skipped: there is no {name} here; .ci/run installs it");
    }
    there
}

/// A certificate for this machine that signs itself; answers certificate and key.
fn certificate(folder: &Path, name: &str) -> (String, String) {
    let made = Command::new("openssl")
        .current_dir(folder)
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "1",
        ])
        .args(["-subj", &format!("/CN={name}"), "-addext", "subjectAltName=IP:127.0.0.1"])
        .args(["-keyout", &format!("{name}.key"), "-out", &format!("{name}.crt")])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let read = |end: &str| std::fs::read_to_string(folder.join(format!("{name}.{end}"))).unwrap();
    (read("crt"), read("key"))
}

/// What curl says when it trusts this certificate only: the body and the status, or its complaint.
async fn curl(folder: &Path, trust: &str, url: &str) -> Result<String, String> {
    let (folder, trust, url) = (folder.to_owned(), format!("{trust}.crt"), url.to_owned());
    let said = tokio::task::spawn_blocking(move || {
        Command::new("curl")
            .current_dir(folder)
            .args([
                "-sS",
                "--noproxy",
                "*",
                "--max-time",
                "20",
                "--cacert",
                &trust,
                "-d",
                "{}",
                "-w",
                " %{http_code} %{ssl_verify_result}",
                &url,
            ])
            .output()
            .unwrap()
    });
    let said = said.await.unwrap();
    if said.status.success() {
        Ok(String::from_utf8_lossy(&said.stdout).into_owned())
    } else {
        Err(String::from_utf8_lossy(&said.stderr).into_owned())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_source_speaks_tls_and_takes_a_renewed_certificate_without_a_restart() {
    if !tool("curl") || !tool("openssl") {
        return;
    }
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("tls-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (first, second) = (certificate(&folder, "first"), certificate(&folder, "second"));
    let lab = Lab::new(&[("tls", "crt", &first.0), ("tls", "key", &first.1)]);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let selector = |key: &str| json!({"name": "tls", "key": key});
    let source = json!({"webhook": {"e": {"port": port.to_string(), "endpoint": "/e", "method": "POST",
        "serverCertSecret": selector("crt"), "serverKeySecret": selector("key")}}});
    lab.apply("EventSource", "hook", source, json!({})).await;
    let running = lab.start(Gate::Open).await;
    assert!(running.problems.is_empty(), "{:?}", running.problems);
    let url = format!("https://127.0.0.1:{port}/e");

    let good = curl(&folder, "first", &url).await.unwrap();
    assert!(good.contains("accepted") && good.ends_with(" 200 0"), "{good}");
    let other = curl(&folder, "second", &url).await.unwrap_err();
    assert!(other.to_lowercase().contains("certificate"), "{other}");
    let plain = curl(&folder, "first", &format!("http://127.0.0.1:{port}/e")).await;
    assert!(!plain.is_ok_and(|said| said.contains("accepted")), "it took plain text");

    // half of a renewed pair does not fit: the one before stays
    lab.shelf.put("tls", "crt", &second.0);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(curl(&folder, "first", &url).await.is_ok(), "a certificate that does not fit its key was taken");
    lab.shelf.put("tls", "key", &second.1);
    let began = Instant::now();
    while let Err(why) = curl(&folder, "second", &url).await {
        assert!(began.elapsed() < Duration::from_secs(60), "the new certificate was never served: {why}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(curl(&folder, "first", &url).await.is_err(), "the old certificate is still served");
    std::fs::remove_dir_all(folder).unwrap();
}
