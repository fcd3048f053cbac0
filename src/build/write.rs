//! Files into a tree: what `COPY`, `ADD` and `WORKDIR` do. Every path is resolved inside the tree, by the kernel; what an image planted there leads nowhere else.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::chmod::Change;
use super::error::{During as _, Error, Result};
use super::tree::{Item, Source, Tree, resolve, status};
use crate::kernel::error::Errno;
use crate::kernel::folder::{FileType, Folder, Status};
use crate::kernel::root::Root;
use crate::oci::image::unpack::is_an_images;

/// The mode of folders that are made on the way.
const FOLDER: u32 = 0o755;

/// Where files go, and how they are dressed.
pub struct Writer<'a> {
    /// The tree.
    pub root: &'a Root,
    /// Whom everything belongs to; `None`: whoever had it.
    pub owner: Option<(u32, u32)>,
    /// The permission bits; `None`: as they were.
    pub mode: Option<Change>,
    /// This user namespace has a single id: nothing can be given to anybody.
    pub single: bool,
}

impl Writer<'_> {
    /// Makes a folder with all above it, and gives its path without links. What is there stays as it is.
    ///
    /// # Errors
    /// Something else is in its place.
    pub fn folder(&self, path: &Path) -> Result<PathBuf> {
        let real = resolve(self.root, path, true)?;
        let mut reached = PathBuf::new();
        for part in real.iter() {
            let inner = reached.join(part);
            match status(self.root, &inner)? {
                Some(found) if found.kind == FileType::Directory => {}
                Some(_) => return Err(Error::new(format!("cannot make the folder `/{}`: a file is in its place", inner.display()))),
                None => self.make_folder(&self.open(&reached)?, part)?,
            }
            reached = inner;
        }
        Ok(real)
    }

    fn make_folder(&self, above: &Folder, name: &OsStr) -> Result<()> {
        above.make_folder(name, FOLDER)?;
        above.set_mode(name, FOLDER)?;
        self.give(above, name, self.owner.unwrap_or((0, 0)))
    }

    fn open(&self, path: &Path) -> Result<Folder> {
        Folder::within(self.root, path).during(|| format!("open the folder `/{}`", path.display()))
    }

    fn give(&self, folder: &Folder, name: &OsStr, (uid, gid): (u32, u32)) -> Result<()> {
        if self.single { Ok(()) } else { Ok(folder.set_owner(name, uid, gid)?) }
    }

    /// Copies a source to `target`. A folder's content goes into the folder that `target` is or becomes; a file becomes `target`, or
    /// a file in it if it is a folder (`into`, or there already).
    ///
    /// # Errors
    /// A folder is to replace a file, or a file a folder; the kernel refused.
    pub fn source(&self, tree: &Tree, source: &Source, target: &Path, into: bool) -> Result<()> {
        let Some((top, rest)) = source.items.split_first() else { return Ok(()) };
        if top.status.kind == FileType::Directory {
            let real = self.folder(target)?;
            self.items(tree, rest, &real)?;
            return self.times(rest, &real);
        }
        self.file_target(Path::new(&source.name), target, into).and_then(|place| self.item(tree, top, &place))
    }

    /// What is below a folder. Two names of one file stay two names of one file.
    fn items(&self, tree: &Tree, items: &[Item], top: &Path) -> Result<()> {
        let mut first: HashMap<(u64, u64), PathBuf> = HashMap::new();
        for item in items {
            let place = top.join(&item.below);
            let shared = item.status.kind == FileType::RegularFile && item.status.links > 1;
            match first.get(&item.status.inode).filter(|_| shared) {
                Some(other) => self.one_more_name(other, &place)?,
                None => self.item(tree, item, &place)?,
            }
            if shared {
                first.entry(item.status.inode).or_insert(place);
            }
        }
        Ok(())
    }

    /// A hard link to a file that was copied before.
    fn one_more_name(&self, other: &Path, place: &Path) -> Result<()> {
        let doing = || format!("link `/{}` to `/{}`", place.display(), other.display());
        let parts = |path: &Path| {
            Ok::<_, Error>((self.open(path.parent().unwrap_or(Path::new("")))?, path.file_name().unwrap_or_default().to_owned()))
        };
        let ((target, name), (source, old)) = (parts(place)?, parts(other)?);
        match target.status(&name)? {
            Some(there) if there.kind == FileType::Directory => {
                return Err(Error::new(format!("cannot replace to directory /{} with file", place.display())));
            }
            Some(_) => target.remove(&name).during(doing)?,
            None => {}
        }
        target.make_hard_link(&name, &source, &old).during(doing)
    }

    /// Where a single file goes, without links.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn file_target(&self, name: &Path, target: &Path, into: bool) -> Result<PathBuf> {
        let real = resolve(self.root, target, true)?;
        let is_folder = status(self.root, &real)?.is_some_and(|status| status.kind == FileType::Directory);
        if into || is_folder {
            return Ok(self.folder(target)?.join(name.file_name().unwrap_or_default()));
        }
        self.folder(real.parent().unwrap_or(Path::new("")))?;
        Ok(real)
    }

    /// Copies one item, without what is below it. `place` has no links but may end in one, which is replaced.
    fn item(&self, tree: &Tree, item: &Item, place: &Path) -> Result<()> {
        let doing = || format!("copy `{}` to `/{}`", item.path.display(), place.display());
        let name = place.file_name().ok_or_else(|| Error::new(format!("{}: it has no name", doing())))?;
        let target = self.open(place.parent().unwrap_or(Path::new("")))?;
        let (source, own) = tree.place(item)?;
        let is_folder = item.status.kind == FileType::Directory;
        match target.status(name)? {
            Some(there) if there.kind == FileType::Directory && is_folder => {}
            Some(there) if there.kind == FileType::Directory => {
                return Err(Error::new(format!("cannot replace to directory /{} with file", place.display())));
            }
            Some(_) if is_folder => return Err(Error::new(format!("cannot copy to non-directory: /{}", place.display()))),
            Some(_) => target.remove(name).during(doing)?,
            None => {}
        }
        match item.status.kind {
            FileType::Directory => match target.make_folder(name, 0o700) {
                Err(error) if error.errno == Errno::EEXIST => {}
                other => other.during(doing)?,
            },
            FileType::RegularFile => {
                let mut content = source.open_file(&own).during(doing)?;
                let mut file = target.make_file(name, 0o600).during(doing)?;
                std::io::copy(&mut content, &mut file).map_err(|error| Error::new(format!("{}: {error}", doing())))?;
            }
            FileType::Symlink => target.make_link(name, &source.read_link(&own).during(doing)?).during(doing)?,
            FileType::Fifo => target.make_node(name, FileType::Fifo, 0o600, 0).during(doing)?,
            // Sockets live with their process, devices come from the runtime.
            _ => return Ok(()),
        }
        let had = if tree.owned_by_root { (0, 0) } else { (item.status.uid, item.status.gid) };
        self.give(&target, name, self.owner.unwrap_or(had)).during(doing)?;
        if item.status.kind != FileType::Symlink {
            target.set_mode(name, self.mode_of(item.status.mode, is_folder)).during(doing)?;
        }
        for (attribute, value) in source.attributes(&own).during(doing)?.iter().filter(|(attribute, _)| is_an_images(attribute)) {
            match target.set_attribute(name, attribute, value) {
                // Capabilities of files need rights that a user namespace of one id has not.
                Err(error) if [Errno::EPERM, Errno::EOPNOTSUPP, Errno::EACCES].contains(&error.errno) => {}
                other => other.during(doing)?,
            }
        }
        target.set_modified(name, item.status.modified).during(doing)
    }

    /// The times of folders, once all is in them.
    fn times(&self, items: &[Item], top: &Path) -> Result<()> {
        for item in items.iter().rev().filter(|item| item.status.kind == FileType::Directory) {
            let place = top.join(&item.below);
            let (parent, name) = (place.parent().unwrap_or(Path::new("")), place.file_name().unwrap_or_default());
            self.open(parent)?.set_modified(name, item.status.modified)?;
        }
        Ok(())
    }

    fn mode_of(&self, mode: u32, is_folder: bool) -> u32 {
        self.mode.as_ref().map_or(mode, |change| change.apply(mode, is_folder))
    }

    /// Writes a new file, replacing what is there. The target is as for [`Writer::source`].
    ///
    /// # Errors
    /// A folder is in its place, or the disk is full.
    pub fn content(&self, place: &Path, content: &mut dyn Read, mode: u32, modified: Option<(i64, u32)>) -> Result<()> {
        let doing = || format!("write `/{}`", place.display());
        let name = place.file_name().ok_or_else(|| Error::new(format!("{}: it has no name", doing())))?;
        let target = self.open(place.parent().unwrap_or(Path::new("")))?;
        if target.status(name)?.is_some_and(|there: Status| there.kind == FileType::Directory) {
            return Err(Error::new(format!("cannot replace to directory /{} with file", place.display())));
        }
        target.remove(name).during(doing)?;
        let mut file = target.make_file(name, 0o600).during(doing)?;
        std::io::copy(content, &mut file).map_err(|error| Error::new(format!("{}: {error}", doing())))?;
        self.give(&target, name, self.owner.unwrap_or((0, 0))).during(doing)?;
        target.set_mode(name, self.mode_of(mode, false)).during(doing)?;
        modified.map_or(Ok(()), |time| target.set_modified(name, time)).during(doing)
    }
}

