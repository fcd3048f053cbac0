//! The keeper: the one process of a bottle that is outside of it.
//!
//! It prepares what only the machine can give (ids, cgroups, views of its files), clones PID 1, has it make the hosts, records the journal, and
//! cleans up. It ends with the client that booted the bottle (their socket is its lifeline) or with PID 1, whichever goes first, and
//! takes the other along. If it is killed, PID 1 dies with it; what then stays are empty cgroups, which the client or the next start removes.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use super::ceiling::Hierarchies;
use super::protocol::{self, FromInit, FromKeeper, HostOverview, Overview, ToInit, ToKeeper};
use super::uplink::Uplink;
use super::world::{Layout, Trees, World};
use super::{Abilities, Error, Internet, Mode, Spec, abilities, ceiling, doctor, ids, init, seed, share, state, uplink, world};
use crate::journal::Recorder;
use crate::kernel::process::{self, Process, Signal};
use crate::kernel::{exec, inode, poll, reaper, socket, xray};

mod hosts;

/// How long PID 1 or a host may take to answer before the boot counts as failed. Booting takes well under a second on any machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long all may take to die before a look whether something is frozen; the first look is soon enough not to be felt.
const THAWING: Duration = Duration::from_millis(50);

/// The life of the keeper of the bottle `name`, whose client is on descriptor 3; `applets` are the names that our program answers to in
/// hosts. Gives the exit code.
pub fn main(name: &str, applets: Vec<String>) -> i32 {
    reaper::set_name("keeper");
    // Away from the client's terminal: its Ctrl-C is for what runs in the bottle. Refused only to the leader of a group, which a clone is not.
    let _ = reaper::new_session();
    let Ok(client) = exec::inherited(3) else { return 2 };
    let booted = boot(name, applets, &client);
    match booted {
        Ok(mut keeper) => {
            let answer = protocol::send(client.as_fd(), &FromKeeper::World(keeper.overview()), &[]);
            if answer.is_ok() {
                empty_the_bin();
                keeper.serve(client);
            }
            i32::from(!keeper.end().is_empty())
        }
        Err(error) => {
            // If the client is gone too there is nobody left to tell.
            let _ = protocol::send(client.as_fd(), &FromKeeper::Failed((&error).into()), &[]);
            1
        }
    }
}

/// Removes what earlier worlds have left, in a child that holds nothing of this one.
fn empty_the_bin() {
    let child = process::clone3(crate::kernel::ns::CloneFlags::empty(), None, || {
        reaper::set_name("empty-the-bin");
        i32::from(exec::close_all_but(&[]).map(|()| doctor::empty_the_bin()).is_err())
    });
    // Nobody waits for it: if we end first, PID 1 of the machine reaps it. If it cannot be made, the next boot tries again.
    drop(child);
}

/// How many processes in a bottle may be connected to its journal at a time.
const MOST_VOICES: usize = 64;

/// Somebody who writes into the journal.
struct Voice {
    socket: OwnedFd,
    /// Whether it is a process in the bottle.
    inside: bool,
}

/// A bottle from outside.
struct Keeper {
    world: World,
    init: Process,
    orders: OwnedFd,
    /// The way to the real internet, if there is one.
    uplink: Option<Uplink>,
    abilities: Abilities,
    hosts: Vec<HostOverview>,
    /// Whom the hosts trust besides, once there is one.
    authority: std::cell::OnceCell<super::hub::Authority>,
    /// Why a host did not come up, until somebody asks.
    failure: Option<Error>,
    recorder: Recorder,
    /// Where the recorder's clients connect: those in the bottle, whose word is marked as theirs, and those outside.
    journal: OwnedFd,
    outside: OwnedFd,
    /// Where other tools connect.
    tools: OwnedFd,
    since: u64,
    _lock: OwnedFd,
}

