//! What the programs in the foreground of a terminal are doing, seen from outside through proc(5).
//!
//! A typist that is a program (a script, the prover) must know when the program at the terminal waits for a key. There is no event for
//! that; but a process that waits sits in a system call, and `/proc/PID/syscall` says in which one, on which descriptor.

use std::fs;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt as _;

use super::pty;

/// Whether a process in the foreground of the terminal behind `master` is blocked reading it: in read(2), or waiting for it alone in
/// poll(2) or select(2). False as well when we may not look.
pub fn reads_terminal(master: BorrowedFd<'_>) -> bool {
    let Some(group) = pty::foreground(master) else { return false };
    let Some(device) = device(master) else { return false };
    processes_of(group).into_iter().any(|pid| reads(pid, device))
}

/// Whether the session's leader itself (a shell) is in the foreground, and reads.
pub fn leader_reads_terminal(master: BorrowedFd<'_>) -> bool {
    let (Some(leader), Some(device)) = (pty::session(master), device(master)) else { return false };
    pty::foreground(master) == Some(leader) && reads(leader, device)
}

fn device(master: BorrowedFd<'_>) -> Option<u64> {
    let slave = pty::peer(master).ok()?;
    rustix::fs::fstat(slave.as_fd()).ok().map(|stat| stat.st_rdev)
}

fn processes_of(group: i32) -> Vec<i32> {
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| group_of(*pid) == Some(group)).collect()
}

/// The fifth field of `/proc/PID/stat`. The second is a name in brackets that may hold anything, so it is counted from the last bracket.
fn group_of(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(2)?.parse().ok()
}

fn reads(pid: i32, device: u64) -> bool {
    let Ok(call) = fs::read_to_string(format!("/proc/{pid}/syscall")) else { return false };
    let mut words = call.split_ascii_whitespace();
    let Some(Ok(number)) = words.next().map(str::parse::<libc::c_long>) else { return false };
    let arguments: Vec<u64> = words.map_while(|word| u64::from_str_radix(word.trim_start_matches("0x"), 16).ok()).collect();
    let fd = match (number, &arguments[..]) {
        (libc::SYS_read | libc::SYS_readv, [fd, ..]) => *fd,
        // One descriptor, the lowest: for a program at a terminal that is its standard input.
        (libc::SYS_pselect6, [1, ..]) | (libc::SYS_ppoll, [_, 1, ..]) => 0,
        #[cfg(target_arch = "x86_64")]
        (libc::SYS_select, [1, ..]) | (libc::SYS_poll, [_, 1, ..]) => 0,
        _ => return false,
    };
    // Through the link of the descriptor, so that it does not matter where the terminal's path leads in that mount namespace.
    fs::metadata(format!("/proc/{pid}/fd/{fd}")).is_ok_and(|file| file.rdev() == device)
}
