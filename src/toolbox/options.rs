//! Command lines as getopt_long(3) reads them: `-abc`, `-n5`, `-n 5`, `--name=5`, `--name 5`, `--`.

use super::failure::Failure;

/// An option that a tool knows: its one letter (or `'\0'`), its long name, whether it takes a value.
pub type Known = (char, &'static str, bool);

/// What was given: options as (long name, value), and the other arguments in their order.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// The options, in order.
    pub options: Vec<(&'static str, String)>,
    /// Everything else.
    pub rest: Vec<String>,
}

impl Given {
    /// True if the option was given.
    pub fn has(&self, name: &str) -> bool {
        self.options.iter().any(|(option, _)| *option == name)
    }

    /// The last value given for the option.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.options.iter().rev().find(|(option, _)| *option == name).map(|(_, value)| value.as_str())
    }

    /// All values given for the option.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.options.iter().filter(move |(option, _)| *option == name).map(|(_, value)| value.as_str())
    }

    /// The value of the option as a number (or whatever can be parsed).
    ///
    /// # Errors
    /// It was given and is not one.
    pub fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, Failure> {
        let parse = |text: &str| text.parse().map_err(|_| Failure::new(2, format_args!("invalid argument: '{text}'")));
        self.value(name).map(parse).transpose()
    }
}

/// Reads `args`. With `stop_early` the first argument that is no option ends the options (a command follows).
///
/// # Errors
/// An unknown option, or a missing value: exit code 2.
pub fn parse(args: &[String], known: &[Known], stop_early: bool) -> Result<Given, Failure> {
    let mut given = Given::default();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if arg == "--" {
            break;
        }
        if let Some(long) = arg.strip_prefix("--") {
            given.options.push(long_option(long, known, &mut args)?);
        } else if let Some(letters) = arg.strip_prefix('-').filter(|letters| !letters.is_empty()) {
            short_options(letters, known, &mut args, &mut given)?;
        } else {
            given.rest.push(arg.clone());
            if stop_early {
                break;
            }
        }
    }
    given.rest.extend(args.cloned());
    Ok(given)
}

fn long_option<'a>(text: &str, known: &[Known], args: &mut impl Iterator<Item = &'a String>) -> Result<(&'static str, String), Failure> {
    let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value.to_owned())));
    let unknown = || Failure::new(2, format_args!("unrecognized option '--{name}'"));
    let (_, long, takes_value) = known.iter().find(|(_, long, _)| *long == name).ok_or_else(unknown)?;
    match (takes_value, value) {
        (false, None) => Ok((long, String::new())),
        (false, Some(_)) => Err(Failure::new(2, format_args!("option '--{name}' doesn't allow an argument"))),
        (true, Some(value)) => Ok((long, value)),
        (true, None) => {
            let next = args.next().cloned();
            Ok((long, next.ok_or_else(|| Failure::new(2, format_args!("option '--{name}' requires an argument")))?))
        }
    }
}

fn short_options<'a>(
    letters: &str,
    known: &[Known],
    args: &mut impl Iterator<Item = &'a String>,
    given: &mut Given,
) -> Result<(), Failure> {
    for (at, letter) in letters.char_indices() {
        let unknown = || Failure::new(2, format_args!("invalid option -- '{letter}'"));
        let (_, long, takes_value) = known.iter().find(|(short, _, _)| *short == letter && letter != '\0').ok_or_else(unknown)?;
        if !takes_value {
            given.options.push((long, String::new()));
            continue;
        }
        let glued = &letters[at + letter.len_utf8()..];
        let value = if glued.is_empty() { args.next().cloned() } else { Some(glued.to_owned()) };
        given.options.push((long, value.ok_or_else(|| Failure::new(2, format_args!("option requires an argument -- '{letter}'")))?));
        break;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[Known] = &[('a', "all", false), ('n', "number", true), ('\0', "forest", false), ('\0', "sort", true)];

    fn read(line: &str) -> Result<Given, Failure> {
        parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>(), KNOWN, false)
    }

    #[test]
    fn every_way_to_write_an_option() {
        let given = read("-an5 x --sort=a --forest --sort b -n 6 -- -a").unwrap();
        let expected = [("all", ""), ("number", "5"), ("sort", "a"), ("forest", ""), ("sort", "b"), ("number", "6")];
        assert_eq!(given.options.iter().map(|(name, value)| (*name, value.as_str())).collect::<Vec<_>>(), expected);
        assert_eq!(given.rest, ["x", "-a"]);
        assert_eq!((given.value("sort"), given.number::<u32>("number")), (Some("b"), Ok(Some(6))));
        assert_eq!(given.values("sort").count(), 2);
    }

    #[test]
    fn mistakes_are_named() {
        for (line, message) in [
            ("-z", "invalid option -- 'z'"),
            ("-n", "option requires an argument -- 'n'"),
            ("--so", "unrecognized option '--so'"),
            ("--forest=1", "option '--forest' doesn't allow an argument"),
            ("--sort", "option '--sort' requires an argument"),
        ] {
            assert_eq!(read(line).unwrap_err(), Failure::new(2, message), "{line}");
        }
        assert!(read("-n x").unwrap().number::<u32>("number").is_err());
    }
}
