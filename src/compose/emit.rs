//! YAML as `docker compose config` writes it: two spaces, lists indented below their key, quotes only where a text would be taken for
//! something else.

use serde_json::Value;

use super::yaml;
use super::yaml::scalar::of_plain;

/// A value as a YAML document.
pub fn emit(value: &Value) -> String {
    let mut out = String::new();
    node(value, 0, Place::Top, &mut out);
    out
}

/// What a value follows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Top,
    Key,
    Item,
}

/// Writes a value whose own lines begin at `indent`.
fn node(value: &Value, indent: usize, place: Place, out: &mut String) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (at, (key, value)) in map.iter().enumerate() {
                begin(at, indent, place, out);
                out.push_str(&scalar(key, None));
                out.push(':');
                // Lists and mappings begin on a line of their own; scalars write their own space.
                node(value, indent + 2, Place::Key, out);
            }
        }
        Value::Array(list) if !list.is_empty() => {
            for (at, value) in list.iter().enumerate() {
                begin(at, indent, place, out);
                out.push('-');
                node(value, indent + 2, Place::Item, out);
            }
        }
        flat => {
            if place != Place::Top {
                out.push(' ');
            }
            out.push_str(&inline(flat, indent));
            out.push('\n');
        }
    }
}

/// The beginning of an entry's line: the first item of an item stands behind its hyphen.
fn begin(at: usize, indent: usize, place: Place, out: &mut String) {
    match (at, place) {
        (0, Place::Item) => out.push(' '),
        (0, Place::Key) => {
            out.push('\n');
            out.push_str(&" ".repeat(indent));
        }
        _ => out.push_str(&" ".repeat(indent)),
    }
}

fn inline(value: &Value, indent: usize) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(truth) => truth.to_string(),
        Value::Number(number) if number.is_f64() => float(number.as_f64().unwrap_or_default()),
        Value::Number(number) => number.to_string(),
        Value::String(text) => scalar(text, Some(indent)),
        Value::Array(_) => "[]".to_owned(),
        Value::Object(_) => "{}".to_owned(),
    }
}

