//! The container engine behind its socket: the calls that are made, and what their failures mean.
//! Knows neither attempts nor pods.

use std::collections::HashMap;
use std::path::PathBuf;
use std::pin::Pin;

use bollard::container::LogOutput;
use bollard::errors::Error as Api;
use bollard::exec::{CreateExecOptions, StartExecOptions, StartExecResults};
use bollard::models::{ContainerCreateBody, ContainerInspectResponse, ContainerStateStatusEnum};
use bollard::query_parameters as query;
use bollard::{API_DEFAULT_VERSION, Docker};
use futures_util::{Stream, StreamExt};
use jiff::Timestamp;
use runner_runners::Error;
use tokio::sync::OnceCell;

use super::ContainerConfig;
use crate::pod::LABEL_ATTEMPT;

/// Seconds until the engine must have begun to answer.
const TIMEOUT_SECONDS: u64 = 120;

/// How often the containers of an attempt are tried to be removed.
const CLEARINGS: usize = 5;

/// Output of a container as it comes.
pub(super) type Output = Pin<Box<dyn Stream<Item = Result<LogOutput, Api>> + Send>>;

/// Which engine it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// podman.
    Podman,
    /// Docker, or whatever answers like it.
    Docker,
}

/// A failed call.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// There is nothing of that name.
    #[error("{0}")]
    Gone(String),
    /// The name is taken.
    #[error("{0}")]
    Exists(String),
    /// The engine cannot be reached: nothing is known.
    #[error("{0}")]
    Away(String),
    /// The engine refused.
    #[error("{0}")]
    Refused(String),
}

impl From<Api> for Failure {
    fn from(error: Api) -> Self {
        match error {
            Api::DockerResponseServerError { status_code, message } => match status_code {
                404 => Self::Gone(message),
                409 => Self::Exists(message),
                // podman says so with 500, where Docker says 409
                500 if message.contains("is already in use") => Self::Exists(message),
                _other => Self::Refused(message),
            },
            Api::DockerStreamError { error } => Self::Refused(error),
            other => Self::Away(other.to_string()),
        }
    }
}

/// What is known of a container.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct State {
    pub(super) phase: Phase,
    pub(super) exit_code: i32,
    pub(super) out_of_memory: bool,
    /// What the engine says went wrong.
    pub(super) error: String,
    pub(super) started_at: Option<Timestamp>,
    pub(super) finished_at: Option<Timestamp>,
    /// Its address, where it has one of its own.
    pub(super) ip: String,
}

/// Where a container is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Created,
    Running,
    Ended,
    /// Being removed.
    Going,
}

/// A client of the engine, connected when it is first needed.
pub(super) struct Engine {
    sockets: Vec<PathBuf>,
    client: OnceCell<(Docker, Kind)>,
}

impl Engine {
    pub(super) fn new(config: &ContainerConfig) -> Result<Self, Error> {
        if config.sockets.is_empty() {
            return Err(Error::Invalid(
                "the container runner has no socket to look for an engine at".to_owned(),
            ));
        }
        Ok(Self { sockets: config.sockets.clone(), client: OnceCell::new() })
    }

    async fn client(&self) -> Result<&(Docker, Kind), Failure> {
        self.client.get_or_try_init(|| self.connect()).await
    }

    async fn connect(&self) -> Result<(Docker, Kind), Failure> {
        let names: Vec<String> = self.sockets.iter().map(|path| path.display().to_string()).collect();
        let hint =
            "start one (`podman system service --time=0` or dockerd), or set `runners.container.socket`";
        let Some(socket) = self.sockets.iter().find(|path| path.exists()) else {
            return Err(Failure::Away(format!(
                "no container engine listens at {}: {hint}",
                names.join(" or ")
            )));
        };
        let at = socket.display();
        let away = |error: Api| {
            Failure::Away(format!("the container engine at {at} does not answer ({error}): {hint}"))
        };
        let client =
            Docker::connect_with_unix(&at.to_string(), TIMEOUT_SECONDS, API_DEFAULT_VERSION).map_err(away)?;
        let client = client.negotiate_version().await.map_err(away)?;
        let version = client.version().await.map_err(away)?;
        let components = version.components.unwrap_or_default();
        let podman = components.iter().any(|part| part.name.contains("Podman"));
        Ok((client, if podman { Kind::Podman } else { Kind::Docker }))
    }

    /// Which engine it is.
    pub(super) async fn kind(&self) -> Result<Kind, Failure> {
        Ok(self.client().await?.1)
    }

    async fn docker(&self) -> Result<&Docker, Failure> {
        Ok(&self.client().await?.0)
    }

