//! What this machine lets bottles do, and what dead bottles left on it.
//!
//! A bottle is one process tree, and what the kernel does not take away with it is little: cgroup directories, and with the real internet on old
//! kernels a table. [`residue`] knows how each is found and removed; [`abilities`] boots a bottle to see what works here.

use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::ceiling::Hierarchies;
use super::ids::Ids;
use super::state::{self, State};
use super::{Abilities, Bottle, Error, Mode, Spec, ids, uplink};
use crate::kernel::{exec, idmap, poll, process, socket};

mod residue;

pub use residue::{Residue, Scope, clean_all, find as residue};

/// A bottle that has state on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Its name.
    pub name: String,
    /// Whether it runs.
    pub running: bool,
    /// Its state folder.
    pub dir: PathBuf,
}

/// All bottles of this state folder.
pub fn bottles() -> Vec<Known> {
    state::all()
        .into_iter()
        .map(|state| Known { name: state.name().to_owned(), running: state.running(), dir: state.dir().to_owned() })
        .collect()
}

/// What a bottle can do here, found out with one that is booted for it and thrown away.
///
/// # Errors
/// No bottle runs here; the error says why and what to do.
pub fn abilities() -> Result<Abilities, Error> {
    let spec = Spec { name: format!("doctor-{}", std::process::id()), hosts: vec!["bench".to_owned()], ..Spec::default() };
    let tried = Bottle::boot(&spec).and_then(|bottle| {
        let abilities = bottle.abilities().clone();
        bottle.shutdown().map(|()| abilities)
    });
    // It is there, wholly or partly, whether it ran or not.
    let forgotten = forget(&spec.name);
    let mut abilities = tried?;
    forgotten?;
    match uplink::possible(state::mode()) {
        Ok(()) => abilities.grant("internet"),
        Err(error) => abilities.refuse("internet", error.to_string()),
    }
    Ok(abilities)
}

/// How long a PID 1 whose keeper was killed may take to notice; it has its signal already.
const PATIENCE: Duration = Duration::from_secs(10);

/// Removes what is left of one bottle on the machine, unless somebody else runs it by now. Whether nothing is left.
pub fn clean(name: &str) -> bool {
    let Ok(state) = State::of(name) else { return true };
    // PID 1 holds the lock a moment longer than its keeper, the longer the more there is to do on the machine.
    let ended = poll::until("the end of the bottle's PID 1", PATIENCE, || Ok(!state.running()));
    ended.is_ok() && residue::clean_bottle(state.dir())
}

/// Removes the state of a bottle that does not run: its hosts' files and its journal.
///
/// # Errors
/// It runs ([`Error::Busy`]), or its files cannot be removed.
pub fn forget(name: &str) -> Result<(), Error> {
    let state = State::of(name)?;
    if !state.dir().exists() {
        return Err(Error::NoBottle { name: name.to_owned() });
    }
    residue::clean_bottle(state.dir());
    let lock = state.lock()?;
    // What is left after it is tried once more below, where a reason is given.
    let _ = remove_as_the_bottles_root(state.dir());
    let removed = std::fs::remove_dir_all(state.dir());
    drop(lock);
    removed
        .map_err(|error| crate::kernel::Error::from_io("remove", state.dir().display(), &error))
        .map_err(Error::at(format!("remove the state of the bottle `{name}`")))
}

/// As [`forget`], but the files are only moved out of the way: on a disk, removing a host's folders takes longer than booting. A keeper removes them
/// when its bottle runs ([`empty_the_bin`]).
///
/// # Errors
/// As [`forget`].
pub fn set_aside(name: &str) -> Result<(), Error> {
    let state = State::of(name)?;
    if !state.dir().exists() {
        return Err(Error::NoBottle { name: name.to_owned() });
    }
    let lock = state.lock()?;
    remove_cgroups(&state);
    let aside = state::bin().join(format!("{name}.{}.{}", std::process::id(), crate::kernel::xray::now()));
    let moved = crate::kernel::fs::create_dir_all(&state::bin(), 0o700).and_then(|()| {
        std::fs::rename(state.dir(), &aside).map_err(|error| crate::kernel::Error::from_io("rename", state.dir().display(), &error))
    });
    drop(lock);
    moved.map_err(Error::at(format!("set the state of the bottle `{name}` aside")))
}

/// Removes what [`set_aside`] has moved away. What cannot be removed now is tried again after the next boot.
pub fn empty_the_bin() {
    let bin = state::bin();
    for name in crate::kernel::fs::list(&bin).unwrap_or_default() {
        let folder = bin.join(name);
        // What stays is tried again after the next boot.
        let _ = remove_as_the_bottles_root(&folder);
        let _ = std::fs::remove_dir_all(folder);
    }
}

/// The quick part of cleaning, for what is done between two lessons: the cgroups where this bottle's are made.
fn remove_cgroups(state: &State) {
    let hierarchies = Hierarchies::of_machine(state::mode(), &state.label());
    // What cannot be removed is found as residue.
    hierarchies.into_iter().for_each(|hierarchies| drop(hierarchies.remove()));
}

/// Removes the hosts' files from a user namespace like the bottle's: the files of its other users belong to the user's sub-ids, and overlayfs leaves
/// folders that nobody but root may open.
fn remove_as_the_bottles_root(folder: &Path) -> Result<(), Error> {
    let Some(ids) = ids::kept(folder).filter(|_| state::mode() == Mode::Rootless) else { return Ok(()) };
    remove_as_root_of(&ids, &folder.join("hosts"))
}

/// Removes a folder as the root of a user namespace with these ids. What stays is no failure of this.
pub(super) fn remove_as_root_of(ids: &Ids, folder: &Path) -> Result<(), Error> {
    let at = || Error::at("remove the files of bottles");
    let (ours, theirs) = socket::pair().map_err(at())?;
    let child = process::clone3(crate::kernel::ns::CloneFlags::CLONE_NEWUSER, None, || {
        // Our copy of the other end would keep a parent's death from us; where it cannot be closed, the parent's word still ends the wait.
        let _ = exec::close_all_but(&[theirs.as_fd()]);
        let mapped = socket::receive(theirs.as_fd()).is_ok_and(|word| word.is_some());
        i32::from(!mapped || idmap::become_root().is_err() || std::fs::remove_dir_all(folder).is_err())
    });
    let child = child.map_err(at())?;
    let mapped = ids.write(child.pid).and_then(|()| socket::send(ours.as_fd(), b"mapped", &[]).map_err(at()));
    drop(ours);
    process::wait(child.fd.as_fd()).map_err(at())?;
    mapped
}
