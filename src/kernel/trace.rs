//! An X-ray for any program: ptrace(2) over a running shell and all it starts.
//!
//! Our own kernel calls are recorded where they are made (see [`super::xray`]). The learner's `unshare`, `mount` and `ip` are other people's
//! programs; to show what *they* ask of the kernel, [`follow`] attaches to a process as a debugger does, stops it at the entry and the
//! exit of each system call, and hands on a record of those that matter to containers (the table in [`calls`]).
//!
//! ```text
//!  seize pid ─ wait for a stop ─┬─ syscall entry: decode the arguments while the memory still holds them
//!                               ├─ syscall exit: result and duration, one record, *then* let it run on
//!                               ├─ fork, clone, exec: the child is traced too
//!                               └─ a signal: delivered as if nobody had looked
//! ```
//!
//! Because the tracee runs on only after its record is out, whatever it prints afterwards (a prompt, say) comes later than the record.
//! Leaves out: a process has one tracer, so `strace` and `gdb` fail (EPERM) while this one looks; timing includes the stops.

use std::collections::HashMap;
use std::time::Duration;

use nix::sys::ptrace::{self, Options};
use nix::unistd::Pid;

use super::error::{Errno, Error, Result};
use super::xray::{self, Record};

pub mod calls;
mod decode;

/// The stop that PTRACE_INTERRUPT and group stops of a seized process report (ptrace(2)).
const EVENT_STOP: i32 = 128;
/// Set in the signal number of system call stops by PTRACE_O_TRACESYSGOOD.
const SYSCALL_STOP: i32 = libc::SIGTRAP | 0x80;

/// A system call that has been entered and not yet left.
struct Entered {
    started: u64,
    call: &'static str,
    args: String,
}

/// A follower of processes.
struct Tracer<'a> {
    /// Per traced thread, the call it is in, if the table has it.
    inside: HashMap<i32, Option<Entered>>,
    seq: u64,
    sink: &'a mut dyn FnMut(Record),
}

/// Attaches to `pid` and follows it, its threads and its descendants, until none is left. `ready` is called once, when the kernel calls
/// of `pid` are being seen; `sink` gets each record before the process goes on. When this process ends, the others go on untraced.
///
/// # Errors
/// EPERM when the process has a tracer already or is not ours to trace; ESRCH when it is gone.
pub fn follow(pid: i32, ready: &mut dyn FnMut(), sink: &mut dyn FnMut(Record)) -> Result<()> {
    let options = Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEEXEC;
    let refused = |errno| Error::new("ptrace", format!("PTRACE_SEIZE {pid}"), errno);
    ptrace::seize(Pid::from_raw(pid), options).map_err(refused)?;
    ptrace::interrupt(Pid::from_raw(pid)).map_err(refused)?;
    let mut tracer = Tracer { inside: HashMap::new(), seq: 0, sink };
    let mut told = false;
    loop {
        let Some((thread, status)) = wait_for_stop()? else { return Ok(()) };
        tracer.handle(thread, status);
        if !told && thread == pid {
            told = true;
            ready();
        }
    }
}

/// The next change of any traced thread; `None` when none is left.
fn wait_for_stop() -> Result<Option<(i32, i32)>> {
    let mut status = 0;
    loop {
        // Tracing belongs to a thread: __WNOTHREAD keeps us from taking the children of others in this process.
        // SAFETY: `status` is a valid place for the answer.
        let thread = unsafe { libc::waitpid(-1, &raw mut status, libc::__WALL | libc::__WNOTHREAD) };
        match Errno::result(thread) {
            Ok(thread) => return Ok(Some((thread, status))),
            Err(Errno::EINTR) => {}
            Err(Errno::ECHILD) => return Ok(None),
            Err(errno) => return Err(Error::new("waitpid", "traced process", errno)),
        }
    }
}

