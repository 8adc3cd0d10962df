//! Programs that Argo's example images bring along, as small functions: `argosay` and `cowsay`.
//! They are stand-ins for local runs and nothing else: whoever has the real ones on PATH gets those.

use std::fs;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

/// The names under which this binary behaves as an applet.
pub const NAMES: [&str; 2] = ["argosay", "cowsay"];

/// Runs an applet; `args` are the words after its name.
pub fn main(name: &str, args: &[String]) -> ExitCode {
    let outcome = match name {
        "argosay" => argosay(args),
        "cowsay" => cowsay(args),
        other => Err(format!("no applet is called {other:?}")),
    };
    match outcome {
        Ok(code) => code,
        Err(message) => {
            // Nothing is left to be told to when standard error is gone.
            let _ = writeln!(io::stderr(), "{name}: {message}");
            ExitCode::from(1)
        }
    }
}

fn argosay(args: &[String]) -> Result<ExitCode, String> {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] => say("hello argo\n"),
        ["echo"] => say("\n"),
        ["echo", message] => say(&format!("{message}\n")),
        ["echo", message, file] => write_file(file, &format!("{message}\n")),
        ["cat", files @ ..] => {
            for file in files {
                let bytes = fs::read(file).map_err(|e| format!("{file}: {e}"))?;
                io::stdout().write_all(&bytes).map_err(|e| e.to_string())?;
            }
            Ok(ExitCode::SUCCESS)
        }
        ["sleep", duration] => {
            std::thread::sleep(parse_duration(duration)?);
            Ok(ExitCode::SUCCESS)
        }
        ["exit"] => Ok(ExitCode::SUCCESS),
        ["exit", code] => {
            code.parse::<u8>().map(ExitCode::from).map_err(|_| format!("bad exit code {code:?}"))
        }
        ["assert_contains", file, text] => {
            let content = fs::read_to_string(file).map_err(|e| format!("{file}: {e}"))?;
            if content.contains(text) {
                Ok(ExitCode::SUCCESS)
            } else {
                Err(format!("{file} does not contain {text:?}"))
            }
        }
        ["sh", rest @ ..] => exec_shell(rest),
        [other, ..] => Err(format!("unknown command {other:?}")),
    }
}

fn say(text: &str) -> Result<ExitCode, String> {
    io::stdout().write_all(text.as_bytes()).map_err(|e| e.to_string())?;
    Ok(ExitCode::SUCCESS)
}

fn write_file(file: &str, text: &str) -> Result<ExitCode, String> {
    if let Some(parent) = std::path::Path::new(file).parent() {
        fs::create_dir_all(parent).map_err(|e| format!("{}: {e}", parent.display()))?;
    }
    fs::write(file, text).map_err(|e| format!("{file}: {e}"))?;
    Ok(ExitCode::SUCCESS)
}

/// Replaces this process by `sh`, so that signals and the exit code are the shell's own.
fn exec_shell(args: &[&str]) -> Result<ExitCode, String> {
    use std::os::unix::process::CommandExt;
    let error = std::process::Command::new("sh").args(args).exec();
    Err(format!("sh: {error}"))
}

/// Seconds, or Go's durations such as `1m30s` and `500ms`.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let bad = || format!("bad duration {text:?}");
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).map_err(|_| bad());
    }
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(bad)?;
        let number: f64 = rest[..digits].parse().map_err(|_| bad())?;
        let unit = &rest[digits..];
        let end = unit.find(|c: char| c.is_ascii_digit()).unwrap_or(unit.len());
        let factor = match &unit[..end] {
            "ns" => 1e-9,
            "us" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _other => return Err(bad()),
        };
        seconds += number * factor;
        rest = &unit[end..];
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| bad())
}

fn cowsay(args: &[String]) -> Result<ExitCode, String> {
    let text = if args.is_empty() {
        io::read_to_string(io::stdin()).map_err(|e| e.to_string())?
    } else {
        args.join(" ")
    };
    say(&balloon(&text))
}

/// A speech balloon over an animal, lines wrapped at 40 characters.
fn balloon(text: &str) -> String {
    let lines: Vec<String> = text.lines().flat_map(wrap).collect();
    let lines = if lines.is_empty() { vec![String::new()] } else { lines };
    let width = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
    let mut out = format!(" {} \n", "_".repeat(width + 2));
    for line in &lines {
        let padding = " ".repeat(width - line.chars().count());
        out.push_str(&format!("< {line}{padding} >\n"));
    }
    out.push_str(&format!(" {} \n", "-".repeat(width + 2)));
    out.push_str("    \\\n     \\   ,__,\n      \\  (oo)____\n         (__)    )\\\n            ||--|| *\n");
    out
}

fn wrap(line: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in line.split_whitespace() {
        let last = lines.len() - 1;
        if lines[last].is_empty() {
            lines[last].push_str(word);
        } else if lines[last].chars().count() + 1 + word.chars().count() <= 40 {
            lines[last].push(' ');
            lines[last].push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn durations_are_read_as_go_writes_them() {
        assert_eq!(parse_duration("1m30s").unwrap(), Duration::from_secs(90));
        assert_eq!(parse_duration("500ms").unwrap(), Duration::from_millis(500));
        assert_eq!(parse_duration("2").unwrap(), Duration::from_secs(2));
        assert!(parse_duration("soon").is_err());
        assert!(parse_duration("-1").is_err());
    }

    #[test]
    fn the_animal_says_it_all() {
        assert!(balloon("hello world").starts_with(" _____________ \n< hello world >\n ------------- \n"));
    }
}
