//! `config.json` of a bundle: the runtime specification 1.0 to 1.3, <https://github.com/opencontainers/runtime-spec>.
//!
//! Plain structures with the specification's names; every key may be missing, unknown keys are ignored (the specification asks for both).
//! Values that the structures cannot express (a path that must be absolute, a known capability) are judged by [`check`],
//! and every complaint names the file, the line and the key. [`parse`] takes any bytes and never panics.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

mod check;
pub mod linux;
mod locate;
mod nulls;
pub mod process;

pub use check::{check, ignoring, refused, unknown_capabilities};
pub use linux::Linux;
pub use process::Process;

/// The newest specification that this runtime follows.
pub const VERSION: &str = "1.3.0";

/// A `config.json` to begin with: `sh` in all namespaces, with few capabilities.
pub const DEFAULT: &str = include_str!("spec/default.json");

/// A whole `config.json`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Spec {
    /// The specification's version that the bundle was written for.
    pub oci_version: String,
    /// What runs.
    pub process: Option<Process>,
    /// The root file system.
    pub root: Option<Root>,
    /// Host name of a new uts namespace.
    pub hostname: Option<String>,
    /// NIS domain name of a new uts namespace.
    pub domainname: Option<String>,
    /// File systems, in order.
    pub mounts: Vec<Mount>,
    /// Programs to run at stations of the container's life.
    pub hooks: Hooks,
    /// Free-form notes.
    pub annotations: BTreeMap<String, String>,
    /// Everything about Linux.
    pub linux: Linux,
}

/// `root`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Root {
    /// Relative to the bundle, or absolute.
    pub path: String,
    /// Whether nobody may write to it.
    pub readonly: bool,
}

/// One of `mounts`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Mount {
    /// Where, absolute in the container.
    pub destination: String,
    /// File system type; `bind` and empty with option `bind` are binds.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Device or path outside.
    pub source: Option<String>,
    /// Options as mount(8) knows them, and those of the specification.
    pub options: Vec<String>,
    /// User ids of an id-mapped mount.
    pub uid_mappings: Vec<linux::IdMapping>,
    /// Group ids of an id-mapped mount.
    pub gid_mappings: Vec<linux::IdMapping>,
}

/// `hooks`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Hooks {
    /// Deprecated: as `createRuntime`, before it.
    pub prestart: Vec<Hook>,
    /// Outside, when the namespaces exist and before the root is pivoted.
    pub create_runtime: Vec<Hook>,
    /// In the container's namespaces with the machine's files, before the root is pivoted.
    pub create_container: Vec<Hook>,
    /// In the container, before the program.
    pub start_container: Vec<Hook>,
    /// Outside, after the program was started.
    pub poststart: Vec<Hook>,
    /// Outside, after the container was deleted.
    pub poststop: Vec<Hook>,
}

/// A program to run.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Hook {
    /// Absolute path.
    pub path: String,
    /// argv, with argv[0].
    pub args: Vec<String>,
    /// `KEY=value`. Without the key a hook has the environment of who runs it.
    pub env: Option<Vec<String>>,
    /// Seconds.
    pub timeout: Option<u64>,
}

/// What is wrong with a `config.json`, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// The file; empty when only bytes were given.
    pub file: PathBuf,
    /// From 1.
    pub line: usize,
    /// `process.rlimits[0].hard`; empty for the document itself.
    pub key: String,
    /// The complaint.
    pub problem: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = if self.file.as_os_str().is_empty() { Path::new("config.json") } else { &self.file };
        write!(f, "{}:{}: ", file.display(), self.line)?;
        if !self.key.is_empty() {
            write!(f, "`{}`: ", self.key)?;
        }
        f.write_str(&self.problem)
    }
}

impl std::error::Error for Error {}

/// Reads and judges a `config.json`. Any bytes may come; nothing makes it panic.
///
/// # Errors
/// The first thing that is wrong, with its line and key.
pub fn parse(bytes: &[u8]) -> Result<Spec, Error> {
    let spec: Spec = read(bytes)?;
    check(&spec).map_err(|complaint| complaint.at(bytes))?;
    Ok(spec)
}

/// Reads a `process.json` of `exec --process`.
///
/// # Errors
/// As [`parse`].
pub fn parse_process(bytes: &[u8]) -> Result<Process, Error> {
    let process: Process = read(bytes)?;
    check::process(&process, "").map_err(|complaint| complaint.at(bytes))?;
    Ok(process)
}

/// As [`parse`], of a spec that was judged when its container was created.
///
/// # Errors
/// The file was damaged since.
pub fn reparse(bytes: &[u8]) -> Result<Spec, Error> {
    read(bytes)
}

/// Reads `linux.resources` alone, as `update` gets them.
///
/// # Errors
/// As [`parse`], with keys that begin below `linux.resources`.
pub fn parse_resources(bytes: &[u8]) -> Result<crate::kernel::cgroup::Resources, Error> {
    read(bytes)
}

fn read<T: DeserializeOwned>(given: &[u8]) -> Result<T, Error> {
    let blanked = nulls::blanked(given);
    let bytes = blanked.as_deref().unwrap_or(given);
    serde_json::from_slice(bytes).map_err(|error| {
        let text = String::from_utf8_lossy(bytes);
        let full = error.to_string();
        let problem = full.rsplit_once(" at line ").map_or(full.as_str(), |(problem, _)| problem).to_owned();
        Error { file: PathBuf::new(), line: error.line(), key: locate::key_at(&text, error.line(), error.column()), problem }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        parse(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn errors_name_line_and_key() {
        assert_eq!(
            refused("{\n \"ociVersion\": \"1.0.2\",\n \"process\": {\"user\": {\"uid\": \"root\"}}\n}"),
            "config.json:3: `process.user.uid`: invalid type: string \"root\", expected u32"
        );
        assert_eq!(refused("{\"ociVersion\": \"1.0.2\"\n \"root\""), "config.json:2: expected `,` or `}`");
        assert_eq!(refused("{}"), "config.json:1: `ociVersion`: it is missing; this runtime follows 1.0.0 to 1.3.0");
        assert_eq!(refused("[]").split(": ").next(), Some("config.json:1"));
    }

    #[test]
    fn every_prefix_of_a_good_file_is_answered() {
        let text = DEFAULT;
        assert!(parse(text.as_bytes()).is_ok());
        for end in 0..text.len() {
            let _ = parse(&text.as_bytes()[..end]);
        }
    }
}
