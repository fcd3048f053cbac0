//! Reads command lines as docker does: options before and between words, `-it`, `-p80:80`, `--flag=value`, `--`.

use std::collections::HashMap;

use super::failure::Failure;
use super::help;
use super::quantity;
use super::verb::{Flag, Kind, Takes, Verb};
use crate::oci::reference::Reference;

/// A command line that was understood.
#[derive(Debug, Default, Clone)]
pub struct Given {
    /// The words that are no options.
    pub words: Vec<String>,
    /// The name that the command was called by: `images`.
    pub called: String,
    values: HashMap<&'static str, Vec<String>>,
}

impl Given {
    /// A line of words without options.
    pub fn of(words: &[&str]) -> Self {
        Given { words: words.iter().map(|word| (*word).to_owned()).collect(), ..Given::default() }
    }

    /// With one more value of an option: for a command that another command gives.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.values.entry(name).or_default().push(value.into());
        self
    }

    /// With this value of an option and no other.
    pub fn with_only(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.values.insert(name, vec![value.into()]);
        self
    }

    /// Whether an option was given at all.
    pub fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// Whether a switch is on.
    pub fn on(&self, name: &str) -> bool {
        self.text(name).is_some_and(truth)
    }

    /// The same for a switch that is on unless turned off.
    pub fn still_on(&self, name: &str) -> bool {
        self.text(name).is_none_or(truth)
    }

    /// An option's last value.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name)?.last().map(String::as_str)
    }

    /// An option's last value, empty without one.
    pub fn text_or_empty(&self, name: &str) -> &str {
        self.text(name).unwrap_or_default()
    }

    /// All values of an option.
    pub fn all(&self, name: &str) -> &[String] {
        self.values.get(name).map_or(&[], Vec::as_slice)
    }

    /// A number; it was checked when the line was read.
    pub fn number(&self, name: &str) -> Option<i64> {
        self.text(name)?.parse().ok()
    }

    /// A size in bytes.
    pub fn bytes(&self, name: &str) -> Option<i64> {
        quantity::bytes(self.text(name)?).ok()
    }

    /// A time in nanoseconds.
    pub fn duration(&self, name: &str) -> Option<i64> {
        quantity::duration(self.text(name)?).ok()
    }

    /// A word.
    pub fn word(&self, at: usize) -> &str {
        self.words.get(at).map_or("", String::as_str)
    }
}

/// Go's `strconv.ParseBool`, of a value that was checked.
pub fn truth(text: &str) -> bool {
    ["1", "t", "T", "true", "TRUE", "True"].contains(&text)
}

fn is_bool(text: &str) -> bool {
    truth(text) || ["0", "f", "F", "false", "FALSE", "False"].contains(&text)
}

/// What came out of reading a line.
pub enum Read {
    /// It asks for the page of help.
    Help,
    /// It is a command.
    Given(Given),
}

/// Reads what stands behind a command's name.
///
/// # Errors
/// An option is unknown or its value wrong; the number of words is wrong.
pub fn read(verb: &Verb, called: &str, line: &[String]) -> Result<Read, Failure> {
    let wrong = |why: String| {
        let text = format!("{why}\n\nUsage:  {}\n\nRun 'docker {called} --help' for more information", help::usage_line(verb, called));
        Failure::new(text).code(125)
    };
    let mut reader = Reader { flags: verb.flags, given: Given { called: called.to_owned(), ..Given::default() }, help: false };
    reader.line(line, verb.mixed).map_err(wrong)?;
    if reader.help {
        return Ok(Read::Help);
    }
    counted(verb, called, reader.given.words.len())?;
    Ok(Read::Given(reader.given))
}

/// Reads the options before the first word of the whole line; the words are what follows.
///
/// # Errors
/// An option is unknown or its value wrong.
pub fn globals(flags: &'static [Flag], line: &[String]) -> Result<Read, Failure> {
    let wrong = |why: String| {
        Failure::new(format!("{why}\n\nUsage:  docker [OPTIONS] COMMAND [ARG...]\n\nRun 'docker --help' for more information")).code(125)
    };
    let mut reader = Reader { flags, given: Given::default(), help: false };
    reader.line(line, false).map_err(wrong)?;
    Ok(if reader.help { Read::Help } else { Read::Given(reader.given) })
}

