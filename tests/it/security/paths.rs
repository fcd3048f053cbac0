//! Paths of the root file system that lead somewhere else.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::Bundle;

#[test]
fn cve_2019_19921_proc_and_sys_must_be_ordinary_directories() {
    for place in ["proc", "sys"] {
        let Some(bundle) = Bundle::new("cve_2019_19921", "echo started") else { return };
        fs::create_dir(bundle.rootfs().join("elsewhere")).unwrap();
        bundle.plant(place, Path::new("/elsewhere"));
        let output = bundle.run();
        assert!(output.code() != 0 && !output.stdout.contains("started"), "{place}: {output}");
        assert!(output.stderr.contains(place), "the message names the place: {output}");
    }
}

/// /proc/self of a fake /proc leads to the canary.
#[test]
fn cve_2023_27561_a_folder_mounted_over_proc() {
    let Some(mut bundle) = Bundle::new("cve_2023_27561", "echo started; cat /proc/self/marker") else { return };
    let fake = bundle.folder().join("fake");
    fs::create_dir(&fake).unwrap();
    symlink(bundle.canary(), fake.join("self")).unwrap();
    bundle.config["mounts"].as_array_mut().unwrap().retain(|mount| mount["destination"] != "/proc");
    bundle.mount("/proc", "bind", &fake, &["rbind", "rw"]);
    let output = bundle.run();
    assert!(output.code() != 0, "a /proc that is no procfs is refused: {output}");
}

/// A sysctl whose file in the container's /proc/sys is a link to the canary.
#[test]
fn cve_2025_52881_a_sysctl_that_lands_elsewhere() {
    let Some(mut bundle) = Bundle::new("cve_2025_52881", "true") else { return };
    let fake = bundle.folder().join("fake");
    fs::create_dir_all(fake.join("ipv4")).unwrap();
    symlink(bundle.canary().join("marker"), fake.join("ipv4/ip_forward")).unwrap();
    bundle.mount("/proc/sys/net", "bind", &fake, &["rbind", "rw"]);
    bundle.config["linux"]["sysctl"] = serde_json::json!({"net.ipv4.ip_forward": "1"});
    let machine = CorePattern::remember();
    bundle.run();
    assert!(machine.is_unchanged(), "the machine's core_pattern was written");
}

/// Puts the machine's core_pattern back: the next attack, run against a runtime that falls for it, changes it for real.
struct CorePattern(Vec<u8>);

impl CorePattern {
    const PATH: &str = "/proc/sys/kernel/core_pattern";

    fn remember() -> Self {
        CorePattern(fs::read(Self::PATH).unwrap())
    }

    fn is_unchanged(&self) -> bool {
        fs::read(Self::PATH).unwrap() == self.0
    }
}

impl Drop for CorePattern {
    fn drop(&mut self) {
        if !self.is_unchanged() {
            let _ = fs::write(Self::PATH, &self.0);
        }
    }
}

/// Masking puts /dev/null over a path. Here /dev/null of the image is a link to something worth reading and writing.
#[test]
fn cve_2025_31133_a_mask_that_is_a_link() {
    let script =
        "cat /proc/keys /proc/timer_list /tmp/secret 2>/dev/null | grep . && echo unmasked; echo changed 2>/dev/null > /proc/timer_list";
    let Some(mut bundle) = Bundle::new("cve_2025_31133", script) else { return };
    bundle.config["mounts"].as_array_mut().unwrap().retain(|mount| !mount["destination"].as_str().unwrap().starts_with("/dev"));
    fs::write(bundle.rootfs().join("tmp/secret"), "secret of the image\n").unwrap();
    bundle.config["linux"]["maskedPaths"].as_array_mut().unwrap().push("/tmp/secret".into());
    for target in ["/proc/sys/kernel/core_pattern", "/tmp/target"] {
        fs::write(bundle.rootfs().join("tmp/target"), "content\n").unwrap();
        bundle.plant("dev/null", Path::new(target));
        let machine = CorePattern::remember();
        let output = bundle.run();
        assert!(!output.stdout.contains("unmasked"), "{target}: {output}");
        assert!(machine.is_unchanged(), "the machine's core_pattern was written: {output}");
    }
}

