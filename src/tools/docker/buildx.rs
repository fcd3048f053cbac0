//! `docker buildx` beside its builds: the builder that there is, and what is at registries.

use serde_json::Value;

use super::failure::{Failure, Result};
use super::line::Given;
use super::manifest::fetch;
use super::system::version;
use super::verb::{Kind, Takes, VERB, Verb, long, short};
use super::{Session, say, table};
use crate::oci::image::spec::{Document, Platform};
use crate::oci::reference::Reference;

/// Its commands.
pub const VERBS: &[Verb] = &[
    Verb {
        path: "buildx ls",
        usage: "[OPTIONS]",
        about: "List the builders: there is one, the engine's",
        flags: &[
            long("format", Kind::Text, "Show it as a table, as JSON (`json`), or by a Go template"),
            long("no-trunc", Kind::Switch, "Everything in full"),
        ],
        run: list,
        ..VERB
    },
    Verb {
        path: "buildx version",
        usage: "",
        about: "Show the version",
        run: |_, _| {
            say(&format!("bottleship buildx {}\n", env!("CARGO_PKG_VERSION")));
            Ok(())
        },
        ..VERB
    },
    Verb {
        path: "buildx prune",
        usage: "",
        about: "Forget what builds have left",
        flags: &[
            short('a', "all", Kind::Switch, "All of it, not only what nothing refers to"),
            long("filter", Kind::Filter, "Only some: until=TIME"),
            short('f', "force", Kind::Switch, "Do not ask"),
            long("keep-storage", Kind::Bytes, "Keep so much"),
        ],
        run: super::system::prune_builds,
        ..VERB
    },
    Verb {
        path: "buildx imagetools inspect",
        usage: "[OPTIONS] NAME",
        about: "Show what a registry has under a name",
        takes: Takes::Exactly(1),
        flags: &[
            long("format", Kind::Text, "Show it by a Go template: {{.Name}}, {{.Manifest}}, {{json .Manifest}}"),
            long("raw", Kind::Switch, "As it is"),
            long("insecure", Kind::Switch, "The registry may be without TLS"),
        ],
        run: inspect,
        ..VERB
    },
];

fn list(session: &Session, given: &Given) -> Result {
    let api = session.api()?;
    let here = Platform::here();
    let alive = api.hello().is_ok();
    let row = table::Row::from_iter([
        ("Name".to_owned(), "default*".into()),
        ("DriverEndpoint".to_owned(), "docker".into()),
        ("Status".to_owned(), if alive { "running" } else { "error" }.into()),
        ("Buildkit".to_owned(), "bottleship".into()),
        ("Platforms".to_owned(), format!("{}/{}", here.os, here.architecture).into()),
    ]);
    let kind = table::Kind {
        name: "*buildx.lsContext",
        heads: &[
            ("Name", "NAME/NODE"),
            ("DriverEndpoint", "DRIVER/ENDPOINT"),
            ("Status", "STATUS"),
            ("Buildkit", "BUILDKIT"),
            ("Platforms", "PLATFORMS"),
        ],
    };
    let format = match given.text("format") {
        None | Some("table") => "table {{.Name}}\t{{.DriverEndpoint}}\t{{.Status}}\t{{.Buildkit}}\t{{.Platforms}}",
        Some(format) => format,
    };
    table::print(&kind, format, &[row])
}

fn inspect(_: &Session, given: &Given) -> Result {
    let name: Reference = given
        .word(0)
        .parse()
        .map(Reference::or_latest)
        .map_err(|error: crate::oci::reference::NoReference| Failure::new(format!("ERROR: {error}")))?;
    let fetched = fetch(given, &name).map_err(|failure| Failure::new(format!("ERROR: {}", failure.message)))?;
    if given.on("raw") {
        say(&String::from_utf8_lossy(&fetched.content));
        return Ok(());
    }
    if let Some(format) = given.text("format") {
        let mut manifest: Value = serde_json::from_slice(&fetched.content).map_err(|error| Failure::new(error.to_string()))?;
        manifest["digest"] = fetched.descriptor.digest.to_string().into();
        manifest["size"] = fetched.descriptor.size.into();
        let all = serde_json::json!({"Name": name.to_string(), "Manifest": manifest});
        say(&(version::shown(format, &all, "imagetools.tplInput")? + "\n"));
        return Ok(());
    }
    let mut text = format!("Name:\t{name}\nMediaType:\t{}\nDigest:\t{}\n", fetched.descriptor.media_type, fetched.descriptor.digest);
    if let Document::Index(index) = &fetched.document {
        text += "\t\nManifests:\t\n";
        for child in &index.manifests {
            let platform = child.platform.as_ref().map(ToString::to_string).unwrap_or_default();
            text += &format!(
                "  Name:\t{}@{}\n  MediaType:\t{}\n  Platform:\t{platform}\n\t\n",
                name.repository(),
                child.digest,
                child.media_type
            );
        }
    }
    say(&table::columns(&text));
    Ok(())
}
