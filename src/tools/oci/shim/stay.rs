//! The loop of a shim: what the program writes goes to the log and to the clients, what clients type goes to the program, until it has ended.

use std::collections::VecDeque;
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::{Duration, Instant};

use super::clients::Client;
use super::record::Record;
use crate::kernel::poll::{self, Got, Interest};
use crate::kernel::process::{self, Exit, Process};
use crate::kernel::pty;
use crate::oci::runtime::Result;
use crate::oci::runtime::hold::{Frame, Hold};

/// The longest piece of a line that goes into one record of the log, as in Docker.
const PIECE: usize = 16 * 1024;
/// How long the last output of a container that has ended may take to come.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// How long clients may take to hear the end.
const FAREWELL: Duration = Duration::from_secs(10);
/// How long clients may take to come that are said to come.
const EXPECTED: Duration = Duration::from_secs(10);
/// So much input may wait for the program; more is not taken from the clients.
const TYPED_AHEAD: usize = 1 << 20;

/// The container's streams, our ends.
pub struct Streams {
    outputs: Vec<Output>,
    input: Option<Input>,
}

/// Where output comes from, and its line that is not complete yet.
struct Output {
    name: &'static str,
    from: OwnedFd,
    line: Vec<u8>,
    terminal: bool,
}

/// Where input goes to, and what of it waits.
struct Input {
    /// None: the terminal, whose master is an output.
    to: Option<OwnedFd>,
    waiting: VecDeque<u8>,
    ends: bool,
}

impl Streams {
    /// With a terminal all goes through it; the pipes stay empty.
    ///
    /// # Errors
    /// fcntl(2) refused.
    pub fn new(out: OwnedFd, err: OwnedFd, stdin: Option<OwnedFd>, console: Option<OwnedFd>) -> Result<Self> {
        let output = |name, from, terminal| Output { name, from, line: Vec::new(), terminal };
        let typed = console.is_some();
        let mut outputs = vec![output("stdout", out, false), output("stderr", err, false)];
        outputs.extend(console.map(|master| output("stdout", master, true)));
        for one in &outputs {
            poll::never_block(one.from.as_fd())?;
        }
        if let Some(stdin) = &stdin {
            poll::never_block(stdin.as_fd())?;
        }
        let to = if typed { None } else { stdin };
        let input = (typed || to.is_some()).then(|| Input { to, waiting: VecDeque::new(), ends: false });
        Ok(Streams { outputs, input })
    }
}

/// Who watches what, in the order of the descriptors that are polled.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Watched {
    Process,
    Listener,
    Output(usize),
    Input,
    Client(usize),
}

/// The shim's loop.
pub struct Keeper {
    streams: Streams,
    log: Option<Record>,
    listener: Option<OwnedFd>,
    socket: Option<std::path::PathBuf>,
    clients: Vec<Client>,
    stdin_once: bool,
    /// So many clients are still waited for, until then.
    expected: Option<(usize, Instant)>,
}

impl Keeper {
    /// A loop over these.
    pub fn new(streams: Streams, log: Option<Record>, listener: Option<OwnedFd>, hold: Option<&Hold>) -> Self {
        let socket = hold.map(|hold| hold.socket.clone());
        let expected = hold.filter(|hold| hold.clients > 0).map(|hold| (hold.clients, Instant::now() + EXPECTED));
        Keeper { streams, log, listener, socket, clients: Vec::new(), stdin_once: hold.is_some_and(|hold| hold.stdin_once), expected }
    }

    /// Serves until the process has ended and has said its last.
    ///
    /// # Errors
    /// poll(2) or waitid(2) refused.
    pub fn until_the_end(&mut self, process: &Process) -> Result<Exit> {
        let mut ended = None;
        loop {
            self.expect();
            let left = self.expected.map(|(_, until)| until.saturating_duration_since(Instant::now()));
            let ready = self.wait(ended.is_none().then_some(process), left.or(ended.map(|_| LAST_WORDS)))?;
            if ready.iter().any(|(watched, _)| *watched == Watched::Process) {
                ended = Some(process::wait(process.fd.as_fd())?);
            }
            // Of the program, and not of a client that talks on.
            let spoke = ready.iter().any(|(watched, _)| matches!(watched, Watched::Output(_) | Watched::Process));
            self.serve(&ready);
            if let Some(exit) = ended
                && self.expected.is_none()
                && (self.streams.outputs.is_empty() || (!spoke && !self.held_up()))
            {
                self.close_lines();
                return Ok(exit);
            }
        }
    }

