//! How other processes of a bottle get their events into the journal: one message out, the number back.

use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

use serde_json::Value;

use super::Event;
use crate::kernel::error::Errno;
use crate::kernel::{Error, Result, socket};

/// A connection to the recorder in the keeper, over a SOCK_SEQPACKET socket.
#[derive(Debug)]
pub struct Client {
    socket: OwnedFd,
}

impl Client {
    /// Connects to the socket of the keeper: `<bottle>/journal.sock` outside, `/run/bottleship/journal.sock` in a host.
    ///
    /// # Errors
    /// Nobody listens there.
    pub fn connect(path: &Path) -> Result<Self> {
        socket::connect(path).map(|socket| Client { socket })
    }

    /// Records an event and returns its number.
    ///
    /// # Errors
    /// The keeper is gone, or could not write.
    pub fn emit(&self, event: &Event) -> Result<u64> {
        self.send(serde_json::to_vec(event))
    }

    /// Records several events at once, in their order, and returns the number of the last.
    ///
    /// # Errors
    /// As [`Client::emit`]; those before the one that was refused are recorded.
    pub fn emit_all(&self, events: &[Event]) -> Result<u64> {
        self.send(serde_json::to_vec(events))
    }

    fn send(&self, message: serde_json::Result<Vec<u8>>) -> Result<u64> {
        let message = message.map_err(|error| refused(&error.to_string()))?;
        socket::send(self.socket.as_fd(), &message, &[])?;
        let Some((answer, _)) = socket::receive(self.socket.as_fd())? else {
            return Err(Error::new("journal", "the recorder has ended", Errno::EPIPE));
        };
        let answer: Value = serde_json::from_slice(&answer).map_err(|error| refused(&error.to_string()))?;
        answer["seq"].as_u64().ok_or_else(|| refused(answer["error"].as_str().unwrap_or("an answer without a number")))
    }
}

fn refused(why: &str) -> Error {
    Error::new("journal", why, Errno::EIO)
}

#[cfg(test)]
mod tests {
    use super::super::{Recorder, reader};
    use super::*;

    #[test]
    fn an_event_goes_over_the_socket_and_its_number_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        // Longer than sun_path: state folders may lie deep.
        let deep = folder.path().join("x".repeat(120));
        std::fs::create_dir(&deep).unwrap();
        let (path, journal) = (deep.join("journal.sock"), deep.join("journal.jsonl"));
        let listener = socket::listen(&path).unwrap();
        let mut recorder = Recorder::open(&journal).unwrap();
        let server = std::thread::spawn(move || {
            let client = socket::accept(listener.as_fd()).unwrap();
            while let Some((message, _)) = socket::receive(client.as_fd()).unwrap() {
                socket::send(client.as_fd(), &recorder.answer(&message), &[]).unwrap();
            }
        });
        let client = Client::connect(&path).unwrap();
        assert_eq!(client.emit(&Event::new("you", "line", "id")).unwrap(), 1);
        assert_eq!(client.emit(&Event::new("you", "line.end", "id")).unwrap(), 2);
        let many: Vec<Event> = (0..3).map(|number| Event::new("runtime", "xray", format!("call {number}"))).collect();
        assert_eq!(client.emit_all(&many).unwrap(), 5);
        drop(client);
        server.join().unwrap();
        let subjects: Vec<String> = reader::read(&journal).unwrap().into_iter().map(|event| event.subject).collect();
        assert_eq!(subjects, ["id", "id", "call 0", "call 1", "call 2"]);
        assert_eq!(Client::connect(&folder.path().join("none")).unwrap_err().errno, Errno::ENOENT);
    }
}
