//! The engine's side of a shim's socket: watching a container and typing into it.

use std::path::Path;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::oneshot;

use super::Container;
use crate::engine::Engine;
use crate::engine::error::Fault;
use crate::oci::runtime::hold::{Frame, Wants};

/// A connection to a shim.
pub struct Connection {
    from: Receiver,
    /// For input and sizes.
    pub to: Sender,
}

/// The end of a connection that is written to.
pub struct Sender(OwnedWriteHalf);

/// Somebody who has attached to a container that does not run yet.
pub struct Pending {
    wants: Wants,
    reply: oneshot::Sender<Connection>,
}

impl Connection {
    /// Connects, and waits until the shim knows what we want: nothing of that is missed from then on.
    ///
    /// # Errors
    /// Nobody listens there: the process has ended.
    pub async fn open(socket: &Path, wants: Wants) -> Result<Self, Fault> {
        let gone =
            |error: std::io::Error| Fault::conflict(format!("the process's shim does not answer on `{}`: {error}", socket.display()));
        let stream = connect(socket).await.map_err(gone)?;
        let (from, to) = stream.into_split();
        let mut connection = Connection { from: Receiver { from, buffer: Vec::new() }, to: Sender(to) };
        connection.to.send(&Frame::Hello(wants)).await.map_err(gone)?;
        match connection.next().await {
            Ok(Some(Frame::Hello(_))) => Ok(connection),
            _ => Err(Fault::conflict("the process has ended")),
        }
    }

    /// The next message; `None` when the shim has gone.
    ///
    /// # Errors
    /// It speaks something else.
    pub async fn next(&mut self) -> std::io::Result<Option<Frame>> {
        self.from.next().await
    }

    /// Both ends, to be used at the same time.
    pub fn split(self) -> (Receiver, Sender) {
        (self.from, self.to)
    }
}

/// The end of a connection that is read from.
pub struct Receiver {
    from: OwnedReadHalf,
    buffer: Vec<u8>,
}

impl Receiver {
    /// As [`Connection::next`]. Dropping it in the middle loses nothing.
    ///
    /// # Errors
    /// As [`Connection::next`].
    pub async fn next(&mut self) -> std::io::Result<Option<Frame>> {
        loop {
            if let Some(frame) = Frame::take(&mut self.buffer).map_err(|error| std::io::Error::other(error.to_string()))? {
                return Ok(Some(frame));
            }
            if self.from.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        }
    }
}

impl Sender {
    /// Sends a message.
    ///
    /// # Errors
    /// The shim has gone.
    pub async fn send(&mut self, frame: &Frame) -> std::io::Result<()> {
        self.0.write_all(&frame.encode()).await
    }
}

/// The path of a socket may be longer than the 108 bytes of its address: then it is reached through its folder's descriptor.
async fn connect(socket: &Path) -> std::io::Result<UnixStream> {
    use std::os::fd::AsRawFd as _;
    if socket.as_os_str().len() < 100 {
        return UnixStream::connect(socket).await;
    }
    let folder = std::fs::File::open(socket.parent().unwrap_or(Path::new("/")))?;
    let name = socket.file_name().unwrap_or_default();
    UnixStream::connect(Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name)).await
}

impl Engine {
    /// Attaches to a container: at once if it runs, else to its next start. What comes is a connection, or an error when there will be no start.
    pub fn attach(self: &Arc<Self>, container: &Arc<Container>, wants: Wants) -> oneshot::Receiver<Connection> {
        let (reply, answer) = oneshot::channel();
        let pending = Pending { wants, reply };
        // Looked at and put down at once: a start that succeeds looks for those who wait once more after it says that the container runs.
        let mut live = container.live();
        if container.state().is_running() {
            let (engine, container) = (Arc::clone(self), Arc::clone(container));
            tokio::spawn(async move { engine.connect(&container, pending).await });
        } else {
            live.pending.push(pending);
        }
        answer
    }

    async fn connect(&self, container: &Container, pending: Pending) {
        let socket = self.hold_folder(&container.id).join("main.sock");
        if let Ok(connection) = Connection::open(&socket, pending.wants).await {
            // Who has gone meanwhile needs no connection.
            let _ = pending.reply.send(connection);
        }
    }

    /// Connects those who came before the start. They miss nothing: the program does not run yet.
    pub async fn connect_pending(&self, container: &Container) {
        let pending = std::mem::take(&mut container.live().pending);
        for one in pending {
            if !one.reply.is_closed() {
                self.connect(container, one).await;
            }
        }
    }

    /// Sets the size of a container's terminal.
    ///
    /// # Errors
    /// It does not run.
    pub async fn resize(&self, container: &Container, (columns, rows): (u16, u16)) -> Result<(), Fault> {
        if !container.state().is_running() {
            return Err(super::life::not_running(container));
        }
        self.tell(container, "resize", &[("height", &rows.to_string()), ("width", &columns.to_string())]);
        size(&self.hold_folder(&container.id).join("main.sock"), columns, rows).await
    }
}

/// Sets the size of the terminal that a shim holds.
///
/// # Errors
/// The process has ended.
pub async fn size(socket: &Path, columns: u16, rows: u16) -> Result<(), Fault> {
    let mut connection = Connection::open(socket, Wants::default()).await?;
    connection.to.send(&Frame::Size(columns, rows)).await.map_err(|error| Fault::conflict(format!("the process has ended: {error}")))
}
