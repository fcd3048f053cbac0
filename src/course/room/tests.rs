//! A room and those who come to it, on loopback: the protocol with right and wrong clients.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::learner::{Connection, dial};
use super::wire::{FromLearner, FromRoom, MOST, VERSION};
use super::*;

/// A room in a runtime of its own, which ends with it.
struct Open {
    address: SocketAddr,
    code: Code,
    changes: mpsc::Receiver<(String, Change)>,
    view: server::View,
    runtime: tokio::runtime::Runtime,
}

impl Open {
    fn new() -> Open {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (tell, changes) = mpsc::channel(1000);
        let code = Code::make();
        let server = runtime.block_on(Server::bind("127.0.0.1:0".parse().unwrap(), "Harbour\u{1b}[2J", code.clone(), tell)).unwrap();
        let (address, view) = (server.address().unwrap(), server.view());
        runtime.spawn(server.run());
        Open { address, code, changes, view, runtime }
    }

    fn joined(&self, name: Option<&str>) -> Joined {
        Joined::new(self.address, &self.code, name.map(str::to_owned))
    }

    /// The next change; fails the test if none comes.
    fn next(&mut self) -> Change {
        let changes = &mut self.changes;
        let next = self.runtime.block_on(async { tokio::time::timeout(Duration::from_secs(20), changes.recv()).await });
        next.expect("a change in time").expect("a room").1
    }

    fn facts(&self, joined: &Joined) -> Facts {
        self.view.room().0.learner(&joined.id).expect("a learner").facts.clone()
    }
}

fn at(step: &str) -> Facts {
    Facts { unit: "by-hand/chroot".into(), step: step.into(), of: 3, ..Facts::default() }
}

#[test]
fn a_room_sees_what_is_told_and_when_it_ends() {
    let mut room = Open::new();
    let mut ana = room.joined(Some("Ana"));
    try_out(&mut ana).unwrap();
    assert_eq!((ana.room.as_str(), ana.number), ("Harbour[2J", Some(1)), "what the room is called moves no cursor");
    assert_eq!((room.next(), room.next()), (Change::Joined, Change::Away));
    let state = tempfile::tempdir().unwrap();
    ana.keep(state.path()).unwrap();
    let watched = Watched::start(state.path()).unwrap();
    watched.tell(at("enter"));
    assert_eq!((room.next(), room.next()), (Change::Joined, Change::Moved));
    assert_eq!(room.facts(&ana), at("enter"));
    assert_eq!(watched.trouble(), None);
    Joined::forget(state.path()).unwrap();
    watched.leave();
    assert_eq!(room.next(), Change::Left);
    assert_eq!(room.facts(&ana), Facts::default());
}

#[test]
fn a_prompt_that_ends_says_the_last_word_and_who_has_left_elsewhere_says_nothing() {
    let mut room = Open::new();
    let (ana, state) = (room.joined(None), tempfile::tempdir().unwrap());
    ana.keep(state.path()).unwrap();
    let watched = Watched::start(state.path()).unwrap();
    watched.tell(at("one"));
    assert_eq!((room.next(), room.next()), (Change::Joined, Change::Moved));
    watched.tell(at("last"));
    drop(watched);
    assert_eq!((room.next(), room.next()), (Change::Moved, Change::Away));
    assert_eq!(room.facts(&ana).step, "last");
    let watched = Watched::start(state.path()).unwrap();
    assert_eq!(room.next(), Change::Joined);
    Joined::forget(state.path()).unwrap();
    watched.tell(at("secret"));
    assert_eq!(room.next(), Change::Left, "the prompt notices by itself");
    assert_eq!(room.facts(&ana), Facts::default());
}

#[test]
fn a_room_that_is_gone_keeps_nobody_waiting_and_is_found_again() {
    let closed = Open::new();
    let (address, code) = (closed.address, closed.code.clone());
    drop(closed);
    let state = tempfile::tempdir().unwrap();
    let ana = Joined::new(address, &code, None);
    ana.keep(state.path()).unwrap();
    let watched = Watched::start(state.path()).unwrap();
    let began = Instant::now();
    for step in 0..1000 {
        watched.tell(at(&step.to_string()));
    }
    assert!(began.elapsed() < Duration::from_secs(1), "telling took {:?}", began.elapsed());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (tell, changes) = mpsc::channel(1000);
    let server = runtime.block_on(Server::bind(address, "again", code.clone(), tell)).unwrap();
    let view = server.view();
    runtime.spawn(server.run());
    let mut again = Open { address, code, changes, view, runtime };
    assert_eq!((again.next(), again.next()), (Change::Joined, Change::Moved));
    assert_eq!(again.facts(&ana).step, "999", "only the newest is told");
}

#[test]
fn who_does_not_know_the_code_sees_nothing_and_is_not_seen() {
    let room = Open::new();
    let mut stranger = Joined::new(room.address, &Code::make(), Some("Eve".into()));
    assert!(try_out(&mut stranger).unwrap_err().contains("not the code"));
    assert!(room.view.room().0.learners().is_empty());
}

