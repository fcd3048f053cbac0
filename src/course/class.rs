//! A class: what many grades say together, and which of them an instructor should look at.
//!
//! One grade says how far one learner came. Thirty say more: which fact nobody reaches (the lab is unclear, or the lesson was), which mistake is made most (say
//! it to all of them), and who handed in what cannot be one person's own work. Pure: grades and what was typed in, a summary out.

use std::collections::BTreeMap;

use serde::Serialize;

use super::submission::{Grade, Standing};

/// So many lines that are the same are no coincidence: shorter solutions look alike because there are few ways to write them.
pub const ALIKE: usize = 12;

/// What a class did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    pub submissions: usize,
    pub pass: usize,
    pub review: usize,
    pub rejected: usize,
    /// Those that could not be graded, which is not the learners' doing.
    pub error: usize,
    /// By unit; what belongs to none (it could not be read) is last, under an empty name.
    pub units: Vec<UnitSummary>,
    pub suspicions: Vec<Suspicion>,
}

/// What a class did in one lab.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct UnitSummary {
    pub unit: String,
    pub submissions: usize,
    /// All points, and nothing to look at.
    pub passed: usize,
    /// Some points.
    pub partly: usize,
    /// It replays, and no step passes.
    pub nothing: usize,
    pub review: usize,
    pub rejected: usize,
    /// Those that could not be graded, which is not the learners' doing.
    pub error: usize,
    /// Facts that did not hold at the end, as `step/fact`, the most frequent first.
    pub facts: Vec<(String, usize)>,
    /// Steps that were never checked.
    pub unchecked: Vec<(String, usize)>,
    /// Mistakes that were recognised, as `step/mistake`, the most frequent first.
    pub mistakes: Vec<(String, usize)>,
}

/// Something that an instructor should look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Suspicion {
    pub file: String,
    pub name: Option<String>,
    pub why: String,
}

/// Submissions of one unit and one seed: one learner's work under two names. None of them passes without a look. What was rejected makes nobody else's
/// work doubtful: anyone can spoil a copy of it.
pub fn mark_copies(grades: &mut [Grade]) {
    let twins: Vec<Option<String>> = (0..grades.len()).map(|at| twin(grades, at).map(|twin| twin.file.clone())).collect();
    for (grade, twin) in grades.iter_mut().zip(twins) {
        if let Some(file) = twin.filter(|_| grade.result.is_graded()) {
            grade.result = Standing::Review;
            grade.why = format!("was made with the seed of {file}: one of them is a copy");
        }
    }
}

/// Another grade, not rejected, of the same unit and the same seed.
pub fn twin(grades: &[Grade], at: usize) -> Option<&Grade> {
    let mine = grades.get(at).filter(|grade| !grade.seed.is_empty())?;
    let mut others = grades.iter().enumerate().filter(|(other, grade)| *other != at && grade.result.is_graded());
    others.find(|(_, other)| other.unit == mine.unit && other.seed == mine.seed).map(|(_, other)| other)
}

/// Sums a class up. `typed` has the lines of each submission without its parameters, in the order of the grades; none where it could not be read.
pub fn summary(grades: &[Grade], typed: &[Vec<String>]) -> Summary {
    let count = |standing| grades.iter().filter(|grade| grade.result == standing).count();
    let mut units: BTreeMap<(bool, &str), Vec<&Grade>> = BTreeMap::new();
    for grade in grades {
        units.entry((grade.unit.is_empty(), &grade.unit)).or_default().push(grade);
    }
    Summary {
        submissions: grades.len(),
        pass: count(Standing::Pass),
        review: count(Standing::Review),
        rejected: count(Standing::Rejected),
        error: count(Standing::Error),
        units: units.into_iter().map(|((_, unit), grades)| unit_summary(unit, &grades)).collect(),
        suspicions: suspicions(grades, typed),
    }
}

fn unit_summary(unit: &str, grades: &[&Grade]) -> UnitSummary {
    let mut sum = UnitSummary { unit: unit.to_owned(), submissions: grades.len(), ..UnitSummary::default() };
    let (mut facts, mut unchecked, mut mistakes) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for grade in grades {
        match grade.result {
            Standing::Rejected => sum.rejected += 1,
            Standing::Error => sum.error += 1,
            Standing::Review => sum.review += 1,
            Standing::Pass if grade.points == grade.of => sum.passed += 1,
            Standing::Pass if grade.points > 0 => sum.partly += 1,
            Standing::Pass => sum.nothing += 1,
        }
        // What was rejected says nothing about the lab.
        for step in grade.steps.iter().filter(|_| grade.result.is_graded()) {
            let of_step = |name: &String| format!("{}/{name}", step.step);
            step.failed.iter().for_each(|fact| *facts.entry(of_step(fact)).or_insert(0) += 1);
            step.mistakes.iter().for_each(|mistake| *mistakes.entry(of_step(mistake)).or_insert(0) += 1);
            if step.verdict.is_none() {
                *unchecked.entry(step.step.clone()).or_insert(0) += 1;
            }
        }
    }
    (sum.facts, sum.unchecked, sum.mistakes) = (most_first(facts), most_first(unchecked), most_first(mistakes));
    sum
}

fn most_first(counts: BTreeMap<String, usize>) -> Vec<(String, usize)> {
    let mut list: Vec<(String, usize)> = counts.into_iter().collect();
    // Stable: what is as frequent stays in the order of its name.
    list.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    list
}

