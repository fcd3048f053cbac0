//! Networks besides the plain bridge: IPv6, branches of a link of the host, bridges whose containers are kept apart.

use std::path::Path;

use super::PATIENCE;
use super::containers::{Confined, docker};
use crate::support::{eventually, skip};

/// A web server that says hello, and who asked.
const SERVE: &str = "mkdir /www; echo hello > /www/index.html; exec httpd -f -vv -h /www -p 80";

/// A line of the shell that asks a web server for its page.
fn get(address: &str) -> String {
    format!("printf 'GET / HTTP/1.0\\r\\n\\r\\n' | busybox nc -w 3 {address} | tail -n 1")
}

fn run<'a>(network: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["run", "--rm", "--network", network], more].concat()
}

/// Whether a container of a network gets an answer.
fn pings(here: &Confined, network: &str, target: &str) -> bool {
    here.docker(&run(network, &["base:1", "ping", "-c", "1", "-W", "2", target])).output().stdout.contains("1 packets received")
}

#[test]
fn containers_of_a_network_with_ipv6_have_addresses_and_names_of_it() {
    if !docker("containers_of_a_network_with_ipv6_have_addresses_and_names_of_it") {
        return;
    }
    let here = Confined::start();
    here.said(&["network", "create", "--ipv6", "--subnet", "fd00:cafe::/64", "six"]);
    let shown = "{{.EnableIPv6}}{{range .IPAM.Config}} {{.Subnet}} {{.Gateway}}{{end}}";
    assert_eq!(here.said(&["network", "inspect", "-f", shown, "six"]), "true 172.18.0.0/16 172.18.0.1 fd00:cafe::/64 fd00:cafe::1\n");
    here.said(&["run", "-d", "--name", "server", "--network", "six", "--ip6", "fd00:cafe::9", "base:1", "sleep", "1000"]);
    let place = "{{with index .NetworkSettings.Networks \"six\"}}{{.IPAddress}} {{.GlobalIPv6Address}}/{{.GlobalIPv6PrefixLen}} {{.IPv6Gateway}}{{end}}";
    assert_eq!(here.said(&["inspect", "-f", place, "server"]), "172.18.0.2 fd00:cafe::9/64 fd00:cafe::1\n");
    assert_eq!(
        here.said(&["network", "inspect", "-f", "{{range .Containers}}{{.IPv4Address}} {{.IPv6Address}}{{end}}", "six"]),
        "172.18.0.2/16 fd00:cafe::9/64\n"
    );
    let seen = here.said(&run("six", &["base:1", "sh", "-c", "ip -6 addr show eth0; ip -6 route; cat /etc/hosts"]));
    assert!(seen.contains("fd00:cafe::2/64") && seen.contains("default via fd00:cafe::1") && seen.contains("fd00:cafe::2\t"), "{seen}");
    // The name has an address of each kind, and both are reached.
    let asked = here.said(&run("six", &["base:1", "sh", "-c", "ping -6 -c 1 -W 5 server; ping -4 -c 1 -W 5 server"]));
    assert!(asked.contains("(fd00:cafe::9)") && asked.contains("(172.18.0.2)"), "{asked}");
    assert_eq!(asked.matches("1 packets received").count(), 2, "{asked}");
    // What cannot be given.
    for (wanted, why) in
        [("fd00:cafe::9", "Address already in use"), ("fd00:beef::1", "no configured subnet contains IP address fd00:beef::1")]
    {
        let refused = here.fails(&run("six", &["--ip6", wanted, "base:1", "true"]), 125);
        assert!(refused.contains(why), "{refused}");
    }
    let overlap = here.fails(&["network", "create", "--ipv6", "--subnet", "fd00:cafe::/48", "wide"], 1);
    assert!(overlap.contains("Pool overlaps with other one on this address space"), "{overlap}");
    // Without a subnet each network has one of the engine's own.
    let own = |name: &str| {
        here.said(&["network", "create", "--ipv6", name]);
        here.said(&["network", "inspect", "-f", "{{(index .IPAM.Config 1).Subnet}}", name])
    };
    let (one, two) = (own("one"), own("two"));
    assert!(one.starts_with("fd") && one.ends_with("::/64\n") && one != two, "{one}{two}");
    // A container that runs gets one when it is connected, and loses it again.
    here.said(&["network", "connect", "--ip6", &one.replace("/64\n", "77"), "one", "server"]);
    let addresses = || here.said(&["exec", "server", "ip", "-6", "addr"]);
    assert!(addresses().contains(&one.replace("/64\n", "77/64")), "{}", addresses());
    here.said(&["network", "disconnect", "six", "server"]);
    assert!(!addresses().contains("fd00:cafe::9") && here.said(&["exec", "server", "ip", "-6", "route"]).contains("default via fd"));
    // Who wants none of it has none, and runs.
    let off = ["--sysctl", "net.ipv6.conf.all.disable_ipv6=1", "base:1", "ip", "addr"];
    let seen = here.said(&run("six", &off));
    assert!(seen.contains("172.18.0.2/16") && !seen.contains("inet6"), "{seen}");
}

