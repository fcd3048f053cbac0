//! Words, quotes, flags and JSON lists in the arguments of an instruction.

/// Splits at blanks that are not in quotes and not escaped. Quotes and escapes stay in the words.
pub fn split(text: &str, escape: char) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (None, blank) if blank.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                continue;
            }
            (None, '\'' | '"') => quote = Some(character),
            (Some(open), close) if open == close => quote = None,
            // In single quotes nothing is escaped.
            (None | Some('"'), character) if character == escape => {
                word.push(character);
                if let Some(next) = characters.next() {
                    word.push(next);
                }
                continue;
            }
            _ => {}
        }
        word.push(character);
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// The word without quotes and escapes; `None` if a quote is not closed.
pub fn without_quotes(word: &str, escape: char) -> Option<String> {
    let mut plain = String::new();
    let mut quote = None;
    let mut characters = word.chars();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (None, '\'' | '"') => quote = Some(character),
            (Some(open), close) if open == close => quote = None,
            (None | Some('"'), character) if character == escape => plain.push(characters.next().unwrap_or(escape)),
            (_, character) => plain.push(character),
        }
    }
    quote.is_none().then_some(plain)
}

/// A list of strings in JSON. Anything else, a list in single quotes too, is none: the instruction then has its shell form.
pub fn json_list(text: &str) -> Option<Vec<String>> {
    let text = text.trim();
    text.starts_with('[').then(|| serde_json::from_str(text).ok()).flatten()
}

/// The flags at the beginning, `--name[=value]`, without quotes, and what is left.
pub fn flags(text: &str, escape: char) -> (Vec<(String, Option<String>)>, &str) {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while rest.starts_with("--") {
        let end = flag_end(rest, escape);
        let word = &rest[..end];
        rest = rest[end..].trim_start();
        if word == "--" {
            break;
        }
        let plain = without_quotes(&word[2..], escape).unwrap_or_else(|| word[2..].to_owned());
        found.push(match plain.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (plain, None),
        });
    }
    (found, rest)
}

/// Where the first word ends, in bytes.
fn flag_end(text: &str, escape: char) -> usize {
    let mut quote = None;
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match (quote, character) {
            (None, blank) if blank.is_whitespace() => return at,
            (None, '\'' | '"') => quote = Some(character),
            (Some(open), close) if open == close => quote = None,
            (None | Some('"'), character) if character == escape => drop(characters.next()),
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_keep_words_together() {
        assert_eq!(split(r#"a 'b c' "d \" e" f\ g"#, '\\'), ["a", "'b c'", r#""d \" e""#, r"f\ g"]);
        assert_eq!(without_quotes(r#"a'b c'"d\"e"f\ g"#, '\\').unwrap(), "ab cd\"ef g");
        assert_eq!(without_quotes("'open", '\\'), None);
        assert_eq!(split("a` b", '`'), ["a` b"]);
    }

    #[test]
    fn flags_end_at_the_first_word_that_is_none() {
        let (found, rest) = flags(r#"--from=build  --chown="a b" --link -- --kept x"#, '\\');
        assert_eq!(
            found,
            [("from".to_owned(), Some("build".to_owned())), ("chown".to_owned(), Some("a b".to_owned())), ("link".to_owned(), None)]
        );
        assert_eq!(rest, "--kept x");
    }

    #[test]
    fn only_json_is_a_list() {
        assert_eq!(json_list(r#" ["a", "b c"] "#).unwrap(), ["a", "b c"]);
        for text in ["['a']", "[a]", r#"["a", 1]"#, r#"["a"] x"#, "a"] {
            assert_eq!(json_list(text), None, "{text}");
        }
    }
}
