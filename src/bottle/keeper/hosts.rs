//! How a keeper has hosts made, hears that they are up, and opens the way out for them.

use std::net::Ipv4Addr;
use std::os::fd::{AsFd as _, BorrowedFd};

use super::super::hub::Authority;
use super::super::protocol::{self, FromInit, HostOverview, HostPlan, ToInit};
use super::super::{Error, Host, Internet, host, seed, state, uplink};
use super::{Keeper, hear};
use crate::kernel::socket;
use crate::net::{address, zone};

impl Keeper {
    /// Opens the way out, where the bottle is to have one.
    pub(super) fn lead_out(&mut self) -> Result<(), Error> {
        if self.world.spec.internet == Internet::Simulated {
            return Ok(());
        }
        let (uplink, told) = uplink::open(&self.world, self.init.pid)?;
        self.uplink = Some(uplink);
        protocol::send(self.orders.as_fd(), &told, &[]).map_err(Error::at("lead the bottle's network out"))?;
        loop {
            match hear(&self.orders, &self.init)? {
                FromInit::UplinkReady => return Ok(()),
                FromInit::Failed(failure) => return Err(failure.into()),
                FromInit::Built | FromInit::HostReady { .. } | FromInit::HostGone { .. } => {}
            }
        }
    }

    /// Prepares and orders the hosts while PID 1 still builds its small world (the orders wait in the socket), and waits for the first one: that is
    /// where the learner begins, and the others come up meanwhile.
    pub(super) fn first_hosts(&mut self) -> Result<(), Error> {
        let names = self.world.spec.hosts.clone();
        for name in &names {
            self.order_host(name)?;
        }
        while self.failure.is_none() && self.hosts.first().is_some_and(|host| !host.up) {
            let told = hear(&self.orders, &self.init)?;
            self.told(told);
        }
        self.failure.take().map_or(Ok(()), Err)
    }

    /// Has PID 1 make one host; [`Keeper::await_hosts`] hears when it answers.
    fn order_host(&mut self, name: &str) -> Result<(), Error> {
        state::check_name("host", name)?;
        if self.hosts.iter().any(|host| host.name == name) {
            return Err(Error::HostExists { name: name.to_owned() });
        }
        seed::host(&self.world, name)?;
        self.world.hierarchies.create_host(name, self.world.ids.root())?;
        let listener =
            socket::listen(&self.world.state.host(name).join("ctl.sock")).map_err(Error::at("open the host's control socket"))?;
        let mut doors = self.world.hierarchies.doors(name)?;
        doors.extend(self.world.hierarchies.service_doors(name, self.world.ids.root())?);
        let plan = self.host_plan(name)?;
        let host = HostOverview { name: name.to_owned(), address: plan.address, up: false };
        let descriptors: Vec<BorrowedFd<'_>> = std::iter::once(&listener).chain(&doors).map(|fd| fd.as_fd()).collect();
        let sent = protocol::send(self.orders.as_fd(), &ToInit::Host(plan), &descriptors);
        // A PID 1 that has ended has said why.
        sent.map_err(|error| match hear(&self.orders, &self.init) {
            Ok(FromInit::Failed(failure)) => failure.into(),
            _ => Error::Kernel { doing: "order a host".to_owned(), source: error },
        })?;
        self.hosts.push(host);
        Ok(())
    }

    fn host_plan(&self, name: &str) -> Result<HostPlan, Error> {
        let internet = name == "internet" && self.world.spec.internet == Internet::Simulated;
        let taken: Vec<Ipv4Addr> = self.hosts.iter().map(|host| host.address).collect();
        let full = || Error::Unsupported { what: "another host", why: "the switch's 151 addresses are taken".to_owned() };
        let address = if internet { address::GATEWAY } else { address::free(&taken).ok_or_else(full)? };
        let others = if internet { zone::Zone::internet().all_addresses() } else { Vec::new() };
        let known = self.hosts.iter().map(|host| format!("{} {}\n", host.address, host.name)).collect::<String>();
        let authority = self.authority()?.map(|authority| if internet { authority.clone() } else { authority.without_key() });
        Ok(HostPlan {
            name: name.to_owned(),
            port: u32::from(address.octets()[3]),
            address,
            others,
            gateway: (!internet).then_some(address::GATEWAY),
            internet,
            authority,
            hosts_file: format!("127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n{address} {name}\n{known}"),
            resolv_conf: self.resolv_conf(),
        })
    }

