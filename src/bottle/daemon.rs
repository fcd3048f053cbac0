//! The daemons of a host: programs behind sockets that are there from the boot on, started when somebody connects, as systemd does with
//! `docker.socket`. So a host on which nobody types `docker` pays nothing for its engine.
//!
//! ```text
//!  waiting ──somebody connects──> starting ──it says that it answers──> running ──it dies──> starting
//!     ↑                              │ failed <──it ends before──┘          │    (its containers wait for it)
//!     └──────────── stopping <───────┴───────somebody stops it──────────────┘
//! ```
//!
//! The host's init holds the listeners in every state but `failed`: who connects while the daemon is being replaced waits and is served. The sockets of a
//! failed one refuse at once, so that a client says that the daemon does not run, and does not hang.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use super::Error;
use super::protocol::{self, FromHost, ToHost, place};
use crate::kernel::ns::CloneFlags;
use crate::kernel::process::Exit;
use crate::kernel::{self, exec, poll, process, reaper, signals, socket};

pub mod engine;

pub use super::protocol::Verb;

/// A daemon that dies this often within [`SPAN`] is not started again by itself.
const DEATHS: usize = 5;
const SPAN: Duration = Duration::from_secs(10);
/// Where programs of the host ask for what is done with a daemon.
pub const CONTROL: &str = "daemons.sock";
/// What programs of the host find others by.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A program of ours behind sockets.
pub struct Program {
    /// What people call it.
    pub name: &'static str,
    /// Opens its sockets.
    pub listen: fn() -> kernel::Result<Vec<OwnedFd>>,
    /// Its command line, for so many sockets. They are descriptors 3 and on; behind them comes the pipe, behind it the doors of the host's cgroup.
    pub argv: fn(usize) -> Vec<String>,
    /// More variables of its environment, for so many sockets and doors.
    pub environment: fn(usize, usize) -> Vec<(String, String)>,
    /// Whether it says on the pipe that it answers; otherwise it does as soon as it runs.
    pub says: bool,
    /// What it writes is here, in the `/run/bottleship` of the host.
    pub log: &'static str,
}

/// What a daemon does.
enum State {
    /// Nobody has connected yet.
    Waiting,
    /// It was started; the pipe is there until it has said what it says.
    Starting(i32, Option<OwnedFd>),
    /// It answers.
    Running(i32),
    /// It was told to end; whether another one is to take its place.
    Stopping(i32, bool),
    /// It could not be started.
    Failed,
}

/// One daemon of this host.
pub struct Daemon {
    program: &'static Program,
    listeners: Vec<OwnedFd>,
    state: State,
    deaths: Vec<Instant>,
    /// Who waits to hear how a verb ended.
    asking: Vec<OwnedFd>,
}

impl Daemon {
    /// Opens the sockets.
    ///
    /// # Errors
    /// There can be none at their place.
    pub fn open(program: &'static Program) -> kernel::Result<Self> {
        Ok(Daemon { program, listeners: (program.listen)()?, state: State::Waiting, deaths: Vec::new(), asking: Vec::new() })
    }

    /// What to wait for: somebody who connects, or the news that it answers.
    pub fn watched(&self) -> Vec<BorrowedFd<'_>> {
        match &self.state {
            State::Waiting => self.listeners.iter().map(|listener| listener.as_fd()).collect(),
            State::Starting(_, ready) => ready.iter().map(|ready| ready.as_fd()).collect(),
            State::Running(_) | State::Stopping(..) | State::Failed => Vec::new(),
        }
    }

    /// Something of [`Daemon::watched`] is readable. `doors` are those of the host's cgroup.
    pub fn wake(&mut self, doors: &[OwnedFd]) {
        match &self.state {
            State::Waiting => self.start(doors),
            State::Starting(pid, Some(ready)) => {
                let said = poll::read_some(ready.as_fd()).is_ok_and(|word| word.is_some());
                let answers = said || !self.program.says;
                self.state = if answers { State::Running(*pid) } else { State::Starting(*pid, None) };
            }
            State::Starting(_, None) | State::Running(_) | State::Stopping(..) | State::Failed => {}
        }
        self.tell();
    }

    /// A child of the host's init has ended.
    pub fn ended(&mut self, pid: i32, exit: Exit, doors: &[OwnedFd]) {
        match self.state {
            State::Running(own) if own == pid => self.start_again(doors),
            // Somebody has killed it while it was starting: whoever waits for it still does.
            State::Starting(own, _) if own == pid && matches!(exit, Exit::Signal(_)) => self.start_again(doors),
            State::Starting(own, _) if own == pid => self.fail(),
            State::Stopping(own, true) if own == pid => self.start(doors),
            State::Stopping(own, false) if own == pid => self.state = State::Waiting,
            _ => {}
        }
        self.tell();
    }

    /// Whether people call it so.
    pub fn is(&self, name: &str) -> bool {
        self.program.name == name
    }

    /// Does what somebody asks for, who hears on `asker` how it ended.
    pub fn obey(&mut self, verb: Verb, asker: OwnedFd, doors: &[OwnedFd]) {
        match (verb, &self.state) {
            (Verb::Stop, State::Starting(pid, _) | State::Running(pid) | State::Stopping(pid, _)) => self.stop(*pid, false),
            (Verb::Restart, State::Starting(pid, _) | State::Running(pid) | State::Stopping(pid, _)) => self.stop(*pid, true),
            (Verb::Reload, State::Running(pid)) => hang_up(*pid),
            (Verb::Start | Verb::Restart, State::Waiting | State::Failed) => self.begin(doors),
            (Verb::Start, State::Stopping(pid, _)) => self.state = State::Stopping(*pid, true),
            _ => {}
        }
        self.asking.push(asker);
        self.tell();
    }

    /// A person's start: what failed before is forgotten.
    fn begin(&mut self, doors: &[OwnedFd]) {
        self.deaths.clear();
        if self.listeners.is_empty() {
            self.listeners = (self.program.listen)().unwrap_or_default();
        }
        self.start(doors);
    }

    fn stop(&mut self, pid: i32, again: bool) {
        // Our own child, not yet reaped: its number cannot be another's, and one that is ending by itself will be told of as well.
        let _ = process::open(pid).and_then(|pidfd| process::signal(pidfd.as_fd(), process::Signal::SIGTERM as i32));
        self.state = State::Stopping(pid, again);
    }

    /// Tells those who wait, once there is something to tell.
    fn tell(&mut self) {
        let (state, pid) = match &self.state {
            State::Starting(..) | State::Stopping(..) => return,
            State::Waiting => ("waiting", None),
            State::Running(pid) => ("running", Some(*pid)),
            State::Failed => ("failed", None),
        };
        let answer = FromHost::Value(json!({ "state": state, "pid": pid, "log": Path::new(place::IN_HOST).join(self.program.log) }));
        for asker in self.asking.drain(..) {
            // One that has gone need not know.
            let _ = protocol::send(asker.as_fd(), &answer, &[]);
        }
    }

    fn start_again(&mut self, doors: &[OwnedFd]) {
        let now = Instant::now();
        self.deaths.retain(|death| now.duration_since(*death) < SPAN);
        self.deaths.push(now);
        if self.deaths.len() < DEATHS {
            self.start(doors);
        } else {
            self.fail();
        }
    }

    fn start(&mut self, doors: &[OwnedFd]) {
        match spawn(self.program, &self.listeners, doors) {
            Ok((pid, ready)) => self.state = State::Starting(pid, Some(ready)),
            Err(_) => self.fail(),
        }
    }

    /// Closing the listeners refuses those who wait, and those who come.
    fn fail(&mut self) {
        self.state = State::Failed;
        self.listeners.clear();
    }
}

