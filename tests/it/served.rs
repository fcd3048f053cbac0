//! The registry as people run it: TLS, accounts, tokens, private repositories, a cache of another one, webhooks, the pull rate limit, other people's clients.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::client::{Place, Registry};
use crate::support::{has_program, skip};

/// Status, head and body of an answer without TLS.
fn ask(address: &str, request: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).expect("connect");
    let (first, rest) = request.split_once('\n').unwrap_or((request, ""));
    let headers: String = rest.lines().map(|line| format!("{line}\r\n")).collect();
    stream
        .write_all(format!("{first} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: 0\r\n{headers}\r\n").as_bytes())
        .expect("ask");
    let mut all = Vec::new();
    stream.read_to_end(&mut all).expect("the answer");
    let text = String::from_utf8_lossy(&all).to_lowercase();
    (text.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status"), text)
}

/// The account `ann` with the password `secret`, as `htpasswd -B` writes it.
fn accounts(place: &Place) -> String {
    std::fs::write(place.path("htpasswd"), "# ours\nann:$2y$05$suuUy9nzOdrGSbByQlNA2eMH9SQm9ozPRKtAvid2gosiJezlmC3Jq\n")
        .expect("the accounts");
    place.text("htpasswd")
}

/// The Hub, without TLS, on loopback.
fn hub(place: &Place) -> Registry {
    // Where its tokens are had must be told before its port is known: so the port is chosen here.
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port();
    let (listen, realm) = (format!("127.0.0.1:{port}"), format!("http://127.0.0.1:{port}/token"));
    let serve = place.sandbox.bottleship(["registry", "hub", "--listen", &listen, "--realm", &realm, "--root"]);
    Registry::start(serve.args([place.path("hub")]).command())
}

#[test]
fn tls_and_accounts_with_our_client_and_with_skopeo() {
    const TEST: &str = "served::tls_and_accounts_with_our_client_and_with_skopeo";
    if let Some(missing) = ["openssl", "skopeo", "umoci"].into_iter().find(|program| !has_program(program)) {
        return skip(TEST, &format!("{missing} is not installed"));
    }
    let place = Place::new();
    place.certificate();
    let file = accounts(&place);
    let registry = place.registry(&["--tls-certificate", &place.text("tls.crt"), "--tls-key", &place.text("tls.key"), "--htpasswd", &file]);
    let (name, address) = (format!("{}/team/bb:1", registry.address), &registry.address);
    assert!(ask(address, "GET /v2/").1.contains("client sent an http request to an https server"));
    place.images(&["tag", "bb:1", &name]).succeeds();
    let denied = place.images(&["push", &name]).exits(1).stderr;
    assert!(denied.contains("denied: requested access to the resource is denied"), "{denied}");
    let wrong = place.images(&["login", "-u", "ann", "-p", "wrong", address]).exits(1).stderr;
    assert!(wrong.contains("unauthorized: incorrect username or password"), "{wrong}");
    place.images(&["login", "-u", "ann", "--password-stdin", address]).input("secret\n").succeeds();
    place.images(&["push", &name]).succeeds();
    place.in_store("second", &["pull", &name]).succeeds();
    place.whole("second");
    let config = place.text("home/.docker/config.json");
    std::fs::create_dir(place.path("certs")).expect("a folder");
    std::fs::copy(place.path("tls.crt"), place.path("certs/ca.crt")).expect("its authority");
    let skopeo = |args: &[&str]| place.sandbox.program("skopeo").args(args).args(["--authfile", &config]);
    let certs = place.text("certs");
    let there = format!("docker://{name}");
    let inspected = skopeo(&["inspect", "--cert-dir", &certs, &there]).succeeds().stdout;
    assert!(inspected.contains("\"Digest\": \"sha256:"), "{inspected}");
    let digest =
        inspected.lines().find_map(|line| line.trim().strip_prefix("\"Digest\": \"")?.strip_suffix("\",")).expect("a digest").to_owned();
    let layout = format!("oci:{}:1", place.text("layout"));
    let by_digest = format!("docker://{address}/team/bb@{digest}");
    skopeo(&["--insecure-policy", "copy", "--quiet", "--src-cert-dir", &certs, &by_digest, &layout]).succeeds();
    place
        .sandbox
        .program("umoci")
        .args(["unpack", "--rootless", "--image", &format!("{}:1", place.text("layout")), &place.text("bundle")])
        .succeeds();
    assert_eq!(std::fs::read_to_string(place.path("bundle/rootfs/etc-motd")).expect("the file"), "first\n");
    let back = format!("docker://{address}/back/bb:2");
    skopeo(&["--insecure-policy", "copy", "--quiet", "--dest-cert-dir", &certs, &layout, &back]).succeeds();
    place.in_store("third", &["pull", &format!("{address}/back/bb:2")]).succeeds();
    assert_eq!(place.ids("third"), place.ids("second"));
    skopeo(&["delete", "--cert-dir", &certs, &back]).succeeds();
    assert!(place.images(&["pull", &format!("{address}/back/bb:2")]).exits(1).stderr.contains("manifest unknown"));
}

