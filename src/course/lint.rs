//! What can be said about a course without a bottle: solutions that do not fit their lab, wrong answers without an expectation, hints that give
//! the solution away (P11), texts that name nothing they saw.

mod tools;

use std::path::PathBuf;

use super::console::Console;
use super::error::Problem;
use super::fields::nearest;
use super::library::{Course, Entry};
use super::params;
use super::unit::{Step, Unit};

/// How long a word of a solution must be before it counts as a token that a hint must not hold.
const TOKEN: usize = 5;
/// Labs have at least this many wrong answers.
const WRONG: usize = 3;
/// And as many hints in each step.
const HINTS: usize = 3;

/// Everything that is doubtful in the course.
pub fn course(course: &Course) -> Vec<Problem> {
    let mut problems = Vec::new();
    for entry in course.units() {
        problems.extend(unit(course, entry));
    }
    problems
}

/// Everything that is doubtful in one unit.
pub fn unit(course: &Course, entry: &Entry) -> Vec<Problem> {
    let unit = &entry.example;
    let mut problems = Vec::new();
    let mut add = |key: &str, what: String, hint: &str| {
        problems.push(Problem { file: entry.file.clone(), line: 0, key: key.to_owned(), what, hint: Some(hint.to_owned()) });
    };
    for (step, why) in unit.steps.iter().flat_map(|step| weak_hints(step).into_iter().map(move |why| (step, why))) {
        add(&format!("step {}", step.id), why, "three levels, each one plainer than the one before");
    }
    let is_row = |row: &str| {
        row.strip_prefix(['C', 'X'])
            .and_then(|rest| rest.strip_prefix('-'))
            .is_some_and(|number| number.len() == 3 && number.parse::<u32>().is_ok())
    };
    for row in unit.teaches.iter().filter(|row| !is_row(row)) {
        add("teaches", format!("`{row}` is no row of the concept list"), "write C-001 or X-001");
    }
    let ids: Vec<&str> = course.units().iter().map(|entry| entry.example.id.as_str()).collect();
    for need in unit.needs.iter().filter(|need| !ids.contains(&need.as_str())) {
        let hint = nearest(need, ids.iter().copied())
            .map_or_else(|| "`:list` shows the units".to_owned(), |near| format!("did you mean `{near}`?"));
        add("needs", format!("there is no unit `{need}`"), &hint);
    }
    if !unit.lab {
        problems.extend(unnamed_tools(entry, &[]));
        return problems;
    }
    let params = params::draw(&unit.params, "example", &unit.id);
    let (right, wrong) = match (course.consoles(&unit.id, false, &params), course.consoles(&unit.id, true, &params)) {
        (Ok(right), Ok(wrong)) => (right, wrong),
        (Err(error), _) | (_, Err(error)) => {
            add("", error.to_string(), "see the reference of solutions");
            return problems;
        }
    };
    if right.is_empty() {
        add("", format!("has no solution in solutions/{}/", unit.id), "write solve.console");
    }
    if wrong.len() < WRONG {
        add("", format!("has {} wrong answers in solutions/{}/wrong/", wrong.len(), unit.id), "three or more, each with `# expect:`");
    }
    for (name, console) in &wrong {
        problems.extend(expectation(unit, name, console));
    }
    let transcripts: Vec<(String, Console)> =
        right.iter().cloned().chain(wrong.iter().map(|(name, console)| (format!("wrong/{name}"), console.clone()))).collect();
    problems.extend(unnamed_tools(entry, &transcripts));
    problems.extend(scanty(entry));
    for (step, hint, token) in leaks(unit, &right) {
        let what = format!("the hint \"{hint}\" holds `{token}`, which every solution types");
        problems.push(Problem {
            file: entry.file.clone(),
            line: 0,
            key: format!("step {step}"),
            what,
            hint: Some("say it in other words (P11)".to_owned()),
        });
    }
    problems
}

