//! The X-ray: a record of every kernel operation, written where it happens.
//!
//! Every wrapper in [`crate::kernel`] goes through [`call`]. Switched off that costs one atomic load. Switched on, it writes a
//! fixed-size [`Record`] into a ring of shared memory that was mapped *before* any clone, because the child of a
//! container start may neither lock nor allocate. The parent empties the ring with [`take`] and hands the records to the
//! journal. A record is the deed itself: what was not done is not there.

use std::fmt::{self, Write as _};
use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use super::error::{Errno, Error, Result};

/// How many records the ring holds before the oldest are overwritten. A container start makes about 80.
const CAPACITY: usize = 1024;
/// Bytes kept of the arguments of one call.
const ARGS: usize = 200;

/// The name of a record that [`note`] wrote.
pub const NOTE: &str = "note";

/// One kernel operation, as it stands in the shared ring. Fixed size, no pointers: readable from another process.
#[repr(C)]
struct Slot {
    /// 0 while being written, else the sequence number plus one.
    ready: AtomicU64,
    started: u64,
    took: u64,
    pid: u32,
    step: u32,
    result: i64,
    name_len: u16,
    args_len: u16,
    name: [u8; 28],
    args: [u8; ARGS],
}

#[repr(C)]
struct Ring {
    next: AtomicU64,
    /// The first number that nobody has taken yet: see [`take`].
    taken: AtomicU64,
    slots: [Slot; CAPACITY],
}

/// One kernel operation, as the journal gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Position in the order of all records of this ring.
    pub seq: u64,
    /// Nanoseconds of CLOCK_MONOTONIC when the call began.
    pub started: u64,
    /// How long it took.
    pub took: Duration,
    /// The process that made it, as numbered in its own pid namespace.
    pub pid: u32,
    /// Index (from 1) in the caller's table of steps, 0 outside one.
    pub step: u32,
    /// The system call's name: `mount`, `pivot_root`.
    pub call: String,
    /// Its arguments, readable, cut after 200 bytes.
    pub args: String,
    /// What it returned: a non-negative value, or a negative errno.
    pub result: i64,
}

static RING: AtomicPtr<Ring> = AtomicPtr::new(std::ptr::null_mut());
/// The step of a table of steps (see `oci::runtime`) that this process is in; 0 is none. Each clone has its own.
static STEP: AtomicU32 = AtomicU32::new(0);

/// Maps the ring and switches the X-ray on, for this process and for all that it clones from now on.
///
/// # Errors
/// mmap(2) refused the memory.
pub fn enable() -> Result<()> {
    if !RING.load(Ordering::Acquire).is_null() {
        return Ok(());
    }
    RING.store(map(None)?, Ordering::Release);
    Ok(())
}

/// Moves the ring into a new file, where another process can [`take`] what is recorded after this one has ended: a container that waits for
/// its start outlives whoever created it. Does nothing when the X-ray is off. To be called before the clone.
///
/// # Errors
/// The file cannot be made or mapped.
pub fn keep_in(path: &Path) -> Result<()> {
    let Some(ring) = ring() else { return Ok(()) };
    let fail = |error: std::io::Error| Error::from_io("open", path.display(), &error);
    let file = std::fs::OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path).map_err(fail)?;
    file.set_len(size_of::<Ring>() as u64).map_err(fail)?;
    let moved = map(Some(&file))?;
    let next = ring.next.load(Ordering::Relaxed);
    // Only what is in use: the rest of the file stays a hole, and to read the rest of the old ring would cost a page fault for each of its pages.
    let used = next.min(CAPACITY as u64) as usize;
    // SAFETY: both are mapped, as large as a Ring, and different; nobody else writes yet, for nothing was cloned.
    unsafe {
        (*moved).next.store(next, Ordering::Relaxed);
        (*moved).taken.store(ring.taken.load(Ordering::Relaxed), Ordering::Relaxed);
        std::ptr::copy_nonoverlapping(ring.slots.as_ptr(), (&raw mut (*moved).slots).cast::<Slot>(), used);
    }
    RING.store(moved, Ordering::Release);
    Ok(())
}

/// A shared mapping of a ring: of a file, or of nothing but memory.
fn map(file: Option<&File>) -> Result<*mut Ring> {
    let (kind, descriptor) = file.map_or((libc::MAP_ANONYMOUS, -1), |file| (0, file.as_raw_fd()));
    // SAFETY: a fresh mapping; zeroed memory is a valid Ring (atomics and integers), and so is what another process has written there.
    let memory = unsafe {
        libc::mmap(std::ptr::null_mut(), size_of::<Ring>(), libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | kind, descriptor, 0)
    };
    if memory == libc::MAP_FAILED { Err(Error::new("mmap", "X-ray ring", Errno::last())) } else { Ok(memory.cast()) }
}

/// Names the step (from 1) of the caller's table that the following calls belong to; 0 ends it.
pub fn set_step(step: u32) {
    STEP.store(step, Ordering::Relaxed);
}

