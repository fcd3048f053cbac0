//! `macvlan` and `ipvlan`: what their options say, and the link of the host that their containers' links are branches of.

use super::Engine;
use super::error::Fault;
use super::networks::Network;
use crate::kernel::error::Errno;
use crate::kernel::netlink::route::Branch;
use crate::net::sublink::{self, Parent};

/// The mode in which nobody else may use the parent (`MACVLAN_MODE_PASSTHRU`).
const PASSTHRU: Branch = Branch::Macvlan(8);

impl Network {
    /// The link that its containers' links are branches of; `None` for other drivers.
    pub fn parent(&self) -> Option<Parent> {
        let branch = branch(self).ok()??;
        let link = self.named_parent().map_or_else(|| self.dummy(), str::to_owned);
        Some(Parent { link, branch })
    }

    /// Whether it hangs on no link of the host.
    pub fn is_orphan(&self) -> bool {
        matches!(self.driver.as_str(), "macvlan" | "ipvlan") && self.named_parent().is_none()
    }

    /// Whether its containers need no neighbour to lead out: ipvlan's modes that route.
    pub fn routes_itself(&self) -> bool {
        matches!(branch(self), Ok(Some(Branch::Ipvlan(1 | 2, _))))
    }

    /// Whether its containers' links have the hardware address that they were made with: all of ipvlan are the parent's, and in passthru the one is.
    pub fn keeps_hardware(&self) -> bool {
        matches!(branch(self), Ok(Some(Branch::Ipvlan(..) | PASSTHRU)))
    }

    fn named_parent(&self) -> Option<&str> {
        self.options.get("parent").map(String::as_str).filter(|parent| !parent.is_empty())
    }

    /// The name of a parent that was made because none was named.
    fn dummy(&self) -> String {
        let kind = if self.driver == "ipvlan" { "di" } else { "dm" };
        format!("{kind}-{}", self.id.get(..12).unwrap_or_default())
    }
}

/// How the options say that branches are made; `None` for other drivers.
fn branch(network: &Network) -> Result<Option<Branch>, Fault> {
    let option = |name: &str| network.options.get(name).map_or("", String::as_str);
    let wrong = |what: &str, value: &str, usual: &str| {
        let driver = &network.driver;
        Fault::bad(format!("requested {driver} {what} '{value}' is not valid, '{usual}' {what} is the {driver} driver default"))
    };
    match network.driver.as_str() {
        "macvlan" => match option("macvlan_mode") {
            "" | "bridge" => Ok(Some(Branch::Macvlan(4))),
            "private" => Ok(Some(Branch::Macvlan(1))),
            "vepa" => Ok(Some(Branch::Macvlan(2))),
            "passthru" => Ok(Some(PASSTHRU)),
            other => Err(wrong("mode", other, "bridge")),
        },
        "ipvlan" => {
            let mode = match option("ipvlan_mode") {
                "" | "l2" => 0,
                "l3" => 1,
                "l3s" => 2,
                other => return Err(wrong("mode", other, "l2")),
            };
            match option("ipvlan_flag") {
                "" | "bridge" => Ok(Some(Branch::Ipvlan(mode, 0))),
                "private" => Ok(Some(Branch::Ipvlan(mode, 1))),
                "vepa" => Ok(Some(Branch::Ipvlan(mode, 2))),
                other => Err(wrong("flag", other, "bridge")),
            }
        }
        _ => Ok(None),
    }
}

/// `eth0` and 10 of `eth0.10`.
fn vlan(name: &str) -> Result<(&str, u16), Fault> {
    if !name.contains('.') {
        return Err(Fault::bad(format!("invalid subinterface vlan name {name}, example formatting is eth0.10")));
    }
    let parts = name.split_once('.').filter(|(_, id)| !id.contains('.'));
    let format = "required interface name format is: name.vlan_id, ex. eth0.10 for vlan 10, instead received";
    let (below, id) = parts.ok_or_else(|| Fault::bad(format!("{format} {name}")))?;
    let number: i64 =
        id.parse().map_err(|_| Fault::bad(format!("unable to parse a valid vlan id from: {id} (ex. eth0.10 for vlan 10)")))?;
    let number = u16::try_from(number).ok().filter(|number| (1..=4094).contains(number));
    number.map(|number| (below, number)).ok_or_else(|| Fault::bad(format!("vlan id must be between 1-4094, received: {id}")))
}

impl Engine {
    /// Judges the options of a network that is to be made, and notes whether its parent is to be made too.
    ///
    /// # Errors
    /// They make no sense, the parent is another network's alone, or the kernel has no such links.
    pub fn check_parent(&self, network: &mut Network) -> Result<(), Fault> {
        let Some(branch) = branch(network)? else { return Ok(()) };
        let Some(link) = network.named_parent().map(str::to_owned) else {
            network.made_parent = true;
            return known(&Parent { link: String::new(), branch });
        };
        if link == "lo" {
            return Err(Fault::bad(format!("loopback interface is not a valid {} parent link", network.driver)));
        }
        let parent = Parent { link, branch };
        for other in self.networks.all() {
            let Some(shared) = other.parent().filter(|other| other.link == parent.link) else { continue };
            if branch == PASSTHRU {
                let what =
                    format!("cannot use mode passthru, macvlan network {} is already using parent interface {}", other.id, parent.link);
                return Err(Fault::bad(what));
            }
            if shared.branch == PASSTHRU {
                let what = format!("macvlan network {} is already using parent interface {} in mode passthru", other.id, parent.link);
                return Err(Fault::bad(what));
            }
            network.made_parent |= other.made_parent;
        }
        if !sublink::has_link(&parent.link)? {
            let (below, _) = vlan(&parent.link)?;
            if !sublink::has_link(below)? {
                return Err(Fault::bad(format!("-o parent interface was not found on the host: {below}")));
            }
            network.made_parent = true;
        }
        known(&parent)
    }

