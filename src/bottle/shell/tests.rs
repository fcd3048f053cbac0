//! The driver against the machine's own bash on a pty, without a bottle.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

/// A bash on a pty of its own; killed at the end.
struct Local {
    shell: Shell,
    child: Child,
    _folder: tempfile::TempDir,
}

impl Local {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let rc = folder.path().join("bashrc");
        std::fs::write(&rc, marks::rc_file("n0nce")).unwrap();
        let (master, slave) = pty::pair(Path::new("/dev/ptmx")).unwrap();
        pty::set_size(master.as_fd(), Size { columns: 80, rows: 24 }).unwrap();
        let stdio = |fd: &OwnedFd| Stdio::from(fd.try_clone().unwrap());
        // Without --wait and already a group leader of nothing: setsid(1) execs in place, so the child is bash itself.
        let child = Command::new("setsid")
            // Whoever runs the tests in the background may have had signals ignored, and bash hands that on.
            .args(["--ctty", "env", "--default-signal=INT,QUIT,TSTP", "bash", "--noediting", "--rcfile"])
            .arg(&rc)
            .arg("-i")
            .env("HOME", folder.path())
            .env_remove("PROMPT_COMMAND")
            .current_dir("/")
            .stdin(stdio(&slave))
            .stdout(stdio(&slave))
            .stderr(stdio(&slave))
            .spawn()
            .unwrap();
        let ended = kernel::process::open(child.id() as i32).unwrap();
        let mut local = Local { shell: Shell::over(master, ended, "n0nce"), child, _folder: folder };
        assert_eq!(local.until_waiting().1, Waits::Ready(Ready { status: 0, ..local.peek() }));
        local
    }

    /// A Ready with what is the same for every prompt here filled in from a look at the world.
    fn peek(&mut self) -> Ready {
        self.run("").1
    }

    /// Output until the shell waits, and for what.
    fn until_waiting(&mut self) -> (String, Waits) {
        let mut output = Vec::new();
        loop {
            match self.shell.next(Some(PATIENCE)).unwrap() {
                Some(Event::Output(bytes)) => output.extend(bytes),
                Some(Event::Started) => {}
                Some(Event::Ready(ready)) => return (text(output), Waits::Ready(ready)),
                Some(Event::More) => return (text(output), Waits::More),
                Some(Event::Gone) => return (text(output), Waits::Gone),
                None => panic!("the shell says nothing for {PATIENCE:?} after {:?}", text(output)),
            }
        }
    }

    fn run(&mut self, line: &str) -> (String, Ready) {
        self.shell.send(line).unwrap();
        match self.until_waiting() {
            (output, Waits::Ready(ready)) => (output, ready),
            other => panic!("`{line}` led to {other:?}"),
        }
    }

    fn until_output(&mut self, wanted: &str) {
        let mut output = String::new();
        while !output.contains(wanted) {
            match self.shell.next(Some(PATIENCE)).unwrap() {
                Some(Event::Output(bytes)) => output.push_str(&text(bytes)),
                Some(Event::Started) => {}
                other => panic!("{other:?} after {output:?}"),
            }
        }
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Debug, PartialEq)]
enum Waits {
    Ready(Ready),
    More,
    Gone,
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn state_lives_on_between_lines() {
    let mut local = Local::start();
    for line in ["a=7; f() { echo f$a; }; alias g=f", "cd /usr", "sleep 100 &"] {
        local.run(line);
    }
    let (output, ready) = local.run("g; (exit 3)");
    assert_eq!((output.as_str(), ready.status, ready.cwd.as_str(), ready.jobs), ("f7\r\n", 3, "/usr", 1));
    assert_eq!(local.run("echo $?").0, "3\r\n");
    local.run("kill %1; wait");
}

#[test]
fn comments_empty_lines_and_syntax_errors_end_too() {
    let mut local = Local::start();
    assert_eq!(local.run("").0, "");
    assert_eq!(local.run("# nothing").0, "");
    let (output, ready) = local.run("echo )");
    assert!(output.contains("syntax error"), "{output}");
    assert_eq!(ready.status, 2);
}

#[test]
fn the_rest_of_a_command_is_asked_for() {
    let mut local = Local::start();
    for line in ["cat <<END", "one"] {
        local.shell.send(line).unwrap();
        assert_eq!(local.until_waiting(), (String::new(), Waits::More));
    }
    assert_eq!(local.run("END").0, "one\r\n");
    local.shell.send("echo 'open").unwrap();
    assert_eq!(local.until_waiting().1, Waits::More);
    local.shell.keys(b"\x03").unwrap();
    let (_, Waits::Ready(ready)) = local.until_waiting() else { panic!("Ctrl-C ends the question") };
    assert_eq!(ready.status, 130);
}

#[test]
fn a_nested_bash_keeps_marking_and_does_not_edit() {
    let mut local = Local::start();
    let (output, ready) = local.run("bash --norc");
    assert_eq!((output.as_str(), ready.depth), ("", 1));
    // Longer than the terminal is wide: an editing bash would draw it in pieces.
    let long = format!("echo {}", "x".repeat(300));
    assert_eq!(local.run(&long).0, format!("{}\r\n", "x".repeat(300)));
    assert_eq!(local.run("history | wc -l").0.trim(), "2", "what the driver typed is not in the history");
    assert_eq!(local.run("bash --norc").1.depth, 2);
    assert_eq!(local.run("exit 4").1.status, 4);
    assert_eq!(local.run("exit").1.depth, 0);
}

#[test]
fn very_long_lines_and_control_characters_arrive_whole() {
    let mut local = Local::start();
    let long = "y".repeat(20_000);
    assert_eq!(local.run(&format!("v={long}; echo ${{#v}}")).0, "20000\r\n");
    assert_eq!(local.run("printf %s '\x03\x04\x1b[1m\x7f\x15' | od -An -tx1").0.trim(), "03 04 1b 5b 31 6d 7f 15");
    local.run("bash --norc");
    assert_eq!(local.run(&format!("v={long}; echo ${{#v}}")).0, "20000\r\n");
}

#[test]
fn marks_survive_what_a_learner_sets() {
    let mut local = Local::start();
    for line in ["PS1='mine> '", "PROMPT_COMMAND=", "PROMPT_COMMAND='true'", "unset PROMPT_COMMAND", "set -u", "set -o posix", "IFS=;"] {
        let (output, ready) = local.run(line);
        assert_eq!((output.as_str(), ready.status), ("", 0), "{line}");
    }
    let mut local = Local::start();
    local.run("set -x");
    assert_eq!(local.run("echo hi").0, "+ echo hi\r\nhi\r\n");
    assert_eq!(local.run("set +x").0, "+ set +x\r\n");
    local.run("stty -echo");
    assert_eq!(local.run("echo quiet").0, "quiet\r\n");
    assert_eq!(local.run("stty echo; exec bash --norc").1.depth, 0);
}

#[test]
fn a_forged_mark_is_only_output() {
    let mut local = Local::start();
    let (output, ready) = local.run(r"printf '\e]7791;wrong;P;9;9;9;#;x;y;z;/\a'; echo after");
    assert!(output.ends_with("after\r\n") && output.contains("wrong"));
    assert_eq!((ready.status, ready.cwd.as_str()), (0, "/"));
}

#[test]
fn set_e_ends_the_shell_and_so_does_exit() {
    let mut local = Local::start();
    local.run("set -e");
    local.shell.send("false").unwrap();
    assert_eq!(local.until_waiting().1, Waits::Gone);
    let mut local = Local::start();
    // A job of it keeps the terminal open.
    local.run("(trap '' HUP; exec sleep 100) & disown");
    local.shell.send("exit 3").unwrap();
    assert_eq!(local.until_waiting().1, Waits::Gone);
    assert_eq!(local.child.wait().unwrap().code(), Some(3));
}

#[test]
fn keys_reach_the_program_in_the_foreground() {
    let mut local = Local::start();
    local.shell.send("read -r line; echo \"got $line\"").unwrap();
    poll::until("bash to read", PATIENCE, || {
        while local.shell.try_next()?.is_some() {}
        Ok(local.shell.reads_keys())
    })
    .unwrap();
    assert!(local.shell.reads_itself());
    local.shell.keys(b"ship\r").unwrap();
    assert!(local.until_waiting().0.ends_with("got ship\r\n"));
    // A key that comes before the program is in the foreground would be the shell's.
    local.shell.send("sh -c 'echo up; exec sleep 1000'").unwrap();
    local.until_output("up");
    local.shell.keys(b"\x03").unwrap();
    let (_, Waits::Ready(ready)) = local.until_waiting() else { panic!("Ctrl-C ends sleep") };
    assert_eq!(ready.status, 130);
    local.shell.send("sh -c 'echo up; exec sleep 1000'").unwrap();
    local.until_output("up");
    local.shell.keys(b"\x1a").unwrap();
    let (_, Waits::Ready(ready)) = local.until_waiting() else { panic!("Ctrl-Z stops sleep") };
    assert_eq!(ready.jobs, 1);
    local.run("kill %1; wait");
}

#[test]
fn what_is_typed_ahead_is_not_lost() {
    let mut local = Local::start();
    local.shell.send("echo begin; read -t 0.3 < /dev/zero; sleep 0.3; echo end").unwrap();
    local.until_output("begin");
    local.shell.keys(b"echo whole\rhalf").unwrap();
    let (output, Waits::Ready(ready)) = local.until_waiting() else { panic!("ready") };
    assert_eq!(output.matches("whole\r\n").count(), 2, "its echo and its answer: {output}");
    assert_eq!(ready.typed, "half");
    assert_eq!(local.run("echo clean").0, "clean\r\n");
}

#[test]
fn a_new_size_is_seen() {
    let mut local = Local::start();
    local.shell.resize(Size { columns: 40, rows: 10 }).unwrap();
    assert_eq!(local.run("stty size").0, "10 40\r\n");
}

/// A shell in a shell whose rc file or environment is another one: marks come, or the terminal is simply its own until it ends.
#[test]
fn an_emptied_environment_gives_a_bare_terminal_until_it_ends() {
    let mut local = Local::start();
    for line in ["env -i bash --norc --noprofile", "(unset PROMPT_COMMAND; exec bash --norc)", "sh"] {
        local.shell.send(line).unwrap();
        poll::until("the inner shell to read", PATIENCE, || {
            while local.shell.try_next()?.is_some() {}
            Ok(local.shell.reads_keys())
        })
        .unwrap();
        local.shell.keys(b"exit 7\r").unwrap();
        let (output, Waits::Ready(ready)) = local.until_waiting() else { panic!("{line} ends") };
        assert!(!output.contains("emacs") && !output.contains("history"), "{line}: {output:?}");
        assert_eq!((ready.status, ready.depth), (7, 0), "{line}");
    }
    assert_eq!(local.run("echo on").0, "on\r\n");
}

#[test]
fn a_nested_shell_forgets_only_our_line() {
    let mut local = Local::start();
    local.run("HISTCONTROL=ignorespace bash --norc");
    local.run("echo one");
    let (output, _) = local.run("history");
    assert!(output.contains("echo one") && !output.contains("emacs"), "{output}");
}

/// bash announces the end of a job, and jobs speak, whenever they like: right behind the mark too.
#[test]
fn what_a_job_says_right_behind_the_mark_is_shown_with_it() {
    let (master, slave) = pty::pair(Path::new("/dev/ptmx")).unwrap();
    let (ended, _open) = std::io::pipe().unwrap();
    let mut shell = Shell::over(master, ended.into(), "n");
    poll::write_all(slave.as_fd(), b"before\x1b]7791;n;P;0;1;0;#;root;bench;braceexpand;/\x07a job speaks").unwrap();
    let mut shown = Vec::new();
    let follow = console::Follow { shell: &mut shell, person: None, side: None, watch: false, again: false, until: None };
    let stop = follow.run(&mut |bytes| shown.extend(bytes)).unwrap();
    assert!(matches!(stop, console::Stop::Ready(_)), "{stop:?}");
    assert_eq!(text(shown), "beforea job speaks");
}

/// The shell has forked when it says that it waits; that the program has begun is another matter.
#[test]
fn a_job_has_begun_when_it_was_waited_for() {
    let mut local = Local::start();
    for round in 0..30 {
        // A program that forks the one that counts, and one that the shell does not count among its jobs.
        local.run("sh -c 'sleep 1000; :' & (sleep 1000 &)");
        local.shell.await_jobs().unwrap();
        let (found, _) =
            local.run("pgrep -c -r D,R,S -x sleep -s 0; pkill -x sleep -s 0; wait 2>/dev/null; while pgrep -r D,R,S -x sleep -s 0 > /dev/null; do :; done");
        assert_eq!(found.lines().next(), Some("2"), "round {round}: {found}");
    }
    // What uses the CPU all the time is a program of its own all the same.
    local.run("yes > /dev/null &");
    local.shell.await_jobs().unwrap();
    assert!(local.run("pgrep -x yes -s 0 > /dev/null && echo runs; kill %1").0.contains("runs"));
}
