//! Help: every long help starts with two examples, and they work. And which variables are read.
//! Runs the built binary.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use clap::CommandFactory;
use common::Place;

/// Paths of all commands that do something.
fn commands() -> Vec<Vec<String>> {
    fn walk(command: &clap::Command, path: &[String], out: &mut Vec<Vec<String>>) {
        for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
            let path = [path, &[sub.get_name().to_owned()]].concat();
            if sub.get_subcommands().next().is_some() {
                walk(sub, &path, out);
            } else {
                out.push(path);
            }
        }
    }
    let mut out = vec![Vec::new()];
    walk(&runner_cli::cli::Cli::command(), &[], &mut out);
    out
}

/// What the examples of a command talk about is there.
fn prepared(command: &[String]) -> Place {
    let place = Place::new();
    place.write("workflows/hello.yaml", common::HELLO);
    let verb = command.first().map(String::as_str).unwrap_or_default();
    if !matches!(verb, "" | "submit" | "lint" | "plan" | "demo" | "apply" | "completion" | "version") {
        place.run(&["apply", "-f", "templates.yaml"]).code(0);
        if verb == "secret" {
            for name in ["forge", "mail", "chat"] {
                let secret = format!(
                    "apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}}}\nstringData: {{token: t0k3n}}\n"
                );
                place.write("secret.yaml", &secret);
                place.run(&["apply", "-f", "secret.yaml"]).code(0);
            }
            return place;
        }
        if verb == "cluster-template" {
            let other = "apiVersion: argoproj.io/v1alpha1\nkind: ClusterWorkflowTemplate\nmetadata: {name: elsewhere}\n\
                spec:\n  templates:\n  - {name: main, container: {image: busybox, command: [echo]}}\n";
            place.write("shared.yaml", other);
            place.run(&["apply", "-f", "shared.yaml"]).code(0);
            return place;
        }
        if verb == "sync" {
            place.run(&["sync", "create", "capacity", "--type", "database", "--limit", "1"]).code(0);
            let width =
                ["sync", "create", "width", "--type", "configmap", "--cm-name", "sizes", "--limit", "1"];
            place.run(&width).code(0);
            return place;
        }
        if verb == "cron" {
            place.run(&["apply", "-f", "nightly.yaml"]).code(0);
            return place;
        }
        if matches!(verb, "events" | "triggers") {
            place.run(&["apply", "-f", "sensor.yaml"]).code(0);
            place.run(&["events", "send", "--source", "webhook/example", "--payload", "event.json"]).code(0);
            return place;
        }
        place.run(&["submit", "broken.yaml"]).code(1);
        place.run(&["submit", "approve.yaml", "--no-suspend"]).code(5);
        place.run(&["submit", "hello.yaml", "--name", "hello"]).code(0);
    }
    place
}

#[test]
fn every_long_help_starts_with_two_examples_that_work() {
    let all = commands();
    assert!(all.len() > 25, "{all:?}");
    for command in all {
        let mut args: Vec<&str> = command.iter().map(String::as_str).collect();
        args.push("--help");
        let place = prepared(&command);
        let help = place.run(&args).code(0).out;
        let mut lines = help.lines();
        assert_eq!(lines.next(), Some("Examples:"), "{command:?}:\n{help}");
        let examples: Vec<&str> = lines.map_while(|line| line.strip_prefix("  $ ")).collect();
        assert_eq!(examples.len(), 2, "{command:?}:\n{help}");
        for example in examples {
            let path = if command.is_empty() {
                "runner ".to_owned()
            } else {
                format!("runner {}", command.join(" "))
            };
            assert!(example.starts_with(&path), "{example} is no example of {path}");
            let ran = place.shell(example);
            let fine = match command.first().map(String::as_str) {
                // its example is a workflow that fails again
                Some("retry") => [0, 1].contains(&ran.code),
                _ => ran.code == 0,
            };
            assert!(fine, "{example}: {}\n{}\n{}", ran.code, ran.out, ran.err);
        }
    }
}

#[test]
fn the_variables_of_github_actions_are_never_read() {
    let place = Place::new();
    let theirs = ["OS", "ARCH", "NAME", "TEMP", "TOOL_CACHE", "DEBUG", "ENVIRONMENT", "WORKSPACE"];
    let poison = |command: &mut std::process::Command| {
        for name in theirs {
            command.env(format!("RUNNER_{name}"), "/poison/\u{1b}[2J");
        }
        let output = command.output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (code, out, err) = poison(&mut place.command(&["submit", "hello.yaml", "--name", "one", "--log"]));
    assert_eq!((code, out.as_str()), (Some(0), "one: hello\n"), "{err}");
    assert!(!err.contains("poison"));
    // not in steps either
    place.write("env.yaml", &common::HELLO.replace("[echo, '{{workflow.parameters.message}}']", "[env]"));
    let (code, out, _) = poison(&mut place.command(&["submit", "env.yaml", "--log"]));
    assert_eq!(code, Some(0));
    assert!(!out.contains("poison"), "{out}");
    let (_, help, _) = poison(&mut place.command(&["--help"]));
    for name in theirs {
        assert!(
            !help
                .split(|c: char| !(c.is_ascii_uppercase() || c == '_'))
                .any(|word| word == format!("RUNNER_{name}"))
        );
    }
}

#[test]
fn our_variables_stand_behind_the_flags() {
    let place = Place::new();
    let run = |args: &[&str]| {
        let output = place
            .command(args)
            .env("RUNNER_STORE", "env.db")
            .env("RUNNER_NAMESPACE", "team")
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    assert_eq!(run(&["submit", "hello.yaml", "--name", "one", "-o", "name"]).0, Some(0));
    assert!(place.path().join("env.db").exists() && !place.has_store());
    assert_eq!(run(&["list", "-o", "name"]).1, "one\n");
    assert_eq!(run(&["list", "-o", "name", "-n", "default"]).1, "");
    assert_eq!(run(&["list", "-o", "name", "--store", "other.db"]).1, "");
}

#[test]
fn version_and_completion_need_nothing() {
    let place = Place::new();
    place.run(&["version"]).code(0).out_has("runner 0.");
    assert!(place.run(&["version", "-o", "json"]).code(0).json()["version"].is_string());
    for shell in ["bash", "zsh", "fish"] {
        place.run(&["completion", shell]).code(0).out_has("runner");
    }
    assert!(!place.has_store());
}

#[test]
fn the_demo_is_a_valid_workflow_of_its_own_file() {
    let place = Place::new();
    let demo = place.run(&["demo"]).code(0);
    demo.err_has("wrote hello.wf.yaml")
        .err_has("Succeeded")
        .out_has("only-on-friday")
        .out_has("3 of 3 items");
    place.run(&["lint", "--strict", "hello.wf.yaml"]).code(0);
    place.run(&["demo", "--no-run"]).code(0).err_has("is there already");
}
