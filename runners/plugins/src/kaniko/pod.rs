//! The typed step `kaniko` as a container: the template that runs Kaniko's executor in its own image.
//! Pure, and starts nothing: the runner of containers or pods does, as with every other template.

use std::path::Path;

use runner_workflows::spec::{AnyString, Parameter, Template, ValueFrom};
use serde_json::{Value, json};
use url::Url;

use super::builder::{EXECUTOR, flags};
use super::{Checked, KanikoStep, check};
use crate::git::Remote;
use crate::git::names::{self, Transport};
use crate::work::{Failure, Result};

/// Where Kaniko leaves the digest of the image.
const DIGEST: &str = "/tmp/digest";
/// Where it leaves `name@digest`.
const REFERENCE: &str = "/tmp/reference";
/// A file that nobody writes: its parameter has its default.
const NOWHERE: &str = "/tmp/no-such-file";
/// Where Kaniko looks for `config.json`.
const AUTH: &str = "/kaniko/.docker";
/// The volume of it.
const AUTH_VOLUME: &str = "runner-registry-auth";

/// The container that does a kaniko step, in the image that the step names, or else this one. Nothing when it is no
/// kaniko step, when there is no image, or when the step asks for a program of this machine.
///
/// # Errors
/// The fields are wrong, or mean something that only this machine has.
pub fn container(template: &Template, usual: &str) -> std::result::Result<Option<Template>, String> {
    let plugin = serde_json::to_value(&template.plugin).unwrap_or_default();
    let Some(fields) = plugin.get("kaniko") else { return Ok(None) };
    let named = fields.get("image").and_then(Value::as_str).filter(|image| !image.is_empty());
    let Some(image) = named.or(Some(usual)).filter(|image| !image.is_empty()) else { return Ok(None) };
    let checked = check(fields.clone()).map_err(|failure| failure.to_string())?;
    let here = !matches!(checked.fields.builder.as_str(), "" | "auto" | "executor");
    if here || checked.fields.dry_run.0 {
        return Ok(None);
    }
    let built = build(template, &checked, fields, image).map_err(|failure| failure.to_string())?;
    Ok(Some(built))
}

fn build(template: &Template, checked: &Checked, raw: &Value, image: &str) -> Result<Template> {
    let fields = &checked.fields;
    let mut words = flags(fields, &context(fields)?, &checked.dockerfile, DIGEST);
    words.extend(checked.sub.iter().map(|sub| format!("--context-sub-path={sub}")));
    words.push(format!("--image-name-with-digest-file={REFERENCE}"));
    let mut mounts = serde_json::to_value(&fields.volume_mounts).unwrap_or_default();
    let mut volumes = template.volumes.clone();
    if let Some(auth) = secret(raw.get("registryAuth"))? {
        let source = json!({"secretName": auth["name"], "optional": auth["optional"].as_bool().unwrap_or(false),
                            "items": [{"key": auth["key"], "path": "config.json"}]});
        volumes.push(read(json!({"name": AUTH_VOLUME, "secret": source}))?);
        if let Some(list) = mounts.as_array_mut() {
            list.push(json!({"name": AUTH_VOLUME, "mountPath": AUTH, "readOnly": true}));
        }
    }
    let container = json!({
        "image": image, "command": [EXECUTOR], "args": words, "volumeMounts": mounts, "env": env(fields, raw)?,
    });
    let mut built = Template { plugin: None, volumes, ..template.clone() };
    built.container = Some(read(container)?);
    for (name, path, default) in [
        ("image", NOWHERE, Some(checked.image.as_str())),
        ("digest", DIGEST, None),
        ("reference", REFERENCE, None),
    ] {
        // Nothing is pushed, so nothing has a name by its digest.
        let absent = (fields.no_push.0 && name == "reference").then_some("");
        let from = ValueFrom {
            path: path.to_owned(),
            default: default.or(absent).map(|text| AnyString(text.to_owned())),
            ..ValueFrom::default()
        };
        let all = &mut built.outputs.parameters;
        match all.iter_mut().find(|parameter| parameter.name == name) {
            Some(declared) => declared.value_from = Some(from),
            None => {
                all.push(Parameter { name: name.to_owned(), value_from: Some(from), ..Parameter::default() })
            }
        }
    }
    Ok(built)
}

/// Kaniko's `--context`: a folder, or a repository that it fetches itself.
fn context(fields: &KanikoStep) -> Result<String> {
    match (&fields.context, &fields.repository) {
        (Some(folder), None) if folder.is_absolute() && plain(folder) => {
            Ok(format!("dir://{}", folder.display()))
        }
        (Some(folder), None) => Err(Failure::Input(format!("context {folder:?} is not an absolute path"))),
        (None, Some(remote)) => repository(remote, &fields.revision),
        _other => Err(Failure::Input("plugin kaniko: write one of context and repository".to_owned())),
    }
}

