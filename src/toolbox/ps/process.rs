//! One process as `/proc/PID` shows it (proc(5)), and the machine's constants that columns are computed from.

use std::fs;

/// Ticks of utime, stime and starttime in a second: USER_HZ, 100 on every Linux that we run on.
const TICKS: u64 = 100;

/// What columns need to know besides the process.
#[derive(Debug, Default)]
pub struct Machine {
    /// When it booted, in seconds since 1970.
    pub booted: i64,
    /// Seconds since then.
    pub uptime: f64,
    /// Its memory in kB.
    pub memory: u64,
    /// Digits of the largest process id.
    pub pid_digits: usize,
}

/// A process.
#[derive(Debug, Clone, Default)]
pub struct Process {
    pub pid: i32,
    pub ppid: i32,
    pub group: i32,
    pub session: i32,
    pub terminal: u64,
    /// The foreground group of its terminal.
    pub foreground: i32,
    pub state: char,
    pub name: String,
    /// The command line; the name in brackets for a kernel thread.
    pub command: String,
    /// User and system time in seconds.
    pub cpu: u64,
    /// Seconds after boot.
    pub started: f64,
    pub threads: u64,
    pub priority: i64,
    pub nice: i64,
    /// The kernel's PF_ flags; bits 6 to 8 are those that ps shows: forked and not executed, used root's rights.
    pub flags: u64,
    /// The processor it ran on last, and its scheduling policy.
    pub processor: u64,
    pub policy: u64,
    /// kB of address space, kB in memory, kB locked.
    pub size: u64,
    pub resident: u64,
    pub locked: u64,
    /// Real, effective user; real, effective group.
    pub users: [u32; 2],
    pub groups: [u32; 2],
}

impl Machine {
    /// Looks at `/proc`.
    pub fn read() -> Machine {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let number =
            |text: &str, key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.split_whitespace().next()?.parse::<u64>().ok());
        let uptime = read("/proc/uptime");
        Machine {
            booted: number(&read("/proc/stat"), "btime").unwrap_or(0) as i64,
            uptime: uptime.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0.0),
            memory: number(&read("/proc/meminfo"), "MemTotal:").unwrap_or(1),
            pid_digits: read("/proc/sys/kernel/pid_max").trim().parse::<u64>().map_or(5, |most| (most - 1).to_string().len()).max(5),
        }
    }
}

impl Process {
    /// Reads `/proc/PID`; `None` when it is gone (it may end between two reads).
    pub fn read(pid: &str, machine: &Machine) -> Option<Process> {
        let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let mut process = Process::from_stat(&String::from_utf8_lossy(&stat))?;
        process.add_status(&status);
        // The time namespace of a container may have its own boot time; a start in the future is now.
        process.started = process.started.min(machine.uptime);
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let words: Vec<_> = command.split(|byte| *byte == 0).filter(|word| !word.is_empty()).map(String::from_utf8_lossy).collect();
        process.command = match (words.is_empty(), process.state) {
            (true, 'Z') => format!("[{}] <defunct>", process.name),
            (true, _) => format!("[{}]", process.name),
            (false, _) => words.join(" ").replace(['\n', '\t'], " "),
        };
        Some(process)
    }

    /// The name stands in brackets and may itself hold brackets and spaces: it ends at the last one.
    fn from_stat(stat: &str) -> Option<Process> {
        let (pid, rest) = stat.split_once(" (")?;
        let (name, rest) = rest.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let number = |at: usize| fields.get(at).and_then(|field| field.parse::<i64>().ok()).unwrap_or(0);
        Some(Process {
            pid: pid.parse().ok()?,
            name: name.to_owned(),
            state: fields.first()?.chars().next()?,
            ppid: number(1) as i32,
            group: number(2) as i32,
            session: number(3) as i32,
            terminal: number(4) as u64,
            foreground: number(5) as i32,
            cpu: (number(11) + number(12)) as u64 / TICKS,
            priority: number(15),
            nice: number(16),
            threads: number(17) as u64,
            started: number(19) as f64 / TICKS as f64,
            flags: number(6) as u64,
            processor: number(36) as u64,
            policy: number(38) as u64,
            ..Process::default()
        })
    }

