//! Networks of pods on a real podman: containers of a pod meet on the loopback, pods meet by their addresses.
//! The machine must allow bridges and firewall rules; where it does not, the test says so and skips.
#![expect(clippy::unwrap_used, reason = "tests")]

#[expect(dead_code, reason = "each test binary uses its part")]
mod common;

use std::net::TcpListener;

use common::Containers;
use runner_container_parts::IMAGE;
use runner_runners::conformance::{attempt, channel, next, shell, succeed};
use runner_runners::{Observation, Runner};
use runner_workflows::spec::{Template, UserContainer};

/// Serves one word to everybody who connects.
fn server(port: u16) -> String {
    format!("while true; do echo served | nc -l -p {port} -w 2; done")
}

fn client(address: &str, port: u16) -> Template {
    shell(&format!(
        "for i in 1 2 3 4 5 6 7 8 9 10; do nc -w 2 {address} {port} </dev/null && exit 0; sleep 0.5; done; exit 1"
    ))
}

fn beside(text: &str) -> UserContainer {
    let command = ["sh", "-c", text].map(str::to_owned).to_vec();
    UserContainer { name: "server".into(), image: "alpine".into(), command, ..UserContainer::default() }
}

fn bridges(containers: &Containers) -> bool {
    let ran = containers
        .podman
        .command()
        .args(["run", "--rm", "--network=bridge", IMAGE, "true"])
        .output()
        .unwrap();
    if !ran.status.success() {
        let why = String::from_utf8_lossy(&ran.stderr).trim().to_owned();
        eprintln!("skipped: podman has no bridge network here: {why}");
    }
    ran.status.success()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn containers_of_a_pod_meet_on_the_loopback_of_every_network() {
    let Some(containers) = Containers::start() else { return };
    for network in ["none", "bridge", "host"] {
        if network == "bridge" && !bridges(&containers) {
            continue;
        }
        // On the host's network the port is the machine's.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let runner = containers.with(|config| config.network = network.to_owned());
        let mut template = client("127.0.0.1", port);
        template.sidecars = vec![beside(&server(port))];
        let exit = succeed(&runner, attempt(&containers, &format!("loopback-{network}"), template)).await;
        assert_eq!(exit.outputs.result.as_deref(), Some("served"), "{network}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_on_a_bridge_is_reached_by_its_address() {
    let Some(containers) = Containers::start() else { return };
    if !bridges(&containers) {
        return;
    }
    let runner = containers.with(|config| config.network = "bridge".to_owned());
    let mut template = shell(&server(8080));
    template.daemon = Some(true);
    let spec = attempt(&containers, "served", template);
    let (sink, mut events) = channel();
    runner.ensure(spec.clone(), sink).await.unwrap();
    let ready =
        next(&mut events, |o| matches!(o, Observation::Ready { .. } | Observation::Finished(_))).await;
    let Observation::Ready { ip, .. } = ready else { panic!("{ready:?}") };
    assert_ne!(ip, "127.0.0.1", "an address of its own");
    let exit = succeed(&runner, attempt(&containers, "asks", client(&ip, 8080))).await;
    assert_eq!(exit.outputs.result.as_deref(), Some("served"));
    runner.cancel(&spec.id, std::time::Duration::ZERO).await.unwrap();
    next(&mut events, |o| matches!(o, Observation::Finished(_))).await;
}
