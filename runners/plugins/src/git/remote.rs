//! Where a repository is, and what is needed to open it: who may be asked (V27), and with what (V29).
//! Opens nothing.

use serde::Deserialize;

use super::names::Transport;
use crate::work::fields::{Flag, Texts};
use crate::work::secret::Secret;
use crate::work::{Failure, Result};

/// Where a repository is and how it is opened.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Remote {
    /// `https://`, `ssh://`, `user@host:path`, or an absolute path.
    pub url: String,
    /// An absolute path of this machine may be used as address.
    #[serde(default)]
    pub allow_local: Flag,
    /// Hosts that the address may name; empty means every host. For addresses that come from events (V27).
    #[serde(default)]
    pub allowed_hosts: Texts,
    /// For https.
    pub credentials: Option<Credentials>,
    /// For ssh: the private key.
    pub ssh_key: Option<Secret>,
    /// For ssh: the lines of `known_hosts`; without them an ssh address is refused.
    pub known_hosts: Option<String>,
}

/// User and token for one host.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Credentials {
    /// The host they are for: `git.example.com`, with a port if there is one; `http://` in front allows plain http.
    pub host: String,
    /// User; `oauth2` by default, which GitLab and GitHub accept with a token.
    pub username: Option<String>,
    /// The token; without one (an optional secret that is absent) the host is asked for nothing but public things.
    pub token: Option<Secret>,
}

impl Remote {
    /// The address names a host that `allowedHosts` has (V27).
    ///
    /// # Errors
    /// It names another.
    pub(crate) fn check_host(&self, transport: &Transport) -> Result<()> {
        let allowed = &self.allowed_hosts.0;
        if allowed.is_empty() {
            return Ok(());
        }
        let host = match transport {
            Transport::Local => return Ok(()),
            Transport::Http { origin, .. } => origin.split("://").nth(1).unwrap_or_default().to_owned(),
            Transport::Ssh => {
                let rest = self.url.strip_prefix("ssh://").unwrap_or(&self.url);
                let host = rest.split_once('@').map_or(rest, |(_, host)| host);
                host.split([':', '/']).next().unwrap_or_default().to_owned()
            }
        };
        if allowed.contains(&host) {
            return Ok(());
        }
        Err(Failure::Input(format!("repository {:?}: the host {host} is not among allowedHosts", self.url)))
    }
}

impl Credentials {
    /// The user whose token may go to an origin (`https://host[:port]`): the one it is meant for (V29).
    ///
    /// # Errors
    /// They are for another origin, or the name of the user could end a line.
    pub(crate) fn user_at(&self, origin: &str) -> Result<&str> {
        let host = self.host.trim_end_matches('/');
        let bound = if host.contains("://") { host.to_owned() } else { format!("https://{host}") };
        if bound != origin {
            return Err(Failure::Input(format!(
                "the credentials are for {bound} and the repository is at {origin}: they are not sent there"
            )));
        }
        let username = self.username.as_deref().unwrap_or("oauth2");
        if username.chars().any(char::is_control) {
            return Err(Failure::Input("a user name holds no control characters".to_owned()));
        }
        Ok(username)
    }
}
