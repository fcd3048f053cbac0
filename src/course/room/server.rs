//! The room's side: takes connections, lets in who knows the code, and tells what changes.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::code::{Code, Side};
use super::seats::{Change, Room, SEATS};
use super::tls;
use super::wire::{self, FromLearner, FromRoom, MOST, VERSION};
use crate::kernel::poll;

/// How long it may take to say who one is, and how long a learner may say nothing.
const HANDSHAKE: Duration = Duration::from_secs(10);
const SILENCE: Duration = Duration::from_secs(30);
/// Connections at once, two for each seat.
const CONNECTIONS: usize = 2 * SEATS;
/// Lines in a second: a prompt sends one for each line that is typed.
const LINES: u32 = 50;

/// A room that listens.
pub struct Server {
    listener: TcpListener,
    tls: TlsAcceptor,
    inner: Arc<Inner>,
}

struct Inner {
    name: String,
    code: Code,
    room: Mutex<Room>,
    began: Instant,
    /// The learner's id, and what changed.
    tell: mpsc::Sender<(String, Change)>,
}

/// Who has proved that they know the code, as they say it.
struct Who {
    id: String,
    number: Option<u32>,
    name: Option<String>,
}

/// A stream of lines to one learner's prompt.
type Lines = BufReader<TlsStream<TcpStream>>;

impl Server {
    /// Listens. What changes is told to `tell`.
    ///
    /// # Errors
    /// The address is taken or not ours, or no key could be made.
    pub async fn bind(address: SocketAddr, name: &str, code: Code, tell: mpsc::Sender<(String, Change)>) -> io::Result<Server> {
        let tls = TlsAcceptor::from(tls::server().map_err(io::Error::other)?);
        let listener = TcpListener::bind(address).await?;
        let inner = Inner { name: name.to_owned(), code, room: Mutex::default(), began: Instant::now(), tell };
        Ok(Server { listener, tls, inner: Arc::new(inner) })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// The socket has no address.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Lets somebody look into the room: the room, and what time it is in it.
    pub fn view(&self) -> View {
        View(Arc::clone(&self.inner))
    }

    /// Takes connections for ever.
    pub async fn run(self) {
        let seats = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let Ok((socket, _)) = self.listener.accept().await else {
                // Without a descriptor for it a connection stays in the queue; one that ends makes room.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            // Who comes to a room that is full is not heard.
            let Ok(seat) = Arc::clone(&seats).try_acquire_owned() else { continue };
            let (tls, inner) = (self.tls.clone(), Arc::clone(&self.inner));
            tokio::spawn(async move {
                inner.serve(tls, socket).await;
                drop(seat);
            });
        }
    }
}

/// A look into a room.
pub struct View(Arc<Inner>);

impl View {
    /// The room, locked, and for how long it is open.
    pub fn room(&self) -> (MutexGuard<'_, Room>, Duration) {
        (self.0.room(), self.0.began.elapsed())
    }
}

impl Inner {
    fn room(&self) -> MutexGuard<'_, Room> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn tell(&self, id: &str, change: Change) {
        if change != Change::None {
            // Whoever looked on may have stopped to.
            let _ = self.tell.send((id.to_owned(), change)).await;
        }
    }

    async fn serve(&self, tls: TlsAcceptor, socket: TcpStream) {
        // Delay is all that is lost without it.
        let _ = socket.set_nodelay(true);
        let arrival = tokio::time::timeout(poll::stretched(HANDSHAKE), async {
            let mut lines = BufReader::new(tls.accept(socket).await.ok()?);
            let who = self.let_in(&mut lines).await;
            Some((lines, who))
        });
        let Ok(Some((mut lines, who))) = arrival.await else { return };
        // The seat is taken where nothing can end this before it is given back.
        let seated = who.and_then(|who| {
            let number = self.room().hello(&who.id, who.number, who.name.as_deref(), self.began.elapsed())?;
            Ok((who.id, number))
        });
        let (id, number) = match seated {
            Ok(seated) => seated,
            Err(why) => return refuse(&mut lines, why).await,
        };
        self.tell(&id, Change::Joined).await;
        let heard = match say(&mut lines, &FromRoom::Welcome { number }).await {
            Ok(()) => self.listen(&mut lines, &id).await,
            Err(why) => Err(why),
        };
        if let Err(why) = heard {
            refuse(&mut lines, why).await;
        }
        let change = self.room().gone(&id);
        self.tell(&id, change).await;
    }

    /// Proofs, and who it is.
    async fn let_in(&self, lines: &mut Lines) -> Result<Who, String> {
        let bound = lines.get_ref().get_ref().1.export_keying_material([0; 32], tls::LABEL, None).map_err(|error| error.to_string())?;
        match hear(lines).await? {
            FromLearner::Proof { version: VERSION, proof } if self.code.proves(&proof, Side::Learner, &bound) => {}
            FromLearner::Proof { version: VERSION, .. } => return Err("this is not the code of this room".to_owned()),
            FromLearner::Proof { version, .. } => {
                return Err(format!("this room speaks version {VERSION} of the protocol, not {version}: use the same bottleship"));
            }
            _ => return Err("the proof comes first".to_owned()),
        }
        say(lines, &FromRoom::Proof { proof: self.code.proof(Side::Room, &bound), room: self.name.clone() }).await?;
        let FromLearner::Hello { id, number, name } = hear(lines).await? else { return Err("who is it?".to_owned()) };
        Ok(Who { id, number, name })
    }

    /// Hears one learner to the end.
    async fn listen(&self, lines: &mut Lines, id: &str) -> Result<(), String> {
        let (mut second, mut heard) = (Instant::now(), 0);
        loop {
            let message = tokio::time::timeout(poll::stretched(SILENCE), hear(lines)).await;
            let message = message.map_err(|_| format!("nothing was said for {} s", SILENCE.as_secs()))?;
            if second.elapsed() > Duration::from_secs(1) {
                (second, heard) = (Instant::now(), 0);
            }
            heard += 1;
            if heard > LINES {
                return Err(format!("more than {LINES} lines in a second"));
            }
            let change = match message? {
                FromLearner::Facts { facts, idle } => self.room().facts(id, facts, Duration::from_secs(idle), self.began.elapsed()),
                FromLearner::Leave => self.room().leave(id),
                _ => return Err("this was said already".to_owned()),
            };
            self.tell(id, change).await;
            say(lines, &FromRoom::Heard).await?;
        }
    }
}

async fn hear(lines: &mut Lines) -> Result<FromLearner, String> {
    let mut line = Vec::new();
    // What is longer is no message: the rest of it is not read.
    let read = lines.take(MOST as u64 + 1).read_until(b'\n', &mut line).await;
    read.map_err(|error| error.to_string())?;
    wire::read(&line)
}

/// Says something; who does not take it in time is not waited for.
async fn say(lines: &mut Lines, message: &FromRoom) -> Result<(), String> {
    let stream = lines.get_mut();
    let said = async {
        stream.write_all(&wire::line(message)).await?;
        stream.flush().await
    };
    let said = tokio::time::timeout(poll::stretched(HANDSHAKE), said).await.map_err(|_| "the answer was not taken".to_owned())?;
    said.map_err(|error| error.to_string())
}

/// The last word.
async fn refuse(lines: &mut Lines, why: String) {
    // Whoever has gone does not hear it.
    let _ = say(lines, &FromRoom::Refused { why }).await;
}
