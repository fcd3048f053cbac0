//! A registry that lies, one lie a test: each is refused with words that say which registry, what was asked, and what was wrong; and nothing of it stays.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::{Place, files};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// What a request asks: its first line, and its headers with names in lower case.
struct Asked {
    path: String,
    headers: HashMap<String, String>,
}

/// An answer: status, headers, body; and how many bytes of the body really go out before the connection is cut.
struct Told {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    cut: Option<usize>,
}

fn told(status: u16, media_type: &str, body: impl Into<Vec<u8>>) -> Told {
    Told { status, headers: vec![("content-type".into(), media_type.into())], body: body.into(), cut: None }
}

impl Told {
    fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    fn cut(mut self, after: usize) -> Self {
        self.cut = Some(after);
        self
    }
}

type Answers = dyn Fn(&Asked) -> Option<Told> + Send + Sync;

/// A registry without TLS that answers what `lie` says, and what it does not answer from `content`.
fn liar(content: HashMap<String, Told>, lie: impl Fn(&Asked) -> Option<Told> + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("listen");
    let address = listener.local_addr().expect("an address").to_string();
    let (content, lie) = (Arc::new(content), Arc::new(lie));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (content, lie) = (Arc::clone(&content), Arc::clone(&lie));
            std::thread::spawn(move || answer(stream, &content, lie.as_ref() as &Answers));
        }
    });
    address
}

fn answer(mut stream: TcpStream, content: &HashMap<String, Told>, lie: &Answers) -> Option<()> {
    let mut request = Vec::new();
    while !request.windows(4).any(|four| four == b"\r\n\r\n") {
        let mut piece = [0; 4096];
        let count = stream.read(&mut piece).ok().filter(|count| *count > 0)?;
        request.extend_from_slice(&piece[..count]);
        // Whoever speaks TLS is sent away.
        if request[0] == 0x16 {
            return None;
        }
    }
    let text = String::from_utf8_lossy(&request).into_owned();
    let mut lines = text.lines();
    let first: Vec<&str> = lines.next()?.split(' ').collect();
    let headers = lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    let asked = Asked { path: first[1].to_owned(), headers };
    let none = told(404, "application/json", r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#);
    let lied = lie(&asked);
    let answer = lied.as_ref().or_else(|| content.get(&asked.path)).unwrap_or(&none);
    let mut head = format!("HTTP/1.1 {} OK\r\nconnection: close\r\n", answer.status);
    answer.headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
    if !answer.headers.iter().any(|(name, _)| name == "content-length" || name == "transfer-encoding") {
        head.push_str(&format!("content-length: {}\r\n", answer.body.len()));
    }
    stream.write_all(format!("{head}\r\n").as_bytes()).ok()?;
    let body = if first[0] == "HEAD" { &[][..] } else { &answer.body[..answer.cut.unwrap_or(answer.body.len())] };
    stream.write_all(body).ok()
}

fn digest(content: &[u8]) -> String {
    use sha2::Digest as _;
    let hex: String = sha2::Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

fn part(media_type: &str, content: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": digest(content), "size": content.len()})
}

/// A tar with nothing in it, and something behind its end that makes it as long as wanted.
fn layer(length: usize) -> Vec<u8> {
    let mut layer = vec![0; length];
    (1024..length).for_each(|at| layer[at] = (at / 7) as u8);
    layer
}

fn config(layers: &[&[u8]]) -> Vec<u8> {
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let diff_ids: Vec<String> = layers.iter().map(|layer| digest(layer)).collect();
    json!({"architecture": architecture, "os": "linux", "rootfs": {"type": "layers", "diff_ids": diff_ids}}).to_string().into_bytes()
}

fn manifest(config: &[u8], layers: &[&[u8]]) -> Vec<u8> {
    let layers: Vec<Value> = layers.iter().map(|layer| part(LAYER, layer)).collect();
    json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": part(CONFIG, config), "layers": layers}).to_string().into_bytes()
}

/// Everything of an honest image `app:1` with one layer.
fn honest(layer: &[u8]) -> HashMap<String, Told> {
    let config = config(&[layer]);
    let manifest = manifest(&config, &[layer]);
    let at = |content: &[u8]| format!("/v2/app/blobs/{}", digest(content));
    HashMap::from([
        ("/v2/".to_owned(), told(200, "application/json", "{}")),
        ("/v2/app/manifests/1".to_owned(), told(200, MANIFEST, manifest.clone())),
        (format!("/v2/app/manifests/{}", digest(&manifest)), told(200, MANIFEST, manifest)),
        (at(&config), told(200, "application/octet-stream", config)),
        (at(layer), told(200, "application/octet-stream", layer)),
    ])
}

/// Pulls `app:1` from a liar: it fails with these words, names the registry, and leaves no image and no false blob.
fn refused(content: HashMap<String, Told>, words: &[&str], lie: impl Fn(&Asked) -> Option<Told> + Send + Sync + 'static) -> String {
    refused_as("app:1", content, words, lie)
}

fn refused_as(
    name: &str,
    content: HashMap<String, Told>,
    words: &[&str],
    lie: impl Fn(&Asked) -> Option<Told> + Send + Sync + 'static,
) -> String {
    let place = Place { sandbox: crate::support::Sandbox::new() };
    let address = liar(content, lie);
    let output = place.images(&["pull", &format!("{address}/{name}")]).exits(1);
    for word in words.iter().chain([&address.as_str()]) {
        assert!(output.stderr.contains(word), "{word:?} is not in {output}");
    }
    assert!(place.ids("store").is_empty(), "nothing has a name");
    place.whole("store");
    output.stderr
}

fn is_manifest(asked: &Asked) -> bool {
    asked.path == "/v2/app/manifests/1"
}

#[test]
fn an_honest_one_is_believed() {
    let place = Place { sandbox: crate::support::Sandbox::new() };
    let address = liar(honest(&layer(3000)), |_| None);
    place.images(&["pull", &format!("{address}/app:1")]).succeeds();
    place.whole("store");
}

#[test]
fn a_manifest_longer_than_four_mebibytes() {
    refused(honest(b"x"), &["longer than 4194304 bytes"], |asked| {
        is_manifest(asked).then(|| told(200, MANIFEST, "x").header("content-length", "5000000"))
    });
    // One that does not say how long it is.
    refused(honest(b"x"), &["longer than 4194304 bytes"], |asked| {
        let endless = [b"500000\r\n".to_vec(), vec![b' '; 0x50_0000], b"\r\n".to_vec()].concat();
        is_manifest(asked).then(|| told(200, MANIFEST, endless).header("transfer-encoding", "chunked"))
    });
}

#[test]
fn a_manifest_that_is_a_page_or_nothing() {
    refused(honest(b"x"), &["the answer is `text/html`, and no manifest"], |asked| {
        is_manifest(asked).then(|| told(200, "text/html", "<h1>Log in</h1>"))
    });
    refused(honest(b"x"), &["manifest"], |asked| is_manifest(asked).then(|| told(200, MANIFEST, "{\"schemaVersion\":2")));
    refused(honest(b"x"), &["schema version 1"], |asked| {
        is_manifest(asked).then(|| told(200, "application/json", "{\"schemaVersion\":1}"))
    });
    let both = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}).to_string();
    refused(honest(b"x"), &["calls itself"], move |asked| is_manifest(asked).then(|| told(200, MANIFEST, both.clone())));
}

