//! Waiting for what the kernel says about a cgroup: a line of `cgroup.events`, the end of processes, an out-of-memory kill.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use super::{Cgroup, Error, Result, Version};
use crate::kernel::error::Errno;
use crate::kernel::{self, fs};

/// Waits until `file` (`cgroup.events`) has the line `wanted`; `false` when `patience` ran out first. A cgroup that is gone has every line.
pub(super) fn wait_for_line(file: &Path, wanted: &str, patience: Duration) -> Result<bool> {
    let refused = |error: &std::io::Error| kernel::Error::from_io("read", file.display(), error);
    let open = match File::open(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(true),
        other => other.map_err(|error| refused(&error))?,
    };
    let deadline = Instant::now() + patience;
    loop {
        // Reading arms the notification: a change after this read wakes the poll.
        let mut text = [0; 256];
        let read = match open.read_at(&mut text, 0) {
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => return Ok(true),
            other => other.map_err(|error| refused(&error))?,
        };
        if String::from_utf8_lossy(&text[..read]).lines().any(|line| line == wanted) {
            return Ok(true);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        wait(&mut [PollFd::new(open.as_fd(), PollFlags::POLLPRI)], left)?;
    }
}

/// Waits until all processes behind the descriptors have ended, or `patience` has.
pub(super) fn wait_for_exit(handles: &[OwnedFd], patience: Duration) -> Result<()> {
    let deadline = Instant::now() + patience;
    for handle in handles {
        loop {
            let mut one = [PollFd::new(handle.as_fd(), PollFlags::POLLIN)];
            let left = deadline.saturating_duration_since(Instant::now());
            wait(&mut one, left)?;
            if left.is_zero() || one[0].any() == Some(true) {
                break;
            }
        }
    }
    Ok(())
}

/// poll(2) that takes an interruption for a wake-up.
fn wait(what: &mut [PollFd<'_>], left: Duration) -> kernel::Result<()> {
    // Rounded up: a rest of less than a millisecond must not become a busy loop.
    let timeout = PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
    match poll(what, timeout) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(errno) => Err(kernel::Error::new("poll", "", errno)),
    }
}

/// Watches a cgroup for out-of-memory kills: v1 tells an eventfd(2), v2 changes `memory.events`, which inotify(7) reports. Either way the
/// kernel's own counter `oom_kill` is what is believed, the wake-up is only a wake-up.
#[derive(Debug)]
pub struct OomWatch {
    signal: Signal,
    counter: PathBuf,
    seen: u64,
}

#[derive(Debug)]
enum Signal {
    V1(EventFd),
    V2(Inotify),
}

impl OomWatch {
    /// Starts to watch. Kills from before do not count.
    ///
    /// # Errors
    /// [`Error::NoController`] without `memory`; EPERM where the cgroup is not ours.
    pub fn new(cgroup: &Cgroup) -> Result<OomWatch> {
        let missing = || Error::NoController { controller: "memory".to_owned(), file: "memory.events".to_owned() };
        let tree = cgroup.of_controller("memory").ok_or_else(missing)?;
        let (signal, counter) = match tree.version {
            Version::V1 => (Signal::V1(arm_v1(&tree.directory)?), tree.file("memory.oom_control")),
            Version::V2 => {
                let events = tree.file("memory.events");
                if !events.exists() {
                    return Err(missing());
                }
                (Signal::V2(arm_v2(&events)?), events)
            }
        };
        let seen = count(&counter);
        Ok(OomWatch { signal, counter, seen })
    }

    /// Readable when there may be news: for poll(2).
    pub fn fd(&self) -> BorrowedFd<'_> {
        match &self.signal {
            Signal::V1(event) => event.as_fd(),
            Signal::V2(inotify) => inotify.as_fd(),
        }
    }

    /// How many processes were killed since the last call. Never blocks.
    pub fn take(&mut self) -> u64 {
        // Only to become unreadable again; EAGAIN is fine.
        match &self.signal {
            Signal::V1(event) => drop(event.read()),
            Signal::V2(inotify) => drop(inotify.read_events()),
        }
        let now = count(&self.counter);
        let new = now.saturating_sub(self.seen);
        self.seen = self.seen.max(now);
        new
    }
}

/// `cgroup.event_control` takes "event-descriptor watched-descriptor" and signals the first from then on.
fn arm_v1(directory: &Path) -> Result<EventFd> {
    let event =
        EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK).map_err(|errno| kernel::Error::new("eventfd", "", errno))?;
    let control = directory.join("memory.oom_control");
    let watched = File::open(&control).map_err(|error| kernel::Error::from_io("open", control.display(), &error))?;
    fs::write_once(&directory.join("cgroup.event_control"), &format!("{} {}", event.as_fd().as_raw_fd(), watched.as_raw_fd()))?;
    Ok(event)
}

fn arm_v2(events: &Path) -> Result<Inotify> {
    let refused = |errno| kernel::Error::new("inotify", events.display(), errno);
    let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).map_err(refused)?;
    inotify.add_watch(events, AddWatchFlags::IN_MODIFY).map_err(refused)?;
    Ok(inotify)
}

impl Cgroup {
    /// How many of its processes the kernel has killed for memory since it was made; 0 where nobody counts.
    pub fn oom_kills(&self) -> u64 {
        let Some(tree) = self.of_controller("memory") else { return 0 };
        let file = if tree.version == Version::V1 { "memory.oom_control" } else { "memory.events" };
        count(&tree.file(file))
    }

    /// v2: how often it was about to be out of memory, whether somebody was killed for it or not; 0 on v1, which does not count that.
    pub fn ooms(&self) -> u64 {
        self.of_controller("memory").map_or(0, |tree| counted(&tree.file("memory.events"), "oom "))
    }
}

/// The `oom_kill` line of either version's file.
fn count(file: &Path) -> u64 {
    counted(file, "oom_kill ")
}

/// The number of a line; 0 when the cgroup is gone or the kernel (for `oom_kill` before 4.13) does not count.
fn counted(file: &Path, line: &str) -> u64 {
    let text = fs::read(file).unwrap_or_default();
    text.lines().find_map(|text| text.strip_prefix(line)?.trim().parse().ok()).unwrap_or(0)
}
