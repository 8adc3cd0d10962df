//! `runner engine`: runs everything that is open in a store, for `submit -d`. One per store.
//! Serves nobody but a scraper of metrics.

use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use runner_controller::Leave;
use runner_store::Store;
use rustix::fs::{FlockOperation, Mode, OFlags};

use crate::exit::{Code, Failure, Result};
use crate::metrics::Server;
use crate::run::Running;
use crate::signals::Signals;
use crate::wire::Wire;

/// Flags of `engine`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// End after there was nothing to do for so many seconds
    #[arg(long, default_value_t = 10, value_name = "SECONDS")]
    idle: u64,
    /// Serve metrics at this address, e.g. 127.0.0.1:9090
    #[arg(long, value_name = "ADDRESS")]
    metrics_address: Option<std::net::SocketAddr>,
}

pub(crate) const LONG: &str = "Examples:
  $ runner engine --idle 1
  $ runner engine --idle 0 --metrics-address 127.0.0.1:0

Runs every open workflow of the store, those of engines that died included, and ends when nothing is left to do. \
Workflows that only wait for a person are left to `runner resume`. Only one runs per store: a second one ends at \
once. `runner submit -d` starts it, unless `events daemon` or `cron run` runs on the store and takes the work.

With --metrics-address it answers GET /metrics: what the `metrics` blocks of its workflows came to, as \
argo_workflows_<name>, in the text format of Prometheus. Anybody who can reach the address can read them.";

/// Leaves runs that were recorded to a process in the background, and says how to follow them.
pub fn in_background(wire: &Wire, runs: &[Running]) -> Result {
    spawn(wire)?;
    for running in runs {
        let again = wire.again(&running.name);
        wire.console.hint(&format!("it runs in the background. follow it: runner watch {again}"));
    }
    Ok(Code::Ok)
}

/// Starts it in the background, unless an engine is there that looks for work by itself. One that is about to end looks
/// once more when it has given its lock back.
pub fn spawn(wire: &Wire) -> Result<()> {
    if lock(wire, FlockOperation::NonBlockingLockExclusive)?.is_none() {
        return Ok(());
    }
    let failed = |what: &str, error: std::io::Error| {
        Failure::new(Code::Failed, format!("cannot start the background process: {what}: {error}"))
            .hint("the workflow is recorded: runner resume continues it")
    };
    let program = std::env::current_exe().map_err(|error| failed("its own path", error))?;
    let store = std::path::absolute(&wire.place.file).map_err(|error| failed("the store", error))?;
    let log = wire.place.state_dir().join("engine.log");
    let log = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(log)
        .map_err(|e| failed("its log", e))?;
    let errors = log.try_clone().map_err(|error| failed("its log", error))?;
    let mut command = Command::new(program);
    command.arg("engine").arg("--store").arg(store).arg("--namespace").arg(&wire.namespace);
    command.stdin(Stdio::null()).stdout(log).stderr(errors);
    // out of the terminal's process group, so that Ctrl-C there does not reach it
    command.process_group(0);
    command.spawn().map(drop).map_err(|error| failed("spawn", error))
}

/// Runs until there is nothing to do.
pub async fn run(args: &Args, wire: &Wire) -> Result {
    let mut signals = Signals::listen()?;
    let store = wire.store().await?;
    // a session of its own: closing the terminal does not end it; a group leader cannot, and need not
    let _led = rustix::process::setsid();
    let server = match args.metrics_address {
        Some(address) => {
            let server = Server::bind(address).await?;
            wire.console.say(&format!("metrics: http://{}/metrics", server.address));
            Some(server)
        }
        None => None,
    };
    loop {
        let Some(only) = lock(wire, FlockOperation::NonBlockingLockExclusive)? else {
            wire.console.say("another engine runs this store");
            return Ok(Code::Ok);
        };
        let engine = wire.background(&store)?;
        wire.console.say("engine started");
        let text = || engine.controller().metrics_text();
        let code = tokio::select! {
            code = until_idle(args, wire, &store, &mut signals) => code,
            never = scraped(server.as_ref(), text) => match never {},
        };
        // idle: what is left waits for people, so nobody needs to take it; asked to end: another engine may
        let idle = code.as_ref().is_ok_and(|code| *code == Code::Ok);
        engine.shutdown(if idle { Leave::Park } else { Leave::HandOver }).await;
        drop(only);
        // what was submitted while this one was ending found the lock taken, and counts on it
        if idle && wire.has_work(&store).await? {
            continue;
        }
        wire.console.say("engine ended");
        return code;
    }
}

/// Serves metrics, where that is wanted.
async fn scraped(server: Option<&Server>, text: impl Fn() -> String) -> std::convert::Infallible {
    match server {
        Some(server) => server.serve(text).await,
        None => std::future::pending().await,
    }
}

async fn until_idle(args: &Args, wire: &Wire, store: &Arc<dyn Store>, signals: &mut Signals) -> Result {
    let beat = Duration::from_millis(500);
    // at least as long as it takes to claim what was just submitted
    let limit = Duration::from_secs(args.idle).max(beat * 2);
    let mut idle = Duration::ZERO;
    let mut seen = None;
    loop {
        tokio::select! {
            biased;
            code = signals.first() => return Ok(code),
            () = tokio::time::sleep(beat) => {}
        }
        let changes = store.changes().await?;
        let quiet = seen == Some(changes.any) && !wire.has_work(store).await?;
        seen = Some(changes.any);
        idle = if quiet { idle + beat } else { Duration::ZERO };
        if idle >= limit {
            return Ok(Code::Ok);
        }
    }
}

/// Says that an engine stays with this store, so that `submit -d` leaves its runs to it. Dropped, it says so no longer.
pub(crate) async fn stay(wire: &Wire) -> std::convert::Infallible {
    loop {
        // Several may stay. One that ends by itself is waited for: after it the next `submit -d` would start another.
        if let Ok(Some(_shared)) = lock(wire, FlockOperation::NonBlockingLockShared) {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// The lock of an engine: alone, or with others that stay; none when another process is in the way.
fn lock(wire: &Wire, how: FlockOperation) -> Result<Option<impl AsFd + use<>>> {
    let path = wire.place.state_dir().join("engine.lock");
    let failed =
        |error: rustix::io::Errno| Failure::new(Code::Unreachable, format!("{}: {error}", path.display()));
    let file =
        rustix::fs::open(&path, OFlags::CREATE | OFlags::RDWR | OFlags::CLOEXEC, Mode::from_raw_mode(0o600))
            .map_err(failed)?;
    match rustix::fs::flock(&file, how) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(failed(error)),
    }
}