#[test]
fn settings_come_from_flags_variables_and_the_file() {
    let place = Place::new();
    let file = accounts(&place);
    let config = format!("version: 0.1\nstorage:\n  delete:\n    enabled: false\nauth:\n  htpasswd:\n    realm: ours\n    path: {file}\n");
    std::fs::write(place.path("config.yml"), config).expect("the file");
    let serve = place.sandbox.bottleship(["registry", "serve", &place.text("config.yml")]);
    let serve = serve.env("REGISTRY_HTTP_ADDR", "127.0.0.1:0").env("REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY", place.path("registry"));
    let registry = Registry::start(serve.command());
    let (status, text) = ask(&registry.address, "GET /v2/");
    assert!(status == 401 && text.contains("www-authenticate: basic realm=\"ours\""), "{text}");
    assert!(place.path("registry/oci-layout").exists());
    let delete = "DELETE /v2/a/manifests/1\nauthorization: Basic YW5uOnNlY3JldA==";
    let (status, text) = ask(&registry.address, delete);
    assert!(status == 405 && text.contains("registry_storage_delete_enabled"), "{text}");
    for (more, words) in [
        ("--tls-key=/no", "TLS needs a certificate and its key"),
        ("--pull-limit=x", "is no limit"),
        ("--htpasswd=/no", "read the accounts"),
    ] {
        let refused =
            place.sandbox.bottleship(["registry", "--root", &place.text("other"), "serve", "--listen", "127.0.0.1:0", more]).exits(1);
        assert!(refused.stderr.contains(words), "{refused}");
    }
}

#[test]
fn a_cache_gives_what_its_origin_has_and_what_it_had() {
    let place = Place::new();
    let origin = place.registry(&[]);
    place.push(&format!("{}/team/bb:1", origin.address));
    let cache = place.sandbox.bottleship([
        "registry",
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--mirror-of",
        &format!("http://{}", origin.address),
        "--root",
    ]);
    let cache = Registry::start(cache.args([place.path("cache")]).command());
    let name = format!("{}/team/bb:1", cache.address);
    place.in_store("second", &["pull", &name]).succeeds();
    assert_eq!(place.ids("second"), place.ids("store")[..1]);
    let unknown = place.in_store("second", &["pull", &format!("{}/team/bb:2", cache.address)]).exits(1).stderr;
    assert!(unknown.contains("manifest unknown"), "{unknown}");
    let pushed = place.images(&["tag", "bb:1", &format!("{}/new:1", cache.address)]).succeeds();
    assert_eq!(pushed.stdout, "");
    let refused = place.images(&["push", &format!("{}/new:1", cache.address)]).exits(1).stderr;
    assert!(refused.contains("405"), "{refused}");
    drop(origin);
    place.in_store("third", &["pull", &name]).succeeds();
    place.whole("third");
}

