//! Options that several commands have, and the long lists of some.

use crate::tools::docker::verb::{Flag, Kind, long, short};

/// `--dry-run`.
pub const DRY: Flag = long("dry-run", Kind::Switch, "Say what would be done, and do nothing");
/// `--timeout`.
pub const TIMEOUT: Flag = short('t', "timeout", Kind::Int, "Seconds to wait before a container is killed");
/// `--index`.
pub const INDEX: Flag = long("index", Kind::Uint, "Which of the service's containers");
/// `--format`.
pub const FORMAT: Flag = long("format", Kind::Text, "How it is shown: table, json, or a Go template");
/// `--remove-orphans`.
pub const REMOVE_ORPHANS: Flag = long("remove-orphans", Kind::Switch, "Remove containers of services that are not in the file");
/// `--pull`.
pub const PULL: Flag = long("pull", Kind::Text, "Pull images before running: always, missing, never, build");
/// `--build`.
pub const BUILD: Flag = long("build", Kind::Switch, "Build images before containers are made");
/// `--no-build`.
pub const NO_BUILD: Flag = long("no-build", Kind::Switch, "Build no image, even if it is missing");
/// `--force-recreate`.
pub const FORCE_RECREATE: Flag = long("force-recreate", Kind::Switch, "Make containers anew even if nothing has changed");
/// `--no-recreate`.
pub const NO_RECREATE: Flag = long("no-recreate", Kind::Switch, "Keep containers that exist, whatever has changed");
/// `--no-deps`.
pub const NO_DEPS: Flag = long("no-deps", Kind::Switch, "Leave the services that these need alone");
/// `--scale`.
pub const SCALE: Flag = long("scale", Kind::List, "So many containers of a service: SERVICE=NUMBER");
/// `--yes`.
pub const YES: Flag = short('y', "yes", Kind::Switch, "Take every question as answered with yes");
/// `--env`.
pub const ENV: Flag = short('e', "env", Kind::List, "A variable of the environment: NAME=VALUE");
/// `--no-tty`.
pub const NO_TTY: Flag = short('T', "no-tty", Kind::Switch, "Without a terminal");
/// `--progress`.
pub const PROGRESS: Flag = long("progress", Kind::Text, "How it is shown: auto, tty, plain, json, quiet");

/// Options between `compose` and its command.
pub const GLOBALS: &[Flag] = &[
    long("all-resources", Kind::Switch, "Also networks and volumes that no service uses"),
    long("ansi", Kind::Text, "When to use control characters: never, always, auto"),
    long("compatibility", Kind::Switch, "Names with `_` between their parts, as the first Compose had them"),
    long("context", Kind::Text, "The context to use, whatever DOCKER_HOST says"),
    DRY,
    long("env-file", Kind::List, "A file of variables, instead of .env"),
    short('f', "file", Kind::List, "A Compose file; several are merged, `-` is standard input"),
    short('H', "host", Kind::List, "The engine: unix://PATH or tcp://HOST:PORT"),
    long("no-ansi", Kind::Switch, "The same as --ansi never"),
    long("parallel", Kind::Int, "As many things at a time; -1: no limit"),
    long("profile", Kind::List, "A profile to enable"),
    PROGRESS,
    long("project-directory", Kind::Text, "The project's folder, instead of that of the first file"),
    short('p', "project-name", Kind::Text, "The project's name"),
    long("verbose", Kind::Switch, "Accepted; changes nothing here"),
    short('v', "version", Kind::Switch, "Print the version and end"),
    long("workdir", Kind::Text, "The same as --project-directory"),
];

/// Options of `run`.
pub const RUN: &[Flag] = &[
    BUILD,
    long("cap-add", Kind::List, "One more right of root"),
    long("cap-drop", Kind::List, "One right of root less"),
    short('d', "detach", Kind::Switch, "In the background; prints the container's name"),
    DRY,
    long("entrypoint", Kind::Text, "Instead of the image's entrypoint"),
    ENV,
    long("env-from-file", Kind::List, "Variables of a file"),
    short('i', "interactive", Kind::On, "Hand on what is typed (on unless turned off)"),
    short('l', "label", Kind::List, "A label: NAME=VALUE"),
    long("name", Kind::Text, "The container's name"),
    NO_TTY,
    NO_DEPS,
    short('p', "publish", Kind::List, "Publish a port: [ADDRESS:]OUTSIDE:INSIDE"),
    PULL,
    short('q', "quiet", Kind::Switch, "Say nothing"),
    long("quiet-build", Kind::Switch, "Say nothing while images are built"),
    long("quiet-pull", Kind::Switch, "Say nothing while images are pulled"),
    REMOVE_ORPHANS,
    long("rm", Kind::Switch, "Remove the container when it has ended"),
    short('P', "service-ports", Kind::Switch, "Publish the service's ports"),
    short('t', "tty", Kind::On, "With a terminal, if there is one"),
    long("use-aliases", Kind::Switch, "With the service's names in its networks"),
    short('u', "user", Kind::Text, "As this user"),
    short('v', "volume", Kind::List, "A volume or folder: SOURCE:TARGET"),
    short('w', "workdir", Kind::Text, "In this folder"),
];

/// Options of `config`.
pub const CONFIG: &[Flag] = &[
    DRY,
    long("environment", Kind::Switch, "Print the variables that the file is filled in with"),
    long("format", Kind::Text, "yaml or json"),
    long("hash", Kind::Text, "Print the hashes of services, or of all: `*`"),
    long("images", Kind::Switch, "Print the names of images"),
    long("lock-image-digests", Kind::Switch, "Print a file that pins images to what they are now"),
    long("networks", Kind::Switch, "Print the names of networks"),
    long("no-consistency", Kind::Switch, "Do not check whether parts fit together"),
    long("no-env-resolution", Kind::Switch, "Leave files of variables as they are"),
    long("no-interpolate", Kind::Switch, "Leave variables as they are"),
    long("no-normalize", Kind::Switch, "Do not fill in what the file does not say"),
    long("no-path-resolution", Kind::Switch, "Leave paths as they are"),
    short('o', "output", Kind::Text, "Write it to a file"),
    long("profiles", Kind::Switch, "Print the names of profiles"),
    short('q', "quiet", Kind::Switch, "Check it and say nothing"),
    long("resolve-image-digests", Kind::Switch, "Pin images to what they are now"),
    long("services", Kind::Switch, "Print the names of services"),
    long("variables", Kind::Switch, "Print the variables that the file uses"),
    long("volumes", Kind::Switch, "Print the names of volumes"),
];
