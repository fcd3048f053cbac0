//! Reading `lab.yaml`.

use std::path::Path;

use super::error::{Problem, Spot};
use super::fields::{Complaints, Fields};
use super::head;
use super::text::{OBSERVED, Params, fill, holes};
use super::unit::{Step, Unit};
use super::yaml::{self, Node};
use super::yaml::{Spots, spot_near};

/// Reads a lab. `task` is the text of `task.md`; `params` are filled in everywhere.
///
/// # Errors
/// Everything that is wrong with the file.
pub fn read(file: &Path, text: &str, task: &str, params: &Params) -> Result<Unit, Vec<Problem>> {
    let node = yaml::parse(file, text, 1).map_err(|problem| vec![problem])?;
    let node = node.map_texts(&|text| fill(text, params));
    let mut complaints = Complaints::about(file);
    let unit = unit(&node, task, params, &mut complaints);
    task_holes(file, task, params, &mut complaints);
    match unit {
        Some(unit) if complaints.list.is_empty() => Ok(unit),
        _ => Err(complaints.list),
    }
}

fn unit(node: &Node, task: &str, params: &Params, complaints: &mut Complaints) -> Option<Unit> {
    let mut fields = Fields::open(node, "", complaints)?;
    let mut unit = head::unit(&mut fields, true, complaints);
    node.spots("", &mut unit.spots);
    unit.intro = fill(task, params);
    unit.drawn.clone_from(params);
    for (at, node) in fields.list("steps").into_iter().enumerate() {
        unit.steps.extend(step(node, at, &unit.spots, complaints));
    }
    if unit.steps.is_empty() {
        complaints.add(fields.spot, "steps", "has no step", "a lab has at least one, with facts");
    }
    fields.finish(complaints);
    duplicates(&unit, complaints);
    Some(unit)
}

fn step(node: &Node, at: usize, spots: &Spots, complaints: &mut Complaints) -> Option<Step> {
    let mut fields = Fields::open(node, &format!("steps[{at}]"), complaints)?;
    let mut step = Step {
        id: fields.needed("id", complaints).unwrap_or_default(),
        title: fields.needed("goal", complaints).unwrap_or_default(),
        needs: fields.texts("needs", complaints),
        ..Step::default()
    };
    head::goals(&mut step, &mut fields, complaints);
    // Facts that are there and cannot be read have been complained about.
    if fields.list("facts").is_empty() {
        complaints.add(
            fields.spot,
            &fields.at("facts"),
            "a lab step without facts proves nothing",
            "say under `facts:` how one sees that the goal is reached",
        );
    }
    let base = fields.path.clone();
    fields.finish(complaints);
    unfilled(&step, &base, spots, complaints);
    let goal = (format!("{base}.goal"), step.title.as_str());
    empty_holes([goal].into_iter(), &[], spots, complaints);
    Some(step)
}

/// Holes in what a learner reads that nothing will ever fill. `base` is the path of the step.
pub fn unfilled(step: &Step, base: &str, spots: &Spots, complaints: &mut Complaints) {
    let facts = step.facts.iter().enumerate().flat_map(|(at, fact)| {
        let said = [("pass", fact.pass.as_deref()), ("not_yet", fact.not_yet.as_deref()), ("fail", fact.fail.as_deref())];
        said.into_iter().filter_map(move |(key, text)| Some((format!("{base}.facts[{at}].{key}"), text?)))
    });
    let says = step.mistakes.iter().enumerate().map(|(at, mistake)| (format!("{base}.mistakes[{at}].say"), mistake.say.as_str()));
    empty_holes(facts.chain(says), &OBSERVED, spots, complaints);
    let hints = step.hints.iter().enumerate().map(|(at, hint)| (format!("{base}.hints[{at}]"), hint.as_str()));
    let debrief = step.debrief.iter().map(|text| (format!("{base}.debrief"), text.as_str()));
    empty_holes(hints.chain(debrief), &[], spots, complaints);
}