    /// Tells all clients the end, and waits until they have heard it.
    pub fn farewell(&mut self, code: i32) {
        if let Some(socket) = &self.socket {
            // Whoever comes now is to see that nobody is here; a name that stays says the same by refusing.
            let _ = std::fs::remove_file(socket);
        }
        self.accept();
        self.listener = None;
        self.streams.input = None;
        for client in &mut self.clients {
            client.tell(&Frame::Ended(code));
        }
        let deadline = Instant::now() + FAREWELL;
        while self.clients.iter().any(|client| !client.is_served()) && Instant::now() < deadline {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(ready) = self.wait(None, Some(left)) else { return };
            self.serve(&ready);
            self.clients.retain(|client| !client.is_served());
        }
    }

    /// Whether those who are expected have come, or will not.
    fn expect(&mut self) {
        let here = self.clients.iter().filter(|client| client.is_known()).count();
        if self.expected.is_some_and(|(wanted, until)| here >= wanted || Instant::now() >= until) {
            self.expected = None;
        }
    }

    fn held_up(&self) -> bool {
        self.expected.is_some() || self.clients.iter().any(Client::is_behind)
    }

    fn wait(&self, process: Option<&Process>, patience: Option<Duration>) -> Result<Vec<(Watched, Interest)>> {
        let read = Interest { read: true, write: false };
        let mut watched = Vec::new();
        watched.extend(process.map(|process| (Watched::Process, process.fd.as_fd(), read)));
        watched.extend(self.listener.as_ref().map(|listener| (Watched::Listener, listener.as_fd(), read)));
        if !self.held_up() {
            watched.extend(self.streams.outputs.iter().enumerate().map(|(at, output)| (Watched::Output(at), output.from.as_fd(), read)));
        }
        let input = self.streams.input.as_ref().filter(|input| !input.waiting.is_empty());
        if let Some(to) = input.and_then(|input| self.destination(input)) {
            watched.push((Watched::Input, to, Interest { read: false, write: true }));
        }
        let full = self.streams.input.as_ref().is_some_and(|input| input.waiting.len() > TYPED_AHEAD);
        for (at, client) in self.clients.iter().enumerate() {
            let interest = client.interest();
            watched.push((Watched::Client(at), client.fd(), Interest { read: interest.read && !full, ..interest }));
        }
        let polled: Vec<_> = watched.iter().map(|(_, fd, interest)| (*fd, *interest)).collect();
        let ready = poll::ready(&polled, patience)?;
        Ok(watched.iter().map(|(who, ..)| *who).zip(ready).filter(|(_, ready)| ready.read || ready.write).collect())
    }

    fn destination<'a>(&'a self, input: &'a Input) -> Option<std::os::fd::BorrowedFd<'a>> {
        let master = || self.streams.outputs.iter().find(|output| output.terminal).map(|output| output.from.as_fd());
        input.to.as_ref().map(OwnedFd::as_fd).or_else(master)
    }

    fn serve(&mut self, ready: &[(Watched, Interest)]) {
        // From the back, so that the places before stay what they are when one goes.
        for (watched, interest) in ready.iter().rev() {
            match *watched {
                Watched::Process => {}
                Watched::Listener => self.accept(),
                Watched::Output(at) => self.output(at),
                Watched::Input => self.feed(),
                Watched::Client(at) => self.client(at, *interest),
            }
        }
        // What was just told may go at once: most sockets have room.
        for at in (0..self.clients.len()).rev() {
            if !self.clients[at].send() {
                self.leave(at);
            }
        }
        self.feed();
    }

