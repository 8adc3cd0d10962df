//! Keys of firings and names of what they create: computed, so that doing something twice finds the first.
//! Does not create anything.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// What makes a firing different from another one of the same events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replay<'a> {
    /// The events came through the bus.
    No,
    /// They were replayed by hand under this token.
    Token(&'a str),
}

/// Longest name of a Kubernetes object that also fits a label.
const NAME_LIMIT: usize = 63;

/// The key of a firing: sensor, trigger and the ids of the events.
#[must_use]
pub fn firing_key(
    namespace: &str,
    sensor: &str,
    trigger: &str,
    events: &BTreeMap<String, String>,
    replay: Replay<'_>,
) -> String {
    let mut hash = Sha256::new();
    let mut part = |text: &str| {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    };
    [namespace, sensor, trigger].into_iter().for_each(&mut part);
    for (dependency, event) in events {
        part(dependency);
        part(event);
    }
    if let Replay::Token(token) = replay {
        part("replay");
        part(token);
    }
    let mut key = format!("{namespace}/{sensor}/{trigger}/");
    for byte in hash.finalize().iter().take(16) {
        let _ = write!(key, "{byte:02x}");
    }
    key
}

/// The name of the object that a firing creates: the prefix with ten letters that follow from the key.
#[must_use]
pub fn child_name(generate_name: &str, key: &str) -> String {
    const LETTERS: &[u8; 32] = b"bcdfghjklmnpqrstvwxz024567893-ay";
    let digest = Sha256::digest(key.as_bytes());
    let letters =
        digest.iter().take(10).map(|byte| LETTERS.get(usize::from(byte % 27)).copied().unwrap_or(b'b'));
    let prefix: String = generate_name.chars().take(NAME_LIMIT - 10).collect();
    letters.fold(prefix, |mut name, letter| {
        name.push(char::from(letter));
        name
    })
}
