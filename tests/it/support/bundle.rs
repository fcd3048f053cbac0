//! OCI bundles for tests: a root file system of busybox's, and the configuration that engines write.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::{Value, json};

/// The folders that the mounts of [`config`] need.
const FOLDERS: [&str; 6] = ["bin", "proc", "dev", "sys", "tmp", "etc"];

/// The static busybox of this machine. Fails the test where there is none: `./setup test` installs it.
pub fn busybox() -> &'static Path {
    let found = ["/bin/busybox", "/usr/bin/busybox"].into_iter().map(Path::new).find(|path| path.is_file());
    found.expect("a static busybox (Debian: apt-get install busybox-static)")
}

/// Makes a root file system with busybox by the names of `applets`.
pub fn rootfs(folder: &Path, applets: &[&str]) {
    for inner in FOLDERS {
        fs::create_dir_all(folder.join(inner)).expect("make a root file system");
    }
    fs::copy(busybox(), folder.join("bin/busybox")).expect("copy busybox");
    for applet in applets {
        symlink("busybox", folder.join("bin").join(applet)).expect("link an applet");
    }
}

/// A configuration as engines write it: all namespaces but the user's, these capabilities and no others, no new privileges, `/proc`, `/dev`
/// and its terminals. The program is `args`.
pub fn config(args: &[&str], capabilities: &[&str]) -> Value {
    json!({
        "ociVersion": "1.0.2",
        "process": {
            "terminal": false, "user": {"uid": 0, "gid": 0}, "args": args, "env": ["PATH=/bin"], "cwd": "/",
            "capabilities": {"bounding": capabilities, "effective": capabilities, "permitted": capabilities},
            "noNewPrivileges": true,
        },
        "root": {"path": "rootfs"},
        "hostname": "vessel",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755", "size=65536k"]},
            {"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]},
        ],
        "linux": {"namespaces": [{"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"}]},
    })
}

/// Adds to a list of the configuration; `path` is a JSON pointer.
pub fn push(config: &mut Value, path: &str, value: Value) {
    let list = config.pointer_mut(path).and_then(Value::as_array_mut);
    list.unwrap_or_else(|| panic!("the configuration has no list {path}")).push(value);
}
