//! A worker: becomes an ordinary user, takes connections, ends when the master says so.

use std::net::TcpListener;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use super::answer::{Logs, Port};
use super::master::{FATAL, PORTS};
use super::{Invocation, Model};
use crate::kernel::{self, exec, ids, poll, process, reaper, signals};
use crate::toolbox::failure::Failure;
use crate::toolbox::http::{self, Connections, Handler};
use crate::toolbox::init;

/// How long requests may take after the order to end gracefully.
const PATIENCE: Duration = Duration::from_secs(600);

/// Serves until the master says that it is enough.
pub fn run(invocation: &Invocation) -> Result<u8, Failure> {
    reaper::set_name("nginx");
    // A terminal's ^C goes to the whole group: only the master decides.
    let mut waiting =
        signals::Signals::block(&[process::Signal::SIGTERM, process::Signal::SIGQUIT, process::Signal::SIGINT, process::Signal::SIGUSR1])?;
    process::die_with_parent(process::Signal::SIGTERM)?;
    let model = Arc::new(invocation.model().map_err(|mistake| Failure::new(1, format_args!("[emerg] {mistake}")))?);
    let logs = Arc::new(Logs::open(&model));
    become_worker(&model, &logs)?;
    // The change of ids took the wish away (prctl(2)).
    process::die_with_parent(process::Signal::SIGTERM)?;
    let ports = inherited_ports()?;
    let handlers: Vec<Arc<dyn Handler>> =
        ports.iter().map(|(port, _)| Arc::new(Port::new(model.clone(), *port, logs.clone())) as Arc<dyn Handler>).collect();
    let connections = Arc::new(Connections::default());
    let end = work(&mut waiting, &ports, &handlers, &connections)?;
    if end == process::Signal::SIGQUIT as i32 {
        logs.error("notice", "gracefully shutting down");
        drop(ports);
        connections.close(PATIENCE);
    }
    logs.error("notice", "exiting");
    Ok(0)
}

/// Takes connections until a signal ends that; gives the signal.
fn work(
    waiting: &mut signals::Signals,
    ports: &[(u16, TcpListener)],
    handlers: &[Arc<dyn Handler>],
    connections: &Arc<Connections>,
) -> Result<i32, Failure> {
    loop {
        let watched: Vec<BorrowedFd<'_>> = std::iter::once(waiting.as_fd()).chain(ports.iter().map(|(_, port)| port.as_fd())).collect();
        let ready = poll::readable(&watched, None)?;
        while let Some(signal) = waiting.next()? {
            if [process::Signal::SIGQUIT as i32, process::Signal::SIGTERM as i32].contains(&signal) {
                return Ok(signal);
            }
        }
        for at in ready.into_iter().filter(|at| *at > 0) {
            // Another worker may have been quicker.
            if let Ok((stream, _)) = ports[at - 1].1.accept() {
                stream.set_nonblocking(false)?;
                http::begin(stream, &handlers[at - 1], connections);
            }
        }
    }
}

/// Only root can become somebody else; whoever started the master as an ordinary user stays that.
fn become_worker(model: &Model, logs: &Logs) -> Result<(), Failure> {
    if ids::effective().0 != 0 {
        logs.error("warn", "the \"user\" directive makes sense only if the master process runs with super-user privileges, ignored");
        return Ok(());
    }
    let (user, group, _) = init::user(&model.user)
        .map_err(|failure| Failure::new(1, format_args!("[emerg] getpwnam(\"{}\") failed: {}", model.user, failure.message)))?;
    let refused = |error: kernel::Error| Failure::new(FATAL, format_args!("[emerg] cannot become the user {}: {error}", model.user));
    if ids::setgroups_allowed() {
        ids::set_groups(&[group]).map_err(refused)?;
    }
    ids::become_user(user, group).map_err(refused)
}

fn inherited_ports() -> Result<Vec<(u16, TcpListener)>, Failure> {
    let text = std::env::var(PORTS).unwrap_or_default();
    let pairs = text
        .split(',')
        .filter_map(|pair| pair.split_once(':'))
        .filter_map(|(number, port)| Some((number.parse().ok()?, port.parse().ok()?)));
    pairs.map(|(number, port): (i32, u16)| Ok((port, TcpListener::from(exec::inherited(number)?)))).collect()
}
