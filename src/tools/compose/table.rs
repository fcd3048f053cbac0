//! The commands of `docker compose` and their options, as a table.

use super::{config, down, events, images, list, logs, oneoff, up, watch};
use crate::tools::docker::verb::{Kind, Takes, VERB, Verb, long, short};

mod flags;

pub use flags::GLOBALS;
use flags::{
    BUILD, CONFIG, DRY, ENV, FORCE_RECREATE, FORMAT, INDEX, NO_BUILD, NO_DEPS, NO_RECREATE, NO_TTY, PROGRESS, PULL, REMOVE_ORPHANS, RUN,
    SCALE, TIMEOUT, YES,
};

const SERVICES: &str = "[OPTIONS] [SERVICE...]";

/// The commands.
pub const VERBS: &[Verb] = &[
    Verb {
        path: "compose up",
        usage: SERVICES,
        about: "Make and start what the file describes",
        takes: Takes::Any,
        flags: &[
            long("abort-on-container-exit", Kind::Switch, "Stop all containers when one has ended"),
            long("abort-on-container-failure", Kind::Switch, "Stop all containers when one has ended with an error"),
            long("always-recreate-deps", Kind::Switch, "Make the containers of services that these need anew, too"),
            long("attach", Kind::List, "Show only what these services write"),
            long("attach-dependencies", Kind::Switch, "Show also what the services that these need write"),
            BUILD,
            short('d', "detach", Kind::Switch, "Start in the background"),
            DRY,
            long("exit-code-from", Kind::Text, "End with the exit code of this service; stops all when it has ended"),
            FORCE_RECREATE,
            long("menu", Kind::Switch, "Accepted; there is no menu"),
            long("no-attach", Kind::List, "Do not show what these services write"),
            NO_BUILD,
            long("no-color", Kind::Switch, "Without colours"),
            NO_DEPS,
            long("no-log-prefix", Kind::Switch, "Without names in front of lines"),
            NO_RECREATE,
            long("no-start", Kind::Switch, "Make the containers and do not start them"),
            PULL,
            long("quiet-build", Kind::Switch, "Say nothing while images are built"),
            long("quiet-pull", Kind::Switch, "Say nothing while images are pulled"),
            REMOVE_ORPHANS,
            short('V', "renew-anon-volumes", Kind::Switch, "New anonymous volumes, instead of those of the old containers"),
            SCALE,
            TIMEOUT,
            long("timestamps", Kind::Switch, "With the times of lines"),
            long("wait", Kind::Switch, "Wait until services run and are healthy; starts in the background"),
            long("wait-timeout", Kind::Int, "Seconds to wait for that at most"),
            short('w', "watch", Kind::Switch, "Watch the sources too, as `docker compose watch` does"),
            YES,
        ],
        run: up::up,
        ..VERB
    },
    Verb {
        path: "compose create",
        usage: SERVICES,
        about: "Make the containers of services",
        takes: Takes::Any,
        flags: &[
            BUILD,
            DRY,
            FORCE_RECREATE,
            NO_BUILD,
            NO_RECREATE,
            PULL,
            long("quiet-pull", Kind::Switch, "Say nothing while images are pulled"),
            REMOVE_ORPHANS,
            SCALE,
            YES,
        ],
        run: up::create,
        ..VERB
    },
    Verb {
        path: "compose scale",
        usage: "[SERVICE=REPLICAS...]",
        about: "Have so many containers of services",
        takes: Takes::AtLeast(1),
        flags: &[DRY, NO_DEPS],
        run: up::scale,
        ..VERB
    },
    Verb {
        path: "compose start",
        usage: SERVICES,
        about: "Start the containers of services",
        takes: Takes::Any,
        flags: &[
            DRY,
            long("wait", Kind::Switch, "Wait until services run and are healthy"),
            long("wait-timeout", Kind::Int, "Seconds to wait for that at most"),
        ],
        run: up::start,
        ..VERB
    },
    Verb {
        path: "compose down",
        usage: SERVICES,
        about: "Stop and remove containers and networks",
        takes: Takes::Any,
        flags: &[
            DRY,
            REMOVE_ORPHANS,
            long("rmi", Kind::Text, "Remove images too: local (those without a name of their own), all"),
            TIMEOUT,
            short('v', "volumes", Kind::Switch, "Remove the file's volumes and anonymous ones too"),
        ],
        run: down::down,
        ..VERB
    },
    Verb {
        path: "compose stop",
        usage: SERVICES,
        about: "Stop services",
        takes: Takes::Any,
        flags: &[DRY, TIMEOUT],
        run: down::stop,
        ..VERB
    },
    Verb {
        path: "compose restart",
        usage: SERVICES,
        about: "Stop the containers of services and start them again",
        takes: Takes::Any,
        flags: &[DRY, NO_DEPS, TIMEOUT],
        run: down::restart,
        ..VERB
    },
    Verb {
        path: "compose kill",
        usage: SERVICES,
        about: "Send the containers of services a signal: KILL, if none is named",
        takes: Takes::Any,
        flags: &[DRY, REMOVE_ORPHANS, short('s', "signal", Kind::Text, "The signal")],
        run: down::kill,
        ..VERB
    },
    Verb {
        path: "compose rm",
        usage: SERVICES,
        about: "Remove the stopped containers of services",
        takes: Takes::Any,
        flags: &[
            DRY,
            short('f', "force", Kind::Switch, "Do not ask"),
            short('s', "stop", Kind::Switch, "Stop them first, if they run"),
            short('v', "volumes", Kind::Switch, "Their anonymous volumes too"),
        ],
        run: down::remove,
        ..VERB
    },
    Verb {
        path: "compose pause",
        usage: "[SERVICE...]",
        about: "Freeze services",
        takes: Takes::Any,
        flags: &[DRY],
        run: down::pause,
        ..VERB
    },
    Verb {
        path: "compose unpause",
        usage: "[SERVICE...]",
        about: "Let frozen services go on",
        takes: Takes::Any,
        flags: &[DRY],
        run: down::unpause,
        ..VERB
    },
    Verb {
        path: "compose wait",
        usage: "SERVICE [SERVICE...] [OPTIONS]",
        about: "Wait until containers of services end, and end with their exit code",
        takes: Takes::AtLeast(1),
        flags: &[long("down-project", Kind::Switch, "Remove the project when the first one has ended"), DRY],
        run: events::wait,
        ..VERB
    },
    Verb {
        path: "compose ps",
        usage: SERVICES,
        about: "List the containers of the project",
        takes: Takes::Any,
        flags: &[
            short('a', "all", Kind::Switch, "Also those that do not run, and those of `run`"),
            DRY,
            long("filter", Kind::Filter, "Only some: status=STATE"),
            FORMAT,
            long("no-trunc", Kind::Switch, "Everything in full"),
            long("orphans", Kind::On, "Also of services that are not in the file (on unless --orphans=false)"),
            short('q', "quiet", Kind::Switch, "Ids alone"),
            long("services", Kind::Switch, "Names of services alone"),
            long("status", Kind::List, "Only in this state: running, exited, paused, ..."),
        ],
        run: list::ps,
        ..VERB
    },
    Verb {
        path: "compose ls",
        usage: "[OPTIONS]",
        about: "List the projects of the engine",
        flags: &[
            short('a', "all", Kind::Switch, "Also those that do not run"),
            DRY,
            long("filter", Kind::Filter, "Only some: name=TEXT"),
            FORMAT,
            short('q', "quiet", Kind::Switch, "Names alone"),
        ],
        run: list::ls,
        ..VERB
    },
    Verb {
        path: "compose images",
        usage: SERVICES,
        about: "List the images that the project's containers were made of",
        takes: Takes::Any,
        flags: &[DRY, FORMAT, short('q', "quiet", Kind::Switch, "Ids alone")],
        run: list::images,
        ..VERB
    },
    Verb {
        path: "compose top",
        usage: "[SERVICES...]",
        about: "List the processes of services",
        takes: Takes::Any,
        flags: &[DRY],
        run: list::top,
        ..VERB
    },
    Verb {
        path: "compose port",
        usage: "[OPTIONS] SERVICE PRIVATE_PORT",
        about: "Print where a port of a service is published",
        takes: Takes::Exactly(2),
        flags: &[DRY, INDEX, long("protocol", Kind::Text, "tcp or udp")],
        run: list::port,
        ..VERB
    },
    Verb {
        path: "compose volumes",
        usage: SERVICES,
        about: "List the project's volumes",
        takes: Takes::Any,
        flags: &[DRY, FORMAT, short('q', "quiet", Kind::Switch, "Names alone")],
        run: list::volumes,
        ..VERB
    },
    Verb {
        path: "compose stats",
        usage: "[OPTIONS] [SERVICE]",
        about: "Show what the containers of the project use",
        takes: Takes::AtMost(1),
        flags: &[
            short('a', "all", Kind::Switch, "Also those that do not run"),
            DRY,
            FORMAT,
            long("no-stream", Kind::Switch, "Once, and not again and again"),
            long("no-trunc", Kind::Switch, "Ids in full"),
        ],
        run: list::stats,
        ..VERB
    },
    Verb {
        path: "compose logs",
        usage: SERVICES,
        about: "Show what containers have written",
        takes: Takes::Any,
        flags: &[
            DRY,
            short('f', "follow", Kind::Switch, "Go on with what they write"),
            INDEX,
            long("no-color", Kind::Switch, "Without colours"),
            long("no-log-prefix", Kind::Switch, "Without names in front of lines"),
            long("since", Kind::Text, "From this time on: a date, or 42m ago"),
            short('n', "tail", Kind::Text, "So many lines of each container"),
            short('t', "timestamps", Kind::Switch, "With the times of lines"),
            long("until", Kind::Text, "Up to this time"),
        ],
        run: logs::run,
        ..VERB
    },
    Verb {
        path: "compose events",
        usage: SERVICES,
        about: "Show what happens to the project's containers",
        takes: Takes::Any,
        flags: &[
            DRY,
            long("json", Kind::Switch, "As documents"),
            long("since", Kind::Text, "From this time on"),
            long("until", Kind::Text, "Up to this time"),
        ],
        run: events::run,
        ..VERB
    },
    Verb {
        path: "compose build",
        usage: SERVICES,
        about: "Build the images of services",
        takes: Takes::Any,
        flags: &[
            long("build-arg", Kind::List, "The value of an ARG: NAME=VALUE"),
            long("builder", Kind::Text, "Accepted; there is one builder"),
            long("check", Kind::Switch, "Build nothing: only look for what is mostly a mistake"),
            DRY,
            short('m', "memory", Kind::Bytes, "Accepted; RUN has no limits of its own"),
            long("no-cache", Kind::Switch, "Build every step anew"),
            long("print", Kind::Switch, "Refused: there is no bake file"),
            PROGRESS,
            long("provenance", Kind::Text, "Accepted; nothing is attested"),
            long("pull", Kind::Switch, "Look for newer base images"),
            long("push", Kind::Switch, "Push the images when they are built"),
            short('q', "quiet", Kind::Switch, "Say nothing"),
            long("sbom", Kind::Text, "Accepted; nothing is attested"),
            long("ssh", Kind::Text, "Accepted; nothing is forwarded"),
            long("with-dependencies", Kind::Switch, "Also the services that these need"),
        ],
        run: images::build,
        ..VERB
    },
    Verb {
        path: "compose pull",
        usage: SERVICES,
        about: "Bring the images of services from their registries",
        takes: Takes::Any,
        flags: &[
            DRY,
            long("ignore-buildable", Kind::Switch, "Not those that can be built"),
            long("ignore-pull-failures", Kind::Switch, "Go on when one cannot be had"),
            long("include-deps", Kind::Switch, "Also of services that these need"),
            long("policy", Kind::Text, "When: missing, always"),
            short('q', "quiet", Kind::Switch, "Say nothing"),
        ],
        run: images::pull,
        ..VERB
    },
    Verb {
        path: "compose push",
        usage: SERVICES,
        about: "Send the images of services to their registries",
        takes: Takes::Any,
        flags: &[
            DRY,
            long("ignore-push-failures", Kind::Switch, "Go on when one is refused"),
            long("include-deps", Kind::Switch, "Also of services that these need"),
            short('q', "quiet", Kind::Switch, "Say nothing"),
        ],
        run: images::push,
        ..VERB
    },
    Verb {
        path: "compose run",
        usage: "[OPTIONS] SERVICE [COMMAND] [ARGS...]",
        about: "Run a command once, in a container of its own",
        takes: Takes::AtLeast(1),
        mixed: false,
        flags: RUN,
        run: oneoff::run,
        ..VERB
    },
    Verb {
        path: "compose exec",
        usage: "[OPTIONS] SERVICE COMMAND [ARGS...]",
        about: "Run a command in a container that runs",
        takes: Takes::AtLeast(2),
        mixed: false,
        flags: &[
            short('d', "detach", Kind::Switch, "In the background"),
            DRY,
            ENV,
            INDEX,
            short('i', "interactive", Kind::On, "Hand on what is typed (on unless turned off)"),
            NO_TTY,
            long("privileged", Kind::Switch, "With all rights"),
            short('t', "tty", Kind::On, "With a terminal, if there is one"),
            short('u', "user", Kind::Text, "As this user"),
            short('w', "workdir", Kind::Text, "In this folder"),
        ],
        run: oneoff::exec,
        ..VERB
    },
    Verb {
        path: "compose attach",
        usage: "[OPTIONS] SERVICE",
        about: "Connect this terminal with a container that runs",
        takes: Takes::Exactly(1),
        flags: &[
            long("detach-keys", Kind::Text, "The keys that let go of it: ctrl-p,ctrl-q"),
            DRY,
            INDEX,
            long("no-stdin", Kind::Switch, "Hand on nothing that is typed"),
            long("sig-proxy", Kind::On, "Hand on signals (on unless turned off)"),
        ],
        run: oneoff::attach,
        ..VERB
    },
    Verb {
        path: "compose cp",
        usage: "[OPTIONS] SERVICE:SRC_PATH DEST_PATH|-\n        {} [OPTIONS] SRC_PATH|- SERVICE:DEST_PATH",
        about: "Copy files into or out of the containers of a service",
        takes: Takes::Exactly(2),
        flags: &[
            long("all", Kind::Switch, "Into all its containers, those of `run` too"),
            short('a', "archive", Kind::Switch, "With owners"),
            DRY,
            short('L', "follow-link", Kind::Switch, "What a link points to, not the link"),
            INDEX,
        ],
        run: oneoff::copy,
        ..VERB
    },
    Verb {
        path: "compose config",
        also: &["compose convert"],
        usage: SERVICES,
        about: "Print the file as it is understood, merged and filled in",
        takes: Takes::Any,
        flags: CONFIG,
        run: config::run,
        ..VERB
    },
    Verb {
        path: "compose version",
        usage: "[OPTIONS]",
        about: "Print the version",
        flags: &[DRY, short('f', "format", Kind::Text, "How: pretty, json"), long("short", Kind::Switch, "The number alone")],
        run: config::version,
        ..VERB
    },
    Verb {
        path: "compose watch",
        usage: SERVICES,
        about: "Watch the sources of services, and bring changes into their containers",
        takes: Takes::Any,
        flags: &[
            DRY,
            long("no-up", Kind::Switch, "Do not start the services first"),
            long("prune", Kind::On, "Accepted; changes nothing here"),
            long("quiet", Kind::Switch, "Say nothing while images are built"),
        ],
        run: watch::run,
        ..VERB
    },
];
