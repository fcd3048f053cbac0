//! `--internet real`, proved without any internet: the tests run in a network namespace of their own, whose only neighbour plays the world.

use std::time::Duration;

use super::root;
use super::rootless::{self, User};
use crate::support::{Call, Output, Sandbox, has_program, skip};

/// A machine with one address and a default route to a world that answers for 203.0.114.7, and that knows no way to any address of a bottle.
/// Its /run is its own: what is noted there for the machine's lifetime stays within the test.
const MACHINE: &str = "set -e
mount -t tmpfs tmpfs /run
ip netns add world
ip link add wan type veth peer name wan0 netns world
ip addr add 198.51.100.2/24 dev wan
ip link set wan up
ip link set lo up
ip -n world addr add 198.51.100.1/24 dev wan0
ip -n world addr add 203.0.114.7/32 dev lo
ip -n world link set wan0 up
ip -n world link set lo up
ip route add default via 198.51.100.1
echo 0 > /proc/sys/net/ipv4/ip_forward
set +e
";

/// What a machine shows of a bottle with the real internet.
const LEFT: &str = "
echo links: $(ip -o link | grep -c btl)
echo tables: $(nft list tables | grep -c bottleship)
echo forwarding: $(cat /proc/sys/net/ipv4/ip_forward)
";

fn tools(test: &str) -> bool {
    for tool in ["ip", "nft", "unshare"] {
        if !has_program(tool) {
            skip(test, &format!("`{tool}`, which makes the test's own network, is not installed"));
            return false;
        }
    }
    root(test)
}

fn machine(sandbox: &Sandbox, script: &str) -> Output {
    let script = format!("{MACHINE}B={}\n{script}", crate::support::binary().display());
    sandbox.program("unshare").args(["--net", "--mount", "--", "sh", "-c", &script]).patience(Duration::from_secs(120)).output()
}

#[test]
fn a_host_reaches_the_world_through_two_routers_and_nothing_is_left() {
    if !tools("internet_real") {
        return;
    }
    let sandbox = Sandbox::new();
    let run = format!(
        "echo 'ping -c 1 -W 10 203.0.114.7; ping -c 1 -W 1 8.8.8.8 | grep -c Unreachable; cat /etc/resolv.conf; hostname -I' | $B --plain --internet real\n{LEFT}\
         $B doctor --left && echo clean\n"
    );
    let output = machine(&sandbox, &run);
    // 64 minus the bottle's router and the machine: the answer came from the world, and was addressed to the machine.
    assert!(output.stdout.contains("ttl=62"), "{output}");
    for line in ["links: 0", "tables: 0", "forwarding: 0", "clean"] {
        assert!(output.stdout.lines().any(|one| one == line), "{line:?} is missing: {output}");
    }
}

#[test]
fn a_killed_keeper_leaves_no_link_no_table_and_no_setting() {
    if !tools("internet_real_killed") {
        return;
    }
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.path().join("script"), "sleep 600\n").unwrap();
    let script = sandbox.path().join("script").display().to_string();
    let run = format!(
        "$B run --plain --internet real {script} >/dev/null 2>&1 &
prompt=$!
i=0; until $B hosts >/dev/null 2>&1; do i=$((i+1)); [ $i -lt 3000 ] || exit 9; sleep 0.02; done
echo during: $(ip -o link | grep -c btl) $(nft list tables | grep -c bottleship) $(cat /proc/sys/net/ipv4/ip_forward)
for p in $(pgrep -x keeper); do grep -qz \"^BOTTLESHIP_STATE=$BOTTLESHIP_STATE$\" /proc/$p/environ && kill -9 $p; done
wait $prompt
# The prompt's end is not yet that of the bottle's last process.
i=0; until $B doctor --left >/dev/null 2>&1 || [ $i -ge 500 ]; do i=$((i+1)); sleep 0.02; done
{LEFT}$B doctor --left && echo clean
"
    );
    let output = machine(&sandbox, &run);
    for line in ["during: 1 1 1", "links: 0", "tables: 0", "forwarding: 0", "clean"] {
        assert!(output.stdout.lines().any(|one| one == line), "{line:?} is missing: {output}");
    }
}

