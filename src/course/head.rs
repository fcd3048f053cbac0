//! What a lesson's front matter and a lab's file have in common: the head of a unit, and what makes a step done.

use super::fact;
use super::fields::{Complaints, Fields};
use super::params;
use super::unit::{Mistake, Question, RightAnswer, Start, Step, Unit, WorldNeeds};
use super::yaml::{Node, Value};

/// The proofs of `bottleship prove`, for exemptions.
pub const PROOFS: [&str; 15] = ["P1", "P2", "P3", "P4", "P5", "P6", "P7", "P8", "P9", "P10", "P11", "P12", "P13", "P14", "P15"];

/// Reads the head of a unit. The steps stay empty.
pub fn unit(fields: &mut Fields<'_>, lab: bool, complaints: &mut Complaints) -> Unit {
    let id = fields.needed("id", complaints).unwrap_or_default();
    let title = fields.needed("title", complaints).unwrap_or_default();
    let minutes = fields.number("minutes", complaints).unwrap_or(10).min(600) as u32;
    let world = fields.get("world").and_then(|node| world(node, complaints)).unwrap_or_default();
    let params = fields.get("params").map(|node| params::read(node, complaints)).unwrap_or_default();
    Unit {
        id,
        title,
        lab,
        minutes,
        needs: fields.texts("needs", complaints),
        teaches: fields.texts("teaches", complaints),
        words: fields.pairs("words", complaints),
        world,
        params,
        drawn: super::text::Params::new(),
        place: fields.pairs("place", complaints),
        setup: fields.texts("setup", complaints),
        start: start(fields, complaints),
        intro: String::new(),
        steps: Vec::new(),
        spots: super::yaml::Spots::new(),
    }
}

fn world(node: &Node, complaints: &mut Complaints) -> Option<WorldNeeds> {
    let mut fields = Fields::open(node, "world", complaints)?;
    let found = WorldNeeds { hosts: fields.texts("hosts", complaints), needs: fields.texts("needs", complaints) };
    fields.finish(complaints);
    Some(found)
}

fn start(fields: &mut Fields<'_>, complaints: &mut Complaints) -> Vec<Start> {
    let mut found = Vec::new();
    for (at, node) in fields.list("start").into_iter().enumerate() {
        let Some(mut one) = Fields::open(node, &format!("start[{at}]"), complaints) else { continue };
        let (name, run) = (one.needed("name", complaints), one.needed("run", complaints));
        let ready = one.text("ready", complaints);
        one.finish(complaints);
        found.extend(name.zip(run).map(|(name, run)| Start { name, run, ready }));
    }
    found
}

/// Reads what makes a step done: facts, mistakes, hints, debrief, points, exemptions.
pub fn goals(step: &mut Step, fields: &mut Fields<'_>, complaints: &mut Complaints) {
    let path = fields.at("facts");
    step.facts = facts(&fields.list("facts"), &path, complaints);
    let points: u32 = step.facts.iter().map(|fact| fact.points).sum();
    step.points = fields.number("points", complaints).map_or(points, |points| points.min(1000) as u32);
    step.mistakes = mistakes(fields, complaints);
    let spot = fields.spot_of("hints");
    step.hints = fields.texts("hints", complaints);
    if step.hints.len() > 3 {
        complaints.add(spot, &fields.at("hints"), "has more than three hints", "keep the three best, from vague to plain");
    }
    step.debrief = fields.text("debrief", complaints);
    step.untouched = untouched(fields, complaints);
    let spot = fields.spot_of("exempt");
    step.exempt.extend(fields.pairs("exempt", complaints));
    for (proof, reason) in &step.exempt {
        if !PROOFS.contains(&proof.as_str()) {
            complaints.add(spot, &fields.at("exempt"), format!("`{proof}` is no proof"), "P1 to P15");
        }
        if reason.split_whitespace().count() < 3 {
            complaints.add(spot, &fields.at("exempt"), format!("`{proof}` is exempt without a reason"), "say why in a sentence");
        }
    }
    references(step, fields, complaints);
}

/// A list of facts.
pub fn facts(nodes: &[&Node], path: &str, complaints: &mut Complaints) -> Vec<fact::Fact> {
    let mut found: Vec<fact::Fact> = Vec::new();
    for (at, node) in nodes.iter().enumerate() {
        let Some(fact) = fact::read(node, &format!("{path}[{at}]"), complaints) else { continue };
        if found.iter().any(|other| other.id == fact.id) {
            complaints.add(
                node.spot,
                &format!("{path}[{at}].id"),
                format!("`{}` names two facts of this step", fact.id),
                "give each a name of its own",
            );
        }
        found.push(fact);
    }
    found
}

