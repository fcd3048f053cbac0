//! Which command a line names, and what is said when it names none.

use super::failure::{Failure, Result};
use super::verb::Verb;
use super::{ELSEWHERE, GROUPS, help, verbs, warn};

/// The command that the first words name, and the name that it was called by. Two words are tried before one.
pub fn find(words: &[String]) -> Option<(&'static Verb, String)> {
    (1..=3).rev().filter(|count| words.len() >= *count).find_map(|count| {
        let name = words[..count].join(" ");
        let verb = verbs().find(|verb| verb.names().any(|known| known == name))?;
        Some((verb, name))
    })
}

/// What is said to a line that names no command.
///
/// # Errors
/// Always, but for a group alone, whose page is shown.
pub fn no_verb(words: &[String]) -> Result {
    let Some(first) = words.first() else {
        warn(&help::everything());
        return Ok(());
    };
    if let Some((_, why)) = ELSEWHERE.iter().find(|(name, _)| name == first) {
        return Err(Failure::new(format!("docker: `docker {first}` is not here: {why}")));
    }
    let Some((name, about)) = GROUPS.iter().find(|(name, _)| name == first) else {
        return Err(Failure::new(format!("docker: unknown command: docker {first}\n\nRun 'docker --help' for more information")));
    };
    match words.get(1).map(String::as_str) {
        None => {
            warn(&help::group(name, about));
            Ok(())
        }
        Some("--help") => {
            super::say(&help::group(name, about));
            Ok(())
        }
        Some(option) if option.starts_with('-') => {
            let what = if option.starts_with("--") { format!("unknown flag: {option}") } else { unknown_letter(option) };
            Err(Failure::new(format!("{what}\n\nUsage:  docker {name} COMMAND\n\nRun 'docker {name} --help' for more information"))
                .code(125))
        }
        Some(other) => Err(Failure::new(format!(
            "docker: unknown command: docker {name} {other}\n\nUsage:  docker {name}\n\nRun 'docker {name} --help' for more information"
        ))),
    }
}

fn unknown_letter(option: &str) -> String {
    format!("unknown shorthand flag: {:?} in {option}", option.chars().nth(1).unwrap_or('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_have_old_and_new_names() {
        let found = |line: &str| find(&line.split(' ').map(str::to_owned).collect::<Vec<_>>()).map(|(verb, called)| (verb.path, called));
        assert_eq!(found("images -q"), Some(("image ls", "images".to_owned())));
        assert_eq!(found("image list"), Some(("image ls", "image list".to_owned())));
        assert_eq!(found("image frob"), None);
    }

    #[test]
    fn no_name_means_two_things_and_no_option_is_there_twice() {
        let mut names: Vec<&str> = verbs().flat_map(Verb::names).collect();
        names.sort_unstable();
        for pair in names.windows(2) {
            assert_ne!(pair[0], pair[1]);
        }
        for verb in verbs() {
            for (at, flag) in verb.flags.iter().enumerate() {
                let rest = &verb.flags[at + 1..];
                assert!(
                    !rest.iter().any(|other| other.long == flag.long || (other.short == flag.short && flag.short != '\0')),
                    "{} --{}",
                    verb.path,
                    flag.long
                );
            }
            assert!(!verb.about.is_empty() && verb.flags.iter().all(|flag| !flag.about.is_empty()), "{}", verb.path);
            let group = verb.path.split(' ').next().unwrap();
            assert!(!verb.path.contains(' ') || GROUPS.iter().any(|(name, _)| *name == group), "{} has no group", verb.path);
        }
    }
}
