//! A worker: becomes an ordinary user, takes connections, ends when the master says so.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
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
    let listen = model.servers.iter().flat_map(|server| &server.listen);
    let handler = |at: SocketAddr| Arc::new(Port::new(model.clone(), at, logs.clone())) as Arc<dyn Handler>;
    let handlers: Handlers = listen.map(|one| (one.at, handler(one.at))).collect();
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

/// What answers, by the addresses of `listen`.
type Handlers = BTreeMap<SocketAddr, Arc<dyn Handler>>;

/// Takes connections until a signal ends that; gives the signal.
fn work(
    waiting: &mut signals::Signals,
    ports: &[(SocketAddr, TcpListener)],
    handlers: &Handlers,
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
                // A socket for all addresses takes those too for which something else was said.
                let own = stream.local_addr().map(|own| SocketAddr::new(own.ip().to_canonical(), own.port()));
                if let Some(handler) = own.ok().and_then(|own| handlers.get(&own)).or_else(|| handlers.get(&ports[at - 1].0)) {
                    http::begin(stream, handler, connections);
                }
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

fn inherited_ports() -> Result<Vec<(SocketAddr, TcpListener)>, Failure> {
    let text = std::env::var(PORTS).unwrap_or_default();
    let pairs =
        text.split(',').filter_map(|pair| pair.split_once(':')).filter_map(|(number, at)| Some((number.parse().ok()?, at.parse().ok()?)));
    pairs.map(|(number, at): (i32, SocketAddr)| Ok((at, TcpListener::from(exec::inherited(number)?)))).collect()
}
