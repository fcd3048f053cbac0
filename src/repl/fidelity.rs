//! `:fidelity`: what in the bottle is real, what is a small implementation of a real interface, and what is simulated.

use crate::bottle::Abilities;
use crate::course::Session;
use crate::ui::{Block, Doc, Face, Text};

use super::course_verbs::two_columns;

/// How real something is.
const REAL: &str = "real kernel";
const SMALL: &str = "real interface, our own program";
const SIMULATED: &str = "simulated";

/// What there is, and how real it is.
const CLAIMS: &[(&str, &str, &str)] = &[
    ("processes, namespaces, mounts", REAL, "made by this machine's kernel, for real"),
    ("cgroups", REAL, "below a group of the bottle, which has a ceiling of its own"),
    ("capabilities, seccomp, user ids", REAL, "root is root of the bottle's user namespace, and nobody outside"),
    ("links, bridges, addresses, ping", REAL, "in network namespaces of the bottle"),
    ("files of bench", REAL, "this machine's own, below a layer that takes all your changes"),
    (
        "docker's engine, images, registries",
        SMALL,
        "behind Docker's own interfaces; Docker Hub is the bottle's, its images are stand-ins and say so",
    ),
    ("bottleship oci", SMALL, "an OCI runtime; the kernel calls are those that you see with `:zoom`"),
];

/// The table, and what this machine cannot do.
pub fn doc(session: &Session, internet_real: bool) -> Doc {
    claims(internet_real).then(lacks(session.bottle().abilities()))
}

fn claims(internet_real: bool) -> Doc {
    let internet = if internet_real {
        ("the internet", REAL, "this machine's own connection (`--internet real`)")
    } else {
        ("the internet (8.8.8.8, 1.1.1.1, names)", SIMULATED, "the host `internet` answers ping and DNS; nothing leaves this machine")
    };
    let rows = CLAIMS.iter().chain([&internet]).map(|(what, how, note)| {
        let face = if *how == SIMULATED { Face::Caution } else { Face::Good };
        [Text::from(*what), Text::of(face, *how).and(Face::Plain, format!(": {note}"))]
    });
    Doc::new().with(two_columns(["what", "how real"], rows.collect()))
}

fn lacks(abilities: &Abilities) -> Doc {
    let missing: Vec<Doc> =
        abilities.iter().filter_map(|(name, reason)| Some(Doc::new().paragraph(format!("{name}: {}", reason?)))).collect();
    if missing.is_empty() {
        return Doc::new();
    }
    Doc::new().paragraph("What this machine lacks; steps that need it say so before they begin:").with(Block::List(None, missing))
}

#[cfg(test)]
pub(super) fn sample() -> Doc {
    let mut abilities = Abilities::default();
    abilities.grant("pids");
    abilities.refuse("cgroup2", "the machine uses cgroup v1");
    claims(false).then(lacks(&abilities))
}
