//! Tables without borders: aligned columns, two blanks between them.
//! Does not know what the columns mean.

use super::text;

/// Rows of cells under a header.
#[derive(Clone, Debug, Default)]
pub struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table with these headings.
    pub fn new(header: &[&str]) -> Self {
        Self { header: header.iter().map(|&cell| cell.to_owned()).collect(), rows: Vec::new() }
    }

    /// Adds a row; text from elsewhere is made harmless.
    pub fn row<S: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.rows.push(cells.into_iter().map(|cell| text::plain(cell.as_ref())).collect());
    }

    /// The lines, the header first unless it is not wanted. The last column is not padded.
    pub fn lines(&self, with_header: bool) -> Vec<String> {
        let shown: Vec<&Vec<String>> =
            with_header.then_some(&self.header).into_iter().chain(&self.rows).collect();
        let columns = shown.iter().map(|row| row.len()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns)
            .map(|at| {
                shown.iter().filter_map(|row| row.get(at)).map(|cell| text::width(cell)).max().unwrap_or(0)
            })
            .collect();
        shown
            .iter()
            .map(|row| {
                let cells: Vec<String> =
                    row.iter().zip(&widths).map(|(cell, wide)| text::pad(cell, *wide)).collect();
                cells.join("   ").trim_end().to_owned()
            })
            .collect()
    }
}
