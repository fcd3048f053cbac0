//! What no stand-in can honestly be: databases, Node.js, Drupal. Dockerfiles of ours build them from the machine's packages.
//!
//! Each begins with `FROM bottleship/machine`: a small system of the machine's own distribution, which is itself built by a Dockerfile, of packages that the
//! machine's package manager fetches. Nothing of it is in this program but the Dockerfiles and their entrypoints.

use super::plan::Plan;
use super::recipe::{Fidelity, Recipe};
use crate::oci::reference::Reference;

/// The image that the others begin with.
pub const MACHINE: &str = "bottleship/machine";

/// A file of a build context: its name, its content.
pub type File = (&'static str, &'static [u8]);

/// How to build an image.
#[derive(Debug)]
pub struct Built {
    /// The name, as in the catalog.
    pub name: &'static str,
    /// The context, the Dockerfile among it.
    pub files: &'static [File],
    /// Where its packages come from besides the machine's own sources; empty if from there alone.
    pub outside: &'static str,
}

/// The context of [`MACHINE`], without the packages.
pub const MACHINE_FILES: &[File] = &[("Dockerfile", include_bytes!("files/built/machine/Dockerfile"))];

const POSTGRES: &[File] = &[
    ("Dockerfile", include_bytes!("files/built/postgres/Dockerfile")),
    ("docker-entrypoint.sh", include_bytes!("files/built/postgres/docker-entrypoint.sh")),
];
const MARIADB: &[File] = &[
    ("Dockerfile", include_bytes!("files/built/mariadb/Dockerfile")),
    ("docker-entrypoint.sh", include_bytes!("files/built/mariadb/docker-entrypoint.sh")),
];
const NODE: &[File] = &[
    ("Dockerfile", include_bytes!("files/built/node/Dockerfile")),
    ("docker-entrypoint.sh", include_bytes!("files/built/node/docker-entrypoint.sh")),
];

/// All of them.
#[rustfmt::skip]
pub const ALL: &[Built] = &[
    Built { name: "postgres", files: POSTGRES, outside: "" },
    Built { name: "mariadb", files: MARIADB, outside: "" },
    Built { name: "mysql", files: MARIADB, outside: "" },
    Built { name: "node", files: NODE, outside: "" },
    Built { name: "mongo", files: &[("Dockerfile", include_bytes!("files/built/mongo/Dockerfile"))], outside: "repo.mongodb.org" },
    Built { name: "elasticsearch", files: &[("Dockerfile", include_bytes!("files/built/elasticsearch/Dockerfile"))], outside: "artifacts.elastic.co" },
    Built { name: "drupal", files: &[("Dockerfile", include_bytes!("files/built/drupal/Dockerfile"))], outside: "ftp.drupal.org" },
];

const LATEST: &[&str] = &["latest"];

/// Their rows in the catalog.
#[rustfmt::skip]
pub const RECIPES: &[Recipe] = &[
    row("postgres", "PostgreSQL of the machine's distribution; variables, *_FILE, volume and /docker-entrypoint-initdb.d as people know them."),
    row("mariadb", "MariaDB of the machine's distribution; variables, *_FILE, random root password, volume and /docker-entrypoint-initdb.d as people know them."),
    row("mysql", "MariaDB of the machine's distribution by MySQL's name, as Debian has it: it understands the same clients and variables."),
    row("node", "Node.js and npm of the machine's distribution."),
    row("mongo", "MongoDB 7 from its makers' packages for Debian 12, which must be reachable."),
    row("elasticsearch", "Elasticsearch 8 from its makers' packages, which must be reachable; the course's version 2 runs on no Java of today."),
    row("drupal", "Drupal 10 from its makers, which must be reachable, on Apache and PHP of the machine's distribution."),
];

const fn row(name: &'static str, about: &'static str) -> Recipe {
    Recipe::new(name, LATEST, Fidelity::Built, about, |_, _| Plan::refused("it is built: `bottleship images build`".to_owned()))
}

/// What is not built either, and what to tell whoever asks.
#[rustfmt::skip]
const TOLD: &[(&str, &str)] = &[
    ("nextcloud", "no distribution has it and no lesson runs it: the course names it for its volumes, which any image has"),
    ("wordpress", "it comes with its Helm chart; no lesson of images runs it"),
    ("denoland/deno", "no distribution has Deno: `bottleship images build node` gives the language"),
    ("oven/bun", "no distribution has Bun: `bottleship images build node` gives the language"),
    ("wolfi", "its packages are its makers' alone: `gcr.io/distroless/static` of the catalog shows the same idea"),
    ("gcr.io/distroless/nodejs20", "there is no Node.js without packages: build `node`, and copy its program into `gcr.io/distroless/static` with its libraries"),
    ("gcr.io/distroless/nodejs20-debian12", "there is no Node.js without packages: build `node`, and copy its program into `gcr.io/distroless/static` with its libraries"),
];

/// How to build an image of that name.
pub fn find(name: &Reference) -> Option<&'static Built> {
    ALL.iter().find(|one| is_called(one.name, name))
}

/// Why the catalog has no image of a name that the course speaks of, and what to do.
pub fn told(name: &Reference) -> Option<String> {
    if let Some(built) = find(name) {
        return Some(format!("it is not made here but built from packages: `bottleship images build {}`", built.name));
    }
    TOLD.iter().find(|(own, _)| is_called(own, name)).map(|(_, why)| format!("there is no course image for it: {why}"))
}

fn is_called(own: &str, name: &Reference) -> bool {
    own.parse::<Reference>().is_ok_and(|own| own.repository() == name.repository())
}
