//! Values that files write in more than one way and the model holds in one: sizes, spans of time, modes, commands.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Value, json};

use super::part::{Form, Part};

/// A number of bytes; printed as a text: `"1073741824"`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub i64);

impl Part for Bytes {
    fn value(&self, _: Form) -> Value {
        Value::String(self.0.to_string())
    }
    fn is_left_out(&self, _: Form) -> bool {
        self.0 == 0
    }
}

/// A span of time in nanoseconds; printed as Go prints one: `1m30s`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration(pub i64);

impl Duration {
    /// The span for a clock; nothing below zero.
    pub fn std(self) -> std::time::Duration {
        std::time::Duration::from_nanos(self.0.max(0).unsigned_abs())
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.0.unsigned_abs();
        let sign = if self.0 < 0 { "-" } else { "" };
        let fraction = |whole: u64, unit: u64| {
            let digits = format!("{:0width$}", whole % unit, width = unit.ilog10() as usize);
            let digits = digits.trim_end_matches('0');
            let dot = if digits.is_empty() { "" } else { "." };
            format!("{}{dot}{digits}", whole / unit)
        };
        match total {
            0 => f.write_str("0s"),
            1..1_000 => write!(f, "{sign}{total}ns"),
            1_000..1_000_000 => write!(f, "{sign}{}µs", fraction(total, 1_000)),
            1_000_000..1_000_000_000 => write!(f, "{sign}{}ms", fraction(total, 1_000_000)),
            _ => {
                let (minutes, rest) = (total / 60_000_000_000, total % 60_000_000_000);
                let seconds = if rest == 0 { "0".to_owned() } else { fraction(rest, 1_000_000_000) };
                match (minutes / 60, minutes % 60) {
                    (0, 0) => write!(f, "{sign}{seconds}s"),
                    (0, minutes) => write!(f, "{sign}{minutes}m{seconds}s"),
                    (hours, minutes) => write!(f, "{sign}{hours}h{minutes}m{seconds}s"),
                }
            }
        }
    }
}

impl Part for Duration {
    fn value(&self, _: Form) -> Value {
        Value::String(self.to_string())
    }
    fn is_left_out(&self, _: Form) -> bool {
        self.0 == 0
    }
}

/// The permissions of a file; printed in octal as a text: `"0444"`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FileMode(pub u32);

impl Part for FileMode {
    fn value(&self, _: Form) -> Value {
        Value::String(format!("0{:o}", self.0))
    }
    fn is_left_out(&self, _: Form) -> bool {
        false
    }
}

/// A truth that holds unless a file says `false`; printed only then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct On(pub bool);

impl Default for On {
    fn default() -> Self {
        On(true)
    }
}

impl Part for On {
    fn value(&self, _: Form) -> Value {
        Value::Bool(self.0)
    }
    fn is_left_out(&self, _: Form) -> bool {
        self.0
    }
}

/// A command line in words. Nothing (the image's own) is not the same as no words (none at all).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Command(pub Option<Vec<String>>);

impl Part for Command {
    fn value(&self, _: Form) -> Value {
        json!(self.0)
    }
    fn is_left_out(&self, form: Form) -> bool {
        form == Form::Yaml && self.0.is_none()
    }
}

/// A limit of a process: one number for both, or a soft and a hard one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ulimit {
    /// Both limits at once; 0 when the two below count.
    pub single: i64,
    pub soft: i64,
    pub hard: i64,
}

impl Part for Ulimit {
    fn value(&self, form: Form) -> Value {
        match (self.single, form) {
            (0, Form::Yaml) => json!({"soft": self.soft, "hard": self.hard}),
            (0, Form::Json) => {
                let mut map = serde_json::Map::new();
                super::part::add(&mut map, "soft", &self.soft, form);
                super::part::add(&mut map, "hard", &self.hard, form);
                Value::Object(map)
            }
            (single, _) => json!(single),
        }
    }
    fn is_left_out(&self, _: Form) -> bool {
        false
    }
}

/// Addresses by host name; printed as `name=address`, sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExtraHosts(pub BTreeMap<String, Vec<String>>);

impl ExtraHosts {
    /// The pairs joined by `separator`: the engine's API wants `:`, files have `=`.
    pub fn joined(&self, separator: &str) -> Vec<String> {
        let mut lines: Vec<String> = self
            .0
            .iter()
            .flat_map(|(host, addresses)| addresses.iter().map(move |address| format!("{host}{separator}{address}")))
            .collect();
        lines.sort();
        lines
    }
}

impl Part for ExtraHosts {
    fn value(&self, _: Form) -> Value {
        json!(self.joined("="))
    }
    fn is_left_out(&self, _: Form) -> bool {
        self.0.is_empty()
    }
}

/// The order in which YAML keys are printed: numbers within names count as numbers (`web2` before `web10`), signs before letters.
pub fn natural(one: &str, other: &str) -> Ordering {
    let (a, b): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let mut digits = false;
    for at in 0..a.len().min(b.len()) {
        let (x, y) = (a[at], b[at]);
        if x == y {
            digits = x.is_ascii_digit();
            continue;
        }
        return match (x.is_alphabetic(), y.is_alphabetic()) {
            (true, true) => x.cmp(&y),
            (false, false) => natural_digits(&a, &b, at, digits),
            // Within a number, the one that goes on is the longer and so the larger one.
            (left, _) if digits => {
                if left {
                    Ordering::Less
                } else {
                    Ordering::Greater
                }
            }
            (left, _) => {
                if left {
                    Ordering::Greater
                } else {
                    Ordering::Less
                }
            }
        };
    }
    a.len().cmp(&b.len())
}

/// Compares from `at`, the first place where two names differ, where neither has a letter.
fn natural_digits(a: &[char], b: &[char], at: usize, digits: bool) -> Ordering {
    let run = |name: &[char]| name[at..].iter().take_while(|letter| letter.is_ascii_digit()).count();
    let (left, right) = (run(a), run(b));
    let leading_zero = (a[at] == '0' || b[at] == '0') && !(at > 0 && digits);
    if left > 0 && right > 0 && !leading_zero && left != right {
        return left.cmp(&right);
    }
    a[at].cmp(&b[at])
}
