//! Names that come from outside and end up near git's command line: branches, tags, revisions, paths, addresses.
//! Refuses what git could take for an option, a range or a way out of the repository (V30); asks no repository.

use url::Url;

use crate::work::{Failure, Result};

/// The name of a branch or tag, without `refs/heads/`.
///
/// # Errors
/// Not a name, by the rules of `git check-ref-format`.
pub fn reference(what: &str, name: &str) -> Result<String> {
    let name = name.strip_prefix("refs/heads/").or_else(|| name.strip_prefix("refs/tags/")).unwrap_or(name);
    let bad = name.is_empty()
        || name == "@"
        || name.starts_with(['-', '/'])
        || name.ends_with(['/', '.'])
        || name.contains("..")
        || name.contains("@{")
        || name.contains("//")
        || name.len() > 240
        || name.chars().any(|c| c.is_ascii_control() || " ~^:?*[\\".contains(c))
        || name.split('/').any(|part| part.starts_with('.') || part.ends_with(".lock"));
    if bad {
        return Err(Failure::Input(format!("{what}: {name:?} is not the name of a branch or tag")));
    }
    Ok(name.to_owned())
}

/// A revision: the name of a branch or tag, or the hash of a commit. No ranges and no arithmetic.
///
/// # Errors
/// As [`reference`].
pub fn revision(what: &str, name: &str) -> Result<String> {
    reference(what, name)
}

/// It has the form of a full hash.
pub fn is_hash(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The hash that forges write for "there is none": before a branch was made, after it was deleted (S2.22).
pub fn is_zero(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte == b'0')
}

/// A path inside a repository: relative, with `/`, no `..`, nothing inside `.git`.
///
/// # Errors
/// Not such a path.
pub fn path(what: &str, path: &str) -> Result<String> {
    let clean = path.trim_end_matches('/');
    let bad = clean.is_empty()
        || clean.starts_with(['/', '-'])
        || clean.chars().any(|c| c.is_ascii_control() || c == '\\')
        || clean.split('/').any(|part| {
            // `git~1` and a dot with invisible characters are `.git` on other systems' file systems.
            let lower = part.trim_end_matches([' ', '.']).to_ascii_lowercase();
            part.is_empty() || part == "." || part == ".." || lower == ".git" || lower.starts_with("git~")
        });
    if bad {
        return Err(Failure::Input(format!("{what}: {path:?} is not a path inside the repository")));
    }
    Ok(clean.to_owned())
}

/// How a repository is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// https or http: scheme, host and port as credentials are bound to.
    Http {
        /// `https://host` or `http://host:port`.
        origin: String,
        /// Not encrypted.
        plain: bool,
    },
    /// ssh.
    Ssh,
    /// A directory of this machine.
    Local,
}

/// Reads the address of a repository.
///
/// # Errors
/// Another scheme, credentials in the address, or what git could take for an option or a helper.
pub fn address(text: &str) -> Result<Transport> {
    let bad = |why: &str| Err(Failure::Input(format!("repository {text:?}: {why}")));
    if text.is_empty() || text.starts_with('-') || text.chars().any(|c| c.is_control() || c == ' ') {
        return bad("not an address");
    }
    if text.contains("::") && !text.contains("://") {
        return bad("remote helpers are not used");
    }
    if text.starts_with('/') || text.starts_with("./") || text.starts_with("file:///") {
        return Ok(Transport::Local);
    }
    if !text.contains("://") {
        // user@host:path, as ssh writes it
        return match text.split_once(':') {
            Some((host, path))
                if !host.is_empty() && !host.contains('/') && !path.is_empty() && !path.starts_with('-') =>
            {
                if host.split('@').any(|part| part.is_empty() || part.starts_with('-')) {
                    return bad("not a host");
                }
                Ok(Transport::Ssh)
            }
            _other => bad("expected https://, ssh://, user@host:path or an absolute path"),
        };
    }
    if text.contains(":///") {
        return bad("no host");
    }
    let Ok(url) = Url::parse(text) else { return bad("not an address") };
    let host = url.host_str().unwrap_or_default();
    if host.is_empty() || host.starts_with('-') {
        return bad("no host");
    }
    if url.password().is_some() {
        return bad("no credentials in an address: use the credentials field");
    }
    match url.scheme() {
        "ssh" if !url.username().starts_with('-') => Ok(Transport::Ssh),
        scheme @ ("https" | "http") if url.username().is_empty() => {
            let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
            Ok(Transport::Http { origin: format!("{scheme}://{host}{port}"), plain: scheme == "http" })
        }
        "https" | "http" => bad("no credentials in an address: use the credentials field"),
        _other => bad("expected https://, ssh://, user@host:path or an absolute path"),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn v30_names_that_git_would_read_otherwise_are_refused() {
        for name in
            ["--upload-pack=x", "-a", "a..b", "a b", "a:b", "a~1", "x.lock", "", "@{1}", "a\nb", "/a", ".a"]
        {
            assert!(reference("branch", name).is_err(), "{name:?}");
        }
        assert_eq!(reference("branch", "refs/heads/dev").unwrap(), "dev");
        assert_eq!(reference("branch", "promote/stage/shop").unwrap(), "promote/stage/shop");
        for name in
            ["../x", "/etc/passwd", "a/../b", ".git/hooks/x", "a/.GIT/config", "-x", "", "a//b", "GIT~1/x"]
        {
            assert!(path("path", name).is_err(), "{name:?}");
        }
        assert_eq!(path("path", "manifests/shop/").unwrap(), "manifests/shop");
    }

    #[test]
    fn v30_addresses_are_https_ssh_or_local() {
        for text in [
            "ext::sh -c id",
            "ext::id",
            "-oProxyCommand=id",
            "https://u:p@h/x",
            "https://u@h/x",
            "ftp://h/x",
            "ssh://-oProxyCommand=id/x",
            "-h:x",
            "git://h/x",
            "relative/path",
            "https:///x",
            "fd::17",
            "user@-h:x",
            "https://h/x\n",
            "ssh://-u@h/x",
        ] {
            assert!(address(text).is_err(), "{text:?}");
        }
        assert_eq!(address("/srv/a.git").unwrap(), Transport::Local);
        assert_eq!(address("git@example.com:a/b.git").unwrap(), Transport::Ssh);
        assert_eq!(
            address("https://git.example.com:8443/a/b.git").unwrap(),
            Transport::Http { origin: "https://git.example.com:8443".to_owned(), plain: false }
        );
    }

    #[test]
    fn hashes_and_zeros() {
        assert!(is_zero(&"0".repeat(40)) && !is_zero("0000"));
        assert!(is_hash(&"a1".repeat(20)) && !is_hash("main"));
    }
}
