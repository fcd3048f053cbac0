//! Bottles of an ordinary user, with sub-ids and without. The user is made up: a number that nobody has, known only in the test's own mount namespace.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::PathBuf;
use std::time::Duration;

use super::root;
use crate::support::{Call, Sandbox, binary, has_program, skip};

/// The user and group of that number.
const ID: u32 = 47_113;
/// Where the user's sub-ids begin.
const SUB_IDS: u32 = 900_000_000;

/// An ordinary user with a home in the sandbox, and a copy of the program that they can read.
pub struct User {
    home: PathBuf,
    sub_ids: bool,
}

impl User {
    /// One who has one id.
    pub fn plain(sandbox: &Sandbox) -> Self {
        Self::new(sandbox, false)
    }

    /// One to whom /etc/subuid and /etc/subgid give 65536 more.
    pub fn with_sub_ids(sandbox: &Sandbox) -> Self {
        Self::new(sandbox, true)
    }

    fn new(sandbox: &Sandbox, sub_ids: bool) -> Self {
        fs::set_permissions(sandbox.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let home = sandbox.path().join("home");
        fs::create_dir(&home).unwrap();
        chown(&home, Some(ID), Some(ID)).unwrap();
        fs::copy(binary(), sandbox.path().join("bottleship")).unwrap();
        let passwd = fs::read_to_string("/etc/passwd").unwrap();
        let home_text = home.display();
        fs::write(sandbox.path().join("passwd"), format!("{passwd}bottletest:x:{ID}:{ID}::{home_text}:/bin/sh\n")).unwrap();
        let entry = if sub_ids { format!("bottletest:{SUB_IDS}:65536\n") } else { String::new() };
        fs::write(sandbox.path().join("subid"), entry).unwrap();
        User { home, sub_ids }
    }

    /// Lines of shell after which the machine, as the script's mount namespace shows it, knows the user.
    pub fn introduce(&self) -> String {
        let folder = self.home.parent().unwrap();
        let mut lines = String::new();
        for (file, target) in [("passwd", "passwd"), ("subid", "subuid"), ("subid", "subgid")] {
            // A machine without the file gives nobody sub-ids.
            let _ = writeln!(lines, "[ ! -e /etc/{target} ] || mount --bind {} /etc/{target} || exit 99", folder.join(file).display());
        }
        lines
    }

    /// The beginning of a command line that runs `bottleship` as the user.
    pub fn bottleship(&self) -> String {
        let (home, folder) = (self.home.display(), self.home.parent().unwrap().display());
        format!(
            "setpriv --reuid {ID} --regid {ID} --clear-groups env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME={home} TERM=dumb \
             BOTTLESHIP_STATE={home}/state {folder}/bottleship"
        )
    }

    /// The prompt of the user's, in a mount namespace in which the user is known, after `before` has run there.
    pub fn prompt(&self, before: &str, args: &str) -> Call {
        let script = format!("{}{before}\ncd {}\nexec {} --plain {args}", self.introduce(), self.home.display(), self.bottleship());
        Call::new("unshare").args(["--mount", "--", "sh", "-c", &script]).patience(Duration::from_secs(120))
    }
}

/// Whether the test can run: root makes the user up.
pub fn possible(test: &str) -> bool {
    if !has_program("setpriv") {
        skip(test, "setpriv, which becomes the ordinary user, is not installed (Debian: util-linux)");
        return false;
    }
    root(test)
}

#[test]
fn a_user_without_sub_ids_gets_a_bottle_with_one_user() {
    if !possible("rootless_one_id") {
        return;
    }
    let sandbox = Sandbox::new();
    let user = User::plain(&sandbox);
    let lines = "id -u\nhostname\ncat /proc/self/uid_map\ntouch /etc/written && echo written\nping -c 1 -W 5 8.8.8.8 | grep -c ' 0% packet loss'\n\
                 cat /etc/shadow\nls /root\n";
    let output = user.prompt("", "").input(lines).output();
    let map: Vec<&str> = output.stdout.lines().filter(|line| line.contains(&ID.to_string())).collect();
    assert_eq!(map.first().map(|line| line.split_whitespace().collect::<Vec<_>>()), Some(vec!["0", "47113", "1"]), "{output}");
    for line in ["0", "bench", "written", "1"] {
        assert!(output.stdout.lines().any(|one| one == line), "{line:?} is missing: {output}");
    }
    assert!(!std::path::Path::new("/etc/written").exists());
    let doctor =
        Call::new("unshare").args(["--mount", "--", "sh", "-c", &format!("{}{} doctor --left", user.introduce(), user.bottleship())]);
    doctor.succeeds();
    let remove = format!("{}{} rm main", user.introduce(), user.bottleship());
    Call::new("unshare").args(["--mount", "--", "sh", "-c", &remove]).succeeds();
}

#[test]
fn a_user_with_sub_ids_gets_a_bottle_with_all_users() {
    if !possible("rootless_sub_ids") {
        return;
    }
    if !has_program("newuidmap") {
        skip("rootless_sub_ids", "newuidmap is not installed (Debian: uidmap)");
        return;
    }
    let sandbox = Sandbox::new();
    let user = User::with_sub_ids(&sandbox);
    assert!(user.sub_ids);
    let lines = "touch /tmp/f && chown 1500:1500 /tmp/f && stat -c 'owner %u:%g' /tmp/f\nsetpriv --reuid 1500 --regid 1500 --clear-groups id -u\n\
                 ping -c 1 -W 5 example.com | grep -c ' 0% packet loss'\n";
    let output = user.prompt("", "").input(lines).output();
    for line in ["owner 1500:1500", "1500", "1"] {
        assert!(output.stdout.lines().any(|one| one == line), "{line:?} is missing: {output}");
    }
    // Outside, the file belongs to the second of the user's sub-ids' range, and `rm` gets it away all the same.
    let remove = format!("{}{} rm main", user.introduce(), user.bottleship());
    Call::new("unshare").args(["--mount", "--", "sh", "-c", &remove]).succeeds();
    assert_eq!(fs::read_dir(user.home.join("state/bottles")).unwrap().count(), 0);
}

#[test]
fn what_a_user_shares_is_theirs_inside_and_outside() {
    use std::os::unix::fs::MetadataExt as _;
    if !possible("rootless_share") {
        return;
    }
    let sandbox = Sandbox::new();
    let user = User::plain(&sandbox);
    let shared = user.home.join("shared");
    fs::create_dir(&shared).unwrap();
    chown(&shared, Some(ID), Some(ID)).unwrap();
    let at = shared.display();
    let output = user.prompt("", &format!("--share {at}")).input(format!("stat -c 'seen as %u' {at}\necho answer > {at}/file\n")).output();
    assert!(output.stdout.contains("seen as 0"), "{output}");
    assert_eq!(fs::read_to_string(shared.join("file")).unwrap_or_else(|error| panic!("{error}: {output}")), "answer\n");
    assert_eq!(fs::metadata(shared.join("file")).unwrap().uid(), ID);
}
