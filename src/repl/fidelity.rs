//! `:fidelity`: what in the bottle is real, what is a small implementation of a real interface, and what is simulated.

use crate::bottle::Abilities;
use crate::course::Session;
use crate::ui::{Block, Doc, Face, Text};

use super::course_verbs::two_columns;

/// How real something is.
const REAL: &str = "real kernel";
const SMALL: &str = "real interface, our own program";
const SIMULATED: &str = "simulated";
/// Of what this machine does not give to the bottle.
const NOT_HERE: &str = "not here";

const CGROUPS: &str = "cgroups";

/// What there is, and how real it is.
const CLAIMS: &[(&str, &str, &str)] = &[
    ("processes, namespaces, mounts", REAL, "made by this machine's kernel, for real"),
    (CGROUPS, REAL, "below a group of the bottle, which has a ceiling of its own"),
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
    let abilities = session.bottle().abilities();
    claims(internet_real, abilities).then(lacks(abilities))
}

fn claims(internet_real: bool, abilities: &Abilities) -> Doc {
    let internet = if internet_real {
        ("the internet", REAL, "this machine's own connection (`--internet real`)")
    } else {
        ("the internet (8.8.8.8, 1.1.1.1, names)", SIMULATED, "the host `internet` answers ping and DNS; nothing leaves this machine")
    };
    let none = ["cgroup1", "cgroup2"].iter().all(|name| abilities.iter().any(|(lacked, why)| lacked == *name && why.is_some()));
    let rows = CLAIMS.iter().chain([&internet]).map(|(what, how, note)| {
        if none && *what == CGROUPS {
            return [
                Text::from(*what),
                Text::of(Face::Caution, NOT_HERE).and(Face::Plain, ": see below; docker discards limits, and says so"),
            ];
        }
        let face = if *how == SIMULATED { Face::Caution } else { Face::Good };
        [Text::from(*what), Text::of(face, *how).and(Face::Plain, format!(": {note}"))]
    });
    Doc::new().with(two_columns(["what", "how real"], rows.collect()))
}

fn lacks(abilities: &Abilities) -> Doc {
    // What is missing for the same reason is told once.
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for (name, reason) in abilities.iter().filter_map(|(name, reason)| Some((name, reason?))) {
        match reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, names)) => names.push(name),
            None => reasons.push((reason, vec![name])),
        }
    }
    let missing: Vec<Doc> = reasons.iter().map(|(reason, names)| Doc::new().paragraph(format!("{}: {reason}", names.join(", ")))).collect();
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
    claims(false, &abilities).then(lacks(&abilities))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::Style;

    #[test]
    fn where_no_cgroup_is_delegated_none_is_claimed_and_the_reason_is_told_once() {
        let mut abilities = Abilities::default();
        for name in ["cgroup1", "cgroup2", "memory"] {
            abilities.refuse(name, "none is delegated");
        }
        let shown = claims(false, &abilities).then(lacks(&abilities)).render(&Style::plain(120));
        let row = shown.lines().find(|line| line.starts_with("cgroups")).expect("a row");
        assert!(row.contains("not here") && !row.contains("real kernel"), "{row}");
        assert_eq!(shown.matches("none is delegated").count(), 1, "{shown}");
        assert!(shown.contains("cgroup1, cgroup2, memory: none is delegated"), "{shown}");
    }
}
