//! `serve`: a runtime that stands by for an engine.
//!
//! To start this program anew for each container and each `docker exec` would cost more than all that follows: an execve(2) of a large file, whose pages
//! are all touched anew. A clone of a process that is there has most of them. It sits in its own session, holds no descriptor but its orders, has one thread,
//! and ends with the engine, whose end of the socket closes then; the shims that came of it stay.
//!
//! What an exec has to know of a container's configuration it reads itself, before the clone, and keeps: the clones of the next ones have it then.

use std::cell::RefCell;
use std::ffi::OsString;
use std::io::{Read as _, Seek as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;

use super::shim::Caller;
use super::{Context, dispatch, log};
use crate::kernel::ns::CloneFlags;
use crate::kernel::{poll, process, socket};
use crate::oci::runtime::order::Order;
use crate::oci::runtime::{ContainerId, During as _, Error, Known, Result, Store};

/// The configurations of so many containers are kept: those of whom execs were ordered last.
const KEPT: usize = 16;

/// What an engine has ordered, in the clone that does it.
pub struct Served {
    /// What is to be done.
    pub order: Order,
    caller: RefCell<Option<Caller>>,
    known: RefCell<Option<Known>>,
}

impl Served {
    /// Whoever waits for the answer; nobody once it was given.
    pub fn caller(&self) -> Option<Caller> {
        self.caller.borrow_mut().take()
    }

    /// What was kept of the container's configuration; nothing once it was taken.
    pub fn known(&self) -> Option<Known> {
        self.known.borrow_mut().take()
    }
}

/// What is known of containers, the newest last.
#[derive(Default)]
struct Kept(Vec<(PathBuf, Known)>);

impl Kept {
    /// Sees to it that what an order is about is the newest, if it is an exec.
    fn look(&mut self, order: &Order) {
        let Some(file) = configuration(order) else { return };
        let known = match self.0.iter().position(|(known, _)| *known == file) {
            Some(at) => Some(self.0.remove(at).1).filter(|known| known.holds(&file)),
            None => None,
        };
        // Why it cannot be read is told by the clone, which tries it again.
        if let Some(known) = known.or_else(|| Known::read(&file).ok()) {
            self.0.push((file, known));
        }
        if self.0.len() > KEPT {
            self.0.remove(0);
        }
    }

    /// Takes out what an order is about: in the clone, whose copy this is.
    fn take(&mut self, order: &Order) -> Option<Known> {
        let file = configuration(order)?;
        self.0.pop_if(|(known, _)| *known == file).map(|(_, known)| known)
    }
}

/// The configuration that an exec goes by, as an engine words its orders; what else is ordered needs none that was kept.
fn configuration(order: &Order) -> Option<PathBuf> {
    let [flag, root, verb, id] = order.arguments.as_slice() else { return None };
    let id = ContainerId::new(id).ok().filter(|_| flag == "--root" && verb == "exec")?;
    Some(Store::new(Path::new(root).to_owned()).config_file(&id))
}

/// `serve`.
pub fn run(_: &Context) -> Result<ExitCode> {
    let orders = std::io::stdin();
    process::begin_session()?;
    // We were started from a descriptor, whose number the kernel takes for our name.
    process::set_name(c"oci-serve");
    // The clones become shims, and nobody waits for those.
    process::leave_children()?;
    let mut kept = Kept::default();
    while let Some((_, descriptors)) = socket::receive(orders.as_fd())? {
        let mut descriptors = descriptors.into_iter();
        let (Some(document), Some(answer)) = (descriptors.next(), descriptors.next()) else {
            return Err(Error::new("an order needs a document and a socket for its answer"));
        };
        let caller = Caller { socket: answer, lock: descriptors.next() };
        let order = read(document);
        order.iter().for_each(|order| kept.look(order));
        let mut given = Some((order, caller, descriptors.collect::<Vec<_>>()));
        let cloned = process::clone3(CloneFlags::empty(), None, || {
            given.take().map_or(1, |(order, caller, doors)| obey(order, caller, doors, &mut kept))
        });
        if let (Err(error), Some((_, caller, _))) = (cloned, given) {
            // An engine that has gone hears nothing more, and the next order does not come.
            let _ = caller.answer(&Err(Error::from(error).during("clone the runtime that stands by")));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Does what was ordered, in a clone; gives its exit code.
fn obey(order: Result<Order>, caller: Caller, doors: Vec<OwnedFd>, kept: &mut Kept) -> i32 {
    process::set_name(c"oci-shim");
    let entered = process::mind_children().map_err(Error::from).and_then(|()| enter(&doors));
    // The shim stays, and what it makes is inside a container for a moment: neither needs the doors, nor what was kept of other containers.
    drop(doors);
    let served = match entered.and(order) {
        Ok(order) => {
            let known = RefCell::new(kept.take(&order));
            *kept = Kept::default();
            Rc::new(Served { order, caller: RefCell::new(Some(caller)), known })
        }
        Err(error) => return told(caller, error),
    };
    let words: Vec<OsString> = served.order.arguments.iter().map(OsString::from).collect();
    match dispatch(&words, &mut log::Log::default(), Some(Rc::clone(&served))) {
        Ok(_) => 0,
        Err((error, _)) => served.caller().map_or(1, |caller| told(caller, error)),
    }
}

fn told(caller: Caller, error: Error) -> i32 {
    // See above: there is nobody else to tell.
    let _ = caller.answer(&Err(error));
    1
}

/// Goes to where the container's cgroup will be below. A process beside it may not move another one there.
fn enter(doors: &[OwnedFd]) -> Result<()> {
    doors.iter().try_for_each(|door| poll::write_all(door.as_fd(), b"0").during(|| "enter the cgroup of containers"))
}

fn read(document: OwnedFd) -> Result<Order> {
    let mut file = std::fs::File::from(document);
    let mut text = Vec::new();
    let read = file.rewind().and_then(|()| file.read_to_end(&mut text));
    read.map_err(|error| Error::new(format!("read the engine's order: {error}")))?;
    serde_json::from_slice(&text).map_err(|error| Error::new(format!("the engine's order: {error}")))
}
