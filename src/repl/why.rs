//! `:why`: why the last line ended as it did, what the last check missed, or what led to an event.
//!
//! Everything comes from journal events and their causes: how the line ended, the limits that were met meanwhile, the kernel calls that were
//! refused. What a refusal means is the data of `explain`.

use nix::sys::signal::Signal;
use serde_json::Value;

use super::zoom;
use crate::journal::{Event, Log};
use crate::ui::{Block, Doc, Face, Node, Text, markdown};

/// Refused calls that are shown of one line, the latest.
const MOST: usize = 5;

/// The answer to `:why OF`; none when no event fits.
pub fn doc(log: &Log, of: &str, traced: bool) -> Option<Doc> {
    let of = of.trim().trim_start_matches('#');
    if of.is_empty() {
        return latest(log, traced);
    }
    if let Ok(seq) = of.parse::<u64>() {
        return log.get(seq).map(|event| chain(log, event));
    }
    let last = log.after(0).rfind(|event| event.kind == "check");
    if let Some(fact) = last.and_then(|check| facts(check).find(|fact| fact["id"] == of)) {
        return Some(told_fact(Doc::new(), log, fact));
    }
    let fits = |event: &&Event| is_of_the_world(event) && (event.kind.contains(of) || event.subject.contains(of));
    log.after(0).rfind(fits).map(|event| chain(log, event))
}

/// What happened last: a line, or a check that did not pass.
fn latest(log: &Log, traced: bool) -> Option<Doc> {
    let missed = |event: &&Event| event.kind == "check" && event.data["verdict"] != "pass";
    let event = log.after(0).rfind(|event| event.kind == "line" || missed(event))?;
    Some(if event.kind == "line" { line(log, event, traced) } else { check(log, event) })
}

/// Events that tell of the world, not of the course that watches it.
fn is_of_the_world(event: &Event) -> bool {
    !["look", "check", "step", "unit", "hint"].contains(&event.kind.as_str())
}

/// Why a line ended as it did.
fn line(log: &Log, event: &Event, traced: bool) -> Doc {
    let doc = Doc::new().line(told(event));
    let end = log.effects(event.seq).find(|effect| effect.kind == "line.end");
    let Some(status) = end.and_then(|end| end.data["status"].as_i64()) else {
        return doc.line("It has not ended yet.");
    };
    let doc = doc.paragraph(markdown::inline(&ending(status)));
    let below = descendants(log, event);
    let limits: Vec<&&Event> = below.iter().filter(|event| is_limit(event)).collect();
    let doc = limits.iter().fold(doc, |doc, event| doc.line(told(event)));
    let (passed_over, refused): (Vec<&Event>, Vec<&Event>) =
        below.iter().copied().filter(|event| is_refusal(event)).partition(|event| went_on(&below, event));
    if !refused.is_empty() {
        let latest = &refused[refused.len().saturating_sub(MOST)..];
        let nodes = latest.iter().map(|event| Node::leaf(zoom::call(event))).collect();
        return doc.paragraph(Text::plain("The kernel refused:")).with(Block::Tree(nodes));
    }
    let recorded = below.iter().any(|event| event.kind == "xray");
    // A limit, a name that is not there, a key: the kernel's calls would add nothing.
    match (status, recorded || traced) {
        (0 | 127 | 130, _) => doc,
        _ if !limits.is_empty() => doc,
        (_, true) if !passed_over.is_empty() => doc.paragraph(Text::plain(
            "Of the calls that are recorded the kernel refused none that the runtime could not do without: the program itself was not content.",
        )),
        (_, true) => doc.paragraph(Text::plain(
            "The kernel refused none of the calls that are recorded: the program itself was not content.",
        )),
        (_, false) => doc.paragraph(markdown::inline(
            "Its kernel calls were not recorded. Say `:zoom on` and type the line again: `:why` then knows which of them the kernel refused.",
        )),
    }
}

/// What the last check missed, each fact with the events that it rests on.
fn check(log: &Log, event: &Event) -> Doc {
    let missed = facts(event).filter(|fact| fact["verdict"] != "pass" && fact["not_here"].is_null());
    let doc = Doc::new().line(Text::of(Face::Strong, "The last check").and(Face::Plain, format!(" (event {}) did not pass.", event.seq)));
    missed.fold(doc, |doc, fact| told_fact(doc, log, fact))
}

fn facts(check: &Event) -> impl Iterator<Item = &Value> {
    check.data["facts"].as_array().into_iter().flatten()
}

fn told_fact(doc: Doc, log: &Log, fact: &Value) -> Doc {
    let word = |key: &str| fact[key].as_str().unwrap_or_default().to_owned();
    let (id, say, got) = (word("id"), word("say"), word("got"));
    let doc =
        doc.paragraph(Text::of(Face::Strong, id.clone()).and(Face::Plain, if say.is_empty() { String::new() } else { format!(": {say}") }));
    let doc = if got.is_empty() || say.contains(&got) { doc } else { doc.line(format!("What was found: {got}")) };
    let events = fact["events"].as_array().into_iter().flatten().filter_map(|seq| log.get(seq.as_u64()?));
    events.fold(doc, |doc, event| doc.then(chain(log, event)))
}