#[cfg(test)]
mod tests {
    use super::super::ignore::Ignore;
    use super::*;
    use std::fs;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

    struct World {
        _place: tempfile::TempDir,
        from: PathBuf,
        to: PathBuf,
        canary: PathBuf,
    }

    fn world() -> World {
        let place = tempfile::tempdir().unwrap();
        let folder = |name: &str| {
            fs::create_dir(place.path().join(name)).unwrap();
            place.path().join(name)
        };
        let (from, to, canary) = (folder("from"), folder("to"), folder("canary"));
        fs::create_dir_all(from.join("dir/deep")).unwrap();
        fs::write(from.join("dir/deep/file"), "deep").unwrap();
        fs::write(from.join("file"), "content").unwrap();
        symlink("../file", from.join("dir/link")).unwrap();
        World { _place: place, from, to, canary }
    }

    fn copy(world: &World, text: &str, target: &str, mode: Option<&str>) -> Result<()> {
        let tree = Tree { root: Root::open(&world.from).unwrap(), ignore: Ignore::default(), owned_by_root: true };
        let root = Root::open(&world.to).unwrap();
        let mode = mode.map(|mode| Change::read(mode).unwrap());
        let writer = Writer { root: &root, owner: None, mode, single: true };
        let sources = tree.select(text, &Ignore::default())?;
        sources.iter().try_for_each(|source| writer.source(&tree, source, Path::new(target), target.ends_with('/')))
    }

