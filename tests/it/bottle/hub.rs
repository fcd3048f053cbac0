//! The Docker Hub of a bottle: reached by its real names over TLS, trusted by every program of a host, and by nobody outside.

use std::fs;
use std::path::Path;

use super::{typed, typed_with};
use crate::support::{PATIENCE, Sandbox, eventually, has_program, skip};

#[test]
fn the_hub_is_trusted_in_the_bottle_and_an_image_comes_from_it() {
    let sandbox = Sandbox::new();
    let script = "bottleship images pull hello-world\n\
                  bottleship images tags alpine\n\
                  SSL_CERT_FILE=/etc/hostname bottleship images pull alpine\n\
                  bottleship images login -u ann -p secret\n\
                  bottleship images tag hello-world ann/hello:1\n\
                  bottleship images push ann/hello:1\n";
    let output = sandbox.bottleship(["--plain"]).input(script).output();
    for words in [
        "latest: Pulling from library/hello-world",
        "Status: Downloaded newer image for hello-world:latest",
        "x509: certificate signed by unknown authority",
        "Login Succeeded",
        "The push refers to repository [docker.io/ann/hello]",
        "1: digest: sha256:",
    ] {
        assert!(output.stdout.contains(words) || output.stderr.contains(words), "{words:?} is not in {output}");
    }
}

#[test]
fn curl_in_the_bottle_trusts_its_hub_and_finds_images() {
    const TEST: &str = "bottle::hub::curl_in_the_bottle_trusts_its_hub_and_finds_images";
    if !has_program("curl") {
        return skip(TEST, "curl is not installed");
    }
    let sandbox = Sandbox::new();
    let script = "curl -sS -o /dev/null -w 'v2: %{http_code}\\n' https://registry-1.docker.io/v2/\n\
                  curl -sS 'https://index.docker.io/v1/search?q=alpine' | head -c 60\n\
                  curl -sS -o /dev/null https://hub.docker.com/ && echo hub: fine\n\
                  curl -sS --cacert /etc/hostname https://auth.docker.io/token || echo refused: $?\n";
    let output = sandbox.bottleship(["--plain"]).input(script).output();
    for words in ["v2: 401", "\"num_results\":", "hub: fine", "refused: 77"] {
        assert!(output.stdout.contains(words), "{words:?} is not in {output}");
    }
}

#[test]
fn what_is_private_is_not_told_from_what_is_not_there() {
    let sandbox = Sandbox::new();
    let script = "bottleship images pull -q hello-world\nbottleship images tag hello-world ann/secret:1\nbottleship images tag hello-world ann/open:1\n\
                  bottleship images login -u ann -p secret\nbottleship images push -q ann/secret:1\nbottleship images push -q ann/open:1\n\
                  curl -sS -u ann:secret -X POST https://hub.docker.com/v2/repositories/ann/secret/privacy/; echo\n\
                  catalog() { t=$(curl -sS \"$@\" https://auth.docker.io/token | jq -r .token); curl -sS -H \"Authorization: Bearer $t\" https://registry-1.docker.io/v2/_catalog; echo; }\n\
                  echo nobody: $(catalog)\necho owner: $(catalog -u ann:secret)\n\
                  bottleship images logout\n\
                  bottleship images pull ann/secret:1\nbottleship images pull ann/nosuch:1\nbottleship images pull nosuch\n";
    let output = typed(&sandbox, script);
    let line = |start: &str| output.stdout.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("no {start} in {output}"));
    assert!(line("nobody:").contains("ann/open") && !line("nobody:").contains("ann/secret"), "{output}");
    assert!(line("owner:").contains("ann/secret"), "{output}");
    for name in ["ann/secret", "ann/nosuch", "nosuch"] {
        let words = format!("pull access denied for {name}, repository does not exist or may require 'docker login'");
        assert!(output.stdout.contains(&words) || output.stderr.contains(&words), "{words:?} is not in {output}");
    }
}

