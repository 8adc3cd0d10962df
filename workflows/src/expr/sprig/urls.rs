//! sprig's functions on addresses: `urlParse` and `urlJoin`, which read and write them as Go's `net/url` does.
//! Nothing is looked up and nothing is normalized beyond that.

use std::collections::BTreeMap;

use crate::expr::builtins::{Call, Entry};
use crate::expr::error::ExprError;
use crate::expr::val::Val;

pub(super) const FUNCTIONS: &[Entry] = &[
    ("urlParse", 1, 1, |c| {
        let text = c.str(0)?;
        let url =
            parse(&text).map_err(|why| ExprError::value(format!("unable to parse url {text:?}: {why}")))?;
        let hostname = hostname(&url.host).to_owned();
        let userinfo = url.user.as_ref().map(User::shown).unwrap_or_default();
        let parts = [
            ("scheme", url.scheme),
            ("host", url.host),
            ("hostname", hostname),
            ("path", url.path),
            ("query", url.query),
            ("opaque", url.opaque),
            ("fragment", url.fragment),
            ("userinfo", userinfo),
        ];
        c.fuel().alloc_items(parts.len())?;
        Ok(Val::map(parts.into_iter().map(|(name, text)| (name.to_owned(), Val::str(text))).collect()))
    }),
    ("urlJoin", 1, 1, |c| {
        let map = c.map(0)?;
        let user = match part(c, &map, "userinfo")? {
            info if info.is_empty() => None,
            info => Some(
                user(&info).map_err(|why| ExprError::value(format!("unable to parse userinfo: {why}")))?,
            ),
        };
        let url = Url {
            scheme: part(c, &map, "scheme")?,
            host: part(c, &map, "host")?,
            path: part(c, &map, "path")?,
            query: part(c, &map, "query")?,
            opaque: part(c, &map, "opaque")?,
            fragment: part(c, &map, "fragment")?,
            user,
        };
        c.text(url.shown())
    }),
];

/// One part of what is joined; charged, because it is read.
fn part(c: &mut Call<'_, '_>, map: &BTreeMap<String, Val>, name: &str) -> Result<String, ExprError> {
    match map.get(name) {
        None => Ok(String::new()),
        Some(Val::Str(text)) => {
            c.fuel().touch(text.len())?;
            Ok(text.to_string())
        }
        Some(other) => {
            let found = other.type_name();
            Err(ExprError::types(format!(
                "unable to parse {name} key, must be of type string, but {found} found"
            )))
        }
    }
}

struct Url {
    scheme: String,
    opaque: String,
    user: Option<User>,
    host: String,
    path: String,
    query: String,
    fragment: String,
}

struct User {
    name: String,
    password: Option<String>,
}

/// Where a text stands, which decides what is escaped there.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    User,
    Host,
    Zone,
    Path,
    Fragment,
}

impl User {
    fn shown(&self) -> String {
        let name = escaped(&self.name, Place::User);
        match &self.password {
            Some(password) => format!("{name}:{}", escaped(password, Place::User)),
            None => name,
        }
    }
}

impl Url {
    fn shown(&self) -> String {
        let mut out = String::new();
        if !self.scheme.is_empty() {
            out.push_str(&self.scheme);
            out.push(':');
        }
        if self.opaque.is_empty() {
            self.show_hierarchy(&mut out);
        } else {
            out.push_str(&self.opaque);
        }
        if !self.query.is_empty() {
            out.push('?');
            out.push_str(&self.query);
        }
        if !self.fragment.is_empty() {
            out.push('#');
            out.push_str(&escaped(&self.fragment, Place::Fragment));
        }
        out
    }

    fn show_hierarchy(&self, out: &mut String) {
        let located = !self.host.is_empty() || self.user.is_some();
        if located || !self.scheme.is_empty() && !self.path.is_empty() {
            out.push_str("//");
            if let Some(user) = &self.user {
                out.push_str(&user.shown());
                out.push('@');
            }
            out.push_str(&escaped(&self.host, Place::Host));
        }
        let path = if self.path == "*" { "*".to_owned() } else { escaped(&self.path, Place::Path) };
        if !path.is_empty() && !path.starts_with('/') && !self.host.is_empty() {
            out.push('/');
        }
        if out.is_empty() && path.split('/').next().is_some_and(|first| first.contains(':')) {
            // Otherwise it would be read as a scheme.
            out.push_str("./");
        }
        out.push_str(&path);
    }
}

