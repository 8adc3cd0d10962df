//! The functions of jq that are written in Rust, by name and number of arguments.
//! Those that are shorter in jq are in `prelude`.

use std::rc::Rc;

use super::ast::Ast;
use super::eval::{Env, Flow, Item, Machine, Out, Stop};
use super::value::{Fields, J};
use super::{formats, ops, paths, regexes};

/// A function of the input alone.
type Plain = fn(&J) -> Result<J, String>;

/// Functions of the input alone.
const PLAIN: [(&str, Plain); 37] = [
    ("length", length),
    ("utf8bytelength", |v| Ok(J::Int(to_i64(text(v)?.len())))),
    ("not", |v| Ok(J::Bool(!v.truth()))),
    ("keys", |v| J::list(ops::keys(v)?)),
    ("keys_unsorted", |v| J::list(ops::keys(v)?)),
    ("add", |v| ops::values(v)?.iter().try_fold(J::Null, |sum, item| ops::add(&sum, item))),
    ("any", |v| Ok(J::Bool(ops::values(v)?.iter().any(J::truth)))),
    ("all", |v| Ok(J::Bool(ops::values(v)?.iter().all(J::truth)))),
    ("floor", |v| Ok(J::number(number(v)?.floor()))),
    ("ceil", |v| Ok(J::number(number(v)?.ceil()))),
    ("round", |v| Ok(J::number(number(v)?.round()))),
    ("fabs", |v| Ok(J::number(number(v)?.abs()))),
    ("abs", |v| Ok(J::number(number(v)?.abs()))),
    ("sqrt", |v| Ok(J::number(number(v)?.sqrt()))),
    ("log", |v| Ok(J::number(number(v)?.ln()))),
    ("exp", |v| Ok(J::number(number(v)?.exp()))),
    ("type", |v| Ok(J::str(v.type_name()))),
    ("tostring", |v| Ok(J::str(&formats::plain(v)))),
    ("tojson", |v| Ok(J::str(&v.to_json().to_string()))),
    ("fromjson", |v| {
        let value: serde_json::Value = serde_json::from_str(text(v)?).map_err(|error| error.to_string())?;
        J::from_json(&value)
    }),
    ("tonumber", to_number),
    ("infinite", |_| Ok(J::Float(f64::INFINITY))),
    ("nan", |_| Ok(J::Float(f64::NAN))),
    ("isnan", |v| Ok(J::Bool(number(v)?.is_nan()))),
    ("isinfinite", |v| Ok(J::Bool(number(v)?.is_infinite()))),
    ("sort", |v| sorted(v).and_then(J::list)),
    ("min", |v| Ok(list(v)?.iter().min_by(|a, b| a.compare(b)).cloned().unwrap_or(J::Null))),
    ("max", |v| Ok(list(v)?.iter().max_by(|a, b| a.compare(b)).cloned().unwrap_or(J::Null))),
    ("unique", |v| {
        let mut items = sorted(v)?;
        items.dedup_by(|a, b| a.compare(b).is_eq());
        J::list(items)
    }),
    ("reverse", |v| match v {
        J::Str(text) => Ok(J::str(&text.chars().rev().collect::<String>())),
        J::Null => J::list(Vec::new()),
        other => J::list(list(other)?.iter().rev().cloned().collect()),
    }),
    ("ascii_downcase", |v| Ok(J::str(&text(v)?.to_ascii_lowercase()))),
    ("ascii_upcase", |v| Ok(J::str(&text(v)?.to_ascii_uppercase()))),
    ("trim", |v| Ok(J::str(text(v)?.trim()))),
    ("ltrim", |v| Ok(J::str(text(v)?.trim_start()))),
    ("rtrim", |v| Ok(J::str(text(v)?.trim_end()))),
    ("explode", |v| J::list(text(v)?.chars().map(|c| J::Int(i64::from(u32::from(c)))).collect())),
    ("implode", |v| {
        let c = |code: &J| code.as_i64().and_then(|code| u32::try_from(code).ok()).and_then(char::from_u32);
        let text: Option<String> = list(v)?.iter().map(c).collect();
        text.map(|text| J::str(&text)).ok_or_else(|| "implode needs a list of code points".to_owned())
    }),
];

/// A function of the input and one value.
type Unary = fn(&J, &J) -> Result<J, String>;