/// Go's shortest form, with an exponent from a million on.
fn float(number: f64) -> String {
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    match exponent.parse::<i32>().unwrap_or_default() {
        exponent if number != 0.0 && !(-4..6).contains(&exponent) => {
            format!("{digits}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
        }
        _ => yaml::scalar::go_float(number),
    }
}

/// A text; in a block if it has several lines and may have one.
fn scalar(text: &str, block: Option<usize>) -> String {
    let printable = text.chars().all(|letter| letter == '\n' || letter == '\t' || is_printable(letter));
    let block_fits = printable && !text.contains(" \n") && !text.ends_with(' ');
    if text.contains('\n') {
        return match block {
            Some(indent) if block_fits => literal(text, indent),
            _ => double(text),
        };
    }
    if is_taken_for_something_else(text) || !printable || text.contains('\t') {
        return double(text);
    }
    if is_plain(text) { text.to_owned() } else { format!("'{}'", text.replace('\'', "''")) }
}

fn is_printable(letter: char) -> bool {
    !letter.is_control() && letter != '\u{feff}' && !('\u{fffe}'..='\u{ffff}').contains(&letter)
}

fn is_taken_for_something_else(text: &str) -> bool {
    const OLD_TRUTHS: &[&str] = &["y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "n", "N", "no", "No", "NO", "off", "Off", "OFF", "<<"];
    of_plain(text) != yaml::Value::Text(text.to_owned()) || OLD_TRUTHS.contains(&text) || is_base_60(text)
}

/// `22:22` was a number once: 22 times 60 and 22.
fn is_base_60(text: &str) -> bool {
    let text = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = whole.split(':');
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    let first = parts.next().is_some_and(|first| first.starts_with(|letter: char| letter.is_ascii_digit()) && digits(first));
    let mut count = 0;
    let rest = parts.all(|part| {
        count += 1;
        part.parse::<u8>().is_ok_and(|number| number < 60) && part.len() <= 2 && !part.starts_with('+')
    });
    first && rest && count > 0 && digits(fraction)
}

fn is_plain(text: &str) -> bool {
    let first = text.chars().next().unwrap_or(' ');
    let second_is_blank = text.chars().nth(1).is_none_or(char::is_whitespace);
    let starts_badly = "#,[]{}&*!|>'\"%@`".contains(first) || ("?:-".contains(first) && second_is_blank);
    let marks = text.starts_with("---") || text.starts_with("...");
    !(starts_badly || marks || text.starts_with(' ') || text.ends_with([' ', ':']) || text.contains(": ") || text.contains(" #"))
}

fn literal(text: &str, indent: usize) -> String {
    let hint = if text.starts_with(' ') { "2" } else { "" };
    let chomp = match text {
        text if !text.ends_with('\n') => "-",
        text if text == "\n" || text.ends_with("\n\n") => "+",
        _ => "",
    };
    let margin = " ".repeat(indent.max(2));
    let lines: Vec<String> = text
        .strip_suffix('\n')
        .unwrap_or(text)
        .split('\n')
        .map(|line| if line.is_empty() { String::new() } else { format!("{margin}{line}") })
        .collect();
    format!("|{hint}{chomp}\n{}", lines.join("\n"))
}

fn double(text: &str) -> String {
    let mut out = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\0' => out.push_str("\\0"),
            '\u{1b}' => out.push_str("\\e"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            letter if is_printable(letter) => out.push(letter),
            letter if u32::from(letter) < 256 => out.push_str(&format!("\\x{:02X}", u32::from(letter))),
            letter if u32::from(letter) < 65_536 => out.push_str(&format!("\\u{:04X}", u32::from(letter))),
            letter => out.push_str(&format!("\\U{:08X}", u32::from(letter))),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn mappings_and_lists_are_laid_out_as_compose_does() {
        let value = json!({"name": "x", "services": {"web": {"ports": [{"target": 80, "published": "80"}], "networks": {"default": null},
            "command": [], "deploy": {}, "list": [["a", "b"], "c"]}}});
        let wanted = "name: x\nservices:\n  web:\n    ports:\n      - target: 80\n        published: \"80\"\n    networks:\n      default: null\n    \
            command: []\n    deploy: {}\n    list:\n      - - a\n        - b\n      - c\n";
        assert_eq!(emit(&value), wanted);
    }

    #[test]
    fn texts_are_quoted_where_they_would_be_taken_for_something_else() {
        for (text, wanted) in [
            ("plain text", "plain text"),
            ("80", "\"80\""),
            ("true", "\"true\""),
            ("yes", "\"yes\""),
            ("", "\"\""),
            ("22:22", "\"22:22\""),
            ("8080:80", "8080:80"),
            ("a: b", "'a: b'"),
            ("it's#1", "it's#1"),
            ("it's # 1", "'it''s # 1'"),
            ("*", "'*'"),
            ("- a", "'- a'"),
            ("-a", "-a"),
            ("a\tb", "\"a\\tb\""),
            ("a \nb", "\"a \\nb\""),
        ] {
            assert_eq!(scalar(text, Some(2)), wanted, "{text:?}");
        }
        assert_eq!(emit(&json!({"a": "x\n\ny\n"})), "a: |\n  x\n\n  y\n");
        assert_eq!(emit(&json!({"a": ["x\ny"]})), "a:\n  - |-\n    x\n    y\n");
    }

    #[test]
    fn what_is_written_reads_as_it_was() {
        let value = json!({"k: 1": ["a\nb\n\n", " x\ny", "\u{1b}[0m", "é", 1.5, 1e6, null, {"n": -3}]});
        let text = emit(&value);
        let read = yaml::parse("x", &text).unwrap();
        assert_eq!(super::super::read::json(&read[0].root), value, "{text}");
    }
}