/// An address that hears webhooks: it refuses the first, and hands on the others.
fn ear() -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("listen");
    let address = listener.local_addr().expect("an address").to_string();
    let (sender, heard) = channel();
    std::thread::spawn(move || {
        for (number, mut stream) in listener.incoming().flatten().enumerate() {
            let mut text = Vec::new();
            let mut piece = [0; 4096];
            while !String::from_utf8_lossy(&text).contains("}]}") {
                match stream.read(&mut piece) {
                    Ok(count) if count > 0 => text.extend_from_slice(&piece[..count]),
                    _ => break,
                }
            }
            let answer = if number == 0 { "500 No" } else { "200 OK" };
            // One that has gone is tried again.
            drop(stream.write_all(format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").as_bytes()));
            if number > 0 && sender.send(String::from_utf8_lossy(&text).into_owned()).is_err() {
                return;
            }
        }
    });
    (address, heard)
}

#[test]
fn a_push_is_told_to_webhooks_until_they_have_heard_it() {
    let place = Place::new();
    let (address, heard) = ear();
    let registry = place.registry(&["--webhook", &format!("http://{address}/hook")]);
    place.push(&format!("{}/team/bb:1", registry.address));
    let text = heard.recv_timeout(Duration::from_secs(30)).expect("the second attempt");
    assert!(text.starts_with("POST /hook HTTP/1.1\r\n") && text.contains("application/vnd.docker.distribution.events.v1+json"), "{text}");
    let body: serde_json::Value = serde_json::from_str(text.split("\r\n\r\n").nth(1).expect("a body")).expect("JSON");
    let event = &body["events"][0];
    assert_eq!(
        (&event["action"], &event["target"]["repository"], &event["target"]["tag"]),
        (&"push".into(), &"team/bb".into(), &"1".into())
    );
}

#[test]
fn the_pull_rate_limit_counts_manifests_and_is_told() {
    let place = Place::new();
    let registry = place.registry(&["--pull-limit", "2/3600"]);
    place.push(&format!("{}/bb:1", registry.address));
    let at = |method: &str| ask(&registry.address, &format!("{method} /v2/bb/manifests/1"));
    let first = at("GET").1;
    assert!(first.contains("ratelimit-limit: 2;w=3600") && first.contains("ratelimit-remaining: 1;w=3600"), "{first}");
    assert!(at("HEAD").1.contains("ratelimit-remaining: 1;w=3600"), "looking is free");
    assert_eq!(at("GET").0, 200);
    let (status, text) = at("GET");
    assert!(status == 429 && text.contains("toomanyrequests") && text.contains("retry-after: 3"), "{text}");
    let told = place.in_store("second", &["pull", &format!("{}/bb:1", registry.address)]).exits(1).stderr;
    assert!(told.contains("toomanyrequests: You have reached your pull rate limit."), "{told}");
}

#[test]
fn the_hub_makes_accounts_and_keeps_them_apart() {
    let place = Place::new();
    let hub = hub(&place);
    let address = hub.address.as_str();
    let login = |name: &str, password: &str| place.images(&["login", "-u", name, "--password-stdin", address]).input(password);
    login("ann", "secret").succeeds();
    assert!(login("ann", "wrong").exits(1).stderr.contains("incorrect username or password"));
    for name in ["library", "x", "Ann", "a:b"] {
        login(name, "secret").exits(1);
    }
    let own = format!("{address}/ann/bb:1");
    place.push(&own);
    for others in ["bob/bb:1", "library/bb:1", "bb:1"] {
        let name = format!("{address}/{others}");
        place.images(&["tag", "bb:1", &name]).succeeds();
        let denied = place.images(&["push", &name]).exits(1).stderr;
        assert!(denied.contains("denied: requested access to the resource is denied"), "{others}: {denied}");
    }
    let found = || ask(address, "GET /v1/search?q=ann").1;
    assert!(found().contains("\"name\":\"ann/bb\""), "{}", found());
    // Private: nobody else finds it, pulls it, or mounts from it.
    assert_eq!(ask(address, "POST /v2/repositories/ann/bb/privacy/").0, 403);
    assert_eq!(ask(address, "POST /v2/repositories/ann/bb/privacy/\nauthorization: Basic YW5uOnNlY3JldA==").0, 200);
    assert!(!found().contains("ann/bb"));
    place.in_store("owner", &["pull", &own]).succeeds();
    login("bob", "secret").succeeds();
    let denied = place.in_store("other", &["pull", &own]).exits(1).stderr;
    assert!(denied.contains("pull access denied for") && denied.contains("hint:"), "{denied}");
    let bobs = format!("{address}/bob/bb:1");
    let told = place.images(&["push", &bobs]).succeeds().stdout;
    assert!(told.contains(": Pushed\n") && !told.contains("Mounted"), "{told}");
}

#[test]
fn the_hub_has_the_course_images() {
    let place = Place::new();
    let hub = hub(&place);
    let address = hub.address.as_str();
    let pulled = place.in_store("second", &["pull", &format!("{address}/library/hello-world")]).succeeds().stdout;
    assert!(pulled.contains("Downloaded newer image"), "{pulled}");
    place.whole("second");
    assert!(place.images(&["tags", &format!("{address}/library/alpine")]).succeeds().stdout.contains("latest\n"));
    let found = ask(address, "GET /v2/search/repositories/?query=hello").1;
    assert!(found.contains("\"repo_name\":\"hello-world\"") && found.contains("\"is_official\":true"), "{found}");
    std::fs::write(place.path("hub/hub/limit"), "1 3600\n").expect("the lesson's limit");
    let told = place.in_store("third", &["pull", &format!("{address}/library/hello-world")]).exits(1).stderr;
    assert!(told.contains("toomanyrequests"), "{told}");
}
