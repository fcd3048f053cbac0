//! Known escapes from containers, one test each, named by the id under which the world knows it.
//!
//! Each test runs a bundle made for the attack, in a mount namespace that is thrown away, beside a [`Bundle::canary`]: a folder of the machine,
//! outside the bundle, that must stay as it was and whose marker the container must not be able to read. With
//! `BOTTLESHIP_TEST_RUNTIME=/usr/sbin/runc` the same attacks run against another runtime, to see that they have teeth.
//!
//! [`rows`] is the list of all known attacks with the test of each, or the reason why it has none.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::support::{Call, Output, Rights, Sandbox, binary, bundle, rights, skip};

mod exe;
mod limits;
mod names;
mod paths;
mod processes;
mod rights_inside;
mod rows;
mod terminal;

/// What the container must never read.
const MARKER: &str = "canary-7f3a-outside";

/// An OCI bundle under attack, with a canary beside it.
pub struct Bundle {
    sandbox: Sandbox,
    /// Its config.json, to be bent by the test.
    pub config: Value,
}

impl Bundle {
    /// A bundle with a busybox root file system whose program is `script`, run by sh. `None` (and a line that says so) where the tests are not root.
    pub fn new(test: &str, script: &str) -> Option<Self> {
        if rights() != Rights::Root {
            skip(test, "attacks on a runtime of the machine's root need root");
            return None;
        }
        let sandbox = Sandbox::new();
        let applets = [
            "sh", "cat", "ls", "mkdir", "readlink", "grep", "sleep", "id", "mount", "unshare", "echo", "true", "tail", "sort", "uniq",
            "touch",
        ];
        bundle::rootfs(&sandbox.path().join("bundle/rootfs"), &applets);
        let canary = sandbox.path().join("canary");
        fs::create_dir(&canary).expect("make the canary");
        fs::write(canary.join("marker"), MARKER).expect("mark the canary");
        let bundle = Bundle { sandbox, config: config(script) };
        Some(bundle)
    }

    /// The root file system, on the machine.
    pub fn rootfs(&self) -> PathBuf {
        self.sandbox.path().join("bundle/rootfs")
    }

    /// A folder of the machine that the container has no business with.
    pub fn canary(&self) -> PathBuf {
        self.sandbox.path().join("canary")
    }

    /// The folder of this test.
    pub fn folder(&self) -> &Path {
        self.sandbox.path()
    }

    /// Replaces a folder or file of the root file system by a symbolic link.
    pub fn plant(&self, inner: &str, target: &Path) {
        let path = self.rootfs().join(inner);
        if path.is_dir() && !path.is_symlink() {
            fs::remove_dir_all(&path).expect("remove the folder");
        } else {
            let _ = fs::remove_file(&path);
        }
        symlink(target, &path).expect("plant a link");
    }

    /// Adds a mount to the configuration.
    pub fn mount(&mut self, destination: &str, kind: &str, source: &Path, options: &[&str]) {
        let mount = json!({"destination": destination, "type": kind, "source": source, "options": options});
        bundle::push(&mut self.config, "/mounts", mount);
    }

    /// A call of the runtime, in a mount namespace of its own.
    pub fn runtime<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Call {
        self.runtime_at(&self.program(), args)
    }

    /// The same, with another copy of the binary.
    pub fn runtime_at<S: AsRef<OsStr>>(&self, program: &Path, args: impl IntoIterator<Item = S>) -> Call {
        fs::write(self.sandbox.path().join("bundle/config.json"), self.config.to_string()).expect("write config.json");
        let call = self.sandbox.program(program).private_mounts().folder(self.sandbox.path().join("bundle"));
        let call = if std::env::var_os("BOTTLESHIP_TEST_RUNTIME").is_some() { call } else { call.args(["oci"]) };
        call.args(["--root"]).args([self.sandbox.path().join("oci")]).args(args)
    }

    fn program(&self) -> PathBuf {
        std::env::var_os("BOTTLESHIP_TEST_RUNTIME").map_or_else(|| binary().to_owned(), PathBuf::from)
    }

    /// Runs the bundle to its end and checks that the canary is as it was and was not read.
    pub fn run(&self) -> Output {
        let before = self.canary_state();
        let output = self.runtime(["run", &self.id("run")]).output();
        assert_eq!(self.canary_state(), before, "the canary was touched by {output}");
        assert!(!output.stdout.contains(MARKER), "the container read the canary: {output}");
        output
    }

    /// A container id that no other test uses.
    pub fn id(&self, name: &str) -> String {
        let unique = self.sandbox.path().file_name().expect("a name").to_string_lossy().replace('.', "");
        format!("{unique}-{name}")
    }

    /// Names, modes, owners, times and contents of everything in the canary.
    pub fn canary_state(&self) -> Vec<String> {
        state_of(&self.canary())
    }
}

impl Drop for Bundle {
    /// A container that a failed test leaves running is ended here.
    fn drop(&mut self) {
        let left = fs::read_dir(self.sandbox.path().join("oci")).into_iter().flatten().flatten().map(|entry| entry.file_name());
        for id in left.collect::<Vec<_>>() {
            let _ = self.runtime([OsStr::new("delete"), OsStr::new("--force"), &id]).output();
        }
    }
}

/// What a folder holds, in words that differ if anything in it differs.
fn state_of(folder: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    let mut entries: Vec<_> = fs::read_dir(folder).expect("read the canary").flatten().map(|entry| entry.path()).collect();
    entries.push(folder.to_owned());
    entries.sort();
    for path in entries {
        let about = fs::symlink_metadata(&path).expect("look at the canary");
        let content = if about.is_file() { fs::read(&path).expect("read the canary") } else { Vec::new() };
        lines.push(format!(
            "{} {:o} {}:{} {}.{} {content:?}",
            path.display(),
            about.mode(),
            about.uid(),
            about.gid(),
            about.mtime(),
            about.mtime_nsec()
        ));
    }
    lines
}

/// The usual configuration, with a few more capabilities, `/sys`, and masked and read-only paths.
fn config(script: &str) -> Value {
    let capabilities = ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_KILL", "CAP_SETUID", "CAP_SETGID", "CAP_MKNOD"];
    let mut config = bundle::config(&["/bin/sh", "-c", script], &capabilities);
    config["hostname"] = json!("attacker");
    let sys = json!({"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]});
    bundle::push(&mut config, "/mounts", sys);
    config["linux"]["maskedPaths"] = json!([
        "/proc/acpi",
        "/proc/asound",
        "/proc/kcore",
        "/proc/keys",
        "/proc/latency_stats",
        "/proc/timer_list",
        "/proc/timer_stats",
        "/proc/sched_debug",
        "/proc/scsi",
        "/sys/firmware",
        "/sys/devices/virtual/powercap",
    ]);
    config["linux"]["readonlyPaths"] = json!(["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]);
    config
}
