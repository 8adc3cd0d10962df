//! What steps do to get away, to flood, to be too large, and what they inherit (F48-F54, V32).
//! Nothing here is about paths: that is `paths`.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use std::time::{Duration, Instant};

use common::conformance::{
    Subject, attempt, channel, finished, from_path, log_text, run, script, shell, succeed, value,
};
use common::{Processes, appears, gone, long_sleep, processes_with};
use runner_runners::{ExitPhase, IsolationChoice, Reason};
use runner_workflows::spec::{ContainerNode, ContainerSetTemplate, Parameter, Template, UserContainer, k8s};

fn processes() -> Processes {
    Processes::new(IsolationChoice::Auto)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f48_a_line_without_end_is_cut_and_counted() {
    let processes = processes();
    let runner = processes.with(|config| {
        config.log_head_bytes = 1 << 20;
        config.log_segment_bytes = 1 << 19;
    });
    let spec = attempt(&processes, "f48", shell("head -c 1000000000 /dev/zero | tr '\\0' x; echo; echo end"));
    let start = Instant::now();
    let exit = tokio::time::timeout(Duration::from_secs(120), run(&runner, spec.clone())).await;
    let exit = exit.unwrap_or_else(|_| panic!("the flood took {:?}", start.elapsed()));
    assert_eq!(exit.phase, ExitPhase::Succeeded);
    assert!(exit.outputs.result.is_some_and(|r| r.len() <= 256 << 10 && r.ends_with("x\nend")));
    let lines = log_text(&runner, &spec.id).await;
    assert_eq!(lines.last().map(String::as_str), Some("end"));
    assert!(lines.iter().all(|line| line.len() <= 64 << 10));
    let kept: usize = lines.iter().map(String::len).sum();
    let marker = lines.iter().find(|line| line.contains("dropped")).cloned().unwrap_or_default();
    let dropped: usize = marker.split(' ').find_map(|word| word.parse().ok()).unwrap_or_default();
    // The marker itself, the line end and the last line are not part of the flood.
    assert_eq!(kept - marker.len() - "end".len() + dropped, 1_000_000_000, "{marker}");
}

#[tokio::test]
async fn a_memory_limit_of_main_holds() {
    let processes = processes();
    let runner = processes.runner();
    // `tail` keeps an endless line in memory; its exit code is that of the step.
    let hungry = |name: &str, limit: &str| {
        let mut template =
            serde_json::to_value(shell("head -c 300000000 /dev/zero | tail > /dev/null")).unwrap();
        template["container"]["resources"] = serde_json::json!({"limits": {"memory": limit}});
        attempt(&processes, name, serde_json::from_value(template).unwrap())
    };
    let exit = run(&*runner, hungry("enough", "2Gi")).await;
    assert_eq!((exit.phase, exit.message.as_str()), (ExitPhase::Succeeded, ""));
    let exit = run(&*runner, hungry("little", "64Mi")).await;
    assert_eq!(exit.phase, ExitPhase::Failed, "{exit:?}");
    // In a control group the kernel ends it, elsewhere its allocation fails.
    match exit.reason {
        Some(Reason::OOMKilled) => assert_eq!(exit.message, "main: OOMKilled (exit code 137)"),
        other => assert_eq!((other, exit.exit_code), (None, Some(1)), "{exit:?}"),
    }
}

#[tokio::test]
async fn f48_binary_output_does_not_hurt() {
    let processes = processes();
    let runner = processes.runner();
    let spec = attempt(&processes, "binary", shell("printf '\\377\\000\\033[31m\\n'; echo ok"));
    succeed(&*runner, spec.clone()).await;
    assert_eq!(log_text(&*runner, &spec.id).await[1], "ok");
}

#[tokio::test]
async fn f49_a_step_that_ignores_term_is_killed_after_the_grace() {
    let processes = processes();
    let runner = processes.with(|config| config.grace = Duration::from_millis(300));
    let sleep = long_sleep();
    let source = format!("trap '' TERM; sleep {sleep} & while true; do sleep 0.1; done");
    let mut spec = attempt(&processes, "f49", shell(&source));
    spec.timeout = Some(Duration::from_millis(300));
    let start = Instant::now();
    let exit = run(&runner, spec).await;
    assert!(start.elapsed() < Duration::from_millis(2600), "{:?}", start.elapsed());
    assert_eq!((exit.phase, exit.reason), (ExitPhase::Failed, Some(Reason::Deadline)));
    assert_eq!(exit.exit_code, Some(137));
    assert!(processes_with(&sleep).is_empty());
}

#[tokio::test]
async fn f49_a_step_may_use_its_grace() {
    let processes = processes();
    let runner = processes.runner();
    let source = "trap 'echo bye; exit 9' TERM; echo x > up; while true; do sleep 0.05; done";
    let mut spec = attempt(&processes, "graceful", shell(source));
    let shared = processes.state().with_file_name("shared");
    std::fs::create_dir_all(&shared).unwrap_or_default();
    spec.share_cwd = Some(shared.clone());
    let (sink, mut events) = channel();
    assert!(runner.ensure(spec.clone(), sink).await.is_ok());
    appears(&shared.join("up")).await;
    assert!(runner.cancel(&spec.id, Duration::from_secs(10)).await.is_ok());
    let exit = finished(&mut events).await;
    assert_eq!((exit.exit_code, exit.outputs.result.as_deref()), (Some(9), Some("bye")));
}

#[tokio::test]
async fn f50_a_grandchild_that_holds_stdout_does_not_keep_the_step_alive() {
    let processes = processes();
    let runner = processes.runner();
    let sleep = long_sleep();
    let start = Instant::now();
    let exit =
        succeed(&*runner, attempt(&processes, "f50", shell(&format!("(sleep {sleep} &) ; echo ok")))).await;
    assert!(start.elapsed() < Duration::from_millis(3000), "{:?}", start.elapsed());
    assert_eq!(exit.outputs.result.as_deref(), Some("ok"));
    assert!(processes_with(&sleep).is_empty());
}

#[tokio::test]
async fn f51_daemons_that_leave_session_parent_and_environment_are_killed() {
    let processes = processes();
    let runner = processes.runner();
    let sleeps: Vec<String> = (0..3).map(|_| long_sleep()).collect();
    let source = format!(
        "setsid sleep {} >/dev/null 2>&1 &\nsetsid env -i /bin/sleep {} >/dev/null 2>&1 &\n\
         (setsid sh -c 'setsid sleep {} >/dev/null 2>&1 & exit 0' >/dev/null 2>&1 &)\nsleep 0.3; echo ok",
        sleeps[0], sleeps[1], sleeps[2]
    );
    succeed(&*runner, attempt(&processes, "f51", script(&source))).await;
    for sleep in sleeps {
        assert!(processes_with(&sleep).is_empty(), "{sleep}");
    }
}

#[tokio::test]
async fn f51_a_bounded_fork_bomb_and_its_zombies_are_cleared_away() {
    let processes = processes();
    let runner = processes.runner();
    let sleep = long_sleep();
    let source = format!(
        "bomb() {{ if [ $1 -gt 0 ]; then bomb $(($1 - 1)) & bomb $(($1 - 1)) & fi; sleep {sleep}; }}\n\
         bomb 6 >/dev/null 2>&1 &\nsleep 0.5; exit 0"
    );
    let start = Instant::now();
    succeed(&*runner, attempt(&processes, "bomb", script(&source))).await;
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    gone(&sleep).await;
}

#[tokio::test]
async fn f53_outputs_that_are_no_text_or_too_large_are_errors_with_a_name() {
    let processes = processes();
    let runner = processes.runner();
    for (case, command, word) in [
        ("utf8", "printf '\\377' > /tmp/a", "UTF-8"),
        ("large", "head -c 2000000 /dev/zero > /tmp/a", "artifact"),
    ] {
        let mut template = shell(command);
        template.outputs.parameters = vec![from_path("a", "/tmp/a")];
        let exit = run(&*runner, attempt(&processes, case, template)).await;
        assert_eq!((exit.phase, exit.reason), (ExitPhase::Error, Some(Reason::Output)));
        assert!(exit.message.contains("\"a\"") && exit.message.contains(word), "{}", exit.message);
    }
}

fn variable(name: &str, value: &str) -> k8s::EnvVar {
    k8s::EnvVar { name: name.into(), value: Some(value.into()), ..k8s::EnvVar::default() }
}

#[tokio::test]
async fn f54_a_large_command_is_spilled_and_a_large_variable_is_refused_by_name() {
    let processes = processes();
    let runner = processes.runner();
    let large = "y".repeat(131_072);
    let spilled = shell(&format!("echo ok # {large}"));
    let exit = succeed(&*runner, attempt(&processes, "spilled", spilled)).await;
    assert_eq!(exit.outputs.result.as_deref(), Some("ok"));

    let exit = succeed(&*runner, attempt(&processes, "source", script(&format!("echo ok # {large}")))).await;
    assert_eq!(exit.outputs.result.as_deref(), Some("ok"));

    let mut template = shell("true");
    template.inputs.parameters = vec![Parameter::literal("text", large.clone())];
    if let Some(container) = &mut template.container {
        container.env = vec![variable("TEXT", &large)];
    }
    let exit = run(&*runner, attempt(&processes, "variable", template)).await;
    assert_eq!((exit.phase, exit.reason), (ExitPhase::Error, Some(Reason::NotStarted)));
    assert!(exit.message.contains("\"text\"") && exit.message.contains("\"TEXT\""), "{}", exit.message);

    let mut template = shell("true");
    if let Some(container) = &mut template.container {
        container.args = (0..20).map(|_| "z".repeat(100_000)).collect();
    }
    let exit = run(&*runner, attempt(&processes, "total", template)).await;
    assert_eq!(exit.phase, ExitPhase::Error);
    assert!(exit.message.contains("artifact"), "{}", exit.message);
}

#[tokio::test]
async fn v32_a_step_inherits_an_allow_list_and_three_descriptors() {
    let processes = processes();
    let runner = processes.runner();
    // A descriptor that somebody forgot to mark close-on-exec before the engine was started.
    let file = std::fs::File::open("/dev/null").unwrap_or_else(|e| panic!("{e}"));
    let leaked = rustix::io::dup(&file).unwrap_or_else(|e| panic!("{e}"));
    let mut template =
        shell("env -0 | tr '\\0' '\\n' | cut -d= -f1 | sort > /tmp/env; ls /proc/self/fd > /tmp/fds");
    template.outputs.parameters = vec![from_path("env", "/tmp/env"), from_path("fds", "/tmp/fds")];
    if let Some(container) = &mut template.container {
        container.env = vec![variable("MINE", "1"), variable("RUNNER_STEP_KEY", "forged")];
    }
    let exit = succeed(&*runner, attempt(&processes, "v32", template)).await;
    drop(leaked);
    let allowed = [
        "ARGO_PROGRESS_FILE",
        "HOME",
        "HOSTNAME",
        "LANG",
        "MINE",
        "PATH",
        "PWD",
        "RUNNER_ATTEMPT",
        "RUNNER_MARK",
        "RUNNER_STEP_KEY",
        "TERM",
        "TZ",
        "OLDPWD",
        "SHLVL",
        "_",
    ];
    let env = value(&exit, "env").unwrap_or_default();
    for name in env.lines() {
        assert!(allowed.contains(&name), "{name} was inherited");
    }
    assert!(env.contains("MINE") && env.contains("RUNNER_STEP_KEY"));
    // 3 is the directory that `ls` reads.
    assert_eq!(value(&exit, "fds").as_deref(), Some("0\n1\n2\n3"));
    let exit =
        succeed(&*runner, attempt(&processes, "key", shell("echo $RUNNER_STEP_KEY/$RUNNER_ATTEMPT"))).await;
    assert_eq!(exit.outputs.result.as_deref(), Some("uid-key/node/0"));
}

fn user(name: &str, command: &str) -> UserContainer {
    UserContainer {
        name: name.into(),
        image: "alpine".into(),
        command: vec!["sh".into(), "-c".into()],
        args: vec![command.into()],
        ..UserContainer::default()
    }
}

#[tokio::test]
async fn init_containers_run_first_and_sidecars_end_with_main() {
    let processes = processes();
    let runner = processes.runner();
    let sleep = long_sleep();
    let template = Template {
        init_containers: vec![user("first", "echo 1 >> /tmp/order"), user("second", "echo 2 >> /tmp/order")],
        sidecars: vec![user("side", &format!("echo beside; sleep {sleep}"))],
        ..shell("sleep 0.3; cat /tmp/order")
    };
    let spec = attempt(&processes, "members", template);
    let exit = succeed(&*runner, spec.clone()).await;
    assert_eq!(exit.outputs.result.as_deref(), Some("1\n2"));
    assert!(processes_with(&sleep).is_empty());
    let query = runner_runners::LogQuery { container: Some("side".into()), ..Default::default() };
    let lines = runner.logs(&spec.id, query).await.map(|lines| lines.collect());
    let lines = match lines {
        Ok(lines) => lines.await.unwrap_or_default(),
        Err(error) => panic!("{error}"),
    };
    assert_eq!(lines[0].text, "beside");
    let failing = Template { init_containers: vec![user("first", "exit 5")], ..shell("echo never") };
    let exit = run(&*runner, attempt(&processes, "init-fails", failing)).await;
    assert_eq!((exit.phase, exit.message.as_str()), (ExitPhase::Failed, "first: Error (exit code 5)"));
}

#[tokio::test]
async fn containers_of_a_set_wait_for_each_other_and_share_a_root() {
    let processes = processes();
    let runner = processes.runner();
    let node = |name: &str, command: &str, dependencies: &[&str]| ContainerNode {
        name: name.into(),
        image: "alpine".into(),
        command: vec!["sh".into(), "-c".into()],
        args: vec![command.into()],
        dependencies: dependencies.iter().map(|name| (*name).to_owned()).collect(),
        ..ContainerNode::default()
    };
    let set = |containers| Template {
        container_set: Some(ContainerSetTemplate { containers, ..ContainerSetTemplate::default() }),
        ..Template::default()
    };
    let template = set(vec![
        node("main", "cat /tmp/a /tmp/b", &["a", "b"]),
        node("a", "sleep 0.3; echo a > /tmp/a", &[]),
        node("b", "cat /tmp/a > /tmp/b", &["a"]),
    ]);
    let exit = succeed(&*runner, attempt(&processes, "set", template)).await;
    assert_eq!(exit.outputs.result.as_deref(), Some("a\na"));
    let template = set(vec![node("a", "exit 2", &[]), node("b", "echo never", &["a"])]);
    let exit = run(&*runner, attempt(&processes, "set-fails", template)).await;
    assert_eq!((exit.phase, exit.message.as_str()), (ExitPhase::Failed, "a: Error (exit code 2)"));
}
