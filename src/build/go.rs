//! Go's ways of writing and reading values, which histories and flags of Docker's have.

/// `%v` of a list of texts: `[a b]`.
pub fn list(words: &[String]) -> String {
    format!("[{}]", words.join(" "))
}

/// `%q` of a list of texts: `["a" "b"]`.
pub fn quoted_list(words: &[String]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    format!("[{}]", quoted.join(" "))
}

/// `%q` of a text.
fn quoted(text: &str) -> String {
    let mut all = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => all.push_str("\\\""),
            '\\' => all.push_str("\\\\"),
            '\n' => all.push_str("\\n"),
            '\t' => all.push_str("\\t"),
            '\r' => all.push_str("\\r"),
            control if control.is_control() => all.push_str(&format!("\\x{:02x}", control as u32)),
            other => all.push(other),
        }
    }
    all.push('"');
    all
}

/// `%q` of a small number: Go takes it for a character.
pub fn quoted_number(number: i64) -> String {
    match u32::try_from(number).ok().and_then(char::from_u32) {
        Some('\t') => "'\\t'".to_owned(),
        Some('\n') => "'\\n'".to_owned(),
        Some('\r') => "'\\r'".to_owned(),
        Some('\u{7}') => "'\\a'".to_owned(),
        Some('\u{8}') => "'\\b'".to_owned(),
        Some('\u{b}') => "'\\v'".to_owned(),
        Some('\u{c}') => "'\\f'".to_owned(),
        Some(control) if control.is_ascii_control() => format!("'\\x{number:02x}'"),
        Some(other) => format!("'{other}'"),
        None => "'\u{fffd}'".to_owned(),
    }
}

/// The units of durations, in nanoseconds.
const UNITS: [(&str, f64); 7] = [("ns", 1.0), ("us", 1e3), ("µs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9), ("h", 3600e9)];

/// Reads `1h2m3.5s` in nanoseconds. A number without a unit is none, but for `0`.
pub fn duration(text: &str) -> Option<i64> {
    if text == "0" {
        return Some(0);
    }
    let (mut rest, mut sum) = (text, 0.0);
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|character: char| !character.is_ascii_digit() && character != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let end = rest.find(|character: char| character.is_ascii_digit() || character == '.').unwrap_or(rest.len());
        let (_, factor) = UNITS.iter().find(|(unit, _)| *unit == &rest[..end])?;
        sum += number * factor;
        rest = &rest[end..];
    }
    // 292 years is the longest that Go has.
    (sum < 9.2e18).then_some(sum as i64)
}

/// As Go prints a duration: `1m30s`, `500ms`, `0s`.
pub fn show_duration(nanoseconds: i64) -> String {
    let seconds = nanoseconds as f64 / 1e9;
    let number = |value: f64| {
        let text = format!("{value:.9}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    match nanoseconds {
        0 => "0s".to_owned(),
        1..1_000 => format!("{nanoseconds}ns"),
        1_000..1_000_000 => format!("{}µs", number(seconds * 1e6)),
        1_000_000..1_000_000_000 => format!("{}ms", number(seconds * 1e3)),
        _ => {
            let (hours, minutes) = (nanoseconds / 3_600_000_000_000, nanoseconds / 60_000_000_000 % 60);
            let rest = format!("{}s", number((nanoseconds % 60_000_000_000) as f64 / 1e9));
            match (hours, minutes) {
                (0, 0) => rest,
                (0, _) => format!("{minutes}m{rest}"),
                _ => format!("{hours}h{minutes}m{rest}"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_shown_as_go_does() {
        for (text, nanoseconds, shown) in [
            ("30s", 30_000_000_000, "30s"),
            ("1m30s", 90_000_000_000, "1m30s"),
            ("90s", 90_000_000_000, "1m30s"),
            ("500ms", 500_000_000, "500ms"),
            ("1.5s", 1_500_000_000, "1.5s"),
            ("2h", 7_200_000_000_000, "2h0m0s"),
            ("0", 0, "0s"),
        ] {
            assert_eq!(duration(text), Some(nanoseconds), "{text}");
            assert_eq!(show_duration(nanoseconds), shown);
        }
        for text in ["", "5", "s", "1x", "-1s", "1.2.3s", "999999999h"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn quotes_as_go_writes_them() {
        assert_eq!(quoted_list(&["a\"b\\".to_owned(), "c\nd".to_owned()]), r#"["a\"b\\" "c\nd"]"#);
        assert_eq!((quoted_number(3), quoted_number(10), quoted_number(48)), ("'\\x03'".to_owned(), "'\\n'".to_owned(), "'0'".to_owned()));
    }
}
