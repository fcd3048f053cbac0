//! The commands of `docker container` and their options, as a table.

use super::{copy, exec, list, logs, run, simple, stats};
use crate::tools::docker::verb::{FORMAT, Flag, Kind, Takes, VERB, Verb, long, short};

const SIGNAL: Flag = short('s', "signal", Kind::Text, "The signal to send");
const TIMEOUT: Flag = short('t', "timeout", Kind::Int, "Seconds to wait before it is killed");
const OLD_TIMEOUT: Flag = long("time", Kind::Int, "The same as --timeout");
const KEYS: Flag = long("detach-keys", Kind::Text, "The keys that let go of it: ctrl-p,ctrl-q");
const CONTAINERS: &str = "CONTAINER [CONTAINER...]";
const SOME: &str = "[OPTIONS] CONTAINER [CONTAINER...]";

/// The commands.
pub const VERBS: &[Verb] = &[
    Verb {
        path: "container run",
        also: &["run"],
        usage: "[OPTIONS] IMAGE [COMMAND] [ARG...]",
        about: "Make a container of an image and start it",
        takes: Takes::AtLeast(1),
        mixed: false,
        flags: RUN,
        run: run::run,
        ..VERB
    },
    Verb {
        path: "container create",
        also: &["create"],
        usage: "[OPTIONS] IMAGE [COMMAND] [ARG...]",
        about: "Make a container of an image",
        takes: Takes::AtLeast(1),
        mixed: false,
        flags: CREATE,
        run: run::create,
        ..VERB
    },
    Verb {
        path: "container ls",
        also: &["container list", "container ps", "ps"],
        usage: "[OPTIONS]",
        about: "List containers",
        flags: &[
            short('a', "all", Kind::Switch, "Also those that do not run"),
            short('f', "filter", Kind::Filter, "Only some: name=TEXT, status=STATE, label=NAME, ancestor=IMAGE, network=NAME, ..."),
            FORMAT,
            short('n', "last", Kind::Int, "So many that were made last, whether they run or not"),
            short('l', "latest", Kind::Switch, "The one that was made last, whether it runs or not"),
            long("no-trunc", Kind::Switch, "Everything in full"),
            short('q', "quiet", Kind::Switch, "Ids alone"),
            short('s', "size", Kind::Switch, "With the size of what they have written"),
        ],
        run: list::run,
        ..VERB
    },
    Verb {
        path: "container start",
        also: &["start"],
        usage: SOME,
        about: "Start containers that do not run",
        takes: Takes::AtLeast(1),
        flags: &[
            short('a', "attach", Kind::Switch, "Show what it writes, and hand on signals"),
            long("checkpoint", Kind::Text, "Refused: no container is saved to disk"),
            long("checkpoint-dir", Kind::Text, "Refused: no container is saved to disk"),
            KEYS,
            short('i', "interactive", Kind::Switch, "Hand on what is typed"),
        ],
        run: run::start,
        ..VERB
    },
    Verb {
        path: "container stop",
        also: &["stop"],
        usage: SOME,
        about: "Stop containers: a signal, and after a while a kill",
        takes: Takes::AtLeast(1),
        flags: &[SIGNAL, TIMEOUT, OLD_TIMEOUT],
        run: simple::stop,
        ..VERB
    },
    Verb {
        path: "container restart",
        also: &["restart"],
        usage: SOME,
        about: "Stop containers and start them again",
        takes: Takes::AtLeast(1),
        flags: &[SIGNAL, TIMEOUT, OLD_TIMEOUT],
        run: simple::restart,
        ..VERB
    },
    Verb {
        path: "container kill",
        also: &["kill"],
        usage: SOME,
        about: "Send containers a signal: KILL, if none is named",
        takes: Takes::AtLeast(1),
        flags: &[SIGNAL],
        run: simple::kill,
        ..VERB
    },
    Verb {
        path: "container rm",
        also: &["container remove", "rm"],
        usage: SOME,
        about: "Remove containers",
        takes: Takes::AtLeast(1),
        flags: &[
            short('f', "force", Kind::Switch, "Also one that runs: it is killed"),
            short('l', "link", Kind::Switch, "Only the link of that name"),
            short('v', "volumes", Kind::Switch, "Its anonymous volumes too"),
        ],
        run: simple::remove,
        ..VERB
    },
    Verb {
        path: "container pause",
        also: &["pause"],
        usage: CONTAINERS,
        about: "Freeze containers",
        takes: Takes::AtLeast(1),
        run: |session, given| simple::each_of(session, given, "pause"),
        ..VERB
    },
    Verb {
        path: "container unpause",
        also: &["unpause"],
        usage: CONTAINERS,
        about: "Let frozen containers go on",
        takes: Takes::AtLeast(1),
        run: |session, given| simple::each_of(session, given, "unpause"),
        ..VERB
    },
    Verb {
        path: "container wait",
        also: &["wait"],
        usage: CONTAINERS,
        about: "Wait until containers end, and print their exit codes",
        takes: Takes::AtLeast(1),
        run: simple::wait,
        ..VERB
    },
    Verb {
        path: "container rename",
        also: &["rename"],
        usage: "CONTAINER NEW_NAME",
        about: "Give a container another name",
        takes: Takes::Exactly(2),
        run: simple::rename,
        ..VERB
    },
    Verb {
        path: "container top",
        also: &["top"],
        usage: "CONTAINER [ps OPTIONS]",
        about: "List the processes of a container",
        takes: Takes::AtLeast(1),
        mixed: false,
        run: simple::top,
        ..VERB
    },
    Verb {
        path: "container port",
        also: &["port"],
        usage: "CONTAINER [PRIVATE_PORT[/PROTO]]",
        about: "Show where the ports of a container are published",
        takes: Takes::Between(1, 2),
        run: simple::port,
        ..VERB
    },
    Verb {
        path: "container diff",
        also: &["diff"],
        usage: "CONTAINER",
        about: "Show which files a container has changed",
        takes: Takes::Exactly(1),
        run: simple::diff,
        ..VERB
    },
    Verb {
        path: "container export",
        also: &["export"],
        usage: "[OPTIONS] CONTAINER",
        about: "Write the whole tree of a container as an archive",
        takes: Takes::Exactly(1),
        flags: &[short('o', "output", Kind::Text, "The archive, instead of standard output")],
        run: simple::export,
        ..VERB
    },
    Verb {
        path: "container commit",
        also: &["commit"],
        usage: "[OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
        about: "Make an image of a container's changes",
        takes: Takes::Between(1, 2),
        flags: &[
            short('a', "author", Kind::Text, "Who made it"),
            short('c', "change", Kind::List, "An instruction of a Dockerfile for its configuration"),
            short('m', "message", Kind::Text, "What its history says"),
            short('p', "pause", Kind::On, "Freeze the container meanwhile (on unless --pause=false)"),
        ],
        run: simple::commit,
        ..VERB
    },
    Verb {
        path: "container update",
        also: &["update"],
        usage: SOME,
        about: "Change the limits of containers",
        takes: Takes::AtLeast(1),
        flags: UPDATE,
        run: simple::update,
        ..VERB
    },
    Verb {
        path: "container prune",
        usage: "[OPTIONS]",
        about: "Remove all containers that do not run",
        flags: &[long("filter", Kind::Filter, "Only some: until=TIME, label=NAME"), short('f', "force", Kind::Switch, "Do not ask")],
        run: simple::prune,
        ..VERB
    },
    Verb {
        path: "container logs",
        also: &["logs"],
        usage: "[OPTIONS] CONTAINER",
        about: "Show what a container has written",
        takes: Takes::Exactly(1),
        flags: &[
            long("details", Kind::Switch, "With what the log keeps besides"),
            short('f', "follow", Kind::Switch, "And what it writes from now on"),
            long("since", Kind::Text, "Only since: a time, or how long ago"),
            short('n', "tail", Kind::Text, "Only so many lines from the end, or all"),
            short('t', "timestamps", Kind::Switch, "With the time of each line"),
            long("until", Kind::Text, "Only until: a time, or how long ago"),
        ],
        run: logs::run,
        ..VERB
    },
    Verb {
        path: "container exec",
        also: &["exec"],
        usage: "[OPTIONS] CONTAINER COMMAND [ARG...]",
        about: "Run a command in a container that runs",
        takes: Takes::AtLeast(2),
        mixed: false,
        flags: &[
            short('d', "detach", Kind::Switch, "Do not wait for it"),
            KEYS,
            short('e', "env", Kind::List, "A variable of the environment: NAME=VALUE"),
            long("env-file", Kind::List, "A file with variables"),
            short('i', "interactive", Kind::Switch, "Hand on what is typed"),
            long("privileged", Kind::Switch, "With all rights"),
            short('t', "tty", Kind::Switch, "With a terminal"),
            short('u', "user", Kind::Text, "As this user: NAME or NUMBER[:GROUP]"),
            short('w', "workdir", Kind::Text, "In this folder"),
        ],
        run: exec::run,
        ..VERB
    },
    Verb {
        path: "container attach",
        also: &["attach"],
        usage: "[OPTIONS] CONTAINER",
        about: "Connect to the streams of a container that runs",
        takes: Takes::Exactly(1),
        flags: &[
            KEYS,
            long("no-stdin", Kind::Switch, "Hand on nothing that is typed"),
            long("sig-proxy", Kind::On, "Hand on signals (on unless --sig-proxy=false)"),
        ],
        run: run::attach,
        ..VERB
    },
    Verb {
        path: "container stats",
        also: &["stats"],
        usage: "[OPTIONS] [CONTAINER...]",
        about: "Show what containers use, again and again",
        takes: Takes::Any,
        flags: &[
            short('a', "all", Kind::Switch, "Also those that do not run"),
            FORMAT,
            long("no-stream", Kind::Switch, "Once"),
            long("no-trunc", Kind::Switch, "Ids in full"),
        ],
        run: stats::run,
        ..VERB
    },
    Verb {
        path: "container cp",
        also: &["cp"],
        usage: "[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n\t{} [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH",
        about: "Copy files into a container or out of one",
        more: "`-` is a tar archive: of what comes out on standard output, of what goes in on standard input.",
        takes: Takes::Exactly(2),
        flags: &[
            short('a', "archive", Kind::Switch, "With the owners that the files have"),
            short('L', "follow-link", Kind::Switch, "What a link at SRC_PATH points to"),
            short('q', "quiet", Kind::Switch, "Do not say how much was copied"),
        ],
        run: copy::run,
        ..VERB
    },
];

