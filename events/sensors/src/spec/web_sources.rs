//! Event sources that listen for HTTP requests of a provider.
//! Does not listen.

use std::collections::BTreeMap;

use runner_workflows::spec::k8s;
use serde::{Deserialize, Serialize};

use super::{BasicAuth, EventSourceFilter, TlsConfig, is_default};

/// Where a source listens for HTTP requests.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WebhookContext {
    /// Bearer token that each request must carry.
    #[serde(skip_serializing_if = "is_default")]
    pub auth_secret: Option<k8s::SecretKeySelector>,
    /// URL path to listen on.
    #[serde(skip_serializing_if = "is_default")]
    pub endpoint: String,
    /// Most bytes of a body; 1 MiB when absent.
    #[serde(skip_serializing_if = "is_default")]
    pub max_payload_size: Option<i64>,
    /// Extra values that are copied into each event as `metadata`.
    #[serde(skip_serializing_if = "is_default")]
    pub metadata: BTreeMap<String, String>,
    /// HTTP method.
    #[serde(skip_serializing_if = "is_default")]
    pub method: String,
    /// Port to listen on, as text.
    #[serde(skip_serializing_if = "is_default")]
    pub port: String,
    /// Certificate of the listener.
    #[serde(skip_serializing_if = "is_default")]
    pub server_cert_secret: Option<k8s::SecretKeySelector>,
    /// Private key of the listener.
    #[serde(skip_serializing_if = "is_default")]
    pub server_key_secret: Option<k8s::SecretKeySelector>,
    /// Public base URL that is told to the provider.
    #[serde(skip_serializing_if = "is_default")]
    pub url: String,
}

/// Any HTTP request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WebhookEventSource {
    /// Bearer token that each request must carry.
    #[serde(skip_serializing_if = "is_default")]
    pub auth_secret: Option<k8s::SecretKeySelector>,
    /// URL path to listen on.
    #[serde(skip_serializing_if = "is_default")]
    pub endpoint: String,
    /// Expression that keeps or drops events.
    #[serde(skip_serializing_if = "is_default")]
    pub filter: Option<EventSourceFilter>,
    /// Most bytes of a body; 1 MiB when absent.
    #[serde(skip_serializing_if = "is_default")]
    pub max_payload_size: Option<i64>,
    /// Extra values that are copied into each event as `metadata`.
    #[serde(skip_serializing_if = "is_default")]
    pub metadata: BTreeMap<String, String>,
    /// HTTP method.
    #[serde(skip_serializing_if = "is_default")]
    pub method: String,
    /// Port to listen on, as text.
    #[serde(skip_serializing_if = "is_default")]
    pub port: String,
    /// Certificate of the listener.
    #[serde(skip_serializing_if = "is_default")]
    pub server_cert_secret: Option<k8s::SecretKeySelector>,
    /// Private key of the listener.
    #[serde(skip_serializing_if = "is_default")]
    pub server_key_secret: Option<k8s::SecretKeySelector>,
    /// Public base URL of the source.
    #[serde(skip_serializing_if = "is_default")]
    pub url: String,
}

/// Github event source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GithubEventSource {
    /// Whether the created hook is active.
    #[serde(skip_serializing_if = "is_default")]
    pub active: Option<bool>,
    /// API token.
    #[serde(skip_serializing_if = "is_default")]
    pub api_token: Option<k8s::SecretKeySelector>,
    /// `json` or `form`.
    #[serde(skip_serializing_if = "is_default")]
    pub content_type: String,
    /// Delete hook on finish.
    #[serde(skip_serializing_if = "is_default")]
    pub delete_hook_on_finish: bool,
    /// Events.
    #[serde(skip_serializing_if = "is_default")]
    pub events: Vec<String>,
    /// Expression that keeps or drops events.
    #[serde(skip_serializing_if = "is_default")]
    pub filter: Option<EventSourceFilter>,
    /// Github app.
    #[serde(skip_serializing_if = "is_default")]
    pub github_app: Option<GithubAppCreds>,
    /// Github base URL.
    #[serde(rename = "githubBaseURL", skip_serializing_if = "is_default")]
    pub github_base_url: String,
    /// Github upload URL.
    #[serde(rename = "githubUploadURL", skip_serializing_if = "is_default")]
    pub github_upload_url: String,
    /// ID.
    #[serde(skip_serializing_if = "is_default")]
    pub id: Option<i64>,
    /// Insecure.
    #[serde(skip_serializing_if = "is_default")]
    pub insecure: bool,
    /// Extra values that are copied into each event as `metadata`.
    #[serde(skip_serializing_if = "is_default")]
    pub metadata: BTreeMap<String, String>,
    /// Organizations.
    #[serde(skip_serializing_if = "is_default")]
    pub organizations: Vec<String>,
    /// Owner.
    #[serde(skip_serializing_if = "is_default")]
    pub owner: String,
    /// Repositories.
    #[serde(skip_serializing_if = "is_default")]
    pub repositories: Vec<OwnedRepositories>,
    /// Repository.
    #[serde(skip_serializing_if = "is_default")]
    pub repository: String,
    /// Where to listen.
    #[serde(skip_serializing_if = "is_default")]
    pub webhook: Option<WebhookContext>,
    /// Secret that signs requests; also read as `secretToken`, as GitLab calls it.
    #[serde(alias = "secretToken", skip_serializing_if = "is_default")]
    pub webhook_secret: Option<k8s::SecretKeySelector>,
}

