//! The image store from the outside: archives in and out, other people's tools on the same files, an image that runs.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{Output, Sandbox, bundle, has_program, skip};

mod looked;

/// A sandbox with a store and an image `bb:1` of busybox in it.
struct Store {
    sandbox: Sandbox,
}

impl Store {
    fn new() -> Self {
        let store = Store { sandbox: Sandbox::new() };
        let root = store.path("root");
        bundle::rootfs(&root, &["sh", "cat", "echo"]);
        fs::create_dir_all(root.join("etc")).unwrap();
        fs::write(root.join("etc/motd"), "first\n").unwrap();
        store.tar(&root, &store.path("root.tar"));
        store.run(&["import", store.path("root.tar").to_str().unwrap(), "bb:1"]);
        store
    }

    fn path(&self, name: &str) -> PathBuf {
        self.sandbox.path().join(name)
    }

    fn tar(&self, folder: &Path, to: &Path) {
        self.sandbox.program("tar").args(["-C", folder.to_str().unwrap(), "-cf", to.to_str().unwrap(), "."]).succeeds();
    }

    fn call(&self, args: &[&str]) -> crate::support::Call {
        self.in_store("store", args)
    }

    fn in_store(&self, store: &str, args: &[&str]) -> crate::support::Call {
        self.sandbox.bottleship(["images", "--store"]).args([self.path(store)]).args(args)
    }

    fn run(&self, args: &[&str]) -> Output {
        self.call(args).succeeds()
    }

    /// The folders of an image's layers, the highest first.
    fn lower(&self, image: &str) -> Vec<PathBuf> {
        let told = self.run(&["layers", image]).stdout;
        let line = told.lines().find_map(|line| line.strip_prefix("lowerdir=")).expect("the line for mount");
        line.split(':').map(PathBuf::from).collect()
    }
}

#[test]
fn an_archive_of_ours_loads_anywhere_and_others_load_here() {
    let store = Store::new();
    let (archive, again) = (store.path("bb.tar"), store.path("again.tar"));
    store.run(&["save", "bb:1", "-o", archive.to_str().unwrap()]);
    let told = store.in_store("second", &["load", "-i", archive.to_str().unwrap()]).succeeds().stdout;
    assert_eq!(told, "Loaded image: bb:1\n");
    store.in_store("second", &["save", "bb:1", "-o", again.to_str().unwrap()]).succeeds();
    assert!(fs::read(&archive).unwrap() == fs::read(&again).unwrap(), "the same image gives the same archive");
    if !has_program("skopeo") {
        return skip("images::an_archive_of_ours_loads_anywhere_and_others_load_here", "the half with skopeo: it is not installed");
    }
    let skopeo = |from: &str, to: &str| store.sandbox.program("skopeo").args(["copy", "--insecure-policy", "--quiet", from, to]).succeeds();
    let at = |kind: &str, path: &Path, rest: &str| format!("{kind}:{}{rest}", path.display());
    let theirs = store.path("theirs.tar");
    // The store itself is a layout that skopeo reads.
    skopeo(&at("oci", &store.path("store"), ":docker.io/library/bb:1"), &at("docker-archive", &theirs, ":copy:7"));
    assert_eq!(store.in_store("third", &["load", "-i", theirs.to_str().unwrap()]).succeeds().stdout, "Loaded image: copy:7\n");
    skopeo(&at("docker-archive", &archive, ""), &at("oci-archive", &store.path("oci.tar"), ":9"));
    store.in_store("fourth", &["load", "-i", store.path("oci.tar").to_str().unwrap()]).succeeds();
    for other in ["third", "fourth"] {
        assert_eq!(store.in_store(other, &["fsck"]).succeeds().stdout, "Everything is what its digest says.\n");
    }
}

#[test]
fn umoci_unpacks_the_same_files() {
    if !has_program("umoci") {
        return skip("images::umoci_unpacks_the_same_files", "umoci is not installed");
    }
    let store = Store::new();
    let (archive, layout, bundle) = (store.path("bb.tar"), store.path("layout"), store.path("bundle"));
    store.run(&["save", "bb:1", "-o", archive.to_str().unwrap()]);
    fs::create_dir(&layout).unwrap();
    store.sandbox.program("tar").args(["-C", layout.to_str().unwrap(), "-xf", archive.to_str().unwrap()]).succeeds();
    let image = format!("{}:1", layout.display());
    store.sandbox.program("umoci").args(["unpack", "--rootless", "--image", &image, bundle.to_str().unwrap()]).succeeds();
    let ours = store.lower("bb:1").remove(0);
    let same =
        store.sandbox.program("diff").args(["-r", "--no-dereference", ours.to_str().unwrap()]).args([bundle.join("rootfs")]).output();
    assert_eq!((same.code(), same.stdout.as_str()), (0, ""));
}

