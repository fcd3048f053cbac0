//! Which concept is taught where, and what runs it.
//!
//! `lessons/concepts.yaml` lists the rows that the whole course is to teach, each with an id and a short title; lessons and labs name the rows they teach.
//! Here both are laid over each other. A row is only *covered* by something that a machine runs: blocks that the prover types, facts that it judges,
//! questions whose answers are checked, a lab that it solves. So a lesson that loses its last block loses its rows too, and nobody has to remember them.
//!
//! ```text
//!  lessons/concepts.yaml ── Concepts ─┐
//!                                     ├─ Coverage: each row's state, its teachers, and of each step the proofs that run it
//!  Course: `teaches:` of every unit ──┘
//! ```
//!
//! What is *covered* in the list must stay so: a row of it without a teacher, or whose teachers nothing runs, is lost. Pure: nothing is proved here, that
//! is `bottleship prove`'s part; what counts is that the prover has something of it to run.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::error::{Error, Problem};
use super::fields::{Complaints, Fields};
use super::library::{Course, Entry};
use super::unit::{Block, RightAnswer, Step};
use super::yaml::{self, Node};

/// Where the list lies in a course.
pub const FILE: &str = "lessons/concepts.yaml";

/// The list of rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Concepts {
    /// In the order of the file.
    pub rows: Vec<Concept>,
    /// Ids of rows that were taught once and must stay so.
    pub covered: BTreeSet<String>,
    /// Ids of rows of a later part of the course.
    pub open: BTreeSet<String>,
}

/// A row of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Concept {
    /// `C-001`.
    pub id: String,
    pub title: String,
    /// What it stands under.
    pub area: String,
}

/// How a row stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Taught, and run by a test.
    Covered,
    /// Of a later part.
    Open,
    /// Not taught yet.
    Missing,
    /// It was covered and is not any more.
    Lost,
}

impl State {
    /// All of them, in the order of a summary.
    pub const ALL: [State; 4] = [State::Covered, State::Open, State::Missing, State::Lost];

    /// What it is called.
    pub fn word(self) -> &'static str {
        match self {
            State::Covered => "covered",
            State::Open => "open",
            State::Missing => "missing",
            State::Lost => "lost",
        }
    }
}

/// Every row, with who teaches it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Coverage {
    pub rows: Vec<Row>,
    /// Rows that a unit teaches and the list does not have: row and unit.
    pub unknown: Vec<(String, String)>,
}

/// One row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    pub id: String,
    pub title: String,
    pub area: String,
    pub state: State,
    /// Why it is lost; empty otherwise.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub why: String,
    pub teachers: Vec<Teacher>,
}

/// A lesson or a lab that teaches a row, and what the prover runs of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Teacher {
    pub unit: String,
    pub lab: bool,
    /// The prover types so many right transcripts of a lab ...
    pub solutions: usize,
    /// ... and so many wrong ones.
    pub wrong: usize,
    pub steps: Vec<TaughtStep>,
}

/// A step, and what runs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TaughtStep {
    pub id: String,
    /// Proofs of `bottleship prove`, and `quiz` for questions whose answers stand in the file: those are asked of every learner and checked when it is read.
    pub tests: Vec<&'static str>,
}

impl Teacher {
    /// Whether anything at all runs it.
    pub fn is_run(&self) -> bool {
        self.steps.iter().any(|step| !step.tests.is_empty())
    }
}

impl Concepts {
    /// The list of a course.
    ///
    /// # Errors
    /// The course has none, or it has mistakes.
    pub fn of(course: &Course) -> Result<Concepts, Error> {
        let path = Path::new(FILE);
        let Some(file) = course.file(path) else {
            return Err(Error::File {
                path: PathBuf::from(FILE),
                why: "is not there: it lists the rows that the course is to teach".to_owned(),
            });
        };
        Concepts::read(path, &String::from_utf8_lossy(&file.content)).map_err(Error::Course)
    }

    /// Reads a list.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn read(file: &Path, text: &str) -> Result<Concepts, Vec<Problem>> {
        let node = yaml::parse(file, text, 1).map_err(|problem| vec![problem])?;
        let mut complaints = Complaints::about(file);
        let found = read(&node, &mut complaints);
        if complaints.list.is_empty() { Ok(found) } else { Err(complaints.list) }
    }
}

