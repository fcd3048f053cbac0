//! Subnets of IPv4 and IPv6: which addresses begin alike, and which of them are free.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// `172.18.0.0/16`, `fd00:1::/64`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subnet {
    start: IpAddr,
    prefix: u8,
}

/// An address and how much of it is its subnet: `172.18.0.2/16`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// The address.
    pub address: IpAddr,
    /// The length of the subnet's prefix.
    pub prefix: u8,
}

/// An address as a number, and how many bits it has.
fn number(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(four) => (u128::from(u32::from(four)), 32),
        IpAddr::V6(six) => (u128::from(six), 128),
    }
}

fn address(number: u128, width: u32) -> IpAddr {
    if width == 32 { Ipv4Addr::from(number as u32).into() } else { Ipv6Addr::from(number).into() }
}

impl Subnet {
    /// The subnet in which an address lies; `None` when it has not so many bits.
    pub fn around(one: IpAddr, prefix: u8) -> Option<Self> {
        let (bits, width) = number(one);
        let hosts = width.checked_sub(u32::from(prefix))?;
        let mask = u128::MAX.checked_shl(hosts).unwrap_or(0);
        Some(Subnet { start: address(bits & mask, width), prefix })
    }

    /// Its first address: its own name.
    pub fn start(&self) -> IpAddr {
        self.start
    }

    /// The length of its prefix.
    pub fn prefix(&self) -> u8 {
        self.prefix
    }

    /// Whether an address lies in it.
    pub fn contains(&self, one: IpAddr) -> bool {
        one.is_ipv6() == self.start.is_ipv6() && Subnet::around(one, self.prefix) == Some(*self)
    }

    /// Whether an address lies in both.
    pub fn overlaps(&self, other: &Subnet) -> bool {
        if self.prefix < other.prefix { self.contains(other.start) } else { other.contains(self.start) }
    }

    /// All its addresses, the lowest first.
    pub fn all(&self) -> impl Iterator<Item = IpAddr> + use<> {
        let (start, width) = number(self.start);
        let size = 1u128.checked_shl(width - u32::from(self.prefix)).unwrap_or(u128::MAX);
        (0..size).map(move |step| address(start + step, width))
    }

    /// Whether a host may have this address of it: the first is the subnet's name, and in IPv4 the last its broadcast address.
    pub fn is_for_hosts(&self, one: IpAddr) -> bool {
        let ((bits, width), (start, _)) = (number(one), number(self.start));
        let last = u128::MAX.checked_shl(width - u32::from(self.prefix)).map_or(u128::MAX, |mask| !mask);
        self.contains(one) && bits != start && (width == 128 || bits - start != last)
    }

    /// The lowest address for a host that is not among `taken`.
    pub fn free(&self, taken: &[IpAddr]) -> Option<IpAddr> {
        self.all().take(taken.len() + 3).find(|one| self.is_for_hosts(*one) && !taken.contains(one))
    }
}

impl Placed {
    /// The subnet in which it lies.
    pub fn subnet(&self) -> Option<Subnet> {
        Subnet::around(self.address, self.prefix)
    }
}

impl FromStr for Subnet {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (address, prefix) = text.split_once('/').ok_or(())?;
        Subnet::around(address.parse().map_err(drop)?, prefix.parse().map_err(drop)?).ok_or(())
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.start, self.prefix)
    }
}

impl fmt::Display for Placed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.address, self.prefix)
    }
}

/// The subnet `number` of the engine that `seed` stands for, among those that nobody routes (RFC 4193): `fd`, 40 bits that are its own, 16 bits that count.
pub fn unique_local(seed: &[u8], number: u16) -> Subnet {
    let mut bytes = [0; 16];
    bytes[0] = 0xfd;
    bytes[1..6].iter_mut().zip(seed).for_each(|(byte, own)| *byte = *own);
    bytes[6..8].copy_from_slice(&number.to_be_bytes());
    Subnet { start: Ipv6Addr::from(bytes).into(), prefix: 64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnet(text: &str) -> Subnet {
        text.parse().unwrap()
    }

    #[test]
    fn addresses_are_given_in_order_and_run_out() {
        for (text, first, last) in [("10.0.0.0/29", "10.0.0.1", "10.0.0.6"), ("fd00::/125", "fd00::1", "fd00::7")] {
            let mut taken = Vec::new();
            while let Some(one) = subnet(text).free(&taken) {
                assert!(subnet(text).contains(one));
                taken.push(one);
            }
            assert_eq!((taken[0].to_string().as_str(), taken.last().unwrap().to_string().as_str()), (first, last));
            assert!(taken.is_sorted());
        }
        assert_eq!((subnet("10.0.0.0/32").free(&[]), subnet("fd00::/128").free(&[])), (None, None));
        assert_eq!(subnet("0.0.0.0/0").free(&[]), Some(Ipv4Addr::new(0, 0, 0, 1).into()));
        assert_eq!(subnet("::/0").free(&[]), Some(Ipv6Addr::LOCALHOST.into()));
    }

    #[test]
    fn subnets_are_read_and_compared() {
        assert_eq!((subnet("10.5.6.7/24").to_string(), subnet("fd00:1::5/64").to_string()), ("10.5.6.0/24".into(), "fd00:1::/64".into()));
        for wrong in ["", "10.0.0.0", "10.0.0.0/33", "fd00::/129", "fd00::/x", "x/8"] {
            assert!(wrong.parse::<Subnet>().is_err(), "{wrong}");
        }
        let overlap = |one: &str, other: &str| subnet(one).overlaps(&subnet(other));
        assert!(overlap("10.0.0.0/8", "10.1.0.0/16") && overlap("10.1.0.0/16", "10.0.0.0/8") && overlap("fd00::/8", "fd01::/64"));
        assert!(!overlap("10.0.0.0/16", "10.1.0.0/16") && !overlap("0.0.0.0/0", "::/0") && !overlap("fd00::/64", "fd00:0:0:1::/64"));
    }

    #[test]
    fn an_engines_own_subnets_are_local_and_do_not_overlap() {
        let one = unique_local(&[1, 2, 3, 4, 5, 6], 0);
        assert_eq!(one.to_string(), "fd01:203:405::/64");
        assert_eq!(unique_local(&[1, 2, 3, 4, 5], 258).to_string(), "fd01:203:405:102::/64");
        assert!(!one.overlaps(&unique_local(&[1, 2, 3, 4, 5], 1)));
    }
}
