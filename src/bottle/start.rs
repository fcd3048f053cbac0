//! A program is started on a host: its cgroup, its terminal or its pipes, its environment, and the way back for its end.

use std::net::Ipv4Addr;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;

use super::{Error, Run, init};
use crate::kernel::error::Errno;
use crate::kernel::ns::CloneFlags;
use crate::kernel::{self, exec, poll, process, pty, reaper, signals, socket};

/// The folders that programs are looked for in; the toolbox comes last, so that the machine's own tools come first. Before them are only
/// those that speak with this host's init as systemd's speak with theirs.
const PATH: &str = "/run/bottleship/sbin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/run/bottleship/tools";

/// A program that has been started.
pub struct Started {
    /// Its number in the host.
    pub pid: i32,
    /// Our end of its control socket.
    pub control: OwnedFd,
    /// For the asker: control, the reason if the program could not be executed, and the terminal or the three pipes.
    pub theirs: Vec<OwnedFd>,
}

/// What the program gets as its standard descriptors.
enum Standard {
    Terminal(OwnedFd),
    Pipes([OwnedFd; 3]),
}

/// Starts `run`. That the program cannot be executed is told over the second descriptor of [`Started::theirs`], as the errno in text.
///
/// # Errors
/// No process, terminal or pipe is to be had: a limit of the host is reached.
pub fn start(run: &Run, host: &str, doors: &[OwnedFd]) -> Result<Started, Error> {
    let doing = || format!("start `{}` on `{host}`", run.argv.join(" "));
    let at = || Error::at(doing());
    let (control, their_control) = socket::pair().map_err(at())?;
    let (reason, tell_reason) = exec::pipe().map_err(at())?;
    let (standard, theirs) = standard(run).map_err(at())?;
    let environment = environment(run, host);
    let child = process::clone3(CloneFlags::empty(), None, || {
        let error = become_program(run, &standard, &environment, doors, &tell_reason);
        // If the host's init is gone, so is whoever asked.
        let _ = poll::write_all(tell_reason.as_fd(), (error.errno as i32).to_string().as_bytes());
        127
    });
    let child = child.map_err(at())?;
    let mut all = vec![their_control, reason];
    all.extend(theirs);
    Ok(Started { pid: child.pid, control, theirs: all })
}

fn standard(run: &Run) -> kernel::Result<(Standard, Vec<OwnedFd>)> {
    if let Some((columns, rows)) = run.tty {
        let (master, slave) = pty::pair(Path::new("/dev/ptmx"))?;
        pty::set_size(master.as_fd(), pty::Size { columns, rows })?;
        return Ok((Standard::Terminal(slave), vec![master]));
    }
    let (input, to_input) = exec::pipe()?;
    let (output, from_output) = exec::pipe()?;
    let (errors, from_errors) = exec::pipe()?;
    Ok((Standard::Pipes([input, from_output, from_errors]), vec![to_input, output, errors]))
}

/// Turns the calling clone into the program. Returns only the reason why it could not.
fn become_program(run: &Run, standard: &Standard, environment: &[(String, String)], doors: &[OwnedFd], keep: &OwnedFd) -> kernel::Error {
    let prepared = (|| {
        if !run.service {
            init::enter(doors)?;
        }
        signals::unblock_all()?;
        reaper::set_umask(0o022);
        match standard {
            Standard::Terminal(slave) => pty::login(slave.as_fd())?,
            Standard::Pipes(pipes) => {
                reaper::new_session()?;
                place_standard(pipes)?;
            }
        }
        exec::mark_rest(3)?;
        reaper::change_dir(Path::new(if run.cwd.is_empty() { "/root" } else { &run.cwd }))
    })();
    if let Err(error) = prepared {
        return error;
    }
    debug_assert!(std::os::fd::AsRawFd::as_raw_fd(keep) > 2);
    let Some(program) = run.argv.first() else { return kernel::Error::new("execve", "", Errno::EINVAL) };
    search(program, environment).iter().fold(kernel::Error::new("execve", program, Errno::ENOENT), |last, path| {
        let error = exec::exec(path, &run.argv, environment);
        // As execvp(3): a file that is there but not allowed is the better reason.
        if error.errno == Errno::ENOENT { last } else { error }
    })
}

fn place_standard(pipes: &[OwnedFd; 3]) -> kernel::Result<()> {
    let copies = pipes.iter().map(|pipe| exec::duplicate(pipe.as_fd())).collect::<kernel::Result<Vec<_>>>()?;
    exec::place_standard(copies.iter().map(|copy| copy.as_fd()).collect::<Vec<BorrowedFd<'_>>>())
}

/// The paths that a program's name stands for.
fn search(program: &str, environment: &[(String, String)]) -> Vec<String> {
    if program.contains('/') {
        return vec![program.to_owned()];
    }
    let path = environment.iter().rev().find(|(name, _)| name == "PATH").map_or(PATH, |(_, value)| value.as_str());
    path.split(':').map(|folder| format!("{folder}/{program}")).collect()
}

fn environment(run: &Run, host: &str) -> Vec<(String, String)> {
    let usual = [
        ("PATH", PATH),
        ("HOME", "/root"),
        ("USER", "root"),
        ("LOGNAME", "root"),
        ("SHELL", "/bin/bash"),
        ("LANG", "C.UTF-8"),
        ("TERM", "xterm-256color"),
        ("BOTTLESHIP_HOST", host),
    ];
    let given = |name: &str| run.env.iter().any(|(other, _)| other == name);
    let usual = usual.into_iter().filter(|(name, _)| !given(name)).map(|(name, value)| (name.to_owned(), value.to_owned()));
    usual.chain(run.env.iter().cloned()).collect()
}

/// The host's address on the switch, as its own `/etc/hosts` has it.
pub fn own_address() -> Ipv4Addr {
    let name = std::env::args().nth(2).unwrap_or_default();
    super::host_files::hosts().into_iter().find(|(_, known)| *known == name).map_or(Ipv4Addr::LOCALHOST, |(address, _)| address)
}
