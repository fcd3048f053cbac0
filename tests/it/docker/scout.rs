//! `docker scout` and `docker scan`: the engine's image, and the course's advisories.

use std::fs;

use super::engine;

#[test]
fn an_image_of_the_engine_is_looked_up_in_the_advisories() {
    let engine = engine();
    let package = |name: &str, version: &str, source: &str| {
        format!("Package: {name}\nStatus: install ok installed\nSource: {source}\nVersion: {version}\n\n")
    };
    let context = engine.path("old");
    fs::create_dir(&context).expect("a context");
    fs::write(context.join("status"), package("libssl1.1", "1.1.1k-1+deb11u1", "openssl")).expect("a database");
    fs::write(context.join("os-release"), "ID=debian\nVERSION_ID=\"11\"\nPRETTY_NAME=\"Debian GNU/Linux 11 (bullseye)\"\n")
        .expect("a release");
    fs::write(context.join("Dockerfile"), "FROM scratch\nCOPY status /var/lib/dpkg/\nCOPY os-release /etc/\n").expect("a Dockerfile");
    engine.ours(&["build", "-q", "-t", "old:1", "old"]).succeeds();
    let told = engine.ours(&["scout", "quickview", "old:1"]).succeeds().stdout;
    for words in
        ["old:1", "0C  1H  0M  0L", "1 packages", "The release ended on 2026-08-31", "a count of 0 says nothing", "docker scout cves old:1"]
    {
        assert!(told.contains(words), "{words:?} in {told}");
    }
    let told = engine.ours(&["scout", "cves", "old:1"]).succeeds().stdout;
    assert!(told.contains("CVE-2022-0778  libssl1.1  1.1.1k-1+deb11u1  1.1.1k-1+deb11u2"), "{told}");
    engine.ours(&["scout", "cves", "-e", "old:1"]).exits(2);
    engine.ours(&["scout", "cves", "-e", "--only-severity", "critical,low", "old:1"]).succeeds();
    let json = engine.ours(&["scout", "cves", "--format", "json", "old:1"]).succeeds().stdout;
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!((&json["image"], &json["findings"][0]["id"]), (&"old:1".into(), &"CVE-2022-0778".into()));
    assert!(engine.ours(&["scan", "old:1"]).exits(1).stdout.contains("CVE-2022-0778"));
    let none = engine.ours(&["scout", "quickview", "base:1"]).succeeds().stdout;
    assert!(none.contains("No package database was found"), "{none}");
    let absent = engine.ours(&["scout", "cves", "nosuch:1"]).exits(1).stderr;
    assert!(absent.contains("No such image: nosuch:1") && absent.contains("hint: bring it in first"), "{absent}");
    assert!(engine.ours(&["scout", "cves", "--format", "sarif", "old:1"]).exits(1).stderr.contains("unsupported format \"sarif\""));
    assert!(engine.ours(&["scout", "cves", "--only-severity", "huge", "old:1"]).exits(1).stderr.contains("unknown severity \"huge\""));
}
