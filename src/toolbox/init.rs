//! `tini`, `dumb-init`, `su-exec`, `gosu`: the small programs that images put before their server.
//!
//! An init as PID 1 starts the real program as its child, hands signals on to it and reaps what is left over. The kernel ignores a signal for PID 1 that has
//! no handler (pid_namespaces(7)): that is why a program that handles none cannot be stopped without one.

use std::io::Write;
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use super::failure::{Failure, reason};
use super::options::{self, Known};
use crate::kernel::{ids, poll, process, pty, reaper, signals};

/// tini's flags and dumb-init's; only those that change what happens here do something.
const KNOWN: &[Known] = &[
    ('g', "group", false),
    ('s', "subreaper", false),
    ('v', "verbose", false),
    ('w', "warn", false),
    ('c', "single-child", false),
    ('p', "parent-death", true),
    ('e', "expected", true),
    ('\0', "version", false),
];

/// Runs `tini`: starts the program, passes signals on, reaps, ends as it ended.
pub fn tini(args: &[String], out: &mut dyn Write) -> Result<u8, Failure> {
    let given = options::parse(args, KNOWN, true)?;
    if given.has("version") {
        writeln!(out, "tini stand-in of Bottleship {}", env!("CARGO_PKG_VERSION"))?;
        return Ok(0);
    }
    let Some((program, rest)) = given.rest.split_first() else {
        return Err(Failure::new(1, "usage: tini [OPTIONS] [--] PROGRAM [ARGUMENTS]"));
    };
    let forwarded = [process::Signal::SIGTERM, process::Signal::SIGINT, process::Signal::SIGHUP, process::Signal::SIGQUIT];
    let others = [process::Signal::SIGUSR1, process::Signal::SIGUSR2, process::Signal::SIGWINCH, process::Signal::SIGCHLD];
    // The child first, so that it does not inherit the block; a signal in between is that of a container that has not begun.
    let child = Command::new(program).args(rest).process_group(0).spawn();
    let child = child.map_err(|error| not_started(program, &error))?;
    let pid = i32::try_from(child.id()).unwrap_or(0);
    let mut waiting = signals::Signals::block(&[forwarded, others].concat())?;
    let handle = process::open(pid)?;
    // Keys like ^C go to the program alone. It may have stopped already because it read the terminal from the background.
    if pty::set_foreground(std::io::stdin().as_fd(), pid).is_ok() {
        process::signal(handle.as_fd(), process::Signal::SIGCONT as i32)?;
    }
    loop {
        while let Some((ended, exit)) = reaper::reap()? {
            if ended == pid {
                return Ok(exit.shell_code() as u8);
            }
        }
        poll::readable(&[waiting.as_fd()], None)?;
        while let Some(signal) = waiting.next()? {
            if signal != process::Signal::SIGCHLD as i32 {
                // It may have ended at this moment: the next turn reaps it.
                let _ = process::signal(handle.as_fd(), signal);
            }
        }
    }
}

/// Runs `su-exec` and `gosu`: becomes the user, then the program.
pub fn su_exec(args: &[String], _out: &mut dyn Write) -> Result<u8, Failure> {
    let [user, program, rest @ ..] = args else {
        return Err(Failure::new(1, "usage: su-exec USER[:GROUP] PROGRAM [ARGUMENTS]"));
    };
    let (uid, gid, home) = self::user(user)?;
    ids::set_groups(&[gid])?;
    ids::become_user(uid, gid)?;
    let error = Command::new(program).args(rest).env("HOME", home).exec();
    Err(not_started(program, &error))
}

/// User, group and home of `user[:group]` by the files of this root.
///
/// # Errors
/// There is no such user or group.
pub fn user(text: &str) -> Result<(u32, u32, String), Failure> {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    look_up(text, &read("/etc/passwd"), &read("/etc/group"))
}

fn not_started(program: &str, error: &std::io::Error) -> Failure {
    let code = if error.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 };
    Failure::new(code, format_args!("exec {program} failed: {}", reason(error)))
}

/// User, group and home of `user[:group]`, each a name or a number.
fn look_up(text: &str, passwd: &str, group: &str) -> Result<(u32, u32, String), Failure> {
    let (user, group_name) = text.split_once(':').map_or((text, None), |(user, group)| (user, Some(group)));
    let line = |table: &str, key: &str, field: usize| -> Option<Vec<String>> {
        let fields = |line: &str| line.split(':').map(str::to_owned).collect::<Vec<String>>();
        table.lines().map(fields).find(|line| line.get(field).is_some_and(|value| value == key))
    };
    let unknown = |what: &str, name: &str| Failure::new(1, format_args!("{name}: there is no such {what}"));
    let entry = line(passwd, user, 0).or_else(|| line(passwd, user, 2));
    let number = |entry: &Option<Vec<String>>, field: usize| entry.as_ref().and_then(|line| line.get(field)?.parse::<u32>().ok());
    let uid = number(&entry, 2).or_else(|| user.parse().ok()).ok_or_else(|| unknown("user", user))?;
    let gid = match group_name.filter(|name| !name.is_empty()) {
        Some(name) => number(&line(group, name, 0), 2).or_else(|| name.parse().ok()).ok_or_else(|| unknown("group", name))?,
        None => number(&entry, 3).unwrap_or(uid),
    };
    let home = entry.and_then(|line| line.get(5).cloned()).unwrap_or_else(|| "/".to_owned());
    Ok((uid, gid, home))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nredis:x:999:1000::/data:/sbin/nologin\n";
    const GROUP: &str = "root:x:0:\nredis:x:1000:\nwww:x:33:\n";

    #[test]
    fn users_are_names_or_numbers() {
        for (text, expected) in [
            ("redis", Some((999, 1000, "/data"))),
            ("999", Some((999, 1000, "/data"))),
            ("redis:www", Some((999, 33, "/data"))),
            ("redis:5", Some((999, 5, "/data"))),
            ("1234", Some((1234, 1234, "/"))),
            ("nobody-here", None),
            ("redis:none", None),
        ] {
            let expected = expected.map(|(user, group, home)| (user, group, home.to_owned()));
            assert_eq!(look_up(text, PASSWD, GROUP).ok(), expected, "{text}");
        }
    }
}
