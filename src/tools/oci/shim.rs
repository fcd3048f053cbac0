//! `--shim`: a process of ours that stays with a container.
//!
//! ```text
//!  oci create --shim ── clone3 ──> shim ── clone3 ──> the container's first process
//!    <── made, or why not ──────────┤  pipes or terminal <── stdout, stderr
//!    ends                           │  log.json: what it says, line by line
//!                                   └─ exit.json: how it ended; then the shim ends
//! ```
//!
//! Whoever asked for the container may end: the shim is its parent, in a session of its own, and holds its pidfd and its output. It is a copy of this
//! small process, single-threaded from birth, and rests in poll(2). Both files are opened before the container runs and stay those of
//! this container, even when its id is deleted and taken again. The log has the shape of Docker's `json-file` driver. Left out: attaching to a
//! container's input, which is the engine's.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use nix::sched::CloneFlags;
use serde_json::{Value, json};

use super::{Context, lifecycle, log::Log, terminal};
use crate::kernel::process::{self, Exit, Process};
use crate::kernel::{exec, poll, socket};
use crate::oci::runtime::{self, Created, Error, Request, Result};

/// The longest piece of a line that goes into one record of the log, as in Docker.
const PIECE: usize = 16 * 1024;
/// How long the last output of a container that has ended may take to come.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// Creates the container in a shim, and waits until it is made.
///
/// # Errors
/// The container's own, or the shim cannot be started.
pub fn create(context: &Context, request: &Request<'_>) -> Result<ExitCode> {
    let (ours, theirs) = socket::pair()?;
    let shim = process::clone3(CloneFlags::empty(), None, || {
        crate::kernel::program::close(&ours);
        i32::from(live(context, request, theirs).is_err())
    })?;
    let Some((answer, _)) = socket::receive(ours.as_fd())? else {
        let exit = process::wait(shim.fd.as_fd())?;
        return Err(Error::new("the shim ended before the container was made").hint(format!("it ended with {}", exit.shell_code())));
    };
    let answer: std::result::Result<Vec<Error>, Error> =
        serde_json::from_slice(&answer).map_err(|error| Error::new(format!("the shim's answer: {error}")))?;
    answer?.iter().for_each(|warning| Log::default().warn(warning));
    Ok(ExitCode::SUCCESS)
}