    #[test]
    fn files_and_folders_go_where_docker_puts_them() {
        let world = world();
        copy(&world, "file", "/a/b", None).unwrap();
        copy(&world, "file", "/a/", None).unwrap();
        copy(&world, "file", "/a", None).unwrap();
        copy(&world, "dir", "/d", Some("u=rwX,go=")).unwrap();
        copy(&world, ".", "/all", None).unwrap();
        let read = |name: &str| fs::read_to_string(world.to.join(name)).unwrap();
        assert_eq!(
            (read("a/b"), read("a/file"), read("d/deep/file"), read("all/file")),
            ("content".into(), "content".into(), "deep".into(), "content".into())
        );
        assert_eq!(fs::read_link(world.to.join("d/link")).unwrap(), Path::new("../file"));
        assert_eq!(fs::metadata(world.to.join("d/deep/file")).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(world.to.join("d/deep")).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(
            fs::metadata(world.to.join("a/b")).unwrap().modified().unwrap(),
            fs::metadata(world.from.join("file")).unwrap().modified().unwrap()
        );
        assert_eq!(copy(&world, "dir", "/a/b", None).unwrap_err().why, "cannot make the folder `/a/b`: a file is in its place");
        fs::create_dir_all(world.to.join("x/file")).unwrap();
        assert!(copy(&world, "file", "/x/", None).unwrap_err().why.contains("cannot replace to directory /x/file with file"));
    }

    #[test]
    fn two_names_of_one_file_stay_two_names_of_one_file() {
        let world = world();
        fs::hard_link(world.from.join("dir/deep/file"), world.from.join("dir/other")).unwrap();
        fs::hard_link(world.from.join("file"), world.from.join("dir/outside")).unwrap();
        fs::create_dir(world.to.join("d")).unwrap();
        fs::write(world.to.join("d/other"), "old").unwrap();
        copy(&world, "dir", "/d", None).unwrap();
        let inode = |name: &str| fs::metadata(world.to.join(name)).unwrap().ino();
        assert_eq!(inode("d/deep/file"), inode("d/other"));
        assert_ne!(inode("d/other"), inode("d/outside"));
        assert_eq!(fs::read_to_string(world.to.join("d/other")).unwrap(), "deep");
        assert_eq!(fs::read_to_string(world.to.join("d/outside")).unwrap(), "content", "its other name was not copied");
    }

    #[test]
    fn links_in_the_target_stay_in_the_target() {
        let world = world();
        fs::write(world.canary.join("file"), "kept").unwrap();
        symlink(&world.canary, world.to.join("out")).unwrap();
        symlink("../../../../../../canary", world.to.join("up")).unwrap();
        symlink(world.canary.join("file"), world.to.join("target")).unwrap();
        fs::create_dir(world.to.join("in")).unwrap();
        symlink(world.canary.join("file"), world.to.join("in/file")).unwrap();
        for (text, target) in
            [("file", "/out/"), ("dir", "/out"), ("file", "/up/x"), ("file", "/target"), (".", "/in"), ("file", "/../../../x")]
        {
            copy(&world, text, target, None).unwrap();
        }
        assert_eq!(fs::read_dir(&world.canary).unwrap().count(), 1);
        assert_eq!(fs::read_to_string(world.canary.join("file")).unwrap(), "kept");
        assert_eq!(fs::read_to_string(world.to.join("in/file")).unwrap(), "content", "the link itself was replaced");
        assert!(world.to.join("x").exists());
    }
}
