//! The course commands, as a table: help, completion, highlighting and "did you mean" read the same rows.
//!
//! They begin with a colon so that no program is ever shadowed.

use super::desk::{Answer, Desk};

/// What can be completed after a verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Argument {
    /// Nothing, or free words.
    Free,
    /// A unit or a step of the course.
    Place,
    /// A host of the bottle.
    Host,
    /// One of these words.
    Words(&'static [&'static str]),
    /// Another verb.
    Verb,
}

/// A course command.
pub struct Verb {
    /// Its name, without the colon.
    pub name: &'static str,
    /// What may follow, for help.
    pub takes: &'static str,
    /// What can be completed there.
    pub argument: Argument,
    /// One line of help.
    pub about: &'static str,
    /// More of it, for `:help VERB`.
    pub more: &'static str,
    /// Whether it may put another world in the place of this one: then no program may be running in it.
    pub moves: bool,
    /// Runs it with the words after its name.
    pub run: fn(&mut Desk, &str) -> Answer,
}

const fn verb(
    name: &'static str,
    takes: &'static str,
    about: &'static str,
    more: &'static str,
    run: fn(&mut Desk, &str) -> Answer,
) -> Verb {
    Verb { name, takes, argument: Argument::Free, about, more, moves: false, run }
}

/// All of them, in the order of help.
pub const VERBS: &[Verb] = &[
    Verb {
        moves: true,
        ..verb(
            "next",
            "",
            "go on to the next step",
            "A step that checks something is checked first. Nothing advances by itself.",
            Desk::next,
        )
    },
    verb(
        "check",
        "",
        "look whether the step is done",
        "Every line says what was looked at and what was found. Looking changes nothing.",
        Desk::check,
    ),
    verb(
        "hint",
        "",
        "a hint; each further one says more",
        "There are up to three for a step. How many you took is noted, and costs nothing.",
        Desk::hint,
    ),
    Verb {
        argument: Argument::Words(&["on", "off", "net"]),
        ..verb(
            "zoom",
            "[on|off|net]",
            "open the last line, layer by layer, down to the kernel",
            "Shows the kernel calls that the last line led to, each with what it does, and where its processes are now, read anew from /proc. What Bottleship does itself (`bottleship oci run`) is always recorded. With `:zoom on` the calls of any program are recorded too, from the next line on: your shell is then traced, which makes it slower. `:zoom net` opens the network of the host instead: its bridges, which container hangs on which link, its routes, and its rules as `nft list ruleset` shows them, all read from the kernel at this moment.",
            Desk::zoom,
        )
    },
    verb(
        "why",
        "[WORD]",
        "why the last line, or the last check, ended as it did",
        "For a line: what its exit status says, which limits were met meanwhile, and which kernel calls were refused (those of other programs with `:zoom on`). For a check: what it missed, and what that rests on. WORD is the number of an event, a fact of the check, or any word: the causes of the latest event that has it. Where it names a container, or the last line was one of docker's: why that has ended, which names it knows, and why nobody reaches its ports.",
        Desk::why,
    ),
    verb("diff", "", "what differs now from the world as the step began", "", Desk::diff),
    verb(
        "predict",
        "N",
        "say what will happen, before you try",
        "Answers the step's question. What is right is computed from the world.",
        Desk::predict,
    ),
    verb("quiz", "[ID] N", "answer a question of theory", "Several numbers are separated by commas: `:quiz 1,3`.", Desk::quiz),
    verb("answer", "WORDS", "give an answer that a lab asks for", "", Desk::answer),
    Verb {
        moves: true,
        ..verb(
            "back",
            "",
            "go back one step",
            "The world becomes that of the step: a fresh one, with the lines of the steps before typed again.",
            Desk::back,
        )
    },
    Verb {
        moves: true,
        ..verb("reset", "", "the step as it began, in a fresh world", "What you typed stays in the history (arrow up).", Desk::reset)
    },
    Verb {
        moves: true,
        argument: Argument::Place,
        ..verb(
            "goto",
            "PLACE",
            "go to a step, a lesson or a lab",
            "PLACE is a step of this lesson, a lesson or lab as `:list` shows it, or both: `by-hand/chroot#enter`.",
            Desk::goto,
        )
    },
    Verb {
        moves: true,
        ..verb("play", "", "a copy of the world to try anything in", "What you do in it does not count. `:done` goes back.", Desk::play)
    },
    Verb { moves: true, ..verb("done", "", "leave the copy that `:play` made", "", Desk::done) },
    Verb {
        moves: true,
        ..verb("skip", "", "go on without having done the step", "It is marked as skipped; you can come back with `:goto`.", Desk::skip)
    },
    verb("reveal", "", "show the solution of the step", "It is marked as revealed.", Desk::reveal),
    verb(
        "list",
        "[PART|all]",
        "the lessons and labs of this part, or of another",
        "`:list labs` and `:list lessons` show only those of this part.",
        Desk::list,
    ),
    verb("map", "", "the steps of this lesson or lab", "", Desk::map),
    verb("note", "WORDS", "write a note for yourself", "Notes are kept with your progress and shown by `:report`.", Desk::note),
    verb(
        "report",
        "[WORDS]",
        "where you stand; with words, a file to send to the authors",
        "With words (what you expected, what happened) it writes a file with the lesson, the step, the machine's abilities and the last events of the journal. Nothing is sent anywhere.",
        Desk::report,
    ),
    Verb {
        argument: Argument::Words(&["leave"]),
        ..verb(
            "class",
            "[leave]",
            "who sees your progress; `leave` ends that",
            "Only who ran `bottleship class join` is seen, and then only where they are, what the last check said, points, hints, steps done, and for how long nothing was typed.",
            Desk::class,
        )
    },
    verb("fidelity", "", "what here is real, and what is not", "", Desk::fidelity),
    Verb {
        argument: Argument::Host,
        ..verb("host", "[NAME]", "go on typing on another host; without a name, the hosts", "For one line only: `@NAME line`.", Desk::host)
    },
    Verb { argument: Argument::Verb, ..verb("help", "[VERB]", "this list; or more about one", "", Desk::help) },
    verb("quit", "", "leave; progress is kept, the world is not", "Ctrl-D at an empty line does the same.", Desk::quit),
];

