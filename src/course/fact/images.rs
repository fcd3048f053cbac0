//! Facts about images, their layers, and registries: what they may ask, and how that is read.

use super::super::fields::{Complaints, Fields, parse_size};
use super::super::question::Seek;
use super::read::patterns;
use super::{Compare, Kind, Pattern};

/// What an image must be.
#[derive(Debug, Clone, Default)]
pub struct Image {
    pub name: String,
    pub exists: Option<bool>,
    /// Exactly these words; empty means that it has none.
    pub entrypoint: Option<Vec<String>>,
    pub cmd: Option<Vec<String>>,
    /// Exactly this; empty means that it says nothing. By the names of [`WORDS`].
    pub words: Vec<(&'static str, String)>,
    /// Names with the patterns that their values fit.
    pub env: Vec<(String, Pattern)>,
    pub labels: Vec<(String, Pattern)>,
    /// All of these.
    pub ports: Vec<String>,
    pub volumes: Vec<String>,
    /// Found in the words of the test, and in one of the triggers.
    pub healthcheck: Option<Pattern>,
    pub onbuild: Option<Pattern>,
    /// Found in one instruction of the history; in none.
    pub history: Option<Pattern>,
    pub history_lacks: Option<Pattern>,
    pub size: Vec<Compare>,
    pub layers: Vec<Compare>,
    /// Other images, by name: the same image, another one, one whose layers this one begins with.
    pub same_as: Option<String>,
    pub differs_from: Option<String>,
    pub built_on: Option<String>,
}

/// Keys whose value is compared as a whole.
const WORDS: [&str; 5] = ["user", "workdir", "stop_signal", "platform", "digest"];

/// What must lie in the layers of an image, or must not.
#[derive(Debug, Clone)]
pub struct Layer {
    pub image: String,
    /// The layers of this image do not count.
    pub above: Option<String>,
    pub path: Option<String>,
    pub paths: Option<Pattern>,
    pub content: Option<Compare>,
    pub which: Which,
    pub present: bool,
    /// Whether the layer takes the path away instead of bringing it.
    pub whiteout: bool,
    pub mode: Option<u32>,
    pub owner: Option<String>,
}

/// Which layers are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    Any,
    Top,
    Bottom,
    /// Counted from 1, the lowest.
    Number(u64),
}

impl Layer {
    /// What is asked of the host.
    pub fn seek(&self) -> Seek {
        let text = match &self.content {
            // With a path the content is told whole, and compared here.
            Some(_) if self.path.is_some() => None,
            Some(Compare::Contains(text)) => Some(escaped(text)),
            Some(Compare::Matches(pattern)) => Some(pattern.text().to_owned()),
            _ => None,
        };
        Seek { path: self.path.clone(), paths: self.paths.as_ref().map(|pattern| pattern.text().to_owned()), text }
    }
}

/// A text as a pattern that fits nothing else.
fn escaped(text: &str) -> String {
    text.chars().flat_map(|letter| (!letter.is_alphanumeric() && letter.is_ascii()).then_some('\\').into_iter().chain([letter])).collect()
}

/// What a registry must say.
#[derive(Debug, Clone)]
pub struct Registry {
    /// `host[:port]`, or a name in it.
    pub at: String,
    pub answers: Option<&'static str>,
    pub tls: Option<bool>,
    pub auth: Option<&'static str>,
    /// Name and password, and whether it takes them.
    pub login: Option<(String, String)>,
    pub accepts: Option<bool>,
    /// Whether the tag or digest is there.
    pub exists: Option<bool>,
    /// As it is written, or a file on the host that begins with one.
    pub digest: Option<String>,
    /// An image of the host's engine, and another name in a registry, with the same digest.
    pub image: Option<String>,
    pub same_as: Option<String>,
    pub differs_from: Option<String>,
    /// Exactly these tags; these are there; none fits.
    pub tags: Option<Vec<String>>,
    pub has_tags: Vec<String>,
    pub lacks_tags: Option<Pattern>,
    /// A blob by its digest, or by a file on the host that begins with one; and whether the repository has it.
    pub blob: Option<(String, bool)>,
}

