//! A private bare copy of a repository, and git run in it with everything switched off that could run foreign code.
//! Knows no actions: it fetches, asks and pushes.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::names::{self, Transport};
use super::remote::{Credentials, Remote};
use crate::work::{Failure, Result};

/// A private bare repository with all branches of the remote under `refs/remotes/origin/`.
#[derive(Debug)]
pub struct Repository {
    folder: tempfile::TempDir,
    url: String,
    env: Vec<(String, String)>,
}

/// How a push ended, when it did not fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Push {
    /// It is there.
    Done,
    /// Somebody else was faster: fetch and build anew.
    Raced,
}

impl Repository {
    /// Opens: no connection yet.
    ///
    /// # Errors
    /// The address is refused, a secret is missing, or there is no git program.
    pub fn open(remote: &Remote) -> Result<Self> {
        let transport = names::address(&remote.url)?;
        let folder = tempfile::Builder::new()
            .prefix("git-step-")
            .tempdir()
            .map_err(|error| Failure::Trouble(format!("temporary folder: {error}")))?;
        let mut config = hardening();
        let mut env = Vec::new();
        match &transport {
            Transport::Local if !remote.allow_local.0 => {
                return Err(Failure::Input(format!(
                    "repository {:?} is a path of this machine: set allowLocal: true if that is meant",
                    remote.url
                )));
            }
            Transport::Local => {
                config.push(("protocol.file.allow".into(), "always".into()));
                config.push(("safe.directory".into(), "*".into()));
            }
            Transport::Http { origin, plain } => {
                let scheme = if *plain { "http" } else { "https" };
                config.push((format!("protocol.{scheme}.allow"), "always".into()));
                if let Some(credentials) = &remote.credentials {
                    bind(credentials, origin, &mut config, &mut env)?;
                }
            }
            Transport::Ssh => {
                config.push(("protocol.ssh.allow".into(), "always".into()));
                env.push(("GIT_SSH_COMMAND".into(), ssh(remote, folder.path())?));
            }
        }
        remote.check_host(&transport)?;
        env.push(("GIT_CONFIG_COUNT".into(), config.len().to_string()));
        for (index, (key, value)) in config.into_iter().enumerate() {
            env.push((format!("GIT_CONFIG_KEY_{index}"), key));
            env.push((format!("GIT_CONFIG_VALUE_{index}"), value));
        }
        let url = match transport {
            // git runs in a folder of its own.
            Transport::Local => local(&remote.url)?,
            Transport::Http { .. } | Transport::Ssh => remote.url.clone(),
        };
        let repository = Self { folder, url, env };
        let bare = repository.bare();
        repository.git(&["init", "--bare", "--quiet", "--template=", "--", &bare.to_string_lossy()])?;
        Ok(repository)
    }

    /// The folder that vanishes with this value.
    pub fn scratch(&self) -> &Path {
        self.folder.path()
    }

    fn bare(&self) -> PathBuf {
        self.folder.path().join("bare.git")
    }

    /// git with the switches of this repository, for callers that need other pipes or another index.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("git");
        command.env_clear();
        for name in ["PATH", "TMPDIR", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command
            .current_dir(self.folder.path())
            .env("HOME", self.folder.path())
            .env("GIT_DIR", self.bare())
            .env("LC_ALL", "C")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .env("GIT_LITERAL_PATHSPECS", "1")
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .args(args);
        command
    }

    /// Runs git; its standard output.
    ///
    /// # Errors
    /// It does not start or ends with another status than 0: the message is its last words.
    pub fn git(&self, args: &[&str]) -> Result<String> {
        let output = run(self.command(args), None)?;
        text(args, output)
    }

    /// Like [`Repository::git`], with a standard input and further variables.
    ///
    /// # Errors
    /// As `git`.
    pub fn feed(&self, args: &[&str], env: &[(&str, &str)], input: &[u8]) -> Result<String> {
        let mut command = self.command(args);
        command.envs(env.iter().copied());
        text(args, run(command, Some(input))?)
    }

    /// git says yes (0) or no (1).
    ///
    /// # Errors
    /// Any other end.
    pub fn asks(&self, args: &[&str]) -> Result<bool> {
        let output = run(self.command(args), None)?;
        match output.status.code() {
            Some(0) => Ok(true),
            Some(1) => Ok(false),
            _other => text(args, output).map(|_| false),
        }
    }

