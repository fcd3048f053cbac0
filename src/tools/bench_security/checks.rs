//! The table of checks, and what a check says.

use super::world::World;
use super::{containers, engine, files, images};

/// A check: what should be so, and why.
pub struct Check {
    /// Its number: part and place. Numbers stay; new checks get new ones.
    pub number: &'static str,
    /// What should be so, as a sentence.
    pub title: &'static str,
    /// Why.
    pub why: &'static str,
    /// Looks.
    pub judge: fn(&World) -> Verdict,
}

impl Check {
    /// Whether it is meant by this number or the number of its part.
    pub fn is(&self, number: &str) -> bool {
        self.number == number || self.number.split('.').next() == Some(number)
    }
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// As it should be.
    Pass,
    /// To be mended.
    Warn,
    /// Told, not judged.
    Info,
    /// A person has to decide.
    Note,
}

impl Mark {
    /// All, in the order of the sums.
    pub const ALL: [Mark; 4] = [Mark::Pass, Mark::Warn, Mark::Info, Mark::Note];

    /// As it is printed.
    pub fn name(self) -> &'static str {
        match self {
            Mark::Pass => "PASS",
            Mark::Warn => "WARN",
            Mark::Info => "INFO",
            Mark::Note => "NOTE",
        }
    }
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// How it ended.
    pub mark: Mark,
    /// What was seen, a line each: the containers that are meant, the value that is set.
    pub found: Vec<String>,
}

impl Verdict {
    /// As it should be.
    pub fn pass() -> Self {
        Verdict { mark: Mark::Pass, found: Vec::new() }
    }

    /// With one line of what was seen.
    pub fn of(mark: Mark, found: impl Into<String>) -> Self {
        Verdict { mark, found: vec![found.into()] }
    }

    /// `mark`, unless nothing was found.
    pub fn if_any(mark: Mark, found: Vec<String>) -> Self {
        if found.is_empty() { Verdict::pass() } else { Verdict { mark, found } }
    }

    /// As it should be, or `mark` with what was seen instead.
    pub fn when(is: bool, mark: Mark, found: &str) -> Self {
        if is { Verdict::pass() } else { Verdict::of(mark, found) }
    }
}

/// The parts, by number.
pub const PARTS: &[(&str, &str)] =
    &[("1", "This machine"), ("2", "The engine"), ("3", "The engine's files"), ("4", "Images in use"), ("5", "Running containers")];

/// All checks, in the order of their numbers.
pub fn all() -> impl Iterator<Item = &'static Check> {
    let tables: [&[Check]; 5] = [files::MACHINE, engine::CHECKS, files::CHECKS, images::CHECKS, containers::CHECKS];
    tables.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn numbers_are_in_order_and_belong_to_a_part() {
        let place = |check: &Check| {
            let (part, at) = check.number.split_once('.').expect("a part and a place");
            (part.parse::<u32>().expect("a number"), at.parse::<u32>().expect("a number"))
        };
        let places: Vec<(u32, u32)> = all().map(place).collect();
        assert!(places.is_sorted() && places.iter().collect::<BTreeSet<_>>().len() == places.len(), "{places:?}");
        assert!(all().all(|check| PARTS.iter().any(|(part, _)| check.is(part))));
    }

    #[test]
    fn every_check_says_what_and_why() {
        for check in all() {
            assert!(!check.title.ends_with('.') && check.why.ends_with('.'), "{}", check.number);
            assert!(check.why.chars().count() > 20, "{}: {}", check.number, check.why);
        }
    }
}
