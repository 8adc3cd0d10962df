//! The schemes one by one, with right, wrong, missing and malformed proofs.
//! The recorded deliveries of the corpus are in `events/tests/payloads.rs`.
#![expect(clippy::unwrap_used, reason = "tests")]

use hyper::header::{HeaderName, HeaderValue};
use ring::hmac;

use super::*;

fn secrets(current: &str, previous: Option<&str>) -> Secrets {
    Secrets::new(Secret::new(current.as_bytes()).unwrap(), previous.and_then(|s| Secret::new(s.as_bytes())))
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&str, &str)| {
        (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap())
    };
    pairs.iter().map(pair).collect()
}

fn check(scheme: &Scheme, pairs: &[(&str, &str)], body: &str, now: i64) -> Result<(), Refusal> {
    let headers = headers(pairs);
    let now = Timestamp::from_second(now).unwrap();
    verify(scheme, Delivery { headers: &headers, token: None, body: body.as_bytes(), now })
}

fn sign(secret: &str, text: &str) -> String {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), text.as_bytes());
    tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn v21_empty_secrets_are_no_secrets() {
    for empty in ["", "\n", "  \n", "\r\n"] {
        assert!(Secret::new(empty.as_bytes()).is_none(), "{empty:?}");
    }
    assert_eq!(Secret::new(b"s\n"), Secret::new(b"s"));
    assert_eq!(format!("{:?}", secrets("top", Some("old"))), "Secrets { current: ***, previous: Some(***) }");
}

#[test]
fn v21_both_secrets_are_good_while_they_are_changed() {
    let scheme = Scheme::Hub(secrets("new", Some("old")));
    for (secret, ok) in [("new", true), ("old", true), ("older", false)] {
        let signature = format!("sha256={}", sign(secret, "body"));
        let found = check(&scheme, &[("X-Hub-Signature-256", &signature)], "body", 0);
        assert_eq!(found.is_ok(), ok, "{secret}: {found:?}");
    }
}

#[test]
fn v21_a_weak_signature_does_not_replace_a_wrong_strong_one() {
    let scheme = Scheme::Hub(secrets("s", None));
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, b"s");
    let weak: String = hmac::sign(&key, b"body").as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let weak = format!("sha1={weak}");
    assert!(check(&scheme, &[("X-Hub-Signature", &weak)], "body", 0).is_ok());
    let both = [("X-Hub-Signature", weak.as_str()), ("X-Hub-Signature-256", "sha256=00")];
    assert!(matches!(check(&scheme, &both, "body", 0), Err(Refusal::Mismatch(_))));
    let none = check(&scheme, &[], "body", 0);
    assert_eq!(none, Err(Refusal::Missing("X-Hub-Signature-256".to_owned())));
}

#[test]
fn v23_a_signed_time_must_be_near() {
    let scheme = Scheme::Stripe { secrets: secrets("s", None), tolerance_s: TOLERANCE_S };
    let header = format!("t=1000,v1={},v0=ignored", sign("s", "1000.{}"));
    let at = |now| check(&scheme, &[("Stripe-Signature", &header)], "{}", now);
    assert_eq!((at(1000), at(1300), at(700)), (Ok(()), Ok(()), Ok(())));
    assert_eq!(at(1301), Err(Refusal::Stale { tolerance_s: 300 }));
    assert_eq!(at(699), Err(Refusal::Stale { tolerance_s: 300 }));
    let moved = header.replace("t=1000", "t=1001");
    assert!(matches!(check(&scheme, &[("Stripe-Signature", &moved)], "{}", 1000), Err(Refusal::Mismatch(_))));
    for bad in ["", "v1=00", "t=,v1=00", "t=1000", "t=1000,v1=", "t=99999999999999999999,v1=00"] {
        let found = check(&scheme, &[("Stripe-Signature", bad)], "{}", 1000);
        assert!(matches!(found, Err(Refusal::Malformed(_))), "{bad}: {found:?}");
    }
}

#[test]
fn s2_16_a_token_may_stand_in_the_query() {
    let scheme = Scheme::Token { header: "X-Gitlab-Token", secrets: secrets("token", None) };
    let headers = HeaderMap::new();
    let now = Timestamp::UNIX_EPOCH;
    let with = |token| verify(&scheme, Delivery { headers: &headers, token, body: b"", now });
    assert_eq!(with(Some("token")), Ok(()));
    assert!(matches!(with(Some("toke")), Err(Refusal::Mismatch(_))));
    assert!(matches!(with(None), Err(Refusal::Missing(_))));
}

#[test]
fn a_generic_hmac_has_header_prefix_and_encoding() {
    use base64::Engine as _;
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA512, b"s"), b"body");
    let text = base64::prelude::BASE64_STANDARD.encode(tag);
    let scheme = Scheme::Hmac {
        secrets: secrets("s", None),
        header: "X-Signature".to_owned(),
        prefix: "sha512-".to_owned(),
        algorithm: Algorithm::Sha512,
        encoding: Encoding::Base64,
    };
    assert!(check(&scheme, &[("x-signature", &format!("sha512-{text}"))], "body", 0).is_ok());
    assert!(check(&scheme, &[("x-signature", &format!("sha512-{text}"))], "bodY", 0).is_err());
    assert!(matches!(check(&scheme, &[("x-signature", &text)], "body", 0), Err(Refusal::Malformed(_))));
}

#[test]
fn v28_only_addresses_of_the_service_are_good() {
    let good = r#"{"Type":"Notification","MessageId":"1","TopicArn":"t","Message":"m","Timestamp":"x",
        "SignatureVersion":"2","Signature":"AA==","SigningCertURL":"WHERE"}"#;
    for (url, ok) in [
        ("https://sns.us-east-1.amazonaws.com/a.pem", true),
        ("https://sns.cn-north-1.amazonaws.com.cn/a.pem", true),
        ("http://sns.us-east-1.amazonaws.com/a.pem", false),
        ("https://sns.us-east-1.amazonaws.com.evil.example/a.pem", false),
        ("https://sns.us-east-1.amazonaws.com@evil.example/a.pem", false),
        ("https://sns.us-east-1.amazonaws.com:8443/a.pem", false),
        ("https://sns.x.y.amazonaws.com/a.pem", false),
        ("https://evil.example/sns.us-east-1.amazonaws.com/a.pem", false),
        ("https://sns.us-east-1.amazonaws.com/a.txt", false),
        ("https://sns..amazonaws.com/a.pem", false),
        ("https://127.0.0.1/a.pem", false),
    ] {
        let found = sns::Message::parse(good.replace("WHERE", url).as_bytes());
        assert_eq!(found.is_ok(), ok, "{url}: {found:?}");
    }
}
