//! What a supervised step costs beside a bare posix_spawn of the same program, in one interleaved run.
//! A measurement, not a test: `cargo run --release --example overhead -p runner-runners [ROUNDS]`.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement")]

use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use runner_runners::{
    ArtifactRepository, AttemptId, AttemptSpec, IsolationChoice, Observation, ProcessConfig, ProcessRunner,
    Runner,
};
use runner_workflows::spec::{Container, Template};

fn spec(case: &str, number: usize, state: &std::path::Path) -> AttemptSpec {
    let container = Container { command: vec!["/bin/true".into()], ..Container::default() };
    AttemptSpec {
        id: AttemptId { workflow_uid: case.into(), node_id: number.to_string(), attempt: 0 },
        workflow: case.into(),
        namespace: "default".into(),
        node_name: case.into(),
        pod_name: case.into(),
        template: Template { container: Some(container), ..Template::default() },
        capture_result: false,
        timeout: None,
        step_key: format!("{case}/{number}"),
        volumes: Vec::new(),
        repository: ArtifactRepository::Local { root: state.join("artifacts") },
        default_key_prefix: "w/p".into(),
        share_cwd: None,
        claims: Vec::new(),
        env: Vec::new(),
        archive_logs: false,
        pod: runner_runners::PodDefaults::default(),
    }
}

fn bare() -> Duration {
    let start = Instant::now();
    let mut command = Command::new("/bin/true");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap().wait().unwrap();
    start.elapsed()
}

async fn supervised(runner: &ProcessRunner, spec: AttemptSpec) -> Duration {
    let (sink, mut events) = tokio::sync::mpsc::unbounded_channel();
    let start = Instant::now();
    runner.ensure(spec, sink).await.unwrap();
    while let Some((_, observation)) = events.recv().await {
        if matches!(observation, Observation::Finished(_) | Observation::Lost { .. }) {
            break;
        }
    }
    start.elapsed()
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1000.0
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    if let Some(code) = runner_runners::dispatch(&args) {
        return code;
    }
    let rounds = args.get(1).and_then(|text| text.parse().ok()).unwrap_or(200);
    let dir = tempfile::tempdir_in(".").unwrap();
    let make = |name: &str, isolation| {
        let mut config = ProcessConfig::new(dir.path().join(name)).unwrap();
        config.isolation = isolation;
        // Beside other work a step of lower priority waits for it; here only the overhead is of interest.
        config.nice = None;
        ProcessRunner::new(config).unwrap()
    };
    let (overlay, remap) = (make("overlay", IsolationChoice::Auto), make("remap", IsolationChoice::Remap));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (mut bare_times, mut overlay_times, mut remap_times) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..rounds {
        bare_times.push(bare());
        overlay_times.push(runtime.block_on(supervised(&overlay, spec("overlay", number, dir.path()))));
        remap_times.push(runtime.block_on(supervised(&remap, spec("remap", number, dir.path()))));
    }
    println!("median of {rounds}, ms: bare posix_spawn {:.2}", median(bare_times));
    println!("  supervised, private root   {:.2}", median(overlay_times));
    println!("  supervised, remapped paths {:.2}", median(remap_times));
    ExitCode::SUCCESS
}
