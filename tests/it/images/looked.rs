//! `bottleship dive` and `bottleship images scan`: what is in an image, what of it is wasted, what of it is known to be faulty.

use std::fs;

use serde_json::Value;

use super::Store;
use crate::support::{Call, has_program, skip};

/// A store with `bb:1`, and above it `bb:2`: a secret that came with one layer and went with the next, a file that was replaced.
fn wasteful() -> Store {
    let store = Store::new();
    let upper = store.path("upper");
    fs::create_dir_all(upper.join("srv")).unwrap();
    fs::write(upper.join("srv/secret.key"), "k".repeat(5000)).unwrap();
    fs::write(upper.join("srv/page"), "p".repeat(1000)).unwrap();
    store.run(&["commit", "bb:1", upper.to_str().unwrap(), "bb:with"]);
    // The next layer as an archive: whiteouts need a device node or the rights to make one.
    let dockerfile = "FROM bb:with\nRUN rm /srv/secret.key && echo new > /srv/page\n";
    let context = store.path("context");
    fs::create_dir(&context).unwrap();
    fs::write(context.join("Dockerfile"), dockerfile).unwrap();
    let build = store.sandbox.bottleship(["build", "-q", "-t", "bb:2", "--store"]).args([store.path("store")]).args([context]);
    build.succeeds();
    store
}

fn dive(store: &Store, args: &[&str]) -> Call {
    store.sandbox.bottleship(["dive", "--store"]).args([store.path("store")]).args(args)
}

#[test]
fn dive_finds_what_nobody_sees() {
    let store = wasteful();
    let told = dive(&store, &["bb:2"]).succeeds().stdout;
    assert!(told.starts_with("LAYER  SIZE") && told.contains(" in 3 layers, 6kB of it wasted: "), "{told}");
    let waste: Vec<Vec<&str>> =
        told.lines().skip_while(|line| !line.starts_with("WASTED")).skip(1).map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(waste, [["5kB", "2", "/srv/secret.key"], ["1kB", "2", "/srv/page"]], "{told}");
    let third = dive(&store, &["bb:2", "--layer", "3"]).succeeds().stdout;
    assert!(third.contains("- secret.key") && third.contains("~ page") && third.contains("rm /srv/secret.key"), "{third}");
    assert!(!dive(&store, &["bb:2", "--tree"]).succeeds().stdout.contains("secret.key\n     "), "the whole image has it no more");
    let json: Value = serde_json::from_str(&dive(&store, &["bb:2", "--json"]).succeeds().stdout).unwrap();
    assert_eq!((json["inefficientBytes"].as_u64(), json["layers"].as_array().map(Vec::len)), (Some(6000), Some(3)));
    let score = json["efficiencyScore"].as_f64().unwrap();
    assert!(score > 0.9 && score < 1.0, "{score}");
    assert!(dive(&store, &["bb:2", "--lowest-efficiency", "99.99"]).exits(1).stderr.contains("were asked for"));
    dive(&store, &["bb:2", "--lowest-efficiency", "50"]).succeeds();
    assert!(dive(&store, &["bb:2", "--layer", "4"]).exits(1).stderr.contains("the image has 3"));
    let missing = dive(&store, &["nothing"]).exits(1).stderr;
    assert!(missing.contains("No such image: nothing") && missing.contains("hint: bring it in first"), "{missing}");
}

