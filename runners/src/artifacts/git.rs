//! Git repositories as input artifacts, fetched by the git program with everything switched off that runs foreign
//! code (V30). Stores nothing: a repository is read, never written.

use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use runner_workflows::spec::GitArtifact;

use super::stores::Credentials;
use super::{Driver, Packing, Stored, Unpacking};
use crate::Error;
use crate::beneath::Beneath;
use crate::error::Doing;

/// Where this step keeps credentials while git runs, in its private root.
const PRIVATE: &str = "/argo/staging/git";
/// Most bytes of git's complaints that go into a message.
const COMPLAINT_BYTES: usize = 2000;

/// One repository.
pub(super) struct GitDriver {
    at: GitArtifact,
    username: Option<String>,
    password: Option<String>,
    ssh_key: Option<String>,
}

impl GitDriver {
    /// Checks what would end up near git's command line.
    pub(super) fn open(at: &GitArtifact, credentials: Credentials<'_>) -> Result<Self, Error> {
        let words = [&at.repo, &at.revision, &at.branch].into_iter().chain(&at.fetch);
        for word in words {
            if word.starts_with('-') || word.chars().any(char::is_control) {
                return Err(Error::Invalid(format!("git artifact: {word:?} is refused")));
            }
        }
        if at.repo.contains("::") || at.repo.is_empty() {
            return Err(Error::Invalid(format!("git artifact: the repo {:?} is refused", at.repo)));
        }
        Ok(Self {
            username: credentials.text(at.username_secret.as_ref())?,
            password: credentials.text(at.password_secret.as_ref())?,
            ssh_key: credentials.text(at.ssh_private_key_secret.as_ref())?,
            at: at.clone(),
        })
    }

    /// Clones into a directory that is open.
    fn fetch(&self, dir: &OwnedFd, private: &Path) -> Result<(), Error> {
        let at = &self.at;
        let run = |args: &[&str]| self.git(dir, private, args);
        run(&["init", "--quiet", "--template=", "."])?;
        run(&["remote", "add", "--end-of-options", "origin", &at.repo])?;
        let depth = at.depth.map(|depth| format!("--depth={depth}"));
        let mut fetch = vec!["fetch", "--quiet", "--no-recurse-submodules"];
        fetch.extend(depth.as_deref());
        fetch.extend(["--end-of-options", "origin"]);
        if at.single_branch {
            if at.branch.is_empty() {
                return Err(Error::Invalid("git artifact: singleBranch without a branch".into()));
            }
            let one = format!("+refs/heads/{0}:refs/remotes/origin/{0}", at.branch);
            run(&[&fetch[..], &[one.as_str()]].concat())?;
        } else {
            let all = ["+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*", "HEAD"];
            run(&[&fetch[..], &all[..]].concat())?;
        }
        for refspec in &at.fetch {
            run(&[&fetch[..], &[refspec.as_str()]].concat())?;
        }
        self.check_out(dir, private)?;
        if !at.disable_submodules {
            run(&["submodule", "--quiet", "update", "--init", "--recursive"])?;
        }
        Ok(())
    }

    fn check_out(&self, dir: &OwnedFd, private: &Path) -> Result<(), Error> {
        let at = &self.at;
        let run = |args: &[&str]| self.git(dir, private, args);
        let wanted = match (at.revision.as_str(), at.branch.as_str()) {
            ("", "") => "FETCH_HEAD".to_owned(),
            ("", branch) => format!("refs/remotes/origin/{branch}"),
            (revision, _) => {
                // A branch or tag by its short name, as Argo resolves it.
                let names = [format!("refs/remotes/origin/{revision}"), format!("refs/tags/{revision}")];
                let known = |name: &String| {
                    run(&["rev-parse", "--quiet", "--verify", "--end-of-options", name]).is_ok()
                };
                names.into_iter().find(known).unwrap_or_else(|| revision.to_owned())
            }
        };
        // Without a branch of its own nothing can be pushed by mistake, and nothing has to be named.
        run(&["-c", "advice.detachedHead=false", "checkout", "--quiet", "--detach", &wanted, "--"])
    }

