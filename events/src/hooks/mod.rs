//! Webhooks that event sources make at their providers, and keep there: those of `github` and `gitlab` with credentials and
//! `webhook.url`, as in Argo Events.
//! Receives nothing: `ingress` does, and goes on without a webhook.

mod api;
mod github;
mod gitlab;
mod keep;
mod login;
mod plan;
mod wanted;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use runner_brokers::Access;
use runner_controller::Clock;
use runner_runners::Objects;
use runner_sensors::spec::{Backoff, EventSource};
use runner_store::Manifest;
use tokio::sync::watch;

use api::Api;
use keep::{Keeper, Task};
use login::Door;
use wanted::{Place, Wanted};

/// How long deleting webhooks may hold up the end of the daemon.
const FINISH_LIMIT: Duration = Duration::from_secs(20);

/// How often webhooks are looked at.
#[derive(Clone, Debug)]
pub struct Pace {
    /// After a look that found everything right.
    pub look: Duration,
    /// After something was made or changed: whether somebody else did so too.
    pub again: Duration,
    /// After the provider refused: somebody has to change something.
    pub refused: Duration,
    /// While the provider cannot be reached; without it from 1 s to a minute.
    pub away: Option<Backoff>,
    /// The first look is at any moment within this time.
    pub spread: Duration,
    /// While nothing else is to be done: whether a token or a secret was renewed, which is a reason to look at once.
    pub renew: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            look: Duration::from_secs(60),
            again: Duration::from_secs(5),
            refused: Duration::from_secs(180),
            away: None,
            spread: Duration::from_secs(2),
            renew: Duration::from_secs(5),
        }
    }
}

/// What tells one webhook from another: the API, what it belongs to there, and its address.
type Key = (String, Place, String);

/// A webhook that is kept.
#[derive(Debug)]
struct Running {
    wanted: Wanted,
    leave: watch::Sender<bool>,
    task: Task,
}

/// The webhooks that are kept.
pub(crate) struct Hooks {
    pace: Pace,
    objects: Arc<dyn Objects>,
    clock: Arc<dyn Clock>,
    /// Nothing is executed, so nothing is made at a provider.
    gated: bool,
    api: Option<Api>,
    running: BTreeMap<Key, Running>,
    /// Those that are not wanted any more and end.
    leaving: BTreeMap<Key, Task>,
    crowd: Arc<AtomicUsize>,
    /// How many are not made because nothing is executed, as it was said last.
    untouched: usize,
}

impl std::fmt::Debug for Hooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hooks").field("running", &self.running.len()).finish_non_exhaustive()
    }
}

impl Hooks {
    /// None yet. `gated`: nothing is executed ([fuses] cicd), and nothing is made at a provider.
    pub(crate) fn new(pace: Pace, objects: Arc<dyn Objects>, clock: Arc<dyn Clock>, gated: bool) -> Self {
        let (running, leaving) = (BTreeMap::new(), BTreeMap::new());
        Self { pace, objects, clock, gated, api: None, running, leaving, crowd: Arc::default(), untouched: 0 }
    }

    /// Keeps what these sources want from now on: what is new is begun if its source listens (`listening` holds
    /// namespace, source and event), what is not wanted any more is left, and deleted if it says so. A source that cannot
    /// be understood keeps what it has. What is wrong, one sentence each.
    pub(crate) fn apply(
        &mut self,
        manifests: &[Manifest],
        listening: &BTreeSet<(String, String, String)>,
    ) -> Vec<String> {
        let mut problems = Vec::new();
        let mut all: BTreeMap<Key, Wanted> = BTreeMap::new();
        let mut listens = BTreeSet::new();
        let mut broken = BTreeSet::new();
        for Manifest { namespace, name, body, .. } in manifests {
            let full = format!("{namespace}/{name}");
            let Ok(source) = serde_json::from_slice::<EventSource>(body) else {
                broken.insert(full);
                continue;
            };
            for event in source.spec.events() {
                let label = format!("EventSource {full}, event {}", event.name);
                let wanted = wanted::wanted(&full, &source, &event).unwrap_or_else(|why| {
                    problems.push(format!("{label}: no webhook is made: {why}"));
                    broken.insert(full.clone());
                    Vec::new()
                });
                let here = (namespace.clone(), name.clone(), event.name.to_owned());
                for wanted in wanted {
                    let key = (wanted.base.to_string(), wanted.place.clone(), wanted.url.clone());
                    if let Some(other) = all.get(&key) {
                        problems.push(twice(&label, &wanted, other));
                        continue;
                    }
                    if listening.contains(&here) {
                        listens.insert(key.clone());
                    }
                    all.insert(key, wanted);
                }
            }
        }
        if self.gated {
            self.say_gated(all.len());
            return problems;
        }
        self.leave(|key, wanted| !all.contains_key(key) && !broken.contains(&wanted.source));
        self.crowd.store(all.len(), Ordering::Relaxed);
        if let Err(why) = self.begin(all, &listens) {
            problems.push(format!("no webhook is made: {why}"));
        }
        problems
    }