/// Somebody who answers as a room would, and does not know its code.
#[test]
fn a_room_that_cannot_prove_itself_is_told_nothing() {
    let (real, other) = (Open::new(), Open::new());
    let mut ana = Joined::new(other.address, &real.code, Some("Ana".into()));
    assert!(try_out(&mut ana).is_err());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut ana = Joined::new(listener.local_addr().unwrap(), &real.code, Some("Ana".into()));
    let lied = std::thread::spawn(move || {
        use tokio_rustls::rustls::{ServerConnection, StreamOwned};
        let socket = listener.accept().unwrap().0;
        let mut stream = StreamOwned::new(ServerConnection::new(tls::server().unwrap()).unwrap(), socket);
        let mut heard = Vec::new();
        let mut byte = [0];
        while heard.last() != Some(&b'\n') && stream.read(&mut byte).unwrap() > 0 {
            heard.push(byte[0]);
        }
        stream.write_all(&wire::line(&FromRoom::Proof { proof: "00".repeat(32), room: "Harbour".into() })).unwrap();
        // All that comes after that, to the end.
        let _ = stream.read_to_end(&mut heard);
        String::from_utf8(heard).unwrap()
    });
    assert!(try_out(&mut ana).unwrap_err().contains("somebody in between"));
    let heard = lied.join().unwrap();
    assert!(heard.contains("proof") && !heard.contains("Ana") && !heard.contains(&ana.id), "{heard}");
}

#[test]
fn a_room_that_never_ends_its_answer_is_not_waited_for() {
    use tokio_rustls::rustls::{ServerConnection, StreamOwned};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut ana = Joined::new(listener.local_addr().unwrap(), &Code::make(), None);
    let drips = std::thread::spawn(move || {
        let socket = listener.accept().unwrap().0;
        let mut stream = StreamOwned::new(ServerConnection::new(tls::server().unwrap()).unwrap(), socket);
        // Each byte comes long before a wait for one would end; the pace is what is tested, nothing is waited for.
        while stream.write_all(b" ").and_then(|()| stream.flush()).is_ok() {
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    assert!(try_out(&mut ana).unwrap_err().contains("no whole answer"));
    drips.join().unwrap();
}

#[test]
fn a_prompt_whose_learner_has_left_elsewhere_does_not_wait_for_a_room_that_is_gone() {
    // Takes connections into its queue, and never says a word.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let state = tempfile::tempdir().unwrap();
    Joined::new(silent.local_addr().unwrap(), &Code::make(), None).keep(state.path()).unwrap();
    let watched = Watched::start(state.path()).unwrap();
    watched.tell(at("one"));
    let _connected = silent.accept().unwrap();
    let began = Instant::now();
    watched.part();
    assert!(began.elapsed() < Duration::from_secs(1), "parting took {:?}", began.elapsed());
}

/// What the room answers to lines of somebody who has got through TLS.
fn answers(address: SocketAddr, lines: &[&[u8]]) -> String {
    let mut stream = dial(address).unwrap();
    for line in lines {
        // The room may have hung up already.
        let _ = stream.write_all(line).and_then(|()| stream.flush());
    }
    let mut said = Vec::new();
    // It hangs up, in one way or another.
    let _ = stream.read_to_end(&mut said);
    String::from_utf8_lossy(&said).into_owned()
}

#[test]
fn what_is_no_message_is_refused_and_the_room_stays_open() {
    let mut room = Open::new();
    let proof = |version| wire::line(&FromLearner::Proof { version, proof: "00".repeat(32) });
    let long = vec![b'x'; MOST * 4];
    let deep = [b"[".repeat(MOST - 1), b"\n".to_vec()].concat();
    let hello = wire::line(&FromLearner::Hello { id: "a".repeat(32), number: None, name: None });
    for (lines, why) in [
        (vec![b"GET / HTTP/1.1\r\n".to_vec()], "no message"),
        (vec![b"\0\xff\xfe\n".to_vec()], "no message"),
        (vec![long], "more than"),
        (vec![deep], "no message"),
        (vec![proof(VERSION)], "not the code"),
        (vec![proof(7)], "version"),
        (vec![hello], "proof comes first"),
        (vec![wire::line(&FromLearner::Leave)], "proof comes first"),
    ] {
        let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
        let said = answers(room.address, &lines);
        assert!(said.contains("refused") && said.contains(why), "{why}: {said}");
    }
    // No TLS at all, and connections that say nothing.
    let quiet: Vec<TcpStream> = (0..50).map(|_| TcpStream::connect(room.address).unwrap()).collect();
    for stream in &quiet {
        let mut stream = stream;
        // It may be closed already.
        let _ = stream.write_all(b"\x16\x03\x01\xff\xff nonsense\n");
    }
    assert!(room.view.room().0.learners().is_empty());
    try_out(&mut room.joined(None)).unwrap();
    assert_eq!(room.next(), Change::Joined);
}

#[test]
fn who_is_in_and_talks_nonsense_or_too_much_is_put_out() {
    let room = Open::new();
    let hello = FromLearner::Hello { id: "b".repeat(32), number: None, name: None };
    let mut twice = Connection::open(&room.joined(None)).unwrap();
    assert!(twice.ask(&hello).unwrap_err().contains("already"));
    let mut much = Connection::open(&room.joined(None)).unwrap();
    let lines = (0..100).flat_map(|step| wire::line(&FromLearner::Facts { facts: at(&step.to_string()), idle: u64::MAX }));
    much.stream.write_all(&lines.collect::<Vec<u8>>()).and_then(|()| much.stream.flush()).unwrap();
    let refused = (0..100).find_map(|_| much.answer().err());
    assert!(refused.unwrap().contains("in a second"));
}