#[test]
fn a_digest_header_that_is_of_something_else() {
    let layer = layer(2000);
    let text = manifest(&config(&[&layer]), &[&layer]);
    refused(honest(&layer), &["it says Docker-Content-Digest sha256:"], move |asked| {
        is_manifest(asked).then(|| told(200, MANIFEST, text.clone()).header("docker-content-digest", digest(b"other")))
    });
}

#[test]
fn another_manifest_than_the_digest_that_was_asked_for() {
    let layer = layer(2000);
    let text = manifest(&config(&[&layer]), &[&layer]);
    let wanted = digest(b"wanted");
    refused_as(&format!("app@{wanted}"), honest(&layer), &["was asked for", &wanted.clone()], move |asked| {
        asked.path.ends_with(&wanted).then(|| told(200, MANIFEST, text.clone()))
    });
}

#[test]
fn an_index_that_promises_what_is_not_so() {
    let layer = layer(2000);
    let inner = manifest(&config(&[&layer]), &[&layer]);
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let index = |media_type: &str, size: usize, architecture: &str| {
        let child = json!({"mediaType": media_type, "digest": digest(&inner), "size": size, "platform": {"os": "linux", "architecture": architecture}});
        json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [child]}).to_string()
    };
    let lying = |index: String, words: &[&str]| {
        refused(honest(&layer), words, move |asked| is_manifest(asked).then(|| told(200, INDEX, index.clone())))
    };
    lying(index(MANIFEST, inner.len() + 1, architecture), &["the index promises", "bytes, the answer has"]);
    lying(index(MANIFEST, 5 << 20, architecture), &["the index promises a manifest of 5242880 bytes"]);
    lying(
        index("application/vnd.docker.distribution.manifest.v2+json", inner.len(), architecture),
        &["the index promises `application/vnd.docker"],
    );
    lying(
        index(MANIFEST, inner.len(), "s390x"),
        &["no matching manifest for linux/", "there are linux/s390x", "hint: ask for one of them: --platform linux/s390x"],
    );
}

