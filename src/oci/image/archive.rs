//! Tar archives from strangers, entry by entry.
//!
//! POSIX pax, ustar and GNU archives. A name is cleaned here once: it is relative, has no `..`, and can go through [`crate::kernel::root::Root`]. What two
//! readers could read in two ways is refused and not guessed (CVE-2025-62518), and everything that a stranger could make long has a limit.

use std::cell::Cell;
use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use super::error::{Error, Result};

/// The prefix of pax records that carry extended attributes.
pub(super) const ATTRIBUTE: &str = "SCHILY.xattr.";
/// The longest path, as the kernel has it: `PATH_MAX`.
const LONGEST_PATH: usize = 4096;
/// What headers and pax records of one entry may take together, in bytes.
const LONGEST_HEADERS: u64 = 2 << 20;

/// How much of a stranger's archive is taken.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The most entries.
    pub entries: u64,
    /// The most bytes of content in all.
    pub bytes: u64,
    /// So many bytes may come out for each byte that went in, once more than [`Limits::FREE`] came out.
    pub ratio: u64,
}

impl Limits {
    /// So many bytes may come out whatever went in: a short archive of zeros is no bomb.
    pub const FREE: u64 = 64 << 20;
}

impl Default for Limits {
    /// Far more than any image that people use: two million entries, 64 GiB, 200 to one.
    fn default() -> Self {
        Limits { entries: 2_000_000, bytes: 64 << 30, ratio: 200 }
    }
}

/// What an entry makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link to this, whatever it is.
    Link(PathBuf),
    /// Another name for this earlier entry, cleaned.
    HardLink(PathBuf),
    /// A named pipe.
    Fifo,
    /// A device node; which one does not matter, since none is made.
    Device,
}

/// One entry of an archive.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The name, cleaned; `.` for the root itself.
    pub path: PathBuf,
    /// What it makes.
    pub kind: Kind,
    /// Permission bits with set-user-id, set-group-id and sticky.
    pub mode: u32,
    /// The owner's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
    /// The time of the last change: seconds and nanoseconds since 1970.
    pub modified: (i64, u32),
    /// Extended attributes.
    pub attributes: Vec<(String, Vec<u8>)>,
    /// The length of the content in bytes.
    pub size: u64,
}

/// Reads an archive and gives each entry with its content to `take`. Content that `take` leaves is skipped. The archive's end marks may be missing, as
/// in Docker's own; a cut entry is an error.
///
/// # Errors
/// The archive breaks its specification or a limit, or `take` failed.
pub fn read(reader: impl Read, limits: Limits, mut take: impl FnMut(&Entry, &mut dyn Read) -> Result<()>) -> Result<()> {
    let budget = Rc::new(Cell::new(LONGEST_HEADERS));
    let mut archive = tar::Archive::new(Guarded { inner: reader, budget: Rc::clone(&budget) });
    let (mut count, mut bytes) = (0_u64, 0_u64);
    let broken = Error::reading("read the archive");
    let mut entries = archive.entries().map_err(broken)?;
    loop {
        budget.set(LONGEST_HEADERS);
        let Some(next) = entries.next() else { return Ok(()) };
        let mut raw = next.map_err(|error| Error::invalid("archive", error))?;
        count += 1;
        if count > limits.entries {
            return Err(Error::TooLarge { what: "the archive".to_owned(), limit: format!("{} entries", limits.entries) });
        }
        budget.set(u64::MAX);
        let Some((entry, sparse)) = header(&mut raw)? else { continue };
        bytes = bytes.saturating_add(entry.size);
        if bytes > limits.bytes {
            return Err(Error::TooLarge { what: "the archive".to_owned(), limit: format!("{} bytes of content", limits.bytes) });
        }
        let shown = || format!("read the entry `{}`", entry.path.display());
        match sparse {
            Some(version) => {
                let mut content = super::sparse::Sparse::new(&mut raw, version, entry.size)?;
                take(&entry, &mut content)?;
            }
            None => take(&entry, &mut raw)?,
        }
        io::copy(&mut raw, &mut io::sink()).map_err(Error::reading(shown()))?;
    }
}

/// A reader that allows only so many bytes while headers are read, because the archive reader collects them in memory.
struct Guarded<R> {
    inner: R,
    budget: Rc<Cell<u64>>,
}

impl<R: Read> Read for Guarded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let budget = self.budget.get();
        if budget == 0 {
            return Err(io::Error::other(format!("the headers of an entry take more than {LONGEST_HEADERS} bytes")));
        }
        let most = usize::try_from(budget).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.inner.read(&mut buffer[..most])?;
        if budget != u64::MAX {
            self.budget.set(budget - count as u64);
        }
        Ok(count)
    }
}

/// The layout of a sparse file in pax records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Holes {
    /// Versions 0.0 and 0.1: offsets and lengths of the pieces are in the records.
    Listed(Vec<(u64, u64)>),
    /// Version 1.0: they stand before the content.
    InContent,
}