#[test]
fn cve_2026_41579_dev_is_a_link_to_the_machine() {
    let Some(mut bundle) = Bundle::new("cve_2026_41579", "true") else { return };
    bundle.plant("dev", &bundle.canary());
    bundle.run();
    bundle.config["mounts"].as_array_mut().unwrap().retain(|mount| !mount["destination"].as_str().unwrap().starts_with("/dev"));
    bundle.run();
}

#[test]
fn cve_2019_18837_a_mount_point_behind_a_link() {
    let Some(mut bundle) = Bundle::new("cve_2019_18837", "ls /link /link/inner 2>/dev/null") else { return };
    let volume = bundle.folder().join("volume");
    fs::create_dir(&volume).unwrap();
    fs::write(volume.join("from-volume"), "").unwrap();
    let canary = bundle.canary();
    symlink(&canary, bundle.rootfs().join("link")).unwrap();
    bundle.mount("/link/inner", "bind", &volume, &["rbind", "rw"]);
    let before = bundle.canary_state();
    let output = bundle.runtime(["run", &bundle.id("link")]).output();
    assert_eq!(bundle.canary_state(), before, "{output}");
    // Either refused, or mounted below the same path inside the root file system.
    assert!(output.code() != 0 || output.stdout.contains("from-volume"), "{output}");
}

/// A neighbour that shares a volume swaps a folder and a link to the machine, over and over, while containers with a mount point below it start.
#[test]
fn cve_2021_30465_and_cve_2024_45310_a_mount_point_that_is_swapped() {
    let Some(mut bundle) = Bundle::new("cve_2021_30465", "true") else { return };
    let volume = bundle.folder().join("volume");
    fs::create_dir_all(volume.join("a")).unwrap();
    symlink(bundle.canary(), volume.join("b")).unwrap();
    let target = bundle.folder().join("target");
    fs::create_dir(&target).unwrap();
    bundle.mount("/volume", "bind", &volume, &["rbind", "rw"]);
    bundle.mount("/volume/a/made/by/mount", "bind", &target, &["rbind", "rw"]);
    let before = bundle.canary_state();
    let stop = Arc::new(AtomicBool::new(false));
    let swapper = {
        let (stop, volume) = (Arc::clone(&stop), volume.clone());
        std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let _ = renameat_with(CWD, volume.join("a"), CWD, volume.join("b"), RenameFlags::EXCHANGE);
            }
        })
    };
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    for round in 0..100 {
        let _ = bundle.runtime(["run", &bundle.id(&format!("race{round}"))]).output();
    }
    stop.store(true, Ordering::Relaxed);
    swapper.join().unwrap();
    assert_eq!(bundle.canary_state(), before, "a mount point was made on the machine");
    assert_eq!(fs::read_to_string("/proc/self/mountinfo").unwrap(), mounts, "a mount landed on the machine");
}

/// The list that engines ask for; each is either absent, empty or unreadable inside.
#[test]
fn cve_2017_16539_masked_paths_are_masked() {
    let Some(mut bundle) = Bundle::new(
        "cve_2017_16539",
        "for p in $MASKED; do [ -d $p ] && ls -A $p; [ -f $p ] && cat $p; done 2>/dev/null | grep . && echo leak; true",
    ) else {
        return;
    };
    let spec = bundle.runtime(["spec", "--bundle", &bundle.canary().display().to_string()]).succeeds();
    let made = bundle.canary().join("config.json");
    let spec: serde_json::Value = serde_json::from_slice(&fs::read(&made).unwrap_or_else(|error| panic!("{error}: {spec}"))).unwrap();
    fs::remove_file(made).unwrap();
    let masked: Vec<&str> = spec["linux"]["maskedPaths"].as_array().unwrap().iter().map(|path| path.as_str().unwrap()).collect();
    for expected in [
        "/proc/acpi",
        "/proc/kcore",
        "/proc/keys",
        "/proc/latency_stats",
        "/proc/timer_list",
        "/proc/timer_stats",
        "/proc/sched_debug",
        "/sys/firmware",
        "/proc/scsi",
    ] {
        assert!(masked.contains(&expected), "{expected} is not masked by default: {masked:?}");
    }
    bundle.config["linux"]["maskedPaths"] = spec["linux"]["maskedPaths"].clone();
    bundle.config["process"]["env"].as_array_mut().unwrap().push(format!("MASKED={}", masked.join(" ")).into());
    let output = bundle.run();
    assert!(output.code() == 0 && !output.stdout.contains("leak"), "{output}");
}
