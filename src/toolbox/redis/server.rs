//! `redis-server`: connections, transactions, waiting, and the end.

use std::collections::{BTreeSet, HashMap};
use std::io::{BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::commands::{self, Call, Session};
use super::data::{Bytes, Database, now};
use super::resp::{self, Reply};
use super::settings::Settings;
use super::{persist, version};
use crate::kernel::{exec, poll, process, reaper, signals};
use crate::toolbox::failure::{Failure, reason};

/// A client that does not take its replies for so long is dropped.
const PATIENCE: Duration = Duration::from_secs(10);

/// Everything that the connections share.
pub struct State {
    /// The data.
    pub databases: Vec<Database>,
    /// The settings.
    pub settings: Settings,
    /// The connections by their number: who listens to what.
    pub listeners: HashMap<u64, Listener>,
    /// The log of commands, if there is one.
    pub log: Option<persist::Log>,
    /// Changes since the last snapshot.
    pub changes: u64,
    /// When that was, in seconds since 1970.
    pub last_save: u64,
    /// When the server started.
    pub started: Instant,
    /// Keys that were looked for and found, and those that were not.
    pub hits: u64,
    /// See `hits`.
    pub misses: u64,
    /// Commands so far.
    pub processed: u64,
    /// Connections so far.
    pub connections: u64,
    /// The order to end, and whether to save first.
    pub ending: Option<bool>,
}

/// A connection as others see it.
pub struct Listener {
    /// Where it comes from.
    pub address: String,
    /// Its channels.
    pub channels: BTreeSet<Bytes>,
    /// Its patterns.
    pub patterns: BTreeSet<Bytes>,
    protocol: u8,
    stream: TcpStream,
}

impl Listener {
    /// Sends something unasked.
    pub fn send(&self, reply: &Reply) {
        let mut out = Vec::new();
        reply.write(self.protocol, &mut out);
        // One that went away is found by its own thread.
        let _ = (&self.stream).write_all(&out);
    }
}

/// The data behind one lock, and the bell that is rung when something changed.
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    /// Written to when a command asks for the end.
    wake: std::os::fd::OwnedFd,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Runs `redis-server`.
pub fn run(args: &[String], out: &mut dyn Write) -> Result<u8, Failure> {
    if args.iter().any(|arg| ["-v", "--version"].contains(&arg.as_str())) {
        writeln!(out, "Redis server v={} (a stand-in by Bottleship {})", version(), env!("CARGO_PKG_VERSION"))?;
        return Ok(0);
    }
    if args.iter().any(|arg| ["-h", "--help"].contains(&arg.as_str())) {
        writeln!(out, "Usage: redis-server [/path/to/redis.conf] [--name value ...]\n\nThis is Bottleship's stand-in for Redis.")?;
        return Ok(0);
    }
    let settings = Settings::read(args).map_err(|why| Failure::new(1, why))?;
    say('C', '*', "Redis is starting (Bottleship's stand-in)");
    say('C', '*', &format!("Redis version={}, bits=64, modified=0, pid={}, just started", version(), std::process::id()));
    if args.is_empty() {
        say(
            'C',
            '#',
            "Warning: no config file specified, using the default config. In order to specify a config file use redis-server /path/to/redis.conf",
        );
    }
    let mut waiting = signals::Signals::block(&[process::Signal::SIGTERM, process::Signal::SIGINT, process::Signal::SIGCHLD])?;
    let port = u16::try_from(settings.number("port")).map_err(|_| Failure::new(1, "Invalid port"))?;
    let address = settings
        .get("bind")
        .split_whitespace()
        .next()
        .filter(|one| one.parse::<std::net::IpAddr>().is_ok())
        .unwrap_or("0.0.0.0")
        .to_owned();
    let listener = TcpListener::bind((address.as_str(), port)).map_err(|error| {
        let why = reason(&error);
        Failure::new(1, format_args!("Warning: Could not create server TCP listening socket {address}:{port}: bind: {why}"))
    })?;
    let (wakes, wake) = exec::pipe()?;
    let shared = Arc::new(Shared { state: Mutex::new(State::new(settings)), changed: Condvar::new(), wake });
    say('M', '*', &format!("Running mode=standalone, port={port}."));
    say('M', '*', "Server initialized");
    begin(&mut shared.lock())?;
    say('M', '*', "Ready to accept connections tcp");
    serve(&shared, &listener, &mut waiting, wakes.as_fd())
}

/// Reads what is on the disk, and opens the log.
fn begin(state: &mut State) -> Result<(), Failure> {
    let told = persist::load(state).map_err(|why| Failure::new(1, format_args!("Fatal error loading the DB, check server logs. {why}")))?;
    told.iter().for_each(|told| say('M', '*', told));
    if state.settings.is_on("appendonly") {
        persist::open_log(state).map_err(|why| Failure::new(1, why))?;
    }
    Ok(())
}

/// A line of the log, as Redis writes it: process, role, time, level.
fn say(role: char, level: char, text: &str) {
    println!("{}:{role} {} {level} {text}", std::process::id(), jiff::Zoned::now().strftime("%d %b %Y %H:%M:%S%.3f"));
}

fn serve(shared: &Arc<Shared>, listener: &TcpListener, waiting: &mut signals::Signals, wakes: BorrowedFd<'_>) -> Result<u8, Failure> {
    let mut number = 0;
    loop {
        // Once a second: keys that ended go, and snapshots that are due are written.
        let ready = poll::readable(&[waiting.as_fd(), wakes, listener.as_fd()], Some(Duration::from_secs(1)))?;
        while let Some(signal) = waiting.next()? {
            match signal {
                signal if signal == process::Signal::SIGCHLD as i32 => while reaper::reap()?.is_some() {},
                signal => {
                    let name = if signal == process::Signal::SIGINT as i32 { "SIGINT" } else { "SIGTERM" };
                    say('M', '*', &format!("Received {name} scheduling shutdown..."));
                    let mut state = shared.lock();
                    let saves = !state.settings.save_points().is_empty();
                    state.ending = Some(saves);
                }
            }
        }
        if ready.contains(&2)
            && let Ok((stream, _)) = listener.accept()
        {
            number += 1;
            let shared = shared.clone();
            // Without a thread for it the connection is closed.
            drop(std::thread::Builder::new().spawn(move || connection(&shared, stream, number)));
        }
        let mut state = shared.lock();
        save_if_due(&mut state);
        if let Some(saves) = state.ending {
            return end(&mut state, saves);
        }
    }
}

fn save_if_due(state: &mut State) {
    let since = now() / 1000 - state.last_save.min(now() / 1000);
    let Some((seconds, changes)) =
        state.settings.save_points().into_iter().find(|(seconds, changes)| state.changes >= *changes && since >= *seconds)
    else {
        return;
    };
    say('M', '*', &format!("{changes} changes in {seconds} seconds. Saving..."));
    match persist::save(state) {
        Ok(()) => say('M', '*', "DB saved on disk"),
        Err(why) => {
            say('M', '#', &format!("Error saving the snapshot: {why}"));
            // Tried again when it is due again, and not in every turn.
            state.last_save = now() / 1000;
        }
    }
}

fn end(state: &mut State, saves: bool) -> Result<u8, Failure> {
    say('M', '*', "User requested shutdown...");
    if saves {
        say('M', '*', "Saving the final RDB snapshot before exiting.");
        persist::save(state).map_err(|why| Failure::new(1, format_args!("Error trying to save the DB, can't exit: {why}")))?;
        say('M', '*', "DB saved on disk");
    }
    say('M', '#', "Redis is now ready to exit, bye bye...");
    Ok(0)
}

impl State {
    fn new(settings: Settings) -> Self {
        let count = settings.number("databases").clamp(1, 1024) as usize;
        State {
            databases: vec![Database::default(); count],
            settings,
            listeners: HashMap::new(),
            log: None,
            changes: 0,
            last_save: now() / 1000,
            started: Instant::now(),
            hits: 0,
            misses: 0,
            processed: 0,
            connections: 0,
            ending: None,
        }
    }
}

fn connection(shared: &Shared, stream: TcpStream, id: u64) {
    let address = stream.peer_addr().map(|address| address.to_string()).unwrap_or_default();
    let mut session = Session { id, address: address.clone(), protocol: 2, ..Session::default() };
    {
        let mut state = shared.lock();
        session.known = state.settings.get("requirepass").is_empty();
        state.connections += 1;
        let Ok(copy) = stream.try_clone() else { return };
        state.listeners.insert(id, Listener { address, channels: BTreeSet::new(), patterns: BTreeSet::new(), protocol: 2, stream: copy });
    }
    // What ends the connection is no affair of the others.
    let _ = converse(shared, &stream, &mut session);
    shared.lock().listeners.remove(&id);
}

fn converse(shared: &Shared, stream: &TcpStream, session: &mut Session) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new(stream);
    loop {
        let words = match resp::command(&mut reader) {
            Ok(Some(words)) => words,
            Ok(None) => return Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                let mut out = Vec::new();
                Reply::err(&format!("Protocol error: {error}")).write(2, &mut out);
                return (&mut &*stream).write_all(&out);
            }
            Err(error) => return Err(error),
        };
        if words.is_empty() {
            continue;
        }
        // Written under the lock, so that no message of a channel comes between.
        let mut state = shared.lock();
        let reply = if waits(&words) && session.queued.is_none() {
            let (after, reply) = wait(shared, state, session, &words, stream);
            state = after;
            reply
        } else {
            answer(&mut state, session, &words)
        };
        state.listeners.entry(session.id).and_modify(|listener| listener.protocol = session.protocol);
        let mut out = Vec::new();
        reply.write(session.protocol, &mut out);
        let ending = state.ending.is_some();
        // A server that was told to end gives no answer.
        let written = if ending { Ok(()) } else { (&mut &*stream).write_all(&out) };
        drop(state);
        shared.changed.notify_all();
        if ending {
            // The main thread looks once a second anyway.
            let _ = poll::write_all(shared.wake.as_fd(), b".");
        }
        written?;
        if session.ends {
            return Ok(());
        }
    }
}

