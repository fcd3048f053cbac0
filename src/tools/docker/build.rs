//! `docker build`: sends a context to the engine and shows what it makes of it.
//!
//! Our engine tells of vertices as BuildKit does, and they are drawn by what draws `bottleship build`; any other engine's classic builder speaks for itself, and so
//! does ours with `DOCKER_BUILDKIT=0`.

mod context;
mod drawing;

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::os::fd::AsFd as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use serde_json::{Value, json};

use super::api::{Answer, Ask, feed};
use super::failure::{Failure, Result};
use super::line::Given;
use super::verb::{Flag, Kind, Takes, VERB, Verb, long, short};
use super::{Session, say, stream, warn};
use crate::build::progress::Style;
use crate::kernel::pty;

/// Its commands.
pub const VERBS: &[Verb] = &[
    Verb {
        path: "image build",
        also: &["build", "builder build"],
        usage: "[OPTIONS] PATH | URL | -",
        about: "Build an image from a Dockerfile",
        takes: Takes::Exactly(1),
        flags: FLAGS,
        run,
        ..VERB
    },
    Verb {
        path: "buildx build",
        usage: "[OPTIONS] PATH | URL | -",
        about: "Build an image from a Dockerfile",
        takes: Takes::Exactly(1),
        flags: FLAGS,
        run,
        ..VERB
    },
];

const FLAGS: &[Flag] = &[
    long("add-host", Kind::List, "A line for /etc/hosts of RUN: NAME:ADDRESS"),
    long("allow", Kind::Words, "A right for steps that ask for it: network.host"),
    long("build-arg", Kind::List, "The value of an ARG: NAME=VALUE; without a value that of the environment"),
    long("build-context", Kind::List, "A further context: NAME=FOLDER, an address, or docker-image://IMAGE"),
    long("builder", Kind::Text, "Accepted; there is one builder"),
    long("cache-from", Kind::Words, "An image whose layers may be used"),
    long("cache-to", Kind::Text, "Have the image say what its layers were made of: type=inline"),
    long("cgroup-parent", Kind::Text, "Accepted; changes nothing here"),
    long("check", Kind::Switch, "Build nothing: only look for what is mostly a mistake"),
    long("compress", Kind::Switch, "Accepted; the context is sent as it is"),
    long("cpu-period", Kind::Int, "Accepted; RUN has no limits of its own"),
    long("cpu-quota", Kind::Int, "Accepted; RUN has no limits of its own"),
    short('c', "cpu-shares", Kind::Int, "Accepted; RUN has no limits of its own"),
    long("cpuset-cpus", Kind::Text, "Accepted; RUN has no limits of its own"),
    long("cpuset-mems", Kind::Text, "Accepted; RUN has no limits of its own"),
    long("disable-content-trust", Kind::On, "Accepted; signatures are not checked"),
    long("explain", Kind::Switch, "Say of each step why it came from the cache, or what broke it (Bottleship's engine only)"),
    short('f', "file", Kind::Text, "The Dockerfile, if it is not PATH/Dockerfile; `-` is standard input"),
    long("force-rm", Kind::Switch, "Accepted; no container is left behind"),
    long("iidfile", Kind::Text, "Write the image's id to a file"),
    long("isolation", Kind::Text, "Accepted; changes nothing here"),
    long("label", Kind::List, "A label for the image: NAME=VALUE"),
    long("load", Kind::Switch, "Accepted; the image is in the engine's store in any case"),
    short('m', "memory", Kind::Bytes, "Accepted; RUN has no limits of its own"),
    long("memory-swap", Kind::Bytes, "Accepted; RUN has no limits of its own"),
    long("network", Kind::Text, "The network of RUN: default, none, host"),
    long("no-cache", Kind::Switch, "Build every step anew"),
    long("no-cache-filter", Kind::Words, "Build the steps of a stage anew"),
    long("platform", Kind::Text, "The platform to build for"),
    long("progress", Kind::Text, "How it is shown: auto, plain, tty, quiet"),
    long("provenance", Kind::Text, "Accepted; nothing is attested"),
    long("pull", Kind::Switch, "Look for newer base images"),
    long("push", Kind::Switch, "Push the image's names when it is built"),
    short('q', "quiet", Kind::Switch, "Print the image's id alone"),
    long("rm", Kind::On, "Accepted; no container is left behind"),
    long("sbom", Kind::Text, "Accepted; nothing is attested"),
    long("secret", Kind::List, "A secret for RUN --mount=type=secret: id=ID,src=FILE or id=ID,env=NAME"),
    long("security-opt", Kind::Words, "Accepted; changes nothing here"),
    long("shm-size", Kind::Bytes, "Accepted; changes nothing here"),
    long("squash", Kind::Switch, "Refused: layers are kept as they are"),
    short('t', "tag", Kind::Tag, "A name for the image"),
    long("target", Kind::Text, "The stage to build"),
    long("ulimit", Kind::Ulimit, "Accepted; RUN has no limits of its own"),
];

