//! The engine as a daemon of a host: `/var/run/docker.sock` and `bottleship engine -H fd://` (sd_listen_fds(3)).
//!
//! It runs beside the host's cgroup, in `.service`, and what it starts for containers goes through the doors that it is given.

use std::os::fd::OwnedFd;
use std::path::Path;

use super::Program;
use crate::kernel::{self, fs, inode, socket};

/// The engine of a host.
pub const ENGINE: Program = Program { name: "docker", listen, argv, environment, says: true, log: "docker.log" };
/// Where clients look for an engine. `/var/run` leads here.
const SOCKET: &str = "/run/docker.sock";

fn listen() -> kernel::Result<Vec<OwnedFd>> {
    let path = Path::new(SOCKET);
    let listener = socket::listen_stream(path, 0o660)?;
    if let Some(group) = group("docker", &fs::read(Path::new("/etc/group")).unwrap_or_default()) {
        // A bottle with a single id has no such group: then it is root's alone.
        let _ = inode::give(path, (0, group));
    }
    Ok(vec![listener])
}

fn argv(_: usize) -> Vec<String> {
    ["bottleship", "engine", "-H", "fd://"].map(str::to_owned).into()
}

fn environment(listeners: usize, doors: usize) -> Vec<(String, String)> {
    let variables = [
        ("LISTEN_FDS", listeners.to_string()),
        ("LISTEN_PID", std::process::id().to_string()),
        ("BOTTLESHIP_READY", (3 + listeners).to_string()),
        ("BOTTLESHIP_DOORS", doors.to_string()),
    ];
    variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The number of a group, as group(5) has it.
fn group(name: &str, text: &str) -> Option<u32> {
    let number = |line: &str| {
        let mut fields = line.split(':');
        (fields.next()? == name).then(|| fields.nth(1)?.parse().ok())?
    };
    text.lines().find_map(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_found_by_its_name() {
        let text = "root:x:0:\ndocker:x:998:ann,bob\nbroken\nother:x\n";
        assert_eq!((group("docker", text), group("root", text)), (Some(998), Some(0)));
        assert_eq!((group("broken", text), group("other", text), group("doc", text)), (None, None, None));
    }
}
