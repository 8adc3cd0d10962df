//! The order of the sources, names that lead nowhere, files that others can read.
//! How steps get values is tested with the runners and in `tests/secrets.rs`.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::os::unix::fs::PermissionsExt;

use super::*;

fn text(value: Option<SecretValue>) -> Option<String> {
    value.map(|value| value.expose_text().unwrap().to_owned())
}

fn sources(dir: &std::path::Path) -> Sources {
    let secrets = dir.join("given");
    for (name, key, value) in
        [("forge", "token", "from-dir\n"), ("forge", "key", "-----A-----\nB\n"), ("other", "a", "1")]
    {
        std::fs::create_dir_all(secrets.join(name)).unwrap();
        std::fs::write(secrets.join(name).join(key), value).unwrap();
    }
    std::fs::write(dir.join("secrets.yaml"), FILE).unwrap();
    let variables = [
        ("RUNNER_SECRET_FORGE_TOKEN", "from-env"),
        ("RUNNER_SECRET_FORGE_USER_NAME", "bob"),
        ("RUNNER_SECRET_ONLY_ENV_A_B", "x"),
        ("RUNNER_STORE", "no"),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let vault = Vault::new(&dir.join("state"), None);
    let data = [("token", "from-vault"), ("user.name", "vault-bob"), ("extra", "from-vault")];
    let data = data.map(|(key, value)| (key.to_owned(), SecretValue::new(value)));
    vault.put("default", "forge", &BTreeMap::from(data)).unwrap();
    Sources {
        directory: Some(Directory::new(secrets)),
        environment: Environment::new(variables),
        file: Some(File::new(dir.join("secrets.yaml"))),
        vault: Some(vault),
        config_maps: None,
    }
}

const FILE: &str = "apiVersion: v1\nkind: Secret\nmetadata: {name: forge}\nstringData: {token: from-file, extra: from-file}\n\
    ---\napiVersion: v1\nkind: Secret\nmetadata: {name: far, namespace: other}\ndata: {a: YWFh}\n\
    ---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: plain}\ndata: {a: one}\n";

#[test]
fn the_first_source_that_has_a_key_wins() {
    let dir = tempfile::tempdir().unwrap();
    let sources = sources(dir.path());
    let get = |name: &str, key: &str| text(sources.value("default", name, key).unwrap());
    assert_eq!(get("forge", "token").as_deref(), Some("from-dir"));
    assert_eq!(get("forge", "key").as_deref(), Some("-----A-----\nB\n"));
    assert_eq!(get("forge", "user.name").as_deref(), Some("bob"));
    assert_eq!(get("forge", "extra").as_deref(), Some("from-file"));
    assert_eq!(get("forge", "none"), None);
    assert_eq!(get("only-env", "a.b").as_deref(), Some("x"));
    let all = sources.all("default", "forge").unwrap().unwrap();
    let all: Vec<(&str, &str)> =
        all.iter().map(|(key, value)| (key.as_str(), value.expose_text().unwrap())).collect();
    let key = "-----A-----\nB\n";
    assert_eq!(all, [("extra", "from-file"), ("key", key), ("token", "from-dir"), ("user.name", "bob")]);
    assert_eq!(sources.all("default", "only-env").unwrap().unwrap().len(), 1);
    assert!(sources.all("default", "nobody").unwrap().is_none());
    assert_eq!(sources.config_map("default", "plain").unwrap().unwrap()["a"], "one");
}

#[test]
fn applied_secrets_and_those_with_a_namespace_stay_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let sources = Sources { directory: None, ..sources(dir.path()) };
    assert_eq!(text(sources.value("other", "forge", "user.name").unwrap()).as_deref(), Some("bob"));
    let without = Sources { environment: Environment::default(), file: None, ..sources.clone() };
    assert!(without.value("other", "forge", "user.name").unwrap().is_none());
    assert!(sources.value("default", "far", "a").unwrap().is_none());
    assert_eq!(text(sources.value("other", "far", "a").unwrap()).as_deref(), Some("aaa"));
}

#[test]
fn v9_names_lead_nowhere_else() {
    let dir = tempfile::tempdir().unwrap();
    let sources = sources(dir.path());
    std::fs::write(dir.path().join("outside"), "x").unwrap();
    for (name, key) in
        [("..", "outside"), ("forge", "../../outside"), ("/etc", "hostname"), ("", "a"), ("forge", "")]
    {
        assert!(sources.value("default", name, key).unwrap().is_none(), "{name} {key}");
        assert!(sources.value("../..", name, key).unwrap().is_none(), "{name} {key}");
    }
    let vault = sources.vault.unwrap();
    assert!(vault.put("default", "../x", &SecretData::new()).is_err());
    assert!(vault.put("..", "x", &SecretData::new()).is_err());
    let bad = BTreeMap::from([("a/b".to_owned(), SecretValue::new("v"))]);
    assert!(vault.put("default", "x", &bad).is_err());
}

