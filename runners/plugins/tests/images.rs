//! The kaniko step with real parts: buildah builds and pushes to docker-registry, skopeo reads back.
//! Prints which part is missing and skips; `apt-get install buildah skopeo docker-registry` brings them.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::process::Command;

use runner_container_parts::Registry;
use runner_plugins::kaniko;
use serde_json::json;

fn missing() -> Option<&'static str> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    ["git", "buildah", "skopeo"]
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
    let Some(registry) = Registry::start(folder.path()) else { return };
    let script = "git init -q -b main app && cd app && echo hello > hello.txt && mkdir -p image \
                  && printf 'FROM scratch\\nARG WHO=nobody\\nLABEL who=$WHO\\nCOPY hello.txt /hello.txt\\n' > image/Dockerfile \
                  && git add . && git -c user.name=a -c user.email=a@b commit -qm first";
    assert!(Command::new("sh").args(["-ec", script]).current_dir(folder.path()).status().unwrap().success());
    let image = format!("{}/team/app:1", registry.address());
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
    assert_eq!(outputs["reference"], format!("{}/team/app@{}", registry.address(), outputs["digest"]));
    assert_eq!(inspect("{{.Labels.who}}"), "tester");
    // The same sources again are the same image: a step that is executed again changes nothing.
    assert_eq!(step().unwrap()["digest"], outputs["digest"]);
}
