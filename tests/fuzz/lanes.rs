//! Bounded fuzzing on a stable toolchain: every parser of something that a person or another program writes is fed broken versions of real
//! files. No input may make one panic or take a second.
//!
//! A lane runs for BOTTLESHIP_FUZZ_SECONDS (1 unless set), from the seed BOTTLESHIP_FUZZ_SEED (1 unless set), so a failure can be repeated.
//! The input that broke a parser is written below `target/fuzz/`.

mod archives;
mod compose;
mod mutate;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mutate::Mutator;

/// What a parser may take for one input of a few kilobytes.
const PATIENCE: Duration = Duration::from_secs(1);

/// Feeds `parse` mutations of `corpus` until the time is over. `words` are what the format knows, to be strewn in.
fn lane(name: &str, corpus: &[Vec<u8>], words: &[&str], parse: impl Fn(&[u8])) {
    assert!(!corpus.is_empty(), "lane {name} has no corpus");
    let number = |variable: &str| std::env::var(variable).ok().and_then(|text| text.parse::<u64>().ok()).unwrap_or(1);
    let (seed, time) = (number("BOTTLESHIP_FUZZ_SEED"), Duration::from_secs(number("BOTTLESHIP_FUZZ_SECONDS")));
    // What is right must pass first: a lane over a corpus that is refused at once would test little.
    corpus.iter().for_each(|input| one(name, input, &parse));
    // What once broke a parser is fed again for ever.
    files("tests/fuzz/kept", &[""]).iter().for_each(|input| one(name, input, &parse));
    let mut mutator = Mutator::new(seed, corpus, words);
    let end = Instant::now() + time;
    let mut inputs = 0_u64;
    while Instant::now() < end {
        one(name, &mutator.next(), &parse);
        inputs += 1;
    }
    assert!(inputs > 0, "lane {name} had no time for a single input");
}

fn one(name: &str, input: &[u8], parse: &impl Fn(&[u8])) {
    let began = Instant::now();
    let survived = catch_unwind(AssertUnwindSafe(|| parse(input))).is_ok();
    let took = began.elapsed();
    if !survived || took > PATIENCE {
        let path = keep(name, input);
        panic!(
            "lane {name}: {} on the input kept in {}",
            if survived { format!("{took:?}") } else { "a panic".to_owned() },
            path.display()
        );
    }
}

fn keep(name: &str, input: &[u8]) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/fuzz");
    let path = folder.join(format!("{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&path, input)).unwrap_or_else(|error| panic!("keep {path:?}: {error}"));
    path
}

/// Every file below `folder` whose name ends in one of `endings`.
fn files(folder: &str, endings: &[&str]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut open = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(std::fs::read_dir(&path).expect("read a folder").map(|entry| entry.expect("an entry").path()));
        } else if endings.iter().any(|ending| path.to_string_lossy().ends_with(ending)) {
            found.push(std::fs::read(&path).expect("read a file"));
        }
    }
    found.sort();
    found
}

#[test]
fn journal_lines() {
    let lines = concat!(
        "{\"seq\":1,\"at\":5,\"actor\":\"you\",\"kind\":\"line\",\"subject\":\"unshare -n\"}\n",
        "{\"seq\":2,\"at\":6,\"host\":\"bench\",\"actor\":\"runtime\",\"kind\":\"xray\",\"subject\":\"mount\",\"cause\":1,\"data\":{\"result\":0}}\n",
        "{\"seq\":3,\"at\":7,\"clock\":7,\"actor\":\"you\",\"kind\":\"line.end\",\"cause\":1,\"data\":{\"status\":0}}\n",
    );
    lane("journal", &[lines.as_bytes().to_vec()], &["\"seq\":", "\"cause\":", "18446744073709551615", "-1", "null", "\n"], |input| {
        let parsed = crate::journal::reader::parse(input);
        let mut log = crate::journal::reader::Log::default();
        log.extend(parsed.events);
        (0..5).for_each(|seq| drop(log.causes(seq)));
    });
}

