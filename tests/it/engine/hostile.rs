//! Requests, images and archives that try something: section 5 of the list of known attacks, as far as it is about images at an engine.

use std::fs;

use super::{Engine, split, text};
use crate::support::has_program;

/// Requests that take a document, of all parts of the API.
const PATHS: [&str; 10] = [
    "/containers/create",
    "/containers/create?name=x",
    "/containers/none/exec",
    "/exec/none/start",
    "/networks/create",
    "/networks/none/connect",
    "/volumes/create",
    "/auth",
    "/commit?container=none",
    "/build?buildargs=%7B&labels=%5B&t=..",
];

#[test]
fn cve_2024_23650_broken_requests_do_not_end_the_engine() {
    let engine = Engine::with_image();
    let bodies: [Vec<u8>; 8] = [
        Vec::new(),
        b"{".to_vec(),
        b"null".to_vec(),
        b"[[1]]".to_vec(),
        [vec![b'['; 200_000], vec![b']'; 200_000]].concat(),
        br#"{"Image": {}, "Cmd": 7, "HostConfig": [], "Name": -1, "IPAM": "x", "Container": null}"#.to_vec(),
        br#"{"Image": "base:1", "HostConfig": {"Memory": -9223372036854775808, "NanoCpus": 9223372036854775807, "PidsLimit": -7, "Binds": ["", ":", "::"],
            "Mounts": [{}], "PortBindings": {"": null, "x/y": [{}]}, "Ulimits": [{}], "Devices": [{}]}, "ExposedPorts": {"/": {}}}"#
            .to_vec(),
        b"{\"Image\": \"\\u0000\", \"Name\": \"../..\", \"Driver\": \"\\ud800\"}\xff".to_vec(),
    ];
    let file = engine.path("body");
    for body in &bodies {
        fs::write(&file, body).expect("a body");
        for path in PATHS {
            let call =
                engine.curl("POST", path).args(["-H", "content-type: application/json", "--data-binary", &format!("@{}", text(&file))]);
            let (status, told) = split(&call.succeeds().stdout);
            // Whoever panics does not answer at all. A build answers first and fails then, and a volume needs no document: as with docker's.
            assert!(status >= 400 || path.starts_with("/build") || path.starts_with("/volumes"), "{path}: {status} {told}");
            assert!(!told.contains("panicked"), "{path}: {told}");
        }
    }
    for path in ["/images/create?fromImage=%ff", "/images/load", "/images/%00/tag?repo=x", "/images/a/push", "/containers/%2e%2e/start"] {
        let (status, told) = engine.ask("POST", path);
        assert!(status >= 400 || path == "/images/load", "{path}: {status} {told}");
    }
    assert_eq!(engine.ask("GET", "/_ping").1, "OK");
    assert_eq!(engine.json("/containers/json?all=1"), serde_json::json!([]));
}

#[test]
fn cve_2022_23648_volumes_of_an_image_do_not_show_the_machine() {
    let engine = Engine::with_image();
    let canary = engine.path("canary");
    fs::create_dir(&canary).expect("a canary");
    fs::write(canary.join("marker"), "outside-of-all-images").expect("mark it");
    for volume in [format!("/../../../../../../../..{}", canary.display()), format!("/x/../../../../../../../../../..{}", canary.display())]
    {
        let tree = text(&engine.path("root.tar"));
        let imported =
            engine.ours(&["import", "--change", &format!("VOLUME {volume}"), "--change", "CMD [\"sh\"]", &tree, "evil:1"]).output();
        // Refused at any step, or taken to mean a folder of the image.
        if imported.code() == 0 && engine.ours(&["create", "--name", "evil", "--network", "none", "evil:1"]).output().code() == 0 {
            drop(engine.ours(&["start", "evil"]).output());
            engine.ours(&["rm", "-f", "evil"]).succeeds();
        }
        let found = engine.sandbox.program("grep").args(["-rl", "outside-of-all-images", &text(&engine.path("data"))]).output();
        assert_eq!(found.stdout, "", "the machine's files are in a volume");
    }
    assert_eq!(fs::read_dir(&canary).expect("the canary").count(), 1);
}

