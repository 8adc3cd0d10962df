//! Which webhooks sources want.
#![expect(clippy::unwrap_used, reason = "tests")]
use serde_json::{Value, json};

use super::*;

fn of(kind: &str, config: Value) -> Result<Vec<Wanted>, String> {
    let body = json!({"metadata": {"name": "es"}, "spec": {kind: {"e": config}}});
    let source: EventSource = serde_json::from_value(body).unwrap();
    let events = source.spec.events();
    wanted("ns/es", &source, events.first().unwrap())
}

fn github_with(change: Value) -> Result<Vec<Wanted>, String> {
    let mut config = json!({"owner": "o", "repository": "r", "events": ["push"], "active": true,
        "apiToken": {"name": "t", "key": "k"}, "webhook": {"url": "https://h", "endpoint": "/e"}});
    config.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    of("github", config)
}

fn places(all: &[Wanted]) -> Vec<String> {
    all.iter().map(|one| format!("{} {}", one.base, one.place.path().join("|"))).collect()
}

#[test]
fn a_source_of_github_wants_a_webhook_in_each_repository_or_organization() {
    let all = github_with(json!({"repositories": [{"owner": "a", "names": ["x", "y"]}]})).unwrap();
    let api = "https://api.github.com/";
    assert_eq!(places(&all), [format!("{api} repos|a|x|hooks"), format!("{api} repos|a|y|hooks")]);
    assert_eq!(all.first().unwrap().url, "https://h/e");
    assert_eq!(places(&github_with(json!({})).unwrap()), [format!("{api} repos|o|r|hooks")]);
    let enterprise = json!({"organizations": ["acme"], "repository": "", "githubBaseURL": "https://ghe/api/v3",
        "githubUploadURL": "https://ghe/api/uploads"});
    assert_eq!(places(&github_with(enterprise).unwrap()), ["https://ghe/api/v3/ orgs|acme|hooks"]);
}

#[test]
fn without_credentials_or_an_address_nothing_is_wanted() {
    assert_eq!(github_with(json!({"apiToken": null})).unwrap(), []);
    assert_eq!(github_with(json!({"webhook": {"endpoint": "/e"}})).unwrap(), []);
    let config = json!({"projects": ["a/b"], "events": ["PushEvents"], "gitlabBaseURL": "https://gl",
        "webhook": {"url": "https://h", "endpoint": "e"}});
    assert_eq!(of("gitlab", config).unwrap(), []);
}

#[test]
fn a_source_of_gitlab_wants_webhooks_of_projects_and_groups() {
    let config = json!({"projects": ["a/b", "3"], "groups": ["g"], "events": ["PushEvents", "NoteEvents"],
        "gitlabBaseURL": "https://gl/sub", "accessToken": {"name": "t", "key": "k"},
        "webhook": {"url": "https://h/", "endpoint": "e"}});
    let all = of("gitlab", config.clone()).unwrap();
    let api = "https://gl/sub/api/v4/";
    let wanted = [
        format!("{api} groups|g|hooks"),
        format!("{api} projects|a/b|hooks"),
        format!("{api} projects|3|hooks"),
    ];
    assert_eq!(places(&all), wanted);
    let fields = vec!["push_events", "note_events"];
    assert_eq!(all.first().unwrap().settings, Settings::Gitlab { fields, verify: false });
    let mut unknown = config;
    unknown["events"] = json!(["push"]);
    assert!(of("gitlab", unknown).unwrap_err().contains("is not an event of GitLab"));
}

#[test]
fn names_that_would_change_the_path_of_a_request_are_refused_or_encoded() {
    for name in ["..", ".", "", ".\t.", "a b", "a/b", "../x"] {
        let refused = github_with(json!({"repositories": [{"owner": "a", "names": [name]}]}));
        assert!(refused.is_err(), "{name:?}");
        assert!(github_with(json!({"organizations": [name], "repository": ""})).is_err(), "{name:?}");
    }
    // what would end the path is encoded where it is sent
    let odd = github_with(json!({"repositories": [{"owner": "a", "names": ["x?y#z%2e"]}]})).unwrap();
    let mut url = odd.first().unwrap().base.clone();
    url.path_segments_mut().unwrap().pop_if_empty().extend(odd.first().unwrap().place.path());
    assert_eq!(url.as_str(), "https://api.github.com/repos/a/x%3Fy%23z%252e/hooks");
    let config = json!({"projects": ["a/b"], "events": ["PushEvents"], "gitlabBaseURL": "https://gl",
        "accessToken": {"name": "t", "key": "k"}, "webhook": {"url": "https://h", "endpoint": "e"}});
    let project = of("gitlab", config).unwrap();
    let mut url = project.first().unwrap().base.clone();
    url.path_segments_mut().unwrap().pop_if_empty().extend(project.first().unwrap().place.path());
    assert_eq!(url.as_str(), "https://gl/api/v4/projects/a%2Fb/hooks");
}

#[test]
fn v33_addresses_with_secrets_in_them_are_refused_and_not_shown() {
    for url in ["https://user:hunter2@h", "https://h?token=hunter2", "ftp://hunter2", "hunter2"] {
        let why = github_with(json!({"webhook": {"url": url, "endpoint": "/e"}})).unwrap_err();
        assert!(why.contains("webhook.url") && !why.contains("hunter2"), "{why}");
    }
    for base in ["https://user:hunter2@h/", "https://h/?token=hunter2"] {
        let both = json!({"githubBaseURL": base, "githubUploadURL": base});
        let why = github_with(both).unwrap_err();
        assert!(why.contains("githubBaseURL") && !why.contains("hunter2"), "{why}");
    }
    assert!(github_with(json!({"githubBaseURL": "https://h"})).unwrap_err().contains("belong together"));
}

#[test]
fn a_webhook_signs_with_what_the_source_believes() {
    let secret = |annotations: Value| {
        let source: EventSource = serde_json::from_value(json!({
            "metadata": {"name": "es", "annotations": annotations},
            "spec": {"github": {"e": {"owner": "o", "repository": "r", "events": ["push"],
                "webhookSecret": {"name": "own", "key": "k"}, "apiToken": {"name": "t", "key": "k"},
                "webhook": {"url": "https://h", "endpoint": "/e"}}}}}))
        .unwrap();
        let all = wanted("ns/es", &source, source.spec.events().first().unwrap()).unwrap();
        all.first().unwrap().secret.clone().unwrap().name
    };
    assert_eq!(secret(json!({})), "own");
    assert_eq!(secret(json!({"runner/verify": "github", "runner/secret": "other/k"})), "other");
    assert_eq!(secret(json!({"runner/verify": "none"})), "own");
}
