//! The HTTP client of typed steps and http artifacts: what it may reach, where redirects may lead (V27, V29).
//! Tries nothing twice: whether a step runs again is decided by its retryStrategy.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Client, ClientBuilder, Url};
use url::Host;

use crate::typed::HttpPolicy;

/// Redirects that are followed, as Go's client does.
const REDIRECTS: usize = 10;
/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(30);

/// How a client is to be.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    /// What may be reached.
    pub policy: HttpPolicy,
    /// Do not check certificates.
    pub insecure: bool,
    /// Follow no redirect to another host: the request carries a secret (V29).
    pub secret: bool,
    /// Longest time of a request with its answer; absent means none.
    pub timeout: Option<Duration>,
}

/// Makes a client.
///
/// # Errors
/// A text when TLS cannot be set up.
pub fn client(wanted: Wanted) -> Result<Client, String> {
    let builder = || builder(wanted).tls_danger_accept_invalid_certs(wanted.insecure);
    // A machine without any certificates can still speak http.
    builder()
        .build()
        .or_else(|_| builder().tls_certs_only([]).build())
        .map_err(|error| format!("http client: {}", chain(&error)))
}

/// The same before it is made, for those who add authorities and certificates of their own.
pub fn builder(wanted: Wanted) -> ClientBuilder {
    // Somebody else may have chosen the provider already: it is the same one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = Client::builder()
        .user_agent("runner")
        .connect_timeout(CONNECT)
        .dns_resolver(std::sync::Arc::new(Guarded(wanted.policy)))
        .redirect(Policy::custom(move |attempt| follow(attempt, wanted)));
    match wanted.timeout {
        Some(timeout) => builder.timeout(timeout),
        None => builder,
    }
}

/// Parses an address and refuses those that must not be asked.
///
/// # Errors
/// The reason.
pub fn address(text: &str, policy: HttpPolicy) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("parse {text:?}: {error}"))?;
    match refusal(&url, policy) {
        Some(why) => Err(format!("{text:?} is not asked: {why}")),
        None => Ok(url),
    }
}

pub use crate::error::chain;

fn refusal(url: &Url, policy: HttpPolicy) -> Option<String> {
    if !matches!(url.scheme(), "http" | "https") {
        return Some(format!("unsupported protocol scheme {:?}", url.scheme()));
    }
    // Names are looked at when they are resolved; forms such as 0x7f.1 have become addresses by now.
    match url.host()? {
        Host::Domain(_) => None,
        Host::Ipv4(ip) => denied(IpAddr::V4(ip), policy),
        Host::Ipv6(ip) => denied(IpAddr::V6(ip), policy),
    }
}

fn follow(attempt: Attempt<'_>, wanted: Wanted) -> reqwest::redirect::Action {
    if attempt.previous().len() > REDIRECTS {
        return attempt.error(format!("stopped after {REDIRECTS} redirects"));
    }
    if let Some(why) = refusal(attempt.url(), wanted.policy) {
        return attempt.error(format!("a redirect is not followed: {why}"));
    }
    let origin = attempt.previous().first().map(Url::origin);
    if wanted.secret && origin.is_some_and(|origin| origin != attempt.url().origin()) {
        return attempt.error("a redirect to another host is not followed with a secret");
    }
    attempt.follow()
}

/// Why an address must not be reached.
fn denied(ip: IpAddr, policy: HttpPolicy) -> Option<String> {
    let ip = match ip {
        IpAddr::V6(v6) => embedded(v6).map_or(ip, IpAddr::V4),
        IpAddr::V4(_) => ip,
    };
    if is_link_local(ip) && !policy.allow_link_local {
        return Some(format!(
            "{ip} is link-local, where clouds serve credentials (runners.http.allowLinkLocal allows it)"
        ));
    }
    (policy.deny_private && is_private(ip))
        .then(|| format!("{ip} is not a public address (runners.http.denyPrivate refuses it)"))
}

