//! `bottleship build` from the outside: images from Dockerfiles on a base of busybox, what the cache did and why, hostile contexts, secrets, kills.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use serde_json::Value;

use crate::support::{Call, Output, Rights, Sandbox, bundle, has_program, rights, serve, skip};

mod cached;
mod compared;
mod hostile;
mod kills;

/// A sandbox with a store, a base image `base` of busybox, and a context.
pub struct World {
    sandbox: Sandbox,
}

const APPLETS: &[&str] =
    &["sh", "cat", "ls", "echo", "id", "pwd", "env", "mkdir", "rm", "ln", "stat", "sleep", "touch", "true", "false", "test", "grep"];

/// Whether a build has more users than one here: root has, and whoever has sub-ids and the programs that map them. Says why not.
pub fn many_users(test: &str) -> bool {
    let many = rights() == Rights::Root || has_program("newuidmap");
    if !many {
        skip(test, "this user has a single id: newuidmap is not installed");
    }
    many
}

impl World {
    /// A fresh one.
    pub fn new() -> Self {
        let world = World { sandbox: Sandbox::new() };
        let root = world.path("root");
        bundle::rootfs(&root, APPLETS);
        fs::write(root.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\nnode:x:1000:1001::/home/node:/bin/sh\n").unwrap();
        fs::write(root.join("etc/group"), "root:x:0:\nnode:x:1001:\n").unwrap();
        let tar = world.path("root.tar");
        // Whoever runs the tests, the base belongs to root.
        let owners = ["--owner=0", "--group=0", "--sort=name"];
        world.sandbox.program("tar").args(["-C", root.to_str().unwrap(), "-cf", tar.to_str().unwrap()]).args(owners).args(["."]).succeeds();
        world.images(&["import", tar.to_str().unwrap(), "base"]);
        fs::create_dir(world.path("context")).unwrap();
        world
    }

    /// A path in the sandbox.
    pub fn path(&self, name: &str) -> PathBuf {
        self.sandbox.path().join(name)
    }

    /// Writes a file of the context.
    pub fn file(&self, name: &str, content: &str) {
        let path = self.path("context").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// A call of `bottleship images`.
    pub fn images(&self, args: &[&str]) -> Output {
        self.sandbox.bottleship(["images", "--store"]).args([self.path("store")]).args(args).succeeds()
    }

    /// A build of the context with these arguments, to be run.
    pub fn call(&self, args: &[&str]) -> Call {
        let call = self.sandbox.bottleship(["build", "--progress", "plain", "--store"]).args([self.path("store")]).args(args);
        call.args([self.path("context")]).env("SOURCE_DATE_EPOCH", "")
    }

    /// A build of this Dockerfile, which succeeds.
    pub fn build(&self, dockerfile: &str, args: &[&str]) -> Output {
        self.file("Dockerfile", dockerfile);
        self.call(args).succeeds()
    }

    /// A build of this Dockerfile, which fails: what it says.
    pub fn fails(&self, dockerfile: &str, args: &[&str]) -> String {
        self.file("Dockerfile", dockerfile);
        self.call(args).exits(1).stderr
    }

    /// The configuration of an image.
    pub fn config(&self, name: &str) -> Value {
        let archive = self.path("archive.tar");
        self.images(&["save", name, "-o", archive.to_str().unwrap()]);
        let read = |inner: &str| self.sandbox.program("tar").args(["-xOf", archive.to_str().unwrap(), inner]).succeeds().stdout;
        let manifest: Value = serde_json::from_str(&read("manifest.json")).unwrap();
        serde_json::from_str(&read(manifest[0]["Config"].as_str().unwrap())).unwrap()
    }

    /// The files that a Dockerfile makes, in a folder.
    pub fn tree(&self, dockerfile: &str, args: &[&str]) -> PathBuf {
        let folder = self.path("tree");
        if folder.exists() {
            fs::remove_dir_all(&folder).unwrap();
        }
        self.build(dockerfile, &[&["-o", folder.to_str().unwrap()], args].concat());
        folder
    }

    /// The store is whole, and no container, no mount and no cgroup of a build is left.
    pub fn is_clean(&self) {
        assert_eq!(self.images(&["fsck"]).stdout, "Everything is what its digest says.\n");
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!mounts.contains(self.sandbox.path().to_str().unwrap()), "a mount is left:\n{mounts}");
    }
}

#[test]
fn several_stages_and_only_those_that_are_needed() {
    let world = World::new();
    world.file("src/main.c", "int main;");
    let dockerfile = "ARG FROM=base\nFROM $FROM AS build\nWORKDIR /src\nCOPY src .\nRUN cat main.c > out && pwd >> out\n\
        FROM base AS unused\nRUN false\nFROM scratch\nCOPY --from=build /src/out /app/\nCMD [\"/app/out\"]\n";
    let told = world.build(dockerfile, &["-t", "app:1", "-t", "app:2"]).stderr;
    assert!(
        told.contains("[build 4/4] RUN cat main.c") && told.contains("[stage-2 1/1] COPY --from=build") && !told.contains("RUN false"),
        "{told}"
    );
    assert!(told.contains("naming to docker.io/library/app:2 done"), "{told}");
    let folder = world.tree(dockerfile, &[]);
    assert_eq!(fs::read_to_string(folder.join("app/out")).unwrap(), "int main;/src\n");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    let error = world.fails(dockerfile, &["--target", "unused"]);
    let wanted = "ERROR: failed to build: failed to solve: process \"/bin/sh -c false\" did not complete successfully: exit code: 1\n";
    assert!(error.ends_with(wanted) && error.contains("Dockerfile:7\n") && error.contains("   7 | >>> RUN false\n"), "{error}");
    world.is_clean();
}

#[test]
fn further_contexts_are_folders_archives_and_images() {
    let world = World::new();
    for (name, text) in [("lib/a", "a"), ("lib/hidden", "x"), ("lib/.dockerignore", "hidden\n"), ("packed/p", "p")] {
        let path = world.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    world.build("FROM base\nRUN echo made > /made\n", &["-t", "made"]);
    let packed = world.path("packed.tar");
    world.sandbox.program("tar").args(["-C", world.path("packed").to_str().unwrap(), "-cf", packed.to_str().unwrap(), "."]).succeeds();
    let archive = fs::read(&packed).unwrap();
    let server = serve(move |_| [format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", archive.len()).as_bytes(), &archive].concat());
    let (lib, address) = (format!("LIB={}", world.path("lib").display()), format!("packed=http://{server}/packed.tar"));
    // The stage `compiled` would fail: the image stands for it.
    let dockerfile = "FROM nowhere AS compiled\nRUN false\nFROM base:latest\nRUN --mount=from=lib,target=/l cat /l/* > /seen\nCOPY --from=lib . /lib\n\
        COPY --from=packed p /\nCOPY --from=compiled /made /\n";
    let contexts = ["--build-context", &lib, "--build-context", &address, "--build-context", "compiled=docker-image://made"];
    let folder = world.tree(dockerfile, &contexts);
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    assert_eq!((read("lib/a").as_str(), read("p").as_str(), read("made").as_str(), read("seen").as_str()), ("a", "p", "made\n", "a"));
    assert!(!folder.join("lib/hidden").exists(), "what its .dockerignore leaves out is copied");
    // A base, by a name that is an image's.
    assert!(world.tree("FROM alpine:latest\n", &["--build-context", "alpine=docker-image://made"]).join("made").exists());
    for (context, why) in [
        ("lib", "invalid context \"lib\", expected format is NAME=CONTEXT"),
        ("lib=/no/such", "failed to get build context lib: stat /no/such: no such file or directory"),
        ("lib=oci-layout://x", "oci-layout:// is not known here"),
    ] {
        let told = world.fails("FROM base\n", &["--build-context", context]);
        assert!(told.contains(why), "{told}");
    }
    let told = world.fails("FROM base\nFROM lib\n", &["--build-context", &lib]);
    assert!(
        told.contains("the context \"lib\" is a folder") && told.contains("Dockerfile:2\n") && told.contains("hint: copy from it"),
        "{told}"
    );
    world.is_clean();
}

#[test]
fn the_configuration_and_the_history() {
    if !many_users("build::the_configuration_and_the_history") {
        return;
    }
    let world = World::new();
    world.file("a", "a");
    let dockerfile = "FROM base\nARG V=1\nENV A=b PATH=/bin\nRUN echo $V > v\nCOPY --chown=node a /a\nUSER node\nWORKDIR /home/node\nEXPOSE 80\n\
        LABEL x=y\nHEALTHCHECK --interval=5s CMD true\nENTRYPOINT [\"/bin/sh\"]\nCMD [\"-c\", \"id\"]\n";
    world.build(dockerfile, &["-t", "app", "--build-arg", "V=2", "--label", "z=1"]);
    let config = world.config("app");
    let run = &config["config"];
    assert_eq!(run["Env"], serde_json::json!(["PATH=/bin", "A=b"]));
    assert_eq!((&run["User"], &run["WorkingDir"]), (&"node".into(), &"/home/node".into()));
    assert_eq!(
        (&run["Labels"]["x"], &run["Labels"]["z"], &run["ExposedPorts"]),
        (&"y".into(), &"1".into(), &serde_json::json!({"80/tcp": {}}))
    );
    assert_eq!(run["Healthcheck"], serde_json::json!({"Test": ["CMD-SHELL", "true"], "Interval": 5_000_000_000_i64}));
    let history: Vec<&str> = config["history"].as_array().unwrap().iter().filter_map(|line| line["created_by"].as_str()).collect();
    let wanted = [
        "ARG V=2",
        "ENV A=b PATH=/bin",
        "RUN |1 V=2 /bin/sh -c echo $V > v # buildkit",
        "COPY --chown=node a /a # buildkit",
        "USER node",
        "WORKDIR /home/node",
        "EXPOSE map[80/tcp:{}]",
        "LABEL x=y",
        "HEALTHCHECK &{[\"CMD-SHELL\" \"true\"] \"5s\" \"0s\" \"0s\" \"0s\" '\\x00'}",
        "ENTRYPOINT [\"/bin/sh\"]",
        "CMD [\"-c\" \"id\"]",
    ];
    assert_eq!(&history[history.len() - wanted.len()..], wanted);
    let layers = config["history"].as_array().unwrap().iter().filter(|line| line["empty_layer"] != true).count();
    assert_eq!(config["rootfs"]["diff_ids"].as_array().unwrap().len(), 4, "base, RUN, COPY, WORKDIR");
    assert!(layers >= 3, "{config}");
}

#[test]
fn a_run_has_its_user_directory_environment_and_network() {
    if !many_users("build::a_run_has_its_user_directory_environment_and_network") {
        return;
    }
    let world = World::new();
    let dockerfile = "FROM base\nRUN mkdir /w && touch /w/mine\nENV A=env\nARG B=arg\nWORKDIR /w/deep\nUSER node:1001\n\
        RUN id -u; id -g; pwd; echo $A $B; test -w /w/mine || echo readonly\nUSER root\nSHELL [\"/bin/sh\", \"-ec\"]\n\
        RUN --network=none echo lo: $(cat /proc/net/dev | grep -c :)\nRUN <<EOT\n#!/bin/cat\nscript\nEOT\nRUN cat <<A <<B /etc/hosts\none\nA\ntwo\nB\n";
    let told = world.build(dockerfile, &["--add-host", "db:10.0.0.9"]).stderr;
    for line in
        [" 1000\n", " 1001\n", " /w/deep\n", " env arg\n", " readonly\n", " lo: 1\n", " #!/bin/cat\n", " script\n", " 10.0.0.9\tdb\n"]
    {
        assert!(told.contains(line), "{line:?} is missing:\n{told}");
    }
    let refused = world.fails("FROM base\nRUN --network=host true", &[]);
    assert!(refused.contains("network.host is not allowed"), "{refused}");
    assert!(world.fails("FROM base\nRUN --security=insecure true", &[]).contains("security.insecure is not allowed"));
    world.is_clean();
}

#[test]
fn nothing_of_a_mount_is_in_the_layer() {
    let world = World::new();
    world.file("tool", "#!/bin/sh\necho tool\n");
    let dockerfile = "FROM base AS other\nRUN mkdir /made && echo made > /made/file\nFROM base\n\
        RUN --mount=type=bind,target=/ctx --mount=from=other,source=/made,target=/m,rw --mount=type=tmpfs,target=/t \
        --mount=type=cache,target=/cache sh /ctx/tool > /out && cat /m/file >> /out && touch /m/new /t/x && echo once >> /cache/n && cat /cache/n >> /out\n";
    let folder = world.tree(dockerfile, &[]);
    assert_eq!(fs::read_to_string(folder.join("out")).unwrap(), "tool\nmade\nonce\n");
    let mut names: Vec<String> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["bin", "dev", "etc", "out", "proc", "sys", "tmp"]);
    assert!(!folder.join("etc/resolv.conf").exists() && !folder.join("etc/hosts").exists());
    // The cache outlives the build.
    let again = world.tree(dockerfile, &["--no-cache"]);
    assert!(fs::read_to_string(again.join("out")).unwrap().ends_with("once\nonce\n"));
    assert!(!world.path("context/new").exists());
}

#[test]
fn files_are_copied_as_they_are_asked_for() {
    let world = World::new();
    for name in ["a.txt", "b.txt", "dir/c.md", "dir/sub/d.txt"] {
        world.file(name, name);
    }
    world.file(".dockerignore", "*.md\n**/*.md\n");
    let tar = world.path("context/pack.tar.gz");
    world.sandbox.program("tar").args(["-C", world.path("context/dir").to_str().unwrap(), "-czf", tar.to_str().unwrap(), "sub"]).succeeds();
    symlink("a.txt", world.path("context/link")).unwrap();
    let dockerfile = "FROM scratch\nCOPY *.txt /all/\nCOPY --chmod=u=rw,go= a.txt /private\nCOPY --parents dir/sub/d.txt /kept/\n\
        COPY --exclude=b* . /some/\nADD pack.tar.gz /unpacked\nCOPY pack.tar.gz /\nCOPY --link a.txt /linked/\nCOPY <<one <<\"two\" /docs/\nx$HOME\none\ny$HOME\ntwo\nCOPY link /followed\n";
    let folder = world.tree(dockerfile, &[]);
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(
        (read("all/a.txt"), read("all/b.txt"), read("kept/dir/sub/d.txt")),
        ("a.txt".into(), "b.txt".into(), "dir/sub/d.txt".into())
    );
    assert_eq!(
        (read("unpacked/sub/d.txt"), read("linked/a.txt"), read("followed")),
        ("dir/sub/d.txt".into(), "a.txt".into(), "a.txt".into())
    );
    assert_eq!((read("docs/one"), read("docs/two")), ("x\n".into(), "y$HOME\n".into()));
    assert!(folder.join("pack.tar.gz").exists() && !folder.join("some/b.txt").exists() && !folder.join("some/dir/c.md").exists());
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(fs::metadata(folder.join("private")).unwrap().permissions().mode() & 0o777, 0o600);
    let error = world.fails("FROM scratch\nCOPY dir/c.md /\n", &[]);
    assert!(error.contains("\"/dir/c.md\": not found") && error.contains("of .dockerignore leaves it out"), "{error}");
}

#[test]
fn a_base_brings_its_triggers() {
    let world = World::new();
    world.file("app.js", "app");
    world.build("FROM base\nONBUILD COPY app.js /app/\nONBUILD RUN cat /app/app.js > /seen\n", &["-t", "onbuild"]);
    let folder = world.tree("FROM onbuild\nRUN echo after >> /seen\n", &[]);
    assert_eq!(fs::read_to_string(folder.join("seen")).unwrap(), "appafter\n");
    assert!(!world.build("FROM onbuild\n", &["-t", "child"]).stderr.contains("ERROR"));
    assert_eq!(world.config("child")["config"].get("OnBuild"), None);
}

#[test]
fn contexts_come_as_folders_archives_and_dockerfiles() {
    let world = World::new();
    world.file("Dockerfile", "FROM scratch\nCOPY a /a\n");
    world.file("a", "content");
    world.file("other/Docker.file", "FROM scratch\nCOPY a /b\n");
    let packed = world.sandbox.program("tar").args([
        "-C",
        world.path("context").to_str().unwrap(),
        "-cf",
        world.path("c.tar").to_str().unwrap(),
        ".",
    ]);
    packed.succeeds();
    let store = world.path("store");
    let build = |args: &[&str], input: Vec<u8>| {
        world
            .sandbox
            .bottleship(["build", "-q", "--store"])
            .args([&store])
            .args(args)
            .folder(world.path("context"))
            .input(input)
            .succeeds()
            .stdout
    };
    let usual = build(&["."], Vec::new());
    assert!(usual.starts_with("sha256:") && usual.len() == 72, "{usual}");
    assert_eq!(build(&["-"], fs::read(world.path("c.tar")).unwrap()), usual, "the same image");
    assert_eq!(build(&["-f", "-", "."], b"FROM scratch\nCOPY a /a\n".to_vec()), usual);
    assert_ne!(build(&["-f", "other/Docker.file", "."], Vec::new()), usual);
    assert!(build(&["-"], b"FROM base\nRUN true\n".to_vec()).starts_with("sha256:"), "a Dockerfile alone has an empty context");
}

#[test]
fn the_classic_builder_says_it_in_steps() {
    let world = World::new();
    let told = {
        world.file("Dockerfile", "FROM base\nRUN echo hello\nCMD [\"x\"]\n");
        let call =
            world.sandbox.bottleship(["build", "--store"]).args([world.path("store")]).args(["-t", "old"]).args([world.path("context")]);
        call.env("DOCKER_BUILDKIT", "0").succeeds().stdout
    };
    let hide = regex_lite::Regex::new("[0-9a-f]{12}").unwrap();
    let wanted = "Sending build context to Docker daemon  35B\nStep 1/3 : FROM base\n ---> ID\nStep 2/3 : RUN echo hello\n ---> Running in ID\nhello\n ---> Removed intermediate container ID\n ---> ID\n\
        Step 3/3 : CMD [\"x\"]\n ---> ID\nSuccessfully built ID\nSuccessfully tagged old:latest\n";
    assert_eq!(hide.replace_all(&told, "ID"), wanted);
}

#[test]
fn checks_find_what_is_mostly_a_mistake() {
    let world = World::new();
    let dockerfile = "FROM base as Build\nENV KEY value\nRUN echo $NOWHERE\nCOPY $MISSING /x\nCMD run\n";
    world.file("Dockerfile", dockerfile);
    let told = world.call(&["--check"]).exits(1).stdout;
    for rule in ["FromAsCasing", "StageNameCasing", "LegacyKeyValueFormat", "UndefinedVar", "JSONArgsRecommended"] {
        assert!(told.contains(&format!("WARNING: {rule}\n")), "{rule}: {told}");
    }
    assert!(told.contains("   2 | >>> ENV KEY value\n"), "{told}");
    let quiet = world.build("# check=skip=JSONArgsRecommended\nFROM base\nCMD run\n", &[]).stderr;
    assert!(!quiet.contains("warning"), "{quiet}");
    let said = world.build("FROM base\nCMD run\n", &["--build-arg", "UNASKED=1"]).stderr;
    assert!(
        said.contains(" 1 warning found") && said.contains(" - JSONArgsRecommended: ") && said.contains("UNASKED was not consumed"),
        "{said}"
    );
    assert!(world.fails("# check=error=true\nFROM base\nCMD run\n", &[]).contains("lint violation found for rules: JSONArgsRecommended"));
}

#[test]
fn what_is_wrong_is_told_with_its_lines() {
    let world = World::new();
    for (dockerfile, why) in [
        // Nobody listens there.
        ("FROM 127.0.0.1:1/nothing\n", "127.0.0.1:1/nothing: failed to resolve source metadata for 127.0.0.1:1/nothing:latest"),
        ("FROM base\nCOPY nothing /\n", "\"/nothing\": not found"),
        ("FROM base\nUSER ghost\nRUN true\n", "unable to find user ghost: no matching entries in passwd file"),
        ("FROM base\nRUN [\"/no/such\"]\n", "/no/such"),
        ("FROM base\nCOPY --from=127.0.0.1:1/later / /\n", "failed to resolve source metadata for 127.0.0.1:1/later:latest"),
        ("FROM base\nRUN --mount=type=ssh true\n", "forwards no agent"),
        ("FROM base\nRUN --mount=type=secret,id=x,required=true true\n", "secret x: not found"),
        ("FROM base\nADD https://example.org/a.git /x\n", "repositories of Git are not fetched"),
    ] {
        let told = world.fails(dockerfile, &[]);
        assert!(told.contains(why) && told.contains("Dockerfile:") && told.contains(">>>"), "{dockerfile}\n{told}");
    }
    assert!(world.fails("FRMO x\n", &[]).contains("unknown instruction: FRMO (did you mean FROM?)"));
    world.is_clean();
}

#[test]
fn add_fetches_files_and_compares_them() {
    let world = World::new();
    let server = crate::support::serve(|request| match request.split(' ').nth(1) {
        Some("/moved") => b"HTTP/1.1 302 Found\r\nLocation: /file.txt\r\nContent-Length: 0\r\n\r\n".to_vec(),
        Some("/file.txt") => b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nLast-Modified: Sun, 09 Sep 2001 01:46:40 GMT\r\n\r\nserved".to_vec(),
        _ => b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec(),
    });
    let of = |rest: &str| format!("FROM scratch\nADD {rest}\n");
    let folder = world.tree(&of(&format!("http://{server}/file.txt http://{server}/moved /got/")), &[]);
    assert_eq!(fs::read_to_string(folder.join("got/moved")).unwrap(), "served");
    let data = fs::metadata(folder.join("got/file.txt")).unwrap();
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    assert_eq!((data.mtime(), data.permissions().mode() & 0o777), (1_000_000_000, 0o600));
    let digest = "sha256:d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa";
    let told = world.fails(&of(&format!("--checksum={digest} http://{server}/file.txt /x")), &[]);
    assert!(told.contains("digest mismatch sha256:") && told.contains(digest), "{told}");
    assert!(world.fails(&of(&format!("http://{server}/none /x")), &[]).contains("invalid response status 404"));
    assert!(world.fails(&of("http://127.0.0.1:1/file /x"), &[]).contains("connection refused"));
}
