//! Facts about images, layers and registries.

use serde_json::Value;

use super::super::fact::{Image, Layer, Pattern, Registry, Which};
use super::super::question::Question;
use super::super::world::World;
use super::select::{ask, list, probe, text};
use super::state::shown;
use super::{State, Unknown};
use crate::bottle::Probe;

/// Each question that a fact asks of what it looked at: whether it fits, and what was seen.
pub(super) type Tests = Vec<(bool, String)>;

fn document_of(name: &str, host: &str, world: &mut dyn World) -> Result<Value, Unknown> {
    ask(world, host, Question::Image { name: name.to_owned() })
}

/// The first test that does not fit; else the first.
pub(super) fn of_tests(tests: Tests, otherwise: &str) -> State {
    match tests.iter().find(|(fits, _)| !fits) {
        Some((_, got)) => State::of(false, got),
        None => State::of(true, tests.first().map_or(otherwise, |(_, got)| got)),
    }
}

pub(super) fn image(wanted: &Image, host: &str, world: &mut dyn World) -> Result<State, Unknown> {
    let document = document_of(&wanted.name, host, world)?;
    let there = document["exists"] == true;
    if wanted.exists == Some(false) {
        return Ok(State::of(!there, if there { "it is there" } else { "it is not there" }).on(&wanted.name));
    }
    if !there {
        return Ok(State::absent("no such image").on(&wanted.name).missing(no_image(&wanted.name)));
    }
    let mut tests = of_configuration(wanted, &document);
    tests.extend(of_history(wanted, &document));
    tests.extend(wanted.size.iter().map(|compare| (compare.holds(&text(&document["image_size"])), bytes(&document["image_size"]))));
    tests.extend(wanted.layers.iter().map(|compare| (compare.holds(&text(&document["layers"])), text(&document["layers"]))));
    for (other, same) in [(&wanted.same_as, true), (&wanted.differs_from, false)] {
        let Some(name) = other else { continue };
        let other = document_of(name, host, world)?;
        if other["exists"] != true {
            return Ok(State::absent("no such image").on(name).missing(no_image(name)));
        }
        tests.push(((other["image_id"] == document["image_id"]) == same, short(&document["image_id"])));
    }
    if let Some(name) = &wanted.built_on {
        let base = document_of(name, host, world)?;
        if base["exists"] != true {
            return Ok(State::absent("no such image").on(name).missing(no_image(name)));
        }
        let (own, below) = (list(&document, "diff_ids"), list(&base, "diff_ids"));
        tests.push((
            own.starts_with(&below) && !below.is_empty(),
            format!("its lowest layer is {}", own.first().map_or_else(String::new, short)),
        ));
    }
    Ok(of_tests(tests, "it is there").on(&wanted.name))
}

/// That an image is not there.
fn no_image(name: &str) -> String {
    format!("There is no image {name}.")
}

fn of_configuration(wanted: &Image, document: &Value) -> Tests {
    let words = |key: &str| list(document, key).iter().map(text).collect::<Vec<_>>();
    let mut tests = Tests::new();
    for (key, exactly) in [("entrypoint", &wanted.entrypoint), ("cmd", &wanted.cmd)] {
        tests.extend(exactly.as_ref().map(|exactly| (words(key) == *exactly, exec_form(&words(key)))));
    }
    tests.extend(wanted.words.iter().map(|(key, exactly)| (text(&document[*key]) == *exactly, shown(&text(&document[*key])))));
    for (name, pattern) in &wanted.env {
        let prefix = format!("{name}=");
        let value = words("env").iter().find_map(|line| line.strip_prefix(&prefix).map(str::to_owned));
        tests.push((value.as_ref().is_some_and(|value| pattern.fits(value)), value.unwrap_or_else(|| format!("no {name}"))));
    }
    for (name, pattern) in &wanted.labels {
        let value = document["labels"].get(name).map(text);
        tests.push((value.as_ref().is_some_and(|value| pattern.fits(value)), value.unwrap_or_else(|| format!("no {name}"))));
    }
    for (key, all) in [("ports", &wanted.ports), ("volumes", &wanted.volumes)] {
        tests.extend(all.iter().map(|one| (words(key).contains(one), shown(&words(key).join(", ")))));
    }
    let joined = words("healthcheck").join(" ");
    tests.extend(wanted.healthcheck.as_ref().map(|pattern| (pattern.fits(&joined), shown(&joined))));
    let triggers = words("onbuild");
    tests.extend(wanted.onbuild.as_ref().map(|pattern| (triggers.iter().any(|line| pattern.fits(line)), shown(&triggers.join("; ")))));
    tests
}

fn of_history(wanted: &Image, document: &Value) -> Tests {
    let lines: Vec<String> = list(document, "history").iter().map(text).collect();
    let found = |pattern: &Pattern| lines.iter().find(|line| pattern.fits(line)).cloned();
    let mut tests = Tests::new();
    tests.extend(wanted.history.as_ref().map(|pattern| {
        let line = found(pattern);
        (line.is_some(), line.unwrap_or_else(|| "no such instruction".to_owned()))
    }));
    tests.extend(wanted.history_lacks.as_ref().map(|pattern| {
        let line = found(pattern);
        (line.is_none(), line.unwrap_or_else(|| "no such instruction".to_owned()))
    }));
    tests
}

