//! Reading `lab.yaml`.

use std::path::Path;

use super::error::Problem;
use super::fields::{Complaints, Fields};
use super::head;
use super::text::{OBSERVED, Params, fill, holes};
use super::unit::{Step, Unit};
use super::yaml::{self, Node};

/// Reads a lab. `task` is the text of `task.md`; `params` are filled in everywhere.
///
/// # Errors
/// Everything that is wrong with the file.
pub fn read(file: &Path, text: &str, task: &str, params: &Params) -> Result<Unit, Vec<Problem>> {
    let node = yaml::parse(file, text, 1).map_err(|problem| vec![problem])?;
    let node = node.map_texts(&|text| fill(text, params));
    let mut complaints = Complaints::about(file);
    let unit = unit(&node, task, params, &mut complaints);
    match unit {
        Some(unit) if complaints.list.is_empty() => Ok(unit),
        _ => Err(complaints.list),
    }
}

fn unit(node: &Node, task: &str, params: &Params, complaints: &mut Complaints) -> Option<Unit> {
    let mut fields = Fields::open(node, "", complaints)?;
    let mut unit = head::unit(&mut fields, true, complaints);
    unit.intro = fill(task, params);
    unit.drawn.clone_from(params);
    for (at, node) in fields.list("steps").into_iter().enumerate() {
        unit.steps.extend(step(node, at, complaints));
    }
    if unit.steps.is_empty() {
        complaints.add(fields.line, "steps", "has no step", Some("a lab has at least one, with facts".to_owned()));
    }
    fields.finish(complaints);
    duplicates(&unit, complaints);
    Some(unit)
}

fn step(node: &Node, at: usize, complaints: &mut Complaints) -> Option<Step> {
    let mut fields = Fields::open(node, &format!("steps[{at}]"), complaints)?;
    let mut step = Step {
        id: fields.needed("id", complaints).unwrap_or_default(),
        title: fields.needed("goal", complaints).unwrap_or_default(),
        needs: fields.texts("needs", complaints),
        ..Step::default()
    };
    head::goals(&mut step, &mut fields, complaints);
    if step.facts.is_empty() {
        complaints.add(fields.line, &fields.at("facts"), "a lab step without facts proves nothing", None);
    }
    let line = fields.line;
    fields.finish(complaints);
    unfilled(&step, line, complaints);
    Some(step)
}

/// Holes in what a learner reads that nothing will ever fill.
pub fn unfilled(step: &Step, line: usize, complaints: &mut Complaints) {
    let facts = step.facts.iter().flat_map(|fact| [fact.not_yet.as_deref(), fact.fail.as_deref()]).flatten();
    let says = step.mistakes.iter().map(|mistake| mistake.say.as_str());
    for text in facts.chain(says) {
        for hole in holes(text).into_iter().filter(|hole| !OBSERVED.contains(hole)) {
            let what = format!("`{{{hole}}}` is no parameter, in the text: {text}");
            complaints.add(
                line,
                &format!("step {}", step.id),
                what,
                Some("parameters, {got}, {subject} and {seq} can be filled in".to_owned()),
            );
        }
    }
}

/// Steps with the same id.
pub fn duplicates(unit: &Unit, complaints: &mut Complaints) {
    for (at, step) in unit.steps.iter().enumerate() {
        if unit.steps[..at].iter().any(|other| other.id == step.id) {
            complaints.add(0, "steps", format!("`{}` names two steps", step.id), Some("progress is kept by step id".to_owned()));
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
