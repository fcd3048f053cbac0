//! `bottleship build`: an image from a Dockerfile, without an engine, with the flags of `docker build`.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{Arg, ArgAction, ArgMatches, Command};

use super::{Tool, usual_folder};
use crate::build::checks::{self, Settings, Warning};
use crate::build::context::named;
use crate::build::context::remote::Remote;
use crate::build::events::{Event, Listener};
use crate::build::output::{self, Output};
use crate::build::progress::{Printer, Style, excerpt};
use crate::build::sandbox::Ended;
use crate::build::{self, Context, Error, Options, Result, Secret, Workshop, dockerfile, sandbox};
use crate::kernel::pty;
use crate::oci::image::spec::Platform;
use crate::oci::image::{Image, Store};
use crate::oci::reference::Reference;

mod outside;

/// Builds an image.
pub const BUILD: Tool = Tool { command, run };

/// Where the engine of a host keeps its images.
pub const ON_A_HOST: &str = "/var/lib/docker/images";

fn several(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value).action(ArgAction::Append).help(help)
}

fn one(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value).help(help)
}

fn switch(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}

fn command() -> Command {
    Command::new("build")
        .about("Build an image from a Dockerfile, without an engine")
        .arg(
            Arg::new("PATH")
                .required(true)
                .help("The context: a folder, the address of an archive, a Dockerfile or a repository of Git, or `-` for standard input"),
        )
        .arg(several("tag", "NAME", "A name for the image").short('t'))
        .arg(one("file", "FILE", "The Dockerfile [default: Dockerfile in the context]; `-` is standard input").short('f'))
        .arg(several("build-arg", "NAME=VALUE", "The value of an ARG; without a value that of the environment"))
        .arg(one("target", "STAGE", "The stage to build [default: the last]"))
        .arg(several("label", "NAME=VALUE", "A label for the image"))
        .arg(several("secret", "SECRET", "A secret for `RUN --mount=type=secret`: id=ID,src=FILE or id=ID,env=NAME"))
        .arg(several("ssh", "ID", "Refused: no agent is forwarded"))
        .arg(switch("no-cache", "Build every step anew"))
        .arg(several("no-cache-filter", "STAGE", "Build the steps of a stage anew"))
        .arg(several(
            "build-context",
            "NAME=CONTEXT",
            "A further context, for COPY --from=NAME, RUN --mount=from=NAME and FROM NAME: a folder, the address of an archive, a repository of \
             Git, or docker-image://IMAGE",
        ))
        .arg(several("cache-from", "IMAGE", "An image with an inline cache, whose layers may be used"))
        .arg(one("cache-to", "KIND", "Have the image say what its layers were made of: type=inline"))
        .arg(switch("pull", "Look for a newer base image"))
        .arg(one("platform", "OS/ARCH", "The platform to build for [default: this machine's]"))
        .arg(one("network", "MODE", "The network of RUN: default, none, host").default_value("default").hide_default_value(true))
        .arg(several("add-host", "NAME:ADDRESS", "A line for /etc/hosts of RUN"))
        .arg(several("allow", "RIGHT", "A right for steps that ask for it: network.host"))
        .arg(one("output", "OUTPUT", "Where the result goes: a folder, or type=local|tar|docker|oci,dest=PATH").short('o'))
        .arg(one("iidfile", "FILE", "Write the image's id to a file"))
        .arg(
            one("progress", "STYLE", "How it is shown: auto, plain, tty, rawjson, quiet, or classic for the builder before BuildKit")
                .value_parser(["auto", "plain", "tty", "rawjson", "quiet", "classic"])
                .hide_possible_values(true),
        )
        .arg(switch("quiet", "Print the image's id alone").short('q'))
        .arg(switch("check", "Build nothing: only look for what is mostly a mistake"))
        .arg(switch("explain", "Say of each step why it came from the cache, or which file, line or argument broke it"))
        // What the engine is told by a client that sends the context.
        .arg(one("identity", "TEXT", "Which Dockerfile this is").hide(true))
        .arg(one("store", "FOLDER", "The folder of the store [default: in a bottle the engine's, outside one in Bottleship's state]"))
}