/// Functions of the input and one value.
const UNARY: [(&str, Unary); 14] = [
    ("has", has),
    ("contains", |v, other| Ok(J::Bool(contains(v, other)?))),
    ("startswith", |v, with| Ok(J::Bool(text(v)?.starts_with(text(with)?)))),
    ("endswith", |v, with| Ok(J::Bool(text(v)?.ends_with(text(with)?)))),
    ("ltrimstr", |v, with| Ok(trimmed(v, with, true))),
    ("rtrimstr", |v, with| Ok(trimmed(v, with, false))),
    ("split", |v, by| ops::split(text(v)?, text(by)?)),
    ("join", join),
    ("flatten", |v, depth| {
        let depth = depth.as_i64().filter(|depth| *depth >= 0).ok_or("flatten depth must not be negative")?;
        let mut out = Vec::new();
        flatten(list(v)?, depth, &mut out)?;
        J::list(out)
    }),
    ("getpath", |v, path| paths::get(v, list(path)?)),
    ("delpaths", |v, wanted| {
        let wanted: Result<Vec<Vec<J>>, String> =
            list(wanted)?.iter().map(|path| list(path).cloned()).collect();
        paths::delete(v, wanted?)
    }),
    ("indices", indices),
    ("index", |v, part| Ok(list(&indices(v, part)?)?.first().cloned().unwrap_or(J::Null))),
    ("rindex", |v, part| Ok(list(&indices(v, part)?)?.last().cloned().unwrap_or(J::Null))),
];

/// Functions whose argument is a filter, and others that are no values.
const FILTERS: [(&str, usize); 29] = [
    ("empty", 0),
    ("error", 0),
    ("error", 1),
    ("range", 1),
    ("range", 2),
    ("range", 3),
    ("path", 1),
    ("first", 1),
    ("limit", 2),
    ("sort_by", 1),
    ("group_by", 1),
    ("unique_by", 1),
    ("min_by", 1),
    ("max_by", 1),
    ("setpath", 2),
    ("flatten", 0),
    ("pow", 2),
    ("test", 1),
    ("test", 2),
    ("match", 1),
    ("match", 2),
    ("capture", 1),
    ("capture", 2),
    ("scan", 1),
    ("scan", 2),
    ("sub", 2),
    ("sub", 3),
    ("gsub", 2),
    ("gsub", 3),
];

/// Whether there is such a function.
pub(super) fn exists(name: &str, arguments: usize) -> bool {
    match arguments {
        0 if PLAIN.iter().any(|(known, _)| *known == name) => true,
        1 if UNARY.iter().any(|(known, _)| *known == name) => true,
        _ => FILTERS.contains(&(name, arguments)),
    }
}

/// Calls a function that exists; `calls` has seen to that before the run.
pub(super) fn call<'a>(
    machine: &mut Machine,
    name: &str,
    arguments: &'a [Ast],
    env: &Env<'a>,
    input: &Item,
    out: Out<'_>,
) -> Flow {
    machine.pay(input.value.cost())?;
    let value = &input.value;
    match arguments {
        [] => match PLAIN.iter().find(|(known, _)| *known == name) {
            Some((_, function)) => machine.give(input, function(value)?, out),
            None => match name {
                "empty" => Ok(()),
                "flatten" => {
                    let mut flat = Vec::new();
                    flatten(list(value)?, i64::MAX, &mut flat)?;
                    machine.give(input, J::list(flat)?, out)
                }
                _ => Err(Stop::Error(value.clone())),
            },
        },
        [argument] => match UNARY.iter().find(|(known, _)| *known == name) {
            // a path as well: `paths(f)` and assignments go through it
            Some(_) if name == "getpath" => {
                machine.eval(argument, env, Item::plain(value.clone()), &mut |machine, path| {
                    let keys = list(&path.value)?.clone();
                    let found = paths::get(value, &keys)?;
                    let place = input
                        .path
                        .as_ref()
                        .map(|before| Rc::new(before.iter().cloned().chain(keys).collect::<Vec<J>>()));
                    out(machine, Item { value: found, path: place })
                })
            }
            Some((_, function)) => {
                machine.eval(argument, env, Item::plain(value.clone()), &mut |machine, argument| {
                    machine.pay(value.cost() + argument.value.cost())?;
                    machine.give(input, function(value, &argument.value)?, out)
                })
            }
            None => filter(machine, name, argument, env, input, out),
        },
        several => many(machine, name, several, env, input, out),
    }
}

