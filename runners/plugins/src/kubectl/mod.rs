//! The plugin `kubectl`: one command of the kubectl that is installed, for those who need its exact behaviour.
//! Speaks to no cluster itself; what a template can make kubectl do is decided in `words`.

mod words;

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use runner_runners::Cluster;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::order::{Done, Failure, Step};
use crate::work::fields::{Flag, Texts};
use crate::work::say;
use words::Words;

/// Most bytes of standard output: it becomes a value of the workflow.
const OUTPUT_BYTES: usize = 1 << 20;

/// The fields under `plugin: {kubectl: ...}`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Fields {
    /// The command, such as `apply` or `rollout status`.
    command: String,
    /// Kinds, names and assignments: words that are never flags.
    #[serde(default)]
    args: Texts,
    /// The namespace; the workflow's when absent.
    #[serde(default)]
    namespace: String,
    /// Flags by name, without dashes.
    #[serde(default)]
    flags: Map<String, Value>,
    /// The manifest, or the patch of `patch`.
    #[serde(default)]
    manifest: String,
    /// Shows the command and runs nothing.
    #[serde(default)]
    dry_run: Flag,
}

/// Runs kubectl; its standard output is the step's result, and `exitCode` an output.
///
/// # Errors
/// Error when fields are wrong or there is no kubectl; Failed with what kubectl said last.
pub(crate) fn run(step: &Step) -> Result<Done, Failure> {
    let fields: Fields = step.plugin_input()?;
    let order = step.order();
    let words = words(&fields, &order.cluster, &order.namespace).map_err(|why| {
        Failure::error(format!("plugin kubectl: {why} (docs/plugins.md says what there is)"))
    })?;
    if fields.dry_run.0 {
        say(&format!("dry run: kubectl {}", words.shown()));
        return Ok(Done::result("").with("exitCode", "0"));
    }
    let program = find(std::env::var_os("PATH").unwrap_or_default().as_os_str())
        .ok_or_else(|| Failure::error("there is no kubectl on PATH; resource templates need none"))?;
    let mut command = Command::new(program);
    command.args(words.argv()).env("KUBERC", "off");
    // Everything that could choose another cluster or load a program is said by flags or not at all.
    for name in ["KUBECONFIG", "KUBECTL_EXTERNAL_DIFF", "KUBE_EDITOR", "EDITOR"] {
        command.env_remove(name);
    }
    call(command, &fields.manifest)
}

/// The words of the command line.
fn words(fields: &Fields, cluster: &Cluster, namespace: &str) -> Result<Words, String> {
    let mut words = Words::new(&fields.command)?;
    if let Some(file) = &cluster.kubeconfig {
        words.own("kubeconfig", &file.to_string_lossy());
    }
    if let Some(context) = &cluster.context {
        words.own("context", context);
    }
    let namespace = if fields.namespace.is_empty() { namespace } else { &fields.namespace };
    if !namespace.is_empty() {
        words.own("namespace", namespace);
    }
    for (name, value) in &fields.flags {
        words.flag(name, value)?;
    }
    if !fields.manifest.is_empty() {
        words.manifest()?;
    }
    for word in &fields.args.0 {
        words.word(word)?;
    }
    Ok(words)
}