/// A command line that makes sense.
struct Request {
    store: PathBuf,
    context: String,
    file: Option<String>,
    tags: Vec<Reference>,
    output: Output,
    id_file: Option<PathBuf>,
    style: Style,
    explain: bool,
    /// Names and places of `--build-context`.
    contexts: Vec<(String, String)>,
    options: Options,
}

fn run(arguments: &ArgMatches) -> ExitCode {
    let request = match request(arguments) {
        Ok(request) => request,
        Err(error) => return report(&error),
    };
    let code = sandbox::run(|entered| {
        let code = entered.and_then(|()| build(&request)).unwrap_or_else(|error| {
            report(&error);
            1
        });
        // This process ends without the destructors that would do so.
        let _ = std::io::stdout().flush();
        code
    });
    match code {
        Ok(Ended::Code(code)) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        Ok(Ended::Interrupted(signal)) => interrupted(&request.store, signal),
        Err(error) => report(&error),
    }
}

/// The last word of a build that was asked to end: what it was at is removed now, and not by the next one.
fn interrupted(store: &Path, signal: i32) -> ExitCode {
    eprintln!("ERROR: failed to build: failed to solve: Canceled: context canceled");
    let swept = sandbox::run(|entered| i32::from(entered.and_then(|()| build::sweep_store(store)).is_err()));
    if swept != Ok(Ended::Code(0)) {
        eprintln!("hint: the next build removes what this one has left in `{}`", store.join("build/work").display());
    }
    ExitCode::from(u8::try_from(128 + signal).unwrap_or(1))
}

fn report(error: &Error) -> ExitCode {
    eprintln!("ERROR: {error}");
    error.hint.iter().for_each(|hint| eprintln!("hint: {hint}"));
    ExitCode::FAILURE
}

fn request(arguments: &ArgMatches) -> Result<Request> {
    let text = |name: &str| arguments.get_one::<String>(name).cloned();
    let all = |name: &str| arguments.get_many::<String>(name).into_iter().flatten().cloned().collect::<Vec<String>>();
    if !all("ssh").is_empty() {
        return Err(Error::new("--ssh: this builder forwards no agent").hint("use a secret: --secret id=key,src=FILE"));
    }
    let tags = all("tag").iter().map(|name| tag(name)).collect::<Result<Vec<Reference>>>()?;
    let output = text("output").map_or(Ok(Output::Image), |text| Output::read(&text))?;
    let platform = text("platform").map_or_else(
        || Ok(Platform::here()),
        |text| Platform::read(&text).ok_or_else(|| Error::new(format!("platform {text:?}: use os/architecture[/variant]"))),
    )?;
    let network = text("network").unwrap_or_default();
    if !["default", "none", "host", ""].contains(&network.as_str()) {
        return Err(Error::new(format!("network mode {network:?} is not supported: use default, none or host")));
    }
    let given = pairs(&all("build-arg"));
    let inline = text("cache-to").as_deref() == Some("type=inline") || given.get("BUILDKIT_INLINE_CACHE").is_some_and(|value| value == "1");
    if let Some(other) = text("cache-to").filter(|other| other != "type=inline") {
        return Err(Error::new(format!("--cache-to {other}: only type=inline is known")));
    }
    let context = text("PATH").unwrap_or_default();
    let (classic, style) = style(arguments);
    let file = text("file");
    Ok(Request {
        store: text("store")
            .map_or_else(|| usual_folder(ON_A_HOST, "images"), |folder| std::path::absolute(&folder).unwrap_or(folder.into())),
        id_file: text("iidfile").map(PathBuf::from),
        tags,
        output,
        style,
        explain: arguments.get_flag("explain"),
        contexts: all("build-context").iter().map(|text| named::pair(text)).collect::<Result<_>>()?,
        options: Options {
            target: text("target"),
            epoch: epoch(&given)?,
            arguments: given,
            labels: build::image::labels(all("label").iter().map(String::as_str))?,
            platform,
            no_cache: arguments.get_flag("no-cache"),
            no_cache_stages: all("no-cache-filter"),
            pull: arguments.get_flag("pull"),
            contexts: BTreeMap::new(),
            cache_from: all("cache-from").iter().map(|text| image_of(text)).collect(),
            inline_cache: inline,
            secrets: all("secret").iter().map(|text| secret(text)).collect::<Result<BTreeMap<String, Secret>>>()?,
            network,
            hosts: all("add-host"),
            allow: all("allow"),
            identity: text("identity").unwrap_or_else(|| identity(&context, file.as_deref())),
            all_stages: classic,
            check: arguments.get_flag("check"),
        },
        context,
        file,
    })
}