/// Verbs that belong to parts of the world which are not there yet, and what each of them needs.
const LATER: &[(&str, &str, &str)] = &[
    ("clock", "turns the clock of control loops (cron, back-off, leases, probes)", "control loops"),
    ("pause", "stops a control loop, such as a scheduler", "control loops"),
    ("resume", "lets a control loop that `:pause` has stopped go on", "control loops"),
    ("step", "lets a paused control loop make one decision", "control loops"),
    ("fault", "breaks one thing of a cluster: a node, a network, a disk", "a cluster"),
    ("heal", "takes back what `:fault` has done", "a cluster"),
    ("rosetta", "compares how several engines say the same application", "several engines"),
    ("demo", "plays the cues of a presenter's file", "a player of cues"),
];

/// What a verb that belongs to a later part does, and what it needs for it.
pub fn later(name: &str) -> Option<(&'static str, &'static str)> {
    LATER.iter().find(|(later, ..)| *later == name).map(|(_, does, needs)| (*does, *needs))
}

/// The verb called `name`.
pub fn find(name: &str) -> Option<&'static Verb> {
    VERBS.iter().find(|verb| verb.name == name)
}

/// What people type who know other systems.
const ELSEWHERE: &[(&str, &str)] = &[
    ("exit", "quit"),
    ("q", "quit"),
    ("bye", "quit"),
    ("n", "next"),
    ("solution", "reveal"),
    ("progress", "report"),
    ("restart", "reset"),
    ("show", "map"),
    ("lessons", "list"),
    ("labs", "list"),
];

/// The verb that was most likely meant by `name`.
pub fn nearest(name: &str) -> Option<&'static Verb> {
    if let Some((_, here)) = ELSEWHERE.iter().find(|(elsewhere, _)| *elsewhere == name) {
        return find(here);
    }
    let prefixed: Vec<_> = VERBS.iter().filter(|verb| !name.is_empty() && verb.name.starts_with(name)).collect();
    if let [only] = prefixed[..] {
        return Some(only);
    }
    let scored = VERBS.iter().map(|verb| (similar::TextDiff::from_chars(name, verb.name).ratio(), verb));
    scored.filter(|(score, _)| *score >= 0.6).max_by(|(one, _), (other, _)| one.total_cmp(other)).map(|(_, verb)| verb)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::course::unit::Block;

    #[test]
    fn names_are_found_and_guessed() {
        assert!(find("check").is_some() && find("chek").is_none());
        for (typed, meant) in [("chek", "check"), ("hnit", "hint"), ("goot", "goto"), ("ne", "next"), ("exit", "quit"), ("xyzzy", "")] {
            assert_eq!(nearest(typed).map_or("", |verb| verb.name), meant, "{typed}");
        }
    }

    #[test]
    fn lessons_show_only_verbs_that_there_are() {
        let course = crate::course::Course::embedded();
        let steps = course.units().iter().flat_map(|entry| &entry.example.steps);
        for block in steps.flat_map(|step| &step.blocks) {
            let Block::Run { commands, .. } = block else { continue };
            for command in commands.iter().filter(|command| command.is_verb()) {
                let name = command.text[1..].split_whitespace().next().unwrap_or_default();
                assert!(find(name).is_some(), "{}", command.text);
            }
        }
    }

    #[test]
    fn every_row_is_fit_for_a_narrow_terminal() {
        for verb in VERBS {
            assert!(verb.about.len() <= 60, "{}: {}", verb.name, verb.about.len());
            assert!(!verb.about.ends_with('.') && (verb.more.is_empty() || verb.more.ends_with('.')), "{}", verb.name);
        }
        for (name, ..) in LATER {
            assert!(find(name).is_none(), "`:{name}` is there now");
        }
    }
}
