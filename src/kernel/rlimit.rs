//! Resource limits of a process, getrlimit(2).

use nix::sys::resource::{Resource, setrlimit};

use super::error::Result;
use super::xray;

/// The limits that Linux knows, by the name that `config.json` and the manual use.
const LIMITS: &[(&str, Resource)] = &[
    ("RLIMIT_AS", Resource::RLIMIT_AS),
    ("RLIMIT_CORE", Resource::RLIMIT_CORE),
    ("RLIMIT_CPU", Resource::RLIMIT_CPU),
    ("RLIMIT_DATA", Resource::RLIMIT_DATA),
    ("RLIMIT_FSIZE", Resource::RLIMIT_FSIZE),
    ("RLIMIT_LOCKS", Resource::RLIMIT_LOCKS),
    ("RLIMIT_MEMLOCK", Resource::RLIMIT_MEMLOCK),
    ("RLIMIT_MSGQUEUE", Resource::RLIMIT_MSGQUEUE),
    ("RLIMIT_NICE", Resource::RLIMIT_NICE),
    ("RLIMIT_NOFILE", Resource::RLIMIT_NOFILE),
    ("RLIMIT_NPROC", Resource::RLIMIT_NPROC),
    ("RLIMIT_RSS", Resource::RLIMIT_RSS),
    ("RLIMIT_RTPRIO", Resource::RLIMIT_RTPRIO),
    ("RLIMIT_RTTIME", Resource::RLIMIT_RTTIME),
    ("RLIMIT_SIGPENDING", Resource::RLIMIT_SIGPENDING),
    ("RLIMIT_STACK", Resource::RLIMIT_STACK),
];

/// A limit to set.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// Its name, one of the table's.
    pub name: &'static str,
    resource: Resource,
    soft: u64,
    hard: u64,
}

impl Limit {
    /// The limit called `name`; `None` for one that Linux does not have.
    pub fn named(name: &str, soft: u64, hard: u64) -> Option<Limit> {
        LIMITS.iter().find(|(known, _)| *known == name).map(|(name, resource)| Limit { name, resource: *resource, soft, hard })
    }

    /// Sets it for this process and what it will exec.
    ///
    /// # Errors
    /// EPERM when the hard limit would rise without CAP_SYS_RESOURCE, EINVAL when the soft one is above the hard one.
    pub fn set(&self) -> Result<()> {
        xray::call("setrlimit", &self.name, format_args!("{} soft {} hard {}", self.name, self.soft, self.hard), || {
            setrlimit(self.resource, self.soft, self.hard)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_names_are_refused() {
        assert!(Limit::named("RLIMIT_NOFILE", 1, 2).is_some());
        assert!(Limit::named("RLIMIT_TEST", 1, 2).is_none());
        assert!(Limit::named("nofile", 1, 2).is_none());
    }
}