pub(super) fn image(fields: &mut Fields<'_>, complaints: &mut Complaints) -> Option<Kind> {
    let name = fields.needed("name", complaints);
    let found = Image {
        name: name.unwrap_or_default(),
        exists: fields.truth("exists", complaints),
        entrypoint: list("entrypoint", fields, complaints),
        cmd: list("cmd", fields, complaints),
        words: WORDS.into_iter().filter_map(|word| Some((word, fields.text(word, complaints)?))).collect(),
        env: patterns("env", fields, complaints),
        labels: patterns("labels", fields, complaints),
        ports: fields.texts("ports", complaints),
        volumes: fields.texts("volumes", complaints),
        healthcheck: Pattern::read(fields, "healthcheck", complaints),
        onbuild: Pattern::read(fields, "onbuild", complaints),
        history: Pattern::read(fields, "history", complaints),
        history_lacks: Pattern::read(fields, "history_lacks", complaints),
        size: limits("size_at_least", "size_at_most", fields, complaints),
        layers: limits("layers_at_least", "layers_at_most", fields, complaints),
        same_as: fields.text("same_as", complaints),
        differs_from: fields.text("differs_from", complaints),
        built_on: fields.text("built_on", complaints),
    };
    (!found.name.is_empty()).then(|| Kind::Image(Box::new(found)))
}

/// Words in their order; the word `none` alone stands for no words at all.
pub(super) fn list(key: &'static str, fields: &mut Fields<'_>, complaints: &mut Complaints) -> Option<Vec<String>> {
    let words = fields.texts(key, complaints);
    fields.has(key).then(|| if words == ["none"] { Vec::new() } else { words })
}

pub(super) fn limits(least: &'static str, most: &'static str, fields: &mut Fields<'_>, complaints: &mut Complaints) -> Vec<Compare> {
    let what = "a number or a size such as `8M`";
    let least = fields.parsed(least, what, parse_size, complaints).map(Compare::AtLeast);
    least.into_iter().chain(fields.parsed(most, what, parse_size, complaints).map(Compare::AtMost)).collect()
}

pub(super) fn layer(fields: &mut Fields<'_>, complaints: &mut Complaints) -> Option<Kind> {
    let image = fields.needed("image", complaints);
    let found = Layer {
        image: image.unwrap_or_default(),
        above: fields.text("above", complaints),
        path: fields.text("path", complaints),
        paths: Pattern::read(fields, "paths", complaints),
        content: content(fields, complaints),
        which: which(fields, complaints),
        present: fields.truth("present", complaints).unwrap_or(true),
        whiteout: fields.truth("whiteout", complaints).unwrap_or(false),
        mode: fields.parsed("mode", "an octal mode such as \"0644\"", |text| u32::from_str_radix(text, 8).ok(), complaints),
        owner: fields.text("owner", complaints),
    };
    let asked = (fields.at("path"), fields.spot);
    if found.path.is_some() == found.paths.is_some() && (found.path.is_some() || found.content.is_none()) {
        let (what, hint) = match found.path.is_some() {
            true => ("goes with `paths` only one at a time", "`path: /exactly/this`, or `paths: PATTERN`"),
            false => ("is missing", "`path: /exactly/this`, `paths: PATTERN`, or `contains: TEXT` for any file"),
        };
        complaints.add(asked.1, &asked.0, what, hint);
        return None;
    }
    if found.path.as_ref().is_some_and(|path| !path.starts_with('/')) {
        complaints.add(fields.spot_of("path"), &asked.0, "is no whole path", "write it from `/` on, as it is in a container");
    }
    (!found.image.is_empty()).then(|| Kind::Layer(Box::new(found)))
}

