//! The kaniko step with real parts: buildah builds and pushes to docker-registry, skopeo reads back.
//! Prints which part is missing and skips; `apt-get install buildah skopeo docker-registry` brings them.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use runner_plugins::kaniko;
use serde_json::json;

struct Registry {
    child: Child,
    address: String,
}

impl Registry {
    fn start(folder: &Path) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        let config = folder.join("registry.yml");
        let root = folder.join("registry");
        let text = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: {address}}}\n",
            root.display()
        );
        std::fs::write(&config, text).unwrap();
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let end = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(&address).is_err() {
            assert!(Instant::now() < end, "the registry does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { child, address }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn missing() -> Option<&'static str> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    ["git", "buildah", "docker-registry", "skopeo"]
        .into_iter()
        .find(|program| !std::env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}

#[test]
fn the_digest_of_the_step_is_what_the_registry_serves() {
    if let Some(part) = missing() {
        eprintln!("SKIPPED: {part} is not installed");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::start(folder.path());
    let script = "git init -q -b main app && cd app && echo hello > hello.txt && mkdir -p image \
                  && printf 'FROM scratch\\nARG WHO=nobody\\nLABEL who=$WHO\\nCOPY hello.txt /hello.txt\\n' > image/Dockerfile \
                  && git add . && git -c user.name=a -c user.email=a@b commit -qm first";
    assert!(Command::new("sh").args(["-ec", script]).current_dir(folder.path()).status().unwrap().success());
    let image = format!("{}/team/app:1", registry.address);
    let step = || {
        kaniko::run(json!({
            "repository": {"url": folder.path().join("app"), "allowLocal": true},
            "revision": "main",
            "dockerfile": "image/Dockerfile",
            "destination": [image],
            "buildArgs": {"WHO": "tester"},
            "insecure": "true",
            "builder": "buildah",
        }))
    };
    let outputs = step().unwrap();
    let inspect = |what: &str| {
        let output = Command::new("skopeo")
            .args(["inspect", "--tls-verify=false", "--format", what, &format!("docker://{image}")])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    assert_eq!(outputs["digest"], inspect("{{.Digest}}"));
    assert_eq!(outputs["reference"], format!("{}/team/app@{}", registry.address, outputs["digest"]));
    assert_eq!(inspect("{{.Labels.who}}"), "tester");
    // The same sources again are the same image: a step that is executed again changes nothing.
    assert_eq!(step().unwrap()["digest"], outputs["digest"]);
}
