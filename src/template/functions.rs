//! The functions: Go's own, and those that Docker adds.

use std::cmp::Ordering;

use serde_json::Value;

use super::eval::kind;
use super::print::{plain, printf, spaced};

/// All names.
const NAMES: &[&str] = &[
    "and", "or", "not", "len", "index", "slice", "print", "printf", "println", "html", "js", "urlquery", "eq", "ne", "lt", "le", "gt",
    "ge", "json", "split", "join", "title", "lower", "upper", "pad", "truncate",
];

/// Whether there is a function of that name.
pub fn known(name: &str) -> bool {
    NAMES.contains(&name)
}

/// Whether a value counts as true: it is not empty and not zero.
pub fn truth(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(is) => *is,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
    }
}

/// Calls a function. `heads`: the values are heads of columns, which stay as they are.
///
/// # Errors
/// It cannot take these arguments.
pub fn call(name: &str, arguments: &[Value], heads: bool) -> Result<Value, String> {
    let wanted: (usize, usize) = match name {
        "not" | "len" | "json" | "title" | "lower" | "upper" => (1, 1),
        "split" | "join" | "truncate" => (2, 2),
        "pad" => (3, 3),
        "index" | "slice" | "printf" => (1, usize::MAX),
        "eq" => (2, usize::MAX),
        "ne" | "lt" | "le" | "gt" | "ge" => (2, 2),
        _ => (0, usize::MAX),
    };
    if arguments.len() < wanted.0 || arguments.len() > wanted.1 {
        let least = if wanted.1 == usize::MAX { "at least " } else { "" };
        return Err(format!("wrong number of args for {name}: want {least}{} got {}", wanted.0, arguments.len()));
    }
    if heads && ["json", "split", "join", "title", "lower", "upper", "pad", "truncate"].contains(&name) {
        return Ok(arguments[0].clone());
    }
    strings(name, arguments).unwrap_or_else(|| values(name, arguments))
}

fn text(value: &Value) -> Result<&str, String> {
    value.as_str().ok_or_else(|| format!("wrong type for value; expected string; got {}", kind(value)))
}

fn number(value: &Value) -> Result<usize, String> {
    let number = value.as_u64().ok_or_else(|| format!("cannot index slice/array with type {}", kind(value)))?;
    usize::try_from(number).map_err(|_| format!("index out of range: {number}"))
}

/// Those that make text of text.
fn strings(name: &str, arguments: &[Value]) -> Option<Result<Value, String>> {
    let change = |change: fn(&str) -> String| text(&arguments[0]).map(|text| Value::from(change(text)));
    Some(match name {
        "lower" => change(str::to_lowercase),
        "upper" => change(str::to_uppercase),
        "title" => change(title),
        "split" => text(&arguments[0]).and_then(|whole| Ok(whole.split(text(&arguments[1])?).map(Value::from).collect())),
        "join" => join(&arguments[0], &arguments[1]),
        "pad" => pad(arguments),
        "truncate" => text(&arguments[0]).and_then(|whole| Ok(whole.chars().take(number(&arguments[1])?).collect::<String>().into())),
        "json" => Ok(serde_json::to_string(&arguments[0]).unwrap_or_default().into()),
        "print" => Ok(spaced(arguments).into()),
        "println" => Ok(format!("{}\n", arguments.iter().map(plain).collect::<Vec<_>>().join(" ")).into()),
        "printf" => text(&arguments[0]).map(|format| printf(format, &arguments[1..]).into()),
        "html" => Ok(escaped(&spaced(arguments), &[('&', "&amp;"), ('<', "&lt;"), ('>', "&gt;"), ('"', "&#34;"), ('\'', "&#39;")]).into()),
        "js" => Ok(escaped(
            &spaced(arguments),
            &[('\\', "\\\\"), ('\'', "\\'"), ('"', "\\\""), ('<', "\\u003C"), ('>', "\\u003E"), ('&', "\\u0026"), ('=', "\\u003D")],
        )
        .into()),
        "urlquery" => Ok(urlquery(&spaced(arguments)).into()),
        _ => return None,
    })
}

fn join(list: &Value, between: &Value) -> Result<Value, String> {
    let parts = match list {
        Value::Array(list) => list.iter().map(plain).collect::<Vec<_>>(),
        Value::Null => Vec::new(),
        other => return Err(format!("wrong type for value; expected []string; got {}", kind(other))),
    };
    Ok(parts.join(text(between)?).into())
}

fn pad(arguments: &[Value]) -> Result<Value, String> {
    let whole = text(&arguments[0])?;
    if whole.is_empty() {
        return Ok(whole.into());
    }
    // Wider than any terminal is a mistake.
    let blanks = |value: &Value| Ok::<_, String>(" ".repeat(number(value)?.min(10_000)));
    Ok(format!("{}{whole}{}", blanks(&arguments[1])?, blanks(&arguments[2])?).into())
}

