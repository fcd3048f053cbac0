//! P13: all proofs run without a network outside. The prover enters an empty network namespace before the first bottle; here it looks whether that is so.

use std::path::Path;

use super::super::unit::Unit;
use super::{Outcome, Prover, Row, exempt};
use crate::kernel::fs;

/// One row for each unit, and one for each step that says why it does without this proof.
pub(super) fn prove(prover: &mut Prover<'_>, unit: &Unit, rows: &mut Vec<Row>) {
    for step in &unit.steps {
        if let Some(reason) = exempt(step, "P13") {
            prover.row(rows, &unit.id, "P13", &step.id, Outcome::Exempt(reason));
        }
    }
    let read = |name: &str| fs::read(&Path::new("/proc/self/net").join(name)).unwrap_or_default();
    let ways = ways_out(&read("dev"), &read("route"), &read("ipv6_route"));
    let outcome = match ways.is_empty() {
        true => Outcome::Proved("no link but the loopback, no route".to_owned()),
        false => Outcome::NotHere(format!("this user may not make a network namespace for the prover: {} is there", ways.join(", "))),
    };
    prover.row(rows, &unit.id, "P13", "network", outcome);
}

/// The links and routes that lead out, from the kernel's tables of them.
fn ways_out(links: &str, routes: &str, routes6: &str) -> Vec<String> {
    let links = links.lines().filter_map(|line| Some(line.split_once(':')?.0.trim())).filter(|name| *name != "lo");
    let routes = routes.lines().skip(1).filter_map(|line| line.split_whitespace().next());
    // The last field of an IPv6 route is its link.
    let routes6 = routes6.lines().filter_map(|line| line.split_whitespace().last()).filter(|link| *link != "lo");
    let mut ways: Vec<String> = links.chain(routes).chain(routes6).map(str::to_owned).collect();
    ways.sort();
    ways.dedup();
    ways
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_or_a_route_is_a_way_out() {
        let nothing = "Inter-|   Receive\n face |bytes    packets\n    lo:       0       0\n";
        assert!(ways_out(nothing, "Iface\tDestination\n", "").is_empty());
        assert_eq!(ways_out(&format!("{nothing}  eth0: 1 2\n"), "Iface\tDestination\neth0\t00000000\n", ""), ["eth0"]);
        assert_eq!(ways_out(nothing, "", "00 00 00 00 00 00000400 00000001 00000000 00000001 tun0"), ["tun0"]);
    }
}
