//! What a plain word of YAML stands for.

use super::Value;

/// The value of a scalar: quoted ones are texts, plain ones what they look like, tagged ones what the tag says.
pub fn resolve(text: &str, plain: bool, tag: &str) -> Value {
    let wanted = || if plain { of_plain(text) } else { Value::Text(text.to_owned()) };
    match tag {
        "" | "!reset" | "!override" => wanted(),
        "!!int" | "!!float" | "!!bool" | "!!null" => of_plain(text),
        _ => Value::Text(text.to_owned()),
    }
}

/// What an unquoted word is.
pub fn of_plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        ".nan" | ".NaN" | ".NAN" => Value::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Value::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Value::Float(f64::NEG_INFINITY),
        _ if !text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first)) => Value::Text(text.to_owned()),
        _ => number(text).unwrap_or_else(|| Value::Text(text.to_owned())),
    }
}

fn number(text: &str) -> Option<Value> {
    if let Some(day) = day(text) {
        return Some(Value::Text(day));
    }
    let plain = text.replace('_', "");
    if !text.starts_with('.')
        && let Some(number) = integer(&plain)
    {
        return Some(Value::Int(number));
    }
    looks_like_float(&plain).then(|| plain.parse().ok()).flatten().map(Value::Float)
}

/// A date is a point in time for the YAML library, and printed so when a text is wanted.
fn day(text: &str) -> Option<String> {
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts.as_slice() else { return None };
    let digits = |part: &str, length| part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit());
    let fits = digits(year, 4) && (digits(month, 2) || digits(month, 1)) && (digits(day, 2) || digits(day, 1));
    let (month, day): (u8, u8) = (month.parse().ok()?, day.parse().ok()?);
    (fits && (1..=12).contains(&month) && (1..=31).contains(&day)).then(|| format!("{year}-{month:02}-{day:02} 00:00:00 +0000 UTC"))
}

/// Decimal, `0x`, `0o`, `0b`, and octal with a leading zero.
fn integer(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..]),
        [b'0', b'o', ..] => (8, &lower[2..]),
        [b'0', b'b', ..] => (2, &lower[2..]),
        [b'0', _, ..] => (8, &lower[1..]),
        _ => (10, lower.as_str()),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    i64::from_str_radix(&format!("{sign}{digits}"), radix).ok()
}

/// `1.5`, `.5`, `1.`, `1e3`.
fn looks_like_float(text: &str) -> bool {
    let text = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent_fits = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty()) && exponent_fits
}

/// A number as Go's `%v` prints it: the shortest digits, an exponent only for the very large and the very small.
pub fn go_float(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if number != 0.0 && !(-4..21).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.abs());
    }
    number.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_words_are_what_the_yaml_library_of_compose_takes_them_for() {
        for (text, value) in [
            ("0777", Value::Int(0o777)),
            ("0o17", Value::Int(15)),
            ("0x1F", Value::Int(31)),
            ("1_000", Value::Int(1000)),
            ("-5", Value::Int(-5)),
            ("1.10", Value::Float(1.1)),
            ("1e3", Value::Float(1000.0)),
            (".5", Value::Float(0.5)),
            ("1.2.3", Value::Text("1.2.3".into())),
            ("yes", Value::Text("yes".into())),
            ("on", Value::Text("on".into())),
            ("089", Value::Float(89.0)),
            ("80:80", Value::Text("80:80".into())),
            ("-", Value::Text("-".into())),
            ("True", Value::Bool(true)),
            ("~", Value::Null),
        ] {
            assert_eq!(of_plain(text), value, "{text}");
        }
        assert_eq!(resolve("80", true, "!!str"), Value::Text("80".into()));
        assert_eq!(resolve("80", false, ""), Value::Text("80".into()));
    }

    #[test]
    fn numbers_are_printed_as_go_prints_them() {
        for (number, text) in [(1.1, "1.1"), (1000.0, "1000"), (1e21, "1e+21"), (1e-5, "1e-05"), (0.0001, "0.0001"), (0.0, "0")] {
            assert_eq!(go_float(number), text);
        }
    }
}