    /// Fetches all branches and tags. What vanished there vanishes here.
    ///
    /// # Errors
    /// The remote cannot be reached or does not let us in.
    pub fn fetch(&self) -> Result<()> {
        let heads = ["+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"];
        let args =
            ["fetch", "--quiet", "--prune", "--no-tags", "--no-recurse-submodules", "--end-of-options"];
        let mut all = args.to_vec();
        all.push(&self.url);
        all.extend(heads);
        self.git(&all).map(drop)
    }

    /// The commit of a branch of the remote.
    ///
    /// # Errors
    /// git fails.
    pub fn branch(&self, name: &str) -> Result<Option<String>> {
        self.peel(&format!("refs/remotes/origin/{name}"))
    }

    /// The commit of a revision: a branch, a tag or a hash, which is fetched if it is not here yet.
    ///
    /// # Errors
    /// git fails.
    pub fn resolve(&self, revision: &str) -> Result<Option<String>> {
        if names::is_hash(revision) {
            if let Some(found) = self.peel(revision)? {
                return Ok(Some(found));
            }
            // Servers may refuse a hash that no branch leads to; then it stays unknown.
            let args = ["fetch", "--quiet", "--no-tags", "--end-of-options", &self.url, revision];
            return match self.git(&args) {
                Ok(_) => self.peel(revision),
                Err(_) => Ok(None),
            };
        }
        match self.branch(revision)? {
            Some(found) => Ok(Some(found)),
            None => self.peel(&format!("refs/tags/{revision}")),
        }
    }

    /// The commit of a revision that must be there.
    ///
    /// # Errors
    /// It is not there.
    pub fn must(&self, what: &str, revision: &str) -> Result<String> {
        self.resolve(revision)?.ok_or_else(|| {
            Failure::Refused(format!(
                "{what}: {revision:?} is neither a branch, a tag nor a commit of {}",
                self.url
            ))
        })
    }

    /// The commit of a tag.
    ///
    /// # Errors
    /// git fails.
    pub fn resolve_tag(&self, name: &str) -> Result<Option<String>> {
        self.peel(&format!("refs/tags/{name}"))
    }

    fn peel(&self, name: &str) -> Result<Option<String>> {
        let spec = format!("{name}^{{commit}}");
        let output =
            run(self.command(&["rev-parse", "--verify", "--quiet", "--end-of-options", &spec]), None)?;
        let found = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        Ok(if output.status.success() && !found.is_empty() { Some(found) } else { None })
    }

    /// Pushes one object to one ref; never by force.
    ///
    /// # Errors
    /// The remote refuses (a hook, a protected branch) or cannot be reached.
    pub fn push(&self, object: &str, target: &str) -> Result<Push> {
        let spec = format!("{object}:{target}");
        let args = ["push", "--porcelain", "--no-follow-tags", "--recurse-submodules=no", "--end-of-options"];
        let mut all = args.to_vec();
        all.push(&self.url);
        all.push(&spec);
        let output = run(self.command(&all), None)?;
        let said = format!(
            "{}\n{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        if output.status.success() {
            return Ok(Push::Done);
        }
        if raced(&said) {
            return Ok(Push::Raced);
        }
        let words = last_words(&said);
        if said.contains("\n!\t") || said.starts_with("!\t") {
            return Err(Failure::Refused(format!("push to {target}: {words}")));
        }
        Err(Failure::Trouble(format!("push to {target}: {words}")))
    }
}

/// Another pusher was faster: the words of git for a ref that moved before or while it was written.
fn raced(said: &str) -> bool {
    let rejected = said.lines().filter(|line| line.starts_with("!\t"));
    rejected.into_iter().any(|line| {
        ["(fetch first)", "(non-fast-forward)", "cannot lock ref", "failed to update ref", "stale info"]
            .iter()
            .any(|words| line.contains(words))
    }) || ["cannot lock ref", "reference already exists"].iter().any(|words| said.contains(words))
}