fn ring() -> Option<&'static Ring> {
    let pointer = RING.load(Ordering::Acquire);
    // SAFETY: once set, the pointer stays mapped for the life of the process, and Ring has only atomics shared between writers;
    // the plain fields of a slot are written by the one process that claimed its sequence number.
    (!pointer.is_null()).then(|| unsafe { &*pointer })
}

/// Performs `work`, a system call named `name` on `object`, and records it. `args` is only formatted when the X-ray is on.
///
/// # Errors
/// The errno of `work`, with the call and the object.
pub fn call<T>(
    name: &'static str,
    object: &dyn fmt::Display,
    args: fmt::Arguments<'_>,
    work: impl FnOnce() -> nix::Result<T>,
) -> Result<T> {
    call_value(name, object, args, |_| 0, work)
}

/// As [`call`], with `value` telling which number of the result the record shows (a descriptor, a process id).
pub fn call_value<T>(
    name: &'static str,
    object: &dyn fmt::Display,
    args: fmt::Arguments<'_>,
    value: impl FnOnce(&T) -> i64,
    work: impl FnOnce() -> nix::Result<T>,
) -> Result<T> {
    let Some(ring) = ring() else {
        return work().map_err(|errno| Error::new(name, object, errno));
    };
    let started = now();
    let result = work();
    let returned = match &result {
        Ok(got) => value(got),
        Err(errno) => -(*errno as i64),
    };
    record(ring, name, args, started, returned);
    result.map_err(|errno| Error::new(name, object, errno))
}

/// As [`call`], for one that does not come back when it succeeds (execve(2)): recorded before it is made, and corrected if it failed.
///
/// # Errors
/// The errno of `work`, with the call and the object.
pub fn last_call<T>(
    name: &'static str,
    object: &dyn fmt::Display,
    args: fmt::Arguments<'_>,
    work: impl FnOnce() -> nix::Result<T>,
) -> Result<T> {
    let Some(ring) = ring() else {
        return work().map_err(|errno| Error::new(name, object, errno));
    };
    let seq = record(ring, name, args, now(), 0);
    work().map_err(|errno| {
        let slot = std::ptr::from_ref(&ring.slots[(seq % CAPACITY as u64) as usize]).cast_mut();
        // SAFETY: the slot is ours, as in `record`.
        unsafe { (*slot).result = -(errno as i64) };
        Error::new(name, object, errno)
    })
}

/// Records that something was left out on purpose, and why: the one record that is no system call.
pub fn note(why: fmt::Arguments<'_>) {
    if let Some(ring) = ring() {
        record(ring, NOTE, why, now(), 0);
    }
}

fn record(ring: &Ring, name: &str, args: fmt::Arguments<'_>, started: u64, result: i64) -> u64 {
    let took = now().saturating_sub(started);
    let seq = ring.next.fetch_add(1, Ordering::Relaxed);
    let slot = std::ptr::from_ref(&ring.slots[(seq % CAPACITY as u64) as usize]).cast_mut();
    // SAFETY: the sequence number was claimed by us alone, so no other writer is in this slot unless the ring went round within
    // one call; a reader checks `ready` before and after it copies.
    unsafe {
        (*slot).ready.store(0, Ordering::Release);
        (*slot).started = started;
        (*slot).took = took;
        (*slot).pid = std::process::id();
        (*slot).step = STEP.load(Ordering::Relaxed);
        (*slot).result = result;
        let mut text = Cut { bytes: &mut (*slot).name, len: 0 };
        // `Cut` drops what does not fit and never fails, here and below.
        let _ = text.write_str(name);
        (*slot).name_len = text.len as u16;
        let mut text = Cut { bytes: &mut (*slot).args, len: 0 };
        let _ = text.write_fmt(args);
        (*slot).args_len = text.len as u16;
        (*slot).ready.store(seq + 1, Ordering::Release);
    }
    seq
}

/// Takes the records that nobody has taken yet. Those that were overwritten before that are missing: the gap in `seq` shows it.
pub fn take() -> Vec<Record> {
    ring().map(take_of).unwrap_or_default()
}

/// The same for a ring that another process keeps in a file ([`keep_in`]).
///
/// # Errors
/// ENOENT without such a file; it is no ring.
pub fn take_from(path: &Path) -> Result<Vec<Record>> {
    let fail = |error: std::io::Error| Error::from_io("open", path.display(), &error);
    let file = std::fs::OpenOptions::new().read(true).write(true).open(path).map_err(fail)?;
    if file.metadata().map_err(fail)?.len() != size_of::<Ring>() as u64 {
        return Err(Error::new("mmap", path.display(), Errno::EINVAL));
    }
    let memory = map(Some(&file))?;
    // SAFETY: the file is as large as a Ring and private to our user.
    let records = take_of(unsafe { &*memory });
    // SAFETY: mapped above, and nothing refers to it any more.
    unsafe { libc::munmap(memory.cast(), size_of::<Ring>()) };
    Ok(records)
}