/// Repositories of one owner.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OwnedRepositories {
    /// Names.
    #[serde(skip_serializing_if = "is_default")]
    pub names: Vec<String>,
    /// Owner.
    #[serde(skip_serializing_if = "is_default")]
    pub owner: String,
}

/// The key of a GitHub App.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GithubAppCreds {
    /// App ID.
    #[serde(rename = "appID", skip_serializing_if = "is_default")]
    pub app_id: Option<i64>,
    /// Installation ID.
    #[serde(rename = "installationID", skip_serializing_if = "is_default")]
    pub installation_id: Option<i64>,
    /// Private key.
    #[serde(skip_serializing_if = "is_default")]
    pub private_key: Option<k8s::SecretKeySelector>,
}

/// Gitlab event source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GitlabEventSource {
    /// Access token.
    #[serde(skip_serializing_if = "is_default")]
    pub access_token: Option<k8s::SecretKeySelector>,
    /// Delete hook on finish.
    #[serde(skip_serializing_if = "is_default")]
    pub delete_hook_on_finish: bool,
    /// Enable SSL verification.
    #[serde(rename = "enableSSLVerification", skip_serializing_if = "is_default")]
    pub enable_ssl_verification: bool,
    /// Events.
    #[serde(skip_serializing_if = "is_default")]
    pub events: Vec<String>,
    /// Expression that keeps or drops events.
    #[serde(skip_serializing_if = "is_default")]
    pub filter: Option<EventSourceFilter>,
    /// Gitlab base URL.
    #[serde(rename = "gitlabBaseURL", skip_serializing_if = "is_default")]
    pub gitlab_base_url: String,
    /// Groups.
    #[serde(skip_serializing_if = "is_default")]
    pub groups: Vec<String>,
    /// Extra values that are copied into each event as `metadata`.
    #[serde(skip_serializing_if = "is_default")]
    pub metadata: BTreeMap<String, String>,
    /// Project ID.
    #[serde(rename = "projectID", skip_serializing_if = "is_default")]
    pub project_id: String,
    /// Projects.
    #[serde(skip_serializing_if = "is_default")]
    pub projects: Vec<String>,
    /// Token that each request must carry.
    #[serde(skip_serializing_if = "is_default")]
    pub secret_token: Option<k8s::SecretKeySelector>,
    /// Where to listen.
    #[serde(skip_serializing_if = "is_default")]
    pub webhook: Option<WebhookContext>,
}

/// Bitbucket event source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BitbucketEventSource {
    /// How to log in.
    #[serde(skip_serializing_if = "is_default")]
    pub auth: Option<BitbucketAuth>,
    /// Delete hook on finish.
    #[serde(skip_serializing_if = "is_default")]
    pub delete_hook_on_finish: bool,
    /// Events.
    #[serde(skip_serializing_if = "is_default")]
    pub events: Vec<String>,
    /// Expression that keeps or drops events.
    #[serde(skip_serializing_if = "is_default")]
    pub filter: Option<EventSourceFilter>,
    /// Extra values that are copied into each event as `metadata`.
    #[serde(skip_serializing_if = "is_default")]
    pub metadata: BTreeMap<String, String>,
    /// Owner.
    #[serde(skip_serializing_if = "is_default")]
    pub owner: String,
    /// Project key.
    #[serde(skip_serializing_if = "is_default")]
    pub project_key: String,
    /// Repositories.
    #[serde(skip_serializing_if = "is_default")]
    pub repositories: Vec<BitbucketRepository>,
    /// Repository slug.
    #[serde(skip_serializing_if = "is_default")]
    pub repository_slug: String,
    /// Where to listen.
    #[serde(skip_serializing_if = "is_default")]
    pub webhook: Option<WebhookContext>,
}

