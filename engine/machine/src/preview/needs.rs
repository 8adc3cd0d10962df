//! What the nodes of a preview need and touch: images, objects, volumes, locks, caches, the world outside.
//! Looks at templates with their values filled in; whether anything is there is for the caller to see.

use runner_workflows::needs;
use runner_workflows::spec::{Artifact, Synchronization, Template, WorkflowSpec};
use serde_json::Value;

use super::scope::Scope;
use super::{CacheUse, ExternalWrite, Foreseen, Requirements};

/// Kinds of a volume's source that say nothing beyond their name.
const UNNAMED: [&str; 2] = ["emptyDir", "ephemeral"];

/// What the whole workflow needs.
pub(super) fn of_workflow(spec: &WorkflowSpec, scope: &Scope, found: &mut Requirements) {
    let bare = WorkflowSpec {
        templates: Vec::new(),
        arguments: Default::default(),
        template_defaults: None,
        ..spec.clone()
    };
    objects(&bare, scope, found);
    locks(spec.synchronization.as_ref(), scope, found);
}

/// What one leaf needs; its images are given back.
pub(super) fn of_leaf(
    node: &str,
    template: &Template,
    spec: &WorkflowSpec,
    scope: &Scope,
    found: &mut Requirements,
) -> Vec<Foreseen> {
    objects(template, scope, found);
    volumes(template, spec, scope, found);
    let mut write = |what: Foreseen| {
        found.external_writes.insert(ExternalWrite { node: node.to_owned(), what });
    };
    if let Some(resource) = template.resource.as_ref().filter(|resource| resource.action != "get") {
        write(scope.text(&format!("{} {}", resource.action, manifest_name(&resource.manifest))));
    }
    if let Some(http) = &template.http
        && !matches!(http.method.to_ascii_uppercase().as_str(), "" | "GET" | "HEAD" | "OPTIONS")
    {
        write(scope.text(&format!("{} {}", http.method, http.url)));
    }
    if let Some(Value::Object(plugin)) = &template.plugin {
        plugin.keys().for_each(|name| write(Foreseen::known(format!("plugin {name}"))));
    }
    for artifact in &template.outputs.artifacts {
        if let Some(place) = place(artifact) {
            write(scope.text(&format!("artifact {} to {place}", artifact.name)));
        }
    }
    if let Some(memoize) = &template.memoize {
        let cache = memoize.cache.as_ref().and_then(|cache| cache.config_map.as_ref());
        found.caches.insert(CacheUse {
            node: node.to_owned(),
            cache: cache.map(|cache| scope.text(&cache.name).text).unwrap_or_default(),
            key: scope.text(&memoize.key),
        });
    }
    let images = images(template, scope);
    found.images.extend(images.iter().cloned());
    images
}

/// The locks of a workflow or template.
pub(super) fn locks(sync: Option<&Synchronization>, scope: &Scope, found: &mut Requirements) {
    let Some(sync) = sync else { return };
    let mut add = |text: String| {
        found.locks.insert(scope.text(&text));
    };
    for mutex in sync.mutex.iter().chain(&sync.mutexes) {
        let own = if mutex.namespace.is_empty() { String::new() } else { format!("{}/", mutex.namespace) };
        add(format!("mutex {own}{}", mutex.name));
    }
    for semaphore in sync.semaphore.iter().chain(&sync.semaphores) {
        if let Some(key) = &semaphore.config_map_key_ref {
            add(format!("semaphore {}/{} (ConfigMap)", key.name, key.key));
        } else if let Some(row) = &semaphore.database {
            add(format!("semaphore {} (database)", row.key));
        }
    }
}

fn images(template: &Template, scope: &Scope) -> Vec<Foreseen> {
    let set = template.container_set.iter().flat_map(|set| &set.containers).map(|c| c.image.as_str());
    let more = template.init_containers.iter().chain(&template.sidecars);
    let mut out: Vec<Foreseen> = Vec::new();
    let own = template.container.iter().map(|c| c.image.as_str());
    let script = template.script.iter().map(|script| script.image.as_str());
    let more = more.map(|user| user.image.as_str());
    for image in own.chain(script).chain(set).chain(more).filter(|image| !image.is_empty()) {
        let image = scope.text(image);
        if !out.contains(&image) {
            out.push(image);
        }
    }
    out
}

