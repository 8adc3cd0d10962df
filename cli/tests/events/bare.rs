//! The daemon in an image that holds nothing but the binary: no authorities of TLS.
//! Runs no container: variables make the machine look like one.

use crate::common::Place;

#[test]
fn the_daemon_starts_without_any_certificates() {
    let place = Place::new();
    let mut daemon = place.command(&["events", "daemon", "--port", "0", "--for", "1s"]);
    let nowhere = place.path().join("nowhere");
    let ran = daemon.env("SSL_CERT_FILE", &nowhere).env("SSL_CERT_DIR", &nowhere).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stderr).into_owned() + &String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success() && said.contains("listening on http://"), "{said}");
}
