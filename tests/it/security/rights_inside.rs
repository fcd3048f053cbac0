//! What a process in the container may do.

use std::fs;

use serde_json::{Value, json};

use super::Bundle;

/// Inheritable capabilities would survive an execve of any file that has some: there must be none.
#[test]
fn cve_2022_29162_no_inheritable_capabilities() {
    let Some(bundle) = Bundle::new("cve_2022_29162", "grep CapInh /proc/self/status") else { return };
    let none = "CapInh:\t0000000000000000\n";
    assert_eq!(bundle.run().stdout, none);
    let Some(bundle) = Bundle::new("cve_2022_29162", "sleep 1000") else { return };
    let id = bundle.id("inh");
    bundle.runtime(["run", "--detach", &id]).succeeds();
    for more in [&[][..], &["--cap", "CAP_NET_RAW"]] {
        let call = bundle.runtime(["exec"]).args(more).args([&id]).args(["/bin/grep", "CapInh", "/proc/self/status"]);
        assert_eq!(call.succeeds().stdout, none, "exec {more:?}");
    }
    bundle.runtime(["delete", "--force", &id]).succeeds();
}

/// Without a cgroup namespace the container sees the machine's tree of cgroups; it must not be able to change it.
#[test]
fn cve_2023_25809_the_machines_cgroups_cannot_be_written() {
    let script = "for d in /sys/fs/cgroup /sys/fs/cgroup/*; do mkdir $d/bottleship-escape && echo made $d; echo 1 > $d/cgroup.procs && echo wrote $d; done 2>/dev/null";
    let Some(mut bundle) = Bundle::new("cve_2023_25809", script) else { return };
    bundle.config["linux"]["namespaces"].as_array_mut().unwrap().push(json!({"type": "user"}));
    for map in ["uidMappings", "gidMappings"] {
        bundle.config["linux"][map] = json!([{"containerID": 0, "hostID": 100_000, "size": 65_536}]);
    }
    chown_to_mapped_root(&bundle);
    bundle.mount("/sys/fs/cgroup", "cgroup", std::path::Path::new("cgroup"), &["nosuid", "noexec", "nodev", "relatime", "ro"]);
    let output = bundle.run();
    assert!(!output.stdout.contains("made") && !output.stdout.contains("wrote"), "{output}");
}

/// The way to the root file system must be passable for the ids that are root inside.
fn chown_to_mapped_root(bundle: &Bundle) {
    let open = |path: &std::path::Path| fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    open(bundle.folder());
    open(&bundle.folder().join("bundle"));
    let mut left = vec![bundle.rootfs()];
    while let Some(path) = left.pop() {
        std::os::unix::fs::lchown(&path, Some(100_000), Some(100_000)).unwrap();
        if path.is_dir() && !path.is_symlink() {
            left.extend(fs::read_dir(&path).unwrap().flatten().map(|entry| entry.path()));
        }
    }
}

/// The default profile keeps the calls that faults of the kernel were reached by out of reach without CAP_SYS_ADMIN.
#[test]
fn cve_2022_0185_and_cve_2022_0492_new_namespaces_and_mounts_are_refused() {
    let script = "unshare -U true && echo user; unshare -r true && echo root; unshare -m true && echo mnt; mount -t tmpfs none /tmp && echo mounted; true";
    let Some(mut bundle) = Bundle::new("cve_2022_0185", script) else { return };
    bundle.config["linux"]["seccomp"] = profile(&bundle);
    let output = bundle.run();
    assert!(output.code() == 0 && output.stdout.is_empty(), "{output}");
    let refused: Vec<&str> = ["fsopen", "fsconfig", "fsmount", "open_tree", "move_mount", "mount", "unshare", "setns"].into();
    let allowed = unconditionally_allowed(&bundle.config["linux"]["seccomp"]);
    for call in refused {
        assert!(!allowed.contains(&call.to_owned()), "the default profile allows {call} without a condition");
    }
}

fn profile(bundle: &Bundle) -> Value {
    // Always from our binary: with another runtime under test its own profile is none.
    let output = crate::support::Call::new(crate::support::binary()).args(["oci", "seccomp-profile"]).succeeds();
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error} in {}: {output}", bundle.folder().display()))
}

fn unconditionally_allowed(profile: &Value) -> Vec<String> {
    let rules = profile["syscalls"].as_array().expect("rules");
    let plain = rules.iter().filter(|rule| rule["action"] == "SCMP_ACT_ALLOW" && rule["args"].as_array().is_none_or(Vec::is_empty));
    plain.flat_map(|rule| rule["names"].as_array().expect("names")).map(|name| name.as_str().expect("a name").to_owned()).collect()
}

/// The device of a disk cannot be opened, whatever file is made for it.
#[test]
fn devices_of_the_machine_are_out_of_reach() {
    let script = "for n in '8 0' '254 0' '253 0' '259 0' '1 1' '1 2'; do busybox mknod /tmp/d b $n 2>/dev/null || busybox mknod /tmp/d c $n 2>/dev/null; busybox head -c 1 /tmp/d >/dev/null 2>&1 && echo opened $n; busybox rm -f /tmp/d; done; true";
    let Some(mut bundle) = Bundle::new("devices", script) else { return };
    bundle.config["linux"]["resources"] = json!({"devices": [{"allow": false, "access": "rwm"}]});
    let output = bundle.run();
    assert!(output.code() == 0 && !output.stdout.contains("opened"), "{output}");
}
