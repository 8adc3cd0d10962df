//! Whether to colour, and the few colours there are.
//! Does not look at the environment by itself: the caller passes what it found.

/// What decides about colour on one stream.
#[derive(Clone, Debug, Default)]
pub struct Hints {
    /// The stream is a terminal.
    pub tty: bool,
    /// `--no-color`.
    pub flag_off: bool,
    /// `NO_COLOR` is set and not empty.
    pub no_color: bool,
    /// `TERM` is `dumb`.
    pub dumb: bool,
    /// `CI` is set and not empty.
    pub ci: bool,
    /// `FORCE_COLOR` is set, not empty and not `0`.
    pub force: bool,
}

impl Hints {
    /// Reads the variables with `get`; `tty` is that of the stream.
    pub fn read(get: impl Fn(&str) -> Option<String>, tty: bool, flag_off: bool) -> Self {
        let set = |name: &str| get(name).is_some_and(|value| !value.is_empty());
        Self {
            tty,
            flag_off,
            no_color: set("NO_COLOR"),
            dumb: get("TERM").is_some_and(|term| term == "dumb"),
            ci: set("CI"),
            force: get("FORCE_COLOR").is_some_and(|value| !value.is_empty() && value != "0"),
        }
    }

    /// Colour is on.
    pub fn color(&self) -> bool {
        if self.flag_off || self.no_color {
            return false;
        }
        self.force || (self.tty && !self.dumb && !self.ci)
    }

    /// The stream can be redrawn in place: a real terminal, not a log of one.
    pub fn redraw(&self) -> bool {
        self.tty && !self.dumb && !self.ci
    }
}

/// A colour or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    /// As it is.
    Plain,
    /// Less important.
    Dim,
    /// More important.
    Bold,
    /// Good.
    Green,
    /// Bad.
    Red,
    /// Waiting.
    Yellow,
    /// At work.
    Cyan,
}

impl Ink {
    fn sgr(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Dim => "2",
            Self::Bold => "1",
            Self::Green => "32",
            Self::Red => "31",
            Self::Yellow => "33",
            Self::Cyan => "36",
        }
    }

    /// The colour of a phase of a workflow or node.
    pub fn of_phase(phase: &str) -> Self {
        match phase {
            "Succeeded" => Self::Green,
            "Failed" | "Error" => Self::Red,
            "Running" => Self::Cyan,
            "Skipped" | "Omitted" => Self::Dim,
            "Pending" => Self::Yellow,
            _ => Self::Plain,
        }
    }
}

/// Puts text into colour, or leaves it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Palette {
    /// Colour is on.
    pub on: bool,
}

impl Palette {
    /// The text in that colour.
    pub fn paint(self, ink: Ink, text: &str) -> String {
        if !self.on || ink == Ink::Plain || text.is_empty() {
            return text.to_owned();
        }
        format!("\u{1b}[{}m{text}\u{1b}[0m", ink.sgr())
    }
}