fn counted(verb: &Verb, called: &str, count: usize) -> Result<(), Failure> {
    let many = |number: usize| if number == 1 { "argument" } else { "arguments" };
    let (fits, what, see) = match verb.takes {
        Takes::Any => return Ok(()),
        Takes::Exactly(0) => (count == 0, "accepts no arguments".to_owned(), "Run"),
        Takes::Exactly(number) => (count == number, format!("requires {number} {}", many(number)), "Run"),
        Takes::AtLeast(number) => (count >= number, format!("requires at least {number} {}", many(number)), "See"),
        Takes::AtMost(number) => (count <= number, format!("requires at most {number} {}", many(number)), "Run"),
        Takes::Between(from, to) => {
            ((from..=to).contains(&count), format!("requires at least {from} and at most {to} {}", many(to)), "Run")
        }
    };
    if fits {
        return Ok(());
    }
    let usage = help::usage_line(verb, called);
    Err(Failure::new(format!("docker: 'docker {called}' {what}\n\nUsage:  {usage}\n\n{see} 'docker {called} --help' for more information")))
}

struct Reader {
    flags: &'static [Flag],
    given: Given,
    help: bool,
}

impl Reader {
    fn line(&mut self, line: &[String], mixed: bool) -> Result<(), String> {
        let mut words = line.iter();
        while let Some(word) = words.next() {
            if word == "--" {
                self.given.words.extend(words.cloned());
                return Ok(());
            }
            if let Some(name) = word.strip_prefix("--") {
                self.long(name, &mut words)?;
            } else if word.len() > 1 && word.starts_with('-') {
                self.letters(&word[1..], &mut words)?;
            } else {
                self.given.words.push(word.clone());
                if !mixed {
                    self.given.words.extend(words.cloned());
                    return Ok(());
                }
            }
            if self.help {
                return Ok(());
            }
        }
        Ok(())
    }

    fn long<'a>(&mut self, text: &str, words: &mut impl Iterator<Item = &'a String>) -> Result<(), String> {
        let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
        if name.is_empty() || name.starts_with('-') {
            return Err(format!("bad flag syntax: --{text}"));
        }
        let Some(flag) = self.flags.iter().find(|flag| flag.long == name) else {
            if name == "help" {
                self.help = true;
                return Ok(());
            }
            return Err(format!("unknown flag: --{name}"));
        };
        match value {
            Some(value) => self.set(flag, value),
            None if flag.kind.is_switch() => self.set(flag, "true"),
            None => match words.next() {
                Some(value) => self.set(flag, value),
                None => Err(format!("flag needs an argument: --{name}")),
            },
        }
    }

    fn letters<'a>(&mut self, letters: &str, words: &mut impl Iterator<Item = &'a String>) -> Result<(), String> {
        let mut rest = letters;
        while let Some(letter) = rest.chars().next() {
            rest = &rest[letter.len_utf8()..];
            let Some(flag) = self.flags.iter().find(|flag| flag.short == letter) else {
                return Err(format!("unknown shorthand flag: {letter:?} in -{letters}"));
            };
            if let Some(value) = rest.strip_prefix('=') {
                return self.set(flag, value);
            }
            if flag.kind.is_switch() {
                self.set(flag, "true")?;
                continue;
            }
            if !rest.is_empty() {
                return self.set(flag, rest);
            }
            return match words.next() {
                Some(value) => self.set(flag, value),
                None => Err(format!("flag needs an argument: {letter:?} in -{letters}")),
            };
        }
        Ok(())
    }

    fn set(&mut self, flag: &Flag, value: &str) -> Result<(), String> {
        check(flag.kind, value).map_err(|why| {
            let name = if flag.short == '\0' { format!("--{}", flag.long) } else { format!("-{}, --{}", flag.short, flag.long) };
            format!("invalid argument {value:?} for {name:?} flag: {why}")
        })?;
        if flag.long == "help" {
            self.help = truth(value);
        }
        let values = self.given.values.entry(flag.long).or_default();
        match flag.kind {
            Kind::Words => values.extend(value.split(',').map(str::to_owned)),
            _ => values.push(value.to_owned()),
        }
        Ok(())
    }
}

