//! Why a step came from the cache, or did not: which file, line or argument broke it.

use std::collections::BTreeMap;
use std::fmt;

use super::cache::{Inputs, Kind};

/// As many changed files are named one by one.
const NAMED: usize = 5;

/// Why a step was carried out or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// All inputs were as before.
    Hit,
    /// `--no-cache`.
    NotAsked,
    /// It was made before, but the store has thrown its layer away.
    Lost,
    /// No build of this Dockerfile had such a step.
    New,
    /// It was never made like this: what differs from the last time.
    Changed(Vec<Change>),
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The instruction itself: as it was.
    Instruction(String),
    /// The layers below.
    Below,
    /// A file: its name, and `changed`, `is new` or `is gone`.
    File(String, &'static str),
    /// More files than are named.
    MoreFiles(usize),
    /// A variable or an argument: what it is, its name, its old and its new value.
    Variable(&'static str, String, Option<String>, Option<String>),
    /// Anything else: its name, its old and its new value.
    Setting(String, String, String),
}

/// Why the step with these inputs was not found, by the steps of the last build.
pub fn miss(now: &Inputs, id: &str, last: &BTreeMap<String, Inputs>) -> Why {
    let stage = id.split_once('/').map_or(id, |(stage, _)| stage);
    let in_stage = |(key, _): &(&String, &Inputs)| key.split_once('/').is_some_and(|(own, _)| own == stage);
    // The same words in the same stage, even if lines were added above; else whatever stood in this place.
    let same = last.iter().filter(in_stage).find(|(_, inputs)| inputs.text == now.text).map(|(_, inputs)| inputs);
    let Some(before) = same.or_else(|| last.get(id)) else { return Why::New };
    let changes = changes(before, now);
    if changes.is_empty() { Why::New } else { Why::Changed(changes) }
}

fn changes(before: &Inputs, now: &Inputs) -> Vec<Change> {
    let mut found = Vec::new();
    if before.text != now.text {
        found.push(Change::Instruction(before.text.clone()));
    }
    let map = |inputs: &Inputs| -> BTreeMap<(Kind, String), String> {
        inputs.parts.iter().map(|(kind, name, value)| ((*kind, name.clone()), value.clone())).collect()
    };
    let (old, new) = (map(before), map(now));
    let mut files = 0;
    let keys = old.keys().chain(new.keys().filter(|key| !old.contains_key(*key)));
    for key in keys {
        let (was, is) = (old.get(key), new.get(key));
        if was == is {
            continue;
        }
        let (kind, name) = key;
        match kind {
            Kind::Below => found.insert(0, Change::Below),
            Kind::File => {
                files += 1;
                let how = if was.is_none() {
                    "is new"
                } else if is.is_none() {
                    "is gone"
                } else {
                    "changed"
                };
                if files <= NAMED {
                    found.push(Change::File(name.clone(), how));
                }
            }
            Kind::Environment => found.push(Change::Variable("ENV", name.clone(), was.cloned(), is.cloned())),
            Kind::Argument => found.push(Change::Variable("ARG", name.clone(), was.cloned(), is.cloned())),
            // The words of the file say it better, if they changed.
            Kind::Instruction if before.text != now.text => {}
            Kind::Instruction | Kind::Setting => {
                found.push(Change::Setting(name.clone(), was.cloned().unwrap_or_default(), is.cloned().unwrap_or_default()));
            }
        }
    }
    if files > NAMED {
        found.push(Change::MoreFiles(files - NAMED));
    }
    found.dedup();
    found
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Hit => f.write_str("hit: all that it is made of is as it was"),
            Why::NotAsked => f.write_str("miss: --no-cache"),
            Why::Lost => f.write_str("miss: it was built before, but its layer was removed from the store"),
            Why::New => f.write_str("miss: no build of this Dockerfile has made this step"),
            Why::Changed(changes) => {
                f.write_str("miss: ")?;
                for (number, change) in changes.iter().enumerate() {
                    write!(f, "{}{change}", if number == 0 { "" } else { "; " })?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Instruction(was) => write!(f, "the instruction was `{was}`"),
            Change::Below => f.write_str("the layers below it are others (a step above or the base changed)"),
            Change::File(name, how) => write!(f, "the file `{name}` {how}"),
            Change::MoreFiles(count) => write!(f, "and {count} more files"),
            Change::Variable(kind, name, was, is) => match (was, is) {
                (Some(was), Some(is)) => write!(f, "{kind} {name} was `{was}` and is `{is}`"),
                (None, Some(is)) => write!(f, "{kind} {name} is new: `{is}`"),
                (was, None) => write!(f, "{kind} {name} is gone, it was `{}`", was.as_deref().unwrap_or_default()),
            },
            Change::Setting(name, was, is) => write!(f, "{name} was `{was}` and is `{is}`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(text: &str, parts: &[(Kind, &str, &str)]) -> Inputs {
        let parts = parts.iter().map(|(kind, name, value)| (*kind, (*name).to_owned(), (*value).to_owned())).collect();
        Inputs { text: text.to_owned(), line: 2, parts }
    }

    fn why(now: &Inputs, before: &Inputs) -> String {
        miss(now, "0/1", &BTreeMap::from([("0/1".to_owned(), before.clone())])).to_string()
    }

    #[test]
    fn the_file_the_line_or_the_argument_is_named() {
        let before =
            inputs("COPY . .", &[(Kind::Below, "", "a"), (Kind::File, "x", "1"), (Kind::File, "y", "1"), (Kind::Argument, "V", "1")]);
        let now = inputs("COPY . .", &[(Kind::Below, "", "a"), (Kind::File, "x", "2"), (Kind::File, "z", "1"), (Kind::Argument, "V", "2")]);
        assert_eq!(why(&now, &before), "miss: ARG V was `1` and is `2`; the file `x` changed; the file `y` is gone; the file `z` is new");
        let other =
            inputs("COPY a .", &[(Kind::Below, "", "b"), (Kind::File, "x", "1"), (Kind::File, "y", "1"), (Kind::Argument, "V", "1")]);
        let told = why(&other, &before);
        assert!(told.starts_with("miss: the layers below it are others") && told.contains("the instruction was `COPY . .`"), "{told}");
    }

    #[test]
    fn a_step_is_found_again_below_a_new_line() {
        let before = BTreeMap::from([
            ("0/0".to_owned(), inputs("COPY a .", &[(Kind::File, "a", "1")])),
            ("0/1".to_owned(), inputs("RUN x", &[(Kind::Below, "", "1")])),
        ]);
        let now = inputs("RUN x", &[(Kind::Below, "", "2")]);
        assert_eq!(miss(&now, "0/2", &before), Why::Changed(vec![Change::Below]));
        assert_eq!(miss(&now, "1/7", &before), Why::New, "another stage");
    }

    #[test]
    fn many_files_are_counted() {
        let names: Vec<String> = (0..9).map(|number| format!("f{number}")).collect();
        let parts: Vec<(Kind, &str, &str)> = names.iter().map(|name| (Kind::File, name.as_str(), "1")).collect();
        assert!(why(&inputs("COPY . .", &parts), &inputs("COPY . .", &[])).ends_with("the file `f4` is new; and 4 more files"));
    }
}
