//! Masking against every encoding, every split and every overlap.
//! The running supervisor is tested in `tests/secrets.rs`.
#![expect(clippy::unwrap_used, reason = "tests")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Masks, Stream};
use crate::SecretValue;

fn masks(values: &[&str]) -> Masks {
    let values: Vec<SecretValue> = values.iter().map(|value| SecretValue::new(*value)).collect();
    Masks::new(&values)
}

/// Through the stream in pieces of a size.
fn in_pieces(masks: &Masks, text: &str, size: usize) -> String {
    let mut stream = Stream::default();
    let mut out = Vec::new();
    for chunk in text.as_bytes().chunks(size) {
        out.extend_from_slice(&stream.push(masks, chunk));
    }
    out.extend_from_slice(&stream.finish(masks));
    String::from_utf8(out).unwrap()
}

#[test]
fn v33_every_split_of_every_encoding_is_masked() {
    let secret = "p\"a/s s<w>ö&rd-0123456789";
    let masks = masks(&[secret]);
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let json = serde_json::to_string(secret).unwrap();
    let user = STANDARD.encode(format!("bob:{secret}@home"));
    let mut encoded = vec![secret.to_owned(), hex.clone(), hex.to_uppercase(), json.clone()];
    encoded.push(json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026"));
    encoded.push("p%22a%2Fs%20s%3Cw%3E%C3%B6%26rd-0123456789".to_owned());
    encoded.push("p%22a%2fs+s%3cw%3e%c3%b6%26rd-0123456789".to_owned());
    for shift in 0..3 {
        encoded.push(STANDARD.encode(format!("{}{secret}tail", "x".repeat(shift))));
    }
    encoded.push(user.clone());
    for form in &encoded {
        let text = format!("before {form} behind\n");
        let whole = masks.text(&text).into_owned();
        assert!(
            whole.starts_with("before ") && whole.ends_with(" behind\n") && whole.contains("***"),
            "{whole}"
        );
        for size in 1..text.len() {
            assert_eq!(in_pieces(&masks, &text, size), whole, "{form} in pieces of {size}");
        }
        for part in (0..secret.len().saturating_sub(8)).filter_map(|at| secret.get(at..at + 8)) {
            assert!(!whole.contains(part), "{form}: {whole}");
        }
    }
    assert!(!masks.text(&user).contains(user.get(8..30).unwrap()));
}

#[test]
fn v33_base64_in_lines_of_76_is_masked() {
    let secret = "k".repeat(200);
    let text = STANDARD.encode(&secret);
    let wrapped: Vec<String> =
        text.as_bytes().chunks(76).map(|line| String::from_utf8(line.to_vec()).unwrap()).collect();
    let text = format!("{}\nend\n", wrapped.join("\n"));
    let masks = masks(&[&secret]);
    for size in [1, 7, 76, 77, 1000] {
        assert_eq!(in_pieces(&masks, &text, size), "***\nend\n");
    }
}

#[test]
fn v33_lines_of_a_key_are_masked_one_by_one() {
    let key = "-----BEGIN KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQEF\n-----END KEY-----\n";
    let masks = masks(&[key]);
    assert_eq!(masks.text(key), "***");
    assert_eq!(masks.text("debug: kqhkiG9w0BAQEF."), "debug: ***.");
    assert_eq!(masks.text("MIIEvQIBADANBg\r\nkqhkiG9w0BAQEF\r\n"), "***\r\n***\r\n");
}

#[test]
fn v33_overlapping_and_nested_values_leave_no_rest() {
    let masks = masks(&["abcd", "abcdefgh", "ghij", "fghijklm"]);
    assert_eq!(masks.text("x abcd y"), "x *** y");
    assert_eq!(masks.text("abcdefghijklm!"), "***!");
    for size in 1..13 {
        assert_eq!(in_pieces(&masks, "abcdefghijklm! abcdefg.", size), "***! ***efg.");
    }
}

#[test]
fn v33_a_value_cut_off_by_the_end_is_masked() {
    let masks = masks(&["super-secret-token"]);
    assert_eq!(masks.text("Authorization: super-secret"), "Authorization: ***");
    assert_eq!(masks.text("it is su"), "it is su");
    assert_eq!(in_pieces(&masks, "Authorization: super-secret", 5), "Authorization: ***");
}

#[test]
fn short_values_and_other_text_stay() {
    assert!(masks(&["abc", "1\n", ""]).is_empty());
    let masks = masks(&["hunter2", "long-password"]);
    let text = "hunter hunte long-passwore h long-\n";
    for size in 1..text.len() {
        assert_eq!(in_pieces(&masks, text, size), text);
    }
    assert_eq!(format!("{masks:?}").matches("hunter2").count(), 0);
    assert_eq!(masks.text("the end: h"), "the end: h");
}

#[test]
fn what_cannot_be_a_value_is_not_held_back() {
    let masks = masks(&["hunter2"]);
    let mut stream = Stream::default();
    assert_eq!(stream.push(&masks, b"password? "), b"password? ".as_slice());
    assert_eq!(stream.push(&masks, b"hunt"), b"".as_slice());
    assert_eq!(stream.push(&masks, b"ing\n"), b"hunting\n".as_slice());
}
