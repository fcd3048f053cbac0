//! What distributions look like from inside: who the users are, where programs lie, what `/etc/os-release` says, who installs packages.

use super::layer::{TOOLBOX, busybox, shells};
use super::plan::Plan;
use super::tree::Tree;
use crate::kernel::fs;
use crate::oci::image::{Error, Result};

/// A release of a distribution.
pub struct Release {
    /// `NAME`.
    pub name: &'static str,
    /// `ID`.
    pub id: &'static str,
    /// `ID_LIKE`; empty for the head of a family.
    pub like: &'static str,
    /// `VERSION_ID`.
    pub version: &'static str,
    /// The code name; empty if it has none.
    pub code_name: &'static str,
}

impl Release {
    fn pretty(&self) -> String {
        let name = if self.id == "debian" { "Debian GNU/Linux" } else { self.name };
        match self.code_name {
            "" => format!("{name} {}", self.version),
            code_name => format!("{name} {} ({code_name})", self.version),
        }
    }

    /// `/etc/os-release`, os-release(5). The last line is ours: nobody shall take it for the distribution.
    pub fn os_release(&self) -> String {
        let mut text = format!("PRETTY_NAME=\"{}\"\nNAME=\"{}\"\nVERSION_ID=\"{}\"\n", self.pretty(), self.name, self.version);
        if !self.code_name.is_empty() {
            text += &format!("VERSION=\"{} ({0})\"\nVERSION_CODENAME={}\n", self.version, self.code_name).replace("({0})", self.code_name);
        }
        text += &format!("ID={}\n", self.id);
        if !self.like.is_empty() {
            text += &format!("ID_LIKE=\"{}\"\n", self.like);
        }
        text + "VARIANT=\"Bottleship course image\"\nVARIANT_ID=bottleship\n"
    }
}

/// What Debian has in its smallest image, of what BusyBox can be. What is not here (`ps`, `ping`, `curl`, `vi`, `ip`) is not there either.
const ESSENTIAL: &str = "[ arch awk base64 basename bunzip2 bzcat bzip2 cat chgrp chmod chown chroot clear cmp cp cut date dd df diff dirname \
    dmesg dnsdomainname du echo egrep env expand expr factor fallocate false fgrep find fold getopt grep groups gunzip gzip head hostid \
    hostname id ionice last link ln logger login logname ls md5sum mkdir mkfifo mknod mktemp more mount mv nice nl nohup nproc nsenter od \
    passwd paste pivot_root printf pwd readlink realpath renice reset rev rm rmdir run-parts sed seq setpriv setsid sha1sum sha256sum \
    sha512sum shred shuf sleep sort stat stty su sum switch_root sync tac tail tar taskset tee test timeout touch tr true truncate tty \
    umount uname unexpand uniq unlink unshare uptime wc which who whoami xargs yes zcat";

/// The users that every image has.
const USERS: [(&str, u32, &str, &str); 7] = [
    ("root", 0, "/root", ""),
    ("daemon", 1, "/usr/sbin", "/usr/sbin/nologin"),
    ("bin", 2, "/bin", "/usr/sbin/nologin"),
    ("sys", 3, "/dev", "/usr/sbin/nologin"),
    ("mail", 8, "/var/mail", "/usr/sbin/nologin"),
    ("www-data", 33, "/var/www", "/usr/sbin/nologin"),
    ("nobody", 65534, "/nonexistent", "/usr/sbin/nologin"),
];

/// A user that an image adds to those of its base: name, number, home.
pub type User = (&'static str, u32, &'static str);

/// `/etc/passwd` and `/etc/group` with `more` users behind the usual ones.
pub fn accounts(tree: Tree, shell: &str, more: &[User]) -> Tree {
    let (mut passwd, mut group) = (String::new(), String::new());
    let usual = USERS.iter().map(|(name, id, home, own)| (*name, *id, *home, if own.is_empty() { shell } else { *own }));
    let more = more.iter().map(|(name, id, home)| (*name, *id, *home, "/sbin/nologin"));
    for (name, id, home, shell) in usual.chain(more) {
        passwd += &format!("{name}:x:{id}:{id}:{name}:{home}:{shell}\n");
        group += &format!("{}:x:{id}:\n", if name == "nobody" { "nogroup" } else { name });
    }
    tree.text("etc/passwd", passwd).text("etc/group", group)
}

