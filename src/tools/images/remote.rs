//! The half of `bottleship images` that talks to registries: pull, push, login, logout, tags, manifest inspect. What it prints is what docker prints.

use std::io::{IsTerminal as _, Read as _, Write as _};
use std::net::IpAddr;
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use clap::{Arg, ArgAction, ArgMatches, Command};

use super::{platform, text, unpack};
use crate::kernel::pty;
use crate::oci::digest::Digest;
use crate::oci::distribution::client::credentials::{Credentials, HUB_KEY, Login};
use crate::oci::distribution::client::progress::{Event, Progress, Step, There};
use crate::oci::distribution::client::settings::{Names, Settings};
use crate::oci::distribution::client::{Client, Error as Refused, run as drive};
use crate::oci::image::{Error, Store};
use crate::oci::reference::{HUB, Reference};
use crate::toolbox::resolver::{Resolver, Unresolved};
use crate::tools::fail;
use crate::ui::transfer::Board;

/// The commands of this file.
pub const VERBS: &[&str] = &["pull", "push", "login", "logout", "tags", "manifest"];

/// Adds them.
pub fn commands(images: Command) -> Command {
    let name = |help: &'static str| Arg::new("IMAGE").required(true).help(help);
    let server = || Arg::new("SERVER").help("The registry [default: Docker Hub]");
    let quiet = || Arg::new("quiet").short('q').long("quiet").action(ArgAction::SetTrue).help("Print the name in full and nothing else");
    images
        .subcommand(asking(Command::new("pull").about("Bring an image from a registry").arg(name("Its name")).arg(quiet())))
        .subcommand(asking(Command::new("push").about("Send an image to a registry").arg(name("Its name")).arg(quiet())))
        .subcommand(asking(
            Command::new("login")
                .about("Keep a name and password for a registry, if it takes them")
                .arg(server())
                .arg(Arg::new("username").short('u').long("username").value_name("NAME").help("The name"))
                .arg(
                    Arg::new("password")
                        .short('p')
                        .long("password")
                        .value_name("PASSWORD")
                        .help("The password; others can see it on the command line"),
                )
                .arg(
                    Arg::new("password-stdin")
                        .long("password-stdin")
                        .action(ArgAction::SetTrue)
                        .help("Read the password from standard input"),
                ),
        ))
        .subcommand(Command::new("logout").about("Forget the password for a registry").arg(server()))
        .subcommand(asking(Command::new("tags").about("List the tags of a repository").arg(name("The repository"))))
        .subcommand(
            Command::new("manifest")
                .about("Look at a manifest in a registry")
                .subcommand_required(true)
                .subcommand(asking(Command::new("inspect").about("Print it as it is").arg(name("The image")))),
        )
}

/// How registries are reached, for every command that asks one.
fn asking(command: Command) -> Command {
    let list = |id: &'static str, value: &'static str, help: &'static str| {
        Arg::new(id).long(id).value_name(value).action(ArgAction::Append).help(help)
    };
    command
        .arg(list(
            "insecure-registry",
            "HOST",
            "A registry without TLS, or with a certificate that proves nothing; those on this machine need no such word",
        ))
        .arg(list("registry-mirror", "URL", "A mirror of Docker Hub, asked first"))
        .arg(list("ca", "FILE", "An authority to trust besides the system's"))
}

/// Runs one of them.
pub fn run(verb: &str, store: &Store, arguments: &ArgMatches) -> ExitCode {
    let done = match verb {
        "pull" => pull(store, arguments),
        "push" => push(store, arguments),
        "login" => login(arguments),
        "logout" => logout(arguments),
        "tags" => tags(arguments),
        _ => arguments.subcommand_matches("inspect").map_or(Ok(()), inspect),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err((error, hint)) => fail(&error, hint.as_deref()),
    }
}

/// What went wrong and what to do.
type Failure = (String, Option<String>);

fn refused(error: Refused) -> Failure {
    (error.to_string(), error.hint())
}

fn ours(error: Error) -> Failure {
    (error.to_string(), error.hint())
}

fn said(text: impl Into<String>) -> Failure {
    (text.into(), None)
}

/// Names by the machine's own files and servers.
pub struct Machine;

impl Names for Machine {
    fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, String> {
        Resolver::system().addresses(host).map_err(|error| match error {
            Unresolved::Said("NXDOMAIN" | "NODATA") | Unresolved::NoName => "no such host".to_owned(),
            Unresolved::Said(code) => format!("server misbehaving ({code})"),
            Unresolved::Silence => "no name server answers".to_owned(),
        })
    }
}

