//! Starts real servers on loopback, each with a port and a folder of its own, and kills them at the end.
//! Speaks to none of them.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::fake_kafka;

/// The command that starts a server on a port, with a folder.
type Start = dyn Fn(u16, &Path) -> Command + Send;

/// A server that runs.
pub(crate) struct Server {
    pub(crate) port: u16,
    /// Its files; they stay when it is killed.
    pub(crate) folder: tempfile::TempDir,
    start: Box<Start>,
    end: Option<Command>,
    child: Child,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if let Some(end) = &mut self.end {
            drop(end.output());
        }
    }
}

/// A port that nobody uses.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Where a program is; without it a word about it.
pub(crate) fn find(name: &str, package: &str) -> Option<PathBuf> {
    let more = ["/usr/sbin", "/usr/lib/rabbitmq/bin"].map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).chain(more).map(|folder| folder.join(name));
    let found = found.into_iter().find(|file| file.is_file());
    if found.is_none() {
        println!("SKIPPED: {name} is not installed (Debian package {package})");
    }
    found
}

impl Server {
    fn start(start: impl Fn(u16, &Path) -> Command + Send + 'static) -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let port = free_port();
        let child = spawn(start(port, folder.path()));
        let mut server = Self { port, folder, start: Box::new(start), end: None, child };
        server.wait();
        server
    }

    /// Waits until it accepts connections.
    fn wait(&mut self) {
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        let began = Instant::now();
        while TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_err() {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the server ended with {status}");
            }
            assert!(began.elapsed() < Duration::from_secs(120), "the server does not listen");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        // RabbitMQ is started by a script: the server itself is named in its file
        if let Ok(pid) = std::fs::read_to_string(self.folder.path().join("pid")) {
            drop(Command::new("kill").args(["-9", pid.trim()]).output());
            std::thread::sleep(Duration::from_millis(300));
        }
    }

    /// Starts it again on its port and files.
    pub(crate) fn again(&mut self) {
        self.child = spawn((self.start)(self.port, self.folder.path()));
        self.wait();
    }

    pub(crate) fn nats(more: &[&str]) -> Option<Self> {
        let program = find("nats-server", "nats-server")?;
        let more: Vec<String> = more.iter().map(|one| (*one).to_owned()).collect();
        Some(Self::start(move |port, folder| {
            let mut command = Command::new(&program);
            command.args(["-a", "127.0.0.1", "-p", &port.to_string(), "-js", "-sd"]).arg(folder.join("js"));
            command.args(&more);
            command
        }))
    }

    /// Without JetStream, which an account has to be allowed.
    pub(crate) fn nats_alone(more: &[&str]) -> Option<Self> {
        let program = find("nats-server", "nats-server")?;
        let more: Vec<String> = more.iter().map(|one| (*one).to_owned()).collect();
        Some(Self::start(move |port, _| {
            let mut command = Command::new(&program);
            command.args(["-a", "127.0.0.1", "-p", &port.to_string()]).args(&more);
            command
        }))
    }

    /// `PORT` in `more` stands for its own.
    pub(crate) fn redis(more: &[&str]) -> Option<Self> {
        let program = find("redis-server", "redis-server")?;
        let more: Vec<String> = more.iter().map(|one| (*one).to_owned()).collect();
        Some(Self::start(move |port, folder| {
            let mut command = Command::new(&program);
            command
                .args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--dir"])
                .arg(folder);
            command.args(["--appendonly", "yes", "--appendfsync", "always"]);
            command.args(more.iter().map(|one| one.replace("PORT", &port.to_string())));
            command
        }))
    }

    /// `settings` are lines of its configuration; `PORT` and `FOLDER` stand for its own.
    pub(crate) fn mosquitto(settings: &str) -> Option<Self> {
        let program = find("mosquitto", "mosquitto")?;
        let settings = settings.to_owned();
        Some(Self::start(move |port, folder| {
            let text = settings.replace("PORT", &port.to_string());
            let text = text.replace("FOLDER", &folder.display().to_string());
            std::fs::write(folder.join("conf"), text).unwrap();
            let mut command = Command::new(&program);
            command.arg("-c").arg(folder.join("conf"));
            command
        }))
    }

