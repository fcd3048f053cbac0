//! What the programs in the foreground of a terminal are doing, seen from outside through proc(5).
//!
//! A typist that is a program (a script, the prover) must know when the program at the terminal waits for a key, and keys that a person typed
//! ahead are handed over only then. There is no event for that; but a thread that waits sits in a system call, and `/proc/PID/task/TID/syscall`
//! says in which one, with which arguments. What those point to is read from the process's memory.

use std::fs::{self, File};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};

use super::pty;

/// More descriptors than this are not looked at: select(2) has no more, and nobody waits for keys with so many in poll(2).
const MOST_WAITED: u64 = 1024;

/// Whether a thread of a process in the foreground of the terminal behind `master` is blocked until it can be read: in read(2), poll(2),
/// select(2) or epoll_wait(2). False as well when we may not look.
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

/// Whether a thread of our own is blocked until descriptor 0 can be read. True where the kernel does not say.
pub fn awaits_stdin(thread: i32) -> bool {
    match Call::of(std::process::id() as i32, thread) {
        Some(call) => call.descriptors().contains(&0),
        None => fs::metadata(format!("/proc/self/task/{thread}/syscall")).is_err(),
    }
}

fn device(master: BorrowedFd<'_>) -> Option<u64> {
    let slave = pty::peer(master).ok()?;
    rustix::fs::fstat(slave.as_fd()).ok().map(|stat| stat.st_rdev)
}

/// The numbers among the names in a folder of proc(5): processes, or threads.
pub(super) fn numbers_in(folder: &str) -> impl Iterator<Item = i32> {
    fs::read_dir(folder).into_iter().flatten().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn processes_of(group: i32) -> Vec<i32> {
    numbers_in("/proc").filter(|pid| group_of(*pid) == Some(group)).collect()
}

/// The fifth field of `/proc/PID/stat`. The second is a name in brackets that may hold anything, so it is counted from the last bracket.
fn group_of(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(2)?.parse().ok()
}

fn reads(pid: i32, device: u64) -> bool {
    // Through the link of the descriptor, so that it does not matter where the terminal's path leads in that mount namespace. A process may
    // also have opened /dev/tty, which leads to the same terminal under a number of its own (5, 0).
    let is_terminal = |fd: &u64| {
        let controlling = rustix::fs::makedev(5, 0);
        fs::metadata(format!("/proc/{pid}/fd/{fd}")).is_ok_and(|file| file.rdev() == device || file.rdev() == controlling)
    };
    numbers_in(&format!("/proc/{pid}/task"))
        .filter_map(|thread| Call::of(pid, thread))
        .any(|call| call.descriptors().iter().any(is_terminal))
}

/// The system call that a thread is blocked in.
struct Call {
    pid: i32,
    number: libc::c_long,
    arguments: Vec<u64>,
}

impl Call {
    fn of(pid: i32, thread: i32) -> Option<Self> {
        let call = fs::read_to_string(format!("/proc/{pid}/task/{thread}/syscall")).ok()?;
        let mut words = call.split_ascii_whitespace();
        let number = words.next()?.parse().ok()?;
        let arguments: Vec<u64> = words.map_while(|word| u64::from_str_radix(word.trim_start_matches("0x"), 16).ok()).collect();
        (arguments.len() >= 6).then_some(Call { pid, number, arguments })
    }

    /// The descriptors that it waits to read from.
    fn descriptors(&self) -> Vec<u64> {
        let (first, second) = (self.arguments[0], self.arguments[1]);
        match self.number {
            libc::SYS_read | libc::SYS_readv => vec![first],
            libc::SYS_ppoll => self.polled(first, second),
            libc::SYS_pselect6 => self.selected(first, second),
            libc::SYS_epoll_pwait | libc::SYS_epoll_pwait2 => self.watched(first),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_poll => self.polled(first, second),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_select => self.selected(first, second),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_epoll_wait => self.watched(first),
            _ => Vec::new(),
        }
    }

    /// `struct pollfd { int fd; short events; short revents; }`
    fn polled(&self, address: u64, count: u64) -> Vec<u64> {
        let bytes = self.memory(address, count.min(MOST_WAITED) * 8);
        let entries = bytes.chunks_exact(8).filter(|entry| i16::from_ne_bytes([entry[4], entry[5]]) & libc::POLLIN != 0);
        entries.filter_map(|entry| u64::try_from(i32::from_ne_bytes([entry[0], entry[1], entry[2], entry[3]])).ok()).collect()
    }

    /// `fd_set`: one bit per descriptor, in words of 64.
    fn selected(&self, count: u64, address: u64) -> Vec<u64> {
        let count = count.min(MOST_WAITED);
        let bytes = self.memory(address, count.div_ceil(64) * 8);
        let words: Vec<u64> = bytes.chunks_exact(8).filter_map(|word| Some(u64::from_ne_bytes(word.try_into().ok()?))).collect();
        (0..count).filter(|fd| words.get((fd / 64) as usize).is_some_and(|word| word >> (fd % 64) & 1 == 1)).collect()
    }

    /// The lines `tfd: 5 events: ...` of an epoll descriptor.
    fn watched(&self, epoll: u64) -> Vec<u64> {
        let info = fs::read_to_string(format!("/proc/{}/fdinfo/{epoll}", self.pid)).unwrap_or_default();
        info.lines().filter_map(|line| line.strip_prefix("tfd:")?.split_ascii_whitespace().next()?.parse().ok()).collect()
    }

    fn memory(&self, address: u64, length: u64) -> Vec<u8> {
        let mut bytes = vec![0; length as usize];
        let read = File::open(format!("/proc/{}/mem", self.pid)).and_then(|memory| memory.read_exact_at(&mut bytes, address));
        if read.is_ok() { bytes } else { Vec::new() }
    }
}
