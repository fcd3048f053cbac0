//! What a command line may be: commands, their other names, their options. Everything that reads lines reads these tables: the parser, the help pages, the
//! completion scripts.

use super::Session;
use super::failure::Result;
use super::line::Given;

/// A command.
pub struct Verb {
    /// Its full name: `image ls`.
    pub path: &'static str,
    /// Its other names: `image list`, `images`.
    pub also: &'static [&'static str],
    /// What stands behind its name in the usage line.
    pub usage: &'static str,
    /// One line for the list of commands; on its page the first paragraph.
    pub about: &'static str,
    /// More for its page.
    pub more: &'static str,
    /// How many words it takes.
    pub takes: Takes,
    /// Whether options may stand behind the first word. Not where a word begins another command line.
    pub mixed: bool,
    /// Its options.
    pub flags: &'static [Flag],
    /// Whether it takes an image from a registry, or brings one there: content trust asks for signatures of those.
    pub signed: bool,
    /// Runs it.
    pub run: fn(&Session, &Given) -> Result,
}

/// A command with nothing special, to be filled in.
pub const VERB: Verb = Verb {
    path: "",
    also: &[],
    usage: "",
    about: "",
    more: "",
    takes: Takes::Exactly(0),
    mixed: true,
    flags: &[],
    signed: false,
    run: |_, _| Ok(()),
};

/// How many words a command takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// So many.
    Exactly(usize),
    /// So many or more.
    AtLeast(usize),
    /// So many or fewer.
    AtMost(usize),
    /// Between.
    Between(usize, usize),
    /// It looks itself.
    Any,
}

/// An option.
#[derive(Debug, Clone, Copy)]
pub struct Flag {
    /// Its letter, or `\0`.
    pub short: char,
    /// Its word.
    pub long: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// What it is for.
    pub about: &'static str,
}

/// What an option takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nothing, or `=true`, `=false`.
    Switch,
    /// The same, and it is on unless somebody says otherwise.
    On,
    /// A text; the last one counts.
    Text,
    /// A text; all count.
    List,
    /// A name for an image; all count.
    Tag,
    /// Texts with commas between them; all count.
    Words,
    /// `NAME=VALUE`; all count.
    Map,
    /// `NAME=VALUE`, of a list.
    Filter,
    /// A whole number.
    Int,
    /// One that is not negative.
    Uint,
    /// One below 65536.
    Uint16,
    /// A size: `10m`.
    Bytes,
    /// A time: `1m30s`.
    Duration,
    /// A number of processors.
    Decimal,
    /// `NAME=SOFT[:HARD]`.
    Ulimit,
    /// `type=bind,source=...`.
    Mount,
    /// A network.
    Network,
    /// Graphics processors.
    Gpus,
    /// `key=value,...` of an endpoint.
    Endpoint,
}

impl Kind {
    /// Its name in help pages.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Switch | Kind::On => "",
            Kind::Text => "string",
            Kind::List | Kind::Tag => "list",
            Kind::Words => "strings",
            Kind::Map => "map",
            Kind::Filter => "filter",
            Kind::Int => "int",
            Kind::Uint => "uint",
            Kind::Uint16 => "uint16",
            Kind::Bytes => "bytes",
            Kind::Duration => "duration",
            Kind::Decimal => "decimal",
            Kind::Ulimit => "ulimit",
            Kind::Mount => "mount",
            Kind::Network => "network",
            Kind::Gpus => "gpu-request",
            Kind::Endpoint => "stringToString",
        }
    }

    /// Whether a word alone means it.
    pub fn is_switch(self) -> bool {
        matches!(self, Kind::Switch | Kind::On)
    }
}

/// An option without a letter.
pub const fn long(long: &'static str, kind: Kind, about: &'static str) -> Flag {
    Flag { short: '\0', long, kind, about }
}

/// An option with a letter.
pub const fn short(short: char, long: &'static str, kind: Kind, about: &'static str) -> Flag {
    Flag { short, long, kind, about }
}

/// `--format` of a list.
pub const FORMAT: Flag = long("format", Kind::Text, FORMATS);
/// `--format` of things that are no list.
pub const FORMAT_ONE: Flag = short('f', "format", Kind::Text, "Show it as JSON (`json`) or by a Go template");
/// How a list may be shown.
pub const FORMATS: &str = "Show it as a table (`table`, or `table` and a template), as JSON (`json`), or by a Go template";

impl Verb {
    /// All names, the one that is shown first in front.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.path).chain(self.also.iter().copied())
    }
}
