//! What an engine and the process that stays with a container (`--shim --hold`) say to each other over a stream socket.
//!
//! ```text
//!  engine                         shim
//!    │── Hello: what I want ───────>│
//!    │<── Hello ────────────────────│  from here on nothing that was wanted is missed
//!    │── Input, InputEnd, Size ────>│  to the program's stdin or terminal
//!    │<── Stdout, Stderr ───────────│  as the program writes it
//!    │<── Logged ───────────────────│  the log has grown
//!    │<── Ended ────────────────────│  all output has been told before; then the shim closes
//! ```
//! A frame is a letter, the length of what follows in four bytes (the lowest first), and that. Several clients may be connected; whoever reads too slowly
//! holds the program up, as a pipe would.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The longest content of a frame: whoever sends more is not one of us.
pub const LONGEST: usize = 1 << 16;
/// The bytes before the content.
const HEAD: usize = 5;

/// How a shim keeps a process, in the file that `--hold` names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hold {
    /// Where clients connect.
    pub socket: PathBuf,
    /// Where the output is logged; nowhere without one.
    pub log: Option<PathBuf>,
    /// The log is begun anew when it would become larger than this; 0: never.
    pub log_size: u64,
    /// How many logs are kept then, the current one included.
    pub log_files: u32,
    /// Added to every record of the log.
    pub log_attributes: serde_json::Map<String, serde_json::Value>,
    /// The program has an open stdin; otherwise it reads nothing.
    pub stdin: bool,
    /// The program's stdin ends when the first client that writes to it has gone.
    pub stdin_once: bool,
    /// So many clients are waited for, ten seconds at most, before anything is read from the program: nobody is to miss what a short one says.
    pub clients: usize,
    /// Where the end is written; for a container it is the runtime's own place.
    pub exit: Option<PathBuf>,
}

/// What a client wants to hear or say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wants {
    /// To write to the program.
    pub stdin: bool,
    /// Its standard output, or its terminal.
    pub stdout: bool,
    /// Its standard error.
    pub stderr: bool,
    /// That the log has grown.
    pub log: bool,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// The first of both sides.
    Hello(Wants),
    /// For the program.
    Input(Vec<u8>),
    /// No more input comes.
    InputEnd,
    /// The terminal's size: columns, rows.
    Size(u16, u16),
    /// From the program.
    Stdout(Vec<u8>),
    /// From the program.
    Stderr(Vec<u8>),
    /// There is more in the log.
    Logged,
    /// It has ended with this code.
    Ended(i32),
}

impl Frame {
    /// As bytes. Content longer than [`LONGEST`] must be cut before.
    pub fn encode(&self) -> Vec<u8> {
        let (letter, content) = match self {
            Frame::Hello(wants) => {
                let bits = [wants.stdin, wants.stdout, wants.stderr, wants.log];
                (b'h', vec![bits.iter().enumerate().fold(0, |all, (at, on)| all | u8::from(*on) << at)])
            }
            Frame::Input(bytes) => (b'i', bytes.clone()),
            Frame::InputEnd => (b'e', Vec::new()),
            Frame::Size(columns, rows) => (b's', [columns.to_le_bytes(), rows.to_le_bytes()].concat()),
            Frame::Stdout(bytes) => (b'o', bytes.clone()),
            Frame::Stderr(bytes) => (b'r', bytes.clone()),
            Frame::Logged => (b'l', Vec::new()),
            Frame::Ended(code) => (b'x', code.to_le_bytes().to_vec()),
        };
        let mut bytes = vec![letter];
        bytes.extend((content.len() as u32).to_le_bytes());
        bytes.extend(content);
        bytes
    }

    /// Takes the first frame off `buffer`; `None` while it is not whole.
    ///
    /// # Errors
    /// The bytes are no frame.
    pub fn take(buffer: &mut Vec<u8>) -> Result<Option<Frame>, NoFrame> {
        let Some(head) = buffer.first_chunk::<HEAD>() else { return Ok(None) };
        let (letter, length) = (head[0], u32::from_le_bytes([head[1], head[2], head[3], head[4]]) as usize);
        if length > LONGEST {
            return Err(NoFrame);
        }
        if buffer.len() < HEAD + length {
            return Ok(None);
        }
        let content: Vec<u8> = buffer.drain(..HEAD + length).skip(HEAD).collect();
        Frame::decode(letter, content).map(Some)
    }

    fn decode(letter: u8, content: Vec<u8>) -> Result<Frame, NoFrame> {
        Ok(match (letter, content.as_slice()) {
            (b'h', [bits]) => {
                let on = |at: u8| bits >> at & 1 == 1;
                Frame::Hello(Wants { stdin: on(0), stdout: on(1), stderr: on(2), log: on(3) })
            }
            (b'i', _) => Frame::Input(content),
            (b'e', []) => Frame::InputEnd,
            (b's', [a, b, c, d]) => Frame::Size(u16::from_le_bytes([*a, *b]), u16::from_le_bytes([*c, *d])),
            (b'o', _) => Frame::Stdout(content),
            (b'r', _) => Frame::Stderr(content),
            (b'l', []) => Frame::Logged,
            (b'x', [a, b, c, d]) => Frame::Ended(i32::from_le_bytes([*a, *b, *c, *d])),
            _ => return Err(NoFrame),
        })
    }
}

/// The other side speaks something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoFrame;

impl std::fmt::Display for NoFrame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("what came over the socket is no frame of a shim's protocol")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_back_however_they_are_cut() {
        let all = [
            Frame::Hello(Wants { stdin: true, stdout: false, stderr: true, log: true }),
            Frame::Input(b"ls\n".to_vec()),
            Frame::InputEnd,
            Frame::Size(80, 24),
            Frame::Stdout(vec![0; LONGEST]),
            Frame::Stderr(Vec::new()),
            Frame::Logged,
            Frame::Ended(-1),
        ];
        let (mut buffer, mut back) = (Vec::new(), Vec::new());
        for piece in all.iter().flat_map(Frame::encode).collect::<Vec<u8>>().chunks(1000) {
            buffer.extend(piece);
            while let Some(frame) = Frame::take(&mut buffer).unwrap() {
                back.push(frame);
            }
        }
        assert_eq!(back, all);
        assert!(buffer.is_empty());
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        for bytes in [&b"z\0\0\0\0"[..], b"s\x01\0\0\0x", b"i\xff\xff\xff\xff", b"h\0\0\0\0"] {
            assert_eq!(Frame::take(&mut bytes.to_vec()), Err(NoFrame), "{bytes:?}");
        }
        assert_eq!(Frame::take(&mut b"i\x05\0\0\0abc".to_vec()), Ok(None));
    }
}