/// The kubectl of the machine: never one of the current directory.
fn find(path: &std::ffi::OsStr) -> Option<PathBuf> {
    let folders = std::env::split_paths(path).filter(|folder| folder.is_absolute());
    folders.map(|folder| folder.join("kubectl")).find(|program| is_program(program))
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

fn call(mut command: Command, input: &str) -> Result<Done, Failure> {
    let broken = |error: std::io::Error| Failure::error(format!("kubectl: {error}"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(broken)?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let input = input.to_owned();
    let feeder = std::thread::spawn(move || {
        // kubectl may end before it has read everything: then it says why.
        stdin.map(|mut pipe| pipe.write_all(input.as_bytes()))
    });
    let errors = std::thread::spawn(move || stderr.map(relay).unwrap_or_default());
    let (out, cut) = stdout.map_or(Ok((Vec::new(), false)), read).map_err(broken)?;
    let status = child.wait().map_err(broken)?;
    // A thread that fell over leaves nothing to say.
    let _ = feeder.join();
    let last = errors.join().unwrap_or_default();
    let out = String::from_utf8_lossy(&out).into_owned();
    print!("{out}");
    if cut {
        return Err(Failure::failed(format!("kubectl wrote more than {OUTPUT_BYTES} bytes")));
    }
    let code = status.code().map_or_else(|| "-1".to_owned(), |code| code.to_string());
    let done = Done::result(out.trim_end().to_owned()).with("exitCode", code.as_str());
    if status.success() {
        return Ok(done);
    }
    let why = if last.is_empty() { format!("kubectl ended with {status}") } else { last };
    Err(Failure::failed(why).with_outputs(done))
}

/// The beginning of standard output, and whether there was more. All of it is read, so that kubectl can end.
fn read(mut pipe: impl Read) -> std::io::Result<(Vec<u8>, bool)> {
    let mut kept = Vec::new();
    pipe.by_ref().take(OUTPUT_BYTES as u64).read_to_end(&mut kept)?;
    let more = std::io::copy(&mut pipe, &mut std::io::sink())?;
    Ok((kept, more > 0))
}

/// Standard error goes to the log; its last line is what a failure is called.
fn relay(pipe: impl Read) -> String {
    let mut last = String::new();
    for line in std::io::BufRead::lines(std::io::BufReader::new(pipe)).map_while(Result::ok) {
        say(&line);
        if !line.trim().is_empty() {
            last = line;
        }
    }
    last
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use serde_json::json;

    use super::*;

    fn line(fields: Value) -> Result<Vec<String>, String> {
        let fields: Fields = serde_json::from_value(fields).map_err(|error| error.to_string())?;
        let cluster = Cluster { kubeconfig: Some("/k".into()), context: None };
        words(&fields, &cluster, "team").map(|words| words.argv().to_vec())
    }

    #[test]
    fn v31_flags_stay_flags_and_words_stay_words() {
        let given =
            json!({"command": "rollout status", "args": ["deployment/shop"], "flags": {"timeout": "5m"}});
        let expected = [
            "rollout",
            "status",
            "--kubeconfig=/k",
            "--namespace=team",
            "--timeout=5m",
            "--",
            "deployment/shop",
        ];
        assert_eq!(line(given).unwrap(), expected);
        let given = json!({"command": "apply", "manifest": "kind: X", "flags": {"server-side": true, "wait": "false"}});
        let expected = [
            "apply",
            "--kubeconfig=/k",
            "--namespace=team",
            "--server-side=true",
            "--wait=false",
            "--filename=-",
        ];
        assert_eq!(line(given).unwrap(), expected);
        // Whatever a value holds, it cannot become a flag of its own.
        let given = json!({"command": "get", "args": "pods", "flags": {"selector": "a=b --all-namespaces"}});
        assert!(line(given).unwrap().contains(&"--selector=a=b --all-namespaces".to_owned()));
    }

    #[test]
    fn v31_nothing_chooses_another_cluster_identity_file_or_program() {
        for command in
            ["exec", "plugin", "proxy", "config", "cp", "edit", "--help", "get --raw=/x", "", "kustomize"]
        {
            assert!(line(json!({"command": command})).is_err(), "{command}");
        }
        for flag in [
            "kubeconfig",
            "server",
            "token",
            "as",
            "filename",
            "f",
            "raw",
            "kustomize",
            "-n",
            "from-file",
            "x=y",
        ] {
            assert!(line(json!({"command": "get", "args": ["x"], "flags": {flag: "v"}})).is_err(), "{flag}");
        }
        for word in ["-A", "--all", "", "a\nb", "-"] {
            assert!(line(json!({"command": "get", "args": [word]})).is_err(), "{word:?}");
        }
        assert!(line(json!({"command": "get", "flags": {"output": "jsonpath-file=/etc/passwd"}})).is_err());
        assert!(line(json!({"command": "get", "manifest": "x", "unknown": 1})).is_err());
        assert!(line(json!({"command": "scale", "manifest": "x"})).is_err());
    }
}
