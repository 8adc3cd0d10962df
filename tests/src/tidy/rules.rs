//! Rules about the text of files.
//! Each rule is a function from files to the list of what breaks it.

use std::path::Path;

use super::lexer::code;
use super::ratchet::Exceptions;
use super::tree::File;

/// What a pure crate must not name: clocks, sleeps, the environment, files, randomness, unordered maps.
const IMPURE: [&str; 17] = [
    "SystemTime",
    "std::time::Instant",
    "Instant::now",
    "Timestamp::now",
    "Zoned::now",
    "std::env",
    "env::var",
    "std::fs",
    "std::io",
    "std::net",
    "std::process",
    "thread::sleep",
    "thread::spawn",
    "HashMap",
    "HashSet",
    "RandomState",
    "new_v4",
];
/// Folders of the pure crates.
const PURE: [&str; 3] = ["workflows/src/", "engine/machine/src/", "events/sensors/src/"];

fn places<'f>(file: &'f File, code: &'f str, word: &'f str) -> impl Iterator<Item = String> + 'f {
    code.lines()
        .enumerate()
        .filter(move |(_, line)| line.contains(word))
        .map(move |(number, _)| format!("{}:{}: {word}", file.path, number + 1))
}

/// Pure crates name no clock, sleep, environment, file, randomness or unordered map.
pub fn purity(files: &[File]) -> Vec<String> {
    let pure = files.iter().filter(|file| {
        file.is_rust() && !file.is_test() && PURE.iter().any(|folder| file.path.starts_with(folder))
    });
    let mut wrong = Vec::new();
    for file in pure {
        let code = without_tests(&code(&file.text));
        for word in IMPURE {
            wrong.extend(places(file, &code, word));
        }
    }
    wrong
}

fn without_tests(code: &str) -> String {
    let lines: Vec<&str> = code.lines().collect();
    let end = lines.iter().zip(lines.iter().skip(1)).position(|(attribute, item)| {
        attribute.trim() == "#[cfg(test)]" && item.trim_start().starts_with("mod ") && item.contains('{')
    });
    lines[..end.unwrap_or(lines.len())].join("\n")
}

/// Each source file says in its first line what it is responsible for, and in its second what it is not; for
/// a file of tests the first is enough.
pub fn module_docs(files: &[File]) -> Vec<String> {
    let rust = files.iter().filter(|file| file.is_rust());
    rust.filter(|file| {
        let mut lines = file.text.lines();
        let first = lines.next().unwrap_or_default();
        let second = lines.next().unwrap_or_default();
        first.strip_prefix("//! ").is_none_or(str::is_empty)
            || !(second.starts_with("//! ") || file.is_test())
    })
    .map(|file| format!("{}: lines of `//!` are missing at its head", file.path))
    .collect()
}

/// Work that is put off names an issue.
pub fn put_off(files: &[File]) -> Vec<String> {
    let words = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:")];
    let mut wrong = Vec::new();
    for file in files {
        for (number, line) in file.text.lines().enumerate() {
            let put_off = words.iter().any(|word| line.contains(word));
            let names_issue =
                line.split('#').skip(1).any(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
            if put_off && !names_issue {
                wrong.push(format!("{}:{}: {}", file.path, number + 1, line.trim()));
            }
        }
    }
    wrong
}

/// Lints are expected with a reason, never switched off.
pub fn allowances(files: &[File]) -> Vec<String> {
    let mut wrong = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let code = code(&file.text);
        for word in ["#[allow(", "#![allow("] {
            wrong.extend(places(file, &code, word));
        }
    }
    wrong
}

/// `unsafe` stands only in the files that the ratchet lists.
pub fn unsafe_code(files: &[File], listed: &Exceptions) -> Vec<String> {
    let mut wrong = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        if !listed.contains_key(&("unsafe".to_owned(), file.path.clone())) {
            let code = code(&file.text);
            let found = ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern"]
                .into_iter()
                .flat_map(|word| places(file, &code, word));
            wrong.extend(found.map(|place| format!("{place}: list it under [unsafe] of the ratchet")));
        }
    }
    wrong
}

/// No file knows where the repository lies on the machine at hand.
pub fn own_paths(files: &[File], root: &Path, home: Option<&str>) -> Vec<String> {
    let mut words = vec![format!("{}/", root.display())];
    if let Some(home) = home.map(|home| home.trim_end_matches('/')).filter(|home| home.len() > 1) {
        words.push(format!("{home}/"));
    }
    let mut wrong = Vec::new();
    for file in files {
        for word in &words {
            wrong.extend(places(file, &file.text, word));
        }
    }
    wrong
}

/// Store ports stay small.
pub fn port_methods(files: &[File], most: usize) -> Vec<String> {
    let mut wrong = Vec::new();
    for file in files.iter().filter(|file| file.path == "store/src/ports.rs") {
        let code = code(&file.text);
        for part in code.split("pub trait ").skip(1) {
            let name: String = part.chars().take_while(|c| c.is_alphanumeric()).collect();
            let body = part.split("\n}").next().unwrap_or_default();
            let methods = body.lines().filter(|line| line.trim_start().starts_with("fn ")).count();
            if methods > most {
                wrong.push(format!("{}: trait {name} has {methods} methods, at most {most}", file.path));
            }
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> Vec<File> {
        vec![File { path: path.into(), text: text.into() }]
    }

    #[test]
    fn each_rule_finds_what_breaks_it() {
        assert_eq!(purity(&file("workflows/src/a.rs", "let x = Instant::now();")).len(), 1);
        assert_eq!(purity(&file("workflows/src/a.rs", "// Instant::now()")).len(), 0);
        assert_eq!(purity(&file("store/src/a.rs", "let x = Instant::now();")).len(), 0);
        assert_eq!(module_docs(&file("a/b.rs", "//! One.\n")).len(), 1);
        assert_eq!(module_docs(&file("a/b.rs", "//! One.\n//! Two.\n")).len(), 0);
        let word = concat!("// TO", "DO");
        assert_eq!(put_off(&file("a/b.rs", &format!("{word}: later"))).len(), 1);
        assert_eq!(put_off(&file("a/b.rs", &format!("{word}: later, #7"))).len(), 0);
        assert_eq!(allowances(&file("a/b.rs", concat!("#[al", "low(dead_code)]"))).len(), 1);
        assert_eq!(unsafe_code(&file("a/b.rs", "unsafe { x() }"), &Exceptions::new()).len(), 1);
        assert_eq!(own_paths(&file("a/b.md", "see /srv/x/y"), Path::new("/srv/x"), None).len(), 1);
        let ports = "pub trait A {\n    fn a();\n    fn b();\n}\n";
        assert_eq!(port_methods(&file("store/src/ports.rs", ports), 1).len(), 1);
    }
}
