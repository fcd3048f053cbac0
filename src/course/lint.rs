//! What can be said about a course without a bottle: names that lead nowhere, parameters that nobody uses, solutions that do not fit their
//! lab, wrong answers without an expectation, hints that give the solution away (P11).
//!
//! What makes a file unreadable is found by its reader (see [`super::lab`], [`super::lesson`]); here are the things that only show when the
//! files are seen together. Every problem names file, line, key and the way out.

mod names;
mod scanty;
mod solutions;
mod tools;

use super::console::Console;
use super::error::Problem;
use super::library::{Course, Entry};
use super::unit::{Step, Unit};
use super::yaml::spot_near;

/// How long a word of a solution must be before it counts as a token that a hint must not hold.
const TOKEN: usize = 5;

/// Everything that is doubtful in the course, in the order of files and lines.
pub fn course(course: &Course) -> Vec<Problem> {
    let mut problems: Vec<Problem> = course.units().iter().flat_map(|entry| unit(course, entry)).collect();
    problems.extend(names::circles(course));
    problems.extend(solutions::strays(course));
    sorted(problems)
}

/// In the order of files and lines.
pub fn sorted(mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort_by(|one, other| (&one.file, one.spot).cmp(&(&other.file, other.spot)));
    problems
}

/// Everything that is doubtful in one unit.
pub fn unit(course: &Course, entry: &Entry) -> Vec<Problem> {
    let mut found = Finds { entry, list: Vec::new() };
    for (at, step) in entry.example.steps.iter().enumerate() {
        weak_hints(step, at, &mut found);
    }
    names::rows(&mut found);
    names::needs(course, &mut found);
    names::facts(&mut found);
    names::params(course, &mut found);
    names::places(course, &mut found);
    if entry.example.lab {
        scanty::steps(&mut found);
        solutions::of(course, &mut found);
    } else {
        scanty::unnamed_tools(&[], &mut found);
    }
    found.list
}

/// Collects what is found in one unit.
struct Finds<'c> {
    entry: &'c Entry,
    list: Vec<Problem>,
}

impl Finds<'_> {
    fn unit(&self) -> &Unit {
        &self.entry.example
    }

    /// Notes a problem at a key of the unit's own file.
    fn add(&mut self, key: &str, what: String, hint: impl Into<String>) {
        let spot = spot_near(&self.unit().spots, key);
        self.list.push(Problem { file: self.entry.file.clone(), spot, key: key.to_owned(), what, hint: hint.into() });
    }
}

fn weak_hints(step: &Step, at: usize, found: &mut Finds<'_>) {
    let way = "three levels at most, each plainer than the one before";
    for (number, hint) in step.hints.iter().enumerate() {
        let key = format!("steps[{at}].hints[{number}]");
        if hint.trim().is_empty() {
            found.add(&key, "is empty".to_owned(), way);
        }
        if step.hints[..number].iter().any(|other| other.trim() == hint.trim()) {
            found.add(&key, "says what an earlier hint says".to_owned(), way);
        }
    }
}

/// Hints that hold a token of the solution: a word that every right transcript types, that is no word of the goal or the task, and that is
/// not plain English (it has a digit, a sign, or a letter case that prose does not have).
pub fn leaks(unit: &Unit, right: &[(String, Console)]) -> Vec<(String, String, String)> {
    let Some((_, first)) = right.first() else { return Vec::new() };
    let in_all =
        |token: &str| right.iter().all(|(_, console)| console.lines.iter().any(|line| tokens(&line.text).any(|other| other == token)));
    let known: Vec<&str> = tokens(&unit.intro).chain(unit.steps.iter().flat_map(|step| tokens(&step.title))).collect();
    let secret: Vec<&str> = first
        .lines
        .iter()
        .flat_map(|line| tokens(&line.text))
        .filter(|token| is_telling(token) && !known.contains(token) && in_all(token))
        .collect();
    let mut found = Vec::new();
    for step in &unit.steps {
        if step.exempt.iter().any(|(proof, _)| proof == "P11") {
            continue;
        }
        for hint in &step.hints {
            if let Some(token) = tokens(hint).find(|token| secret.contains(token)) {
                found.push((step.id.clone(), hint.clone(), token.to_owned()));
            }
        }
    }
    found
}

fn tokens(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| letter.is_whitespace() || "\"'`;|&()<>$,{}".contains(letter))
        .map(|word| word.trim_end_matches(['.', ':', '?', '!']))
        .filter(|word| !word.is_empty())
}

fn is_telling(token: &str) -> bool {
    let signs = token.trim_start_matches('-').chars().any(|letter| letter.is_ascii_digit() || "/=.-_+".contains(letter));
    token.len() >= TOKEN && (signs || token.starts_with("--")) && !token.starts_with(':')
}

#[cfg(test)]
mod leaking {
    use super::super::text::Params;
    use super::super::{console, lab};
    use super::*;
    use std::path::Path;

    fn planted(hint: &str) -> Vec<(String, String, String)> {
        let text = format!(
            "id: p/s\ntitle: T\nsteps: [{{id: s, goal: Cap it, facts: [{{id: f, kind: exists, of: file//x, fail: f}}], hints: [\"{hint}\"]}}]\n"
        );
        let unit = lab::read(Path::new("lab.yaml"), &text, "Look at /srv/cage.", &Params::new()).unwrap();
        let read = |text| console::read(Path::new("c"), text, &Params::new()).unwrap();
        let right = [
            ("solve".to_owned(), read("$ echo 64M > /sys/fs/cgroup/cage/memory.max\n$ ls /srv/cage\n$ :check\n")),
            ("solve-2".to_owned(), read("$ printf 64M > /sys/fs/cgroup/cage/memory.max; ls /srv/cage\n$ :check\n")),
        ];
        leaks(&unit, &right)
    }

    /// P15: the prover must catch a leaking hint.
    #[test]
    fn a_leaking_hint_is_caught() {
        assert_eq!(planted("Write to `/sys/fs/cgroup/cage/memory.max`.")[0].2, "/sys/fs/cgroup/cage/memory.max");
        assert!(planted("A cgroup has a file for each limit.").is_empty());
        assert!(planted("See /srv/cage.").is_empty(), "what the task says is no secret");
    }
}

#[cfg(test)]
mod tests;