/// Complains about every hole in `texts` that is none of `known`: parameters are filled in already.
fn empty_holes<'t>(texts: impl Iterator<Item = (String, &'t str)>, known: &[&str], spots: &Spots, complaints: &mut Complaints) {
    for (key, text) in texts {
        for hole in holes(text).into_iter().filter(|hole| !known.contains(hole)) {
            let also = if known.is_empty() {
                "a parameter of this lab; `{got}` is only for facts and mistakes"
            } else {
                "a parameter, {got}, {subject} or {seq}"
            };
            complaints.add(spot_near(spots, &key), &key, format!("`{{{hole}}}` is filled in by nothing"), format!("write {also}"));
        }
    }
}

/// The same for `task.md`.
fn task_holes(file: &Path, task: &str, params: &Params, complaints: &mut Complaints) {
    for (at, line) in task.lines().enumerate() {
        for hole in holes(line).into_iter().filter(|hole| !params.contains_key(*hole)) {
            let known: Vec<&str> = params.keys().map(String::as_str).collect();
            complaints.list.push(Problem {
                file: file.with_file_name("task.md"),
                spot: Spot { line: at + 1, column: line.find(&format!("{{{hole}}}")).unwrap_or(0) + 1 },
                key: String::new(),
                what: format!("`{{{hole}}}` is no parameter of this lab"),
                hint: super::fields::did_you_mean(hole, &known).unwrap_or_else(|| "declare it under `params:`".to_owned()),
            });
        }
    }
}

/// Steps with the same id.
pub fn duplicates(unit: &Unit, complaints: &mut Complaints) {
    for (at, step) in unit.steps.iter().enumerate() {
        if unit.steps[..at].iter().any(|other| other.id == step.id) {
            let key = format!("steps[{at}].id");
            let hint = "give each a name of its own: progress is kept by it";
            complaints.add(spot_near(&unit.spots, &key), &key, format!("`{}` names two steps", step.id), hint);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> String {
        let file = Path::new("labs/p/s/lab.yaml");
        let list = read(file, text, "", &Params::new()).expect_err("the lab has mistakes in it");
        list.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    const LAB: &str = "id: p/s
title: T
steps:
  - id: one
    goal: G
    facts:
      - {id: a, kind: file, path: /x, exists: true, not_yet: \"{got}\"}
    mistakes:
      - {id: m, when: {kind: count, of: processes, more_than: 3}, say: \"{got}\", hint: 1}
    hints: [h]
";

    #[test]
    fn a_whole_lab_is_read() {
        let unit = read(Path::new("lab.yaml"), LAB, "Do it.", &Params::new()).unwrap();
        assert_eq!((unit.id.as_str(), unit.steps.len(), unit.points()), ("p/s", 1, 1));
        assert_eq!(unit.steps[0].mistakes[0].hint, Some(1));
    }

    #[test]
    fn every_mistake_of_an_author_is_named_with_line_and_key() {
        insta::assert_snapshot!(problems(&LAB.replace("kind: file", "kind: flie").replace("hint: 1", "hint: 4").replace("{got}", "{gto}")));
        insta::assert_snapshot!(problems(
            "id: p/s
titel: T
world: [bench]
params: {got: {hex: 8}, x: {hex: 0}, y: {choice: a, range: [1, 2]}}
steps:
  - id: one
    goal: G
    points: many
    facts:
      - {id: a, kind: process, match: {}, caps: {efective: none}}
      - {id: a, kind: never, event: {kind: line, subject: \"(\"}, opportunity: z, fail: f}
      - {id: b, kind: exec, run: \"true\", fail: f}
      - {id: c, kind: reach, to: \"htp://x\", fail: f}
      - {id: d, kind: cgroup, path: /x, knob: pids.max, is: 1, at_most: 2, fail: f, hold: 3}
      - {id: e, kind: exists, of: proces/x, fail: f}
    exempt: {P99: \"because it is so\"}
"
        ));
    }

    #[test]
    fn anything_at_all_is_read_without_a_panic() {
        for text in
            ["", "a", "[]", "{}", "steps: 5", "steps: [[]]", "steps: [{facts: [{kind: [x]}]}]", "id: {}\nsteps:\n - x", "\u{0}", "- \t- x"]
        {
            assert!(read(Path::new("lab.yaml"), text, "", &Params::new()).is_err());
        }
    }
}
