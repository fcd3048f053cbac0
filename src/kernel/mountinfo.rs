//! The table of mounts of a process, `/proc/PID/mountinfo` (proc_pid_mountinfo(5)).

use std::path::{Path, PathBuf};

use super::error::Result;
use super::fs;

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Its number.
    pub id: u32,
    /// The number of the mount it is mounted in.
    pub parent: u32,
    /// Which folder of its file system it shows.
    pub root: PathBuf,
    /// Where it is.
    pub target: PathBuf,
    /// Its own options: `ro,nosuid`.
    pub options: String,
    /// Propagation: `shared:1`, `master:2`; empty is private.
    pub propagation: String,
    /// The type of file system.
    pub fstype: String,
    /// What it was mounted from.
    pub source: String,
    /// The options of the file system.
    pub super_options: String,
}

/// The mounts of this process.
///
/// # Errors
/// `/proc` is not there.
pub fn own() -> Result<Vec<Mount>> {
    of(Path::new("/proc/self/mountinfo"))
}

/// The mounts in a `mountinfo` file.
///
/// # Errors
/// The process is gone.
pub fn of(path: &Path) -> Result<Vec<Mount>> {
    Ok(fs::read(path)?.lines().filter_map(parse).collect())
}

fn parse(line: &str) -> Option<Mount> {
    let (left, right) = line.split_once(" - ")?;
    let left: Vec<&str> = left.split(' ').collect();
    let right: Vec<&str> = right.split(' ').collect();
    Some(Mount {
        id: left.first()?.parse().ok()?,
        parent: left.get(1)?.parse().ok()?,
        root: unescape(left.get(3)?).into(),
        target: unescape(left.get(4)?).into(),
        options: (*left.get(5)?).to_owned(),
        propagation: left.get(6..)?.join(" "),
        fstype: (*right.first()?).to_owned(),
        source: unescape(right.get(1)?),
        super_options: right.get(2).copied().unwrap_or_default().to_owned(),
    })
}

/// Space, tab, newline and backslash are written as three octal digits.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let octal = (first == b'\\').then(|| tail.get(..3)).flatten().and_then(|digits| std::str::from_utf8(digits).ok());
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[3..];
            }
            None => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_with_its_escapes() {
        let mount = parse("36 35 98:0 /mnt1 /mnt\\0402 rw,noatime master:1 shared:3 - ext3 /dev/ro\\134ot rw,errors=continue").unwrap();
        assert_eq!((mount.id, mount.target.to_str().unwrap(), mount.source.as_str()), (36, "/mnt 2", "/dev/ro\\ot"));
        assert_eq!((mount.propagation.as_str(), mount.fstype.as_str()), ("master:1 shared:3", "ext3"));
        assert_eq!(parse("nonsense"), None);
    }
}
