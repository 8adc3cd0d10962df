//! Table of sprig's functions on versions and addresses.
//! Expected values are those of sprig 3.3.0 itself.

use super::{Value, check, eval};

/// Versions that every constraint below is asked about.
const VERSIONS: [&str; 18] = [
    "1.2.3",
    "1.2.4",
    "1.3.0",
    "2.0.0",
    "0.2.3",
    "0.2.9",
    "0.3.0",
    "0.0.3",
    "0.0.4",
    "1.2.3-beta.1",
    "1.2.3-beta.2",
    "1.2.4-alpha",
    "2.0.0-rc.1",
    "v1.2",
    "1",
    "1.2.3+build5",
    "0.0.0",
    "3.1.4",
];

/// A constraint, and for each of the versions whether it holds.
const HOLDS: [(&str, &str); 74] = [
    ("1.2.3", "100000000000000100"),
    ("=1.2.3", "100000000000000100"),
    ("!=1.2.3", "011111111111111011"),
    (">1.2.3", "011100000000000001"),
    ("<1.2.3", "000011111000011010"),
    (">=1.2.3", "111100000000000101"),
    ("=>1.2.3", "111100000000000101"),
    ("<=1.2.3", "100011111000011110"),
    ("=<1.2.3", "100011111000011110"),
    (">= 1.2, < 3.0.0 || >= 4.2.3", "111100000000010100"),
    (">=1.2.3-0", "111100000111100101"),
    ("^1.2.3", "111000000000000100"),
    ("^1.2.x", "111000000000010100"),
    ("^2.3", "000000000000000000"),
    ("^2.x", "000100000000000000"),
    ("^0.2.3", "000011000000000000"),
    ("^0.2", "000011000000000000"),
    ("^0.0.3", "000000010000000000"),
    ("^0.0", "000000011000000010"),
    ("^0", "000011111000000010"),
    ("~1.2.3", "110000000000000100"),
    ("~1", "111000000000011100"),
    ("~2.3", "000000000000000000"),
    ("~1.2.x", "110000000000010100"),
    ("~1.x", "111000000000011100"),
    ("~>1.2", "110000000000010100"),
    ("1.2.x", "110000000000010100"),
    (">= 1.2.x", "111100000000010101"),
    ("<= 2.x", "111111111000011110"),
    ("*", "111111111000011111"),
    ("x", "111111111000011111"),
    ("1.x", "111000000000011100"),
    ("1", "111000000000011100"),
    ("1.2", "110000000000010100"),
    ("!=1.x", "000111111000000011"),
    ("!=1.2", "001111111000001011"),
    ("!=1.2.x", "001111111000001011"),
    (">1", "000100000000000001"),
    (">1.2", "001100000000000001"),
    (">1.x", "000100000000000001"),
    ("<1.2", "000011111000001010"),
    ("<=1.2", "110011111000011110"),
    ("<=1", "111011111000011110"),
    ("<2.x", "111011111000011110"),
    (">=1", "111100000000011101"),
    ("1.2 - 1.4.5", "111000000000010100"),
    ("0.2.3 - 1.2", "110011100000011100"),
    ("^1.2.3-beta.1", "111000000111000100"),
    ("~1.2.3-beta.1", "110000000111000100"),
    ("=1.2.3-beta.1", "000000000100000000"),
    ("<1.2.3-beta.2", "000011111100011010"),
    (">1.2.3-beta.1", "111100000011100101"),
    ("<2.0.0-0", "111011111111011110"),
    ("!=1.2.3-beta.1", "111111111011111111"),
    (">=1.2.3 <2.0.0", "111000000000000100"),
    (">1.0.0,<2.0.0,!=1.2.3", "011000000000010000"),
    ("^*", "000000000000000010"),
    ("~*", "111111111000011111"),
    (">*", "111111111000011101"),
    ("<*", "000000000000000000"),
    (">=*", "111111111000011111"),
    ("<=*", "000000011000000010"),
    ("!=*", "111111111000011101"),
    ("v1.2.3", "100000000000000100"),
    (">=v1.2", "111100000000010101"),
    ("^0.0.0", "000000000000000010"),
    ("~0", "000011111000000010"),
    ("=1.2", "110000000000010100"),
    ("=1", "111000000000011100"),
    ("=1.x", "111000000000011100"),
    ("=*", "111111111000011111"),
    ("^1", "111000000000011100"),
    ("^0.x", "000011111000000010"),
    ("~0.0.x", "000000011000000010"),
];