    pub(super) async fn inspect(&self, name: &str) -> Result<State, Failure> {
        let found =
            self.docker().await?.inspect_container(name, None::<query::InspectContainerOptions>).await?;
        Ok(state(&found))
    }

    pub(super) async fn create(&self, name: &str, body: ContainerCreateBody) -> Result<(), Failure> {
        let options = query::CreateContainerOptionsBuilder::default().name(name).build();
        self.docker().await?.create_container(Some(options), body).await?;
        Ok(())
    }

    pub(super) async fn start(&self, name: &str) -> Result<(), Failure> {
        Ok(self.docker().await?.start_container(name, None::<query::StartContainerOptions>).await?)
    }

    /// Sends a signal; a container that does not run takes none.
    pub(super) async fn signal(&self, name: &str, signal: &str) -> Result<(), Failure> {
        let options = query::KillContainerOptionsBuilder::default().signal(signal).build();
        match self.docker().await?.kill_container(name, Some(options)).await.map_err(Failure::from) {
            // Not there, or not running any more (409, and 500 from podman).
            Err(Failure::Away(why)) => Err(Failure::Away(why)),
            Ok(()) | Err(Failure::Gone(_) | Failure::Exists(_) | Failure::Refused(_)) => Ok(()),
        }
    }

    /// Removes a container, running or not; one that is not there is removed.
    pub(super) async fn remove(&self, name: &str) -> Result<(), Failure> {
        let options = query::RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        match self.docker().await?.remove_container(name, Some(options)).await.map_err(Failure::from) {
            Err(Failure::Gone(_)) => Ok(()),
            other => other,
        }
    }

    /// Removes all containers of an attempt, if any are left. What cannot be removed is named in the log.
    pub(super) async fn clear(&self, attempt: &str) {
        // The container whose network others share can only go after them, and they come in any order.
        let mut refused = None;
        for _ in 0..CLEARINGS {
            let ids = self.of_attempt(attempt).await;
            if ids.is_empty() {
                return;
            }
            refused = None;
            for id in ids {
                if let Err(failure) = self.remove(&id).await {
                    refused = Some((id, failure));
                }
            }
            if refused.is_none() {
                return;
            }
        }
        if let Some((container, failure)) = refused {
            tracing::warn!(container, %failure, "a container could not be removed");
        }
    }

    /// Ids of the containers of an attempt; none when nobody can be asked.
    async fn of_attempt(&self, attempt: &str) -> Vec<String> {
        let filters = HashMap::from([("label".to_owned(), vec![format!("{LABEL_ATTEMPT}={attempt}")])]);
        let options = query::ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        let found = match self.docker().await {
            Ok(docker) => docker.list_containers(Some(options)).await.map_err(Failure::from),
            Err(failure) => Err(failure),
        };
        match found {
            Ok(all) => all.into_iter().filter_map(|one| one.id).collect(),
            Err(failure) => {
                tracing::debug!(%failure, "containers could not be listed");
                Vec::new()
            }
        }
    }

    /// Waits until the container does not run. Its state has to be looked at afterwards.
    pub(super) async fn wait(&self, name: &str) -> Result<(), Failure> {
        let options = query::WaitContainerOptionsBuilder::default().condition("not-running").build();
        let mut answers = std::pin::pin!(self.docker().await?.wait_container(name, Some(options)));
        match answers.next().await {
            // A non-zero exit arrives as an error.
            Some(Ok(_) | Err(Api::DockerContainerWaitError { .. })) => Ok(()),
            Some(Err(error)) => Err(error.into()),
            None => Err(Failure::Away("the engine stopped waiting".to_owned())),
        }
    }

    /// Output from now on; asked for before the start, nothing is missed.
    pub(super) async fn attach(&self, name: &str) -> Result<Output, Failure> {
        let options =
            query::AttachContainerOptionsBuilder::default().stream(true).stdout(true).stderr(true).build();
        Ok(self.docker().await?.attach_container(name, Some(options)).await?.output)
    }

    /// What was kept of the output so far, each piece with its time. It is never followed: podman tears the lines of a
    /// log that is being written, and stops soon after the end of the container, wherever it has come to by then.
    pub(super) async fn history(&self, name: &str) -> Result<Output, Failure> {
        let options = query::LogsOptionsBuilder::default()
            .stdout(true)
            .stderr(true)
            .timestamps(true)
            .tail("all")
            .build();
        let docker = self.docker().await?.clone();
        let name = name.to_owned();
        Ok(Box::pin(docker.logs(&name, Some(options))))
    }

