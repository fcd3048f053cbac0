//! A host, seen from outside: one connection to its control socket per request.

use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::protocol::{self, FromHost, FromKeeper, ToHost, ToKeeper};
use super::{Error, Exit, Probe};
use crate::kernel::error::Errno;
use crate::kernel::{exec, poll, socket};

/// How long a host may take to answer a request.
const PATIENCE: Duration = Duration::from_secs(30);

/// A host of a bottle: a node with its own processes, mounts and network.
#[derive(Debug)]
pub struct Host {
    name: String,
    socket: PathBuf,
}

impl Host {
    /// The host `name` that answers on `socket`.
    pub(super) fn new(name: &str, socket: PathBuf) -> Self {
        Host { name: name.to_owned(), socket }
    }

    /// Its name, which is its hostname too.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Starts a program on the host.
    ///
    /// # Errors
    /// The program does not exist there or cannot be executed (errno as of execve(2)), or the host is gone.
    pub fn spawn(&self, run: &Run) -> Result<Running, Error> {
        match self.try_spawn(run) {
            // Entering the host's cgroup is all that is ever busy.
            Err(Error::Refused { errno: Some(errno), .. }) if errno == Errno::EBUSY as i32 => {
                self.make_leaf()?;
                self.try_spawn(run)
            }
            other => other,
        }
    }

    /// Asks the keeper for a leaf of the host's cgroup, where programs can be started in spite of controllers that were handed down.
    fn make_leaf(&self) -> Result<(), Error> {
        let bottle = self.socket.ancestors().nth(3).ok_or_else(|| self.gone())?;
        let keeper = socket::connect(&bottle.join("keeper.sock")).map_err(|_| self.gone())?;
        protocol::send(keeper.as_fd(), &ToKeeper::MakeLeaf(self.name.clone()), &[]).map_err(|_| self.gone())?;
        match protocol::receive::<FromKeeper>(keeper.as_fd()).ok().flatten().ok_or_else(|| self.gone())?.0 {
            FromKeeper::Failed(failure) => Err(failure.into()),
            FromKeeper::World(_) => Ok(()),
        }
    }

    /// Has the host start programs in the cgroup behind `doors`.
    ///
    /// # Errors
    /// The host is gone.
    pub(super) fn start_in(&self, doors: &[OwnedFd]) -> Result<(), Error> {
        self.ask(&ToHost::Doors, doors).map(drop)
    }

    fn try_spawn(&self, run: &Run) -> Result<Running, Error> {
        let (answer, descriptors) = self.ask(&ToHost::Spawn(run.clone()), &[])?;
        let FromHost::Started { pid } = answer else { return Err(self.refused(answer)) };
        let mut descriptors = descriptors.into_iter();
        let (Some(control), Some(reason)) = (descriptors.next(), descriptors.next()) else { return Err(self.gone()) };
        // The pipe closes with a successful execve; otherwise the errno is in it.
        if let Some(reason) = poll::read_some(reason.as_fd()).map_err(Error::at(format!("start a program on `{}`", self.name)))? {
            let errno =
                std::str::from_utf8(&reason).ok().and_then(|text| text.parse().ok()).unwrap_or(crate::kernel::error::Errno::EIO as i32);
            return Err(self.not_executed(run, errno));
        }
        let mut running = Running { pid, tty: None, stdin: None, stdout: None, stderr: None, control, host: self.name.clone() };
        if run.tty.is_some() {
            running.tty = descriptors.next();
        } else {
            running.stdin = descriptors.next();
            running.stdout = descriptors.next();
            running.stderr = descriptors.next();
        }
        Ok(running)
    }

    /// Looks at something on the host without changing it.
    ///
    /// # Errors
    /// The host is gone.
    pub fn probe(&self, probe: &Probe) -> Result<serde_json::Value, Error> {
        self.begin_probe(probe).and_then(|looking| self.end_probe(&looking))
    }

    /// Begins to look at something: a child on the host does it while we go on. [`Host::end_probe`] has the answer.
    ///
    /// # Errors
    /// The host is gone.
    pub fn begin_probe(&self, probe: &Probe) -> Result<Looking, Error> {
        self.send(&ToHost::Probe(probe.clone()), &[]).map(Looking)
    }

