//! Part 5: the running containers, by what `docker inspect` tells.

use serde_json::Value;

use super::checks::{Check, Mark, Verdict};
use super::world::{World, name, texts};

/// Folders of the machine that a container has no business in.
const SENSITIVE: [&str; 9] = ["/", "/boot", "/dev", "/etc", "/lib", "/proc", "/sys", "/usr", "/root"];

/// The checks.
pub const CHECKS: &[Check] = &[
    Check {
        number: "5.1",
        title: "Containers are confined by AppArmor or SELinux",
        why: "Rules about files stand where capabilities and namespaces end.",
        judge: confined,
    },
    Check {
        number: "5.2",
        title: "No container was given more capabilities",
        why: "The usual ones are already more than most programs need.",
        judge: |world| each(world, Mark::Warn, |container| list(&container["HostConfig"]["CapAdd"])),
    },
    Check {
        number: "5.3",
        title: "Containers gave up the capabilities that they do not need",
        why: "`--cap-drop ALL`, and then back what fails, is little work and stays small.",
        judge: |world| {
            each(world, Mark::Note, |container| {
                let dropped = texts(&container["HostConfig"]["CapDrop"]).next().is_some();
                (!dropped).then(|| "drops none".to_owned())
            })
        },
    },
    Check {
        number: "5.4",
        title: "No container is privileged",
        why: "--privileged takes away every wall: all capabilities, all devices, no filter.",
        judge: |world| each(world, Mark::Warn, |container| is(&container["HostConfig"]["Privileged"]).then(String::new)),
    },
    Check {
        number: "5.5",
        title: "No folder of the system is mounted into a container",
        why: "Who can write to /etc or /usr of the machine is its root; who can read them knows its secrets.",
        judge: |world| each(world, Mark::Warn, |container| mounts(container, |source| SENSITIVE.contains(&source))),
    },
    Check {
        number: "5.6",
        title: "The engine's socket is in no container",
        why: "Who can write to it, in a container or not, is root of the machine. Read-only does not help.",
        judge: |world| each(world, Mark::Warn, |container| mounts(container, |source| source.ends_with("docker.sock"))),
    },
    Check {
        number: "5.7",
        title: "No container shares the machine's namespaces",
        why: "With them it sees the machine's network, processes, queues or name as its own.",
        judge: |world| each(world, Mark::Warn, shared),
    },
    Check {
        number: "5.8",
        title: "Programs in containers are not root",
        why: "Who breaks into a program is who the program was.",
        judge: |world| each(world, Mark::Warn, |container| is_root(&container["Config"]["User"]).then(String::new)),
    },
    Check {
        number: "5.9",
        title: "No program in a container can gain rights",
        why: "With no-new-privileges a set-uid program is a program like others.",
        judge: rights,
    },
    Check {
        number: "5.10",
        title: "No container runs without the filter of system calls",
        why: "seccomp=unconfined opens calls that attacks need and programs do not.",
        judge: |world| {
            each(world, Mark::Warn, |container| {
                // --privileged takes it off as well.
                let privileged = is(&container["HostConfig"]["Privileged"]).then(|| "privileged".to_owned());
                let off = || texts(&container["HostConfig"]["SecurityOpt"]).find(|option| option.replace(':', "=") == "seccomp=unconfined");
                privileged.or_else(|| off().map(str::to_owned))
            })
        },
    },
    Check {
        number: "5.11",
        title: "Containers cannot write to their own files",
        why: "Who breaks in cannot stay: no changed page, no program brought along.",
        judge: |world| each(world, Mark::Warn, |container| (!is(&container["HostConfig"]["ReadonlyRootfs"])).then(String::new)),
    },
    Check {
        number: "5.12",
        title: "Containers have a limit of memory",
        why: "Without one a single container can take all of the machine's.",
        judge: |world| each(world, Mark::Warn, |container| none(&container["HostConfig"]["Memory"])),
    },
    Check {
        number: "5.13",
        title: "Containers have a share or limit of the processors",
        why: "Without one a busy container slows down all others.",
        judge: |world| {
            each(world, Mark::Note, |container| {
                let host = &container["HostConfig"];
                ["NanoCpus", "CpuShares", "CpuQuota"].into_iter().all(|key| none(&host[key]).is_some()).then(String::new)
            })
        },
    },
    Check {
        number: "5.14",
        title: "Containers have a limit of processes",
        why: "A fork bomb in one container stops the whole machine.",
        judge: |world| each(world, Mark::Warn, |container| none(&container["HostConfig"]["PidsLimit"])),
    },
    Check {
        number: "5.15",
        title: "A container that fails is not started for ever",
        why: "`on-failure:5` gives up; `always` hides that something is wrong.",
        judge: |world| each(world, Mark::Note, restarts),
    },
    Check {
        number: "5.16",
        title: "Published ports are open on one address only",
        why: "0.0.0.0 is every network of the machine, and Docker's rules come before those of most firewalls.",
        judge: |world| each(world, Mark::Warn, ports),
    },
    Check {
        number: "5.17",
        title: "No device of the machine is given to a container",
        why: "A disk that is given to a container is read past all file permissions.",
        judge: |world| {
            each(world, Mark::Note, |container| {
                let devices: Vec<&str> = container["HostConfig"]["Devices"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(|device| device["PathOnHost"].as_str())
                    .collect();
                (!devices.is_empty()).then(|| devices.join(", "))
            })
        },
    },
    Check {
        number: "5.18",
        title: "Mounts of containers do not come back to the machine",
        why: "With shared propagation what a container mounts appears outside.",
        judge: |world| {
            each(world, Mark::Warn, |container| {
                let shared = |mount: &&Value| ["shared", "rshared"].contains(&mount["Propagation"].as_str().unwrap_or_default());
                container["Mounts"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .find(shared)
                    .and_then(|mount| mount["Destination"].as_str())
                    .map(str::to_owned)
            })
        },
    },
    Check {
        number: "5.19",
        title: "Somebody looks whether containers are well",
        why: "With a health check a server that hangs is seen.",
        judge: |world| each(world, Mark::Note, |container| container["State"]["Health"].is_null().then(String::new)),
    },
    Check {
        number: "5.20",
        title: "Containers are in networks of their own",
        why: "On the default bridge everybody meets everybody.",
        judge: |world| {
            each(world, Mark::Note, |container| {
                let mode = container["HostConfig"]["NetworkMode"].as_str().unwrap_or_default();
                ["default", "bridge"].contains(&mode).then(String::new)
            })
        },
    },
    Check {
        number: "5.21",
        title: "No container leaves the engine's map of users",
        why: "--userns=host makes its root the machine's again.",
        judge: |world| each(world, Mark::Warn, |container| (container["HostConfig"]["UsernsMode"] == "host").then(String::new)),
    },
];

/// Containers for which something is to be told: their name, and behind it what.
pub fn each(world: &World, mark: Mark, told: fn(&Value) -> Option<String>) -> Verdict {
    if world.containers.is_empty() {
        return Verdict::of(Mark::Info, "no container runs");
    }
    let line = |container: &Value| {
        let told = told(container)?;
        Some(if told.is_empty() { name(container).to_owned() } else { format!("{}: {told}", name(container)) })
    };
    Verdict::if_any(mark, world.containers.iter().filter_map(line).collect())
}

/// Whether a `User` is root: empty, `0`, `root`, with or without a group.
pub fn is_root(user: &Value) -> bool {
    let user = user.as_str().unwrap_or_default();
    ["", "0", "root"].contains(&user.split(':').next().unwrap_or_default())
}

fn is(value: &Value) -> bool {
    value == &Value::Bool(true)
}

/// A number that is not set: 0, less, or null.
fn none(value: &Value) -> Option<String> {
    value.as_i64().is_none_or(|number| number <= 0).then(String::new)
}

fn list(value: &Value) -> Option<String> {
    let all: Vec<&str> = texts(value).collect();
    (!all.is_empty()).then(|| all.join(", "))
}

/// The sources of mounts that are meant.
fn mounts(container: &Value, meant: fn(&str) -> bool) -> Option<String> {
    let bound = container["Mounts"].as_array().into_iter().flatten().filter(|mount| mount["Type"] == "bind");
    let sources: Vec<&str> = bound.filter_map(|mount| mount["Source"].as_str()).filter(|source| meant(source)).collect();
    (!sources.is_empty()).then(|| sources.join(", "))
}

fn shared(container: &Value) -> Option<String> {
    let host = &container["HostConfig"];
    let kinds = [("network", "NetworkMode"), ("pid", "PidMode"), ("ipc", "IpcMode"), ("uts", "UTSMode")];
    let all: Vec<&str> = kinds.into_iter().filter(|(_, key)| host[*key] == "host").map(|(kind, _)| kind).collect();
    (!all.is_empty()).then(|| all.join(", "))
}

fn restarts(container: &Value) -> Option<String> {
    let policy = &container["HostConfig"]["RestartPolicy"];
    let most = policy["MaximumRetryCount"].as_i64().unwrap_or(0);
    match policy["Name"].as_str().unwrap_or_default() {
        "" | "no" => None,
        "on-failure" if (1..=5).contains(&most) => None,
        "on-failure" if most > 5 => Some(format!("on-failure:{most}")),
        other => Some(other.to_owned()),
    }
}

fn ports(container: &Value) -> Option<String> {
    let published = container["NetworkSettings"]["Ports"].as_object().into_iter().flatten();
    let places = published.flat_map(|(port, places)| places.as_array().into_iter().flatten().map(move |place| (port, place)));
    let open = places.filter(|(_, place)| ["0.0.0.0", ""].contains(&place["HostIp"].as_str().unwrap_or_default()));
    let all: Vec<String> =
        open.map(|(port, place)| format!("{} is open as {}", port, place["HostPort"].as_str().unwrap_or_default())).collect();
    (!all.is_empty()).then(|| all.join(", "))
}

/// The engine may give it to all containers; a container may take it back.
fn rights(world: &World) -> Verdict {
    fn own(container: &Value) -> Option<bool> {
        let option = texts(&container["HostConfig"]["SecurityOpt"]).find(|option| option.starts_with("no-new-privileges"))?;
        Some(!option.ends_with("false"))
    }
    if world.has_option("no-new-privileges") {
        return each(world, Mark::Warn, |container| (own(container) == Some(false)).then(String::new));
    }
    each(world, Mark::Warn, |container| (own(container) != Some(true)).then(String::new))
}

/// Where the machine has neither, no container can have it: that is told once.
fn confined(world: &World) -> Verdict {
    if !world.has_option("apparmor") && !world.has_option("selinux") {
        return Verdict::of(Mark::Note, "the engine has neither");
    }
    each(world, Mark::Warn, |container| {
        let profile = container["AppArmorProfile"].as_str().unwrap_or_default();
        let label = container["ProcessLabel"].as_str().unwrap_or_default();
        (["", "unconfined"].contains(&profile) && label.is_empty()).then(String::new)
    })
}

#[cfg(test)]
mod tests;
