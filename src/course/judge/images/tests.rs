//! Facts about images on documents written by hand: each key that holds, and the same with something changed so that it does not.

use serde_json::{Value, json};

use super::super::super::question::Question;
use super::super::super::view::Verdict;
use super::super::super::world::{Down, Look, World};
use super::super::say;
use super::super::tests::{complaints_of, judged_at_once};
use crate::bottle::Probe;

/// A host with two images, one built on the other, and a registry that has one of them under two tags.
struct Shop;

fn image(name: &str) -> Value {
    let base = json!({"exists": true, "names": ["base:1"], "image_id": "sha256:aaaa", "digest": "sha256:da", "dangling": false, "layers": 1,
        "diff_ids": ["sha256:1"], "image_size": 5_000_000, "history": ["ADD / /"], "env": [], "labels": {}, "platform": "linux/amd64"});
    let shop = json!({"exists": true, "names": ["shop:1"], "image_id": "sha256:bbbb", "digest": "sha256:db", "dangling": false, "layers": 3,
        "diff_ids": ["sha256:1", "sha256:2", "sha256:3"], "image_size": 8_100_000, "history": ["ADD / /", "ENV KEY=s3", "COPY . /app"],
        "entrypoint": ["/app/shop"], "cmd": ["--port", "80"], "user": "ada", "env": ["PATH=/bin", "KEY=s3"], "labels": {"tier": "web"},
        "workdir": "/app", "ports": ["80/tcp"], "volumes": ["/data"], "healthcheck": ["CMD-SHELL", "curl localhost"], "stop_signal": "SIGQUIT",
        "onbuild": ["COPY . /src"], "platform": "linux/amd64"});
    match name {
        "base:1" => base,
        "shop:1" | "shop:latest" => shop,
        _ => json!({"exists": false}),
    }
}

fn layers() -> Value {
    let file = |layer: u64, path: &str, content: &str| json!({"layer": layer, "path": path, "kind": "file", "mode": "0600", "owner": "0:0", "whiteout": false, "content": content});
    json!({"exists": true,
        "layers": [{"number": 1, "diff_id": "sha256:1", "created_by": "ADD / /"}, {"number": 2, "diff_id": "sha256:2", "created_by": "/bin/sh -c #(nop) COPY . /app "},
            {"number": 3, "diff_id": "sha256:3", "created_by": "RUN rm /app/key # buildkit"}],
        "files": [file(2, "/app/key", "sesame\n"), {"layer": 3, "path": "/app/key", "kind": "whiteout", "mode": "0000", "owner": "0:0", "whiteout": true}]})
}

fn registry(at: &str, blob: Option<&str>) -> Value {
    let digest = if at.ends_with(":2") { "sha256:dc" } else { "sha256:db" };
    match at {
        "gone:5000" => json!({"answers": "refused", "why": "dial tcp: connect: connection refused", "exists": false, "tags": []}),
        at if at.ends_with(":9") => {
            json!({"answers": "yes", "tls": true, "auth": "basic", "exists": false, "why": "manifest unknown", "tags": ["1", "2"]})
        }
        _ => json!({"answers": "yes", "tls": true, "auth": "basic", "accepts": true, "exists": true, "digest": digest, "tags": ["1", "2"],
            "blob": blob == Some("sha256:yes")}),
    }
}

impl World for Shop {
    fn look(&mut self, _: &str, look: &Look) -> Result<Value, String> {
        Ok(match look {
            Look::Ask(Question::Image { name }) => image(name),
            Look::Ask(Question::Images) => json!({"images": [image("base:1"), image("shop:1"), {"names": [], "dangling": true}]}),
            Look::Ask(Question::Layers { image, .. }) if image == "shop:1" => layers(),
            Look::Ask(Question::Layers { .. }) => json!({"exists": false, "layers": [], "files": []}),
            Look::Ask(Question::Registry { at, blob, .. }) => registry(at, blob.as_deref()),
            Look::Probe(Probe::File { path, .. }) if path == "/old" => {
                json!({"exists": true, "content": format!("sha256:{}\n", "0".repeat(64))})
            }
            Look::Probe(Probe::File { .. }) => json!({"exists": false}),
            _ => json!({}),
        })
    }
}

