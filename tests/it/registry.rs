//! The rules of the OCI distribution specification, each under its name, against a registry that serves on loopback; and skopeo as a client.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Stdio};

use crate::support::{Sandbox, bundle, has_program, skip};

/// A registry that runs as long as this lives.
struct Registry {
    sandbox: Sandbox,
    process: Child,
    address: String,
}

/// An answer, its header names in lower case.
struct Answer {
    status: u16,
    headers: HashMap<String, String>,
    body: Vec<u8>,
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.process.kill().expect("the registry is ours");
        self.process.wait().expect("and ends");
    }
}

impl Registry {
    fn start() -> Self {
        let sandbox = Sandbox::new();
        let root = sandbox.path().join("registry");
        let mut serve = sandbox.bottleship(["registry", "serve", "--listen", "127.0.0.1:0", "--root"]).args([&root]).command();
        let mut process = serve.stdout(Stdio::piped()).spawn().expect("start the registry");
        let mut told = String::new();
        BufReader::new(process.stdout.take().expect("its output")).read_line(&mut told).expect("its address");
        let address = told.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("{told:?}")).to_owned();
        Registry { sandbox, process, address }
    }

    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let path = path.strip_prefix(&format!("http://{}", self.address)).unwrap_or(path);
        let mut head =
            format!("{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-length: {}\r\n", self.address, body.len());
        for (name, value) in headers {
            write!(head, "{name}: {value}\r\n").expect("a String takes everything");
        }
        let mut stream = TcpStream::connect(&self.address).expect("connect");
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(b"\r\n")).and_then(|()| stream.write_all(body)).expect("ask");
        let mut all = Vec::new();
        stream.read_to_end(&mut all).expect("the answer");
        let end = all.windows(4).position(|four| four == b"\r\n\r\n").expect("the end of the headers");
        let head = String::from_utf8_lossy(&all[..end]).into_owned();
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).expect("a status");
        let headers = lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
        Answer { status, headers, body: all[end + 4..].to_vec() }
    }

    fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], b"")
    }

    /// Pushes a blob in one request and gives its digest.
    fn blob(&self, name: &str, content: &[u8]) -> String {
        let digest = digest(content);
        let answer = self.ask("POST", &format!("/v2/{name}/blobs/uploads/?digest={digest}"), &[], content);
        assert_eq!(answer.status, 201, "{}", answer.text());
        digest
    }

    /// Pushes an image of one layer, and gives the digest of its manifest.
    fn image(&self, name: &str, tag: &str, layer: &[u8]) -> String {
        let text = self.manifest(name, layer, "");
        let answer = self.put(name, tag, &text);
        assert_eq!(answer.status, 201, "{}", answer.text());
        digest(text.as_bytes())
    }

    fn manifest(&self, name: &str, layer: &[u8], more: &str) -> String {
        let (config, digest) = (self.blob(name, b"{}"), self.blob(name, layer));
        format!(
            r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{config}","size":2}},"layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{digest}","size":{}}}]{more}}}"#,
            layer.len()
        )
    }

    fn put(&self, name: &str, reference: &str, manifest: &str) -> Answer {
        self.ask("PUT", &format!("/v2/{name}/manifests/{reference}"), &[("content-type", MANIFEST)], manifest.as_bytes())
    }
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// Its status and the code of its first error.
    fn fault(&self) -> (u16, String) {
        (self.status, self.json()["errors"][0]["code"].as_str().unwrap_or_default().to_owned())
    }
}

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

