//! `bottleship engine`: Docker's API on a socket, for the unmodified `docker` client and everything else that speaks it.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Arg, ArgMatches, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::{Tool, fail};
use crate::engine::config::Config;
use crate::engine::{Engine, Machine, api};
use crate::kernel::fs;
use handed::Handed;
use listen::Transport;

mod expose;
mod handed;
mod journal;
mod listen;
mod settings;

/// The engine.
pub const ENGINE: Tool = Tool { command, run };

/// How long requests that are being answered may take to end when the engine is to: some (`docker events`) never do.
const LAST: Duration = Duration::from_secs(2);

fn command() -> Command {
    Command::new("engine")
        .about("Answer Docker's API, as dockerd does")
        .long_about(
            "Answers Docker's API, as dockerd does: `docker -H unix://PATH images` and docker-py work on it: images, containers, \
             volumes and networks.\n\
             It stays in the foreground until SIGTERM or Ctrl-C, and then lets the requests that are being answered end. Containers run on without it, \
             and the next engine on the same data finds them. SIGHUP has it read mirrors and insecure registries anew. Options are dockerd's, here and in its \
             file daemon.json.\n\
             With --expose it is no engine, but shows that of a bottle's host outside the bottle.",
        )
        .args(settings::arguments())
        .arg(
            Arg::new("expose")
                .long("expose")
                .value_name("HOST")
                .num_args(0..=1)
                .default_missing_value("bench")
                .help("Show the engine of this host of a running bottle on this machine, at -H or in Bottleship's state [default: bench]"),
        )
        .arg(
            Arg::new("bottle").long("bottle").value_name("NAME").default_value("main").help("For --expose: the bottle, as `bottleship ls` names it"),
        )
}

fn run(arguments: &ArgMatches) -> ExitCode {
    if let Some(host) = arguments.get_one::<String>("expose") {
        let (bottle, at) = (arguments.get_one::<String>("bottle"), arguments.get_one::<String>("host"));
        let done = expose::expose(bottle.map_or("main", String::as_str), host, at.map(String::as_str));
        return done.map_or_else(|error| fail(&error, None), |()| ExitCode::SUCCESS);
    }
    let handed = match Handed::take() {
        Ok(handed) => handed,
        Err(error) => return fail(&format!("take over what was handed to the engine: {error}"), None),
    };
    match settings::read(arguments) {
        Ok(_) if arguments.get_flag("validate") => {
            println!("configuration OK");
            ExitCode::SUCCESS
        }
        Ok(config) => start(arguments, config, handed),
        Err(error) => fail(&error, None),
    }
}

fn start(arguments: &ArgMatches, config: Config, mut handed: Handed) -> ExitCode {
    let transport = match settings::transport(&config) {
        Ok(tls) => Transport { tls, anywhere: settings::on_a_host() },
        Err(error) => return fail(&error, None),
    };
    warn(&config, &transport);
    let (root, registries) = (settings::root(&config), settings::registries(&config));
    let engine = match Engine::open(&root, machine(&mut handed), registries, config) {
        Ok(engine) => engine,
        Err(error) => return fail(&error, error.hint().as_deref()),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("start the engine: {error}"), None),
    };
    let done = runtime.block_on(serve(&engine, handed, &transport, arguments));
    // Work that waits for nobody any more is not waited for.
    runtime.shutdown_background();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error, Some("see `bottleship engine --help` for what `-H` takes")),
    }
}

/// What a person should know about what they have set.
fn warn(config: &Config, transport: &Transport) {
    for key in &config.effectless {
        eprintln!("warning: `{key}` is dockerd's, and changes nothing in this engine");
    }
    let open = |host: &&String| host.strip_prefix("tcp://").is_some_and(|at| !at.starts_with("127.") && !at.starts_with("localhost"));
    if transport.tls.is_none()
        && let Some(host) = config.hosts.iter().find(open)
    {
        eprintln!(
            "warning: Binding to IP address without --tlsverify is insecure and gives root access on this machine to everyone who has access to your network. host={host}"
        );
    }
}

/// A line for whoever reads our output. One who has gone away is no reason to end.
fn tell(line: &str) {
    let mut out = std::io::stdout().lock();
    // See above.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// What the engine tells of this machine. What cannot be read is told as empty.
fn machine(handed: &mut Handed) -> Machine {
    let read = |path: &str| fs::read(Path::new(path)).unwrap_or_default().trim().to_owned();
    let memory = read("/proc/meminfo");
    let total = memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    Machine {
        name: read("/proc/sys/kernel/hostname"),
        kernel: read("/proc/sys/kernel/osrelease"),
        memory: total.unwrap_or(0) * 1024,
        doors: Arc::new(std::mem::take(&mut handed.doors)),
    }
}

async fn serve(engine: &Arc<Engine>, mut handed: Handed, transport: &Transport, arguments: &ArgMatches) -> Result<(), String> {
    engine.revive().await;
    if journal::is_here() {
        tokio::spawn(journal::follow(Arc::clone(engine)));
    }
    let (stop, stopped) = watch::channel(false);
    let mut serving = tokio::task::JoinSet::new();
    let mut sockets = Vec::new();
    for host in &engine.config().hosts {
        let application = journal::watched(api::service(Arc::clone(engine)));
        let refused = |error: std::io::Error| format!("listen on {host}: {error}");
        if host.starts_with("fd://") {
            if handed.listeners.is_empty() {
                return Err(format!("listen on {host}: nobody has handed a socket over (LISTEN_FDS, LISTEN_PID)"));
            }
            for listener in handed.listeners.drain(..) {
                serving.spawn(listen::inherited(listener).map_err(refused)?.answer(application.clone(), stopped.clone()));
            }
        } else {
            let (listener, socket) = listen::open(host, transport).await.map_err(refused)?;
            sockets.extend(socket);
            serving.spawn(listener.answer(application, stopped.clone()));
        }
        tell(&format!("API listen on {host}"));
    }
    let signals = |kind| signal(kind).map_err(|error| format!("wait for signals: {error}"));
    let (mut term, mut int, mut hup) =
        (signals(SignalKind::terminate())?, signals(SignalKind::interrupt())?, signals(SignalKind::hangup())?);
    handed.tell();
    let ended = loop {
        tokio::select! {
            _ = term.recv() => break None,
            _ = int.recv() => break None,
            _ = hup.recv() => reload(engine, arguments),
            ended = serving.join_next() => break ended,
        }
    };
    if ended.is_none() && engine.config().live_restore == Some(false) {
        engine.stop_all().await;
    }
    stop.send_replace(true);
    for socket in sockets {
        // The next engine removes one that is left behind.
        let _ = fs::remove_file(&socket);
    }
    // Those that do not end by then are cut off.
    let _ = tokio::time::timeout(LAST, async { while serving.join_next().await.is_some() {} }).await;
    match ended {
        Some(Ok(Err(error))) => Err(format!("answer requests: {error}")),
        _ => Ok(()),
    }
}

/// Reads the file anew. One that is wrong now changes nothing.
fn reload(engine: &Engine, arguments: &ArgMatches) {
    match settings::read(arguments) {
        Ok(config) => {
            engine.reach_registries_as(settings::registries(&config));
            tell("Reloaded configuration");
        }
        Err(error) => eprintln!("error: {error}"),
    }
}
