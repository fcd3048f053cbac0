//! `--shim`: a process of ours that stays with a container, or with one further process in it.
//!
//! ```text
//!  oci create --shim ── clone3 ──> shim ── clone3 ──> the container's first process
//!    <── made, or why not ──────────┤  pipes or terminal ──> stdout, stderr; <── stdin
//!    ends                           │  log: what it says, line by line
//!                                   │  socket: whoever wants to see and type
//!                                   └─ exit.json: how it ended; then the shim ends
//! ```
//! For an engine the runtime stands by instead (`serve`), and the clone that does what was ordered stays as the shim.
//!
//! Whoever asked for the container may end: the shim is its parent, in a session of its own, and holds its pidfd, its output and its terminal. It is a
//! copy of this small process, single-threaded from birth, and rests in poll(2). Its files are opened before the container runs and stay those of
//! this container, even when its id is deleted and taken again. The log has the shape of Docker's `json-file` driver.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::{Context, exec as further, lifecycle, log::Log, terminal};
use crate::kernel::ns::CloneFlags;
use crate::kernel::process::{self, Exit, Process};
use crate::kernel::{exec, lock, poll, socket};
use crate::oci::runtime::hold::Hold;
use crate::oci::runtime::order::{Answer, Made};
use crate::oci::runtime::{self, Error, Request, Result};

mod clients;
mod record;
mod stay;

use record::Record;
use stay::Streams;

/// Creates the container in a shim, and waits until it is made.
///
/// # Errors
/// The container's own, or the shim cannot be started.
pub fn create(context: &Context, request: &Request<'_>) -> Result<ExitCode> {
    beside(context, |caller| {
        let hold = context.served.as_ref().map(|served| &served.order.hold);
        live(context, hold, caller, || make(context, request, hold))
    })
}

/// Runs a further process in a container, in a shim, as an engine has ordered it.
///
/// # Errors
/// As [`create`]; nobody has ordered it.
pub fn exec(context: &Context) -> Result<ExitCode> {
    let hold = context.served.as_ref().map(|served| &served.order.hold);
    let hold = hold.ok_or_else(|| Error::new("exec with a shim: only an engine orders it"))?;
    beside(context, |caller| live(context, Some(hold), caller, || join(context, hold)))
}

/// Whoever waits for the answer.
pub struct Caller {
    /// Hears it.
    pub socket: OwnedFd,
    /// Is given back then, whoever holds a copy.
    pub lock: Option<OwnedFd>,
}

impl Caller {
    /// Tells the answer, the only one.
    ///
    /// # Errors
    /// It has gone.
    pub fn answer(self, answer: &Answer) -> Result<()> {
        let mut line = serde_json::to_vec(answer).unwrap_or_default();
        line.push(b'\n');
        let told = poll::write_all(self.socket.as_fd(), &line);
        self.lock.iter().for_each(lock::give_back);
        told.map_err(Error::from)
    }
}

/// Clones the shim, and waits for its answer. What an engine has ordered runs in a clone already: that one stays.
fn beside(context: &Context, live: impl FnOnce(Caller) -> Result<()>) -> Result<ExitCode> {
    if let Some(caller) = context.served.as_ref().and_then(|served| served.caller()) {
        return live(caller).map(|()| ExitCode::SUCCESS);
    }
    let (ours, theirs) = socket::pair()?;
    let shim = process::clone3(CloneFlags::empty(), None, || {
        crate::kernel::program::close(&ours);
        i32::from(live(Caller { socket: theirs, lock: None }).is_err())
    })?;
    let Some((answer, _)) = socket::receive(ours.as_fd())? else {
        let exit = process::wait(shim.fd.as_fd())?;
        return Err(Error::new("the shim ended before the container was made").hint(format!("it ended with {}", exit.shell_code())));
    };
    let answer: Answer = serde_json::from_slice(&answer).map_err(|error| Error::new(format!("the shim's answer: {error}")))?;
    answer?.warnings.iter().for_each(|warning| Log::default().warn(warning));
    Ok(ExitCode::SUCCESS)
}

/// What a shim holds: the process, its ends of the streams, and where all is told.
struct Held {
    process: Process,
    streams: Streams,
    warnings: Vec<Error>,
    log: Option<Record>,
    exit: File,
    socket: Option<OwnedFd>,
}