#[test]
fn a_network_of_ipv6_alone_has_addresses_names_and_ports_of_it() {
    if !docker("a_network_of_ipv6_alone_has_addresses_names_and_ports_of_it") {
        return;
    }
    let here = Confined::start();
    here.host("ip link set lo up");
    let neither = here.fails(&["network", "create", "--ipv4=false", "none-at-all"], 1);
    assert!(neither.contains("IPv4 or IPv6 must be enabled"), "{neither}");
    here.said(&["network", "create", "--ipv4=false", "--ipv6", "--subnet", "fd00:cafe::/64", "six"]);
    let shown = "{{.EnableIPv4}} {{.EnableIPv6}}{{range .IPAM.Config}} {{.Subnet}}{{end}}";
    assert_eq!(here.said(&["network", "inspect", "-f", shown, "six"]), "false true fd00:cafe::/64\n");
    let server = ["-d", "--name", "server", "--network", "six", "-p", "8080:80", "base:1", "sh", "-c", SERVE];
    here.said(&[&["run"][..], &server].concat());
    let place = "{{with index .NetworkSettings.Networks \"six\"}}[{{.IPAddress}}] {{.GlobalIPv6Address}}{{end}}";
    assert_eq!(here.said(&["inspect", "-f", place, "server"]), "[] fd00:cafe::2\n");
    let seen = here.said(&run("six", &["base:1", "sh", "-c", "ip addr show eth0; ping -c 1 -W 5 server"]));
    assert!(!seen.contains("inet 1") && seen.contains("(fd00:cafe::2)") && seen.contains("1 packets received"), "{seen}");
    eventually("an answer", PATIENCE, || (here.host(&get("::1 8080")).stdout == "hello\n").then_some(()));
    let member = here.said(&["network", "inspect", "-f", "{{range .Containers}}{{.Name}} [{{.IPv4Address}}]{{end}}", "six"]);
    assert_eq!(member, "server []\n");
    assert!(here.fails(&["network", "rm", "six"], 1).contains("has active endpoints"));
    here.said(&["network", "disconnect", "six", "server"]);
    assert!(!here.said(&["exec", "server", "ip", "addr"]).contains("fd00:cafe"));
    here.said(&["rm", "-f", "server"]);
    here.said(&["network", "rm", "six"]);
    assert!(!here.host("ip -o link").stdout.contains(" br-"), "nothing of a network is left");
}

#[test]
fn published_ports_lead_to_addresses_of_ipv6_and_nothing_else_does() {
    if !docker("published_ports_lead_to_addresses_of_ipv6_and_nothing_else_does") {
        return;
    }
    let here = Confined::start();
    here.host("ip link set lo up");
    here.said(&["network", "create", "--ipv6", "--subnet", "fd00:cafe::/64", "six"]);
    let server = ["-d", "--name", "server", "--network", "six", "-p", "8080:80", "-p", "80", "base:1", "sh", "-c", SERVE];
    here.said(&[&["run"][..], &server].concat());
    let ports = here.said(&["port", "server"]);
    assert!(ports.contains("80/tcp -> 0.0.0.0:8080\n") && ports.contains("80/tcp -> [::]:8080\n"), "{ports}");
    // A port that nobody has chosen is the same in both.
    let chosen: Vec<&str> = ports.lines().filter(|line| !line.ends_with(":8080")).filter_map(|line| line.rsplit(':').next()).collect();
    assert!(chosen.len() == 2 && chosen[0] == chosen[1], "{ports}");
    eventually("an answer", PATIENCE, || (here.host(&get("::1 8080")).stdout == "hello\n").then_some(()));
    assert_eq!(here.host(&get("127.0.0.1 8080")).stdout, "hello\n");
    // By the rule: the server sees who asks.
    assert_eq!(here.neighbour(&get("fd99::1 8080")).stdout, "hello\n");
    assert_eq!(here.neighbour(&get("10.9.9.1 8080")).stdout, "hello\n");
    let seen = here.docker(&["logs", "server"]).output().stderr;
    assert!(seen.contains("fd99::2") && seen.contains("10.9.9.2"), "{seen}");
    // The address itself is as private as the one of IPv4, from outside and from the next network.
    here.said(&["network", "create", "--ipv6", "other"]);
    assert_eq!(here.neighbour(&get("fd00:cafe::2 80")).stdout, "");
    assert_eq!(here.said(&run("other", &["base:1", "sh", "-c", &get("fd00:cafe::2 80")])), "");
    assert_eq!(here.said(&run("six", &["base:1", "sh", "-c", &get("fd00:cafe::2 80")])), "hello\n");
    // Who leaves has the host's address.
    assert_eq!(here.neighbour("busybox httpd -h / -p '[::]:81'").code(), 0);
    let left = here.said(&run("six", &["base:1", "sh", "-c", "busybox nc -w 3 fd99::2 81 < /dev/null; echo $?"]));
    assert_eq!(left, "0\n");
    here.said(&["rm", "-f", "server"]);
    assert_eq!(here.neighbour(&get("fd99::1 8080")).stdout, "");
    for network in ["six", "other"] {
        here.said(&["network", "rm", network]);
    }
    assert!(!here.host("ip -o link").stdout.contains(" br-"), "nothing of a network is left");
}

