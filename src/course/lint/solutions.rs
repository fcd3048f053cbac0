//! Solutions and wrong answers: whether they fit their lab.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::super::console::Console;
use super::super::error::{Error, Problem, Spot};
use super::super::fields::did_you_mean;
use super::super::library::Course;
use super::super::params;
use super::super::unit::Unit;
use super::{Finds, leaks, scanty};

/// Labs have at least this many wrong answers.
const WRONG: usize = 3;

/// The solutions of one lab.
pub(super) fn of(course: &Course, found: &mut Finds<'_>) {
    let entry = found.entry;
    let unit = &entry.example;
    if course.file(&entry.file.with_file_name("task.md")).is_none_or(|task| task.content.trim_ascii().is_empty()) {
        found.add("", "has no task.md beside it".to_owned(), "write what to achieve, never how, into task.md");
    }
    let drawn = params::draw(&unit.params, "example", &unit.id);
    let consoles = |wrong, found: &mut Finds<'_>| match course.consoles(&unit.id, wrong, &drawn) {
        Ok(consoles) => consoles,
        Err(Error::Course(problems)) => {
            found.list.extend(problems);
            Vec::new()
        }
        Err(error) => {
            found.add("", error.to_string(), "see the reference of solutions");
            Vec::new()
        }
    };
    let before = found.list.len();
    let (right, wrong) = (consoles(false, found), consoles(true, found));
    if found.list.len() > before {
        // Counting what could not be read would only add noise.
        return;
    }
    if !right.iter().any(|(name, _)| name == "solve") {
        found.add(
            "",
            format!("has no solution in solutions/{}/", unit.id),
            "write solve.console: `$ line` for each line, `$ :check` after each step",
        );
    }
    if wrong.len() < WRONG {
        let what = format!("has {} wrong answers in solutions/{}/wrong/", wrong.len(), unit.id);
        found.add("", what, format!("write {WRONG} or more, each with `# expect:`"));
    }
    for (name, console) in &right {
        checks(unit, name, console, found);
    }
    for (name, console) in &wrong {
        expectation(unit, name, console, found);
    }
    unseen_mistakes(unit, &wrong, found);
    let named = |(name, console): &(String, Console)| (format!("wrong/{name}"), console.clone());
    let transcripts: Vec<(String, Console)> = right.iter().cloned().chain(wrong.iter().map(named)).collect();
    scanty::unnamed_tools(&transcripts, found);
    for (step, hint, token) in leaks(unit, &right) {
        let at = unit.step(&step).unwrap_or(0);
        let number = unit.steps[at].hints.iter().position(|other| *other == hint).unwrap_or(0);
        let what = format!("holds `{token}`, which every solution types");
        found.add(&format!("steps[{at}].hints[{number}]"), what, "say it in other words (P11)");
    }
}

/// A problem in a transcript.
fn add(found: &mut Finds<'_>, file: PathBuf, line: usize, key: &str, what: String, hint: String) {
    found.list.push(Problem { file, spot: Spot::from(line), key: key.to_owned(), what, hint });
}

/// A solution ends each step with a check.
fn checks(unit: &Unit, name: &str, console: &Console, found: &mut Finds<'_>) {
    let made = console.lines.iter().filter(|line| line.text.trim() == ":check").count();
    if made < unit.steps.len() {
        let file = PathBuf::from(format!("solutions/{}/{name}.console", unit.id));
        let what = format!("checks {made} times, and the lab has {} steps", unit.steps.len());
        let last = console.lines.last().map_or(1, |line| line.number);
        add(found, file, last, "", what, "end the part of each step with `$ :check`".to_owned());
    }
}

