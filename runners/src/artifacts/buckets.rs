//! Clients for buckets from Argo's locations: endpoint, region, addressing style, credentials.
//! Moves no bytes; the only thing it makes is a missing S3 bucket, when the location asks for that.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path as Key;
use object_store::signer::Signer;
use object_store::{Certificate, ClientOptions, ObjectStore, RetryConfig};
use runner_workflows::spec::{AzureArtifact, GcsArtifact, S3Artifact};
use tokio::runtime::Runtime;

use super::location::Location;
use super::stores::Credentials;
use crate::Error;

/// Longest wait for a connection, and for the next bytes of an answer.
const CONNECT: Duration = Duration::from_secs(10);
const SILENCE: Duration = Duration::from_secs(60);
/// Longest time of one request: a part of a large object over a slow line.
const REQUEST: Duration = Duration::from_secs(15 * 60);

/// A bucket that can be asked.
pub(super) struct Bucket {
    pub(super) store: Arc<dyn ObjectStore>,
    /// For messages.
    pub(super) shown: String,
    /// Set when the bucket is to be made if it does not exist.
    create: Option<AmazonS3>,
}

/// A client for the bucket of a location.
pub(super) fn open(location: &Location, credentials: Credentials<'_>) -> Result<Bucket, Error> {
    match location {
        Location::S3(at) => s3(at, credentials),
        Location::Gcs(at) => gcs(at, credentials),
        Location::Azure(at) => azure(at, credentials),
        Location::Local { .. }
        | Location::Http(_)
        | Location::Artifactory(_)
        | Location::Git(_)
        | Location::Plugin(_) => Err(Error::Artifact("this location is no bucket".into())),
    }
}

fn options(allow_http: bool) -> ClientOptions {
    ClientOptions::new()
        .with_connect_timeout(CONNECT)
        .with_read_timeout(SILENCE)
        .with_timeout(REQUEST)
        .with_allow_http(allow_http)
}

fn retry() -> RetryConfig {
    RetryConfig { max_retries: 4, retry_timeout: Duration::from_secs(60), ..RetryConfig::default() }
}

fn bad(what: &str, error: object_store::Error) -> Error {
    Error::Artifact(format!("{what}: {}", crate::error::chain(&error)))
}

fn s3(at: &S3Artifact, credentials: Credentials<'_>) -> Result<Bucket, Error> {
    if !at.role_arn.is_empty() {
        return Err(Error::NotBuiltIn {
            what: "roleARN of s3 artifacts (use keys or ambient credentials)".into(),
        });
    }
    let insecure = at.insecure.unwrap_or(false);
    let region = if at.region.is_empty() { "us-east-1" } else { &at.region };
    let mut client = options(insecure);
    if let Some(pem) = credentials.text(at.ca_secret.as_ref())? {
        let certificates = Certificate::from_pem_bundle(pem.as_bytes()).map_err(|e| bad("caSecret", e))?;
        for certificate in certificates {
            client = client.with_root_certificate(certificate);
        }
    }
    let hosted = matches!(at.addressing_style.as_str(), "virtual-hosted" | "virtual");
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(&at.bucket)
        .with_region(region)
        .with_allow_http(insecure)
        .with_virtual_hosted_style_request(hosted)
        .with_client_options(client)
        .with_retry(retry());
    if !at.endpoint.is_empty() && !at.endpoint.ends_with("amazonaws.com") {
        let scheme = if insecure { "http" } else { "https" };
        let host = at.endpoint.trim_end_matches('/');
        let host = host.split_once("://").map_or(host, |(_, host)| host);
        let host = if hosted { format!("{}.{host}", at.bucket) } else { host.to_owned() };
        builder = builder.with_endpoint(format!("{scheme}://{host}"));
    }
    let access = credentials.text(at.access_key_secret.as_ref())?;
    let secret = credentials.text(at.secret_key_secret.as_ref())?;
    let access = access.or_else(|| credentials.ambient("AWS_ACCESS_KEY_ID"));
    let secret = secret.or_else(|| credentials.ambient("AWS_SECRET_ACCESS_KEY"));
    let token = credentials.text(at.session_token_secret.as_ref())?;
    let token = token.or_else(|| credentials.ambient("AWS_SESSION_TOKEN"));
    if let (Some(access), Some(secret)) = (access, secret) {
        builder = builder.with_access_key_id(access).with_secret_access_key(secret);
        if let Some(token) = token {
            builder = builder.with_token(token);
        }
    }
    builder = encrypted(builder, at)?;
    let shown = format!("s3 bucket {:?}", at.bucket);
    let s3 = builder.build().map_err(|error| bad(&shown, error))?;
    let create = at.create_bucket_if_not_present.is_some().then(|| s3.clone());
    Ok(Bucket { store: Arc::new(s3), shown, create })
}

