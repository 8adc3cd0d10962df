//! JSON to Lua values and back, as Argo Events converts them.
//! Does not run anything.

use mlua::{Lua, Table, Value as LuaValue};
use serde_json::{Map, Number, Value};

/// Deepest nesting of a result.
const DEPTH_LIMIT: usize = 100;

/// A JSON value in Lua: lists start at 1, null is nil.
pub(super) fn to_lua(lua: &Lua, value: &Value) -> mlua::Result<LuaValue> {
    Ok(match value {
        Value::Null => LuaValue::Nil,
        Value::Bool(value) => LuaValue::Boolean(*value),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => LuaValue::Integer(whole),
            None => LuaValue::Number(number.as_f64().unwrap_or(0.0)),
        },
        Value::String(text) => LuaValue::String(lua.create_string(text)?),
        Value::Array(list) => {
            let table = lua.create_table_with_capacity(list.len(), 0)?;
            for (i, value) in list.iter().enumerate() {
                table.raw_set(i + 1, to_lua(lua, value)?)?;
            }
            LuaValue::Table(table)
        }
        Value::Object(map) => {
            let table = lua.create_table_with_capacity(0, map.len())?;
            for (key, value) in map {
                table.raw_set(key.as_str(), to_lua(lua, value)?)?;
            }
            LuaValue::Table(table)
        }
    })
}

/// A Lua value as JSON.
pub(super) fn from_lua(value: &LuaValue, depth: usize) -> Result<Value, String> {
    Ok(match value {
        LuaValue::Boolean(value) => Value::Bool(*value),
        LuaValue::Integer(value) => Value::from(*value),
        LuaValue::Number(value) => number(*value),
        LuaValue::String(text) => Value::String(text.to_string_lossy()),
        LuaValue::Table(table) => from_table(table, depth)?,
        _ => Value::Null,
    })
}

/// Whole numbers are written without a fraction, as Go writes them.
fn number(value: f64) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
    if value.fract() == 0.0 && value.abs() < 9.0e15 {
        return Value::from(value as i64);
    }
    Number::from_f64(value).map_or(Value::Null, Value::Number)
}

/// A table with elements from 1 on is a list, every other one a map; `__is_array` in its metatable makes an empty one
/// a list.
pub(super) fn from_table(table: &Table, depth: usize) -> Result<Value, String> {
    if depth > DEPTH_LIMIT {
        return Err(format!("the result nests deeper than {DEPTH_LIMIT} levels, or holds itself"));
    }
    let said = table.metatable().and_then(|meta| meta.raw_get::<bool>("__is_array").ok()).unwrap_or(false);
    let length = table.raw_len();
    if length > 0 || said {
        let mut list = Vec::new();
        for i in 1..=length {
            let value: LuaValue = table.raw_get(i).map_err(|error| error.to_string())?;
            list.push(from_lua(&value, depth + 1)?);
        }
        return Ok(Value::Array(list));
    }
    let mut map = Map::new();
    for pair in table.pairs::<LuaValue, LuaValue>() {
        let (key, value) = pair.map_err(|error| error.to_string())?;
        let key = match &key {
            LuaValue::String(text) => text.to_string_lossy(),
            other => from_lua(other, depth + 1)?.to_string(),
        };
        map.insert(key, from_lua(&value, depth + 1)?);
    }
    Ok(Value::Object(map))
}