#[test]
fn the_rate_limit_is_a_lesson() {
    if !has_program("curl") {
        return skip("the_rate_limit_is_a_lesson", "curl is not installed");
    }
    let sandbox = Sandbox::new();
    let script = "curl -sS -X POST 'https://hub.docker.com/limit?pulls=2&seconds=3600'; echo\n\
                  t=$(curl -sS 'https://auth.docker.io/token?scope=repository:library/hello-world:pull' | jq -r .token)\n\
                  look() { curl -sS \"$@\" -H \"Authorization: Bearer $t\" https://registry-1.docker.io/v2/library/hello-world/manifests/latest; }\n\
                  look -I | grep -i ratelimit\n\
                  look -o /dev/null; look -o /dev/null\n\
                  look -w '%{http_code}\\n'\n\
                  docker pull hello-world\n\
                  curl -sS -X POST https://hub.docker.com/limit; echo\n\
                  look -o /dev/null -w 'again: %{http_code}\\n'\n\
                  curl -sS -X POST 'https://hub.docker.com/limit?pulls=many' -o /dev/null -w 'wrong: %{http_code}\\n'\n";
    let output = typed(&sandbox, script);
    let mut wanted = vec![
        "{\"anonymous\":{\"pulls\":2,\"seconds\":3600},\"logged_in\":{\"pulls\":4,\"seconds\":3600}}",
        "ratelimit-limit: 2;w=3600",
        "ratelimit-remaining: 2;w=3600",
        "\"code\":\"TOOMANYREQUESTS\"",
        "429",
        "{\"anonymous\":{\"pulls\":100,\"seconds\":21600}",
        "again: 200",
        "wrong: 405",
    ];
    if has_program("docker") {
        wanted.push("toomanyrequests: You have reached your pull rate limit.");
    }
    for words in wanted {
        assert!(output.stdout.contains(words) || output.stderr.contains(words), "{words:?} is not in {output}");
    }
}

#[test]
fn other_registries_have_what_the_catalog_has_of_theirs() {
    let sandbox = Sandbox::new();
    let script = "bottleship images pull -q gcr.io/google-containers/alpine-with-bash:1.0\nbottleship images tags quay.io/fedora/fedora\n\
                  bottleship images pull quay.io/nobody/nothing\nbottleship images tag gcr.io/google-containers/alpine-with-bash:1.0 quay.io/me/x:1\n\
                  bottleship images push quay.io/me/x:1\n";
    let output = typed(&sandbox, script);
    for words in
        ["gcr.io/google-containers/alpine-with-bash:1.0", "latest", "manifest unknown", "unsupported: the operation is unsupported"]
    {
        assert!(output.stdout.contains(words) || output.stderr.contains(words), "{words:?} is not in {output}");
    }
}

/// The process of the Hub of this sandbox's bottle: others may run beside it.
fn hub(sandbox: &Sandbox) -> Option<u32> {
    let state = sandbox.state().display().to_string();
    let mut pids = fs::read_dir("/proc").expect("list /proc").flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.find(|pid| {
        let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
        read("cmdline").starts_with("bottleship\0registry\0--root\0/var/lib/bottleship/hub\0hub\0") && read("mountinfo").contains(&state)
    })
}

#[test]
fn a_hub_that_was_killed_comes_back() {
    let sandbox = Sandbox::new();
    let share = sandbox.path().join("share");
    fs::create_dir(&share).expect("make a folder to share");
    let (ready, killed) = (share.join("ready").display().to_string(), share.join("killed"));
    let script = format!(
        "bottleship images pull -q hello-world && touch {ready}\nuntil [ -e {} ]; do sleep 0.05; done\nbottleship images tags alpine\n",
        killed.display()
    );
    let output = std::thread::scope(|scope| {
        let typing = scope.spawn(|| typed_with(&sandbox, &["--share", &share.display().to_string()], &script));
        eventually("the Hub to have been asked", PATIENCE, || Path::new(&ready).exists().then_some(()));
        let pid = hub(&sandbox).expect("it runs");
        crate::support::Call::new("kill").args(["-9", &pid.to_string()]).succeeds();
        let other = eventually("another Hub", PATIENCE, || hub(&sandbox).filter(|other| *other != pid));
        assert_ne!(other, pid);
        fs::write(&killed, "").expect("say that it is done");
        typing.join().expect("the bottle ends")
    });
    assert!(output.stdout.lines().any(|line| line.contains("latest")), "{output}");
}
