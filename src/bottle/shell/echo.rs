//! Takes the echo of a line that we typed out of what comes back.
//!
//! The terminal of the shell is in its usual mode, with echo on, because programs expect it so. What comes back after a typed line
//! is therefore the line itself, then the shell's answer; and output of background jobs may fall in between. The person has already
//! seen the line, in the editor. So exactly the expected echo is removed, and everything else is shown.

/// More than this held back means that something else than a shell is talking: then it is shown as it comes.
const MOST_HELD: usize = 64 * 1024;

/// The echo that is still to come.
#[derive(Debug, Default)]
pub struct Echo {
    expected: Vec<u8>,
    held: Vec<u8>,
}

impl Echo {
    /// After `line` and Enter were typed.
    pub fn of(line: &str) -> Self {
        let mut expected = Vec::with_capacity(line.len() + 2);
        for byte in line.bytes() {
            match byte {
                b'\t' | 0x20..=0x7e | 0x80..=0xff => expected.push(byte),
                // ECHOCTL: a control character is echoed as ^ and a letter.
                _ => expected.extend([b'^', byte ^ 0x40]),
            }
        }
        expected.extend(b"\r\n");
        Echo { expected, held: Vec::new() }
    }

    /// After `bytes` were typed into a terminal that echoes without translation.
    pub fn exactly(bytes: &[u8]) -> Self {
        Echo { expected: bytes.to_vec(), held: Vec::new() }
    }

    /// Whether echo may still come.
    pub fn pending(&self) -> bool {
        !self.expected.is_empty()
    }

    /// What of `bytes` is to be shown now.
    pub fn strip(&mut self, bytes: &[u8]) -> Vec<u8> {
        if !self.pending() {
            return bytes.to_vec();
        }
        self.held.extend_from_slice(bytes);
        if let Some(at) = find(&self.held, &self.expected) {
            let mut shown = std::mem::take(&mut self.held);
            shown.drain(at..at + self.expected.len());
            self.expected.clear();
            return shown;
        }
        if self.held.len() > MOST_HELD { self.finish() } else { Vec::new() }
    }

    /// What was held back, once a mark has come: no more echo is to be expected. Without echo (`stty -echo`) all of it is shown; with other
    /// output in the middle of the echo, the echo's bytes are taken out one by one.
    pub fn finish(&mut self) -> Vec<u8> {
        let held = std::mem::take(&mut self.held);
        let expected = std::mem::take(&mut self.expected);
        let mut wanted = expected.iter().peekable();
        let rest: Vec<u8> = held.iter().copied().filter(|byte| wanted.next_if(|next| *next == byte).is_none()).collect();
        if wanted.peek().is_none() { rest } else { held }
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_echo_goes_and_the_rest_stays() {
        let mut echo = Echo::of("echo é\tx");
        assert_eq!(echo.strip(b"echo "), b"");
        assert_eq!(echo.strip("é\tx\r\nanswer".as_bytes()), b"answer");
        assert_eq!(echo.strip(b"more"), b"more");
    }

    #[test]
    fn background_output_before_the_echo_is_shown() {
        let mut echo = Echo::of("ls");
        assert_eq!(echo.strip(b"[1]+  Done\r\nls\r\n"), b"[1]+  Done\r\n");
    }

    #[test]
    fn background_output_inside_the_echo_is_shown() {
        let mut echo = Echo::of("ls -l");
        assert_eq!(echo.strip(b"ls DING-l\r\n"), b"");
        assert_eq!(echo.finish(), b"DING");
    }

    #[test]
    fn without_echo_everything_is_output() {
        let mut echo = Echo::of("ls -l");
        assert_eq!(echo.strip(b"l\r\nabc\r\n"), b"");
        assert_eq!(echo.finish(), b"l\r\nabc\r\n");
        assert!(!echo.pending());
    }

    #[test]
    fn a_flood_is_not_held_back_for_ever() {
        let mut echo = Echo::of("never echoed");
        let flood = vec![b'y'; MOST_HELD + 1];
        assert_eq!(echo.strip(&flood).len(), flood.len());
        assert!(!echo.pending());
    }
}
