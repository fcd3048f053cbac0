//! What is printed: lines for people, a document for programs.

use serde_json::{Value, json};

use super::checks::{Check, Mark, PARTS, Verdict};
use super::world::World;

/// A check and what it found.
pub struct Line<'a> {
    /// The check.
    pub check: &'a Check,
    /// What it found.
    pub verdict: Verdict,
}

/// For people: the checks by parts, below each what was found, and the reason where something is to be done.
pub fn text(world: &World, lines: &[Line]) -> String {
    let name = world.info["Name"].as_str().unwrap_or_default();
    let version = world.info["ServerVersion"].as_str().unwrap_or_default();
    let mut text = format!("Engine {version} on {name}, {} running containers\n", world.containers.len());
    for (part, title) in PARTS {
        let mut of_part = lines.iter().filter(|line| line.check.is(part)).peekable();
        if of_part.peek().is_some() {
            text += &format!("\n{part} {title}\n");
        }
        of_part.for_each(|line| one(&mut text, line));
    }
    let sums: Vec<String> = Mark::ALL.iter().map(|mark| format!("{} {}", count(lines, *mark), mark.name())).collect();
    text + &format!("\n{} checks: {}\n", lines.len(), sums.join(", "))
}

fn one(text: &mut String, line: &Line) {
    *text += &format!("[{}] {:<5} {}\n", line.verdict.mark.name(), line.check.number, line.check.title);
    for found in &line.verdict.found {
        *text += &format!("             {found}\n");
    }
    if [Mark::Warn, Mark::Note].contains(&line.verdict.mark) {
        *text += &format!("             why: {}\n", line.check.why);
    }
}

/// For programs: every check with its reason, and the sums.
pub fn json(world: &World, lines: &[Line]) -> Value {
    let check = |line: &Line| json!({"number": line.check.number, "title": line.check.title, "result": line.verdict.mark.name(), "found": line.verdict.found, "why": line.check.why});
    let sums: serde_json::Map<String, Value> =
        Mark::ALL.iter().map(|mark| (mark.name().to_lowercase(), count(lines, *mark).into())).collect();
    json!({
        "engine": {"name": world.info["Name"], "version": world.info["ServerVersion"]}, "containers": world.containers.len(),
        "checks": lines.iter().map(check).collect::<Vec<_>>(), "sums": sums,
    })
}

fn count(lines: &[Line], mark: Mark) -> usize {
    lines.iter().filter(|line| line.verdict.mark == mark).count()
}

#[cfg(test)]
mod tests {
    use super::super::checks;
    use super::*;

    #[test]
    fn a_report_has_its_parts_its_reasons_and_its_sums() {
        let world = World { info: json!({"Name": "bench", "ServerVersion": "1"}), ..World::default() };
        let line = |number: &str, verdict| Line { check: checks::all().find(|check| check.number == number).expect("a check"), verdict };
        let lines = [line("2.8", Verdict::of(Mark::Warn, "live-restore is off")), line("5.4", Verdict::pass())];
        insta::assert_snapshot!(text(&world, &lines), @r"
        Engine 1 on bench, 0 running containers

        2 The engine
        [WARN] 2.8   Containers outlive a restart of the engine
                     live-restore is off
                     why: Else each update of the engine stops all of them, and updates are put off.

        5 Running containers
        [PASS] 5.4   No container is privileged

        2 checks: 1 PASS, 1 WARN, 0 INFO, 0 NOTE
        ");
        let document = json(&world, &lines);
        assert_eq!((&document["sums"]["warn"], &document["checks"][1]["result"]), (&json!(1), &json!("PASS")));
    }
}