/// Everything that could run code that is not ours, or talk to somebody that was not named, is off (V30).
fn hardening() -> Vec<(String, String)> {
    let fixed = [
        ("protocol.allow", "never"),
        ("core.hooksPath", "/dev/null"),
        ("core.fsmonitor", "false"),
        ("core.protectHFS", "true"),
        ("core.protectNTFS", "true"),
        ("core.quotePath", "false"),
        ("core.autocrlf", "false"),
        ("credential.helper", ""),
        ("http.followRedirects", "false"),
        ("transfer.fsckObjects", "true"),
        ("submodule.recurse", "false"),
        ("gc.auto", "0"),
        ("maintenance.auto", "false"),
        ("commit.gpgSign", "false"),
        ("tag.gpgSign", "false"),
        ("push.gpgSign", "false"),
        ("advice.detachedHead", "false"),
        ("init.defaultBranch", "main"),
    ];
    fixed.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// Lets git hand the credentials to the one host they are for; git itself compares the host too (V29).
fn bind(
    credentials: &Credentials,
    origin: &str,
    config: &mut Vec<(String, String)>,
    env: &mut Vec<(String, String)>,
) -> Result<()> {
    let Some(token) = &credentials.token else { return Ok(()) };
    let username = credentials.user_at(origin)?;
    env.push(("RUNNER_GIT_USERNAME".into(), username.to_owned()));
    env.push(("RUNNER_GIT_TOKEN".into(), token.read()?));
    let helper = "!f() { test \"$1\" = get && printf 'username=%s\\npassword=%s\\n' \
                  \"$RUNNER_GIT_USERNAME\" \"$RUNNER_GIT_TOKEN\"; }; f";
    config.push((format!("credential.{origin}.helper"), helper.to_owned()));
    Ok(())
}

/// The absolute path of a repository of this machine.
fn local(url: &str) -> Result<String> {
    let path = url.strip_prefix("file://").unwrap_or(url);
    let path =
        std::path::absolute(path).map_err(|error| Failure::Input(format!("repository {url:?}: {error}")))?;
    Ok(path.to_string_lossy().into_owned())
}

fn ssh(remote: &Remote, folder: &Path) -> Result<String> {
    let Some(hosts) = &remote.known_hosts else {
        return Err(Failure::Input(
            "an ssh address needs knownHosts, the lines of a known_hosts file".to_owned(),
        ));
    };
    let write = |name: &str, text: &str| -> Result<PathBuf> {
        use std::os::unix::fs::OpenOptionsExt;
        let path = folder.join(name);
        let failed = |error: std::io::Error| Failure::Trouble(format!("{name}: {error}"));
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        file.write_all(text.as_bytes()).and_then(|()| file.write_all(b"\n")).map_err(failed)?;
        Ok(path)
    };
    let mut command = format!(
        "ssh -F /dev/null -o BatchMode=yes -o StrictHostKeyChecking=yes -o UserKnownHostsFile='{}'",
        write("known_hosts", hosts)?.display()
    );
    if let Some(key) = &remote.ssh_key {
        let path = write("id", key.read_text()?.trim_end())?;
        command.push_str(&format!(" -o IdentitiesOnly=yes -i '{}'", path.display()));
    }
    Ok(command)
}

/// Runs a command to its end with an input.
pub(crate) fn run(mut command: Command, input: Option<&[u8]>) -> Result<Output> {
    let program = command.get_program().to_string_lossy().into_owned();
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            Failure::Refused(format!("the program {program:?} is not installed here"))
        }
        _other => Failure::Trouble(format!("{program}: {error}")),
    };
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let Some(input) = input else { return command.output().map_err(failed) };
    let mut child = command.stdin(Stdio::piped()).spawn().map_err(failed)?;
    let pipe = child.stdin.take();
    std::thread::scope(|scope| {
        let writer = scope.spawn(move || pipe.map_or(Ok(()), |mut pipe| pipe.write_all(input)));
        let output = child.wait_with_output().map_err(failed)?;
        match writer.join() {
            Ok(Err(error)) if output.status.success() => Err(failed(error)),
            _written => Ok(output),
        }
    })
}

fn text(args: &[&str], output: Output) -> Result<String> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let words = last_words(&String::from_utf8_lossy(&output.stderr));
    let name = args.iter().find(|arg| !arg.starts_with('-')).unwrap_or(&"");
    Err(Failure::Trouble(format!("git {name}: {words}")))
}

/// The last lines of what git said, without empty ones.
fn last_words(said: &str) -> String {
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(8)..].join("; ")
}
