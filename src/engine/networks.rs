//! Networks: `bridge`, `host` and `none`, which every engine has, and those that people make.
//!
//! ```text
//!  networks/ID.json   one that was made
//! ```

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::config::Config;
use super::container::config::Texts;
use super::container::{names, now};
use super::error::Fault;
use crate::kernel::fs;
use crate::net::bridge::Bridge;
use crate::net::interface::Way;
use crate::net::subnet::{Placed, Subnet, unique_local};
use crate::oci::digest::Digest;

/// The option that says whether a bridge's containers reach each other.
const TALK: &str = "com.docker.network.bridge.enable_icc";

/// A network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Network {
    /// 64 digits.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `bridge`, `macvlan`, `ipvlan`, `host` or `null`.
    pub driver: String,
    /// When it was made.
    pub created: String,
    /// `172.18.0.0/16`; empty for `host` and `none`.
    pub subnet: String,
    /// The bridge's own address.
    pub gateway: String,
    /// Containers have no addresses of IPv4.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub without_ipv4: bool,
    /// Containers have addresses of IPv6 too.
    pub ipv6: bool,
    /// `fd00:1::/64`; empty without IPv6.
    pub subnet6: String,
    /// The bridge's own address of IPv6.
    pub gateway6: String,
    /// The part of the subnet that is given out by itself; empty: all of it.
    pub range: String,
    /// The same of IPv6.
    pub range6: String,
    /// Addresses that are never given out by themselves, by name.
    pub kept: Texts,
    /// The link that its containers' links are branches of was made for it, and goes with it.
    pub made_parent: bool,
    /// Nothing leaves it.
    pub internal: bool,
    /// Containers may join by themselves: a matter of swarms.
    pub attachable: bool,
    /// Labels.
    pub labels: Texts,
    /// Options of the driver.
    pub options: Texts,
    /// Options of the one who gives out addresses, where any were given.
    pub address_options: Option<Texts>,
}

impl Network {
    /// Its bridge; `None` where there is none.
    pub fn bridge(&self) -> Option<Bridge> {
        let gateway = |pool: &Pool| Some(Placed { address: pool.gateway?, prefix: pool.subnet.prefix() });
        let gateways: Vec<Placed> = self.pools().iter().filter_map(gateway).collect();
        if self.driver != "bridge" || gateways.is_empty() {
            return None;
        }
        let link = match self.options.get("com.docker.network.bridge.name") {
            Some(name) => name.clone(),
            None if self.is_default() => "docker0".to_owned(),
            None => format!("br-{}", self.id.get(..12)?),
        };
        let apart = self.options.get(TALK).is_some_and(|value| truth(value) == Some(false));
        Some(Bridge { link, gateways, internal: self.internal, apart })
    }

    /// Why its bridge could not be made, in words.
    pub fn not_made(&self, error: &crate::kernel::Error) -> String {
        let apart = self.bridge().is_some_and(|bridge| bridge.apart);
        if apart && error.object.contains("/net/bridge/") {
            return format!(
                "cannot restrict inter-container communication: ensure that the br_netfilter kernel module is loaded ({error})"
            );
        }
        format!("network {}: {error}", self.name)
    }

    /// Whether its containers see each other only: it is to be so, or it hangs on nothing.
    pub fn is_internal(&self) -> bool {
        self.internal || self.is_orphan()
    }

    /// How its containers' packets leave it.
    pub fn ways_out(&self) -> Vec<Way> {
        if self.is_internal() {
            return Vec::new();
        }
        let way = |pool: Pool| {
            if self.routes_itself() { Some(Way::Straight { ipv6: pool.subnet.start().is_ipv6() }) } else { pool.gateway.map(Way::By) }
        };
        self.pools().into_iter().filter_map(way).collect()
    }

