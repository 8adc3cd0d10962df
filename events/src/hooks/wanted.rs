//! Which webhooks an EventSource wants at its provider, one by one, and where they are kept there.
//! Pure: reads no secret and sends nothing.

use std::fmt;

use runner_sensors::forges::{github_makes, gitlab_field, gitlab_makes, hook_address};
use runner_sensors::kinds::{SourceConfig, SourceEvent};
use runner_sensors::spec::{
    EventSource, GithubEventSource, GitlabEventSource, OwnedRepositories, WebhookContext,
};
use runner_workflows::spec::k8s::SecretKeySelector;
use url::Url;

use crate::ingress::endpoint::annotated;

/// Where GitHub's API is unless the source says otherwise.
const GITHUB: &str = "https://api.github.com";

/// One webhook at a provider.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wanted {
    /// `namespace/source`, and the event.
    pub(super) source: String,
    pub(super) event: String,
    /// The provider's API; ends with a slash.
    pub(super) base: Url,
    /// What it belongs to there.
    pub(super) place: Place,
    /// What the provider calls: a webhook is ours if it has this address.
    pub(super) url: String,
    pub(super) login: Login,
    /// What the provider signs with.
    pub(super) secret: Option<SecretKeySelector>,
    pub(super) settings: Settings,
    /// It is deleted when it is not wanted any more, and when the daemon stops.
    pub(super) delete: bool,
}

/// What a webhook belongs to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// Of GitHub.
    Repository { owner: String, name: String },
    /// Of GitHub.
    Organization(String),
    /// Of GitLab, by path or number.
    Project(String),
    /// Of GitLab, by path or number.
    Group(String),
}

/// How to log in; the secrets are read when they are needed.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Login {
    /// A token of GitHub.
    Token(SecretKeySelector),
    /// An app of GitHub, installed somewhere.
    App { key: SecretKeySelector, app: i64, installation: i64 },
    /// A token of GitLab.
    PrivateToken(SecretKeySelector),
}

/// What a webhook is to be like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Settings {
    /// At GitHub; `content_type` is empty where GitHub chooses.
    Github { active: bool, events: Vec<String>, content_type: String, insecure: bool },
    /// At GitLab: fields of events that are on, and whether certificates are checked.
    Gitlab { fields: Vec<&'static str>, verify: bool },
}

impl Place {
    /// The path of its webhooks, below the base.
    pub(super) fn path(&self) -> Vec<&str> {
        match self {
            Self::Repository { owner, name } => vec!["repos", owner, name, "hooks"],
            Self::Organization(name) => vec!["orgs", name, "hooks"],
            Self::Project(id) => vec!["projects", id, "hooks"],
            Self::Group(id) => vec!["groups", id, "hooks"],
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Repository { owner, name } => write!(f, "repository {owner}/{name}"),
            Self::Organization(name) => write!(f, "organization {name}"),
            Self::Project(id) => write!(f, "project {id}"),
            Self::Group(id) => write!(f, "group {id}"),
        }
    }
}