/// What course files are made of.
const COURSE: &[&str] = &[
    "---\n",
    "## Step {#id}\n",
    "```run\n",
    "```check\n",
    "```output\n",
    "```quiz\n",
    "```\n",
    "facts:\n",
    "- {id: a, kind: exists, of: file/x}\n",
    "kind: never",
    "params: {x: {hex: 8}}\n",
    "{x}",
    "hold: 2s",
    "points: 99999999999999999999",
    "&a [*a, *a]",
    "<<: *a",
    "needs: [x]",
    "!!binary",
];

fn no_params() -> crate::course::text::Params {
    crate::course::text::Params::default()
}

#[test]
fn lessons() {
    lane("lesson", &files("lessons", &[".md"]), COURSE, |input| {
        drop(crate::course::lesson::read(Path::new("lesson.md"), &String::from_utf8_lossy(input), &no_params()));
    });
}

#[test]
fn labs() {
    let lab = b"id: by-hand/x\ntitle: T\nminutes: 5\nparams:\n  token: {hex: 8}\nsteps:\n  - id: a\n    goal: G\n    points: 1\n    facts:\n      - {id: f, kind: file, path: /srv/x, is: \"{token}\", not_yet: \"no {got}\"}\n    hints: [a, b, c]\n".to_vec();
    let corpus = [files("labs", &["lab.yaml"]), vec![lab]].concat();
    lane("lab", &corpus, COURSE, |input| {
        let text = String::from_utf8_lossy(input);
        drop(crate::course::lab::read(Path::new("lab.yaml"), &text, "Do it.", &no_params()));
        drop(crate::course::console::read(Path::new("solve.console"), &text, &no_params()));
    });
}

#[test]
fn transcripts() {
    let corpus = [
        files("solutions", &[".console"]),
        vec![b"# expect: step=a verdict=not-yet fact=f\n# needs: cgroup2\n$ echo {token}\n$ :answer a 1\n".to_vec()],
    ]
    .concat();
    lane("console", &corpus, &["$ ", "# expect: ", "# needs: ", "step=", "{", "}"], |input| {
        drop(crate::course::console::read(Path::new("solve.console"), &String::from_utf8_lossy(input), &no_params()));
    });
}

#[test]
fn resolver_files() {
    let hosts = b"127.0.0.1 localhost\n::1 localhost # both\n10.0.0.1 a b c\n".to_vec();
    let resolv = b"nameserver 8.8.8.8\nsearch a.example b.example\noptions ndots:5 timeout:1\n".to_vec();
    lane("resolver", &[hosts, resolv], &["nameserver", "options", "ndots:", "search", "#", "::"], |input| {
        let text = String::from_utf8_lossy(input);
        assert!(crate::toolbox::fuzzed::resolver(&text) > 0, "there is always a server to ask");
    });
}

#[test]
fn dns_answers() {
    let answer = b"\x12\x34\x81\x80\0\x01\0\x02\0\0\0\0\x03www\x07example\x03com\0\0\x01\0\x01\xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x02\xc0\x10\xc0\x10\0\x01\0\x01\0\0\0\x3c\0\x04\x0a\x01\x02\x03";
    lane("dns", &[answer.to_vec()], &["\u{0}", "\u{1}"], crate::toolbox::fuzzed::dns_answer);
}

#[test]
fn http_responses() {
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n".to_vec();
    let length = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 2\r\n\r\nab".to_vec();
    lane(
        "http",
        &[chunked, length],
        &["\r\n", "Content-Length: ", "ffffffffffffffff", "-1", "HTTP/1.1 "],
        crate::toolbox::fuzzed::http_response,
    );
}

/// What a config.json is made of, beside what the default one has.
const CONFIG: &[&str] = &[
    "\"namespaces\":[{\"type\":\"user\"}]",
    "\"uidMappings\":[{\"containerID\":0,\"hostID\":4294967295,\"size\":4294967295}]",
    "\"devices\":[{\"path\":\"/dev/x\",\"type\":\"c\",\"major\":-1}]",
    "\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ERRNO\"}",
    "\"rlimits\":[{\"type\":\"RLIMIT_CORE\",\"hard\":18446744073709551615}]",
    "\"cgroupsPath\":\"../..\"",
    "null",
    "-1",
    "9223372036854775808",
    "[[[[[[[[",
    "\u{0}",
];

