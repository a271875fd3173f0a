//! What the benches share: contenders that take turns, and a report with tables of figures, some of which have a limit.
//!
//! A [`Report`] prints its tables, and writes them as JSON into the folder of `PORTCULLIS_BENCH_RESULTS`. It fails when a
//! limit is broken that must hold. A goal that is not met is only shown.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench may panic, and prints what it measures"
)]

mod cell;
mod machine;
mod turns;

use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;

pub use crate::cell::{Cell, Limit, number};
use crate::machine::{Machine, Versions};
pub use crate::turns::{Turns, median, now};

/// What one bench measured.
#[derive(Debug, Serialize)]
pub struct Report {
    bench: &'static str,
    quick: bool,
    versions: Versions,
    machine: Machine,
    tables: Vec<Table>,
    #[serde(skip)]
    words: Vec<String>,
}

/// A table with one row for each thing that was measured.
#[derive(Debug, Serialize)]
pub struct Table {
    name: &'static str,
    columns: Vec<Column>,
    rows: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Column {
    name: &'static str,
    unit: &'static str,
}

#[derive(Debug, Serialize)]
struct Row {
    name: String,
    cells: Vec<Cell>,
}

impl Report {
    /// Reads the arguments of the process: `--quick` makes the bench short, and words select what it measures.
    #[must_use]
    pub fn start(bench: &'static str) -> Self {
        let (options, words): (Vec<_>, Vec<_>) = std::env::args().skip(1).partition(|word| word.starts_with('-'));
        let quick = options.iter().any(|option| option == "--quick");
        Self { bench, quick, versions: Versions::read(), machine: Machine::read(), tables: Vec::new(), words }
    }

    /// Returns the words of the command line.
    #[must_use]
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// Whether the bench has to be short.
    #[must_use]
    pub fn is_quick(&self) -> bool {
        self.quick
    }

    /// Returns the number of rounds: a tenth in a quick run, but at least 20 or `full`.
    #[must_use]
    pub fn rounds(&self, full: usize) -> usize {
        if self.quick { (full / 10).max(full.min(20)) } else { full }
    }

    /// Prints the table and adds it to the report.
    pub fn add(&mut self, table: Table) {
        table.print();
        self.tables.push(table);
    }

    /// Says which limits are broken, and writes the JSON. Fails when a limit is broken that must hold.
    #[must_use]
    pub fn finish(self) -> ExitCode {
        let mut must_hold = true;
        for (table, row, column, limit) in self.tables.iter().flat_map(Table::limits).filter(|(.., limit)| !limit.ok())
        {
            let kind = if limit.must { "LIMIT BROKEN" } else { "goal not met" };
            println!("{kind}: {table}, {row}, {column}: {limit}");
            must_hold &= !limit.must;
        }
        if let Some(folder) = std::env::var_os("PORTCULLIS_BENCH_RESULTS") {
            let file = Path::new(&folder).join(format!("{}.json", self.bench));
            let text = serde_json::to_string_pretty(&self).expect("a report is JSON") + "\n";
            std::fs::write(&file, text).expect("the folder of the results can be written");
        }
        if must_hold { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

impl Table {
    /// A table with these columns, each with its unit.
    #[must_use]
    pub fn new<const N: usize>(name: &'static str, columns: [(&'static str, &'static str); N]) -> Self {
        let columns = columns.into_iter().map(|(name, unit)| Column { name, unit }).collect();
        Self { name, columns, rows: Vec::new() }
    }

    /// Adds a row with one cell for each column.
    ///
    /// # Panics
    /// If the number of cells is not the number of columns.
    pub fn row(&mut self, name: impl Into<String>, cells: impl IntoIterator<Item = Cell>) {
        let row = Row { name: name.into(), cells: cells.into_iter().collect() };
        assert_eq!(row.cells.len(), self.columns.len(), "{}, {}: cells and columns", self.name, row.name);
        self.rows.push(row);
    }

    fn limits(&self) -> impl Iterator<Item = (&'static str, &str, &'static str, Limit)> {
        self.rows.iter().flat_map(move |row| {
            let cells = self.columns.iter().zip(&row.cells);
            cells.filter_map(move |(column, cell)| Some((self.name, row.name.as_str(), column.name, cell.limit()?)))
        })
    }

    fn print(&self) {
        let mut lines = vec![vec![self.name.to_owned()]];
        lines[0].extend(self.columns.iter().map(|column| column.name.to_owned()));
        for row in &self.rows {
            let cells = self.columns.iter().zip(&row.cells);
            lines.push(
                [row.name.clone()].into_iter().chain(cells.map(|(column, cell)| cell.show(column.unit))).collect(),
            );
        }
        let width = |at: usize| lines.iter().map(|line| line[at].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..=self.columns.len()).map(width).collect();
        println!();
        for line in &lines {
            let padded = line.iter().zip(&widths).enumerate().map(|(at, (text, width))| match at {
                0 => format!("{text:<width$}"),
                _ => format!("{text:>width$}"),
            });
            println!("{}", padded.collect::<Vec<_>>().join("  "));
        }
    }
}
