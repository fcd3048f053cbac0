//! What is installed in an image, by its package databases.

use std::collections::BTreeMap;

use super::versions::Rules;
use super::{rpm, sqlite};

/// The files of an image that a scanner reads, by their paths without a slash in front.
pub type Files = BTreeMap<String, Vec<u8>>;

/// The databases, and what says which distribution it is. `var/lib/dpkg/status.d/` is where images without dpkg note what they hold.
pub const WANTED: [&str; 8] = [
    "etc/os-release",
    "usr/lib/os-release",
    "var/lib/dpkg/status",
    "var/lib/dpkg/status.d/",
    "lib/apk/db/installed",
    "usr/lib/apk/db/installed",
    "var/lib/rpm/",
    "usr/lib/sysimage/rpm/",
];

/// An installed package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// What it was built from, by which advisories often call it; the name itself if nothing else is said.
    pub source: String,
    /// Its version.
    pub version: String,
}

/// A distribution and its release, as os-release(5) has them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Distribution {
    /// `ID`: `debian`.
    pub id: String,
    /// `VERSION_ID`: `12`.
    pub version: String,
    /// `PRETTY_NAME`.
    pub name: String,
}

/// What was found.
#[derive(Debug)]
pub struct Inventory {
    /// The distribution; empty for an image without one.
    pub distribution: Distribution,
    /// Whose versions they are; `None` without a database.
    pub rules: Option<Rules>,
    /// The packages, by name.
    pub packages: Vec<Package>,
    /// A database that is there and was not read, and why.
    pub unread: Option<String>,
}

/// Reads what a scanner reads.
pub fn inventory(files: &Files) -> Inventory {
    let text = |path: &str| files.get(path).map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    let distribution = distribution(&text("etc/os-release").or_else(|| text("usr/lib/os-release")).unwrap_or_default());
    let below = |folder: &'static str| files.iter().filter(move |(path, _)| path.starts_with(folder));
    let mut found = Inventory { distribution, rules: None, packages: Vec::new(), unread: None };
    for (path, bytes) in [text("var/lib/dpkg/status")]
        .into_iter()
        .flatten()
        .map(|text| (String::new(), text))
        .chain(below("var/lib/dpkg/status.d/").map(|(path, bytes)| (path.clone(), String::from_utf8_lossy(bytes).into_owned())))
    {
        found.rules = Some(Rules::Dpkg);
        // What has a file of its own is installed without saying so.
        found.packages.extend(dpkg(&bytes, !path.is_empty()));
    }
    for text in ["lib/apk/db/installed", "usr/lib/apk/db/installed"].into_iter().filter_map(text) {
        found.rules = Some(Rules::Apk);
        found.packages.extend(apk(&text));
    }
    for (path, bytes) in below("var/lib/rpm/").chain(below("usr/lib/sysimage/rpm/")) {
        match path.rsplit('/').next().unwrap_or_default() {
            "rpmdb.sqlite" => {
                found.rules = Some(Rules::Rpm);
                match sqlite::blobs(bytes, "Packages") {
                    Ok(headers) => found.packages.extend(headers.iter().filter_map(|header| rpm::package(header))),
                    Err(why) => found.unread = Some(format!("{path}: {why}")),
                }
            }
            // What `yum` and `dnf` of the course images write.
            "installed" => {
                found.rules = Some(Rules::Rpm);
                found.packages.extend(apk(&String::from_utf8_lossy(bytes)));
            }
            "Packages" | "Packages.db" => {
                found.rules = Some(Rules::Rpm);
                found.unread = Some(format!("{path}: a database of rpm before 4.16 is not read here"));
            }
            _ => {}
        }
    }
    found.packages.sort();
    found.packages.dedup();
    found
}

fn distribution(text: &str) -> Distribution {
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.map(|value| value.trim().trim_matches(['"', '\'']).to_owned()).unwrap_or_default()
    };
    Distribution { id: value("ID"), version: value("VERSION_ID"), name: value("PRETTY_NAME") }
}

/// Paragraphs of `Field: value`; only `Status: install ok installed` is there.
fn dpkg(text: &str, always: bool) -> Vec<Package> {
    let paragraph = |text: &str| {
        let field =
            |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(|value| value.trim().to_owned());
        let installed = always || field("Status").is_some_and(|status| status.ends_with(" installed"));
        let (name, version) = (field("Package")?, field("Version")?);
        // `Source: name (version)` where the version differs: the binary's own is compared, as its advisories say it.
        let source = field("Source").and_then(|source| source.split_whitespace().next().map(str::to_owned));
        installed.then(|| Package { source: source.unwrap_or_else(|| name.clone()), name, version })
    };
    text.split("\n\n").filter_map(paragraph).collect()
}

/// Paragraphs of `P:name`, `V:version`, `o:origin`.
fn apk(text: &str) -> Vec<Package> {
    let paragraph = |text: &str| {
        let field = |letter: &str| text.lines().find_map(|line| line.strip_prefix(letter)?.strip_prefix(':')).map(str::to_owned);
        let (name, version) = (field("P")?, field("V")?);
        Some(Package { source: field("o").unwrap_or_else(|| name.clone()), name, version })
    };
    text.split("\n\n").filter_map(paragraph).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(all: &[(&str, &str)]) -> Files {
        all.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect()
    }

    #[test]
    fn each_database_is_read() {
        let status = "Package: libssl3\nStatus: install ok installed\nSource: openssl\nVersion: 3.0.1-1\n\nPackage: gone\nStatus: deinstall ok config-files\nVersion: 1\n";
        let found = inventory(&files(&[("etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n"), ("var/lib/dpkg/status", status)]));
        assert_eq!((found.rules, found.distribution.id.as_str(), found.distribution.version.as_str()), (Some(Rules::Dpkg), "debian", "12"));
        assert_eq!(found.packages, [Package { name: "libssl3".into(), source: "openssl".into(), version: "3.0.1-1".into() }]);
        let found = inventory(&files(&[("var/lib/dpkg/status.d/base", "Package: base-files\nVersion: 12.4\n")]));
        assert_eq!(found.packages.len(), 1);
        let found = inventory(&files(&[("lib/apk/db/installed", "C:Q1\nP:libcrypto3\nV:3.1.0-r0\no:openssl\n\nP:musl\nV:1.2.4-r0\n\n")]));
        assert_eq!((found.rules, found.packages.len(), found.packages[0].source.as_str()), (Some(Rules::Apk), 2, "openssl"));
        let found = inventory(&files(&[("var/lib/rpm/rpmdb.sqlite", "no database")]));
        assert!(found.packages.is_empty() && found.unread.unwrap().contains("rpmdb.sqlite"));
        assert!(inventory(&Files::new()).rules.is_none());
    }
}