fn expectation(unit: &Unit, name: &str, console: &Console, found: &mut Finds<'_>) {
    let file = PathBuf::from(format!("solutions/{}/wrong/{name}.console", unit.id));
    let Some(expect) = &console.expect else {
        let hint = "begin with `# expect: step=ID verdict=not-yet fact=ID` or `# expect: step=ID mistake=ID`".to_owned();
        return add(found, file, 1, "expect", "does not say what it must produce".to_owned(), hint);
    };
    if console.lines.last().is_none_or(|line| line.text.trim() != ":check") {
        let last = console.lines.last().map_or(1, |line| line.number);
        add(
            found,
            file.clone(),
            last,
            "",
            "does not end with a check".to_owned(),
            "end with `$ :check`: it shows what is wrong".to_owned(),
        );
    }
    let steps: Vec<&str> = unit.steps.iter().map(|step| step.id.as_str()).collect();
    let Some(step) = unit.steps.iter().find(|step| step.id == expect.step) else {
        let hint = did_you_mean(&expect.step, &steps).unwrap_or_else(|| format!("the steps are: {}", steps.join(", ")));
        return add(found, file, 1, "expect.step", format!("the lab has no step `{}`", expect.step), hint);
    };
    let facts: Vec<&str> = step.facts.iter().map(|fact| fact.id.as_str()).collect();
    let mistakes: Vec<&str> = step.mistakes.iter().map(|mistake| mistake.id.as_str()).collect();
    for (key, named, known) in [("fact", &expect.fact, facts), ("mistake", &expect.mistake, mistakes)] {
        if let Some(name) = named.as_ref().filter(|name| !known.contains(&name.as_str())) {
            let hint = did_you_mean(name, &known).unwrap_or_else(|| format!("it has: {}", known.join(", ")));
            add(found, file.clone(), 1, &format!("expect.{key}"), format!("the step `{}` has no {key} `{name}`", step.id), hint);
        }
    }
}

/// A mistake that no wrong answer makes is not proved to be recognised.
fn unseen_mistakes(unit: &Unit, wrong: &[(String, Console)], found: &mut Finds<'_>) {
    for (at, step) in unit.steps.iter().enumerate() {
        for (number, mistake) in step.mistakes.iter().enumerate() {
            let made = wrong.iter().filter_map(|(_, console)| console.expect.as_ref());
            if !made.into_iter().any(|expect| expect.step == step.id && expect.mistake.as_ref() == Some(&mistake.id)) {
                let hint = format!(
                    "write solutions/{}/wrong/{}.console, which begins with `# expect: step={} mistake={}`",
                    unit.id, mistake.id, step.id, mistake.id
                );
                found.add(&format!("steps[{at}].mistakes[{number}]"), format!("no wrong answer makes the mistake `{}`", mistake.id), hint);
            }
        }
    }
}

/// Folders that belong to no lab.
pub(super) fn strays(course: &Course) -> Vec<Problem> {
    let ids: Vec<&str> = course.units().iter().filter(|entry| entry.example.lab).map(|entry| entry.example.id.as_str()).collect();
    let mut seen = BTreeSet::new();
    let mut problems = Vec::new();
    for path in course.files().keys() {
        let mut parts = path.components().map(|part| part.as_os_str().to_string_lossy());
        let (Some(top), Some(part), Some(slug), Some(_)) = (parts.next(), parts.next(), parts.next(), parts.next()) else { continue };
        let id = format!("{part}/{slug}");
        if !["labs", "solutions"].contains(&top.as_ref()) || ids.contains(&id.as_str()) || !seen.insert((top.to_string(), id.clone())) {
            continue;
        }
        // A lab that could not be read has been complained about already.
        if course.file(&Path::new("labs").join(&id).join("lab.yaml")).is_some() {
            continue;
        }
        let hint = did_you_mean(&id, &ids).unwrap_or_else(|| format!("write labs/{id}/lab.yaml, or remove the folder"));
        problems.push(Problem {
            file: PathBuf::from(format!("{top}/{id}")),
            spot: Spot::default(),
            key: String::new(),
            what: "belongs to no lab".to_owned(),
            hint,
        });
    }
    problems
}
