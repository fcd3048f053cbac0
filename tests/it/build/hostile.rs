//! Contexts, bases and archives that try to get out, and secrets that must not stay. Each test has a canary outside.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::{World, many_users};

/// A world with a canary beside the context: a folder with a secret in it.
fn with_canary() -> (World, String) {
    let world = World::new();
    fs::create_dir(world.path("canary")).unwrap();
    fs::write(world.path("canary/secret"), "canary").unwrap();
    let canary = world.path("canary").display().to_string();
    (world, canary)
}

fn is_untouched(world: &World) {
    let names: Vec<_> = fs::read_dir(world.path("canary")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["secret"]);
    assert_eq!(fs::read_to_string(world.path("canary/secret")).unwrap(), "canary");
}

#[test]
fn a_context_cannot_reach_out() {
    let (world, canary) = with_canary();
    symlink(&canary, world.path("context/out")).unwrap();
    symlink(format!("{canary}/secret"), world.path("context/file")).unwrap();
    symlink("../canary/secret", world.path("context/up")).unwrap();
    world.file(".dockerignore", "!../canary\n");
    for source in ["out", "out/secret", "file", "up", "../canary/secret", "/../canary", "out/*"] {
        let told = world.fails(&format!("FROM scratch\nCOPY {source} /x/\n"), &[]);
        assert!(told.contains("not found"), "{source}: {told}");
    }
    // As links they are copied as they are.
    let folder = world.tree("FROM scratch\nCOPY . /all/\n", &[]);
    assert_eq!(fs::read_link(folder.join("all/file")).unwrap(), Path::new(&format!("{canary}/secret")));
    is_untouched(&world);
}

#[test]
fn a_base_cannot_lead_a_copy_out() {
    let (world, canary) = with_canary();
    world.file("secret", "overwritten");
    let base = format!(
        "FROM base\nRUN ln -s {canary} /out && ln -s {canary}/secret /file && ln -s / /src && ln -s ../../../../../../../../..{canary} /up\n"
    );
    world.build(&base, &["-t", "evil"]);
    world.build("FROM evil\nCOPY secret /out/secret\nCOPY secret /file\nCOPY secret /up/\nADD secret /out/\nWORKDIR /out/deep\nCOPY --link secret /out/\n", &[]);
    is_untouched(&world);
    // CVE-2024-1753: a link to `/` in an image is that image's `/`.
    let told = world.build("FROM base\nRUN --mount=type=bind,from=evil,source=/src,target=/mnt,rw ls /mnt && test ! -e /mnt/proc/1 && touch /mnt/written\n", &[]).stderr;
    assert!(told.contains(" bin\n"), "{told}");
    assert!(world.fails(&format!("FROM scratch\nCOPY --from=evil {canary}/secret /x\n"), &[]).contains("not found"));
    is_untouched(&world);
}

#[test]
fn a_step_cannot_have_what_it_left_at_a_mount_point_removed() {
    // CVE-2024-23652: the empty file that was made for a mount is replaced by a link to the outside.
    let (world, canary) = with_canary();
    fs::write(world.path("canary/empty"), "").unwrap();
    let dockerfile = format!(
        "FROM base\nRUN --mount=type=tmpfs,target=/mnt/a/b true && rm -rf /mnt 2> /dev/null; ln -s {canary} /mnt/x; ln -s {canary}/empty /etc/link; true\n"
    );
    world.build(&dockerfile, &[]);
    assert!(world.path("canary/empty").exists());
    fs::remove_file(world.path("canary/empty")).unwrap();
    is_untouched(&world);
}

#[test]
fn a_hostile_archive_stays_inside() {
    let (world, canary) = with_canary();
    let write = |name: &str, entries: &[(&str, tar::EntryType, &str)]| {
        let mut builder = tar::Builder::new(fs::File::create(world.path("context").join(name)).unwrap());
        for (path, kind, link) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_mode(0o644);
            header.set_uid(0);
            header.set_gid(0);
            header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
            if !link.is_empty() {
                header.set_link_name_literal(link).unwrap();
            }
            let content: &[u8] = if *kind == tar::EntryType::Regular { b"pwned" } else { b"" };
            header.set_size(content.len() as u64);
            header.set_cksum();
            builder.append(&header, content).unwrap();
        }
        builder.finish().unwrap();
    };
    use tar::EntryType::{Link, Regular, Symlink};
    write("up.tar", &[("../../canary/secret", Regular, "")]);
    write("link.tar", &[("l", Symlink, &canary), ("l/secret", Regular, "")]);
    write("hard.tar", &[("h", Link, &format!("{canary}/secret")), ("h", Regular, "")]);
    for name in ["up.tar", "link.tar", "hard.tar"] {
        world.file("Dockerfile", &format!("FROM base\nADD {name} /x/\n"));
        // Refused, or unpacked inside: never outside.
        drop(world.call(&[]).output());
        is_untouched(&world);
    }
    world.is_clean();
}

