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

use crate::exit::{Code, Failure, Result};
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
    /// `--jq`: what is printed of each JSON document.
    pub jq: Option<String>,
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
            jq: None,
        }
    }

    /// The same with `--jq`, whose documents are JSON unless they are lines of it.
    ///
    /// # Errors
    /// The filter cannot be read, or the output has another form.
    pub fn with_jq(self, filter: Option<&str>) -> Result<Self> {
        let Some(filter) = filter else { return Ok(self) };
        runner_sensors::jq::check(filter).map_err(|why| Failure::usage(format!("--jq: {why}")))?;
        match self.format {
            None | Some(Format::Json | Format::Jsonl) => {
                let format = self.format.or(Some(Format::Json));
                Ok(Self { format, jq: Some(filter.to_owned()), ..self })
            }
            Some(Format::Table | Format::Wide | Format::Name | Format::Yaml) => {
                Err(Failure::usage("--jq reads JSON: use it with -o json, -o jsonl, or without -o"))
            }
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
        if let Some(filter) = &self.jq {
            return self.filtered(filter, value);
        }
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
            return values.iter().try_for_each(|value| self.line(value));
        }
        self.document(&Value::Array(values.to_vec()))
    }

    /// One line of JSON, of a stream.
    pub fn line(&self, value: &Value) -> Result<()> {
        match &self.jq {
            Some(filter) => self.filtered(filter, value),
            None => self.data(&value.to_string()),
        }
    }

    /// What a filter makes of a document: texts as they are, everything else as a line of JSON.
    fn filtered(&self, filter: &str, value: &Value) -> Result<()> {
        let found = runner_sensors::jq::outputs(filter, value, usize::MAX)
            .map_err(|why| Failure::new(Code::Failed, format!("--jq: {why}")))?;
        self.lines(found.iter().map(|one| one.as_str().map_or_else(|| one.to_string(), str::to_owned)))
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
        .map_err(|error| Failure::new(Code::Failed, format!("cannot write YAML: {error}")))
}