fn live(context: &Context, hold: Option<&Hold>, caller: Caller, make: impl FnOnce() -> Result<Held>) -> Result<()> {
    let made = make();
    if context.served.is_some() {
        // Whoever looks on while the container runs wants to see how it was made. Elsewhere it is the one that waits for us who tells.
        context.xray.flush();
    }
    match made {
        Ok(held) => {
            caller.answer(&Ok(Made { pid: held.process.pid, warnings: held.warnings }))?;
            let (process, exit) = (held.process, held.exit);
            let mut keeper = stay::Keeper::new(held.streams, held.log, held.socket, hold);
            let ended = keeper.until_the_end(&process)?;
            keep(exit, ended)?;
            context.xray.exit(&format!("container/{}", lifecycle::id(context)?), ended.shell_code());
            keeper.farewell(ended.shell_code());
            Ok(())
        }
        Err(error) => {
            caller.answer(&Err(error.clone()))?;
            Err(error)
        }
    }
}

/// The other ends of a process's streams, to be put in place before it is made.
struct Ends {
    out: OwnedFd,
    err: OwnedFd,
    stdin: Option<OwnedFd>,
    null: File,
}

/// Makes pipes, and puts their other ends to where a new process takes them from.
fn pipes(stdin: bool) -> Result<Ends> {
    process::begin_session()?;
    let ((out, out_theirs), (err, err_theirs)) = (exec::pipe()?, exec::pipe()?);
    let null =
        OpenOptions::new().read(true).write(true).open("/dev/null").map_err(|error| Error::new(format!("open /dev/null: {error}")))?;
    let input = if stdin { Some(exec::pipe()?) } else { None };
    let read = input.as_ref().map_or_else(|| null.as_fd(), |(read, _)| read.as_fd());
    exec::place_standard(vec![read, out_theirs.as_fd(), err_theirs.as_fd()])?;
    Ok(Ends { out, err, stdin: input.map(|(_, write)| write), null })
}

impl Ends {
    /// The process is made: what is its is no longer ours, or we would wait for ourselves at the end.
    fn streams(self, console: Option<OwnedFd>) -> Result<Streams> {
        exec::place_standard(vec![self.null.as_fd(), self.null.as_fd(), self.null.as_fd()])?;
        Streams::new(self.out, self.err, self.stdin, console)
    }
}

/// Makes the container with its streams in our hands.
fn make(context: &Context, request: &Request<'_>, hold: Option<&Hold>) -> Result<Held> {
    let ends = pipes(hold.is_some_and(|hold| hold.stdin))?;
    let mut created = runtime::create(request)?;
    let begun = (|| {
        let console = created.console.take();
        if let Some(console) = console.as_ref().filter(|_| context.arguments.value("console-socket").is_some()) {
            terminal::send(context, console)?;
        }
        if !request.wait {
            lifecycle::poststart(&created);
        }
        let log = match hold {
            Some(hold) => hold.log.as_ref().map(|path| Record::open(path, hold)).transpose()?,
            None => Some(Record::open(&created.entry.log(), &Hold::default())?),
        };
        let socket = hold.map(|hold| socket::listen_stream(&hold.socket, 0o600)).transpose()?;
        Ok((open(&created.entry.exit_file())?, log, socket, console.filter(|_| context.arguments.value("console-socket").is_none())))
    })();
    match begun.and_then(|(exit, log, socket, console)| Ok((exit, log, socket, ends.streams(console)?))) {
        Ok((exit, log, socket, streams)) => {
            // Others may kill and delete it from now on.
            drop(created.entry.release());
            Ok(Held { process: created.process, streams, warnings: created.warnings, log, exit, socket })
        }
        Err(error) => {
            process::end(created.process.fd.as_fd());
            Err(error)
        }
    }
}

/// The same with a further process in a container.
fn join(context: &Context, hold: &Hold) -> Result<Held> {
    let exit = open(hold.exit.as_ref().ok_or_else(|| Error::new("exec with a shim: the order names no place for the end"))?)?;
    let ends = pipes(hold.stdin)?;
    // Before the process: nobody must miss its end.
    let socket = socket::listen_stream(&hold.socket, 0o600)?;
    let joined = further::begin(context)?;
    let streams = ends.streams(joined.console)?;
    Ok(Held { process: joined.process, streams, warnings: Vec::new(), log: None, exit, socket: Some(socket) })
}

fn open(path: &Path) -> Result<File> {
    let opened = OpenOptions::new().create(true).write(true).truncate(true).open(path);
    opened.map_err(|error| Error::new(format!("make `{}`: {error}", path.display())))
}

/// Keeps how it ended, in one write.
fn keep(mut file: File, exit: Exit) -> Result<()> {
    let ended: Value = json!({ "exitCode": exit.shell_code(), "exitedAt": runtime::timestamp() });
    file.write_all(format!("{ended}\n").as_bytes()).map_err(|error| Error::new(format!("write exit.json: {error}")))
}
