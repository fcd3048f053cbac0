//! Archives made byte by byte, so that they can hold what no honest tool writes.

use std::path::Path;

/// Puts a tar together.
#[derive(Default)]
pub struct Tar {
    bytes: Vec<u8>,
}

impl Tar {
    /// An entry whose header is taken as it is: nothing is cleaned or checked.
    pub fn raw(mut self, name: &[u8], kind: u8, link: &[u8], mode: u32, content: &[u8]) -> Self {
        let mut header = tar::Header::new_ustar();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name);
        header.as_mut_bytes()[157..157 + link.len()].copy_from_slice(link);
        header.set_entry_type(tar::EntryType::new(kind));
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1_000_000_000);
        header.set_size(content.len() as u64);
        header.set_cksum();
        self.bytes.extend_from_slice(header.as_bytes());
        self.content(content)
    }

    pub fn content(mut self, content: &[u8]) -> Self {
        self.bytes.extend_from_slice(content);
        self.bytes.resize(self.bytes.len().next_multiple_of(512), 0);
        self
    }

    pub fn file(self, name: &str, content: &str) -> Self {
        self.raw(name.as_bytes(), b'0', b"", 0o644, content.as_bytes())
    }

    pub fn folder(self, name: &str) -> Self {
        self.raw(name.as_bytes(), b'5', b"", 0o755, b"")
    }

    pub fn link(self, name: &str, target: &str) -> Self {
        self.raw(name.as_bytes(), b'2', target.as_bytes(), 0o777, b"")
    }

    pub fn hard(self, name: &str, target: &str) -> Self {
        self.raw(name.as_bytes(), b'1', target.as_bytes(), 0o644, b"")
    }

    /// A pax header for the next entry; `records` are taken as they are.
    pub fn pax(self, records: &[u8]) -> Self {
        self.raw(b"pax", b'x', b"", 0o644, records)
    }

    pub fn record(self, key: &str, value: &[u8]) -> Self {
        let mut length = key.len() + value.len() + 3;
        while format!("{length}").len() + key.len() + value.len() + 3 != length {
            length = format!("{length}").len() + key.len() + value.len() + 3;
        }
        let mut record = format!("{length} {key}=").into_bytes();
        record.extend_from_slice(value);
        record.push(b'\n');
        self.pax(&record)
    }

    pub fn end(mut self) -> Vec<u8> {
        self.bytes.resize(self.bytes.len() + 1024, 0);
        self.bytes
    }
}

/// All names below a folder with what they are: `a/` folder, `a -> b` link, `a=content` file, `a!` other; sorted.
pub fn listing(folder: &Path) -> Vec<String> {
    let mut all = Vec::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(at) = waiting.pop() {
        for entry in std::fs::read_dir(&at).unwrap().map(Result::unwrap) {
            let (path, kind) = (entry.path(), entry.file_type().unwrap());
            let name = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
            if kind.is_dir() {
                all.push(format!("{name}/"));
                waiting.push(path);
            } else if kind.is_symlink() {
                all.push(format!("{name} -> {}", std::fs::read_link(&path).unwrap().display()));
            } else if kind.is_file() {
                all.push(format!("{name}={}", String::from_utf8_lossy(&std::fs::read(&path).unwrap())));
            } else {
                all.push(format!("{name}!"));
            }
        }
    }
    all.sort();
    all
}
