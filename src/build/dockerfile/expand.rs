//! Variables in words: `$NAME`, `${NAME}` and the forms that a POSIX shell and BuildKit have for defaults, errors and patterns.
//!
//! Single quotes protect everything, double quotes and the escape character as in a shell. Quotes vanish, as the builder's caller wants the plain text.

/// What a name stands for. `None`: it is not set.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Why a word cannot be expanded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unexpanded(pub String);

type Result<T> = std::result::Result<T, Unexpanded>;

/// The text of a word with its variables replaced and its quotes removed.
///
/// # Errors
/// A quote or a brace is not closed, a form is unknown, or `${NAME:?text}` found nothing.
pub fn word(text: &str, escape: char, lookup: Lookup<'_>) -> Result<String> {
    let mut expander = Expander { characters: text.chars().collect(), at: 0, escape, lookup };
    expander.until(&[])
}

struct Expander<'a> {
    characters: Vec<char>,
    at: usize,
    escape: char,
    lookup: Lookup<'a>,
}

impl Expander<'_> {
    fn peek(&self) -> Option<char> {
        self.characters.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let character = self.peek();
        self.at += usize::from(character.is_some());
        character
    }

    /// Everything up to one of `ends`, which is not taken; to the end if there are none.
    fn until(&mut self, ends: &[char]) -> Result<String> {
        let mut result = String::new();
        while let Some(character) = self.peek() {
            if ends.contains(&character) {
                return Ok(result);
            }
            self.at += 1;
            match character {
                '\'' => result.push_str(&self.single()?),
                '"' => result.push_str(&self.double()?),
                '$' => result.push_str(&self.dollar()?),
                escape if escape == self.escape => match self.next() {
                    Some(next) => result.push(next),
                    // At the very end it is itself.
                    None => result.push(escape),
                },
                other => result.push(other),
            }
        }
        if ends.is_empty() { Ok(result) } else { Err(Unexpanded("a `${` is not closed by `}`".to_owned())) }
    }

    fn single(&mut self) -> Result<String> {
        let mut result = String::new();
        loop {
            match self.next() {
                Some('\'') => return Ok(result),
                Some(character) => result.push(character),
                None => return Err(Unexpanded("unexpected end of statement while looking for matching single-quote".to_owned())),
            }
        }
    }

    fn double(&mut self) -> Result<String> {
        let mut result = String::new();
        loop {
            match self.next() {
                Some('"') => return Ok(result),
                Some('$') => result.push_str(&self.dollar()?),
                Some(escape) if escape == self.escape => match self.next() {
                    Some(next) if ['"', '$', self.escape].contains(&next) => result.push(next),
                    Some(next) => result.extend([escape, next]),
                    None => return Err(Unexpanded("unexpected end of statement while looking for matching double-quote".to_owned())),
                },
                Some(character) => result.push(character),
                None => return Err(Unexpanded("unexpected end of statement while looking for matching double-quote".to_owned())),
            }
        }
    }

    /// Behind a `$`.
    fn dollar(&mut self) -> Result<String> {
        match self.peek() {
            Some('{') => {
                self.at += 1;
                self.braced()
            }
            Some(character) if is_name_start(character) => {
                let name = self.name();
                Ok((self.lookup)(&name).unwrap_or_default())
            }
            // `$1`, `$@`: nothing a builder could know.
            Some(character) if character.is_ascii_digit() || "@*#?-$!".contains(character) => {
                self.at += 1;
                Ok((self.lookup)(&character.to_string()).unwrap_or_default())
            }
            _ => Ok("$".to_owned()),
        }
    }

    fn name(&mut self) -> String {
        let mut name = String::new();
        while let Some(character) = self.peek().filter(|character| is_name_start(*character) || character.is_ascii_digit()) {
            name.push(character);
            self.at += 1;
        }
        name
    }

    /// Behind `${`.
    fn braced(&mut self) -> Result<String> {
        let name = self.name();
        if name.is_empty() {
            return Err(Unexpanded("bad substitution: `${` needs a name".to_owned()));
        }
        let value = (self.lookup)(&name);
        let mut operator = self.next().ok_or_else(|| Unexpanded("a `${` is not closed by `}`".to_owned()))?;
        if operator == '}' {
            return Ok(value.unwrap_or_default());
        }
        // With a colon, empty counts as not set.
        let colon = operator == ':';
        if colon {
            operator = self.next().unwrap_or('}');
        }
        let set = value.clone().filter(|value| !(colon && value.is_empty()));
        match operator {
            '-' | '+' | '?' => {
                let other = self.until(&['}'])?;
                self.at += 1;
                chosen(operator, &name, set, other)
            }
            '#' | '%' if !colon => self.trimmed(operator, &value.unwrap_or_default()),
            '/' if !colon => self.replaced(&value.unwrap_or_default()),
            other => Err(Unexpanded(format!("unsupported modifier (:{other}) in substitution"))),
        }
    }

    /// `${NAME#pattern}`, `##`, `%`, `%%`.
    fn trimmed(&mut self, operator: char, value: &str) -> Result<String> {
        let longest = self.peek() == Some(operator);
        self.at += usize::from(longest);
        let pattern: Vec<char> = self.until(&['}'])?.chars().collect();
        self.at += 1;
        let text: Vec<char> = value.chars().collect();
        let cuts: Vec<usize> = if longest != (operator == '%') { (0..=text.len()).rev().collect() } else { (0..=text.len()).collect() };
        let fits = |cut: &usize| if operator == '#' { matches(&pattern, &text[..*cut]) } else { matches(&pattern, &text[*cut..]) };
        Ok(match cuts.into_iter().find(fits) {
            Some(cut) if operator == '#' => text[cut..].iter().collect(),
            Some(cut) => text[..cut].iter().collect(),
            None => value.to_owned(),
        })
    }

    /// `${NAME/pattern/replacement}`, `//` for all.
    fn replaced(&mut self, value: &str) -> Result<String> {
        let all = self.peek() == Some('/');
        self.at += usize::from(all);
        let pattern: Vec<char> = self.until(&['/', '}'])?.chars().collect();
        let mut replacement = String::new();
        if self.next() == Some('/') {
            replacement = self.until(&['}'])?;
            self.at += 1;
        }
        let text: Vec<char> = value.chars().collect();
        let (mut result, mut at, mut done) = (String::new(), 0, false);
        while at < text.len() {
            let end = (at + 1..=text.len()).rev().find(|end| matches(&pattern, &text[at..*end])).filter(|_| all || !done);
            match end {
                Some(end) => {
                    result.push_str(&replacement);
                    (at, done) = (end, true);
                }
                None => {
                    result.push(text[at]);
                    at += 1;
                }
            }
        }
        Ok(result)
    }
}

