//! The master: holds the ports, keeps the workers alive, obeys signals.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command};

use super::answer::append;
use super::model::{Listen, Model};
use super::{Invocation, log_line};
use crate::kernel::{exec, poll, process, reaper, signals, socket};
use crate::toolbox::failure::{Failure, reason};

/// The variable that tells a process of nginx which one it is.
pub const ROLE: &str = "BOTTLESHIP_NGINX";
/// The sockets that a worker inherits: `descriptor:address:port` each.
pub const PORTS: &str = "BOTTLESHIP_NGINX_PORTS";
/// The arguments of a master or worker, as JSON: their command line is their title.
pub const ARGUMENTS: &str = "BOTTLESHIP_NGINX_ARGUMENTS";
/// A worker's code for: another one could not begin either.
pub const FATAL: u8 = 2;
/// This program, whatever it is called.
const SELF: &str = "/proc/self/exe";

/// Becomes the master: the same program once more, under the title that `ps` shows. In the background if the configuration wants that.
pub fn begin(invocation: &Invocation, model: &Model, args: &[String]) -> Result<u8, Failure> {
    let mut command = Command::new(SELF);
    command.arg0(format!("nginx: master process {}", invocation.line)).env(ARGUMENTS, as_json(args)).env(ROLE, "master");
    if !model.daemon {
        let error = command.exec();
        return Err(Failure::new(1, format_args!("[emerg] exec failed: {}", reason(&error))));
    }
    // Bound here first, so that a port that is taken is told to whoever started us.
    bind(model, &mut BTreeMap::new())?;
    command.process_group(0).spawn().map_err(|error| Failure::new(1, format_args!("[emerg] fork failed: {}", reason(&error))))?;
    Ok(0)
}

fn as_json(words: &[String]) -> String {
    serde_json::json!(words).to_string()
}

struct Master<'a> {
    invocation: &'a Invocation,
    model: Model,
    ports: BTreeMap<SocketAddr, TcpListener>,
    workers: Vec<Child>,
    /// So many places of workers stay empty: whoever took them could not even begin, and a successor could not either.
    lost: usize,
    /// Those of an old configuration, which end when their requests have.
    old: Vec<Child>,
}

/// Runs as the master until a signal ends it.
pub fn run(invocation: &Invocation) -> Result<u8, Failure> {
    reaper::set_name("nginx");
    let emergency = |mistake: String| Failure::new(1, format_args!("[emerg] {mistake}"));
    let model = invocation.model().map_err(emergency)?;
    let mut ports = BTreeMap::new();
    bind(&model, &mut ports)?;
    // Where it cannot be written (a read-only root) `nginx -s` will not find us; serving is possible all the same.
    let _ = std::fs::write(&model.pid, format!("{}\n", std::process::id()));
    let mut waiting = signals::Signals::block(&[
        process::Signal::SIGTERM,
        process::Signal::SIGINT,
        process::Signal::SIGQUIT,
        process::Signal::SIGHUP,
        process::Signal::SIGUSR1,
        process::Signal::SIGWINCH,
        process::Signal::SIGCHLD,
    ])?;
    let mut master = Master { invocation, model, ports, workers: Vec::new(), lost: 0, old: Vec::new() };
    master.notice(&format!("nginx/{} (a stand-in by Bottleship {})", super::answer::version(), env!("CARGO_PKG_VERSION")));
    master.notice("start worker processes");
    master.start_workers()?;
    loop {
        poll::readable(&[waiting.as_fd()], None)?;
        while let Some(signal) = waiting.next()? {
            if master.obey(signal)? {
                master.notice("exit");
                // It is gone with the container otherwise.
                let _ = std::fs::remove_file(&master.model.pid);
                return Ok(0);
            }
        }
    }
}