/// What holds, what does not, with what verdict, and what was seen.
const TABLE: &[(&str, &str, Verdict, &str)] = &[
    ("kind: exists, of: image/shop:1", "kind: exists, of: image/nope", Verdict::NotYet, "it is not there"),
    (
        "kind: field, of: image/shop:1, path: labels.tier, is: web",
        "kind: field, of: image/shop:1, path: cmd.1, is: \"81\"",
        Verdict::Fail,
        "80",
    ),
    ("kind: count, of: images, where: {dangling: \"true\"}, is: 1", "kind: count, of: images, is: 2", Verdict::Fail, "3"),
    ("kind: image, name: shop:1", "kind: image, name: nope", Verdict::NotYet, "no such image"),
    ("kind: image, name: nope, exists: false", "kind: image, name: shop:1, exists: false", Verdict::Fail, "it is there"),
    (
        "kind: image, name: shop:1, entrypoint: [/app/shop], cmd: [--port, \"80\"]",
        "kind: image, name: shop:1, cmd: [\"80\"]",
        Verdict::Fail,
        "[\"--port\", \"80\"]",
    ),
    ("kind: image, name: base:1, entrypoint: none", "kind: image, name: shop:1, cmd: none", Verdict::Fail, "[\"--port\", \"80\"]"),
    ("kind: image, name: shop:1, user: ada, workdir: /app", "kind: image, name: base:1, user: ada", Verdict::Fail, "nothing"),
    ("kind: image, name: shop:1, stop_signal: SIGQUIT", "kind: image, name: shop:1, platform: linux/arm64", Verdict::Fail, "linux/amd64"),
    ("kind: image, name: shop:1, env: {KEY: ^s}", "kind: image, name: base:1, env: {KEY: .}", Verdict::Fail, "no KEY"),
    ("kind: image, name: shop:1, labels: {tier: web}", "kind: image, name: shop:1, labels: {tier: ^db$}", Verdict::Fail, "web"),
    ("kind: image, name: shop:1, ports: [80/tcp]", "kind: image, name: shop:1, ports: [81/tcp]", Verdict::Fail, "80/tcp"),
    ("kind: image, name: shop:1, volumes: [/data]", "kind: image, name: base:1, volumes: [/data]", Verdict::Fail, "nothing"),
    ("kind: image, name: shop:1, healthcheck: curl", "kind: image, name: base:1, healthcheck: curl", Verdict::Fail, "nothing"),
    ("kind: image, name: shop:1, onbuild: ^COPY", "kind: image, name: shop:1, onbuild: ^RUN", Verdict::Fail, "COPY . /src"),
    ("kind: image, name: base:1, history_lacks: KEY", "kind: image, name: shop:1, history_lacks: KEY", Verdict::Fail, "ENV KEY=s3"),
    ("kind: image, name: shop:1, history: ^COPY", "kind: image, name: base:1, history: ^COPY", Verdict::Fail, "no such instruction"),
    ("kind: image, name: shop:1, size_at_most: 8M", "kind: image, name: shop:1, size_at_most: 7M", Verdict::Fail, "8.1 MB"),
    (
        "kind: image, name: shop:1, layers_at_most: 3, layers_at_least: 3",
        "kind: image, name: shop:1, layers_at_most: 2",
        Verdict::Fail,
        "3",
    ),
    ("kind: image, name: shop:1, same_as: shop:latest", "kind: image, name: shop:1, same_as: base:1", Verdict::Fail, "bbbb"),
    ("kind: image, name: shop:1, differs_from: base:1", "kind: image, name: shop:1, differs_from: nope", Verdict::NotYet, "no such image"),
    ("kind: image, name: shop:1, built_on: base:1", "kind: image, name: base:1, built_on: shop:1", Verdict::Fail, "its lowest layer is 1"),
    (
        "kind: layer, image: shop:1, path: /app/key, is: sesame",
        "kind: layer, image: shop:1, path: /app/key, present: false",
        Verdict::Fail,
        "layer 2 of 3 (COPY . /app)",
    ),
    (
        "kind: layer, image: shop:1, path: /app/key, whiteout: true, which: top",
        "kind: layer, image: shop:1, path: /app/key, whiteout: true, which: 2",
        Verdict::NotYet,
        "in no layer",
    ),
    (
        "kind: layer, image: shop:1, contains: sesame, which: bottom, above: base:1",
        "kind: layer, image: shop:1, contains: sesame, present: false",
        Verdict::Fail,
        "layer 2 of 3 (COPY . /app)",
    ),
    (
        "kind: layer, image: shop:1, path: /app/key, above: shop:latest, present: false",
        "kind: layer, image: shop:1, path: /app/key, mode: \"0644\"",
        Verdict::Fail,
        "mode 0600",
    ),
    (
        "kind: layer, image: shop:1, path: /app/key, not: x",
        "kind: layer, image: nope, path: /x, present: false",
        Verdict::NotYet,
        "no such image",
    ),
    ("kind: registry, at: reg:5000, tls: true, auth: needed", "kind: registry, at: reg:5000, tls: false", Verdict::Fail, "it speaks TLS"),
    (
        "kind: registry, at: gone:5000, answers: refused",
        "kind: registry, at: gone:5000",
        Verdict::NotYet,
        "dial tcp: connect: connection refused",
    ),
    ("kind: registry, at: reg:5000/shop:1, image: shop:1", "kind: registry, at: reg:5000/shop:2, image: shop:1", Verdict::Fail, "dc"),
    (
        "kind: registry, at: reg:5000/shop:1, differs_from: reg:5000/shop:2",
        "kind: registry, at: reg:5000/shop:1, same_as: reg:5000/shop:2",
        Verdict::Fail,
        "db",
    ),
    (
        "kind: registry, at: reg:5000/shop:1, digest: \"sha256:db\"",
        "kind: registry, at: reg:5000/shop:1, digest: /old",
        Verdict::Fail,
        "db",
    ),
    (
        "kind: registry, at: reg:5000/shop:9, exists: false",
        "kind: registry, at: reg:5000/shop:9, exists: true",
        Verdict::NotYet,
        "manifest unknown",
    ),
    ("kind: registry, at: reg:5000/shop, tags: [2, 1]", "kind: registry, at: reg:5000/shop, tags: [1]", Verdict::Fail, "1, 2"),
    ("kind: registry, at: reg:5000/shop, has_tags: [1]", "kind: registry, at: reg:5000/shop, lacks_tags: ^2", Verdict::Fail, "1, 2"),
    (
        "kind: registry, at: reg:5000/shop, has_blob: sha256:yes",
        "kind: registry, at: reg:5000/shop, has_blob: /old",
        Verdict::Fail,
        "the blob is not there",
    ),
    (
        "kind: registry, at: reg:5000/shop, lacks_blob: /old",
        "kind: registry, at: reg:5000/shop, lacks_blob: /none",
        Verdict::NotYet,
        "no digest",
    ),
    (
        "kind: registry, at: reg:5000, login: \"ann:x\", accepts: true",
        "kind: registry, at: reg:5000, login: \"ann:x\", accepts: false",
        Verdict::Fail,
        "it takes the password",
    ),
];