/// Functions of one filter.
fn filter<'a>(
    machine: &mut Machine,
    name: &str,
    argument: &'a Ast,
    env: &Env<'a>,
    input: &Item,
    out: Out<'_>,
) -> Flow {
    let plain = Item::plain(input.value.clone());
    match name {
        "error" => machine.eval(argument, env, plain, &mut |_, item| Err(Stop::Error(item.value))),
        "range" => machine.eval(argument, env, plain, &mut |machine, to| {
            range(machine, input, 0.0, number(&to.value)?, 1.0, out)
        }),
        "path" => {
            for path in machine.paths(argument, env, &input.value)? {
                machine.give(input, J::list(path)?, out)?;
            }
            Ok(())
        }
        "first" => first(machine, 1, argument, env, input, out),
        "sort_by" | "group_by" | "unique_by" | "min_by" | "max_by" => {
            let value = by(machine, name, argument, env, &input.value)?;
            machine.give(input, value, out)
        }
        _ => matching(machine, name, std::slice::from_ref(argument), env, input, out),
    }
}

/// Functions of two and three arguments.
fn many<'a>(
    machine: &mut Machine,
    name: &str,
    arguments: &'a [Ast],
    env: &Env<'a>,
    input: &Item,
    out: Out<'_>,
) -> Flow {
    let plain = Item::plain(input.value.clone());
    let [first_argument, second, ..] = arguments else { return Ok(()) };
    match name {
        "range" => machine.eval(first_argument, env, plain.clone(), &mut |machine, from| {
            machine.eval(second, env, plain.clone(), &mut |machine, to| {
                let (from, to) = (number(&from.value)?, number(&to.value)?);
                match arguments.get(2) {
                    None => range(machine, input, from, to, 1.0, out),
                    Some(step) => machine.eval(step, env, plain.clone(), &mut |machine, step| {
                        range(machine, input, from, to, number(&step.value)?, out)
                    }),
                }
            })
        }),
        "limit" => machine.eval(first_argument, env, plain, &mut |machine, count| {
            let count = count.value.as_i64().unwrap_or(0);
            match u64::try_from(count) {
                Ok(count) if count > 0 => first(machine, count, second, env, input, out),
                _ => Ok(()),
            }
        }),
        "setpath" => machine.eval(first_argument, env, plain.clone(), &mut |machine, path| {
            let path = list(&path.value)?.clone();
            machine.eval(second, env, plain.clone(), &mut |machine, new| {
                let value = machine.put(&input.value, &path, new.value)?;
                machine.give(input, value, out)
            })
        }),
        "pow" => machine.eval(first_argument, env, plain.clone(), &mut |machine, base| {
            machine.eval(second, env, plain.clone(), &mut |machine, power| {
                machine.give(input, J::number(number(&base.value)?.powf(number(&power.value)?)), out)
            })
        }),
        _ => matching(machine, name, arguments, env, input, out),
    }
}

/// Functions of a regular expression: the first argument, and flags as the last.
fn matching<'a>(
    machine: &mut Machine,
    name: &str,
    arguments: &'a [Ast],
    env: &Env<'a>,
    input: &Item,
    out: Out<'_>,
) -> Flow {
    let plain = Item::plain(input.value.clone());
    let Some(pattern) = arguments.first() else { return Ok(()) };
    let replaces = matches!(name, "sub" | "gsub");
    let flags = arguments.get(if replaces { 2 } else { 1 });
    machine.eval(pattern, env, plain.clone(), &mut |machine, pattern| {
        let mut given = String::new();
        if let Some(flags) = flags {
            machine.eval(flags, env, plain.clone(), &mut |_, item| {
                given = item.value.as_str().unwrap_or_default().to_owned();
                Ok(())
            })?;
        }
        if matches!(name, "gsub" | "scan") {
            given.push('g');
        }
        let source = text(&input.value)?;
        machine.pay(source.len() as u64)?;
        let (pattern, given) = regexes::arguments(&pattern.value, &given)?;
        let found = regexes::matches(source, &pattern, &given)?;
        machine.pay(found.iter().map(J::cost).sum())?;
        match name {
            "test" => machine.give(input, J::Bool(!found.is_empty()), out),
            "match" => found.into_iter().try_for_each(|found| machine.give(input, found, out)),
            "capture" => {
                found.iter().try_for_each(|found| machine.give(input, regexes::captured(found)?, out))
            }
            "scan" => found.iter().try_for_each(|found| machine.give(input, regexes::scanned(found)?, out)),
            _ => replace(machine, source, &found, arguments.get(1), env, input, out),
        }
    })
}

