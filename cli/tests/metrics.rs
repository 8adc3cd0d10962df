//! `runner engine --metrics-address`: what workflows count can be scraped.
//! Runs the built binary; the scraper is a plain TCP connection.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Stdio;
use std::time::{Duration, Instant};

use common::Place;

const COUNTED: &str = "\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {name: counted}
spec:
  entrypoint: main
  metrics:
    prometheus:
    - {name: greetings, help: 'How often.', counter: {value: '3'}, labels: [{key: who, value: '{{workflow.name}}'}]}
  templates:
  - name: main
    container: {image: busybox, command: [echo, x]}
";

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\n\r\n").unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    said
}

#[test]
fn an_engine_serves_what_workflows_count() {
    let place = Place::new();
    place.write("counted.yaml", COUNTED);
    let mut engine = place
        .command(&["engine", "--idle", "60", "--metrics-address", "127.0.0.1:0"])
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(engine.stderr.take().unwrap()).lines();
    let said = lines.find_map(|line| Some(line.unwrap().strip_prefix("metrics: http://")?.to_owned()));
    let address = said.unwrap().strip_suffix("/metrics").unwrap().to_owned();
    assert!(get(&address, "/metrics").contains("\nrunner_build_info{version=\""));
    assert!(get(&address, "/healthz").starts_with("HTTP/1.1 200 "));
    assert!(get(&address, "/").starts_with("HTTP/1.1 404 "));
    // the engine that this starts finds the store taken: the one above runs the workflow
    place.run(&["submit", "-d", "counted.yaml"]).code(0);
    let wanted = "argo_workflows_greetings{who=\"counted\"} 3";
    let began = Instant::now();
    let mut last = String::new();
    while !last.contains(wanted) && began.elapsed() < Duration::from_secs(60) {
        last = get(&address, "/metrics");
        std::thread::sleep(Duration::from_millis(100));
    }
    engine.kill().unwrap();
    engine.wait().unwrap();
    assert!(last.contains(wanted), "{last}");
}
