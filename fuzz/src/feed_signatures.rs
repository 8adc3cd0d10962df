//! Feeds of signatures: a provider, headers and a body, as a stranger may send them to a source with a secret.
//! What is right is computed here a second time, by other code than the one that is fed.

use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Method};
use jiff::Timestamp;
use ring::hmac;
use runner_events::ingress::endpoint::named;
use runner_events::ingress::payload::{Kind, Request, read};
use runner_events::ingress::verify::sns::Message;
use runner_events::ingress::verify::{Delivery, Scheme, Secret, Secrets, TOLERANCE_S, verify};
use runner_events::ingress::webhooks::Hook;

/// The secret of the source, which no input knows: an input writes `$SECRET`, or `$SIGN` and its like for a right tag.
const SECRET: &str = "tIJ9aXkfuzz0QmZpWv";
/// When deliveries come: 2026-01-01T08:00:00Z.
const NOW_S: i64 = 1_767_254_400;
const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:fuzz";
/// The one message of SNS that was ever signed with this key, which is gone.
const SIGNED: [(&str, &str); 5] = [
    ("Type", "Notification"),
    ("MessageId", "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324"),
    ("Subject", "ALARM"),
    ("Message", "{\"AlarmName\":\"web-cpu-high\",\"NewStateValue\":\"ALARM\"}"),
    ("Timestamp", "2026-01-01T08:00:00.000Z"),
];
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\n\
    MIIDGzCCAgOgAwIBAgIUGUYUhZ7F+7IPJYNvfmq5D+2jXcowDQYJKoZIhvcNAQEL\n\
    BQAwHDEaMBgGA1UEAwwRc25zLmFtYXpvbmF3cy5jb20wIBcNMjYxMTIxMTIzNTMx\n\
    WhgPMjEyNjEwMjgxMjM1MzFaMBwxGjAYBgNVBAMMEXNucy5hbWF6b25hd3MuY29t\n\
    MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAwbg3flKWZBZEyfv8TqYi\n\
    2+0TYiaEwKHOOk42jtHAsoOI6CpwaVAWXdMc9q22s2KtN8zkDHFN6a53lExfiApk\n\
    CA0RzZcl00BSKPFZdZMJbIyKDrh6T1BuWrXM0ammsqfQ3RtCByDihwHT24kzIStm\n\
    /Pnk8ghnWjuv0XlSl2N49McDo6JsXzANQDeHjO+9YkbB6b8NLeNK6HTvkZcL3yTz\n\
    CQcqNgyp5hvCrMAr4acuvhaq2T7kh6ETSg685WMddrTuMkslgNeATCccaKYdcZV5\n\
    o1EdbBwO4frRXwlhGxHXzHJAgBd+xOsEBCbrbC3vwVkfOJ+l+35Uj0+q8POfIpJr\n\
    2QIDAQABo1MwUTAdBgNVHQ4EFgQUDlDr003Bv0fLK3r64HlWWVbpNY8wHwYDVR0j\n\
    BBgwFoAUDlDr003Bv0fLK3r64HlWWVbpNY8wDwYDVR0TAQH/BAUwAwEB/zANBgkq\n\
    hkiG9w0BAQsFAAOCAQEABBwkflUhqram08wiqHfqRGQhoYHX8z2oMfLM/wTJm9/K\n\
    eOltdGANZxjVd6+S5OPn/scsbFB5mtddjwLYnYM8b/NlJKnxPzdDP5pwXR+syHmg\n\
    f1LmELQ9AINU22S1PorciRtLROBj0ytdSdU0MC5LjKRAHbxhMlmdB3cGmewBLrbA\n\
    KK5NNZxDgHgEpVPS1gyCmM2jpjZoFxt/mg3JbPpGzBgF7/XbK65IJzKtxSxTL9Az\n\
    ojsGKRwPNkYnQ95gD47MiVrbWoYSGEFX5JqSAXqLkAl5q9oJxkTjITxf+s0O7I2U\n\
    1LB8OQThlxGZ1Zb5cy7nFbv64F8wrTLzK0j8MmLtvA==\n\
    -----END CERTIFICATE-----\n";