impl Master<'_> {
    /// Does what the signal asks for; true if that is to end.
    fn obey(&mut self, signal: i32) -> Result<bool, Failure> {
        const TERM: i32 = process::Signal::SIGTERM as i32;
        const INT: i32 = process::Signal::SIGINT as i32;
        const QUIT: i32 = process::Signal::SIGQUIT as i32;
        const HUP: i32 = process::Signal::SIGHUP as i32;
        const USR1: i32 = process::Signal::SIGUSR1 as i32;
        const CHLD: i32 = process::Signal::SIGCHLD as i32;
        match signal {
            TERM | INT | QUIT => {
                let (name, how) = match signal {
                    TERM => ("15 (SIGTERM)", "exiting"),
                    INT => ("2 (SIGINT)", "exiting"),
                    _ => ("3 (SIGQUIT)", "shutting down"),
                };
                self.notice(&format!("signal {name} received, {how}"));
                self.end_workers(signal);
                return Ok(true);
            }
            HUP => self.reload()?,
            USR1 => {
                self.notice("signal 10 (SIGUSR1) received, reopening logs");
                self.replace_workers()?;
            }
            CHLD => self.reap()?,
            _ => {}
        }
        Ok(false)
    }

    fn reload(&mut self) -> Result<(), Failure> {
        self.notice("signal 1 (SIGHUP) received, reconfiguring");
        let read = self.invocation.model();
        let bound = read.and_then(|model| bind(&model, &mut self.ports).map(|()| model).map_err(|failure| failure.message));
        match bound {
            Ok(model) => {
                let wanted = model.sockets();
                self.ports.retain(|at, _| wanted.iter().any(|one| one.at == *at));
                self.model = model;
                self.notice("start worker processes");
                self.replace_workers()
            }
            // The old configuration goes on.
            Err(mistake) => {
                self.log("emerg", mistake.trim_start_matches("[emerg] "));
                Ok(())
            }
        }
    }

    fn replace_workers(&mut self) -> Result<(), Failure> {
        let retired = std::mem::take(&mut self.workers);
        self.lost = 0;
        self.start_workers()?;
        retired.iter().for_each(|worker| tell(worker, process::Signal::SIGQUIT as i32));
        self.old.extend(retired);
        Ok(())
    }

    fn start_workers(&mut self) -> Result<(), Failure> {
        while self.workers.len() + self.lost < self.model.workers {
            let worker = self.start_worker().map_err(|error| Failure::new(1, format_args!("[alert] fork() failed: {}", reason(&error))))?;
            self.notice(&format!("start worker process {}", worker.id()));
            self.workers.push(worker);
        }
        Ok(())
    }

    /// The ports are duplicated without the mark that closes them on exec(3); our own descriptors stay marked.
    fn start_worker(&self) -> std::io::Result<Child> {
        let mut numbers = Vec::new();
        let mut pairs = Vec::new();
        for (at, listener) in &self.ports {
            let copy = exec::duplicate(listener.as_fd()).and_then(exec::leave_open);
            let number = copy.map_err(|error| std::io::Error::from_raw_os_error(error.errno as i32))?;
            numbers.push(number);
            pairs.push(format!("{number}:{at}"));
        }
        let arguments = ["-c".to_owned(), self.invocation.file.display().to_string(), "-g".to_owned(), self.invocation.directives.clone()];
        let mut command = Command::new(SELF);
        command.arg0("nginx: worker process").env(ARGUMENTS, as_json(&arguments)).env(ROLE, "worker").env(PORTS, pairs.join(","));
        let child = command.spawn();
        // The copies were for the worker: taken back, they are closed.
        numbers.into_iter().for_each(|number| drop(exec::inherited(number)));
        child
    }

    fn end_workers(&mut self, signal: i32) {
        let signal = if signal == process::Signal::SIGINT as i32 { process::Signal::SIGTERM as i32 } else { signal };
        let mut all: Vec<Child> = self.workers.drain(..).chain(self.old.drain(..)).collect();
        all.iter().for_each(|worker| tell(worker, signal));
        for worker in &mut all {
            let code = worker.wait().ok().and_then(|status| status.code());
            let how = code.map_or("was killed".to_owned(), |code| format!("exited with code {code}"));
            self.notice(&format!("worker process {} {how}", worker.id()));
        }
    }

    /// A worker that ended unasked gets a successor, unless it could not become one at all; as PID 1 the master also reaps strangers.
    fn reap(&mut self) -> Result<(), Failure> {
        while let Some((pid, exit)) = reaper::reap()? {
            let known = |worker: &Child| i32::try_from(worker.id()) == Ok(pid);
            let code = exit.shell_code();
            if code == i32::from(FATAL) && self.workers.iter().any(known) {
                self.log("alert", &format!("worker process {pid} exited with fatal code {FATAL} and cannot be respawned"));
                self.lost += 1;
            } else if self.workers.iter().chain(&self.old).any(known) {
                self.notice(&format!("worker process {pid} exited with code {code}"));
            }
            self.workers.retain(|worker| !known(worker));
            self.old.retain(|worker| !known(worker));
        }
        self.start_workers()
    }

    fn notice(&self, text: &str) {
        self.log("notice", text);
    }

    fn log(&self, level: &str, text: &str) {
        use std::io::Write as _;
        append(&self.model.error_log).map(|mut file| file.write_all(log_line(level, text).as_bytes()));
    }
}

fn tell(worker: &Child, signal: i32) {
    let handle = i32::try_from(worker.id()).ok().and_then(|pid| process::open(pid).ok());
    // One that has ended needs no signal.
    let _ = handle.map(|handle| process::signal(handle.as_fd(), signal));
}

/// Binds the sockets that are not bound yet.
fn bind(model: &Model, ports: &mut BTreeMap<SocketAddr, TcpListener>) -> Result<(), Failure> {
    for one in model.sockets() {
        if let std::collections::btree_map::Entry::Vacant(free) = ports.entry(one.at) {
            let listener = bound(&one).map_err(|error| {
                let number = error.raw_os_error().unwrap_or(0);
                Failure::new(1, format_args!("[emerg] bind() to {} failed ({number}: {})", one.at, reason(&error)))
            })?;
            // Several workers wait for the same connections: who comes too late must not hang in accept(2).
            listener.set_nonblocking(true)?;
            free.insert(listener);
        }
    }
    Ok(())
}

fn bound(one: &Listen) -> std::io::Result<TcpListener> {
    match one.at {
        SocketAddr::V6(six) if !one.both => socket::listen_ipv6(six).map_err(|error| std::io::Error::from_raw_os_error(error.errno as i32)),
        at => TcpListener::bind(at),
    }
}
