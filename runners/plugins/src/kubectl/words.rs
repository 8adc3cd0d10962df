//! A command line of kubectl that a template cannot break out of (V31): commands, flags and words of closed sets.
//! Runs nothing.

use serde_json::Value;

/// The commands there are: none that opens a session, writes local files, or runs programs of this machine.
const COMMANDS: [&str; 18] = [
    "annotate",
    "api-resources",
    "apply",
    "auth can-i",
    "create",
    "delete",
    "describe",
    "get",
    "label",
    "logs",
    "patch",
    "replace",
    "rollout restart",
    "rollout status",
    "rollout undo",
    "scale",
    "version",
    "wait",
];
/// Those that take a manifest on standard input.
const MANIFEST: [&str; 8] = ["apply", "create", "delete", "get", "label", "annotate", "replace", "patch"];
/// The flags there are: none that names a cluster, an identity, a file or an address.
const FLAGS: [&str; 38] = [
    "all",
    "all-containers",
    "all-namespaces",
    "cascade",
    "client",
    "container",
    "current-replicas",
    "dry-run",
    "field-manager",
    "field-selector",
    "for",
    "force",
    "force-conflicts",
    "grace-period",
    "ignore-not-found",
    "list",
    "no-headers",
    "output",
    "overwrite",
    "previous",
    "prefix",
    "replicas",
    "request-timeout",
    "resource-version",
    "save-config",
    "selector",
    "server-side",
    "show-labels",
    "since",
    "sort-by",
    "subresource",
    "tail",
    "timeout",
    "timestamps",
    "to-revision",
    "type",
    "validate",
    "wait",
];

/// The words of a command line, in the order kubectl gets them: flags come before `--`, words behind it.
pub(super) struct Words {
    command: &'static str,
    argv: Vec<String>,
    ended: bool,
}

impl Words {
    /// The command.
    pub(super) fn new(command: &str) -> Result<Self, String> {
        let given: Vec<&str> = command.split_whitespace().collect();
        let given = given.join(" ");
        let known = COMMANDS.into_iter().find(|known| *known == given);
        let command = known
            .ok_or_else(|| format!("there is no command {given:?}; there are {}", COMMANDS.join(", ")))?;
        Ok(Self { command, argv: command.split(' ').map(str::to_owned).collect(), ended: false })
    }

    /// A flag of ours.
    pub(super) fn own(&mut self, name: &str, value: &str) {
        self.argv.push(format!("--{name}={value}"));
    }

    /// A flag of the template.
    pub(super) fn flag(&mut self, name: &str, value: &Value) -> Result<(), String> {
        if !FLAGS.contains(&name) {
            return Err(format!("flag {name:?} is not one of {}", FLAGS.join(", ")));
        }
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Bool(_) | Value::Number(_) => value.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => {
                return Err(format!("the value of flag {name:?} is a text, a number, true or false"));
            }
        };
        if text.contains(['\0', '\n', '\r']) {
            return Err(format!("the value of flag {name:?} is one line"));
        }
        // Two forms of output read a file of this machine.
        if name == "output"
            && ["jsonpath-file", "go-template-file", "custom-columns-file", "templatefile"]
                .iter()
                .any(|f| text.starts_with(f))
        {
            return Err("an output format that reads a file is not for templates".to_owned());
        }
        self.own(name, &text);
        Ok(())
    }

    /// Standard input is the manifest, or the patch.
    pub(super) fn manifest(&mut self) -> Result<(), String> {
        if !MANIFEST.contains(&self.command) {
            return Err(format!("{} takes no manifest", self.command));
        }
        if self.command == "patch" {
            self.own("patch-file", "/dev/stdin")
        } else {
            self.own("filename", "-")
        }
        Ok(())
    }

    /// A kind, a name or an assignment.
    pub(super) fn word(&mut self, word: &str) -> Result<(), String> {
        if word.is_empty() || word.starts_with('-') || word.contains(|c: char| c.is_control()) {
            return Err(format!("{word:?} is no kind, name or assignment"));
        }
        self.end();
        self.argv.push(word.to_owned());
        Ok(())
    }

    fn end(&mut self) {
        if !self.ended {
            self.argv.push("--".to_owned());
            self.ended = true;
        }
    }

    /// The words.
    pub(super) fn argv(&self) -> &[String] {
        &self.argv
    }

    /// The words, for people.
    pub(super) fn shown(&self) -> String {
        self.argv.join(" ")
    }
}