    fn add_status(&mut self, status: &str) {
        for line in status.lines() {
            let Some((key, value)) = line.split_once(':') else { continue };
            let mut numbers = value.split_whitespace().map_while(|word| word.parse::<u64>().ok());
            let mut next = || numbers.next().unwrap_or(0);
            match key {
                "Uid" => self.users = [next() as u32, next() as u32],
                "Gid" => self.groups = [next() as u32, next() as u32],
                "VmSize" => self.size = next(),
                "VmRSS" => self.resident = next(),
                "VmLck" => self.locked = next(),
                _ => {}
            }
        }
    }

    /// The state with procps' letters behind it: high or low priority, locked memory, session leader, threads, foreground.
    pub fn state_letters(&self) -> String {
        let marks = [
            ('<', self.nice < 0),
            ('N', self.nice > 0),
            ('L', self.locked > 0),
            ('s', self.session == self.pid),
            ('l', self.threads > 1),
            ('+', self.foreground == self.group),
        ];
        std::iter::once(self.state).chain(marks.iter().filter(|(_, holds)| *holds).map(|(letter, _)| *letter)).collect()
    }

    /// The terminal's name: `pts/3`, `tty1`, `ttyS0`; `?` for none. The number's parts are as stat(2) packs them.
    pub fn terminal_name(&self) -> String {
        let (major, minor) = ((self.terminal >> 8) & 0xfff, (self.terminal & 0xff) | ((self.terminal >> 12) & 0xf_ff00));
        match (major, minor) {
            (136..=143, minor) => format!("pts/{}", (major - 136) * 256 + minor),
            (4, 0..=63) => format!("tty{minor}"),
            (4, _) => format!("ttyS{}", minor - 64),
            (5, 1) => "console".to_owned(),
            _ => "?".to_owned(),
        }
    }

    /// A namespace of the process by its number, as in `/proc/PID/ns`; `-` when we may not look.
    pub fn namespace(&self, kind: &str) -> String {
        let link = fs::read_link(format!("/proc/{}/ns/{kind}", self.pid)).ok();
        let number = link.and_then(|link| Some(link.to_str()?.split_once('[')?.1.trim_end_matches(']').to_owned()));
        number.unwrap_or_else(|| "-".to_owned())
    }

    /// Its cgroups, one after the other.
    pub fn cgroups(&self) -> String {
        let text = fs::read_to_string(format!("/proc/{}/cgroup", self.pid)).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        if lines.is_empty() { "-".to_owned() } else { lines.join(",") }
    }
}

/// The name of a user by `/etc/passwd`, shortened as procps does: at most 8 letters, the last a `+` where some are missing.
pub fn user_name(user: u32) -> String {
    let name = name_of("/etc/passwd", user).unwrap_or_else(|| user.to_string());
    if name.chars().count() <= 8 { name } else { name.chars().take(7).chain(['+']).collect() }
}

/// The name of a group by `/etc/group`, shortened likewise.
pub fn group_name(group: u32) -> String {
    let name = name_of("/etc/group", group).unwrap_or_else(|| group.to_string());
    if name.chars().count() <= 8 { name } else { name.chars().take(7).chain(['+']).collect() }
}

/// The number of a user, by name or number.
pub fn user_number(name: &str) -> Option<u32> {
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let named = passwd.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')?.split(':').nth(1)?.parse().ok());
    named.or_else(|| name.parse().ok())
}

/// The first field of the line whose third is `number`: passwd(5) and group(5) agree in that.
fn name_of(file: &str, number: u32) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(number)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_anything() {
        let stat = "7 (a) (b c) S 1 7 7 34817 9 0 0 0 0 0 150 50 0 0 20 0 1 0 12345 0 0";
        let process = Process::from_stat(stat).unwrap();
        assert_eq!((process.name.as_str(), process.ppid, process.cpu, process.started), ("a) (b c", 1, 2, 123.45));
        assert_eq!((process.terminal_name().as_str(), process.state_letters().as_str()), ("pts/1", "Ss"));
        assert!(Process::from_stat("7 (x").is_none() && Process::from_stat("").is_none());
    }

    #[test]
    fn root_is_zero() {
        assert_eq!((user_name(0).as_str(), user_number("root"), user_number("12")), ("root", Some(0), Some(12)));
        assert_eq!(user_number("no such user"), None);
    }
}