/// Bitbucket auth.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BitbucketAuth {
    /// Basic.
    #[serde(skip_serializing_if = "is_default")]
    pub basic: Option<BitbucketBasicAuth>,
    /// Oauth token.
    #[serde(skip_serializing_if = "is_default")]
    pub oauth_token: Option<k8s::SecretKeySelector>,
}

/// Bitbucket basic auth.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BitbucketBasicAuth {
    /// Password.
    #[serde(skip_serializing_if = "is_default")]
    pub password: Option<k8s::SecretKeySelector>,
    /// Username.
    #[serde(skip_serializing_if = "is_default")]
    pub username: Option<k8s::SecretKeySelector>,
}

/// Bitbucket repository.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BitbucketRepository {
    /// Owner.
    #[serde(skip_serializing_if = "is_default")]
    pub owner: String,
    /// Repository slug.
    #[serde(skip_serializing_if = "is_default")]
    pub repository_slug: String,
}

/// Bitbucket server event source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BitbucketServerEventSource {
    /// Access token.
    #[serde(skip_serializing_if = "is_default")]
    pub access_token: Option<k8s::SecretKeySelector>,
    /// Bitbucketserver base URL.
    #[serde(rename = "bitbucketserverBaseURL", skip_serializing_if = "is_default")]
    pub bitbucketserver_base_url: String,
    /// Check interval.
    #[serde(skip_serializing_if = "is_default")]
    pub check_interval: String,
    /// Delete hook on finish.
    #[serde(skip_serializing_if = "is_default")]
    pub delete_hook_on_finish: bool,
    /// Events.
    #[serde(skip_serializing_if = "is_default")]
    pub events: Vec<String>,
    /// Expression that keeps or drops events.
    #[serde(skip_serializing_if = "is_default")]
    pub filter: Option<EventSourceFilter>,
    /// Extra values that are copied into each event as `metadata`.
    #[serde(skip_serializing_if = "is_default")]
    pub metadata: BTreeMap<String, String>,
    /// One event per change.
    #[serde(skip_serializing_if = "is_default")]
    pub one_event_per_change: bool,
    /// Project key.
    #[serde(skip_serializing_if = "is_default")]
    pub project_key: String,
    /// Projects.
    #[serde(skip_serializing_if = "is_default")]
    pub projects: Vec<String>,
    /// Repositories.
    #[serde(skip_serializing_if = "is_default")]
    pub repositories: Vec<BitbucketServerRepository>,
    /// Repository slug.
    #[serde(skip_serializing_if = "is_default")]
    pub repository_slug: String,
    /// Skip branch refs changed on open PR.
    #[serde(rename = "skipBranchRefsChangedOnOpenPR", skip_serializing_if = "is_default")]
    pub skip_branch_refs_changed_on_open_pr: bool,
    /// TLS towards the server; none when absent.
    #[serde(skip_serializing_if = "is_default")]
    pub tls: Option<TlsConfig>,
    /// Where to listen.
    #[serde(skip_serializing_if = "is_default")]
    pub webhook: Option<WebhookContext>,
    /// Secret that signs requests; also read as `secretToken`, as GitLab calls it.
    #[serde(skip_serializing_if = "is_default")]
    pub webhook_secret: Option<k8s::SecretKeySelector>,
}

/// Bitbucket server repository.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BitbucketServerRepository {
    /// Project key.
    #[serde(skip_serializing_if = "is_default")]
    pub project_key: String,
    /// Repository slug.
    #[serde(skip_serializing_if = "is_default")]
    pub repository_slug: String,
}

/// Gerrit event source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GerritEventSource {
    /// How to log in.
    #[serde(skip_serializing_if = "is_default")]
    pub auth: Option<BasicAuth>,
    /// Delete hook on finish.
    #[serde(skip_serializing_if = "is_default")]
    pub delete_hook_on_finish: bool,
    /// Events.
    #[serde(skip_serializing_if = "is_default")]
    pub events: Vec<String>,
    /// Expression that keeps or drops events.
    #[serde(skip_serializing_if = "is_default")]
    pub filter: Option<EventSourceFilter>,
    /// Gerrit base URL.
    #[serde(rename = "gerritBaseURL", skip_serializing_if = "is_default")]
    pub gerrit_base_url: String,
    /// Hook name.
    #[serde(skip_serializing_if = "is_default")]
    pub hook_name: String,
    /// Max tries.
    #[serde(skip_serializing_if = "is_default")]
    pub max_tries: Option<i64>,
    /// Extra values that are copied into each event as `metadata`.
    #[serde(skip_serializing_if = "is_default")]
    pub metadata: BTreeMap<String, String>,
    /// Projects.
    #[serde(skip_serializing_if = "is_default")]
    pub projects: Vec<String>,
    /// SSL verify.
    #[serde(skip_serializing_if = "is_default")]
    pub ssl_verify: bool,
    /// Where to listen.
    #[serde(skip_serializing_if = "is_default")]
    pub webhook: Option<WebhookContext>,
}