const UPDATE: &[Flag] = &[
    long("blkio-weight", Kind::Uint16, "Weight of its block devices' requests: 10 to 1000"),
    long("cpu-period", Kind::Int, "Period of the processors' quota, in microseconds"),
    long("cpu-quota", Kind::Int, "Quota of the processors in a period, in microseconds"),
    long("cpu-rt-period", Kind::Int, "Period of real time, in microseconds"),
    long("cpu-rt-runtime", Kind::Int, "Real time in a period, in microseconds"),
    short('c', "cpu-shares", Kind::Int, "Weight of its processor time"),
    long("cpus", Kind::Decimal, "So many processors"),
    long("cpuset-cpus", Kind::Text, "Only these processors: 0-3, 0,1"),
    long("cpuset-mems", Kind::Text, "Only this memory: 0-3, 0,1"),
    short('m', "memory", Kind::Bytes, "Most memory"),
    long("memory-reservation", Kind::Bytes, "Memory that it is brought back to when there is too little"),
    long("memory-swap", Kind::Bytes, "Most memory and swap together; -1: no limit"),
    long("pids-limit", Kind::Int, "Most processes; -1: no limit"),
    long("restart", Kind::Text, "What happens when it ends: no, always, unless-stopped, on-failure[:NUMBER]"),
];

