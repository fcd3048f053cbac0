//! Files with variables: `.env`, and what `env_file` and `label_file` name.
//!
//! `KEY=value`, `KEY: value`, `export KEY=value`; a key alone takes its value from outside. Values without quotes end at the line or at
//! ` #`; in double quotes escapes and variables count, in single quotes nothing does, and both may run over lines.

use std::collections::BTreeMap;

use super::template::Variables;

/// Adds the variables of `text` to `into`. `outside` is asked before what was read already.
///
/// # Errors
/// A name with a letter that none may have, a quote that is not closed, a variable that is written wrongly: with the line.
pub fn read(
    text: &str,
    into: &mut BTreeMap<String, String>,
    outside: &dyn Fn(&str) -> Option<String>,
    warnings: &mut Vec<String>,
) -> Result<(), String> {
    let mut reader = Reader { rest: text.strip_prefix('\u{feff}').unwrap_or(text), line: 1, into, outside, warnings };
    while reader.skip_to_statement() {
        reader.statement()?;
    }
    Ok(())
}

/// Adds the variables of `text` as they stand: no quotes, no escapes, no variables (`format: raw`).
///
/// # Errors
/// None today; a line without `=` takes its value from outside.
pub fn read_raw(text: &str, into: &mut BTreeMap<String, String>, outside: &dyn Fn(&str) -> Option<String>) -> Result<(), String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (number, line) in text.lines().enumerate() {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match line.split_once('=') {
            Some((key, _)) if key.trim().is_empty() => return Err(format!("line {}: no variable name on line '{line}'", number + 1)),
            Some((key, _)) if key.contains(char::is_whitespace) => {
                return Err(format!("line {}: variable '{key}' contains whitespaces", number + 1));
            }
            Some((key, value)) => {
                into.insert(key.to_owned(), value.to_owned());
            }
            None => into.extend(outside(line.trim()).map(|value| (line.trim().to_owned(), value))),
        }
    }
    Ok(())
}

struct Reader<'a> {
    rest: &'a str,
    line: usize,
    into: &'a mut BTreeMap<String, String>,
    outside: &'a dyn Fn(&str) -> Option<String>,
    warnings: &'a mut Vec<String>,
}

impl Reader<'_> {
    /// Over blank lines and comments; false at the end.
    fn skip_to_statement(&mut self) -> bool {
        loop {
            let trimmed = self.rest.trim_start();
            self.line += self.rest[..self.rest.len() - trimmed.len()].matches('\n').count();
            self.rest = trimmed;
            if !trimmed.starts_with('#') {
                return !trimmed.is_empty();
            }
            self.rest = trimmed.find('\n').map_or("", |at| &trimmed[at..]);
        }
    }

    fn statement(&mut self) -> Result<(), String> {
        if let Some(after) = self.rest.strip_prefix("export")
            && after.starts_with(char::is_whitespace)
        {
            self.rest = after.trim_start_matches(is_blank);
        }
        let (key, taken_over) = self.key()?;
        if key.contains(' ') {
            return Err(format!("line {}: key cannot contain a space", self.line));
        }
        if taken_over {
            self.into.extend((self.outside)(&key).map(|value| (key, value)));
            return Ok(());
        }
        let value = self.value()?;
        self.into.insert(key, value);
        Ok(())
    }

    /// The name, and whether it stands alone on its line.
    fn key(&mut self) -> Result<(String, bool), String> {
        let mut found = None;
        for (at, letter) in self.rest.char_indices() {
            match letter {
                '=' | ':' | '\n' => {
                    found = Some((at, letter == '\n'));
                    break;
                }
                '_' | '.' | '-' | '[' | ']' => {}
                letter if is_blank(letter) || letter.is_alphanumeric() => {}
                letter => {
                    let line = self.rest.split('\n').next().unwrap_or_default();
                    return Err(format!("line {}: unexpected character {:?} in variable name {line:?}", self.line, letter.to_string()));
                }
            }
        }
        let Some((end, alone)) = found else { return Ok((String::new(), false)) };
        let key = &self.rest[..end];
        if alone && !key.contains(' ') {
            self.line += 1;
        }
        let key = key.trim_end().to_owned();
        self.rest = self.rest[end + 1..].trim_start_matches(is_blank);
        Ok((key, alone))
    }

    fn value(&mut self) -> Result<String, String> {
        match self.rest.chars().next() {
            Some(quote @ ('"' | '\'')) => self.quoted(quote),
            _ => {
                let (value, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
                self.line += 1;
                self.rest = rest;
                let value = value.split(" #").next().unwrap_or_default().trim_end();
                self.fill_in(value)
            }
        }
    }

    fn quoted(&mut self, quote: char) -> Result<String, String> {
        let (mut value, mut escaped) = (String::new(), false);
        for (at, letter) in self.rest.char_indices().skip(1) {
            self.line += usize::from(letter == '\n');
            if letter == quote && !escaped {
                self.rest = &self.rest[at + 1..];
                return if quote == '"' { self.fill_in(&unescaped(&value)) } else { Ok(value) };
            }
            if !escaped && letter == '\\' {
                escaped = true;
                continue;
            }
            if escaped && letter != quote {
                value.push('\\');
            }
            escaped = false;
            value.push(letter);
        }
        let shown = self.rest.split('\n').next().unwrap_or_default();
        Err(format!("line {}: unterminated quoted value {shown}", self.line))
    }

    fn fill_in(&mut self, value: &str) -> Result<String, String> {
        let known: &BTreeMap<String, String> = self.into;
        let look_up = |name: &str| (self.outside)(name).or_else(|| known.get(name).cloned());
        Variables { look_up: &look_up, warnings: self.warnings }.fill_in(value).map_err(|fault| fault.to_string())
    }
}