/// Words as they stand in a Dockerfile: `["a", "b"]`.
pub(super) fn exec_form(words: &[String]) -> String {
    if words.is_empty() { "nothing".to_owned() } else { serde_json::to_string(words).unwrap_or_default().replace("\",\"", "\", \"") }
}

/// Bytes as docker tells them: in thousands.
fn bytes(size: &Value) -> String {
    let size = size.as_f64().unwrap_or(0.0);
    let units = [(1e9, "GB"), (1e6, "MB"), (1e3, "kB")];
    let unit = units.iter().find(|(unit, _)| size >= *unit);
    unit.map_or_else(|| format!("{size} B"), |(unit, name)| format!("{:.1} {name}", size / unit))
}

/// The first digits of a digest, as docker shows them.
fn short(digest: &Value) -> String {
    text(digest).trim_start_matches("sha256:").chars().take(12).collect()
}

pub(super) fn layer(wanted: &Layer, host: &str, world: &mut dyn World) -> Result<State, Unknown> {
    let document = ask(world, host, Question::Layers { image: wanted.image.clone(), seek: wanted.seek() })?;
    if document["exists"] != true {
        return Ok(State::absent("no such image").on(&wanted.image).missing(no_image(&wanted.image)));
    }
    let layers = list(&document, "layers");
    let below = match &wanted.above {
        None => 0,
        Some(name) => {
            let base = document_of(name, host, world)?;
            if base["exists"] != true {
                return Ok(State::absent("no such image").on(name).missing(no_image(name)));
            }
            let base = list(&base, "diff_ids");
            layers.iter().zip(&base).take_while(|(layer, below)| layer["diff_id"] == **below).count() as u64
        }
    };
    let counts = |file: &Value| {
        let number = file["layer"].as_u64().unwrap_or(0);
        number > below
            && match wanted.which {
                Which::Any => true,
                Which::Top => number == layers.len() as u64,
                Which::Bottom => number == below + 1,
                Which::Number(one) => number == one,
            }
    };
    let files: Vec<Value> = list(&document, "files").into_iter().filter(counts).collect();
    let whose = |file: &&Value| (file["whiteout"] == true) == wanted.whiteout;
    let there: Vec<&Value> = files.iter().filter(whose).collect();
    let fitting = there.iter().find(|file| fits(wanted, file));
    let subject = wanted.path.as_deref().unwrap_or(&wanted.image);
    let where_ = |file: &Value| place_of(file, &layers);
    Ok(match (fitting, wanted.present) {
        (Some(file), true) => State::of(true, where_(file)).on(text(&file["path"])),
        (Some(file), false) => State::of(false, where_(file)).on(text(&file["path"])),
        (None, false) => State::of(true, "in no layer").on(subject),
        (None, true) => match there.first().filter(|_| wanted.path.is_some()) {
            Some(file) => State::of(false, unlike(wanted, file)).on(subject),
            None => State::absent("in no layer").on(subject).missing(not_in(wanted)),
        },
    })
}

fn fits(wanted: &Layer, file: &Value) -> bool {
    let said = text(&file["content"]);
    wanted.content.as_ref().is_none_or(|compare| file["kind"] == "file" && compare.holds(&said))
        && wanted.mode.is_none_or(|mode| text(&file["mode"]) == format!("{mode:04o}"))
        && wanted.owner.as_ref().is_none_or(|owner| text(&file["owner"]) == *owner)
}

/// What is wrong with a file that is there.
fn unlike(wanted: &Layer, file: &Value) -> String {
    let said = text(&file["content"]);
    match (&wanted.content, wanted.mode) {
        (Some(compare), _) if !compare.holds(&said) => shown(&said),
        (_, Some(mode)) if text(&file["mode"]) != format!("{mode:04o}") => format!("mode {}", text(&file["mode"])),
        _ => format!("owner {}", text(&file["owner"])),
    }
}

/// `layer 3 of 5 (COPY . /app)`.
fn place_of(file: &Value, layers: &[Value]) -> String {
    let number = file["layer"].as_u64().unwrap_or(0);
    let made = layers.iter().find(|layer| layer["number"] == number).map(|layer| text(&layer["created_by"])).unwrap_or_default();
    let made = made.trim_start_matches("/bin/sh -c #(nop) ").trim_end_matches(" # buildkit").trim().to_owned();
    let place = format!("layer {number} of {}", layers.len());
    if made.is_empty() { place } else { format!("{place} ({made})") }
}

fn not_in(wanted: &Layer) -> String {
    match (&wanted.path, wanted.whiteout) {
        (Some(path), false) => format!("{path} is in no layer of {}.", wanted.image),
        (Some(path), true) => format!("No layer of {} takes {path} away.", wanted.image),
        (None, _) => format!("No such file is in a layer of {}.", wanted.image),
    }
}

