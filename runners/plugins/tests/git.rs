//! The git step against real bare repositories with hooks, and merge requests against a FAKE forge with state.
//! Needs the git program; prints that it skipped without.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "fakes/gitlab.rs"]
mod gitlab;
#[path = "fakes/http.rs"]
mod http;

use std::path::{Path, PathBuf};
use std::process::Command;

use runner_plugins::git;
use runner_plugins::work::{Failure, Outputs, Step};
use serde_json::{Value, json};

/// A bare repository with branches dev, stage and prod, in a folder of its own.
struct Bare {
    folder: tempfile::TempDir,
}

fn sh(folder: &Path, script: &str) -> String {
    let output = Command::new("sh")
        .args(["-ec", script])
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_AUTHOR_NAME", "a")
        .env("GIT_AUTHOR_EMAIL", "a@b")
        .env("GIT_COMMITTER_NAME", "a")
        .env("GIT_COMMITTER_EMAIL", "a@b")
        .output()
        .unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

impl Bare {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        sh(
            folder.path(),
            "git init -q --bare -b main repo.git; git init -q -b main work; cd work
             mkdir -p manifests/shop manifests/pay; echo v1 > manifests/shop/deploy.yaml
             echo v1 > manifests/pay/deploy.yaml; echo x > README; git add .; git commit -qm first
             for e in dev stage prod; do git branch $e; done; git push -q ../repo.git dev stage prod
             git checkout -q dev; echo v2 > manifests/shop/deploy.yaml; echo v2 > manifests/pay/deploy.yaml
             git commit -qam 'new versions'; git push -q ../repo.git dev",
        );
        Self { folder }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("repo.git")
    }

    fn git(&self, words: &str) -> String {
        sh(&self.path(), &format!("git {words}"))
    }

    fn hook(&self, name: &str, script: &str) {
        use std::os::unix::fs::PermissionsExt;
        let path = self.path().join("hooks").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn remote(&self) -> Value {
        json!({"url": self.path(), "allowLocal": "true"})
    }

    fn run(&self, key: &str, mut fields: Value) -> Result<Outputs, Failure> {
        fields["repository"] = self.remote();
        git::run(fields, &Step { key: key.to_owned(), attempt: 0 })
    }
}

fn there() -> bool {
    let there = Command::new("git").arg("--version").output().is_ok();
    if !there {
        eprintln!("SKIPPED: git is not installed");
    }
    there
}

fn promotion(app: &str, forge: Option<&str>) -> Value {
    let mut fields = json!({"commit": {
        "onto": "stage", "branch": format!("promote/stage/{app}"),
        "edits": [{"copy": {"from": "dev", "path": format!("manifests/{app}")}}],
        "message": format!("Promote {app}"),
    }});
    if let Some(url) = forge {
        fields["forge"] =
            json!({"kind": "gitlab", "url": url, "project": "team/deploy", "token": {"file": token()}});
        fields["commit"]["mergeRequest"] =
            json!({"title": format!("Promote {app}"), "description": "see the diff"});
    }
    fields
}

/// A file with the token of the fakes.
fn token() -> &'static Path {
    static TOKEN: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
    TOKEN.get_or_init(|| {
        let path = std::env::temp_dir().join(format!("runner-plugins-token-{}", std::process::id()));
        std::fs::write(&path, "hush\n").unwrap();
        path
    })
}

#[test]
fn f68_twenty_concurrent_pushers_lose_nothing_and_never_force() {
    if !there() {
        return;
    }
    let bare = Bare::new();
    bare.git("config receive.denyNonFastForwards true");
    // The hook lets in what contains what was there; the line of commits is looked at in the end.
    bare.hook("update", "git merge-base --is-ancestor $2 $3 || exit 1");
    std::thread::scope(|scope| {
        for number in 0..20 {
            let bare = &bare;
            scope.spawn(move || {
                let edits = json!([{"write": {"path": format!("apps/{number}.yaml"), "content": format!("{number}\n")}}]);
                let fields = json!({"commit": {"onto": "dev", "edits": edits, "message": format!("app {number}")}});
                bare.run(&format!("key-{number}"), fields).unwrap();
            });
        }
    });
    let files = bare.git("ls-tree -r --name-only dev apps");
    assert_eq!(files.lines().count(), 20, "{files}");
    let keys = bare.git("log --format='%(trailers:key=Runner-Step-Key,valueonly,separator=%x2C)' dev");
    for number in 0..20 {
        let key = format!("key-{number}");
        assert_eq!(keys.lines().filter(|line| line.trim() == key).count(), 1, "{key}");
        assert_eq!(bare.git(&format!("show dev:apps/{number}.yaml")), number.to_string());
    }
    assert_eq!(bare.git("show dev:manifests/shop/deploy.yaml"), "v2");
    assert_eq!(bare.git("rev-list --count --first-parent dev"), "22");
}

