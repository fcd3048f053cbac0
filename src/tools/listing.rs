//! The tables that commands print: as wide as the terminal, or one line a row where a program reads them.

use std::os::fd::AsFd as _;

use crate::kernel::pty;
use crate::ui::{Block, Doc, Style, Table, Text};

/// Prints a table with its heads. On a terminal cells are wrapped to its width, and where it is too narrow for columns each row becomes a
/// record. Elsewhere every row stays on its line, columns apart by two blanks.
pub fn print(heads: &[&str], rows: Vec<Vec<String>>) {
    print!("{}", text(heads, rows));
}

/// What [`print`] prints.
pub fn text(heads: &[&str], rows: Vec<Vec<String>>) -> String {
    match pty::size(std::io::stdout().as_fd()) {
        Some(size) => folded(heads, rows, &Style::detect(false, Some(usize::from(size.columns)))),
        None => lines(heads, &rows),
    }
}

fn folded(heads: &[&str], rows: Vec<Vec<String>>, style: &Style) -> String {
    let heads = heads.iter().map(|head| (*head).to_owned()).collect();
    let rows = rows.into_iter().map(|row| row.into_iter().map(Text::plain).collect()).collect();
    Doc(vec![Block::Table(Table { heads, rows })]).render(style)
}

fn lines(heads: &[&str], rows: &[Vec<String>]) -> String {
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).chain([heads[at].len()]).max().unwrap_or(0);
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> = cells.zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        format!("{}\n", padded.join("  ").trim_end())
    };
    let head = line(&mut heads.iter().copied());
    rows.iter().fold(head, |text, row| text + &line(&mut row.iter().map(String::as_str)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADS: &[&str] = &["ABILITY", "HERE", "WHAT FOR"];

    fn rows() -> Vec<Vec<String>> {
        let row = |name: &str, here: &str, what: &str| [name, here, what].map(str::to_owned).to_vec();
        vec![
            row("memory", "yes", "limits of memory"),
            row("cgroup2", "no", "lessons and labs for cgroup v2: the controllers of this machine are on cgroup v1 (or hybrid)"),
        ]
    }

    #[test]
    fn a_program_reads_one_line_a_row() {
        let text = lines(HEADS, &rows());
        assert_eq!(text.lines().count(), 3);
        assert!(text.starts_with("ABILITY  HERE  WHAT FOR\nmemory   yes   limits of memory\n"), "{text}");
    }

    #[test]
    fn a_person_reads_what_fits() {
        for columns in [40, 80] {
            for (name, style) in [("plain", Style::plain(columns)), ("colour", Style::rich(columns))] {
                let text = folded(HEADS, rows(), &style);
                if name == "plain" {
                    assert!(text.lines().all(|line| line.chars().count() <= columns), "{text}");
                }
                insta::assert_snapshot!(format!("listing-{name}-{columns}"), text);
            }
        }
    }
}