/// As with dockerd and its proxy: the container has no IPv6, its published port has.
#[test]
fn a_published_port_is_open_in_ipv6_also_where_the_container_has_none() {
    if !docker("a_published_port_is_open_in_ipv6_also_where_the_container_has_none") {
        return;
    }
    let here = Confined::start();
    here.host("ip link set lo up");
    let server = ["-d", "--name", "server", "-p", "8080:80", "-p", "127.0.0.1:8081:80", "-p", "5353:53/udp", "base:1", "sh", "-c", SERVE];
    here.said(&[&["run"][..], &server].concat());
    let both = "53/udp -> 0.0.0.0:5353\n53/udp -> [::]:5353\n80/tcp -> 0.0.0.0:8080\n80/tcp -> 127.0.0.1:8081\n80/tcp -> [::]:8080\n";
    assert_eq!(here.said(&["port", "server"]), both);
    let listed = here.said(&["ps", "--format", "{{.Ports}}"]);
    for part in ["0.0.0.0:8080->80/tcp", "[::]:8080->80/tcp", "127.0.0.1:8081->80/tcp", "0.0.0.0:5353->53/udp", "[::]:5353->53/udp"] {
        assert!(listed.contains(part), "{part}: {listed}");
    }
    let bindings =
        here.said(&["inspect", "-f", "{{range index .NetworkSettings.Ports \"53/udp\"}}{{.HostIp}} {{.HostPort}};{{end}}", "server"]);
    assert_eq!(bindings, "0.0.0.0 5353;:: 5353;\n");
    eventually("an answer", PATIENCE, || (here.host(&get("::1 8080")).stdout == "hello\n").then_some(()));
    assert_eq!(here.host(&get("127.0.0.1 8080")).stdout, "hello\n");
    assert_eq!(
        (here.neighbour(&get("fd99::1 8080")).stdout, here.neighbour(&get("10.9.9.1 8080")).stdout),
        ("hello\n".into(), "hello\n".into())
    );
    assert_eq!(here.host(&get("::1 8081")).stdout, "", "an address of IPv4 was said");
    // One program of the host in the way of one of both is in the way of the port.
    here.host("busybox httpd -h / -p '[::1]:8082'");
    let taken = here.fails(&["run", "--rm", "-p", "8082:80", "base:1", "true"], 125);
    assert!(taken.contains("failed to bind host port for [::]:8082:") && taken.contains("address already in use"), "{taken}");
    here.said(&["rm", "-f", "server"]);
    for address in ["::1", "127.0.0.1"] {
        assert_eq!(here.host(&get(&format!("{address} 8080"))).stdout, "", "closed again");
    }
}

