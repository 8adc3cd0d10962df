//! The shipped workflows, run by the built binary: every example of `examples/platform`, and a promotion whose engine dies.
//! The forge is a FAKE with state; the repositories are real.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "../../runners/plugins/tests/fakes/gitlab.rs"]
mod gitlab;
#[path = "../../runners/plugins/tests/fakes/http.rs"]
mod http;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use runner_tests::binary::Home;
use runner_tests::conformance::facts::node_list;
use runner_tests::paths::workspace;
use serde_json::Value;
use sqlx::{ConnectOptions, Connection, Row};

const LIMIT: Duration = Duration::from_secs(120);

/// Every file of the folder and the nodes that must have succeeded.
const EXAMPLES: [(&str, &[&str]); 4] = [
    ("promote-environment.yaml", &["sandbox", "changed-apps", "promote-app(0:name:pay,path:manifests/pay)"]),
    ("provision-app.yaml", &["build", "application"]),
    ("remediate-argocd-unhealthy.yaml", &[]),
    ("remediate-externalsecret-failure.yaml", &["show"]),
];

fn there(program: &str) -> bool {
    let there = Command::new(program).arg("--version").output().is_ok();
    if !there {
        eprintln!("SKIPPED: {program} is not installed");
    }
    there
}

fn sh(folder: &Path, script: &str) -> String {
    let mut command = Command::new("sh");
    for name in ["GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"] {
        command.env(name, "tester");
    }
    let output = command
        .args(["-ec", script])
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn every_platform_example_runs_offline() {
    let folder = workspace().join("examples/platform");
    let files: BTreeSet<String> = std::fs::read_dir(&folder)
        .expect("examples/platform")
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(
        files,
        EXAMPLES.iter().map(|(file, _)| (*file).to_owned()).collect(),
        "list every file in EXAMPLES"
    );
    if !there("git") {
        return;
    }
    for (file, nodes) in EXAMPLES {
        let home = Home::new("default").unwrap();
        let path = folder.join(file);
        let path = path.to_string_lossy();
        let said = home.run(&["submit", &path, "--share-cwd", "-o", "json"], LIMIT).unwrap();
        assert_eq!(said.code, Some(0), "{file}: {}", said.both());
        let object: Value = serde_json::from_str(&said.stdout).unwrap();
        let ended = node_list(&object);
        for node in nodes {
            let found = ended.iter().any(|one| one["displayName"] == *node && one["phase"] == "Succeeded");
            assert!(found, "{file}: no node {node} Succeeded in {}", said.stdout);
        }
        if file.starts_with("promote") {
            let bare = home.folder().join("promotion-sandbox/deployments.git");
            assert_eq!(
                sh(&bare, "git for-each-ref --format='%(refname:short)' refs/heads/promote")
                    .replace('\n', " "),
                "promote/stage/pay promote/stage/shop"
            );
            assert_eq!(sh(&bare, "git show promote/stage/shop:manifests/shop/values.yaml"), "image: shop:2");
            assert_eq!(sh(&bare, "git show promote/stage/shop:manifests/pay/values.yaml"), "image: pay:1");
        }
    }
}

#[test]
fn shipped_templates_are_listed_and_can_be_replaced() {
    let home = Home::new("default").unwrap();
    let listed = home.run(&["template", "list", "-o", "name"], LIMIT).unwrap();
    assert!(listed.stdout.contains("provision-app-workflow"), "{}", listed.both());
    let got = home.run(&["template", "get", "remediate-argocd-unhealthy"], LIMIT).unwrap();
    assert!(got.stdout.contains("kind: WorkflowTemplate"), "{}", got.both());
    let own = "apiVersion: argoproj.io/v1alpha1\nkind: WorkflowTemplate\nmetadata: {name: remediate-argocd-unhealthy}\nspec:\n  \
               entrypoint: main\n  templates:\n  - name: main\n    script: {image: busybox, command: [sh], source: 'echo mine'}\n";
    std::fs::write(home.folder().join("own.yaml"), own).unwrap();
    let applied = home.run(&["template", "apply", "own.yaml"], LIMIT).unwrap();
    assert_eq!(applied.code, Some(0), "{}", applied.both());
    let got = home.run(&["template", "get", "remediate-argocd-unhealthy"], LIMIT).unwrap();
    assert!(got.stdout.contains("echo mine"), "{}", got.both());
}

/// A repository with two apps that changed in dev, a forge, and the workflow that promotes them.
struct Promotion {
    home: Home,
    forge: http::Server,
    state: std::sync::Arc<std::sync::Mutex<gitlab::State>>,
    before: String,
}

impl Promotion {
    fn new() -> Self {
        let home = Home::new("default").unwrap();
        let before = sh(
            home.folder(),
            "git init -q --bare deploy.git; git init -q work; cd work
             for app in shop pay; do mkdir -p manifests/$app; echo 1 > manifests/$app/v; done
             git add .; git commit -qm one
             git push -q ../deploy.git HEAD:refs/heads/dev HEAD:refs/heads/stage HEAD:refs/heads/prod
             git rev-parse HEAD; for app in shop pay; do echo 2 > manifests/$app/v; done
             git commit -qam two; git push -q ../deploy.git HEAD:refs/heads/dev",
        );
        std::fs::write(home.folder().join("token"), "hush").unwrap();
        let (forge, state) = gitlab::start();
        let this = Self { home, forge, state, before };
        this.write();
        this
    }

    /// The shipped template with the token from a file of this test instead of a Secret, and a name.
    fn write(&self) {
        let token = self.home.folder().join("token");
        let shipped =
            std::fs::read_to_string(workspace().join("workflows/library/promote-environment.yaml")).unwrap();
        let secret =
            "{secretKeyRef: {name: \"{{inputs.parameters.tokenSecret}}\", key: token, optional: true}}";
        assert!(shipped.contains(secret));
        let own = shipped.replace(secret, &format!("{{file: {}}}", token.display()));
        std::fs::write(self.home.folder().join("template.yaml"), own).unwrap();
        let text = format!(
            "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nmetadata: {{name: promotion}}\nspec:\n  \
             workflowTemplateRef: {{name: promote-environment}}\n  arguments:\n    parameters:\n    \
             - {{name: repoUrl, value: '{}'}}\n    - {{name: ref, value: refs/heads/dev}}\n    \
             - {{name: before, value: '{}'}}\n    - {{name: allowLocalRepositories, value: 'true'}}\n    \
             - {{name: forgeUrl, value: '{}'}}\n    - {{name: project, value: team/deploy}}\n",
            self.home.folder().join("deploy.git").display(),
            self.before,
            self.forge.url
        );
        std::fs::write(self.home.folder().join("promotion.yaml"), text).unwrap();
        let applied = self.home.run(&["template", "apply", "template.yaml"], LIMIT).unwrap();
        assert_eq!(applied.code, Some(0), "{}", applied.both());
    }

    /// Records in the journal; none before there is one.
    fn records(&self) -> i64 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let file = self.home.folder().join("store/runner.db");
        runtime.block_on(async {
            let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&file);
            let Ok(mut store) = options.connect().await else { return 0 };
            let counted = sqlx::query("SELECT count(*) FROM journal").fetch_one(&mut store).await;
            let count = counted.map(|row| row.get::<i64, _>(0)).unwrap_or(0);
            let _ = store.close().await;
            count
        })
    }

    /// Runs to the end; the engine is killed as soon as so many records are there.
    fn run(&self, kill_at: Option<i64>) -> bool {
        let mut killed = false;
        let mut engine = self
            .home
            .start(self.home.folder(), &["submit", "promotion.yaml", "--share-cwd", "-o", "name"])
            .unwrap();
        if let Some(wanted) = kill_at {
            let end = Instant::now() + LIMIT;
            while !engine.ended() && Instant::now() < end {
                if self.records() >= wanted {
                    engine.kill();
                    killed = true;
                    break;
                }
            }
        }
        if killed {
            engine = self.home.start(self.home.folder(), &["resume", "promotion", "-o", "name"]).unwrap();
        }
        let said = engine.wait(LIMIT);
        let object = self.home.get("promotion").unwrap().unwrap();
        assert_eq!(object["status"]["phase"], "Succeeded", "killed at {kill_at:?}: {}", said.both());
        killed
    }

    fn check(&self, kill_at: Option<i64>) {
        let bare = self.home.folder().join("deploy.git");
        let branches =
            sh(&bare, "git for-each-ref --format='%(refname:short)' refs/heads/promote").replace('\n', " ");
        assert_eq!(branches, "promote/stage/pay promote/stage/shop", "killed at {kill_at:?}");
        for app in ["pay", "shop"] {
            let commits = sh(&bare, &format!("git rev-list --count promote/stage/{app} ^stage"));
            assert_eq!(commits, "1", "{app}, killed at {kill_at:?}");
            assert_eq!(sh(&bare, &format!("git show promote/stage/{app}:manifests/{app}/v")), "2");
        }
        assert!(!self.forge.requests.lock().unwrap().is_empty());
        let state = self.state.lock().unwrap();
        let mut sources: Vec<&str> =
            state.requests.iter().map(|one| one["source_branch"].as_str().unwrap()).collect();
        sources.sort_unstable();
        assert_eq!(sources, ["promote/stage/pay", "promote/stage/shop"], "killed at {kill_at:?}");
    }
}

#[test]
fn p4_a_promotion_killed_at_every_commit_boundary_makes_one_branch_commit_and_request_per_app() {
    if !there("git") {
        return;
    }
    let calm = Promotion::new();
    calm.run(None);
    calm.check(None);
    let records = calm.records();
    assert!(records > 5, "{records} records");
    let next = std::sync::atomic::AtomicI64::new(1);
    let killed = std::sync::atomic::AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    if at > records {
                        return;
                    }
                    let promotion = Promotion::new();
                    if promotion.run(Some(at)) {
                        killed.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    }
                    promotion.check(Some(at));
                }
            });
        }
    });
    let killed = killed.into_inner();
    println!("{records} records in the journal, {killed} engines killed");
    assert!(i64::from(killed) * 2 > records, "only {killed} of {records} engines were killed in time");
}
