//! Other people's programs on the other end: Debian's docker-registry, skopeo, umoci; with and without TLS and accounts.

use std::process::{Child, Stdio};
use std::time::Duration;

use super::Place;
use crate::support::{eventually, has_program, skip};

/// Debian's registry (the distribution project's `registry:2`).
struct Theirs {
    process: Child,
    address: String,
}

impl Drop for Theirs {
    fn drop(&mut self) {
        self.process.kill().expect("the registry is ours");
        self.process.wait().expect("and ends");
    }
}

impl Theirs {
    /// Starts it on a free port, with more lines under `http:` and more at the end of its configuration.
    fn start(place: &Place, http: &str, more: &str) -> Self {
        // The port is free when it is looked for. Whoever takes it meanwhile makes this registry end, and the test says so.
        let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port();
        let address = format!("127.0.0.1:{port}");
        let text = format!(
            "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {}\n  delete:\n    enabled: true\nhttp:\n  addr: {address}\n{http}{more}",
            place.text("theirs")
        );
        std::fs::write(place.path("config.yml"), text).expect("its configuration");
        let log = std::fs::File::create(place.path("theirs.log")).expect("its log");
        let mut command = place.sandbox.program("docker-registry").args(["serve", &place.text("config.yml")]).command();
        let mut process = command.stdout(Stdio::null()).stderr(log).spawn().expect("start docker-registry");
        eventually("docker-registry", Duration::from_secs(30), || {
            assert!(
                process.try_wait().expect("look at it").is_none(),
                "{}",
                std::fs::read_to_string(place.path("theirs.log")).unwrap_or_default()
            );
            std::net::TcpStream::connect(&address).ok()
        });
        Theirs { process, address }
    }
}

#[test]
fn debians_registry_takes_and_gives() {
    const TEST: &str = "client::others::debians_registry_takes_and_gives";
    if !has_program("docker-registry") {
        return skip(TEST, "docker-registry is not installed");
    }
    let place = Place::new();
    let theirs = Theirs::start(&place, "", "");
    let name = format!("{}/team/bb:1", theirs.address);
    assert!(place.push(&name).stdout.contains(": Pushed\n"));
    place.in_store("second", &["pull", &name]).succeeds();
    place.whole("second");
    assert_eq!(place.ids("second")[0], place.ids("store")[0]);
    let other = format!("{}/other/bb:1", theirs.address);
    assert!(place.push(&other).stdout.contains(": Mounted from team/bb\n"));
    assert_eq!(place.images(&["tags", &name]).succeeds().stdout, "1\n");
    let unknown = place.images(&["pull", &format!("{}/team/bb:2", theirs.address)]).exits(1).stderr;
    assert!(unknown.contains("manifest unknown"), "{unknown}");
}

#[test]
fn debians_registry_with_tls_and_accounts() {
    const TEST: &str = "client::others::debians_registry_with_tls_and_accounts";
    if let Some(missing) = ["docker-registry", "openssl"].into_iter().find(|program| !has_program(program)) {
        return skip(TEST, &format!("{missing} is not installed"));
    }
    let place = Place::new();
    place.certificate();
    // bcrypt of `secret`, made by htpasswd -nbB ann secret.
    let hash = "ann:$2y$05$suuUy9nzOdrGSbByQlNA2eMH9SQm9ozPRKtAvid2gosiJezlmC3Jq\n";
    std::fs::write(place.path("htpasswd"), hash).expect("the accounts");
    let tls = format!("  tls:\n    certificate: {}\n    key: {}\n", place.text("tls.crt"), place.text("tls.key"));
    let auth = format!("auth:\n  htpasswd:\n    realm: ours\n    path: {}\n", place.text("htpasswd"));
    let theirs = Theirs::start(&place, &tls, &auth);
    let name = format!("{}/bb:1", theirs.address);
    place.images(&["tag", "bb:1", &name]).succeeds();
    let denied = place.images(&["push", &name]).exits(1).stderr;
    assert!(denied.contains("denied: requested access to the resource is denied"), "{denied}");
    let wrong = place.images(&["login", "-u", "ann", "-p", "wrong", &theirs.address]).exits(1).stderr;
    assert!(wrong.contains("unauthorized: incorrect username or password"), "{wrong}");
    let login = place.images(&["login", "-u", "ann", "--password-stdin", &theirs.address]).input("secret\n").succeeds();
    assert_eq!(login.stdout, "Login Succeeded\n");
    place.images(&["push", &name]).succeeds();
    place.in_store("second", &["pull", &name]).succeeds();
    // What we keep skopeo reads, and the other way round.
    if has_program("skopeo") {
        let config = place.text("home/.docker/config.json");
        let skopeo =
            place.sandbox.program("skopeo").args(["inspect", "--tls-verify=false", "--authfile", &config, &format!("docker://{name}")]);
        assert!(skopeo.succeeds().stdout.contains("\"Layers\""));
    }
    assert_eq!(
        place.images(&["logout", &theirs.address]).succeeds().stdout,
        format!("Removing login credentials for {}\n", theirs.address)
    );
    assert!(place.in_store("third", &["pull", &name]).exits(1).stderr.contains("pull access denied for"));
}
