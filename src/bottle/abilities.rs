//! What this machine lets a bottle do, by name, and the reason for each thing that it does not.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The names of all abilities but `tool:NAME`.
pub const NAMES: &[&str] = &[
    "cgroup1", "cgroup2", "memory", "cpu", "cpuset", "pids", "io", "freezer", "root", "rootless", "ids", "overlay", "tun", "internet",
    "oci", "docker",
];

/// The abilities of a bottle on this machine: `cgroup1 cgroup2 memory cpu cpuset pids io freezer root rootless overlay oci tun` and `tool:NAME`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Abilities {
    /// Name, and `None` for what is there or the reason why it is not.
    known: BTreeMap<String, Option<String>>,
}

impl Abilities {
    /// Notes that `name` is there.
    pub fn grant(&mut self, name: &str) {
        self.known.insert(name.to_owned(), None);
    }

    /// Notes that `name` is not there, and why, in words for a person.
    pub fn refuse(&mut self, name: &str, reason: impl Into<String>) {
        self.known.insert(name.to_owned(), Some(reason.into()));
    }

    /// Those of `needs` that are not there, each with the reason.
    pub fn missing(&self, needs: &[String]) -> Vec<(String, String)> {
        needs.iter().filter_map(|need| Some((need.clone(), self.reason(need)?))).collect()
    }

    /// Every ability that was looked at: its name, and the reason if it is not there.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.known.iter().map(|(name, reason)| (name.as_str(), reason.as_deref()))
    }

    fn reason(&self, name: &str) -> Option<String> {
        if let Some(reason) = self.known.get(name) {
            return reason.clone();
        }
        match name.strip_prefix("tool:") {
            Some(tool) if on_path(tool) => None,
            Some(tool) => Some(format!("the program `{tool}` is not installed on this machine")),
            None => Some(format!("`{name}` is no ability that this version of Bottleship knows")),
        }
    }
}

/// Whether a program of that name is in one of the usual folders. Hosts show the machine's own folders, so looking outside is enough.
pub fn on_path(tool: &str) -> bool {
    find(tool).is_some()
}

/// Where a program is, among the usual folders.
pub fn find(tool: &str) -> Option<PathBuf> {
    const FOLDERS: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
    let paths = FOLDERS.iter().map(|folder| Path::new(folder).join(tool));
    if tool.contains('/') { None } else { paths.into_iter().find(|path| path.is_file()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_tells_why() {
        let mut abilities = Abilities::default();
        abilities.grant("pids");
        abilities.refuse("cgroup2", "the machine uses cgroup v1");
        let needs = ["pids", "cgroup2", "tool:no-such-program", "tool:../sh"].map(str::to_owned);
        let missing = abilities.missing(&needs);
        assert_eq!(missing[0], ("cgroup2".to_owned(), "the machine uses cgroup v1".to_owned()));
        assert_eq!(missing.len(), 3);
    }
}
