//! A netlink message: a header, a fixed part, attributes that may hold attributes.
//!
//! The length of an attribute has 16 bits. A longer one is an error here and never a shorter number on the wire: that truncation let
//! a container's configuration be read as netlink attributes in another runtime (CVE-2021-43784).

use crate::kernel::error::{Errno, Error, Result};

/// The attribute holds attributes.
const NESTED: u16 = 1 << 15;
/// Bytes of `struct nlmsghdr`.
pub const HEADER: usize = 16;

/// A message under construction.
#[derive(Debug, Clone)]
pub struct Message {
    bytes: Vec<u8>,
    /// An attribute was longer than its length field can say.
    too_long: bool,
}

impl Message {
    /// A message of type `kind` (`RTM_NEWLINK`, ...) with `NLM_F_*` flags; NLM_F_REQUEST is always set.
    pub fn new(kind: u16, flags: u16) -> Self {
        let mut bytes = vec![0; HEADER];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes[6..8].copy_from_slice(&(flags | libc::NLM_F_REQUEST as u16).to_ne_bytes());
        Message { bytes, too_long: false }
    }

    /// Adds the fixed part that follows the header, as bytes of the structure.
    #[must_use]
    pub fn fixed(mut self, part: &[u8]) -> Self {
        self.bytes.extend_from_slice(part);
        self.pad();
        self
    }

    /// Adds an attribute.
    #[must_use]
    pub fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        let start = self.open(kind);
        self.bytes.extend_from_slice(value);
        self.close(start);
        self
    }

    /// Adds a text attribute, ended by NUL.
    #[must_use]
    pub fn text(self, kind: u16, value: &str) -> Self {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.attribute(kind, &bytes)
    }

    /// Adds a number in the machine's byte order, as rtnetlink has them.
    #[must_use]
    pub fn number(self, kind: u16, value: u32) -> Self {
        self.attribute(kind, &value.to_ne_bytes())
    }

    /// Adds a number in network byte order, as nftables has them.
    #[must_use]
    pub fn big_endian(self, kind: u16, value: u32) -> Self {
        self.attribute(kind, &value.to_be_bytes())
    }

    /// Adds an attribute that holds what `inner` adds.
    #[must_use]
    pub fn nested(mut self, kind: u16, inner: impl FnOnce(Self) -> Self) -> Self {
        let start = self.open(kind | NESTED);
        self = inner(self);
        self.close(start);
        self
    }

    /// The finished bytes.
    ///
    /// # Errors
    /// EMSGSIZE when an attribute is longer than 65535 bytes.
    pub fn finish(mut self, sequence: u32) -> Result<Vec<u8>> {
        if self.too_long {
            return Err(Error::new("encode", "netlink attribute", Errno::EMSGSIZE));
        }
        let length = u32::try_from(self.bytes.len()).map_err(|_| Error::new("encode", "netlink message", Errno::EMSGSIZE))?;
        self.bytes[0..4].copy_from_slice(&length.to_ne_bytes());
        self.bytes[8..12].copy_from_slice(&sequence.to_ne_bytes());
        Ok(self.bytes)
    }

    fn open(&mut self, kind: u16) -> usize {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0, 0]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        start
    }

    fn close(&mut self, start: usize) {
        match u16::try_from(self.bytes.len() - start) {
            Ok(length) => self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes()),
            Err(_) => self.too_long = true,
        }
        self.pad();
    }

    /// Parts begin at multiples of four.
    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

/// The attributes in `bytes`: kind (without the nesting bit) and value. Stops at the first that does not fit.
pub fn attributes(mut bytes: &[u8]) -> Vec<(u16, &[u8])> {
    let mut found = Vec::new();
    while let Some((length, kind)) = head(bytes) {
        let Some(value) = bytes.get(4..length) else { break };
        found.push((kind & !NESTED, value));
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    found
}

fn head(bytes: &[u8]) -> Option<(usize, u16)> {
    let length = u16::from_ne_bytes(bytes.get(0..2)?.try_into().ok()?);
    let kind = u16::from_ne_bytes(bytes.get(2..4)?.try_into().ok()?);
    Some((length as usize, kind))
}

/// The value of the first attribute of `kind`.
pub fn find<'a>(attributes: &[(u16, &'a [u8])], kind: u16) -> Option<&'a [u8]> {
    attributes.iter().find(|(found, _)| *found == kind).map(|(_, value)| *value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let bytes = Message::new(16, 0).nested(3, |inner| inner.text(1, "veth").number(2, 7)).finish(1).unwrap();
        let outer = attributes(&bytes[HEADER..]);
        let inner = attributes(find(&outer, 3).unwrap());
        assert_eq!(find(&inner, 1), Some(&b"veth\0"[..]));
        assert_eq!(find(&inner, 2), Some(&7u32.to_ne_bytes()[..]));
    }

    /// CVE-2021-43784: every length around and above 64 KiB either fits exactly or is an error.
    #[test]
    fn cve_2021_43784_a_long_attribute_is_refused_and_never_cut() {
        for length in [0, 1, 65_530, 65_531, 65_532, 65_535, 65_536, 65_537, 131_072 + 4, 200_000] {
            let value = vec![b'x'; length];
            for message in [Message::new(1, 0).attribute(1, &value), Message::new(1, 0).nested(2, |inner| inner.attribute(1, &value))] {
                match message.finish(1) {
                    Err(error) => assert!(error.errno == Errno::EMSGSIZE && length > 65_000, "{length}"),
                    Ok(bytes) => {
                        let total: usize =
                            attributes(&bytes[HEADER..]).iter().map(|(_, value)| (value.len() + 4).next_multiple_of(4)).sum();
                        assert_eq!(total, bytes.len() - HEADER, "{length}");
                    }
                }
            }
        }
        assert!(Message::new(1, 0).attribute(1, &vec![0; 65_536]).finish(1).is_err());
    }

    #[test]
    fn garbage_does_not_panic() {
        for bytes in [&[][..], &[1], &[0, 0, 0, 0, 9], &[255, 255, 1, 0, 1], &[3, 0, 1, 0], &[4, 0, 1, 0, 2, 0]] {
            let _ = attributes(bytes);
        }
    }
}