fn take_of(ring: &Ring) -> Vec<Record> {
    let end = ring.next.load(Ordering::Acquire);
    let begin = ring.taken.swap(end, Ordering::AcqRel).max(end.saturating_sub(CAPACITY as u64));
    (begin..end).filter_map(|seq| read(ring, seq)).collect()
}

fn read(ring: &Ring, seq: u64) -> Option<Record> {
    let slot = &ring.slots[(seq % CAPACITY as u64) as usize];
    if slot.ready.load(Ordering::Acquire) != seq + 1 {
        return None;
    }
    let text = |bytes: &[u8], len: u16| String::from_utf8_lossy(&bytes[..(len as usize).min(bytes.len())]).into_owned();
    let record = Record {
        seq,
        started: slot.started,
        took: Duration::from_nanos(slot.took),
        pid: slot.pid,
        step: slot.step,
        call: text(&slot.name, slot.name_len),
        args: as_in_the_manual(text(&slot.args, slot.args_len)),
        result: slot.result,
    };
    (slot.ready.load(Ordering::Acquire) == seq + 1).then_some(record)
}

/// `MsFlags(MS_REC | MS_SLAVE)`, as our types print themselves, becomes `MS_REC|MS_SLAVE`. Here and not where it is recorded: there nothing is
/// allocated.
fn as_in_the_manual(mut text: String) -> String {
    for name in ["CloneFlags(", "MsFlags(", "MntFlags(", "OpenTreeFlags("] {
        while let Some(at) = text.find(name) {
            let end = text[at..].find(')').map_or(text.len(), |length| at + length);
            let flags = text[at + name.len()..end].replace(" | ", "|");
            text.replace_range(at..(end + 1).min(text.len()), &flags);
        }
    }
    text
}

/// Nanoseconds of CLOCK_MONOTONIC, the clock that all records and journal events share.
pub fn now() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the answer; CLOCK_MONOTONIC always exists.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Writes text into a fixed buffer and drops what does not fit.
struct Cut<'a> {
    bytes: &'a mut [u8],
    len: usize,
}

impl fmt::Write for Cut<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.bytes.len() - self.len;
        let take = text.len().min(room);
        self.bytes[self.len..self.len + take].copy_from_slice(&text.as_bytes()[..take]);
        self.len += take;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_written_as_in_the_manual() {
        for (given, wanted) in [
            ("/ MsFlags(MS_REC | MS_SLAVE)", "/ MS_REC|MS_SLAVE"),
            ("/x OpenTreeFlags(OPEN_TREE_CLONE | AT_RECURSIVE) y", "/x OPEN_TREE_CLONE|AT_RECURSIVE y"),
            ("CloneFlags(0x0)", "0x0"),
            ("CloneFlags(CLONE_NEWNS | CLO", "CLONE_NEWNS|CLO"),
            ("plain (text) | x", "plain (text) | x"),
        ] {
            assert_eq!(as_in_the_manual(given.to_owned()), wanted);
        }
    }

    /// A promise: switched off, the X-ray costs a container's start (about 150 calls, 9 ms) at most 1 %, that is 600 ns a call. Measured as
    /// processor time of this thread, which others on the machine do not change, and in a child, which nobody else switches it on for.
    #[test]
    fn switched_off_it_costs_next_to_nothing() {
        const CALLS: u32 = 100_000;
        let child = crate::kernel::process::clone3(nix::sched::CloneFlags::empty(), None, || {
            RING.store(std::ptr::null_mut(), Ordering::Relaxed);
            let clock = || nix::time::clock_gettime(nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::MAX, Duration::from);
            let began = clock();
            for number in 0..CALLS {
                let done = call("getpid", &"", format_args!("{number} {}", "an argument"), || Ok(number));
                std::hint::black_box(done.is_ok());
            }
            i32::from(clock().saturating_sub(began) > CALLS * Duration::from_nanos(600))
        });
        let child = child.unwrap();
        let ended = crate::kernel::process::wait(std::os::fd::AsFd::as_fd(&child.fd)).unwrap();
        assert_eq!(ended, crate::kernel::process::Exit::Code(0), "more than 600 ns a call");
    }

    #[test]
    fn a_call_is_recorded_with_arguments_and_errno() {
        enable().unwrap();
        take();
        let refused = call("mount", &"/nowhere", format_args!("none -> /nowhere"), || Err::<(), _>(Errno::ENOENT));
        assert_eq!(refused.unwrap_err().to_string(), "mount `/nowhere`: ENOENT (No such file or directory)");
        let records = take();
        let mine = records.iter().find(|record| record.args == "none -> /nowhere").expect("recorded");
        assert_eq!((mine.call.as_str(), mine.result), ("mount", -(Errno::ENOENT as i64)));
    }
}
