//! `bottleship images scan`: which packages of an image are known to be faulty, by an advisory file and without a network.
//!
//! `docker scout cves` and `docker scan` of our client end here too: [`scan`] takes any store and image.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Command};

use super::{platform, text};
use crate::advisories::{self, Advisories, Report, Severity, packages};
use crate::oci::image::{Error, Image, Result, Store};
use crate::tools::{fail, listing};

/// The exit code of `--exit-code` where something was found, as docker scout has it.
const FOUND: u8 = 2;
/// No database of packages is larger than this, in bytes.
const LARGEST: u64 = 256 << 20;

/// How to scan and what to show.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// A file of advisories in the place of the course's.
    pub file: Option<PathBuf>,
    /// Only these severities; none means all.
    pub severities: Vec<Severity>,
    /// Only what there is a mended version of.
    pub only_fixed: bool,
    /// As JSON.
    pub json: bool,
    /// End with 2 where something was found.
    pub exit_code: bool,
}

/// The sub-command.
pub fn command() -> Command {
    Command::new("scan")
        .about("Report packages of an image that are known to be faulty")
        .after_help(
            "The advisories are a file; the course's own names a few famous faults, so a report without a finding says nothing about a real image. \
             What was not installed by a package manager is not seen. Exit code: 0, or 2 with --exit-code where something was found.",
        )
        .arg(Arg::new("IMAGE").required(true).help("A name or an id of an image in the store"))
        .arg(Arg::new("advisories").long("advisories").value_name("FILE").help("A file of advisories instead of the course's"))
        .arg(
            Arg::new("only-severity")
                .long("only-severity")
                .value_name("LIST")
                .value_delimiter(',')
                .value_parser(Severity::ALL.map(Severity::name))
                .hide_possible_values(true)
                .help("Only these: critical,high,medium,low"),
        )
        .arg(Arg::new("only-fixed").long("only-fixed").action(ArgAction::SetTrue).help("Only what there is a mended version of"))
        .arg(Arg::new("format").long("format").value_parser(["table", "json"]).default_value("table").help("How it is printed"))
        .arg(Arg::new("exit-code").long("exit-code").short('e').action(ArgAction::SetTrue).help("End with 2 where something was found"))
}

/// Scans what is named.
pub fn run(store: &Store, arguments: &ArgMatches) -> ExitCode {
    let severities = arguments.get_many::<String>("only-severity").into_iter().flatten();
    let options = Options {
        file: arguments.get_one::<String>("advisories").map(PathBuf::from),
        severities: severities.filter_map(|word| Severity::read(word)).collect(),
        only_fixed: arguments.get_flag("only-fixed"),
        json: text(arguments, "format") == "json",
        exit_code: arguments.get_flag("exit-code"),
    };
    let name = text(arguments, "IMAGE");
    let done = platform(arguments).and_then(|platform| store.find(name, &platform)).and_then(|image| scan(store, &image, name, &options));
    done.map_or_else(|error| fail(&error, error.hint().as_deref()), ExitCode::from)
}

/// Looks an image's packages up, and keeps what the options ask for.
///
/// # Errors
/// The advisories cannot be read, or a layer of the image is damaged.
pub fn look(store: &Store, image: &Image, options: &Options) -> Result<Report> {
    let list = list(options)?;
    let files = store.files_of(image, &packages::WANTED, LARGEST)?;
    let today = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
    let mut report = advisories::report(&files, &list, &today);
    report.findings.retain(|one| options.severities.is_empty() || options.severities.contains(&one.severity));
    report.findings.retain(|one| !options.only_fixed || one.fixed.is_some());
    Ok(report)
}

/// Scans an image and prints the report; `name` is what it is called there. Gives the exit code.
///
/// # Errors
/// As [`look`].
pub fn scan(store: &Store, image: &Image, name: &str, options: &Options) -> Result<u8> {
    let report = look(store, image, options)?;
    if options.json {
        let mut document = serde_json::to_value(&report).map_err(|error| Error::invalid("report", error))?;
        document["image"] = name.into();
        document["digest"] = image.id().to_string().into();
        println!("{document:#}");
    } else {
        show(&report, name, image);
    }
    Ok(if options.exit_code && !report.findings.is_empty() { FOUND } else { 0 })
}

fn list(options: &Options) -> Result<Advisories> {
    let (what, text) = match &options.file {
        None => ("the course's advisories".to_owned(), advisories::COURSE.to_owned()),
        Some(path) => {
            let what = format!("advisories `{}`", path.display());
            let text = std::fs::read_to_string(path).map_err(Error::reading(format!("read {what}")))?;
            (what, text)
        }
    };
    Advisories::read(&text).map_err(|why| Error::invalid(what, why))
}

fn show(report: &Report, name: &str, image: &Image) {
    let system = if report.distribution.is_empty() { "no distribution" } else { &report.distribution };
    println!("{name} ({}): {system}, {}, advisories of {}", image.id().short(), counted(report.packages, "package"), report.advisories_of);
    if let Some(day) = &report.ended {
        println!("The release ended on {day}: nobody mends its packages any more, whatever is listed below.");
    }
    if let Some(why) = &report.unread {
        println!("Not read: {why}");
    }
    if report.packages == 0 {
        println!("No package database was found: nothing can be said about what is in this image.");
        return;
    }
    println!();
    if !report.findings.is_empty() {
        let title = |one: &advisories::Finding| if one.exercise { format!("{} (an exercise)", one.title) } else { one.title.clone() };
        let row = |one: &advisories::Finding| {
            let fixed = one.fixed.clone().unwrap_or_else(|| "none".to_owned());
            vec![one.severity.name().to_uppercase(), one.id.clone(), one.package.clone(), one.installed.clone(), fixed, title(one)]
        };
        listing::print(&["SEVERITY", "ID", "PACKAGE", "INSTALLED", "FIXED IN", "WHAT"], report.findings.iter().map(row).collect());
        println!();
    }
    let each = Severity::ALL.map(|severity| format!("{} {}", report.count(severity), severity.name()));
    println!("{} found: {}", counted(report.findings.len(), "known fault"), each.join(", "));
}

fn counted(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
