//! Comparing an observed value with a wanted one.

use std::fmt;

use super::super::fields::{Complaints, Fields, parse_size};

/// A regular expression that knows its own text.
#[derive(Clone)]
pub struct Pattern {
    text: String,
    regex: regex_lite::Regex,
}

impl Pattern {
    /// Compiles it.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn new(text: &str) -> Result<Self, String> {
        let limited = regex_lite::RegexBuilder::new(text).size_limit(1 << 20).multi_line(false).build();
        limited.map(|regex| Pattern { text: text.to_owned(), regex }).map_err(|error| error.to_string())
    }

    /// Whether it is found in `value`.
    pub fn fits(&self, value: &str) -> bool {
        self.regex.is_match(value)
    }

    /// As the author wrote it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Reads a pattern from a key.
    pub fn read(fields: &mut Fields<'_>, key: &'static str, complaints: &mut Complaints) -> Option<Self> {
        let spot = fields.spot_of(key);
        let text = fields.text(key, complaints)?;
        Pattern::new(&text).map_err(|why| complaints.add(spot, &fields.at(key), format!("no valid pattern: {why}"), PATTERN_HINT)).ok()
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}/", self.text)
    }
}

/// The way out of a pattern that is none.
pub const PATTERN_HINT: &str = "write a regular expression; a sign that stands for itself needs a backslash before it";

/// One comparison.
#[derive(Debug, Clone)]
pub enum Compare {
    Is(String),
    Not(String),
    Matches(Pattern),
    Contains(String),
    AtLeast(f64),
    AtMost(f64),
    MoreThan(f64),
    LessThan(f64),
}

/// The keys of comparisons.
pub const COMPARISONS: [&str; 8] = ["is", "not", "matches", "contains", "at_least", "at_most", "more_than", "less_than"];

impl Compare {
    /// Whether `got` fits. Texts are compared without the newline at their end; numbers may carry K, M, G.
    pub fn holds(&self, got: &str) -> bool {
        let number = || parse_size(got);
        match self {
            Compare::Is(wanted) => same(got, wanted),
            Compare::Not(wanted) => !same(got, wanted),
            Compare::Matches(pattern) => pattern.fits(got),
            Compare::Contains(part) => got.contains(part.as_str()),
            Compare::AtLeast(limit) => number().is_some_and(|number| number >= *limit),
            Compare::AtMost(limit) => number().is_some_and(|number| number <= *limit),
            Compare::MoreThan(limit) => number().is_some_and(|number| number > *limit),
            Compare::LessThan(limit) => number().is_some_and(|number| number < *limit),
        }
    }

    /// Reads every comparison among the keys of `fields`.
    pub fn read_all(fields: &mut Fields<'_>, complaints: &mut Complaints) -> Vec<Compare> {
        let mut found = Vec::new();
        found.extend(fields.text("is", complaints).map(Compare::Is));
        found.extend(fields.text("not", complaints).map(Compare::Not));
        found.extend(Pattern::read(fields, "matches", complaints).map(Compare::Matches));
        found.extend(fields.text("contains", complaints).map(Compare::Contains));
        let mut number = |key, make: fn(f64) -> Compare| {
            found.extend(fields.parsed(key, "a number or a size such as `64M`", parse_size, complaints).map(make));
        };
        number("at_least", Compare::AtLeast);
        number("at_most", Compare::AtMost);
        number("more_than", Compare::MoreThan);
        number("less_than", Compare::LessThan);
        found
    }

    /// Reads the one comparison that must be there.
    pub fn read_one(fields: &mut Fields<'_>, complaints: &mut Complaints) -> Option<Compare> {
        let before = complaints.list.len();
        let mut found = Compare::read_all(fields, complaints);
        match (found.len(), found.pop()) {
            (1, one) => one,
            (0, _) if complaints.list.len() > before => None,
            (count, _) => {
                let what = if count == 0 { "needs a comparison" } else { "has more than one comparison" };
                complaints.add(fields.spot, &fields.path, what, format!("exactly one of: {}", COMPARISONS.join(", ")));
                None
            }
        }
    }
}

fn same(got: &str, wanted: &str) -> bool {
    got.strip_suffix('\n').unwrap_or(got) == wanted.strip_suffix('\n').unwrap_or(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_numbers() {
        assert!(Compare::Is("a\n".into()).holds("a"));
        assert!(!Compare::Is("a".into()).holds("a\n\n"));
        assert!(Compare::AtMost(64.0 * 1024.0 * 1024.0).holds("67108864"));
        assert!(!Compare::AtMost(1e9).holds("max") && Compare::AtLeast(1e9).holds("max"));
        assert!(!Compare::AtMost(1e9).holds("nothing"), "what is no number is not small");
        assert!(Compare::Matches(Pattern::new("^a.c$").unwrap()).holds("abc"));
    }
}
