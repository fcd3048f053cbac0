//! Folders for bottles that are thrown away: those of proofs, grades and demos.
//!
//! Such a folder belongs to the processes that hold flock(2) on it, and goes when the one that made it has done with it. Whoever is ended by a signal has
//! no last word: a folder that nobody holds is left over. The next one that the same user makes removes it, and `bottleship doctor --all` tells of it.

use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Mode, doctor, ids, state};
use crate::kernel::{self, fs, lock};

/// Between the making of a folder and its lock nobody holds it; after this time somebody does, or it is left over.
const BEGINNING: Duration = Duration::from_secs(30);
/// What the names of these folders begin with. Behind it stands what they are for, a dash, and [`LETTERS`] letters or digits.
const PREFIX: &str = "bottleship-scratch-";
const LETTERS: usize = 6;

/// What such a folder is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Proving units.
    Prove,
    /// Grading one submission.
    Grade,
    /// Grading those of a class.
    Class,
    /// Showing or rehearsing a demo.
    Demo,
    /// Writing a unit.
    Dev,
    /// Building an image of the course.
    Build,
}

impl Use {
    const ALL: [Use; 6] = [Use::Prove, Use::Grade, Use::Class, Use::Demo, Use::Dev, Use::Build];

    fn word(self) -> &'static str {
        match self {
            Use::Prove => "prove",
            Use::Grade => "grade",
            Use::Class => "class",
            Use::Demo => "demo",
            Use::Dev => "dev",
            Use::Build => "build",
        }
    }
}

/// A folder that goes with all that bottles have left in it.
#[derive(Debug)]
pub struct Scratch {
    folder: PathBuf,
    _held: OwnedFd,
}

impl Scratch {
    /// Makes one: where TMPDIR says, else in /var/tmp. Not in /tmp, which is a tmpfs on many machines, and overlays need extended attributes there that a
    /// tmpfs has only since Linux 6.6. What this user's earlier ones left there is removed.
    ///
    /// # Errors
    /// The folder cannot be made or locked.
    pub fn new(what: Use) -> kernel::Result<Scratch> {
        // What cannot be removed is told by `doctor`.
        left().iter().for_each(|folder| drop(remove(folder)));
        let place = place();
        let made = tempfile::Builder::new().prefix(&format!("{PREFIX}{}-", what.word())).rand_bytes(LETTERS).tempdir_in(&place);
        let folder = made.map_err(|error| kernel::Error::from_io("mkdir", format!("a folder in {}", place.display()), &error))?.keep();
        let held = hold(&folder)?;
        Ok(Scratch { folder, _held: held })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays is left over: the next one tries again.
        let _ = remove(&self.folder);
    }
}

/// Holds such a folder together with who made it, as long as the descriptor is open.
///
/// # Errors
/// There is no such folder.
pub fn hold(folder: &Path) -> kernel::Result<OwnedFd> {
    lock::share_folder(folder)
}

/// This user's folders that nobody holds.
pub fn left() -> Vec<PathBuf> {
    let place = place();
    fs::list(&place)
        .unwrap_or_default()
        .into_iter()
        .filter(|name| is_ours(name))
        .map(|name| place.join(name))
        .filter(|path| is_left(path))
        .collect()
}

/// Removes a folder. The files of a bottle's other users belong to an ordinary user's sub-ids, and overlayfs leaves folders that nobody but root may open: it
/// is done as the root of a user namespace like a bottle's.
///
/// # Errors
/// rmdir(2) or unlink(2) refused.
pub fn remove(folder: &Path) -> kernel::Result<()> {
    if state::mode() == Mode::Rootless {
        // Where no such namespace can be made there were no bottles; what stays is told below.
        let _ = doctor::remove_as_root_of(&ids::of_user(), folder);
    }
    if folder.exists() { fs::remove_dir_all(folder) } else { Ok(()) }
}

fn place() -> PathBuf {
    let lasting = Path::new("/var/tmp");
    if std::env::var_os("TMPDIR").is_none() && lasting.is_dir() { lasting.to_owned() } else { std::env::temp_dir() }
}

fn is_ours(name: &str) -> bool {
    let rest = name.strip_prefix(PREFIX).and_then(|rest| rest.split_once('-'));
    rest.is_some_and(|(word, letters)| {
        Use::ALL.iter().any(|one| one.word() == word)
            && letters.len() == LETTERS
            && letters.bytes().all(|letter| letter.is_ascii_alphanumeric())
    })
}

fn is_left(path: &Path) -> bool {
    let Ok(data) = path.symlink_metadata() else { return false };
    let old = data.modified().ok().and_then(|made| made.elapsed().ok()).is_some_and(|age| age > BEGINNING);
    data.is_dir() && data.uid() == kernel::ids::effective().0 && old && !lock::held(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_names_are_ours() {
        for name in ["bottleship-scratch-prove-a1B2c3", "bottleship-scratch-class-zzzzzz"] {
            assert!(is_ours(name), "{name}");
        }
        for name in [
            "bottleship-scratch-prove-a1B2c",
            "bottleship-scratch-prove-a1B2c3d",
            "bottleship-scratch-prove-a1B2c-",
            "bottleship-tests.abc",
            "bottleship-scratch-mine-a1B2c3",
            "bottleship-prove-a1B2c3",
            "x",
        ] {
            assert!(!is_ours(name), "{name}");
        }
    }

    #[test]
    fn a_folder_is_held_by_who_made_it_and_goes_with_it() {
        let one = Scratch::new(Use::Build).unwrap();
        std::fs::write(one.path().join("file"), "").unwrap();
        assert!(is_ours(&one.path().file_name().unwrap().to_string_lossy()));
        let second = hold(one.path()).unwrap();
        assert!(lock::held(one.path()));
        let path = one.path().to_owned();
        drop(one);
        assert!(!path.exists());
        drop(second);
    }
}
