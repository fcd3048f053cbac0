//! state, list, ps, events, and the X-ray's file.

use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Context, lifecycle};
use crate::kernel::cgroup::OomWatch;
use crate::kernel::{poll, xray};
use crate::oci::runtime::{EXEC, Error, INIT, Result, Status, Step};

/// `state`.
pub fn state(context: &Context) -> Result<ExitCode> {
    let (entry, state) = lifecycle::open(context)?;
    println!("{:#}", state.document(entry.status(&state).word()));
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

/// `ps`: the processes of the container's cgroup, shown by the machine's ps(1) where a table is wanted.
pub fn ps(context: &Context) -> Result<ExitCode> {
    let (_, state) = lifecycle::open(context)?;
    let pids = match state.cgroup() {
        Some(cgroup) => cgroup.all_processes()?,
        None => state.process().map(|_| state.pid).into_iter().collect(),
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
        if ready.contains(&1) && oom.take() > 0 {
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

/// Where `--xray` records go.
pub struct XrayFile(Option<(std::fs::File, &'static [Step])>);

impl XrayFile {
    /// Switches the X-ray on, if it was asked for.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn open(context: &Context) -> Result<XrayFile> {
        let Some(path) = context.global.value("xray") else { return Ok(XrayFile(None)) };
        let file = std::fs::OpenOptions::new().append(true).create(true).open(path);
        let file = file.map_err(|error| Error::new(format!("--xray {path}: {error}")))?;
        xray::enable()?;
        let joins = context.global.operands().first().is_some_and(|command| command == "exec");
        Ok(XrayFile(Some((file, if joins { EXEC } else { INIT }))))
    }

    /// Writes what was recorded.
    pub fn close(self) {
        let Some((file, steps)) = self.0 else { return };
        let mut file = std::io::BufWriter::new(file);
        for record in xray::drain(0).0 {
            // Step 0 is the parent, before and after the clone.
            let step = (record.step as usize).checked_sub(1).and_then(|index| steps.get(index));
            let (name, sees, page) = step.map_or(("", "", ""), |step| (step.name, step.sees, step.page));
            let line = json!({
                "seq": record.seq, "at": record.started, "took_ns": record.took.as_nanos() as u64, "pid": record.pid,
                "step": name, "sees": sees, "page": page,
                "call": record.call, "args": record.args, "result": record.result,
            });
            if writeln!(file, "{line}").is_err() {
                return;
            }
        }
    }
}
