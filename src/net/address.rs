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

#[cfg(test)]
mod tests {
    use super::*;

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
