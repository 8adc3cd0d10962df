//! Absolute paths are private, outputs cannot be forged, nothing of the engine is visible (V10, V35, V43).
//! Processes and their ends are in `processes`.

mod common;

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use common::conformance::{Subject, attempt, from_path, run, script, shell, succeed, value};
use common::{Processes, can_isolate};
use runner_runners::{ExitPhase, IsolationChoice, ProcessRunner};
use runner_workflows::spec::{Artifact, Template, k8s};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parallel_steps_write_the_same_absolute_paths_without_meeting() {
    for isolation in [IsolationChoice::Auto, IsolationChoice::Remap] {
        let processes = Processes::new(isolation);
        let runner = processes.runner();
        let steps = (0..6).map(|number| {
            let text = format!(
                "mkdir -p /mnt/out; echo {number} >> /tmp/x; echo {number} >> /mnt/out/x; sleep 0.5; cat /tmp/x /mnt/out/x"
            );
            let mut template = script(&text);
            template.outputs.parameters = vec![from_path("x", "/tmp/x"), from_path("y", "/mnt/out/x")];
            attempt(&processes, &format!("same-{number}"), template)
        });
        let runs: Vec<_> = steps.map(|spec| succeed(&*runner, spec)).collect();
        for (number, exit) in join(runs).await.into_iter().enumerate() {
            assert_eq!(exit.outputs.result, Some(format!("{number}\n{number}")));
            assert_eq!(value(&exit, "x"), Some(number.to_string()));
            assert_eq!(value(&exit, "y"), Some(number.to_string()));
        }
        assert!(!Path::new("/mnt/out/x").exists());
    }
}

async fn join<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut pinned: Vec<_> = futures.into_iter().map(Box::pin).collect();
    let mut done: Vec<Option<F::Output>> = pinned.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, slot) in pinned.iter_mut().zip(&mut done) {
            if slot.is_none()
                && let std::task::Poll::Ready(output) = future.as_mut().poll(context)
            {
                *slot = Some(output);
            }
        }
        if done.iter().all(Option::is_some) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}

#[test]
fn a_private_root_takes_any_path_and_the_host_keeps_nothing() {
    if !can_isolate() {
        return;
    }
    block_on(async {
        let processes = Processes::new(IsolationChoice::Overlay);
        let runner = processes.runner();
        let name = format!("trace-of-{}", std::process::id());
        let places =
            ["/", "/tmp/", "/var/tmp/", "/mnt/", "/work/", "/opt/", "/home/", "/etc/", "/run/", "/dev/shm/"];
        let writes: Vec<String> = places
            .iter()
            .map(|dir| format!("mkdir -p {dir} && echo x > {dir}{name} && echo {dir}"))
            .collect();
        let exit = succeed(&*runner, attempt(&processes, "anywhere", script(&writes.join("\n")))).await;
        assert_eq!(exit.outputs.result.as_deref(), Some(places.join("\n").as_str()));
        for dir in places {
            assert!(!Path::new(dir).join(&name).exists(), "{dir}");
        }
        let exit =
            succeed(&*runner, attempt(&processes, "home", shell("pwd; echo $HOME; ls -A /tmp ~ | wc -l")))
                .await;
        // As in most images the start is `/`, where this user may write; otherwise a private directory.
        let start = if rustix::process::geteuid().is_root() { "/" } else { "/argo/work" };
        assert_eq!(exit.outputs.result, Some(format!("{start}\n/argo/home\n3")));
        assert_eq!(processes.handle(&attempt(&processes, "home", shell("")).id)["isolation"], "overlay");
    });
}

