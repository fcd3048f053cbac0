//! Taking hold of a bottle that somebody else has booted: who is in it, its hosts, one more host. Letting go does not end it.

use std::net::Ipv4Addr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::Duration;

use super::protocol::{self, FromKeeper, Overview, ToKeeper};
use super::state::State;
use super::{Error, Host, host};
use crate::kernel::{poll, socket};

/// A running bottle, held by nothing but a connection to its keeper.
#[derive(Debug)]
pub struct Attached {
    state: State,
    keeper: OwnedFd,
}

/// A host of a running bottle.
#[derive(Debug)]
pub struct Seen {
    /// Its name.
    pub name: String,
    /// Its address on the bottle's switch.
    pub address: Ipv4Addr,
    /// Whether its PID 1 lives.
    pub up: bool,
    /// The way to it.
    pub host: Host,
}

impl Attached {
    /// Connects to the running bottle `name`.
    ///
    /// # Errors
    /// It is not running.
    pub fn to(name: &str) -> Result<Self, Error> {
        let state = State::of(name)?;
        let keeper = socket::connect(&state.path("keeper.sock")).map_err(|_| Error::NotRunning { name: name.to_owned() })?;
        Ok(Attached { state, keeper })
    }

    /// Its hosts, in the order of their start.
    ///
    /// # Errors
    /// The bottle ends at this moment.
    pub fn hosts(&self) -> Result<Vec<Seen>, Error> {
        Ok(self.seen(&self.ask(&ToKeeper::Show)?))
    }

    /// The file of its journal.
    pub fn journal(&self) -> std::path::PathBuf {
        self.state.path("journal.jsonl")
    }

    /// One of its hosts.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn host(&self, name: &str) -> Result<Host, Error> {
        let found = self.hosts()?.into_iter().find(|host| host.name == name);
        found.map(|seen| seen.host).ok_or_else(|| Error::NoHost { name: name.to_owned() })
    }

    /// Starts one more host, and comes back when it answers.
    ///
    /// # Errors
    /// The name is taken or malformed, or the host does not boot.
    pub fn add_host(&self, name: &str) -> Result<Vec<Seen>, Error> {
        Ok(self.seen(&self.ask(&ToKeeper::AddHost(name.to_owned()))?))
    }

    /// Waits at most `patience` for the bottle's end; whether it has come.
    pub fn ended_within(&self, patience: Duration) -> bool {
        // Nothing comes unasked on this connection: it becomes readable when the keeper's end of it closes.
        poll::readable(&[self.keeper.as_fd()], Some(patience)).map_or(true, |ready| !ready.is_empty())
    }

    fn ask(&self, order: &ToKeeper) -> Result<Overview, Error> {
        let gone = || Error::Gone { name: self.state.name().to_owned() };
        protocol::send(self.keeper.as_fd(), order, &[]).map_err(|_| gone())?;
        match protocol::receive::<FromKeeper>(self.keeper.as_fd()).map_err(|_| gone())?.ok_or_else(gone)?.0 {
            FromKeeper::Failed(failure) => Err(failure.into()),
            FromKeeper::World(overview) => Ok(overview),
        }
    }

    fn seen(&self, overview: &Overview) -> Vec<Seen> {
        let seen = |one: &protocol::HostOverview| Seen {
            name: one.name.clone(),
            address: one.address,
            up: one.up,
            host: Host::new(&one.name, host::control_socket(self.state.dir(), &one.name)),
        };
        overview.hosts.iter().map(seen).collect()
    }
}
