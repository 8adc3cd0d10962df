//! A client of Redis as `redis` and `redisStream` describe it.
//! Consumes nothing.

use redis::{Client, ClientTlsConfig, IntoConnectionInfo, RedisConnectionInfo, TlsCertificates};
use runner_workflows::spec::k8s::SecretKeySelector;

use crate::{Access, Tls};

/// Where a Redis is and how to log in. `Debug` shows no secret.
pub(crate) struct Server {
    address: String,
    db: i64,
    username: String,
    password: Option<String>,
    tls: Option<Tls>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("address", &self.address).field("db", &self.db).finish_non_exhaustive()
    }
}

impl Server {
    pub(crate) fn new(
        address: &str,
        db: Option<i64>,
        username: &str,
        password: Option<&SecretKeySelector>,
        tls: Option<Tls>,
        access: &Access,
    ) -> Result<Self, String> {
        if address.is_empty() {
            return Err("redis: hostAddress is needed".to_owned());
        }
        let (address, username) = (address.to_owned(), username.to_owned());
        Ok(Self { address, db: db.unwrap_or(0), username, password: access.optional(password)?, tls })
    }

    /// Host and port.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn client(&self) -> Result<Client, String> {
        let failed = |error: redis::RedisError| format!("redis {}: {error}", self.address);
        let mut login = RedisConnectionInfo::default().set_db(self.db);
        if !self.username.is_empty() {
            login = login.set_username(&self.username);
        }
        if let Some(password) = &self.password {
            login = login.set_password(password);
        }
        let url = match &self.tls {
            None => format!("redis://{}", self.address),
            Some(tls) if tls.insecure => format!("rediss://{}/#insecure", self.address),
            Some(_) => format!("rediss://{}", self.address),
        };
        let info = url.into_connection_info().map_err(failed)?.set_redis_settings(login);
        match &self.tls {
            None => Client::open(info).map_err(failed),
            Some(tls) => {
                // the library asks for a provider of the process
                let _installed_before = rustls::crypto::ring::default_provider().install_default();
                let client_tls = tls
                    .identity
                    .clone()
                    .map(|(client_cert, client_key)| ClientTlsConfig { client_cert, client_key });
                let certificates = TlsCertificates { client_tls, root_cert: tls.ca.clone() };
                Client::build_with_tls(info, certificates).map_err(failed)
            }
        }
    }
}
