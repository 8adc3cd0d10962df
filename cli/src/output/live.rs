//! Redraws some lines at the bottom of a terminal without flicker.
//! Does not know what the lines say.

use std::io::Write;

use super::text;

/// The lines that were drawn last, and how to draw the next ones over them.
#[derive(Debug, Default)]
pub struct Screen {
    drawn: usize,
    last: Vec<String>,
}

impl Screen {
    /// Draws the lines over the ones before. They must not be wider than the terminal.
    pub fn draw(&mut self, out: &mut impl Write, lines: &[String]) -> std::io::Result<()> {
        if self.last == lines {
            return Ok(());
        }
        out.write_all(frame(self.drawn, lines).as_bytes())?;
        out.flush()?;
        self.drawn = lines.len();
        self.last = lines.to_vec();
        Ok(())
    }

    /// Leaves what is drawn where it is; the next frame starts below.
    pub fn keep(&mut self) {
        self.drawn = 0;
        self.last.clear();
    }

    /// Writes a line above what is drawn.
    pub fn above(&mut self, out: &mut impl Write, line: &str) -> std::io::Result<()> {
        let mut lines = vec![line.to_owned()];
        lines.extend(self.last.iter().cloned());
        out.write_all(frame(self.drawn, &lines).as_bytes())?;
        out.flush()
    }
}

/// The bytes of one frame: one write, so that no half frame is seen. Up over the old lines, each new line
/// erased to its end, the rest below erased; within a synchronized update where the terminal knows it.
pub fn frame(drawn: usize, lines: &[String]) -> String {
    let mut out = String::from("\u{1b}[?2026h\r");
    if drawn > 0 {
        out.push_str(&format!("\u{1b}[{drawn}A"));
    }
    for line in lines {
        out.push_str(line);
        out.push_str("\u{1b}[K\r\n");
    }
    out.push_str("\u{1b}[J\u{1b}[?2026l");
    out
}

/// Columns and rows of the terminal on stderr; 80 × 24 when it does not say.
pub fn size() -> (usize, usize) {
    match rustix::termios::tcgetwinsize(std::io::stderr()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => {
            (usize::from(size.ws_col), usize::from(size.ws_row))
        }
        Ok(_) | Err(_) => (80, 24),
    }
}

/// The last lines of a log as they fit below a running node.
pub fn tail(lines: &[String], count: usize) -> Vec<String> {
    let start = lines.len().saturating_sub(count);
    lines.iter().skip(start).map(|line| text::plain(line)).collect()
}
