//! state, list, ps, events.

use std::os::fd::AsFd as _;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Context, lifecycle};
use crate::kernel::cgroup::OomWatch;
use crate::kernel::{ns, poll};
use crate::oci::runtime::{Error, Result, Status};

/// `state`.
pub fn state(context: &Context) -> Result<ExitCode> {
    let (entry, state) = lifecycle::open(context)?;
    let mut document = state.document(entry.status(&state).word());
    // runtime.md allows further members; only who waited for the process knows how it ended.
    for (key, value) in entry.exit().as_ref().and_then(Value::as_object).into_iter().flatten() {
        document[key.as_str()] = value.clone();
    }
    println!("{document:#}");
    Ok(ExitCode::SUCCESS)
}

/// `list`.
pub fn list(context: &Context) -> Result<ExitCode> {
    let mut rows = Vec::new();
    for id in context.store.ids()? {
        // Deleted between the listing and the look, or not yet made.
        let Ok(entry) = context.store.open(&id) else { continue };
        let Ok(state) = entry.load() else { continue };
        rows.push(state.document(entry.status(&state).word()));
    }
    let text = |row: &Value, key: &str| row[key].as_str().map_or_else(|| row[key].to_string(), str::to_owned);
    match context.arguments.value("format").unwrap_or("table") {
        _ if context.arguments.has("quiet") => rows.iter().for_each(|row| println!("{}", text(row, "id"))),
        "json" => println!("{}", Value::Array(rows)),
        "table" => {
            println!("{:<20} {:<8} {:<8} {:<32} CREATED", "ID", "PID", "STATUS", "BUNDLE");
            for row in &rows {
                let cell = |key| text(row, key);
                println!("{:<20} {:<8} {:<8} {:<32} {}", cell("id"), cell("pid"), cell("status"), cell("bundle"), cell("created"));
            }
        }
        other => return Err(Error::new(format!("--format `{other}`: it must be table or json"))),
    }
    Ok(ExitCode::SUCCESS)
}

/// `ps`: the processes of the container's cgroup, without one those of its pid namespace, shown by the machine's ps(1) where a table is wanted.
pub fn ps(context: &Context) -> Result<ExitCode> {
    let (_, state) = lifecycle::open(context)?;
    let pids = match state.cgroup() {
        Some(cgroup) => cgroup.all_processes()?,
        None => state.process().map(|_| ns::processes_beside(state.pid)).unwrap_or_default(),
    };
    if context.arguments.value("format") == Some("json") {
        println!("{}", json!(pids));
        return Ok(ExitCode::SUCCESS);
    }
    let options = context.arguments.operands().get(1..).filter(|options| !options.is_empty());
    let options = options.map_or_else(|| vec!["-ef".to_owned()], <[String]>::to_vec);
    let output = std::process::Command::new("ps").args(&options).output().map_err(|error| Error::new(format!("run `ps`: {error}")))?;
    let table = String::from_utf8_lossy(&output.stdout);
    let mut lines = table.lines();
    let Some(head) = lines.next() else { return Err(Error::new(format!("`ps {}` printed nothing", options.join(" ")))) };
    let column = head.split_whitespace().position(|name| name == "PID").ok_or_else(|| Error::new("`ps` printed no PID column"))?;
    println!("{head}");
    let ours =
        |line: &&str| line.split_whitespace().nth(column).and_then(|pid| pid.parse().ok()).is_some_and(|pid: i32| pids.contains(&pid));
    lines.filter(ours).for_each(|line| println!("{line}"));
    Ok(ExitCode::SUCCESS)
}

/// `events`: one JSON object per line, as runc prints them.
pub fn events(context: &Context) -> Result<ExitCode> {
    let (entry, state) = lifecycle::open(context)?;
    let cgroup = state.cgroup().ok_or_else(|| Error::new(format!("container `{}` is not running", state.id)))?;
    let stats = || -> Result<Value> { Ok(json!({"type": "stats", "id": state.id, "data": cgroup.stats()?})) };
    if context.arguments.has("stats") {
        println!("{}", stats()?);
        return Ok(ExitCode::SUCCESS);
    }
    let process = state.process().filter(|_| entry.status(&state) != Status::Stopped);
    let process = process.ok_or_else(|| Error::new(format!("container `{}` is not running", state.id)))?;
    drop(entry);
    let interval = interval(context.arguments.value("interval").unwrap_or("5s"))?;
    let mut oom = OomWatch::new(&cgroup)?;
    loop {
        let ready = poll::readable(&[process.as_fd(), oom.fd()], Some(interval))?;
        // At every wake: v1 signals before it kills and counts, so at the signal itself there may be nothing to see yet.
        if oom.take() > 0 {
            println!("{}", json!({"type": "oom", "id": state.id}));
        }
        if ready.contains(&0) {
            return Ok(ExitCode::SUCCESS);
        }
        if ready.is_empty() {
            println!("{}", stats()?);
        }
    }
}

/// `5`, `5s`, `500ms`, `1m`.
fn interval(text: &str) -> Result<Duration> {
    let wrong = || Error::new(format!("--interval `{text}`: it must be a time like 5s or 500ms"));
    let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().map_err(|_| wrong())?;
    let interval = match &text[digits..] {
        "" | "s" => Duration::from_secs(number),
        "ms" => Duration::from_millis(number),
        "m" => Duration::from_secs(number * 60),
        _ => return Err(wrong()),
    };
    if interval.is_zero() { Err(wrong()) } else { Ok(interval) }
}
