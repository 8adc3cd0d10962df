//! sprig's functions on semantic versions: `semver` and `semverCompare`, with the ranges of Masterminds' library.
//! Where that differs from Cargo and npm (`^*`, `<=*`, prereleases), it is followed.

use std::cmp::Ordering;

use crate::expr::builtins::Entry;
use crate::expr::error::ExprError;
use crate::expr::val::Val;

pub(super) const FUNCTIONS: &[Entry] = &[
    ("semver", 1, 1, |c| {
        let text = c.str(0)?;
        let version = version(&text)?;
        c.fuel().alloc_items(FIELDS.len())?;
        let number =
            |n: u64| i64::try_from(n).map(Val::Int).map_err(|_| bad(&text, "its numbers are too large"));
        let [major, minor, patch] = version.numbers;
        let values = [
            number(major)?,
            number(minor)?,
            number(patch)?,
            Val::str(&version.pre),
            Val::str(&version.build),
            Val::str(text.as_ref()),
            Val::str(version.shown()),
        ];
        Ok(Val::map(FIELDS.map(str::to_owned).into_iter().zip(values).collect()))
    }),
    ("semverCompare", 2, 2, |c| {
        let (constraint, text) = (c.str(0)?, c.str(1)?);
        c.fuel().spend(constraint.len() as u64)?;
        let alternatives = alternatives(&constraint)?;
        let version = version(&text)?;
        Ok(Val::Bool(alternatives.iter().any(|all| all.iter().all(|one| one.holds(&version)))))
    }),
];

/// What can be asked of a version, as in Go: `sprig.semver('1.2').Major()`, or without the parentheses.
const FIELDS: [&str; 7] = ["Major", "Minor", "Patch", "Prerelease", "Metadata", "Original", "String"];

/// Whether a value is one that `semver` gave: then its fields can be called.
pub(crate) fn field<'v>(value: &'v Val, name: &str) -> Option<&'v Val> {
    let Val::Map(map) = value else { return None };
    let is_version = map.len() == FIELDS.len() && FIELDS.iter().all(|field| map.contains_key(*field));
    is_version.then(|| map.get(name)).flatten()
}

#[derive(Clone, Debug, PartialEq)]
struct Version {
    numbers: [u64; 3],
    pre: String,
    build: String,
}

impl Version {
    fn shown(&self) -> String {
        let [major, minor, patch] = self.numbers;
        let mut text = format!("{major}.{minor}.{patch}");
        for (mark, part) in [('-', &self.pre), ('+', &self.build)] {
            if !part.is_empty() {
                text.push(mark);
                text.push_str(part);
            }
        }
        text
    }

    fn order(&self, other: &Self) -> Ordering {
        self.numbers.cmp(&other.numbers).then_with(|| order_of_prereleases(&self.pre, &other.pre))
    }

    /// Compares as much of the numbers as `other` was given with.
    fn order_by(&self, other: &Self, given: usize) -> Ordering {
        match (self.numbers.get(..given), other.numbers.get(..given)) {
            (Some(own), Some(theirs)) if given < 3 => own.cmp(theirs),
            _ => self.order(other),
        }
    }
}

