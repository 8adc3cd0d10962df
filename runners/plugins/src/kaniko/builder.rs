//! The programs that build images, and the words each of them is given.
//! Finds what is installed; installs nothing.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::KanikoStep;
use crate::work::{Failure, Result, say};

/// Where Kaniko's image has its executor.
pub(super) const EXECUTOR: &str = "/kaniko/executor";

/// A program that builds images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tool {
    /// Kaniko's own, inside its image.
    Executor,
    /// buildah, as root or in a user namespace.
    Buildah,
    /// The docker client and its daemon.
    Docker,
}

impl Tool {
    /// The one that is asked for, or the first that is there.
    pub(super) fn choose(wanted: &str, dry: bool) -> Result<Self> {
        let tool = match wanted {
            "executor" => Self::Executor,
            "buildah" => Self::Buildah,
            "docker" => Self::Docker,
            "" | "auto" => {
                let there =
                    [Self::Executor, Self::Buildah, Self::Docker].into_iter().find(|tool| tool.installed());
                let Some(tool) = there.or(dry.then_some(Self::Buildah)) else {
                    return Err(Failure::Refused(
                        "no program to build images here: install buildah or docker, or run the step in Kaniko's image"
                            .to_owned(),
                    ));
                };
                tool
            }
            other => {
                return Err(Failure::Input(format!(
                    "builder {other:?} is not auto, executor, buildah or docker"
                )));
            }
        };
        if !dry && !tool.installed() {
            return Err(Failure::Refused(format!("{} is not installed here", tool.program())));
        }
        Ok(tool)
    }

    fn program(self) -> &'static str {
        match self {
            Self::Executor => EXECUTOR,
            Self::Buildah => "buildah",
            Self::Docker => "docker",
        }
    }

    fn installed(self) -> bool {
        let program = Path::new(self.program());
        if program.is_absolute() {
            return program.exists();
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
    }
}

/// Kaniko's own flags.
pub(super) fn flags(fields: &KanikoStep, context: &str, dockerfile: &str, digest: &str) -> Vec<String> {
    let mut words = vec![
        format!("--context={context}"),
        format!("--dockerfile={dockerfile}"),
        format!("--digest-file={digest}"),
        "--reproducible".to_owned(),
    ];
    words.extend(fields.destination.0.iter().map(|name| format!("--destination={name}")));
    words.extend(fields.build_args.iter().map(|(name, value)| format!("--build-arg={name}={value}")));
    if !fields.target.is_empty() {
        words.push(format!("--target={}", fields.target));
    }
    if fields.insecure.0 {
        words.extend(["--insecure", "--insecure-pull", "--skip-tls-verify"].map(str::to_owned));
    }
    if fields.no_push.0 {
        words.push("--no-push".to_owned());
    }
    words
}

/// One build.
pub(super) struct Build<'a> {
    pub(super) fields: &'a KanikoStep,
    pub(super) context: PathBuf,
    pub(super) dockerfile: String,
    pub(super) scratch: &'a Path,
    /// Folder with `config.json`.
    pub(super) auth: Option<PathBuf>,
}