fn tag(name: &str) -> Result<Reference> {
    let wrong = |why: String| Error::new(format!("invalid tag {name:?}: {why}"));
    let reference = name.parse::<Reference>().map_err(|error| wrong(error.to_string()))?;
    if reference.digest().is_some() { Err(wrong("a name with a digest cannot be given".to_owned())) } else { Ok(reference.or_latest()) }
}

/// `type=registry,ref=NAME` or a name alone.
fn image_of(text: &str) -> String {
    text.split(',').find_map(|part| part.strip_prefix("ref=")).unwrap_or(text).to_owned()
}

/// Which Dockerfile this is, to be compared with its last build.
pub fn identity(context: &str, file: Option<&str>) -> String {
    let absolute = |path: &str| std::path::absolute(path).unwrap_or_else(|_| PathBuf::from(path)).display().to_string();
    let is_folder = context != "-" && Remote::read(context).is_none();
    format!("{} {}", if is_folder { absolute(context) } else { context.to_owned() }, file.unwrap_or_default())
}

/// `NAME=VALUE`, or `NAME` for the value that the environment has.
fn pairs(texts: &[String]) -> BTreeMap<String, String> {
    let pair = |text: &String| match text.split_once('=') {
        Some((name, value)) => Some((name.to_owned(), value.to_owned())),
        None => std::env::var(text).ok().map(|value| (text.clone(), value)),
    };
    texts.iter().filter_map(pair).collect()
}

fn epoch(given: &BTreeMap<String, String>) -> Result<Option<i64>> {
    let text = given.get("SOURCE_DATE_EPOCH").cloned().or_else(|| std::env::var("SOURCE_DATE_EPOCH").ok());
    let wrong = |text: &String| Error::new(format!("invalid SOURCE_DATE_EPOCH: {text}")).hint("it is a number of seconds since 1970");
    text.filter(|text| !text.is_empty()).map(|text| text.parse().map_err(|_| wrong(&text))).transpose()
}

fn secret(text: &str) -> Result<(String, Secret)> {
    let parts: BTreeMap<&str, &str> = text.split(',').filter_map(|part| part.split_once('=')).collect();
    let Some(id) = parts.get("id") else {
        return Err(Error::new(format!("invalid secret {text:?}: it has no id")).hint("--secret id=NAME,src=FILE"));
    };
    let file = parts.get("src").or_else(|| parts.get("source")).map(PathBuf::from);
    let kind = parts.get("type").copied().unwrap_or_default();
    let variable = parts.get("env").map(|name| (*name).to_owned()).or_else(|| (kind == "env").then(|| (*id).to_owned()));
    let secret = match (file, variable) {
        (_, Some(name)) => Secret::Environment(name),
        (Some(path), None) => Secret::File(path),
        (None, None) if std::env::var_os(id).is_some() => Secret::Environment((*id).to_owned()),
        (None, None) => Secret::File(PathBuf::from(id)),
    };
    if let Secret::File(path) = &secret
        && !path.is_file()
    {
        return Err(Error::new(format!("failed to stat {}: no such file", path.display())).hint(format!("the secret {id} is read from it")));
    }
    Ok(((*id).to_owned(), secret))
}

/// How it is shown, and whether all is done as the builder before BuildKit did it.
fn style(arguments: &ArgMatches) -> (bool, Style) {
    let columns = || pty::size(std::io::stderr().as_fd()).map(|size| usize::from(size.columns));
    let wanted = arguments.get_one::<String>("progress").cloned().or_else(|| std::env::var("BUILDKIT_PROGRESS").ok());
    let old = wanted.is_none() && std::env::var("DOCKER_BUILDKIT").is_ok_and(|value| value == "0");
    let quiet = arguments.get_flag("quiet");
    let style = match wanted.as_deref().unwrap_or("auto") {
        _ if quiet => Style::Quiet,
        "quiet" => Style::Quiet,
        "plain" => Style::Plain,
        "rawjson" => Style::Json,
        "classic" => Style::Classic,
        _ if old => Style::Classic,
        "tty" => Style::Screen(columns().unwrap_or(80)),
        _ => columns().map_or(Style::Plain, Style::Screen),
    };
    (style == Style::Classic || old, style)
}