#[test]
fn a_secret_is_nowhere_but_in_its_step() {
    if !many_users("build::hostile::a_secret_is_nowhere_but_in_its_step") {
        return;
    }
    let world = World::new();
    let secret = "tr0ub4dor-and-3";
    fs::write(world.path("key"), secret).unwrap();
    let dockerfile = "FROM base\nRUN --mount=type=secret,id=key,required=true test $(cat /run/secrets/key) = tr0ub4dor-and-$((1+2)) && id > /seen\n\
        RUN --mount=type=secret,id=key,target=/etc/key,mode=0440,uid=1000 stat -c '%a %u' /etc/key\n\
        RUN --mount=type=secret,id=key,env=KEY test -n \"$KEY\" && test ! -e /run/secrets/key\n";
    let given = format!("id=key,src={}", world.path("key").display());
    let told = world.build(dockerfile, &["-t", "app", "--secret", &given]);
    assert!(told.stderr.contains(" 440 1000\n"), "{told}");
    let folder = world.tree(dockerfile, &["--secret", &given]);
    assert!(!folder.join("run").exists() && !folder.join("etc/key").exists());
    // Neither packed nor unpacked, neither in a key's inputs nor in a record.
    let mut waiting = vec![world.path("store"), folder];
    while let Some(path) = waiting.pop() {
        if path.is_dir() && !path.is_symlink() {
            waiting.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.is_file() {
            let bytes = fs::read(&path).unwrap();
            let plain = if bytes.starts_with(&[0x1f, 0x8b]) {
                let mut text = Vec::new();
                std::io::Read::read_to_end(&mut flate2::read::MultiGzDecoder::new(&bytes[..]), &mut text).unwrap();
                text
            } else {
                bytes
            };
            assert!(!plain.windows(secret.len()).any(|part| part == secret.as_bytes()), "the secret is in {}", path.display());
        }
    }
    // Another content of the secret is no other key.
    fs::write(world.path("key"), "other").unwrap();
    assert!(world.build(dockerfile, &["--secret", &given]).stderr.matches("CACHED").count() >= 3);
}

#[test]
fn cve_2024_9407_mounts_are_read_only_and_take_known_options_alone() {
    let (world, _) = with_canary();
    world.file("x", "x");
    for option in ["bind-propagation=shared", "propagation=rshared", "suid", "nosuchthing=1"] {
        let told = world.fails(&format!("FROM base\nRUN --mount=type=bind,target=/m,{option} true\n"), &[]);
        assert!(told.contains("Dockerfile:2") || told.contains("line 2"), "{option}: {told}");
    }
    world.build("FROM base\nRUN --mount=type=bind,target=/m test -e /m/x && ! touch /m/new\n", &[]);
    assert!(!world.path("context/new").exists());
    is_untouched(&world);
}

#[test]
fn cve_2024_23651_a_folder_of_a_cache_that_becomes_a_link() {
    let (world, canary) = with_canary();
    let swap = "rm -rf /c/sub; mkdir /c/sub; rm -rf /c/sub; ln -s CANARY /c/sub;".repeat(100).replace("CANARY", &canary);
    world.file("Swap", &format!("FROM base\nRUN --mount=type=cache,id=c,target=/c {swap} true\n"));
    let swap = world.path("context/Swap").display().to_string();
    let mut swapping = world.call(&["--no-cache", "-f", &swap]).command().stderr(std::process::Stdio::null()).spawn().unwrap();
    world.file(
        "Dockerfile",
        "FROM base\nRUN --mount=type=cache,id=c,source=sub,target=/m test ! -e /m/secret && { touch /m/written || true; }\n",
    );
    for _ in 0..8 {
        // There may be a folder, a link to what is not inside, or nothing: what is outside is never mounted, so the step never fails once it runs.
        let told = world.call(&["--no-cache"]).output();
        assert!(!told.stderr.contains("did not complete successfully"), "{told}");
        is_untouched(&world);
    }
    assert!(swapping.wait().unwrap().success());
    // Now it is a link for good.
    drop(world.call(&["--no-cache"]).output());
    is_untouched(&world);
    world.is_clean();
}

#[test]
fn cve_2024_23653_no_step_gets_more_rights_and_no_frontend_is_fetched() {
    let world = World::new();
    let told = world.fails("FROM base\nRUN --security=insecure true\n", &[]);
    assert!(told.contains("security.insecure is not allowed"), "{told}");
    let told = world.build("# syntax=evil.example/frontend:1\nFROM base\nRUN true\n", &[]).stderr;
    assert!(told.contains("not fetched: this builder reads the language itself"), "{told}");
}

#[test]
fn cve_2024_24557_every_instruction_counts_in_the_cache() {
    let world = World::new();
    world.file("a", "a");
    let id = |dockerfile: &str| world.build(dockerfile, &["-q", "--build-arg", "SOURCE_DATE_EPOCH=1500000000"]).stdout;
    let mut seen = std::collections::HashMap::new();
    let pairs = [
        ("HEALTHCHECK CMD true", "HEALTHCHECK CMD false"),
        ("ONBUILD RUN true", "ONBUILD RUN false"),
        ("STOPSIGNAL 2", "STOPSIGNAL 3"),
        ("USER 1", "USER 2"),
        ("SHELL [\"/bin/sh\"]", "SHELL [\"/bin/ash\"]"),
        ("ENV A=1", "ENV A=2"),
        ("VOLUME /a", "VOLUME /b"),
        ("ENTRYPOINT a", "CMD a"),
    ];
    for line in pairs.into_iter().flat_map(|(one, other)| [one, other]) {
        let dockerfile = format!("FROM base\nCOPY a /a\n{line}\n");
        if let Some(before) = seen.insert(id(&dockerfile), line) {
            panic!("{line}: the image of {before} came from the cache");
        }
    }
    // Equal lines give the image from the cache, and what lies below counts: a base that is none too.
    assert!(seen.contains_key(&id("FROM base\nCOPY a /a\nUSER 1\n")));
    assert!(!seen.contains_key(&id("FROM scratch\nCOPY a /a\nUSER 1\n")));
}
