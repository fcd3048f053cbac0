//! P12: does a command print what the lesson says? Comparing output with its elisions.
//!
//! A line `...` is any number of lines, `[..]` any text within a line, `{name}` any text without a blank, the same at each use in the lesson's step.

use super::super::text::{Params, holes};

/// Compares; binds names as it goes.
///
/// # Errors
/// What was expected and what came, in a few words.
pub(super) fn matches(expected: &str, got: &str, bound: &mut Params) -> Result<(), String> {
    let clean = |text: &str| text.replace('\r', "").trim_end().lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>();
    let (expected, got) = (clean(expected), clean(got));
    if lines(&expected, &got, bound) {
        return Ok(());
    }
    let near = expected.iter().find(|line| *line != "..." && !got.iter().any(|other| line_fits(line, other, &mut bound.clone())));
    let missing = near.map_or_else(|| "the order or the number of lines differs".to_owned(), |line| format!("no line fits `{line}`"));
    let shown: Vec<&str> = got.iter().take(6).map(String::as_str).collect();
    Err(format!("{missing}; it prints: {}", if shown.is_empty() { "nothing".to_owned() } else { shown.join(" | ") }))
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
    fn elisions_and_names() {
        let mut bound = Params::new();
        assert!(matches("a\n...\nz {pid}\n", "a\nb\nc\nz 12\r\n", &mut bound).is_ok());
        assert!(matches("{pid} {x} [..] ok {print $1}", "12 q many words ok {print $1}", &mut bound).is_ok());
        assert!(matches("{pid}", "13", &mut bound).is_err(), "a name means the same at each use");
        assert!(matches("...", "", &mut bound).is_ok());
        assert!(matches("{same} {same}", "a b", &mut Params::new()).is_err());
        assert!(matches("a  \n", "a", &mut bound).is_ok());
        let why = matches("a\nb", "a\nc", &mut bound).unwrap_err();
        assert_eq!(why, "no line fits `b`; it prints: a | c");
    }
}