#[test]
fn f68_the_same_step_again_adopts_its_commit() {
    if !there() {
        return;
    }
    let bare = Bare::new();
    let first = bare.run("k1", promotion("shop", None)).unwrap();
    let again = bare.run("k1", promotion("shop", None)).unwrap();
    assert_eq!(first["commit"], again["commit"]);
    assert_eq!(bare.git("rev-list --count promote/stage/shop ^stage"), "1");
    // Another step that wants the same finds it done.
    let other = bare.run("k2", promotion("shop", None)).unwrap();
    assert_eq!((other["commit"].as_str(), other["changed"].as_str()), (first["commit"].as_str(), "true"));
    // Only the app's folder is different from stage, and it is what dev has.
    assert_eq!(bare.git("diff --name-only stage promote/stage/shop"), "manifests/shop/deploy.yaml");
    assert_eq!(bare.git("show promote/stage/shop:manifests/shop/deploy.yaml"), "v2");
    // Merged: the same step again makes nothing new, also when the branch is gone.
    bare.git("update-ref refs/heads/stage promote/stage/shop");
    let merged = bare.run("k1", promotion("shop", None)).unwrap();
    assert_eq!(merged["changed"], "false");
    bare.git("update-ref -d refs/heads/promote/stage/shop");
    assert_eq!(bare.run("k1", promotion("shop", None)).unwrap()["changed"], "false");
    assert_eq!(bare.git("for-each-ref refs/heads/promote"), "");
}

#[test]
fn f68_a_branch_left_behind_by_a_squash_is_reused_without_force() {
    if !there() {
        return;
    }
    let bare = Bare::new();
    bare.git("config receive.denyNonFastForwards true");
    bare.run("k1", promotion("shop", None)).unwrap();
    // stage moves on by a commit of its own, then dev gets a new version
    let work = bare.folder.path().join("work");
    sh(
        &work,
        "git checkout -q stage; echo v2 > manifests/shop/deploy.yaml; echo y > README; git commit -qam squashed
         git push -q ../repo.git stage; git checkout -q dev; echo v3 > manifests/shop/deploy.yaml
         git commit -qam third; git push -q ../repo.git dev",
    );
    bare.run("k2", promotion("shop", None)).unwrap();
    assert_eq!(bare.git("show promote/stage/shop:manifests/shop/deploy.yaml"), "v3");
    assert_eq!(bare.git("diff --name-only stage promote/stage/shop"), "manifests/shop/deploy.yaml");
}

#[test]
fn f69_one_merge_request_however_often_and_wherever_the_step_dies() {
    if !there() {
        return;
    }
    // The answer to the request that makes it is lost: the next execution finds it.
    let bare = Bare::new();
    let (server, state) = gitlab::start();
    state.lock().unwrap().lose_answers = 1;
    let first = bare.run("k1", promotion("shop", Some(&server.url)));
    assert!(matches!(first, Err(Failure::Trouble(_))), "{first:?}");
    let second = bare.run("k1", promotion("shop", Some(&server.url))).unwrap();
    assert_eq!(second["mergeRequestId"], "1");
    assert_eq!(state.lock().unwrap().requests.len(), 1);
    assert_eq!(bare.git("rev-list --count promote/stage/shop ^stage"), "1");

    // A listing that lags and a 409: adopted.
    state.lock().unwrap().blind_lists = 1;
    let third = bare.run("k1", promotion("shop", Some(&server.url))).unwrap();
    assert_eq!(third["mergeRequestId"], "1");

    // A newer promotion brings the open one up to date.
    let mut newer = promotion("shop", Some(&server.url));
    newer["commit"]["mergeRequest"]["title"] = json!("Promote shop again");
    assert_eq!(bare.run("k2", newer).unwrap()["mergeRequestId"], "1");
    assert_eq!(state.lock().unwrap().requests[0]["title"], "Promote shop again");

    // Closed by a person: the same step does not open it again.
    state.lock().unwrap().requests[0]["state"] = json!("closed");
    let mut same = promotion("shop", Some(&server.url));
    same["commit"]["mergeRequest"]["title"] = json!("Promote shop again");
    assert_eq!(bare.run("k2", same).unwrap()["mergeRequestId"], "1");
    assert_eq!(state.lock().unwrap().requests.len(), 1);
}

#[test]
fn f69_a_comment_of_one_marker_is_written_once() {
    let (server, state) = gitlab::start();
    let say = |text: &str| {
        let forge = json!({"kind": "gitlab", "url": server.url, "project": "team/deploy", "token": {"file": token()}});
        let comment = json!({"mergeRequest": "1", "marker": "health", "body": text});
        git::run(json!({"forge": forge, "comment": comment}), &Step::default()).unwrap()
    };
    assert_eq!(say("one")["commentId"], "1");
    assert_eq!(say("two")["commentId"], "1");
    let state = state.lock().unwrap();
    assert_eq!(state.notes.len(), 1);
    assert!(state.notes[0]["body"].as_str().unwrap().starts_with("two"));
}