fn title(text: &str) -> String {
    let mut before = ' ';
    text.chars()
        .map(|letter| {
            let begins = !(before.is_alphanumeric() || before == '_' || before == '\'');
            before = letter;
            if begins { letter.to_uppercase().next().unwrap_or(letter) } else { letter }
        })
        .collect()
}

fn escaped(text: &str, table: &[(char, &str)]) -> String {
    let one = |letter: char| {
        table.iter().find(|(known, _)| *known == letter).map_or_else(|| letter.to_string(), |(_, escape)| (*escape).to_owned())
    };
    text.chars().map(one).collect()
}

fn urlquery(text: &str) -> String {
    let one = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        b' ' => "+".to_owned(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(one).collect()
}

/// Those that look at values.
fn values(name: &str, arguments: &[Value]) -> Result<Value, String> {
    match name {
        "not" => Ok((!truth(&arguments[0])).into()),
        "len" => length(&arguments[0]),
        "index" => arguments[1..].iter().try_fold(arguments[0].clone(), |value, key| index(&value, key)),
        "slice" => slice(arguments),
        "eq" => {
            let mut same = false;
            for other in &arguments[1..] {
                same |= equal(&arguments[0], other)?;
            }
            Ok(same.into())
        }
        "ne" => Ok((!equal(&arguments[0], &arguments[1])?).into()),
        "lt" => ordered(arguments, |order| order == Ordering::Less),
        "le" => ordered(arguments, |order| order != Ordering::Greater),
        "gt" => ordered(arguments, |order| order == Ordering::Greater),
        "ge" => ordered(arguments, |order| order != Ordering::Less),
        other => Err(format!("function \"{other}\" not defined")),
    }
}

fn length(value: &Value) -> Result<Value, String> {
    Ok(match value {
        Value::String(text) => text.len().into(),
        Value::Array(list) => list.len().into(),
        Value::Object(map) => map.len().into(),
        // A list or a map that nobody made.
        Value::Null => 0.into(),
        other => return Err(format!("len of type {}", kind(other))),
    })
}

fn index(value: &Value, key: &Value) -> Result<Value, String> {
    match value {
        Value::Array(list) => {
            let at = number(key)?;
            list.get(at).cloned().ok_or_else(|| format!("index out of range: {at}"))
        }
        Value::Object(map) => Ok(map.get(text(key)?).cloned().unwrap_or_else(|| absent(map))),
        Value::String(whole) => {
            let at = number(key)?;
            whole.as_bytes().get(at).map(|byte| u64::from(*byte).into()).ok_or_else(|| format!("index out of range: {at}"))
        }
        Value::Null if key.is_string() => Ok(Value::from("")),
        Value::Null => Err(format!("index out of range: {}", number(key)?)),
        other => Err(format!("can't index item of type {}", kind(other))),
    }
}

/// What a map has for a key that it has not: a map of texts has the empty one.
fn absent(map: &serde_json::Map<String, Value>) -> Value {
    if map.values().all(Value::is_string) { Value::from("") } else { Value::Null }
}

fn slice(arguments: &[Value]) -> Result<Value, String> {
    let bounds = arguments[1..].iter().map(number).collect::<Result<Vec<usize>, String>>()?;
    let range = |length: usize| {
        let (from, to) = (bounds.first().copied().unwrap_or(0), bounds.get(1).copied().unwrap_or(length));
        if from > to || to > length { Err(format!("index out of range: {}", from.max(to))) } else { Ok(from..to) }
    };
    match &arguments[0] {
        Value::Array(list) => Ok(Value::Array(list[range(list.len())?].to_vec())),
        Value::String(whole) => {
            let range = range(whole.len())?;
            whole.get(range.clone()).map(Value::from).ok_or_else(|| format!("index out of range: {}", range.start))
        }
        other => Err(format!("can't slice item of type {}", kind(other))),
    }
}

fn equal(one: &Value, other: &Value) -> Result<bool, String> {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => Ok(one == other || one.as_f64() == other.as_f64()),
        (Value::Null, _) | (_, Value::Null) => Ok(one == other),
        (Value::Array(_) | Value::Object(_), _) | (_, Value::Array(_) | Value::Object(_)) => Err("non-comparable types".to_owned()),
        _ if std::mem::discriminant(one) != std::mem::discriminant(other) => Err("incompatible types for comparison".to_owned()),
        _ => Ok(one == other),
    }
}

fn ordered(arguments: &[Value], fits: fn(Ordering) -> bool) -> Result<Value, String> {
    let order = match (&arguments[0], &arguments[1]) {
        (Value::String(one), Value::String(other)) => one.cmp(other),
        (Value::Number(one), Value::Number(other)) => one.as_f64().partial_cmp(&other.as_f64()).unwrap_or(Ordering::Equal),
        _ => return Err("incompatible types for comparison".to_owned()),
    };
    Ok(fits(order).into())
}
