//! Our `docker` command line: every line is given to it and, where the machine has one, to the real client too, against the same engine; what both say is
//! compared to the letter. What ours says is kept as a snapshot, so that a machine without docker tests something too.

mod completion;
mod containers;
mod lines;
mod registries;
mod scout;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use crate::engine::Engine;
use crate::support::{Output, has_program, skip};
use lines::Line;

/// An engine with an image that is the same everywhere: `base:1`, made in 2017.
fn engine() -> Engine {
    let engine = Engine::start();
    let folder = engine.path("context");
    fs::create_dir_all(&folder).expect("a folder for the context");
    let file = "FROM scratch\nCOPY hello /hello\nENV NAME=value\nLABEL kind=test\nCMD [\"/hello\"]\n";
    fs::write(folder.join("Dockerfile"), file).expect("a Dockerfile");
    fs::write(folder.join("hello"), "hello\n").expect("a file");
    fs::write(folder.join("Broken"), "FROM base:1\nFROB\n").expect("a Dockerfile");
    fs::write(folder.join("Next"), "FROM base:1\nARG V=1\nCOPY hello /again\nLABEL v=$V\n").expect("a Dockerfile");
    engine.ours(&["build", "-q", "--build-arg", "SOURCE_DATE_EPOCH=1500000000", "-t", "base:1", "context"]).succeeds();
    engine.sandbox.program("tar").args(["-C", "context", "-cf", "tree.tar", "hello"]).folder(engine.sandbox.path()).succeeds();
    engine
}

/// What a command said, without what is different each time.
fn said(engine: &Engine, output: &Output) -> String {
    let folder = engine.sandbox.path().display().to_string();
    let clean = |text: &str| {
        let text = text.replace(&folder, "SANDBOX");
        // The real client tells everybody about a builder that it does not have, and says `SRun` where it means `Run`.
        let without = [
            "DEPRECATED: The legacy builder is deprecated and will be removed in a future release.\n            Install the buildx component to build images with BuildKit:\n            https://docs.docker.com/go/buildx/\n\n",
            "DEPRECATED: The legacy builder is deprecated and will be removed in a future release.\n            BuildKit is currently disabled; enable it by removing the DOCKER_BUILDKIT=0\n            environment-variable.\n\n",
        ];
        without.iter().fold(text, |text, part| text.replace(part, "")).replace("\nSRun '", "\nRun '")
    };
    format!("{}{}(exit {})\n", clean(&output.stdout), clean(&output.stderr), output.code())
}

/// Gives a line to a client, on what the lines before it have prepared.
fn given(engine: &Engine, line: &Line, real: bool) -> String {
    for before in line.before {
        engine.ours(before).env("DOCKER_BUILDKIT", "0").output();
    }
    let call = if real { engine.client(engine.sandbox.program("docker").args(line.words)) } else { engine.ours(line.words) };
    said(engine, &call.env("DOCKER_BUILDKIT", "0").input(line.input).output())
}

#[test]
fn our_client_says_what_the_real_one_says() {
    let engine = engine();
    let real = has_program("docker");
    if !real {
        skip("our_client_says_what_the_real_one_says", "docker is not installed: only the snapshot is compared");
    }
    let (mut all, mut different) = (String::new(), Vec::new());
    for line in lines::LINES {
        let ours = given(&engine, line, false);
        if !(lines::OF_CONTAINERS.contains(&line.words[0]) && ours.contains("daemon")) {
            writeln!(all, "$ docker {}\n{ours}", line.words.join(" ")).expect("a String takes everything");
        }
        if real && !line.ours {
            let theirs = given(&engine, line, true);
            if ours != theirs {
                different.push(format!("$ docker {}\n--- real\n{theirs}--- ours\n{ours}", line.words.join(" ")));
            }
        }
    }
    assert!(different.is_empty(), "{} lines differ:\n{}", different.len(), different.join("\n"));
    let filters = [
        (r"\d+ (years|months|weeks|days|hours|minutes|seconds) ago", "AGES ago"),
        (r"(About an? (minute|hour)|Less than a second|1 second) ago", "AGES ago"),
        (r"20[2-9]\d-\d\d-\d\dT[0-9:.]+Z", "TIME"),
        (r"\r", ""),
        (r"[0-9a-f]{64}", "[DIGEST]"),
        (r"\b[0-9a-f]{12}\b", "[ID]"),
        // A column is as wide as what is in it.
        (r" {3,}", "   "),
    ];
    insta::with_settings!({filters => filters}, { insta::assert_snapshot!("docker-lines", all) });
}

