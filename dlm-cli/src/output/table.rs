//! Text in columns.

use super::Style;

/// Rows below a heading. Columns are as wide as their widest cell.
pub(crate) struct Table<const COLUMNS: usize> {
    heading: [&'static str; COLUMNS],
    rows: Vec<[String; COLUMNS]>,
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    pub(crate) fn new(heading: [&'static str; COLUMNS]) -> Self {
        Self { heading, rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, cells: [String; COLUMNS]) {
        self.rows.push(cells);
    }

    /// The lines: the heading, and the rows.
    pub(crate) fn lines(&self, style: Style) -> Vec<String> {
        let width = |column: usize| {
            let cells = self.rows.iter().map(|row| row[column].chars().count());
            cells.chain([self.heading[column].len()]).max().unwrap_or(0)
        };
        let widths: [usize; COLUMNS] = std::array::from_fn(width);
        let line = |cells: [&str; COLUMNS]| {
            let cells = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        let heading = style.strong(line(self.heading));
        let rows = self.rows.iter().map(|row| line(std::array::from_fn(|column| row[column].as_str())));
        [heading].into_iter().chain(rows).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let mut table = Table::new(["NAME", "N"]);
        table.row(["a".into(), "10".into()]);
        table.row(["orders/é".into(), "2".into()]);
        assert_eq!(table.lines(Style::new(false)), ["NAME      N", "a         10", "orders/é  2"]);
    }
}
