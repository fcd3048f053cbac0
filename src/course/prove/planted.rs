//! P15: who proves the prover? A course in which something is wrong for every proof that a course can break, and each must be caught by the
//! proof that is there for it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::super::library::{Course, CourseFile};
use super::{Outcome, Row};

/// A lab whose facts hold whatever is done, whose check leaves a file, and whose hint is the solution.
const WRONG: &str = "id: planted/wrong
title: Wrong in three ways
steps:
  - id: only
    goal: Make the file.
    facts:
      - {id: vacuous, kind: file, path: /etc/passwd, exists: true, not_yet: \"not there\"}
      - {id: impure, kind: answer, run: \"date +%s%N >> /srv/planted; echo yes\", is: \"yes\", not_yet: \"{got}\"}
    hints: [\"Type touch /srv/planted-goal.\"]
";

/// A lab that looks only whether there is a file: for one moment, with whatever in it, and twice in a row.
const LOOSE: &str = "id: planted/loose
title: Loose in many ways
params: {word: {hex: 8}}
setup: [\"date +%s%N > /srv/stamp\"]
steps:
  - id: made
    goal: Make the file with the word.
    facts:
      - {id: made, kind: file, path: /srv/made, exists: true, not_yet: \"not there\"}
      - {id: firm, kind: count, of: processes, at_least: 0, not_yet: \"{got}\"}
  - id: again
    goal: Make it once more.
    facts:
      - {id: again, kind: file, path: /srv/made, exists: true, hold: 100ms, not_yet: \"not there\"}
";

/// A lesson that shows another output than there is.
const LIE: &str = "---\nid: planted/lie\ntitle: A lie\n---\n\n# A lie\n\n## One {#one}\n\n```run\necho one\n```\n\n```output\ntwo\n```\n";

/// The files of the planted course.
const FILES: [(&str, &str); 7] = [
    ("labs/planted/wrong/lab.yaml", WRONG),
    ("solutions/planted/wrong/solve.console", "$ touch /srv/planted-goal\n$ :check\n"),
    ("labs/planted/loose/lab.yaml", LOOSE),
    ("solutions/planted/loose/solve.console", "$ echo {word} > /srv/made\n$ :check\n$ cat /srv/made\n$ :check\n"),
    ("solutions/planted/loose/solve-none.console", "$ true\n$ :check\n"),
    ("solutions/planted/loose/wrong/right.console", "# expect: step=made verdict=not-yet fact=made\n$ touch /srv/made\n$ :check\n"),
    ("lessons/01-planted/01-lie.md", LIE),
];

/// What is planted where, and the proof that must catch it.
const PLANTS: [(&str, &str, &str); 11] = [
    ("planted/wrong", "P1", "a vacuous lab"),
    ("planted/wrong", "P7", "an impure check"),
    ("planted/wrong", "P11", "a leaking hint"),
    ("planted/loose", "P2", "a solution that solves nothing"),
    ("planted/loose", "P3", "a step that solves the next"),
    ("planted/loose", "P4", "a wrong answer that passes"),
    ("planted/loose", "P5", "an answer that is right on every seed"),
    ("planted/loose", "P8", "a fact that nothing shakes"),
    ("planted/loose", "P9", "a world that differs each time"),
    ("planted/loose", "P10", "a world that is right for a moment"),
    ("planted/lie", "P12", "an output that nobody sees"),
];

/// The course with all of it.
///
/// # Errors
/// Never: the texts above are well formed; a change that breaks them shows here.
pub fn course() -> Result<Course, super::Error> {
    Course::from_files(files())
}

/// Its files, for a folder that a prompt of its own can read.
pub fn files() -> BTreeMap<PathBuf, CourseFile> {
    let file = |text: &str| CourseFile { content: text.as_bytes().to_vec(), executable: false };
    FILES.iter().map(|(path, text)| (PathBuf::from(path), file(text))).collect()
}

/// The units of the planted course.
pub fn units() -> Vec<&'static str> {
    let mut units: Vec<&str> = PLANTS.iter().map(|(unit, ..)| *unit).collect();
    units.dedup();
    units
}

/// What the proofs of the planted course say about the prover: a row for each plant.
pub fn verdicts(rows: &[Row]) -> Vec<Row> {
    let verdict = |(unit, proof, what): &(&str, &str, &str)| {
        let caught = rows.iter().find(|row| row.unit == *unit && row.proof == *proof && row.failed());
        let outcome = match caught.map(|row| &row.outcome) {
            Some(Outcome::Failed(why)) => Outcome::Proved(format!("caught by {proof}: {why}")),
            _ => Outcome::Failed(format!("{proof} does not catch it")),
        };
        Row { unit: (*unit).to_owned(), proof: "P15", subject: (*what).to_owned(), outcome }
    };
    PLANTS.iter().map(verdict).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_proof_catches_fails() {
        assert!(verdicts(&[]).iter().all(Row::failed));
        let row = |proof, outcome| Row { unit: "planted/loose".to_owned(), proof, subject: String::new(), outcome };
        let rows = verdicts(&[row("P5", Outcome::Failed("they pass".to_owned())), row("P4", Outcome::Proved(String::new()))]);
        let fine: Vec<&str> = rows.iter().filter(|row| !row.failed()).map(|row| row.subject.as_str()).collect();
        assert_eq!(fine, ["an answer that is right on every seed"]);
    }

    #[test]
    fn the_planted_course_is_well_formed() {
        let course = course().unwrap();
        assert!(units().iter().all(|unit| course.entry(unit).is_ok()));
    }
}
