//! Those who watch a container and type into it.

use std::collections::VecDeque;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use crate::kernel::poll::{self, Got, Interest};
use crate::kernel::socket;
use crate::oci::runtime::hold::{Frame, LONGEST, Wants};

/// A client that has so much unread holds the container up.
const TOO_MUCH: usize = 1 << 20;

/// A client.
pub struct Client {
    socket: OwnedFd,
    inbox: Vec<u8>,
    outbox: VecDeque<u8>,
    wants: Option<Wants>,
}

impl Client {
    /// The next one that waits at the listener.
    pub fn accept(listener: BorrowedFd<'_>) -> Option<Client> {
        let socket = socket::accept(listener).ok()?;
        poll::never_block(socket.as_fd()).ok()?;
        Some(Client { socket, inbox: Vec::new(), outbox: VecDeque::new(), wants: None })
    }

    /// For poll(2).
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// What is waited for.
    pub fn interest(&self) -> Interest {
        Interest { read: true, write: !self.outbox.is_empty() }
    }

    /// Whether it has said what it wants.
    pub fn is_known(&self) -> bool {
        self.wants.is_some()
    }

    /// Whether it types.
    pub fn types(&self) -> bool {
        self.wants.is_some_and(|wants| wants.stdin)
    }

    /// Whether it has so much unread that the program must wait for it.
    pub fn is_behind(&self) -> bool {
        self.outbox.len() > TOO_MUCH
    }

    /// Whether it has got all that it was told.
    pub fn is_served(&self) -> bool {
        self.outbox.is_empty()
    }

    /// Takes in what it says; `None` when it has gone, or speaks something else.
    pub fn listen(&mut self) -> Option<Vec<Frame>> {
        match poll::read_now(self.socket.as_fd()) {
            Got::Bytes(bytes) => self.inbox.extend(bytes),
            Got::Nothing => {}
            Got::End => return None,
        }
        let mut frames = Vec::new();
        while let Some(frame) = Frame::take(&mut self.inbox).ok()? {
            if let Frame::Hello(wants) = frame {
                self.wants = Some(wants);
                self.tell(&Frame::Hello(wants));
            } else {
                frames.push(frame);
            }
        }
        Some(frames)
    }

    /// Tells it something. It is sent when the socket takes it.
    pub fn tell(&mut self, frame: &Frame) {
        self.outbox.extend(frame.encode());
    }

    /// Tells it what the program wrote, if it wants that.
    pub fn tell_output(&mut self, stream: &str, bytes: &[u8]) {
        let Some(wants) = self.wants else { return };
        for piece in bytes.chunks(LONGEST) {
            match stream {
                "stderr" if wants.stderr => self.tell(&Frame::Stderr(piece.to_vec())),
                "stdout" if wants.stdout => self.tell(&Frame::Stdout(piece.to_vec())),
                _ => {}
            }
        }
    }

    /// Tells it that the log has grown, if it wants that and has not been told yet.
    pub fn tell_logged(&mut self) {
        if self.wants.is_some_and(|wants| wants.log) && self.outbox.is_empty() {
            self.tell(&Frame::Logged);
        }
    }

    /// Sends what the socket takes now; false when it has gone.
    pub fn send(&mut self) -> bool {
        while !self.outbox.is_empty() {
            let (first, _) = self.outbox.as_slices();
            match poll::write_now(self.socket.as_fd(), first) {
                Ok(0) => return true,
                Ok(count) => drop(self.outbox.drain(..count)),
                Err(_) => return false,
            }
        }
        true
    }
}
