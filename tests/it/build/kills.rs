//! A build that is killed leaves a store that is whole, no process, no mount, and no cgroup once the next one has begun.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::Duration;

use super::World;
use crate::support::{Rights, rights};

#[test]
fn kill_in_the_middle_many_times() {
    let world = World::new();
    world.file("big", &"content ".repeat(100_000));
    let dockerfile = "FROM base AS one\nCOPY big /a\nRUN cat /a > /b && sleep 0.02\nFROM base AS two\nRUN sleep 0.03 && cat /bin/busybox > /copy\n\
        FROM base\nCOPY --from=one /b /b\nCOPY --from=two /copy /copy\nRUN sleep 0.01\n";
    world.file("Dockerfile", dockerfile);
    for round in 0..30_u64 {
        // Later each time: somewhere in the work.
        let mut child = world.call(&["-t", "app", "--no-cache"]).command().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(round * 12));
        child.kill().unwrap();
        child.wait().unwrap();
        let told = world.sandbox.bottleship(["images", "--store"]).args([world.path("store")]).args(["fsck"]).output().stdout;
        assert!(told.lines().all(|line| line.starts_with("Everything") || line.contains("never finished")), "{told}");
    }
    world.build(dockerfile, &["-t", "app"]);
    world.is_clean();
    let left: Vec<_> = fs::read_dir(world.path("store/build/work")).unwrap().collect();
    assert!(left.is_empty(), "workshops are left: {left:?}");
    let state = world.path("store").display().to_string();
    let of_ours = |pid: &str| fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.contains(&state));
    let alive: Vec<String> = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().ok())
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()) && of_ours(name))
        .collect();
    assert!(alive.is_empty(), "processes are left: {alive:?}");
}

#[test]
fn a_build_that_is_interrupted_leaves_nothing_at_once() {
    let world = World::new();
    world.file("Dockerfile", "FROM base\nRUN echo it runs && exec sleep 1000\n");
    for (signal, code) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
        let mut child = world.call(&["-t", "app"]).command().stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().ends_with(" it runs")), "the step never ran");
        let workshop = fs::read_dir(world.path("store/build/work")).unwrap().next().unwrap().unwrap().path();
        let container = fs::read_dir(workshop.join("oci")).unwrap().next().unwrap().unwrap().file_name().into_string().unwrap();
        let cgroups = || world.sandbox.program("find").args(["/sys/fs/cgroup", "-name", &container]).output().stdout;
        assert!(container.starts_with("bottleship-build-"), "`doctor` does not know {container}");
        // An ordinary user's step has one only where somebody gave that user cgroups.
        assert!(rights() != Rights::Root || !cgroups().is_empty(), "the step has no cgroup");
        world.sandbox.program("kill").args([format!("-{signal}"), child.id().to_string()]).succeeds();
        let said: Vec<String> = lines.map(Result::unwrap).collect();
        assert_eq!(child.wait().unwrap().code(), Some(code), "{said:?}");
        assert_eq!(said.last().map(String::as_str), Some("ERROR: failed to build: failed to solve: Canceled: context canceled"));
        assert_eq!(cgroups(), "", "cgroups are left after SIG{signal}");
        assert!(!workshop.exists(), "`{}` is left after SIG{signal}", workshop.display());
    }
}