/// What the pax records of an entry say.
#[derive(Default)]
struct Records {
    modified: Option<(i64, u32)>,
    attributes: Vec<(String, Vec<u8>)>,
    sparse_name: Option<Vec<u8>>,
    sparse_size: Option<u64>,
    sparse_major: Option<u64>,
    sparse_map: Vec<u64>,
    sparse: bool,
}

/// Reads the header of an entry. `None` for what is no file: a global header.
fn header<R: Read>(raw: &mut tar::Entry<'_, R>) -> Result<Option<(Entry, Option<Holes>)>> {
    let records = records(raw)?;
    let name = records.sparse_name.clone().unwrap_or_else(|| raw.path_bytes().into_owned());
    let shown = format!("entry `{}`", String::from_utf8_lossy(&name[..name.len().min(200)]));
    let wrong = |why: &dyn std::fmt::Display| Error::invalid(&shown, why);
    let field = |value: io::Result<u64>| value.map_err(|error| wrong(&error));
    let header = raw.header();
    let kind = match header.entry_type() {
        tar::EntryType::Regular if name.ends_with(b"/") => Kind::Folder,
        tar::EntryType::Regular | tar::EntryType::Continuous | tar::EntryType::GNUSparse => Kind::File,
        tar::EntryType::Directory => Kind::Folder,
        tar::EntryType::Symlink => Kind::Link(link_target(raw, &shown)?),
        tar::EntryType::Link => Kind::HardLink(clean(link_target(raw, &shown)?.as_os_str().as_bytes(), &shown)?),
        tar::EntryType::Fifo => Kind::Fifo,
        tar::EntryType::Char | tar::EntryType::Block => Kind::Device,
        tar::EntryType::XGlobalHeader => return Ok(None),
        other => return Err(wrong(&format!("unknown type {:?}", char::from(other.as_byte())))),
    };
    let id = |value: u64| u32::try_from(value).map_err(|_| wrong(&format!("the id {value} is larger than any")));
    // Some readers skip such content and some take it for the next header.
    if kind != Kind::File && raw.size() > 0 {
        return Err(wrong(&"it is no file and yet has content"));
    }
    let size = if kind != Kind::File { 0 } else { records.sparse_size.unwrap_or(raw.size()) };
    let holes = records.holes();
    let entry = Entry {
        path: clean(&name, &shown)?,
        kind,
        mode: header.mode().map_err(|error| wrong(&error))? & 0o7777,
        uid: id(field(header.uid())?)?,
        gid: id(field(header.gid())?)?,
        modified: records.modified.unwrap_or((header.mtime().map_err(|error| wrong(&error))? as i64, 0)),
        attributes: records.attributes,
        size,
    };
    Ok(Some((entry, holes)))
}

fn link_target<R: Read>(raw: &tar::Entry<'_, R>, shown: &str) -> Result<PathBuf> {
    let target = raw.link_name_bytes().filter(|target| !target.is_empty());
    let target = target.ok_or_else(|| Error::invalid(shown, "a link to nothing"))?;
    if target.len() >= LONGEST_PATH || target.contains(&0) {
        return Err(Error::invalid(shown, "the target of the link is too long or has a NUL in it"));
    }
    Ok(PathBuf::from(OsStr::from_bytes(&target)))
}

/// A name relative to the root, without `.` and `..`. One that would leave the root is refused.
pub(super) fn clean(name: &[u8], shown: &str) -> Result<PathBuf> {
    if name.len() >= LONGEST_PATH || name.contains(&0) || name.is_empty() {
        return Err(Error::invalid(shown, "the name is empty, too long or has a NUL in it"));
    }
    let mut clean = PathBuf::new();
    for component in Path::new(OsStr::from_bytes(name)).components() {
        match component {
            Component::Normal(part) => clean.push(part),
            Component::ParentDir if !clean.pop() => return Err(Error::invalid(shown, "the name leads out of the archive")),
            _ => {}
        }
    }
    Ok(if clean.as_os_str().is_empty() { PathBuf::from(".") } else { clean })
}

fn records<R: Read>(raw: &mut tar::Entry<'_, R>) -> Result<Records> {
    let wrong = |why: &dyn std::fmt::Display| Error::invalid("pax records of an entry", why);
    let mut found = Records::default();
    let Some(records) = raw.pax_extensions().map_err(|error| wrong(&error))? else { return Ok(found) };
    for record in records {
        let record = record.map_err(|error| wrong(&error))?;
        let key = record.key().map_err(|error| wrong(&error))?;
        found.take(key, record.value_bytes()).ok_or_else(|| wrong(&format!("`{key}` has a value that it cannot have")))?;
    }
    Ok(found)
}

