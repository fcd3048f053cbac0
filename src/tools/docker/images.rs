//! `docker image`: what is in the engine's store.

pub mod archives;
mod history;
pub mod list;
pub mod remove;

pub use history::ellipsis;

use super::Session;
use super::api::Ask;
use super::failure::{Failure, Result};
use super::line::Given;
use super::verb::{FORMAT, Kind, Takes, VERB, Verb, long, short};
use crate::oci::reference::Reference;

/// Its commands.
pub const VERBS: &[Verb] = &[
    Verb {
        path: "image ls",
        also: &["image list", "images"],
        usage: "[OPTIONS] [REPOSITORY[:TAG]]",
        about: "List images",
        takes: Takes::AtMost(1),
        flags: &[
            short('a', "all", Kind::Switch, "Also images that are only steps of others"),
            long("digests", Kind::Switch, "With their digests at registries"),
            short(
                'f',
                "filter",
                Kind::Filter,
                "Only some: dangling=true, label=NAME, before=IMAGE, since=IMAGE, until=TIME, reference=PATTERN",
            ),
            FORMAT,
            long("no-trunc", Kind::Switch, "Ids in full"),
            short('q', "quiet", Kind::Switch, "Ids alone"),
            long("tree", Kind::Switch, "Refused: the engine's images are for one platform each"),
        ],
        run: list::run,
        ..VERB
    },
    Verb {
        path: "image history",
        also: &["history"],
        usage: "[OPTIONS] IMAGE",
        about: "Show how an image was made, the newest step first",
        takes: Takes::Exactly(1),
        flags: &[
            FORMAT,
            short('H', "human", Kind::On, "Sizes and times for people (on unless --human=false)"),
            long("no-trunc", Kind::Switch, "Everything in full"),
            long("platform", Kind::Text, "Of the image for this platform: os/arch[/variant]"),
            short('q', "quiet", Kind::Switch, "Ids alone"),
        ],
        run: history::run,
        ..VERB
    },
    Verb {
        path: "image tag",
        also: &["tag"],
        usage: "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
        about: "Give an image one more name",
        takes: Takes::Exactly(2),
        run: tag,
        ..VERB
    },
    Verb {
        path: "image rm",
        also: &["image remove", "rmi"],
        usage: "[OPTIONS] IMAGE [IMAGE...]",
        about: "Take names away, and with its last name an image",
        takes: Takes::AtLeast(1),
        flags: &[
            short('f', "force", Kind::Switch, "Also what has names in several repositories, or a stopped container"),
            long("no-prune", Kind::Switch, "Keep what it was made of"),
            long("platform", Kind::Words, "Only for this platform: os/arch[/variant]"),
        ],
        run: remove::run,
        ..VERB
    },
    Verb {
        path: "image prune",
        usage: "[OPTIONS]",
        about: "Remove images that nobody uses",
        flags: &[
            short('a', "all", Kind::Switch, "All that no container uses, not only those without a name"),
            long("filter", Kind::Filter, "Only some: until=TIME, label=NAME"),
            short('f', "force", Kind::Switch, "Do not ask"),
        ],
        run: remove::prune,
        ..VERB
    },
    Verb {
        path: "image save",
        also: &["save"],
        usage: "[OPTIONS] IMAGE [IMAGE...]",
        about: "Write images to an archive",
        takes: Takes::AtLeast(1),
        flags: &[
            short('o', "output", Kind::Text, "The archive, instead of standard output"),
            long("platform", Kind::Text, "Only for this platform: os/arch[/variant]"),
        ],
        run: archives::save,
        ..VERB
    },
    Verb {
        path: "image load",
        also: &["load"],
        usage: "[OPTIONS]",
        about: "Take in the images of an archive",
        flags: &[
            short('i', "input", Kind::Text, "The archive, instead of standard input"),
            long("platform", Kind::Text, "Only for this platform: os/arch[/variant]"),
            short('q', "quiet", Kind::Switch, "No progress"),
        ],
        run: archives::load,
        ..VERB
    },
    Verb {
        path: "image import",
        also: &["import"],
        usage: "[OPTIONS] file|URL|- [REPOSITORY[:TAG]]",
        about: "Make an image of the tar of a whole tree",
        takes: Takes::AtLeast(1),
        flags: &[
            short('c', "change", Kind::List, "An instruction of a Dockerfile for its configuration"),
            short('m', "message", Kind::Text, "What its history says"),
            long("platform", Kind::Text, "The platform that it is for"),
        ],
        run: archives::import,
        ..VERB
    },
];

/// A name in a path: what has a meaning there is escaped.
pub fn in_path(name: &str) -> String {
    let one = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' | b':' | b'@' | b'+' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    name.bytes().map(one).collect()
}

fn tag(session: &Session, given: &Given) -> Result {
    let wrong = |text: &str, why: String| Failure::new(format!("Error parsing reference: {text:?} is not a valid repository/tag: {why}"));
    let (source, target) = (given.word(0), given.word(1));
    // A whole id is no name and means an image all the same; a part of one reads like a name.
    if let Err(error) = source.parse::<Reference>()
        && !is_id(source)
    {
        return Err(wrong(source, error.to_string()));
    }
    let name = target.parse::<Reference>().map_err(|error| wrong(target, error.to_string()))?;
    if name.digest().is_some() {
        return Err(Failure::new("refusing to create a tag with a digest reference"));
    }
    let name = name.or_latest();
    let path = format!("/images/{}/tag", in_path(source));
    session.api()?.ask(Ask::post(&path).with("repo", name.familiar_repository()).maybe("tag", name.tag()))?;
    Ok(())
}

/// Whether a text is a whole id.
fn is_id(text: &str) -> bool {
    let hex = text.strip_prefix("sha256:").unwrap_or(text);
    hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The first twelve digits of an id.
pub fn short_id(id: &str) -> &str {
    let hex = id.split_once(':').map_or(id, |(_, hex)| hex);
    hex.get(..12).unwrap_or(hex)
}
