//! Builds whose context is elsewhere: the engine fetches an archive, a Dockerfile, or a repository.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{Engine, text};
use crate::support::{Sandbox, has_program, serve, skip};

/// A server of the files below a folder.
fn files(folder: &Path) -> std::net::SocketAddr {
    let folder = folder.to_owned();
    serve(move |request| {
        let path = request.split(' ').nth(1).unwrap_or_default().split('?').next().unwrap_or_default();
        let head = |status: &str, length: usize| format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
        match fs::read(folder.join(path.trim_start_matches('/'))) {
            Ok(content) => [head("200 OK", content.len()).into_bytes(), content].concat(),
            Err(_) => head("404 Not Found", 0).into_bytes(),
        }
    })
}

/// A Dockerfile that needs the file `kept` of its context, and says where it is from.
fn definition(from: &str) -> String {
    format!("FROM scratch\nLABEL from={from}\nCOPY kept /kept-{from}\n")
}

fn context(folder: &Path, from: &str) {
    fs::create_dir_all(folder).expect("make a context");
    fs::write(folder.join("Dockerfile"), definition(from)).expect("write a Dockerfile");
    fs::write(folder.join("kept"), from).expect("write a file");
}

/// The label of an image that says where its Dockerfile is from.
fn from(engine: &Engine, image: &str) -> String {
    engine.json(&format!("/images/{image}/json"))["Config"]["Labels"]["from"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn an_archive_or_a_dockerfile_is_fetched_by_the_engine() {
    let engine = Engine::start();
    let (www, inside) = (engine.path("www"), engine.path("inside"));
    context(&inside, "archive");
    fs::write(inside.join("Other"), definition("other")).expect("write a Dockerfile");
    fs::create_dir(&www).expect("make a folder");
    engine.sandbox.program("tar").args(["-C", &text(&inside), "-czf", &text(&www.join("app.tar.gz")), "."]).succeeds();
    fs::write(www.join("Dockerfile"), "FROM scratch\nLABEL from=alone\n").expect("write a Dockerfile");
    let server = files(&www);
    let build = |query: &str| engine.ask("POST", &format!("/build?version=1&{query}"));
    let (status, said) = build(&format!("t=one:1&remote=http://{server}/app.tar.gz"));
    assert!(status == 200 && said.contains("Successfully tagged one:1"), "{said}");
    assert_eq!(from(&engine, "one:1"), "archive");
    build(&format!("t=two:1&dockerfile=Other&remote=http://{server}/app.tar.gz"));
    assert_eq!(from(&engine, "two:1"), "other");
    build(&format!("t=three:1&remote=http://{server}/Dockerfile"));
    assert_eq!(from(&engine, "three:1"), "alone");
    // Our own client, in the words of both builders.
    for (name, old) in [("four:1", "0"), ("five:1", "1")] {
        engine.ours(&["build", "-t", name, &format!("http://{server}/app.tar.gz")]).env("DOCKER_BUILDKIT", old).succeeds();
        assert_eq!(from(&engine, name), "archive");
    }
    let (status, said) = build(&format!("remote=http://{server}/nothing.tar"));
    assert!(
        status == 400
            && said.contains(&format!("error downloading remote context http://{server}/nothing.tar: invalid response status 404")),
        "{said}"
    );
    // A path would be one of the engine's machine.
    for path in ["/etc", "--store=/etc", "file:///etc"] {
        assert_eq!(
            engine.refused("POST", &format!("/build?remote={path}"), 400),
            format!("remoteURL ({path}) could not be recognized as URL")
        );
    }
}

#[test]
fn the_dockerfile_of_a_context_that_was_sent_is_not_a_file_of_the_engines_machine() {
    let sandbox = Sandbox::new();
    let (here, inside) = (sandbox.path().join("here"), sandbox.path().join("inside"));
    context(&here, "machine");
    context(&inside, "archive");
    let tar = sandbox.path().join("app.tar");
    sandbox.program("tar").args(["-C", &text(&inside), "-cf", &text(&tar), "."]).succeeds();
    let store = text(&sandbox.path().join("store"));
    let said = sandbox
        .bottleship(["build", "--progress", "plain", "--store", &store, "-f", "Dockerfile", "-"])
        .folder(&here)
        .input(fs::read(&tar).expect("read the archive"))
        .succeeds();
    assert!(said.stderr.contains("kept-archive") && !said.stderr.contains("kept-machine"), "{said}");
    let images = sandbox.bottleship(["build", "--progress", "plain", "--store", &store, "-f", "Dockerfile", "."]).folder(&here).succeeds();
    assert!(images.stderr.contains("kept-machine"), "{images}");
}

fn git(folder: &Path, words: &[&str]) {
    let settings = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main"];
    let mut command = Command::new("git");
    command.args(settings).args(words).current_dir(folder).env("HOME", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    let output = command.output().expect("run git");
    assert!(output.status.success(), "git {words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_repository_is_fetched_with_its_branch_and_its_folder() {
    if !has_program("git") {
        return skip("a_repository_is_fetched_with_its_branch_and_its_folder", "git is not installed");
    }
    let engine = Engine::start();
    let (work, www) = (engine.path("work"), engine.path("www"));
    context(&work, "first");
    fs::create_dir(&www).expect("make a folder");
    git(&work, &["init", "--quiet"]);
    git(&work, &["add", "."]);
    git(&work, &["commit", "--quiet", "-m", "one"]);
    git(&work, &["checkout", "--quiet", "-b", "side"]);
    context(&work.join("docs"), "side");
    std::os::unix::fs::symlink("/etc", work.join("out")).expect("link");
    git(&work, &["add", "."]);
    git(&work, &["commit", "--quiet", "-m", "two"]);
    git(&work, &["checkout", "--quiet", "main"]);
    git(&work, &["clone", "--quiet", "--bare", ".", &text(&www.join("app.git"))]);
    git(&www.join("app.git"), &["update-server-info"]);
    let server = files(&www);
    let build = |name: &str, fragment: &str, wanted: u16| {
        let (status, said) = engine.ask("POST", &format!("/build?version=1&t={name}&remote=http://{server}/app.git{fragment}"));
        assert_eq!(status, wanted, "{said}");
        said
    };
    let said = build("one:1", "", 200);
    assert!(said.contains("Successfully tagged one:1"), "{said}");
    assert_eq!(from(&engine, "one:1"), "first");
    let said = build("two:1", "%23side:docs", 200);
    assert!(said.contains("Successfully tagged two:1"), "{said}");
    assert_eq!(from(&engine, "two:1"), "side");
    for (fragment, why) in [
        ("%23nosuch", "unable to prepare context: error fetching: "),
        ("%23side:nosuch", "error setting git context, \\\"nosuch\\\" is no folder within git root"),
        ("%23side:out", "is no folder within git root"),
        ("%23--upload-pack=x", "invalid refspec: --upload-pack=x"),
    ] {
        let said = build("bad:1", fragment, 400);
        assert!(said.contains(why), "{fragment}: {said}");
    }
}

#[test]
fn without_git_a_repository_is_refused_with_what_to_do() {
    let sandbox = Sandbox::new();
    let store = text(&sandbox.path().join("store"));
    // An ordinary user's builder needs these two, and no other program.
    let programs = sandbox.path().join("programs");
    std::fs::create_dir(&programs).expect("make a folder");
    for program in ["newuidmap", "newgidmap"] {
        std::os::unix::fs::symlink(Path::new("/usr/bin").join(program), programs.join(program)).expect("link a program");
    }
    let said = sandbox.bottleship(["build", "--store", &store, "git://127.0.0.1/app"]).env("PATH", text(&programs)).exits(1).stderr;
    assert!(said.contains("git is not on this machine") && said.contains("install git"), "{said}");
}
