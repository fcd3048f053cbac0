//! The columns that `-o` knows: names, header, side, width, value.

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use super::process::{Machine, Process, group_name, user_name};

/// A column.
pub struct Column {
    /// What it is called after `-o`; the first is its own name.
    pub names: &'static [&'static str],
    /// What stands above it.
    pub header: &'static str,
    /// Whether it is pushed to the right.
    pub right: bool,
    /// Its width; 0 for that of a process id.
    width: usize,
    /// Whether a tree is drawn in front of its values.
    pub is_command: bool,
    /// What stands in it.
    pub value: fn(&Process, &Machine) -> String,
}

/// A column as asked for: with its header, which may be another one or empty.
pub struct Shown {
    /// The column.
    pub column: &'static Column,
    /// What stands above it here.
    pub header: String,
    /// The width that was asked for: `user:20`.
    pub room: Option<usize>,
}

impl Shown {
    /// The column called `name` with its own header.
    pub fn named(name: &str) -> Option<Shown> {
        let (name, room) = name.split_once(':').map_or((name, None), |(name, room)| (name, Some(room)));
        let room = room.map(str::parse).transpose().ok()?;
        find(name).map(|column| Shown { column, header: column.header.to_owned(), room })
    }

    /// How wide the column is.
    pub fn width(&self, machine: &Machine) -> usize {
        let width = if self.column.width == 0 { machine.pid_digits } else { self.column.width };
        self.room.unwrap_or(width).max(self.header.chars().count())
    }
}

/// The column called `name`.
pub fn find(name: &str) -> Option<&'static Column> {
    COLUMNS.iter().find(|column| column.names.contains(&name))
}

const fn left(names: &'static [&'static str], header: &'static str, width: usize, value: fn(&Process, &Machine) -> String) -> Column {
    Column { names, header, right: false, width, is_command: false, value }
}

const fn right(names: &'static [&'static str], header: &'static str, width: usize, value: fn(&Process, &Machine) -> String) -> Column {
    Column { names, header, right: true, width, is_command: false, value }
}

const fn command(names: &'static [&'static str], header: &'static str, width: usize, value: fn(&Process, &Machine) -> String) -> Column {
    Column { names, header, right: false, width, is_command: true, value }
}

/// All columns. `uid_name` is the UID of `-f`, which shows a name.
const COLUMNS: &[Column] = &[
    right(&["pid"], "PID", 0, |process, _| process.pid.to_string()),
    right(&["ppid"], "PPID", 0, |process, _| process.ppid.to_string()),
    right(&["pgid", "pgrp"], "PGID", 0, |process, _| process.group.to_string()),
    right(&["sid", "sess", "session"], "SID", 0, |process, _| process.session.to_string()),
    right(&["tpgid"], "TPGID", 0, |process, _| process.foreground.to_string()),
    left(&["user", "uname"], "USER", 8, |process, _| user_name(process.users[1])),
    left(&["euser"], "EUSER", 8, |process, _| user_name(process.users[1])),
    left(&["ruser"], "RUSER", 8, |process, _| user_name(process.users[0])),
    left(&["uid_name"], "UID", 8, |process, _| user_name(process.users[1])),
    right(&["uid"], "UID", 5, |process, _| process.users[1].to_string()),
    right(&["euid"], "EUID", 5, |process, _| process.users[1].to_string()),
    right(&["ruid"], "RUID", 5, |process, _| process.users[0].to_string()),
    left(&["group"], "GROUP", 8, |process, _| group_name(process.groups[1])),
    left(&["egroup"], "EGROUP", 8, |process, _| group_name(process.groups[1])),
    right(&["gid"], "GID", 5, |process, _| process.groups[1].to_string()),
    right(&["egid"], "EGID", 5, |process, _| process.groups[1].to_string()),
    right(&["pcpu", "%cpu"], "%CPU", 4, |process, machine| tenths(share_of_cpu(process, machine))),
    right(&["c", "cp"], "C", 2, |process, machine| (share_of_cpu(process, machine) as u64).min(99).to_string()),
    right(&["pmem", "%mem"], "%MEM", 4, |process, machine| tenths(process.resident as f64 * 100.0 / machine.memory as f64)),
    right(&["vsz", "vsize"], "VSZ", 6, |process, _| process.size.to_string()),
    right(&["rss", "rssize", "rsz"], "RSS", 5, |process, _| process.resident.to_string()),
    right(&["sz"], "SZ", 5, |process, _| (process.size / 4).to_string()),
    right(&["psr"], "PSR", 3, |process, _| process.processor.to_string()),
    // The last two of `-l`, which share their room.
    right(&["addr_sz"], "ADDR SZ", 7, |process, _| format!("- {:>5}", process.size / 4)),
    left(&["tname"], "TTY", 8, |process, _| process.terminal_name()),
    left(&["tty", "tt"], "TT", 8, |process, _| process.terminal_name()),
    left(&["stat"], "STAT", 4, |process, _| process.state_letters()),
    left(&["s", "state"], "S", 1, |process, _| process.state.to_string()),
    right(&["start"], "STARTED", 8, |process, machine| date(started(process, machine), age(process, machine))),
    left(&["bsdstart"], "START", 5, |process, machine| short_date(started(process, machine))),
    left(&["stime", "start_time"], "STIME", 5, |process, machine| short_date(started(process, machine))),
    right(&["lstart"], "STARTED", 24, |process, machine| started(process, machine).strftime("%a %b %e %H:%M:%S %Y").to_string()),
    right(&["time", "cputime"], "TIME", 8, |process, _| long_time(process.cpu)),
    right(&["bsdtime"], "TIME", 6, |process, _| format!("{}:{:02}", process.cpu / 60, process.cpu % 60)),
    right(&["etime"], "ELAPSED", 11, |process, machine| elapsed(age(process, machine))),
    right(&["etimes"], "ELAPSED", 7, |process, machine| age(process, machine).to_string()),
    right(&["nlwp", "thcount"], "NLWP", 4, |process, _| process.threads.to_string()),
    right(&["ni", "nice"], "NI", 3, |process, _| process.nice.to_string()),
    right(&["cls", "policy", "class"], "CLS", 3, |process, _| class(process.policy)),
    right(&["opri", "intpri"], "PRI", 3, |process, _| (process.priority + 60).to_string()),
    right(&["pri"], "PRI", 3, |process, _| (39 - process.priority).to_string()),
    left(&["wchan"], "WCHAN", 6, |process, _| wait_channel(process)),
    right(&["f", "flags"], "F", 1, |process, _| (process.flags >> 6 & 7).to_string()),
    left(&["addr"], "ADDR", 4, |_, _| "-".to_owned()),
    command(&["comm", "ucmd", "ucomm"], "COMMAND", 15, |process, _| name(process)),
    command(&["comm_cmd"], "CMD", 15, |process, _| name(process)),
    command(&["args", "command"], "COMMAND", 27, |process, _| process.command.clone()),
    command(&["cmd"], "CMD", 27, |process, _| process.command.clone()),
    left(&["cgroup"], "CGROUP", 27, |process, _| process.cgroups()),
    right(&["cgroupns"], "CGROUPNS", 10, |process, _| process.namespace("cgroup")),
    right(&["ipcns"], "IPCNS", 10, |process, _| process.namespace("ipc")),
    right(&["mntns"], "MNTNS", 10, |process, _| process.namespace("mnt")),
    right(&["netns"], "NETNS", 10, |process, _| process.namespace("net")),
    right(&["pidns"], "PIDNS", 10, |process, _| process.namespace("pid")),
    right(&["timens"], "TIMENS", 10, |process, _| process.namespace("time")),
    right(&["userns"], "USERNS", 10, |process, _| process.namespace("user")),
    right(&["utsns"], "UTSNS", 10, |process, _| process.namespace("uts")),
];