/// Slack event source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SlackEventSource {
    /// Expression that keeps or drops events.
    #[serde(skip_serializing_if = "is_default")]
    pub filter: Option<EventSourceFilter>,
    /// Extra values that are copied into each event as `metadata`.
    #[serde(skip_serializing_if = "is_default")]
    pub metadata: BTreeMap<String, String>,
    /// Signing secret.
    #[serde(skip_serializing_if = "is_default")]
    pub signing_secret: Option<k8s::SecretKeySelector>,
    /// Token.
    #[serde(skip_serializing_if = "is_default")]
    pub token: Option<k8s::SecretKeySelector>,
    /// Where to listen.
    #[serde(skip_serializing_if = "is_default")]
    pub webhook: Option<WebhookContext>,
}

/// Stripe event source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StripeEventSource {
    /// API key.
    #[serde(skip_serializing_if = "is_default")]
    pub api_key: Option<k8s::SecretKeySelector>,
    /// Create webhook.
    #[serde(skip_serializing_if = "is_default")]
    pub create_webhook: bool,
    /// Event filter.
    #[serde(skip_serializing_if = "is_default")]
    pub event_filter: Vec<String>,
    /// Extra values that are copied into each event as `metadata`.
    #[serde(skip_serializing_if = "is_default")]
    pub metadata: BTreeMap<String, String>,
    /// Where to listen.
    #[serde(skip_serializing_if = "is_default")]
    pub webhook: Option<WebhookContext>,
}

/// Amazon SNS over HTTP.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SnsEventSource {
    /// Access key.
    #[serde(skip_serializing_if = "is_default")]
    pub access_key: Option<k8s::SecretKeySelector>,
    /// URL of the service, instead of Amazon's.
    #[serde(skip_serializing_if = "is_default")]
    pub endpoint: String,
    /// Expression that keeps or drops events.
    #[serde(skip_serializing_if = "is_default")]
    pub filter: Option<EventSourceFilter>,
    /// Extra values that are copied into each event as `metadata`.
    #[serde(skip_serializing_if = "is_default")]
    pub metadata: BTreeMap<String, String>,
    /// Region.
    #[serde(skip_serializing_if = "is_default")]
    pub region: String,
    /// Role ARN.
    #[serde(rename = "roleARN", skip_serializing_if = "is_default")]
    pub role_arn: String,
    /// Secret key.
    #[serde(skip_serializing_if = "is_default")]
    pub secret_key: Option<k8s::SecretKeySelector>,
    /// Topic ARN.
    #[serde(skip_serializing_if = "is_default")]
    pub topic_arn: String,
    /// Validate signature.
    #[serde(skip_serializing_if = "is_default")]
    pub validate_signature: bool,
    /// Where to listen.
    #[serde(skip_serializing_if = "is_default")]
    pub webhook: Option<WebhookContext>,
}

/// Storage grid event source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StorageGridEventSource {
    /// API URL.
    #[serde(rename = "apiURL", skip_serializing_if = "is_default")]
    pub api_url: String,
    /// Auth token.
    #[serde(skip_serializing_if = "is_default")]
    pub auth_token: Option<k8s::SecretKeySelector>,
    /// Bucket.
    #[serde(skip_serializing_if = "is_default")]
    pub bucket: String,
    /// Events.
    #[serde(skip_serializing_if = "is_default")]
    pub events: Vec<String>,
    /// Expression that keeps or drops events.
    #[serde(skip_serializing_if = "is_default")]
    pub filter: Option<StorageGridFilter>,
    /// Extra values that are copied into each event as `metadata`.
    #[serde(skip_serializing_if = "is_default")]
    pub metadata: BTreeMap<String, String>,
    /// Region.
    #[serde(skip_serializing_if = "is_default")]
    pub region: String,
    /// TLS towards the server; none when absent.
    #[serde(skip_serializing_if = "is_default")]
    pub tls: Option<TlsConfig>,
    /// Topic ARN.
    #[serde(skip_serializing_if = "is_default")]
    pub topic_arn: String,
    /// Where to listen.
    #[serde(skip_serializing_if = "is_default")]
    pub webhook: Option<WebhookContext>,
}

/// Storage grid filter.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StorageGridFilter {
    /// Prefix.
    #[serde(skip_serializing_if = "is_default")]
    pub prefix: String,
    /// Suffix.
    #[serde(skip_serializing_if = "is_default")]
    pub suffix: String,
}
