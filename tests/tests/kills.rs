//! Real processes that are killed: engines in a storm, supervisors, engines that are asked to end.
//! The instants are random; the seed is printed and repeats the plan.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use runner_tests::binary::{Home, Running};
use runner_tests::conformance::facts::node_list;
use runner_tests::storm::orphans::{self, Process};
use runner_tests::storm::{self, Plan};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(60);

fn signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), signal).unwrap();
}

/// A home with a workflow in it, and the folder that its steps share.
struct Case {
    home: Home,
    shared: PathBuf,
}

impl Case {
    fn new(templates: &str) -> Self {
        let home = Home::new("default").unwrap();
        let shared = home.folder().join("shared");
        std::fs::create_dir(&shared).unwrap();
        let head = "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nmetadata: {name: case}\nspec:\n  entrypoint: main\n  templates:\n";
        std::fs::write(home.folder().join("case.yaml"), format!("{head}{templates}")).unwrap();
        Self { home, shared }
    }

    fn submit(&self) -> Running {
        self.home.start(&self.shared, &["submit", "../case.yaml", "--share-cwd", "-o", "name"]).unwrap()
    }

    fn resume(&self) -> Running {
        self.home.start(&self.shared, &["resume", "case", "-o", "name"]).unwrap()
    }

    fn lines(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.shared.join("ledger")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Waits until the ledger has so many lines.
    fn wait_for(&self, lines: usize) {
        let end = Instant::now() + LIMIT;
        while self.lines().len() < lines {
            assert!(Instant::now() < end, "no {lines} lines: {:?}", self.lines());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn supervisors(&self) -> Vec<Process> {
        let mut found = orphans::find(self.home.folder(), &[]);
        found.retain(|process| process.supervisor);
        found
    }

    /// The node of a display name.
    fn node(&self, display_name: &str) -> Value {
        let object = self.home.get("case").unwrap().unwrap();
        let nodes = node_list(&object);
        let found = nodes.into_iter().find(|node| node["displayName"] == display_name);
        found.unwrap_or_else(|| panic!("no node {display_name}")).clone()
    }

    fn verify(&self) {
        let said = self.home.run(&["db", "verify"], LIMIT).unwrap();
        assert_eq!(said.code, Some(0), "{}", said.both());
    }
}

const STEP: &str = "  - name: main
    script:
      image: alpine:3
      command: [sh]
      source: |
        echo \"start $RUNNER_STEP_KEY\" >> ledger
        sleep 2
        echo end >> ledger
";

#[test]
fn f04_p3_fifty_kills_lose_nothing_and_repeat_nothing() {
    let seed = std::process::id().into();
    let plan = Plan { kills: 50, steps: 200, seed, pause_ms: 100, life_ms: 500, loud: false };
    println!("storm of {} kills with seed {seed}", plan.kills);
    match storm::run(&plan) {
        Ok(report) => {
            println!("{report}");
            assert!(report.kills >= plan.kills);
        }
        Err(why) => panic!("{why}"),
    }
}

#[test]
fn f14_a_step_whose_supervisor_is_killed_is_lost_and_its_processes_die() {
    let case = Case::new(&STEP.replace("sleep 2", "sleep 3600"));
    let engine = case.submit();
    case.wait_for(1);
    let key = case.lines()[0].replace("start ", "");
    let [supervisor] = &case.supervisors()[..] else { panic!("one supervisor") };
    signal(supervisor.pid.unsigned_abs(), Signal::KILL);
    let killed = Instant::now();
    let said = engine.wait(LIMIT);
    assert!(killed.elapsed() < Duration::from_secs(5), "{:?}", killed.elapsed());
    assert_eq!(said.code, Some(1), "{}", said.both());
    let node = case.node("case");
    assert_eq!(node["phase"], "Error");
    let message = node["message"].as_str().unwrap();
    assert!(message.contains("supervisor"), "{message}");
    assert_eq!(case.lines().len(), 1);
    let left = orphans::left_after(case.home.folder(), &[&key], Duration::from_secs(2));
    assert!(left.is_empty(), "{left:?}");
    case.verify();
}

#[test]
fn f14_a_supervisor_killed_while_no_engine_runs_is_found_out_later() {
    let case = Case::new(&STEP.replace("sleep 2", "sleep 3600"));
    let mut engine = case.submit();
    case.wait_for(1);
    let key = case.lines()[0].replace("start ", "");
    engine.kill();
    let [supervisor] = &case.supervisors()[..] else { panic!("one supervisor") };
    signal(supervisor.pid.unsigned_abs(), Signal::KILL);
    let said = case.resume().wait(LIMIT);
    assert_eq!(said.code, Some(1), "{}", said.both());
    assert_eq!(case.node("case")["phase"], "Error");
    assert_eq!(case.lines().len(), 1);
    let left = orphans::left_after(case.home.folder(), &[&key], Duration::from_secs(2));
    assert!(left.is_empty(), "{left:?}");
    case.verify();
}

/// A step that is lost once. What happens then is for the policy to say.
fn lost_once(policy: &str) -> (Case, Option<i32>) {
    let text = STEP.replace("sleep 2", "test {{retries}} -gt 0 || sleep 3600").replace(
        "    script:",
        &format!("    retryStrategy: {{limit: \"2\", retryPolicy: {policy}}}\n    script:"),
    );
    let case = Case::new(&text);
    let engine = case.submit();
    case.wait_for(1);
    let [supervisor] = &case.supervisors()[..] else { panic!("one supervisor") };
    signal(supervisor.pid.unsigned_abs(), Signal::KILL);
    let code = engine.wait(LIMIT).code;
    case.verify();
    (case, code)
}

#[test]
fn f14_p5_a_lost_step_is_retried_where_the_policy_covers_errors() {
    let (case, code) = lost_once("OnError");
    assert_eq!((code, case.lines().len()), (Some(0), 3), "{:?}", case.lines());
    assert_eq!(case.node("case(0)")["phase"], "Error");
    assert_eq!(case.node("case(1)")["phase"], "Succeeded");
}

#[test]
fn f14_p5_a_lost_step_is_not_retried_where_the_policy_covers_failures_only() {
    let (case, code) = lost_once("OnFailure");
    assert_eq!((code, case.lines().len()), (Some(1), 1), "{:?}", case.lines());
    assert_eq!(case.node("case")["phase"], "Error");
}

/// Asked to end, an engine leaves with a code, says how to resume, and the step goes on.
fn asked_to_end(with: Signal, code: i32) {
    let case = Case::new(STEP);
    let engine = case.submit();
    case.wait_for(1);
    let asked = Instant::now();
    signal(engine.id(), with);
    let said = engine.wait(LIMIT);
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    assert_eq!(said.code, Some(code), "{}", said.both());
    let last = said.stderr.trim_end().lines().last().unwrap_or_default();
    assert!(last.contains("runner resume case"), "{}", said.stderr);
    assert_eq!(said.stdout, "case\n");
    assert_eq!(case.supervisors().len(), 1, "the step goes on");
    let said = case.resume().wait(LIMIT);
    assert_eq!(said.code, Some(0), "{}", said.both());
    assert_eq!(case.lines().len(), 2, "{:?}", case.lines());
    case.verify();
}

#[test]
fn f72_ctrl_c_leaves_with_130_and_the_step_goes_on() {
    asked_to_end(Signal::INT, 130);
}

#[test]
fn f72_sigterm_leaves_with_143_and_the_step_goes_on() {
    asked_to_end(Signal::TERM, 143);
}

#[test]
fn f72_a_second_ctrl_c_leaves_at_once_and_is_as_safe_as_a_crash() {
    let case = Case::new(STEP);
    let engine = case.submit();
    case.wait_for(1);
    signal(engine.id(), Signal::INT);
    // It may have left after the first one already.
    let second = Pid::from_raw(i32::try_from(engine.id()).unwrap()).unwrap();
    let _gone = kill_process(second, Signal::INT);
    let said = engine.wait(LIMIT);
    assert_eq!(said.code, Some(130), "{}", said.both());
    let said = case.resume().wait(LIMIT);
    assert_eq!(said.code, Some(0), "{}", said.both());
    assert_eq!(case.lines().len(), 2, "{:?}", case.lines());
    case.verify();
}

#[test]
fn p10_a_binary_replaced_while_its_engine_runs_changes_nothing() {
    let second = STEP.replace("name: main", "name: step").replace("sleep 2", "sleep 1");
    let main = "  - name: main\n    steps:\n    - - {name: one, template: step}\n    - - {name: two, template: step}\n";
    let case = Case::new(&format!("{second}{main}"));
    let engine = case.submit();
    case.wait_for(1);
    let other = case.home.folder().join("other");
    std::fs::copy("/bin/false", &other).unwrap();
    std::fs::rename(&other, case.home.folder().join("runner")).unwrap();
    let said = engine.wait(LIMIT);
    assert_eq!(said.code, Some(0), "{}", said.both());
    assert_eq!(case.lines().len(), 4, "{:?}", case.lines());
}
