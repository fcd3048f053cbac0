//! From files to a layer's tar: the exact reverse of [`super::unpack`].
//!
//! The upper folder of an overlay holds what changed: new and changed files as they are, removed ones as character devices 0:0, folders that hide what was
//! below as an attribute. Names are sorted and nothing but the files themselves goes in, so that equal folders give equal tars.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::error::{Error, Result};
use super::unpack::{OPAQUE, OVERLAY_OPAQUE, Unpacked, WHITEOUT};
use crate::kernel::folder::{FileType, Folder, Status};

/// What the folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The upper folder of an overlay: marks of removal become whiteouts.
    Upper,
    /// A whole tree.
    Tree,
}

/// Packs all that is in `folder`, without the folder itself.
///
/// # Errors
/// A file cannot be read, or the writer failed.
pub fn pack(folder: &Folder, source: Source, writer: impl Write) -> Result<Unpacked> {
    let mut packer = Packer { builder: tar::Builder::new(writer), source, linked: HashMap::new(), done: Unpacked::default() };
    packer.walk(folder, Path::new(""))?;
    packer.builder.finish().map_err(Error::reading("write the archive"))?;
    Ok(packer.done)
}

/// Packs what is called `name` in `folder`, with all below it, under the path `shown`.
///
/// # Errors
/// As [`pack`].
pub fn pack_one(folder: &Folder, name: &OsStr, shown: &Path, writer: impl Write) -> Result<Unpacked> {
    let mut packer = Packer { builder: tar::Builder::new(writer), source: Source::Tree, linked: HashMap::new(), done: Unpacked::default() };
    let at = || Error::at(format!("read `{}`", shown.display()));
    packer.entry(folder, name, shown)?;
    if folder.status(name).map_err(at())?.is_some_and(|status| status.kind == FileType::Directory) {
        packer.walk(&folder.enter(name).map_err(at())?, shown)?;
    }
    packer.builder.finish().map_err(Error::reading("write the archive"))?;
    Ok(packer.done)
}

/// A folder, its path, and the names in it that are still to come.
type Open = (Folder, PathBuf, std::vec::IntoIter<(OsString, FileType)>);

struct Packer<W: Write> {
    builder: tar::Builder<W>,
    source: Source,
    /// The first name of every file that has several.
    linked: HashMap<(u64, u64), PathBuf>,
    done: Unpacked,
}

impl<W: Write> Packer<W> {
    /// Folders wait on a list, in such an order that the archive is sorted as if by a recursion.
    fn walk(&mut self, top: &Folder, prefix: &Path) -> Result<()> {
        let mut open: Vec<Open> = Vec::new();
        let at = |path: &Path| Error::at(format!("read the folder `{}`", path.display()));
        let again = top.again().map_err(at(Path::new("/")))?;
        let names = again.names().map_err(at(Path::new("/")))?.into_iter();
        open.push((again, prefix.to_owned(), names));
        while let Some((folder, path, names)) = open.last_mut() {
            let Some((name, kind)) = names.next() else {
                open.pop();
                continue;
            };
            let inner = path.join(&name);
            self.entry(folder, &name, &inner)?;
            if kind == FileType::Directory {
                let deeper = folder.enter(&name).map_err(at(&inner))?;
                let names = deeper.names().map_err(at(&inner))?.into_iter();
                open.push((deeper, inner, names));
            }
        }
        Ok(())
    }

    fn entry(&mut self, folder: &Folder, name: &OsStr, path: &Path) -> Result<()> {
        let at = || Error::at(format!("read `{}`", path.display()));
        // Gone since the folder was listed: a running container may do that.
        let Some(status) = folder.status(name).map_err(at())? else { return Ok(()) };
        if self.source == Source::Upper && status.is_whiteout() {
            return self.mark(&path.with_file_name(prefixed(name)), &status);
        }
        match status.kind {
            FileType::Directory => self.folder(folder, name, path, &status),
            FileType::RegularFile | FileType::Symlink | FileType::Fifo => self.file(folder, name, path, &status),
            // Sockets live with their process, devices come from the runtime.
            _ => {
                self.done.devices += 1;
                Ok(())
            }
        }
    }

    fn folder(&mut self, folder: &Folder, name: &OsStr, path: &Path, status: &Status) -> Result<()> {
        let at = || Error::at(format!("read `{}`", path.display()));
        let mut shown = path.as_os_str().to_owned();
        shown.push("/");
        self.write(Path::new(&shown), tar::EntryType::Directory, status, folder, name, None, &mut io::empty())?;
        let opaque =
            self.source == Source::Upper && folder.attribute(name, OVERLAY_OPAQUE).map_err(at())?.is_some_and(|value| value == b"y");
        if opaque { self.mark(&path.join(OPAQUE), status) } else { Ok(()) }
    }