#[test]
fn an_image_is_changed_by_hand_and_committed() {
    let store = Store::new();
    let lower = store.lower("bb:1").remove(0);
    let (upper, work, merged) = (store.path("upper"), store.path("work"), store.path("merged"));
    [&upper, &work, &merged].iter().for_each(|folder| fs::create_dir(folder).unwrap());
    // Any user may do this in namespaces of their own.
    let script = format!(
        "mount -t overlay overlay -o userxattr,lowerdir={},upperdir={},workdir={} {merged} && echo second > {merged}/etc/motd && rm {merged}/bin/cat && echo new > {merged}/new && umount {merged}",
        lower.display(),
        upper.display(),
        work.display(),
        merged = merged.display()
    );
    let made = store.sandbox.program("unshare").args(["--user", "--map-root-user", "--mount", "sh", "-c", &script]).output();
    if made.code() != 0 {
        return skip(
            "images::an_image_is_changed_by_hand_and_committed",
            &format!("no overlay in a user namespace here: {}", made.stderr.trim()),
        );
    }
    store.run(&["commit", "bb:1", upper.to_str().unwrap(), "bb:2"]);
    let top = store.lower("bb:2").remove(0);
    assert_eq!(fs::read_to_string(top.join("etc/motd")).unwrap(), "second\n");
    assert_eq!(fs::read_to_string(top.join("new")).unwrap(), "new\n");
    use std::os::unix::fs::FileTypeExt as _;
    assert!(fs::symlink_metadata(top.join("bin/cat")).unwrap().file_type().is_char_device(), "the whiteout");
    assert_eq!(store.lower("bb:2").len(), 2);
}

#[test]
fn names_go_one_by_one_and_the_image_with_the_last() {
    let store = Store::new();
    store.run(&["tag", "bb:1", "registry.example:5000/team/bb"]);
    assert_eq!(store.run(&["rm", "bb:1"]).stdout, "Untagged: bb:1\n");
    assert!(store.run(&["ls"]).stdout.contains("registry.example:5000/team/bb:latest"));
    let told = store.run(&["rm", "registry.example:5000/team/bb"]).stdout;
    assert!(told.contains("Deleted: sha256:"), "{told}");
    assert_eq!(store.run(&["ls"]).stdout.lines().count(), 1);
    let (blobs, layers) = (store.path("store/blobs/sha256"), store.path("store/layers"));
    assert_eq!((fs::read_dir(blobs).unwrap().count(), fs::read_dir(layers).unwrap().count()), (0, 0), "nothing is left");
    let error = store.call(&["rm", "bb:1"]).exits(1).stderr;
    assert_eq!(error, "error: No such image: bb:1\n");
}

#[test]
fn a_kill_in_the_middle_leaves_a_store_that_is_whole() {
    let store = Store::new();
    let archive = store.path("bb.tar");
    store.run(&["save", "bb:1", "-o", archive.to_str().unwrap()]);
    for round in 0..20_u64 {
        let mut child = store
            .in_store("killed", &["load", "-i", archive.to_str().unwrap()])
            .command()
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        // Later each time: somewhere in the work.
        std::thread::sleep(std::time::Duration::from_millis(round * 2));
        child.kill().unwrap();
        child.wait().unwrap();
        let check = store.in_store("killed", &["fsck"]).output();
        assert!(check.stdout.lines().all(|line| line.starts_with("Everything") || line.contains("never finished")), "{}", check.stdout);
    }
    store.in_store("killed", &["load", "-i", archive.to_str().unwrap()]).succeeds();
    store.in_store("killed", &["prune"]).succeeds();
    assert_eq!(store.in_store("killed", &["fsck"]).succeeds().stdout, "Everything is what its digest says.\n");
}

#[test]
fn a_dockerfile_is_shown_by_stages_or_refused_with_its_line() {
    let sandbox = Sandbox::new();
    let file = sandbox.path().join("Dockerfile");
    fs::write(&file, "ARG V=3\nFROM alpine:${V} AS build\nRUN make \\\n  all\nFROM scratch\nCOPY --from=build /a /a\n").unwrap();
    let told = sandbox.bottleship(["dockerfile"]).args([&file]).succeeds().stdout;
    assert_eq!(told, "stage 0 build: from alpine:3\n    3  RUN make   all\nstage 1: from scratch\n    6  COPY --from=build /a /a\n");
    fs::write(&file, "FROM a\nFRMO b\n").unwrap();
    let error = sandbox.bottleship(["dockerfile"]).args([&file]).exits(1).stderr;
    assert!(
        error.ends_with("dockerfile parse error on line 2: unknown instruction: FRMO (did you mean FROM?)\n    2 | FRMO b\n"),
        "{error}"
    );
}

#[test]
fn cve_2026_41567_no_program_decompresses_for_us() {
    let store = Store::new();
    let (archive, fake, ran) = (store.path("a.tar"), store.path("fake"), store.path("ran"));
    store.run(&["save", "bb:1", "-o", archive.to_str().unwrap()]);
    store.sandbox.program("gzip").args([&archive]).succeeds();
    fs::create_dir(&fake).unwrap();
    for name in ["gzip", "gunzip", "pigz", "unpigz", "xz", "unxz", "zstd", "tar"] {
        let script = fake.join(name);
        fs::write(&script, format!("#!/bin/sh\n: > '{}'\nexit 1\n", ran.display())).unwrap();
        fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    let packed = store.path("a.tar.gz");
    store.in_store("second", &["load", "-i", packed.to_str().unwrap()]).env("PATH", &fake).succeeds();
    store.in_store("second", &["layers", "bb:1"]).env("PATH", &fake).succeeds();
    assert!(!ran.exists(), "a program from the search path was run");
}