#[test]
fn the_default_bridge_has_ipv6_where_daemon_json_says_so() {
    if !docker("the_default_bridge_has_ipv6_where_daemon_json_says_so") {
        return;
    }
    let here = Confined::told(r#"{"ipv6": true, "fixed-cidr-v6": "fd00:17::/64"}"#);
    here.said(&["run", "-d", "--name", "one", "base:1", "sleep", "1000"]);
    assert_eq!(
        here.said(&["inspect", "-f", "{{.NetworkSettings.GlobalIPv6Address}} {{.NetworkSettings.IPv6Gateway}}", "one"]),
        "fd00:17::2 fd00:17::1\n"
    );
    assert!(pings(&here, "bridge", "fd00:17::2"));
    let told = here.said(&["info", "-f", "{{json .Warnings}}"]);
    assert!(!told.contains("ipv6") && !told.contains("fixed-cidr-v6"), "{told}");
}

#[test]
fn a_machine_without_ipv6_says_so() {
    if !docker("a_machine_without_ipv6_says_so") {
        return;
    }
    // What a kernel that was started with `ipv6.disable=1` shows: nothing of it.
    let here = Confined::after("mount -t tmpfs none /proc/sys/net/ipv6 || exit 1");
    let refused = here.fails(&["network", "create", "--ipv6", "six"], 1);
    assert!(refused.contains("IPv6 is switched off in this machine's kernel") && refused.contains("without --ipv6"), "{refused}");
    assert!(!here.said(&["network", "ls"]).contains("six"));
    here.said(&["network", "create", "four"]);
    assert!(here.said(&run("four", &["base:1", "ip", "-4", "addr"])).contains("172.18.0.2/16"));
    here.said(&["run", "-d", "--name", "server", "-p", "8080:80", "base:1", "sleep", "1000"]);
    assert_eq!(here.said(&["port", "server"]), "80/tcp -> 0.0.0.0:8080\n");
}

#[test]
fn containers_of_a_macvlan_are_neighbours_of_the_hosts_neighbours() {
    if !docker("containers_of_a_macvlan_are_neighbours_of_the_hosts_neighbours") {
        return;
    }
    let here = Confined::start();
    here.neighbour("true");
    let range = ["--subnet", "10.9.9.0/24", "--ip-range", "10.9.9.128/25", "--gateway", "10.9.9.2", "--aux-address", "printer=10.9.9.128"];
    let made = here.docker(&[&["network", "create", "-d", "macvlan", "-o", "parent=beside"][..], &range, &["own"]].concat()).output();
    if made.stderr.contains("has no macvlan links") {
        return skip("containers_of_a_macvlan_are_neighbours_of_the_hosts_neighbours", "the kernel has no macvlan");
    }
    assert_eq!(made.code(), 0, "{made}");
    here.said(&["run", "-d", "--name", "one", "--network", "own", "base:1", "sleep", "1000"]);
    let place = "{{with index .NetworkSettings.Networks \"own\"}}{{.IPAddress}}/{{.IPPrefixLen}} {{.Gateway}} {{.MacAddress}}{{end}}";
    assert_eq!(here.said(&["inspect", "-f", place, "one"]), "10.9.9.129/24 10.9.9.2 02:42:0a:09:09:81\n");
    // The neighbour and another container see it; the host itself does not: that is how the kernel does it.
    assert!(here.neighbour("busybox ping -c 1 -W 5 10.9.9.129").stdout.contains("1 packets received"));
    assert!(pings(&here, "own", "one") && pings(&here, "own", "10.9.9.2"));
    assert!(!here.host("busybox ping -c 1 -W 1 10.9.9.129").stdout.contains("1 packets received"));
    assert!(here.said(&["exec", "one", "ip", "route"]).contains("default via 10.9.9.2"));
    // It comes and goes while the container runs.
    here.said(&["network", "disconnect", "own", "one"]);
    assert!(!here.said(&["exec", "one", "ip", "addr"]).contains("10.9.9."));
    here.said(&["network", "connect", "--ip", "10.9.9.77", "own", "one"]);
    assert!(here.neighbour("busybox ping -c 1 -W 5 10.9.9.77").stdout.contains("1 packets received"));
    here.said(&["restart", "-t", "0", "one"]);
    assert!(here.said(&["exec", "one", "ip", "addr"]).contains("10.9.9.77/24"));
    // One without a way out.
    here.said(&[
        "network",
        "create",
        "-d",
        "macvlan",
        "--internal",
        "--subnet",
        "10.9.8.0/24",
        "--gateway",
        "10.9.8.1",
        "-o",
        "parent=beside",
        "closed",
    ]);
    assert!(!here.said(&run("closed", &["base:1", "ip", "route"])).contains("default"));
    // Nobody else may use a parent that is passed through.
    let through = ["network", "create", "-d", "macvlan", "-o", "parent=beside", "-o", "macvlan_mode=passthru", "through"];
    assert!(here.fails(&through, 1).contains("cannot use mode passthru, macvlan network"));
    here.said(&["rm", "-f", "one"]);
    here.said(&["network", "rm", "own", "closed"]);
    assert_eq!(here.host("ip link show beside").code(), 0, "the parent is the host's");
}

#[test]
fn options_of_macvlan_and_ipvlan_are_judged_in_dockers_words() {
    if !docker("options_of_macvlan_and_ipvlan_are_judged_in_dockers_words") {
        return;
    }
    let here = Confined::start();
    for (driver, option, why) in [
        ("macvlan", "parent=nosuch", "invalid subinterface vlan name nosuch, example formatting is eth0.10"),
        ("macvlan", "parent=nosuch.10", "-o parent interface was not found on the host: nosuch"),
        ("macvlan", "parent=lo", "loopback interface is not a valid macvlan parent link"),
        ("macvlan", "macvlan_mode=frob", "requested macvlan mode 'frob' is not valid, 'bridge' mode is the macvlan driver default"),
        ("ipvlan", "ipvlan_mode=l4", "requested ipvlan mode 'l4' is not valid, 'l2' mode is the ipvlan driver default"),
        ("ipvlan", "parent=lo", "loopback interface is not a valid ipvlan parent link"),
    ] {
        let refused = here.fails(&["network", "create", "-d", driver, "-o", option, "own"], 1);
        assert!(refused.contains(why), "{refused}");
    }
    assert!(!here.said(&["network", "ls"]).contains("own"), "what is refused is not there");
}

#[test]
fn a_branch_of_nothing_lets_containers_see_each_other_only() {
    if !docker("a_branch_of_nothing_lets_containers_see_each_other_only") {
        return;
    }
    let here = Confined::start();
    let made = here.docker(&["network", "create", "-d", "macvlan", "alone"]).output();
    if made.code() != 0 {
        assert!(made.stderr.contains("this kernel has no dummy links") || made.stderr.contains("has no macvlan links"), "{made}");
        assert!(!here.said(&["network", "ls"]).contains("alone"));
        return skip("a_branch_of_nothing_lets_containers_see_each_other_only", "the kernel has no dummy links, and the engine says so");
    }
    assert!(here.host("ip -o link").stdout.contains(" dm-"));
    here.said(&["run", "-d", "--name", "one", "--network", "alone", "base:1", "sleep", "1000"]);
    assert!(pings(&here, "alone", "one"));
    assert!(!here.said(&["exec", "one", "ip", "route"]).contains("default"));
    here.said(&["rm", "-f", "one"]);
    here.said(&["network", "rm", "alone"]);
    assert!(!here.host("ip -o link").stdout.contains(" dm-"), "its parent goes with it");
}

#[test]
fn containers_of_an_ipvlan_share_the_parents_hardware_address() {
    if !docker("containers_of_an_ipvlan_share_the_parents_hardware_address") {
        return;
    }
    let here = Confined::start();
    here.neighbour("true");
    let create = ["network", "create", "-d", "ipvlan", "--subnet", "10.9.9.0/24", "--gateway", "10.9.9.2", "-o", "parent=beside"];
    let made = here.docker(&[&create[..], &["own"]].concat()).output();
    if made.code() != 0 {
        let why = "the kernel of this machine has no ipvlan links (it was built without CONFIG_IPVLAN): use another driver";
        assert!(made.stderr.contains(why), "{made}");
        return skip("containers_of_an_ipvlan_share_the_parents_hardware_address", "the kernel has no ipvlan, and the engine says so");
    }
    here.said(&["run", "-d", "--name", "one", "--network", "own", "--ip", "10.9.9.77", "base:1", "sleep", "1000"]);
    assert!(here.neighbour("busybox ping -c 1 -W 5 10.9.9.77").stdout.contains("1 packets received"));
    let mac = here.said(&["inspect", "-f", "{{.NetworkSettings.Networks.own.MacAddress}}", "one"]);
    assert!(here.host("ip link show beside").stdout.contains(mac.trim()), "{mac}");
    let refused = here.fails(&run("own", &["--mac-address", "02:42:0a:09:09:09", "base:1", "true"]), 125);
    assert!(refused.contains("ipvlan interfaces do not support custom mac address assignment"), "{refused}");
    here.said(&["rm", "-f", "one"]);
    here.said(&["network", "rm", "own"]);
    // In the mode that routes the way out is the link itself.
    here.said(&[&create[..], &["-o", "ipvlan_mode=l3", "routed"]].concat());
    let routes = here.said(&run("routed", &["base:1", "ip", "route"]));
    assert!(routes.contains("default dev eth0") && !routes.contains("default via"), "{routes}");
}

#[test]
fn containers_that_are_kept_apart_reach_what_is_published_or_linked() {
    if !docker("containers_that_are_kept_apart_reach_what_is_published_or_linked") {
        return;
    }
    if !Path::new("/proc/sys/net/bridge/bridge-nf-call-iptables").exists() {
        return skip("containers_that_are_kept_apart_reach_what_is_published_or_linked", "the kernel has no br_netfilter");
    }
    let here = Confined::told(r#"{"icc": false}"#);
    here.host("ip link set lo up");
    let told = here.said(&["info", "-f", "{{json .Warnings}}"]);
    assert!(!told.contains("icc"), "{told}");
    let option =
        |network: &str| here.said(&["network", "inspect", "-f", "{{index .Options \"com.docker.network.bridge.enable_icc\"}}", network]);
    assert_eq!(option("bridge"), "false\n");
    here.said(&["run", "-d", "--name", "server", "--expose", "80", "-p", "8080:80", "base:1", "sh", "-c", SERVE]);
    eventually("an answer", PATIENCE, || (here.host(&get("127.0.0.1 8080")).stdout == "hello\n").then_some(()));
    let asks = |more: &[&str], address: &str| here.said(&run("bridge", &[more, &["base:1", "sh", "-c", &get(address)]].concat()));
    // Not each other, but the host, what is published, and what they are linked to.
    assert_eq!(asks(&[], "172.17.0.2 80"), "");
    assert!(!pings(&here, "bridge", "172.17.0.2") && pings(&here, "bridge", "172.17.0.1"));
    assert_eq!(asks(&[], "172.17.0.1 8080"), "hello\n");
    assert_eq!(asks(&["--link", "server"], "server 80"), "hello\n");
    let linked = here.docker(&run("bridge", &["--link", "server", "base:1", "ping", "-c", "1", "-W", "1", "server"])).output();
    assert!(!linked.stdout.contains("1 packets received"), "{linked}");
    assert_eq!(asks(&[], "172.17.0.2 80"), "", "the link has gone with its container");
    assert_eq!(here.neighbour(&get("10.9.9.1 8080")).stdout, "hello\n");
    // Other networks are as they were told to be.
    here.said(&["network", "create", "open"]);
    here.said(&["network", "create", "--ipv6", "-o", "com.docker.network.bridge.enable_icc=0", "apart"]);
    for (network, reached) in [("open", true), ("apart", false)] {
        here.said(&["run", "-d", "--name", network, "--network", network, "base:1", "sleep", "1000"]);
        assert_eq!(pings(&here, network, network), reached, "{network}");
    }
    let six = here.said(&["inspect", "-f", "{{.NetworkSettings.Networks.apart.GlobalIPv6Address}}", "apart"]);
    assert!(!pings(&here, "apart", six.trim()), "nor by IPv6");
    let refused = here.fails(&["network", "create", "-o", "com.docker.network.bridge.enable_icc=maybe", "bad"], 1);
    assert!(refused.contains("failed to parse com.docker.network.bridge.enable_icc value: maybe"), "{refused}");
}

/// A neighbour remembers which hardware address its gateway has, and asks no more for half a minute.
#[test]
fn a_bridge_keeps_its_hardware_address_whoever_comes_and_goes() {
    if !docker("a_bridge_keeps_its_hardware_address_whoever_comes_and_goes") {
        return;
    }
    let here = Confined::start();
    here.said(&["network", "create", "own"]);
    here.said(&["network", "create", "--ipv6", "--ipv4=false", "--subnet", "fd00:cafe::/64", "six"]);
    let address = |network: &str| {
        let line = format!("ip -o link show {network} | grep -o 'link/ether [^ ]*'");
        here.host(&line).stdout
    };
    let id = |network: &str| format!("br-{}", &here.said(&["network", "inspect", "-f", "{{.Id}}", network])[..12]);
    for (network, link) in [("bridge", "docker0".to_owned()), ("own", id("own")), ("six", id("six"))] {
        let run = || here.said(&["run", "-d", "--network", network, "base:1", "sleep", "1000"]);
        // The default bridge is made for the first of its containers.
        run();
        let before = address(&link);
        assert!(before.starts_with("link/ether 02:42:"), "{link}: {before}");
        for _ in 0..3 {
            run();
            assert_eq!(address(&link), before, "{network}");
        }
    }
}
