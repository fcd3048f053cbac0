//! `--share DIR`: one folder of the machine, read-write, owned by the bottle's root.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown, symlink};
use std::time::Duration;

use super::{clean, root, typed_with};
use crate::support::{Sandbox, binary};

#[test]
fn what_the_bottle_writes_there_belongs_to_the_folders_owner() {
    if !root("share_ownership") {
        return;
    }
    let sandbox = Sandbox::new();
    let shared = sandbox.path().join("shared");
    fs::create_dir(&shared).unwrap();
    fs::write(shared.join("from-outside"), "hello").unwrap();
    for path in [&shared, &shared.join("from-outside")] {
        chown(path, Some(4321), Some(8765)).unwrap();
    }
    let at = shared.display();
    let lines =
        format!("stat -c 'seen as %u:%g' {at}/from-outside\ncat {at}/from-outside\necho answer > {at}/from-inside\nls -A {at}/..\n");
    let output = typed_with(&sandbox, &["--share", &at.to_string()], &lines);
    assert!(output.stdout.contains("seen as 0:0") && output.stdout.contains("hello"), "{output}");
    let written = fs::metadata(shared.join("from-inside")).unwrap_or_else(|error| panic!("{error}: {output}"));
    assert_eq!((written.uid(), written.gid()), (4321, 8765), "{output}");
    assert_eq!(fs::read_to_string(shared.join("from-inside")).unwrap(), "answer\n");
    assert!(!output.stdout.lines().any(|line| line == "state"), "what lies beside the folder is not shared: {output}");
    clean(&sandbox);
}

/// systemd makes the machine's mounts shared (mount_namespaces(7)), and nothing of a bottle may come back by that way.
#[test]
fn where_the_machines_root_is_shared_a_folder_is_seen_and_no_mount_comes_out() {
    if !root("shared_root") {
        return;
    }
    let sandbox = Sandbox::new();
    let shared = sandbox.path().join("shared");
    fs::create_dir(&shared).unwrap();
    fs::write(shared.join("word"), "from the machine\n").unwrap();
    // A machine of that kind in a mount namespace of the test's own. The mounts of the bottle stand when it ends.
    let machine = format!(
        "mount --make-rshared / || exit 9\nbefore=$(cat /proc/self/mountinfo)\n{} --plain --share {}\n[ \"$before\" = \"$(cat /proc/self/mountinfo)\" ] && echo nothing came out || cat /proc/self/mountinfo\n",
        binary().display(),
        shared.display()
    );
    let lines = format!(
        "cat {0}/word\nfor place in {0} /var/lib/docker /usr/local /mnt; do mkdir -p $place/new && mount -t tmpfs none $place/new && echo mounted; done\n",
        shared.display()
    );
    let options = ["--mount", "--propagation", "private", "sh", "-c", &machine];
    let output = sandbox.program("unshare").args(options).input(lines).patience(Duration::from_secs(120)).output();
    assert!(output.stdout.contains("from the machine"), "{output}");
    assert_eq!(output.stdout.matches("mounted").count(), 4, "{output}");
    assert!(output.stdout.contains("nothing came out"), "{output}");
    clean(&sandbox);
}

#[test]
fn a_folder_that_would_give_the_machine_away_is_refused() {
    let sandbox = Sandbox::new();
    let link = sandbox.path().join("link");
    symlink("/etc", &link).unwrap();
    fs::write(sandbox.path().join("file"), "").unwrap();
    let state = sandbox.state();
    for bad in ["/", "/etc", "/proc/self", "/home", "/no/such/folder", "link", "file", "state"] {
        let path = if bad.starts_with('/') { bad.into() } else { sandbox.path().join(bad) };
        fs::create_dir_all(&state).unwrap();
        let output = sandbox.bottleship(["--plain", "--share"]).args([&path]).input("echo started\n").exits(125);
        assert!(output.stderr.contains("share `") && output.stderr.contains("hint:"), "{bad}: {output}");
        assert!(!output.stdout.contains("started"), "{bad}: {output}");
        let aside = fs::read_dir(state.join("bin")).map_or(0, Iterator::count);
        assert_eq!(aside, 0, "{bad}: what was set aside for the world that did not come is gone");
    }
}
