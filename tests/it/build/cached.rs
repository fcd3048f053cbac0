//! The cache: what hits, what misses, and why.

use std::fs;

use super::World;

/// The explanations of a build, one line each: `line N: hit`.
fn explained(world: &World, dockerfile: &str, args: &[&str]) -> Vec<String> {
    let told = world.build(dockerfile, &[&["--explain"], args].concat()).stderr;
    let rest = told.split("What the cache did:\n").nth(1).unwrap_or_else(|| panic!("no explanation:\n{told}"));
    let lines: Vec<&str> = rest.lines().collect();
    let one = |pair: &[&str]| format!("{}:{}", pair[0].trim().split(':').next().unwrap(), pair[1].trim());
    lines.chunks(2).take_while(|pair| pair.len() == 2 && pair[0].starts_with(" line")).map(one).collect()
}

const HIT: &str = "hit: all that it is made of is as it was";

#[test]
fn a_miss_names_the_file_the_line_or_the_argument() {
    let world = World::new();
    world.file("package.json", "{}");
    world.file("app.js", "1");
    let dockerfile = "FROM base\nARG V=1\nCOPY package.json .\nRUN echo install $V\nCOPY . /app\nRUN echo done\n";
    let first = explained(&world, dockerfile, &[]);
    assert!(
        first.iter().all(|line| line.ends_with("miss: no build of this Dockerfile has made this step")) && first.len() == 4,
        "{first:?}"
    );
    let again = explained(&world, dockerfile, &[]);
    assert!(again.iter().all(|line| line.ends_with(HIT)), "{again:?}");
    world.file("app.js", "2");
    let source = explained(&world, dockerfile, &[]);
    let below = "miss: the layers below it are others (a step above or the base changed)";
    assert_eq!(
        source,
        [format!("line 3:{HIT}"), format!("line 4:{HIT}"), "line 5:miss: the file `app.js` changed".to_owned(), format!("line 6:{below}")]
    );
    let argument = explained(&world, dockerfile, &["--build-arg", "V=2"]);
    assert_eq!(argument[0], format!("line 3:{HIT}"));
    assert_eq!(argument[1], "line 4:miss: ARG V was `1` and is `2`");
    let line = explained(&world, &dockerfile.replace("echo install", "echo set-up"), &[]);
    assert_eq!(line[1], "line 4:miss: the instruction was `RUN echo install $V`; ARG V was `2` and is `1`");
    assert!(explained(&world, dockerfile, &["--no-cache"]).iter().all(|line| line.ends_with("miss: --no-cache")));
}

#[test]
fn times_do_not_count_and_modes_do() {
    let world = World::new();
    world.file("a", "a");
    let dockerfile = "FROM base\nCOPY a /a\n";
    world.build(dockerfile, &[]);
    fs::File::open(world.path("context/a")).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    assert_eq!(explained(&world, dockerfile, &[]), [format!("line 2:{HIT}")]);
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(world.path("context/a"), fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(explained(&world, dockerfile, &[]), ["line 2:miss: the file `a` changed"]);
}

#[test]
fn a_cached_build_gives_the_same_image_and_a_dated_one_anywhere() {
    let world = World::new();
    world.file("a", "a");
    let dockerfile = "FROM base\nWORKDIR /w\nCOPY a .\nRUN cat a > b\nCMD [\"x\"]\n";
    let id = |world: &World, args: &[&str]| {
        let file = world.path("id");
        world.build(dockerfile, &[&["--iidfile", file.to_str().unwrap()], args].concat());
        fs::read_to_string(file).unwrap()
    };
    let first = id(&world, &[]);
    assert_eq!(id(&world, &[]), first);
    let dated = ["--build-arg", "SOURCE_DATE_EPOCH=1000000000"];
    let one = id(&world, &[&dated[..], &["--no-cache"]].concat());
    assert_ne!(one, first);
    assert_eq!(id(&world, &[&dated[..], &["--no-cache"]].concat()), one, "built twice, byte for byte the same");
}

#[test]
fn what_the_store_lost_is_built_again() {
    let world = World::new();
    let dockerfile = "FROM base\nRUN echo a > a\nRUN cat a > b\n";
    world.build(dockerfile, &["-t", "kept"]);
    world.images(&["rm", "kept"]);
    assert!(explained(&world, dockerfile, &[]).iter().all(|line| line.ends_with(HIT)), "the cache keeps its layers");
    world.images(&["prune", "--build-cache"]);
    assert!(explained(&world, dockerfile, &[]).iter().all(|line| line.contains("miss")));
    world.is_clean();
}

#[test]
fn an_image_with_an_inline_cache_serves_another_store() {
    let world = World::new();
    let dockerfile = "FROM base\nRUN echo a > a\n";
    world.build(dockerfile, &["-t", "cached", "--cache-to", "type=inline"]);
    let archive = world.path("cached.tar");
    world.images(&["save", "cached", "base", "-o", archive.to_str().unwrap()]);
    let other = world.path("other");
    world.sandbox.bottleship(["images", "--store"]).args([&other]).args(["load", "-i", archive.to_str().unwrap()]).succeeds();
    let build = |args: &[&str]| {
        let call = world.sandbox.bottleship(["build", "--progress", "plain", "--store"]).args([&other]).args(args);
        call.args([world.path("context")]).succeeds().stderr
    };
    assert!(build(&["--cache-from", "cached"]).contains("CACHED"));
    assert!(!build(&[]).contains("CACHED"));
}

#[test]
fn two_builds_at_once_do_the_work_once() {
    let world = World::new();
    world.file("Dockerfile", "FROM base\nRUN echo $(cat /proc/sys/kernel/random/uuid) > id\n");
    let children: Vec<_> = (0..4)
        .map(|number| {
            let file = world.path(&format!("id-{number}"));
            let mut command = world.call(&["-q", "--iidfile", file.to_str().unwrap()]).command();
            (command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::piped()).spawn().unwrap(), file)
        })
        .collect();
    let ids: Vec<String> = children
        .into_iter()
        .map(|(child, file)| {
            let ended = child.wait_with_output().unwrap();
            assert!(ended.status.success(), "{}: {}", ended.status, String::from_utf8_lossy(&ended.stderr));
            fs::read_to_string(file).unwrap()
        })
        .collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    world.is_clean();
}