    /// A FAKE of a Kafka broker with topics `NAME:PARTITIONS`; it keeps everything in memory.
    pub(crate) fn fake_kafka(topics: &str, more: &[&str]) -> Option<Self> {
        let program = fake_kafka::program()?;
        let (topics, more) =
            (topics.to_owned(), more.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>());
        Some(Self::start(move |port, _| {
            let mut command = Command::new(&program);
            command.args(["-port", &port.to_string(), "-topics", &topics]).args(&more);
            command
        }))
    }

    /// What RabbitMQ wrote into its log.
    pub(crate) fn log(&self) -> String {
        let files = std::fs::read_dir(self.folder.path().join("log")).unwrap();
        files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap_or_default()).collect()
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "{name}");
    }

    pub(crate) fn rabbitmq() -> Option<Self> {
        Self::rabbitmq_with(None)
    }

    /// With keys it listens by TLS alone.
    pub(crate) fn rabbitmq_with(keys: Option<&Keys>) -> Option<Self> {
        // not the one in /usr/sbin, which changes to a user that cannot read the folder
        find("rabbitmqctl", "rabbitmq-server")?;
        let program = PathBuf::from("/usr/lib/rabbitmq/bin/rabbitmq-server");
        let (epmd, dist) = (free_port().to_string(), free_port().to_string());
        let names = epmd.clone();
        let tls = keys.map(|keys| {
            let file = |name: &str, key: &str| format!("ssl_options.{name} = {}\n", keys.path(key));
            let files =
                [file("cacertfile", "ca.pem"), file("certfile", "server.pem"), file("keyfile", "server.key")];
            format!("listeners.tcp = none\nlisteners.ssl.1 = 127.0.0.1:PORT\n{}", files.concat())
        });
        let mut server = Self::start(move |port, folder| {
            std::fs::write(folder.join("plugins"), "[].").unwrap();
            if let Some(tls) = &tls {
                let text = tls.replace("PORT", &port.to_string());
                std::fs::write(folder.join("rabbitmq.conf"), text).unwrap();
            }
            let mut command = Command::new(&program);
            command.env("HOME", folder).env("RABBITMQ_NODENAME", format!("t{port}@localhost"));
            command
                .env("RABBITMQ_MNESIA_BASE", folder.join("mnesia"))
                .env("RABBITMQ_LOG_BASE", folder.join("log"));
            command.env("RABBITMQ_ENABLED_PLUGINS_FILE", folder.join("plugins"));
            command
                .env("RABBITMQ_CONFIG_FILE", folder.join("rabbitmq"))
                .env("RABBITMQ_PID_FILE", folder.join("pid"));
            command.env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1");
            if tls.is_none() {
                command.env("RABBITMQ_NODE_PORT", port.to_string());
            }
            command.env("RABBITMQ_DIST_PORT", &dist).env("ERL_EPMD_ADDRESS", "127.0.0.1");
            command.env("ERL_EPMD_PORT", &epmd);
            command
        });
        let mut end = Command::new("epmd");
        end.args(["-port", &names, "-kill"]);
        server.end = Some(end);
        Some(server)
    }
}

/// An authority and a certificate of it for `localhost`.
pub(crate) struct Keys(tempfile::TempDir);

impl Keys {
    pub(crate) fn new() -> Option<Self> {
        let program = find("openssl", "openssl")?;
        let keys = Self(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap());
        std::fs::write(keys.path("names"), "subjectAltName=DNS:localhost,IP:127.0.0.1\n").unwrap();
        let new = "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
        for line in [
            format!("{new} -x509 -days 2 -subj /CN=ca -keyout ca.key -out ca.pem"),
            format!("{new} -subj /CN=localhost -keyout server.key -out server.csr"),
            "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out server.pem"
                .to_owned(),
        ] {
            let done = Command::new(&program).current_dir(keys.0.path()).args(line.split(' ')).output().unwrap();
            assert!(done.status.success(), "{line}: {}", String::from_utf8_lossy(&done.stderr));
        }
        Some(keys)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    pub(crate) fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }
}

fn spawn(mut command: Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}