/// An image may bear any label, those with the names of our own too: what a container may do is said by whoever makes it, and by nobody else.
#[test]
fn cve_2026_53488_labels_of_an_image_steer_nothing() {
    const NAMES: [&str; 7] = [
        "bottleship.fidelity",
        "io.bottleship.build.cache",
        "org.bottleship.version",
        "com.docker.volume.anonymous",
        "com.docker.network.bridge.enable_icc",
        "cdi.k8s.io/device",
        "com.docker.swarm.service.id",
    ];
    let engine = Engine::with_image();
    let tree = text(&engine.path("root.tar"));
    let made = |name: &str, labels: &[String]| {
        let mut words: Vec<&str> = vec!["import", "--change", "VOLUME /data", "--change", "CMD [\"sh\"]"];
        labels.iter().for_each(|label| words.extend(["--change", label]));
        engine.ours(&[&words[..], &[&tree, name]].concat()).succeeds();
        let id = engine.ours(&["create", "--network", "none", name]).succeeds().stdout;
        let shown = engine.json(&format!("/containers/{}/json", id.trim()));
        let volume = shown["Mounts"][0]["Name"].as_str().expect("a volume").to_owned();
        let mounts = shown["Mounts"].to_string().replace(&volume, "VOLUME");
        let volume = engine.json(&format!("/volumes/{volume}"));
        (shown["HostConfig"].clone(), mounts, volume["Labels"].clone(), shown["Config"]["Labels"].clone())
    };
    let plain = made("plain:1", &[]);
    let labelled = made("labelled:1", &NAMES.map(|name| format!("LABEL {name}=privileged")));
    assert_eq!((&plain.0, &plain.1, &plain.2), (&labelled.0, &labelled.1, &labelled.2));
    // They are there, and nothing but words.
    assert!(NAMES.iter().all(|name| labelled.3[*name] == "privileged"), "{}", labelled.3);
}

#[test]
fn cve_2026_50195_a_load_tells_whose_name_it_takes() {
    let engine = Engine::with_image();
    let (root, tar, archive) = (engine.path("other"), engine.path("other.tar"), engine.path("archive.tar"));
    fs::create_dir(&root).expect("a tree");
    fs::write(root.join("file"), "another").expect("a file");
    engine.sandbox.program("tar").args(["-C", &text(&root), "-cf", &text(&tar), "."]).succeeds();
    let images = |words: &[&str]| engine.sandbox.bottleship(["images", "--store"]).args([engine.path("elsewhere")]).args(words).succeeds();
    images(&["import", &text(&tar), "base:1"]);
    images(&["save", "base:1", "-o", &text(&archive)]);
    let before = engine.json("/images/base:1/json")["Id"].as_str().expect("an id").to_owned();
    let told = engine.ours(&["load", "-i", &text(&archive)]).succeeds().stdout;
    let moved = format!("The image base:1 already exists, renaming the old one with ID {before} to empty string\n");
    assert!(told.contains(&moved) && told.contains("Loaded image: base:1"), "{told}");
    // What had the name is there, without it; and to load it again moves nothing.
    assert_eq!(engine.ours(&["images", "-q", "--no-trunc", "-f", "dangling=true"]).succeeds().stdout.trim(), before);
    assert_eq!(engine.ours(&["load", "-i", &text(&archive)]).succeeds().stdout, "Loaded image: base:1\n");
}

#[test]
fn a_part_of_an_index_is_known_by_the_digest_that_the_registry_gave_it() {
    let engine = Engine::start();
    let registry = super::Registry::start(&engine.sandbox);
    let (all, again) = (format!("{}/me/hello:1", registry.address), format!("{}/me/again", registry.address));
    let images = |words: &[&str]| engine.sandbox.bottleship(["images", "--store"]).args([engine.path("elsewhere")]).args(words).succeeds();
    images(&["course", "hello-world"]);
    images(&["tag", "hello-world", &all]);
    images(&["push", &all]);
    engine.ours(&["pull", &all]).succeeds();
    engine.ours(&["tag", &all, &format!("{again}:2")]).succeeds();
    let pushed = engine.ours(&["push", &format!("{again}:2")]).succeeds().stdout;
    assert!(pushed.contains("of the index is here, so only it was pushed"), "{pushed}");
    let digest = pushed.lines().find_map(|line| line.strip_prefix("2: digest: ")?.split(' ').next()).expect("a digest");
    let known = engine.ours(&["image", "inspect", "-f", "{{json .RepoDigests}}", &format!("{again}:2")]).succeeds().stdout;
    assert!(known.contains(&format!("\"{again}@{digest}\"")), "{digest} in {known}");
    engine.ours(&["image", "inspect", &format!("{again}@{digest}")]).succeeds();
    // It is one image, and the registry knows it by that digest.
    assert_eq!(engine.ours(&["images", "-q", "--no-trunc"]).succeeds().stdout.lines().collect::<std::collections::BTreeSet<_>>().len(), 1);
    if has_program("docker") {
        let theirs = engine.docker(&["image", "inspect", "-f", "{{json .RepoDigests}}", &format!("{again}:2")]).succeeds().stdout;
        assert!(theirs.contains(digest), "{theirs}");
    }
}