fn order_of_prereleases(a: &str, b: &str) -> Ordering {
    match (a.is_empty(), b.is_empty()) {
        (true, true) => return Ordering::Equal,
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    let (mut left, mut right) = (a.split('.'), b.split('.'));
    loop {
        let (one, other) = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(one), Some(other)) => (one, other),
        };
        let order = match (one.parse::<u64>(), other.parse::<u64>()) {
            (Ok(one), Ok(other)) => one.cmp(&other),
            (Ok(_), Err(_)) => Ordering::Less,
            (Err(_), Ok(_)) => Ordering::Greater,
            (Err(_), Err(_)) => one.cmp(other),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// A version alone; parts that are missing are 0.
fn version(text: &str) -> Result<Version, ExprError> {
    let mut rest = text;
    let parsed = parse(&mut rest, false).filter(|_| rest.is_empty());
    let (version, _) = parsed.ok_or_else(|| bad(text, "write it as 1.2.3, with -PRERELEASE and +BUILD"))?;
    let zero =
        |part: &str| part.len() > 1 && part.starts_with('0') && part.bytes().all(|b| b.is_ascii_digit());
    match version.pre.split('.').any(zero) {
        true => Err(bad(text, "a number of its prerelease starts with 0")),
        false => Ok(version),
    }
}

fn bad(text: &str, why: &str) -> ExprError {
    ExprError::value(format!("{text:?} is no semantic version: {why}"))
}

/// Takes a version from the beginning of a text; the second value is how many of its numbers were given, which is
/// where the first placeholder stands.
fn parse(rest: &mut &str, placeholders: bool) -> Option<(Version, usize)> {
    let mut text = rest.strip_prefix('v').unwrap_or(rest);
    let (mut numbers, mut given, mut open) = ([0; 3], 0, true);
    for (position, number) in numbers.iter_mut().enumerate() {
        let after = if position == 0 { Some(text) } else { text.strip_prefix('.') };
        let Some(after) = after else { break };
        let digits = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (part, tail) = after.split_at_checked(digits)?;
        if let Some(tail) = after.strip_prefix(['x', 'X', '*']).filter(|_| placeholders) {
            (open, text) = (false, tail);
            continue;
        }
        if part.is_empty() {
            return None;
        }
        let value = part.parse().ok()?;
        if open {
            (*number, given) = (value, position + 1);
        }
        text = tail;
    }
    let mut identifiers = |mark: char| -> Option<String> {
        let Some(after) = text.strip_prefix(mark) else { return Some(String::new()) };
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
        let (part, tail) = after.split_at_checked(after.len() - after.trim_start_matches(fits).len())?;
        text = tail;
        (!part.split('.').any(str::is_empty)).then(|| part.to_owned())
    };
    let (pre, build) = (identifiers('-')?, identifiers('+')?);
    *rest = text;
    Some((Version { numbers, pre, build }, given))
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Operator {
    Is,
    IsNot,
    Above,
    Below,
    From,
    UpTo,
    Tilde,
    Caret,
}

/// What is written before a version; longer ones first.
const OPERATORS: [(&str, Operator); 11] = [
    ("!=", Operator::IsNot),
    (">=", Operator::From),
    ("=>", Operator::From),
    ("<=", Operator::UpTo),
    ("=<", Operator::UpTo),
    ("~>", Operator::Tilde),
    ("=", Operator::Is),
    (">", Operator::Above),
    ("<", Operator::Below),
    ("~", Operator::Tilde),
    ("^", Operator::Caret),
];

#[derive(Clone, Debug)]
struct Comparison {
    operator: Operator,
    version: Version,
    /// How many of its numbers count: 3, or fewer when the others are missing or placeholders.
    given: usize,
}

impl Comparison {
    fn holds(&self, version: &Version) -> bool {
        let (wanted, given) = (&self.version, self.given);
        let whole = given == 3;
        if !version.pre.is_empty() && wanted.pre.is_empty() && !(whole && self.operator == Operator::IsNot) {
            // Who does not name a prerelease does not want one.
            return false;
        }
        let order = version.order(wanted);
        // Without any number, these compare with 0.0.0.
        let by_part = version.order_by(wanted, if given == 0 { 3 } else { given });
        match self.operator {
            Operator::Is if whole => order == Ordering::Equal,
            Operator::Is | Operator::Tilde => order != Ordering::Less && self.close(version),
            Operator::Caret => order != Ordering::Less && self.compatible(version),
            Operator::From => order != Ordering::Less,
            Operator::Below => order == Ordering::Less,
            Operator::Above => by_part == Ordering::Greater,
            Operator::UpTo if given == 0 => version.order_by(wanted, 2) != Ordering::Greater,
            Operator::UpTo => by_part != Ordering::Greater,
            Operator::IsNot if given == 2 && by_part == Ordering::Equal => {
                order_of_prereleases(&version.pre, &wanted.pre) != Ordering::Equal
            }
            Operator::IsNot => by_part != Ordering::Equal,
        }
    }

    /// `~`: the same major and, where it was given, minor number. Of 0.0.0 everything is close.
    fn close(&self, version: &Version) -> bool {
        let wanted = self.version.numbers;
        let anything = wanted == [0; 3] && matches!(self.given, 0 | 3);
        anything || version.numbers.get(..self.given.clamp(1, 2)) == wanted.get(..self.given.clamp(1, 2))
    }

    /// `^`: the same up to the first number that is not 0, as far as it was given.
    fn compatible(&self, version: &Version) -> bool {
        let wanted = self.version.numbers;
        let given = if self.given == 0 { 3 } else { self.given };
        let first = wanted.iter().position(|number| *number > 0).unwrap_or(2) + 1;
        version.numbers.get(..first.min(given)) == wanted.get(..first.min(given))
    }
}

/// Reads a constraint: alternatives of comparisons that must all hold.
fn alternatives(text: &str) -> Result<Vec<Vec<Comparison>>, ExprError> {
    let wrong = || {
        let why =
            "write it as `>= 1.2, < 3`, `~1.2.3`, `^2.x` or `1.2 - 1.4`, alternatives with `||` between them";
        ExprError::value(format!("{text:?} is no constraint of versions: {why}"))
    };
    text.split("||").map(|part| comparisons(part).ok_or_else(wrong)).collect()
}

fn comparisons(text: &str) -> Option<Vec<Comparison>> {
    let (mut found, mut rest) = (Vec::new(), text.trim());
    loop {
        let spelt = OPERATORS.iter().find_map(|(word, operator)| Some((rest.strip_prefix(word)?, *operator)));
        let (after, operator) = spelt.map_or((rest, None), |(after, operator)| (after, Some(operator)));
        rest = after.trim_start();
        let (version, given) = parse(&mut rest, true)?;
        let operator = operator.unwrap_or(Operator::Is);
        found.push(Comparison { operator, version, given });
        let gap = rest.trim_start();
        // `1.2 - 1.4` has a space on both sides of its dash.
        if let Some(high) = gap.strip_prefix('-').filter(|_| spelt.is_none() && gap.len() < rest.len()) {
            rest = high.trim_start();
            let (version, given) =
                parse(&mut rest, true).filter(|_| rest.len() < high.len() && high.starts_with(' '))?;
            if let Some(low) = found.last_mut() {
                low.operator = Operator::From;
            }
            found.push(Comparison { operator: Operator::UpTo, version, given });
        }
        let next = rest.trim_start();
        if next.is_empty() {
            return Some(found);
        }
        match next.strip_prefix(',') {
            Some(after) => rest = after.trim_start(),
            None if next.len() < rest.len() => rest = next,
            None => return None,
        }
    }
}