fn unnamed_tools(entry: &Entry, transcripts: &[(String, Console)]) -> Vec<Problem> {
    let id = &entry.example.id;
    let told = |(place, tools): (String, std::collections::BTreeSet<String>)| {
        let needs: Vec<String> = tools.into_iter().map(|tool| format!("tool:{tool}")).collect();
        let (file, key) = match place.is_empty() {
            true => (entry.file.clone(), "world.needs"),
            false => (PathBuf::from(format!("solutions/{id}/{place}.console")), "needs"),
        };
        let what = format!("uses programs that a machine may lack: {}", needs.join(", "));
        Problem { file, line: 0, key: key.to_owned(), what, hint: Some("name them in `world: {needs: [...]}`".to_owned()) }
    };
    tools::unnamed(entry, transcripts).into_iter().map(told).collect()
}

/// What every step of a lab has: three hints and a debrief; and a lab has mistakes that it knows.
fn scanty(entry: &Entry) -> Vec<Problem> {
    let unit = &entry.example;
    let problem = |key: String, what: &str, hint: &str| Problem {
        file: entry.file.clone(),
        line: 0,
        key,
        what: what.to_owned(),
        hint: Some(hint.to_owned()),
    };
    let mut found = Vec::new();
    for step in &unit.steps {
        if step.hints.len() != HINTS {
            found.push(problem(format!("step {}", step.id), "has not three hints", "from vague to plain"));
        }
        if step.debrief.is_none() {
            found.push(problem(format!("step {}", step.id), "has no debrief", "say in a sentence what was learned"));
        }
    }
    if unit.steps.iter().all(|step| step.mistakes.is_empty()) {
        found.push(problem("steps".to_owned(), "knows no mistake", "name one that learners make: `mistakes: [{id, when, say}]`"));
    }
    found
}

fn weak_hints(step: &Step) -> Vec<String> {
    let mut found = Vec::new();
    for (at, hint) in step.hints.iter().enumerate() {
        if hint.trim().is_empty() {
            found.push(format!("hint {} is empty", at + 1));
        }
        if step.hints[..at].iter().any(|other| other.trim() == hint.trim()) {
            found.push(format!("hint {} says what an earlier one says", at + 1));
        }
    }
    found
}

fn expectation(unit: &Unit, name: &str, console: &Console) -> Vec<Problem> {
    let file = PathBuf::from(format!("solutions/{}/wrong/{name}.console", unit.id));
    let problem = |what: String| Problem { file: file.clone(), line: 1, key: "expect".to_owned(), what, hint: Some(ids(unit)) };
    let Some(expect) = &console.expect else {
        return vec![problem("the wrong answer does not say what it must produce".to_owned())];
    };
    let Some(step) = unit.steps.iter().find(|step| step.id == expect.step) else {
        return vec![problem(format!("the lab has no step `{}`", expect.step))];
    };
    let mut found = Vec::new();
    if let Some(fact) = expect.fact.as_ref().filter(|id| !step.facts.iter().any(|fact| fact.id == **id)) {
        found.push(problem(format!("the step `{}` has no fact `{fact}`", step.id)));
    }
    if let Some(mistake) = expect.mistake.as_ref().filter(|id| !step.mistakes.iter().any(|mistake| mistake.id == **id)) {
        found.push(problem(format!("the step `{}` has no mistake `{mistake}`", step.id)));
    }
    found
}

fn ids(unit: &Unit) -> String {
    let steps = unit.steps.iter().map(|step| {
        let facts: Vec<&str> = step.facts.iter().map(|fact| fact.id.as_str()).collect();
        let mistakes: Vec<&str> = step.mistakes.iter().map(|mistake| mistake.id.as_str()).collect();
        format!("{}: facts {}, mistakes {}", step.id, facts.join(" "), mistakes.join(" "))
    });
    steps.collect::<Vec<_>>().join("; ")
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
mod tests {
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