fn plain(folder: &Path) -> bool {
    !folder.components().any(|part| part == std::path::Component::ParentDir)
}

fn repository(remote: &Remote, revision: &str) -> Result<String> {
    let transport = names::address(&remote.url)?;
    // Said as it was judged: Kaniko reads some characters in another way.
    let url = match transport {
        Transport::Http { .. } if !remote.url.contains('#') => Url::parse(&remote.url).ok(),
        Transport::Http { .. } | Transport::Ssh | Transport::Local => None,
    };
    let Some(url) = url else {
        return Err(Failure::Input(format!(
            "repository {:?}: in a pod Kaniko fetches it by https:// or http:// alone",
            remote.url
        )));
    };
    remote.check_host(&transport)?;
    let address = url.as_str().trim_start_matches(url.scheme());
    let revision = names::revision("revision", revision)?;
    let commit = revision.len() == 40 && names::is_hash(&revision);
    Ok(match revision.strip_prefix("refs/") {
        Some(_) => format!("git{address}#{revision}"),
        None if commit => format!("git{address}##{revision}"),
        None => format!("git{address}#refs/heads/{revision}"),
    })
}

/// Variables of Kaniko: how it fetches the repository, and with what. It sends what it has to whatever host it is told
/// to ask, so the host is compared here (V29).
fn env(fields: &KanikoStep, raw: &Value) -> Result<Vec<Value>> {
    let mut env = Vec::new();
    let Some(remote) = &fields.repository else { return Ok(env) };
    if remote.ssh_key.is_some() {
        return Err(Failure::Input("repository: in a pod Kaniko fetches nothing by ssh".to_owned()));
    }
    let Transport::Http { origin, plain } = names::address(&remote.url)? else { return Ok(env) };
    if plain {
        env.push(json!({"name": "GIT_PULL_METHOD", "value": "http"}));
    }
    let Some(credentials) = &remote.credentials else { return Ok(env) };
    if let Some(from) = secret(raw.pointer("/repository/credentials/token"))? {
        env.push(json!({"name": "GIT_USERNAME", "value": credentials.user_at(&origin)?}));
        env.push(json!({"name": "GIT_PASSWORD", "valueFrom": {"secretKeyRef": from}}));
    }
    Ok(env)
}

/// The key of a Secret that a field names; variables and files of the engine are not in a pod.
fn secret(field: Option<&Value>) -> Result<Option<Value>> {
    match field {
        None | Some(Value::Null) => Ok(None),
        Some(field) => match field.get("secretKeyRef") {
            Some(from) => Ok(Some(from.clone())),
            None => Err(Failure::Input("a secret of a step in a pod is a secretKeyRef".to_owned())),
        },
    }
}

