//! `docker manifest`: looks at manifests at registries, and joins images for several platforms into one list.
//!
//! No engine is asked: the client talks to the registry itself. A list in the making is kept as files in docker's folder of settings, as docker keeps it.

mod kept;

use std::sync::Arc;

use serde_json::{Value, json};

use super::failure::{Failure, Result};
use super::line::Given;
use super::verb::{Flag, Kind, Takes, VERB, Verb, long, short};
use super::{Session, say};
use crate::oci::digest::Digest;
use crate::oci::distribution::client::manifests::Fetched;
use crate::oci::distribution::client::progress::Silent;
use crate::oci::distribution::client::{Client, Error as Refused, run as drive};
use crate::oci::image::spec::{Document, Platform};
use crate::oci::reference::Reference;
use crate::tools::images::usual_settings;
use kept::Kept;

const INSECURE: Flag = long("insecure", Kind::Switch, "The registry may be without TLS, or with a certificate that proves nothing");
/// The type of an index.
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// The same, as docker called it.
pub const LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// Its commands.
pub const VERBS: &[Verb] = &[
    Verb {
        path: "manifest inspect",
        usage: "[OPTIONS] [MANIFEST_LIST] MANIFEST",
        about: "Show a manifest, or a list of them",
        takes: Takes::Between(1, 2),
        flags: &[INSECURE, short('v', "verbose", Kind::Switch, "With what each manifest of a list says")],
        run: inspect,
        ..VERB
    },
    Verb {
        path: "manifest create",
        usage: "MANIFEST_LIST MANIFEST [MANIFEST...]",
        about: "Begin a list of manifests, to be pushed",
        takes: Takes::AtLeast(2),
        flags: &[short('a', "amend", Kind::Switch, "Add to a list that was begun"), INSECURE],
        run: create,
        ..VERB
    },
    Verb {
        path: "manifest annotate",
        usage: "[OPTIONS] MANIFEST_LIST MANIFEST",
        about: "Say for which platform a manifest of a list is",
        takes: Takes::Exactly(2),
        flags: &[
            long("arch", Kind::Text, "The architecture: amd64"),
            long("os", Kind::Text, "The system: linux"),
            long("os-features", Kind::Words, "Features of the system"),
            long("os-version", Kind::Text, "The version of the system"),
            long("variant", Kind::Text, "The variant of the architecture: v8"),
        ],
        run: annotate,
        ..VERB
    },
    Verb {
        path: "manifest push",
        usage: "[OPTIONS] MANIFEST_LIST",
        about: "Send a list of manifests to its repository",
        takes: Takes::Exactly(1),
        flags: &[INSECURE, short('p', "purge", Kind::Switch, "Forget the list when it is pushed")],
        run: push,
        ..VERB
    },
    Verb {
        path: "manifest rm",
        usage: "MANIFEST_LIST [MANIFEST_LIST...]",
        about: "Forget lists that were begun",
        takes: Takes::AtLeast(1),
        run: |_, given| {
            super::failure::each(&given.words, |name| {
                if Kept::of(&named(name)?).forget() { Ok(()) } else { Err(Failure::new(format!("No such manifest: {}", named(name)?))) }
            })
        },
        ..VERB
    },
];

/// A name, with the usual tag where there is none.
///
/// # Errors
/// It is none.
pub fn named(text: &str) -> Result<Reference> {
    text.parse::<Reference>().map(Reference::or_latest).map_err(|error| Failure::new(error.to_string()))
}

/// A client for the registry of a name.
pub fn client(given: &Given, name: &Reference) -> Client {
    let mut settings = usual_settings();
    if given.on("insecure") {
        settings.insecure.push(name.host().to_owned());
    }
    Client::new(settings, Arc::new(Silent))
}

/// Waits for what a registry answers.
///
/// # Errors
/// What it says, in words.
pub fn wait<T>(future: impl Future<Output = std::result::Result<T, Refused>>) -> Result<T> {
    let said = |error: Refused| {
        let hint = error.hint().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
        Failure::new(format!("{error}{hint}"))
    };
    drive(future)?.map_err(said)
}

/// What a registry has under a name.
///
/// # Errors
/// There is none, or nobody answers.
pub fn fetch(given: &Given, name: &Reference) -> Result<Fetched> {
    wait(client(given, name).manifest(name))
}

fn inspect(_: &Session, given: &Given) -> Result {
    let name = named(given.words.last().map_or("", String::as_str))?;
    if given.words.len() == 2 {
        let list = Kept::of(&named(given.word(0))?);
        let one = list.read(&name).ok_or_else(|| Failure::new(format!("No such manifest: {name}")))?;
        return tell(&one);
    }
    let list = Kept::of(&name);
    if list.exists() {
        return tell(&list.index(LIST));
    }
    let fetched = fetch(given, &name)?;
    let content: Value = serde_json::from_slice(&fetched.content).map_err(|error| Failure::new(error.to_string()))?;
    if !given.on("verbose") {
        return tell(&content);
    }
    match &fetched.document {
        Document::Manifest(_) => tell(&entry(given, &name, &fetched)?),
        Document::Index(index) => {
            let one = |digest: &Digest| -> Result<Value> {
                let inner = Reference::new(name.host(), name.path(), None, Some(digest.clone()))
                    .map_err(|error| Failure::new(error.to_string()))?;
                entry(given, &inner, &fetch(given, &inner)?)
            };
            let entries: Vec<Value> = index.manifests.iter().map(|child| one(&child.digest)).collect::<Result<_>>()?;
            tell(&Value::Array(entries))
        }
    }
}

