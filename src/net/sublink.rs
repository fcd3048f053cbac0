//! Networks of containers without a bridge: the link of each container is a branch of one link of the host (macvlan, ipvlan).
//!
//! ```text
//!  container  eth0 192.168.99.200 ══ macvlan ══ the host's eth0 192.168.99.100 ── whatever that is plugged into
//! ```
//! Whoever is plugged in there sees the containers as if they were too: with a hardware address each (macvlan), or all with the parent's (ipvlan). The host
//! itself and its containers do not see each other by the parent: the kernel hands a branch's packets to the other branches and to the outside only.

use std::os::fd::BorrowedFd;

use crate::kernel::Result;
use crate::kernel::error::Errno;
use crate::kernel::netlink::Socket;
use crate::kernel::netlink::route::Branch;

/// A link of the host that containers' links are branches of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parent {
    /// The link: `eth0`.
    pub link: String,
    /// How its branches are made.
    pub branch: Branch,
}

/// Whether the host has a link of this name.
///
/// # Errors
/// The kernel does not say.
pub fn has_link(name: &str) -> Result<bool> {
    match Socket::route()?.index(name) {
        Ok(_) => Ok(true),
        Err(error) if error.errno == Errno::ENODEV => Ok(false),
        // A name that is too long for a link is none's.
        Err(error) if error.errno == Errno::ERANGE || error.errno == Errno::EINVAL => Ok(false),
        Err(error) => Err(error),
    }
}

/// Makes a link that leads nowhere, for containers that are to see each other only.
///
/// # Errors
/// EOPNOTSUPP on a kernel without such links.
pub fn make_dummy(name: &str) -> Result<()> {
    let mut route = Socket::route()?;
    route.add_dummy(name)?;
    route.set_up(name, true)
}

/// Makes the link of a VLAN: what goes by it is tagged with `id` on the link below it (IEEE 802.1Q).
///
/// # Errors
/// EOPNOTSUPP on a kernel without VLANs, ENODEV without the link.
pub fn make_vlan(name: &str, below: &str, id: u16) -> Result<()> {
    let mut route = Socket::route()?;
    route.add_vlan(name, below, id)?;
    route.set_up(name, true)
}

/// Takes a link away that one of the two above has made, and what hangs on it.
///
/// # Errors
/// The kernel refused; one that is gone is fine.
pub fn remove(name: &str) -> Result<()> {
    super::interface::unless(Errno::ENODEV, Socket::route()?.delete_link(name))
}

impl Parent {
    /// Whether the kernel has such links.
    ///
    /// # Errors
    /// We have no rights over this network namespace.
    pub fn is_known(&self) -> Result<bool> {
        match Socket::route()?.add_orphan(self.branch.kind()) {
            Err(error) if error.errno == Errno::EOPNOTSUPP => Ok(false),
            // A branch of nothing makes no sense to a kernel that knows what it is.
            Err(error) if error.errno == Errno::EINVAL => Ok(true),
            other => other.map(|()| true),
        }
    }

    /// Makes a branch, called `name` in the network namespace of a container.
    ///
    /// # Errors
    /// ENODEV without the parent, EOPNOTSUPP on a kernel without such links, EBUSY where the parent has branches of the other kind.
    pub fn plug(&self, name: &str, namespace: BorrowedFd<'_>) -> Result<()> {
        Socket::route()?.add_branch(&self.link, self.branch, name, namespace)
    }
}
