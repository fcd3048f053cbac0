//! `ps`: the processes that `/proc` shows, with procps' options of both kinds (`aux` and `-ef`) and its columns.

use std::fs;
use std::io::Write;

use super::failure::Failure;

mod arguments;
mod columns;
mod process;

use arguments::{Tree, Wanted};
use columns::Shown;
use process::{Machine, Process};

pub use process::{group_name, user_name};

/// Runs `ps`. Exit code 1 when nothing was found.
pub fn run(args: &[String], out: &mut dyn Write) -> Result<u8, Failure> {
    if matches!(args, [only] if only == "--version" || only == "-V") {
        writeln!(out, "ps from bottleship {}", env!("CARGO_PKG_VERSION"))?;
        return Ok(0);
    }
    let machine = Machine::read();
    let wanted = arguments::parse(args)?;
    let me = Process::read("self", &machine).ok_or_else(|| Failure::new(1, "/proc is not mounted, or not for this pid namespace"))?;
    let mut found: Vec<Process> = pids().iter().filter_map(|pid| Process::read(pid, &machine)).collect();
    found.retain(|process| wanted.selects(process, &me));
    sort(&mut found, &wanted, &machine);
    let prefixes = match wanted.tree {
        Tree::None => vec![String::new(); found.len()],
        kind => forest(&mut found, kind),
    };
    print(&found, &prefixes, &wanted, &machine, out)?;
    Ok(u8::from(found.is_empty()))
}

fn pids() -> Vec<String> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut pids: Vec<u32> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    pids.sort_unstable();
    pids.iter().map(u32::to_string).collect()
}

/// Sorts by the keys of --sort, the first key last, since the sort is stable.
fn sort(found: &mut [Process], wanted: &Wanted, machine: &Machine) {
    for (column, descending) in wanted.sort.iter().rev() {
        found.sort_by(|a, b| {
            let (a, b) = ((column.value)(a, machine), (column.value)(b, machine));
            let order = match (a.parse::<f64>(), b.parse::<f64>()) {
                (Ok(a), Ok(b)) => a.total_cmp(&b),
                _ => a.cmp(&b),
            };
            if *descending { order.reverse() } else { order }
        });
    }
}

/// Puts children below their parents; gives what stands in front of each command.
fn forest(found: &mut Vec<Process>, kind: Tree) -> Vec<String> {
    let all: Vec<Process> = std::mem::take(found);
    let is_root = |process: &Process| !all.iter().any(|other| other.pid == process.ppid);
    let mut prefixes = Vec::new();
    // (process, what its children's prefixes begin with, its own prefix); a stack, so the last child is pushed first.
    let mut open: Vec<(usize, String, String)> = Vec::new();
    for (at, process) in all.iter().enumerate().rev() {
        if is_root(process) {
            open.push((at, String::new(), String::new()));
        }
    }
    while let Some((at, below, own)) = open.pop() {
        found.push(all[at].clone());
        prefixes.push(own);
        let children: Vec<usize> = (0..all.len()).filter(|child| all[*child].ppid == all[at].pid && *child != at).collect();
        for (number, child) in children.iter().enumerate().rev() {
            let last = number + 1 == children.len();
            let (branch, trunk) = match kind {
                Tree::Drawn => (" \\_ ", if last { "    " } else { " |  " }),
                _ => ("  ", "  "),
            };
            open.push((*child, format!("{below}{trunk}"), format!("{below}{branch}")));
        }
    }
    prefixes
}

fn print(found: &[Process], prefixes: &[String], wanted: &Wanted, machine: &Machine, out: &mut dyn Write) -> Result<(), Failure> {
    let width = wanted.width();
    let cut = |line: String| match width {
        Some(width) if line.chars().count() > width => line.chars().take(width).collect(),
        _ => line,
    };
    let shown: Vec<(&Shown, usize)> = wanted.columns.iter().map(|shown| (shown, shown.width(machine))).collect();
    if wanted.header && wanted.columns.iter().any(|shown| !shown.header.is_empty()) {
        let cells = shown.iter().map(|(shown, width)| (shown.column.right, *width, shown.header.clone()));
        writeln!(out, "{}", cut(line(cells)))?;
    }
    for (process, prefix) in found.iter().zip(prefixes) {
        let cells = shown.iter().map(|(shown, width)| {
            let value = (shown.column.value)(process, machine);
            let value = if shown.column.is_command { format!("{prefix}{value}") } else { value };
            (shown.column.right, *width, value)
        });
        writeln!(out, "{}", cut(line(cells)))?;
    }
    Ok(())
}

/// Cells next to each other; the last one is not padded.
fn line(cells: impl Iterator<Item = (bool, usize, String)>) -> String {
    let cells: Vec<_> = cells.collect();
    let last = cells.len().saturating_sub(1);
    let texts = cells.into_iter().enumerate().map(|(at, (right, width, text))| match (right, at == last) {
        (true, _) => format!("{text:>width$}"),
        (false, true) => text,
        (false, false) => format!("{text:<width$}"),
    });
    texts.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ps(line: &str) -> String {
        let args: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let mut out = Vec::new();
        run(&args, &mut out).unwrap_or_else(|failure| panic!("ps {line}: {failure:?}"));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_headers_are_the_known_ones() {
        let head = |line: &str| ps(line).lines().next().unwrap().split_whitespace().map(str::to_owned).collect::<Vec<_>>().join(" ");
        assert_eq!(head("aux"), "USER PID %CPU %MEM VSZ RSS TTY STAT START TIME COMMAND");
        assert_eq!(head("uax"), head("-aux"));
        assert_eq!(head("-ef"), "UID PID PPID C STIME TTY TIME CMD");
        assert_eq!(head("ax"), "PID TTY STAT TIME COMMAND");
        assert_eq!(head("-e"), "PID TTY TIME CMD");
        assert_eq!(head("-eo pid,ppid=PARENT"), "PID PARENT");
        assert_eq!(head("-e -o pid,pidns,cgroup,args"), "PID PIDNS CGROUP COMMAND");
    }

    #[test]
    fn finds_itself_and_its_parent() {
        let pid = std::process::id().to_string();
        assert_eq!(ps(&format!("-p {pid} -o pid=")).trim(), pid);
        assert_eq!(ps(&format!("-o pid= {pid}")).trim(), pid);
        let parent = ps(&format!("-o ppid= -p {pid}"));
        assert!(ps(&format!("-o pid= --ppid {}", parent.trim())).split_whitespace().any(|found| found == pid));
        assert!(ps(&format!("-o user,uid,etime,lstart,stat,nlwp -p {pid}")).lines().count() == 2);
    }

    #[test]
    fn the_forest_draws_children_below_parents() {
        let process = |pid: i32, ppid: i32| Process { pid, ppid, ..Process::default() };
        let mut found = vec![process(1, 0), process(2, 1), process(3, 1), process(4, 2)];
        let prefixes = forest(&mut found, Tree::Drawn);
        assert_eq!(found.iter().map(|process| process.pid).collect::<Vec<_>>(), [1, 2, 4, 3]);
        assert_eq!(prefixes, ["", " \\_ ", " |   \\_ ", " \\_ "]);
    }

    #[test]
    fn what_it_does_not_know_it_refuses() {
        for line in ["-o nonsense", "--frobnicate", "-p x", "-eL"] {
            let args: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            assert!(run(&args, &mut Vec::new()).is_err(), "{line}");
        }
    }
}
