//! Artifacts behind HTTP addresses, and in Artifactory, which is the same with a password.
//! Keeps nothing and lists nothing: an address is asked as it is.

use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, RequestBuilder, Response};
use runner_workflows::spec::{ArtifactoryArtifact, HttpArtifact};
use rustix::fs::FileType;
use tokio::runtime::Runtime;

use super::location::selector;
use super::stores::Credentials;
use super::{Driver, Packing, Stored, Unpacking, pack, unpack_file, zip};
use crate::Error;
use crate::beneath::Beneath;
use crate::error::{Doing, chain};
use crate::typed::HttpPolicy;
use crate::web::{Wanted, address, client};

/// Longest time of one transfer.
const TRANSFER: Duration = Duration::from_secs(60 * 60);

/// One HTTP server with what it wants to know of us.
pub(super) struct WebDriver {
    runtime: Runtime,
    client: Client,
    headers: HeaderMap,
    login: Option<(String, Option<String>)>,
}

impl WebDriver {
    /// For an `http` artifact.
    pub(super) fn http(at: &HttpArtifact, credentials: Credentials<'_>) -> Result<Self, Error> {
        let mut login = None;
        if let Some(auth) = &at.auth {
            let kinds = auth.as_object().into_iter().flat_map(|kinds| kinds.keys());
            if let Some(other) = kinds.into_iter().find(|kind| *kind != "basicAuth") {
                return Err(Error::NotBuiltIn {
                    what: format!("auth.{other} of http artifacts (use basicAuth)"),
                });
            }
            let basic = auth.get("basicAuth");
            let field = |name: &str| selector(basic.and_then(|basic| basic.get(name)));
            let user = credentials.text(field("usernameSecret").as_ref())?;
            login = Some((user.unwrap_or_default(), credentials.text(field("passwordSecret").as_ref())?));
        }
        let mut headers = HeaderMap::new();
        for header in &at.headers {
            let bad = || Error::Invalid(format!("header {:?} of an http artifact is no header", header.name));
            let name = HeaderName::from_bytes(header.name.as_bytes()).map_err(|_| bad())?;
            headers.append(name, HeaderValue::from_str(&header.value).map_err(|_| bad())?);
        }
        Self::new(headers, login)
    }

    /// For an `artifactory` artifact.
    pub(super) fn artifactory(at: &ArtifactoryArtifact, credentials: Credentials<'_>) -> Result<Self, Error> {
        let user = credentials.text(at.username_secret.as_ref())?;
        let password = credentials.text(at.password_secret.as_ref())?;
        Self::new(HeaderMap::new(), user.map(|user| (user, password)))
    }

    fn new(headers: HeaderMap, login: Option<(String, Option<String>)>) -> Result<Self, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.doing(|| "make a runtime for artifacts".into())?;
        // Headers of an artifact are often tokens: they go to the named host only.
        let secret = login.is_some() || !headers.is_empty();
        let wanted = Wanted { secret, timeout: Some(TRANSFER), ..Wanted::default() };
        let client = client(wanted).map_err(Error::Artifact)?;
        Ok(Self { runtime, client, headers, login })
    }

    fn send(&self, request: RequestBuilder, what: &str) -> Result<Response, Error> {
        let mut request = request.headers(self.headers.clone());
        if let Some((user, password)) = &self.login {
            request = request.basic_auth(user, password.as_ref());
        }
        // Sent from within: the client looks for the runtime before its future is polled.
        let answer = self.runtime.block_on(async { request.send().await });
        let answer =
            answer.map_err(|error| Error::Artifact(format!("{what}: {}", chain(&error.without_url()))))?;
        match answer.status().as_u16() {
            200..=299 => Ok(answer),
            404 => Err(Error::Missing(format!("{what}: 404 Not Found"))),
            _other => Err(Error::Artifact(format!("{what}: the server answered {}", answer.status()))),
        }
    }

    fn checked(url: &str) -> Result<reqwest::Url, Error> {
        address(url, HttpPolicy::default()).map_err(Error::Artifact)
    }

    fn upload(&self, url: &str, content: Vec<u8>) -> Result<Stored, Error> {
        let size_bytes = content.len() as u64;
        self.send(self.client.put(Self::checked(url)?).body(content), &format!("PUT {url}"))?;
        Ok(Stored { size_bytes, digest: None })
    }
}

impl Driver for WebDriver {
    fn put(&self, root: &Beneath, path: &Path, key: &str, packing: Packing) -> Result<Stored, Error> {
        let kind = super::kind_of(root, path)?;
        let mut content = Vec::new();
        match packing {
            Packing::TarGzip { level } => pack::tar_gzip(root, path, level, &mut content)?,
            Packing::Zip => zip::pack(root, path, &mut content)?,
            Packing::None if kind == FileType::Directory => {
                let why = "a directory needs an archive to be stored at an HTTP address: use tar or zip";
                return Err(Error::Artifact(why.into()));
            }
            Packing::None => {
                let reading = || format!("read {}", path.display());
                let (mut file, _) = root.open_regular(path).doing(reading)?;
                file.read_to_end(&mut content).doing(reading)?;
            }
        }
        self.upload(key, content)
    }

    fn put_bytes(&self, content: &mut dyn Read, key: &str) -> Result<Stored, Error> {
        let mut all = Vec::new();
        content.read_to_end(&mut all).doing(|| "read what is to be stored".into())?;
        self.upload(key, all)
    }

    fn get(&self, key: &str, unpacking: Unpacking, root: &Beneath, path: &Path) -> Result<(), Error> {
        let what = format!("GET {key}");
        let mut answer = self.send(self.client.get(Self::checked(key)?), &what)?;
        let fetch = |out: &mut dyn Write| {
            loop {
                let chunk = self.runtime.block_on(answer.chunk());
                let chunk =
                    chunk.map_err(|e| Error::Artifact(format!("{what}: {}", chain(&e.without_url()))))?;
                let Some(chunk) = chunk else { return Ok(()) };
                out.write_all(&chunk).doing(|| what.clone())?;
            }
        };
        let (file, size, spool) = super::spooled(root, path, fetch)?;
        let placed = unpack_file(unpacking, file, size, root, path);
        root.remove(&spool).doing(|| "clean up after an artifact".into())?;
        placed
    }

    fn list(&self, _key: &str) -> Result<Vec<String>, Error> {
        Err(Error::NotBuiltIn {
            what: "listing an HTTP address (artifactPaths needs s3, gcs, azure or a key)".into(),
        })
    }

    fn delete(&self, key: &str) -> Result<(), Error> {
        match self.send(self.client.delete(Self::checked(key)?), &format!("DELETE {key}")) {
            Ok(_) | Err(Error::Missing(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
