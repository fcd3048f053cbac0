//! What the toolbox can give, by the names that distributions have for it.

use super::{Package, Program};

/// The file of the toolbox that is this program.
const OURS: &str = "toolbox";
/// BusyBox.
const BUSY: &str = "busybox";

const fn package(apk: &'static str, apt: &'static str, yum: &'static str, about: &'static str, programs: &'static [Program]) -> Package {
    Package { apk, apt, yum, about, programs }
}

/// All packages. Names are Alpine's, Debian's, Fedora's; several names of one family are parted by a blank.
#[rustfmt::skip]
pub const PACKAGES: &[Package] = &[
    package("bash", "bash", "bash", "the shell", &[("/bin/bash", "bash")]),
    package("bind-tools", "dnsutils bind9-dnsutils", "bind-utils", "nslookup", &[("/usr/bin/nslookup", OURS)]),
    package("bzip2", "bzip2", "bzip2", "pack and unpack", &[("/usr/bin/bzip2", BUSY), ("/usr/bin/bunzip2", BUSY), ("/usr/bin/bzcat", BUSY)]),
    package("ca-certificates", "ca-certificates", "ca-certificates", "no file: the bottle's authority is brought in by the engine", &[]),
    package("coreutils", "coreutils", "coreutils", "no file: BusyBox's are there", &[]),
    package("curl", "curl", "curl", "talk to HTTP servers", &[("/usr/bin/curl", OURS)]),
    package("dumb-init", "dumb-init", "", "a small init", &[("/usr/bin/dumb-init", OURS)]),
    package("", "gosu", "", "run a program as another user", &[("/usr/sbin/gosu", OURS)]),
    package("iproute2", "iproute2", "iproute", "ip", &[("/sbin/ip", BUSY)]),
    package("iputils iputils-ping", "iputils-ping", "iputils", "ping", &[("/bin/ping", OURS)]),
    package("jq", "jq", "jq", "query and change JSON", &[("/usr/bin/jq", OURS)]),
    package("less", "less", "less", "page by page", &[("/usr/bin/less", BUSY)]),
    package("net-tools", "net-tools", "net-tools", "ifconfig, netstat, route, arp",
        &[("/sbin/ifconfig", BUSY), ("/bin/netstat", BUSY), ("/sbin/route", BUSY), ("/sbin/arp", BUSY)]),
    package("netcat-openbsd", "netcat-openbsd netcat netcat-traditional", "nmap-ncat nc", "nc", &[("/usr/bin/nc", OURS)]),
    package("procps procps-ng", "procps", "procps-ng procps", "ps, top, free, watch, uptime",
        &[("/bin/ps", OURS), ("/usr/bin/watch", OURS), ("/usr/bin/top", BUSY), ("/usr/bin/free", BUSY), ("/usr/bin/uptime", BUSY)]),
    package("redis", "redis redis-server redis-tools", "redis", "the server's stand-in and redis-cli",
        &[("/usr/bin/redis-server", OURS), ("/usr/bin/redis-cli", OURS)]),
    package("shadow", "passwd", "shadow-utils", "useradd, groupadd", &[("/usr/sbin/useradd", OURS), ("/usr/sbin/groupadd", OURS)]),
    package("su-exec", "", "", "run a program as another user", &[("/sbin/su-exec", OURS)]),
    package("busybox-extras", "telnet", "telnet", "telnet", &[("/usr/bin/telnet", BUSY)]),
    package("tini", "tini", "tini", "a small init", &[("/sbin/tini", OURS), ("/usr/bin/tini", OURS)]),
    package("", "traceroute", "traceroute", "the way to an address", &[("/usr/bin/traceroute", BUSY)]),
    package("tree", "tree", "tree", "draw a folder", &[("/usr/bin/tree", OURS)]),
    package("unzip", "unzip", "unzip", "unpack", &[("/usr/bin/unzip", BUSY)]),
    package("", "vim-tiny", "vim-minimal", "vi", &[("/usr/bin/vi", BUSY)]),
    package("wget", "wget", "wget", "fetch files", &[("/usr/bin/wget", BUSY)]),
    package("xz", "xz-utils", "xz", "unpack", &[("/usr/bin/xz", BUSY), ("/usr/bin/unxz", BUSY), ("/usr/bin/xzcat", BUSY)]),
];