fn boot(name: &str, applets: Vec<String>, client: &OwnedFd) -> Result<Keeper, Error> {
    let Some((ToKeeper::Boot(spec), _)) = protocol::receive(client.as_fd()).map_err(Error::at("hear what to boot"))? else {
        return Err(Error::Gone { name: name.to_owned() });
    };
    let place = state::State::of(name)?;
    place.create()?;
    let lock = place.lock()?;
    let plan = plan(spec, place, applets)?;
    let recorder = Recorder::open(&plan.state.path("journal.jsonl")).map_err(Error::at("open the journal"))?;
    let journal = listen(&plan, &plan.state.path("hosts").join(seed::JOURNAL_SOCKET))?;
    let outside = socket::listen(&plan.state.path(seed::JOURNAL_SOCKET)).map_err(Error::at("open the journal's socket"))?;
    let tools = socket::listen(&plan.state.path("keeper.sock")).map_err(Error::at("open the keeper's socket"))?;
    // What an earlier bottle of this name could not remove is in the way of this one's ceilings.
    plan.hierarchies.remove();
    plan.hierarchies.create(plan.state.dir())?;
    let started = start(&plan, &lock);
    let (init, orders) = match started {
        Ok(started) => started,
        Err(error) => {
            plan.hierarchies.remove();
            return Err(error);
        }
    };
    let abilities = abilities(&plan);
    let since = xray::now();
    let mut keeper = Keeper {
        world: plan,
        init,
        orders,
        uplink: None,
        abilities,
        hosts: Vec::new(),
        authority: std::cell::OnceCell::new(),
        failure: None,
        recorder,
        journal,
        outside,
        tools,
        since,
        _lock: lock,
    };
    match keeper.lead_out().and_then(|()| keeper.first_hosts()) {
        Ok(()) => Ok(keeper),
        Err(error) => {
            keeper.end();
            Err(error)
        }
    }
}

fn plan(mut spec: Spec, place: state::State, applets: Vec<String>) -> Result<World, Error> {
    for host in &spec.hosts {
        state::check_name("host", host)?;
    }
    let mode = spec.mode.unwrap_or_else(state::mode);
    if mode == Mode::Rootless && ids::machine_root() {
        // One id and no sub-ids would mean the map 0 0 1, and with that /proc/sys of the machine could be written from inside.
        return Err(Error::Unsupported {
            what: "a rootless bottle of root",
            why: "its root would be the machine's root; start it as an ordinary user".to_owned(),
        });
    }
    if spec.internet == Internet::Real {
        uplink::possible(mode)?;
        // Nobody plays the internet where it is there.
        spec.hosts.retain(|host| host != "internet");
    }
    spec.share = spec.share.as_deref().map(share::check).transpose()?;
    let ids = ids::of(&place, mode)?;
    let whole = mode == Mode::Root && world::can_map_root().is_ok();
    let layout = if whole { Layout::Whole } else { Layout::Folders };
    let hierarchies = Hierarchies::of_machine(mode, &place.label())?;
    let program = std::env::current_exe().map_err(|error| crate::kernel::Error::from_io("readlink", "/proc/self/exe", &error));
    let program = program.map_err(Error::at("find our own program"))?;
    Ok(World { spec, state: place, mode, ids, layout, layers: World::layers_of(layout), hierarchies, program, applets })
}

/// Listens where processes in the bottle can connect too.
fn listen(world: &World, path: &Path) -> Result<OwnedFd, Error> {
    let listener = socket::listen(path).map_err(Error::at("open the journal's socket"))?;
    if world.mode == Mode::Root {
        inode::give(path, world.ids.root()).map_err(Error::at("open the journal's socket"))?;
    }
    Ok(listener)
}

/// Clones PID 1 and lets it build the bottle's own small world. It goes on alone: what it meets is heard with [`hear`].
fn start(world: &World, lock: &OwnedFd) -> Result<(Process, OwnedFd), Error> {
    let trees = Trees::of_machine(world)?;
    let (ours, theirs) = socket::pair().map_err(Error::at("make the lifeline"))?;
    let lock = exec::duplicate(lock.as_fd()).map_err(Error::at("hold the lock"))?;
    let inheritance = init::Inheritance { keeper: theirs, lock, service: world.hierarchies.doors(ceiling::SERVICE)?, trees };
    let mut inheritance = Some(inheritance);
    let child = process::clone3(init::NAMESPACES, None, || match inheritance.take() {
        Some(inheritance) => init::main(world, inheritance),
        None => 1,
    });
    let child = child.map_err(Error::at("make the bottle's namespaces"))?;
    let built = (|| {
        world.ids.write(child.pid)?;
        if let Some(inheritance) = &inheritance {
            inheritance.trees.map(world, child.pid)?;
        }
        protocol::send(ours.as_fd(), &ToInit::Go, &[]).map_err(Error::at("start the bottle"))
    })();
    match built {
        Ok(()) => Ok((child, ours)),
        Err(error) => {
            process::end(child.fd.as_fd());
            Err(error)
        }
    }
}

