//! The beginning of one container: its image, its network, its creation and its start, each once.
//! When a container begins, and what follows, is in `work`.

use std::time::Duration;

use super::create::{Order, body};
use super::engine::{Failure, Phase};
use super::follow::Source;
use super::work::{Begun, Halt, Work};

impl Work<'_> {
    /// Sees to it that every image that is still needed is there.
    pub(super) async fn images(&self) -> Result<(), Halt> {
        for index in 0..self.total() {
            let known = self.note.lock().await.containers.contains_key(&self.name(index, 0));
            let Some(container) = self.container(index).filter(|_| !known) else { continue };
            let image = self.shared.config.image(container.image.as_deref().unwrap_or_default());
            let who = &container.name;
            if image.is_empty() {
                return Err(Halt::Refused(format!("{who}: the template names no image")));
            }
            let refused = |failure: Failure| Halt::Refused(format!("{who}: {failure}"));
            if self.shared.engine.has_image(&image).await.map_err(refused)? {
                continue;
            }
            let missing = format!("{who}: image {image:?} is not on this machine");
            let hint = "load it (`podman pull`, `podman load`), or map it in `runners.container.images`";
            if !self.shared.config.pull || container.image_pull_policy.as_deref() == Some("Never") {
                return Err(Halt::Refused(format!("{missing} and is not to be fetched: {hint}")));
            }
            let mut stopped = self.stopped.subscribe();
            let pulled = tokio::select! {
                pulled = self.shared.engine.pull(&image) => pulled,
                _ = stopped.wait_for(Option::is_some) => return Ok(()),
            };
            pulled.map_err(|failure| {
                Halt::Refused(format!("{missing} and cannot be fetched ({failure}): {hint}"))
            })?;
        }
        Ok(())
    }

    /// Creates and starts a container, or finds it as an earlier engine left it.
    pub(super) async fn begin(&self, index: usize, again: u32) -> Result<Begun, Halt> {
        let name = self.name(index, again);
        let mark = self.note.lock().await.containers.get(&name).cloned().unwrap_or_default();
        let boot = self.shared.process.boot();
        if mark.started.as_deref().is_some_and(|started| started != boot) {
            return Err(Halt::Lost("the machine was restarted while the step ran".to_owned()));
        }
        let (mut created, mut started) = (mark.created, mark.started.is_some());
        loop {
            let phase = match self.look(&name).await {
                Some(phase) => phase,
                None if created => {
                    let what = self.container(index).map_or("", |container| container.name.as_str());
                    return Err(Halt::Lost(format!("container {what:?} of the step is not there any more")));
                }
                None if self.is_stopped() => return Ok(Begun::Stopped),
                None => match self.create(index, &name).await {
                    Ok(()) => Phase::Created,
                    // Whether it was made is not known: the next look tells.
                    Err(Failure::Away(_)) => continue,
                    Err(failure) => return self.not_begun(index, &failure),
                },
            };
            self.mark(&name, |mark| mark.created = true).await;
            created = true;
            if phase == Phase::Created && self.is_stopped() {
                return Ok(Begun::Stopped);
            }
            if phase == Phase::Going {
                return Err(Halt::Lost("a container of the step is being removed".to_owned()));
            }
            let unsure = std::mem::replace(&mut started, true);
            self.mark(&name, |mark| mark.started = Some(boot.to_owned())).await;
            if phase != Phase::Created {
                return Ok(Begun::Followed(Source::Kept));
            }
            match self.start(index, &name).await {
                Ok(Some(begun)) => return Ok(begun),
                Ok(None) => {}
                Err(Halt::Refused(why)) if unsure => {
                    return Err(Halt::Lost(format!("whether it was started before is not known; {why}")));
                }
                Err(halt) => return Err(halt),
            }
        }
    }

    /// Where a container is; waits for an engine that cannot be reached.
    async fn look(&self, name: &str) -> Option<Phase> {
        loop {
            match self.shared.engine.inspect(name).await {
                Ok(state) => return Some(state.phase),
                Err(Failure::Gone(_)) => return None,
                Err(failure) => {
                    tracing::warn!(container = name, %failure, "a container could not be looked at");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }

    async fn create(&self, index: usize, name: &str) -> Result<(), Failure> {
        let spec = self.pod_spec().map_err(|_| Failure::Refused("the pod has no spec".to_owned()))?;
        let Some(container) = self.container(index) else {
            return Err(Failure::Refused("no container".to_owned()));
        };
        let share = self.spec.share_cwd.as_ref().map(|cwd| cwd.to_string_lossy().into_owned());
        let mut order = Order {
            pod: &self.pod,
            spec,
            container,
            furniture: &self.furniture[index],
            image: self.shared.config.image(container.image.as_deref().unwrap_or_default()),
            network: self.network(index).await,
            cwd: share,
            init: self.shared.config.init,
            kind: self.shared.engine.kind().await?,
        };
        let created = match self.shared.engine.create(name, body(&order)).await {
            // The engine has no init program to offer: then the command is the first process.
            Err(Failure::Refused(why))
                if order.init && (why.contains("init binary") || why.contains("catatonit")) =>
            {
                order.init = false;
                self.shared.engine.create(name, body(&order)).await
            }
            other => other,
        };
        match created {
            // An earlier engine died between this and the note.
            Err(Failure::Exists(_)) => Ok(()),
            other => other,
        }
    }

    /// The network of a container: that of the pod's first one, as long as that runs.
    async fn network(&self, index: usize) -> String {
        let spec = self.pod.spec.as_ref();
        if spec.and_then(|spec| spec.host_network) == Some(true) {
            return "host".to_owned();
        }
        let configured = self.shared.config.network.clone();
        let first = if self.total() > self.inits() + self.mains() {
            self.inits() + self.mains()
        } else {
            self.inits()
        };
        if index < self.inits() || index == first || configured == "host" {
            return configured;
        }
        let owner = self.name(first, 0);
        match self.shared.engine.inspect(&owner).await {
            Ok(state) if state.phase == Phase::Running => format!("container:{owner}"),
            Ok(_) | Err(_) => configured,
        }
    }

    /// Starts a container; nothing when the engine went away over it.
    async fn start(&self, index: usize, name: &str) -> Result<Option<Begun>, Halt> {
        let attached = self.shared.engine.attach(name).await;
        match self.shared.engine.start(name).await {
            Ok(()) => {}
            Err(Failure::Away(_)) => return Ok(None),
            Err(failure) => return self.not_begun(index, &failure).map(Some),
        }
        if self.is_stopped() {
            // The signal to all others came before it was there.
            let signalled = self.shared.engine.signal(name, "SIGTERM").await;
            tracing::debug!(container = name, ?signalled, "stopped while it was being started");
        }
        match attached {
            Ok(output) => Ok(Some(Begun::Followed(Source::Live(output)))),
            Err(failure) => {
                tracing::debug!(container = name, %failure, "output is read from the engine's log");
                Ok(Some(Begun::Followed(Source::Kept)))
            }
        }
    }

    /// The engine refused: a command that is not there is the step's failure, everything else an error.
    fn not_begun(&self, index: usize, failure: &Failure) -> Result<Begun, Halt> {
        let text = failure.to_string();
        let command = self.furniture[index].command.first().or(self.furniture[index].args.first());
        let command = command.cloned().unwrap_or_default();
        let lower = text.to_lowercase();
        if lower.contains("executable file not found")
            || lower.contains("no such file or directory") && lower.contains("exec")
        {
            return Ok(Begun::Not(
                127,
                format!("exec {command:?}: executable file not found in the image: {text}"),
            ));
        }
        if lower.contains("permission denied") && lower.contains("exec") {
            return Ok(Begun::Not(126, format!("exec {command:?}: permission denied: {text}")));
        }
        let who = self.container(index).map_or("", |container| container.name.as_str());
        Err(Halt::Refused(format!("{who}: the container engine refused: {text}")))
    }
}
