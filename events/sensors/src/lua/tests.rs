//! What scripts may do, what they may not, and that they end.
//! Filters and transforms have tests of their own.
#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::{Value, json};

use super::{Returned, check, run};

fn value(source: &str) -> Value {
    match run(source, &json!({"s": "release-1.20.3", "n": 3, "l": [1, 2, 3], "z": null})).unwrap() {
        Returned::Nothing => Value::Null,
        Returned::Scalar(value) | Returned::Table(value) => value,
    }
}

#[test]
fn scripts_see_the_event_and_return_a_value() {
    assert_eq!(value("return event.n + 1"), json!(4));
    assert_eq!(value("return event.l[1]"), json!(1));
    assert_eq!(value("return event.z == nil"), json!(true));
    assert_eq!(
        value("event.n = 7.5 event.x = {a = {1, 'b'}} return event"),
        json!({"s": "release-1.20.3", "n": 7.5, "l": [1, 2, 3], "x": {"a": [1, "b"]}})
    );
    assert_eq!(value("return setmetatable({}, {__is_array = true})"), json!([]));
    assert_eq!(value("local x = 1"), Value::Null);
    assert_eq!(value("return unpack({5})"), json!(5));
}

#[test]
fn patterns_match_as_in_lua() {
    assert_eq!(value("return event.s:match('^release%-(%d+)%.(%d+)')"), json!("1"));
    assert_eq!(value("local a, b = event.s:match('(%d+)%.(%d+)') return b"), json!("20"));
    assert_eq!(value("return select(2, ('a.b.c'):gsub('%.', '-'))"), json!(2));
    assert_eq!(value("return (('a.b.c'):gsub('%.', '-'))"), json!("a-b-c"));
    assert_eq!(value("return (('hello world'):gsub('(%w+)', '<%1>'))"), json!("<hello> <world>"));
    assert_eq!(value("return (('abc'):gsub('', '-'))"), json!("-a-b-c-"));
    assert_eq!(value("return (('abc'):gsub('%w', {a = '1', b = true and 'x'}))"), json!("1xc"));
    assert_eq!(value("return (('abc'):gsub('b', string.upper))"), json!("aBc"));
    assert_eq!(value("return ('f(a(b)c)d'):match('%b()')"), json!("(a(b)c)"));
    assert_eq!(value("return ('THE (quick) fox'):find('%((%a+)%)')"), json!(5));
    assert_eq!(value("return ('a+b'):find('+', 1, true)"), json!(2));
    assert_eq!(value("return ('THE quick'):gsub('%f[%a]%a+', 'X')"), json!("X X"));
    assert_eq!(
        value("local t = {} for k in ('a=1,b=2'):gmatch('(%w)=') do t[#t+1] = k end return t"),
        json!(["a", "b"])
    );
    assert_eq!(value("return ('x'):rep(3, ',')"), json!("x,x,x"));
    assert_eq!(value("return ('[a]b]'):match('[]]')"), json!("]"));
    assert_eq!(value("return ('aXb'):match('()X()')"), json!(2));
    assert_eq!(value("return ('abab'):match('(ab)%1')"), json!("ab"));
    for wrong in ["('a'):match('[a')", "('a'):match('%')", "('a'):match('(a')", "('a'):gsub('a', '%2')"] {
        assert!(run(&format!("return {wrong}"), &json!({})).is_err(), "{wrong}");
    }
}

#[test]
fn v4_scripts_cannot_reach_outside() {
    for outside in [
        "os",
        "io",
        "require",
        "load",
        "loadstring",
        "dofile",
        "debug",
        "package",
        "pcall",
        "collectgarbage",
        "coroutine",
        "print",
    ] {
        assert_eq!(value(&format!("return {outside} == nil")), json!(true), "{outside}");
    }
    assert!(check("\u{1b}Lua").is_err(), "compiled code");
    assert!(check("return event.").unwrap_err().contains("script:1"));
}

#[test]
fn f57_scripts_end() {
    for endless in [
        "while true do end",
        "local function f() return f() end return f()",
        "local function f() return 1 + f() end return f()",
        "local s = 'x' while true do s = s .. s end",
        "local t = {} while true do t[#t + 1] = {} end",
        "return ('x'):rep(1000000000)",
        "return ('a'):rep(30000):match('.-.-.-.-.-b')",
        "return ('a'):rep(30000):gsub('a*a*a*a*b', '')",
        "table.sort({3, 2, 1, 5, 4}, function() while true do end end)",
        "local t = {} t.t = t return t",
    ] {
        assert!(run(endless, &json!({})).is_err(), "{endless}");
    }
}
