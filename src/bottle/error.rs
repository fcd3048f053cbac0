//! Why a bottle could not do what was asked, in words that say what to do.

use std::fmt;

use crate::kernel;

/// What a bottle refuses or fails at.
#[derive(Debug)]
pub enum Error {
    /// A name that cannot be one.
    Name { what: &'static str, name: String },
    /// Another process has this bottle open.
    Busy { name: String },
    /// No such bottle is running.
    NotRunning { name: String },
    /// There is no bottle of that name, running or not.
    NoBottle { name: String },
    /// No host of that name.
    NoHost { name: String },
    /// A host of that name is there already.
    HostExists { name: String },
    /// The bottle or the host ended while we talked to it.
    Gone { name: String },
    /// The machine cannot do it, and why.
    Unsupported { what: &'static str, why: String },
    /// The kernel refused a step of ours.
    Kernel { doing: String, source: kernel::Error },
    /// The keeper or a host refused; `errno` is there where the kernel had the last word.
    Refused { doing: String, why: String, errno: Option<i32>, hint: Option<String> },
}

impl Error {
    /// Names the step that a kernel call failed in.
    pub(crate) fn at(doing: impl Into<String>) -> impl FnOnce(kernel::Error) -> Error {
        let doing = doing.into();
        move |source| Error::Kernel { doing, source }
    }

    /// The errno behind it, where the kernel had the last word.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Error::Kernel { source, .. } => Some(source.errno as i32),
            Error::Refused { errno, .. } => *errno,
            _ => None,
        }
    }

    /// What a person can do about it, where there is something.
    pub fn hint(&self) -> Option<String> {
        match self {
            Error::Name { .. } => Some("use letters, digits, `-` and `_`, at most 32, beginning with a letter or a digit".to_owned()),
            Error::Busy { name } => Some(format!("choose another name, or end that one: see `bottleship ls`, or `bottleship rm {name}`")),
            Error::NotRunning { .. } | Error::NoBottle { .. } => Some("`bottleship ls` shows the bottles".to_owned()),
            Error::Kernel { source, .. } => source.hint().map(str::to_owned),
            Error::Refused { hint, .. } => hint.clone(),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Name { what, name } => write!(f, "`{name}` cannot be the name of a {what}"),
            Error::Busy { name } => write!(f, "the bottle `{name}` is open already"),
            Error::NotRunning { name } => write!(f, "the bottle `{name}` is not running"),
            Error::NoBottle { name } => write!(f, "there is no bottle `{name}`"),
            Error::NoHost { name } => write!(f, "the bottle has no host `{name}`"),
            Error::HostExists { name } => write!(f, "the bottle has a host `{name}` already"),
            Error::Gone { name } => write!(f, "`{name}` ended while it was asked for something"),
            Error::Unsupported { what, why } => write!(f, "{what} is not possible here: {why}"),
            Error::Kernel { doing, source } => write!(f, "{doing}: {source}"),
            // What came from another process may have no more to say than why.
            Error::Refused { doing, why, .. } if doing.is_empty() => f.write_str(why),
            Error::Refused { doing, why, .. } => write!(f, "{doing}: {why}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Kernel { source, .. } => Some(source),
            _ => None,
        }
    }
}
