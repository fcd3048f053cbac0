//! What of the machine a host shows, and what it hides.
//!
//! A host looks like the machine: its lower layers are the machine's own file systems. Private places are empty in it, not by mounts (root in
//! the bottle could take those away) but by the upper layer: an opaque folder or a file of its own covers what lies below, and the
//! lower layer itself cannot be reached from inside.

use std::path::{Path, PathBuf};

use crate::kernel::mountinfo::{self, Mount};
use crate::kernel::{fs, inode};

/// Folders whose content is hidden.
pub const HIDDEN_FOLDERS: &[&str] = &[
    "/home",
    "/root",
    "/mnt",
    "/media",
    "/run",
    "/tmp",
    "/var/tmp",
    "/lost+found",
    "/etc/ssh",
    "/etc/sudoers.d",
    "/etc/ssl/private",
    "/etc/wireguard",
    "/etc/openvpn",
    "/etc/letsencrypt",
    "/etc/NetworkManager/system-connections",
    "/etc/ppp",
    "/var/backups",
    "/var/mail",
    "/var/spool",
    "/var/cache/private",
    "/var/log",
    "/var/lib/bottleship",
    "/var/lib/docker",
    "/var/lib/containerd",
    "/var/lib/containers",
    "/var/lib/kubelet",
    "/var/lib/private",
    "/var/lib/postgresql",
    "/var/lib/mysql",
    "/var/lib/NetworkManager",
    "/var/lib/systemd/coredump",
    "/var/lib/sss",
    "/var/lib/samba/private",
];

/// Files that are hidden behind an own one: its content and its mode.
pub const HIDDEN_FILES: &[(&str, &str, u32)] = &[
    ("/etc/shadow", "root:*:19000:0:99999:7:::\n", 0o640),
    ("/etc/shadow-", "", 0o600),
    ("/etc/gshadow", "root:*::\n", 0o640),
    ("/etc/gshadow-", "", 0o600),
    ("/etc/sudoers", "root ALL=(ALL:ALL) ALL\n", 0o440),
    ("/etc/krb5.keytab", "", 0o600),
    ("/etc/security/opasswd", "", 0o600),
];

/// Top-level folders that a host has of its own and never from the machine.
pub const OWN: &[&str] = &["dev", "proc", "sys", "run", "tmp"];

/// File systems that are views of the kernel or of another machine, not part of what the machine looks like.
const NOT_FILES: &[&str] = &[
    "proc",
    "sysfs",
    "devtmpfs",
    "devpts",
    "tmpfs",
    "ramfs",
    "cgroup",
    "cgroup2",
    "mqueue",
    "debugfs",
    "tracefs",
    "securityfs",
    "pstore",
    "bpf",
    "configfs",
    "fusectl",
    "hugetlbfs",
    "efivarfs",
    "binfmt_misc",
    "rpc_pipefs",
    "autofs",
    "nsfs",
    "squashfs",
    "overlay",
    "nfs",
    "nfs4",
    "cifs",
    "9p",
];

/// The mount points of the machine whose file systems make up a host's lower layers: `/` first, then others below it (`/usr`, `/var`).
pub fn layers() -> Vec<PathBuf> {
    let mounts = mountinfo::own().unwrap_or_default();
    let hidden = |path: &Path| {
        let below = |top: &str| path.starts_with(top);
        HIDDEN_FOLDERS.iter().any(|top| below(top)) || OWN.iter().any(|top| below(&format!("/{top}")))
    };
    let mut layers: Vec<PathBuf> = mounts
        .iter()
        .filter(|mount| mount.target != Path::new("/") && !hidden(&mount.target) && !not_files(mount) && mount.target.is_dir())
        .map(|mount| mount.target.clone())
        .collect();
    layers.sort();
    layers.dedup();
    layers.insert(0, PathBuf::from("/"));
    layers
}

/// Whether `path` is `/etc` and has mounts in it.
pub fn is_divided_etc(path: &Path) -> bool {
    let inside = |mount: &Mount| mount.target.starts_with(path) && mount.target != path;
    path == Path::new("/etc") && mountinfo::own().unwrap_or_default().iter().any(inside)
}

fn not_files(mount: &Mount) -> bool {
    NOT_FILES.contains(&mount.fstype.as_str()) || mount.fstype.starts_with("fuse")
}

/// The folders to hide: the fixed list, the homes of people who live elsewhere, what these lead to by links, and `also` (our own state).
pub fn hidden_folders(also: &Path) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = HIDDEN_FOLDERS.iter().map(PathBuf::from).collect();
    folders.extend(homes(&fs::read(Path::new("/etc/passwd")).unwrap_or_default()));
    folders.push(also.to_owned());
    let targets: Vec<PathBuf> = folders.iter().filter_map(|folder| inode::resolved(folder)).collect();
    folders.extend(targets);
    folders.sort();
    folders.dedup();
    folders.retain(|folder| folder != Path::new("/"));
    folders
}

/// The home folders of root and of people (user ids from 1000 on), as passwd(5) has them.
fn homes(passwd: &str) -> Vec<PathBuf> {
    let home = |line: &str| {
        let fields: Vec<&str> = line.split(':').collect();
        let user: u32 = fields.get(2)?.parse().ok()?;
        let path = PathBuf::from(fields.get(5)?);
        let person = user == 0 || (1000..65_534).contains(&user);
        (person && path.is_absolute() && path.components().count() > 2 && path.is_dir()).then_some(path)
    };
    passwd.lines().filter_map(home).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn homes_of_people_are_found_wherever_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().display();
        let passwd = format!(
            "root:x:0:0::/root:/bin/bash\nann:x:1000:1000::{home}:/bin/sh\ndaemon:x:1:1::{home}/x:/bin/sh\nbroken\nnobody:x:65534:1::{home}:/x\n"
        );
        assert_eq!(homes(&passwd), [folder.path()]);
    }

    #[test]
    fn the_root_is_the_first_layer() {
        assert_eq!(layers()[0], Path::new("/"));
        assert!(hidden_folders(Path::new("/srv/state")).contains(&PathBuf::from("/srv/state")));
    }
}