fn replace<'a>(
    machine: &mut Machine,
    source: &str,
    found: &[J],
    with: Option<&'a Ast>,
    env: &Env<'a>,
    input: &Item,
    out: Out<'_>,
) -> Flow {
    let Some(with) = with else { return Ok(()) };
    let mut result = String::new();
    let mut at = 0;
    for one in found {
        let (from, to) = regexes::range(source, one);
        result.push_str(source.get(at..from).unwrap_or_default());
        let mut new = String::new();
        machine.eval(with, env, Item::plain(regexes::captured(one)?), &mut |_, item| {
            new = text(&item.value)?.to_owned();
            Ok(())
        })?;
        machine.pay(1 + new.len() as u64 / 16)?;
        result.push_str(&new);
        at = to;
    }
    result.push_str(source.get(at..).unwrap_or_default());
    machine.give(input, J::str(&result), out)
}

fn first<'a>(
    machine: &mut Machine,
    count: u64,
    filter: &'a Ast,
    env: &Env<'a>,
    input: &Item,
    out: Out<'_>,
) -> Flow {
    let mut left = count;
    let mut inner = Ok(());
    let flow = machine.eval(filter, env, input.clone(), &mut |machine, item| {
        left -= 1;
        inner = out(machine, item);
        if inner.is_err() || left == 0 { Err(Stop::Enough) } else { Ok(()) }
    });
    match flow {
        Err(Stop::Enough) if inner.is_err() || left == 0 => inner,
        other => other,
    }
}

fn range(machine: &mut Machine, input: &Item, from: f64, to: f64, step: f64, out: Out<'_>) -> Flow {
    if step == 0.0 || step.is_nan() {
        return Ok(());
    }
    let mut at = from;
    while if step > 0.0 { at < to } else { at > to } {
        machine.give(input, J::number(at), out)?;
        at += step;
    }
    Ok(())
}

fn by<'a>(machine: &mut Machine, name: &str, filter: &'a Ast, env: &Env<'a>, value: &J) -> Result<J, Stop> {
    let mut keyed = Vec::new();
    for item in list(value)? {
        let mut key = Vec::new();
        machine.eval(filter, env, Item::plain(item.clone()), &mut |_, found| {
            key.push(found.value);
            Ok(())
        })?;
        keyed.push((J::list(key)?, item.clone()));
    }
    machine.pay(keyed.len() as u64 * 8)?;
    if name != "min_by" && name != "max_by" {
        keyed.sort_by(|(a, _), (b, _)| a.compare(b));
    }
    let values = |keyed: Vec<(J, J)>| J::list(keyed.into_iter().map(|(_, item)| item).collect());
    Ok(match name {
        "sort_by" => values(keyed)?,
        "min_by" => keyed.into_iter().min_by(|(a, _), (b, _)| a.compare(b)).map_or(J::Null, |(_, item)| item),
        "max_by" => keyed.into_iter().max_by(|(a, _), (b, _)| a.compare(b)).map_or(J::Null, |(_, item)| item),
        "unique_by" => {
            keyed.dedup_by(|(a, _), (b, _)| a.compare(b).is_eq());
            values(keyed)?
        }
        _ => {
            let mut groups: Vec<(J, Vec<J>)> = Vec::new();
            for (key, item) in keyed {
                match groups.last_mut() {
                    Some((last, items)) if last.compare(&key).is_eq() => items.push(item),
                    _ => groups.push((key, vec![item])),
                }
            }
            J::list(groups.into_iter().map(|(_, items)| J::list(items)).collect::<Result<_, _>>()?)?
        }
    })
}