/// Takes what a printer does not: explanations and warnings, for the end.
struct Told<'a> {
    printer: &'a Printer,
    received: bool,
    explain: bool,
    explained: std::sync::Mutex<Vec<(usize, String, String)>>,
    warnings: std::sync::Mutex<Vec<Warning>>,
    failed: AtomicBool,
}

impl Listener for Told<'_> {
    fn tell(&self, event: Event) {
        match &event {
            // Who sent the context has said so already.
            Event::Context(_) if self.received => return,
            Event::Explained(line, text, why) if self.explain => {
                self.explained.lock().map(|mut all| all.push((*line, text.clone(), why.to_string()))).unwrap_or_default();
            }
            Event::Warning(warning) => self.warnings.lock().map(|mut all| all.push(warning.clone())).unwrap_or_default(),
            Event::Failed(..) => self.failed.store(true, Ordering::Relaxed),
            _ => {}
        }
        self.printer.tell(event);
    }
}

fn build(request: &Request) -> Result<i32> {
    let store = Store::open(&request.store)?;
    let _lease = store.lease()?;
    let workshop = Workshop::open(&store, request.options.epoch)?;
    let context = context(request, &workshop)?;
    let options = &Options {
        contexts: named::found(&request.contexts, &context, &workshop, &outside::Here { store: &store })?,
        ..request.options.clone()
    };
    let out: Box<dyn std::io::Write + Send> =
        if request.style == Style::Classic { Box::new(std::io::stdout()) } else { Box::new(std::io::stderr()) };
    let printer = Printer::new(request.style, out);
    let told = Told {
        printer: &printer,
        received: request.context == "-",
        explain: request.explain,
        explained: Default::default(),
        warnings: Default::default(),
        failed: AtomicBool::new(false),
    };
    let outcome = one_build((request, options), &workshop, &context, &told);
    printer.finish(outcome.is_err());
    match outcome {
        Ok(code) => {
            ending(request, &context, &told);
            Ok(code)
        }
        Err(error) => {
            explanations(request, &told);
            eprint!("{}", printer.failure(&error, &context.name, &context.definition));
            error.hint.iter().for_each(|hint| eprintln!("hint: {hint}"));
            Ok(1)
        }
    }
}

fn context(request: &Request, workshop: &Workshop<'_>) -> Result<Context> {
    match (request.context.as_str(), request.file.as_deref()) {
        ("-", Some("-")) => Err(Error::new("invalid argument: can't use stdin for both build context and dockerfile")),
        ("-", file) => Context::stream(std::io::stdin().lock(), &workshop.step()?, file),
        (place, file) if let Some(remote) = Remote::read(place) => {
            if file == Some("-") {
                return Err(Error::new("invalid argument: the Dockerfile of a context from elsewhere is in it")
                    .hint("name its path there: -f PATH"));
            }
            remote.fetch(&outside::Here { store: workshop.store }, &workshop.step()?, file)
        }
        (folder, Some("-")) => {
            let text =
                std::io::read_to_string(std::io::stdin().lock()).map_err(|error| Error::new(format!("read the Dockerfile: {error}")))?;
            Context::folder(Path::new(folder), None, Some(text))
        }
        (folder, file) => Context::folder(Path::new(folder), file, None),
    }
}

fn one_build((request, options): (&Request, &Options), workshop: &Workshop<'_>, context: &Context, told: &Told<'_>) -> Result<i32> {
    let file = dockerfile::read(&context.definition)?;
    let settings =
        Settings::read(request.options.arguments.get("BUILDKIT_DOCKERFILE_CHECK").or(file.directives.check.as_ref()).map(String::as_str));
    for warning in checks::file(&file, &context.ignore) {
        told.tell(Event::Warning(warning));
    }
    let outside = outside::Here { store: workshop.store };
    let state = build::build(&file, context, options, workshop, told, &outside)?;
    let warnings = kept(told, &settings);
    if request.options.check {
        return Ok(judged(&warnings, context));
    }
    if settings.error
        && let Some(first) = warnings.first()
    {
        return Err(Error::new(format!("lint violation found for rules: {}", first.rule)).at(first.lines));
    }
    export(request, workshop, &state, told)?;
    Ok(0)
}

