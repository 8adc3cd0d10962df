//! sprig's arithmetic: whole numbers unless the name ends in `f`; strings are converted first.
//! expr's own operators are in `lang/ops.rs`.

use crate::expr::builtins::{Call, Entry, MANY};
use crate::expr::error::ExprError;
use crate::expr::sprig::convert::{to_float, to_int};
use crate::expr::val::Val;

pub(super) const FUNCTIONS: &[Entry] = &[
    ("add", 1, MANY, |c| ints(c, i64::wrapping_add)),
    ("add1", 1, 1, |c| Ok(Val::Int(int(c, 0).wrapping_add(1)))),
    ("sub", 2, 2, |c| ints(c, i64::wrapping_sub)),
    ("mul", 1, MANY, |c| ints(c, i64::wrapping_mul)),
    ("div", 2, 2, |c| match int(c, 1) {
        0 => Err(ExprError::value("sprig.div: integer divide by zero")),
        by => Ok(Val::Int(int(c, 0).wrapping_div(by))),
    }),
    ("mod", 2, 2, |c| match int(c, 1) {
        0 => Err(ExprError::value("sprig.mod: integer divide by zero")),
        by => Ok(Val::Int(int(c, 0).wrapping_rem(by))),
    }),
    ("max", 1, MANY, |c| ints(c, i64::max)),
    ("biggest", 1, MANY, |c| ints(c, i64::max)),
    ("min", 1, MANY, |c| ints(c, i64::min)),
    ("addf", 1, MANY, |c| floats(c, |a, b| a + b)),
    ("add1f", 1, 1, |c| Ok(Val::Float(to_float(&c.arg(0)) + 1.0))),
    ("subf", 1, MANY, |c| floats(c, |a, b| a - b)),
    ("mulf", 1, MANY, |c| floats(c, |a, b| a * b)),
    ("divf", 1, MANY, |c| floats(c, |a, b| a / b)),
    ("maxf", 1, MANY, |c| floats(c, f64::max)),
    ("minf", 1, MANY, |c| floats(c, f64::min)),
    ("floor", 1, 1, |c| Ok(Val::Float(to_float(&c.arg(0)).floor()))),
    ("ceil", 1, 1, |c| Ok(Val::Float(to_float(&c.arg(0)).ceil()))),
    ("round", 2, 3, |c| {
        let (value, places) = (to_float(&c.arg(0)), c.int(1)?);
        let up_from = if c.len() > 2 { to_float(&c.arg(2)) } else { 0.5 };
        let power = 10f64.powi(i32::try_from(places.clamp(-300, 300)).unwrap_or(0));
        let digit = value * power;
        let fraction = digit.fract();
        let rounded = if fraction >= up_from { digit.ceil() } else { digit.floor() };
        Ok(Val::Float(rounded / power))
    }),
    ("len", 1, 1, crate::expr::builtins::len),
];

fn int(c: &Call<'_, '_>, i: usize) -> i64 {
    to_int(&c.arg(i))
}

fn ints(c: &mut Call<'_, '_>, op: fn(i64, i64) -> i64) -> Result<Val, ExprError> {
    let count = c.args.len() as u64;
    c.fuel().spend(count)?;
    let mut all = c.args.iter().map(to_int);
    let first = all.next().unwrap_or(0);
    Ok(Val::Int(all.fold(first, op)))
}

fn floats(c: &mut Call<'_, '_>, op: fn(f64, f64) -> f64) -> Result<Val, ExprError> {
    let count = c.args.len() as u64;
    c.fuel().spend(count)?;
    let mut all = c.args.iter().map(to_float);
    let first = all.next().unwrap_or(0.0);
    // sprig computes in decimals: 0.1 + 0.2 is 0.3, not 0.30000000000000004.
    let value = all.fold(first, op);
    Ok(Val::Float(format!("{value:.12}").parse().ok().filter(|_| value.abs() < 1e9).unwrap_or(value)))
}
