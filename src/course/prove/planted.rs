//! P15: the prover is tried on a lab that is wrong in three ways, and must catch each.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::super::library::{Course, CourseFile};
use super::{Outcome, Row};

/// A lab whose facts hold whatever is done, whose check leaves a file, and whose hint is the solution.
const LAB: &str = "id: planted/wrong
title: Wrong in three ways
steps:
  - id: only
    goal: Make the file.
    facts:
      - {id: vacuous, kind: file, path: /etc/passwd, exists: true, not_yet: \"not there\"}
      - {id: impure, kind: answer, run: \"date +%s%N >> /srv/planted; echo yes\", is: \"yes\", not_yet: \"{got}\"}
    hints: [\"Type touch /srv/planted-goal.\"]
";
const SOLUTION: &str = "$ touch /srv/planted-goal\n$ :check\n";

/// The course with that lab.
///
/// # Errors
/// Never: the texts above are well formed; a change that breaks them shows here.
pub fn course() -> Result<Course, super::Error> {
    Course::from_files(files())
}

/// Its files, for a folder that a prompt of its own can read.
pub fn files() -> BTreeMap<PathBuf, CourseFile> {
    let file = |text: &str| CourseFile { content: text.as_bytes().to_vec(), executable: false };
    BTreeMap::from([("labs/planted/wrong/lab.yaml".into(), file(LAB)), ("solutions/planted/wrong/solve.console".into(), file(SOLUTION))])
}

/// What the proofs of the planted lab say about the prover.
pub fn verdict(rows: &[Row]) -> Row {
    let caught = |proof: &str| rows.iter().any(|row| row.proof == proof && row.failed());
    let missed: Vec<&str> = [("P1", "the vacuous lab"), ("P7", "the impure check"), ("P11", "the leaking hint")]
        .iter()
        .filter(|(proof, _)| !caught(proof))
        .map(|(_, what)| *what)
        .collect();
    let outcome = match missed.is_empty() {
        true => Outcome::Proved("all three were caught".to_owned()),
        false => Outcome::Failed(format!("not caught: {}", missed.join(", "))),
    };
    Row { unit: "planted/wrong".to_owned(), proof: "P15", subject: "the prover itself".to_owned(), outcome }
}
