//! `bottleship doctor` finds what is planted for it, one kind at a time, and takes it away; what belongs to a living bottle it leaves alone.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::fs::{FlockOperation, XattrFlags, flock, setxattr};

use super::root;
use crate::support::{Call, Output, Sandbox, has_program, skip, wait};

/// The folder of a bottle that does not run.
fn dead_bottle(sandbox: &Sandbox) -> PathBuf {
    let folder = sandbox.state().join("bottles/dead");
    fs::create_dir_all(folder.join("hosts/bench")).unwrap();
    folder
}

/// Doctor finds `kind`, removes it, and then finds nothing. In `before`'s shell, whose namespaces are thrown away.
fn found_and_removed(sandbox: &Sandbox, kind: &str, before: &str, namespaces: &[&str]) -> Output {
    let script = format!("{before}\n$B doctor --left; echo code $?; $B doctor --left --fix; echo code $?; $B doctor --left; echo code $?");
    let script = format!("B={}\n{script}", crate::support::binary().display());
    let output = sandbox.program("unshare").args(namespaces).args(["--", "sh", "-c", &script]).output();
    let codes: Vec<&str> = output.stdout.lines().filter(|line| line.starts_with("code ")).collect();
    assert_eq!(codes, ["code 1", "code 0", "code 0"], "{output}");
    assert!(output.stdout.lines().any(|line| line.starts_with(kind)), "no {kind}: {output}");
    output
}

#[test]
fn a_cgroup_with_a_process_in_it() {
    if !root("doctor_cgroup") {
        return;
    }
    let sandbox = Sandbox::new();
    let dead = dead_bottle(&sandbox);
    let Some(place) = own_cgroup() else { return skip("doctor_cgroup", "no cgroup of this machine can be found from here") };
    let planted = place.join(format!("bottleship-planted.{}", std::process::id()));
    fs::create_dir_all(planted.join("inner")).unwrap();
    setxattr(&planted, "trusted.bottleship", dead.as_os_str().as_encoded_bytes(), XattrFlags::empty()).unwrap();
    let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
    fs::write(planted.join("inner/cgroup.procs"), child.id().to_string()).unwrap();
    let found = sandbox.bottleship(["doctor", "--left"]).exits(1);
    assert!(found.stdout.contains(&planted.display().to_string()) && found.stdout.contains(&child.id().to_string()), "{found}");
    // A state folder that has nothing to do with it does not see it, unless asked.
    let other = Sandbox::new();
    other.bottleship(["doctor", "--left"]).succeeds();
    assert!(other.bottleship(["doctor", "--left", "--all"]).exits(1).stdout.contains(&planted.display().to_string()));
    sandbox.bottleship(["doctor", "--left", "--fix"]).succeeds();
    assert!(wait(&mut child, Duration::from_secs(5)).is_some(), "the process lives");
    assert!(!planted.exists());
}

/// Who is killed while they prove or grade cannot clean up; the next one does.
#[test]
fn folders_of_those_who_were_killed() {
    let sandbox = Sandbox::new();
    let place = sandbox.path().join("place");
    let long_ago = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 30);
    let folder = |name: &str, when| {
        let folder = place.join(name);
        fs::create_dir_all(folder.join("bottles/one/hosts")).expect("make a folder");
        let open = fs::File::open(&folder).expect("open it");
        open.set_modified(when).expect("set its time");
        (folder, open)
    };
    let (left, _) = folder("bottleship-scratch-prove-aB3dE6", long_ago);
    let (held, lock) = folder("bottleship-scratch-demo-aB3dE6", long_ago);
    flock(&lock, FlockOperation::LockShared).expect("lock it");
    let (new, _) = folder("bottleship-scratch-grade-aB3dE6", std::time::SystemTime::now());
    let (anothers, _) = folder("bottleship-tests.aB3dE6", long_ago);
    let told = sandbox.bottleship(["doctor", "--left", "--all"]).env("TMPDIR", &place).exits(1).stdout;
    let named = |folder: &Path| told.contains(&format!("folder   {}\n", folder.display()));
    assert_eq!([&left, &held, &new, &anothers].map(|folder| named(folder)), [true, false, false, false], "{told}");
    // It is not of this state folder.
    sandbox.bottleship(["doctor", "--left"]).env("TMPDIR", &place).succeeds();
    sandbox.bottleship(["grade", "/no/such/file"]).env("TMPDIR", &place).exits(2);
    assert_eq!([&left, &held, &new, &anothers].map(|folder| folder.exists()), [false, true, true, true]);
    assert_eq!(fs::read_dir(&place).expect("a folder").count(), 3, "the grader's own is gone too");
}

