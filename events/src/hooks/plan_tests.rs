//! What is to be done about webhooks, and what is sent.
#![expect(clippy::unwrap_used, reason = "tests")]
use runner_workflows::spec::k8s::SecretKeySelector;
use serde_json::{Value, json};

use super::super::wanted::Login;
use super::*;

const OURS: &str = "https://h/e";

fn wanted(settings: Settings) -> Wanted {
    let selector = SecretKeySelector { name: "s".to_owned(), key: "k".to_owned(), ..Default::default() };
    Wanted {
        source: "ns/es".to_owned(),
        event: "e".to_owned(),
        base: "https://api/".parse().unwrap(),
        place: Place::Organization("acme".to_owned()),
        url: OURS.to_owned(),
        login: Login::Token(selector.clone()),
        secret: Some(selector),
        settings,
        delete: false,
    }
}

fn github() -> Wanted {
    let events = vec!["push".to_owned(), "pull_request".to_owned()];
    wanted(Settings::Github { active: true, events, content_type: "json".to_owned(), insecure: false })
}

fn gitlab() -> Wanted {
    wanted(Settings::Gitlab { fields: vec!["push_events", "deployment_events"], verify: true })
}

/// A webhook as GitHub lists it.
fn listed(id: u64, change: Value) -> Value {
    let mut hook = json!({"id": id, "name": "web", "active": true, "events": ["pull_request", "push"],
        "config": {"url": OURS, "content_type": "json", "insecure_ssl": "0", "secret": "********"}});
    for (key, value) in change.as_object().unwrap() {
        match value {
            Value::Object(inner) => inner.iter().for_each(|(name, value)| hook[key][name] = value.clone()),
            value => hook[key] = value.clone(),
        }
    }
    hook
}

fn differs(hook: Value) -> Vec<&'static str> {
    match step(&github(), &[hook], &Memory::default()) {
        Step::Update { differs, .. } => differs,
        Step::Nothing => Vec::new(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_there_and_right_is_left_and_what_differs_is_changed() {
    assert_eq!(differs(listed(1, json!({}))), Vec::<&str>::new());
    assert_eq!(differs(listed(1, json!({"active": false}))), ["active"]);
    assert_eq!(differs(listed(1, json!({"events": ["push"]}))), ["events"]);
    assert_eq!(differs(listed(1, json!({"config": {"content_type": "form"}}))), ["content_type"]);
    assert_eq!(differs(listed(1, json!({"config": {"insecure_ssl": 1}}))), ["insecure_ssl"]);
    assert_eq!(differs(listed(1, json!({"config": {"secret": null}}))), ["secret"]);
    // other ways to write the same
    assert_eq!(differs(listed(1, json!({"config": {"insecure_ssl": 0}}))), Vec::<&str>::new());
    assert_eq!(differs(listed(1, json!({"config": {"url": "HTTPS://H:443/e"}}))), Vec::<&str>::new());
}

#[test]
fn only_a_webhook_with_our_address_is_ours_and_of_several_the_oldest() {
    let foreign = |id, url: &str| listed(id, json!({"config": {"url": url}}));
    let others =
        [foreign(1, "https://h/e/more"), foreign(2, "https://h/"), foreign(3, "http://h/e"), foreign(4, "")];
    assert_eq!(step(&github(), &others, &Memory::default()), Step::Create);
    let several = [listed(9, json!({})), foreign(1, "https://other/"), listed(7, json!({"active": false}))];
    let Step::Update { id: 7, .. } = step(&github(), &several, &Memory::default()) else { panic!("not 7") };
    assert_eq!(ours(&github(), &several).iter().map(|(id, _)| *id).collect::<Vec<_>>(), [7, 9]);
}

#[test]
fn of_two_that_were_made_at_once_the_maker_of_the_younger_takes_it_back() {
    let both = [listed(5, json!({})), listed(6, json!({}))];
    let made = |id| Memory { made: Some(id), ..Memory::default() };
    assert_eq!(step(&github(), &both, &made(6)), Step::Withdraw(6));
    assert_eq!(step(&github(), &both, &made(5)), Step::Nothing);
    assert_eq!(step(&github(), &both, &Memory::default()), Step::Nothing, "it made neither");
}

#[test]
fn a_webhook_that_got_another_address_is_no_reason_to_make_one_after_the_other() {
    let moved = [listed(5, json!({"config": {"url": "https://elsewhere/"}}))];
    let memory = Memory { made: Some(5), ..Memory::default() };
    assert_eq!(step(&github(), &moved, &memory), Step::Elsewhere(5));
    assert_eq!(step(&github(), &[], &memory), Step::Create, "that one was deleted");
}

#[test]
fn what_a_provider_does_not_take_is_asked_for_once_and_a_new_secret_is_sent() {
    let hook = [listed(5, json!({"events": ["push"]}))];
    let memory = Memory { stubborn: vec!["events"], ..Memory::default() };
    assert_eq!(step(&github(), &hook, &memory), Step::Nothing);
    let signed = Memory { is_resigned: true, ..memory };
    let Step::Update { differs, .. } = step(&github(), &hook, &signed) else { panic!("nothing") };
    assert_eq!(differs, ["secret"]);
}

#[test]
fn what_is_sent_to_github() {
    let made = body(&github(), Some("hush"), None);
    assert_eq!(
        made,
        json!({"name": "web", "active": true, "events": ["push", "pull_request"],
            "config": {"url": OURS, "content_type": "json", "insecure_ssl": "0", "secret": "hush"}})
    );
    let insecure = Settings::Github {
        active: false,
        events: vec!["*".into()],
        content_type: String::new(),
        insecure: true,
    };
    let changed = body(&wanted(insecure), None, Some(&json!({})));
    assert_eq!(
        changed,
        json!({"active": false, "events": ["*"], "config": {"url": OURS, "insecure_ssl": "1"}})
    );
}

#[test]
fn what_is_sent_to_gitlab_turns_off_what_is_not_wanted() {
    let made = body(&gitlab(), Some("hush"), None);
    assert_eq!(made["push_events"], true);
    assert_eq!(made["deployment_events"], true);
    assert_eq!(made["merge_requests_events"], false, "always said: GitLab has its own mind about it");
    assert_eq!(made.get("releases_events"), None, "an older GitLab does not know it");
    assert_eq!((&made["token"], &made["enable_ssl_verification"]), (&json!("hush"), &json!(true)));
    let found = json!({"id": 1, "url": OURS, "push_events": true, "releases_events": true,
        "enable_ssl_verification": true});
    // deployments are unknown to it: not compared
    assert_eq!(differences(&gitlab(), &found), ["releases_events"]);
    assert_eq!(body(&gitlab(), None, Some(&found))["releases_events"], false);
    assert_eq!(body(&gitlab(), None, Some(&found)).get("token"), None, "the one that is there stays");
}

#[test]
fn a_refusal_says_what_is_missing() {
    let repository = Place::Repository { owner: "o".to_owned(), name: "r".to_owned() };
    let said = hint(&repository, 404);
    assert!(said.contains("repository o/r") && said.contains("admin:repo_hook"), "{said}");
    assert!(hint(&Place::Organization("a".to_owned()), 403).contains("admin:org_hook"));
    assert!(hint(&repository, 401).contains("apiToken"));
    assert!(hint(&repository, 301).contains("redirects are not followed"));
    let group = Place::Group("g".to_owned());
    assert!(hint(&group, 403).contains("Owner") && hint(&group, 401).contains("accessToken"));
}