/// The folders and files that every root has.
fn root(tree: Tree) -> Tree {
    [
        "dev",
        "home",
        "media",
        "mnt",
        "opt",
        "proc",
        "run",
        "srv",
        "sys",
        "usr/local/bin",
        "usr/local/sbin",
        "var/cache",
        "var/lib",
        "var/log",
    ]
    .iter()
    .fold(tree, |tree, folder| tree.folder(folder))
    .folder_with("root", 0o700)
    .folder_with("tmp", 0o1777)
    .folder_with("var/tmp", 0o1777)
    .link("var/run", "/run")
    .text("etc/hosts", "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost\n")
    .text("etc/hostname", "localhost\n")
    .text("etc/shells", "/bin/sh\n/bin/ash\n/bin/bash\n")
    .text("etc/nsswitch.conf", "hosts: files dns\n")
}

/// The path of a program of the toolbox.
pub fn of_toolbox(program: &str) -> String {
    format!("/{TOOLBOX}/{program}")
}

/// BusyBox's applets with the folders that it gives them.
fn applets() -> Vec<String> {
    let Ok(busybox) = busybox() else { return Vec::new() };
    let told = std::process::Command::new(busybox).arg("--list-full").output();
    let text = told.map(|told| String::from_utf8_lossy(&told.stdout).into_owned()).unwrap_or_default();
    // Old links of init, and package managers of other distributions, are in no such image.
    let unwanted = ["linuxrc", "rpm", "rpm2cpio", "dpkg", "dpkg-deb", "busybox"];
    text.lines().filter(|path| !unwanted.contains(&name_of(path))).map(str::to_owned).collect()
}

fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

/// The `busybox` image: every applet in `/bin`, nobody who installs anything.
pub fn busybox_image() -> Plan {
    let tree = accounts(root(Tree::default()), "/bin/sh", &[]).link("bin/busybox", &of_toolbox("busybox"));
    let tree = applets().iter().fold(tree, |tree, path| tree.link(&format!("bin/{}", name_of(path)), "busybox"));
    Plan::toolbox().layer("COPY applets of BusyBox to /bin", tree).cmd(&["sh"])
}

/// BusyBox itself and its applets in one folder, without the toolbox.
///
/// # Errors
/// This machine has no static BusyBox, or it cannot be read.
pub fn busybox_folder(folder: &str) -> Result<Tree> {
    let program = fs::read_bytes(&busybox()?).map_err(Error::at("put BusyBox into an image"))?;
    let tree = Tree::default().program(&format!("{folder}/busybox"), program);
    Ok(applets().iter().fold(tree, |tree, path| tree.link(&format!("{folder}/{}", name_of(path)), "busybox")))
}

/// Alpine and its like: BusyBox's applets where BusyBox wants them, `apk`.
pub fn alpine(release: &Release) -> Plan {
    let tree = accounts(root(Tree::default()), "/bin/ash", &[]).link("bin/busybox", &of_toolbox("busybox"));
    let tree = applets().iter().fold(tree, |tree, path| tree.link(path, "/bin/busybox"));
    let tree = ["adduser", "addgroup"].iter().fold(tree, |tree, name| tree.link(&format!("usr/sbin/{name}"), &of_toolbox("toolbox")));
    let tree = tree
        .link("sbin/apk", &of_toolbox("toolbox"))
        .text("etc/os-release", release.os_release())
        .text("etc/alpine-release", format!("{}\n", release.version))
        .text(
            "etc/issue",
            format!("Welcome to Alpine Linux {} (a course image of Bottleship)\nKernel \\r on an \\m (\\l)\n\n", release.version),
        )
        .text("etc/apk/repositories", "# The packages of this course image come from its toolbox: see `apk --help`.\n")
        .text("etc/apk/world", "")
        .text("lib/apk/db/installed", "")
        .text("etc/profile", "export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nexport PS1='\\h:\\w\\$ '\n");
    Plan::toolbox().layer("ADD the file system of Alpine's shape to /", tree).cmd(&["/bin/sh"])
}

