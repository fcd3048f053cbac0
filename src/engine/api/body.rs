//! Bodies between the network, which waits for nobody, and work on files, which blocks.

use std::convert::Infallible;
use std::io::{self, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use http_body_util::BodyExt as _;
use http_body_util::channel::{Channel, Sender};
use hyper::body::{Frame, SizeHint};
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

/// How many pieces may wait for the other side.
const WAITING: usize = 16;

/// A request's body that is taken in to its end also when nobody wants the rest of it: a client that is still sending would see a broken connection and
/// not the answer.
struct Drained(Body);

impl HttpBody for Drained {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.0).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

impl Drop for Drained {
    fn drop(&mut self) {
        let mut rest = std::mem::take(&mut self.0);
        // At the engine's end there is nobody to do it, and no connection left.
        if let Some(runtime) = Handle::try_current().ok().filter(|_| !rest.is_end_stream()) {
            runtime.spawn(async move { while let Some(Ok(_)) = rest.frame().await {} });
        }
    }
}

/// A request's body, to be taken in to its end whatever becomes of it.
pub fn drained(body: Body) -> Body {
    if body.is_end_stream() { body } else { Body::new(Drained(body)) }
}

/// A request's body as something to read from a thread that may block.
pub struct BodyReader {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    left: Bytes,
}

impl BodyReader {
    /// Begins to take the body in.
    pub fn new(mut body: Body) -> Self {
        let (sender, pieces) = mpsc::channel(WAITING);
        tokio::spawn(async move {
            while let Some(frame) = body.frame().await {
                let piece = match frame {
                    Ok(frame) => frame.into_data().map(Ok),
                    Err(error) => Ok(Err(io::Error::other(error))),
                };
                // Trailers say nothing to us.
                let Ok(piece) = piece else { continue };
                if sender.send(piece).await.is_err() {
                    return;
                }
            }
        });
        BodyReader { pieces, left: Bytes::new() }
    }
}

impl Read for BodyReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.left.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.left = piece?,
                None => return Ok(0),
            }
        }
        let count = buffer.len().min(self.left.len());
        buffer[..count].copy_from_slice(&self.left.split_to(count));
        Ok(count)
    }
}

/// An answer's body as something to write to from a thread that may block.
pub struct BodyWriter {
    sender: Sender<Bytes, io::Error>,
    runtime: Handle,
}

impl BodyWriter {
    /// The writer, and the body that gets what is written. To be called on the runtime.
    pub fn new() -> (Self, Body) {
        let (sender, channel) = Channel::new(WAITING);
        (BodyWriter { sender, runtime: Handle::current() }, Body::new(channel))
    }

    /// Breaks the answer off: the client sees that it is not whole.
    pub fn fail(self, error: io::Error) {
        self.sender.abort(error);
    }
}

impl Write for BodyWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = Bytes::copy_from_slice(bytes);
        let sent = self.runtime.block_on(self.sender.send_data(piece));
        sent.map(|()| bytes.len()).map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "the client has gone away"))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An answer of JSON documents, one a line, from wherever they are made. When the client goes away it is dropped, and who makes them can see that.
pub struct Lines {
    first: Option<Bytes>,
    rest: mpsc::Receiver<Bytes>,
}

/// The end of [`Lines`] that documents are put into.
#[derive(Clone)]
pub struct Teller(mpsc::Sender<Bytes>);

impl Lines {
    /// Both ends.
    pub fn new() -> (Teller, Self) {
        let (sender, rest) = mpsc::channel(WAITING);
        (Teller(sender), Lines { first: None, rest })
    }

    /// An answer that is told in a task of its own until `work` is done or the client has gone away: what the work holds must not wait for a word that may
    /// never come.
    pub fn told<F>(work: impl FnOnce(Teller) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (teller, lines) = Lines::new();
        let work = work(teller.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = work => {}
                () = teller.gone() => {}
            }
        });
        lines
    }

    /// Waits for the first document, which stays in the answer. `None`: there is none and will be none.
    pub async fn first(&mut self) -> Option<Value> {
        if self.first.is_none() {
            self.first = self.rest.recv().await;
        }
        serde_json::from_slice(self.first.as_ref()?).ok()
    }

    /// The body of the answer.
    pub fn into_body(self) -> Body {
        Body::new(self)
    }
}

impl HttpBody for Lines {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let line = match self.first.take() {
            Some(first) => Poll::Ready(Some(first)),
            None => self.rest.poll_recv(context),
        };
        line.map(|line| line.map(|line| Ok(Frame::data(line))))
    }
}

impl Teller {
    /// A document from a thread that may block. False: the client has gone away.
    pub fn tell(&self, document: &Value) -> bool {
        self.0.blocking_send(line(document)).is_ok()
    }

    /// A document. False: the client has gone away.
    pub async fn say(&self, document: &Value) -> bool {
        self.0.send(line(document)).await.is_ok()
    }

    /// Bytes as they are. False: the client has gone away.
    pub async fn pass(&self, bytes: Bytes) -> bool {
        self.0.send(bytes).await.is_ok()
    }

    /// An error in the middle of an answer, whose status can no longer be changed.
    pub fn fail(&self, message: &str) {
        // The client that has gone away needs no message.
        let _ = self.tell(&serde_json::json!({"errorDetail": {"message": message}, "error": message}));
    }

    /// Whether the client has gone away.
    pub async fn gone(&self) {
        self.0.closed().await;
    }
}

fn line(document: &Value) -> Bytes {
    Bytes::from(format!("{document}\r\n"))
}
