//! create, start, run, kill, delete, pause, resume, update.

use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;

use super::arguments::Flag;
use super::{Context, foreground, shim, terminal};
use crate::kernel::cgroup::Resources;
use crate::kernel::process;
use crate::oci::runtime::{self, ContainerId, Created, Entry, Error, Request, Result, State, Status, spec};

/// The container that the first operand names.
///
/// # Errors
/// None was given, or its name cannot be one.
pub fn id(context: &Context) -> Result<ContainerId> {
    let name = context.arguments.operands().first();
    let name = name.ok_or_else(|| Error::new("which container? its id is missing"))?;
    ContainerId::new(name).map_err(Error::new)
}

/// The container's folder, locked, and its state.
///
/// # Errors
/// There is none.
pub fn open(context: &Context) -> Result<(Entry, State)> {
    let entry = context.store.open(&id(context)?)?;
    let state = entry.load()?;
    Ok((entry, state))
}

fn request<'a>(context: &'a Context, wait: bool) -> Result<Request<'a>> {
    Ok(Request {
        store: &context.store,
        id: id(context)?,
        bundle: Path::new(context.arguments.value("bundle").unwrap_or(".")),
        wait,
        pid_file: context.arguments.value("pid-file").map(Path::new),
        preserve: preserve(context, listening())?,
        listening: listening(),
        no_pivot: context.arguments.has("no-pivot"),
    })
}

/// How many sockets of socket activation (sd_listen_fds(3)) were given to us, and so to the container: they begin at descriptor 3, before those
/// of `--preserve-fds`.
fn listening() -> u32 {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u32>().ok();
    if number("LISTEN_PID") == Some(std::process::id()) { number("LISTEN_FDS").unwrap_or(0) } else { 0 }
}

/// `--preserve-fds`: descriptors that the program gets, from 3 on, or after the `before` sockets of socket activation.
///
/// # Errors
/// It is no number, or one of them is not open: a stranger's descriptor would get its place.
pub fn preserve(context: &Context, before: u32) -> Result<u32> {
    let wanted: u32 = context.arguments.number("preserve-fds")?.unwrap_or(0);
    let wanted = wanted.checked_add(before).filter(|all| *all < 1 << 20);
    let wanted = wanted.ok_or_else(|| Error::new("--preserve-fds: no process has that many descriptors"))?;
    for number in 3..3 + wanted {
        if !crate::kernel::program::is_open(number as i32) {
            return Err(Error::new(format!("--preserve-fds {wanted}: descriptor {number} is not open")));
        }
    }
    Ok(wanted)
}