fn tell(document: &Value) -> Result {
    let mut out = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"\t");
    let mut writer = serde_json::Serializer::with_formatter(&mut out, formatter);
    serde::Serialize::serialize(document, &mut writer).map_err(|error| Failure::new(error.to_string()))?;
    say(&(String::from_utf8_lossy(&out).into_owned() + "\n"));
    Ok(())
}

/// A manifest as lists in the making keep it: its name, its descriptor with its platform, and itself.
fn entry(given: &Given, name: &Reference, fetched: &Fetched) -> Result<Value> {
    let mut content: Value = serde_json::from_slice(&fetched.content).map_err(|error| Failure::new(error.to_string()))?;
    let mut descriptor = json!(fetched.descriptor);
    if let Document::Manifest(manifest) = &fetched.document {
        descriptor["platform"] = platform(given, name, &manifest.config.digest)?;
    }
    let media_type = descriptor["mediaType"].as_str().unwrap_or_default().to_owned();
    if content["mediaType"].is_null() {
        content["mediaType"] = media_type.clone().into();
    }
    let key = if media_type.contains("oci") { "OCIManifest" } else { "SchemaV2Manifest" };
    Ok(json!({"Ref": name.to_string(), "Descriptor": descriptor, key: content}))
}

/// The platform that an image's configuration says.
///
/// # Errors
/// There is none, or it is no JSON.
pub fn platform(given: &Given, name: &Reference, config: &Digest) -> Result<Value> {
    let text = wait(client(given, name).small_blob(name, config))?;
    let config: Value =
        serde_json::from_slice(&text).map_err(|error| Failure::new(format!("{name}: its configuration is no JSON: {error}")))?;
    let mut platform = json!({"architecture": config["architecture"], "os": config["os"]});
    if let Some(variant) = config["variant"].as_str().filter(|variant| !variant.is_empty()) {
        platform["variant"] = variant.into();
    }
    Ok(platform)
}

fn create(_: &Session, given: &Given) -> Result {
    let target = named(given.word(0))?;
    let list = Kept::of(&target);
    if list.exists() && !given.on("amend") {
        return Err(Failure::new("refusing to amend an existing manifest list with no --amend flag"));
    }
    let mut entries = Vec::new();
    for text in &given.words[1..] {
        let name = named(text)?;
        let fetched = fetch(given, &name)?;
        if let Document::Index(_) = fetched.document {
            return Err(Failure::new(format!("{name} is a manifest list")));
        }
        entries.push((name.clone(), entry(given, &name, &fetched)?));
    }
    // All are there before any is kept.
    entries.iter().try_for_each(|(name, entry)| list.write(name, entry))?;
    say(&format!("Created manifest list {target}\n"));
    Ok(())
}

fn annotate(_: &Session, given: &Given) -> Result {
    let (list, name) = (Kept::of(&named(given.word(0))?), named(given.word(1))?);
    let absent = || Failure::new(format!("manifest for image {} does not exist in {}", given.word(1), given.word(0)));
    let mut entry = list.read(&name).ok_or_else(absent)?;
    let platform = &mut entry["Descriptor"]["platform"];
    for (option, key) in [("arch", "architecture"), ("os", "os"), ("variant", "variant"), ("os-version", "os.version")] {
        if let Some(value) = given.text(option).filter(|value| !value.is_empty()) {
            platform[key] = value.into();
        }
    }
    if !given.all("os-features").is_empty() {
        platform["os.features"] = json!(given.all("os-features"));
    }
    let text = format!("{}/{}", platform["os"].as_str().unwrap_or_default(), platform["architecture"].as_str().unwrap_or_default());
    if Platform::read(&text).is_none() {
        return Err(Failure::new(format!("manifest entry for image has unsupported os/arch combination: {text}")));
    }
    list.write(&name, &entry)
}

fn push(_: &Session, given: &Given) -> Result {
    let target = named(given.word(0))?;
    let list = Kept::of(&target);
    if !list.exists() {
        return Err(Failure::new(format!("No such manifest: {target}")));
    }
    let client = client(given, &target);
    let mut oci = true;
    for entry in list.entries() {
        oci &= !entry["OCIManifest"].is_null();
        let name = named(entry["Ref"].as_str().unwrap_or_default())?;
        if let Some(inner) = bring(&client, given, &target, &name)? {
            let digest = inner.digest().map(ToString::to_string).unwrap_or_default();
            say(&format!("Pushed ref {inner} with digest: {digest}\n"));
        }
    }
    let media_type = if oci { INDEX } else { LIST };
    let content = serde_json::to_vec_pretty(&list.index(media_type)).map_err(|error| Failure::new(error.to_string()))?;
    let digest = Digest::of(&content);
    wait(client.put_manifest(&target, media_type, content))?;
    say(&format!("{digest}\n"));
    if given.on("purge") {
        list.forget();
    }
    Ok(())
}

/// Sees that an image of a list is in the list's own repository. Gives its name there if it was not.
///
/// # Errors
/// It is at another registry, or the registry does not take it.
pub fn bring(client: &Client, given: &Given, target: &Reference, name: &Reference) -> Result<Option<Reference>> {
    if name.repository() == target.repository() {
        return Ok(None);
    }
    if name.host() != target.host() {
        return Err(Failure::new(format!(
            "cannot use source images from a different registry than the target image: {} != {}",
            name.host(),
            target.host()
        )));
    }
    let fetched = fetch(given, name)?;
    if let Document::Manifest(manifest) = &fetched.document {
        for part in manifest.layers.iter().chain([&manifest.config]) {
            wait(client.mount_blob(target, name, &part.digest))?;
        }
    }
    let inner = Reference::new(target.host(), target.path(), None, Some(fetched.descriptor.digest.clone()))
        .map_err(|error| Failure::new(error.to_string()))?;
    wait(client.put_manifest(&inner, &fetched.descriptor.media_type, fetched.content))?;
    Ok(Some(inner))
}