#[test]
fn indexes_without_end() {
    let mut inner = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}).to_string();
    let mut content = honest(b"x");
    for _ in 0..8 {
        content.insert(format!("/v2/app/manifests/{}", digest(inner.as_bytes())), told(200, INDEX, inner.clone()));
        inner = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [part(INDEX, inner.as_bytes())]}).to_string();
    }
    refused(content, &["nested too deep"], move |asked| is_manifest(asked).then(|| told(200, INDEX, inner.clone())));
}

#[test]
fn a_layer_of_other_content_or_length() {
    let right = layer(5000);
    let path = format!("/v2/app/blobs/{}", digest(&right));
    let lying = |words: &[&str], body: Vec<u8>| {
        let path = path.clone();
        refused(honest(&right), words, move |asked| (asked.path == path).then(|| told(200, "application/octet-stream", body.clone())));
    };
    lying(&["the content has the digest sha256:"], vec![7; 5000]);
    lying(&["more than the 5000 bytes that the manifest promised"], vec![7; 5001]);
    let path = path.clone();
    let missing = "{\"errors\":[{\"code\":\"BLOB_UNKNOWN\",\"message\":\"blob unknown\"}]}";
    refused(honest(&right), &["the registry does not have it: blob unknown"], move |asked| {
        (asked.path == path).then(|| told(404, "application/json", missing))
    });
}

#[test]
fn a_layer_that_nobody_could_keep_and_a_configuration_that_does_not_fit() {
    let layer = layer(2000);
    let configuration = config(&[&layer]);
    let with = |layers: Value| {
        json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": part(CONFIG, &configuration), "layers": layers}).to_string()
    };
    let lying = |text: String, words: &[&str]| {
        refused(honest(&layer), words, move |asked| is_manifest(asked).then(|| told(200, MANIFEST, text.clone())))
    };
    lying(with(json!([{"mediaType": LAYER, "digest": digest(&layer), "size": 1_u64 << 60}])), &["the limit is 68719476736"]);
    lying(with(json!([{"mediaType": LAYER, "digest": "sha256:../../x", "size": 1}])), &["is no digest"]);
    lying(with(json!([part(LAYER, &layer), part(LAYER, &layer)])), &["it has 2 layers, its configuration 1"]);
}

#[test]
fn redirects_in_a_circle_or_to_files() {
    let right = layer(2000);
    let path = format!("/v2/app/blobs/{}", digest(&right));
    let to = |address: &'static str, words: &[&str]| {
        let path = path.clone();
        refused(honest(&right), words, move |asked| {
            asked.path.starts_with(&path).then(|| told(307, "text/plain", "").header("location", address))
        });
    };
    to("file:///etc/passwd", &["redirects to `file:///etc/passwd`, which is no address"]);
    let circle = path.clone();
    refused(honest(&right), &["redirects more than 5 times"], move |asked| {
        (asked.path == circle).then(|| told(307, "text/plain", "").header("location", circle.clone()))
    });
}

/// The row "plain HTTP fallback, token realm" of the security facts: a password goes to the registry, and never to whom it sends us.
#[test]
fn a_redirect_to_another_host_does_not_get_the_password() {
    let place = Place { sandbox: crate::support::Sandbox::new() };
    let right = layer(2000);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let body = right.clone();
    let elsewhere = liar(HashMap::new(), {
        let seen = Arc::clone(&seen);
        move |asked| {
            seen.lock().expect("one at a time").push(asked.headers.contains_key("authorization"));
            Some(told(200, "application/octet-stream", body.clone()))
        }
    });
    let path = format!("/v2/app/blobs/{}", digest(&right));
    let address = liar(honest(&right), move |asked| {
        if asked.headers.get("authorization").map(String::as_str) != Some("Basic YW5uOnNlY3JldA==") {
            return Some(told(401, "application/json", "{}").header("www-authenticate", "Basic realm=\"x\""));
        }
        (asked.path == path).then(|| told(307, "text/plain", "").header("location", format!("http://{elsewhere}/blob")))
    });
    place.images(&["login", "-u", "ann", "--password-stdin", &address]).input("secret\n").succeeds();
    place.images(&["pull", &format!("{address}/app:1")]).succeeds();
    assert_eq!(*seen.lock().unwrap(), [false]);
    let wrong = place.images(&["login", "-u", "ann", "-p", "wrong", &address]).exits(1);
    assert!(wrong.stderr.contains("unauthorized: incorrect username or password"), "{wrong}");
}

