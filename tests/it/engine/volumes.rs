//! Volumes with options: something is mounted there as long as a container uses it.

use std::fs;

use super::containers::{Confined, docker};
use super::{PATIENCE, text};
use crate::support::eventually;

/// The mounts of the engine's own namespace that lie in its volumes.
fn mounted(here: &Confined) -> usize {
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", here.engine.process.id())).expect("its children");
    let table = fs::read_to_string(format!("/proc/{}/mountinfo", children.trim())).expect("the table of mounts");
    table.lines().filter(|line| line.contains("/data/volumes/")).count()
}

#[test]
fn a_tmpfs_volume_is_shared_by_those_that_run_and_ends_with_the_last() {
    if !docker("a_tmpfs_volume_is_shared_by_those_that_run_and_ends_with_the_last") {
        return;
    }
    let here = Confined::start();
    here.said(&["volume", "create", "-o", "type=tmpfs", "-o", "device=tmpfs", "-o", "o=size=1m,noexec", "fast"]);
    assert_eq!(here.said(&["volume", "inspect", "-f", "{{index .Options \"o\"}}", "fast"]), "size=1m,noexec\n");
    here.said(&["run", "-d", "--name", "one", "--network", "none", "-v", "fast:/fast", "base:1", "sleep", "1000"]);
    let table = here.said(&["exec", "one", "grep", " /fast ", "/proc/mounts"]);
    assert!(table.starts_with("tmpfs ") && table.contains("noexec") && table.contains("size=1024k"), "{table}");
    here.said(&["exec", "one", "sh", "-c", "echo word > /fast/file"]);
    let look = ["run", "--rm", "--network", "none", "-v", "fast:/fast", "base:1", "sh", "-c", "cat /fast/*; true"];
    assert_eq!(here.docker(&look).succeeds().stdout, "word\n");
    // The other has gone, and one still uses it.
    assert_eq!((here.said(&["exec", "one", "cat", "/fast/file"]).as_str(), mounted(&here)), ("word\n", 1));
    here.said(&["rm", "-f", "one"]);
    assert_eq!(mounted(&here), 0);
    assert_eq!(here.docker(&look).succeeds().stdout, "");
    here.said(&["volume", "rm", "fast"]);
}

#[test]
fn a_volume_that_is_a_folder_of_the_machine_leaves_it_as_it_was() {
    if !docker("a_volume_that_is_a_folder_of_the_machine_leaves_it_as_it_was") {
        return;
    }
    let here = Confined::kept();
    let canary = here.engine.path("canary");
    fs::create_dir(&canary).expect("a folder");
    fs::write(canary.join("file"), "precious\n").expect("a file");
    let device = format!("device={}", text(&canary));
    here.said(&["volume", "create", "-o", "type=none", "-o", &device, "-o", "o=bind,ro", "canary"]);
    here.said(&["run", "-d", "--name", "one", "--network", "none", "-v", "canary:/place", "base:1", "sleep", "1000"]);
    assert_eq!(here.said(&["exec", "one", "cat", "/place/file"]), "precious\n");
    let refused = here.fails(&["exec", "one", "touch", "/place/new"], 1);
    assert!(refused.contains("Read-only file system"), "{refused}");
    // One that does not run is copied from all the same.
    here.said(&["create", "--name", "two", "--network", "none", "-v", "canary:/place", "base:1", "true"]);
    here.said(&["cp", "two:/place/file", &text(&here.engine.path("copied"))]);
    assert_eq!(fs::read_to_string(here.engine.path("copied")).expect("a copy"), "precious\n");
    assert_eq!(here.said(&["exec", "one", "cat", "/place/file"]), "precious\n");
    // The engine that comes after a killed one knows who uses what, and takes it away with the last.
    let engine = || {
        let keeper = fs::read_to_string(format!("/proc/{0}/task/{0}/children", here.engine.process.id())).ok()?;
        let engines = fs::read_to_string(format!("/proc/{0}/task/{0}/children", keeper.trim())).ok()?;
        let of = |pid: &&str| fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.windows(8).any(|word| word == b"\0engine\0"));
        engines.split_whitespace().find(of).map(str::to_owned)
    };
    let killed = engine().expect("an engine");
    here.engine.sandbox.program("kill").args(["-KILL", &killed]).succeeds();
    eventually("another engine", PATIENCE, || {
        let other = engine().is_some_and(|pid| pid != killed);
        (other && here.docker(&["ps"]).output().code() == 0).then_some(())
    });
    assert_eq!(here.said(&["exec", "one", "cat", "/place/file"]), "precious\n");
    here.said(&["rm", "-f", "one", "two"]);
    assert_eq!(mounted(&here), 0);
    here.said(&["volume", "rm", "canary"]);
    assert_eq!(fs::read_to_string(canary.join("file")).expect("it is there"), "precious\n");
}

#[test]
fn volumes_that_cannot_be_mounted_are_told_in_dockerds_words() {
    if !docker("volumes_that_cannot_be_mounted_are_told_in_dockerds_words") {
        return;
    }
    let here = Confined::start();
    let table: [(&[&str], &str); 4] = [
        (&["x=y"], "create bad: invalid option: \"x\""),
        (&["type=tmpfs"], "create bad: missing required option: \"device\""),
        (&["size=1g"], "create bad: quota size requested but no quota support"),
        (&["type=nfs", "device=:/export", "o=addr=10.0.0.1,rw"], "create bad: volumes of type \"nfs\" are not mounted by this engine"),
    ];
    for (options, said) in table {
        let words: Vec<&str> = options.iter().flat_map(|option| ["-o", option]).collect();
        let refused = here.fails(&[&["volume", "create"], &words[..], &["bad"]].concat(), 1);
        assert!(refused.contains(said), "{refused}");
    }
    // As with dockerd, a device that is not there is missed by the first who needs it.
    here.said(&["volume", "create", "-o", "type=none", "-o", "device=/no/such", "-o", "o=bind", "lost"]);
    let refused = here.fails(&["run", "--rm", "--network", "none", "-v", "lost:/x", "base:1", "true"], 127);
    assert!(
        refused.contains("error while mounting volume '") && refused.contains("failed to mount local volume: mount /no/such:"),
        "{refused}"
    );
    assert!(refused.contains("no such file or directory"), "{refused}");
    assert_eq!(mounted(&here), 0);
    here.said(&["volume", "rm", "lost"]);
}
