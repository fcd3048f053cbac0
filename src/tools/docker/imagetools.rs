//! `docker buildx imagetools create`: one index of images that a registry has, put together there.

use serde_json::{Map, Value, json};

use super::failure::{Failure, Result};
use super::line::Given;
use super::manifest::{INDEX, LIST, bring, client, fetch, named, platform, wait};
use super::verb::{Kind, Takes, VERB, Verb, long, short};
use super::{Session, say, warn};
use crate::oci::digest::Digest;
use crate::oci::distribution::client::manifests::Fetched;
use crate::oci::image::spec::Document;
use crate::oci::reference::Reference;

/// Its command.
pub const VERBS: &[Verb] = &[Verb {
    path: "buildx imagetools create",
    usage: "[OPTIONS] SOURCE [SOURCE...]",
    about: "Join images that a registry has to one index",
    more: "A single source that is an index already is given the new tag as it\nis. Sources and result are at one registry.",
    takes: Takes::AtLeast(1),
    flags: &[
        long("annotation", Kind::List, "A note of the index: [index:]NAME=VALUE"),
        long("append", Kind::Switch, "To what the tag has now"),
        long("dry-run", Kind::Switch, "Print the index and push nothing"),
        long("insecure", Kind::Switch, "The registry may be without TLS"),
        short('t', "tag", Kind::List, "A name for the result; there may be several"),
    ],
    run: |_: &Session, given: &Given| create(given).map_err(in_buildx_words),
    ..VERB
}];

fn in_buildx_words(failure: Failure) -> Failure {
    Failure { message: format!("ERROR: {}", failure.message), ..failure }
}

/// The index in the making.
struct Joined {
    media_type: &'static str,
    content: Vec<u8>,
    /// The images that it names, where they are now.
    images: Vec<Reference>,
}

fn create(given: &Given) -> Result {
    let tags = given.all("tag").iter().map(|text| named(text)).collect::<Result<Vec<_>>>()?;
    let mut sources = given.words.iter().map(|text| named(text)).collect::<Result<Vec<_>>>()?;
    if tags.is_empty() && !given.on("dry-run") {
        return Err(Failure::new("can't push with no tags specified, please set --tag or --dry-run"));
    }
    if given.on("append") {
        let [tag] = &tags[..] else { return Err(Failure::new("--append needs one --tag: the index to add to")) };
        sources.insert(0, tag.clone());
    }
    let joined = join(given, &sources)?;
    if given.on("dry-run") {
        say(&(String::from_utf8_lossy(&joined.content).into_owned() + "\n"));
        return Ok(());
    }
    tags.iter().try_for_each(|tag| push(given, tag, &joined))
}

fn join(given: &Given, sources: &[Reference]) -> Result<Joined> {
    let fetched = sources.iter().map(|name| Ok((name, fetch(given, name)?))).collect::<Result<Vec<(&Reference, Fetched)>>>()?;
    let annotations = annotations(given)?;
    let (mut children, mut images) = (Vec::<Value>::new(), Vec::new());
    for (name, one) in &fetched {
        for child in descriptors(given, name, one)? {
            let digest: Digest =
                child["digest"].as_str().unwrap_or_default().parse().map_err(|_| Failure::new(format!("{name}: a digest is none")))?;
            // The same image from two sources is in the index once.
            if !children.iter().any(|other| other["digest"] == child["digest"]) {
                let inner = Reference::new(name.host(), name.path(), None, Some(digest));
                images.push(inner.map_err(|error| Failure::new(error.to_string()))?);
                children.push(child);
            }
        }
    }
    let old = |child: &Value| child["mediaType"].as_str().is_some_and(|kind| kind.starts_with("application/vnd.docker."));
    let media_type = if children.iter().all(old) { LIST } else { INDEX };
    if let ([(_, Fetched { document: Document::Index(_), content, descriptor })], true) = (&fetched[..], annotations.is_empty()) {
        let media_type = if descriptor.media_type == LIST { LIST } else { INDEX };
        return Ok(Joined { media_type, content: content.clone(), images });
    }
    let mut index = json!({"schemaVersion": 2, "mediaType": media_type, "manifests": children});
    if !annotations.is_empty() {
        index["annotations"] = Value::Object(annotations);
    }
    let content = serde_json::to_vec_pretty(&index).map_err(|error| Failure::new(error.to_string()))?;
    Ok(Joined { media_type, content, images })
}

/// What a source adds to the index: the images of an index, or itself with the platform that its configuration says.
fn descriptors(given: &Given, name: &Reference, fetched: &Fetched) -> Result<Vec<Value>> {
    match &fetched.document {
        Document::Index(index) => Ok(index.manifests.iter().map(|child| json!(child)).collect()),
        Document::Manifest(manifest) => {
            let mut descriptor = json!(fetched.descriptor);
            descriptor["platform"] = platform(given, name, &manifest.config.digest)?;
            Ok(vec![descriptor])
        }
    }
}

fn annotations(given: &Given) -> Result<Map<String, Value>> {
    let one = |text: &String| {
        let text = text.strip_prefix("index:").unwrap_or(text);
        let (name, value) = text.split_once('=').filter(|(name, _)| !name.is_empty() && !name.contains(':')).ok_or_else(|| {
            Failure::new(format!(
                "invalid annotation {text:?}: it is [index:]NAME=VALUE, and notes of single images cannot be changed here"
            ))
        })?;
        Ok((name.to_owned(), value.into()))
    };
    given.all("annotation").iter().map(one).collect()
}

fn push(given: &Given, tag: &Reference, joined: &Joined) -> Result {
    let client = client(given, tag);
    for image in &joined.images {
        if let Some(inner) = bring(&client, given, tag, image)? {
            warn(&format!("copied {image} to {}\n", inner.repository()));
        }
    }
    wait(client.put_manifest(tag, joined.media_type, joined.content.clone()))?;
    warn(&format!("pushed {} to {tag}\n", Digest::of(&joined.content)));
    Ok(())
}
