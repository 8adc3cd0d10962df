//! sprig's functions, called as `sprig.name(...)`; arguments in sprig's order.
//! No environment, randomness, clock, network or key material: those are refused by name.

use super::builtins::Entry;
use super::error::{ExprError, ExprErrorKind};
use super::lang::ast::Function;
use super::suggest;

mod convert;
mod dates;
mod dicts;
mod encode;
mod lists;
mod math;
mod regexes;
mod strings;
mod urls;
mod versions;
mod words;

pub(crate) use versions::field;

const TABLES: &[&[Entry]] = &[
    strings::FUNCTIONS,
    words::FUNCTIONS,
    lists::FUNCTIONS,
    dicts::FUNCTIONS,
    math::FUNCTIONS,
    convert::FUNCTIONS,
    encode::FUNCTIONS,
    regexes::FUNCTIONS,
    dates::FUNCTIONS,
    versions::FUNCTIONS,
    urls::FUNCTIONS,
];

/// Functions of sprig that are deliberately missing.
const REFUSED: &[&str] = &[
    "env",
    "expandenv",
    "now",
    "ago",
    "randAlphaNum",
    "randAlpha",
    "randAscii",
    "randNumeric",
    "randBytes",
    "randInt",
    "shuffle",
    "uuidv4",
    "getHostByName",
    "genPrivateKey",
    "genCA",
    "genCAWithKey",
    "genSelfSignedCert",
    "genSelfSignedCertWithKey",
    "genSignedCert",
    "genSignedCertWithKey",
    "buildCustomCert",
    "derivePassword",
    "htpasswd",
    "bcrypt",
    "encryptAES",
    "decryptAES",
];

/// Second names of functions; those of the operating system's paths mean the same here.
fn alias(name: &str) -> &str {
    match name {
        "trimall" => "trimAll",
        "must_date_modify" => "mustDateModify",
        "osBase" => "base",
        "osDir" => "dir",
        "osClean" => "clean",
        "osExt" => "ext",
        "osIsAbs" => "isAbs",
        other => other,
    }
}

/// The function of a name without `sprig.`.
pub(crate) fn function(name: &str) -> Result<(Function, usize, usize), ExprError> {
    let entries = || TABLES.iter().flat_map(|t| t.iter());
    let name = alias(name);
    let plain = name.strip_prefix("must").map(lower_first);
    let wanted = |n: &str| n == name || plain.as_deref().is_some_and(|p| p == n);
    if let Some((_, min, max, function)) = entries().find(|(n, ..)| wanted(n)) {
        return Ok((Function::Plain(*function), *min, *max));
    }
    if REFUSED.contains(&name) {
        let message = format!(
            "sprig.{name} is not available: an expression must give the same value each time it is evaluated and has no access to the outside"
        );
        return Err(ExprError::new(ExprErrorKind::Unavailable, message));
    }
    let hint = suggest::did_you_mean(name, entries().map(|(n, ..)| *n));
    Err(ExprError::unknown(&format!("sprig.{name}"), format!("unknown function 'sprig.{name}'{hint}")))
}

/// All names, with `sprig.`.
pub(crate) fn names() -> impl Iterator<Item = String> {
    TABLES.iter().flat_map(|t| t.iter()).map(|(n, ..)| format!("sprig.{n}"))
}

fn lower_first(name: &str) -> String {
    let mut chars = name.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}
