//! Networks: `bridge`, `host` and `none`, which every engine has, and those that people make.
//!
//! ```text
//!  networks/ID.json   one that was made
//! ```

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::container::config::Texts;
use super::container::{names, now};
use super::error::Fault;
use crate::kernel::fs;
use crate::net::bridge::{Bridge, free_address};
use crate::oci::digest::Digest;

/// A network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Network {
    /// 64 digits.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `bridge`, `host` or `null`.
    pub driver: String,
    /// When it was made.
    pub created: String,
    /// `172.18.0.0/16`; empty for `host` and `none`.
    pub subnet: String,
    /// The bridge's own address.
    pub gateway: String,
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
        let (_, prefix) = self.subnet.split_once('/')?;
        let link = match self.options.get("com.docker.network.bridge.name") {
            Some(name) => name.clone(),
            None if self.is_default() => "docker0".to_owned(),
            None => format!("br-{}", self.id.get(..12)?),
        };
        Some(Bridge { link, gateway: self.gateway.parse().ok()?, prefix: prefix.parse().ok()?, internal: self.internal })
    }

    /// Whether it is the default bridge, which has no names.
    pub fn is_default(&self) -> bool {
        self.name == "bridge"
    }

    /// Whether every engine has it.
    pub fn is_predefined(&self) -> bool {
        ["bridge", "host", "none"].contains(&self.name.as_str())
    }

    /// A network as the API shows it.
    pub fn json(&self, containers: &Value) -> Value {
        let config = if self.subnet.is_empty() { Value::Null } else { json!([{"Subnet": self.subnet, "Gateway": self.gateway}]) };
        json!({
            "Name": self.name, "Id": self.id, "Created": self.created, "Scope": "local", "Driver": self.driver,
            "EnableIPv4": true, "EnableIPv6": false,
            "IPAM": {"Driver": "default", "Options": self.address_options, "Config": config},
            "Internal": self.internal, "Attachable": self.attachable, "Ingress": false, "ConfigFrom": {"Network": ""}, "ConfigOnly": false,
            "Containers": containers, "Options": self.options, "Labels": self.labels,
        })
    }
}

/// All networks of the engine.
pub struct Networks {
    folder: PathBuf,
    all: Mutex<BTreeMap<String, Network>>,
}

impl Networks {
    /// The networks of an engine whose data is in `root`; `bip` is the address and prefix of the default bridge, where it has another than usual.
    pub fn open(root: &Path, bip: Option<&str>) -> Self {
        let folder = root.join("networks");
        let mut all: BTreeMap<String, Network> = predefined(root, bip).into_iter().map(|network| (network.id.clone(), network)).collect();
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
        Networks { folder, all: Mutex::new(all) }
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
        let taken: Vec<(u32, u8)> = all.values().filter_map(|other| range(&other.subnet)).collect();
        if network.subnet.is_empty() {
            network.subnet =
                free_subnet(&taken).ok_or_else(|| Fault::internal("all predefined address pools have been fully subnetted"))?;
        } else {
            let (start, prefix) =
                range(&network.subnet).ok_or_else(|| Fault::bad(format!("invalid subnet {}: invalid CIDR block", network.subnet)))?;
            if taken.iter().any(|other| overlap(*other, (start, prefix))) {
                return Err(Fault {
                    status: axum::http::StatusCode::FORBIDDEN,
                    message: "invalid pool request: Pool overlaps with other one on this address space".to_owned(),
                });
            }
            network.subnet = format!("{}/{prefix}", Ipv4Addr::from(start));
        }
        if network.gateway.is_empty() {
            let first = range(&network.subnet).and_then(|(start, prefix)| free_address(Ipv4Addr::from(start), prefix, &[]));
            network.gateway =
                first.ok_or_else(|| Fault::bad(format!("the subnet {} has no place for a gateway", network.subnet)))?.to_string();
        } else if network.gateway.parse::<Ipv4Addr>().is_err() {
            return Err(Fault::bad(format!("invalid gateway address: {}", network.gateway)));
        }
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

/// Those that every engine has. Their ids come of its data folder: the same as long as that is.
fn predefined(root: &Path, bip: Option<&str>) -> Vec<Network> {
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
        ("com.docker.network.bridge.enable_icc", "true"),
        ("com.docker.network.bridge.enable_ip_masquerade", "true"),
        ("com.docker.network.bridge.host_binding_ipv4", "0.0.0.0"),
        ("com.docker.network.bridge.name", "docker0"),
        ("com.docker.network.driver.mtu", "1500"),
    ];
    let own = bip.and_then(|bip| Some((range(bip)?, bip.split_once('/')?.0)));
    let ((start, prefix), gateway) = own.unwrap_or(((u32::from(Ipv4Addr::new(172, 17, 0, 0)), 16), "172.17.0.1"));
    let bridge = Network {
        subnet: format!("{}/{prefix}", Ipv4Addr::from(start)),
        gateway: gateway.to_owned(),
        options: options.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
        ..network("bridge", "bridge")
    };
    vec![bridge, network("host", "host"), network("none", "null")]
}

/// The first address and the prefix of `10.0.0.0/8`.
fn range(subnet: &str) -> Option<(u32, u8)> {
    let (address, prefix) = subnet.split_once('/')?;
    let prefix: u8 = prefix.parse().ok().filter(|prefix| *prefix <= 32)?;
    let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
    Some((u32::from(address.parse::<Ipv4Addr>().ok()?) & mask, prefix))
}

fn overlap((one, one_prefix): (u32, u8), (other, other_prefix): (u32, u8)) -> bool {
    let mask = u32::MAX.checked_shl(32 - u32::from(one_prefix.min(other_prefix))).unwrap_or(0);
    one & mask == other & mask
}

/// The pools of dockerd: 172.18 to 172.31 with 16 bits, then 192.168 in pieces of 20.
fn free_subnet(taken: &[(u32, u8)]) -> Option<String> {
    let large = (18..=31).map(|second| (u32::from(Ipv4Addr::new(172, second, 0, 0)), 16));
    let small = (0..16).map(|third| (u32::from(Ipv4Addr::new(192, 168, third * 16, 0)), 20));
    let free = large.chain(small).find(|one| taken.iter().all(|other| !overlap(*one, *other)));
    free.map(|(start, prefix)| format!("{}/{prefix}", Ipv4Addr::from(start)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_get_subnets_that_do_not_overlap() {
        let root = tempfile::tempdir().unwrap();
        let networks = Networks::open(root.path(), None);
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
        let again = Networks::open(root.path(), Some("10.9.8.7/24"));
        assert_eq!(again.find("one").unwrap(), one);
        assert_eq!(again.find(&one.id[..8]).unwrap(), one);
        again.remove(&one).unwrap();
        assert!(again.find("one").is_err());
        let bridge = again.find("bridge").unwrap();
        assert_eq!((bridge.subnet.as_str(), bridge.bridge().unwrap().gateway.to_string().as_str()), ("10.9.8.0/24", "10.9.8.7"));
        assert_eq!(
            (bridge.bridge().unwrap().link.as_str(), networks.find("bridge").unwrap().subnet.as_str()),
            ("docker0", "172.17.0.0/16")
        );
    }
}
