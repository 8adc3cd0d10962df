//! How a source is let in at its provider: a token, or an app of GitHub whose tokens are renewed before they expire.
//! The secrets are read when they are needed, so that renewed ones count, and are shown nowhere (V33).

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use runner_brokers::Access;
use runner_controller::Clock;
use runner_workflows::spec::k8s::SecretKeySelector;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::json;
use tokio::sync::{Mutex, MutexGuard};
use url::Url;

use super::api::{Api, Credential, Trouble};
use super::wanted::Login;

/// How long before its end a token of an app is replaced.
const RENEW_BEFORE: SignedDuration = SignedDuration::from_mins(5);
/// How long a token of an app lives when GitHub does not say; it says an hour.
const USUAL_LIFE: SignedDuration = SignedDuration::from_mins(30);

/// A token of an app, and when it ends.
#[derive(Default)]
pub(super) struct Issued(Option<(String, Timestamp)>);

impl Issued {
    /// Drops a token that was refused.
    pub(super) fn forget(&mut self) {
        self.0 = None;
    }
}

/// Where the webhooks of one event are let in, one after the other.
pub(super) struct Door {
    login: Login,
    base: Url,
    access: Access,
    clock: Arc<dyn Clock>,
    turn: Mutex<Issued>,
}

impl Door {
    pub(super) fn new(login: Login, base: Url, access: Access, clock: Arc<dyn Clock>) -> Self {
        Self { login, base, access, clock, turn: Mutex::default() }
    }

    /// Waits for a turn: GitHub wants no requests side by side.
    pub(super) async fn turn(&self) -> MutexGuard<'_, Issued> {
        self.turn.lock().await
    }

    /// The text of a secret of the source.
    pub(super) fn secret(&self, selector: &SecretKeySelector) -> Result<String, Trouble> {
        let text = self.access.text(selector).map_err(Trouble::Refused)?;
        if text.trim().is_empty() {
            let why = format!("secret `{}` is empty at `{}`", selector.name, selector.key);
            return Err(Trouble::Refused(why));
        }
        Ok(text)
    }

    /// The secret of the login as it is now; nothing when it cannot be read.
    pub(super) fn login(&self) -> Option<String> {
        let (Login::Token(selector) | Login::PrivateToken(selector) | Login::App { key: selector, .. }) =
            &self.login;
        self.secret(selector).ok()
    }

    /// What the provider is to sign with, as those who check it read it: without the end of its line.
    pub(super) fn signing(&self, selector: &SecretKeySelector) -> Result<String, Trouble> {
        let bytes = self.access.bytes(selector).map_err(Trouble::Refused)?;
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        let text = std::str::from_utf8(bytes).ok().filter(|text| !text.trim().is_empty());
        let no = || format!("secret `{}` is empty or no text at `{}`", selector.name, selector.key);
        text.map(str::to_owned).ok_or_else(|| Trouble::Refused(no()))
    }

    /// The header with a token that is good now, and the token.
    pub(super) async fn credential(
        &self,
        api: &Api,
        issued: &mut Issued,
    ) -> Result<(Credential, String), Trouble> {
        let token = match &self.login {
            Login::Token(selector) | Login::PrivateToken(selector) => self.secret(selector)?,
            Login::App { key, app, installation } => {
                self.installed(api, issued, (key, *app, *installation)).await?
            }
        };
        match self.login {
            Login::PrivateToken(_) => Ok((header(HeaderName::from_static("private-token"), &token)?, token)),
            Login::Token(_) | Login::App { .. } => {
                Ok((header(AUTHORIZATION, &format!("Bearer {token}"))?, token))
            }
        }
    }

    /// The token of an app where it is installed: the one that is there, or a new one.
    async fn installed(
        &self,
        api: &Api,
        issued: &mut Issued,
        (key, app, installation): (&SecretKeySelector, i64, i64),
    ) -> Result<String, Trouble> {
        let now = self.clock.now();
        if let Some((token, end)) = &issued.0
            && now.saturating_add(RENEW_BEFORE).is_ok_and(|soon| soon < *end)
        {
            return Ok(token.clone());
        }
        let assertion = assertion(&self.secret(key)?, app, now).map_err(|why| {
            Trouble::Refused(format!("githubApp.privateKey (secret `{}`): {why}", key.name))
        })?;
        let credential = header(AUTHORIZATION, &format!("Bearer {assertion}"))?;
        let number = installation.to_string();
        let path = ["app", "installations", &number, "access_tokens"];
        let reply = api.send(Method::POST, &self.base, &path, None, &credential, Some(&json!({}))).await?;
        let token = reply.body["token"].as_str().filter(|token| !token.is_empty());
        let Some(token) = token.filter(|_| reply.ok()) else {
            let text = format!(
                "no token for installation {installation} of app {app}: {} {}",
                reply.status,
                reply.complaint(&[&assertion])
            );
            return Err(match (reply.patience, reply.status) {
                (Some(wait), _) => Trouble::Wait(wait, text),
                (None, 408 | 500..) => Trouble::Away(text),
                (None, 401) => {
                    Trouble::Refused(format!("{text}: appID and privateKey do not fit each other"))
                }
                (None, 404) => Trouble::Refused(format!("{text}: look at installationID")),
                (None, 300..=399) => {
                    Trouble::Refused(format!("{text}: redirects are not followed: correct githubBaseURL"))
                }
                (None, _) => Trouble::Refused(text),
            });
        };
        let end = reply.body["expires_at"].as_str().and_then(|text| text.parse().ok());
        let end = match end {
            Some(end) => end,
            None => now.saturating_add(USUAL_LIFE).unwrap_or(now),
        };
        issued.0 = Some((token.to_owned(), end));
        Ok(token.to_owned())
    }
}

fn header(name: HeaderName, value: &str) -> Result<Credential, Trouble> {
    let value = HeaderValue::from_str(value)
        .map_err(|_| Trouble::Refused("the token holds characters that no header may hold".to_owned()))?;
    Ok((name, value))
}

/// The JSON Web Token by which an app says who it is (RS256): for ten minutes in all, from a minute ago, as clocks differ.
fn assertion(pem: &str, app: i64, now: Timestamp) -> Result<String, String> {
    let key = match PrivateKeyDer::from_pem_slice(pem.as_bytes()) {
        Ok(PrivateKeyDer::Pkcs1(der)) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
        Ok(PrivateKeyDer::Pkcs8(der)) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
        Ok(_) | Err(_) => return Err("it is no private key in PEM".to_owned()),
    };
    let key = key.map_err(|error| format!("it is no RSA key that can be used: {error}"))?;
    let second = now.as_second();
    let claims = json!({"iat": second - 60, "exp": second + 540, "iss": app.to_string()});
    let part = |value: &serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", part(&json!({"alg": "RS256", "typ": "JWT"})), part(&claims));
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature)
        .map_err(|_| "it cannot sign".to_owned())?;
    Ok(format!("{text}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)))
}