/// How late it is for a build whose result shall not depend on the time.
const EPOCH: &str = "SOURCE_DATE_EPOCH";

const DEPRECATED: &str = "DEPRECATED: The legacy builder is deprecated and will be removed in a future release.\n";
const DISABLED: &str =
    "            BuildKit is currently disabled; enable it by removing the DOCKER_BUILDKIT=0\n            environment-variable.\n\n";

/// Builds.
pub fn run(session: &Session, given: &Given) -> Result {
    if given.on("squash") {
        return Err(Failure::new("--squash: layers are kept as they are; build in stages and COPY what counts into the last one"));
    }
    let api = session.api()?;
    let old = std::env::var("DOCKER_BUILDKIT").is_ok_and(|value| value == "0");
    if old {
        warn(&format!("{DEPRECATED}{DISABLED}"));
    }
    let context = context::prepare(given)?;
    let modern = !old && api.hello()?.ours;
    if !modern {
        classic_only(given, old)?;
    }
    let ask = asked(given, &context.dockerfile, modern)?;
    let ask = if modern { modernly(ask, given, &context)? } else { ask.with("version", "1") };
    let ask = match &context.remote {
        Some(address) => ask.with("remote", address),
        None => ask,
    };
    let told = context
        .size
        .filter(|_| !modern)
        .map(|size| format!("Sending build context to Docker daemon {:>8}\r\r\n", crate::ui::units::precise(size)));
    told.iter().filter(|_| !given.on("quiet")).for_each(|text| say(text));
    let mut answer = api.ask(ask.body(feed(context.archive), "application/x-tar"))?;
    let mut id = String::new();
    let done = if modern { drawing::draw(&mut answer, style(given)?, &mut id) } else { classic(&mut answer, &mut id) };
    if let Err(failure) = done {
        // Who wanted to hear nothing hears all of it when it fails.
        told.iter().filter(|_| given.on("quiet")).for_each(|text| warn(text));
        return Err(failure);
    }
    if let Some(file) = given.text("iidfile").filter(|file| !file.is_empty()) {
        std::fs::write(file, &id).map_err(|error| Failure::new(format!("write `{file}`: {error}")))?;
    }
    if given.on("push") {
        given.all("tag").iter().try_for_each(|name| super::registry::send(session, name))?;
    }
    Ok(())
}

fn classic(answer: &mut Answer<'_>, id: &mut String) -> Result {
    stream::show_with(answer, false, &mut |aux| aux["ID"].as_str().unwrap_or_default().clone_into(id))
}

/// The classic builder does not know everything.
fn classic_only(given: &Given, old: bool) -> Result {
    let who = if old { "the classic builder (DOCKER_BUILDKIT=0)" } else { "this engine's classic builder" };
    let unknown =
        ["secret", "build-context", "check", "explain", "cache-to", "no-cache-filter", "allow"].into_iter().find(|name| given.has(name));
    unknown.map_or(Ok(()), |name| Err(Failure::new(format!("the --{name} option requires BuildKit: {who} does not know it"))))
}

/// The arguments of the build. BuildKit's client hands on how late it is for the build, if somebody says so.
fn arguments(given: &Given, modern: bool) -> Vec<String> {
    let mut all = given.all("build-arg").to_vec();
    let said = all.iter().any(|text| text.split('=').next() == Some(EPOCH));
    if modern && !said && std::env::var(EPOCH).is_ok_and(|text| !text.is_empty()) {
        all.push(EPOCH.to_owned());
    }
    all
}

/// `NAME=VALUE`; a name alone has the environment's value, or null.
fn map(values: &[String], environment: bool) -> Value {
    let one = |text: &String| match text.split_once('=') {
        Some((name, value)) => (name.to_owned(), Value::from(value)),
        None if environment => (text.clone(), std::env::var(text).map_or(Value::Null, Value::from)),
        None => (text.clone(), Value::from("")),
    };
    values.iter().map(one).collect::<BTreeMap<String, Value>>().into_iter().collect::<serde_json::Map<String, Value>>().into()
}

