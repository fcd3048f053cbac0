//! The files of a layer that is made here, and their tar: sorted, with one time for all, so that equal files give equal bytes and one digest.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Read as _, Seek as _, Write};
use std::path::PathBuf;

use crate::kernel::fs;

/// The time that made files have: the day on which the course images got their first form (2026-11-01T00:00:00Z).
pub const EPOCH: u64 = 1_793_491_200;
/// The same as configurations write it.
pub const CREATED: &str = "2026-11-01T00:00:00Z";

/// A tar is made of blocks of so many bytes.
const BLOCK: u64 = 512;
/// The size of the pieces in which files are copied, in bytes.
const PIECE: usize = 256 << 10;

/// What an entry is.
enum Kind {
    Folder,
    File(Cow<'static, [u8]>),
    Copied(Copied),
    Link(String),
}

/// A file of this machine whose content is copied when the tar is written: a large one never lies in memory.
pub struct Copied {
    /// Where it is.
    pub from: PathBuf,
    /// What stands in the place of as many bytes of its beginning.
    pub head: Vec<u8>,
    /// How much of it there is in the tar, the head among it.
    pub size: u64,
}

struct Entry {
    kind: Kind,
    mode: u32,
    owner: (u32, u32),
}

/// Files by their path, without a slash at either end.
#[derive(Default)]
pub struct Tree {
    entries: BTreeMap<String, Entry>,
}

impl Tree {
    /// A folder that anybody may enter.
    pub fn folder(self, path: &str) -> Self {
        self.put(path, Kind::Folder, 0o755)
    }

    /// A folder with a mode of its own.
    pub fn folder_with(self, path: &str, mode: u32) -> Self {
        self.put(path, Kind::Folder, mode)
    }

    /// A file that anybody may read.
    pub fn file(self, path: &str, content: impl Into<Cow<'static, [u8]>>) -> Self {
        self.put(path, Kind::File(content.into()), 0o644)
    }

    /// The same with a text.
    pub fn text(self, path: &str, content: impl Into<String>) -> Self {
        self.file(path, content.into().into_bytes())
    }

    /// A file that anybody may run.
    pub fn program(self, path: &str, content: impl Into<Cow<'static, [u8]>>) -> Self {
        self.put(path, Kind::File(content.into()), 0o755)
    }

    /// The same with the content of a file of this machine.
    pub fn copied(self, path: &str, content: Copied) -> Self {
        self.put(path, Kind::Copied(content), 0o755)
    }

    /// A symbolic link.
    pub fn link(self, path: &str, target: &str) -> Self {
        self.put(path, Kind::Link(target.to_owned()), 0o777)
    }

    /// Gives the entry at `path` to somebody else than root.
    pub fn owned(mut self, path: &str, user: u32, group: u32) -> Self {
        if let Some(entry) = self.entries.get_mut(path.trim_matches('/')) {
            entry.owner = (user, group);
        }
        self
    }

    fn put(mut self, path: &str, kind: Kind, mode: u32) -> Self {
        let path = path.trim_matches('/');
        for (at, _) in path.match_indices('/') {
            let folder = Entry { kind: Kind::Folder, mode: 0o755, owner: (0, 0) };
            self.entries.entry(path[..at].to_owned()).or_insert(folder);
        }
        self.entries.insert(path.to_owned(), Entry { kind, mode, owner: (0, 0) });
        self
    }

