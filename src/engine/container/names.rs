//! Names of containers: which are allowed, and which are given to those that come without one.

use crate::engine::error::Fault;
use crate::kernel::random;

/// What a container is like.
const MOODS: &[&str] = &[
    "able", "amber", "ample", "apt", "awake", "bold", "brave", "breezy", "bright", "brisk", "busy", "calm", "candid", "cheery", "civil",
    "clever", "cool", "cosy", "curious", "daring", "deft", "eager", "early", "earnest", "easy", "fair", "fearless", "fleet", "fond",
    "frank", "fresh", "gallant", "gentle", "glad", "golden", "grand", "happy", "hardy", "hearty", "honest", "hopeful", "jolly", "keen",
    "kind", "lively", "loyal", "lucid", "lucky", "mellow", "merry", "mild", "modest", "neat", "nimble", "noble", "patient", "placid",
    "plucky", "proud", "quick", "quiet", "ready", "rested", "robust", "sharp", "silent", "silver", "sincere", "sleepy", "snug", "sober",
    "spry", "steady", "stoic", "sunny", "swift", "tidy", "upbeat", "vivid", "warm", "wise", "witty", "zealous", "zesty",
];

/// Whose name it bears: people of computing, of the sea and of maps.
const PEOPLE: &[&str] = &[
    "allen",
    "amundsen",
    "babbage",
    "backus",
    "barbosa",
    "baret",
    "bartik",
    "beaufort",
    "bering",
    "boole",
    "borg",
    "cabot",
    "cerf",
    "church",
    "codd",
    "cook",
    "corbato",
    "dahl",
    "davis",
    "dijkstra",
    "drake",
    "easley",
    "elcano",
    "engelbart",
    "erdos",
    "euler",
    "feinler",
    "floyd",
    "gama",
    "gauss",
    "goldberg",
    "hamilton",
    "hamming",
    "hoare",
    "holberton",
    "hopper",
    "huffman",
    "hypatia",
    "johnson",
    "kay",
    "kernighan",
    "kleene",
    "knuth",
    "lamarr",
    "lamport",
    "leif",
    "liskov",
    "lovelace",
    "magellan",
    "mcnulty",
    "mercator",
    "minsky",
    "nansen",
    "naur",
    "neumann",
    "northcutt",
    "noyce",
    "nygaard",
    "perlman",
    "polo",
    "postel",
    "ptolemy",
    "ritchie",
    "ross",
    "scott",
    "shannon",
    "shaw",
    "slocum",
    "sutherland",
    "tarjan",
    "tasman",
    "thompson",
    "turing",
    "wilkes",
    "wilson",
    "wing",
    "wirth",
    "zheng",
    "zuse",
];

/// A name as [`MOODS`] and [`PEOPLE`] give it; later attempts get a digit, as names may run out.
pub fn random_name(attempt: u32) -> String {
    let [a, b, c, d] = random::bytes::<4>();
    let pick = |list: &[&'static str], high: u8, low: u8| list[(usize::from(high) << 8 | usize::from(low)) % list.len()];
    let name = format!("{}_{}", pick(MOODS, a, b), pick(PEOPLE, c, d));
    if attempt == 0 { name } else { format!("{name}{}", attempt % 10) }
}

/// A new id: 64 digits.
pub fn random_id() -> String {
    random::bytes::<32>().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Judges a name that a person chose. A slash before it is how the API wrote names once.
///
/// # Errors
/// It has other letters than a name may have.
pub fn check(name: &str) -> Result<String, Fault> {
    let bare = name.strip_prefix('/').unwrap_or(name);
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "_.-".contains(letter);
    let good = bare.len() > 1 && bare.starts_with(|first: char| first.is_ascii_alphanumeric()) && bare.chars().all(fits);
    if good {
        Ok(bare.to_owned())
    } else {
        Err(Fault::bad(format!("Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_judged_as_docker_does() {
        for good in ["web", "/web", "a.b-c_1", "0x"] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in ["", "a", "-web", "a b", "a/b", "é1", "_x", "a\n"] {
            assert_eq!(
                check(bad).unwrap_err().message,
                format!("Invalid container name ({bad}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")
            );
        }
    }

    #[test]
    fn given_names_are_good_and_differ() {
        let names: std::collections::BTreeSet<String> = (0..50).map(|_| random_name(0)).collect();
        assert!(names.len() > 40 && names.iter().all(|name| check(name).is_ok()), "{names:?}");
        assert_eq!(random_id().len(), 64);
    }
}