    /// The authority of the simulated internet, made when the first host is.
    fn authority(&self) -> Result<Option<&Authority>, Error> {
        if self.world.spec.internet != Internet::Simulated {
            return Ok(None);
        }
        if self.authority.get().is_none() {
            // Nobody else sets it.
            let _ = self.authority.set(Authority::make(&self.world.spec.name)?);
        }
        Ok(self.authority.get())
    }

    fn resolv_conf(&self) -> String {
        if self.world.spec.internet == Internet::Simulated {
            return "# The internet of this bottle answers here.\nnameserver 8.8.8.8\n".to_owned();
        }
        uplink::nameservers(self.world.mode).iter().map(|server| format!("nameserver {server}\n")).collect()
    }

    /// One more host in a running bottle, known by name to those that are there.
    pub(super) fn add_host(&mut self, name: &str) -> Result<(), Error> {
        self.order_host(name)?;
        self.await_hosts()?;
        let address = self.hosts.iter().find(|host| host.name == name).map(|host| host.address);
        for other in self.hosts.iter().filter(|host| host.name != name) {
            let other = Host::new(&other.name, host::control_socket(self.world.state.dir(), &other.name));
            // One whose learner has broken it can still be reached by its address; that must not undo the new host.
            let _ = address.map(|address| other.know(address, name));
        }
        Ok(())
    }

    /// Has programs on a host start in a new leaf of its cgroup.
    pub(super) fn make_leaf(&mut self, name: &str) -> Result<(), Error> {
        let host = self.hosts.iter().find(|host| host.name == name).ok_or_else(|| Error::NoHost { name: name.to_owned() })?;
        let doors = self.world.hierarchies.make_leaf(&host.name, self.world.ids.root())?;
        Host::new(&host.name, host::control_socket(self.world.state.dir(), &host.name)).start_in(&doors)
    }

    /// Waits until every ordered host answers.
    pub(super) fn await_hosts(&mut self) -> Result<(), Error> {
        while self.failure.is_none() && self.hosts.iter().any(|host| !host.up) {
            let told = hear(&self.orders, &self.init)?;
            self.told(told);
        }
        let Some(failure) = self.failure.take() else { return Ok(()) };
        // Nobody waits for it any more.
        self.hosts.retain(|host| host.up);
        Err(failure)
    }

    /// Takes in what PID 1 tells.
    pub(super) fn told(&mut self, what: FromInit) {
        match what {
            FromInit::HostReady { name, notes } => self.host_ready(&name, notes),
            FromInit::HostGone { name, how } => self.host_gone(&name, how),
            FromInit::Failed(failure) => self.failure = Some(failure.into()),
            FromInit::Built | FromInit::UplinkReady => {}
        }
    }

    fn host_gone(&mut self, name: &str, how: String) {
        let awaited = self.hosts.iter().any(|host| host.name == name && !host.up);
        self.hosts.retain(|host| host.name != name);
        let mut event = crate::journal::Event::new("keeper", "host.gone", format!("host/{name}"));
        event.data = serde_json::json!({ "how": how });
        // The journal says what it can; a full disk must not keep the others from being told.
        let _ = self.recorder.append(event);
        // What it said before it ended says more.
        if awaited && self.failure.is_none() {
            self.failure = Some(Error::Refused { doing: format!("boot the host `{name}`"), why: how, errno: None, hint: None });
        }
    }

    fn host_ready(&mut self, name: &str, notes: Vec<String>) {
        if let Some(host) = self.hosts.iter_mut().find(|host| host.name == name) {
            host.up = true;
        }
        let mut event = crate::journal::Event::new("keeper", "host.ready", format!("host/{name}"));
        event.host = name.to_owned();
        event.data = serde_json::json!({ "without": notes });
        // The journal says what it can; a full disk must not keep a host from starting.
        let _ = self.recorder.append(event);
    }
}
