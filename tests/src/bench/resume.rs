//! B7: how soon a killed engine's workflow goes on: from exec of `runner resume` to the next step's first line.
//! What must not be lost on the way is proven by the storm.

use std::time::{Duration, Instant};

use super::measure::{Bench, Metric, Sample, Side, Target};
use super::work::{FULL, PATIENCE};
use crate::binary::Home;
use crate::storm::orphans;

/// So many finished nodes, then a step during which the engine is killed, then the one that is waited for.
fn yaml(nodes: usize) -> String {
    format!(
        "apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {{name: bench}}
spec:
  entrypoint: main
  templates:
  - name: nothing
    suspend: {{duration: \"0\"}}
  - name: first
    script: {{image: \"alpine:3\", command: [sh], source: \"echo first >> ledger; sleep 0.3\"}}
  - name: second
    script: {{image: \"alpine:3\", command: [sh], source: \"echo second >> ledger\"}}
  - name: main
    dag:
      tasks:
      - {{name: fan, template: nothing, withSequence: {{count: \"{nodes}\"}}}}
      - {{name: first, template: first, depends: fan}}
      - {{name: second, template: second, depends: first}}
"
    )
}

fn wait_for(home: &Home, line: &str) -> Result<(), String> {
    let end = Instant::now() + PATIENCE;
    while !std::fs::read_to_string(home.folder().join("ledger")).unwrap_or_default().contains(line) {
        if Instant::now() > end {
            return Err(format!("the step `{line}` does not come"));
        }
        std::thread::sleep(Duration::from_micros(500));
    }
    Ok(())
}

fn once(yaml: &str) -> Result<Sample, String> {
    let home = Home::new("default")?;
    let file = home.folder().join("bench.yaml");
    std::fs::write(&file, yaml).map_err(|error| format!("{}: {error}", file.display()))?;
    let mut engine = home.start(home.folder(), &["submit", "bench.yaml", "--share-cwd", "--quiet"])?;
    wait_for(&home, "first")?;
    engine.kill();
    // The step ends while no engine runs: nothing but the replay is between the start and the next step.
    let left = orphans::left_after(home.folder(), &[], PATIENCE);
    if !left.is_empty() {
        return Err("the first step does not end".to_owned());
    }
    let began = Instant::now();
    let engine = home.start(home.folder(), &["resume", "bench", "--wait", "--quiet"])?;
    wait_for(&home, "second")?;
    let seconds = began.elapsed().as_secs_f64();
    let said = engine.wait(PATIENCE);
    let ledger = std::fs::read_to_string(home.folder().join("ledger")).unwrap_or_default();
    if said.code != Some(0) || ledger != "first\nsecond\n" {
        return Err(format!("exit {:?}, ledger {ledger:?}: {}", said.code, said.both()));
    }
    Ok(Sample { seconds, units: 1.0, ..Sample::default() })
}

/// B7 with so many finished nodes.
pub fn resume(nodes: usize) -> Result<Bench, String> {
    let text = yaml(nodes);
    let run = Box::new(move || once(&text));
    Ok(Bench {
        metric: Metric::Milliseconds,
        unit: "ms",
        sides: vec![Side { name: format!("runner, {nodes} nodes"), durability: FULL, ours: true, run }],
        targets: vec![Target { ours: 0, other: None, bound: 200.0 }],
        notes: vec![
            "From exec of `runner resume` to the first line of the next step: start-up, replay and the start of a \
             process included. No step ran twice."
                .to_owned(),
        ],
    })
}
