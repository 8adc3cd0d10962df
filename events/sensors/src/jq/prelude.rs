//! The functions of jq that are written in jq.
//! Those that need Rust are in `builtins`.

use std::sync::LazyLock;

use super::ast::{Ast, Def};
use super::parser;

const SOURCE: &str = r#"
def values: select(. != null);
def nulls: select(. == null);
def booleans: select(type == "boolean");
def numbers: select(type == "number");
def strings: select(type == "string");
def arrays: select(type == "array");
def objects: select(type == "object");
def iterables: select(type == "array" or type == "object");
def scalars: select(type != "array" and type != "object");
def select(f): if f then . else empty end;
def recurse: ..;
def recurse(f): def r: ., (f | r); r;
def recurse(f; c): def r: ., (f | select(c) | r); r;
def map(f): [.[] | f];
def map_values(f): .[] |= f;
def to_entries: [keys[] as $k | {key: $k, value: .[$k]}];
def from_entries: reduce .[] as $e ({}; . + {($e | if type == "array" then .[0] else (if has("key") then .key elif has("k") then .k elif has("name") then .name elif has("Name") then .Name elif has("Key") then .Key else null end) end | if type == "string" then . elif type == "null" then "null" else tojson end): ($e | if type == "array" then .[1] elif has("value") then .value elif has("v") then .v elif has("Value") then .Value else null end)});
def with_entries(f): to_entries | map(f) | from_entries;
def del(f): delpaths([path(f)]);
def paths: path(..) | select(length > 0);
def paths(f): path(.. | select(f)) | select(length > 0);
def leaf_paths: paths(scalars);
def pick(f): . as $in | reduce path(f) as $p (null; setpath($p; $in | getpath($p)));
def any(f): reduce (.[] | f) as $x (false; . or $x);
def all(f): reduce (.[] | f) as $x (true; . and $x);
def any(g; f): isempty(first(g | f | select(.))) | not;
def all(g; f): isempty(first(g | f | select(. | not)));
def isempty(g): label $go | (g | false, break $go), true;
def add(f): reduce f as $x (null; . + $x);
def in(o): . as $k | o | has($k);
def inside(o): . as $x | o | contains($x);
def first: .[0];
def last: .[-1];
def last(f): reduce f as $x (null; $x);
def nth($n): .[$n];
def nth($n; f): last(limit($n + 1; f));
def skip($n; f): foreach f as $x ($n; . - 1; if . < 0 then $x else empty end);
def until(c; u): def r: if c then . else (u | r) end; r;
def while(c; u): def r: if c then ., (u | r) else empty end; r;
def repeat(u): def r: ., (u | r); r;
def toarray: if type == "array" then . else [.] end;
def transpose: if . == [] then [] else . as $in | (map(length) | max) as $n | [range(0; $n) as $j | [range(0; $in | length) as $i | $in[$i][$j]]] end;
def walk(f): def w: if type == "object" then map_values(w) elif type == "array" then map(w) else . end | f; w;
def split($re; $flags): . as $s | [foreach ((match($re; ($flags // "") + "g") | [.offset, .length]), null) as $m ([0, null]; if $m == null then [.[0], $s[.[0]:]] else [$m[0] + $m[1], $s[.[0]:$m[0]]] end; .[1])];
def splits($re; $flags): split($re; $flags) | .[];
def splits($re): splits($re; null);
def combinations: if length == 0 then [] else .[0][] as $x | (.[1:] | combinations) as $w | [$x] + $w end;
def ascii: [.] | implode;
def finites: select(isinfinite or isnan | not);
def normals: select(isinfinite or isnan or . == 0 | not);
def debug: .;
def debug(f): .;
"#;

static DEFINITIONS: LazyLock<Result<Vec<Def>, String>> = LazyLock::new(|| {
    let mut ast =
        parser::parse(&format!("{SOURCE} .")).map_err(|message| format!("the prelude of jq: {message}"))?;
    let mut out = Vec::new();
    while let Ast::Define(def, rest) = ast {
        out.push(*def);
        ast = *rest;
    }
    // `select` and the like may stand before their definition
    out.sort_by_key(|def| !BASIC.contains(&def.name.as_str()));
    Ok(out)
});

/// What the others are made of.
const BASIC: [&str; 3] = ["select", "isempty", "map"];

/// The definitions, in an order in which each sees those before it.
pub(super) fn definitions() -> Result<&'static [Def], String> {
    DEFINITIONS.as_deref().map_err(Clone::clone)
}
