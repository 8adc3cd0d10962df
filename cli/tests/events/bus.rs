//! A bus of three real NATS servers under the built binary with its embedded store: the daemon is killed again and again, a
//! follower of the stream is killed and then its leader.
//! Without nats-server the test says so and ends.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::common::{Place, signal};
use crate::lab::{Daemon, FUSE, ended, ports, post, s0};

/// Three servers that are one cluster; killed when dropped.
struct Cluster {
    folder: PathBuf,
    /// Of clients, of the other servers, and of questions, for each.
    ports: Vec<[u16; 3]>,
    running: Vec<Option<Child>>,
}

impl Cluster {
    /// None when there is no such program.
    fn start(folder: &Path) -> Option<Self> {
        if Command::new("nats-server").arg("--version").output().is_err() {
            eprintln!("skipped: there is no nats-server here; .ci/run installs it");
            return None;
        }
        let held: Vec<TcpListener> = (0..9).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let port = |place: usize| held[place].local_addr().unwrap().port();
        let ports =
            (0..3).map(|number| [port(3 * number), port(3 * number + 1), port(3 * number + 2)]).collect();
        drop(held);
        let mut cluster = Self { folder: folder.to_owned(), ports, running: vec![None, None, None] };
        (0..3).for_each(|number| cluster.run(number));
        let began = Instant::now();
        while cluster.ask("/jsz")["meta_cluster"]["leader"].as_str().is_none_or(str::is_empty) {
            assert!(began.elapsed() < Duration::from_secs(60), "the servers choose no leader");
            std::thread::sleep(Duration::from_millis(100));
        }
        Some(cluster)
    }

    fn run(&mut self, number: usize) {
        let [clients, others, questions] = self.ports[number];
        let routes: Vec<String> =
            self.ports.iter().map(|ports| format!("nats://127.0.0.1:{}", ports[1])).collect();
        let child = Command::new("nats-server")
            .current_dir(&self.folder)
            .args(["-a", "127.0.0.1", "-p", &clients.to_string(), "-m", &questions.to_string(), "-js"])
            .args(["--name", &format!("n{number}"), "-sd", &format!("n{number}"), "--cluster_name", "c"])
            .args(["--cluster", &format!("nats://127.0.0.1:{others}"), "--routes", &routes.join(",")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.running[number] = Some(child.unwrap());
    }

    /// As `kill -9`.
    fn kill(&mut self, number: usize) {
        if let Some(mut child) = self.running[number].take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    fn again(&mut self) {
        (0..3)
            .filter(|number| self.running[*number].is_none())
            .collect::<Vec<_>>()
            .into_iter()
            .for_each(|n| self.run(n));
    }

    /// What the servers say of themselves; nothing while none answers.
    fn ask(&self, path: &str) -> Value {
        let alive = self.ports.iter().zip(&self.running).filter(|(_, running)| running.is_some());
        alive.into_iter().find_map(|(ports, _)| get(ports[2], path)).unwrap_or_default()
    }

    /// The number of the server that leads the stream, and how many messages it has.
    fn leader(&self) -> (usize, u64) {
        let began = Instant::now();
        loop {
            let all = self.ask("/jsz?accounts=true&streams=true");
            let stream = &all["account_details"][0]["stream_detail"][0];
            let leader =
                stream["cluster"]["leader"].as_str().and_then(|name| name.strip_prefix('n')?.parse().ok());
            if let Some(leader) = leader {
                return (leader, stream["state"]["messages"].as_u64().unwrap_or(0));
            }
            assert!(began.elapsed() < Duration::from_secs(60), "the stream has no leader: {all}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn urls(&self) -> String {
        let all: Vec<String> =
            self.ports.iter().map(|ports| format!("nats://127.0.0.1:{}", ports[0])).collect();
        all.join(",")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        (0..3).for_each(|number| self.kill(number));
    }
}

fn get(port: u16, path: &str) -> Option<Value> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").ok()?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply).ok()?;
    serde_json::from_str(reply.split_once("\r\n\r\n")?.1).ok()
}

#[test]
fn f37_f41_kills_of_daemon_follower_and_leader_lose_nothing_and_double_nothing() {
    let place = Place::new();
    let Some(mut cluster) = Cluster::start(place.path()) else { return };
    let bus = format!(
        "---\napiVersion: argoproj.io/v1alpha1\nkind: EventBus\nmetadata: {{name: default, namespace: argo-events}}\nspec:\n  \
         jetstreamExotic: {{url: \"{}\", streamConfig: \"replicas: 3\"}}\n",
        cluster.urls()
    );
    place.write("config.toml", FUSE);
    place.write("s0.yaml", &format!("{}{bus}", s0(ports())));
    place.run(&["apply", "-f", "s0.yaml"]).code(0);
    let mut acknowledged = 0;
    for round in 0..5 {
        let daemon = Daemon::start(&place);
        let until = Instant::now() + Duration::from_millis(2500);
        let mut calm = true;
        while Instant::now() < until {
            if calm && Instant::now() + Duration::from_millis(1200) > until {
                calm = false;
                match round {
                    1 => cluster.kill((cluster.leader().0 + 1) % 3),
                    2 => {
                        cluster.again();
                        cluster.kill(cluster.leader().0);
                    }
                    3 => cluster.again(),
                    _ => {}
                }
            }
            let body = json!({"eventType": "argocd.app.sync.failed", "app": format!("app-{acknowledged}"), "namespace": "n"});
            let key = format!("delivery-{acknowledged}");
            let path = "/events/argo-events/argocd-notifications/notifications";
            if let Some((200, _)) = post(daemon.port, path, &[("Idempotency-Key", &key)], &body.to_string()) {
                acknowledged += 1;
            }
            std::thread::sleep(Duration::from_millis(40));
        }
        signal(&daemon.child, "KILL");
    }
    assert!(acknowledged > 20, "only {acknowledged} were acknowledged");
    let _daemon = Daemon::start(&place);
    let all = ended(&place, "cicd", acknowledged);
    assert_eq!(all.len(), acknowledged, "one workflow per event");
    let events = place.run(&["events", "history", "--limit", "0", "-o", "json"]).code(0).json();
    assert_eq!(events.as_array().unwrap().len(), acknowledged, "acknowledged is kept");
    let (_, messages) = cluster.leader();
    assert!(
        messages >= u64::try_from(acknowledged).unwrap(),
        "only {messages} of {acknowledged} went by the bus"
    );
    println!("{acknowledged} events acknowledged over 5 kills, {} workflows, {messages} messages", all.len());
}