/// The IPv4 address that is meant by an IPv6 one: mapped, compatible, or behind NAT64.
fn embedded(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let parts = ip.segments();
    let low = |parts: [u16; 8]| {
        let [a, b] = parts[6].to_be_bytes();
        let [c, d] = parts[7].to_be_bytes();
        Ipv4Addr::new(a, b, c, d)
    };
    match parts {
        [0, 0, 0, 0, 0, 0xffff, _, _] | [0x64, 0xff9b, 0, 0, 0, 0, _, _] => Some(low(parts)),
        [0, 0, 0, 0, 0, 0, high, _] if high != 0 => Some(low(parts)),
        _other => None,
    }
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        // With Alibaba's metadata address, which lies elsewhere.
        IpAddr::V4(ip) => ip.is_link_local() || ip.octets() == [100, 100, 100, 200],
        // With the metadata address of AWS.
        IpAddr::V6(ip) => {
            ip.segments()[0] & 0xffc0 == 0xfe80 || ip.segments() == [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254]
        }
    }
}

fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            let shared = a == 100 && (64..128).contains(&b);
            let special = a == 0 || a >= 240 || (a == 192 && b == 0) || (a == 198 && matches!(b, 18 | 19));
            ip.is_loopback()
                || ip.is_private()
                || ip.is_link_local()
                || ip.is_multicast()
                || shared
                || special
        }
        IpAddr::V6(ip) => {
            let first = ip.segments()[0];
            ip.is_loopback()
                || ip.is_unspecified()
                || ip.is_multicast()
                || first & 0xfe00 == 0xfc00
                || first & 0xffc0 == 0xfe80
        }
    }
}

/// Resolves names and hands on only addresses that may be reached: what was checked is what is connected to.
struct Guarded(HttpPolicy);

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = self.0;
        let name = name.as_str().to_owned();
        Box::pin(async move {
            let looked_up = tokio::task::spawn_blocking(move || {
                (name.as_str(), 0).to_socket_addrs().map(|found| (found.collect::<Vec<SocketAddr>>(), name))
            });
            let (found, name) = looked_up.await??;
            let mut why = format!("{name} has no address");
            let mut allowed = Vec::new();
            for address in found {
                match denied(address.ip(), policy) {
                    Some(reason) => why = format!("{name}: {reason}"),
                    None => allowed.push(address),
                }
            }
            if allowed.is_empty() { Err(why.into()) } else { Ok(Box::new(allowed.into_iter()) as Addrs) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn public_only() -> HttpPolicy {
        HttpPolicy { deny_private: true, allow_link_local: false }
    }

    #[test]
    fn v27_local_addresses_are_recognized_in_every_spelling() {
        for text in [
            "http://127.0.0.1/",
            "http://0x7f.1/",
            "http://2130706433/",
            "http://0177.0.0.1/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::ffff:7f00:1]/",
            "http://10.1.2.3/",
            "http://172.16.0.1/",
            "http://192.168.1.1/",
            "http://100.64.0.1/",
            "http://0.0.0.0/",
            "http://[fd00::1]/",
            "http://[fe80::1]/",
            "http://[64:ff9b::a00:1]/",
            "http://[::]/",
            "http://224.0.0.1/",
        ] {
            assert!(address(text, public_only()).is_err(), "{text}");
        }
        assert!(address("http://93.184.216.34/", public_only()).is_ok());
        assert!(address("https://[2606:2800:220:1::1]/", public_only()).is_ok());
    }

    #[test]
    fn v27_metadata_addresses_are_refused_without_any_setting() {
        let usual = HttpPolicy::default();
        for text in
            ["http://169.254.169.254/latest/", "http://[::ffff:169.254.169.254]/", "http://[fd00:ec2::254]/"]
        {
            assert!(address(text, usual).is_err(), "{text}");
        }
        assert!(address("http://127.0.0.1:8080/", usual).is_ok());
    }

    #[test]
    fn v27_only_http_is_spoken() {
        for text in ["file:///etc/passwd", "gopher://x/", "ftp://x/", "nonsense"] {
            assert!(address(text, HttpPolicy::default()).is_err(), "{text}");
        }
    }
}