/// `-`, `+` and `?`.
fn chosen(operator: char, name: &str, value: Option<String>, other: String) -> Result<String> {
    match (operator, value) {
        ('-', value) => Ok(value.unwrap_or(other)),
        ('+', Some(_)) => Ok(other),
        ('+', None) => Ok(String::new()),
        (_, Some(value)) => Ok(value),
        (_, None) if other.is_empty() => Err(Unexpanded(format!("{name}: not allowed to be unset"))),
        (_, None) => Err(Unexpanded(format!("{name}: {other}"))),
    }
}

fn is_name_start(character: char) -> bool {
    character.is_ascii_alphabetic() || character == '_'
}

/// A shell pattern of `*` and `?`; `\` takes the meaning from the next. The time is the product of both lengths, whatever the pattern.
fn matches(pattern: &[char], text: &[char]) -> bool {
    // `reached[n]`: what was read of the pattern fits the first n characters.
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    let mut pattern = pattern.iter();
    while let Some(one) = pattern.next() {
        let literal = if *one == '\\' { pattern.next().unwrap_or(one) } else { one };
        if *one == '*' {
            let first = reached.iter().position(|fits| *fits).unwrap_or(reached.len());
            reached[first..].fill(true);
            continue;
        }
        for at in (0..text.len()).rev() {
            reached[at + 1] = reached[at] && (*one == '?' || text[at] == *literal);
        }
        reached[0] = false;
    }
    reached[text.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(name: &str) -> Option<String> {
        match name {
            "foo" => Some("bar".to_owned()),
            "empty" => Some(String::new()),
            "path" => Some("/usr/local/lib.tar.gz".to_owned()),
            _ => None,
        }
    }

    fn expanded(text: &str) -> std::result::Result<String, String> {
        word(text, '\\', &lookup).map_err(|error| error.0)
    }

    #[test]
    fn the_forms_of_a_variable() {
        let table = [
            ("$foo", "bar"),
            ("${foo}x", "barx"),
            ("$foox", ""),
            ("a$foo/b", "abar/b"),
            ("${none:-def}", "def"),
            ("${empty:-def}", "def"),
            ("${empty-def}", ""),
            ("${none-def}", "def"),
            ("${foo:+yes}", "yes"),
            ("${empty:+yes}", ""),
            ("${empty+yes}", "yes"),
            ("${none:-${foo}s}", "bars"),
            ("${none:-'a b'}", "a b"),
            ("${foo:?gone}", "bar"),
            ("${path##*/}", "lib.tar.gz"),
            ("${path#*/}", "usr/local/lib.tar.gz"),
            ("${path%.*}", "/usr/local/lib.tar"),
            ("${path%%.*}", "/usr/local/lib"),
            ("${path/local/share}", "/usr/share/lib.tar.gz"),
            ("${path//l/L}", "/usr/LocaL/Lib.tar.gz"),
            (r"\$foo", "$foo"),
            (r"\\$foo", r"\bar"),
            ("'$foo'", "$foo"),
            ("\"$foo\"", "bar"),
            (r#""\$foo \" \n""#, r#"$foo " \n"#),
            ("$", "$"),
            ("a$", "a$"),
            ("a\\", "a\\"),
            ("$1x", "x"),
        ];
        for (text, result) in table {
            assert_eq!(expanded(text).as_deref(), Ok(result), "{text}");
        }
    }

    #[test]
    fn what_is_not_closed_or_not_set_is_said() {
        assert_eq!(expanded("${none:?must be set}").unwrap_err(), "none: must be set");
        assert_eq!(expanded("${none?}").unwrap_err(), "none: not allowed to be unset");
        for text in ["${foo", "${", "${}", "'a", "\"a", "${foo:x}", "${foo:-a"] {
            assert!(expanded(text).is_err(), "{text}");
        }
    }
}