fn check(kind: Kind, value: &str) -> Result<(), String> {
    let number = |what: &str, fits: bool| if fits { Ok(()) } else { Err(format!("strconv.{what}: parsing {value:?}: invalid syntax")) };
    match kind {
        Kind::Switch | Kind::On => number("ParseBool", is_bool(value)),
        Kind::Int => number("ParseInt", value.parse::<i64>().is_ok()),
        Kind::Uint => number("ParseUint", value.parse::<u64>().is_ok()),
        Kind::Uint16 => number("ParseUint", value.parse::<u16>().is_ok()),
        Kind::Bytes => quantity::bytes(value).map(drop),
        Kind::Duration => quantity::duration(value).map(drop),
        Kind::Decimal => quantity::processors(value).map(drop),
        Kind::Filter if !value.contains('=') => Err("bad format of filter (expected name=value)".to_owned()),
        Kind::Tag => value.parse::<Reference>().map(drop).map_err(|error| error.to_string()),
        Kind::Ulimit => quantity::ulimit(value).map(drop),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::verb::{VERB, long, short};
    use super::*;

    const FLAGS: &[Flag] = &[
        short('a', "all", Kind::Switch, ""),
        short('q', "quiet", Kind::Switch, ""),
        short('f', "filter", Kind::Filter, ""),
        short('p', "publish", Kind::List, ""),
        long("last", Kind::Int, ""),
        long("trust", Kind::On, ""),
        long("cap", Kind::Words, ""),
    ];
    const LIST: Verb = Verb { path: "image ls", usage: "[OPTIONS] [NAME]", takes: Takes::AtMost(1), flags: FLAGS, ..VERB };

    fn read_line(verb: &Verb, line: &str) -> Result<Given, String> {
        let line: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        match read(verb, "images", &line) {
            Ok(Read::Given(given)) => Ok(given),
            Ok(Read::Help) => Err("help".to_owned()),
            Err(failure) => Err(failure.message.lines().next().unwrap_or_default().to_owned()),
        }
    }

    #[test]
    fn options_stand_in_all_their_spellings() {
        let given = read_line(&LIST, "-aq x -p80:80 -p=81:81 --publish 82 -f a=b --filter=c=d=e --last -1 --trust=false --cap a,b --cap c")
            .unwrap();
        assert!(given.on("all") && given.on("quiet") && !given.still_on("trust"));
        assert_eq!(given.words, ["x"]);
        assert_eq!(given.all("publish"), ["80:80", "81:81", "82"]);
        assert_eq!(given.all("filter"), ["a=b", "c=d=e"]);
        assert_eq!(given.all("cap"), ["a", "b", "c"]);
        assert_eq!(given.number("last"), Some(-1));
        assert_eq!(read_line(&LIST, "-- -a").unwrap().words, ["-a"]);
        let run = Verb { mixed: false, takes: Takes::AtLeast(1), ..LIST };
        assert_eq!(read_line(&run, "-a image -q --frob").unwrap().words, ["image", "-q", "--frob"]);
    }

    #[test]
    fn complaints_are_in_the_words_of_docker() {
        let table = [
            ("--frob", "unknown flag: --frob"),
            ("-az", "unknown shorthand flag: 'z' in -az"),
            ("--last", "flag needs an argument: --last"),
            ("-aq -f", "flag needs an argument: 'f' in -f"),
            ("--last x", "invalid argument \"x\" for \"--last\" flag: strconv.ParseInt: parsing \"x\": invalid syntax"),
            ("-f x", "invalid argument \"x\" for \"-f, --filter\" flag: bad format of filter (expected name=value)"),
            ("-q=maybe", "invalid argument \"maybe\" for \"-q, --quiet\" flag: strconv.ParseBool: parsing \"maybe\": invalid syntax"),
            ("--=x", "bad flag syntax: --=x"),
            ("a b", "docker: 'docker images' requires at most 1 argument"),
            ("a --help b c", "help"),
        ];
        for (line, wanted) in table {
            assert_eq!(read_line(&LIST, line).unwrap_err(), wanted, "{line}");
        }
    }
}
