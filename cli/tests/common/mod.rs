//! A directory of its own with some files, and the binary to run in it.
//! Does not assert anything but that the binary could be run.
#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(dead_code, reason = "not every test file uses everything")]
#![expect(unreachable_pub, reason = "a module of several test files")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

pub const HELLO: &str = "\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata:
  generateName: hello-
spec:
  entrypoint: main
  arguments:
    parameters:
      - {name: message, value: hello}
  templates:
    - name: main
      container:
        image: busybox
        command: [echo, '{{workflow.parameters.message}}']
";

pub const BROKEN: &str = "\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata:
  name: broken
spec:
  entrypoint: main
  templates:
    - name: main
      steps:
        - - {name: good, template: good}
        - - {name: bad, template: bad}
    - name: good
      container: {image: busybox, command: [echo, fine]}
    - name: bad
      container: {image: busybox, command: [sh, -c, 'echo oops >&2; test -e /dev/shm/no-such-file || exit 3']}
";

pub const APPROVE: &str = "\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata:
  name: approve
  labels: {app: web}
spec:
  entrypoint: main
  templates:
    - name: main
      steps:
        - - {name: approve, template: approve}
        - - name: show
            template: show
            arguments:
              parameters:
                - {name: decision, value: '{{steps.approve.outputs.parameters.decision}}'}
    - name: approve
      suspend: {}
      outputs:
        parameters:
          - {name: decision, valueFrom: {supplied: {}, default: 'no'}}
    - name: show
      inputs: {parameters: [{name: decision}]}
      container: {image: busybox, command: [echo, 'decided {{inputs.parameters.decision}}']}
";

pub const SLOW: &str = "\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata:
  generateName: slow-
spec:
  entrypoint: main
  templates:
    - name: main
      steps:
        - - {name: first, template: quick}
        - - {name: second, template: slow}
        - - {name: third, template: quick}
    - name: quick
      container: {image: busybox, command: [echo, quick]}
    - name: slow
      container: {image: busybox, command: [sh, -c, 'echo began; sleep 2; echo ended']}
";

pub const TEMPLATES: &str = "\
apiVersion: argoproj.io/v1alpha1
kind: WorkflowTemplate
metadata:
  name: greet
spec:
  entrypoint: main
  arguments:
    parameters: [{name: who, value: world}]
  templates:
    - name: main
      container: {image: busybox, command: [echo, 'hello {{workflow.parameters.who}}']}
---
apiVersion: argoproj.io/v1alpha1
kind: ClusterWorkflowTemplate
metadata:
  name: everywhere
spec:
  entrypoint: main
  templates:
    - name: main
      container: {image: busybox, command: [echo, everywhere]}
";

pub const CRON: &str = "\
apiVersion: argoproj.io/v1alpha1
kind: CronWorkflow
metadata:
  name: nightly
spec:
  schedules: ['30 2 * * *']
  timezone: Europe/Berlin
  workflowSpec:
    entrypoint: main
    templates:
      - name: main
        container: {image: busybox, command: [echo, 'for {{workflow.scheduledTime}}']}
---
apiVersion: argoproj.io/v1alpha1
kind: CronWorkflow
metadata:
  name: weekly
spec:
  schedules: ['@weekly']
  concurrencyPolicy: Forbid
  workflowSpec:
    entrypoint: main
    templates:
      - name: main
        container: {image: busybox, command: [echo, weekly]}
";

pub const SENSOR: &str = "\
apiVersion: argoproj.io/v1alpha1
kind: EventSource
metadata:
  name: webhook
spec:
  webhook:
    example: {port: '12000', endpoint: /example, method: POST}
---
apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata:
  name: sample
