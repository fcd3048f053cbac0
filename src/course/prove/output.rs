//! P12: does a command print what the lesson says? Comparing output with its elisions.
//!
//! A line `...` is any number of lines, `[..]` any text within a line, `{name}` any text without a blank, the same at each use in the lesson's step.
//! What a terminal shows at the end is compared: programs that draw (`docker pull` and its bars) go up, erase and write anew.

use std::fmt;

use super::super::text::{Params, holes};

/// How an output differs from what was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Differs {
    /// Which of the expected lines has no match, from 0; none where all have one and their order or number is wrong.
    pub line: Option<usize>,
    /// What was expected and is not there.
    pub missing: String,
    /// The first lines of what was printed.
    pub seen: String,
}

impl fmt::Display for Differs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; it prints: {}", self.missing, self.seen)
    }
}

/// Compares; binds names as it goes.
///
/// # Errors
/// What was expected and what came, in a few words.
pub fn matches(expected: &str, got: &str, bound: &mut Params) -> Result<(), Differs> {
    let clean = |text: &str| text.trim_end().lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>();
    let (expected, got) = (clean(expected), clean(&screen(got)));
    if lines(&expected, &got, bound) {
        return Ok(());
    }
    let line = expected.iter().position(|line| line != "..." && !got.iter().any(|other| line_fits(line, other, &mut bound.clone())));
    let missing =
        line.map_or_else(|| "the order or the number of lines differs".to_owned(), |line| format!("no line fits `{}`", expected[line]));
    let shown: Vec<&str> = got.iter().take(6).map(String::as_str).collect();
    Err(Differs { line, missing, seen: if shown.is_empty() { "nothing".to_owned() } else { shown.join(" | ") } })
}

/// What stands on a terminal after `text` was written to it: the cursor goes up and down, lines are erased and written over. Where the text has no such
/// sequences it comes back as it is, without carriage returns.
fn screen(text: &str) -> String {
    if !text.contains('\u{1b}') {
        return text.replace('\r', "");
    }
    let mut rows: Vec<String> = vec![String::new()];
    let mut row = 0;
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        rest = &rest[letter.len_utf8()..];
        match letter {
            '\u{1b}' => rest = sequence(rest, &mut rows, &mut row),
            '\n' => row += 1,
            '\r' => {}
            _ => rows[row].push(letter),
        }
        if rows.len() <= row {
            rows.resize(row + 1, String::new());
        }
    }
    rows.join("\n")
}

/// Obeys one sequence, `[2A` for two lines up; gives what comes after it. Of those that move or erase only the ones that docker draws with are known: what
/// was erased is written anew from the left, so no column is kept.
fn sequence<'t>(text: &'t str, rows: &mut [String], row: &mut usize) -> &'t str {
    let Some(inner) = text.strip_prefix('[') else { return text };
    let end = inner.find(|letter: char| letter.is_ascii_alphabetic()).unwrap_or(inner.len());
    let count: usize = inner[..end].parse().unwrap_or(1);
    match inner[end..].chars().next() {
        Some('A') => *row = row.saturating_sub(count),
        Some('B') => *row = row.saturating_add(count).min(rows.len()),
        Some('K') => rows[*row].clear(),
        _ => {}
    }
    inner.get(end + 1..).unwrap_or_default()
}

fn lines(expected: &[String], got: &[String], bound: &mut Params) -> bool {
    let Some((first, rest)) = expected.split_first() else { return got.is_empty() };
    if first.trim() == "..." {
        // The shortest elision that lets the rest fit.
        return (0..=got.len()).any(|skip| {
            let mut tried = bound.clone();
            let fits = lines(rest, &got[skip..], &mut tried);
            if fits {
                *bound = tried;
            }
            fits
        });
    }
    let Some((line, others)) = got.split_first() else { return false };
    let mut tried = bound.clone();
    let fits = line_fits(first, line, &mut tried) && lines(rest, others, &mut tried);
    if fits {
        *bound = tried;
    }
    fits
}

/// One line, by turning it into a regular expression.
fn line_fits(expected: &str, got: &str, bound: &mut Params) -> bool {
    let mut pattern = String::from("^");
    let mut names: Vec<&str> = Vec::new();
    let mut rest = expected;
    while !rest.is_empty() {
        let hole = rest
            .strip_prefix('{')
            .and_then(|inner| inner.split_once('}'))
            .map(|(name, _)| name)
            .filter(|name| holes(rest).first() == Some(name));
        if let Some(after) = rest.strip_prefix("[..]") {
            pattern.push_str(".*?");
            rest = after;
        } else if let Some(name) = hole {
            match bound.get(name) {
                Some(value) => pattern.push_str(&regex_lite::escape(value)),
                None => {
                    names.push(name);
                    pattern.push_str(r"(\S+?)");
                }
            }
            rest = &rest[name.len() + 2..];
        } else {
            let letter = rest.chars().next().unwrap_or_default();
            pattern.push_str(&regex_lite::escape(&letter.to_string()));
            rest = &rest[letter.len_utf8()..];
        }
    }
    pattern.push('$');
    let Some(found) = regex_lite::Regex::new(&pattern).ok().and_then(|regex| regex.captures(got)) else { return false };
    for (at, name) in names.iter().enumerate() {
        let value = found.get(at + 1).map(|value| value.as_str().to_owned()).unwrap_or_default();
        if bound.insert((*name).to_owned(), value.clone()).is_some_and(|old| old != value) {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_screen_is_compared_and_not_what_was_drawn_on_the_way() {
        let drawn = "latest: Pulling\r\n\r\n\u{1b}[1A\u{1b}[2Kab: Waiting \r\u{1b}[1B\r\n\u{1b}[1A\u{1b}[2Kcd: Waiting \r\u{1b}[1B\
                     \u{1b}[2A\u{1b}[2Kab: Pull complete \r\u{1b}[2B\u{1b}[1A\u{1b}[2Kcd: Pull complete \r\u{1b}[1BDigest: sha256:12\r\nStatus: new\r\n";
        let seen = "latest: Pulling\nab: Pull complete\ncd: Pull complete\nDigest: sha256:[..]\nStatus: new\n";
        matches(seen, drawn, &mut Params::new()).unwrap();
        assert!(matches("...\nab: Waiting\n...", drawn, &mut Params::new()).is_err());
        assert_eq!(screen("\u{1b}[31mred\u{1b}[0m \u{1b}[9A\u{1b}[99B\u{1b}[K\u{1b}["), "red \n", "nonsense ends nothing");
    }

    #[test]
    fn elisions_and_names() {
        let mut bound = Params::new();
        assert!(matches("a\n...\nz {pid}\n", "a\nb\nc\nz 12\r\n", &mut bound).is_ok());
        assert!(matches("{pid} {x} [..] ok {print $1}", "12 q many words ok {print $1}", &mut bound).is_ok());
        assert!(matches("{pid}", "13", &mut bound).is_err(), "a name means the same at each use");
        assert!(matches("...", "", &mut bound).is_ok());
        assert!(matches("{same} {same}", "a b", &mut Params::new()).is_err());
        assert!(matches("a  \n", "a", &mut bound).is_ok());
        let why = matches("a\nb", "a\nc", &mut bound).unwrap_err();
        assert_eq!(why.to_string(), "no line fits `b`; it prints: a | c");
    }
}
