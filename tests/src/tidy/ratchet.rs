//! The ratchet: sizes beyond the limits that exist today, which may only shrink.
//! Never grows its own list: a person does, in review.
//!
//! Format of `tests/tidy-ratchet.toml`: the tables `[files]`, `[functions]` and `[unsafe]` with lines
//! `"path" = lines` and `"path::function" = lines`.

use std::collections::BTreeMap;

use super::size;
use super::tree::File;

/// Most lines of a file without its tests.
pub const FILE_LINES: usize = 600;
/// Most lines of a function.
pub const FUNCTION_LINES: usize = 70;

/// Exceptions by table and key.
pub type Exceptions = BTreeMap<(String, String), usize>;

/// Reads the exceptions.
///
/// # Errors
/// A line that is neither a table, a comment, nor `"key" = number`.
pub fn parse(text: &str) -> Result<Exceptions, String> {
    let mut table = String::new();
    let mut out = Exceptions::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            table = name.to_owned();
            continue;
        }
        let (key, number) = line.rsplit_once('=').ok_or_else(|| format!("not `\"key\" = number`: {line}"))?;
        let number = number.trim().parse().map_err(|_| format!("not a number: {line}"))?;
        out.insert((table.clone(), key.trim().trim_matches('"').to_owned()), number);
    }
    Ok(out)
}

/// Everything that is larger than the limits, in the shape of the exceptions.
pub fn measure(files: &[File]) -> Exceptions {
    let mut out = Exceptions::new();
    for file in files.iter().filter(|file| file.is_rust() && !file.is_test()) {
        let lines = size::lines(file);
        if lines > FILE_LINES {
            out.insert(("files".into(), file.path.clone()), lines);
        }
        for function in size::functions(file) {
            if function.lines > FUNCTION_LINES {
                out.insert(("functions".into(), format!("{}::{}", file.path, function.name)), function.lines);
            }
        }
    }
    out
}

/// What is wrong: growth beyond the list, and entries of the list that have become too large.
pub fn compare(found: &Exceptions, listed: &Exceptions) -> Vec<String> {
    let mut wrong = Vec::new();
    for (key, &lines) in found {
        match listed.get(key) {
            None => wrong.push(format!("[{}] \"{}\" = {lines}: too long; split it", key.0, key.1)),
            Some(&most) if lines > most => {
                wrong.push(format!("[{}] \"{}\" = {lines}: has grown from {most}", key.0, key.1));
            }
            Some(&most) if lines < most => {
                wrong.push(format!(
                    "[{}] \"{}\" = {lines}: has shrunk from {most}; lower its entry",
                    key.0, key.1
                ));
            }
            Some(_) => {}
        }
    }
    for (key, most) in listed.iter().filter(|(key, _)| key.0 != "unsafe") {
        if !found.contains_key(key) {
            wrong.push(format!(
                "[{}] \"{}\" = {most}: is within the limit now; remove its entry",
                key.0, key.1
            ));
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn it_only_shrinks() {
        let listed = parse("# why\n[files]\n\"a.rs\" = 700\n\"b.rs\" = 650\n").unwrap();
        let found = |lines| Exceptions::from([(("files".to_owned(), "a.rs".to_owned()), lines)]);
        assert_eq!(compare(&found(700), &listed).len(), 1, "b.rs is gone");
        assert_eq!(compare(&found(701), &listed).len(), 2);
        assert_eq!(compare(&found(699), &listed).len(), 2);
        assert!(compare(&listed, &listed).is_empty());
    }
}
