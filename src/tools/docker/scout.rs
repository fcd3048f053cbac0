//! `docker scout` and `docker scan`: which packages of an image are known to be faulty, by the course's advisories and without a network.
//!
//! The engine hands the image out as `docker save` gets it, so it may be any engine; the copy lies in a folder of its own that is gone afterwards. The machine's own
//! `docker` calls this program as its plugins `docker-scout` and `docker-scan`.

use std::ffi::OsString;
use std::process::ExitCode;

use super::api::Ask;
use super::failure::{Failure, Result};
use super::line::Given;
use super::registry::platform;
use super::verb::{Flag, Kind, Takes, VERB, Verb, long, short};
use super::{Session, say, table};
use crate::advisories::Severity;
use crate::oci::image::spec::Platform;
use crate::oci::image::{Error, Image, Store};
use crate::tools::images::scan::{self, Options};

/// What every page says.
const HONEST: &str = "The advisories are the course's own, a few famous faults: a report without\na finding says nothing about a real image. What no package manager has\n\
                      installed is not seen.";
const PLATFORM: Flag = long("platform", Kind::Text, "The image for this platform: os/arch[/variant]");
const FORMAT: Flag = long("format", Kind::Text, "How it is printed: packages, json");

/// Its commands.
pub const VERBS: &[Verb] = &[
    Verb {
        path: "scout quickview",
        also: &["scout qv"],
        usage: "[OPTIONS] IMAGE",
        about: "Count the known faults of an image",
        more: HONEST,
        takes: Takes::Exactly(1),
        flags: &[PLATFORM],
        run: quickview,
        ..VERB
    },
    Verb {
        path: "scout cves",
        usage: "[OPTIONS] IMAGE",
        about: "List the known faults of an image",
        more: HONEST,
        takes: Takes::Exactly(1),
        flags: &[
            short('e', "exit-code", Kind::Switch, "End with 2 where something was found"),
            FORMAT,
            long("only-fixed", Kind::Switch, "Only what there is a mended version of"),
            long("only-severity", Kind::Words, "Only these: critical, high, medium, low"),
            PLATFORM,
        ],
        run: cves,
        ..VERB
    },
    Verb {
        path: "scan",
        usage: "[OPTIONS] IMAGE",
        about: "List the known faults of an image, by the name that scout had before",
        more: HONEST,
        takes: Takes::Exactly(1),
        flags: &[long("json", Kind::Switch, "As JSON"), long("severity", Kind::Text, "Only what is at least so bad: low, medium, high")],
        run: scan,
        ..VERB
    },
];

fn quickview(session: &Session, given: &Given) -> Result {
    let name = given.word(0);
    let (id, report) = with_copy(session, given, |store, image| {
        scan::look(store, image, &Options::default()).map(|report| (image.id().short().to_owned(), report))
    })?;
    let counts = Severity::ALL.map(|severity| {
        let letter = severity.name().chars().next().unwrap_or(' ').to_ascii_uppercase();
        format!("{}{letter}", report.count(severity))
    });
    let system = if report.distribution.is_empty() { "no distribution that is known" } else { &report.distribution };
    let text = format!("  Target\t{name}\t{}\n    digest\t{id}\n    system\t{system}\t{} packages\n", counts.join("  "), report.packages);
    say(&table::columns(&text));
    if let Some(day) = &report.ended {
        say(&format!("\nThe release ended on {day}: nobody mends its packages any more, whatever is counted here.\n"));
    }
    if report.packages == 0 {
        say("\nNo package database was found: nothing can be said about what is in this image.\n");
    }
    say(&format!(
        "\nBy the course's own advisories of {}: a count of 0 says nothing about a real image.\nWhat's next:\n    docker scout cves {name}\n",
        report.advisories_of
    ));
    Ok(())
}

fn cves(session: &Session, given: &Given) -> Result {
    let json = match given.text("format") {
        None | Some("packages") => false,
        Some("json") => true,
        Some(other) => return Err(Failure::new(format!("ERROR   unsupported format {other:?}: it is packages or json"))),
    };
    let severities = given.all("only-severity").iter().map(|word| read(word)).collect::<Result<_>>()?;
    let options = Options { severities, only_fixed: given.on("only-fixed"), json, exit_code: given.on("exit-code"), ..Options::default() };
    report(session, given, &options)
}

fn scan(session: &Session, given: &Given) -> Result {
    let severities = match given.text("severity") {
        None => Vec::new(),
        Some(word) => {
            let least = read(word)?;
            let worst_first = Severity::ALL;
            worst_first.into_iter().take_while(|one| *one != least).chain([least]).collect()
        }
    };
    // As that program did, it ends with an error where something was found.
    let options = Options { severities, json: given.on("json"), exit_code: true, ..Options::default() };
    report(session, given, &options).map_err(|failure| if failure.message.is_empty() { failure.code(1) } else { failure })
}

fn read(word: &str) -> Result<Severity> {
    Severity::read(word).ok_or_else(|| Failure::new(format!("ERROR   unknown severity {word:?}: it is critical, high, medium or low")))
}

fn report(session: &Session, given: &Given, options: &Options) -> Result {
    match with_copy(session, given, |store, image| scan::scan(store, image, given.word(0), options))? {
        0 => Ok(()),
        code => Err(Failure::silent(code)),
    }
}

/// Does something with a copy of the image that is named.
fn with_copy<T>(session: &Session, given: &Given, work: impl FnOnce(&Store, &Image) -> std::result::Result<T, Error>) -> Result<T> {
    let name = given.word(0);
    let text = given.text("platform").filter(|text| !text.is_empty());
    let mut ask = Ask::get("/images/get").with("names", name);
    if let Some(text) = text {
        ask = ask.with("platform", platform(text)?);
    }
    let wanted = text.and_then(Platform::read).unwrap_or_else(Platform::here);
    let mut answer = session.api()?.ask(ask).map_err(|failure| match failure.is_absent() {
        true => Failure { message: format!("{}\nhint: bring it in first: docker pull {name}", failure.message), ..failure },
        false => failure,
    })?;
    let place = tempfile::tempdir()?;
    let looked = Store::open(place.path()).and_then(|store| {
        let loaded = store.load(&mut answer, &wanted)?;
        let first = loaded.first().ok_or_else(|| Error::NoSuchImage(name.to_owned()))?;
        work(&store, &store.find(&first.id.to_string(), &wanted)?)
    });
    looked.map_err(|error| Failure::new(format!("ERROR   {error}")))
}

/// The plugin's `main`: `docker-scout scout cves app`, or the question who it is.
pub fn plugin(name: &str, line: impl Iterator<Item = OsString>) -> ExitCode {
    let line: Vec<OsString> = line.collect();
    if line.first().is_some_and(|word| word == "docker-cli-plugin-metadata") {
        let about = "Known faults of an image, by the course's advisories";
        println!(
            r#"{{"SchemaVersion":"0.1.0","Vendor":"Bottleship","Version":"v{}","ShortDescription":"{name}: {about}"}}"#,
            env!("CARGO_PKG_VERSION")
        );
        return ExitCode::SUCCESS;
    }
    super::main(line)
}
