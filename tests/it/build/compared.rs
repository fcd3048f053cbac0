//! Dockerfiles in the shape of real projects, built by us and by buildah: the same files with the same content, owners and modes, and the same configuration.
//! Times are left out. Bases are a busybox with a `compile` that hashes, since what matters is what the builders do.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::Digest as _;

use super::World;
use crate::support::{Call, Rights, bundle, has_program, rights, skip};

const TEST: &str = "build::compared::ten_projects_are_built_as_buildah_builds_them";
/// The folders of `projects/`, with the arguments of each build.
const PROJECTS: [(&str, &[&str]); 10] = [
    ("node", &[]),
    ("go", &["--build-arg", "VERSION=7"]),
    ("python", &[]),
    ("java", &["--build-arg", "JAR=other.jar"]),
    ("rust", &[]),
    ("nginx", &[]),
    ("targets", &["--target", "prod", "--build-arg", "MODE=x"]),
    ("php", &[]),
    ("system", &[]),
    ("database", &[]),
];
const APPLETS: &[&str] = &[
    "sh",
    "cat",
    "ls",
    "echo",
    "pwd",
    "env",
    "mkdir",
    "rm",
    "ln",
    "stat",
    "touch",
    "true",
    "false",
    "test",
    "grep",
    "cp",
    "chmod",
    "chown",
    "mv",
    "sed",
    "sha256sum",
    "printf",
];
/// Stands for every compiler: the result depends on all of its inputs.
const COMPILE: &str = "#!/bin/sh\nout=$1\nshift\ncat \"$@\" | sha256sum > \"$out\" && chmod 755 \"$out\"\n";

/// Both builders with the same base `base:1` and the same contexts.
struct Both {
    world: World,
}