/// How registries are reached when nobody says anything: docker's own files, this machine's names.
pub fn usual_settings() -> Settings {
    Settings::usual(Arc::new(Machine))
}

fn client(arguments: &ArgMatches, progress: Arc<dyn Progress>) -> Client {
    let all = |id: &str| arguments.get_many::<String>(id).into_iter().flatten().cloned().collect::<Vec<String>>();
    let mut settings = usual_settings();
    settings.insecure = all("insecure-registry");
    settings.mirrors = all("registry-mirror");
    settings.authorities = all("ca").into_iter().map(PathBuf::from).collect();
    Client::new(settings, progress)
}

fn named(arguments: &ArgMatches) -> Result<Reference, Failure> {
    text(arguments, "IMAGE").parse::<Reference>().map(Reference::or_latest).map_err(|error| ours(error.into()))
}

fn wait<T>(future: impl Future<Output = Result<T, Refused>>) -> Result<T, Failure> {
    drive(future).map_err(|error| said(format!("start: {error}")))?.map_err(refused)
}

fn pull(store: &Store, arguments: &ArgMatches) -> Result<(), Failure> {
    let (name, platform) = (named(arguments)?, platform(arguments).map_err(ours)?);
    let shown = Arc::new(Drawn::new(arguments.get_flag("quiet")));
    if text(arguments, "IMAGE").parse::<Reference>().is_ok_and(|typed| typed.tag().is_none() && typed.digest().is_none()) {
        shown.say("Using default tag: latest");
    }
    let client = client(arguments, Arc::clone(&shown) as Arc<dyn Progress>);
    let pulled = wait(client.pull(store, &name, &platform))?;
    let image = store.read_image(&pulled.target, &platform).map_err(ours)?;
    let tell = &mut |digest: &Digest, done: bool| {
        shown.event(Event::Layer(digest.clone(), if done { Step::Extracted } else { Step::Extracting }));
    };
    if pulled.newer {
        store.unpack_image(&image, Default::default(), tell).map_err(ours)?;
    } else {
        unpack(store, &image).map_err(ours)?;
    }
    shown.say(&format!("Digest: {}", pulled.target.digest));
    let status = if pulled.newer { "Downloaded newer image" } else { "Image is up to date" };
    shown.say(&format!("Status: {status} for {}", name.familiar()));
    println!("{name}");
    Ok(())
}

fn push(store: &Store, arguments: &ArgMatches) -> Result<(), Failure> {
    let (name, platform) = (named(arguments)?, platform(arguments).map_err(ours)?);
    let shown = Arc::new(Drawn::new(arguments.get_flag("quiet")));
    if text(arguments, "IMAGE").parse::<Reference>().is_ok_and(|typed| typed.tag().is_none()) {
        shown.say("Using default tag: latest");
    }
    let client = client(arguments, Arc::clone(&shown) as Arc<dyn Progress>);
    let sent = wait(client.push(store, &name, &platform))?;
    let tag = name.tag().unwrap_or_default();
    shown.say(&format!("{tag}: digest: {} size: {}", sent.target.digest, sent.target.size));
    if let Some(only) = sent.only {
        shown.say(&format!("Note: the index names other platforms too; only {only} is here, so only it was pushed"));
    }
    if arguments.get_flag("quiet") {
        println!("{name}");
    }
    Ok(())
}

fn server(arguments: &ArgMatches) -> String {
    let given = arguments.get_one::<String>("SERVER").map_or(HUB, String::as_str);
    let plain = given.trim_start_matches("https://").trim_start_matches("http://").trim_end_matches('/');
    let plain = plain.split('/').next().unwrap_or(plain);
    if ["index.docker.io", "registry-1.docker.io"].contains(&plain) { HUB.to_owned() } else { plain.to_owned() }
}