/// The next thing that PID 1 tells.
fn hear(orders: &OwnedFd, init: &Process) -> Result<FromInit, Error> {
    let gone = || Error::Gone { name: "the bottle's PID 1".to_owned() };
    let ready = poll::readable(&[orders.as_fd(), init.fd.as_fd()], Some(poll::stretched(PATIENCE))).map_err(Error::at("hear PID 1"))?;
    if !ready.contains(&0) {
        return Err(gone());
    }
    protocol::receive(orders.as_fd()).map_err(Error::at("hear PID 1"))?.map(|(message, _)| message).ok_or_else(gone)
}

fn abilities(world: &World) -> Abilities {
    let mut abilities = Abilities::default();
    world.hierarchies.note(&mut abilities);
    match world.mode {
        Mode::Root => {
            abilities.grant("root");
            abilities.refuse("rootless", "this bottle was started by root");
        }
        Mode::Rootless => {
            abilities.grant("rootless");
            abilities.refuse("root", "this bottle was started by an ordinary user: start it with sudo for this");
        }
    }
    if world.ids.single() {
        abilities.refuse(
            "ids",
            "this user has no sub-ids (see subuid(5)), so the bottle has only one user: ask for them with `usermod --add-subuids`",
        );
    } else {
        abilities.grant("ids");
    }
    match world.spec.internet {
        Internet::Real => abilities.grant("internet"),
        Internet::Simulated => {
            abilities.refuse("internet", "this bottle's internet is simulated: start it with `--internet real` for the true one")
        }
    }
    // The toolbox stands in for what the machine lacks.
    world.applets.iter().for_each(|applet| abilities.grant(&format!("tool:{applet}")));
    // The engine is on every host; what types at it is the machine's own client, or ours.
    match world.applets.iter().any(|applet| applet == "docker") || abilities::on_path("docker") {
        true => abilities.grant("docker"),
        false => abilities.refuse("docker", "the program `docker` is not installed on this machine"),
    }
    abilities.grant("overlay");
    // `bottleship oci` is in every host, and hosts have all that it needs: their own mounts, namespaces and cgroups.
    abilities.grant("oci");
    if Path::new("/dev/net/tun").exists() {
        abilities.grant("tun");
    } else {
        abilities.refuse("tun", "the machine has no /dev/net/tun");
    }
    abilities
}

impl Keeper {
    fn overview(&self) -> Overview {
        Overview {
            spec: self.world.spec.clone(),
            hosts: self.hosts.clone(),
            abilities: self.abilities.clone(),
            keeper: std::process::id() as i32,
            init: self.init.pid,
            since: self.since,
        }
    }

    /// Works until the client, or PID 1, or somebody who may, ends the bottle.
    fn serve(&mut self, client: OwnedFd) {
        let mut recorders: Vec<Voice> = Vec::new();
        let mut others: Vec<OwnedFd> = Vec::new();
        loop {
            let fixed =
                [client.as_fd(), self.init.fd.as_fd(), self.orders.as_fd(), self.journal.as_fd(), self.tools.as_fd(), self.outside.as_fd()];
            let first = fixed.len();
            let polled: Vec<BorrowedFd<'_>> = fixed
                .into_iter()
                .chain(recorders.iter().map(|voice| voice.socket.as_fd()))
                .chain(others.iter().map(|fd| fd.as_fd()))
                .collect();
            let polled_voices = recorders.len();
            let Ok(ready) = poll::readable(&polled, None) else { return };
            // From the back, so that taking a connection away moves none that is still to be looked at.
            for index in ready.into_iter().rev() {
                let goes_on = match index {
                    0 => self.order(&client),
                    1 => false,
                    2 => self.news(),
                    3 => self.hear_from(true, &mut recorders),
                    5 => self.hear_from(false, &mut recorders),
                    4 => accept_into(&self.tools, &mut others),
                    _ if index - first < polled_voices => {
                        if !self.record(&recorders[index - first]) {
                            recorders.remove(index - first);
                        }
                        true
                    }
                    _ => self.visit(&mut others, index - first - polled_voices),
                };
                if !goes_on {
                    return;
                }
            }
        }
    }