/// Whether two addresses are the same, however they are written.
pub(super) fn same_address(one: &str, other: &str) -> bool {
    match (Url::parse(one), Url::parse(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}

/// The webhooks that an event of the source `namespace/name` wants; none when it makes none.
///
/// # Errors
/// A sentence for people: they cannot be made as they are described.
pub(super) fn wanted(
    name: &str,
    source: &EventSource,
    event: &SourceEvent<'_>,
) -> Result<Vec<Wanted>, String> {
    let mut all = match event.config {
        SourceConfig::Github(config) if github_makes(config) => github(name, event.name, config)?,
        SourceConfig::Gitlab(config) if gitlab_makes(config) => gitlab(name, event.name, config)?,
        _ => return Ok(Vec::new()),
    };
    // what the source believes is what the provider is to sign with
    if let Some(secret) = annotated(source, event.name) {
        all.iter_mut().for_each(|one| one.secret = Some(secret.clone()));
    }
    Ok(all)
}

fn github(source: &str, event: &str, config: &GithubEventSource) -> Result<Vec<Wanted>, String> {
    if config.events.is_empty() {
        return Err("events must be defined to create a github webhook".to_owned());
    }
    if config.github_base_url.is_empty() != config.github_upload_url.is_empty() {
        return Err("githubBaseURL and githubUploadURL belong together".to_owned());
    }
    let base = if config.github_base_url.is_empty() { GITHUB } else { &config.github_base_url };
    let login = match (&config.api_token, &config.github_app) {
        (Some(token), _) => Login::Token(token.clone()),
        (None, Some(app)) => match (&app.private_key, app.app_id, app.installation_id) {
            (Some(key), Some(app), Some(installation)) => Login::App { key: key.clone(), app, installation },
            _ => return Err("githubApp needs privateKey, appID and installationID".to_owned()),
        },
        (None, None) => return Ok(Vec::new()),
    };
    let one = Wanted {
        source: source.to_owned(),
        event: event.to_owned(),
        base: base_of("githubBaseURL", base)?,
        place: Place::Organization(String::new()),
        url: address(config.webhook.as_ref())?,
        login,
        secret: config.webhook_secret.clone(),
        settings: Settings::Github {
            active: config.active == Some(true),
            events: config.events.clone(),
            content_type: config.content_type.clone(),
            insecure: config.insecure,
        },
        delete: config.delete_hook_on_finish,
    };
    let mut places = Vec::new();
    for name in &config.organizations {
        places.push(Place::Organization(segment(name, false)?));
    }
    let single = [OwnedRepositories {
        owner: config.owner.clone(),
        names: [config.repository.clone()].into_iter().filter(|name| !name.is_empty()).collect(),
    }];
    let owned = if config.repositories.is_empty() { single.as_slice() } else { &config.repositories };
    for owned in owned {
        for name in &owned.names {
            places.push(Place::Repository {
                owner: segment(&owned.owner, false)?,
                name: segment(name, false)?,
            });
        }
    }
    Ok(places.into_iter().map(|place| Wanted { place, ..one.clone() }).collect())
}

fn gitlab(source: &str, event: &str, config: &GitlabEventSource) -> Result<Vec<Wanted>, String> {
    let Some(token) = &config.access_token else { return Ok(Vec::new()) };
    let single = [config.project_id.clone()];
    let projects = match (config.projects.is_empty(), config.project_id.is_empty()) {
        (false, _) => config.projects.as_slice(),
        (true, false) => &single,
        (true, true) => &[],
    };
    let mut fields = Vec::new();
    for name in &config.events {
        fields.push(gitlab_field(name, projects.is_empty())?);
    }
    if fields.is_empty() {
        return Err("events must be defined to create a gitlab webhook".to_owned());
    }
    let mut base = base_of("gitlabBaseURL", &config.gitlab_base_url)?;
    if !base.path().ends_with("/api/v4/") {
        base.set_path(&format!("{}api/v4/", base.path()));
    }
    let one = Wanted {
        source: source.to_owned(),
        event: event.to_owned(),
        base,
        place: Place::Group(String::new()),
        url: address(config.webhook.as_ref())?,
        login: Login::PrivateToken(token.clone()),
        secret: config.secret_token.clone(),
        settings: Settings::Gitlab { fields, verify: config.enable_ssl_verification },
        delete: config.delete_hook_on_finish,
    };
    let mut places = Vec::new();
    for id in &config.groups {
        places.push(Place::Group(segment(id, true)?));
    }
    for id in projects {
        places.push(Place::Project(segment(id, true)?));
    }
    Ok(places.into_iter().map(|place| Wanted { place, ..one.clone() }).collect())
}

/// A name that becomes one segment of a path, which encodes what would end it. What would change the path even so is
/// refused, and slashes where no name has any.
fn segment(name: &str, slashes: bool) -> Result<String, String> {
    let odd = |c: char| c.is_control() || c.is_whitespace();
    if name.is_empty() || matches!(name, "." | "..") || name.contains(odd) {
        return Err(format!("{name:?} is no name of anything at the provider"));
    }
    if !slashes && name.contains('/') {
        return Err(format!("{name:?} holds a slash: write owner and name apart"));
    }
    Ok(name.to_owned())
}

/// The base of an API, with a slash at its end. It is not shown when it cannot be used: it may hold a password.
fn base_of(field: &str, text: &str) -> Result<Url, String> {
    let mut url = Url::parse(text).map_err(|error| format!("{field} is no address: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("{field} is neither https nor http"));
    }
    if has_login(&url) || url.query().is_some() || url.fragment().is_some() {
        return Err(format!("{field}: only scheme, server and path belong there; credentials have a field"));
    }
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}

/// What the provider calls; not shown either.
fn address(webhook: Option<&WebhookContext>) -> Result<String, String> {
    let (url, endpoint) = webhook.map_or(("", ""), |webhook| (&webhook.url, &webhook.endpoint));
    let text = hook_address(url, endpoint);
    let url = Url::parse(&text).map_err(|error| format!("webhook.url is no address: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("webhook.url is neither https nor http".to_owned());
    }
    if has_login(&url) || url.query().is_some() || url.fragment().is_some() {
        let why = "only scheme, server and path belong into webhook.url: providers do not show the rest, so that the webhook \
                   would not be found again. Let them sign by a secret instead";
        return Err(why.to_owned());
    }
    Ok(text)
}

fn has_login(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

#[cfg(test)]
#[path = "wanted_tests.rs"]
mod tests;
