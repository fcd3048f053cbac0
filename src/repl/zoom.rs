//! `:zoom`: the last line opened layer by layer: the line, what our own programs did for it, the kernel calls, and what /proc shows of it now.
//!
//! ```text
//!  $ docker run ...  ─>  POST /containers/...  ─>  config.json  ─>  kernel calls, step by step  ─>  /proc
//!  the line              the engine's API          OCI spec         the runtime                     what is there now
//! ```
//!
//! The tree is made of journal events and their causes alone; what the calls mean is the data of [`super::explain`].

use nix::errno::Errno;
use serde_json::Value;

use super::desk::Answer;
use super::{explain, spec};
use crate::bottle::Bottle;
use crate::journal::{self, Event, Log, NOTE};
use crate::ui::{Block, Doc, Face, Node, Table, Text, fault, markdown};

/// Groups of kernel calls that are shown of one cause; a shell script may have hundreds.
const MOST: usize = 120;
/// Kernel calls that are shown of one group.
const MOST_IN_GROUP: usize = 20;

/// Opens the line with the number `line`.
pub fn answer(bottle: &Bottle, host: &str, line: u64, traced: bool) -> Answer {
    if line == 0 {
        return Answer::with(fault::words("there is no line to open yet", Some("type one, then `:zoom`")), 1);
    }
    let mut log = Log::default();
    match journal::reader::read(bottle.journal()) {
        Ok(events) => log.extend(events),
        Err(error) => return Answer::with(fault::doc(&error, None), 1),
    }
    Answer::of(doc(&log, line, traced).then(super::layers::doc(bottle, host)))
}

/// The tree of a line, and the table of its calls.
pub fn doc(log: &Log, line: u64, traced: bool) -> Doc {
    let Some(event) = log.get(line) else { return Doc::new().line("The journal does not have that line.") };
    let tree = node(log, event);
    let calls = calls_of(&tree.1);
    let doc = Doc::new().with(Block::Tree(vec![tree.0]));
    if calls.is_empty() {
        let hint = if traced {
            "No kernel call that makes or changes a container was seen."
        } else {
            "No kernel call was recorded. What Bottleship does itself always is; for other programs say `:zoom on` first, then type the line again."
        };
        return doc.paragraph(markdown::inline(hint));
    }
    doc.with(Block::Table(meanings(&calls)))
}

/// An event and all that it led to, and the names of the kernel calls in it.
fn node(log: &Log, event: &Event) -> (Node, Vec<String>) {
    let effects: Vec<&Event> = log.effects(event.seq).filter(|effect| effect.kind != "line.end").collect();
    let mut below: Vec<Node> = event.data.get("spec").map(spec::node).into_iter().collect();
    let mut names = Vec::new();
    let mut at = 0;
    while at < effects.len() {
        if effects[at].kind == "xray" {
            let run = effects[at..].iter().take_while(|event| event.kind == "xray").count();
            names.extend(effects[at..at + run].iter().map(|event| event.subject.clone()));
            below.extend(kernel_calls(&effects[at..at + run]));
            at += run;
        } else {
            let (child, more) = node(log, effects[at]);
            below.push(child);
            names.extend(more);
            at += 1;
        }
    }
    (Node { text: headline(event), below }, names)
}

fn headline(event: &Event) -> Text {
    let what =
        if event.kind == "line" { format!("$ {}", event.subject) } else { format!("{} {}", event.kind, spec::shortened(&event.subject)) };
    Text::of(Face::Strong, event.actor.clone()).and(Face::Plain, format!(" {what}")).and(Face::Dim, format!(" (event {})", event.seq))
}

