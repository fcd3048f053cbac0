//! The container's terminal: a pair from the container's own devpts; the master goes to whoever draws it.
//!
//! The slave is taken from the master's descriptor (`TIOCGPTPEER`) and bound on `/dev/console` by descriptor: a path like `/dev/pts/0` could
//! be swapped for a link between two looks (CVE-2025-52565).

use std::os::fd::AsFd as _;
use std::path::Path;

use super::error::{During as _, Result};
use super::messages::{self, ToParent};
use super::steps::Init;
use crate::kernel::{mount, pty};

/// Makes the pair, sends the master to the parent, and makes the slave our controlling terminal and descriptors 0, 1 and 2.
pub fn open(init: &mut Init<'_>) -> Result<()> {
    if !init.start.terminal {
        return Ok(());
    }
    let (master, slave) = pty::pair(Path::new("/dev/pts/ptmx")).map_err(|error| {
        super::error::Error::from(error).hint("`process.terminal` needs a devpts on /dev/pts: see the mounts of `bottleship oci spec`")
    })?;
    if let Some((columns, rows)) = init.credentials.console_size {
        pty::set_size(master.as_fd(), pty::Size { columns, rows })?;
    }
    pty::set_owner(slave.as_fd(), init.credentials.uid).during(|| "give the terminal to the user")?;
    if let Some(root) = &init.root {
        let target = root.create_file(Path::new("/dev/console"), 0o600)?;
        let tree = mount::clone_tree_fd(slave.as_fd(), false)?;
        mount::attach(tree.as_fd(), target.as_fd(), Path::new("/dev/console"))?;
    }
    messages::tell(init.parent, &ToParent::Console, Some(master.as_fd()))?;
    Ok(pty::login(slave.as_fd())?)
}