/// At most one comparison. Without a path only texts and patterns can be looked for.
fn content(fields: &mut Fields<'_>, complaints: &mut Complaints) -> Option<Compare> {
    let mut found = Compare::read_all(fields, complaints);
    let searching = !fields.has("path");
    let one = found.pop()?;
    let hint = "one of `contains` and `matches`, and with `path` also `is` and `not`";
    if !found.is_empty() {
        complaints.add(fields.spot, &fields.path, "has more than one comparison", hint);
    }
    let texts = matches!(one, Compare::Contains(_) | Compare::Matches(_));
    let whole = matches!(one, Compare::Is(_) | Compare::Not(_));
    if !texts && (searching || !whole) {
        complaints.add(fields.spot, &fields.path, "compares the content of files in a way that files do not have", hint);
        return None;
    }
    Some(one)
}

fn which(fields: &mut Fields<'_>, complaints: &mut Complaints) -> Which {
    let read = |text: &str| match text {
        "any" => Some(Which::Any),
        "top" => Some(Which::Top),
        "bottom" => Some(Which::Bottom),
        text => text.parse().ok().filter(|number| *number > 0).map(Which::Number),
    };
    fields.parsed("which", "`any`, `top`, `bottom`, or a number from 1 (the lowest)", read, complaints).unwrap_or(Which::Any)
}

pub(super) fn registry(fields: &mut Fields<'_>, complaints: &mut Complaints) -> Option<Kind> {
    let at = fields.needed("at", complaints);
    let has = fields.text("has_blob", complaints).map(|blob| (blob, true));
    let lacks = fields.text("lacks_blob", complaints).map(|blob| (blob, false));
    let tags = fields.texts("tags", complaints);
    let found = Registry {
        at: at.unwrap_or_default(),
        answers: fields.word("answers", &["yes", "no", "refused"], complaints),
        tls: fields.truth("tls", complaints),
        auth: fields.word("auth", &["none", "basic", "bearer", "needed"], complaints),
        login: login(fields, complaints),
        accepts: fields.truth("accepts", complaints),
        exists: fields.truth("exists", complaints),
        digest: fields.text("digest", complaints),
        image: fields.text("image", complaints),
        same_as: fields.text("same_as", complaints),
        differs_from: fields.text("differs_from", complaints),
        tags: fields.has("tags").then_some(tags),
        has_tags: fields.texts("has_tags", complaints),
        lacks_tags: Pattern::read(fields, "lacks_tags", complaints),
        blob: has.or(lacks),
    };
    needs_repository(&found, fields, complaints);
    if found.accepts.is_some() && found.login.is_none() {
        complaints.add(fields.spot_of("accepts"), &fields.at("accepts"), "needs a name and a password", "add `login: \"name:password\"`");
    }
    (!found.at.is_empty()).then(|| Kind::Registry(Box::new(found)))
}

fn login(fields: &mut Fields<'_>, complaints: &mut Complaints) -> Option<(String, String)> {
    let read = |text: &str| text.split_once(':').map(|(name, password)| (name.to_owned(), password.to_owned()));
    fields.parsed("login", "`name:password`", read, complaints)
}

/// What is asked of a tag cannot be asked of the registry as a whole.
fn needs_repository(found: &Registry, fields: &Fields<'_>, complaints: &mut Complaints) {
    if found.at.is_empty() || found.at.contains('/') {
        return;
    }
    let asked = [
        ("exists", found.exists.is_some()),
        ("digest", found.digest.is_some()),
        ("image", found.image.is_some()),
        ("same_as", found.same_as.is_some()),
        ("differs_from", found.differs_from.is_some()),
        ("tags", found.tags.is_some()),
        ("has_tags", !found.has_tags.is_empty()),
        ("lacks_tags", found.lacks_tags.is_some()),
        ("has_blob", found.blob.is_some()),
    ];
    for (key, _) in asked.iter().filter(|(_, asked)| *asked) {
        let what = format!("`{}` names a registry and no repository in it, which `{key}` asks about", found.at);
        complaints.add(fields.spot_of("at"), &fields.at("at"), what, format!("write `at: {}/NAME:TAG`", found.at));
    }
}
