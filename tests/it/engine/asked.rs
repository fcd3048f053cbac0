//! Options that must be obeyed or refused, never passed over.

use super::containers::{Confined, docker};

#[test]
fn a_hardware_address_is_given_as_asked_for_and_stays() {
    if !docker("a_hardware_address_is_given_as_asked_for_and_stays") {
        return;
    }
    let here = Confined::start();
    let link = |name: &str, link: &str| here.said(&["exec", name, "ip", "link", "show", link]);
    here.said(&["network", "create", "more"]);
    here.said(&["run", "-d", "--name", "one", "--mac-address", "92:d0:c6:0a:29:33", "base:1", "sleep", "1000"]);
    assert!(link("one", "eth0").contains("92:d0:c6:0a:29:33"));
    assert_eq!(here.said(&["inspect", "-f", "{{.NetworkSettings.Networks.bridge.MacAddress}}", "one"]), "92:d0:c6:0a:29:33\n");
    // Of another network: from its address, as without the option.
    here.said(&["network", "connect", "more", "one"]);
    assert!(link("one", "eth1").contains("02:42:"));
    here.said(&["restart", "-t", "0", "one"]);
    assert!(link("one", "eth0").contains("92:d0:c6:0a:29:33"), "after a restart too");
    // An address of a group is none that a link can have.
    for wrong in ["01:00:5e:00:00:01", "92:d0:c6"] {
        let said = here.docker(&["run", "--rm", "--mac-address", wrong, "base:1", "true"]).exits(125).stderr;
        assert!(said.to_lowercase().contains("mac address"), "{wrong}: {said}");
    }
}

#[test]
fn what_the_engine_cannot_do_is_refused_before_anything_is_made() {
    if !docker("what_the_engine_cannot_do_is_refused_before_anything_is_made") {
        return;
    }
    let here = Confined::start();
    let part = "type=volume,source=data,target=/data,volume-subpath=part";
    let said = here.fails(&["create", "--name", "partly", "--mount", part, "base:1", "true"], 1);
    assert!(said.contains("volume-subpath"), "{said}");
    assert_eq!(here.said(&["ps", "-aq"]), "");
}