fn asked<'a>(given: &'a Given, dockerfile: &str, modern: bool) -> Result<Ask<'a>> {
    let mut ask = Ask::post("/build").with("dockerfile", dockerfile);
    for name in given.all("tag") {
        ask = ask.with("t", name.as_str());
    }
    let arguments = arguments(given, modern);
    if !arguments.is_empty() {
        ask = ask.with("buildargs", map(&arguments, true).to_string());
    }
    if !given.all("label").is_empty() {
        ask = ask.with("labels", map(given.all("label"), false).to_string());
    }
    if !given.all("cache-from").is_empty() {
        ask = ask.with("cachefrom", json!(given.all("cache-from")).to_string());
    }
    if !given.all("add-host").is_empty() {
        ask = ask.with("extrahosts", given.all("add-host").join(","));
    }
    for (name, key) in [("target", "target"), ("network", "networkmode")] {
        ask = ask.maybe(key, given.text(name).filter(|text| !text.is_empty()));
    }
    // A list of platforms makes an index, which this builder does not.
    match given.text("platform").filter(|text| !text.is_empty()) {
        Some(several) if several.contains(',') => {
            return Err(Failure::new(format!(
                "--platform {several}: one platform at a time; join the images with `docker manifest create`"
            )));
        }
        wanted => ask = ask.maybe("platform", wanted),
    }
    Ok(ask
        .switch("nocache", given.on("no-cache"))
        .switch("pull", given.on("pull"))
        .switch("q", given.on("quiet"))
        .with("rm", if given.still_on("rm") { "1" } else { "0" })
        .switch("forcerm", given.on("force-rm")))
}

/// What only our engine knows: its builder's own words, and secrets in a header, where no log has them.
fn modernly<'a>(ask: Ask<'a>, given: &Given, context: &context::Context) -> Result<Ask<'a>> {
    let mut options: Vec<String> = context.others.iter().map(|(name, place)| format!("--build-context={name}={place}")).collect();
    options.extend(given.text("cache-to").map(|value| format!("--cache-to={value}")));
    for name in ["no-cache-filter", "allow"] {
        options.extend(given.all(name).iter().map(|value| format!("--{name}={value}")));
    }
    // The engine sees an archive: which Dockerfile this is, to be compared with its last build, it is told.
    options
        .push(format!("--identity={}", crate::tools::build::identity(given.word(0), given.text("file").filter(|file| !file.is_empty()))));
    options.extend(["check", "explain"].into_iter().filter(|name| given.on(name)).map(|name| format!("--{name}")));
    let secrets: Vec<(String, String)> = given.all("secret").iter().map(|text| context::secret(text)).collect::<Result<_>>()?;
    let ask = ask.with("bottleship", json!(options).to_string());
    Ok(if secrets.is_empty() { ask } else { ask.header("x-bottleship-secrets", URL_SAFE.encode(json!(secrets).to_string())) })
}

fn style(given: &Given) -> Result<Style> {
    let columns = || pty::size(std::io::stderr().as_fd()).filter(|_| std::io::stderr().is_terminal()).map(|size| usize::from(size.columns));
    let wanted = given.text("progress").map(str::to_owned).or_else(|| std::env::var("BUILDKIT_PROGRESS").ok());
    Ok(match wanted.as_deref().unwrap_or("auto") {
        _ if given.on("quiet") => Style::Quiet,
        "quiet" | "none" => Style::Quiet,
        "plain" => Style::Plain,
        "rawjson" => Style::Json,
        "tty" => Style::Screen(columns().ok_or_else(|| Failure::new("ERROR: failed to get console: provided file is not a console"))?),
        "auto" | "" => columns().map_or(Style::Plain, Style::Screen),
        other => return Err(Failure::new(format!("ERROR: invalid progress mode {other}: use auto, plain, tty, rawjson or quiet"))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_sent_as_a_map() {
        let values = ["B=2=3".to_owned(), "A".to_owned()];
        assert_eq!(map(&values, false).to_string(), r#"{"A":"","B":"2=3"}"#);
        assert_eq!(map(&["NO_SUCH_VARIABLE_HERE".to_owned()], true).to_string(), r#"{"NO_SUCH_VARIABLE_HERE":null}"#);
    }
}
