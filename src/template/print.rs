//! Values as Go prints them.

use std::fmt::Write as _;

use serde_json::Value;

/// The widest field that is padded; wider is a mistake or an attack.
const WIDEST: usize = 10_000;

/// A value as `{{.}}` writes it.
pub fn plain(value: &Value) -> String {
    match value {
        Value::Null => "<no value>".to_owned(),
        other => inner(other),
    }
}

/// A value inside another one, or after `%v`.
fn inner(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(list) => format!("[{}]", list.iter().map(inner).collect::<Vec<_>>().join(" ")),
        Value::Object(map) => {
            let mut pairs: Vec<String> = map.iter().map(|(key, value)| format!("{key}:{}", inner(value))).collect();
            pairs.sort();
            format!("map[{}]", pairs.join(" "))
        }
        Value::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
            Some(float) => general(float),
            None => number.to_string(),
        },
        other => other.to_string(),
    }
}

/// Go's `%v` of a float: `%g`, with an exponent from 21 digits on.
fn general(float: f64) -> String {
    if float != 0.0 && (float.abs() < 1e-4 || float.abs() >= 1e21) { exponent(float) } else { format!("{float}") }
}

/// `1e+06`: Go has a sign and two digits.
fn exponent(float: f64) -> String {
    let text = format!("{float:e}");
    let Some((mantissa, power)) = text.split_once('e') else { return text };
    let (sign, digits) = power.strip_prefix('-').map_or(('+', power), |digits| ('-', digits));
    format!("{mantissa}e{sign}{digits:0>2}")
}

/// `print`: blanks only between two values that are no texts.
pub fn spaced(values: &[Value]) -> String {
    let mut all = String::new();
    for (at, value) in values.iter().enumerate() {
        if at > 0 && !value.is_string() && !values[at - 1].is_string() {
            all.push(' ');
        }
        all.push_str(&inner(value));
    }
    all
}

/// `printf`.
pub fn printf(format: &str, values: &[Value]) -> String {
    let (mut all, mut values, mut letters) = (String::new(), values.iter(), format.chars().peekable());
    while let Some(letter) = letters.next() {
        if letter != '%' {
            all.push(letter);
            continue;
        }
        let mut spec = Spec::default();
        while let Some(flag) = letters.next_if(|one| "-+# 0".contains(*one)) {
            spec.flags.push(flag);
        }
        while let Some(digit) = letters.next_if(char::is_ascii_digit) {
            spec.width = Some((spec.width.unwrap_or(0) * 10 + digit as usize - '0' as usize).min(WIDEST));
        }
        if letters.next_if_eq(&'.').is_some() {
            let mut precision = 0;
            while let Some(digit) = letters.next_if(char::is_ascii_digit) {
                precision = (precision * 10 + digit as usize - '0' as usize).min(WIDEST);
            }
            spec.precision = Some(precision);
        }
        match letters.next() {
            None => all.push_str("%!(NOVERB)"),
            Some('%') => all.push('%'),
            Some(verb) => match values.next() {
                Some(value) => all.push_str(&spec.apply(verb, value)),
                None => {
                    // Writing to a String never fails, here and below.
                    let _ = write!(all, "%!{verb}(MISSING)");
                }
            },
        }
    }
    let extra: Vec<String> = values.map(|value| format!("{}={}", super::eval::kind(value), inner(value))).collect();
    if !extra.is_empty() {
        let _ = write!(all, "%!(EXTRA {})", extra.join(", "));
    }
    all
}

#[derive(Default)]
struct Spec {
    flags: String,
    width: Option<usize>,
    precision: Option<usize>,
}

impl Spec {
    fn apply(&self, verb: char, value: &Value) -> String {
        let cut = |text: String| self.precision.map_or_else(|| text.clone(), |most| text.chars().take(most).collect());
        let wrong = || format!("%!{verb}({}={})", super::eval::kind(value), inner(value));
        let text = match (verb, value) {
            ('v', Value::Number(number)) if number.is_f64() => return self.pad(general(number.as_f64().unwrap_or_default()), true),
            ('v', _) => inner(value),
            ('s', Value::Number(_) | Value::Bool(_) | Value::Null) => wrong(),
            ('s', _) => cut(inner(value)),
            ('q', Value::String(text)) => format!("{:?}", cut(text.clone())),
            ('q', Value::Array(list)) => format!("[{}]", list.iter().map(|one| self.apply('q', one)).collect::<Vec<_>>().join(" ")),
            ('t', Value::Bool(is)) => is.to_string(),
            ('T', _) => super::eval::kind(value).to_owned(),
            ('d' | 'x' | 'X' | 'o' | 'b' | 'c', Value::Number(number)) => match number.as_i64() {
                Some(whole) => return self.pad(self.whole(verb, whole), true),
                None => wrong(),
            },
            ('x', Value::String(text)) => text.bytes().map(|byte| format!("{byte:02x}")).collect(),
            ('f' | 'F' | 'e' | 'g', Value::Number(number)) if number.is_f64() => {
                let float = number.as_f64().unwrap_or_default();
                let text = match verb {
                    'e' => exponent(float),
                    'g' => general(float),
                    _ => format!("{float:.*}", self.precision.unwrap_or(6)),
                };
                return self.pad(text, true);
            }
            _ => wrong(),
        };
        self.pad(text, false)
    }

    fn whole(&self, verb: char, whole: i64) -> String {
        let sign = if self.flags.contains('+') && whole >= 0 { "+" } else { "" };
        match verb {
            'x' => format!("{sign}{whole:x}"),
            'X' => format!("{sign}{whole:X}"),
            'o' => format!("{sign}{whole:o}"),
            'b' => format!("{sign}{whole:b}"),
            'c' => u32::try_from(whole).ok().and_then(char::from_u32).unwrap_or('\u{fffd}').to_string(),
            _ => format!("{sign}{whole}"),
        }
    }

    fn pad(&self, text: String, number: bool) -> String {
        let missing = self.width.unwrap_or(0).saturating_sub(text.chars().count());
        match () {
            () if self.flags.contains('-') => text + &" ".repeat(missing),
            () if number && self.flags.contains('0') => match text.strip_prefix('-') {
                Some(digits) => format!("-{}{digits}", "0".repeat(missing)),
                None => "0".repeat(missing) + &text,
            },
            () => " ".repeat(missing) + &text,
        }
    }
}