/// With one digit behind the point, and nothing rounded up: so does procps.
fn tenths(number: f64) -> String {
    format!("{:.1}", (number * 10.0).floor() / 10.0)
}

/// The scheduling policy of sched(7) in two letters.
fn class(policy: u64) -> String {
    ["TS", "FF", "RR", "B", "ISO", "IDL", "DLN"].get(policy as usize).map_or_else(|| policy.to_string(), |name| (*name).to_owned())
}

/// The time of a process that is younger than a day, else the day.
fn date(started: Zoned, age: u64) -> String {
    started.strftime(if age < 86_400 { "%H:%M:%S" } else { "%b %d" }).to_string()
}

fn name(process: &Process) -> String {
    if process.state == 'Z' { format!("{} <defunct>", process.name) } else { process.name.clone() }
}

fn wait_channel(process: &Process) -> String {
    let channel = std::fs::read_to_string(format!("/proc/{}/wchan", process.pid)).unwrap_or_default();
    if channel.is_empty() || channel == "0" { "-".to_owned() } else { channel.chars().take(6).collect() }
}

fn age(process: &Process, machine: &Machine) -> u64 {
    (machine.uptime - process.started).max(0.0) as u64
}

fn share_of_cpu(process: &Process, machine: &Machine) -> f64 {
    let age = machine.uptime - process.started;
    if age > 0.0 { process.cpu as f64 * 100.0 / age } else { 0.0 }
}

fn started(process: &Process, machine: &Machine) -> Zoned {
    let second = machine.booted.saturating_add(process.started as i64);
    Timestamp::from_second(second).unwrap_or_default().to_zoned(TimeZone::system())
}

/// The hour when it was today, the day when it was this year, else the year.
fn short_date(time: Zoned) -> String {
    let now = Zoned::now();
    let format = match () {
        () if time.date() == now.date() => "%H:%M",
        () if time.year() == now.year() => "%b%d",
        () => "%Y",
    };
    time.strftime(format).to_string()
}

/// `[DD-]HH:MM:SS`.
fn long_time(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    let days = if days > 0 { format!("{days}-") } else { String::new() };
    format!("{days}{hours:02}:{minutes:02}:{:02}", seconds % 60)
}

/// `[[DD-]HH:]MM:SS`.
fn elapsed(seconds: u64) -> String {
    let text = long_time(seconds);
    if seconds < 3600 { text[3..].to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_grow_to_the_left() {
        assert_eq!([59, 3600, 90_061].map(long_time), ["00:00:59", "01:00:00", "1-01:01:01"]);
        assert_eq!([59, 3600, 90_061].map(elapsed), ["00:59", "01:00:00", "1-01:01:01"]);
    }

    #[test]
    fn no_name_means_two_columns() {
        let mut names: Vec<_> = COLUMNS.iter().flat_map(|column| column.names).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