fn login(arguments: &ArgMatches) -> Result<(), Failure> {
    let host = server(arguments);
    Reference::new(&host, "x", None, None).map_err(|_| said(format!("`{host}` is no registry: use host or host:port")))?;
    let name = match arguments.get_one::<String>("username") {
        Some(name) => name.clone(),
        None => ask("Username: ", false)?,
    };
    let password = match arguments.get_one::<String>("password") {
        Some(password) => {
            eprintln!("WARNING! Using --password via the CLI is insecure. Use --password-stdin.");
            password.clone()
        }
        None if arguments.get_flag("password-stdin") => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).map_err(|error| said(format!("read the password: {error}")))?;
            text.trim_end_matches(['\r', '\n']).to_owned()
        }
        None => ask("Password: ", true)?,
    };
    if name.is_empty() || password.is_empty() {
        return Err(said("a login needs a name and a password"));
    }
    let login = Login { name, password };
    let client = client(arguments, Arc::new(crate::oci::distribution::client::progress::Silent));
    wait(client.log_in(&host, &login))?;
    let credentials =
        Credentials::usual().ok_or_else(|| said("there is no home folder to keep the password in: set HOME or DOCKER_CONFIG"))?;
    credentials.set(&host, &login).map_err(said)?;
    eprintln!("WARNING! Your password is stored in `{}`, readable by you alone, and not encrypted.", credentials.path().display());
    println!("Login Succeeded");
    Ok(())
}

fn ask(question: &str, unseen: bool) -> Result<String, Failure> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Err((
            "cannot perform an interactive login from a non TTY device".to_owned(),
            Some("give the name with -u, and the password with --password-stdin".to_owned()),
        ));
    }
    print!("{question}");
    // A terminal that takes nothing has other troubles.
    drop(std::io::stdout().flush());
    let _silence = unseen.then(|| pty::unseen(stdin.as_fd())).transpose().map_err(|error| said(error.to_string()))?;
    let mut line = String::new();
    stdin.read_line(&mut line).map_err(|error| said(format!("read: {error}")))?;
    if unseen {
        println!();
    }
    Ok(line.trim().to_owned())
}

fn logout(arguments: &ArgMatches) -> Result<(), Failure> {
    let host = server(arguments);
    let credentials = Credentials::usual().ok_or_else(|| said("there is no home folder with a password in it"))?;
    let shown = if host == HUB { HUB_KEY } else { &host };
    if credentials.remove(&host).map_err(said)? {
        println!("Removing login credentials for {shown}");
    } else {
        println!("Not logged in to {shown}");
    }
    Ok(())
}

fn tags(arguments: &ArgMatches) -> Result<(), Failure> {
    let name = named(arguments)?;
    let client = client(arguments, Arc::new(crate::oci::distribution::client::progress::Silent));
    let tags = wait(client.tags(&name))?;
    tell(&tags.iter().map(|tag| format!("{tag}\n")).collect::<String>());
    Ok(())
}

fn inspect(arguments: &ArgMatches) -> Result<(), Failure> {
    let name = named(arguments)?;
    let client = client(arguments, Arc::new(crate::oci::distribution::client::progress::Silent));
    let fetched = wait(client.manifest(&name))?;
    let value: serde_json::Value = serde_json::from_slice(&fetched.content).map_err(|error| said(error.to_string()))?;
    tell(&format!("{}\n", serde_json::to_string_pretty(&value).map_err(|error| said(error.to_string()))?));
    Ok(())
}

/// Prints; whoever reads may have had enough of it (`| head`).
fn tell(text: &str) {
    let mut out = std::io::stdout().lock();
    drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

/// Draws the events on standard output.
struct Drawn {
    quiet: bool,
    board: Mutex<Board>,
    there: There,
}

impl Drawn {
    fn new(quiet: bool) -> Self {
        let columns = pty::size(std::io::stdout().as_fd()).map(|size| usize::from(size.columns));
        Drawn { quiet, board: Mutex::new(Board::new(columns)), there: There::default() }
    }

    fn draw(&self, draw: impl FnOnce(&mut Board) -> String) {
        let text = draw(&mut self.board.lock().unwrap_or_else(PoisonError::into_inner));
        if !self.quiet && !text.is_empty() {
            tell(&text);
        }
    }

    fn say(&self, text: &str) {
        self.draw(|board| board.say(text));
    }
}

impl Progress for Drawn {
    fn event(&self, event: Event) {
        match event {
            Event::Pulling { target, path } => self.say(&format!("{target}: Pulling from {path}")),
            Event::Pushing(repository) => self.say(&format!("The push refers to repository [{repository}]")),
            Event::Layer(digest, step) if !self.there.shows(&digest, &step) => {}
            Event::Layer(digest, step) => {
                let (status, bytes) = step.words();
                self.draw(|board| board.set(digest.short(), &status, bytes));
            }
            Event::Again(why, pause) => self.say(&format!("{why}: trying again in {}.{} seconds", pause / 1000, pause % 1000 / 100)),
            Event::Mirror(mirror, why) => self.say(&format!("the mirror {mirror} did not help: {why}")),
        }
    }
}
