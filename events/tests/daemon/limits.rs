//! What one sender may hold and ask for, and who may send at all (F45, F46, V21, V24).
//! Measures no memory: the budgets are counted before anything is allocated.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use runner_events::bus::Query;
use runner_events::ingress::limits::Allowed;
use runner_events::ingress::verify::{Scheme, Secret, Secrets};
use runner_events::ingress::webhooks::Hook;
use runner_sensors::machine::Gate;
use serde_json::json;

use crate::lab::{Lab, PATH, lab, post};

fn hook(source: &str, scheme: Scheme) -> Hook {
    let namespace = "default".to_owned();
    Hook { source: source.to_owned(), namespace, scheme, sns: None, window_s: 0, closed: None }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn v21_a_webhook_without_a_secret_is_closed_to_other_machines_unless_that_is_wanted() {
    let signed = || Scheme::Hub(Secrets::new(Secret::new(b"s").unwrap(), None));
    let hooks =
        || vec![hook("grafana", Scheme::Open), hook("pagerduty", Scheme::Open), hook("github", signed())];
    let lab = Lab::new(&[]);
    // every address of this machine: nothing less is reached from others
    let everywhere = SocketAddr::from(([0, 0, 0, 0], 0));
    let running = lab
        .start_with(Gate::Open, |settings| {
            settings.listen = everywhere;
            settings.hooks = hooks();
            settings.open_hooks = vec!["pagerduty".to_owned()];
        })
        .await;
    let port = running.address.port();
    let here = SocketAddr::from(([127, 0, 0, 1], port));
    assert_eq!(running.problems.len(), 1, "{:?}", running.problems);
    assert!(running.problems[0].contains("DEVCTL_GRAFANA_WEBHOOK_SECRET"), "{:?}", running.problems);
    let (status, reply) = post(here, "/webhooks/grafana", &[], "{}").await;
    assert_eq!((status, reply), (403, json!({"error": "grafana is closed: it has no secret"})));
    assert_eq!(post(here, "/webhooks/github", &[], "{}").await.0, 400, "it has a secret");
    let wanted = r#"{"event": {"event_type": "incident.triggered"}}"#;
    assert_eq!(post(here, "/webhooks/pagerduty", &[], wanted).await.0, 200);
    running.kill().await;
    let alone = lab.start_with(Gate::Open, |settings| settings.hooks = hooks()).await;
    assert!(alone.problems.is_empty(), "{:?}", alone.problems);
    assert_eq!(post(alone.address, "/webhooks/grafana", &[], "{}").await.0, 200, "nobody else reaches it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn v24_an_address_that_asks_too_often_is_told_to_wait_and_leaves_no_event() {
    let lab = lab().await;
    let slow = Allowed { requests_per_second: 1, burst: 3, ..Allowed::default() };
    let running = lab.start_with(Gate::Closed, |settings| settings.allowed = slow).await;
    let mut answers = Vec::new();
    for number in 0..6 {
        let body = json!({"kind": "none", "number": number}).to_string();
        answers.push(post(running.address, PATH, &[], &body).await.0);
    }
    let kept = answers.iter().filter(|status| **status == 200).count();
    let refused = answers.iter().filter(|status| **status == 429).count();
    assert_eq!(kept + refused, 6, "{answers:?}");
    assert!(refused >= 1 && kept >= 3, "{answers:?}");
    assert_eq!(answers[..3], [200, 200, 200]);
    assert_eq!(lab.bus().list(&Query::default()).await.unwrap().len(), kept);
    let health = reqwest::get(format!("http://{}/health", running.address)).await.unwrap();
    assert_eq!(health.status(), 200, "whoever watches is not counted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f45_f46_connections_and_bodies_of_one_address_are_bounded_and_given_back() {
    let lab = lab().await;
    let few =
        Allowed { connections_per_address: 4, body_bytes_per_address: 1024 * 1024, ..Allowed::default() };
    let running = lab.start_with(Gate::Closed, |settings| settings.allowed = few).await;
    let address = running.address;
    // a body that is promised and does not come holds its room, so that another of that size has none
    let promise = move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        write!(stream, "POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 700000\r\n\r\n{{").unwrap();
        stream
    };
    let first = promise();
    let refused = tokio::task::spawn_blocking(move || {
        // the first request may be taken a moment later than the second
        let mut answer = String::new();
        for _ in 0..50 {
            let mut second = promise();
            second.set_read_timeout(Some(Duration::from_millis(400))).unwrap();
            let mut part = [0; 512];
            let got = second.read(&mut part).unwrap_or(0);
            answer = String::from_utf8_lossy(&part[..got]).into_owned();
            if !answer.is_empty() {
                break;
            }
        }
        answer
    });
    let refused = refused.await.unwrap();
    assert!(refused.starts_with("HTTP/1.1 503"), "{refused}");
    assert!(refused.to_lowercase().contains("retry-after"), "{refused}");
    drop(first);
    // four connections are held, a fifth is closed at once; those above may still count for a moment
    let closed = tokio::task::spawn_blocking(move || {
        (0..50).any(|_| {
            let held: Vec<TcpStream> = (0..4).map(|_| TcpStream::connect(address).unwrap()).collect();
            let mut one = TcpStream::connect(address).unwrap();
            one.set_read_timeout(Some(Duration::from_secs(9))).unwrap();
            let said =
                write!(one, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n").and_then(|()| one.read(&mut [0; 64]));
            drop(held);
            matches!(said, Ok(0)) || said.is_err_and(|error| error.kind() != std::io::ErrorKind::WouldBlock)
        })
    });
    assert!(closed.await.unwrap(), "a fifth connection was served");
    // all of it was given back
    let mut status = 0;
    for _ in 0..100 {
        let answer = reqwest::Client::new().post(format!("http://{address}{PATH}")).body("{}").send().await;
        status = answer.map_or(0, |answer| answer.status().as_u16());
        if status == 200 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(status, 200);
}
