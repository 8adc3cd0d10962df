//! How long the wildcards of a path may take on a text.
//! Does not match: gjson's crate does, and it tries every place again for each `*`.

/// Comparisons that any text may take.
const AT_LEAST: u64 = 10_000_000;
/// Comparisons for each byte of the text.
const PER_BYTE: u64 = 200;

/// Whether matching could take longer than the text is worth. A `*` with something behind it is tried wherever that may
/// begin, and the places of several multiply: the payload would decide how long a filter runs.
pub(super) fn too_wild(path: &str, json: &str) -> bool {
    let behind = behind_stars(path.as_bytes());
    // one star costs as much as the text is long
    let Some((_, multiplied)) = behind.split_last() else { return false };
    if multiplied.is_empty() {
        return false;
    }
    let bytes = (json.len() + path.len()) as u64;
    let places = multiplied.iter().map(|byte| most_places(*byte, path, json).max(1));
    places.fold(bytes, u64::saturating_mul) > AT_LEAST.saturating_add(bytes.saturating_mul(PER_BYTE))
}

/// What stands behind each `*` that is not the last of its part; none for what may be anything.
fn behind_stars(path: &[u8]) -> Vec<Option<u8>> {
    // in a query a point is a character like others
    let query = path.contains(&b'%');
    let pairs = path.iter().zip(path.iter().skip(1)).filter(|(star, _)| **star == b'*');
    let next = pairs.map(|(_, next)| *next);
    let next = next.filter(|next| !matches!(next, b'*' | b'|' | b'"' | b')' | b']' | b'}' | b','));
    next.filter(|next| query || *next != b'.')
        .map(|next| (!matches!(next, b'?' | b'\\')).then_some(next))
        .collect()
}

/// How often a byte stands in that text of the JSON, or in the path, where it stands most often.
fn most_places(byte: Option<u8>, path: &str, json: &str) -> u64 {
    let counts = |found: u8| u64::from(byte.is_none_or(|byte| byte == found));
    let (mut most, mut here, mut escaped) = (path.bytes().map(counts).sum(), 0, false);
    for found in json.bytes() {
        if found == b'"' && !escaped {
            most = u64::max(most, here);
            here = 0;
        }
        here += counts(found);
        escaped = found == b'\\' && !escaped;
    }
    u64::max(most, here)
}

#[cfg(test)]
mod tests {
    use super::too_wild;

    #[test]
    fn v27_a_payload_cannot_make_wildcards_run_for_long() {
        let long = format!("{{\"a\": \"{}\"}}", "ab".repeat(5000));
        let escaped = format!("{{\"a\": \"{}\"}}", "a\\\"".repeat(5000));
        for path in [r#"l.#(a%"*a*a*a*c")"#, "*a*a*a*c", "*?*?*?*c"] {
            assert!(too_wild(path, &long) && too_wild(path, &escaped), "{path}");
            assert!(!too_wild(path, r#"{"a": "main"}"#), "{path}");
        }
    }

    #[test]
    fn wildcards_as_people_write_them_pass() {
        let payload =
            format!("{{\"commits\": [{{\"message\": \"{}\"}}]}}", "fix the bug in the build ".repeat(200));
        for path in
            ["a.*.b.*.c.*", "*.js", r#"commits.#(message%"*fix*bug*").id"#, "refs/*/release-*", "a*", "*"]
        {
            assert!(!too_wild(path, &payload), "{path}");
        }
    }
}
