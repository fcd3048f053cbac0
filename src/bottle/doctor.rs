//! What dead bottles left on the machine, and its removal.
//!
//! A bottle is one process tree, and what the kernel does not take away with it are cgroup directories. They are found by their names: every
//! bottle's is called `bottleship-NAME`, with a mark of the state folder where that is not the usual one.

use std::path::{Path, PathBuf};

use super::ceiling::{self, Hierarchies};
use super::state::{self, State};
use super::{Error, Mode};

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

/// A thing that should not be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Residue {
    /// What kind of thing: `cgroup`, `process`.
    pub kind: &'static str,
    /// Which.
    pub what: String,
    /// The dead bottle it belonged to.
    pub bottle: String,
}

/// All bottles of this state folder.
pub fn bottles() -> Vec<Known> {
    state::all()
        .into_iter()
        .map(|state| Known { name: state.name().to_owned(), running: state.running(), dir: state.dir().to_owned() })
        .collect()
}

/// What is left of bottles of this state folder that do not run.
///
/// # Errors
/// The machine's mounts cannot be read.
pub fn residue() -> Result<Vec<Residue>, Error> {
    let mut found = Vec::new();
    for state in state::all().into_iter().filter(|state| !state.running()) {
        for dir in directories(&state)? {
            let bottle = state.name().to_owned();
            let processes = ceiling::processes(&dir).into_iter().map(|pid| ("process", pid.to_string()));
            let things = processes.chain([("cgroup", dir.display().to_string())]);
            found.extend(things.map(|(kind, what)| Residue { kind, what, bottle: bottle.clone() }));
        }
    }
    Ok(found)
}

/// Removes what is left of bottles that do not run. What could not be removed is still in [`residue`].
pub fn clean_all() {
    for state in state::all().into_iter().filter(|state| !state.running()) {
        remove(&state);
    }
}

/// Removes what is left of one bottle, if it does not run.
pub fn clean(name: &str) {
    if let Ok(state) = State::of(name)
        && !state.running()
    {
        remove(&state);
    }
}

/// Removes the state of a bottle that does not run: its hosts' files and its journal.
///
/// # Errors
/// It runs ([`Error::Busy`]), or its files cannot be removed.
pub fn forget(name: &str) -> Result<(), Error> {
    let state = State::of(name)?;
    if !state.dir().exists() {
        return Err(Error::NotRunning { name: name.to_owned() });
    }
    let lock = state.lock()?;
    remove(&state);
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
        return Err(Error::NotRunning { name: name.to_owned() });
    }
    let lock = state.lock()?;
    remove(&state);
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
        let _ = std::fs::remove_dir_all(bin.join(name));
    }
}

fn remove(state: &State) {
    for dir in directories(state).unwrap_or_default() {
        // It stays listed as residue when it cannot be removed.
        let _ = ceiling::remove_tree(&dir);
    }
}

fn directories(state: &State) -> Result<Vec<PathBuf>, Error> {
    let mode = if rustix::process::geteuid().is_root() { Mode::Root } else { Mode::Rootless };
    let hierarchies = Hierarchies::of_machine(mode, &state.label())?;
    Ok(hierarchies.directories().map(|(_, dir)| dir).filter(|dir| Path::is_dir(dir)).collect())
}