fn block_on(future: impl Future<Output = ()>) {
    match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime.block_on(future),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn v10_an_output_path_that_is_no_plain_file_is_refused() {
    for isolation in [IsolationChoice::Auto, IsolationChoice::Remap] {
        let processes = Processes::new(isolation);
        let runner = processes.runner();
        let secret = processes.state().join("secret");
        std::fs::write(&secret, "canary").unwrap_or_default();
        for (case, make) in [
            ("fifo", "mkfifo /tmp/a".to_owned()),
            ("device", "ln -s /dev/zero /tmp/a".to_owned()),
            ("directory", "mkdir /tmp/a".to_owned()),
            ("environment", "ln -s /proc/self/environ /tmp/a".to_owned()),
            ("descriptor", "ln -s /proc/self/fd/3 /tmp/a".to_owned()),
            ("dangling", "ln -s /no/such/file /tmp/a".to_owned()),
            ("engine", format!("ln -s {} /tmp/a", secret.display())),
            ("climbing", format!("ln -s ../../../../../../../../..{} /tmp/a", secret.display())),
        ] {
            let mut template = script(&make);
            template.outputs.parameters = vec![from_path("a", "/tmp/a")];
            let exit = run(&*runner, attempt(&processes, case, template)).await;
            assert_eq!(exit.phase, ExitPhase::Error, "{case}: {exit:?}");
            let mut template = script(&make);
            template.outputs.artifacts =
                vec![Artifact { name: "a".into(), path: "/tmp/a".into(), ..Artifact::default() }];
            let exit = run(&*runner, attempt(&processes, &format!("{case}-artifact"), template)).await;
            if case != "directory" {
                assert_eq!(exit.phase, ExitPhase::Error, "{case}: {exit:?}");
            }
        }
    }
}

#[tokio::test]
async fn v35_everything_on_disk_belongs_to_this_user_alone() {
    let processes = Processes::new(IsolationChoice::Auto);
    let runner = processes.with(|config| config.keep_root = true);
    let mut template = shell("echo x; echo y > /tmp/a");
    template.outputs.artifacts =
        vec![Artifact { name: "a".into(), path: "/tmp/a".into(), ..Artifact::default() }];
    let spec = attempt(&processes, "v35", template);
    assert_eq!(run(&runner, spec.clone()).await.phase, ExitPhase::Succeeded);
    let runner_runners::ArtifactRepository::Local { root } = processes.repository() else {
        panic!("not a directory")
    };
    for dir in [processes.state(), processes.state().join("attempts"), processes.attempt_dir(&spec.id), root]
    {
        assert_eq!(
            std::fs::metadata(&dir).map(|stat| stat.mode() & 0o777).unwrap_or(0),
            0o700,
            "{}",
            dir.display()
        );
    }
    for entry in std::fs::read_dir(processes.attempt_dir(&spec.id)).into_iter().flatten().flatten() {
        let stat = entry.metadata().unwrap_or_else(|e| panic!("{e}"));
        if stat.is_file() {
            assert_eq!(stat.mode() & 0o777, 0o600, "{}", entry.path().display());
        }
    }
    // An open directory is closed, one of somebody else refused.
    std::fs::set_permissions(processes.state(), std::fs::Permissions::from_mode(0o755)).unwrap_or_default();
    assert!(ProcessRunner::new(processes.config()).is_ok());
    assert_eq!(std::fs::metadata(processes.state()).map(|s| s.mode() & 0o777).unwrap_or(0), 0o700);
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(processes.state(), Some(65534), None).unwrap_or_default();
        assert!(ProcessRunner::new(processes.config()).is_err());
    }
}

#[test]
fn v43_a_step_sees_nothing_of_the_engine() {
    if !can_isolate() {
        return;
    }
    block_on(async {
        let processes = Processes::new(IsolationChoice::Overlay);
        let runner = processes.runner();
        std::fs::write(processes.state().join("secret"), "canary").unwrap_or_default();
        let state = processes.state();
        let text = format!(
            "cat {0}/secret; ls -A {0}; cat /proc/$PPID/environ; ls /proc/$PPID/root; true",
            state.display()
        );
        let exit = succeed(&*runner, attempt(&processes, "v43", script(&text))).await;
        if rustix::process::geteuid().is_root() {
            // Root may look into any process; what it may not see is the state directory.
            assert!(!exit.outputs.result.unwrap_or_default().contains("canary"));
        } else {
            assert_eq!(exit.outputs.result.as_deref(), Some(""));
        }
    });
}

