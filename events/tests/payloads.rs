//! The corpus of webhook deliveries: each is believed or refused as its index says, and repeated ones have one id.
//! The corpus is read where it lies, never copied.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hyper::header::{HeaderName, HeaderValue};
use hyper::{HeaderMap, Method};
use jiff::Timestamp;
use runner_events::ingress::payload::{Accepted, Kind, Request, read};
use runner_events::ingress::verify::{Delivery, Scheme, Secret, Secrets, sns, verify};
use serde_json::Value;

fn corpus() -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance");
    let root = std::env::var("CONFORMANCE_DIR").map_or(here, PathBuf::from).join("events/payloads");
    if root.is_dir() {
        return Some(root);
    }
    eprintln!("skipped: no corpus at {}", root.display());
    None
}

fn kind(provider: &str) -> Kind {
    match provider {
        "github" => Kind::Github,
        "gitlab" => Kind::Gitlab,
        "slack" => Kind::Slack,
        "aws-sns" => Kind::Sns,
        _ => Kind::Webhook,
    }
}

fn scheme(given: &Value) -> Scheme {
    let Some(secret) = given["secret"].as_str() else { return Scheme::Open };
    let secrets = Secrets::new(Secret::new(secret.as_bytes()).unwrap(), None);
    let tolerance_s = given["toleranceSeconds"].as_i64().unwrap_or(300);
    let text = |name: &str| given[name].as_str().map(str::to_owned);
    match given["scheme"].as_str().unwrap() {
        "none" => Scheme::Open,
        "bearer" => Scheme::Bearer(secrets),
        "github" => Scheme::Hub(secrets),
        "gitlab-token" => Scheme::Token { header: "X-Gitlab-Token", secrets },
        "standard-webhooks" => Scheme::Standard { secrets, tolerance_s },
        "grafana" => Scheme::Grafana {
            secrets,
            header: text("header").unwrap(),
            timestamp_header: text("timestampHeader"),
            tolerance_s,
        },
        "pagerduty" => Scheme::PagerDuty(secrets),
        "slack-v0" => Scheme::Slack { secrets, tolerance_s },
        other => panic!("scheme {other}"),
    }
}

/// What becomes of one delivery: the event, or why it is refused.
fn deliver(root: &Path, case: &Value) -> Result<Accepted, String> {
    let body = std::fs::read(root.join(case["bodyFile"].as_str().unwrap())).unwrap();
    let mut headers = HeaderMap::new();
    for (name, value) in case["headers"].as_object().unwrap() {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, HeaderValue::from_str(value.as_str().unwrap()).unwrap());
    }
    let now = Timestamp::from_second(case["now"].as_i64().unwrap_or(1_766_829_600)).unwrap();
    let how = &case["verify"];
    if how["scheme"] == "aws-sns" {
        let message = sns::Message::parse(&body).map_err(|e| e.to_string())?;
        assert_eq!(message.signing_cert_url, how["certificateUrl"].as_str().unwrap(), "{}", case["id"]);
        let certificate = std::fs::read(root.join(how["certificateFile"].as_str().unwrap())).unwrap();
        message.verify(&certificate, how["topicArn"].as_str()).map_err(|e| e.to_string())?;
        if let Some(get) = case["confirm"]["get"].as_str() {
            assert_eq!(message.confirmation().unwrap().as_str(), get);
        }
    } else {
        let delivery = Delivery { headers: &headers, token: None, body: &body, now };
        verify(&scheme(how), delivery).map_err(|e| e.to_string())?;
    }
    let request = Request { method: &Method::POST, query: "", headers: &headers, body: &body };
    let kind = kind(case["provider"].as_str().unwrap());
    read(kind, request, &BTreeMap::new()).map_err(|e| e.to_string())
}

/// A value by a path as the index writes it: header names in the sender's capitalisation, `#` for a length.
fn at(data: &Value, path: &str) -> Value {
    let mut here = data.clone();
    for part in path.split('.') {
        here = match (&here, part) {
            (Value::Array(list), "#") => Value::from(list.len()),
            (Value::Array(list), part) => {
                list.get(part.parse::<usize>().unwrap()).cloned().unwrap_or_default()
            }
            (Value::Object(map), part) => {
                let found = map.iter().find(|(name, _)| name.eq_ignore_ascii_case(part));
                found.map(|(_, value)| value.clone()).unwrap_or_default()
            }
            _ => Value::Null,
        };
        if path.starts_with("headers.")
            && let Value::Array(list) = &here
        {
            here = list[0].clone();
        }
    }
    here
}

#[test]
fn v21_v23_v28_recorded_deliveries_are_judged_as_the_corpus_says() {
    let Some(root) = corpus() else { return };
    let index: Value = serde_json::from_slice(&std::fs::read(root.join("index.json")).unwrap()).unwrap();
    let (mut keys, mut wrong) = (BTreeMap::new(), Vec::new());
    let cases = index["cases"].as_array().unwrap();
    for case in cases {
        let (id, expect) = (case["id"].as_str().unwrap(), &case["expect"]);
        let found = deliver(&root, case);
        if expect["accepted"] != found.is_ok() {
            wrong.push(format!("{id}: {found:?}"));
        }
        let Ok(found) = found else { continue };
        if let Some(wanted) = expect["dedupKey"].as_str().or(case["dedupKey"].as_str())
            && found.key.as_deref() != Some(wanted)
        {
            wrong.push(format!("{id}: its id is {:?}", found.key));
        }
        if let Some(contains) = case["reply"]["contains"].as_str()
            && found.reply.as_deref() != Some(contains)
        {
            wrong.push(format!("{id}: reply {:?}", found.reply));
        }
        for (path, wanted) in expect["fields"].as_object().into_iter().flatten() {
            let actual = at(found.data.as_ref().unwrap(), path);
            if actual != *wanted {
                wrong.push(format!("{id}: {path} is {actual}"));
            }
        }
        keys.insert(id.to_owned(), found.key);
    }
    for case in cases {
        let Some(earlier) = case["duplicateOf"].as_str() else { continue };
        let id = case["id"].as_str().unwrap();
        if keys[id].is_none() || keys[id] != keys[earlier] {
            wrong.push(format!("{id}: {:?} is not {:?} of {earlier}", keys[id], keys[earlier]));
        }
    }
    assert_ne!(keys["alertmanager/firing"], keys["alertmanager/resolved"]);
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    println!("{} deliveries of the corpus judged", cases.len());
}