    /// Makes the parent of a network, where that is ours to make and not there.
    ///
    /// # Errors
    /// The kernel refused.
    pub fn make_parent(&self, network: &Network) -> Result<(), Fault> {
        let Some(parent) = network.parent().filter(|_| network.made_parent) else { return Ok(()) };
        if sublink::has_link(&parent.link)? {
            return Ok(());
        }
        let link = &parent.link;
        if network.is_orphan() {
            return sublink::make_dummy(link).map_err(|error| {
                let how = if error.errno == Errno::EOPNOTSUPP {
                    ": this kernel has no dummy links, so name a parent (-o parent=LINK)"
                } else {
                    ""
                };
                Fault::internal(format!("failed to create the dummy {link} parent: {error}{how}"))
            });
        }
        let (below, id) = vlan(link)?;
        sublink::make_vlan(link, below, id).map_err(|error| Fault::internal(format!("failed to create {link} vlan link: {error}")))
    }

    /// Takes the parent of a network away that was made for it, unless another network uses it.
    ///
    /// # Errors
    /// The kernel refused.
    pub fn remove_parent(&self, network: &Network) -> Result<(), Fault> {
        let Some(parent) = network.parent().filter(|_| network.made_parent) else { return Ok(()) };
        let shared = |other: &Network| other.id != network.id && other.parent().is_some_and(|other| other.link == parent.link);
        if self.networks.all().iter().any(shared) {
            return Ok(());
        }
        Ok(sublink::remove(&parent.link)?)
    }
}

fn known(parent: &Parent) -> Result<(), Fault> {
    let kind = parent.branch.kind();
    if parent.is_known()? {
        return Ok(());
    }
    Err(Fault::internal(format!(
        "the kernel of this machine has no {kind} links (it was built without CONFIG_{}): use another driver",
        kind.to_uppercase()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(driver: &str, options: &[(&str, &str)]) -> Network {
        let options = options.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Network { id: "0123456789abcdef".into(), driver: driver.into(), options, ..Network::default() }
    }

    #[test]
    fn options_say_how_branches_are_made() {
        let parent = |driver: &str, options: &[(&str, &str)]| network(driver, options).parent();
        assert_eq!(parent("bridge", &[("parent", "eth0")]), None);
        assert_eq!(parent("macvlan", &[("parent", "eth0")]), Some(Parent { link: "eth0".into(), branch: Branch::Macvlan(4) }));
        assert_eq!(
            parent("macvlan", &[("macvlan_mode", "private")]).unwrap(),
            Parent { link: "dm-0123456789ab".into(), branch: Branch::Macvlan(1) }
        );
        assert_eq!(parent("ipvlan", &[]).unwrap(), Parent { link: "di-0123456789ab".into(), branch: Branch::Ipvlan(0, 0) });
        assert_eq!(parent("ipvlan", &[("ipvlan_mode", "l3"), ("ipvlan_flag", "vepa")]).unwrap().branch, Branch::Ipvlan(1, 2));
        for (driver, key, what) in
            [("macvlan", "macvlan_mode", "mode"), ("ipvlan", "ipvlan_mode", "mode"), ("ipvlan", "ipvlan_flag", "flag")]
        {
            let said = branch(&network(driver, &[(key, "x")])).unwrap_err().message;
            assert!(said.starts_with(&format!("requested {driver} {what} 'x' is not valid, '")), "{said}");
        }
        assert!(network("ipvlan", &[("ipvlan_mode", "l3s")]).routes_itself() && !network("ipvlan", &[]).routes_itself());
        assert!(network("macvlan", &[]).is_internal() && !network("macvlan", &[("parent", "eth0")]).is_internal());
    }

    #[test]
    fn a_parent_with_a_dot_is_a_vlan() {
        assert_eq!(vlan("eth0.10").unwrap(), ("eth0", 10));
        for (name, said) in [
            ("eth0", "invalid subinterface vlan name eth0, example formatting is eth0.10"),
            ("eth0.1.2", "required interface name format is: name.vlan_id, ex. eth0.10 for vlan 10, instead received eth0.1.2"),
            ("eth0.x", "unable to parse a valid vlan id from: x (ex. eth0.10 for vlan 10)"),
            ("eth0.4095", "vlan id must be between 1-4094, received: 4095"),
            ("eth0.0", "vlan id must be between 1-4094, received: 0"),
        ] {
            assert_eq!(vlan(name).unwrap_err().message, said);
        }
    }
}