fn read(node: &Node, complaints: &mut Complaints) -> Concepts {
    let mut found = Concepts::default();
    let Some(mut fields) = Fields::open(node, "", complaints) else { return found };
    for (at, node) in fields.list("areas").into_iter().enumerate() {
        let Some(mut area) = Fields::open(node, &format!("areas[{at}]"), complaints) else { continue };
        let title = area.needed("title", complaints).unwrap_or_default();
        for (id, text) in area.pairs("rows", complaints) {
            let (spot, key) = (area.spot_of("rows"), area.at("rows"));
            if number(&id).is_none() {
                complaints.add(spot, &key, format!("`{id}` is no row"), "write `C-` and three digits");
            }
            if found.rows.iter().any(|row| row.id == id) {
                complaints.add(spot, &key, format!("`{id}` stands twice"), "each row has an id of its own");
            }
            found.rows.push(Concept { id, title: text, area: title.clone() });
        }
        area.finish(complaints);
    }
    found.covered = ranges("covered", &mut fields, &found.rows, complaints);
    found.open = ranges("open", &mut fields, &found.rows, complaints);
    if let Some(both) = found.covered.intersection(&found.open).next() {
        let what = format!("`{both}` is covered too");
        complaints.add(fields.spot_of("open"), "open", what, "what is taught already is not open: take it out of one of them");
    }
    fields.finish(complaints);
    found
}

/// The rows that a list of ids and ranges names.
fn ranges(key: &'static str, fields: &mut Fields<'_>, rows: &[Concept], complaints: &mut Complaints) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for text in fields.texts(key, complaints) {
        let (first, last) = text.split_once("..").unwrap_or((&text, &text));
        let (Some(first), Some(last)) = (number(first), number(last)) else {
            complaints.add(fields.spot_of(key), key, format!("`{text}` is neither a row nor a range"), "write `C-001` or `C-001..C-031`");
            continue;
        };
        let named: Vec<&Concept> =
            rows.iter().filter(|row| number(&row.id).is_some_and(|number| (first..=last).contains(&number))).collect();
        if named.is_empty() || last - first + 1 != named.len() {
            complaints.add(
                fields.spot_of(key),
                key,
                format!("`{text}` names rows that are in no area"),
                "add them to `areas`, with a title",
            );
        }
        found.extend(named.into_iter().map(|row| row.id.clone()));
    }
    found
}

/// The number of a row's id.
fn number(id: &str) -> Option<usize> {
    let digits = id.strip_prefix("C-").filter(|digits| digits.len() == 3 && digits.bytes().all(|digit| digit.is_ascii_digit()))?;
    digits.parse().ok()
}

impl Coverage {
    /// Lays the list over the course.
    pub fn of(concepts: &Concepts, course: &Course) -> Coverage {
        let teachers: Vec<(&Entry, Teacher)> = course.units().iter().map(|entry| (entry, teacher(course, entry))).collect();
        let rows = concepts.rows.iter().map(|concept| {
            let here = teachers.iter().filter(|(entry, _)| entry.example.teaches.contains(&concept.id));
            row(concept, concepts, here.map(|(_, teacher)| teacher.clone()).collect())
        });
        let known: BTreeSet<&str> = concepts.rows.iter().map(|row| row.id.as_str()).collect();
        // Rows of other lists (`X-`: what is often told wrongly) are none of this one's business.
        let taught = course.units().iter().flat_map(|entry| entry.example.teaches.iter().map(|row| (row, &entry.example.id)));
        let unknown = taught.filter(|(row, _)| row.starts_with("C-") && !known.contains(row.as_str()));
        Coverage { rows: rows.collect(), unknown: unknown.map(|(row, unit)| (row.clone(), unit.clone())).collect() }
    }

    /// How many rows stand so.
    pub fn count(&self, state: State) -> usize {
        self.rows.iter().filter(|row| row.state == state).count()
    }

    /// Whether nothing was lost, and nothing is taught that nobody knows.
    pub fn holds(&self) -> bool {
        self.count(State::Lost) == 0 && self.unknown.is_empty()
    }
}

