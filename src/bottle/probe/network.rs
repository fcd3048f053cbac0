//! Links, addresses and routes of a network namespace, and the way into it.

use std::os::fd::AsFd as _;
use std::path::Path;

use serde_json::{Value, json};

use super::Netns;
use crate::kernel::netlink::Socket;
use crate::kernel::netlink::look::Link;
use crate::kernel::ns::CloneFlags;
use crate::kernel::root::Root;
use crate::kernel::{Result, look, ns};

/// What there is in a network namespace.
pub(super) fn look(at: &Netns) -> Result<Value> {
    enter(at)?;
    let mut socket = Socket::route()?;
    let links = socket.links()?;
    told(&mut socket, &links)
}

/// The same, with the numbers of the links and of their other ends, and the rules. They are no part of what two worlds are compared by: the kernel
/// hands numbers out as it likes.
pub(super) fn wiring(at: &Netns) -> Result<Value> {
    enter(at)?;
    let mut socket = Socket::route()?;
    let links = socket.links()?;
    let mut all = told(&mut socket, &links)?;
    for (one, link) in all["links"].as_array_mut().into_iter().flatten().zip(&links) {
        one["index"] = json!(link.index);
        one["peer"] = json!(link.peer);
    }
    // A kernel without nftables has no rules, and says so in its own way.
    all["tables"] = match Socket::netfilter().and_then(|mut socket| socket.ruleset()) {
        Ok(tables) => tables.iter().map(ToString::to_string).collect(),
        Err(error) => json!({ "error": error.to_string() }),
    };
    Ok(all)
}

fn told(socket: &mut Socket, links: &[Link]) -> Result<Value> {
    let name = |index: u32| links.iter().find(|link| link.index == index).map(|link| link.name.clone());
    let routes: Vec<Value> =
        socket.routes()?.iter().map(|route| json!({ "to": route.to, "via": route.via, "link": route.link.and_then(name) })).collect();
    let links: Vec<Value> = links
        .iter()
        .map(|link| {
            json!({
                "name": link.name, "kind": link.kind, "up": link.up, "master": link.master.and_then(name),
                "mac": link.mac, "mtu": link.mtu, "addresses": link.addresses,
            })
        })
        .collect();
    Ok(json!({ "links": links, "routes": routes }))
}

/// Moves the calling process into a network namespace.
pub(super) fn enter(at: &Netns) -> Result<()> {
    let namespace = match at {
        Netns::Own => return Ok(()),
        Netns::Process(pid) => ns::open(*pid, "net")?,
        // The learner makes these files: resolved inside the host's root, and setns(2) checks that it is a network namespace.
        Netns::Named(name) => Root::open(Path::new("/"))?.to_read(&Path::new("/run/netns").join(name))?,
    };
    ns::enter(namespace.as_fd(), CloneFlags::CLONE_NEWNET)
}

/// The named network namespaces, with their numbers; a name without a namespace on it (a leftover file) is none.
pub(super) fn named() -> Result<Value> {
    let own = look::identity(Path::new("/proc/self/ns/net"))?;
    let root = Root::open(Path::new("/"))?;
    let folder = Path::new("/run/netns");
    let mut found = Vec::new();
    for name in root.names(folder).unwrap_or_default() {
        let Ok(look) = root.look(&folder.join(&name)) else { continue };
        if look.id.0 == own.0 {
            found.push(json!({ "name": name, "ino": look.id.1 }));
        }
    }
    Ok(json!({ "netns": found }))
}
