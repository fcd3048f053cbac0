//! Advisories: which packages of an image are known to be faulty, by a file of the course that needs no network.
//!
//! A scanner does three things, and each is simple. It reads the *package database* of the image ([`packages`]): whatever was installed otherwise, it does not
//! see. It looks each package up in a list of *advisories* ([`list`]): what is not listed it does not know. It compares *versions by the rules of the distribution*
//! ([`versions`]), since a distribution mends an old version under a number of its own: `7.88.1-10+deb12u4` is mended, `7.88.1` of another is not.
//!
//! ```text
//!  os-release ──▶ distribution, release ─┐
//!  dpkg, apk, rpm ──▶ packages ──────────┼──▶ report: finding = advisory x package, and the end of the release's life
//!  advisories (YAML) ────────────────────┘
//! ```
//!
//! The course's own list is a handful of faults that became famous; a report without a finding says nothing about a real image, and says so.

pub mod list;
pub mod packages;
mod report;
mod rpm;
mod sqlite;
pub mod versions;

pub use list::{Advisories, Severity};
pub use report::{Finding, Report, report};

/// The course's own list.
pub const COURSE: &str = include_str!("advisories/course.yaml");