impl Build<'_> {
    /// The commands, for people.
    pub(super) fn shown(&self, tool: Tool) -> String {
        let lines = match tool {
            Tool::Executor => vec![self.executor()],
            Tool::Buildah => vec![self.buildah_build("image")],
            Tool::Docker => vec![self.docker_build()],
        };
        lines
            .iter()
            .map(|words| format!("{} {}", tool.program(), words.join(" ")))
            .collect::<Vec<_>>()
            .join("\n  ")
    }

    /// Builds, pushes and gives the digest.
    pub(super) fn run(&self, tool: Tool) -> Result<String> {
        match tool {
            Tool::Executor => {
                self.call(tool, &self.executor())?;
                self.digest_file()
            }
            Tool::Buildah => self.buildah(),
            Tool::Docker => self.docker(),
        }
    }

    fn text(path: &Path) -> String {
        path.to_string_lossy().into_owned()
    }

    fn digest_path(&self) -> String {
        Self::text(&self.scratch.join("digest"))
    }

    fn digest_file(&self) -> Result<String> {
        let text = std::fs::read_to_string(self.digest_path())
            .map_err(|error| Failure::Trouble(format!("the builder left no digest: {error}")))?;
        let digest = text.trim().to_owned();
        if !digest.starts_with("sha256:") {
            return Err(Failure::Trouble(format!("the builder left the digest {digest:?}")));
        }
        Ok(digest)
    }

    fn arguments(&self, flag: &str) -> Vec<String> {
        let args = self.fields.build_args.iter();
        args.flat_map(|(name, value)| [flag.to_owned(), format!("{name}={value}")]).collect()
    }

    fn executor(&self) -> Vec<String> {
        let context = format!("dir://{}", self.context.display());
        flags(self.fields, &context, &self.dockerfile, &self.digest_path())
    }

    /// Storage of its own, so that nothing of the host's is needed or touched.
    fn storage(&self) -> Vec<String> {
        vec![
            "--root".to_owned(),
            Self::text(&self.scratch.join("storage")),
            "--runroot".to_owned(),
            Self::text(&self.scratch.join("run")),
            "--storage-driver".to_owned(),
            "vfs".to_owned(),
        ]
    }

    fn policy(&self) -> Result<String> {
        let path = self.scratch.join("policy.json");
        std::fs::write(&path, r#"{"default":[{"type":"insecureAcceptAnything"}]}"#)
            .map_err(|error| Failure::Trouble(format!("policy: {error}")))?;
        Ok(Self::text(&path))
    }

    fn buildah_build(&self, name: &str) -> Vec<String> {
        let mut words = self.storage();
        // A fixed time makes the same sources the same digest, however often the step runs.
        words.extend(["bud", "--isolation", "chroot", "--timestamp", "0", "--tag", name].map(str::to_owned));
        words.extend(["--signature-policy".to_owned(), Self::text(&self.scratch.join("policy.json"))]);
        words.extend(["--file".to_owned(), Self::text(&self.context.join(&self.dockerfile))]);
        words.extend(self.arguments("--build-arg"));
        if !self.fields.target.is_empty() {
            words.extend(["--target".to_owned(), self.fields.target.clone()]);
        }
        words.extend(self.insecure());
        words.push(Self::text(&self.context));
        words
    }

    fn insecure(&self) -> Vec<String> {
        if self.fields.insecure.0 { vec!["--tls-verify=false".to_owned()] } else { Vec::new() }
    }

    fn buildah(&self) -> Result<String> {
        const NAME: &str = "localhost/runner-step:1";
        let policy = self.policy()?;
        self.call(Tool::Buildah, &self.buildah_build(NAME))?;
        let targets: Vec<String> = if self.fields.no_push.0 {
            // A push into a folder computes the digest that a registry would.
            vec![format!("dir:{}", self.scratch.join("image").display())]
        } else {
            self.fields.destination.0.iter().map(|name| format!("docker://{name}")).collect()
        };
        for target in targets {
            let mut words = self.storage();
            words.extend(["push".to_owned(), "--signature-policy".to_owned(), policy.clone()]);
            words.extend(["--digestfile".to_owned(), self.digest_path()]);
            words.extend(self.insecure());
            words.extend([NAME.to_owned(), target]);
            self.call(Tool::Buildah, &words)?;
        }
        self.digest_file()
    }

    fn docker_build(&self) -> Vec<String> {
        let mut words = vec!["build".to_owned()];
        words.extend(["--file".to_owned(), Self::text(&self.context.join(&self.dockerfile))]);
        for name in &self.fields.destination.0 {
            words.extend(["--tag".to_owned(), name.clone()]);
        }
        words.extend(self.arguments("--build-arg"));
        if !self.fields.target.is_empty() {
            words.extend(["--target".to_owned(), self.fields.target.clone()]);
        }
        words.push(Self::text(&self.context));
        words
    }

    fn docker(&self) -> Result<String> {
        self.call(Tool::Docker, &self.docker_build())?;
        if self.fields.no_push.0 {
            let first = self.fields.destination.0.first().cloned().unwrap_or_default();
            let id = self
                .call(Tool::Docker, &["image".into(), "inspect".into(), "--format={{.Id}}".into(), first])?;
            return Ok(id.trim().to_owned());
        }
        let mut digest = None;
        for name in &self.fields.destination.0 {
            let said = self.call(Tool::Docker, &["push".to_owned(), name.clone()])?;
            // "1: digest: sha256:... size: 528"
            let found = said.split_whitespace().find(|word| word.starts_with("sha256:") && word.len() == 71);
            digest = found.map(str::to_owned).or(digest);
        }
        digest.ok_or_else(|| Failure::Trouble("docker push named no digest".to_owned()))
    }

    /// Runs a builder, its words into the log as they come; gives its standard output.
    fn call(&self, tool: Tool, words: &[String]) -> Result<String> {
        let mut command = Command::new(tool.program());
        command.args(words).current_dir(self.scratch);
        if let Some(folder) = &self.auth {
            // docker and Kaniko look here, buildah there.
            command.env("DOCKER_CONFIG", folder).env("REGISTRY_AUTH_FILE", folder.join("config.json"));
        }
        if tool == Tool::Docker {
            command.env("DOCKER_BUILDKIT", "0");
        }
        command.env("TMPDIR", self.scratch).env("XDG_RUNTIME_DIR", self.scratch);
        let output = crate::git::repository::run(command, None)?;
        let (out, err) = (
            String::from_utf8_lossy(&output.stdout).into_owned(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        );
        for line in out.lines().chain(err.lines()) {
            say(line);
        }
        if output.status.success() {
            return Ok(out);
        }
        let last: Vec<&str> = err.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let last = last[last.len().saturating_sub(3)..].join("; ");
        Err(Failure::Refused(format!("{} ended with {}: {last}", tool.program(), output.status)))
    }
}
