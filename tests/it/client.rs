//! The client of registries: against our own registry, against Debian's, and against servers that lie.

mod kills;
mod lies;
mod others;

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::support::{Call, Output, Sandbox, bundle};

/// A sandbox with a store that has an image `bb:1`, a home of its own, and the command lines for them.
pub struct Place {
    pub sandbox: Sandbox,
}

/// A registry that runs as long as this lives.
pub struct Registry {
    process: Child,
    pub address: String,
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.process.kill().expect("the registry is ours");
        self.process.wait().expect("and ends");
    }
}

impl Registry {
    /// Starts one that tells its address on its first line.
    pub fn start(mut command: Command) -> Self {
        let mut process = command.stdout(Stdio::piped()).spawn().expect("start the registry");
        let mut told = String::new();
        BufReader::new(process.stdout.take().expect("its output")).read_line(&mut told).expect("its address");
        let address = told.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("{told:?}")).to_owned();
        Registry { process, address }
    }
}

impl Place {
    pub fn new() -> Self {
        let place = Place { sandbox: Sandbox::new() };
        let root = place.path("root");
        bundle::rootfs(&root, &["sh"]);
        std::fs::write(root.join("etc-motd"), "first\n").expect("a file");
        place.sandbox.program("tar").args(["-C", &place.text("root"), "-cf", &place.text("root.tar"), "."]).succeeds();
        place.images(&["import", &place.text("root.tar"), "bb:1"]).succeeds();
        place
    }

    /// Makes `tls.crt` with `tls.key`: a certificate for 127.0.0.1 that signs itself, as the course makes one.
    pub fn certificate(&self) {
        let files = ["-keyout", &self.text("tls.key"), "-out", &self.text("tls.crt")];
        let subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"];
        let openssl = self.sandbox.program("openssl").args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]);
        openssl.args(files).args(subject).succeeds();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.sandbox.path().join(name)
    }

    pub fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// `bottleship images` on the first store.
    pub fn images(&self, args: &[&str]) -> Call {
        self.in_store("store", args)
    }

    pub fn in_store(&self, store: &str, args: &[&str]) -> Call {
        let call = self.sandbox.bottleship(["images", "--store"]).args([self.path(store)]).args(args);
        call.env("HOME", self.path("home")).env("DOCKER_CONFIG", self.path("home/.docker"))
    }

    /// Our own registry, with more arguments.
    pub fn registry(&self, more: &[&str]) -> Registry {
        let serve = self.sandbox.bottleship(["registry", "serve", "--listen", "127.0.0.1:0", "--root"]);
        Registry::start(serve.args([self.path("registry")]).args(more).command())
    }

    /// Gives `bb:1` a name at a registry and pushes it.
    pub fn push(&self, name: &str) -> Output {
        self.images(&["tag", "bb:1", name]).succeeds();
        self.images(&["push", name]).succeeds()
    }

    pub fn whole(&self, store: &str) {
        assert_eq!(self.in_store(store, &["fsck"]).succeeds().stdout, "Everything is what its digest says.\n");
    }

    /// The ids of a store's images.
    pub fn ids(&self, store: &str) -> Vec<String> {
        let told = self.in_store(store, &["ls"]).succeeds().stdout;
        told.lines().skip(1).filter_map(|line| line.split_whitespace().nth(1)).map(str::to_owned).collect()
    }
}