fn to_i64(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn text(value: &J) -> Result<&str, String> {
    value.as_str().ok_or_else(|| format!("{} is not a string", value.shown()))
}

fn number(value: &J) -> Result<f64, String> {
    value.as_f64().ok_or_else(|| format!("{} is not a number", value.shown()))
}

fn list(value: &J) -> Result<&Vec<J>, String> {
    match value {
        J::Arr(list) => Ok(&list.inner),
        other => Err(format!("{} is not an array", other.shown())),
    }
}

fn sorted(value: &J) -> Result<Vec<J>, String> {
    let mut items = list(value)?.clone();
    items.sort_by(J::compare);
    Ok(items)
}

fn length(value: &J) -> Result<J, String> {
    Ok(match value {
        J::Null => J::Int(0),
        J::Bool(_) => return Err(format!("{} has no length", value.shown())),
        J::Int(_) | J::Float(_) => J::number(number(value)?.abs()),
        J::Str(text) => J::Int(to_i64(text.chars().count())),
        J::Arr(list) => J::Int(to_i64(list.inner.len())),
        J::Obj(map) => J::Int(to_i64(map.inner.len())),
    })
}

fn to_number(value: &J) -> Result<J, String> {
    match value {
        J::Int(_) | J::Float(_) => Ok(value.clone()),
        J::Str(text) => match (text.parse::<i64>(), text.parse::<f64>()) {
            (Ok(whole), _) => Ok(J::Int(whole)),
            (Err(_), Ok(number)) if number.is_finite() => Ok(J::number(number)),
            _ => Err(format!("{} cannot be parsed as a number", value.shown())),
        },
        other => Err(format!("{} cannot be parsed as a number", other.shown())),
    }
}

fn has(value: &J, key: &J) -> Result<J, String> {
    match (value, key) {
        (J::Obj(map), J::Str(name)) => Ok(J::Bool(map.inner.contains_key(name))),
        (J::Arr(list), key) if key.as_i64().is_some() => {
            let index = key.as_i64().and_then(|index| usize::try_from(index).ok());
            Ok(J::Bool(index.is_some_and(|index| index < list.inner.len())))
        }
        _ => Err(format!("cannot check whether {} has a key {}", value.type_name(), key.shown())),
    }
}

fn contains(value: &J, other: &J) -> Result<bool, String> {
    match (value, other) {
        (J::Obj(a), J::Obj(b)) => {
            let mut inside = b.inner.iter().map(|(key, wanted)| match a.inner.get(key) {
                Some(found) => contains(found, wanted),
                None => Ok(false),
            });
            inside.try_fold(true, |all, one| Ok(all && one?))
        }
        (J::Arr(a), J::Arr(b)) => {
            if a.inner.len().saturating_mul(b.inner.len()) > 1_000_000 {
                return Err("the lists are too long to compare".to_owned());
            }
            Ok(b.inner
                .iter()
                .all(|wanted| a.inner.iter().any(|found| contains(found, wanted).unwrap_or(false))))
        }
        (J::Str(a), J::Str(b)) => Ok(a.contains(b.as_ref())),
        _ if value.type_name() == other.type_name() => Ok(value.compare(other).is_eq()),
        _ => Err(format!("{} and {} cannot have their containment checked", value.shown(), other.shown())),
    }
}

fn trimmed(value: &J, with: &J, front: bool) -> J {
    let (Some(text), Some(with)) = (value.as_str(), with.as_str()) else { return value.clone() };
    let stripped = if front { text.strip_prefix(with) } else { text.strip_suffix(with) };
    stripped.map_or_else(|| value.clone(), J::str)
}

fn join(value: &J, between: &J) -> Result<J, String> {
    let mut out = String::new();
    for (i, item) in list(value)?.iter().enumerate() {
        if i > 0 {
            out.push_str(text(between)?);
        }
        match item {
            J::Null => {}
            J::Arr(_) | J::Obj(_) => return Err(format!("{} cannot be joined", item.shown())),
            other => out.push_str(&formats::plain(other)),
        }
    }
    Ok(J::str(&out))
}

fn flatten(items: &[J], depth: i64, out: &mut Vec<J>) -> Result<(), String> {
    for item in items {
        match item {
            J::Arr(inner) if depth > 0 => flatten(&inner.inner, depth - 1, out)?,
            other => out.push(other.clone()),
        }
    }
    Ok(())
}

fn indices(value: &J, part: &J) -> Result<J, String> {
    match (value, part) {
        (J::Null, _) => Ok(J::Null),
        (J::Str(text), J::Str(part)) => {
            let mut found = Vec::new();
            let mut from = 0;
            while let Some(at) =
                text.get(from..).and_then(|rest| rest.find(part.as_ref())).filter(|_| !part.is_empty())
            {
                found.push(J::Int(to_i64(from + at)));
                from +=
                    at + text.get(from + at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8);
            }
            J::list(found)
        }
        (J::Arr(_), J::Arr(_)) => ops::index(value, part),
        (J::Arr(list), item) => {
            let found = list.inner.iter().enumerate().filter(|(_, other)| other.compare(item).is_eq());
            J::list(found.map(|(at, _)| J::Int(to_i64(at))).collect())
        }
        _ => Err(format!("cannot find {} in {}", part.shown(), value.shown())),
    }
}

/// A map of names to values.
pub(super) fn fields(entries: Vec<(&str, J)>) -> Result<J, String> {
    J::map(entries.into_iter().map(|(key, value)| (Rc::from(key), value)).collect::<Fields>())
}
