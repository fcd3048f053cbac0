//! A connection to a Redis server, for `redis-cli` and for the programs of the course that keep their data in one.

use std::io::{self, BufReader, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use super::resp::{self, Reply};
use crate::toolbox::http::client::connect;

/// An open connection.
pub struct Client {
    reader: BufReader<TcpStream>,
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// The name is not known, or nobody answers.
    pub fn open(host: &str, port: u16) -> io::Result<Client> {
        let stream = connect(host, port, Duration::from_secs(10))?;
        stream.set_nodelay(true)?;
        Ok(Client { reader: BufReader::new(stream) })
    }

    /// Sends a command.
    ///
    /// # Errors
    /// The connection is gone.
    pub fn send<W: AsRef<[u8]>>(&mut self, words: &[W]) -> io::Result<()> {
        let mut out = Vec::new();
        Reply::texts(words.iter().map(|word| word.as_ref().to_vec())).write(2, &mut out);
        self.reader.get_mut().write_all(&out)
    }

    /// Reads the next reply.
    ///
    /// # Errors
    /// The connection is gone, or what comes is no reply.
    pub fn receive(&mut self) -> io::Result<Reply> {
        resp::reply(&mut self.reader)
    }

    /// Sends a command and reads its reply.
    ///
    /// # Errors
    /// As [`Client::send`] and [`Client::receive`].
    pub fn call<W: AsRef<[u8]>>(&mut self, words: &[W]) -> io::Result<Reply> {
        self.send(words)?;
        self.receive()
    }
}