#[test]
fn sprig_versions_compare_as_masterminds_library_does() {
    for (constraint, holds) in HOLDS {
        for (version, wanted) in VERSIONS.iter().zip(holds.chars()) {
            let found = eval(&format!("sprig.semverCompare('{constraint}', '{version}')"));
            assert_eq!(found, Ok((wanted == '1').into()), "{constraint} of {version}");
        }
    }
    check(&[
        ("sprig.semverCompare('1.2.3', '01.2.3')", "true"),
        ("sprig.semverCompare(' >= 1.2.3 ', '1.2.3')", "true"),
        ("sprig.semverCompare('>=01.2.3', '1.2.3')", "true"),
        ("sprig.semverCompare('1.x.3', '1.2.3')", "true"),
        ("sprig.semverCompare('1.2.3 , 1.2.x', '1.2.3')", "true"),
        ("sprig.semverCompare('1.2-1.4', '1.2.3')", "true"),
        ("sprig.semverCompare('~>1.2.3', '1.2.9')", "true"),
        ("sprig.semverCompare('~ 1.2.3', '1.2.9')", "true"),
        ("sprig.semverCompare('^v1.2.3', '1.2.9')", "true"),
        ("sprig.semverCompare('1.2.3+b', '1.2.3')", "true"),
    ]);
    let bad = [
        "nope",
        "",
        ">=",
        "1.2.3.4",
        "1.2.3 ||",
        "||",
        "1.2.3,",
        ",1.2.3",
        "> = 1.2.3",
        "1.2.3-",
        "1.2 -1.4",
    ];
    for constraint in bad {
        let said = eval(&format!("sprig.semverCompare('{constraint}', '1.2.3')"));
        assert!(said.is_err_and(|why| why.contains("is no constraint of versions")), "{constraint}");
    }
    for version in [
        "nope",
        "",
        "1.2.3.4",
        "1.2.3-",
        "1.2.3-a_b",
        "1.2.3-01",
        " 1.2.3",
        "V1.2.3",
        "1.x",
        "99999999999999999999.0.0",
    ] {
        let said = eval(&format!("sprig.semverCompare('*', '{version}')"));
        assert!(said.is_err_and(|why| why.contains("is no semantic version")), "{version}");
        assert!(eval(&format!("sprig.semver('{version}')")).is_err(), "{version}");
    }
}

#[test]
fn sprig_versions_have_parts() {
    check(&[
        ("sprig.semver('1.2.3-beta.1+build345').Prerelease()", "\"beta.1\""),
        ("sprig.semver('1.2.3-beta.1+build345').Metadata()", "\"build345\""),
        ("sprig.semver('v1.2').Minor() + 1", "3"),
        ("sprig.semver('v1.2').Major", "1"),
        ("sprig.semver('v1.2').Patch", "0"),
        ("sprig.semver('v1.2').Original()", "\"v1.2\""),
        ("sprig.semver('v1.2').String()", "\"1.2.0\""),
        ("sprig.semver('01.2.3').String()", "\"1.2.3\""),
        ("sprig.semver('1.2.3+01').String()", "\"1.2.3+01\""),
    ]);
    assert!(eval("{Major: 1}.Major()").is_err(), "only versions have functions");
    assert!(eval("sprig.semver('1').Minor(1)").is_err());
}

/// An address, its parts, and what they are joined to.
type Address = (&'static str, [&'static str; 8], &'static str);

/// Scheme, userinfo, host, hostname, path, query, opaque, fragment.
const ADDRESSES: [Address; 30] = [
    (
        "http://admin:secret@server.com:8080/api?list=false#anchor",
        ["http", "admin:secret", "server.com:8080", "server.com", "/api", "list=false", "", "anchor"],
        "http://admin:secret@server.com:8080/api?list=false#anchor",
    ),
    (
        "https://x.org/a%20b/c%2Fd?q=%20x&y#f%20g",
        ["https", "", "x.org", "x.org", "/a b/c/d", "q=%20x&y", "", "f g"],
        "https://x.org/a%20b/c/d?q=%20x&y#f%20g",
    ),
    ("mailto:a@b.c", ["mailto", "", "", "", "", "", "a@b.c", ""], "mailto:a@b.c"),
    ("/only/path?x=1", ["", "", "", "", "/only/path", "x=1", "", ""], "/only/path?x=1"),
    ("//host/path", ["", "", "host", "host", "/path", "", "", ""], "//host/path"),
    ("host:80", ["host", "", "", "", "", "", "80", ""], "host:80"),
    ("http://[::1]:80/x", ["http", "", "[::1]:80", "::1", "/x", "", "", ""], "http://[::1]:80/x"),
    (
        "http://[fe80::1%25en0]/",
        ["http", "", "[fe80::1%en0]", "fe80::1%en0", "/", "", "", ""],
        "http://[fe80::1%25en0]/",
    ),
    ("", ["", "", "", "", "", "", "", ""], ""),
    ("?q", ["", "", "", "", "", "q", "", ""], "?q"),
    ("#f", ["", "", "", "", "", "", "", "f"], "#f"),
    ("a/b:c", ["", "", "", "", "a/b:c", "", "", ""], "a/b:c"),
    ("HTTP://Host/", ["http", "", "Host", "Host", "/", "", "", ""], "http://Host/"),
    ("http://u@h", ["http", "u", "h", "h", "", "", "", ""], "http://u@h"),
    ("http://u:@h", ["http", "u:", "h", "h", "", "", "", ""], "http://u:@h"),
    ("http://:p@h", ["http", ":p", "h", "h", "", "", "", ""], "http://:p@h"),
    (
        "http://us%40er:p%3Aw@h/",
        ["http", "us%40er:p%3Aw", "h", "h", "/", "", "", ""],
        "http://us%40er:p%3Aw@h/",
    ),
    ("http://h/ä ö?ü#ß", ["http", "", "h", "h", "/ä ö", "ü", "", "ß"], "http://h/%C3%A4%20%C3%B6?ü#%C3%9F"),
    ("http://h?", ["http", "", "h", "h", "", "", "", ""], "http://h"),
    ("http://h#", ["http", "", "h", "h", "", "", "", ""], "http://h"),
    ("file:///etc/x", ["file", "", "", "", "/etc/x", "", "", ""], "file:///etc/x"),
    ("http://h//a/../b", ["http", "", "h", "h", "//a/../b", "", "", ""], "http://h//a/../b"),
    ("a:b:c", ["a", "", "", "", "", "", "b:c", ""], "a:b:c"),
    (
        "http://h/a;b,c=d&e+f@g:h$i!j*k'l(m)n[o]p",
        ["http", "", "h", "h", "/a;b,c=d&e+f@g:h$i!j*k'l(m)n[o]p", "", "", ""],
        "http://h/a;b,c=d&e+f@g:h$i%21j%2Ak%27l%28m%29n%5Bo%5Dp",
    ),
    ("http://h/p?a b", ["http", "", "h", "h", "/p", "a b", "", ""], "http://h/p?a b"),
    ("http://h/#a<b>\"c`d", ["http", "", "h", "h", "/", "", "", "a<b>\"c`d"], "http://h/#a%3Cb%3E%22c%60d"),
    ("http://h:80/", ["http", "", "h:80", "h", "/", "", "", ""], "http://h:80/"),
    ("*", ["", "", "", "", "*", "", "", ""], "*"),
    ("http:opaque?q#f", ["http", "", "", "", "", "q", "opaque", "f"], "http:opaque?q#f"),
    ("./a:b", ["", "", "", "", "./a:b", "", "", ""], "./a:b"),
];