    /// The last line that the engine kept of an ended container's output, without its time.
    pub(super) async fn last_line(&self, name: &str) -> Result<Vec<u8>, Failure> {
        let options = query::LogsOptionsBuilder::default().stdout(true).stderr(true).tail("1").build();
        let docker = self.docker().await?.clone();
        let mut pieces = std::pin::pin!(docker.logs(name, Some(options)));
        let mut line = Vec::new();
        while let Some(piece) = pieces.next().await {
            line.extend_from_slice(&piece?.into_bytes());
        }
        Ok(line)
    }

    /// Whether an image is there.
    pub(super) async fn has_image(&self, image: &str) -> Result<bool, Failure> {
        match self.docker().await?.inspect_image(image).await.map_err(Failure::from) {
            Ok(_) => Ok(true),
            Err(Failure::Gone(_)) => Ok(false),
            Err(other) => Err(other),
        }
    }

    /// Fetches an image.
    pub(super) async fn pull(&self, image: &str) -> Result<(), Failure> {
        let options = query::CreateImageOptionsBuilder::default().from_image(image).build();
        let mut steps = std::pin::pin!(self.docker().await?.create_image(Some(options), None, None));
        while let Some(step) = steps.next().await {
            let step = step?;
            if let Some(detail) = step.error_detail {
                return Err(Failure::Refused(detail.message.unwrap_or_default()));
            }
        }
        Ok(())
    }

    /// Where a link at `path` in a container leads, or nothing when it is no link.
    pub(super) async fn link(&self, name: &str, path: &str) -> Result<Option<String>, Failure> {
        let options = query::ContainerArchiveInfoOptionsBuilder::default().path(path).build();
        let stat = self.docker().await?.get_container_archive_info(name, Some(options)).await;
        // Go's mode bit of a symbolic link.
        const SYMLINK: u32 = 1 << 27;
        match stat.map_err(Failure::from) {
            Ok(stat) => Ok(Some(stat.link_target).filter(|_| stat.file_mode & SYMLINK != 0)),
            Err(other) => Err(other),
        }
    }

    /// What is at `path` in a container, as a tar archive.
    pub(super) async fn archive(
        &self,
        name: &str,
        path: &str,
    ) -> Result<impl Stream<Item = Result<Vec<u8>, Failure>> + use<>, Failure> {
        let options = query::DownloadFromContainerOptionsBuilder::default().path(path).build();
        let docker = self.docker().await?.clone();
        let pieces = docker.download_from_container(name, Some(options));
        Ok(pieces.map(|piece| piece.map(|bytes| bytes.to_vec()).map_err(Failure::from)))
    }

    /// Runs a command in a container and gives its exit code.
    pub(super) async fn exec(&self, name: &str, command: Vec<String>) -> Result<i64, Failure> {
        let docker = self.docker().await?;
        let options = CreateExecOptions::<String> {
            cmd: Some(command),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            ..CreateExecOptions::default()
        };
        let exec = docker.create_exec(name, options).await?.id;
        if let StartExecResults::Attached { mut output, .. } =
            docker.start_exec(&exec, None::<StartExecOptions>).await?
        {
            // Its output is of no use; it has ended when there is no more.
            while output.next().await.is_some() {}
        }
        Ok(docker.inspect_exec(&exec).await?.exit_code.unwrap_or(-1))
    }
}

fn state(found: &ContainerInspectResponse) -> State {
    let state = found.state.clone().unwrap_or_default();
    let phase = match state.status {
        Some(ContainerStateStatusEnum::EXITED | ContainerStateStatusEnum::DEAD) => Phase::Ended,
        Some(ContainerStateStatusEnum::REMOVING) => Phase::Going,
        Some(ContainerStateStatusEnum::CREATED | ContainerStateStatusEnum::EMPTY) => Phase::Created,
        _running => Phase::Running,
    };
    // Go's zero time means never.
    let time = |text: &Option<String>| -> Option<Timestamp> {
        text.as_ref()?.parse().ok().filter(|at: &Timestamp| at.as_second() > 0)
    };
    let networks = found.network_settings.as_ref().and_then(|settings| settings.networks.clone());
    let ip = networks.into_iter().flatten().find_map(|(_, one)| one.ip_address.filter(|ip| !ip.is_empty()));
    State {
        phase,
        exit_code: state.exit_code.and_then(|code| i32::try_from(code).ok()).unwrap_or(-1),
        out_of_memory: state.oom_killed.unwrap_or(false),
        error: state.error.unwrap_or_default(),
        started_at: time(&state.started_at),
        finished_at: time(&state.finished_at),
        ip: ip.unwrap_or_default(),
    }
}