/// Everything that was rejected or is for review, with the reason; and what was typed alike, line by line, by two learners with different seeds.
fn suspicions(grades: &[Grade], typed: &[Vec<String>]) -> Vec<Suspicion> {
    let mut found = Vec::new();
    let mut add = |grade: &Grade, why: String| found.push(Suspicion { file: grade.file.clone(), name: grade.name.clone(), why });
    for (at, grade) in grades.iter().enumerate() {
        if grade.result != Standing::Pass {
            let owner = twin(grades, at).filter(|_| grade.result == Standing::Rejected);
            let owner = owner.map_or_else(String::new, |owner| format!("; it has the seed of {}", owner.file));
            add(grade, format!("{}: {}{owner}", grade.result.word(), grade.why));
        }
        let mine = typed.get(at).filter(|lines| lines.len() >= ALIKE);
        let twin = mine.and_then(|lines| {
            let others = grades.iter().zip(typed).enumerate().filter(|(other, _)| *other != at);
            others.map(|(_, pair)| pair).find(|(other, theirs)| other.unit == grade.unit && other.seed != grade.seed && *theirs == lines)
        });
        if let (Some((other, lines)), true) = (twin, grade.result.is_graded()) {
            add(grade, format!("types the same {} lines as {}", lines.len(), other.file));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::submission::StepGrade;
    use super::super::view::Verdict;
    use super::*;

    fn grade(file: &str, result: Standing, points: u32, failed: &[&str], mistakes: &[&str]) -> Grade {
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let verdict = if failed.is_empty() { Verdict::Pass } else { Verdict::NotYet };
        let step = StepGrade {
            step: "one".into(),
            verdict: Some(verdict),
            claimed: None,
            points,
            of: 2,
            wrong: texts(failed),
            failed: texts(failed),
            mistakes: texts(mistakes),
        };
        let never = StepGrade {
            step: "two".into(),
            verdict: None,
            of: 1,
            points: 0,
            failed: Vec::new(),
            mistakes: Vec::new(),
            wrong: Vec::new(),
            ..step.clone()
        };
        Grade {
            file: file.to_owned(),
            name: None,
            unit: "p/s".into(),
            seed: file.to_owned(),
            result,
            points,
            of: 3,
            second: None,
            steps: vec![step, never],
            why: "so".to_owned(),
        }
    }

    #[test]
    fn a_class_is_summed_up_lab_by_lab() {
        let unread = Grade { unit: String::new(), steps: Vec::new(), ..grade("e", Standing::Rejected, 0, &[], &[]) };
        let grades = [
            grade("a", Standing::Pass, 3, &[], &["slip"]),
            grade("b", Standing::Pass, 2, &["x"], &["slip", "other"]),
            grade("c", Standing::Pass, 0, &["x", "y"], &[]),
            grade("d", Standing::Rejected, 0, &["y", "z"], &["other"]),
            unread,
        ];
        let sum = summary(&grades, &[const { Vec::new() }; 5]);
        assert_eq!((sum.submissions, sum.pass, sum.review, sum.rejected), (5, 3, 0, 2));
        let unit = &sum.units[0];
        assert_eq!((unit.passed, unit.partly, unit.nothing, unit.rejected), (1, 1, 1, 1));
        assert_eq!(unit.facts, [("one/x".to_owned(), 2), ("one/y".to_owned(), 1)], "what was rejected does not count");
        assert_eq!(unit.mistakes, [("one/slip".to_owned(), 2), ("one/other".to_owned(), 1)]);
        assert_eq!(unit.unchecked, [("two".to_owned(), 3)]);
        assert_eq!((sum.units[1].unit.as_str(), sum.units[1].rejected), ("", 1), "what could not be read comes last");
        assert_eq!(sum.suspicions.iter().map(|one| one.file.as_str()).collect::<Vec<_>>(), ["d", "e"]);
    }

    #[test]
    fn one_seed_under_two_names_is_for_review() {
        let of = |file: &str, seed: &str, result| Grade { seed: seed.to_owned(), ..grade(file, result, 3, &[], &[]) };
        let pass = Standing::Pass;
        let mut grades = [
            of("ada", "1", pass),
            of("bo", "2", pass),
            of("cy", "1", pass),
            of("di", "", Standing::Rejected),
            of("ed", "", Standing::Rejected),
        ];
        mark_copies(&mut grades);
        let results: Vec<Standing> = grades.iter().map(|grade| grade.result).collect();
        assert_eq!(results, [Standing::Review, pass, Standing::Review, Standing::Rejected, Standing::Rejected]);
        assert!(grades[2].why.contains("ada"), "{}", grades[2].why);
    }

    #[test]
    fn of_a_spoilt_copy_the_owner_is_told_and_is_not_doubted() {
        let mut spoilt = grade("b", Standing::Rejected, 0, &[], &[]);
        "a".clone_into(&mut spoilt.seed);
        let mut grades = [grade("a", Standing::Pass, 3, &[], &[]), spoilt];
        mark_copies(&mut grades);
        let sum = summary(&grades, &[Vec::new(), Vec::new()]);
        assert_eq!((sum.pass, sum.rejected, sum.suspicions.len()), (1, 1, 1));
        assert_eq!(sum.suspicions[0].why, "rejected: so; it has the seed of a");
    }

    #[test]
    fn many_lines_that_are_the_same_are_told_and_few_are_not() {
        let grades =
            [grade("a", Standing::Pass, 3, &[], &[]), grade("b", Standing::Pass, 3, &[], &[]), grade("c", Standing::Pass, 3, &[], &[])];
        let lines = |count: usize| (0..count).map(|number| format!("echo {number}")).collect::<Vec<_>>();
        let told = |count| summary(&grades, &[lines(count), lines(count), lines(count + 1)]).suspicions.len();
        assert_eq!((told(ALIKE), told(ALIKE - 1)), (2, 0));
    }
}