#[test]
fn sprig_addresses_are_read_and_written_as_in_go() {
    let names = ["scheme", "userinfo", "host", "hostname", "path", "query", "opaque", "fragment"];
    for (address, parts, joined) in ADDRESSES {
        let literal = serde_json::to_string(address).unwrap();
        let wanted: serde_json::Map<_, _> =
            names.iter().zip(parts).map(|(name, part)| ((*name).to_owned(), part.into())).collect();
        let found = eval(&format!("sprig.urlParse({literal})")).unwrap();
        assert_eq!(found, Value::Object(wanted), "{address}");
        let found = eval(&format!("sprig.urlJoin(sprig.urlParse({literal}))")).unwrap();
        assert_eq!(found, Value::from(joined), "{address}");
    }
    let bad = [
        "http://h:port/",
        "http://a b/",
        "http://h/%zz",
        "1http://x",
        ":x",
        "http://user name@h/",
        "http://h/a\x7fb",
        "http://ex%41mple/",
    ];
    for address in bad {
        let literal = serde_json::to_string(address).unwrap();
        let said = eval(&format!("sprig.urlParse({literal})"));
        assert!(said.is_err_and(|why| why.contains("unable to parse url")), "{address}");
    }
}

#[test]
fn sprig_addresses_are_joined_from_any_parts() {
    check(&[
        (
            "sprig.urlJoin({fragment: 'fragment', host: 'host:80', path: '/path', query: 'query', scheme: 'http'})",
            "\"http://host:80/path?query#fragment\"",
        ),
        ("sprig.urlJoin({host: 'h', userinfo: 'u:p@w'})", "\"//u:p%40w@h\""),
        ("sprig.urlJoin({host: 'h', path: 'p'})", "\"//h/p\""),
        ("sprig.urlJoin({path: 'a:b'})", "\"./a:b\""),
        ("sprig.urlJoin({opaque: 'o', scheme: 'http'})", "\"http:o\""),
        ("sprig.urlJoin({path: '//x'})", "\"//x\""),
        ("sprig.urlJoin({path: '/p', scheme: 's'})", "\"s:///p\""),
        ("sprig.urlJoin({host: 'a b<'})", "\"//a%20b<\""),
        ("sprig.urlJoin({})", "\"\""),
        ("sprig.urlJoin({host: '[::1]:80', scheme: 'x'})", "\"x://[::1]:80\""),
        ("sprig.urlJoin({host: 'h', path: '*', scheme: 'http'})", "\"http://h/*\""),
        ("sprig.urlJoin({path: '*'})", "\"*\""),
        ("sprig.urlJoin({path: 'a/b:c'})", "\"a/b:c\""),
        ("sprig.urlJoin({scheme: 'x', userinfo: 'a:b'})", "\"x://a:b@\""),
    ]);
    assert!(eval("sprig.urlJoin({host: 1})").unwrap_err().contains("must be of type string"));
    assert!(eval("sprig.urlJoin({userinfo: 'a b'})").unwrap_err().contains("userinfo"));
}