#[test]
fn v35_applied_secrets_are_for_the_owner_alone() {
    let dir = tempfile::tempdir().unwrap();
    let sources = sources(dir.path());
    let path = dir.path().join("state/secrets/default/forge.json");
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let refused = sources.vault.as_ref().unwrap().get("default", "forge").unwrap_err().to_string();
    assert!(refused.contains("chmod 600") && !refused.contains("from-vault"), "{refused}");
}

#[test]
fn v34_applied_secrets_are_sealed_and_open_with_their_key_alone() {
    let dir = tempfile::tempdir().unwrap();
    let vault = sources(dir.path()).vault.unwrap();
    let path = |name: &str| dir.path().join("state/secrets").join(name);
    let bytes = std::fs::read(path("default/forge.json")).unwrap();
    for value in ["from-vault", "ZnJvbS12YXVsd", "token", "user.name"] {
        assert!(!bytes.windows(value.len()).any(|part| part == value.as_bytes()), "{value}");
    }
    assert_eq!(vault.names("default").unwrap(), ["forge"]);
    // Moved under another name it does not open.
    std::fs::copy(path("default/forge.json"), path("default/other.json")).unwrap();
    let refused = vault.get("default", "other").unwrap_err().to_string();
    assert!(refused.contains("does not open") && refused.contains(".key"), "{refused}");
    // With a key that is kept elsewhere.
    let key = dir.path().join("elsewhere.key");
    let elsewhere = Vault::new(&dir.path().join("state"), Some(key.clone()));
    let data = BTreeMap::from([("a".to_owned(), SecretValue::new("1"))]);
    assert!(elsewhere.put("default", "x", &data).unwrap_err().to_string().contains("not there"));
    let write = |text: &str, mode| {
        std::fs::write(&key, text).unwrap();
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    write("c2hvcnQ=", 0o600);
    assert!(elsewhere.put("default", "x", &data).unwrap_err().to_string().contains("is no key"));
    write("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n", 0o644);
    assert!(elsewhere.put("default", "x", &data).unwrap_err().to_string().contains("chmod 600"));
    write("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n", 0o600);
    elsewhere.put("default", "x", &data).unwrap();
    assert_eq!(elsewhere.get("default", "x").unwrap().unwrap()["a"].expose_text(), Some("1"));
    assert!(vault.get("default", "x").is_err() && elsewhere.get("default", "forge").is_err());
}

#[test]
fn secrets_of_versions_before_sealing_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let vault = Vault::new(dir.path(), None);
    let file = dir.path().join("secrets/default/old.json");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, r#"{"a":"b2xk"}"#).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(vault.get("default", "old").unwrap().unwrap()["a"].expose_text(), Some("old"));
}

#[test]
fn v33_lists_hints_and_debug_texts_show_no_value() {
    let dir = tempfile::tempdir().unwrap();
    let sources = sources(dir.path());
    let listed = sources.list("default").unwrap();
    let stored: Vec<&Listed> = listed.iter().filter(|one| one.stored).collect();
    assert_eq!(stored.len(), 1);
    assert_eq!(stored[0].keys, ["extra", "token", "user.name"]);
    let texts = [format!("{sources:?}"), format!("{listed:?}"), sources.hint("my-creds", Some("api.token"))];
    for text in &texts {
        for value in ["from-dir", "from-env", "from-file", "from-vault", "bob"] {
            assert!(!text.contains(value), "{text}");
        }
    }
    assert!(texts[2].contains("my-creds/api.token") && texts[2].contains("RUNNER_SECRET_MY_CREDS_API_TOKEN"));
    let broken = dir.path().join("broken.yaml");
    std::fs::write(&broken, "kind: Secret\nstringData: {a: [hunter2]\n").unwrap();
    let error = File::new(&broken).secret("default", "a").unwrap_err().to_string();
    assert!(!error.contains("hunter2"), "{error}");
}

#[test]
fn deleting_answers_whether_there_was_one() {
    let dir = tempfile::tempdir().unwrap();
    let vault = sources(dir.path()).vault.unwrap();
    assert_eq!(vault.names("default").unwrap(), ["forge"]);
    assert!(vault.delete("default", "forge").unwrap());
    assert!(!vault.delete("default", "forge").unwrap());
    assert!(vault.names("default").unwrap().is_empty());
}
