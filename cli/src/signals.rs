//! Ctrl-C and SIGTERM: the first one asks to stop scheduling, the second one leaves at once.
//! Does not stop anything by itself.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::exit::{Code, Failure, Result};

/// Tells when a signal has come.
#[derive(Clone, Debug)]
pub struct Signals {
    came: watch::Receiver<Option<Code>>,
}

impl Signals {
    /// Listens from now on. A second signal ends the process where it stands: everything that counts is in the
    /// store already, so that is as safe as a crash.
    pub fn listen() -> Result<Self> {
        let open = |kind| {
            signal(kind)
                .map_err(|error| Failure::new(Code::Failed, format!("cannot listen to signals: {error}")))
        };
        let (mut interrupt, mut terminate) = (open(SignalKind::interrupt())?, open(SignalKind::terminate())?);
        let (tell, came) = watch::channel(None);
        tokio::spawn(async move {
            let first = next(&mut interrupt, &mut terminate).await;
            tell.send_replace(Some(first));
            let second = next(&mut interrupt, &mut terminate).await;
            std::process::exit(i32::from(second.number()));
        });
        Ok(Self { came })
    }

    /// Waits for the first signal; the exit code it stands for.
    pub async fn first(&mut self) -> Code {
        match self.came.wait_for(Option::is_some).await {
            Ok(code) => code.unwrap_or(Code::Interrupted),
            // the listener lives as long as the runtime; without it no signal can come
            Err(_) => std::future::pending().await,
        }
    }

    /// Waits for the first signal, or for `length` when there is one: then the code is 0.
    pub async fn first_within(&mut self, length: Option<Duration>) -> Code {
        let over = async {
            match length {
                Some(length) => tokio::time::sleep(length).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            signal = self.first() => signal,
            () = over => Code::Ok,
        }
    }
}

async fn next(interrupt: &mut Signal, terminate: &mut Signal) -> Code {
    tokio::select! {
        _ = interrupt.recv() => Code::Interrupted,
        _ = terminate.recv() => Code::Terminated,
    }
}
