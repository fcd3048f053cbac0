//! What a name means to a process: looked up in its network namespace, with its files.

use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::kernel::ns;
use crate::kernel::ns::CloneFlags;
use crate::kernel::root::Root;
use crate::toolbox::resolver::{Resolver, Unresolved};

/// The longest of its files that is read.
const LONGEST: u64 = 1 << 20;

/// The addresses of a name. Moves this program into the network namespace of the process, where it ends.
pub(in crate::tools) fn resolve(pid: i32, name: &str) -> Result<Value, String> {
    let root = Root::open(&PathBuf::from(format!("/proc/{pid}/root"))).map_err(|error| error.to_string())?;
    let text = |path: &str| String::from_utf8_lossy(&root.read_some(Path::new(path), LONGEST).unwrap_or_default()).into_owned();
    let resolver = Resolver::from_text(&text("/etc/hosts"), &text("/etc/resolv.conf"));
    let space = ns::open(pid, "net").map_err(|error| error.to_string())?;
    ns::enter(space.as_fd(), CloneFlags::CLONE_NEWNET).map_err(|error| error.to_string())?;
    Ok(match resolver.addresses(name) {
        Ok(addresses) => json!({ "addresses": addresses }),
        Err(why) => json!({ "addresses": [], "why": told(name, &why) }),
    })
}

fn told(name: &str, why: &Unresolved) -> String {
    match why {
        Unresolved::Silence => format!("no name server answers for {name}"),
        _ => format!("the name {name} is not known there"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_the_hosts_file_is_known_and_one_that_is_none_is_not() {
        let own = i32::try_from(std::process::id()).unwrap();
        // Entering one's own namespace needs rights that a test may not have; then the reason is told.
        match resolve(own, "localhost") {
            Ok(document) => assert_ne!(document["addresses"], json!([])),
            Err(why) => assert!(why.contains("setns"), "{why}"),
        }
        assert_eq!(told("db", &Unresolved::NoName), "the name db is not known there");
    }
}