fn parse(text: &str) -> Result<Url, String> {
    if text.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
        return Err("invalid control character in URL".to_owned());
    }
    let (rest, fragment) = text.split_once('#').unwrap_or((text, ""));
    let (scheme, rest) = scheme(rest)?;
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut url = Url {
        scheme,
        opaque: String::new(),
        user: None,
        host: String::new(),
        path: String::new(),
        query: query.to_owned(),
        fragment: unescaped(fragment, Place::Fragment)?,
    };
    if !rest.starts_with('/') {
        if !url.scheme.is_empty() {
            rest.clone_into(&mut url.opaque);
            return Ok(url);
        }
        if rest.split('/').next().is_some_and(|first| first.contains(':')) {
            return Err("first path segment in URL cannot contain colon".to_owned());
        }
    }
    let mut path = rest;
    let authority = rest.strip_prefix("//").filter(|_| !url.scheme.is_empty() || !rest.starts_with("///"));
    if let Some(authority) = authority {
        let (authority, after) = authority.split_at(authority.find('/').unwrap_or(authority.len()));
        path = after;
        let (info, host) = match authority.rsplit_once('@') {
            Some((info, host)) => (Some(info), host),
            None => (None, authority),
        };
        url.host = parse_host(host)?;
        url.user = info.map(user).transpose()?;
    }
    url.path = unescaped(path, Place::Path)?;
    Ok(url)
}

/// The scheme, in lower case, and what follows it.
fn scheme(text: &str) -> Result<(String, &str), String> {
    let is_scheme = |(position, byte): (usize, u8)| {
        byte.is_ascii_alphabetic() || position > 0 && (byte.is_ascii_digit() || b"+-.".contains(&byte))
    };
    match text.split_once(':') {
        Some(("", _)) => Err("missing protocol scheme".to_owned()),
        Some((name, rest)) if name.bytes().enumerate().all(is_scheme) => {
            Ok((name.to_ascii_lowercase(), rest))
        }
        Some(_) | None => Ok((String::new(), text)),
    }
}

fn user(info: &str) -> Result<User, String> {
    if !info.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&byte)) {
        return Err("invalid userinfo".to_owned());
    }
    let (name, password) = match info.split_once(':') {
        Some((name, password)) => (name, Some(unescaped(password, Place::User)?)),
        None => (info, None),
    };
    Ok(User { name: unescaped(name, Place::User)?, password })
}

fn parse_host(host: &str) -> Result<String, String> {
    let port_of = |rest: &str| match rest.strip_prefix(':') {
        Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => Ok(()),
        None if rest.is_empty() => Ok(()),
        Some(_) | None => Err(format!("invalid port {rest:?} after host")),
    };
    if !host.starts_with('[') {
        port_of(host.rfind(':').and_then(|at| host.get(at..)).unwrap_or_default())?;
        return unescaped(host, Place::Host);
    }
    let end = host.rfind(']').ok_or("missing ']' in host")?;
    let (address, port) = host.split_at(end);
    port_of(port.strip_prefix(']').unwrap_or(port))?;
    match address.split_once("%25") {
        Some((address, zone)) => {
            let zone = unescaped(&format!("%25{zone}"), Place::Zone)?;
            Ok(unescaped(address, Place::Host)? + &zone + port)
        }
        None => unescaped(host, Place::Host),
    }
}

fn hostname(host: &str) -> &str {
    if let Some((address, _)) = host.strip_prefix('[').and_then(|host| host.rsplit_once(']')) {
        return address;
    }
    host.split_once(':').map_or(host, |(name, _)| name)
}

/// Whether a byte is written as it is.
fn plain(byte: u8, place: Place) -> bool {
    let more: &[u8] = match place {
        Place::Host | Place::Zone => b"!$&'()*+,;=:[]<>\"",
        Place::Path => b"$&+,/:;=@",
        Place::User => b"$&+,;=",
        Place::Fragment => b"$&+,/:;=?@!()*",
    };
    byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) || more.contains(&byte)
}

fn escaped(text: &str, place: Place) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match plain(byte, place) {
            true => out.push(char::from(byte)),
            false => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

fn unescaped(text: &str, place: Place) -> Result<String, String> {
    let in_host = matches!(place, Place::Host | Place::Zone);
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first != b'%' {
            if in_host && first.is_ascii() && !plain(first, place) {
                return Err(format!("invalid character {:?} in host name", char::from(first)));
            }
            bytes.push(first);
            continue;
        }
        let code = after.get(..2).filter(|code| code.iter().all(u8::is_ascii_hexdigit));
        let code = code.and_then(|code| std::str::from_utf8(code).ok());
        let byte = code.and_then(|code| u8::from_str_radix(code, 16).ok());
        let invalid = || {
            let end = after.len().min(2);
            format!(
                "invalid URL escape \"%{}\"",
                String::from_utf8_lossy(after.get(..end).unwrap_or_default())
            )
        };
        let byte = byte.ok_or_else(invalid)?;
        // A name has no reason to hide plain characters; a zone may have a few.
        let hidden = match place {
            Place::Host => byte.is_ascii() && byte != b'%',
            Place::Zone => byte != b'%' && byte != b' ' && byte.is_ascii() && !plain(byte, place),
            Place::User | Place::Path | Place::Fragment => false,
        };
        if hidden {
            return Err(invalid());
        }
        bytes.push(byte);
        rest = after.get(2..).unwrap_or_default();
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