    fn accept(&mut self) {
        let Some(listener) = &self.listener else { return };
        // There may be nobody: then accepting would wait.
        while poll::readable(&[listener.as_fd()], Some(Duration::ZERO)).is_ok_and(|ready| !ready.is_empty()) {
            let Some(client) = Client::accept(listener.as_fd()) else { return };
            self.clients.push(client);
        }
    }

    fn output(&mut self, at: usize) {
        let Some(output) = self.streams.outputs.get_mut(at) else { return };
        match poll::read_now(output.from.as_fd()) {
            Got::Bytes(bytes) => {
                let name = output.name;
                let logged = self.log.as_mut().is_some_and(|log| output.log(&bytes, log));
                for client in &mut self.clients {
                    client.tell_output(name, &bytes);
                    if logged {
                        client.tell_logged();
                    }
                }
            }
            Got::Nothing => {}
            Got::End => {
                let output = self.streams.outputs.remove(at);
                self.close_line(&output);
            }
        }
    }

    /// What is left of last lines without an end.
    fn close_lines(&mut self) {
        for output in std::mem::take(&mut self.streams.outputs) {
            self.close_line(&output);
        }
    }

    fn close_line(&mut self, output: &Output) {
        if let Some(log) = self.log.as_mut().filter(|_| !output.line.is_empty()) {
            log.add(output.name, &output.line);
            self.clients.iter_mut().for_each(Client::tell_logged);
        }
    }

    fn client(&mut self, at: usize, interest: Interest) {
        if !interest.read {
            return;
        }
        let Some(frames) = self.clients[at].listen() else { return self.leave(at) };
        for frame in frames {
            match frame {
                Frame::Input(bytes) => {
                    if let Some(input) = self.streams.input.as_mut().filter(|input| !input.ends) {
                        input.waiting.extend(bytes);
                    }
                }
                // Another client may still type where the program's input is not that of one client alone.
                Frame::InputEnd if self.stdin_once => self.end_input(),
                Frame::Size(columns, rows) => self.resize(pty::Size { columns, rows }),
                // Said by us and to us by nobody.
                _ => {}
            }
        }
    }

    fn leave(&mut self, at: usize) {
        let typed = self.clients.remove(at).types();
        if typed && self.stdin_once {
            self.end_input();
        }
    }

    /// A pipe is closed when all has been read; a terminal has no end of its own.
    fn end_input(&mut self) {
        if let Some(input) = self.streams.input.as_mut().filter(|input| input.to.is_some()) {
            input.ends = true;
        }
        self.feed();
    }

    fn resize(&self, size: pty::Size) {
        if let Some(master) = self.streams.outputs.iter().find(|output| output.terminal) {
            // A terminal that is gone needs no size.
            let _ = pty::set_size(master.from.as_fd(), size);
        }
    }

    fn feed(&mut self) {
        let Some(mut input) = self.streams.input.take() else { return };
        let mut open = true;
        while open && !input.waiting.is_empty() {
            let Some(to) = self.destination(&input) else { return };
            match poll::write_now(to, input.waiting.as_slices().0) {
                Ok(0) => break,
                Ok(count) => drop(input.waiting.drain(..count)),
                // It reads no more.
                Err(_) => open = false,
            }
        }
        let over = !open || (input.ends && input.waiting.is_empty());
        if !over {
            self.streams.input = Some(input);
        }
    }
}

impl Output {
    /// Adds whole lines, and pieces of very long ones, to the log; false if there was none yet.
    fn log(&mut self, bytes: &[u8], log: &mut Record) -> bool {
        self.line.extend(bytes);
        let mut logged = false;
        while let Some(end) =
            self.line.iter().take(PIECE).position(|byte| *byte == b'\n').map(|at| at + 1).or((self.line.len() >= PIECE).then_some(PIECE))
        {
            let piece: Vec<u8> = self.line.drain(..end).collect();
            log.add(self.name, &piece);
            logged = true;
        }
        logged
    }
}