fn waits(words: &[Bytes]) -> bool {
    ["BLPOP", "BRPOP"].iter().any(|name| words[0].eq_ignore_ascii_case(name.as_bytes()))
}

/// Tries until there is something, or the time is over, or nobody waits any more: what is taken for one who has gone away is lost.
fn wait<'a>(
    shared: &Shared,
    mut state: MutexGuard<'a, State>,
    session: &mut Session,
    words: &[Bytes],
    stream: &TcpStream,
) -> (MutexGuard<'a, State>, Reply) {
    let seconds = words.last().and_then(|word| std::str::from_utf8(word).ok()?.parse::<f64>().ok()).unwrap_or(0.0);
    let deadline = (seconds > 0.0).then(|| Duration::try_from_secs_f64(seconds).ok()).flatten().map(|patience| Instant::now() + patience);
    loop {
        let reply = answer(&mut state, session, words);
        let left = deadline.map_or(Duration::from_secs(3600), |deadline| deadline.saturating_duration_since(Instant::now()));
        if reply != Reply::NullArray || left.is_zero() || state.ending.is_some() {
            return (state, reply);
        }
        state = shared.changed.wait_timeout(state, left).unwrap_or_else(std::sync::PoisonError::into_inner).0;
        // What cannot be looked at is not there either.
        if poll::is_left(stream.as_fd()).unwrap_or(true) {
            return (state, Reply::NullArray);
        }
    }
}