#[test]
fn a_built_image_is_drawn_as_buildkit_draws_it() {
    let engine = engine();
    let run = |words: &[&str]| engine.ours(words).output();
    let plain = run(&["build", "-f", "context/Next", "-t", "next:1", "--iidfile", "id", "context"]);
    assert!(plain.code() == 0 && plain.stdout.is_empty(), "{plain}");
    for part in [
        "#1 [internal] load build definition from Next\n",
        "#5 [1/2] FROM docker.io/library/base:1",
        "#6 [2/2] COPY hello /again\n",
        "naming to docker.io/library/next:1 done",
    ] {
        assert!(plain.stderr.contains(part), "{part:?} in {plain}");
    }
    let id = fs::read_to_string(engine.path("id")).expect("the id");
    assert_eq!(run(&["images", "-q", "--no-trunc", "next"]).stdout.trim(), id);
    let again = run(&["build", "-f", "context/Next", "--progress", "plain", "context"]);
    assert!(again.stderr.contains("#6 CACHED\n"), "{again}");
    assert_eq!(run(&["build", "-q", "-f", "context/Next", "context"]).stdout.trim(), id);
    let broken = run(&["build", "-f", "context/Broken", "context"]);
    assert!(broken.code() == 1 && broken.stderr.contains("Broken:2\n") && broken.stderr.contains("unknown instruction: FROB"), "{broken}");
    let checked = run(&["build", "--check", "context"]);
    assert_eq!(checked.stdout, "Check complete, no warnings found.\n", "{checked}");
    // A Dockerfile from elsewhere goes along, and is not part of the context.
    fs::write(engine.path("Elsewhere"), "FROM base:1\nCOPY . /all\n").expect("a Dockerfile");
    let elsewhere = run(&["build", "-f", "Elsewhere", "-t", "else:1", "context"]);
    assert!(elsewhere.code() == 0, "{elsewhere}");
    let unknown = run(&["build", "--progress", "loud", "context"]);
    assert!(unknown.stderr.contains("invalid progress mode loud"), "{unknown}");
}

#[test]
fn a_build_through_the_engine_knows_the_last_one_and_the_time() {
    let engine = engine();
    let build = ["build", "-q", "--no-cache", "-f", "context/Next", "context"];
    let made = || engine.ours(&build).env("SOURCE_DATE_EPOCH", "1500000000").output().stdout;
    let first = made();
    assert!(first.starts_with("sha256:") && first == made(), "SOURCE_DATE_EPOCH of the environment goes along");
    fs::write(engine.path("context/hello"), "changed\n").expect("a file");
    let told = engine.ours(&["build", "--explain", "-f", "context/Next", "context"]).output();
    assert!(told.stderr.contains("What the cache did:\n line 3: COPY hello /again\n    miss: the file `hello` changed\n"), "{told}");
}

#[test]
fn an_imported_image_is_for_the_platform_that_was_said() {
    let engine = engine();
    engine.ours(&["import", "--platform", "linux/arm64", "tree.tar", "arm:1"]).succeeds();
    assert_eq!(engine.ours(&["image", "inspect", "-f", "{{.Os}}/{{.Architecture}}", "arm:1"]).output().stdout, "linux/arm64\n");
}

/// An image that is here, but for another platform, is as good as none: it is pulled, unless that is forbidden.
#[test]
fn an_image_for_another_platform_than_the_one_asked_for_is_not_run() {
    let engine = engine();
    engine.ours(&["import", "--platform", "linux/arm64/v8", "-c", "CMD [\"/hello\"]", "tree.tar", "arm:1"]).succeeds();
    let refused =
        "image with reference arm:1 was found but its platform (linux/arm64/v8) does not match the specified platform (linux/riscv64)";
    for verb in ["create", "run"] {
        let told = engine.ours(&[verb, "--platform", "linux/riscv64", "--pull", "never", "arm:1"]).output();
        let code = if verb == "run" { 125 } else { 1 };
        assert!(told.code() == code && told.stderr.contains(refused), "{verb}: {told}");
    }
    let pulled = engine.ours(&["create", "--platform", "linux/riscv64", "arm:1"]).output();
    assert!(pulled.code() == 1 && pulled.stderr.starts_with("Unable to find image 'arm:1' locally\n"), "{pulled}");
    for same in [&["--platform", "linux/arm64"][..], &["--platform", "linux/aarch64/v8"], &[]] {
        engine.ours(&[&["create"][..], same, &["arm:1"]].concat()).succeeds();
    }
    let wrong = engine.ours(&["create", "--platform", "a/b/c/d", "--pull", "never", "arm:1"]).output();
    assert!(wrong.code() == 1 && wrong.stderr.contains("\"a/b/c/d\" is an invalid platform"), "{wrong}");
}

