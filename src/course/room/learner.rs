//! A learner's side: a thread that tells the room where they are, and never makes them wait.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConnection, StreamOwned};

use super::code::Side;
use super::joined::Joined;
use super::tls;
use super::wire::{self, Facts, FromLearner, FromRoom, MOST, VERSION};
use crate::kernel::poll;

/// How long the room may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it is told that the learner is still there.
const ALIVE: Duration = Duration::from_secs(5);
/// The pause before a room that was not there is tried again: it doubles, up to the second.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(15));
/// How long a prompt that ends waits for its last news to go out.
const LAST: Duration = Duration::from_secs(2);

/// A learner whose prompt tells a room.
pub struct Watched {
    pub joined: Joined,
    tell: Sender<Told>,
    /// Why the room is not there; none while it is.
    trouble: Arc<Mutex<Option<String>>>,
    over: Receiver<()>,
    /// How long the end waits for the last news to go out.
    last: Duration,
}

enum Told {
    Facts(Facts),
    Leave,
    End,
}

impl Watched {
    /// Begins to tell the room that was joined with this state folder. None where none was, or no thread can be started.
    pub fn start(state: &Path) -> Option<Watched> {
        let joined = Joined::read(state)?;
        let (tell, told) = channel();
        let (end, over) = channel();
        let trouble = Arc::new(Mutex::new(None));
        let teller = Teller {
            joined: joined.clone(),
            state: state.to_owned(),
            told,
            trouble: Arc::clone(&trouble),
            latest: None,
            typed: Instant::now(),
            news: false,
            last: None,
        };
        let run = move || {
            teller.run();
            // Nobody may be waiting any more.
            let _ = end.send(());
        };
        std::thread::Builder::new().name("class".to_owned()).spawn(run).ok()?;
        Some(Watched { joined, tell, trouble, over, last: LAST })
    }

    /// Something was typed; this is where the learner is now. Never waits.
    pub fn tell(&self, facts: Facts) {
        // A thread that has ended has nobody to tell.
        let _ = self.tell.send(Told::Facts(facts));
    }

    /// Why the room is not there; none while it is.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends the telling without a last word, and without waiting: whoever left the room in another terminal has told it.
    pub fn part(mut self) {
        self.last = Duration::ZERO;
    }

    /// Tells the room that the learner leaves it.
    pub fn leave(self) {
        // As in `tell`. The drop that follows waits a moment for it.
        let _ = self.tell.send(Told::Leave);
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // What was told last goes out, unless the room takes too long.
        let _ = self.tell.send(Told::End);
        // As said: it may not come.
        let _ = self.over.recv_timeout(poll::stretched(self.last));
    }
}

/// The thread.
struct Teller {
    joined: Joined,
    /// The state folder. Whoever leaves the room in another terminal takes the file in it away.
    state: PathBuf,
    told: Receiver<Told>,
    trouble: Arc<Mutex<Option<String>>>,
    latest: Option<Facts>,
    typed: Instant,
    /// Whether `latest` is new, and what ends the telling once it is told.
    news: bool,
    last: Option<Told>,
}

