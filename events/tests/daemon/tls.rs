//! TLS of event sources (`serverCertSecret`, `serverKeySecret`) with a real client: curl, which checks the certificate; and of
//! http triggers, with a server that wants to see one.
//! Makes its certificates with openssl; without these programs the test says so and ends.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use runner_sensors::machine::Gate;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::lab::Lab;
use crate::triggers::{lab_of, outcomes};

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

/// A certificate for this machine by the authority `ca` of the folder; answers certificate and key.
fn signed(folder: &Path, name: &str) -> (String, String) {
    let made = Command::new("openssl")
        .current_dir(folder)
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
        .args(["-days", "1", "-CA", "ca.crt", "-CAkey", "ca.key", "-subj", &format!("/CN={name}")])
        .args(["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=CA:FALSE"])
        .args(["-keyout", &format!("{name}.key"), "-out", &format!("{name}.crt")])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let read = |end: &str| std::fs::read_to_string(folder.join(format!("{name}.{end}"))).unwrap();
    (read("crt"), read("key"))
}

/// A server that answers whoever shows a certificate of this authority; how many it answered.
async fn server(authority: &str, certificate: &str, key: &str) -> (u16, Arc<AtomicUsize>) {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let chain =
        |pem: &str| CertificateDer::pem_slice_iter(pem.as_bytes()).map(Result::unwrap).collect::<Vec<_>>();
    let mut roots = rustls::RootCertStore::empty();
    chain(authority).into_iter().for_each(|one| roots.add(one).unwrap());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.unwrap().with_client_cert_verifier(verifier.build().unwrap());
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let acceptor =
        tokio_rustls::TlsAcceptor::from(Arc::new(config.with_single_cert(chain(certificate), key).unwrap()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, answered) = (listener.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&answered);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = [0; 4096];
            if stream.read(&mut request).await.is_ok_and(|read| read > 0) {
                count.fetch_add(1, Ordering::SeqCst);
                drop(
                    stream
                        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                        .await,
                );
                drop(stream.shutdown().await);
            }
        }
    });
    (port, answered)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_http_trigger_believes_its_authority_and_shows_its_certificate() {
    if !tool("openssl") {
        return;
    }
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("mtls-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (authority, _) = certificate(&folder, "ca");
    let (mine, servers) = (signed(&folder, "client"), signed(&folder, "server"));
    let stranger = certificate(&folder, "stranger");
    let (port, answered) = server(&authority, &servers.0, &servers.1).await;
    let secret = |key: &str| json!({"name": "tls", "key": key});
    let call = |name: &str, tls: serde_json::Value| json!({"template": {"name": name, "http": {"url": format!("https://127.0.0.1:{port}/"), "tls": tls}}});
    let both = |mut tls: serde_json::Value, crt: &str, key: &str| {
        (tls["clientCertSecret"], tls["clientKeySecret"]) = (secret(crt), secret(key));
        tls
    };
    let triggers = json!([
        call("good", both(json!({"caCertSecret": secret("ca")}), "crt", "key")),
        call("blind", both(json!({"insecureSkipVerify": true}), "crt", "key")),
        call("no authority", both(json!({}), "crt", "key")),
        call("no certificate", json!({"caCertSecret": secret("ca")})),
        call("stranger", both(json!({"caCertSecret": secret("ca")}), "other crt", "other key")),
        call("half", json!({"caCertSecret": secret("ca"), "clientCertSecret": secret("crt")})),
    ]);
    let secrets = [
        ("tls", "ca", authority.as_str()),
        ("tls", "crt", &mine.0),
        ("tls", "key", &mine.1),
        ("tls", "other crt", &stranger.0),
        ("tls", "other key", &stranger.1),
    ];
    let lab = lab_of(&secrets, triggers).await;
    let done = outcomes(&lab, &json!({}), 6).await;
    let worked: Vec<&str> = done.iter().filter(|one| one.ok).map(|one| one.trigger.as_str()).collect();
    assert!(worked.len() == 2 && worked.contains(&"good") && worked.contains(&"blind"), "{done:?}");
    let of = |name: &str| done.iter().find(|one| one.trigger == name).unwrap();
    assert!(of("no authority").message.contains("certificate"), "{done:?}");
    assert!(of("half").message.contains("belong together"), "{done:?}");
    assert_eq!(answered.load(Ordering::SeqCst), 2, "{done:?}");
    std::fs::remove_dir_all(folder).unwrap();
}
