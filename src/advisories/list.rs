//! The list of advisories: a YAML file, the course's or one's own. The format is in the book (reference, advisories).

use serde::{Deserialize, Serialize};

use super::packages::{Distribution, Package};
use super::versions::Rules;

/// The version of the format.
const SCHEMA: u64 = 1;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A nuisance.
    Low,
    /// To be mended with the next build.
    Medium,
    /// To be mended now.
    High,
    /// Others are breaking in already.
    Critical,
}

impl Severity {
    /// From the worst to the least.
    pub const ALL: [Severity; 4] = [Severity::Critical, Severity::High, Severity::Medium, Severity::Low];

    /// The word.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Critical => "critical",
            Severity::High => "high",
            Severity::Medium => "medium",
            Severity::Low => "low",
        }
    }

    /// From the word.
    pub fn read(text: &str) -> Option<Self> {
        Severity::ALL.into_iter().find(|one| one.name().eq_ignore_ascii_case(text))
    }
}

/// A file of advisories.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Advisories {
    /// The version of the format: 1.
    pub schema: u64,
    /// The day of the list, for people.
    pub updated: String,
    /// What is known to be faulty.
    #[serde(default)]
    pub advisories: Vec<Advisory>,
    /// When releases of distributions end: nobody mends them any more.
    #[serde(default)]
    pub releases: Vec<Release>,
}

/// One fault in one package of one distribution.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Advisory {
    /// `CVE-2023-38545`.
    pub id: String,
    /// One line.
    pub title: String,
    /// How bad.
    pub severity: Severity,
    /// The distribution's `ID`; `any` for all.
    pub distribution: String,
    /// The start of its `VERSION_ID`, at a dot; without it every release.
    #[serde(default)]
    pub release: Option<String>,
    /// The package, by its own name or its source's.
    pub package: String,
    /// The first version that has it; without it all before `fixed`.
    #[serde(default)]
    pub introduced: Option<String>,
    /// The first version that has it no more; without it there is none.
    #[serde(default)]
    pub fixed: Option<String>,
    /// It is made up, for a lesson.
    #[serde(default)]
    pub exercise: bool,
}

/// A release and its last day.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// The distribution's `ID`.
    pub distribution: String,
    /// The start of its `VERSION_ID`, at a dot.
    pub release: String,
    /// The last day on which faults are mended: `2024-06-30`.
    pub ends: String,
}

impl Advisories {
    /// Reads a file.
    ///
    /// # Errors
    /// It is no such file, or of another version; the text says where.
    pub fn read(text: &str) -> Result<Self, String> {
        let read: Advisories = serde_yaml::from_str(text).map_err(|error| error.to_string())?;
        if read.schema != SCHEMA {
            return Err(format!("its schema is {}, and this program reads {SCHEMA}", read.schema));
        }
        if let Some(wrong) = read.releases.iter().find(|one| one.ends.parse::<jiff::civil::Date>().is_err()) {
            return Err(format!("releases: {} {}: `{}` is no day (2024-06-30)", wrong.distribution, wrong.release, wrong.ends));
        }
        Ok(read)
    }

    /// Those that an installed package has.
    pub fn of<'a>(&'a self, package: &'a Package, distribution: &'a Distribution, rules: Rules) -> impl Iterator<Item = &'a Advisory> {
        self.advisories.iter().filter(move |one| one.fits(package, distribution, rules))
    }

    /// The release of a distribution.
    pub fn release(&self, distribution: &Distribution) -> Option<&Release> {
        self.releases.iter().find(|one| one.distribution == distribution.id && begins(&distribution.version, &one.release))
    }
}

impl Advisory {
    fn fits(&self, package: &Package, distribution: &Distribution, rules: Rules) -> bool {
        let place = (self.distribution == "any" || self.distribution == distribution.id)
            && self.release.as_ref().is_none_or(|release| begins(&distribution.version, release));
        let since = self.introduced.as_ref().is_none_or(|first| rules.compare(&package.version, first).is_ge());
        let until = self.fixed.as_ref().is_none_or(|fixed| rules.compare(&package.version, fixed).is_lt());
        place && (self.package == package.name || self.package == package.source) && since && until
    }
}

/// `3.19.1` begins with `3.19`, and not with `3.1`.
fn begins(version: &str, start: &str) -> bool {
    version.strip_prefix(start).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_the_course_is_one() {
        let list = Advisories::read(crate::advisories::COURSE).unwrap();
        assert!(list.advisories.len() >= 10 && list.releases.len() >= 10);
        assert!(list.advisories.iter().all(|one| one.exercise || one.id.starts_with("CVE-")));
    }

    #[test]
    fn a_list_that_is_none_says_where() {
        let head = "schema: 1\nupdated: 2026-01-01\n";
        assert!(Advisories::read("schema: 2\nupdated: x\n").unwrap_err().contains("its schema is 2"));
        assert!(
            Advisories::read(&format!("{head}releases: [{{distribution: a, release: '1', ends: soon}}]\n"))
                .unwrap_err()
                .contains("`soon` is no day")
        );
        let wrong = Advisories::read(&format!("{head}advisories:\n- {{id: x, titel: y}}\n")).unwrap_err();
        assert!(wrong.contains("titel") && wrong.contains("line 4"), "{wrong}");
    }

    #[test]
    fn a_fault_has_a_beginning_and_an_end() {
        let text = "schema: 1\nupdated: x\nadvisories:\n\
            - {id: CVE-1, title: t, severity: high, distribution: debian, release: '12', package: openssl, introduced: '2.0', fixed: '3.0-1+deb12u2'}\n";
        let list = Advisories::read(text).unwrap();
        let debian = |version: &str| Distribution { id: "debian".into(), version: version.into(), name: String::new() };
        let found = |version: &str, release: &str| {
            let package = Package { name: "libssl3".into(), source: "openssl".into(), version: version.into() };
            list.of(&package, &debian(release), Rules::Dpkg).count()
        };
        assert_eq!((found("3.0-1+deb12u1", "12"), found("3.0-1+deb12u2", "12"), found("1.9-9", "12")), (1, 0, 0));
        assert_eq!((found("3.0-1", "12.4"), found("3.0-1", "11"), found("3.0-1", "120")), (1, 0, 0));
    }
}
