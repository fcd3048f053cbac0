//! The streams of a container or of a program in it: what it writes, what is typed, the keys that let go of it, the signals that are handed on.

use std::io::{Read as _, Write as _};
use std::os::fd::AsFd as _;

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::kernel::pty;
use crate::tools::docker::api::{Api, Ask};
use crate::tools::docker::failure::{Failure, Result};

/// The keys that let go, unless somebody names others: Ctrl-P Ctrl-Q.
const LET_GO: &str = "ctrl-p,ctrl-q";
/// Signals that are handed on to the container, by number and name. Not those that a terminal or a child of ours causes.
const PROXIED: &[(i32, &str)] = &[(1, "HUP"), (2, "INT"), (3, "QUIT"), (10, "USR1"), (12, "USR2"), (15, "TERM"), (18, "CONT")];

/// How the streams are connected.
pub struct Streams {
    /// Both directions are a terminal's.
    pub tty: bool,
    /// What is typed goes in.
    pub stdin: bool,
    /// The keys that let go; only of a terminal.
    pub keys: Vec<u8>,
    /// Where its terminal is resized: `/containers/ID/resize`, if it has one.
    pub resize: Option<String>,
    /// It ran before: a terminal that changes its size makes the program draw its prompt again.
    pub redraw: bool,
    /// Where signals go: `/containers/ID/kill`, if they are handed on.
    pub kill: Option<String>,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The other side has closed.
    Closed,
    /// The person has let go.
    LetGo,
}

/// Reads keys as people write them: `ctrl-p,ctrl-q`, `a`.
///
/// # Errors
/// A key is none.
pub fn keys(text: Option<&str>) -> Result<Vec<u8>> {
    let text = text.filter(|text| !text.is_empty()).unwrap_or(LET_GO);
    let one = |key: &str| match (key.as_bytes(), key.strip_prefix("ctrl-").map(str::as_bytes)) {
        ([letter], _) => Some(*letter),
        (_, Some([letter @ (b'a'..=b'z' | b'@' | b'[' | b'\\' | b']' | b'^' | b'_')])) => Some(letter.to_ascii_uppercase() & 0x1f),
        _ => None,
    };
    let wrong = || Failure::new(format!("invalid detach keys ({text}): a letter, or ctrl- and one of a-z @ [ \\ ] ^ _"));
    text.split(',').map(one).collect::<Option<Vec<u8>>>().ok_or_else(wrong)
}

/// Carries everything until one side has had enough. `begin` is done once the streams are connected.
///
/// # Errors
/// `begin` fails, or the connection breaks.
pub async fn carry(api: &Api, connection: Upgraded, streams: &Streams, begin: impl Future<Output = Result>) -> Result<Ended> {
    let raw = (streams.tty && streams.stdin).then(|| pty::raw(std::io::stdin())).transpose();
    let _raw = raw.map_err(|error| Failure::new(error.to_string()))?;
    let (reader, writer) = tokio::io::split(TokioIo::new(connection));
    begin.await?;
    let typing = async { if streams.stdin { type_in(writer, streams).await } else { std::future::pending().await } };
    let attending = async {
        tokio::join!(resizes(api, streams), signals(api, streams));
        std::future::pending::<Ended>().await
    };
    tokio::select! {
        done = show(reader, streams.tty) => done.map(|()| Ended::Closed),
        ended = typing => Ok(ended),
        ended = attending => Ok(ended),
    }
}

/// Shows what comes: of a terminal as it is, else each piece on the stream that it was written to.
async fn show(mut reader: impl tokio::io::AsyncRead + Unpin, tty: bool) -> Result {
    let mut frames = Frames::default();
    let mut buffer = vec![0; 32 << 10];
    loop {
        // A connection that breaks has ended.
        let count = reader.read(&mut buffer).await.unwrap_or(0);
        if count == 0 {
            return Ok(());
        }
        if tty { put(1, &buffer[..count]) } else { frames.take(&buffer[..count], &mut put) }
    }
}

/// Writes to standard output or error. Whoever reads may have had enough.
pub fn put(stream: u8, bytes: &[u8]) {
    if stream == 2 {
        drop(std::io::stderr().write_all(bytes));
    } else {
        let mut out = std::io::stdout().lock();
        drop(out.write_all(bytes).and_then(|()| out.flush()));
    }
}

/// Two streams in one: each piece has a head of eight bytes, the stream's number first and the length last.
#[derive(Default)]
pub struct Frames {
    head: Vec<u8>,
    left: usize,
}

impl Frames {
    /// Takes bytes and hands on what they carry.
    pub fn take(&mut self, mut bytes: &[u8], put: &mut dyn FnMut(u8, &[u8])) {
        while !bytes.is_empty() {
            if self.left == 0 {
                let missing = (8 - self.head.len()).min(bytes.len());
                self.head.extend_from_slice(&bytes[..missing]);
                bytes = &bytes[missing..];
                if self.head.len() < 8 {
                    return;
                }
                let length: [u8; 4] = self.head[4..8].try_into().unwrap_or_default();
                self.left = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
                if self.left == 0 {
                    self.head.clear();
                }
                continue;
            }
            let count = self.left.min(bytes.len());
            put(self.head[0], &bytes[..count]);
            self.left -= count;
            bytes = &bytes[count..];
            if self.left == 0 {
                self.head.clear();
            }
        }
    }
}

