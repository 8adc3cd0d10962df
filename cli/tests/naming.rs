//! Names, selectors, sources of settings: how what users type is understood.
//! Does not start the binary.
#![expect(clippy::unwrap_used, reason = "tests")]

use runner_cli::config::{Config, Place, VARIABLES};
use runner_cli::exit::{Code, Failure};
use runner_cli::names::{From, Known, parse_from, resolve};
use runner_cli::selector;
use runner_store::LabelTerm;

/// Newest first.
fn known() -> Vec<Known> {
    let one = |name: &str, phase: &str| Known { name: name.to_owned(), phase: phase.to_owned() };
    vec![
        one("hello-b", "Running"),
        one("hello-a", "Failed"),
        one("hello", "Succeeded"),
        one("build-1", "Error"),
    ]
}

#[test]
fn names_are_exact_or_a_unique_prefix_or_special() {
    for (given, want) in [
        ("hello", "hello"),
        ("hello-a", "hello-a"),
        ("bu", "build-1"),
        ("@latest", "hello-b"),
        ("@-1", "hello-b"),
        ("@-2", "hello-a"),
        ("@failed", "hello-a"),
        ("wf/hello", "hello"),
        ("workflow/bu", "build-1"),
    ] {
        assert_eq!(resolve(given, &known()).unwrap(), want, "{given}");
    }
}

fn refused(given: &str) -> Failure {
    resolve(given, &known()).unwrap_err()
}

#[test]
fn an_ambiguous_name_lists_its_candidates_and_is_wrong_use() {
    let failure = refused("hel");
    assert_eq!(failure.code, Code::Usage);
    assert_eq!(failure.message, "`hel` fits 3 workflows: hello-b, hello-a, hello");
}

#[test]
fn an_unknown_name_is_not_found() {
    for given in ["nope", "@-9", "wf/nope"] {
        assert_eq!(refused(given).code, Code::NotFound, "{given}");
    }
    assert_eq!(resolve("@latest", &[]).unwrap_err().code, Code::NotFound);
    assert_eq!(resolve("@failed", &known()[2..3]).unwrap_err().code, Code::NotFound);
    assert_eq!(refused("helo-a").hint.unwrap(), "did you mean `hello-a`?");
    for given in ["@what", "@-0", "@-x", "wftmpl/hello", ""] {
        assert_eq!(refused(given).code, Code::Usage, "{given}");
    }
}

#[test]
fn from_names_a_kind() {
    assert_eq!(parse_from("wftmpl/x").unwrap(), From::WorkflowTemplate("x".to_owned()));
    assert_eq!(parse_from("WorkflowTemplate/x").unwrap(), From::WorkflowTemplate("x".to_owned()));
    assert_eq!(parse_from("cwft/x").unwrap(), From::ClusterWorkflowTemplate("x".to_owned()));
    assert_eq!(parse_from("cronwf/x").unwrap(), From::CronWorkflow("x".to_owned()));
    for bad in ["x", "wftmpl/", "wf/x", "/x"] {
        assert_eq!(parse_from(bad).unwrap_err().code, Code::Usage, "{bad}");
    }
}

#[test]
fn label_selectors_are_those_of_kubernetes() {
    let own = str::to_owned;
    let terms = selector::parse("app=web, tier!=db,env in (a, b),zone notin (c),canary,!old,x==y").unwrap();
    assert_eq!(
        terms,
        [
            LabelTerm::Equals(own("app"), own("web")),
            LabelTerm::NotEquals(own("tier"), own("db")),
            LabelTerm::In(own("env"), vec![own("a"), own("b")]),
            LabelTerm::NotIn(own("zone"), vec![own("c")]),
            LabelTerm::Exists(own("canary")),
            LabelTerm::NotExists(own("old")),
            LabelTerm::Equals(own("x"), own("y")),
        ]
    );
    for bad in ["=x", "a in b", "a in (b", "a b", "a like (b)"] {
        assert_eq!(selector::parse(bad).unwrap_err().code, Code::Usage, "{bad}");
    }
}

#[test]
fn the_store_is_a_file_wherever_it_is_said() {
    let file = |flag: Option<&str>, config: Option<&str>| Place::choose(flag, config).unwrap().shown;
    assert_eq!(file(None, None), "./.runner/runner.db");
    assert_eq!(file(None, Some("a.db")), "a.db");
    assert_eq!(file(Some("b.db"), Some("a.db")), "b.db");
    assert_eq!(file(Some("dir/"), None), "dir/runner.db");
    assert_eq!(file(Some("sqlite:///x/y.db"), None), "/x/y.db");
    assert_eq!(Place::choose(Some("postgres://h/db"), None).unwrap_err().code, Code::Usage);
    assert_eq!(Place::choose(Some(""), None).unwrap_err().code, Code::Usage);
}

#[test]
fn the_project_file_wins_over_the_users_and_typos_are_errors() {
    let home = tempfile::tempdir().unwrap();
    let project = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(home.path().join("runner")).unwrap();
    std::fs::write(home.path().join("runner/config.yaml"), "namespace: mine\nstore: user.db\n").unwrap();
    let get = |name: &str| (name == "XDG_CONFIG_HOME").then(|| home.path().display().to_string());
    let loaded = Config::load(get, project.path()).unwrap();
    assert_eq!(loaded.namespace.as_deref(), Some("mine"));
    std::fs::write(project.path().join("runner.yaml"), "namespace: project\n").unwrap();
    let loaded = Config::load(get, project.path()).unwrap();
    assert_eq!((loaded.namespace.as_deref(), loaded.store.as_deref()), (Some("project"), Some("user.db")));
    std::fs::write(project.path().join("runner.yaml"), "namespce: x\n").unwrap();
    assert_eq!(Config::load(get, project.path()).unwrap_err().code, Code::Usage);
}

#[test]
fn an_artifact_driver_is_declared_once_in_a_file() {
    let (home, project) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let write = |dir: &std::path::Path, name: &str, text: &str| std::fs::write(dir.join(name), text).unwrap();
    let get = |name: &str| (name == "XDG_CONFIG_HOME").then(|| home.path().display().to_string());
    let drivers = |list: &str| format!("artifactDrivers: [{list}]\n");
    std::fs::create_dir(home.path().join("runner")).unwrap();
    write(home.path(), "runner/config.yaml", &drivers("{name: a, socket: /users}"));
    // The project's stands before the user's of the same name.
    write(project.path(), "runner.yaml", &drivers("{name: a, socket: /projects}, {name: b}"));
    let loaded = Config::load(get, project.path()).unwrap();
    assert_eq!(loaded.artifact_drivers[0].socket.as_deref(), Some(std::path::Path::new("/projects")));
    write(project.path(), "runner.yaml", &drivers("{name: a}, {name: b}, {name: b, socket: /x}"));
    let said = Config::load(get, project.path()).unwrap_err();
    assert_eq!(said.code, Code::Usage);
    assert!(said.to_string().contains("artifactDrivers has \"b\" twice"), "{said}");
}

#[test]
fn no_variable_of_ours_is_one_of_github_actions() {
    let theirs = ["OS", "ARCH", "NAME", "TEMP", "TOOL_CACHE", "DEBUG", "ENVIRONMENT", "WORKSPACE"];
    for name in VARIABLES {
        assert!(name.strip_prefix("RUNNER_").is_some_and(|rest| !theirs.contains(&rest)), "{name}");
    }
}