/// Debian, Ubuntu and their like: `/bin` and `/lib` lie in `/usr`, bash and dash are the machine's, `apt-get`.
pub fn debian(release: &Release) -> Plan {
    let tree = with_bash(merged(Tree::default()), release)
        .link("usr/bin/apt", &of_toolbox("toolbox"))
        .link("usr/bin/apt-get", &of_toolbox("toolbox"))
        .text("etc/debian_version", format!("{}\n", release.version))
        .text(
            "etc/issue",
            format!("{} {} \\n \\l\n\n", if release.id == "debian" { "Debian GNU/Linux" } else { release.name }, release.version),
        )
        .text("etc/apt/sources.list", "# The packages of this course image come from its toolbox: see `apt-get --help`.\n")
        .folder("var/lib/apt/lists")
        .text("var/lib/dpkg/status", "");
    Plan::toolbox().layer(&format!("ADD the file system of {}'s shape to /", release.name), tree).cmd(&["bash"])
}

/// CentOS, Fedora and their like: as Debian, with `yum` and `dnf`.
pub fn fedora(release: &Release) -> Plan {
    let tree = with_bash(merged(Tree::default()), release)
        .link("usr/bin/yum", &of_toolbox("toolbox"))
        .link("usr/bin/dnf", &of_toolbox("toolbox"))
        .text("etc/redhat-release", format!("{} release {} (a course image of Bottleship)\n", release.name, release.version))
        .text("var/lib/rpm/installed", "");
    Plan::toolbox().layer(&format!("ADD the file system of {}'s shape to /", release.name), tree).cmd(&["/bin/bash"])
}

/// Programs and libraries in `/usr` alone.
fn merged(tree: Tree) -> Tree {
    let tree = root(tree).folder("usr/bin").folder("usr/sbin").folder("usr/lib").folder("usr/lib64");
    ["bin", "sbin", "lib", "lib64"].iter().fold(tree, |tree, name| tree.link(name, &format!("usr/{name}")))
}

/// The userland of the bigger distributions.
fn with_bash(tree: Tree, release: &Release) -> Tree {
    let tree = accounts(tree, "/bin/bash", &[]);
    let tree = ESSENTIAL.split_whitespace().fold(tree, |tree, name| {
        let folder = if name == "chroot" || name == "pivot_root" || name == "switch_root" { "usr/sbin" } else { "usr/bin" };
        tree.link(&format!("{folder}/{name}"), &of_toolbox("busybox"))
    });
    let tree = ["useradd", "groupadd", "adduser", "addgroup"]
        .iter()
        .fold(tree, |tree, name| tree.link(&format!("usr/sbin/{name}"), &of_toolbox("toolbox")));
    let tree = shell_links(tree)
        .text("etc/os-release", release.os_release())
        .text("etc/bash.bashrc", "[ -z \"$PS1\" ] || PS1='\\u@\\h:\\w\\$ '\n")
        .text("root/.bashrc", "PS1='\\u@\\h:\\w\\$ '\n");
    tree.link("usr/lib/os-release", "/etc/os-release")
}

/// bash and sh: those of the machine with links to their libraries, or BusyBox where the machine has none.
pub fn shell_links(mut tree: Tree) -> Tree {
    let found = shells();
    for (name, as_name) in [("bash", "usr/bin/bash"), ("dash", "usr/bin/dash"), ("dash", "usr/bin/sh")] {
        let has = found.iter().any(|(own, _)| *own == name);
        tree = tree.link(as_name, &of_toolbox(if has { name } else { "busybox" }));
    }
    for path in found.iter().flat_map(|(_, closure)| closure.libraries.keys()) {
        let file = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let shown = path.display().to_string();
        let inside = if shown.starts_with("/usr/") { shown } else { format!("/usr{shown}") };
        tree = tree.link(&inside, &of_toolbox(&format!("lib/{file}")));
    }
    tree
}