impl Tracer<'_> {
    fn handle(&mut self, thread: i32, status: i32) {
        if !libc::WIFSTOPPED(status) {
            self.inside.remove(&thread);
            return;
        }
        let signal = libc::WSTOPSIG(status);
        match status >> 16 {
            0 if signal == SYSCALL_STOP => {
                self.syscall_stop(thread);
                resume(thread, 0);
            }
            // A signal is on its way to the thread: pass it on.
            0 => resume(thread, signal),
            EVENT_STOP if is_stop_signal(signal) => listen(thread),
            _ => resume(thread, 0),
        }
    }

    fn syscall_stop(&mut self, thread: i32) {
        let Ok(info) = ptrace::syscall_info(Pid::from_raw(thread)) else { return };
        match info.op {
            libc::PTRACE_SYSCALL_INFO_ENTRY => {
                // SAFETY: `op` says that the entry part of the union is the one that the kernel filled.
                let entry = unsafe { info.u.entry };
                let entered = calls::find(entry.nr).and_then(|call| {
                    let args = decode::arguments(thread, call, &entry.args)?;
                    Some(Entered { started: xray::now(), call: call.name, args })
                });
                self.inside.insert(thread, entered);
            }
            libc::PTRACE_SYSCALL_INFO_EXIT => {
                // SAFETY: as above, for the exit part.
                let result = unsafe { info.u.exit.sval };
                if let Some(Some(entered)) = self.inside.insert(thread, None) {
                    self.emit(thread, entered, result);
                }
            }
            _ => {}
        }
    }

    fn emit(&mut self, thread: i32, entered: Entered, result: i64) {
        self.seq += 1;
        let took = Duration::from_nanos(xray::now().saturating_sub(entered.started));
        (self.sink)(Record {
            seq: self.seq,
            started: entered.started,
            took,
            pid: thread as u32,
            step: 0,
            call: entered.call.to_owned(),
            args: entered.args,
            result,
        });
    }
}

/// Lets a stopped thread run to its next system call, with `signal` (0: none). It may have been killed meanwhile; that is no error.
fn resume(thread: i32, signal: i32) {
    // SAFETY: PTRACE_SYSCALL takes no memory; the thread is one that waitpid reported as stopped.
    unsafe { libc::ptrace(libc::PTRACE_SYSCALL, thread, std::ptr::null_mut::<libc::c_void>(), signal as libc::c_long) };
}

/// Leaves a thread in its group stop (Ctrl-Z) but hears of its waking (PTRACE_LISTEN).
fn listen(thread: i32) {
    // SAFETY: as for [`resume`].
    unsafe { libc::ptrace(libc::PTRACE_LISTEN, thread, std::ptr::null_mut::<libc::c_void>(), 0 as libc::c_long) };
}

fn is_stop_signal(signal: i32) -> bool {
    matches!(signal, libc::SIGSTOP | libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::{Command, Stdio};

    /// Runs `script` in a shell that waits for a line, attaches, lets it go, and returns the records.
    fn records_of(script: &str) -> (Vec<Record>, std::process::ExitStatus) {
        let mut shell = Command::new("sh")
            .args(["-c", &format!("read go; {script}")])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut input = shell.stdin.take();
        let mut records = Vec::new();
        // Dropping the pipe's end lets `read` return.
        follow(shell.id() as i32, &mut || drop(input.take()), &mut |record| records.push(record)).unwrap();
        // The tracer, being also the parent, has reaped it; the status is then unknown to std.
        let status = shell.wait().unwrap_or_else(|_| std::process::ExitStatus::from_raw(0));
        (records, status)
    }

    #[test]
    fn a_foreign_program_is_seen_with_its_arguments_and_result() {
        let (records, _) = records_of("unshare --user --uts true; chroot /nowhere true");
        let shown: Vec<String> = records.iter().map(|record| format!("{}({}) = {}", record.call, record.args, record.result)).collect();
        assert!(shown.iter().any(|line| line == "unshare(CLONE_NEWUTS|CLONE_NEWUSER) = 0"), "{shown:#?}");
        assert!(shown.iter().any(|line| line == "chroot(\"/nowhere\") = -2"), "{shown:#?}");
        assert!(shown.iter().any(|line| line.starts_with("execve(\"") && line.contains("\"unshare\", \"--user\"")), "{shown:#?}");
    }

    #[test]
    fn signals_reach_a_followed_process() {
        let (records, _) = records_of("trap 'chroot /caught true' USR1; kill -USR1 $$");
        assert!(records.iter().any(|record| record.call == "chroot" && record.args == "\"/caught\""), "{records:#?}");
    }
}