/// An event, and what led to it, back to the beginning.
fn chain(log: &Log, event: &Event) -> Doc {
    log.causes(event.seq).into_iter().enumerate().fold(Doc::new(), |doc, (index, event)| {
        doc.line(if index == 0 { told(event) } else { Text::plain("because ").joined(told(event)) })
    })
}

/// All that an event led to, in order.
fn descendants<'log>(log: &'log Log, event: &Event) -> Vec<&'log Event> {
    let mut found: Vec<&Event> = Vec::new();
    for candidate in log.after(event.seq) {
        if candidate.cause == event.seq || found.iter().any(|earlier| earlier.seq == candidate.cause) {
            found.push(candidate);
        }
    }
    found
}

fn is_limit(event: &Event) -> bool {
    ["oom", "pids.max"].contains(&event.kind.as_str())
}

fn is_refusal(event: &Event) -> bool {
    event.kind == "xray" && event.data["result"].as_i64().is_some_and(|result| result < 0) && !zoom::looks_along_path(event)
}

/// Whether the process of the runtime that made a call has taken a further step after it: what was refused, such as a file to be masked that this kernel
/// does not have, was none of its troubles. Programs have no steps.
fn went_on(below: &[&Event], refusal: &Event) -> bool {
    let place = |event: &Event| (event.cause, event.data["pid"].as_u64());
    let step = |event: &Event| event.data["step"].as_str().map(str::to_owned);
    let Some(at) = step(refusal) else { return false };
    let further = |later: &&&Event| later.kind == "xray" && later.seq > refusal.seq && place(later) == place(refusal);
    below.iter().filter(further).any(|later| step(later).is_some_and(|later| later != at))
}

/// An event as a sentence.
pub(super) fn told(event: &Event) -> Text {
    let place = event.subject.split_once('/').map_or(event.subject.as_str(), |(_, name)| name);
    let times = match event.data["times"].as_u64().unwrap_or(1) {
        1 => "once".to_owned(),
        times => format!("{times} times"),
    };
    let text = match event.kind.as_str() {
        "line" => Text::of(Face::Strong, event.actor.clone()).and(Face::Plain, " typed ").and(Face::Code, event.subject.clone()),
        "line.end" => Text::plain(format!("the line ended with status {}", event.data["status"].as_i64().unwrap_or(0))),
        "oom" => Text::plain("the cgroup ")
            .and(Face::Code, place)
            .and(Face::Plain, format!(" was at its memory limit, and the kernel's OOM killer killed a process in it {times}")),
        "pids.max" => Text::plain("the cgroup ")
            .and(Face::Code, place)
            .and(Face::Plain, format!(" was at its limit of processes (pids.max), and the kernel refused a new one {times}")),
        "xray" => zoom::call(event),
        _ => Text::of(Face::Strong, event.actor.clone())
            .and(Face::Plain, format!(": {} {}", event.kind, event.subject).trim_end().to_owned()),
    };
    text.and(Face::Dim, format!(" (event {})", event.seq))
}

/// What an exit status says, as bash gives it (bash(1), EXIT STATUS; signal(7)).
fn ending(status: i64) -> String {
    match status {
        0 => "It ended well: its exit status is 0.".to_owned(),
        126 => "Its exit status is 126: the program is there but could not be run. It is a folder, may not be executed by you, or is no program.".to_owned(),
        127 => "Its exit status is 127: there is no program, builtin or function of that name. The shell looked in the folders of `$PATH`; or the program needs a loader or an interpreter that is not there.".to_owned(),
        129..=192 => killed(status - 128),
        _ => format!("Its exit status is {status}: the program itself says that it failed. Its manual page may say what {status} stands for."),
    }
}

/// Signals that end what learners run, and what to think of (signal(7)).
const SIGNALS: &[(Signal, &str)] = &[
    (
        Signal::SIGKILL,
        "no program can refuse that. Somebody sent it (`kill -9`), a memory limit was met and the kernel chose this process, or the first process of its pid namespace ended",
    ),
    (Signal::SIGSYS, "a seccomp filter forbids a system call that it made"),
    (Signal::SIGINT, "Ctrl-C sends it"),
    (Signal::SIGQUIT, "Ctrl-\\ sends it"),
    (Signal::SIGPIPE, "it wrote into a pipe that nobody reads any more"),
    (Signal::SIGSEGV, "it touched memory that is not its own"),
    (Signal::SIGBUS, "it touched memory that is not there"),
    (Signal::SIGTERM, "it was asked to end (`kill`)"),
    (Signal::SIGABRT, "it gave up by itself"),
    (Signal::SIGHUP, "its terminal went away"),
];

pub(super) fn killed(number: i64) -> String {
    let status = number + 128;
    let signal = i32::try_from(number).ok().and_then(|number| Signal::try_from(number).ok());
    if let Some(Signal::SIGTSTP | Signal::SIGSTOP) = signal {
        return format!("It is stopped, not ended (Ctrl-Z; status {status}): `fg` or `bg` lets it go on.");
    }
    let name = signal.map_or_else(|| number.to_string(), |signal| signal.as_str().to_owned());
    let known = SIGNALS.iter().find(|(known, _)| Some(*known) == signal);
    let meaning = known.map_or("signal(7) says what it stands for", |(_, meaning)| meaning);
    format!("Its exit status is {status}, that is 128 + {number}: signal {name} ended it; {meaning}.")
}