/// What may be said while one listens in the second version of the protocol.
const WHILE_LISTENING: [&str; 7] = ["SUBSCRIBE", "PSUBSCRIBE", "UNSUBSCRIBE", "PUNSUBSCRIBE", "PING", "QUIT", "RESET"];

/// The reply to a command: at once, or put into a transaction.
fn answer(state: &mut State, session: &mut Session, words: &[Bytes]) -> Reply {
    state.processed += 1;
    let name = String::from_utf8_lossy(&words[0]).to_ascii_uppercase();
    let transaction = ["MULTI", "EXEC", "DISCARD", "WATCH", "UNWATCH"].contains(&name.as_str());
    let command = commands::find(&words[0]);
    if command.is_none() && !transaction {
        session.spoiled = session.queued.is_some();
        return commands::unknown(words);
    }
    if command.is_some_and(|command| !command.fits(words.len())) {
        session.spoiled |= session.queued.is_some();
        return commands::wrong_number(&name);
    }
    if !session.known && !["AUTH", "HELLO", "QUIT", "RESET"].contains(&name.as_str()) {
        return Reply::Error("NOAUTH Authentication required.".to_owned());
    }
    let listens = !(session.channels.is_empty() && session.patterns.is_empty());
    if listens && session.protocol < 3 && !WHILE_LISTENING.contains(&name.as_str()) {
        return Reply::err(&format!(
            "Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context",
            name.to_ascii_lowercase()
        ));
    }
    if transaction {
        return transact(state, session, &name, words);
    }
    match &mut session.queued {
        Some(queued) if !["QUIT", "RESET"].contains(&name.as_str()) => {
            queued.push(words.to_vec());
            Reply::Simple("QUEUED".to_owned())
        }
        _ => carry_out(state, session, words),
    }
}

