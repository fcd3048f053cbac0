//! What a learner is told of facts about images, layers and registries that hold.

use super::super::super::fact::{Image, Kind, Layer, Pattern, Registry, Which};
use super::listed;

/// What the fact is about.
pub(super) fn subject_of(kind: &Kind) -> String {
    match kind {
        Kind::Image(image) => format!("the image {}", image.name),
        Kind::Layer(layer) => match (&layer.path, &layer.content) {
            (Some(path), _) => format!("{path} in {}", layer.image),
            (None, Some(_)) => format!("the text in the layers of {}", layer.image),
            (None, None) => format!("such a file in {}", layer.image),
        },
        Kind::Registry(registry) => registry.at.clone(),
        _ => String::new(),
    }
}

/// A sentence about a fact that holds.
pub(super) fn holds(kind: &Kind, got: &str) -> String {
    match kind {
        Kind::Image(wanted) => image(wanted, got),
        Kind::Layer(wanted) => layer(wanted, got),
        Kind::Registry(wanted) => registry(wanted, got),
        _ => String::new(),
    }
}

fn image(wanted: &Image, got: &str) -> String {
    let name = &wanted.name;
    if wanted.exists == Some(false) {
        return format!("The image {name} is not there.");
    }
    let words = |what: &str, words: &Vec<String>| match words.is_empty() {
        true => format!("has no {what}"),
        false => format!("has the {what} {}", words.join(" ")),
    };
    let names = |pairs: &[(String, Pattern)]| pairs.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
    let mut said = Vec::new();
    said.extend(wanted.entrypoint.as_ref().map(|list| words("entrypoint", list)));
    said.extend(wanted.cmd.as_ref().map(|list| words("command", list)));
    said.extend(wanted.words.iter().map(|(key, value)| {
        let key = key.replace('_', " ");
        if value.is_empty() { format!("names no {key}") } else { format!("has the {key} {value}") }
    }));
    said.extend((!wanted.env.is_empty()).then(|| format!("sets {}", names(&wanted.env))));
    said.extend((!wanted.labels.is_empty()).then(|| format!("is labelled with {}", names(&wanted.labels))));
    said.extend((!wanted.ports.is_empty()).then(|| format!("exposes {}", wanted.ports.join(", "))));
    said.extend((!wanted.volumes.is_empty()).then(|| format!("has a volume at {}", wanted.volumes.join(", "))));
    said.extend(wanted.healthcheck.as_ref().map(|_| "has a test of health".to_owned()));
    said.extend(wanted.onbuild.as_ref().map(|_| "leaves something for builds on it".to_owned()));
    said.extend(wanted.history.as_ref().map(|_| "was made as it should be".to_owned()));
    said.extend(wanted.history_lacks.as_ref().map(|_| "keeps no such words in its history".to_owned()));
    said.extend(wanted.same_as.as_ref().map(|other| format!("is the same as {other}")));
    said.extend(wanted.differs_from.as_ref().map(|other| format!("is another one than {other}")));
    said.extend(wanted.built_on.as_ref().map(|other| format!("is built on {other}")));
    // A single limit is known by its value; among other things it would not be clear whose value it is.
    let value = |what: &str| if said.is_empty() { what.replace("{}", got) } else { "keeps within its limits".to_owned() };
    let limits = match (wanted.size.is_empty(), wanted.layers.is_empty()) {
        (false, true) => Some(value("has {}")),
        (true, false) => Some(value(if got == "1" { "has {} layer" } else { "has {} layers" })),
        (false, false) => Some("keeps within its limits".to_owned()),
        (true, true) => None,
    };
    said.extend(limits);
    if said.is_empty() {
        said.push("is there".to_owned());
    }
    format!("The image {name} {}.", listed(&said))
}

fn layer(wanted: &Layer, got: &str) -> String {
    let image = &wanted.image;
    let those = if wanted.above.is_some() || wanted.which != Which::Any { " that counts" } else { "" };
    match (&wanted.path, wanted.present) {
        (Some(path), true) if wanted.whiteout => format!("{image} takes {path} away in {got}."),
        (Some(path), true) => format!("{path} of {image} is in {got}."),
        (Some(path), false) => format!("{path} is in no layer of {image}{those}."),
        (None, true) => format!("In {image} it lies in {got}."),
        (None, false) => format!("No layer of {image}{those} has such a file."),
    }
}

fn registry(wanted: &Registry, got: &str) -> String {
    let at = &wanted.at;
    if wanted.answers.is_some_and(|answer| answer != "yes") {
        return format!("{at} does not answer: {got}.");
    }
    let mut said = Vec::new();
    said.extend(
        wanted.tls.map(|tls| if tls { "speaks TLS, with a certificate that is trusted here" } else { "speaks plain HTTP" }.to_owned()),
    );
    said.extend(wanted.auth.map(|auth| if auth == "none" { "asks nobody for a name" } else { "asks for a name" }.to_owned()));
    said.extend(wanted.accepts.map(|takes| if takes { "takes the password" } else { "does not take the password" }.to_owned()));
    said.extend(wanted.exists.map(|there| if there { "is there" } else { "is not there" }.to_owned()));
    said.extend(wanted.digest.as_ref().map(|digest| format!("has the digest {digest}")));
    said.extend(wanted.image.as_ref().map(|image| format!("is the image {image}")));
    said.extend(wanted.same_as.as_ref().map(|other| format!("is the same as {other}")));
    said.extend(wanted.differs_from.as_ref().map(|other| format!("is another one than {other}")));
    said.extend(
        wanted.tags.as_ref().map(|tags| format!("has the tags {}", if tags.is_empty() { "none".to_owned() } else { tags.join(", ") })),
    );
    said.extend((!wanted.has_tags.is_empty()).then(|| format!("has the tags {}", wanted.has_tags.join(", "))));
    said.extend(wanted.lacks_tags.as_ref().map(|_| "has no such tag".to_owned()));
    said.extend(wanted.blob.as_ref().map(|(_, has)| if *has { "has the blob" } else { "has the blob no more" }.to_owned()));
    if said.is_empty() {
        said.push("answers".to_owned());
    }
    format!("{at} {}.", listed(&said))
}