#[test]
fn config_files() {
    let full = br#"{"ociVersion":"1.2.0","root":{"path":"rootfs"},"process":{"cwd":"/","args":["true"],"user":{"uid":0,"gid":0}},
        "hooks":{"poststop":[{"path":"/bin/x","args":["x"],"timeout":1}]},"mounts":[{"destination":"/a","type":"bind","source":"/b","options":["rbind"]}],
        "linux":{"resources":{"memory":{"limit":1},"cpu":{"shares":2}},"sysctl":{"net.ipv4.ip_forward":"1"},"maskedPaths":["/proc/kcore"]}}"#;
    lane("config", &[files("src/oci/runtime/spec", &[".json"]), vec![full.to_vec()]].concat(), CONFIG, |input| {
        drop(crate::oci::runtime::spec::parse(input));
        drop(crate::oci::runtime::spec::parse_process(input));
        drop(crate::oci::runtime::spec::parse_resources(input));
    });
}

/// A profile is somebody else's file, and what it is compiled to runs in the kernel.
#[test]
fn seccomp_profiles() {
    let ours = serde_json::to_vec(&crate::oci::seccomp::default_profile(&[])).expect("a profile as JSON");
    let small = br#"{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86_64"],"syscalls":[{"names":["mount"],"action":"SCMP_ACT_ERRNO",
        "errnoRet":1,"args":[{"index":1,"value":3,"valueTwo":2,"op":"SCMP_CMP_MASKED_EQ"}]}]}"#;
    let words =
        ["SCMP_ACT_NOTIFY", "SCMP_ACT_TRAP", "SCMP_CMP_GT", "\"index\":6", "\"value\":18446744073709551615", "\"names\":[]", "clone3"];
    lane("seccomp", &[ours, small.to_vec()], &words, |input| {
        if let Ok(profile) = serde_json::from_slice(input) {
            drop(crate::kernel::seccomp::Program::compile(&profile));
        }
    });
}

#[test]
fn submissions() {
    let course = crate::course::Course::embedded();
    let one = br#"{"bottleship":1,"unit":"by-hand/cap-the-hog","digest":"","seed":"1","name":"ann","lines":[{"step":"a","host":"bench","line":"ls","verb":false},
        {"step":"a","host":"bench","line":":check","verb":true}],"verdicts":[{"step":"a","state":"done","points":3,"hints":1}],"journal":"","seal":""}"#;
    assert!(crate::course::submission::fuzzed::submission(one, &course), "the corpus gets as far as its replay");
    let words = ["\"lines\":[", "null", "\"seed\":", "-1", "{}", "\"state\":\"skipped\"", "by-hand/old-root", "\\u0000"];
    lane("submission", &[one.to_vec()], &words, |input| {
        crate::course::submission::fuzzed::submission(input, &course);
    });
}