/// The warnings that count, once each.
fn kept(told: &Told<'_>, settings: &Settings) -> Vec<Warning> {
    let mut all = told.warnings.lock().map(|all| all.clone()).unwrap_or_default();
    all.retain(|warning| settings.wants(warning));
    all.sort();
    all.dedup();
    all
}

fn export(request: &Request, workshop: &Workshop<'_>, state: &build::State, told: &Told<'_>) -> Result<()> {
    let store = workshop.store;
    let vertex = told.printer.next_vertex();
    let began = std::time::Instant::now();
    told.tell(Event::Begun(vertex, "exporting to image".to_owned()));
    if let Output::Local(_) | Output::Tar(_) = &request.output {
        output::files(workshop, state, &request.output)?;
        told.tell(Event::Done(vertex, began.elapsed()));
        return Ok(());
    }
    let image = build::image::write(store, state, &request.options)?;
    told.tell(Event::Status(vertex, "exporting layers".to_owned()));
    told.tell(Event::Status(vertex, format!("writing image {}", image.id())));
    match &request.output {
        Output::Archive(place) => output::archive(store, &image, &request.tags, place.as_deref())?,
        _ => name(request, store, &image, vertex, told)?,
    }
    told.tell(Event::Done(vertex, began.elapsed()));
    told.tell(Event::Built(image.id().to_string()));
    request.tags.iter().for_each(|name| told.tell(Event::Tagged(name.familiar())));
    if let Some(file) = &request.id_file {
        std::fs::write(file, image.id().to_string()).map_err(|error| Error::new(format!("write `{}`: {error}", file.display())))?;
    }
    if request.style == Style::Quiet {
        println!("{}", image.id());
    }
    Ok(())
}

fn name(request: &Request, store: &Store, image: &Image, vertex: usize, told: &Told<'_>) -> Result<()> {
    for name in &request.tags {
        store.set_name(name, &image.target)?;
        told.tell(Event::Status(vertex, format!("naming to {name}")));
    }
    Ok(())
}

/// What stands below a build that went well.
fn ending(request: &Request, context: &Context, told: &Told<'_>) {
    explanations(request, told);
    let shown = matches!(request.style, Style::Plain | Style::Screen(_));
    if request.options.check || !shown {
        return;
    }
    let file = dockerfile::read(&context.definition).ok();
    let settings = Settings::read(file.as_ref().and_then(|file| file.directives.check.as_deref()));
    let warnings = kept(told, &settings);
    if warnings.is_empty() {
        return;
    }
    eprintln!("\n {} found (use --check to expand):", counted(warnings.len()));
    warnings.iter().for_each(|warning| eprintln!(" - {}: {} (line {})", warning.rule, warning.text, warning.lines.0));
}

fn counted(number: usize) -> String {
    if number == 1 { "1 warning".to_owned() } else { format!("{number} warnings") }
}

fn explanations(request: &Request, told: &Told<'_>) {
    let mut all = told.explained.lock().map(|all| all.clone()).unwrap_or_default();
    all.sort();
    if all.is_empty() {
        return;
    }
    let lines: String = all.iter().map(|(line, text, why)| format!(" line {line}: {text}\n    {why}\n")).collect();
    let text = format!("\nWhat the cache did:\n{lines}");
    // Who reads documents gets it as one, under a name that BuildKit does not have.
    if request.style == Style::Json { eprintln!("{}", serde_json::json!({"explanation": text})) } else { eprint!("{text}") }
}

/// `--check`: every warning with its lines. There are some: exit code 1.
fn judged(warnings: &[Warning], context: &Context) -> i32 {
    match warnings.len() {
        0 => println!("Check complete, no warnings found."),
        1 => println!("Check complete, 1 warning has been found!"),
        several => println!("Check complete, {several} warnings have been found!"),
    }
    for warning in warnings {
        println!(
            "\nWARNING: {}\n{}\n{}",
            warning.rule,
            warning.text,
            excerpt(&context.name, &context.definition, warning.lines).trim_end()
        );
    }
    i32::from(!warnings.is_empty())
}