/// The first line names the scheme, header lines follow, and a body after a line `---`. Nobody is believed without the
/// right proof for exactly this body; a proof that is right is good for no other body and under no other secret.
pub fn signatures(input: &str) {
    let (head, body) = input.split_once("\n---\n").unwrap_or((input, ""));
    let mut lines = head.lines();
    let provider = lines.next().unwrap_or_default();
    let kind = kind(provider);
    if provider == "sns" {
        topic(body);
    }
    let given: Vec<(&str, &str)> = lines.take(64).filter_map(|line| line.split_once(": ")).collect();
    let headers = headers(provider, &given, body);
    reads(kind, &headers, body);
    let Some(scheme) = scheme(provider, SECRET) else { return };
    let Ok(now) = Timestamp::from_second(NOW_S) else { return };
    let judged = |scheme: &Scheme, body: &str| {
        verify(scheme, Delivery { headers: &headers, token: None, body: body.as_bytes(), now })
    };
    let verdict = judged(&scheme, body);
    assert_eq!(verdict, judged(&scheme, body), "two judgements differ");
    if verdict.is_err() || provider == "none" {
        return;
    }
    assert!(proven(provider, &headers, body), "{provider} is believed without a proof");
    if let Some(other) = self::scheme(provider, "another secret") {
        assert!(judged(&other, body).is_err(), "{provider}: any secret will do");
    }
    if !matches!(scheme, Scheme::Bearer(_) | Scheme::Token { .. }) {
        assert!(
            judged(&scheme, &format!("{body} ")).is_err(),
            "{provider}: the proof is good for another body"
        );
    }
}

fn kind(provider: &str) -> Kind {
    match provider {
        "github" => Kind::Github,
        "gitlab" => Kind::Gitlab,
        "bitbucket" => Kind::Bitbucket,
        "bitbucketserver" => Kind::BitbucketServer,
        "slack" => Kind::Slack,
        "stripe" => Kind::Stripe,
        "sns" => Kind::Sns,
        "gerrit" => Kind::Gerrit,
        "storageGrid" => Kind::StorageGrid,
        _ => Kind::Webhook,
    }
}

fn scheme(provider: &str, secret: &str) -> Option<Scheme> {
    let secrets = Secrets::new(Secret::new(secret.as_bytes())?, None);
    match provider {
        "bitbucket" | "bitbucketserver" => Some(Scheme::Hub(secrets)),
        "none" => Some(Scheme::Open),
        name => named(name, secrets).ok(),
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// What a provider signs, with the time as the headers have it.
fn signed(provider: &str, headers: &HeaderMap, body: &str) -> String {
    let (first, second) = provider.split_once(':').unwrap_or((provider, ""));
    match first {
        "slack" => format!("v0:{}:{body}", header(headers, "X-Slack-Request-Timestamp")),
        "stripe" => {
            let all = header(headers, "Stripe-Signature");
            let time = all.split(',').find_map(|part| part.trim().strip_prefix("t=")).unwrap_or_default();
            format!("{time}.{body}")
        }
        "grafana" if !second.is_empty() => format!("{}:{body}", header(headers, second)),
        "standard-webhooks" => {
            format!("{}.{}.{body}", header(headers, "webhook-id"), header(headers, "webhook-timestamp"))
        }
        _ => body.to_owned(),
    }
}

fn tag(algorithm: hmac::Algorithm, text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(algorithm, SECRET.as_bytes()), text.as_bytes()).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in bytes.chunks(3) {
        let bits = (0..3).fold(0_u32, |bits, at| bits << 8 | u32::from(three.get(at).copied().unwrap_or(0)));
        for at in 0..=three.len() {
            let place = usize::try_from(bits >> (18 - 6 * at) & 63).unwrap_or(0);
            out.push(char::from(LETTERS[place]));
        }
    }
    out
}

/// Every form in which a right tag may be written; base64 without its padding.
fn tags(text: &str) -> [String; 6] {
    let [small, middle, large] = [hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, hmac::HMAC_SHA256, hmac::HMAC_SHA512]
        .map(|hash| tag(hash, text));
    [hex(&middle), hex(&small), hex(&large), base64(&middle), base64(&small), base64(&large)]
}

fn headers(provider: &str, given: &[(&str, &str)], body: &str) -> HeaderMap {
    let make = |fill: &dyn Fn(&str) -> String| {
        let mut out = HeaderMap::new();
        for (name, value) in given {
            let name = HeaderName::from_bytes(name.as_bytes());
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(&fill(value))) {
                out.append(name, value);
            }
        }
        out
    };
    // times and ids are signed too: they are read first
    let bare = make(&|value| value.to_owned());
    let [sha256, sha1, sha512, base64, ..] = tags(&signed(provider, &bare, body));
    make(&|value| {
        let value = value.replace("$SECRET", SECRET).replace("$SIGN", &sha256).replace("$SHA512", &sha512);
        value.replace("$SHA1", &sha1).replace("$BASE64", &base64)
    })
}