/// Server side encryption as Argo's `encryptionOptions` has it.
fn encrypted(builder: AmazonS3Builder, at: &S3Artifact) -> Result<AmazonS3Builder, Error> {
    let Some(wanted) = &at.encryption_options else { return Ok(builder) };
    if wanted.get("serverSideCustomerKeySecret").is_some() {
        return Err(Error::NotBuiltIn { what: "serverSideCustomerKeySecret of s3 artifacts".into() });
    }
    let kms = wanted.get("kmsKeyId").and_then(serde_json::Value::as_str).filter(|id| !id.is_empty());
    match (kms, wanted.get("enableEncryption").and_then(serde_json::Value::as_bool)) {
        (Some(id), _) => Ok(builder.with_sse_kms_encryption(id)),
        (None, Some(true)) => {
            let key =
                "aws_server_side_encryption".parse().map_err(|error| bad("encryptionOptions", error))?;
            Ok(builder.with_config(key, "AES256"))
        }
        (None, _) => Ok(builder),
    }
}

fn gcs(at: &GcsArtifact, credentials: Credentials<'_>) -> Result<Bucket, Error> {
    let shown = format!("gcs bucket {:?}", at.bucket);
    let key = credentials.text(at.service_account_key_secret.as_ref())?;
    // A key for a server on this machine says so itself (`gcs_base_url`).
    let plain = key.as_ref().is_some_and(|key| key.contains("\"http://"));
    let mut builder = GoogleCloudStorageBuilder::new()
        .with_bucket_name(&at.bucket)
        .with_client_options(options(plain))
        .with_retry(retry());
    if let Some(key) = key {
        builder = builder.with_service_account_key(key);
    }
    let store = builder.build().map_err(|error| bad(&shown, error))?;
    Ok(Bucket { store: Arc::new(store), shown, create: None })
}

fn azure(at: &AzureArtifact, credentials: Credentials<'_>) -> Result<Bucket, Error> {
    let shown = format!("azure container {:?}", at.container);
    let endpoint = url::Url::parse(&at.endpoint)
        .map_err(|error| Error::Artifact(format!("{shown}: endpoint {:?}: {error}", at.endpoint)))?;
    let host = endpoint.host_str().unwrap_or_default();
    let account = match host.split_once(".blob.") {
        Some((account, _)) => account.to_owned(),
        // Servers of other people have the account in the path.
        None => endpoint.path().trim_matches('/').to_owned(),
    };
    let mut builder = MicrosoftAzureBuilder::new()
        .with_account(account)
        .with_container_name(&at.container)
        .with_endpoint(at.endpoint.trim_end_matches('/').to_owned())
        .with_allow_http(endpoint.scheme() == "http")
        .with_client_options(options(endpoint.scheme() == "http"))
        .with_retry(retry());
    if let Some(key) = credentials.text(at.account_key_secret.as_ref())? {
        builder = builder.with_access_key(key);
    }
    let store = builder.build().map_err(|error| bad(&shown, error))?;
    Ok(Bucket { store: Arc::new(store), shown, create: None })
}

impl Bucket {
    /// Makes the bucket when the location asks for that and it is not there (`createBucketIfNotPresent`).
    pub(super) fn make_sure(&self, runtime: &Runtime) -> Result<(), Error> {
        let Some(s3) = &self.create else { return Ok(()) };
        let made = async {
            let there =
                s3.list_with_delimiter(Some(&Key::from("runner-looks-whether-there-is-a-bucket"))).await;
            match there {
                Ok(_) => return Ok(()),
                Err(error) if crate::error::chain(&error).contains("NoSuchBucket") => {}
                Err(error) => return Err(bad(&self.shown, error)),
            }
            let url = s3.signed_url(reqwest::Method::PUT, &Key::default(), Duration::from_secs(60)).await;
            let url = url.map_err(|error| bad(&self.shown, error))?;
            let request = reqwest::Client::builder().timeout(SILENCE).build();
            let sent = request.map_err(|e| e.to_string());
            let answer = match sent {
                Ok(client) => client
                    .put(url)
                    .header("content-length", "0")
                    .send()
                    .await
                    .map_err(|e| e.without_url().to_string()),
                Err(error) => Err(error),
            };
            match answer {
                // 409: somebody else was faster.
                Ok(answer) if answer.status().is_success() || answer.status().as_u16() == 409 => Ok(()),
                Ok(answer) => {
                    let status = answer.status();
                    Err(Error::Artifact(format!("{} cannot be created: {status}", self.shown)))
                }
                Err(error) => Err(Error::Artifact(format!("{} cannot be created: {error}", self.shown))),
            }
        };
        runtime.block_on(made)
    }
}
