//! One workflow of a storm: its engines are started and killed until it has ended; then everything is checked.
//! Does not choose how many engines die: the storm's plan does.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::facts::Facts;
use super::ledger::Ledger;
use super::random::Random;
use super::shape::Shape;
use super::{Plan, Report, orphans};
use crate::binary::{Home, Running, Said};

/// Longest time an engine that nobody kills may take.
pub const PATIENCE: Duration = Duration::from_secs(300);
/// Time within which nothing may be left after the end.
const CALM: Duration = Duration::from_secs(2);
/// Longest life of an engine, in milliseconds, before the workflow was acknowledged.
const EARLY_MS: u64 = 150;
/// In so many of a hundred cases two engines are started for one workflow.
const DUEL: u64 = 20;

/// One workflow.
pub struct Round<'a> {
    home: &'a Home,
    shape: &'a Shape,
    shared: PathBuf,
    name: String,
    pause: String,
    life_ms: u64,
    kills: u32,
    loud: bool,
    acknowledged: bool,
}

/// How one engine came to its end.
enum Fate {
    Killed,
    Ended(Said),
}

impl<'a> Round<'a> {
    /// Writes the manifest into a home, and makes the folder that the steps share.
    ///
    /// # Errors
    /// No room.
    pub fn prepare(home: &'a Home, shape: &'a Shape) -> Result<Self, String> {
        let shared = home.folder().join("shared");
        std::fs::create_dir_all(&shared).map_err(|error| format!("{}: {error}", shared.display()))?;
        let file = home.folder().join("storm.yaml");
        std::fs::write(&file, &shape.yaml).map_err(|error| format!("{}: {error}", file.display()))?;
        let name = shape.name.clone();
        let pause = "pause=0".to_owned();
        let (life_ms, kills, loud, acknowledged) = (0, 0, false, false);
        Ok(Self { home, shape, shared, name, pause, life_ms, kills, loud, acknowledged })
    }

    /// A workflow for a storm.
    ///
    /// # Errors
    /// No room.
    pub fn new(home: &'a Home, shape: &'a Shape, plan: &Plan) -> Result<Self, String> {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of a pause")]
        let pause = format!("pause={}", plan.pause_ms as f64 / 1000.0);
        let (life_ms, kills, loud) = (plan.life_ms, plan.kills, plan.loud);
        Ok(Self { pause, life_ms, kills, loud, ..Self::prepare(home, shape)? })
    }

    /// The folder in which steps write.
    pub fn shared(&self) -> &Path {
        &self.shared
    }

    /// Kills engines until there were enough or the workflow has ended; the facts of its end.
    ///
    /// # Errors
    /// What is wrong.
    pub fn storm(mut self, random: &mut Random, report: &mut Report) -> Result<Facts, String> {
        let mut idle = Instant::now();
        loop {
            let end = report.kills >= self.kills;
            let duel = !end && self.acknowledged && random.percent(DUEL);
            let first = self.start(random)?;
            let second = if duel { Some(self.resume()?) } else { None };
            report.duels += u32::from(duel);
            let mut over = false;
            for engine in [Some(first), second].into_iter().flatten() {
                report.engines += 1;
                // Early deaths, around the acknowledgement, would be rare otherwise.
                let bound = if self.acknowledged { self.life_ms } else { self.life_ms.min(EARLY_MS) };
                let life = (!end).then(|| Duration::from_millis(5 + random.below(bound)));
                over |= match self.fate(engine, life, report)? {
                    Fate::Killed => false,
                    Fate::Ended(said) => self.ended(&said)?,
                };
            }
            if over {
                break;
            }
            if end && idle.elapsed() > PATIENCE {
                return Err(format!("{} does not end", self.name));
            }
            if !end {
                idle = Instant::now();
            }
        }
        self.check(report)
    }

    /// Submits until it was acknowledged, and sometimes again under the same key; resumes otherwise.
    fn start(&mut self, random: &mut Random) -> Result<Running, String> {
        if self.acknowledged && !random.percent(10) {
            return self.resume();
        }
        let key = format!("key-{}", self.name);
        let words = ["submit", "../storm.yaml", "--share-cwd", "-p", &self.pause, "-o", "name"];
        self.home.start(&self.shared, &[&words[..], &["--idempotency-key", &key]].concat())
    }

    fn resume(&self) -> Result<Running, String> {
        self.home.start(&self.shared, &["resume", &self.name, "-o", "name"])
    }

    fn fate(
        &mut self,
        mut engine: Running,
        life: Option<Duration>,
        report: &mut Report,
    ) -> Result<Fate, String> {
        let Some(life) = life else { return Ok(Fate::Ended(engine.wait(PATIENCE))) };
        let began = Instant::now();
        while began.elapsed() < life && !engine.ended() {
            std::thread::sleep(Duration::from_millis(1));
        }
        let fate = if engine.ended() {
            Fate::Ended(engine.wait(Duration::from_secs(1)))
        } else {
            engine.kill();
            report.kills += 1;
            // Its name on standard output is the acknowledgement: from here on it must never be unknown.
            self.acknowledged |= engine.stdout().contains(&self.name);
            report.early += u32::from(!self.acknowledged);
            Fate::Killed
        };
        if self.loud {
            let what = match &fate {
                Fate::Killed => "killed".to_owned(),
                Fate::Ended(said) => format!("ended with {:?}", said.code),
            };
            println!("{}: engine {} {what} after {:?}", self.name, report.engines, began.elapsed());
        }
        Ok(fate)
    }

    /// An engine ended by itself: true when the workflow has ended.
    fn ended(&mut self, said: &Said) -> Result<bool, String> {
        match said.code {
            Some(0) => Ok(true),
            // The other engine of a duel runs it, or has just brought it to its end.
            Some(7) if said.stderr.contains("ended already") => Ok(true),
            Some(7) if said.stderr.contains("is running") => Ok(false),
            Some(4) if !self.acknowledged => Ok(false),
            code => Err(format!("an engine ended with {code:?}: {}", said.both())),
        }
    }

    fn check(&self, report: &mut Report) -> Result<Facts, String> {
        let ledger = Ledger::read(&self.shared.join("ledger"))?;
        let left = orphans::left_after(self.home.folder(), &ledger.keys(), CALM);
        if !left.is_empty() {
            return Err(format!("left behind {CALM:?} after the end: {left:?}"));
        }
        self.check_ledger()?;
        report.executions += self.shape.executions();
        let verified = self.home.run(&["db", "verify"], PATIENCE)?;
        if verified.code != Some(0) {
            return Err(format!("db verify: exit {:?}: {}", verified.code, verified.both()));
        }
        Facts::of(self.home, &self.name)
    }

    /// Compares the ledger with what the workflow should have done.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn check_ledger(&self) -> Result<(), String> {
        let problems = Ledger::read(&self.shared.join("ledger"))?.problems(self.shape);
        if problems.is_empty() { Ok(()) } else { Err(format!("the ledger:\n{}", problems.join("\n"))) }
    }
}