/// What the shim reads from.
struct Streams {
    /// Name in the log, and the end to read; none when it has ended.
    open: Vec<(&'static str, OwnedFd)>,
}

fn live(context: &Context, request: &Request<'_>, caller: OwnedFd) -> Result<()> {
    let answer = move |answer: std::result::Result<Vec<Error>, &Error>| {
        let bytes = serde_json::to_vec(&answer).unwrap_or_default();
        socket::send(caller.as_fd(), &bytes, &[])
    };
    match make(context, request) {
        Ok((created, streams, log, exit)) => {
            let Created { entry, state, process, warnings, .. } = created;
            // Others may kill and delete it from now on.
            drop(entry.release());
            answer(Ok(warnings))?;
            let ended = stay(&process, streams, log)?;
            keep(exit, ended)?;
            context.xray.exit(&format!("container/{}", state.id), ended.shell_code());
            Ok(())
        }
        Err(error) => {
            answer(Err(&error))?;
            Err(error)
        }
    }
}

/// Makes the container with its output in our hands.
fn make(context: &Context, request: &Request<'_>) -> Result<(Created, Streams, File, File)> {
    process::begin_session()?;
    let ((out, out_theirs), (err, err_theirs)) = (exec::pipe()?, exec::pipe()?);
    let null =
        OpenOptions::new().read(true).write(true).open("/dev/null").map_err(|error| Error::new(format!("open /dev/null: {error}")))?;
    exec::place_standard(vec![null.as_fd(), out_theirs.as_fd(), err_theirs.as_fd()])?;
    drop((out_theirs, err_theirs));
    let mut created = runtime::create(request)?;
    let begun = begin(context, request, &mut created);
    // Our own ends go, or we would wait for ourselves at the end.
    exec::place_standard(vec![null.as_fd(), null.as_fd(), null.as_fd()])?;
    match begun {
        Ok((log, exit)) => {
            let mut open = vec![("stdout", out), ("stderr", err)];
            open.extend(created.console.take().map(|master| ("stdout", master)));
            Ok((created, Streams { open }, log, exit))
        }
        Err(error) => {
            let _ = process::signal(created.process.fd.as_fd(), nix::sys::signal::Signal::SIGKILL as i32);
            let _ = process::wait(created.process.fd.as_fd());
            Err(error)
        }
    }
}

fn begin(context: &Context, request: &Request<'_>, created: &mut Created) -> Result<(File, File)> {
    if context.arguments.value("console-socket").is_some()
        && let Some(console) = created.console.take()
    {
        terminal::send(context, &console)?;
    }
    if !request.wait {
        lifecycle::poststart(created);
    }
    Ok((open(&created.entry.log(), true)?, open(&created.entry.exit_file(), false)?))
}

fn open(path: &Path, append: bool) -> Result<File> {
    let opened = OpenOptions::new().create(true).write(true).append(append).open(path);
    opened.map_err(|error| Error::new(format!("make `{}`: {error}", path.display())))
}

/// Copies what the container says into the log until it has ended.
fn stay(process: &Process, streams: Streams, mut log: File) -> Result<Exit> {
    let mut streams: Vec<Stream> = streams.open.into_iter().map(|(name, from)| Stream { name, from, line: Vec::new() }).collect();
    let mut ended = None;
    loop {
        let mut watched: Vec<BorrowedFd<'_>> = streams.iter().map(|stream| stream.from.as_fd()).collect();
        if ended.is_none() {
            watched.push(process.fd.as_fd());
        }
        let ready = poll::readable(&watched, ended.map(|_| LAST_WORDS))?;
        let (all, count) = (watched.len(), streams.len());
        drop(watched);
        if ended.is_none() && ready.contains(&(all - 1)) {
            ended = Some(process::wait(process.fd.as_fd())?);
        }
        let over: Vec<usize> = ready.iter().copied().filter(|place| *place < count && !streams[*place].copy(&mut log)).collect();
        // From the back, so that the places before stay what they are.
        over.into_iter().rev().for_each(|place| streams.remove(place).end(&mut log));
        if let Some(exit) = ended
            && (streams.is_empty() || ready.is_empty())
        {
            streams.into_iter().for_each(|stream| stream.end(&mut log));
            return Ok(exit);
        }
    }
}

/// One end of the container's output, and its line that is not complete yet.
struct Stream {
    name: &'static str,
    from: OwnedFd,
    line: Vec<u8>,
}

impl Stream {
    /// Takes what is there; false at its end.
    fn copy(&mut self, log: &mut File) -> bool {
        let Ok(Some(bytes)) = poll::read_some(self.from.as_fd()) else { return false };
        self.line.extend(bytes);
        while let Some(end) =
            self.line.iter().position(|byte| *byte == b'\n').map(|at| at + 1).or((self.line.len() >= PIECE).then_some(PIECE))
        {
            for piece in self.line.drain(..end).collect::<Vec<u8>>().chunks(PIECE) {
                record(log, self.name, piece);
            }
        }
        true
    }

    /// What is left of a last line without an end.
    fn end(self, log: &mut File) {
        if !self.line.is_empty() {
            record(log, self.name, &self.line);
        }
    }
}

/// A full disk loses output, not the container.
fn record(log: &mut File, stream: &str, piece: &[u8]) {
    let record = json!({ "log": String::from_utf8_lossy(piece), "stream": stream, "time": runtime::timestamp() });
    let _ = log.write_all(format!("{record}\n").as_bytes());
}

/// Keeps how it ended, in one write.
fn keep(mut file: File, exit: Exit) -> Result<()> {
    let ended: Value = json!({ "exitCode": exit.shell_code(), "exitedAt": runtime::timestamp() });
    file.write_all(format!("{ended}\n").as_bytes()).map_err(|error| Error::new(format!("write exit.json: {error}")))
}
