//! kubectl's flags and words, as far as a resource template may use them.
//! Asks nobody: kinds and names are resolved elsewhere, and what is not built in is refused by name.

use crate::{Problem, Result};

/// How dependents of a deleted object go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Cascade {
    /// After it.
    #[default]
    Background,
    /// Before it.
    Foreground,
    /// Not at all.
    Orphan,
}

impl Cascade {
    /// As the API spells it.
    pub(crate) fn policy(self) -> &'static str {
        match self {
            Self::Background => "Background",
            Self::Foreground => "Foreground",
            Self::Orphan => "Orphan",
        }
    }
}

/// What the flags say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags {
    /// Words that are no flags: kinds and names.
    pub(crate) words: Vec<String>,
    /// `-n`.
    pub(crate) namespace: Option<String>,
    /// `-l`, of delete.
    pub(crate) selector: Option<String>,
    /// `--all`, of delete.
    pub(crate) all: bool,
    /// `--ignore-not-found`, of get.
    pub(crate) ignore_not_found: bool,
    /// `--cascade`, of delete.
    pub(crate) cascade: Cascade,
    /// `--grace-period`, of delete, in seconds.
    pub(crate) grace_seconds: Option<u64>,
    /// `--wait=false`, of delete.
    pub(crate) no_wait: bool,
    /// `--dry-run=server`.
    pub(crate) dry_run: bool,
    /// `--field-manager`.
    pub(crate) field_manager: Option<String>,
    /// `--subresource`, of get, patch and replace.
    pub(crate) subresource: Option<String>,
}

/// Flags that have a value.
const VALUES: [&str; 11] = [
    "namespace",
    "selector",
    "cascade",
    "grace-period",
    "dry-run",
    "field-manager",
    "subresource",
    "output",
    "validate",
    "timeout",
    "request-timeout",
];
/// Flags that are there or not.
const SWITCHES: [&str; 9] = [
    "all",
    "ignore-not-found",
    "wait",
    "force",
    "force-conflicts",
    "server-side",
    "overwrite",
    "record",
    "save-config",
];

impl Flags {
    /// Reads the flags of an action.
    ///
    /// # Errors
    /// A flag that is not built in, or a value that it cannot have.
    pub(crate) fn read(action: &str, given: &[String]) -> Result<Self> {
        let mut flags = Self::default();
        let mut words = given.iter();
        while let Some(word) = words.next() {
            let Some((name, value)) = split(word) else {
                flags.words.push(word.clone());
                continue;
            };
            if VALUES.contains(&name.as_str()) {
                let value = match value {
                    Some(value) => value,
                    // The two that kubectl lets stand alone.
                    None if matches!(name.as_str(), "dry-run" | "validate") => String::new(),
                    None => words.next().cloned().ok_or_else(|| bad(action, word, "needs a value"))?,
                };
                flags.value(action, &name, &value)?;
            } else if SWITCHES.contains(&name.as_str()) {
                let on = match value.as_deref() {
                    None | Some("true") => true,
                    Some("false") => false,
                    Some(_) => return Err(bad(action, word, "is true or false")),
                };
                flags.switch(action, &name, on)?;
            } else {
                return Err(bad(action, word, "is not built in"));
            }
        }
        Ok(flags)
    }

