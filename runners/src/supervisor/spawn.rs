//! Starts one process of a step: program lookup, clean environment, own process group.
//! Does not wait for it.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::Pid;

use super::places::Places;
use crate::job::{Job, Process, WORK_PATH};

/// Why a process could not be started, with the exit code a shell would give.
#[derive(Clone, Debug)]
pub(super) struct NotStarted {
    pub(super) exit_code: i32,
    pub(super) message: String,
}

/// Starts `process`. Only features of `Command` that keep the standard library on posix_spawn are used.
pub(super) fn spawn(job: &Job, process: &Process, places: &Places) -> Result<Child, NotStarted> {
    let env: Vec<(String, String)> = environment(process, places);
    let path =
        env.iter().rev().find(|(name, _)| name == "PATH").map(|(_, value)| value.as_str()).unwrap_or("");
    let cwd = working_dir(job, process, places)?;
    let argv: Vec<String> = process.argv.iter().map(|word| places.rewrite(word)).collect();
    let Some((name, args)) = argv.split_first() else {
        return Err(NotStarted { exit_code: 128, message: "there is no command".into() });
    };
    let program = find(name, path, &cwd)?;
    let mut command = Command::new(&program);
    command
        .arg0(name)
        .args(args)
        .env_clear()
        .envs(env)
        .current_dir(&cwd)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = command.spawn().map_err(|error| NotStarted {
        exit_code: if error.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 },
        message: format!("exec {name:?}: {error}"),
    })?;
    if let (Some(nice), Some(pid)) = (job.nice, i32::try_from(child.id()).ok().and_then(Pid::from_raw)) {
        // Lower priority than the engine; where it is refused the step runs as everybody else.
        let _ = rustix::process::setpriority_process(Some(pid), nice);
    }
    Ok(child)
}

/// The environment as planned, with the private directories where they really are.
fn environment(process: &Process, places: &Places) -> Vec<(String, String)> {
    process.env.iter().map(|(name, value)| (name.clone(), places.rewrite(value))).collect()
}

fn working_dir(job: &Job, process: &Process, places: &Places) -> Result<PathBuf, NotStarted> {
    let shared = job.share_cwd.as_deref().filter(|_| process.cwd.is_empty());
    if let Some(shared) = shared {
        return Ok(shared.to_path_buf());
    }
    // Most images start in `/`; only where it is private, and this user may write there, so do steps.
    let default = if places.is_private() && rustix::process::geteuid().is_root() { "/" } else { WORK_PATH };
    let wanted = if process.cwd.is_empty() { default } else { process.cwd.as_str() };
    let real = PathBuf::from(places.rewrite(wanted));
    if !real.is_dir() {
        let (boundary, inner) = places.locate(wanted);
        boundary.create_dirs(inner, 0o755).map_err(|error| NotStarted {
            exit_code: 128,
            message: format!("the working directory {wanted} cannot be made: {error}"),
        })?;
    }
    Ok(real)
}

/// The applet that a path ends with.
fn applet(path: &str) -> Option<&str> {
    let (_, name) = path.rsplit_once('/')?;
    crate::applets::NAMES.contains(&name).then_some(name)
}

/// Finds the program as a shell does, with Go's words when it is not there.
fn find(name: &str, path: &str, cwd: &Path) -> Result<PathBuf, NotStarted> {
    let executable = |path: &Path| {
        std::fs::metadata(path).map(|stat| stat.is_file() && stat.permissions().mode() & 0o111 != 0)
    };
    let missing = |why: &str| NotStarted {
        exit_code: 127,
        message: format!("failed to find name in PATH: exec: {name:?}: {why}"),
    };
    if name.contains('/') {
        let full = cwd.join(name);
        return match executable(&full) {
            Ok(true) => Ok(full),
            Ok(false) => {
                Err(NotStarted { exit_code: 126, message: format!("exec: {name:?}: permission denied") })
            }
            // Images keep the applets at absolute paths of their own, as `/argosay`.
            Err(_) => match applet(name) {
                Some(applet) => find(applet, path, cwd),
                None => Err(missing("no such file or directory")),
            },
        };
    }
    path.split(':')
        .filter(|dir| !dir.is_empty())
        .map(|dir| cwd.join(dir).join(name))
        .find(|candidate| executable(candidate).unwrap_or(false))
        .ok_or_else(|| missing("executable file not found in $PATH"))
}
