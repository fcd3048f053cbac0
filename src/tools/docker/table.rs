//! Lists: a table with heads, a template for each row, or JSON.
//!
//! Columns are laid out as Go's tabwriter does it with docker's settings: at least ten wide, three blanks between, a column as wide as its widest cell in neighbouring
//! lines.

use serde_json::{Map, Value};

use super::failure::{Failure, Result};
use super::say;
use crate::template::{How, Missing, Template};

/// Columns are at least so wide, with the blanks behind them.
const LEAST: usize = 10;
/// Blanks between columns.
const GAP: usize = 3;

/// A row's fields, by the names that templates use.
pub type Row = Map<String, Value>;

/// What a list is of.
pub struct Kind {
    /// The name of Go's type, for errors.
    pub name: &'static str,
    /// Fields and the heads of their columns.
    pub heads: &'static [(&'static str, &'static str)],
}

/// Prints rows: `format` is what `--format` says, or what the command means without it.
///
/// # Errors
/// The format is no template, or asks for a field that is not there.
pub fn print(kind: &Kind, format: &str, rows: &[Row]) -> Result {
    print_with(kind, format, rows, &|_, _, _| None)
}

/// The same with methods of the rows: `.Label "name"`.
///
/// # Errors
/// The format is no template, or asks for a field that is not there.
pub fn print_with(kind: &Kind, format: &str, rows: &[Row], methods: crate::template::Methods<'_>) -> Result {
    let mut text = String::new();
    let outcome = rendered(kind, format, rows, methods, &mut text);
    say(&text);
    outcome
}

fn rendered(kind: &Kind, format: &str, rows: &[Row], methods: crate::template::Methods<'_>, out: &mut String) -> Result {
    let (table, source) = understood(format);
    if source.trim() == "{{json .}}" {
        rows.iter().for_each(|row| *out += &(escaped(row) + "\n"));
        return Ok(());
    }
    let template = Template::read(&source).map_err(|error| Failure::new(format!("template parsing error: {error}")))?;
    let how = How { methods, ..How::plain(Missing::Field(kind.name)) };
    let mut lines = String::new();
    for row in rows {
        match template.render(&Value::Object(row.clone()), how) {
            Ok(line) => {
                lines.push_str(&line);
                lines.push('\n');
            }
            Err((before, error)) => {
                if !table {
                    out.push_str(&lines);
                    out.push_str(&before);
                }
                return Err(Failure::new(format!("template parsing error: {error}")));
            }
        }
    }
    if !table {
        out.push_str(&lines);
        return Ok(());
    }
    let heads: Row = kind.heads.iter().map(|(field, head)| ((*field).to_owned(), Value::from(*head))).collect();
    let named = |_: &Value, name: &str, arguments: &[Value]| {
        (name == "Label").then(|| Value::from(arguments.first().map_or("", |one| one.as_str().unwrap_or_default())))
    };
    let head = template.render(&Value::Object(heads), How { methods: &named, heads: true, ..How::plain(Missing::NoValue) });
    let head = head.unwrap_or_else(|(before, _)| before);
    out.push_str(&columns(&format!("{head}\n{lines}")));
    Ok(())
}

/// A row as JSON. Go escapes what HTML could take for its own.
pub fn escaped(row: &Row) -> String {
    let text = Value::Object(row.clone()).to_string();
    text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

/// Whether a format is a table's, and its template.
fn understood(format: &str) -> (bool, String) {
    let unescaped = |text: &str| text.replace("\\t", "\t").replace("\\n", "\n");
    match format.trim() {
        "json" => (false, "{{json .}}".to_owned()),
        trimmed => match trimmed.strip_prefix("table") {
            Some(rest) if rest.is_empty() || rest.starts_with(char::is_whitespace) => (true, unescaped(rest.trim_start())),
            _ => (false, unescaped(trimmed)),
        },
    }
}

/// Text with tabs as columns.
pub fn columns(text: &str) -> String {
    let lines: Vec<Vec<&str>> = text.split('\n').map(|line| line.split('\t').collect()).collect();
    let mut out = String::with_capacity(text.len() * 2);
    block(&lines, &mut Vec::new(), &mut out);
    // The last piece ends no line.
    out.truncate(out.len() - 1);
    out
}

/// Lines whose first columns have these widths; finds the widths of the next one, run by run.
fn block(lines: &[Vec<&str>], widths: &mut Vec<usize>, out: &mut String) {
    let column = widths.len();
    let has = |line: &Vec<&str>| column + 1 < line.len();
    let mut rest = lines;
    while !rest.is_empty() {
        let plain = rest.iter().take_while(|line| !has(line)).count();
        rest[..plain].iter().for_each(|line| one(line, widths, out));
        rest = &rest[plain..];
        let run = rest.iter().take_while(|line| has(line)).count();
        if run > 0 {
            let widest = rest[..run].iter().map(|line| line[column].chars().count() + GAP).max().unwrap_or(0);
            widths.push(widest.max(LEAST));
            block(&rest[..run], widths, out);
            widths.pop();
            rest = &rest[run..];
        }
    }
}

fn one(cells: &[&str], widths: &[usize], out: &mut String) {
    for (at, cell) in cells.iter().enumerate() {
        out.push_str(cell);
        let width = widths.get(at).copied().unwrap_or(0);
        out.push_str(&" ".repeat(width.saturating_sub(cell.chars().count())));
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: Kind = Kind { name: "*formatter.thing", heads: &[("Name", "NAME"), ("Size", "SIZE")] };

    fn shown(format: &str) -> std::result::Result<String, (String, String)> {
        let row = |name: &str, size: &str| Row::from_iter([("Name".to_owned(), name.into()), ("Size".to_owned(), size.into())]);
        let mut out = String::new();
        match rendered(&KIND, format, &[row("a", "1B"), row("a-long-name-here", "22kB")], &|_, _, _| None, &mut out) {
            Ok(()) => Ok(out),
            Err(failure) => Err((out, failure.message)),
        }
    }

    #[test]
    fn the_three_ways_to_show_a_list() {
        assert_eq!(
            shown("table {{.Name}}\t{{.Size}}").unwrap(),
            "NAME               SIZE\na                  1B\na-long-name-here   22kB\n"
        );
        assert_eq!(shown("table {{lower .Size}}\\t{{.Name}}").unwrap(), "SIZE      NAME\n1b        a\n22kb      a-long-name-here\n");
        assert_eq!(shown("{{.Name}}").unwrap(), "a\na-long-name-here\n");
        assert_eq!(shown("json").unwrap().lines().next(), Some(r#"{"Name":"a","Size":"1B"}"#));
        assert_eq!(shown("{{.ID").unwrap_err().1, "template parsing error: template: :1: unclosed action");
        let (before, why) = shown("x {{.Frob}}").unwrap_err();
        assert_eq!(before, "x ");
        assert!(why.ends_with("at <.Frob>: can't evaluate field Frob in type *formatter.thing"), "{why}");
    }

    #[test]
    fn columns_end_where_a_line_has_none() {
        assert_eq!(columns("a\tb\nplain\nlonger than ten\tc\n"), "a         b\nplain\nlonger than ten   c\n");
        assert_eq!(columns("a\t\tb\nlonger than\tx\tc\n"), "a                       b\nlonger than   x         c\n");
        assert_eq!(columns(""), "");
    }
}