fn carry_out(state: &mut State, session: &mut Session, words: &[Bytes]) -> Reply {
    let Some(command) = commands::find(&words[0]) else { return commands::unknown(words) };
    let database = session.database;
    let reply = command.run(&mut Call { state, session, words });
    if command.writes && !matches!(reply, Reply::Error(_)) && reply != Reply::NullArray {
        persist::note(state, database, words, &reply);
    }
    reply
}

fn transact(state: &mut State, session: &mut Session, name: &str, words: &[Bytes]) -> Reply {
    let collecting = session.queued.is_some();
    match name {
        "WATCH" if words.len() < 2 => commands::wrong_number(name),
        "WATCH" if collecting => Reply::err("WATCH inside MULTI is not allowed"),
        "WATCH" => {
            let number = session.database;
            let now = |key: &Bytes| (number, key.clone(), state.databases[number].get(key).cloned());
            session.watched.extend(words[1..].iter().map(now));
            Reply::ok()
        }
        _ if words.len() != 1 => commands::wrong_number(name),
        "UNWATCH" => {
            session.watched.clear();
            Reply::ok()
        }
        "MULTI" if collecting => Reply::err("MULTI calls can not be nested"),
        "MULTI" => {
            (session.queued, session.spoiled) = (Some(Vec::new()), false);
            Reply::ok()
        }
        _ if !collecting => Reply::err(&format!("{name} without MULTI")),
        "DISCARD" => {
            session.queued = None;
            session.watched.clear();
            Reply::ok()
        }
        _ => execute(state, session),
    }
}

fn execute(state: &mut State, session: &mut Session) -> Reply {
    let queued = session.queued.take().unwrap_or_default();
    let watched = std::mem::take(&mut session.watched);
    if std::mem::take(&mut session.spoiled) {
        return Reply::Error("EXECABORT Transaction discarded because of previous errors.".to_owned());
    }
    if watched.into_iter().any(|(number, key, before)| state.databases[number].get(&key).cloned() != before) {
        return Reply::NullArray;
    }
    Reply::Array(queued.iter().map(|words| carry_out(state, session, words)).collect())
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    /// A server's shared part, and a connection to it that is served by a thread.
    fn joined(shared: &Arc<Shared>, id: u64) -> TcpStream {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, own) = (listener.accept().unwrap().0, shared.clone());
        std::thread::spawn(move || connection(&own, stream, id));
        client
    }

    fn asked(mut client: &TcpStream, line: &str, answer: &str) {
        client.write_all(format!("{line}\r\n").as_bytes()).unwrap();
        let mut read = vec![0; answer.len()];
        client.read_exact(&mut read).unwrap();
        assert_eq!(String::from_utf8_lossy(&read), answer, "{line}");
    }

    #[test]
    fn who_waits_gets_what_comes_and_who_went_away_takes_nothing() {
        let shared = Arc::new(Shared {
            state: Mutex::new(State::new(Settings::read(&[]).unwrap())),
            changed: Condvar::new(),
            wake: exec::pipe().unwrap().1,
        });
        let other = joined(&shared, 1);
        let waits = |id: u64| {
            let mut client = joined(&shared, id);
            let before = shared.lock().processed;
            client.write_all(b"BLPOP queue 0\r\n").unwrap();
            // It has looked once and waits: it holds the lock from the one to the other.
            while shared.lock().processed == before {
                std::thread::yield_now();
            }
            client
        };
        let mut patient = waits(2);
        asked(&other, "RPUSH queue one", ":1\r\n");
        let mut read = [0; 22];
        patient.read_exact(&mut read).unwrap();
        assert_eq!(&read, b"*2\r\n$5\r\nqueue\r\n$3\r\none");
        drop(waits(3));
        asked(&other, "RPUSH queue two", ":1\r\n");
        while shared.lock().listeners.contains_key(&3) {
            std::thread::yield_now();
        }
        asked(&other, "LLEN queue", ":1\r\n");
    }
}
