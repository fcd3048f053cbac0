//! The images to build on, and the first one that everybody runs.

use super::families::{self, Release};
use super::hello;
use super::plan::{PATH, Plan};
use super::recipe::{Fidelity, Recipe};
use super::tree::Tree;
use crate::oci::image::spec::Platform;

/// The bases of the catalog.
pub const RECIPES: &[Recipe] = &[
    Recipe {
        platforms: &hello::PLATFORMS,
        ..Recipe::new(
            "hello-world",
            &["latest", "linux"],
            Fidelity::StandIn,
            "One static program of a few dozen bytes of machine code, assembled by Bottleship; the text begins as the real one's and goes on in our words.",
            hello_world,
        )
    },
    Recipe::new(
        "busybox",
        &["latest", "1", "1.36", "1.35", "stable", "musl", "glibc", "uclibc"],
        Fidelity::Real,
        "The BusyBox of this machine; which version and applets, is up to the machine and not to the tag.",
        |_, _| families::busybox_image(),
    ),
    Recipe::new(
        "alpine",
        &["latest", "edge", "3", "3.22", "3.21", "3.20", "3.19", "3.19.1", "3.18", "3.12", "3.9", "3.8"],
        Fidelity::StandIn,
        "Alpine's shape with this machine's BusyBox; `apk` installs from a list of the toolbox, and there is no musl to link with.",
        |tag, _| families::alpine(&alpine_release(tag)),
    ),
    Recipe::new(
        "gcr.io/google-containers/alpine-with-bash",
        &["1.0"],
        Fidelity::StandIn,
        "The `alpine` of this catalog with the bash of this machine.",
        |_, _| alpine_with_bash(),
    ),
    Recipe::new(
        "debian",
        &["latest", "12", "12-slim", "bookworm", "bookworm-slim", "stable", "stable-slim", "bullseye", "bullseye-slim", "11", "buster"],
        Fidelity::StandIn,
        "Debian's shape with the bash and dash of this machine and BusyBox for the other programs; `apt-get` installs from a list of the toolbox.",
        |tag, _| families::debian(&debian_release(tag)),
    ),
    Recipe::new(
        "ubuntu",
        &["latest", "24.04", "noble", "22.04", "jammy", "20.04", "focal", "18.04", "bionic", "16.04", "xenial", "14.04", "trusty"],
        Fidelity::StandIn,
        "Ubuntu's shape with the bash and dash of this machine and BusyBox for the other programs; `apt-get` installs from a list of the toolbox.",
        |tag, _| families::debian(&ubuntu_release(tag)),
    ),
    Recipe::new(
        "centos",
        &["latest", "8", "centos8", "7", "centos7"],
        Fidelity::StandIn,
        "CentOS' shape with the bash of this machine and BusyBox for the other programs; `yum` installs from a list of the toolbox.",
        |tag, _| families::fedora(&centos_release(tag)),
    ),
    Recipe::new(
        "docker",
        &["cli", "26.0.1-cli", "28-cli"],
        Fidelity::StandIn,
        "Bottleship's `docker` command line on Alpine's shape: a client without an engine, which wants the socket of one (-v /var/run/docker.sock:/var/run/docker.sock).",
        |tag, _| docker_cli(tag),
    ),
    Recipe::new("gcr.io/distroless/static", DISTROLESS_TAGS, Fidelity::StandIn, DISTROLESS, |tag, _| distroless(tag)),
    Recipe::new("gcr.io/distroless/static-debian12", DISTROLESS_TAGS, Fidelity::StandIn, DISTROLESS, |tag, _| distroless(tag)),
    Recipe::new("fedora", FEDORA_TAGS, Fidelity::StandIn, FEDORA, |tag, _| families::fedora(&fedora_release(tag))),
    Recipe::new("quay.io/fedora/fedora", FEDORA_TAGS, Fidelity::StandIn, FEDORA, |tag, _| families::fedora(&fedora_release(tag))),
];

const DISTROLESS_TAGS: &[&str] = &["latest", "nonroot", "debug", "debug-nonroot"];
const DISTROLESS: &str = "Distroless' shape for static programs: users, /tmp and nothing that runs, not even a shell; with `debug` BusyBox in /busybox. \
    No time zones, and authorities come from the engine.";

const FEDORA_TAGS: &[&str] = &["latest", "42", "41", "40"];
const FEDORA: &str =
    "Fedora's shape with the bash of this machine and BusyBox for the other programs; `dnf` installs from a list of the toolbox.";

