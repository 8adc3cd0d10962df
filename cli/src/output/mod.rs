//! Output: data on stdout, everything else on stderr.
//! Does not know commands.

pub mod color;
pub mod diagnostics;
pub mod events;
pub mod header;
pub mod list;
pub mod live;
pub mod plan;
pub mod results;
pub mod table;
pub mod text;
pub mod time;
pub mod tree;
pub mod view;

use std::io::{IsTerminal, Write};

use clap::ValueEnum;
use serde_json::Value;

use crate::exit::{Failure, Result};
use color::{Hints, Ink, Palette};

/// `-o`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Aligned columns for people.
    Table,
    /// The same with more columns.
    Wide,
    /// Names only, one per line.
    Name,
    /// One JSON document.
    Json,
    /// One JSON document per line.
    Jsonl,
    /// YAML.
    Yaml,
}

/// Where output goes, and how it may look there.
#[derive(Clone, Debug)]
pub struct Console {
    /// `-o`, if given.
    pub format: Option<Format>,
    /// Colours on stdout.
    pub out: Palette,
    /// Colours on stderr.
    pub err: Palette,
    /// stderr can be redrawn in place.
    pub redraw: bool,
    /// stdout is a terminal.
    pub out_tty: bool,
    /// Say less on stderr.
    pub quiet: bool,
    /// Headings in tables.
    pub headers: bool,
}

impl Console {
    /// Looks at the streams and the environment.
    pub fn new(format: Option<Format>, no_color: bool, quiet: bool, headers: bool) -> Self {
        let get = |name: &str| std::env::var(name).ok();
        let out_tty = std::io::stdout().is_terminal();
        let out = Hints::read(get, out_tty, no_color);
        let err = Hints::read(get, std::io::stderr().is_terminal(), no_color);
        Self {
            format,
            out: Palette { on: out.color() },
            err: Palette { on: err.color() },
            redraw: err.redraw(),
            out_tty,
            quiet,
            headers,
        }
    }

    /// `-o`, or the table.
    pub fn format(&self) -> Format {
        self.format.unwrap_or(Format::Table)
    }

    /// One line of data.
    pub fn data(&self, line: &str) -> Result<()> {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{line}")?;
        Ok(())
    }

    /// Text as it is.
    pub fn raw(&self, text: &str) -> Result<()> {
        let mut out = std::io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()?;
        Ok(())
    }

    /// Lines of data.
    pub fn lines<S: AsRef<str>>(&self, lines: impl IntoIterator<Item = S>) -> Result<()> {
        let mut out = std::io::BufWriter::new(std::io::stdout().lock());
        for line in lines {
            writeln!(out, "{}", line.as_ref())?;
        }
        out.flush()?;
        Ok(())
    }

    /// One JSON or YAML document, or one line of JSON.
    pub fn document(&self, value: &Value) -> Result<()> {
        let text = match self.format() {
            Format::Yaml => yaml(value)?,
            Format::Jsonl => value.to_string(),
            Format::Json | Format::Table | Format::Wide | Format::Name => {
                serde_json::to_string_pretty(value).unwrap_or_else(|_| value.to_string())
            }
        };
        self.data(text.trim_end())
    }

    /// A list of JSON objects: one array, or one object per line.
    pub fn documents(&self, values: &[Value]) -> Result<()> {
        if self.format() == Format::Jsonl {
            return self.lines(values.iter().map(Value::to_string));
        }
        self.document(&Value::Array(values.to_vec()))
    }

    /// A remark on stderr, unless `-q`.
    pub fn say(&self, line: &str) {
        if !self.quiet {
            self.complain(line);
        }
    }

    /// A less important remark on stderr, unless `-q`.
    pub fn hint(&self, line: &str) {
        self.say(&self.err.paint(Ink::Dim, line));
    }

    /// A line on stderr, always. That nobody reads stderr is no reason to fail.
    pub fn complain(&self, line: &str) {
        let mut err = std::io::stderr().lock();
        let _unread = writeln!(err, "{line}");
    }
}

fn yaml(value: &Value) -> Result<String> {
    serde_saphyr::to_string(value)
        .map_err(|error| Failure::new(crate::exit::Code::Failed, format!("cannot write YAML: {error}")))
}