    fn value(&mut self, action: &str, name: &str, value: &str) -> Result<()> {
        let wrong = |why: &str| Err(bad(action, &format!("--{name}={value}"), why));
        match (name, action) {
            ("namespace", _) => self.namespace = Some(value.to_owned()),
            ("selector", "delete") => self.selector = Some(value.to_owned()),
            ("cascade", "delete") => {
                self.cascade = match value {
                    "background" | "true" => Cascade::Background,
                    "foreground" => Cascade::Foreground,
                    "orphan" | "false" => Cascade::Orphan,
                    _other => return wrong("is background, foreground or orphan"),
                }
            }
            ("grace-period", "delete") => match value.parse::<i64>() {
                // -1 is kubectl's own default: what the object says.
                Ok(seconds) => self.grace_seconds = u64::try_from(seconds).ok(),
                Err(_) => return wrong("is a number of seconds"),
            },
            ("dry-run", "create" | "apply" | "patch" | "replace" | "delete") => match value {
                "server" => self.dry_run = true,
                "none" => self.dry_run = false,
                _other => return wrong("is server or none here"),
            },
            ("field-manager", "create" | "apply" | "patch" | "replace") => {
                self.field_manager = Some(value.to_owned());
            }
            ("subresource", "get" | "patch" | "replace") if matches!(value, "status" | "scale") => {
                self.subresource = Some(value.to_owned());
            }
            // The engine asks for what it needs, whatever the template says; the server validates; timeouts are the
            // template's.
            ("output" | "validate" | "request-timeout", _) | ("timeout", "delete") => {}
            _other => return wrong("is not built in"),
        }
        Ok(())
    }

    fn switch(&mut self, action: &str, name: &str, on: bool) -> Result<()> {
        match (name, action) {
            ("all", "delete") => self.all = on,
            ("ignore-not-found", "get" | "delete") => self.ignore_not_found = on,
            ("wait", "delete") => self.no_wait = !on,
            // Applying is always done by the server here, and takes fields over (docs/resources.md).
            ("force-conflicts" | "server-side" | "overwrite", "apply") if on => {}
            ("record" | "save-config", _) => {}
            ("force", "delete") if on => self.grace_seconds = Some(0),
            (_, _) if !on => {}
            _other => return Err(bad(action, &format!("--{name}"), "is not built in")),
        }
        Ok(())
    }
}

/// Name and value of a flag; nothing when the word is none.
fn split(word: &str) -> Option<(String, Option<String>)> {
    if let Some(long) = word.strip_prefix("--") {
        return Some(match long.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (long.to_owned(), None),
        });
    }
    let short = word.strip_prefix('-').filter(|rest| !rest.is_empty())?;
    let letter = short.chars().next()?;
    let name = match letter {
        'n' => "namespace",
        'l' => "selector",
        'o' => "output",
        _other => return Some((word.to_owned(), None)),
    };
    let rest = &short[letter.len_utf8()..];
    let value = rest.strip_prefix('=').unwrap_or(rest);
    Some((name.to_owned(), (!value.is_empty()).then(|| value.to_owned())))
}

fn bad(action: &str, flag: &str, why: &str) -> Problem {
    Problem::Input(format!(
        "resource: flag {flag:?} of action {action} {why}; plugin kubectl has kubectl's own behaviour \
         (docs/plugins.md)"
    ))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn read(action: &str, words: &[&str]) -> Result<Flags> {
        Flags::read(action, &words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn every_spelling_of_a_namespace_is_read() {
        for words in [&["-n", "a"][..], &["-na"], &["-n=a"], &["--namespace", "a"], &["--namespace=a"]] {
            assert_eq!(read("get", words).unwrap().namespace.as_deref(), Some("a"), "{words:?}");
        }
        let flags = read("delete", &["pod", "x", "--cascade=orphan", "--wait=false", "--force"]).unwrap();
        assert_eq!(flags.words, ["pod", "x"]);
        assert_eq!((flags.cascade, flags.no_wait, flags.grace_seconds), (Cascade::Orphan, true, Some(0)));
    }

    #[test]
    fn v31_flags_that_choose_another_cluster_identity_or_file_are_refused() {
        for flag in [
            "--kubeconfig=x",
            "--context=x",
            "--server=x",
            "--token=x",
            "--as=x",
            "-f",
            "--filename=x",
            "-k",
            "--raw=/x",
        ] {
            assert!(read("get", &[flag, "x"]).is_err(), "{flag}");
        }
        assert!(read("get", &["--cascade=orphan"]).is_err(), "another action's flag");
        assert!(read("get", &["-n"]).is_err(), "no value");
    }
}
