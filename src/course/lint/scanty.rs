//! What every lab has: three hints and a debrief for each step, mistakes that it knows, and the names of the programs that it uses.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::super::console::Console;
use super::super::error::{Problem, Spot};
use super::super::yaml::spot_near;
use super::{Finds, tools};

/// Each step has so many hints.
const HINTS: usize = 3;

/// Steps with too little help.
pub(super) fn steps(found: &mut Finds<'_>) {
    let unit = &found.entry.example;
    for (at, step) in unit.steps.iter().enumerate() {
        if step.hints.len() != HINTS {
            found.add(
                &format!("steps[{at}].hints"),
                format!("are {} hints, not three", step.hints.len()),
                "write three, from vague to plain",
            );
        }
        if step.debrief.is_none() {
            found.add(&format!("steps[{at}]"), "has no `debrief`".to_owned(), "say in a sentence what was learned");
        }
    }
    if unit.steps.iter().all(|step| step.mistakes.is_empty()) {
        found.add("steps", "know no mistake".to_owned(), "name one that learners make: `mistakes: [{id, when, say}]`");
    }
}

/// Programs that a machine may lack and that nobody named.
pub(super) fn unnamed_tools(transcripts: &[(String, Console)], found: &mut Finds<'_>) {
    let entry = found.entry;
    let told = |(place, tools): (String, BTreeSet<String>)| {
        let needs: Vec<String> = tools.into_iter().map(|tool| format!("tool:{tool}")).collect();
        let (file, spot, key) = match place.is_empty() {
            true => (entry.file.clone(), spot_near(&entry.example.spots, "world.needs"), "world.needs"),
            false => (PathBuf::from(format!("solutions/{}/{place}.console", entry.example.id)), Spot::from(1), "needs"),
        };
        let what = format!("uses programs that a machine may lack: {}", needs.join(", "));
        Problem { file, spot, key: key.to_owned(), what, hint: "name them in `world: {needs: [...]}`".to_owned() }
    };
    found.list.extend(tools::unnamed(entry, transcripts).into_iter().map(told));
}
