//! What goes wrong with images, by what can be done about it.

use std::fmt;
use std::io;

use crate::kernel;
use crate::oci::digest::Digest;
use crate::oci::reference::NoReference;

/// A failure of the store, of an archive or of a layer.
#[derive(Debug)]
pub enum Error {
    /// Nothing in the store has that name or id.
    NoSuchImage(String),
    /// A short id fits more than one image.
    Ambiguous(String),
    /// The store lacks content that something in it refers to.
    NoSuchBlob(Digest),
    /// Content from outside breaks its specification: `what` it is, and `why` it is refused.
    Invalid {
        /// The thing: ``layer `sha256:...` ``, ``entry `etc/passwd` ``.
        what: String,
        /// The reason.
        why: String,
    },
    /// Content is not what its digest says.
    Damaged {
        /// The thing.
        what: String,
        /// The digest that was asked for.
        expected: Digest,
        /// The digest of what came.
        found: Digest,
    },
    /// Content is larger than we are willing to take from a stranger.
    TooLarge {
        /// The thing.
        what: String,
        /// The limit, with its unit.
        limit: String,
    },
    /// The kernel refused.
    Kernel {
        /// What was being done.
        doing: String,
        /// The call.
        source: kernel::Error,
    },
    /// A read from outside (a network, a pipe) or a decoder failed.
    Read {
        /// What was being read.
        doing: String,
        /// The failure.
        source: io::Error,
    },
}

/// The result of everything in [`super`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// A breach of a specification.
    pub fn invalid(what: impl fmt::Display, why: impl fmt::Display) -> Self {
        Error::Invalid { what: what.to_string(), why: why.to_string() }
    }

    /// To be used with `map_err` on kernel calls.
    pub fn at(doing: impl Into<String>) -> impl FnOnce(kernel::Error) -> Self {
        let doing = doing.into();
        move |source| Error::Kernel { doing, source }
    }

    /// To be used with `map_err` on reads.
    pub fn reading(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        // An error of ours that passed through a `Read` comes out as it went in.
        move |source| match source.downcast::<Error>() {
            Ok(own) => own,
            Err(source) => Error::Read { doing, source },
        }
    }

    /// The way of an error of ours through `std::io::Read`.
    pub fn into_io(self) -> io::Error {
        io::Error::other(self)
    }

    /// What a person can do about it, where there is something.
    pub fn hint(&self) -> Option<String> {
        match self {
            Error::Kernel { source, .. } => source.hint().map(str::to_owned),
            Error::Read { source, .. } if source.raw_os_error() == Some(kernel::error::Errno::ENOSPC as i32) => {
                Some("the disk is full: `docker system df` shows what images take, `docker system prune` frees what is unused".to_owned())
            }
            Error::NoSuchBlob(_) => Some("`bottleship images fsck` finds damaged images; pull them again".to_owned()),
            _ => None,
        }
    }
}

impl From<NoReference> for Error {
    fn from(error: NoReference) -> Self {
        Error::Invalid { what: "reference".to_owned(), why: error.to_string() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NoSuchImage(name) => write!(f, "No such image: {name}"),
            Error::Ambiguous(id) => write!(f, "the id `{id}` fits more than one image: give more of its digits"),
            Error::NoSuchBlob(digest) => write!(f, "the store has no content `{digest}`"),
            Error::Invalid { why, what } if what == "reference" => f.write_str(why),
            Error::Invalid { what, why } => write!(f, "{what}: {why}"),
            Error::Damaged { what, expected, found } => write!(f, "{what} is not what its digest says: expected {expected}, got {found}"),
            Error::TooLarge { what, limit } => write!(f, "{what} is too large: the limit is {limit}"),
            Error::Kernel { doing, source } => write!(f, "{doing}: {source}"),
            Error::Read { doing, source } => write!(f, "{doing}: {source}"),
        }
    }
}

impl std::error::Error for Error {}