impl Both {
    fn new() -> Self {
        let both = Both { world: World::new() };
        let root = both.world.path("lib");
        bundle::rootfs(&root, APPLETS);
        // What a builder makes for the time of a step is there, so that nothing of it can be left over.
        for folder in ["etc", "dev", "proc", "sys", "run", "tmp", "usr/local/bin", "var/log", "opt", "home/node"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        for file in ["hosts", "hostname", "resolv.conf", "motd"] {
            fs::write(root.join("etc").join(file), "\n").unwrap();
        }
        fs::write(root.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\nnode:x:1000:1001::/home/node:/bin/sh\n").unwrap();
        fs::write(root.join("etc/group"), "root:x:0:\nnode:x:1001:\n").unwrap();
        fs::write(root.join("usr/local/bin/compile"), COMPILE).unwrap();
        fs::set_permissions(root.join("usr/local/bin/compile"), fs::Permissions::from_mode(0o755)).unwrap();
        let (tar, archive) = (both.text("lib.tar"), both.text("base.tar"));
        both.program("tar").args(["-C", root.to_str().unwrap(), "-cf", &tar, "."]).succeeds();
        both.world.images(&["import", &tar, "base:1"]);
        both.world.images(&["save", "base:1", "-o", &archive]);
        let id = both.buildah(&["pull", "-q", &format!("docker-archive:{archive}")]).succeeds().stdout;
        both.buildah(&["tag", id.trim(), "docker.io/library/base:1"]).succeeds();
        both
    }

    fn text(&self, name: &str) -> String {
        self.world.path(name).to_str().unwrap().to_owned()
    }

    fn program(&self, name: &str) -> Call {
        self.world.sandbox.program(name)
    }

    /// A buildah whose storage is in our folder.
    fn buildah(&self, args: &[&str]) -> Call {
        let (root, run) = (self.text("theirs"), self.text("theirs-run"));
        self.program("buildah").args(["--root", &root, "--runroot", &run, "--storage-driver", "vfs"]).args(args)
    }

    /// The context of a project, with the files that cannot be in a repository.
    fn context(&self, project: &str) -> PathBuf {
        let to = self.world.path(project);
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/build/projects").join(project), &to);
        match project {
            "node" => fs::write(to.join("debug.log"), "ignored\n").unwrap(),
            "python" => fs::write(to.join("a file with blanks.txt"), "text\n").unwrap(),
            "rust" => {
                fs::create_dir(to.join("target")).unwrap();
                fs::write(to.join("target/old"), "ignored\n").unwrap();
            }
            "php" => self.vendor(&to),
            _ => {}
        }
        to
    }

    fn vendor(&self, context: &Path) {
        let folder = self.world.path("vendor");
        fs::create_dir_all(folder.join("composer")).unwrap();
        fs::write(folder.join("composer/a.php"), "<?php\n").unwrap();
        symlink("a.php", folder.join("composer/b.php")).unwrap();
        let (folder, tar) = (folder.to_str().unwrap().to_owned(), context.join("vendor.tar"));
        self.program("tar").args(["-C", &folder, "--owner=5", "--group=6", "-cf", tar.to_str().unwrap(), "composer"]).succeeds();
    }

    fn theirs(&self, context: &Path, args: &[&str]) -> (BTreeMap<String, String>, Value) {
        let (name, tree) = ("localhost/out:1", self.world.path("their-tree"));
        if tree.exists() {
            fs::remove_dir_all(&tree).unwrap();
        }
        let to = format!("type=local,dest={}", tree.display());
        let how = ["build", "--isolation", "chroot", "--format", "docker", "--layers=false", "--pull=never", "--identity-label=false"];
        self.buildah(&[&how[..], &["-o", &to, "-t", name], args, &[context.to_str().unwrap()]].concat()).succeeds();
        let told = self.buildah(&["inspect", "--type", "image", name]).succeeds().stdout;
        let config = serde_json::from_str::<Value>(&told).unwrap()["Docker"]["config"].take();
        self.buildah(&["rmi", "-f", name]).succeeds();
        (listing(&tree), config)
    }

    fn ours(&self, context: &Path, args: &[&str]) -> (BTreeMap<String, String>, Value) {
        let (store, tree) = (self.text("store"), self.world.path("tree"));
        let build = |more: &[&str]| {
            let call = self.world.sandbox.bottleship(["build", "--store", &store]).args(args).args(more);
            call.args([context]).env("SOURCE_DATE_EPOCH", "").succeeds();
        };
        build(&["-t", "out"]);
        if tree.exists() {
            fs::remove_dir_all(&tree).unwrap();
        }
        build(&["-o", tree.to_str().unwrap()]);
        (listing(&tree), self.world.config("out")["config"].take())
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).unwrap();
            // Whatever the umask of whoever has checked the repository out.
            fs::set_permissions(&target, fs::Permissions::from_mode(0o644)).unwrap();
        }
        if target.is_dir() {
            fs::set_permissions(&target, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
}

/// Every file below a folder: what it is, its mode, its owner, and its content or target.
fn listing(root: &Path) -> BTreeMap<String, String> {
    let (mut all, mut waiting) = (BTreeMap::new(), vec![root.to_owned()]);
    while let Some(folder) = waiting.pop() {
        for path in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            let data = path.symlink_metadata().unwrap();
            let content = if data.is_symlink() {
                format!("-> {}", fs::read_link(&path).unwrap().display())
            } else if data.is_dir() {
                waiting.push(path.clone());
                "folder".to_owned()
            } else {
                hex(&fs::read(&path).unwrap())
            };
            let line = format!("{:o} {}:{} {content}", data.mode(), data.uid(), data.gid());
            all.insert(path.strip_prefix(root).unwrap().display().to_string(), line);
        }
    }
    all
}

fn hex(bytes: &[u8]) -> String {
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The digest of a tree: of all lines of its listing.
fn digest(files: &BTreeMap<String, String>) -> String {
    hex(files.iter().map(|(path, line)| format!("{path} {line}\n")).collect::<String>().as_bytes())
}

/// What a configuration says. The name of the container in which buildah made it is its own affair, what is empty says nothing, and a variable that is set again
/// goes to the end there and stays in its place with docker and here.
fn said(config: &Value) -> BTreeMap<String, Value> {
    let sorted = |value: &Value| {
        let mut lines: Vec<Value> = value.as_array().cloned().unwrap_or_default();
        lines.sort_by_key(ToString::to_string);
        Value::from(lines)
    };
    let empty = |value: &Value| match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(items) => items.is_empty(),
        Value::Number(_) => false,
    };
    let all = config.as_object().expect("a configuration").iter();
    all.filter(|(key, value)| key.as_str() != "Hostname" && key.as_str() != "Image" && !empty(value))
        .map(|(key, value)| (key.clone(), if key == "Env" { sorted(value) } else { value.clone() }))
        .collect()
}

#[test]
fn ten_projects_are_built_as_buildah_builds_them() {
    if !has_program("buildah") {
        return skip(TEST, "buildah is not installed: nothing is compared (Debian: apt-get install buildah)");
    }
    if rights() != Rights::Root {
        return skip(TEST, "buildah's chroot isolation needs root");
    }
    let both = Both::new();
    for (project, args) in PROJECTS {
        let context = both.context(project);
        let ((ours, our_config), (theirs, their_config)) = (both.ours(&context, args), both.theirs(&context, args));
        assert!(ours.len() > 2, "{project}: {ours:?}");
        if digest(&ours) != digest(&theirs) {
            let differ = |one: &BTreeMap<String, String>, other: &BTreeMap<String, String>| -> String {
                one.iter().filter(|(path, line)| other.get(*path) != Some(line)).map(|(path, line)| format!("{path} {line}\n")).collect()
            };
            panic!("{project}: the trees differ\nours:\n{}buildah's:\n{}", differ(&ours, &theirs), differ(&theirs, &ours));
        }
        assert_eq!(said(&our_config), said(&their_config), "{project}: the configurations differ");
    }
    both.world.is_clean();
}
