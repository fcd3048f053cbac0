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