    /// What its containers get their addresses of, IPv4 first; none for `host` and `none`.
    pub fn pools(&self) -> Vec<Pool> {
        let both = [(&self.subnet, &self.range, &self.gateway), (&self.subnet6, &self.range6, &self.gateway6)];
        let pool = |(subnet, range, gateway): (&String, &String, &String)| {
            let subnet = subnet.parse().ok()?;
            Some(Pool { subnet, range: range.parse().unwrap_or(subnet), gateway: gateway.parse().ok() })
        };
        both.into_iter().filter_map(pool).collect()
    }

    /// Refuses parts of its subnets that lie outside.
    fn check_ranges(&self) -> Result<(), Fault> {
        for (text, subnet) in [(&self.range, &self.subnet), (&self.range6, &self.subnet6)] {
            let parts = (text.parse::<Subnet>(), subnet.parse::<Subnet>());
            let fits = matches!(parts, (Ok(part), Ok(whole)) if whole.contains(part.start()) && part.prefix() >= whole.prefix());
            if !text.is_empty() && !fits {
                return Err(Fault::bad(format!("invalid ip-range {text}: it is no part of the subnet {subnet}")));
            }
        }
        let outside = |address: &&String| !address.parse().is_ok_and(|one| self.pools().iter().any(|pool| pool.subnet.contains(one)));
        match self.kept.values().find(outside) {
            Some(wrong) => Err(Fault::bad(format!("invalid auxiliary address {wrong}: it is in none of the network's subnets"))),
            None => Ok(()),
        }
    }

    /// Whether it is the default bridge, which has no names.
    pub fn is_default(&self) -> bool {
        self.name == "bridge"
    }

    /// Whether every engine has it.
    pub fn is_predefined(&self) -> bool {
        ["bridge", "host", "none"].contains(&self.name.as_str())
    }

    fn pool_json(&self, pool: &Pool) -> Value {
        let mut shown = json!({"Subnet": pool.subnet.to_string()});
        if pool.range != pool.subnet {
            shown["IPRange"] = json!(pool.range.to_string());
        }
        if let Some(gateway) = pool.gateway {
            shown["Gateway"] = json!(gateway.to_string());
        }
        let kept: BTreeMap<&String, &String> =
            self.kept.iter().filter(|(_, address)| address.parse().is_ok_and(|address| pool.subnet.contains(address))).collect();
        if !kept.is_empty() {
            shown["AuxiliaryAddresses"] = json!(kept);
        }
        shown
    }

    /// A network as the API shows it.
    pub fn json(&self, containers: &Value) -> Value {
        let pools: Vec<Value> = self.pools().iter().map(|pool| self.pool_json(pool)).collect();
        let config = if pools.is_empty() { Value::Null } else { Value::Array(pools) };
        json!({
            "Name": self.name, "Id": self.id, "Created": self.created, "Scope": "local", "Driver": self.driver,
            "EnableIPv4": !self.without_ipv4, "EnableIPv6": self.ipv6,
            "IPAM": {"Driver": "default", "Options": self.address_options, "Config": config},
            "Internal": self.internal, "Attachable": self.attachable, "Ingress": false, "ConfigFrom": {"Network": ""}, "ConfigOnly": false,
            "Containers": containers, "Options": self.options, "Labels": self.labels,
        })
    }
}

/// Addresses for containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    /// All of them.
    pub subnet: Subnet,
    /// Those that are given out where none is asked for.
    pub range: Subnet,
    /// The one that leads out.
    pub gateway: Option<IpAddr>,
}

/// All networks of the engine.
pub struct Networks {
    folder: PathBuf,
    /// Of this the engine's own subnets of IPv6 are made.
    seed: Vec<u8>,
    all: Mutex<BTreeMap<String, Network>>,
}