#[test]
fn s2_changed_apps_come_from_the_difference_and_survive_zeros_and_forced_pushes() {
    if !there() {
        return;
    }
    let bare = Bare::new();
    let (before, after) = (bare.git("rev-parse dev~1"), bare.git("rev-parse dev"));
    let ask = |before: &str, after: &str, base: &str| {
        let changes = json!({"before": before, "after": after, "base": base, "under": "manifests"});
        bare.run("k", json!({"changes": changes}))
    };
    let zero = "0".repeat(40);
    assert_eq!(ask(&before, &after, "").unwrap()["names"], r#"["pay","shop"]"#);
    assert_eq!(ask(&zero, &after, "stage").unwrap()["names"], r#"["pay","shop"]"#);
    assert_eq!(ask(&zero, &after, "").unwrap()["count"], "2");
    assert_eq!(ask(&before, &zero, "stage").unwrap()["items"], "[]");
    assert_eq!(ask(&"ab".repeat(20), "dev", "stage").unwrap()["count"], "2");
    assert!(matches!(ask(&"ab".repeat(20), "dev", ""), Err(Failure::Refused(_))));
    assert_eq!(ask("stage", "stage", "").unwrap()["count"], "0");
}

#[test]
fn v30_hooks_of_our_side_never_run_and_a_refusing_hook_is_a_refusal() {
    if !there() {
        return;
    }
    let bare = Bare::new();
    bare.hook("pre-receive", "echo 'no deploys on friday' >&2; exit 1");
    let refused = bare.run("k", promotion("shop", None));
    let Err(Failure::Refused(text)) = refused else { panic!("{refused:?}") };
    assert!(text.contains("no deploys on friday"), "{text}");
    // A local path is not opened unless that is said.
    let fields = json!({"repository": {"url": bare.path()}, "changes": {"before": "dev", "after": "dev"}});
    let refused = git::run(fields, &Step::default());
    assert!(matches!(&refused, Err(Failure::Input(text)) if text.contains("allowLocal")), "{refused:?}");
}

#[test]
fn a_tag_is_set_once_and_never_moved() {
    if !there() {
        return;
    }
    let bare = Bare::new();
    let tag = |revision: &str, message: Option<&str>| {
        bare.run("k", json!({"tag": {"name": "v1", "revision": revision, "message": message}}))
    };
    tag("stage", Some("first release")).unwrap();
    tag("stage", Some("first release")).unwrap();
    assert_eq!(bare.git("cat-file -t v1"), "tag");
    assert!(matches!(tag("dev", None), Err(Failure::Refused(_))));
}

#[test]
fn clone_render_and_remove_leave_what_they_say() {
    if !there() {
        return;
    }
    let bare = Bare::new();
    let target = bare.folder.path().join("out");
    bare.run("k", json!({"clone": {"revision": "dev", "path": target}})).unwrap();
    assert_eq!(std::fs::read_to_string(target.join("manifests/shop/deploy.yaml")).unwrap(), "v2\n");
    assert!(!target.join(".git").exists());
    let edits = json!([
        {"remove": {"path": "manifests/pay"}},
        {"copy": {"from": "dev", "path": "manifests/shop", "to": "apps/shop"}},
        {"render": {"shell": "cat apps/shop/deploy.yaml | tr v V > apps/shop/generated.yaml"}},
    ]);
    bare.run("k3", json!({"commit": {"onto": "stage", "edits": edits, "message": "m"}})).unwrap();
    assert_eq!(
        bare.git("ls-tree -r --name-only stage").replace('\n', " "),
        "README apps/shop/deploy.yaml apps/shop/generated.yaml manifests/shop/deploy.yaml"
    );
    assert_eq!(bare.git("show stage:apps/shop/generated.yaml"), "V2");
}

#[test]
fn v29_credentials_reach_their_host_only_and_never_the_command_line() {
    if !there() {
        return;
    }
    // A FAKE git server: it asks for a password, keeps what it is sent and has no repository.
    let server = http::Server::start(|request| {
        Some((if request.headers.contains_key("authorization") { 404 } else { 401 }, json!({})))
    });
    let host = |host: &str| {
        json!({
            "repository": {"url": format!("{}/a.git", server.url),
                "credentials": {"host": host, "token": {"file": token()}}},
            "changes": {"before": "dev", "after": "dev"},
        })
    };
    let refused = git::run(host("git.example.com"), &Step::default());
    assert!(matches!(&refused, Err(Failure::Input(text)) if text.contains("git.example.com")), "{refused:?}");
    assert!(server.requests.lock().unwrap().is_empty());

    let missing = git::run(host(&server.url), &Step::default());
    let Err(Failure::Trouble(text)) = missing else { panic!("{missing:?}") };
    assert!(!text.contains("hush"), "{text}");
    let sent: Vec<String> = server
        .requests
        .lock()
        .unwrap()
        .iter()
        .filter_map(|r| r.headers.get("authorization").cloned())
        .collect();
    // "oauth2:hush" in base64
    assert_eq!(sent, ["Basic b2F1dGgyOmh1c2g="]);
}
