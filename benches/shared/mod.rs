//! What the benches of engines share: our engine in namespaces of its own, and an image of one busybox.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// This program.
pub const BOTTLESHIP: &str = env!("CARGO_BIN_EXE_bottleship");

/// Our engine, which ends with this.
pub struct Ours(Child);

impl Drop for Ours {
    fn drop(&mut self) {
        self.0.kill().expect("it is ours");
        self.0.wait().expect("and ends");
        for tree in fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten() {
            // The cgroup above those of containers stays behind; it is empty, or somebody else's.
            let _ = fs::remove_dir(tree.path().join("docker"));
        }
    }
}

impl Ours {
    /// Starts it with its data below `place`; it listens when this returns.
    pub fn start(place: &Path, socket: &Path) -> Self {
        let script = "mount --make-rprivate / && ip link set lo up && exec \"$0\" engine -H \"unix://$1\" --data-root \"$2\"";
        let mut command = Command::new("unshare");
        command.args(["--net", "--mount", "sh", "-c", script, BOTTLESHIP]).arg(socket).arg(place.join("data"));
        let mut process = command.stdout(Stdio::piped()).spawn().expect("start our engine");
        let mut told = String::new();
        BufReader::new(process.stdout.take().expect("its output")).read_line(&mut told).expect("its address");
        assert!(told.starts_with("API listen on"), "{told:?}");
        Ours(process)
    }
}

/// The tar of a root with a busybox.
pub fn image(place: &Path) -> PathBuf {
    let root = place.join("root");
    fs::create_dir_all(root.join("bin")).expect("a root file system");
    fs::copy(find("busybox").expect("a busybox"), root.join("bin/busybox")).expect("busybox in the root file system");
    for applet in ["sh", "true", "sleep", "nc", "echo"] {
        symlink("busybox", root.join("bin").join(applet)).expect("an applet of busybox");
    }
    let tar = place.join("root.tar");
    let packed = Command::new("tar").arg("-C").arg(&root).arg("-cf").arg(&tar).arg(".").status().expect("run tar");
    assert!(packed.success(), "pack the root file system");
    tar
}

/// Where a program is.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    path.split(':').map(|folder| Path::new(folder).join(program)).find(|file| file.is_file())
}
