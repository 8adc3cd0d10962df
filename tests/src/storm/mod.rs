//! The kill storm: real steps, a real engine, SIGKILL at random instants, a ledger that the steps write.
//! Does not simulate: time, processes and files are those of the machine; a seed repeats the plan, not the timing.

pub mod facts;
pub mod ledger;
pub mod orphans;
pub mod random;
pub mod round;
pub mod shape;

use std::fmt;
use std::time::{Duration, Instant};

use crate::binary::Home;
use random::Random;
use round::Round;
use shape::Shape;

/// What a storm does.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Engines to kill, over all rounds.
    pub kills: u32,
    /// Steps of each workflow, counted without retries.
    pub steps: u32,
    /// Chooses workflows and instants.
    pub seed: u64,
    /// How long a step sleeps, in milliseconds.
    pub pause_ms: u64,
    /// Longest life of an engine that is to be killed, in milliseconds.
    pub life_ms: u64,
    /// Say what happens on standard output.
    pub loud: bool,
}

/// What a storm was.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Workflows that were run.
    pub rounds: u32,
    /// Engines that were killed while they ran.
    pub kills: u32,
    /// Executions of steps in the ledger, tries that were to fail included.
    pub executions: usize,
    /// Engines that were started.
    pub engines: u32,
    /// Times that two engines were started for one workflow.
    pub duels: u32,
    /// Kills before the workflow was acknowledged.
    pub early: u32,
    /// How long it took.
    pub took: Duration,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} kills of {} engines in {} rounds ({} before the acknowledgement, {} duels); \
             {} executions, each exactly once; {:.1} s",
            self.kills,
            self.engines,
            self.rounds,
            self.early,
            self.duels,
            self.executions,
            self.took.as_secs_f64()
        )
    }
}

/// Runs workflows and kills their engines until enough were killed; the last one then runs to its end.
///
/// # Errors
/// What was lost, repeated, different or left behind, and how to repeat the storm.
pub fn run(plan: &Plan) -> Result<Report, String> {
    let began = Instant::now();
    let mut report = Report::default();
    let mut random = Random::new(plan.seed);
    while report.rounds == 0 || report.kills < plan.kills {
        let seed = random.number();
        one(plan, seed, &mut random, &mut report).map_err(|why| {
            let Plan { kills, steps, seed, .. } = plan;
            format!(
                "round {} of a storm with seed {seed}: {why}\n\
                 repeat: cargo xtask storm --kills {kills} --steps {steps} --seed {seed}",
                report.rounds
            )
        })?;
        report.rounds += 1;
    }
    report.took = began.elapsed();
    Ok(report)
}

fn one(plan: &Plan, seed: u64, random: &mut Random, report: &mut Report) -> Result<(), String> {
    let name = format!("storm-{}", report.rounds);
    let shape = Shape::new(&name, plan.steps, seed);
    // The workflow as it should be: nobody kills, nobody sleeps.
    let calm = {
        let (shape, name) = (shape.clone(), name.clone());
        std::thread::spawn(move || undisturbed(&shape, &name))
    };
    let home = Home::new("default")?;
    let outcome = Round::new(&home, &shape, plan)?.storm(random, report);
    let calm = calm.join().map_err(|_| "the undisturbed run panicked".to_owned())?;
    let stormy = match outcome {
        Ok(stormy) => stormy,
        Err(why) => {
            let kept = home.keep();
            return Err(format!("{why}\nkept for inspection: {}", kept.display()));
        }
    };
    let wrong = facts::differences(&calm?, &stormy);
    if wrong.is_empty() {
        return Ok(());
    }
    let kept = home.keep();
    Err(format!("differs from the undisturbed run:\n{}\nkept: {}", wrong.join("\n"), kept.display()))
}

fn undisturbed(shape: &Shape, name: &str) -> Result<facts::Facts, String> {
    let home = Home::new("default")?;
    let round = Round::prepare(&home, shape)?;
    let said = home
        .start(round.shared(), &["submit", "../storm.yaml", "--share-cwd", "-p", "pause=0", "-o", "name"])?
        .wait(round::PATIENCE);
    if said.code != Some(0) {
        return Err(format!("the undisturbed run: exit {:?}: {}", said.code, said.both()));
    }
    round.check_ledger()?;
    facts::Facts::of(&home, name)
}
