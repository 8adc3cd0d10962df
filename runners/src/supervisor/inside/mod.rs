//! The supervisor inside a pod: `runner __pod copy TARGET` brings it, `runner __pod run NAME -- COMMAND…` is it.
//! Knows neither engine nor cluster; all it has to say goes into the container's log (`crate::frames`).
//!
//! It is the first process of its container: it passes signals on, collects orphans, masks secrets, and after the
//! command has ended it sends the outputs and the record. It needs nothing of the image, hence it has to be linked
//! statically; the init container that brings it refuses otherwise.

mod bring;
mod output;
mod run;

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use crate::SecretValue;
use crate::frames::{self, ORDER_VARIABLE, Order, Record};
use crate::mask::Masks;
use output::Log;

/// The word after which the arguments follow.
pub const COMMAND: &str = "__pod";
/// Where the containers of a set tell each other how they ended: a file per container.
const ENDED: &str = "/var/run/argo/ctr";
/// Most bytes of a file of a Secret that is looked for in outputs.
const SECRET_BYTES: u64 = 1 << 20;
/// Exit code of a container of a set that was not to run, as Argo's.
const SKIPPED: u8 = 64;

/// Runs one of the two commands.
pub fn main(args: &[String]) -> ExitCode {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["copy", target] => match bring::bring(target) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                // Standard error of the init container: the engine shows it as the reason.
                let _ = writeln!(std::io::stderr(), "{error}");
                ExitCode::FAILURE
            }
        },
        ["run", name, "--", command @ ..] if !command.is_empty() => supervise(name, command),
        _other => ExitCode::from(2),
    }
}

fn supervise(name: &str, command: &[&str]) -> ExitCode {
    leave_lines_alone();
    let order = std::env::var(ORDER_VARIABLE).ok();
    let order: Order = order.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    let masks = masks(&order);
    let log = Arc::new(Log::new(masks.clone()));
    let mut record = match run::after(&order, ENDED) {
        true => run::run(command, &order, &log),
        false => Record::default(),
    };
    if let Some(why) = &record.not_started {
        log.say(why);
    }
    log.send(&order.wanted, &mut record);
    if let Some(code) = record.code {
        run::leave(ENDED, name, code);
    }
    record.not_started = record.not_started.map(|why| masks.text(&why).into_owned());
    let mut last = Vec::new();
    if frames::record(&record, &mut last).is_ok() {
        log.write(&last);
    }
    record.code.map_or(ExitCode::from(SKIPPED), |code| ExitCode::from(u8::try_from(code).unwrap_or(255)))
}

/// With `tty` what is written here goes through a terminal, which would put a carriage return before each line end.
fn leave_lines_alone() {
    use rustix::termios::{OptionalActions, OutputModes, tcgetattr, tcsetattr};
    let out = std::io::stdout();
    if let Ok(mut modes) = tcgetattr(&out) {
        modes.output_modes.remove(OutputModes::OPOST);
        // Without it the lines are only longer.
        let _ = tcsetattr(&out, OptionalActions::Now, &modes);
    }
}

/// Looks for the secret values that this container was given.
fn masks(order: &Order) -> Masks {
    let mut values: Vec<SecretValue> = Vec::new();
    for name in &order.mask_env {
        values.extend(std::env::var(name).ok().map(SecretValue::new));
    }
    for path in &order.mask_files {
        read(std::path::Path::new(path), &mut values, 0);
    }
    Masks::new(&values)
}

/// A file, or the files of a directory as a kubelet lays them out: links to a hidden directory, which is passed by.
fn read(path: &std::path::Path, values: &mut Vec<SecretValue>, depth: usize) {
    let Ok(stat) = std::fs::metadata(path) else { return };
    if stat.is_dir() && depth < 8 {
        for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
            if !entry.file_name().to_string_lossy().starts_with("..") {
                read(&entry.path(), values, depth + 1);
            }
        }
    } else if stat.is_file() && stat.len() <= SECRET_BYTES {
        values.extend(std::fs::read(path).ok().map(SecretValue::new));
    }
}