    /// Writes the tar.
    ///
    /// # Errors
    /// Those of the writer, or a path that no tar can hold.
    pub fn write(&self, writer: impl Write) -> io::Result<()> {
        let mut builder = tar::Builder::new(writer);
        for (path, entry) in &self.entries {
            let mut header = tar::Header::new_ustar();
            header.set_mode(entry.mode);
            header.set_uid(u64::from(entry.owner.0));
            header.set_gid(u64::from(entry.owner.1));
            header.set_mtime(EPOCH);
            header.set_size(0);
            match &entry.kind {
                Kind::Folder => {
                    header.set_entry_type(tar::EntryType::Directory);
                    header.set_path(format!("{path}/"))?;
                    header.set_cksum();
                    builder.append(&header, io::empty())?;
                }
                Kind::File(content) => {
                    header.set_entry_type(tar::EntryType::Regular);
                    header.set_path(path)?;
                    header.set_size(content.len() as u64);
                    header.set_cksum();
                    builder.append(&header, &**content)?;
                }
                Kind::Copied(content) => {
                    header.set_entry_type(tar::EntryType::Regular);
                    header.set_path(path)?;
                    header.set_size(content.size);
                    header.set_cksum();
                    // Not by the builder, whose pieces are small.
                    builder.get_mut().write_all(header.as_bytes())?;
                    content.write(builder.get_mut())?;
                }
                Kind::Link(target) => {
                    header.set_entry_type(tar::EntryType::Symlink);
                    header.set_path(path)?;
                    header.set_link_name_literal(target)?;
                    header.set_cksum();
                    builder.append(&header, io::empty())?;
                }
            }
        }
        builder.finish()
    }
}

impl Copied {
    /// Writes the content, and zeros up to the end of a block of the tar.
    fn write(&self, mut writer: impl Write) -> io::Result<()> {
        let mut file = fs::open_read(&self.from).map_err(io::Error::other)?;
        let head = self.head.get(..usize::try_from(self.size).unwrap_or(usize::MAX)).unwrap_or(&self.head);
        writer.write_all(head)?;
        let mut left = self.size - head.len() as u64;
        file.seek(io::SeekFrom::Start(head.len() as u64))?;
        let mut piece = vec![0; PIECE];
        while left > 0 {
            let wanted = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
            // A file that became shorter meanwhile is an error here.
            file.read_exact(&mut piece[..wanted])?;
            writer.write_all(&piece[..wanted])?;
            left -= wanted as u64;
        }
        let rest = usize::try_from(self.size % BLOCK).unwrap_or(0);
        if rest > 0 { writer.write_all(&[0; BLOCK as usize][rest..]) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_trees_give_equal_bytes_and_folders_come_before_what_is_in_them() {
        let make = |turned: bool| {
            let (one, two) = (("etc/a", "1"), ("etc/b/c", "2"));
            let (first, second) = if turned { (two, one) } else { (one, two) };
            Tree::default().text(first.0, first.1).text(second.0, second.1).link("bin/sh", "busybox").folder_with("tmp", 0o1777)
        };
        let packed = |tree: Tree| {
            let mut bytes = Vec::new();
            tree.write(&mut bytes).unwrap();
            bytes
        };
        let bytes = packed(make(false));
        assert!(bytes == packed(make(true)));
        let mut archive = tar::Archive::new(&bytes[..]);
        let names: Vec<String> = archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect();
        assert_eq!(names, ["bin/", "bin/sh", "etc/", "etc/a", "etc/b/", "etc/b/c", "tmp/"]);
    }

    #[test]
    fn owners_modes_and_times_are_kept() {
        let mut bytes = Vec::new();
        Tree::default().program("run", b"#!/bin/sh\n".as_slice()).owned("run", 101, 102).write(&mut bytes).unwrap();
        let mut archive = tar::Archive::new(&bytes[..]);
        let mut entry = archive.entries().unwrap().next().unwrap().unwrap();
        let mut content = String::new();
        entry.read_to_string(&mut content).unwrap();
        let header = entry.header();
        assert_eq!((header.mode().unwrap(), header.uid().unwrap(), header.gid().unwrap()), (0o755, 101, 102));
        assert_eq!((header.mtime().unwrap(), content.as_str()), (EPOCH, "#!/bin/sh\n"));
        assert_eq!(EPOCH as i64, CREATED.parse::<jiff::Timestamp>().unwrap().as_second());
    }

    #[test]
    fn a_copied_file_gives_the_same_bytes_as_its_content() {
        let place = tempfile::tempdir().unwrap();
        let from = place.path().join("program");
        for size in [0, 1, 511, 512, 513, PIECE, PIECE + 700] {
            let content: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
            std::fs::write(&from, [content.as_slice(), b"cut off"].concat()).unwrap();
            let (mut copied, mut given) = (Vec::new(), Vec::new());
            let head = content[..size.min(64)].to_vec();
            let tree = Tree::default().copied("bin/run", Copied { from: from.clone(), head, size: size as u64 }).text("last", "1");
            tree.write(&mut copied).unwrap();
            Tree::default().program("bin/run", content).text("last", "1").write(&mut given).unwrap();
            assert!(copied == given, "{size}");
        }
        std::fs::write(&from, "short").unwrap();
        let tree = Tree::default().copied("run", Copied { from, head: Vec::new(), size: 99 });
        assert!(tree.write(io::sink()).is_err());
    }
}
