//! The functions of the expression language and of Argo, by name.
//! sprig's functions are in `sprig`; functions with predicates in `lang/predicates.rs`.

mod call;
mod encode;
mod lists;
mod numbers;
mod strings;
mod times;

pub(crate) use call::Call;
pub(crate) use encode::{floats, json, parse};
pub(crate) use lists::{has, join, len};
pub(crate) use numbers::quoted;
pub(crate) use strings::{replace_n, split_n};
pub use times::NOW;

use super::error::{ExprError, ExprErrorKind};
use super::lang::ast::{Function, PlainFn, PredicateFn};
use super::{sprig, suggest};

/// Name, fewest and most arguments, function.
pub(crate) type Entry = (&'static str, usize, usize, PlainFn);

/// No upper bound on arguments.
pub(crate) const MANY: usize = usize::MAX;

const TABLES: &[&[Entry]] =
    &[strings::FUNCTIONS, lists::FUNCTIONS, numbers::FUNCTIONS, encode::FUNCTIONS, times::FUNCTIONS];

const PREDICATES: &[(&str, PredicateFn)] = &[
    ("all", PredicateFn::All),
    ("any", PredicateFn::Any),
    ("none", PredicateFn::None),
    ("one", PredicateFn::One),
    ("map", PredicateFn::Map),
    ("filter", PredicateFn::Filter),
    ("find", PredicateFn::Find),
    ("findIndex", PredicateFn::FindIndex),
    ("findLast", PredicateFn::FindLast),
    ("findLastIndex", PredicateFn::FindLastIndex),
    ("count", PredicateFn::Count),
    ("sum", PredicateFn::Sum),
    ("groupBy", PredicateFn::GroupBy),
    ("sortBy", PredicateFn::SortBy),
    ("reduce", PredicateFn::Reduce),
];

/// The function of a name, `sprig.` included, and how many arguments it takes.
pub(crate) fn function(name: &str) -> Result<(Function, usize, usize), ExprError> {
    if let Some(short) = name.strip_prefix("sprig.") {
        return sprig::function(short);
    }
    if let Some((_, kind)) = PREDICATES.iter().find(|(n, _)| *n == name) {
        return Ok((Function::Predicate(*kind), 1, 3));
    }
    let mut entries = TABLES.iter().flat_map(|t| t.iter());
    if let Some((_, min, max, function)) = entries.find(|(n, ..)| *n == name) {
        return Ok((Function::Plain(*function), *min, *max));
    }
    if sprig::function(name).is_ok() {
        let message = format!("unknown function '{name}'; sprig's functions are called as sprig.{name}(...)");
        return Err(ExprError::unknown(name, message));
    }
    let known =
        TABLES.iter().flat_map(|t| t.iter()).map(|(n, ..)| *n).chain(PREDICATES.iter().map(|(n, _)| *n));
    let mut error = ExprError::new(
        ExprErrorKind::UnknownName,
        format!("unknown function '{name}'{}", suggest::did_you_mean(name, known)),
    );
    error.name = Some(name.to_owned());
    Err(error)
}

/// All function names, sorted.
pub(crate) fn names() -> Vec<String> {
    let plain = TABLES.iter().flat_map(|t| t.iter()).map(|(n, ..)| (*n).to_owned());
    let predicates = PREDICATES.iter().map(|(n, _)| (*n).to_owned());
    let mut all: Vec<String> = plain.chain(predicates).chain(sprig::names()).collect();
    all.sort();
    all
}
