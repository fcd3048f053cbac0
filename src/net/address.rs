//! Who has which address on the switch of a bottle.
//!
//! 192.168.99.0/24 with hosts from .100 on is what docker-machine gave its virtual machines; the course's texts know it.

use std::net::Ipv4Addr;

/// The network of the switch.
pub const NETWORK: Ipv4Addr = Ipv4Addr::new(192, 168, 99, 0);
/// The length of its prefix.
pub const PREFIX: u8 = 24;
/// The host `internet`, or the bottle's own router with the real internet: the default route of all others.
pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(192, 168, 99, 1);
/// The first host's.
const FIRST: u8 = 100;
/// The last host's.
const LAST: u8 = 250;

/// The lowest address for a host that is not among `taken`; none when the network is full.
pub fn free(taken: &[Ipv4Addr]) -> Option<Ipv4Addr> {
    (FIRST..=LAST).map(|last| Ipv4Addr::new(192, 168, 99, last)).find(|address| !taken.contains(address))
}

/// The length of the prefix of the network between the machine and a bottle with the real internet: two addresses.
pub const UPLINK_PREFIX: u8 = 30;

/// The machine's address of a network for an uplink (10.213.x.y/30; the bottle's is the next one) that overlaps none of `taken`, which are
/// networks as text, `10.0.0.0/8`. The search begins where `seed` says, so that bottles that boot at once choose differently.
pub fn free_uplink(taken: &[String], seed: u32) -> Option<Ipv4Addr> {
    const NETWORKS: u32 = 1 << 14;
    let parse = |text: &String| {
        let (address, prefix) = text.split_once('/')?;
        Some((u32::from(address.parse::<Ipv4Addr>().ok()?), prefix.parse::<u32>().ok().filter(|prefix| *prefix <= 32)?))
    };
    let taken: Vec<(u32, u32)> = taken.iter().filter_map(parse).collect();
    let network = |number: u32| u32::from(Ipv4Addr::new(10, 213, 0, 0)) + number % NETWORKS * 4;
    let free = |start: &u32| {
        taken.iter().all(|(address, prefix)| {
            let mask = u32::MAX.checked_shl(32 - prefix.min(&u32::from(UPLINK_PREFIX))).unwrap_or(0);
            address & mask != start & mask
        })
    };
    (0..NETWORKS).map(|step| network(seed % NETWORKS + step)).find(free).map(|start| Ipv4Addr::from(start + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_uplink_keeps_away_from_the_machines_networks() {
        let text = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
        let none = text(&["default", "192.0.2.7/24", "fe80::1/64"]);
        assert_eq!(free_uplink(&none, 0), Some(Ipv4Addr::new(10, 213, 0, 1)));
        assert_eq!(free_uplink(&text(&["10.213.0.2/32", "10.213.0.4/30"]), 0), Some(Ipv4Addr::new(10, 213, 0, 9)));
        assert_eq!(free_uplink(&text(&["10.0.0.0/8"]), 5), None);
        assert_eq!(free_uplink(&text(&["0.0.0.0/0"]), 5), None);
        assert_eq!(free_uplink(&none, (1 << 14) + 1), Some(Ipv4Addr::new(10, 213, 0, 5)));
    }

    #[test]
    fn addresses_are_given_once_until_the_network_is_full() {
        let mut taken = Vec::new();
        while let Some(address) = free(&taken) {
            assert!(!taken.contains(&address));
            taken.push(address);
        }
        assert_eq!(taken.first(), Some(&Ipv4Addr::new(192, 168, 99, 100)));
        assert_eq!(taken.len(), 151);
    }
}
