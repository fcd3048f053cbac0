//! From a layer's tar to files.
//!
//! Every name is resolved below the target by the kernel (`openat2` in [`Root`]), the last part is never followed, and what is made is made by
//! descriptor: neither `..`, nor absolute names, nor links that an earlier entry or an earlier layer planted lead out (CVE-2014-6407 and
//! its many successors). Later entries replace earlier ones of the same name. Times of folders are set at the end, after all that is in them.
//!
//! A layer removes files of the layers below by *whiteouts*: an empty file `.wh.NAME`, or `.wh..wh..opq` for all of a folder. For an overlay they
//! become what overlayfs reads: a character device 0:0, an attribute `opaque`.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::archive::{self, Entry, Kind, Limits};
use super::error::{Error, Result};
use crate::kernel::error::Errno;
use crate::kernel::folder::{FileType, Folder, Status};
use crate::kernel::root::Root;
use crate::kernel::{caps, ids};

/// The prefix of whiteouts.
pub const WHITEOUT: &str = ".wh.";
/// The whiteout of everything that lower layers have in a folder.
pub const OPAQUE: &str = ".wh..wh..opq";
/// Names with this prefix were AUFS' own bookkeeping. They are passed over.
const AUFS: &str = ".wh..wh.";
/// The attribute by which overlayfs, mounted with `userxattr`, knows a folder that hides what is below it.
pub const OVERLAY_OPAQUE: &str = "user.overlay.opaque";

/// The size of the pieces in which content is written, in bytes.
const PIECE: usize = 256 << 10;

/// What becomes of whiteouts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whiteouts {
    /// Overlayfs' own marks: the target is one layer of an overlay.
    Overlay,
    /// What they name is removed: the target holds the lower layers already.
    Remove,
    /// They are files like others: the archive is no layer.
    Keep,
}

/// Whom the files belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owners {
    /// Whoever the archive says.
    Archive,
    /// All to us: we may give none away, or this user namespace has a single id.
    Us,
}

impl Owners {
    /// An ordinary user may give no file away, and in a user namespace of one id there is nobody to give one to.
    pub fn possible() -> Self {
        let chown = caps::Set::named("CAP_CHOWN").unwrap_or_default();
        let may_give = caps::current().is_ok_and(|(effective, ..)| effective.and(chown) == chown);
        if may_give && !ids::single() { Owners::Archive } else { Owners::Us }
    }
}

/// How to unpack.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// What becomes of whiteouts.
    pub whiteouts: Whiteouts,
    /// Whom the files belong to.
    pub owners: Owners,
    /// How much is taken.
    pub limits: Limits,
}

/// What was unpacked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Unpacked {
    /// Entries of the archive.
    pub entries: u64,
    /// Bytes of content.
    pub bytes: u64,
    /// Device nodes that were left out: a container gets its `/dev` from the runtime.
    pub devices: u64,
    /// Extended attributes that the machine does not let us set, or that are not an image's to set.
    pub attributes: u64,
}

/// The state of lower layers, asked for a folder that the archive has files in but does not name.
pub type Below<'a> = &'a dyn Fn(&Path) -> Option<Status>;

/// Unpacks the tar that `reader` gives into `target`.
///
/// # Errors
/// The archive breaks its rules or a limit, or the kernel refused; what was unpacked so far is then there.
pub fn unpack(reader: impl Read, target: &Root, options: Options, below: Below<'_>) -> Result<Unpacked> {
    let mut unpacker = Unpacker {
        target,
        options,
        below,
        last: None,
        folders: Vec::new(),
        made: HashSet::new(),
        done: Unpacked::default(),
        buffer: Vec::new(),
    };
    archive::read(reader, options.limits, |entry, content| unpacker.take(entry, content))?;
    unpacker.finish()
}

struct Unpacker<'a> {
    target: &'a Root,
    options: Options,
    below: Below<'a>,
    /// The folder of the last entry: the next is mostly in the same.
    last: Option<(PathBuf, Folder)>,
    /// Folders with the times that they get at the end.
    folders: Vec<(PathBuf, (i64, u32))>,
    /// What this archive made, so that an opaque mark removes only what was there before.
    made: HashSet<PathBuf>,
    done: Unpacked,
    /// What is on its way from the archive to a file.
    buffer: Vec<u8>,
}

