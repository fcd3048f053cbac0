//! The lowest layer of `:zoom`: where the processes of the host are now, read anew from /proc: their namespaces, cgroups, roots and mounts.

use serde_json::Value;

use crate::bottle::{Bottle, Probe};
use crate::ui::{Block, Doc, Face, Table, Text, fault};

/// Processes that are shown; a fork bomb may have left hundreds.
const MOST: usize = 15;

/// What /proc of a host shows of the learner's processes.
pub fn doc(bottle: &Bottle, host: &str) -> Doc {
    let looked = bottle.host(host).and_then(|host| {
        let answer = host.probe(&Probe::Processes)?;
        let mounts =
            |pid: i32| host.probe(&Probe::Mounts { process: Some(pid) }).ok().and_then(|answer| Some(answer["mounts"].as_array()?.len()));
        Ok(table(answer["processes"].as_array().map_or(&[], Vec::as_slice), &mounts))
    });
    looked.unwrap_or_else(|error| fault::doc(&error, None))
}

/// The table; `mounts` tells how many a process sees. The first process is the host's own, and the measure of the others.
pub(super) fn table(processes: &[Value], mounts: &dyn Fn(i32) -> Option<usize>) -> Doc {
    let Some((init, others)) = processes.split_first() else { return Doc::new() };
    let (apart, alike): (Vec<&Value>, Vec<&Value>) = others.iter().partition(|process| is_apart(process, init));
    let heads = ["process", "namespaces of its own", "cgroup", "root"].map(str::to_owned).into();
    let rows: Vec<Vec<Text>> = apart.iter().take(MOST).map(|process| row(process, init, mounts)).collect();
    let doc = Doc::new().paragraph(Text::of(Face::Strong, "/proc").and(Face::Plain, " of this host says now:"));
    let doc = if rows.is_empty() { doc } else { doc.with(Block::Table(Table { heads, rows })) };
    let doc = match apart.len().saturating_sub(MOST) {
        0 => doc,
        more => doc.line(format!("{more} more like these")),
    };
    match &alike[..] {
        [] => doc,
        [one] => doc.line(format!("{} has no namespace, cgroup or root of its own.", name(one))),
        [first, ..] => {
            doc.line(format!("{} processes, such as {}, have no namespace, cgroup or root of their own.", alike.len(), name(first)))
        }
    }
}

/// Whether a process has something that the host's first process has not: a namespace, a cgroup, a root.
fn is_apart(process: &Value, init: &Value) -> bool {
    process["ns"] != init["ns"] || process["root"] != init["root"] || process["cgroup"].as_str().is_some_and(|cgroup| cgroup != "/")
}

fn name(process: &Value) -> String {
    format!("{} {}", process["pid"].as_i64().unwrap_or(0), process["comm"].as_str().unwrap_or("?"))
}

fn row(process: &Value, init: &Value, mounts: &dyn Fn(i32) -> Option<usize>) -> Vec<Text> {
    let pid = process["pid"].as_i64().unwrap_or(0);
    let own = process["ns"].as_object().into_iter().flatten().filter(|(kind, id)| init["ns"][kind.as_str()] != **id);
    let own: Vec<String> = own.map(|(kind, id)| describe(kind, id, i32::try_from(pid).ok().and_then(mounts))).collect();
    let spaces = if own.is_empty() { Text::of(Face::Dim, "none") } else { own.join(", ").into() };
    let root = process["root"].as_str().unwrap_or("?");
    vec![Text::of(Face::Strong, name(process)), spaces, process["cgroup"].as_str().unwrap_or("?").into(), root.into()]
}

/// The number is the one that `ls -l /proc/PID/ns` shows.
fn describe(kind: &str, id: &Value, mounts: Option<usize>) -> String {
    match mounts {
        Some(count) if kind == "mnt" => format!("mnt {id} ({count} mounts)"),
        _ => format!("{kind} {id}"),
    }
}
