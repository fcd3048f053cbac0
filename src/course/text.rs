//! Texts with holes: `{param}` filled when a unit is opened, `{got}`, `{subject}`, `{seq}` when a fact is shown.

use std::collections::BTreeMap;

/// Values of parameters by name.
pub type Params = BTreeMap<String, String>;

/// The holes that a fact fills in when it is shown.
pub const OBSERVED: [&str; 3] = ["got", "subject", "seq"];

/// Replaces `{name}` for every name in `values`; all other braces stay (a shell's `${x}` included).
pub fn fill(text: &str, values: &Params) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        let (before, from) = rest.split_at(at);
        filled.push_str(before);
        let name = from[1..].split('}').next().filter(|name| from.len() > name.len() + 1);
        match name.and_then(|name| values.get(name).map(|value| (name, value))) {
            // `${x}` belongs to the shell, whatever the parameters are called.
            Some((name, value)) if !before.ends_with('$') => {
                filled.push_str(value);
                rest = &from[name.len() + 2..];
            }
            _ => {
                filled.push('{');
                rest = &from[1..];
            }
        }
    }
    filled.push_str(rest);
    filled
}

/// The names of all holes in a text that look like holes: `{word}`.
pub fn holes(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices('{') {
        let Some(end) = text[at..].find('}') else { break };
        let name = &text[at + 1..at + end];
        let word = !name.is_empty() && name.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_' || letter.is_ascii_digit());
        if word && name.starts_with(|letter: char| letter.is_ascii_lowercase()) && !text[..at].ends_with('$') {
            found.push(name);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_holes_are_filled() {
        let values = Params::from([("token".to_owned(), "ab12".to_owned()), ("x".to_owned(), "1".to_owned())]);
        assert_eq!(fill("echo {token} ${x} {print $1} {y} {", &values), "echo ab12 ${x} {print $1} {y} {");
        assert_eq!(fill("{token}{token}", &values), "ab12ab12");
        assert_eq!(holes("a {got} ${x} {print $1} {Y} {p_2}"), ["got", "p_2"]);
    }
}