    /// The answer of a look that was begun on this host.
    ///
    /// # Errors
    /// The host is gone.
    pub fn end_probe(&self, looking: &Looking) -> Result<serde_json::Value, Error> {
        match self.hear(&looking.0)? {
            (FromHost::Value(value), _) => Ok(value),
            (FromHost::InFile, descriptors) => {
                let file = std::fs::File::from(descriptors.into_iter().next().ok_or_else(|| self.gone())?);
                serde_json::from_reader(std::io::BufReader::new(file)).map_err(|_| self.gone())
            }
            (other, _) => Err(self.refused(other)),
        }
    }

    /// Writes a file on the host, as its root, making missing folders above it.
    ///
    /// # Errors
    /// The write was refused there, or the host is gone.
    pub fn write_file(&self, path: &str, content: &[u8], mode: u32) -> Result<(), Error> {
        let content = exec::memory_file(content).map_err(Error::at(format!("write `{path}` on `{}`", self.name)))?;
        match self.ask(&ToHost::Write { path: path.to_owned(), mode }, &[content])? {
            (FromHost::Value(_), _) => Ok(()),
            (other, _) => Err(self.refused(other)),
        }
    }

    /// Has a file of ours on the host removed, and does not wait for it.
    ///
    /// # Errors
    /// The host is gone.
    pub(super) fn remove_file(&self, path: &str) -> Result<(), Error> {
        self.send(&ToHost::Remove { path: path.to_owned() }, &[]).map(drop)
    }

    /// The TCP ports that programs on the host listen on, beyond its own loopback.
    ///
    /// # Errors
    /// The host is gone.
    pub fn listening(&self) -> Result<Vec<u16>, Error> {
        match self.ask(&ToHost::Listening, &[])? {
            (FromHost::Value(ports), _) => serde_json::from_value(ports).map_err(|_| self.gone()),
            (other, _) => Err(self.refused(other)),
        }
    }

    /// Connects to a TCP port of the host, from inside it.
    ///
    /// # Errors
    /// Nobody listens there, or the host is gone.
    pub fn connect(&self, port: u16) -> Result<std::net::TcpStream, Error> {
        match self.ask(&ToHost::Connect { port }, &[])? {
            (FromHost::Value(_), descriptors) => Ok(descriptors.into_iter().next().ok_or_else(|| self.gone())?.into()),
            (other, _) => Err(self.refused(other)),
        }
    }

    /// Connects to a stream socket of the host by its path there, from inside it.
    ///
    /// # Errors
    /// Nobody listens there, or the host is gone.
    pub fn reach(&self, path: &str) -> Result<std::os::unix::net::UnixStream, Error> {
        match self.ask(&ToHost::Reach { path: path.to_owned() }, &[])? {
            (FromHost::Value(_), descriptors) => Ok(descriptors.into_iter().next().ok_or_else(|| self.gone())?.into()),
            (other, _) => Err(self.refused(other)),
        }
    }

    /// How a daemon of the host is: `waiting` (nobody has connected yet), `running`, `failed`. Asking starts none.
    ///
    /// # Errors
    /// The host has no such daemon, or is gone.
    pub fn daemon_state(&self, name: &str) -> Result<String, Error> {
        let order = ToHost::Daemon { name: name.to_owned(), verb: super::protocol::Verb::Status };
        match self.ask(&order, &[])? {
            (FromHost::Value(told), _) => Ok(told["state"].as_str().unwrap_or_default().to_owned()),
            (other, _) => Err(self.refused(other)),
        }
    }

    /// Tells the host of another.
    ///
    /// # Errors
    /// The host is gone, or its `/etc/hosts` cannot be written.
    pub(super) fn know(&self, address: std::net::Ipv4Addr, name: &str) -> Result<(), Error> {
        match self.ask(&ToHost::Know { address, name: name.to_owned() }, &[])? {
            (FromHost::Value(_), _) => Ok(()),
            (other, _) => Err(self.refused(other)),
        }
    }

    fn ask(&self, request: &ToHost, descriptors: &[OwnedFd]) -> Result<(FromHost, Vec<OwnedFd>), Error> {
        self.send(request, descriptors).and_then(|connection| self.hear(&connection))
    }

