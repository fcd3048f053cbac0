//! What a scan found, as values: who prints decides how.

use serde::Serialize;

use super::list::{Advisories, Severity};
use super::packages::{Files, inventory};

/// The result of a scan.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The distribution, as it calls itself; empty if there is none.
    pub distribution: String,
    /// How many packages the databases name.
    pub packages: usize,
    /// The day of the list.
    pub advisories_of: String,
    /// The last day of the release, where it is over.
    pub ended: Option<String>,
    /// A database that was not read, and why.
    pub unread: Option<String>,
    /// What was found, the worst first.
    pub findings: Vec<Finding>,
}

/// A package with a known fault.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The advisory.
    pub id: String,
    /// How bad.
    pub severity: Severity,
    /// The package.
    pub package: String,
    /// The version that is installed.
    pub installed: String,
    /// The first that is mended.
    pub fixed: Option<String>,
    /// What it is.
    pub title: String,
    /// It is made up, for a lesson.
    pub exercise: bool,
}

/// Looks up what the files of an image say is installed; `today` is a day as `2026-11-21`.
pub fn report(files: &Files, list: &Advisories, today: &str) -> Report {
    let found = inventory(files);
    let mut findings = Vec::new();
    for package in &found.packages {
        let Some(rules) = found.rules else { break };
        findings.extend(list.of(package, &found.distribution, rules).map(|one| Finding {
            id: one.id.clone(),
            severity: one.severity,
            package: package.name.clone(),
            installed: package.version.clone(),
            fixed: one.fixed.clone(),
            title: one.title.clone(),
            exercise: one.exercise,
        }));
    }
    findings
        .sort_by(|one, other| other.severity.cmp(&one.severity).then_with(|| (&one.id, &one.package).cmp(&(&other.id, &other.package))));
    // Days in this form are in the order of their letters.
    let ended = list.release(&found.distribution).map(|release| release.ends.clone()).filter(|ends| ends.as_str() < today);
    Report {
        distribution: found.distribution.name,
        packages: found.packages.len(),
        advisories_of: list.updated.clone(),
        ended,
        unread: found.unread,
        findings,
    }
}

impl Report {
    /// How many findings are of a severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_comes_first_and_an_old_release_is_told() {
        let list = Advisories::read(
            "schema: 1\nupdated: 2026-01-01\nreleases: [{distribution: alpine, release: '3.8', ends: 2020-05-01}]\nadvisories:\n\
             - {id: CVE-1, title: small, severity: low, distribution: any, package: musl}\n\
             - {id: CVE-2, title: big, severity: critical, distribution: alpine, package: zlib, fixed: 1.2.12-r2}\n",
        )
        .unwrap();
        let database = b"P:musl\nV:1.1.19-r10\n\nP:zlib\nV:1.2.11-r1\n\n".to_vec();
        let files = Files::from([
            ("etc/os-release".to_owned(), b"ID=alpine\nVERSION_ID=3.8.5\nPRETTY_NAME=\"Alpine Linux v3.8\"\n".to_vec()),
            ("lib/apk/db/installed".to_owned(), database),
        ]);
        let told = report(&files, &list, "2026-11-21");
        assert_eq!(told.findings.iter().map(|finding| finding.id.as_str()).collect::<Vec<_>>(), ["CVE-2", "CVE-1"]);
        assert_eq!((told.packages, told.ended.as_deref(), told.count(Severity::Critical)), (2, Some("2020-05-01"), 1));
        assert!(report(&files, &list, "2020-04-30").ended.is_none());
    }
}