/// Files below a folder.
pub fn files(folder: &Path) -> Vec<String> {
    std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn an_image_is_pushed_and_pulled_in_the_words_of_docker() {
    let place = Place::new();
    let registry = place.registry(&[]);
    let name = format!("{}/team/bb:1", registry.address);
    let told = place.push(&name).stdout;
    assert!(told.starts_with(&format!("The push refers to repository [{}/team/bb]\n", registry.address)), "{told}");
    assert!(told.contains(": Preparing\n") && told.contains(": Pushed\n") && told.contains("\n1: digest: sha256:"), "{told}");
    let told = place.in_store("second", &["pull", &name]).succeeds().stdout;
    assert!(told.starts_with("1: Pulling from team/bb\n"), "{told}");
    for part in [": Pulling fs layer\n", ": Download complete\n", ": Pull complete\n", "\nDigest: sha256:"] {
        assert!(told.contains(part), "{part:?} in {told}");
    }
    assert!(told.ends_with(&format!("Status: Downloaded newer image for {name}\n{name}\n")), "{told}");
    let again = place.in_store("second", &["pull", &name]).succeeds().stdout;
    assert!(again.contains(&format!("Status: Image is up to date for {name}\n")) && !again.contains("fs layer"), "{again}");
    assert_eq!(place.ids("store")[0], place.ids("second")[0]);
    place.whole("second");
    // The other repository gets its layer from the first, without a byte sent.
    let other = format!("{}/other/bb:1", registry.address);
    assert!(place.push(&other).stdout.contains(": Mounted from team/bb\n"));
    assert!(place.images(&["push", &other]).succeeds().stdout.contains(": Layer already exists\n"));
    assert_eq!(place.images(&["tags", &other]).succeeds().stdout, "1\n");
    assert!(place.images(&["manifest", "inspect", &other]).succeeds().stdout.contains("\"schemaVersion\": 2"));
}

#[test]
fn a_digest_pins_and_a_tag_may_move() {
    let place = Place::new();
    let registry = place.registry(&[]);
    let name = format!("{}/bb:1", registry.address);
    place.push(&name);
    let told = place.in_store("second", &["pull", &name]).succeeds().stdout;
    let digest = told.lines().find_map(|line| line.strip_prefix("Digest: ")).expect("a digest").to_owned();
    std::fs::write(place.path("root/etc-motd"), "second\n").expect("a file");
    place.sandbox.program("tar").args(["-C", &place.text("root"), "-cf", &place.text("root.tar"), "."]).succeeds();
    place.images(&["import", &place.text("root.tar"), &name]).succeeds();
    place.images(&["push", &name]).succeeds();
    let moved = place.in_store("second", &["pull", &name]).succeeds().stdout;
    assert!(moved.contains("Downloaded newer image") && !moved.contains(&digest), "{moved}");
    let pinned = format!("{}/bb@{digest}", registry.address);
    let told = place.in_store("third", &["pull", &pinned]).succeeds().stdout;
    assert!(told.contains(&format!("Digest: {digest}\n")) && told.contains(&format!("{digest}: Pulling from bb\n")), "{told}");
    place.in_store("third", &["layers", &pinned]).succeeds();
}

#[test]
fn what_cannot_be_had_is_said_in_the_words_that_people_search_for() {
    let place = Place::new();
    let registry = place.registry(&[]);
    let fails = |args: &[&str]| place.images(args).exits(1).stderr;
    place.push(&format!("{}/bb:1", registry.address));
    let unknown = fails(&["pull", &format!("{}/bb:2", registry.address)]);
    assert!(unknown.contains("manifest unknown") && unknown.contains("hint: `bottleship images tags"), "{unknown}");
    let missing = fails(&["tags", &format!("{}/nobody", registry.address)]);
    assert!(missing.contains("pull access denied for") && missing.contains("may require 'docker login'"), "{missing}");
    let refused = fails(&["pull", "127.0.0.1:1/x"]);
    assert!(refused.contains("connect: connection refused") && refused.contains("hint: nothing listens there"), "{refused}");
    let other = fails(&["--platform", "linux/s390x", "push", "nobody/there:1"]);
    assert!(other.contains("No such image: nobody/there:1"), "{other}");
    assert!(fails(&["pull", "Upper"]).contains("must be lowercase"));
}

#[test]
fn a_mirror_is_asked_first_and_the_pull_goes_on_without_it() {
    let place = Place::new();
    let registry = place.registry(&[]);
    // What is official at the Hub is `library/...` at its mirror.
    place.push(&format!("{}/library/bb:1", registry.address));
    let mirror = format!("http://{}", registry.address);
    let told =
        place.in_store("second", &["pull", "--registry-mirror", "http://127.0.0.1:1", "--registry-mirror", &mirror, "bb:1"]).succeeds();
    assert!(
        told.stdout.contains("the mirror 127.0.0.1:1/library/bb did not help") && told.stdout.contains("Downloaded newer image for bb:1"),
        "{told}"
    );
    assert_eq!(place.ids("second"), place.ids("store")[..1]);
}