/// Hands on what is typed, until the end of it, or until the keys that let go.
async fn type_in(mut writer: impl tokio::io::AsyncWrite + Unpin, streams: &Streams) -> Ended {
    let mut typed = stdin();
    let mut watch = Watch { keys: if streams.tty { &streams.keys } else { &[] }, seen: 0 };
    while let Some(bytes) = typed.recv().await {
        let (through, let_go) = watch.look(&bytes);
        // Nobody takes it any more: what comes out still counts.
        if writer.write_all(&through).await.is_err() || writer.flush().await.is_err() {
            break;
        }
        if let_go {
            return Ended::LetGo;
        }
    }
    // The other side sees the end of its input; its output goes on.
    drop(writer.shutdown().await);
    std::future::pending().await
}

/// Standard input, read by a thread: reading blocks.
fn stdin() -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel(8);
    std::thread::spawn(move || {
        let mut buffer = [0; 8 << 10];
        while let Ok(count) = std::io::stdin().read(&mut buffer) {
            if count == 0 || sender.blocking_send(buffer[..count].to_vec()).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Looks for the keys that let go.
struct Watch<'a> {
    keys: &'a [u8],
    seen: usize,
}

impl Watch<'_> {
    /// What is to be handed on, and whether the keys are complete. Keys that begin them wait until it is clear.
    fn look(&mut self, bytes: &[u8]) -> (Vec<u8>, bool) {
        let mut through = Vec::with_capacity(bytes.len());
        for byte in bytes {
            if !self.keys.is_empty() && *byte == self.keys[self.seen] {
                self.seen += 1;
                if self.seen == self.keys.len() {
                    return (through, true);
                }
                continue;
            }
            through.extend_from_slice(&self.keys[..self.seen]);
            self.seen = usize::from(!self.keys.is_empty() && *byte == self.keys[0]);
            if self.seen == 0 {
                through.push(*byte);
            }
        }
        (through, false)
    }
}

/// Keeps the terminal there as large as the one here.
async fn resizes(api: &Api, streams: &Streams) {
    let (Some(path), Ok(mut changed)) = (&streams.resize, signal(SignalKind::window_change())) else { return };
    let resize = async |more: u16| {
        if let Some(size) = pty::size(std::io::stdout().as_fd()) {
            let (rows, columns) = (size.rows.saturating_add(more), size.columns.saturating_add(more));
            // It may not run any more.
            drop(api.meanwhile(Ask::post(path).with("h", rows.to_string()).with("w", columns.to_string())).await);
        }
    };
    if streams.redraw {
        resize(1).await;
    }
    loop {
        resize(0).await;
        changed.recv().await;
    }
}

/// Hands signals on instead of dying of them.
async fn signals(api: &Api, streams: &Streams) {
    let Some(path) = &streams.kill else { return };
    let (sender, mut caught) = mpsc::channel(16);
    for (number, name) in PROXIED {
        let Ok(mut one) = signal(SignalKind::from_raw(*number)) else { continue };
        let sender = sender.clone();
        tokio::spawn(async move { while one.recv().await.is_some() && sender.send(*name).await.is_ok() {} });
    }
    while let Some(name) = caught.recv().await {
        // A container that has ended needs no signal.
        drop(api.meanwhile(Ask::post(path).with("signal", name)).await);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_go_to_their_stream_however_they_are_cut() {
        let whole = [
            &[1, 0, 0, 0, 0, 0, 0, 3][..],
            b"out",
            &[2, 0, 0, 0, 0, 0, 0, 2],
            b"er",
            &[1, 0, 0, 0, 0, 0, 0, 0],
            &[1, 0, 0, 0, 0, 0, 0, 1],
            b"!",
        ]
        .concat();
        for size in 1..whole.len() {
            let (mut frames, mut out, mut error) = (Frames::default(), Vec::new(), Vec::new());
            for piece in whole.chunks(size) {
                frames.take(piece, &mut |stream, bytes| {
                    if stream == 2 { error.extend_from_slice(bytes) } else { out.extend_from_slice(bytes) }
                });
            }
            assert_eq!((out.as_slice(), error.as_slice()), (&b"out!"[..], &b"er"[..]), "pieces of {size}");
        }
    }

    #[test]
    fn keys_that_let_go_are_found_and_others_pass() {
        let keys = keys(None).unwrap();
        assert_eq!(keys, [16, 17]);
        let mut watch = Watch { keys: &keys, seen: 0 };
        assert_eq!(watch.look(b"ab\x10"), (b"ab".to_vec(), false));
        assert_eq!(watch.look(b"c"), (b"\x10c".to_vec(), false));
        assert_eq!(watch.look(b"\x10\x10\x11z"), (b"\x10".to_vec(), true));
        let mut nothing = Watch { keys: &[], seen: 0 };
        assert_eq!(nothing.look(b"\x10\x11"), (b"\x10\x11".to_vec(), false));
        assert_eq!(super::keys(Some("ctrl-a,b,ctrl-]")).unwrap(), [1, b'b', 0x1d]);
        assert!(super::keys(Some("ctrl-1")).is_err() && super::keys(Some("strg-a")).is_err());
    }
}
