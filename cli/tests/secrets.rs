//! `runner apply` of Secrets, `runner secret`, and that no value comes out of any command (V33).
//! Runs the built binary. Masking itself is tested with the runners.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use std::path::Path;

use common::Place;

const TOKEN: &str = "tok-51f8c0de77";

const SECRET: &str = "apiVersion: v1\nkind: Secret\nmetadata: {name: forge}\nstringData: {token: tok-51f8c0de77}\n\
    data: {user: Ym9iYnktdGFibGVz}\n";

const USES: &str = "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nmetadata: {name: uses}\nspec:\n  entrypoint: main\n  \
    templates:\n  - name: main\n    steps:\n    - - {name: a, template: show}\n    - - name: b\n        template: say\n        \
    arguments: {parameters: [{name: p, value: '{{steps.a.outputs.result}}'}]}\n  - name: show\n    container:\n      \
    image: busybox\n      command: [sh, -c, 'echo \"token $TOKEN $(printf %s \"$TOKEN\" | base64)\"; echo $TOKEN >&2']\n      \
    env:\n      - {name: TOKEN, valueFrom: {secretKeyRef: {name: forge, key: token}}}\n  - name: say\n    \
    inputs: {parameters: [{name: p}]}\n    container: {image: busybox, command: [echo, 'got {{inputs.parameters.p}}']}\n";

/// Files below a directory that hold the text.
fn files_with(dir: &Path, text: &str, out: &mut Vec<String>) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            files_with(&path, text, out);
        } else if entry.file_type().is_ok_and(|kind| kind.is_file()) {
            let bytes = std::fs::read(&path).unwrap_or_default();
            if bytes.windows(text.len()).any(|window| window == text.as_bytes()) {
                out.push(path.display().to_string());
            }
        }
    }
}

#[test]
fn v33_v34_b18_a_secret_is_used_and_its_value_is_nowhere() {
    let place = Place::new();
    place.write("secret.yaml", SECRET);
    place.write("uses.yaml", USES);
    let said = place.run(&["apply", "-f", "secret.yaml"]).code(0);
    assert!(said.out.contains("secret/forge created"), "{}", said.out);
    assert!(place.run(&["apply", "-f", "secret.yaml"]).code(0).out.contains("secret/forge unchanged"));
    let run = place.run(&["submit", "uses.yaml"]).code(0);
    let mut texts = vec![run.out, run.err];
    for args in [
        &["get", "uses"][..],
        &["get", "uses", "-o", "json"],
        &["get", "uses", "-o", "yaml"],
        &["logs", "uses"],
        &["logs", "uses", "-o", "jsonl"],
        &["list", "-o", "json"],
        &["secret", "list"],
        &["secret", "list", "-o", "json"],
        &["secret", "get", "forge"],
        &["secret", "get", "forge", "--keys"],
        &["lint", "secret.yaml", "uses.yaml", "-o", "json"],
    ] {
        let done = place.run(args).code(0);
        texts.extend([done.out, done.err]);
    }
    assert!(texts.iter().any(|text| text.contains("got token *** ***")), "{texts:?}");
    for text in &texts {
        for value in [TOKEN, "51f8c0de", "bobby-tables", "dG9rLTUxZjhjMGRlNzc", "Ym9iYnktdGFibGVz"] {
            assert!(!text.contains(value), "{value} in {text}");
        }
    }
    std::fs::remove_file(place.path().join("secret.yaml")).unwrap();
    let mut found = Vec::new();
    files_with(place.path(), TOKEN, &mut found);
    files_with(place.path(), "dG9rLTUxZjhjMGRlNzc", &mut found);
    assert_eq!(
        found,
        Vec::<String>::new(),
        "V34: database, write-ahead log, journal, logs, jobs, applied Secrets"
    );
}

#[test]
fn a_missing_secret_says_where_to_put_it() {
    let place = Place::new();
    place.write("uses.yaml", USES);
    let run = place.run(&["submit", "uses.yaml"]).code(1);
    let text = format!("{}{}", run.out, run.err);
    for word in ["forge", "token", "RUNNER_SECRET_FORGE_TOKEN", "runner apply"] {
        assert!(text.contains(word), "{word}: {text}");
    }
}

#[test]
fn directories_files_and_variables_are_sources() {
    let place = Place::new();
    place.write("uses.yaml", USES);
    place.write("secrets/forge/token", "tok-51f8c0de77\n");
    place.write("secret.yaml", SECRET);
    let listed = place.run(&["secret", "list", "--secrets", "secrets", "-o", "json"]).code(0).out;
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed[0]["name"], "forge");
    assert_eq!(listed[0]["keys"][0], "token");
    place.run(&["submit", "uses.yaml", "--secrets", "secrets"]).code(0);
    place.run(&["delete", "uses"]).code(0);
    place.run(&["submit", "uses.yaml", "--secrets", "secret.yaml"]).code(0);
}

#[test]
fn applied_secrets_are_deleted_by_name() {
    let place = Place::new();
    place.write("secret.yaml", SECRET);
    place.run(&["apply", "-f", "secret.yaml"]).code(0);
    assert_eq!(place.run(&["secret", "get", "forge", "--keys"]).code(0).out, "token\nuser\n");
    assert!(place.run(&["secret", "delete", "forge"]).code(0).out.contains("secret/forge deleted"));
    place.run(&["secret", "delete", "forge"]).code(4);
    place.run(&["secret", "get", "forge"]).code(4);
    assert_eq!(place.run(&["secret", "list", "-o", "json"]).code(0).out.trim(), "[]");
}

#[test]
fn lint_names_what_a_file_needs() {
    let place = Place::new();
    place.write("uses.yaml", USES);
    let done = place.run(&["lint", "uses.yaml"]).code(0);
    assert!(done.err.contains("needs: Secret forge (token)"), "{}", done.err);
    let json: serde_json::Value =
        serde_json::from_str(&place.run(&["lint", "uses.yaml", "-o", "json"]).code(0).out).unwrap();
    assert_eq!(json["needs"][0]["name"], "forge");
}
