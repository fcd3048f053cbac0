//! A header of rpm (version 3 of the format, as it lies in the database): an index of tags and a store of their values.

use super::packages::Package;

/// The tags that are read, and the types that they have.
const NAME: usize = 1000;
const VERSION: usize = 1001;
const RELEASE: usize = 1002;
const EPOCH: usize = 1003;
const SOURCE: usize = 1044;
const NUMBER: usize = 4;
const TEXT: usize = 6;
/// The keys of repositories lie among the packages.
const KEY: &str = "gpg-pubkey";

/// The package of a header; `None` if it is none, or a key.
pub fn package(header: &[u8]) -> Option<Package> {
    let (name, version, release) = (text(header, NAME)?, text(header, VERSION)?, text(header, RELEASE)?);
    if name == KEY {
        return None;
    }
    let epoch = value(header, EPOCH, NUMBER).and_then(|at| number(header, at)).map_or_else(String::new, |epoch| format!("{epoch}:"));
    // `openssl-3.0.7-2.el9.src.rpm`: the name of the source is what stands before the last two dashes.
    let source = text(header, SOURCE).and_then(|file| file.rsplitn(3, '-').nth(2).map(str::to_owned)).unwrap_or_else(|| name.clone());
    Some(Package { name, source, version: format!("{epoch}{version}-{release}") })
}

/// Four bytes, the highest first.
fn number(bytes: &[u8], at: usize) -> Option<usize> {
    Some(bytes.get(at..at.checked_add(4)?)?.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)))
}

/// Where the value of a tag begins.
fn value(header: &[u8], tag: usize, kind: usize) -> Option<usize> {
    let count = number(header, 0)?.min(header.len() / 16);
    let at = (0..count).map(|entry| 8 + entry * 16).find(|at| number(header, *at) == Some(tag) && number(header, at + 4) == Some(kind))?;
    number(header, at + 8)?.checked_add(8 + number(header, 0)?.checked_mul(16)?)
}

fn text(header: &[u8], tag: usize) -> Option<String> {
    let bytes = header.get(value(header, tag, TEXT)?..)?;
    let end = bytes.iter().position(|byte| *byte == 0)?;
    Some(String::from_utf8_lossy(&bytes[..end]).into_owned())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A header as rpm writes one.
    pub fn header(texts: &[(usize, &str)], epoch: Option<u32>) -> Vec<u8> {
        let (mut index, mut store) = (Vec::new(), Vec::new());
        let mut entry = |tag: usize, kind: usize, at: usize| {
            [tag, kind, at, 1].iter().for_each(|field| index.extend((*field as u32).to_be_bytes()));
        };
        if let Some(epoch) = epoch {
            entry(EPOCH, NUMBER, store.len());
            store.extend(epoch.to_be_bytes());
        }
        for (tag, value) in texts {
            entry(*tag, TEXT, store.len());
            store.extend(value.bytes().chain([0]));
        }
        let count = (index.len() / 16) as u32;
        [count.to_be_bytes().to_vec(), (store.len() as u32).to_be_bytes().to_vec(), index, store].concat()
    }

    #[test]
    fn a_header_names_its_package() {
        let texts = [(NAME, "openssl-libs"), (VERSION, "3.0.7"), (RELEASE, "2.el9"), (SOURCE, "openssl-3.0.7-2.el9.src.rpm")];
        let read = package(&header(&texts, Some(1))).unwrap();
        assert_eq!((read.name.as_str(), read.source.as_str(), read.version.as_str()), ("openssl-libs", "openssl", "1:3.0.7-2.el9"));
        assert!(package(&header(&[(NAME, KEY), (VERSION, "1"), (RELEASE, "1")], None)).is_none());
        let whole = header(&texts, None);
        (0..whole.len()).for_each(|end| drop(package(&whole[..end])));
        assert!(package(&[0xff; 64]).is_none());
    }
}