/// Tells a daemon to read its files anew.
fn hang_up(pid: i32) {
    // As in `stop`.
    let _ = process::open(pid).and_then(|pidfd| process::signal(pidfd.as_fd(), process::Signal::SIGHUP as i32));
}

/// Asks the init of this host to do something with a daemon, and waits until it is done. Gives its state, as `obey` tells it.
///
/// # Errors
/// This is no host of a bottle, there is no such daemon, or the host is gone.
pub fn ask(name: &str, verb: Verb) -> Result<serde_json::Value, Error> {
    let doing = || Error::at(format!("ask this host's init for `{name}`"));
    let socket = socket::connect(&Path::new(place::IN_HOST).join(CONTROL)).map_err(doing())?;
    protocol::send(socket.as_fd(), &ToHost::Daemon { name: name.to_owned(), verb }, &[]).map_err(doing())?;
    match protocol::receive::<FromHost>(socket.as_fd()).map_err(doing())? {
        Some((FromHost::Value(value), _)) => Ok(value),
        Some((FromHost::Failed(failure), _)) => Err(failure.into()),
        _ => Err(Error::Gone { name: "this host's init".to_owned() }),
    }
}

/// Starts a daemon; gives its number, and the pipe on which it says that it answers.
fn spawn(program: &Program, listeners: &[OwnedFd], doors: &[OwnedFd]) -> kernel::Result<(i32, OwnedFd)> {
    let (ready, tell) = exec::pipe()?;
    let child = process::clone3(CloneFlags::empty(), None, || {
        // What could not be done is told by the end of the pipe.
        drop(become_daemon(program, listeners, tell.as_fd(), doors));
        127
    })?;
    Ok((child.pid, ready))
}

/// Turns the calling clone into the daemon. Returns only the reason why it could not.
fn become_daemon(program: &Program, listeners: &[OwnedFd], tell: BorrowedFd<'_>, doors: &[OwnedFd]) -> kernel::Result<()> {
    signals::unblock_all()?;
    reaper::set_umask(0o022);
    reaper::new_session()?;
    reaper::change_dir(Path::new("/"))?;
    let run = Path::new(place::IN_HOST);
    let open = |path: &Path| {
        let file = std::fs::OpenOptions::new().read(true).append(true).create(true).open(path);
        file.map(OwnedFd::from).map_err(|error| kernel::Error::from_io("open", path.display(), &error))
    };
    let log = open(&run.join(program.log))?;
    let mut places = vec![open(Path::new("/dev/null"))?, exec::duplicate(log.as_fd())?, log];
    let handed = listeners.iter().map(|listener| listener.as_fd());
    // One that says nothing is not given the pipe: that it closes when the program is executed is the word.
    let told = program.says.then_some(tell).into_iter().chain(doors.iter().map(|door| door.as_fd()).filter(|_| program.says));
    for descriptor in handed.chain(told) {
        places.push(exec::duplicate(descriptor)?);
    }
    exec::place(places)?;
    let mut environment = (program.environment)(listeners.len(), doors.len());
    environment.extend([("PATH", PATH), ("HOME", "/root")].map(|(name, value)| (name.to_owned(), value.to_owned())));
    Err(exec::exec(&run.join("bin/bottleship").display().to_string(), &(program.argv)(listeners.len()), &environment))
}
