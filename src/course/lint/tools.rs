//! Which programs a lab or a lesson wants that are not on every machine: each must stand in `needs` as `tool:NAME`, so that it says before it starts
//! what it misses.

use std::collections::{BTreeMap, BTreeSet};

use super::super::console::Console;
use super::super::fact::{Fact, Kind};
use super::super::library::Entry;
use super::super::unit::{Block, Unit};

/// Programs that a small machine may lack, and which nothing of ours replaces (`ps`, `nc`, `curl` and others come from the toolbox).
const SCARCE: [&str; 18] = [
    "capsh",
    "findmnt",
    "hostname",
    "ip",
    "ldd",
    "lsns",
    "nsenter",
    "pgrep",
    "pidof",
    "pivot_root",
    "pkill",
    "python3",
    "renice",
    "setpriv",
    "setsid",
    "ss",
    "taskset",
    "unshare",
];

/// The programs that a unit uses and does not name: of the unit itself, and of each transcript (by its name).
pub(super) fn unnamed(entry: &Entry, consoles: &[(String, Console)]) -> BTreeMap<String, BTreeSet<String>> {
    let unit = &entry.example;
    let named = |needs: &[String], tool: &str| needs.iter().any(|need| need.strip_prefix("tool:") == Some(tool));
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut take = |place: &str, text: &str, also: &[String]| {
        for tool in used(text).filter(|tool| !named(&unit.world.needs, tool) && !named(also, tool)) {
            found.entry(place.to_owned()).or_default().insert(tool.to_owned());
        }
    };
    for command in of_the_world(unit) {
        take("", command, &[]);
    }
    for step in &unit.steps {
        for block in &step.blocks {
            if let Block::Run { commands, needs, .. } = block {
                let also: Vec<String> = step.needs.iter().chain(needs).cloned().collect();
                commands.iter().for_each(|command| take("", &command.text, &also));
            }
        }
        for fact in step.facts.iter().chain(step.mistakes.iter().map(|mistake| &mistake.when)) {
            let also: Vec<String> = step.needs.iter().chain(&fact.needs).cloned().collect();
            take("", command_of(fact).unwrap_or_default(), &also);
        }
    }
    for (name, console) in consoles {
        for line in &console.lines {
            take(name, &line.text, &console.needs);
        }
    }
    found
}

fn of_the_world(unit: &Unit) -> impl Iterator<Item = &str> {
    let started = unit.start.iter().flat_map(|start| [Some(start.run.as_str()), start.ready.as_deref()]);
    unit.setup.iter().map(String::as_str).chain(started.flatten())
}

fn command_of(fact: &Fact) -> Option<&str> {
    match &fact.kind {
        Kind::Answer { run, .. } => run.as_deref(),
        Kind::Exec { run, .. } => Some(run),
        _ => None,
    }
}

/// The scarce programs that a shell text names as words of their own.
fn used(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| letter.is_whitespace() || "\"'`;|&()<>$".contains(letter)).filter(|word| SCARCE.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_words_of_their_own() {
        let found = |text| used(text).collect::<Vec<_>>();
        assert_eq!(found("until [ $(pgrep -xc gift) -gt 2 ]; do :; done"), ["pgrep"]);
        assert_eq!(found("cat /proc/sys/kernel/hostname; unshared; echo ipc"), Vec::<&str>::new());
        assert_eq!(found("(exec setsid unshare --net 'ip link')"), ["setsid", "unshare", "ip"]);
    }
}