/// A directory where the root of this machine makes cgroups: ours on the first v1 hierarchy, or the top of v2.
fn own_cgroup() -> Option<PathBuf> {
    let own = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = own.lines().find_map(|line| line.split_once(":pids:").map(|(_, path)| path.to_owned()));
    let v1 = path.map(|path| Path::new("/sys/fs/cgroup/pids").join(path.trim_start_matches('/')));
    v1.into_iter().chain([PathBuf::from("/sys/fs/cgroup")]).find(|dir| dir.join("cgroup.procs").exists())
}

#[test]
fn a_process_whose_bottle_is_gone() {
    let sandbox = Sandbox::new();
    // `cat keeper`, under another name: it waits for a writer of the pipe, and looks like a keeper.
    let folder = tempfile::tempdir().unwrap();
    nix::unistd::mkfifo(&folder.path().join("keeper"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let mut command = Command::new("cat");
    command.arg0("bottleship").args(["keeper", "vanished"]).current_dir(&folder);
    command.env("BOTTLESHIP_STATE", sandbox.state()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child: Child = command.spawn().unwrap();
    let found = sandbox.bottleship(["doctor", "--left"]).exits(1);
    assert!(found.stdout.contains("process") && found.stdout.contains(&child.id().to_string()), "{found}");
    sandbox.bottleship(["doctor", "--left", "--fix"]).succeeds();
    assert!(wait(&mut child, Duration::from_secs(5)).is_some_and(|status| !status.success()));
}

#[test]
fn a_mount_below_a_dead_bottle() {
    if !root("doctor_mount") {
        return;
    }
    let sandbox = Sandbox::new();
    let target = dead_bottle(&sandbox).join("hosts/bench");
    let planted = format!("mount -t tmpfs tmpfs {0} && mkdir {0}/inner && mount -t tmpfs tmpfs {0}/inner", target.display());
    found_and_removed(&sandbox, "mount", &planted, &["--mount"]);
}

#[test]
fn a_link_a_table_and_a_setting() {
    for tool in ["ip", "nft"] {
        if !has_program(tool) {
            return skip("doctor_network", &format!("`{tool}` is not installed"));
        }
    }
    if !root("doctor_network") {
        return;
    }
    let sandbox = Sandbox::new();
    let dead = dead_bottle(&sandbox).display().to_string();
    let link = format!("ip link add planted type veth peer name other && ip link set planted alias 'bottleship {dead}'");
    found_and_removed(&sandbox, "link", &link, &["--net"]);
    let table = format!("nft 'add table ip planted {{ comment \"bottleship {dead}\"; }}'");
    found_and_removed(&sandbox, "table", &table, &["--net"]);
    let setting = "mount -t tmpfs tmpfs /run && mkdir /run/bottleship && echo 1 > /proc/sys/net/ipv4/ip_forward && \
                   touch /run/bottleship/forwarding-was-off.$(readlink /proc/self/ns/net | tr -dc 0-9)";
    found_and_removed(
        &sandbox,
        "setting",
        &format!("{setting}; trap 'echo now $(cat /proc/sys/net/ipv4/ip_forward)' EXIT"),
        &["--net", "--mount"],
    );
    // What is somebody else's stays.
    let others = "ip link add theirs type veth peer name other2; nft add table ip theirs; $B doctor --left --fix --all; ip link show theirs && nft list table ip theirs";
    let script = format!("B={}; {others}", crate::support::binary().display());
    sandbox.program("unshare").args(["--net", "--", "sh", "-c", &script]).succeeds();
}

#[test]
fn abilities_are_told_with_reasons_and_nothing_of_the_trial_stays() {
    let sandbox = Sandbox::new();
    let told = sandbox.bottleship(["doctor"]).succeeds();
    for ability in ["overlay", "memory", "cgroup1", "cgroup2", "internet", "ids"] {
        let row = told.stdout.lines().find(|line| line.split_whitespace().next() == Some(ability));
        let row = row.unwrap_or_else(|| panic!("no row for {ability}: {told}"));
        let words: Vec<&str> = row.split_whitespace().collect();
        assert!(words[1] == "yes" || words[1] == "no" && row.contains(": "), "no reason: {row}");
    }
    assert_eq!(fs::read_dir(sandbox.state().join("bottles")).unwrap().count(), 0);
}

#[test]
fn where_no_bottle_can_run_doctor_says_so() {
    if !has_program("unshare") {
        return skip("doctor_no_bottle", "unshare(1) is not installed");
    }
    let sandbox = Sandbox::new();
    // A user namespace in which no more may be made.
    let script = format!("echo 0 > /proc/sys/user/max_user_namespaces; exec {} doctor", crate::support::binary().display());
    let call = Call::new("unshare").args(["--user", "--map-root-user", "--", "sh", "-c", &script]);
    let output = call.env("BOTTLESHIP_STATE", sandbox.state()).exits(2);
    assert!(output.stderr.contains("error: run a bottle on this machine") && output.stderr.contains("hint:"), "{output}");
}