impl Teller {
    fn run(mut self) {
        let mut pause = PAUSES.0;
        while self.is_joined() {
            let why = match Connection::open(&self.joined) {
                Ok(mut connection) => {
                    pause = PAUSES.0;
                    self.note(None);
                    match self.converse(&mut connection) {
                        Ok(()) => return,
                        Err(why) => why,
                    }
                }
                Err(why) => why,
            };
            self.note(Some(why));
            if self.rest(pause) {
                return;
            }
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    fn is_joined(&self) -> bool {
        Joined::read(&self.state).as_ref() == Some(&self.joined)
    }

    fn note(&self, trouble: Option<String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    /// Tells what there is to tell until the learner leaves or the prompt ends: what is new at once, and now and then that they are still there.
    fn converse(&mut self, connection: &mut Connection) -> Result<(), String> {
        let mut said: Option<Facts> = None;
        let mut due = Instant::now();
        loop {
            match Joined::read(&self.state) {
                Some(now) if now == self.joined => {}
                // They came again, with another name: it is the same learner, and another thread tells of them.
                Some(now) if now.id == self.joined.id => return Ok(()),
                _ => return connection.ask(&FromLearner::Leave).map(drop),
            }
            if self.latest != said || Instant::now() >= due {
                if let Some(facts) = self.latest.clone() {
                    connection.ask(&FromLearner::Facts { facts, idle: self.typed.elapsed().as_secs() })?;
                }
                said.clone_from(&self.latest);
                due = Instant::now() + ALIVE;
            }
            match self.news_until(due) {
                None => {}
                Some(Told::Leave) => return connection.ask(&FromLearner::Leave).map(drop),
                Some(_) => return Ok(()),
            }
        }
    }

    /// Waits for news until `until`, and takes all that there are: of several places only the last one counts. Gives what ends the telling; that the prompt
    /// has gone without a word counts as its end.
    fn news_until(&mut self, until: Instant) -> Option<Told> {
        let mut patience = until.saturating_duration_since(Instant::now());
        if let Some(last) = self.last.take() {
            return Some(last);
        }
        loop {
            match self.told.recv_timeout(std::mem::take(&mut patience)) {
                Ok(Told::Facts(facts)) => {
                    (self.latest, self.typed) = (Some(facts), Instant::now());
                    self.news = true;
                }
                // What was told before it goes out first.
                Ok(last) if std::mem::take(&mut self.news) => {
                    self.last = Some(last);
                    return None;
                }
                Ok(last) => return Some(last),
                Err(RecvTimeoutError::Disconnected) => return Some(Told::End),
                Err(RecvTimeoutError::Timeout) => {
                    self.news = false;
                    return None;
                }
            }
        }
    }

    /// Waits; true when the learner leaves or the prompt ends meanwhile.
    fn rest(&mut self, pause: Duration) -> bool {
        let until = Instant::now() + pause;
        while Instant::now() < until {
            if self.news_until(until).is_some() {
                return true;
            }
        }
        false
    }
}

/// Joins for a moment: whether the code is right, what the room is called, and which number it gives.
///
/// # Errors
/// The room is not there, or refuses; in words.
pub fn try_out(joined: &mut Joined) -> Result<(), String> {
    let connection = Connection::open(joined)?;
    (joined.room, joined.number) = (connection.room.clone(), Some(connection.number));
    Ok(())
}

/// Tells the room that the learner leaves it.
///
/// # Errors
/// The room is not there.
pub fn leave(joined: &Joined) -> Result<(), String> {
    Connection::open(joined)?.ask(&FromLearner::Leave).map(drop)
}

/// A connection to a room that has shown that it is the one.
pub(super) struct Connection {
    pub(super) stream: StreamOwned<ClientConnection, TcpStream>,
    room: String,
    number: u32,
}

impl Connection {
    /// Connects, and sees to it that it is the room.
    ///
    /// # Errors
    /// Nobody answers, it is another room, or it refuses.
    pub(super) fn open(joined: &Joined) -> Result<Connection, String> {
        let stream = dial(joined.address)?;
        let mut connection = Connection { stream, room: String::new(), number: 0 };
        // The handshake happens now; the key of the connection is there after it.
        let StreamOwned { conn, sock } = &mut connection.stream;
        conn.complete_io(sock).map_err(|error| format!("speak TLS with {}: {error}", joined.address))?;
        let bound = conn.export_keying_material([0; 32], tls::LABEL, None).map_err(|error| error.to_string())?;
        let code = joined.code()?;
        match connection.ask(&FromLearner::Proof { version: VERSION, proof: code.proof(Side::Learner, &bound) })? {
            FromRoom::Proof { proof, room } if code.proves(&proof, Side::Room, &bound) => {
                connection.room = wire::name_of(&room).unwrap_or_else(|| "class".to_owned());
            }
            _ => return Err(format!("{} does not know the code of the room: it is another room, or somebody in between", joined.address)),
        }
        let hello = FromLearner::Hello { id: joined.id.clone(), number: joined.number, name: joined.name.clone() };
        match connection.ask(&hello)? {
            FromRoom::Welcome { number } => connection.number = number,
            _ => return Err(format!("{} answers what was not asked", joined.address)),
        }
        Ok(connection)
    }

    /// Says something, and gives the answer.
    ///
    /// # Errors
    /// The room is gone, or refuses.
    pub(super) fn ask(&mut self, message: &impl Serialize) -> Result<FromRoom, String> {
        let told = self.stream.write_all(&wire::line(message)).and_then(|()| self.stream.flush());
        told.map_err(|error| format!("tell the room: {error}"))?;
        self.answer()
    }

    /// What the room says next.
    pub(super) fn answer(&mut self) -> Result<FromRoom, String> {
        let (mut line, mut byte) = (Vec::new(), [0]);
        let until = Instant::now() + poll::stretched(PATIENCE);
        while line.len() <= MOST && line.last() != Some(&b'\n') {
            if Instant::now() >= until {
                return Err(format!("hear the room: no whole answer in {} s", PATIENCE.as_secs()));
            }
            match self.stream.read(&mut byte).map_err(|error| format!("hear the room: {error}"))? {
                0 => break,
                _ => line.push(byte[0]),
            }
        }
        match wire::read(&line)? {
            FromRoom::Refused { why } => Err(format!("the room refuses: {}", wire::clean(&why, 200))),
            other => Ok(other),
        }
    }
}

pub(super) fn dial(address: SocketAddr) -> Result<StreamOwned<ClientConnection, TcpStream>, String> {
    let patience = poll::stretched(PATIENCE);
    let failed = |error: std::io::Error| format!("connect to {address}: {error}");
    let socket = TcpStream::connect_timeout(&address, patience).map_err(failed)?;
    socket.set_read_timeout(Some(patience)).and_then(|()| socket.set_write_timeout(Some(patience))).map_err(failed)?;
    socket.set_nodelay(true).map_err(failed)?;
    let name = ServerName::try_from(tls::NAME).map_err(|error| error.to_string())?;
    let connection = ClientConnection::new(tls::client()?, name).map_err(|error| error.to_string())?;
    Ok(StreamOwned::new(connection, socket))
}