pub(super) fn registry(wanted: &Registry, host: &str, world: &mut dyn World) -> Result<State, Unknown> {
    let blob = match &wanted.blob {
        None => None,
        Some((text, _)) => match digest_in(text, host, world)? {
            None => return Ok(no_digest(text)),
            digest => digest,
        },
    };
    let document = ask(world, host, Question::Registry { at: wanted.at.clone(), login: wanted.login.clone(), blob })?;
    let answers = text(&document["answers"]);
    if let Some(expected) = wanted.answers.filter(|expected| *expected != "yes") {
        return Ok(State::of(answers == expected, why(&document)).on(&wanted.at));
    }
    if answers != "yes" {
        return Ok(State::absent(why(&document)).on(&wanted.at));
    }
    let mut tests = of_the_registry(wanted, &document);
    let gone = wanted.exists == Some(false);
    if gone {
        tests.push((
            document["exists"] != true,
            if document["exists"] == true { "it is there".to_owned() } else { "it is not there".to_owned() },
        ));
    }
    let asks_name = wanted.exists == Some(true)
        || [&wanted.digest, &wanted.image, &wanted.same_as, &wanted.differs_from].into_iter().any(Option::is_some);
    if asks_name && document["exists"] != true && tests.iter().all(|(fits, _)| *fits) {
        return Ok(State::absent(why(&document)).on(&wanted.at).missing(format!("{} is not in the registry.", wanted.at)));
    }
    let digest = text(&document["digest"]);
    if let Some(given) = &wanted.digest {
        let Some(exactly) = digest_in(given, host, world)? else { return Ok(no_digest(given)) };
        tests.push((digest == exactly, short(&document["digest"])));
    }
    if let Some(name) = &wanted.image {
        let image = document_of(name, host, world)?;
        if image["exists"] != true {
            return Ok(State::absent("no such image").on(name).missing(no_image(name)));
        }
        tests.push((text(&image["digest"]) == digest, short(&document["digest"])));
    }
    for (other, same) in [(&wanted.same_as, true), (&wanted.differs_from, false)] {
        let Some(name) = other else { continue };
        let other = ask(world, host, Question::Registry { at: name.clone(), login: wanted.login.clone(), blob: None })?;
        if other["exists"] != true {
            return Ok(State::absent(why(&other)).on(name).missing(format!("{name} is not in the registry.")));
        }
        tests.push(((text(&other["digest"]) == digest) == same, short(&document["digest"])));
    }
    Ok(of_tests(tests, "it is there").on(&wanted.at))
}

fn why(document: &Value) -> String {
    let why = text(&document["why"]);
    if why.is_empty() { if document["answers"] == "yes" { "it answers".to_owned() } else { "no answer".to_owned() } } else { why }
}

/// What is asked of the registry and the repository as a whole.
fn of_the_registry(wanted: &Registry, document: &Value) -> Tests {
    let mut tests = Tests::new();
    tests.extend(wanted.answers.map(|_| (true, "it answers".to_owned())));
    let speaks = |tls: bool| if tls { "it speaks TLS" } else { "it speaks plain HTTP" };
    tests.extend(wanted.tls.map(|tls| (document["tls"] == tls, speaks(document["tls"] == true).to_owned())));
    let auth = text(&document["auth"]);
    let asks = if auth == "none" { "it asks nobody for a name".to_owned() } else { format!("it asks for a name ({auth})") };
    tests.extend(wanted.auth.map(|kind| (if kind == "needed" { auth != "none" } else { auth == kind }, asks)));
    let takes = if document["accepts"] == true { "it takes the password" } else { "it does not take the password" };
    tests.extend(wanted.accepts.map(|accepts| (document["accepts"] == accepts, takes.to_owned())));
    let tags: Vec<String> = list(document, "tags").iter().map(text).collect();
    let told = || shown(&tags.join(", "));
    if let Some(exactly) = &wanted.tags {
        let (mut have, mut want) = (tags.clone(), exactly.clone());
        have.sort();
        want.sort();
        tests.push((have == want, told()));
    }
    tests.extend(wanted.has_tags.iter().map(|tag| (tags.contains(tag), told())));
    tests.extend(wanted.lacks_tags.as_ref().map(|pattern| (!tags.iter().any(|tag| pattern.fits(tag)), told())));
    tests.extend(wanted.blob.as_ref().map(|(_, has)| {
        let there = document["blob"] == true;
        (there == *has, if there { "the blob is there" } else { "the blob is not there" }.to_owned())
    }));
    tests
}

fn no_digest(file: &str) -> State {
    State::absent("no digest").on(file).missing(format!("There is no digest in {file}."))
}

/// A digest, or the first word of a file of the host that is one.
fn digest_in(text: &str, host: &str, world: &mut dyn World) -> Result<Option<String>, Unknown> {
    if !text.starts_with('/') {
        return Ok(Some(text.to_owned()));
    }
    let file = probe(world, host, Probe::File { path: text.to_owned(), process: None })?;
    let word = file["content"].as_str().and_then(|content| content.split_whitespace().next());
    let is_digest =
        |word: &&str| word.split_once(':').is_some_and(|(_, hex)| hex.len() >= 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
    Ok(word.filter(is_digest).map(str::to_owned))
}

#[cfg(test)]
mod tests;