fn row(concept: &Concept, concepts: &Concepts, teachers: Vec<Teacher>) -> Row {
    let run = teachers.iter().any(Teacher::is_run);
    let promised = concepts.covered.contains(&concept.id);
    let state = match (run, promised, concepts.open.contains(&concept.id)) {
        (true, ..) => State::Covered,
        (false, true, _) => State::Lost,
        (false, false, true) => State::Open,
        (false, false, false) => State::Missing,
    };
    let names: Vec<&str> = teachers.iter().map(|teacher| teacher.unit.as_str()).collect();
    let why = match state {
        State::Lost if names.is_empty() => "no lesson and no lab has it in `teaches:` any more".to_owned(),
        State::Lost => format!("nothing of {} is run by a test any more", names.join(", ")),
        _ => String::new(),
    };
    Row { id: concept.id.clone(), title: concept.title.clone(), area: concept.area.clone(), state, why, teachers }
}

/// What the prover runs of a unit.
fn teacher(course: &Course, entry: &Entry) -> Teacher {
    let unit = &entry.example;
    let transcripts = |wrong| course.consoles(&unit.id, wrong, &unit.drawn).map_or(0, |found| found.len());
    let (solutions, wrong) = if unit.lab { (transcripts(false), transcripts(true)) } else { (0, 0) };
    let tests = |step: &Step| if unit.lab { of_lab(step, solutions, wrong) } else { of_lesson(step) };
    let steps = unit.steps.iter().map(|step| TaughtStep { id: step.id.clone(), tests: tests(step) });
    Teacher { unit: unit.id.clone(), lab: unit.lab, solutions, wrong, steps: steps.collect() }
}

/// A lab without a solution is proved by nothing: that the untouched world does not pass says little.
fn of_lab(step: &Step, solutions: usize, wrong: usize) -> Vec<&'static str> {
    if solutions == 0 || step.facts.is_empty() {
        return Vec::new();
    }
    let proofs = ["P1", "P2", "P4"].into_iter().filter(|proof| *proof != "P4" || wrong > 0);
    proofs.filter(|proof| !is_exempt(step, proof)).collect()
}

fn of_lesson(step: &Step) -> Vec<&'static str> {
    let answered = |wanted: bool| {
        step.blocks.iter().any(|block| match block {
            Block::Predict(question) | Block::Quiz(question) => matches!(question.answer, RightAnswer::Run(_)) == wanted,
            _ => false,
        })
    };
    let typed = step.blocks.iter().any(|block| matches!(block, Block::Run { .. }));
    let mut tests = Vec::new();
    if !step.facts.is_empty() {
        tests.extend(["P1", "P2"]);
    }
    if typed || answered(true) {
        tests.push("P12");
    }
    tests.retain(|proof| !is_exempt(step, proof));
    if answered(false) {
        tests.push("quiz");
    }
    tests
}