    fn git(&self, dir: &OwnedFd, private: &Path, args: &[&str]) -> Result<(), Error> {
        // Reached by a descriptor: the path may lead through what a step could have replaced.
        let mut command = Command::new("git");
        command
            .args([
                "-c",
                "core.hooksPath=/dev/null",
                "-c",
                "core.fsmonitor=false",
                "-c",
                "protocol.ext.allow=never",
            ])
            .args(["-c", "fetch.fsckObjects=true", "-c", "credential.helper=", "-c", "safe.directory=*"])
            .args(["-c", "http.lowSpeedLimit=1", "-c", "http.lowSpeedTime=120", "-c", "gc.auto=0"]);
        if self.at.insecure_skip_tls {
            command.args(["-c", "http.sslVerify=false"]);
        }
        command
            .args(args)
            .current_dir(format!("/proc/self/fd/{}", dir.as_raw_fd()))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_ALLOW_PROTOCOL", "file:git:http:https:ssh")
            .env("HOME", private)
            .env("GIT_ASKPASS", private.join("askpass"))
            .env("GIT_SSH_COMMAND", self.ssh(private))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().doing(|| "start git (is it installed?)".into())?;
        let mut complaint = Vec::new();
        if let Some(stderr) = &mut child.stderr {
            stderr.take(1 << 20).read_to_end(&mut complaint).doing(|| "read what git says".into())?;
        }
        if child.wait().doing(|| "wait for git".into())?.success() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&complaint);
        let text: String = text.trim().chars().take(COMPLAINT_BYTES).collect();
        let verb = args.iter().find(|word| !word.starts_with('-') && !word.contains('=')).unwrap_or(&"git");
        Err(Error::Artifact(format!("git {verb}: {text}")))
    }

    fn ssh(&self, private: &Path) -> String {
        let key = private.join("key");
        let hosts = if self.at.insecure_ignore_host_key {
            "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
        } else {
            "-o StrictHostKeyChecking=yes"
        };
        let identity = if self.ssh_key.is_some() {
            format!("-o IdentitiesOnly=yes -i '{}'", key.display())
        } else {
            String::new()
        };
        format!("ssh -F none -o BatchMode=yes -o ConnectTimeout=30 {hosts} {identity}")
    }

    /// Places what git asks for: never in arguments, and gone again when git has ended.
    fn place_credentials(&self, private: &Path) -> Result<(), Error> {
        let write = |name: &str, mode: u32, text: &str| {
            let placing = || format!("place the {name} for git");
            let mut options = std::fs::OpenOptions::new();
            let file = options.write(true).create_new(true).mode(mode).open(private.join(name));
            std::io::Write::write_all(&mut file.doing(placing)?, text.as_bytes()).doing(placing)
        };
        let script = "#!/bin/sh\ncase \"$1\" in\nUsername*) cat \"$HOME/user\" ;;\n*) cat \"$HOME/password\" ;;\nesac\n";
        write("askpass", 0o700, script)?;
        write("user", 0o600, self.username.as_deref().unwrap_or("git"))?;
        write("password", 0o600, self.password.as_deref().unwrap_or_default())?;
        if let Some(key) = &self.ssh_key {
            write("key", 0o600, &format!("{}\n", key.trim_end()))?;
        }
        Ok(())
    }
}

impl Driver for GitDriver {
    fn put(&self, _root: &Beneath, _path: &Path, _key: &str, _packing: Packing) -> Result<Stored, Error> {
        Err(Error::NotBuiltIn {
            what: "git as a place for output artifacts (Argo has it for inputs only)".into(),
        })
    }

    fn put_bytes(&self, _content: &mut dyn Read, _key: &str) -> Result<Stored, Error> {
        Err(Error::NotBuiltIn {
            what: "git as a place for output artifacts (Argo has it for inputs only)".into(),
        })
    }

    fn get(&self, _key: &str, _unpacking: Unpacking, root: &Beneath, path: &Path) -> Result<(), Error> {
        let placing = || format!("place {}", path.display());
        root.remove(path).doing(placing)?;
        let dir = root.create_dirs(path, 0o755).doing(placing)?;
        let dir = rustix::fs::openat(
            &dir,
            ".",
            rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::CLOEXEC,
            rustix::fs::Mode::empty(),
        )
        .doing(placing)?;
        root.remove(Path::new(PRIVATE)).doing(placing)?;
        let private = root.create_dirs(Path::new(PRIVATE), 0o700).doing(placing)?;
        // Its real path, which is another one where paths are remapped.
        let real: PathBuf =
            std::fs::read_link(format!("/proc/self/fd/{}", private.as_raw_fd())).doing(placing)?;
        let outcome = self.place_credentials(&real).and_then(|()| self.fetch(&dir, &real));
        root.remove(Path::new(PRIVATE)).doing(placing)?;
        outcome
    }

    fn list(&self, _key: &str) -> Result<Vec<String>, Error> {
        Err(Error::NotBuiltIn {
            what: "listing a git repository (artifactPaths needs s3, gcs, azure or a key)".into(),
        })
    }

    fn delete(&self, _key: &str) -> Result<(), Error> {
        Ok(())
    }
}
