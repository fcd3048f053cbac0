//! Parts 1 and 3: this machine, and the files that belong to the engine.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::checks::{Check, Mark, Verdict};
use super::world::World;

/// What is known of the files. `None`: there is no such file, or it is not on this machine.
#[derive(Debug, Default)]
pub struct Files {
    /// The engine's socket.
    pub socket: Option<File>,
    /// Its settings.
    pub settings: Option<File>,
    /// The folder of its data.
    pub data: Option<File>,
    /// Whether that folder has a disk of its own.
    pub own_disk: Option<bool>,
    /// The key of its certificate.
    pub key: Option<File>,
    /// Who is in the group `docker`.
    pub group: Vec<String>,
}

/// Who owns a file, and who may do what with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Where it is.
    pub path: PathBuf,
    /// Its mode, the type left out.
    pub mode: u32,
    /// Its owner.
    pub owner: u32,
}

impl Files {
    /// Looks at the files of an engine. One that is reached over TCP may be on another machine: then nothing is known.
    pub fn look(socket: Option<&Path>, settings: &Path, data: &Path, daemon: &Map<String, Value>) -> Files {
        let Some(socket) = socket else { return Files::default() };
        let above = data.parent().and_then(|above| std::fs::metadata(above).ok());
        let own_disk = std::fs::metadata(data).ok().zip(above).map(|(data, above)| data.dev() != above.dev());
        Files {
            socket: file(socket),
            settings: file(settings),
            data: file(data),
            own_disk,
            key: daemon.get("tlskey").and_then(Value::as_str).and_then(|key| file(Path::new(key))),
            group: members("docker", &std::fs::read_to_string("/etc/group").unwrap_or_default()),
        }
    }
}

fn file(path: &Path) -> Option<File> {
    let meta = std::fs::metadata(path).ok()?;
    Some(File { path: path.to_owned(), mode: meta.mode() & 0o7777, owner: meta.uid() })
}

/// The members of a group, as group(5) has them.
fn members(name: &str, text: &str) -> Vec<String> {
    let line = text.lines().find(|line| line.split(':').next() == Some(name));
    let list = line.and_then(|line| line.split(':').nth(3)).unwrap_or_default();
    list.split(',').map(str::trim).filter(|member| !member.is_empty()).map(str::to_owned).collect()
}

/// Part 1.
pub const MACHINE: &[Check] = &[
    Check {
        number: "1.1",
        title: "The engine's data has a disk of its own",
        why: "What containers write has no limit. On a disk of its own it cannot fill that of the machine.",
        judge: |world| match world.files.own_disk {
            Some(own) => Verdict::when(own, Mark::Warn, world.info["DockerRootDir"].as_str().unwrap_or_default()),
            None => unseen(),
        },
    },
    Check {
        number: "1.2",
        title: "Who is in the group docker is known",
        why: "Each of them is root of the machine, without a password.",
        judge: |world| {
            Verdict::of(Mark::Info, if world.files.group.is_empty() { "nobody".to_owned() } else { world.files.group.join(", ") })
        },
    },
];

/// Part 3.
pub const CHECKS: &[Check] = &[
    Check {
        number: "3.1",
        title: "The socket is for root and its group only",
        why: "Whoever may write to it is root of the machine.",
        judge: |world| judged(world, world.files.socket.as_ref(), 0o007),
    },
    Check {
        number: "3.2",
        title: "Only root may change the engine's settings",
        why: "Whoever changes them can open the engine to everybody at its next start.",
        judge: |world| judged_if_any(world, world.files.settings.as_ref(), 0o022, "there is no such file"),
    },
    Check {
        number: "3.3",
        title: "Only root may look into the engine's data",
        why: "In it are the files of all containers, with set-uid programs and secrets.",
        judge: |world| judged(world, world.files.data.as_ref(), 0o066),
    },
    Check {
        number: "3.4",
        title: "Only root may read the key of the engine's certificate",
        why: "Who has it can pretend to be the engine.",
        judge: |world| judged_if_any(world, world.files.key.as_ref(), 0o077, "no key is set"),
    },
];

fn unseen() -> Verdict {
    Verdict::of(Mark::Note, "not to be seen from here")
}

/// Root's, and without any of these rights. The files of an engine without root belong to whoever started it.
fn judged(world: &World, file: Option<&File>, forbidden: u32) -> Verdict {
    let Some(file) = file else { return unseen() };
    let seen = format!("{} has mode {:04o} and owner {}", file.path.display(), file.mode, file.owner);
    let mine = file.owner == 0 || world.has_option("rootless");
    Verdict::when(mine && file.mode & forbidden == 0, Mark::Warn, &seen)
}

/// The same for a file that need not be there.
fn judged_if_any(world: &World, file: Option<&File>, forbidden: u32, absent: &str) -> Verdict {
    if file.is_none() { Verdict::of(Mark::Info, absent) } else { judged(world, file, forbidden) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_that_lets_others_in_is_told() {
        let file = |mode, owner| File { path: "/run/docker.sock".into(), mode, owner };
        let judged = |file: Option<File>| super::judged(&World::default(), file.as_ref(), 0o007);
        assert_eq!(judged(Some(file(0o660, 0))), Verdict::pass());
        assert_eq!(judged(Some(file(0o666, 0))).found, ["/run/docker.sock has mode 0666 and owner 0"]);
        assert_eq!(judged(Some(file(0o600, 1000))).mark, Mark::Warn);
        assert_eq!(judged(None).mark, Mark::Note);
        let rootless = World { info: serde_json::json!({"SecurityOptions": ["name=rootless"]}), ..World::default() };
        assert_eq!(super::judged(&rootless, Some(&file(0o600, 1000)), 0o007), Verdict::pass());
    }

    #[test]
    fn the_group_is_read() {
        let text = "root:x:0:\ndocker:x:998:ann, bob\ndockers:x:9:eve\n";
        assert_eq!(members("docker", text), ["ann", "bob"]);
        assert!(members("nobody", text).is_empty());
    }

    #[test]
    fn an_engine_far_away_has_no_files_here() {
        let files = Files::look(None, Path::new("/etc/docker/daemon.json"), Path::new("/"), &Map::new());
        assert!(files.data.is_none() && files.own_disk.is_none());
    }
}