fn read<T: serde::de::DeserializeOwned>(value: Value) -> Result<T> {
    serde_json::from_value(value).map_err(|error| Failure::Input(format!("plugin kaniko: {error}")))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn step(fields: Value) -> Template {
        let outputs = json!({"parameters": [{"name": "digest", "valueFrom": {"supplied": {}}}]});
        serde_json::from_value(json!({"name": "b", "outputs": outputs, "plugin": {"kaniko": fields}}))
            .unwrap()
    }

    fn words(template: &Template) -> Vec<String> {
        template.container.as_ref().unwrap().args.clone()
    }

    #[test]
    fn a_build_is_kanikos_executor_with_kanikos_flags() {
        let fields = json!({
            "repository": {"url": "https://git.example/team/shop.git",
                           "credentials": {"host": "git.example", "token": {"secretKeyRef": {"name": "g", "key": "t"}}}},
            "revision": "main", "destination": "r.example/team/shop:1", "buildArgs": {"A": "b c"}, "target": "prod",
            "contextSubPath": "sub", "insecure": "true",
            "registryAuth": {"secretKeyRef": {"name": "reg", "key": ".dockerconfigjson"}}});
        let built = container(&step(fields), "r.example/kaniko:1").unwrap().unwrap();
        let expected = [
            "--context=git://git.example/team/shop.git#refs/heads/main",
            "--dockerfile=Dockerfile",
            "--digest-file=/tmp/digest",
            "--reproducible",
            "--destination=r.example/team/shop:1",
            "--build-arg=A=b c",
            "--target=prod",
            "--insecure",
            "--insecure-pull",
            "--skip-tls-verify",
            "--context-sub-path=sub",
            "--image-name-with-digest-file=/tmp/reference",
        ];
        assert_eq!(words(&built), expected);
        let text = serde_json::to_value(&built).unwrap();
        assert_eq!(text["container"]["command"], json!([EXECUTOR]));
        assert_eq!(text["container"]["image"], "r.example/kaniko:1");
        assert_eq!(text["container"]["env"][1]["valueFrom"]["secretKeyRef"]["name"], "g");
        assert_eq!(
            text["volumes"][0]["secret"]["items"],
            json!([{"key": ".dockerconfigjson", "path": "config.json"}])
        );
        assert_eq!(text["container"]["volumeMounts"][0]["mountPath"], AUTH);
        let names: Vec<_> = built.outputs.parameters.iter().map(|p| p.name.as_str()).collect();
        assert_eq!(names, ["digest", "image", "reference"]);
        assert!(text["plugin"].is_null());
    }

    #[test]
    fn it_stays_here_without_an_image_and_when_a_program_of_this_machine_is_asked_for() {
        let fields =
            |builder: &str| json!({"context": "/w", "destination": "r.example/x:1", "builder": builder});
        assert!(container(&step(fields("")), "").unwrap().is_none());
        assert!(container(&step(fields("buildah")), "r.example/kaniko:1").unwrap().is_none());
        assert!(container(&step(fields("auto")), "r.example/kaniko:1").unwrap().is_some());
        let mut own = fields("");
        own["image"] = "r.example/own:2".into();
        let built = container(&step(own), "r.example/kaniko:1").unwrap().unwrap();
        assert_eq!(built.container.unwrap().image, "r.example/own:2");
        assert_eq!(container(&serde_json::from_value(json!({"name": "x"})).unwrap(), "i").unwrap(), None);
    }

    #[test]
    fn v29_credentials_go_to_the_host_they_are_for() {
        let bound = |url: &str, host: &str, user: &str| {
            let token = json!({"secretKeyRef": {"name": "g", "key": "t"}});
            let fields = json!({
                "repository": {"url": url, "credentials": {"host": host, "username": user, "token": token}},
                "revision": "main", "destination": "r.example/x:1"});
            container(&step(fields), "r.example/kaniko:1").map(|built| built.unwrap())
        };
        let env = |template: Template| serde_json::to_value(template).unwrap()["container"]["env"].clone();
        let own = env(bound("https://git.example/x.git", "git.example", "bot").unwrap());
        assert_eq!(own[0], json!({"name": "GIT_USERNAME", "value": "bot"}));
        let plain = env(bound("http://git.example:80/x.git", "http://git.example", "bot").unwrap());
        assert_eq!(plain[0], json!({"name": "GIT_PULL_METHOD", "value": "http"}));
        for (url, host, user) in [
            ("https://evil.example/x.git", "git.example", "bot"),
            ("https://git.example.evil.example/x.git", "git.example", "bot"),
            ("https://git.example:8443/x.git", "git.example", "bot"),
            ("http://git.example/x.git", "git.example", "bot"),
            ("https://evil.example\\@git.example/x.git", "git.example", "bot"),
            ("https://git.example/x.git", "git.example", "bot\nx"),
        ] {
            assert!(bound(url, host, user).is_err(), "{url} {user:?}");
        }
    }

    #[test]
    fn v27_kaniko_asks_the_host_that_was_judged() {
        let fields = |url: &str| {
            let repository = json!({"url": url, "allowedHosts": ["git.example"]});
            json!({"repository": repository, "revision": "main", "destination": "r.example/x:1"})
        };
        let built = container(&step(fields("https://git.example\\@evil.example/x")), "r.example/kaniko:1");
        assert_eq!(
            words(&built.unwrap().unwrap())[0],
            "--context=git://git.example/@evil.example/x#refs/heads/main"
        );
        assert!(container(&step(fields("https://evil.example/x")), "r.example/kaniko:1").is_err());
    }

    #[test]
    fn v30_what_could_be_an_option_or_leave_the_folder_is_refused() {
        let base = |field: &str, value: Value| {
            let mut fields = json!({"context": "/w", "destination": "r.example/x:1"});
            fields[field] = value;
            container(&step(fields), "r.example/kaniko:1")
        };
        for (field, value) in [
            ("context", json!("/w/../etc")),
            ("context", json!("w")),
            ("destination", json!("-x/y:1")),
            ("dockerfile", json!("../D")),
            ("registryAuth", json!({"file": "/etc/x"})),
            ("unknown", json!(1)),
        ] {
            assert!(base(field, value).is_err(), "{field}");
        }
        for url in ["ssh://git.example/x.git", "/srv/x.git", "https://u:p@git.example/x.git"] {
            let fields =
                json!({"repository": {"url": url}, "revision": "main", "destination": "r.example/x:1"});
            assert!(container(&step(fields), "r.example/kaniko:1").is_err(), "{url}");
        }
    }
}
