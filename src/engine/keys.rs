//! Detach keys: a sequence like `ctrl-p,ctrl-q` that leaves a container without ending it.

use super::error::Fault;

/// What detaches unless somebody says otherwise.
const USUAL: [u8; 2] = [0x10, 0x11];

/// Looks for the sequence in what is typed, and passes on the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    sequence: Vec<u8>,
    seen: usize,
}

impl Keys {
    /// Reads `ctrl-x,y`. `None`: nothing detaches, as where there is no terminal.
    ///
    /// # Errors
    /// A key is none.
    pub fn read(text: Option<&str>) -> Result<Self, Fault> {
        let sequence = match text {
            None => Vec::new(),
            Some("") => USUAL.to_vec(),
            Some(text) => text
                .split(',')
                .map(key)
                .collect::<Option<_>>()
                .ok_or_else(|| Fault::bad(format!("Invalid detach keys ({text}) provided")))?,
        };
        Ok(Keys { sequence, seen: 0 })
    }

    /// What of `bytes` goes on to the program, and whether the sequence is complete.
    pub fn pass(&mut self, bytes: &[u8]) -> (Vec<u8>, bool) {
        if self.sequence.is_empty() {
            return (bytes.to_vec(), false);
        }
        let mut passed = Vec::with_capacity(bytes.len());
        for byte in bytes {
            if *byte == self.sequence[self.seen] {
                self.seen += 1;
                if self.seen == self.sequence.len() {
                    return (passed, true);
                }
                continue;
            }
            passed.extend(self.rest());
            if *byte == self.sequence[0] && self.sequence.len() > 1 {
                self.seen = 1;
            } else {
                passed.push(*byte);
            }
        }
        (passed, false)
    }

    /// What was held back and is no sequence after all.
    pub fn rest(&mut self) -> Vec<u8> {
        let held = self.sequence[..self.seen].to_vec();
        self.seen = 0;
        held
    }
}

fn key(text: &str) -> Option<u8> {
    if let [byte] = text.as_bytes() {
        return byte.is_ascii().then_some(*byte);
    }
    match text.strip_prefix("ctrl-")?.as_bytes() {
        [letter @ b'a'..=b'z'] => Some(letter - b'a' + 1),
        [b'@'] => Some(0),
        [b'['] => Some(27),
        [b'\\'] => Some(28),
        [b']'] => Some(29),
        [b'^'] => Some(30),
        [b'_'] => Some(31),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_detach_however_they_are_cut() {
        let mut keys = Keys::read(Some("")).unwrap();
        assert_eq!(keys.pass(b"ls\x10"), (b"ls".to_vec(), false));
        assert_eq!(keys.pass(b"\x11rest"), (Vec::new(), true));
        let mut keys = Keys::read(Some("ctrl-x,y")).unwrap();
        assert_eq!(keys.pass(b"a\x18b"), (b"a\x18b".to_vec(), false));
        assert_eq!(keys.pass(b"\x18\x18y"), (b"\x18".to_vec(), true));
        assert_eq!(Keys::read(None).unwrap().pass(b"\x10\x11"), (b"\x10\x11".to_vec(), false));
        let mut keys = Keys::read(Some("")).unwrap();
        assert_eq!((keys.pass(b"\x10"), keys.rest()), ((Vec::new(), false), b"\x10".to_vec()));
    }

    #[test]
    fn keys_that_are_none_are_refused() {
        assert_eq!(Keys::read(Some("ctrl-")).unwrap_err().message, "Invalid detach keys (ctrl-) provided");
        assert!(Keys::read(Some("abc")).is_err() && Keys::read(Some("ctrl-é")).is_err());
    }
}