fn volume(name: &str) -> k8s::Volume {
    k8s::Volume { name: name.into(), ..k8s::Volume::default() }
}

fn mounted(mut template: Template, name: &str, path: &str) -> Template {
    let mount =
        k8s::VolumeMount { name: name.into(), mount_path: path.into(), ..k8s::VolumeMount::default() };
    if let Some(container) = &mut template.container {
        container.volume_mounts.push(mount);
    }
    template
}

#[tokio::test]
async fn volumes_are_shared_by_claim_and_private_when_empty() {
    for isolation in [IsolationChoice::Auto, IsolationChoice::Remap] {
        let processes = Processes::new(isolation);
        let runner = processes.runner();
        let claim = k8s::PersistentVolumeClaimVolumeSource { claim_name: "work".into(), read_only: None };
        let volumes = vec![
            k8s::Volume { persistent_volume_claim: Some(claim), ..volume("claim") },
            k8s::Volume { empty_dir: Some(k8s::EmptyDirVolumeSource::default()), ..volume("scratch") },
        ];
        let step = |case: &str, command: &str| {
            let template = mounted(mounted(shell(command), "claim", "/mnt/vol"), "scratch", "/scratch");
            let mut spec = attempt(&processes, case, template);
            spec.volumes = volumes.clone();
            spec
        };
        succeed(&*runner, step("write", "echo kept > /mnt/vol/a; echo gone > /scratch/a")).await;
        let exit = succeed(&*runner, step("read", "cat /mnt/vol/a; ls /scratch")).await;
        assert_eq!(exit.outputs.result.as_deref(), Some("kept"), "{isolation:?}");
    }
}

#[tokio::test]
async fn applets_and_images_stand_in_for_argos_examples() {
    for isolation in [IsolationChoice::Auto, IsolationChoice::Remap] {
        let processes = Processes::new(isolation);
        let runner = processes.runner();
        let image = |image: &str, args: &[&str]| {
            let mut template = shell("");
            if let Some(container) = &mut template.container {
                container.image = image.into();
                container.command.clear();
                container.args = args.iter().map(|word| (*word).to_owned()).collect();
            }
            template
        };
        let exit = succeed(
            &*runner,
            attempt(&processes, "v2", image("argoproj/argosay:v2", &["echo", "hi", "/tmp/o"])),
        )
        .await;
        assert_eq!(exit.outputs.result.as_deref(), Some(""));
        let exit = succeed(&*runner, attempt(&processes, "v2-none", image("argoproj/argosay:v2", &[]))).await;
        assert_eq!(exit.outputs.result.as_deref(), Some("hello argo"));
        let exit =
            run(&*runner, attempt(&processes, "v2-exit", image("argoproj/argosay:v2", &["exit", "6"]))).await;
        assert_eq!(exit.message, "main: Error (exit code 6)");
        let exit = succeed(&*runner, attempt(&processes, "cow", shell("cowsay moo | grep -c moo"))).await;
        assert_eq!(exit.outputs.result.as_deref(), Some("1"));
        let exit = run(&*runner, attempt(&processes, "unknown", image("my-image", &[]))).await;
        assert_eq!(exit.phase, ExitPhase::Error);
        assert!(exit.message.contains("runners.process.images"), "{}", exit.message);
    }
}

#[tokio::test]
async fn a_shared_directory_is_the_working_directory_and_writable() {
    for isolation in [IsolationChoice::Auto, IsolationChoice::Remap] {
        let processes = Processes::new(isolation);
        let runner = processes.runner();
        let shared = processes.state().with_file_name("shared");
        std::fs::create_dir_all(&shared).unwrap_or_default();
        let mut spec = attempt(&processes, "cwd", shell("pwd; echo x > made"));
        spec.share_cwd = Some(shared.clone());
        let exit = succeed(&*runner, spec).await;
        assert_eq!(exit.outputs.result.as_deref(), shared.to_str());
        assert_eq!(std::fs::read_to_string(shared.join("made")).unwrap_or_default(), "x\n");
    }
}