#[test]
fn a_scan_finds_what_the_list_names() {
    let store = Store::new();
    let upper = store.path("upper");
    fs::create_dir_all(upper.join("var/lib/dpkg")).unwrap();
    fs::create_dir_all(upper.join("etc")).unwrap();
    fs::write(upper.join("etc/os-release"), "ID=debian\nVERSION_ID=\"11\"\nPRETTY_NAME=\"Debian GNU/Linux 11 (bullseye)\"\n").unwrap();
    let status = |name: &str, version: &str, source: &str| {
        format!("Package: {name}\nStatus: install ok installed\nSource: {source}\nVersion: {version}\n\n")
    };
    let database = status("libssl1.1", "1.1.1k-1+deb11u1", "openssl") + &status("zlib1g", "1:1.2.11.dfsg-2+deb11u2", "zlib");
    fs::write(upper.join("var/lib/dpkg/status"), database).unwrap();
    store.run(&["commit", "bb:1", upper.to_str().unwrap(), "old:1"]);
    let scan = |args: &[&str]| store.call(&[&["scan"], args].concat());
    let told = scan(&["old:1"]).succeeds().stdout;
    assert!(told.contains("Debian GNU/Linux 11 (bullseye), 2 packages") && told.contains("The release ended on 2026-08-31"), "{told}");
    assert!(told.contains("HIGH      CVE-2022-0778  libssl1.1  1.1.1k-1+deb11u1  1.1.1k-1+deb11u2"), "{told}");
    assert!(!told.contains("zlib1g") && told.contains("1 known fault found: 0 critical, 1 high, 0 medium, 0 low"), "{told}");
    let json: Value = serde_json::from_str(&scan(&["--format", "json", "--exit-code", "old:1"]).exits(2).stdout).unwrap();
    assert_eq!((&json["findings"][0]["id"], json["packages"].as_u64()), (&Value::from("CVE-2022-0778"), Some(2)));
    scan(&["--exit-code", "--only-severity", "critical,low", "old:1"]).succeeds();
    // Another list, and one that is none.
    let ours = store.path("ours.yaml");
    let advisory = "{id: OURS-1, title: everything, severity: low, distribution: any, package: zlib1g}";
    fs::write(&ours, format!("schema: 1\nupdated: 2026-11-21\nadvisories: [{advisory}]\n")).unwrap();
    let told = scan(&["--advisories", ours.to_str().unwrap(), "old:1"]).succeeds().stdout;
    assert!(told.contains("OURS-1") && told.contains("none") && !told.contains("CVE-"), "{told}");
    scan(&["--advisories", ours.to_str().unwrap(), "--only-fixed", "--exit-code", "old:1"]).succeeds();
    fs::write(&ours, "schema: 7\n").unwrap();
    assert!(scan(&["--advisories", ours.to_str().unwrap(), "old:1"]).exits(1).stderr.contains("ours.yaml"));
    assert!(
        scan(&["bb:1"]).succeeds().stdout.contains("No package database was found"),
        "an image without packages is not said to be sound"
    );
}

#[test]
fn the_course_images_have_something_to_find() {
    let store = Store::new();
    store.run(&["course", "alpine:3.8"]);
    let context = store.path("context");
    fs::create_dir(&context).unwrap();
    fs::write(context.join("Dockerfile"), "FROM alpine:3.8\nRUN apk add --no-cache curl tree\n").unwrap();
    store.sandbox.bottleship(["build", "-q", "-t", "app", "--store"]).args([store.path("store")]).args([context]).succeeds();
    let told = store.call(&["scan", "-e", "app"]).exits(2).stdout;
    for words in ["The release ended on 2020-05-01", "EXERCISE-1", "(an exercise)", "2 known faults found"] {
        assert!(told.contains(words), "{words:?} is not in {told}");
    }
}

#[test]
fn an_image_that_is_built_says_what_it_needs() {
    let store = Store::new();
    let printed = store.run(&["build", "--print", "postgres"]).stdout;
    assert!(printed.starts_with("FROM bottleship/machine\n") && printed.contains("VOLUME /var/lib/postgresql/data"), "{printed}");
    for (name, why) in [
        ("alpine", "it is made and not built: `bottleship images course` makes it"),
        ("nothing", "the course builds no image of that name; there are postgres"),
        ("oven/bun", "no distribution has Bun"),
    ] {
        let told = store.call(&["build", name]).exits(1).stderr;
        assert!(told.contains(why), "{name}: {told}");
    }
    let told = store.call(&["course", "mysql"]).exits(1).stderr;
    assert!(told.contains("`bottleship images build mysql`"), "{told}");
    // A machine without a package manager: nothing is begun.
    let told = store.call(&["build", "postgres"]).env("PATH", store.path("nothing")).exits(1).stderr;
    assert!(told.contains("this machine has no `apt-get`") && told.contains("`--internet real`"), "{told}");
    if !has_program("apt-get") || !has_program("dpkg-deb") {
        return skip(
            "images::looked::an_image_that_is_built_says_what_it_needs",
            "apt-get is not installed: the half with unreachable sources",
        );
    }
    // And one whose sources do not answer: a network with nothing in it.
    let mut words = vec!["--net"];
    if crate::support::rights() == crate::support::Rights::UserNamespaces {
        words.extend(["--user", "--map-root-user"]);
    }
    let call = store
        .sandbox
        .program("unshare")
        .args(words)
        .args([crate::support::binary()])
        .args(["images", "--store"])
        .args([store.path("store")]);
    let told = call.args(["build", "node"]).exits(1).stderr;
    assert!(told.contains("no package source of this machine answers"), "{told}");
    assert!(!told.contains("panicked"), "{told}");
}