/// Calls in a row, grouped by the step of a table of steps where they have one, else by process.
fn kernel_calls(events: &[&Event]) -> Vec<Node> {
    let mut groups: Vec<(Text, Vec<&Event>)> = Vec::new();
    for event in events.iter().filter(|event| !looks_along_path(event)) {
        let group = group_of(event);
        match groups.last_mut() {
            Some((name, calls)) if *name == group => calls.push(event),
            _ => groups.push((group, vec![event])),
        }
    }
    let more = groups.len().saturating_sub(MOST);
    let mut nodes: Vec<Node> = groups.into_iter().take(MOST).map(|(text, calls)| Node { text, below: some(&calls) }).collect();
    nodes.extend(left_out(more, "groups of calls"));
    nodes
}

/// The first calls of a group.
fn some(calls: &[&Event]) -> Vec<Node> {
    let mut nodes: Vec<Node> = calls.iter().take(MOST_IN_GROUP).map(|event| Node::leaf(call(event))).collect();
    nodes.extend(left_out(calls.len().saturating_sub(MOST_IN_GROUP), "calls"));
    nodes
}

fn left_out(count: usize, what: &str) -> Option<Node> {
    (count > 0).then(|| Node::leaf(Text::of(Face::Dim, format!("and {count} more {what}; the journal has them all"))))
}

/// A shell, or a runtime, that looks for a program along its PATH: execve, or a look whether it may, fails in one folder after the other, until it is found.
pub(super) fn looks_along_path(event: &Event) -> bool {
    let asks = |args: &Value| args.as_str().is_some_and(|args| args.ends_with(" X_OK"));
    let looks = event.subject.starts_with("execve") || event.subject.starts_with("faccessat") && event.data.get("args").is_some_and(asks);
    looks && event.data.get("result").and_then(Value::as_i64) == Some(-(Errno::ENOENT as i64))
}

fn group_of(event: &Event) -> Text {
    let text = |key: &str| event.data.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let kernel = Text::of(Face::Strong, "kernel");
    let Some(step) = text("step") else {
        return kernel.and(Face::Plain, format!(" process {}", event.data.get("pid").and_then(Value::as_u64).unwrap_or(0)));
    };
    let named = kernel.and(Face::Plain, format!(" step {step}"));
    match (text("sees"), text("page")) {
        (Some(sees), Some(page)) => named.and(Face::Plain, format!(": {sees}")).and(Face::Dim, format!(" {page}")),
        _ => named,
    }
}

/// `mount overlay -> /rootfs = 0`, and what a refusal means.
pub(super) fn call(event: &Event) -> Text {
    if event.subject == NOTE {
        return Text::of(Face::Dim, event.data.get("args").and_then(Value::as_str).unwrap_or("").to_owned());
    }
    let args = event.data.get("args").and_then(Value::as_str).unwrap_or("");
    let result = event.data.get("result").and_then(Value::as_i64).unwrap_or(0);
    let took = event.data.get("took_ns").and_then(Value::as_u64).map_or(String::new(), |took| format!(" ({} us)", took.div_ceil(1000)));
    let text = Text::of(Face::Code, format!("{} {args}", event.subject).trim_end().to_owned());
    let text = if result >= 0 {
        text.and(Face::Plain, format!(" = {result}"))
    } else {
        let errno = Errno::from_raw(i32::try_from(-result).unwrap_or(0));
        let meaning = explain::refused(&event.subject, errno).map_or(errno.desc(), |hint| hint);
        text.and(Face::Bad, format!(" = {errno:?}")).and(Face::Plain, format!(": {meaning}"))
    };
    text.and(Face::Dim, took)
}

/// What is known of the calls, each once, in the order in which they came.
fn calls_of(names: &[String]) -> Vec<&'static explain::Explanation> {
    let mut known: Vec<&explain::Explanation> = Vec::new();
    for explanation in names.iter().filter_map(|name| explain::call(name)) {
        if !known.contains(&explanation) {
            known.push(explanation);
        }
    }
    known
}

fn meanings(calls: &[&explain::Explanation]) -> Table {
    let rows = calls.iter().map(|known| vec![Text::of(Face::Code, known.call), known.sentence.into(), Text::of(Face::Dim, known.page)]);
    Table { heads: ["call", "what it does", "manual"].map(str::to_owned).into(), rows: rows.collect() }
}