    fn say_gated(&mut self, count: usize) {
        if count != self.untouched {
            self.untouched = count;
            tracing::warn!(
                count,
                "webhooks are not made at their providers: nothing is executed ([fuses] cicd = false in config.toml)"
            );
        }
    }

    /// Leaves what is not wanted any more.
    fn leave(&mut self, is_over: impl Fn(&Key, &Wanted) -> bool) {
        self.leaving.retain(|_, task| !task.0.is_finished());
        let over = |(key, running): (&Key, &Running)| is_over(key, &running.wanted).then(|| key.clone());
        let gone: Vec<Key> = self.running.iter().filter_map(over).collect();
        for key in gone {
            if let Some(Running { leave, task, .. }) = self.running.remove(&key) {
                leave.send_replace(true);
                self.leaving.insert(key, task);
            }
        }
    }

    /// Begins what is new, and again what changed.
    fn begin(&mut self, all: BTreeMap<Key, Wanted>, listens: &BTreeSet<Key>) -> Result<(), String> {
        let mut doors: BTreeMap<(String, String), Arc<Door>> = BTreeMap::new();
        for (key, wanted) in all {
            let running = self.running.get(&key);
            if running.is_some_and(|running| running.wanted == wanted) {
                continue;
            }
            // a source that cannot listen for a while, because its secret is missing, keeps what it has
            if running.is_none() && !listens.contains(&key) {
                continue;
            }
            let api = match &self.api {
                Some(api) => api.clone(),
                None => self.api.insert(Api::new()?).clone(),
            };
            let door = doors.entry((wanted.source.clone(), wanted.event.clone())).or_insert_with(|| {
                let namespace = wanted.source.split('/').next().unwrap_or_default().to_owned();
                let access = Access::new(Arc::clone(&self.objects), namespace);
                let clock = Arc::clone(&self.clock);
                Arc::new(Door::new(wanted.login.clone(), wanted.base.clone(), access, clock))
            });
            let keeper = Keeper {
                resign: running.is_some_and(|running| running.wanted.secret != wanted.secret),
                wanted: wanted.clone(),
                door: Arc::clone(door),
                api,
                pace: self.pace.clone(),
                crowd: Arc::clone(&self.crowd),
            };
            // the one before ends without deleting anything, or has nearly deleted it
            drop(self.running.remove(&key));
            let before = self.leaving.remove(&key);
            let (leave, left) = watch::channel(false);
            let task = Task(tokio::spawn(keeper.run(before, left)));
            self.running.insert(key, Running { wanted, leave, task });
        }
        Ok(())
    }

    /// Ends all: those that are to be deleted are, as far as there is time.
    pub(crate) async fn finish(mut self) {
        self.leave(|_, _| true);
        let ended = async {
            for task in self.leaving.values_mut() {
                drop((&mut task.0).await);
            }
        };
        if tokio::time::timeout(FINISH_LIMIT, ended).await.is_err() {
            tracing::warn!("webhooks stay at their providers: deleting them took too long");
        }
    }
}

/// That two events want one webhook.
fn twice(label: &str, wanted: &Wanted, other: &Wanted) -> String {
    format!(
        "{label}: {} has one webhook for {}, which is kept for {}, event {}: give one of them another address",
        wanted.place, wanted.url, other.source, other.event
    )
}