fn digest(content: &[u8]) -> String {
    use sha2::Digest as _;
    let hex: String = sha2::Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

#[test]
fn pull_answers_with_content_length_and_digest() {
    let registry = Registry::start();
    assert_eq!((registry.get("/v2/").status, registry.get("/v2/").header("docker-distribution-api-version")), (200, "registry/2.0"));
    let manifest = registry.image("team/app", "1", b"hello layer");
    let layer = digest(b"hello layer");
    for reference in ["1", manifest.as_str()] {
        let got = registry.get(&format!("/v2/team/app/manifests/{reference}"));
        assert_eq!((got.status, got.header("content-type"), got.header("docker-content-digest")), (200, MANIFEST, manifest.as_str()));
        assert_eq!(digest(&got.body), manifest);
        let head = registry.ask("HEAD", &format!("/v2/team/app/manifests/{reference}"), &[], b"");
        assert_eq!((head.status, head.header("content-length"), head.body.len()), (200, got.body.len().to_string().as_str(), 0));
    }
    let path = format!("/v2/team/app/blobs/{layer}");
    assert_eq!(registry.get(&path).body, b"hello layer");
    let head = registry.ask("HEAD", &path, &[], b"");
    assert_eq!((head.status, head.header("content-length"), head.header("docker-content-digest")), (200, "11", layer.as_str()));
    let part = registry.ask("GET", &path, &[("range", "bytes=6-")], b"");
    assert_eq!((part.status, part.header("content-range"), part.text().as_str()), (206, "bytes 6-10/11", "layer"));
    assert_eq!(registry.ask("GET", &path, &[("range", "bytes=11-")], b"").status, 416);
}

#[test]
fn what_is_not_there_is_404_with_its_code() {
    let registry = Registry::start();
    registry.image("team/app", "1", b"layer");
    let none = digest(b"none");
    assert_eq!(registry.get(&format!("/v2/team/app/blobs/{none}")).fault(), (404, "BLOB_UNKNOWN".to_owned()));
    assert_eq!(registry.get("/v2/team/app/manifests/2").fault(), (404, "MANIFEST_UNKNOWN".to_owned()));
    assert_eq!(registry.get("/v2/nobody/tags/list").fault(), (404, "NAME_UNKNOWN".to_owned()));
    assert_eq!(registry.ask("HEAD", "/v2/team/app/manifests/2", &[], b"").body, b"");
    // A blob of one repository is not seen in another.
    let layer = digest(b"layer");
    assert_eq!(registry.get(&format!("/v2/team/other/blobs/{layer}")).status, 404);
    assert_eq!(registry.get("/v2/Team/tags/list").fault(), (400, "NAME_INVALID".to_owned()));
    assert_eq!(registry.get("/v2/team/app/blobs/sha256:zz").fault(), (400, "DIGEST_INVALID".to_owned()));
    assert_eq!(registry.ask("PATCH", "/v2/team/app/blobs/uploads/none", &[], b"x").fault(), (404, "BLOB_UPLOAD_UNKNOWN".to_owned()));
    assert_eq!(registry.ask("PUT", "/v2/_catalog", &[], b"").fault(), (405, "UNSUPPORTED".to_owned()));
}

#[test]
fn push_in_one_piece_in_two_requests_and_in_chunks() {
    let registry = Registry::start();
    let begun = registry.ask("POST", "/v2/a/blobs/uploads/", &[], b"");
    assert_eq!((begun.status, begun.header("range")), (202, "0-0"));
    let done = registry.ask("PUT", &format!("{}?digest={}", begun.header("location"), digest(b"two requests")), &[], b"two requests");
    assert_eq!((done.status, done.header("docker-content-digest")), (201, digest(b"two requests").as_str()));
    assert_eq!(registry.get(done.header("location")).body, b"two requests");

    let begun = registry.ask("POST", "/v2/a/blobs/uploads/", &[], b"");
    let at = begun.header("location");
    let first = registry.ask("PATCH", at, &[("content-range", "0-3"), ("content-type", "application/octet-stream")], b"chun");
    assert_eq!((first.status, first.header("range")), (202, "0-3"));
    // Out of order: refused, and told where it goes on.
    let wrong = registry.ask("PATCH", at, &[("content-range", "6-8")], b"xxx");
    assert_eq!((wrong.status, wrong.header("range")), (416, "0-3"));
    let asked = registry.get(at);
    assert_eq!((asked.status, asked.header("range")), (204, "0-3"));
    assert_eq!(registry.ask("PATCH", first.header("location"), &[("content-range", "4-5")], b"ks").status, 202);
    let done = registry.ask("PUT", &format!("{at}?digest={}", digest(b"chunks!")), &[("content-range", "6-6")], b"!");
    assert_eq!((done.status, registry.get(done.header("location")).text()), (201, "chunks!".to_owned()));
}

#[test]
fn content_that_is_not_its_digest_is_refused_and_forgotten() {
    let registry = Registry::start();
    let wanted = digest(b"right");
    assert_eq!(
        registry.ask("POST", &format!("/v2/a/blobs/uploads/?digest={wanted}"), &[], b"wrong").fault(),
        (400, "DIGEST_INVALID".to_owned())
    );
    assert_eq!(registry.get(&format!("/v2/a/blobs/{wanted}")).status, 404);
    let begun = registry.ask("POST", "/v2/a/blobs/uploads/", &[], b"");
    let at = begun.header("location").to_owned();
    assert_eq!(registry.ask("PUT", &at, &[], b"x").fault(), (400, "DIGEST_INVALID".to_owned()));
    assert_eq!(registry.ask("DELETE", &at, &[], b"").status, 204);
    assert_eq!(registry.get(&at).status, 404);
    let text = registry.manifest("a", b"layer", "");
    assert_eq!(registry.put("a", &wanted, &text).fault(), (400, "DIGEST_INVALID".to_owned()));
}

#[test]
fn a_manifest_needs_its_blobs_and_must_be_one() {
    let registry = Registry::start();
    let text = registry.manifest("a", b"layer", "");
    assert_eq!(registry.put("b", "1", &text).fault(), (404, "MANIFEST_BLOB_UNKNOWN".to_owned()));
    for broken in ["", "{}", "[]", "{\"schemaVersion\":1}", "{\"schemaVersion\":2,\"manifests\":[],\"layers\":[]}"] {
        assert_eq!(registry.put("a", "1", broken).fault(), (400, "MANIFEST_INVALID".to_owned()), "{broken}");
    }
    assert_eq!(registry.put("a", "bad/tag", &text).status, 404);
    assert_eq!(registry.put("a", ".tag", &text).fault(), (400, "TAG_INVALID".to_owned()));
    assert_eq!(registry.put("a", "1", &" ".repeat(5 << 20)).fault(), (400, "SIZE_INVALID".to_owned()));
}

#[test]
fn a_blob_is_mounted_from_another_repository() {
    let registry = Registry::start();
    let layer = registry.blob("a", b"shared");
    let mounted = registry.ask("POST", &format!("/v2/b/blobs/uploads/?mount={layer}&from=a"), &[], b"");
    assert_eq!((mounted.status, mounted.header("location")), (201, format!("/v2/b/blobs/{layer}").as_str()));
    assert_eq!(registry.get(&format!("/v2/b/blobs/{layer}")).text(), "shared");
    // What is not there begins an ordinary upload.
    let none = digest(b"none");
    assert_eq!(registry.ask("POST", &format!("/v2/b/blobs/uploads/?mount={none}&from=a"), &[], b"").status, 202);
    assert_eq!(registry.ask("POST", &format!("/v2/b/blobs/uploads/?mount={layer}&from=../a"), &[], b"").status, 202);
}

#[test]
fn tags_and_repositories_come_sorted_and_in_pages() {
    let registry = Registry::start();
    for tag in ["3", "1", "2"] {
        registry.image("team/app", tag, b"layer");
    }
    registry.image("base", "1", b"layer");
    assert_eq!(registry.get("/v2/team/app/tags/list").json(), serde_json::json!({"name": "team/app", "tags": ["1", "2", "3"]}));
    let page = registry.get("/v2/team/app/tags/list?n=2");
    assert_eq!(
        (page.json()["tags"].as_array().unwrap().len(), page.header("link")),
        (2, "</v2/team/app/tags/list?last=2&n=2>; rel=\"next\"")
    );
    let rest = registry.get("/v2/team/app/tags/list?n=2&last=2");
    assert_eq!((rest.json()["tags"].clone(), rest.header("link")), (serde_json::json!(["3"]), ""));
    assert_eq!(registry.get("/v2/_catalog").json(), serde_json::json!({"repositories": ["base", "team/app"]}));
}

#[test]
fn cve_2023_2253_a_huge_page_costs_nothing_and_a_name_is_looked_at_first() {
    let registry = Registry::start();
    registry.image("a", "1", b"layer");
    let folder = registry.sandbox.path().join("registry");
    let names = |folder: &std::path::Path| {
        let mut names: Vec<_> = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").file_name()).collect();
        names.sort();
        names
    };
    let before = (names(&folder), names(registry.sandbox.path()));
    for n in ["18446744073709551615", "99999999999999999999999999", "-1", "x"] {
        let answer = registry.get(&format!("/v2/_catalog?n={n}"));
        let all = || answer.json()["repositories"] == serde_json::json!(["a"]);
        assert!((400..500).contains(&answer.status) || answer.status == 200 && all(), "{n}: {}", answer.text());
    }
    for name in ["../../x", "a/../../x", "..", "A", "a//b", "%2e%2e/x", "a%00b"] {
        let answer = registry.ask("POST", &format!("/v2/{name}/blobs/uploads/"), &[], b"");
        assert!((400..500).contains(&answer.status), "{name}: {} {}", answer.status, answer.text());
    }
    assert_eq!((names(&folder), names(registry.sandbox.path())), before);
    // Nobody guesses the upload of another.
    let begin = || registry.ask("POST", "/v2/a/blobs/uploads/", &[], b"").header("location").rsplit('/').next().expect("an id").to_owned();
    let (one, other) = (begin(), begin());
    assert!(one != other && one.len() >= 32 && one[..8] != other[..8], "{one}, {other}");
}

#[test]
fn referrers_are_found_by_their_subject() {
    let registry = Registry::start();
    let subject = registry.image("a", "1", b"layer");
    let none = registry.get(&format!("/v2/a/referrers/{subject}"));
    assert_eq!((none.status, none.json()["manifests"].as_array().unwrap().len()), (200, 0));
    let more =
        format!(r#","artifactType":"application/vnd.example.sbom","subject":{{"mediaType":"{MANIFEST}","digest":"{subject}","size":7}}"#);
    let text = registry.manifest("a", b"sbom", &more);
    let pushed = registry.put("a", &digest(text.as_bytes()), &text);
    assert_eq!((pushed.status, pushed.header("oci-subject")), (201, subject.as_str()));
    let found = registry.get(&format!("/v2/a/referrers/{subject}?artifactType=application%2Fvnd.example.sbom"));
    assert_eq!(found.header("oci-filters-applied"), "artifactType");
    assert_eq!(found.header("content-type"), "application/vnd.oci.image.index.v1+json");
    assert_eq!(found.json()["manifests"][0]["artifactType"], "application/vnd.example.sbom");
    assert_eq!(registry.get(&format!("/v2/a/referrers/{subject}?artifactType=other")).json()["manifests"], serde_json::json!([]));
}

#[test]
fn tags_manifests_and_blobs_are_deleted_and_collected() {
    let registry = Registry::start();
    let (gone, kept) = (registry.image("a", "gone", b"only here"), registry.image("a", "kept", b"kept"));
    registry.image("a", "same", b"kept");
    assert_eq!(registry.ask("DELETE", "/v2/a/manifests/same", &[], b"").status, 202);
    assert_eq!(registry.get("/v2/a/manifests/kept").status, 200);
    assert_eq!(registry.ask("DELETE", &format!("/v2/a/manifests/{gone}"), &[], b"").status, 202);
    assert_eq!(registry.ask("DELETE", &format!("/v2/a/manifests/{gone}"), &[], b"").status, 404);
    assert_eq!(registry.get("/v2/a/manifests/gone").status, 404);
    let layer = format!("/v2/a/blobs/{}", digest(b"only here"));
    assert_eq!(registry.get(&layer).status, 200, "content stays until it is collected");
    let collect =
        || registry.sandbox.bottleship(["registry", "garbage-collect", "--root"]).args([registry.sandbox.path().join("registry")]);
    let told = collect().succeeds().stdout;
    assert!(told.contains(&digest(b"only here")) && told.contains("2 blobs removed"), "{told}");
    assert_eq!((registry.get(&layer).status, registry.get(&format!("/v2/a/manifests/{kept}")).status), (404, 200));
    assert_eq!(registry.ask("DELETE", &format!("/v2/a/blobs/{}", digest(b"kept")), &[], b"").status, 202);
    // While something arrives nothing is taken away.
    registry.ask("POST", "/v2/a/blobs/uploads/", &[], b"");
    assert!(collect().exits(1).stderr.contains("somebody is pushing"));
}

#[test]
fn many_push_the_same_at_once() {
    let registry = Registry::start();
    let layer = vec![7; 300_000];
    let manifests: Vec<String> = std::thread::scope(|scope| {
        let pushing: Vec<_> = (0..8)
            .map(|number| {
                scope.spawn({
                    let (registry, layer) = (&registry, &layer);
                    move || registry.image("a", &format!("t.{number}"), layer)
                })
            })
            .collect();
        pushing.into_iter().map(|thread| thread.join().expect("a push")).collect()
    });
    assert!(manifests.iter().all(|manifest| *manifest == manifests[0]));
    assert_eq!(registry.get("/v2/a/tags/list").json()["tags"].as_array().unwrap().len(), 8);
    let uploads = registry.sandbox.path().join("registry/ingest");
    assert_eq!(std::fs::read_dir(uploads).unwrap().count(), 0, "nothing is left over");
}

#[test]
fn skopeo_pushes_and_pulls() {
    if !has_program("skopeo") {
        return skip("registry::skopeo_pushes_and_pulls", "skopeo is not installed");
    }
    let registry = Registry::start();
    let path = |name: &str| registry.sandbox.path().join(name).display().to_string();
    bundle::rootfs(&registry.sandbox.path().join("root"), &["sh"]);
    registry.sandbox.program("tar").args(["-C", &path("root"), "-cf", &path("root.tar"), "."]).succeeds();
    registry.sandbox.bottleship(["images", "--store", &path("store"), "import", &path("root.tar"), "bb:1"]).succeeds();
    let there = format!("docker://{}/team/bb:1", registry.address);
    let skopeo = |args: &[&str]| registry.sandbox.program("skopeo").args(["--insecure-policy"]).args(args).succeeds();
    skopeo(&["copy", "--quiet", "--dest-tls-verify=false", &format!("oci:{}:docker.io/library/bb:1", path("store")), &there]);
    skopeo(&["copy", "--quiet", "--src-tls-verify=false", &there, &format!("docker-archive:{}:bb:2", path("back.tar"))]);
    registry.sandbox.bottleship(["images", "--store", &path("second"), "load", "-i", &path("back.tar")]).succeeds();
    let ids = |store: &str| {
        let told = registry.sandbox.bottleship(["images", "--store", &path(store), "ls"]).succeeds().stdout;
        told.lines().nth(1).and_then(|line| line.split_whitespace().nth(1)).map(str::to_owned)
    };
    assert_eq!(ids("store"), ids("second"));
    let tags = skopeo(&["list-tags", "--tls-verify=false", &format!("docker://{}/team/bb", registry.address)]).stdout;
    assert!(tags.contains("\"1\""), "{tags}");
    skopeo(&["delete", "--tls-verify=false", &there]);
    assert_eq!(registry.get("/v2/team/bb/manifests/1").status, 404);
}