fn mistakes(fields: &mut Fields<'_>, complaints: &mut Complaints) -> Vec<Mistake> {
    let base = fields.at("mistakes");
    let mut found = Vec::new();
    for (at, node) in fields.list("mistakes").into_iter().enumerate() {
        let path = format!("{base}[{at}]");
        let Some(mut one) = Fields::open(node, &path, complaints) else { continue };
        let id = one.needed("id", complaints);
        let when = one.get("when").and_then(|node| fact::read_when(node, &format!("{path}.when"), complaints));
        if !one.has("when") {
            complaints.add(one.spot, &path, "has no `when`", "say in a fact how the mistake shows");
        }
        let say = one.needed("say", complaints);
        let hint = one.number("hint", complaints).map(|hint| hint as usize);
        one.finish(complaints);
        if let Some(twice) = id.as_ref().filter(|id| found.iter().any(|other: &Mistake| other.id == **id)) {
            let what = format!("`{twice}` names two mistakes of this step");
            complaints.add(node.spot, &format!("{path}.id"), what, "give each a name of its own: wrong answers point to it");
        }
        if let (Some(id), Some(when), Some(say)) = (id, when, say) {
            found.push(Mistake { id, when, say, hint });
        }
    }
    found
}

fn untouched(fields: &mut Fields<'_>, complaints: &mut Complaints) -> Option<(String, String)> {
    let path = fields.at("untouched");
    let mut one = Fields::open(fields.get("untouched")?, &path, complaints)?;
    let fact = one.needed("fact", complaints);
    let verdict = one.word("verdict", &["not-yet", "fail", "vacuous"], complaints).unwrap_or("not-yet");
    one.finish(complaints);
    Some((fact?, verdict.to_owned()))
}

/// Names of facts and hints that other keys point to must exist.
fn references(step: &Step, fields: &Fields<'_>, complaints: &mut Complaints) {
    let ids: Vec<&str> = step.facts.iter().map(|fact| fact.id.as_str()).collect();
    let mut missing = |what: &str, name: &str| {
        if !ids.contains(&name) {
            let hint = super::fields::did_you_mean(name, &ids)
                .unwrap_or_else(|| format!("it has: {}", if ids.is_empty() { "none that can be read".to_owned() } else { ids.join(", ") }));
            complaints.add(
                fields.spot_of("facts"),
                &fields.path,
                format!("{what} names the fact `{name}`, which this step does not have"),
                hint,
            );
        }
    };
    for fact in &step.facts {
        match &fact.kind {
            fact::Kind::Never { opportunity, .. } => missing("an `opportunity`", opportunity),
            fact::Kind::Invariant { of } => missing("an invariant", of),
            _ => {}
        }
    }
    if let Some((fact, _)) = &step.untouched {
        missing("`untouched`", fact);
    }
    for mistake in &step.mistakes {
        if mistake.hint.is_some_and(|hint| hint == 0 || hint > step.hints.len()) {
            let what = format!("the mistake `{}` points to a hint that the step does not have", mistake.id);
            complaints.add(
                fields.spot_of("mistakes"),
                &fields.path,
                what,
                format!("hints are numbered from 1; there are {}", step.hints.len()),
            );
        }
    }
}

/// Reads a question of a `predict` or `quiz` block. `number` names it when it has no id.
pub fn question(node: &Node, path: &str, number: usize, complaints: &mut Complaints) -> Option<Question> {
    let mut fields = Fields::open(node, path, complaints)?;
    let id = fields.text("id", complaints).unwrap_or_else(|| format!("{}{number}", if path.starts_with('q') { 'q' } else { 'p' }));
    let ask = fields.needed("ask", complaints);
    let choices = fields.texts("choices", complaints);
    if choices.len() < 2 {
        complaints.add(fields.spot, &fields.at("choices"), "needs at least two choices", "write `choices: [one, other]`");
    }
    let answer = right_answer(&mut fields, choices.len(), complaints);
    let why = fields.needed("why", complaints);
    fields.finish(complaints);
    Some(Question { id, ask: ask?, choices, answer: answer?, why: why? })
}

fn right_answer(fields: &mut Fields<'_>, choices: usize, complaints: &mut Complaints) -> Option<RightAnswer> {
    let path = fields.at("answer");
    let Some(node) = fields.get("answer") else {
        complaints.add(fields.spot, &path, "is missing", "the number of the right choice, from 1");
        return None;
    };
    if let Value::Map(_) = node.value {
        let mut one = Fields::open(node, &path, complaints)?;
        let run = one.needed("run", complaints);
        one.finish(complaints);
        return run.map(RightAnswer::Run);
    }
    let numbers: Vec<usize> = fields.texts("answer", complaints).iter().filter_map(|text| text.parse().ok()).collect();
    if numbers.is_empty() || numbers.iter().any(|number| *number == 0 || *number > choices) {
        complaints.add(node.spot, &path, "is no choice", format!("a number from 1 to {choices}, a list of them, or `{{run: command}}`"));
        return None;
    }
    Some(RightAnswer::Choices(numbers))
}
