//! The X-ray: a record of every kernel operation, written where it happens.
//!
//! Every wrapper in [`crate::kernel`] goes through [`call`]. Switched off that costs one atomic load. Switched on, it writes a
//! fixed-size [`Record`] into a ring of shared memory that was mapped *before* any clone, because the child of a
//! container start may neither lock nor allocate. The parent drains the ring with [`drain`] and hands the records to the
//! journal. A record is the deed itself: what was not done is not there.

use std::fmt::{self, Write as _};
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
    /// The step of a table of steps (see `oci::runtime`) that the process is in; 0 is none.
    step: AtomicU32,
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

/// Maps the ring and switches the X-ray on, for this process and for all that it clones from now on.
///
/// # Errors
/// mmap(2) refused the memory.
pub fn enable() -> Result<()> {
    if !RING.load(Ordering::Acquire).is_null() {
        return Ok(());
    }
    // SAFETY: a fresh anonymous mapping; zeroed memory is a valid Ring (atomics and integers).
    let memory = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            size_of::<Ring>(),
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    if memory == libc::MAP_FAILED {
        return Err(Error::new("mmap", "X-ray ring", Errno::last()));
    }
    RING.store(memory.cast(), Ordering::Release);
    Ok(())
}

/// Names the step (from 1) of the caller's table that the following calls belong to; 0 ends it.
pub fn set_step(step: u32) {
    if let Some(ring) = ring() {
        ring.step.store(step, Ordering::Relaxed);
    }
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

/// Records that something was left out on purpose, and why: the one record that is no system call.
pub fn note(why: fmt::Arguments<'_>) {
    if let Some(ring) = ring() {
        record(ring, NOTE, why, now(), 0);
    }
}

fn record(ring: &Ring, name: &str, args: fmt::Arguments<'_>, started: u64, result: i64) {
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
        (*slot).step = ring.step.load(Ordering::Relaxed);
        (*slot).result = result;
        let mut text = Cut { bytes: &mut (*slot).name, len: 0 };
        let _ = text.write_str(name);
        (*slot).name_len = text.len as u16;
        let mut text = Cut { bytes: &mut (*slot).args, len: 0 };
        let _ = text.write_fmt(args);
        (*slot).args_len = text.len as u16;
        (*slot).ready.store(seq + 1, Ordering::Release);
    }
}

/// Takes the records from sequence number `from` on; returns them and the number to go on from. Records that were overwritten
/// before they were read are missing: the gap in `seq` shows it.
pub fn drain(from: u64) -> (Vec<Record>, u64) {
    let Some(ring) = ring() else { return (Vec::new(), from) };
    let end = ring.next.load(Ordering::Acquire);
    let begin = from.max(end.saturating_sub(CAPACITY as u64));
    let records = (begin..end).filter_map(|seq| read(ring, seq)).collect();
    (records, end)
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
        args: text(&slot.args, slot.args_len),
        result: slot.result,
    };
    (slot.ready.load(Ordering::Acquire) == seq + 1).then_some(record)
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
    fn a_call_is_recorded_with_arguments_and_errno() {
        enable().unwrap();
        let (_, from) = drain(0);
        let refused = call("mount", &"/nowhere", format_args!("none -> /nowhere"), || Err::<(), _>(Errno::ENOENT));
        assert_eq!(refused.unwrap_err().to_string(), "mount `/nowhere`: ENOENT (No such file or directory)");
        let (records, _) = drain(from);
        let mine = records.iter().find(|record| record.args == "none -> /nowhere").expect("recorded");
        assert_eq!((mine.call.as_str(), mine.result), ("mount", -(Errno::ENOENT as i64)));
    }
}