#[test]
fn a_secret_of_a_build_is_in_no_address_and_in_no_layer() {
    let engine = engine();
    fs::write(engine.path("secret"), "top-secret-7\n").expect("a secret");
    fs::write(engine.path("context/Hidden"), "FROM base:1\nRUN --mount=type=secret,id=s,target=/s [\"/nosuch\"]\n").expect("a Dockerfile");
    let built = engine.ours(&["build", "-f", "context/Hidden", "--secret", "id=s,src=secret", "context"]).output();
    // There is nothing to run in this image; the secret was found nevertheless.
    assert!(built.code() == 1 && built.stderr.contains("/nosuch") && !built.stderr.contains("secret s: not found"), "{built}");
    let left = engine.sandbox.program("grep").args(["-rl", "top-secret-7", "data"]).folder(engine.sandbox.path()).output();
    assert_eq!(left.stdout, "", "the secret is left behind");
    let missing = engine.ours(&["build", "--secret", "id=s,src=/no/such/file", "context"]).exits(1);
    assert!(missing.stderr.contains("failed to stat /no/such/file"), "{missing}");
}

/// The options that a page of help lists: word, letter, what they take.
fn options(page: &str) -> BTreeMap<String, (String, String)> {
    let mut found = BTreeMap::new();
    for line in page.lines() {
        let text = line.trim_start();
        if line.len() - text.len() > 8 || !text.starts_with('-') {
            continue;
        }
        let (letter, rest) = text
            .strip_prefix('-')
            .filter(|rest| !rest.starts_with('-'))
            .map_or(("", text), |rest| rest.split_once(", ").unwrap_or((rest, "")));
        let mut words = rest.trim_start_matches('-').split("  ").next().unwrap_or_default().split(' ');
        let name = words.next().unwrap_or_default().to_owned();
        found.insert(name, (letter.to_owned(), words.next().unwrap_or_default().to_owned()));
    }
    found
}

#[test]
fn our_options_are_those_of_the_real_client() {
    if !has_program("docker") {
        return skip("our_options_are_those_of_the_real_client", "docker is not installed");
    }
    let engine = Engine::start();
    let mut wrong = Vec::new();
    for command in lines::COMMANDS {
        let words: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let ours = engine.ours(&words).succeeds();
        let theirs = engine.client(engine.sandbox.program("docker").args(&words)).succeeds();
        let (ours, theirs) = (options(&ours.stdout), options(&theirs.stdout));
        for (name, takes) in theirs.iter().filter(|(name, _)| *name != "help") {
            match ours.get(name) {
                Some(known) if known == takes => {}
                other => wrong.push(format!("docker {command} --{name}: real {takes:?}, ours {other:?}")),
            }
        }
        assert!(theirs.is_empty() || !ours.is_empty(), "docker {command}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_page_of_docker() {
    let engine = Engine::start();
    let mut all = engine.ours(&["--help"]).succeeds().stdout;
    for command in lines::COMMANDS.iter().chain(lines::OURS_ALONE) {
        let words: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let page = engine.ours(&words).succeeds().stdout;
        assert!(page.lines().all(|line| line.chars().count() <= 100 || line.starts_with("Usage:")), "{page}");
        writeln!(all, "\n## docker {command}\n{page}").expect("a String takes everything");
    }
    insta::assert_snapshot!("docker-help", all);
}

#[test]
fn what_may_stand_next_comes_from_the_tables_and_the_engine() {
    let engine = engine();
    let offered = |words: &[&str]| engine.ours(&[&["__complete", "--"], words].concat()).succeeds().stdout;
    assert_eq!(offered(&["imag"]), "image\nimages\n");
    assert_eq!(
        offered(&["image", "l"]),
        "load\nls\nlist\n"
            .split('\n')
            .filter(|line| !line.is_empty())
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .map(|line| format!("{line}\n"))
            .collect::<String>()
    );
    assert_eq!(offered(&["rmi", "ba"]), "base:1\n");
    assert!(offered(&["images", "--no"]).contains("--no-trunc\n"));
    assert_eq!(offered(&["run", "--network", "h"]), "host\n");
    assert_eq!(offered(&["-H", "unix:///x", "run", "--name", ""]), "", "a name of one's own choice");
    assert_eq!(offered(&["run", "base:1", "--netw"]), "", "that belongs to the program in it");
    assert_eq!(offered(&["--context", "default", "imag"]), "image\nimages\n");
    for shell in ["bash", "zsh", "fish"] {
        let script = engine.ours(&["completion", shell]).succeeds().stdout;
        assert!(script.contains("docker __complete"), "{script}");
        if has_program(shell) && shell != "fish" {
            engine.sandbox.program(shell).args(["-n"]).input(&script).succeeds();
        }
    }
    let script = format!(
        "{}\ndocker() {{ '{}' docker \"$@\"; }}\nCOMP_LINE='docker rmi ba' COMP_POINT=13\n_docker_complete\necho \"${{COMPREPLY[@]}}\"\n",
        engine.ours(&["completion", "bash"]).succeeds().stdout,
        crate::support::binary().display()
    );
    assert_eq!(engine.client(engine.sandbox.program("bash")).input(script).succeeds().stdout, "base:1\n");
}