#[test]
fn every_key_holds_and_does_not() {
    for (good, bad, verdict, got) in TABLE {
        let (fact, finding) = judged_at_once(good, &mut Shop);
        assert_eq!((finding.verdict, *good), (Verdict::Pass, *good), "{finding:?}");
        let said = say(&fact, &finding);
        assert!(said.ends_with('.') && !said.contains('{') && said.len() > 10, "{good}: {said}");
        let finding = judged_at_once(bad, &mut Shop).1;
        assert_eq!((finding.verdict, finding.got.as_str(), *bad), (*verdict, *got, *bad));
    }
}

#[test]
fn a_world_that_is_down_is_an_error_of_every_kind() {
    for (good, ..) in TABLE {
        assert_eq!(judged_at_once(good, &mut Down).1.verdict, Verdict::Error, "{good}");
    }
}

#[test]
fn what_holds_is_said_in_a_sentence() {
    let told: Vec<String> = TABLE
        .iter()
        .map(|(good, ..)| {
            let (fact, finding) = judged_at_once(good, &mut Shop);
            say(&fact, &finding)
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn slips_of_authors_are_named() {
    let first = |text: &str| complaints_of(text).1.into_iter().next().unwrap_or_default();
    let cases = [
        ("kind: image, user: ada", "`fact.name`: is missing"),
        ("kind: image, name: x, entrypiont: [a]", "did you mean `entrypoint`?"),
        ("kind: image, name: x, size_at_most: big", "`big` cannot be read"),
        ("kind: image, name: x, history: \"(\"", "no valid pattern"),
        ("kind: layer, image: x", "`fact.path`: is missing"),
        ("kind: layer, image: x, path: /a, paths: b", "only one at a time"),
        ("kind: layer, image: x, path: a", "is no whole path"),
        ("kind: layer, image: x, contains: a, matches: b", "more than one comparison"),
        ("kind: layer, image: x, is: a", "in a way that files do not have"),
        ("kind: layer, image: x, path: /a, which: 0", "`0` cannot be read"),
        ("kind: registry, tls: true", "`fact.at`: is missing"),
        ("kind: registry, at: reg:5000, exists: true", "no repository in it, which `exists` asks about"),
        ("kind: registry, at: reg:5000, accepts: true", "needs a name and a password"),
        ("kind: registry, at: reg:5000, auth: digest", "`digest` is not known here"),
    ];
    for (text, wanted) in cases {
        assert!(first(text).contains(wanted), "{text}: {}", first(text));
    }
}

#[test]
fn a_text_is_searched_as_it_stands() {
    let (fact, _) = complaints_of("kind: layer, image: x, contains: \"a.b+c\"");
    let super::super::super::fact::Kind::Layer(layer) = fact.unwrap().kind else { panic!("no layer") };
    let pattern = regex_lite::Regex::new(layer.seek().text.as_deref().unwrap()).unwrap();
    assert!(pattern.is_match("xa.b+cx") && !pattern.is_match("aXbbc"));
}
