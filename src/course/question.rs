//! Questions about images, layers, registries and containers: what `bottleship look` answers on a host.
//!
//! The answers are read from the files of the engine's store and not asked of its API. The store's files are what the engine will go by; reading them wakes no
//! engine that sleeps, leaves no line in its events, works while it is down or stuck, and shows what the API does not tell: what lies in each
//! single layer. The same holds for containers, volumes, networks and logs; only how healthy a container is lies in no file, so that is asked of the engine,
//! which runs where a container does. A registry is a stranger in its own right, so that one is asked over HTTP, as `docker` would ask it.

use serde::{Deserialize, Serialize};

/// A question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// All images of the host's engine: `{"images": [...]}`.
    Images,
    /// One image, by a name or an id: its configuration, and `exists`.
    Image {
        /// As people type it.
        name: String,
    },
    /// The layers of an image, and the files in them that are sought.
    Layers {
        /// The image, as people type it.
        image: String,
        /// Which files.
        seek: Seek,
    },
    /// A registry, and a repository or a manifest in it.
    Registry {
        /// `host[:port]`, or a name in it: `host:5000/app:1`.
        at: String,
        /// With this name and password, instead of those that the host's root keeps.
        login: Option<(String, String)>,
        /// The digest of a blob of the repository.
        blob: Option<String>,
    },
    /// All containers of the host's engine, the newest first: `{"containers": [...]}`.
    Containers,
    /// All volumes: `{"volumes": [...]}`.
    Volumes,
    /// All networks, with the containers that run in them: `{"networks": [...]}`.
    Networks,
    /// The log of a container, by its whole id: `{"lines": [{"stream", "text"}]}`, the last [`LINES`] of it.
    Log {
        /// 64 digits.
        id: String,
    },
    /// The addresses of a name, as a process would look it up: `{"addresses": [...]}`, and `why` where there is none.
    Resolve {
        /// In its network namespace, with its `/etc/hosts` and `/etc/resolv.conf`.
        pid: i32,
        /// The name.
        name: String,
    },
}

/// Which files of a layer are sought: all that is given must fit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seek {
    /// Exactly this path.
    pub path: Option<String>,
    /// Paths that fit this pattern.
    pub paths: Option<String>,
    /// Files in whose first [`LARGEST`] bytes this pattern is found; what is told of them is the line.
    pub text: Option<String>,
}

/// How much of a file is searched and told, in bytes.
pub const LARGEST: u64 = 64 * 1024;
/// How many lines of a log are told.
pub const LINES: usize = 2000;
