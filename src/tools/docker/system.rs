//! The engine itself: version, info, events, what it takes, and what can go.

mod df;
mod events;
mod info;
pub mod moment;
mod prune;
pub mod version;

pub use prune::{builder as prune_builds, things as prune_things};

use super::verb::{FORMAT, FORMAT_ONE, Kind, VERB, Verb, long, short};

/// Its commands.
pub const VERBS: &[Verb] = &[
    Verb {
        path: "version",
        usage: "[OPTIONS]",
        about: "Show the versions of client and engine",
        flags: &[FORMAT_ONE],
        run: version::run,
        ..VERB
    },
    Verb {
        path: "system info",
        also: &["info"],
        usage: "[OPTIONS]",
        about: "Show what the engine tells of itself",
        flags: &[FORMAT_ONE],
        run: info::run,
        ..VERB
    },
    Verb {
        path: "system events",
        also: &["events"],
        usage: "[OPTIONS]",
        about: "Show what happens, as it happens",
        flags: &[
            short('f', "filter", Kind::Filter, "Only some: type=KIND, event=NAME, image=NAME, container=NAME, label=NAME, ..."),
            long("format", Kind::Text, "Show it as JSON (`json`) or by a Go template"),
            long("since", Kind::Text, "Also what happened since: a time, or how long ago"),
            long("until", Kind::Text, "End at this time"),
        ],
        run: events::run,
        ..VERB
    },
    Verb {
        path: "system df",
        usage: "[OPTIONS]",
        about: "Show what images, containers, volumes and the build cache take",
        flags: &[FORMAT, short('v', "verbose", Kind::Switch, "One by one")],
        run: df::run,
        ..VERB
    },
    Verb {
        path: "system prune",
        usage: "[OPTIONS]",
        about: "Remove what nobody uses",
        flags: &[
            short('a', "all", Kind::Switch, "All images that no container uses, not only those without a name"),
            long("filter", Kind::Filter, "Only some: until=TIME, label=NAME"),
            short('f', "force", Kind::Switch, "Do not ask"),
            long("volumes", Kind::Switch, "Anonymous volumes too"),
        ],
        run: prune::run,
        ..VERB
    },
    Verb {
        path: "builder prune",
        usage: "",
        about: "Forget what builds have left",
        flags: &[
            short('a', "all", Kind::Switch, "All of it, not only what nothing refers to"),
            long("filter", Kind::Filter, "Only some: until=TIME"),
            short('f', "force", Kind::Switch, "Do not ask"),
            long("keep-storage", Kind::Bytes, "Keep so much"),
        ],
        run: prune::builder,
        ..VERB
    },
];