/// `create`: the terminal, if one is wanted, goes to the console socket.
pub fn create(context: &Context) -> Result<ExitCode> {
    if context.arguments.has("shim") || context.served.is_some() {
        return shim::create(context, &request(context, true)?);
    }
    let created = runtime::create(&request(context, true)?)?;
    created.warnings.iter().for_each(|warning| super::log::Log::default().warn(warning));
    if let Some(console) = &created.console {
        terminal::send(context, console).map_err(|error| abandon(error, &created))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A container whose terminal nobody takes is ended again.
fn abandon(error: Error, created: &Created) -> Error {
    process::end(std::os::fd::AsFd::as_fd(&created.process.fd));
    error
}

/// `start`.
pub fn start(context: &Context) -> Result<ExitCode> {
    let (entry, state) = open(context)?;
    let started = runtime::start(&entry, &state);
    context.xray.flush_from(&entry.xray());
    started.map(|()| ExitCode::SUCCESS)
}

/// `run`: in the foreground its exit code becomes ours.
pub fn run(context: &Context) -> Result<ExitCode> {
    let detach = context.arguments.has("detach");
    if context.arguments.has("shim") {
        let hint = "a container in the foreground is held by the command itself";
        return if detach {
            shim::create(context, &request(context, false)?)
        } else {
            Err(Error::new("--shim goes with --detach").hint(hint))
        };
    }
    if !detach {
        // Before the clone, so that no signal is lost between it and the wait. The program gets them unblocked.
        process::block_signals()?;
    }
    let created = runtime::create(&request(context, false)?)?;
    created.warnings.iter().for_each(|warning| super::log::Log::default().warn(warning));
    poststart(&created);
    if detach {
        if let Some(console) = &created.console {
            terminal::send(context, console).map_err(|error| abandon(error, &created))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let Created { entry, state, process, console, .. } = created;
    if let Some(console) = &console
        && context.arguments.value("console-socket").is_some()
    {
        terminal::send(context, console)?;
    }
    let folder = entry.release();
    // Whoever looks on while the container runs wants to see how it was made.
    context.xray.flush();
    let exit = foreground::wait(&process, console.filter(|_| context.arguments.value("console-socket").is_none()))?;
    context.xray.exit(&format!("container/{}", state.id), exit.shell_code());
    if !context.arguments.has("keep") {
        runtime::discard(folder.lock_again()?, &state)?;
    }
    Ok(ExitCode::from(exit.shell_code() as u8))
}

/// Runs the hooks of a container that runs; what fails in them is told and stops nothing (config.md, "POSIX-platform Hooks").
pub fn poststart(created: &Created) {
    let ran = runtime::run_hooks("poststart", &created.hooks.poststart, &created.state.document("running").to_string());
    if let Err(error) = ran {
        super::log::Log::default().warn(&error);
    }
}

/// `kill`.
pub fn kill(context: &Context) -> Result<ExitCode> {
    let (entry, state) = open(context)?;
    let signal = runtime::signal_number(context.arguments.operands().get(1).map_or("TERM", String::as_str))?;
    runtime::kill(&entry, &state, signal, context.arguments.has("all"))?;
    Ok(ExitCode::SUCCESS)
}

/// `delete`.
pub fn delete(context: &Context) -> Result<ExitCode> {
    let force = context.arguments.has("force");
    match context.store.open(&id(context)?) {
        Ok(entry) => runtime::delete(entry, force)?,
        Err(_) if force => {}
        Err(error) => return Err(error),
    }
    Ok(ExitCode::SUCCESS)
}

fn cgroup_of(state: &State) -> Result<crate::kernel::cgroup::Cgroup> {
    state.cgroup().ok_or_else(|| {
        Error::new(format!("container `{}` has no cgroup", state.id))
            .hint("rootless containers have one only where a cgroup was delegated to you")
    })
}

/// `pause`.
pub fn pause(context: &Context) -> Result<ExitCode> {
    let (entry, state) = open(context)?;
    match entry.status(&state) {
        Status::Running | Status::Created => cgroup_of(&state)?.freeze()?,
        status => return Err(Error::new(format!("container `{}` is {}: only a running one can be paused", state.id, status.word()))),
    }
    Ok(ExitCode::SUCCESS)
}

/// `resume`.
pub fn resume(context: &Context) -> Result<ExitCode> {
    let (entry, state) = open(context)?;
    if entry.status(&state) != Status::Paused {
        return Err(Error::new(format!("container `{}` is not paused", state.id)));
    }
    cgroup_of(&state)?.thaw()?;
    Ok(ExitCode::SUCCESS)
}

/// Flags of `update`: runc's, each a key of `linux.resources`.
pub const UPDATE_FLAGS: &[Flag] = &[
    Flag::value("resources", Some('r'), "FILE", "a JSON file of `linux.resources`; - is standard input"),
    Flag::value("blkio-weight", None, "N", "share of disk time, 10 to 1000"),
    Flag::value("cpu-period", None, "MICROSECONDS", "length of the period that a quota counts in"),
    Flag::value("cpu-quota", None, "MICROSECONDS", "processor time per period; -1 is unlimited"),
    Flag::value("cpu-burst", None, "MICROSECONDS", "unused quota that may be saved up"),
    Flag::value("cpu-share", None, "N", "share of processor time"),
    Flag::value("cpuset-cpus", None, "LIST", "processors, as 0-2,7"),
    Flag::value("cpuset-mems", None, "LIST", "memory nodes"),
    Flag::value("memory", None, "BYTES", "most memory; -1 is unlimited"),
    Flag::value("memory-reservation", None, "BYTES", "what is kept when the machine is short"),
    Flag::value("memory-swap", None, "BYTES", "most memory and swap together"),
    Flag::value("pids-limit", None, "N", "most processes; -1 is unlimited"),
    Flag::value("cpu-rt-period", None, "MICROSECONDS", "realtime period (v1)"),
    Flag::value("cpu-rt-runtime", None, "MICROSECONDS", "realtime time per period (v1)"),
    Flag::value("kernel-memory", None, "BYTES", "accepted for compatibility: obsolete"),
    Flag::value("kernel-memory-tcp", None, "BYTES", "memory of TCP buffers (v1)"),
    Flag::switch("help", Some('h'), "show this help"),
];

/// `update`.
pub fn update(context: &Context) -> Result<ExitCode> {
    let (entry, state) = open(context)?;
    let resources = match context.arguments.value("resources") {
        Some(file) => read_resources(file)?,
        None => resources(context)?,
    };
    if entry.status(&state) == Status::Stopped {
        return Err(Error::new(format!("container `{}` is not running", state.id)));
    }
    cgroup_of(&state)?.apply(&resources)?;
    Ok(ExitCode::SUCCESS)
}

fn read_resources(file: &str) -> Result<Resources> {
    let mut bytes = Vec::new();
    if file == "-" {
        std::io::stdin().read_to_end(&mut bytes).map_err(|error| Error::new(format!("read standard input: {error}")))?;
    } else {
        bytes = crate::kernel::fs::read_bytes(Path::new(file))?;
    }
    spec::parse_resources(&bytes).map_err(|error| spec::Error { file: file.into(), ..error }.into())
}

fn resources(context: &Context) -> Result<Resources> {
    let given = &context.arguments;
    let mut document = serde_json::Map::new();
    let mut put = |part: &str, key: &str, value: Option<serde_json::Value>| {
        if let Some(value) = value {
            document.entry(part).or_insert_with(|| serde_json::json!({}))[key] = value;
        }
    };
    let numbers = [
        ("cpu-period", "cpu", "period"),
        ("cpu-quota", "cpu", "quota"),
        ("cpu-burst", "cpu", "burst"),
        ("cpu-share", "cpu", "shares"),
        ("cpu-rt-period", "cpu", "realtimePeriod"),
        ("cpu-rt-runtime", "cpu", "realtimeRuntime"),
        ("memory", "memory", "limit"),
        ("memory-reservation", "memory", "reservation"),
        ("memory-swap", "memory", "swap"),
        ("kernel-memory-tcp", "memory", "kernelTCP"),
        ("pids-limit", "pids", "limit"),
        ("blkio-weight", "blockIO", "weight"),
    ];
    for (flag, part, key) in numbers {
        put(part, key, given.number::<i64>(flag)?.map(Into::into));
    }
    for (flag, key) in [("cpuset-cpus", "cpus"), ("cpuset-mems", "mems")] {
        put("cpu", key, given.value(flag).map(Into::into));
    }
    serde_json::from_value(document.into()).map_err(|error| Error::new(format!("update: {error}")))
}