fn is_exempt(step: &Step, proof: &str) -> bool {
    step.exempt.iter().any(|(name, _)| name == proof)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::library::CourseFile;
    use super::*;

    const LIST: &str = "covered: [C-001..C-002, C-004]\nopen: [C-005]\nareas:\n  - title: First\n    rows: {C-001: One, C-002: Two, C-003: Three}\n  \
                        - title: Second\n    rows: {C-004: Four, C-005: Five}\n";
    const LESSON: &str = "---\nid: p/l\ntitle: L\nteaches: [C-001]\n---\n## A {#a}\n\n```run\ntrue\n```\n\n## B {#b}\n\n```quiz\nask: Which?\nchoices: \
                          [a, b]\nanswer: 1\nwhy: So.\n```\n";
    const LAB: &str =
        "id: p/s\ntitle: T\nteaches: [C-002, C-004]\nsteps: [{id: s, goal: g, facts: [{id: f, kind: exists, of: file//x, fail: f}]}]\n";

    fn coverage(change: impl Fn(&mut BTreeMap<PathBuf, String>)) -> Coverage {
        let mut texts: BTreeMap<PathBuf, String> = [
            (FILE, LIST),
            ("lessons/01-p/01-l.md", LESSON),
            ("labs/p/s/lab.yaml", LAB),
            ("solutions/p/s/solve.console", "$ touch /x\n$ :check\n"),
        ]
        .map(|(path, text)| (PathBuf::from(path), text.to_owned()))
        .into();
        change(&mut texts);
        let files = texts.into_iter().map(|(path, text)| (path, CourseFile { content: text.into_bytes(), executable: false }));
        let course = Course::from_files(files.collect()).unwrap();
        Coverage::of(&Concepts::of(&course).unwrap(), &course)
    }

    fn edit(path: &str, from: &str, to: &str) -> Coverage {
        coverage(|texts| {
            let text = texts.get_mut(Path::new(path)).unwrap();
            assert!(text.contains(from), "{from}");
            *text = text.replace(from, to);
        })
    }

    fn states(coverage: &Coverage) -> String {
        coverage.rows.iter().map(|row| format!("{} {}", row.id, row.state.word())).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn every_row_has_a_state_and_every_step_its_proofs() {
        let coverage = coverage(|_| {});
        assert_eq!(states(&coverage), "C-001 covered, C-002 covered, C-003 missing, C-004 covered, C-005 open");
        assert!(coverage.holds());
        let steps = &coverage.rows[0].teachers[0].steps;
        assert_eq!((steps[0].tests.as_slice(), steps[1].tests.as_slice()), (["P12"].as_slice(), ["quiz"].as_slice()));
        assert_eq!(coverage.rows[1].teachers[0].steps[0].tests, ["P1", "P2"], "no wrong answer, no P4");
    }

    #[test]
    fn a_row_that_loses_its_lesson_is_lost() {
        let coverage = edit("lessons/01-p/01-l.md", "teaches: [C-001]", "teaches: []");
        assert_eq!(coverage.rows[0].state, State::Lost);
        assert_eq!(coverage.rows[0].why, "no lesson and no lab has it in `teaches:` any more");
        assert!(!coverage.holds());
    }

    #[test]
    fn a_row_that_loses_its_test_is_lost() {
        let prose = coverage(|texts| {
            texts.insert("lessons/01-p/01-l.md".into(), LESSON.split("```run").next().unwrap().to_owned() + "Words.\n");
        });
        assert_eq!((prose.rows[0].state, prose.rows[0].why.as_str()), (State::Lost, "nothing of p/l is run by a test any more"));
        let unsolved = coverage(|texts| drop(texts.remove(Path::new("solutions/p/s/solve.console"))));
        assert_eq!(states(&unsolved), "C-001 covered, C-002 lost, C-003 missing, C-004 lost, C-005 open");
        let exempt = edit("labs/p/s/lab.yaml", "goal: g,", "goal: g, exempt: {P1: for good reasons only, P2: for good reasons only},");
        assert_eq!(exempt.rows[1].state, State::Lost);
    }

    #[test]
    fn a_row_that_no_list_has_is_told() {
        let coverage = edit("lessons/01-p/01-l.md", "[C-001]", "[C-001, C-099, X-001]");
        assert_eq!(coverage.unknown, [("C-099".to_owned(), "p/l".to_owned())]);
        assert!(!coverage.holds());
    }

    #[test]
    fn mistakes_in_the_list_are_named_with_their_lines() {
        let read = |from: &str, to: &str| {
            assert!(LIST.contains(from), "{from}");
            let problems = Concepts::read(Path::new(FILE), &LIST.replace(from, to)).unwrap_err();
            problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        };
        for (from, to, said) in [
            ("open: [C-005]", "open: [C-004..C-005]", "concepts.yaml:2:7: `open`: `C-004` is covered too"),
            ("C-003: Three", "C-3: Three", "concepts.yaml:5:11: `areas[0].rows`: `C-3` is no row"),
            ("C-005: Five", "C-001: Five", "`areas[1].rows`: `C-001` stands twice"),
            ("C-004]", "C-004..C-009]", "`covered`: `C-004..C-009` names rows that are in no area"),
            ("C-004]", "four]", "`covered`: `four` is neither a row nor a range"),
            ("title: First", "titel: First", "did you mean `title`?"),
        ] {
            let problems = read(from, to);
            assert!(problems.contains(said), "{said}:\n{problems}");
        }
        for text in ["", "[]", "covered: {}", "areas: [1]", "areas: [{title: T, rows: [1]}]", "covered: [C-009..C-001]\nareas: []"] {
            // A list of nothing is none of anything's business; what is no list is an error.
            drop(Concepts::read(Path::new(FILE), text));
        }
    }
}