fn objects(part: &impl serde::Serialize, scope: &Scope, found: &mut Requirements) {
    let Ok(mut json) = serde_json::to_value(part) else { return };
    fill(&mut json, scope);
    for (key, need) in needs::of(&json) {
        let known = found.objects.entry(key).or_default();
        known.keys.extend(need.keys);
        known.required |= need.required;
    }
}

/// Fills in what is known, in all texts.
fn fill(value: &mut Value, scope: &Scope) {
    match value {
        Value::String(text) if text.contains("{{") => *text = scope.text(text).text,
        Value::Array(items) => items.iter_mut().for_each(|item| fill(item, scope)),
        Value::Object(map) => map.values_mut().for_each(|item| fill(item, scope)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The volumes that containers of a template mount: name, and what they are made of.
fn volumes(template: &Template, spec: &WorkflowSpec, scope: &Scope, found: &mut Requirements) {
    let Ok(json) = serde_json::to_value(template) else { return };
    let mut mounted = Vec::new();
    mounts(&json, &mut mounted);
    for name in mounted {
        let claim = spec.volume_claim_templates.iter().any(|c| c.metadata.name.as_deref() == Some(&name));
        let volume = template.volumes.iter().chain(&spec.volumes).find(|volume| volume.name == name);
        let source = match (claim, volume.and_then(|volume| serde_json::to_value(volume).ok())) {
            (true, _) => "a claim of its own".to_owned(),
            (false, Some(Value::Object(map))) => {
                map.iter().find(|(key, _)| *key != "name").map_or_else(String::new, |(kind, source)| {
                    let named = ["claimName", "secretName", "name", "path", "server"];
                    let name = named.iter().find_map(|key| source.get(key)?.as_str());
                    match name.filter(|_| !UNNAMED.contains(&kind.as_str())) {
                        Some(name) => format!("{kind} {}", scope.text(name).text),
                        None => kind.clone(),
                    }
                })
            }
            (false, _) => "not declared".to_owned(),
        };
        found.volumes.insert(format!("{name}: {source}"));
    }
}

fn mounts(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                if key == "volumeMounts" {
                    let names = inner.as_array().into_iter().flatten();
                    out.extend(names.filter_map(|mount| Some(mount.get("name")?.as_str()?.to_owned())));
                }
                mounts(inner, out);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| mounts(item, out)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Kind and name in a manifest given as text; read by lines, since tags may make it no YAML yet.
fn manifest_name(manifest: &str) -> String {
    let field = |key: &str| {
        manifest
            .lines()
            .find_map(|line| line.trim().strip_prefix(key).map(str::trim))
            .filter(|v| !v.is_empty())
    };
    let kind = field("kind:").unwrap_or("resource");
    let name = field("name:").or_else(|| field("generateName:")).unwrap_or_default();
    format!("{kind} {name}").trim_end().to_owned()
}

/// Where an artifact goes when its template says so itself.
fn place(artifact: &Artifact) -> Option<String> {
    let json = serde_json::to_value(artifact).ok()?;
    let stores = ["s3", "gcs", "azure", "oss", "artifactory", "hdfs", "http", "plugin"];
    stores.iter().find_map(|store| {
        let place = json.get(store)?;
        let text = |key: &str| place.get(key).and_then(Value::as_str).unwrap_or_default();
        // A plugin has a name where others have a bucket.
        let bucket = ["bucket", "container", "name"].into_iter().map(text).find(|text| !text.is_empty());
        let bucket = bucket.unwrap_or_default();
        let key = ["key", "blob", "url", "path"].into_iter().map(text).find(|text| !text.is_empty());
        let key = key.unwrap_or_default();
        let between = if bucket.is_empty() || key.is_empty() { "" } else { "/" };
        Some(format!("{store} {bucket}{between}{key}").trim_end().to_owned())
    })
}