    fn file(&mut self, folder: &Folder, name: &OsStr, path: &Path, status: &Status) -> Result<()> {
        let at = || Error::at(format!("read `{}`", path.display()));
        if status.links > 1 {
            if let Some(first) = self.linked.get(&status.inode).cloned() {
                return self.write(path, tar::EntryType::Link, status, folder, name, Some(first.as_os_str()), &mut io::empty());
            }
            self.linked.insert(status.inode, path.to_owned());
        }
        match status.kind {
            FileType::Symlink => {
                let target = folder.read_link(name).map_err(at())?;
                self.write(path, tar::EntryType::Symlink, status, folder, name, Some(&target), &mut io::empty())
            }
            FileType::Fifo => self.write(path, tar::EntryType::Fifo, status, folder, name, None, &mut io::empty()),
            _ => {
                let file = folder.open_file(name).map_err(at())?;
                self.done.bytes += status.size;
                self.write(path, tar::EntryType::Regular, status, folder, name, None, &mut Exactly { inner: file, left: status.size })
            }
        }
    }

    /// An empty file that stands for something removed.
    fn mark(&mut self, path: &Path, like: &Status) -> Result<()> {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::Regular);
        self.stamp(&mut header, like);
        header.set_mode(0o600);
        let mut records = Vec::new();
        name_into(&mut header, path, &mut records);
        self.append(&mut header, &records, &mut io::empty(), path)
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one header")]
    fn write(
        &mut self,
        path: &Path,
        kind: tar::EntryType,
        status: &Status,
        folder: &Folder,
        name: &OsStr,
        link: Option<&OsStr>,
        content: &mut dyn Read,
    ) -> Result<()> {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        self.stamp(&mut header, status);
        header.set_size(if kind == tar::EntryType::Regular { status.size } else { 0 });
        let mut records = Vec::new();
        name_into(&mut header, path, &mut records);
        if let Some(link) = link
            && header.set_link_name_literal(link.as_bytes()).is_err()
        {
            records.push(("linkpath".to_owned(), link.as_bytes().to_vec()));
        }
        if kind != tar::EntryType::Link {
            let attributes = folder.attributes(name).map_err(Error::at(format!("read the attributes of `{}`", path.display())))?;
            let kept = attributes.into_iter().filter(|(attribute, _)| super::unpack::is_an_images(attribute));
            records.extend(kept.map(|(attribute, value)| (format!("{}{attribute}", super::archive::ATTRIBUTE), value)));
        }
        self.append(&mut header, &records, content, path)
    }

    fn stamp(&self, header: &mut tar::Header, status: &Status) {
        header.set_mode(status.mode);
        header.set_uid(u64::from(status.uid));
        header.set_gid(u64::from(status.gid));
        header.set_mtime(u64::try_from(status.modified.0).unwrap_or(0));
        header.set_size(0);
    }

    fn append(&mut self, header: &mut tar::Header, records: &[(String, Vec<u8>)], content: &mut dyn Read, path: &Path) -> Result<()> {
        self.done.entries += 1;
        let doing = || format!("write the entry `{}`", path.display());
        if !records.is_empty() {
            let records = records.iter().map(|(key, value)| (key.as_str(), value.as_slice()));
            self.builder.append_pax_extensions(records).map_err(Error::reading(doing()))?;
        }
        header.set_cksum();
        self.builder.append(header, content).map_err(Error::reading(doing()))
    }
}

/// The name goes into the header, or into a pax record if it is too long for that.
fn name_into(header: &mut tar::Header, path: &Path, records: &mut Vec<(String, Vec<u8>)>) {
    if header.set_path(path).is_err() {
        records.push(("path".to_owned(), path.as_os_str().as_bytes().to_vec()));
    }
}

fn prefixed(name: &OsStr) -> OsString {
    let mut prefixed = OsString::from(WHITEOUT);
    prefixed.push(name);
    prefixed
}

/// Exactly as many bytes as the header promised: what grew meanwhile is cut, what shrank is filled with zeros, as GNU tar does.
struct Exactly<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Exactly<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        let count = match self.inner.read(&mut buffer[..most])? {
            0 => {
                buffer[..most].fill(0);
                most
            }
            count => count,
        };
        self.left -= count as u64;
        Ok(count)
    }
}
