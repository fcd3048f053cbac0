//! cgroups as the kernel does them, on whatever layout this machine has.

use std::os::fd::AsFd as _;
use std::time::Duration;

use super::*;
use crate::kernel::process::{self, Exit, Process};
use nix::sched::CloneFlags;

/// A cgroup that removes itself; `None`, with the reason on stderr, where this machine or user may not make one.
struct Scratch(Cgroup);

impl Scratch {
    fn new(name: &str) -> Option<Scratch> {
        Scratch::on(&Layout::detect().unwrap(), name)
    }

    fn on(layout: &Layout, name: &str) -> Option<Scratch> {
        match Cgroup::create(layout, &room(layout).join(format!("bottleship-test-{name}-{}", std::process::id()))) {
            Ok(cgroup) => Some(Scratch(cgroup)),
            Err(error @ Error::NotDelegated { .. }) => {
                eprintln!("not run: {error}");
                None
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Where a cgroup with limits can be made. On a unified machine our own cgroup holds this process, so it may not hand controllers down: the
/// nearest one above that holds none may, or the top, which is free of that rule. Elsewhere: below our own, which is what the empty path says.
fn room(layout: &Layout) -> PathBuf {
    let own = layout.unified().filter(|_| layout.is_unified()).and_then(|tree| Some((tree.mount.clone(), tree.own.clone()?)));
    let Some((mount, own)) = own else { return PathBuf::new() };
    let holds_none = |path: &&Path| fs::read(&mount.join(path).join("cgroup.procs")).is_ok_and(|processes| processes.is_empty());
    let top = Path::new("");
    Path::new("/").join(own.ancestors().find(holds_none).unwrap_or(top))
}

/// What this machine has, and on a hybrid one its v1 trees as if they were all: the ways without `cgroup.kill` are walked, too.
fn layouts() -> Vec<(&'static str, Layout)> {
    let whole = Layout::detect().unwrap();
    let v1 = Layout { hierarchies: whole.hierarchies.iter().filter(|tree| tree.version == Version::V1).cloned().collect() };
    let mut all = vec![("whole", whole.clone())];
    if !v1.hierarchies.is_empty() && v1 != whole {
        all.push(("v1", v1));
    }
    all
}

/// A process that is in the cgroup before it does `work`. The tests have threads, so `work` must not allocate: another thread may have
/// held the allocator's lock at the clone.
fn inside(cgroup: &Cgroup, work: impl FnOnce() -> i32) -> Process {
    let (here, there) = crate::kernel::socket::pair().unwrap();
    let (entrances, directory) = (cgroup.entrances().unwrap(), cgroup.v2_directory().unwrap());
    let child = process::clone3(CloneFlags::empty(), directory.as_ref().map(|directory| directory.as_fd()), || {
        if entrances.iter().any(|entrance| entrance.enter().is_err()) {
            return 254;
        }
        if nix::unistd::write(&there, b"!") == Ok(1) { work() } else { 255 }
    });
    drop(there);
    assert_eq!(nix::unistd::read(&here, &mut [0]), Ok(1), "it did not come into the cgroup");
    child.unwrap()
}

/// A process inside that does nothing until it is killed.
fn sleeper(cgroup: &Cgroup) -> Process {
    inside(cgroup, || {
        loop {
            nix::unistd::pause();
        }
    })
}

impl Drop for Scratch {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.remove().unwrap();
    }
}

#[test]
fn lives_and_dies_with_children_inside() {
    for (name, layout) in layouts() {
        let Some(scratch) = Scratch::on(&layout, &format!("life-{name}")) else { return };
        live_and_die(&layout, &scratch);
    }
}

fn live_and_die(layout: &Layout, scratch: &Scratch) {
    // Leaves only: on a unified machine a cgroup that hands on controllers may have no processes of its own.
    let leaf = |name: &str| Cgroup::create(layout, &scratch.0.path().join(name)).unwrap();
    let (inner, other) = (leaf("a/b"), leaf("c"));
    let (one, two) = (sleeper(&other), sleeper(&inner));
    assert_eq!(other.processes().unwrap(), [one.pid]);
    let mut both = [one.pid, two.pid];
    both.sort_unstable();
    assert_eq!(scratch.0.all_processes().unwrap(), both);
    assert_eq!(Cgroup::of(layout, two.pid).unwrap().directories().collect::<Vec<_>>(), inner.directories().collect::<Vec<_>>());
    scratch.0.kill().unwrap();
    for process in [one, two] {
        assert_eq!(process::wait(process.fd.as_fd()).unwrap(), Exit::Signal(libc::SIGKILL));
    }
    scratch.0.remove().unwrap();
    assert!(scratch.0.directories().all(|directory| !directory.exists()));
    assert!(Cgroup::open(layout, scratch.0.path()).is_err());
}

#[test]
fn limits_are_read_back_in_the_words_of_v2() {
    let Some(scratch) = Scratch::new("limits") else { return };
    let resources = r#"{"memory":{"limit":33554432,"swap":33554432},"pids":{"limit":7},"cpu":{"shares":512,"quota":20000,"period":50000}}"#;
    scratch.0.apply(&serde_json::from_str(resources).unwrap()).unwrap();
    for (knob, want) in [("memory.max", "33554432"), ("pids.max", "7"), ("cpu.max", "20000 50000"), ("cpu.weight", "59")] {
        assert_eq!(scratch.0.read_knob(knob).unwrap(), want, "{knob}");
    }
    // Up and down again, in the order that the kernel demands.
    for limit in [1 << 28, 1 << 24, -1] {
        let update =
            Resources { memory: Some(Memory { limit: Some(limit), swap: Some(limit), ..Memory::default() }), ..Resources::default() };
        scratch.0.apply(&update).unwrap();
    }
    assert_eq!(scratch.0.read_knob("memory.max").unwrap(), "max");
    scratch.0.write_knob("pids.max", "9").unwrap();
    assert_eq!(scratch.0.stats().unwrap()["pids"], serde_json::json!({"current": 0, "limit": 9}));
}

#[test]
fn a_limit_that_nobody_has_is_named() {
    let Some(scratch) = Scratch::new("none") else { return };
    let resources = serde_json::from_str(r#"{"unified":{"nosuch.max":"1"}}"#).unwrap();
    let error = scratch.0.apply(&resources).unwrap_err();
    assert_eq!(error, Error::NoController { controller: "nosuch".to_owned(), file: "nosuch.max".to_owned() });
}

#[test]
fn frozen_is_frozen_until_thawed() {
    for (name, layout) in layouts() {
        let Some(scratch) = Scratch::on(&layout, &format!("freeze-{name}")) else { return };
        let sleeper = sleeper(&scratch.0);
        scratch.0.freeze().unwrap();
        assert!(scratch.0.frozen().unwrap(), "{name}");
        scratch.0.thaw().unwrap();
        assert!(!scratch.0.frozen().unwrap(), "{name}");
        // Also a frozen one can be killed.
        scratch.0.freeze().unwrap();
        scratch.0.kill().unwrap();
        assert_eq!(process::wait(sleeper.fd.as_fd()).unwrap(), Exit::Signal(libc::SIGKILL), "{name}");
    }
}

/// Opens a file in a new process inside the cgroup; what open(2) said is the exit code.
fn open_inside(cgroup: &Cgroup, path: &std::ffi::CStr) -> i32 {
    let child = inside(cgroup, || match rustix::fs::open(path, OFlags::RDONLY, Mode::empty()) {
        Ok(_) => 0,
        Err(errno) => errno.raw_os_error(),
    });
    match process::wait(child.fd.as_fd()).unwrap() {
        Exit::Code(code) => code,
        other => panic!("{other:?}"),
    }
}

#[test]
fn devices_are_refused_by_list_and_by_program() {
    let Some(scratch) = Scratch::new("devices") else { return };
    let rules: Vec<DeviceRule> =
        serde_json::from_str(r#"[{"allow":false,"access":"rwm"},{"allow":true,"type":"c","major":1,"minor":3,"access":"rwm"}]"#).unwrap();
    match scratch.0.set_devices(&rules) {
        Err(Error::Kernel(error)) if error.errno == Errno::EPERM => return eprintln!("not run: {error}"),
        other => other.unwrap(),
    }
    assert_eq!((open_inside(&scratch.0, c"/dev/null"), open_inside(&scratch.0, c"/dev/zero")), (0, libc::EPERM));
    // The same by the v2 program, beside whatever v1 says, and again with other rules in its place.
    scratch.0.set_devices(&[DeviceRule { allow: true, ..DeviceRule::default() }]).unwrap();
    assert_eq!(open_inside(&scratch.0, c"/dev/zero"), 0);
    if scratch.0.attach_devices(&rules).unwrap().is_some() {
        assert_eq!((open_inside(&scratch.0, c"/dev/null"), open_inside(&scratch.0, c"/dev/zero")), (0, libc::EPERM));
        scratch.0.attach_devices(&[DeviceRule { allow: true, ..DeviceRule::default() }]).unwrap();
        assert_eq!(open_inside(&scratch.0, c"/dev/zero"), 0);
    }
}

#[test]
fn an_out_of_memory_kill_is_noticed() {
    let Some(scratch) = Scratch::new("oom") else { return };
    let limit = r#"{"memory":{"limit":8388608,"swap":8388608}}"#;
    scratch.0.apply(&serde_json::from_str(limit).unwrap()).unwrap();
    let mut watch = OomWatch::new(&scratch.0).unwrap();
    assert_eq!(watch.take(), 0);
    let hog = inside(&scratch.0, || {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_POPULATE;
        // SAFETY: a fresh anonymous mapping that nobody else knows of; populating it is the hoarding.
        let hoard = unsafe { libc::mmap(std::ptr::null_mut(), 64 << 20, libc::PROT_WRITE, flags, -1, 0) };
        i32::from(hoard == libc::MAP_FAILED)
    });
    assert_eq!(process::wait(hog.fd.as_fd()).unwrap(), Exit::Signal(libc::SIGKILL));
    let mut ready = [nix::poll::PollFd::new(watch.fd(), nix::poll::PollFlags::POLLIN)];
    assert_eq!(nix::poll::poll(&mut ready, nix::poll::PollTimeout::from(5000u16)).unwrap(), 1, "no event");
    assert_eq!(watch.take(), 1);
    scratch.0.wait_empty(Duration::from_secs(5)).unwrap();
}

#[test]
fn a_parent_that_somebody_takes_away_is_made_again() {
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

    /// How often the parent is taken away from each cgroup: less than the patience of whoever makes it.
    const TAKEN: u32 = 20;
    let layout = Layout::detect().unwrap();
    let Some(Scratch(above)) = &Scratch::new("parent") else { return };
    let path = above.path().join("parent");
    let (over, left) = (AtomicBool::new(false), AtomicU32::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                for directory in above.directories() {
                    // Most of the time there is none, or one with a child.
                    if left.load(Ordering::Relaxed) > 0 && std::fs::remove_dir(directory.join("parent")).is_ok() {
                        left.fetch_sub(1, Ordering::Relaxed);
                    }
                }
            }
        });
        let made: Result<Vec<()>> = (0..200)
            .map(|_| {
                left.store(TAKEN, Ordering::Relaxed);
                let made = Cgroup::create(&layout, &path.join("child"))?;
                assert_eq!(made.directories().filter(|directory| !directory.is_dir()).count(), 0);
                made.remove()
            })
            .collect();
        over.store(true, Ordering::Relaxed);
        made.unwrap();
    });
}
