//! `runner events daemon`: receives, judges and runs, until Ctrl-C.
//! Wires only: `runner_events::daemon` does it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::SignedDuration;
use runner_controller::{Leave, SystemClock, SystemIds};
use runner_events::cron::Crons;
use runner_events::daemon::{Daemon, Parts, Settings};
use runner_events::devctl::Rules;
use runner_events::ingress::limits::Allowed;
use runner_events::ingress::sns::Https;
use runner_events::ingress::webhooks::Hook;
use runner_events::sensors::Options;
use runner_sensors::machine::{Compat, Gate};

use super::settings::{self, GATED};
use crate::commands::apply::{Storing, store_files};
use crate::commands::engine;
use crate::exit::{Code, Failure, Result};
use crate::signals::Signals;
use crate::wire::Wire;

/// Flags of `events daemon`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Address to listen on [default: 127.0.0.1:2748]
    #[arg(long, value_name = "ADDRESS", conflicts_with = "port")]
    listen: Option<SocketAddr>,
    /// Port to listen on, on this machine only
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// Triggers in the style of devctl: sources, conditions and workflows in one file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Store the EventSources, Sensors and templates of files first
    #[arg(long, value_name = "FILE|DIR")]
    triggers: Vec<PathBuf>,
    /// End after this time
    #[arg(long = "for", value_name = "DURATION", value_parser = crate::commands::duration)]
    length: Option<SignedDuration>,
}

pub(super) const LONG: &str = "Examples:
  $ runner events daemon --for 1s
  $ runner events daemon --port 0 --for 1s -q

Receives the events of all EventSources of the store, lets all Sensors judge them, and runs the workflows that they \
start, all CronWorkflows and everything else that is open, in this process. EventSources listen on their own ports, on \
the host of --listen; each is also reached at /events/NAMESPACE/SOURCE/EVENT of the main address. Every event is durable \
before its sender gets 200.

Nothing is executed until config.toml says so:
  [fuses]
  cicd = true";

/// Runs.
pub(super) async fn run(args: &Args, wire: &Wire) -> Result {
    let settings = settings::Settings::load()?;
    if !args.triggers.is_empty() {
        let storing = Storing::checked(false);
        store_files(wire, &args.triggers, storing, &|_| true).await?;
    }
    let listen = listen(args, &settings)?;
    let mut signals = Signals::listen()?;
    let store = wire.store().await?;
    let engine = wire.background(&store)?;
    let failed = |why: String| Failure::new(Code::Failed, why);
    let parts = Parts {
        controller: engine.controller().clone(),
        clock: Arc::new(SystemClock),
        ids: Arc::new(SystemIds),
        objects: wire.objects(&store),
        fetch: Arc::new(Https::new().map_err(failed)?),
        is_dead: Arc::new(runner_controller::is_dead),
    };
    let gate = settings.gate();
    let rules = args.config.as_deref().map(|path| super::rules::load(wire, path)).transpose()?;
    let hooks = match &rules {
        Some(rules) => rules.hooks(&|name| std::env::var(name).ok()).map_err(Failure::usage)?,
        None => Vec::new(),
    };
    let mut how = how(&settings, hooks, rules, listen);
    (how.cluster, how.http) = (wire.cluster(), wire.http());
    // for tests of people who have no workspace at Slack
    how.slack_api = std::env::var("RUNNER_SLACK_API").ok();
    let (daemon, problems) = Daemon::start(parts, how).await.map_err(failed)?;
    for problem in &problems {
        wire.console.complain(&format!("warning: {problem}"));
    }
    wire.console.say(&format!("listening on http://{}", daemon.address()));
    if gate == Gate::Closed {
        wire.console.complain(GATED);
    }
    let length = args.length.and_then(|length| std::time::Duration::try_from(length).ok());
    let (end, ended) = tokio::sync::watch::channel(false);
    let crons = Crons::new(engine.controller().clone(), Arc::new(SystemClock));
    let mut cron_end = ended.clone();
    let clock =
        tokio::spawn(
            async move { crons.run(async move { drop(cron_end.wait_for(|end| *end).await) }).await },
        );
    let mut code = Code::Ok;
    tokio::select! {
        () = daemon.run(async { code = signals.first_within(length).await }) => {}
        never = engine::stay(wire) => match never {},
    }
    end.send_replace(true);
    if clock.await.is_err() {
        wire.console.complain("warning: the driver of CronWorkflows ended badly");
    }
    engine.shutdown(Leave::HandOver).await;
    Ok(code)
}

/// What the file and the flags say about the daemon.
fn how(
    settings: &settings::Settings,
    hooks: Vec<Hook>,
    rules: Option<Rules>,
    listen: SocketAddr,
) -> Settings {
    let mut allowed = Allowed::default();
    if let Some(requests) = settings.events.requests_per_second {
        (allowed.requests_per_second, allowed.burst) = (requests, requests.saturating_mul(5));
    }
    let gate = settings.gate();
    Settings {
        hooks,
        open_hooks: settings.events.open_webhooks.clone(),
        allowed,
        rules: rules.map(Arc::new),
        listen,
        sensors: Options { gate, compat: Compat { fire_and_forget: settings.events.fire_and_forget } },
        retention_days: settings.events.retention_days.unwrap_or(runner_events::bus::RETENTION_DAYS),
        ..Settings::default()
    }
}

fn listen(args: &Args, settings: &settings::Settings) -> Result<SocketAddr> {
    if let Some(address) = args.listen {
        return Ok(address);
    }
    if let Some(port) = args.port {
        return Ok(SocketAddr::from(([127, 0, 0, 1], port)));
    }
    match &settings.events.listen {
        Some(text) => text
            .parse()
            .map_err(|_| Failure::usage(format!("config.toml: events.listen: `{text}` is no address"))),
        None => Ok(Settings::default().listen),
    }
}