    fn send(&self, request: &ToHost, descriptors: &[OwnedFd]) -> Result<OwnedFd, Error> {
        let connection = socket::connect(&self.socket).map_err(|_| self.gone())?;
        let descriptors: Vec<_> = descriptors.iter().map(|fd| fd.as_fd()).collect();
        protocol::send(connection.as_fd(), request, &descriptors).map_err(|_| self.gone())?;
        Ok(connection)
    }

    fn hear(&self, connection: &OwnedFd) -> Result<(FromHost, Vec<OwnedFd>), Error> {
        let ready = poll::readable(&[connection.as_fd()], Some(poll::stretched(PATIENCE))).map_err(|_| self.gone())?;
        if ready.is_empty() {
            return Err(self.gone());
        }
        protocol::receive(connection.as_fd()).ok().flatten().ok_or_else(|| self.gone())
    }

    fn refused(&self, answer: FromHost) -> Error {
        match answer {
            FromHost::Failed(failure) => failure.into(),
            _ => self.gone(),
        }
    }

    fn gone(&self) -> Error {
        Error::Gone { name: self.name.clone() }
    }

    fn not_executed(&self, run: &Run, errno: i32) -> Error {
        let reason = crate::kernel::error::Errno::from_raw(errno);
        Error::Refused {
            doing: format!("start `{}` on `{}`", run.argv.join(" "), self.name),
            why: format!("execve: {reason:?} ({})", reason.desc()),
            errno: Some(errno),
            hint: None,
        }
    }
}

/// A look at a host that was begun and whose answer was not yet read.
#[derive(Debug)]
pub struct Looking(OwnedFd);

/// A program to start on a host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The program, looked up on the PATH of `env`, and its arguments.
    pub argv: Vec<String>,
    /// Added to the host's usual environment (PATH, HOME, USER, LOGNAME, SHELL, LANG, TERM).
    pub env: Vec<(String, String)>,
    /// Where it starts; empty is `/root`.
    pub cwd: String,
    /// A terminal of this many columns and rows instead of three pipes.
    pub tty: Option<(u16, u16)>,
    /// Run beside the learner's processes (cgroup `.service`), so that it does not count among them.
    pub service: bool,
}

/// A program that was started on a host.
#[derive(Debug)]
pub struct Running {
    /// Its process id in the host.
    pub pid: i32,
    /// The master side of its terminal, if it has one.
    pub tty: Option<OwnedFd>,
    /// The write end of its standard input, without a terminal.
    pub stdin: Option<OwnedFd>,
    /// The read end of its standard output, without a terminal.
    pub stdout: Option<OwnedFd>,
    /// The read end of its standard error, without a terminal.
    pub stderr: Option<OwnedFd>,
    /// Where the host tells how it ended, and takes signals for it. Readable when it has ended.
    pub(super) control: OwnedFd,
    host: String,
}

impl Running {
    /// Waits until it has ended.
    ///
    /// # Errors
    /// The host ended first.
    pub fn wait(&mut self) -> Result<Exit, Error> {
        let gone = || Error::Gone { name: self.host.clone() };
        let Ok(Some((message, _))) = socket::receive(self.control.as_fd()) else { return Err(gone()) };
        let text = String::from_utf8_lossy(&message).into_owned();
        match text.split_once(' ').and_then(|(kind, number)| Some((kind.to_owned(), number.parse().ok()?))) {
            Some((kind, number)) if kind == "signal" => Ok(Exit::Signal(number)),
            Some((_, number)) => Ok(Exit::Code(number)),
            None => Err(gone()),
        }
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// It has ended, or the host is gone.
    pub fn kill(&self, signal: i32) -> Result<(), Error> {
        socket::send(self.control.as_fd(), signal.to_string().as_bytes(), &[])
            .map_err(Error::at(format!("signal process {} on `{}`", self.pid, self.host)))
    }
}

/// The control socket of the host `name` in the folder of a bottle.
pub(super) fn control_socket(bottle: &Path, name: &str) -> PathBuf {
    bottle.join("hosts").join(name).join("ctl.sock")
}
