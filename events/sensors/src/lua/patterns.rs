//! `string.find`, `match`, `gmatch`, `gsub` and `rep` of Lua, with a budget that a script's calls share.
//! The matching itself is in `matcher`.

use std::cell::Cell;
use std::rc::Rc;

use mlua::{Function, Lua, MultiValue, Result, String as LuaString, Value};

use super::MEMORY_LIMIT;
use super::matcher::{Capture, Matcher};

/// Steps of all matching of one script.
const STEPS_LIMIT: u64 = 20_000_000;

type Budget = Rc<Cell<u64>>;

/// Puts the functions in place of the library's.
pub(super) fn install(lua: &Lua) -> Result<()> {
    let budget: Budget = Rc::new(Cell::new(STEPS_LIMIT));
    let string: mlua::Table = lua.globals().get("string")?;
    let shared = Rc::clone(&budget);
    let find =
        move |lua: &Lua, (s, p, init, plain): FindArguments| search(lua, &shared, &s, &p, init, Some(plain));
    string.set("find", lua.create_function(find)?)?;
    let shared = Rc::clone(&budget);
    let first = move |lua: &Lua, (s, p, init): (LuaString, LuaString, Option<i64>)| {
        search(lua, &shared, &s, &p, init, None)
    };
    string.set("match", lua.create_function(first)?)?;
    let shared = Rc::clone(&budget);
    let all = move |lua: &Lua, (s, p): (LuaString, LuaString)| gmatch(lua, &shared, &s, &p);
    string.set("gmatch", lua.create_function(all.clone())?)?;
    string.set("gfind", lua.create_function(all)?)?;
    let shared = Rc::clone(&budget);
    let replace = move |lua: &Lua, (s, p, with, most): (LuaString, LuaString, Value, Option<i64>)| {
        gsub(lua, &shared, &s, &p, &with, most)
    };
    string.set("gsub", lua.create_function(replace)?)?;
    let repeat = move |lua: &Lua, (s, count, between): (LuaString, i64, Option<LuaString>)| {
        rep(lua, &budget, &s, count, between)
    };
    string.set("rep", lua.create_function(repeat)?)
}

type FindArguments = (LuaString, LuaString, Option<i64>, Option<bool>);

fn wrong(message: impl Into<String>) -> mlua::Error {
    mlua::Error::RuntimeError(message.into())
}

fn take(budget: &Budget, steps: u64) -> Result<()> {
    let left = budget.get().checked_sub(steps).ok_or_else(|| wrong("the script handles too much text"))?;
    budget.set(left);
    Ok(())
}

/// Lua's position argument as an offset.
fn offset(init: Option<i64>, length: usize) -> usize {
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    let at = match init.unwrap_or(1) {
        at if at > 0 => at - 1,
        0 => 0,
        at => (length + at).max(0),
    };
    usize::try_from(at).unwrap_or(0)
}

fn position(at: usize) -> Value {
    Value::Integer(i64::try_from(at).unwrap_or(i64::MAX))
}

/// `find` (with `plain`) and `match`.
fn search(
    lua: &Lua,
    budget: &Budget,
    s: &LuaString,
    p: &LuaString,
    init: Option<i64>,
    find: Option<Option<bool>>,
) -> Result<MultiValue> {
    let (text, pattern) = (s.as_bytes(), p.as_bytes());
    let nothing = || MultiValue::from_vec(vec![Value::Nil]);
    let from = offset(init, text.len());
    if from > text.len() {
        return Ok(nothing());
    }
    if find.is_some_and(|plain| plain == Some(true)) {
        take(budget, text.len() as u64)?;
        let rest = text.get(from..).unwrap_or_default();
        let found = if pattern.is_empty() {
            Some(0)
        } else {
            rest.windows(pattern.len()).position(|window| window == &*pattern)
        };
        return Ok(match found {
            Some(at) => {
                MultiValue::from_vec(vec![position(from + at + 1), position(from + at + pattern.len())])
            }
            None => nothing(),
        });
    }
    let anchored = pattern.first() == Some(&b'^');
    let mut matcher = Matcher::new(&text, &pattern, budget.get());
    let mut at = from;
    let found = loop {
        match matcher.at(at, usize::from(anchored)) {
            Ok(Some(end)) => break Some((at, end)),
            Ok(None) if !anchored && at < text.len() => at += 1,
            Ok(None) => break None,
            Err(message) => return Err(wrong(message)),
        }
    };
    budget.set(matcher.steps);
    let Some((at, end)) = found else { return Ok(nothing()) };
    let mut out = Vec::new();
    if find.is_some() {
        out.extend([position(at + 1), position(end)]);
        out.extend(captures(lua, &text, &matcher.captures, None)?);
    } else {
        out.extend(captures(lua, &text, &matcher.captures, Some((at, end)))?);
    }
    Ok(MultiValue::from_vec(out))
}

/// The captures as values; the whole match when there are none and it is wanted.
fn captures(
    lua: &Lua,
    text: &[u8],
    captures: &[Capture],
    whole: Option<(usize, usize)>,
) -> Result<Vec<Value>> {
    let string = |from: usize, to: usize| -> Result<Value> {
        Ok(Value::String(lua.create_string(text.get(from..to).unwrap_or_default())?))
    };
    if captures.is_empty() {
        return whole.into_iter().map(|(from, to)| string(from, to)).collect();
    }
    let value = |capture: &Capture| match capture {
        Capture::Text(from, to) => string(*from, *to),
        Capture::Position(at) => Ok(position(at + 1)),
        Capture::Open(_) => Err(wrong("unfinished capture")),
    };
    captures.iter().map(value).collect()
}