impl Records {
    fn take(&mut self, key: &str, value: &[u8]) -> Option<()> {
        let number = || std::str::from_utf8(value).ok()?.parse::<u64>().ok();
        match key {
            "mtime" => self.modified = Some(time(std::str::from_utf8(value).ok()?)?),
            "GNU.sparse.name" => self.sparse_name = Some(value.to_vec()),
            "GNU.sparse.size" | "GNU.sparse.realsize" => self.sparse_size = Some(number()?),
            "GNU.sparse.major" => (self.sparse_major, self.sparse) = (Some(number()?), true),
            "GNU.sparse.offset" | "GNU.sparse.numbytes" => {
                self.sparse = true;
                self.sparse_map.push(number()?);
            }
            "GNU.sparse.map" => {
                let numbers: Option<Vec<u64>> = std::str::from_utf8(value).ok()?.split(',').map(|number| number.parse().ok()).collect();
                (self.sparse_map, self.sparse) = (numbers?, true);
            }
            // Read by the archive reader itself; checked here so that a wrong one is not passed over.
            "size" | "uid" | "gid" => drop(number()?),
            key => {
                if let Some(attribute) = key.strip_prefix(ATTRIBUTE) {
                    self.attributes.push((attribute.to_owned(), value.to_vec()));
                }
            }
        }
        Some(())
    }

    fn holes(&self) -> Option<Holes> {
        if !self.sparse {
            return None;
        }
        let pairs = || self.sparse_map.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
        Some(if self.sparse_major == Some(1) { Holes::InContent } else { Holes::Listed(pairs()) })
    }
}

/// Seconds with a fraction, as pax writes them: `1350244992.023960108`, `-1.5`.
fn time(text: &str) -> Option<(i64, u32)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().ok()?;
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits: String = fraction.chars().chain(std::iter::repeat('0')).take(9).collect();
    let nanoseconds: u32 = digits.parse().ok()?;
    // The fraction of a negative time counts downwards.
    Some(if whole.starts_with('-') && nanoseconds > 0 {
        (seconds.checked_sub(1)?, 1_000_000_000 - nanoseconds)
    } else {
        (seconds, nanoseconds)
    })
}

/// A reader that ends a decompression bomb: so much may come out for what went in.
pub struct Bounded<'a, R> {
    inner: R,
    fed: &'a Cell<u64>,
    given: u64,
    limits: Limits,
}

impl<'a, R: Read> Bounded<'a, R> {
    /// Reads from a decoder whose input adds up in `fed`.
    pub fn new(inner: R, fed: &'a Cell<u64>, limits: Limits) -> Self {
        Bounded { inner, fed, given: 0, limits }
    }
}

impl<R: Read> Read for Bounded<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.given += count as u64;
        let fair = self.fed.get().saturating_mul(self.limits.ratio).max(Limits::FREE);
        if self.given > fair {
            let limit = format!("{} bytes for each compressed one", self.limits.ratio);
            return Err(Error::TooLarge { what: "what the layer unpacks to".to_owned(), limit }.into_io());
        }
        Ok(count)
    }
}

/// A reader that counts what passes.
pub struct Counted<'a, R> {
    inner: R,
    count: &'a Cell<u64>,
}

impl<'a, R: Read> Counted<'a, R> {
    /// Adds what is read from `inner` to `count`.
    pub fn new(inner: R, count: &'a Cell<u64>) -> Self {
        Counted { inner, count }
    }
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.count.set(self.count.get() + read as u64);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cleaned_and_cannot_leave() {
        let cleaned = |name: &[u8]| clean(name, "x").map(|path| path.to_string_lossy().into_owned()).map_err(|_| ());
        let table: [(&[u8], std::result::Result<&str, ()>); 9] = [
            (b"a/b", Ok("a/b")),
            (b"./a//b/", Ok("a/b")),
            (b"/etc/passwd", Ok("etc/passwd")),
            (b"a/../b", Ok("b")),
            (b"./", Ok(".")),
            (b"../x", Err(())),
            (b"a/../../x", Err(())),
            (b"a\0b", Err(())),
            (b"", Err(())),
        ];
        for (name, expected) in table {
            assert_eq!(cleaned(name), expected.map(str::to_owned), "{name:?}");
        }
        assert!(clean(&[b'a'; 5000], "x").is_err());
    }

    #[test]
    fn times_have_fractions_and_signs() {
        assert_eq!(time("1350244992.023960108"), Some((1350244992, 23960108)));
        assert_eq!(time("-1.5"), Some((-2, 500_000_000)));
        assert_eq!(time("7"), Some((7, 0)));
        assert_eq!(time("7.x"), None);
    }

    #[test]
    fn a_name_of_a_gigabyte_is_not_collected() {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::GNULongName);
        header.set_size(1 << 30);
        header.set_cksum();
        let endless = io::Read::chain(&header.as_bytes()[..], io::repeat(b'a'));
        let error = read(endless, Limits::default(), |_, _| Ok(())).unwrap_err();
        assert!(error.to_string().contains("headers of an entry"), "{error}");
    }
}
