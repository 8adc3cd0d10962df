//! The Lua state that scripts run in: which functions there are and how far they get.
//! Does not know what scripts are for.

use std::cell::Cell;
use std::rc::Rc;

use mlua::{ChunkMode, HookTriggers, Lua, LuaOptions, StdLib, Value as LuaValue};
use serde_json::Value;

use super::{MEMORY_LIMIT, Returned, convert, patterns};

/// Instructions of one script.
const STEPS_LIMIT: u32 = 5_000_000;
/// Instructions between two looks.
const STEPS_AT_ONCE: u32 = 1000;
/// Holding so many bytes makes every instruction cost one step more: instructions on long texts take long.
const MEMORY_PER_STEP: usize = 256 << 10;
/// Globals of the base library that reach outside, load code, or catch the error that ends a script.
const REMOVED: [&str; 10] = [
    "dofile",
    "loadfile",
    "load",
    "loadstring",
    "require",
    "collectgarbage",
    "print",
    "warn",
    "pcall",
    "xpcall",
];
/// What Lua 5.1, which Argo Events runs, has under other names.
const OLD_NAMES: &str = "
unpack = table.unpack
table.getn = function(t) return #t end
math.pow = function(a, b) return a ^ b end
math.random = nil
math.randomseed = nil
string.dump = nil
";

/// A fresh state: nothing is left over from another event.
pub(super) fn new() -> Result<Lua, String> {
    let libraries = StdLib::TABLE | StdLib::STRING | StdLib::MATH;
    let lua = Lua::new_with(libraries, LuaOptions::default()).map_err(text)?;
    lua.set_memory_limit(MEMORY_LIMIT).map_err(text)?;
    let globals = lua.globals();
    for name in REMOVED {
        globals.raw_remove(name).map_err(text)?;
    }
    lua.load(OLD_NAMES).set_mode(ChunkMode::Text).exec().map_err(text)?;
    patterns::install(&lua).map_err(text)?;
    let spent = Rc::new(Cell::new(0_u32));
    let triggers = HookTriggers::new().every_nth_instruction(STEPS_AT_ONCE);
    lua.set_hook(triggers, move |lua, _| {
        let weight =
            1 + u32::try_from(lua.used_memory() / MEMORY_PER_STEP).unwrap_or(u32::MAX / STEPS_AT_ONCE - 1);
        spent.set(spent.get().saturating_add(STEPS_AT_ONCE.saturating_mul(weight)));
        if spent.get() > STEPS_LIMIT {
            return Err(mlua::Error::RuntimeError(format!("the script takes more than {STEPS_LIMIT} steps")));
        }
        Ok(mlua::VmState::Continue)
    })
    .map_err(text)?;
    Ok(lua)
}

/// Compiles a script and throws it away.
pub(super) fn compile(lua: &Lua, source: &str) -> Result<(), String> {
    lua.load(source).set_name("=script").set_mode(ChunkMode::Text).into_function().map(|_| ()).map_err(text)
}

/// Runs a script.
pub(super) fn eval(lua: &Lua, source: &str, event: &Value) -> Result<Returned, String> {
    let table = convert::to_lua(lua, event).map_err(text)?;
    lua.globals().set("event", table).map_err(text)?;
    let chunk = lua.load(source).set_name("=script").set_mode(ChunkMode::Text);
    match chunk.eval::<LuaValue>().map_err(text)? {
        LuaValue::Nil => Ok(Returned::Nothing),
        LuaValue::Table(table) => convert::from_table(&table, 0).map(Returned::Table),
        other => convert::from_lua(&other, 0).map(Returned::Scalar),
    }
}

/// An error without the trace of Lua's stack.
fn text(error: mlua::Error) -> String {
    let text = error.to_string();
    let end = text.find("\nstack traceback").unwrap_or(text.len());
    text.get(..end).unwrap_or_default().trim().to_owned()
}