impl Networks {
    /// The networks of an engine whose data is in `root`. `id` is what it has alone: its subnets of IPv6 are other ones than those of the next host.
    pub fn open(root: &Path, id: &str, config: &Config) -> Self {
        let folder = root.join("networks");
        let seed = Digest::of(id.as_bytes()).hex().as_bytes().chunks(2).filter_map(octet).collect::<Vec<u8>>();
        let mut all: BTreeMap<String, Network> =
            predefined(root, &seed, config).into_iter().map(|network| (network.id.clone(), network)).collect();
        for file in fs::list(&folder).unwrap_or_default() {
            if file.starts_with('.') {
                // Of an engine that was killed while it wrote: nobody was told of that network. One that stays is passed over again.
                let _ = fs::remove_file(&folder.join(file));
                continue;
            }
            // A damaged record is left alone.
            let network = fs::read(&folder.join(file)).ok().and_then(|text| serde_json::from_str::<Network>(&text).ok());
            all.extend(network.map(|network| (network.id.clone(), network)));
        }
        Networks { folder, seed, all: Mutex::new(all) }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Network>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All of them, by name.
    pub fn all(&self) -> Vec<Network> {
        let mut all: Vec<Network> = self.lock().values().cloned().collect();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        all
    }

    /// The one that a person means, by name, id, or the beginning of an id.
    ///
    /// # Errors
    /// There is none, or several begin so.
    pub fn find(&self, text: &str) -> Result<Network, Fault> {
        let all = self.lock();
        if let Some(found) = all.get(text).or_else(|| all.values().find(|network| network.name == text)) {
            return Ok(found.clone());
        }
        let mut fitting = all.values().filter(|network| !text.is_empty() && network.id.starts_with(text));
        match (fitting.next(), fitting.next()) {
            (Some(found), None) => Ok(found.clone()),
            (Some(_), Some(_)) => Err(Fault::bad(format!("network {text} is ambiguous (several ids begin so)"))),
            _ => Err(Fault::not_found(format!("network {text} not found"))),
        }
    }

    /// Takes a new one in.
    ///
    /// # Errors
    /// The name is taken, the subnet overlaps another, or nothing is free.
    pub fn add(&self, mut network: Network) -> Result<Network, Fault> {
        if network.name.trim().is_empty() {
            return Err(Fault::bad("invalid name: name is empty"));
        }
        let mut all = self.lock();
        if all.values().any(|other| other.name == network.name) {
            let predefined = ["bridge", "host", "none"].contains(&network.name.as_str());
            let said = if predefined {
                return Err(Fault {
                    status: axum::http::StatusCode::FORBIDDEN,
                    message: format!("operation is not permitted on predefined {} network ", network.name),
                });
            } else {
                format!("network with name {} already exists", network.name)
            };
            return Err(Fault::conflict(said));
        }
        let taken: Vec<Subnet> = all.values().flat_map(Network::pools).map(|pool| pool.subnet).collect();
        let first = network.driver == "bridge";
        if !network.without_ipv4 {
            (network.subnet, network.gateway) = placed((&network.subnet, &network.gateway), first, &taken, || free_subnet(&taken))?;
        }
        if network.ipv6 {
            let free = || (1..).map(|number| unique_local(&self.seed, number)).find(|one| taken.iter().all(|other| !other.overlaps(one)));
            (network.subnet6, network.gateway6) = placed((&network.subnet6, &network.gateway6), first, &taken, free)?;
        }
        if let Some(value) = network.options.get(TALK).filter(|value| truth(value).is_none()) {
            let why = format!("strconv.ParseBool: parsing \"{value}\": invalid syntax");
            return Err(Fault::bad(format!("failed to parse {TALK} value: {value} ({why})")));
        }
        network.check_ranges()?;
        network.id = names::random_id();
        network.created = now();
        fs::create_dir_all(&self.folder, 0o700)?;
        let text = serde_json::to_vec(&network).map_err(|error| Fault::internal(error.to_string()))?;
        fs::replace(&self.folder.join(format!("{}.json", network.id)), &text, 0o600)?;
        all.insert(network.id.clone(), network.clone());
        Ok(network)
    }

    /// Forgets one.
    ///
    /// # Errors
    /// The disk says no.
    pub fn remove(&self, network: &Network) -> Result<(), Fault> {
        fs::remove_file(&self.folder.join(format!("{}.json", network.id)))?;
        self.lock().remove(&network.id);
        Ok(())
    }
}

/// Yes or no as Go reads it.
fn truth(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// The subnet and the gateway that were asked for, or those that are free: a gateway only where `first` says that it is the first address.
fn placed(
    (subnet, gateway): (&str, &str),
    first: bool,
    taken: &[Subnet],
    free: impl FnOnce() -> Option<Subnet>,
) -> Result<(String, String), Fault> {
    let subnet = if subnet.is_empty() {
        free().ok_or_else(|| Fault::internal("all predefined address pools have been fully subnetted"))?
    } else {
        let asked: Subnet = subnet.parse().map_err(|()| Fault::bad(format!("invalid subnet {subnet}: invalid CIDR block")))?;
        if taken.iter().any(|other| other.overlaps(&asked)) {
            return Err(Fault {
                status: axum::http::StatusCode::FORBIDDEN,
                message: "invalid pool request: Pool overlaps with other one on this address space".to_owned(),
            });
        }
        asked
    };
    if gateway.is_empty() && !first {
        return Ok((subnet.to_string(), String::new()));
    }
    let gateway = if gateway.is_empty() {
        subnet.free(&[]).ok_or_else(|| Fault::bad(format!("the subnet {subnet} has no place for a gateway")))?
    } else {
        let asked: Result<IpAddr, _> = gateway.parse();
        let asked = asked.map_err(|_| Fault::bad(format!("invalid gateway address: {gateway}")))?;
        if !subnet.contains(asked) {
            return Err(Fault::bad(format!(
                "failed to allocate gateway ({gateway}): Requested address is out of range: it is not in the subnet {subnet}"
            )));
        }
        asked
    };
    Ok((subnet.to_string(), gateway.to_string()))
}

/// A byte of two digits.
fn octet(digits: &[u8]) -> Option<u8> {
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// Those that every engine has. Their ids come of its data folder: the same as long as that is.
fn predefined(root: &Path, seed: &[u8], config: &Config) -> Vec<Network> {
    let id = |name: &str| Digest::of(format!("{} {name}", root.display()).as_bytes()).hex().to_owned();
    let network = |name: &str, driver: &str| Network {
        id: id(name),
        name: name.to_owned(),
        driver: driver.to_owned(),
        created: now(),
        ..Network::default()
    };
    let options = [
        ("com.docker.network.bridge.default_bridge", "true"),
        (TALK, if config.icc == Some(false) { "false" } else { "true" }),
        ("com.docker.network.bridge.enable_ip_masquerade", "true"),
        ("com.docker.network.bridge.host_binding_ipv4", "0.0.0.0"),
        ("com.docker.network.bridge.name", "docker0"),
        ("com.docker.network.driver.mtu", "1500"),
    ];
    let own = config.bip.as_deref().and_then(|bip| Some((bip.parse::<Subnet>().ok()?.to_string(), bip.split_once('/')?.0.to_owned())));
    let (subnet, gateway) = own.unwrap_or_else(|| ("172.17.0.0/16".to_owned(), "172.17.0.1".to_owned()));
    let mut bridge = Network {
        subnet,
        gateway,
        options: options.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
        ..network("bridge", "bridge")
    };
    if config.ipv6 {
        let six = config.fixed_cidr_v6.as_deref().and_then(|text| text.parse().ok()).unwrap_or(unique_local(seed, 0));
        bridge.ipv6 = true;
        bridge.subnet6 = six.to_string();
        bridge.gateway6 = six.free(&[]).map_or_else(String::new, |first| first.to_string());
    }
    vec![bridge, network("host", "host"), network("none", "null")]
}

/// The pools of dockerd: 172.18 to 172.31 with 16 bits, then 192.168 in pieces of 20.
fn free_subnet(taken: &[Subnet]) -> Option<Subnet> {
    let large = (18..=31).filter_map(|second| Subnet::around(Ipv4Addr::new(172, second, 0, 0).into(), 16));
    let small = (0..16).filter_map(|third| Subnet::around(Ipv4Addr::new(192, 168, third * 16, 0).into(), 20));
    large.chain(small).find(|one| taken.iter().all(|other| !other.overlaps(one)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_get_subnets_that_do_not_overlap() {
        let root = tempfile::tempdir().unwrap();
        let networks = Networks::open(root.path(), "one", &Config::default());
        let named =
            |name: &str, subnet: &str| Network { name: name.into(), driver: "bridge".into(), subnet: subnet.into(), ..Network::default() };
        let one = networks.add(named("one", "")).unwrap();
        assert_eq!((one.subnet.as_str(), one.gateway.as_str()), ("172.18.0.0/16", "172.18.0.1"));
        assert_eq!(networks.add(named("two", "")).unwrap().subnet, "172.19.0.0/16");
        assert_eq!(networks.add(named("own", "10.5.6.7/24")).unwrap().subnet, "10.5.6.0/24");
        assert_eq!(networks.add(named("one", "")).unwrap_err().message, "network with name one already exists");
        assert!(networks.add(named("bad", "172.18.5.0/24")).unwrap_err().message.contains("Pool overlaps"));
        assert!(networks.add(named("bad", "x")).is_err() && networks.add(named(" ", "")).is_err());
        // Another engine on the same folder knows them.
        let told = Config { bip: Some("10.9.8.7/24".into()), ipv6: true, fixed_cidr_v6: Some("fd77::/64".into()), ..Config::default() };
        let again = Networks::open(root.path(), "one", &told);
        assert_eq!(again.find("one").unwrap(), one);
        assert_eq!(again.find(&one.id[..8]).unwrap(), one);
        again.remove(&one).unwrap();
        assert!(again.find("one").is_err());
        let bridge = again.find("bridge").unwrap();
        let gateways: Vec<String> = bridge.bridge().unwrap().gateways.iter().map(ToString::to_string).collect();
        assert_eq!((bridge.subnet.as_str(), gateways.join(" ").as_str()), ("10.9.8.0/24", "10.9.8.7/24 fd77::1/64"));
        assert_eq!(
            (bridge.bridge().unwrap().link.as_str(), networks.find("bridge").unwrap().subnet.as_str()),
            ("docker0", "172.17.0.0/16")
        );
    }

    #[test]
    fn a_network_with_ipv6_has_a_subnet_of_its_own_that_is_local() {
        let root = tempfile::tempdir().unwrap();
        let networks = Networks::open(root.path(), "one", &Config::default());
        let six = |name: &str, subnet6: &str| Network {
            name: name.into(),
            driver: "bridge".into(),
            ipv6: true,
            subnet6: subnet6.into(),
            ..Network::default()
        };
        let (one, two) = (networks.add(six("one", "")).unwrap(), networks.add(six("two", "")).unwrap());
        assert!(one.subnet6.starts_with("fd") && one.subnet6.ends_with("::/64") && one.subnet6 != two.subnet6, "{one:?} {two:?}");
        assert_eq!(one.pools()[1].gateway.unwrap().to_string(), one.subnet6.replace("::/64", "::1"));
        let own = networks.add(six("own", "fd00:1::/64")).unwrap();
        assert_eq!((own.subnet6.as_str(), own.gateway6.as_str(), own.subnet.as_str()), ("fd00:1::/64", "fd00:1::1", "172.20.0.0/16"));
        assert!(networks.add(six("bad", "fd00:1::/48")).unwrap_err().message.contains("Pool overlaps"));
        assert!(networks.add(six("bad", "fd00:1::/x")).unwrap_err().message.contains("invalid subnet"));
        // Another engine has other ones.
        let other = Networks::open(&root.path().join("other"), "two", &Config::default());
        assert_ne!(other.add(six("one", "")).unwrap().subnet6, one.subnet6);
    }
}