/// Whether the headers hold the proof.
fn proven(provider: &str, headers: &HeaderMap, body: &str) -> bool {
    let all: Vec<&str> = headers.values().filter_map(|value| value.to_str().ok()).collect();
    if matches!(
        provider.split(':').next(),
        Some("gitlab" | "bearer" | "alertmanager" | "argocd" | "backstage")
    ) {
        return all.iter().any(|value| value.contains(SECRET));
    }
    let timed = match provider.split_once(':').unwrap_or((provider, "")) {
        ("slack", _) => header(headers, "X-Slack-Request-Timestamp").to_owned(),
        ("standard-webhooks", _) => header(headers, "webhook-timestamp").to_owned(),
        ("grafana", name) if !name.is_empty() => header(headers, name).to_owned(),
        ("stripe", _) => signed(provider, headers, "").trim_end_matches('.').to_owned(),
        _ => NOW_S.to_string(),
    };
    let near = timed.parse::<i64>().is_ok_and(|time| time.abs_diff(NOW_S) <= TOLERANCE_S.unsigned_abs());
    let right = tags(&signed(provider, headers, body));
    let holds = |value: &&str| {
        let small = value.to_ascii_lowercase();
        right.iter().any(|tag| value.contains(tag.as_str()) || small.contains(tag.as_str()))
    };
    near && all.iter().any(holds)
}

/// What a body becomes: the same twice, whoever sent it.
fn reads(kind: Kind, headers: &HeaderMap, body: &str) {
    for method in [Method::POST, Method::GET] {
        let request = Request { method: &method, query: body, headers, body: body.as_bytes() };
        let (first, second) =
            (read(kind, request, &Default::default()), read(kind, request, &Default::default()));
        assert_eq!(first, second, "two readings differ");
    }
    for source in ["github", "grafana", "cloudwatch", "pagerduty"] {
        let hook = Hook {
            source: source.to_owned(),
            namespace: "default".to_owned(),
            scheme: Scheme::Open,
            sns: None,
            window_s: 300,
            closed: None,
        };
        let _ = hook.event(headers, body.as_bytes());
    }
}

/// Messages of SNS: only what was signed is believed.
fn topic(body: &str) {
    let Ok(message) = Message::parse(body.as_bytes()) else { return };
    let verdict = message.verify(CERTIFICATE.as_bytes(), Some(TOPIC));
    assert_eq!(verdict, message.verify(CERTIFICATE.as_bytes(), Some(TOPIC)), "two judgements differ");
    assert!(
        message.confirmation().is_none_or(|url| url.scheme() == "https"),
        "an odd address would be asked"
    );
    if verdict.is_err() {
        return;
    }
    let found = [
        message.kind.as_str(),
        &message.message_id,
        message.subject.as_deref().unwrap_or_default(),
        &message.message,
        &message.timestamp,
    ];
    let same = SIGNED.iter().zip(found).all(|((_, signed), found)| *signed == found);
    assert!(same && message.topic_arn == TOPIC, "a message is believed that was never signed: {message:?}");
}
