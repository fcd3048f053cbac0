//! The commands of the runtime, as a table.

use super::arguments::Flag;
use super::{Verb, document, exec, lifecycle, look};

const BUNDLE: Flag = Flag::value("bundle", Some('b'), "DIR", "the bundle's folder, the current one by default");
const CONSOLE_SOCKET: Flag = Flag::value("console-socket", None, "PATH", "a unix socket that gets the terminal's master");
const PID_FILE: Flag = Flag::value("pid-file", None, "FILE", "write the first process's number there");
const PRESERVE: Flag = Flag::value("preserve-fds", None, "N", "pass N more descriptors, from 3 on");
const NO_PIVOT: Flag = Flag::switch("no-pivot", None, "move the root instead of pivoting: for a machine that runs from a ramfs");
const NO_KEYRING: Flag = Flag::switch("no-new-keyring", None, "accepted for compatibility: no keyring is made");
const HELP: Flag = Flag::switch("help", Some('h'), "show this help");
const FORMAT: Flag = Flag::value("format", Some('f'), "table|json", "how to show it");

/// All commands, in the order of the help text.
pub const COMMANDS: &[Verb] = &[
    Verb {
        name: "create",
        operands: "ID",
        about: "make a container from a bundle; it waits for `start`",
        flags: &[BUNDLE, CONSOLE_SOCKET, PID_FILE, PRESERVE, NO_PIVOT, NO_KEYRING, HELP],
        trailing: false,
        sealed: true,
        run: lifecycle::create,
    },
    Verb {
        name: "start",
        operands: "ID",
        about: "run the program of a created container",
        flags: &[HELP],
        trailing: false,
        sealed: false,
        run: lifecycle::start,
    },
    Verb {
        name: "run",
        operands: "ID",
        about: "create and start a container, wait for it and delete it",
        flags: &[
            BUNDLE,
            CONSOLE_SOCKET,
            PID_FILE,
            PRESERVE,
            NO_PIVOT,
            NO_KEYRING,
            Flag::switch("detach", Some('d'), "do not wait"),
            Flag::switch("keep", None, "do not delete it when it has ended"),
            Flag::switch("no-subreaper", None, "accepted for compatibility: orphans are left to init"),
            HELP,
        ],
        trailing: false,
        sealed: true,
        run: lifecycle::run,
    },
    Verb {
        name: "exec",
        operands: "ID COMMAND [ARGUMENT...]",
        about: "run a further process in a container",
        flags: exec::FLAGS,
        trailing: true,
        sealed: true,
        run: exec::run,
    },
    Verb {
        name: "state",
        operands: "ID",
        about: "show what a container is doing, as JSON",
        flags: &[HELP],
        trailing: false,
        sealed: false,
        run: look::state,
    },
    Verb {
        name: "list",
        operands: "",
        about: "list the containers",
        flags: &[FORMAT, Flag::switch("quiet", Some('q'), "only the ids"), HELP],
        trailing: false,
        sealed: false,
        run: look::list,
    },
    Verb {
        name: "ps",
        operands: "ID [PS-OPTION...]",
        about: "list the processes of a container",
        flags: &[FORMAT, HELP],
        trailing: true,
        sealed: false,
        run: look::ps,
    },
    Verb {
        name: "kill",
        operands: "ID [SIGNAL]",
        about: "send a signal, TERM by default, to a container's first process",
        flags: &[Flag::switch("all", Some('a'), "to all processes of the container"), HELP],
        trailing: false,
        sealed: false,
        run: lifecycle::kill,
    },
    Verb {
        name: "delete",
        operands: "ID",
        about: "forget a stopped container and take away what is left of it",
        flags: &[Flag::switch("force", Some('f'), "kill it first if it runs; none of that name is fine"), HELP],
        trailing: false,
        sealed: false,
        run: lifecycle::delete,
    },
    Verb {
        name: "pause",
        operands: "ID",
        about: "freeze the processes of a container",
        flags: &[HELP],
        trailing: false,
        sealed: false,
        run: lifecycle::pause,
    },
    Verb {
        name: "resume",
        operands: "ID",
        about: "thaw them again",
        flags: &[HELP],
        trailing: false,
        sealed: false,
        run: lifecycle::resume,
    },
    Verb {
        name: "update",
        operands: "ID",
        about: "change the limits of a container",
        flags: lifecycle::UPDATE_FLAGS,
        trailing: false,
        sealed: false,
        run: lifecycle::update,
    },
    Verb {
        name: "events",
        operands: "ID",
        about: "show what a container uses, again and again, and when it runs out of memory",
        flags: &[Flag::switch("stats", None, "show it once"), Flag::value("interval", None, "SECONDS", "how often, 5s by default"), HELP],
        trailing: false,
        sealed: false,
        run: look::events,
    },
    Verb {
        name: "spec",
        operands: "",
        about: "write a config.json to begin with",
        flags: &[BUNDLE, Flag::switch("rootless", None, "for an ordinary user"), HELP],
        trailing: false,
        sealed: false,
        run: document::spec,
    },
    Verb {
        name: "features",
        operands: "",
        about: "show what this runtime can do, as JSON",
        flags: &[HELP],
        trailing: false,
        sealed: false,
        run: document::features,
    },
    Verb {
        name: "seccomp-profile",
        operands: "",
        about: "show the default system call filter, as JSON",
        flags: &[HELP],
        trailing: false,
        sealed: false,
        run: document::seccomp_profile,
    },
];