    /// One order of the client. False when the bottle is to end.
    fn order(&mut self, from: &OwnedFd) -> bool {
        let Ok(Some((order, _))) = protocol::receive::<ToKeeper>(from.as_fd()) else { return false };
        if matches!(order, ToKeeper::Stop) {
            return false;
        }
        let answer = self.obey(order);
        protocol::send(from.as_fd(), &answer, &[]).is_ok()
    }

    fn obey(&mut self, order: ToKeeper) -> FromKeeper {
        let done = match order {
            ToKeeper::AddHost(name) => self.add_host(&name),
            ToKeeper::MakeLeaf(name) => self.make_leaf(&name),
            ToKeeper::Await => self.await_hosts(),
            ToKeeper::Show | ToKeeper::Boot(_) | ToKeeper::Stop => Ok(()),
        };
        match done {
            Ok(()) => FromKeeper::World(self.overview()),
            Err(error) => FromKeeper::Failed((&error).into()),
        }
    }

    /// One order of another tool, which stays connected as long as it likes. Only its stop ends the bottle, its going away does not.
    fn visit(&mut self, visitors: &mut Vec<OwnedFd>, index: usize) -> bool {
        match protocol::receive::<ToKeeper>(visitors[index].as_fd()) {
            Ok(Some((ToKeeper::Stop, _))) => return false,
            Ok(Some((order, _))) => {
                let answer = self.obey(order);
                if protocol::send(visitors[index].as_fd(), &answer, &[]).is_err() {
                    visitors.remove(index);
                }
            }
            _ => drop(visitors.remove(index)),
        }
        true
    }

    /// What PID 1 tells when nobody asked. False when it is gone.
    fn news(&mut self) -> bool {
        match protocol::receive::<FromInit>(self.orders.as_fd()) {
            Ok(Some((told, _))) => {
                self.told(told);
                true
            }
            _ => false,
        }
    }

    /// Somebody wants to write into the journal.
    fn hear_from(&self, inside: bool, voices: &mut Vec<Voice>) -> bool {
        let Ok(socket) = socket::accept(if inside { self.journal.as_fd() } else { self.outside.as_fd() }) else { return true };
        // Descriptors are ours to lose: a program in the bottle that opens one connection after the other is not heard any more.
        if !inside || voices.iter().filter(|voice| voice.inside).count() < MOST_VOICES {
            voices.push(Voice { socket, inside });
        }
        true
    }

    /// One event from a client of the recorder. False when it has gone, or does not listen to answers: nobody may make us wait.
    fn record(&mut self, from: &Voice) -> bool {
        match socket::receive(from.socket.as_fd()) {
            Ok(Some((message, _))) => {
                let answer = if from.inside { self.recorder.answer_inside(&message) } else { self.recorder.answer(&message) };
                socket::send_now(from.socket.as_fd(), &answer).is_ok()
            }
            _ => false,
        }
    }

    /// Ends everything. Why something could not be removed comes back.
    fn end(&mut self) -> Vec<crate::kernel::Error> {
        // PID 1 is gone when all are that it sees. One that was frozen, or is by a neighbour that still lives, has to be thawed for it.
        let killed = process::signal(self.init.fd.as_fd(), Signal::SIGKILL as i32);
        while killed.is_ok() && poll::readable(&[self.init.fd.as_fd()], Some(THAWING)).is_ok_and(|ready| ready.is_empty()) {
            self.world.hierarchies.thaw();
        }
        process::end(self.init.fd.as_fd());
        let mut left = self.world.hierarchies.remove();
        left.extend(self.uplink.take().and_then(|uplink| uplink.close().err()));
        left
    }
}

fn accept_into(listener: &OwnedFd, connections: &mut Vec<OwnedFd>) -> bool {
    if let Ok(connection) = socket::accept(listener.as_fd()) {
        connections.push(connection);
    }
    true
}
