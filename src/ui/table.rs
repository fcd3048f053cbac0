//! Tables: columns as wide as they need, cells wrapped where the terminal is narrow, records where it is too narrow for columns.

use super::render::{paint, paint_one};
use super::style::Style;
use super::view::{Face, Table, Text};
use super::wrap;

use unicode_width::UnicodeWidthStr as _;

/// Between two columns.
const GAP: usize = 2;
/// A column of wrapped prose is not made narrower than this.
const NARROWEST: usize = 14;

/// The lines of a table.
pub(super) fn lines(table: &Table, style: &Style) -> Vec<String> {
    match widths(table, style.columns) {
        Some(widths) => columns(table, &widths, style),
        None => records(table, style),
    }
}

/// The width of each column: what it needs, with the widest column shortened until all fit. None if that would make one too narrow.
fn widths(table: &Table, columns: usize) -> Option<Vec<usize>> {
    let mut widths: Vec<usize> = (0..table.heads.len()).map(|index| natural(table, index)).collect();
    let gaps = GAP * widths.len().saturating_sub(1);
    let all: usize = widths.iter().sum::<usize>() + gaps;
    if all > columns {
        let widest = (0..widths.len()).max_by_key(|index| widths[*index])?;
        let left = columns.checked_sub(all - widths[widest])?;
        if left < NARROWEST.max(table.heads[widest].width()) {
            return None;
        }
        widths[widest] = left;
    }
    Some(widths)
}

fn natural(table: &Table, index: usize) -> usize {
    let cells = table.rows.iter().filter_map(|row| row.get(index)).map(wrap::width);
    cells.chain([table.heads[index].width()]).max().unwrap_or(0)
}

fn columns(table: &Table, widths: &[usize], style: &Style) -> Vec<String> {
    let mut out = Vec::new();
    if table.heads.iter().any(|head| !head.is_empty()) {
        let heads =
            table.heads.iter().zip(widths).map(|(head, width)| (vec![paint_one(Face::Strong, head, style)], vec![head.width()], *width));
        out.extend(row(heads.collect()));
        out.extend(style.rich.then(|| "─".repeat(widths.iter().sum::<usize>() + GAP * (widths.len() - 1))));
    }
    for cells in &table.rows {
        let wrapped = cells.iter().zip(widths).map(|(cell, width)| {
            let lines = wrap::lines(cell, *width);
            let shown = lines.iter().map(|line| line.iter().map(|span| span.text.width()).sum()).collect();
            (lines.iter().map(|line| paint(line, style)).collect(), shown, *width)
        });
        out.extend(row(wrapped.collect()));
    }
    out
}

/// The lines of one row: for every cell its painted lines, their widths as shown, and the width of the column.
fn row(cells: Vec<(Vec<String>, Vec<usize>, usize)>) -> Vec<String> {
    let height = cells.iter().map(|(lines, ..)| lines.len()).max().unwrap_or(0);
    let line = |at: usize| {
        let mut out = String::new();
        for (lines, shown, width) in &cells {
            out.push_str(lines.get(at).map_or("", String::as_str));
            out.push_str(&" ".repeat(width + GAP - shown.get(at).copied().unwrap_or(0)));
        }
        out.trim_end().to_owned()
    };
    (0..height).map(line).collect()
}

fn records(table: &Table, style: &Style) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for (index, cells) in table.rows.iter().enumerate() {
        if index > 0 {
            out.push(String::new());
        }
        let mut mark = Text::default();
        for (head, cell) in table.heads.iter().zip(cells).filter(|(_, cell)| !cell.0.is_empty()) {
            if head.is_empty() {
                // A mark in a column of its own stands before the first line of the record.
                mark = cell.clone().and(Face::Plain, " ");
                continue;
            }
            let label = std::mem::take(&mut mark).and(Face::Strong, format!("{head}: "));
            let text = Text(label.0.into_iter().chain(cell.0.iter().cloned()).collect());
            let wrapped = wrap::lines(&text, style.columns - 2).into_iter().enumerate();
            out.extend(wrapped.map(|(row, line)| format!("{}{}", if row == 0 { "" } else { "  " }, paint(&line, style))));
        }
    }
    out
}