#[test]
fn names_and_addresses_of_registries() {
    use crate::oci::distribution::client::{challenge, url};
    use crate::oci::reference::Reference;
    let corpus: Vec<Vec<u8>> = [
        "registry.example:5000/team/app:1.2",
        "[::1]:5000/a__b/c--d",
        "alpine@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "Bearer realm=\"https://auth.example/token\",service=\"x\",scope=\"repository:a/b:pull,push\", Basic realm=y",
        "https://cdn.example/v2/x?sig=1#end",
        "../uploads/1?state=a%2Fb",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec();
    let words = ["://", "@", ":", "/", "..", "sha256:", "localhost", "[::]", "realm=", "\"", "\\", "?", "%2F", "//", "docker.io"];
    lane("references", &corpus, &words, |input| {
        let text = String::from_utf8_lossy(input);
        if let Ok(name) = text.parse::<Reference>() {
            // What was read means the same when it is read again, and its parts can be folders.
            assert_eq!(name.to_string().parse().as_ref(), Ok(&name));
            assert!(!name.path().split('/').any(|part| part.is_empty() || part == ".." || part == "."));
        }
        challenge::read(&text);
        if let Some(address) = url::join("https://registry.example/v2/a/b", &text) {
            assert!(matches!(address.scheme_str(), Some("http" | "https")));
        }
    });
}

#[test]
fn manifests() {
    use crate::oci::image::spec::{Document, ImageConfig};
    let part = r#"{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":7}"#;
    let corpus = [
        format!(r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{part},"layers":[{part}]}}"#),
        format!(r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{part}]}}"#),
        r#"{"architecture":"amd64","os":"linux","config":{"Cmd":["sh"],"Env":["A=b"]},"rootfs":{"type":"layers","diff_ids":[]},"history":[]}"#.to_owned(),
    ]
    .map(String::into_bytes);
    let words =
        ["schemaVersion", "mediaType", "manifests", "layers", "digest", "size", "-1", "1e400", "null", "[[", "{", "\\u0000", "platform"];
    lane("manifests", &corpus, &words, |input| {
        // What is read can be written and read again.
        if let Ok(document) = Document::read(None, input) {
            let again = match &document {
                Document::Manifest(manifest) => serde_json::to_vec(manifest),
                Document::Index(index) => serde_json::to_vec(index),
            };
            assert!(serde_json::from_slice::<serde_json::Value>(&again.expect("it is written")).is_ok());
        }
        let _config = ImageConfig::read(input);
    });
}

/// What Dockerfiles are made of.
const DOCKERFILE: &[&str] = &[
    "FROM ",
    " AS ",
    "RUN ",
    "COPY ",
    "ARG ",
    "--from=",
    "--mount=type=",
    "<<EOT\n",
    "EOT\n",
    "\\\n",
    "${",
    "$",
    ":-",
    "[\"",
    "\"]",
    "# escape=`\n",
    "ONBUILD ",
    "HEALTHCHECK CMD ",
    "'",
    "\"",
    "`",
    "${x/",
    "##",
    "%%*",
];

#[test]
fn dockerfiles() {
    let corpus = [
        "# syntax=docker/dockerfile:1\nARG V=1\nFROM base:${V:-2} AS build\nRUN <<EOT bash\n echo \"$V\"\nEOT\nCOPY --from=0 --chown=a:b [\"x y\", \"/z\"]\n",
        "FROM scratch\nENV A=b C='d e' \\\n  # comment\n  F=${A#b*}\nHEALTHCHECK --interval=5s CMD x\nRUN --mount=type=cache,target=/c,sharing=locked a\n",
        "FROM a\nONBUILD COPY . /x\nEXPOSE 80 7000-7002/udp\nSHELL [\"/bin/sh\", \"-c\"]\nCOPY <<\"A\" <<-B /d/\n1\nA\n\t2\n\tB\n",
    ];
    let corpus: Vec<Vec<u8>> = corpus.iter().map(|text| text.as_bytes().to_vec()).collect();
    lane("dockerfile", &corpus, DOCKERFILE, |input| {
        let text = String::from_utf8_lossy(input);
        if let Ok(file) = crate::build::dockerfile::read(&text) {
            drop(crate::build::checks::file(&file, &crate::build::ignore::Ignore::default()));
            for stage in &file.stages {
                let value = |name: &str| (name.len() < 3).then(|| "value/of.it".to_owned());
                stage.steps.iter().for_each(|step| drop(crate::build::dockerfile::expand::word(&step.statement.rest, file.escape, &value)));
            }
        }
    });
}

#[test]
fn ignore_files() {
    let corpus = [b"# c\n*.md\n!README*.md\n**/node_modules\n/a/[a-z]?/**/x\n".to_vec(), b"*/*/temp*\n\\#x\n!\\!a\n".to_vec()];
    lane("dockerignore", &corpus, &["**/", "!", "[a-", "]", "[^", "\\", "../", "*", "\n"], |input| {
        if let Ok(ignore) = crate::build::ignore::Ignore::read(&String::from_utf8_lossy(input)) {
            let paths = ["a", "src/node_modules/x/y.js", "README.md", "a/bc/d/e/x", "..", ""];
            let out = paths.iter().filter(|path| ignore.excludes(path).is_some()).count();
            assert!(out <= paths.len());
        }
    });
}