macro_rules! create_flags {
    ($($more:expr),*) => { &[
        $($more,)*
        long("add-host", Kind::List, "A line for /etc/hosts: NAME:ADDRESS"),
        long("annotation", Kind::Map, "An annotation for the runtime: NAME=VALUE"),
        short('a', "attach", Kind::List, "Attach to this stream: stdin, stdout, stderr"),
        long("blkio-weight", Kind::Uint16, "Weight of its block devices' requests: 10 to 1000"),
        long("blkio-weight-device", Kind::List, "The same for one device"),
        long("cap-add", Kind::List, "Give a capability"),
        long("cap-drop", Kind::List, "Take a capability"),
        long("cgroup-parent", Kind::Text, "The cgroup above its own"),
        long("cgroupns", Kind::Text, "Its namespace of cgroups: host, private"),
        long("cidfile", Kind::Text, "Write its id to a file"),
        long("cpu-count", Kind::Int, "For Windows"),
        long("cpu-percent", Kind::Int, "For Windows"),
        long("cpu-period", Kind::Int, "Period of the processors' quota, in microseconds"),
        long("cpu-quota", Kind::Int, "Quota of the processors in a period, in microseconds"),
        long("cpu-rt-period", Kind::Int, "Period of real time, in microseconds"),
        long("cpu-rt-runtime", Kind::Int, "Real time in a period, in microseconds"),
        short('c', "cpu-shares", Kind::Int, "Weight of its processor time"),
        long("cpus", Kind::Decimal, "So many processors"),
        long("cpuset-cpus", Kind::Text, "Only these processors: 0-3, 0,1"),
        long("cpuset-mems", Kind::Text, "Only this memory: 0-3, 0,1"),
        long("device", Kind::List, "A device of the host: PATH[:PATH[:rwm]]"),
        long("device-cgroup-rule", Kind::List, "A rule for devices"),
        long("device-read-bps", Kind::List, "Most bytes a second that are read from a device"),
        long("device-read-iops", Kind::List, "Most reads a second from a device"),
        long("device-write-bps", Kind::List, "Most bytes a second that are written to a device"),
        long("device-write-iops", Kind::List, "Most writes a second to a device"),
        long("disable-content-trust", Kind::On, "Run without asking for signatures, whatever DOCKER_CONTENT_TRUST says"),
        long("dns", Kind::List, "A name server"),
        long("dns-option", Kind::List, "An option for names"),
        long("dns-search", Kind::List, "A domain that is tried"),
        long("domainname", Kind::Text, "Its NIS domain"),
        long("entrypoint", Kind::Text, "Another ENTRYPOINT than the image's"),
        short('e', "env", Kind::List, "A variable of the environment: NAME=VALUE"),
        long("env-file", Kind::List, "A file with variables"),
        long("expose", Kind::List, "A port that it has, or a range"),
        long("gpus", Kind::Gpus, "Graphics processors"),
        long("group-add", Kind::List, "One more group"),
        long("health-cmd", Kind::Text, "A command that says whether it is well"),
        long("health-interval", Kind::Duration, "Time between two checks"),
        long("health-retries", Kind::Int, "So many failures in a row make it unhealthy"),
        long("health-start-interval", Kind::Duration, "Time between two checks at the start"),
        long("health-start-period", Kind::Duration, "How long failures do not count at the start"),
        long("health-timeout", Kind::Duration, "Most time for one check"),
        short('h', "hostname", Kind::Text, "Its host name"),
        long("init", Kind::Switch, "An init inside, that hands on signals and reaps"),
        short('i', "interactive", Kind::Switch, "Hand on what is typed; keep its input open"),
        long("io-maxbandwidth", Kind::Bytes, "For Windows"),
        long("io-maxiops", Kind::Uint, "For Windows"),
        long("ip", Kind::Text, "Its IPv4 address"),
        long("ip6", Kind::Text, "Its IPv6 address"),
        long("ipc", Kind::Text, "Its namespace of System V and POSIX queues: private, shareable, host, container:NAME"),
        long("isolation", Kind::Text, "Accepted; changes nothing here"),
        long("kernel-memory", Kind::Bytes, "Accepted; kernels do not count it any more"),
        short('l', "label", Kind::List, "A label: NAME=VALUE"),
        long("label-file", Kind::List, "A file with labels"),
        long("link", Kind::List, "A container that it knows by name: NAME[:ALIAS]"),
        long("link-local-ip", Kind::List, "A link-local address"),
        long("log-driver", Kind::Text, "Where its log goes"),
        long("log-opt", Kind::List, "An option of that: NAME=VALUE"),
        long("mac-address", Kind::Text, "Its MAC address"),
        short('m', "memory", Kind::Bytes, "Most memory"),
        long("memory-reservation", Kind::Bytes, "Memory that it is brought back to when there is too little"),
        long("memory-swap", Kind::Bytes, "Most memory and swap together; -1: no limit"),
        long("memory-swappiness", Kind::Int, "How eagerly it is swapped: 0 to 100"),
        long("mount", Kind::Mount, "A mount: type=bind|volume|tmpfs,source=...,target=...[,readonly]"),
        long("name", Kind::Text, "Its name"),
        long("network", Kind::Network, "Its network: a name, none, host, container:NAME"),
        long("network-alias", Kind::List, "One more name in its network"),
        long("no-healthcheck", Kind::Switch, "Without the image's HEALTHCHECK"),
        long("oom-kill-disable", Kind::Switch, "Do not kill it when memory is short"),
        long("oom-score-adj", Kind::Int, "How soon it is killed when memory is short: -1000 to 1000"),
        long("pid", Kind::Text, "Its namespace of processes: host, container:NAME"),
        long("pids-limit", Kind::Int, "Most processes; -1: no limit"),
        long("platform", Kind::Text, "The image for this platform: os/arch[/variant]"),
        long("privileged", Kind::Switch, "All capabilities and all devices"),
        short('p', "publish", Kind::List, "Publish a port: [ADDRESS:][PORT:]PORT[/udp]"),
        short('P', "publish-all", Kind::Switch, "Publish all ports that it has"),
        long("pull", Kind::Text, "Pull its image: always, missing, never"),
        short('q', "quiet", Kind::Switch, "Do not show the pull"),
        long("read-only", Kind::Switch, "Its root cannot be written"),
        long("restart", Kind::Text, "What happens when it ends: no, always, unless-stopped, on-failure[:NUMBER]"),
        long("rm", Kind::Switch, "Remove it when it ends, with its anonymous volumes"),
        long("runtime", Kind::Text, "The runtime"),
        long("security-opt", Kind::List, "seccomp=FILE, seccomp=unconfined, no-new-privileges, ..."),
        long("shm-size", Kind::Bytes, "Size of /dev/shm"),
        long("stop-signal", Kind::Text, "The signal that stops it"),
        long("stop-timeout", Kind::Int, "Seconds until a stop kills it"),
        long("storage-opt", Kind::List, "An option of the storage"),
        long("sysctl", Kind::Map, "A kernel parameter of its namespaces: NAME=VALUE"),
        long("tmpfs", Kind::List, "A folder in memory: PATH[:OPTIONS]"),
        short('t', "tty", Kind::Switch, "With a terminal"),
        long("ulimit", Kind::Ulimit, "A limit of its processes: NAME=SOFT[:HARD]"),
        long("use-api-socket", Kind::Switch, "Refused: bind the socket with -v"),
        short('u', "user", Kind::Text, "As this user: NAME or NUMBER[:GROUP]"),
        long("userns", Kind::Text, "Its namespace of users: host"),
        long("uts", Kind::Text, "Its namespace of host names: host"),
        short('v', "volume", Kind::List, "A volume or a folder of the host: [SOURCE:]PATH[:ro]"),
        long("volume-driver", Kind::Text, "The driver of its volumes"),
        long("volumes-from", Kind::List, "The mounts of another container"),
        short('w', "workdir", Kind::Text, "In this folder"),
    ] };
}

const CREATE: &[Flag] = create_flags!();
const RUN: &[Flag] = create_flags!(
    short('d', "detach", Kind::Switch, "Do not wait for it; print its id"),
    KEYS,
    long("sig-proxy", Kind::On, "Hand on signals (on unless --sig-proxy=false)")
);
