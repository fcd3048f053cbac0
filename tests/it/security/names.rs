//! Names and numbers from outside: container ids, users.

use super::Bundle;

#[test]
fn ids_that_are_paths_are_refused_everywhere() {
    let Some(bundle) = Bundle::new("ids", "echo started") else { return };
    let long = "x".repeat(1025);
    for id in ["../x", ".", "..", "a/b", "/x", "x\ny", "", "x y", "-x", long.as_str()] {
        for verb in ["run", "create", "start", "state", "kill", "delete", "pause", "resume", "ps", "events"] {
            let output = bundle.runtime([verb, "--", id]).output();
            assert!(output.code() != 0 && !output.stdout.contains("started"), "{verb} {id:?}: {output}");
        }
    }
    let escaped = bundle.folder().join("x");
    assert!(!escaped.exists(), "{} was made", escaped.display());
}

/// A cgroup above the place for containers would be outside of every limit.
#[test]
fn cgroup_paths_that_lead_upwards_are_refused() {
    for path in ["/../escape", "../escape", "a/../../escape", "/a/b/../../../escape"] {
        let Some(mut bundle) = Bundle::new("cgroup_paths", "echo started") else { return };
        bundle.config["linux"]["cgroupsPath"] = path.into();
        let output = bundle.run();
        assert!(output.code() != 0 && !output.stdout.contains("started"), "{path}: {output}");
    }
}

/// getpwuid(3) and its kin load libraries of the machine, whatever lies there, into a static program, and crash it. Nothing in the sources calls them.
#[test]
fn rule_no_name_service() {
    let calls = ["User::from_", "Group::from_", "getpwuid(", "getpwnam(", "getgrgid(", "getgrnam(", "getaddrinfo(", ".to_socket_addrs()"];
    let mut left = vec![std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(std::fs::read_dir(&path).unwrap().flatten().map(|entry| entry.path()));
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        // nginx's own words name one of them: `getpwnam(\"nginx\") failed` in a text is no call.
        let code = text.lines().map(|line| line.split("//").next().unwrap_or_default().replace("(\\\"", " "));
        for (number, line) in code.enumerate() {
            assert!(!calls.iter().any(|call| line.contains(call)), "{}:{}: {line}", path.display(), number + 1);
        }
    }
}

/// A user that cannot be read exactly is refused and never becomes root.
#[test]
fn cve_2026_30892_users_are_read_exactly() {
    let Some(bundle) = Bundle::new("cve_2026_30892", "sleep 1000") else { return };
    let id = bundle.id("user");
    bundle.runtime(["run", "--detach", &id]).succeeds();
    for user in ["4294967296", "-1", "0x0", ":", "1:", ":5", "1:x", "1:2:3", " 1", "1 ", "4294967295", "nobody-here"] {
        let output = bundle.runtime(["exec", "--user", user, &id, "/bin/id", "-u"]).output();
        assert!(output.code() != 0, "{user:?} was taken: {output}");
    }
    for (user, expected) in [("0", "0:0"), ("1000", "1000:0"), ("1000:50", "1000:50")] {
        let output = bundle.runtime(["exec", "--user", user, &id, "/bin/sh", "-c", "echo $(id -u):$(id -g)"]).succeeds();
        assert_eq!(output.stdout.trim(), expected, "{user:?}");
    }
    bundle.runtime(["delete", "--force", &id]).succeeds();
}