fn hello_world(_tag: &str, platform: &Platform) -> Plan {
    let Some(program) = hello::program(platform) else {
        return Plan::refused(format!(
            "it is machine code, and there is none for {platform}: there is for {}",
            hello::PLATFORMS.join(" and ")
        ));
    };
    Plan::scratch().layer("COPY hello /", Tree::default().program("hello", program)).cmd(&["/hello"])
}

/// The release of a tag of `alpine`: a short version means its last patch.
pub fn alpine_release(tag: &str) -> Release {
    let version = match tag {
        "3.8" => "3.8.5",
        "3.9" => "3.9.6",
        "3.12" => "3.12.12",
        "3.18" => "3.18.12",
        "3.19" => "3.19.9",
        "3.19.1" => "3.19.1",
        "3.20" => "3.20.8",
        "3.21" => "3.21.5",
        _ => "3.22.2",
    };
    Release { name: "Alpine Linux", id: "alpine", like: "", version, code_name: "" }
}

fn docker_cli(tag: &str) -> Plan {
    let version = if tag == "26.0.1-cli" { "26.0.1" } else { "28.2.2" };
    let tree = Tree::default().link("usr/local/bin/docker", &families::of_toolbox("toolbox"));
    families::alpine(&alpine_release("latest")).env("DOCKER_VERSION", version).layer("COPY docker /usr/local/bin/", tree).cmd(&["sh"])
}

/// No toolbox below: an image for one static program holds nothing else.
fn distroless(tag: &str) -> Plan {
    let tree = families::accounts(Tree::default(), "/sbin/nologin", &[("nonroot", 65532, "/home/nonroot")])
        .folder_with("tmp", 0o1777)
        .folder_with("root", 0o700)
        .folder_with("home/nonroot", 0o700)
        .owned("home/nonroot", 65532, 65532)
        .text("etc/nsswitch.conf", "hosts: files dns\n")
        .text("etc/os-release", debian_release("12").os_release());
    let plan = Plan::scratch().env("PATH", PATH).layer("COPY passwd, group, tmp and home", tree);
    let plan = if tag.starts_with("debug") { debug_shell(plan) } else { plan };
    let plan = if tag.ends_with("nonroot") { plan.user("65532").workdir("/home/nonroot") } else { plan.user("0") };
    plan.env("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt")
}

/// BusyBox in `/busybox`, where the debug images of distroless have it.
fn debug_shell(plan: Plan) -> Plan {
    match families::busybox_folder("busybox") {
        Ok(tree) => plan.layer("COPY busybox /busybox", tree).env("PATH", &format!("{PATH}:/busybox")).entrypoint(&["/busybox/sh"]),
        Err(error) => Plan::refused(error.to_string()),
    }
}

fn alpine_with_bash() -> Plan {
    let bash = families::shell_links(Tree::default().folder("usr/bin").folder("usr/lib").folder("usr/lib64").link("lib64", "usr/lib64"));
    families::alpine(&alpine_release("latest")).layer("RUN apk add bash", bash).cmd(&["/bin/sh"])
}

/// The release of a tag of `debian`.
pub fn debian_release(tag: &str) -> Release {
    let (version, code_name) = match tag.trim_end_matches("-slim") {
        "bullseye" | "11" => ("11", "bullseye"),
        "buster" => ("10", "buster"),
        _ => ("12", "bookworm"),
    };
    Release { name: "Debian GNU/Linux", id: "debian", like: "", version, code_name }
}

fn ubuntu_release(tag: &str) -> Release {
    let (version, code_name) = match tag {
        "22.04" | "jammy" => ("22.04", "jammy"),
        "20.04" | "focal" => ("20.04", "focal"),
        "18.04" | "bionic" => ("18.04", "bionic"),
        "16.04" | "xenial" => ("16.04", "xenial"),
        "14.04" | "trusty" => ("14.04", "trusty"),
        _ => ("24.04", "noble"),
    };
    Release { name: "Ubuntu", id: "ubuntu", like: "debian", version, code_name }
}

fn centos_release(tag: &str) -> Release {
    let version = if tag.ends_with('7') { "7" } else { "8" };
    Release { name: "CentOS Linux", id: "centos", like: "rhel fedora", version, code_name: "" }
}

fn fedora_release(tag: &str) -> Release {
    let version = match tag {
        "40" => "40",
        "41" => "41",
        _ => "42",
    };
    Release { name: "Fedora Linux", id: "fedora", like: "", version, code_name: "" }
}
