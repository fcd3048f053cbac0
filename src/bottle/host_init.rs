//! PID 1 of a host: reaps, starts programs for those who ask on the control socket, and answers for the internet if that is its role.
//!
//! One request per connection. What could take time or meet hostile files (a look, a file, a connection) is done by a forked child that
//! answers by itself; starting a program is done here, because only a parent hears how it ended. Descriptors at the start: 3 to PID 1 of the
//! bottle, 4 the listener, from 5 on the doors of the host's cgroup and those for its daemons (see `host_boot`).

use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;

use super::daemon::{self, Daemon, Verb, engine};
use super::protocol::{self, Failure, FromHost, FromInit, ToHost};
use super::{Error, host_files, hub, probe, start};
use crate::kernel::ns::CloneFlags;
use crate::kernel::process::Signal;
use crate::kernel::signals::Signals;
use crate::kernel::{exec, poll, process, reaper, socket};
use crate::net::{Zone, dns, zone};

/// So many programs of the host itself may be connected without having asked anything.
const MOST_ASKING: usize = 16;

/// A program that somebody waits for.
struct Child {
    pid: i32,
    /// Its end is told here; a number that comes from here is a signal for it.
    control: OwnedFd,
}

/// The life of the PID 1 of host `name`.
///
/// # Errors
/// The host could not be made, or the bottle is gone.
pub fn main(name: &str) -> Result<(), Error> {
    reaper::set_name("host-init");
    serve(name)
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

fn serve(name: &str) -> Result<(), Error> {
    let doing = || format!("run the host `{name}`");
    let inherited = |number| exec::inherited(number).map_err(Error::at(doing()));
    let bottle = inherited(3)?;
    let failed = run(name, &bottle).err();
    if let Some(error) = &failed {
        // If PID 1 is gone so are we.
        let _ = protocol::send(bottle.as_fd(), &FromInit::Failed(error.into()), &[]);
    }
    failed.map_or(Ok(()), Err)
}

fn run(name: &str, bottle: &OwnedFd) -> Result<(), Error> {
    let doing = || format!("run the host `{name}`");
    let inherited = |number| exec::inherited(number).map_err(Error::at(doing()));
    let listener = inherited(4)?;
    let count: i32 = variable("BOTTLESHIP_DOORS").parse().unwrap_or(0);
    let mut doors = (0..2 * count).map(|door| inherited(5 + door)).collect::<Result<Vec<_>, _>>()?;
    let service_doors = doors.split_off(doors.len() / 2);
    let signals = Signals::block(&[Signal::SIGCHLD]).map_err(Error::at(doing()))?;
    let mut daemons = Vec::new();
    if variable("BOTTLESHIP_ROLE") == "internet" {
        be_the_internet()?;
        if hub::is_here() {
            daemons.push(Daemon::open(&hub::HUB).map_err(Error::at("listen for the Docker Hub"))?);
        }
    }
    let mut notes: Vec<String> = variable("BOTTLESHIP_NOTES").lines().map(str::to_owned).collect();
    daemons.extend(Daemon::open(&engine::ENGINE).map_err(|error| notes.push(format!("there is no engine: {error}"))));
    let inside = socket::listen(&Path::new(protocol::place::IN_HOST).join(daemon::CONTROL)).map_err(Error::at(doing()))?;
    protocol::send(bottle.as_fd(), &FromInit::HostReady { name: name.to_owned(), notes }, &[]).map_err(Error::at(doing()))?;
    HostInit { name: name.to_owned(), listener, doors, service_doors, signals, inside, waiting: Vec::new(), children: Vec::new(), daemons }
        .serve()
}

/// Starts a DNS server for each public resolver. Each is bound to its own address, so that its answers come from there.
fn be_the_internet() -> Result<(), Error> {
    let doing = "answer for the internet";
    for resolver in zone::RESOLVERS {
        let udp = UdpSocket::bind((resolver, 53));
        let sockets = udp.and_then(|udp| Ok((udp, TcpListener::bind((resolver, 53))?)));
        let (udp, tcp) =
            sockets.map_err(|error| crate::kernel::Error::from_io("bind", format!("{resolver}:53"), &error)).map_err(Error::at(doing))?;
        let server = process::clone3(CloneFlags::empty(), None, || {
            reaper::set_name("dns");
            i32::from(dns::serve(names, &udp, &tcp).is_err())
        });
        server.map_err(Error::at(doing))?;
    }
    Ok(())
}

/// What the internet knows: its sites, and the hosts of this bottle as `/etc/hosts` has them now.
fn names() -> Zone {
    let mut zone = Zone::internet();
    for (address, name) in host_files::hosts() {
        zone.insert(&name, address);
    }
    zone
}

struct HostInit {
    name: String,
    listener: OwnedFd,
    doors: Vec<OwnedFd>,
    /// Those of the cgroup for what the daemons start.
    service_doors: Vec<OwnedFd>,
    signals: Signals,
    /// Where programs of the host itself ask for its daemons.
    inside: OwnedFd,
    /// Connected, and nothing asked yet; whether it is a program of the host.
    waiting: Vec<(OwnedFd, bool)>,
    children: Vec<Child>,
    daemons: Vec<Daemon>,
}

impl HostInit {
    fn serve(&mut self) -> Result<(), Error> {
        loop {
            let fixed = [self.listener.as_fd(), self.signals.as_fd(), self.inside.as_fd()];
            let asking = self.waiting.iter().map(|(fd, _)| fd.as_fd());
            let controls = self.children.iter().map(|child| child.control.as_fd());
            let watched: Vec<(usize, BorrowedFd<'_>)> = self.watched().collect();
            let polled: Vec<BorrowedFd<'_>> =
                fixed.into_iter().chain(asking).chain(controls).chain(watched.iter().map(|one| one.1)).collect();
            let first_child = fixed.len() + self.waiting.len();
            let first_daemon = first_child + self.children.len();
            let watched: Vec<usize> = watched.iter().map(|one| one.0).collect();
            let ready = poll::readable(&polled, None).map_err(Error::at(format!("run the host `{}`", self.name)))?;
            let mut last_woken = usize::MAX;
            // From the back, so that taking one away moves none that is still to be looked at; the reaping comes last.
            for index in ready.into_iter().rev() {
                match index {
                    0 => self.accept(false),
                    1 => self.reap()?,
                    2 => self.accept(true),
                    // Once, however many of its sockets somebody has connected to: what it waits for is another thing after that.
                    _ if index >= first_daemon && watched[index - first_daemon] == last_woken => {}
                    _ if index >= first_daemon => {
                        last_woken = watched[index - first_daemon];
                        self.daemons[last_woken].wake(&self.service_doors);
                    }
                    _ if index >= first_child => self.signal(index - first_child),
                    _ => {
                        let (connection, inside) = self.waiting.remove(index - 3);
                        self.request(connection, inside);
                    }
                }
            }
        }
    }

    /// What the daemons wait for, each with the daemon's place.
    fn watched(&self) -> impl Iterator<Item = (usize, BorrowedFd<'_>)> {
        self.daemons.iter().enumerate().flat_map(|(at, daemon)| daemon.watched().into_iter().map(move |descriptor| (at, descriptor)))
    }

    fn accept(&mut self, inside: bool) {
        let listener = if inside { &self.inside } else { &self.listener };
        let asking = self.waiting.iter().filter(|(_, inside)| *inside).count();
        if let Ok(connection) = socket::accept(listener.as_fd())
            && (!inside || asking < MOST_ASKING)
        {
            self.waiting.push((connection, inside));
        }
    }

    fn daemon(&mut self, name: &str, verb: Verb, asker: OwnedFd) {
        match self.daemons.iter_mut().find(|daemon| daemon.is(name)) {
            Some(daemon) => daemon.obey(verb, asker, &self.service_doors),
            None => {
                let error = Error::Unsupported { what: "a daemon of that name", why: format!("this host has no `{name}`") };
                // If the asker has gone there is nobody to tell.
                let _ = protocol::send(asker.as_fd(), &FromHost::Failed((&error).into()), &[]);
            }
        }
    }

    /// One request, from outside or from inside the host.
    fn request(&mut self, connection: OwnedFd, inside: bool) {
        let Ok(Some((request, descriptors))) = protocol::receive::<ToHost>(connection.as_fd()) else { return };
        let request = match request {
            ToHost::Daemon { name, verb } => return self.daemon(&name, verb, connection),
            // Programs of the host itself may ask for no more.
            _ if inside => return,
            ToHost::Spawn(run) => return self.spawn(&connection, &run),
            ToHost::Doors => {
                self.doors = descriptors;
                // The keeper waits for it.
                let _ = protocol::send(connection.as_fd(), &FromHost::Value(serde_json::Value::Null), &[]);
                return;
            }
            other => other,
        };
        let answered = process::clone3(CloneFlags::empty(), None, || {
            // Refused only for a bad argument.
            let _ = crate::kernel::signals::unblock_all();
            answer(&connection, request, descriptors);
            0
        });
        if let Err(error) = answered {
            let error = Error::Kernel { doing: "look at the host".to_owned(), source: error };
            // If the asker has gone there is nobody to tell.
            let _ = protocol::send(connection.as_fd(), &FromHost::Failed((&error).into()), &[]);
        }
    }

    fn spawn(&mut self, connection: &OwnedFd, run: &super::Run) {
        match start::start(run, &self.name, &self.doors) {
            Ok(started) => {
                let descriptors: Vec<BorrowedFd<'_>> = started.theirs.iter().map(|fd| fd.as_fd()).collect();
                // If the asker has gone meanwhile, closing its end of the control socket is what ends the program's standard input.
                let _ = protocol::send(connection.as_fd(), &FromHost::Started { pid: started.pid }, &descriptors);
                self.children.push(Child { pid: started.pid, control: started.control });
            }
            Err(error) => {
                // If the asker has gone there is nobody to tell.
                let _ = protocol::send(connection.as_fd(), &FromHost::Failed((&error).into()), &[]);
            }
        }
    }

    /// A signal for a program, or the news that nobody waits for it any more.
    fn signal(&mut self, index: usize) {
        let child = &self.children[index];
        match socket::receive(child.control.as_fd()) {
            Ok(Some((message, _))) => {
                if let Some(signal) = std::str::from_utf8(&message).ok().and_then(|text| text.parse().ok()) {
                    // Our own child, not yet reaped: its number cannot be another's.
                    let _ = process::open(child.pid).and_then(|pidfd| process::signal(pidfd.as_fd(), signal));
                }
            }
            _ => {
                self.children.remove(index);
            }
        }
    }

    fn reap(&mut self) -> Result<(), Error> {
        let doing = || format!("reap on the host `{}`", self.name);
        while self.signals.next().map_err(Error::at(doing()))?.is_some() {}
        while let Some((pid, exit)) = reaper::reap().map_err(Error::at(format!("reap on the host `{}`", self.name)))? {
            self.daemons.iter_mut().for_each(|daemon| daemon.ended(pid, exit, &self.service_doors));
            if let Some(index) = self.children.iter().position(|child| child.pid == pid) {
                let child = self.children.remove(index);
                let (kind, number) = match exit {
                    process::Exit::Code(code) => ("code", code),
                    process::Exit::Signal(signal) => ("signal", signal),
                };
                // Nobody need wait for it any more.
                let _ = socket::send(child.control.as_fd(), format!("{kind} {number}").as_bytes(), &[]);
            }
        }
        Ok(())
    }
}

/// Answers one request, in a child of its own.
fn answer(connection: &OwnedFd, request: ToHost, descriptors: Vec<OwnedFd>) {
    let to = connection.as_fd();
    let done = match request {
        ToHost::Probe(probe) => return drop(protocol::answer(to, probe::answer(&probe), &[])),
        ToHost::Write { path, mode } => host_files::write(&path, mode, descriptors.into_iter().next()).map(|()| None),
        // The asker does not wait, and a file that is gone is as good.
        ToHost::Remove { path } => return drop(std::fs::remove_file(path)),
        ToHost::Know { address, name } => host_files::know(address, &name).map(|()| None),
        ToHost::Read { path } => host_files::open(&path).map(Some),
        ToHost::Connect { port } => connect(port).map(Some),
        ToHost::Listening => {
            return drop(protocol::answer(to, serde_json::json!(host_files::listening_ports(Path::new("/proc/net"))), &[]));
        }
        ToHost::Reach { path } => reach(&path).map(Some),
        ToHost::Spawn(_) | ToHost::Daemon { .. } | ToHost::Doors => return,
    };
    let sent = match done {
        Ok(Some(descriptor)) => protocol::send(to, &FromHost::Value(serde_json::Value::Null), &[descriptor.as_fd()]),
        Ok(None) => protocol::send(to, &FromHost::Value(serde_json::Value::Null), &[]),
        Err(error) => protocol::send(to, &FromHost::Failed(Failure::from(&error)), &[]),
    };
    // The asker may have lost its patience; there is nobody else to tell.
    drop(sent);
}

fn connect(port: u16) -> Result<OwnedFd, Error> {
    let stream = TcpStream::connect(("127.0.0.1", port)).or_else(|_| TcpStream::connect((super::start::own_address(), port)));
    stream.map(OwnedFd::from).map_err(|error| Error::Kernel {
        doing: format!("connect to port {port} of the host"),
        source: crate::kernel::Error::from_io("connect", port, &error),
    })
}

fn reach(path: &str) -> Result<OwnedFd, Error> {
    socket::connect_stream(Path::new(path)).map_err(Error::at(format!("connect to `{path}` of the host")))
}
