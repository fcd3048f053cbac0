//! Sparse files in pax archives: only the pieces that hold something are in the archive, and a map says where they belong.
//!
//! GNU tar's manual, "Storing Sparse Files". Versions 0.0 and 0.1 have the map in pax records, 1.0 has it as decimal lines before the content.

use std::io::{self, Read};

use super::archive::Holes;
use super::error::{Error, Result};

/// The most pieces of one file.
const MOST_PIECES: usize = 1 << 20;
/// The unit of tar: the map of version 1.0 is padded to it.
const BLOCK: usize = 512;

/// The content of a sparse file, with zeros where its holes are.
pub struct Sparse<R> {
    inner: R,
    /// What is left of the pieces, the next one last: offset and length.
    pieces: Vec<(u64, u64)>,
    position: u64,
    size: u64,
}

impl<R: Read> Sparse<R> {
    /// Reads a file of `size` bytes whose pieces come from `inner`.
    ///
    /// # Errors
    /// The map is broken: pieces overlap, go backwards, or lie beyond the end.
    pub(super) fn new(mut inner: R, holes: Holes, size: u64) -> Result<Self> {
        let mut pieces = match holes {
            Holes::Listed(pieces) => pieces,
            Holes::InContent => read_map(&mut inner)?,
        };
        let mut end = 0_u64;
        for (offset, length) in &pieces {
            let next = offset.checked_add(*length).filter(|next| *offset >= end && *next <= size);
            end = next.ok_or_else(|| Error::invalid("sparse file", "its pieces overlap or lie beyond its end"))?;
        }
        pieces.reverse();
        Ok(Sparse { inner, pieces, position: 0, size })
    }
}

impl<R: Read> Read for Sparse<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.pieces.last().is_some_and(|(offset, length)| *offset <= self.position && *length == 0) {
            self.pieces.pop();
        }
        let at_most = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX).min(buffer.len());
        let count = match self.pieces.last_mut() {
            Some((offset, length)) if *offset == self.position => {
                let most = at_most(*length);
                let count = self.inner.read(&mut buffer[..most])?;
                if count == 0 && most > 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                (*offset, *length) = (*offset + count as u64, *length - count as u64);
                count
            }
            next => {
                let end = next.map_or(self.size, |(offset, _)| *offset);
                let count = at_most(end - self.position);
                buffer[..count].fill(0);
                count
            }
        };
        self.position += count as u64;
        Ok(count)
    }
}

/// The map of version 1.0: a count, then offset and length of each piece, one number per line, padded to a block.
fn read_map(inner: &mut impl Read) -> Result<Vec<(u64, u64)>> {
    let mut text = Lines { inner, block: [0; BLOCK], at: BLOCK };
    let count = text.number()?;
    if count > MOST_PIECES as u64 {
        return Err(Error::TooLarge { what: "the map of a sparse file".to_owned(), limit: format!("{MOST_PIECES} pieces") });
    }
    (0..count).map(|_| Ok((text.number()?, text.number()?))).collect()
}

struct Lines<'a, R> {
    inner: &'a mut R,
    block: [u8; BLOCK],
    at: usize,
}

impl<R: Read> Lines<'_, R> {
    fn number(&mut self) -> Result<u64> {
        let wrong = || Error::invalid("sparse file", "its map is no list of numbers");
        let mut number = 0_u64;
        let mut digits = 0;
        loop {
            if self.at == BLOCK {
                self.inner.read_exact(&mut self.block).map_err(Error::reading("read the map of a sparse file"))?;
                self.at = 0;
            }
            let byte = self.block[self.at];
            self.at += 1;
            match byte {
                b'\n' if digits > 0 => return Ok(number),
                b'0'..=b'9' => {
                    digits += 1;
                    number = number.checked_mul(10).and_then(|ten| ten.checked_add(u64::from(byte - b'0'))).ok_or_else(wrong)?;
                }
                _ => return Err(wrong()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(holes: Holes, size: u64, bytes: &[u8]) -> Result<Vec<u8>> {
        let mut content = Vec::new();
        Sparse::new(bytes, holes, size)?.read_to_end(&mut content).map_err(Error::reading("test"))?;
        Ok(content)
    }

    #[test]
    fn holes_are_zeros_again() {
        let listed = Holes::Listed(vec![(2, 2), (6, 1), (9, 0)]);
        assert_eq!(content(listed, 9, b"abc").unwrap(), b"\0\0ab\0\0c\0\0");
        let mut with_map = b"2\n2\n2\n6\n1\n".to_vec();
        with_map.resize(512, 0);
        with_map.extend_from_slice(b"abc");
        assert_eq!(content(Holes::InContent, 9, &with_map).unwrap(), b"\0\0ab\0\0c\0\0");
    }

    #[test]
    fn maps_that_lie_are_refused() {
        for pieces in [vec![(0, 10)], vec![(4, 2), (3, 1)], vec![(u64::MAX, 2)]] {
            assert!(content(Holes::Listed(pieces), 9, b"abcdefghij").is_err());
        }
        assert!(content(Holes::Listed(vec![(0, 5)]), 9, b"ab").is_err(), "content is missing");
        let mut endless = b"99999999999\n".to_vec();
        endless.resize(512, b'1');
        assert!(content(Holes::InContent, 9, &endless).is_err());
    }
}