fn gmatch(lua: &Lua, budget: &Budget, s: &LuaString, p: &LuaString) -> Result<Function> {
    let (text, pattern) = (s.as_bytes().to_vec(), p.as_bytes().to_vec());
    let budget = Rc::clone(budget);
    let next = Cell::new((0_usize, usize::MAX));
    lua.create_function(move |lua, ()| {
        let (mut at, last) = next.get();
        while at <= text.len() {
            let mut matcher = Matcher::new(&text, &pattern, budget.get());
            let found = matcher.at(at, 0).map_err(wrong)?;
            budget.set(matcher.steps);
            match found {
                Some(end) if end != last => {
                    next.set((end, end));
                    return Ok(MultiValue::from_vec(captures(
                        lua,
                        &text,
                        &matcher.captures,
                        Some((at, end)),
                    )?));
                }
                _ => at += 1,
            }
        }
        next.set((text.len() + 1, last));
        Ok(MultiValue::from_vec(vec![Value::Nil]))
    })
}

fn gsub(
    lua: &Lua,
    budget: &Budget,
    s: &LuaString,
    p: &LuaString,
    with: &Value,
    most: Option<i64>,
) -> Result<(LuaString, i64)> {
    let (text, pattern) = (s.as_bytes(), p.as_bytes());
    let anchored = pattern.first() == Some(&b'^');
    let most = most.unwrap_or(i64::MAX);
    let (mut out, mut at, mut count, mut last) = (Vec::new(), 0_usize, 0_i64, usize::MAX);
    while count < most {
        let mut matcher = Matcher::new(&text, &pattern, budget.get());
        let found = matcher.at(at, usize::from(anchored)).map_err(wrong)?;
        budget.set(matcher.steps);
        match found {
            Some(end) if end != last => {
                count += 1;
                let values = captures(lua, &text, &matcher.captures, Some((at, end)))?;
                let whole = text.get(at..end).unwrap_or_default();
                let new = replacement(lua, with, whole, values)?;
                take(budget, new.len() as u64)?;
                out.extend(new);
                (at, last) = (end, end);
            }
            _ => match text.get(at) {
                Some(byte) => {
                    out.push(*byte);
                    at += 1;
                }
                None => break,
            },
        }
        if out.len() > MEMORY_LIMIT {
            return Err(wrong("the result of gsub is too long"));
        }
        if anchored {
            break;
        }
    }
    out.extend(text.get(at..).unwrap_or_default());
    Ok((lua.create_string(out)?, count))
}

/// What stands in place of one match.
fn replacement(lua: &Lua, with: &Value, whole: &[u8], captures: Vec<Value>) -> Result<Vec<u8>> {
    let first = captures.first().cloned().unwrap_or(Value::Nil);
    let value = match with {
        Value::String(text) => return filled(&text.as_bytes(), whole, &captures),
        Value::Integer(_) | Value::Number(_) => with.clone(),
        Value::Table(table) => table.get(first)?,
        Value::Function(function) => function.call(MultiValue::from_vec(captures))?,
        _ => return Err(wrong("gsub replaces by a string, a table or a function")),
    };
    match &value {
        Value::Nil | Value::Boolean(false) => Ok(whole.to_vec()),
        other => bytes(lua, other),
    }
}

fn bytes(lua: &Lua, value: &Value) -> Result<Vec<u8>> {
    match lua.coerce_string(value.clone())? {
        Some(text) => Ok(text.as_bytes().to_vec()),
        None => Err(wrong(format!("invalid replacement value (a {})", value.type_name()))),
    }
}

fn filled(template: &[u8], whole: &[u8], captures: &[Value]) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    let mut rest = template.iter();
    while let Some(byte) = rest.next() {
        if *byte != b'%' {
            out.push(*byte);
            continue;
        }
        match rest.next() {
            Some(b'0') => out.extend(whole),
            Some(b'%') => out.push(b'%'),
            Some(digit) if digit.is_ascii_digit() => match captures.get(usize::from(digit - b'1')) {
                Some(Value::String(text)) => out.extend_from_slice(&text.as_bytes()),
                Some(Value::Integer(at)) => out.extend(at.to_string().bytes()),
                _ => return Err(wrong("invalid capture index in the replacement")),
            },
            _ => return Err(wrong("invalid use of '%' in the replacement")),
        }
    }
    Ok(out)
}

fn rep(
    lua: &Lua,
    budget: &Budget,
    s: &LuaString,
    count: i64,
    between: Option<LuaString>,
) -> Result<LuaString> {
    let count = usize::try_from(count).unwrap_or(0);
    let between = between.map(|text| text.as_bytes().to_vec()).unwrap_or_default();
    let length = (s.as_bytes().len() + between.len()).saturating_mul(count);
    if length > MEMORY_LIMIT / 2 {
        return Err(wrong("the result of rep is too long"));
    }
    take(budget, length as u64)?;
    let text = s.as_bytes().to_vec();
    lua.create_string(vec![text.as_slice(); count].join(between.as_slice()))
}