spec:
  dependencies:
    - {name: payload, eventSourceName: webhook, eventName: example}
  triggers:
    - template:
        name: start
        argoWorkflow:
          operation: submit
          source:
            resource:
              apiVersion: argoproj.io/v1alpha1
              kind: Workflow
              metadata: {generateName: started-}
              spec:
                entrypoint: main
                arguments: {parameters: [{name: message, value: none}]}
                templates:
                  - name: main
                    container: {image: busybox, command: [echo, '{{workflow.parameters.message}}']}
          parameters:
            - src: {dependencyName: payload, dataKey: body.message}
              dest: spec.arguments.parameters.0.value
";

/// What a command left behind.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The exit code is this one; otherwise everything is shown.
    #[track_caller]
    pub fn code(self, want: i32) -> Self {
        assert_eq!(self.code, want, "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }

    #[track_caller]
    pub fn out_has(self, text: &str) -> Self {
        assert!(self.out.contains(text), "no {text:?} in stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }

    #[track_caller]
    pub fn err_has(self, text: &str) -> Self {
        assert!(self.err.contains(text), "no {text:?} in stderr:\n{}\nstdout:\n{}", self.err, self.out);
        self
    }

    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e} in stdout:\n{}", self.out))
    }
}

/// A directory with the files above.
pub struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Self {
        let place = Self { dir: tempfile::tempdir().unwrap() };
        let files = [
            ("hello", HELLO),
            ("broken", BROKEN),
            ("approve", APPROVE),
            ("slow", SLOW),
            ("templates", TEMPLATES),
            ("nightly", CRON),
            ("sensor", SENSOR),
        ];
        for (name, text) in files {
            place.write(&format!("{name}.yaml"), text);
        }
        place.write("event.json", r#"{"message": "hi"}"#);
        place
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    pub fn has_store(&self) -> bool {
        self.dir.path().join(".runner").exists()
    }

    /// The binary in this directory, with nothing of the caller's environment that could matter.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_runner"));
        command.args(args).current_dir(self.dir.path()).stdin(Stdio::null());
        for name in [
            "RUNNER_STORE",
            "RUNNER_NAMESPACE",
            "RUNNER_LOG",
            "NO_COLOR",
            "FORCE_COLOR",
            "CI",
            "XDG_CONFIG_HOME",
        ] {
            command.env_remove(name);
        }
        command.env("HOME", self.dir.path());
        command
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        Ran::of(self.command(args).output().unwrap())
    }

    /// Words as a shell reads them, quotes included.
    pub fn shell(&self, line: &str) -> Ran {
        let program = Path::new(env!("CARGO_BIN_EXE_runner")).parent().unwrap().to_owned();
        let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
        let command = self.command(&[]);
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(line).current_dir(self.dir.path()).stdin(Stdio::null());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        Ran::of(shell.env("PATH", path).output().unwrap())
    }

    pub fn start(&self, args: &[&str]) -> Child {
        self.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Waits until the JSON of the newest workflow satisfies the condition.
    #[track_caller]
    pub fn until(&self, what: &str, fits: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
        let began = Instant::now();
        loop {
            let ran = self.run(&["get", "@latest", "-o", "json"]);
            if ran.code == 0 && fits(&ran.json()) {
                return ran.json();
            }
            assert!(
                began.elapsed() < Duration::from_secs(30),
                "never: {what}; last:\n{}{}",
                ran.out,
                ran.err
            );
            std::thread::sleep(Duration::from_millis(30));
        }
    }
}

/// What a started command left behind; killed when it takes too long.
pub fn finish(mut child: Child) -> Ran {
    let began = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if began.elapsed() > Duration::from_secs(60) {
            child.kill().unwrap();
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ran::of(child.wait_with_output().unwrap())
}

/// The node of that display name.
pub fn node<'a>(workflow: &'a serde_json::Value, name: &str) -> &'a serde_json::Value {
    let nodes = workflow["status"]["nodes"].as_object();
    nodes
        .and_then(|nodes| nodes.values().find(|node| node["displayName"] == name))
        .unwrap_or(&serde_json::Value::Null)
}

/// Sends a signal.
pub fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}
