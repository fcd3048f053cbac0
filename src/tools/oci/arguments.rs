//! Flags and operands of a command, by a table of flags. `--flag value`, `--flag=value`, `-f value`, repeated flags, `--` to end them.

use std::ffi::OsString;

use crate::oci::runtime::{Error, Result};

/// A flag.
pub struct Flag {
    /// After `--`.
    pub name: &'static str,
    /// After `-`.
    pub short: Option<char>,
    /// What its value is called; `None` for a switch.
    pub value: Option<&'static str>,
    /// One line of help.
    pub about: &'static str,
}

impl Flag {
    /// A flag with a value.
    pub const fn value(name: &'static str, short: Option<char>, value: &'static str, about: &'static str) -> Self {
        Flag { name, short, value: Some(value), about }
    }

    /// A flag without one.
    pub const fn switch(name: &'static str, short: Option<char>, about: &'static str) -> Self {
        Flag { name, short, value: None, about }
    }
}

/// What was given.
#[derive(Debug, Default)]
pub struct Arguments {
    flags: Vec<(&'static str, String)>,
    operands: Vec<String>,
}

/// The arguments as text.
///
/// # Errors
/// One is not UTF-8.
pub fn texts(arguments: &[OsString]) -> Result<Vec<String>> {
    let text = |argument: &OsString| argument.clone().into_string().map_err(|bytes| Error::new(format!("argument {bytes:?} is not UTF-8")));
    arguments.iter().map(text).collect()
}

impl Arguments {
    /// Sorts `words` by the table. With `trailing`, what follows the first operand is left as it is.
    ///
    /// # Errors
    /// An unknown flag, or a value that is missing.
    pub fn parse(words: &[String], table: &[Flag], trailing: bool) -> Result<Arguments> {
        let mut parsed = Arguments::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if word == "--" {
                parsed.operands.extend(words.cloned());
                break;
            }
            if !word.starts_with('-') || word == "-" {
                parsed.operands.push(word.clone());
                if trailing {
                    parsed.operands.extend(words.cloned());
                    break;
                }
                continue;
            }
            let (name, value) = word.split_once('=').map_or((word.as_str(), None), |(name, value)| (name, Some(value.to_owned())));
            let flag = find(table, name).ok_or_else(|| Error::new(format!("unknown flag `{name}`")).hint("`--help` lists the flags"))?;
            let value = match (flag.value, value) {
                (None, value) => value.unwrap_or_else(|| "true".to_owned()),
                (Some(_), Some(value)) => value,
                (Some(what), None) => words.next().cloned().ok_or_else(|| Error::new(format!("flag `{name}` needs a value: {what}")))?,
            };
            parsed.flags.push((flag.name, value));
        }
        Ok(parsed)
    }

    /// Whether a switch was given (and not as `--switch=false`).
    pub fn has(&self, name: &str) -> bool {
        self.value(name).is_some_and(|value| value != "false")
    }

    /// The value of a flag; the last one given.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.flags.iter().rev().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// All values of a flag.
    pub fn values(&self, name: &str) -> Vec<String> {
        self.flags.iter().filter(|(known, _)| *known == name).map(|(_, value)| value.clone()).collect()
    }

    /// The value of a flag as a number.
    ///
    /// # Errors
    /// It is none.
    pub fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>> {
        let parse = |text: &str| text.parse().map_err(|_| Error::new(format!("--{name} `{text}`: it must be a number")));
        self.value(name).map(parse).transpose()
    }

    /// What is not a flag.
    pub fn operands(&self) -> &[String] {
        &self.operands
    }
}

fn find<'a>(table: &'a [Flag], word: &str) -> Option<&'a Flag> {
    // runc's flag library takes `-flag` for `--flag`.
    let bare = word.strip_prefix("--").or_else(|| word.strip_prefix('-'))?;
    let short = |flag: &Flag| flag.short.is_some_and(|letter| bare.len() == letter.len_utf8() && bare.starts_with(letter));
    table.iter().find(|flag| flag.name == bare || short(flag))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[Flag] = &[Flag::value("bundle", Some('b'), "DIR", ""), Flag::switch("tty", Some('t'), "")];

    fn parse(line: &str, trailing: bool) -> Result<Arguments> {
        Arguments::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>(), TABLE, trailing)
    }

    #[test]
    fn flags_before_and_after_operands() {
        for line in ["--bundle x id -t", "id -b x --tty", "-b=x -t id", "-bundle x -tty id"] {
            let parsed = parse(line, false).unwrap();
            assert_eq!(parsed.value("bundle"), Some("x"), "{line}");
            assert!(parsed.has("tty"), "{line}");
            assert_eq!(parsed.operands(), ["id"], "{line}");
        }
        assert!(!parse("--tty=false id", false).unwrap().has("tty"));
    }

    #[test]
    fn a_command_keeps_its_own_flags() {
        assert_eq!(parse("-t id ls -l --bundle", true).unwrap().operands(), ["id", "ls", "-l", "--bundle"]);
        assert_eq!(parse("-t -- -x", true).unwrap().operands(), ["-x"]);
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert_eq!(parse("--nope", false).unwrap_err().what, "unknown flag `--nope`");
        assert_eq!(parse("id --bundle", false).unwrap_err().what, "flag `--bundle` needs a value: DIR");
    }
}
