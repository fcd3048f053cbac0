//! What the course promises to teach, kept as data: the rows of the concept list and the command lines of its first part. A lesson that stops to
//! teach one of them, or types it a little differently, is noticed here.

use std::collections::BTreeSet;

use super::fact::{Fact, KINDS, Kind};
use super::library::Course;
use super::{lint, unit::Unit};

/// The rows of the concept list that "Containers by hand" teaches: what a container is made of, what keeps it apart and what keeps it small ...
const ROWS: std::ops::RangeInclusive<u32> = 1..=31;
/// ... the kernel's side of security: capabilities, seccomp, labels, users and their maps, rootless, the socket ...
const SECURITY: std::ops::RangeInclusive<u32> = 250..=258;
/// ... and mistakes that are often copied, taught as facts.
const CORRECTED: std::ops::RangeInclusive<u32> = 25..=29;

/// Command lines that must be typed as they are, each with the lesson.
const TYPED: [(&str, &str); 33] = [
    ("by-hand/process", "ps aux"),
    ("by-hand/process", "ps aux | grep app.js"),
    ("by-hand/process", "ps uax"),
    ("by-hand/virtual-machines", "wsl -d docker-desktop"),
    ("by-hand/libraries", "ldd /bin/ldd"),
    ("by-hand/weak-jail", "kill -9 71"),
    ("by-hand/better-root", "apt-get update -y"),
    ("by-hand/better-root", "apt-get install debootstrap -y"),
    ("by-hand/better-root", "debootstrap --variant=minbase jammy /better-root"),
    ("by-hand/unshare", "unshare --mount --uts --ipc --net --pid --fork --user --map-root-user chroot /better-root bash"),
    ("by-hand/unshare", "mount -t proc none /proc"),
    ("by-hand/unshare", "mount -t sysfs none /sys"),
    ("by-hand/unshare", "mount -t tmpfs none /tmp"),
    ("by-hand/sharing", SHARING),
    ("by-hand/socket", SOCKET),
    ("by-hand/cgroups", "ls /sys/fs/cgroup/"),
    ("by-hand/cgroups", "mkdir /sys/fs/cgroup/sandbox"),
    ("by-hand/cgroups", "ls /sys/fs/cgroup/sandbox/"),
    ("by-hand/members", "echo 8262 > /sys/fs/cgroup/sandbox/cgroup.proc"),
    ("by-hand/members", "echo 8262 > /sys/fs/cgroup/sandbox/cgroup.procs"),
    ("by-hand/members", "mkdir /sys/fs/cgroup/other-procs"),
    ("by-hand/members", "cat /sys/fs/cgroup/cgroup.procs"),
    ("by-hand/members", "echo 1 > /sys/fs/cgroup/other-procs/cgroup.procs"),
    ("by-hand/members", "echo ... > /sys/fs/cgroup/other-procs/cgroup.procs"),
    ("by-hand/members", "echo \"+cpuset +cpu +io +memory +hugetlb +pids +rdma\" > /sys/fs/cgroup/cgroup.subtree_control"),
    ("by-hand/memory", "yes | tr \\\\n x | head -c 1048576000 | grep n"),
    ("by-hand/memory", "echo 83886080 > /sys/fs/cgroup/sandbox/memory.max"),
    ("by-hand/cpu", "yes > /dev/null"),
    ("by-hand/cpu", "echo '5000 100000' > cpu.max"),
    ("by-hand/pids", ":(){ :|:& };:"),
    ("by-hand/pids", "echo 3 > pids.max"),
    ("by-hand/export", "mkdir container-root"),
    ("by-hand/export", "tar xf dockercontainer.tar -C container-root/"),
];
const SHARING: &str = "docker run --net=host --ipc=host --uts=host --pid=host -it --security-opt=seccomp=unconfined --privileged --rm -v /:/host \
                       alpine chroot /host";
const SOCKET: &str = "docker run --net=host --ipc=host --uts=host --pid=host --privileged --security-opt=seccomp=unconfined -it --rm -v /:/host \
                      alpine chroot /host";

fn course() -> Course {
    Course::open(None).expect("the course in the binary is well formed")
}

fn units(course: &Course) -> impl Iterator<Item = &Unit> {
    course.units().iter().map(|entry| &entry.example)
}

#[test]
fn every_row_is_taught_by_a_lesson() {
    let course = course();
    let taught: BTreeSet<&str> = units(&course).filter(|unit| !unit.lab).flat_map(|unit| &unit.teaches).map(String::as_str).collect();
    let rows = ROWS.chain(SECURITY).map(|row| format!("C-{row:03}")).chain(CORRECTED.map(|row| format!("X-{row:03}")));
    let missing: Vec<String> = rows.filter(|row| !taught.contains(row.as_str())).collect();
    assert!(missing.is_empty(), "rows that no lesson teaches (`teaches:` in its front matter): {missing:?}");
}

#[test]
fn every_command_is_typed_as_it_is() {
    let course = course();
    let typed = |id: &str, line: &str| {
        let unit = units(&course).find(|unit| unit.id == id);
        unit.is_some_and(|unit| unit.steps.iter().flat_map(|step| step.commands()).any(|command| command.text == line))
    };
    let missing: Vec<_> = TYPED.iter().filter(|(id, line)| !typed(id, line)).collect();
    assert!(missing.is_empty(), "lines that their lesson does not type: {missing:#?}");
}

#[test]
fn every_kind_of_fact_is_used() {
    let course = course();
    let used: BTreeSet<&str> =
        units(&course).flat_map(|unit| &unit.steps).flat_map(|step| &step.facts).map(|fact: &Fact| name(&fact.kind)).collect();
    let idle: Vec<&str> = KINDS.into_iter().filter(|kind| !used.contains(kind)).collect();
    assert!(idle.is_empty(), "kinds of fact that no lesson and no lab uses: {idle:?}");
}

#[test]
fn the_course_has_nothing_doubtful() {
    let problems = lint::course(&course());
    assert!(problems.is_empty(), "{problems:#?}");
}

fn name(kind: &Kind) -> &'static str {
    match kind {
        Kind::Exists(_) => "exists",
        Kind::Gone(_) => "gone",
        Kind::Field { .. } => "field",
        Kind::Count(_) => "count",
        Kind::File(_) => "file",
        Kind::Process(_) => "process",
        Kind::Namespace { .. } => "namespace",
        Kind::Cgroup(_) => "cgroup",
        Kind::Mount(_) => "mount",
        Kind::Reach { .. } => "reach",
        Kind::Answer { .. } => "answer",
        Kind::History(_) => "history",
        Kind::Never { .. } => "never",
        Kind::Invariant { .. } => "invariant",
        Kind::Budget { .. } => "budget",
        Kind::Exec { .. } => "exec",
    }
}