impl Unpacker<'_> {
    fn take(&mut self, entry: &Entry, content: &mut dyn Read) -> Result<()> {
        self.done.entries += 1;
        self.done.bytes += entry.size;
        let Some(name) = entry.path.file_name().map(OsStr::to_owned) else { return self.root(entry) };
        let parent = entry.path.parent().unwrap_or(Path::new("")).to_owned();
        if let Some(hidden) = self.whiteout_of(&name) {
            return self.whiteout(&parent, hidden, entry);
        }
        if entry.kind == Kind::Device {
            self.done.devices += 1;
            return Ok(());
        }
        self.make_way(&parent)?;
        self.make(entry, &parent, &name, content)?;
        if self.options.whiteouts == Whiteouts::Remove {
            self.made.insert(entry.path.clone());
        }
        Ok(())
    }

    /// The name that a whiteout hides; the empty name for an opaque mark.
    fn whiteout_of<'n>(&self, name: &'n OsStr) -> Option<&'n OsStr> {
        if self.options.whiteouts == Whiteouts::Keep {
            return None;
        }
        if name == OPAQUE {
            return Some(OsStr::new(""));
        }
        name.as_bytes().strip_prefix(WHITEOUT.as_bytes()).map(OsStr::from_bytes)
    }

    fn root(&mut self, entry: &Entry) -> Result<()> {
        if entry.kind != Kind::Folder {
            return Err(Error::invalid("the root of the archive", "it is no folder"));
        }
        let folder = self.open(Path::new(""))?;
        self.dress(&folder, OsStr::new("."), entry)?;
        self.folders.push((PathBuf::new(), entry.modified));
        Ok(())
    }

    fn whiteout(&mut self, parent: &Path, hidden: &OsStr, entry: &Entry) -> Result<()> {
        let wrong = |why: &str| Error::invalid(format!("whiteout `{}`", entry.path.display()), why);
        if entry.path.file_name().is_some_and(|name| name != OPAQUE && name.as_bytes().starts_with(AUFS.as_bytes())) {
            return Ok(());
        }
        if hidden == "." || hidden == ".." {
            return Err(wrong("it would hide the folder itself or the one above"));
        }
        self.make_way(parent)?;
        let at = || Error::at(format!("apply the whiteout `{}`", entry.path.display()));
        let overlay = self.options.whiteouts == Whiteouts::Overlay;
        let folder = self.open(parent)?;
        if hidden.is_empty() {
            return if overlay {
                folder.set_attribute(OsStr::new("."), OVERLAY_OPAQUE, b"y").map_err(at())
            } else {
                self.clear(parent, &folder)
            };
        }
        let there = folder.status(hidden).map_err(at())?;
        match there {
            _ if !overlay && !self.made.contains(&parent.join(hidden)) => {
                self.forget(&parent.join(hidden));
                folder.remove(hidden).map_err(at())
            }
            None if overlay => folder.make_node(hidden, FileType::CharacterDevice, 0, 0).map_err(at()),
            // A whiteout is about the layers below. What this layer has itself stays; a folder hides what it had there.
            Some(status) if overlay && status.kind == FileType::Directory => {
                folder.enter(hidden).and_then(|inner| inner.set_attribute(OsStr::new("."), OVERLAY_OPAQUE, b"y")).map_err(at())
            }
            _ => Ok(()),
        }
    }

    /// Removes from `folder` all that this archive did not put there.
    fn clear(&mut self, path: &Path, folder: &Folder) -> Result<()> {
        let at = || Error::at(format!("empty the folder `{}`", path.display()));
        for (name, kind) in folder.names().map_err(at())? {
            let inner = path.join(&name);
            if !self.made.contains(&inner) {
                self.forget(&inner);
                folder.remove(&name).map_err(at())?;
            } else if kind == FileType::Directory {
                let deeper = folder.enter(&name).map_err(at())?;
                self.clear(&inner, &deeper)?;
            }
        }
        Ok(())
    }

    /// Makes the folders on the way to an entry that no entry made: like those of the layers below, else root's and open to all.
    fn make_way(&mut self, parent: &Path) -> Result<()> {
        if parent.as_os_str().is_empty() || self.last.as_ref().is_some_and(|(path, _)| path == parent) {
            return Ok(());
        }
        let at = || Error::at(format!("open the folder `{}`", parent.display()));
        match Folder::within(self.target, parent) {
            Ok(_) => return Ok(()),
            // A whiteout of this layer may be in its place.
            Err(error) if [Errno::ENOENT, Errno::ENOTDIR].contains(&error.errno) => {}
            Err(error) => return Err(at()(error)),
        }
        let (above, name) = (parent.parent().unwrap_or(Path::new("")).to_owned(), parent.file_name().unwrap_or_default().to_owned());
        self.make_way(&above)?;
        let there = self.open(&above)?.status(&name).map_err(at())?;
        if there.is_some_and(|status| !status.is_whiteout()) {
            return Err(Error::invalid(format!("the folder `{}`", parent.display()), "a file or a link to nowhere is in its place"));
        }
        let like = (self.below)(parent).filter(|status| status.kind == FileType::Directory);
        let entry = Entry {
            path: parent.to_owned(),
            kind: Kind::Folder,
            mode: like.map_or(0o755, |status| status.mode),
            uid: like.map_or(0, |status| status.uid),
            gid: like.map_or(0, |status| status.gid),
            modified: like.map_or((0, 0), |status| status.modified),
            attributes: Vec::new(),
            size: 0,
        };
        self.make(&entry, &above, &name, &mut io::empty())?;
        if self.options.whiteouts == Whiteouts::Remove {
            self.made.insert(parent.to_owned());
        }
        Ok(())
    }

    fn make(&mut self, entry: &Entry, parent: &Path, name: &OsStr, content: &mut dyn Read) -> Result<()> {
        let at = || Error::at(format!("unpack `{}`", entry.path.display()));
        let folder = self.open(parent)?;
        let there = folder.status(name).map_err(at())?;
        let keeps = entry.kind == Kind::Folder && there.is_some_and(|status| status.kind == FileType::Directory);
        if let Some(there) = there.filter(|_| !keeps) {
            self.forget(&entry.path);
            folder.remove(name).map_err(at())?;
            if there.is_whiteout() && entry.kind == Kind::Folder {
                folder.make_folder(name, 0o700).map_err(at())?;
                folder.set_attribute(name, OVERLAY_OPAQUE, b"y").map_err(at())?;
            }
        }
        self.create(entry, &folder, name, content)?;
        if !matches!(entry.kind, Kind::HardLink(_)) {
            self.dress(&folder, name, entry)?;
        }
        match entry.kind {
            Kind::Folder => self.folders.push((entry.path.clone(), entry.modified)),
            Kind::HardLink(_) => {}
            _ => folder.set_modified(name, entry.modified).map_err(at())?,
        }
        self.last = Some((parent.to_owned(), folder));
        Ok(())
    }

    fn create(&mut self, entry: &Entry, folder: &Folder, name: &OsStr, content: &mut dyn Read) -> Result<()> {
        let at = || Error::at(format!("unpack `{}`", entry.path.display()));
        match &entry.kind {
            Kind::Folder => match folder.make_folder(name, 0o700) {
                Err(error) if error.errno == Errno::EEXIST => Ok(()),
                other => other.map_err(at()),
            },
            Kind::File => {
                let mut file = folder.make_file(name, 0o600).map_err(at())?;
                let copied = self.copy(content, &mut file).map_err(Error::reading(format!("unpack `{}`", entry.path.display())))?;
                if copied == entry.size {
                    Ok(())
                } else {
                    Err(Error::invalid(format!("entry `{}`", entry.path.display()), "its content is cut off"))
                }
            }
            Kind::Link(target) => folder.make_link(name, target.as_os_str()).map_err(at()),
            Kind::HardLink(target) => self.hard_link(entry, folder, name, target),
            Kind::Fifo => folder.make_node(name, FileType::Fifo, 0o600, 0).map_err(at()),
            Kind::Device => Ok(()),
        }
    }

    /// In pieces of our own: those of [`io::copy`] are small, and each is a call of the kernel.
    fn copy(&mut self, content: &mut dyn Read, file: &mut impl io::Write) -> io::Result<u64> {
        self.buffer.resize(PIECE, 0);
        let mut copied = 0;
        loop {
            let mut filled = 0;
            while filled < PIECE {
                match content.read(&mut self.buffer[filled..]) {
                    Ok(0) => break,
                    Ok(count) => filled += count,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            file.write_all(&self.buffer[..filled])?;
            copied += filled as u64;
            if filled < PIECE {
                return Ok(copied);
            }
        }
    }

    fn hard_link(&self, entry: &Entry, folder: &Folder, name: &OsStr, target: &Path) -> Result<()> {
        let shown = || format!("hard link `{}` to `{}`", entry.path.display(), target.display());
        let missing = || Error::invalid(shown(), "there is no such file in this layer");
        let old = target.file_name().ok_or_else(missing)?;
        let parent = self.open(target.parent().unwrap_or(Path::new(""))).map_err(|_| missing())?;
        match parent.status(old).map_err(Error::at(shown()))? {
            Some(status) if status.kind != FileType::Directory && !status.is_whiteout() => {
                folder.make_hard_link(name, &parent, old).map_err(Error::at(shown()))
            }
            Some(_) => Err(Error::invalid(shown(), "the target is no file")),
            None => Err(missing()),
        }
    }

    /// Owner, mode and attributes. In this order: chown(2) clears set-user-id bits and `security.capability`.
    fn dress(&mut self, folder: &Folder, name: &OsStr, entry: &Entry) -> Result<()> {
        let at = || Error::at(format!("unpack `{}`", entry.path.display()));
        if self.options.owners == Owners::Archive {
            folder.set_owner(name, entry.uid, entry.gid).map_err(at())?;
        }
        if !matches!(entry.kind, Kind::Link(_)) {
            folder.set_mode(name, entry.mode).map_err(at())?;
        }
        for (attribute, value) in &entry.attributes {
            if !is_an_images(attribute) {
                self.done.attributes += 1;
                continue;
            }
            match folder.set_attribute(name, attribute, value) {
                Err(error) if [Errno::EPERM, Errno::EOPNOTSUPP, Errno::EACCES].contains(&error.errno) => self.done.attributes += 1,
                other => other.map_err(at())?,
            }
        }
        Ok(())
    }

    /// The folder at `path`, followed inside the root only.
    fn open(&self, path: &Path) -> Result<Folder> {
        let at = || Error::at(format!("open the folder `{}`", path.display()));
        if let Some((last, folder)) = &self.last
            && last == path
        {
            return folder.again().map_err(at());
        }
        Folder::within(self.target, path).map_err(at())
    }

    /// What was at `path` goes: no descriptor and no mark of it or below it stays.
    fn forget(&mut self, path: &Path) {
        if self.last.as_ref().is_some_and(|(last, _)| last.starts_with(path)) {
            self.last = None;
        }
        if !self.made.is_empty() {
            self.made.retain(|made| !made.starts_with(path));
        }
    }

    fn finish(self) -> Result<Unpacked> {
        for (path, modified) in self.folders.iter().rev() {
            let (parent, name) = match path.file_name() {
                Some(name) => (path.parent().unwrap_or(Path::new("")), name.to_owned()),
                None => (Path::new(""), OsString::from(".")),
            };
            // A later entry may have taken the folder away again.
            let Ok(folder) = Folder::within(self.target, parent) else { continue };
            if folder.status(&name).is_ok_and(|status| status.is_some_and(|status| status.kind == FileType::Directory)) {
                folder.set_modified(&name, *modified).map_err(Error::at(format!("set the time of `{}`", path.display())))?;
            }
        }
        Ok(self.done)
    }
}

/// Whether an image may set the attribute. Those of overlayfs would let a layer forge whiteouts and redirects (`trusted.overlay.*`, `user.overlay.*`), and
/// labels of the machine's own security module are not an image's business.
pub fn is_an_images(attribute: &str) -> bool {
    let free = attribute.starts_with("user.") && !attribute.starts_with("user.overlay.");
    free || attribute == "security.capability" || attribute.starts_with("system.posix_acl_")
}