/// Escapes of a shell that count in double quotes; others stay as they are.
fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let (put, length) = match after.chars().next() {
            Some('a') => ("\u{7}".to_owned(), 1),
            Some('b') => ("\u{8}".to_owned(), 1),
            Some('f') => ("\u{c}".to_owned(), 1),
            Some('n') => ("\n".to_owned(), 1),
            Some('r') => ("\r".to_owned(), 1),
            Some('t') => ("\t".to_owned(), 1),
            Some('v') => ("\u{b}".to_owned(), 1),
            // A dollar that is none of a variable's.
            Some('$') => ("$$".to_owned(), 1),
            Some(sign @ ('"' | '\\')) => (sign.to_string(), 1),
            Some('0') => octal(after),
            _ => ("\\".to_owned(), 0),
        };
        out.push_str(&put);
        rest = &after[length..];
    }
    out.push_str(rest);
    out
}

/// `\0101` is `A`: a zero and exactly three octal digits.
fn octal(after: &str) -> (String, usize) {
    let digits = after.bytes().skip(1).take(3).take_while(u8::is_ascii_digit).count();
    let number = u32::from_str_radix(&after[1..=digits], 8).ok().filter(|number| digits == 3 && *number < 256);
    match number.and_then(char::from_u32) {
        Some(letter) => (letter.to_string(), 4),
        None => (format!("\\{}", &after[1..=digits]), 1 + digits),
    }
}

/// White space within a line.
fn is_blank(letter: char) -> bool {
    matches!(letter, '\t' | '\u{b}' | '\u{c}' | '\r' | ' ' | '\u{85}' | '\u{a0}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(text: &str) -> Result<Vec<(String, String)>, String> {
        let mut into = BTreeMap::new();
        read(text, &mut into, &|name| (name == "OUT").then(|| "side".to_owned()), &mut Vec::new())?;
        Ok(into.into_iter().collect())
    }

    #[test]
    fn every_way_to_write_a_variable_is_read() {
        for (text, key, value) in [
            ("A=b", "A", "b"),
            ("A: b", "A", "b"),
            ("export A=b", "A", "b"),
            ("A = b ", "A", "b"),
            ("A=b # said", "A", "b"),
            ("A=b#c", "A", "b#c"),
            ("A=\"b # c\" # said", "A", "b # c"),
            ("A='$OUT \\n'", "A", "$OUT \\n"),
            ("A=\"x\\ny\\t\\$OUT\"", "A", "x\ny\t$OUT"),
            ("A=\"one\ntwo\"", "A", "one\ntwo"),
            ("A=${OUT}-${NONE:-d}", "A", "side-d"),
            ("OUT\n", "OUT", "side"),
            ("A='it\\'s'", "A", "it's"),
            ("A=", "A", ""),
        ] {
            assert_eq!(variables(text), Ok(vec![(key.to_owned(), value.to_owned())]), "{text:?}");
        }
        assert_eq!(variables("A=1\nB=${A}2\n").unwrap()[1].1, "12");
        assert_eq!(variables("# only\n\n  # said\n"), Ok(vec![]));
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        assert_eq!(variables("A=1\nB!=2\n").unwrap_err(), "line 2: unexpected character \"!\" in variable name \"B!=2\"");
        assert_eq!(variables("A=1\n\nB=\"2\n").unwrap_err(), "line 4: unterminated quoted value \"2");
        assert_eq!(variables("A B=1\n").unwrap_err(), "line 1: key cannot contain a space");
    }

    #[test]
    fn raw_files_are_taken_as_they_stand() {
        let mut into = BTreeMap::new();
        read_raw("A=\"b\" # $c\n# said\nOUT\nNONE\n", &mut into, &|name| (name == "OUT").then(|| "side".to_owned())).unwrap();
        assert_eq!(into["A"], "\"b\" # $c");
        assert_eq!(into["OUT"], "side");
        assert_eq!(into.len(), 2);
    }
}