#[test]
fn a_token_service_without_tls_gets_no_password() {
    let words = ["`http://evil.example/token`, which is not reached by TLS"];
    refused(honest(b"x"), &words, |_| {
        Some(told(401, "application/json", "{}").header("www-authenticate", "Bearer realm=\"http://evil.example/token\",service=\"x\""))
    });
}

#[test]
fn words_of_a_stranger_do_nothing_to_the_terminal() {
    let text = refused(honest(b"x"), &["the registry answered 418: teapot: a [2Jb"], |asked| {
        is_manifest(asked).then(|| told(418, "application/json", "{\"errors\":[{\"code\":\"TEAPOT\",\"message\":\"a\\u001b[2Jb\"}]}"))
    });
    assert!(!text.contains('\u{1b}'));
}

/// How often each part of the layer was asked for, and an image that came through all the same.
fn stumbling(stumble: impl Fn(usize, &Asked, &[u8]) -> Option<Told> + Send + Sync + 'static) -> (Vec<String>, String) {
    let place = Place { sandbox: crate::support::Sandbox::new() };
    let right = layer(300_000);
    let path = format!("/v2/app/blobs/{}", digest(&right));
    let ranges = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&ranges);
    let content = right.clone();
    let address = liar(honest(&right), move |asked| {
        if asked.path != path {
            return None;
        }
        let mut seen = seen.lock().expect("one at a time");
        seen.push(asked.headers.get("range").cloned().unwrap_or_default());
        stumble(seen.len(), asked, &content)
    });
    let told = place.images(&["pull", &format!("{address}/app:1")]).succeeds().stdout;
    place.whole("store");
    assert!(files(&place.path("store/ingest")).is_empty());
    let ranges = ranges.lock().unwrap().clone();
    (ranges, told)
}

#[test]
fn a_transfer_that_breaks_off_goes_on_where_it_stopped() {
    let (ranges, told_text) = stumbling(|attempt, asked, content| match attempt {
        1 => Some(told(200, "application/octet-stream", content).cut(100_000)),
        _ => {
            let from: usize = asked.headers["range"].trim_start_matches("bytes=").trim_end_matches('-').parse().unwrap();
            let range = format!("bytes {from}-{}/{}", content.len() - 1, content.len());
            Some(told(206, "application/octet-stream", &content[from..]).header("content-range", range))
        }
    });
    assert_eq!(ranges, ["", "bytes=100000-"]);
    assert!(told_text.contains("broke off") && told_text.contains("trying again in"), "{told_text}");
}

#[test]
fn a_registry_that_knows_no_ranges_sends_it_all_again() {
    let (ranges, _) = stumbling(|attempt, _, content| (attempt == 1).then(|| told(200, "application/octet-stream", content).cut(100_000)));
    assert_eq!(ranges.len(), 2);
}

#[test]
fn a_part_that_is_not_the_one_that_was_asked_for() {
    let right = layer(300_000);
    let path = format!("/v2/app/blobs/{}", digest(&right));
    let content = right.clone();
    refused(honest(&right), &["it was asked to go on at byte 100000 and sends another part"], move |asked| {
        let all = || told(200, "application/octet-stream", content.clone());
        let lie = |_: &String| told(206, "application/octet-stream", &content[5..]).header("content-range", "bytes 5-299999/300000");
        (asked.path == path).then(|| asked.headers.get("range").map_or_else(|| all().cut(100_000), lie))
    });
}

#[test]
fn a_registry_that_is_busy_is_asked_again() {
    let busy = || told(503, "text/plain", "busy");
    let (tries, told_text) = stumbling(move |attempt, _, _| match attempt {
        1 => Some(busy()),
        2 => Some(told(429, "application/json", "{}").header("retry-after", "0")),
        _ => None,
    });
    assert_eq!(tries.len(), 3);
    assert!(told_text.contains("the registry answered 503") && told_text.contains("toomanyrequests"), "{told_text}");
}

#[test]
fn a_limit_that_lasts_is_told_at_once() {
    let limit = "{\"errors\":[{\"code\":\"TOOMANYREQUESTS\",\"message\":\"You have reached your pull rate limit.\"}]}";
    let words = ["toomanyrequests: You have reached your pull rate limit.", "hint: log in for a higher limit"];
    refused(honest(b"x"), &words, move |asked| {
        is_manifest(asked).then(|| told(429, "application/json", limit).header("retry-after", "21600"))
    });
}
