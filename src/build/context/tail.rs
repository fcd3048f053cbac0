//! The end of an archive as docker's client sends it when it has put a Dockerfile of its own behind the others (`-f -`): after the last byte of the last file there is
//! nothing, neither the rest of the block nor the two empty ones that end a tar (POSIX, pax(1)). Go's reader takes that, so it must be taken here.
//!
//! Nothing else is forgiven: an archive that ends within a file, or within the rest of a block, is cut.

use std::io::{Read, Result};

const BLOCK: u64 = 512;
/// The place of a file's size in a header.
const SIZE: std::ops::Range<usize> = 124..136;

/// A tar that is read, with the end that it should have.
pub struct Tail<R> {
    inner: R,
    /// So many bytes have passed.
    at: u64,
    /// Where the next header begins, and where the content before it ends.
    next: u64,
    content_end: u64,
    header: Vec<u8>,
    /// So many bytes of the end are still to be made up.
    missing: u64,
}

impl<R: Read> Tail<R> {
    pub fn new(inner: R) -> Self {
        Tail { inner, at: 0, next: 0, content_end: 0, header: Vec::new(), missing: 0 }
    }

    /// Looks at what passes, for the headers in it.
    fn pass(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let count = if self.at < self.next {
                (self.next - self.at).min(bytes.len() as u64) as usize
            } else {
                let count = (BLOCK as usize - self.header.len()).min(bytes.len());
                self.header.extend_from_slice(&bytes[..count]);
                count
            };
            self.at += count as u64;
            bytes = &bytes[count..];
            if self.header.len() == BLOCK as usize {
                self.content_end = self.at.saturating_add(size(&self.header[SIZE]));
                self.next = self.content_end.checked_next_multiple_of(BLOCK).unwrap_or(u64::MAX);
                self.header.clear();
            }
        }
    }
}

impl<R: Read> Read for Tail<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if self.missing == 0 {
            let count = self.inner.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                self.pass(&buffer[..count]);
                return Ok(count);
            }
            if self.at != self.content_end || self.at == self.next {
                return Ok(0);
            }
            self.missing = self.next - self.at + 2 * BLOCK;
            self.at = self.next;
        }
        let count = self.missing.min(buffer.len() as u64) as usize;
        buffer[..count].fill(0);
        self.missing -= count as u64;
        Ok(count)
    }
}

/// Octal digits, or a number of the machine's where it has more.
fn size(field: &[u8]) -> u64 {
    if field[0] & 0x80 != 0 {
        return field[4..].iter().fold(0, |size, byte| size << 8 | u64::from(*byte));
    }
    let digits = field.iter().skip_while(|byte| **byte == b' ').take_while(|byte| (b'0'..=b'7').contains(*byte));
    digits.fold(0, |size, digit| size << 3 | u64::from(digit - b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Vec<u8> {
        let mut all = Vec::new();
        Tail::new(bytes).read_to_end(&mut all).unwrap();
        all
    }

    #[test]
    fn only_an_archive_that_ends_with_its_last_file_gets_an_end() {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, content) in [("a", "hello"), ("b", "x")] {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            builder.append_data(&mut header, name, content.as_bytes()).unwrap();
        }
        let whole = builder.into_inner().unwrap();
        assert_eq!(read(&whole), whole);
        let sent = &whole[..3 * 512 + 1];
        assert_eq!(read(sent), whole[..4 * 512 + 1024]);
        // Within a file, within the rest of a block, within a header.
        for cut in [512 + 3, 512 + 100, 2 * 512 + 100, 3 * 512] {
            assert_eq!(read(&whole[..cut]).len(), cut, "{cut}");
        }
        assert_eq!(size(b"0000000013\0 "), 11);
        assert_eq!(size(&[0x80, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]), 1 << 32);
    }
}