#[test]
fn without_a_program_for_it_an_ordinary_user_is_told_what_to_install() {
    if !rootless::possible("internet_real_refused") {
        return;
    }
    let sandbox = Sandbox::new();
    let user = User::plain(&sandbox);
    let hide = "for d in /usr/local/sbin /usr/local/bin /usr/sbin /usr/bin /sbin /bin; do for p in slirp4netns pasta; do \
                [ ! -f $d/$p ] || mount --bind /dev/null $d/$p; done; done";
    let output = user.prompt(hide, "--internet real").input("echo started\n").exits(125);
    assert!(output.stderr.contains("slirp4netns") && output.stderr.contains("sudo"), "{output}");
    assert!(!output.stdout.contains("started"), "{output}");
}

#[test]
fn an_ordinary_user_reaches_the_world_too_and_nothing_is_left() {
    if !tools("internet_real_rootless") || !rootless::possible("internet_real_rootless") {
        return;
    }
    for program in ["slirp4netns", "pasta"] {
        if has_program(program) {
            by_program(program);
        } else {
            skip("internet_real_rootless", &format!("`{program}` is not installed"));
        }
    }
}

fn by_program(program: &str) {
    let sandbox = Sandbox::new();
    let user = User::plain(&sandbox);
    let www = sandbox.path().join("www");
    std::fs::create_dir(&www).unwrap();
    std::fs::write(www.join("index.html"), "hello from the world\n").unwrap();
    let other = if program == "pasta" { "slirp4netns" } else { "pasta" };
    let hide = format!("for d in /usr/local/bin /usr/bin /bin; do [ ! -f $d/{other} ] || mount --bind /dev/null $d/{other}; done");
    // Not every machine lets ordinary users open its own.
    let tun = sandbox.path().join("tun");
    let run = format!(
        "{}{hide}
mknod -m 666 {tun} c 10 200 && mount --bind {tun} /dev/net/tun || exit 99
ip netns exec world $B toolbox httpd -f -p 80 -h {} & server=$!
cd /; echo 'curl -s -m 20 http://203.0.114.7/ || bottleship toolbox curl http://203.0.114.7/' | {} --plain --internet real
kill $server
for p in $(pgrep -x {program}); do [ $(readlink /proc/$p/ns/mnt) = $(readlink /proc/self/ns/mnt) ] && echo left: $p; done
echo end
",
        user.introduce(),
        www.display(),
        user.bottleship(),
        tun = tun.display()
    );
    let output = machine(&sandbox, &run);
    assert!(output.stdout.contains("hello from the world"), "{program}: {output}");
    assert!(output.stdout.contains("end") && !output.stdout.contains("left:"), "{program}: {output}");
}

#[test]
fn a_device_that_is_roots_alone_is_told_before_anything_starts() {
    if !tools("internet_real_device") || !rootless::possible("internet_real_device") {
        return;
    }
    if !has_program("slirp4netns") && !has_program("pasta") {
        return skip("internet_real_device", "neither `slirp4netns` nor `pasta` is installed");
    }
    let sandbox = Sandbox::new();
    let user = User::plain(&sandbox);
    let tun = sandbox.path().join("tun");
    let hide = format!("mknod -m 600 {tun} c 10 200 && mount --bind {tun} /dev/net/tun || exit 99", tun = tun.display());
    let output = user.prompt(&hide, "--internet real").input("echo started\n").exits(125);
    assert!(output.stderr.contains("/dev/net/tun") && output.stderr.contains("chmod"), "{output}");
    assert!(!output.stdout.contains("started"), "{output}");
}

#[test]
fn a_bottle_with_a_simulated_internet_says_how_to_get_the_real_one() {
    let sandbox = Sandbox::new();
    let output = Call::new(crate::support::binary()).args(["doctor"]).env("BOTTLESHIP_STATE", sandbox.state()).output();
    assert!(output.stdout.lines().any(|line| line.starts_with("internet")), "{output}");
}
