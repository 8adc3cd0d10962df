//! Daemons are there to be ended, whether anybody sees how or not.
//! That they are ended at all is tested where something runs.

use crate::common::{Run, with_leaves};
use runner_machine::{Command, Input, NodeIx, NodePhase as P, Observed, WorkflowPhase as W};

/// A run whose daemon is ready and whose client has started, and the daemon.
fn ready() -> (Run, NodeIx) {
    let spec = "entrypoint: main
templates:
- name: main
  steps:
  - - {name: server, template: d}
  - - {name: client, template: c}
- name: d
  daemon: true
  container: {image: x, command: [serve]}";
    let mut run = Run::new(&with_leaves(spec)).hold("server").hold("client");
    run.go();
    let server =
        run.status.nodes().find(|(_, node)| node.display_name == "server").map(|(ix, _)| ix).unwrap();
    let what = Observed::Ready { at: run.now, ip: "10.0.0.1".into() };
    run.feed(Input::Observed { node: server, attempt: 0, what });
    run.go();
    assert_eq!((run.phase("server"), run.phase("client")), (P::Running, P::Pending));
    (run, server)
}

#[test]
fn a_daemon_that_is_gone_when_it_was_to_end_has_succeeded() {
    let (mut run, server) = ready();
    let client =
        run.status.nodes().find(|(_, node)| node.display_name == "client").map(|(ix, _)| ix).unwrap();
    let (started_at, finished_at) = (Some(run.now), run.now);
    let what = Observed::Finished {
        phase: P::Succeeded,
        message: String::new(),
        outputs: Default::default(),
        started_at,
        finished_at,
    };
    run.feed(Input::Observed { node: client, attempt: 0, what });
    assert_eq!(run.status.phase, W::Running);
    // Its pod was deleted before anybody saw it end.
    run.feed(Input::Observed {
        node: server,
        attempt: 0,
        what: Observed::Lost { reason: "pod deleted".into() },
    });
    assert_eq!((run.phase("server"), run.node("server").message.as_str()), (P::Succeeded, ""));
    assert_eq!(run.status.phase, W::Succeeded);
    run.replays();
}

#[test]
fn p9_a_daemon_that_is_stopped_has_succeeded() {
    for command in [Command::Terminate, Command::Stop { selector: String::new(), message: String::new() }] {
        let (mut run, _) = ready();
        run.command(command).unwrap();
        run.ends(W::Failed);
        assert_eq!((run.phase("server"), run.phase("client")), (P::Succeeded, P::Failed));
    }
}

#[test]
fn a_run_has_not_ended_before_its_daemons() {
    let body = "entrypoint: m\ntemplates:\n- name: m\n  steps:\n  - - {name: d, template: w}\n  - - {name: b, template: c}\n- \
                {name: w, daemon: true, retryStrategy: {limit: 2}, container: {image: x, command: [run]}}";
    let mut run = Run::new(&with_leaves(body)).hold("d");
    run.step();
    let (ix, attempt) = (run.status.by_name("wf[0].d(0)").unwrap(), 0);
    let tell = |run: &mut Run, what| run.feed(Input::Observed { node: ix, attempt, what });
    let at = run.now;
    tell(&mut run, Observed::Running { at, host: "h".into() });
    assert_eq!(run.phase("d(0)"), P::Pending, "it is not ready");
    tell(&mut run, Observed::Ready { at, ip: "10.0.0.1".into() });
    run.step();
    assert_eq!((run.phase("wf"), run.phase("d")), (P::Succeeded, P::Running));
    assert_eq!(run.status.phase, W::Running);
    run.ends(W::Succeeded);
    assert_eq!((run.phase("d(0)"), run.phase("d")), (P::Succeeded, P::Succeeded));
}
